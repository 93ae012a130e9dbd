/* keys.c: the table of known keys, and which one somebody may have meant.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/config/config-private.h"

#include <string.h>

#define MAX_NAME 64             /* bytes of an unknown name that are compared */

/* Sections are together, and in the order that the documentation tells them.
 * A fallback is the property's own default: tests hold the two together. */
static const Cnn3dConfigKey keys[] = {
  {"paths.train", CNN3D_CONFIG_TEXT, .elements = "clipsrc", .property = "location",
    .help = "manifest (CSV, TSV, JSON) or folder of class folders to train on; it must be set"},
  {"paths.val", CNN3D_CONFIG_TEXT, .elements = "clipsrc", .property = "val-location",
    .help = "manifest or folder to validate on"},
  {"paths.test", CNN3D_CONFIG_TEXT, .becomes = "clipsrc `location` in a line of its own",
    .help = "manifest or folder to test the best weights on at the end; needs paths.checkpoint_dir"},
  {"paths.root", CNN3D_CONFIG_TEXT, .elements = "clipsrc", .property = "root", .tests = TRUE,
    .help = "folder that the manifests' relative paths are in; not set: the manifest's own"},
  {"paths.checkpoint_dir", CNN3D_CONFIG_TEXT, .elements = "cnn3dtrain", .property = "checkpoint-dir",
    .help = "folder for checkpoints; not set: nothing is saved"},
  {"paths.log_dir", CNN3D_CONFIG_TEXT, .elements = "cnn3dtrain", .property = "log-dir",
    .help = "folder for logs; not set: no logs"},

  {"data.batch_size", CNN3D_CONFIG_INTEGER, 1, 4096, .fallback = "1", .elements = "clipbatch",
    .property = "batch-size", .always = TRUE, .tests = TRUE, .help = "clips in a batch"},
  {"data.video_batch_size", CNN3D_CONFIG_INTEGER, 0, 4096, .fallback = "0", .elements = "cnn3dtrain",
    .property = "video-batch-size", .tests = TRUE, .help = "clips in a chunk, with train.use_chunking_in_train; 0: whole batches"},
  {"data.img_size", CNN3D_CONFIG_SIZE, 8, 4096, .fallback = "112x112", .becomes = "`height` and `width` of the caps",
    .help = "pixels that frames are resized to; not set: 112"},
  {"data.num_frames", CNN3D_CONFIG_INTEGER, 1, 1024, .fallback = "16", .elements = "clipsample",
    .property = "num-frames", .always = TRUE, .tests = TRUE, .help = "frames taken from each clip"},
  {"data.frame_interval", CNN3D_CONFIG_INTEGER, 0, 1024, .fallback = "0", .elements = "clipsample",
    .property = "frame-interval", .tests = TRUE, .help = "frames from one taken to the next; 0: spread evenly over the clip"},
  {"data.frame_rate", CNN3D_CONFIG_RATE, 0, 1000, .fallback = "0/1", .elements = "clipsample",
    .property = "frame-rate", .tests = TRUE,
    .help = "frames a second that clips are brought to before frames are counted and taken; 0: each clip's own frames"},
  {"data.sampling", CNN3D_CONFIG_CHOICE, .choices = "random center uniform", .fallback = "random",
    .elements = "clipsample", .property = "mode", .tests = TRUE,
    .help = "where the frames lie in the clip, with data.frame_interval"},
  {"data.clips_per_video", CNN3D_CONFIG_INTEGER, 1, 64, .fallback = "1", .elements = "clipsample",
    .property = "clips-per-video", .tests = TRUE, .help = "views of each clip in validation, with data.frame_interval"},
  {"data.diff_gain", CNN3D_CONFIG_NUMBER, 0, 100, .fallback = "0", .becomes = "`gain` of a clipdiff", .tests = TRUE,
    .help = "clips are differences of frames, times this; 0: they are pictures, without clipdiff"},
  {"data.shuffle", CNN3D_CONFIG_BOOLEAN, .fallback = "true", .elements = "clipsrc", .property = "shuffle",
    .help = "another order each epoch"},
  {"data.class_sampling", CNN3D_CONFIG_CHOICE, .choices = "none balanced", .fallback = "none", .elements = "clipsrc",
    .property = "sampling", .help = "balanced: each class as often as the others in training, however many clips it has"},
  {"data.drop_last", CNN3D_CONFIG_BOOLEAN, .fallback = "false", .elements = "clipbatch", .property = "drop-last",
    .help = "drop the clips that do not fill a batch"},
  {"data.num_workers", CNN3D_CONFIG_INTEGER, 0, 64, .fallback = "0", .elements = "clipsrc",
    .property = "num-workers", .tests = TRUE, .help = "decoders side by side; 0: one, and nothing ahead"},
  {"data.persistent_workers", CNN3D_CONFIG_BOOLEAN, .fallback = "true", .elements = "clipsrc",
    .property = "persistent-workers", .help = "decoders go on with the next pass before this one has ended"},
  {"data.num_folds", CNN3D_CONFIG_INTEGER, 0, 65535, .fallback = "0", .elements = "clipsrc",
    .property = "num-folds", .help = "cross-validation: parts, one of which validates; 0: none, else from 2"},
  {"data.fold", CNN3D_CONFIG_INTEGER, 0, 65534, .fallback = "0", .elements = "clipsrc", .property = "fold",
    .help = "the part that validates"},
  {"data.on_error", CNN3D_CONFIG_CHOICE, .choices = "skip stop", .fallback = "skip", .elements = "clipsrc",
    .property = "on-error", .tests = TRUE, .help = "what to do about a clip that cannot be read"},
  {"data.load_rgb", CNN3D_CONFIG_BOOLEAN, .fallback = "true", .becomes = "nothing: frames are always read",
    .refused = "false", .reason = "the networks see frames and nothing else, so there would be nothing to train on",
    .help = "only true"},
  {"data.load_kpt", CNN3D_CONFIG_BOOLEAN, .fallback = "false", .becomes = "nothing: key points are never read",
    .refused = "true", .reason = "the networks see frames and nothing else; key points would cost memory for nothing",
    .help = "only false"},

  {"augment.enabled", CNN3D_CONFIG_BOOLEAN, .becomes = "whether there is a clipaugment",
    .help = "training clips are changed at random; not set: where another key of this section is"},
  {"augment.scale_min", CNN3D_CONFIG_NUMBER, 0.01, 1, .fallback = "0.5", .elements = "clipaugment",
    .property = "scale-min", .help = "smallest crop, as a part of the frame's area"},
  {"augment.scale_max", CNN3D_CONFIG_NUMBER, 0.01, 1, .fallback = "1", .elements = "clipaugment",
    .property = "scale-max", .help = "largest crop"},
  {"augment.ratio_min", CNN3D_CONFIG_NUMBER, 0.1, 10, .fallback = "0.75", .elements = "clipaugment",
    .property = "ratio-min", .help = "a crop's width by its height, at least"},
  {"augment.ratio_max", CNN3D_CONFIG_NUMBER, 0.1, 10, .fallback = "1.333333", .elements = "clipaugment",
    .property = "ratio-max", .help = "a crop's width by its height, at most"},
  {"augment.flip", CNN3D_CONFIG_NUMBER, 0, 1, .fallback = "0.5", .elements = "clipaugment", .property = "flip",
    .help = "how likely left and right are exchanged"},
  {"augment.brightness", CNN3D_CONFIG_NUMBER, 0, 10, .fallback = "0", .elements = "clipaugment",
    .property = "brightness", .help = "pixels times a factor within 1 plus or minus this"},
  {"augment.contrast", CNN3D_CONFIG_NUMBER, 0, 10, .fallback = "0", .elements = "clipaugment",
    .property = "contrast", .help = "the same for distances from the frame's mean grey"},
  {"augment.saturation", CNN3D_CONFIG_NUMBER, 0, 10, .fallback = "0", .elements = "clipaugment",
    .property = "saturation", .help = "the same for distances from the pixel's own grey"},

  {"model.preset", CNN3D_CONFIG_TEXT, .becomes = "cnn3dtrain `@preset`",
    .help = "a recipe by its name; what it sets wins over keys, which a warning tells of"},
  {"model.backbone", CNN3D_CONFIG_MODEL, .choices = "resnet18=r3d_18 resnet50=slow_r50", .fallback = "r3d_18",
    .elements = "cnn3dtrain", .property = "model", .always = TRUE, .help = "the network"},
  {"model.model_class_num", CNN3D_CONFIG_INTEGER, 0, 1000000, .fallback = "0", .elements = "cnn3dtrain",
    .property = "num-classes", .help = "classes; 0: as many as the data has"},
  {"model.pretrained", CNN3D_CONFIG_TEXT, .elements = "cnn3dtrain", .property = "pretrained",
    .help = "safetensors file to start from"},
  {"model.freeze", CNN3D_CONFIG_TEXT, .elements = "cnn3dtrain", .property = "freeze",
    .help = "beginnings of parameter names that do not train, `backbone`, `batch-norm`; commas between them"},
  {"model.base_width", CNN3D_CONFIG_INTEGER, 1, 1024, .fallback = "64", .elements = "cnn3dtrain",
    .property = "base-width", .help = "channels after the stem; 64: the model as published"},
  {"model.dropout", CNN3D_CONFIG_NUMBER, 0, 1, .fallback = "0", .elements = "cnn3dtrain", .property = "dropout",
    .help = "probability, before the last layer; below 1"},

  {"loss.lr", CNN3D_CONFIG_NUMBER, 0, 1000, .fallback = "0.01", .elements = "cnn3dtrain", .property = "lr",
    .always = TRUE, .help = "learning rate, after the warm-up"},
  {"loss.optimizer", CNN3D_CONFIG_CHOICE, .choices = "sgd adam adamw", .fallback = "sgd", .elements = "cnn3dtrain",
    .property = "optimizer", .help = "as in torch.optim"},
  {"loss.momentum", CNN3D_CONFIG_NUMBER, 0, 1, .fallback = "0.9", .elements = "cnn3dtrain", .property = "momentum",
    .help = "of sgd; below 1"},
  {"loss.weight_decay", CNN3D_CONFIG_NUMBER, 0, 1000, .fallback = "0.0001", .elements = "cnn3dtrain",
    .property = "weight-decay", .help = "as torch.optim's weight_decay"},
  {"loss.lr_schedule", CNN3D_CONFIG_CHOICE, .choices = "constant cosine step", .fallback = "constant",
    .elements = "cnn3dtrain", .property = "lr-schedule", .help = "how the learning rate changes over the epochs"},
  {"loss.warmup_epochs", CNN3D_CONFIG_NUMBER, 0, 100000, .fallback = "0", .elements = "cnn3dtrain",
    .property = "warmup-epochs", .help = "epochs in which the learning rate rises"},
  {"loss.lr_step_size", CNN3D_CONFIG_NUMBER, 1e-6, 100000, .fallback = "10", .elements = "cnn3dtrain",
    .property = "lr-step-size", .help = "epochs of each stair of lr_schedule step"},
  {"loss.lr_gamma", CNN3D_CONFIG_NUMBER, 1e-6, 1, .fallback = "0.1", .elements = "cnn3dtrain",
    .property = "lr-gamma", .help = "what each stair multiplies the learning rate by"},
  {"loss.label_smoothing", CNN3D_CONFIG_NUMBER, 0, 1, .fallback = "0", .elements = "cnn3dtrain",
    .property = "label-smoothing", .help = "part of each label that is spread over all classes; below 1"},
  {"loss.class_weights", CNN3D_CONFIG_TEXT, .fallback = "none", .elements = "cnn3dtrain", .property = "class-weights",
    .help = "of the training loss: none, balanced, or a number for each class, in quotes: \"1,2.5,1\""},

  {"train.max_epochs", CNN3D_CONFIG_INTEGER, 1, G_MAXINT, .fallback = "1", .elements = "clipsrc",
    .property = "epochs", .always = TRUE, .help = "epochs; each trains, then validates"},
  {"train.accumulate_grad_batches", CNN3D_CONFIG_INTEGER, 1, 1000000, .fallback = "1", .elements = "cnn3dtrain",
    .property = "accumulate-grad-batches", .help = "batches that make one optimizer step"},
  {"train.use_chunking_in_train", CNN3D_CONFIG_BOOLEAN, .fallback = "false", .elements = "cnn3dtrain",
    .property = "use-chunking-in-train", .help = "split batches into chunks of data.video_batch_size"},
  {"train.max_memory", CNN3D_CONFIG_BYTES, .fallback = "0", .elements = "cnn3dtrain", .property = "max-memory",
    .tests = TRUE,
    .help = "what training may take; 0: what the device has"},
  {"train.auto_fit", CNN3D_CONFIG_BOOLEAN, .fallback = "false", .elements = "cnn3dtrain", .property = "auto-fit",
    .help = "split batches that do not fit, and accumulate: the optimizer step stays what it was"},
  {"train.recompute", CNN3D_CONFIG_CHOICE, .choices = "auto none bn block", .fallback = "auto",
    .elements = "cnn3dtrain", .property = "recompute", .help = "what is computed twice instead of kept"},
  {"train.seed", CNN3D_CONFIG_INTEGER, 0, 9007199254740991., .fallback = "0",
    .elements = "clipsrc clipsample clipaugment cnn3dtrain", .property = "seed", .help = "of everything that is random"},
  {"train.monitor", CNN3D_CONFIG_CHOICE, .choices = "val-accuracy val-loss train-loss val-f1", .fallback = "val-accuracy",
    .elements = "cnn3dtrain", .property = "monitor", .help = "what tells how good an epoch is"},
  {"train.patience", CNN3D_CONFIG_INTEGER, 0, 1000000, .fallback = "0", .elements = "cnn3dtrain",
    .property = "patience", .help = "epochs without a better one after which training stops; 0: never"},
  {"train.save_top_k", CNN3D_CONFIG_INTEGER, 0, 1000, .fallback = "1", .elements = "cnn3dtrain",
    .property = "save-top-k", .help = "best epochs whose weights are kept"},
  {"train.checkpoint_interval", CNN3D_CONFIG_INTEGER, 0, G_MAXINT, .fallback = "0", .elements = "cnn3dtrain",
    .property = "checkpoint-interval", .help = "optimizer steps between checkpoints within an epoch; 0: none there"},
  {"train.max_skipped", CNN3D_CONFIG_NUMBER, 0, 1, .fallback = "0.5", .elements = "cnn3dtrain",
    .property = "max-skipped", .help = "part of a pass's clips that may be skipped; more end the run, 1: none do"},
  {"train.resume", CNN3D_CONFIG_CHOICE, .choices = "auto never must", .fallback = "auto", .elements = "cnn3dtrain",
    .property = "resume", .help = "whether to go on from the last checkpoint"},
  {"train.resume_data", CNN3D_CONFIG_CHOICE, .choices = "same any", .fallback = "same", .elements = "cnn3dtrain",
    .property = "resume-data", .help = "any: go on from a checkpoint of other clips, labels, sizes or sampling, too"},

  {"trainer.precision", CNN3D_CONFIG_CHOICE, .choices = "32 16-mixed 16=16-mixed bf16-mixed", .fallback = "32",
    .elements = "cnn3dtrain", .property = "precision", .always = TRUE, .help = "what numbers are computed with"},
  {"trainer.limit_train_batches", CNN3D_CONFIG_BATCHES, 1, 1e9, .fallback = "1.0",
    .becomes = "clipsrc `limit-clips`, times data.batch_size",
    .help = "batches of each pass, validation too; 1.0: all. Other fractions would need the clips' number"},
  {"trainer.gradient_clip_val", CNN3D_CONFIG_NUMBER, 0, 1e30, .fallback = "0", .elements = "cnn3dtrain",
    .property = "gradient-clip-val", .help = "norm that larger gradients are scaled down to; 0: none are"},
  {"trainer.device", CNN3D_CONFIG_TEXT, .fallback = "auto", .elements = "cnn3dtrain", .property = "device",
    .tests = TRUE, .help = "auto, cpu, cuda or cuda:N"},
  {"trainer.threads", CNN3D_CONFIG_INTEGER, 0, 4096, .fallback = "0", .elements = "cnn3dtrain",
    .property = "threads", .tests = TRUE, .help = "threads that compute on a CPU; 0: one a core"},
  {"trainer.convolution", CNN3D_CONFIG_CHOICE, .choices = "auto direct winograd", .fallback = "auto",
    .elements = "cnn3dtrain", .property = "convolution", .tests = TRUE,
    .help = "how a CPU convolves; auto: by Winograd's minimal filtering where that is faster by count"},
  {"trainer.deterministic", CNN3D_CONFIG_BOOLEAN, .fallback = "true", .elements = "cnn3dtrain",
    .property = "deterministic", .help = "on a GPU: the same bits every time"},
  {"trainer.benchmark", CNN3D_CONFIG_BOOLEAN, .fallback = "true", .elements = "cnn3dtrain",
    .property = "benchmark", .help = "on a GPU: convolutions' algorithms are timed once, and the fastest kept"},
  {"trainer.allow_tf32", CNN3D_CONFIG_BOOLEAN, .fallback = "true", .elements = "cnn3dtrain",
    .property = "allow-tf32", .help = "on a GPU: precision 32 may multiply in TF32"},
  {"trainer.progress", CNN3D_CONFIG_BOOLEAN, .fallback = "true", .elements = "cnn3dtrain",
    .property = "progress", .help = "show progress on stdout"},
};

