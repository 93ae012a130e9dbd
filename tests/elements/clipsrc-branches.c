/* clipsrc-branches.c: clipsrc's frames in several branches of one line.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cliprun.h"

#define FEW "clipsample num-frames=3 frame-interval=1 mode=center"
#define MANY "clipsample num-frames=16 frame-interval=3 mode=center"
#define RATE "clipsample num-frames=5 frame-interval=2 frame-rate=10/1 mode=center"

/* Runs a line with one or two samplers, each with a file for its frames. */
static void
play (const gchar *source, const gchar *one, const gchar *other)
{
  gchar *first = in_dir ("first.raw"), *second = in_dir ("second.raw");
  gchar *branch = other
      ? g_strdup_printf (" t. ! queue ! %s ! filesink async=false location=\"%s\"", other, second)
      : g_strdup ("");
  gchar *line = g_strdup_printf ("%s ! %s queue ! %s ! filesink async=false location=\"%s\" %s",
      source, other ? "tee name=t !" : "", one, first, branch);

  run_line (line);
  g_free (line);
  g_free (branch);
  g_free (first);
  g_free (second);
}

static void
assert_file (const gchar *name, const gchar *expected, gsize length)
{
  gchar *path = in_dir (name), *content;
  gsize size;

  g_assert_true (g_file_get_contents (path, &content, &size, NULL));
  g_assert_cmpmem (content, size, expected, length);
  g_free (content);
  g_free (path);
}

/* Each branch has the frames that it would have alone, whichever is asked first. */
static void
test_samplers (void)
{
  static const gchar *const pairs[][2] = { { FEW, MANY }, { MANY, FEW }, { RATE, MANY },
    { FEW, RATE }, { FEW, "identity" } };
  static const gchar *const between[] = { "", " clip-bin=videoconvert", " ! videoconvert" };
  gchar *csv = many_clips (4);

  for (guint i = 0; i < G_N_ELEMENTS (pairs); i++) {
    gchar *source = g_strdup_printf ("clipsrc location=\"%s\" num-workers=%u%s", csv, i % 3,
        between[i % G_N_ELEMENTS (between)]);
    gchar *path = in_dir ("first.raw"), *alone[2];
    gsize sizes[2];

    for (guint k = 0; k < 2; k++) {
      play (source, pairs[i][k], NULL);
      g_assert_true (g_file_get_contents (path, &alone[k], &sizes[k], NULL));
      g_assert_cmpuint (sizes[k], >, 0);
    }
    g_test_message ("%s, %s", pairs[i][0], pairs[i][1]);
    play (source, pairs[i][0], pairs[i][1]);
    assert_file ("first.raw", alone[0], sizes[0]);
    assert_file ("second.raw", alone[1], sizes[1]);
    for (guint k = 0; k < 2; k++)
      g_free (alone[k]);
    g_free (path);
    g_free (source);
  }
  g_free (csv);
}

int
main (int argc, char **argv)
{
  int ret;

  cliprun_init (&argc, &argv);
  g_test_add_func ("/clipsrc-branches/samplers", test_samplers);
  ret = g_test_run ();
  cliprun_deinit ();

  return ret;
}
