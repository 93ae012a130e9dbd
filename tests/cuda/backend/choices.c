/* A timed convolution uses the same plan in every program of a process, whatever a second timing or
 * other processes' changes to the file of choices say; concurrent processes agree.
 *
 * Choices last as long as a process, so each scenario runs in its own: this program again, as
 * `--child SCENARIO ARGUMENT`, with a cache folder of its own.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/evaluate/predictor.h"
#include "tests/cuda/backend/rig.h"

#define N 3                 /* clips: chunks of 2 and of 1 */
#ifdef __SANITIZE_ADDRESS__ /* which is slow */
#define WRITERS 2
#define WAYS 1
#else
#define WRITERS 4
#define WAYS 3
#endif

#define SIZE 16 /* height and width of frames, except for the writers' */

static const gchar *program;
static gchar *folder; /* for this program's files */

static void
params_init (Cnn3dTrainerParams *p, guint size)
{
  rig_params (p, "r3d_18");
  p->network.frames = 4;
  p->network.height = p->network.width = size;
}

/* --- the timings of a scenario --- */

static gfloat
first_is_fastest (guint n)
{
  return 1 + n;
}

static gfloat
last_is_fastest (guint n)
{
  return 1e6f - n;
}

/* --- the file of choices --- */

static gchar *
choices_path (const gchar *cache)
{
  return g_build_filename (cache, "cnn3d", "convolutions.ini", NULL);
}

static gchar *
read_choices (const gchar *cache)
{
  g_autofree gchar *path = choices_path (cache);
  gchar *text = NULL;

  return g_file_get_contents (path, &text, NULL, NULL) ? text : g_strdup ("");
}

