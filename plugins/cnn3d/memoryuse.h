/* memoryuse.h: resident memory of the process.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MEMORY_USE_H
#define MEMORY_USE_H

#include <glib.h>

/* Resident bytes now, and at most since the process started; 0 if the system
 * does not report them. */
void memory_use (guint64 *now, guint64 *peak);

#endif
