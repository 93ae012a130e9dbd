/* Mutated configurations: each gives settings or an error, in no time, and
 * leaves no memory behind.
 *
 *   fuzz-yaml [SECONDS [SEED [CASE]]]
 *
 * mutates for so many seconds (20); a case is a function of the seed (1) and
 * its number, and one that failed is run alone by its number.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "src/config/config.h"
#include "tests/fuzz/fuzz.h"

#if defined(__SANITIZE_ADDRESS__)
/* GCC has this function, but not its header */
size_t __sanitizer_get_current_allocated_bytes (void);
#endif

#define MAX_SIZE (66 * 1024)   /* bytes of a case: a little more than is read */
#define MAX_SECONDS 5          /* that a case may take on a quick machine; more hangs */
#define WARM_UP 2000           /* cases after which memory no longer grows */
#define MAX_GROWTH (16 * 1024) /* bytes, over all the others */

static gsize
allocated (void)
{
#if defined(__SANITIZE_ADDRESS__)
  return __sanitizer_get_current_allocated_bytes ();
#else
  return mallinfo2 ().uordblks;
#endif
}

/* Beginnings that reach each part of the reader; the shipped files are put
 * before them. */
static const gchar *const beginnings[] = {
  "data:\n  batch_size: 4\n  img_size: [112, 112]\nloss:\n  lr: 1e-4\n",
  "{data: {batch_size: 4, img_size: [8, 9]}, \"loss\": {'lr': .5}}",
  "%YAML 1.1\n---\npaths: {train: \"\\u00e9\\n\\x41\", val: 'it''s'}\n...\n",
  "\xef\xbb\xbf"
  "data:\r\n  num_frames: 8\r\n",
  "paths:\n  train: &a x\n  val: *a\n",
  "paths:\n  train: |\n    a\n  val: >-\n    b\n    c\n",
  "paths:\n  train: plain words\n    go on\n  root: ~\n",
  "? data\n: ? batch_size\n  : 1\n",
  "data: !!map\n  batch_size: !!int 4\n",
  "data:\n<<: {a: &x [*x]}\n---\nb\n",
  "model:\n  backbone: resnet50\n  freeze: backbone,batch-norm\ntrain: {max_memory: 7.5GiB}\n",
  "trainer: {precision: 16, limit_train_batches: 0.5}\n",
};

static const gchar *const tokens[] = {
  ": ",
  "- ",
  "? ",
  "\n",
  "\n  ",
  "\n\t",
  "\t",
  "#",
  "&a ",
  "*a",
  "!!int ",
  "!",
  "|",
  ">",
  "|2+\n",
  "%",
  "%TAG ! x:\n",
  "---\n",
  "...\n",
  "[",
  "]",
  "{",
  "}",
  ",",
  "\"",
  "'",
  "''",
  "\\",
  "\\0",
  "\\x00",
  "\\uD800",
  "\\U0010FFFF",
  "\\U99999999",
  "~",
  "null",
  "true",
  "no",
  "0",
  "-1",
  "1.0",
  "0.5",
  "1e-4",
  "1e999",
  ".nan",
  "010",
  "0x7f",
  "9223372036854775807",
  "99999999999999999999",
  "8GiB",
  "9999999999GiB",
  "1e15KiB",
  "[112, 112]",
  "[[[[",
  "{{{{",
  "data:\n  ",
  "paths:\n  ",
  "data",
  "train",
  "lr",
  "\r",
  "\r\n",
  "\xc2\x85",
  "\xe2\x80\xa8",
  "\xef\xbb\xbf",
  "\xff",
  "\xc3",
  "\xed\xa0\x80",
  "\xf4\x90\x80\x80",
  "\x1b[31m",
  "\x7f",
  "@",
  "`",
  "<<: ",
  "=",
};

typedef struct {
  gchar *text;
  gsize size;
} Text;

static Text corpus[2 + G_N_ELEMENTS (beginnings)];

static void
read_corpus (const gchar *folder)
{
  static const gchar *const files[] = { "config.yaml", "config_low_memory.yaml" };

  for (guint i = 0; i < 2; i++) {
    gchar *path = g_build_filename (folder, files[i], NULL);
    GError *error = NULL;

    if (!g_file_get_contents (path, &corpus[i].text, &corpus[i].size, &error))
      fail ("no corpus", error->message);
    g_free (path);
  }
  for (guint i = 0; i < G_N_ELEMENTS (beginnings); i++) {
    corpus[2 + i].text = g_strdup (beginnings[i]);
    corpus[2 + i].size = strlen (beginnings[i]);
  }
}

static void
insert (GString *text, gsize at, const gchar *what, gsize size)
{
  if (text->len + size <= MAX_SIZE)
    g_string_insert_len (text, (gssize) at, what, (gssize) size);
}

