/* planroofline.c: the output of `cnn3d plan --roofline`.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "tool/plan.h"

/* In the order of the columns. Recomputation is shown if there is any; updates have a separate
 * row. */
static const struct {
  Cnn3dPhase phase;
  const gchar *title, *json;
} columns[] = {
  { CNN3D_PHASE_FORWARD, "forward", "forward" },
  { CNN3D_PHASE_RECOMPUTE, "again", "recompute" },
  { CNN3D_PHASE_BACKWARD, "data", "backward-data" },
  { CNN3D_PHASE_BACKWARD_WEIGHTS, "weights", "backward-weights" },
};

typedef struct {
  const Cnn3dRoofline *roofline;
  const Cnn3dNetwork *net;
  const Cnn3dRates *rates;
  guint clips;                              /* per optimizer step */
  gboolean again;                           /* something is recomputed */
  gint width;                               /* of the longest name */
  Cnn3dRooflineOp all, update;              /* all: without updates */
  gdouble convolutions, norms, fused_norms; /* seconds */
  gdouble moving; /* fraction of all seconds that is bound by memory traffic */
  gdouble seconds, fused;
} Table;

/* Named after the weights; free with g_free(). */
static gchar *
op_name (const Cnn3dNetwork *net, guint i)
{
  static const gchar *const kinds[] = {
    [CNN3D_OP_INPUT] = "input",
    [CNN3D_OP_MAX_POOL] = "max pool",
    [CNN3D_OP_GLOBAL_POOL] = "mean",
    [CNN3D_OP_DROPOUT] = "dropout",
    [CNN3D_OP_CONCAT] = "concat",
    [CNN3D_OP_MEAN] = "fusion",
    [CNN3D_OP_VIEWS] = "views",
    [CNN3D_OP_LOSS] = "loss",
  };
  const Cnn3dOp *op = &net->ops[i];
  const gchar *weight = op->weight >= 0 ? net->weights[op->weight].name : NULL;

  return weight ? g_strndup (weight, strlen (weight) - strlen (".weight"))
                : g_strdup (kinds[op->kind]);
}

/* Without its update, which has a separate row. */
static Cnn3dRooflineOp
without_update (const Cnn3dRooflineOp *op)
{
  Cnn3dRooflineOp rest = *op;

  rest.bytes[CNN3D_PHASE_UPDATE] = rest.fused_bytes[CNN3D_PHASE_UPDATE] = 0;
  return rest;
}

static void
add_up (Cnn3dRooflineOp *all, const Cnn3dRooflineOp *op)
{
  for (gint p = 0; p < CNN3D_N_PHASES; p++) {
    all->flops[p] += op->flops[p];
    all->bytes[p] += op->bytes[p];
    all->fused_bytes[p] += op->fused_bytes[p];
  }
}

static void
fill_table (Table *t, const ToolPlan *plan, const Cnn3dNetwork *net)
{
  *t = (Table) { .roofline = plan->roofline,
    .net = net,
    .rates = &plan->rates,
    .clips = plan->batch * plan->params.accumulate,
    .width = strlen ("update (1000000 MB)") };
  for (guint i = 0; i < net->n_ops; i++) {
    g_autofree gchar *name = op_name (net, i);
    const Cnn3dRooflineOp op = without_update (&t->roofline->ops[i]);
    gboolean by_bytes;
    const gdouble seconds = cnn3d_roofline_op_seconds (&op, t->rates, FALSE, &by_bytes);

    t->width = MAX (t->width, (gint) strlen (name));
    add_up (&t->all, &op);
    t->update.bytes[CNN3D_PHASE_UPDATE] += t->roofline->ops[i].bytes[CNN3D_PHASE_UPDATE];
    t->again |= op.bytes[CNN3D_PHASE_RECOMPUTE] > 0;
    t->fused += cnn3d_roofline_op_seconds (&op, t->rates, TRUE, NULL);
    t->seconds += seconds;
    t->moving += by_bytes ? seconds : 0;
    if (net->ops[i].kind == CNN3D_OP_NORM) {
      t->norms += seconds;
      t->fused_norms += cnn3d_roofline_op_seconds (&op, t->rates, TRUE, NULL);
    } else if (net->ops[i].kind == CNN3D_OP_CONV) {
      t->convolutions += seconds;
    }
  }
  t->update.fused_bytes[CNN3D_PHASE_UPDATE] = t->update.bytes[CNN3D_PHASE_UPDATE];
  t->seconds += cnn3d_roofline_op_seconds (&t->update, t->rates, FALSE, NULL);
  t->moving += cnn3d_roofline_op_seconds (&t->update, t->rates, FALSE, NULL);
  t->fused += cnn3d_roofline_op_seconds (&t->update, t->rates, FALSE, NULL);
}

/* --- text --- */

/* A number, or blank if there is none. */
static void
print_figure (gdouble value, gdouble unit, gint digits)
{
  if (value > 0)
    printf (" %8.*f", digits, value / unit);
  else
    printf (" %8s", "");
}

