/* cnn3dtrain-resume.c: a run interrupted anywhere resumes to the same bits.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trainrig.h"

#include <unistd.h>

/* Interrupted anywhere, by NULL or EOS, and resumed: the same bits. */
static void
test_resume (void)
{
  gchar *whole = make_dir ();
  Rig r = begin_run (whole);
  guint64 cut;
  guint way;

  g_assert_cmpint (feed (&r, 0, TOTAL + 1), ==, GST_FLOW_OK);
  assert_no_error (&r);
  rig_free (&r);

  for (cut = 1; cut < TOTAL; cut += 2) {
    gchar *dir = make_dir ();
    guint32 seqnum = 0;
    gint64 position;

    way = cut / 2 % 2;
    r = begin_run (dir);
    feed (&r, 0, cut);
    if (way == 0)
      gst_harness_push_event (r.h, gst_event_new_eos ());
    rig_free (&r);

    r = begin_run (dir);
    push_epoch (&r, 0, TRUE, 0, 0);
    position = pull_seek (&r, &seqnum);
    g_test_message ("cut at %" G_GUINT64_FORMAT ", on at %" G_GINT64_FORMAT, cut, position);
    if (position >= 0) {
      /* batches in flight are dropped */
      g_assert_cmpint (gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32)), ==, GST_FLOW_OK);
      push_done (&r, 0, TRUE, TRAIN);
      push_segment (&r, seqnum);
      g_assert_cmpint (feed (&r, position, TOTAL + 1), ==, GST_FLOW_OK);
    } else {
      /* no step was done before the interruption */
      g_assert_cmpuint (cut, <=, 4);
      r.n = 4;
      g_assert_cmpint (feed (&r, 0, TOTAL + 1), ==, GST_FLOW_OK);
    }
    assert_no_error (&r);
    rig_free (&r);
    assert_same_file (whole, dir, "last.safetensors");
    remove_dir (dir);
  }

  /* already complete: nothing more is trained */
  r = begin_run (whole);
  push_epoch (&r, 0, TRUE, 0, 0);
  {
    guint32 seqnum = 0;
    GstMessage *message;

    g_assert_cmpint (pull_seek (&r, &seqnum), ==, -1);
    message = pop (&r, GST_MESSAGE_ELEMENT, "cnn3dtrain-finished");
    g_assert_nonnull (message);
    g_assert_cmpstr (
        gst_structure_get_string (gst_message_get_structure (message), "reason"), ==, "complete");
    gst_message_unref (message);
    message = pop (&r, GST_MESSAGE_EOS, NULL);
    g_assert_nonnull (message);
    gst_message_unref (message);
  }
  rig_free (&r);
  remove_dir (whole);
}

/* Interrupted after a training pass's last batch, before the event that ends it. */
static void
test_resume_at_border (void)
{
  gchar *dirs[2] = { make_dir (), make_dir () };
  guint32 seqnum = 0;
  guint run;

  for (run = 0; run < 2; run++) {
    gchar *line = g_strdup_printf ("checkpoint-interval=1 checkpoint-dir=%s", dirs[run]);
    Rig r = rig_new (line);

    begin_stream (&r, 4);
    if (run == 0) {
      feed (&r, 0, TOTAL + 1);
    } else {
      feed (&r, 0, 8);
      caps_for (&r, 2);
      gst_harness_push (r.h, make_batch (8, 2, UINT8_INT32));
      rig_free (&r);

      r = rig_new (line);
      begin_stream (&r, 4);
      push_epoch (&r, 0, TRUE, 0, 0);
      g_assert_cmpint (pull_seek (&r, &seqnum), ==, TRAIN);
      push_segment (&r, seqnum);
      g_assert_cmpint (feed (&r, TRAIN, TOTAL + 1), ==, GST_FLOW_OK);
      assert_no_error (&r);
    }
    rig_free (&r);
    g_free (line);
  }
  assert_same_file (dirs[0], dirs[1], "last.safetensors");
  remove_dir (dirs[0]);
  remove_dir (dirs[1]);
}

