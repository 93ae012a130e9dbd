/* gstclipmeta.c: the clip meta, events and query that clip elements share.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstclipmeta.h"

#define CLASSES_NAME "clip-classes"
#define VIEWS_NAME "clip-views"
#define PREPARATION_NAME "clip-preparation"
#define DATA_NAME "clip-data"
#define EPOCH_NAME "clip-epoch"
#define EPOCH_DONE_NAME "clip-epoch-done"
#define SKIPPED_NAME "clip-skipped"
#define WINDOW_NAME "clip-window"
#define SHARE_NAME "clip-share"

/* The meta */

static void
gst_clip_meta_set (GstClipMeta *meta, const GstClipMeta *from)
{
  meta->clip = from->clip;
  meta->sample = from->sample;
  meta->view = from->view;
  meta->views = from->views;
  meta->epoch = from->epoch;
  meta->training = from->training;
  meta->label = from->label;
  meta->frame = from->frame;
  meta->num_frames = from->num_frames;
  meta->path = from->path ? g_ref_string_acquire (from->path) : NULL;
  meta->group = from->group ? g_ref_string_acquire (from->group) : NULL;
  meta->file = from->file ? g_ref_string_acquire (from->file) : NULL;
  meta->start = from->start;
  meta->end = from->end;
  meta->fps = from->fps;
  meta->keypoints = from->keypoints ? g_ref_string_acquire (from->keypoints) : NULL;
  meta->file_frames = from->file_frames;
  meta->file_frame = from->file_frame;
  meta->first_frame = from->first_frame;
  meta->last_frame = from->last_frame;
  meta->file_time = from->file_time;
  meta->width = from->width;
  meta->height = from->height;
  meta->par_n = from->par_n;
  meta->par_d = from->par_d;
}

static gboolean
gst_clip_meta_init (GstMeta *meta, gpointer params, GstBuffer *buffer)
{
  GstClipMeta *clip = (GstClipMeta *) meta;
  static const GstClipMeta zero;

  gst_clip_meta_set (clip, params ? params : &zero);

  return TRUE;
}

static void
gst_clip_meta_free (GstMeta *meta, GstBuffer *buffer)
{
  GstClipMeta *clip = (GstClipMeta *) meta;

  g_clear_pointer (&clip->path, g_ref_string_release);
  g_clear_pointer (&clip->group, g_ref_string_release);
  g_clear_pointer (&clip->file, g_ref_string_release);
  g_clear_pointer (&clip->keypoints, g_ref_string_release);
}

/* A frame belongs to its clip whatever is done to the picture, so every kind of transform copies
 * the meta. */
static gboolean
gst_clip_meta_transform (GstBuffer *dest, GstMeta *meta, GstBuffer *src, GQuark type, gpointer data)
{
  return gst_buffer_add_clip_meta (dest, (GstClipMeta *) meta) != NULL;
}

GType
gst_clip_meta_api_get_type (void)
{
  static GType type;
  static const gchar *tags[] = { NULL };

  if (g_once_init_enter (&type)) {
    GType registered = gst_meta_api_type_register ("GstClipMetaAPI", tags);

    g_once_init_leave (&type, registered);
  }

  return type;
}

const GstMetaInfo *
gst_clip_meta_get_info (void)
{
  static const GstMetaInfo *info;

  if (g_once_init_enter ((GstMetaInfo **) &info)) {
    const GstMetaInfo *registered = gst_meta_register (GST_CLIP_META_API_TYPE, "GstClipMeta",
        sizeof (GstClipMeta), gst_clip_meta_init, gst_clip_meta_free, gst_clip_meta_transform);

    g_once_init_leave ((GstMetaInfo **) &info, (GstMetaInfo *) registered);
  }

  return info;
}

GstClipMeta *
gst_buffer_add_clip_meta (GstBuffer *buffer, const GstClipMeta *from)
{
  g_return_val_if_fail (GST_IS_BUFFER (buffer), NULL);
  g_return_val_if_fail (gst_buffer_is_writable (buffer), NULL);

  return (GstClipMeta *) gst_buffer_add_meta (buffer, GST_CLIP_META_INFO, (gpointer) from);
}

