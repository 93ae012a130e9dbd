/* recompute=offload on a CPU: what waits for the backward pass is in a file, which takes the predicted
 * bytes, or is refused with what to do.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "src/train/fit.h"
#include "tests/networks.h"
#include "counting/counting.h"

#define BATCH 5

static const Cnn3dBackend *backend;
static Cnn3dDevice *device;
static Counting *counting;

/* Blocks' outputs are most of its memory. */
static void
params_init (Cnn3dTrainerParams *p)
{
  cnn3d_trainer_params_init (p);
  p->network = (Cnn3dNetworkParams) { "slow_r50", 7, 8, 3, 8, 48, 56, 0 };
  p->device = "cpu";
  p->threads = 1;
  p->recompute = CNN3D_RECOMPUTE_OFFLOAD;
}

static Cnn3dFit
measure (const Cnn3dTrainerParams *p)
{
  g_autoptr (GError) error = NULL;
  Cnn3dFit fit;

  cnn3d_fit_measure (backend, device, p, BATCH, BATCH, CNN3D_RECOMPUTE_OFFLOAD, &fit, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (fit.memory.store, >, 0);
  return fit;
}

static void
assert_nothing_left (void)
{
  g_assert_cmpuint (counting->bytes, ==, 0);
  g_assert_cmpuint (counting->programs, ==, 0);
  g_assert_cmpuint (counting->models, ==, 0);
}

static gboolean
run_batch (Cnn3dTrainer *t, GError **error)
{
  const Cnn3dNetworkParams *p = &cnn3d_trainer_network (t)->params;
  g_autofree guint8 *frames = g_malloc0 (BATCH * cnn3d_frames_bytes (p, CNN3D_TYPE_UINT8));
  const gint32 labels[BATCH] = { 0, 1, 2 };
  const Cnn3dBatch batch = { frames, CNN3D_TYPE_UINT8, labels, BATCH, BATCH };
  Cnn3dProgress progress;

  return cnn3d_trainer_run (t, &batch, &progress, error);
}

/* Bytes of the only open file without a name that is called like a store. */
static guint64
store_bytes (void)
{
  GDir *folder = g_dir_open ("/proc/self/fd", 0, NULL);
  const gchar *name;
  guint64 bytes = 0;

  while (folder && (name = g_dir_read_name (folder))) {
    g_autofree gchar *path = g_build_filename ("/proc/self/fd", name, NULL);
    g_autofree gchar *target = g_file_read_link (path, NULL);
    struct stat st;

    if (target && strstr (target, "/cnn3d-offload-") && g_str_has_suffix (target, " (deleted)")
        && stat (path, &st) == 0) {
      g_assert_cmpuint (bytes, ==, 0);
      bytes = st.st_size;
      g_assert_cmpuint (st.st_blocks * 512, >=, st.st_size);
    }
  }
  if (folder)
    g_dir_close (folder);
  return bytes;
}

/* --- the same bits --- */

#define STEPS 2

/* Trains on a whole batch and a short one; returns the weights, by parameter. */
static gfloat **
train (const Cnn3dTrainerParams *p, Cnn3dMemory *memory)
{
  g_autoptr (GError) error = NULL;
  Cnn3dTrainer *t = cnn3d_trainer_new (p, BATCH, &error);
  const Cnn3dNetwork *net;
  gfloat **weights;

  g_assert_no_error (error);
  cnn3d_trainer_memory (t, memory);
  net = cnn3d_trainer_network (t);
  for (guint step = 0; step < STEPS; step++) {
    const guint n = step + 1 < STEPS ? BATCH : BATCH - 2;
    const gsize bytes = n * cnn3d_frames_bytes (&net->params, CNN3D_TYPE_UINT8),
                numbers = n * cnn3d_points_bytes (&net->params) / sizeof (gfloat);
    g_autofree guint8 *frames = g_malloc (bytes), *present = NULL;
    g_autofree gfloat *points = g_new (gfloat, numbers);
    gint32 labels[BATCH];

    for (gsize i = 0; i < bytes; i++)
      frames[i] = (i * 2654435761u + step * 97) >> 13;
    for (gsize i = 0; i < numbers; i++)
      points[i] = (i * 7 + step) % 16 / 15.f;
    for (guint i = 0; i < n; i++)
      labels[i] = (i + step) % net->params.num_classes;
    /* the first view of every other sample is missing */
    if (net->params.views > 1) {
      present = g_malloc (n * net->params.views);
      for (guint i = 0; i < n * net->params.views; i++)
        present[i] = i % (2 * net->params.views) != 0;
    }

    const Cnn3dBatch batch = { frames, CNN3D_TYPE_UINT8, labels, n, (step + 1) * BATCH,
      numbers ? points : NULL, present };
    Cnn3dProgress progress;

    g_assert_true (cnn3d_trainer_run (t, &batch, &progress, &error));
    g_assert_no_error (error);
  }
  weights = g_new0 (gfloat *, net->n_weights + 1);
  for (guint i = 0; i < net->n_weights; i++)
    weights[i] = cnn3d_trainer_get_weight (t, i, NULL);
  cnn3d_trainer_free (&t);
  return weights;
}

static void
test_same_bits (gconstpointer kind)
{
  for (Cnn3dPrecision precision = 0; precision <= CNN3D_PRECISION_BF16_MIXED;
      precision += CNN3D_PRECISION_BF16_MIXED) {
    Cnn3dTrainerParams p;
    Cnn3dMemory memory[2];
    Cnn3dNetwork *net;
    gfloat **right, **weights;

    params_init (&p);
    p.network = test_network_params (kind, p.network);
    p.network.dropout = 0.3;
    /* blocks' outputs are to be most of its memory */
    if (p.network.heatmap_size) {
      p.network.heatmap_size = 24;
      p.network.base_width = 32;
      p.network.height = p.network.width = 24;
    }
    p.precision = precision;
    net = cnn3d_network_new (&p.network, NULL);
    p.recompute = CNN3D_RECOMPUTE_NONE;
    right = train (&p, &memory[0]);
    p.recompute = CNN3D_RECOMPUTE_OFFLOAD;
    weights = train (&p, &memory[1]);
    g_test_message ("%" G_GSIZE_FORMAT " bytes of arena and %" G_GSIZE_FORMAT
                    " of store where none has %" G_GSIZE_FORMAT,
        memory[1].arena, memory[1].store, memory[0].arena);
    g_assert_cmpuint (memory[1].store, >, 0);
    g_assert_cmpuint (memory[1].arena, <, memory[0].arena);
    for (guint i = 0; i < net->n_weights; i++) {
      if (memcmp (weights[i], right[i], net->weights[i].count * sizeof (gfloat)))
        g_error ("%s differs", net->weights[i].name);
      g_free (weights[i]);
      g_free (right[i]);
    }
    g_free (weights);
    g_free (right);
    cnn3d_network_free (&net);
  }
}

/* --- the file --- */

/* The store of a CPU: a file that takes all of its bytes at once, and has no name. */
static void
test_store (void)
{
  g_autofree gchar *folder = g_dir_make_tmp ("cnn3d-store-XXXXXX", NULL);
  g_autofree gchar *before = g_strdup (g_getenv ("TMPDIR"));
  g_autoptr (GError) error = NULL;
  const gchar *place;
  guint64 room;
  Cnn3dTrainerParams p;
  Cnn3dFit fit;
  Cnn3dTrainer *t;

  assert_nothing_left ();
  params_init (&p);
  fit = measure (&p);
  g_setenv ("TMPDIR", folder, TRUE);
  t = cnn3d_trainer_new (&p, BATCH, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (store_bytes (), ==, fit.memory.store);
  g_assert_cmpint (g_rmdir (folder), ==, 0);
  g_assert_true (run_batch (t, &error));
  cnn3d_trainer_free (&t);
  g_assert_cmpuint (store_bytes (), ==, 0);
  /* there is no such folder now */
  g_assert_false (backend->store_room (device, &room, &place, &error));
  g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message,
      ": there can be no file: No such file or directory; set TMPDIR to a folder on another disk, "
      "or "
      "use recompute=block"));
  g_clear_error (&error);
  g_assert_false (cnn3d_fit_choose (backend, device, &p, BATCH, &fit, &error));
  g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED);
  g_clear_error (&error);
  /* memory is no place for it */
  g_setenv ("TMPDIR", "/dev/shm", TRUE);
  if (g_file_test ("/dev/shm", G_FILE_TEST_IS_DIR)) {
    g_assert_null (cnn3d_trainer_new (&p, BATCH, &error));
    g_assert_cmpstr (error->message, ==,
        "recompute=offload: /dev/shm: this file system is in memory, so that a file there would "
        "save "
        "none; set TMPDIR to a folder on another disk, or use recompute=block");
    g_clear_error (&error);
  }
  if (before)
    g_setenv ("TMPDIR", before, TRUE);
  else
    g_unsetenv ("TMPDIR");
}

