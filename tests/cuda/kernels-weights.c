/* The CUDA back end's work on weights - copies, gradients, updates - compared with plain loops in
 * double.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <math.h>
#include <string.h>

#include "tests/cuda/rig.h"

/* --- copies and gradients --- */

static void
test_convert (gconstpointer type_)
{
  const CudaType type = GPOINTER_TO_INT (type_);
  const gsize lengths[] = { 8, 16, 2040, 2048, 2056, 100000 };

  rig_seed (1);
  for (gsize k = 0; k < G_N_ELEMENTS (lengths); k++)
    for (gint adds = 0; adds < 2; adds++) {
      const gsize n = lengths[k];
      g_autoptr (Array) from = array_random (CUDA_TYPE_F32, n, -3, 3);
      g_autoptr (Array) to = array_new (type, n);
      g_autoptr (Array) sum = array_random (CUDA_TYPE_F32, n, -1, 1);
      g_autofree gdouble *copied = g_new (gdouble, n), *added = g_new (gdouble, n);

      array_set (from, 0, 65519); /* the largest that FP16 rounds down */
      array_set (from, 1, -65520);
      array_set (from, 2, NAN);
      array_set (from, 3, 1e-7);
      array_set (from, 4, INFINITY);
      for (gsize i = 0; i < n; i++)
        copied[i] = rig_round (type, array_get (from, i));
      RUN (cuda_convert (NULL, type, n, from->data, to->data), to);
      for (gsize i = 0; i < n; i++)
        g_assert_true (
            array_get (to, i) == copied[i] || (isnan (copied[i]) && isnan (array_get (to, i))));
      for (gsize i = 0; i < n; i++)
        added[i] = array_get (to, i) + (adds ? array_get (sum, i) : 0);
      added[0] = array_get (to, 0);
      array_set (sum, 0, 0);
      if (!adds)
        array_poison (sum);
      RUN (cuda_add_gradient (NULL, type, n, to->data, sum->data, adds), sum);
      for (gsize i = 0; i < n; i++)
        g_assert_true (array_get (sum, i) == (gfloat) added[i]
            || (isnan (added[i]) && isnan (array_get (sum, i))));
    }
}

/* --- updates --- */

#define MOST_SEGMENTS 80

typedef struct {
  CudaSegment segments[MOST_SEGMENTS];
  CudaWeights table;
  gsize total, trained; /* floats; up to the end of the last trained segment */
  Array *weights, *copy, *gradients, *first, *second;
} Layout;

/* Segments in order, one in three not trained, nor the last ones; copies are in another order than
 * the weights. */
static void
layout_init (Layout *l, CudaType type, gint n_segments)
{
  const gsize element = type == CUDA_TYPE_F32 ? 4 : 2;
  gsize copied = 0;

  memset (l, 0, sizeof *l);
  for (gint i = 0; i < n_segments; i++) {
    CudaSegment *s = &l->segments[i];

    s->first = l->total;
    s->length = 16 * (1 + rig_below (i % 7 == 3 ? 900 : 12));
    s->trained = i == 0 || (rig_below (3) && i + 2 < n_segments);
    s->copy = CUDA_NO_COPY;
    l->total += s->length;
    if (s->trained)
      l->trained = l->total;
  }
  for (gint i = n_segments - 1; i >= 0; i--)
    if (i % 4 != 1) {
      l->segments[i].copy = copied;
      copied += l->segments[i].length * element;
    }
  l->weights = array_random (CUDA_TYPE_F32, l->total, -1, 1);
  l->gradients = array_random (CUDA_TYPE_F32, l->trained, -2, 2);
  l->first = array_random (CUDA_TYPE_F32, l->trained, -1, 1);
  l->second = array_random (CUDA_TYPE_F32, l->trained, 0, 1);
  l->copy = array_random (type, MAX (copied, 16) / element, -1, 1);
  l->table = (CudaWeights) { type, l->segments, n_segments, l->weights->data, l->copy->data,
    l->first->data, l->second->data };
}

static void
layout_clear (Layout *l)
{
  array_free (l->weights);
  array_free (l->copy);
  array_free (l->gradients);
  array_free (l->first);
  array_free (l->second);
}

static gboolean
is_trained (const Layout *l, gsize i)
{
  for (gint k = 0; k < l->table.n_segments; k++)
    if (i < l->segments[k].first + l->segments[k].length)
      return l->segments[k].trained;
  g_assert_not_reached ();
}

