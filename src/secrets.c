/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/secrets.h"

#include <string.h>

#define HIDDEN "***"
#define BLANKS " \t\r\n"

/* The end of the password that begins behind the first colon of this authority; NULL: it has
 * none. */
static const gchar *
password_end (const gchar *authority, const gchar **password)
{
  const gsize size = strcspn (authority, "/?" BLANKS);
  const gchar *at = g_strrstr_len (authority, size, "@");
  const gchar *colon = at ? memchr (authority, ':', at - authority) : NULL;

  *password = colon ? colon + 1 : NULL;
  return colon ? at : NULL;
}

/* Whether the name that ends here is that of a secret: user-pw, proxy-pw, password, key-passphrase,
 * session-token. */
static gboolean
names_secret (const gchar *text, const gchar *end)
{
  static const gchar *const words[] = { "pw", "password", "passwd", "passphrase", "secret",
    "token" };
  const gchar *word = end;

  while (word > text && g_ascii_isalnum (word[-1]))
    word--;
  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (strlen (words[i]) == (gsize) (end - word)
        && g_ascii_strncasecmp (words[i], word, end - word) == 0)
      return TRUE;
  return FALSE;
}

/* The end of a property's value, which may be in quotes. */
static const gchar *
value_end (const gchar *value)
{
  const gchar quote = *value == '"' || *value == '\'' ? *value : '\0';

  if (!quote)
    return value + strcspn (value, BLANKS);
  for (value++; *value && *value != quote; value++)
    if (*value == '\\' && value[1])
      value++;
  return *value ? value + 1 : value;
}

gchar *
cnn3d_without_passwords (const gchar *text)
{
  GString *out = g_string_new (NULL);
  const gchar *kept = text;

  for (const gchar *p = text; *p; p++) {
    const gchar *secret = NULL, *end = NULL;

    if (g_str_has_prefix (p, "://")) {
      end = password_end (p + 3, &secret);
    } else if (*p == '=' && names_secret (text, p)) {
      secret = p + 1;
      end = value_end (secret);
    }
    if (!end || end == secret)
      continue;
    g_string_append_len (out, kept, secret - kept);
    g_string_append (out, HIDDEN);
    kept = end;
    p = end - 1;
  }
  g_string_append (out, kept);
  return g_string_free (out, FALSE);
}
