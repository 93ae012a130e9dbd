/* trainrig.h: a harness around a sink of batches, such as cnn3dtrain, and a source's stream for it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TESTS_TRAINRIG_H
#define TESTS_TRAINRIG_H

#include <math.h>
#include <string.h>
#include <glib/gstdio.h>
#include <gst/check/gstharness.h>
#include <gst/gst.h>

#include "gstclipmeta.h"

#define C 3
#define SIZE 32
#define FRAMES 4
#define CLIP (C * SIZE * SIZE * FRAMES)
#define CLASSES 3

/* A run's order: EPOCHS times TRAIN clips, each followed by VAL others */
#define EPOCHS 2
#define TRAIN 10
#define VAL 5
#define TOTAL (EPOCHS * (TRAIN + VAL))

#define CAPS(video, labels, n)                 \
  "other/tensors,format=static,num_tensors=2," \
  "types=" video "." labels ",dimensions=3:32:32:4:" n "." n

typedef enum {
  UINT8_INT32,
  UINT8_INT64,
  FLOAT_ONE_HOT,
} Form;

/* Key points of a clip, for rigs that have them */
#define POINTS 5
#define PERSONS 2
#define CLIP_POINTS (FRAMES * PERSONS * POINTS * 3)

typedef struct {
  GstElement *element;
  GstHarness *h;
  GstBus *bus;
  guint n;         /* clips per batch in the caps */
  gboolean points; /* batches have a third tensor */
  guint views;     /* of a clip; 0: batches have no mask */
} Rig;

/* --- a harness around one element --- */

/* Takes the line, of one element. */
static inline Rig
rig_for (gchar *line)
{
  GError *error = NULL;
  Rig r = { gst_parse_launch (line, &error), NULL, gst_bus_new (), 0 };

  g_assert_no_error (error);
  gst_object_ref_sink (r.element);
  gst_element_set_bus (r.element, r.bus);
  r.h = gst_harness_new_with_element (r.element, "sink", NULL);
  gst_harness_push_event (r.h, gst_event_new_stream_start ("test"));
  g_free (line);

  return r;
}

static inline Rig
rig_new (const gchar *properties)
{
  return rig_for (g_strconcat (
      "cnn3dtrain progress=false base-width=4 threads=1 optimizer=adam lr=0.01 weight-decay=0 ",
      properties, NULL));
}

static inline void
rig_free (Rig *r)
{
  gst_element_set_state (r->element, GST_STATE_NULL);
  gst_element_set_bus (r->element, NULL);
  gst_harness_teardown (r->h);
  gst_object_unref (r->element);
  gst_object_unref (r->bus);
}

static inline gboolean
push_caps (Rig *r, const gchar *text)
{
  GstCaps *caps = gst_caps_from_string (text);
  gboolean ret = gst_harness_push_event (r->h, gst_event_new_caps (caps));

  gst_caps_unref (caps);

  return ret;
}

static inline void
push_segment (Rig *r, guint32 seqnum)
{
  GstSegment segment;
  GstEvent *event;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  event = gst_event_new_segment (&segment);
  if (seqnum)
    gst_event_set_seqnum (event, seqnum);
  g_assert_true (gst_harness_push_event (r->h, event));
}

static inline void
push_classes (Rig *r)
{
  const gchar *names[] = { "red", "green", "blue", NULL };

  gst_harness_push_event (r->h, gst_event_new_clip_classes (names));
}

static inline void
push_epoch (Rig *r, guint epoch, gboolean training, guint64 first, guint64 position)
{
  GstClipEpoch e = { epoch, training, training ? TRAIN : VAL, EPOCHS, first, position, 7, TRUE };

  gst_harness_push_event (r->h, gst_event_new_clip_epoch (&e));
}

static inline void
push_done (Rig *r, guint epoch, gboolean training, guint64 position)
{
  GstClipEpochDone d = { epoch, training, position, training ? TRAIN : VAL, 0 };

  gst_harness_push_event (r->h, gst_event_new_clip_epoch_done (&d));
}

