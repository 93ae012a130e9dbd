/* Configurations: the valid and invalid values of each key, the position in each error, and the
 * table in the documentation.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <string.h>
#include "src/config/config.h"
#include "src/network/network.h"
#include "tests/limits.h"

static gboolean
load (Cnn3dConfig *config, const gchar *yaml, GError **error)
{
  return cnn3d_config_load_data (config, "a.yaml", yaml, strlen (yaml), error);
}

/* Gives the same value by file and by option. The result is `expected`, or an error whose message
 * contains `expected`. */
static void
check_value (const Cnn3dConfigKey *key, const gchar *written, gboolean fine, const gchar *expected)
{
  const gchar *dot = strchr (key->name, '.');
  gchar *yaml =
      g_strdup_printf ("%.*s:\n  %s: %s\n", (gint) (dot - key->name), key->name, dot + 1, written);
  gchar *option = g_strdup_printf ("--%s=%s", key->name, written);
  /* without a value the error is at the end of the colon */
  gchar *place = g_strdup_printf (
      "a.yaml:2:%u: %s ", (guint) strlen (dot + 1) + (*written ? 5 : 4), key->name);
  gchar *cut = g_strndup (option, 48);

  for (guint i = 0; i < 2; i++) {
    Cnn3dConfig *config = cnn3d_config_new ();
    GError *error = NULL;
    gboolean done =
        i ? cnn3d_config_override (config, option, &error) : load (config, yaml, &error);

    /* an option has no quotes to strip, and needs none to be a text */
    if (i && strpbrk (written, "'\""))
      g_clear_error (&error);
    else if (i && !fine && strcmp (expected, "must be text") == 0)
      g_assert_cmpstr (cnn3d_config_get (config, key->name), ==, written);
    else if (fine) {
      g_assert_no_error (error);
      g_assert_true (done);
      g_assert_cmpstr (cnn3d_config_get (config, key->name), ==, expected);
    } else {
      if (done)
        g_error ("%s is taken", option);
      g_assert_error (error, CNN3D_CONFIG_ERROR, CNN3D_CONFIG_ERROR_VALUE);
      g_assert_true (g_str_has_prefix (error->message, i ? cut : place));
      g_assert_nonnull (strstr (error->message, expected));
      g_assert_cmpstr (cnn3d_config_get (config, key->name), ==, key->fallback);
      g_clear_error (&error);
    }
    cnn3d_config_free (&config);
    g_assert_null (config);
  }
  g_free (cut);
  g_free (place);
  g_free (option);
  g_free (yaml);
}

static void
check_range (const Cnn3dConfigKey *key)
{
  gchar *least = g_strdup_printf ("%.0f", key->setting->minimum),
        *most = g_strdup_printf ("%.0f", key->setting->maximum);
  gchar *less = g_strdup_printf ("%.0f", key->setting->minimum - 1),
        *more = g_strdup_printf ("%.0f", key->setting->maximum + 1);
  gchar *range = g_strdup_printf ("a whole number from %s to %s", least, most);

  check_value (key, least, TRUE, least);
  check_value (key, most, TRUE, most);
  check_value (key, less, FALSE, range);
  check_value (key, more, FALSE, range);
  for (const gchar *const *wrong = (const gchar *const[]) { "four", "1.5", "4x", "010", "0x10",
           "1e3", "'4'", "+4", "99999999999999999999", "1_000", "true", NULL };
      *wrong; wrong++)
    check_value (key, *wrong, FALSE, range);
  g_free (range);
  g_free (more);
  g_free (less);
  g_free (most);
  g_free (least);
}

static void
check_number (const Cnn3dConfigKey *key)
{
  gchar *less = g_strdup_printf ("%g", key->setting->minimum - 0.5),
        *more = g_strdup_printf ("%.17g", key->setting->maximum * 1.5);

  check_value (key, "1", !key->setting->below, key->setting->below ? "to below 1, not '1'" : "1");
  check_value (key, "0.25", TRUE, "0.25");
  if (key->setting->minimum <= 1e-4)
    check_value (key, "1e-4", TRUE, "0.0001");
  check_value (key, "5e-1", TRUE, "0.5");
  check_value (key, ".5", TRUE, "0.5");
  check_value (key, less, FALSE, "a number from ");
  check_value (key, more, FALSE, "a number from ");
  for (const gchar *const *wrong = (const gchar *const[]) { "a", "nan", ".nan", "inf", ".inf",
           "1e999", "0x1p3", "1,5", "1e", "--1", "-e1", ".", "'0.5'", "yes", NULL };
      *wrong; wrong++)
    check_value (key, *wrong, FALSE, "a number from ");
  g_free (more);
  g_free (less);
}

