/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clippictures.h"

#include <string.h>
#include <gst/base/gsttypefindhelper.h>

#include "clipimage.h"
#include "src/dataset/picturename.h"

/* A file name in three parts: digits [first, last), and the text before and after them. */
typedef struct {
  gchar *name;
  guint first, last;
} Numbered;

static void
clear_numbered (gpointer data)
{
  g_free (((Numbered *) data)->name);
}

/* Finds %d, %5d or %05d in the last component of a path: [*first, *last). */
static gboolean
find_pattern (const gchar *path, guint *first, guint *last)
{
  const gchar *slash = strrchr (path, '/'), *p;

  for (p = slash ? slash + 1 : path; (p = strchr (p, '%')); p++) {
    gsize digits = strspn (p + 1, "0123456789");

    if (p[1 + digits] == 'd') {
      *first = p - path;
      *last = *first + digits + 2;
      return TRUE;
    }
  }

  return FALSE;
}

static gint
compare_numbered (gconstpointer a, gconstpointer b)
{
  const Numbered *x = a, *y = b;
  const gchar *p = x->name + x->first, *q = y->name + y->first;
  guint n = x->last - x->first, m = y->last - y->first;

  for (; n > 1 && *p == '0'; p++, n--)
    ;
  for (; m > 1 && *q == '0'; q++, m--)
    ;
  if (n != m)
    return n < m ? -1 : 1;
  n = strncmp (p, q, n);

  return n ? (gint) n : strcmp (x->name, y->name);
}

static gboolean
same_series (const Numbered *a, const Numbered *b)
{
  return a->first == b->first && !strncmp (a->name, b->name, a->first)
      && !g_ascii_strcasecmp (a->name + a->last, b->name + b->last);
}

gboolean
clip_pictures_named (const gchar *path, const GStatBuf *status)
{
  guint first, last;

  return status ? S_ISDIR (status->st_mode)
                : cnn3d_picture_name (path) && find_pattern (path, &first, &last);
}

/* Names of numbered pictures in the folder; with a pattern, those that match it. */
static GArray *
list_names (const gchar *folder, const gchar *before, const gchar *after, GError **error)
{
  GDir *dir = g_dir_open (folder, 0, error);
  GArray *found;
  const gchar *name;

  if (!dir)
    return NULL;
  found = g_array_new (FALSE, FALSE, sizeof (Numbered));
  g_array_set_clear_func (found, clear_numbered);
  while ((name = g_dir_read_name (dir))) {
    Numbered numbered;
    gsize length = strlen (name);

    if (before) {
      numbered.first = strlen (before);
      if (length <= numbered.first + strlen (after) || !g_str_has_prefix (name, before)
          || !g_str_has_suffix (name, after))
        continue;
      numbered.last = length - strlen (after);
      if (strspn (name + numbered.first, "0123456789") < numbered.last - numbered.first)
        continue;
    } else if (!cnn3d_picture_number (name, &numbered.first, &numbered.last)) {
      continue;
    }
    numbered.name = g_strdup (name);
    g_array_append_val (found, numbered);
  }
  g_dir_close (dir);
  g_array_sort (found, compare_numbered);

  return found;
}

/* Why the names are not one series of pictures; NULL: they are. */
static gchar *
check_series (const GArray *found, gboolean pattern)
{
  const Numbered *one = (const Numbered *) found->data;

  if (found->len == 0)
    return g_strdup (pattern ? "no picture matches this name"
                             : "it is a folder without numbered pictures (img_00001.jpg)");
  for (guint i = 1; i < found->len; i++) {
    const Numbered *other = &g_array_index (found, Numbered, i);

    if (!same_series (one, other))
      return g_strdup_printf (
          "its pictures are more than one series (%s, %s); give a pattern such as img_%%05d.jpg",
          one->name, other->name);
  }

  return NULL;
}

static void
clear_pictures (gpointer data)
{
  ClipPictures *self = data;

  g_ptr_array_unref (self->names);
  g_free (self->folder);
}

ClipPictures *
clip_pictures_new (const gchar *path, gchar **reason)
{
  ClipPictures *self = NULL;
  gchar *folder, *name, *before = NULL, *after = NULL;
  GError *error = NULL;
  GArray *found;
  guint first, last;
  gboolean pattern = !g_file_test (path, G_FILE_TEST_IS_DIR) && find_pattern (path, &first, &last);

  folder = pattern ? g_path_get_dirname (path) : g_strdup (path);
  if (pattern) {
    name = g_strndup (path, first);
    before = g_strdup (strrchr (name, '/') ? strrchr (name, '/') + 1 : name);
    after = g_strdup (path + last);
    g_free (name);
  }
  found = list_names (folder, before, after, &error);
  *reason = found ? check_series (found, pattern) : g_strdup (error->message);
  if (!*reason) {
    self = g_atomic_rc_box_new0 (ClipPictures);
    self->folder = g_steal_pointer (&folder);
    self->names = g_ptr_array_new_with_free_func (g_free);
    for (guint i = 0; i < found->len; i++)
      g_ptr_array_add (self->names, g_steal_pointer (&g_array_index (found, Numbered, i).name));
  }
  g_clear_pointer (&found, g_array_unref);
  g_clear_error (&error);
  g_free (before);
  g_free (after);
  g_free (folder);

  return self;
}

ClipPictures *
clip_pictures_ref (ClipPictures *self)
{
  return g_atomic_rc_box_acquire (self);
}

