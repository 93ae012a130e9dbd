/* eventfile.c: TensorBoard's event files.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/log/eventfile.h"

#include <errno.h>
#include <gio/gio.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "src/log/recordfile.h"
#include "src/log/tensorboard.pb-c.h"

#define MAX_TRIES 1000
#define LAST_TIME 9999999999 /* with ten digits */

struct _Cnn3dEventFile {
  Cnn3dRecordFile *file;
  GByteArray *record; /* the last one; its memory is reused */
};

guint32
cnn3d_crc32c (gconstpointer data, gsize size)
{
  static guint32 table[256];
  static gsize made;
  const guint8 *bytes = data;
  guint32 crc = 0xffffffff;

  if (g_once_init_enter (&made)) {
    for (guint32 i = 0; i < 256; i++) {
      guint32 c = i;

      for (guint bit = 0; bit < 8; bit++)
        c = c >> 1 ^ (c & 1 ? 0x82f63b78 : 0);
      table[i] = c;
    }
    g_once_init_leave (&made, 1);
  }
  for (gsize i = 0; i < size; i++)
    crc = crc >> 8 ^ table[(crc ^ bytes[i]) & 0xff];
  return ~crc;
}

/* TFRecord's mask: a CRC of data that contains CRCs is weak. */
static void
put_crc (guint8 *to, const guint8 *data, gsize size)
{
  const guint32 crc = cnn3d_crc32c (data, size);
  const guint32 masked = GUINT32_TO_LE ((crc >> 15 | crc << 17) + 0xa282ead8u);

  memcpy (to, &masked, sizeof masked);
}

static gboolean
write_event (Cnn3dEventFile *file, Tensorboard__Event *event, GError **error)
{
  const gsize size = tensorboard__event__get_packed_size (event);
  const guint64 length = GUINT64_TO_LE (size);
  guint8 *record;

  g_byte_array_set_size (file->record, 12 + size + 4);
  record = file->record->data;
  memcpy (record, &length, 8);
  put_crc (record + 8, record, 8);
  tensorboard__event__pack (event, record + 12);
  put_crc (record + 12 + size, record + 12, size);
  return cnn3d_record_file_append (file->file, record, file->record->len, error);
}

static Tensorboard__Event
event_of (guint64 step)
{
  Tensorboard__Event event = TENSORBOARD__EVENT__INIT;

  event.wall_time = g_get_real_time () / (gdouble) G_USEC_PER_SEC;
  event.step = step;
  return event;
}

static gboolean
write_version (Cnn3dEventFile *file, GError **error)
{
  Tensorboard__Event event = event_of (0);

  event.what_case = TENSORBOARD__EVENT__WHAT_FILE_VERSION;
  event.file_version = "brain.Event:2";
  return write_event (file, &event, error);
}

/* The timestamp of a new name: now, or later if that is needed to sort after existing names, of a
 * part of the run that started in the same second, or on a machine whose clock is ahead. */
static gint64
find_time (const gchar *dir)
{
  g_autoptr (GDir) names = g_dir_open (dir, 0, NULL);
  gint64 time = g_get_real_time () / G_USEC_PER_SEC;
  const gchar *name;

  while (names && (name = g_dir_read_name (names)))
    if (g_str_has_prefix (name, CNN3D_EVENT_FILE_PREFIX)) {
      const gint64 its = g_ascii_strtoll (name + strlen (CNN3D_EVENT_FILE_PREFIX), NULL, 10);

      if (its < LAST_TIME)
        time = MAX (time, its + 1);
    }
  return time;
}

Cnn3dEventFile *
cnn3d_event_file_new (const gchar *dir, GError **error)
{
  const gint64 time = find_time (dir);
  Cnn3dEventFile *file = g_new0 (Cnn3dEventFile, 1);

  file->record = g_byte_array_new ();
  for (guint i = 0; !file->file && i < MAX_TRIES; i++) {
    g_autofree gchar *name =
        g_strdup_printf (CNN3D_EVENT_FILE_PREFIX "%010" G_GINT64_FORMAT ".%s.%d.%u", time,
            g_get_host_name (), (gint) getpid (), i);
    g_autofree gchar *path = g_build_filename (dir, name, NULL);
    g_autoptr (GError) reason = NULL;

    file->file = cnn3d_record_file_create (path, &reason);
    if (!file->file
        && (i + 1 == MAX_TRIES || !g_error_matches (reason, G_IO_ERROR, G_IO_ERROR_EXISTS))) {
      g_propagate_error (error, g_steal_pointer (&reason));
      break;
    }
  }
  if (!file->file || !write_version (file, error))
    cnn3d_event_file_free (&file);
  return file;
}

void
cnn3d_event_file_free (Cnn3dEventFile **file)
{
  Cnn3dEventFile *f = *file;

  *file = NULL;
  if (!f)
    return;
  cnn3d_record_file_free (&f->file);
  g_byte_array_free (f->record, TRUE);
  g_free (f);
}

gboolean
cnn3d_event_file_restart (Cnn3dEventFile *file, guint64 step, GError **error)
{
  Tensorboard__Event event = event_of (step);
  Tensorboard__SessionLog session = TENSORBOARD__SESSION_LOG__INIT;

  session.status = TENSORBOARD__SESSION_LOG__SESSION_STATUS__START;
  event.what_case = TENSORBOARD__EVENT__WHAT_SESSION_LOG;
  event.session_log = &session;
  return write_event (file, &event, error);
}

