/* A run takes the predicted memory to the byte; settings that do not fit are refused with ones that
 * do; every failed allocation is an error.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>
#include <glib/gstdio.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "src/bytes.h"
#include "src/evaluate/predictor.h"
#include "src/train/fit.h"
#include "tests/networks.h"
#include "counting/counting.h"

#define BATCH 6

static const Cnn3dBackend *backend;
static Cnn3dDevice *device;
static Counting *counting;

static void
params_init (Cnn3dTrainerParams *p)
{
  cnn3d_trainer_params_init (p);
  p->network = (Cnn3dNetworkParams) { "r3d_18", 7, 8, 3, 8, 48, 56, 0 };
  p->device = "cpu";
  p->threads = 1;
}

static Cnn3dFit
measure (const Cnn3dTrainerParams *p, guint batch, guint micro, Cnn3dRecompute r)
{
  g_autoptr (GError) error = NULL;
  Cnn3dFit fit;

  cnn3d_fit_measure (backend, device, p, batch, micro, r, &fit, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (fit.micro_batch, ==, micro);
  g_assert_cmpint (fit.recompute, ==, r);
  return fit;
}

static void
assert_nothing_left (void)
{
  g_assert_cmpuint (counting->allocs, ==, counting->frees);
  g_assert_cmpuint (counting->bytes, ==, 0);
  g_assert_cmpuint (counting->programs, ==, 0);
  g_assert_cmpuint (counting->models, ==, 0);
}

static void
start_counting (void)
{
  assert_nothing_left ();
  memset (counting, 0, sizeof *counting);
}

/* --- predicted bytes --- */

static void
run_batch (Cnn3dTrainer *t, guint n)
{
  const Cnn3dNetworkParams *p = &cnn3d_trainer_network (t)->params;
  const gsize bytes = n * cnn3d_frames_bytes (p, CNN3D_TYPE_UINT8);
  const gsize numbers = n * cnn3d_points_bytes (p) / sizeof (gfloat);
  g_autofree guint8 *frames = g_malloc (bytes);
  g_autofree gint32 *labels = g_new0 (gint32, n);
  g_autofree gfloat *logits = g_new (gfloat, n * p->num_classes), *points = g_new (gfloat, numbers);
  const Cnn3dBatch batch = { frames, CNN3D_TYPE_UINT8, labels, n, n, points };
  g_autoptr (GError) error = NULL;
  Cnn3dProgress progress;

  for (gsize i = 0; i < bytes; i++)
    frames[i] = i * i >> 3;
  for (gsize i = 0; i < numbers; i++)
    points[i] = i * 7 % 16 / 15.f;
  for (guint i = 0; i < n; i++)
    labels[i] = i % p->num_classes;
  g_assert_true (cnn3d_trainer_run (t, &batch, &progress, &error));
  g_assert_true (cnn3d_trainer_logits (t, &batch, logits, &error));
  g_assert_no_error (error);
}

static void
assert_same_memory (const Cnn3dMemory *a, const Cnn3dMemory *b)
{
  g_assert_cmpuint (a->weights, ==, b->weights);
  g_assert_cmpuint (a->copy, ==, b->copy);
  g_assert_cmpuint (a->gradients, ==, b->gradients);
  g_assert_cmpuint (a->optimizer, ==, b->optimizer);
  g_assert_cmpuint (a->arena, ==, b->arena);
  g_assert_cmpuint (a->workspace, ==, b->workspace);
  g_assert_cmpuint (a->context, ==, b->context);
  g_assert_cmpuint (a->store, ==, b->store);
  g_assert_cmpuint (a->total, ==, b->total);
  g_assert_cmpuint (a->total, ==, a->weights + a->copy + a->gradients + a->optimizer + a->arena);
  g_assert_cmpuint (a->workspace, <, a->arena);
}

