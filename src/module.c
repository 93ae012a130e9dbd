/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr() */
#endif
#include "src/module.h"

#include <dlfcn.h>

/* Folders that are searched for modules: an explicit path, and, relative to this library's own
 * location, the folder of the build tree and the installed one. */
static GPtrArray *
module_paths (const Cnn3dModuleKind *kind, const gchar *name)
{
  GPtrArray *paths = g_ptr_array_new_with_free_func (g_free);
  g_autofree gchar *file = g_strconcat ("libcnn3d-", name, "." G_MODULE_SUFFIX, NULL);
  const gchar *env = g_getenv ("CNN3D_BACKEND_PATH");
  Dl_info info;

  if (env) {
    g_auto (GStrv) folders = g_strsplit (env, G_SEARCHPATH_SEPARATOR_S, -1);

    for (guint i = 0; folders[i]; i++)
      g_ptr_array_add (paths, g_build_filename (folders[i], file, NULL));
  }
  if (dladdr ((gpointer) cnn3d_module_load, &info) && info.dli_fname) {
    g_autofree gchar *folder = g_path_get_dirname (info.dli_fname);

    g_ptr_array_add (paths, g_build_filename (folder, kind->folder, name, file, NULL));
    g_ptr_array_add (paths, g_build_filename (folder, file, NULL));
  }
  return paths;
}

static gconstpointer
load_file (const Cnn3dModuleKind *kind, const gchar *path, GError **error)
{
  GModule *module = g_module_open (path, G_MODULE_BIND_LOCAL);
  gconstpointer (*entry) (void);
  gconstpointer table;

  if (!module) {
    g_set_error (error, kind->domain, kind->missing, "%s", g_module_error ());
    return NULL;
  }
  if (!g_module_symbol (module, kind->entry, (gpointer *) &entry) || !entry) {
    g_set_error (error, kind->domain, kind->missing, "%s is another kind of module, not a %s", path,
        kind->kind);
    g_module_close (module);
    return NULL;
  }
  table = entry ();
  if (*(const guint *) table != kind->abi) {
    g_set_error (error, kind->domain, kind->missing,
        "%s was built for version %u of the %s interface, this is version %u: install both from "
        "one build",
        path, *(const guint *) table, kind->kind, kind->abi);
    g_module_close (module);
    return NULL;
  }
  g_module_make_resident (module);
  return table;
}

gconstpointer
cnn3d_module_load (const Cnn3dModuleKind *kind, const gchar *name, GError **error)
{
  g_autoptr (GPtrArray) paths = module_paths (kind, name);
  g_autoptr (GString) reasons = g_string_new (NULL);

  for (guint i = 0; i < paths->len; i++) {
    const gchar *path = g_ptr_array_index (paths, i);
    g_autoptr (GError) reason = NULL;
    gconstpointer table;

    if (!g_file_test (path, G_FILE_TEST_EXISTS)) {
      g_string_append_printf (reasons, "\n  %s: not found", path);
      continue;
    }
    table = load_file (kind, path, &reason);
    if (table)
      return table;
    g_string_append_printf (reasons, "\n  %s", reason->message);
  }
  g_set_error (error, kind->domain, kind->missing,
      "the %s %s is not installed or cannot be loaded:%s", name, kind->kind, reasons->str);
  return NULL;
}

gboolean
cnn3d_module_find (
    GModule *module, const Cnn3dModuleSymbol *symbols, guint n, const gchar **missing)
{
  for (guint i = 0; i < n; i++)
    if (!g_module_symbol (module, *missing = symbols[i].name, symbols[i].place)
        || !*symbols[i].place)
      return FALSE;
  return TRUE;
}
