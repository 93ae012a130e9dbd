/* rig-device.h: between the rig and what launches kernels on a device.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CUDA_RIG_DEVICE_H
#define CUDA_RIG_DEVICE_H

#include <cuda_runtime_api.h>
#include <glib.h>

/* For each launch, in this order: copies Arrays and the stack to the device; replaces addresses of
 * them in `size` bytes of a kernel's arguments; waits for the kernel and copies all back. Errors end
 * the test. */
void rig_device_send (void);
void rig_device_translate (guint8 *arguments, gsize size);
void rig_device_fetch (void);

/* The lowest bits, as a mask, that an address on the device shares with the original. More cost
 * memory, fewer may change numbers: see rig-device.c. */
extern const gsize rig_device_shared;

/* Prepares launches: called once. */
void rig_device_start (void);

#endif