static void
ignore (int signal)
{
}

/* A disk that is too small, as a limit on the size of files is. */
static void
test_full (void)
{
  const struct rlimit small = { 1 << 12, RLIM_INFINITY };
  struct rlimit limit;
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;
  Cnn3dFit fit;
  Cnn3dTrainer *t;

  if (g_test_subprocess ()) {
    signal (SIGXFSZ, ignore);
    params_init (&p);
    fit = measure (&p);
    g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &limit), ==, 0);
    g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &small), ==, 0);
    g_assert_null (cnn3d_trainer_new (&p, BATCH, &error));
    g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
    g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_FAILED);
    g_assert_nonnull (strstr (error->message, ": there can be no file of "));
    g_assert_nonnull (strstr (error->message,
        ": File too large; set TMPDIR to a folder on another disk, or use recompute=block"));
    g_clear_error (&error);
    assert_nothing_left ();
    g_assert_cmpuint (fit.memory.store, >, small.rlim_cur);
    /* and one that fails later */
    t = cnn3d_trainer_new (&p, BATCH, &error);
    g_assert_no_error (error);
    g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &small), ==, 0);
    g_assert_false (run_batch (t, &error));
    g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
    g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_FAILED);
    g_assert_nonnull (
        strstr (error->message, ": the temporary file cannot be written: File too large; set"));
    cnn3d_trainer_free (&t);
    assert_nothing_left ();
    return;
  }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
  g_test_trap_assert_passed ();
}
/* A store larger than what there is room for; the error has what would fit. */
static void
test_no_room (void)
{
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;
  Cnn3dFit fit;

  assert_nothing_left ();
  params_init (&p);
  counting->room = 1;
  g_assert_false (cnn3d_fit_choose (backend, device, &p, BATCH, &fit, &error));
  counting->room = 0;
  g_assert_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_MEMORY);
  g_assert_true (g_str_has_prefix (error->message, "recompute=offload needs "));
  g_assert_nonnull (strstr (error->message,
      " bytes) of the temporary files' disk, but there is only 0.0 MiB; what would fit:\n"));
  g_assert_nonnull (strstr (error->message, "recompute=block"));
}

int
main (int argc, char **argv)
{
  static const gchar *const kinds[] = { "r3d_18", "slow_r50", "posec3d_slowonly", "r3d_18-concat",
    "slow_r50-views-concat", NULL };
  int status;

  g_test_init (&argc, &argv, NULL);
  counting = counting_load (&backend, &device);
  for (guint i = 0; i < TEST_N_NETWORKS; i++) {
    g_autofree gchar *name = g_strconcat ("/store/same-bits/", test_networks[i].name, NULL);

    if (g_strv_contains (kinds, test_networks[i].name))
      g_test_add_data_func (name, &test_networks[i], test_same_bits);
  }
  g_test_add_func ("/store/file", test_store);
  g_test_add_func ("/store/full", test_full);
  g_test_add_func ("/store/no-room", test_no_room);
  status = g_test_run ();
  backend->close (&device);
  return status;
}
