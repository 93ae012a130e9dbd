/* results.h: an evaluation's files.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_RESULTS_H
#define CNN3D_RESULTS_H

#include "src/evaluate/metrics.h"
#include "src/model/modelfile.h"

/* predictions.csv, confusion.png and confusion.svg (up to CNN3D_MOST_CONFUSION
 * classes; above, none are left there) and, last, metrics.json into `dir`, which
 * is made where it is missing; each is there whole or not at all. model: the
 * file that was evaluated. complete: FALSE where clips are missing as the stream
 * was cut short; metrics.json says so. Errors are in G_IO_ERROR and name the
 * path. */
CNN3D_API gboolean cnn3d_results_write (const gchar *dir, const gchar *model, const Cnn3dModelInfo *info,
    const Cnn3dPredictions *predictions, const Cnn3dMetrics *metrics, gboolean complete, GError **error);

#endif
