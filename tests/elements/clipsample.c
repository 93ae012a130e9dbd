/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "samplerig.h"
#include "linspace.h"

static gboolean
ask (GstHarness *h, const GstClipMeta *clip, guint64 *first, guint64 *last)
{
  GstQuery *query = gst_query_new_clip_window (clip, 25, 1);
  gboolean answered = gst_pad_peer_query (h->srcpad, query);

  g_assert_cmpint (answered, ==, gst_query_get_clip_window (query, first, last));
  gst_query_unref (query);

  return answered;
}

/* Every row of the table, with known and with unknown number of frames. */
static void
test_linspace (gconstpointer known)
{
  GstHarness *h = sampler ("");
  guint64 clip = 0, wanted[64];
  gsize at = 0;

  while (at < G_N_ELEMENTS (linspace_table)) {
    const guint total = linspace_table[at], num = linspace_table[at + 1];
    GstClipMeta m = {
      .clip = clip, .sample = 5, .training = clip % 2, .num_frames = known ? total : 0
    };
    guint i;

    g_object_set (
        clips_element (h, "clipsample"), "num-frames", num, "mode", (gint) (clip % 3), NULL);
    for (i = 0; i < num; i++)
      wanted[i] = linspace_table[at + 2 + i];
    clips_push (h, &m, 0, total - 1);
    if (!known)
      gst_harness_push_event (h, gst_event_new_eos ());
    assert_clip (h, clip, num, wanted);
    assert_nothing (h);
    if (!known) {
      GstSegment segment;

      gst_harness_push_event (h, gst_event_new_stream_start ("again"));
      gst_segment_init (&segment, GST_FORMAT_TIME);
      gst_harness_push_event (h, gst_event_new_segment (&segment));
    }
    at += 2 + num;
    clip++;
  }
  g_assert_cmpuint (clip, >, 400);
  gst_harness_teardown (h);
}

/* The answer is what is then sampled; it depends on seed, epoch and sample. */
static void
test_random_window (void)
{
  guint64 starts[2][3][40];
  guint seed, epoch, sample, seen = 0, differ = 0;

  for (seed = 0; seed < 2; seed++) {
    gchar *properties = g_strdup_printf ("num-frames=4 frame-interval=3 seed=%u", seed);

    for (epoch = 0; epoch < 3; epoch++) {
      for (sample = 0; sample < 40; sample++) {
        /* a new element each time: nothing is remembered */
        GstHarness *h = sampler (properties);
        GstClipMeta m = {
          .clip = 900 - sample, .sample = sample, .epoch = epoch, .training = TRUE, .num_frames = 25
        };
        guint64 first, last, wanted[4];
        guint i;

        g_assert_true (ask (h, &m, &first, &last));
        g_assert_cmpuint (last, ==, first + 9);
        g_assert_cmpuint (last, <, 25);
        for (i = 0; i < 4; i++)
          wanted[i] = first + 3 * i;
        clips_push (h, &m, first, last);
        assert_clip (h, m.clip, 4, wanted);
        assert_nothing (h);
        starts[seed][epoch][sample] = first;
        seen |= 1u << first;
        m.clip++;
        g_assert_true (ask (h, &m, &last, NULL));
        g_assert_cmpuint (last, ==, first);
        gst_harness_teardown (h);
      }
    }
    g_free (properties);
  }

  for (sample = 0; sample < 40; sample++) {
    differ += starts[0][0][sample] != starts[0][1][sample];
    differ += starts[0][0][sample] != starts[1][0][sample];
  }
  /* all 16 places occurred, including the last; most of 80 pairs differ */
  g_assert_cmphex (seen, ==, 0xffff);
  g_assert_cmpuint (differ, >, 60);
}

static void
test_center (void)
{
  static const guint64 wanted[] = { 3, 5, 7 };
  GstHarness *h = sampler ("num-frames=3 frame-interval=2");
  GstClipMeta m = { .clip = 1, .num_frames = 12 };
  guint64 first, last;

  /* (12 - 5) / 2, rounded down */
  g_assert_true (ask (h, &m, &first, &last));
  g_assert_cmpuint (first, ==, 3);
  g_assert_cmpuint (last, ==, 7);
  clips_push (h, &m, 0, 11);
  assert_clip (h, 1, 3, wanted);
  gst_util_set_object_arg (G_OBJECT (clips_element (h, "clipsample")), "mode", "center");
  m.training = TRUE;
  m.clip = 2;
  clips_push (h, &m, 0, 11);
  assert_clip (h, 2, 3, wanted);
  assert_nothing (h);
  gst_harness_teardown (h);
}

