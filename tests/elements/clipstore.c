/* clipstore.c: records in mapped files, used by many threads and processes, some of which are
 * killed. The program runs itself as the other processes.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

#include "storerig.h"

/* Other processes */

#define MIX_RECORDS 200
#define MIX_MAX (4 * MIB)
#define KILL_SIZE 192000 /* a multiple of 64 */

/* Finds and adds records in its own order: more than the limit allows. */
static gint
run_mix (const gchar *location, guint seed)
{
  ClipStore *store = open_store (location, MIX_MAX);
  GRand *rand = g_rand_new_with_seed (seed);
  gboolean full = FALSE;

  clip_store_set_pack_bytes (store, MIB / 2);
  for (guint i = 0; i < 600; i++) {
    const guint n = g_rand_int_range (rand, 0, MIX_RECORDS);
    const gsize size = 20000 + n * 100;

    if (!find (store, n, size))
      full |= add (store, n, size) == CLIP_STORE_FULL;
  }
  g_rand_free (rand);
  clip_store_unref (store);

  return full ? 3 : 0;
}

/* Adds, and waits until it is killed. */
static gint
run_endless (const gchar *location, guint first)
{
  ClipStore *store = open_store (location, G_MAXUINT64);
  const pid_t parent = getppid ();

  for (guint n = first; n < first + 1000; n++) {
    if (add (store, n, KILL_SIZE) != CLIP_STORE_ADDED)
      return 1;
    if (n == first && write (STDOUT_FILENO, "", 1) != 1)
      return 1;
  }
  while (getppid () == parent)
    g_usleep (1000);
  clip_store_unref (store);

  return 0;
}

/* Reads what the other processes write. */
static gint
run_reader (const gchar *location, guint n_runs)
{
  ClipStore *store = open_store (location, G_MAXUINT64);
  const pid_t parent = getppid ();

  while (getppid () == parent) {
    for (guint run = 0; run < n_runs; run++)
      for (guint n = run * 1000; find (store, n, KILL_SIZE); n++)
        ;
    g_usleep (1000);
  }
  clip_store_unref (store);

  return 0;
}

static gint
run_slow (const gchar *location, guint n_records)
{
  ClipStore *store = open_store (location, 64 * MIB);

  for (guint n = 0; n < n_records; n++) {
    if (add (store, n, 30000) != CLIP_STORE_ADDED)
      return 1;
    g_usleep (20000);
  }
  clip_store_unref (store);

  return 0;
}

/* Tests */

static void
test_round_trip (void)
{
  static const gsize sizes[] = { 0, 1, 63, 64, 65, 4096, 600000, 5000000 };
  gchar *location = make_folder ();
  gchar *folder = g_build_filename (location, "a", "b", NULL);
  ClipStore *store = open_store (folder, 64 * MIB);
  guint8 *long_key = g_malloc0 (2 * MIB);
  GBytes *key = g_bytes_new (long_key, MIB), *too_long = g_bytes_new (long_key, MIB + 1),
         *empty = g_bytes_new (NULL, 0);
  ClipStoreChunk chunks[3000];
  ClipStoreStats stats;
  GError *error = NULL;
  ClipRecord *record;
  guint64 bytes;

  for (guint i = 0; i < G_N_ELEMENTS (chunks); i++)
    chunks[i] = (ClipStoreChunk) { long_key + i, i % 7 };
  for (guint pass = 0; pass < 2; pass++) {
    for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
      g_assert_cmpint (find (store, i, sizes[i]), ==, pass);
      g_assert_cmpint (add (store, i, sizes[i]), ==, CLIP_STORE_ADDED);
      g_assert_true (find (store, i, sizes[i]));
      /* the first one stays */
      g_assert_cmpint (add (store, i, 7), ==, CLIP_STORE_ADDED);
      g_assert_true (find (store, i, sizes[i]));
    }
    g_assert_cmpint (clip_store_add (store, key, chunks, 3000, &error), ==, CLIP_STORE_ADDED);
    g_assert_no_error (error);
    g_assert_cmpint (clip_store_add (store, empty, NULL, 0, NULL), ==, CLIP_STORE_ADDED);
    record = clip_store_find (store, key);
    g_assert_cmpuint (record->size, ==, 3000 / 7 * 21 + 0 + 1 + 2 + 3);
    clip_record_unref (clip_record_ref (record));
    clip_record_unref (record);
    record = clip_store_find (store, empty);
    g_assert_cmpuint (record->size, ==, 0);
    clip_record_unref (record);
    g_assert_cmpint (clip_store_add (store, too_long, chunks, 1, &error), ==, CLIP_STORE_FAILED);
    g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL);
    g_assert_cmpstr (
        error->message, ==, "A key of 1048577 bytes is too long: use a checksum of it.");
    g_clear_error (&error);
    clip_store_get_stats (store, &stats);
    g_assert_cmpuint (stats.records, ==, G_N_ELEMENTS (sizes) + 2);
    g_assert_cmpuint (count (folder, ".pack", &bytes), ==, 1);
    g_assert_cmpuint (stats.bytes, ==, bytes);
    g_assert_cmpuint (bytes % 64, ==, 0);
    g_assert_false (stats.full);
    clip_store_unref (store);
    store = open_store (folder, 64 * MIB);
  }
  clip_store_unref (store);
  g_bytes_unref (key);
  g_bytes_unref (too_long);
  g_bytes_unref (empty);
  g_free (long_key);
  remove_folder (folder);
  folder = g_build_filename (location, "a", NULL);
  remove_folder (folder);
  remove_folder (location);
}

