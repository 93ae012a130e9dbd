/* eventfile.h: TensorBoard's event files.
 *
 * A file is a sequence of TFRecords: length (8 bytes), masked CRC-32C of it (4), data, masked
 * CRC-32C of the data (4), numbers little endian; the data is an `Event` of tensorboard.proto. A
 * resumed run has a file for each of its parts in one folder; TensorBoard reads them in the order
 * of their names.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_EVENTFILE_H
#define CNN3D_EVENTFILE_H

#include <glib.h>

#include "src/api.h"

G_BEGIN_DECLS

#define CNN3D_EVENT_FILE_PREFIX "events.out.tfevents."

/* One thread at a time; each function appends one record (recordfile.h). */
typedef struct _Cnn3dEventFile Cnn3dEventFile;

/* Creates events.out.tfevents.TIME.HOST.PID.N in `dir`, sorting after existing files, with its
 * first event, the version of the format. NULL with error (G_IO_ERROR). */
CNN3D_API Cnn3dEventFile *cnn3d_event_file_new (const gchar *dir, GError **error);
/* *file may be NULL. */
CNN3D_API void cnn3d_event_file_free (Cnn3dEventFile **file);

/* Marks a resume: TensorBoard discards events of `step` and later steps in earlier files. */
CNN3D_API gboolean cnn3d_event_file_restart (Cnn3dEventFile *file, guint64 step, GError **error);

typedef struct {
  const gchar *tag; /* such as train/loss */
  gdouble value;
} Cnn3dScalar;
/* The most scalars in one event, all of one step. */
#define CNN3D_EVENT_SCALARS 8
CNN3D_API gboolean cnn3d_event_file_scalars (
    Cnn3dEventFile *file, guint64 step, const Cnn3dScalar *scalars, guint n, GError **error);
/* A picture, as the bytes of a PNG file. Other data is an error, G_IO_ERROR_INVALID_DATA. */
CNN3D_API gboolean cnn3d_event_file_image (
    Cnn3dEventFile *file, guint64 step, const gchar *tag, GBytes *png, GError **error);
/* A histogram of n numbers, in CNN3D_EVENT_BUCKETS buckets of equal width between their minimum and
 * maximum. Numbers that are not finite are ignored; if none is finite, nothing is written. */
#define CNN3D_EVENT_BUCKETS 64
CNN3D_API gboolean cnn3d_event_file_histogram (Cnn3dEventFile *file, guint64 step, const gchar *tag,
    const gfloat *values, gsize n, GError **error);

/* CRC-32C (Castagnoli; RFC 3720, appendix B.4). */
CNN3D_API guint32 cnn3d_crc32c (gconstpointer data, gsize size);

G_END_DECLS

#endif