static gboolean
write_values (Cnn3dEventFile *file, guint64 step, Tensorboard__Summary__Value **values, guint n,
    GError **error)
{
  Tensorboard__Event event = event_of (step);
  Tensorboard__Summary summary = TENSORBOARD__SUMMARY__INIT;

  summary.value = values;
  summary.n_value = n;
  event.what_case = TENSORBOARD__EVENT__WHAT_SUMMARY;
  event.summary = &summary;
  return write_event (file, &event, error);
}

gboolean
cnn3d_event_file_scalars (
    Cnn3dEventFile *file, guint64 step, const Cnn3dScalar *scalars, guint n, GError **error)
{
  Tensorboard__Summary__Value values[CNN3D_EVENT_SCALARS], *pointers[CNN3D_EVENT_SCALARS];

  g_return_val_if_fail (n <= CNN3D_EVENT_SCALARS, FALSE);

  for (guint i = 0; i < n; i++) {
    tensorboard__summary__value__init (&values[i]);
    values[i].tag = (gchar *) scalars[i].tag;
    values[i].value_case = TENSORBOARD__SUMMARY__VALUE__VALUE_SIMPLE_VALUE;
    values[i].simple_value = scalars[i].value;
    pointers[i] = &values[i];
  }
  return write_values (file, step, pointers, n, error);
}

/* A PNG's size and colour type are in its first chunk. */
static gboolean
read_png_header (GBytes *png, Tensorboard__Summary__Image *image)
{
  static const guint8 colorspaces[7] = { 1, 0, 3, 3, 2, 0, 4 }; /* by PNG's colour type */
  gsize size;
  const guint8 *data = g_bytes_get_data (png, &size);
  guint32 width, height;

  if (size < 33 || memcmp (data, "\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16)
      || data[25] >= sizeof colorspaces)
    return FALSE;
  memcpy (&width, data + 16, 4);
  memcpy (&height, data + 20, 4);
  image->width = GUINT32_FROM_BE (width);
  image->height = GUINT32_FROM_BE (height);
  image->colorspace = colorspaces[data[25]];
  image->encoded_image_string = (ProtobufCBinaryData) { size, (guint8 *) data };
  return TRUE;
}

gboolean
cnn3d_event_file_image (
    Cnn3dEventFile *file, guint64 step, const gchar *tag, GBytes *png, GError **error)
{
  Tensorboard__Summary__Value value = TENSORBOARD__SUMMARY__VALUE__INIT, *values[] = { &value };
  Tensorboard__Summary__Image image = TENSORBOARD__SUMMARY__IMAGE__INIT;

  if (!read_png_header (png, &image)) {
    g_set_error (
        error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "the picture for %s is not a PNG", tag);
    return FALSE;
  }
  value.tag = (gchar *) tag;
  value.value_case = TENSORBOARD__SUMMARY__VALUE__VALUE_IMAGE;
  value.image = &image;
  return write_values (file, step, values, 1, error);
}

/* FALSE: there is no finite number. */
static gboolean
measure (const gfloat *values, gsize n, Tensorboard__HistogramProto *histogram)
{
  histogram->min = INFINITY;
  histogram->max = -INFINITY;
  for (gsize i = 0; i < n; i++) {
    const gdouble x = values[i];

    if (!isfinite (x))
      continue;
    histogram->min = MIN (histogram->min, x);
    histogram->max = MAX (histogram->max, x);
    histogram->sum += x;
    histogram->sum_squares += x * x;
    histogram->num++;
  }
  return histogram->num > 0;
}

gboolean
cnn3d_event_file_histogram (Cnn3dEventFile *file, guint64 step, const gchar *tag,
    const gfloat *values, gsize n, GError **error)
{
  Tensorboard__Summary__Value value = TENSORBOARD__SUMMARY__VALUE__INIT, *pointers[] = { &value };
  Tensorboard__HistogramProto histogram = TENSORBOARD__HISTOGRAM_PROTO__INIT;
  gdouble limits[CNN3D_EVENT_BUCKETS], counts[CNN3D_EVENT_BUCKETS] = { 0 };
  gdouble width;

  if (!measure (values, n, &histogram))
    return TRUE;
  width = (histogram.max - histogram.min) / CNN3D_EVENT_BUCKETS;
  for (guint i = 0; i < CNN3D_EVENT_BUCKETS; i++)
    limits[i] = histogram.min + width * (i + 1);
  limits[CNN3D_EVENT_BUCKETS - 1] = histogram.max;
  for (gsize i = 0; i < n; i++)
    if (isfinite (values[i]))
      counts[width > 0
              ? MIN ((guint) ((values[i] - histogram.min) / width), CNN3D_EVENT_BUCKETS - 1)
              : 0]++;
  /* equal numbers fill one bucket */
  histogram.n_bucket = histogram.n_bucket_limit = width > 0 ? CNN3D_EVENT_BUCKETS : 1;
  histogram.bucket_limit = width > 0 ? limits : &histogram.max;
  histogram.bucket = counts;
  value.tag = (gchar *) tag;
  value.value_case = TENSORBOARD__SUMMARY__VALUE__VALUE_HISTO;
  value.histo = &histogram;
  return write_values (file, step, pointers, 1, error);
}
