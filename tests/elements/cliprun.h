/* cliprun.h: videos to read, and a run of clipsrc that records frames and events.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TESTS_CLIP_RUN_H
#define TESTS_CLIP_RUN_H

#include <gst/gst.h>
#include <gst/app/gstappsrc.h>
#include <string.h>
#include <glib/gstdio.h>

#include "gstclipkptmeta.h"
#include "runline.h"

#define FRAMES 60
#define FPS 20
#define BRIGHTNESS(frame) (20 + 3 * (frame))

static gchar *dir, *video, *avi;

/* Making files */

static inline gchar *
in_dir (const gchar *name)
{
  return g_build_filename (dir, name, NULL);
}

static inline gchar *
write_text (const gchar *name, const gchar *text)
{
  gchar *path = in_dir (name);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));

  return path;
}

/* A video of n frames with these brightnesses and start times (ns). */
static inline gchar *
make_video_of (const gchar *name, const gchar *encoder, const gchar *rate, guint n,
    const guint *brightness, const GstClockTime *times)
{
  gchar *path = in_dir (name);
  gchar *line = g_strdup_printf (
      "appsrc name=src format=time caps=video/x-raw,format=I420,width=64,height=48,framerate=%s ! "
      "%s ! filesink location=\"%s\"",
      rate, encoder, path);
  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch (line, &error);
  GstElement *src;
  GstBus *bus;
  GstMessage *message;

  g_assert_no_error (error);
  src = gst_bin_get_by_name (GST_BIN (pipeline), "src");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (guint i = 0; i < n; i++) {
    GstBuffer *buffer = gst_buffer_new_allocate (NULL, 64 * 48 * 3 / 2, NULL);
    const guint next = MIN (i + 1, n - 1);

    gst_buffer_memset (buffer, 0, brightness[i], 64 * 48);
    gst_buffer_memset (buffer, 64 * 48, 128, 64 * 48 / 2);
    GST_BUFFER_PTS (buffer) = times[i];
    GST_BUFFER_DURATION (buffer) = times[next] - times[next - 1];
    g_assert_cmpint (gst_app_src_push_buffer (GST_APP_SRC (src), buffer), ==, GST_FLOW_OK);
  }
  gst_app_src_end_of_stream (GST_APP_SRC (src));
  bus = gst_element_get_bus (pipeline);
  message = gst_bus_timed_pop_filtered (bus, LIMIT, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_EOS);
  gst_message_unref (message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (src);
  gst_object_unref (pipeline);
  g_free (line);

  return path;
}

/* A video in which each frame's brightness encodes its number. */
static inline gchar *
make_video (const gchar *name, const gchar *encoder)
{
  gchar *rate = g_strdup_printf ("%d/1", FPS), *path;
  GstClockTime times[FRAMES];
  guint brightness[FRAMES];

  for (guint i = 0; i < FRAMES; i++) {
    brightness[i] = BRIGHTNESS (i);
    times[i] = i * GST_SECOND / FPS;
  }
  path = make_video_of (name, encoder, rate, FRAMES, brightness, times);
  g_free (rate);

  return path;
}

/* One run */

typedef struct {
  guint64 clip, sample, frame, num_frames;
  guint view, views;
  guint epoch;
  gboolean training;
  gint label;
  guint brightness;
  gchar *sum;
  GstClockTime pts;
} Frame;

typedef struct _Run Run;
struct _Run {
  GstElement *pipeline, *src;
  GArray *frames;
  GString *events;    /* a letter or word per event */
  GPtrArray *skipped; /* "path: reason" */
  GPtrArray *warnings;
  gchar *error;
  gboolean eos;
  gboolean sums;
  gboolean views; /* clips have views */
  /* The answer to the clip-window query, if any */
  gboolean window;
  guint64 first, last;
  /* Called from the streaming thread */
  void (*on_frame) (Run *run);
  gpointer data;
};

/* A checksum of a frame's pixels and key points. */
static inline gchar *
frame_sum (GstBuffer *buffer, const GstMapInfo *map)
{
  const GstClipKptMeta *kpt = gst_buffer_get_clip_kpt_meta (buffer);
  GChecksum *sum = g_checksum_new (G_CHECKSUM_MD5);
  gchar *text;

  g_checksum_update (sum, map->data, map->size);
  if (kpt)
    g_checksum_update (
        sum, (const guchar *) kpt->values, sizeof (gfloat) * 3 * kpt->points * kpt->persons);
  text = g_strdup (g_checksum_get_string (sum));
  g_checksum_free (sum);

  return text;
}

static inline GstPadProbeReturn
see_data (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Run *run = data;

  if (info->type & GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM) {
    GstQuery *query = GST_PAD_PROBE_INFO_QUERY (info);
    GstClipMeta clip;

    if (run->window && gst_query_parse_clip_window (query, &clip, NULL, NULL)) {
      gst_query_set_clip_window (query, run->first, run->last);
      return GST_PAD_PROBE_HANDLED;
    }
  } else if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
    GstClipMeta *meta = gst_buffer_get_clip_meta (buffer);
    GstMapInfo map;
    Frame frame = {
      0,
    };

    g_assert_nonnull (meta);
    g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_READ));
    frame.clip = meta->clip;
    frame.sample = meta->sample;
    frame.frame = meta->frame;
    frame.num_frames = meta->num_frames;
    frame.view = meta->view;
    frame.views = meta->views;
    frame.epoch = meta->epoch;
    frame.training = meta->training;
    frame.label = meta->label;
    frame.pts = GST_BUFFER_PTS (buffer);
    /* Luma comes first in I420 */
    frame.brightness = map.data[map.size / 3];
    if (run->sums)
      frame.sum = frame_sum (buffer, &map);
    gst_buffer_unmap (buffer, &map);
    g_array_append_val (run->frames, frame);
    if (run->on_frame)
      run->on_frame (run);
  } else {
    GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
    GstClipEpoch epoch;
    GstClipEpochDone done;
    GstClipPreparation prepared;
    GstClipSkipped skipped;
    gchar **classes, **views;
    GstClipData data;

    if (gst_event_parse_clip_epoch (event, &epoch)) {
      g_string_append_printf (run->events, "%c%u:%" G_GUINT64_FORMAT " ",
          epoch.training ? 'T' : 'V', epoch.epoch, epoch.position);
    } else if (gst_event_parse_clip_epoch_done (event, &done)) {
      g_string_append_printf (run->events,
          "/%" G_GUINT64_FORMAT "+%" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT " ", done.position,
          done.delivered, done.skipped);
    } else if (gst_event_parse_clip_classes (event, &classes)) {
      gchar *names = g_strjoinv (",", classes);

      g_string_append_printf (run->events, "classes=%s ", names);
      g_free (names);
      g_strfreev (classes);
    } else if (gst_event_parse_clip_views (event, &views)) {
      gchar *names = g_strjoinv (",", views);

      g_string_append_printf (run->events, "views=%s ", names);
      g_free (names);
      g_strfreev (views);
    } else if (gst_event_parse_clip_data (event, &data)) {
      /* always follows the classes */
      g_assert_true (
          g_str_has_suffix (run->events->str, " ") && strstr (run->events->str, "classes="));
      g_assert_cmpuint (data.rows, >, 0);
      g_assert_cmpuint (data.training_clips + data.validation_clips, >, 0);
      g_assert_true (
          strlen (data.clips) == 64 && strlen (data.labels) == 64 && strlen (data.order) == 64);
    } else if (gst_event_parse_clip_preparation (event, &prepared)) {
      g_string_append_printf (run->events, "%u/%u,%s,%s%s%s ", prepared.num_frames,
          prepared.frame_interval, prepared.sampling, prepared.scaling ? prepared.scaling : "?",
          prepared.add_borders ? ",borders" : "", prepared.diff_gain > 0 ? ",differences" : "");
    } else if (gst_event_parse_clip_skipped (event, &skipped)) {
      g_assert_true (strlen (skipped.path) > 0 && strlen (skipped.reason) > 0);
      g_string_append_printf (
          run->events, "-%u:%" G_GUINT64_FORMAT " ", skipped.epoch, skipped.clip);
    } else if (GST_EVENT_TYPE (event) != GST_EVENT_TAG) {
      g_string_append_printf (run->events, "%s ", GST_EVENT_TYPE_NAME (event));
    }
  }

  return GST_PAD_PROBE_OK;
}

