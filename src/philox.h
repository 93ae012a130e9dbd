/* philox.h: the arithmetic behind random.h, in one place for the CPU and for
 * CUDA. Philox4x32-10: Salmon et al., "Parallel random numbers: as easy as 1, 2,
 * 3", SC 2011. SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_PHILOX_H
#define CNN3D_PHILOX_H

#include <stdint.h>

#ifdef __CUDACC__
#define CNN3D_PHILOX static __host__ __device__ __forceinline__
#else
#define CNN3D_PHILOX static inline
#endif

CNN3D_PHILOX void
cnn3d_philox (uint32_t x[4], uint32_t k0, uint32_t k1)
{
  for (int i = 0; i < 10; i++) {
    const uint64_t a = (uint64_t) 0xD2511F53u * x[0];
    const uint64_t b = (uint64_t) 0xCD9E8D57u * x[2];
    const uint32_t y0 = (uint32_t) (b >> 32) ^ x[1] ^ k0;
    const uint32_t y2 = (uint32_t) (a >> 32) ^ x[3] ^ k1;

    x[1] = (uint32_t) b;
    x[3] = (uint32_t) a;
    x[0] = y0;
    x[2] = y2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

/* Number `index` of the stream that a Cnn3dRandomKey's members name. */
CNN3D_PHILOX uint64_t
cnn3d_philox_bits (uint64_t seed, uint32_t epoch, uint32_t purpose, uint64_t clip, uint64_t index)
{
  /* Six words of key do not fit Philox's two: the first block turns epoch,
   * purpose and clip into the second block's key, so that all count. */
  uint32_t k[4] = { epoch, purpose, (uint32_t) clip, (uint32_t) (clip >> 32) };
  uint32_t x[4] = { (uint32_t) index, (uint32_t) (index >> 32), 0, 0 };

  cnn3d_philox (k, (uint32_t) seed, (uint32_t) (seed >> 32));
  x[2] = k[2];
  x[3] = k[3];
  cnn3d_philox (x, k[0], k[1]);
  return (uint64_t) x[1] << 32 | x[0];
}

/* Bits as a number in [0, 1): the upper 53. */
CNN3D_PHILOX double
cnn3d_philox_uniform (uint64_t bits)
{
  return (double) (bits >> 11) * (1.0 / 9007199254740992.0);
}

#endif