static void
write_choices (const gchar *cache, const gchar *text)
{
  g_autofree gchar *path = choices_path (cache), *above = g_path_get_dirname (path);

  g_assert_cmpint (g_mkdir_with_parents (above, 0700), ==, 0);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

/* Adds its lines to a set: two models may share a convolution. */
static void
add_choices (GHashTable *set, const gchar *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (guint i = 0; lines[i]; i++)
    if (strstr (lines[i], "=engine "))
      g_hash_table_add (set, g_strdup (lines[i]));
}

static guint
count_choices (const gchar *text)
{
  g_autoptr (GHashTable) set = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  add_choices (set, text);
  return g_hash_table_size (set);
}

/* Changes by another process between two programs of this one. */
static void
interfere (const gchar *how)
{
  const gchar *cache = g_get_user_cache_dir ();
  g_autofree gchar *path = choices_path (cache), *text = read_choices (cache);

  if (!strcmp (how, "removed")) {
    g_assert_cmpint (g_unlink (path), ==, 0);
  } else if (!strcmp (how, "torn")) {
    text[strlen (text) / 2] = '\0';
    write_choices (cache, text);
  } else if (!strcmp (how, "changed")) {
    g_autoptr (GRegex) names = g_regex_new ("=engine .*", 0, 0, NULL);
    g_autofree gchar *others = g_regex_replace_literal (names, text, -1, 0, "=engine 0", 0, NULL);

    g_assert_cmpstr (text, !=, others);
    write_choices (cache, others);
  } else {
    g_assert_cmpstr (how, ==, "unwritable");
    g_assert_cmpstr (text, ==, "");
  }
}

/* --- a predictor --- */

static Cnn3dPredictor *
predictor (guint chunk)
{
  g_autofree gchar *path =
      g_build_filename (g_getenv ("CNN3D_TEST_MODEL"), "last.safetensors", NULL);
  Cnn3dPredictorParams params;
  g_autoptr (GError) error = NULL;
  Cnn3dPredictor *p;

  cnn3d_predictor_params_init (&params);
  params.model = path;
  params.device = "cuda";
  params.precision =
      CNN3D_PRECISION_32; /* in TF32, to which only some of the double's plans round */
  params.batch = N;
  params.chunk = chunk;
  params.threads = 1;
  p = cnn3d_predictor_new (&params, &error);
  g_assert_no_error (error);
  return p;
}

static guint8 *
clips (gsize *clip)
{
  const gchar *dir = g_getenv ("CNN3D_TEST_MODEL");
  gint32 labels[CLIPS];
  Cnn3dTrainerParams p;

  params_init (&p, g_ascii_strtoull (strrchr (dir, '-') + 1, NULL, 10));
  *clip = clip_bytes (&p);
  return rig_frames (&p, labels);
}

static void
run (guint chunk, gfloat *logits)
{
  Cnn3dPredictor *p = predictor (chunk);
  g_autoptr (GError) error = NULL;
  gsize clip;
  g_autofree guint8 *frames = clips (&clip);

  g_assert_true (cnn3d_predictor_run (p, frames, CNN3D_TYPE_UINT8, NULL, N, logits, &error));
  g_assert_no_error (error);
  cnn3d_predictor_free (&p);
}

/* --- scenarios --- */

/* Unsplit, then in chunks by a second predictor. */
static void
child_chunks (const gchar *how)
{
  gfloat whole[N * CLASSES], chunked[N * CLASSES];
  guint timings;

  cuda->elapsed = first_is_fastest;
  run (0, whole);
  timings = cuda->timings;
  g_assert_cmpuint (timings, >, 0);
  interfere (how);
  cuda->elapsed = last_is_fastest;
  run (2, chunked);
  g_assert_cmpmem (chunked, sizeof chunked, whole, sizeof whole);
  g_assert_cmpuint (cuda->timings, ==, timings);
}

/* Between a predictor's program for two clips and its program for the remaining one. */
static void
child_programs (const gchar *how)
{
  gfloat apart[N * CLASSES], whole[N * CLASSES];
  gsize clip;
  g_autofree guint8 *frames = clips (&clip);
  Cnn3dPredictor *p = predictor (2);

  cuda->elapsed = first_is_fastest;
  g_assert_true (cnn3d_predictor_run (p, frames, CNN3D_TYPE_UINT8, NULL, 2, apart, NULL));
  interfere (how);
  cuda->elapsed = last_is_fastest;
  g_assert_true (cnn3d_predictor_run (
      p, frames + 2 * clip, CNN3D_TYPE_UINT8, NULL, 1, apart + 2 * CLASSES, NULL));
  run (0, whole);
  g_assert_cmpmem (apart, sizeof apart, whole, sizeof whole);
  cnn3d_predictor_free (&p);
}

/* Training, twice, with full batches and a short one. */
static void
child_training (const gchar *how)
{
  Cnn3dTrainerParams p;
  Run first, second;
  guint timings;

  params_init (&p, SIZE);
  p.benchmark = p.tf32 = TRUE;
  cuda->elapsed = first_is_fastest;
  rig_must (&p, "cuda", 1, 0, 0, &first);
  timings = cuda->timings;
  interfere (how);
  cuda->elapsed = last_is_fastest;
  rig_must (&p, "cuda", 1, 0, 0, &second);
  assert_same_bits (&second, &first, how);
  g_assert_cmpuint (cuda->timings, ==, timings);
  run_clear (&first);
  run_clear (&second);
}

/* cuDNN's calls fail while the second program is built: an error, or the same bits. */
static void
child_failures (const gchar *how)
{
  gfloat whole[N * CLASSES], last[CLASSES];
  gsize clip;
  g_autofree guint8 *frames = clips (&clip);
  Cnn3dPredictor *p = predictor (2);
  guint refused = 0;

  cuda->elapsed = first_is_fastest;
  run (0, whole);
  cuda->elapsed = last_is_fastest;
  for (guint i = 0; i < 400; i += 3) {
    g_autoptr (GError) error = NULL;

    dnn_fail_at (1 + i);
    if (cnn3d_predictor_run (p, frames + 2 * clip, CNN3D_TYPE_UINT8, NULL, 1, last, &error))
      g_assert_cmpmem (last, sizeof last, whole + 2 * CLASSES, sizeof last);
    else
      refused += strstr (error->message, "no longer has the plan") != NULL;
  }
  dnn_fail_at (0);
  g_assert_true (cnn3d_predictor_run (p, frames + 2 * clip, CNN3D_TYPE_UINT8, NULL, 1, last, NULL));
  g_assert_cmpmem (last, sizeof last, whole + 2 * CLASSES, sizeof last);
  g_assert_cmpuint (refused, >, 0);
  cnn3d_predictor_free (&p);
}

static void
print_logits (void)
{
  gfloat logits[N * CLASSES];
  g_autofree gchar *sum = NULL;

  run (0, logits);
  sum = g_compute_checksum_for_data (G_CHECKSUM_SHA256, (gconstpointer) logits, sizeof logits);
  g_print ("%s, %u timings\n", sum, cuda->timings);
}

static void
child_logits (const gchar *how)
{
  cuda->elapsed = !strcmp (how, "first") ? first_is_fastest : last_is_fastest;
  print_logits ();
}

static const gchar *others; /* another process's cache */

static gfloat
while_another_settles (guint n)
{
  if (!n) {
    g_autofree gchar *text = read_choices (others);

    write_choices (g_get_user_cache_dir (), text);
  }
  return last_is_fastest (n);
}

/* Another process's choices arrive while this one times its first convolution. */
static void
child_beside (const gchar *cache)
{
  others = cache;
  cuda->elapsed = while_another_settles;
  print_logits ();
}

/* Trains twice, three batches each, while another process does, with the same cache. */
static void
child_sharing (const gchar *how)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  Cnn3dTrainerParams p;
  Run first, second;

  params_init (&p, SIZE);
  p.benchmark = p.tf32 = TRUE;
  cuda->elapsed = !strcmp (how, "first") ? first_is_fastest : last_is_fastest;
  rig_must (&p, "cuda", 1, 3, 0, &first);
  rig_must (&p, "cuda", 1, 3, 0, &second);
  assert_same_bits (&second, &first, how);
  for (guint i = 0; i < first.n_params; i++)
    g_checksum_update (sum, (gconstpointer) first.weights[i], first.counts[i] * sizeof (gfloat));
  g_print ("%s, %u timings\n", g_checksum_get_string (sum), cuda->timings);
  run_clear (&first);
  run_clear (&second);
}

