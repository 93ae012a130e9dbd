/* A predictor compared with the slow reference, with the trainer that wrote its model, and with
 * itself in other chunks.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/evaluate/predictor.h"
#include "tests/reference/reference.h"
#include "tests/unit/smallrun.h"

#define N 7

static const gchar *const models[] = { "r3d_18", "mc3_18", "r2plus1d_18", "slow_r50" };

static guint8 frames[N * CLIP_BYTES];

/* A model file after a few training steps and, on request, the trainer's logits of all clips.
 * g_free() */
static gchar *
train (const gchar *model, Cnn3dPrecision precision, Cnn3dRecompute recompute, const gchar *dir,
    gfloat *logits)
{
  Cnn3dTrainerParams p;
  Cnn3dTrainer *t;
  g_autoptr (GError) error = NULL;

  params_init (&p, dir);
  p.network.model = model;
  p.precision = precision;
  p.recompute = recompute;
  p.preparation = (Cnn3dPreparation) { "center", 3, "lanczos", TRUE };
  t = start (&p);
  drive (t, 0, 4);
  g_assert_true (cnn3d_trainer_save (t, NULL, &error));
  g_assert_no_error (error);
  for (guint k = 0; logits && k < N; k += BATCH) {
    const Cnn3dBatch batch = { frames + k * CLIP_BYTES, CNN3D_TYPE_UINT8, NULL,
      MIN (BATCH, N - k) };

    g_assert_true (cnn3d_trainer_logits (t, &batch, logits + k * CLASSES, &error));
    g_assert_no_error (error);
  }
  cnn3d_trainer_free (&t);
  return path_in (dir, "last.safetensors");
}

static void
params_for (Cnn3dPredictorParams *p, const gchar *path)
{
  cnn3d_predictor_params_init (p);
  p->model = path;
  p->device = "cpu";
  p->threads = 1;
  p->batch = N;
}

static Cnn3dPredictor *
predictor (const Cnn3dPredictorParams *p)
{
  g_autoptr (GError) error = NULL;
  Cnn3dPredictor *predictor = cnn3d_predictor_new (p, &error);

  g_assert_no_error (error);
  return predictor;
}

static void
run (Cnn3dPredictor *p, guint first, guint n, gfloat *logits)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (cnn3d_predictor_run (
      p, frames + first * CLIP_BYTES, CNN3D_TYPE_UINT8, NULL, n, logits + first * CLASSES, &error));
  g_assert_no_error (error);
}

/* --- the same bits in any chunks --- */

static void
test_bits (gconstpointer model)
{
  const struct {
    Cnn3dPrecision precision;
    Cnn3dRecompute recompute;
  } ways[] = { { CNN3D_PRECISION_32, CNN3D_RECOMPUTE_NONE },
    { CNN3D_PRECISION_BF16_MIXED, CNN3D_RECOMPUTE_BLOCK } };

  for (guint w = 0; w < G_N_ELEMENTS (ways); w++) {
    gfloat wanted[N * CLASSES], got[N * CLASSES];
    gchar *dir = make_dir ();
    g_autofree gchar *path = train (model, ways[w].precision, ways[w].recompute, dir, wanted);

    for (guint chunk = 0; chunk < 4; chunk++) {
      Cnn3dPredictorParams params;
      Cnn3dPredictor *p;

      params_for (&params, path);
      params.chunk = chunk;
      params.threads = 1 + chunk % 2;
      p = predictor (&params);
      g_assert_cmpuint (cnn3d_predictor_chunk (p), ==, chunk ? chunk : N);
      g_assert_cmpint (cnn3d_predictor_precision (p), ==, ways[w].precision);
      memset (got, 0, sizeof got);
      run (p, 0, N, got);
      g_assert_cmpmem (got, sizeof got, wanted, sizeof wanted);
      /* in other batches */
      memset (got, 0, sizeof got);
      run (p, 0, 2, got);
      run (p, 2, 1, got);
      run (p, 3, N - 3, got);
      g_assert_cmpmem (got, sizeof got, wanted, sizeof wanted);
      cnn3d_predictor_free (&p);
    }
    remove_dir (dir);
  }
}

/* --- outputs --- */

typedef struct {
  const Cnn3dNetwork *net;
  const Reference *reference;
  guint maps;  /* so far */
  gchar *last; /* layer */
  guint layers;
} Maps;

