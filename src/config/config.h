/* config.h: settings of a training run, from YAML and from options, and the
 * launch lines that they become: one that trains, one that tests.
 *
 * One table has every key: what it may be, which element's property it sets,
 * what that property is where the key is not set. Files, options, the line and
 * the documentation all go by it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CONFIG_H
#define CNN3D_CONFIG_H

#include <glib.h>
#include "src/api.h"

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

typedef enum {
  CNN3D_CONFIG_BOOLEAN,         /* "true", "false" */
  CNN3D_CONFIG_INTEGER,         /* "8" */
  CNN3D_CONFIG_NUMBER,          /* "0.0001" */
  CNN3D_CONFIG_TEXT,            /* any valid UTF-8 but the empty string */
  CNN3D_CONFIG_CHOICE,          /* one of `choices` */
  CNN3D_CONFIG_MODEL,           /* the name of a model */
  CNN3D_CONFIG_BYTES,           /* "8589934592", "8GiB" */
  CNN3D_CONFIG_SIZE,            /* "HEIGHTxWIDTH", pixels */
  CNN3D_CONFIG_BATCHES,         /* "100"; "1.0": all of them */
  CNN3D_CONFIG_RATE,            /* "15/1", "30000/1001", in lowest terms */
} Cnn3dConfigType;

typedef struct {
  const gchar *name;            /* SECTION.KEY */
  Cnn3dConfigType type;
  gdouble minimum, maximum;     /* of whole and other numbers, of pixels, of rates */
  const gchar *choices;         /* blanks between them; A=B: A may be written and means B */
  const gchar *fallback;        /* what holds where it is not set; NULL: nothing does */
  const gchar *elements;        /* that have the property; blanks between them */
  const gchar *property;        /* NULL: `becomes` tells */
  const gchar *becomes;
  const gchar *refused;         /* a value that is not possible here; NULL: none */
  const gchar *reason;          /* why it is not */
  const gchar *help;            /* unit and meaning, a line */
  gboolean always;              /* in the line even if it is the fallback */
  gboolean tests;               /* in the line that tests, too; cnn3dtrain's are cnn3deval's there */
} Cnn3dConfigKey;

/* The table; `n_keys` may be NULL. */
CNN3D_API const Cnn3dConfigKey *cnn3d_config_keys (guint *n_keys);

/* What a value of the key may be, in words: "a whole number from 1 to 64".
 * g_free(). */
CNN3D_API gchar *cnn3d_config_key_values (const Cnn3dConfigKey *key);

/* What the key becomes, in words: "clipsrc num-workers". g_free(). */
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

/* The value as text, in the form that its type says above, or the fallback.
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
