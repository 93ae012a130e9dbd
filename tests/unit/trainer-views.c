/* Samples of several views, in the trainer and in the predictor: which views count, views that
 * training leaves out, the files, and what is refused. The sums themselves are graph.c's.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/evaluate/predictor.h"
#include "tests/networks.h"
#include "tests/unit/smallrun.h"

#define N 6
#define V 3
#define SAMPLE_BYTES (V * CLIP_BYTES)

static const gchar *const names[] = { "front", "left", "top", NULL };

static guint8 frames[N * SAMPLE_BYTES];
static gint32 labels[N];

static void
params_for (Cnn3dTrainerParams *p, Cnn3dViewFusion fusion, const gchar *dir)
{
  params_init (p, dir);
  p->network.views = V;
  p->network.view_fusion = fusion;
  p->view_names = names;
}

static Cnn3dTrainer *
start_with (const Cnn3dTrainerParams *p, guint batch)
{
  g_autoptr (GError) error = NULL;
  Cnn3dTrainer *t = cnn3d_trainer_new (p, batch, &error);

  g_assert_no_error (error);
  return t;
}

static Cnn3dBatch
batch_of (guint first, guint n, const guint8 *present)
{
  return (Cnn3dBatch) { .frames = frames + first * SAMPLE_BYTES,
    .type = CNN3D_TYPE_UINT8,
    .labels = labels + first,
    .n = n,
    .position = first + n,
    .present = present ? present + first * V : NULL };
}

static void
step (Cnn3dTrainer *t, const Cnn3dBatch *batch)
{
  g_autoptr (GError) error = NULL;
  Cnn3dProgress progress;

  g_assert_true (cnn3d_trainer_run (t, batch, &progress, &error));
  g_assert_no_error (error);
}

static GPtrArray *
all_weights (Cnn3dTrainer *t)
{
  GPtrArray *all = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  const Cnn3dNetwork *net = cnn3d_trainer_network (t);

  for (guint i = 0; i < net->n_weights; i++)
    g_ptr_array_add (all,
        g_bytes_new_take (
            cnn3d_trainer_get_weight (t, i, NULL), net->weights[i].count * sizeof (gfloat)));
  return all;
}

static gboolean
same_weights (GPtrArray *a, GPtrArray *b)
{
  g_assert_cmpuint (a->len, ==, b->len);
  for (guint i = 0; i < a->len; i++)
    if (!g_bytes_equal (a->pdata[i], b->pdata[i]))
      return FALSE;
  return TRUE;
}

/* The weights after two steps in pieces of `micro` samples. */
static GPtrArray *
trained_in (Cnn3dTrainerParams p, guint micro, const guint8 *present)
{
  Cnn3dTrainer *t;
  GPtrArray *all;
  Cnn3dBatch batch = batch_of (0, N, present);

  p.micro_batch = micro;
  p.keep_gradients = TRUE;
  t = start_with (&p, N);
  begin (t, 0);
  for (guint i = 0; i < 2; i++) {
    step (t, &batch);
    batch.position += N;
  }
  all = all_weights (t);
  cnn3d_trainer_free (&t);
  return all;
}

/* --- which views count --- */

/* What a missing view shows changes nothing but for batch norm, and a mask of ones is none. */
static void
test_missing (gconstpointer fusion)
{
  static const guint8 present[N * V] = { 1, 1, 1, 1, 0, 1, 0, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0 };
  guint8 ones[N * V], *kept = g_memdup2 (frames, sizeof frames);
  Cnn3dTrainerParams p;
  GPtrArray *a, *b;

  params_for (&p, GPOINTER_TO_INT (fusion), NULL);
  p.freeze = "batch-norm";
  memset (ones, 1, sizeof ones);
  a = trained_in (p, 0, NULL);
  b = trained_in (p, 0, ones);
  g_assert_true (same_weights (a, b));
  g_ptr_array_unref (b);
  b = trained_in (p, 0, present);
  g_assert_false (same_weights (a, b));
  g_ptr_array_unref (a);
  for (guint i = 0; i < N * V; i++)
    if (!present[i])
      memset (frames + i * CLIP_BYTES, 200, CLIP_BYTES);
  a = trained_in (p, 0, present);
  g_assert_true (same_weights (a, b));
  memcpy (frames, kept, sizeof frames);
  g_free (kept);
  g_ptr_array_unref (a);
  g_ptr_array_unref (b);
}

/* Pieces are of whole samples: without batch statistics they give one batch's gradients, with the
 * same draws. */
