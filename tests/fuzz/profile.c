/* GPU profiles: a file gives a profile in range, or an error with its name.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/profile.h"

#include "tests/fuzz/target.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL;
  CudaProfile *p = cuda_profile_parse ("case.json", (const gchar *) data, size, &error);

  fuzz_check_error (p != NULL, error);
  if (error && !g_str_has_prefix (error->message, "case.json: "))
    fuzz_fail ("an error without its file", error->message);
  if (p && (!*p->name || p->multiprocessors < 1 || p->memory < 1 || p->fp32 < 1 || p->fp16 < 1))
    fuzz_fail ("a profile out of range", p->name);
  cuda_profile_free (&p);
  return 0;
}
