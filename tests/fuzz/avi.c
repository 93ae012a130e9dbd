/* AVI files: which of their indices are hidden, and whether another remains.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugins/clip/clipavi.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tests/fuzz/target.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const gint file = open (fuzz_put ("case.avi", data, size), O_RDONLY | O_CLOEXEC);
  ClipAvi avi;

  clip_avi_find (&avi, file, size);
  close (file);
  if (avi.n > CLIP_AVI_INDICES)
    fuzz_fail ("too many indices", NULL);
  for (guint i = 0; i < avi.n; i++)
    if (avi.at[i] + 8 > size
        || (memcmp (data + avi.at[i], "idx1", 4) && memcmp (data + avi.at[i], "indx", 4)))
      fuzz_fail ("not an index", NULL);
    else if (!memcmp (data + avi.at[i], "idx1", 4) && !avi.scans)
      fuzz_fail ("no index is left, but none is missed", NULL);

  return 0;
}