static void
test_exact (gconstpointer user)
{
  const TestNetwork *kind = user;
  const Cnn3dDeviceParams two = { 0, 2 };
  Cnn3dDevice *of_one = device, *of_two = backend->open (&two, NULL);
  static const struct {
    Cnn3dUpdateRule rule;
    gdouble momentum, clip;
    guint accumulate, micro;
    const gchar *freeze;
    gboolean keep_gradients;
    guint arrays; /* the size of the trained parameters, in addition to the weights */
  } cases[] = {
    { CNN3D_UPDATE_SGD, 0.9, 0, 1, 0, NULL, FALSE, 1 },
    { CNN3D_UPDATE_SGD, 0, 0, 1, 0, NULL, FALSE, 0 },
    { CNN3D_UPDATE_SGD, 0, 0, 1, 0, NULL, TRUE, 1 },
    { CNN3D_UPDATE_SGD, 0, 1, 1, 0, NULL, FALSE, 1 },
    { CNN3D_UPDATE_ADAM, 0.9, 0, 1, 0, "backbone", FALSE, 2 },
    { CNN3D_UPDATE_ADAMW, 0.9, 0, 3, 0, NULL, FALSE, 3 },
    { CNN3D_UPDATE_SGD, 0.9, 0, 1, 4, NULL, FALSE, 2 },
    { CNN3D_UPDATE_SGD, 0.9, 0, 1, 1, "batch-norm", FALSE, 2 },
  };

  for (Cnn3dPrecision precision = 0; precision <= CNN3D_PRECISION_BF16_MIXED;
      precision += CNN3D_PRECISION_BF16_MIXED)
    for (Cnn3dRecompute r = CNN3D_RECOMPUTE_NONE; r < CNN3D_RECOMPUTE_AUTO; r++)
      for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autoptr (GError) error = NULL;
        Cnn3dTrainerParams p;
        Cnn3dMemory memory;
        Cnn3dTrainer *t;
        Cnn3dFit fit;
        guint allocs;
        gsize trained;

        /* the first iteration has every network and precision; one case has everything */
        if (i && (precision != CNN3D_PRECISION_32 || strcmp (kind->name, "r3d_18")))
          break;
        params_init (&p);
        p.network = test_network_params (kind, p.network);
        p.network.heatmap_size = 24;
        p.precision = precision;
        p.recompute = r;
        p.optimizer = cases[i].rule;
        p.momentum = cases[i].momentum;
        p.gradient_clip = cases[i].clip;
        p.accumulate = cases[i].accumulate;
        p.micro_batch = cases[i].micro;
        p.freeze = cases[i].freeze;
        p.keep_gradients = cases[i].keep_gradients;
        /* threads that add up each other's sums take scratch memory */
        p.threads = r == CNN3D_RECOMPUTE_NONE && !i ? 2 : 1;
        device = p.threads > 1 ? of_two : of_one;
        start_counting ();
        fit = measure (&p, BATCH, cases[i].micro ? cases[i].micro : BATCH, r);
        /* predicting allocates nothing */
        g_assert_cmpuint (counting->allocs, ==, 0);
        t = cnn3d_trainer_new (&p, BATCH, &error);
        g_assert_no_error (error);
        cnn3d_trainer_memory (t, &memory);
        assert_same_memory (&fit.memory, &memory);
        g_assert_cmpuint (counting->bytes, ==, memory.total);
        g_assert_cmpuint (cnn3d_trainer_budget (t), >=, cnn3d_memory_needs (&fit.memory));
        trained = memory.gradients + memory.optimizer;
        g_assert_cmpuint (memory.weights * cases[i].arrays, >=, trained);
        g_assert_cmpuint (memory.weights * cases[i].arrays, <=, trained * 1.2);
        /* nor do a step, a short batch and an evaluation */
        allocs = counting->allocs;
        run_batch (t, BATCH);
        run_batch (t, BATCH - 1);
        g_assert_cmpuint (counting->allocs, ==, allocs);
        g_assert_cmpuint (counting->most, ==, memory.total);
        cnn3d_trainer_free (&t);
        assert_nothing_left ();
      }
  device = of_one;
  backend->close (&of_two);
}

/* --- choosing --- */

static gboolean
choose (const Cnn3dTrainerParams *p, Cnn3dFit *fit, GError **error)
{
  const gboolean fits = cnn3d_fit_choose (backend, device, p, BATCH, fit, error);

  assert_nothing_left ();
  g_assert_cmpuint (counting->allocs, ==, 0);
  if (fits)
    g_assert_cmpuint (cnn3d_memory_needs (&fit->memory), <=, cnn3d_fit_budget (backend, device, p));
  return fits;
}

