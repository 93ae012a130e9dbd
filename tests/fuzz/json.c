/* JSON: the parser accepts what json-glib accepts, with the same values.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "src/dataset/jsonwalk.h"
#include "src/json.h"
#include "tests/fuzz/target.h"

#define MOST 100000 /* values */

static void compare (const gchar *value, JsonNode *node);

static void
compare_text (const gchar *text, gsize size, const gchar *other)
{
  if (strlen (other) != size || memcmp (text, other, size) != 0)
    fuzz_fail ("another text than json-glib's", other);
}

static void
compare_object (const gchar *value, JsonObject *object)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GString *buffer = g_string_new (NULL);
  gboolean twice = FALSE;
  Cnn3dJsonWalk walk;

  cnn3d_json_enter (&walk, value);
  while (cnn3d_json_next (&walk)) {
    gsize size;
    const gchar *key = cnn3d_json_key (&walk, buffer, &size);
    gchar *name = g_strndup (key, size);

    if (!json_object_has_member (object, name))
      fuzz_fail ("a member that json-glib does not have", name);
    twice |= !g_hash_table_add (seen, name);
  }
  if (g_hash_table_size (seen) != json_object_get_size (object))
    fuzz_fail ("members that the walk does not have", NULL);
  /* json-glib keeps the last of duplicate names */
  cnn3d_json_enter (&walk, value);
  while (!twice && cnn3d_json_next (&walk)) {
    gsize size;
    const gchar *key = cnn3d_json_key (&walk, buffer, &size);
    g_autofree gchar *name = g_strndup (key, size);

    compare (walk.value, json_object_get_member (object, name));
  }
  g_string_free (buffer, TRUE);
}

static void
compare_array (const gchar *value, JsonArray *array)
{
  Cnn3dJsonWalk walk;
  guint n = 0;

  cnn3d_json_enter (&walk, value);
  for (; cnn3d_json_next (&walk); n++) {
    if (n >= json_array_get_length (array))
      fuzz_fail ("more elements than json-glib's", NULL);
    compare (walk.value, json_array_get_element (array, n));
  }
  if (n != json_array_get_length (array))
    fuzz_fail ("fewer elements than json-glib's", NULL);
}

static void
compare_string (const gchar *value, const gchar *other)
{
  GString *buffer = g_string_new (NULL);
  gsize size;
  const gchar *text = cnn3d_json_text (value, buffer, &size);

  if (*value != '"' || !text)
    fuzz_fail ("no text", other);
  compare_text (text, size, other);
  g_string_free (buffer, TRUE);
}

static void
compare (const gchar *value, JsonNode *node)
{
  gsize size;

  if ((*value == '{') != !!JSON_NODE_HOLDS_OBJECT (node)
      || (*value == '[') != !!JSON_NODE_HOLDS_ARRAY (node)
      || cnn3d_json_is_null (value) != !!JSON_NODE_HOLDS_NULL (node))
    fuzz_fail ("another kind of value than json-glib's", value);
  if (*value == '{')
    compare_object (value, json_node_get_object (node));
  else if (*value == '[')
    compare_array (value, json_node_get_array (node));
  else if (JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING)
    compare_string (value, json_node_get_string (node));
  else if (!JSON_NODE_HOLDS_NULL (node) && json_node_get_value_type (node) != G_TYPE_BOOLEAN
      && !cnn3d_json_numeral (value, &size))
    fuzz_fail ("no number", value);
}

/* All of json-glib's texts are UTF-8. */
static void
check_tree (JsonNode *node)
{
  if (JSON_NODE_HOLDS_ARRAY (node)) {
    for (guint i = 0; i < json_array_get_length (json_node_get_array (node)); i++)
      check_tree (json_array_get_element (json_node_get_array (node), i));
  } else if (JSON_NODE_HOLDS_OBJECT (node)) {
    JsonObjectIter iter;
    const gchar *name;
    JsonNode *member;

    json_object_iter_init (&iter, json_node_get_object (node));
    while (json_object_iter_next (&iter, &name, &member)) {
      if (!g_utf8_validate (name, -1, NULL))
        fuzz_fail ("a name that is not UTF-8", name);
      check_tree (member);
    }
  } else if (JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING
      && !g_utf8_validate (json_node_get_string (node), -1, NULL)) {
    fuzz_fail ("a text that is not UTF-8", json_node_get_string (node));
  }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;
  /* the parser may read the terminating zero */
  g_autofree gchar *text = g_strndup ((const gchar *) data, size);
  const gboolean loaded = cnn3d_json_load (parser, text, size, 32, MOST, &error);
  const gchar *start = text, *at = NULL, *reason;

  fuzz_check_error (loaded, error);
  if (loaded && json_parser_get_root (parser))
    check_tree (json_parser_get_root (parser));
  if (memchr (data, 0, size) || !g_utf8_validate_len (text, size, NULL))
    return 0;
  reason = cnn3d_json_check (text, text + size, &at, NULL, NULL);
  if (reason && (at < text || at > text + size))
    fuzz_fail ("an error outside of the text", reason);
  if (reason)
    return 0;
  if (!loaded && !strstr (error->message, "an object of more than")
      && !strstr (error->message, "more than 100000 values")
      && !strstr (error->message, "half of a surrogate pair"))
    fuzz_fail ("JSON that json-glib does not read", error->message);
  while (g_ascii_isspace (*start))
    start++;
  if (loaded)
    compare (start, json_parser_get_root (parser));
  return 0;
}
