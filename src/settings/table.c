/* table.c: all settings, a row each. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/settings/settings.h"

#define BOOLEAN(of, is, shown, default) \
  of, is, shown, .kind = CNN3D_SETTING_BOOLEAN, .maximum = 1, .preset = default
#define INT(of, is, shown, least, most, default) \
  of, is, shown, .kind = CNN3D_SETTING_INT, .minimum = least, .maximum = most, .preset = default
#define UINT(of, is, shown, least, most, default) \
  of, is, shown, .kind = CNN3D_SETTING_UINT, .minimum = least, .maximum = most, .preset = default
#define UINT64(of, is, shown, default) \
  of, is, shown, .kind = CNN3D_SETTING_UINT64, .maximum = G_MAXUINT64, .preset = default
#define NUMBER(of, is, shown, least, most, default) \
  of, is, shown, .kind = CNN3D_SETTING_NUMBER, .minimum = least, .maximum = most, .preset = default
#define TEXT(of, is, shown, default) of, is, shown, .kind = CNN3D_SETTING_TEXT, .text = default
#define CHOICE(of, is, shown, list, default) \
  of, is, shown, .kind = CNN3D_SETTING_CHOICE, .choices = &cnn3d_##list, .preset = default
/* For configurations only; a row sets its kind and range. */
#define KEY(path) NULL, NULL, NULL, .key = path

