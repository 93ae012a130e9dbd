/* reference.h: the computations of a network in the plainest way: double precision, loops over (N,
 * C, D, H, W), no blocking, no library, no reuse of memory. The fast back ends are tested against
 * it; read it for their semantics.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_REFERENCE_H
#define CNN3D_REFERENCE_H

#include "src/backend/backend.h"
#include "src/network/network.h"

/* All arrays are owned by the reference; shapes as in the network's tables, with N, or N * views for
 * tensors of clips, in front for tensors. */
typedef struct {
  const Cnn3dNetwork *net;      /* must outlive the reference */
  guint batch;                  /* N, samples */
  gdouble **weights;            /* [parameter]; running statistics included */
  gdouble **weight_gradients;   /* [parameter]; of the loss summed over the clips */
  gdouble **tensors;            /* [tensor]: (N, C, D, H, W) */
  gdouble **tensor_gradients;   /* [tensor] */
  gdouble **means, **variances; /* [op]: the mean and deviation used by batch norm, (C) */
  gdouble loss_sum;             /* over the clips */
  guint correct;                /* clips whose largest logit is the label's */
} Reference;

typedef struct {
  gconstpointer frames; /* (N, V, T, H, W, C) of `type` */
  Cnn3dType type;
  const gint32 *labels; /* (N) */
  const gfloat *points; /* (N, V, T, M, K, 3); NULL: not read by the network */
  gdouble label_smoothing;
  gboolean batch_statistics; /* batch norm uses the batch's and updates the running ones */
  const guint8 *present;     /* (N, V); NULL: all */
} ReferenceInput;

Reference *reference_new (const Cnn3dNetwork *net, guint batch);
void reference_free (Reference **reference);

/* `values` in PyTorch's layout. */
void reference_set_weight (Reference *reference, guint param, const gfloat *values);

/* Logits, loss and new running statistics. Dropout is the identity: it has no unique correct
 * result. Views are not left out either. */
void reference_forward (Reference *reference, const ReferenceInput *input);

/* After a forward pass: adds to weight_gradients. */
void reference_backward (Reference *reference, const ReferenceInput *input);
void reference_clear_gradients (Reference *reference);

/* IEEE half precision, one number. */
gdouble reference_half_to_double (guint16 half);

#endif
