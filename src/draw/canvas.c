/* canvas.c: records drawing operations; prepares text for display.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/draw/canvas-private.h"

#include <math.h>
#include <string.h>

#include "src/escape.h"

static void
mark_clear (gpointer data)
{
  CanvasMark *mark = data;

  g_free (mark->points);
  g_free (mark->text);
  g_free (mark->hint);
}

Cnn3dCanvas *
cnn3d_canvas_new (guint width, guint height, const gchar *title)
{
  Cnn3dCanvas *canvas = g_new0 (Cnn3dCanvas, 1);

  canvas->width = CLAMP (width, 1, CNN3D_CANVAS_LARGEST);
  canvas->height = CLAMP (height, 1, CNN3D_CANVAS_LARGEST);
  canvas->title = title ? cnn3d_escape_shown (title) : NULL;
  canvas->marks = g_array_new (FALSE, TRUE, sizeof (CanvasMark));
  g_array_set_clear_func (canvas->marks, mark_clear);
  return canvas;
}

void
cnn3d_canvas_free (Cnn3dCanvas **canvas)
{
  if (!*canvas)
    return;
  g_array_unref ((*canvas)->marks);
  g_free ((*canvas)->title);
  g_clear_pointer (canvas, g_free);
}

/* Takes ownership of the mark's contents. */
static void
record (Cnn3dCanvas *canvas, CanvasMark mark)
{
  gboolean finite = isfinite (mark.size);

  for (guint i = 0; i < G_N_ELEMENTS (mark.at); i++)
    finite = finite && isfinite (mark.at[i]);
  for (guint i = 0; i < 2 * mark.n_points; i++)
    finite = finite && isfinite (mark.points[i]);
  if (finite)
    g_array_append_val (canvas->marks, mark);
  else
    mark_clear (&mark);
}

void
cnn3d_canvas_rect (
    Cnn3dCanvas *canvas, gdouble x, gdouble y, gdouble width, gdouble height, Cnn3dColor color)
{
  if (width > 0 && height > 0)
    record (canvas,
        (CanvasMark) { .kind = CANVAS_RECT, .color = color, .at = { x, y, width, height } });
}

void
cnn3d_canvas_dot (Cnn3dCanvas *canvas, gdouble x, gdouble y, gdouble radius, Cnn3dColor color)
{
  record (
      canvas, (CanvasMark) { .kind = CANVAS_DOT, .color = color, .at = { x, y }, .size = radius });
}

void
cnn3d_canvas_line (Cnn3dCanvas *canvas, gdouble x1, gdouble y1, gdouble x2, gdouble y2,
    gdouble width, Cnn3dColor color)
{
  const gdouble points[] = { x1, y1, x2, y2 };

  cnn3d_canvas_polyline (canvas, points, 2, width, color);
}

void
cnn3d_canvas_polyline (
    Cnn3dCanvas *canvas, const gdouble *points, guint n, gdouble width, Cnn3dColor color)
{
  if (n >= 2)
    record (canvas,
        (CanvasMark) { .kind = CANVAS_LINES,
            .color = color,
            .size = width,
            .n_points = n,
            .points = g_memdup2 (points, 2 * n * sizeof *points) });
}

/* As a fraction of the text's height: between Arial's widths and DejaVu Sans's. */
static gdouble
character_width (gunichar c)
{
  if (g_unichar_iszerowidth (c))
    return 0;
  if (g_unichar_iswide (c))
    return 1;
  if (c < 0x80 && strchr ("ijl.,:;'|!It()[] ", c))
    return 0.36;
  if (c == 'm' || c == 'w' || c == 'M' || c == 'W' || c == '%' || c == '@')
    return 0.92;
  return g_unichar_isupper (c) ? 0.7 : 0.6;
}

gdouble
cnn3d_text_width (const gchar *text, gdouble size)
{
  g_autofree gchar *shown = cnn3d_escape_shown (text);
  gdouble width = 0;

  for (const gchar *p = shown; *p; p = g_utf8_next_char (p))
    width += character_width (g_utf8_get_char (p));
  return width * size;
}

/* A copy that is at most `most` wide. */
static gchar *
fit (const gchar *shown, gdouble size, gdouble most)
{
  const gchar *cut = shown; /* the longest prefix that fits with the ellipsis */
  gdouble width = 0;

  for (const gchar *p = shown; *p;) {
    width += size * character_width (g_utf8_get_char (p));
    p = g_utf8_next_char (p);
    if (width > most) {
      g_autofree gchar *kept = g_strndup (shown, cut - shown);

      return g_strconcat (kept, "…", NULL);
    }
    if (width + size * character_width (0x2026) <= most)
      cut = p;
  }
  return g_strdup (shown);
}

void
cnn3d_canvas_text (Cnn3dCanvas *canvas, gdouble x, gdouble y, gdouble size, Cnn3dAnchor anchor,
    Cnn3dColor color, gdouble degrees, gdouble most, const gchar *text)
{
  g_autofree gchar *shown = cnn3d_escape_shown (text);

  record (canvas,
      (CanvasMark) { .kind = CANVAS_TEXT,
          .color = color,
          .anchor = anchor,
          .at = { x, y, degrees },
          .size = size,
          .text = most > 0 ? fit (shown, size, most) : g_steal_pointer (&shown) });
}

void
cnn3d_canvas_hint (Cnn3dCanvas *canvas, const gchar *text)
{
  CanvasMark *last;

  if (canvas->marks->len == 0)
    return;
  last = &g_array_index (canvas->marks, CanvasMark, canvas->marks->len - 1);
  g_free (last->hint);
  last->hint = cnn3d_escape_shown (text);
}
