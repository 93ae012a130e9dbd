/* jsoncheck.h: whether a text is JSON, by RFC 8259 and nothing beyond it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_JSONCHECK_H
#define CNN3D_JSONCHECK_H

#include <glib.h>

/* Levels of brackets in a document at most. */
#define CNN3D_JSON_DEEPEST 32

/* Whether [text, end), valid UTF-8, is one JSON document. Otherwise *at is where it
 * is not, and the answer says why; NULL: it is one. Halves of surrogate pairs are allowed, as in
 * the RFC, although they are no text.
 * passed: called from time to time with the end of the checked text; may be NULL */
const gchar *cnn3d_json_check (const gchar *text, const gchar *end, const gchar **at,
    void (*passed) (gpointer data, const gchar *until), gpointer data);

/* The line and column, from 1 and in bytes, of a place in the text. */
void cnn3d_json_place (const gchar *text, const gchar *at, guint *line, guint *column);

#endif
