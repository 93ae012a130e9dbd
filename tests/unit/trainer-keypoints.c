/* Networks that read key points, in the trainer and the predictor: compared with the slow
 * reference, initialized from other weights, and errors for unusable input.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/evaluate/predictor.h"
#include "tests/networks.h"
#include "tests/reference/reference.h"
#include "tests/unit/smallrun.h"

#define N 4
#define CLIP_POINTS (2 * 2 * 17 * 3) /* T, M, K, 3 */

static guint8 frames[N * CLIP_BYTES];
static gfloat points[N * CLIP_POINTS];
static gint32 labels[N];

static const TestNetwork *
kind_named (const gchar *name)
{
  static const TestNetwork more[] = {
    { "slow_r50-late", "slow_r50", CNN3D_INPUT_RGB_KPT, CNN3D_FUSION_LATE },
    { "r3d_18-late", "r3d_18", CNN3D_INPUT_RGB_KPT, CNN3D_FUSION_LATE },
    { "mc3_18-concat", "mc3_18", CNN3D_INPUT_RGB_KPT, CNN3D_FUSION_CONCAT },
  };

  for (guint i = 0; i < TEST_N_NETWORKS; i++)
    if (!strcmp (test_networks[i].name, name))
      return &test_networks[i];
  for (guint i = 0; i < G_N_ELEMENTS (more); i++)
    if (!strcmp (more[i].name, name))
      return &more[i];
  g_assert_not_reached ();
}

static void
params_for (Cnn3dTrainerParams *p, const gchar *kind, const gchar *dir)
{
  params_init (p, dir);
  p->network = test_network_params (kind_named (kind), p->network);
  p->network.heatmap_size = 16;
}

static Cnn3dBatch
batch_of (guint first, guint n)
{
  return (Cnn3dBatch) { .frames = frames + first * CLIP_BYTES,
    .type = CNN3D_TYPE_UINT8,
    .labels = labels + first,
    .n = n,
    .position = n,
    .points = points + first * CLIP_POINTS };
}

static void
step (Cnn3dTrainer *t)
{
  const Cnn3dBatch batch = batch_of (0, BATCH);
  g_autoptr (GError) error = NULL;
  Cnn3dProgress progress;

  begin (t, 0);
  cnn3d_trainer_run (t, &batch, &progress, &error);
  g_assert_no_error (error);
}

/* A file of a network after one step; g_free() */
static gchar *
trained (const gchar *kind, const gchar *dir, gfloat *logits)
{
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;
  Cnn3dTrainer *t;

  params_for (&p, kind, dir);
  t = start (&p);
  step (t);
  g_assert_true (cnn3d_trainer_save (t, NULL, &error));
  for (guint k = 0; logits && k < N; k++) {
    const Cnn3dBatch batch = batch_of (k, 1);

    g_assert_true (cnn3d_trainer_logits (t, &batch, logits + k * CLASSES, &error));
    g_assert_no_error (error);
  }
  cnn3d_trainer_free (&t);
  return path_in (dir, "last.safetensors");
}

/* --- outputs --- */

typedef struct {
  const Cnn3dNetwork *net;
  const Reference *reference;
  guint maps; /* so far */
} Maps;

static void
compare (const gfloat *values, const gdouble *wanted, gsize n, const gchar *name)
{
  gdouble square = 0, error = 0;

  for (gsize i = 0; i < n; i++) {
    square += wanted[i] * wanted[i];
    error += (values[i] - wanted[i]) * (values[i] - wanted[i]);
  }
  if (!(sqrt (error) <= 1e-4 * sqrt (square)))
    g_error ("%s differs: %g of %g", name, sqrt (error), sqrt (square));
}

static gboolean
take_map (gpointer user, const Cnn3dFeatureMap *map, GError **error)
{
  Maps *m = user;
  g_autofree gchar *prefix = g_strconcat (map->layer, ".", NULL);
  const Cnn3dTensor *t;
  gint tensor = -1;
  gsize n;

  for (guint i = 0; i < m->net->n_weights; i++)
    if (g_str_has_prefix (m->net->weights[i].name, prefix))
      tensor = MAX (tensor, m->net->ops[m->net->weights[i].op].out);
  g_assert_cmpint (tensor, >=, 0);
  t = &m->net->tensors[tensor];
  n = (gsize) t->c * t->d * t->h * t->w;
  g_assert_cmpuint (map->channels * map->frames * map->height * map->width, ==, n);
  compare (map->values, m->reference->tensors[tensor] + map->clip * n, n, map->layer);
  m->maps++;
  return TRUE;
}