static gdouble
expected_squares (const Layout *l, const CudaUpdate *u)
{
  gdouble sum = 0;

  for (gsize i = 0; i < l->trained; i++)
    if (is_trained (l, i))
      sum += pow (array_get (l->gradients, i) * u->gradient_scale, 2);
  return sum;
}

/* Stretches with gaps between them, some longer than a piece; NaN in the gaps. */
static gsize
stretches_init (CudaStretch *stretches, gint n, Array **gradients, gsize *n_pieces)
{
  gsize total = 0;

  *n_pieces = 0;
  for (gint i = 0; i < n; i++) {
    stretches[i].first = total + (i ? 16 * (1 + rig_below (9)) : 0);
    stretches[i].n = 16 * (1 + rig_below (9)) + (i % 3 == 1 ? CUDA_PIECE * (1 + i % 2) - 16 : 0);
    stretches[i].piece = *n_pieces;
    *n_pieces += (stretches[i].n + CUDA_PIECE - 1) / CUDA_PIECE;
    total = stretches[i].first + stretches[i].n;
  }
  *gradients = array_random (CUDA_TYPE_F32, total, -2, 2);
  for (gint i = 0; i + 1 < n; i++)
    for (gsize k = stretches[i].first + stretches[i].n; k < stretches[i + 1].first; k++)
      array_set (*gradients, k, NAN);
  return total;
}

/* The sum of the squares of a piece. */
static gdouble
expected_piece (const CudaStretch *stretches, gint n, gsize piece, const Array *gradients)
{
  gdouble sum = 0;

  while (stretches[n - 1].piece > piece)
    n--;
  const gsize first = stretches[n - 1].first + (piece - stretches[n - 1].piece) * CUDA_PIECE;
  const gsize end = MIN (first + CUDA_PIECE, stretches[n - 1].first + stretches[n - 1].n);

  for (gsize i = first; i < end; i++)
    sum += pow (array_get (gradients, i), 2);
  return sum;
}

static void
test_squares (void)
{
  const CudaUpdate update = { .gradient_scale = 1.f / 1024 };

  for (gint n = 1; n < 8; n += 3)
    for (gint odd = 0; odd < 3; odd++) {
      g_autoptr (Array) results = array_new (RIG_BYTE, sizeof (CudaResults));
      g_autoptr (Array) gradients = NULL;
      CudaResults *got = results->data;
      CudaStretch stretches[8];
      gdouble expected = 0;
      gsize n_pieces;

      rig_seed (n);
      stretches_init (stretches, n, &gradients, &n_pieces);
      array_set (gradients, 5, 1e30); /* its square overflows a float */
      for (gsize i = 0; i < n_pieces; i++)
        expected += expected_piece (stretches, n, i, gradients);
      if (odd)
        array_set (gradients, 7, odd == 1 ? NAN : -INFINITY);
      got->loss_sum = 1;
      got->correct = 2;

      g_autoptr (Array) pieces = array_new (RIG_DOUBLE, n_pieces);

      RUN (cuda_squares (NULL, stretches, n, n_pieces, &update, gradients->data, pieces->data, got),
          results, pieces);
      if (odd)
        g_assert_false (isfinite (got->squares));
      else
        g_assert_cmpfloat_with_epsilon (got->squares * (1024. * 1024) / expected, 1, 1e-12);
      g_assert_cmpfloat (got->loss_sum, ==, 1);
      g_assert_cmpuint (got->correct, ==, 2);
    }
}

/* A process's pieces have the bits that one process computes for them. */
static void
test_square_pieces (void)
{
  g_autoptr (Array) gradients = NULL;
  CudaStretch stretches[7];
  gsize n_pieces;

  rig_seed (1);
  stretches_init (stretches, 7, &gradients, &n_pieces);

  g_autoptr (Array) all = array_new (RIG_DOUBLE, n_pieces);

  RUN (cuda_square_pieces (NULL, stretches, 7, 0, n_pieces, gradients->data, 0, all->data), all);
  for (gsize i = 0; i < n_pieces; i++)
    g_assert_cmpfloat_with_epsilon (
        array_get (all, i) / expected_piece (stretches, 7, i, gradients), 1, 1e-12);
  /* the slice that begins with the second stretch */
  const gsize from = stretches[1].first, piece = stretches[1].piece;
  g_autoptr (Array) some = array_new (RIG_DOUBLE, n_pieces - piece);

  RUN (cuda_square_pieces (NULL, stretches, 7, piece, n_pieces - piece,
           (gfloat *) gradients->data + from, from, some->data),
      some);
  for (gsize i = piece; i < n_pieces; i++)
    g_assert_cmpfloat (array_get (some, i - piece), ==, array_get (all, i));
}

