/* trainer-tool: runs the trainer on tensors from a file and writes the results, for comparison with
 * PyTorch; and times steps.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <gio/gio.h>
#include <stdlib.h>
#include <string.h>

#include "src/bytes.h"
#include "src/evaluate/predictor.h"
#include "src/train/fit.h"
#include "src/model/safetensors.h"
#include "src/train/trainer.h"
#include "tests/unit/threadcomm.h"

static gchar *model = (gchar *) "r3d_18", *pretrained, *input, *output, *precision = (gchar *) "32",
             *optimizer = (gchar *) "sgd", *freeze, *recompute = (gchar *) "none", *max_memory,
             *device = (gchar *) "cpu", *convolution = (gchar *) "auto",
             *input_type = (gchar *) "rgb", *fusion = (gchar *) "concat",
             *view_fusion = (gchar *) "logits", *layer;
static gint batch = 2, accumulate = 1, ranks = 1, steps, classes = 400, base_width = 64,
            threads = 2, frames = 16, size = 112, seed = 1, micro_batch, heatmap_size = 56,
            views = 1;
static gdouble lr = 0.01, momentum = 0.9, weight_decay, smoothing, clip;
static gchar *class_weights;
static gboolean timing, memory, auto_fit, serve, left_out, tf32 = TRUE, deterministic = TRUE;

static const GOptionEntry entries[] = { { "model", 0, 0, G_OPTION_ARG_STRING, &model, "model",
                                            NULL },
  { "pretrained", 0, 0, G_OPTION_ARG_STRING, &pretrained, "weights to begin with", NULL },
  { "input", 0, 0, G_OPTION_ARG_STRING, &input,
      "frames (N, T, H, W, C) F32 or U8, points (N, T, M, K, 3) F32, labels (N) I32; frames or "
      "points may be missing; with --views, V clips in turn for each label, and present (N, V) U8",
      NULL },
  { "input-type", 0, 0, G_OPTION_ARG_STRING, &input_type, "rgb, kpt, rgb+kpt", NULL },
  { "fusion", 0, 0, G_OPTION_ARG_STRING, &fusion, "concat, mean, late, stem", NULL },
  { "views", 0, 0, G_OPTION_ARG_INT, &views, "clips of a sample", NULL },
  { "view-fusion", 0, 0, G_OPTION_ARG_STRING, &view_fusion,
      "logits, probabilities, features, concat", NULL },
  { "heatmap-size", 0, 0, G_OPTION_ARG_INT, &heatmap_size, "pixels", NULL },
  { "layer", 0, 0, G_OPTION_ARG_STRING, &layer,
      "do not train: write the layer's output (N, C, T, H, W) for the model file --pretrained",
      NULL },
  { "output", 0, 0, G_OPTION_ARG_STRING, &output, "file for results", NULL },
  { "precision", 0, 0, G_OPTION_ARG_STRING, &precision, "32, 16-mixed, bf16-mixed", NULL },
  { "optimizer", 0, 0, G_OPTION_ARG_STRING, &optimizer, "sgd, adam, adamw", NULL },
  { "freeze", 0, 0, G_OPTION_ARG_STRING, &freeze, "as the property", NULL },
  { "batch", 0, 0, G_OPTION_ARG_INT, &batch, "clips in a batch", NULL },
  { "accumulate", 0, 0, G_OPTION_ARG_INT, &accumulate, "batches in a step", NULL },
  { "ranks", 0, 0, G_OPTION_ARG_INT, &ranks,
      "as many ranks, threads of this process, with batch norm over all of them", NULL },
  { "steps", 0, 0, G_OPTION_ARG_INT, &steps, "optimizer steps; 0: gradients of one group", NULL },
  { "classes", 0, 0, G_OPTION_ARG_INT, &classes, "classes", NULL },
  { "base-width", 0, 0, G_OPTION_ARG_INT, &base_width, "channels after the stem", NULL },
  { "threads", 0, 0, G_OPTION_ARG_INT, &threads, "threads", NULL },
  { "frames", 0, 0, G_OPTION_ARG_INT, &frames, "frames, without --input", NULL },
  { "size", 0, 0, G_OPTION_ARG_INT, &size, "height and width, without --input", NULL },
  { "seed", 0, 0, G_OPTION_ARG_INT, &seed, "seed", NULL },
  { "lr", 0, 0, G_OPTION_ARG_DOUBLE, &lr, "learning rate", NULL },
  { "momentum", 0, 0, G_OPTION_ARG_DOUBLE, &momentum, "momentum", NULL },
  { "weight-decay", 0, 0, G_OPTION_ARG_DOUBLE, &weight_decay, "weight decay", NULL },
  { "label-smoothing", 0, 0, G_OPTION_ARG_DOUBLE, &smoothing, "label smoothing", NULL },
  { "class-weights", 0, 0, G_OPTION_ARG_STRING, &class_weights,
      "numbers with commas between them, one a class", NULL },
  { "clip", 0, 0, G_OPTION_ARG_DOUBLE, &clip, "gradient clipping", NULL },
  { "time", 0, 0, G_OPTION_ARG_NONE, &timing, "print seconds of each step", NULL },
  { "memory", 0, 0, G_OPTION_ARG_NONE, &memory,
      "print bytes by kind, and by how much the process grew", NULL },
  { "recompute", 0, 0, G_OPTION_ARG_STRING, &recompute, "none, bn, block, auto", NULL },
  { "max-memory", 0, 0, G_OPTION_ARG_STRING, &max_memory, "8GiB", NULL },
  { "micro-batch", 0, 0, G_OPTION_ARG_INT, &micro_batch, "clips at once", NULL },
  { "device", 0, 0, G_OPTION_ARG_STRING, &device, "cpu, cuda, cuda:N", NULL },
  { "convolution", 0, 0, G_OPTION_ARG_STRING, &convolution, "auto, direct, winograd", NULL },
  { "left-out", 0, 0, G_OPTION_ARG_NONE, &left_out, "print what --pretrained did not fill", NULL },
  { "no-tf32", 0, G_OPTION_FLAG_REVERSE, G_OPTION_ARG_NONE, &tf32,
      "precision 32 multiplies in FP32", NULL },
  { "no-deterministic", 0, G_OPTION_FLAG_REVERSE, G_OPTION_ARG_NONE, &deterministic,
      "bits may differ", NULL },
  { "serve", 0, 0, G_OPTION_ARG_NONE, &serve,
      "for each number on stdin: so many steps, their seconds", NULL },
  { "auto-fit", 0, 0, G_OPTION_ARG_NONE, &auto_fit, "split batches to fit", NULL }, { NULL } };

typedef struct {
  Cnn3dSafetensors *file;
  gpointer frames; /* NULL: none */
  gfloat *points;  /* NULL: none */
  guint8 *present; /* NULL: none */
  gint32 *labels;
  guint n;
  Cnn3dType type;
  gsize clip_bytes, clip_points; /* points: number of floats */
} Clips;

