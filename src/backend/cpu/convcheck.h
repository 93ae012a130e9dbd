/* convcheck.h: compares a convolution's pass with plain loops.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CPU_CONVCHECK_H
#define CNN3D_CPU_CONVCHECK_H

#include "src/backend/cpu/convpass.h"

/* Runs the pass once on small whole numbers, with NaN around every tensor, in the scratch and in
 * the outputs, and compares its outputs with plain loops. Such numbers cause no rounding, so a
 * wrong, missing or extra product shows as a whole number. FALSE with error if it could not be
 * run. */
gboolean cpu_conv_check (
    Cnn3dModel *model, gint op, guint clips, CpuConvPass *c, gboolean *right, GError **error);

#endif
