/* planreport.c: the output of `cnn3d plan`.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "src/bytes.h"
#include "src/comm/links.h"
#include "tool/plan.h"

static guint64
activations (const Cnn3dMemory *m)
{
  return m->arena - m->workspace;
}

/* The property assignments of a configuration, for a launch line; free with g_free(). */
static gchar *
settings (const ToolPlan *plan, const Cnn3dFit *fit, guint64 accumulate)
{
  const gboolean other = plan->params.convolution != CNN3D_CONVOLUTION_AUTO;

  return g_strdup_printf (
      "clipbatch batch-size=%u, cnn3dtrain precision=%s accumulate-grad-batches=%" G_GUINT64_FORMAT
      " recompute=%s%s%s",
      fit->micro_batch, cnn3d_choice_name (&cnn3d_precisions, plan->params.precision), accumulate,
      cnn3d_choice_name (&cnn3d_recomputes, fit->recompute), other ? " convolution=" : "",
      other ? cnn3d_choice_name (&cnn3d_convolutions, plan->params.convolution) : "");
}

static void
print_kind (const gchar *kind, guint64 bytes, const gchar *note)
{
  g_autofree gchar *text = cnn3d_format_bytes (bytes);

  printf ("  %-12s %12s %15" G_GUINT64_FORMAT "%s%s\n", kind, text, bytes, note ? "  " : "",
      note ? note : "");
}

static void
print_memory (const ToolPlan *plan)
{
  const Cnn3dMemory *m = &plan->fit.memory;
  g_autofree gchar *share = NULL;

  print_kind ("weights", m->weights, NULL);
  if (m->copy)
    print_kind ("copy", m->copy, "weights in half precision");
  if (m->gradients)
    print_kind ("gradients", m->gradients, NULL);
  else
    print_kind ("gradients", 0, "applied layer by layer: counted with activations");
  print_kind ("optimizer", m->optimizer, NULL);
  if (m->input)
    print_kind ("input", m->input, "batches as they come");
  print_kind ("activations", activations (m), "and their gradients");
  print_kind ("workspace", m->workspace, NULL);
  print_kind ("predicted", m->total, "what training takes, exactly");
  print_kind ("context", m->context, plan->context_source);
  if (m->exchange)
    print_kind ("exchange", m->exchange, "NCCL's buffers: an estimate");
  share = g_strdup_printf (
      "%.0f %% of the budget", 100.0 * cnn3d_memory_needs (&plan->fit.memory) / plan->budget);
  if (m->store)
    print_kind ("store", m->store, "not on the device: what waits for the backward pass");
  print_kind ("in all", cnn3d_memory_needs (&plan->fit.memory), share);
}

static void
print_knob (const ToolPlan *plan, const gchar *setting, const Cnn3dFit *fit, const gchar *changes)
{
  g_autofree gchar *bytes = cnn3d_format_bytes (cnn3d_memory_needs (&fit->memory));

  printf ("  %-42s %11s %+6.0f %% %7.2f  %-4s %s\n", setting, bytes,
      100.0
          * ((gdouble) cnn3d_memory_needs (&fit->memory) / cnn3d_memory_needs (&plan->fit.memory)
              - 1),
      fit->seconds / plan->fit.seconds, tool_plan_fits (plan, fit) ? "yes" : "no", changes);
}

static const gchar *
or_more (guint clips)
{
  return clips == CNN3D_FIT_MOST_CLIPS ? " or more" : "";
}

/* Of what the network sees: "16x112x112", "3 views of 16x112x112", or "16 frames of 17 key points of 2 persons in 56x56"; free
 * with g_free(). */
static gchar *
clip_text (const Cnn3dNetworkParams *n)
{
  GString *text = g_string_new (NULL);

  if (cnn3d_network_views (n) > 1)
    g_string_append_printf (text, "%u views of ", n->views);
  if (cnn3d_network_sees_frames (n))
    g_string_append_printf (text, "%ux%ux%u", n->frames, n->height, n->width);
  else
    g_string_append_printf (text, "%u frames", n->frames);
  if (cnn3d_network_sees_points (n)) {
    g_string_append_printf (text, "%s %u key points of %u person%s",
        cnn3d_network_sees_frames (n) ? " and" : " of", n->points, n->persons,
        n->persons == 1 ? "" : "s");
    if (!cnn3d_network_stacks_points (n))
      g_string_append_printf (text, " in %ux%u", n->heatmap_size, n->heatmap_size);
  }
  return g_string_free (text, FALSE);
}

