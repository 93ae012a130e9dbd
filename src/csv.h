/* csv.h: fields of CSV. SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CSV_H
#define CNN3D_CSV_H

#include <glib.h>

#include "src/api.h"

/* Appends the text in double quotes; those in it are doubled (RFC 4180). */
CNN3D_API void cnn3d_csv_quote (GString *to, const gchar *text);

/* Appends a field of text, in double quotes where it needs them. A spreadsheet would compute what
 * begins with = + - @, a tab or a carriage return: unless the text is a number, such a field gets
 * an apostrophe in front, as does one that has an apostrophe there already.
 * cnn3d_csv_unguarded() returns what it was. */
CNN3D_API void cnn3d_csv_field (GString *to, const gchar *text);

/* The field without the apostrophe that cnn3d_csv_field() adds, within the text given. */
CNN3D_API const gchar *cnn3d_csv_unguarded (const gchar *field, gsize size);

/* The same for a file's path or address, which other programs open as it stands: a relative path
 * gets "./" in front instead. */
CNN3D_API void cnn3d_csv_path (GString *to, const gchar *path);

#endif
