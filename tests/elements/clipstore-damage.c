/* clipstore-damage.c: damaged files, foreign files, and full disks.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* unshare() */
#endif
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "storerig.h"

#define SKIPPED 77

/* A pack of three records, as bytes */

#define SMALL 100

static gchar *
pack_path (const gchar *location, guint number)
{
  return g_strdup_printf ("%s/clips-%04u.pack", location, number);
}

static void
add_three (ClipStore *store, guint first)
{
  for (guint n = first; n < first + 3; n++)
    g_assert_cmpint (add (store, n, SMALL), ==, CLIP_STORE_ADDED);
}

/* Returns how many are found. */
static guint
find_three (ClipStore *store, guint first)
{
  guint n_found = 0;

  for (guint n = first; n < first + 3; n++)
    n_found += find (store, n, SMALL);

  return n_found;
}

static gchar *
make_small_pack (const gchar *location, gsize *size)
{
  gchar *path = pack_path (location, 0), *bytes;
  ClipStore *store = open_store (location, MIB);

  add_three (store, 0);
  clip_store_unref (store);
  g_assert_true (g_file_get_contents (path, &bytes, size, NULL));
  g_assert_cmpuint (*size, ==, 64 + 3 * (64 + 64 + 128));
  g_free (path);

  return bytes;
}

/* Opens the pack, looks up all records, adds the missing ones, and looks again, then as another
 * process would. Returns the number found at first. */
static guint
use_damaged (const gchar *location, const gchar *bytes, gsize size)
{
  gchar *path = pack_path (location, 0);
  ClipStore *store;
  guint n_found;

  empty_folder (location);
  g_assert_true (
      g_file_set_contents_full (path, bytes, size, G_FILE_SET_CONTENTS_NONE, 0666, NULL));
  store = open_store (location, MIB);
  n_found = find_three (store, 0);
  add_three (store, 0);
  add_three (store, 10);
  for (guint pass = 0; pass < 2; pass++) {
    g_assert_cmpuint (find_three (store, 0), ==, 3);
    g_assert_cmpuint (find_three (store, 10), ==, 3);
    clip_store_unref (store);
    store = open_store (location, MIB);
  }
  clip_store_unref (store);
  g_free (path);

  return n_found;
}

static void
test_truncated (void)
{
  gchar *location = make_folder (), *bytes;
  gsize size;

  bytes = make_small_pack (location, &size);
  for (gsize n = 0; n <= size; n++)
    g_assert_cmpuint (use_damaged (location, bytes, n), ==, n < 64 ? 0 : (n - 64) / 256);
  g_free (bytes);
  remove_folder (location);
}

static void
test_changed (void)
{
  gchar *location = make_folder (), *bytes;
  gsize size;

  bytes = make_small_pack (location, &size);
  for (gsize i = 0; i < size; i++)
    for (guint k = 0; k < 3; k++) {
      const gchar byte = bytes[i];
      const gsize in = (i - 64) % 256;
      guint n_wanted = 2;

      bytes[i] = k == 0 ? byte ^ 1 << i % 8 : k == 1 ? ~byte : 0;
      if (i < 64)
        n_wanted = 0;
      else if (in < 64)
        n_wanted = (i - 64) / 256;
      else if ((in >= 64 + 5 && in < 128) || in >= 128 + SMALL)
        n_wanted = 3; /* padding */
      if (bytes[i] == byte)
        n_wanted = 3;
      g_assert_cmpuint (use_damaged (location, bytes, size), ==, n_wanted);
      bytes[i] = byte;
    }
  g_free (bytes);
  remove_folder (location);
}

/* A record that its writer did not complete is truncated, unless another process may have mapped
 * it. */
static void
test_tails (void)
{
  gchar *location = make_folder (), *bytes, *tail;
  guint64 all;
  gsize size;

  bytes = make_small_pack (location, &size);
  tail = g_malloc (size + 5000);
  memcpy (tail, bytes, size);
  memset (tail + size, 0, 64);
  memset (tail + size + 64, 'x', 5000 - 64);
  g_assert_cmpuint (use_damaged (location, tail, size + 5000), ==, 3);
  g_assert_cmpuint (count (location, ".pack", &all), ==, 1);
  g_assert_cmpuint (all, ==, size + 3 * 256);

  /* neither a valid header nor an empty one */
  tail[size] = 'x';
  g_assert_cmpuint (use_damaged (location, tail, size + 5000), ==, 3);
  g_assert_cmpuint (count (location, ".pack", &all), ==, 2);
  g_assert_cmpuint (all, ==, size + 5000 + 64 + 3 * 256);

  /* the second header is gone, but not the third record */
  memset (tail + 64 + 256, 0, 64);
  g_assert_cmpuint (use_damaged (location, tail, size), ==, 1);
  g_assert_cmpuint (count (location, ".pack", &all), ==, 2);
  g_assert_cmpuint (all, ==, size + 64 + 5 * 256);
  g_free (tail);
  g_free (bytes);
  remove_folder (location);
}

