/* convcheck.h: a convolution's pass beside plain loops.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CPU_CONVCHECK_H
#define CNN3D_CPU_CONVCHECK_H

#include "src/backend/cpu/convpass.h"

/* Runs the pass once on small whole numbers, with NaN around every tensor, in
 * the scratch and in what it has to write, and compares all that it wrote with
 * plain loops. Such numbers leave no rounding: a product that is wrong, missing
 * or too many shows as a whole number. FALSE with error where it could not be
 * run at all. */
gboolean cpu_conv_check (Cnn3dModel * model, gint op, guint clips, CpuConvPass * c, gboolean * right, GError ** error);

#endif
