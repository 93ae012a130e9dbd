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

/* Key of the stream that a Cnn3dRandomKey's members name. Six words do not fit Philox's two: a block
 * turns epoch, purpose and clip into the numbers' own key, so that all count. */
CNN3D_PHILOX void
cnn3d_philox_stream (
    uint32_t stream[4], uint64_t seed, uint32_t epoch, uint32_t purpose, uint64_t clip)
{
  stream[0] = epoch;
  stream[1] = purpose;
  stream[2] = (uint32_t) clip;
  stream[3] = (uint32_t) (clip >> 32);
  cnn3d_philox (stream, (uint32_t) seed, (uint32_t) (seed >> 32));
}

/* Number `index` of a stream. */
CNN3D_PHILOX uint64_t
cnn3d_philox_number (const uint32_t stream[4], uint64_t index)
{
  uint32_t x[4] = { (uint32_t) index, (uint32_t) (index >> 32), stream[2], stream[3] };

  cnn3d_philox (x, stream[0], stream[1]);
  return (uint64_t) x[1] << 32 | x[0];
}

CNN3D_PHILOX uint64_t
cnn3d_philox_bits (uint64_t seed, uint32_t epoch, uint32_t purpose, uint64_t clip, uint64_t index)
{
  uint32_t stream[4];

  cnn3d_philox_stream (stream, seed, epoch, purpose, clip);
  return cnn3d_philox_number (stream, index);
}

/* Bits as a number in [0, 1): the upper 53. */
CNN3D_PHILOX double
cnn3d_philox_uniform (uint64_t bits)
{
  return (double) (bits >> 11) * (1.0 / 9007199254740992.0);
}

#endif
