/* clipsrc-rate.c: the frames of files that a given rate selects.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cliprun.h"
#include "plugins/clip/clipwindow.h"

#define MOST 60
#define X264 "x264enc key-int-max=12 quantizer=8 pass=quant threads=1 ! "

/* At 30 and at 10 frames a second, frames of the same moment have the same brightness. */
typedef struct {
  gchar *path;
  guint n;
  GstClockTime times[MOST];
  guint brightness[MOST];
} Video;

/* 2 s */
static Video fast, slow, varies;

static void
make (Video *v, const gchar *name, const gchar *muxer, guint fps)
{
  gchar *encoder = g_strconcat (X264, muxer, NULL);
  gchar *rate = g_strdup_printf ("%u/1", fps);

  v->n = fps ? 2 * fps : MOST;
  for (guint i = 0; i < v->n; i++) {
    if (fps)
      v->times[i] = i * GST_SECOND / fps;
    else /* from 5 to 65 ms, in whole milliseconds */
      v->times[i] = i ? v->times[i - 1] + (5 + i * 37 % 61) * GST_MSECOND : 0;
    v->brightness[i] = fps ? BRIGHTNESS (i * 30 / fps) : BRIGHTNESS (i);
  }
  v->path = make_video_of (name, encoder, rate, v->n, v->brightness, v->times);
  g_free (rate);
  g_free (encoder);
}

static void
make_all (void)
{
  make (&fast, "fast.mp4", "h264parse ! mp4mux", 30);
  make (&slow, "slow.mp4", "h264parse ! mp4mux", 10);
  make (&varies, "varies.mkv", "h264parse ! matroskamux", 0);
}

/* Frame k at a rate, by definition, out of n frames from `first` on. */
static guint
nearest (const Video *v, guint first, guint n, guint fps, guint k)
{
  const gint64 at = v->times[first] + (k * GST_SECOND + fps / 2) / fps;
  guint best = first;

  for (guint i = first; i < first + n; i++)
    if (ABS ((gint64) v->times[i] - at) < ABS ((gint64) v->times[best] - at))
      best = i;

  return best;
}

/* The selected frames, num of each clip, as the numbers encoded in their brightness. */
static GArray *
sample (const gchar *rows, const gchar *settings, const gchar *properties, guint workers,
    gboolean behind)
{
  gchar *csv = write_text ("rate.csv", rows);
  gchar *line = g_strdup_printf (behind
          ? "location=%s num-workers=%u %s shuffle=false ! clipsample %s"
          : "location=%s num-workers=%u %s shuffle=false clip-bin=\"clipsample %s\"",
      csv, workers, properties, settings);
  GArray *numbers = g_array_new (FALSE, FALSE, sizeof (gint));
  Run *run;

  g_test_message ("%s", line);
  if (behind) {
    GError *error = NULL;
    GstPad *pad;
    gchar *whole = g_strdup_printf ("clipsrc name=src %s ! fakesink name=sink sync=false", line);
    GstElement *sink;

    run = g_new0 (Run, 1);
    run->pipeline = gst_parse_launch (whole, &error);
    g_assert_no_error (error);
    run->src = gst_bin_get_by_name (GST_BIN (run->pipeline), "src");
    gst_object_unref (run->src);
    sink = gst_bin_get_by_name (GST_BIN (run->pipeline), "sink");
    pad = gst_element_get_static_pad (sink, "sink");
    run->frames = g_array_new (FALSE, FALSE, sizeof (Frame));
    run->events = g_string_new (NULL);
    run->skipped = g_ptr_array_new_with_free_func (g_free);
    run->warnings = g_ptr_array_new_with_free_func (g_free);
    gst_pad_add_probe (
        pad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, see_data, run, NULL);
    gst_object_unref (pad);
    gst_object_unref (sink);
    g_free (whole);
  } else {
    run = run_new (line);
  }
  run_play (run);
  g_assert_true (run->eos);
  for (guint i = 0; i < run->frames->len; i++) {
    const Frame *frame = frame_at (run, i);
    const gint number = ((gint) frame->brightness - BRIGHTNESS (0) + 1) / 3;

    g_assert_cmpint (ABS ((gint) frame->brightness - BRIGHTNESS (number)), <=, 1);
    g_array_append_val (numbers, number);
  }
  run_free (run);
  g_free (line);
  g_free (csv);

  return numbers;
}

/* All ways to run it give the same frames, which are returned. */
static GArray *
sample_all (const gchar *rows, const gchar *settings, const gchar *properties)
{
  static const guint workers[] = { 0, 1, 4 };
  GArray *first = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (workers); i++) {
    for (guint behind = 0; behind < 2; behind++) {
      GArray *numbers = sample (rows, settings, properties, workers[i], behind);

      if (!first) {
        first = numbers;
        continue;
      }
      g_assert_cmpmem (
          first->data, first->len * sizeof (gint), numbers->data, numbers->len * sizeof (gint));
      g_array_unref (numbers);
    }
  }

  return first;
}

static gint
number_of (GArray *numbers, guint i)
{
  g_assert_cmpuint (i, <, numbers->len);

  return g_array_index (numbers, gint, i);
}

