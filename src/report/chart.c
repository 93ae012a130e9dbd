/* chart.c: curves over steps or epochs.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/report/chart.h"

#include <math.h>
#include <string.h>

#include "src/format.h"

#define WIDTH 560
#define HEIGHT 300
#define LEFT 62.
#define RIGHT 18.
#define TOP 54.
#define BOTTOM 44.

#define INK 0x1c2733
#define PALE_INK 0x5b6b7b
#define GRID 0xe4e9ee
#define AXIS 0x9aa7b4
#define LEVEL 0xc0392b

#define CUT_POINTS 12
#define CUT_RATIO 3
#define CUT_ROOM 1.5

#define X(points, i) g_array_index (points, gdouble, 2 * (i))
#define Y(points, i) g_array_index (points, gdouble, 2 * (i) + 1)

GArray *
report_chart_series (ReportChart *chart, const gchar *name, Cnn3dColor color, gboolean dots)
{
  GArray *points = g_array_new (FALSE, FALSE, sizeof (gdouble));

  chart->series[chart->n_series++] =
      (ReportSeries) { .name = name, .color = color, .points = points, .dots = dots };
  return points;
}

void
report_chart_add (GArray *points, gdouble x, gdouble y)
{
  /* larger values cannot be drawn or summed */
  if (fabs (x) < 1e15 && fabs (y) < 1e30) {
    g_array_append_val (points, x);
    g_array_append_val (points, y);
  }
}

guint
report_chart_points (const ReportChart *chart)
{
  guint n = 0;

  for (guint i = 0; i < chart->n_series; i++)
    n += chart->series[i].points->len / 2;
  return n;
}

void
report_chart_clear (ReportChart *chart)
{
  for (guint i = 0; i < chart->n_series; i++)
    g_array_unref (chart->series[i].points);
  chart->n_series = 0;
}

static void
keep (GArray *out, const gdouble *points, guint index, guint *last)
{
  if (index == *last)
    return;
  g_array_append_vals (out, points + 2 * (gsize) index, 2);
  *last = index;
}

GArray *
report_thin (const gdouble *points, guint n, guint parts)
{
  GArray *out = g_array_new (FALSE, FALSE, sizeof (gdouble));
  guint last = G_MAXUINT;

  if (n <= 4 * parts) {
    g_array_append_vals (out, points, 2 * n);
    return out;
  }
  for (guint begin = 0, end; begin < n; begin = end) {
    const gdouble range = points[2 * (gsize) (n - 1)] - points[0];
    const guint part =
        range > 0 ? MIN ((points[2 * (gsize) begin] - points[0]) / range * parts, parts - 1) : 0;
    guint least = begin, largest = begin;

    for (end = begin; end < n; end++) {
      const gdouble *p = points + 2 * (gsize) end;

      if (range > 0 && MIN ((p[0] - points[0]) / range * parts, parts - 1) >= part + 1)
        break;
      if (p[1] < points[2 * (gsize) least + 1])
        least = end;
      if (p[1] > points[2 * (gsize) largest + 1])
        largest = end;
    }
    keep (out, points, begin, &last);
    keep (out, points, MIN (least, largest), &last);
    keep (out, points, MAX (least, largest), &last);
    keep (out, points, end - 1, &last);
  }
  return out;
}

GArray *
report_smooth (const gdouble *points, guint n)
{
  GArray *out = g_array_sized_new (FALSE, FALSE, sizeof (gdouble), 2 * n);
  const guint reach = MAX (1, n / 100);
  gdouble sum = 0;
  guint from = 0, to = 0; /* range of the sum, without `to` */

  for (guint i = 0; i < n; i++) {
    gdouble pair[2];

    for (; to < n && to <= i + reach; to++)
      sum += points[2 * (gsize) to + 1];
    for (; from + reach < i; from++)
      sum -= points[2 * (gsize) from + 1];
    pair[0] = points[2 * (gsize) i];
    pair[1] = sum / (to - from);
    g_array_append_vals (out, pair, 2);
  }
  return out;
}

gdouble
report_tick (gdouble range, guint wanted)
{
  const gdouble rough = range / wanted, power = pow (10, floor (log10 (rough))),
                first = rough / power;

  return power * (first <= 1.4 ? 1 : first <= 3 ? 2 : first <= 7 ? 5 : 10);
}