static void
test_micro_batches (gconstpointer fusion)
{
  static const guint8 present[N * V] = { 1, 1, 1, 1, 0, 1, 0, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0 };
  Cnn3dTrainerParams p;
  GPtrArray *whole;

  params_for (&p, GPOINTER_TO_INT (fusion), NULL);
  p.freeze = "batch-norm";
  p.network.view_dropout = 0.5;
  p.network.dropout = 0.3;
  whole = trained_in (p, 0, present);
  for (guint micro = 1; micro < N; micro += 1 + (micro == 2)) {
    GPtrArray *pieces = trained_in (p, micro, present);

    for (guint i = 0; i < whole->len; i++) {
      const gfloat *a = g_bytes_get_data (whole->pdata[i], NULL),
                   *b = g_bytes_get_data (pieces->pdata[i], NULL);
      const gsize n = g_bytes_get_size (whole->pdata[i]) / sizeof (gfloat);

      for (gsize k = 0; k < n; k++)
        g_assert_cmpfloat_with_epsilon (a[k], b[k], 1e-6 * (1 + fabs (a[k])));
    }
    g_ptr_array_unref (pieces);
  }
  g_ptr_array_unref (whole);
}

/* --- views that training leaves out --- */

#define DRAWS 400

/* Which views a step read: with a concatenation, the others' weights have no gradient. */
static guint
views_read (Cnn3dTrainer *t, guint64 position, const guint8 *present)
{
  const Cnn3dNetwork *net = cnn3d_trainer_network (t);
  const gint fc = cnn3d_network_find_param (net, "fc.weight");
  const gint64 features = net->weights[fc].shape[1] / V;
  g_autofree gfloat *gradient = NULL;
  Cnn3dBatch batch = batch_of (0, 1, present);
  guint read = 0;

  batch.position = position + 1;
  step (t, &batch);
  gradient = cnn3d_trainer_get_gradient (t, fc, NULL);
  for (gint64 i = 0; i < net->weights[fc].count; i++)
    if (gradient[i] != 0)
      read |= 1 << i / features % V;
  return read;
}

static void
test_dropout (void)
{
  const gdouble drop = 0.6;
  static const guint8 present[V] = { 1, 0, 1 };
  guint seen[1 << V] = { 0 }, of_two[1 << V] = { 0 }, *first = g_new (guint, DRAWS);
  Cnn3dTrainerParams p;
  Cnn3dTrainer *t;

  params_for (&p, CNN3D_VIEW_FUSION_CONCAT, NULL);
  p.freeze = "backbone,batch-norm";
  p.network.view_dropout = drop;
  p.lr.lr = 0;
  p.momentum = 0;
  p.keep_gradients = TRUE;
  t = start_with (&p, 1);
  for (guint i = 0; i < DRAWS; i++)
    seen[first[i] = views_read (t, i, NULL)]++;
  cnn3d_trainer_free (&t);
  /* one is always kept, and which one is even */
  g_assert_cmpuint (seen[0], ==, 0);
  for (guint mask = 1; mask < 1 << V; mask++) {
    gdouble expected = 1;

    for (guint v = 0; v < V; v++)
      expected *= mask >> v & 1 ? 1 - drop : drop;
    if ((mask & (mask - 1)) == 0)
      expected += pow (drop, V) / V;
    g_test_message ("views %x: %u of %u, expected %g", mask, seen[mask], DRAWS, expected * DRAWS);
    /* four and a half deviations of a binomial */
    g_assert_cmpfloat (
        fabs (seen[mask] - expected * DRAWS), <, 4.5 * sqrt (DRAWS * expected * (1 - expected)));
  }
  /* the same seed: the same draws, also where the run begins later; another seed: others */
  for (p.seed = 9; p.seed < 11; p.seed++) {
    guint same = 0;

    t = start_with (&p, 1);
    views_read (t, 19, NULL); /* it goes on behind that */
    for (guint i = 20; i < 60; i++)
      same += views_read (t, i, NULL) == first[i];
    g_assert_cmpint (same == 40, ==, p.seed == 9);
    cnn3d_trainer_free (&t);
  }
  /* a missing view is never read, and the last that is there is kept */
  p.seed = 9;
  t = start_with (&p, 1);
  for (guint i = 0; i < 60; i++)
    of_two[views_read (t, i, present)]++;
  cnn3d_trainer_free (&t);
  g_assert_cmpuint (of_two[1] + of_two[4] + of_two[5], ==, 60);
  g_assert_cmpuint (of_two[1], >, 5);
  g_assert_cmpuint (of_two[4], >, 5);
  g_assert_cmpuint (of_two[5], >, 1);
  g_free (first);
}

