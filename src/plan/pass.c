/* The steps of a pass. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/plan/pass.h"

#define UNUSED G_MAXUINT

typedef struct {
  Pass *pass;
  const Cnn3dNetwork *net;
  const Cnn3dSizes *sizes;
  const Cnn3dPlanParams *params;
  const gboolean *keep;
  gint *segment;        /* [op] */
  gint *reader;         /* [tensor]: the op that reads it in the forward pass; -1: none, or more */
  gboolean *trains;     /* [op]: any of its parameters */
  gboolean *wanted;     /* [tensor]: its gradient is needed for something trained */
  gsize *activation;    /* [tensor]: buffer number */
  guint *filled;        /* [tensor]: rows available */
  gsize *saved;         /* [op]: buffer number */
  gsize *parameters;    /* [op]: buffer number */
  gsize (*gradient)[2]; /* [tensor]: buffer numbers of the contributions */
} Planner;

/* A tensor's clips from `first` on, for the step being created. */
typedef struct {
  gsize buffer, displacement;
  gboolean temporary; /* nothing else reads it */
} Slice;

static const Slice no_slice = { CNN3D_NOWHERE, 0, FALSE };

static gsize
new_buffer (Planner *p, const gchar *kind, gint index, gsize bytes)
{
  const Cnn3dBuffer b = { kind, index, bytes, 0, UNUSED, 0 };

  g_array_append_val (p->pass->buffers, b);
  return p->pass->buffers->len - 1;
}

/* Rows of a tensor for the whole batch. */
static guint
rows (const Planner *p, gint tensor)
{
  return p->sizes->batch * p->net->tensors[tensor].views;
}

/* Records that the step being created uses a buffer; returns the place. */
static gsize
use_at (Planner *p, gsize buffer, gsize displacement)
{
  const PassPlace place = { buffer, displacement };

  if (buffer == CNN3D_NOWHERE)
    return CNN3D_NOWHERE;

  Cnn3dBuffer *b = &g_array_index (p->pass->buffers, Cnn3dBuffer, buffer);

  if (b->first == UNUSED)
    b->first = p->pass->steps->len;
  b->last = p->pass->steps->len;
  g_array_append_val (p->pass->places, place);
  return p->pass->places->len - 1;
}

static gsize
use (Planner *p, gsize buffer)
{
  return use_at (p, buffer, 0);
}

static gsize
use_slice (Planner *p, Slice s)
{
  return use_at (p, s.buffer, s.displacement);
}

/* The whole of a tensor that is available or being computed. */
static gsize
use_activation (Planner *p, gint tensor)
{
  if (tensor < 0)
    return CNN3D_NOWHERE;
  if (p->activation[tensor] == CNN3D_NOWHERE)
    p->activation[tensor] = new_buffer (p, "activation", tensor, p->sizes->activation[tensor]);
  return use (p, p->activation[tensor]);
}

static gsize
use_scratch (Planner *p, gint op, Cnn3dPhase phase, gsize more)
{
  const gsize bytes = p->sizes->scratch[op * CNN3D_N_PHASES + phase] + more;

  return bytes ? use (p, new_buffer (p, "scratch", op, bytes)) : CNN3D_NOWHERE;
}

static gsize
use_saved (Planner *p, gint op)
{
  if (!p->params->training || !p->sizes->saved[op])
    return CNN3D_NOWHERE;
  if (p->saved[op] == CNN3D_NOWHERE)
    p->saved[op] = new_buffer (p, "saved", op, p->sizes->saved[op]);
  return use (p, p->saved[op]);
}

static gsize
use_parameters (Planner *p, gint op)
{
  if (!(p->params->updates || p->sizes->gathers[op]) || !p->sizes->parameters[op])
    return CNN3D_NOWHERE;
  if (p->parameters[op] == CNN3D_NOWHERE)
    p->parameters[op] = new_buffer (p, "parameters", op, p->sizes->parameters[op]);
  return use (p, p->parameters[op]);
}

static Cnn3dStep
blank_step (const Planner *p, gint op, Cnn3dPhase phase)
{
  return (Cnn3dStep) { .op = op,
    .phase = phase,
    .clips = p->sizes->batch * cnn3d_op_views (p->net, op),
    .in = CNN3D_NOWHERE,
    .residual = CNN3D_NOWHERE,
    .out = CNN3D_NOWHERE,
    .saved = CNN3D_NOWHERE,
    .scratch = CNN3D_NOWHERE,
    .statistics = CNN3D_NOWHERE,
    .parameters = CNN3D_NOWHERE,
    .dout = { CNN3D_NOWHERE, CNN3D_NOWHERE },
    .din = CNN3D_NOWHERE,
    .dresidual = CNN3D_NOWHERE };
}

