/* settings.c: the table of settings, and the pages generated from it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/config/config.h"
#include "src/network/network.h"
#include "src/settings/settings.h"

#include <math.h>
#include <string.h>

static const gchar *const elements[] = { "clipsrc", "clipsample", "clipaugment", "clipdiff",
  "clipcache", "clipkpt", "clipbatch", "cnn3dtrain", "cnn3deval", "cnn3dinfer", NULL };

/* Each row is complete, and each property and each key occurs once. */
static void
test_rows (void)
{
  guint n;
  const Cnn3dSetting *settings = cnn3d_settings (&n);

  for (guint i = 0; i < n; i++) {
    const Cnn3dSetting *s = &settings[i];
    const gboolean chooses = s->kind == CNN3D_SETTING_CHOICE;

    g_test_message ("%s %s", s->elements ? s->elements : "key", s->name ? s->name : s->key);
    g_assert_true (
        (s->name != NULL) == (s->elements != NULL) && (s->name != NULL) == (s->nick != NULL));
    g_assert_true (s->name || s->key);
    g_assert_true (g_ascii_isupper (*s->about) && !g_str_has_suffix (s->about, "."));
    g_assert_true (chooses == (s->choices != NULL));
    g_assert_true (!s->name || !s->key || cnn3d_setting (NULL, s->key) == s);
    if (chooses)
      g_assert_nonnull (cnn3d_choice_name (s->choices, (gint) s->preset));
    else if (s->name && s->kind != CNN3D_SETTING_UINT64)
      g_assert_true (s->minimum <= s->preset && s->preset <= s->maximum);
    for (guint e = 0; elements[e]; e++)
      if (s->name && cnn3d_setting_is_of (s, elements[e]))
        g_assert_true (cnn3d_setting (elements[e], s->name) == s);
  }
}

static void
test_ranges (void)
{
  const Cnn3dSetting *threads = cnn3d_setting ("cnn3deval", "threads");
  const Cnn3dSetting *momentum = cnn3d_setting ("cnn3dtrain", "momentum");
  const Cnn3dSetting *rate = cnn3d_setting ("clipsample", "frame-rate");
  gchar *wrong = cnn3d_setting_refuse (threads, 2000);

  g_assert_cmpstr (wrong, ==, "threads is 2000, but must be from 0 to 1024 (threads)");
  g_free (wrong);
  g_assert_null (cnn3d_setting_refuse (threads, 0));
  g_assert_null (cnn3d_setting_refuse (threads, 1024));
  g_assert_null (cnn3d_setting_refuse (momentum, 0.9999999));
  wrong = cnn3d_setting_refuse (momentum, 0.999999999);
  g_assert_nonnull (wrong);
  g_free (wrong);
  wrong = cnn3d_setting_refuse (momentum, 1);
  g_assert_cmpstr (wrong, ==, "momentum is 1, but must be from 0 to below 1 (as a factor)");
  g_free (wrong);
  wrong = cnn3d_setting_refuse (momentum, NAN);
  g_assert_nonnull (wrong);
  g_free (wrong);
  g_assert_null (cnn3d_setting_refuse_rate (rate, 30000, 1001));
  wrong = cnn3d_setting_refuse_rate (rate, 1001, 1);
  g_assert_cmpstr (
      wrong, ==, "frame-rate is 1001/1, but must be from 0/1 to 1000/1 (frames a second)");
  g_free (wrong);
  g_assert_null (cnn3d_setting ("cnn3dtrain", "nonsense"));
  g_assert_null (cnn3d_setting ("cnn3d", "threads"));
}

