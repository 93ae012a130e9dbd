/* The rig on the shim: kernels run on the CPU and use the tests' own memory.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/cuda/rig.h"

gboolean
rig_on_gpu (void)
{
  return FALSE;
}

void
rig_array_added (Array *a)
{
}

void
rig_array_removed (Array *a)
{
}

void
rig_order (gboolean shuffled)
{
  static guint64 orders; /* tried so far */

  cuda_shim_order = shuffled ? ++orders : 0;
}

const gchar *
rig_explain (gint error)
{
  return cuda_shim_error ? cuda_shim_error : "";
}
