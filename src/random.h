/* random.h: counter-based random numbers. A value is a pure function of its key, independent of
 * time, thread and earlier draws, so that a run is reproducible for any number of workers and after
 * any interruption.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_RANDOM_H
#define CNN3D_RANDOM_H

#include <glib.h>
#include "src/api.h"

/* Purpose of a draw: two purposes never share a stream. The values are part of a seed's meaning:
 * never renumber them, only append. */
typedef enum {
  CNN3D_RANDOM_SHUFFLE = 1, /* the order of an epoch's clips */
  CNN3D_RANDOM_FOLD,        /* which fold a group falls into */
  CNN3D_RANDOM_WINDOW,      /* where clipsample's window starts */
  CNN3D_RANDOM_AUGMENT,     /* crops, flips, colours */
  CNN3D_RANDOM_WEIGHTS,     /* initial weights */
  CNN3D_RANDOM_DROPOUT,
  CNN3D_RANDOM_DEMO,  /* the demonstration videos */
  CNN3D_RANDOM_VIEWS, /* which views are left out; its value is in backend/viewmask.h, too */
} Cnn3dRandomPurpose;

/* The key of a stream. clip is any second counter: a clip's row in the
 * manifest, a training step, a parameter's number. */
typedef struct {
  guint64 seed;
  guint32 epoch;
  guint32 purpose;
  guint64 clip;
} Cnn3dRandomKey;

/* 64 random bits, number `index` of the key's stream. Philox4x32-10:
 * Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. */
CNN3D_API guint64 cnn3d_random_bits (const Cnn3dRandomKey *key, guint64 index);

/* Uniform in [0, 1), 53 bits. */
CNN3D_API gdouble cnn3d_random_uniform (const Cnn3dRandomKey *key, guint64 index);

/* Uniform integer in [0, n), n > 0. */
CNN3D_API guint64 cnn3d_random_below (const Cnn3dRandomKey *key, guint64 index, guint64 n);

/* Standard normal (Box-Muller). */
CNN3D_API gdouble cnn3d_random_normal (const Cnn3dRandomKey *key, guint64 index);

/* Normals `first` to first + n - 1 of the stream, several times as fast. values: (n). */
CNN3D_API void cnn3d_random_normals (
    const Cnn3dRandomKey *key, guint64 first, gsize n, gdouble *values);

#endif