static Reference *
reference_of (const gchar *path, Cnn3dNetwork **net)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModelFile) file = cnn3d_model_file_open (path, &error);
  const ReferenceInput in = {
    .frames = frames, .type = CNN3D_TYPE_UINT8, .labels = labels, .points = points
  };
  Reference *r;

  g_assert_no_error (error);
  *net = cnn3d_network_new (&cnn3d_model_file_info (file)->network, &error);
  g_assert_no_error (error);
  r = reference_new (*net, N);
  for (guint i = 0; i < (*net)->n_weights; i++) {
    g_autofree gfloat *values = g_new (gfloat, (*net)->weights[i].count);

    g_assert_true (
        cnn3d_model_file_read (cnn3d_model_file_tensors (file), path, *net, i, values, &error));
    g_assert_no_error (error);
    reference_set_weight (r, i, values);
  }
  reference_forward (r, &in);
  return r;
}

/* The predictor's logits equal the trainer's to the bit in any chunks, and match the reference; the
 * stages of both streams have feature maps. */
static void
test_outputs (gconstpointer kind)
{
  static const struct {
    const gchar *kind;
    guint stages;
  } all[] = { { "posec3d_slowonly", 4 }, { "r3d_18-concat", 9 }, { "mc3_18-mean", 9 },
    { "mc3_18-late", 9 }, { "slow_r50-late", 9 }, { "r3d_18-stem", 5 } };
  gchar *dir = make_dir ();
  gfloat wanted[N * CLASSES], got[N * CLASSES];
  g_autofree gchar *path = trained (kind, dir, wanted);
  guint stages = 0;
  Cnn3dNetwork *net;
  Reference *r = reference_of (path, &net);

  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    if (!strcmp (all[i].kind, kind))
      stages = all[i].stages;
  compare (wanted, r->tensors[net->logits], N * CLASSES, "logits");
  for (guint chunk = 0; chunk <= 3; chunk++) {
    g_autoptr (GError) error = NULL;
    Cnn3dPredictorParams params;
    Maps maps = { net, r };
    Cnn3dPredictor *p;

    cnn3d_predictor_params_init (&params);
    params.model = path;
    params.device = "cpu";
    params.threads = 1;
    params.batch = N;
    params.chunk = chunk;
    params.points = 17;
    params.persons = 2;
    params.layers = "stages";
    p = cnn3d_predictor_new (&params, &error);
    g_assert_no_error (error);
    memset (got, 0, sizeof got);
    cnn3d_predictor_set_features (p, take_map, &maps);
    cnn3d_predictor_run (p, frames, CNN3D_TYPE_UINT8, points, N, got, &error);
    g_assert_no_error (error);
    g_assert_cmpmem (got, sizeof got, wanted, sizeof wanted);
    g_assert_cmpuint (maps.maps, ==, N * stages);
    cnn3d_predictor_free (&p);
  }
  reference_free (&r);
  cnn3d_network_free (&net);
  remove_dir (dir);
}

/* --- pretrained weights --- */

static gfloat *
weight_named (Cnn3dTrainer *t, const gchar *name, gsize *bytes)
{
  const Cnn3dNetwork *net = cnn3d_trainer_network (t);
  const gint param = cnn3d_network_find_param (net, name);
  g_autoptr (GError) error = NULL;
  gfloat *values;

  g_assert_cmpint (param, >=, 0);
  values = cnn3d_trainer_get_weight (t, param, &error);
  g_assert_no_error (error);
  *bytes = net->weights[param].count * sizeof (gfloat);
  return values;
}

static Cnn3dTrainer *
begun_from (const gchar *kind, const gchar *path)
{
  Cnn3dTrainerParams p;

  params_for (&p, kind, NULL);
  p.pretrained = path;
  return start (&p);
}

static void
assert_left_out (const Cnn3dTrainer *t, const gchar *const *wanted)
{
  const gchar *const *left_out = cnn3d_trainer_left_out (t);

  for (guint i = 0; wanted[i]; i++)
    g_assert_cmpstr (left_out[i], ==, wanted[i]);
  g_assert_null (left_out[g_strv_length ((gchar **) wanted)]);
}

/* Weights of either stream initialize a two-stream network; the other stream is initialized at
 * random and reported once. A file of neither is an error. */