static void
mutate (GString *text)
{
  guint n_keys;
  const Cnn3dConfigKey *keys = cnn3d_config_keys (&n_keys);
  gsize at = draw (text->len + 1), most = draw (8) ? 12 : 4096,
        size = draw (MIN (text->len - at, most) + 1);
  const gchar *token = tokens[draw (G_N_ELEMENTS (tokens))];
  const Text *other;
  GString *many;
  gchar *piece, byte;

  switch (draw (11)) {
    case 0:
      if (at < text->len)
        text->str[at] ^= (gchar) (1 << draw (8));
      break;
    case 1:
      byte = (gchar) draw (256);
      insert (text, at, &byte, 1);
      break;
    case 2:
      g_string_erase (text, (gssize) at, (gssize) size);
      break;
    case 3: /* once more, somewhere else */
      piece = g_memdup2 (text->str + at, size);
      insert (text, draw (text->len + 1), piece, size);
      g_free (piece);
      break;
    case 4:
    case 5:
      insert (text, at, token, strlen (token));
      break;
    case 6: /* many of them */
      many = g_string_new (NULL);
      for (guint64 n = draw (draw (16) ? 40 : 20000); n > 0; n--)
        g_string_append (many, token);
      insert (text, at, many->str, many->len);
      g_string_free (many, TRUE);
      break;
    case 7: /* a part of another one */
      other = &corpus[draw (G_N_ELEMENTS (corpus))];
      size = draw (other->size + 1);
      insert (text, at, other->text + draw (other->size - size + 1), size);
      break;
    case 8:
      if (draw (4) == 0)
        g_string_truncate (text, at);
      break;
    case 9: /* another value behind a colon */
      piece = memchr (text->str + at, ':', text->len - at);
      if (piece) {
        at = (gsize) (piece - text->str) + 1;
        size = (gsize) strcspn (text->str + at, "\n,}");
        g_string_erase (text, (gssize) at, (gssize) size);
        insert (text, at, token, strlen (token));
        insert (text, at, " ", 1);
      }
      break;
    case 10: /* a key that is known */
      piece = g_strconcat ("\n  ", strchr (keys[draw (n_keys)].name, '.') + 1, ": ", token, NULL);
      insert (text, at, piece, strlen (piece));
      g_free (piece);
      break;
  }
}

/* Whether an error is what it should be. */
static void
check_error (gboolean done, const GError *error, const gchar *place)
{
  if (done != (error == NULL))
    fail ("no error comes with a failure, or one without", error ? error->message : "");
  if (done)
    return;
  if (error->domain != CNN3D_CONFIG_ERROR)
    fail ("an error of another domain", error->message);
  if (!g_str_has_prefix (error->message, place))
    fail ("an error without its place", error->message);
  if (strlen (error->message) > 1000)
    fail ("a long error", error->message);
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
      fail ("a value that is no text", keys[i].name);
  }
  cnn3d_config_get_size (config, &height, &width);
  if (height < 8 || height > 4096 || width < 8 || width > 4096)
    fail ("a size out of range", cnn3d_config_get (config, "data.img_size"));
  words = cnn3d_config_line (config, &error);
  check_error (words != NULL, error, "paths.train");
  g_clear_error (&error);
  for (guint i = 0; words && words[i]; i++)
    for (const gchar *p = words[i]; *p; p++)
      if (g_ascii_iscntrl (*p))
        fail ("a control character in the line", words[i]);
  g_strfreev (words);
}

/* An option from a line of the text: its key may be known, or be mutated too */
static void
run_option (Cnn3dConfig *config, const GString *text)
{
  guint n_keys;
  const Cnn3dConfigKey *keys = cnn3d_config_keys (&n_keys);
  gsize at = draw (text->len + 1);
  gchar *value = g_strndup (text->str + at, draw (MIN (text->len - at, 64) + 1));
  gchar *option =
      draw (8) ? g_strdup_printf ("--%s=%s", keys[draw (n_keys)].name, value) : g_strdup (value);
  GError *error = NULL;
  gboolean done = cnn3d_config_override (config, option, &error);

  check_error (done, error, "");
  g_clear_error (&error);
  g_free (option);
  g_free (value);
}

/* Whether the file was taken. */
static gboolean
run_case (void)
{
  Cnn3dConfig *config = cnn3d_config_new ();
  const Text *from;
  GString *text;
  gchar *copy;
  GError *error = NULL;
  gboolean done;

  fuzz_case (MAX_SECONDS);
  from = &corpus[draw (G_N_ELEMENTS (corpus))];
  text = g_string_new_len (from->text, (gssize) from->size);
  for (guint64 n = draw (draw (4) ? 4 : 40); n > 0; n--)
    mutate (text);

  /* in memory that ends where the text ends: a byte too many is seen */
  copy = g_memdup2 (text->str, text->len);
  done = cnn3d_config_load_data (config, "case.yaml", copy, text->len, &error);
  g_free (copy);
  check_error (done, error, "case.yaml:");
  g_clear_error (&error);
  for (guint64 n = draw (3); n > 0; n--)
    run_option (config, text);
  check_settings (config);
  g_string_free (text, TRUE);
  cnn3d_config_free (&config);
  return done;
}

int
main (int argc, char **argv)
{
  const gdouble seconds = fuzz_begin ("fuzz-yaml", argc, argv, 20);
  guint64 taken = 0;
  gint64 begin = g_get_monotonic_time (), slowest = 0;
  gsize before = 0, after;

  read_corpus (TEST_SOURCE_DIR "/configs");
  if (argc > 3) {
    taken = run_case ();
    printf ("ok 1 - case %" G_GUINT64_FORMAT " is %s\n", number, taken ? "taken" : "refused");
    return 0;
  }

  while (g_get_monotonic_time () - begin < seconds * G_USEC_PER_SEC || number <= WARM_UP) {
    gint64 start = g_get_monotonic_time ();

    taken += run_case ();
    slowest = MAX (slowest, g_get_monotonic_time () - start);
    if (++number == WARM_UP)
      before = allocated ();
  }
  alarm (0);
  after = allocated ();
  if (after > before + MAX_GROWTH)
    fail ("memory is left behind", "what is allocated grows");
  if (taken == 0 || taken == number)
    fail ("mutations are of one kind", taken ? "all are taken" : "none is taken");
  printf ("ok 1 - %" G_GUINT64_FORMAT " mutated files: %" G_GUINT64_FORMAT
          " are settings, the others errors; the slowest took %.1f ms\n",
      number, taken, (gdouble) slowest / 1000);
  for (guint i = 0; i < G_N_ELEMENTS (corpus); i++)
    g_free (corpus[i].text);
  return 0;
}