/* Two processes may have added the same keys: for each, the intact record is found, whichever is
 * damaged. */
static void
test_duplicates (void)
{
  gchar *location = make_folder (), *bytes[2], *path;
  ClipStoreStats stats;
  ClipStore *store;
  gsize size;

  for (guint i = 0; i < 2; i++) {
    empty_folder (location);
    bytes[i] = make_small_pack (location, &size);
    bytes[i][64 + i * 256 + 128]++;
  }
  for (guint i = 0; i < 2; i++) {
    path = pack_path (location, i);
    g_assert_true (g_file_set_contents (path, bytes[i], size, NULL));
    g_free (path);
    g_free (bytes[i]);
  }
  store = open_store (location, MIB);
  g_assert_cmpuint (find_three (store, 0), ==, 3);
  clip_store_get_stats (store, &stats);
  g_assert_cmpuint (stats.records, ==, 3);
  clip_store_unref (store);
  remove_folder (location);
}

/* Data that another process may have mapped stays in place. */
static void
test_mapped (void)
{
  gchar *location = make_folder (), *path = pack_path (location, 0);
  ClipStore *store = open_store (location, 64 * MIB);
  ClipRecord *record;
  guint64 bytes;
  GBytes *key = make_key (9);
  gint fd;

  for (guint n = 0; n < 10; n++)
    add (store, n, 100000);
  record = clip_store_find (store, key);
  clip_store_unref (store);
  count (location, ".pack", &bytes);

  fd = g_open (path, O_WRONLY, 0);
  g_assert_cmpint (pwrite (fd, "?", 1, 64 + 5 * (128 + 100032)), ==, 1);
  close (fd);
  store = open_store (location, 64 * MIB);
  for (guint n = 0; n < 10; n++)
    g_assert_cmpint (find (store, n, 100000), ==, n < 5);
  add (store, 9, 100000);
  check (record, 9, 100000);
  g_assert_true (find (store, 9, 100000));
  clip_record_unref (record);
  g_assert_cmpuint (count (location, ".pack", &bytes), ==, 2);
  clip_store_unref (store);
  g_bytes_unref (key);
  g_free (path);
  remove_folder (location);
}

static void
test_foreign (void)
{
  static const gchar *const names[] = {
    "clips-0000.pack",
    "clips-0001.pack",
    "clips-12.pack",
    "clips-00012.pack",
    "clips-9999999999.pack",
    "notes.txt",
    "clips-0003.pack.tmp",
    "x.pack",
  };
  gchar *location = make_folder (), *zeros = g_malloc0 (1000), *path, *bytes;
  ClipStoreStats stats;
  ClipStore *store;
  guint64 all;
  gsize size;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    path = g_build_filename (location, names[i], NULL);
    g_assert_true (g_file_set_contents (path, i ? zeros : "text", i ? 1000 : 4, NULL));
    g_free (path);
  }
  path = pack_path (location, 2);
  g_assert_cmpint (symlink ("/dev/zero", path), ==, 0);
  g_free (path);
  path = pack_path (location, 3);
  g_assert_cmpint (mkfifo (path, 0666), ==, 0);
  g_free (path);
  path = pack_path (location, 4);
  g_assert_cmpint (g_mkdir (path, 0777), ==, 0);
  g_free (path);
  store = open_store (location, MIB);
  add_three (store, 0);
  clip_store_unref (store);
  store = open_store (location, MIB);
  g_assert_cmpuint (find_three (store, 0), ==, 3);
  clip_store_get_stats (store, &stats);
  g_assert_cmpuint (stats.records, ==, 3);
  g_assert_cmpuint (stats.bytes, ==, 4 + 5 * 1000 + 64 + 3 * 256);
  clip_store_unref (store);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    path = g_build_filename (location, names[i], NULL);
    g_assert_true (g_file_get_contents (path, &bytes, &size, NULL));
    g_assert_cmpmem (bytes, size, i ? zeros : "text", i ? 1000 : 4);
    g_free (bytes);
    g_free (path);
  }
  g_assert_cmpuint (count (location, "0005.pack", &all), ==, 1);
  g_free (zeros);
  remove_folder (location);
}

/* Limits */

static void
test_full (void)
{
  gchar *location = make_folder ();
  ClipStore *store = open_store (location, 100000);
  ClipStoreStats stats;
  guint64 bytes;
  guint n = 0;

  clip_store_set_pack_bytes (store, 20000);
  while (add (store, n, 5000) == CLIP_STORE_ADDED)
    n++;
  g_assert_cmpuint (n, ==, 19);
  clip_store_get_stats (store, &stats);
  g_assert_true (stats.full);
  g_assert_cmpint (add (store, 0, 5000), ==, CLIP_STORE_ADDED);
  clip_store_unref (store);
  store = open_store (location, 100000);
  for (guint i = 0; i < n; i++)
    g_assert_true (find (store, i, 5000));
  g_assert_cmpint (add (store, n, 5000), ==, CLIP_STORE_FULL);
  g_assert_cmpuint (count (location, ".pack", &bytes), ==, 7);
  g_assert_cmpuint (bytes, <=, 100000);
  clip_store_unref (store);
  /* longer than the file size limit */
  store = open_store (location, 10 * MIB);
  clip_store_set_pack_bytes (store, 20000);
  g_assert_cmpint (add (store, n, 5000), ==, CLIP_STORE_ADDED);
  g_assert_cmpint (add (store, 1000, 100000), ==, CLIP_STORE_ADDED);
  g_assert_true (find (store, 1000, 100000));
  clip_store_unref (store);
  remove_folder (location);
}

