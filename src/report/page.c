/* page.c: pieces of an HTML page.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/report/page.h"

#include <math.h>
#include <string.h>

#include "src/escape.h"
#include "src/format.h"

#define MOST_CHARACTERS 4000

void
page_text (GString *page, const gchar *text)
{
  g_autofree gchar *shown = cnn3d_escape_shown (text), *markup = NULL;
  const gboolean cut =
      strlen (shown) > MOST_CHARACTERS && g_utf8_strlen (shown, -1) > MOST_CHARACTERS;

  if (cut)
    *g_utf8_offset_to_pointer (shown, MOST_CHARACTERS) = '\0';
  markup = g_markup_escape_text (shown, -1);
  g_string_append (page, markup);
  if (cut)
    g_string_append (page, "… (cut)");
}

void
page_element (GString *page, const gchar *tag, const gchar *class, const gchar *text)
{
  g_string_append_printf (page, class ? "<%s class=\"%s\">" : "<%s>", tag, class);
  page_text (page, text);
  g_string_append_printf (page, "</%s>", tag);
}

void
page_printf (GString *page, const gchar *tag, const gchar *class, const gchar *format, ...)
{
  g_autofree gchar *text = NULL;
  va_list args;

  va_start (args, format);
  text = cnn3d_strdup_vprintf (format, args);
  va_end (args);
  page_element (page, tag, class, text);
}

void
page_fact (GString *page, const gchar *name, const gchar *value)
{
  if (!value)
    return;
  g_string_append (page, "<tr>");
  page_element (page, "th", NULL, name);
  page_element (page, "td", NULL, value);
  g_string_append (page, "</tr>\n");
}

void
page_jpeg (GString *page, GBytes *jpeg, const gchar *alt)
{
  gsize size;
  gconstpointer data = g_bytes_get_data (jpeg, &size);
  g_autofree gchar *text = g_base64_encode (data, size);

  g_string_append (page, "<img alt=\"");
  page_text (page, alt);
  g_string_append_printf (page, "\" src=\"data:image/jpeg;base64,%s\">", text);
}

void
page_drawing (GString *page, Cnn3dCanvas *canvas)
{
  g_autofree gchar *svg = cnn3d_canvas_to_html (canvas);

  g_string_append (page, "<figure>");
  g_string_append (page, svg);
  g_string_append (page, "</figure>\n");
  cnn3d_canvas_free (&canvas);
}

gchar *
page_bytes (gdouble bytes)
{
  static const gchar *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
  guint unit = 0;

  if (!isfinite (bytes))
    return g_strdup ("–");
  for (; fabs (bytes) >= 1024 && unit + 1 < G_N_ELEMENTS (units); unit++)
    bytes /= 1024;
  return cnn3d_strdup_printf ("%.*f %s", unit == 0 ? 0 : bytes < 10 ? 2 : 1, bytes, units[unit]);
}

gchar *
page_share (gdouble share)
{
  return isfinite (share) ? cnn3d_strdup_printf ("%.1f %%", 100 * share) : g_strdup ("–");
}

gchar *
page_number (gdouble number, guint decimals)
{
  if (!isfinite (number))
    return g_strdup ("–");
  return fabs (number) < 1e15 ? cnn3d_strdup_printf ("%.*f", decimals, number)
                              : cnn3d_strdup_printf ("%g", number);
}

gchar *
page_seconds (gdouble seconds)
{
  guint64 whole;

  if (!(seconds >= 0 && seconds < 1e12))
    return g_strdup ("–");
  whole = seconds + 0.5;
  if (whole >= 3600)
    return g_strdup_printf (
        "%" G_GUINT64_FORMAT " h %02u min", whole / 3600, (guint) (whole / 60 % 60));
  if (whole >= 60)
    return g_strdup_printf ("%u min %02u s", (guint) (whole / 60), (guint) (whole % 60));
  return cnn3d_strdup_printf (seconds < 10 ? "%.1f s" : "%.0f s", seconds);
}

gchar *
page_time (gdouble seconds)
{
  g_autoptr (GDateTime) time =
      seconds > 0 && seconds < 1e11 ? g_date_time_new_from_unix_local (seconds) : NULL;

  return time ? g_date_time_format (time, "%Y-%m-%d %H:%M:%S %Z") : g_strdup ("–");
}

static const gchar style[] =
    ":root{color-scheme:light}*{box-sizing:border-box}body{margin:0;background:#f3f5f8;color:#"
    "1c2733;font:15px/1.5 system-ui,'Segoe "
    "UI',Helvetica,Arial,sans-serif}main{max-width:1240px;margin:0 auto;padding:28px 24px "
    "60px}main{overflow-wrap:anywhere}h1{font-size:26px;margin:0 0 4px}h2{font-size:19px;margin:0 "
    "0 14px}h3{font-size:15px;margin:22px 0 8px}section{background:#fff;border:1px solid "
    "#dde3ea;border-radius:8px;padding:20px 22px;margin:18px 0;overflow-x:auto}p{margin:6px "
    "0}.pale{color:#5b6b7b}pre{background:#f3f5f8;border:1px solid "
    "#dde3ea;border-radius:6px;padding:10px 12px;margin:10px 0;white-space:pre-wrap;font:13px/1.45 "
    "ui-monospace,'DejaVu Sans "
    "Mono',Menlo,monospace}table{border-collapse:collapse;font-size:14px;font-variant-numeric:"
    "tabular-nums}th,td{text-align:left;padding:4px 14px 4px 0;border-bottom:1px solid "
    "#eaeef2;vertical-align:top}th{font-weight:600;color:#42515f;overflow-wrap:normal}td.n,th.n{"
    "text-align:right;white-space:nowrap}table.wide{width:100%}.wide td.n,.wide "
    "th.n{width:1%;padding-left:14px}.two{display:grid;grid-template-columns:repeat(auto-fit,"
    "minmax(min(440px,100%),1fr));gap:14px "
    "22px;align-items:start}.two>*{min-width:0}.beside{display:flex;flex-wrap:wrap;gap:0 "
    "36px;align-items:flex-start}.beside>*{min-width:0;max-width:100%}.wrong "
    "th:first-child{width:34%}.checks td:nth-child(2){width:27%}tr.over td{border-bottom:0}.strip "
    "div{display:flex;gap:4px;align-items:flex-start}.strip img{min-width:0;max-width:calc(100%/6 "
    "- "
    "4px);border-radius:3px}figure{margin:0;overflow-x:auto}svg{max-width:100%;height:auto;display:"
    "block}.tiles{display:flex;flex-wrap:wrap;gap:12px;margin:4px 0 16px}.tiles "
    "div{background:#f3f5f8;border-radius:6px;padding:8px 14px;min-width:92px}.tiles "
    "b{display:block;font-size:21px;font-weight:600}.tiles "
    "span{font-size:12.5px;color:#5b6b7b}.mark{display:inline-block;min-width:84px;text-align:"
    "center;border-radius:4px;padding:1px "
    "8px;font-size:13px;font-weight:600}.ok{background:#d9f0e0;color:#145c31}.bad{background:#"
    "fbdcd8;color:#8f1d12}.open{background:#e8ebef;color:#42515f}.note{border-left:4px solid "
    "#d9a02a;padding:2px 0 2px 12px;margin:8px 0}@media "
    "print{body{background:#fff;font-size:12px}main{max-width:none;padding:0}section{border:0;"
    "padding:0;margin:14px 0}figure,tr,.tiles{break-inside:avoid}.mark,.tiles "
    "div,svg{-webkit-print-color-adjust:exact;print-color-adjust:exact}}";

void
page_begin (GString *page, const gchar *title)
{
  g_string_append (page,
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      /* whatever a name may hold, nothing is run or fetched */
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'; img-src data:\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
  page_element (page, "title", NULL, title);
  g_string_append_printf (page, "\n<style>%s</style>\n</head>\n<body>\n<main>\n", style);
}

void
page_end (GString *page)
{
  g_string_append (page, "</main>\n</body>\n</html>\n");
}
