/* plan.c: `cnn3d plan`: the memory that training needs, on this machine or on a described GPU, and
 * which setting to use.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool/plan.h"

#include <stdio.h>
#include <string.h>

#include "src/bytes.h"
#include "src/config/config.h"
#include "src/backend/backend.h"
#include "src/backend/gpus.h"
#include "tool/tool.h"

/* --- the command line --- */

/* Options that are settings: their ranges and descriptions are the table's. */
static const struct {
  const gchar *option, *key,
      *fallback; /* fallback: the default without a configuration; NULL: the setting's */
} settings[] = {
  { "model", "model.backbone" },
  { "size", "data.img_size" },
  { "num-frames", "data.num_frames" },
  { "batch-size", "data.batch_size", "4" },
  { "accumulate-grad-batches", "train.accumulate_grad_batches" },
  { "precision", "trainer.precision" },
  { "convolution", "trainer.convolution" },
  { "recompute", "train.recompute" },
  { "optimizer", "loss.optimizer" },
  { "gradient-clip-val", "trainer.gradient_clip_val" },
  { "sync-batch-norm", "trainer.sync_batchnorm" },
  { "freeze", "model.freeze" },
  { "load-rgb", "data.load_rgb" },
  { "load-kpt", "data.load_kpt" },
  { "fusion", "model.fusion" },
  { "view-fusion", "model.view_fusion" },
  { "skeleton", "data.skeleton" },
  { "persons", "data.persons" },
  { "num-classes", "model.model_class_num", "400" },
  { "base-width", "model.base_width" },
  { "budget", "train.max_memory" },
};

#define MOST_RANKS 65536
#define VIEWS_OF_CONFIG G_MININT /* --views was not given */

typedef struct {
  gchar *config;
  gchar *values[G_N_ELEMENTS (settings)];
  gchar **gpus;
  gchar *device;
  gint views, ranks;
  gboolean auto_fit, json, roofline;
} Options;

/* 128x171 is a list in configurations. NULL with error: not a size. Free with g_free(). */
static gchar *
size_as_list (const gchar *text, GError **error)
{
  const gchar *x = strchr (text, 'x');

  if (!x)
    return g_strdup (text);
  if (strspn (text, "0123456789x") == strlen (text) && x > text && x[1] && !strchr (x + 1, 'x'))
    return g_strdup_printf ("[%.*s, %s]", (gint) (x - text), text, x + 1);
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
      "--size=%s: give pixels, as 112 or, height first, 128x171", text);
  return NULL;
}

/* A number of bytes as the elements parse it, which is more than configurations accept. Free with
 * g_free(). */
static gchar *
size_in_bytes (const gchar *text)
{
  guint64 bytes;

  return cnn3d_parse_bytes (text, &bytes) ? g_strdup_printf ("%" G_GUINT64_FORMAT, bytes)
                                          : g_strdup (text);
}

static gint
get_int (const Cnn3dConfig *config, const gchar *key)
{
  return (gint) g_ascii_strtoll (cnn3d_config_get (config, key), NULL, 10);
}

/* Reports a wrong value as an error of the command line, not of a file. */
static gboolean
set_option (
    Cnn3dConfig *config, const gchar *key, const gchar *option, const gchar *text, GError **error)
{
  g_autoptr (GError) wrong = NULL;

  if (cnn3d_config_set (config, key, option, text, &wrong))
    return TRUE;
  g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, wrong->message);
  return FALSE;
}

static gboolean
check_device (const gchar *device, GError **error)
{
  if (!strcmp (device, "auto") || !strcmp (device, "cpu") || !strcmp (device, "cuda")
      || (g_str_has_prefix (device, "cuda:")
          && g_ascii_string_to_unsigned (
              device + strlen ("cuda:"), 10, 0, CNN3D_MOST_DEVICES - 1, NULL, NULL)))
    return TRUE;
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
      "--device=%s: use auto, cpu, cuda or cuda:N; --gpu plans for a GPU that is not installed",
      device);
  return FALSE;
}

