/* framediff.h: differences of frames.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_FRAMEDIFF_H
#define CNN3D_FRAMEDIFF_H

#include <glib.h>

#include "src/api.h"

G_BEGIN_DECLS

/* For n bytes: to = min (255, |frame - before| * gain), rounded down. gain: 0 to 100, in steps of
 * 1/256. */
CNN3D_API void cnn3d_frame_diff (
    guint8 *to, const guint8 *frame, const guint8 *before, gsize n, gdouble gain);

G_END_DECLS

#endif
