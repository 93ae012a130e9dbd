/* columns.h: what people call the columns of a table, and the members of JSON.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_COLUMNS_H
#define CNN3D_COLUMNS_H

#include <glib.h>

typedef enum {
  CNN3D_COLUMN_IGNORED,
  CNN3D_COLUMN_PATH,
  CNN3D_COLUMN_LABEL,
  CNN3D_COLUMN_START,
  CNN3D_COLUMN_END,
  CNN3D_COLUMN_START_FRAME,
  CNN3D_COLUMN_END_FRAME,
  CNN3D_COLUMN_DURATION, /* means something beside a start without an end */
  CNN3D_COLUMN_GROUP,
  CNN3D_COLUMN_SPLIT,
  CNN3D_COLUMN_FOLD,
  CNN3D_COLUMN_FPS,
  CNN3D_COLUMN_KEYPOINTS,
  CNN3D_COLUMN_VIEW,
  CNN3D_N_COLUMNS
} Cnn3dColumn;

/* The documented names, in the order of the columns. */
extern const gchar *const cnn3d_column_names[CNN3D_N_COLUMNS];

/* What a name means. *rank: 0 for a documented name, which wins over others; the
 * lower one wins. */
Cnn3dColumn cnn3d_column_find (const gchar *name, gsize size, guint *rank);

/* Whether it is the name "offset": an end beside a start, and either of them alone. */
gboolean cnn3d_column_is_offset (const gchar *name, gsize size);
#define CNN3D_OFFSET_REASON \
  "without a start, an offset may be where a clip begins or where it ends; call it start or end"

/* What a name without a meaning seems to be: CNN3D_COLUMN_START (a time),
 * CNN3D_COLUMN_SPLIT or CNN3D_COLUMN_LABEL; CNN3D_COLUMN_IGNORED: none of them. */
Cnn3dColumn cnn3d_column_resembles (const gchar *name, gsize size);

/* A finite number in decimal digits. */
gboolean cnn3d_number_parse (const gchar *text, gsize size, gboolean comma, gdouble *number);
/* Seconds, MM:SS.s or HH:MM:SS.s. */
gboolean cnn3d_seconds_parse (const gchar *text, gsize size, gboolean comma, gdouble *seconds);

#endif
