/* format.h: text with numbers, the same in every locale.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_FORMAT_H
#define CNN3D_FORMAT_H

#include <stdarg.h>
#include <glib.h>

#include "src/api.h"

G_BEGIN_DECLS

/* GLib's functions of these names, but for the decimal sign, which is a point whatever locale the
 * application has set: numbers in files, messages and pictures are written as properties take
 * them. For every text with %g, %e, or %f that has decimals. */
CNN3D_API gchar *cnn3d_strdup_printf (const gchar *format, ...) G_GNUC_PRINTF (1, 2) G_GNUC_MALLOC;
CNN3D_API gchar *cnn3d_strdup_vprintf (const gchar *format, va_list args)
    G_GNUC_PRINTF (1, 0) G_GNUC_MALLOC;
CNN3D_API void cnn3d_string_append_printf (GString *to, const gchar *format, ...)
    G_GNUC_PRINTF (2, 3);
CNN3D_API void cnn3d_set_error (GError **error, GQuark domain, gint code, const gchar *format, ...)
    G_GNUC_PRINTF (4, 5);

G_END_DECLS

#endif
