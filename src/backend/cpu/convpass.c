/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cpu/convpass.h"

#include <string.h>

#include "src/backend/cpu/convcheck.h"
#include "src/backend/cpu/findings.h"

/* Depths that are tried: the original, padded with zero slices for the last window's reach, and
 * with 1 to 4 more output slices. Some implementations are wrong, and the fast f32 backward-weights
 * of 2.x are not available, if there are fewer output slices than the kernel has. */
#define N_DEPTHS 6

static const gchar *const pass_names[] = { "forward", "backward-data", "backward-weights" };

/* Only these points of a strided 1x1x1 convolution's input have a gradient. It is computed for them
 * alone, by an unstrided convolution. */
static gboolean
is_dense (const Cnn3dOp *op, CpuPass pass)
{
  return pass == CPU_BACKWARD_DATA && cnn3d_op_is_strided_pointwise (op);
}

/* FALSE: the convolution has no such depth. */
static gboolean
deepen (const Cnn3dModel *m, const Cnn3dOp *op, gint which, gint *in_depth, gint *out_depth)
{
  const gint in = m->net->tensors[op->in].d, out = m->net->tensors[op->out].d;
  const gint stride = op->stride[0], pad = op->pad[0];
  const gint over = pad < stride ? MAX (0, (out - 1) * stride - pad + op->kernel[0] - in) : 0;

  *in_depth = in;
  *out_depth = out;
  if (which == 0)
    return TRUE;
  if (!cpu_is_blocked (m->net, op->in) || (which == 1 && !over))
    return FALSE;
  *in_depth += over + (which - 1) * stride;
  *out_depth += which - 1;
  return TRUE;
}

/* Identifies a method in messages and in the file of findings. clips 0: any number; without depths:
 * the tensors' own. */
static gchar *
way_text (const Cnn3dModel *m, gint i, const CpuConvPass *way, guint clips)
{
  const Cnn3dOp *op = &m->net->ops[i];
  const Cnn3dTensor *in = &m->net->tensors[op->in], *out = &m->net->tensors[op->out];
  GString *text = g_string_new (pass_names[way->pass]);
  gint64 dims[5];

  cpu_padded_dims (m, op, dims);
  g_string_append_printf (text,
      " %s%s%s %d to %d channels, kernel %dx%dx%d, stride %dx%dx%d, padding %dx%dx%d",
      m->type == dnnl_bf16 ? "bf16" : "f32", way->f32 ? " in f32" : "",
      way->channels_last ? " channels last" : "", (gint) dims[1], (gint) dims[0], op->kernel[0],
      op->kernel[1], op->kernel[2], op->stride[0], op->stride[1], op->stride[2], op->pad[0],
      op->pad[1], op->pad[2]);
  g_string_append_printf (text, ", %dx%dx%d to %dx%dx%d", way->in_depth ? way->in_depth : in->d,
      in->h, in->w, way->out_depth ? way->out_depth : out->d, out->h, out->w);
  if (clips)
    g_string_append_printf (text, ", %u clip%s, %u thread%s", clips, clips > 1 ? "s" : "",
        m->device->threads, m->device->threads > 1 ? "s" : "");
  return g_string_free (text, FALSE);
}

/* --- choosing a method --- */

/* Criteria for accepting an implementation. */
typedef struct {
  const Cnn3dModel *model;
  gint op;
  CpuConvPass *way;
  gboolean reference;
  gchar *name;    /* of the accepted one */
  gchar *weights; /* its format of the weights */
  guint wrong;    /* number of rejected ones */
} Wanted;

static gchar *
wrong_key (const Wanted *w, const gchar *implementation)
{
  g_autofree gchar *text = way_text (w->model, w->op, w->way, 0);

  return g_strdup_printf ("%s: %s", text, implementation);
}

static gboolean
accepts (const gchar *implementation, gpointer user)
{
  Wanted *w = user;
  g_autofree gchar *key = NULL;

  if (cpu_is_reference (implementation) != w->reference)
    return FALSE;
  key = wrong_key (w, implementation);
  if (cpu_findings_get (w->model->device->findings, key) == CPU_FINDING_WRONG) {
    w->wrong++;
    return FALSE;
  }
  g_free (w->name);
  w->name = g_strdup (implementation);
  return TRUE;
}

