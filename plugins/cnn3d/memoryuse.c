/* memoryuse.c: resident memory of the process.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "memoryuse.h"

#include <stdio.h>
#include <string.h>

void
memory_use (guint64 *now, guint64 *peak)
{
  FILE *file = fopen ("/proc/self/status", "re");
  gchar line[128];

  *now = *peak = 0;
  if (!file)
    return;
  while (fgets (line, sizeof line, file)) {
    if (!strncmp (line, "VmRSS:", 6))
      *now = g_ascii_strtoull (line + 6, NULL, 10) * 1024;
    else if (!strncmp (line, "VmHWM:", 6))
      *peak = g_ascii_strtoull (line + 6, NULL, 10) * 1024;
  }
  fclose (file);
}
