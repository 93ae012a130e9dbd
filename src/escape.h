/* escape.h: escapes names from files for display.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_ESCAPE_H
#define CNN3D_ESCAPE_H

#include <glib.h>

#include "src/api.h"

G_BEGIN_DECLS

/* A copy of the text in which invalid UTF-8 and control characters (except newlines if `lines` is
 * set) are replaced by \xNN; free with g_free(). */
CNN3D_API gchar *cnn3d_escape (const gchar *text, gboolean lines);

/* The same on one line, for pages and pictures: characters that control the writing direction, and
 * those that XML does not allow, become \xNNNN, too. Markup is left unchanged; free with
 * g_free(). */
CNN3D_API gchar *cnn3d_escape_shown (const gchar *text);

/* How many bytes of a text of `size` bytes a message shows, for "%.*s": at most 80, and whole
 * characters. */
CNN3D_API gint cnn3d_shown_bytes (const gchar *text, gsize size);
#define CNN3D_SHOWN(text, size) cnn3d_shown_bytes (text, size), text

G_END_DECLS

#endif
