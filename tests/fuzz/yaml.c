/* Configurations: a file gives settings, all of which are valid, or an error with its position. The
 * text after a line "----" is an option.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "src/config/config.h"
#include "tests/fuzz/target.h"

static void
check_error (gboolean done, GError *error, const gchar *place)
{
  fuzz_check_error (done, error);
  if (error && error->domain != CNN3D_CONFIG_ERROR)
    fuzz_fail ("an error of another domain", error->message);
  if (error && !g_str_has_prefix (error->message, place))
    fuzz_fail ("an error without its place", error->message);
  if (error && strlen (error->message) > 1000)
    fuzz_fail ("a long error", error->message);
  g_clear_error (&error);
}

static void
check_line (gchar **words, GError *error)
{
  check_error (words != NULL, error, "paths.");
  for (guint i = 0; words && words[i]; i++)
    for (const gchar *p = words[i]; *p; p++)
      if (g_ascii_iscntrl (*p))
        fuzz_fail ("a control character in the line", words[i]);
  g_strfreev (words);
}

static void
check_settings (const Cnn3dConfig *config)
{
  guint n_keys, height, width;
  const Cnn3dConfigKey *keys = cnn3d_config_keys (&n_keys);
  GError *error = NULL;
  gchar **words;

  for (guint i = 0; i < n_keys; i++) {
    const gchar *value = cnn3d_config_get (config, keys[i].name);

    if (value && (!*value || !g_utf8_validate (value, -1, NULL)))
      fuzz_fail ("a value that is no text", keys[i].name);
  }
  cnn3d_config_get_size (config, &height, &width);
  if (height < 8 || height > 4096 || width < 8 || width > 4096)
    fuzz_fail ("a size out of range", cnn3d_config_get (config, "data.img_size"));
  words = cnn3d_config_line (config, &error);
  check_line (words, error);
  error = NULL;
  words = cnn3d_config_test_line (config, &error);
  check_line (words, error);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  FuzzPart rest = { data, size }, file = fuzz_next_part (&rest), option = fuzz_next_part (&rest);
  Cnn3dConfig *config = cnn3d_config_new ();
  GError *error = NULL;
  gboolean done =
      cnn3d_config_load_data (config, "case.yaml", (const gchar *) file.data, file.size, &error);

  check_error (done, error, "case.yaml:");
  if (option.size) {
    g_autofree gchar *text = g_strndup ((const gchar *) option.data, option.size);

    error = NULL;
    done = cnn3d_config_override (config, g_strchomp (text), &error);
    check_error (done, error, "");
  }
  check_settings (config);
  cnn3d_config_free (&config);
  return 0;
}