/* Another element's seek takes the place of this one's, or comes before it: the same bits. */
static void
test_resume_with_others (void)
{
  static const guint64 elsewhere[][2] = { { 8, TRAIN + VAL }, { 4, TRAIN }, { TRAIN + VAL, 19 } };
  gchar *whole = make_dir ();
  Rig r = begin_run (whole);
  guint32 seqnum = 0;

  feed (&r, 0, TOTAL + 1);
  rig_free (&r);
  for (guint i = 0; i < G_N_ELEMENTS (elsewhere); i++)
    for (guint own = 0; own < 2; own++) {
      gchar *dir = make_dir ();

      r = begin_run (dir);
      feed (&r, 0, 8);
      rig_free (&r);
      r = begin_run (dir);
      push_epoch (&r, 0, TRUE, 0, 0);
      g_assert_cmpint (pull_seek (&r, &seqnum), ==, 8);
      push_segment (&r, gst_util_seqnum_next ());
      feed (&r, elsewhere[i][0], elsewhere[i][1]);
      /* asks again where clips would be missing */
      g_assert_cmpint (pull_seek (&r, &seqnum), ==, elsewhere[i][0] > 8 ? 8 : -1);
      if (own || elsewhere[i][0] > 8) {
        push_segment (&r, seqnum);
        feed (&r, 8, TOTAL + 1);
      } else {
        feed (&r, elsewhere[i][1], TOTAL + 1);
      }
      assert_no_error (&r);
      rig_free (&r);
      assert_same_file (whole, dir, "last.safetensors");
      remove_dir (dir);
    }

  /* it was replaced, and nothing more comes */
  {
    gchar *dir = make_dir ();

    r = begin_run (dir);
    feed (&r, 0, 8);
    rig_free (&r);
    r = begin_run (dir);
    push_epoch (&r, 0, TRUE, 0, 0);
    gst_harness_push_event (r.h, gst_event_new_eos ());
    assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
        "The stream ended before upstream went to clip 8, where training was to resume: another "
        "seek took the place of this one.");
    rig_free (&r);
    remove_dir (dir);
  }
  remove_dir (whole);
}

static void
assert_info (Rig *r, const gchar *part)
{
  GstMessage *message = pop (r, GST_MESSAGE_INFO, NULL);
  GError *error = NULL;

  g_assert_nonnull (message);
  gst_message_parse_info (message, &error, NULL);
  if (!strstr (error->message, part))
    g_error ("no \"%s\" in \"%s\"", part, error->message);
  g_error_free (error);
  gst_message_unref (message);
}

/* Seeks during training, to any place: each clip is trained on once. */
static void
test_seeks (void)
{
  gchar *whole = make_dir ();
  Rig r = begin_run (whole);
  static const guint64 from[] = { 4, TRAIN, 14, TRAIN + VAL, 23 };
  static const guint64 to[][2] = { { 0, 4 }, { 8, 10 }, { 10, 14 }, { 15, 19 }, { 25, 29 } };
  guint32 seqnum = 0;

  feed (&r, 0, TOTAL + 1);
  rig_free (&r);
  for (guint i = 0; i < G_N_ELEMENTS (from); i++)
    for (guint k = 0; k < G_N_ELEMENTS (to); k++) {
      gchar *dir = make_dir ();

      r = begin_run (dir);
      feed (&r, 0, from[i]);
      push_segment (&r, gst_util_seqnum_next ());
      feed (&r, to[k][0], to[k][1]);
      /* asks for clips that would be missing */
      if (to[k][0] > from[i]) {
        g_assert_cmpint (pull_seek (&r, &seqnum), ==, from[i]);
        push_segment (&r, seqnum);
        feed (&r, from[i], TOTAL + 1);
      } else {
        g_assert_cmpint (pull_seek (&r, &seqnum), ==, -1);
        feed (&r, to[k][1], TOTAL + 1);
      }
      if (to[k][0] < from[i])
        assert_info (&r, "clips that were trained on are dropped.");
      else if (to[k][0] > from[i])
        assert_info (&r, ": it is asked to go back, so that no clip is missing.");
      assert_no_error (&r);
      rig_free (&r);
      assert_same_file (whole, dir, "last.safetensors");
      remove_dir (dir);
    }

  /* stopped among clips that were trained on */
  r = rig_new ("num-classes=3");
  begin_stream (&r, 4);
  feed (&r, 0, 8);
  push_epoch (&r, 0, TRUE, 0, 0);
  gst_harness_push_event (r.h, gst_event_new_eos ());
  assert_no_error (&r);
  rig_free (&r);

  r = rig_new ("num-classes=3");
  begin_stream (&r, 4);
  gst_pad_set_event_function (r.h->srcpad, refuse);
  feed (&r, 0, 4);
  feed (&r, 8, TOTAL);
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
      "Upstream skipped from clip 4 to clip 8, and cannot go back: the clips between them would be "
      "missing.");
  rig_free (&r);
  remove_dir (whole);
}

