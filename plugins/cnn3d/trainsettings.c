/* trainsettings.c: cnn3dtrain's properties, one row of a table each.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trainsettings.h"

#include "classweights.h"
#include "convolution.h"
#include "plugins/paramrange.h"
#include "src/escape.h"
#include "src/train/fit.h"

#define BELOW_ONE 0.999999

typedef enum
{
  KIND_STRING,
  KIND_INT,
  KIND_UINT64,
  KIND_DOUBLE,
  KIND_BOOLEAN,
  KIND_ENUM,
} Kind;

typedef struct
{
  const gchar *name, *nick;
  const gchar *about;           /* a sentence; what follows it is made */
  Kind kind;
  gsize offset;
  const gchar *unit;            /* in the plural */
  gdouble min, max, preset;
  const gchar *text;            /* default of a string */
  const GEnumValue *values;
} Property;

static const GEnumValue precisions[] = {
  {CNN3D_PRECISION_32, "Single precision throughout", "32"},
  {CNN3D_PRECISION_16_MIXED, "FP16, with FP32 masters and loss scaling (a CPU "
        "takes bf16-mixed)", "16-mixed"},
  {CNN3D_PRECISION_16_MIXED, "The same as 16-mixed", "16"},
  {CNN3D_PRECISION_BF16_MIXED, "bfloat16, with FP32 masters", "bf16-mixed"},
  {0, NULL, NULL}
};

static const GEnumValue optimizers[] = {
  {CNN3D_UPDATE_SGD, "Stochastic gradient descent with momentum", "sgd"},
  {CNN3D_UPDATE_ADAM, "Adam; weight decay is added to the gradient", "adam"},
  {CNN3D_UPDATE_ADAMW, "Adam with decoupled weight decay", "adamw"},
  {0, NULL, NULL}
};

static const GEnumValue schedules[] = {
  {CNN3D_LR_CONSTANT, "The same throughout", "constant"},
  {CNN3D_LR_COSINE, "Half a cosine, from lr to 0 at the last epoch's end",
      "cosine"},
  {CNN3D_LR_STEP, "Times lr-gamma each lr-step-size epochs", "step"},
  {0, NULL, NULL}
};

static const GEnumValue monitors[] = {
  {CNN3D_MONITOR_VAL_ACCURACY, "Accuracy on the validation clips",
      "val-accuracy"},
  {CNN3D_MONITOR_VAL_LOSS, "Loss on the validation clips", "val-loss"},
  {CNN3D_MONITOR_TRAIN_LOSS, "Loss on the training clips", "train-loss"},
  {CNN3D_MONITOR_VAL_F1, "F1 on the validation clips, the mean over classes",
      "val-f1"},
  {0, NULL, NULL}
};

static const GEnumValue resumes[] = {
  {TRAIN_RESUME_AUTO, "Go on where checkpoint-dir has a checkpoint, begin anew "
        "where not", "auto"},
  {TRAIN_RESUME_NEVER, "Begin anew; a checkpoint that is there is overwritten",
      "never"},
  {TRAIN_RESUME_MUST, "Go on; it is an error if there is no checkpoint",
      "must"},
  {0, NULL, NULL}
};

static const GEnumValue resume_datas[] = {
  {TRAIN_RESUME_DATA_SAME, "The clips, labels, sizes and sampling that the "
        "checkpoint was trained on", "same"},
  {TRAIN_RESUME_DATA_ANY, "Whatever there is now, with a warning that says how "
        "it differs; an epoch whose clips are others begins anew", "any"},
  {0, NULL, NULL}
};

static const GEnumValue recomputes[] = {
  {CNN3D_RECOMPUTE_NONE, "Everything that the backward pass reads is kept",
      "none"},
  {CNN3D_RECOMPUTE_BN, "Convolutions' outputs are kept, batch norm and ReLU "
        "are done again: about half the memory, a few per cent of the time",
      "bn"},
  {CNN3D_RECOMPUTE_BLOCK, "Blocks' inputs are kept and convolutions done "
        "again where that lowers the peak: least memory, up to a third more "
        "time", "block"},
  {CNN3D_RECOMPUTE_AUTO, "The quickest of these that fits max-memory", "auto"},
  {0, NULL, NULL}
};

#define AT(field) G_STRUCT_OFFSET (TrainSettings, field)
#define STRING(name, nick, field, text, about) \
  { name, nick, about, KIND_STRING, AT (field), NULL, 0, 0, 0, text, NULL }
