/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/evaluate/predictor.h"

#include <math.h>
#include <string.h>

#include "src/bytes.h"
#include "src/escape.h"

typedef struct {
  gchar *name;
  gint tensor;
} PredictorLayer;

struct _Cnn3dPredictor {
  Cnn3dModelFile *file;
  Cnn3dSession s;
  Cnn3dType frames_type;
  guint batch, chunk;
  guint8 *slot; /* for chunks on the device; NULL: it reads host memory */
  guint room;   /* samples that the slot holds: a whole batch, or one chunk */
  /* for each view's logits: a mask, (chunk, V), and logits, (chunk, num_classes); NULL: not wanted */
  guint8 *alone;
  gfloat *logits;

  GArray *layers;     /* of PredictorLayer */
  gboolean *features; /* [tensor]: output of one of the layers */
  Cnn3dFeatureFunc func;
  gpointer user;
};

void
cnn3d_predictor_params_init (Cnn3dPredictorParams *p)
{
  memset (p, 0, sizeof *p);
  p->device = "auto";
  p->precision = -1;
  p->batch = 1;
}

/* --- layers --- */

static gboolean
belongs_to (const gchar *parameter, const gchar *layer)
{
  const gsize n = strlen (layer);

  return !strncmp (parameter, layer, n) && parameter[n] == '.';
}

/* Index of the layer's last operation, whose output is the layer's; -1: unknown layer. */
static gint
layer_output (const Cnn3dNetwork *net, const gchar *layer)
{
  gint op = -1;

  for (guint i = 0; i < net->n_weights; i++)
    if (belongs_to (net->weights[i].name, layer))
      op = MAX (op, net->weights[i].op);
  return op < 0 ? -1 : net->ops[op].out;
}

/* Adds the stages of one stream, by the first components of its parameters' names. */
static void
add_stages (const Cnn3dNetwork *net, guint stream, guint parts, GPtrArray *names)
{
  for (guint i = 0; i < net->n_weights; i++) {
    const gchar *name = net->weights[i].name, *end = name;
    g_autofree gchar *stage = NULL;

    if (net->weights[i].stream != stream || net->ops[net->weights[i].op].kind == CNN3D_OP_LINEAR)
      continue;
    for (guint k = 0; k < parts && end; k++)
      end = strchr (end + (k > 0), '.');
    stage = end ? g_strndup (name, end - name) : g_strdup (name);
    if (!g_ptr_array_find_with_equal_func (names, stage, g_str_equal, NULL))
      g_ptr_array_add (names, g_steal_pointer (&stage));
  }
}

/* The stem and the stages of each stream: the first components of the parameters' names, or the
 * first two if all names of a stream begin alike; without the last layer. */
static gchar **
stages (const Cnn3dNetwork *net)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);

  for (guint stream = 0; stream < net->n_streams; stream++) {
    const guint before = names->len;

    add_stages (net, stream, 1, names);
    if (names->len < before + 2) {
      g_ptr_array_set_size (names, before);
      add_stages (net, stream, 2, names);
    }
  }
  g_ptr_array_add (names, NULL);
  return (gchar **) g_ptr_array_free (names, FALSE);
}

static gboolean
take_layers (Cnn3dPredictor *p, const gchar *layers, GError **error)
{
  g_auto (GStrv) names = g_strsplit (layers ? layers : "", ",", -1);

  p->layers = g_array_new (FALSE, FALSE, sizeof (PredictorLayer));
  p->s.plan[FALSE].features = p->features = g_new0 (gboolean, p->s.net->n_tensors);
  if (names[0] && !names[1] && !strcmp (g_strstrip (names[0]), "stages")) {
    g_strfreev (names);
    names = stages (p->s.net);
  }
  for (guint i = 0; names[i]; i++) {
    PredictorLayer layer = { NULL, -1 };

    if (!*g_strstrip (names[i]))
      continue;
    layer.tensor = layer_output (p->s.net, names[i]);
    if (layer.tensor < 0) {
      g_auto (GStrv) all = stages (p->s.net);
      g_autofree gchar *list = g_strjoinv (", ", all), *shown = cnn3d_escape (names[i], FALSE);

      g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_SETTINGS,
          "%s has no layer '%s': there are %s, and in them what its parameters are named by, such "
          "as %.*s",
          p->s.net->model, shown, list,
          (gint) (strrchr (p->s.net->weights[0].name, '.') - p->s.net->weights[0].name),
          p->s.net->weights[0].name);
      return FALSE;
    }
    layer.name = g_strdup (names[i]);
    p->features[layer.tensor] = TRUE;
    g_array_append_val (p->layers, layer);
  }
  return TRUE;
}