/* The first message of this type (and structure name, unless NULL), or NULL; drops the ones before
 * it. */
static inline GstMessage *
pop (Rig *r, GstMessageType type, const gchar *name)
{
  GstMessage *message;

  while ((message = gst_bus_pop_filtered (r->bus, type))) {
    if (!name || gst_message_has_name (message, name))
      return message;
    gst_message_unref (message);
  }

  return NULL;
}

static inline void
assert_error (Rig *r, GQuark domain, gint code, const gchar *part)
{
  GstMessage *message = pop (r, GST_MESSAGE_ERROR, NULL);
  GError *error = NULL;

  g_assert_nonnull (message);
  gst_message_parse_error (message, &error, NULL);
  if (!strstr (error->message, part))
    g_error ("no \"%s\" in \"%s\"", part, error->message);
  g_assert_error (error, domain, code);
  g_error_free (error);
  gst_message_unref (message);
}

static inline void
assert_no_error (Rig *r)
{
  GstMessage *message = pop (r, GST_MESSAGE_ERROR, NULL);
  GError *error = NULL;

  if (!message)
    return;
  gst_message_parse_error (message, &error, NULL);
  g_error ("%s", error->message);
}

/* --- clips --- */

/* Clip `clip` is of class clip % CLASSES: noise, with its colour brighter. */
static inline guint8
pixel (guint64 clip, guint i)
{
  guint32 hash = (guint32) (clip * 2654435761u + i * 40503u + 12345u);

  hash ^= hash >> 13;
  hash *= 2246822519u;
  hash ^= hash >> 16;

  return hash % 100 + (i % C == clip % CLASSES ? 120 : 0);
}

static inline GstBuffer *
make_batch (guint64 first, guint n, Form form)
{
  const gsize item = form == FLOAT_ONE_HOT ? 4 : 1;
  const gsize label = form == FLOAT_ONE_HOT ? 4 * CLASSES : form == UINT8_INT64 ? 8 : 4;
  GstBuffer *buffer = gst_buffer_new ();
  guint8 *frames = g_malloc (n * CLIP * item);
  guint8 *labels = g_malloc0 (n * label);
  guint k, i;

  for (k = 0; k < n; k++) {
    for (i = 0; i < CLIP; i++) {
      guint8 value = pixel (first + k, i);

      if (form == FLOAT_ONE_HOT)
        ((gfloat *) frames)[k * CLIP + i] = value / 128.0f - 1;
      else
        frames[k * CLIP + i] = value;
    }
    if (form == FLOAT_ONE_HOT)
      ((gfloat *) labels)[k * CLASSES + (first + k) % CLASSES] = 1;
    else if (form == UINT8_INT64)
      ((gint64 *) labels)[k] = (first + k) % CLASSES;
    else
      ((gint32 *) labels)[k] = (first + k) % CLASSES;
  }
  gst_buffer_append_memory (buffer,
      gst_memory_new_wrapped (0, frames, n * CLIP * item, 0, n * CLIP * item, frames, g_free));
  gst_buffer_append_memory (
      buffer, gst_memory_new_wrapped (0, labels, n * label, 0, n * label, labels, g_free));
  GST_BUFFER_OFFSET (buffer) = first;
  GST_BUFFER_OFFSET_END (buffer) = first + n;

  return buffer;
}

/* Appends key points (N, T, M, K, 3) around a position that depends on the clip's class; some are
 * missing. */
static inline GstBuffer *
with_points (GstBuffer *buffer, guint64 first, guint n)
{
  const gsize size = n * CLIP_POINTS * sizeof (gfloat);
  gfloat *points = g_malloc (size), *point;
  guint k, i;

  for (k = 0; k < n; k++)
    for (i = 0; i < CLIP_POINTS / 3; i++) {
      point = points + k * CLIP_POINTS + i * 3;
      point[0] = ((first + k) % CLASSES + pixel (first + k, 3 * i + 1) / 220.0f) / CLASSES;
      point[1] = pixel (first + k, 3 * i + 2) / 220.0f;
      point[2] = i % 7 == 3 ? 0 : 0.5f + pixel (first + k, 3 * i) / 440.0f;
    }
  gst_buffer_append_memory (
      buffer, gst_memory_new_wrapped (0, points, size, 0, size, points, g_free));

  return buffer;
}

