/* draw.c: the canvas, the confusion matrix, colours and tiles.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <math.h>
#include <string.h>

#include "src/draw/canvas.h"
#include "src/draw/colormap.h"
#include "src/draw/confusion.h"
#include "tests/unit/pngfile.h"

#define NASTY "<script>alert(1)</script>\033[31m&\"'\xff\xe2\x80\xae"
#define NASTY_SHOWN "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[31m&amp;&quot;&apos;\\xff\\x202e"

static void
fail_on_markup_error (GMarkupParseContext *context, GError *error, gpointer data)
{
  g_error ("%s", error->message);
}

static void
assert_xml (const gchar *svg)
{
  static const GMarkupParser parser = { .error = fail_on_markup_error };
  GMarkupParseContext *context = g_markup_parse_context_new (&parser, 0, NULL, NULL);

  g_assert_true (g_markup_parse_context_parse (context, svg, -1, NULL));
  g_assert_true (g_markup_parse_context_end_parse (context, NULL));
  g_markup_parse_context_free (context);
}

static void
test_canvas (void)
{
  const gdouble line[] = { 10, 10, 30, 10, NAN, 20 }, points[] = { 0, 0.123456, 1e9, -1e9, 5, 50 };
  Cnn3dCanvas *canvas = cnn3d_canvas_new (40, 30, NASTY);
  g_autofree gchar *svg = NULL, *html = NULL;
  PngFile png;
  GBytes *file;
  GError *error = NULL;

  cnn3d_canvas_rect (canvas, 2, 3, 10, 5, 0x102030);
  cnn3d_canvas_hint (canvas, NASTY);
  cnn3d_canvas_rect (canvas, 0, 0, -1, 5, 0xff0000);
  cnn3d_canvas_rect (canvas, INFINITY, 0, 50, 50, 0xff0000);
  cnn3d_canvas_polyline (canvas, line, 3, 2, 0xff0000);
  cnn3d_canvas_polyline (canvas, line, 1, 2, 0xff0000);
  cnn3d_canvas_text (canvas, 20, 25, 8, CNN3D_ANCHOR_MIDDLE, 0x445566, -45, 0, NASTY);
  /* a line after text begins at its own first point */
  cnn3d_canvas_line (canvas, 30, 20, 38, 20, 4, 0x00ff00);
  cnn3d_canvas_dot (canvas, 35, 5, 3, 0x0000ff);

  svg = cnn3d_canvas_to_svg (canvas);
  assert_xml (svg);
  g_assert_nonnull (strstr (svg,
      "<rect x=\"2\" y=\"3\" width=\"10\" height=\"5\" fill=\"#102030\"><title>" NASTY_SHOWN
      "</title></rect>"));
  g_assert_nonnull (strstr (svg, ">" NASTY_SHOWN "</text>"));
  g_assert_nonnull (strstr (svg, "<title>" NASTY_SHOWN "</title>\n"));
  g_assert_nonnull (strstr (svg, "rotate(-45 20 25)"));
  g_assert_nonnull (strstr (svg, "xmlns="));
  g_assert_null (strstr (svg, "ff0000"));
  html = cnn3d_canvas_to_html (canvas);
  g_assert_null (strstr (html, "http"));

  file = cnn3d_canvas_to_png (canvas, &error);
  g_assert_no_error (error);
  png_read (&png, file);
  g_assert_cmpuint (png.width, ==, 40);
  g_assert_cmpuint (png.height, ==, 30);
  g_assert_cmphex (png_pixel (&png, 5, 5), ==, 0x102030);
  g_assert_cmphex (png_pixel (&png, 1, 5), ==, 0xffffff);
  g_assert_cmphex (png_pixel (&png, 34, 20), ==, 0x00ff00);
  g_assert_cmphex (png_pixel (&png, 35, 5), ==, 0x0000ff);
  g_assert_cmphex (png_pixel (&png, 39, 0), ==, 0xffffff);
  png_clear (&png);
  cnn3d_canvas_free (&canvas);
  g_assert_null (canvas);

  canvas = cnn3d_canvas_new (40, 30, NULL);
  cnn3d_canvas_hint (canvas, "of nothing");
  cnn3d_canvas_polyline (canvas, points, 3, 2, 0);
  g_free (svg);
  svg = cnn3d_canvas_to_svg (canvas);
  g_assert_nonnull (strstr (svg, "points=\"0,0.12 1000000,-1000000 5,50\""));
  cnn3d_canvas_free (&canvas);
}

