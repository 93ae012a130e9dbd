/* device.h: the back end's functions for a GPU of this machine. In a build without CUDA each sets
 * an error.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_DEVICE_H
#define CNN3D_CUDA_DEVICE_H

#include "src/backend/cuda/cuda-private.h"

/* FALSE with error (UNSUPPORTED): the device is a profile, and runs nothing. */
gboolean cuda_runs_nothing (const Cnn3dDevice *d, GError **error);

/* Opens the N-th GPU: sets d->name, d->context, d->dnn and d->here. FALSE with error (MISSING): there is none,
 * or it is too old. */
gboolean cuda_here_open (Cnn3dDevice *d, gint index, GError **error);
void cuda_here_close (Cnn3dDevice *d);
gchar **cuda_here_list (GError **error);
gchar *cuda_here_identify (gint index, GError **error);
gint cuda_here_capability (Cnn3dDevice *d); /* 100 * major + 10 * minor */
/* Sets `total` and `available`. */
void cuda_here_memory (Cnn3dDevice *d, Cnn3dDeviceMemory *memory);
void cuda_here_speed (Cnn3dDevice *d, Cnn3dPrecision precision, Cnn3dDeviceSpeed *speed);
/* Bytes per second of the link to the host, one way, as its kind and width say. */
gdouble cuda_here_link (Cnn3dDevice *d);

gpointer cuda_alloc (Cnn3dDevice *d, gsize bytes, GError **error);
void cuda_free (Cnn3dDevice *d, gpointer memory, gsize bytes);
gboolean cuda_upload (Cnn3dDevice *d, gpointer to, gconstpointer from, gsize bytes, GError **error);
gboolean cuda_download (
    Cnn3dDevice *d, gpointer to, gconstpointer from, gsize bytes, GError **error);
gboolean cuda_stage (Cnn3dDevice *d, gpointer to, gconstpointer from, gsize bytes, GError **error);
gboolean cuda_fetch (Cnn3dDevice *d, gpointer to, gconstpointer from, gsize bytes, GError **error);
gboolean cuda_finish (Cnn3dDevice *d, GError **error);
Cnn3dStore *cuda_store_new (Cnn3dDevice *d, gsize bytes, GError **error);
void cuda_store_free (Cnn3dStore **store);

gboolean cuda_import_weight (
    Cnn3dModel *m, guint param, const gfloat *values, gfloat *array, GError **error);
gboolean cuda_export_weight (
    Cnn3dModel *m, guint param, const gfloat *array, gfloat *values, GError **error);
gboolean cuda_refresh (Cnn3dModel *m, const gfloat *weights, gpointer copy, GError **error);
gboolean cuda_update_all (Cnn3dModel *m, const Cnn3dArrays *arrays, const Cnn3dUpdate *update,
    gdouble *squares, GError **error);
gboolean cuda_square_slice (
    Cnn3dModel *m, const Cnn3dArrays *arrays, gdouble *pieces, GError **error);
gboolean cuda_add (Cnn3dDevice *d, gfloat *to, const gfloat *from, gsize n, gboolean adds,
    gboolean beside, GError **error);
gpointer cuda_stream (Cnn3dDevice *d, GError **error);
gboolean cuda_busy (Cnn3dDevice *d, gboolean *busy, GError **error);

#endif
