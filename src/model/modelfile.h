/* modelfile.h: a model's file: its weights by PyTorch's names, and what it says
 * of itself in its metadata.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_MODELFILE_H
#define CNN3D_MODELFILE_H

#include "src/backend/backend.h"
#include "src/model/safetensors.h"

#define CNN3D_MODEL_FILE_ERROR (cnn3d_model_file_error_quark ())
CNN3D_API GQuark cnn3d_model_file_error_quark (void);
typedef enum {
  CNN3D_MODEL_FILE_ERROR_DESCRIPTION,   /* it does not say what it is a model of, or not in a way that can be */
} Cnn3dModelFileError;

/* How clips were made from videos, as far as it is known: what serves a model
 * does the same. */
typedef struct {
  const gchar *sampling;        /* a clip's frames: center (a window in its middle), uniform (spread over all of it);
                                 * NULL: not known */
  guint frame_interval;         /* of center: from one frame to the next */
  const gchar *scaling;         /* videoscale's method: bilinear, lanczos, ...; none: frames came in their size;
                                 * NULL: not known */
  gboolean add_borders;         /* where shapes differ: borders rather than stretching */
  gdouble diff_gain;            /* where frames were made differences by clipdiff: its gain; 0: they were pictures */
  gint frame_rate_n, frame_rate_d;      /* frames a second that videos were brought to first; n is 0: their own */
} Cnn3dPreparation;

/* What a model file says of itself. */
typedef struct {
  Cnn3dNetworkParams network;   /* of the clips that it was trained on */
  gfloat mean[4], std[4];       /* per channel: the input is (x / 255 - mean) / std */
  gchar **classes;              /* network.num_classes names, NULL-terminated; numbers where the file has no names;
                                 * "": an output that no clip was of */
  Cnn3dPrecision precision;     /* that training computed in */
  guint64 step;                 /* optimizer steps */
  guint epoch;                  /* epochs that were complete when it was written */
  Cnn3dPreparation preparation;
} Cnn3dModelInfo;

/* Whether a name of the NULL-terminated list is there twice: which of two classes a clip
 * is of could not be told. "" is no name. *first, *second: where. */
CNN3D_API gboolean cnn3d_class_names_repeat (const gchar * const *names, guint * first, guint * second);

/* An open model file; the weights are read from the disk when they are asked
 * for. Any number of threads may read one. */
typedef struct _Cnn3dModelFile Cnn3dModelFile;

/* Opens and checks the header and the description, not yet the weights' shapes.
 * Errors name the path: G_IO_ERROR where it is no safetensors file,
 * CNN3D_MODEL_FILE_ERROR where it does not describe a model. */
CNN3D_API Cnn3dModelFile *cnn3d_model_file_open (const gchar * path, GError ** error);
CNN3D_API void cnn3d_model_file_free (Cnn3dModelFile * file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cnn3dModelFile, cnn3d_model_file_free)

/* The file's own. */
CNN3D_API const Cnn3dModelInfo *cnn3d_model_file_info (const Cnn3dModelFile * file);
CNN3D_API const gchar *cnn3d_model_file_path (const Cnn3dModelFile * file);
CNN3D_API Cnn3dSafetensors *cnn3d_model_file_tensors (const Cnn3dModelFile * file);

/* The weights of any open safetensors file, whose path is for errors only; net:
 * the network that they are wanted for. */

/* Whether the file has every parameter in its shape. FALSE with
 * CNN3D_NETWORK_ERROR_PARAMETER: which one is missing, or what shape it has and
 * should have. */
CNN3D_API gboolean cnn3d_model_file_check (Cnn3dSafetensors * tensors, const gchar * path, const Cnn3dNetwork * net,
    GError ** error);

/* Parameter number `param`, in PyTorch's layout, to `values` (its `count` floats). */
CNN3D_API gboolean cnn3d_model_file_read (Cnn3dSafetensors * tensors, const gchar * path, const Cnn3dNetwork * net,
    guint param, gfloat * values, GError ** error);

/* What stands before the network's names in the file, such as "model." or
 * "module.backbone."; empty: nothing does, or no name is there; g_free(). NULL with
 * CNN3D_NETWORK_ERROR_PARAMETER: several do, each of which could be meant. */
CNN3D_API gchar *cnn3d_model_file_prefix (Cnn3dSafetensors * tensors, const gchar * path, const Cnn3dNetwork * net,
    GError ** error);

/* All parameters to a model's array on its device. prefix: before the names in the
 * file. left_out: a last layer that is missing or has another shape is added here as
 * "name (why)" and keeps the array's values; NULL: it is an error. */
CNN3D_API gboolean cnn3d_model_file_load (Cnn3dSafetensors * tensors, const gchar * path, const gchar * prefix,
    const Cnn3dBackend * backend, Cnn3dModel * model, const Cnn3dNetwork * net, gfloat * array, GPtrArray * left_out,
    GError ** error);

/* One tensor to a parameter's place in such an array; the shapes are the same. */
gboolean cnn3d_model_file_import (const Cnn3dSafetensor * tensor, const Cnn3dBackend * backend, Cnn3dModel * model,
    const Cnn3dNetwork * net, guint param, gfloat * array, GError ** error);
gboolean cnn3d_model_file_same_shape (const Cnn3dSafetensor * tensor, const Cnn3dParam * param);

/* The description as metadata of a file that is being written. classes:
 * network.num_classes names; NULL: none. */
CNN3D_API void cnn3d_model_file_describe (Cnn3dSafetensorsWriter * writer, const Cnn3dModelInfo * info);
/* A number as metadata. */
void cnn3d_safetensors_writer_number (Cnn3dSafetensorsWriter * writer, const gchar * key, guint64 value);

#endif