static void
add_step (Planner *p, const Cnn3dStep *s)
{
  g_array_append_val (p->pass->steps, *s);
}

/* --- forward --- */

/* Whether a tensor outlives its readers in the forward pass. */
static gboolean
stays (const Planner *p, gint tensor)
{
  return p->params->training ? p->keep[tensor] : p->params->features && p->params->features[tensor];
}

/* Whether only a convolution reads a batch norm's output, and nothing reads it later. */
static gboolean
forward_defers (const Planner *p, const Cnn3dOp *op)
{
  const gint reader = p->reader[op->out];

  return op->residual < 0 && reader >= 0 && p->net->ops[reader].kind == CNN3D_OP_CONV
      && !stays (p, op->out);
}

static void
add_forward (Planner *p, gint i)
{
  const Cnn3dOp *op = &p->net->ops[i];
  Cnn3dStep s = blank_step (p, i, CNN3D_PHASE_FORWARD);

  s.in = use_activation (p, op->in);
  s.residual = use_activation (p, op->residual);
  /* If nothing else reads a convolution's output, its batch norm works in place. */
  if (op->kind == CNN3D_OP_NORM && !stays (p, op->in))
    p->activation[op->out] = p->activation[op->in];
  s.defers = op->kind == CNN3D_OP_NORM && forward_defers (p, op);
  s.out = use_activation (p, op->out);
  if (op->kind == CNN3D_OP_CONV && p->sizes->statistics[i]) {
    const gint reader = p->reader[op->out];

    if (reader >= 0 && p->net->ops[reader].kind == CNN3D_OP_NORM)
      s.statistics = use_saved (p, reader);
  }
  s.saved = use_saved (p, i);
  s.scratch = use_scratch (p, i, CNN3D_PHASE_FORWARD, 0);
  if (op->kind == CNN3D_OP_LOSS && p->params->training && p->wanted[op->in]) {
    p->gradient[op->in][0] = new_buffer (p, "gradient", op->in, p->sizes->gradient[op->in]);
    s.din = use (p, p->gradient[op->in][0]);
  }
  add_step (p, &s);
}

/* --- recomputation --- */

/* Defers the last batch norm step to the convolution step that follows. */
static void
leave_to_convolution (Planner *p, gint tensor, const Slice *in)
{
  const Cnn3dOp *op = &p->net->ops[p->net->tensors[tensor].producer];

  if (in->temporary && op->kind == CNN3D_OP_NORM && op->residual < 0)
    g_array_index (p->pass->steps, Cnn3dStep, p->pass->steps->len - 1).defers = TRUE;
}

static gboolean
is_there (const Planner *p, gint tensor, guint end)
{
  return p->activation[tensor] != CNN3D_NOWHERE && p->filled[tensor] >= end;
}

/* The number of clips to recompute at once so that each convolution involved has whole slices. */
static guint
unit (const Planner *p, gint tensor)
{
  const Cnn3dOp *op;
  guint clips = 1, in, residual;

  if (tensor < 0 || is_there (p, tensor, rows (p, tensor)))
    return 1;
  op = &p->net->ops[p->net->tensors[tensor].producer];
  if (op->kind == CNN3D_OP_CONV)
    clips = p->sizes->slice[p->net->tensors[tensor].producer];
  /* not in MAX(), which evaluates its arguments twice */
  in = unit (p, op->in);
  residual = unit (p, op->residual);
  return MAX (clips, MAX (in, residual));
}

/* Recomputes clips of a tensor unless they are available. Convolutions of block `segment` fill
 * whole tensors, because the backward steps of their batch norms follow; everything else is
 * temporary. */
