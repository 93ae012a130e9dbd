/* samplerig.h: a clipsample in a harness, and checks of its output.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TESTS_SAMPLERIG_H
#define TESTS_SAMPLERIG_H

#include "clips.h"

static inline GstHarness *
sampler (const gchar *properties)
{
  gchar *launch = g_strdup_printf ("clipsample %s", properties);
  GstHarness *h = gst_harness_new_parse (launch);

  gst_harness_set_src_caps_str (h, CLIPS_GRAY);
  g_free (launch);

  return h;
}

/* Asserts that the next clip has these source frames, with correct metas. */
static inline void
assert_clip (GstHarness *h, guint64 clip, guint num, const guint64 *frames)
{
  guint i;

  for (i = 0; i < num; i++) {
    GstBuffer *buffer = gst_harness_try_pull (h);
    GstClipMeta *meta;
    guint32 source;

    g_assert_nonnull (buffer);
    meta = gst_buffer_get_clip_meta (buffer);
    g_assert_nonnull (meta);
    g_assert_cmpuint (gst_buffer_get_n_meta (buffer, GST_CLIP_META_API_TYPE), ==, 1);
    g_assert_cmpuint (meta->clip, ==, clip);
    g_assert_cmpuint (meta->frame, ==, i);
    g_assert_cmpuint (meta->num_frames, ==, num);
    gst_buffer_extract (buffer, 0, &source, sizeof (source));
    g_assert_cmpuint (source, ==, frames[i]);
    g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, frames[i] * CLIPS_FRAME);
    g_assert_cmpuint (GST_BUFFER_DURATION (buffer), ==, CLIPS_FRAME);
    gst_buffer_unref (buffer);
  }
}

static inline void
assert_nothing (GstHarness *h)
{
  g_assert_cmpuint (gst_harness_buffers_in_queue (h), ==, 0);
}

#endif
