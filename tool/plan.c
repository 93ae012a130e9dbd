/* cnn3d plan: what training takes, on the device that is here or on a GPU that
 * need not be, and which setting to use.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool/plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "src/config/config.h"
#include "src/plan/gpus.h"
#include "tool/tool.h"

/* --- the command line --- */

#define UNSET G_MININT

typedef struct {
  gchar *config;
  gchar *model, *size, *precision, *convolution, *recompute, *optimizer, *budget, *device, *freeze;
  gchar **gpus;
  gint frames, batch, accumulate, classes, base_width;
  gint threads, chunk;          /* by the configuration alone; 0: all, none */
  gdouble clip, momentum;
  gboolean auto_fit, json, roofline;
} Options;

/* What an option is where it is not given: the configuration's value, or ours. */
static const struct {
  gsize string, number;         /* offset into Options; 0: the other */
  const gchar *key, *fallback;
} defaults[] = {
  {G_STRUCT_OFFSET (Options, model), 0, "model.backbone", "r3d_18"},
  {G_STRUCT_OFFSET (Options, size), 0, "data.img_size", "112"},
  {G_STRUCT_OFFSET (Options, precision), 0, "trainer.precision", "32"},
  {G_STRUCT_OFFSET (Options, convolution), 0, "trainer.convolution", "auto"},
  {G_STRUCT_OFFSET (Options, recompute), 0, "train.recompute", "auto"},
  {G_STRUCT_OFFSET (Options, optimizer), 0, "loss.optimizer", "sgd"},
  {G_STRUCT_OFFSET (Options, budget), 0, "train.max_memory", "0"},
  {G_STRUCT_OFFSET (Options, freeze), 0, "model.freeze", NULL},
  {0, G_STRUCT_OFFSET (Options, frames), "data.num_frames", "16"},
  {0, G_STRUCT_OFFSET (Options, batch), "data.batch_size", "4"},
  {0, G_STRUCT_OFFSET (Options, accumulate), "train.accumulate_grad_batches", "1"},
  {0, G_STRUCT_OFFSET (Options, classes), "model.model_class_num", "400"},
  {0, G_STRUCT_OFFSET (Options, base_width), "model.base_width", "64"},
};

static gboolean
fill_in (Options *o, GError **error)
{
  Cnn3dConfig *config = cnn3d_config_new ();
  const gboolean ok = !o->config || cnn3d_config_load (config, o->config, error);

  for (guint i = 0; ok && i < G_N_ELEMENTS (defaults); i++) {
    const gchar *value = o->config ? cnn3d_config_get (config, defaults[i].key) : NULL;
    gchar **string = &G_STRUCT_MEMBER (gchar *, o, defaults[i].string);
    gint *number = &G_STRUCT_MEMBER (gint, o, defaults[i].number);

    /* a model_class_num of 0 is what upstream tells: here nobody does */
    if (!value || (defaults[i].number && !strcmp (value, "0")))
      value = defaults[i].fallback;
    if (defaults[i].number && *number == UNSET)
      *number = g_ascii_strtoll (value, NULL, 10);
    else if (!defaults[i].number && !*string)
      *string = g_strdup (value);
  }
  if (ok && o->config) {
    o->auto_fit |= !g_strcmp0 (cnn3d_config_get (config, "train.auto_fit"), "true");
    if (o->clip == UNSET)
      o->clip = g_ascii_strtod (cnn3d_config_get (config, "trainer.gradient_clip_val"), NULL);
    o->momentum = g_ascii_strtod (cnn3d_config_get (config, "loss.momentum"), NULL);
    o->threads = g_ascii_strtoll (cnn3d_config_get (config, "trainer.threads"), NULL, 10);
    if (!g_strcmp0 (cnn3d_config_get (config, "train.use_chunking_in_train"), "true"))
      o->chunk = g_ascii_strtoll (cnn3d_config_get (config, "data.video_batch_size"), NULL, 10);
  }
  if (o->clip == UNSET)
    o->clip = 0;
  cnn3d_config_free (&config);
  return ok;
}

