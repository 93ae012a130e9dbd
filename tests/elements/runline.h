/* runline.h: runs a launch line until it ends.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TESTS_RUN_LINE_H
#define TESTS_RUN_LINE_H

#include <gst/gst.h>

#include "tests/limits.h"

/* A run that takes longer has hung */
#define LIMIT (test_limit (120) * GST_USECOND)

static inline void
run_line (const gchar *line)
{
  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch (line, &error);
  GstMessage *message;
  GstBus *bus;

  g_assert_no_error (error);
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, LIMIT, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    gst_message_parse_error (message, &error, NULL);
    g_assert_no_error (error);
  }
  gst_message_unref (message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (pipeline);
}

#endif