/* A flushing seek is followed, also while clips that were trained on are dropped, and while upstream
 * is asked to go back. */
static void
test_flushing_seek (void)
{
  static const guint64 before[] = { 0, TRAIN + VAL };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (before); i++) {
    Rig r = rig_new ("num-classes=3");
    guint64 step;

    begin_stream (&r, 4);
    feed (&r, 0, 8);
    push_segment (&r, gst_util_seqnum_next ());
    push_epoch (&r, before[i] > 0, TRUE, before[i], before[i]);
    gst_harness_push_event (r.h, gst_event_new_flush_start ());
    gst_harness_push_event (r.h, gst_event_new_flush_stop (TRUE));
    push_segment (&r, gst_util_seqnum_next ());
    g_assert_cmpint (feed (&r, TRAIN + VAL, TOTAL + 1), ==, GST_FLOW_OK);
    g_object_get (r.element, "step", &step, NULL);
    g_assert_cmpuint (step, ==, 2 + 3);
    assert_no_error (&r);
    rig_free (&r);
  }
}

/* A seek leads into the next pass while the trainer is between two. */
static void
test_seek_into_next_pass (void)
{
  gchar *dirs[2] = { make_dir (), make_dir () };
  guint32 seqnum = 0;
  guint run;

  for (run = 0; run < 2; run++) {
    Rig r = begin_run (dirs[run]);

    feed (&r, 0, TRAIN);
    if (run == 1) {
      push_segment (&r, gst_util_seqnum_next ());
      push_epoch (&r, 0, FALSE, TRAIN, TRAIN + 2);
      g_assert_cmpint (pull_seek (&r, &seqnum), ==, TRAIN);
      assert_info (&r, ": it is asked to go back, so that no clip is missing.");
      push_segment (&r, seqnum);
    }
    g_assert_cmpint (feed (&r, TRAIN, TOTAL + 1), ==, GST_FLOW_OK);
    assert_no_error (&r);
    rig_free (&r);
  }
  assert_same_file (dirs[0], dirs[1], "last.safetensors");
  remove_dir (dirs[0]);
  remove_dir (dirs[1]);
}

/* A rig around a bin with cnn3dtrain on one branch of a tee. inner: elements before it. */
static Rig
rig_behind_tee (const gchar *inner, const gchar *dir)
{
  gchar *line = g_strdup_printf (
      "( tee name=t ! %s cnn3dtrain async=false progress=false base-width=4 threads=1 "
      "optimizer=adam lr=0.01 weight-decay=0 accumulate-grad-batches=2 "
      "dropout=0.3 lr-schedule=cosine checkpoint-dir=%s  "
      "t. ! fakesink async=false sync=false )",
      inner, dir);
  GError *error = NULL;
  Rig r = { gst_parse_bin_from_description (line, TRUE, &error), NULL, gst_bus_new (), 0 };

  g_assert_no_error (error);
  gst_object_ref_sink (r.element);
  gst_element_set_bus (r.element, r.bus);
  r.h = gst_harness_new_with_element (r.element, "sink", NULL);
  gst_harness_push_event (r.h, gst_event_new_stream_start ("test"));
  begin_stream (&r, 4);
  g_free (line);

  return r;
}

/* What a trainer behind a tee has to say of its end or its place does not end the stream of the
 * others, or names them. */
