/* fitroofline.h: the roofline of a configuration, from its plan.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_FIT_ROOFLINE_H
#define CNN3D_FIT_ROOFLINE_H

#include "src/plan/roofline.h"
#include "src/train/fit.h"

/* Counts an optimizer step of `fit`, a result of cnn3d_fit_measure() or cnn3d_fit_choose() for
 * these `params` and this `batch`: params->accumulate batches, each in fit's micro-batches. Frames
 * are uint8. Allocates no device memory. *rates: the device's peak rates in fit's precision. Owned
 * by the caller; NULL with error if the network or the device does not support it. */
CNN3D_API Cnn3dRoofline *cnn3d_fit_roofline (const Cnn3dBackend *backend, Cnn3dDevice *device,
    const Cnn3dTrainerParams *params, guint batch, const Cnn3dFit *fit, Cnn3dRates *rates,
    GError **error);

#endif