/* Whole files and parts of them, compared with the definition. */
static void
test_nearest (void)
{
  static const guint rates[] = { 10, 15, 25, 50 };
  const Video *videos[] = { &fast, &slow, &varies };

  for (guint v = 0; v < G_N_ELEMENTS (videos); v++) {
    const Video *video = videos[v];

    for (guint r = 0; r < G_N_ELEMENTS (rates); r++) {
      const guint fps = rates[r];
      gchar *rows = g_strdup_printf ("%s,x,,\n%s,x,0.5,1.5\n", video->path, video->path);
      gchar *settings = g_strdup_printf ("num-frames=8 frame-interval=1 frame-rate=%u/1", fps);
      GArray *numbers = sample_all (rows, settings, "passes=test");

      g_assert_cmpuint (numbers->len, ==, 16);
      for (guint clip = 0; clip < 2; clip++) {
        const gdouble tolerance = GST_MSECOND / 2;
        guint first = 0, n = 0, total, start;
        GstClockTime length;

        for (guint i = 0; i < video->n; i++) {
          const gdouble time = video->times[i] + tolerance;

          if (clip && time < 0.5 * GST_SECOND)
            first++;
          else if (!clip || time < 1.5 * GST_SECOND)
            n++;
        }
        length =
            2 * video->times[first + n - 1] - video->times[first + n - 2] - video->times[first];
        total = (guint) ((gdouble) length * fps / GST_SECOND + 0.5);
        start = (total - 8) / 2;
        for (guint k = 0; k < 8; k++) {
          const guint frame = nearest (video, first, n, fps, start + k);

          g_assert_cmpint (
              BRIGHTNESS (number_of (numbers, clip * 8 + k)), ==, video->brightness[frame]);
        }
      }
      g_array_unref (numbers);
      g_free (settings);
      g_free (rows);
    }
  }
}

/* At 10 and at 30 frames a second the same moments are selected. */
static void
test_same_motion (void)
{
  static const gchar *const settings[] = {
    "num-frames=4 frame-interval=2 frame-rate=10/1 seed=3",
    "num-frames=5 frame-rate=10/1",
    "num-frames=3 frame-interval=3 mode=center frame-rate=10/1 clips-per-video=3",
    "num-frames=6 frame-interval=1 frame-rate=15/1 seed=4",
  };

  for (guint i = 0; i < G_N_ELEMENTS (settings); i++) {
    for (guint training = 0; training < 2; training++) {
      GArray *numbers[2];

      for (guint v = 0; v < 2; v++) {
        GString *rows = g_string_new (NULL);

        for (guint clip = 0; clip < 9; clip++)
          g_string_append_printf (rows, "%s,%s,%s\n", v ? slow.path : fast.path,
              clip % 2 ? "x" : "y", clip % 3 == 1 ? "0.5,1.7" : ",");
        numbers[v] =
            sample_all (rows->str, settings[i], training ? "passes=train epochs=2" : "passes=test");
        g_string_free (rows, TRUE);
      }
      g_assert_cmpuint (numbers[0]->len, ==, numbers[1]->len);
      g_assert_cmpuint (numbers[0]->len, >=, 9 * 3);
      for (guint k = 0; k < numbers[0]->len; k++) {
        const gint differ = ABS (number_of (numbers[0], k) - number_of (numbers[1], k));

        /* at 15 the slow video has only the nearest frames */
        g_assert_cmpint (differ, <=, i == 3 ? 1 : 0);
      }
      g_array_unref (numbers[0]);
      g_array_unref (numbers[1]);
    }
  }
}

/* The stream announces how its clips are prepared. */
static void
test_preparation (void)
{
  gchar *text = g_strdup_printf ("%s,x,\n", slow.path);
  gchar *csv = write_text ("told.csv", text);
  gchar *line = g_strdup_printf ("location=%s passes=test clip-bin=\"clipsample num-frames=2 "
                                 "frame-interval=3 frame-rate=30000/1001\"",
      csv);
  Run *run = run_new (line);
  GstElement *sink = GST_ELEMENT (GST_BIN_CHILDREN (run->pipeline)->data);
  GstPad *pad = gst_element_get_static_pad (sink, "sink");
  GstClipPreparation p;
  GstEvent *event;
  gboolean told = FALSE;

  run_play (run);
  g_assert_true (run->eos);
  for (guint i = 0; (event = gst_pad_get_sticky_event (pad, GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, i));
      i++) {
    if (gst_event_parse_clip_preparation (event, &p)) {
      g_assert_cmpint (p.frame_rate_n, ==, 30000);
      g_assert_cmpint (p.frame_rate_d, ==, 1001);
      told = TRUE;
    }
    gst_event_unref (event);
  }
  g_assert_true (told);
  gst_object_unref (pad);
  run_free (run);
  g_free (line);
  g_free (csv);
  g_free (text);
}

int
main (int argc, char **argv)
{
  gint result;

  cliprun_init (&argc, &argv);
  make_all ();
  g_test_add_func ("/clipsrc-rate/nearest", test_nearest);
  g_test_add_func ("/clipsrc-rate/same-motion", test_same_motion);
  g_test_add_func ("/clipsrc-rate/preparation", test_preparation);
  result = g_test_run ();
  g_free (fast.path);
  g_free (slow.path);
  g_free (varies.path);
  cliprun_deinit ();

  return result;
}