static void
print_row (const Table *t, const gchar *name, const Cnn3dRooflineOp *op, gdouble seconds,
    gdouble fused, const gchar *binds)
{
  printf ("%-*s", t->width, name);
  for (guint k = 0; k < G_N_ELEMENTS (columns); k++)
    if (t->again || columns[k].phase != CNN3D_PHASE_RECOMPUTE)
      print_figure (op->flops[columns[k].phase], 1e9, 1);
  for (guint k = 0; k < G_N_ELEMENTS (columns); k++)
    if (t->again || columns[k].phase != CNN3D_PHASE_RECOMPUTE)
      print_figure (op->bytes[columns[k].phase], 1e6, 1);
  printf (
      " %9.4f %9.4f  %-5s %6.2f\n", seconds * 1e3, fused * 1e3, binds, 100 * seconds / t->seconds);
}

static void
print_head (const Table *t)
{
  const gint width = 9 * (t->again ? 4 : 3);

  printf ("%-*s %*s %*s %9s %9s\n", t->width, "", width - 1, "GFLOP", width - 1, "MB", "floor ms",
      "fused ms");
  printf ("%-*s", t->width, "layer");
  for (gint group = 0; group < 2; group++)
    for (guint k = 0; k < G_N_ELEMENTS (columns); k++)
      if (t->again || columns[k].phase != CNN3D_PHASE_RECOMPUTE)
        printf (" %8s", columns[k].title);
  printf (" %9s %9s  %-5s %6s\n", "", "", "binds", "%");
}

/* The update has no column: all its time is memory traffic. */
static void
print_update (const Table *t)
{
  const gdouble seconds = cnn3d_roofline_op_seconds (&t->update, t->rates, FALSE, NULL);
  g_autofree gchar *name =
      g_strdup_printf ("update (%.1f MB)", t->update.bytes[CNN3D_PHASE_UPDATE] / 1e6);

  print_row (t, name, &(Cnn3dRooflineOp) { { 0 } }, seconds, seconds, "bytes");
}

static gdouble
sum (const gdouble values[CNN3D_N_PHASES])
{
  gdouble all = 0;

  for (gint p = 0; p < CNN3D_N_PHASES; p++)
    all += values[p];
  return all;
}

void
tool_plan_print_roofline (const ToolPlan *plan, const Cnn3dNetwork *net)
{
  const Cnn3dNetworkParams *n = &plan->params.network;
  const Cnn3dMoves plain = cnn3d_roofline_moves (plan->roofline, FALSE);
  const Cnn3dMoves fused = cnn3d_roofline_moves (plan->roofline, TRUE);
  g_autofree gchar *views =
      cnn3d_network_views (n) > 1 ? g_strdup_printf ("%u views of ", n->views) : NULL;
  Table t;

  fill_table (&t, plan, net);
  printf (
      "%s, %s%ux%ux%u, batch %u, accumulated %u times: %u clips a step, precision %s, recompute=%s",
      n->model, views ? views : "", n->frames, n->height, n->width, plan->batch,
      plan->params.accumulate, t.clips, cnn3d_choice_name (&cnn3d_precisions, plan->fit.precision),
      cnn3d_choice_name (&cnn3d_recomputes, plan->fit.recompute));
  if (plan->fit.micro_batch != plan->batch)
    printf (" in micro-batches of %u", plan->fit.micro_batch);
  printf ("\n%s; at best %.1f TFLOP/s and %.0f GB/s\n\n", plan->backend->describe (plan->device),
      t.rates->flops_per_second / 1e12, t.rates->bytes_per_second / 1e9);
  print_head (&t);
  for (guint i = 0; i < net->n_ops; i++) {
    const Cnn3dRooflineOp op = without_update (&t.roofline->ops[i]);
    g_autofree gchar *name = op_name (net, i);
    gboolean by_bytes;
    const gdouble seconds = cnn3d_roofline_op_seconds (&op, t.rates, FALSE, &by_bytes);

    print_row (&t, name, &op, seconds, cnn3d_roofline_op_seconds (&op, t.rates, TRUE, NULL),
        by_bytes ? "bytes" : "FLOPs");
  }
  print_update (&t);
  print_row (
      &t, "in all", &t.all, t.seconds, t.fused, t.moving > t.seconds / 2 ? "bytes" : "FLOPs");
  printf ("\nA step: %.1f GFLOP, %.2f GB (%.2f GB fused). Floor %.3f ms, %.1f clips/s; fused %.3f "
          "ms, %.1f clips/s.\n",
      sum (t.all.flops) / 1e9, (sum (t.all.bytes) + sum (t.update.bytes)) / 1e9,
      (sum (t.all.fused_bytes) + sum (t.update.bytes)) / 1e9, t.seconds * 1e3, t.clips / t.seconds,
      t.fused * 1e3, t.clips / t.fused);
  printf ("Convolutions %.3f ms; batch norm, ReLU and residual %.3f ms, fused %.3f ms; the rest "
          "%.3f ms.\n",
      t.convolutions * 1e3, t.norms * 1e3, t.fused_norms * 1e3,
      (t.seconds - t.convolutions - t.norms) * 1e3);
  printf ("Batch norm, ReLU and residual move an activation at most %g times forward and %g times "
          "backward, fused %g and %g.\n",
      plain.forward, plain.backward, fused.forward, fused.backward);
  printf ("Both floors are counted, with the device's peak rates: a run takes longer.\n");
}

