/* table.h: rows of fields, as CSV and its relatives have them. Quotes are RFC 4180's;
 * blanks around what is not quoted, and blank lines, mean nothing.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_TABLE_H
#define CNN3D_TABLE_H

#include "src/dataset/reader.h"

#define CNN3D_MAX_FIELDS 256

typedef struct {
  const Cnn3dReading *reading;
  const gchar *p, *end;
  gchar delimiter;                     /* tab, ; | or comma */
  GString *unquoted[CNN3D_MAX_FIELDS]; /* a quoted field without its quotes */
  Cnn3dField fields[CNN3D_MAX_FIELDS];
  guint n_fields; /* 0 at the end */
} Cnn3dTable;

/* What separates the fields of the first line that is no comment: a tab, comma, semicolon or bar; a blank,
 * where there are blanks alone; a comma where there is nothing. */
gchar cnn3d_table_delimiter (const gchar *text, const gchar *end);

/* Whether a line of a comment begins here: a # with a blank, another # or nothing behind it, so that
 * it may be the name of a file otherwise. */
gboolean cnn3d_table_comment (const gchar *p, const gchar *end);

/* From a place in the text on; the first row is not read yet. */
void cnn3d_table_init (Cnn3dTable *table, const Cnn3dReading *reading, const gchar *from);
void cnn3d_table_clear (Cnn3dTable *table);
gboolean cnn3d_table_next (Cnn3dTable *table, GError **error);
/* As messages name it. */
const gchar *cnn3d_table_delimiter_name (const Cnn3dTable *table);

/* The next row, as many fields as `columns`. FALSE with `error` set, or at the end without. */
gboolean cnn3d_table_row (Cnn3dTable *table, guint columns, GError **error);

/* A row of a published format; at: the field of each name. */
typedef gboolean (*Cnn3dTableAdd) (
    Cnn3dReading *reading, const Cnn3dField *fields, const guint *at, GError **error);
/* Calls `add` with each row of the whole text, whose header has all n names. */
gboolean cnn3d_table_rows (
    Cnn3dReading *reading, const gchar *const *names, guint n, Cnn3dTableAdd add, GError **error);

#endif
