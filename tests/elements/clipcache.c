/* clipcache.c: records are used only where the line would make the same frames.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cliprun.h"

#include <utime.h>

/* Recently changed files are not cached. */
static void
age (const gchar *path)
{
  const struct utimbuf times = { 1000000000, 1000000000 };

  g_assert_cmpint (utime (path, &times), ==, 0);
}

/* The frames' bytes. Free with g_free(). */
static gchar *
play (const gchar *file, const gchar *clip_bin, const gchar *behind, gsize *size)
{
  gchar *out = in_dir ("frames.raw"), *content;
  gchar *line = g_strdup_printf ("clipsrc location=\"%s\" clip-bin=\"%s\" ! %s ! filesink "
                                 "location=\"%s\"",
      file, clip_bin, behind, out);

  run_line (line);
  g_assert_true (g_file_get_contents (out, &content, size, NULL));
  g_assert_cmpuint (*size, >, 0);
  g_free (line);
  g_free (out);

  return content;
}

/* Runs a line with the cache twice, and without it. */
static void
assert_same (const gchar *file, const gchar *before, const gchar *cache, const gchar *behind)
{
  gchar *plain, *clip_bin = g_strdup_printf ("%s ! clipcache location=%s", before, cache);
  gsize size, length;

  plain = play (file, before, behind, &size);
  for (guint i = 0; i < 2; i++) {
    gchar *cached = play (file, clip_bin, behind, &length);

    g_test_message ("%s, run %u", behind, i);
    g_assert_cmpuint (length, ==, size);
    g_assert_cmpmem (cached, length, plain, size);
    g_free (cached);
  }
  g_free (clip_bin);
  g_free (plain);
}

/* A scaler in clip-bin whose size is set behind clipsrc. */
static void
test_size_behind (void)
{
  static const gchar *const lines[] = {
    "video/x-raw,format=RGB,width=32,height=32",
    "videoconvertscale ! video/x-raw,format=RGB,width=64,height=64",
    "identity ! video/x-raw,format=RGB,width=48,height=48",
    "video/x-raw,format=RGB,width=32,height=32",
  };
  gchar *text = g_strdup_printf ("%s,x\n%s,y\n", video, video);
  gchar *csv = write_text ("behind.csv", text), *cache = in_dir ("behind");

  age (video);
  for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
    assert_same (
        csv, "clipsample num-frames=4 ! videoconvertscale add-borders=false", cache, lines[i]);
  g_free (cache);
  g_free (csv);
  g_free (text);
}

/* Frames are declared as interlaced only where something deinterlaces them. */
static void
test_deinterlacer_behind (void)
{
  gchar *file = in_dir ("fields.mp4"), *cache = in_dir ("fields");
  gchar *line = g_strdup_printf (
      "videotestsrc pattern=ball num-buffers=24 ! video/x-raw,format=I420,width=64,height=64,"
      "framerate=50/1 ! interlace field-pattern=1:1 ! x264enc interlaced=true ! h264parse ! "
      "mp4mux ! filesink location=\"%s\"",
      file);
  gchar *text = g_strdup_printf ("%s,x\n%s,y\n", file, file);
  gchar *csv = write_text ("fields.csv", text);
  gchar *plain, *deinterlaced;
  gsize size, length;

  run_line (line);
  age (file);
  assert_same (csv, "clipsample num-frames=4", cache, "identity");
  assert_same (csv, "clipsample num-frames=4", cache, "deinterlace fields=top");
  plain = play (csv, "clipsample num-frames=4", "identity", &size);
  deinterlaced = play (csv, "clipsample num-frames=4", "deinterlace fields=top", &length);
  /* otherwise the test shows nothing */
  g_assert_true (length != size || memcmp (plain, deinterlaced, size) != 0);
  g_free (deinterlaced);
  g_free (plain);
  g_free (csv);
  g_free (text);
  g_free (line);
  g_free (cache);
  g_free (file);
}

/* The folder cannot be written from the first frame on. */
static void
spoil (Run *run)
{
  gchar *lock = g_build_filename (run->data, "lock", NULL);

  if (run->frames->len == 1) {
    g_assert_cmpint (g_unlink (lock), ==, 0);
    g_assert_cmpint (g_mkdir (lock, 0700), ==, 0);
  }
  g_free (lock);
}

/* One warning a run says that clips are not kept. The run ends well. */
static void
test_refused (void)
{
  static const gchar *const parts[] = { "is full: its *.pack files have 0 of 1000 bytes",
    "Cannot extend the store in" };
  gchar *csv = many_clips (8);

  age (video);
  for (guint failed = 0; failed < 2; failed++) {
    gchar *cache = in_dir (failed ? "failed" : "full");
    gchar *properties = g_strdup_printf (
        "location=%s epochs=2 num-workers=%u clip-bin=\"clipcache location=%s max-size=%u\"", csv,
        failed ? 0 : 3, cache, failed ? 100000000 : 1000);
    Run *run = run_new (properties);

    if (failed) {
      run->on_frame = spoil;
      run->data = cache;
    }
    run_play (run);
    g_assert_true (run->eos);
    g_assert_cmpuint (run->frames->len, ==, 2 * 8 * 4);
    g_assert_cmpuint (run->warnings->len, ==, 1);
    g_test_message ("%s", (gchar *) g_ptr_array_index (run->warnings, 0));
    g_assert_true (g_str_has_prefix (g_ptr_array_index (run->warnings, 0),
        "clipcache keeps no more clips (see max-size and location)"));
    g_assert_nonnull (strstr (g_ptr_array_index (run->warnings, 0), parts[failed]));
    if (!failed) {
      /* the next run warns again */
      gst_element_set_state (run->pipeline, GST_STATE_READY);
      run->eos = FALSE;
      run_play (run);
      g_assert_cmpuint (run->warnings->len, ==, 2);
    }
    run_free (run);
    g_free (properties);
    g_free (cache);
  }
  g_free (csv);
}

int
main (int argc, char **argv)
{
  int ret;

  cliprun_init (&argc, &argv);
  g_test_add_func ("/clipcache/size-behind", test_size_behind);
  g_test_add_func ("/clipcache/deinterlacer-behind", test_deinterlacer_behind);
  g_test_add_func ("/clipcache/refused", test_refused);
  ret = g_test_run ();
  cliprun_deinit ();

  return ret;
}
