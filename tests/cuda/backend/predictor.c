/* A predictor on the double's GPU compared with one on the CPU: logits, feature maps, and the same
 * bits beside any neighbours.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "src/evaluate/predictor.h"
#include "tests/cuda/backend/rig.h"

#define N 5
#define STEPS 4

typedef struct {
  const gchar *network, *layers;
} Case;

static const Case cases[] = {
  { "r3d_18", "stem,layer2.0.conv1.0,layer4,fc" },
  { "r2plus1d_18", "stem,layer2.0.conv1.0,layer4,fc" },
  { "posec3d_slowonly",
      "backbone.conv1,backbone.layer2.0.conv1.conv,backbone.layer3,cls_head.fc_cls" },
  { "mc3_18-late", "stem,layer4,backbone.layer3,cls_head.fc_cls" },
};

#define LAYERS 4 /* of each */

/* "layer 0003": chunks report one layer after another, so maps are sorted */
typedef struct {
  gchar *key;
  gfloat *values;
  gsize n;
} Map;

static gboolean
take_map (gpointer user, const Cnn3dFeatureMap *map, GError **error)
{
  const gsize n = (gsize) map->channels * map->frames * map->height * map->width;
  const Map m = { g_strdup_printf ("%s %04u", map->layer, map->clip),
    g_memdup2 (map->values, n * sizeof (gfloat)), n };

  g_array_append_val ((GArray *) user, m);
  return TRUE;
}

static gint
by_key (gconstpointer a, gconstpointer b)
{
  return strcmp (((const Map *) a)->key, ((const Map *) b)->key);
}

/* piece: clips in a call. */
static GArray *
run (const Case *c, const gchar *path, const gchar *device, gint precision, guint piece,
    const Cnn3dTrainerParams *trained, const guint8 *frames, const gfloat *points, gfloat *logits)
{
  GArray *maps = g_array_new (FALSE, FALSE, sizeof (Map));
  g_autoptr (GError) error = NULL;
  Cnn3dPredictorParams params;
  Cnn3dPredictor *p;
  Cnn3dMemory memory;

  cnn3d_predictor_params_init (&params);
  params.model = path;
  params.device = device;
  params.precision = precision;
  params.batch = N;
  params.threads = 1;
  params.layers = c->layers;
  p = cnn3d_predictor_new (&params, &error);
  g_assert_no_error (error);
  cnn3d_predictor_memory (p, &memory);
  g_assert_cmpuint (memory.input > 0, ==, !strcmp (device, "cuda"));
  memset (logits, 0, N * CLASSES * sizeof *logits);
  for (guint first = 0; first < N; first += piece) {
    const guint n = MIN (piece, N - first);

    for (guint time = 0; time < 3; time++) { /* eager, recorded, replayed */
      if (piece == N && time == 2)
        cnn3d_predictor_set_features (p, take_map, maps);
      g_assert_true (cnn3d_predictor_run (p, frames + first * clip_bytes (trained),
          CNN3D_TYPE_UINT8, points ? points + first * clip_points (trained) : NULL, n,
          logits + first * CLASSES, &error));
      g_assert_no_error (error);
    }
  }
  cnn3d_predictor_free (&p);
  g_array_sort (maps, by_key);
  return maps;
}

static void
free_maps (GArray *maps)
{
  for (guint i = 0; i < maps->len; i++) {
    g_free (g_array_index (maps, Map, i).key);
    g_free (g_array_index (maps, Map, i).values);
  }
  g_array_free (maps, TRUE);
}

static gchar *
train (Cnn3dTrainerParams *p, const guint8 *frames, const gfloat *points, const gint32 *labels)
{
  const Cnn3dPass pass = { 0, TRUE, 0, 0, STEPS * BATCH, 1, FALSE };
  g_autofree guint8 *present = rig_present (p);
  Cnn3dBatch batch = { frames, CNN3D_TYPE_UINT8, labels, BATCH, 0, points, present };
  g_autoptr (GError) error = NULL;
  Cnn3dPassResult result;
  Cnn3dProgress progress;
  Cnn3dTrainer *t;

  p->device = "cpu";
  p->lr.lr = 0.001;
  t = cnn3d_trainer_new (p, BATCH, &error);
  g_assert_no_error (error);
  g_assert_true (cnn3d_trainer_begin_pass (t, &pass, NULL));
  while (batch.position < STEPS * BATCH) {
    batch.position += BATCH;
    g_assert_true (cnn3d_trainer_run (t, &batch, &progress, NULL));
  }
  g_assert_true (cnn3d_trainer_end_pass (t, batch.position, &result, NULL));
  g_assert_true (cnn3d_trainer_save (t, NULL, NULL));
  cnn3d_trainer_free (&t);
  return g_build_filename (p->checkpoint_dir, "last.safetensors", NULL);
}