/* such as 0.25 for marks 0.05 apart, 20k, 1e-05 */
static gchar *
tick_text (gdouble value, gdouble tick)
{
  if (fabs (value) < tick / 1000)
    return g_strdup ("0");
  if (tick >= 1e7 || tick < 9e-5)
    return cnn3d_strdup_printf ("%.3g", value);
  if (tick >= 1000)
    return cnn3d_strdup_printf ("%gk", round (value) / 1000);
  return cnn3d_strdup_printf ("%.*f", MAX (0, (gint) -floor (log10 (tick) + 1e-9)), value);
}

/* --- drawing --- */

typedef struct {
  gdouble x0, x1, y0, y1; /* the ranges that are shown */
  gdouble largest;        /* y that there is */
  gboolean cut;           /* it is beyond y1 */
} Frame;

static gdouble
at_x (const Frame *f, gdouble x)
{
  return LEFT + (x - f->x0) / (f->x1 - f->x0) * (WIDTH - LEFT - RIGHT);
}

static gdouble
at_y (const Frame *f, gdouble y)
{
  return HEIGHT - BOTTOM - (y - f->y0) / (f->y1 - f->y0) * (HEIGHT - TOP - BOTTOM);
}

static gint
by_number (gconstpointer a, gconstpointer b)
{
  const gdouble x = *(const gdouble *) a, y = *(const gdouble *) b;

  return (x > y) - (x < y);
}

/* The largest y, or, where the largest twentieth is far above the rest, what the rest needs. */
static gdouble
largest_shown (const ReportChart *chart, gdouble largest)
{
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (gdouble));
  gdouble rest;

  for (guint k = 0; k < chart->n_series; k++)
    for (guint i = 0; i < chart->series[k].points->len / 2; i++)
      g_array_append_val (all, Y (chart->series[k].points, i));
  if (all->len < CUT_POINTS)
    return largest;
  g_array_sort (all, by_number);
  rest = g_array_index (all, gdouble, all->len - 1 - MAX (all->len / 20, 1));
  return rest > 0 && largest > CUT_RATIO * rest ? CUT_ROOM * rest : largest;
}

static void
find_frame (const ReportChart *chart, Frame *f)
{
  f->x0 = f->y0 = INFINITY;
  f->x1 = f->y1 = -INFINITY;
  for (guint k = 0; k < chart->n_series; k++) {
    GArray *points = chart->series[k].points;

    for (guint i = 0; i < points->len / 2; i++) {
      f->x0 = MIN (f->x0, X (points, i));
      f->x1 = MAX (f->x1, X (points, i));
      f->y0 = MIN (f->y0, Y (points, i));
      f->y1 = MAX (f->y1, Y (points, i));
    }
  }
  f->largest = f->y1;
  if (chart->cuts)
    f->y1 = largest_shown (chart, f->y1);
  f->cut = f->y1 < f->largest;
  if (isfinite (chart->line)) {
    f->y0 = MIN (f->y0, chart->line);
    f->y1 = MAX (f->y1, chart->line);
  }
  if (chart->from_zero)
    f->y0 = MIN (f->y0, 0);
  if (f->x1 <= f->x0) {
    f->x0 -= 1;
    f->x1 += 1;
  }
  /* a constant is drawn in the middle, or at a fraction of its height */
  if (f->y0 == 0 && f->y1 == 0) {
    f->y1 = 1;
  } else if (f->y1 - f->y0 <= 1e-9 * fabs (f->y1)) {
    f->y0 -= fmax (fabs (f->y1), 1e-9) * 0.5;
    f->y1 += fmax (fabs (f->y1), 1e-9) * 0.5;
  }
  f->y1 += (f->y1 - f->y0) * 0.05;
  if (!chart->from_zero)
    f->y0 -= (f->y1 - f->y0) * 0.05;
}

