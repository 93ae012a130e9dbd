/* lr.h: learning-rate schedules.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_LR_H
#define CNN3D_LR_H

#include "src/settings/choices.h"

G_BEGIN_DECLS

typedef struct {
  Cnn3dLrSchedule schedule;
  gdouble lr;            /* after the warm-up; 0 or more */
  gdouble warmup_epochs; /* linear from lr / 1000; 0: none */
  gdouble epochs;        /* total, including the warm-up; 0: unknown */
  gdouble step_size;     /* epochs, counted from the end of the warm-up */
  gdouble gamma;         /* above 0, at most 1 */
} Cnn3dLrParams;

/* Checks the parameters. FALSE with G_IO_ERROR_INVALID_ARGUMENT, whose message says what to
 * change. */
CNN3D_API gboolean cnn3d_lr_params_check (const Cnn3dLrParams *params, GError **error);

/* The learning rate after `epoch` epochs, which may be a fraction. Never negative. The parameters
 * must have passed the check. */
CNN3D_API gdouble cnn3d_lr_at (const Cnn3dLrParams *params, gdouble epoch);

G_END_DECLS

#endif