static void
test_choose (void)
{
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;
  Cnn3dFit way[CNN3D_RECOMPUTE_AUTO], fit;
  Cnn3dTrainer *t;

  start_counting ();
  params_init (&p);
  /* blocks' outputs are most of its memory */
  p.network.model = "slow_r50";
  for (Cnn3dRecompute r = CNN3D_RECOMPUTE_NONE; r < CNN3D_RECOMPUTE_AUTO; r++) {
    way[r] = measure (&p, BATCH, BATCH, r);
    g_assert_cmpuint (way[r].memory.total, <, r ? way[r - 1].memory.total : G_MAXSIZE);
    /* what is offloaded leaves room for what block recomputes */
    if (r && r != CNN3D_RECOMPUTE_OFFLOAD)
      g_assert_cmpfloat (way[r].seconds, >, way[r - 1].seconds);
    g_assert_cmpint (way[r].memory.store > 0, ==, r == CNN3D_RECOMPUTE_OFFLOAD);
    g_assert_cmpint (way[r].copied > 0, ==, r == CNN3D_RECOMPUTE_OFFLOAD);
    g_assert_cmpfloat (way[r].stall, >=, 0);
    g_assert_cmpfloat (way[r].stall, <=, way[r].copied);
  }
  g_assert_cmpfloat (way[CNN3D_RECOMPUTE_BN].macs, ==, way[CNN3D_RECOMPUTE_NONE].macs);
  g_assert_cmpfloat (way[CNN3D_RECOMPUTE_BLOCK].macs, >, way[CNN3D_RECOMPUTE_NONE].macs);
  g_assert_cmpfloat (way[CNN3D_RECOMPUTE_BN].bytes, >, way[CNN3D_RECOMPUTE_NONE].bytes);

  /* what the device has is enough for this */
  g_assert_true (choose (&p, &fit, &error));
  g_assert_cmpint (fit.recompute, ==, CNN3D_RECOMPUTE_NONE);
  /* exactly enough fits; a byte less does not */
  for (Cnn3dRecompute r = CNN3D_RECOMPUTE_NONE; r < CNN3D_RECOMPUTE_AUTO; r++) {
    /* a CPU's store is a file, which has to be asked for */
    p.recompute = r == CNN3D_RECOMPUTE_OFFLOAD ? r : CNN3D_RECOMPUTE_AUTO;
    p.max_memory = cnn3d_memory_needs (&way[r].memory);
    g_assert_true (choose (&p, &fit, &error));
    g_assert_cmpint (fit.recompute, ==, r);
    g_assert_cmpuint (fit.micro_batch, ==, BATCH);
    g_assert_cmpuint (fit.memory.total, ==, way[r].memory.total);
    p.max_memory--;
    if (r < CNN3D_RECOMPUTE_BLOCK) {
      g_assert_true (choose (&p, &fit, &error));
      g_assert_cmpint (fit.recompute, ==, r + 1);
    }
    /* a recomputation mode set by name is not changed */
    p.recompute = r;
    g_assert_false (choose (&p, &fit, &error));
    g_assert_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_MEMORY);
    g_clear_error (&error);
    p.recompute = CNN3D_RECOMPUTE_AUTO;
  }
  g_assert_false (choose (&p, &fit, &error));
  g_clear_error (&error);
  p.auto_fit = TRUE;
  g_assert_true (choose (&p, &fit, &error));
  g_assert_cmpuint (fit.micro_batch, <, BATCH);

  /* 60 % of it, in micro-batches */
  p.recompute = CNN3D_RECOMPUTE_NONE;
  p.max_memory = way[0].memory.context + way[0].memory.total * 6 / 10;
  g_assert_true (choose (&p, &fit, &error));
  g_assert_cmpint (fit.recompute, ==, CNN3D_RECOMPUTE_NONE);
  g_assert_cmpuint (fit.micro_batch, <, BATCH);
  t = cnn3d_trainer_new (&p, BATCH, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (cnn3d_trainer_micro_batch (t), ==, fit.micro_batch);
  g_assert_cmpuint (cnn3d_trainer_budget (t), ==, p.max_memory);
  run_batch (t, BATCH);
  g_assert_cmpuint (counting->most + fit.memory.context, <=, p.max_memory);
  cnn3d_trainer_free (&t);
}

/* Other modules in the folders that are searched for back ends, and a GPU profile for one. */
static void
test_other_modules (void)
{
  const Cnn3dDeviceParams card = { .profile = "card.json" };
  g_autofree gchar *before = g_strdup (g_getenv ("CNN3D_BACKEND_PATH"));
  g_autofree gchar *folder = g_dir_make_tmp ("cnn3d-fit-XXXXXX", NULL);
  g_autofree gchar *path = NULL, *version = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) lines = NULL;
  Dl_info info;

  g_setenv ("CNN3D_BACKEND_PATH", folder, TRUE);
  g_assert_null (cnn3d_backend_load ("other", &error));
  g_assert_nonnull (strstr (error->message, ": not found"));
  lines = g_strsplit (error->message, "\n  ", -1);
  g_clear_error (&error);
  path = g_strdup (lines[1]);
  g_assert_true (g_str_has_prefix (path, folder));
  *strstr (path, ": not found") = '\0';
  g_assert_cmpint (dladdr ((gpointer) g_free, &info), !=, 0);
  g_assert_cmpint (symlink (info.dli_fname, path), ==, 0);
  g_assert_null (cnn3d_backend_load ("other", &error));
  g_assert_nonnull (strstr (error->message, " is another kind of module, not a back end"));
  g_clear_error (&error);
  g_unlink (path);
  /* under another name: the loader caches modules by name */
  memcpy (strstr (path, "other"), "older", strlen ("older"));
  g_assert_cmpint (symlink (COUNTING_BACKEND, path), ==, 0);
  counting->abi = CNN3D_BACKEND_ABI - 1;
  version = g_strdup_printf ("%s was built for version %u of the back end interface, this is "
                             "version %u: install both from one build",
      path, CNN3D_BACKEND_ABI - 1, CNN3D_BACKEND_ABI);
  g_assert_null (cnn3d_backend_load ("older", &error));
  g_assert_nonnull (strstr (error->message, version));
  counting->abi = 0;
  g_clear_error (&error);
  g_assert_null (backend->open (&card, &error));
  g_assert_cmpstr (error->message, ==,
      "card.json describes a GPU, not a CPU: plans for a CPU are for this machine's");
  g_unlink (path);
  g_rmdir (folder);
  g_setenv ("CNN3D_BACKEND_PATH", before, TRUE);
}

