/* escape.h: names that come from files, made fit to be shown.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_ESCAPE_H
#define CNN3D_ESCAPE_H

#include <glib.h>

#include "src/api.h"

G_BEGIN_DECLS

/* A copy of the text in which invalid UTF-8 and control characters (but for
 * newlines, where `lines` is set) are \xNN; g_free(). */
CNN3D_API gchar *cnn3d_escape (const gchar * text, gboolean lines);

/* The same on one line, for pages and pictures: characters that turn the writing
 * direction, and those that XML has no place for, are \xNNNN too. Markup is left as it is; g_free(). */
CNN3D_API gchar *cnn3d_escape_shown (const gchar * text);

G_END_DECLS

#endif