static void
print_copied (const ToolPlan *plan, const gchar *what, const Cnn3dFit *fit)
{
  Cnn3dDeviceSpeed speed;
  g_autofree gchar *store = cnn3d_format_bytes (fit->memory.store);

  if (!fit->memory.store)
    return;
  plan->backend->speed (plan->device, fit->precision, &speed);
  printf ("%s: %s of %s; of a step, by count, copies take %.0f %% at %.1f GB/s, and are waited for "
          "%.0f %%.\n",
      what, store, plan->backend->stores_in_file ? "a temporary file" : "pinned host memory",
      100 * fit->copied / speed.link_bytes_per_second / fit->seconds,
      speed.link_bytes_per_second / 1e9, 100 * fit->stall / fit->seconds);
}

/* What a step's exchange between ranks takes. */
static void
print_sent (const ToolPlan *plan)
{
  const Cnn3dExchange *x = plan->exchange;
  g_autofree gchar *bytes = NULL, *beside = NULL, *after = NULL;

  if (!x)
    return;
  bytes = cnn3d_format_bytes (x->sent);
  beside = cnn3d_format_bytes (x->beside);
  after = cnn3d_format_bytes (x->sent - x->beside);
  printf ("Each of %u processes sends %s for a step: ", x->ranks, bytes);
  if (x->beside)
    printf ("%s in %u buckets of gradients, while the others are computed, and %s after that.\n\n",
        beside, x->buckets->len - 1, after);
  else
    printf ("%s; nothing of that is hidden behind the computation.\n\n",
        plan->fit.sum_calls
            ? "batch norm's sums between its layers and the rest after the backward pass"
            : "gradients and weights after the backward pass");
  printf ("  %-14s %16s %16s   %s\n", "by count", "seconds a step", "never hidden",
      "at least 90 % of the speed if");
  for (const Cnn3dLinkSpeed *l = cnn3d_links; l->name; l++)
    printf ("  %-14s %16.3g %16.3g   a step computes for %.3g s or more\n", l->name,
        x->sent / l->bytes_per_second, cnn3d_exchange_least (x, l->bytes_per_second),
        cnn3d_exchange_suffices (x, l->bytes_per_second));
  puts ("");
}

/* What recompute=offload takes beside the device's memory. */
static void
print_copies (const ToolPlan *plan)
{
  print_copied (plan, "recompute=offload", &plan->fit);
  for (guint i = 0; i < plan->knobs->len; i++) {
    const ToolKnob *k = &g_array_index (plan->knobs, ToolKnob, i);

    if (!strcmp (k->setting, "recompute=offload"))
      print_copied (plan, k->setting, &k->fit);
  }
}

