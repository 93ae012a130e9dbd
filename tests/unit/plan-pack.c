/* The planner's short cuts give what their plain twins give: packing by merged regions and moved
 * buffers, and passes of three slices.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/plan/pack.c"

#include "src/random.h"
#include "tests/networks.h"

static guint64
below (guint64 *drawn, guint64 n)
{
  const Cnn3dRandomKey key = { 5, 0, CNN3D_RANDOM_DEMO, 0 };

  return cnn3d_random_below (&key, (*drawn)++, n);
}

/* --- packing --- */

/* Places all buffers in order, each in the tightest or the lowest gap of all that were placed before
 * and are alive with it, sorted by offset. Returns the arena's size. */
static gsize
place_plainly (const Packing *p, gboolean lowest, gsize *offset)
{
  g_autofree Region *near = g_new (Region, p->n);
  gsize total = 0;

  for (guint k = 0; k < p->n; k++) {
    const Cnn3dBuffer *b = &p->buffers[p->order[k]];
    const gsize bytes = aligned (b->bytes);
    gsize at = 0, best = CNN3D_NOWHERE, best_gap = G_MAXSIZE;
    guint n = 0;

    for (guint j = 0; j < k; j++) {
      const guint i = p->order[j];
      const Region r = { offset[i], offset[i] + aligned (p->buffers[i].bytes) };
      guint m = n++;

      if (p->buffers[i].first > b->last || p->buffers[i].last < b->first) {
        n--;
        continue;
      }
      for (; m > 0 && near[m - 1].offset > r.offset; m--)
        near[m] = near[m - 1];
      near[m] = r;
    }
    for (guint j = 0; j < n; j++) {
      if (near[j].offset >= at + bytes && near[j].offset - at < best_gap
          && !(lowest && best != CNN3D_NOWHERE)) {
        best = at;
        best_gap = near[j].offset - at;
      }
      at = MAX (at, near[j].end);
    }
    offset[p->order[k]] = best != CNN3D_NOWHERE ? best : at;
    total = MAX (total, offset[p->order[k]] + bytes);
  }
  return total;
}

static void
assert_placed (const Packing *p, gboolean lowest, gsize total)
{
  g_autofree gsize *offset = g_new (gsize, p->n);

  g_assert_cmpuint (place_plainly (p, lowest, offset), ==, total);
  for (guint i = 0; i < p->n; i++)
    g_assert_cmpuint (p->offset[i], ==, offset[i]);
}

static void
test_place (void)
{
  enum {
    MOST = 120,
    STEPS = 90,
    TRIES = 20
  };
  GRand *random = g_rand_new_with_seed (1);
  guint64 drawn = 0;
  guint moved = 0, left = 0;

  for (guint round = 0; round < 300; round++) {
    const guint n = 1 + below (&drawn, MOST);
    Cnn3dBuffer b[MOST];
    guint order[MOST], brief[2 * STEPS], before[MOST];
    gsize offset[MOST], known_offset[MOST], total;
    Lasting lasting[MOST];
    Region taken[MOST + 1];
    guint64 bits[2 * STEPS / 64 + 1];
    Known known = { known_offset, .moved = bits };
    Packing p = { b, n, 0, 0, 0, order, offset, lasting, 0, brief, before, taken };

    for (guint i = 0; i < n; i++) {
      const guint first = below (&drawn, STEPS), more = below (&drawn, i % 3 ? 8 : STEPS);

      b[i] = (Cnn3dBuffer) { "test", i, below (&drawn, 1 << below (&drawn, 20)) + 1, 0, first,
        first + more };
      p.n_steps = MAX (p.n_steps, first + more + 1);
    }
    most_alive (b, n, &p.crowd);
    sort_by (&p, round % N_ORDERS);
    total = place (&p, NULL, TRUE, G_MAXSIZE);
    assert_placed (&p, TRUE, total);
    total = place (&p, NULL, FALSE, G_MAXSIZE);
    assert_placed (&p, FALSE, total);
    for (guint try = 0; try < TRIES; try++) {
      memcpy (known_offset, offset, sizeof offset);
      hurry_one (&p, &known, total, try % 2, random);
      total = place (&p, &known, FALSE, G_MAXSIZE);
      assert_placed (&p, FALSE, total);
      for (guint i = 0; i < n; i++)
        if (offset[i] != known_offset[i])
          moved++;
        else
          left++;
    }
  }
  g_test_message ("%u buffers moved, %u did not", moved, left);
  g_assert_cmpuint (moved, >, 10000);
  g_assert_cmpuint (left, >, 10000);
  g_rand_free (random);
}

