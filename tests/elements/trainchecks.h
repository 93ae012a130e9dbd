/* trainchecks.h: what every kind of input of cnn3dtrain must hold: it learns, and it resumes with the
 * same bits. SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TRAINCHECKS_H
#define TRAINCHECKS_H

#include "trainrig.h"

/* Starts a run of batches of up to 4 clips with checkpoints in `dir`. */
typedef Rig (*StartRun) (const gchar *properties, const gchar *dir);

/* Batches of these sizes, 0 at the end. */
static inline void
push_batches (Rig *r, guint64 first, const guint *sizes)
{
  for (; *sizes; first += *sizes++) {
    caps_for (r, *sizes);
    g_assert_cmpint (gst_harness_push (r->h, rig_batch (r, first, *sizes)), ==, GST_FLOW_OK);
  }
}

/* In `batches` batches of 4 clips the loss falls, and memory is as planned. Ends the stream. */
static inline void
check_learns (Rig *r, guint batches)
{
  gdouble first = NAN, last = NAN;
  guint64 predicted, value;
  GstMessage *message;
  guint steps = 0;

  for (guint i = 0; i < batches; i++)
    g_assert_cmpint (gst_harness_push (r->h, rig_batch (r, 4 * i, 4)), ==, GST_FLOW_OK);
  gst_harness_push_event (r->h, gst_event_new_eos ());
  message = pop (r, GST_MESSAGE_ELEMENT, NULL);
  predicted = get_predicted (message);
  gst_message_unref (message);
  g_object_get (r->element, "predicted-memory", &value, NULL);
  g_assert_cmpuint (value, ==, predicted);
  while ((message = pop (r, GST_MESSAGE_ELEMENT, "cnn3dtrain-step"))) {
    last = get_double (message, "loss");
    if (steps++ == 0)
      first = last;
    g_assert_cmpuint (get_uint64 (message, "clips"), ==, 4 * steps);
    gst_message_unref (message);
  }
  g_assert_cmpuint (steps, ==, batches);
  g_assert_cmpfloat (last, <, first / 2);
}

/* Interrupted anywhere and resumed: the same bits. */
static inline void
check_resume (StartRun start, const gchar *properties)
{
  gchar *whole = make_dir ();
  Rig r = start (properties, whole);

  g_assert_cmpint (feed (&r, 0, TOTAL + 1), ==, GST_FLOW_OK);
  assert_no_error (&r);
  rig_free (&r);
  for (guint64 cut = 8; cut < TOTAL; cut += 9) {
    gchar *dir = make_dir ();
    guint32 seqnum = 0;
    gint64 position;

    r = start (properties, dir);
    feed (&r, 0, cut);
    rig_free (&r);
    r = start (properties, dir);
    push_epoch (&r, 0, TRUE, 0, 0);
    position = pull_seek (&r, &seqnum);
    g_test_message ("cut at %" G_GUINT64_FORMAT ", on at %" G_GINT64_FORMAT, cut, position);
    g_assert_cmpint (position, >, 0);
    push_segment (&r, seqnum);
    g_assert_cmpint (feed (&r, position, TOTAL + 1), ==, GST_FLOW_OK);
    assert_no_error (&r);
    rig_free (&r);
    assert_same_file (whole, dir, "last.safetensors");
    remove_dir (dir);
  }
  remove_dir (whole);
}

/* The source cannot seek, and batches are cut differently than before: of the batch that contains
 * the checkpoint's position, only the clips after it are trained on. */
static inline void
check_cut_batch (StartRun start, const gchar *properties)
{
  static const guint whole[] = { 4, 3, 1, 2, 0 }, before[] = { 4, 3, 0 }, after[] = { 4, 4, 2, 0 };
  gchar *dirs[2] = { make_dir (), make_dir () };
  Rig r = start (properties, dirs[0]);

  push_epoch (&r, 0, TRUE, 0, 0);
  push_batches (&r, 0, whole);
  push_done (&r, 0, TRUE, TRAIN);
  assert_no_error (&r);
  rig_free (&r);

  r = start (properties, dirs[1]);
  push_epoch (&r, 0, TRUE, 0, 0);
  push_batches (&r, 0, before);
  rig_free (&r);
  r = start (properties, dirs[1]);
  gst_pad_set_event_function (r.h->srcpad, refuse);
  push_epoch (&r, 0, TRUE, 0, 0);
  push_batches (&r, 0, after);
  push_done (&r, 0, TRUE, TRAIN);
  assert_no_error (&r);
  rig_free (&r);

  assert_same_file (dirs[0], dirs[1], "last.safetensors");
  remove_dir (dirs[0]);
  remove_dir (dirs[1]);
}

#endif