/* A recipe's settings are GStreamer's to read. */
static gboolean
check_preset (const Cnn3dConfig *config, const gchar *file, GError **error)
{
  const gchar *preset = cnn3d_config_get (config, "model.preset");

  if (!preset)
    return TRUE;
  g_set_error (error, CNN3D_CONFIG_ERROR, CNN3D_CONFIG_ERROR_VALUE,
      "%s: model.preset is '%s', and a plan does not know its settings: write them as keys, such "
      "as model.backbone, instead of model.preset",
      file, preset);
  return FALSE;
}

/* Applies the options on top of the configuration. */
static Cnn3dConfig *
read_settings (const Options *o, GError **error)
{
  Cnn3dConfig *config = cnn3d_config_new ();
  gboolean ok = !o->config
      || (cnn3d_config_load (config, o->config, error) && check_preset (config, o->config, error));

  for (guint i = 0; ok && i < G_N_ELEMENTS (settings); i++) {
    const gchar *option = settings[i].option, *given = o->values[i];
    g_autofree gchar *text = NULL;

    /* a model_class_num of 0 takes upstream's number: here there is no upstream */
    if (!given && (!o->config || !g_strcmp0 (cnn3d_config_get (config, settings[i].key), "0")))
      given = settings[i].fallback;
    if (!given)
      continue;
    text = !strcmp (option, "size")  ? size_as_list (given, error)
        : !strcmp (option, "budget") ? size_in_bytes (given)
                                     : g_strdup (given);
    ok = text && set_option (config, settings[i].key, option, text, error);
  }
  if (ok && get_int (config, "model.model_class_num") < 2) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "--num-classes=%s: training needs at least 2 classes",
        cnn3d_config_get (config, "model.model_class_num"));
    ok = FALSE;
  }
  if (ok && o->views != VIEWS_OF_CONFIG && (o->views < 1 || o->views > CNN3D_MOST_VIEWS)) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "--views=%d: a sample has from 1 to %d views", o->views, CNN3D_MOST_VIEWS);
    ok = FALSE;
  }
  if (ok && (o->ranks < 1 || o->ranks > MOST_RANKS)) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "--world-size=%d: give a number of processes from 1 to %d", o->ranks, MOST_RANKS);
    ok = FALSE;
  }
  if (ok && o->device)
    ok = check_device (o->device, error)
        && set_option (config, "trainer.device", "device", o->device, error);
  if (ok && o->auto_fit)
    ok = set_option (config, "train.auto_fit", "auto-fit", "true", error);
  if (!ok)
    cnn3d_config_free (&config);
  return config;
}

static gdouble
get_double (const Cnn3dConfig *config, const gchar *key)
{
  return g_ascii_strtod (cnn3d_config_get (config, key), NULL);
}

static gboolean
get_boolean (const Cnn3dConfig *config, const gchar *key)
{
  return !strcmp (cnn3d_config_get (config, key), "true");
}

static gint
get_choice (const Cnn3dConfig *config, const gchar *key)
{
  return cnn3d_choice (cnn3d_setting (NULL, key)->choices, cnn3d_config_get (config, key))->value;
}

/* What skeleton=auto stands for: files tell, and there are none here. */
#define USUAL_SKELETON "coco17"

static gboolean
to_points (const Cnn3dConfig *config, Cnn3dNetworkParams *n, GError **error)
{
  const gchar *name = cnn3d_config_get (config, "data.skeleton");
  Cnn3dSkeleton *skeleton;

  if (!cnn3d_config_check_input (config, error))
    return FALSE;
  n->input = cnn3d_config_input_type (config);
  if (!cnn3d_network_sees_points (n))
    return TRUE;
  skeleton = cnn3d_skeleton_new (strcmp (name, "auto") ? name : USUAL_SKELETON,
      cnn3d_config_get (config, "data.pairs"), 0, error);
  if (!skeleton)
    return FALSE;
  n->points = skeleton->points;
  cnn3d_skeleton_free (skeleton);
  n->fusion = get_choice (config, "model.fusion");
  n->persons = get_int (config, "data.persons");
  n->heatmap_size = get_int (config, "model.heatmap_size");
  n->heatmap_sigma = get_double (config, "model.heatmap_sigma");
  return TRUE;
}