static void
test_short (void)
{
  static const guint64 wanted[] = { 0, 1, 1, 2, 2, 3 };
  GstHarness *h = sampler ("num-frames=6 frame-interval=1");
  GstClipMeta m = { .clip = 1, .training = TRUE, .num_frames = 4 };
  guint64 first, last;

  g_assert_true (ask (h, &m, &first, &last));
  g_assert_cmpuint (first, ==, 0);
  g_assert_cmpuint (last, ==, 3);
  clips_push (h, &m, 0, 3);
  assert_clip (h, 1, 6, wanted);

  /* repeated frames share their data */
  g_object_set (clips_element (h, "clipsample"), "num-frames", 2, NULL);
  m.clip = 2;
  m.num_frames = 1;
  gst_harness_push (h, clips_frame (&m, 0));
  {
    GstBuffer *a = gst_harness_pull (h), *b = gst_harness_pull (h);

    g_assert_true (a != b);
    g_assert_true (gst_buffer_peek_memory (a, 0) == gst_buffer_peek_memory (b, 0));
    gst_buffer_unref (a);
    gst_buffer_unref (b);
  }
  gst_harness_teardown (h);
}

/* If the length is unknown, the query stays unanswered and frames are chosen at the end, however
 * that is signalled. */
static void
test_unknown (void)
{
  static const guint64 center[] = { 3, 5, 7 };
  GstHarness *h = sampler ("num-frames=3 frame-interval=2 mode=center");
  GstClipMeta m = { .clip = 1 }, other = { .clip = 2 };
  GstClipEpochDone done = { 0 };

  g_assert_false (ask (h, &m, NULL, NULL));
  clips_push (h, &m, 0, 11);
  assert_nothing (h);
  clips_push (h, &other, 0, 11);
  assert_clip (h, 1, 3, center);
  assert_nothing (h);
  gst_harness_push_event (h, gst_event_new_clip_epoch_done (&done));
  assert_clip (h, 2, 3, center);
  clips_push (h, &m, 0, 11);
  assert_nothing (h);
  /* the same clip number from its first frame again is a new clip */
  clips_push (h, &m, 0, 11);
  assert_clip (h, 1, 3, center);
  gst_harness_push_event (h, gst_event_new_flush_start ());
  gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
  gst_harness_push_event (h, gst_event_new_eos ());
  assert_nothing (h);
  gst_harness_teardown (h);
}

/* A long clip of unknown length is thinned out. */
static void
test_unknown_long (void)
{
  GstHarness *h = sampler ("num-frames=3");
  GstClipMeta m = { .clip = 1 };
  /* every fourth of 10001 is kept: 5000 is one of them */
  static const guint64 wanted[] = { 0, 5000, 10000 };

  clips_push (h, &m, 0, 10000);
  gst_harness_push_event (h, gst_event_new_eos ());
  assert_clip (h, 1, 3, wanted);
  gst_harness_teardown (h);
}

/* The container announced more frames than arrived. */
static void
test_early_end (void)
{
  static const guint64 wanted[] = { 0, 10, 12, 12 };
  GstHarness *h = sampler ("num-frames=4");
  GstClipMeta m = { .clip = 1, .num_frames = 31 };
  GstEvent *event;

  clips_push (h, &m, 0, 12);
  gst_harness_push_event (h, gst_event_new_eos ());
  assert_clip (h, 1, 4, wanted);
  while ((event = gst_harness_try_pull_event (h))) {
    if (GST_EVENT_TYPE (event) == GST_EVENT_EOS)
      m.clip = 0;
    gst_event_unref (event);
  }
  g_assert_cmpuint (m.clip, ==, 0);
  gst_harness_teardown (h);
}

/* Fewer announced than arrived; frames lost on the way. */
static void
test_odd_counts (void)
{
  static const guint64 wanted[] = { 0, 10, 20, 30 };
  static const guint64 gap[] = { 0, 11, 20, 30 };
  GstHarness *h = sampler ("num-frames=4");
  GstClipMeta m = { .clip = 1, .num_frames = 31 };

  clips_push (h, &m, 0, 99);
  assert_clip (h, 1, 4, wanted);
  assert_nothing (h);
  m.clip = 2;
  clips_push (h, &m, 0, 9);
  clips_push (h, &m, 11, 30);
  assert_clip (h, 2, 4, gap);
  assert_nothing (h);
  gst_harness_teardown (h);
}

