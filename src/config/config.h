/* config.h: settings of a training run, from YAML and from options, and the
 * launch lines that they become: one that trains, one that tests.
 *
 * The table of settings (src/settings) has every key: what it may be, which
 * element's property it sets, what that property is where the key is not set.
 * Files, options, the line and the documentation all go by it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CONFIG_H
#define CNN3D_CONFIG_H

#include "src/settings/settings.h"

G_BEGIN_DECLS

#define CNN3D_CONFIG_ERROR (cnn3d_config_error_quark ())
CNN3D_API GQuark cnn3d_config_error_quark (void);

/* Messages begin with FILE:LINE:COLUMN, both from 1 and columns in characters,
 * or with the option. They may hold text from the file, cut but not escaped. */
typedef enum {
  CNN3D_CONFIG_ERROR_READ,      /* no such file, or too large */
  CNN3D_CONFIG_ERROR_SYNTAX,    /* no YAML, or YAML that has no place here */
  CNN3D_CONFIG_ERROR_KEY,       /* unknown, or given twice */
  CNN3D_CONFIG_ERROR_VALUE,     /* wrong type, out of range, not possible here */
  CNN3D_CONFIG_ERROR_MISSING,   /* the line needs it */
} Cnn3dConfigError;

/* A setting (src/settings) that configurations have. Its values as text are, by
 * kind: "true" or "false"; "8"; "0.0001"; any valid UTF-8 but the empty string;
 * a choice's own name; "8589934592" or "8GiB"; "HEIGHTxWIDTH" in pixels; "100"
 * batches or "1.0", all of them; "15/1" or "30000/1001", in lowest terms. */
typedef struct {
  const gchar *name;            /* SECTION.KEY */
  const Cnn3dSetting *setting;
  const gchar *fallback;        /* what holds where it is not set; NULL: nothing does */
} Cnn3dConfigKey;

/* All of them, in the order of the table of settings; `n_keys` may be NULL. */
CNN3D_API const Cnn3dConfigKey *cnn3d_config_keys (guint *n_keys);

/* What a value of the key may be, in words: "a whole number from 1 to 64".
 * g_free(). */
CNN3D_API gchar *cnn3d_config_key_values (const Cnn3dConfigKey *key);

/* Whether the key is a property of its elements and nothing else. */
CNN3D_API gboolean cnn3d_config_key_is_property (const Cnn3dConfigKey *key);

/* What the key becomes, in words: "clipsrc `num-workers`". g_free(). */
CNN3D_API gchar *cnn3d_config_key_becomes (const Cnn3dConfigKey *key);

/* Not thread-safe, but every config can be in a thread of its own. */
typedef struct _Cnn3dConfig Cnn3dConfig;

/* Nothing is set. */
CNN3D_API Cnn3dConfig *cnn3d_config_new (void);
CNN3D_API void cnn3d_config_free (Cnn3dConfig **config);

/* Sets what the YAML file sets; `null` unsets. After an error some of it may
 * be set. At most 64 KiB, one document, no aliases, anchors or tags. */
CNN3D_API gboolean cnn3d_config_load (Cnn3dConfig *config, const gchar *path, GError **error);
/* The same of text in memory, NULL if there is none; errors name it `name`. */
CNN3D_API gboolean cnn3d_config_load_data (Cnn3dConfig *config, const gchar *name, const gchar *data, gsize size,
    GError **error);

/* One option, --SECTION.KEY=VALUE. The value is taken as it is, without YAML's
 * quotes; `null` unsets. */
CNN3D_API gboolean cnn3d_config_override (Cnn3dConfig *config, const gchar *option, GError **error);

/* Sets the key `name`, which there is; errors name it as an option, --OPTION=TEXT. */
CNN3D_API gboolean cnn3d_config_set (Cnn3dConfig *config, const gchar *name, const gchar *option, const gchar *text,
    GError **error);

/* The value as text, in the form that its kind has above, or the fallback.
 * NULL if there is neither. The config owns it, until the key changes. */
CNN3D_API const gchar *cnn3d_config_get (const Cnn3dConfig *config, const gchar *name);
/* Of data.img_size, in pixels. */
CNN3D_API void cnn3d_config_get_size (const Cnn3dConfig *config, guint *height, guint *width);

/* The words of the launch line, from gst-launch-1.0 on, as argv has them: no
 * shell has to read them. Printable characters only, whatever a path holds.
 * g_strfreev(); NULL with CNN3D_CONFIG_ERROR_MISSING. */
CNN3D_API gchar **cnn3d_config_line (const Cnn3dConfig *config, GError **error);

/* The same of the line that tests the best weights in paths.checkpoint_dir on
 * paths.test, whose clips come prepared as those that validate. */
CNN3D_API gchar **cnn3d_config_test_line (const Cnn3dConfig *config, GError **error);

G_END_DECLS

#endif
