/* The CUDA back end's heat maps of key points, and the fusion of streams and of
 * views, compared with plain loops in double.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <float.h>
#include <glib.h>
#include <math.h>
#include <string.h>

#include "src/random.h"
#include "tests/cuda/rig.h"

#define TYPES 3

/* --- heat maps --- */

typedef struct {
  CudaType type;
  CudaFrames frames;
  gint channels, first, clips; /* channels: of frames */
  CudaHeatmaps maps;
} Case;

/* NumPy's range from `first` up to `end`, as MMAction2's GeneratePoseTarget computes it. */
static void
range (gdouble mu, gdouble sigma, gint size, gint *first, gint *end)
{
  *first = MAX (trunc (CLAMP (mu - 3 * sigma, -1e6, 1e6)), 0);
  *end = MIN (trunc (CLAMP (mu + 3 * sigma, -1e6, 1e6)) + 1, size);
}

/* The heat map of key point k in one frame, (H, W), of (M, K, 3). */
static void
draw (const CudaHeatmaps *maps, const gfloat *frame, gint k, gdouble *map)
{
  memset (map, 0, (gsize) maps->height * maps->width * sizeof *map);
  for (gint m = 0; m < maps->persons; m++) {
    const gfloat *point = frame + (m * maps->points + k) * 3;
    const gfloat x = point[0] * maps->width, y = point[1] * maps->height;
    gint left, right, top, bottom;

    if (!isfinite (x) || !isfinite (y) || !isfinite (point[2]) || point[2] < 1e-4f)
      continue;
    range (x, maps->sigma, maps->width, &left, &right);
    range (y, maps->sigma, maps->height, &top, &bottom);
    for (gint row = top; row < bottom; row++)
      for (gint column = left; column < right; column++) {
        const gdouble squares = pow (column - x, 2) + pow (row - y, 2);
        gdouble *to = &map[row * maps->width + column];

        *to = MAX (*to, exp (-squares / 2 / pow (maps->sigma, 2)) * point[2]);
      }
  }
}

/* Coordinates: inside, on a pixel's edge, slightly and far outside, not finite. */
static gfloat
coordinate (gint size)
{
  static const gfloat odd[] = { 0, 1, -0.02f, 1.02f, -3, 4, NAN, INFINITY, -INFINITY, FLT_MAX,
    -FLT_MAX, 1e20f };

  switch (rig_below (4)) {
    case 0:
      return (gfloat) rig_below (size) / size;
    case 1:
      return odd[rig_below (G_N_ELEMENTS (odd))];
    default:
      return rig_uniform (-0.1, 1.1);
  }
}

static gfloat
score (void)
{
  static const gfloat odd[] = { 0, NAN, INFINITY, -INFINITY, -0.5f, 9e-5f, 1e-4f, 1 };

  return rig_below (3) ? rig_uniform (0, 1) : odd[rig_below (G_N_ELEMENTS (odd))];
}

