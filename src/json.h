/* json.h: parses untrusted JSON, and writes arrays.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_JSON_H
#define CNN3D_JSON_H

#include <json-glib/json-glib.h>

#include "src/api.h"

/* Parses a text of `length` bytes, with at most `deepest` levels of nested brackets (32), at most
 * `most` values, and at most 4096 members in an object. json-glib's parser recurses for each level
 * without a limit, needs a hundred bytes for a value of two, and finds members by a hash that is
 * predictable. It leaks memory where a text is not JSON, accepts much that is not, and makes texts
 * of some of it that are not UTF-8: so it is given JSON only, and no halves of surrogate pairs.
 * FALSE with error (JSON_PARSER_ERROR), "line:column: reason", or the reason alone if there is no
 * position, such as for text that is not UTF-8. */
CNN3D_API gboolean cnn3d_json_load (
    JsonParser *parser, const gchar *text, gsize length, guint deepest, guint most, GError **error);

/* An array as text; free with g_free(). */
gchar *cnn3d_json_string_array (gchar **strings, guint n);
/* With as many digits as a float needs. */
gchar *cnn3d_json_float_array (const gfloat *values, guint n);

#endif
