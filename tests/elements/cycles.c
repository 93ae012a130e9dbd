/* cycles.c: a whole pipeline taken 200 times from NULL to PLAYING and back (60 times with the
 * address sanitizer or the leaks tracer) leaks neither memory, nor threads, nor open files.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gst/gst.h>

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <glib/gstdio.h>

#include "runline.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CYCLES 60
#else
#define CYCLES 200
#endif
/* The leaks tracer finds a leak of a single cycle */
#define TRACED_CYCLES 60
/* One cycle in this many runs until a step, however slow the machine. */
#define STEP_CYCLES 16
#define WARM_UP 20
/* Allowed growth of the resident size after the 20th cycle: the allocator keeps some of the memory
 * freed by threads, and sanitizers all of it for a while. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GROWTH G_MAXINT64
#else
#define GROWTH (24 << 20)
#endif
/* The same for allocated memory: less than 3 kB a cycle. */
#define ALLOCATED_GROWTH (512 << 10)
#define SETTLE test_limit (20)

#define TRAINING                                                           \
  "clipbatch batch-size=3 ! queue max-size-buffers=2 "                     \
  "max-size-bytes=0 max-size-time=0 ! cnn3dtrain name=train base-width=4 " \
  "threads=1 progress=false "

static gchar *dir;

static guint
entries (const gchar *path)
{
  GDir *folder = g_dir_open (path, 0, NULL);
  guint n = 0;

  g_assert_nonnull (folder);
  while (g_dir_read_name (folder))
    n++;
  g_dir_close (folder);

  return n;
}

static gint64
resident (void)
{
  gchar *text;
  glong pages;

  g_assert_true (g_file_get_contents ("/proc/self/statm", &text, NULL, NULL));
  pages = strtol (strchr (text, ' '), NULL, 10);
  g_free (text);

  return (gint64) pages * sysconf (_SC_PAGESIZE);
}

/* Allocated bytes: the resident size without the allocator's free memory. Thread caches would
 * count, so they are disabled (meson.build). */
static gint64
allocated (void)
{
  struct mallinfo2 info = mallinfo2 ();

  return (gint64) info.uordblks + (gint64) info.hblkhd;
}

/* Waits until background threads have stopped. */
static guint
settled (const gchar *path, guint bound)
{
  gint64 deadline = g_get_monotonic_time () + SETTLE;
  guint n;

  for (;;) {
    g_thread_pool_stop_unused_threads ();
    n = entries (path);
    if (n <= bound || g_get_monotonic_time () > deadline)
      return n;
    g_usleep (10000);
  }
}

/* The minimum after a while. */
static guint
at_rest (const gchar *path)
{
  guint least = G_MAXUINT;

  for (guint i = 0; i < 50; i++) {
    g_thread_pool_stop_unused_threads ();
    least = MIN (least, entries (path));
    g_usleep (10000);
  }

  return least;
}

static void
make_videos (void)
{
  const gchar *const classes[] = { "ball", "smpte" };

  for (guint i = 0; i < 8; i++) {
    gchar *folder = g_build_filename (dir, "clips", classes[i % 2], NULL);
    gchar *line =
        g_strdup_printf ("videotestsrc pattern=%s horizontal-speed=%u num-buffers=12 ! "
                         "video/x-raw,format=I420,width=48,height=40,framerate=12/1 ! x264enc "
                         "speed-preset=ultrafast threads=1 ! mp4mux ! filesink location=%s/%u.mp4",
            classes[i % 2], i + 1, folder, i);

    g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
    run_line (line);
    g_free (line);
    g_free (folder);
  }
}

typedef struct {
  guint steps, errors, stops[3]; /* stops: before, in and after step 1 */
} Seen;

/* Plays the pipeline for this many microseconds, or until its first step, and counts its
 * messages. */
static void
play (GstElement *pipeline, gint64 microseconds, gboolean to_step, Seen *seen)
{
  GstBus *bus = gst_element_get_bus (pipeline);
  gint64 end = g_get_monotonic_time () + microseconds;
  gboolean begun = FALSE;
  guint steps = 0;
  GstMessage *message;

  for (;;) {
    gint64 left = end - g_get_monotonic_time ();
    const GstStructure *s;

    if (to_step && left <= 0 && steps == 0 && left > -test_limit (60))
      left = G_USEC_PER_SEC;
    message = gst_bus_timed_pop (bus, MAX (left, 0) * GST_USECOND);
    if (!message && left <= 0)
      break;
    if (!message)
      continue;
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
      GError *error;

      gst_message_parse_error (message, &error, NULL);
      g_test_message ("%s", error->message);
      g_error_free (error);
      seen->errors++;
    }
    s = GST_MESSAGE_TYPE (message) == GST_MESSAGE_ELEMENT ? gst_message_get_structure (message)
                                                          : NULL;
    if (s && gst_structure_has_name (s, "cnn3dtrain-plan"))
      begun = TRUE;
    if (s && gst_structure_has_name (s, "cnn3dtrain-step"))
      steps++;
    gst_message_unref (message);
  }
  seen->steps += steps;
  seen->stops[steps ? 2 : begun ? 1 : 0]++;
  gst_object_unref (bus);
}