/* --- the predictor --- */

static Cnn3dPredictor *
predictor_of (const gchar *path, guint chunk, gboolean by_view)
{
  g_autoptr (GError) error = NULL;
  Cnn3dPredictorParams params;
  Cnn3dPredictor *p;

  cnn3d_predictor_params_init (&params);
  params.model = path;
  params.device = "cpu";
  params.threads = 1;
  params.batch = N;
  params.chunk = chunk;
  params.views = V;
  params.by_view = by_view;
  p = cnn3d_predictor_new (&params, &error);
  g_assert_no_error (error);
  return p;
}

/* A file of a network after one step; free with g_free(). */
static gchar *
trained (Cnn3dViewFusion fusion, const gchar *dir)
{
  const Cnn3dBatch batch = batch_of (0, BATCH, NULL);
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;
  Cnn3dTrainer *t;

  params_for (&p, fusion, dir);
  t = start (&p);
  begin (t, 0);
  step (t, &batch);
  g_assert_true (cnn3d_trainer_save (t, NULL, &error));
  g_assert_no_error (error);
  cnn3d_trainer_free (&t);
  return path_in (dir, "last.safetensors");
}

/* The fused logits are the trainer's to the bit, in any chunks and with or without each view's; a
 * view's own are those with a mask of it alone, and none where it is missing. */
static void
test_by_view (gconstpointer fusion)
{
  static const guint8 present[N * V] = { 1, 1, 1, 1, 0, 1, 0, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0 };
  gchar *dir = make_dir ();
  g_autofree gchar *path = trained (GPOINTER_TO_INT (fusion), dir);
  gfloat wanted[N * CLASSES], got[N * CLASSES], alone[V][N * CLASSES], by_view[N * V * CLASSES];
  g_autoptr (GError) error = NULL;
  Cnn3dPredictor *p = predictor_of (path, 0, FALSE);

  g_assert_true (cnn3d_predictor_run_views (
      p, frames, CNN3D_TYPE_UINT8, NULL, present, N, wanted, NULL, &error));
  for (guint v = 0; v < V; v++) {
    guint8 mask[N * V] = { 0 };

    for (guint i = 0; i < N; i++)
      mask[i * V + v] = 1;
    g_assert_true (cnn3d_predictor_run_views (
        p, frames, CNN3D_TYPE_UINT8, NULL, mask, N, alone[v], NULL, &error));
  }
  cnn3d_predictor_free (&p);
  for (guint chunk = 0; chunk <= 4; chunk++) {
    p = predictor_of (path, chunk, TRUE);
    memset (got, 0, sizeof got);
    memset (by_view, 0, sizeof by_view);
    g_assert_true (cnn3d_predictor_run_views (
        p, frames, CNN3D_TYPE_UINT8, NULL, present, N, got, by_view, &error));
    g_assert_no_error (error);
    g_assert_cmpmem (got, sizeof got, wanted, sizeof wanted);
    for (guint i = 0; i < N; i++)
      for (guint v = 0; v < V; v++)
        for (guint k = 0; k < CLASSES; k++) {
          const gfloat value = by_view[(i * V + v) * CLASSES + k];

          if (present[i * V + v])
            g_assert_true (value == alone[v][i * CLASSES + k]);
          else
            g_assert_true (isnan (value));
        }
    /* a chunk that ran before leaves nothing behind */
    g_assert_true (cnn3d_predictor_run_views (
        p, frames, CNN3D_TYPE_UINT8, NULL, present, N, got, NULL, &error));
    g_assert_cmpmem (got, sizeof got, wanted, sizeof wanted);
    cnn3d_predictor_free (&p);
  }
  remove_dir (dir);
}

typedef struct {
  guint maps[V], fused;
} Maps;

static gboolean
count_map (gpointer user, const Cnn3dFeatureMap *map, GError **error)
{
  Maps *m = user;

  g_assert_cmpuint (map->clip, <, N);
  if (!map->view) {
    m->fused++;
    return TRUE;
  }
  for (guint v = 0; v < V; v++)
    m->maps[v] += !strcmp (map->view, names[v]);
  return TRUE;
}

