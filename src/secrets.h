/* secrets.h: leaves passwords out of texts that are kept.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_SECRETS_H
#define CNN3D_SECRETS_H

#include <glib.h>

#include "src/api.h"

/* A copy of the text, a launch line or a message, in which *** stands for the password of each
 * address (rtsp://user:password@host) and for the value of each property whose name says that it is
 * one (user-pw=...); free with g_free(). */
CNN3D_API gchar *cnn3d_without_passwords (const gchar *text);

#endif
