/* Safetensors: a file that opens contains all of its tensors. The input is a whole file, or the
 * header of one.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/model/safetensors.h"
#include "tests/fuzz/target.h"

static void
check_tensor (Cnn3dSafetensors *file, const Cnn3dSafetensor *tensor)
{
  g_autofree gfloat *values = g_new (gfloat, tensor->n_elements);
  g_autoptr (GError) error = NULL;
  gboolean done;

  if (cnn3d_safetensors_lookup (file, tensor->name) != tensor)
    fuzz_fail ("a tensor that is not found", tensor->name);
  if (!g_utf8_validate (tensor->name, -1, NULL))
    fuzz_fail ("a name that is not UTF-8", tensor->name);
  if (tensor->size != tensor->n_elements * cnn3d_safetensor_dtype_size (tensor->dtype))
    fuzz_fail ("a tensor of another size", tensor->name);
  fuzz_touch (tensor->data, tensor->size);
  done = cnn3d_safetensor_to_float (tensor, values, tensor->n_elements, &error);
  fuzz_check_error (done, error);
}

static void
check (const gchar *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dSafetensors) file = cnn3d_safetensors_open (path, &error);

  fuzz_check_error (file != NULL, error);
  for (guint i = 0; file && i < cnn3d_safetensors_get_n_tensors (file); i++)
    check_tensor (file, cnn3d_safetensors_nth (file, i));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  check (fuzz_put ("whole.safetensors", data, size));
  check (fuzz_put_safetensors ("header.safetensors", data, size));
  return 0;
}