#define INT(name, nick, field, min, max, preset, unit, about) \
  { name, nick, about, KIND_INT, AT (field), unit, min, max, preset, NULL, \
      NULL }
#define DOUBLE(name, nick, field, min, max, preset, unit, about) \
  { name, nick, about, KIND_DOUBLE, AT (field), unit, min, max, preset, NULL, \
      NULL }
#define BOOLEAN(name, nick, field, preset, about) \
  { name, nick, about, KIND_BOOLEAN, AT (field), NULL, 0, 1, preset, NULL, NULL }
#define ENUM(name, nick, field, values, preset, about) \
  { name, nick, about, KIND_ENUM, AT (field), NULL, 0, 0, preset, NULL, values }

static const Property properties[] = {
  STRING ("model", "Model", model, "r3d_18",
      "The network: r3d_18, mc3_18 or r2plus1d_18 as in torchvision, slow_r50 "
      "as in PyTorchVideo"),
  INT ("num-classes", "Number of classes", num_classes, 0, 1000000, 0,
      "classes",
      "Outputs of the network; 0: as many as upstream tells, by its "
      "clip-classes event or its one-hot labels"),
  STRING ("pretrained", "Pretrained weights", pretrained, NULL,
      "A safetensors file to start from, with torchvision's or PyTorchVideo's "
      "parameter names; a last layer of another size is left out, and named "
      "in the message cnn3dtrain-left-out"),
  STRING ("freeze", "Freeze", freeze, NULL,
      "What does not train: comma-separated beginnings of parameter names; "
      "'backbone' is all but the last layer; 'batch-norm' makes batch norm "
      "use and keep its running statistics"),
  INT ("base-width", "Base width", base_width, 1, 1024, 64, "channels",
      "Channels after the stem, which all others are in proportion to; 64 is "
      "the model as published, less is smaller and faster"),
  DOUBLE ("dropout", "Dropout", dropout, 0, BELOW_ONE, 0, "as a probability",
      "How likely each feature before the last layer is dropped in training"),
  ENUM ("precision", "Precision", precision, precisions, CNN3D_PRECISION_32,
      "What numbers are computed with; weights and their updates are FP32 "
      "always"),
  INT ("accumulate-grad-batches", "Accumulate gradients over", accumulate, 1,
      1000000, 1, "batches",
      "Batches whose gradients make one optimizer step; the effective batch "
      "is this many times as large, the memory is not"),
  ENUM ("recompute", "Recompute", recompute, recomputes, CNN3D_RECOMPUTE_AUTO,
      "What the backward pass computes again rather than keeps; the gradients "
      "are the same to the bit"),
  STRING ("max-memory", "Memory budget", max_memory, "0",
      "Bytes that training may take, as a number or with a unit: 8GiB, 800MiB; "
      "what would need more is refused before the first batch, with what would "
      "fit; 0: what the device has"),
  BOOLEAN ("auto-fit", "Fit by micro-batches", auto_fit, FALSE,
      "Split batches into micro-batches, as large as fit max-memory, and "
      "accumulate their gradients: the effective batch stays what it is, batch "
      "norm sees one micro-batch at a time"),
  BOOLEAN ("use-chunking-in-train", "Chunk training batches", chunking, FALSE,
      "Split batches larger than video-batch-size into chunks that run forward "
      "and backward one after another; batch norm sees one chunk at a time"),
  INT ("video-batch-size", "Clips in a chunk", video_batch_size, 0, 1000000, 0,
      "clips",
      "Clips in a chunk of use-chunking-in-train; 0: chunking is off"),
  ENUM ("optimizer", "Optimizer", optimizer, optimizers, CNN3D_UPDATE_SGD,
      "The rule that weights are updated by, as in torch.optim"),
  DOUBLE ("lr", "Learning rate", lr, 0, 1000, 0.01, "per step",
      "The learning rate after the warm-up"),
  DOUBLE ("momentum", "Momentum", momentum, 0, BELOW_ONE, 0.9, "as a factor",
      "Momentum of optimizer=sgd; the others have their own, 0.9 and 0.999"),
  DOUBLE ("weight-decay", "Weight decay", weight_decay, 0, 1000, 1e-4,
      "as a factor",
      "How strongly weights are drawn to 0, as torch.optim's weight_decay"),
  ENUM ("lr-schedule", "Learning rate schedule", schedule, schedules,
      CNN3D_LR_CONSTANT,
      "How the learning rate changes over the epochs; cosine needs upstream to "
      "tell how many there are"),
  DOUBLE ("warmup-epochs", "Warm-up", warmup_epochs, 0, 100000, 0, "epochs",
      "How long the learning rate rises, in a line, from a thousandth of lr; "
      "parts of an epoch count"),
  DOUBLE ("lr-step-size", "Step size", lr_step_size, 1e-6, 100000, 10,
      "epochs",
      "How long each stair of lr-schedule=step is, from the warm-up's end"),
  DOUBLE ("lr-gamma", "Gamma", lr_gamma, 1e-6, 1, 0.1, "as a factor",
      "What each stair of lr-schedule=step multiplies the learning rate by"),
  DOUBLE ("label-smoothing", "Label smoothing", label_smoothing, 0, BELOW_ONE,
      0, "as a part of 1",
      "How much of each label is spread evenly over all classes in training"),
  STRING ("class-weights", "Class weights", class_weights, "none",
      "How much clips of each class count in the training loss, as a clip's "
      "own weight in a weighted mean: none, all the same; balanced, each class "
      "as much as the others, however many clips it has; or numbers with commas "
      "between them, one for each class in their order"),
  DOUBLE ("gradient-clip-val", "Gradient clipping", gradient_clip, 0, 1e30, 0,
      "as a norm",
      "Gradients whose norm over all parameters is larger are scaled down to "
      "it; 0: none are"),
  {"seed", "Seed",
        "What initial weights and dropout are drawn from; the same seed, clips "
        "and settings give the same bits", KIND_UINT64, AT (seed), NULL, 0,
      18446744073709551615.0, 0, NULL, NULL},
  STRING ("device", "Device", device, "auto",
      "Where to compute: auto (a GPU where there is one, the CPU where not), "
      "cpu, cuda or cuda:N"),
  INT ("threads", "Threads", threads, 0, 4096, 0, "threads",
      "Threads that compute on a CPU; 0: one for each core that the process "
      "may use"),
  ENUM ("convolution", "Convolution", convolution, convolution_values,
      CNN3D_CONVOLUTION_AUTO, CONVOLUTION_ABOUT),
  BOOLEAN ("deterministic", "Deterministic", deterministic, TRUE,
      "On a GPU, only take algorithms for convolutions that give the same bits "
      "every time; everything else always does; a CPU ignores this"),
  BOOLEAN ("allow-tf32", "Allow TF32", allow_tf32, TRUE,
      "On a GPU, precision=32 may multiply numbers rounded to TF32, which has "
      "11 of FP32's 24 digits, and adds up in FP32; a CPU ignores this"),
  BOOLEAN ("benchmark", "Benchmark", benchmark, TRUE,
      "On a GPU, time each convolution's algorithms once and keep the fastest, "
      "in cnn3d/convolutions.ini in the user's cache folder; false: take what "
      "cuDNN thinks fastest; a CPU ignores this"),
  STRING ("checkpoint-dir", "Checkpoint folder", checkpoint_dir, NULL,
      "Folder for checkpoints, made where it is missing: last.safetensors, to "
      "go on from, and the best weights; unset: nothing is saved"),
  INT ("checkpoint-interval", "Checkpoint interval", checkpoint_interval, 0,
      G_MAXINT, 0, "optimizer steps",
      "Steps between two checkpoints within an epoch, for the sake of crashes; "
      "0: only when an epoch ends and when training is stopped"),
  INT ("save-top-k", "Best checkpoints kept", save_top_k, 0, 1000, 1, "files",
      "How many of the best epochs' weights are kept beside the last"),
  ENUM ("monitor", "Monitor", monitor, monitors, CNN3D_MONITOR_VAL_ACCURACY,
      "What tells how good an epoch is, for save-top-k and patience"),
  ENUM ("resume", "Resume", resume, resumes, TRAIN_RESUME_AUTO,
      "Whether to go on from the last checkpoint in checkpoint-dir, at the "
      "very clip; the result has the same bits as without the break"),
  ENUM ("resume-data", "Data to resume on", resume_data, resume_datas,
      TRAIN_RESUME_DATA_SAME,
      "Which data a run may go on with; other names of the classes, or their "
      "order, are refused in any case"),
  INT ("patience", "Patience", patience, 0, 1000000, 0, "epochs",
      "Training stops after this many epochs without a better monitor; 0: "
      "never"),
  DOUBLE ("max-skipped", "Skipped clips at most", max_skipped, 0, 1, 0.5,
      "as a part of 1",
      "A pass that lost more than this part of its clips, as they could not be "
      "read, ends the run with an error; 1: none does"),
  STRING ("log-dir", "Log folder", log_dir, NULL,
      "Folder for logs, made where it is missing: log.jsonl, metrics.csv and "
      "TensorBoard's event files; a resumed run goes on in them, a new one "
      "moves them into earlier-N first; unset: nothing is logged"),
  INT ("log-every-n-steps", "Log every", log_every_steps, 1, G_MAXINT, 1,
      "optimizer steps",
      "How many steps lie between two that are logged; epochs and validations "
      "are logged always"),
  INT ("log-histograms", "Histograms", log_histograms, 0, G_MAXINT, 0, "epochs",
      "Epochs between two histograms of all weights in the event files; 0: "
      "there are none"),
  BOOLEAN ("progress", "Progress", progress, TRUE,
      "Show progress on stdout: the device, then one line that is redrawn on a "
      "terminal, otherwise a line an epoch"),
};