/* --- passes --- */

/* Any sizes: what a back end would report plays no part. */
static void
draw_sizes (Cnn3dSizes *s, const Cnn3dNetwork *net, guint batch, guint64 *drawn)
{
  cnn3d_sizes_init (s, net, batch);
  for (guint t = 0; t < net->n_tensors; t++) {
    const gsize clip = 64 * (1 + below (drawn, 1000));

    s->activation[t] = s->gradient[t] = batch * net->tensors[t].views * clip;
  }
  for (guint i = 0; i < net->n_ops; i++) {
    if (net->ops[i].kind == CNN3D_OP_NORM || net->ops[i].kind == CNN3D_OP_MAX_POOL)
      s->saved[i] = 64 * (1 + below (drawn, 1000));
    for (guint phase = 0; phase < CNN3D_N_PHASES; phase++)
      s->scratch[i * CNN3D_N_PHASES + phase] = below (drawn, 2) * 64 * below (drawn, 10000);
    if (net->ops[i].kind != CNN3D_OP_CONV)
      continue;
    s->parameters[i] = 64 * (1 + below (drawn, 1000));
    s->adds[i] = below (drawn, 2);
    s->gathers[i] = below (drawn, 2);
    s->statistics[i] = below (drawn, 2);
    s->slice[i] = cnn3d_plan_slice (batch * cnn3d_op_views (net, i), 0, 64, 64 << below (drawn, 4));
  }
}

static void
test_sketch (gconstpointer data)
{
  enum {
    ROUNDS = 60
  };
  static const guint batches[] = { 1, 2, 3, 4, 7, 16 };
  const Cnn3dNetworkParams params =
      test_network_params (data, (Cnn3dNetworkParams) { NULL, 10, 8, 3, 8, 32, 32, 0.5 });
  g_autoptr (GError) error = NULL;
  Cnn3dNetwork *net = cnn3d_network_new (&params, &error);
  Pass whole = { NULL }, sketch = { .sketch = TRUE };
  guint64 drawn = 0;
  guint shorter = 0;

  g_assert_no_error (error);
  for (guint round = 0; round < ROUNDS; round++) {
    g_autofree gboolean *keep = g_new (gboolean, net->n_tensors),
                        *stays = g_new (gboolean, net->n_ops);
    const Cnn3dPlanParams plan = { TRUE, NULL, CNN3D_RECOMPUTE_BN + round % 3, round / 3 % 2 };
    const guint one_in = 1 + below (&drawn, 3);
    Cnn3dSizes sizes;

    draw_sizes (&sizes, net, batches[round % G_N_ELEMENTS (batches)], &drawn);
    for (guint t = 0; t < net->n_tensors; t++) {
      const Cnn3dOpKind kind = net->ops[net->tensors[t].producer].kind;

      keep[t] = (kind != CNN3D_OP_CONV && kind != CNN3D_OP_NORM && kind != CNN3D_OP_MAX_POOL
                    && kind != CNN3D_OP_INPUT)
          || below (&drawn, one_in) == 0;
    }
    for (guint i = 0; i < net->n_ops; i++)
      stays[i] = below (&drawn, 3) == 0;
    cnn3d_pass_init (&whole, net, &sizes, &plan, keep);
    cnn3d_pass_init (&sketch, net, &sizes, &plan, keep);
    shorter += sketch.steps->len < whole.steps->len;
    g_assert_cmpuint (sketch.steps->len, <=, whole.steps->len);
    g_assert_cmpuint (cnn3d_pass_live (&sketch, NULL), ==, cnn3d_pass_live (&whole, NULL));
    g_assert_cmpuint (cnn3d_pass_offload_live (&sketch, net, &sizes, stays), ==,
        cnn3d_pass_offload_live (&whole, net, &sizes, stays));
    cnn3d_sizes_clear (&sizes);
  }
  g_test_message ("%u of %d passes are shorter", shorter, ROUNDS);
  g_assert_cmpuint (shorter, >, ROUNDS / 4);
  cnn3d_pass_clear (&whole);
  cnn3d_pass_clear (&sketch);
  cnn3d_network_free (&net);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/plan-pack/place", test_place);
  /* a small one, a deep one, and one with two streams and views */
  for (guint i = 0; i < TEST_N_NETWORKS; i += i ? TEST_N_NETWORKS - 4 : 3) {
    g_autofree gchar *path = g_strdup_printf ("/plan-pack/sketch/%s", test_networks[i].name);

    g_test_add_data_func (path, &test_networks[i], test_sketch);
  }
  return g_test_run ();
}
