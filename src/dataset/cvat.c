/* cvat.c: CVAT's XML for video: a track is a clip of its label, from its first frame to
 * its last, and so are tags of one label on frames that follow each other.
 *
 *     <annotations>
 *       <meta><task><size>20</size><source>a.mp4</source></task></meta>
 *       <track id="0" label="walk">
 *         <box frame="2" outside="0" .../> ... <box frame="12" outside="1" .../>
 *       </track>
 *       <image id="14"><tag label="stand"/></image>
 *     </annotations>
 *
 * The text is parsed as it goes: nothing of it is kept but the rows.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/reader.h"

#include <math.h>
#include <string.h>

#define MAX_DEPTH 16
#define MAX_TAG (64 << 10) /* bytes from < to > */
#define MAX_LABELS 10000   /* of tags */

typedef struct {
  Cnn3dReading *reading;
  guint depth;
  GString *text; /* of the element of meta that is read, or NULL */
  gdouble size, first,
      step;       /* frames of the task: how many; the video's frame is first + n * step */
  Cnn3dClip clip; /* with the video's path, once there was a source */
  gboolean has_path;
  GString *label; /* of the track */
  gboolean in_track, open;
  gdouble start, last; /* of the part that is open */
  gdouble image;       /* number of the frame that tags are of; -1: none */
  Cnn3dNames tags;
  Cnn3dArena arena;
  GArray *tagged; /* Tagged, by the tags' numbers */
} Cvat;

typedef struct {
  gdouble start, last;
} Tagged;

static void
set_error (const Cvat *cvat, GMarkupParseContext *context, GError **error, const gchar *reason)
{
  gint line, column;

  g_markup_parse_context_get_position (context, &line, &column);
  g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_ROW, "%s:%d:%d: %s",
      cvat->reading->location, line, column, reason);
}

static const gchar *
attribute (const gchar **names, const gchar **values, const gchar *name)
{
  for (guint i = 0; names[i]; i++)
    if (strcmp (names[i], name) == 0)
      return values[i];
  return NULL;
}

/* Frames [start, last] of the task. */
static gboolean
add_clip (Cvat *cvat, const gchar *label, gsize size, gdouble start, gdouble last, GError **error)
{
  Cnn3dClip clip = cvat->clip;

  clip.label = label;
  clip.label_size = size;
  clip.in_frames = TRUE;
  clip.start = cvat->first + start * cvat->step;
  clip.end = cvat->first + last * cvat->step + 1;
  return cnn3d_reading_add (cvat->reading, &clip, error);
}

static gboolean
set_source (Cvat *cvat, GMarkupParseContext *context, GError **error)
{
  Cnn3dReading *reading = cvat->reading;
  const gchar *name = cvat->text->str, *slash = strrchr (name, '/'), *dot, *path;

  if (cvat->has_path) {
    set_error (cvat, context, error, "a second video; export each task of the project separately");
    return FALSE;
  }
  name = slash ? slash + 1 : name;
  dot = strrchr (name, '.');
  if (!cnn3d_reading_find (reading, name, dot ? (gsize) (dot - name) : strlen (name), NULL,
          reading->text, &path, error))
    return FALSE;
  path = path ? path : name;
  cvat->clip.path = cnn3d_reading_path (reading, path, strlen (path), reading->text, error);
  cvat->has_path = cvat->clip.path != CNN3D_ARENA_FULL;
  return cvat->has_path;
}

static gboolean
add_shape (Cvat *cvat, GMarkupParseContext *context, const gchar **names, const gchar **values,
    GError **error)
{
  const gchar *text = attribute (names, values, "frame"),
              *outside = attribute (names, values, "outside");
  gdouble frame;

  if (!text || !cnn3d_number_parse (text, strlen (text), FALSE, &frame) || frame < 0
      || frame != floor (frame)) {
    set_error (
        cvat, context, error, "the frame of a track's shape is not a whole number, 0 or more");
    return FALSE;
  }
  if (outside && strcmp (outside, "1") == 0) {
    if (cvat->open
        && !add_clip (cvat, cvat->label->str, cvat->label->len, cvat->start, frame - 1, error))
      return FALSE;
    cvat->open = FALSE;
    return TRUE;
  }
  if (!cvat->open)
    cvat->start = frame;
  cvat->open = TRUE;
  cvat->last = frame;
  return TRUE;
}

