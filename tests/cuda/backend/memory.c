/* What driver and libraries take on a GPU: counted once, measured, and kept for the next plan; and an
 * evaluation where memory is short.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>

#include "nvml-double.h"
#include "src/backend/gpus.h"
#include "tests/cuda/backend/rig.h"
#include "tests/unit/threadcomm.h"

#define MIB ((gsize) 1 << 20)
#define CONTEXT (417 * MIB) /* of the double */
#define BOUND (896 * MIB)   /* of a GPU without a description */
#define MARGIN (32 * MIB)   /* beside what was measured */
#define GROUP "Test double, driver 580.65.06, cuDNN 91900"

static NvmlDouble *nvml;

static gchar *
kept_path (void)
{
  return g_build_filename (g_get_user_cache_dir (), "cnn3d", "contexts.ini", NULL);
}

/* Bytes in the file; 0: none. */
static guint64
kept (const gchar *group)
{
  g_autofree gchar *path = kept_path ();
  g_autoptr (GKeyFile) file = g_key_file_new ();

  return g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, NULL)
      ? g_key_file_get_uint64 (file, group, "bytes", NULL)
      : 0;
}

static void
keep (const gchar *text)
{
  g_autofree gchar *path = kept_path (), *folder = g_path_get_dirname (path);

  g_mkdir_with_parents (folder, 0777);
  if (text)
    g_assert_true (g_file_set_contents (path, text, -1, NULL));
  else
    g_unlink (path);
}

static void
reset (void)
{
  *nvml = (NvmlDouble) { .memory = cuda->memory,
    .taken = &cuda->taken,
    .alive = &cuda->alive,
    .context = CONTEXT,
    .driver = "580.65.06" };
  keep (NULL);
}

static void
params_init (Cnn3dTrainerParams *p)
{
  rig_params (p, "r3d_18");
  p->network.frames = 2;
  p->network.height = p->network.width = 16;
}

/* The memory of a device that was just opened. */
static void
look (gint index, const gchar *profile, Cnn3dDeviceMemory *memory, gchar **source)
{
  const Cnn3dBackend *backend = cnn3d_backend_load ("cuda", NULL);
  const Cnn3dDeviceParams params = { .index = index, .profile = profile };
  g_autoptr (GError) error = NULL;
  Cnn3dDevice *device = backend->open (&params, &error);

  g_assert_no_error (error);
  backend->memory (device, memory);
  *source = g_strdup (memory->context_source);
  backend->close (&device);
}

static void
look_for (gsize context, const gchar *says)
{
  g_autofree gchar *source = NULL;
  Cnn3dDeviceMemory memory;

  look (0, NULL, &memory, &source);
  if (!strstr (source, says))
    g_error ("'%s' is not in '%s'", says, source);
  g_assert_cmpuint (memory.context, ==, context);
}

/* A first run counts a bound, and the next one what the first measured. */
static void
test_measured (void)
{
  Cnn3dTrainerParams p;
  gsize measured;
  Run run;

  reset ();
  params_init (&p);
  look_for (BOUND, "a bound, not measured");
  g_assert_cmpuint (kept (GROUP), ==, 0); /* nothing ran */
  rig_must (&p, "cuda", 1, 2, 0, &run);
  g_assert_cmpuint (run.memory.context, ==, BOUND);
  run_clear (&run);
  measured = kept (GROUP);
  /* the device's small buffers are part of it */
  g_test_message ("%" G_GSIZE_FORMAT " bytes measured, %" G_GSIZE_FORMAT
                  " of them not the driver's",
      measured, measured - CONTEXT);
  g_assert_cmpuint (measured, >, CONTEXT);
  g_assert_cmpuint (measured, <, CONTEXT + MIB);
  look_for (measured + MARGIN,
      "measured on a GPU of this name with driver 580.65.06 and cuDNN 9.19.0, and 32 MiB for what");
  rig_must (&p, "cuda", 1, 2, 0, &run);
  g_assert_cmpuint (run.memory.context, ==, measured + MARGIN);
  run_clear (&run);

  /* a run that loads more raises it, one that loads less does not lower it */
  nvml->context = CONTEXT + 50 * MIB;
  rig_must (&p, "cuda", 1, 2, 0, &run);
  run_clear (&run);
  g_assert_cmpuint (kept (GROUP), ==, measured + 50 * MIB);
  nvml->context = CONTEXT;
  rig_must (&p, "cuda", 1, 2, 0, &run);
  run_clear (&run);
  g_assert_cmpuint (kept (GROUP), ==, measured + 50 * MIB);

  /* what is not plausible is not kept */
  nvml->context = 5000 * MIB;
  rig_must (&p, "cuda", 1, 2, 0, &run);
  run_clear (&run);
  g_assert_cmpuint (kept (GROUP), ==, measured + 50 * MIB);
}