static gboolean
take_frames (Clips *c, const Cnn3dSafetensor *f, Cnn3dNetworkParams *net)
{
  if (f->n_dims != 5 || f->shape[0] != c->n * views || f->shape[4] != 3)
    return FALSE;
  net->frames = f->shape[1];
  net->height = f->shape[2];
  net->width = f->shape[3];
  c->type = f->dtype == CNN3D_SAFETENSOR_U8 ? CNN3D_TYPE_UINT8 : CNN3D_TYPE_FLOAT32;
  c->frames = g_memdup2 (f->data, f->size);
  c->clip_bytes = f->size / c->n;
  return TRUE;
}

static gboolean
take_points (Clips *c, const Cnn3dSafetensor *p, Cnn3dNetworkParams *net)
{
  if (p->n_dims != 5 || p->shape[0] != c->n * views || p->shape[4] != 3
      || p->dtype != CNN3D_SAFETENSOR_F32)
    return FALSE;
  net->frames = p->shape[1];
  net->persons = p->shape[2];
  net->points = p->shape[3];
  c->points = g_memdup2 (p->data, p->size);
  c->clip_points = p->size / c->n / sizeof (gfloat);
  return TRUE;
}

static gboolean
load_clips (Clips *c, Cnn3dNetworkParams *net, GError **error)
{
  const Cnn3dSafetensor *f, *p, *l, *present;

  if (!input) {
    const gsize numbers = (gsize) views * frames * size * size * 3;

    c->n = batch;
    c->type = CNN3D_TYPE_UINT8;
    c->clip_bytes = numbers;
    c->frames = g_malloc (numbers * batch);
    for (gsize i = 0; i < numbers * batch; i++)
      ((guint8 *) c->frames)[i] = (i * 2654435761u) >> 13;
    c->labels = g_new (gint32, batch);
    for (gint i = 0; i < batch; i++)
      c->labels[i] = i % classes;
    net->frames = frames;
    net->height = net->width = size;
    return TRUE;
  }
  c->file = cnn3d_safetensors_open (input, error);
  if (!c->file)
    return FALSE;
  f = cnn3d_safetensors_lookup (c->file, "frames");
  p = cnn3d_safetensors_lookup (c->file, "points");
  l = cnn3d_safetensors_lookup (c->file, "labels");
  c->n = l ? l->shape[0] : 0;
  net->height = net->width = size; /* size of unused frames */
  if (!l || (!f && !p) || (f && !take_frames (c, f, net)) || (p && !take_points (c, p, net))) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s has no frames and labels", input);
    return FALSE;
  }
  c->labels = g_memdup2 (l->data, l->size);
  present = cnn3d_safetensors_lookup (c->file, "present");
  if (present && present->size == (gsize) c->n * views)
    c->present = g_memdup2 (present->data, present->size);
  return TRUE;
}

