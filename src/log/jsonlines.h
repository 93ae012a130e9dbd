/* jsonlines.h: log.jsonl, one JSON object a line. Every one has "event" and then
 * "time" (seconds since 1970).
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_JSONLINES_H
#define CNN3D_JSONLINES_H

#include <glib.h>

#include "src/log/runlog.h"

G_BEGIN_DECLS

/* A line in the making, in a string that is used again. */
void cnn3d_json_begin (GString * line, const gchar * event);
void cnn3d_json_string (GString * line, const gchar * name, const gchar * value);
/* Shortest digits that read back as the same number; what is not finite is null. */
void cnn3d_json_number (GString * line, const gchar * name, gdouble value);
void cnn3d_json_integer (GString * line, const gchar * name, guint64 value);
void cnn3d_json_boolean (GString * line, const gchar * name, gboolean value);
/* NULL-terminated; NULL: an empty array. */
void cnn3d_json_strings (GString * line, const gchar * name, const gchar * const *values);
/* Each as cnn3d_json_number() has it. */
void cnn3d_json_numbers (GString * line, const gchar * name, const gdouble * values, gsize n);
/* (n, n), as an array of rows. */
void cnn3d_json_matrix (GString * line, const gchar * name, const guint64 * values, gsize n);
void cnn3d_json_end (GString * line);

/* What cnn3d_json_keep() is asked about. */
typedef struct {
  Cnn3dRunMark mark;
  gboolean beyond;              /* a line before was */
  guint epochs;                 /* out: epochs whose training pass has its line, which stays */
  gboolean validated;           /* out: a validation at the mark's step goes */
  gchar *step;                  /* out: that step's line, which stays, or NULL; g_free() */
} Cnn3dJsonFilter;

/* Whether a line tells of what a run that goes on at the mark has behind it: a
 * Cnn3dKeepLine; data: a Cnn3dJsonFilter. */
gboolean cnn3d_json_keep (const gchar * line, gsize size, gpointer data);

G_END_DECLS

#endif
