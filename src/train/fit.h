/* fit.h: how much memory a run will take, and which way of running it fits.
 *
 * Nothing here takes memory of the device: everything is known from the plan.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_FIT_H
#define CNN3D_FIT_H

#include "src/train/trainer.h"

/* One way to run batches of a size, and what it takes. */
typedef struct {
  guint micro_batch;            /* clips that run forward and backward at once */
  Cnn3dRecompute recompute;     /* not auto */
  Cnn3dPrecision precision;     /* what the device really uses */
  Cnn3dMemory memory;
  gdouble seconds;              /* for a batch, by count: to compare ways on one device, not to believe */
  gdouble macs, bytes;          /* of a batch: multiply-adds, and bytes of activations moved */
} Cnn3dFit;

/* Bytes in all, what libraries and driver take included. */
CNN3D_API guint64 cnn3d_fit_needs (const Cnn3dFit * fit);

/* What `params` with this micro-batch and recompute (not auto) take on an open
 * device. FALSE with error where the network or the device can't do it. */
CNN3D_API gboolean cnn3d_fit_measure (const Cnn3dBackend * backend, Cnn3dDevice * device,
    const Cnn3dTrainerParams * params, guint batch, guint micro_batch, Cnn3dRecompute recompute, Cnn3dFit * fit,
    GError ** error);

/* Bytes that a run may take in all, context included: what the device has now,
 * at most max_memory. */
CNN3D_API guint64 cnn3d_fit_budget (const Cnn3dBackend * backend, Cnn3dDevice * device,
    const Cnn3dTrainerParams * params);

/* The way that `params` allow and that fits the budget: with auto_fit the largest
 * micro-batch up to params' own that fits in any way, as batch norm sees no more than
 * that, and the last one of a batch may be smaller; where batch norm is frozen, any.
 * Of these, the quickest: with recompute auto, any. Precision, frames and sizes stay
 * as they are. FALSE with error: CNN3D_SESSION_ERROR_MEMORY says what is needed, what
 * there is, and what would fit, as settings to paste. */
CNN3D_API gboolean cnn3d_fit_choose (const Cnn3dBackend * backend, Cnn3dDevice * device,
    const Cnn3dTrainerParams * params, guint batch, Cnn3dFit * fit, GError ** error);

/* Settings that would fit `budget`, the quickest first, those that leave the
 * training as it is before those that change it: property assignments as text,
 * with the bytes. At most `most`; NULL-terminated, g_strfreev(). */
CNN3D_API gchar **cnn3d_fit_suggest (const Cnn3dBackend * backend, Cnn3dDevice * device,
    const Cnn3dTrainerParams * params, guint batch, guint64 budget, guint most);

/* The most clips that run in one piece within `budget`; 0: not even one. More
 * than CNN3D_FIT_MOST_CLIPS are not looked at. */
#define CNN3D_FIT_MOST_CLIPS 4096
CNN3D_API guint cnn3d_fit_largest (const Cnn3dBackend * backend, Cnn3dDevice * device,
    const Cnn3dTrainerParams * params, Cnn3dRecompute recompute, guint64 budget, Cnn3dFit * fit);

#endif
