/* store.h: a temporary file that steps copy activations to and from, beside the computation.
 *
 * The file has no name once it is open, so that it is gone when the process is. One thread writes
 * and reads; copies end in the order in which they began.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CPU_STORE_H
#define CNN3D_CPU_STORE_H

#include "src/backend/cpu/cpu.h"

/* See backend.h. */
gboolean cpu_store_room (Cnn3dDevice *device, guint64 *bytes, const gchar **place, GError **error);
Cnn3dStore *cpu_store_new (Cnn3dDevice *device, gsize bytes, GError **error);
void cpu_store_free (Cnn3dStore **store);

/* A step of one of the three phases of copies. FALSE with error: an earlier copy failed. */
gboolean cpu_store_run (Cnn3dStore *store, const Cnn3dStep *step, guint8 *arena, GError **error);
#endif