static CpuDesc
end_desc (
    const Cnn3dModel *m, gint tensor, const Cnn3dTensor *shape, const CpuConvPass *way, gint depth)
{
  const gboolean blocked = cpu_is_blocked (m->net, tensor);
  const gint c = m->net->tensors[tensor].c;
  const gint64 dims[5] = { way->clips, blocked ? cpu_round_up (c, m->lanes) : c, depth, shape->h,
    shape->w };

  return cpu_desc_new (5, dims, way->f32 ? dnnl_f32 : m->type,
      way->channels_last ? dnnl_acdeb
          : blocked      ? cpu_blocked_tag (m)
                         : dnnl_abcde);
}

static void
spec_init (CpuConvSpec *spec, const Cnn3dModel *m, gint i, const CpuConvPass *way)
{
  const Cnn3dOp *op = &m->net->ops[i];
  const Cnn3dTensor *in = &m->net->tensors[op->in], *out = &m->net->tensors[op->out];
  const gboolean dense = is_dense (op, way->pass);

  for (gint k = 0; k < 3; k++) {
    spec->kernel[k] = op->kernel[k];
    spec->stride[k] = dense ? 1 : op->stride[k];
    spec->pad[k] = op->pad[k];
  }
  spec->source =
      end_desc (m, op->in, dense ? out : in, way, dense ? way->out_depth : way->in_depth);
  spec->destination = end_desc (m, op->out, out, way, way->out_depth);
  spec->weights = NULL;
}

/* weights: their format, NULL: any. */
static gboolean
make_primitive (
    Wanted *w, CpuDesc weights, CpuPrimitive *primitive, CpuDesc *chosen, GError **error)
{
  const Cnn3dModel *m = w->model;
  CpuConvSpec spec;
  gint64 dims[5];
  gboolean ok;

  spec_init (&spec, m, w->op, w->way);
  cpu_padded_dims (m, &m->net->ops[w->op], dims);
  spec.weights = weights
      ? cpu_desc_copy (weights)
      : cpu_desc_new (5, dims,
            w->way->pass == CPU_BACKWARD_WEIGHTS || w->way->f32 ? dnnl_f32 : m->type,
            dnnl_format_tag_any);
  ok = cpu_conv_new (&m->device->dnnl, w->way->pass, &spec, accepts, w, primitive, chosen, error);
  cpu_desc_free (&spec.source);
  cpu_desc_free (&spec.destination);
  cpu_desc_free (&spec.weights);
  return ok;
}

CpuDesc
cpu_conv_weights_format (const Cnn3dModel *m, gint op, CpuPass pass, gboolean f32)
{
  CpuConvPass way = { .pass = pass, .clips = 1, .f32 = f32 && m->type != dnnl_f32 };
  Wanted wanted = { m, op, &way };
  CpuPrimitive primitive;
  CpuDesc format = NULL;

  deepen (m, &m->net->ops[op], 0, &way.in_depth, &way.out_depth);
  if (make_primitive (&wanted, NULL, &primitive, &format, NULL))
    cpu_primitive_clear (&primitive);
  g_free (wanted.name);
  return format;
}

/* Bytes of a slice of an end, in the method's format. */
static gsize
staged_bytes (
    const Cnn3dModel *m, gint tensor, const Cnn3dTensor *shape, const CpuConvPass *way, gint depth)
{
  CpuDesc desc = end_desc (m, tensor, shape, way, depth);
  const gsize bytes = cpu_align (cpu_desc_size (desc));

  cpu_desc_free (&desc);
  return bytes;
}