static gboolean
choose (const gchar *option, const gchar *value, const gchar *const *names, gint *chosen, GError **error)
{
  for (*chosen = 0; names[*chosen]; (*chosen)++)
    if (!strcmp (value, names[*chosen]))
      return TRUE;

  g_autofree gchar *all = g_strjoinv (", ", (gchar **) names);

  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--%s=%s: use one of %s", option, value, all);
  return FALSE;
}

static gboolean
in_range (const gchar *option, gint value, gint least, gint most, GError **error)
{
  if (value >= least && value <= most)
    return TRUE;
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--%s=%d: give %d to %d", option, value, least, most);
  return FALSE;
}

/* 112, or 128x171: height and width. */
static gboolean
parse_size (const gchar *text, guint *height, guint *width, GError **error)
{
  gchar *end;
  guint64 h = g_ascii_strtoull (text, &end, 10), w = h;

  if (*end == 'x')
    w = g_ascii_strtoull (end + 1, &end, 10);
  if (!g_ascii_isdigit (*text) || *end || h < 1 || w < 1 || h > 16384 || w > 16384) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "--size=%s: give pixels, as 112 or, height first, 128x171", text);
    return FALSE;
  }
  *height = h;
  *width = w;
  return TRUE;
}

static gboolean
to_params (const Options *o, Cnn3dTrainerParams *p, GError **error)
{
  static const gchar *const precisions[] = { "32", "16-mixed", "bf16-mixed", "16", NULL };
  static const gchar *const convolutions[] = { "auto", "direct", "winograd", NULL };
  static const gchar *const recomputes[] = { "none", "bn", "block", "auto", NULL };
  static const gchar *const optimizers[] = { "sgd", "adam", "adamw", NULL };
  gint precision, convolution, recompute, optimizer;

  if (!parse_size (o->size, &p->network.height, &p->network.width, error)
      || !choose ("precision", o->precision, precisions, &precision, error)
      || !choose ("convolution", o->convolution, convolutions, &convolution, error)
      || !choose ("recompute", o->recompute, recomputes, &recompute, error)
      || !choose ("optimizer", o->optimizer, optimizers, &optimizer, error)
      || !in_range ("num-frames", o->frames, 1, 4096, error) || !in_range ("batch-size", o->batch, 1, 4096, error)
      || !in_range ("accumulate-grad-batches", o->accumulate, 1, 1000000, error)
      || !in_range ("num-classes", o->classes, 2, 1000000, error)
      || !in_range ("base-width", o->base_width, 1, 1024, error))
    return FALSE;
  if (o->budget && !cnn3d_parse_bytes (o->budget, &p->max_memory)) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "--budget=%s: give bytes, or a number with a unit such as 8GiB or 800MiB", o->budget);
    return FALSE;
  }
  if (!(o->clip >= 0 && o->clip <= G_MAXFLOAT)) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "--gradient-clip-val=%g: give a number from 0, which means no clipping", o->clip);
    return FALSE;
  }
  p->network.model = o->model;
  p->network.num_classes = o->classes;
  p->network.base_width = o->base_width;
  p->network.frames = o->frames;
  p->precision = precision == 3 ? CNN3D_PRECISION_16_MIXED : (Cnn3dPrecision) precision;
  p->convolution = (Cnn3dConvolution) convolution;
  p->recompute = (Cnn3dRecompute) recompute;
  p->optimizer = (Cnn3dUpdateRule) optimizer;
  p->accumulate = o->accumulate;
  p->gradient_clip = o->clip;
  p->momentum = o->momentum;
  p->threads = o->threads;
  p->micro_batch = o->chunk;
  p->freeze = o->freeze;
  p->auto_fit = o->auto_fit;
  return TRUE;
}

/* --- what is worth knowing --- */

/* Clips that run at once where nothing needs to be made to fit. */
static guint
micro_batch (const Cnn3dTrainerParams *params, guint batch)
{
  return params->micro_batch ? MIN (params->micro_batch, batch) : batch;
}