static void
test_shared (void)
{
  static const gchar *const inner[] = { "", "identity !", "( identity ! identity ) !" };
  gchar *dir = make_dir ();
  Rig r = begin_run (dir);
  GstMessage *message;
  guint i;

  feed (&r, 0, 8);
  rig_free (&r);
  r = rig_behind_tee ("", dir);
  gst_pad_set_event_function (r.h->srcpad, refuse);
  feed (&r, 0, 12);
  feed (&r, 20, TOTAL);
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
      "Upstream, which others use, too, went to clip 20 and cannot go back to clip ");
  rig_free (&r);

  /* complete, and again so */
  r = begin_run (dir);
  gst_pad_set_event_function (r.h->srcpad, refuse);
  feed (&r, 0, TOTAL + 1);
  assert_no_error (&r);
  rig_free (&r);
  for (i = 0; i < G_N_ELEMENTS (inner); i++) {
    r = rig_behind_tee (inner[i], dir);
    g_assert_cmpint (feed (&r, 0, TOTAL), ==, GST_FLOW_OK);
    message = pop (&r, GST_MESSAGE_ELEMENT, "cnn3dtrain-finished");
    g_assert_nonnull (message);
    gst_message_unref (message);
    gst_harness_push_event (r.h, gst_event_new_eos ());
    message = pop (&r, GST_MESSAGE_EOS, NULL);
    g_assert_nonnull (message);
    gst_message_unref (message);
    assert_no_error (&r);
    rig_free (&r);
  }
  remove_dir (dir);
}

/* The next clips of a resumed run cannot be read: the source announces a pass at a later
 * position. */
static void
test_resume_at_bad_clips (void)
{
  gchar *dirs[2] = { make_dir (), make_dir () };
  guint32 seqnum = 0;
  guint run;

  for (run = 0; run < 2; run++) {
    Rig r = begin_run (dirs[run]);

    feed (&r, 0, 8);
    if (run == 1) {
      rig_free (&r);
      r = begin_run (dirs[run]);
      push_epoch (&r, 0, TRUE, 0, 0);
      g_assert_cmpint (pull_seek (&r, &seqnum), ==, 8);
      push_segment (&r, seqnum);
      push_epoch (&r, 0, TRUE, 0, TRAIN);
    }
    push_done (&r, 0, TRUE, TRAIN);
    g_assert_cmpint (feed (&r, TRAIN, TOTAL + 1), ==, GST_FLOW_OK);
    assert_no_error (&r);
    rig_free (&r);
  }
  assert_same_file (dirs[0], dirs[1], "last.safetensors");
  remove_dir (dirs[0]);
  remove_dir (dirs[1]);
}

/* A source that cannot seek: clips are dropped, the bits are the same. */
static void
test_resume_without_seek (void)
{
  gchar *whole = make_dir ();
  Rig r = begin_run (whole);
  guint64 cut;

  feed (&r, 0, TOTAL + 1);
  rig_free (&r);
  for (cut = 9; cut < TOTAL; cut += 7) {
    gchar *dir = make_dir ();

    r = begin_run (dir);
    feed (&r, 0, cut);
    rig_free (&r);
    g_test_message ("cut at %" G_GUINT64_FORMAT, cut);
    r = begin_run (dir);
    gst_pad_set_event_function (r.h->srcpad, refuse);
    g_assert_cmpint (feed (&r, 0, TOTAL + 1), ==, GST_FLOW_OK);
    assert_no_error (&r);
    rig_free (&r);
    assert_same_file (whole, dir, "last.safetensors");
    remove_dir (dir);
  }
  remove_dir (whole);
}

/* The same for a stream without announced passes. */
static void
test_resume_unannounced (void)
{
  gchar *dirs[2] = { make_dir (), make_dir () };
  guint64 value;
  guint i, run, cut;

  for (run = 0; run < 3; run++) {
    gchar *line = g_strdup_printf ("num-classes=3 checkpoint-dir=%s", dirs[run > 0]);
    Rig r = rig_new (line);

    caps_for (&r, 4);
    push_segment (&r, 0);
    cut = run == 1 ? 5 : 8;
    for (i = 0; i < cut; i++) {
      GstBuffer *buffer = make_batch (4 * i, 4, UINT8_INT32);

      GST_BUFFER_OFFSET (buffer) = GST_BUFFER_OFFSET_END (buffer) = -1;
      g_assert_cmpint (gst_harness_push (r.h, buffer), ==, GST_FLOW_OK);
    }
    if (run != 1)
      gst_harness_push_event (r.h, gst_event_new_eos ());
    assert_no_error (&r);
    g_object_get (r.element, "step", &value, NULL);
    g_assert_cmpuint (value, ==, cut);
    rig_free (&r);
    g_free (line);
  }
  assert_same_file (dirs[0], dirs[1], "last.safetensors");
  remove_dir (dirs[0]);
  remove_dir (dirs[1]);
}

