/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/backend.h"

#include <string.h>

#include "src/escape.h"
#include "src/module.h"

G_DEFINE_QUARK (cnn3d-backend-error, cnn3d_backend_error)

static GMutex lock;
static GHashTable *loaded; /* name -> const Cnn3dBackend * */

const Cnn3dBackend *
cnn3d_backend_load (const gchar *name, GError **error)
{
  const Cnn3dModuleKind kind = { "back end", "backend", "cnn3d_backend", CNN3D_BACKEND_ABI,
    CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MISSING };
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);
  const Cnn3dBackend *backend;

  (void) locker;
  if (!loaded)
    loaded = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  backend = g_hash_table_lookup (loaded, name);
  if (!backend && (backend = cnn3d_module_load (&kind, name, error)))
    g_hash_table_insert (loaded, g_strdup (name), (gpointer) backend);
  return backend;
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

    if (end > name + 5 && !*end && index < CNN3D_MOST_DEVICES) {
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

gboolean
cnn3d_next_stretch (const Cnn3dWeightLayout *l, guint n_params, const gboolean *trained,
    guint *param, gsize *first, gsize *n)
{
  gsize end;

  while (*param < n_params && !trained[*param])
    ++*param;
  if (*param == n_params)
    return FALSE;
  *first = end = l->offset[*param];
  /* untrained parameters are at the end, and are skipped */
  for (; *param < n_params; ++*param) {
    if (!trained[*param] && l->offset[*param] >= l->trained)
      continue;
    if (!trained[*param] || l->offset[*param] != end)
      break;
    end += l->length[*param];
  }
  *n = end - *first;
  return TRUE;
}