static gboolean
place_scratch (Cnn3dModel *m, gint i, CpuConvPass *c, gboolean may_add, CpuDesc have,
    CpuDesc wanted, GError **error)
{
  const Cnn3dOp *op = &m->net->ops[i];
  const Cnn3dTensor *in = &m->net->tensors[op->in], *out = &m->net->tensors[op->out];
  const CpuConvPass own = { .clips = c->clips };
  const gboolean dense = is_dense (op, c->pass), gradient = c->pass == CPU_BACKWARD_WEIGHTS;
  const gboolean other = c->f32 || c->channels_last;
  gsize own_scratch;

  if (!cpu_desc_equal (wanted, have)) {
    c->weights = cpu_align (cpu_desc_size (wanted));
    if (!cpu_reorder_new (&m->device->dnnl, gradient ? wanted : have, gradient ? have : wanted,
            &c->reorder, error))
      return FALSE;
  }
  if (gradient && may_add)
    c->sums = cpu_align (m->layout.length[op->weight] * sizeof (gfloat));
  if (dense)
    c->dense = staged_bytes (m, op->in, out, &own, out->d);
  if (other || c->in_depth != in->d)
    c->in = staged_bytes (m, op->in, dense ? out : in, c, dense ? c->out_depth : c->in_depth);
  if (other || c->out_depth != out->d)
    c->out = staged_bytes (m, op->out, out, c, c->out_depth);
  own_scratch = c->winograd ? cpu_winograd_scratch (c->winograd) : c->primitive.scratch;
  c->scratch = c->weights + c->sums + c->dense + c->in + c->out
      + cpu_align (MAX (own_scratch, c->reorder.scratch));
  return TRUE;
}

/* Speed relative to f32 at which oneDNN multiplies the model's type. In bf16, backward-weights
 * transposes its operands first, which takes the same time again: 1.1 to 1.4 times in slow_r50 on
 * Zen 4. AMX does not count: 2.6 to 3.7 use it for channels-last tensors alone. */
static gdouble
direct_speed (const Cnn3dModel *m, CpuPass pass)
{
  if (m->type != dnnl_bf16
      || (dnnl_get_effective_cpu_isa () & dnnl_cpu_isa_avx512_core_bf16)
          != dnnl_cpu_isa_avx512_core_bf16)
    return 1;
  return pass == CPU_BACKWARD_WEIGHTS ? 1.25 : 2;
}

/* spec: filled in. */
static gboolean
wants_winograd (const Cnn3dModel *m, gint i, CpuPass pass, guint clips, CpuWinogradSpec *spec)
{
  const Cnn3dOp *op = &m->net->ops[i];
  const Cnn3dTensor *in = &m->net->tensors[op->in];
  const CpuWinogradKernels *kernels =
      m->device->kernels->winograd[m->type == dnnl_bf16][m->lanes == 16];
  const gint size[3] = { in->d, in->h, in->w };
  CpuWinogradSpec one;
  gint64 dims[5];

  if (m->device->convolution == CNN3D_CONVOLUTION_DIRECT || !kernels
      || !cpu_is_blocked (m->net, op->in)
      || !cpu_winograd_fits (size, op->kernel, op->stride, op->pad))
    return FALSE;
  cpu_padded_dims (m, op, dims);
  *spec = (CpuWinogradSpec) { kernels, m->device->threads, clips, m->lanes, m->element, dims[1],
    dims[0], { size[0], size[1], size[2] }, { op->kernel[0], op->kernel[1], op->kernel[2] } };
  /* A clip's outputs are the same in any company, and a short batch takes no more
   * memory than a whole one. */
  one = *spec;
  one.clips = 1;
  return m->device->convolution == CNN3D_CONVOLUTION_WINOGRAD
      || cpu_winograd_pays (&one, pass, direct_speed (m, pass));
}

gboolean
cpu_conv_reads_masters (const Cnn3dModel *m, gint op)
{
  CpuWinogradSpec spec;

  return wants_winograd (m, op, CPU_FORWARD, 1, &spec)
      && wants_winograd (m, op, CPU_BACKWARD_DATA, 1, &spec);
}

static gboolean
set_up_winograd (CpuConvPass *c, Cnn3dModel *m, gint i, CpuPass pass, const CpuWinogradSpec *spec,
    gboolean may_add, GError **error)
{
  const gint64 dims[5] = { spec->out, spec->in, spec->kernel[0], spec->kernel[1], spec->kernel[2] };
  CpuDesc blocked =
      cpu_desc_new (5, dims, dnnl_f32, m->lanes == 16 ? dnnl_ABcde16b16a : dnnl_ABcde8b8a);
  gboolean ok;

  *c = (CpuConvPass) { .pass = pass,
    .clips = spec->clips,
    .winograd = cpu_winograd_new (spec, pass),
    .from_master = TRUE,
    .in_depth = spec->size[0],
    .out_depth = spec->size[0] };
  ok = place_scratch (m, i, c, may_add, m->conv[i].master, blocked, error);
  cpu_desc_free (&blocked);
  if (!ok)
    cpu_conv_pass_clear (c);
  return ok;
}

