/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cpu/winograd/winograd.h"

#include <omp.h>

/* Floats of values that a thread, or all threads together, process at once: about a thread's
 * second-level cache, and a share of the last level. */
#define OWN_FLOATS (256 << 10)
#define SHARED_FLOATS (2 << 20)
/* Transformed weights up to this many floats are kept for a whole pass. */
#define KEPT_FLOATS (2 << 20)
#define FEWEST_TILES 12
#define MOST_TILES 256
#define MOST_PARTS 8

struct _CpuWinograd {
  CpuWinogradSpec spec;
  CpuWinogradShape shape;
  CpuPass pass;
  gint from, to; /* blocks that are read and written */
  gint pairs;    /* pairs of the latter; the last may be single */
  gint points, taps;
  gint tiles[3], n_tiles; /* of a clip along each axis; of all clips */
  /* Weights' values, or their gradient's, are in the scratch as a whole; FALSE: a few are computed
   * when they are needed. */
  gboolean keeps;
  gint group; /* tiles that are processed at once */
  /* parts of a group that different threads multiply, if weights are not kept; parts of all tiles
   * whose sums make a kept gradient */
  gint parts;
  gint shares; /* parts of a kept gradient that different threads sum up */
  gint blocks; /* of weights that are computed at once */
  gint team;   /* threads with separate values */
  /* Floats: from one point to the next of weights, tiles that are read, and tiles
   * that are written; of backward-weights, the latter are the output's. */
  gsize weights_stride, in_stride, out_stride;
  gsize weights_floats, in_floats, out_floats; /* in all; see cpu_winograd_scratch() */
};

/* A cache line apart, so that a point's values do not share cache sets with all the others'. */
#define STRIDE(w, floats) ((gsize) (floats) + (w)->spec.lanes)

static inline gsize
round_floats (gsize floats)
{
  return (floats + 15) & ~(gsize) 15;
}

static void
shape_init (CpuWinogradShape *shape, const gint size[3], const gint kernel[3])
{
  for (gint k = 0; k < 3; k++) {
    shape->size[k] = size[k];
    shape->taps[k] = kernel[k];
    shape->axis[k] = kernel[k] == 1 || size[k] == 1 ? CPU_WINOGRAD_POINT
        : size[k] == 2                              ? CPU_WINOGRAD_PAIR
                                                    : CPU_WINOGRAD_FOUR;
  }
}

gboolean
cpu_winograd_fits (
    const gint size[3], const gint kernel[3], const gint stride[3], const gint pad[3])
{
  gint three = 0;

  for (gint k = 0; k < 3; k++) {
    if (stride[k] != 1 || (kernel[k] != 1 && kernel[k] != 3) || pad[k] != kernel[k] / 2)
      return FALSE;
    three += kernel[k] == 3;
  }
  return three > 0;
}

/* Tiles that are processed at once: about as many as `floats` hold of them, spread evenly over a
 * number of rounds that is a multiple of `goes`, and in whole rows of a product if there are
 * enough. Fewer clips never have larger groups. */
static gint
group_of (const CpuWinograd *w, gsize floats, gsize tile_floats, gint goes)
{
  const gint most = CLAMP ((gint) (floats / tile_floats), FEWEST_TILES, MOST_TILES),
             rows = w->spec.kernels->rows;
  const gint n = (w->n_tiles + most - 1) / most;
  const gint even = (n + goes - 1) / goes * goes;
  const gint group = (w->n_tiles + even - 1) / even;

  return MIN (w->n_tiles, (group + rows - 1) / rows * rows);
}

