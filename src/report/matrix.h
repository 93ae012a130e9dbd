/* matrix.h: a confusion matrix with its class names.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_MATRIX_H
#define CNN3D_MATRIX_H

#include <json-glib/json-glib.h>

/* The class names are the matrix's own, because the classes may change when a run is resumed. */
typedef struct {
  guint n;         /* number of classes */
  gchar **classes; /* n names, NULL-terminated */
  guint64 *counts; /* (n labels, n predictions) */
} ReportMatrix;

/* A matrix of zeros; the names are copied. */
ReportMatrix *report_matrix_new (gchar **classes);
/* Reads a member that is a square array of counts, one row and column a class; NULL: it is not. */
ReportMatrix *report_matrix_read (JsonObject *object, const gchar *name, gchar **classes);
void report_matrix_free (ReportMatrix *matrix);

#endif