static void
test_clips_per_video (void)
{
  static const guint64 wanted[][3] = { { 0, 2, 4 }, { 2, 4, 6 }, { 5, 7, 9 } };
  static const guint64 even[] = { 0, 4, 9 };
  GstHarness *h = sampler ("num-frames=3 frame-interval=2 clips-per-video=3 mode=center");
  GstClipMeta m = { .clip = 4, .num_frames = 10 };
  guint64 first, last;
  guint known, nth;

  g_assert_true (ask (h, &m, &first, &last));
  g_assert_cmpuint (first, ==, 0);
  g_assert_cmpuint (last, ==, 9);
  for (known = 0; known < 2; known++) {
    m.clip++;
    m.num_frames = known ? 10 : 0;
    clips_push (h, &m, 0, 9);
    if (!known)
      gst_harness_push_event (h, gst_event_new_stream_start ("next"));
    for (nth = 0; nth < 3; nth++)
      assert_clip (h, m.clip, 3, wanted[nth]);
    assert_nothing (h);
    if (!known) {
      GstSegment segment;

      gst_segment_init (&segment, GST_FORMAT_TIME);
      gst_harness_push_event (h, gst_event_new_segment (&segment));
    }
  }

  m.training = TRUE;
  m.clip++;
  clips_push (h, &m, 0, 9);
  assert_clip (h, m.clip, 3, wanted[1]);
  assert_nothing (h);

  m.training = FALSE;
  m.clip++;
  gst_util_set_object_arg (G_OBJECT (clips_element (h, "clipsample")), "mode", "uniform");
  clips_push (h, &m, 0, 9);
  assert_clip (h, m.clip, 3, even);
  assert_nothing (h);
  gst_harness_teardown (h);
}

/* Several clips through the same chain, each ended by EOS. */
static void
test_reuse (void)
{
  static const guint64 wanted[] = { 0, 9, 9 };
  GstHarness *h = sampler ("num-frames=3");
  GstClipMeta m = { .clip = 7, .num_frames = 19 };
  GstSegment segment;
  guint i;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  for (i = 0; i < 6; i++) {
    clips_push (h, &m, 0, 9);
    gst_harness_push_event (h, gst_event_new_eos ());
    assert_clip (h, 7, 3, wanted);
    assert_nothing (h);
    if (i % 2) {
      gst_harness_push_event (h, gst_event_new_flush_start ());
      gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
    } else {
      gst_harness_push_event (h, gst_event_new_stream_start ("next"));
      gst_harness_set_src_caps_str (h, CLIPS_GRAY);
    }
    gst_harness_push_event (h, gst_event_new_segment (&segment));
  }
  assert_nothing (h);
  gst_harness_teardown (h);
}

/* New segments within a clip, as from edit lists, do not end it. */
static void
test_edit_list (void)
{
  static const guint64 wanted[] = { 0, 9, 18 };
  GstHarness *h = sampler ("num-frames=3");
  GstClipMeta m = { .clip = 7, .num_frames = 19 };
  GstSegment segment;
  GstEvent *event;
  guint i, seqnum = gst_util_seqnum_next ();

  gst_segment_init (&segment, GST_FORMAT_TIME);
  for (i = 0; i < 3; i++) {
    segment.base = i * GST_SECOND;
    event = gst_event_new_segment (&segment);
    gst_event_set_seqnum (event, seqnum);
    gst_harness_push_event (h, event);
    clips_push (h, &m, i * 7, MIN (i * 7 + 6, 18));
  }
  assert_clip (h, 7, 3, wanted);
  assert_nothing (h);
  gst_harness_teardown (h);
}

/* Pushes caps only: the harness would send a segment with them. */
static void
push_caps (GstHarness *h, const gchar *description)
{
  GstCaps *caps = gst_caps_from_string (description);

  gst_harness_push_event (h, gst_event_new_caps (caps));
  gst_caps_unref (caps);
}

