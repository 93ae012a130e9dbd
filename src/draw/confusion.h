/* confusion.h: a confusion matrix as a picture.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CONFUSION_H
#define CNN3D_CONFUSION_H

#include <glib.h>

#include "src/api.h"
#include "src/draw/canvas.h"

G_BEGIN_DECLS

#define CNN3D_CONFUSION_LARGEST 1000

/* `counts` has shape (n labels, n predictions); `classes` has n names, or is
 * NULL: their numbers, from 0, are shown. A cell has its count and its share of the row, which
 * is its colour, too; from 51 classes on the colour alone. A row without clips is
 * shown as such. The caller's to free; NULL with error (G_FILE_ERROR) for
 * none or more than CNN3D_CONFUSION_LARGEST classes. */
CNN3D_API Cnn3dCanvas *cnn3d_confusion_canvas (
    const guint64 *counts, const gchar *const *classes, guint n, GError **error);
/* That as a file; NULL with error as above, or where memory or fonts are missing. */
CNN3D_API GBytes *cnn3d_confusion_png (
    const guint64 *counts, const gchar *const *classes, guint n, GError **error);
/* That as a file; g_free(); NULL with error as above. */
CNN3D_API gchar *cnn3d_confusion_svg (
    const guint64 *counts, const gchar *const *classes, guint n, GError **error);

G_END_DECLS

#endif