const Cnn3dConfigKey *
cnn3d_config_keys (guint *n_keys)
{
  if (n_keys)
    *n_keys = G_N_ELEMENTS (keys);
  return keys;
}

gchar *
cnn3d_config_key_becomes (const Cnn3dConfigKey *key)
{
  gchar **elements, *joined, *text;

  if (!key->property)
    return g_strdup (key->becomes);
  elements = g_strsplit (key->elements, " ", -1);
  joined = g_strjoinv (", ", elements);
  text = g_strdup_printf ("%s `%s`", joined, key->property);
  g_free (joined);
  g_strfreev (elements);
  return text;
}

gint
cnn3d_config_find (const gchar *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    if (strcmp (keys[i].name, name) == 0)
      return (gint) i;
  return -1;
}

static const gchar *
key_part (const gchar *name)
{
  return strchr (name, '.') + 1;
}

static gboolean
in_section (const gchar *name, const gchar *section, gsize length)
{
  return strncmp (name, section, length) == 0 && name[length] == '.';
}

gboolean
cnn3d_config_is_section (const gchar *name)
{
  gsize length = strlen (name);

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    if (in_section (keys[i].name, name, length))
      return TRUE;
  return FALSE;
}

/* Edits (a letter more, less or another) from a to b, whose size is n. */
static guint
edit_distance (const gchar *a, const gchar *b, gsize n)
{
  guint row[MAX_NAME + 1];
  gsize m = MIN (strlen (a), MAX_NAME);

  n = MIN (n, MAX_NAME);
  for (gsize j = 0; j <= n; j++)
    row[j] = (guint) j;
  for (gsize i = 1; i <= m; i++) {
    guint diagonal = row[0];

    row[0] = (guint) i;
    for (gsize j = 1; j <= n; j++) {
      guint other = diagonal + (g_ascii_tolower (a[i - 1]) != g_ascii_tolower (b[j - 1]));

      diagonal = row[j];
      row[j] = MIN (other, 1 + MIN (row[j], row[j - 1]));
    }
  }
  return row[n];
}