static void
clips_clear (Clips *c)
{
  g_clear_pointer (&c->file, cnn3d_safetensors_free);
  g_free (c->frames);
  g_free (c->points);
  g_free (c->present);
  g_free (c->labels);
}

/* The batch of clips from `first` on. */
static Cnn3dBatch
batch_of (const Clips *c, guint first, guint64 position)
{
  const guint n = MIN ((guint) batch, c->n - first);

  return (Cnn3dBatch) { c->frames ? (guint8 *) c->frames + first * c->clip_bytes : NULL, c->type,
    c->labels + first, n, position + n,
    c->points ? c->points + (gsize) first * c->clip_points : NULL,
    c->present ? c->present + (gsize) first * views : NULL };
}

static void
declare (Cnn3dSafetensorsWriter *w, const gchar *prefix, const Cnn3dParam *p)
{
  g_autofree gchar *name = g_strconcat (prefix, p->name, NULL);
  guint64 shape[5];

  for (guint i = 0; i < p->n_dims; i++)
    shape[i] = p->shape[i];
  cnn3d_safetensors_writer_add (w, name, CNN3D_SAFETENSOR_F32, p->n_dims, shape);
}

static gboolean
write_results (Cnn3dTrainer *t, const gfloat *logits, guint n, const gfloat *losses, guint n_losses,
    GError **error)
{
  const Cnn3dNetwork *net = cnn3d_trainer_network (t);
  g_autoptr (Cnn3dSafetensorsWriter) w = cnn3d_safetensors_writer_new (output, error);
  const guint64 logits_shape[2] = { n, net->params.num_classes }, losses_shape[1] = { n_losses };

  if (!w)
    return FALSE;
  cnn3d_safetensors_writer_add (w, "logits", CNN3D_SAFETENSOR_F32, 2, logits_shape);
  cnn3d_safetensors_writer_add (w, "losses", CNN3D_SAFETENSOR_F32, 1, losses_shape);
  for (guint i = 0; i < net->n_weights; i++) {
    declare (w, "weight.", &net->weights[i]);
    if (CNN3D_PARAM_TRAINED (net->weights[i].role))
      declare (w, "grad.", &net->weights[i]);
  }
  if (!cnn3d_safetensors_writer_data (
          w, logits, logits_shape[0] * logits_shape[1] * sizeof *logits, error)
      || !cnn3d_safetensors_writer_data (w, losses, n_losses * sizeof *losses, error))
    return FALSE;
  for (guint i = 0; i < net->n_weights; i++) {
    const gsize bytes = net->weights[i].count * sizeof (gfloat);
    g_autofree gfloat *weight = cnn3d_trainer_get_weight (t, i, error), *gradient = NULL;

    if (!weight || !cnn3d_safetensors_writer_data (w, weight, bytes, error))
      return FALSE;
    if (!CNN3D_PARAM_TRAINED (net->weights[i].role))
      continue;
    gradient = cnn3d_trainer_get_gradient (t, i, error);
    if (!gradient || !cnn3d_safetensors_writer_data (w, gradient, bytes, error))
      return FALSE;
  }
  return cnn3d_safetensors_writer_finish (w, error);
}

/* A value of /proc/self/status, in bytes. */
static guint64
resident (const gchar *name)
{
  g_autofree gchar *status = NULL;
  const gchar *line = NULL;

  if (g_file_get_contents ("/proc/self/status", &status, NULL, NULL))
    line = strstr (status, name);
  return line ? g_ascii_strtoull (line + strlen (name), NULL, 10) * 1024 : 0;
}

