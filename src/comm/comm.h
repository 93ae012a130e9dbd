/* comm.h: the processes that train one model together, called ranks, and what they send to each
 * other. A transport is a module loaded at run time, which exports `const Cnn3dTransport
 * *cnn3d_transport (void)`.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_COMM_H
#define CNN3D_COMM_H

#include "src/settings/choices.h"

G_BEGIN_DECLS

#define CNN3D_TRANSPORT_ABI 1

#define CNN3D_COMM_ERROR (cnn3d_comm_error_quark ())
CNN3D_API GQuark cnn3d_comm_error_quark (void);
typedef enum {
  CNN3D_COMM_ERROR_MISSING, /* no such transport on this machine */
  CNN3D_COMM_ERROR_FAILED,  /* a rank cannot be reached */
  CNN3D_COMM_ERROR_TIMEOUT, /* a rank did not answer in time */
} Cnn3dCommError;

typedef struct _Cnn3dLink Cnn3dLink;

typedef struct {
  guint abi;         /* CNN3D_TRANSPORT_ABI */
  const gchar *name; /* mpi */

  /* Joins the ranks that the launcher started. NULL with error. */
  Cnn3dLink *(*join) (GError **error);
  /* failed: the others are to end, too, if the launcher sees to that. */
  void (*leave) (Cnn3dLink **link, gboolean failed);
  guint (*rank) (const Cnn3dLink *link);
  guint (*size) (const Cnn3dLink *link);
  /* Sends from[r], sent[r] bytes, to each rank r, and fills to[r] with received[r] bytes from each;
   * arrays of `size`. What a rank sends to itself is copied. All ranks call it, with sizes that
   * agree, each below 1 GiB; 0: nothing, and the pointer may be NULL. It returns when all has been
   * sent and received; an error after `seconds` without that. */
  gboolean (*exchange) (Cnn3dLink *link, const gconstpointer *from, const gsize *sent,
      const gpointer *to, const gsize *received, guint seconds, GError **error);
} Cnn3dTransport;

typedef struct _Cnn3dComm Cnn3dComm;

/* Whether this process is one of several: CNN3D_DISTRIBUTED_AUTO becomes what the launcher's
 * environment says (Open MPI's, PMI's or Slurm's), or NONE. */
CNN3D_API Cnn3dDistributed cnn3d_comm_find (Cnn3dDistributed distributed);
/* Rank and number of ranks by the launcher's environment, without joining. FALSE: unknown. */
CNN3D_API gboolean cnn3d_comm_place (guint *rank, guint *size);

/* How many of the ranks are on this machine, by the launcher's environment; 1: unknown. */
CNN3D_API guint cnn3d_comm_neighbours (void);

/* Joins the ranks. seconds: the longest that a rank is waited for. NULL with error. */
CNN3D_API Cnn3dComm *cnn3d_comm_join (Cnn3dDistributed distributed, guint seconds, GError **error);
/* The same over a given transport. */
CNN3D_API Cnn3dComm *cnn3d_comm_join_by (
    const Cnn3dTransport *transport, guint seconds, GError **error);
CNN3D_API void cnn3d_comm_leave (Cnn3dComm **comm, gboolean failed);
CNN3D_API guint cnn3d_comm_rank (const Cnn3dComm *comm);
CNN3D_API guint cnn3d_comm_size (const Cnn3dComm *comm);

/* Each rank's `bytes` bytes, in rank order, to all: `all` has room for size * bytes. */
CNN3D_API gboolean cnn3d_comm_share (
    Cnn3dComm *comm, gconstpointer own, gsize bytes, gpointer all, GError **error);
/* See Cnn3dTransport. */
CNN3D_API gboolean cnn3d_comm_exchange (Cnn3dComm *comm, const gconstpointer *from,
    const gsize *sent, const gpointer *to, const gsize *received, GError **error);
/* Bytes that this rank has sent to others so far. */
CNN3D_API guint64 cnn3d_comm_sent (const Cnn3dComm *comm);

G_END_DECLS

#endif
