/* Configurations: the launch lines generated from them.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include "src/config/config.h"

static gboolean
load (Cnn3dConfig *config, const gchar *yaml, GError **error)
{
  return cnn3d_config_load_data (config, "a.yaml", yaml, strlen (yaml), error);
}

typedef gchar **(*LineFunc) (const Cnn3dConfig *config, GError **error);

static gchar *
line_of (LineFunc make, const gchar *const *options)
{
  Cnn3dConfig *config = cnn3d_config_new ();
  GError *error = NULL;
  gchar **words, *line;

  for (; *options; options++) {
    g_assert_true (cnn3d_config_override (config, *options, &error));
    g_assert_no_error (error);
  }
  words = make (config, &error);
  g_assert_no_error (error);
  for (guint i = 0; words[i]; i++)
    for (const gchar *p = words[i]; *p; p++)
      g_assert_false (g_ascii_iscntrl (*p));
  line = g_strjoinv ("|", words);
  g_strfreev (words);
  cnn3d_config_free (&config);
  return line;
}

#define LINE(...) line_of (cnn3d_config_line, (const gchar *const[]) { __VA_ARGS__, NULL })
#define TEST_LINE(...) \
  line_of (cnn3d_config_test_line, (const gchar *const[]) { __VA_ARGS__, NULL })

static void
test_line (void)
{
  Cnn3dConfig *config = cnn3d_config_new ();
  GError *error = NULL;
  gchar *line;

  g_assert_null (cnn3d_config_line (config, &error));
  g_assert_error (error, CNN3D_CONFIG_ERROR, CNN3D_CONFIG_ERROR_MISSING);
  g_assert_nonnull (strstr (error->message, "paths.train"));
  g_clear_error (&error);
  cnn3d_config_free (&config);

  line = LINE ("--paths.train=t.csv");
  g_assert_cmpstr (line, ==,
      "gst-launch-1.0|-e|clipsrc|location=t.csv|epochs=1|clip-bin=clipsample num-frames=16 ! "
      "videoconvertscale add-borders=false ! "
      "video/"
      "x-raw,format=RGB,width=112,height=112|!|clipbatch|batch-size=1|!|queue|max-size-buffers=2|"
      "max-size-bytes=0|max-size-time=0|!|cnn3dtrain|model=r3d_18|lr=0.01|precision=32");
  g_free (line);

  line = LINE ("--paths.train=t.csv", "--data.img_size=[96, 128]", "--data.batch_size=6",
      "--train.seed=7", "--trainer.limit_train_batches=5", "--data.frame_interval=2",
      "--trainer.precision=16", "--model.backbone=resnet50", "--train.max_memory=8GiB");
  g_assert_nonnull (strstr (line, "clipsrc|location=t.csv|epochs=1|seed=7|limit-clips=30|"));
  g_assert_nonnull (strstr (line, "clipsample num-frames=16 frame-interval=2 seed=7 !"));
  g_assert_nonnull (strstr (line, "width=128,height=96|"));
  g_assert_nonnull (
      strstr (line, "model=slow_r50|lr=0.01|max-memory=8GiB|seed=7|precision=16-mixed"));
  g_free (line);
}

/* clipkpt comes right after clipsample, in test lines too. */
static void
test_keypoints (void)
{
  Cnn3dConfig *config = cnn3d_config_new ();
  GError *error = NULL;
  gchar *line = LINE ("--paths.train=t.csv", "--data.load_kpt=true", "--model.fusion=late");

  g_assert_nonnull (strstr (line, "clipsample num-frames=16 ! clipkpt"));
  g_assert_nonnull (strstr (line, "|fusion=late|"));
  g_assert_true (g_str_has_suffix (line, "|input-type=rgb+kpt"));
  g_free (line);
  line = LINE ("--paths.train=t.csv", "--data.load_kpt=true", "--data.load_rgb=false",
      "--model.backbone=posec3d_slowonly");
  g_assert_nonnull (strstr (line, "model=posec3d_slowonly|"));
  g_assert_true (g_str_has_suffix (line, "|input-type=kpt"));
  g_free (line);
  line = TEST_LINE ("--paths.train=t.csv", "--paths.test=e.csv", "--paths.checkpoint_dir=d",
      "--data.load_kpt=true");
  g_assert_nonnull (strstr (line, "clipsample num-frames=16 ! clipkpt"));
  g_assert_null (strstr (line, "input-type"));
  g_free (line);

  g_assert_true (cnn3d_config_override (config, "--paths.train=t.csv", &error));
  g_assert_true (cnn3d_config_override (config, "--data.load_rgb=false", &error));
  g_assert_no_error (error);
  g_assert_null (cnn3d_config_line (config, &error));
  g_assert_error (error, CNN3D_CONFIG_ERROR, CNN3D_CONFIG_ERROR_MISSING);
  g_assert_nonnull (strstr (error->message, "the network would see nothing"));
  g_clear_error (&error);
  cnn3d_config_free (&config);
}