static void
plan_activations (CpuWinograd *w)
{
  const gint lanes = w->spec.lanes, pair = 2 * lanes;

  if (w->keeps) {
    w->group =
        group_of (w, OWN_FLOATS, (gsize) w->points * (w->from * lanes + pair), w->spec.threads);
    w->blocks = w->from;
    w->team = MIN ((gint) w->spec.threads, (w->n_tiles + w->group - 1) / w->group);
  } else {
    w->group = group_of (w, SHARED_FLOATS, (gsize) w->points * w->from * lanes, 1);
    w->blocks = MIN (w->from, 32 / lanes);
    w->parts =
        CLAMP ((gint) w->spec.threads / w->pairs, 1, (w->group + FEWEST_TILES - 1) / FEWEST_TILES);
    w->team = MIN ((gint) w->spec.threads, w->pairs * w->parts);
  }
  w->weights_stride = STRIDE (w, w->blocks * lanes * pair);
  w->in_stride = STRIDE (w, w->from * w->group * lanes);
  w->out_stride = STRIDE (w, w->group * pair);
  w->weights_floats =
      round_floats (w->points * w->weights_stride) * (w->keeps ? w->pairs : w->team);
  w->in_floats = round_floats (w->points * w->in_stride) * (w->keeps ? w->team : 1);
  w->out_floats = round_floats (w->points * w->out_stride) * w->team;
}

/* If the weights' gradient is kept, parts of the tiles are summed up separately, because threads
 * would wait for shared values, especially without a common cache. The number of parts depends on
 * sizes only, because bits depend on it. With more threads each part is split into `shares` of the
 * weights. */
static void
plan_gradient (CpuWinograd *w)
{
  const gint lanes = w->spec.lanes, pair = 2 * lanes, cells = w->pairs * w->from,
             threads = w->spec.threads;
  const gsize tile = (gsize) w->points * (w->from * lanes + w->pairs * pair);

  w->blocks = w->keeps ? w->from : 1;
  w->weights_stride = STRIDE (w, (gsize) (w->keeps ? w->pairs : 1) * w->blocks * lanes * pair);
  w->parts = w->shares = 1;
  if (w->keeps) {
    while (w->parts < MOST_PARTS && 2 * w->parts * w->points * w->weights_stride <= KEPT_FLOATS
        && 2 * w->parts * FEWEST_TILES <= w->n_tiles)
      w->parts *= 2;
    while (w->shares < cells && (w->parts * w->shares % threads || w->parts * w->shares < threads))
      w->shares++;
    w->team = MIN (threads, w->parts * w->shares);
    w->group = group_of (w, SHARED_FLOATS / 2 / w->team, tile, w->parts);
  } else {
    w->team = MIN (threads, cells);
    w->group = group_of (w, 4 * SHARED_FLOATS, tile, 1);
  }
  w->in_stride = STRIDE (w, w->from * w->group * lanes);
  w->out_stride = STRIDE (w, (gsize) w->pairs * w->group * pair);
  w->weights_floats =
      round_floats (w->points * w->weights_stride) * (w->keeps ? w->parts : w->team);
  w->in_floats = round_floats (w->points * w->in_stride) * (w->keeps ? w->team : 1);
  w->out_floats = round_floats (w->points * w->out_stride) * (w->keeps ? w->team : 1);
}

static void
plan (CpuWinograd *w, const CpuWinogradSpec *spec, CpuPass pass)
{
  *w = (CpuWinograd) { .spec = *spec, .pass = pass, .points = 1, .taps = 1 };
  shape_init (&w->shape, spec->size, spec->kernel);
  w->from = (pass == CPU_BACKWARD_DATA ? spec->out : spec->in) / spec->lanes;
  w->to = (pass == CPU_BACKWARD_DATA ? spec->in : spec->out) / spec->lanes;
  w->n_tiles = spec->clips;
  for (gint k = 0; k < 3; k++) {
    const gint m = cpu_winograd_outputs (w->shape.axis[k]);

    w->tiles[k] = (spec->size[k] + m - 1) / m;
    w->n_tiles *= w->tiles[k];
    w->points *= cpu_winograd_points (w->shape.axis[k]);
    w->taps *= spec->kernel[k];
  }
  w->pairs = (w->to + 1) / 2;
  w->keeps = (gsize) w->pairs * 2 * w->from * spec->lanes * spec->lanes * w->points <= KEPT_FLOATS;
  if (pass == CPU_BACKWARD_WEIGHTS)
    plan_gradient (w);
  else
    plan_activations (w);
}