static GType
enum_type (const GEnumValue * values)
{
  static GType types[7];
  static const struct
  {
    const gchar *name;
    const GEnumValue *values;
  } known[] = {
    {"GstCnn3dTrainPrecision", precisions},
    {"GstCnn3dTrainOptimizer", optimizers},
    {"GstCnn3dTrainLrSchedule", schedules},
    {"GstCnn3dTrainMonitor", monitors},
    {"GstCnn3dTrainResume", resumes},
    {"GstCnn3dTrainResumeData", resume_datas},
    {"GstCnn3dTrainRecompute", recomputes},
  };
  guint i;

  /* other elements have it, too */
  if (values == convolution_values)
    return TYPE_CONVOLUTION;
  for (i = 0; i + 1 < G_N_ELEMENTS (known); i++)
    if (known[i].values == values)
      break;
  if (g_once_init_enter (&types[i]))
    g_once_init_leave (&types[i],
        g_enum_register_static (known[i].name, known[i].values));

  return types[i];
}

static const gchar *
enum_nick (const Property * p)
{
  guint i = 0;

  while (p->values[i + 1].value_nick && p->values[i].value != (gint) p->preset)
    i++;

  return p->values[i].value_nick;
}

/* The sentence, then unit, range and default. */
static const gchar *
blurb (const Property * p)
{
  GString *text = g_string_new (p->about);
  const gchar *ret;
  guint i;

  switch (p->kind) {
    case KIND_STRING:
      g_string_append_printf (text, " (default %s)",
          p->text ? p->text : "unset");
      break;
    case KIND_INT:
    case KIND_DOUBLE:
      g_string_append_printf (text, p->max == BELOW_ONE ?
          " (%s, %.10g to below %.0f, default %.10g)" :
          " (%s, %.10g to %.10g, default %.10g)", p->unit, p->min,
          p->max, p->preset);
      break;
    case KIND_UINT64:
      g_string_append_printf (text, " (a number, 0 to %" G_GUINT64_FORMAT
          ", default %.0f)", G_MAXUINT64, p->preset);
      break;
    case KIND_BOOLEAN:
      g_string_append_printf (text, " (true or false, default %s)",
          p->preset ? "true" : "false");
      break;
    case KIND_ENUM:
      g_string_append (text, " (");
      for (i = 0; p->values[i].value_nick; i++)
        g_string_append_printf (text, "%s%s", i ? ", " : "",
            p->values[i].value_nick);
      g_string_append_printf (text, "; default %s)", enum_nick (p));
      break;
  }
  ret = g_intern_string (text->str);
  g_string_free (text, TRUE);

  return ret;
}