static void
reset_peak (void)
{
  FILE *f = fopen ("/proc/self/clear_refs", "w");

  if (f) {
    fputs ("5", f);
    fclose (f);
  }
}

/* Trains on the batches of one optimizer step, continuing after the last one. On a GPU the last
 * batch is still pending on return. */
static gboolean
start_step (Cnn3dTrainer *t, const Clips *c, guint batches, guint64 *position, Cnn3dProgress *last,
    GError **error)
{
  for (guint k = 0; k < batches; k++) {
    const Cnn3dBatch b = batch_of (c, *position % c->n, *position);
    Cnn3dProgress progress;

    if (!cnn3d_trainer_run (t, &b, &progress, error))
      return FALSE;
    if (progress.ready)
      *last = progress;
    *position += b.n;
  }
  return TRUE;
}

static gboolean
end_step (Cnn3dTrainer *t, Cnn3dProgress *last, GError **error)
{
  Cnn3dProgress progress;

  if (!cnn3d_trainer_wait (t, &progress, error))
    return FALSE;
  if (progress.ready)
    *last = progress;
  return TRUE;
}

/* Runs rounds on request, so that rounds of several programs can alternate. */
static gboolean
serve_rounds (Cnn3dTrainer *t, const Clips *c, GError **error)
{
  guint64 position = 0;
  Cnn3dProgress last = { 0 };
  gint round;

  g_print ("ready\n");
  fflush (stdout);
  while (scanf ("%d", &round) == 1) {
    const gint64 start = g_get_monotonic_time ();

    for (gint s = 0; s < round; s++)
      if (!start_step (t, c, accumulate, &position, &last, error))
        return FALSE;
    if (!end_step (t, &last, error))
      return FALSE;
    g_print ("%.6f loss %.6f skipped %" G_GUINT64_FORMAT "\n",
        (g_get_monotonic_time () - start) * 1e-6, last.loss, last.steps_skipped);
    fflush (stdout);
  }
  return TRUE;
}

/* --- ranks --- */

typedef struct {
  const Cnn3dTrainerParams *params;
  const Clips *clips;
  guint rank;
  GArray *losses;
  Cnn3dComm *comm;
  Cnn3dTrainer *trainer;
  GError *error;
} Rank;

static gpointer
run_rank (gpointer data)
{
  const guint64 of_step = (guint64) ranks * batch;
  const Cnn3dPass pass = { 0, TRUE, 0, 0, steps * of_step, 1, FALSE };
  Rank *r = data;
  Cnn3dTrainerParams p = *r->params;
  Cnn3dProgress progress;
  gboolean ok;

  own_rank = r->rank;
  r->comm = p.comm = cnn3d_comm_join_by (&thread_transport, NULL, NULL, 60, &r->error);
  p.sync_batch_norm = TRUE;
  r->trainer = p.comm ? cnn3d_trainer_new (&p, batch, &r->error) : NULL;
  ok = r->trainer && cnn3d_trainer_begin_pass (r->trainer, &pass, &r->error);
  for (gint s = 0; ok && s < steps; s++) {
    const guint64 at = s * of_step + r->rank * batch;
    const Cnn3dBatch b = batch_of (r->clips, at % r->clips->n, at);
    gfloat loss;

    ok = cnn3d_trainer_run (r->trainer, &b, &progress, &r->error);
    loss = progress.loss;
    g_array_append_val (r->losses, loss);
  }
  return NULL;
}

/* Every step uses the next `ranks` batches, cyclically, and rank 0's results are written. */
static gboolean
run_ranks (const Cnn3dTrainerParams *params, const Clips *clips, GError **error)
{
  g_autofree gfloat *logits = g_new0 (gfloat, clips->n * classes);
  Rank all[MOST_RANKS] = { { NULL } };
  GThread *threads[MOST_RANKS];
  gboolean ok = TRUE;

  hub.size = ranks;
  for (gint r = 0; r < ranks; r++) {
    all[r] =
        (Rank) { params, clips, r, g_array_new (FALSE, FALSE, sizeof (gfloat)), NULL, NULL, NULL };
    threads[r] = g_thread_new ("rank", run_rank, &all[r]);
  }
  for (gint r = 0; r < ranks; r++)
    g_thread_join (threads[r]);
  for (gint r = 0; r < ranks; r++) {
    if (all[r].error && ok)
      g_propagate_error (error, g_steal_pointer (&all[r].error));
    ok = ok && !*error;
    g_clear_error (&all[r].error);
  }
  if (ok && output)
    ok = write_results (all[0].trainer, logits, clips->n, (gfloat *) all[0].losses->data,
        all[0].losses->len, error);
  for (gint r = 0; r < ranks; r++) {
    cnn3d_trainer_free (&all[r].trainer);
    cnn3d_comm_leave (&all[r].comm, !ok);
    g_array_unref (all[r].losses);
  }
  return ok;
}

