/* choices.c: the names of settings' values. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/settings/choices.h"

#include <string.h>

#define CHOICES(name, type_name, ...)                                           \
  static const GEnumValue name##_values[] = { __VA_ARGS__, { 0, NULL, NULL } }; \
  const Cnn3dChoices cnn3d_##name = { type_name, name##_values }

CHOICES (precisions, "GstCnn3dTrainPrecision",
    { CNN3D_PRECISION_32, "Single precision throughout", "32" },
    { CNN3D_PRECISION_16_MIXED, "FP16, with FP32 masters and loss scaling (a CPU takes bf16-mixed)",
        "16-mixed" },
    { CNN3D_PRECISION_16_MIXED, "The same as 16-mixed", "16" },
    { CNN3D_PRECISION_BF16_MIXED, "bfloat16, with FP32 masters", "bf16-mixed" });

CHOICES (model_precisions, "GstCnn3dModelPrecision",
    { CNN3D_PRECISION_AUTO, "As the model was trained", "auto" },
    { CNN3D_PRECISION_32, "Single precision throughout", "32" },
    { CNN3D_PRECISION_16_MIXED, "FP16, with FP32 sums (a CPU takes bf16-mixed)", "16-mixed" },
    { CNN3D_PRECISION_16_MIXED, "The same as 16-mixed", "16" },
    { CNN3D_PRECISION_BF16_MIXED, "bfloat16, with FP32 sums", "bf16-mixed" });

CHOICES (convolutions, "GstCnn3dConvolution",
    { CNN3D_CONVOLUTION_AUTO,
        "By Winograd's minimal filtering, F(4, 3), where a count of the work says that it is "
        "faster",
        "auto" },
    { CNN3D_CONVOLUTION_DIRECT, "By direct multiplication, always", "direct" },
    { CNN3D_CONVOLUTION_WINOGRAD,
        "By Winograd's minimal filtering wherever kernels of 3 and strides of 1 allow it",
        "winograd" });

CHOICES (recomputes, "GstCnn3dTrainRecompute",
    { CNN3D_RECOMPUTE_NONE, "Everything that the backward pass reads is kept", "none" },
    { CNN3D_RECOMPUTE_BN,
        "Convolutions' outputs are kept, batch norm and ReLU are recomputed: about half the "
        "memory, a few per cent of the time",
        "bn" },
    { CNN3D_RECOMPUTE_BLOCK,
        "Blocks' inputs are kept and convolutions recomputed where that lowers the peak: less "
        "memory, up to a third more time",
        "block" },
    { CNN3D_RECOMPUTE_OFFLOAD,
        "As block, and blocks' inputs wait in host memory, on a CPU in a file of $TMPDIR or "
        "/var/tmp: least memory, time according to the link or the disk",
        "offload" },
    { CNN3D_RECOMPUTE_AUTO, "The quickest of these that fits max-memory; on a CPU never offload",
        "auto" });

CHOICES (distributions, "GstCnn3dTrainDistributed",
    { CNN3D_DISTRIBUTED_AUTO,
        "MPI where mpirun or srun started several processes, NCCL where torchrun did", "auto" },
    { CNN3D_DISTRIBUTED_NONE, "This process trains alone", "none" },
    { CNN3D_DISTRIBUTED_MPI, "All processes of the launcher train one model, over MPI, on CPUs",
        "mpi" },
    { CNN3D_DISTRIBUTED_NCCL, "The same over NCCL, on NVIDIA GPUs", "nccl" });

CHOICES (input_types, "GstCnn3dTrainInputType",
    { CNN3D_INPUT_RGB, "Frames; key points are ignored", "rgb" },
    { CNN3D_INPUT_KPT, "Key points, as heat maps; frames are ignored", "kpt" },
    { CNN3D_INPUT_RGB_KPT, "Both, see fusion", "rgb+kpt" });

CHOICES (fusions, "GstCnn3dTrainFusion",
    { CNN3D_FUSION_CONCAT, "Two streams; the last layer reads the features of both", "concat" },
    { CNN3D_FUSION_MEAN, "Two streams; the last layer reads the mean of their features", "mean" },
    { CNN3D_FUSION_LATE, "Two streams, each with a last layer; the mean of their logits", "late" },
    { CNN3D_FUSION_STEM, "One stream; heat maps are further channels of the frames", "stem" });

CHOICES (view_fusions, "GstCnn3dTrainViewFusion",
    { CNN3D_VIEW_FUSION_LOGITS, "The mean of the views' logits", "logits" },
    { CNN3D_VIEW_FUSION_PROBABILITIES, "The mean of the views' class probabilities",
        "probabilities" },
    { CNN3D_VIEW_FUSION_FEATURES, "The last layer reads the mean of the views' features",
        "features" },
    { CNN3D_VIEW_FUSION_CONCAT,
        "The last layer reads the features of all views, each in its own place", "concat" });

CHOICES (optimizers, "GstCnn3dTrainOptimizer",
    { CNN3D_UPDATE_SGD, "Stochastic gradient descent with momentum", "sgd" },
    { CNN3D_UPDATE_ADAM, "Adam; weight decay is added to the gradient", "adam" },
    { CNN3D_UPDATE_ADAMW, "Adam with decoupled weight decay", "adamw" });

CHOICES (schedules, "GstCnn3dTrainLrSchedule",
    { CNN3D_LR_CONSTANT, "The same throughout", "constant" },
    { CNN3D_LR_COSINE, "Half a cosine, from lr to 0 at the last epoch's end", "cosine" },
    { CNN3D_LR_STEP, "Times lr-gamma each lr-step-size epochs", "step" });

CHOICES (monitors, "GstCnn3dTrainMonitor",
    { CNN3D_MONITOR_AUTO, "val-accuracy; without validation clips the accuracy in training",
        "auto" },
    { CNN3D_MONITOR_VAL_ACCURACY, "Accuracy on the validation clips", "val-accuracy" },
    { CNN3D_MONITOR_VAL_LOSS, "Loss on the validation clips", "val-loss" },
    { CNN3D_MONITOR_TRAIN_LOSS, "Loss on the training clips", "train-loss" },
    { CNN3D_MONITOR_VAL_F1, "F1 on the validation clips, the mean over classes", "val-f1" });

CHOICES (resumes, "GstCnn3dTrainResume",
    { CNN3D_RESUME_AUTO, "Resume if checkpoint-dir has a checkpoint, start over if not", "auto" },
    { CNN3D_RESUME_NEVER, "Start over, and overwrite an existing checkpoint", "never" },
    { CNN3D_RESUME_MUST, "Resume; a missing checkpoint is an error", "must" });

CHOICES (resume_datas, "GstCnn3dTrainResumeData",
    { CNN3D_RESUME_DATA_SAME,
        "The clips, labels, sizes and sampling that the checkpoint was trained on", "same" },
    { CNN3D_RESUME_DATA_ANY,
        "Any data, with a warning that says how it differs; an epoch whose clips have changed "
        "starts over",
        "any" });

CHOICES (passes, "GstClipSrcPasses",
    { CNN3D_PASSES_ALL, "Each epoch trains, then validates", "all" },
    { CNN3D_PASSES_TRAIN, "Training passes alone", "train" },
    { CNN3D_PASSES_VAL, "Validation passes alone", "val" },
    { CNN3D_PASSES_TEST, "The clips of split test; all clips where none has a split", "test" });

CHOICES (samplings, "GstClipSrcSampling", { CNN3D_SAMPLING_NONE, "Each clip once", "none" },
    { CNN3D_SAMPLING_BALANCED,
        "Each class as often as the others, its clips by turns over the epochs", "balanced" });

CHOICES (on_errors, "GstClipSrcOnError",
    { CNN3D_ON_ERROR_SKIP, "Skip the clip, count it, post a message", "skip" },
    { CNN3D_ON_ERROR_STOP, "Stop with an error", "stop" });

CHOICES (windows, "GstClipSampleMode",
    { CNN3D_WINDOW_RANDOM,
        "Training passes draw the window's start at random, validation passes take the middle",
        "random" },
    { CNN3D_WINDOW_CENTER, "The middle of the clip", "center" },
    { CNN3D_WINDOW_UNIFORM, "Spread evenly over the whole clip, whatever frame-interval is",
        "uniform" });

CHOICES (coordinates, "GstClipKptCoordinates",
    { CNN3D_COORDINATES_AUTO, "What the file says; else pixels where one is larger than 2",
        "auto" },
    { CNN3D_COORDINATES_PIXELS, "Pixels of the video's pictures, from their left and top",
        "pixels" },
    { CNN3D_COORDINATES_NORMALIZED, "0 to 1 over the picture's width and height", "normalized" });

const GEnumValue *
cnn3d_choice (const Cnn3dChoices *choices, const gchar *name)
{
  for (const GEnumValue *v = choices->values; v->value_nick; v++)
    if (strcmp (v->value_nick, name) == 0)
      return v;
  return NULL;
}

const gchar *
cnn3d_choice_name (const Cnn3dChoices *choices, gint value)
{
  for (const GEnumValue *v = choices->values; v->value_nick; v++)
    if (v->value == value)
      return v->value_nick;
  return NULL;
}