CpuWinograd *
cpu_winograd_new (const CpuWinogradSpec *spec, CpuPass pass)
{
  CpuWinograd *w = g_new (CpuWinograd, 1);

  plan (w, spec, pass);
  return w;
}

void
cpu_winograd_free (CpuWinograd *w)
{
  g_free (w);
}

/* The values of weights, then of tiles that are read, then of those written. */
gsize
cpu_winograd_scratch (const CpuWinograd *w)
{
  return (w->weights_floats + w->in_floats + w->out_floats) * sizeof (gfloat);
}

/* Estimated cycles of a core. A vector's multiply-add takes half a cycle; a transform takes about 7
 * for each of its points. */
gboolean
cpu_winograd_pays (const CpuWinogradSpec *spec, CpuPass pass, gdouble direct_speed)
{
  const gdouble points = (gdouble) spec->clips * spec->size[0] * spec->size[1] * spec->size[2];
  const gdouble vectors = (gdouble) spec->in * spec->out / spec->lanes;
  CpuWinograd w;
  gdouble direct, products, activations, weights;

  plan (&w, spec, pass);
  direct = points * w.taps * vectors / 2 / 0.85 / direct_speed;
  products = (gdouble) w.n_tiles * w.points * vectors / 2 / 0.75;
  activations = (gdouble) w.n_tiles * w.points * (w.from + w.to) * 7;
  weights = vectors * w.points * 4;
  if (!w.keeps)
    weights *= (w.n_tiles + w.group - 1) / w.group;
  return 1.15 * (products + activations + weights) < direct;
}

/* --- addresses --- */

/* Tile number `at` of all clips: its clip, and its place there. */
static gint
locate (const CpuWinograd *w, gint at, gint tile[3])
{
  for (gint k = 2; k >= 0; k--) {
    tile[k] = at % w->tiles[k];
    at /= w->tiles[k];
  }
  return at;
}

/* A block of a clip of activations. */
static gpointer
block_at (const CpuWinograd *w, gpointer activations, gint clip, gint blocks, gint block)
{
  const gsize points = (gsize) w->shape.size[0] * w->shape.size[1] * w->shape.size[2];

  return (guint8 *) activations
      + ((gsize) clip * blocks + block) * points * w->spec.lanes * w->spec.element;
}

static gsize
weights_at (const CpuWinograd *w, gint out, gint in)
{
  return ((gsize) out * (w->spec.in / w->spec.lanes) + in) * w->taps * w->spec.lanes
      * w->spec.lanes;
}

/* Of the blocks of a pair that are there. */
static inline gint
columns_of (const CpuWinograd *w, gint pair)
{
  return MIN (2, w->to - 2 * pair);
}

/* --- pieces of a pass --- */

/* The values of the weights from block `first` on, n of them, to a pair. */
static void
make_weights (
    const CpuWinograd *w, const gfloat *weights, gint first, gint n, gint pair, gfloat *values)
{
  const gint lanes = w->spec.lanes, columns = columns_of (w, pair);
  const gboolean back = w->pass == CPU_BACKWARD_DATA;

  for (gint k = 0; k < n; k++)
    for (gint c = 0; c < columns; c++) {
      const gint from = first + k, to = 2 * pair + c;

      w->spec.kernels->weights (&w->shape,
          weights + (back ? weights_at (w, from, to) : weights_at (w, to, from)), back,
          values + ((gsize) k * lanes * columns + c) * lanes, w->weights_stride, columns * lanes);
    }
}

