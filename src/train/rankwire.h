/* rankwire.h: what ranks exchange from host memory, wherever they compute: a transport between GPUs
 * takes the GPU's memory alone, and what the host has goes through a piece of that. Private to this
 * folder.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_RANKWIRE_H
#define CNN3D_RANKWIRE_H

#include "src/backend/backend.h"
#include "src/comm/comm.h"

typedef struct {
  Cnn3dComm *comm;
  const Cnn3dBackend *backend;
  Cnn3dDevice *device;
  /* cnn3d_wire_staging() bytes on the device; NULL: the transport takes the host's memory */
  guint8 *staging;
  /* arguments of cnn3d_comm_exchange(), [size] */
  gconstpointer *from;
  gpointer *to;
  gsize *sent, *taken;
} TrainerWire;

void cnn3d_wire_init (
    TrainerWire *wire, Cnn3dComm *comm, const Cnn3dBackend *backend, Cnn3dDevice *device);
void cnn3d_wire_clear (TrainerWire *wire);
/* Bytes of device memory that the exchanges of `size` ranks go through. */
gsize cnn3d_wire_staging (guint size);
/* Makes this thread work for the device's GPU: it may be another one than before. */
gboolean cnn3d_wire_enter (const TrainerWire *wire, GError **error);
/* Connects the ranks if they are on GPUs. The wire may not move after that. */
gboolean cnn3d_wire_connect (TrainerWire *wire, GError **error);
/* As cnn3d_comm_exchange() and cnn3d_comm_share(), from and to host memory, and done. */
gboolean cnn3d_wire_exchange (TrainerWire *wire, const gconstpointer *from, const gsize *sent,
    const gpointer *to, const gsize *taken, GError **error);
gboolean cnn3d_wire_share (
    TrainerWire *wire, gconstpointer own, gsize bytes, gpointer all, GError **error);

#endif
