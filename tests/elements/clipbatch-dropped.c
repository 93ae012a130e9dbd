/* clipbatch-dropped.c: reports of clips that cannot be read or end early, whose files have names
 * that are not UTF-8.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clips.h"
#include "cliprun.h"

#define LATIN_1 "caf\xe9"
#define VALID "caf\xef\xbf\xbd"

static void
assert_string (const GstStructure *s, const gchar *field, const gchar *part)
{
  const gchar *text = gst_structure_get_string (s, field);

  g_assert_nonnull (text);
  g_assert_true (g_utf8_validate (text, -1, NULL));
  g_test_message ("%s", text);
  g_assert_nonnull (strstr (text, part));
}

static void
test_ended_early (void)
{
  GstHarness *h = gst_harness_new_parse ("clipbatch batch-size=1");
  GstClipMeta m = { .clip = 1, .num_frames = 4, .path = g_ref_string_new (LATIN_1 ".mp4") };
  GstBus *bus = gst_bus_new ();
  GstMessage *message;

  gst_element_set_bus (h->element, bus);
  gst_harness_set_src_caps_str (h, CLIPS_GRAY);
  clips_push (h, &m, 0, 2);
  gst_harness_push_event (h, gst_event_new_eos ());
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT);
  g_assert_nonnull (message);
  g_assert_true (gst_message_has_name (message, "clipbatch-dropped"));
  assert_string (gst_message_get_structure (message), "path", VALID ".mp4");
  assert_string (gst_message_get_structure (message), "reason", "ended after 3 of 4 frames");
  gst_message_unref (message);
  gst_element_set_bus (h->element, NULL);
  gst_object_unref (bus);
  g_ref_string_release (m.path);
  gst_harness_teardown (h);
}

/* The reason names a picture. */
static void
test_unreadable (void)
{
  gchar *csv = write_text ("latin.csv", "path,label\npictures,x\nup.mp4,y\nup.mp4,x\n");
  gchar *properties = g_strdup_printf ("location=%s shuffle=false", csv);
  gchar *folder = in_dir ("pictures");
  Run *run;

  g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
  for (guint i = 0; i < 3; i++) {
    gchar *name = g_strdup_printf ("pictures/" LATIN_1 "_%04u.png", i);

    g_free (write_text (name, ""));
    g_free (name);
  }
  run = run_new (properties);
  run_play (run);
  g_assert_true (run->eos);
  g_assert_cmpuint (run->skipped->len, ==, 1);
  g_assert_nonnull (strstr (g_ptr_array_index (run->skipped, 0), VALID "_0000.png"));
  g_assert_true (g_utf8_validate (g_ptr_array_index (run->skipped, 0), -1, NULL));
  run_free (run);
  g_free (folder);
  g_free (properties);
  g_free (csv);
}

int
main (int argc, char **argv)
{
  int ret;

  cliprun_init (&argc, &argv);
  g_test_add_func ("/clipbatch-dropped/ended-early", test_ended_early);
  g_test_add_func ("/clipbatch-dropped/unreadable", test_unreadable);
  ret = g_test_run ();
  cliprun_deinit ();

  return ret;
}
