/* clipbytes.h: integers at unaligned addresses. GStreamer's own macros assume alignment.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_BYTES_H
#define CLIP_BYTES_H

#include <glib.h>
#include <string.h>

static inline guint32
clip_read_32_be (gconstpointer bytes)
{
  guint32 number;

  memcpy (&number, bytes, sizeof number);

  return GUINT32_FROM_BE (number);
}

static inline guint32
clip_read_32_le (gconstpointer bytes)
{
  return GUINT32_SWAP_LE_BE (clip_read_32_be (bytes));
}

static inline guint64
clip_read_64_be (gconstpointer bytes)
{
  guint64 number;

  memcpy (&number, bytes, sizeof number);

  return GUINT64_FROM_BE (number);
}

static inline gfloat
clip_read_float_be (gconstpointer bytes)
{
  const guint32 bits = clip_read_32_be (bytes);
  gfloat number;

  memcpy (&number, &bits, sizeof number);

  return number;
}

static inline gdouble
clip_read_double_be (gconstpointer bytes)
{
  const guint64 bits = clip_read_64_be (bytes);
  gdouble number;

  memcpy (&number, &bits, sizeof number);

  return number;
}

static inline void
clip_write_32_be (gpointer bytes, guint32 number)
{
  number = GUINT32_TO_BE (number);
  memcpy (bytes, &number, sizeof number);
}

static inline void
clip_write_64_be (gpointer bytes, guint64 number)
{
  number = GUINT64_TO_BE (number);
  memcpy (bytes, &number, sizeof number);
}

#endif
