/* config.c: settings, and options that set them.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/config/config-private.h"

#include <string.h>

G_DEFINE_QUARK (cnn3d-config-error-quark, cnn3d_config_error)

Cnn3dConfig *
cnn3d_config_new (void)
{
  Cnn3dConfig *config = g_new0 (Cnn3dConfig, 1);
  guint n_keys;

  cnn3d_config_keys (&n_keys);
  config->values = g_new0 (gchar *, n_keys);
  return config;
}

void
cnn3d_config_free (Cnn3dConfig **config)
{
  guint n_keys;

  if (!*config)
    return;
  cnn3d_config_keys (&n_keys);
  for (guint i = 0; i < n_keys; i++)
    g_free ((*config)->values[i]);
  g_free ((*config)->values);
  g_clear_pointer (config, g_free);
}

/* Appends [A, B] as in YAML, but without quotes. */
static void
read_list (const gchar *text, Cnn3dConfigWritten *written)
{
  gchar *inside = g_strndup (text + 1, strlen (text) - 2);
  gchar **items = g_strsplit (inside, ",", 4);

  written->list = TRUE;
  written->n_items = g_strv_length (items);
  for (guint i = 0; i < written->n_items && i < G_N_ELEMENTS (written->items); i++)
    written->items[i] = g_strdup (g_strstrip (items[i]));
  g_strfreev (items);
  g_free (inside);
}

/* Sets the key with that index; errors begin with `option`. */
static gboolean
set_value (Cnn3dConfig *config, gint number, const gchar *option, const gchar *text, GError **error)
{
  const Cnn3dConfigKey *key = &cnn3d_config_keys (NULL)[number];
  Cnn3dConfigWritten written = {
    0,
  };
  gchar *reason = NULL, *value, *cut;
  gboolean right;

  if (key->setting->kind == CNN3D_SETTING_SIZE && *text == '[' && g_str_has_suffix (text, "]"))
    read_list (text, &written);
  else {
    written.n_items = 1;
    written.items[0] = g_strdup (text);
    /* "No" is a text here: there is no other way to write it */
    written.quoted[0] = !cnn3d_config_is_null (text)
        && (key->setting->kind == CNN3D_SETTING_TEXT
            || key->setting->kind == CNN3D_SETTING_TEXT_OR_EMPTY);
  }
  right = cnn3d_config_value (key, &written, &value, &reason);
  g_free (written.items[0]);
  g_free (written.items[1]);
  if (!right)
    goto wrong;
  g_free (config->values[number]);
  config->values[number] = value;
  return TRUE;

  /* ERRORS */
wrong:
  cut = cnn3d_config_cut (option);
  g_set_error (error, CNN3D_CONFIG_ERROR, CNN3D_CONFIG_ERROR_VALUE, "%s: %s", cut, reason);
  g_free (cut);
  g_free (reason);
  return FALSE;
}

gboolean
cnn3d_config_set (
    Cnn3dConfig *config, const gchar *name, const gchar *option, const gchar *text, GError **error)
{
  const gint number = cnn3d_config_find (name);
  gchar *shown;
  gboolean set;

  g_return_val_if_fail (number >= 0, FALSE);
  if (!g_utf8_validate (text, -1, NULL))
    goto not_utf8;
  shown = g_strdup_printf ("--%s=%s", option, text);
  set = set_value (config, number, shown, text, error);
  g_free (shown);
  return set;

  /* ERRORS */
not_utf8:
  g_set_error (
      error, CNN3D_CONFIG_ERROR, CNN3D_CONFIG_ERROR_SYNTAX, "--%s: its value is not UTF-8", option);
  return FALSE;
}

gboolean
cnn3d_config_override (Cnn3dConfig *config, const gchar *option, GError **error)
{
  const gchar *equals;
  gchar *name, *reason = NULL, *cut;
  gint number;

  if (!g_utf8_validate (option, -1, NULL))
    goto not_utf8;
  if (!g_str_has_prefix (option, "--") || !(equals = strchr (option, '=')))
    goto no_option;

  name = g_strndup (option + 2, (gsize) (equals - option - 2));
  number = cnn3d_config_find (name);
  if (number < 0)
    reason = cnn3d_config_unknown_key (name);
  g_free (name);
  if (number < 0)
    goto unknown;

  return set_value (config, number, option, equals + 1, error);

  /* ERRORS */
not_utf8:
  cut = cnn3d_config_cut (option);
  g_set_error (error, CNN3D_CONFIG_ERROR, CNN3D_CONFIG_ERROR_SYNTAX,
      "%s: this option is not UTF-8, as launch lines must be", cut);
  g_free (cut);
  return FALSE;
no_option:
  cut = cnn3d_config_cut (option);
  g_set_error (error, CNN3D_CONFIG_ERROR, CNN3D_CONFIG_ERROR_SYNTAX,
      "%s: write settings as --SECTION.KEY=VALUE", cut);
  g_free (cut);
  return FALSE;
unknown:
  cut = cnn3d_config_cut (option);
  g_set_error (error, CNN3D_CONFIG_ERROR, CNN3D_CONFIG_ERROR_KEY, "%s: %s", cut, reason);
  g_free (cut);
  g_free (reason);
  return FALSE;
}

const gchar *
cnn3d_config_get (const Cnn3dConfig *config, const gchar *name)
{
  gint number = cnn3d_config_find (name);

  g_return_val_if_fail (number >= 0, NULL);
  return config->values[number] ? config->values[number]
                                : cnn3d_config_keys (NULL)[number].fallback;
}

void
cnn3d_config_get_size (const Cnn3dConfig *config, guint *height, guint *width)
{
  gchar *end;

  *height = (guint) g_ascii_strtoull (cnn3d_config_get (config, "data.img_size"), &end, 10);
  *width = (guint) g_ascii_strtoull (end + 1, NULL, 10);
}