/* The order in which methods are tried: the model's own type and format, with its depth or more,
 * then f32, then channels last; at the end oneDNN's reference implementations, which are hundreds
 * of times slower. */
static const struct {
  gboolean f32, channels_last, reference;
} kinds[] = {
  { FALSE },
  { TRUE },
  { FALSE, TRUE },
  { TRUE, TRUE },
  { FALSE, FALSE, TRUE },
  { TRUE, FALSE, TRUE },
};

/* Tries one method, if there is a primitive for it that is not known to be wrong. The model's
 * format of the weights is used if the primitive supports it, except that backward-data, which
 * prefers another format than the forward pass, and copies use the primitive's. */
static gboolean
try_way (Wanted *w, gboolean may_add, GError **error)
{
  Cnn3dModel *m = (Cnn3dModel *) w->model;
  const CpuConvWeights *weights = &m->conv[w->op];
  CpuConvPass *c = w->way;
  const gboolean kept = weights->copy && m->params.keeps_copy;
  CpuDesc have = weights->master, format = weights->master;
  gboolean ok;

  if (c->pass == CPU_FORWARD && !c->f32 && weights->copy)
    format = weights->copy;
  if (c->pass == CPU_BACKWARD_DATA
      || (c->pass == CPU_FORWARD && m->type != dnnl_f32 && !c->f32 && !weights->copy))
    format = NULL;
  if (c->pass != CPU_BACKWARD_WEIGHTS && !c->f32 && kept)
    have = weights->copy;
  c->from_master = have == weights->master;
  if (!format || !make_primitive (w, format, &c->primitive, &format, NULL)) {
    format = NULL;
    if (!make_primitive (w, NULL, &c->primitive, &format, error))
      return FALSE;
  }
  ok = place_scratch (m, w->op, c, may_add, have, format, error);
  if (ok) {
    g_autofree gchar *as = cpu_desc_text (format), *from = cpu_desc_text (have);

    w->weights =
        g_strdup_printf ("weights %s from %s %s", as, c->from_master ? "masters" : "a copy", from);
  }
  cpu_desc_free (&format);
  return ok;
}

/* The available methods also depend on the weights' formats. */
static gchar *
passed_key (const Cnn3dModel *m, gint i, const gchar *text)
{
  g_autofree gchar *master = cpu_desc_text (m->conv[i].master);
  g_autofree gchar *copy = m->conv[i].copy ? cpu_desc_text (m->conv[i].copy) : NULL;

  return g_strjoin (" ", text, master, copy, NULL);
}

/* The best method that is not known to be wrong. */
static gboolean
choose (CpuConvPass *c, Cnn3dModel *m, gint i, CpuPass pass, guint clips, gboolean may_add,
    gchar **implementation, gchar **weights, GError **error)
{
  CpuFindings *findings = m->device->findings;
  const CpuConvPass plain = { .pass = pass };
  g_autofree gchar *text = way_text (m, i, &plain, clips), *key = passed_key (m, i, text);
  Wanted wanted = { m, i, c };
  g_autoptr (GError) reason = NULL;

  for (guint way = cpu_findings_get_passed (findings, key); way < G_N_ELEMENTS (kinds) * N_DEPTHS;
      way++) {
    const guint k = way / N_DEPTHS, depth = way % N_DEPTHS;

    *c = (CpuConvPass) {
      .pass = pass, .clips = clips, .f32 = kinds[k].f32, .channels_last = kinds[k].channels_last
    };
    wanted.reference = kinds[k].reference;
    if ((kinds[k].f32 && m->type == dnnl_f32)
        || (depth > 0 && (kinds[k].reference || kinds[k].channels_last))
        || !deepen (m, &m->net->ops[i], depth, &c->in_depth, &c->out_depth))
      continue;
    if (try_way (&wanted, may_add, reason ? NULL : &reason)) {
      cpu_findings_set_passed (findings, key, way);
      *implementation = wanted.name;
      *weights = wanted.weights;
      return TRUE;
    }
    cpu_conv_pass_clear (c);
  }
  g_free (wanted.name);
  memset (c, 0, sizeof *c);
  if (wanted.wrong) {
    const dnnl_version_t *v = dnnl_version ();

    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED,
        "oneDNN %d.%d.%d computes a convolution of %s wrongly on this CPU, with each of its "
        "implementations (%s): use another version of oneDNN, another precision, or clips of "
        "another size",
        v->major, v->minor, v->patch, m->net->model, text);
  } else if (reason) {
    g_propagate_error (error, g_steal_pointer (&reason));
  } else {
    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_FAILED,
        "oneDNN has no convolution for %s", text);
  }
  return FALSE;
}