/* The test line prepares clips as the training line does. */
static void
test_test_line (void)
{
  static const struct {
    const gchar *yaml, *missing;
  } wrong[] = {
    { "paths: {train: t, checkpoint_dir: d}", "paths.test is not set" },
    { "paths: {train: t, test: e}",
        "paths.checkpoint_dir is not set, so there will be no best weights to test on paths.test" },
    { "paths: {test: e, checkpoint_dir: d}\ntrain: {save_top_k: 0}", "train.save_top_k is 0" },
  };
  gchar *line;

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++) {
    Cnn3dConfig *config = cnn3d_config_new ();
    GError *error = NULL;

    g_assert_true (load (config, wrong[i].yaml, &error));
    g_assert_null (cnn3d_config_test_line (config, &error));
    g_assert_error (error, CNN3D_CONFIG_ERROR, CNN3D_CONFIG_ERROR_MISSING);
    g_assert_nonnull (strstr (error->message, wrong[i].missing));
    g_clear_error (&error);
    cnn3d_config_free (&config);
  }

  line = TEST_LINE ("--paths.test=e.csv", "--paths.checkpoint_dir=runs/a");
  g_assert_cmpstr (line, ==,
      "gst-launch-1.0|-e|clipsrc|location=e.csv|passes=test|clip-bin=clipsample num-frames=16 ! "
      "videoconvertscale add-borders=false ! "
      "video/"
      "x-raw,format=RGB,width=112,height=112|!|clipbatch|batch-size=1|!|queue|max-size-buffers=2|"
      "max-size-bytes=0|max-size-time=0|!|cnn3deval|model=runs/a/best.safetensors|output-dir=runs/"
      "a/test");
  g_free (line);

  line = TEST_LINE ("--paths.train=t", "--paths.val=v", "--paths.test=a\"b",
      "--paths.checkpoint_dir=\n", "--paths.root=r", "--paths.log_dir=l", "--data.batch_size=6",
      "--data.video_batch_size=3", "--data.img_size=[96, 128]", "--data.num_frames=8",
      "--data.frame_interval=2", "--data.frame_rate=30/2", "--data.sampling=center",
      "--data.clips_per_video=5", "--data.shuffle=false", "--data.drop_last=true",
      "--data.num_workers=4", "--data.num_folds=3", "--data.fold=1", "--data.on_error=stop",
      "--model.base_width=8", "--train.max_epochs=30", "--train.max_memory=2GiB", "--train.seed=7",
      "--train.patience=3", "--trainer.precision=16", "--trainer.limit_train_batches=5",
      "--trainer.device=cpu", "--trainer.threads=2", "--trainer.convolution=direct");
  g_assert_cmpstr (line, ==,
      "gst-launch-1.0|-e|clipsrc|location=\\\"a\\\\042b\\\"|passes=test|root=r|num-workers=4|on-"
      "error=stop|seed=7|limit-clips=30|clip-bin=clipsample num-frames=8 frame-interval=2 "
      "frame-rate=15/1 mode=center clips-per-video=5 ! videoconvertscale add-borders=false ! "
      "video/"
      "x-raw,format=RGB,width=128,height=96|!|clipbatch|batch-size=6|!|queue|max-size-buffers=2|"
      "max-size-bytes=0|max-size-time=0|!|cnn3deval|model=\\\"\\\\012/"
      "best.safetensors\\\"|output-dir=\\\"\\\\012/"
      "test\\\"|video-batch-size=3|max-memory=2GiB|device=cpu|threads=2|convolution=direct");
  g_free (line);
}