/* The process is not listed: the GPU's free memory tells. Without NVML nothing is kept. */
static void
test_unlisted (void)
{
  Cnn3dTrainerParams p;
  Run run;

  reset ();
  params_init (&p);
  nvml->unlisted = TRUE;
  nvml->others = 300 * MIB;
  rig_must (&p, "cuda", 1, 2, 0, &run);
  run_clear (&run);
  /* less what others have taken since this process's first device was opened */
  g_assert_cmpuint (kept (GROUP), >, CONTEXT + 300 * MIB);
  g_assert_cmpuint (kept (GROUP), <, CONTEXT + 301 * MIB);
  reset ();
  nvml->unknown = TRUE;
  rig_must (&p, "cuda", 1, 2, 0, &run);
  run_clear (&run);
  g_assert_cmpuint (kept (GROUP), ==, 0);
  look_for (BOUND, "a bound");
}

/* Memory that others take behind the device's stream, as NCCL does, is no context. */
static void
test_shared (void)
{
  const Cnn3dPass pass = { 0, TRUE, 0, 0, CLIPS, 1, FALSE };
  gint32 labels[CLIPS];
  g_autofree guint8 *frames = NULL;
  g_autoptr (GError) error = NULL;
  Cnn3dProgress progress;
  Cnn3dTrainerParams p;

  reset ();
  params_init (&p);
  p.device = "cuda";
  frames = rig_frames (&p, labels);
  for (gint shared = 1; shared >= 0; shared--) {
    const Cnn3dBatch batch = { frames, CNN3D_TYPE_UINT8, labels, BATCH, BATCH };
    Cnn3dTrainer *t = cnn3d_trainer_new (&p, BATCH, &error);

    g_assert_no_error (error);
    g_assert_true (!shared || t->s.backend->stream (t->s.device, &error));
    g_assert_true (cnn3d_trainer_begin_pass (t, &pass, &error)
        && cnn3d_trainer_run (t, &batch, &progress, &error)
        && cnn3d_trainer_wait (t, &progress, &error));
    cnn3d_trainer_free (&t);
    g_assert_true ((kept (GROUP) == 0) == shared);
  }
}

/* A damaged file is ignored, and replaced; so are figures that cannot be. */
static void
test_damaged (void)
{
  static const gchar *const texts[] = { "", "[", "[" GROUP "\nbytes=1", "\xff\xfe\n=\n[[\n",
    "[" GROUP "]\nbytes=-5\n", "[" GROUP "]\nbytes=12\n", "[" GROUP "]\nbytes=99999999999999\n",
    "[" GROUP "]\nbytes=many\n", "[" GROUP "]\n" };
  Cnn3dTrainerParams p;
  Run run;

  reset ();
  params_init (&p);
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    keep (texts[i]);
    look_for (BOUND, "a bound");
    if (i < 5) {
      rig_must (&p, "cuda", 1, 1, 0, &run);
      run_clear (&run);
      g_assert_cmpuint (kept (GROUP), >, CONTEXT);
    }
  }
  /* others' entries stay */
  keep ("[Another GPU, driver 1, cuDNN 91900]\nbytes=500000000\n");
  rig_must (&p, "cuda", 1, 1, 0, &run);
  run_clear (&run);
  g_assert_cmpuint (kept (GROUP), >, CONTEXT);
  g_assert_cmpuint (kept ("Another GPU, driver 1, cuDNN 91900"), ==, 500000000);
}

