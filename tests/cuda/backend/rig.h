/* rig.h: small runs on the doubles of CUDA and cuDNN, and the same on the CPU.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_BACKEND_RIG_H
#define CNN3D_BACKEND_RIG_H

#include <gmodule.h>
#include <math.h>
#include <string.h>

#include "cuda-double.h"
#include "src/random.h"
#include "src/train/trainer-private.h"
#include "tests/cuda/doubles/dnn-double.h"
#include "tests/networks.h"

#define CLASSES 5
#define CLIPS 23 /* of a data set: batches of 4, the last one short */
#define BATCH 4

#ifdef __SANITIZE_ADDRESS__ /* which checks each access: a few cases are enough */
#define FEWER 1
#else
#define FEWER 0
#endif

static CudaDouble *cuda;
static DnnDoubleFailAt dnn_fail_at;
static DnnDoubleCalls dnn_calls, dnn_plans;
static DnnDoubleDescriptors dnn_descriptors;
static DnnDoubleWrong dnn_wrong;

static inline void
rig_init (void)
{
  g_autofree gchar *path =
      g_build_filename (g_getenv ("CNN3D_BACKEND_PATH"), "libcnn3d-cuda." G_MODULE_SUFFIX, NULL);
  GModule *module = g_module_open (path, G_MODULE_BIND_LOCAL),
          *dnn = g_module_open (g_getenv ("CNN3D_CUDNN"), 0);
  CudaDoubleEntry entry;

  if (!module || !dnn || !g_module_symbol (module, CUDA_DOUBLE, (gpointer *) &entry)
      || !g_module_symbol (dnn, DNN_DOUBLE_FAIL_AT, (gpointer *) &dnn_fail_at)
      || !g_module_symbol (dnn, DNN_DOUBLE_CALLS, (gpointer *) &dnn_calls)
      || !g_module_symbol (dnn, DNN_DOUBLE_PLANS, (gpointer *) &dnn_plans)
      || !g_module_symbol (dnn, DNN_DOUBLE_DESCRIPTORS, (gpointer *) &dnn_descriptors)
      || !g_module_symbol (dnn, DNN_DOUBLE_WRONG, (gpointer *) &dnn_wrong))
    g_error ("%s", g_module_error ());
  cuda = entry ();
}

/* network: a name in networks.h */
static inline void
rig_params (Cnn3dTrainerParams *p, const gchar *network)
{
  const TestNetwork *kind = test_networks;

  while (strcmp (kind->name, network))
    g_assert_true (++kind < test_networks + TEST_N_NETWORKS);
  cnn3d_trainer_params_init (p);
  p->network =
      test_network_params (kind, (Cnn3dNetworkParams) { NULL, CLASSES, 4, 3, 4, 18, 18, 0.2 });
  if (p->network.heatmap_size)
    p->network.heatmap_size = 18;
  p->threads = 1;
  p->lr.lr = 1e-4; /* differences in the last bit grow with it */
  p->weight_decay = 1e-3;
  p->label_smoothing = 0.1;
  p->seed = 3;
  p->network.view_dropout = p->network.views ? 0.3 : 0;
  p->recompute = CNN3D_RECOMPUTE_NONE;
  p->benchmark = p->tf32 = FALSE;
}

/* For 16 bits: their rounding shows less in the statistics of more points. */
static inline void
rig_enlarge (Cnn3dTrainerParams *p)
{
  p->network.frames = 8;
  p->network.height = p->network.width = 20;
}

static inline gsize
clip_bytes (const Cnn3dTrainerParams *p)
{
  return (gsize) MAX (p->network.views, 1) * p->network.frames * p->network.height
      * p->network.width * p->network.channels;
}

/* The clips of a data set; each one's contents depend on its class. */
static inline guint8 *
rig_frames (const Cnn3dTrainerParams *p, gint32 *labels)
{
  const gsize clip = clip_bytes (p);
  guint8 *frames = g_malloc (CLIPS * clip);

  for (guint n = 0; n < CLIPS; n++) {
    const Cnn3dRandomKey key = { 4, 0, CNN3D_RANDOM_DEMO, n };

    labels[n] = n * 3 % CLASSES;
    for (gsize i = 0; i < clip; i++)
      frames[n * clip + i] = cnn3d_random_below (&key, i, 128) + 25 * labels[n] * (i % 3 == 0);
  }
  return frames;
}

static inline gsize
clip_points (const Cnn3dTrainerParams *p)
{
  return cnn3d_points_bytes (&p->network) / sizeof (gfloat);
}

/* Their key points, some of them missing; NULL: the network does not read them. */
static inline gfloat *
rig_points (const Cnn3dTrainerParams *p, const gint32 *labels)
{
  const gsize clip = clip_points (p);
  gfloat *points = clip ? g_new (gfloat, CLIPS * clip) : NULL;

  for (guint n = 0; n < CLIPS; n++) {
    const Cnn3dRandomKey key = { 5, 0, CNN3D_RANDOM_DEMO, n };

    for (gsize i = 0; i < clip; i++) {
      const gdouble uniform = cnn3d_random_uniform (&key, i);

      points[n * clip + i] = i % 3 < 2 ? 0.7 * uniform + 0.06 * labels[n]
          : uniform < 0.2              ? 0
                                       : uniform;
    }
  }
  return points;
}