gboolean
cpu_conv_pass_setup (CpuConvPass *c, Cnn3dModel *m, gint op, CpuPass pass, guint clips,
    gboolean may_add, gboolean checks, gboolean *replaced, GError **error)
{
  const gboolean sizes_only = m->device->dnnl.sizes_only;
  CpuFindings *findings = m->device->findings;
  CpuWinogradSpec spec;

  if (wants_winograd (m, op, pass, clips, &spec))
    return set_up_winograd (c, m, op, pass, &spec, may_add, error);
  for (;;) {
    g_autofree gchar *implementation = NULL, *weights = NULL, *text = NULL, *key = NULL,
                     *wrong = NULL;
    gboolean right, ok;

    if (!choose (c, m, op, pass, clips, may_add, &implementation, &weights, error))
      return FALSE;
    if (!checks)
      return TRUE;
    text = way_text (m, op, c, clips);
    key = g_strdup_printf ("%s, %s: %s", text, weights, implementation);
    if (cpu_is_reference (implementation) || cpu_findings_get (findings, key) == CPU_FINDING_RIGHT)
      return TRUE;
    ok = TRUE;
    m->device->dnnl.sizes_only = FALSE;
    if (sizes_only) {
      g_autofree gchar *name = NULL, *format = NULL;

      /* again, this time able to run */
      cpu_conv_pass_clear (c);
      ok = choose (c, m, op, pass, clips, may_add, &name, &format, error);
    }
    ok = ok && cpu_conv_check (m, op, clips, c, &right, error);
    m->device->dnnl.sizes_only = sizes_only;
    if (!ok) {
      cpu_conv_pass_clear (c);
      return FALSE;
    }
    if (right) {
      cpu_findings_set (findings, key, CPU_FINDING_RIGHT);
      return TRUE;
    }
    wrong = wrong_key (&(Wanted) { m, op, c }, implementation);
    cpu_findings_set (findings, wrong, CPU_FINDING_WRONG);
    *replaced = TRUE;
    cpu_conv_pass_clear (c);
  }
}

void
cpu_conv_pass_clear (CpuConvPass *c)
{
  cpu_winograd_free (c->winograd);
  cpu_primitive_clear (&c->primitive);
  cpu_primitive_clear (&c->reorder);
  memset (c, 0, sizeof *c);
}

/* --- running --- */

/* An end of a convolution in memory. */
typedef struct {
  gpointer data;
  gboolean f32, channels_last;
  gint depth;
} End;

static void
convert (const Cnn3dModel *m, gsize n, const End *from, gsize from_at, const End *to, gsize to_at)
{
  const CpuKernels *k = m->device->kernels;
  const guint8 *source = (guint8 *) from->data + from_at * (from->f32 ? 4 : m->element);
  guint8 *target = (guint8 *) to->data + to_at * (to->f32 ? 4 : m->element);

  if (from->f32 == to->f32 || m->element == 4)
    memcpy (target, source, n * (from->f32 ? 4 : m->element));
  else if (from->f32)
    k->to_bf16 (n, (guint16 *) target, (const gfloat *) source);
  else
    k->from_bf16 (n, (gfloat *) target, (const guint16 *) source);
}

/* Copies an end from one form to another: additional depth is filled with zeros, missing depth is
 * dropped. */
