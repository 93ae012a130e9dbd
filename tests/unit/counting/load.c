/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gmodule.h>

#include "tests/unit/counting/counting.h"

Counting *
counting_load (const Cnn3dBackend **backend, Cnn3dDevice **device)
{
  const Cnn3dDeviceParams params = { 0, 1 };
  g_autofree gchar *folder = g_path_get_dirname (COUNTING_BACKEND);
  g_autoptr (GError) error = NULL;
  GModule *module;
  CountingFunc get;

  /* waiting threads do not spin: other tests need the cores */
  g_setenv ("OMP_WAIT_POLICY", "passive", FALSE);
  g_setenv ("CNN3D_BACKEND_PATH", folder, TRUE);
  *backend = cnn3d_backend_load ("cpu", &error);
  g_assert_no_error (error);
  module = g_module_open (COUNTING_BACKEND, 0);
  g_assert_true (module && g_module_symbol (module, "cnn3d_counting", (gpointer *) &get));
  *device = (*backend)->open (&params, &error);
  g_assert_no_error (error);
  return get ();
}
