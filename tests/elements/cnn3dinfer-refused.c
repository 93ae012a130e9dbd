/* cnn3dinfer-refused.c: video that cnn3dinfer rejects.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inferrig.h"

static gboolean no_converter;

/* Replaces the library's function */
__attribute__ ((visibility ("default"))) GstVideoConverter *
gst_video_converter_new (const GstVideoInfo *in, const GstVideoInfo *out, GstStructure *options)
{
  if (no_converter) {
    gst_structure_free (options);
    return NULL;
  }

  return gst_video_converter_new_with_pool (in, out, options, NULL);
}

static void
test_no_video (void)
{
  static const gchar *const bad[] = {
    "video/x-raw,format=RGB,width=2147483647,height=2147483647,framerate=25/1",
    "video/x-raw,format=RGB,width=48,height=40,framerate=25/1,interlace-mode=alternate"
  };
  gchar *model = write_model ("plain.safetensors", &plain);
  Rig r = rig_new (model, "");
  GstPad *pad = gst_element_get_static_pad (r.element, "sink");

  push_on (&r, 1);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    GstCaps *caps = gst_caps_from_string (bad[i]);

    g_assert_false (gst_pad_send_event (pad, gst_event_new_caps (caps)));
    gst_caps_unref (caps);
    assert_says (pop (r.bus, GST_MESSAGE_ERROR, NULL, 0),
        "The caps in front of cnn3dinfer are not valid raw video: check the frames' size and "
        "interlace-mode.");
  }
  gst_object_unref (pad);
  rig_free (&r);
  g_free (model);
}

static void
test_no_converter (void)
{
  gchar *model = write_model ("plain.safetensors", &plain);
  Rig r = rig_new (model, "");

  no_converter = TRUE;
  g_assert_cmpint (gst_harness_push (r.h, make_frame (0)), ==, GST_FLOW_NOT_NEGOTIATED);
  no_converter = FALSE;
  assert_says (pop (r.bus, GST_MESSAGE_ERROR, NULL, 0),
      "Video in RGB cannot be scaled to the model's 32x32: put a videoconvert in front of "
      "cnn3dinfer.");
  rig_free (&r);
  g_free (model);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);

  g_test_add_func ("/cnn3dinfer-refused/no-video", test_no_video);
  g_test_add_func ("/cnn3dinfer-refused/no-converter", test_no_converter);

  return run_in_folder ();
}
