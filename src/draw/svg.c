/* svg.c: a canvas as SVG.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/draw/canvas-private.h"

#include <string.h>

/* NAME="NUMBER" with two decimals at most, whatever the locale is. */
static void
number (GString *out, const gchar *before, gdouble value, const gchar *after)
{
  gchar text[G_ASCII_DTOSTR_BUF_SIZE];

  /* clamped beyond the visible range, so that it fits the buffer */
  g_ascii_formatd (text, sizeof text, "%.2f", CLAMP (value, -1e6, 1e6));
  for (gsize end = strlen (text); text[end - 1] == '0' || text[end - 1] == '.'; text[--end] = '\0')
    if (text[end - 1] == '.') {
      text[end - 1] = '\0';
      break;
    }
  g_string_append_printf (out, "%s%s%s", before, strcmp (text, "-0") == 0 ? "0" : text, after);
}

static void
escaped (GString *out, const gchar *before, const gchar *text, const gchar *after)
{
  g_autofree gchar *markup = g_markup_escape_text (text, -1);

  g_string_append (out, before);
  g_string_append (out, markup);
  g_string_append (out, after);
}

static void
append_mark (GString *out, const CanvasMark *mark)
{
  static const gchar *const anchors[] = { "start", "middle", "end" };
  const gchar *element = NULL;

  switch (mark->kind) {
    case CANVAS_RECT:
      element = "rect";
      number (out, "<rect x=\"", mark->at[0], "\"");
      number (out, " y=\"", mark->at[1], "\"");
      number (out, " width=\"", mark->at[2], "\"");
      number (out, " height=\"", mark->at[3], "\"");
      g_string_append_printf (out, " fill=\"#%06x\"", mark->color);
      break;
    case CANVAS_DOT:
      element = "circle";
      number (out, "<circle cx=\"", mark->at[0], "\"");
      number (out, " cy=\"", mark->at[1], "\"");
      number (out, " r=\"", mark->size, "\"");
      g_string_append_printf (out, " fill=\"#%06x\"", mark->color);
      break;
    case CANVAS_LINES:
      element = "polyline";
      g_string_append (out, "<polyline points=\"");
      for (guint i = 0; i < mark->n_points; i++) {
        number (out, i ? " " : "", mark->points[2 * i], ",");
        number (out, "", mark->points[2 * i + 1], "");
      }
      g_string_append_printf (
          out, "\" fill=\"none\" stroke=\"#%06x\" stroke-linejoin=\"round\"", mark->color);
      number (out, " stroke-width=\"", mark->size, "\"");
      break;
    case CANVAS_TEXT:
      element = "text";
      number (out, "<text x=\"", mark->at[0], "\"");
      number (out, " y=\"", mark->at[1], "\"");
      number (out, " font-size=\"", mark->size, "\"");
      g_string_append_printf (out, " fill=\"#%06x\"", mark->color);
      if (mark->anchor != CNN3D_ANCHOR_START)
        g_string_append_printf (out, " text-anchor=\"%s\"", anchors[mark->anchor]);
      if (mark->at[2] != 0) {
        number (out, " transform=\"rotate(", mark->at[2], "");
        number (out, " ", mark->at[0], "");
        number (out, " ", mark->at[1], ")\"");
      }
      break;
  }

  if (!mark->text && !mark->hint) {
    g_string_append (out, "/>\n");
    return;
  }
  g_string_append_c (out, '>');
  if (mark->text)
    escaped (out, "", mark->text, "");
  if (mark->hint)
    escaped (out, "<title>", mark->hint, "</title>");
  g_string_append_printf (out, "</%s>\n", element);
}

static gchar *
to_svg (const Cnn3dCanvas *canvas, const gchar *name_space)
{
  GString *out = g_string_new (NULL);

  g_string_append_printf (out,
      "<svg%s viewBox=\"0 0 %u %u\" width=\"%u\" height=\"%u\" role=\"img\""
      " font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\">\n",
      name_space, canvas->width, canvas->height, canvas->width, canvas->height);
  if (canvas->title)
    escaped (out, "<title>", canvas->title, "</title>\n");
  g_string_append (out, "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n");
  for (guint i = 0; i < canvas->marks->len; i++)
    append_mark (out, &g_array_index (canvas->marks, CanvasMark, i));
  g_string_append (out, "</svg>\n");
  return g_string_free (out, FALSE);
}

gchar *
cnn3d_canvas_to_svg (const Cnn3dCanvas *canvas)
{
  return to_svg (canvas, " xmlns=\"http://www.w3.org/2000/svg\"");
}

gchar *
cnn3d_canvas_to_html (const Cnn3dCanvas *canvas)
{
  return to_svg (canvas, "");
}
