/* safetensors.h: files of named tensors, read and written: eight bytes of
 * header length, a JSON header, then every tensor's elements, little-endian,
 * row-major, without gaps.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_SAFETENSORS_H
#define CNN3D_SAFETENSORS_H

#include <glib.h>
#include "src/api.h"

G_BEGIN_DECLS

#define CNN3D_SAFETENSOR_MAX_DIMS 8

typedef enum {
  CNN3D_SAFETENSOR_F64,
  CNN3D_SAFETENSOR_F32,
  CNN3D_SAFETENSOR_F16,
  CNN3D_SAFETENSOR_BF16,
  CNN3D_SAFETENSOR_I64,
  CNN3D_SAFETENSOR_U64,
  CNN3D_SAFETENSOR_I32,
  CNN3D_SAFETENSOR_U32,
  CNN3D_SAFETENSOR_I16,
  CNN3D_SAFETENSOR_U16,
  CNN3D_SAFETENSOR_I8,
  CNN3D_SAFETENSOR_U8,
  CNN3D_SAFETENSOR_BOOL,
  CNN3D_SAFETENSOR_F8_E4M3,
  CNN3D_SAFETENSOR_F8_E5M2,
} Cnn3dSafetensorDtype;

/* The name in a file ("F32"), and an element's bytes. */
CNN3D_API const gchar *cnn3d_safetensor_dtype_name (Cnn3dSafetensorDtype dtype);
CNN3D_API gsize cnn3d_safetensor_dtype_size (Cnn3dSafetensorDtype dtype);

/* One tensor of an open file; everything in it is the file's. */
typedef struct {
  const gchar *name; /* UTF-8, as it is in the file: escape it */
  Cnn3dSafetensorDtype dtype;
  guint n_dims;                             /* 0: a scalar */
  guint64 shape[CNN3D_SAFETENSOR_MAX_DIMS]; /* slowest dimension first */
  const guint8 *data;                       /* of any alignment: copy, do not cast */
  gsize size;                               /* bytes; shape times the element's size */
  gsize n_elements;
} Cnn3dSafetensor;

/* An open file, mapped: tensors are read from the disk where they are touched.
 * Any number of threads may read one. A file that is changed or cut short by
 * another program meanwhile breaks what mapping a file promises. */
typedef struct _Cnn3dSafetensors Cnn3dSafetensors;

/* Opens and checks all of the header. Free with cnn3d_safetensors_free.
 * Errors are in G_IO_ERROR and name the path: INVALID_DATA where the file is
 * damaged or something else, NOT_SUPPORTED for a PyTorch pickle (the message
 * says how to convert it) or a type of element that is not listed above. */
CNN3D_API Cnn3dSafetensors *cnn3d_safetensors_open (const gchar *path, GError **error);
CNN3D_API void cnn3d_safetensors_free (Cnn3dSafetensors *file);

/* A tensor by its name (NULL: none) or number, in the order of their data.
 * Valid while the file is open. */
CNN3D_API const Cnn3dSafetensor *cnn3d_safetensors_lookup (
    Cnn3dSafetensors *file, const gchar *name);
CNN3D_API guint cnn3d_safetensors_get_n_tensors (Cnn3dSafetensors *file);
CNN3D_API const Cnn3dSafetensor *cnn3d_safetensors_nth (Cnn3dSafetensors *file, guint n);

/* A value of the file's metadata, the file's own, or NULL. */
CNN3D_API const gchar *cnn3d_safetensors_metadata (Cnn3dSafetensors *file, const gchar *key);

/* Converts F64, F32, F16 or BF16 elements to out[0..n-1]; n must be the number
 * that there are. */
CNN3D_API gboolean cnn3d_safetensor_to_float (
    const Cnn3dSafetensor *tensor, gfloat *out, gsize n, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cnn3dSafetensors, cnn3d_safetensors_free)

/* Writes a file as a stream: first declare every tensor and the metadata, then
 * give the data in the same order, then finish. Nothing is at the path until
 * then, and what was there before stays (see atomicfile.h). The same calls
 * give the same bytes. One thread at a time. */
typedef struct _Cnn3dSafetensorsWriter Cnn3dSafetensorsWriter;

CNN3D_API Cnn3dSafetensorsWriter *cnn3d_safetensors_writer_new (const gchar *path, GError **error);

/* A declaration that cannot be (a name twice, text that is not UTF-8, a size
 * beyond the machine's) makes the next call that has a GError fail. */
CNN3D_API void cnn3d_safetensors_writer_add (Cnn3dSafetensorsWriter *writer, const gchar *name,
    Cnn3dSafetensorDtype dtype, guint n_dims, const guint64 *shape);
CNN3D_API void cnn3d_safetensors_writer_metadata (
    Cnn3dSafetensorsWriter *writer, const gchar *key, const gchar *value);

/* The next bytes, little-endian. A tensor may come in pieces, but a piece
 * belongs to one tensor. Tensors without elements need no call. */
CNN3D_API gboolean cnn3d_safetensors_writer_data (
    Cnn3dSafetensorsWriter *writer, const void *data, gsize size, GError **error);

/* Checks that all data came, syncs, and puts the file in its place. Still to be
 * freed afterwards. */
CNN3D_API gboolean cnn3d_safetensors_writer_finish (Cnn3dSafetensorsWriter *writer, GError **error);

/* Without finish: the file is given up and nothing is left of it. */
CNN3D_API void cnn3d_safetensors_writer_free (Cnn3dSafetensorsWriter *writer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cnn3dSafetensorsWriter, cnn3d_safetensors_writer_free)

G_END_DECLS

#endif
