/* selftest.c: checks cuDNN, which has computed wrong convolutions before (bf16 in 3-D, 9.8 to
 * 9.10), on one small convolution in each direction before it is used for training.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/tune.h"

#include <math.h>
#include <string.h>

enum {
  N = 2,
  C = 8,
  D = 3,
  H = 5,
  W = 4,
  K = 16,
  KERNEL = 3,
  X = N * C * D * H * W,
  Y = N * K * D * H * W,
  WEIGHTS = K * KERNEL * KERNEL * KERNEL * C
};

#define WORKSPACE ((gsize) 16 << 20)

typedef struct {
  gfloat x[X], y[Y], w[WEIGHTS];
} Values;

/* Every (x, w, y) that belong together: in[0] is x's place, and so on. */
static void
for_each (void (*call) (Values *v, gsize x, gsize w, gsize y), Values *v)
{
  for (gint n = 0; n < N; n++)
    for (gint d = 0; d < D; d++)
      for (gint h = 0; h < H; h++)
        for (gint w = 0; w < W; w++)
          for (gint k = 0; k < K; k++)
            for (gint tap = 0; tap < KERNEL * KERNEL * KERNEL; tap++)
              for (gint c = 0; c < C; c++) {
                const gint a = d + tap / 9 - 1, b = h + tap / 3 % 3 - 1, e = w + tap % 3 - 1;

                if (a >= 0 && a < D && b >= 0 && b < H && e >= 0 && e < W)
                  call (v, (((n * D + a) * H + b) * W + e) * C + c,
                      (k * KERNEL * KERNEL * KERNEL + tap) * C + c,
                      (((n * D + d) * H + h) * W + w) * K + k);
              }
}

static void
add_forward (Values *v, gsize x, gsize w, gsize y)
{
  v->y[y] += v->x[x] * v->w[w];
}

static void
add_data (Values *v, gsize x, gsize w, gsize y)
{
  v->x[x] += v->w[w] * v->y[y];
}

static void
add_weights (Values *v, gsize x, gsize w, gsize y)
{
  v->w[w] += v->x[x] * v->y[y];
}

/* Halves from -1 to 1: products and sums that every type holds exactly. */
static void
fill (gfloat *values, gsize n, guint seed)
{
  for (gsize i = 0; i < n; i++)
    values[i] = ((gint) ((i * 2654435761u + seed) >> 7) % 5 - 2) / 2.f;
}

typedef struct {
  Cnn3dDevice *device;
  CudaType type;
  guint8 *memory; /* x, y, w in `type`; f32 to convert from; workspace */
  gsize place[3];
} Test;

static gboolean
put (const Test *t, guint which, const gfloat *values, gsize n, GError **error)
{
  gpointer from = t->memory + t->place[2] + cuda_align (WEIGHTS * 4);

  return cuda_upload (t->device, from, values, n * sizeof *values, error)
      && cuda_ok (
          cuda_convert (t->device->here->work, t->type, n, from, t->memory + t->place[which]),
          "the self-test cannot be prepared", error);
}

/* One direction: its result, and that of plain sums. */
static gboolean
check (const Test *t, CudaConvDirection direction, GError **error)
{
  static const gchar *const names[] = { "forward", "backward-data", "backward-weights" };
  static const gchar *const types[] = { "FP32", "FP16", "bf16" };
  static void (*const adds[]) (
      Values *, gsize, gsize, gsize) = { add_forward, add_data, add_weights };
  const CudaConvGraph graph = { .direction = direction,
    .conv = {
        t->type, N, C, K, { D, H, W }, { KERNEL, KERNEL, KERNEL }, { 1, 1, 1 }, { 1, 1, 1 } } };
  const CudaConvLimits limits = cuda_conv_limits (t->device, WORKSPACE);
  g_autofree Values *v = g_new0 (Values, 1);
  gfloat *const numbers[] = { v->x, v->y, v->w };
  const gsize counts[] = { X, Y, WEIGHTS };
  const guint out = direction == CUDA_CONV_FORWARD ? 1 : direction == CUDA_CONV_DATA ? 0 : 2;
  g_autofree guint8 *got = g_malloc (counts[out] * 4);
  g_autoptr (GPtrArray) plans = cuda_dnn_plans (t->device->dnn, &graph, &limits, 1, error);
  gchar number[G_ASCII_DTOSTR_BUF_SIZE];
  gdouble worst = 0;
  CudaConvArgs args = { t->memory + t->place[0], t->memory + t->place[1], t->memory + t->place[2] };

  if (!plans)
    return FALSE;
  args.workspace = t->memory + t->place[2] + 2 * cuda_align (WEIGHTS * 4);
  args.workspace = (gpointer) (((guintptr) args.workspace + CUDA_WORKSPACE_ALIGNMENT - 1)
      & ~(guintptr) (CUDA_WORKSPACE_ALIGNMENT - 1));
  for (guint i = 0; i < 3; i++) {
    if (i != out)
      fill (numbers[i], counts[i], i);
    if (i != out && !put (t, i, numbers[i], counts[i], error))
      return FALSE;
  }
  for_each (adds[direction], v);
  if (!cuda_dnn_plan_run (g_ptr_array_index (plans, 0), &args, error)
      || !cuda_download (t->device, got, t->memory + t->place[out],
          counts[out] * (t->type == CUDA_TYPE_F32 ? 4 : 2), error))
    return FALSE;
  for (gsize i = 0; i < counts[out]; i++) {
    const gdouble difference =
        fabs (cuda_number (t->type, got, i) - numbers[out][i]) / (1 + fabs (numbers[out][i]));

    if (!(difference <= worst))
      worst = difference;
  }
  if (worst <= 0x1p-8)
    return TRUE;
  g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_FAILED,
      "%s computes a small convolution wrongly (%s %s, off by %s): install another version of "
      "cuDNN, or use device=cpu",
      t->device->name, names[direction], types[t->type],
      g_ascii_formatd (number, sizeof number, "%g", worst));
  return FALSE;
}

gboolean
cuda_self_test (Cnn3dDevice *d, CudaType type, GError **error)
{
  const gsize bytes = cuda_align (X * 4) + cuda_align (Y * 4) + 2 * cuda_align (WEIGHTS * 4)
      + WORKSPACE + CUDA_WORKSPACE_ALIGNMENT;
  Test t = { d, type, NULL, { 0, cuda_align (X * 4), cuda_align (X * 4) + cuda_align (Y * 4) } };
  gboolean ok;

  if (d->here->checked & 1u << type)
    return TRUE;
  t.memory = cuda_alloc (d, bytes, error);
  if (!t.memory)
    return FALSE;
  ok = check (&t, CUDA_CONV_FORWARD, error) && check (&t, CUDA_CONV_DATA, error)
      && check (&t, CUDA_CONV_WEIGHTS, error);
  cuda_free (d, t.memory, bytes);
  if (ok)
    d->here->checked |= 1u << type;
  return ok;
}
