/* choices.h: the settings whose values are names, and these names.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CHOICES_H
#define CNN3D_CHOICES_H

#include <glib-object.h>
#include "src/api.h"

G_BEGIN_DECLS

/* Number formats of the computation. */
typedef enum {
  CNN3D_PRECISION_32,
  CNN3D_PRECISION_16_MIXED, /* FP16 storage, FP32 accumulation and master weights */
  CNN3D_PRECISION_BF16_MIXED,
} Cnn3dPrecision;

/* For running a trained model: the precision of its training. */
#define CNN3D_PRECISION_AUTO (-1)

/* Convolution algorithm on a CPU. Winograd's F(4, 3), where strides and kernels allow it, needs a
 * fraction of the multiplications of direct convolution and has about ten times its rounding
 * error. */
typedef enum {
  CNN3D_CONVOLUTION_AUTO, /* the faster one, for each layer */
  CNN3D_CONVOLUTION_DIRECT,
  CNN3D_CONVOLUTION_WINOGRAD, /* wherever possible */
} Cnn3dConvolution;

/* What the backward pass recomputes instead of reading it from memory. */
typedef enum {
  CNN3D_RECOMPUTE_NONE,
  CNN3D_RECOMPUTE_BN,    /* convolutions' outputs are kept; batch norm and ReLU are recomputed */
  CNN3D_RECOMPUTE_BLOCK, /* residual blocks' inputs are kept; convolutions are recomputed, too */
  /* as BLOCK; in between, these inputs are in host memory or, on a CPU, in a file */
  CNN3D_RECOMPUTE_OFFLOAD,
  CNN3D_RECOMPUTE_AUTO, /* chosen by a fit; not valid for a plan */
} Cnn3dRecompute;

/* Whether the copy of the weights in the compute precision is kept between layers. */
#define CNN3D_RECOMPUTE_KEEPS_COPY(recompute) ((recompute) < CNN3D_RECOMPUTE_BLOCK)

/* What the network sees of a clip. */
typedef enum {
  CNN3D_INPUT_RGB,     /* frames */
  CNN3D_INPUT_KPT,     /* key points */
  CNN3D_INPUT_RGB_KPT, /* both */
} Cnn3dInputType;

/* How frames and key points come together. */
typedef enum {
  CNN3D_FUSION_CONCAT, /* two streams; the last layer reads the features of both */
  CNN3D_FUSION_MEAN,   /* two streams; it reads the mean of their features */
  CNN3D_FUSION_LATE,   /* two streams, each with a last layer; the mean of their logits */
  CNN3D_FUSION_STEM,   /* one stream; heat maps are further channels of the frames */
} Cnn3dFusion;

typedef enum {
  CNN3D_UPDATE_SGD,
  CNN3D_UPDATE_ADAM,
  CNN3D_UPDATE_ADAMW,
} Cnn3dUpdateRule;

typedef enum {
  CNN3D_LR_CONSTANT,
  CNN3D_LR_COSINE, /* half a cosine from lr to 0 at the end */
  CNN3D_LR_STEP,   /* times gamma every step_size epochs */
} Cnn3dLrSchedule;

/* How several processes train one model. */
typedef enum {
  CNN3D_DISTRIBUTED_AUTO, /* as the launcher's environment says */
  CNN3D_DISTRIBUTED_NONE,
  CNN3D_DISTRIBUTED_MPI,
  CNN3D_DISTRIBUTED_NCCL,
} Cnn3dDistributed;

/* The metric that ranks epochs. */
typedef enum {
  CNN3D_MONITOR_AUTO, /* val-accuracy, or training accuracy without validation clips */
  CNN3D_MONITOR_VAL_ACCURACY,
  CNN3D_MONITOR_VAL_LOSS,
  CNN3D_MONITOR_TRAIN_LOSS,
  CNN3D_MONITOR_VAL_F1, /* mean over classes */
} Cnn3dMonitor;

typedef enum {
  CNN3D_RESUME_AUTO,
  CNN3D_RESUME_NEVER,
  CNN3D_RESUME_MUST,
} Cnn3dResume;

typedef enum {
  CNN3D_RESUME_DATA_SAME,
  CNN3D_RESUME_DATA_ANY,
} Cnn3dResumeData;

/* Passes of an epoch; cnn3d_dataset_new() documents their clips. */
typedef enum {
  CNN3D_PASSES_ALL,
  CNN3D_PASSES_TRAIN,
  CNN3D_PASSES_VAL,
  CNN3D_PASSES_TEST,
} Cnn3dPasses;

/* How often a training pass has each clip. */
typedef enum {
  CNN3D_SAMPLING_NONE,     /* each training clip once an epoch */
  CNN3D_SAMPLING_BALANCED, /* each class as often as the others */
} Cnn3dSampling;

/* What to do with a clip that cannot be read. */
typedef enum {
  CNN3D_ON_ERROR_SKIP,
  CNN3D_ON_ERROR_STOP,
} Cnn3dOnError;

/* Position of the sampled frames in their clip. */
typedef enum {
  CNN3D_WINDOW_RANDOM,
  CNN3D_WINDOW_CENTER,
  CNN3D_WINDOW_UNIFORM,
} Cnn3dWindow;

/* How the views of a sample, several cameras' clips of one scene, come together. */
typedef enum {
  CNN3D_VIEW_FUSION_LOGITS,
  CNN3D_VIEW_FUSION_PROBABILITIES,
  CNN3D_VIEW_FUSION_FEATURES,
  CNN3D_VIEW_FUSION_CONCAT,
} Cnn3dViewFusion;

/* What key points' coordinates are. */
typedef enum {
  CNN3D_COORDINATES_AUTO,
  CNN3D_COORDINATES_PIXELS,
  CNN3D_COORDINATES_NORMALIZED, /* 0 to 1 over the picture's width and height */
} Cnn3dCoordinates;

/* The values of a setting. If several have the same number, the first is its canonical name. */
typedef struct {
  const gchar *type_name;   /* of the GType that an element registers */
  const GEnumValue *values; /* value, description, nick; terminated by zeros */
} Cnn3dChoices;

CNN3D_API extern const Cnn3dChoices cnn3d_precisions, cnn3d_model_precisions, cnn3d_convolutions,
    cnn3d_recomputes, cnn3d_input_types, cnn3d_fusions, cnn3d_view_fusions, cnn3d_optimizers,
    cnn3d_distributions, cnn3d_schedules, cnn3d_monitors, cnn3d_resumes, cnn3d_resume_datas,
    cnn3d_passes, cnn3d_samplings, cnn3d_on_errors, cnn3d_windows, cnn3d_coordinates;

/* The choice of that name, canonical or not; NULL: none. */
CNN3D_API const GEnumValue *cnn3d_choice (const Cnn3dChoices *choices, const gchar *name);

/* The canonical name of a value; NULL: none. */
CNN3D_API const gchar *cnn3d_choice_name (const Cnn3dChoices *choices, gint value);

G_END_DECLS

#endif