/* A record that does not fit is rejected, and so is one for which there is no disk space. */
static void
test_full (void)
{
  gchar *folder = make_folder ();
  ClipStore *store = open_store (folder, 4096);
  gchar *data = g_malloc0 (8192);
  const ClipStoreChunk chunk = { data, 8192 };
  GBytes *key = g_bytes_new_static ("key", 3);
  GError *error = NULL;

  g_assert_cmpint (clip_store_add (store, key, &chunk, 1, &error), ==, CLIP_STORE_FULL);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (
      error->message, " is full: its *.pack files have 0 of 4096 bytes, and the record takes "));
  g_assert_nonnull (strstr (
      error->message, ". Raise its limit, or remove the files while no process writes them."));
  g_clear_error (&error);
  clip_store_unref (store);

  /* no file can be created in a deleted folder */
  store = open_store (folder, MIB);
  remove_folder (g_strdup (folder));
  g_assert_cmpint (clip_store_add (store, key, &chunk, 1, &error), ==, CLIP_STORE_FAILED);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, "Cannot extend the store in "));
  g_assert_nonnull (
      strstr (error->message, ". Free some room there, or make the folder writable."));
  g_clear_error (&error);
  clip_store_unref (store);
  g_bytes_unref (key);
  g_free (folder);
  g_free (data);
}

static void
assert_not_opened (const gchar *location, const gchar *text)
{
  GError *error = NULL;

  g_assert_null (clip_store_open (location, MIB, &error));
  g_assert_nonnull (error);
  g_test_message ("%s", error->message);
  g_assert_true (error->domain == G_FILE_ERROR);
  g_assert_nonnull (strstr (error->message, location));
  g_assert_nonnull (strstr (error->message, text));
  g_clear_error (&error);
}

static void
test_locations (void)
{
  gchar *location = make_folder ();
  gchar *file = g_build_filename (location, "file", NULL);
  gchar *below = g_build_filename (file, "below", NULL);
  gchar *link = g_build_filename (location, "link", NULL);
  gchar *folder = g_build_filename (location, "folder", NULL);
  gchar *lock = g_build_filename (folder, "lock", NULL);
  ClipStore *store, *again;
  ClipStoreStats stats;

  g_assert_true (g_file_set_contents (file, "", 0, NULL));
  assert_not_opened (file, " is not a folder. Choose another location");
  assert_not_opened (below, "Cannot create the folder ");
  g_assert_cmpint (g_mkdir_with_parents (lock, 0777), ==, 0);
  assert_not_opened (folder, "Cannot write and lock ");
  g_assert_cmpint (g_chmod (folder, 0555), ==, 0);
  g_assert_cmpint (g_rmdir (lock), ==, geteuid () ? -1 : 0);
  if (geteuid ())
    assert_not_opened (folder, "Cannot write and lock ");
  g_assert_cmpint (g_chmod (folder, 0777), ==, 0);
  g_rmdir (lock);

  /* one store for both paths; the last limit applies */
  g_assert_cmpint (symlink ("folder", link), ==, 0);
  store = open_store (folder, MIB);
  again = open_store (link, 1000);
  g_assert_true (store == again);
  g_assert_cmpint (add (store, 0, 2000), ==, CLIP_STORE_FULL);
  clip_store_get_stats (store, &stats);
  g_assert_true (stats.full);
  clip_store_unref (open_store (folder, 10000));
  clip_store_get_stats (store, &stats);
  g_assert_false (stats.full);
  g_assert_cmpint (add (again, 0, 2000), ==, CLIP_STORE_ADDED);
  clip_store_unref (again);
  g_assert_true (find (store, 0, 2000));
  clip_store_unref (clip_store_ref (store));
  clip_store_unref (store);

  g_remove (link);
  g_free (link);
  g_free (below);
  g_free (file);
  g_free (lock);
  remove_folder (folder);
  remove_folder (location);
}