static void
check_points (const Case *c)
{
  static const gint of[] = { RIG_BYTE, CUDA_TYPE_F16, CUDA_TYPE_F32 };
  const CudaHeatmaps *maps = &c->maps;
  const gsize area = (gsize) maps->height * maps->width;
  const gsize n_frames = (gsize) (c->first + c->clips) * maps->depth,
              first_frame = (gsize) c->first * maps->depth;
  const gsize numbers = (gsize) c->clips * maps->depth * area * maps->channels;
  const gsize frame_points = (gsize) maps->persons * maps->points * 3;
  g_autoptr (Array) frames = array_new (of[c->frames], n_frames * area * c->channels);
  g_autoptr (Array) points = array_new (CUDA_TYPE_F32, n_frames * frame_points);
  g_autoptr (Array) out = array_new (c->type, numbers);
  g_autofree gdouble *expected = g_new0 (gdouble, numbers), *map = g_new (gdouble, area);
  const CudaPass pass = { .frames = c->channels ? frames->data : NULL, .points = points->data };
  CudaInput input = { c->frames, c->channels };

  for (gsize i = 0; i < frames->n; i++)
    array_set (frames, i,
        c->frames == CUDA_FRAMES_UINT8 ? (gdouble) rig_below (256) : rig_uniform (-3, 3));
  for (gint l = 0; l < c->channels; l++) {
    input.scale[l] = rig_uniform (0.01, 0.02);
    input.shift[l] = rig_uniform (-2, -1);
  }
  for (gsize i = 0; i < points->n; i++)
    array_set (points, i,
        i % 3 == 2       ? score ()
            : i % 3 == 0 ? coordinate (maps->width)
                         : coordinate (maps->height));
  for (gsize frame = 0; frame < (gsize) c->clips * maps->depth; frame++) {
    for (gsize i = 0; i < area * c->channels; i++) {
      const gsize l = i % c->channels;
      gdouble *to = &expected[(frame * area + i / c->channels) * maps->channels + l];

      *to = array_get (frames, (first_frame + frame) * area * c->channels + i);
      if (c->frames == CUDA_FRAMES_UINT8)
        *to = *to * input.scale[l] + input.shift[l];
    }
    for (gint k = 0; k < maps->points; k++) {
      draw (maps, (const gfloat *) points->data + (first_frame + frame) * frame_points, k, map);
      for (gsize i = 0; i < area; i++)
        expected[(frame * area + i) * maps->channels + c->channels + k] = map[i];
    }
  }
  RUN (cuda_input_with_points (NULL, c->type, &input, maps, &pass, c->first, c->clips, out->data),
      out);
  array_check (out, expected);
  for (gsize i = 0; i < numbers; i++)
    if (expected[i] == 0 || i % maps->channels >= (gsize) c->channels + maps->points)
      g_assert_cmpfloat (array_get (out, i), ==, 0);
}

static void
test_points (gconstpointer type)
{
  static const gint points[] = { 1, 4, 8, 17, 25 };
  static const gfloat sigmas[] = { 0.6f, 1, 2.5f };

  rig_seed (17);
  for (gint frames = 0; frames < 3; frames++)
    for (gint channels = 0; channels <= CUDA_FRAME_CHANNELS; channels++)
      for (gint persons = 1; persons <= 3; persons++) {
        const gint k = points[rig_below (G_N_ELEMENTS (points))];
        Case c = { GPOINTER_TO_INT (type), frames, channels, rig_below (3), 1 + rig_below (2) };

        c.maps = (CudaHeatmaps) { k, persons, 1 + rig_below (3), 8 + rig_below (9),
          4 + rig_below (13), (channels + k + CUDA_LANES - 1) / CUDA_LANES * CUDA_LANES,
          sigmas[rig_below (G_N_ELEMENTS (sigmas))] };
        check_points (&c);
      }
}

/* The heat map of one point: which pixels are just within 3 sigma, and which just beyond. */
static void
test_reach (void)
{
  static const struct {
    gfloat x;
    gint first, end; /* of 16 pixels, with sigma 1 */
  } cases[] = { { 8, 5, 12 }, { 8.25f, 5, 12 }, { 8.75f, 5, 12 }, { 7.75f, 4, 11 }, { 0, 0, 4 },
    { -3, 0, 1 }, { -3.5f, 0, 1 }, { -4, 0, 0 }, { -9, 0, 0 }, { 15, 12, 16 }, { 18, 15, 16 },
    { 18.5f, 15, 16 }, { 19, 16, 16 }, { 30, 16, 16 } };
  const CudaHeatmaps maps = { 1, 1, 1, 1, 16, CUDA_LANES, 1 };
  const CudaInput input = { CUDA_FRAMES_UINT8, 0 };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    gfloat point[3] = { cases[i].x / 16, 0, 0.5f };
    const CudaPass pass = { .points = point };
    g_autoptr (Array) out = array_new (CUDA_TYPE_F32, 16 * CUDA_LANES);

    RUN (cuda_input_with_points (NULL, CUDA_TYPE_F32, &input, &maps, &pass, 0, 1, out->data), out);
    for (gint column = 0; column < 16; column++) {
      const gdouble heat = array_get (out, column * CUDA_LANES);

      if (column < cases[i].first || column >= cases[i].end)
        g_assert_cmpfloat (heat, ==, 0);
      else
        g_assert_cmpfloat_with_epsilon (
            heat, 0.5 * exp (-pow (column - (gdouble) cases[i].x, 2) / 2), 1e-7);
    }
  }
}

