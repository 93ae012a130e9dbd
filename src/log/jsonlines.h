/* jsonlines.h: log.jsonl, one JSON object a line. Each object starts with "event" and "time"
 * (seconds since 1970).
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_JSONLINES_H
#define CNN3D_JSONLINES_H

#include <glib.h>

#include "src/log/runlog.h"

G_BEGIN_DECLS

/* Starts a line in a string, which is reused. */
void cnn3d_json_begin (GString *line, const gchar *event);
void cnn3d_json_string (GString *line, const gchar *name, const gchar *value);
/* The shortest digits that are read back as the same number; null if it is not finite. */
void cnn3d_json_number (GString *line, const gchar *name, gdouble value);
void cnn3d_json_integer (GString *line, const gchar *name, guint64 value);
void cnn3d_json_boolean (GString *line, const gchar *name, gboolean value);
/* NULL-terminated; NULL: an empty array. */
void cnn3d_json_strings (GString *line, const gchar *name, const gchar *const *values);
/* Each as in cnn3d_json_number(). */
void cnn3d_json_numbers (GString *line, const gchar *name, const gdouble *values, gsize n);
/* (n, n), as an array of rows. */
void cnn3d_json_matrix (GString *line, const gchar *name, const guint64 *values, gsize n);
void cnn3d_json_end (GString *line);

/* Data of cnn3d_json_keep(). */
typedef struct {
  Cnn3dRunMark mark;
  gboolean beyond;    /* an earlier line was beyond the mark */
  guint epochs;       /* out: epochs whose training pass has a line, which is kept */
  gboolean validated; /* out: a validation at the mark's step is removed */
  gchar *step;        /* out: the line of that step, which is kept, or NULL; free with g_free() */
} Cnn3dJsonFilter;

/* A Cnn3dKeepLine: whether a line is before the mark from which a run resumes. data: a
 * Cnn3dJsonFilter. */
gboolean cnn3d_json_keep (const gchar *line, gsize size, gpointer data);

G_END_DECLS

#endif