static void
check_choices (const Cnn3dConfigKey *key)
{
  for (const GEnumValue *v = key->setting->choices->values; v->value_nick; v++) {
    gchar *quoted = g_strdup_printf ("\"%s\"", v->value_nick);
    /* an alias becomes the value's canonical name */
    const gchar *name = cnn3d_choice_name (key->setting->choices, v->value);

    check_value (key, v->value_nick, TRUE, name);
    check_value (key, quoted, TRUE, name);
    g_free (quoted);
  }
  check_value (key, "neither", FALSE, "not 'neither'");
}

/* Every digit of a guint64 is kept. */
static void
check_uint64 (const Cnn3dConfigKey *key)
{
  for (const gchar *const *right =
           (const gchar *const[]) { "0", "7", "9007199254740993", "18446744073709551615", NULL };
      *right; right++)
    check_value (key, *right, TRUE, *right);
  for (const gchar *const *wrong = (const gchar *const[]) { "-1", "18446744073709551616", "01",
           "+1", "1.0", "0x7", "1e3", "'4'", "seven", NULL };
      *wrong; wrong++)
    check_value (key, *wrong, FALSE, "a whole number from 0 to 2^64 - 1");
}

static void
test_each_key (void)
{
  guint n_keys;
  const Cnn3dConfigKey *keys = cnn3d_config_keys (&n_keys);
  gchar *longest = g_strnfill (4096, 'x'), *longer = g_strnfill (4097, 'x');

  g_assert_cmpuint (n_keys, >, 40);
  for (guint i = 0; i < n_keys; i++) {
    const Cnn3dConfigKey *key = &keys[i];

    g_test_message ("%s", key->name);
    g_assert_nonnull (key->setting->about);
    g_assert_true ((key->setting->name != NULL) == (key->setting->elements != NULL));
    g_assert_true (key->setting->name || key->setting->becomes);
    for (guint j = 0; j < i; j++)
      g_assert_cmpstr (key->name, !=, keys[j].name);
    check_value (key, "null", TRUE, key->fallback);
    check_value (key, "~", TRUE, key->fallback);
    check_value (key, "", FALSE, "has no value; write null");
    switch (key->setting->kind) {
      case CNN3D_SETTING_BOOLEAN:
        for (const gchar *const *yes =
                 (const gchar *const[]) { "true", "True", "yes", "on", "ON", NULL };
            *yes; yes++)
          check_value (key, *yes, TRUE, "true");
        for (const gchar *const *no =
                 (const gchar *const[]) { "false", "FALSE", "no", "Off", NULL };
            *no; no++)
          check_value (key, *no, TRUE, "false");
        check_value (key, "1", FALSE, "must be true or false, not '1'");
        check_value (key, "'true'", FALSE, "must be true or false, not the text 'true'");
        check_value (key, "maybe", FALSE, "must be true or false");
        break;
      case CNN3D_SETTING_INT:
      case CNN3D_SETTING_UINT:
        check_range (key);
        break;
      case CNN3D_SETTING_UINT64:
        check_uint64 (key);
        break;
      case CNN3D_SETTING_NUMBER:
        check_number (key);
        break;
      case CNN3D_SETTING_TEXT:
      case CNN3D_SETTING_TEXT_OR_EMPTY:
        check_value (key, "some/path", TRUE, "some/path");
        check_value (key, "2024", TRUE, "2024");
        check_value (key, longest, TRUE, longest);
        check_value (key, longer, FALSE, " is longer than 4096 bytes");
        check_value (key, "true", FALSE, "must be text");
        check_value (key, "'true'", TRUE, "true");
        check_value (key, "'null'", TRUE, "null");
        break;
      case CNN3D_SETTING_CHOICE:
        check_choices (key);
        break;
      case CNN3D_SETTING_MODEL:
        check_value (key, "resnet18", TRUE, "r3d_18");
        check_value (key, "'resnet50'", TRUE, "slow_r50");
        for (const gchar *const *model = cnn3d_network_models (); *model; model++) {
          check_value (key, *model, TRUE, *model);
          check_value (key, "vgg16", FALSE, *model);
        }
        break;
      case CNN3D_SETTING_BYTES:
        check_value (key, "0", TRUE, "0");
        check_value (key, "8589934592", TRUE, "8589934592");
        check_value (key, "8GiB", TRUE, "8GiB");
        check_value (key, "8 GiB", TRUE, "8GiB");
        check_value (key, "7.5GiB", TRUE, "8053063680");
        check_value (key, "512MiB", TRUE, "512MiB");
        check_value (key, "64KiB", TRUE, "64KiB");
        for (const gchar *const *wrong = (const gchar *const[]) { "8GB", "8G", "GiB", "-1", "1.5",
                 "lots", "1e9", "1.2.3GiB", "9999999999GiB", "99999999999999999999", "8gib", NULL };
            *wrong; wrong++)
          check_value (key, *wrong, FALSE, "such as 8GiB, not ");
        break;
      case CNN3D_SETTING_SIZE:
        check_value (key, "112", TRUE, "112x112");
        check_value (key, "[112, 171]", TRUE, "112x171");
        check_value (key, "[8,4096]", TRUE, "8x4096");
        for (const gchar *const *wrong = (const gchar *const[]) { "7", "4097", "112.0", "112x112",
                 "'112'", "[112]", "[]", "[1, 2, 3]", "[112, 112, 112]", "[112, wide]",
                 "['112', '112']", "[7, 112]", "[112, 5000]", NULL };
            *wrong; wrong++)
          check_value (
              key, *wrong, FALSE, "a whole number from 8 to 4096, or two, [height, width], not ");
        break;
      case CNN3D_SETTING_BATCHES:
        check_value (key, "1", TRUE, "1");
        check_value (key, "1000000000", TRUE, "1000000000");
        check_value (key, "1.0", TRUE, "1.0");
        check_value (key, "0.25", FALSE, "cannot be the fraction 0.25");
        for (const gchar *const *wrong = (const gchar *const[]) { "0", "-1", "1.5", "2.0", "0.0",
                 "'1.0'", "all", "1000000001", NULL };
            *wrong; wrong++)
          check_value (key, *wrong, FALSE, "must be a whole number from 1, or 1.0");
        break;
      case CNN3D_SETTING_RATE:
        check_value (key, "0", TRUE, "0/1");
        check_value (key, "0/7", TRUE, "0/1");
        check_value (key, "15", TRUE, "15/1");
        check_value (key, "30/2", TRUE, "15/1");
        check_value (key, "'15/1'", TRUE, "15/1");
        check_value (key, "30000/1001", TRUE, "30000/1001");
        check_value (key, "1000", TRUE, "1000/1");
        check_value (key, "1/2147483647", TRUE, "1/2147483647");
        for (const gchar *const *wrong =
                 (const gchar *const[]) { "-1", "1001", "1001/1", "15/", "/1", "15/0", "15/-1",
                     "15.0", "29.97", "15/1/1", "15 / 1", "1/2147483648", "fast", "[15, 1]", NULL };
            *wrong; wrong++)
          check_value (key, *wrong, FALSE,
              "from 0 to 1000, a whole number or a fraction such as 30000/1001, not ");
        break;
    }
  }
  g_free (longer);
  g_free (longest);
}

