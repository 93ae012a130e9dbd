/* clipsrc-ranks.c: processes that share the clips of a run, and the batches that they get.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cliprun.h"

#define TRAINING 13
#define VALIDATION 3
#define EPOCHS 2

/* What one process received. */
typedef struct {
  GPtrArray *batches; /* a line each, which begins with its offset */
  GString *passes;    /* a word for the begin and the end of each */
  gchar *error;       /* NULL: none */
} Share;

static GstPadProbeReturn
see_batch (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Share *share = data;
  GstClipEpochDone done;
  GstClipEpoch epoch;
  GstBuffer *buffer;
  GstMapInfo map;
  GChecksum *sum;

  if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    buffer = GST_PAD_PROBE_INFO_BUFFER (info);
    sum = g_checksum_new (G_CHECKSUM_MD5);
    g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_READ));
    g_checksum_update (sum, map.data, map.size);
    gst_buffer_unmap (buffer, &map);
    g_ptr_array_add (share->batches,
        g_strdup_printf ("%03" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT ", %u clips: %s",
            GST_BUFFER_OFFSET (buffer), GST_BUFFER_OFFSET_END (buffer),
            gst_buffer_get_n_meta (buffer, GST_CLIP_META_API_TYPE), g_checksum_get_string (sum)));
    g_checksum_free (sum);
  } else if (gst_event_parse_clip_epoch (GST_PAD_PROBE_INFO_EVENT (info), &epoch)) {
    g_assert_cmpuint (epoch.clips, ==, epoch.training ? TRAINING : VALIDATION);
    g_string_append_printf (share->passes, "%c%u:%" G_GUINT64_FORMAT " ",
        epoch.training ? 'T' : 'V', epoch.epoch, epoch.clips - epoch.other_clips);
  } else if (gst_event_parse_clip_epoch_done (GST_PAD_PROBE_INFO_EVENT (info), &done)) {
    g_string_append_printf (share->passes,
        "%" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT " ", done.delivered,
        done.skipped, done.position);
  }

  return GST_PAD_PROBE_OK;
}

static void
share_init (Share *share)
{
  *share = (Share) { g_ptr_array_new_with_free_func (g_free), g_string_new (NULL), NULL };
}

static void
share_clear (Share *share)
{
  g_ptr_array_unref (share->batches);
  g_string_free (share->passes, TRUE);
  g_free (share->error);
}

static void
run_rank (Share *share, const gchar *csv, guint rank, guint world, guint batch, guint workers,
    const gchar *more)
{
  gchar *line = g_strdup_printf (
      "clipsrc name=src location=%s epochs=%u seed=7 rank=%u world-size=%u num-workers=%u "
      "clip-bin=\"clipsample num-frames=2 ! videoconvertscale ! "
      "video/x-raw,format=RGB,width=16,height=16\" ! clipbatch batch-size=%u %s ! fakesink "
      "name=sink "
      "sync=false",
      csv, EPOCHS, rank, world, workers, batch, more);
  GstElement *pipeline, *sink;
  GstMessage *message;
  GError *error = NULL;
  GstBus *bus;
  GstPad *pad;

  share_init (share);
  pipeline = gst_parse_launch (line, &error);
  g_assert_no_error (error);
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  pad = gst_element_get_static_pad (sink, "sink");
  gst_pad_add_probe (
      pad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, see_batch, share, NULL);
  gst_object_unref (pad);
  gst_object_unref (sink);
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, LIMIT, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    gst_message_parse_error (message, &error, NULL);
    share->error = g_strdup (error->message);
    g_error_free (error);
  }
  gst_message_unref (message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (pipeline);
  g_free (line);
}

/* bad: the row whose file is missing; -1: none. */
static gchar *
write_rows (gint bad)
{
  GString *text = g_string_new ("path,label,start,end,split\n");
  gchar *path;

  for (gint i = 0; i < TRAINING + VALIDATION; i++)
    g_string_append_printf (text, "%s,%s,%g,%g,%s\n", i == bad ? "missing.mp4" : video,
        i % 2 ? "x" : "y", 0.1 * i, 0.1 * i + 0.2, i < TRAINING ? "train" : "val");
  path = write_text ("ranks.csv", text->str);
  g_string_free (text, TRUE);

  return path;
}

static gint
compare_lines (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const gchar *const *) a, *(const gchar *const *) b);
}

