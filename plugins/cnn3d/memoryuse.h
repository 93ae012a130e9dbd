/* memoryuse.h: what the process takes of the machine's memory.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MEMORY_USE_H
#define MEMORY_USE_H

#include <glib.h>

/* Bytes resident now, and at most since the process began; 0 where the system
 * does not tell. */
void memory_use (guint64 * now, guint64 * peak);

#endif
