/* meet.h: ranks that no launcher connects get an id from rank 0, over TCP.
 *
 * torchrun gives each process an address and a port, where its own store may listen: rank 0 listens
 * beside it, on the next port. Each other rank connects, says who it is, and gets the id. Nothing
 * else goes that way.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_MEET_H
#define CNN3D_MEET_H

#include "src/comm/comm.h"

G_BEGIN_DECLS

/* Rank 0's `id`, of `bytes` bytes, to all. address: a name, or an IPv4 or IPv6 address; port: rank 0
 * listens there. Fails if not all came within `seconds`, or if one has another version or number of
 * ranks. Whoever is no rank is turned away. */
CNN3D_API gboolean cnn3d_meet (const Cnn3dPlace *place, const gchar *address, guint16 port,
    gpointer id, gsize bytes, guint seconds, GError **error);

G_END_DECLS

#endif
