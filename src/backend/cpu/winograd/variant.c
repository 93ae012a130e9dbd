/* The kernels of kernels.h for the instruction set that this file is compiled
 * for; VARIANT is its name. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cpu/winograd/kernels.h"

#include <string.h>

#include "src/backend/cpu/vectors.h"

#define INLINE static inline __attribute__((always_inline))

/* Rows of a product: with two columns each, what 32 or 16 registers hold. Only
 * with AVX-512 does a block have 16 channels. */
#ifdef __AVX512F__
#define LANES 16
#define LINE(x) x##_16
#define VEC vec16
#define INT int16
#define LOADF loadf16
#define STOREF storef16
#define ROWS 14
#define EACH_ROW(X) X (1) X (2) X (3) X (4) X (5) X (6) X (7) X (8) X (9) X (10) X (11) X (12) X (13) X (14)
#include "src/backend/cpu/winograd/transforms.inc.h"
#include "src/backend/cpu/winograd/lanes.inc.h"

#define NAME(x) f32_16_##x
#define ELEMENT gfloat
#define LOAD loadf16
#define STORE storef16
#include "src/backend/cpu/winograd/tiles.inc.h"
#undef NAME
#undef ELEMENT
#undef LOAD
#undef STORE

#define NAME(x) bf16_16_##x
#define ELEMENT guint16
#define LOAD loadh16
#define STORE storeh16
#include "src/backend/cpu/winograd/tiles.inc.h"
#undef NAME
#undef ELEMENT
#undef LOAD
#undef STORE

#undef LANES
#undef LINE
#undef VEC
#undef INT
#undef LOADF
#undef STOREF
#undef ROWS
#undef EACH_ROW
#endif

#define LANES 8
#define LINE(x) x##_8
#define VEC vec8
#define INT int8
#define LOADF loadf8
#define STOREF storef8
#define ROWS 6
#define EACH_ROW(X) X (1) X (2) X (3) X (4) X (5) X (6)
#include "src/backend/cpu/winograd/transforms.inc.h"
#include "src/backend/cpu/winograd/lanes.inc.h"

#define NAME(x) f32_8_##x
#define ELEMENT gfloat
#define LOAD loadf8
#define STORE storef8
#include "src/backend/cpu/winograd/tiles.inc.h"
#undef NAME
#undef ELEMENT
#undef LOAD
#undef STORE

#define NAME(x) bf16_8_##x
#define ELEMENT guint16
#define LOAD loadh8
#define STORE storeh8
#include "src/backend/cpu/winograd/tiles.inc.h"

#define KERNELS(rows, prefix, lanes) { rows, prefix##input, prefix##output, prefix##gradient, weights_##lanes, \
    weights_gradient_##lanes, product_##lanes, product_transposed_##lanes }
#define TABLE_(variant) cpu_winograd_##variant
#define TABLE(variant) TABLE_ (variant)

/* [activations are bf16][lanes is 16]; kernels_variant.c puts them into its table */
extern const CpuWinogradKernels TABLE (VARIANT)[2][2];

const CpuWinogradKernels TABLE (VARIANT)[2][2] = {
#ifdef __AVX512F__
  {KERNELS (6, f32_8_, 8), KERNELS (14, f32_16_, 16)}, {KERNELS (6, bf16_8_, 8), KERNELS (14, bf16_16_, 16)}
#else
  {KERNELS (6, f32_8_, 8)}, {KERNELS (6, bf16_8_, 8)}
#endif
};
