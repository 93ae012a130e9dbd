/* csv.h: fields of CSV. SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CSV_H
#define CNN3D_CSV_H

#include <glib.h>

#include "src/api.h"

/* Appends the text in double quotes; those in it are doubled (RFC 4180). */
CNN3D_API void cnn3d_csv_quote (GString *to, const gchar *text);

#endif
