/* chart.h: curves over steps or epochs.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CHART_H
#define CNN3D_CHART_H

#include "src/api.h"
#include "src/draw/canvas.h"

#define CHART_MOST_SERIES 4

typedef struct {
  const gchar *name; /* NULL: not in the legend */
  Cnn3dColor color;
  GArray *points; /* of gdouble: x, y, x, y, ... with increasing x */
  gboolean dots;  /* draw a dot at each point */
} ReportSeries;

typedef struct {
  const gchar *title, *x_name;
  ReportSeries series[CHART_MOST_SERIES];
  guint n_series;
  gboolean from_zero; /* the y axis */
  gboolean cuts;      /* the few points that are far above all others are beyond the upper edge */
  gdouble line;       /* a level that is marked; NAN: none */
  const gchar *line_name;
} ReportChart;

/* Adds a series without points, which the chart owns, and returns its points. report_chart_add
 * (points, x, y) skips values that are not finite. */
GArray *report_chart_series (
    ReportChart *chart, const gchar *name, Cnn3dColor color, gboolean dots);
void report_chart_add (GArray *points, gdouble x, gdouble y);
/* Number of points in all series. */
guint report_chart_points (const ReportChart *chart);
void report_chart_clear (ReportChart *chart);

/* Draws the chart. Long series are thinned. The caller frees the canvas. */
Cnn3dCanvas *report_chart_draw (const ReportChart *chart);

/* Thins (n, 2) points to at most 4 * `parts`, in order: of each part of the range of x it keeps the
 * first, last, lowest and highest. Exported for tests. */
CNN3D_API GArray *report_thin (const gdouble *points, guint n, guint parts);
/* The mean over about 1/50 of the points before and after each; (n, 2). */
CNN3D_API GArray *report_smooth (const gdouble *points, guint n);

/* The distance between the marks of an axis with about `wanted` marks: 1, 2 or 5 times a power of
 * ten. */
CNN3D_API gdouble report_tick (gdouble range, guint wanted);

#endif
