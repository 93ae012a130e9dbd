/* confusion.c: a confusion matrix as a picture.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/draw/confusion.h"

#include <math.h>

#include "src/draw/colormap.h"
#include "src/escape.h"
#include "src/format.h"

#define INK 0x1c2733
#define PALE_INK 0x5b6b7b
#define GRID 0xd5dce4
#define NO_CLIPS 0xe6e8ea

#define MOST_WITH_TEXT 50 /* classes whose cells have numbers */
#define NAME_WIDTH 170.
#define TITLE_HEIGHT 44.
#define SCALE_WIDTH 80. /* what the scale of colours takes on the right */

typedef struct {
  Cnn3dCanvas *canvas;
  const guint64 *counts; /* (n, n) */
  const gchar *const *classes;
  guint n;
  gdouble cell, left, top, side; /* the matrix' place, in pixels */
  gdouble font;                  /* names' */
  guint every;                   /* one name in so many is shown */
} Picture;

/* What (1, 1) class takes. */
static gdouble
cell_size (guint n)
{
  if (n <= 4)
    return 92;
  if (n <= 10)
    return 64;
  if (n <= 20)
    return 48;
  return n <= MOST_WITH_TEXT ? 36 : MAX (2, floor (1400. / n));
}

static gchar *
class_name (const Picture *p, guint i)
{
  return p->classes ? g_strdup (p->classes[i]) : g_strdup_printf ("%u", i);
}

static guint64
row_sum (const Picture *p, guint row)
{
  guint64 sum = 0;

  for (guint i = 0; i < p->n; i++)
    sum += p->counts[(gsize) row * p->n + i];
  return sum;
}

static gchar *
share_text (guint64 count, guint64 sum)
{
  const gdouble share = 100. * count / sum;

  return cnn3d_strdup_printf (share >= 99.95 || share == 0 ? "%.0f %%" : "%.1f %%", share);
}

/* Text in the middle of a cell, smaller where it would not fit. */
static void
cell_text (
    const Picture *p, gdouble x, gdouble y, gdouble size, Cnn3dColor color, const gchar *text)
{
  const gdouble width = cnn3d_text_width (text, size);

  cnn3d_canvas_text (p->canvas, x, y, MIN (size, size * (p->cell - 3) / width), CNN3D_ANCHOR_MIDDLE,
      color, 0, 0, text);
}

static void
draw_cell (const Picture *p, guint row, guint column, guint64 count, guint64 sum)
{
  const gdouble share = (gdouble) count / sum, x = p->left + column * p->cell,
                y = p->top + row * p->cell;

  cnn3d_canvas_rect (p->canvas, x, y, p->cell, p->cell, cnn3d_blues (share));
  if (p->n <= MOST_WITH_TEXT) {
    const Cnn3dColor ink = share > 0.45 ? 0xffffff : count ? INK : 0xb3bdc8;
    g_autofree gchar *label = class_name (p, row);
    g_autofree gchar *prediction = class_name (p, column);
    g_autofree gchar *percent = share_text (count, sum);
    g_autofree gchar *number = g_strdup_printf ("%" G_GUINT64_FORMAT, count);
    g_autofree gchar *hint =
        g_strdup_printf ("label %s, prediction %s: %s of %" G_GUINT64_FORMAT " (%s)", label,
            prediction, number, sum, percent);
    const gdouble size = MIN (15, p->cell * 0.3);

    cnn3d_canvas_hint (p->canvas, hint);
    cell_text (p, x + p->cell / 2, y + p->cell / 2 + (count ? -size * 0.1 : size * 0.35), size, ink,
        number);
    if (count)
      cell_text (p, x + p->cell / 2, y + p->cell / 2 + size * 0.95, size * 0.75, ink, percent);
  }
}