guint
train_settings_count (void)
{
  return G_N_ELEMENTS (properties);
}

const gchar *
train_settings_name (guint index)
{
  return properties[index].name;
}

void
train_settings_install (GObjectClass * object_class, guint first)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS
      | GST_PARAM_MUTABLE_READY;
  guint i;

  for (i = 0; i < G_N_ELEMENTS (properties); i++) {
    const Property *p = &properties[i];
    GParamSpec *spec = NULL;

    switch (p->kind) {
      case KIND_STRING:
        spec = g_param_spec_string (p->name, p->nick, blurb (p), p->text,
            flags);
        break;
      case KIND_INT:
        spec = param_range_int (p->name, p->nick, blurb (p), (gint) p->min,
            (gint) p->max, (gint) p->preset, flags);
        break;
      case KIND_UINT64:
        spec = g_param_spec_uint64 (p->name, p->nick, blurb (p), 0, G_MAXUINT64,
            (guint64) p->preset, flags);
        break;
      case KIND_DOUBLE:
        spec = param_range_double (p->name, p->nick, blurb (p), p->min, p->max,
            p->preset, flags);
        break;
      case KIND_BOOLEAN:
        spec = g_param_spec_boolean (p->name, p->nick, blurb (p),
            p->preset != 0, flags);
        break;
      case KIND_ENUM:
        spec = g_param_spec_enum (p->name, p->nick, blurb (p),
            enum_type (p->values), (gint) p->preset, flags);
        gst_type_mark_as_plugin_api (enum_type (p->values), 0);
        break;
    }
    g_object_class_install_property (object_class, first + i, spec);
  }
}

