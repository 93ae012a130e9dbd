/* comm.h: the processes that train one model together, called ranks, and what they send to each
 * other. A transport is a module loaded at run time, which exports `const Cnn3dTransport
 * *cnn3d_transport (void)`.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_COMM_H
#define CNN3D_COMM_H

#include "src/settings/choices.h"

G_BEGIN_DECLS

#define CNN3D_TRANSPORT_ABI 3

#define CNN3D_COMM_ERROR (cnn3d_comm_error_quark ())
CNN3D_API GQuark cnn3d_comm_error_quark (void);
typedef enum {
  CNN3D_COMM_ERROR_MISSING, /* no such transport on this machine */
  CNN3D_COMM_ERROR_FAILED,  /* a rank cannot be reached */
  CNN3D_COMM_ERROR_TIMEOUT, /* a rank did not answer in time */
} Cnn3dCommError;

typedef struct _Cnn3dLink Cnn3dLink;

typedef struct {
  guint rank, size;
} Cnn3dPlace;

typedef struct {
  guint abi;         /* CNN3D_TRANSPORT_ABI */
  const gchar *name; /* mpi, nccl */

  /* Bytes of an id that rank 0 makes, and with which all ranks join; 0: none, and `place` and `id`
   * are NULL. The caller brings it to them. */
  gsize id_bytes;
  gboolean (*make_id) (gpointer id, GError **error);
  /* Joins the ranks that the launcher started. With post(), the GPU that is current in this thread is
   * the rank's. NULL with error, after `seconds` at the latest if there is an id. */
  Cnn3dLink *(*join) (const Cnn3dPlace *place, gconstpointer id, guint seconds, GError **error);
  /* failed: the others are to end, too, if the launcher sees to that. */
  void (*leave) (Cnn3dLink **link, gboolean failed);
  guint (*rank) (const Cnn3dLink *link);
  guint (*size) (const Cnn3dLink *link);
  /* Name and version of the MPI that the module was built with, such as "Open MPI v4.1.4", after
   * join(); NULL in transports that are not MPI's. */
  const gchar *(*library) (void);
  /* Sends from[r], sent[r] bytes, to each rank r, and fills to[r] with received[r] bytes from each;
   * arrays of `size`. What a rank sends to itself is copied. All ranks call it, with sizes that
   * agree, each below 1 GiB; 0: nothing, and the pointer may be NULL. It returns when all has been
   * sent and received; an error after `seconds` without that. */
  gboolean (*exchange) (Cnn3dLink *link, const gconstpointer *from, const gsize *sent,
      const gpointer *to, const gsize *received, guint seconds, GError **error);

  /* The same from and to memory of a GPU, in the order of the work of its `stream`; exchange is NULL
   * then. It returns before that is done. */
  gboolean (*post) (Cnn3dLink *link, const gconstpointer *from, const gsize *sent,
      const gpointer *to, const gsize *received, gpointer stream, GError **error);
  /* Whether nothing has failed so far in what was posted. */
  gboolean (*check) (Cnn3dLink *link, GError **error);
  /* Ends what was posted, done or not. Only leave() may follow. */
  void (*abort) (Cnn3dLink *link);
} Cnn3dTransport;

/* A GPU as a transport sees it. */
typedef struct {
  gpointer stream; /* of its work */
  /* Whether work is left on the stream; FALSE with error: it has failed. */
  gboolean (*busy) (gpointer device, gboolean *busy, GError **error);
  gpointer device;
} Cnn3dCommGpu;

typedef struct _Cnn3dComm Cnn3dComm;

/* The most channels that NCCL uses between GPUs: each takes buffers, for each other rank. */
#define CNN3D_NCCL_CHANNELS 4
/* An estimate of the bytes that NCCL's buffers take on the GPU of one of `size` ranks. */
CNN3D_API guint64 cnn3d_comm_buffers (guint size);

/* Whether this process is one of several: CNN3D_DISTRIBUTED_AUTO becomes what the launcher's
 * environment says, or NONE: MPI by Open MPI's, PMI's or Slurm's, NCCL by torchrun's. */
CNN3D_API Cnn3dDistributed cnn3d_comm_find (Cnn3dDistributed distributed);
/* Rank and number of ranks by the launcher's environment, without joining. FALSE: unknown. */
CNN3D_API gboolean cnn3d_comm_place (guint *rank, guint *size);

/* This rank's number among those of its machine, by the launcher's environment; 0: unknown. */
CNN3D_API guint cnn3d_comm_local_rank (void);

/* How many of the ranks are on this machine, by the launcher's environment; 1: unknown. */
CNN3D_API guint cnn3d_comm_neighbours (void);

typedef struct {
  Cnn3dDistributed distributed; /* not NONE */
  guint seconds;                /* the longest that a rank is waited for */
  /* The GPU that this rank may train on, by a name that no other GPU has; NULL: none, because of
   * `no_gpu`. */
  const gchar *gpu;
  const gchar *no_gpu;
} Cnn3dCommParams;

/* Joins the ranks: over NCCL if `distributed` says so or torchrun started them, and, with AUTO, if MPI's
 * launcher did and all may train on GPUs. NULL with error. */
CNN3D_API Cnn3dComm *cnn3d_comm_join (const Cnn3dCommParams *params, GError **error);
/* The same over a given transport. place: NULL if the transport knows it. */
CNN3D_API Cnn3dComm *cnn3d_comm_join_by (const Cnn3dTransport *transport, const Cnn3dPlace *place,
    gconstpointer id, guint seconds, GError **error);
/* Before the GPU is closed. */
CNN3D_API void cnn3d_comm_leave (Cnn3dComm **comm, gboolean failed);
/* Why AUTO took MPI although this rank could train on a GPU; NULL: it did not. */
CNN3D_API const gchar *cnn3d_comm_passed_over (const Cnn3dComm *comm);
/* Whether memory is exchanged that is a GPU's. cnn3d_comm_connect() is called before the first
 * exchange then: by all ranks, on a thread where the GPU is current. */
CNN3D_API gboolean cnn3d_comm_on_gpu (const Cnn3dComm *comm);
CNN3D_API gboolean cnn3d_comm_connect (Cnn3dComm *comm, const Cnn3dCommGpu *gpu, GError **error);
CNN3D_API const gchar *cnn3d_comm_name (const Cnn3dComm *comm); /* of the transport */
CNN3D_API guint cnn3d_comm_rank (const Cnn3dComm *comm);
CNN3D_API guint cnn3d_comm_size (const Cnn3dComm *comm);

/* Each rank's `bytes` bytes, in rank order, to all: `all` has room for size * bytes. Not settled on
 * GPUs. */
CNN3D_API gboolean cnn3d_comm_share (
    Cnn3dComm *comm, gconstpointer own, gsize bytes, gpointer all, GError **error);
/* See Cnn3dTransport. On GPUs it is done when cnn3d_comm_settle() has returned, before which nothing
 * else may wait for the stream's work, or all of the GPU's: it could wait forever. */
CNN3D_API gboolean cnn3d_comm_exchange (Cnn3dComm *comm, const gconstpointer *from,
    const gsize *sent, const gpointer *to, const gsize *received, GError **error);
CNN3D_API gboolean cnn3d_comm_settle (Cnn3dComm *comm, GError **error);
/* Bytes that this rank has sent to others so far. */
CNN3D_API guint64 cnn3d_comm_sent (const Cnn3dComm *comm);

G_END_DECLS

#endif