/* Records stay valid after the store and the files are gone. */
static void
test_outlive (void)
{
  gchar *location = make_folder ();
  ClipStore *store = open_store (location, 64 * MIB);
  ClipRecord *records[20];
  ClipStoreStats stats;

  for (guint pass = 0; pass < 2; pass++) {
    for (guint i = 0; i < 20; i++) {
      GBytes *key = make_key (i);

      g_assert_cmpint (add (store, i, 50000), ==, CLIP_STORE_ADDED);
      records[i] = clip_store_find (store, key);
      g_bytes_unref (key);
    }
    if (pass)
      clip_store_unref (store);
    empty_folder (location);
    for (guint i = 0; i < 20; i++) {
      check (records[i], i, 50000);
      clip_record_unref (records[i]);
    }
    if (pass)
      break;
    /* emptied while the store is open: mapped records are still found, and new ones go to a new
     * file */
    g_assert_cmpint (add (store, 1000, 50000), ==, CLIP_STORE_ADDED);
    g_assert_true (find (store, 1000, 50000));
    clip_store_get_stats (store, &stats);
    g_assert_cmpuint (stats.bytes, <, 60000);
  }
  remove_folder (location);
}

typedef struct {
  ClipStore *store;
  guint seed;
} Thread;

static gpointer
use_store (gpointer data)
{
  Thread *thread = data;
  GRand *rand = g_rand_new_with_seed (thread->seed);

  for (guint i = 0; i < 500; i++) {
    const guint n = g_rand_int_range (rand, 0, 150);

    if (g_rand_boolean (rand)) {
      g_assert_cmpint (add (thread->store, n, 1000 + 37 * n), ==, CLIP_STORE_ADDED);
      g_assert_true (find (thread->store, n, 1000 + 37 * n));
    } else {
      find (thread->store, n, 1000 + 37 * n);
    }
  }
  g_rand_free (rand);

  return NULL;
}

static void
test_threads (void)
{
  gchar *location = make_folder ();
  ClipStore *store = open_store (location, 64 * MIB);
  Thread threads[8];
  GThread *handles[8];
  ClipStoreStats stats;
  guint64 bytes, wanted = 0;
  guint n_packs;

  clip_store_set_pack_bytes (store, 100000);
  for (guint i = 0; i < 8; i++) {
    threads[i] = (Thread) { store, i };
    handles[i] = g_thread_new ("use", use_store, threads + i);
  }
  for (guint i = 0; i < 8; i++)
    g_thread_join (handles[i]);
  for (guint n = 0; n < 150; n++) {
    g_assert_true (find (store, n, 1000 + 37 * n));
    wanted += 128 + (1000 + 37 * n + 63) / 64 * 64;
  }
  clip_store_get_stats (store, &stats);
  g_assert_cmpuint (stats.records, ==, 150);
  /* none was added twice */
  n_packs = count (location, ".pack", &bytes);
  g_assert_cmpuint (bytes, ==, wanted + n_packs * 64);
  g_assert_cmpuint (n_packs, >=, bytes / 100000 + 1);
  clip_store_unref (store);
  remove_folder (location);
}