void
train_settings_init (TrainSettings * settings)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (properties); i++) {
    const Property *p = &properties[i];

    switch (p->kind) {
      case KIND_STRING:
        G_STRUCT_MEMBER (gchar *, settings, p->offset) = g_strdup (p->text);
        break;
      case KIND_UINT64:
        G_STRUCT_MEMBER (guint64, settings, p->offset) = (guint64) p->preset;
        break;
      case KIND_DOUBLE:
        G_STRUCT_MEMBER (gdouble, settings, p->offset) = p->preset;
        break;
      default:
        G_STRUCT_MEMBER (gint, settings, p->offset) = (gint) p->preset;
        break;
    }
  }
}

void
train_settings_clear (TrainSettings * settings)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (properties); i++)
    if (properties[i].kind == KIND_STRING)
      g_clear_pointer (&G_STRUCT_MEMBER (gchar *, settings,
              properties[i].offset), g_free);
}

void
train_settings_copy (TrainSettings * to, const TrainSettings * from)
{
  guint i;

  *to = *from;
  for (i = 0; i < G_N_ELEMENTS (properties); i++)
    if (properties[i].kind == KIND_STRING)
      G_STRUCT_MEMBER (gchar *, to, properties[i].offset) =
          g_strdup (G_STRUCT_MEMBER (gchar *, from, properties[i].offset));
}

void
train_settings_set (TrainSettings * settings, guint index, const GValue * value)
{
  const Property *p = &properties[index];
  gchar **string;

  switch (p->kind) {
    case KIND_STRING:
      string = &G_STRUCT_MEMBER (gchar *, settings, p->offset);
      g_free (*string);
      *string = g_value_dup_string (value);
      /* an empty one is none: a launch line cannot say NULL */
      if (*string && !**string)
        g_clear_pointer (string, g_free);
      break;
    case KIND_INT:
      G_STRUCT_MEMBER (gint, settings, p->offset) = g_value_get_int (value);
      break;
    case KIND_UINT64:
      G_STRUCT_MEMBER (guint64, settings, p->offset) =
          g_value_get_uint64 (value);
      break;
    case KIND_DOUBLE:
      G_STRUCT_MEMBER (gdouble, settings, p->offset) =
          g_value_get_double (value);
      break;
    case KIND_BOOLEAN:
      G_STRUCT_MEMBER (gboolean, settings, p->offset) =
          g_value_get_boolean (value);
      break;
    case KIND_ENUM:
      G_STRUCT_MEMBER (gint, settings, p->offset) = g_value_get_enum (value);
      break;
  }
}

void
train_settings_get (const TrainSettings * settings, guint index, GValue * value)
{
  const Property *p = &properties[index];

  switch (p->kind) {
    case KIND_STRING:
      g_value_set_string (value, G_STRUCT_MEMBER (gchar *, settings,
              p->offset));
      break;
    case KIND_INT:
      g_value_set_int (value, G_STRUCT_MEMBER (gint, settings, p->offset));
      break;
    case KIND_UINT64:
      g_value_set_uint64 (value, G_STRUCT_MEMBER (guint64, settings,
              p->offset));
      break;
    case KIND_DOUBLE:
      g_value_set_double (value, G_STRUCT_MEMBER (gdouble, settings,
              p->offset));
      break;
    case KIND_BOOLEAN:
      g_value_set_boolean (value, G_STRUCT_MEMBER (gboolean, settings,
              p->offset));
      break;
    case KIND_ENUM:
      g_value_set_enum (value, G_STRUCT_MEMBER (gint, settings, p->offset));
      break;
  }
}