/* Those that the configuration names; a manifest's own are not known here. */
static guint
count_views (const Cnn3dConfig *config)
{
  const gchar *names = cnn3d_config_get (config, "data.views");
  g_auto (GStrv) all = g_strsplit (names ? names : "", ",", -1);

  return MAX (g_strv_length (all), 1);
}

/* Strings remain owned by the configuration. */
static void
to_params (const Options *o, const Cnn3dConfig *config, Cnn3dTrainerParams *p)
{
  p->network.model = cnn3d_config_get (config, "model.backbone");
  p->network.num_classes = get_int (config, "model.model_class_num");
  p->network.base_width = get_int (config, "model.base_width");
  p->network.frames = get_int (config, "data.num_frames");
  cnn3d_config_get_size (config, &p->network.height, &p->network.width);
  p->network.views = o->views == VIEWS_OF_CONFIG ? count_views (config) : (guint) o->views;
  p->ranks = o->ranks;
  p->network.view_fusion = get_choice (config, "model.view_fusion");
  p->precision = get_choice (config, "trainer.precision");
  p->convolution = get_choice (config, "trainer.convolution");
  p->recompute = get_choice (config, "train.recompute");
  p->optimizer = get_choice (config, "loss.optimizer");
  p->accumulate = get_int (config, "train.accumulate_grad_batches");
  p->gradient_clip = get_double (config, "trainer.gradient_clip_val");
  p->sync_batch_norm = get_boolean (config, "trainer.sync_batchnorm");
  p->momentum = get_double (config, "loss.momentum");
  p->threads = get_int (config, "trainer.threads");
  p->tf32 = get_boolean (config, "trainer.allow_tf32");
  p->deterministic = get_boolean (config, "trainer.deterministic");
  p->benchmark = get_boolean (config, "trainer.benchmark");
  p->micro_batch = get_boolean (config, "train.use_chunking_in_train")
      ? get_int (config, "data.video_batch_size")
      : 0;
  p->freeze = cnn3d_config_get (config, "model.freeze");
  p->auto_fit = get_boolean (config, "train.auto_fit");
  cnn3d_parse_bytes (cnn3d_config_get (config, "train.max_memory"), &p->max_memory);
}

/* --- results --- */

/* Clips that run at once if everything fits. */
static guint
micro_batch (const Cnn3dTrainerParams *params, guint batch)
{
  return params->micro_batch ? MIN (params->micro_batch, batch) : batch;
}

/* The fastest permitted configuration that fits or, if none does, the whole batch with the
 * recomputation that needs least. seconds: converted to a whole step's clips. */
static gboolean
measure (const ToolPlan *plan, const Cnn3dTrainerParams *params, guint batch, Cnn3dFit *fit)
{
  const Cnn3dRecompute first =
      params->recompute == CNN3D_RECOMPUTE_AUTO ? CNN3D_RECOMPUTE_NONE : params->recompute;
  const Cnn3dRecompute last = params->recompute == CNN3D_RECOMPUTE_AUTO
      ? cnn3d_fit_last_recompute (plan->backend)
      : params->recompute;

  if (params->auto_fit
      && cnn3d_fit_choose (plan->backend, plan->device, params, batch, fit, NULL)) {
    fit->seconds *= params->accumulate;
    return TRUE;
  }
  for (Cnn3dRecompute r = first; r <= last; r++) {
    if (!cnn3d_fit_measure (
            plan->backend, plan->device, params, batch, micro_batch (params, batch), r, fit, NULL))
      return FALSE;
    fit->seconds *= params->accumulate;
    if (tool_plan_fits (plan, fit))
      break;
  }
  return TRUE;
}

gboolean
tool_plan_fits (const ToolPlan *plan, const Cnn3dFit *fit)
{
  return cnn3d_fit_fits (plan->backend, plan->device, fit, plan->budget);
}

