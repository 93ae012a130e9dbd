/* nccl-double.h: controls of the test double of NCCL. The double is a module, nccl-double.so, that tests
 * name in $CNN3D_NCCL; these are looked up in it with g_module_symbol(). Its ranks are processes of
 * one machine.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_NCCL_DOUBLE_H
#define CNN3D_NCCL_DOUBLE_H

#include <glib.h>

typedef struct {
  guint64 calls;        /* so far, without questions for the state, whose number is by chance */
  guint64 fail_at;      /* the call with this number fails; 0: none */
  const gchar *fail_in; /* the function whose calls fail; NULL: none */
  guint64 fail_after;   /* its calls before the first failing one */
  gboolean fails_later; /* ncclCommGetAsyncError says that an exchange failed */
  gboolean stalls;      /* from now on nothing that this rank sends arrives */
  gboolean tells;       /* the others learn that this rank has aborted, as over some links */
  gint alive;           /* communicators not destroyed or aborted */
  gint version;         /* 0: a new one */
} NcclDouble;

#define NCCL_DOUBLE "nccl_double"
typedef NcclDouble *(*NcclDoubleEntry) (void);

/* From now on exchanges go through `launch`: when all before it on the stream is done, ready (data) is
 * called until it is TRUE, then done (data). */
typedef void (*NcclDoubleLaunch) (
    gpointer stream, gboolean (*ready) (gpointer data), gpointer data, GDestroyNotify done);
typedef void (*NcclDoubleLaunchWith) (NcclDoubleLaunch launch);
#define NCCL_DOUBLE_LAUNCH_WITH "nccl_double_launch_with"

#endif