typedef struct {
  CudaUpdate update;
  gboolean has_first, has_second;
} Rule;

static const Rule rules[] = {
  { { CUDA_RULE_SGD, .lr = 0.1f, .weight_decay = 0.01f, .gradient_scale = 0.25f }, FALSE, FALSE },
  { { CUDA_RULE_SGD, .lr = 0.1f, .momentum = 0.9f, .weight_decay = 0.01f, .gradient_scale = 0.25f },
      TRUE, FALSE },
  { { CUDA_RULE_ADAM, .lr = 0.01f, .beta1 = 0.9f, .beta2 = 0.99f, .eps = 1e-8f,
        .weight_decay = 0.1f, .gradient_scale = 0.5f, .rate = 0.03f, .root = 1.5f },
      TRUE, TRUE },
  { { CUDA_RULE_ADAMW, .lr = 0.01f, .beta1 = 0.9f, .beta2 = 0.99f, .eps = 1e-8f,
        .weight_decay = 0.1f, .gradient_scale = 0.5f, .rate = 0.03f, .root = 1.5f },
      TRUE, TRUE },
};

/* New values of element i, w, m and v, by the formulas in torch.optim's documentation. */
static void
expected_update (const CudaUpdate *u, gboolean momentum, gdouble scale, gdouble g, gdouble *w,
    gdouble *m, gdouble *v)
{
  g *= scale;
  if (u->rule == CUDA_RULE_ADAMW)
    *w -= *w * u->lr * u->weight_decay;
  else
    g += u->weight_decay * *w;
  if (u->rule == CUDA_RULE_SGD) {
    *m = momentum ? u->momentum * *m + g : g;
    *w -= u->lr * *m;
    return;
  }
  *m = u->beta1 * *m + (1 - (gdouble) u->beta1) * g;
  *v = u->beta2 * *v + (1 - (gdouble) u->beta2) * g * g;
  *w -= u->rate * *m / (sqrt (*v) * u->root + u->eps);
}

static void
check_update (
    CudaType type, const Rule *rule, gint n_segments, guint64 seed, gboolean part, gfloat clip)
{
  CudaUpdate u = rule->update;
  CudaResults results = { 0 };
  gdouble scale = u.gradient_scale;
  g_autofree gdouble *w = NULL, *m = NULL, *v = NULL, *copied = NULL;
  gsize first = 0, n;
  Layout l;

  rig_seed (seed);
  layout_init (&l, type, n_segments);
  n = l.trained;
  if (part && l.trained > 16) {
    first = 16 * rig_below (l.trained / 16);
    n = 16 * (1 + rig_below ((l.trained - first) / 16));
  }
  if (!rule->has_first)
    l.table.first = NULL;
  if (!rule->has_second)
    l.table.second = NULL;
  u.clip = clip;
  u.checks = clip > 0;
  if (clip > 0) {
    results.squares = expected_squares (&l, &u);
    scale *= MIN (1, clip / (sqrt (results.squares) + 1e-6));
  }
  w = g_new (gdouble, l.total);
  m = g_new (gdouble, l.trained);
  v = g_new (gdouble, l.trained);
  copied = g_new (gdouble, l.copy->n);
  for (gsize i = 0; i < l.copy->n; i++)
    copied[i] = array_get (l.copy, i);
  for (gsize i = 0; i < l.total; i++) {
    w[i] = array_get (l.weights, i);
    if (i >= l.trained)
      continue;
    m[i] = array_get (l.first, i);
    v[i] = array_get (l.second, i);
    if (i >= first && i < first + n && is_trained (&l, i)) {
      gdouble one = m[i], two = v[i];

      expected_update (&u, rule->has_first, scale, array_get (l.gradients, i), &w[i], &one, &two);
      m[i] = rule->has_first ? one : m[i];
      v[i] = rule->has_second ? two : v[i];
    }
  }
  for (gint k = 0; k < n_segments; k++) {
    const CudaSegment *s = &l.segments[k];
    const gsize at = s->copy / (type == CUDA_TYPE_F32 ? 4 : 2);

    for (gsize i = 0; s->trained && s->copy != CUDA_NO_COPY && i < s->length; i++)
      if (s->first + i >= first && s->first + i < first + n)
        copied[at + i] = w[s->first + i];
  }
  RUN (cuda_update (NULL, &l.table, &u, first, n, (gfloat *) l.gradients->data + first, &results),
      l.weights, l.copy, l.first, l.second);
  array_check (l.weights, w);
  array_check (l.first, m);
  array_check (l.second, v);
  array_check (l.copy, copied);
  layout_clear (&l);
}