static void
test_one_stream (void)
{
  static const struct {
    const gchar *from, *to, *same, *left_out[5];
  } table[] = {
    { "r3d_18", "r3d_18-concat", "layer4.1.conv2.0.weight",
        { "backbone.conv1.conv.weight and all of its stream (not in the file)",
            "fc.weight ((4, 32) in the file, (4, 64) here)" } },
    { "r3d_18", "r3d_18-late", "fc.weight",
        { "backbone.conv1.conv.weight and all of its stream (not in the file)",
            "cls_head.fc_cls.weight (not in the file)",
            "cls_head.fc_cls.bias (not in the file)" } },
    { "posec3d_slowonly", "mc3_18-late", "cls_head.fc_cls.weight",
        { "stem.0.weight and all of its stream (not in the file)", "fc.weight (not in the file)",
            "fc.bias (not in the file)" } },
    { "posec3d_slowonly", "mc3_18-concat", "backbone.layer3.2.conv3.conv.weight",
        { "stem.0.weight and all of its stream (not in the file)", "fc.weight (not in the file)",
            "fc.bias (not in the file)", "cls_head.fc_cls.weight (not in the model)",
            "cls_head.fc_cls.bias (not in the model)" } },
  };
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;

  for (guint i = 0; i < G_N_ELEMENTS (table); i++) {
    gchar *dir = make_dir ();
    g_autofree gchar *path = trained (table[i].from, dir, NULL);
    g_autofree gfloat *a = NULL, *b = NULL;
    const gchar *wanted[G_N_ELEMENTS (table[i].left_out) + 1] = { NULL };
    Cnn3dTrainer *t;
    gsize m, n;

    g_test_message ("%s from %s", table[i].to, table[i].from);
    memcpy (wanted, table[i].left_out, sizeof table[i].left_out);
    t = begun_from (table[i].from, path);
    a = weight_named (t, table[i].same, &m);
    cnn3d_trainer_free (&t);
    t = begun_from (table[i].to, path);
    b = weight_named (t, table[i].same, &n);
    g_assert_cmpmem (a, m, b, n);
    assert_left_out (t, wanted);
    cnn3d_trainer_free (&t);
    remove_dir (dir);
  }

  {
    gchar *dir = make_dir ();
    g_autofree gchar *path = trained ("slow_r50", dir, NULL);

    params_for (&p, "r3d_18-concat", NULL);
    p.pretrained = path;
    g_assert_null (cnn3d_trainer_new (&p, BATCH, &error));
    assert_says (error, CNN3D_NETWORK_ERROR,
        "has no 'stem.0.weight', which r3d_18 needs: is it a file of another model?");
    remove_dir (dir);
  }
}

/* With heat maps as additional channels, pretrained weights for frames give unchanged outputs until
 * they are trained. */
static void
test_stem (void)
{
  static const gchar *const wanted[] = { "stem.0.weight (its weights of 17 heat maps start at 0)",
    NULL };
  gchar *dir = make_dir ();
  gfloat before[N * CLASSES], after[N * CLASSES];
  g_autofree gchar *path = trained ("r3d_18", dir, before);
  const Cnn3dBatch batch = batch_of (0, BATCH);
  Cnn3dTrainer *t = begun_from ("r3d_18-stem", path);
  g_autofree gfloat *weights = NULL;
  g_autoptr (GError) error = NULL;
  guint moved = 0;
  gsize bytes;

  assert_left_out (t, wanted);
  g_assert_true (cnn3d_trainer_logits (t, &batch, after, &error));
  for (guint i = 0; i < BATCH * CLASSES; i++)
    g_assert_cmpfloat_with_epsilon (after[i], before[i], 1e-5);
  step (t);
  weights = weight_named (t, "stem.0.weight", &bytes);
  g_assert_cmpuint (bytes, ==, 4 * (3 + 17) * 3 * 7 * 7 * sizeof (gfloat));
  for (guint i = 3 * 3 * 7 * 7; i < 20 * 3 * 7 * 7; i++)
    moved += weights[i] != 0;
  g_assert_cmpuint (moved, >, 17 * 3 * 7 * 7 / 2);
  cnn3d_trainer_free (&t);
  remove_dir (dir);
}

/* --- frozen parameters --- */