/* Each key with a property sets it, and only when the value differs from the element's default. */
static void
test_properties (void)
{
  guint n_keys;
  const Cnn3dConfigKey *keys = cnn3d_config_keys (&n_keys);
  gchar *bare = LINE ("--paths.train=t");

  for (guint i = 0; i < n_keys; i++) {
    const Cnn3dConfigKey *key = &keys[i];
    const gchar *value;
    gchar *option, *word, *line;
    gboolean in_bin, kpt;

    if (!cnn3d_config_key_is_property (key) || strcmp (key->name, "paths.train") == 0)
      continue;
    switch (key->setting->kind) {
      case CNN3D_SETTING_BOOLEAN:
        value = strcmp (key->fallback, "true") ? "true" : "false";
        break;
      case CNN3D_SETTING_INT:
      case CNN3D_SETTING_UINT:
      case CNN3D_SETTING_UINT64:
        value = "37";
        break;
      case CNN3D_SETTING_NUMBER:
        value = "0.375";
        break;
      case CNN3D_SETTING_CHOICE:
        value = NULL;
        for (const GEnumValue *v = key->setting->choices->values; v->value_nick; v++)
          if (v->value != (gint) key->setting->preset)
            value = cnn3d_choice_name (key->setting->choices, v->value);
        break;
      case CNN3D_SETTING_MODEL:
        value = "slow_r50";
        break;
      case CNN3D_SETTING_BYTES:
        value = "5MiB";
        break;
      case CNN3D_SETTING_RATE:
        value = "30000/1001";
        break;
      default:
        value = "text";
        break;
    }
    option = g_strdup_printf ("--%s=%s", key->name, value);
    kpt = strcmp (key->setting->elements, "clipkpt") == 0;
    in_bin = strcmp (key->setting->elements, "clipsample") == 0
        || strcmp (key->setting->elements, "clipaugment") == 0 || kpt;
    word = g_strdup_printf (in_bin ? " %s=%s" : "|%s=%s", key->setting->name, value);
    line = LINE ("--paths.train=t", option, kpt ? "--data.load_kpt=true" : "--data.load_kpt=false");
    if (!strstr (line, word))
      g_error ("%s: no %s in %s", option, word, line);
    g_free (line);
    g_free (option);
    g_free (word);
    if (!key->fallback || key->setting->always)
      continue;
    option = g_strdup_printf ("--%s=%s", key->name, key->fallback);
    line = LINE ("--paths.train=t", option);
    /* any of its keys adds the element */
    if (strcmp (key->setting->elements, "clipaugment") == 0)
      g_assert_nonnull (strstr (line, "height=112 ! clipaugment|"));
    else
      g_assert_cmpstr (line, ==, bare);
    g_free (line);
    g_free (option);
  }
  g_free (bare);
}

/* Elements appear where a key needs them, in a fixed order; the test line leaves clips
 * unaugmented. */
static void
test_elements (void)
{
  gchar *line =
      LINE ("--paths.train=t", "--augment.scale_min=0.3", "--data.diff_gain=4", "--train.seed=5");

  g_assert_nonnull (
      strstr (line, "height=112 ! clipdiff gain=4 ! clipaugment scale-min=0.3 seed=5|!|clipbatch"));
  g_free (line);
  line = LINE ("--paths.train=t", "--augment.enabled=true");
  g_assert_nonnull (strstr (line, "height=112 ! clipaugment|!|clipbatch"));
  g_free (line);
  line =
      LINE ("--paths.train=t", "--augment.flip=0", "--augment.enabled=false", "--data.diff_gain=0");
  g_assert_nonnull (strstr (line, "height=112|!|clipbatch"));
  g_free (line);
  line = TEST_LINE (
      "--paths.test=t", "--paths.checkpoint_dir=r", "--augment.flip=0", "--data.diff_gain=2.5");
  g_assert_nonnull (strstr (line, "height=112 ! clipdiff gain=2.5|!|clipbatch"));
  g_free (line);
}

