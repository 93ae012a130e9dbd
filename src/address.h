/* address.h: tells addresses from files' paths.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_ADDRESS_H
#define CNN3D_ADDRESS_H

#include <glib.h>

#include "src/api.h"

G_BEGIN_DECLS

/* Whether the text begins with a scheme and "://". A path that has them further behind is a path. */
CNN3D_API gboolean cnn3d_is_address (const gchar *text);

G_END_DECLS

#endif
