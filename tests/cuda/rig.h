/* rig.h: arrays for testing kernels: poisoned, fenced, and compared with doubles.
 *
 * The same tests run on the shim (rig-shim.c) and on a GPU (rig-device.c), where Arrays and the
 * stack are copied to device memory for each launch, and back. So a kernel may read and write both,
 * but no other memory: what a structure points to is an Array or lies on the stack.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CUDA_RIG_H
#define CUDA_RIG_H

#include <glib.h>

#include "src/backend/cuda/kernels.h"
#include "tests/cuda/shim/launch.h"

/* Types that kernels do not use. */
typedef enum {
  RIG_BYTE = 16,
  RIG_DOUBLE,
  RIG_INT, /* 32 bits */
} RigType;

typedef struct {
  gint type; /* CudaType or RigType */
  gsize n, bytes;
  gpointer data; /* 16-byte aligned; all bits are 1 until it is written */
  guint8 *whole; /* including fences */
  gsize reach;   /* bytes of it, fences included */
} Array;

Array *array_new (gint type, gsize n);
/* The same, `offset` bytes after an aligned address. */
Array *array_new_at (gint type, gsize n, gsize offset);
void array_free (Array *a);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Array, array_free)

gdouble array_get (const Array *a, gsize i);
void array_set (Array *a, gsize i, gdouble value);
void array_poison (Array *a);
/* `value` rounded to a type. */
gdouble rig_round (gint type, gdouble value);

/* Random numbers: uniform in [low, high). Kernels' inputs: one in 16 is zero. */
void rig_seed (guint64 seed);
gdouble rig_uniform (gdouble low, gdouble high);
gsize rig_below (gsize n);
Array *array_random (gint type, gsize n, gdouble low, gdouble high);

/* Each element equals the expected one to 1e-5 of the largest magnitude plus half a unit in the
 * last place of a 16-bit type; NaN and infinity are where they are expected; every element was
 * written. */
#define array_check(a, expected) array_check_ (a, expected, #a, G_STRLOC)
void array_check_ (const Array *a, const gdouble *expected, const gchar *name, const gchar *where);
/* The same bits. */
void array_check_same (const Array *a, const Array *b);

/* Runs `call` (an error fails the test) with blocks and threads in order, then in another order
 * (on a GPU, whose order nobody sets: twice), from the same contents of the named arrays: the bits
 * must be the same, and the fences intact. */
#define RUN(call, ...)                                               \
  G_STMT_START                                                       \
  {                                                                  \
    Array *outputs_[] = { __VA_ARGS__ };                             \
    Orders orders_;                                                  \
    for (orders_begin (&orders_, outputs_, G_N_ELEMENTS (outputs_)); \
        orders_next (&orders_, #call);)                              \
      orders_.error = call;                                          \
  }                                                                  \
  G_STMT_END

typedef struct {
  Array **outputs;
  gsize n;
  gint round, error;
  guint8 *before[6], *after[6];
} Orders;

void orders_begin (Orders *o, Array **outputs, gsize n);
gboolean orders_next (Orders *o, const gchar *call);

extern const gchar *const rig_type_names[3];

/* --- where kernels run: one of rig-shim.c and rig-device.c --- */

/* FALSE on the shim, which orders blocks and threads, and counts. */
gboolean rig_on_gpu (void);
void rig_array_added (Array *a);
void rig_array_removed (Array *a);
/* The order of blocks and threads in later launches: a new one, or as they are numbered. */
void rig_order (gboolean shuffled);
const gchar *rig_explain (gint error);

#endif