/* A layer's tensor: the output of the last op with a parameter named LAYER.something. */
static gint
find_tensor (const Cnn3dNetwork *net, const gchar *layer)
{
  g_autofree gchar *prefix = g_strconcat (layer, ".", NULL);
  gint tensor = -1;

  for (guint i = 0; i < net->n_ops; i++) {
    const gint params[] = { net->ops[i].weight, net->ops[i].mean };

    for (guint k = 0; k < 2; k++)
      if (params[k] >= 0 && g_str_has_prefix (net->weights[params[k]].name, prefix))
        tensor = net->ops[i].out;
  }
  g_assert_cmpint (tensor, >=, 0);
  return tensor;
}

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
  const gint tensor = find_tensor (m->net, map->layer);
  const Cnn3dTensor *t = &m->net->tensors[tensor];
  const gsize n = (gsize) t->c * t->d * t->h * t->w;

  g_assert_cmpuint (map->channels, ==, t->c);
  g_assert_cmpuint (map->frames, ==, t->d);
  g_assert_cmpuint (map->height, ==, t->h);
  g_assert_cmpuint (map->width, ==, t->w);
  g_assert_cmpuint (map->clip, <, N);
  compare (map->values, m->reference->tensors[tensor] + map->clip * n, n, map->layer);
  m->maps++;
  if (g_strcmp0 (m->last, map->layer)) {
    g_free (m->last);
    m->last = g_strdup (map->layer);
    m->layers++;
  }
  return TRUE;
}

static Reference *
reference_of (const gchar *path, Cnn3dNetwork **net)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModelFile) file = cnn3d_model_file_open (path, &error);
  static const gint32 labels[N]; /* the reference always computes a loss */
  const ReferenceInput in = { .frames = frames, .type = CNN3D_TYPE_UINT8, .labels = labels };
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

/* Logits and feature maps: of each stage, of layers within, and of a convolution whose batch norm
 * would otherwise run in place. */
static void
test_outputs (gconstpointer model)
{
  static const gchar *const layers[] = { "stages", "fc, layer2.0.conv1.0,layer4,layer2.0.conv2" };
  static const gchar *const slow_layers[] = { "stages",
    "blocks.1.res_blocks.0.branch2.conv_a,blocks.3, blocks.5.proj" };
  static const guint wanted[2] = { 5, 4 }, slow_wanted[2] = { 5, 3 };
  const gboolean slow = !strcmp (model, "slow_r50");
  gchar *dir = make_dir ();
  g_autofree gchar *path = train (model, CNN3D_PRECISION_32, CNN3D_RECOMPUTE_NONE, dir, NULL);
  Cnn3dNetwork *net;
  Reference *r = reference_of (path, &net);
  gfloat plain[N * CLASSES], logits[N * CLASSES];
  Cnn3dPredictorParams params;
  Cnn3dPredictor *p;

  params_for (&params, path);
  p = predictor (&params);
  run (p, 0, N, plain);
  compare (plain, r->tensors[net->logits], N * CLASSES, "logits");
  cnn3d_predictor_free (&p);
  for (guint i = 0; i < 2; i++)
    for (params.chunk = 0; params.chunk <= 3; params.chunk += 3) {
      Maps maps = { net, r };

      params.layers = slow ? slow_layers[i] : layers[i];
      p = predictor (&params);
      run (p, 0, N, logits); /* not requested */
      cnn3d_predictor_set_features (p, take_map, &maps);
      run (p, 0, N, logits);
      g_assert_cmpmem (logits, sizeof logits, plain, sizeof plain);
      g_assert_cmpuint (maps.maps, ==, N * (slow ? slow_wanted[i] : wanted[i]));
      g_free (maps.last);
      cnn3d_predictor_free (&p);
    }
  reference_free (&r);
  cnn3d_network_free (&net);
  remove_dir (dir);
}

/* --- metadata --- */

