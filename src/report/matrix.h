/* matrix.h: a confusion matrix with what it is a matrix of.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_MATRIX_H
#define CNN3D_MATRIX_H

#include <json-glib/json-glib.h>

/* The classes are the matrix's own: a log whose run is resumed with other classes
 * still has the matrices from before. */
typedef struct {
  guint n;                      /* classes */
  gchar **classes;              /* n names, NULL-terminated */
  guint64 *counts;              /* (n labels, n predictions) */
} ReportMatrix;

/* All zeros; the names are copied. */
ReportMatrix *report_matrix_new (gchar **classes);
/* A member's square array of counts, one row and column a class; NULL where it is not one. */
ReportMatrix *report_matrix_read (JsonObject *object, const gchar *name, gchar **classes);
void report_matrix_free (ReportMatrix *matrix);

#endif