/* Blanks between pairs of points would divide the words of clip-bin. */
static void
test_pairs (void)
{
  gchar *line = LINE ("--paths.train=t", "--data.load_kpt=true", "--data.skeleton=custom:5",
      "--data.pairs= 1-2, 3-4 ");

  g_assert_nonnull (strstr (line, " ! clipkpt skeleton=custom:5 pairs=1-2,3-4 ! "));
  g_free (line);
}

/* Keys that are not set are left to the preset. */
static void
test_preset (void)
{
  gchar *line = LINE ("--paths.train=t", "--model.preset=quick-cpu");

  g_assert_true (g_str_has_suffix (line, "|!|cnn3dtrain|@preset=quick-cpu"));
  g_free (line);
  line =
      LINE ("--paths.train=t", "--model.preset=my own's", "--loss.lr=0.01", "--trainer.threads=2");
  g_assert_true (g_str_has_suffix (line, "|!|cnn3dtrain|@preset=my own\\'s|lr=0.01|threads=2"));
  g_free (line);
  /* after a quote gst-launch-1.0 does not escape blanks */
  line = LINE ("--paths.train=t", "--model.preset=a \"b\" (8\\)");
  g_assert_true (g_str_has_suffix (line, "|@preset=a \\\"b\\\"\\ \\(8\\\\\\)"));
  g_free (line);
}

static void
test_quotes (void)
{
  static const gchar *const paths[][2] = {
    { "plain/path_1.csv", "plain/path_1.csv" }, { "two words", "two words" }, { "-e", "-e" },
    { "a=b,c:d@e%f+g", "a=b,c:d@e%f+g" }, { "\xc3\xa9t\xc3\xa9", "\xc3\xa9t\xc3\xa9" },
    { " a", "\\\"\\\\040a\\\"" }, { "a ", "\\\"a\\\\040\\\"" }, { "\"", "\\\"\\\\042\\\"" },
    { "'", "\\\"\\\\047\\\"" }, { "a\\", "\\\"a\\\\134\\\"" },
    { "$(x)`y`", "\\\"\\\\044\\\\050x\\\\051\\\\140y\\\\140\\\"" },
    { "a\nb\tc\x1b", "\\\"a\\\\012b\\\\011c\\\\033\\\"" },
    { "a ! fakesink", "\\\"a\\\\040\\\\041\\\\040fakesink\\\"" },
    { "\xe2\x80\xae", "\\\"\\\\342\\\\200\\\\256\\\"" }, /* reverses the text after it */
  };
  Cnn3dConfig *config = cnn3d_config_new ();
  GError *error = NULL;
  gchar **words;

  for (guint i = 0; i < G_N_ELEMENTS (paths); i++) {
    gchar *option = g_strconcat ("--paths.train=", paths[i][0], NULL);
    gchar *word = g_strconcat ("|location=", paths[i][1], "|", NULL);
    gchar *line = LINE (option);

    if (!strstr (line, word))
      g_error ("no %s in %s", word, line);
    g_free (line);
    g_free (word);
    g_free (option);
  }

  /* gst-launch parses this word as something other than a string unless it is quoted */
  g_assert_true (load (config, "paths: {train: 'NULL'}", &error));
  words = cnn3d_config_line (config, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (words[3], ==, "location=\\\"NULL\\\"");
  g_strfreev (words);
  cnn3d_config_free (&config);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/config-line/line", test_line);
  g_test_add_func ("/config-line/keypoints", test_keypoints);
  g_test_add_func ("/config-line/test-line", test_test_line);
  g_test_add_func ("/config-line/properties", test_properties);
  g_test_add_func ("/config-line/elements", test_elements);
  g_test_add_func ("/config-line/pairs", test_pairs);
  g_test_add_func ("/config-line/preset", test_preset);
  g_test_add_func ("/config-line/quotes", test_quotes);
  return g_test_run ();
}
