/* line.c: builds the words of a launch line from settings.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/config/config-private.h"

#include <string.h>

static gboolean
is_plain (const gchar *text)
{
  gsize length = strlen (text);

  /* GStreamer reads this word as NULL */
  if (length == 0 || strcmp (text, "NULL") == 0 || text[0] == ' ' || text[length - 1] == ' ')
    return FALSE;
  for (const gchar *p = text; *p; p = g_utf8_next_char (p)) {
    gunichar c = g_utf8_get_char (p);

    if (c < 0x80 ? !g_ascii_isalnum (*p) && !strchr ("_-/.,+@%:= ", *p) : !g_unichar_isgraph (c))
      return FALSE;
  }
  return TRUE;
}

/* Quotes a property's value for a word of gst-launch-1.0. A value that is not plain is written as
 * GStreamer writes strings, in quotes and with octal escapes; their quotes and backslashes are
 * escaped once more for the launch-line parser. No blank, quote or control character remains that
 * it, or a terminal, could misinterpret. */
static void
append_text (GString *word, const gchar *text)
{
  if (is_plain (text)) {
    g_string_append (word, text);
    return;
  }
  g_string_append (word, "\\\"");
  for (const gchar *p = text; *p; p++) {
    if (g_ascii_isalnum (*p) || strchr ("_-+/:.", *p))
      g_string_append_c (word, *p);
    else
      g_string_append_printf (word, "\\\\%03o", (guint8) *p);
  }
  g_string_append (word, "\\\"");
}

static void
add_property (GPtrArray *words, const gchar *property, const gchar *value)
{
  GString *word = g_string_new (property);

  g_string_append_c (word, '=');
  append_text (word, value);
  g_ptr_array_add (words, g_string_free (word, FALSE));
}

/* Appends @preset=NAME, which gst-launch-1.0 unescapes but does not read as a property's value. It
 * escapes blanks itself, except after a quote, and takes the blank after the word for part of it if
 * NAME ends with a backslash. FALSE: NAME cannot be written. */
static gboolean
add_preset (GPtrArray *words, const gchar *name)
{
  GString *word = g_string_new ("@preset=");
  const gchar *quote = strchr (name, '"');

  for (const gchar *p = name; *p; p = g_utf8_next_char (p)) {
    const gunichar c = g_utf8_get_char (p);

    if ((c != ' ' && !g_unichar_isgraph (c)) || (c == '\\' && !p[1])) {
      g_string_free (word, TRUE);
      return FALSE;
    }
    if (c == ' ' ? quote && p > quote : c < 0x80 && !g_ascii_isalnum (*p) && !strchr ("_-", *p))
      g_string_append_c (word, '\\');
    g_string_append_unichar (word, c);
  }
  g_ptr_array_add (words, g_string_free (word, FALSE));
  return TRUE;
}

/* Appends NAME=VALUE for each key of this element that differs from the default; in the line that
 * tests, only for keys that apply to it. */
static void
add_properties (const Cnn3dConfig *config, const gchar *element, gboolean testing, GPtrArray *words)
{
  guint n_keys;
  const Cnn3dConfigKey *keys = cnn3d_config_keys (&n_keys);
  /* keys that are not set are left to the preset */
  const gboolean preset =
      !testing && strcmp (element, "cnn3dtrain") == 0 && cnn3d_config_get (config, "model.preset");

  for (guint i = 0; i < n_keys; i++) {
    const gchar *value = cnn3d_config_get (config, keys[i].name);
    const Cnn3dSetting *s = keys[i].setting;

    if (value && cnn3d_config_key_is_property (&keys[i]) && cnn3d_setting_is_of (s, element)
        && (!testing || s->tests)
        && (preset ? config->values[i] != NULL
                   : s->always || g_strcmp0 (value, keys[i].fallback) != 0))
      add_property (words, s->name, value);
  }
}

