/* The models' graphs: names and shapes as in torchvision and MMAction2, sizes, errors, initial
 * weights.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <math.h>
#include <string.h>

#include "src/network/network.h"
#include "tests/networks.h"
#include "tests/unit/mmaction2-names.h"
#include "tests/unit/torchvision-names.h"

static Cnn3dNetwork *
build_kind (const TestNetwork *kind, guint classes, guint width, guint frames, guint size)
{
  const Cnn3dNetworkParams p = test_network_params (
      kind, (Cnn3dNetworkParams) { NULL, classes, width, 3, frames, size, size });
  g_autoptr (GError) error = NULL;
  Cnn3dNetwork *net = cnn3d_network_new (&p, &error);

  g_assert_no_error (error);
  return net;
}

static Cnn3dNetwork *
build (const gchar *model, guint classes, guint width, guint frames, guint size)
{
  const TestNetwork kind = { model, model };

  return build_kind (&kind, classes, width, frames, size);
}

/* --- names and sizes --- */

static gint
by_text (gconstpointer a, gconstpointer b)
{
  return strcmp (*(gchar *const *) a, *(gchar *const *) b);
}

static void
check_names (const TestNetwork *kind, guint classes, const gchar *const *expected)
{
  Cnn3dNetwork *net = build_kind (kind, classes, 64, 16, 112);
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < net->n_weights; i++) {
    const Cnn3dParam *p = &net->weights[i];
    GString *line = g_string_new (p->name);
    gint64 count = 1;

    for (guint k = 0; k < p->n_dims; k++) {
      g_string_append_printf (line, "%c%" G_GINT64_FORMAT, k ? 'x' : ' ', p->shape[k]);
      count *= p->shape[k];
    }
    g_assert_cmpint (p->count, ==, count);
    g_assert_cmpint (cnn3d_network_find_param (net, p->name), ==, i);
    g_ptr_array_add (lines, g_string_free (line, FALSE));
  }
  g_ptr_array_sort (lines, by_text);
  for (guint i = 0; i < lines->len; i++)
    g_assert_cmpstr (g_ptr_array_index (lines, i), ==, expected[i]);
  g_assert_null (expected[lines->len]);
  cnn3d_network_free (&net);
  g_assert_null (net);
}

static void
test_names (void)
{
  static const gchar *const *const names[] = { r3d_18_names, mc3_18_names, r2plus1d_18_names };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    check_names (&test_networks[i], 400, names[i]);
  check_names (&test_networks[4], 60, posec3d_slowonly_names);
}

/* slow_r50 is PyTorchVideo's: its model zoo gives 32.45 M parameters and, for
 * 8 frames of 256x256, 54.52 G multiply-adds. MMAction2 gives posec3d_slowonly
 * 2.0 M parameters. */