gchar *
tool_plan_changes (const ToolPlan *plan, const Cnn3dFit *fit, const gchar *changes)
{
  const gboolean fewer = fit->micro_batch < micro_batch (&plan->params, plan->batch);
  const guint batches = plan->params.sync_batch_norm ? MAX (plan->params.ranks, 1) : 1;
  const guint clips = batches * fit->micro_batch * cnn3d_network_views (&plan->params.network);
  g_autofree gchar *norm = NULL;

  if (!fewer)
    return g_strdup (changes);
  norm = cnn3d_freezes_norm (plan->params.freeze)
      ? g_strdup ("order of sums")
      : g_strdup_printf ("batch norm sees %u clip%s at once", clips, clips == 1 ? "" : "s");
  return changes ? g_strconcat (changes, "; ", norm, NULL) : g_steal_pointer (&norm);
}

/* changes: in addition to the clips that run at once; NULL: none. */
static void
add_knob (ToolPlan *plan, const Cnn3dTrainerParams *params, guint batch, const gchar *changes,
    gchar *setting)
{
  ToolKnob knob = { setting, NULL, { 0 } };

  if (!measure (plan, params, batch, &knob.fit)) {
    g_free (setting);
    return;
  }
  knob.changes = tool_plan_changes (plan, &knob.fit, changes);
  if (!knob.changes)
    knob.changes = g_strdup ("nothing: the same bits");
  g_array_append_val (plan->knobs, knob);
}