static void
test_info (void)
{
  static const gchar *const classes[] = { "<b>", "two\n", "\033[31m", "vier", NULL };
  gchar *dir = make_dir ();
  g_autofree gchar *path = path_in (dir, "best.safetensors");
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;
  Cnn3dTrainer *t;
  Cnn3dModelFile *file;
  const Cnn3dModelInfo *info;

  params_init (&p, dir);
  p.classes = classes;
  p.precision = CNN3D_PRECISION_BF16_MIXED;
  p.preparation = (Cnn3dPreparation) { "uniform", 0, "none", FALSE };
  t = start (&p);
  drive (t, 0, EPOCHS * (4 + 2));
  file = cnn3d_model_file_open (path, &error);
  g_assert_no_error (error);
  info = cnn3d_model_file_info (file);
  g_assert_cmpstr (info->network.model, ==, "r3d_18");
  g_assert_cmpuint (info->network.num_classes, ==, CLASSES);
  g_assert_cmpuint (info->network.base_width, ==, 4);
  g_assert_cmpuint (info->network.frames, ==, 2);
  g_assert_cmpuint (info->network.height, ==, 16);
  g_assert_cmpuint (info->network.width, ==, 16);
  g_assert_cmpmem (
      info->mean, 3 * sizeof (gfloat), cnn3d_trainer_network (t)->mean, 3 * sizeof (gfloat));
  g_assert_cmpmem (
      info->std, 3 * sizeof (gfloat), cnn3d_trainer_network (t)->std, 3 * sizeof (gfloat));
  for (guint i = 0; i <= CLASSES; i++)
    g_assert_cmpstr (info->classes[i], ==, classes[i]);
  g_assert_cmpint (info->precision, ==, CNN3D_PRECISION_BF16_MIXED);
  g_assert_cmpuint (info->epoch, >=, 1);
  g_assert_cmpuint (info->epoch, <=, EPOCHS);
  g_assert_cmpuint (info->step, ==, info->epoch * 4);
  g_assert_cmpstr (info->preparation.sampling, ==, "uniform");
  g_assert_cmpuint (info->preparation.frame_interval, ==, 0);
  g_assert_cmpstr (info->preparation.scaling, ==, "none");
  g_assert_false (info->preparation.add_borders);
  cnn3d_model_file_free (file);
  cnn3d_trainer_free (&t);
  remove_dir (dir);
}

/* --- memory and settings --- */

static guint64
needs (const gchar *path, guint chunk)
{
  Cnn3dPredictorParams params;
  Cnn3dPredictor *p;
  Cnn3dMemory m;

  params_for (&params, path);
  params.chunk = chunk;
  p = predictor (&params);
  cnn3d_predictor_memory (p, &m);
  g_assert_cmpuint (m.total, ==, m.weights + m.copy + m.input + m.arena);
  cnn3d_predictor_free (&p);
  return m.total + m.context;
}

/* Chunks shrink to what fits; if nothing fits, that is an error. */
static void
test_budget (void)
{
  gchar *dir = make_dir ();
  g_autofree gchar *path = train ("r3d_18", CNN3D_PRECISION_32, CNN3D_RECOMPUTE_NONE, dir, NULL);
  const guint64 three = needs (path, 3), one = needs (path, 1);
  Cnn3dPredictorParams params;
  Cnn3dPredictor *p;
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (one, <, three);
  g_assert_cmpuint (three, <, needs (path, N));
  params_for (&params, path);
  params.max_memory = three;
  p = predictor (&params);
  g_assert_cmpuint (cnn3d_predictor_chunk (p), ==, 3);
  cnn3d_predictor_free (&p);
  params.max_memory = three - 1;
  p = predictor (&params);
  g_assert_cmpuint (cnn3d_predictor_chunk (p), ==, 2);
  cnn3d_predictor_free (&p);
  params.max_memory = one - 1;
  g_assert_null (cnn3d_predictor_new (&params, &error));
  assert_says (error, CNN3D_SESSION_ERROR, "one clip|max-memory");
  remove_dir (dir);
}

static void
test_refused (void)
{
  static const struct {
    guint frames, height, width, channels;
    const gchar *layers, *device, *words;
  } bad[] = {
    { 3, 0, 0, 0, NULL, "cpu",
        "was trained on clips of 2 frames of 16x16 with 3 channels (width x height), but clips of "
        "3 frames|num-frames=2" },
    { 0, 16, 8, 0, NULL, "cpu", "16x16|8x16|width=16" },
    { 0, 0, 0, 1, NULL, "cpu", "3 channels" },
    { 0, 0, 0, 0, "layer7", "cpu",
        " has no layer 'layer7': there are stem, layer1, layer2, layer3, layer4, and in them what "
        "its parameters are named by, such as stem" },
    { 0, 0, 0, 0, "layer", "cpu", "no layer" },
    { 0, 0, 0, 0, "\033[2J", "cpu", "\\x1b" },
    { 0, 0, 0, 0, NULL, "tpu", "device=tpu" },
  };
  gchar *dir = make_dir ();
  g_autofree gchar *path = train ("r3d_18", CNN3D_PRECISION_32, CNN3D_RECOMPUTE_NONE, dir, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;
    Cnn3dPredictorParams params;

    params_for (&params, path);
    params.frames = bad[i].frames;
    params.height = bad[i].height;
    params.width = bad[i].width;
    params.channels = bad[i].channels;
    params.layers = bad[i].layers;
    params.device = bad[i].device;
    g_assert_null (cnn3d_predictor_new (&params, &error));
    g_assert_nonnull (error);
    assert_says (error, error->domain, bad[i].words);
  }
  for (guint i = 0; i < 2; i++) {
    g_autoptr (GError) error = NULL;
    Cnn3dPredictorParams params;

    params_for (&params, path);
    params.batch = i ? 65537 : 0;
    g_assert_null (cnn3d_predictor_new (&params, &error));
    assert_says (error, error->domain,
        i ? "batch is 65537, but must be from 1 to 65536" : "batch is 0, but must be");
  }
  remove_dir (dir);
}