/* Each error has the position, from 1, that an editor shows. */
static const struct {
  const gchar *yaml;
  gsize size; /* 0: up to the NUL */
  guint line, column;
  Cnn3dConfigError code;
  const gchar *message;
} wrongs[] = {
  /* keys */
  { "data:\n  batchsize: 4\n", 0, 2, 3, CNN3D_CONFIG_ERROR_KEY,
      "no key 'data.batchsize'; the nearest is data.batch_size" },
  { "train:\n  seed: 1\n  batch_size: 4\n", 0, 3, 3, CNN3D_CONFIG_ERROR_KEY,
      "the nearest is data.batch_size" },
  { "train:\n  max-epochs: 4\n", 0, 2, 3, CNN3D_CONFIG_ERROR_KEY,
      "the nearest is train.max_epochs" },
  { "trainer:\n  max_epochs: 4\n", 0, 2, 3, CNN3D_CONFIG_ERROR_KEY,
      "the nearest is train.max_epochs" },
  { "loss:\n  LR: 4\n", 0, 2, 3, CNN3D_CONFIG_ERROR_KEY, "the nearest is loss.lr" },
  { "model:\n  backbon: r3d_18\n", 0, 2, 3, CNN3D_CONFIG_ERROR_KEY,
      "the nearest is model.backbone" },
  { "{data: {num_frame: 8}}", 0, 1, 9, CNN3D_CONFIG_ERROR_KEY, "the nearest is data.num_frames" },
  { "data:\n  \"\": 8\n", 0, 2, 3, CNN3D_CONFIG_ERROR_KEY, "no key 'data.'" },
  { "dta:\n  batch_size: 4\n", 0, 1, 1, CNN3D_CONFIG_ERROR_KEY,
      "there is no section 'dta'; the nearest is data" },
  { "batch_size: 4\n", 0, 1, 1, CNN3D_CONFIG_ERROR_KEY,
      "the nearest key is data.batch_size: write 'batch_size' below" },
  { "data.batch_size: 4\n", 0, 1, 1, CNN3D_CONFIG_ERROR_KEY,
      "data.batch_size: write 'batch_size' below 'data:'" },
  { "data:\n  batch_size: 4\n  num_frames: 8\n  batch_size: 5\n", 0, 4, 3, CNN3D_CONFIG_ERROR_KEY,
      "data.batch_size appears twice; the first is on line 2" },
  { "data:\n  batch_size: null\n  batch_size: 5\n", 0, 3, 3, CNN3D_CONFIG_ERROR_KEY,
      "data.batch_size appears twice" },
  { "data:\n  batch_size: 4\nloss:\ndata:\n", 0, 4, 1, CNN3D_CONFIG_ERROR_KEY,
      "the section data appears twice; the first is on line 1" },
  /* values */
  { "data:\n  # \xc3\xa9\n  batch_size:   four\n", 0, 3, 17, CNN3D_CONFIG_ERROR_VALUE,
      "not 'four'" },
  { "{\"data\": {\"\\u0062atch_size\": 0}}", 0, 1, 30, CNN3D_CONFIG_ERROR_VALUE,
      "from 1 to 4096, not '0'" },
  { "paths: {val: \"\xc3\xa9\", train: true}", 0, 1, 26, CNN3D_CONFIG_ERROR_VALUE,
      "must be text, not 'true'" },
  { "model:\n  backbone: r4d\n", 0, 2, 13, CNN3D_CONFIG_ERROR_VALUE,
      " or a model's own name (r3d_18, " },
  { "train:\n  max_memory: lots\n", 0, 2, 15, CNN3D_CONFIG_ERROR_VALUE,
      "must be a number of bytes, or one with KiB, MiB or GiB, such as 8GiB, not" },
  { "data:\n  img_size: [1, 2, 3]\n", 0, 2, 13, CNN3D_CONFIG_ERROR_VALUE,
      "or two, [height, width], not this list" },
  { "data:\n  batch_size: [4]\n", 0, 2, 15, CNN3D_CONFIG_ERROR_VALUE, "not a list" },
  { "data:\n  batch_size:\n    - 4\n", 0, 3, 5, CNN3D_CONFIG_ERROR_VALUE, "not a list" },
  { "data:\n  batch_size:\n    is: 4\n", 0, 3, 5, CNN3D_CONFIG_ERROR_VALUE, "not keys of its own" },
  { "data:\n  img_size: [112, [1]]\n", 0, 2, 19, CNN3D_CONFIG_ERROR_VALUE, "not a list" },
  { "data:\n  img_size: [112, {a: 1}]\n", 0, 2, 19, CNN3D_CONFIG_ERROR_VALUE,
      "not keys of its own" },
  { "data:\n  img_size: {h: 112}\n", 0, 2, 13, CNN3D_CONFIG_ERROR_VALUE, "not keys of its own" },
  { "data: 4\n", 0, 1, 7, CNN3D_CONFIG_ERROR_VALUE, "data is a section: its keys come" },
  { "data: [4]\n", 0, 1, 7, CNN3D_CONFIG_ERROR_VALUE, "data is a section: its keys come" },
  { "data: null\n", 0, 1, 7, CNN3D_CONFIG_ERROR_VALUE, "data is a section: its keys come" },
  { "paths:\n  train: |\n    a\n    b\n", 0, 2, 10, CNN3D_CONFIG_ERROR_VALUE,
      "a block value (| or >)" },
  { "paths:\n  train: >\n    a\n", 0, 2, 10, CNN3D_CONFIG_ERROR_VALUE, "a block value (| or >)" },
  { "paths:\n  train: \"a\\0b\"\n", 0, 2, 10, CNN3D_CONFIG_ERROR_VALUE,
      "a character NUL in a value" },
  { "paths:\n  train: ''\n", 0, 2, 10, CNN3D_CONFIG_ERROR_VALUE, "has no value" },
  { "paths:\n  train:\n  val: a\n", 0, 2, 9, CNN3D_CONFIG_ERROR_VALUE, "has no value" },
  /* features of YAML that settings do not support */
  { "data:\n  batch_size: &x 4\n", 0, 2, 15, CNN3D_CONFIG_ERROR_SYNTAX,
      "an anchor (&); write each value out" },
  { "data: &x\n  batch_size: 4\n", 0, 1, 7, CNN3D_CONFIG_ERROR_SYNTAX,
      "an anchor (&); write each value out" },
  { "data:\n  img_size: &x [1, 2]\n", 0, 2, 13, CNN3D_CONFIG_ERROR_SYNTAX,
      "an anchor (&); write each value out" },
  { "&x data:\n  batch_size: 4\n", 0, 1, 1, CNN3D_CONFIG_ERROR_SYNTAX,
      "an anchor (&); write each value out" },
  { "data:\n  batch_size: *x\n", 0, 2, 15, CNN3D_CONFIG_ERROR_SYNTAX,
      "an alias (*); write the value itself" },
  { "data:\n  <<: *x\n", 0, 2, 3, CNN3D_CONFIG_ERROR_KEY, "no key 'data.<<'" },
  { "*x", 0, 1, 1, CNN3D_CONFIG_ERROR_SYNTAX, "an alias (*); write the value itself" },
  { "data:\n  batch_size: !!int 4\n", 0, 2, 15, CNN3D_CONFIG_ERROR_SYNTAX,
      "a tag (!); write the value without it" },
  { "paths:\n  train: !!python/object/apply:os.system [x]\n", 0, 2, 10, CNN3D_CONFIG_ERROR_SYNTAX,
      "a tag (!); write the value without it" },
  { "loss:\n  lr: 1\n---\nloss:\n  lr: 2\n", 0, 3, 1, CNN3D_CONFIG_ERROR_SYNTAX,
      "a second document" },
  { "---\n---\n", 0, 2, 1, CNN3D_CONFIG_ERROR_SYNTAX, "a second document" },
  { "- data\n", 0, 1, 1, CNN3D_CONFIG_ERROR_SYNTAX, "settings are sections" },
  { "data\n", 0, 1, 1, CNN3D_CONFIG_ERROR_SYNTAX, "settings are sections" },
  { "? [data]\n: 1\n", 0, 1, 3, CNN3D_CONFIG_ERROR_SYNTAX, "a section's name must be a word" },
  { "data:\n  ? {a: b}\n  : 1\n", 0, 2, 5, CNN3D_CONFIG_ERROR_SYNTAX,
      "a key's name must be a word" },
  { "data:\n  \"batch\\0size\": 1\n", 0, 2, 3, CNN3D_CONFIG_ERROR_SYNTAX,
      "a key's name must be a word" },
  /* not YAML */
  { "data:\n\tbatch_size: 4\n", 0, 2, 1, CNN3D_CONFIG_ERROR_SYNTAX,
      "a tab; YAML is indented with spaces" },
  { "data:\n  num_frames: 8\n \tbatch_size: 4\n", 0, 3, 2, CNN3D_CONFIG_ERROR_SYNTAX,
      "a tab; YAML is indented with spaces" },
  { "data: [1\n", 0, 1, 7, CNN3D_CONFIG_ERROR_VALUE, "data is a section: its keys come" },
  { "data: {batch_size: 1\n", 0, 2, 1, CNN3D_CONFIG_ERROR_SYNTAX, "this is not YAML" },
  { "data:\n  batch_size: 4\n num_frames: 8\n", 0, 3, 2, CNN3D_CONFIG_ERROR_SYNTAX,
      "this is not YAML" },
  { "data:\n  num_frames: \"8\n", 0, 3, 1, CNN3D_CONFIG_ERROR_SYNTAX, "this is not YAML" },
  { "paths:\n  train: a: b\n", 0, 2, 11, CNN3D_CONFIG_ERROR_SYNTAX,
      "this is not YAML: mapping values" },
  { "%YAML 9.9\n---\ndata:\n", 0, 1, 1, CNN3D_CONFIG_ERROR_SYNTAX, "this is not YAML" },
  { "data:\n  batch_size: \xff\n", 0, 2, 15, CNN3D_CONFIG_ERROR_SYNTAX,
      "byte 0xff is not UTF-8; save the file as UTF-8" },
  { "paths:\n  train: \xc3\xa9\xc3\xa9\xc3", 0, 2, 12, CNN3D_CONFIG_ERROR_SYNTAX,
      "byte 0xc3 is not UTF-8; save the file as UTF-8" },
  { "data:\n  batch_size: 4\0\n", 23, 2, 16, CNN3D_CONFIG_ERROR_SYNTAX, "a character NUL" },
  { "data:\n  \x01: 4\n", 0, 2, 3, CNN3D_CONFIG_ERROR_SYNTAX,
      "a character that YAML does not allow" },
  { "\xff\xfe"
    "d\0a\0",
      6, 1, 1, CNN3D_CONFIG_ERROR_SYNTAX, "not UTF-8" },
};