/* No setting fits; and the device itself has too little memory. */
static void
test_nothing_fits (void)
{
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;
  Cnn3dFit fit;

  start_counting ();
  params_init (&p);
  p.max_memory = 1;
  g_assert_false (choose (&p, &fit, &error));
  g_assert_nonnull (strstr (error->message, "but max-memory allows "));
  g_assert_nonnull (strstr (error->message,
      "; no setting fits with this model and these clips: try fewer frames, a smaller size or a "
      "smaller base-width"));
  g_clear_error (&error);

  params_init (&p);
  p.network.frames = 1024;
  p.network.height = p.network.width = 1024;
  p.network.base_width = 64;
  p.recompute = CNN3D_RECOMPUTE_NONE;
  g_assert_false (choose (&p, &fit, &error));
  g_assert_nonnull (strstr (error->message, "but there is only "));
}

/* If not even micro_batch clips fit at once, the largest smaller number that fits is used. */
static void
test_capped (void)
{
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;
  Cnn3dFit way, fit;

  start_counting ();
  params_init (&p);
  p.auto_fit = TRUE;
  p.micro_batch = 5;
  way = measure (&p, BATCH, 3, CNN3D_RECOMPUTE_BLOCK);
  p.max_memory = cnn3d_memory_needs (&way.memory);
  g_assert_true (choose (&p, &fit, &error));
  g_assert_cmpuint (fit.micro_batch, ==, 3);
  p.max_memory--;
  g_assert_true (choose (&p, &fit, &error));
  g_assert_cmpuint (fit.micro_batch, <, 3);
}

/* A short micro-batch costs as many steps as a whole one: 4 + 2 clips are no faster than 3 + 3. */
static void
test_short_micro_batch (void)
{
  Cnn3dTrainerParams p;
  Cnn3dFit even, uneven, whole;

  params_init (&p);
  p.network.frames = 1;
  p.network.height = p.network.width = 16;
  p.freeze = "batch-norm";
  whole = measure (&p, BATCH, 6, CNN3D_RECOMPUTE_NONE);
  even = measure (&p, BATCH, 3, CNN3D_RECOMPUTE_NONE);
  uneven = measure (&p, BATCH, 4, CNN3D_RECOMPUTE_NONE);
  g_assert_cmpfloat (even.seconds, >, whole.seconds);
  g_assert_cmpfloat_with_epsilon (uneven.seconds / even.seconds, 1, 0.01);
}

/* No larger micro-batch fits with any recomputation mode that `auto` takes. */
static void
assert_largest (const Cnn3dTrainerParams *p, const Cnn3dFit *fit)
{
  for (guint parts = 1; parts <= BATCH; parts++) {
    const guint micro = (BATCH + parts - 1) / parts;

    for (Cnn3dRecompute r = CNN3D_RECOMPUTE_NONE;
        micro > fit->micro_batch && r <= cnn3d_fit_last_recompute (backend); r++) {
      const Cnn3dFit larger = measure (p, BATCH, micro, r);

      g_assert_cmpuint (cnn3d_memory_needs (&larger.memory), >, p->max_memory);
    }
  }
}

/* With more memory batch norm never sees fewer clips at once, and among equal micro-batches a run
 * is never slower; with frozen batch norm, never slower at all. What fits also fits with more. */
