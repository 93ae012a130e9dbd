/* Headers of video files: parsing Matroska's tracks and blocks, and QuickTime's movie, which is
 * modified in place.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugins/clip/clipmatroska.h"
#include "plugins/clip/clipquicktime.h"
#include "tests/fuzz/target.h"

static void
push (GstPad *pad, const uint8_t *data, size_t size)
{
  gst_pad_push (pad, gst_buffer_new_memdup (data, size));
}

/* A track whose packets get the times of the file's blocks, and after a seek of the one that is
 * equal. Nothing is linked to the pad. */
static void
correct (gint file, const gchar *caps, const uint8_t *data, size_t size)
{
  GstPad *pad = gst_object_ref_sink (gst_pad_new ("video_0", GST_PAD_SRC));
  g_autoptr (GstCaps) parsed = gst_caps_from_string (caps);
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_set_active (pad, TRUE);
  gst_pad_push_event (pad, gst_event_new_stream_start ("file/1"));
  gst_pad_push_event (pad, gst_event_new_caps (parsed));
  clip_matroska_correct (file, pad);
  gst_pad_push_event (pad, gst_event_new_segment (&segment));
  push (pad, data, size);
  gst_pad_push_event (pad, gst_event_new_flush_start ());
  gst_pad_push_event (pad, gst_event_new_flush_stop (TRUE));
  gst_pad_push_event (pad, gst_event_new_segment (&segment));
  /* the demuxer's header of a frame has 8 bytes */
  for (size_t n = 8; n <= size && n < 40; n += 4)
    push (pad, data, n);
  gst_pad_set_active (pad, FALSE);
  gst_object_unref (pad);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const gint file = open (fuzz_put ("case.mkv", data, size), O_RDONLY | O_CLOEXEC);
  /* exactly this size, so that reads past the end are detected */
  guint8 *movie = malloc (MAX (size, 1));
  GstVideoOrientationMethod method;
  GArray *turns;

  if (!gst_is_initialized ()) {
    /* plug-ins are not needed */
    g_setenv ("GST_REGISTRY_DISABLE", "yes", TRUE);
    gst_init (NULL, NULL);
  }
  clip_matroska_orientation (file, 1, &method);
  correct (file, "video/x-h264", data, size);
  correct (file, "video/x-prores", data, size);
  close (file);
  memcpy (movie, data, size);
  if (clip_quicktime_lengthen (movie, size) && clip_quicktime_lengthen (movie, size))
    fuzz_fail ("a movie that is lengthened twice", NULL);
  clip_quicktime_is_encrypted (movie, size);
  turns = clip_quicktime_turns (movie, size);
  g_clear_pointer (&turns, g_array_unref);
  free (movie);
  return 0;
}
