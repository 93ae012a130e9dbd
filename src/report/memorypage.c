/* memorypage.c: a page's section about memory.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/report/memorypage.h"

#include <math.h>

#include "src/draw/canvas.h"
#include "src/report/page.h"

#define MOST_TIMES 4 /* as much as what is drawn: a larger budget leaves it no room */
#define LEVEL 0xc0392b

gdouble
memory_page_budget (const ReportLog *log, gdouble bytes)
{
  const gdouble budget = report_log_setting (log, "budget-bytes");

  return report_log_setting (log, "max-memory-bytes") > 0 && budget > 0
          && budget <= MOST_TIMES * bytes
      ? budget
      : NAN;
}

#define BARS_WIDTH 900
#define BARS_LEFT 110.
#define BARS_RIGHT 30.

typedef struct {
  const gchar *name;
  Cnn3dColor color;
  gdouble bytes;
} Part;

static gdouble
bar (Cnn3dCanvas *canvas, gdouble x, gdouble y, gdouble scale, const Part *part)
{
  const gdouble width = part->bytes * scale;
  g_autofree gchar *bytes = page_bytes (part->bytes);
  g_autofree gchar *hint = g_strdup_printf ("%s: %s", part->name, bytes);

  if (!(width > 0))
    return x;
  cnn3d_canvas_rect (canvas, x, y, fmax (width, 0.5), 34, part->color);
  cnn3d_canvas_hint (canvas, hint);
  if (width > cnn3d_text_width (bytes, 11) + 6)
    cnn3d_canvas_text (
        canvas, x + width / 2, y + 21, 11, CNN3D_ANCHOR_MIDDLE, 0xffffff, 0, 0, bytes);
  return x + width;
}

static Cnn3dCanvas *
draw_bars (const Part *parts, guint n, gdouble used, gdouble budget)
{
  const gdouble bottom = isfinite (used) ? 100 : 60;
  Cnn3dCanvas *canvas = cnn3d_canvas_new (
      BARS_WIDTH, (guint) bottom + 46, "Memory: the plan's parts, and what was used");
  gdouble sum = 0, scale, x = BARS_LEFT, legend = BARS_LEFT;

  for (guint i = 0; i < n; i++)
    sum += parts[i].bytes;
  scale = (BARS_WIDTH - BARS_LEFT - BARS_RIGHT) / fmax (fmax (sum, used), budget);
  cnn3d_canvas_text (canvas, BARS_LEFT - 10, 42, 12, CNN3D_ANCHOR_END, 0x1c2733, 0, 0, "planned");
  for (guint i = 0; i < n; i++)
    x = bar (canvas, x, 20, scale, &parts[i]);
  if (isfinite (used)) {
    cnn3d_canvas_text (
        canvas, BARS_LEFT - 10, 82, 12, CNN3D_ANCHOR_END, 0x1c2733, 0, 0, "used at most");
    bar (canvas, BARS_LEFT, 60, scale, &(Part) { "used at most", 0x5b6b7b, used });
  }
  if (isfinite (budget)) {
    const gboolean left = BARS_LEFT + budget * scale > BARS_WIDTH / 2;

    x = BARS_LEFT + budget * scale;
    cnn3d_canvas_line (canvas, x, 4, x, bottom, 1.5, LEVEL);
    cnn3d_canvas_text (canvas, x + (left ? -5 : 5), 13, 11,
        left ? CNN3D_ANCHOR_END : CNN3D_ANCHOR_START, LEVEL, 0, 0, "max-memory");
  }
  for (guint i = 0; i < n; i++) {
    if (!(parts[i].bytes > 0))
      continue;
    cnn3d_canvas_rect (canvas, legend, bottom + 20, 11, 11, parts[i].color);
    cnn3d_canvas_text (
        canvas, legend + 16, bottom + 30, 11, CNN3D_ANCHOR_START, 0x5b6b7b, 0, 0, parts[i].name);
    legend += 16 + cnn3d_text_width (parts[i].name, 11) + 20;
  }
  return canvas;
}

static void
bytes_row (GString *page, const gchar *name, gdouble bytes)
{
  g_autofree gchar *text = page_bytes (bytes);

  if (!isfinite (bytes))
    return;
  g_string_append (page, "<tr>");
  page_element (page, "td", NULL, name);
  page_element (page, "td", "n", text);
  page_printf (page, "td", "n", "%.0f", bytes);
  g_string_append (page, "</tr>\n");
}

static void
budget_text (GString *page, const ReportLog *log, gdouble most)
{
  const gdouble budget = report_log_setting (log, "budget-bytes"),
                set = report_log_setting (log, "max-memory-bytes");
  g_autofree gchar *bytes = page_bytes (budget), *share = page_share (most / budget);

  if (!(budget > 0))
    return;
  page_printf (page, "p", NULL, "The budget is %s%s. %s of it %s.", bytes,
      set > 0        ? ", by max-memory"
          : set == 0 ? ", what the device has: max-memory is not set"
                     : "",
      share, isfinite (report_log_memory (log)) ? "were used at most" : "are planned");
}

void
memory_page (GString *page, const ReportLog *log)
{
  const gdouble arena = report_log_setting (log, "arena-bytes");
  const gdouble workspace = report_log_setting (log, "workspace-bytes");
  const gdouble used = report_log_memory (log);
  const Part parts[] = {
    { "weights", 0x2b6cb0, report_log_setting (log, "weights-bytes") },
    { "gradients", 0x2f8f83, report_log_setting (log, "gradients-bytes") },
    { "optimizer", 0x7a5ea8, report_log_setting (log, "optimizer-bytes") },
    { "input", 0xb0567f, report_log_setting (log, "input-bytes") },
    { "activations", 0xc2702a, isfinite (workspace) ? arena - workspace : arena },
    { "libraries' workspace", 0x8a7a2f, workspace },
    { "driver and libraries", 0x8795a3, report_log_setting (log, "context-bytes") },
  };
  Part shown[G_N_ELEMENTS (parts)];
  gdouble most = 0;

  for (guint i = 0; i < G_N_ELEMENTS (parts); i++) {
    shown[i] = parts[i];
    if (!(shown[i].bytes > 0))
      shown[i].bytes = 0;
    most += shown[i].bytes;
  }
  if (!(fmax (most, used) > 0))
    return;
  g_string_append (page, "<section><h2>Memory: planned and used</h2>\n");
  page_drawing (page,
      draw_bars (shown, G_N_ELEMENTS (shown), used, memory_page_budget (log, fmax (most, used))));
  budget_text (page, log, isfinite (used) ? used : most);
  g_string_append (page,
      "<table>\n<tr><th>part</th><th class=\"n\">memory</th><th class=\"n\">bytes</th></tr>\n");
  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    bytes_row (page, parts[i].name, parts[i].bytes);
  bytes_row (page, "planned in all, without driver and libraries",
      report_log_setting (log, "predicted-bytes"));
  bytes_row (page, "used at most", used);
  g_string_append (page, "</table>\n");
  if (!isfinite (used))
    page_element (page, "p", "pale", "No step reports the memory in use.");
  g_string_append (page, "</section>\n");
}