static void
test_more_is_better (void)
{
  for (gint way = 0; way < 3; way++) {
    const gboolean auto_fit = way > 0, norm_frozen = way == 2;
    Cnn3dTrainerParams p;
    guint64 least, most;
    gdouble seconds = G_MAXDOUBLE;
    gboolean did_fit = FALSE;
    guint kinds = 0, micro = 0;
    Cnn3dRecompute last = CNN3D_RECOMPUTE_AUTO;

    start_counting ();
    params_init (&p);
    p.auto_fit = auto_fit;
    p.freeze = norm_frozen ? "batch-norm" : NULL;
    {
      const Cnn3dFit all = measure (&p, BATCH, BATCH, CNN3D_RECOMPUTE_NONE);
      const Cnn3dFit one = measure (&p, BATCH, 1, CNN3D_RECOMPUTE_BLOCK);

      most = cnn3d_memory_needs (&all.memory) * 11 / 10;
      least = cnn3d_memory_needs (&one.memory) * 9 / 10;
    }
    for (guint i = 0; i <= 60; i++) {
      Cnn3dFit fit;

      p.max_memory = least + (most - least) * i / 60;
      if (!choose (&p, &fit, NULL)) {
        g_assert_false (did_fit);
        continue;
      }
      did_fit = TRUE;
      if (!norm_frozen) {
        g_assert_cmpuint (fit.micro_batch, >=, micro);
        assert_largest (&p, &fit);
      }
      if (norm_frozen || fit.micro_batch == micro)
        g_assert_cmpfloat (fit.seconds, <=, seconds);
      seconds = fit.seconds;
      micro = fit.micro_batch;
      kinds += fit.recompute != last;
      last = fit.recompute;
    }
    g_assert_true (did_fit);
    g_assert_cmpint (last, ==, CNN3D_RECOMPUTE_NONE);
    g_assert_cmpuint (kinds, >=, 2);
  }
}

static void
test_largest (void)
{
  Cnn3dTrainerParams p;
  Cnn3dFit fit;

  params_init (&p);
  for (Cnn3dRecompute r = CNN3D_RECOMPUTE_NONE; r < CNN3D_RECOMPUTE_AUTO; r++) {
    const Cnn3dFit eleven = measure (&p, 11, 11, r), one = measure (&p, 1, 1, r);

    g_assert_cmpuint (
        cnn3d_fit_largest (backend, device, &p, r, cnn3d_memory_needs (&eleven.memory), &fit), ==,
        11);
    g_assert_cmpuint (cnn3d_memory_needs (&fit.memory), ==, cnn3d_memory_needs (&eleven.memory));
    g_assert_cmpuint (
        cnn3d_fit_largest (backend, device, &p, r, cnn3d_memory_needs (&eleven.memory) - 1, &fit),
        ==, 10);
    g_assert_cmpuint (
        cnn3d_fit_largest (backend, device, &p, r, cnn3d_memory_needs (&one.memory), &fit), ==, 1);
    g_assert_cmpuint (
        cnn3d_fit_largest (backend, device, &p, r, cnn3d_memory_needs (&one.memory) - 1, &fit), ==,
        0);
    g_assert_cmpuint (fit.micro_batch, ==, 0);
  }
}

/* --- suggestions in the error --- */

/* The text after "key=" up to a blank, comma or bracket; NULL: not found. */
static gchar *
find_value (const gchar *text, const gchar *key)
{
  g_autofree gchar *begin = g_strconcat (key, "=", NULL);
  const gchar *at = strstr (text, begin);

  return at ? g_strndup (at + strlen (begin), strcspn (at + strlen (begin), " ,(")) : NULL;
}

static void
apply (Cnn3dTrainerParams *p, const gchar *line)
{
  g_autofree gchar *recompute = find_value (line, "recompute"),
                   *precision = find_value (line, "precision");
  g_autofree gchar *fit = find_value (line, "auto-fit"), *frames = find_value (line, "num-frames");
  g_autofree gchar *width = find_value (line, "width"), *height = find_value (line, "height");

  if (recompute)
    for (p->recompute = 0; strcmp (cnn3d_choice_name (&cnn3d_recomputes, p->recompute), recompute);
        p->recompute++)
      g_assert_cmpint (p->recompute, <, CNN3D_RECOMPUTE_AUTO);
  if (precision)
    for (p->precision = 0; strcmp (cnn3d_choice_name (&cnn3d_precisions, p->precision), precision);
        p->precision++)
      g_assert_cmpint (p->precision, <, CNN3D_PRECISION_BF16_MIXED);
  if (fit) {
    g_assert_cmpstr (fit, ==, "true");
    p->auto_fit = TRUE;
  }
  if (frames)
    p->network.frames = atoi (frames);
  if (width)
    p->network.width = atoi (width);
  if (height)
    p->network.height = atoi (height);
  g_assert_true (recompute || precision || fit || frames || width);
}

