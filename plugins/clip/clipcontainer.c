/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipcontainer.h"

#include <stdio.h>
#include <string.h>
#include <glib/gstdio.h>
#include <gst/gst.h>

#define MAX_BOXES 64            /* fragments begin within so many */

/* A packet of 188 bytes, with 4 before it in M2TS, begins with 0x47. */
static gboolean
is_transport_stream (const guint8 * head, gsize n)
{
  gsize offset, length;

  for (offset = 0; offset <= 4; offset += 4)
    for (length = 188; length <= 208; length += 4)
      if (offset + 2 * length < n && head[offset] == 0x47
          && head[offset + length] == 0x47
          && head[offset + 2 * length] == 0x47)
        return TRUE;

  return FALSE;
}

/* ISO 14496-12: boxes of (size, type), a size of 1 is followed by 64 bits. */
static gboolean
has_fragments (FILE * file)
{
  guint64 at = 0, size;
  guint8 box[16];
  guint i;

  for (i = 0; i < MAX_BOXES; i++) {
    if (at > G_MAXINT64 / 2 || fseeko (file, (off_t) at, SEEK_SET) != 0
        || fread (box, 1, sizeof box, file) != sizeof box)
      return FALSE;
    if (!memcmp (box + 4, "moof", 4))
      return TRUE;
    size = GST_READ_UINT32_BE (box);
    if (size == 1)
      size = GST_READ_UINT64_BE (box + 8);
    if (size < 8)
      return FALSE;
    at += size;
  }

  return FALSE;
}

gboolean
clip_container_duration_grows (const gchar * path)
{
  FILE *file = g_fopen (path, "rb");
  guint8 head[512];
  gboolean grows = FALSE;
  gsize n;

  if (!file)
    return FALSE;
  n = fread (head, 1, sizeof head, file);
  if (n >= 4 && !memcmp (head, "\0\0\1\xba", 4))        /* program stream */
    grows = TRUE;
  else if (is_transport_stream (head, n))
    grows = TRUE;
  else if (n >= 8 && (!memcmp (head + 4, "ftyp", 4)
          || !memcmp (head + 4, "styp", 4) || !memcmp (head + 4, "moov", 4)))
    grows = has_fragments (file);
  fclose (file);

  return grows;
}