static void
draw_rows (const Picture *p)
{
  for (guint row = 0; row < p->n; row++) {
    const guint64 sum = row_sum (p, row);
    const gdouble y = p->top + row * p->cell;

    if (sum == 0) {
      cnn3d_canvas_rect (p->canvas, p->left, y, p->side, p->cell, NO_CLIPS);
      if (p->n <= MOST_WITH_TEXT)
        cnn3d_canvas_text (p->canvas, p->left + p->side / 2, y + p->cell / 2 + 4,
            MIN (12, p->cell * 0.34), CNN3D_ANCHOR_MIDDLE, PALE_INK, 0, 0, "no clips");
      continue;
    }
    for (guint column = 0; column < p->n; column++) {
      const guint64 count = p->counts[(gsize) row * p->n + column];

      if (count || p->n <= MOST_WITH_TEXT)
        draw_cell (p, row, column, count, sum);
    }
  }
}

static void
draw_grid (const Picture *p)
{
  const guint step = p->n <= MOST_WITH_TEXT ? 1 : p->n;

  for (guint i = 0; i <= p->n; i += step) {
    const gdouble at = i * p->cell;

    cnn3d_canvas_line (p->canvas, p->left + at, p->top, p->left + at, p->top + p->side, 1, GRID);
    cnn3d_canvas_line (p->canvas, p->left, p->top + at, p->left + p->side, p->top + at, 1, GRID);
  }
}

/* What fits, with the middle left out: names that begin alike mostly end differently. */
static gchar *
shortened (const Picture *p, const gchar *name)
{
  g_autofree gchar *shown = cnn3d_escape_shown (name);
  const glong length = g_utf8_strlen (shown, -1);

  if (cnn3d_text_width (shown, p->font) <= NAME_WIDTH)
    return g_steal_pointer (&shown);
  for (glong left = MIN (length - 1, 64); left > 1; left--) {
    g_autofree gchar *head = g_utf8_substring (shown, 0, (left + 1) / 2);
    g_autofree gchar *tail = g_utf8_substring (shown, length - left / 2, length);
    g_autofree gchar *both = g_strconcat (head, "…", tail, NULL);

    if (cnn3d_text_width (both, p->font) <= NAME_WIDTH)
      return g_steal_pointer (&both);
  }
  return g_steal_pointer (&shown);
}

/* `slant`: the predictions' names; -45 is read more easily than -90 */
static void
draw_names (const Picture *p, gdouble slant, gdouble names_height)
{
  for (guint i = 0; i < p->n; i += p->every) {
    g_autofree gchar *name = class_name (p, i), *shown = shortened (p, name);
    const gdouble middle = (i + 0.5) * p->cell, below = p->top + p->side + 8;

    cnn3d_canvas_text (p->canvas, p->left - 8, p->top + middle + p->font * 0.35, p->font,
        CNN3D_ANCHOR_END, INK, 0, NAME_WIDTH, shown);
    cnn3d_canvas_hint (p->canvas, name);
    if (slant == 0)
      cnn3d_canvas_text (p->canvas, p->left + middle, below + p->font * 0.8, p->font,
          CNN3D_ANCHOR_MIDDLE, INK, 0, 0, name);
    else
      cnn3d_canvas_text (p->canvas, p->left + middle + p->font * 0.35,
          below + (slant == -45 ? p->font * 0.35 : 0), p->font, CNN3D_ANCHOR_END, INK, slant,
          NAME_WIDTH, shown);
    cnn3d_canvas_hint (p->canvas, name);
  }
  cnn3d_canvas_text (p->canvas, p->left + p->side / 2, p->top + p->side + names_height + 24, 13,
      CNN3D_ANCHOR_MIDDLE, PALE_INK, 0, 0, "prediction");
  cnn3d_canvas_text (
      p->canvas, 20, p->top + p->side / 2, 13, CNN3D_ANCHOR_MIDDLE, PALE_INK, -90, 0, "label");
}