void
tool_plan_print (const ToolPlan *plan)
{
  const Cnn3dNetworkParams *n = &plan->params.network;
  g_autofree gchar *budget = cnn3d_format_bytes (plan->budget);
  g_autofree gchar *split = tool_plan_changes (plan, &plan->fit, NULL), *clip = clip_text (n);

  printf ("%s, %s, batch %u, accumulated %u times: %u clips a step, precision %s\n", n->model, clip,
      plan->batch, plan->params.accumulate, plan->batch * plan->params.accumulate,
      cnn3d_choice_name (&cnn3d_precisions, plan->fit.precision));
  printf ("%s; budget %s\n\n", plan->backend->describe (plan->device), budget);
  printf ("With recompute=%s", cnn3d_choice_name (&cnn3d_recomputes, plan->fit.recompute));
  if (plan->fit.micro_batch != plan->batch)
    printf (" in micro-batches of %u", plan->fit.micro_batch);
  printf (" it %s:\n", plan->fits ? "fits" : "does not fit");
  print_memory (plan);
  if (plan->fit.evaluation_batch < plan->backend->evaluation_slice)
    printf ("A validation would run %u clips at once, as there is no memory for %u: other last "
            "digits.\n",
        plan->fit.evaluation_batch, plan->backend->evaluation_slice);

  printf ("\n  %-42s %11s %8s %7s  %-4s %s\n", "one setting changed", "in all", "memory", "time",
      "fits", "what it changes");
  print_knob (plan, "(as asked for)", &plan->fit, split ? split : "");
  for (guint i = 0; i < plan->knobs->len; i++) {
    const ToolKnob *k = &g_array_index (plan->knobs, ToolKnob, i);

    print_knob (plan, k->setting, &k->fit, k->changes);
  }
  printf ("\nThe largest batch in one piece: ");
  for (Cnn3dRecompute r = CNN3D_RECOMPUTE_NONE; r < CNN3D_RECOMPUTE_AUTO; r++)
    printf ("%s%u%s%s with %s%s", r ? ", " : "", plan->largest[r], or_more (plan->largest[r]),
        r ? "" : " clips", r ? "" : "recompute=", cnn3d_choice_name (&cnn3d_recomputes, r));
  printf (".\n");
  print_copies (plan);
  print_sent (plan);
  if (plan->best_accumulate) {
    g_autofree gchar *line = settings (plan, &plan->best, plan->best_accumulate);
    g_autofree gchar *bytes = cnn3d_format_bytes (cnn3d_memory_needs (&plan->best.memory));

    printf ("Recommended for %u clips a step: %s (%s, time %.2f).\n",
        plan->batch * plan->params.accumulate, line, bytes, plan->best.seconds / plan->fit.seconds);
  } else {
    printf ("Nothing fits with these sizes: fewer frames, a smaller size or a smaller network are "
            "needed.\n");
  }
  printf (
      "Time is by count of multiply-adds and bytes, as a share: measure before you rely on it.\n");
}

/* --- JSON --- */

static void
add_int (JsonBuilder *b, const gchar *name, guint64 value)
{
  json_builder_set_member_name (b, name);
  json_builder_add_int_value (b, value);
}

static void
add_text (JsonBuilder *b, const gchar *name, const gchar *value)
{
  json_builder_set_member_name (b, name);
  if (value)
    json_builder_add_string_value (b, value);
  else
    json_builder_add_null_value (b);
}

static void
add_bool (JsonBuilder *b, const gchar *name, gboolean value)
{
  json_builder_set_member_name (b, name);
  json_builder_add_boolean_value (b, value);
}

/* Members of one configuration; time: relative to the requested one. */
static void
add_fit (JsonBuilder *b, const ToolPlan *plan, const Cnn3dFit *f)
{
  const Cnn3dMemory *m = &f->memory;

  add_int (b, "batch-size", f->micro_batch);
  add_int (b, "validation-batch", f->evaluation_batch);
  add_text (b, "recompute", cnn3d_choice_name (&cnn3d_recomputes, f->recompute));
  add_text (b, "precision", cnn3d_choice_name (&cnn3d_precisions, f->precision));
  add_bool (b, "fits", tool_plan_fits (plan, f));
  add_int (b, "bytes", cnn3d_memory_needs (&f->memory));
  add_int (b, "predicted-bytes", m->total);
  add_int (b, "context-bytes", m->context);
  add_int (b, "weights-bytes", m->weights);
  add_int (b, "copy-bytes", m->copy);
  add_int (b, "gradients-bytes", m->gradients);
  add_int (b, "optimizer-bytes", m->optimizer);
  add_int (b, "input-bytes", m->input);
  add_int (b, "activations-bytes", activations (m));
  add_int (b, "workspace-bytes", m->workspace);
  add_int (b, "exchange-bytes", m->exchange);
  add_int (b, "store-bytes", m->store);
  add_int (b, "sent-bytes", f->sent);
  json_builder_set_member_name (b, "time");
  json_builder_add_double_value (b, f->seconds / plan->fit.seconds);
  json_builder_set_member_name (b, "multiply-adds");
  json_builder_add_double_value (b, f->macs);
  json_builder_set_member_name (b, "activation-traffic-bytes");
  json_builder_add_double_value (b, f->bytes);
  json_builder_set_member_name (b, "copied-bytes");
  json_builder_add_double_value (b, f->copied);
  json_builder_set_member_name (b, "copies-waited-for");
  json_builder_add_double_value (b, f->stall / f->seconds);
}

