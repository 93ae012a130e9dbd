/* hash.h: hashes of names that come from strangers.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_HASH_H
#define CNN3D_HASH_H

#include <glib.h>

#include "src/api.h"

/* SipHash-1-3 (Aumasson and Bernstein, 2012) keyed per process: names cannot be
 * crafted to share one slot of a table, which takes a second for g_str_hash(). */
CNN3D_API guint32 cnn3d_hash_bytes (const gchar *text, gsize size);
/* The same of a string, in place of g_str_hash(). */
CNN3D_API guint cnn3d_hash_text (gconstpointer text);

#endif