GstClipMeta *
gst_buffer_get_clip_meta (GstBuffer *buffer)
{
  g_return_val_if_fail (GST_IS_BUFFER (buffer), NULL);

  return (GstClipMeta *) gst_buffer_get_meta (buffer, GST_CLIP_META_API_TYPE);
}

/* Events */

/* The structure of an event of this type and name; NULL: another event. */
static const GstStructure *
event_structure (GstEvent *event, GstEventType type, const gchar *name)
{
  g_return_val_if_fail (GST_IS_EVENT (event), NULL);

  if (GST_EVENT_TYPE (event) != type || !gst_event_has_name (event, name))
    return NULL;

  return gst_event_get_structure (event);
}

/* A sticky event with an array of names in a field. */
static GstEvent *
new_names (const gchar *event, const gchar *field, const gchar *const *names)
{
  GValue array = G_VALUE_INIT;
  GstStructure *s = gst_structure_new_empty (event);
  gsize i;

  g_value_init (&array, GST_TYPE_ARRAY);
  for (i = 0; names && names[i]; i++) {
    GValue name = G_VALUE_INIT;

    g_value_init (&name, G_TYPE_STRING);
    g_value_set_string (&name, names[i]);
    gst_value_array_append_and_take_value (&array, &name);
  }
  gst_structure_take_value (s, field, &array);

  return gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, s);
}

static gboolean
parse_names (GstEvent *event, const gchar *name_of_event, const gchar *field, gchar ***names)
{
  const GstStructure *s;
  const GValue *array;
  guint i, n;

  s = event_structure (event, GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, name_of_event);
  if (!s)
    return FALSE;
  array = gst_structure_get_value (s, field);
  if (!array || !GST_VALUE_HOLDS_ARRAY (array))
    return FALSE;
  n = gst_value_array_get_size (array);
  for (i = 0; i < n; i++) {
    const GValue *name = gst_value_array_get_value (array, i);

    if (!G_VALUE_HOLDS_STRING (name) || !g_value_get_string (name))
      return FALSE;
  }

  if (names) {
    *names = g_new0 (gchar *, (gsize) n + 1);
    for (i = 0; i < n; i++)
      (*names)[i] = g_value_dup_string (gst_value_array_get_value (array, i));
  }

  return TRUE;
}

GstEvent *
gst_event_new_clip_classes (const gchar *const *classes)
{
  return new_names (CLASSES_NAME, "classes", classes);
}

gboolean
gst_event_parse_clip_classes (GstEvent *event, gchar ***classes)
{
  return parse_names (event, CLASSES_NAME, "classes", classes);
}

GstEvent *
gst_event_new_clip_classes_counted (const gchar *const *classes, const guint64 *clips)
{
  GstEvent *event = gst_event_new_clip_classes (classes);
  GValue array = G_VALUE_INIT;
  gsize i;

  g_value_init (&array, GST_TYPE_ARRAY);
  for (i = 0; classes && classes[i]; i++) {
    GValue count = G_VALUE_INIT;

    g_value_init (&count, G_TYPE_UINT64);
    g_value_set_uint64 (&count, clips[i]);
    gst_value_array_append_and_take_value (&array, &count);
  }
  gst_structure_take_value (gst_event_writable_structure (event), "training-clips", &array);

  return event;
}

