/* config.h: settings of a training run, from YAML and options, and the launch lines built from
 * them: one that trains, one that tests.
 *
 * The table of settings (src/settings) defines every key: its values, the element property that it
 * sets, and the default. Files, options, launch lines and documentation are derived from it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CONFIG_H
#define CNN3D_CONFIG_H

#include "src/settings/settings.h"

G_BEGIN_DECLS

#define CNN3D_CONFIG_ERROR (cnn3d_config_error_quark ())
CNN3D_API GQuark cnn3d_config_error_quark (void);

/* Messages begin with FILE:LINE:COLUMN, both from 1 and columns in characters, or with the option.
 * They may contain text from the file, shortened but not escaped. */
typedef enum {
  CNN3D_CONFIG_ERROR_READ,    /* the file is missing, unreadable or too large */
  CNN3D_CONFIG_ERROR_SYNTAX,  /* not YAML, or YAML that is not supported here */
  CNN3D_CONFIG_ERROR_KEY,     /* unknown, or given twice */
  CNN3D_CONFIG_ERROR_VALUE,   /* wrong type, out of range, not supported */
  CNN3D_CONFIG_ERROR_MISSING, /* required by the launch line */
} Cnn3dConfigError;

/* A setting (src/settings) that is a key. The text of its values is, by kind: "true" or "false";
 * "8"; "0.0001"; any valid UTF-8 but the empty string; a choice's canonical name; "8589934592" or
 * "8GiB"; "HEIGHTxWIDTH" in pixels; "100" batches or "1.0", all of them; "15/1" or "30000/1001", in
 * lowest terms. */
typedef struct {
  const gchar *name; /* SECTION.KEY */
  const Cnn3dSetting *setting;
  const gchar *fallback; /* value if it is not set; NULL: none */
} Cnn3dConfigKey;

/* All keys, in the order of the table of settings; `n_keys` may be NULL. */
CNN3D_API const Cnn3dConfigKey *cnn3d_config_keys (guint *n_keys);

/* The valid values of the key, in words: "a whole number from 1 to 64". Free with g_free(). */
CNN3D_API gchar *cnn3d_config_key_values (const Cnn3dConfigKey *key);

/* Whether the key sets a property of its elements and nothing else. */
CNN3D_API gboolean cnn3d_config_key_is_property (const Cnn3dConfigKey *key);

/* What the key sets, in words: "clipsrc `num-workers`". Free with g_free(). */
CNN3D_API gchar *cnn3d_config_key_becomes (const Cnn3dConfigKey *key);

/* Not thread-safe, but each config may be used in its own thread. */
typedef struct _Cnn3dConfig Cnn3dConfig;

/* A config without any key set. */
CNN3D_API Cnn3dConfig *cnn3d_config_new (void);
CNN3D_API void cnn3d_config_free (Cnn3dConfig **config);

/* Sets the keys of a YAML file; `null` unsets. After an error some of them may be set. At most 64
 * KiB, one document, no aliases, anchors or tags. */
CNN3D_API gboolean cnn3d_config_load (Cnn3dConfig *config, const gchar *path, GError **error);
/* The same from text in memory; data may be NULL if it is empty. name: the file name in errors. */
CNN3D_API gboolean cnn3d_config_load_data (
    Cnn3dConfig *config, const gchar *name, const gchar *data, gsize size, GError **error);

/* Applies an option, --SECTION.KEY=VALUE. The value is taken literally, without YAML's quotes;
 * `null` unsets. */
CNN3D_API gboolean cnn3d_config_override (Cnn3dConfig *config, const gchar *option, GError **error);

/* Sets the key `name`, which must exist; errors name it as an option, --OPTION=TEXT. */
CNN3D_API gboolean cnn3d_config_set (
    Cnn3dConfig *config, const gchar *name, const gchar *option, const gchar *text, GError **error);

/* The value as text, in the form documented above, or the fallback. NULL: neither. Owned by the
 * config, valid until the key changes. */
CNN3D_API const gchar *cnn3d_config_get (const Cnn3dConfig *config, const gchar *name);

/* Whether the network sees anything, by data.load_rgb and data.load_kpt; FALSE with error. */
CNN3D_API gboolean cnn3d_config_check_input (const Cnn3dConfig *config, GError **error);
/* What it sees. */
CNN3D_API Cnn3dInputType cnn3d_config_input_type (const Cnn3dConfig *config);

/* The value of data.img_size, in pixels. */
CNN3D_API void cnn3d_config_get_size (const Cnn3dConfig *config, guint *height, guint *width);

/* The words of the launch line, from gst-launch-1.0 on, as in argv; no shell is needed to parse
 * them. Printable characters only, whatever a path contains. Free with g_strfreev(); NULL with
 * CNN3D_CONFIG_ERROR_MISSING. */
CNN3D_API gchar **cnn3d_config_line (const Cnn3dConfig *config, GError **error);

/* The same for the launch line that tests the best weights in paths.checkpoint_dir on paths.test,
 * whose clips are prepared as for validation. */
CNN3D_API gchar **cnn3d_config_test_line (const Cnn3dConfig *config, GError **error);

G_END_DECLS

#endif
