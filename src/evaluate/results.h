/* results.h: writes the files of an evaluation.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_RESULTS_H
#define CNN3D_RESULTS_H

#include "src/evaluate/metrics.h"
#include "src/model/modelfile.h"

/* The most skipped clips listed by name. */
#define CNN3D_MOST_SKIPPED 1000

typedef struct {
  gchar *path, *reason; /* UTF-8 */
} Cnn3dSkippedClip;

/* Clips of a pass that could not be read. */
typedef struct {
  guint64 count;
  GArray *clips; /* of Cnn3dSkippedClip: the first CNN3D_MOST_SKIPPED, in order */
} Cnn3dSkipped;

CNN3D_API void cnn3d_skipped_init (Cnn3dSkipped *skipped);
CNN3D_API void cnn3d_skipped_add (Cnn3dSkipped *skipped, const gchar *path, const gchar *reason);
CNN3D_API void cnn3d_skipped_clear (Cnn3dSkipped *skipped);

/* Takes away what another evaluation left in `dir`: predictions.csv, wrong.csv, the
 * matrix's pictures and metrics.json. Errors are in G_IO_ERROR and name the path. */
CNN3D_API gboolean cnn3d_results_clear (const gchar *dir, GError **error);

/* predictions.csv, wrong.csv (a manifest of the wrong clips whose files are known),
 * confusion.png and confusion.svg (up to CNN3D_MOST_CONFUSION
 * classes; above, none are left there) and, last, metrics.json into `dir`, which
 * is made where it is missing; each is there whole or not at all, and none of
 * another evaluation's stays. model: the
 * file that was evaluated. complete: FALSE where clips are missing as the stream
 * was cut short; metrics.json says so. Errors are in G_IO_ERROR and name the
 * path. */
CNN3D_API gboolean cnn3d_results_write (const gchar *dir, const gchar *model,
    const Cnn3dModelInfo *info, const Cnn3dPredictions *predictions, const Cnn3dMetrics *metrics,
    const Cnn3dSkipped *skipped, gboolean complete, GError **error);

#endif
