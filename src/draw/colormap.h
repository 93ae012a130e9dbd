/* colormap.h: numbers as colours, and maps of numbers as pictures.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_COLORMAP_H
#define CNN3D_COLORMAP_H

#include <glib.h>

#include "src/api.h"
#include "src/draw/canvas.h"

G_BEGIN_DECLS

/* What stands for a number that is not finite: in no colour map. */
#define CNN3D_COLOR_NAN 0xff4fa3

/* The colour of a value from 0 to 1, beyond which it is cut: from dark violet
 * over green to yellow, each step looking as large as the next (the run of
 * colours is matplotlib's viridis). CNN3D_COLOR_NAN for NaN. */
CNN3D_API Cnn3dColor cnn3d_viridis (gdouble value);
/* The same from white to dark blue, which leaves room for text and prints
 * well. */
CNN3D_API Cnn3dColor cnn3d_blues (gdouble value);

/* Maps of shape (n, height, width) as a PNG file: one tile a map, beside each
 * other from left to right with a gap, in a new row where one would be wider
 * than 4096 pixels. The least finite number of all tiles is viridis' first
 * colour, the largest its last; all are the first where they are equal. Each
 * number is a square of `scale` pixels; 0: as many as make a tile about 96
 * pixels high. NULL with error (G_FILE_ERROR) for no or empty maps, more than 64 million
 * pixels, or where memory is missing. */
CNN3D_API GBytes *cnn3d_tiles_png (
    const gfloat *maps, guint n, guint height, guint width, guint scale, GError **error);

G_END_DECLS

#endif