/* Each suggested setting fits and takes the bytes that the line gives. */
static guint
check_lines (const Cnn3dTrainerParams *p, gchar **lines)
{
  guint n;

  for (n = 0; lines[n]; n++) {
    Cnn3dTrainerParams changed = *p;
    g_autoptr (GError) error = NULL;
    g_autofree gchar *bytes = NULL, *said = NULL;
    Cnn3dFit fit;

    apply (&changed, lines[n]);
    if (!choose (&changed, &fit, &error))
      g_error ("'%s' does not fit: %s", lines[n], error->message);
    bytes = cnn3d_format_bytes (cnn3d_memory_needs (&fit.memory));
    said = g_strdup_printf ("(%s)", bytes);
    if (!g_str_has_suffix (lines[n], said))
      g_error ("'%s' takes %s", lines[n], bytes);
  }
  return n;
}

static void
test_suggestions (void)
{
  static const struct {
    guint frames, size;
    Cnn3dRecompute recompute;
    gboolean auto_fit;
  } cases[] = { { 8, 48, CNN3D_RECOMPUTE_NONE, FALSE }, { 8, 48, CNN3D_RECOMPUTE_AUTO, FALSE },
    { 16, 64, CNN3D_RECOMPUTE_AUTO, FALSE }, { 16, 64, CNN3D_RECOMPUTE_AUTO, TRUE },
    { 16, 64, CNN3D_RECOMPUTE_BN, TRUE } };
  gboolean in_pieces = FALSE;
  guint lines = 0, none = 0;

  start_counting ();
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Cnn3dTrainerParams p;
    guint64 most, context;

    params_init (&p);
    p.network.frames = cases[i].frames;
    p.network.height = p.network.width = cases[i].size;
    p.recompute = cases[i].recompute;
    p.auto_fit = cases[i].auto_fit;
    {
      const Cnn3dFit all = measure (&p, BATCH, BATCH, CNN3D_RECOMPUTE_NONE);

      most = all.memory.total;
      context = all.memory.context;
    }
    for (guint eighths = 1; eighths < 8; eighths++) {
      g_autoptr (GError) error = NULL;
      Cnn3dFit fit;
      gchar *list;

      p.max_memory = context + most * eighths / 8;
      if (choose (&p, &fit, &error))
        continue;
      g_assert_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_MEMORY);
      g_assert_true (g_str_has_prefix (error->message, "training needs "));
      g_assert_nonnull (strstr (error->message, " of it for libraries), but max-memory allows "));
      in_pieces |= strstr (error->message, "auto-fit=true recompute=auto") != NULL;
      list = strstr (error->message, "fit:\n  ");
      if (list) {
        g_auto (GStrv) ways = g_strsplit (list + strlen ("fit:\n  "), "\n  ", -1);

        g_assert_cmpuint (g_strv_length (ways), <=, 3);
        lines += check_lines (&p, ways);
      } else {
        g_auto (GStrv) ways = cnn3d_fit_suggest (backend, device, &p, BATCH, p.max_memory, 100);

        g_assert_cmpuint (g_strv_length (ways), ==, 0);
        none++;
      }
      {
        g_auto (GStrv) all = cnn3d_fit_suggest (backend, device, &p, BATCH, p.max_memory, 100);

        check_lines (&p, all);
      }
    }
  }
  g_test_message ("%u settings, %u times none", lines, none);
  g_assert_cmpuint (lines, >=, 10);
  g_assert_cmpuint (none, >=, 1);
  g_assert_true (in_pieces);
}

/* --- allocation fails although memory was planned: another process took it --- */

static void
test_alloc_fails (void)
{
  for (guint settings = 0; settings < 3; settings++) {
    Cnn3dTrainerParams p;
    Cnn3dFit fit;
    guint n;

    params_init (&p);
    p.optimizer = settings ? CNN3D_UPDATE_ADAM : CNN3D_UPDATE_SGD;
    p.keep_gradients = settings == 1;
    p.micro_batch = settings == 2 ? 2 : 0;
    if (settings)
      p.precision = CNN3D_PRECISION_BF16_MIXED;
    fit = measure (&p, BATCH, p.micro_batch ? p.micro_batch : BATCH, CNN3D_RECOMPUTE_NONE);
    for (n = 1;; n++) {
      g_autoptr (GError) error = NULL;
      g_auto (GStrv) ways = NULL;
      Cnn3dTrainer *t;
      const gchar *list;

      start_counting ();
      counting->fail_at = n;
      counting->leaves = fit.memory.context + fit.memory.total * 9 / 10;
      t = cnn3d_trainer_new (&p, BATCH, &error);
      if (t) {
        g_assert_no_error (error);
        cnn3d_trainer_free (&t);
        break;
      }
      g_assert_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_MEMORY);
      g_assert_cmpuint (counting->allocs, ==, n - 1);
      assert_nothing_left ();
      /* the same suggestions as if it had not fitted from the start */
      list = strstr (error->message, "fit:\n  ");
      g_assert_nonnull (list);
      ways = g_strsplit (list + strlen ("fit:\n  "), "\n  ", -1);
      counting->allocs = counting->frees = 0;
      g_assert_cmpuint (check_lines (&p, ways), >=, 1);
    }
    /* weights, momentum, arena at least */
    g_assert_cmpuint (n, >, settings ? 5 : 3);
    assert_nothing_left ();
  }
}