/* Frames of the old size never follow the new caps. */
static void
test_caps_change (void)
{
  static const guint64 wanted[] = { 0, 9, 18 }, held[] = { 0, 4, 9 };
  GstHarness *h = sampler ("num-frames=3");
  GstClipMeta m = { .clip = 7, .num_frames = 19 };

  clips_push (h, &m, 0, 8);
  push_caps (h, "video/x-raw,format=GRAY8,width=4,height=4,framerate=25/1");
  clips_push (h, &m, 9, 18);
  assert_clip (h, 7, 3, wanted);

  m.num_frames = 0;
  m.clip = 8;
  clips_push (h, &m, 0, 9);
  assert_nothing (h);
  push_caps (h, CLIPS_GRAY);
  clips_push (h, &m, 10, 19);
  assert_clip (h, 8, 3, held);
  gst_harness_push_event (h, gst_event_new_eos ());
  assert_nothing (h);
  gst_harness_teardown (h);
}

static void
test_live (void)
{
  static const guint64 wanted[][3] = { { 0, 2, 4 }, { 6, 8, 10 }, { 12, 13, 13 } };
  GstHarness *h = sampler ("num-frames=3 frame-interval=2 clips-per-video=5");
  GstBuffer *buffer;
  guint i;

  for (i = 0; i < 12; i++)
    gst_harness_push (h, clips_frame (NULL, i));
  assert_clip (h, 0, 3, wanted[0]);
  buffer = gst_harness_pull (h);
  g_assert_cmpint (gst_buffer_get_clip_meta (buffer)->label, ==, -1);
  g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, 6 * CLIPS_FRAME);
  gst_buffer_unref (buffer);
  gst_buffer_unref (gst_harness_pull (h));
  gst_buffer_unref (gst_harness_pull (h));
  assert_nothing (h);

  /* an interval of 0 counts as 1; a window cut by EOS is filled up */
  g_object_set (clips_element (h, "clipsample"), "frame-interval", 0, NULL);
  for (i = 12; i < 14; i++)
    gst_harness_push (h, clips_frame (NULL, i));
  gst_harness_push_event (h, gst_event_new_eos ());
  assert_clip (h, 2, 3, wanted[2]);
  assert_nothing (h);
  gst_harness_teardown (h);
}

/* Counts in *data the frames whose memory is writable. */
static GstPadProbeReturn
count_writable (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  if (gst_buffer_is_all_memory_writable (GST_PAD_PROBE_INFO_BUFFER (info)))
    (*(guint *) data)++;

  return GST_PAD_PROBE_OK;
}

/* Frames that are pushed immediately are not held, and their memory stays writable. */
static void
test_holds_little (void)
{
  GstHarness *h = sampler ("num-frames=3 frame-interval=2");
  GstClipMeta m = { .clip = 7, .num_frames = 100 };
  GstBuffer *in[100];
  guint i, writable = 0;

  for (i = 0; i < 100; i++) {
    in[i] = clips_frame (&m, i);
    gst_harness_push (h, gst_buffer_ref (in[i]));
    while (gst_harness_buffers_in_queue (h))
      gst_buffer_unref (gst_harness_pull (h));
  }
  for (i = 0; i < 100; i++) {
    g_assert_cmpint (GST_MINI_OBJECT_REFCOUNT_VALUE (in[i]), ==, 1);
    gst_buffer_unref (in[i]);
  }

  /* the clip's last frame has no other reference: it can be modified in place */
  gst_harness_add_probe (
      h, "clipsample", "src", GST_PAD_PROBE_TYPE_BUFFER, count_writable, &writable, NULL);
  m.clip = 8;
  m.num_frames = 5;
  clips_push (h, &m, 0, 4);
  g_assert_cmpuint (gst_harness_buffers_in_queue (h), ==, 3);
  g_assert_cmpuint (writable, ==, 1);
  gst_harness_teardown (h);
}

/* Out of range: rejected with a warning on stderr, and nothing changes. */
static void
test_properties (void)
{
  static const struct {
    const gchar *name;
    gint64 bad;
    guint before;
  } cases[] = { { "num-frames", 0, 16 }, { "num-frames", 1025, 16 }, { "frame-interval", 1025, 0 },
    { "clips-per-video", 0, 1 }, { "clips-per-video", 65, 1 } };
  GstElement *element = gst_element_factory_make ("clipsample", NULL);
  guint i, value;
  guint64 seed;

  for (i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_object_set (element, cases[i].name, (guint) cases[i].bad, NULL);
    g_object_get (element, cases[i].name, &value, NULL);
    g_assert_cmpuint (value, ==, cases[i].before);
  }
  g_object_set (element, "seed", G_MAXUINT64, "num-frames", 1024, NULL);
  g_object_get (element, "seed", &seed, "num-frames", &value, NULL);
  g_assert_cmpuint (seed, ==, G_MAXUINT64);
  g_assert_cmpuint (value, ==, 1024);
  gst_object_unref (element);
}