/* A model with diverged weights, and a batch that is too large. */
static void
test_bad_clips (void)
{
  gchar *dir = make_dir ();
  g_autofree gchar *path = train ("r3d_18", CNN3D_PRECISION_32, CNN3D_RECOMPUTE_NONE, dir, NULL);
  gfloat input[CLIP_BYTES], logits[2 * CLASSES];
  g_autoptr (GError) error = NULL;
  Cnn3dPredictorParams params;
  Cnn3dPredictor *p;

  params_for (&params, path);
  params.batch = 1;
  params.frames_type = CNN3D_TYPE_FLOAT32;
  p = predictor (&params);
  for (guint i = 0; i < CLIP_BYTES; i++)
    input[i] = i == 7 ? NAN : 0;
  g_assert_false (cnn3d_predictor_run (p, input, CNN3D_TYPE_FLOAT32, NULL, 1, logits, &error));
  assert_says (error, CNN3D_SESSION_ERROR, "is NaN or infinite: its weights have diverged");
  g_clear_error (&error);
  g_assert_false (cnn3d_predictor_run (p, frames, CNN3D_TYPE_UINT8, NULL, 2, logits, &error));
  assert_says (error, CNN3D_SESSION_ERROR,
      "2 clips of 8-bit numbers arrived, but memory was planned for at most 1");
  g_clear_error (&error);
  run (p, 0, 1, logits);
  cnn3d_predictor_free (&p);
  remove_dir (dir);
}

static void
test_softmax (void)
{
  static const gfloat logits[] = { 1000, 1001, -3e38f };
  gdouble p[3];

  cnn3d_softmax (logits, 3, p);
  g_assert_cmpfloat_with_epsilon (p[0], 1 / (1 + exp (1)), 1e-15);
  g_assert_cmpfloat_with_epsilon (p[1], exp (1) / (1 + exp (1)), 1e-15);
  g_assert_cmpfloat (p[2], ==, 0);
}

/* Error domains appear in messages; a code formatter may put blanks around their hyphens. */
static void
test_domains (void)
{
  const struct {
    GQuark domain;
    const gchar *name;
  } all[] = {
    { CNN3D_SESSION_ERROR, "cnn3d-session-error" },
    { CNN3D_BACKEND_ERROR, "cnn3d-backend-error" },
    { CNN3D_NETWORK_ERROR, "cnn3d-network-error" },
    { CNN3D_MODEL_FILE_ERROR, "cnn3d-model-file-error" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    g_assert_cmpstr (g_quark_to_string (all[i].domain), ==, all[i].name);
}

int
main (int argc, char **argv)
{
  gint ret;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("cnn3d-predictor-XXXXXX", NULL);
  for (guint i = 0; i < N; i++) {
    gint32 label;

    draw_clip (i, frames + i * CLIP_BYTES, &label);
  }
  for (guint i = 0; i < G_N_ELEMENTS (models); i++) {
    g_autofree gchar *bits = g_strconcat ("/predictor/bits/", models[i], NULL);
    g_autofree gchar *outputs = g_strconcat ("/predictor/outputs/", models[i], NULL);

    g_test_add_data_func (bits, models[i], test_bits);
    g_test_add_data_func (outputs, models[i], test_outputs);
  }
  g_test_add_func ("/predictor/info", test_info);
  g_test_add_func ("/predictor/budget", test_budget);
  g_test_add_func ("/predictor/refused", test_refused);
  g_test_add_func ("/predictor/bad-clips", test_bad_clips);
  g_test_add_func ("/predictor/softmax", test_softmax);
  g_test_add_func ("/predictor/domains", test_domains);
  ret = g_test_run ();
  g_rmdir (folder);
  g_free (folder);
  return ret;
}