/* The values of a block of the t-th of n tiles from number `first` on. */
static void
read_tile (
    const CpuWinograd *w, gpointer in, gint block, gint first, gint t, gint n, gfloat *values)
{
  gint tile[3];
  const gint clip = locate (w, first + t, tile);

  w->spec.kernels->input (&w->shape, block_at (w, in, clip, w->from, block), tile,
      values + ((gsize) block * n + t) * w->spec.lanes, w->in_stride);
}

/* n tiles from number `first` on */
static void
write_tiles (
    const CpuWinograd *w, gpointer out, gint pair, gint first, gint n, const gfloat *values)
{
  gint tile[3];

  for (gint c = 0; c < columns_of (w, pair); c++)
    for (gint t = 0; t < n; t++) {
      const gint clip = locate (w, first + t, tile);

      w->spec.kernels->output (&w->shape, values + ((gsize) c * n + t) * w->spec.lanes,
          w->out_stride, tile, block_at (w, out, clip, w->to, 2 * pair + c));
    }
}

/* `rows` of the n tiles that were read, from `row` on, of a pair of outputs from
 * n_blocks blocks of inputs from `block` on, point by point. */
static void
multiply (const CpuWinograd *w, const gfloat *in, const gfloat *weights, gint block, gint n_blocks,
    gint pair, gint n, gint row, gint rows, gfloat *out)
{
  const gint lanes = w->spec.lanes;
  CpuWinogradProduct p = { rows, columns_of (w, pair), lanes, n_blocks, NULL, NULL, NULL,
    (gsize) n * lanes, lanes, (gsize) rows * lanes, block > 0 };

  for (gint point = 0; point < w->points; point++) {
    p.a = in + point * w->in_stride + ((gsize) block * n + row) * lanes;
    p.b = weights + point * w->weights_stride;
    p.c = out + point * w->out_stride;
    w->spec.kernels->product (&p);
  }
}

/* --- forward and backward-data --- */

void
cpu_winograd_prepare (const CpuWinograd *w, const gfloat *weights, gpointer scratch)
{
  const gint lanes = w->spec.lanes;

  if (!w->keeps || w->pass == CPU_BACKWARD_WEIGHTS)
    return;
#pragma omp parallel for collapse(2) num_threads(w->spec.threads) schedule(static)
  for (gint pair = 0; pair < w->pairs; pair++)
    for (gint block = 0; block < w->from; block++)
      make_weights (w, weights, block, 1, pair,
          (gfloat *) scratch + pair * round_floats (w->points * w->weights_stride)
              + (gsize) block * lanes * columns_of (w, pair) * lanes);
}

/* Each thread takes groups of tiles. */
static void
run_by_tiles (
    const CpuWinograd *w, gpointer in, gpointer out, const gfloat *weights, gfloat *values)
{
  const gsize own_in = w->in_floats / w->team, own_out = w->out_floats / w->team;

#pragma omp parallel for num_threads(w->team) schedule(dynamic)
  for (gint first = 0; first < w->n_tiles; first += w->group) {
    const gint n = MIN (w->group, w->n_tiles - first), thread = omp_get_thread_num ();
    gfloat *read = values + thread * own_in, *written = values + w->in_floats + thread * own_out;

    for (gint block = 0; block < w->from; block++)
      for (gint t = 0; t < n; t++)
        read_tile (w, in, block, first, t, n, read);
    for (gint pair = 0; pair < w->pairs; pair++) {
      multiply (w, read, weights + pair * round_floats (w->points * w->weights_stride), 0, w->from,
          pair, n, 0, n, written);
      write_tiles (w, out, pair, first, n, written);
    }
  }
}

/* A group of tiles after the other; each thread takes pairs of outputs of all its
 * tiles or, where there are more threads, of a part of them. */