guint64 *
gst_event_parse_clip_class_counts (GstEvent *event)
{
  const GstStructure *s;
  const GValue *array;
  gchar **classes;
  guint64 *clips;
  guint i, n;

  if (!gst_event_parse_clip_classes (event, &classes))
    return NULL;
  n = g_strv_length (classes);
  g_strfreev (classes);
  s = gst_event_get_structure (event);
  array = gst_structure_get_value (s, "training-clips");
  if (!array || !GST_VALUE_HOLDS_ARRAY (array) || gst_value_array_get_size (array) != n)
    return NULL;
  for (i = 0; i < n; i++)
    if (!G_VALUE_HOLDS_UINT64 (gst_value_array_get_value (array, i)))
      return NULL;

  clips = g_new (guint64, MAX (n, 1));
  for (i = 0; i < n; i++)
    clips[i] = g_value_get_uint64 (gst_value_array_get_value (array, i));

  return clips;
}

GstEvent *
gst_event_new_clip_views (const gchar *const *views)
{
  return new_names (VIEWS_NAME, "views", views);
}

gboolean
gst_event_parse_clip_views (GstEvent *event, gchar ***views)
{
  return parse_names (event, VIEWS_NAME, "views", views);
}

GstEvent *
gst_event_new_clip_preparation (const GstClipPreparation *preparation)
{
  GstStructure *s = gst_structure_new (PREPARATION_NAME, "num-frames", G_TYPE_UINT,
      preparation->num_frames, "frame-interval", G_TYPE_UINT, preparation->frame_interval,
      "sampling", G_TYPE_STRING, preparation->sampling, "add-borders", G_TYPE_BOOLEAN,
      preparation->add_borders, "diff-gain", G_TYPE_DOUBLE, preparation->diff_gain, "frame-rate",
      GST_TYPE_FRACTION, preparation->frame_rate_n, MAX (preparation->frame_rate_d, 1),
      "clips-per-video", G_TYPE_UINT, MAX (preparation->clips_per_video, 1), NULL);

  if (preparation->scaling)
    gst_structure_set (s, "scaling", G_TYPE_STRING, preparation->scaling, NULL);

  return gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, s);
}

gboolean
gst_event_parse_clip_preparation (GstEvent *event, GstClipPreparation *preparation)
{
  const GstStructure *s;
  GstClipPreparation p = { .frame_rate_d = 1, .clips_per_video = 1 };

  s = event_structure (event, GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, PREPARATION_NAME);
  if (!s
      || !gst_structure_get (s, "num-frames", G_TYPE_UINT, &p.num_frames, "frame-interval",
          G_TYPE_UINT, &p.frame_interval, "add-borders", G_TYPE_BOOLEAN, &p.add_borders, NULL))
    return FALSE;
  p.sampling = gst_structure_get_string (s, "sampling");
  p.scaling = gst_structure_get_string (s, "scaling");
  gst_structure_get_double (s, "diff-gain", &p.diff_gain);
  gst_structure_get_fraction (s, "frame-rate", &p.frame_rate_n, &p.frame_rate_d);
  gst_structure_get_uint (s, "clips-per-video", &p.clips_per_video);
  if (!p.sampling || p.frame_rate_n < 0)
    return FALSE;

  if (preparation)
    *preparation = p;

  return TRUE;
}

GstEvent *
gst_event_new_clip_data (const GstClipData *data)
{
  GstStructure *s = gst_structure_new (DATA_NAME, "rows", G_TYPE_UINT64, data->rows,
      "training-clips", G_TYPE_UINT64, data->training_clips, "validation-clips", G_TYPE_UINT64,
      data->validation_clips, "clips", G_TYPE_STRING, data->clips, "labels", G_TYPE_STRING,
      data->labels, "order", G_TYPE_STRING, data->order, NULL);

  if (data->validation)
    gst_structure_set (s, "validation", G_TYPE_STRING, data->validation, NULL);

  return gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, s);
}

gboolean
gst_event_parse_clip_data (GstEvent *event, GstClipData *data)
{
  const GstStructure *s;
  GstClipData d = {
    0,
  };

  s = event_structure (event, GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, DATA_NAME);
  if (!s
      || !gst_structure_get (s, "rows", G_TYPE_UINT64, &d.rows, "training-clips", G_TYPE_UINT64,
          &d.training_clips, "validation-clips", G_TYPE_UINT64, &d.validation_clips, NULL))
    return FALSE;
  d.clips = gst_structure_get_string (s, "clips");
  d.labels = gst_structure_get_string (s, "labels");
  d.order = gst_structure_get_string (s, "order");
  d.validation = gst_structure_get_string (s, "validation");
  if (!d.clips || !d.labels || !d.order)
    return FALSE;

  if (data)
    *data = d;

  return TRUE;
}

