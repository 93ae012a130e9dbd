/* picturename.h: names of numbered pictures (img_00001.jpg), as frames that were
 * extracted from a video have them.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_PICTURE_NAME_H
#define CNN3D_PICTURE_NAME_H

#include <glib.h>
#include "src/api.h"

G_BEGIN_DECLS

/* Whether the name has a picture's extension. */
CNN3D_API gboolean cnn3d_picture_name (const gchar *name);

/* Finds the last number before the extension: [*first, *last). FALSE: not a numbered picture. */
CNN3D_API gboolean cnn3d_picture_number (const gchar *name, guint *first, guint *last);

G_END_DECLS

#endif