/* One per class; NULL: not given. */
static gfloat *
parse_weights (void)
{
  g_auto (GStrv) words = g_strsplit (class_weights ? class_weights : "", ",", -1);
  gfloat *weights = class_weights ? g_new0 (gfloat, classes) : NULL;

  for (gint i = 0; weights && i < classes && words[i]; i++)
    weights[i] = g_ascii_strtod (words[i], NULL);
  return weights;
}

/* --- a layer's output --- */

static gboolean
take_map (gpointer user, const Cnn3dFeatureMap *map, GError **error)
{
  Cnn3dFeatureMap *all = user;
  const gsize n = (gsize) map->channels * map->frames * map->height * map->width;
  gfloat *values = (gfloat *) all->values;

  if (!values)
    values = g_new (gfloat, n * batch);
  memcpy (values + map->clip * n, map->values, n * sizeof (gfloat));
  *all = *map;
  all->values = values;
  return TRUE;
}

static gboolean
write_layer (const Clips *c, GError **error)
{
  g_autoptr (Cnn3dSafetensorsWriter) w = NULL;
  g_autofree gfloat *logits = g_new (gfloat, c->n * classes);
  Cnn3dPredictorParams params;
  Cnn3dPredictor *p;
  Cnn3dFeatureMap map = { NULL };
  gboolean ok;

  cnn3d_predictor_params_init (&params);
  params.model = pretrained;
  params.device = device;
  params.batch = batch;
  params.threads = threads;
  params.frames_type = c->type;
  params.layers = layer;
  p = cnn3d_predictor_new (&params, error);
  if (!p)
    return FALSE;
  cnn3d_predictor_set_features (p, take_map, &map);
  ok = cnn3d_predictor_run (p, c->frames, c->type, c->points, c->n, logits, error);
  cnn3d_predictor_free (&p);
  if (ok && (w = cnn3d_safetensors_writer_new (output, error))) {
    const guint64 shape[5] = { c->n, map.channels, map.frames, map.height, map.width };

    cnn3d_safetensors_writer_add (w, "layer", CNN3D_SAFETENSOR_F32, 5, shape);
    ok = cnn3d_safetensors_writer_data (w, map.values,
             shape[0] * shape[1] * shape[2] * shape[3] * shape[4] * sizeof (gfloat), error)
        && cnn3d_safetensors_writer_finish (w, error);
  }
  g_free ((gpointer) map.values);
  return ok && w;
}

