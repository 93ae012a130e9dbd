/* matrix.c: a confusion matrix with its class names.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/report/matrix.h"

#include "src/report/jsontext.h"

ReportMatrix *
report_matrix_new (gchar **classes)
{
  ReportMatrix *matrix = g_new (ReportMatrix, 1);

  matrix->n = g_strv_length (classes);
  matrix->classes = g_strdupv (classes);
  matrix->counts = g_new0 (guint64, (gsize) matrix->n * matrix->n);
  return matrix;
}

/* Whether the array has n rows of n numbers. */
static gboolean
is_square (JsonArray *rows, guint n)
{
  if (n == 0 || !rows || json_array_get_length (rows) != n)
    return FALSE;
  for (guint i = 0; i < n; i++) {
    JsonNode *row = json_array_get_element (rows, i);

    if (!JSON_NODE_HOLDS_ARRAY (row) || json_array_get_length (json_node_get_array (row)) != n)
      return FALSE;
  }
  return TRUE;
}

ReportMatrix *
report_matrix_read (JsonObject *object, const gchar *name, gchar **classes)
{
  JsonArray *rows = report_json_array (object, name);
  ReportMatrix *matrix;

  if (!classes || !is_square (rows, g_strv_length (classes)))
    return NULL;
  matrix = report_matrix_new (classes);
  for (guint i = 0; i < matrix->n; i++) {
    JsonArray *row = json_array_get_array_element (rows, i);

    for (guint j = 0; j < matrix->n; j++)
      matrix->counts[(gsize) i * matrix->n + j] =
          report_json_count (json_array_get_element (row, j));
  }
  return matrix;
}

void
report_matrix_free (ReportMatrix *matrix)
{
  if (!matrix)
    return;
  g_strfreev (matrix->classes);
  g_free (matrix->counts);
  g_free (matrix);
}