/* Not const, because a test changes a row. */
static Cnn3dSetting settings[] = {
  /* paths */
  { TEXT ("clipsrc", "location", "Location", NULL), .key = "paths.train",
      .about = "Clips to read, with their labels: a manifest (CSV or TSV: path label [start end] "
               "[group] [split]; or JSON timelines), annotations in another format, or a folder of "
               "class folders; it must be set" },
  { TEXT ("clipsrc", "val-location", "Validation location", NULL), .key = "paths.val",
      .about = "Manifest or folder of the clips to validate on; unset: a column split or num-folds "
               "may select them" },
  { KEY ("paths.test"), .kind = CNN3D_SETTING_TEXT,
      .becomes = "clipsrc `location` in a separate line",
      .about =
          "Manifest or folder to test the best weights on at the end; needs paths.checkpoint_dir" },
  { TEXT ("clipsrc", "root", "Root", NULL), .key = "paths.root", .tests = TRUE,
      .about = "Folder that relative paths of a manifest refer to; unset: the manifest's folder" },
  { TEXT ("clipsrc", "classes-location", "Location of class names", NULL), .key = "paths.classes",
      .tests = TRUE,
      .about = "File with names for classes that are numbers: one a line, the first for 0, or "
               "lines of number and name; unset: the numbers are the names" },
  { TEXT ("cnn3dtrain", "checkpoint-dir", "Checkpoint folder", NULL), .key = "paths.checkpoint_dir",
      .about = "Folder for checkpoints, created if it is missing: last.safetensors, to resume "
               "from, and the best weights; unset: nothing is saved" },
  { TEXT ("cnn3dtrain", "log-dir", "Log folder", NULL), .key = "paths.log_dir",
      .about = "Folder for logs, created if it is missing: log.jsonl, metrics.csv and "
               "TensorBoard's event files; a resumed run appends to them, a new one moves them "
               "into earlier-N first; unset: nothing is logged" },
  { TEXT ("cnn3deval cnn3dinfer", "model", "Model", NULL),
      .about = "File of a trained model, such as best.safetensors in cnn3dtrain's checkpoint-dir: "
               "architecture, classes, sizes and normalisation are taken from the file; if it is "
               "set while cnn3dinfer plays, the old model is used until the new one is loaded" },
  { TEXT ("cnn3deval", "output-dir", "Output folder", NULL),
      .about = "Folder for metrics.json, predictions.csv, wrong.csv, confusion.png, confusion.svg "
               "and feature maps, made where it is missing; unset: nothing is written" },

  /* data */
  { UINT ("clipbatch", "batch-size", "Batch size", 1, 4096, 1), .unit = "clips",
      .key = "data.batch_size", .always = TRUE, .tests = TRUE, .about = "Clips in a batch" },
  { INT ("cnn3dtrain cnn3deval", "video-batch-size", "Clips in a chunk", 0, 1000000, 0),
      .unit = "clips", .key = "data.video_batch_size", .tests = TRUE,
      .about = "Clips in a chunk, which larger batches are split into: in training with "
               "use-chunking-in-train, in tests always; 0: whole batches" },
  { KEY ("data.img_size"), .kind = CNN3D_SETTING_SIZE, .minimum = 8, .maximum = 4096,
      .without = "112x112", .becomes = "`height` and `width` of the caps",
      .about = "Pixels that frames are resized to" },
  { UINT ("clipsample", "num-frames", "Number of frames", 1, 1024, 16), .unit = "frames",
      .key = "data.num_frames", .always = TRUE, .tests = TRUE,
      .about = "Frames taken from each clip" },
  { UINT ("clipsample", "frame-interval", "Frame interval", 0, 1024, 0), .unit = "frames",
      .key = "data.frame_interval", .tests = TRUE,
      .about = "Frames of the video from one sampled frame to the next; 0: num-frames are spread "
               "evenly over the whole clip" },
  { "clipsample", "frame-rate", "Frame rate", .kind = CNN3D_SETTING_RATE, .maximum = 1000,
      .text = "0/1", .unit = "frames a second", .key = "data.frame_rate", .tests = TRUE,
      .about = "Frame rate that clips are converted to, by the nearest frame in time, before "
               "frames are sampled; 0: each clip's own frames" },
  { CHOICE ("clipsample", "mode", "Mode", windows, CNN3D_WINDOW_RANDOM), .key = "data.sampling",
      .tests = TRUE,
      .about = "Position of the window of frames in its clip, if frame-interval is not 0" },
  { UINT ("clipsample", "clips-per-video", "Clips per video", 1, 64, 1), .unit = "clips",
      .key = "data.clips_per_video", .tests = TRUE,
      .about = "Windows placed evenly over a clip, each sent as a separate clip with the "
               "same clip number, in validation and test passes and if frame-interval is not 0" },
  { UINT ("cnn3deval", "clips-per-video", "Clips per video", 0, 1000000, 0), .unit = "clips",
      .about =
          "Number of consecutive clips that are of one video, whose probabilities are "
          "averaged; 0: clips with the same clip number, as from clipsample's clips-per-video" },
  { NUMBER ("clipdiff", "gain", "Gain", 0, 100, 1), .unit = "as a factor", .key = "data.diff_gain",
      .without = "0", .becomes = "`gain` of a clipdiff", .tests = TRUE,
      .about = "Factor on the differences of frames; 0 in a configuration: clips are pictures, "
               "without clipdiff" },
  { BOOLEAN ("clipsrc", "shuffle", "Shuffle", TRUE), .key = "data.shuffle",
      .about =
          "Shuffle training passes, differently each epoch; other passes are in the listed order" },
  { CHOICE ("clipsrc", "sampling", "Sampling", samplings, CNN3D_SAMPLING_NONE),
      .key = "data.class_sampling",
      .about = "How often training passes have each clip: once, or each class as often as the "
               "others, however many clips it has" },
  { BOOLEAN ("clipbatch", "drop-last", "Drop last", FALSE), .key = "data.drop_last",
      .about = "Drop the clips that do not fill a batch at the end of a pass, be it training or "
               "validation, instead of sending a shorter batch" },
  { UINT ("clipsrc", "num-workers", "Number of workers", 0, 64, 0), .unit = "chains",
      .key = "data.num_workers", .tests = TRUE,
      .about = "Chains that decode clips in parallel, each up to two clips ahead; the order does "
               "not depend on it; 0: one chain, without decoding ahead" },
  { BOOLEAN ("clipsrc", "persistent-workers", "Persistent workers", TRUE),
      .key = "data.persistent_workers",
      .about = "Whether workers continue with the next pass's clips before this pass has ended" },
  { UINT ("clipsrc", "num-folds", "Number of folds", 0, G_MAXUINT16, 0), .unit = "parts",
      .key = "data.num_folds",
      .about = "Cross-validation: number of parts, one of which validates; a group is never split; "
               "0: none, otherwise at least 2" },
  { UINT ("clipsrc", "fold", "Fold", 0, G_MAXUINT16 - 1, 0), .key = "data.fold",
      .about = "The fold that validates, from 0 to num-folds - 1" },
  { TEXT ("clipsrc", "annotator", "Annotator", NULL), .key = "data.annotator", .tests = TRUE,
      .about = "Number or address of the person whose annotations are taken, where several people "
               "annotated (Label Studio); unset: there is one" },
  { TEXT ("clipsrc", "views", "Views", NULL), .key = "data.views", .tests = TRUE,
      .about = "Names of the views that each clip has, in their order, separated by commas: rows "
               "of one group and segment are the views of one clip; unset: those that the column "
               "view names, sorted, if rows have groups" },
  { TEXT ("clipsrc", "background", "Background", NULL), .key = "data.background", .tests = TRUE,
      .about = "Class of those parts of annotated videos that no label covers; unset: they are "
               "left out" },
  { CHOICE ("clipsrc", "on-error", "On error", on_errors, CNN3D_ON_ERROR_SKIP),
      .key = "data.on_error", .tests = TRUE,
      .about = "What to do with a clip that cannot be read" },
  { CHOICE ("clipsrc", "passes", "Passes", passes, CNN3D_PASSES_ALL),
      .about = "What each epoch consists of" },
  { UINT64 ("clipsrc", "limit-clips", "Limit of clips", 0), .unit = "clips",
      .about = "Most clips of each pass, always the same ones, drawn by seed; 0: all" },
  { TEXT ("clipsrc", "clip-bin", "Clip bin", NULL),
      .about = "Bin description, as for gst-launch-1.0, that each worker runs on its own clips' "
               "frames; unset: frames as decoded" },
  { INT ("clipsrc", "video-track", "Video track", -1, G_MAXINT, -1),
      .about = "Which of a file's video tracks is decoded, from 0; -1: the one that the file marks "
               "as the default, or its first; never a cover" },
  { NUMBER ("clipsrc", "fps", "Pictures a second", 0.001, 1000000, 30), .unit = "pictures a second",
      .about = "Frame rate of clips that are pictures in a folder, if their row has no fps" },
  { "clipsrc", "index-location", "Index location", .kind = CNN3D_SETTING_TEXT_OR_EMPTY,
      .about = "Folder that keeps the indices of files between runs; unset: cnn3d/index in the "
               "user's cache folder; empty (\"\"): nowhere" },
  { TEXT ("clipsrc", "keypoints-root", "Root of key points", NULL), .key = "data.keypoints_root",
      .tests = TRUE,
      .about =
          "Folder that relative paths of key points refer to; if it is set, clips whose row has "
          "no key points have those that keypoints-pattern names; unset: the manifest's root" },
  { TEXT ("clipsrc", "keypoints-pattern", "Pattern of key points", NULL),
      .key = "data.keypoints_pattern", .tests = TRUE,
      .about = "Path of each clip's key points, of {stem} (the video's name without its ending), "
               "{name}, {dir} (its folder in the manifest), {label}, {group} and {view}; unset: "
               "{stem}.npy "
               "if keypoints-root is set" },
  { TEXT ("clipkpt", "skeleton", "Skeleton", "auto"), .key = "data.skeleton", .tests = TRUE,
      .about = "What the points of a person are: coco17, body25, mediapipe33, mhr70, or custom:K; "
               "auto: the one that has as many points as the file" },
  { TEXT ("clipkpt", "pairs", "Pairs", NULL), .key = "data.pairs", .tests = TRUE,
      .about = "Points that change places in a mirrored picture, such as 1-2,3-4, by their numbers "
               "from 0; with skeleton=custom:K only" },
  { UINT ("clipkpt", "persons", "Persons", 1, 64, 2), .key = "data.persons", .tests = TRUE,
      .about = "Persons of each frame, those with the highest scores; fewer are filled up with "
               "missing ones" },
  { CHOICE ("clipkpt", "coordinates", "Coordinates", coordinates, CNN3D_COORDINATES_AUTO),
      .key = "data.coordinates", .tests = TRUE, .about = "What the files' coordinates are" },
  { BOOLEAN ("clipkpt", "compact", "Compact", FALSE), .key = "data.compact", .tests = TRUE,
      .about = "Whether coordinates become relative to a square around all points of the clip, "
               "instead of the picture" },
  { UINT ("clipkpt", "first-frame", "First frame", 0, G_MAXINT, 0),
      .about = "Number that the files give the video's first frame; files that have a row for each "
               "frame, or times, do without" },
  { BOOLEAN ("clipkpt", "draw", "Draw", FALSE),
      .about = "Whether the points are painted over the frames, to look at; frames must be RGB" },
  { TEXT ("clipcache", "location", "Location", NULL),
      .about = "Folder of the cache files, which processes may share; unset: cnn3d/clips in the "
               "user's cache folder" },
  { UINT64 ("clipcache", "max-size", "Maximum size", 1e10), .unit = "bytes",
      .about = "Largest total size of the files in location; a full cache keeps its contents" },
  { UINT ("clipsrc", "rank", "Rank", 0, G_MAXINT, 0),
      .about = "Number of this process, from 0 to world-size - 1" },
  { UINT ("clipsrc", "world-size", "World size", 0, G_MAXINT, 0), .unit = "processes",
      .about = "Processes that share each pass's clips: each takes one of clipbatch's batches by "
               "turns; 0: those that cnn3dtrain joins" },
  { KEY ("data.load_rgb"), .kind = CNN3D_SETTING_BOOLEAN, .without = "true",
      .becomes = "`input-type` of cnn3dtrain",
      .about = "Whether the network sees the frames; false needs data.load_kpt" },
  { KEY ("data.load_kpt"), .kind = CNN3D_SETTING_BOOLEAN, .without = "false",
      .becomes = "a clipkpt, and `input-type` of cnn3dtrain",
      .about = "Whether the network sees key points of the persons, which the manifest's column "
               "keypoints names the files of" },

  /* augment */
  { KEY ("augment.enabled"), .kind = CNN3D_SETTING_BOOLEAN,
      .becomes = "whether there is a clipaugment",
      .about =
          "Training clips are changed at random; unset: if another key of this section is set" },
  { NUMBER ("clipaugment", "scale-min", "Smallest crop", 0.01, 1, 0.5), .key = "augment.scale_min",
      .about = "Smallest crop, as a part of the frame's area; 1: nothing is cropped" },
  { NUMBER ("clipaugment", "scale-max", "Largest crop", 0.01, 1, 1), .key = "augment.scale_max",
      .about = "Largest crop, as a part of the frame's area" },
  { NUMBER ("clipaugment", "ratio-min", "Narrowest crop", 0.1, 10, 0.75),
      .key = "augment.ratio_min",
      .about = "A crop's width divided by its height, in the frame's pixels, at least" },
  { NUMBER ("clipaugment", "ratio-max", "Widest crop", 0.1, 10, 4.0 / 3.0),
      .key = "augment.ratio_max",
      .about = "A crop's width divided by its height, in the frame's pixels, at most" },
  { NUMBER ("clipaugment", "flip", "Flip", 0, 1, 0.5), .unit = "as a probability",
      .key = "augment.flip", .about = "Probability of a horizontal flip" },
  { NUMBER ("clipaugment", "brightness", "Brightness", 0, 10, 0), .key = "augment.brightness",
      .about = "Pixels are multiplied by a factor within 1 plus or minus this" },
  { NUMBER ("clipaugment", "contrast", "Contrast", 0, 10, 0), .key = "augment.contrast",
      .about = "Distances from the frame's mean brightness are multiplied by a factor within 1 "
               "plus or minus this" },
  { NUMBER ("clipaugment", "saturation", "Saturation", 0, 10, 0), .key = "augment.saturation",
      .about = "Distances from the pixel's grey are multiplied by a factor within 1 plus or minus "
               "this" },

  /* model */
  { KEY ("model.preset"), .kind = CNN3D_SETTING_TEXT, .becomes = "cnn3dtrain `@preset`",
      .about = "Name of a recipe; its settings take precedence over keys, with a warning" },
  { "cnn3dtrain", "model", "Model", .kind = CNN3D_SETTING_MODEL, .text = "r3d_18",
      .key = "model.backbone", .always = TRUE,
      .about = "The network: r3d_18, mc3_18 or r2plus1d_18 as in torchvision, slow_r50 as in "
               "PyTorchVideo; posec3d_slowonly, as in MMAction2, for key points" },
  { INT ("cnn3dtrain", "num-classes", "Number of classes", 0, 1000000, 0), .unit = "classes",
      .key = "model.model_class_num",
      .about = "Outputs of the network; 0: as many as upstream has, by its clip-classes event or "
               "its one-hot labels" },
  { TEXT ("cnn3dtrain", "pretrained", "Pretrained weights", NULL), .key = "model.pretrained",
      .about = "A safetensors file to start from, with torchvision's or PyTorchVideo's parameter "
               "names; a last layer of another size is left out, and named in the message "
               "cnn3dtrain-left-out" },
  { TEXT ("cnn3dtrain", "freeze", "Freeze", NULL), .key = "model.freeze",
      .about =
          "What does not train: comma-separated beginnings of parameter names; 'backbone' is all "
          "but the last layer; 'batch-norm' makes batch norm use and keep its running statistics" },
  { INT ("cnn3dtrain", "base-width", "Base width", 1, 1024, 64), .unit = "channels",
      .key = "model.base_width",
      .about = "Channels after the stem, which all others are in proportion to; 64 is the model as "
               "published, less is smaller and faster" },
  { NUMBER ("cnn3dtrain", "dropout", "Dropout", 0, 1, 0), .below = TRUE, .unit = "as a probability",
      .key = "model.dropout",
      .about = "Probability that a feature before the last layer is dropped in training" },
  { CHOICE ("cnn3dtrain", "input-type", "Input type", input_types, CNN3D_INPUT_RGB),
      .about = "What the network sees of a clip; key points need a clipkpt in the pipeline, and "
               "kpt needs model=posec3d_slowonly" },
  { CHOICE ("cnn3dtrain", "fusion", "Fusion", fusions, CNN3D_FUSION_CONCAT), .key = "model.fusion",
      .about = "How frames and key points come together with input-type=rgb+kpt; two streams are "
               "the model and posec3d_slowonly" },
  { CHOICE ("cnn3dtrain", "view-fusion", "View fusion", view_fusions, CNN3D_VIEW_FUSION_LOGITS),
      .key = "model.view_fusion",
      .about = "How the views of a sample come together, where a data set has several cameras of "
               "one scene" },
  { NUMBER ("cnn3dtrain", "view-dropout", "View dropout", 0, 1, 0), .below = TRUE,
      .unit = "as a probability", .key = "model.view_dropout",
      .about =
          "Probability that a view is left out of its sample in training; one is always kept" },
  { INT ("cnn3dtrain", "heatmap-size", "Heat maps' size", 8, 512, 56), .unit = "pixels",
      .key = "model.heatmap_size",
      .about = "Width and height of the heat maps that key points become; with fusion=stem they "
               "have the frames' size" },
  { NUMBER ("cnn3dtrain", "heatmap-sigma", "Heat maps' sigma", 0.1, 100, 0.6), .unit = "pixels",
      .key = "model.heatmap_sigma",
      .about = "Standard deviation of the Gaussian that a key point becomes, in the heat map's "
               "pixels" },

  /* loss */
  { NUMBER ("cnn3dtrain", "lr", "Learning rate", 0, 1000, 0.01), .unit = "per step",
      .key = "loss.lr", .always = TRUE, .about = "The learning rate after the warm-up" },
  { CHOICE ("cnn3dtrain", "optimizer", "Optimizer", optimizers, CNN3D_UPDATE_SGD),
      .key = "loss.optimizer", .about = "Update rule of the weights, as in torch.optim" },
  { NUMBER ("cnn3dtrain", "momentum", "Momentum", 0, 1, 0.9), .below = TRUE, .unit = "as a factor",
      .key = "loss.momentum",
      .about = "Momentum of optimizer=sgd; the others have their own, 0.9 and 0.999" },
  { NUMBER ("cnn3dtrain", "weight-decay", "Weight decay", 0, 1000, 1e-4), .unit = "as a factor",
      .key = "loss.weight_decay", .about = "As weight_decay in torch.optim" },
  { CHOICE ("cnn3dtrain", "lr-schedule", "Learning rate schedule", schedules, CNN3D_LR_CONSTANT),
      .key = "loss.lr_schedule",
      .about = "How the learning rate changes over the epochs; cosine requires that upstream gives "
               "their number" },
  { NUMBER ("cnn3dtrain", "warmup-epochs", "Warm-up", 0, 100000, 0), .unit = "epochs",
      .key = "loss.warmup_epochs",
      .about =
          "How long the learning rate rises linearly from a thousandth of lr; may be a fraction" },
  { NUMBER ("cnn3dtrain", "lr-step-size", "Step size", 1e-6, 100000, 10), .unit = "epochs",
      .key = "loss.lr_step_size",
      .about = "Length of each step of lr-schedule=step, from the end of the warm-up" },
  { NUMBER ("cnn3dtrain", "lr-gamma", "Gamma", 1e-6, 1, 0.1), .unit = "as a factor",
      .key = "loss.lr_gamma",
      .about = "Factor on the learning rate at each step of lr-schedule=step" },
  { NUMBER ("cnn3dtrain", "label-smoothing", "Label smoothing", 0, 1, 0), .below = TRUE,
      .unit = "as a part of 1", .key = "loss.label_smoothing",
      .about = "Part of each label that is spread evenly over all classes in training" },
  { TEXT ("cnn3dtrain", "class-weights", "Class weights", "none"), .key = "loss.class_weights",
      .about = "Weights of the classes in the training loss, a weighted mean over the clips: none, "
               "all the same; balanced, each class counts as much as the others, however many "
               "clips it has; or comma-separated numbers, one for each class in order" },

  /* train */
  { UINT ("clipsrc", "epochs", "Epochs", 1, G_MAXINT, 1), .unit = "epochs",
      .key = "train.max_epochs", .always = TRUE, .about = "Number of epochs" },
  { INT ("cnn3dtrain", "accumulate-grad-batches", "Accumulate gradients over", 1, 1000000, 1),
      .unit = "batches", .key = "train.accumulate_grad_batches",
      .about =
          "Batches per optimizer step; multiplies the effective batch size, but not the memory" },
  { BOOLEAN ("cnn3dtrain", "use-chunking-in-train", "Chunk training batches", FALSE),
      .key = "train.use_chunking_in_train",
      .about = "Split batches larger than video-batch-size into chunks that run forward and "
               "backward one after another; batch norm sees one chunk at a time" },
  { "cnn3dtrain cnn3deval cnn3dinfer", "max-memory", "Memory budget", .kind = CNN3D_SETTING_BYTES,
      .text = "0", .key = "train.max_memory", .tests = TRUE,
      .about = "Largest memory of the network in bytes, as a number or with a unit: 8GiB, 800MiB; "
               "settings that need more are an error before the first batch, which names settings "
               "that fit (cnn3deval first reduces its chunks); 0: what the device has" },
  { BOOLEAN ("cnn3dtrain", "auto-fit", "Fit by micro-batches", FALSE), .key = "train.auto_fit",
      .about = "Split batches into the largest micro-batches that fit max-memory, and accumulate "
               "their gradients: the effective batch size stays the same, batch norm sees one "
               "micro-batch at a time" },
  { CHOICE ("cnn3dtrain", "recompute", "Recompute", recomputes, CNN3D_RECOMPUTE_AUTO),
      .key = "train.recompute",
      .about = "What the backward pass recomputes instead of keeping it; the gradients have the "
               "same bits" },
  { UINT64 ("clipsrc clipsample clipaugment cnn3dtrain", "seed", "Seed", 0), .key = "train.seed",
      .about = "Seed of everything random: clipsrc's order and folds, clipsample's windows, "
               "clipaugment's draws, cnn3dtrain's initial weights and dropout; the same seed, "
               "clips and settings give the same bits" },
  { CHOICE ("cnn3dtrain", "monitor", "Monitor", monitors, CNN3D_MONITOR_AUTO),
      .key = "train.monitor",
      .about = "Metric that ranks epochs, for save-top-k and patience; val-... require validation "
               "clips" },
  { INT ("cnn3dtrain", "patience", "Patience", 0, 1000000, 0), .unit = "epochs",
      .key = "train.patience",
      .about = "Training stops after this many epochs without a better monitor; 0: never" },
  { INT ("cnn3dtrain", "save-top-k", "Best checkpoints kept", 0, 1000, 1), .unit = "files",
      .key = "train.save_top_k",
      .about = "Number of best epochs whose weights are kept in addition to the last" },
  { INT ("cnn3dtrain", "checkpoint-interval", "Checkpoint interval", 0, G_MAXINT, 0),
      .unit = "optimizer steps", .key = "train.checkpoint_interval",
      .about = "Steps between checkpoints within an epoch, to limit what a crash loses; 0: only "
               "when an epoch ends and when training is stopped" },
  { NUMBER ("cnn3dtrain", "max-skipped", "Skipped clips at most", 0, 1, 0.5),
      .unit = "as a part of 1", .key = "train.max_skipped",
      .about = "Largest fraction of a pass's clips that may be skipped because they cannot be "
               "read; a pass that exceeds it ends the run with an error; 1: none does" },
  { CHOICE ("cnn3dtrain", "resume", "Resume", resumes, CNN3D_RESUME_AUTO), .key = "train.resume",
      .about = "Whether to resume from the last checkpoint in checkpoint-dir, at the clip where it "
               "stopped; the result has the same bits as that of an uninterrupted run" },
  { CHOICE ("cnn3dtrain", "resume-data", "Data to resume on", resume_datas, CNN3D_RESUME_DATA_SAME),
      .key = "train.resume_data",
      .about = "Data that a run may resume with; a change of the classes' names or order is always "
               "an error" },
  { INT ("cnn3dtrain", "log-every-n-steps", "Log every", 1, G_MAXINT, 1), .unit = "optimizer steps",
      .about = "Steps from one logged step to the next; epochs and validations are always logged" },
  { INT ("cnn3dtrain", "log-histograms", "Histograms", 0, G_MAXINT, 0), .unit = "epochs",
      .about = "Epochs between histograms of all weights in the event files; 0: none" },

  /* trainer */
  { CHOICE ("cnn3dtrain", "precision", "Precision", precisions, CNN3D_PRECISION_32),
      .key = "trainer.precision", .always = TRUE,
      .about = "Number format of the computation; weights and their updates are always FP32" },
  { CHOICE (
        "cnn3deval cnn3dinfer", "precision", "Precision", model_precisions, CNN3D_PRECISION_AUTO),
      .about = "Number format of the computation; auto: as in training" },
  { KEY ("trainer.limit_train_batches"), .kind = CNN3D_SETTING_BATCHES, .minimum = 1,
      .maximum = 1e9, .without = "1.0", .becomes = "clipsrc `limit-clips`, times data.batch_size",
      .about = "Batches of each pass, validation too; 1.0: all; other fractions are not supported, "
               "because they depend on the number of clips" },
  { NUMBER ("cnn3dtrain", "gradient-clip-val", "Gradient clipping", 0, 1e30, 0),
      .unit = "as a norm", .key = "trainer.gradient_clip_val",
      .about = "Largest norm of the gradients over all parameters, to which larger ones are "
               "scaled; 0: no clipping" },
  { TEXT ("cnn3dtrain cnn3deval cnn3dinfer", "device", "Device", "auto"), .key = "trainer.device",
      .tests = TRUE,
      .about = "Where to compute: auto (a GPU if there is one, otherwise the CPU), cpu, cuda or "
               "cuda:N" },
  { CHOICE ("cnn3dtrain", "distributed", "Distributed", distributions, CNN3D_DISTRIBUTED_AUTO),
      .about = "Whether the processes that a launcher such as mpirun started train one model: auto "
               "does so where there are several" },
  { UINT ("cnn3dtrain", "distributed-timeout", "Distributed timeout", 1, 86400, 300),
      .unit = "seconds", .about = "The longest that another process is waited for" },
  { BOOLEAN ("cnn3dtrain", "sync-batch-norm", "Synchronize batch norm", FALSE),
      .key = "trainer.sync_batchnorm",
      .about = "With several processes, batch norm sees the batches of all of them as one; one "
               "process ignores this" },
  { INT ("cnn3dtrain cnn3deval cnn3dinfer", "threads", "Threads", 0, 1024, 0), .unit = "threads",
      .key = "trainer.threads", .tests = TRUE,
      .about = "Threads for computing on a CPU; 0: one for each core that the process may use, or "
               "its share of them where several ranks may" },
  { CHOICE ("cnn3dtrain cnn3deval cnn3dinfer", "convolution", "Convolution", convolutions,
        CNN3D_CONVOLUTION_AUTO),
      .key = "trainer.convolution", .tests = TRUE,
      .about = "On a CPU, how convolutions are computed; results differ by rounding only; a GPU "
               "ignores this" },
  { BOOLEAN ("cnn3dtrain", "deterministic", "Deterministic", TRUE), .key = "trainer.deterministic",
      .about = "On a GPU, use only deterministic convolution algorithms; everything else is always "
               "deterministic; a CPU ignores this" },
  { BOOLEAN ("cnn3dtrain", "benchmark", "Benchmark", TRUE), .key = "trainer.benchmark",
      .about = "On a GPU, time each convolution's algorithms once and keep the fastest, in "
               "cnn3d/convolutions.ini in the user's cache folder; false: use the algorithm that "
               "cuDNN expects to be fastest; a CPU ignores this" },
  { BOOLEAN ("cnn3dtrain", "allow-tf32", "Allow TF32", TRUE), .key = "trainer.allow_tf32",
      .about = "On a GPU, precision=32 may multiply numbers rounded to TF32, which has 11 of "
               "FP32's 24 digits, and adds up in FP32; a CPU ignores this" },
  { BOOLEAN ("cnn3dtrain cnn3deval", "progress", "Progress", TRUE), .key = "trainer.progress",
      .about = "Show progress on stdout: the device, then a line that is redrawn on a terminal, or "
               "otherwise a line per epoch or pass" },

  /* of elements alone */
  { UINT ("cnn3deval", "feature-maps", "Feature maps", 0, 1000000, 0), .unit = "batches",
      .about = "Number of batches, from the first, whose feature maps are drawn into output-dir" },
  { TEXT ("cnn3deval", "feature-layers", "Feature layers", "stages"),
      .about = "Layers whose feature maps are drawn: comma-separated names, such as "
               "layer1,layer4.1.conv1; stages: the stem and every stage" },
  { NUMBER ("cnn3dinfer", "threshold", "Threshold", 0, 1, 0), .unit = "as a probability",
      .about = "Probability below which no class is reported: label -1, class \"\"" },
  { UINT ("cnn3dinfer", "smoothing", "Smoothing", 1, 1000, 1), .unit = "windows",
      .about = "Windows whose probabilities are averaged, the newest included" },
  { UINT ("cnn3dinfer", "stride", "Stride", 0, 100000, 0), .unit = "frames",
      .about = "Frames from the start of one window to the start of the next; 0: the span of a "
               "window, so that windows do not overlap" },
  { UINT ("cnn3dinfer", "frame-interval", "Frame interval", 0, 1000, 0), .unit = "frames",
      .about = "Frames from one frame of a window to the next; 0: as in training if the model file "
               "records it, otherwise 1" },
  { BOOLEAN ("cnn3dinfer", "drop", "Drop windows", TRUE),
      .about = "Drop a window that is complete while another is being computed; false: the stream "
               "waits for each result, as needed for files" },
};

const Cnn3dSetting *
cnn3d_settings (guint *n)
{
  if (n)
    *n = G_N_ELEMENTS (settings);
  return settings;
}