/* The quickest way that fits of those that are allowed or, where none does, the
 * whole batch with the recomputation that takes least. seconds: made those of a
 * whole step's clips. */
static gboolean
measure (const ToolPlan *plan, const Cnn3dTrainerParams *params, guint batch, Cnn3dFit *fit)
{
  const Cnn3dRecompute first = params->recompute == CNN3D_RECOMPUTE_AUTO ? CNN3D_RECOMPUTE_NONE : params->recompute;
  const Cnn3dRecompute last = params->recompute == CNN3D_RECOMPUTE_AUTO ? CNN3D_RECOMPUTE_BLOCK : params->recompute;

  if (params->auto_fit && cnn3d_fit_choose (plan->backend, plan->device, params, batch, fit, NULL)) {
    fit->seconds *= params->accumulate;
    return TRUE;
  }
  for (Cnn3dRecompute r = first; r <= last; r++) {
    if (!cnn3d_fit_measure (plan->backend, plan->device, params, batch, micro_batch (params, batch), r, fit, NULL))
      return FALSE;
    fit->seconds *= params->accumulate;
    if (cnn3d_fit_needs (fit) <= plan->budget)
      break;
  }
  return TRUE;
}

gchar *
tool_plan_changes (const ToolPlan *plan, const Cnn3dFit *fit, const gchar *changes)
{
  const gboolean fewer = fit->micro_batch < micro_batch (&plan->params, plan->batch);
  g_autofree gchar *norm = NULL;

  if (!fewer)
    return g_strdup (changes);
  norm = cnn3d_freezes_norm (plan->params.freeze) ? g_strdup ("order of sums")
      : g_strdup_printf ("batch norm sees %u clip%s at once", fit->micro_batch, fit->micro_batch == 1 ? "" : "s");
  return changes ? g_strconcat (changes, "; ", norm, NULL) : g_steal_pointer (&norm);
}

/* changes: beside the clips that run at once; NULL: nothing. */
static void
add_knob (ToolPlan *plan, const Cnn3dTrainerParams *params, guint batch, const gchar *changes, gchar *setting)
{
  ToolKnob knob = { setting, NULL, {0} };

  if (!measure (plan, params, batch, &knob.fit)) {
    g_free (setting);
    return;
  }
  knob.changes = tool_plan_changes (plan, &knob.fit, changes);
  if (!knob.changes)
    knob.changes = g_strdup ("nothing: the same bits");
  g_array_append_val (plan->knobs, knob);
}

/* Each setting alone, changed from what was asked for. */
static void
add_knobs (ToolPlan *plan)
{
  const Cnn3dTrainerParams *asked = &plan->params;
  const Cnn3dNetworkParams *n = &asked->network;
  Cnn3dTrainerParams p = *asked;

  for (Cnn3dRecompute r = CNN3D_RECOMPUTE_NONE; r < CNN3D_RECOMPUTE_AUTO; r++) {
    p.recompute = r;
    if (r != plan->fit.recompute)
      add_knob (plan, &p, plan->batch, NULL, g_strdup_printf ("recompute=%s", cnn3d_recompute_name (r)));
  }
  p = *asked;
  /* the others are compared in the same way of running */
  p.recompute = plan->fit.recompute;
  if (asked->precision == CNN3D_PRECISION_32) {
    p.precision = CNN3D_PRECISION_16_MIXED;
    add_knob (plan, &p, plan->batch, "rounding", g_strdup ("precision=16-mixed"));
    p.precision = asked->precision;
  }
  for (guint d = 2; d <= plan->batch; d *= 2)
    if (plan->batch % d == 0) {
      p.accumulate = asked->accumulate * d;
      add_knob (plan, &p, plan->batch / d, NULL,
          g_strdup_printf ("batch-size=%u accumulate-grad-batches=%u", plan->batch / d, p.accumulate));
    }
  p.accumulate = asked->accumulate;
  if (n->frames >= 4) {
    p.network.frames = n->frames / 2;
    add_knob (plan, &p, plan->batch, "sees half the motion", g_strdup_printf ("num-frames=%u", p.network.frames));
    p.network.frames = n->frames;
  }
  if (n->height > 112 && n->width > 112) {
    p.network.height = p.network.width = 112;
    add_knob (plan, &p, plan->batch, "sees less detail", g_strdup ("width=112,height=112"));
    p.network.height = n->height;
    p.network.width = n->width;
  }
  if (!strcmp (n->model, "slow_r50") || !strcmp (n->model, "r2plus1d_18")) {
    p.network.model = "r3d_18";
    add_knob (plan, &p, plan->batch, "another network", g_strdup ("model=r3d_18"));
    p.network.model = n->model;
  }
  if (n->base_width >= 16) {
    p.network.base_width = n->base_width / 2;
    add_knob (plan, &p, plan->batch, "half of each layer's channels",
        g_strdup_printf ("base-width=%u", p.network.base_width));
    p.network.base_width = n->base_width;
  }
  if (asked->optimizer != CNN3D_UPDATE_SGD) {
    p.optimizer = CNN3D_UPDATE_SGD;
    add_knob (plan, &p, plan->batch, "another rule, another lr", g_strdup ("optimizer=sgd"));
  }
}