static void
remove_folder (const gchar *dir)
{
  g_autoptr (GDir) folder = g_dir_open (dir, 0, NULL);
  const gchar *name;

  while ((name = g_dir_read_name (folder))) {
    g_autofree gchar *file = g_build_filename (dir, name, NULL);

    g_unlink (file);
  }
  g_rmdir (dir);
}

static void
test_predictor (gconstpointer data)
{
  const Case *c = data;
  static const struct {
    gint precision;
    gdouble bound;
  } ways[] = { { CNN3D_PRECISION_32, 2e-3 }, /* in TF32, the default */
    { CNN3D_PRECISION_16_MIXED, 0.02 }, { CNN3D_PRECISION_BF16_MIXED, 0.1 } };
  g_autofree gchar *dir = g_dir_make_tmp ("cnn3d-predictor-XXXXXX", NULL), *path = NULL;
  gfloat expected[N * CLASSES], logits[N * CLASSES], pieces[N * CLASSES];
  gint32 labels[CLIPS];
  Cnn3dTrainerParams p;
  GArray *wanted, *got;

  rig_params (&p, c->network);
  p.checkpoint_dir = dir;

  g_autofree guint8 *frames = rig_frames (&p, labels);
  g_autofree gfloat *points = rig_points (&p, labels);

  path = train (&p, frames, points, labels);
  wanted = run (c, path, "cpu", CNN3D_PRECISION_32, N, &p, frames, points, expected);
  g_assert_cmpuint (wanted->len, ==, LAYERS * N);
  for (guint w = 0; w < G_N_ELEMENTS (ways); w++) {
    got = run (c, path, "cuda", ways[w].precision, N, &p, frames, points, logits);
    g_assert_cmpfloat (distance (logits, expected, N * CLASSES), <, ways[w].bound);
    g_assert_cmpuint (got->len, ==, wanted->len);
    for (guint i = 0; i < got->len; i++) {
      const Map *a = &g_array_index (got, Map, i), *b = &g_array_index (wanted, Map, i);

      g_assert_cmpstr (a->key, ==, b->key);
      g_assert_cmpuint (a->n, ==, b->n);
      g_assert_cmpfloat (distance (a->values, b->values, a->n), <, ways[w].bound);
    }
    free_maps (got);
    free_maps (run (c, path, "cuda", ways[w].precision, 3, &p, frames, points, pieces));
    g_assert_cmpmem (pieces, sizeof pieces, logits, sizeof logits);
  }
  free_maps (wanted);
  g_assert_cmpuint (cuda->taken, ==, 0);
  remove_folder (dir);
}

/* Samples of several views, some of them missing: together, and each view's own logits. */
static void
run_views (const gchar *path, const gchar *device, guint piece, const Cnn3dTrainerParams *p,
    const guint8 *frames, const gfloat *points, gfloat *logits, gfloat *by_view)
{
  g_autofree guint8 *present = rig_present (p);
  g_autoptr (GError) error = NULL;
  Cnn3dPredictorParams params;
  Cnn3dPredictor *predictor;

  cnn3d_predictor_params_init (&params);
  params.model = path;
  params.device = device;
  params.precision = CNN3D_PRECISION_32;
  params.batch = N;
  params.threads = 1;
  params.by_view = TRUE;
  predictor = cnn3d_predictor_new (&params, &error);
  g_assert_no_error (error);
  memset (logits, 0, N * CLASSES * sizeof *logits);
  for (guint first = 0; first < N; first += piece)
    for (guint time = 0; time < 3; time++) {
      g_assert_true (cnn3d_predictor_run_views (predictor, frames + first * clip_bytes (p),
          CNN3D_TYPE_UINT8, points ? points + first * clip_points (p) : NULL,
          present + first * p->network.views, MIN (piece, N - first), logits + first * CLASSES,
          by_view + first * p->network.views * CLASSES, &error));
      g_assert_no_error (error);
    }
  cnn3d_predictor_free (&predictor);
}

