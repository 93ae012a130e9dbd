/* links.h: links between ranks, for counts of what communication takes.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_LINKS_H
#define CNN3D_LINKS_H

#include "src/settings/choices.h"

typedef struct {
  const gchar *name;
  gdouble bytes_per_second; /* nominal, each way */
} Cnn3dLinkSpeed;

/* Slowest first; NULL-terminated by name. */
CNN3D_API extern const Cnn3dLinkSpeed cnn3d_links[];

#endif