gboolean
train_settings_check (const TrainSettings * settings, GError ** error)
{
  const gchar *const *models = cnn3d_network_models ();
  const Property *p;
  gchar *names;
  gdouble value;
  guint64 bytes;
  guint i;

  for (i = 0; i < G_N_ELEMENTS (properties); i++) {
    p = &properties[i];
    if (p->kind != KIND_INT && p->kind != KIND_DOUBLE)
      continue;
    value = p->kind == KIND_INT ?
        G_STRUCT_MEMBER (gint, settings, p->offset) :
        G_STRUCT_MEMBER (gdouble, settings, p->offset);
    if (!(value >= p->min && value <= p->max))
      goto out_of_range;
  }

  if (!settings->model
      || !g_strv_contains (models, settings->model))
    goto no_model;
  if (settings->num_classes == 1)
    goto one_class;
  if (settings->resume == TRAIN_RESUME_MUST && !settings->checkpoint_dir)
    goto no_folder;
  if (settings->checkpoint_interval > 0 && !settings->checkpoint_dir)
    goto no_place;
  if (settings->max_memory && !cnn3d_parse_bytes (settings->max_memory, &bytes))
    goto no_size;
  if (settings->chunking && settings->video_batch_size == 0)
    goto no_chunk;
  if (!class_weights_check (settings->class_weights, error))
    return FALSE;

  return TRUE;

  /* ERRORS */
out_of_range:
  {
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
        p->max == BELOW_ONE ?
        "%s is %.10g, but must be from %.10g to below %.0f (%s)." :
        "%s is %.10g, but must be from %.10g to %.10g (%s).", p->name, value,
        p->min, p->max, p->unit);
    return FALSE;
  }
no_model:
  {
    names = g_strjoinv (", ", (gchar **) models);
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
        "There is no model '%s': set model to one of %s.",
        settings->model ? settings->model : "", names);
    g_free (names);
    return FALSE;
  }
one_class:
  {
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
        "num-classes is 1, but with one class there is nothing to tell apart: "
        "set 2 or more, or 0 to take what upstream tells.");
    return FALSE;
  }
no_folder:
  {
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
        "resume=must needs to know where the checkpoint is: set "
        "checkpoint-dir.");
    return FALSE;
  }
no_place:
  {
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
        "checkpoint-interval is %d, but there is no place to save to: set "
        "checkpoint-dir.", settings->checkpoint_interval);
    return FALSE;
  }
no_size:
  {
    names = cnn3d_escape (settings->max_memory, FALSE);
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
        "max-memory is '%s', which is no size: give bytes, or a number with a "
        "unit such as 8GiB or 800MiB; 0 for what the device has.", names);
    g_free (names);
    return FALSE;
  }
no_chunk:
  {
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
        "use-chunking-in-train needs to know how large a chunk is: set "
        "video-batch-size to 1 or more.");
    return FALSE;
  }
}

void
train_settings_fill (const TrainSettings * settings,
    Cnn3dTrainerParams * params)
{
  params->network.model = settings->model;
  params->network.base_width = settings->base_width;
  params->network.dropout = (gfloat) settings->dropout;
  params->pretrained = settings->pretrained;
  params->freeze = settings->freeze;
  params->device = settings->device ? settings->device : "auto";
  params->threads = settings->threads;
  params->convolution = settings->convolution;
  params->deterministic = settings->deterministic;
  params->tf32 = settings->allow_tf32;
  params->benchmark = settings->benchmark;
  params->precision = settings->precision;
  params->accumulate = settings->accumulate;
  params->recompute = settings->recompute;
  if (!settings->max_memory
      || !cnn3d_parse_bytes (settings->max_memory, &params->max_memory))
    params->max_memory = 0;
  params->auto_fit = settings->auto_fit;
  params->micro_batch = settings->chunking ? settings->video_batch_size : 0;
  params->optimizer = settings->optimizer;
  params->momentum = settings->momentum;
  params->weight_decay = settings->weight_decay;
  params->lr.schedule = settings->schedule;
  params->lr.lr = settings->lr;
  params->lr.warmup_epochs = settings->warmup_epochs;
  params->lr.step_size = settings->lr_step_size;
  params->lr.gamma = settings->lr_gamma;
  params->label_smoothing = settings->label_smoothing;
  params->gradient_clip = settings->gradient_clip;
  params->seed = settings->seed;
  params->checkpoint_dir = settings->checkpoint_dir;
  params->checkpoint_interval = settings->checkpoint_interval;
  params->save_top_k = settings->save_top_k;
  params->monitor = settings->monitor;
  params->patience = settings->patience;
  params->any_data = settings->resume_data == TRAIN_RESUME_DATA_ANY;
}