GstEvent *
gst_event_new_clip_epoch (const GstClipEpoch *epoch)
{
  return gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM,
      gst_structure_new (EPOCH_NAME, "epoch", G_TYPE_UINT, epoch->epoch, "training", G_TYPE_BOOLEAN,
          epoch->training, "clips", G_TYPE_UINT64, epoch->clips, "epochs", G_TYPE_UINT,
          epoch->epochs, "first-clip", G_TYPE_UINT64, epoch->first_clip, "position", G_TYPE_UINT64,
          epoch->position, "seed", G_TYPE_UINT64, epoch->seed, "validates", G_TYPE_BOOLEAN,
          epoch->validates, "other-clips", G_TYPE_UINT64, epoch->other_clips, NULL));
}

gboolean
gst_event_parse_clip_epoch (GstEvent *event, GstClipEpoch *epoch)
{
  const GstStructure *s;
  GstClipEpoch e = {
    0,
  };

  s = event_structure (event, GST_EVENT_CUSTOM_DOWNSTREAM, EPOCH_NAME);
  if (!s
      || !gst_structure_get (s, "epoch", G_TYPE_UINT, &e.epoch, "training", G_TYPE_BOOLEAN,
          &e.training, "clips", G_TYPE_UINT64, &e.clips, "epochs", G_TYPE_UINT, &e.epochs,
          "first-clip", G_TYPE_UINT64, &e.first_clip, "position", G_TYPE_UINT64, &e.position,
          "seed", G_TYPE_UINT64, &e.seed, "validates", G_TYPE_BOOLEAN, &e.validates, NULL))
    return FALSE;
  gst_structure_get_uint64 (s, "other-clips", &e.other_clips);
  e.other_clips = MIN (e.other_clips, e.clips);

  if (epoch)
    *epoch = e;

  return TRUE;
}

GstEvent *
gst_event_new_clip_epoch_done (const GstClipEpochDone *done)
{
  return gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM,
      gst_structure_new (EPOCH_DONE_NAME, "epoch", G_TYPE_UINT, done->epoch, "training",
          G_TYPE_BOOLEAN, done->training, "position", G_TYPE_UINT64, done->position, "delivered",
          G_TYPE_UINT64, done->delivered, "skipped", G_TYPE_UINT64, done->skipped, NULL));
}

gboolean
gst_event_parse_clip_epoch_done (GstEvent *event, GstClipEpochDone *done)
{
  const GstStructure *s;
  GstClipEpochDone d = {
    0,
  };

  s = event_structure (event, GST_EVENT_CUSTOM_DOWNSTREAM, EPOCH_DONE_NAME);
  if (!s
      || !gst_structure_get (s, "epoch", G_TYPE_UINT, &d.epoch, "training", G_TYPE_BOOLEAN,
          &d.training, "position", G_TYPE_UINT64, &d.position, "delivered", G_TYPE_UINT64,
          &d.delivered, "skipped", G_TYPE_UINT64, &d.skipped, NULL))
    return FALSE;

  if (done)
    *done = d;

  return TRUE;
}

GstEvent *
gst_event_new_clip_skipped (const GstClipSkipped *skipped)
{
  gchar *path = g_utf8_make_valid (skipped->path, -1);
  gchar *reason = g_utf8_make_valid (skipped->reason, -1);
  GstEvent *event = gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM,
      gst_structure_new (SKIPPED_NAME, "path", G_TYPE_STRING, path, "reason", G_TYPE_STRING, reason,
          "clip", G_TYPE_UINT64, skipped->clip, "epoch", G_TYPE_UINT, skipped->epoch, NULL));

  g_free (path);
  g_free (reason);

  return event;
}