void
tool_plan_json (const ToolPlan *plan, const Cnn3dNetwork *net, JsonBuilder *b)
{
  const Cnn3dNetworkParams *n = &plan->params.network;

  json_builder_begin_object (b);
  add_text (b, "gpu", plan->gpu);
  add_text (b, "device", plan->backend->describe (plan->device));
  add_int (b, "budget-bytes", plan->budget);
  add_text (b, "context-source", plan->context_source);
  add_text (b, "convolution", cnn3d_choice_name (&cnn3d_convolutions, plan->params.convolution));
  add_int (b, "world-size", plan->params.ranks);
  add_text (b, "model", n->model);
  add_int (b, "num-frames", n->frames);
  if (cnn3d_network_views (n) > 1) {
    add_int (b, "views", n->views);
    add_text (b, "view-fusion", cnn3d_choice_name (&cnn3d_view_fusions, n->view_fusion));
  }
  if (cnn3d_network_sees_points (n)) {
    add_int (b, "keypoints", n->points);
    add_int (b, "persons", n->persons);
  }
  add_int (b, "height", n->height);
  add_int (b, "width", n->width);
  add_int (b, "clips-per-step", (guint64) plan->batch * plan->params.accumulate);
  add_int (b, "accumulate-grad-batches", plan->params.accumulate);
  add_int (b, "sent-beside-bytes", plan->exchange ? plan->exchange->beside : 0);
  json_builder_set_member_name (b, "links");
  json_builder_begin_array (b);
  for (const Cnn3dLinkSpeed *l = cnn3d_links; l->name; l++) {
    json_builder_begin_object (b);
    add_text (b, "link", l->name);
    json_builder_set_member_name (b, "sent-seconds");
    json_builder_add_double_value (b, plan->fit.sent / l->bytes_per_second);
    json_builder_set_member_name (b, "never-hidden-seconds");
    json_builder_add_double_value (
        b, plan->exchange ? cnn3d_exchange_least (plan->exchange, l->bytes_per_second) : 0);
    json_builder_set_member_name (b, "suffices-seconds");
    json_builder_add_double_value (
        b, plan->exchange ? cnn3d_exchange_suffices (plan->exchange, l->bytes_per_second) : 0);
    json_builder_end_object (b);
  }
  json_builder_end_array (b);
  json_builder_set_member_name (b, "asked");
  json_builder_begin_object (b);
  add_fit (b, plan, &plan->fit);
  json_builder_end_object (b);
  json_builder_set_member_name (b, "knobs");
  json_builder_begin_array (b);
  for (guint i = 0; i < plan->knobs->len; i++) {
    const ToolKnob *k = &g_array_index (plan->knobs, ToolKnob, i);

    json_builder_begin_object (b);
    add_text (b, "setting", k->setting);
    add_text (b, "changes", k->changes);
    add_fit (b, plan, &k->fit);
    json_builder_end_object (b);
  }
  json_builder_end_array (b);
  json_builder_set_member_name (b, "largest-batch");
  json_builder_begin_object (b);
  for (Cnn3dRecompute r = CNN3D_RECOMPUTE_NONE; r < CNN3D_RECOMPUTE_AUTO; r++)
    add_int (b, cnn3d_choice_name (&cnn3d_recomputes, r), plan->largest[r]);
  json_builder_end_object (b);
  json_builder_set_member_name (b, "recommended");
  if (plan->best_accumulate) {
    g_autofree gchar *line = settings (plan, &plan->best, plan->best_accumulate);

    json_builder_begin_object (b);
    add_text (b, "settings", line);
    add_int (b, "accumulate-grad-batches", plan->best_accumulate);
    add_fit (b, plan, &plan->best);
    json_builder_end_object (b);
  } else {
    json_builder_add_null_value (b);
  }
  if (plan->roofline)
    tool_plan_json_roofline (plan, net, b);
  json_builder_end_object (b);
}