/* The position at which a run resumes is reported, and the learning rate of its epoch. */
static void
test_progress (void)
{
  gchar *dir, *line;
  guint32 seqnum = 0;
  Rig r;

  if (g_test_subprocess ()) {
    dir = make_dir ();
    line = g_strdup_printf ("progress=true checkpoint-dir=%s", dir);
    for (guint run = 0; run < 2; run++) {
      r = rig_new (line);
      begin_stream (&r, 4);
      if (run == 0)
        feed (&r, 0, TRAIN);
      else {
        push_epoch (&r, 0, TRUE, 0, 0);
        g_assert_cmpint (pull_seek (&r, &seqnum), ==, TRAIN);
        push_segment (&r, seqnum);
        feed (&r, TRAIN, TRAIN + VAL);
      }
      rig_free (&r);
    }
    remove_dir (dir);
    g_free (line);
    return;
  }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stdout (
      "*saved at epoch 1, before its validation*resuming with epoch 1, its validation\n"
      "epoch 1/2  val-loss *  val-accuracy * %  lr 0.01  *");
}

/* The best epoch's file is named if there is one. */
static void
test_best (void)
{
  gchar *dir, *line;
  Rig r;

  if (g_test_subprocess ()) {
    dir = make_dir ();
    for (guint top_k = 0; top_k < 2; top_k++) {
      line = g_strdup_printf ("progress=true save-top-k=%u checkpoint-dir=%s", top_k, dir);
      r = rig_new (line);
      begin_stream (&r, 4);
      if (top_k == 0)
        feed (&r, 0, TOTAL + 1);
      else
        push_epoch (&r, 0, TRUE, 0, 0);
      rig_free (&r);
      g_free (line);
    }
    remove_dir (dir);
    return;
  }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stdout ("*training is complete*best: epoch *");
  g_test_trap_assert_stdout_unmatched ("*best.safetensors*");
}