/* Whether training clips are augmented: set explicitly, or implied by another key. */
static gboolean
augments (const Cnn3dConfig *config)
{
  const gchar *enabled = cnn3d_config_get (config, "augment.enabled");
  guint n_keys;
  const Cnn3dConfigKey *keys = cnn3d_config_keys (&n_keys);

  if (enabled)
    return strcmp (enabled, "true") == 0;
  for (guint i = 0; i < n_keys; i++)
    if (g_str_has_prefix (keys[i].name, "augment.") && config->values[i])
      return TRUE;
  return FALSE;
}

static gboolean
loads (const Cnn3dConfig *config, const gchar *key)
{
  return strcmp (cnn3d_config_get (config, key), "true") == 0;
}

Cnn3dInputType
cnn3d_config_input_type (const Cnn3dConfig *config)
{
  if (!loads (config, "data.load_kpt"))
    return CNN3D_INPUT_RGB;
  return loads (config, "data.load_rgb") ? CNN3D_INPUT_RGB_KPT : CNN3D_INPUT_KPT;
}

gboolean
cnn3d_config_check_input (const Cnn3dConfig *config, GError **error)
{
  if (loads (config, "data.load_rgb") || loads (config, "data.load_kpt"))
    return TRUE;
  g_set_error_literal (error, CNN3D_CONFIG_ERROR, CNN3D_CONFIG_ERROR_MISSING,
      "data.load_rgb and data.load_kpt are both false, so the network would see nothing: set one "
      "of them to true");
  return FALSE;
}

static void
add_words (GPtrArray *words, const gchar *text)
{
  gchar **split = g_strsplit (text, " ", -1);

  for (guint i = 0; split[i]; i++)
    g_ptr_array_add (words, split[i]);
  g_free (split);
}

static gchar *
clip_bin (const Cnn3dConfig *config, gboolean testing)
{
  GPtrArray *words = g_ptr_array_new_with_free_func (g_free);
  const gchar *gain = cnn3d_config_get (config, "data.diff_gain");
  guint height, width;
  gchar *text;

  add_words (words, "clip-bin=clipsample");
  add_properties (config, "clipsample", testing, words);
  /* before the frames are scaled: key points may be in the video's pixels */
  if (loads (config, "data.load_kpt")) {
    add_words (words, "! clipkpt");
    add_properties (config, "clipkpt", testing, words);
  }
  cnn3d_config_get_size (config, &height, &width);
  /* borders would show the network something that no video has */
  add_words (words, "! videoconvertscale add-borders=false !");
  g_ptr_array_add (
      words, g_strdup_printf ("video/x-raw,format=RGB,width=%u,height=%u", width, height));
  if (strcmp (gain, "0") != 0) {
    add_words (words, "! clipdiff");
    add_property (words, "gain", gain);
  }
  /* test clips would pass through unchanged */
  if (!testing && augments (config)) {
    add_words (words, "! clipaugment");
    add_properties (config, "clipaugment", testing, words);
  }
  g_ptr_array_add (words, NULL);
  text = g_strjoinv (" ", (gchar **) words->pdata);
  g_ptr_array_free (words, TRUE);
  return text;
}

/* The rest of clipsrc, and everything between it and the last element. */
static void
add_clips (const Cnn3dConfig *config, gboolean testing, GPtrArray *words)
{
  const gchar *batches = cnn3d_config_get (config, "trainer.limit_train_batches");
  const gchar *seed = cnn3d_config_get (config, "train.seed");
  const gboolean limited = strcmp (batches, "1.0") != 0;

  add_properties (config, "clipsrc", testing, words);
  /* the seed selects the clips of a limited pass; otherwise a test does not depend on it */
  if (testing && limited && strcmp (seed, "0") != 0)
    add_property (words, "seed", seed);
  if (limited)
    g_ptr_array_add (words,
        g_strdup_printf ("limit-clips=%" G_GUINT64_FORMAT,
            g_ascii_strtoull (batches, NULL, 10)
                * g_ascii_strtoull (cnn3d_config_get (config, "data.batch_size"), NULL, 10)));
  g_ptr_array_add (words, clip_bin (config, testing));
  add_words (words, "! clipbatch");
  add_properties (config, "clipbatch", testing, words);
  /* one batch is prepared while another is computed, and no more: batches are large */
  add_words (words, "! queue max-size-buffers=2 max-size-bytes=0 max-size-time=0 !");
}

