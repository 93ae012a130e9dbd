/* storerig.h: records derived from a number, folders, and this program run as another process.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TESTS_STORE_RIG_H
#define TESTS_STORE_RIG_H

#include <errno.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plugins/clip/clipstore.h"

#define MIB (1024 * 1024)

/* Modes of the program when run as: PROGRAM mode location n. */
typedef struct {
  const gchar *mode;
  gint (*run) (const gchar *location, guint n);
} StoreMode;

static gchar *program;

static void
store_rig_init (gint *argc, gchar ***argv, const StoreMode *modes)
{
  for (; *argc == 4 && modes->mode; modes++)
    if (g_str_equal ((*argv)[1], modes->mode))
      exit (modes->run ((*argv)[2], strtoul ((*argv)[3], NULL, 10)));
  program = (*argv)[0];
  g_test_init (argc, argv, NULL);
}

/* Records by number, which determines key, size and bytes. */

static GBytes *
make_key (guint n)
{
  gchar *key = g_strdup_printf ("key %u", n);

  return g_bytes_new_take (key, strlen (key));
}

static void
fill (guint n, guint8 *data, gsize size)
{
  guint64 x = n + 1;

  for (gsize i = 0; i < size; i += sizeof x) {
    x = x * G_GUINT64_CONSTANT (6364136223846793005) + 1442695040888963407;
    memcpy (data + i, &x, MIN (sizeof x, size - i));
  }
}

static ClipStoreResult
add (ClipStore *store, guint n, gsize size)
{
  GBytes *key = make_key (n);
  guint8 *data = g_malloc (size);
  const ClipStoreChunk chunks[] = { { data, size / 3 }, { data + size / 3, size - size / 3 } };
  ClipStoreResult result;
  GError *error = NULL;

  fill (n, data, size);
  result = clip_store_add (store, key, chunks, 2, &error);
  g_assert_true ((result == CLIP_STORE_ADDED) == (error == NULL));
  g_clear_error (&error);
  g_free (data);
  g_bytes_unref (key);

  return result;
}

static void
check (const ClipRecord *record, guint n, gsize size)
{
  guint8 *data = g_malloc (size);

  fill (n, data, size);
  g_assert_cmpmem (record->data, record->size, data, size);
  g_assert_cmpuint (GPOINTER_TO_SIZE (record->data) % 64, ==, 0);
  g_free (data);
}

/* FALSE: not found. */
static gboolean
find (ClipStore *store, guint n, gsize size)
{
  GBytes *key = make_key (n);
  ClipRecord *record = clip_store_find (store, key);

  g_bytes_unref (key);
  if (!record)
    return FALSE;
  check (record, n, size);
  clip_record_unref (record);

  return TRUE;
}

static ClipStore *
open_store (const gchar *location, guint64 max_bytes)
{
  GError *error = NULL;
  ClipStore *store = clip_store_open (location, max_bytes, &error);

  g_assert_no_error (error);
  g_assert_nonnull (store);

  return store;
}

static gchar *
make_folder (void)
{
  return g_dir_make_tmp ("clipstore-XXXXXX", NULL);
}

static guint
count (const gchar *location, const gchar *suffix, guint64 *bytes)
{
  GDir *folder = g_dir_open (location, 0, NULL);
  const gchar *name;
  guint n = 0;

  *bytes = 0;
  while ((name = g_dir_read_name (folder))) {
    gchar *path = g_build_filename (location, name, NULL);
    GStatBuf status;

    if (g_str_has_suffix (name, suffix) && g_stat (path, &status) == 0) {
      *bytes += status.st_size;
      n++;
    }
    g_free (path);
  }
  g_dir_close (folder);

  return n;
}

static void
empty_folder (const gchar *location)
{
  GDir *folder = g_dir_open (location, 0, NULL);
  const gchar *name;

  while ((name = g_dir_read_name (folder))) {
    gchar *path = g_build_filename (location, name, NULL);

    g_assert_cmpint (g_remove (path), ==, 0);
    g_free (path);
  }
  g_dir_close (folder);
}

static void
remove_folder (gchar *location)
{
  empty_folder (location);
  g_assert_cmpint (g_rmdir (location), ==, 0);
  g_free (location);
}

/* Other processes */

/* Runs this program with three arguments; *out: reads its output. */
static GPid
start (const gchar *mode, const gchar *location, guint n, gint *out)
{
  gchar number[16];
  gchar *words[] = { program, (gchar *) mode, (gchar *) location, number, NULL };
  GError *error = NULL;
  GPid pid;

  g_snprintf (number, sizeof number, "%u", n);
  g_spawn_async_with_pipes (
      NULL, words, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid, NULL, out, NULL, &error);
  g_assert_no_error (error);

  return pid;
}

static gint
finish (GPid pid)
{
  gint status;

  while (waitpid (pid, &status, 0) < 0)
    g_assert_cmpint (errno, ==, EINTR);

  return WIFEXITED (status) ? WEXITSTATUS (status) : -WTERMSIG (status);
}

#endif
