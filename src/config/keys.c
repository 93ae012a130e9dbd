/* keys.c: the settings that are keys, and suggestions for misspelt ones.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/config/config-private.h"

#include <string.h>

#define MAX_NAME 64 /* bytes of an unknown name that are compared */

static gpointer
make_keys (gpointer data)
{
  GArray *keys = g_array_new (FALSE, FALSE, sizeof (Cnn3dConfigKey));
  guint n;
  const Cnn3dSetting *settings = cnn3d_settings (&n);

  for (guint i = 0; i < n; i++) {
    const Cnn3dSetting *s = &settings[i];
    Cnn3dConfigKey key = { s->key, s, s->without };

    if (!s->key)
      continue;
    if (!key.fallback && s->name)
      key.fallback = cnn3d_setting_preset (s);
    g_array_append_val (keys, key);
  }
  return keys;
}

const Cnn3dConfigKey *
cnn3d_config_keys (guint *n_keys)
{
  static GOnce once = G_ONCE_INIT;
  const GArray *keys = g_once (&once, make_keys, NULL);

  if (n_keys)
    *n_keys = keys->len;
  return (const Cnn3dConfigKey *) keys->data;
}

gboolean
cnn3d_config_key_is_property (const Cnn3dConfigKey *key)
{
  return key->setting->name && !key->setting->becomes;
}

gchar *
cnn3d_config_key_becomes (const Cnn3dConfigKey *key)
{
  const Cnn3dSetting *s = key->setting;
  gchar **elements;
  GString *text;

  if (!cnn3d_config_key_is_property (key))
    return g_strdup (s->becomes);
  text = g_string_new (NULL);
  elements = g_strsplit (s->elements, " ", -1);
  for (guint i = 0; elements[i]; i++)
    /* no line uses cnn3dinfer, and cnn3deval is only in the line that tests */
    if (strcmp (elements[i], "cnn3dinfer") && (s->tests || strcmp (elements[i], "cnn3deval")))
      g_string_append_printf (text, "%s%s", text->len ? ", " : "", elements[i]);
  g_strfreev (elements);
  g_string_append_printf (text, " `%s`", s->name);
  return g_string_free (text, FALSE);
}

gint
cnn3d_config_find (const gchar *name)
{
  guint n_keys;
  const Cnn3dConfigKey *keys = cnn3d_config_keys (&n_keys);
  for (guint i = 0; i < n_keys; i++)
    if (strcmp (keys[i].name, name) == 0)
      return (gint) i;
  return -1;
}

static const gchar *
key_part (const gchar *name)
{
  return strchr (name, '.') + 1;
}

static gboolean
in_section (const gchar *name, const gchar *section, gsize length)
{
  return strncmp (name, section, length) == 0 && name[length] == '.';
}

gboolean
cnn3d_config_is_section (const gchar *name)
{
  guint n_keys;
  const Cnn3dConfigKey *keys = cnn3d_config_keys (&n_keys);
  gsize length = strlen (name);

  for (guint i = 0; i < n_keys; i++)
    if (in_section (keys[i].name, name, length))
      return TRUE;
  return FALSE;
}

/* Edit distance from a to b, whose length is n: insertions, deletions, substitutions. */
static guint
edit_distance (const gchar *a, const gchar *b, gsize n)
{
  guint row[MAX_NAME + 1];
  gsize m = MIN (strlen (a), MAX_NAME);

  n = MIN (n, MAX_NAME);
  for (gsize j = 0; j <= n; j++)
    row[j] = (guint) j;
  for (gsize i = 1; i <= m; i++) {
    guint diagonal = row[0];

    row[0] = (guint) i;
    for (gsize j = 1; j <= n; j++) {
      guint other = diagonal + (g_ascii_tolower (a[i - 1]) != g_ascii_tolower (b[j - 1]));

      diagonal = row[j];
      row[j] = MIN (other, 1 + MIN (row[j], row[j - 1]));
    }
  }
  return row[n];
}

/* The nearest key. A different section counts as one edit, however different its name. */
static guint
nearest_key (const gchar *name, guint *distance)
{
  guint n_keys;
  const Cnn3dConfigKey *keys = cnn3d_config_keys (&n_keys);
  const gchar *dot = strchr (name, '.');
  guint nearest = 0;

  *distance = G_MAXUINT;
  for (guint i = 0; i < n_keys; i++) {
    const gchar *part = key_part (keys[i].name);
    guint d = edit_distance (dot ? dot + 1 : name, part, strlen (part));

    if (!dot || !in_section (keys[i].name, name, (gsize) (dot - name)))
      d++;
    if (d < *distance) {
      *distance = d;
      nearest = i;
    }
  }
  return nearest;
}

gchar *
cnn3d_config_unknown_key (const gchar *name)
{
  guint n_keys;
  const Cnn3dConfigKey *keys = cnn3d_config_keys (&n_keys);
  guint distance;
  const gchar *nearest = keys[nearest_key (name, &distance)].name;
  gchar *cut = cnn3d_config_cut (name);
  gchar *text = g_strdup_printf ("there is no key '%s'; the nearest is %s", cut, nearest);

  g_free (cut);
  return text;
}

gchar *
cnn3d_config_unknown_section (const gchar *name)
{
  guint n_keys;
  const Cnn3dConfigKey *keys = cnn3d_config_keys (&n_keys);
  guint of_key, of_section = G_MAXUINT;
  const gchar *key = keys[nearest_key (name, &of_key)].name;
  const gchar *section = NULL;
  gchar *cut = cnn3d_config_cut (name), *text;

  for (guint i = 0; i < n_keys; i++) {
    gsize length = strcspn (keys[i].name, ".");
    guint d = edit_distance (name, keys[i].name, length);

    if (d < of_section) {
      of_section = d;
      section = keys[i].name;
    }
  }
  if (of_key <= of_section)
    text = g_strdup_printf (
        "there is no section '%s'; the nearest key is %s: write '%s' below '%.*s:', indented", cut,
        key, key_part (key), (gint) strcspn (key, "."), key);
  else
    text = g_strdup_printf ("there is no section '%s'; the nearest is %.*s", cut,
        (gint) strcspn (section, "."), section);
  g_free (cut);
  return text;
}
