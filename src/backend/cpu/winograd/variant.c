/* The kernels of kernels.h for the instruction set that this file is compiled
 * for; VARIANT is its name. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cpu/winograd/kernels.h"

#include <string.h>

#include "src/backend/cpu/vectors.h"

#define INLINE static inline __attribute__ ((always_inline))

/* Of as many lanes, whatever activations are. */
#define LINE(x) CPU_JOIN (x##_, LANES)

/* Rows of a product: with two columns each, what 32 or 16 registers hold. */
#define ROWS_16 14
#define ROWS_8 6
#define EACH_ROW_8(X) X (1) X (2) X (3) X (4) X (5) X (6)
#define EACH_ROW_16(X) EACH_ROW_8 (X) X (7) X (8) X (9) X (10) X (11) X (12) X (13) X (14)
#define ROWS CPU_JOIN (ROWS_, LANES)
#define EACH_ROW CPU_JOIN (EACH_ROW_, LANES)

/* Only with AVX-512 does a block have 16 channels. */
#ifdef __AVX512F__
#define LANES 16
#include "src/backend/cpu/winograd/transforms.inc.h"
#include "src/backend/cpu/winograd/lanes.inc.h"
#define TYPE f
#include "src/backend/cpu/winograd/tiles.inc.h"
#undef TYPE
#define TYPE h
#include "src/backend/cpu/winograd/tiles.inc.h"
#undef TYPE
#undef LANES
#endif

#define LANES 8
#include "src/backend/cpu/winograd/transforms.inc.h"
#include "src/backend/cpu/winograd/lanes.inc.h"
#define TYPE f
#include "src/backend/cpu/winograd/tiles.inc.h"
#undef TYPE
#define TYPE h
#include "src/backend/cpu/winograd/tiles.inc.h"
#undef TYPE
#undef LANES

#define KERNELS(type, lanes)                                                         \
  { ROWS_##lanes, input_##type##lanes, output_##type##lanes, gradient_##type##lanes, \
    weights_##lanes, weights_gradient_##lanes, product_##lanes, product_transposed_##lanes }
#define TABLE CPU_JOIN (cpu_winograd_, VARIANT)

/* [activations are bf16][lanes is 16]; kernels_variant.c puts them into its table */
extern const CpuWinogradKernels TABLE[2][2];

const CpuWinogradKernels TABLE[2][2] = {
#ifdef __AVX512F__
  { KERNELS (f, 8), KERNELS (f, 16) }, { KERNELS (h, 8), KERNELS (h, 16) }
#else
  { KERNELS (f, 8) }, { KERNELS (h, 8) }
#endif
};
