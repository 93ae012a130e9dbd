/* config-private.h: what the parts of src/config share.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CONFIG_PRIVATE_H
#define CNN3D_CONFIG_PRIVATE_H

#include "src/config/config.h"

struct _Cnn3dConfig {
  gchar **values;               /* one a key; NULL: not set */
};

/* A value as it was written. */
typedef struct {
  gboolean list;
  guint n_items;                /* 1 if no list; no more than 2 are kept */
  gchar *items[2];
  gboolean quoted[2];
} Cnn3dConfigWritten;

/* Number of the key, or -1. */
gint cnn3d_config_find (const gchar *name);

/* What to say to a name that is no key: never NULL; g_free(). */
gchar *cnn3d_config_unknown_key (const gchar *name);
/* The same of a name that is no section. */
gchar *cnn3d_config_unknown_section (const gchar *name);
gboolean cnn3d_config_is_section (const gchar *name);

/* Puts the value into *value in its key's form, NULL for null. If it is wrong,
 * FALSE with what is wrong in *reason. Both g_free(). */
gboolean cnn3d_config_value (const Cnn3dConfigKey *key, const Cnn3dConfigWritten *written, gchar **value,
    gchar **reason);

/* A short copy, to be shown in quotes; g_free(). */
gchar *cnn3d_config_cut (const gchar *text);

#endif