/* States from which, and streams on which, a run cannot resume. */
static void
test_refused (void)
{
  gchar *dir = make_dir ();
  gchar *last = g_build_filename (dir, "last.safetensors", NULL);
  guint32 seqnum = 0;
  GstMessage *message;
  GError *error = NULL;
  Rig r = begin_run (dir);

  feed (&r, 0, 8);
  rig_free (&r);

  /* the clips end before the position */
  r = begin_run (dir);
  gst_pad_set_event_function (r.h->srcpad, refuse);
  feed (&r, 0, 4);
  gst_harness_push_event (r.h, gst_event_new_eos ());
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
      "The stream ended at clip 4, before clip 8 where training was to resume: use the same clips "
      "as before, or set resume=never to start over.");
  rig_free (&r);

  /* clipsrc is stopped before the position */
  r = begin_run (dir);
  {
    const GstClipData data = { .rows = 1,
      .training_clips = TRAIN,
      .validation_clips = VAL,
      .clips = "",
      .labels = "",
      .order = "" };

    gst_harness_push_event (r.h, gst_event_new_clip_data (&data));
  }
  gst_pad_set_event_function (r.h->srcpad, refuse);
  feed (&r, 0, 4);
  gst_harness_push_event (r.h, gst_event_new_eos ());
  /* the first warning is about the data, which the checkpoint does not record */
  gst_message_unref (pop (&r, GST_MESSAGE_WARNING, NULL));
  message = pop (&r, GST_MESSAGE_WARNING, NULL);
  g_assert_nonnull (message);
  gst_message_parse_warning (message, &error, NULL);
  g_assert_cmpstr (error->message, ==,
      "The stream was stopped before training resumed: the checkpoint is as it was.");
  g_clear_error (&error);
  gst_message_unref (message);
  assert_no_error (&r);
  rig_free (&r);

  /* the source seeks elsewhere */
  r = begin_run (dir);
  push_epoch (&r, 0, TRUE, 0, 0);
  g_assert_cmpint (pull_seek (&r, &seqnum), ==, 8);
  push_segment (&r, seqnum);
  push_epoch (&r, 0, TRUE, 0, 4);
  gst_harness_push (r.h, make_batch (4, 4, UINT8_INT32));
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
      "Training was to resume at clip 8, but upstream is at clip 4: use the same clips and seed as "
      "before, or set resume=never to start over.");
  rig_free (&r);

  /* complete, with the number of epochs done */
  r = begin_run (dir);
  push_epoch (&r, 0, TRUE, 0, 0);
  g_assert_cmpint (pull_seek (&r, &seqnum), ==, 8);
  push_segment (&r, seqnum);
  feed (&r, 8, TOTAL + 1);
  rig_free (&r);
  r = begin_run (dir);
  push_epoch (&r, 0, TRUE, 0, 0);
  message = pop (&r, GST_MESSAGE_INFO, NULL);
  g_assert_nonnull (message);
  gst_message_parse_info (message, &error, NULL);
  g_assert_cmpstr (error->message, ==,
      "Training is complete already: 2 epochs are done, 2 were asked for. Raise the number of "
      "epochs to continue, or set resume=never to start over.");
  g_clear_error (&error);
  gst_message_unref (message);
  rig_free (&r);

  /* an invalid checkpoint */
  g_assert_true (g_file_set_contents (last, "no model", -1, NULL));
  r = begin_run (dir);
  push_epoch (&r, 0, TRUE, 0, 0);
  gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32));
  message = pop (&r, GST_MESSAGE_ERROR, NULL);
  g_assert_nonnull (message);
  gst_message_parse_error (message, &error, NULL);
  g_assert_true (g_str_has_prefix (error->message,
      "Training cannot resume from the last checkpoint (resume=never starts over): "));
  g_clear_error (&error);
  gst_message_unref (message);
  rig_free (&r);
  remove_dir (dir);
  g_free (last);
}

/* The folder is removed during the run, or cannot hold a log. */
static void
test_unwritable (void)
{
  gchar *dir = make_dir ();
  gchar *file = g_build_filename (dir, "file", NULL);
  gchar *below = g_build_filename (dir, "below", NULL);
  gchar *line = g_strdup_printf ("num-classes=3 log-dir=%s", file);
  Rig r;

  g_assert_true (g_file_set_contents (file, "", -1, NULL));
  r = rig_new (line);
  caps_for (&r, 4);
  push_segment (&r, 0);
  gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32));
  assert_error (&r, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE,
      ". Set log-dir to a folder where it can.");
  rig_free (&r);

  r = begin_run (below);
  feed (&r, 0, 8);
  remove_dir (g_strdup (below));
  g_assert_true (g_file_set_contents (below, "", -1, NULL));
  gst_harness_push_event (r.h, gst_event_new_eos ());
  {
    GstMessage *message = pop (&r, GST_MESSAGE_ERROR, NULL);
    GError *error = NULL;

    g_assert_nonnull (message);
    gst_message_parse_error (message, &error, NULL);
    g_assert_true (g_str_has_prefix (error->message, "The checkpoint could not be saved: "));
    g_error_free (error);
    gst_message_unref (message);
  }
  /* once */
  gst_element_set_state (r.element, GST_STATE_NULL);
  assert_no_error (&r);
  rig_free (&r);
  remove_dir (dir);
  g_free (line);
  g_free (below);
  g_free (file);
}

