/* json.c: limits on untrusted JSON.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/json.h"

#include <string.h>

/* reason: NULL: it is valid. */
static void
assert_load (const gchar *text, guint deepest, guint most, const gchar *reason)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  GError *error = NULL;
  const gboolean ok = cnn3d_json_load (parser, text, strlen (text), deepest, most, &error);

  g_assert_true (ok == !reason);
  if (reason) {
    g_assert_error (error, JSON_PARSER_ERROR, JSON_PARSER_ERROR_PARSE);
    g_assert_cmpstr (error->message, ==, reason);
    g_error_free (error);
  }
}

static void
test_limits (void)
{
  assert_load ("[[1]]", 2, 10, NULL);
  assert_load ("[\n [[1]]]", 2, 10, "2:3: nested deeper than 2");
  assert_load ("[1, \"a, [b\", 3]", 1, 3, NULL);
  assert_load ("[1, 2, 3, 4]", 1, 3, "1:9: more than 3 values");
  assert_load ("[[], [], []]", 2, 5, "1:10: more than 5 values");
  assert_load ("[\"\\ud83d\\ude00 \\u00e4 \\\\ud800\"]", 1, 5, NULL);
  assert_load ("[\"a\\u0000b\"]", 1, 5, "1:4: a NUL character in a text");
  assert_load ("[\"\\u00g0\"]", 1, 5, "1:3: \\u needs four hexadecimal digits");
  assert_load (
      "[\"\\x\"]", 1, 5, "1:3: an escape that JSON does not have; a backslash is written \\\\");
  assert_load ("[\"\\ud83d\"]", 1, 5, "1:3: half of a surrogate pair in a text");
  assert_load ("[\"\\ud83d\\u0041\"]", 1, 5, "1:3: half of a surrogate pair in a text");
  assert_load ("[\"a\\ude00\"]", 1, 5, "1:4: half of a surrogate pair in a text");
  assert_load ("{\"a\": 1} // b", 1, 5, "1:10: text after the end of the JSON");
}

/* Names with colliding hashes do not take quadratic time. */
static void
test_members (void)
{
  for (guint n = 4096; n <= 4097; n++) {
    g_autoptr (GString) text = g_string_new ("[0, {\"a\": 0");

    for (guint i = 1; i < n; i++)
      g_string_append_printf (text, ",\"%u\":0", i);
    g_string_append (text, "}]");
    assert_load (
        text->str, 2, 10000, n == 4096 ? NULL : "1:35760: an object of more than 4096 members");
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/json/limits", test_limits);
  g_test_add_func ("/json/members", test_members);
  return g_test_run ();
}