/* Of all ways to cut a step's clips, the one with the largest batches that fit, as
 * batch norm sees no more than one; where it is frozen, the quickest. */
static void
recommend (ToolPlan *plan)
{
  const guint64 clips = (guint64) plan->batch * plan->params.accumulate;
  const gboolean norm_frozen = cnn3d_freezes_norm (plan->params.freeze);

  for (guint64 batch = 1; batch <= MIN (clips, 512); batch++) {
    Cnn3dTrainerParams p = plan->params;
    Cnn3dFit fit;

    if (clips % batch)
      continue;
    p.accumulate = clips / batch;
    p.micro_batch = 0;
    p.auto_fit = FALSE;
    p.recompute = CNN3D_RECOMPUTE_AUTO;
    if (measure (plan, &p, batch, &fit) && cnn3d_fit_needs (&fit) <= plan->budget
        && (!norm_frozen || !plan->best_accumulate || fit.seconds < plan->best.seconds)) {
      plan->best = fit;
      plan->best_accumulate = p.accumulate;
    }
  }
}

static gboolean
fill (ToolPlan *plan, GError **error)
{
  Cnn3dRecompute first = plan->params.recompute;
  Cnn3dDeviceMemory memory;
  Cnn3dFit checked;

  /* what a run would find wrong, and replace by what takes more memory, is found now */
  if (plan->backend->program_replaced)
    cnn3d_fit_choose (plan->backend, plan->device, &plan->params, plan->batch, &checked, NULL);
  plan->backend->memory (plan->device, &memory);
  plan->context_source = memory.context_source;
  plan->budget = cnn3d_fit_budget (plan->backend, plan->device, &plan->params);
  if (first == CNN3D_RECOMPUTE_AUTO)
    first = CNN3D_RECOMPUTE_NONE;
  /* for its error: measure() tries what may fail */
  if (!cnn3d_fit_measure (plan->backend, plan->device, &plan->params, plan->batch,
          micro_batch (&plan->params, plan->batch), first, &plan->fit, error))
    return FALSE;
  measure (plan, &plan->params, plan->batch, &plan->fit);
  plan->fits = cnn3d_fit_needs (&plan->fit) <= plan->budget;
  return TRUE;
}

/* What else one may want to know. */
static void
look_around (ToolPlan *plan)
{
  for (Cnn3dRecompute r = CNN3D_RECOMPUTE_NONE; r < CNN3D_RECOMPUTE_AUTO; r++)
    plan->largest[r] = cnn3d_fit_largest (plan->backend, plan->device, &plan->params, r, plan->budget,
        &plan->largest_fit[r]);
  add_knobs (plan);
  recommend (plan);
}

/* --- running --- */