static void
test_processes (void)
{
  gchar *location = make_folder ();
  guint64 bytes, most = 0;
  guint n_found = 0, n_full = 0, n_running = 4;
  ClipStore *store;
  GPid pids[4];

  for (guint i = 0; i < 4; i++)
    pids[i] = start ("mix", location, i, NULL);
  while (n_running > 0) {
    count (location, ".pack", &bytes);
    most = MAX (most, bytes);
    g_assert_cmpuint (bytes, <=, MIX_MAX);
    for (guint i = 0; i < 4; i++) {
      siginfo_t info = { 0 };

      if (pids[i] == 0
          || (waitid (P_PID, pids[i], &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0))
        continue;
      switch (finish (pids[i])) {
        case 3:
          n_full++;
          break;
        case 0:
          break;
        default:
          g_assert_not_reached ();
      }
      pids[i] = 0;
      n_running--;
    }
    g_usleep (1000);
  }
  g_assert_cmpuint (n_full, >, 0);
  store = open_store (location, MIX_MAX);
  for (guint n = 0; n < MIX_RECORDS; n++)
    n_found += find (store, n, 20000 + n * 100);
  g_test_message ("%u records, at most %" G_GUINT64_FORMAT " bytes", n_found, most);
  g_assert_cmpuint (n_found, >, 80);
  clip_store_unref (store);
  remove_folder (location);
}

/* Waits for the other process. */
static void
meet (gint *arrived, gint round)
{
  const gint64 start_time = g_get_monotonic_time ();

  g_atomic_int_inc (arrived);
  while (g_atomic_int_get (arrived) < 2 * round) {
    g_assert_cmpint (g_get_monotonic_time () - start_time, <, 60 * G_USEC_PER_SEC);
    sched_yield ();
  }
}

/* Two processes add at the same moment, with room for one record. */
static void
test_last_room (void)
{
  gchar *location = make_folder ();
  gint *shared = mmap (NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  gint *arrived = shared, *added = shared + 1;
  const pid_t parent = getpid (), child = fork ();
  const gint me = getpid () != parent;
  guint64 max_bytes = 2 * (64 + 1024 + 128), bytes;
  ClipStore *store = open_store (location, max_bytes);

  g_assert_cmpint (add (store, me, 1024), ==, CLIP_STORE_ADDED);
  for (gint round = 1; round <= 500; round++) {
    max_bytes += 1024 + 128;
    clip_store_unref (open_store (location, max_bytes));
    meet (arrived, 2 * round - 1);
    if (add (store, 2 * round + me, 1024) == CLIP_STORE_ADDED)
      g_atomic_int_inc (added);
    meet (arrived, 2 * round);
    count (location, ".pack", &bytes);
    g_assert_cmpuint (bytes, <=, max_bytes);
    g_assert_cmpint (g_atomic_int_get (added), >=, round);
  }
  clip_store_unref (store);
  if (me)
    _exit (0);
  g_assert_cmpint (finish (child), ==, 0);
  g_assert_cmpint (*added, ==, 500);
  munmap (shared, 4096);
  remove_folder (location);
}

/* A child that keeps using its parent's store writes to a file of its own. */
static void
test_fork (void)
{
  gchar *location = make_folder ();
  ClipStore *store = open_store (location, 64 * MIB);
  guint64 bytes;
  pid_t pid;

  add (store, 0, 1000);
  pid = fork ();
  if (pid == 0) {
    for (guint n = 100; n < 150; n++)
      if (add (store, n, 10000) != CLIP_STORE_ADDED || !find (store, n, 10000))
        _exit (1);
    _exit (0);
  }
  for (guint n = 1; n < 50; n++)
    add (store, n, 10000);
  g_assert_cmpint (finish (pid), ==, 0);
  g_assert_cmpuint (count (location, ".pack", &bytes), ==, 2);
  g_usleep (G_USEC_PER_SEC / 4);
  for (guint n = 1; n < 50; n++)
    g_assert_true (find (store, n, 10000) && find (store, 99 + n, 10000));
  clip_store_unref (store);
  remove_folder (location);
}

static void
test_growing (void)
{
  gchar *location = make_folder ();
  ClipStore *store = open_store (location, 64 * MIB);
  const GPid pid = start ("slow", location, 40, NULL);
  const gint64 start = g_get_monotonic_time ();
  guint64 bytes;

  for (guint n = 0; n < 40; n++)
    while (!find (store, n, 30000)) {
      g_assert_cmpint (g_get_monotonic_time () - start, <, 60 * G_USEC_PER_SEC);
      g_usleep (1000);
    }
  g_assert_cmpint (finish (pid), ==, 0);
  /* its file is unlocked now */
  add (store, 100, 30000);
  g_assert_cmpuint (count (location, ".pack", &bytes), ==, 1);
  clip_store_unref (store);
  remove_folder (location);
}

/* Emptied and filled by others while the store is open. */
static void
test_replaced (void)
{
  gchar *location = make_folder ();
  ClipStore *store = open_store (location, 64 * MIB);
  guint64 bytes;

  for (guint n_records = 1; n_records < 4; n_records++) {
    const gint64 start_time = g_get_monotonic_time ();

    g_assert_cmpint (finish (start ("slow", location, n_records, NULL)), ==, 0);
    g_assert_cmpuint (count (location, "0000.pack", &bytes), ==, 1);
    while (!find (store, n_records - 1, 30000)) {
      g_assert_cmpint (g_get_monotonic_time () - start_time, <, 60 * G_USEC_PER_SEC);
      g_usleep (1000);
    }
    for (guint n = 0; n < n_records; n++)
      g_assert_true (find (store, n, 30000));
    empty_folder (location);
  }
  clip_store_unref (store);
  remove_folder (location);
}

static void
test_kills (void)
{
  gchar *location = make_folder ();
  GRand *rand = g_rand_new_with_seed (g_test_rand_int ());
  guint64 n_records = 0, bytes;
  guint n_tails = 0;
  ClipStoreStats stats;
  ClipStore *store;
  GPid reader;

  reader = start ("reader", location, 40, NULL);
  for (guint run = 0; run < 40; run++) {
    gint out;
    gchar byte;
    const GPid pid = start ("endless", location, run * 1000, &out);

    /* after its first record: by then it has taken over the file */
    g_assert_cmpint (read (out, &byte, 1), ==, 1);
    g_usleep (g_rand_int_range (rand, 0, 5000));
    kill (pid, SIGKILL);
    g_assert_cmpint (finish (pid), ==, -SIGKILL);
    close (out);

    store = open_store (location, G_MAXUINT64);
    for (guint n = run * 1000; find (store, n, KILL_SIZE); n++)
      n_records++;
    clip_store_get_stats (store, &stats);
    g_assert_cmpuint (stats.records, ==, n_records);
    n_tails +=
        stats.bytes > 64 + (n_records - run / 2) * (128 + KILL_SIZE) + run / 2 * (128 + 1024);
    /* in every other run this process completes the file */
    if (run % 2) {
      g_assert_cmpint (add (store, G_MAXUINT - run, 1000), ==, CLIP_STORE_ADDED);
      n_records++;
    }
    clip_store_unref (store);
  }
  kill (reader, SIGTERM);
  g_assert_cmpint (finish (reader), ==, -SIGTERM);
  store = open_store (location, G_MAXUINT64);
  for (guint run = 0; run < 40; run++) {
    g_assert_true (find (store, run * 1000, KILL_SIZE));
    g_assert_true (run % 2 == 0 || find (store, G_MAXUINT - run, 1000));
  }
  g_assert_cmpuint (count (location, ".pack", &bytes), ==, 1);
  g_test_message ("%" G_GUINT64_FORMAT " records; %u kills left a part of one", n_records, n_tails);
  clip_store_unref (store);
  g_rand_free (rand);
  remove_folder (location);
}

/* Not a check: prints the speed on this machine. */
static void
test_speed (void)
{
  gchar *location = make_folder ();
  ClipStore *store = open_store (location, 200 * MIB);
  guint8 *data = g_malloc (600000);
  const ClipStoreChunk chunk = { data, 600000 };
  gint64 time = g_get_monotonic_time ();

  fill (0, data, 600000);
  for (guint pass = 0; pass < 4; pass++) {
    for (guint n = 0; n < 200; n++) {
      GBytes *key = make_key (n);

      if (pass == 0) {
        clip_store_add (store, key, &chunk, 1, NULL);
      } else {
        ClipRecord *record = clip_store_find (store, key);

        if (pass == 3)
          memcpy (data, record->data, record->size);
        clip_record_unref (record);
      }
      g_bytes_unref (key);
    }
    time = g_get_monotonic_time () - time;
    g_test_message ("%s: %.1f us, %.2f GB/s",
        ((const gchar *[]) { "add", "find and check", "find", "find and copy" })[pass], time / 200.,
        0.6 * 200 * 1000 / time);
    if (pass == 0) {
      clip_store_unref (store);
      store = open_store (location, 200 * MIB);
    }
    time = g_get_monotonic_time ();
  }
  g_free (data);
  clip_store_unref (store);
  remove_folder (location);
}

int
main (int argc, char **argv)
{
  static const StoreMode modes[] = {
    { "mix", run_mix },
    { "endless", run_endless },
    { "reader", run_reader },
    { "slow", run_slow },
    { NULL },
  };

  store_rig_init (&argc, &argv, modes);
  g_test_add_func ("/clipstore/round-trip", test_round_trip);
  g_test_add_func ("/clipstore/full", test_full);
  g_test_add_func ("/clipstore/locations", test_locations);
  g_test_add_func ("/clipstore/outlive", test_outlive);
  g_test_add_func ("/clipstore/fork", test_fork);
  g_test_add_func ("/clipstore/threads", test_threads);
  g_test_add_func ("/clipstore/processes", test_processes);
  g_test_add_func ("/clipstore/last-room", test_last_room);
  g_test_add_func ("/clipstore/growing", test_growing);
  g_test_add_func ("/clipstore/replaced", test_replaced);
  g_test_add_func ("/clipstore/kills", test_kills);
  g_test_add_func ("/clipstore/speed", test_speed);

  return g_test_run ();
}
