/* json.h: JSON from strangers, and arrays of it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_JSON_H
#define CNN3D_JSON_H

#include <json-glib/json-glib.h>

#include "src/api.h"

/* Gives the parser a text of `length` bytes, in which brackets may be nested
 * `deepest` levels. json-glib's parser calls itself for each level, as deep as they
 * go; it also takes comments and other quotes, which JSON has not, and in which a
 * bracket's level could not be told without it: they are refused.
 * FALSE with error (JSON_PARSER_ERROR), "line:column: reason", or the reason alone
 * where it is no place's, such as a text that is not UTF-8. */
CNN3D_API gboolean cnn3d_json_load (JsonParser *parser, const gchar *text, gsize length, guint deepest,
    GError **error);

/* An array's text; g_free(). */
gchar *cnn3d_json_string_array (gchar **strings, guint n);
/* Of as many digits as a float needs. */
gchar *cnn3d_json_float_array (const gfloat *values, guint n);

#endif