/* Batches of several views: each of the clip's class, and of one clip in four one is missing. */
static inline GstBuffer *
make_views (guint64 first, guint n, guint views)
{
  GstBuffer *buffer = gst_buffer_new ();
  const gsize sizes[] = { (gsize) n * views * CLIP, n * sizeof (gint32), (gsize) n * views };
  guint8 *parts[3];
  guint k, v, i;

  for (i = 0; i < 3; i++) {
    parts[i] = g_malloc (sizes[i]);
    gst_buffer_append_memory (
        buffer, gst_memory_new_wrapped (0, parts[i], sizes[i], 0, sizes[i], parts[i], g_free));
  }
  for (k = 0; k < n; k++) {
    ((gint32 *) parts[1])[k] = (first + k) % CLASSES;
    for (v = 0; v < views; v++) {
      parts[2][k * views + v] = (first + k) % 4 != 3 || v != (first + k) % views;
      for (i = 0; i < CLIP; i++)
        parts[0][((gsize) k * views + v) * CLIP + i] = pixel (first + k + 1000 * CLASSES * v, i);
    }
  }
  GST_BUFFER_OFFSET (buffer) = first;
  GST_BUFFER_OFFSET_END (buffer) = first + n;

  return buffer;
}

/* A batch that matches the rig's caps. */
static inline GstBuffer *
rig_batch (Rig *r, guint64 first, guint n)
{
  GstBuffer *buffer =
      r->views ? make_views (first, n, r->views) : make_batch (first, n, UINT8_INT32);

  return r->points ? with_points (buffer, first, n) : buffer;
}

static inline void
caps_for (Rig *r, guint n)
{
  gchar *caps;

  if (r->n == n)
    return;
  if (r->views)
    caps = g_strdup_printf ("other/tensors,format=static,num_tensors=3,types=uint8.int32.uint8,"
                            "dimensions=3:32:32:4:%u:%u.%u.%u:%u",
        r->views, n, n, r->views, n);
  else if (r->points)
    caps = g_strdup_printf ("other/tensors,format=static,num_tensors=3,types=uint8.int32.float32,"
                            "dimensions=3:32:32:4:%u.%u.3:5:2:4:%u",
        n, n, n);
  else
    caps = g_strdup_printf (
        "other/tensors,format=static,num_tensors=2,types=uint8.int32,dimensions=3:32:32:4:%u.%u", n,
        n);
  g_assert_true (push_caps (r, caps));
  g_free (caps);
  r->n = n;
}

/* A source's stream from one position to another: the events of each pass, and batches of up to
 * four clips. `to` beyond the end: EOS. */
static inline GstFlowReturn
feed (Rig *r, guint64 from, guint64 to)
{
  GstFlowReturn ret = GST_FLOW_OK;
  guint64 at = from;
  gboolean entered = TRUE;

  while (at < to && at < TOTAL && ret == GST_FLOW_OK) {
    guint epoch = at / (TRAIN + VAL);
    gboolean training = at % (TRAIN + VAL) < TRAIN;
    guint64 first = epoch * (TRAIN + VAL) + (training ? 0 : TRAIN);
    guint64 end = first + (training ? TRAIN : VAL);
    guint n = MIN (4, end - at);

    /* like clipbatch: the caps are those of the next batch */
    caps_for (r, n);
    if (at == first || entered)
      push_epoch (r, epoch, training, first, at);
    entered = FALSE;
    ret = gst_harness_push (r->h, rig_batch (r, at, n));
    at += n;
    if (at == end && ret == GST_FLOW_OK)
      push_done (r, epoch, training, at);
  }
  if (to > TOTAL && ret == GST_FLOW_OK)
    gst_harness_push_event (r->h, gst_event_new_eos ());

  return ret;
}

