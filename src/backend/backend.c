/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr() */
#endif
#include "src/backend/backend.h"

#include <dlfcn.h>
#include <gmodule.h>
#include <string.h>

#include "src/escape.h"

G_DEFINE_QUARK (cnn3d-backend-error, cnn3d_backend_error)

static GMutex lock;
static GHashTable *loaded; /* name -> const Cnn3dBackend * */

/* Folders that are searched for modules: an explicit path, and, relative to this library's own
 * location, the folder of the build tree and the installed one. */
static GPtrArray *
module_paths (const gchar *name)
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
  if (dladdr ((gpointer) cnn3d_backend_load, &info) && info.dli_fname) {
    g_autofree gchar *folder = g_path_get_dirname (info.dli_fname);

    g_ptr_array_add (paths, g_build_filename (folder, "backend", name, file, NULL));
    g_ptr_array_add (paths, g_build_filename (folder, file, NULL));
  }
  return paths;
}

static const Cnn3dBackend *
load_file (const gchar *path, GError **error)
{
  GModule *module = g_module_open (path, G_MODULE_BIND_LOCAL);
  const Cnn3dBackend *(*entry) (void);
  const Cnn3dBackend *backend;

  if (!module) {
    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MISSING, "%s", g_module_error ());
    return NULL;
  }
  if (!g_module_symbol (module, "cnn3d_backend", (gpointer *) &entry) || !entry) {
    g_set_error (
        error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MISSING, "%s is not a back end", path);
    return NULL;
  }
  backend = entry ();
  if (backend->abi != CNN3D_BACKEND_ABI) {
    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MISSING,
        "%s was built for version %u of the back end interface, this is version %u: install both "
        "from one build",
        path, backend->abi, CNN3D_BACKEND_ABI);
    return NULL;
  }
  g_module_make_resident (module);
  return backend;
}

const Cnn3dBackend *
cnn3d_backend_load (const gchar *name, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);
  g_autoptr (GPtrArray) paths = NULL;
  g_autoptr (GString) reasons = NULL;
  const Cnn3dBackend *backend;

  (void) locker;
  if (!loaded)
    loaded = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  backend = g_hash_table_lookup (loaded, name);
  if (backend)
    return backend;

  paths = module_paths (name);
  reasons = g_string_new (NULL);
  for (guint i = 0; i < paths->len; i++) {
    const gchar *path = g_ptr_array_index (paths, i);
    g_autoptr (GError) reason = NULL;

    if (!g_file_test (path, G_FILE_TEST_EXISTS)) {
      g_string_append_printf (reasons, "\n  %s: not found", path);
      continue;
    }
    backend = load_file (path, &reason);
    if (backend) {
      g_hash_table_insert (loaded, g_strdup (name), (gpointer) backend);
      return backend;
    }
    g_string_append_printf (reasons, "\n  %s", reason->message);
  }
  g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MISSING,
      "the %s back end is not installed or cannot be loaded:%s", name, reasons->str);
  return NULL;
}

gsize
cnn3d_type_size (Cnn3dType type)
{
  return type == CNN3D_TYPE_UINT8 ? 1 : type == CNN3D_TYPE_FLOAT16 ? 2 : 4;
}

gsize
cnn3d_frames_bytes (const Cnn3dNetworkParams *n, Cnn3dType type)
{
  if (!cnn3d_network_sees_frames (n))
    return 0;
  return (gsize) cnn3d_network_views (n) * n->frames * n->height * n->width * n->channels
      * cnn3d_type_size (type);
}

gsize
cnn3d_points_bytes (const Cnn3dNetworkParams *n)
{
  return cnn3d_network_sees_points (n)
      ? (gsize) cnn3d_network_views (n) * n->frames * n->persons * n->points * 3 * sizeof (gfloat)
      : 0;
}

Cnn3dDevice *
cnn3d_backend_open_device (const gchar *name, const Cnn3dDeviceParams *params,
    const Cnn3dBackend **backend, gchar **passed_over, GError **error)
{
  Cnn3dDeviceParams p = *params;
  const gchar *order[3] = { NULL };
  GError *reason = NULL;

  if (!name || !strcmp (name, "auto")) {
    order[0] = "cuda";
    order[1] = "cpu";
  } else if (!strcmp (name, "cpu") || !strcmp (name, "cuda")) {
    order[0] = name;
  } else if (g_str_has_prefix (name, "cuda:")) {
    gchar *end;
    const guint64 index = g_ascii_strtoull (name + 5, &end, 10);

    if (end > name + 5 && !*end && index < 1024) {
      order[0] = "cuda";
      p.index = index;
    }
  }
  if (!order[0]) {
    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED,
        "device=%s: use auto, cpu, cuda, or cuda:N for the N-th GPU", name);
    return NULL;
  }
  for (guint i = 0; order[i]; i++) {
    Cnn3dDevice *device = NULL;

    g_clear_error (&reason);
    *backend = cnn3d_backend_load (order[i], &reason);
    if (*backend)
      device = (*backend)->open (&p, &reason);
    if (device)
      return device;
    if (*backend && order[i + 1] && passed_over) {
      g_auto (GStrv) there = (*backend)->list (NULL);

      if (there[0])
        *passed_over = g_strdup (reason->message);
    }
  }
  g_propagate_prefixed_error (error, reason, "device=%s: ", name ? name : "auto");
  return NULL;
}

gchar **
cnn3d_backend_list_devices (void)
{
  static const gchar *const names[] = { "cuda", "cpu" };
  GPtrArray *lines = g_ptr_array_new ();

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autoptr (GError) error = NULL;
    const Cnn3dBackend *backend = cnn3d_backend_load (names[i], &error);
    g_auto (GStrv) devices = backend ? backend->list (&error) : NULL;

    for (guint j = 0; devices && devices[j]; j++)
      g_ptr_array_add (lines, g_strdup (devices[j]));
    if (!devices || !devices[0]) {
      g_auto (GStrv) reason = g_strsplit (error ? error->message : "no device", "\n", -1);

      for (guint j = 0; reason[j]; j++)
        g_strstrip (reason[j]);

      g_autofree gchar *joined = g_strjoinv (" ", reason);
      g_autofree gchar *shown = cnn3d_escape (joined, FALSE);

      g_ptr_array_add (lines, g_strdup_printf ("%s: none: %s", names[i], shown));
    }
  }
  g_ptr_array_add (lines, NULL);
  return (gchar **) g_ptr_array_free (lines, FALSE);
}