/* Figures are those of this GPU's name, driver and cuDNN. A plan for a GPU that is not installed takes
 * the largest of any driver. */
static void
test_keys (void)
{
  g_autofree gchar *profile = cnn3d_gpus_find ("rtx3070", NULL), *source = NULL, *other = NULL;
  Cnn3dDeviceMemory memory;

  reset ();
  keep ("[Test double, driver 570.1, cuDNN 91900]\nbytes=500000000\n"
        "[Test double, driver 580.65.06, cuDNN 91800]\nbytes=510000000\n"
        "[Test double 2, driver 580.65.06, cuDNN 91900]\nbytes=520000000\n"
        "[NVIDIA GeForce RTX 3070, driver 570.1, cuDNN 91900]\nbytes=530000000\n"
        "[NVIDIA GeForce RTX 3070, driver 580.1, cuDNN 91900]\nbytes=540000000\n"
        "[NVIDIA GeForce RTX 3070, driver 581.1, cuDNN 91800]\nbytes=550000000\n"
        "[NVIDIA GeForce RTX 3070 Ti, driver 581.1, cuDNN 91900]\nbytes=560000000\n");
  look_for (BOUND, "a bound");
  look (0, profile, &memory, &source);
  g_assert_cmpuint (memory.context, ==, 540000000 + MARGIN);
  g_assert_cmpstr (source, ==,
      "measured on a GPU of this name with driver 580.1 and cuDNN 9.19.0, and 32 MiB for what is "
      "allocated in passing");
  keep (NULL);
  look (0, profile, &memory, &other);
  g_assert_cmpuint (memory.context, ==, 640 * MIB);
  g_assert_nonnull (strstr (other, "a bound, not measured: a context"));
}

/* A live GPU without a measured figure has that of its description, and none is above the bound. */
static void
test_described (void)
{
  g_auto (GStrv) names = cnn3d_gpus_names ();
  guint64 most = 0;

  for (guint i = 0; names[i]; i++) {
    g_autofree gchar *path = cnn3d_gpus_find (names[i], NULL), *source = NULL;
    Cnn3dDeviceMemory memory;

    look (0, path, &memory, &source);
    most = MAX (most, memory.context);
  }
  g_assert_cmpuint (most, ==, BOUND);
  reset ();
  cuda->name = "NVIDIA GeForce RTX 3070";
  look_for (640 * MIB, "a bound, not measured: a context");
  cuda->name = NULL;
  look_for (BOUND, "no description has this GPU's name");
}

/* The context that exists already is not counted a second time: what fits is what the GPU has. */
static void
test_once (void)
{
  const gsize all = cuda->memory;
  g_autofree gchar *source = NULL;
  g_autoptr (GError) error = NULL;
  Cnn3dDeviceMemory memory;
  Cnn3dTrainerParams p;
  guint64 needs;
  Run run;

  reset ();
  params_init (&p);
  rig_must (&p, "cuda", 1, 2, 0, &run);
  run_clear (&run);
  rig_must (&p, "cuda", 1, 2, 0, &run);
  needs = cnn3d_memory_needs (&run.memory);
  run_clear (&run);
  cuda->memory = nvml->memory = needs;
  cuda->context = CONTEXT;
  look (0, NULL, &memory, &source);
  g_test_message ("%" G_GUINT64_FORMAT " bytes needed, %" G_GUINT64_FORMAT " available", needs,
      memory.available);
  g_assert_cmpuint (memory.total, ==, needs);
  g_assert_cmpuint (memory.available, ==, needs);
  rig_must (&p, "cuda", 1, 2, 0, &run);
  run_clear (&run);
  cuda->memory = nvml->memory = needs - 1;
  p.device = "cuda";
  g_assert_false (rig_run (&p, 1, 2, 0, &run, &error));
  g_assert_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_MEMORY);
  cuda->memory = all;
  cuda->context = 0;
}