/* Some views are missing; NULL: a sample is one clip. */
static inline guint8 *
rig_present (const Cnn3dTrainerParams *p)
{
  const guint views = p->network.views;
  guint8 *present = views ? g_new (guint8, CLIPS * views) : NULL;

  for (guint i = 0; i < CLIPS * views; i++)
    present[i] = i % views == i / views % views || i * 7 % 5 > 1;
  return present;
}

/* One run, with the results of each batch. */
typedef struct {
  guint n_losses, n_steps, n_params;
  gdouble loss[64];            /* of each batch */
  gfloat **initial, **weights; /* [parameter]: initial, final */
  gfloat **gradients;          /* [parameter]: after `gradients_at` batches; NULL: not kept */
  gint64 *counts;
  gchar **names;
  Cnn3dMemory memory;
  gsize taken; /* without the device's own memory */
  guint64 skipped;
  gdouble loss_scale;
  guint allocations, synchronisations; /* of the last three full batches */
  Cnn3dDevicePasses passes;
  gchar *unrecorded; /* passes.reason */
  guint evaluation_batch;
} Run;

static inline void
run_clear (Run *r)
{
  for (guint i = 0; i < r->n_params; i++) {
    g_free (r->weights[i]);
    g_free (r->initial[i]);
    if (r->gradients)
      g_free (r->gradients[i]);
    g_free (r->names[i]);
  }
  g_free (r->weights);
  g_free (r->initial);
  g_free (r->gradients);
  g_free (r->counts);
  g_free (r->names);
  g_free (r->unrecorded);
  memset (r, 0, sizeof *r);
}

static inline void
note_progress (Run *r, const Cnn3dProgress *p)
{
  if (!p->ready)
    return;
  g_assert_cmpuint (r->n_losses, <, G_N_ELEMENTS (r->loss));
  r->loss[r->n_losses++] = p->loss;
  r->n_steps = p->step;
  r->skipped = p->steps_skipped;
  r->loss_scale = p->loss_scale;
}

/* `epochs` passes over the data set from `position` on, at most `batches` of them (0: all). scale:
 * the initial loss scale; 0: the default. FALSE with error. */
static inline gboolean
rig_run (
    const Cnn3dTrainerParams *p, guint epochs, guint batches, gdouble scale, Run *r, GError **error)
{
  gint32 labels[CLIPS];
  g_autofree guint8 *frames = rig_frames (p, labels);
  g_autofree gfloat *points = rig_points (p, labels);
  g_autofree guint8 *present = rig_present (p);
  const gsize clip = clip_bytes (p), device_own = cuda->taken;
  Cnn3dTrainer *t = cnn3d_trainer_new (p, BATCH, error);
  guint64 position = 0;
  guint done = 0;
  gboolean ok = t != NULL;
  Cnn3dProgress progress;

  memset (r, 0, sizeof *r);
  if (!ok)
    return FALSE;
  cnn3d_trainer_memory (t, &r->memory);
  r->taken = cuda->taken - device_own;
  if (scale > 0)
    t->now.loss_scale = scale;
  if (p->checkpoint_dir) {
    GError *reason = NULL;
    Cnn3dPassResult ended;

    if (!cnn3d_trainer_resume (t, &position, &ended, &reason) && reason) {
      g_propagate_error (error, reason);
      ok = FALSE;
    }
  }
  while (ok && position < epochs * CLIPS && (!batches || done < batches)) {
    const guint64 begun = position / CLIPS * CLIPS;
    const Cnn3dPass pass = { position / CLIPS, TRUE, begun, position, CLIPS, epochs, FALSE };
    Cnn3dPassResult result;

    ok = cnn3d_trainer_begin_pass (t, &pass, error);
    while (ok && position < begun + CLIPS && (!batches || done < batches)) {
      const guint first = position - begun, n = MIN (BATCH, CLIPS - first);
      const Cnn3dBatch batch = { frames + first * clip, CNN3D_TYPE_UINT8, labels + first, n,
        position + n, points ? points + first * clip_points (p) : NULL,
        present ? present + first * p->network.views : NULL };
      const guint allocations = cuda->allocations, synchronisations = cuda->synchronisations;

      ok = cnn3d_trainer_run (t, &batch, &progress, error);
      if (done >= 8 && n == BATCH) {
        r->allocations += cuda->allocations - allocations;
        r->synchronisations = MAX (r->synchronisations, cuda->synchronisations - synchronisations);
      }
      position += n;
      done++;
      if (ok)
        note_progress (r, &progress);
    }
    if (ok && position == begun + CLIPS) {
      ok = cnn3d_trainer_end_pass (t, position, &result, error);
      if (ok) {
        result.last.ready &= r->n_losses < done;
        note_progress (r, &result.last);
        r->n_steps = result.last.step;
        ok = !result.checkpoint_due || cnn3d_trainer_save (t, NULL, error);
      }
    }
  }
  if (ok) {
    ok = cnn3d_trainer_wait (t, &progress, error);
    note_progress (r, &progress);
  }
  if (ok && p->checkpoint_dir)
    ok = cnn3d_trainer_save (t, NULL, error);
  r->n_params = ok ? cnn3d_trainer_network (t)->n_weights : 0;
  r->weights = g_new0 (gfloat *, r->n_params + 1);
  r->initial = g_new0 (gfloat *, r->n_params + 1);
  r->gradients = p->keep_gradients ? g_new0 (gfloat *, r->n_params + 1) : NULL;
  r->counts = g_new0 (gint64, r->n_params + 1);
  r->names = g_new0 (gchar *, r->n_params + 1);
  for (guint i = 0; ok && i < r->n_params; i++) {
    const Cnn3dParam *param = &cnn3d_trainer_network (t)->weights[i];

    r->counts[i] = param->count;
    r->initial[i] = g_new (gfloat, param->count);
    cnn3d_network_initial (cnn3d_trainer_network (t), i, p->seed, r->initial[i]);
    r->names[i] = g_strdup (param->name);
    ok = (r->weights[i] = cnn3d_trainer_get_weight (t, i, error)) != NULL;
    if (ok && r->gradients && CNN3D_PARAM_TRAINED (param->role))
      ok = (r->gradients[i] = cnn3d_trainer_get_gradient (t, i, error)) != NULL;
  }
  cnn3d_trainer_passes (t, &r->passes);
  r->passes.reason = r->unrecorded = g_strdup (r->passes.reason);
  r->evaluation_batch = cnn3d_trainer_evaluation_batch (t);
  cnn3d_trainer_free (&t);
  if (!ok)
    run_clear (r);
  return ok;
}