/* All ranks together get the batches of one process, and none of them twice. */
static void
check_ranks (const gchar *csv, guint world, guint batch, guint workers, const gchar *more)
{
  GPtrArray *lines = g_ptr_array_new ();
  Share *shares = g_new (Share, world), whole;

  run_rank (&whole, csv, 0, 1, batch, workers, more);
  g_assert_null (whole.error);
  for (guint r = 0; r < world; r++) {
    run_rank (&shares[r], csv, r, world, batch, workers, more);
    g_assert_null (shares[r].error);
    g_test_message ("rank %u of %u: %s", r, world, shares[r].passes->str);
    for (guint i = 0; i < shares[r].batches->len; i++)
      g_ptr_array_add (lines, g_ptr_array_index (shares[r].batches, i));
  }
  g_ptr_array_sort (lines, compare_lines);
  g_assert_cmpuint (lines->len, ==, whole.batches->len);
  for (guint i = 0; i < lines->len; i++)
    g_assert_cmpstr (g_ptr_array_index (lines, i), ==, g_ptr_array_index (whole.batches, i));
  for (guint r = 0; r < world; r++)
    share_clear (&shares[r]);
  share_clear (&whole);
  g_ptr_array_unref (lines);
  g_free (shares);
}

static void
test_shares (void)
{
  gchar *csv = write_rows (-1);

  for (guint world = 2; world <= 4; world++)
    for (guint batch = 1; batch <= 3; batch++)
      check_ranks (csv, world, batch, world % 3, "");
  g_free (csv);
}

/* A rank begins and ends each pass, also one without a clip of its own. */
static void
test_passes (void)
{
  gchar *csv = write_rows (-1);
  Share share;

  run_rank (&share, csv, 3, 4, 3, 0, "");
  g_assert_cmpstr (share.passes->str, ==, "T0:3 3-0/13 V0:0 0-0/16 T1:3 3-0/29 V1:0 0-0/32 ");
  share_clear (&share);
  g_free (csv);
}

/* A clip that cannot be read makes its own batch shorter, and no other one differ. */
static void
test_skipped (void)
{
  gchar *csv = write_rows (-1), *broken;
  guint others = 0, shorter = 0;
  Share good, bad;

  run_rank (&good, csv, 0, 1, 3, 0, "");
  g_free (csv);
  broken = write_rows (4);
  run_rank (&bad, broken, 0, 1, 3, 0, "");
  g_assert_null (bad.error);
  g_assert_cmpuint (bad.batches->len, ==, good.batches->len);
  for (guint i = 0; i < good.batches->len; i++) {
    const gchar *a = g_ptr_array_index (good.batches, i), *b = g_ptr_array_index (bad.batches, i);
    const gchar *end = strstr (a, " to "), *other = strstr (b, " to ");

    if (g_str_equal (a, b)) {
      others++;
      continue;
    }
    /* it ends where it would with all of its clips, wherever the missing one is */
    g_assert_cmpint (strcspn (end, ","), ==, strcspn (other, ","));
    g_assert_cmpint (strncmp (end, other, strcspn (end, ",")), ==, 0);
    g_assert_nonnull (strstr (a, ", 3 clips"));
    g_assert_nonnull (strstr (b, ", 2 clips"));
    shorter++;
  }
  g_assert_cmpuint (shorter, ==, EPOCHS);
  g_assert_cmpuint (others, ==, good.batches->len - EPOCHS);
  check_ranks (broken, 3, 3, 1, "");
  share_clear (&good);
  share_clear (&bad);
  g_free (broken);
}

/* Alone in its batch, it leaves the batch out; the others stay as they are. */
static void
test_batch_left_out (void)
{
  gchar *csv = write_rows (5);

  check_ranks (csv, 2, 1, 0, "");
  check_ranks (csv, 3, 2, 2, "");
  g_free (csv);
}

/* drop-last drops the pass's last batch where it is short, and no rank's own last one. */
static void
test_drop_last (void)
{
  for (gint bad = 0; bad < TRAINING; bad += 3) {
    gchar *csv = write_rows (bad);

    check_ranks (csv, 2, 3, 0, "drop-last=true");
    g_free (csv);
  }
}

static void
test_too_few (void)
{
  gchar *csv = write_rows (-1);
  Share share;

  run_rank (&share, csv, 5, 6, 3, 0, "");
  g_assert_cmpstr (share.error, ==,
      "The training pass has 13 clips, 5 batches of 3, but world-size is 6: each process needs a "
      "batch. Reduce batch-size or world-size.");
  g_assert_cmpuint (share.batches->len, ==, 0);
  share_clear (&share);
  g_free (csv);
}

int
main (int argc, char **argv)
{
  gint result;

  cliprun_init (&argc, &argv);
  g_test_add_func ("/clipsrc-ranks/shares", test_shares);
  g_test_add_func ("/clipsrc-ranks/passes", test_passes);
  g_test_add_func ("/clipsrc-ranks/skipped", test_skipped);
  g_test_add_func ("/clipsrc-ranks/batch-left-out", test_batch_left_out);
  g_test_add_func ("/clipsrc-ranks/drop-last", test_drop_last);
  g_test_add_func ("/clipsrc-ranks/too-few", test_too_few);
  result = g_test_run ();
  cliprun_deinit ();

  return result;
}
