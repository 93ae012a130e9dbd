/* counting.h: what was requested from the back end.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_COUNTING_H
#define CNN3D_COUNTING_H

#include "src/backend/backend.h"

typedef struct {
  guint allocs, frees;
  gsize bytes, most;      /* held now; peak */
  guint fail_at;          /* the allocation with this number fails; 0: none */
  guint64 leaves;         /* bytes available after that */
  guint64 available;      /* 0: the device's real value */
  guint64 room;           /* bytes that a store may have; 0: the real value */
  guint models, programs; /* existing ones */
  guint abi;              /* interface version of a module loaded again; 0: the right one */
  gsize more;             /* scratch bytes added to the need of a pass's first step */
  /* called before each run(), in its thread; FALSE with error: it fails. NULL: nothing is */
  gboolean (*before) (const Cnn3dStep *steps, const Cnn3dBinding *binding, GError **error);
} Counting;

/* Exported by the module as `cnn3d_counting`. */
typedef Counting *(*CountingFunc) (void);

/* load.c: the CPU back end with counted memory, and its device, of one thread, to be closed at the
 * end. Sets the environment: before any thread starts. */
Counting *counting_load (const Cnn3dBackend **backend, Cnn3dDevice **device);

#endif
