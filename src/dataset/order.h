/* order.h: the order of a run's clips, a function of (seed, epoch) alone, whatever the number of
 * processes that share it.
 *
 * A run is passes: each epoch's training clips, then, where there are any, its
 * validation clips; or one pass an epoch of what the data set was asked for
 * (Cnn3dPasses), where clips to test on stand in the place of those to validate on.
 * A position counts clips over the whole run, from 0. Where samples have views, all of a
 * sample's are one clip here, and its row is the one that leads.
 * Not thread-safe: one thread asks, or the caller locks.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_ORDER_H
#define CNN3D_ORDER_H

#include "src/dataset/dataset.h"

G_BEGIN_DECLS

typedef struct _Cnn3dOrder Cnn3dOrder;

/* shuffle:     training passes are shuffled, differently each epoch;
 *              others always come as listed
 * limit_clips: at most so many clips a pass (before they are shared out to
 *              ranks); 0: all. Which ones is drawn from the seed, once for all
 *              epochs; of a small class there may be none
 * sampling:    balanced: a training pass has as many clips as are listed, of each
 *              class as many as of the others, one more or less. Each class's
 *              clips are gone through again and again, over the epochs, in
 *              another order each time: none comes again before all have come
 * rank, world_size: this process takes every world_size-th batch of a pass, from
 *              batch `rank` on; see cnn3d_order_next()
 * epochs:      at least 1 */
typedef struct {
  guint64 seed;
  gboolean shuffle;
  guint64 limit_clips;
  Cnn3dSampling sampling;
  guint rank;
  guint world_size;
  guint epochs;
} Cnn3dOrderParams;

typedef struct {
  guint epoch; /* from 0 */
  gboolean training;
  guint64 index; /* in the pass, from 0 */
  guint row;     /* in the data set */
} Cnn3dOrderClip;

/* The data set must outlive the order. NULL with `error` set where rank is not
 * below world_size, or epochs is 0. */
CNN3D_API Cnn3dOrder *cnn3d_order_new (
    const Cnn3dDataset *dataset, const Cnn3dOrderParams *params, GError **error);
CNN3D_API void cnn3d_order_free (Cnn3dOrder *order);

/* Another place among the processes. rank: below world_size. */
CNN3D_API void cnn3d_order_set_rank (Cnn3dOrder *order, guint rank, guint world_size);

/* Clips of one pass, of all ranks. */
CNN3D_API guint64 cnn3d_order_pass_clips (const Cnn3dOrder *order, gboolean training);
/* Those of them that are this rank's; batch: as for cnn3d_order_next(). */
CNN3D_API guint64 cnn3d_order_own_clips (const Cnn3dOrder *order, gboolean training, guint batch);
/* Clips of the whole run, of all ranks. */
CNN3D_API guint64 cnn3d_order_total (const Cnn3dOrder *order);

/* Clips of each class in the first training pass; `clips`:
 * one for each class of the data set. */
CNN3D_API void cnn3d_order_class_clips (const Cnn3dOrder *order, guint64 *clips);

/* What comes at a position; FALSE: the run has ended there. */
CNN3D_API gboolean cnn3d_order_locate (Cnn3dOrder *order, guint64 position, Cnn3dOrderClip *clip);
/* The first position from `position` on whose clip is this rank's, where passes are divided into
 * batches of `batch` clips, the last one shorter; the pass's end if the rest of the pass has none. */
CNN3D_API guint64 cnn3d_order_next (Cnn3dOrder *order, guint64 position, guint batch);
/* The position of a pass's clip `index`. */
CNN3D_API guint64 cnn3d_order_position (
    const Cnn3dOrder *order, guint epoch, gboolean training, guint64 index);

G_END_DECLS

#endif
