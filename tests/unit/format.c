/* format.c: number formatting in an application whose locale has a decimal comma.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/format.h"

#include <locale.h>
#include <string.h>
#include <gio/gio.h>
#include <glib/gstdio.h>

#include "src/bytes.h"
#include "src/draw/confusion.h"
#include "src/settings/settings.h"

/* A locale with a decimal comma: the system's, or one compiled here. */
static gboolean
set_comma (void)
{
  static const gchar *const names[] = { "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "nb_NO.UTF-8" };
  g_autofree gchar *dir = NULL, *path = NULL;
  gchar *argv[] = { "localedef", "-c", "-i", "de_DE", "-f", "UTF-8", NULL, NULL };
  gboolean set = FALSE;

  for (guint i = 0; !set && i < G_N_ELEMENTS (names); i++)
    set = setlocale (LC_ALL, names[i]) != NULL;
  if (!set) {
    dir = g_dir_make_tmp ("format-XXXXXX", NULL);
    argv[6] = path = g_build_filename (dir, names[0], NULL);
    g_spawn_sync (NULL, argv, NULL,
        G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL,
        NULL, NULL, NULL, NULL);
    g_setenv ("LOCPATH", dir, TRUE);
    set = setlocale (LC_ALL, names[0]) != NULL;
    g_unsetenv ("LOCPATH");
    argv[0] = "rm";
    argv[1] = "-rf";
    argv[2] = dir;
    argv[3] = NULL;
    g_spawn_sync (NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
  }
  return set && strcmp (localeconv ()->decimal_point, ",") == 0;
}

static void
test_comma (void)
{
  guint64 counts[] = { 2, 1, 0, 3 };
  const gchar *const names[] = { "a", "b", NULL };
  g_autofree gchar *text = NULL, *bytes = NULL, *number = NULL, *svg = NULL, *plain = NULL;
  g_autoptr (GString) line = g_string_new ("x");
  g_autoptr (GError) error = NULL;

  svg = cnn3d_confusion_svg (counts, names, 2, NULL);
  if (!set_comma ()) {
    g_test_skip ("there is no locale with a decimal comma");
    return;
  }
  text = g_strdup_printf ("%.1f", 0.5);
  g_assert_cmpstr (text, ==, "0,5");
  g_free (text);
  text = cnn3d_strdup_printf ("%.1f %g %s", 0.5, 1.25, "ä");
  g_assert_cmpstr (text, ==, "0.5 1.25 ä");
  cnn3d_string_append_printf (line, "%.3g", 0.125);
  g_assert_cmpstr (line->str, ==, "x0.125");
  cnn3d_set_error (&error, G_IO_ERROR, G_IO_ERROR_FAILED, "%g", 2.5);
  g_assert_cmpstr (error->message, ==, "2.5");
  cnn3d_set_error (NULL, G_IO_ERROR, G_IO_ERROR_FAILED, "%g", 2.5);
  bytes = cnn3d_format_bytes (3u << 29);
  g_assert_cmpstr (bytes, ==, "1.50 GiB");
  number = cnn3d_setting_number (0.1);
  g_assert_cmpstr (number, ==, "0.1");
  plain = cnn3d_confusion_svg (counts, names, 2, NULL);
  g_assert_cmpstr (plain, ==, svg);
  /* the application's locale is unchanged */
  g_assert_cmpstr (localeconv ()->decimal_point, ==, ",");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/format/comma", test_comma);
  return g_test_run ();
}