static gboolean
add_tag (Cvat *cvat, GMarkupParseContext *context, const gchar *label, GError **error)
{
  const guint n = cvat->tags.n;
  const Tagged none = { cvat->image, cvat->image };
  guint32 number;
  Tagged *tagged;

  if (!label || !*label) {
    set_error (cvat, context, error, "the tag has no label");
    return FALSE;
  }
  number = cnn3d_names_intern (&cvat->tags, &cvat->arena, label, strlen (label));
  if (number >= MAX_LABELS) {
    set_error (cvat, context, error, "more than 10000 different tags");
    return FALSE;
  }
  if (number == n) {
    g_array_append_val (cvat->tagged, none);
    return TRUE;
  }
  tagged = &g_array_index (cvat->tagged, Tagged, number);
  if (cvat->image == tagged->last + 1 || cvat->image == tagged->last) {
    tagged->last = cvat->image;
    return TRUE;
  }
  if (!add_clip (cvat, label, strlen (label), tagged->start, tagged->last, error))
    return FALSE;
  *tagged = none;
  return TRUE;
}

static void
element_starts (GMarkupParseContext *context, const gchar *name, const gchar **names,
    const gchar **values, gpointer data, GError **error)
{
  Cvat *cvat = data;
  const gchar *label, *id;

  if (++cvat->depth > MAX_DEPTH) {
    set_error (cvat, context, error, "elements are nested deeper than 16 levels");
    return;
  }
  if (strcmp (name, "track") == 0 || strcmp (name, "image") == 0) {
    if (!cvat->has_path) {
      set_error (cvat, context, error,
          "no video is named (meta has no source); export it as \"CVAT for video 1.1\"");
      return;
    }
  }
  if (strcmp (name, "track") == 0) {
    label = attribute (names, values, "label");
    if (!label || !*label) {
      set_error (cvat, context, error, "the track has no label");
      return;
    }
    g_string_assign (cvat->label, label);
    cvat->in_track = TRUE;
    cvat->open = FALSE;
  } else if (strcmp (name, "image") == 0) {
    id = attribute (names, values, "id");
    if (!id || !cnn3d_number_parse (id, strlen (id), FALSE, &cvat->image) || cvat->image < 0)
      set_error (cvat, context, error, "the image has no number (id)");
  } else if (strcmp (name, "tag") == 0 && cvat->image >= 0) {
    add_tag (cvat, context, attribute (names, values, "label"), error);
  } else if (cvat->in_track && attribute (names, values, "frame")) {
    add_shape (cvat, context, names, values, error);
  } else if (strcmp (name, "source") == 0 || strcmp (name, "size") == 0
      || strcmp (name, "start_frame") == 0 || strcmp (name, "frame_filter") == 0) {
    if (!cvat->text)
      cvat->text = g_string_new (NULL);
    g_string_truncate (cvat->text, 0);
  }
}

/* CVAT's own reading of frame_filter: step\s*=\s*([1-9]\d*), or 1. */
static gdouble
parse_step (const gchar *filter)
{
  static const gchar blank[] = " \t\r\n";
  const gchar *at = filter;
  gdouble step;

  while ((at = strstr (at, "step"))) {
    at += strlen ("step");
    at += strspn (at, blank);
    if (*at != '=')
      continue;
    at++;
    at += strspn (at, blank);
    if (*at >= '1' && *at <= '9'
        && cnn3d_number_parse (at, strspn (at, "0123456789"), FALSE, &step))
      return step;
  }
  return 1;
}