static void
test_errors (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (wrongs); i++) {
    Cnn3dConfig *config = cnn3d_config_new ();
    GError *error = NULL;
    gchar *place = g_strdup_printf ("/x y/c.yaml:%u:%u: ", wrongs[i].line, wrongs[i].column);
    gboolean done = cnn3d_config_load_data (config, "/x y/c.yaml", wrongs[i].yaml,
        wrongs[i].size ? wrongs[i].size : strlen (wrongs[i].yaml), &error);

    if (done)
      g_error ("number %u is taken: %s", i, wrongs[i].yaml);
    if (!g_str_has_prefix (error->message, place) || !strstr (error->message, wrongs[i].message)
        || error->code != (gint) wrongs[i].code)
      g_error ("number %u: '%s' (%d), not '%s' and '%s' (%d)", i, error->message, error->code,
          place, wrongs[i].message, wrongs[i].code);
    g_assert_true (error->domain == CNN3D_CONFIG_ERROR);
    g_clear_error (&error);
    g_free (place);
    cnn3d_config_free (&config);
  }
}

static void
test_valid (void)
{
  static const gchar *const valid[] = {
    "",
    "\n",
    "# nothing\n",
    "---\n",
    "---\n...\n",
    "data:\n",
    "data:\nloss:\n  # lr: 1\n",
    "{}",
    "data: {}",
    "\xef\xbb\xbf"
    "data:\r\n  batch_size: 4\r\n",
    "%YAML 1.1\n---\ndata:\n  batch_size: 4\n",
    "{data: {batch_size: 4, img_size: [8, 9]}, loss: {lr: 1}}",
    "data:\n  batch_size:\t4\n",
    "~",
  };

  for (guint i = 0; i < G_N_ELEMENTS (valid); i++) {
    Cnn3dConfig *config = cnn3d_config_new ();
    GError *error = NULL;
    gboolean done = load (config, valid[i], &error);

    if (strcmp (valid[i], "~") == 0) {
      g_assert_error (error, CNN3D_CONFIG_ERROR, CNN3D_CONFIG_ERROR_SYNTAX);
      g_clear_error (&error);
    } else {
      g_assert_no_error (error);
      g_assert_true (done);
      g_assert_cmpstr (
          cnn3d_config_get (config, "data.batch_size"), ==, strstr (valid[i], "4") ? "4" : "1");
    }
    cnn3d_config_free (&config);
  }
}