static void
test_file_limit (void)
{
  gchar *location = make_folder ();
  ClipStore *store = open_store (location, 64 * MIB);
  struct rlimit old, limit;
  ClipStoreStats stats;

  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &old), ==, 0);
  limit = old;
  limit.rlim_cur = 50000;
  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  for (guint n = 0; n < 8; n++)
    g_assert_cmpint (add (store, n, 10000), ==, n < 4 ? CLIP_STORE_ADDED : CLIP_STORE_FULL);
  clip_store_get_stats (store, &stats);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &old), ==, 0);
  g_assert_true (stats.full);
  g_assert_cmpuint (stats.records, ==, 4);
  g_assert_cmpint (add (store, 8, 10000), ==, CLIP_STORE_ADDED);
  for (guint n = 0; n < 9; n++)
    g_assert_cmpint (find (store, n, 10000), ==, n < 4 || n == 8);
  clip_store_unref (store);
  remove_folder (location);
}

/* In place: GLib would write another file and rename it. */
static gboolean
write_text (const gchar *path, const gchar *text)
{
  const gint fd = g_open (path, O_WRONLY, 0);
  const gboolean written = fd >= 0 && write (fd, text, strlen (text)) == (gssize) strlen (text);

  if (fd >= 0)
    close (fd);

  return written;
}

/* Namespaces in which the program may mount. */
static gboolean
become_root (void)
{
  gchar *uids = g_strdup_printf ("0 %u 1", geteuid ());
  gchar *gids = g_strdup_printf ("0 %u 1", getegid ());
  const gboolean done = unshare (CLONE_NEWNS) == 0
      || (unshare (CLONE_NEWUSER | CLONE_NEWNS) == 0 && write_text ("/proc/self/setgroups", "deny")
          && write_text ("/proc/self/uid_map", uids) && write_text ("/proc/self/gid_map", gids));

  g_free (uids);
  g_free (gids);

  return done;
}

/* A disk of 1 MiB, visible to this process only. */
static gint
run_small_disk (const gchar *location, guint unused)
{
  guint n = 0, found = 0;
  ClipStore *store;

  if (!become_root () || mount ("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0
      || mount ("none", location, "tmpfs", 0, "size=1m") < 0)
    return SKIPPED;
  store = open_store (location, 64 * MIB);
  while (add (store, n, 100000) == CLIP_STORE_ADDED)
    n++;
  g_assert_cmpuint (n, ==, 10);
  g_assert_cmpint (add (store, n, 100000), ==, CLIP_STORE_FULL);
  /* a record too long for the disk does not affect others */
  g_assert_cmpint (add (store, 100, 1000), ==, CLIP_STORE_ADDED);
  for (guint i = 0; i <= n; i++)
    found += find (store, i, 100000);
  g_assert_cmpuint (found, ==, n);
  clip_store_unref (store);
  store = open_store (location, 64 * MIB);
  for (guint i = 0; i < n; i++)
    g_assert_true (find (store, i, 100000));
  g_assert_true (find (store, 100, 1000));
  clip_store_unref (store);
  umount (location);

  return 0;
}

static void
test_small_disk (void)
{
  gchar *location = make_folder ();
  const gint status = finish (start ("small-disk", location, 0, NULL));

  if (status == SKIPPED)
    g_test_skip ("may not mount a file system");
  else
    g_assert_cmpint (status, ==, 0);
  remove_folder (location);
}

static void
ignore (const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer data)
{
}

int
main (int argc, char **argv)
{
  static const StoreMode modes[] = {
    { "small-disk", run_small_disk },
    { NULL },
  };

  store_rig_init (&argc, &argv, modes);
  /* thousands of damaged records */
  g_log_set_handler (NULL, G_LOG_LEVEL_DEBUG, ignore, NULL);
  g_test_add_func ("/clipstore-damage/truncated", test_truncated);
  g_test_add_func ("/clipstore-damage/changed", test_changed);
  g_test_add_func ("/clipstore-damage/tails", test_tails);
  g_test_add_func ("/clipstore-damage/duplicates", test_duplicates);
  g_test_add_func ("/clipstore-damage/mapped", test_mapped);
  g_test_add_func ("/clipstore-damage/foreign", test_foreign);
  g_test_add_func ("/clipstore-damage/full", test_full);
  g_test_add_func ("/clipstore-damage/file-limit", test_file_limit);
  g_test_add_func ("/clipstore-damage/small-disk", test_small_disk);

  return g_test_run ();
}