/* --- setup --- */

/* Of a chunk in the slot: frames, key points and mask, each of the largest size. */
static gsize
chunk_bytes (const Cnn3dPredictor *p, guint chunk)
{
  const Cnn3dNetworkParams *n = &p->s.net->params;
  const guint views = cnn3d_network_views (n), clips = MIN (chunk, p->batch);

  return cnn3d_session_part (cnn3d_frames_bytes (n, p->frames_type) * clips)
      + cnn3d_session_part (cnn3d_points_bytes (n) * clips)
      + (views > 1 ? cnn3d_session_part ((gsize) views * clips) : 0);
}

static gboolean
measure (Cnn3dPredictor *p, guint chunk, guint room, Cnn3dMemory *m, GError **error)
{
  const Cnn3dProgramParams program = { .batch = chunk };
  Cnn3dDeviceMemory device;
  Cnn3dPlan *plan =
      cnn3d_session_plan (p->s.backend, p->s.model, p->s.net, &program, &p->s.plan[FALSE], error);

  if (!plan)
    return FALSE;
  p->s.backend->memory (p->s.device, &device);
  *m = (Cnn3dMemory) { .weights = p->s.layout->total * sizeof (gfloat),
    .copy = p->s.layout->copy_bytes,
    .input = p->s.backend->asynchronous ? chunk_bytes (p, chunk) * ((room + chunk - 1) / chunk) : 0,
    .arena = plan->arena_bytes,
    .workspace = plan->scratch_bytes,
    .context = device.context };
  m->total = m->weights + m->copy + m->input + m->arena;
  cnn3d_plan_free (&plan);
  return TRUE;
}

/* Finds the largest chunk that fits, up to the requested one: m is what it needs, or a single clip
 * if that does not fit, either. */
static gboolean
halve_chunk (Cnn3dPredictor *p, guint most, guint64 budget, Cnn3dMemory *m, GError **error)
{
  guint too_many = most + 1, chunk = most;
  Cnn3dMemory tried;

  while (p->chunk + 1 < too_many) {
    if (!measure (p, chunk, chunk, &tried, error))
      return FALSE;
    if (cnn3d_memory_needs (&tried) <= budget) {
      p->chunk = chunk;
      *m = tried;
    } else {
      too_many = chunk;
    }
    chunk = (p->chunk + too_many) / 2;
  }
  if (!p->chunk)
    *m = tried;
  p->room = p->chunk;
  return TRUE;
}

/* The same where all evaluation runs one number of clips at once. The slot holds a whole batch if
 * there is room, so that chunks are copied while others are computed. */
static gboolean
fit_slice (Cnn3dPredictor *p, guint slice, guint64 budget, Cnn3dMemory *m, GError **error)
{
  for (guint chunk = slice; chunk && !p->chunk; chunk /= 2)
    for (guint whole = 2; whole && !p->chunk; whole--) {
      const guint room = whole == 2 ? MAX (p->batch, chunk) : chunk;

      if (!measure (p, chunk, room, m, error))
        return FALSE;
      if (cnn3d_memory_needs (m) <= budget) {
        p->chunk = chunk;
        p->room = room;
      }
    }
  return TRUE;
}

static gboolean
fit_chunk (Cnn3dPredictor *p, guint most, guint64 max_memory, Cnn3dMemory *memory, GError **error)
{
  const guint slice = p->s.backend->evaluation_slice;
  Cnn3dDeviceMemory device;
  guint64 budget;

  p->s.backend->memory (p->s.device, &device);
  budget = max_memory ? MIN (max_memory, device.available) : device.available;
  p->chunk = 0;
  if (slice ? !fit_slice (p, slice, budget, memory, error)
            : !halve_chunk (p, most, budget, memory, error))
    return FALSE;
  if (!p->chunk) {
    g_autofree gchar *needed = cnn3d_format_bytes (cnn3d_memory_needs (memory)),
                     *there = cnn3d_format_bytes (budget);
    g_autofree gchar *weights = cnn3d_format_bytes (memory->weights + memory->copy);

    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_MEMORY,
        "one clip at a time takes %s, of which %s are weights, but there are only %s: raise "
        "max-memory, or use another device",
        needed, weights, there);
    return FALSE;
  }
  return TRUE;
}

