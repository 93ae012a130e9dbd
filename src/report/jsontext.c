/* jsontext.c: type-checked values of untrusted JSON.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/report/jsontext.h"

#include <math.h>

#include "src/json.h"

#define MOST_DEEP 16
#define MOST_VALUES (2u << 20)          /* a confusion matrix of 1400 classes is less */
#define LARGEST_COUNT 9007199254740992. /* 2^53 */

JsonNode *
report_json_object (const gchar *text, gsize length, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonNode *root;

  if (!cnn3d_json_load (parser, text, length, MOST_DEEP, MOST_VALUES, error))
    return NULL;
  root = json_parser_steal_root (parser);
  if (root && JSON_NODE_HOLDS_OBJECT (root))
    return root;
  g_clear_pointer (&root, json_node_unref);
  g_set_error_literal (error, JSON_PARSER_ERROR, JSON_PARSER_ERROR_PARSE, "it is not an object");
  return NULL;
}

static gdouble
node_number (JsonNode *node)
{
  if (!node || !JSON_NODE_HOLDS_VALUE (node)
      || (json_node_get_value_type (node) != G_TYPE_INT64
          && json_node_get_value_type (node) != G_TYPE_DOUBLE))
    return NAN;
  return json_node_get_double (node);
}

guint64
report_json_count (JsonNode *node)
{
  const gdouble number = node_number (node);

  return number >= 0 && number <= LARGEST_COUNT ? (guint64) number : 0;
}

static const gchar *
node_string (JsonNode *node)
{
  return node && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING
      ? json_node_get_string (node)
      : NULL;
}

gdouble
report_json_number (JsonObject *object, const gchar *name)
{
  return node_number (json_object_get_member (object, name));
}

gboolean
report_json_boolean (JsonObject *object, const gchar *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_BOOLEAN
      && json_node_get_boolean (node);
}

const gchar *
report_json_string (JsonObject *object, const gchar *name)
{
  return node_string (json_object_get_member (object, name));
}

JsonArray *
report_json_array (JsonObject *object, const gchar *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
}

gchar **
report_json_strings (JsonObject *object, const gchar *name, guint most)
{
  JsonArray *array = report_json_array (object, name);
  const guint n = array ? json_array_get_length (array) : 0;
  gchar **strings;

  if (n == 0 || n > most)
    return NULL;
  for (guint i = 0; i < n; i++)
    if (!node_string (json_array_get_element (array, i)))
      return NULL;
  strings = g_new0 (gchar *, n + 1);
  for (guint i = 0; i < n; i++)
    strings[i] = g_strdup (node_string (json_array_get_element (array, i)));
  return strings;
}