gboolean
gst_event_parse_clip_skipped (GstEvent *event, GstClipSkipped *skipped)
{
  const GstStructure *s;
  GstClipSkipped c = {
    NULL,
  };

  s = event_structure (event, GST_EVENT_CUSTOM_DOWNSTREAM, SKIPPED_NAME);
  if (!s
      || !gst_structure_get (
          s, "clip", G_TYPE_UINT64, &c.clip, "epoch", G_TYPE_UINT, &c.epoch, NULL))
    return FALSE;
  c.path = gst_structure_get_string (s, "path");
  c.reason = gst_structure_get_string (s, "reason");
  if (!c.path || !c.reason)
    return FALSE;

  if (skipped)
    *skipped = c;

  return TRUE;
}

/* The queries */

GstQuery *
gst_query_new_clip_window (const GstClipMeta *clip, gint fps_n, gint fps_d)
{
  GstStructure *s = gst_structure_new (WINDOW_NAME, "clip", G_TYPE_UINT64, clip->clip, "sample",
      G_TYPE_UINT64, clip->sample, "epoch", G_TYPE_UINT, clip->epoch, "training", G_TYPE_BOOLEAN,
      clip->training, "num-frames", G_TYPE_UINT64, clip->num_frames, "framerate", GST_TYPE_FRACTION,
      fps_n, fps_d > 0 ? fps_d : 1, NULL);

  if (clip->views > 1)
    gst_structure_set (s, "view", G_TYPE_UINT, clip->view, "views", G_TYPE_UINT, clip->views, NULL);

  return gst_query_new_custom (GST_QUERY_CUSTOM, s);
}

/* NULL: another query. */
static const GstStructure *
named_structure (GstQuery *query, const gchar *name)
{
  const GstStructure *s;

  g_return_val_if_fail (GST_IS_QUERY (query), NULL);

  if (GST_QUERY_TYPE (query) != GST_QUERY_CUSTOM)
    return NULL;
  s = gst_query_get_structure (query);

  return s && gst_structure_has_name (s, name) ? s : NULL;
}

static const GstStructure *
window_structure (GstQuery *query)
{
  return named_structure (query, WINDOW_NAME);
}

gboolean
gst_query_parse_clip_window (GstQuery *query, GstClipMeta *clip, gint *fps_n, gint *fps_d)
{
  const GstStructure *s = window_structure (query);
  GstClipMeta c = { .label = -1 };
  gint n, d;

  if (!s
      || !gst_structure_get (s, "clip", G_TYPE_UINT64, &c.clip, "sample", G_TYPE_UINT64, &c.sample,
          "epoch", G_TYPE_UINT, &c.epoch, "training", G_TYPE_BOOLEAN, &c.training, "num-frames",
          G_TYPE_UINT64, &c.num_frames, "framerate", GST_TYPE_FRACTION, &n, &d, NULL))
    return FALSE;
  gst_structure_get (s, "view", G_TYPE_UINT, &c.view, "views", G_TYPE_UINT, &c.views, NULL);

  if (clip)
    *clip = c;
  if (fps_n)
    *fps_n = n;
  if (fps_d)
    *fps_d = d;

  return TRUE;
}

/* An array in the query; NULL: there is none with this name. */
static const guint64 *
window_array (GstQuery *query, const gchar *name, gsize *n)
{
  const GstStructure *s = window_structure (query);
  const GValue *value = s ? gst_structure_get_value (s, name) : NULL;
  gsize size;
  const guint64 *array;

  if (!value || !G_VALUE_HOLDS (value, G_TYPE_BYTES))
    return NULL;
  array = g_bytes_get_data (g_value_get_boxed (value), &size);
  *n = size / sizeof *array;

  return array;
}

