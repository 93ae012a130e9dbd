/* jsontext.h: JSON from strangers, and its values without surprises.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_JSONTEXT_H
#define CNN3D_JSONTEXT_H

#include <json-glib/json-glib.h>

/* The object that a text is; json_node_unref(). NULL with error
 * (JSON_PARSER_ERROR) for anything else, and where it is nested deeper than 16. */
JsonNode *report_json_object (const gchar *text, gsize length, GError **error);

/* The member's value; what is told where it is missing or of another type:
 * NAN, fallback, NULL. Strings and arrays are the object's. */
gdouble report_json_number (JsonObject *object, const gchar *name);
gboolean report_json_boolean (JsonObject *object, const gchar *name);
const gchar *report_json_string (JsonObject *object, const gchar *name);
JsonArray *report_json_array (JsonObject *object, const gchar *name);
/* A whole number from 0 to 2^53; 0 where there is none. */
guint64 report_json_count (JsonNode *node);

/* An array of strings; NULL-terminated, g_strfreev(). NULL where it is no
 * such array or has more than `most`. */
gchar **report_json_strings (JsonObject *object, const gchar *name, guint most);

#endif