/* --- fusing streams --- */

static void
check_concat (gint clips, gint a_channels, gint b_channels)
{
#define ROW(channels) (((channels) + CUDA_LANES - 1) / CUDA_LANES * CUDA_LANES)
  const CudaConcat c = { clips, a_channels, b_channels, ROW (a_channels), ROW (b_channels),
    ROW (a_channels + b_channels) };
  g_autoptr (Array) a = array_random (CUDA_TYPE_F32, (gsize) clips * c.a_row, -1, 1);
  g_autoptr (Array) b = array_random (CUDA_TYPE_F32, (gsize) clips * c.b_row, -1, 1);
  g_autoptr (Array) out = array_new (CUDA_TYPE_F32, (gsize) clips * c.row);
  g_autoptr (Array) dout = array_random (CUDA_TYPE_F32, (gsize) clips * c.row, -1, 1);
  g_autoptr (Array) da = array_new (CUDA_TYPE_F32, a->n);
  g_autoptr (Array) db = array_new (CUDA_TYPE_F32, b->n);
  g_autoptr (Array) whole = array_new (CUDA_TYPE_F32, out->n);
  g_autoptr (Array) part_a = array_new (CUDA_TYPE_F32, a->n);
  g_autoptr (Array) part_b = array_new (CUDA_TYPE_F32, b->n);

  memset (whole->data, 0, whole->bytes);
  memset (part_a->data, 0, part_a->bytes);
  memset (part_b->data, 0, part_b->bytes);
  for (gint n = 0; n < clips; n++) {
    for (gint i = 0; i < a_channels; i++) {
      array_set (whole, (gsize) n * c.row + i, array_get (a, (gsize) n * c.a_row + i));
      array_set (part_a, (gsize) n * c.a_row + i, array_get (dout, (gsize) n * c.row + i));
    }
    for (gint i = 0; i < b_channels; i++) {
      array_set (whole, (gsize) n * c.row + a_channels + i, array_get (b, (gsize) n * c.b_row + i));
      array_set (
          part_b, (gsize) n * c.b_row + i, array_get (dout, (gsize) n * c.row + a_channels + i));
    }
  }
  RUN (cuda_concat (NULL, &c, a->data, b->data, out->data), out);
  array_check_same (out, whole);
  for (gint which = 0; which < 4; which++) {
    Array *to_a = which & 1 ? da : NULL, *to_b = which & 2 ? db : NULL;

    array_poison (da);
    array_poison (db);
    RUN (
        cuda_concat_backward (NULL, &c, dout->data, to_a ? da->data : NULL, to_b ? db->data : NULL),
        to_a, to_b);
    if (to_a)
      array_check_same (da, part_a);
    if (to_b)
      array_check_same (db, part_b);
  }
}

static void
test_concat (void)
{
  rig_seed (41);
  check_concat (1, 1, 1);
  check_concat (3, 8, 8);
  check_concat (5, 13, 6);
  check_concat (2, 512, 512);
  check_concat (40, 2048, 70);
}