static gboolean
run (GError **error)
{
  Cnn3dTrainerParams params;
  Clips clips = { NULL };
  Cnn3dTrainer *t;
  Cnn3dProgress last = { 0 };
  g_autofree gfloat *logits = NULL, *weights = NULL;
  g_autoptr (GArray) losses = g_array_new (FALSE, FALSE, sizeof (gfloat));
  guint64 position = 0, before;
  Cnn3dRecompute r = CNN3D_RECOMPUTE_NONE;
  gboolean ok = TRUE;

  cnn3d_trainer_params_init (&params);
  params.network.model = model;
  params.network.num_classes = classes;
  params.network.base_width = base_width;
  params.network.input = cnn3d_choice (&cnn3d_input_types, input_type)->value;
  params.network.fusion = cnn3d_choice (&cnn3d_fusions, fusion)->value;
  params.network.heatmap_size = heatmap_size;
  params.network.views = views;
  params.network.view_fusion = cnn3d_choice (&cnn3d_view_fusions, view_fusion)->value;
  params.pretrained = pretrained;
  params.freeze = freeze;
  params.threads = threads;
  params.device = device;
  params.convolution = !strcmp (convolution, "auto") ? CNN3D_CONVOLUTION_AUTO
      : !strcmp (convolution, "direct")              ? CNN3D_CONVOLUTION_DIRECT
                                                     : CNN3D_CONVOLUTION_WINOGRAD;
  params.tf32 = tf32;
  params.deterministic = deterministic;
  params.frames_type = input ? CNN3D_TYPE_FLOAT32 : CNN3D_TYPE_UINT8;
  params.seed = seed;
  params.precision = !strcmp (precision, "32") ? CNN3D_PRECISION_32
      : !strcmp (precision, "16-mixed")        ? CNN3D_PRECISION_16_MIXED
                                               : CNN3D_PRECISION_BF16_MIXED;
  params.optimizer = !strcmp (optimizer, "sgd") ? CNN3D_UPDATE_SGD
      : !strcmp (optimizer, "adam")             ? CNN3D_UPDATE_ADAM
                                                : CNN3D_UPDATE_ADAMW;
  params.lr.lr = lr;
  params.momentum = momentum;
  params.weight_decay = weight_decay;
  params.label_smoothing = smoothing;
  params.class_weights = weights = parse_weights ();
  params.gradient_clip = clip;
  if (!load_clips (&clips, &params.network, error))
    return FALSE;
  if (layer) {
    ok = write_layer (&clips, error);
    clips_clear (&clips);
    return ok;
  }
  /* without steps: one group of all batches, whose gradients are kept */
  params.accumulate = steps || serve ? accumulate : 1000000;
  params.keep_gradients = output != NULL;
  params.micro_batch = micro_batch;
  params.auto_fit = auto_fit;
  while (strcmp (recompute, cnn3d_choice_name (&cnn3d_recomputes, params.recompute = r))
      && r < CNN3D_RECOMPUTE_AUTO)
    r++;
  if (max_memory)
    cnn3d_parse_bytes (max_memory, &params.max_memory);
  if (ranks > 1) {
    ok = run_ranks (&params, &clips, error);
    clips_clear (&clips);
    return ok;
  }
  reset_peak ();
  before = resident ("VmRSS:");
  t = cnn3d_trainer_new (&params, batch, error);
  if (!t)
    return FALSE;
  for (const gchar *const *name = cnn3d_trainer_left_out (t); left_out && *name; name++)
    g_print ("%s\n", *name);
  logits = g_new0 (gfloat, clips.n * classes);
  for (guint i = 0; ok && !serve && i < clips.n; i += batch) {
    const Cnn3dBatch b = batch_of (&clips, i, 0);

    ok = cnn3d_trainer_logits (t, &b, logits + i * classes, error);
  }
  if (ok && serve)
    ok = serve_rounds (t, &clips, error);
  else if (!timing || steps)
    for (gint s = 0; ok && s < MAX (steps, 1); s++) {
      const gint64 start = g_get_monotonic_time ();
      /* every step uses the next `accumulate` batches, cyclically */
      const guint batches = steps ? (guint) accumulate : (clips.n + batch - 1) / batch;
      gfloat loss;

      ok = start_step (t, &clips, batches, &position, &last, error) && end_step (t, &last, error);
      loss = last.loss;
      g_array_append_val (losses, loss);
      if (timing)
        g_print ("%.6f\n", (g_get_monotonic_time () - start) * 1e-6);
    }
  if (ok && memory) {
    Cnn3dMemory m;

    cnn3d_trainer_memory (t, &m);
    g_print ("weights %" G_GSIZE_FORMAT " copy %" G_GSIZE_FORMAT " gradients %" G_GSIZE_FORMAT
             " optimizer %" G_GSIZE_FORMAT " input %" G_GSIZE_FORMAT " arena %" G_GSIZE_FORMAT
             " total %" G_GSIZE_FORMAT " context %" G_GSIZE_FORMAT " grown %" G_GUINT64_FORMAT
             " micro-batch %u recompute %s\n",
        m.weights, m.copy, m.gradients, m.optimizer, m.input, m.arena, m.total, m.context,
        resident ("VmHWM:") - before, cnn3d_trainer_micro_batch (t),
        cnn3d_choice_name (&cnn3d_recomputes, cnn3d_trainer_recompute (t)));
  }
  if (ok && output)
    ok = write_results (t, logits, clips.n, (gfloat *) losses->data, losses->len, error);
  cnn3d_trainer_free (&t);
  clips_clear (&clips);
  return ok;
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || !run (&error)) {
    g_printerr ("trainer-tool: %s\n", error->message);
    return 1;
  }
  return 0;
}