static void
restage (const Cnn3dModel *m, gint tensor, const Cnn3dTensor *shape, guint clips, const End *from,
    const End *to)
{
  const gboolean blocked = cpu_is_blocked (m->net, tensor);
  const gint lanes = blocked ? m->lanes : 1;
  const gint blocks = (m->net->tensors[tensor].c + lanes - 1) / lanes, c = blocks * lanes;
  const gint slice = shape->h * shape->w, element = to->f32 ? 4 : m->element;
  const gint step =
      from->channels_last != to->channels_last ? 1 : slice; /* points that stay together */

#pragma omp parallel for collapse(3) num_threads(m->device->threads) schedule(static)
  for (gint n = 0; n < (gint) clips; n++)
    for (gint b = 0; b < blocks; b++)
      for (gint d = 0; d < to->depth; d++)
        for (gint p = 0; p < slice; p += step) {
          const gsize to_point = ((gsize) n * to->depth + d) * slice + p,
                      from_point = ((gsize) n * from->depth + d) * slice + p;
          const gsize to_at = to->channels_last
              ? to_point * c + b * lanes
              : (((gsize) n * blocks + b) * to->depth * slice + (gsize) d * slice + p) * lanes;
          const gsize from_at = from->channels_last
              ? from_point * c + b * lanes
              : (((gsize) n * blocks + b) * from->depth * slice + (gsize) d * slice + p) * lanes;

          if (d < from->depth)
            convert (m, step * lanes, from, from_at, to, to_at);
          else
            memset ((guint8 *) to->data + to_at * element, 0, (gsize) step * lanes * element);
        }
}

/* Adds the gradients of the points that a strided 1x1x1 convolution reads. */
static void
scatter (const Cnn3dModel *m, const Cnn3dOp *op, guint clips, guint8 *din, const guint8 *dense,
    gboolean adds)
{
  const Cnn3dTensor *big = &m->net->tensors[op->in], *few = &m->net->tensors[op->out];
  const gsize point = m->lanes * m->element;
  const gint *stride = op->stride, slabs = clips * cpu_channel_blocks (m, big);

#pragma omp parallel for num_threads(m->device->threads) schedule(static)
  for (gint i = 0; i < slabs; i++) {
    guint8 *to = din + i * cpu_points (big) * point;
    const guint8 *from = dense + i * cpu_points (few) * point;

    if (!adds)
      memset (to, 0, cpu_points (big) * point);
    for (gint d = 0; d < few->d; d++)
      for (gint h = 0; h < few->h; h++, from += few->w * point)
        m->blocks->scatter_add (
            to + ((gsize) d * stride[0] * big->h + h * stride[1]) * big->w * point, from, few->w,
            stride[2]);
  }
}

void
cpu_conv_pass_places (const CpuConvPass *c, gsize places[CPU_CONV_PIECES + 1])
{
  const gsize bytes[CPU_CONV_PIECES] = { c->weights, c->sums, c->dense, c->in, c->out };

  places[0] = 0;
  for (gint i = 0; i < CPU_CONV_PIECES; i++)
    places[i + 1] = places[i] + bytes[i] + c->gap;
}

gboolean
cpu_conv_pass_prepare (
    const Cnn3dModel *m, CpuConvPass *c, const CpuConvOperands *o, gpointer scratch, GError **error)
{
  gsize places[CPU_CONV_PIECES + 1];

  if (c->pass == CPU_BACKWARD_WEIGHTS)
    return TRUE;
  cpu_conv_pass_places (c, places);
  if (c->weights
      && !cpu_primitive_run (&m->device->dnnl, &c->reorder, c->from_master ? o->masters : o->copy,
          scratch, NULL, (guint8 *) scratch + places[CPU_CONV_PIECES], error))
    return FALSE;
  if (c->winograd)
    cpu_winograd_prepare (c->winograd, c->weights ? scratch : o->masters,
        (guint8 *) scratch + places[CPU_CONV_PIECES]);
  return TRUE;
}

