/* modelfile.h: a model file: its weights by PyTorch's names, and a description in its metadata.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_MODELFILE_H
#define CNN3D_MODELFILE_H

#include "src/backend/backend.h"
#include "src/model/safetensors.h"

#define CNN3D_MODEL_FILE_ERROR (cnn3d_model_file_error_quark ())
CNN3D_API GQuark cnn3d_model_file_error_quark (void);
typedef enum {
  CNN3D_MODEL_FILE_ERROR_DESCRIPTION, /* the description of the model is missing or invalid */
} Cnn3dModelFileError;

/* How clips were prepared from videos, as far as it is known, so that inference can prepare them
 * alike. */
typedef struct {
  /* a clip's frames: center (a window in its middle), uniform (spread over all of it); NULL:
   * unknown */
  const gchar *sampling;
  guint frame_interval; /* of center: frames from one frame to the next */
  /* videoscale's method: bilinear, lanczos, ...; none: frames were not scaled; NULL: unknown */
  const gchar *scaling;
  gboolean add_borders; /* if shapes differ: borders instead of stretching */
  gdouble diff_gain;    /* gain of clipdiff if frames were differences; 0: they were pictures */
  gint frame_rate_n,
      /* frames per second that videos were converted to first; n is 0: not converted */
      frame_rate_d;
  /* of key points, such as coco17 or custom:5; NULL: none, or unknown */
  const gchar *skeleton;
  gboolean compact; /* key points: in the box around the persons; FALSE: in the frame */
} Cnn3dPreparation;

/* The description of a model file. */
typedef struct {
  Cnn3dNetworkParams network; /* of the clips that it was trained on */
  gfloat mean[4], std[4];     /* per channel: the input is (x / 255 - mean) / std */
  gchar **
      /* network.num_classes names, NULL-terminated; numbers if the file has no names; "": an output
       * without clips */
      classes;
  gchar **views;            /* network.views names, NULL-terminated; NULL: a sample is one clip */
  Cnn3dPrecision precision; /* of the training */
  guint64 step;             /* optimizer steps */
  guint epoch;              /* completed epochs */
  Cnn3dPreparation preparation;
} Cnn3dModelInfo;

/* Whether a NULL-terminated list has a name twice, so that the two classes could not be
 * distinguished. "" does not count as a name. *first, *second: their indices. */
CNN3D_API gboolean cnn3d_class_names_repeat (
    const gchar *const *names, guint *first, guint *second);

/* An open model file; weights are read from the disk on demand. Any number of threads may read
 * it. */
typedef struct _Cnn3dModelFile Cnn3dModelFile;

/* Opens a file and checks the header and the description, but not the weights' shapes. NULL with
 * error, which names the path: G_IO_ERROR if it is not a safetensors file, CNN3D_MODEL_FILE_ERROR
 * if it does not describe a model. */
CNN3D_API Cnn3dModelFile *cnn3d_model_file_open (const gchar *path, GError **error);
CNN3D_API void cnn3d_model_file_free (Cnn3dModelFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cnn3dModelFile, cnn3d_model_file_free)

/* Owned by the file. */
CNN3D_API const Cnn3dModelInfo *cnn3d_model_file_info (const Cnn3dModelFile *file);
CNN3D_API const gchar *cnn3d_model_file_path (const Cnn3dModelFile *file);
CNN3D_API Cnn3dSafetensors *cnn3d_model_file_tensors (const Cnn3dModelFile *file);

/* Weights of any open safetensors file, whose path is used in errors only; net: the network to load
 * them into. */

/* Checks that the file has every parameter in its shape. FALSE with CNN3D_NETWORK_ERROR_PARAMETER:
 * one is missing, or has another shape, which the message gives. */
CNN3D_API gboolean cnn3d_model_file_check (
    Cnn3dSafetensors *tensors, const gchar *path, const Cnn3dNetwork *net, GError **error);

/* Reads parameter number `param`, in PyTorch's layout, to `values` (its `count` floats). */
CNN3D_API gboolean cnn3d_model_file_read (Cnn3dSafetensors *tensors, const gchar *path,
    const Cnn3dNetwork *net, guint param, gfloat *values, GError **error);

/* The prefix of the network's names in the file, such as "model." or "module.backbone."; empty:
 * none, or no name was found; free with g_free(). NULL with CNN3D_NETWORK_ERROR_PARAMETER: several
 * prefixes are possible. */
CNN3D_API gchar *cnn3d_model_file_prefix (
    Cnn3dSafetensors *tensors, const gchar *path, const Cnn3dNetwork *net, GError **error);

/* Loads all parameters into a model's array on its device. prefix: of the names in the file.
 * left_out: if the last layer is missing or has another shape, or one of two streams is missing,
 * "name (why)" is added here and it keeps its values; the same for a first layer whose weights of
 * heat maps are missing, which become 0. NULL: these are errors. */
CNN3D_API gboolean cnn3d_model_file_load (Cnn3dSafetensors *tensors, const gchar *path,
    const gchar *prefix, const Cnn3dBackend *backend, Cnn3dModel *model, const Cnn3dNetwork *net,
    gfloat *array, GPtrArray *left_out, GError **error);

/* Loads one tensor into a parameter of such an array; the shapes must be the same. */
gboolean cnn3d_model_file_import (const Cnn3dSafetensor *tensor, const Cnn3dBackend *backend,
    Cnn3dModel *model, const Cnn3dNetwork *net, guint param, gfloat *array, GError **error);
gboolean cnn3d_model_file_same_shape (const Cnn3dSafetensor *tensor, const Cnn3dParam *param);

/* Writes the description as metadata of a new file. info->classes may be NULL: no class names. So
 * may info->views: the names of views are then numbers. */
CNN3D_API void cnn3d_model_file_describe (
    Cnn3dSafetensorsWriter *writer, const Cnn3dModelInfo *info);
/* Writes a number as metadata. */
void cnn3d_safetensors_writer_number (
    Cnn3dSafetensorsWriter *writer, const gchar *key, guint64 value);

#endif