/* --- more than predicted --- */

/* A program that needs more than was planned is an error; one within the plan still runs
 * afterwards. */
static void
test_more_than_planned (void)
{
  const Cnn3dPass pass = { .training = TRUE, .clips = BATCH };
  g_autofree gchar *dir = g_dir_make_tmp ("fit-XXXXXX", NULL),
                   *file = g_build_filename (dir, "last.safetensors", NULL);
  g_autofree guint8 *frames = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) names = NULL;
  const gchar *name;
  gint32 labels[BATCH] = { 0 };
  gfloat logits[BATCH * 7];
  Cnn3dPredictorParams infer;
  Cnn3dPredictor *predictor;
  Cnn3dTrainerParams p;
  Cnn3dProgress progress;
  Cnn3dTrainer *t;

  start_counting ();
  params_init (&p);
  p.checkpoint_dir = dir;
  frames = g_malloc0 (BATCH * cnn3d_frames_bytes (&p.network, CNN3D_TYPE_UINT8));

  Cnn3dBatch batch = { frames, CNN3D_TYPE_UINT8, labels, BATCH, BATCH };

  t = cnn3d_trainer_new (&p, BATCH, &error);
  g_assert_no_error (error);
  g_assert_true (cnn3d_trainer_begin_pass (t, &pass, &error));
  g_assert_true (cnn3d_trainer_run (t, &batch, &progress, &error));
  g_assert_true (cnn3d_trainer_save (t, NULL, &error));
  counting->more = 1 << 30;
  batch.n = 4;
  g_assert_false (cnn3d_trainer_run (t, &batch, &progress, &error));
  g_assert_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_MEMORY);
  g_assert_true (g_str_has_prefix (error->message, "4 clips need an arena of "));
  g_assert_true (g_str_has_suffix (error->message, " that 6 clips need"));
  g_clear_error (&error);
  counting->more = 0;
  g_assert_true (cnn3d_trainer_run (t, &batch, &progress, &error));
  cnn3d_trainer_free (&t);
  assert_nothing_left ();

  cnn3d_predictor_params_init (&infer);
  infer.model = file;
  infer.device = "cpu";
  infer.threads = 1;
  infer.batch = BATCH;
  predictor = cnn3d_predictor_new (&infer, &error);
  g_assert_no_error (error);
  counting->more = 1 << 30;
  g_assert_false (
      cnn3d_predictor_run (predictor, frames, CNN3D_TYPE_UINT8, NULL, 4, logits, &error));
  g_assert_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_MEMORY);
  g_assert_true (g_str_has_prefix (error->message, "4 clips need an arena of "));
  g_assert_true (g_str_has_suffix (error->message, " that 6 clips need"));
  g_clear_error (&error);
  counting->more = 0;
  g_assert_true (
      cnn3d_predictor_run (predictor, frames, CNN3D_TYPE_UINT8, NULL, 4, logits, &error));
  cnn3d_predictor_free (&predictor);
  assert_nothing_left ();
  names = g_dir_open (dir, 0, NULL);
  while ((name = g_dir_read_name (names))) {
    g_autofree gchar *path = g_build_filename (dir, name, NULL);

    g_unlink (path);
  }
  g_rmdir (dir);
}

/* oneDNN would abort the process. */
static void
test_too_large (void)
{
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;
  Cnn3dFit fit;

  params_init (&p);
  p.network.base_width = 1024;
  p.network.frames = 1;
  p.network.height = p.network.width = 4096;
  g_assert_false (
      cnn3d_fit_measure (backend, device, &p, 1, 1, CNN3D_RECOMPUTE_NONE, &fit, &error));
  g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED);
  g_assert_cmpstr (error->message, ==,
      "r3d_18 with base-width=1024 turns a frame of 4096x4096 pixels into 2048x2048 points of 1024 "
      "channels, more than oneDNN supports: use smaller frames or a smaller base-width");
}

/* --- numbers and names --- */