static void
run_by_outputs (
    const CpuWinograd *w, gpointer in, gpointer out, const gfloat *weights, gfloat *values)
{
  const gsize own_weights = w->weights_floats / w->team, own_out = w->out_floats / w->team;
  gfloat *read = values + w->weights_floats, *written = read + w->in_floats;

  for (gint first = 0; first < w->n_tiles; first += w->group) {
    const gint n = MIN (w->group, w->n_tiles - first);

#pragma omp parallel num_threads(w->team)
    {
      gfloat *made = values + omp_get_thread_num () * own_weights;
      gfloat *own = written + omp_get_thread_num () * own_out;

#pragma omp for collapse(2) schedule(static)
      for (gint block = 0; block < w->from; block++)
        for (gint t = 0; t < n; t++)
          read_tile (w, in, block, first, t, n, read);
#pragma omp for collapse(2) schedule(dynamic)
      for (gint pair = 0; pair < w->pairs; pair++)
        for (gint part = 0; part < w->parts; part++) {
          const gint row = n * part / w->parts, rows = n * (part + 1) / w->parts - row;

          for (gint block = 0; rows > 0 && block < w->from; block += w->blocks) {
            const gint n_blocks = MIN (w->blocks, w->from - block);

            make_weights (w, weights, block, n_blocks, pair, made);
            multiply (w, read, made, block, n_blocks, pair, n, row, rows, own);
          }
          write_tiles (w, out, pair, first + row, rows, own);
        }
    }
  }
}

/* --- backward-weights --- */

/* The values of a pair of the output's gradients, side by side tile after tile, of
 * the t-th of n tiles from number `first` on. */
static void
read_gradient (
    const CpuWinograd *w, gpointer out, gint pair, gint first, gint t, gint n, gfloat *values)
{
  const gint lanes = w->spec.lanes, columns = columns_of (w, pair);
  gint tile[3];
  const gint clip = locate (w, first + t, tile);

  for (gint c = 0; c < columns; c++)
    w->spec.kernels->gradient (&w->shape, block_at (w, out, clip, w->to, 2 * pair + c), tile,
        values + ((gsize) pair * n * 2 + t * columns + c) * lanes, w->out_stride);
}

static void
multiply_gradients (const CpuWinograd *w, const gfloat *in, const gfloat *out, gint point,
    gint block, gint pair, gint n, gfloat *weights, gboolean adds)
{
  const gint lanes = w->spec.lanes, columns = columns_of (w, pair);
  const CpuWinogradProduct p = { lanes, columns, n, 1,
    in + point * w->in_stride + (gsize) block * n * lanes,
    out + point * w->out_stride + (gsize) pair * n * 2 * lanes, weights, 0, columns * lanes, lanes,
    adds };

  w->spec.kernels->product_transposed (&p);
}

static void
write_weights (const CpuWinograd *w, const gfloat *values, gint block, gint pair, gfloat *weights,
    gboolean adds)
{
  const gint columns = columns_of (w, pair);

  for (gint c = 0; c < columns; c++)
    w->spec.kernels->weights_gradient (&w->shape, values + c * w->spec.lanes, w->weights_stride,
        columns * w->spec.lanes, weights + weights_at (w, 2 * pair + c, block), adds);
}

/* A share of what a part of the tiles adds up to. */
static void
sum_up (const CpuWinograd *w, gpointer in, gpointer out, gint part, gint share, gfloat *sums,
    gfloat *read, gfloat *gradients)
{
  const gint lanes = w->spec.lanes, cells = w->pairs * w->from;
  const gint first_cell = cells * share / w->shares, end_cell = cells * (share + 1) / w->shares;
  const gint first_pair = first_cell / w->from, last_pair = (end_cell - 1) / w->from;
  const gboolean one = first_pair == last_pair;
  const gint first_block = one ? first_cell % w->from : 0,
             last_block = one ? (end_cell - 1) % w->from : w->from - 1;
  const gint start = (gint64) w->n_tiles * part / w->parts,
             end = (gint64) w->n_tiles * (part + 1) / w->parts;

  for (gint first = start; first < end; first += w->group) {
    const gint n = MIN (w->group, end - first);

    for (gint block = first_block; block <= last_block; block++)
      for (gint t = 0; t < n; t++)
        read_tile (w, in, block, first, t, n, read);
    for (gint pair = first_pair; pair <= last_pair; pair++)
      for (gint t = 0; t < n; t++)
        read_gradient (w, out, pair, first, t, n, gradients);
    for (gint point = 0; point < w->points; point++)
      for (gint cell = first_cell; cell < end_cell; cell++)
        multiply_gradients (w, read, gradients, point, cell % w->from, cell / w->from, n,
            sums + point * w->weights_stride + (gsize) cell * lanes * 2 * lanes, first > start);
  }
}