/* Changes each setting on its own. */
static void
add_knobs (ToolPlan *plan)
{
  const Cnn3dTrainerParams *asked = &plan->params;
  const Cnn3dNetworkParams *n = &asked->network;
  Cnn3dTrainerParams p = *asked;

  for (Cnn3dRecompute r = CNN3D_RECOMPUTE_NONE; r < CNN3D_RECOMPUTE_AUTO; r++) {
    p.recompute = r;
    if (r != plan->fit.recompute)
      add_knob (plan, &p, plan->batch, NULL,
          g_strdup_printf ("recompute=%s", cnn3d_choice_name (&cnn3d_recomputes, r)));
  }
  p = *asked;
  /* the others are compared with the same recomputation */
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
          g_strdup_printf (
              "batch-size=%u accumulate-grad-batches=%u", plan->batch / d, p.accumulate));
    }
  p.accumulate = asked->accumulate;
  if (n->frames >= 4) {
    p.network.frames = n->frames / 2;
    add_knob (plan, &p, plan->batch, "sees half the motion",
        g_strdup_printf ("num-frames=%u", p.network.frames));
    p.network.frames = n->frames;
  }
  if (cnn3d_network_sees_frames (n) && n->height > 112 && n->width > 112) {
    p.network.height = p.network.width = 112;
    add_knob (plan, &p, plan->batch, "sees less detail", g_strdup ("width=112,height=112"));
    p.network.height = n->height;
    p.network.width = n->width;
  }
  if (cnn3d_network_sees_points (n) && n->heatmap_size >= 32 && !cnn3d_network_stacks_points (n)) {
    p.network.heatmap_size = n->heatmap_size / 2;
    add_knob (plan, &p, plan->batch, "places key points less exactly",
        g_strdup_printf ("heatmap-size=%u", p.network.heatmap_size));
    p.network.heatmap_size = n->heatmap_size;
  }
  if (!strcmp (n->model, "slow_r50") || !strcmp (n->model, "r2plus1d_18")) {
    p.network.model = "r3d_18";
    add_knob (plan, &p, plan->batch, "another network", g_strdup ("model=r3d_18"));
    p.network.model = n->model;
  }
  if (n->input == CNN3D_INPUT_RGB_KPT) {
    p.network.input = CNN3D_INPUT_RGB;
    add_knob (plan, &p, plan->batch, "sees no key points", g_strdup ("input-type=rgb"));
    p.network.input = n->input;
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

/* Of all splits of a step's clips, the one with the largest batches that fit, as batch norm sees
 * one batch at a time; with frozen batch norm, the fastest. */
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
    if (measure (plan, &p, batch, &fit) && tool_plan_fits (plan, &fit)
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

  /* programs that a run would reject, and replace by ones that need more memory, are found now */
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
  plan->fits = tool_plan_fits (plan, &plan->fit);
  return TRUE;
}

/* Additional results. */
static void
look_around (ToolPlan *plan)
{
  for (Cnn3dRecompute r = CNN3D_RECOMPUTE_NONE; r < CNN3D_RECOMPUTE_AUTO; r++)
    plan->largest[r] = cnn3d_fit_largest (
        plan->backend, plan->device, &plan->params, r, plan->budget, &plan->largest_fit[r]);
  add_knobs (plan);
  recommend (plan);
}

/* --- running --- */

/* gpu: a described one; NULL: `device`, which is here. */
static gboolean
open_device (ToolPlan *plan, const gchar *gpu, const gchar *device, GError **error)
{
  g_autofree gchar *profile = gpu ? cnn3d_gpus_find (gpu, error) : NULL;
  const Cnn3dDeviceParams params = { .threads = plan->params.threads,
    .profile = profile,
    .convolution = plan->params.convolution,
    .deterministic = plan->params.deterministic,
    .tf32 = plan->params.tf32,
    .benchmark = plan->params.benchmark };

  if (!gpu) {
    plan->device = cnn3d_backend_open_device (device, &params, &plan->backend, NULL, error);
    return plan->device != NULL;
  }
  plan->backend = profile ? cnn3d_backend_load ("cuda", error) : NULL;
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
plan_one (const Options *o, const Cnn3dConfig *config, const gchar *gpu, JsonBuilder *json,
    gboolean *fits, GError **error)
{
  ToolPlan plan = { .gpu = gpu, .batch = get_int (config, "data.batch_size") };
  Cnn3dNetwork *net = NULL;
  gboolean ok;

  cnn3d_trainer_params_init (&plan.params);
  to_params (o, config, &plan.params);
  plan.knobs = g_array_new (FALSE, FALSE, sizeof (ToolKnob));
  g_array_set_clear_func (plan.knobs, clear_knob);
  ok = to_points (config, &plan.params.network, error)
      && open_device (&plan, gpu, cnn3d_config_get (config, "trainer.device"), error)
      && fill (&plan, error);
  if (ok && plan.params.ranks > 1)
    ok = (plan.exchange = cnn3d_fit_exchange (
              plan.backend, plan.device, &plan.params, plan.batch, &plan.fit, error))
        != NULL;
  if (ok && (json || !o->roofline)) {
    look_around (&plan);
    *fits |= plan.best_accumulate > 0;
  } else {
    *fits = TRUE;
  }
  if (ok && o->roofline) {
    net = cnn3d_network_new (&plan.params.network, error);
    ok = net
        && (plan.roofline = cnn3d_fit_roofline (plan.backend, plan.device, &plan.params, plan.batch,
                &plan.fit, &plan.rates, error));
  }
  if (ok && json)
    tool_plan_json (&plan, net, json);
  else if (ok && o->roofline)
    tool_plan_print_roofline (&plan, net);
  else if (ok)
    tool_plan_print (&plan);
  cnn3d_exchange_free (&plan.exchange);
  cnn3d_roofline_free (&plan.roofline);
  cnn3d_network_free (&net);
  if (plan.device)
    plan.backend->close (&plan.device);
  g_array_free (plan.knobs, TRUE);
  return ok;
}

/* The GPUs of all --gpu options, each once; a NULL alone: none, but the device that is here. */
static GPtrArray *
list_gpus (gchar **given)
{
  g_auto (GStrv) known = cnn3d_gpus_names ();
  GPtrArray *gpus = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; given && given[i]; i++) {
    gchar *one[] = { given[i], NULL };
    gchar **names = strcmp (given[i], "all") ? one : known;

    for (guint k = 0; names[k]; k++)
      if (!g_ptr_array_find_with_equal_func (gpus, names[k], g_str_equal, NULL))
        g_ptr_array_add (gpus, g_strdup (names[k]));
  }
  if (gpus->len == 0)
    g_ptr_array_add (gpus, NULL);
  return gpus;
}

static gboolean
plan_all (const Options *o, const Cnn3dConfig *config, gboolean *fits, GError **error)
{
  g_autoptr (GPtrArray) gpus = list_gpus (o->gpus);
  g_autoptr (JsonBuilder) json = o->json ? json_builder_new () : NULL;

  if (json)
    json_builder_begin_array (json);
  for (guint i = 0; i < gpus->len; i++) {
    if (i > 0 && !json)
      putchar ('\n');
    if (!plan_one (o, config, gpus->pdata[i], json, fits, error))
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
  Options o = { .views = VIEWS_OF_CONFIG, .ranks = 1 };
  const GOptionEntry others[] = { { "config", 0, 0, G_OPTION_ARG_FILENAME, &o.config,
                                      "Settings of a run; options win over them", "FILE" },
    { "views", 0, 0, G_OPTION_ARG_INT, &o.views,
        "Views of a sample, where a data set has several cameras of one scene (default those that "
        "data.views names, or 1)",
        "N" },
    { "world-size", 0, 0, G_OPTION_ARG_INT, &o.ranks,
        "Processes that train one model together, on CPUs (default 1)", "N" },
    { "auto-fit", 0, 0, G_OPTION_ARG_NONE, &o.auto_fit, "Batches may be split to fit", NULL },
    { "gpu", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.gpus,
        "A GPU that need not be here: rtx3070, ...; all; may be given again", "NAME" },
    { "device", 0, 0, G_OPTION_ARG_STRING, &o.device,
        "One that is here: auto, cpu, cuda, cuda:N (default that of the configuration, or auto)",
        "D" },
    { "roofline", 0, 0, G_OPTION_ARG_NONE, &o.roofline,
        "What a step computes and moves at least, layer by layer", NULL },
    { "json", 0, 0, G_OPTION_ARG_NONE, &o.json, "Print JSON", NULL }, { NULL } };
  GOptionEntry entries[G_N_ELEMENTS (settings) + 1] = { { NULL } };
  gchar *abouts[G_N_ELEMENTS (settings)];
  g_autoptr (GOptionContext) context =
      g_option_context_new ("- what training takes, and what would fit");
  Cnn3dConfig *config = NULL;
  g_autoptr (GError) error = NULL;
  gboolean fits = FALSE; /* anything, on any of the devices */
  gint status = TOOL_FINE;

  for (guint i = 0; i < G_N_ELEMENTS (settings); i++) {
    const Cnn3dSetting *s = cnn3d_setting (NULL, settings[i].key);

    abouts[i] = s->name && !settings[i].fallback
        ? cnn3d_setting_blurb (s)
        : g_strdup_printf ("%s (default %s)", s->about,
              settings[i].fallback ? settings[i].fallback : s->without);
    entries[i] = (GOptionEntry) { settings[i].option, 0, 0, G_OPTION_ARG_STRING, &o.values[i],
      abouts[i], "VALUE" };
  }
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_main_entries (context, others, NULL);
  g_option_context_set_summary (
      context, "Exits with 1 where nothing would fit on any of the devices.");
  g_set_prgname ("cnn3d plan");
  if (!g_option_context_parse (context, &argc, &argv, &error)) {
    status = TOOL_USAGE;
  } else if (argc > 1) {
    g_set_error (&error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
        "'%s' is not an option; cnn3d plan --help lists them", argv[1]);
    status = TOOL_USAGE;
  } else if (!(config = read_settings (&o, &error)) || !plan_all (&o, config, &fits, &error)) {
    status = error->domain == G_OPTION_ERROR ? TOOL_USAGE : TOOL_FAILED;
  } else if (!fits) {
    /* which the plan says */
    status = TOOL_FAILED;
  }
  if (error)
    tool_complain ("%s", error->message);
  cnn3d_config_free (&config);
  for (guint i = 0; i < G_N_ELEMENTS (settings); i++) {
    g_free (o.values[i]);
    g_free (abouts[i]);
  }
  g_free (o.config);
  g_free (o.device);
  g_strfreev (o.gpus);
  return status;
}
