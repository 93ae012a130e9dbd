/* csvlines.h: metrics.csv, as PyTorch Lightning's CSVLogger has it: one header,
 * and a row for whatever came together, with the other columns empty.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CSVLINES_H
#define CNN3D_CSVLINES_H

#include <glib.h>

#include "src/log/runlog.h"

G_BEGIN_DECLS

#define CNN3D_CSV_HEADER "epoch,step,lr,train_loss,train_accuracy,val_loss,val_accuracy,loss_scale,steps_skipped," \
    "clips_per_second,memory_bytes\n"

/* Into a string that is used again. What is not finite is nan, inf or -inf. */
void cnn3d_csv_step (GString * line, const Cnn3dProgress * progress, gdouble clips_per_second, guint64 memory);
void cnn3d_csv_validation (GString * line, const Cnn3dPassResult * result);

/* Whether a line is the header, or tells of what a run that goes on at the mark
 * has behind it: a Cnn3dKeepLine; data: a const Cnn3dRunMark. */
gboolean cnn3d_csv_keep (const gchar * line, gsize size, gpointer data);

G_END_DECLS

#endif
