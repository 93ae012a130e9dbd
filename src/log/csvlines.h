/* csvlines.h: metrics.csv, as written by PyTorch Lightning's CSVLogger: one header, and a row for
 * each set of values, with the other columns empty.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CSVLINES_H
#define CNN3D_CSVLINES_H

#include <glib.h>

#include "src/log/runlog.h"

G_BEGIN_DECLS

#define CNN3D_CSV_HEADER                                                                    \
  "epoch,step,lr,train_loss,train_accuracy,val_loss,val_accuracy,loss_scale,steps_skipped," \
  "clips_per_second,memory_bytes\n"

/* Write to a string, which is reused. Values that are not finite are nan, inf or -inf. */
void cnn3d_csv_step (
    GString *line, const Cnn3dProgress *progress, gdouble clips_per_second, guint64 memory);
void cnn3d_csv_validation (GString *line, const Cnn3dPassResult *result);

/* A Cnn3dKeepLine: whether a line is the header, or is before the mark from which a run resumes.
 * data: a const Cnn3dRunMark. */
gboolean cnn3d_csv_keep (const gchar *line, gsize size, gpointer data);

G_END_DECLS

#endif