static inline void
clear_frame (gpointer data)
{
  g_free (((Frame *) data)->sum);
}

static inline Run *
run_new (const gchar *properties)
{
  Run *run = g_new0 (Run, 1);
  GstElement *sink = gst_element_factory_make ("fakesink", NULL);
  gchar *line = g_strdup_printf ("clipsrc name=src %s", properties);
  GError *error = NULL;
  GstPad *pad = gst_element_get_static_pad (sink, "sink");

  run->src = gst_parse_launch_full (line, NULL, GST_PARSE_FLAG_FATAL_ERRORS, &error);
  g_assert_no_error (error);
  run->pipeline = gst_pipeline_new (NULL);
  g_object_set (sink, "sync", FALSE, "enable-last-sample", FALSE, NULL);
  gst_bin_add_many (GST_BIN (run->pipeline), run->src, sink, NULL);
  g_assert_true (gst_element_link (run->src, sink));
  run->frames = g_array_new (FALSE, FALSE, sizeof (Frame));
  g_array_set_clear_func (run->frames, clear_frame);
  run->events = g_string_new (NULL);
  run->skipped = g_ptr_array_new_with_free_func (g_free);
  run->warnings = g_ptr_array_new_with_free_func (g_free);
  gst_pad_add_probe (pad,
      GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM
          | GST_PAD_PROBE_TYPE_EVENT_FLUSH | GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM,
      see_data, run, NULL);
  gst_object_unref (pad);
  g_free (line);

  return run;
}

