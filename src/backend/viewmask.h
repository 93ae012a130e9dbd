/* viewmask.h: which views of a sample count, in one place for the CPU and for CUDA.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_VIEWMASK_H
#define CNN3D_VIEWMASK_H

#include "src/philox.h"

#define CNN3D_PURPOSE_VIEWS 8 /* CNN3D_RANDOM_VIEWS: never renumbered */

/* Bit v: view v counts. present (views), 0: missing; NULL: all are present. Each of these is left
 * out with the probability `dropout`, but not the one with the largest draw. */
CNN3D_PHILOX uint32_t
cnn3d_view_mask (const uint8_t *present, int views, float dropout, uint64_t seed, uint64_t sample)
{
  uint32_t mask = 0, last = 0;
  double largest = -1;

  for (int v = 0; v < views; v++) {
    const uint32_t bit = (uint32_t) 1 << v;
    double u = 0;

    if (present && !present[v])
      continue;
    if (dropout > 0)
      u = cnn3d_philox_uniform (cnn3d_philox_bits (seed, 0, CNN3D_PURPOSE_VIEWS, sample, v));
    if (u >= dropout)
      mask |= bit;
    if (u > largest) {
      largest = u;
      last = bit;
    }
  }
  return mask | last;
}

/* Number of bits. */
CNN3D_PHILOX int
cnn3d_view_count (uint32_t mask)
{
  int n = 0;

  for (; mask; mask &= mask - 1)
    n++;
  return n;
}

#endif