static inline void
rig_must (const Cnn3dTrainerParams *p, const gchar *device, guint epochs, guint batches,
    gdouble scale, Run *r)
{
  Cnn3dTrainerParams there = *p;
  g_autoptr (GError) error = NULL;

  there.device = device;
  rig_run (&there, epochs, batches, scale, r, &error);
  g_assert_no_error (error);
}

/* ||a - b|| / ||b||. */
static inline gdouble
distance (const gfloat *a, const gfloat *b, gint64 n)
{
  gdouble difference = 0, norm = 0;

  for (gint64 i = 0; i < n; i++) {
    difference += ((gdouble) a[i] - b[i]) * ((gdouble) a[i] - b[i]);
    norm += (gdouble) b[i] * b[i];
  }
  return difference == 0 ? 0 : sqrt (difference / MAX (norm, 1e-30));
}

static inline gdouble
worst_loss (const Run *a, const Run *b)
{
  gdouble worst = 0;

  g_assert_cmpuint (a->n_losses, ==, b->n_losses);
  for (guint i = 0; i < a->n_losses; i++)
    worst = MAX (worst, fabs (a->loss[i] - b->loss[i]) / fabs (b->loss[i]));
  return worst;
}

/* Relative to all gradients as one vector: near-zero ones have no accuracy of their own. */
static inline gdouble
gradients_apart (const Run *a, const Run *b)
{
  gdouble difference = 0, norm = 0;

  for (guint i = 0; i < a->n_params; i++)
    for (gint64 k = 0; a->gradients[i] && k < a->counts[i]; k++) {
      const gdouble x = a->gradients[i][k], y = b->gradients[i][k];

      difference += (x - y) * (x - y);
      norm += y * y;
    }
  return sqrt (difference / norm);
}

/* Relative to the distance that training has moved all weights. */
static inline gdouble
weights_apart (const Run *a, const Run *b)
{
  gdouble difference = 0, moved = 0;

  for (guint i = 0; i < a->n_params; i++)
    for (gint64 k = 0; k < a->counts[i]; k++) {
      const gdouble x = a->weights[i][k], y = b->weights[i][k], first = b->initial[i][k];

      difference += (x - y) * (x - y);
      moved += (y - first) * (y - first);
    }
  return sqrt (difference / moved);
}

static inline void
assert_same_bits (const Run *a, const Run *b, const gchar *what)
{
  g_assert_cmpuint (a->n_losses, ==, b->n_losses);
  for (guint i = 0; i < a->n_losses; i++)
    if (a->loss[i] != b->loss[i])
      g_error ("%s: batch %u has loss %.17g, not %.17g", what, i, a->loss[i], b->loss[i]);
  for (guint i = 0; i < a->n_params; i++)
    if (memcmp (a->weights[i], b->weights[i], a->counts[i] * sizeof (gfloat)))
      g_error ("%s: %s differs by %g", what, a->names[i],
          distance (a->weights[i], b->weights[i], a->counts[i]));
}

#endif
