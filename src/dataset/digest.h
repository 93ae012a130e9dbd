/* digest.h: digests of a data set, so that a run is not resumed on other clips than it was trained
 * on.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_DIGEST_H
#define CNN3D_DIGEST_H

#include "src/dataset/order.h"

G_BEGIN_DECLS

/* Of the rows that train and validate (or test). Hexadecimal SHA-256, or sums of them if the order
 * of the rows is irrelevant. Paths are as written, so that a data set may be moved as a whole. */
typedef struct {
  guint64 rows;
  gchar *clips;      /* path, segment and split, in any order */
  gchar *labels;     /* these and the class's number, in any order */
  gchar *validation; /* the same of the rows that do not train */
  /* these in order, with the row's number and everything that the order of a run and its random
     * draws depend on */
  gchar *order;
} Cnn3dDigest;

CNN3D_API void cnn3d_digest (
    const Cnn3dDataset *dataset, const Cnn3dOrderParams *order, Cnn3dDigest *digest);
CNN3D_API void cnn3d_digest_clear (Cnn3dDigest *digest);

G_END_DECLS

#endif
