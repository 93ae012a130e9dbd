/* Records of clipcache: a record is rejected, or contains all frames of the clip.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugins/clip/clipframes.h"

#include <string.h>

#include "tests/fuzz/target.h"

/* GStreamer's parser of caps and structures leaks when it rejects some values. */
int __lsan_is_turned_off (void);

__attribute__ ((visibility ("default"))) int
__lsan_is_turned_off (void)
{
  return 1;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  ClipFrames frames;
  ClipFrame frame;
  guint n = 0;

  if (!gst_is_initialized ()) {
    /* plug-ins are not needed */
    g_setenv ("GST_REGISTRY_DISABLE", "yes", TRUE);
    gst_init (NULL, NULL);
  }
  if (!clip_frames_init (&frames, data, size))
    return 0;
  for (; clip_frames_next (&frames, &frame); n++) {
    fuzz_touch (frame.pixels, frame.head.size);
    if (n == 0 && !frame.caps)
      fuzz_fail ("a first frame without caps", NULL);
    if (frame.caps)
      fuzz_touch (frame.caps, strlen (frame.caps));
    if (frame.event)
      fuzz_touch (frame.event, strlen (frame.event));
  }
  if (n == 0 || n != frames.n)
    fuzz_fail ("another number of frames", NULL);
  return 0;
}
