/* fitroofline.h: the floor of a way to run, from the plan that it would have.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_FIT_ROOFLINE_H
#define CNN3D_FIT_ROOFLINE_H

#include "src/plan/roofline.h"
#include "src/train/fit.h"

/* Counts an optimizer step of `fit`, which is what cnn3d_fit_measure() or
 * cnn3d_fit_choose() said of these `params` and this `batch`: params->accumulate
 * batches, each in fit's micro-batches. Frames come as uint8. Takes no memory of the device. *rates: what the device
 * does at best in fit's precision. Owned by the caller; NULL with error where the network or the device can't do it. */
CNN3D_API Cnn3dRoofline *cnn3d_fit_roofline (const Cnn3dBackend * backend, Cnn3dDevice * device,
    const Cnn3dTrainerParams * params, guint batch, const Cnn3dFit * fit, Cnn3dRates * rates, GError ** error);

#endif