void
clip_pictures_unref (ClipPictures *self)
{
  g_atomic_rc_box_release_full (self, clear_pictures);
}

static gchar *
path_of (const ClipPictures *self, guint i)
{
  return g_build_filename (self->folder, g_ptr_array_index (self->names, i), NULL);
}

/* The file time and size are replaced by a digest of those of all pictures. */
void
clip_pictures_video (const ClipPictures *self, const gchar *path, ClipVideo *video)
{
  GChecksum *sum = g_checksum_new (G_CHECKSUM_SHA256);
  guint8 digest[32];
  gsize length = sizeof digest;
  gint64 newest = 0;

  for (guint i = 0; i < self->names->len; i++) {
    const gchar *name = g_ptr_array_index (self->names, i);
    gchar *picture = path_of (self, i);
    gint64 is[3] = {
      -1,
    };
    GStatBuf status;

    if (g_stat (picture, &status) == 0) {
      is[0] = status.st_size;
      is[1] = status.st_mtim.tv_sec;
      is[2] = status.st_mtim.tv_nsec;
      newest = MAX (newest, is[1]);
    }
    g_checksum_update (sum, (const guint8 *) name, strlen (name) + 1);
    g_checksum_update (sum, (const guint8 *) is, sizeof is);
    g_free (picture);
  }
  g_checksum_get_digest (sum, digest, &length);
  g_checksum_free (sum);
  *video = (ClipVideo) { .path = g_canonicalize_filename (path, NULL),
    .video_track = -1,
    .settled = clip_video_is_settled (newest) };
  memcpy (&video->size, digest, 8);
  memcpy (&video->seconds, digest + 8, 8);
  memcpy (&video->nanoseconds, digest + 16, 8);
}

ClipIndex *
clip_pictures_index (const ClipPictures *self, gdouble rate)
{
  const guint n = self->names->len;
  ClipPacket *packets = g_new0 (ClipPacket, n);
  ClipIndex *index;

  for (guint i = 0; i < n; i++) {
    packets[i].pts = packets[i].dts = (GstClockTime) (i * (GST_SECOND / rate) + 0.5);
    packets[i].flags = CLIP_PACKET_START | CLIP_PACKET_RESET | CLIP_PACKET_UNUSED;
  }
  index = clip_index_new ("", CLIP_CODEC_INTRA, packets, n);
  g_free (packets);

  return index;
}

GstBuffer *
clip_pictures_read (const ClipPictures *self, guint i, gchar **reason)
{
  gchar *path = path_of (self, i), *data;
  GstBuffer *buffer = NULL;
  GError *error = NULL;
  gsize size;

  if (!g_file_get_contents (path, &data, &size, &error)) {
    *reason = g_strdup (error->message);
    g_clear_error (&error);
  } else if (size == 0) {
    *reason =
        g_strdup_printf ("%s is empty (0 bytes)", (gchar *) g_ptr_array_index (self->names, i));
    g_free (data);
  } else {
    buffer = gst_buffer_new_wrapped (data, size);
  }
  g_free (path);

  return buffer;
}

static GstCaps *
find_kind (const ClipPictures *self, guint i, GstBuffer *picture)
{
  const gchar *name = g_ptr_array_index (self->names, i);
  GstMapInfo map;
  GstCaps *caps = NULL;

  if (gst_buffer_map (picture, &map, GST_MAP_READ)) {
    caps = gst_type_find_helper_for_data_with_extension (
        NULL, map.data, map.size, strrchr (name, '.') + 1, NULL);
    gst_buffer_unmap (picture, &map);
  }

  return caps;
}

/* The media type of a picture, which is read for it; NULL: unknown. */
static const gchar *
media_type (const ClipPictures *self, guint i)
{
  gchar *reason = NULL;
  GstBuffer *picture = clip_pictures_read (self, i, &reason);
  GstCaps *caps = picture ? find_kind (self, i, picture) : NULL;
  const gchar *type =
      caps ? g_intern_string (gst_structure_get_name (gst_caps_get_structure (caps, 0))) : NULL;

  gst_clear_caps (&caps);
  gst_clear_buffer (&picture);
  g_free (reason);

  return type;
}

gchar *
clip_pictures_explain (const ClipPictures *self, guint i, guint like, const gchar *decoder_error)
{
  const gchar *name = g_ptr_array_index (self->names, i);
  const gchar *type = media_type (self, i), *wanted = media_type (self, like);

  if (wanted && g_strcmp0 (type, wanted) != 0)
    return g_strdup_printf ("%s cannot be decoded: it is %s, and %s is %s", name,
        type ? type : "of no known picture format", (gchar *) g_ptr_array_index (self->names, like),
        wanted);

  return g_strdup_printf ("%s cannot be decoded: %s", name,
      decoder_error ? decoder_error : "it is damaged or truncated");
}

GstCaps *
clip_pictures_caps (const ClipPictures *self, guint i, GstBuffer *picture, gdouble rate)
{
  GstCaps *caps = find_kind (self, i, picture);
  gint n, d;

  if (!caps)
    return NULL;
  /* with a frame rate of 0 decoders would search for the end of a picture */
  gst_util_double_to_fraction (rate, &n, &d);
  caps = gst_caps_make_writable (caps);
  gst_caps_set_simple (caps, "framerate", GST_TYPE_FRACTION, n, d, NULL);

  return clip_image_describe (clip_image_frame (caps), picture);
}