static void
test_words (void)
{
  static const struct {
    const gchar *element, *name, *end;
  } cases[] = {
    { "cnn3dtrain", "threads", " (threads, 0 to 1024, default 0)" },
    { "cnn3dtrain", "precision", " (32, 16-mixed, 16, bf16-mixed; default 32)" },
    { "cnn3dinfer", "precision", " (auto, 32, 16-mixed, 16, bf16-mixed; default auto)" },
    { "cnn3dtrain", "dropout", " (as a probability, 0 to below 1, default 0)" },
    { "clipaugment", "ratio-max", " (0.1 to 10, default 1.333333333)" },
    { "clipsample", "frame-rate", " (frames a second, 0/1 to 1000/1, default 0/1)" },
    { "clipsrc", "root", " (default unset)" },
    { "clipsrc", "shuffle", " (true or false, default true)" },
    { "clipcache", "max-size", " (bytes, 0 to 2^64 - 1, default 10000000000)" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    gchar *blurb = cnn3d_setting_blurb (cnn3d_setting (cases[i].element, cases[i].name));

    if (!g_str_has_suffix (blurb, cases[i].end))
      g_error ("%s does not end with '%s'", blurb, cases[i].end);
    g_free (blurb);
  }
}

/* A row's range applies everywhere in this library: `cnn3d` and the elements use the same
 * functions. The test changes the table and restores it. */
static void
test_one_place (void)
{
  Cnn3dSetting *width = (Cnn3dSetting *) cnn3d_setting ("cnn3dtrain", "base-width");
  const gdouble was = width->maximum;
  Cnn3dNetworkParams params = { .model = "r3d_18",
    .num_classes = 2,
    .base_width = 32,
    .channels = 3,
    .frames = 4,
    .height = 16,
    .width = 16 };
  Cnn3dConfig *config = cnn3d_config_new ();
  GError *error = NULL;
  Cnn3dNetwork *network;
  gchar *blurb;

  width->maximum = 24;
  network = cnn3d_network_new (&params, &error);
  g_assert_null (network);
  g_assert_nonnull (strstr (error->message, "base-width is 32, but must be from 1 to 24"));
  g_clear_error (&error);
  g_assert_false (cnn3d_config_override (config, "--model.base_width=32", &error));
  g_assert_nonnull (strstr (error->message, "a whole number from 1 to 24"));
  g_clear_error (&error);
  blurb = cnn3d_setting_blurb (width);
  g_assert_nonnull (strstr (blurb, "1 to 24"));
  g_free (blurb);
  width->maximum = was;
  network = cnn3d_network_new (&params, &error);
  g_assert_no_error (error);
  cnn3d_network_free (&network);
  cnn3d_config_free (&config);
}

/* The table of an element's properties as on its page. */
static gchar *
page_table (const gchar *element)
{
  GString *table = g_string_new ("| property | what it may be | default | |\n|---|---|---|---|\n");
  guint n;
  const Cnn3dSetting *settings = cnn3d_settings (&n);

  for (guint i = 0; i < n; i++) {
    const Cnn3dSetting *s = &settings[i];
    g_autofree gchar *range = NULL, *preset = NULL;

    if (!s->name || !cnn3d_setting_is_of (s, element))
      continue;
    range = cnn3d_setting_range (s);
    preset = cnn3d_setting_preset (s);
    g_string_append_printf (table, "| `%s` | %s%s%s | %s | %s |\n", s->name, range,
        s->unit && *range ? ", " : "", s->unit ? s->unit : "", preset ? preset : "", s->about);
  }
  return g_string_free (table, FALSE);
}

static void
test_pages (void)
{
  for (guint e = 0; elements[e]; e++) {
    gchar *name = g_strconcat (elements[e], ".md", NULL);
    gchar *path = g_build_filename (TEST_SOURCE_DIR, "docs", name, NULL),
          *table = page_table (elements[e]), *text;
    GError *error = NULL;

    g_file_get_contents (path, &text, NULL, &error);
    g_assert_no_error (error);
    if (!strstr (text, table)) {
      g_test_message ("docs/%s should have this table:\n%s", name, table);
      g_test_fail ();
    }
    g_free (text);
    g_free (table);
    g_free (path);
    g_free (name);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/settings/rows", test_rows);
  g_test_add_func ("/settings/ranges", test_ranges);
  g_test_add_func ("/settings/words", test_words);
  g_test_add_func ("/settings/one-place", test_one_place);
  g_test_add_func ("/settings/pages", test_pages);
  return g_test_run ();
}