static void
test_bytes (void)
{
  static const struct {
    const gchar *text;
    guint64 bytes;
  } good[] = {
    { "0", 0 },
    { "1", 1 },
    { "123456789", 123456789 },
    { "8GiB", G_GUINT64_CONSTANT (8) << 30 },
    { "800MiB", 800 << 20 },
    { "6G", G_GUINT64_CONSTANT (6) << 30 },
    { "1.5GiB", G_GUINT64_CONSTANT (3) << 29 },
    { "2 GB", 2000000000 },
    { "1k", 1024 },
    { "1 kB", 1000 },
    { "3mib", 3 << 20 },
    { "1TiB", G_GUINT64_CONSTANT (1) << 40 },
    { "7b", 7 },
  };
  static const gchar *const bad[] = { NULL, "", "GiB", "-1", "8 GiBs", "8XiB", "1e30",
    "99999999999TiB", " 8GiB", "nan", "inf", "8GiB8", "0x10G" };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++) {
    guint64 bytes = 99;

    g_assert_true (cnn3d_parse_bytes (good[i].text, &bytes));
    g_assert_cmpuint (bytes, ==, good[i].bytes);
  }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    guint64 bytes = 99;

    if (cnn3d_parse_bytes (bad[i], &bytes))
      g_error ("'%s' is no size, but was read as %" G_GUINT64_FORMAT, bad[i], bytes);
    g_assert_cmpuint (bytes, ==, 99);
  }
  /* written values can be parsed again */
  for (guint64 bytes = 1 << 20; bytes < G_GUINT64_CONSTANT (1) << 42; bytes += bytes / 3) {
    g_autofree gchar *text = cnn3d_format_bytes (bytes);
    guint64 read;

    g_assert_true (cnn3d_parse_bytes (text, &read));
    g_assert_cmpuint (read, <=, bytes * 1.06);
    g_assert_cmpuint (read, >=, bytes * 0.94);
  }
}

static void
test_names (void)
{
  g_assert_cmpstr (cnn3d_choice_name (&cnn3d_recomputes, CNN3D_RECOMPUTE_NONE), ==, "none");
  g_assert_cmpstr (cnn3d_choice_name (&cnn3d_recomputes, CNN3D_RECOMPUTE_BN), ==, "bn");
  g_assert_cmpstr (cnn3d_choice_name (&cnn3d_recomputes, CNN3D_RECOMPUTE_BLOCK), ==, "block");
  g_assert_cmpstr (cnn3d_choice_name (&cnn3d_recomputes, CNN3D_RECOMPUTE_OFFLOAD), ==, "offload");
  g_assert_cmpstr (cnn3d_choice_name (&cnn3d_recomputes, CNN3D_RECOMPUTE_AUTO), ==, "auto");
  g_assert_cmpstr (cnn3d_choice_name (&cnn3d_precisions, CNN3D_PRECISION_32), ==, "32");
  g_assert_cmpstr (cnn3d_choice_name (&cnn3d_precisions, CNN3D_PRECISION_16_MIXED), ==, "16-mixed");
  g_assert_cmpstr (
      cnn3d_choice_name (&cnn3d_precisions, CNN3D_PRECISION_BF16_MIXED), ==, "bf16-mixed");
}

int
main (int argc, char **argv)
{
  static const gchar *const kinds[] = { "r3d_18", "slow_r50", "posec3d_slowonly", "r3d_18-concat",
    "r3d_18-stem", "r3d_18-views-logits", "mc3_18-views-probabilities", "mc3_18-late-views-concat",
    NULL };
  int status;

  g_test_init (&argc, &argv, NULL);
  counting = counting_load (&backend, &device);
  g_test_add_func ("/fit/bytes", test_bytes);
  g_test_add_func ("/fit/names", test_names);
  for (guint i = 0; i < TEST_N_NETWORKS; i++) {
    g_autofree gchar *name = g_strconcat ("/fit/exact/", test_networks[i].name, NULL);

    if (g_strv_contains (kinds, test_networks[i].name))
      g_test_add_data_func (name, &test_networks[i], test_exact);
  }
  g_test_add_func ("/fit/choose", test_choose);
  g_test_add_func ("/fit/other-modules", test_other_modules);
  g_test_add_func ("/fit/nothing-fits", test_nothing_fits);
  g_test_add_func ("/fit/capped", test_capped);
  g_test_add_func ("/fit/short-micro-batch", test_short_micro_batch);
  g_test_add_func ("/fit/more-is-better", test_more_is_better);
  g_test_add_func ("/fit/largest", test_largest);
  g_test_add_func ("/fit/suggestions", test_suggestions);
  g_test_add_func ("/fit/alloc-fails", test_alloc_fails);
  g_test_add_func ("/fit/more-than-planned", test_more_than_planned);
  g_test_add_func ("/fit/too-large", test_too_large);
  status = g_test_run ();
  backend->close (&device);
  return status;
}