static void
draw_scale (const Picture *p)
{
  const gdouble height = MIN (p->side, 300), x = p->left + p->side + 22;
  const guint steps = 60;

  for (guint i = 0; i < steps; i++)
    /* half a pixel lower than it has to be: no gap between two */
    cnn3d_canvas_rect (p->canvas, x, p->top + height * i / steps, 14,
        height / steps + (i + 1 < steps ? 0.5 : 0), cnn3d_blues (1 - (i + 0.5) / steps));
  for (guint i = 0; i <= 4; i++) {
    g_autofree gchar *text = g_strdup_printf ("%u %%", 100 - 25 * i);

    cnn3d_canvas_text (p->canvas, x + 20,
        p->top + height * i / 4
            + (i == 0        ? 9
                    : i == 4 ? 0
                             : 4),
        11, CNN3D_ANCHOR_START, PALE_INK, 0, 0, text);
  }
}

static void
draw_title (const Picture *p)
{
  guint64 right = 0, all = 0;
  g_autofree gchar *text = NULL;

  for (guint i = 0; i < p->n; i++) {
    right += p->counts[(gsize) i * p->n + i];
    all += row_sum (p, i);
  }
  text = all == 0
      ? g_strdup ("no clips")
      : cnn3d_strdup_printf ("%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " right (%.1f %%)",
            right, all, 100. * right / all);
  cnn3d_canvas_text (p->canvas, 12, 22, 16, CNN3D_ANCHOR_START, INK, 0, 0, "Confusion matrix");
  cnn3d_canvas_text (p->canvas, 12, 39, 11, CNN3D_ANCHOR_START, PALE_INK, 0, 0, text);
}

Cnn3dCanvas *
cnn3d_confusion_canvas (const guint64 *counts, const gchar *const *classes, guint n, GError **error)
{
  Picture p = { .counts = counts, .classes = classes, .n = n };
  gdouble widest = 0, slant, names_height, last;

  if (n == 0 || n > CNN3D_CONFUSION_LARGEST) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
        "a confusion matrix of %u classes is not drawn: 1 to %d are", n, CNN3D_CONFUSION_LARGEST);
    return NULL;
  }

  p.cell = cell_size (n);
  p.side = p.cell * n;
  p.font = CLAMP (p.cell - 2, 9, 13);
  p.every = ceil ((p.font + 1) / p.cell);
  for (guint i = 0; i < n; i += p.every) {
    g_autofree gchar *name = class_name (&p, i);

    widest = MAX (widest, MIN (cnn3d_text_width (name, p.font), NAME_WIDTH));
  }
  slant = widest < p.cell - 6 ? 0 : n <= MOST_WITH_TEXT ? -45 : -90;
  names_height = slant == 0 ? 20 : slant == -45 ? widest * 0.71 + 18 : widest + 12;
  p.left = 38 + widest;
  /* the first name goes to the left, under the labels */
  if (slant == -45)
    p.left = MAX (p.left, widest * 0.71 - p.cell / 2 + 14);
  p.top = TITLE_HEIGHT + 10;
  last = p.top + p.side + names_height + 36;

  p.canvas = cnn3d_canvas_new (MAX (p.left + p.side + SCALE_WIDTH, 260), last, "Confusion matrix");
  draw_title (&p);
  draw_rows (&p);
  draw_grid (&p);
  draw_names (&p, slant, names_height);
  draw_scale (&p);
  return p.canvas;
}

GBytes *
cnn3d_confusion_png (const guint64 *counts, const gchar *const *classes, guint n, GError **error)
{
  Cnn3dCanvas *canvas = cnn3d_confusion_canvas (counts, classes, n, error);
  GBytes *png = canvas ? cnn3d_canvas_to_png (canvas, error) : NULL;

  cnn3d_canvas_free (&canvas);
  return png;
}

gchar *
cnn3d_confusion_svg (const guint64 *counts, const gchar *const *classes, guint n, GError **error)
{
  Cnn3dCanvas *canvas = cnn3d_confusion_canvas (counts, classes, n, error);
  gchar *svg = canvas ? cnn3d_canvas_to_svg (canvas) : NULL;

  cnn3d_canvas_free (&canvas);
  return svg;
}
