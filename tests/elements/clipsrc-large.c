/* clipsrc-large.c: clips so large that their first frames are sent before the last ones are
 * decoded, which may fail.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cliprun.h"

#define PICTURES 16
#define SCALED " ! videoconvertscale ! video/x-raw,format=RGB,width=32,height=32"
#define SAMPLED " ! clipsample num-frames=16"

typedef struct {
  GString *batches;       /* a checksum per batch */
  guint skipped, dropped; /* clip-skipped events, clipbatch-dropped messages */
  guint aborted;          /* clip-aborted events */
  gchar *error;
} Seen;

/* The last three pictures of a damaged clip are empty. */
static void
make_pictures (const gchar *name, const gchar *pattern, gboolean damaged)
{
  gchar *folder = in_dir (name);
  gchar *line = g_strdup_printf (
      "videotestsrc pattern=%s num-buffers=%d ! video/x-raw,format=RGB,width=1920,height=1080 ! "
      "pngenc compression-level=1 ! multifilesink location=\"%s/%%02d.png\"",
      pattern, PICTURES, folder);

  g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
  run_line (line);
  for (guint i = PICTURES - 3; damaged && i < PICTURES; i++) {
    gchar *path = g_strdup_printf ("%s/%02u.png", folder, i);

    g_assert_true (g_file_set_contents (path, "", 0, NULL));
    g_free (path);
  }
  g_free (line);
  g_free (folder);
}

static GstPadProbeReturn
see_batch (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Seen *seen = data;

  if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    GstMapInfo map;
    gchar *sum;

    g_assert_true (gst_buffer_map (GST_PAD_PROBE_INFO_BUFFER (info), &map, GST_MAP_READ));
    sum = g_compute_checksum_for_data (G_CHECKSUM_MD5, map.data, map.size);
    g_string_append_printf (seen->batches, "%s ", sum);
    g_free (sum);
    gst_buffer_unmap (GST_PAD_PROBE_INFO_BUFFER (info), &map);
  } else {
    const GstStructure *s = gst_event_get_structure (GST_PAD_PROBE_INFO_EVENT (info));

    seen->skipped += gst_event_parse_clip_skipped (GST_PAD_PROBE_INFO_EVENT (info), NULL);
    seen->aborted += s && gst_structure_has_name (s, "clip-aborted");
  }

  return GST_PAD_PROBE_OK;
}

static void
play (const gchar *manifest, guint workers, const gchar *rest, Seen *seen)
{
  gchar *line =
      g_strdup_printf ("clipsrc location=\"%s\" shuffle=false num-workers=%u%s ! clipbatch "
                       "batch-size=1 ! fakesink name=sink sync=false",
          manifest, workers, rest);
  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch (line, &error);
  GstElement *sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  GstPad *pad = gst_element_get_static_pad (sink, "sink");
  GstBus *bus = gst_element_get_bus (pipeline);
  gboolean ended = FALSE;

  g_assert_no_error (error);
  *seen = (Seen) { .batches = g_string_new (NULL) };
  gst_pad_add_probe (
      pad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, see_batch, seen, NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (!ended) {
    GstMessage *message = gst_bus_timed_pop_filtered (
        bus, LIMIT, GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_ELEMENT);

    g_assert_nonnull (message);
    ended = GST_MESSAGE_TYPE (message) != GST_MESSAGE_ELEMENT;
    seen->dropped += gst_message_has_name (message, "clipbatch-dropped");
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
      gst_message_parse_error (message, &error, NULL);
      seen->error = g_strdup (error->message);
      g_clear_error (&error);
    }
    gst_message_unref (message);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (pad);
  gst_object_unref (sink);
  gst_object_unref (pipeline);
  g_free (line);
}

static void
seen_clear (Seen *seen)
{
  g_string_free (seen->batches, TRUE);
  g_free (seen->error);
}

/* Runs a line without workers, where clips are complete before they are sent, and with so many
 * that they are not. Both skip the same. */
static void
assert_same (const gchar *manifest, const gchar *rest, guint skipped, const gchar *failure)
{
  Seen few, many;

  g_test_message ("%s", rest);
  play (manifest, 0, rest, &few);
  play (manifest, 8, rest, &many);
  g_assert_cmpstr (few.batches->str, ==, many.batches->str);
  /* otherwise the share is too large for this test */
  g_assert_cmpuint (few.aborted, ==, 0);
  g_assert_cmpuint (many.aborted, ==, 1);
  for (guint i = 0; i < 2; i++) {
    Seen *seen = i ? &many : &few;

    if (failure) {
      g_assert_nonnull (seen->error);
      g_assert_nonnull (strstr (seen->error, failure));
    } else {
      g_assert_cmpstr (seen->error, ==, NULL);
      g_assert_cmpuint (seen->batches->len, >, 0);
    }
    g_assert_cmpuint (seen->skipped, ==, skipped);
    g_assert_cmpuint (seen->dropped, ==, 0);
    seen_clear (seen);
  }
}

static void
test_skipped (void)
{
  gchar *manifest = write_text ("large.csv", "path,label\ndamaged,x\nwhole,y\nwhole,x\n");

  assert_same (manifest, SAMPLED SCALED, 1, NULL);
  assert_same (manifest, " clip-bin=\"clipsample num-frames=16\"" SCALED, 1, NULL);
  assert_same (manifest, SCALED, 1, NULL);
  assert_same (manifest, " on-error=stop" SAMPLED SCALED, 0, "cannot be read");
  g_free (manifest);
}

/* The mask tells of a view that failed, and the clip is not skipped. */
static void
test_views (void)
{
  gchar *manifest = write_text ("views.csv",
      "path,label,group,view,split\nwhole,x,one,a,train\ndamaged,x,one,b,train\n"
      "whole,y,two,a,train\nwhole,y,two,b,train\nwhole,x,three,a,val\ndamaged,x,three,b,val\n");

  assert_same (manifest, " passes=train" SAMPLED SCALED, 0, NULL);
  assert_same (manifest, " passes=train clip-bin=\"clipsample num-frames=16\"" SCALED, 0, NULL);
  /* the first part of the failed view was complete */
  assert_same (manifest,
      " passes=val ! clipsample num-frames=4 frame-interval=1 clips-per-video=3" SCALED, 0, NULL);
  g_free (manifest);
}

int
main (int argc, char **argv)
{
  int ret;

  cliprun_init (&argc, &argv);
  make_pictures ("whole", "ball", FALSE);
  make_pictures ("damaged", "ball", TRUE);
  g_test_add_func ("/clipsrc-large/skipped", test_skipped);
  g_test_add_func ("/clipsrc-large/views", test_views);
  ret = g_test_run ();
  cliprun_deinit ();

  return ret;
}
