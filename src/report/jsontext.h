/* jsontext.h: type-checked values of untrusted JSON.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_JSONTEXT_H
#define CNN3D_JSONTEXT_H

#include <json-glib/json-glib.h>

/* Parses a text that is an object; free with json_node_unref(). NULL with error (JSON_PARSER_ERROR)
 * for anything else, nesting deeper than 16, or more than 2^21 values. */
JsonNode *report_json_object (const gchar *text, gsize length, GError **error);

/* A member's value, or NAN, fallback or NULL if it is missing or of another type. Strings and
 * arrays are owned by the object. */
gdouble report_json_number (JsonObject *object, const gchar *name);
gboolean report_json_boolean (JsonObject *object, const gchar *name);
const gchar *report_json_string (JsonObject *object, const gchar *name);
JsonArray *report_json_array (JsonObject *object, const gchar *name);
/* A whole number from 0 to 2^53, or else 0. */
guint64 report_json_count (JsonNode *node);

/* An array of strings, NULL-terminated; free with g_strfreev(). NULL if it is not such an array or
 * has more than `most`. */
gchar **report_json_strings (JsonObject *object, const gchar *name, guint most);

#endif