/* The next clip-preparation event as text; NULL: none. Drops other events and buffers before it. */
static gchar *
pull_preparation (GstHarness *h)
{
  GstClipPreparation p;
  GstEvent *event;
  gchar *text = NULL;

  while (!text && (event = gst_harness_try_pull_event (h))) {
    if (gst_event_parse_clip_preparation (event, &p))
      text = g_strdup_printf ("%u/%u %s %s%s%s", p.num_frames, p.frame_interval, p.sampling,
          p.scaling ? p.scaling : "?", p.add_borders ? " borders" : "",
          p.frame_rate_n == 0                               ? ""
              : p.frame_rate_n == 15 && p.frame_rate_d == 2 ? " at 15/2"
                                                            : " at another rate");
    gst_event_unref (event);
  }

  return text;
}

static void
assert_preparation (GstHarness *h, const gchar *wanted)
{
  gchar *text = pull_preparation (h);

  g_assert_cmpstr (text, ==, wanted);
  g_free (text);
}

/* Announced before the first frame, again after a change, and never in between. */
static void
test_preparation (void)
{
  GstHarness *h = sampler ("num-frames=2 frame-interval=3");
  GstElement *element = clips_element (h, "clipsample");
  GstClipMeta m = { .num_frames = 8, .training = TRUE };
  GstClipPreparation other = { 4, 0, "uniform", "none", FALSE };
  GstEvent *event;

  /* another sampler's event is not passed on */
  gst_harness_push_event (h, gst_event_new_clip_preparation (&other));
  assert_preparation (h, NULL);
  clips_push (h, &m, 0, 7);
  assert_preparation (h, "2/3 center none");
  m.clip++;
  clips_push (h, &m, 0, 7);
  assert_preparation (h, NULL);
  g_object_set (element, "seed", (guint64) 4, "mode", 1, NULL);
  m.clip++;
  clips_push (h, &m, 0, 7);
  assert_preparation (h, NULL);
  g_object_set (element, "mode", 2, NULL);
  m.clip++;
  /* applies from the next clip on */
  assert_preparation (h, NULL);
  clips_push (h, &m, 0, 7);
  assert_preparation (h, "2/0 uniform none");
  g_object_set (element, "mode", 0, "frame-interval", 0, NULL);
  m.clip++;
  clips_push (h, &m, 0, 7);
  assert_preparation (h, NULL);
  g_object_set (element, "num-frames", 3, NULL);
  m.clip++;
  clips_push (h, &m, 0, 7);
  assert_preparation (h, "3/0 uniform none");
  g_object_set (element, "frame-rate", 15, 2, NULL);
  m.clip++;
  clips_push (h, &m, 0, 7);
  m.clip++;
  clips_push (h, &m, 0, 7);
  assert_preparation (h, "3/0 uniform none at 15/2");
  /* a flush keeps sticky events; a new stream gets them again */
  gst_harness_push_event (h, gst_event_new_flush_start ());
  gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
  event = gst_pad_get_sticky_event (h->sinkpad, GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, 0);
  g_assert_true (gst_event_parse_clip_preparation (event, &other));
  g_assert_cmpuint (other.num_frames, ==, 3);
  gst_event_unref (event);
  gst_harness_teardown (h);
}