static Slice
make (Planner *p, gint tensor, guint first, guint clips, gint segment)
{
  if (tensor < 0)
    return no_slice;

  const gsize clip_bytes = p->sizes->activation[tensor] / rows (p, tensor);
  const gint producer = p->net->tensors[tensor].producer;
  const Cnn3dOp *op = &p->net->ops[producer];
  const gboolean fills = op->kind == CNN3D_OP_CONV && p->segment[producer] == segment;
  Slice in, residual, out = { CNN3D_NOWHERE, 0, TRUE };

  if (is_there (p, tensor, first + clips))
    return (Slice) { p->activation[tensor], first * clip_bytes, FALSE };
  in = make (p, op->in, first, clips, segment);
  if (op->kind == CNN3D_OP_CONV)
    leave_to_convolution (p, op->in, &in);
  residual = make (p, op->residual, first, clips, segment);
  if (fills) {
    if (p->activation[tensor] == CNN3D_NOWHERE)
      p->activation[tensor] = new_buffer (p, "activation", tensor, p->sizes->activation[tensor]);
    p->filled[tensor] = first + clips;
    out = (Slice) { p->activation[tensor], first * clip_bytes, FALSE };
  } else if (op->kind == CNN3D_OP_NORM && in.temporary) {
    out = in;
  } else if (op->kind == CNN3D_OP_NORM && residual.temporary) {
    out = residual;
  } else {
    out.buffer = new_buffer (p, "activation", tensor, clips * clip_bytes);
  }

  Cnn3dStep s = blank_step (p, producer, CNN3D_PHASE_RECOMPUTE);

  s.first = first;
  s.clips = clips;
  s.in = use_slice (p, in);
  s.residual = use_slice (p, residual);
  s.out = use_slice (p, out);
  s.saved = use_saved (p, producer);
  s.scratch = use_scratch (p, producer, s.phase, 0);
  add_step (p, &s);
  return out;
}

/* The first clip of the slice after this one. Buffers of one slice are not alive in another, and all
 * others are alive at least in the slices between. */
static guint
next_slice (const Planner *p, guint first, guint clips, guint whole)
{
  const guint next = first + clips;

  return p->pass->sketch && first > 0 && next < whole ? whole - clips : next;
}

/* Recomputes the whole of a convolution's output unless it is available. */
static void
make_whole (Planner *p, gint tensor)
{
  const gint segment = p->segment[p->net->tensors[tensor].producer];
  const guint clips = unit (p, tensor);

  for (guint first = 0; first < rows (p, tensor);
      first = next_slice (p, first, clips, rows (p, tensor)))
    make (p, tensor, first, clips, segment);
}

/* --- backward --- */

/* Takes a free buffer, of two, for another contribution to a gradient. */
static gsize
contribute (Planner *p, gint tensor, gsize buffer)
{
  gsize *slots = p->gradient[tensor];
  const gint k = slots[0] == CNN3D_NOWHERE ? 0 : 1;

  g_assert (slots[k] == CNN3D_NOWHERE); /* the models use a tensor at most twice */
  return slots[k] = buffer != CNN3D_NOWHERE
      ? buffer
      : new_buffer (p, "gradient", tensor, p->sizes->gradient[tensor]);
}

/* Slice by slice if the input must be recomputed. */
static void
add_backward_weights (Planner *p, gint i)
{
  const Cnn3dOp *op = &p->net->ops[i];
  const guint whole = rows (p, op->in);
  const gsize dout_clip = p->sizes->gradient[op->out] / whole;
  const gint segment = p->segment[p->net->tensors[op->in].producer];
  const guint needed = unit (p, op->in);
  const guint clips = is_there (p, op->in, whole) ? whole : MAX (p->sizes->slice[i], needed);

  for (guint first = 0; first < whole; first = next_slice (p, first, clips, whole)) {
    const Slice in = make (p, op->in, first, clips, segment);
    Cnn3dStep s = blank_step (p, i, CNN3D_PHASE_BACKWARD_WEIGHTS);

    if (op->kind == CNN3D_OP_CONV)
      leave_to_convolution (p, op->in, &in);
    s.first = first;
    s.clips = clips;
    s.adds = first > 0;
    s.gathers = p->sizes->gathers[i] && !p->params->updates;
    s.in = use_slice (p, in);
    s.dout[0] = use_at (p, p->gradient[op->out][0], first * dout_clip);
    s.parameters = use_parameters (p, i);
    s.scratch = use_scratch (p, i, s.phase, 0);
    add_step (p, &s);
  }
}

/* The gradient of the input of a convolution or of the last layer. With the least-memory setting it
 * overwrites the output's gradient if both have the same size. */