static void
draw_axes (Cnn3dCanvas *canvas, const ReportChart *chart, const Frame *f)
{
  const gdouble x_tick = fmax (report_tick (f->x1 - f->x0, 8), 1),
                y_tick = report_tick (f->y1 - f->y0, 5);

  for (gdouble y = ceil (f->y0 / y_tick) * y_tick; y <= f->y1; y += y_tick) {
    g_autofree gchar *text = tick_text (y, y_tick);

    cnn3d_canvas_line (canvas, LEFT, at_y (f, y), WIDTH - RIGHT, at_y (f, y), 1, GRID);
    cnn3d_canvas_text (
        canvas, LEFT - 7, at_y (f, y) + 4, 11, CNN3D_ANCHOR_END, PALE_INK, 0, 0, text);
  }
  for (gdouble x = ceil (f->x0 / x_tick) * x_tick; x <= f->x1; x += x_tick) {
    g_autofree gchar *text = tick_text (x, x_tick);

    cnn3d_canvas_line (
        canvas, at_x (f, x), HEIGHT - BOTTOM, at_x (f, x), HEIGHT - BOTTOM + 4, 1, AXIS);
    cnn3d_canvas_text (
        canvas, at_x (f, x), HEIGHT - BOTTOM + 17, 11, CNN3D_ANCHOR_MIDDLE, PALE_INK, 0, 0, text);
  }
  cnn3d_canvas_line (canvas, LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, 1, AXIS);
  cnn3d_canvas_text (canvas, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 9, 11, CNN3D_ANCHOR_MIDDLE,
      PALE_INK, 0, 0, chart->x_name);
  if (isfinite (chart->line)) {
    cnn3d_canvas_line (
        canvas, LEFT, at_y (f, chart->line), WIDTH - RIGHT, at_y (f, chart->line), 1.5, LEVEL);
    cnn3d_canvas_text (canvas, WIDTH - RIGHT, at_y (f, chart->line) + 13, 11, CNN3D_ANCHOR_END,
        LEVEL, 0, 0, chart->line_name);
  }
}

static void
draw_series (Cnn3dCanvas *canvas, const ReportSeries *series, const Frame *f)
{
  const guint n = series->points->len / 2;
  g_autoptr (GArray) points = report_thin ((const gdouble *) series->points->data, n, 250);

  for (guint i = 0; i < points->len / 2; i++) {
    X (points, i) = at_x (f, X (points, i));
    Y (points, i) = fmax (at_y (f, Y (points, i)), at_y (f, f->y1));
  }
  cnn3d_canvas_polyline (
      canvas, (const gdouble *) points->data, points->len / 2, 1.7, series->color);
  if (n == 1 || (series->dots && n <= 60))
    for (guint i = 0; i < points->len / 2; i++) {
      g_autofree gchar *hint =
          cnn3d_strdup_printf ("%g: %g", X (series->points, i), Y (series->points, i));

      cnn3d_canvas_dot (canvas, X (points, i), Y (points, i), 3, series->color);
      cnn3d_canvas_hint (canvas, hint);
    }
}

Cnn3dCanvas *
report_chart_draw (const ReportChart *chart)
{
  Cnn3dCanvas *canvas = cnn3d_canvas_new (WIDTH, HEIGHT, chart->title);
  gdouble legend = LEFT;
  Frame f;

  cnn3d_canvas_text (canvas, 14, 22, 14, CNN3D_ANCHOR_START, INK, 0, 0, chart->title);
  if (report_chart_points (chart) == 0) {
    cnn3d_canvas_text (
        canvas, WIDTH / 2, HEIGHT / 2, 13, CNN3D_ANCHOR_MIDDLE, PALE_INK, 0, 0, "the log has none");
    return canvas;
  }
  find_frame (chart, &f);
  draw_axes (canvas, chart, &f);
  if (f.cut) {
    g_autofree gchar *text = cnn3d_strdup_printf ("cut off; the largest is %.3g", f.largest);

    cnn3d_canvas_text (canvas, WIDTH - RIGHT, 42, 11, CNN3D_ANCHOR_END, PALE_INK, 0, 0, text);
  }
  for (guint i = 0; i < chart->n_series; i++) {
    const ReportSeries *s = &chart->series[i];

    draw_series (canvas, s, &f);
    if (!s->name || s->points->len == 0)
      continue;
    cnn3d_canvas_line (canvas, legend, 38, legend + 18, 38, 3, s->color);
    cnn3d_canvas_text (canvas, legend + 24, 42, 11, CNN3D_ANCHOR_START, PALE_INK, 0, 0, s->name);
    legend += 24 + cnn3d_text_width (s->name, 11) + 18;
  }
  return canvas;
}