/* The scaler is found upstream and downstream, inside bins and outside. */
static void
test_scaling (void)
{
  static const struct {
    const gchar *line, *wanted;
  } cases[] = {
    { "clipsample", "16/0 uniform none" },
    { "clipsample ! identity ! queue", "16/0 uniform none" },
    { "clipsample ! videoscale ! capsfilter caps=video/x-raw,pixel-aspect-ratio=1/1",
        "16/0 uniform bilinear borders" },
    /* caps without a fixed aspect ratio need no borders */
    { "clipsample ! videoscale", "16/0 uniform bilinear" },
    { "clipsample ! videoscale ! capsfilter caps=video/x-raw,width=8,height=8",
        "16/0 uniform bilinear" },
    { "clipsample ! queue ! videoconvertscale add-borders=false method=lanczos ! capsfilter",
        "16/0 uniform lanczos" },
    { "clipsample ! bin.( identity ! bin.( videoscale method=sinc ) ! identity )",
        "16/0 uniform sinc" },
    { "bin.( clipsample ! identity ) ! identity ! videoscale method=sinc", "16/0 uniform sinc" },
    { "videoscale method=nearest-neighbour add-borders=false ! identity ! clipsample",
        "16/0 uniform nearest-neighbour" },
    { "bin.( videoscale method=nearest-neighbour ) ! bin.( clipsample )",
        "16/0 uniform nearest-neighbour" },
    /* the nearest one downstream */
    { "videoscale method=sinc ! clipsample ! videoscale method=lanczos ! videoscale "
      "method=mitchell",
        "16/0 uniform lanczos" },
    /* ambiguous after a tee */
    { "clipsample ! tee name=t ! queue ! videoscale  t. ! queue ! fakesink async=false",
        "16/0 uniform none" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstHarness *h = gst_harness_new_parse (cases[i].line);
    GstClipMeta m = { .num_frames = 4 };

    g_test_message ("%s", cases[i].line);
    gst_harness_set_src_caps_str (h, CLIPS_GRAY);
    clips_push (h, &m, 0, 3);
    /* behind a queue it arrives asynchronously */
    gst_buffer_unref (gst_harness_pull (h));
    assert_preparation (h, cases[i].wanted);
    gst_harness_teardown (h);
  }
}

/* A skipped clip does not end the current one. */
static void
test_skipped (void)
{
  GstHarness *h = sampler ("num-frames=3");
  GstClipSkipped skipped = { "a.mp4", "no", 1, 0 };
  GstClipMeta m = { .num_frames = 3 };
  guint events = 0;
  GstEvent *event;

  clips_push (h, &m, 0, 1);
  gst_harness_push_event (h, gst_event_new_clip_skipped (&skipped));
  clips_push (h, &m, 2, 2);
  assert_clip (h, 0, 3, (guint64[]) { 0, 1, 2 });
  assert_nothing (h);
  while ((event = gst_harness_try_pull_event (h))) {
    events += gst_event_parse_clip_skipped (event, NULL);
    gst_event_unref (event);
  }
  g_assert_cmpuint (events, ==, 1);
  gst_harness_teardown (h);
}

static void
test_states (void)
{
  GstElement *pipeline =
      gst_parse_launch ("videotestsrc num-buffers=5 ! video/x-raw,width=16,height=16 ! clipsample "
                        "num-frames=2 ! fakesink sync=false",
          NULL);
  guint i;

  for (i = 0; i < 200; i++) {
    GstState to = i % 3 == 0 ? GST_STATE_PAUSED : GST_STATE_PLAYING;

    gst_element_set_state (pipeline, to);
    if (i % 2)
      g_assert_cmpint (gst_element_get_state (pipeline, NULL, NULL, GST_CLOCK_TIME_NONE), ==,
          GST_STATE_CHANGE_SUCCESS);
    gst_element_set_state (pipeline, GST_STATE_NULL);
  }
  gst_object_unref (pipeline);
}

int
main (int argc, char **argv)
{
  gint result;

  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  g_test_add_data_func ("/clipsample/linspace/known", "known", test_linspace);
  g_test_add_data_func ("/clipsample/linspace/unknown", NULL, test_linspace);
  g_test_add_func ("/clipsample/random-window", test_random_window);
  g_test_add_func ("/clipsample/center", test_center);
  g_test_add_func ("/clipsample/short", test_short);
  g_test_add_func ("/clipsample/unknown", test_unknown);
  g_test_add_func ("/clipsample/unknown-long", test_unknown_long);
  g_test_add_func ("/clipsample/early-end", test_early_end);
  g_test_add_func ("/clipsample/odd-counts", test_odd_counts);
  g_test_add_func ("/clipsample/clips-per-video", test_clips_per_video);
  g_test_add_func ("/clipsample/reuse", test_reuse);
  g_test_add_func ("/clipsample/edit-list", test_edit_list);
  g_test_add_func ("/clipsample/caps-change", test_caps_change);
  g_test_add_func ("/clipsample/live", test_live);
  g_test_add_func ("/clipsample/holds-little", test_holds_little);
  g_test_add_func ("/clipsample/properties", test_properties);
  g_test_add_func ("/clipsample/preparation", test_preparation);
  g_test_add_func ("/clipsample/scaling", test_scaling);
  g_test_add_func ("/clipsample/skipped", test_skipped);
  g_test_add_func ("/clipsample/states", test_states);

  result = g_test_run ();
  /* the leaks tracer checks in gst_deinit() */
  gst_deinit ();
  return result;
}