/* A layer of clips has a map of each view; the last layer, of features together, one of a sample. */
static void
test_feature_maps (void)
{
  gchar *dir = make_dir ();
  g_autofree gchar *path = trained (CNN3D_VIEW_FUSION_FEATURES, dir);
  g_autoptr (GError) error = NULL;
  gfloat logits[N * CLASSES];
  Cnn3dPredictorParams params;
  Cnn3dPredictor *p;
  Maps maps = { { 0 } };

  cnn3d_predictor_params_init (&params);
  params.model = path;
  params.device = "cpu";
  params.batch = N;
  params.chunk = 4;
  params.layers = "stem,layer4,fc";
  p = cnn3d_predictor_new (&params, &error);
  g_assert_no_error (error);
  cnn3d_predictor_set_features (p, count_map, &maps);
  g_assert_true (cnn3d_predictor_run (p, frames, CNN3D_TYPE_UINT8, NULL, N, logits, &error));
  g_assert_no_error (error);
  for (guint v = 0; v < V; v++)
    g_assert_cmpuint (maps.maps[v], ==, 2 * N);
  g_assert_cmpuint (maps.fused, ==, N);
  cnn3d_predictor_free (&p);
  remove_dir (dir);
}

/* --- files --- */

static void
test_files (void)
{
  gchar *dir = make_dir ();
  g_autofree gchar *path = trained (CNN3D_VIEW_FUSION_CONCAT, dir);
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModelFile) file = cnn3d_model_file_open (path, &error);
  const Cnn3dModelInfo *info;

  g_assert_no_error (error);
  info = cnn3d_model_file_info (file);
  g_assert_cmpuint (info->network.views, ==, V);
  g_assert_cmpint (info->network.view_fusion, ==, CNN3D_VIEW_FUSION_CONCAT);
  g_assert_true (g_strv_equal ((const gchar *const *) info->views, names));
  g_assert_cmpstr (cnn3d_safetensors_metadata (cnn3d_model_file_tensors (file), "views"), ==,
      "[\"front\",\"left\",\"top\"]");
  remove_dir (dir);
}

static void
assert_resume_fails (Cnn3dTrainerParams *p, const gchar *words)
{
  g_autoptr (GError) error = NULL;
  Cnn3dTrainer *t = start (p);
  Cnn3dPassResult ended;
  guint64 position;

  g_assert_false (cnn3d_trainer_resume (t, &position, &ended, &error));
  assert_says (error, CNN3D_SESSION_ERROR, words);
  cnn3d_trainer_free (&t);
}

/* A checkpoint of other views, or of views that come together in another way. */
static void
test_other_checkpoint (void)
{
  static const gchar *const others[] = { "left", "front", "top", NULL };
  gchar *dir = make_dir ();
  g_autofree gchar *path = trained (CNN3D_VIEW_FUSION_LOGITS, dir);
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;
  Cnn3dPassResult ended;
  guint64 position;
  Cnn3dTrainer *t;

  params_for (&p, CNN3D_VIEW_FUSION_LOGITS, dir);
  t = start (&p);
  g_assert_true (cnn3d_trainer_resume (t, &position, &ended, &error));
  g_assert_cmpuint (position, ==, BATCH);
  cnn3d_trainer_free (&t);
  p.view_names = others;
  assert_resume_fails (&p,
      " was written with input-type=rgb view-fusion=logits views [\"front\",\"left\",\"top\"], not "
      "input-type=rgb view-fusion=logits views [\"left\",\"front\",\"top\"]: set the same, or "
      "resume=never to start over");
  p.view_names = names;
  p.network.view_fusion = CNN3D_VIEW_FUSION_PROBABILITIES;
  assert_resume_fails (&p, "view-fusion=logits|not input-type=rgb view-fusion=probabilities");
  p.network.view_fusion = CNN3D_VIEW_FUSION_LOGITS;
  p.network.views = 0;
  p.view_names = NULL;
  assert_resume_fails (&p, "view-fusion=logits|, not input-type=rgb: set the same");
  remove_dir (dir);
}

/* Several views of the same network: it begins with the weights of one. */
static void
test_pretrained (void)
{
  gchar *dir = make_dir ();
  const Cnn3dBatch one = { frames, CNN3D_TYPE_UINT8, labels, BATCH, BATCH };
  g_autofree gchar *path = path_in (dir, "last.safetensors");
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;
  Cnn3dTrainer *t;

  params_init (&p, dir);
  t = start (&p);
  begin (t, 0);
  step (t, &one);
  g_assert_true (cnn3d_trainer_save (t, NULL, &error));
  cnn3d_trainer_free (&t);
  for (Cnn3dViewFusion fusion = 0; fusion <= CNN3D_VIEW_FUSION_CONCAT; fusion++) {
    params_for (&p, fusion, NULL);
    p.pretrained = path;
    t = start (&p);
    g_assert_cmpstr (cnn3d_trainer_left_out (t)[0], ==,
        fusion == CNN3D_VIEW_FUSION_CONCAT ? "fc.weight ((4, 32) in the file, (4, 96) here)"
                                           : NULL);
    cnn3d_trainer_free (&t);
  }
  remove_dir (dir);
}