/* Of two GPUs, each has its own memory, although NVML numbers them the other way. */
static void
test_uuid (void)
{
  g_autofree gchar *first = NULL, *second = NULL;
  Cnn3dDeviceMemory memory[2];

  reset ();
  cuda->devices = 2;
  nvml->second = 200 * MIB;
  cuda->context = 1000 * MIB; /* so that the total bounds neither */
  look (0, NULL, &memory[0], &first);
  look (1, NULL, &memory[1], &second);
  cuda->devices = 1;
  cuda->context = 0;
  g_assert_cmpuint (memory[0].available - memory[1].available, >=, 217 * MIB);
  g_assert_cmpuint (memory[0].available - memory[1].available, <, 218 * MIB);
}

/* An evaluation of fewer clips at once is planned where 8 do not fit beside training, and what it
 * takes is what was planned. */
static void
test_short_memory (void)
{
  Cnn3dTrainerParams p;
  guint64 needs;
  Run run;

  reset ();
  rig_params (&p, "r3d_18");
  p.precision = CNN3D_PRECISION_16_MIXED;
  p.micro_batch = 1;
  p.recompute = CNN3D_RECOMPUTE_BLOCK;
  for (guint slice = 8; slice >= 4; slice /= 2) {
    gsize own;

    /* with the same context each time */
    keep (NULL);
    rig_must (&p, "cuda", 1, 1, 0, &run);
    own = run.taken - run.memory.total;
    g_test_message ("%u clips: %" G_GSIZE_FORMAT " bytes, %" G_GSIZE_FORMAT " of the arena", slice,
        run.memory.total, run.memory.arena);
    g_assert_cmpuint (run.evaluation_batch, ==, slice);
    g_assert_cmpuint (own, <, 1 << 20);
    needs = cnn3d_memory_needs (&run.memory);
    run_clear (&run);
    p.max_memory = needs - 1;
  }
}

/* Memory of a GPU does not go over a transport between hosts. */
static void
test_ranks (void)
{
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;

  reset ();
  params_init (&p);
  hub.size = 2;
  p.comm = cnn3d_comm_join_by (&thread_transport, NULL, NULL, 1, &error);
  g_assert_no_error (error);
  g_assert_null (cnn3d_trainer_new (&p, 2, &error));
  g_assert_nonnull (error);
  g_assert_nonnull (strstr (error->message,
      "ranks train on CPUs over MPI and on GPUs over NCCL, but this one is on Test double"));
  cnn3d_comm_leave (&p.comm, TRUE);
}

int
main (int argc, char **argv)
{
  NvmlDoubleEntry entry;
  GModule *module;

  g_test_init (&argc, &argv, NULL);
  rig_init ();
  module = g_module_open (g_getenv ("CNN3D_NVML"), 0);
  if (!module || !g_module_symbol (module, NVML_DOUBLE, (gpointer *) &entry))
    g_error ("%s", g_module_error ());
  nvml = entry ();
  g_test_add_func ("/memory/measured", test_measured);
  g_test_add_func ("/memory/unlisted", test_unlisted);
  g_test_add_func ("/memory/shared", test_shared);
  g_test_add_func ("/memory/damaged", test_damaged);
  g_test_add_func ("/memory/keys", test_keys);
  g_test_add_func ("/memory/described", test_described);
  g_test_add_func ("/memory/once", test_once);
  g_test_add_func ("/memory/uuid", test_uuid);
  g_test_add_func ("/memory/short", test_short_memory);
  g_test_add_func ("/memory/ranks", test_ranks);
  return g_test_run ();
}