static void
test_update (gconstpointer type)
{
  for (gsize r = 0; r < G_N_ELEMENTS (rules); r++)
    for (gint n = 0; n < 8; n++)
      check_update (GPOINTER_TO_INT (type), &rules[r], n < 2 ? 1 : n * 10, 100 * r + n, n % 2,
          n % 3       ? 0
              : n % 2 ? 1e6f
                      : 0.5f);
}

/* No update if gradients are not finite, and no copy if none is kept. */
static void
test_skips (void)
{
  const gdouble odd[] = { NAN, INFINITY };

  for (gsize r = 0; r < G_N_ELEMENTS (rules); r++)
    for (gint k = 0; k < 2; k++) {
      CudaUpdate u = rules[r].update;
      const CudaResults results = { .squares = odd[k] };
      g_autofree gpointer weights = NULL, copy = NULL, first = NULL;
      Layout l;

      rig_seed (r);
      layout_init (&l, CUDA_TYPE_F16, 9);
      weights = g_memdup2 (l.weights->data, l.weights->bytes);
      copy = g_memdup2 (l.copy->data, l.copy->bytes);
      first = g_memdup2 (l.first->data, l.first->bytes);
      u.checks = TRUE;
      RUN (cuda_update (NULL, &l.table, &u, 0, l.trained, l.gradients->data, &results), l.weights,
          l.copy, l.first, l.second);
      g_assert_cmpmem (l.weights->data, l.weights->bytes, weights, l.weights->bytes);
      g_assert_cmpmem (l.copy->data, l.copy->bytes, copy, l.copy->bytes);
      g_assert_cmpmem (l.first->data, l.first->bytes, first, l.first->bytes);
      l.table.copy = NULL;
      u.checks = FALSE;
      RUN (cuda_update (NULL, &l.table, &u, 0, l.trained, l.gradients->data, &results), l.weights,
          l.copy, l.first, l.second);
      g_assert_cmpfloat (memcmp (l.weights->data, weights, l.weights->bytes), !=, 0);
      g_assert_cmpmem (l.copy->data, l.copy->bytes, copy, l.copy->bytes);
      layout_clear (&l);
    }
}

static int
fails (void)
{
  return 700;
}