/* --- what is refused --- */

static void
test_errors (void)
{
  static const guint8 none[BATCH * V] = { 1, 1, 1, 0, 0, 0, 1, 0, 0 };
  static const gchar *const empty[] = { "a", "", "b", NULL },
                            *const same[] = { "a", "b", "a", NULL };
  gchar *dir = make_dir ();
  g_autofree gchar *path = trained (CNN3D_VIEW_FUSION_LOGITS, dir);
  const Cnn3dBatch batch = batch_of (0, BATCH, none);
  gfloat logits[N * CLASSES];
  g_autoptr (GError) error = NULL;
  Cnn3dPredictorParams params;
  Cnn3dProgress progress;
  Cnn3dTrainerParams p;
  Cnn3dPredictor *predictor;
  Cnn3dTrainer *t;

  params_for (&p, CNN3D_VIEW_FUSION_LOGITS, NULL);
  t = start (&p);
  begin (t, 0);
  g_assert_false (cnn3d_trainer_run (t, &batch, &progress, &error));
  assert_says (error, CNN3D_SESSION_ERROR,
      "all views of sample 1 of a batch are missing: leave such samples out");
  g_clear_error (&error);
  cnn3d_trainer_free (&t);

  predictor = predictor_of (path, 0, FALSE);
  g_assert_false (cnn3d_predictor_run_views (
      predictor, frames, CNN3D_TYPE_UINT8, NULL, none, BATCH, logits, NULL, &error));
  assert_says (error, CNN3D_SESSION_ERROR, "all views of sample 1 of a batch are missing");
  g_clear_error (&error);
  cnn3d_predictor_free (&predictor);

  cnn3d_predictor_params_init (&params);
  params.model = path;
  params.device = "cpu";
  params.views = 1;
  g_assert_null (cnn3d_predictor_new (&params, &error));
  assert_says (error, CNN3D_NETWORK_ERROR,
      " was trained on samples of 3 views, but samples of 1 come: set clipsrc views to those that "
      "it was trained on");
  g_clear_error (&error);

  p.network.views = 2;
  g_assert_null (cnn3d_trainer_new (&p, BATCH, &error));
  assert_says (error, CNN3D_SESSION_ERROR,
      "there are names for 3 views, but a sample has 2: name each view, or none");
  g_clear_error (&error);

  /* no file would be read with such names */
  p.network.views = V;
  p.view_names = empty;
  g_assert_null (cnn3d_trainer_new (&p, BATCH, &error));
  assert_says (error, CNN3D_SESSION_ERROR, "view 1 has an empty name: name each view, or none");
  g_clear_error (&error);
  p.view_names = same;
  g_assert_null (cnn3d_trainer_new (&p, BATCH, &error));
  assert_says (error, CNN3D_SESSION_ERROR,
      "views 0 and 2 are both called 'a': give each view a unique name");
  remove_dir (dir);
}

int
main (int argc, char **argv)
{
  static const gchar *const fusions[] = { "logits", "probabilities", "features", "concat" };
  static const struct {
    const gchar *name;
    GTestDataFunc test;
  } tests[] = { { "missing", test_missing }, { "micro-batches", test_micro_batches },
    { "by-view", test_by_view } };
  gint ret;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("cnn3d-views-XXXXXX", NULL);
  for (guint i = 0; i < N * V; i++) {
    gint32 unused;

    draw_clip (i, frames + i * CLIP_BYTES, i % V ? &unused : &labels[i / V]);
  }
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    for (guint f = 0; f < G_N_ELEMENTS (fusions); f++) {
      g_autofree gchar *name = g_strdup_printf ("/trainer-views/%s/%s", tests[i].name, fusions[f]);

      g_test_add_data_func (name, GUINT_TO_POINTER (f), tests[i].test);
    }
  g_test_add_func ("/trainer-views/dropout", test_dropout);
  g_test_add_func ("/trainer-views/feature-maps", test_feature_maps);
  g_test_add_func ("/trainer-views/files", test_files);
  g_test_add_func ("/trainer-views/other-checkpoint", test_other_checkpoint);
  g_test_add_func ("/trainer-views/pretrained", test_pretrained);
  g_test_add_func ("/trainer-views/errors", test_errors);
  ret = g_test_run ();
  g_rmdir (folder);
  g_free (folder);
  return ret;
}
