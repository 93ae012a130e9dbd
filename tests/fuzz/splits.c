/* Data sets of more than one file: HMDB51's splits, UCF101's list with its class index, and a file
 * of class names.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "src/dataset/dataset.h"
#include "tests/fuzz/target.h"

static void
check (const gchar *location, const gchar *classes)
{
  const Cnn3dDatasetParams params = {
    .location = location, .classes_location = classes, .passes = CNN3D_PASSES_TRAIN
  };
  g_autoptr (GError) error = NULL;
  Cnn3dDataset *dataset = cnn3d_dataset_new (&params, &error);

  fuzz_check_error (dataset != NULL, error);
  cnn3d_dataset_free (dataset);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  FuzzPart rest = { data, size }, first = fuzz_next_part (&rest), second = fuzz_next_part (&rest);
  const gchar *location;

  fuzz_put ("classInd.txt", first.data, first.size);
  check (fuzz_put ("trainlist01.txt", second.data, second.size), NULL);
  fuzz_put ("ball_test_split1.txt", first.data, first.size);
  location = fuzz_put ("box_test_split1.txt", second.data, second.size);
  check (location, NULL);
  check (fuzz_put ("list.txt", second.data, second.size),
      fuzz_put ("classes.txt", first.data, first.size));
  return 0;
}
