/* convolutions.ini: with any contents, a choice can be read and stored, and is found in the file
 * afterwards.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/choices.c" /* the process's choices are reset */

#include <glib/gstdio.h>

#include "tests/fuzz/target.h"

static void
forget (void)
{
  for (guint i = 0; choices && i < choices->len; i++) {
    Choice *c = g_ptr_array_index (choices, i);

    g_free (c->group);
    g_free (c->key);
    g_free (c->plan);
    g_free (c);
  }
  g_clear_pointer (&choices, g_ptr_array_unref);
}

static gboolean
offers (gconstpointer data, const gchar *plan)
{
  return g_str_has_prefix (plan, "e");
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const gchar *const keys[] = { "forward 1", "backward 2" };
  const CudaProposal proposal = { .plan = "own", .offers = offers };
  static gboolean prepared;
  gboolean settled;

  if (!prepared) {
    g_autofree gchar *path = g_build_filename (fuzz_folder (), "cnn3d", NULL);

    g_setenv ("XDG_CACHE_HOME", fuzz_folder (), TRUE);
    prepared = g_mkdir (path, 0700) == 0;
  }
  fuzz_put ("cnn3d/convolutions.ini", data, size);
  g_free (cuda_choices_recall ("device", keys[0], &settled));
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    g_free (cuda_choices_settle ("device", keys[i], &proposal));
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++) {
    g_autoptr (GKeyFile) file = read_file ();
    g_autofree gchar *plan = cuda_choices_recall ("device", keys[i], &settled),
                     *kept = g_key_file_get_value (file, "device", keys[i], NULL);

    if (!plan || !settled || g_strcmp0 (plan, kept) != 0)
      fuzz_fail ("a choice that is not kept", keys[i]);
  }
  forget ();
  return 0;
}
