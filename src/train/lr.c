/* lr.c: learning-rate schedules of torchvision's training recipes.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/train/lr.h"

#include <gio/gio.h>
#include <math.h>

#include "src/format.h"

#define WARMUP_START 0.001

gboolean
cnn3d_lr_params_check (const Cnn3dLrParams *p, GError **error)
{
  if (!isfinite (p->lr) || p->lr < 0)
    cnn3d_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
        "the learning rate must be 0 or more, not %g", p->lr);
  else if (!isfinite (p->warmup_epochs) || p->warmup_epochs < 0)
    cnn3d_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
        "the warm-up must last 0 or more epochs, not %g", p->warmup_epochs);
  else if (!isfinite (p->epochs) || p->epochs < 0)
    cnn3d_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
        "the number of epochs must be 0 or more, not %g", p->epochs);
  else if (p->epochs > 0 && p->warmup_epochs > p->epochs)
    cnn3d_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
        "a warm-up of %g epochs is longer than all %g: shorten it, or train for more epochs",
        p->warmup_epochs, p->epochs);
  else if (p->schedule == CNN3D_LR_COSINE && p->epochs <= 0)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
        "the cosine schedule needs to know the number of epochs: set it, or use the constant or "
        "step schedule");
  else if (p->schedule == CNN3D_LR_COSINE && p->epochs <= p->warmup_epochs)
    cnn3d_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
        "the cosine schedule has no epoch left after a warm-up of %g of %g: shorten it, or train "
        "for more epochs",
        p->warmup_epochs, p->epochs);
  else if (p->schedule == CNN3D_LR_STEP && (!isfinite (p->step_size) || p->step_size <= 0))
    cnn3d_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
        "the step schedule's step size must be more than 0 epochs, not %g", p->step_size);
  else if (p->schedule == CNN3D_LR_STEP && !(p->gamma > 0 && p->gamma <= 1))
    cnn3d_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
        "the step schedule's gamma must be above 0 and at most 1, not %g", p->gamma);
  else
    return TRUE;
  return FALSE;
}

gdouble
cnn3d_lr_at (const Cnn3dLrParams *p, gdouble epoch)
{
  gdouble after = epoch - p->warmup_epochs;

  if (after < 0)
    return p->lr * (WARMUP_START + (1 - WARMUP_START) * MAX (epoch, 0) / p->warmup_epochs);
  switch (p->schedule) {
    case CNN3D_LR_COSINE:
      after /= p->epochs - p->warmup_epochs;
      return p->lr * 0.5 * (1 + cos (G_PI * MIN (after, 1)));
    case CNN3D_LR_STEP:
      /* rounding may leave a computed epoch just below its value */
      return p->lr * pow (p->gamma, floor (after / p->step_size + 1e-9));
    default:
      return p->lr;
  }
}
