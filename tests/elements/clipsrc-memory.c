/* clipsrc-memory.c: a decoder that prefers GPU memory outputs frames in memory that clip-bin can
 * read.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gst/gst.h>
#include <stdlib.h>
#include <glib/gstdio.h>

#include "runline.h"

#define GPU "memory:CUDAMemory"
#define WIDTH 64
#define HEIGHT 48

static guint gpu_frames, plain_frames;

/* The decoder: H.264 in, grey frames out, in the first of the allowed memory types, as NVDEC's
 * decoders choose */

typedef struct {
  GstElement parent;
  GstPad *sink, *src;
  gboolean on_gpu;
} FakeDecoder;

typedef struct {
  GstElementClass parent;
} FakeDecoderClass;

GType fake_decoder_get_type (void);
G_DEFINE_TYPE (FakeDecoder, fake_decoder, GST_TYPE_ELEMENT);

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-h264"));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS,
        GST_STATIC_CAPS ("video/x-raw(" GPU
                         ",format:Interlaced),format=I420,interlace-mode=alternate;video/x-raw(" GPU
                         "),format=I420;video/x-raw,format=I420"));

static gboolean
fake_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  FakeDecoder *self = (FakeDecoder *) parent;
  GstCaps *allowed, *caps;
  gboolean ok;

  if (GST_EVENT_TYPE (event) != GST_EVENT_CAPS)
    return gst_pad_event_default (pad, parent, event);
  gst_event_unref (event);
  allowed = gst_pad_get_allowed_caps (self->src);
  if (!allowed || gst_caps_is_empty (allowed)) {
    gst_clear_caps (&allowed);
    return FALSE;
  }
  self->on_gpu = gst_caps_features_contains (gst_caps_get_features (allowed, 0), GPU);
  gst_caps_unref (allowed);
  caps = gst_caps_from_string (self->on_gpu ? "video/x-raw(" GPU ")" : "video/x-raw");
  gst_caps_set_simple (caps, "format", G_TYPE_STRING, "I420", "width", G_TYPE_INT, WIDTH, "height",
      G_TYPE_INT, HEIGHT, "framerate", GST_TYPE_FRACTION, 12, 1, NULL);
  ok = gst_pad_push_event (self->src, gst_event_new_caps (caps));
  gst_caps_unref (caps);

  return ok;
}

static GstFlowReturn
fake_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  FakeDecoder *self = (FakeDecoder *) parent;
  const gsize size = WIDTH * HEIGHT * 3 / 2;
  GstBuffer *frame = gst_buffer_new_allocate (NULL, size, NULL);

  gst_buffer_memset (frame, 0, 128, size);
  gst_buffer_copy_into (frame, buffer, GST_BUFFER_COPY_TIMESTAMPS, 0, -1);
  gst_buffer_unref (buffer);
  if (self->on_gpu)
    gpu_frames++;
  else
    plain_frames++;

  return gst_pad_push (self->src, frame);
}

static void
fake_decoder_class_init (FakeDecoderClass *klass)
{
  GstElementClass *element = GST_ELEMENT_CLASS (klass);

  gst_element_class_set_static_metadata (
      element, "Fake decoder", "Codec/Decoder/Video", "Decodes nothing", "The tests");
  gst_element_class_add_static_pad_template (element, &sink_template);
  gst_element_class_add_static_pad_template (element, &src_template);
}

static void
fake_decoder_init (FakeDecoder *self)
{
  self->sink = gst_pad_new_from_static_template (&sink_template, "sink");
  self->src = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_set_event_function (self->sink, fake_event);
  gst_pad_set_chain_function (self->sink, fake_chain);
  gst_element_add_pad (GST_ELEMENT (self), self->sink);
  gst_element_add_pad (GST_ELEMENT (self), self->src);
}

/* The run */

/* The memory in which frames reach a clip-bin. */
static void
decode (const gchar *folder, const gchar *clip_bin, gboolean on_gpu)
{
  gchar *line =
      g_strdup_printf ("clipsrc location=%s on-error=stop num-workers=1 clip-bin=\"%s\" ! fakesink",
          folder, clip_bin);

  gpu_frames = plain_frames = 0;
  run_line (line);
  g_assert_cmpuint (gpu_frames > 0, ==, on_gpu);
  g_assert_cmpuint (plain_frames > 0, ==, !on_gpu);
  g_free (line);
}

static void
make_videos (const gchar *dir)
{
  const gchar *const classes[] = { "ball", "snow" };

  for (guint i = 0; i < G_N_ELEMENTS (classes); i++) {
    gchar *folder = g_build_filename (dir, classes[i], NULL);
    gchar *line =
        g_strdup_printf ("videotestsrc pattern=%s num-buffers=12 ! "
                         "video/x-raw,format=I420,width=%d,height=%d,framerate=12/1 ! x264enc "
                         "speed-preset=ultrafast ! mp4mux ! filesink location=%s/0.mp4",
            classes[i], WIDTH, HEIGHT, folder);

    g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
    run_line (line);
    g_free (line);
    g_free (folder);
  }
}

static void
test_memory (void)
{
  gchar *dir = g_dir_make_tmp ("clipsrc-XXXXXX", NULL);
  gchar *line = g_strdup_printf ("rm -r '%s'", dir);

  make_videos (dir);
  g_assert_true (gst_element_register (NULL, "fakedecoder", G_MAXINT, fake_decoder_get_type ()));
  /* downstream reads system memory only */
  decode (dir,
      "clipsample num-frames=4 ! videoconvertscale ! video/x-raw,format=RGB,width=16,height=16",
      FALSE);
  /* it accepts GPU memory */
  decode (dir, "clipsample num-frames=4 ! video/x-raw(" GPU ")", TRUE);
  /* it accepts both: the decoder's own preference */
  decode (dir, "clipsample num-frames=4", TRUE);
  g_assert_cmpint (system (line), ==, 0);
  g_free (line);
  g_free (dir);
}

int
main (int argc, char **argv)
{
  int ret;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/clipsrc/memory", test_memory);
  ret = g_test_run ();
  gst_deinit ();

  return ret;
}
