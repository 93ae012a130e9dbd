/* hostmemory.h: memory of this machine that the process may use.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_HOSTMEMORY_H
#define CNN3D_HOSTMEMORY_H

#include <glib.h>

#include "src/api.h"

/* The machine's memory, or what resource limits and the control groups that the process is in leave
 * of it: bytes in all, and bytes available now. */
CNN3D_API void cnn3d_host_memory (guint64 *total, guint64 *available);

#endif
