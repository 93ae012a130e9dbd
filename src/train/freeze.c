/* Which parameters train. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/train/trainer-private.h"

#include <string.h>

static gboolean
has_token (const gchar *list, const gchar *token)
{
  g_auto (GStrv) tokens = g_strsplit (list ? list : "", ",", -1);

  for (guint i = 0; tokens[i]; i++)
    if (!strcmp (g_strstrip (tokens[i]), token))
      return TRUE;
  return FALSE;
}

gboolean
cnn3d_freezes_norm (const gchar *freeze)
{
  return has_token (freeze, "batch-norm");
}

/* Marks the parameters that train. A prefix that matches no name is an error. */
gboolean *
cnn3d_freeze (const Cnn3dNetwork *net, const gchar *freeze, gboolean *norm_frozen, GError **error)
{
  g_auto (GStrv) tokens = g_strsplit (freeze ? freeze : "", ",", -1);
  g_autofree gboolean *trains = g_new0 (gboolean, net->n_weights);
  guint trained = 0;

  for (guint i = 0; i < net->n_weights; i++)
    trains[i] = CNN3D_PARAM_TRAINED (net->weights[i].role);
  *norm_frozen = cnn3d_freezes_norm (freeze);
  for (guint k = 0; tokens[k]; k++) {
    const gchar *token = g_strstrip (tokens[k]);
    gboolean found = FALSE;

    if (!*token || !strcmp (token, "batch-norm"))
      continue;
    for (guint i = 0; i < net->n_weights; i++) {
      const Cnn3dParam *p = &net->weights[i];
      const gboolean head =
          p->role == CNN3D_PARAM_LINEAR_WEIGHT || p->role == CNN3D_PARAM_LINEAR_BIAS;

      if (!strcmp (token, "backbone") ? !head : g_str_has_prefix (p->name, token)) {
        trains[i] = FALSE;
        found = TRUE;
      }
    }
    if (!found) {
      g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_SETTINGS,
          "freeze: %s has no parameter that begins with '%s'; it may name 'backbone', 'batch-norm' "
          "or prefixes such as '%.*s'",
          net->model, token, (int) strcspn (net->weights[0].name, "."), net->weights[0].name);
      return NULL;
    }
  }
  for (guint i = 0; i < net->n_weights; i++)
    trained += trains[i];
  if (trained)
    return g_steal_pointer (&trains);
  g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_SETTINGS,
      "freeze=%s leaves nothing to train", freeze);
  return NULL;
}