/* --- JSON --- */

static void
add_number (JsonBuilder *b, const gchar *name, gdouble value)
{
  json_builder_set_member_name (b, name);
  json_builder_add_double_value (b, value);
}

static void
add_moves (JsonBuilder *b, const gchar *name, const Cnn3dMoves *m)
{
  json_builder_set_member_name (b, name);
  json_builder_begin_object (b);
  add_number (b, "forward", m->forward);
  add_number (b, "backward", m->backward);
  json_builder_end_object (b);
}

static void
add_counts (JsonBuilder *b, const gchar *name, const gdouble values[CNN3D_N_PHASES])
{
  json_builder_set_member_name (b, name);
  json_builder_begin_object (b);
  for (guint k = 0; k < G_N_ELEMENTS (columns); k++)
    add_number (b, columns[k].json, values[columns[k].phase]);
  add_number (b, "update", values[CNN3D_PHASE_UPDATE]);
  json_builder_end_object (b);
}

static void
add_op (JsonBuilder *b, const Table *t, guint i)
{
  static const gchar *const kinds[] = {
    [CNN3D_OP_INPUT] = "input",
    [CNN3D_OP_CONV] = "convolution",
    [CNN3D_OP_NORM] = "batch-norm",
    [CNN3D_OP_MAX_POOL] = "max-pool",
    [CNN3D_OP_GLOBAL_POOL] = "mean",
    [CNN3D_OP_DROPOUT] = "dropout",
    [CNN3D_OP_LINEAR] = "linear",
    [CNN3D_OP_CONCAT] = "concat",
    [CNN3D_OP_MEAN] = "fusion",
    [CNN3D_OP_VIEWS] = "views",
    [CNN3D_OP_LOSS] = "loss",
  };
  const Cnn3dRooflineOp *op = &t->roofline->ops[i];
  const Cnn3dRooflineOp rest = without_update (op);
  g_autofree gchar *name = op_name (t->net, i);
  gboolean by_bytes;

  json_builder_begin_object (b);
  json_builder_set_member_name (b, "layer");
  json_builder_add_string_value (b, name);
  json_builder_set_member_name (b, "kind");
  json_builder_add_string_value (b, kinds[t->net->ops[i].kind]);
  add_counts (b, "flops", op->flops);
  add_counts (b, "bytes", op->bytes);
  add_counts (b, "fused-bytes", op->fused_bytes);
  add_number (b, "seconds", cnn3d_roofline_op_seconds (&rest, t->rates, FALSE, &by_bytes));
  add_number (b, "fused-seconds", cnn3d_roofline_op_seconds (&rest, t->rates, TRUE, NULL));
  add_number (b, "share", cnn3d_roofline_op_seconds (&rest, t->rates, FALSE, NULL) / t->seconds);
  json_builder_set_member_name (b, "binds");
  json_builder_add_string_value (b, by_bytes ? "bytes" : "flops");
  if (t->net->ops[i].kind == CNN3D_OP_NORM) {
    add_moves (b, "moves", &op->moves);
    add_moves (b, "fused-moves", &op->fused_moves);
  }
  json_builder_end_object (b);
}

void
tool_plan_json_roofline (const ToolPlan *plan, const Cnn3dNetwork *net, JsonBuilder *b)
{
  const Cnn3dMoves plain = cnn3d_roofline_moves (plan->roofline, FALSE);
  const Cnn3dMoves fused = cnn3d_roofline_moves (plan->roofline, TRUE);
  Table t;

  fill_table (&t, plan, net);
  add_up (&t.all, &t.update);
  json_builder_set_member_name (b, "roofline");
  json_builder_begin_object (b);
  add_number (b, "flops-per-second", t.rates->flops_per_second);
  add_number (b, "bytes-per-second", t.rates->bytes_per_second);
  add_number (b, "clips", t.clips);
  add_counts (b, "flops", t.all.flops);
  add_counts (b, "bytes", t.all.bytes);
  add_counts (b, "fused-bytes", t.all.fused_bytes);
  add_number (b, "seconds", t.seconds);
  add_number (b, "fused-seconds", t.fused);
  add_number (b, "update-seconds", cnn3d_roofline_op_seconds (&t.update, t.rates, FALSE, NULL));
  add_number (b, "clips-per-second", t.clips / t.seconds);
  add_number (b, "fused-clips-per-second", t.clips / t.fused);
  add_moves (b, "moves", &plain);
  add_moves (b, "fused-moves", &fused);
  json_builder_set_member_name (b, "layers");
  json_builder_begin_array (b);
  for (guint i = 0; i < net->n_ops; i++)
    add_op (b, &t, i);
  json_builder_end_array (b);
  json_builder_end_object (b);
}
