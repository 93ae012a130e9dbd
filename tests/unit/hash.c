/* hash.c: names with colliding g_str_hash() values.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/hash.h"

#include <string.h>

#define BITS 12

/* "Az" and "BY" have the same g_str_hash(), and so have all sequences of them. */
static void
test_collisions (void)
{
  g_autoptr (GHashTable) hashes = g_hash_table_new (NULL, NULL);
  gchar text[2 * BITS + 1] = "";
  guint theirs = 0;

  for (guint i = 0; i < 1 << BITS; i++) {
    for (guint bit = 0; bit < BITS; bit++)
      memcpy (text + 2 * bit, i >> bit & 1 ? "Az" : "BY", 2);
    if (i == 0)
      theirs = g_str_hash (text);
    g_assert_cmphex (g_str_hash (text), ==, theirs);
    g_hash_table_add (hashes, GUINT_TO_POINTER (cnn3d_hash_text (text)));
  }
  /* two of 4,096 may have the same 32 bits */
  g_assert_cmpuint (g_hash_table_size (hashes), >, (1 << BITS) - 3);
}

/* Each byte and the length change the hash. */
static void
test_bytes (void)
{
  gchar text[40];
  guint32 whole;

  memset (text, 'a', sizeof text);
  whole = cnn3d_hash_bytes (text, 33);
  g_assert_cmphex (cnn3d_hash_bytes (text, 33), ==, whole);
  for (guint i = 0; i < 33; i++) {
    text[i] = 'b';
    g_assert_cmphex (cnn3d_hash_bytes (text, 33), !=, whole);
    text[i] = 'a';
    g_assert_cmphex (cnn3d_hash_bytes (text, i), !=, whole);
  }
  text[33] = '\0';
  g_assert_cmphex (cnn3d_hash_text (text), ==, whole);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/hash/collisions", test_collisions);
  g_test_add_func ("/hash/bytes", test_bytes);
  return g_test_run ();
}
