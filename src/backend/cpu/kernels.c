/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cpu/kernels.h"

const CpuKernels *
cpu_kernels_select (void)
{
#ifdef CNN3D_X86
  __builtin_cpu_init ();
  if (__builtin_cpu_supports ("avx512f") && __builtin_cpu_supports ("avx512bw")
      && __builtin_cpu_supports ("avx512vl") && __builtin_cpu_supports ("avx512dq"))
    return &cpu_kernels_avx512;
  if (__builtin_cpu_supports ("avx2") && __builtin_cpu_supports ("fma"))
    return &cpu_kernels_avx2;
#endif
  return &cpu_kernels_base;
}
