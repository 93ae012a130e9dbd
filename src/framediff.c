/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/framediff.h"

#define ONE 256

void
cnn3d_frame_diff (guint8 *to, const guint8 *frame, const guint8 *before, gsize n, gdouble gain)
{
  const guint factor = (guint) (gain * ONE + 0.5);

  for (gsize i = 0; i < n; i++) {
    const guint d = (guint) ABS ((gint) frame[i] - before[i]) * factor / ONE;

    to[i] = (guint8) MIN (d, 255);
  }
}