static void
test_views (gconstpointer network)
{
  g_autofree gchar *dir = g_dir_make_tmp ("cnn3d-predictor-XXXXXX", NULL), *path = NULL;
  gfloat wanted[N * CLASSES], got[N * CLASSES], wanted_views[N * 3 * CLASSES],
      got_views[N * 3 * CLASSES];
  gint32 labels[CLIPS];
  Cnn3dTrainerParams p;

  rig_params (&p, network);
  p.checkpoint_dir = dir;

  const gsize numbers = N * p.network.views * CLASSES;
  g_autofree guint8 *frames = rig_frames (&p, labels), *present = rig_present (&p);
  g_autofree gfloat *points = rig_points (&p, labels);

  path = train (&p, frames, points, labels);
  run_views (path, "cpu", N, &p, frames, points, wanted, wanted_views);
  run_views (path, "cuda", N, &p, frames, points, got, got_views);
  for (gsize i = 0; i < numbers; i++) {
    g_assert_cmpint (isnan (wanted_views[i]) != 0, ==, !present[i / CLASSES]);
    g_assert_cmpint (isnan (got_views[i]) != 0, ==, !present[i / CLASSES]);
    if (!present[i / CLASSES])
      wanted_views[i] = got_views[i] = 0;
  }
  g_assert_cmpfloat (distance (got, wanted, N * CLASSES), <, 2e-3);
  g_assert_cmpfloat (distance (got_views, wanted_views, numbers), <, 2e-3);
  memcpy (wanted, got, sizeof wanted);
  memcpy (wanted_views, got_views, sizeof wanted_views);
  run_views (path, "cuda", 3, &p, frames, points, got, got_views);
  for (gsize i = 0; i < numbers; i++)
    if (!present[i / CLASSES])
      got_views[i] = 0;
  g_assert_cmpmem (got, sizeof got, wanted, sizeof wanted);
  g_assert_cmpmem (
      got_views, numbers * sizeof *got_views, wanted_views, numbers * sizeof *wanted_views);
  g_assert_cmpuint (cuda->taken, ==, 0);
  remove_folder (dir);
}

/* --- slices --- */

#define MANY 20 /* two slices of 8, and one of 4 with padding */

static Cnn3dPredictor *
predictor (const gchar *path, guint64 max_memory, Cnn3dMemory *memory)
{
  g_autoptr (GError) error = NULL;
  Cnn3dPredictorParams params;
  const gsize taken = cuda->taken;
  Cnn3dPredictor *p;

  cnn3d_predictor_params_init (&params);
  params.model = path;
  params.device = "cuda";
  params.precision = CNN3D_PRECISION_16_MIXED;
  params.batch = MANY;
  params.max_memory = max_memory;
  p = cnn3d_predictor_new (&params, &error);
  g_assert_no_error (error);
  cnn3d_predictor_memory (p, memory);
  /* and little of the device's own */
  g_assert_cmpuint (cuda->taken - taken, >=, memory->total);
  g_assert_cmpuint (cuda->taken - taken - memory->total, <, 1 << 20);
  return p;
}

/* A batch takes a pass for each 8 clips, with one copy to the host for each and one wait for all; any
 * clip has the same bits alone, and in a validation of the trainer. Where memory is short, fewer are
 * computed at once. */