static void
element_ends (GMarkupParseContext *context, const gchar *name, gpointer data, GError **error)
{
  Cvat *cvat = data;

  cvat->depth--;
  if (strcmp (name, "track") == 0) {
    if (cvat->open)
      add_clip (cvat, cvat->label->str, cvat->label->len, cvat->start, cvat->last, error);
    cvat->in_track = cvat->open = FALSE;
  } else if (strcmp (name, "image") == 0) {
    cvat->image = -1;
  } else if (cvat->text) {
    const gchar *text = g_strstrip (cvat->text->str);

    if (strcmp (name, "source") == 0)
      set_source (cvat, context, error);
    else if (strcmp (name, "size") == 0)
      cnn3d_number_parse (text, strlen (text), FALSE, &cvat->size);
    else if (strcmp (name, "start_frame") == 0)
      cnn3d_number_parse (text, strlen (text), FALSE, &cvat->first);
    else if (strcmp (name, "frame_filter") == 0)
      cvat->step = parse_step (text);
    g_string_free (cvat->text, TRUE);
    cvat->text = NULL;
  }
}

static void
text_comes (
    GMarkupParseContext *context, const gchar *text, gsize size, gpointer data, GError **error)
{
  Cvat *cvat = data;

  if (cvat->text)
    g_string_append_len (cvat->text, text, size);
}

/* GMarkup keeps an element's attributes in lists that grow by a few at a time. */
static gboolean
check_tags (const Cnn3dReading *reading, GError **error)
{
  const gchar *open = reading->text, *close;

  while ((open = memchr (open, '<', reading->end - open))) {
    close = memchr (open, '>', MIN (reading->end - open, MAX_TAG));
    if (!close && reading->end - open >= MAX_TAG) {
      cnn3d_reading_error (reading, open, error, "an element of more than 64 KiB");
      return FALSE;
    }
    if (!close)
      return TRUE;
    open = close;
  }
  return TRUE;
}

static gboolean
finish (Cvat *cvat, GError **error)
{
  Cnn3dClip rest = cvat->clip;

  for (guint i = 0; i < cvat->tags.n; i++) {
    const gchar *label = cvat->arena.data + cvat->tags.offsets[i];
    const Tagged *tagged = &g_array_index (cvat->tagged, Tagged, i);

    if (!add_clip (cvat, label, strlen (label), tagged->start, tagged->last, error))
      return FALSE;
  }
  rest.in_frames = TRUE;
  rest.start = cvat->first;
  rest.end = isfinite (cvat->size) ? cvat->first + cvat->size * cvat->step : INFINITY;
  return !cvat->has_path || cnn3d_reading_end_video (cvat->reading, &rest, error);
}

static gboolean
read_xml (Cnn3dReading *reading, GError **error)
{
  static const GMarkupParser parser = { element_starts, element_ends, text_comes };
  Cvat cvat = {
    .reading = reading, .clip = { .at = reading->text }, .step = 1, .size = INFINITY, .image = -1
  };
  GMarkupParseContext *context;
  GError *reason = NULL;
  gboolean ok;

  if (!check_tags (reading, error))
    return FALSE;
  cvat.label = g_string_new (NULL);
  cvat.tagged = g_array_new (FALSE, FALSE, sizeof (Tagged));
  context = g_markup_parse_context_new (&parser, 0, &cvat, NULL);
  cnn3d_reading_begin_video (reading);
  ok = g_markup_parse_context_parse (context, reading->text, reading->end - reading->text, &reason)
      && g_markup_parse_context_end_parse (context, &reason) && finish (&cvat, &reason);
  if (!ok && reason->domain == CNN3D_DATASET_ERROR) {
    g_propagate_error (error, reason);
  } else if (!ok) {
    /* some of GMarkup's messages quote a character's first byte */
    g_autofree gchar *why = g_utf8_make_valid (reason->message, -1);

    g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_ROW, "%s: not valid XML: %s",
        reading->location, why);
    g_clear_error (&reason);
  }
  g_markup_parse_context_free (context);
  if (cvat.text)
    g_string_free (cvat.text, TRUE);
  g_string_free (cvat.label, TRUE);
  g_array_unref (cvat.tagged);
  cnn3d_names_clear (&cvat.tags);
  g_free (cvat.arena.data);
  return ok;
}

static gboolean
knows (const Cnn3dReading *reading)
{
  const gsize size = MIN (reading->end - reading->text, 4096);

  return reading->content == CNN3D_CONTENT_XML
      && g_strstr_len (reading->text, size, "<annotations");
}

const Cnn3dReader cnn3d_cvat_reader = { "CVAT's XML", knows, read_xml, .clips = "tracks or tags",
  .background = TRUE };
