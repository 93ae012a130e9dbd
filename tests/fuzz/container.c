/* Headers of video files: parsing Matroska's tracks, and QuickTime's movie, which is modified in
 * place.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugins/clip/clipmatroska.h"
#include "plugins/clip/clipquicktime.h"
#include "tests/fuzz/target.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const gint file = open (fuzz_put ("case.mkv", data, size), O_RDONLY | O_CLOEXEC);
  /* exactly this size, so that reads past the end are detected */
  guint8 *movie = malloc (MAX (size, 1));
  GstVideoOrientationMethod method;

  clip_matroska_orientation (file, 1, &method);
  close (file);
  memcpy (movie, data, size);
  if (clip_quicktime_lengthen (movie, size) && clip_quicktime_lengthen (movie, size))
    fuzz_fail ("a movie that is lengthened twice", NULL);
  clip_quicktime_is_encrypted (movie, size);
  free (movie);
  return 0;
}