/* Waits for EOS or an error, whose text it keeps. */
static inline void
run_wait (Run *run)
{
  GstBus *bus = gst_element_get_bus (run->pipeline);

  while (!run->eos && !run->error) {
    GstMessage *message = gst_bus_timed_pop_filtered (bus, LIMIT,
        GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_WARNING | GST_MESSAGE_ELEMENT);

    g_assert_nonnull (message);
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS) {
      run->eos = TRUE;
    } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
      GError *error;

      gst_message_parse_error (message, &error, NULL);
      g_assert_true (GST_MESSAGE_SRC (message) == GST_OBJECT (run->src));
      run->error = g_strdup (error->message);
      g_test_message ("%s", run->error);
      g_clear_error (&error);
    } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING) {
      GError *warning;

      gst_message_parse_warning (message, &warning, NULL);
      g_ptr_array_add (run->warnings, g_strdup (warning->message));
      g_error_free (warning);
    } else if (gst_message_has_name (message, "clipsrc-skipped")) {
      const GstStructure *s = gst_message_get_structure (message);

      g_ptr_array_add (run->skipped,
          g_strdup_printf ("%s: %s", gst_structure_get_string (s, "path"),
              gst_structure_get_string (s, "reason")));
      g_assert_true (run->views == gst_structure_has_field_typed (s, "view", G_TYPE_STRING));
      g_test_message (
          "skipped %s", (gchar *) g_ptr_array_index (run->skipped, run->skipped->len - 1));
    }
    gst_message_unref (message);
  }
  gst_object_unref (bus);
}

static inline void
run_play (Run *run)
{
  gst_element_set_state (run->pipeline, GST_STATE_PLAYING);
  run_wait (run);
}

static inline void
run_free (Run *run)
{
  gst_element_set_state (run->pipeline, GST_STATE_NULL);
  gst_object_unref (run->pipeline);
  g_array_unref (run->frames);
  g_string_free (run->events, TRUE);
  g_ptr_array_unref (run->skipped);
  g_ptr_array_unref (run->warnings);
  g_free (run->error);
  g_free (run);
}

static inline Frame *
frame_at (Run *run, guint i)
{
  return &g_array_index (run->frames, Frame, i);
}

/* Expects frames first to last, `step` apart, from index *at on; counted from 0. */
static inline void
assert_frames (
    Run *run, guint *at, guint64 clip, guint first, guint last, guint number, guint num_frames)
{
  for (guint i = first; i <= last; i++, (*at)++) {
    Frame *frame;

    g_assert_cmpuint (*at, <, run->frames->len);
    frame = frame_at (run, *at);
    g_assert_cmpuint (frame->clip, ==, clip);
    g_assert_cmpuint (frame->frame, ==, number + i - first);
    g_assert_cmpuint (frame->num_frames, ==, num_frames);
    g_assert_cmpint (ABS ((gint) frame->brightness - BRIGHTNESS ((gint) i)), <=, 1);
  }
}

static inline gchar *
many_clips (guint n)
{
  GString *text = g_string_new (NULL);
  gchar *path;

  for (guint i = 0; i < n; i++)
    g_string_append_printf (
        text, "%s,%s,%g,%g\n", video, i % 2 ? "x" : "y", 0.1 * i, 0.1 * i + 0.2);
  path = write_text ("many.csv", text->str);
  g_string_free (text, TRUE);

  return path;
}

/* Creates the folder for a test's files, and the two videos. */
static inline void
cliprun_init (int *argc, char ***argv)
{
  gst_init (argc, argv);
  g_test_init (argc, argv, NULL);
  dir = g_dir_make_tmp ("clipsrc-XXXXXX", NULL);
  g_assert_nonnull (dir);
  video = make_video (
      "up.mp4", "x264enc key-int-max=12 quantizer=8 pass=quant threads=1 ! h264parse ! mp4mux");
  avi = make_video ("up.avi", "avenc_mpeg4 bitrate=4000000 ! avimux");
}

static inline void
cliprun_deinit (void)
{
  gchar *line = g_strdup_printf ("rm -r '%s'", dir);

  g_assert_cmpint (system (line), ==, 0);
  g_free (line);
  g_free (dir);
  g_free (video);
  g_free (avi);
  /* The leaks tracer checks here */
  gst_deinit ();
}

#endif
