/* counting.h: what the back end was asked for.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_COUNTING_H
#define CNN3D_COUNTING_H

#include <glib.h>

typedef struct {
  guint allocs, frees;
  gsize bytes, most;      /* held now, and at most so far */
  guint fail_at;          /* the allocation with this number fails; 0: none does */
  guint64 leaves;         /* bytes that are available from then on */
  guint64 available;      /* 0: what the device really has */
  guint models, programs; /* that are there */
  guint abi;              /* of the interface, where it is loaded once more; 0: the right one */
  gsize more;             /* scratch bytes that a pass's first step needs, beside those it had */
} Counting;

/* Exported by the module as `cnn3d_counting`. */
typedef Counting *(*CountingFunc) (void);

#endif