void
gst_query_set_clip_window_times (GstQuery *query, const guint64 *times, guint64 n)
{
  guint64 *since, i;
  GBytes *bytes;

  g_return_if_fail (window_structure (query) != NULL);

  since = g_new (guint64, n);
  for (i = 0; i < n; i++)
    since[i] = times[i] - times[0];
  bytes = g_bytes_new_take (since, n * sizeof *since);
  gst_structure_set (gst_query_writable_structure (query), "times", G_TYPE_BYTES, bytes, NULL);
  g_bytes_unref (bytes);
}

const guint64 *
gst_query_get_clip_window_times (GstQuery *query)
{
  gsize n;
  const guint64 *times = window_array (query, "times", &n);
  GstClipMeta clip;

  if (!times || !gst_query_parse_clip_window (query, &clip, NULL, NULL) || n != clip.num_frames)
    return NULL;

  return times;
}

void
gst_query_set_clip_window (GstQuery *query, guint64 first, guint64 last)
{
  g_return_if_fail (window_structure (query) != NULL);
  g_return_if_fail (first <= last);

  gst_structure_set (gst_query_writable_structure (query), "first", G_TYPE_UINT64, first, "last",
      G_TYPE_UINT64, last, NULL);
  gst_structure_remove_field (gst_query_writable_structure (query), "frames");
}

void
gst_query_set_clip_window_frames (GstQuery *query, const guint64 *frames, guint n)
{
  GBytes *bytes;

  g_return_if_fail (window_structure (query) != NULL);
  g_return_if_fail (n > 0);

  gst_query_set_clip_window (query, frames[0], frames[n - 1]);
  bytes = g_bytes_new (frames, n * sizeof *frames);
  gst_structure_set (gst_query_writable_structure (query), "frames", G_TYPE_BYTES, bytes, NULL);
  g_bytes_unref (bytes);
}

const guint64 *
gst_query_get_clip_window_frames (GstQuery *query, guint *n)
{
  gsize length;
  const guint64 *frames = window_array (query, "frames", &length);

  if (frames)
    *n = length;

  return frames;
}

gboolean
gst_query_get_clip_window (GstQuery *query, guint64 *first, guint64 *last)
{
  const GstStructure *s = window_structure (query);
  guint64 f, l;

  if (!s || !gst_structure_get (s, "first", G_TYPE_UINT64, &f, "last", G_TYPE_UINT64, &l, NULL)
      || f > l)
    return FALSE;

  if (first)
    *first = f;
  if (last)
    *last = l;

  return TRUE;
}

GstQuery *
gst_query_new_clip_share (void)
{
  return gst_query_new_custom (GST_QUERY_CUSTOM, gst_structure_new_empty (SHARE_NAME));
}

gboolean
gst_query_is_clip_share (GstQuery *query)
{
  return named_structure (query, SHARE_NAME) != NULL;
}

void
gst_query_set_clip_share_size (GstQuery *query, guint size)
{
  g_return_if_fail (gst_query_is_clip_share (query));
  g_return_if_fail (size > 0);

  gst_structure_set (gst_query_writable_structure (query), "size", G_TYPE_UINT, size, NULL);
}

void
gst_query_set_clip_share_rank (GstQuery *query, guint rank, guint ranks)
{
  g_return_if_fail (gst_query_is_clip_share (query));
  g_return_if_fail (rank < ranks);

  gst_structure_set (gst_query_writable_structure (query), "rank", G_TYPE_UINT, rank, "ranks",
      G_TYPE_UINT, ranks, NULL);
}

void
gst_query_get_clip_share (GstQuery *query, guint *size, guint *rank, guint *ranks)
{
  const GstStructure *s = named_structure (query, SHARE_NAME);
  guint r, n;

  *size = *ranks = 1;
  *rank = 0;
  if (s && gst_structure_get_uint (s, "size", &n) && n > 0)
    *size = n;
  if (s && gst_structure_get (s, "rank", G_TYPE_UINT, &r, "ranks", G_TYPE_UINT, &n, NULL)
      && r < n) {
    *rank = r;
    *ranks = n;
  }
}