/* Folders that cannot be written to, and one in use by another run */
static void
test_folders (void)
{
  gchar *dir = make_dir ();
  gchar *line = g_strdup_printf ("num-classes=3 checkpoint-dir=%s", dir);
  gchar *process = g_strdup_printf ("process %d on ", getpid ());
  gchar *lock = g_build_filename (dir, "run.lock", NULL);
  gchar *taken = make_dir ();
  gchar *name = g_build_filename (taken, "run.lock", NULL);
  gchar *linked = make_dir (), *link = g_build_filename (linked, "run.lock", NULL);
  gchar *refused =
      g_strdup_printf ("“%s” is a symbolic link, which is not followed; remove it", link);
  gchar *open = g_strdup_printf ("cannot open “%s”: Is a directory", name);
  const struct {
    const gchar *dir;
    gint code;
    const gchar *reason;
  } table[] = {
    { "/proc/no/such", GST_RESOURCE_ERROR_OPEN_WRITE,
        "Checkpoints cannot be written to /proc/no/such" },
    { dir, GST_RESOURCE_ERROR_BUSY, process },
    /* which has not yet written its process id */
    { dir, GST_RESOURCE_ERROR_BUSY, "another process" },
    { taken, GST_RESOURCE_ERROR_OPEN_WRITE, open },
    { linked, GST_RESOURCE_ERROR_OPEN_WRITE, refused },
  };
  Rig first = rig_new (line);
  guint i;

  g_assert_cmpint (g_mkdir (name, 0755), ==, 0);
  g_assert_cmpint (symlink ("theirs", link), ==, 0);
  for (i = 0; i < G_N_ELEMENTS (table); i++) {
    GstElement *element = gst_element_factory_make ("cnn3dtrain", NULL);
    Rig r = { gst_object_ref_sink (element), NULL, gst_bus_new (), 0 };

    if (i == 2)
      g_assert_cmpint (truncate (lock, 0), ==, 0);
    g_object_set (element, "checkpoint-dir", table[i].dir, NULL);
    gst_element_set_bus (element, r.bus);
    g_assert_cmpint (
        gst_element_set_state (element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
    assert_error (&r, GST_RESOURCE_ERROR, table[i].code, table[i].reason);
    gst_element_set_state (element, GST_STATE_NULL);
    gst_element_set_bus (element, NULL);
    gst_object_unref (element);
    gst_object_unref (r.bus);
  }
  g_assert_true (g_file_test (lock, G_FILE_TEST_EXISTS));
  rig_free (&first);
  g_assert_false (g_file_test (lock, G_FILE_TEST_EXISTS));
  first = rig_new (line);
  rig_free (&first);
  remove_dir (dir);
  g_rmdir (name);
  remove_dir (taken);
  /* the folder has nothing but the link */
  g_assert_cmpint (g_unlink (link), ==, 0);
  g_assert_cmpint (g_rmdir (linked), ==, 0);
  g_free (refused);
  g_free (link);
  g_free (linked);
  g_free (open);
  g_free (name);
  g_free (lock);
  g_free (process);
  g_free (line);
}

int
main (int argc, char **argv)
{
  int ret;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/cnn3dtrain-resume/folders", test_folders);
  g_test_add_func ("/cnn3dtrain-resume/progress", test_progress);
  g_test_add_func ("/cnn3dtrain-resume/best", test_best);
  g_test_add_func ("/cnn3dtrain-resume/refused", test_refused);
  g_test_add_func ("/cnn3dtrain-resume/unwritable", test_unwritable);
  g_test_add_func ("/cnn3dtrain-resume/seek", test_resume);
  g_test_add_func ("/cnn3dtrain-resume/with-others", test_resume_with_others);
  g_test_add_func ("/cnn3dtrain-resume/seeks", test_seeks);
  g_test_add_func ("/cnn3dtrain-resume/flushing-seek", test_flushing_seek);
  g_test_add_func ("/cnn3dtrain-resume/into-next-pass", test_seek_into_next_pass);
  g_test_add_func ("/cnn3dtrain-resume/shared", test_shared);
  g_test_add_func ("/cnn3dtrain-resume/at-bad-clips", test_resume_at_bad_clips);
  g_test_add_func ("/cnn3dtrain-resume/at-border", test_resume_at_border);
  g_test_add_func ("/cnn3dtrain-resume/without-seek", test_resume_without_seek);
  g_test_add_func ("/cnn3dtrain-resume/unannounced", test_resume_unannounced);

  ret = g_test_run ();
  /* the leaks tracer checks here */
  gst_deinit ();

  return ret;
}
