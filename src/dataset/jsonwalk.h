/* jsonwalk.h: JSON that stays a text: checked once, then walked in place. A
 * document of a million clips costs its own bytes and no more.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_JSONWALK_H
#define CNN3D_JSONWALK_H

#include "src/jsoncheck.h"

/* All of it is for values of a document that cnn3d_json_check() was asked of: a value is
 * a pointer to its first character. */

typedef struct {
  const gchar *p;
  gchar closing;
  const gchar *key; /* of an object's member, as written, without its quotes */
  gsize key_size;
  const gchar *value; /* NULL before the first */
} Cnn3dJsonWalk;

/* Begins with an array or an object; of any other value there is nothing to walk. */
void cnn3d_json_enter (Cnn3dJsonWalk *walk, const gchar *value);
/* Moves to the next value, past the contents of the current one. FALSE: there is none. */
gboolean cnn3d_json_next (Cnn3dJsonWalk *walk);
/* Whether the member has this name. */
gboolean cnn3d_json_is (const Cnn3dJsonWalk *walk, const gchar *name);
/* The member's name; like cnn3d_json_text(). */
const gchar *cnn3d_json_key (const Cnn3dJsonWalk *walk, GString *buffer, gsize *size);

/* A string's text, or an integer's digits: in the document itself, or in the buffer
 * where something is escaped. NULL: it is neither. */
const gchar *cnn3d_json_text (const gchar *value, GString *buffer, gsize *size);
/* A number as it is written; NULL: it is none. */
const gchar *cnn3d_json_numeral (const gchar *value, gsize *size);
gboolean cnn3d_json_is_null (const gchar *value);

#endif