static void
check_mean (gsize n)
{
  g_autoptr (Array) a = array_random (CUDA_TYPE_F32, n, -1, 1);
  g_autoptr (Array) b = array_random (CUDA_TYPE_F32, n, -1, 1);
  g_autoptr (Array) out = array_new (CUDA_TYPE_F32, n);
  g_autoptr (Array) da = array_new (CUDA_TYPE_F32, n);
  g_autoptr (Array) db = array_new (CUDA_TYPE_F32, n);
  g_autoptr (Array) half = array_new (CUDA_TYPE_F32, n);
  g_autofree gdouble *mean = g_new (gdouble, n);

  for (gsize i = 0; i < n; i++) {
    mean[i] = (array_get (a, i) + array_get (b, i)) / 2;
    array_set (half, i, array_get (a, i) / 2);
  }
  RUN (cuda_mean (NULL, n, a->data, b->data, out->data), out);
  array_check (out, mean);
  for (gint which = 0; which < 4; which++) {
    Array *to_a = which & 1 ? da : NULL, *to_b = which & 2 ? db : NULL;

    array_poison (da);
    array_poison (db);
    RUN (cuda_mean_backward (NULL, n, a->data, to_a ? da->data : NULL, to_b ? db->data : NULL),
        to_a, to_b);
    if (to_a)
      array_check_same (da, half);
    if (to_b)
      array_check_same (db, half);
  }
}

static void
test_mean (void)
{
  rig_seed (43);
  check_mean (8);
  check_mean (1000);
  check_mean (40 * 512);
}

/* --- joining views --- */

/* Which views of a sample count, drawn as random.h says: not by viewmask.h. */
static guint
draw_mask (const CudaViews *v, const CudaPass *pass, gint sample)
{
  const Cnn3dRandomKey key = { pass->seed, 0, CNN3D_RANDOM_VIEWS, pass->step + sample };
  guint there = 0, kept = 0;
  gint last = -1;

  for (gint k = 0; k < v->views; k++)
    if (!pass->present || pass->present[sample * v->views + k])
      there |= 1u << k;
  for (gint k = 0; k < v->views; k++)
    if (there >> k & 1) {
      if (last < 0 || cnn3d_random_uniform (&key, k) > cnn3d_random_uniform (&key, last))
        last = k;
      if (v->dropout == 0 || cnn3d_random_uniform (&key, k) >= v->dropout)
        kept |= 1u << k;
    }
  return kept ? kept : 1u << last;
}

static void
softmax (const Array *x, gsize from, gint n, gdouble *p)
{
  gdouble most = -INFINITY, sum = 0;

  for (gint i = 0; i < n; i++)
    most = MAX (most, array_get (x, from + i));
  for (gint i = 0; i < n; i++)
    sum += p[i] = exp (array_get (x, from + i) - most);
  for (gint i = 0; i < n; i++)
    p[i] /= sum;
}

/* One sample, whose views begin at row `first`: out, and din of dout. */
static void
join_slowly (const CudaViews *v, guint mask, gint sample, const Array *in, const Array *dout,
    gdouble *out, gdouble *din)
{
  const gsize rows = (gsize) sample * v->views * v->row, row = (gsize) sample * v->out_row;
  g_autofree gdouble *p = g_new0 (gdouble, v->views * v->channels),
                     *mean = g_new0 (gdouble, v->channels);
  gint count = 0;

  for (gint k = 0; k < v->views; k++)
    count += mask >> k & 1;
  for (gint k = 0; k < v->views; k++) {
    if (!(mask >> k & 1))
      continue;
    if (v->fusion == CUDA_VIEWS_PROBABILITIES)
      softmax (in, rows + k * v->row, v->channels, p + k * v->channels);
    for (gint c = 0; c < v->channels; c++) {
      const gdouble x = v->fusion == CUDA_VIEWS_PROBABILITIES
          ? p[k * v->channels + c]
          : array_get (in, rows + k * v->row + c);

      mean[c] += x / count;
      if (v->fusion == CUDA_VIEWS_CONCAT) {
        out[row + k * v->channels + c] = x;
        din[rows + k * v->row + c] = array_get (dout, row + k * v->channels + c);
      } else if (v->fusion == CUDA_VIEWS_MEAN) {
        din[rows + k * v->row + c] = array_get (dout, row + c) / count;
      }
    }
  }
  for (gint c = 0; c < v->channels && v->fusion != CUDA_VIEWS_CONCAT; c++)
    out[row + c] = v->fusion == CUDA_VIEWS_PROBABILITIES ? log (mean[c]) : mean[c];
  for (gint k = 0; k < v->views && v->fusion == CUDA_VIEWS_PROBABILITIES; k++) {
    const gdouble *q = p + k * v->channels;

    for (gint c = 0; c < v->channels && (mask >> k & 1); c++)
      for (gint j = 0; j < v->channels; j++)
        din[rows + k * v->row + c] +=
            array_get (dout, row + j) / mean[j] / count * q[j] * ((j == c) - q[c]);
  }
}

