/* config-private.h: shared by the files of src/config.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CONFIG_PRIVATE_H
#define CNN3D_CONFIG_PRIVATE_H

#include "src/config/config.h"

struct _Cnn3dConfig {
  gchar **values; /* one per key; NULL: not set */
};

/* A value as written. */
typedef struct {
  gboolean list;
  guint n_items; /* 1 if not a list; at most 2 are kept */
  gchar *items[2];
  gboolean quoted[2];
} Cnn3dConfigWritten;

/* Index of the key, or -1. */
gint cnn3d_config_find (const gchar *name);

/* Error text for an unknown key; never NULL, free with g_free(). */
gchar *cnn3d_config_unknown_key (const gchar *name);
/* Error text for an unknown section; never NULL, free with g_free(). */
gchar *cnn3d_config_unknown_section (const gchar *name);
gboolean cnn3d_config_is_section (const gchar *name);

/* Whether the text, without quotes, unsets a key. */
gboolean cnn3d_config_is_null (const gchar *text);

/* Normalizes the value for its key into *value, NULL for null. FALSE if it is invalid, with the
 * reason in *reason. Free both with g_free(). */
gboolean cnn3d_config_value (
    const Cnn3dConfigKey *key, const Cnn3dConfigWritten *written, gchar **value, gchar **reason);

/* A shortened copy to be shown in quotes; free with g_free(). */
gchar *cnn3d_config_cut (const gchar *text);

#endif
