/* fitexchange.h: how much of what ranks send is hidden behind their computation, from the plan.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_FIT_EXCHANGE_H
#define CNN3D_FIT_EXCHANGE_H

#include "src/train/fit.h"

/* Gradients that ranks send together, while the others are computed. */
typedef struct {
  guint64 whole; /* bytes, */
  guint64 bytes; /* and those that a rank sends */
  gdouble ready; /* by count: the share of a batch's computation after which they can be sent */
} Cnn3dBucket;

typedef struct {
  GArray *
      buckets; /* of Cnn3dBucket, in the order in which they are sent; none: all is sent after it */
  guint ranks, accumulate;
  guint64 sent;   /* fit->sent, and of these */
  guint64 beside; /* bytes that can be sent during a batch's computation, times accumulate: of all
                   * buckets but the last */
} Cnn3dExchange;

/* Of `fit`, a result of cnn3d_fit_measure() or cnn3d_fit_choose() for these `params`, with ranks, and
 * this `batch`. Owned by the caller; NULL with error if the network or the device does not support
 * it. */
CNN3D_API Cnn3dExchange *cnn3d_fit_exchange (const Cnn3dBackend *backend, Cnn3dDevice *device,
    const Cnn3dTrainerParams *params, guint batch, const Cnn3dFit *fit, GError **error);
CNN3D_API void cnn3d_exchange_free (Cnn3dExchange **exchange);

/* Seconds of a step in which ranks exchange and do not compute, over links of that speed; computes:
 * seconds of a batch's computation. */
CNN3D_API gdouble cnn3d_exchange_waits (
    const Cnn3dExchange *exchange, gdouble bytes_per_second, gdouble computes);
/* The same of a long computation: what is sent after it. */
CNN3D_API gdouble cnn3d_exchange_least (const Cnn3dExchange *exchange, gdouble bytes_per_second);
/* How long a step has to compute, in seconds, so that 90 % of its speed is left. */
CNN3D_API gdouble cnn3d_exchange_suffices (const Cnn3dExchange *exchange, gdouble bytes_per_second);

#endif