static void
test_counts (void)
{
  static const struct {
    const gchar *network;
    guint classes, frames, size;
    gint64 trained;
    gdouble giga_macs;
  } known[] = {
    { "r3d_18", 400, 16, 112, 33371472, 40.70 },
    { "mc3_18", 400, 16, 112, 11695440, 43.34 },
    { "r2plus1d_18", 400, 16, 112, 31505325, 40.52 },
    { "slow_r50", 400, 8, 256, 32454096, 54.52 },
    { "posec3d_slowonly", 60, 48, 56, 2024860, 15.63 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (known); i++) {
    Cnn3dNetwork *net =
        build_kind (&test_networks[i], known[i].classes, 64, known[i].frames, known[i].size);

    g_assert_cmpstr (net->model, ==, known[i].network);
    g_test_message ("%s: %" G_GINT64_FORMAT " parameters, %.3f G multiply-adds", net->model,
        net->trained_count, cnn3d_network_macs (net) * 1e-9);
    g_assert_cmpint (net->trained_count, ==, known[i].trained);
    g_assert_cmpfloat_with_epsilon (cnn3d_network_macs (net) * 1e-9, known[i].giga_macs, 0.01);
    cnn3d_network_free (&net);
  }
}

/* --- the graph --- */

/* Every tensor is produced by its op before it is read; sizes follow from the windows. */
static void
check_graph (const Cnn3dNetwork *net)
{
  g_autofree gboolean *made = g_new0 (gboolean, net->n_tensors);
  gint64 trained = 0;
  guint inputs = 0;

  g_assert_cmpint (net->ops[0].kind, ==, CNN3D_OP_INPUT);
  for (guint i = 0; i < net->n_ops; i++) {
    const Cnn3dOp *op = &net->ops[i];
    const Cnn3dTensor *in = op->in >= 0 ? &net->tensors[op->in] : NULL;
    const Cnn3dTensor *out = op->out >= 0 ? &net->tensors[op->out] : NULL;

    g_assert_cmpint (op->kind == CNN3D_OP_INPUT, ==, op->in < 0);
    inputs += op->kind == CNN3D_OP_INPUT;
    g_assert_cmpint (op->kind == CNN3D_OP_LOSS, ==, i == net->n_ops - 1);
    g_assert_true (!in || made[op->in]);
    g_assert_true (op->residual < 0 || made[op->residual]);
    if (out) {
      g_assert_false (made[op->out]);
      made[op->out] = TRUE;
      g_assert_cmpint (out->producer, ==, i);
    }
    if (op->kind == CNN3D_OP_CONV || op->kind == CNN3D_OP_MAX_POOL) {
      const gint from[3] = { in->d, in->h, in->w }, to[3] = { out->d, out->h, out->w };

      for (guint a = 0; a < 3; a++)
        g_assert_cmpint (to[a], ==, (from[a] + 2 * op->pad[a] - op->kernel[a]) / op->stride[a] + 1);
    }
    if (op->kind == CNN3D_OP_CONV) {
      const gint64 *shape = net->weights[op->weight].shape;

      g_assert_cmpint (shape[0], ==, out->c);
      g_assert_cmpint (shape[1], ==, in->c);
    }
    if (op->kind == CNN3D_OP_VIEWS) {
      g_assert_cmpuint (in->views, ==, net->params.views);
      g_assert_cmpuint (out->views, ==, 1);
      g_assert_cmpint (out->c, ==,
          op->view_fusion == CNN3D_VIEW_FUSION_CONCAT ? in->c * (gint) in->views : in->c);
    } else if (out) {
      g_assert_cmpuint (out->views, ==, in ? in->views : MAX (net->params.views, 1));
    }
    if (op->kind == CNN3D_OP_CONCAT)
      g_assert_cmpint (in->c + net->tensors[op->residual].c, ==, out->c);
    else if (op->residual >= 0)
      g_assert_cmpmem (&net->tensors[op->residual], 4 * sizeof (gint), out, 4 * sizeof (gint));
  }
  g_assert_cmpuint (inputs, ==, net->n_streams);
  for (guint i = 0; i < net->n_weights; i++)
    trained += CNN3D_PARAM_TRAINED (net->weights[i].role) ? net->weights[i].count : 0;
  g_assert_cmpint (net->trained_count, ==, trained);
  g_assert_cmpint (net->tensors[net->logits].c, ==, net->params.num_classes);
  g_assert_cmpuint (net->tensors[net->logits].views, ==, 1);
}

/* A mean needs features of the same length. */
static guint
even (const TestNetwork *kind, guint width)
{
  return kind->fusion == CNN3D_FUSION_MEAN ? width + width % 2 : width;
}

static void
test_graph (void)
{
  static const guint widths[] = { 1, 2, 7, 16, 64, 100 };

  for (guint m = 0; m < TEST_N_NETWORKS; m++)
    for (guint w = 0; w < G_N_ELEMENTS (widths); w++) {
      Cnn3dNetwork *net = build_kind (
          &test_networks[m], 1 + w, even (&test_networks[m], widths[w]), 1 + 3 * w, 20 + 11 * w);

      g_assert_cmpstr (net->model, ==, test_networks[m].model);
      check_graph (net);
      cnn3d_network_free (&net);
    }
}

/* The network keeps a copy of the given name. */
static void
test_owns_name (void)
{
  gchar name[] = "mc3_18";
  Cnn3dNetwork *net = build (name, 2, 8, 4, 32);

  name[0] = 'x';
  g_assert_cmpstr (net->params.model, ==, "mc3_18");
  cnn3d_network_free (&net);
  cnn3d_network_free (&net);
}

/* --- errors --- */

static void
assert_refused (Cnn3dNetworkParams p, Cnn3dNetworkError code, const gchar *words)
{
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) all = g_strsplit (words, "|", -1);

  g_assert_null (cnn3d_network_new (&p, &error));
  g_assert_error (error, CNN3D_NETWORK_ERROR, (gint) code);
  for (guint i = 0; all[i]; i++)
    if (!strstr (error->message, all[i]))
      g_error ("'%s' does not say '%s'", error->message, all[i]);
}