/* A pipeline is used 40 times, then created again: both ways are tested. trains: steps are
 * expected. */
static void
cycle (const gchar *line, gint longest, gboolean trains, Seen *seen)
{
  const guint cycles = g_getenv ("GST_TRACERS") ? MIN (TRACED_CYCLES, CYCLES) : CYCLES;
  GstElement *pipeline = NULL;
  guint threads = 0, files = 0, now;
  gint64 size = 0, used = 0, after;
  GError *error = NULL;

  memset (seen, 0, sizeof *seen);
  for (guint i = 0; i < cycles; i++) {
    if (!pipeline) {
      pipeline = gst_parse_launch (line, &error);
      g_assert_no_error (error);
    }
    g_assert_cmpint (
        gst_element_set_state (pipeline, GST_STATE_PLAYING), !=, GST_STATE_CHANGE_FAILURE);
    if (longest)
      play (pipeline, g_test_rand_int_range (0, longest), trains && i % STEP_CYCLES == 0, seen);
    g_assert_cmpint (
        gst_element_set_state (pipeline, GST_STATE_NULL), ==, GST_STATE_CHANGE_SUCCESS);
    if (i % 40 == 39 || i + 1 == WARM_UP)
      gst_clear_object (&pipeline);
    if (i + 1 == WARM_UP) {
      threads = at_rest ("/proc/self/task");
      files = at_rest ("/proc/self/fd");
      malloc_trim (0);
      size = resident ();
      used = allocated ();
    }
  }
  gst_clear_object (&pipeline);

  now = settled ("/proc/self/task", threads);
  g_test_message ("%u threads, %u after the warm-up", now, threads);
  g_assert_cmpuint (now, <=, threads);
  now = settled ("/proc/self/fd", files);
  g_test_message ("%u open files, %u after the warm-up", now, files);
  g_assert_cmpuint (now, <=, files);
  malloc_trim (0);
  after = resident ();
  g_test_message ("%.1f MB resident, %.1f after the warm-up", after / 1e6, size / 1e6);
  g_assert_cmpint (after - size, <=, GROWTH);
  after = allocated ();
  g_test_message ("%.2f MB allocated, %.2f after the warm-up", after / 1e6, used / 1e6);
  g_assert_cmpint (after - used, <=, ALLOCATED_GROWTH);
}

static void
cycle_data (const gchar *checkpoint)
{
  gchar *line = g_strdup_printf (
      "clipsrc location=%s/clips epochs=100000 num-folds=2 num-workers=2 clip-bin=\"clipsample "
      "num-frames=8 ! videoconvertscale add-borders=false ! "
      "video/x-raw,format=RGB,width=16,height=16 ! clipdiff ! clipaugment\" ! " TRAINING "%s%s",
      dir, checkpoint[0] ? "checkpoint-dir=" : "", checkpoint);
  Seen seen;

  cycle (line, 120000, TRUE, &seen);
  g_test_message ("stopped %u times before training, %u before the first step, %u later; %u steps",
      seen.stops[0], seen.stops[1], seen.stops[2], seen.steps);
  g_assert_cmpuint (seen.errors, ==, 0);
  /* stopped in all of these phases, else the test proves nothing */
  g_assert_cmpuint (seen.stops[0], >, 0);
  g_assert_cmpuint (seen.stops[2], >, 2);
  g_assert_cmpuint (seen.steps, >, 2);
  g_free (line);
}

static void
test_data (void)
{
  cycle_data ("");
}

static void
test_checkpoints (void)
{
  gchar *folder = g_build_filename (dir, "run", NULL);

  cycle_data (folder);
  g_free (folder);
}

/* Stopped at once: before or just as the first data arrives. */
static void
test_at_once (void)
{
  gchar *line = g_strdup_printf (
      "clipsrc location=%s/clips num-workers=2 clip-bin=\"clipsample num-frames=8 ! "
      "videoconvertscale ! video/x-raw,format=RGB,width=16,height=16\" ! " TRAINING,
      dir);
  Seen seen;

  cycle (line, 0, FALSE, &seen);
  g_free (line);
}

static void
test_no_data (void)
{
  Seen seen;

  cycle ("appsrc caps=video/x-raw,format=RGB,width=16,height=16,framerate=12/1 ! clipsample "
         "num-frames=8 ! " TRAINING "num-classes=2",
      2000, FALSE, &seen);
  g_assert_cmpuint (seen.errors, ==, 0);
  g_assert_cmpuint (seen.steps, ==, 0);
}

int
main (int argc, char **argv)
{
  gchar *line;
  int ret;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  dir = g_dir_make_tmp ("cycles-XXXXXX", NULL);
  g_assert_nonnull (dir);
  make_videos ();
  /* a decoder's plug-in stays loaded: the test that loads it comes first */
  g_test_add_func ("/cycles/data", test_data);
  g_test_add_func ("/cycles/checkpoints", test_checkpoints);
  g_test_add_func ("/cycles/at-once", test_at_once);
  g_test_add_func ("/cycles/no-data", test_no_data);
  ret = g_test_run ();
  line = g_strdup_printf ("rm -r '%s'", dir);
  g_assert_cmpint (system (line), ==, 0);
  g_free (line);
  g_free (dir);
  gst_deinit ();

  return ret;
}
