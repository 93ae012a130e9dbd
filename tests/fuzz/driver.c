/* driver.c: the common part of the targets, and a main() for builds without libFuzzer:
 *
 *   fuzz-TARGET FOLDER|FILE...
 *
 * runs the target on each file, and prints TAP.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem() */
#endif
#include "tests/fuzz/target.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/limits.h"

#define MOST_ZEROS 65536
#define SLOW 5 /* seconds that an input may take on a fast machine */

static gchar *folder;
static GHashTable *paths; /* name -> path */

void
fuzz_fail (const gchar *what, const gchar *text)
{
  fprintf (stderr, "%s: %s\n", what, text ? text : "");
  abort ();
}

void
fuzz_check_error (gboolean done, const GError *error)
{
  if (done && error)
    fuzz_fail ("a result, and an error", error->message);
  if (!done && (!error || !error->message || !*error->message))
    fuzz_fail ("neither a result nor an error", NULL);
  if (error && !g_utf8_validate (error->message, -1, NULL))
    fuzz_fail ("an error that is not UTF-8", error->message);
}

void
fuzz_touch (const void *data, gsize size)
{
  const volatile guint8 *bytes = data;

  for (gsize i = 0; i < size; i++)
    (void) bytes[i];
}

static void
on_log (const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer data)
{
  /* which warns about texts that it then rejects */
  if (g_strcmp0 (domain, "GStreamer") == 0)
    return;
  if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING))
    fuzz_fail ("a message of GLib's", message);
}

/* Two levels are enough for the files of the targets. */
static void
remove_folder (const gchar *path)
{
  GDir *dir = g_dir_open (path, 0, NULL);
  const gchar *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree gchar *inner = g_build_filename (path, name, NULL);

    if (g_remove (inner) < 0)
      remove_folder (inner);
  }
  if (dir)
    g_dir_close (dir);
  g_rmdir (path);
}

static void
at_exit (void)
{
  remove_folder (folder);
  g_hash_table_unref (paths);
  g_free (folder);
}

const gchar *
fuzz_folder (void)
{
  if (!folder) {
    folder = g_dir_make_tmp ("cnn3d-fuzz-XXXXXX", NULL);
    if (!folder)
      fuzz_fail ("no folder for files", g_get_tmp_dir ());
    paths = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    atexit (at_exit);
  }
  return folder;
}

const gchar *
fuzz_put (const gchar *name, const void *data, gsize size)
{
  const gchar *in = fuzz_folder ();
  gchar *path = g_hash_table_lookup (paths, name);
  FILE *file;

  if (!path) {
    path = g_build_filename (in, name, NULL);
    g_hash_table_insert (paths, g_strdup (name), path);
  }
  file = fopen (path, "wb");
  if (!file || fwrite (data, 1, size, file) != size || fclose (file) != 0)
    fuzz_fail ("a file cannot be written", path);
  return path;
}

const gchar *
fuzz_put_safetensors (const gchar *name, const void *header, gsize size)
{
  GByteArray *file = g_byte_array_new ();
  const guint64 length = GUINT64_TO_LE (size);
  const guint8 *text = header;
  guint64 number = 0, largest = 0;
  const gchar *path;

  for (gsize i = 0; i < size; i++) {
    number = g_ascii_isdigit (text[i]) ? MIN (number * 10 + text[i] - '0', MOST_ZEROS + 1) : 0;
    if (number <= MOST_ZEROS)
      largest = MAX (largest, number);
  }
  g_byte_array_append (file, (const guint8 *) &length, sizeof length);
  g_byte_array_append (file, header, size);
  g_byte_array_set_size (file, file->len + largest);
  memset (file->data + file->len - largest, 0, largest);
  path = fuzz_put (name, file->data, file->len);
  g_byte_array_unref (file);
  return path;
}

FuzzPart
fuzz_next_part (FuzzPart *rest)
{
  static const gchar line[] = "\n----\n";
  const gsize length = sizeof line - 1;
  const uint8_t *found = rest->size ? memmem (rest->data, rest->size, line, length) : NULL;
  FuzzPart part = *rest;

  rest->data += found ? (gsize) (found - rest->data) + length : rest->size;
  rest->size -= rest->data - part.data;
  if (found)
    part.size = found + 1 - part.data;
  return part;
}

int LLVMFuzzerInitialize (int *argc, char ***argv);

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  g_log_set_default_handler (on_log, NULL);
  return 0;
}

#ifndef WITH_LIBFUZZER

static gint
compare (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const gchar *const *) a, *(const gchar *const *) b);
}

static void
add_files (GPtrArray *files, const gchar *path)
{
  GDir *dir = g_dir_open (path, 0, NULL);
  const gchar *name;

  if (!dir) {
    g_ptr_array_add (files, g_strdup (path));
    return;
  }
  while ((name = g_dir_read_name (dir)))
    g_ptr_array_add (files, g_build_filename (path, name, NULL));
  g_dir_close (dir);
}

/* In memory of exactly this size, so that reads past the end are detected. */
static void
run_file (guint number, const gchar *path)
{
  const gint64 begin = g_get_monotonic_time ();
  g_autofree gchar *name = g_path_get_basename (path), *text = NULL;
  uint8_t *data;
  gsize size;

  if (!g_file_get_contents (path, &text, &size, NULL))
    fuzz_fail ("cannot be read", path);
  data = malloc (MAX (size, 1));
  if (size)
    memcpy (data, text, size);
  /* printed before a possible crash */
  printf ("# %s\n", name);
  fflush (stdout);
  LLVMFuzzerTestOneInput (data, size);
  free (data);
  printf ("%s %u - %s\n", g_get_monotonic_time () - begin > test_limit (SLOW) ? "not ok" : "ok",
      number, name);
}

int
main (int argc, char **argv)
{
  GPtrArray *files = g_ptr_array_new_with_free_func (g_free);

  LLVMFuzzerInitialize (&argc, &argv);
  for (int i = 1; i < argc; i++)
    add_files (files, argv[i]);
  g_ptr_array_sort (files, compare);
  printf ("1..%u\n", files->len);
  for (guint i = 0; i < files->len; i++)
    run_file (i + 1, g_ptr_array_index (files, i));
  g_ptr_array_unref (files);
  return 0;
}

#endif