static void
add_backward_data (Planner *p, gint i)
{
  const Cnn3dOp *op = &p->net->ops[i];
  const gsize dout = p->gradient[op->out][0];
  const gsize clip_bytes = p->sizes->gradient[op->in] / rows (p, op->in);
  const gboolean adds = p->sizes->adds[i] && p->gradient[op->in][0] != CNN3D_NOWHERE;
  const gboolean over = p->params->recompute >= CNN3D_RECOMPUTE_BLOCK && op->kind == CNN3D_OP_CONV
      && !adds && p->sizes->slice[i] < rows (p, op->in)
      && p->sizes->gradient[op->in] == p->sizes->gradient[op->out];
  Cnn3dStep s = blank_step (p, i, CNN3D_PHASE_BACKWARD);

  s.dout[0] = use (p, dout);
  s.accumulate = adds;
  s.din =
      use (p, adds ? p->gradient[op->in][0] : contribute (p, op->in, over ? dout : CNN3D_NOWHERE));
  s.scratch = use_scratch (p, i, s.phase, over ? clip_bytes * p->sizes->slice[i] : 0);
  add_step (p, &s);
}

static void
add_backward (Planner *p, gint i)
{
  const Cnn3dOp *op = &p->net->ops[i];
  Cnn3dStep s;

  if (op->kind == CNN3D_OP_NORM)
    make_whole (p, op->in);
  s = blank_step (p, i, CNN3D_PHASE_BACKWARD);
  for (gint k = 0; k < 2; k++)
    s.dout[k] = use (p, p->gradient[op->out][k]);
  if (op->kind == CNN3D_OP_NORM) {
    s.in = use (p, p->activation[op->in]);
    /* the masked gradient, written over dout[0], is the residual's gradient */
    if (op->residual >= 0 && p->wanted[op->residual])
      s.dresidual = use (p, contribute (p, op->residual, p->gradient[op->out][0]));
    /* the convolution's output is not read after this */
    if (p->wanted[op->in])
      s.din = use (p, contribute (p, op->in, p->activation[op->in]));
    s.parameters = use_parameters (p, i);
  } else {
    /* a mean of probabilities has another gradient for each input */
    if (op->kind == CNN3D_OP_VIEWS && op->view_fusion == CNN3D_VIEW_FUSION_PROBABILITIES)
      s.in = use (p, p->activation[op->in]);
    if (p->wanted[op->in])
      s.din = use (p, contribute (p, op->in, CNN3D_NOWHERE));
    if (op->residual >= 0 && p->wanted[op->residual])
      s.dresidual = use (p, contribute (p, op->residual, CNN3D_NOWHERE));
  }
  s.saved = use_saved (p, i);
  s.scratch = use_scratch (p, i, s.phase, 0);
  add_step (p, &s);
}

static void
add_update (Planner *p, gint i)
{
  Cnn3dStep s = blank_step (p, i, CNN3D_PHASE_UPDATE);

  if (!p->params->updates)
    return;
  s.parameters = use_parameters (p, i);
  add_step (p, &s);
}

/* --- the pass --- */

static gint *
find_readers (const Cnn3dNetwork *net)
{
  gint *reader = g_new (gint, net->n_tensors);
  g_autofree guint *readers = g_new0 (guint, net->n_tensors);

  for (guint i = 0; i < net->n_ops; i++) {
    const gint read[2] = { net->ops[i].in, net->ops[i].residual };

    for (gint k = 0; k < 2; k++)
      if (read[k] >= 0 && (k == 0 || read[0] != read[1])) {
        reader[read[k]] = i;
        readers[read[k]]++;
      }
  }
  for (guint t = 0; t < net->n_tensors; t++)
    if (readers[t] != 1)
      reader[t] = -1;
  return reader;
}

static gboolean
is_trained (const Planner *p, gint weight)
{
  return weight >= 0 && CNN3D_PARAM_TRAINED (p->net->weights[weight].role)
      && (!p->params->trained || p->params->trained[weight]);
}

static void
add_pass (Planner *p)
{
  const Cnn3dNetwork *net = p->net;

  for (guint i = 0; i < net->n_ops; i++) {
    const Cnn3dOp *op = &net->ops[i];

    p->trains[i] = is_trained (p, op->weight) || is_trained (p, op->bias);
    if (op->out >= 0)
      p->wanted[op->out] = p->trains[i] || (op->in >= 0 && p->wanted[op->in])
          || (op->residual >= 0 && p->wanted[op->residual]);
  }
  for (guint i = 0; i < net->n_ops; i++)
    add_forward (p, i);
  p->pass->n_forward = p->pass->steps->len;
  if (!p->params->training) {
    for (guint i = 0; i < net->n_tensors; i++)
      if (stays (p, i))
        g_array_index (p->pass->buffers, Cnn3dBuffer, p->activation[i]).last =
            p->pass->steps->len - 1;
    return;
  }
  for (guint i = 0; i < net->n_tensors; i++) {
    if (p->keep[i])
      p->filled[i] = rows (p, i);
    else
      p->activation[i] = CNN3D_NOWHERE;
  }
  for (gint i = net->n_ops - 1; i >= 0; i--) {
    const Cnn3dOp *op = &net->ops[i];
    const gboolean separate = op->kind == CNN3D_OP_CONV || op->kind == CNN3D_OP_LINEAR;

    if (op->out < 0 || !p->wanted[op->out])
      continue;
    if (separate && p->trains[i])
      add_backward_weights (p, i);
    if (separate && p->wanted[op->in])
      add_backward_data (p, i);
    else if (!separate && op->kind != CNN3D_OP_INPUT)
      add_backward (p, i);
    if (p->trains[i])
      add_update (p, i);
  }
}