static const struct {
  const gchar *name;
  void (*run) (const gchar *argument);
} scenarios[] = {
  { "chunks", child_chunks },
  { "programs", child_programs },
  { "training", child_training },
  { "failures", child_failures },
  { "logits", child_logits },
  { "beside", child_beside },
  { "sharing", child_sharing },
};

/* --- child processes --- */

static gchar *
new_folder (const gchar *what)
{
  g_autofree gchar *name = g_strdup_printf ("%s-XXXXXX", what);
  gchar *path = g_build_filename (folder, name, NULL);

  g_assert_nonnull (g_mkdtemp (path));
  return path;
}

/* Writes a model for size x size frames; its folder's name ends with the size. */
static gchar *
train (guint size)
{
  g_autofree gchar *name = g_strdup_printf ("model-%u", size);
  gchar *path = g_build_filename (folder, name, NULL);
  Cnn3dTrainerParams p;
  Run r;

  if (g_file_test (path, G_FILE_TEST_EXISTS))
    return path;
  params_init (&p, size);
  p.checkpoint_dir = path;
  rig_must (&p, "cpu", 1, 1, 0, &r);
  run_clear (&r);
  return path;
}

/* Starts a scenario. *out: reads its output. */
static GPid
start (const gchar *scenario, const gchar *argument, const gchar *cache, guint size, gint *out)
{
  g_autofree gchar *model = train (size);
  const gchar *argv[] = { program, "--child", scenario, argument, NULL };
  g_auto (GStrv) env = g_environ_setenv (g_get_environ (), "XDG_CACHE_HOME", cache, TRUE);
  g_autoptr (GError) error = NULL;
  GPid pid;

  env = g_environ_setenv (env, "CNN3D_TEST_MODEL", model, TRUE);
  g_spawn_async_with_pipes (NULL, (gchar **) argv, env, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid,
      NULL, out, NULL, &error);
  g_assert_no_error (error);
  return pid;
}

/* Waits for it; returns its output. */
static gchar *
end (GPid pid, gint out)
{
  GString *text = g_string_new (NULL);
  gchar part[256];
  gssize n;
  gint status;

  while ((n = read (out, part, sizeof part)) > 0 || (n < 0 && errno == EINTR))
    g_string_append_len (text, part, MAX (n, 0));
  close (out);
  while (waitpid (pid, &status, 0) < 0)
    g_assert_cmpint (errno, ==, EINTR);
  if (status)
    g_error ("it ended with status %#x: %s", (guint) status, text->str);
  return g_string_free (text, FALSE);
}

static gchar *
child (const gchar *scenario, const gchar *argument, const gchar *cache)
{
  gint out;
  const GPid pid = start (scenario, argument, cache, SIZE, &out);

  return end (pid, out);
}

/* --- tests --- */

static void
test_scenario (gconstpointer scenario)
{
  static const gchar *const ways[] = { "changed", "removed", "torn" };

  /* training reads the file as predictors do */
  for (guint i = 0; i < (strcmp (scenario, "training") ? WAYS : 1); i++) {
    g_autofree gchar *cache = new_folder (scenario), *out = child (scenario, ways[i], cache);

    (void) out;
    g_test_message ("%s: the same bits", ways[i]);
  }
}

/* Choices are made even if they cannot be stored. */
static void
test_unwritable (void)
{
  g_autofree gchar *cache = g_build_filename (folder, "a file", NULL), *chunks = NULL,
                   *programs = NULL;

  g_assert_true (g_file_set_contents (cache, "", -1, NULL));
  chunks = child ("chunks", "unwritable", cache);
  programs = child ("programs", "unwritable", cache);
}

static void
test_failures (void)
{
  g_autofree gchar *cache = new_folder ("failures"), *out = child ("failures", "", cache);

  (void) out;
}