static void
check_freeze (const gchar *kind, const gchar *freeze, const gchar *trains)
{
  g_autoptr (GPtrArray) before = g_ptr_array_new_with_free_func (g_free);
  g_auto (GStrv) prefixes = g_strsplit (trains, ",", -1);
  const Cnn3dNetwork *net;
  Cnn3dTrainerParams p;
  Cnn3dTrainer *t;
  gsize bytes;

  params_for (&p, kind, NULL);
  p.freeze = freeze;
  t = start (&p);
  net = cnn3d_trainer_network (t);
  for (guint i = 0; i < net->n_weights; i++)
    g_ptr_array_add (before, weight_named (t, net->weights[i].name, &bytes));
  step (t);
  for (guint i = 0; i < net->n_weights; i++) {
    g_autofree gfloat *after = weight_named (t, net->weights[i].name, &bytes);
    gboolean free = FALSE;

    if (!CNN3D_PARAM_TRAINED (net->weights[i].role))
      continue;
    for (guint k = 0; prefixes[k]; k++)
      free |= g_str_has_prefix (net->weights[i].name, prefixes[k]);
    g_test_message ("%s, freeze=%s: %s", kind, freeze, net->weights[i].name);
    if (!free)
      g_assert_cmpmem (after, bytes, g_ptr_array_index (before, i), bytes);
    else
      g_assert_cmpint (memcmp (after, g_ptr_array_index (before, i), bytes), !=, 0);
  }
  cnn3d_trainer_free (&t);
}

/* backbone is all but the last layers, of which fusion=late has two; a prefix may be one stream. */
static void
test_freeze (void)
{
  check_freeze ("r3d_18-concat", "backbone", "fc.");
  check_freeze ("mc3_18-late", "backbone", "fc.,cls_head.");
  check_freeze ("mc3_18-late", "backbone.", "stem.,layer,fc.,cls_head.");
  check_freeze ("mc3_18-late", "stem,layer,fc", "backbone.,cls_head.");
}

/* --- errors --- */

static void
test_without_points (void)
{
  gchar *dir = make_dir ();
  g_autofree gchar *path = trained ("r3d_18-concat", dir, NULL);
  gfloat logits[N * CLASSES];
  Cnn3dBatch batch = batch_of (0, BATCH);
  g_autoptr (GError) error = NULL;
  Cnn3dPredictorParams params;
  Cnn3dProgress progress;
  Cnn3dTrainerParams p;
  Cnn3dPredictor *predictor;
  Cnn3dTrainer *t;

  params_for (&p, "r3d_18-concat", NULL);
  t = start (&p);
  begin (t, 0);
  batch.points = NULL;
  g_assert_false (cnn3d_trainer_run (t, &batch, &progress, &error));
  assert_says (error, CNN3D_SESSION_ERROR, "the network reads key points, but the batch has none");
  g_clear_error (&error);
  cnn3d_trainer_free (&t);

  cnn3d_predictor_params_init (&params);
  params.model = path;
  params.device = "cpu";
  predictor = cnn3d_predictor_new (&params, &error);
  g_assert_no_error (error);
  g_assert_false (
      cnn3d_predictor_run (predictor, frames, CNN3D_TYPE_UINT8, NULL, 1, logits, &error));
  assert_says (error, CNN3D_SESSION_ERROR, "the network reads key points, but the clips have none");
  g_clear_error (&error);
  cnn3d_predictor_free (&predictor);

  for (guint i = 0; i < 2; i++) {
    params.points = i ? 18 : 17;
    params.persons = i ? 2 : 1;
    g_assert_null (cnn3d_predictor_new (&params, &error));
    assert_says (error, CNN3D_NETWORK_ERROR,
        i ? "was trained on 17 key points of 2 persons, but 18 of 2 arrived: use the same skeleton "
            "and "
            "clipkpt persons=2"
          : "but 17 of 1 arrived");
    g_clear_error (&error);
  }
  remove_dir (dir);
}

int
main (int argc, char **argv)
{
  static const gchar *const kinds[] = { "posec3d_slowonly", "r3d_18-concat", "mc3_18-mean",
    "mc3_18-late", "slow_r50-late", "r3d_18-stem" };
  const Cnn3dRandomKey key = { 5, 0, CNN3D_RANDOM_DEMO, 0 };
  gint ret;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("cnn3d-keypoints-XXXXXX", NULL);
  for (guint i = 0; i < N; i++)
    draw_clip (i, frames + i * CLIP_BYTES, labels + i);
  for (guint i = 0; i < N * CLIP_POINTS; i++)
    points[i] = cnn3d_random_uniform (&key, i);
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++) {
    g_autofree gchar *name = g_strconcat ("/trainer-keypoints/outputs/", kinds[i], NULL);

    g_test_add_data_func (name, kinds[i], test_outputs);
  }
  g_test_add_func ("/trainer-keypoints/one-stream", test_one_stream);
  g_test_add_func ("/trainer-keypoints/stem", test_stem);
  g_test_add_func ("/trainer-keypoints/freeze", test_freeze);
  g_test_add_func ("/trainer-keypoints/without-points", test_without_points);
  ret = g_test_run ();
  g_rmdir (folder);
  g_free (folder);
  return ret;
}