/* A batch norm can be deferred to the convolution only while its own input is available; with
 * frozen layers nothing may keep that alive. */
static void
settle_deferred (Pass *pass)
{
  for (guint i = 0; i < pass->steps->len; i++) {
    Cnn3dStep *s = &g_array_index (pass->steps, Cnn3dStep, i);
    const PassPlace *in, *out;

    if (!s->defers)
      continue;
    in = &g_array_index (pass->places, PassPlace, s->in);
    out = &g_array_index (pass->places, PassPlace, s->out);
    if (in->buffer != out->buffer
        && g_array_index (pass->buffers, Cnn3dBuffer, in->buffer).last <= i)
      s->defers = FALSE;
  }
}

gint *
cnn3d_pass_segments (const Cnn3dNetwork *net)
{
  gint *segment = g_new (gint, net->n_ops);
  g_autofree guint *readers = g_new0 (guint, net->n_tensors);
  gint now = 0, stem = 0;

  for (guint i = 0; i < net->n_ops; i++) {
    if (net->ops[i].in >= 0)
      readers[net->ops[i].in]++;
    if (net->ops[i].residual >= 0)
      readers[net->ops[i].residual]++;
  }
  for (guint i = 0; i < net->n_ops; i++) {
    const Cnn3dOp *op = &net->ops[i];
    const gboolean forks = now == stem && op->out >= 0 && readers[op->out] > 1;

    if (op->kind == CNN3D_OP_INPUT && i > 0)
      stem = ++now;
    segment[i] = now;
    if (forks || (op->kind == CNN3D_OP_NORM && op->residual >= 0))
      now++;
  }
  return segment;
}

void
cnn3d_pass_init (Pass *pass, const Cnn3dNetwork *net, const Cnn3dSizes *sizes,
    const Cnn3dPlanParams *params, const gboolean *keep)
{
  Planner p = { pass, net, sizes, params, keep };

  if (!pass->steps) {
    pass->steps = g_array_new (FALSE, FALSE, sizeof (Cnn3dStep));
    pass->buffers = g_array_new (FALSE, FALSE, sizeof (Cnn3dBuffer));
    pass->places = g_array_new (FALSE, FALSE, sizeof (PassPlace));
  }
  g_array_set_size (pass->steps, 0);
  g_array_set_size (pass->buffers, 0);
  g_array_set_size (pass->places, 0);
  p.segment = cnn3d_pass_segments (net);
  p.reader = find_readers (net);
  p.trains = g_new0 (gboolean, net->n_ops);
  p.wanted = g_new0 (gboolean, net->n_tensors);
  p.activation = g_new (gsize, net->n_tensors);
  p.filled = g_new0 (guint, net->n_tensors);
  p.gradient = g_malloc_n (net->n_tensors, sizeof *p.gradient);
  p.saved = g_new (gsize, net->n_ops);
  p.parameters = g_new (gsize, net->n_ops);
  for (guint i = 0; i < net->n_tensors; i++)
    p.activation[i] = p.gradient[i][0] = p.gradient[i][1] = CNN3D_NOWHERE;
  for (guint i = 0; i < net->n_ops; i++)
    p.saved[i] = p.parameters[i] = CNN3D_NOWHERE;
  add_pass (&p);
  settle_deferred (pass);
  g_free (p.segment);
  g_free (p.reader);
  g_free (p.trains);
  g_free (p.wanted);
  g_free (p.activation);
  g_free (p.filled);
  g_free (p.gradient);
  g_free (p.saved);
  g_free (p.parameters);
}

void
cnn3d_pass_clear (Pass *pass)
{
  g_clear_pointer (&pass->steps, g_array_unref);
  g_clear_pointer (&pass->buffers, g_array_unref);
  g_clear_pointer (&pass->places, g_array_unref);
}