static void
test_slices (void)
{
  g_autofree gchar *dir = g_dir_make_tmp ("cnn3d-predictor-XXXXXX", NULL), *path = NULL;
  gfloat logits[MANY * CLASSES], again[MANY * CLASSES], alone[CLASSES], trainer[BATCH * CLASSES];
  g_autoptr (GError) error = NULL;
  Cnn3dDevicePasses passes;
  gint32 labels[CLIPS];
  Cnn3dTrainerParams params;
  Cnn3dMemory memory;
  Cnn3dPredictor *p;
  Cnn3dTrainer *t;
  guint64 replayed = 0;
  guint fetches, waits;

  rig_params (&params, "r3d_18");
  params.network.height = params.network.width = 16;
  params.checkpoint_dir = dir;

  g_autofree guint8 *frames = rig_frames (&params, labels);
  const Cnn3dBatch batch = { frames, CNN3D_TYPE_UINT8, labels, BATCH, 0 };

  path = train (&params, frames, NULL, labels);
  p = predictor (path, 0, &memory);
  g_assert_cmpuint (cnn3d_predictor_chunk (p), ==, 8);
  for (guint time = 0; time < 3; time++) {
    g_assert_true (cnn3d_predictor_passes (p, &passes));
    replayed = passes.replayed;
    fetches = cuda->fetches;
    waits = cuda->synchronisations;
    g_assert_true (cnn3d_predictor_run (p, frames, CNN3D_TYPE_UINT8, NULL, MANY, logits, &error));
    g_assert_no_error (error);
    fetches = cuda->fetches - fetches;
    waits = cuda->synchronisations - waits;
  }
  cnn3d_predictor_passes (p, &passes);
  g_test_message ("%u clips: %u passes, %u copies to the host, %u waits; %" G_GSIZE_FORMAT " bytes",
      MANY, (guint) (passes.replayed - replayed), fetches, waits, memory.total);
  g_assert_cmpuint (passes.replayed - replayed, ==, 3);
  g_assert_cmpuint (passes.recorded, ==, 2); /* whole slices, and one with padding */
  g_assert_cmpuint (passes.failed, ==, 0);
  g_assert_cmpuint (fetches, ==, 3);
  g_assert_cmpuint (waits, ==, 1);
  for (guint i = 0; i < MANY; i += 7) {
    g_assert_true (cnn3d_predictor_run (
        p, frames + i * clip_bytes (&params), CNN3D_TYPE_UINT8, NULL, 1, alone, &error));
    g_assert_cmpmem (alone, sizeof alone, logits + i * CLASSES, sizeof alone);
  }
  cnn3d_predictor_free (&p);

  params.checkpoint_dir = NULL;
  params.pretrained = path;
  params.device = "cuda";
  params.precision = CNN3D_PRECISION_16_MIXED;
  params.tf32 = params.benchmark = TRUE;
  t = cnn3d_trainer_new (&params, BATCH, &error);
  g_assert_no_error (error);
  g_assert_true (cnn3d_trainer_logits (t, &batch, trainer, &error));
  cnn3d_trainer_free (&t);
  g_assert_cmpmem (trainer, sizeof trainer, logits, sizeof trainer);

  /* a slot for one slice, with the same bits; then fewer clips at once */
  p = predictor (path, cnn3d_memory_needs (&memory) - 1, &memory);
  g_assert_cmpuint (cnn3d_predictor_chunk (p), ==, 8);
  g_assert_true (cnn3d_predictor_run (p, frames, CNN3D_TYPE_UINT8, NULL, MANY, again, &error));
  g_assert_cmpmem (again, sizeof again, logits, sizeof logits);
  cnn3d_predictor_free (&p);
  p = predictor (path, cnn3d_memory_needs (&memory) - 1, &memory);
  g_assert_cmpuint (cnn3d_predictor_chunk (p), ==, 4);
  g_assert_true (cnn3d_predictor_run (p, frames, CNN3D_TYPE_UINT8, NULL, MANY, again, &error));
  g_assert_cmpfloat (distance (again, logits, MANY * CLASSES), <, 0.02);
  cnn3d_predictor_free (&p);
  g_assert_cmpuint (cuda->taken, ==, 0);
  remove_folder (dir);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  rig_init ();
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree gchar *name = g_strconcat ("/backend/predictor/", cases[i].network, NULL);

    g_test_add_data_func (name, &cases[i], test_predictor);
  }
  g_test_add_func ("/backend/predictor/slices", test_slices);
  g_test_add_data_func (
      "/backend/predictor/views-probabilities", "mc3_18-views-probabilities", test_views);
  g_test_add_data_func ("/backend/predictor/views-features", "r3d_18-views-features", test_views);
  g_test_add_data_func ("/backend/predictor/views-late", "mc3_18-late-views-concat", test_views);
  return g_test_run ();
}