/* Functions return a launch's error. */
static void
test_errors (void)
{
  const CudaNorm norm = { CUDA_TYPE_F16, 4, 8 };
  const CudaPool pool = { CUDA_TYPE_F16, 1, 8, { 2, 2, 2 }, { 1, 1, 1 }, { 2, 2, 2 }, { 2, 2, 2 } };
  const CudaInput input = { CUDA_FRAMES_UINT8, 3 };
  const CudaHeatmaps maps = { 1, 1, 1, 1, 1, 8, 1 };
  const CudaConcat parts = { 1, 4, 4, 8, 8, 8 };
  const CudaViews views = { CUDA_VIEWS_MEAN, 1, 2, 4, 8, 8 },
                  mixed = { CUDA_VIEWS_PROBABILITIES, 1, 2, 4, 8, 8 };
  gfloat number[8];
  const CudaWeights weights = { CUDA_TYPE_F16, NULL, 1 };

  cuda_shim_fails = fails;
  g_assert_cmpint (cuda_input (NULL, CUDA_TYPE_F16, &input, NULL, 0, 1, NULL), ==, 700);
  g_assert_cmpint (
      cuda_input_with_points (NULL, CUDA_TYPE_F16, &input, &maps, NULL, 0, 1, NULL), ==, 700);
  g_assert_cmpint (cuda_concat (NULL, &parts, NULL, NULL, NULL), ==, 700);
  g_assert_cmpint (cuda_concat_backward (NULL, &parts, NULL, number, NULL), ==, 700);
  g_assert_cmpint (cuda_concat_backward (NULL, &parts, NULL, NULL, number), ==, 700);
  g_assert_cmpint (cuda_mean (NULL, 8, NULL, NULL, NULL), ==, 700);
  g_assert_cmpint (cuda_mean_backward (NULL, 8, NULL, NULL, NULL), ==, 700);
  g_assert_cmpint (cuda_norm_statistics (NULL, &norm, NULL, NULL), ==, 700);
  g_assert_cmpint (cuda_norm_finish (NULL, &norm, NULL, NULL, 1), ==, 700);
  g_assert_cmpint (cuda_norm_running (NULL, &norm), ==, 700);
  g_assert_cmpint (cuda_norm_vectors (NULL, &norm, NULL, NULL), ==, 700);
  g_assert_cmpint (cuda_norm_apply (NULL, &norm, NULL, NULL, NULL, NULL), ==, 700);
  g_assert_cmpint (
      cuda_norm_backward_sums (NULL, &norm, NULL, NULL, NULL, NULL, 0, 0, NULL), ==, 700);
  g_assert_cmpint (
      cuda_norm_backward_finish (NULL, &norm, NULL, 1, 1, NULL, NULL, 0, NULL), ==, 700);
  g_assert_cmpint (cuda_norm_backward_apply (NULL, &norm, NULL, NULL, 0, NULL, NULL), ==, 700);
  g_assert_cmpint (cuda_max_pool (NULL, &pool, NULL, NULL, NULL), ==, 700);
  g_assert_cmpint (cuda_max_pool_backward (NULL, &pool, NULL, NULL, NULL, NULL), ==, 700);
  g_assert_cmpint (cuda_global_pool (NULL, CUDA_TYPE_F16, 1, 1, 8, NULL, NULL), ==, 700);
  g_assert_cmpint (cuda_global_pool_backward (NULL, CUDA_TYPE_F16, 1, 1, 8, NULL, NULL), ==, 700);
  g_assert_cmpint (cuda_dropout (NULL, NULL, 1, 8, 1, 8, 0, 0.5f, NULL, NULL), ==, 700);
  g_assert_cmpint (cuda_views (NULL, &views, NULL, NULL, NULL), ==, 700);
  g_assert_cmpint (cuda_views_backward (NULL, &views, NULL, NULL, NULL, NULL), ==, 700);
  g_assert_cmpint (cuda_views (NULL, &mixed, NULL, NULL, NULL), ==, 700);
  g_assert_cmpint (cuda_views_backward (NULL, &mixed, NULL, NULL, NULL, NULL), ==, 700);
  g_assert_cmpint (cuda_linear (NULL, 1, 8, 1, 8, NULL, NULL, NULL, NULL), ==, 700);
  g_assert_cmpint (cuda_linear_weights (NULL, 1, 8, 1, 8, NULL, NULL, NULL, NULL, 0), ==, 700);
  g_assert_cmpint (cuda_linear_data (NULL, 1, 8, 1, 8, NULL, NULL, NULL), ==, 700);
  g_assert_cmpint (cuda_loss (NULL, NULL, 1, 1, 8, NULL, NULL, NULL, NULL), ==, 700);
  g_assert_cmpint (cuda_convert (NULL, CUDA_TYPE_F16, 8, NULL, NULL), ==, 700);
  g_assert_cmpint (cuda_add_gradient (NULL, CUDA_TYPE_F16, 8, NULL, NULL, 0), ==, 700);
  g_assert_cmpint (cuda_squares (NULL, NULL, 0, 1, NULL, NULL, NULL, NULL), ==, 700);
  g_assert_cmpint (cuda_square_pieces (NULL, NULL, 0, 0, 1, NULL, 0, NULL), ==, 700);
  g_assert_cmpint (cuda_update (NULL, &weights, NULL, 0, 16, NULL, NULL), ==, 700);
  cuda_shim_fails = NULL;
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gint type = 0; type < 3; type++) {
    g_autofree gchar *convert = g_strconcat ("/weights/convert/", rig_type_names[type], NULL);
    g_autofree gchar *update = g_strconcat ("/weights/update/", rig_type_names[type], NULL);

    g_test_add_data_func (convert, GINT_TO_POINTER (type), test_convert);
    g_test_add_data_func (update, GINT_TO_POINTER (type), test_update);
  }
  g_test_add_func ("/weights/squares", test_squares);
  g_test_add_func ("/weights/square-pieces", test_square_pieces);
  g_test_add_func ("/weights/skips", test_skips);
  g_test_add_func ("/weights/errors", test_errors);
  return g_test_run ();
}