static void
test_ellipsis (void)
{
  const gchar *const names[] = { "short", "a name that does not fit at all",
    "\xe8\xa7\x86\xe9\xa2\x91\xe5\x88\x86" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    for (gdouble most = 5; most < 300; most += 5) {
      Cnn3dCanvas *canvas = cnn3d_canvas_new (300, 20, NULL);
      g_autofree gchar *svg = NULL, *text = NULL;
      const gchar *begin;

      cnn3d_canvas_text (canvas, 0, 10, 10, CNN3D_ANCHOR_START, 0, 0, most, names[i]);
      svg = cnn3d_canvas_to_svg (canvas);
      begin = strchr (strstr (svg, "<text"), '>') + 1;
      text = g_strndup (begin, strstr (begin, "</text>") - begin);
      g_assert_true (g_utf8_validate (text, -1, NULL));
      if (cnn3d_text_width (names[i], 10) <= most)
        g_assert_cmpstr (text, ==, names[i]);
      else {
        g_assert_true (g_str_has_suffix (text, "…"));
        text[strlen (text) - strlen ("…")] = '\0';
        g_assert_true (g_str_has_prefix (names[i], text));
        g_assert_true (!*text || cnn3d_text_width (text, 10) < most);
      }
      cnn3d_canvas_free (&canvas);
    }
}

/* Truncated names with a common beginning stay distinguishable. */
static void
test_long_names (void)
{
  const guint64 counts[] = { 3, 1, 0, 2 };
  const gchar *const classes[] = { "a class with a name that is too long, the first",
    "a class with a name that is too long, the second" };
  g_autofree gchar *svg = cnn3d_confusion_svg (counts, classes, 2, NULL);

  for (guint i = 0; i < 2; i++) {
    const gchar *end = strrchr (classes[i], ' ');
    g_autofree gchar *cut = g_strconcat (end, "<title>", classes[i], "</title></text>", NULL);
    g_autofree gchar *whole = g_strconcat (">", classes[i], "<title>", NULL);

    g_assert_nonnull (strstr (svg, cut));
    g_assert_null (strstr (svg, whole));
  }
  g_assert_nonnull (strstr (svg, "…"));
}

static void
test_confusion (void)
{
  const guint64 counts[] = { 3, 1, 0, 0, 0, 0, 0, 2, G_GUINT64_CONSTANT (123456789) };
  const gchar *const classes[] = { NASTY, "empty", "third" };
  GError *error = NULL;
  g_autofree gchar *svg = cnn3d_confusion_svg (counts, classes, 3, &error), *numbers = NULL;

  g_assert_no_error (error);
  assert_xml (svg);
  g_assert_nonnull (strstr (svg, "&lt;script&gt;"));
  g_assert_null (strstr (svg, "<script"));
  g_assert_nonnull (strstr (svg, ">75 %<"));
  g_assert_nonnull (strstr (svg, ">25.0 %<"));
  g_assert_nonnull (strstr (svg, ">123456789<"));
  g_assert_nonnull (strstr (svg, ">no clips<"));
  g_assert_nonnull (strstr (svg, ">label<"));
  g_assert_nonnull (strstr (svg, ">prediction<"));
  numbers = cnn3d_confusion_svg (counts, NULL, 3, &error);
  assert_xml (numbers);

  g_assert_null (cnn3d_confusion_svg (counts, NULL, 0, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL);
  g_assert_true (
      g_str_has_prefix (error->message, "a confusion matrix of 0 classes is not drawn: 1 to "));
  g_clear_error (&error);
  g_assert_null (cnn3d_confusion_png (counts, NULL, CNN3D_CONFUSION_LARGEST + 1, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL);
  g_clear_error (&error);
}

/* Any number of classes gives a picture of a displayable size. */
static void
test_confusion_sizes (void)
{
  const guint sizes[] = { 1, 2, 10, 51, 400, CNN3D_CONFUSION_LARGEST };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    const guint n = sizes[i];
    g_autofree guint64 *counts = g_new0 (guint64, n * n);
    GError *error = NULL;
    GBytes *file;
    PngFile png;

    for (guint k = 0; k < n; k++)
      counts[k * n + k] = 1;
    file = cnn3d_confusion_png (counts, NULL, n, &error);
    g_assert_no_error (error);
    png_read (&png, file);
    g_assert_cmpuint (png.width, >=, 200);
    g_assert_cmpuint (MAX (png.width, png.height), <, 2400);
    png_clear (&png);
  }
}

/* CIE lightness of an sRGB colour, 0 to 100 */
static gdouble
lightness (Cnn3dColor color)
{
  static const gdouble parts[] = { 0.2126, 0.7152, 0.0722 };
  gdouble y = 0;

  for (guint i = 0; i < 3; i++) {
    const gdouble c = (color >> (16 - 8 * i) & 255) / 255.;

    y += parts[i] * (c <= 0.04045 ? c / 12.92 : pow ((c + 0.055) / 1.055, 2.4));
  }
  return y > 0.008856 ? 116 * cbrt (y) - 16 : 903.3 * y;
}

static void
test_colors (void)
{
  for (guint i = 1; i <= 20; i++) {
    const gdouble step =
        lightness (cnn3d_viridis (i / 20.)) - lightness (cnn3d_viridis ((i - 1) / 20.));

    /* the range is about 75: even steps are 3.8 */
    g_assert_cmpfloat (step, >, 2.8);
    g_assert_cmpfloat (step, <, 5);
    g_assert_cmpfloat (
        lightness (cnn3d_blues (i / 20.)), <, lightness (cnn3d_blues ((i - 1) / 20.)));
  }
  g_assert_cmphex (cnn3d_viridis (0), ==, 0x440154);
  g_assert_cmphex (cnn3d_viridis (-5), ==, 0x440154);
  g_assert_cmphex (cnn3d_viridis (1), ==, 0xfde725);
  g_assert_cmphex (cnn3d_viridis (INFINITY), ==, 0xfde725);
  g_assert_cmphex (cnn3d_viridis (NAN), ==, CNN3D_COLOR_NAN);
}

static void
test_tiles (void)
{
  /* (2, 2, 3) */
  const gfloat maps[] = { -1, 0, 1, NAN, 3, -1, 2, 2, 2, 2, 2, INFINITY },
               same[6] = { 7, 7, 7, 7, 7, 7 };
  GError *error = NULL;
  PngFile png;

  png_read (&png, cnn3d_tiles_png (maps, 2, 2, 3, 5, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (png.width, ==, 15 + 4 + 15);
  g_assert_cmpuint (png.height, ==, 10);
  g_assert_cmphex (png_pixel (&png, 0, 0), ==, cnn3d_viridis (0));
  g_assert_cmphex (png_pixel (&png, 4, 4), ==, cnn3d_viridis (0));
  g_assert_cmphex (png_pixel (&png, 5, 0), ==, cnn3d_viridis (0.25));
  g_assert_cmphex (png_pixel (&png, 0, 5), ==, CNN3D_COLOR_NAN);
  g_assert_cmphex (png_pixel (&png, 5, 9), ==, cnn3d_viridis (1));
  g_assert_cmphex (png_pixel (&png, 16, 0), ==, 0xffffff);
  g_assert_cmphex (png_pixel (&png, 19, 0), ==, cnn3d_viridis (0.75));
  g_assert_cmphex (png_pixel (&png, 33, 9), ==, CNN3D_COLOR_NAN);
  png_clear (&png);

  png_read (&png, cnn3d_tiles_png (same, 1, 2, 3, 0, &error));
  g_assert_cmpuint (png.height, ==, 96);
  g_assert_cmphex (png_pixel (&png, 50, 50), ==, cnn3d_viridis (0));
  png_clear (&png);

  /* 1000 tiles of (2, 3) in rows; the last tile is at or before the end of the last row */
  {
    g_autofree gfloat *many = g_new0 (gfloat, 6000);

    png_read (&png, cnn3d_tiles_png (many, 1000, 2, 3, 4, &error));
    g_assert_cmpuint (png.width, ==, 256 * 16 - 4);
    g_assert_cmpuint (png.height, ==, 4 * 12 - 4);
    g_assert_cmphex (png_pixel (&png, (1000 - 3 * 256 - 1) * 16, 36), ==, cnn3d_viridis (0));
    g_assert_cmphex (png_pixel (&png, (1000 - 3 * 256) * 16, 36), ==, 0xffffff);
    png_clear (&png);
  }

  g_assert_null (cnn3d_tiles_png (same, 0, 2, 3, 0, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL);
  g_assert_cmpstr (error->message, ==, "there is nothing to draw in 0 maps of 2x3");
  g_clear_error (&error);
  g_assert_null (cnn3d_tiles_png (same, 1, 2, 3, 1u << 31, &error));
  g_assert_nonnull (strstr (
      error->message, " pixels wide, make too large a picture: draw fewer, or with a smaller"));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL);
  g_clear_error (&error);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/draw/canvas", test_canvas);
  g_test_add_func ("/draw/ellipsis", test_ellipsis);
  g_test_add_func ("/draw/long-names", test_long_names);
  g_test_add_func ("/draw/confusion", test_confusion);
  g_test_add_func ("/draw/confusion-sizes", test_confusion_sizes);
  g_test_add_func ("/draw/colors", test_colors);
  g_test_add_func ("/draw/tiles", test_tiles);
  return g_test_run ();
}
