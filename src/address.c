/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/address.h"

#include <string.h>

gboolean
cnn3d_is_address (const gchar *text)
{
  g_autofree gchar *scheme = g_uri_parse_scheme (text);

  return scheme && g_str_has_prefix (text + strlen (scheme), "://");
}