static gchar *
filled (const gchar *before, gsize length, gchar fill, const gchar *after)
{
  gchar *middle = g_strnfill (length, fill), *text = g_strconcat (before, middle, after, NULL);

  g_free (middle);
  return text;
}

/* CPU seconds that parsing a text takes. */
static gdouble
cost_of (const gchar *yaml)
{
  gdouble least = G_MAXDOUBLE;

  for (guint i = 0; i < 3; i++) {
    Cnn3dConfig *config = cnn3d_config_new ();
    gdouble begun = test_cpu_seconds ();

    load (config, yaml, NULL);
    least = MIN (least, test_cpu_seconds () - begun);
    cnn3d_config_free (&config);
  }
  return least;
}

/* Long or deeply nested input is rejected quickly, compared with a file of comments of the largest
 * allowed length, and the message shortens it. */
static void
test_bounds (void)
{
  gchar *comments = filled ("#", 65000, '#', "\n");
  gdouble cost = cost_of (comments);
  struct {
    gchar *yaml;
    const gchar *message;
  } cases[] = {
    { g_strnfill (65536, '['), "settings are sections" },
    { g_strnfill (65536, '{'), "" },
    { g_strnfill (65536, 'x'), "" },
    { g_strnfill (65537, '\n'), "larger than 65536 bytes" },
    { filled ("data:\n  ", 1000, 'k', ": 1\n"), "kkk...'" },
    { filled ("data:\n  num_frames: ", 60000, '9', ""),
        "data.num_frames is longer than 4096 bytes" },
    { filled ("data:\n  num_frames: ", 4000, '9', ""), "999...'" },
    { filled ("data:\n  img_size: [", 40000, ',', ""), "" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Cnn3dConfig *config = cnn3d_config_new ();
    GError *error = NULL;
    gdouble times = cost_of (cases[i].yaml) / MAX (cost, 1e-4);

    g_assert_false (load (config, cases[i].yaml, &error));
    g_assert_true (error && error->domain == CNN3D_CONFIG_ERROR);
    if (!strstr (error->message, cases[i].message))
      g_error ("number %u: %s", i, error->message);
    g_assert_cmpuint (strlen (error->message), <, 400);
    g_test_message ("number %u: %.2g times", i, times);
    g_assert_cmpfloat (times, <, 300);
    g_clear_error (&error);
    g_free (cases[i].yaml);
    cnn3d_config_free (&config);
  }
  g_free (comments);
}

static void
test_files (void)
{
  Cnn3dConfig *config = cnn3d_config_new ();
  GError *error = NULL;
  gchar *folder = g_dir_make_tmp ("cnn3d-XXXXXX", NULL),
        *path = g_build_filename (folder, "c.yaml", NULL);

  g_assert_false (cnn3d_config_load (config, path, &error));
  g_assert_error (error, CNN3D_CONFIG_ERROR, CNN3D_CONFIG_ERROR_READ);
  g_assert_true (g_str_has_prefix (error->message, path));
  g_clear_error (&error);
  g_assert_false (cnn3d_config_load (config, folder, &error));
  g_assert_error (error, CNN3D_CONFIG_ERROR, CNN3D_CONFIG_ERROR_READ);
  g_clear_error (&error);
  g_assert_false (cnn3d_config_load (config, "/dev/zero", &error));
  g_assert_error (error, CNN3D_CONFIG_ERROR, CNN3D_CONFIG_ERROR_READ);
  g_assert_cmpstr (error->message, ==, "/dev/zero: larger than 65536 bytes");
  g_clear_error (&error);

  g_assert_true (g_file_set_contents (path, "data:\n  batch_size: 3\n", -1, NULL));
  g_assert_true (cnn3d_config_load (config, path, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (cnn3d_config_get (config, "data.batch_size"), ==, "3");
  /* an option overrides the file, and null restores the default */
  g_assert_true (cnn3d_config_override (config, "--data.batch_size=5", &error));
  g_assert_cmpstr (cnn3d_config_get (config, "data.batch_size"), ==, "5");
  g_assert_true (cnn3d_config_override (config, "--data.batch_size=null", &error));
  g_assert_cmpstr (cnn3d_config_get (config, "data.batch_size"), ==, "1");
  g_assert_no_error (error);

  g_unlink (path);
  g_rmdir (folder);
  g_free (path);
  g_free (folder);
  cnn3d_config_free (&config);
  cnn3d_config_free (&config);
}

static void
test_options (void)
{
  static const struct {
    const gchar *option;
    Cnn3dConfigError code;
    const gchar *message;
  } wrong[] = {
    { "data.batch_size=4", CNN3D_CONFIG_ERROR_SYNTAX,
        "data.batch_size=4: write settings as --SECTION.KEY=VALUE" },
    { "--data.batch_size", CNN3D_CONFIG_ERROR_SYNTAX,
        "--data.batch_size: write settings as --SECTION.KEY=VALUE" },
    { "", CNN3D_CONFIG_ERROR_SYNTAX, ": write settings as --SECTION.KEY=VALUE" },
    { "--=", CNN3D_CONFIG_ERROR_KEY, "--=: there is no key ''" },
    { "--data.batchsize=4", CNN3D_CONFIG_ERROR_KEY,
        "--data.batchsize=4: there is no key 'data.batchsize'; the nearest is data.batch_size" },
    { "--batch_size=4", CNN3D_CONFIG_ERROR_KEY,
        "--batch_size=4: there is no key 'batch_size'; the nearest is data.batch_size" },
    { "--trainer.precision=64", CNN3D_CONFIG_ERROR_VALUE,
        "--trainer.precision=64: trainer.precision must be one of 32, 16-mixed, 16, bf16-mixed, "
        "not '64'" },
    { "--trainer.convolution=fft", CNN3D_CONFIG_ERROR_VALUE,
        "--trainer.convolution=fft: trainer.convolution must be one of auto, direct, winograd, not "
        "'fft'" },
    { "--data.img_size=[", CNN3D_CONFIG_ERROR_VALUE, "--data.img_size=[: data.img_size must be " },
    { "--data.img_size=]", CNN3D_CONFIG_ERROR_VALUE, "--data.img_size=]: data.img_size must be " },
    { "--data.img_size=[1,2,3,4,5,6]", CNN3D_CONFIG_ERROR_VALUE,
        "--data.img_size=[1,2,3,4,5,6]: data.img_size must " },
    { "--paths.train=\xff", CNN3D_CONFIG_ERROR_SYNTAX,
        "--paths.train=\xef\xbf\xbd: this option is not UTF-8" },
  };
  Cnn3dConfig *config = cnn3d_config_new ();
  GError *error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++) {
    g_assert_false (cnn3d_config_override (config, wrong[i].option, &error));
    g_assert_error (error, CNN3D_CONFIG_ERROR, (gint) wrong[i].code);
    if (!g_str_has_prefix (error->message, wrong[i].message))
      g_error ("'%s' is not '%s'", error->message, wrong[i].message);
    g_clear_error (&error);
  }
  /* option values are literal: YAML syntax has no meaning here */
  g_assert_true (cnn3d_config_override (config, "--data.background=No", NULL));
  g_assert_cmpstr (cnn3d_config_get (config, "data.background"), ==, "No");
  g_assert_true (cnn3d_config_override (config, "--data.background=null", NULL));
  g_assert_null (cnn3d_config_get (config, "data.background"));
  g_assert_true (cnn3d_config_override (config, "--paths.train=\"a: b\" # [c]=d", &error));
  g_assert_no_error (error);
  g_assert_cmpstr (cnn3d_config_get (config, "paths.train"), ==, "\"a: b\" # [c]=d");
  cnn3d_config_free (&config);
}

/* The table in the documentation matches the settings row by row. */
static void
test_documented (void)
{
  GString *table = g_string_new (
      "| key | what it may be | without it | what it sets | meaning |\n|---|---|---|---|---|\n");
  gchar *path = g_build_filename (TEST_SOURCE_DIR, "docs", "config.md", NULL), *text;
  guint n_keys;
  const Cnn3dConfigKey *keys = cnn3d_config_keys (&n_keys);
  GError *error = NULL;

  for (guint i = 0; i < n_keys; i++) {
    gchar *values = cnn3d_config_key_values (&keys[i]),
          *becomes = cnn3d_config_key_becomes (&keys[i]);
    const gchar *fallback = keys[i].setting->kind == CNN3D_SETTING_SIZE ? "112"
        : keys[i].fallback                                              ? keys[i].fallback
                                                                        : "";

    g_string_append_printf (table, "| `%s` | %s | %s | %s | %s |\n", keys[i].name, values, fallback,
        becomes, keys[i].setting->about);
    g_free (becomes);
    g_free (values);
  }
  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  if (!strstr (text, table->str))
    g_error ("docs/config.md should have this table:\n%s", table->str);
  g_string_free (table, TRUE);
  g_free (text);
  g_free (path);
}

/* The shipped configurations are valid, and the full one has every key. */
static void
test_shipped (void)
{
  guint n_keys;
  const Cnn3dConfigKey *keys = cnn3d_config_keys (&n_keys);
  static const gchar *const names[] = { "config.yaml", "config_low_memory.yaml" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    gchar *path = g_build_filename (TEST_SOURCE_DIR, "configs", names[i], NULL), *text;
    Cnn3dConfig *config = cnn3d_config_new ();
    GError *error = NULL;
    gchar **words;

    g_assert_true (cnn3d_config_load (config, path, &error));
    g_assert_no_error (error);
    words = cnn3d_config_line (config, &error);
    g_assert_no_error (error);
    g_strfreev (words);
    g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
    for (guint k = 0; k < n_keys && i == 0; k++) {
      gchar *name = g_strdup_printf ("\n  %s: ", strchr (keys[k].name, '.') + 1);

      if (!strstr (text, name))
        g_error ("%s does not have %s", path, keys[k].name);
      g_free (name);
    }
    g_free (text);
    cnn3d_config_free (&config);
    g_free (path);
  }
}

static void
test_not_utf8 (void)
{
  Cnn3dConfig *config = cnn3d_config_new ();
  g_autoptr (GError) error = NULL;

  g_assert_false (cnn3d_config_set (config, "paths.train", "paths.train", "\xff", &error));
  g_assert_cmpstr (error->message, ==, "--paths.train: its value is not UTF-8");
  cnn3d_config_free (&config);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/config/each-key", test_each_key);
  g_test_add_func ("/config/errors", test_errors);
  g_test_add_func ("/config/valid", test_valid);
  g_test_add_func ("/config/bounds", test_bounds);
  g_test_add_func ("/config/files", test_files);
  g_test_add_func ("/config/options", test_options);
  g_test_add_func ("/config/documented", test_documented);
  g_test_add_func ("/config/shipped", test_shipped);
  g_test_add_func ("/config/not-utf8", test_not_utf8);
  return g_test_run ();
}
