/* cores.h: the CPU cores of a machine, shared among its ranks.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CORES_H
#define CNN3D_CORES_H

#include "src/comm/comm.h"

G_BEGIN_DECLS

/* What a rank tells the others: its machine, and the cores on which it may run, a bit each. */
typedef struct {
  gchar machine[64];
  guint8 cores[128];
} Cnn3dCores;

/* Of this process; without any core where the system does not tell. */
CNN3D_API void cnn3d_cores_get (Cnn3dCores *own);
/* How many threads rank `rank` of `size` computes with: its cores, divided by the ranks of its machine
 * that may use some of them; at least 1. 0: its cores are unknown. */
CNN3D_API guint cnn3d_cores_divide (const Cnn3dCores *all, guint size, guint rank);

/* The same of the ranks on CPUs, all of which call it. *threads: see cnn3d_cores_divide(). */
CNN3D_API gboolean cnn3d_comm_threads (Cnn3dComm *comm, guint *threads, GError **error);

G_END_DECLS

#endif