/* The next process uses the stored choice, and so does one that runs at the same time. */
static void
test_processes (void)
{
  g_autofree gchar *cache = new_folder ("first"), *other = new_folder ("last"),
                   *beside = new_folder ("beside");
  g_autofree gchar *first = child ("logits", "first", cache),
                   *last = child ("logits", "last", other);
  g_autofree gchar *again = child ("logits", "last", cache),
                   *adopted = child ("beside", cache, beside);
  g_autofree gchar *theirs = read_choices (cache), *ours = read_choices (beside);

  g_test_message ("settled on the first: %s; on the last: %s", first, last);
  /* up to the end of the checksum: 64 digits */
  g_assert_cmpint (strncmp (first, last, 64), !=, 0);
  g_assert_cmpint (strncmp (again, first, 64), ==, 0);
  g_assert_nonnull (strstr (again, ", 0 timings"));
  g_assert_cmpint (strncmp (adopted, first, 64), ==, 0);
  g_assert_null (strstr (adopted, ", 0 timings"));
  g_assert_cmpstr (ours, ==, theirs);
}

/* Two that train at the same time, for which other plans are the fastest: neither changes its bits,
 * and both have the same. */
static void
test_sharing (void)
{
  static const gchar *const ways[] = { "first", "last" };
  g_autofree gchar *cache = new_folder ("sharing");
  gchar *printed[2];
  GPid pids[2];
  gint outs[2];

  for (guint i = 0; i < 2; i++)
    pids[i] = start ("sharing", ways[i], cache, SIZE, &outs[i]);
  for (guint i = 0; i < 2; i++) {
    printed[i] = end (pids[i], outs[i]);
    g_test_message ("%s: %s", ways[i], printed[i]);
  }
  g_assert_cmpint (strncmp (printed[0], printed[1], 64), ==, 0);
  for (guint i = 0; i < 2; i++)
    g_free (printed[i]);
}

/* From a truncated file, the readable part is used. */
static void
test_torn (void)
{
  g_autofree gchar *cache = new_folder ("torn"), *first = child ("logits", "first", cache),
                   *again = NULL;
  g_autofree gchar *whole = read_choices (cache), *half = g_strndup (whole, strlen (whole) / 2),
                   *repaired = NULL;

  write_choices (cache, half);
  again = child ("logits", "first", cache);
  repaired = read_choices (cache);
  g_assert_cmpint (strncmp (again, first, 64), ==, 0);
  g_assert_cmpuint (count_choices (repaired), ==, count_choices (whole));
}

/* Processes that write at the same time lose none of each other's choices. */
static void
test_writers (void)
{
  g_autoptr (GHashTable) alone = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autofree gchar *shared = new_folder ("shared"), *text = NULL;
  GPid pids[WRITERS];
  gint outs[WRITERS];

  for (guint i = 0; i < WRITERS; i++) {
    g_autofree gchar *cache = new_folder ("alone"), *own = NULL;
    gint out;
    const GPid pid = start ("logits", "first", cache, 8 + 4 * i, &out);
    g_autofree gchar *printed = end (pid, out);

    own = read_choices (cache);
    add_choices (alone, own);
  }
  for (guint i = 0; i < WRITERS; i++)
    pids[i] = start ("logits", "first", shared, 8 + 4 * i, &outs[i]);
  for (guint i = 0; i < WRITERS; i++)
    g_free (end (pids[i], outs[i]));
  text = read_choices (shared);
  g_test_message ("%u of %u choices are kept", count_choices (text), g_hash_table_size (alone));
  g_assert_cmpuint (count_choices (text), ==, g_hash_table_size (alone));
}

static void
remove_all (const gchar *path)
{
  GDir *dir = g_file_test (path, G_FILE_TEST_IS_DIR) ? g_dir_open (path, 0, NULL) : NULL;
  const gchar *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree gchar *each = g_build_filename (path, name, NULL);

    remove_all (each);
  }
  g_clear_pointer (&dir, g_dir_close);
  g_remove (path);
}

int
main (int argc, char **argv)
{
  gint result;

  program = argv[0];
  if (argc == 4 && !strcmp (argv[1], "--child")) {
    rig_init ();
    for (guint i = 0; i < G_N_ELEMENTS (scenarios); i++)
      if (!strcmp (scenarios[i].name, argv[2])) {
        scenarios[i].run (argv[3]);
        return 0;
      }
    return 2;
  }
  g_test_init (&argc, &argv, NULL);
  rig_init ();
  folder = g_dir_make_tmp ("cuda-choices-XXXXXX", NULL);
  g_test_add_data_func ("/choices/chunks", "chunks", test_scenario);
  g_test_add_data_func ("/choices/programs", "programs", test_scenario);
  g_test_add_data_func ("/choices/training", "training", test_scenario);
  g_test_add_func ("/choices/unwritable", test_unwritable);
  g_test_add_func ("/choices/failures", test_failures);
  g_test_add_func ("/choices/processes", test_processes);
  g_test_add_func ("/choices/sharing", test_sharing);
  g_test_add_func ("/choices/torn", test_torn);
  g_test_add_func ("/choices/writers", test_writers);
  result = g_test_run ();
  remove_all (folder);
  g_free (folder);
  return result;
}