static void
check_views (
    CudaViewFusion fusion, gint samples, gint views, gint channels, gfloat dropout, gboolean masked)
{
  const gboolean concat = fusion == CUDA_VIEWS_CONCAT;
  const CudaViews v = { fusion, samples, views, channels, ROW (channels),
    ROW (concat ? channels * views : channels), dropout };
  const gsize n = (gsize) samples * views * v.row, n_out = (gsize) samples * v.out_row;
  g_autoptr (Array) in = array_random (CUDA_TYPE_F32, n, -4, 4);
  g_autoptr (Array) out = array_new (CUDA_TYPE_F32, n_out);
  g_autoptr (Array) dout = array_random (CUDA_TYPE_F32, n_out, -1, 1);
  g_autoptr (Array) din = array_new (CUDA_TYPE_F32, n);
  g_autofree gdouble *y = g_new0 (gdouble, n_out), *dx = g_new0 (gdouble, n);
  g_autoptr (Array) shown = array_new (RIG_BYTE, samples * views);
  guint8 *present = shown->data;
  const CudaPass pass = {
    .seed = 77, .step = G_GUINT64_CONSTANT (0xfffffffe), .present = masked ? present : NULL
  };

  for (gsize i = 0; i < n; i++)
    if (i % v.row >= (gsize) channels)
      array_set (in, i, 0);
  for (gint i = 0; i < samples * views; i++)
    present[i] = rig_below (3) > 0;
  for (gint i = 0; i < samples; i++)
    present[i * views + rig_below (views)] = 1;
  for (gint i = 0; i < samples; i++)
    join_slowly (&v, draw_mask (&v, &pass, i), i, in, dout, y, dx);
  RUN (cuda_views (NULL, &v, &pass, in->data, out->data), out);
  array_check (out, y);
  RUN (cuda_views_backward (NULL, &v, &pass, in->data, dout->data, din->data), din);
  array_check (din, dx);
  for (gsize i = 0; i < n; i++)
    if (i % v.row >= (gsize) channels)
      g_assert_cmpfloat (array_get (din, i), ==, 0);
}

static void
test_views (gconstpointer fusion)
{
  rig_seed (47);
  check_views (GPOINTER_TO_INT (fusion), 1, 2, 1, 0, FALSE);
  check_views (GPOINTER_TO_INT (fusion), 3, 3, 8, 0, TRUE);
  check_views (GPOINTER_TO_INT (fusion), 5, 4, 13, 0.5f, FALSE);
  check_views (GPOINTER_TO_INT (fusion), 40, 3, 70, 0.5f, TRUE);
  check_views (GPOINTER_TO_INT (fusion), 2, 32, 5, 0.9f, TRUE);
  check_views (GPOINTER_TO_INT (fusion), 2, 2, 512, 0, TRUE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gint type = 0; type < TYPES; type++) {
    g_autofree gchar *path = g_strconcat ("/kernels/points/", rig_type_names[type], NULL);

    g_test_add_data_func (path, GINT_TO_POINTER (type), test_points);
  }
  g_test_add_func ("/kernels/reach", test_reach);
  g_test_add_func ("/kernels/concat", test_concat);
  g_test_add_func ("/kernels/mean", test_mean);
  g_test_add_data_func ("/kernels/views/mean", GINT_TO_POINTER (CUDA_VIEWS_MEAN), test_views);
  g_test_add_data_func (
      "/kernels/views/probabilities", GINT_TO_POINTER (CUDA_VIEWS_PROBABILITIES), test_views);
  g_test_add_data_func ("/kernels/views/concat", GINT_TO_POINTER (CUDA_VIEWS_CONCAT), test_views);
  return g_test_run ();
}