static void
test_errors (void)
{
  const Cnn3dNetworkParams good = { "r3d_18", 10, 64, 3, 8, 64, 64, 0 };
  Cnn3dNetworkParams p = good;

  p.model = "resnet";
  assert_refused (p, CNN3D_NETWORK_ERROR_UNKNOWN_MODEL,
      "there is no model 'resnet': use one of |r3d_18|mc3_18|r2plus1d_18|slow_r50");
  p.model = "";
  assert_refused (p, CNN3D_NETWORK_ERROR_UNKNOWN_MODEL, "r3d_18");
#define REFUSE(field, value, words)                      \
  do {                                                   \
    p = good;                                            \
    p.field = value;                                     \
    assert_refused (p, CNN3D_NETWORK_ERROR_SIZE, words); \
  } while (0)
  REFUSE (num_classes, 0, "num-classes is 0|from 1");
  REFUSE (num_classes, 1000001, "num-classes");
  REFUSE (base_width, 0, "base-width is 0");
  REFUSE (base_width, 1025, "base-width is 1025|1024");
  REFUSE (channels, 0, "channels is 0");
  REFUSE (channels, 5, "channels is 5|4");
  REFUSE (frames, 0, "frames is 0");
  REFUSE (frames, 1025, "frames is 1025");
  REFUSE (height, 0, "height is 0");
  REFUSE (width, 4097, "width is 4097");
  REFUSE (width, G_MAXUINT, "width");
  REFUSE (views, 33, "views is 33, but must be from 1 to 32");
  REFUSE (view_dropout, 1, "view-dropout is 1");
  REFUSE (view_dropout, -0.1f, "view-dropout");
  REFUSE (dropout, 1, "dropout is 1");
  REFUSE (dropout, -0.1f, "dropout");
  REFUSE (dropout, NAN, "dropout");
}

/* Inputs that a model does not read, and invalid combinations of streams. */
static void
test_input_errors (void)
{
  const Cnn3dNetworkParams rgb = { "r3d_18", 10, 64, 3, 8, 64, 64, 0 };
  Cnn3dNetworkParams good = rgb, p;

  p = rgb;
  p.model = "posec3d_slowonly";
  assert_refused (p, CNN3D_NETWORK_ERROR_UNKNOWN_MODEL,
      "model posec3d_slowonly reads key points: set input-type=kpt, with clipkpt in the pipeline; "
      "or "
      "to use frames as well, input-type=rgb+kpt and the model of the frames");
  p.input = CNN3D_INPUT_RGB_KPT;
  p.points = 17;
  p.persons = 2;
  p.heatmap_size = 56;
  p.heatmap_sigma = 0.6f;
  good = p;
  assert_refused (p, CNN3D_NETWORK_ERROR_UNKNOWN_MODEL,
      "model posec3d_slowonly is the key points' stream of input-type=rgb+kpt by itself: name the "
      "frames' model");
  p.model = "r3d_18";
  p.input = CNN3D_INPUT_KPT;
  assert_refused (p, CNN3D_NETWORK_ERROR_UNKNOWN_MODEL,
      "model r3d_18 reads frames: with input-type=kpt use model=posec3d_slowonly");
  good.model = "mc3_18";
  for (Cnn3dFusion fusion = 0; fusion <= CNN3D_FUSION_STEM; fusion++) {
    good.fusion = fusion;
    REFUSE (points, 0, "key points is 0|from 1");
    REFUSE (points, CNN3D_SKELETON_MOST + 1, "key points is 1025|1024");
    REFUSE (persons, 0, "persons is 0");
    REFUSE (persons, 65, "persons is 65|64");
    REFUSE (persons, G_MAXUINT, "persons");
    REFUSE (heatmap_size, 0, "heatmap-size is 0");
    REFUSE (heatmap_size, 513, "heatmap-size is 513|512");
    REFUSE (heatmap_sigma, 0, "heatmap-sigma is 0");
    REFUSE (heatmap_sigma, NAN, "heatmap-sigma");
    REFUSE (heatmap_sigma, INFINITY, "heatmap-sigma");
  }
  good.fusion = CNN3D_FUSION_MEAN;
  REFUSE (model, "slow_r50",
      "fusion=mean needs features of one length, but slow_r50 has 2048 and posec3d_slowonly 512: "
      "use "
      "fusion=concat or fusion=late");

  /* without key points their settings are ignored */
  p = rgb;
  p.points = p.persons = p.heatmap_size = G_MAXUINT;
  {
    g_autoptr (GError) error = NULL;
    Cnn3dNetwork *net = cnn3d_network_new (&p, &error);

    g_assert_no_error (error);
    g_assert_cmpuint (net->n_streams, ==, 1);
    cnn3d_network_free (&net);
  }
}