static gboolean
open_device (ToolPlan *plan, const gchar *gpu, const gchar *device, GError **error)
{
  g_autofree gchar *profile = gpu ? cnn3d_gpus_find (gpu, error) : NULL;
  const Cnn3dDeviceParams params = {.threads = plan->params.threads,.profile = profile,
    .convolution = plan->params.convolution,.deterministic = plan->params.deterministic,.tf32 = plan->params.tf32,
    .benchmark = plan->params.benchmark
  };
  const gboolean any = !gpu && (!device || !strcmp (device, "auto"));

  if (gpu && !profile)
    return FALSE;
  if (!gpu && !any && strcmp (device, "cpu") && strcmp (device, "cuda")) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "--device=%s: use auto, cpu or cuda; --gpu is for a GPU that is not here", device);
    return FALSE;
  }
  if (gpu || any || strcmp (device, "cpu")) {
    plan->backend = cnn3d_backend_load ("cuda", error);
    if (plan->backend)
      plan->device = plan->backend->open (&params, error);
    if (plan->device || !any)
      return plan->device != NULL;
    g_clear_error (error);
  }
  plan->backend = cnn3d_backend_load ("cpu", error);
  if (plan->backend)
    plan->device = plan->backend->open (&params, error);
  return plan->device != NULL;
}

static void
clear_knob (gpointer knob)
{
  g_free (((ToolKnob *) knob)->setting);
  g_free (((ToolKnob *) knob)->changes);
}

static gboolean
plan_one (const Options *o, const gchar *gpu, JsonBuilder *json, GError **error)
{
  ToolPlan plan = { .gpu = gpu, .batch = o->batch };
  Cnn3dNetwork *net = NULL;
  gboolean ok;

  cnn3d_trainer_params_init (&plan.params);
  plan.knobs = g_array_new (FALSE, FALSE, sizeof (ToolKnob));
  g_array_set_clear_func (plan.knobs, clear_knob);
  ok = to_params (o, &plan.params, error) && open_device (&plan, gpu, o->device, error) && fill (&plan, error);
  if (ok && (json || !o->roofline))
    look_around (&plan);
  if (ok && o->roofline) {
    net = cnn3d_network_new (&plan.params.network, error);
    ok = net && (plan.roofline = cnn3d_fit_roofline (plan.backend, plan.device, &plan.params, plan.batch, &plan.fit,
            &plan.rates, error));
  }
  if (ok && json)
    tool_plan_json (&plan, net, json);
  else if (ok && o->roofline)
    tool_plan_print_roofline (&plan, net);
  else if (ok)
    tool_plan_print (&plan);
  cnn3d_roofline_free (&plan.roofline);
  cnn3d_network_free (&net);
  if (plan.device)
    plan.backend->close (&plan.device);
  g_array_free (plan.knobs, TRUE);
  return ok;
}

static gboolean
plan_all (const Options *o, GError **error)
{
  static gchar *none[] = { NULL, NULL };
  g_auto (GStrv) known = NULL;
  gchar **gpus = o->gpus ? o->gpus : none;
  g_autoptr (JsonBuilder) json = o->json ? json_builder_new () : NULL;

  if (o->gpus && !strcmp (o->gpus[0], "all"))
    gpus = known = cnn3d_gpus_names ();
  if (json)
    json_builder_begin_array (json);
  for (guint i = 0; i == 0 || gpus[i]; i++) {
    if (i > 0 && !json)
      putchar ('\n');
    if (!plan_one (o, gpus[i], json, error))
      return FALSE;
  }
  if (json) {
    g_autoptr (JsonGenerator) generator = json_generator_new ();
    g_autoptr (JsonNode) root = NULL;
    g_autofree gchar *text = NULL;

    json_builder_end_array (json);
    root = json_builder_get_root (json);
    json_generator_set_root (generator, root);
    json_generator_set_pretty (generator, TRUE);
    text = json_generator_to_data (generator, NULL);
    puts (text);
  }
  return TRUE;
}