static void
run_kept_gradient (const CpuWinograd *w, gpointer in, gpointer out, gfloat *weights, gfloat *values)
{
  const gsize cell = 2 * (gsize) w->spec.lanes * w->spec.lanes,
              part_floats = w->weights_floats / w->parts;
  const gsize own_in = w->in_floats / w->team, own_out = w->out_floats / w->team;

#pragma omp parallel num_threads(w->team)
  {
    gfloat *read = values + w->weights_floats + omp_get_thread_num () * own_in;
    gfloat *gradients = values + w->weights_floats + w->in_floats + omp_get_thread_num () * own_out;

#pragma omp for collapse(2) schedule(static)
    for (gint part = 0; part < w->parts; part++)
      for (gint share = 0; share < w->shares; share++)
        sum_up (w, in, out, part, share, values + part * part_floats, read, gradients);
#pragma omp for collapse(2) schedule(static)
    for (gint pair = 0; pair < w->pairs; pair++)
      for (gint block = 0; block < w->from; block++)
        for (gint part = 0; part < w->parts; part++)
          write_weights (w, values + part * part_floats + (pair * w->from + block) * cell, block,
              pair, weights, part > 0);
  }
}

/* A group of tiles after the other; each thread sums up some of the weights, and
 * brings them back from their values at once. */
static void
run_gradient (const CpuWinograd *w, gpointer in, gpointer out, gfloat *weights, gfloat *values)
{
  const gsize own_weights = w->weights_floats / w->team;
  gfloat *read = values + w->weights_floats, *gradients = read + w->in_floats;

#pragma omp parallel num_threads(w->spec.threads)
  for (gint first = 0; first < w->n_tiles; first += w->group) {
    const gint n = MIN (w->group, w->n_tiles - first);
    gfloat *own = values + omp_get_thread_num () * own_weights;

#pragma omp for collapse(2) schedule(static) nowait
    for (gint block = 0; block < w->from; block++)
      for (gint t = 0; t < n; t++)
        read_tile (w, in, block, first, t, n, read);
#pragma omp for collapse(2) schedule(static)
    for (gint pair = 0; pair < w->pairs; pair++)
      for (gint t = 0; t < n; t++)
        read_gradient (w, out, pair, first, t, n, gradients);
#pragma omp for collapse(2) schedule(static)
    for (gint pair = 0; pair < w->pairs; pair++)
      for (gint block = 0; block < w->from; block++) {
        for (gint point = 0; point < w->points; point++)
          multiply_gradients (
              w, read, gradients, point, block, pair, n, own + point * w->weights_stride, FALSE);
        write_weights (w, own, block, pair, weights, first > 0);
      }
  }
}

void
cpu_winograd_run (
    const CpuWinograd *w, gpointer in, gpointer out, gfloat *weights, gpointer scratch)
{
  if (w->pass == CPU_BACKWARD_WEIGHTS && w->keeps)
    run_kept_gradient (w, in, out, weights, scratch);
  else if (w->pass == CPU_BACKWARD_WEIGHTS)
    run_gradient (w, in, out, weights, scratch);
  else if (w->keeps)
    run_by_tiles (w, in, out, scratch, (gfloat *) scratch + w->weights_floats);
  else
    run_by_outputs (w, in, out, weights, scratch);
}
