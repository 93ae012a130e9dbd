/* bytes.h: amounts of memory as text. SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_BYTES_H
#define CNN3D_BYTES_H

#include <glib.h>

#include "src/api.h"

/* Such as "1.93 GiB"; free with g_free(). */
CNN3D_API gchar *cnn3d_format_bytes (guint64 bytes);
/* Parses "8GiB", "800MiB", "6G" (= GiB), or plain bytes; FALSE: not a size. */
CNN3D_API gboolean cnn3d_parse_bytes (const gchar *text, guint64 *bytes);

#endif