static inline gchar *
make_dir (void)
{
  gchar *dir = g_dir_make_tmp ("cnn3dtrain-XXXXXX", NULL);

  g_assert_nonnull (dir);

  return dir;
}

static inline void
remove_dir (gchar *path)
{
  GDir *dir = g_dir_open (path, 0, NULL);
  const gchar *name;

  while (dir && (name = g_dir_read_name (dir))) {
    gchar *file = g_build_filename (path, name, NULL);

    g_unlink (file);
    g_free (file);
  }
  if (dir)
    g_dir_close (dir);
  g_rmdir (path);
  g_free (path);
}

static inline void
assert_same_file (const gchar *a, const gchar *b, const gchar *name)
{
  gchar *pa = g_build_filename (a, name, NULL);
  gchar *pb = g_build_filename (b, name, NULL);
  gchar *da, *db;
  gsize na, nb;

  g_assert_true (g_file_get_contents (pa, &da, &na, NULL));
  g_assert_true (g_file_get_contents (pb, &db, &nb, NULL));
  g_assert_cmpuint (na, ==, nb);
  g_assert_cmpint (memcmp (da, db, na), ==, 0);
  g_free (da);
  g_free (db);
  g_free (pa);
  g_free (pb);
}

/* The position of the element's seek; -1: none. */
static inline gint64
pull_seek (Rig *r, guint32 *seqnum)
{
  GstEvent *event;
  GstSeekFlags flags;
  GstFormat format;
  gint64 start = -1;

  while ((event = gst_harness_try_pull_upstream_event (r->h))) {
    if (GST_EVENT_TYPE (event) == GST_EVENT_SEEK) {
      gst_event_parse_seek (event, NULL, &format, &flags, NULL, &start, NULL, NULL);
      g_assert_cmpint (format, ==, GST_FORMAT_DEFAULT);
      g_assert_cmpint (flags, ==, GST_SEEK_FLAG_NONE);
      *seqnum = gst_event_get_seqnum (event);
    }
    gst_event_unref (event);
  }

  return start;
}

/* Event function of a source that cannot seek */
static inline gboolean
refuse (GstPad *pad, GstObject *parent, GstEvent *event)
{
  gst_event_unref (event);

  return FALSE;
}

/* Begins a stream of batches of up to n clips. */
static inline void
begin_stream (Rig *r, guint n)
{
  caps_for (r, n);
  push_segment (r, 0);
  push_classes (r);
}

static inline guint64
get_uint64 (GstMessage *message, const gchar *field)
{
  guint64 value;

  g_assert_true (gst_structure_get_uint64 (gst_message_get_structure (message), field, &value));

  return value;
}

static inline gdouble
get_double (GstMessage *message, const gchar *field)
{
  gdouble value;

  g_assert_true (gst_structure_get_double (gst_message_get_structure (message), field, &value));

  return value;
}

/* The predicted bytes of a cnn3dtrain-plan, which must equal the sum of its parts. */
static inline guint64
get_predicted (GstMessage *plan)
{
  const guint64 predicted = get_uint64 (plan, "predicted-bytes");

  g_assert_true (gst_message_has_name (plan, "cnn3dtrain-plan"));
  g_assert_cmpuint (predicted, ==,
      get_uint64 (plan, "weights-bytes") + get_uint64 (plan, "gradients-bytes")
          + get_uint64 (plan, "optimizer-bytes") + get_uint64 (plan, "input-bytes")
          + get_uint64 (plan, "arena-bytes"));

  return predicted;
}

static inline Rig
begin_run (const gchar *dir)
{
  gchar *line = g_strdup_printf (
      "accumulate-grad-batches=2 dropout=0.3 lr-schedule=cosine checkpoint-dir=%s", dir);
  Rig r = rig_new (line);

  begin_stream (&r, 4);
  g_free (line);

  return r;
}

#endif