gchar **
cnn3d_config_line (const Cnn3dConfig *config, GError **error)
{
  const gchar *preset = cnn3d_config_get (config, "model.preset");
  GPtrArray *words;

  if (!cnn3d_config_get (config, "paths.train"))
    goto no_data;
  if (!cnn3d_config_check_input (config, error))
    return NULL;

  words = g_ptr_array_new_with_free_func (g_free);
  add_words (words, "gst-launch-1.0 -e clipsrc");
  add_clips (config, FALSE, words);
  add_words (words, "cnn3dtrain");
  if (preset && !add_preset (words, preset))
    goto no_name;
  add_properties (config, "cnn3dtrain", FALSE, words);
  if (loads (config, "data.load_kpt"))
    add_property (words, "input-type",
        cnn3d_choice_name (&cnn3d_input_types, cnn3d_config_input_type (config)));
  g_ptr_array_add (words, NULL);
  return (gchar **) g_ptr_array_free (words, FALSE);

  /* ERRORS */
no_data:
  g_set_error_literal (error, CNN3D_CONFIG_ERROR, CNN3D_CONFIG_ERROR_MISSING,
      "paths.train is not set: name the manifest or the folder to train on, in the file or as "
      "--paths.train=PATH");
  return NULL;
no_name:
  g_ptr_array_unref (words);
  g_set_error (error, CNN3D_CONFIG_ERROR, CNN3D_CONFIG_ERROR_VALUE,
      "model.preset is '%s', but a launch line can have neither unprintable characters nor a "
      "backslash at the end of a preset's name: rename it",
      preset);
  return NULL;
}

gchar **
cnn3d_config_test_line (const Cnn3dConfig *config, GError **error)
{
  const gchar *location = cnn3d_config_get (config, "paths.test");
  const gchar *folder = cnn3d_config_get (config, "paths.checkpoint_dir");
  GPtrArray *words;
  gchar *path;

  if (!location)
    goto no_data;
  if (!folder)
    goto no_folder;
  if (strcmp (cnn3d_config_get (config, "train.save_top_k"), "0") == 0)
    goto no_weights;

  words = g_ptr_array_new ();
  add_words (words, "gst-launch-1.0 -e clipsrc");
  add_property (words, "location", location);
  add_words (words, "passes=test");
  add_clips (config, TRUE, words);
  add_words (words, "cnn3deval");
  path = g_build_filename (folder, "best.safetensors", NULL);
  add_property (words, "model", path);
  g_free (path);
  path = g_build_filename (folder, "test", NULL);
  add_property (words, "output-dir", path);
  g_free (path);
  add_properties (config, "cnn3deval", TRUE, words);
  g_ptr_array_add (words, NULL);
  return (gchar **) g_ptr_array_free (words, FALSE);

  /* ERRORS */
no_data:
  g_set_error_literal (error, CNN3D_CONFIG_ERROR, CNN3D_CONFIG_ERROR_MISSING,
      "paths.test is not set: name the manifest or the folder to test on, in the file or as "
      "--paths.test=PATH");
  return NULL;
no_folder:
  g_set_error_literal (error, CNN3D_CONFIG_ERROR, CNN3D_CONFIG_ERROR_MISSING,
      "paths.checkpoint_dir is not set, so there will be no best weights to test on paths.test: "
      "set it, or paths.test to null");
  return NULL;
no_weights:
  g_set_error_literal (error, CNN3D_CONFIG_ERROR, CNN3D_CONFIG_ERROR_MISSING,
      "train.save_top_k is 0, so there will be no best weights to test on paths.test: set it to 1, "
      "or paths.test to null");
  return NULL;
}