int
tool_plan (int argc, char **argv)
{
  Options o = {.frames = UNSET,.batch = UNSET,.accumulate = UNSET,.classes = UNSET,.base_width = UNSET,
    .clip = UNSET,.momentum = 0.9
  };
  const GOptionEntry entries[] = {
    {"config", 0, 0, G_OPTION_ARG_FILENAME, &o.config, "Settings of a run; options win over them", "FILE"},
    {"model", 0, 0, G_OPTION_ARG_STRING, &o.model, "The network (default r3d_18)", "NAME"},
    {"size", 0, 0, G_OPTION_ARG_STRING, &o.size, "Frames' height and width (default 112)", "PIXELS"},
    {"num-frames", 0, 0, G_OPTION_ARG_INT, &o.frames, "Frames in a clip (default 16)", "N"},
    {"batch-size", 0, 0, G_OPTION_ARG_INT, &o.batch, "Clips in a batch (default 4)", "N"},
    {"accumulate-grad-batches", 0, 0, G_OPTION_ARG_INT, &o.accumulate, "Batches in an optimizer step (default 1)", "N"},
    {"precision", 0, 0, G_OPTION_ARG_STRING, &o.precision, "32, 16-mixed, bf16-mixed (default 32)", "P"},
    {"convolution", 0, 0, G_OPTION_ARG_STRING, &o.convolution, "On a CPU: auto, direct, winograd (default auto)", "C"},
    {"recompute", 0, 0, G_OPTION_ARG_STRING, &o.recompute, "none, bn, block, auto (default auto)", "R"},
    {"auto-fit", 0, 0, G_OPTION_ARG_NONE, &o.auto_fit, "Batches may be split to fit", NULL},
    {"optimizer", 0, 0, G_OPTION_ARG_STRING, &o.optimizer, "sgd, adam, adamw (default sgd)", "O"},
    {"gradient-clip-val", 0, 0, G_OPTION_ARG_DOUBLE, &o.clip, "Clip gradients to this norm (default 0: no)", "NORM"},
    {"freeze", 0, 0, G_OPTION_ARG_STRING, &o.freeze, "What does not train", "PREFIXES"},
    {"num-classes", 0, 0, G_OPTION_ARG_INT, &o.classes, "Classes (default 400)", "N"},
    {"base-width", 0, 0, G_OPTION_ARG_INT, &o.base_width, "Channels after the stem (default 64)", "N"},
    {"gpu", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.gpus,
        "A GPU that need not be here: rtx3070, ...; all; may be given again", "NAME"},
    {"device", 0, 0, G_OPTION_ARG_STRING, &o.device, "One that is here: auto, cpu, cuda (default auto)", "D"},
    {"budget", 0, 0, G_OPTION_ARG_STRING, &o.budget, "Bytes that training may take: 8GiB (default: all)", "SIZE"},
    {"roofline", 0, 0, G_OPTION_ARG_NONE, &o.roofline, "What a step computes and moves at least, layer by layer", NULL},
    {"json", 0, 0, G_OPTION_ARG_NONE, &o.json, "Print JSON", NULL},
    {NULL}
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("- what training takes, and what would fit");
  g_autoptr (GError) error = NULL;
  gint status = TOOL_FINE;

  g_option_context_add_main_entries (context, entries, NULL);
  g_set_prgname ("cnn3d plan");
  if (!g_option_context_parse (context, &argc, &argv, &error)) {
    status = TOOL_USAGE;
  } else if (argc > 1) {
    g_set_error (&error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "'%s' is no option; cnn3d plan --help lists them",
        argv[1]);
    status = TOOL_USAGE;
  } else if (!fill_in (&o, &error) || !plan_all (&o, &error)) {
    status = error->domain == G_OPTION_ERROR ? TOOL_USAGE : TOOL_FAILED;
  }
  if (error) {
    tool_complain ("%s", error->message);
  } else if (fflush (stdout) != 0) {
    tool_complain ("cannot print the plan: %s", g_strerror (errno));
    status = TOOL_FAILED;
  }
  g_free (o.config);
  g_free (o.model);
  g_free (o.size);
  g_free (o.precision);
  g_free (o.convolution);
  g_free (o.recompute);
  g_free (o.optimizer);
  g_free (o.budget);
  g_free (o.device);
  g_free (o.freeze);
  g_strfreev (o.gpus);
  return status;
}