void
cpu_conv_add_gradient (const Cnn3dModel *m, const Cnn3dOp *op, gfloat *to, const gfloat *gradient)
{
  const gint conv = m->net->weights[op->weight].op;
  const gsize length = cpu_desc_size (m->conv[conv].master) / sizeof (gfloat);

#pragma omp parallel for num_threads(m->device->threads) schedule(static)
  for (gsize i = 0; i < length; i += 4096)
    m->device->kernels->add_floats (MIN (4096, length - i), to + i, gradient + i);
}

static gboolean
run_backward_weights (const Cnn3dModel *m, const Cnn3dOp *op, CpuConvPass *c,
    const CpuConvOperands *o, gpointer in, gpointer out, gpointer weights, gfloat *sums,
    gpointer scratch, GError **error)
{
  const gint conv = m->net->weights[op->weight].op;
  const gsize length = cpu_desc_size (m->conv[conv].master) / sizeof (gfloat);
  gfloat *target = o->adds ? sums : o->gradient;

  if (c->winograd)
    cpu_winograd_run (c->winograd, in, out, c->weights ? weights : (gpointer) target, scratch);
  else if (!cpu_primitive_run (&m->device->dnnl, &c->primitive, in, c->weights ? weights : target,
               out, scratch, error))
    return FALSE;
  if (c->weights
      && !cpu_primitive_run (&m->device->dnnl, &c->reorder, weights, target, NULL, scratch, error))
    return FALSE;
  if (o->adds)
    cpu_conv_add_gradient (m, op, o->gradient, sums);
  /* the padding up to a multiple of 16 is never written, and must not contribute to the norm */
  memset (o->gradient + length, 0, (m->layout.length[op->weight] - length) * sizeof (gfloat));
  return TRUE;
}

gboolean
cpu_conv_pass_run (const Cnn3dModel *m, const Cnn3dOp *op, CpuConvPass *c, const CpuConvOperands *o,
    gpointer scratch, GError **error)
{
  const Cnn3dTensor *in = &m->net->tensors[op->in], *out = &m->net->tensors[op->out];
  const Cnn3dTensor *at = c->dense ? out : in; /* points of `in` that are computed */
  gsize places[CPU_CONV_PIECES + 1];

  cpu_conv_pass_places (c, places);

  guint8 *weights = (guint8 *) scratch + places[0], *sums = (guint8 *) scratch + places[1];
  guint8 *dense = (guint8 *) scratch + places[2], *staged_in = (guint8 *) scratch + places[3];
  guint8 *staged_out = (guint8 *) scratch + places[4], *rest = (guint8 *) scratch + places[5];
  const End own_in = { c->dense ? dense : o->in, FALSE, FALSE, at->d },
            own_out = { o->out, FALSE, FALSE, out->d };
  const End other_in = { staged_in, c->f32, c->channels_last,
    c->dense ? c->out_depth : c->in_depth };
  const End other_out = { staged_out, c->f32, c->channels_last, c->out_depth };
  gpointer source = c->in ? staged_in : own_in.data,
           destination = c->out ? staged_out : own_out.data;
  gpointer ready = c->weights ? weights : c->from_master ? o->masters : o->copy;

  if (c->in && c->pass != CPU_BACKWARD_DATA)
    restage (m, op->in, at, c->clips, &own_in, &other_in);
  if (c->out && c->pass != CPU_FORWARD)
    restage (m, op->out, out, c->clips, &own_out, &other_out);
  if (c->pass == CPU_BACKWARD_WEIGHTS)
    return run_backward_weights (
        m, op, c, o, source, destination, weights, (gfloat *) sums, rest, error);
  if (c->winograd) {
    const gboolean back = c->pass == CPU_BACKWARD_DATA;

    cpu_winograd_run (
        c->winograd, back ? destination : source, back ? source : destination, ready, rest);
  } else if (!cpu_primitive_run (
                 &m->device->dnnl, &c->primitive, source, ready, destination, rest, error)) {
    return FALSE;
  }
  if (c->out && c->pass == CPU_FORWARD)
    restage (m, op->out, out, c->clips, &other_out, &own_out);
  if (c->in && c->pass == CPU_BACKWARD_DATA)
    restage (m, op->in, at, c->clips, &other_in, &own_in);
  if (c->dense)
    scatter (m, op, c->clips, o->in, dense, o->adds);
  return TRUE;
}