/* The same, and checks its program: a replaced program may need other memory. */
static gboolean
choose_chunk (
    Cnn3dPredictor *p, guint most, guint64 max_memory, Cnn3dMemory *memory, GError **error)
{
  for (gboolean replaced = TRUE; replaced;) {
    Cnn3dProgramParams program = { 0 };

    if (!fit_chunk (p, most, max_memory, memory, error))
      return FALSE;
    program.batch = p->chunk;
    if (!cnn3d_session_check (p->s.backend, p->s.model, &program, 1, &replaced, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
take_memory (Cnn3dPredictor *p, const Cnn3dMemory *m, GError **error)
{
  p->s.most_clips = p->chunk;
  return cnn3d_session_take_memory (&p->s, m, error)
      && (!m->input || (p->slot = cnn3d_session_alloc (&p->s, m->input, error)))
      && cnn3d_session_program (&p->s, p->chunk, FALSE, error);
}

static gboolean
differs (guint asked, guint has)
{
  return asked && asked != has;
}

static gboolean
check_sizes (const Cnn3dPredictorParams *params, const Cnn3dNetworkParams *n, GError **error)
{
  const gboolean frames = cnn3d_network_sees_frames (n), points = cnn3d_network_sees_points (n);

  if (params->batch < 1 || params->batch > CNN3D_MOST_BATCH) {
    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_SETTINGS,
        "batch is %u, but must be from 1 to %u", params->batch, CNN3D_MOST_BATCH);
    return FALSE;
  }
  if (points && (differs (params->points, n->points) || differs (params->persons, n->persons))) {
    g_set_error (error, CNN3D_NETWORK_ERROR, CNN3D_NETWORK_ERROR_SIZE,
        "%s was trained on %u key points of %u persons, but %u of %u arrived: use the same "
        "skeleton and clipkpt persons=%u",
        params->model, n->points, n->persons, params->points, params->persons, n->persons);
    return FALSE;
  }
  if (differs (params->views, cnn3d_network_views (n))) {
    g_set_error (error, CNN3D_NETWORK_ERROR, CNN3D_NETWORK_ERROR_SIZE,
        "%s was trained on samples of %u view%s, but samples of %u come: set clipsrc views to "
        "those "
        "that it was trained on",
        params->model, cnn3d_network_views (n), cnn3d_network_views (n) == 1 ? "" : "s",
        params->views);
    return FALSE;
  }
  if (!differs (params->frames, n->frames)
      && (!frames
          || (!differs (params->height, n->height) && !differs (params->width, n->width)
              && !differs (params->channels, n->channels))))
    return TRUE;
  g_set_error (error, CNN3D_NETWORK_ERROR, CNN3D_NETWORK_ERROR_SIZE,
      "%s was trained on clips of %u frames of %ux%u with %u channels (width x height), but clips "
      "of %u frames of %ux%u with %u arrived: use clipsample num-frames=%u and "
      "video/x-raw,width=%u,height=%u",
      params->model, n->frames, n->width, n->height, n->channels,
      params->frames ? params->frames : n->frames, params->width ? params->width : n->width,
      params->height ? params->height : n->height,
      params->channels ? params->channels : n->channels, n->frames, n->width, n->height);
  return FALSE;
}

/* Keeps what joining the views reads, so that they can be joined again. */
static void
keep_views (Cnn3dPredictor *p)
{
  const guint views = cnn3d_network_views (&p->s.net->params);

  for (guint i = 0; i < p->s.net->n_ops; i++)
    if (p->s.net->ops[i].kind == CNN3D_OP_VIEWS)
      p->features[p->s.net->ops[i].in] = TRUE;
  p->alone = g_new0 (guint8, (gsize) p->batch * views);
  p->logits = g_new (gfloat, (gsize) p->batch * p->s.net->params.num_classes);
}

static gboolean
set_up (Cnn3dPredictor *p, const Cnn3dPredictorParams *params, GError **error)
{
  const Cnn3dDeviceParams device_params = { .threads = params->threads,
    .convolution = params->convolution,
    .deterministic = TRUE,
    .tf32 = TRUE,
    .benchmark = TRUE };
  const Cnn3dModelInfo *info;
  Cnn3dMemory memory;

  p->file = cnn3d_model_file_open (params->model, error);
  if (!p->file)
    return FALSE;
  info = cnn3d_model_file_info (p->file);
  if (!check_sizes (params, &info->network, error))
    return FALSE;
  p->s.net = cnn3d_network_new (&info->network, error);
  if (!p->s.net) {
    g_prefix_error (error, "%s: ", params->model);
    return FALSE;
  }
  memcpy (p->s.net->mean, info->mean, sizeof info->mean);
  memcpy (p->s.net->std, info->std, sizeof info->std);
  /* before a device is opened, which takes a second */
  if (!cnn3d_model_file_check (cnn3d_model_file_tensors (p->file), params->model, p->s.net, error)
      || !take_layers (p, params->layers, error))
    return FALSE;
  if (!cnn3d_session_open (&p->s, params->device, &device_params,
          params->precision < 0 ? info->precision : (Cnn3dPrecision) params->precision, error)
      || !cnn3d_session_set_model (&p->s, TRUE, error))
    return FALSE;
  p->frames_type = params->frames_type;
  p->batch = params->batch;
  if (params->by_view)
    keep_views (p);
  return choose_chunk (p, MIN (params->chunk ? params->chunk : params->batch, params->batch),
             params->max_memory, &memory, error)
      && take_memory (p, &memory, error)
      && cnn3d_model_file_load (cnn3d_model_file_tensors (p->file), params->model, "", p->s.backend,
          p->s.model, p->s.net, p->s.weights, NULL, error)
      && cnn3d_session_refresh (&p->s, error);
}

Cnn3dPredictor *
cnn3d_predictor_new (const Cnn3dPredictorParams *params, GError **error)
{
  Cnn3dPredictor *p = g_new0 (Cnn3dPredictor, 1);

  cnn3d_session_init (&p->s);
  if (!set_up (p, params, error))
    cnn3d_predictor_free (&p);
  return p;
}

void
cnn3d_predictor_free (Cnn3dPredictor **predictor)
{
  Cnn3dPredictor *p = *predictor;

  *predictor = NULL;
  if (!p)
    return;
  cnn3d_session_clear (&p->s);
  for (guint i = 0; p->layers && i < p->layers->len; i++)
    g_free (g_array_index (p->layers, PredictorLayer, i).name);
  g_clear_pointer (&p->layers, g_array_unref);
  g_free (p->features);
  g_free (p->alone);
  g_free (p->logits);
  cnn3d_model_file_free (p->file);
  g_free (p);
}

/* --- state --- */

const Cnn3dModelInfo *
cnn3d_predictor_info (const Cnn3dPredictor *p)
{
  return cnn3d_model_file_info (p->file);
}

const gchar *
cnn3d_predictor_device (const Cnn3dPredictor *p)
{
  return p->s.backend->describe (p->s.device);
}

Cnn3dPrecision
cnn3d_predictor_precision (const Cnn3dPredictor *p)
{
  return p->s.precision;
}

guint
cnn3d_predictor_chunk (const Cnn3dPredictor *p)
{
  return p->chunk;
}

void
cnn3d_predictor_memory (const Cnn3dPredictor *p, Cnn3dMemory *memory)
{
  *memory = p->s.memory;
}

const gchar *
cnn3d_predictor_context_source (const Cnn3dPredictor *p)
{
  return cnn3d_session_context_source (&p->s);
}

guint
cnn3d_predictor_evaluation_slice (const Cnn3dPredictor *p)
{
  return p->s.backend->evaluation_slice;
}

gboolean
cnn3d_predictor_passes (const Cnn3dPredictor *p, Cnn3dDevicePasses *passes)
{
  return cnn3d_session_passes (&p->s, passes);
}

const gchar *
cnn3d_predictor_passed_over (const Cnn3dPredictor *p)
{
  return p->s.passed_over;
}

void
cnn3d_predictor_set_features (Cnn3dPredictor *p, Cnn3dFeatureFunc func, gpointer user)
{
  p->func = func;
  p->user = user;
}

/* --- running --- */

static gsize
place_of (const Cnn3dPredictor *p, const Cnn3dPlan *plan, gint tensor)
{
  for (guint i = 0; i < plan->n_steps; i++)
    if (plan->steps[i].op == p->s.net->tensors[tensor].producer)
      return plan->steps[i].out;
  g_return_val_if_reached (CNN3D_NOWHERE);
}

/* Of `clips` clips; first: number of the first in the batch. */
static gboolean
report_features (
    Cnn3dPredictor *p, const Cnn3dSessionProgram *program, guint first, guint clips, GError **error)
{
  gchar **names = cnn3d_model_file_info (p->file)->views;

  for (guint i = 0; i < p->layers->len; i++) {
    const PredictorLayer *layer = &g_array_index (p->layers, PredictorLayer, i);
    const Cnn3dTensor *t = &p->s.net->tensors[layer->tensor];
    const gsize count = (gsize) t->c * t->d * t->h * t->w;
    const guint rows = clips * t->views;
    /* padding included */
    g_autofree gfloat *values = g_new (gfloat, count * program->clips * t->views);

    if (!p->s.backend->read_activation (program->program, layer->tensor,
            p->s.arena + place_of (p, program->plan, layer->tensor), values, error))
      return FALSE;
    for (guint k = 0; k < rows; k++) {
      const Cnn3dFeatureMap map = { layer->name, first + k / t->views, t->c, t->d, t->h, t->w,
        values + k * count, t->views > 1 ? names[k % t->views] : NULL };

      if (!p->func (p->user, &map, error))
        return FALSE;
    }
  }
  return TRUE;
}

/* A call's samples, or a chunk of them. */
typedef struct {
  const guint8 *frames;
  Cnn3dType type;
  const gfloat *points;
  const guint8 *present;
  guint first, n; /* first: number in the call */
  gfloat *logits, *by_view;
} Samples;

static gboolean
run_steps (Cnn3dPredictor *p, const Cnn3dSessionProgram *program, guint first_step,
    const Cnn3dBinding *b, GError **error)
{
  return p->s.backend->run (program->program, program->plan->steps + first_step,
      program->plan->n_steps - first_step, b, NULL, error);
}

/* Joins the views again, each of them alone. slot: place of the mask on the device. */
static gboolean
run_each_view (Cnn3dPredictor *p, const Cnn3dSessionProgram *program, const Samples *s,
    Cnn3dBinding b, guint8 *slot, GError **error)
{
  const guint views = cnn3d_network_views (&p->s.net->params);
  const guint classes = p->s.net->params.num_classes;
  guint joint = 0;

  while (joint < program->plan->n_steps
      && p->s.net->ops[program->plan->steps[joint].op].kind != CNN3D_OP_VIEWS)
    joint++;
  b.logits = p->logits;
  for (guint v = 0; v < views; v++) {
    guint8 *place = slot;

    for (guint i = 0; i < s->n * views; i++)
      p->alone[i] = i % views == v;
    b.present = p->alone;
    if (p->slot
        && !(b.present = cnn3d_session_stage (&p->s, &place, p->alone, s->n * views, error)))
      return FALSE;
    if (!run_steps (p, program, views > 1 ? joint : 0, &b, error)
        || !p->s.backend->finish (p->s.device, error))
      return FALSE;
    for (guint i = 0; i < s->n; i++)
      for (guint k = 0; k < classes; k++)
        s->by_view[((gsize) i * views + v) * classes + k] =
            !s->present || s->present[i * views + v] ? p->logits[i * classes + k] : NAN;
  }
  return TRUE;
}

/* Starts a chunk; it has finished if features or views are asked for, or the slot is full. */
static gboolean
run_chunk (Cnn3dPredictor *p, const Samples *s, GError **error)
{
  const Cnn3dNetworkParams *n = &p->s.net->params;
  const gsize frames_bytes = cnn3d_frames_bytes (n, s->type) * s->n,
              points_bytes = cnn3d_points_bytes (n) * s->n;
  const Cnn3dSessionProgram *program =
      cnn3d_session_program (&p->s, p->s.backend->evaluation_slice ? p->chunk : s->n, FALSE, error);
  const gsize place = s->first % p->room / p->chunk * chunk_bytes (p, p->chunk);
  guint8 *slot = p->slot ? p->slot + place : NULL, *mask = NULL;
  Cnn3dBinding b = { .arena = p->s.arena,
    .arrays = { .weights = p->s.weights, .copy = p->s.copy },
    .frames = s->frames,
    .frames_type = s->type,
    .points = s->points,
    .present = s->present,
    .samples = s->n,
    .loss_scale = 1,
    .logits = s->logits };

  if (!program)
    return FALSE;
  if (p->slot) {
    if ((frames_bytes
            && !(b.frames = cnn3d_session_stage (&p->s, &slot, s->frames, frames_bytes, error)))
        || (points_bytes
            && !(b.points = cnn3d_session_stage (&p->s, &slot, s->points, points_bytes, error))))
      return FALSE;
    mask = slot;
    if (s->present
        && !(b.present = cnn3d_session_stage (
                 &p->s, &slot, s->present, s->n * cnn3d_network_views (n), error)))
      return FALSE;
  }
  return run_steps (p, program, 0, &b, error)
      && ((!p->func && !s->by_view && p->room > p->chunk)
          || p->s.backend->finish (p->s.device, error))
      && (!p->func || report_features (p, program, s->first, s->n, error))
      && (!s->by_view || run_each_view (p, program, s, b, mask, error));
}

gboolean
cnn3d_predictor_run (Cnn3dPredictor *p, gconstpointer frames, Cnn3dType type, const gfloat *points,
    guint n, gfloat *logits, GError **error)
{
  return cnn3d_predictor_run_views (p, frames, type, points, NULL, n, logits, NULL, error);
}

/* Whether each sample has a view. *missing: the first that has none. */
static gboolean
have_views (const guint8 *present, guint n, guint views, guint *missing)
{
  for (guint i = 0; i < n; i++) {
    guint v = 0;

    while (v < views && !present[(gsize) i * views + v])
      v++;
    if (v == views) {
      *missing = i;
      return FALSE;
    }
  }
  return TRUE;
}

gboolean
cnn3d_predictor_run_views (Cnn3dPredictor *p, gconstpointer frames, Cnn3dType type,
    const gfloat *points, const guint8 *present, guint n, gfloat *logits, gfloat *by_view,
    GError **error)
{
  const Cnn3dNetworkParams *net = &p->s.net->params;
  const guint classes = net->num_classes, views = cnn3d_network_views (net);
  const gsize frames_bytes = cnn3d_frames_bytes (net, type),
              n_points = cnn3d_points_bytes (net) / sizeof (gfloat);
  guint missing;

  g_return_val_if_fail (!by_view || p->alone, FALSE);

  if (n < 1 || n > p->batch || cnn3d_type_size (type) > cnn3d_type_size (p->frames_type)) {
    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_DATA,
        "%u clips of %d-bit numbers arrived, but memory was planned for at most %u of %d", n,
        (gint) cnn3d_type_size (type) * 8, p->batch, (gint) cnn3d_type_size (p->frames_type) * 8);
    return FALSE;
  }
  if (n_points && !points) {
    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_DATA,
        "the network reads key points, but the clips have none");
    return FALSE;
  }
  if (present && !have_views (present, n, views, &missing)) {
    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_DATA,
        "all views of sample %u of a batch are missing: leave such samples out", missing);
    return FALSE;
  }
  for (guint first = 0; first < n; first += p->chunk) {
    const Samples chunk = { (const guint8 *) frames + first * frames_bytes, type,
      n_points ? points + first * n_points : NULL,
      present && views > 1 ? present + (gsize) first * views : NULL, first,
      MIN (p->chunk, n - first), logits + (gsize) first * classes,
      by_view ? by_view + (gsize) first * views * classes : NULL };

    if (!run_chunk (p, &chunk, error)) {
      /* running work writes to the logits */
      p->s.backend->finish (p->s.device, NULL);
      return FALSE;
    }
  }
  if (!p->s.backend->finish (p->s.device, error))
    return FALSE;
  for (gsize i = 0; i < (gsize) n * classes; i++)
    if (!isfinite (logits[i])) {
      g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_DIVERGED,
          "the model's output for clip %u of a batch is NaN or infinite: its weights have "
          "diverged, or the input is not finite",
          (guint) (i / classes));
      return FALSE;
    }
  return TRUE;
}

void
cnn3d_softmax (const gfloat *logits, guint n, gdouble *probabilities)
{
  gfloat most = logits[0];
  gdouble sum = 0;

  for (guint i = 1; i < n; i++)
    most = MAX (most, logits[i]);
  for (guint i = 0; i < n; i++)
    sum += probabilities[i] = exp ((gdouble) logits[i] - most);
  for (guint i = 0; i < n; i++)
    probabilities[i] /= sum;
}
