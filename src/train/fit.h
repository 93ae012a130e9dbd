/* fit.h: how much memory a run needs, and which configuration fits.
 *
 * These functions allocate no device memory: they compute everything from the plan.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_FIT_H
#define CNN3D_FIT_H

#include "src/train/trainer.h"

/* A configuration for batches of one size, and what it needs. */
typedef struct {
  guint micro_batch;        /* clips that run forward and backward at once */
  guint evaluation_batch;   /* clips that an evaluation runs at once: see evaluation_slice */
  Cnn3dRecompute recompute; /* not auto */
  Cnn3dPrecision precision; /* that the device uses */
  Cnn3dMemory memory;
  /* estimated time of a batch; only comparable between configurations on one device */
  gdouble seconds;
  gdouble macs, bytes;   /* of a batch: multiply-adds, and bytes of activations moved */
  gdouble copied;        /* of a batch: bytes to the store and back */
  gdouble stall;         /* the part of `seconds` in which the computation waits for these */
  guint64 sent;          /* of a step, with ranks: bytes that each sends to the others */
  gsize most_sums, sums; /* see TrainerRanksParams */
  guint sum_calls;       /* see cnn3d_ranks_sums() */
} Cnn3dFit;

/* What `params` with this micro-batch and recompute (not auto) need on an open device. An evaluation
 * runs as many clips at once as the budget allows. FALSE with error if the network or the device
 * does not support it. */
CNN3D_API gboolean cnn3d_fit_measure (const Cnn3dBackend *backend, Cnn3dDevice *device,
    const Cnn3dTrainerParams *params, guint batch, guint micro_batch, Cnn3dRecompute recompute,
    Cnn3dFit *fit, GError **error);

/* Bytes that a run may use in total, including the context: what the device has free now, at most
 * max_memory. */
CNN3D_API guint64 cnn3d_fit_budget (
    const Cnn3dBackend *backend, Cnn3dDevice *device, const Cnn3dTrainerParams *params);

/* Whether the device has room for it in `budget`, and for its store beside. */
CNN3D_API gboolean cnn3d_fit_fits (
    const Cnn3dBackend *backend, Cnn3dDevice *device, const Cnn3dFit *fit, guint64 budget);

/* The recomputation that needs the least memory of those that `auto` takes. */
CNN3D_API Cnn3dRecompute cnn3d_fit_last_recompute (const Cnn3dBackend *backend);

/* Chooses a configuration that `params` allow and that fits the budget. With auto_fit it is the
 * largest micro-batch, up to params' own, that fits with any recomputation, because batch norm sees
 * one micro-batch; the last one of a batch may be smaller. With frozen batch norm it is any
 * micro-batch. Of these, the fastest is taken; recompute auto allows any recomputation. Precision,
 * frames and sizes do not change. FALSE with error; the message of CNN3D_SESSION_ERROR_MEMORY has
 * the bytes needed and available, and settings that would fit. */
CNN3D_API gboolean cnn3d_fit_choose (const Cnn3dBackend *backend, Cnn3dDevice *device,
    const Cnn3dTrainerParams *params, guint batch, Cnn3dFit *fit, GError **error);

/* Settings that would fit `budget`, as property assignments with their bytes: those that do not
 * change the training first, each kind ordered from the fastest. At most `most`; NULL-terminated,
 * free with g_strfreev(). */
CNN3D_API gchar **cnn3d_fit_suggest (const Cnn3dBackend *backend, Cnn3dDevice *device,
    const Cnn3dTrainerParams *params, guint batch, guint64 budget, guint most);

/* The most clips that run at once within `budget`, at most CNN3D_FIT_MOST_CLIPS; 0: not even
 * one. */
#define CNN3D_FIT_MOST_CLIPS 4096
CNN3D_API guint cnn3d_fit_largest (const Cnn3dBackend *backend, Cnn3dDevice *device,
    const Cnn3dTrainerParams *params, Cnn3dRecompute recompute, guint64 budget, Cnn3dFit *fit);

#endif