/* Every model accepts any clip of at least one pixel, because of padding. */
static void
test_smallest (void)
{
  for (guint m = 0; m < TEST_N_NETWORKS; m++)
    for (guint size = 1; size < 40; size++) {
      Cnn3dNetwork *net = build_kind (&test_networks[m], 2, 4, 1, size);

      check_graph (net);
      cnn3d_network_free (&net);
    }
}

/* --- initial weights --- */

static void
check_initial (const Cnn3dNetwork *net, guint i, gdouble mean, gdouble deviation)
{
  const gint64 n = net->weights[i].count;
  g_autofree gfloat *a = g_new (gfloat, n), *b = g_new (gfloat, n);
  gdouble sum = 0, squares = 0;

  cnn3d_network_initial (net, i, 42, a);
  cnn3d_network_initial (net, i, 42, b);
  g_assert_cmpmem (a, n * sizeof *a, b, n * sizeof *b);
  cnn3d_network_initial (net, i, 43, b);
  g_assert_cmpint (memcmp (a, b, n * sizeof *a) != 0, ==, deviation > 0);
  for (gint64 k = 0; k < n; k++) {
    sum += a[k];
    squares += (a[k] - mean) * (a[k] - mean);
  }
  /* five standard deviations of the sample mean and variance */
  g_assert_cmpfloat (fabs (sum / n - mean), <=, 5 * deviation / sqrt (n));
  g_assert_cmpfloat (
      fabs (squares / n - deviation * deviation), <=, 5 * deviation * deviation * sqrt (2.0 / n));
}

static void
test_initial (void)
{
  for (guint m = 0; m < TEST_N_NETWORKS; m++) {
    Cnn3dNetwork *net = build_kind (&test_networks[m], 10, 16, 4, 32);
    g_autofree gfloat *first = NULL, *second = NULL;

    for (guint i = 0; i < net->n_weights; i++) {
      const Cnn3dParam *p = &net->weights[i];

      switch (p->role) {
        case CNN3D_PARAM_CONV_WEIGHT:
          check_initial (
              net, i, 0, sqrt (2.0 / (p->shape[0] * p->shape[2] * p->shape[3] * p->shape[4])));
          break;
        case CNN3D_PARAM_LINEAR_WEIGHT:
          check_initial (net, i, 0, 0.01);
          break;
        case CNN3D_PARAM_NORM_WEIGHT:
        case CNN3D_PARAM_RUNNING_VAR:
          check_initial (net, i, 1, 0);
          break;
        default:
          check_initial (net, i, 0, 0);
      }
      /* two layers of the same size get different weights */
      for (guint k = 0; !second && p->role == CNN3D_PARAM_CONV_WEIGHT && k < i; k++)
        if (net->weights[k].role == p->role && net->weights[k].count == p->count) {
          first = g_new (gfloat, p->count);
          second = g_new (gfloat, p->count);
          cnn3d_network_initial (net, k, 1, first);
          cnn3d_network_initial (net, i, 1, second);
          g_assert_cmpint (memcmp (first, second, p->count * sizeof *first), !=, 0);
        }
    }
    g_assert_nonnull (second);
    cnn3d_network_free (&net);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/network/names", test_names);
  g_test_add_func ("/network/counts", test_counts);
  g_test_add_func ("/network/graph", test_graph);
  g_test_add_func ("/network/owns-name", test_owns_name);
  g_test_add_func ("/network/errors", test_errors);
  g_test_add_func ("/network/input-errors", test_input_errors);
  g_test_add_func ("/network/smallest", test_smallest);
  g_test_add_func ("/network/initial", test_initial);
  return g_test_run ();
}