/* The nearest key. Where it is in another section, that is one edit, however
 * different the sections' names are. */
static guint
nearest_key (const gchar *name, guint *distance)
{
  const gchar *dot = strchr (name, '.');
  guint nearest = 0;

  *distance = G_MAXUINT;
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++) {
    const gchar *part = key_part (keys[i].name);
    guint d = edit_distance (dot ? dot + 1 : name, part, strlen (part));

    if (!dot || !in_section (keys[i].name, name, (gsize) (dot - name)))
      d++;
    if (d < *distance) {
      *distance = d;
      nearest = i;
    }
  }
  return nearest;
}

gchar *
cnn3d_config_unknown_key (const gchar *name)
{
  guint distance;
  const gchar *nearest = keys[nearest_key (name, &distance)].name;
  gchar *cut = cnn3d_config_cut (name);
  gchar *text = g_strdup_printf ("there is no key '%s'; the nearest is %s", cut, nearest);

  g_free (cut);
  return text;
}

gchar *
cnn3d_config_unknown_section (const gchar *name)
{
  guint of_key, of_section = G_MAXUINT;
  const gchar *key = keys[nearest_key (name, &of_key)].name;
  const gchar *section = NULL;
  gchar *cut = cnn3d_config_cut (name), *text;

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++) {
    gsize length = strcspn (keys[i].name, ".");
    guint d = edit_distance (name, keys[i].name, length);

    if (d < of_section) {
      of_section = d;
      section = keys[i].name;
    }
  }
  if (of_key <= of_section)
    text = g_strdup_printf ("there is no section '%s'; the nearest key is %s: write '%s' below '%.*s:', indented",
        cut, key, key_part (key), (gint) strcspn (key, "."), key);
  else
    text = g_strdup_printf ("there is no section '%s'; the nearest is %.*s", cut, (gint) strcspn (section, "."),
        section);
  g_free (cut);
  return text;
}
