/* clipsrc-elements.c: clipsrc's messages when elements that demux, decode or filter a file fail
 * without an error of their own.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cliprun.h"

#define FILE_TYPE "video/x-fake"
#define PACKETS "video/x-fake-packets"
/* four packets of this size are not kept in memory: they are read again */
#define LARGE (10 * 1024 * 1024)

/* Fault of the next demuxer, decoder or filter */
typedef enum {
  NOTHING_IS_WRONG,
  READER_DOES_NOT_START,
  READER_READS_ON, /* past the end of the file */
  READER_REFUSES_LINK,
  READER_CHANGES, /* outputs other packets each time */
  DECODER_DOES_NOT_START,
  DECODER_FAILS,
  DECODER_DROPS,
  FILTER_DOES_NOT_START,
} Fault;

static Fault fault;
static const gchar *stream_caps; /* output of the demuxer */
static guint readings;           /* number of its runs */

typedef struct {
  GstElement parent;
  GstPad *sink, *src;
} Fake;
typedef GstElementClass FakeClass;
typedef Fake FakeReader, FakeDecoder, FakeFilter;
typedef FakeClass FakeReaderClass, FakeDecoderClass, FakeFilterClass;

GType fake_reader_get_type (void);
GType fake_decoder_get_type (void);
GType fake_filter_get_type (void);
G_DEFINE_TYPE (FakeReader, fake_reader, GST_TYPE_ELEMENT);
G_DEFINE_TYPE (FakeDecoder, fake_decoder, GST_TYPE_ELEMENT);
G_DEFINE_TYPE (FakeFilter, fake_filter, GST_TYPE_ELEMENT);

static GstStaticPadTemplate file_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (FILE_TYPE));
static GstStaticPadTemplate stream_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_SOMETIMES, GST_STATIC_CAPS_ANY);
static GstStaticPadTemplate packets_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (PACKETS));
static GstStaticPadTemplate frames_in_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw"));
static GstStaticPadTemplate frames_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw"));

static GstStateChangeReturn
start (GstElement *element, GstStateChange transition, gpointer parent_class, Fault not)
{
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && fault == not)
    return GST_STATE_CHANGE_FAILURE;

  return GST_ELEMENT_CLASS (parent_class)->change_state (element, transition);
}

/* The demuxer */

static void
give_packets (Fake *self)
{
  const gsize size = fault == READER_CHANGES ? LARGE + readings : 100;
  GstSegment segment;

  readings++;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (self->src, gst_event_new_segment (&segment));
  for (guint i = 0; i < 4; i++) {
    GstBuffer *buffer = gst_buffer_new_allocate (NULL, size, NULL);

    gst_buffer_memset (buffer, 0, i, size);
    GST_BUFFER_PTS (buffer) = i * GST_SECOND / FPS;
    gst_pad_push (self->src, buffer);
  }
  gst_pad_push_event (self->src, gst_event_new_eos ());
}

static GstPadLinkReturn
refuse_link (GstPad *pad, GstObject *parent, GstPad *peer)
{
  return GST_PAD_LINK_REFUSED;
}

static void
read_file (gpointer data)
{
  Fake *self = data;
  GstCaps *caps;

  if (fault == READER_READS_ON) {
    GstBuffer *buffer = NULL;

    g_assert_cmpint (gst_pad_pull_range (self->sink, 1 << 20, 16, &buffer), !=, GST_FLOW_OK);
    return;
  }
  self->src = gst_pad_new_from_static_template (&stream_template, "src");
  if (fault == READER_REFUSES_LINK)
    gst_pad_set_link_function (self->src, refuse_link);
  gst_pad_set_active (self->src, TRUE);
  caps = gst_caps_from_string (stream_caps);
  gst_pad_push_event (self->src, gst_event_new_stream_start ("fake/0"));
  gst_pad_push_event (self->src, gst_event_new_caps (caps));
  gst_caps_unref (caps);
  gst_element_add_pad (GST_ELEMENT (self), self->src);
  give_packets (self);
  gst_pad_pause_task (self->sink);
}

static gboolean
activate (GstPad *pad, GstObject *parent)
{
  return gst_pad_activate_mode (pad, GST_PAD_MODE_PULL, TRUE);
}

static gboolean
activate_mode (GstPad *pad, GstObject *parent, GstPadMode mode, gboolean active)
{
  return active ? gst_pad_start_task (pad, read_file, parent, NULL) : gst_pad_stop_task (pad);
}

static GstStateChangeReturn
start_reader (GstElement *element, GstStateChange transition)
{
  return start (element, transition, fake_reader_parent_class, READER_DOES_NOT_START);
}

static void
fake_reader_class_init (FakeReaderClass *klass)
{
  gst_element_class_set_static_metadata (
      klass, "Fake reader", "Codec/Demuxer", "Reads nothing", "The tests");
  gst_element_class_add_static_pad_template (klass, &file_template);
  gst_element_class_add_static_pad_template (klass, &stream_template);
  klass->change_state = start_reader;
}

static void
fake_reader_init (FakeReader *self)
{
  self->sink = gst_pad_new_from_static_template (&file_template, "sink");
  gst_pad_set_activate_function (self->sink, activate);
  gst_pad_set_activatemode_function (self->sink, activate_mode);
  gst_element_add_pad (GST_ELEMENT (self), self->sink);
}

/* The decoder */

static gboolean
keep_caps (GstPad *pad, GstObject *parent, GstEvent *event)
{
  if (GST_EVENT_TYPE (event) != GST_EVENT_CAPS)
    return gst_pad_event_default (pad, parent, event);
  gst_event_unref (event);

  return TRUE;
}

static GstFlowReturn
drop (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  gst_buffer_unref (buffer);

  return fault == DECODER_FAILS ? GST_FLOW_ERROR : GST_FLOW_OK;
}

static GstStateChangeReturn
start_decoder (GstElement *element, GstStateChange transition)
{
  return start (element, transition, fake_decoder_parent_class, DECODER_DOES_NOT_START);
}

static void
fake_decoder_class_init (FakeDecoderClass *klass)
{
  gst_element_class_set_static_metadata (
      klass, "Fake decoder", "Codec/Decoder/Video", "Decodes nothing", "The tests");
  gst_element_class_add_static_pad_template (klass, &packets_template);
  gst_element_class_add_static_pad_template (klass, &frames_template);
  klass->change_state = start_decoder;
}

static void
fake_decoder_init (FakeDecoder *self)
{
  self->sink = gst_pad_new_from_static_template (&packets_template, "sink");
  self->src = gst_pad_new_from_static_template (&frames_template, "src");
  gst_pad_set_event_function (self->sink, keep_caps);
  gst_pad_set_chain_function (self->sink, drop);
  gst_element_add_pad (GST_ELEMENT (self), self->sink);
  gst_element_add_pad (GST_ELEMENT (self), self->src);
}

/* The filter */

static GstFlowReturn
hand_on (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  return gst_pad_push (((Fake *) parent)->src, buffer);
}

static GstStateChangeReturn
start_filter (GstElement *element, GstStateChange transition)
{
  return start (element, transition, fake_filter_parent_class, FILTER_DOES_NOT_START);
}

/* A property without a value, as videoconvertscale has them. */
static void
get_nothing (GObject *object, guint id, GValue *value, GParamSpec *spec)
{
  gst_value_set_structure (value, NULL);
}

static void
set_nothing (GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
}

static void
fake_filter_class_init (FakeFilterClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->get_property = get_nothing;
  object_class->set_property = set_nothing;
  g_object_class_install_property (object_class, 1,
      g_param_spec_boxed ("config", "Config", "A structure", GST_TYPE_STRUCTURE,
          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS));
  gst_element_class_set_static_metadata (
      klass, "Fake filter", "Filter", "Changes nothing", "The tests");
  gst_element_class_add_static_pad_template (klass, &frames_in_template);
  gst_element_class_add_static_pad_template (klass, &frames_template);
  klass->change_state = start_filter;
}

static void
fake_filter_init (FakeFilter *self)
{
  self->sink = gst_pad_new_from_static_template (&frames_in_template, "sink");
  self->src = gst_pad_new_from_static_template (&frames_template, "src");
  GST_PAD_SET_PROXY_CAPS (self->sink);
  gst_pad_set_chain_function (self->sink, hand_on);
  gst_element_add_pad (GST_ELEMENT (self), self->sink);
  gst_element_add_pad (GST_ELEMENT (self), self->src);
}

/* The file */

static void
find_fake (GstTypeFind *find, gpointer type)
{
  const guint8 *head = gst_type_find_peek (find, 0, 4);

  if (head && !memcmp (head, "FAKE", 4))
    gst_type_find_suggest_empty_simple (find, GST_TYPE_FIND_MAXIMUM, type);
  else if (head && !memcmp (head, "NONE", 4))
    gst_type_find_suggest_empty_simple (find, GST_TYPE_FIND_MAXIMUM, "video/x-without-demuxer");
}

static void
register_fakes (void)
{
  g_assert_true (gst_type_find_register (
      NULL, "fake", GST_RANK_PRIMARY, find_fake, NULL, NULL, (gpointer) FILE_TYPE, NULL));
  g_assert_true (
      gst_element_register (NULL, "fakereader", GST_RANK_PRIMARY, fake_reader_get_type ()));
  g_assert_true (
      gst_element_register (NULL, "fakedecoder", GST_RANK_PRIMARY, fake_decoder_get_type ()));
  g_assert_true (gst_element_register (NULL, "fakefilter", GST_RANK_NONE, fake_filter_get_type ()));
}

static void
assert_refused (const gchar *file, const gchar *more, const gchar *reason)
{
  gchar *text = g_strdup_printf ("%s,x,val\n%s,y,train\n", file, video);
  gchar *csv = write_text ("one.csv", text);
  gchar *properties = g_strdup_printf ("location=%s passes=val on-error=stop %s", csv, more);
  Run *run = run_new (properties);

  run_play (run);
  g_assert_nonnull (run->error);
  if (!strstr (run->error, reason))
    g_error ("no \"%s\" in \"%s\"", reason, run->error);
  g_assert_cmpuint (run->frames->len, ==, 0);
  run_free (run);
  g_free (properties);
  g_free (csv);
  g_free (text);
}

/* The tests */

static void
test_files (void)
{
  static const struct {
    Fault fault;
    const gchar *caps, *reason;
  } cases[] = {
    { READER_DOES_NOT_START, PACKETS, "the element that reads its format could not be started" },
    { READER_READS_ON, PACKETS, "it is truncated: it ends within its first packets" },
    { READER_REFUSES_LINK, PACKETS, "its video stream could not be linked" },
    { READER_CHANGES, PACKETS, "it changed while it was read" },
    { NOTHING_IS_WRONG, "video/x-without-decoder",
        "no decoder for it is installed (video/x-without-decoder)" },
    { DECODER_DOES_NOT_START, PACKETS,
        "no decoder for it could be started (video/x-fake-packets)" },
    { DECODER_FAILS, PACKETS, "its decoder failed: error" },
    { DECODER_DROPS, PACKETS, "no frame of it could be decoded" },
    { NOTHING_IS_WRONG, "video/x-raw,format=I420,width=64,height=48,framerate=20/1",
        "a raw frame of it has 100 bytes, but its header gives 4608" },
  };
  gchar *file = write_text ("file.fake", "FAKE, as its first bytes say");

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    for (guint workers = 0; workers <= 2; workers += 2) {
      gchar *more = g_strdup_printf ("num-workers=%u", workers);

      g_test_message ("%s, %s", cases[i].reason, more);
      fault = cases[i].fault;
      stream_caps = cases[i].caps;
      assert_refused (file, more, cases[i].reason);
      g_free (more);
    }
  fault = NOTHING_IS_WRONG;
  g_free (file);
}

static void
test_no_reader (void)
{
  gchar *file = write_text ("none.fake", "NONE, as its first bytes say");

  assert_refused (file, "",
      "no GStreamer element that reads its format is installed (video/x-without-demuxer decoder)");
  g_free (file);
}

static void
test_clip_bin (void)
{
  fault = FILTER_DOES_NOT_START;
  assert_refused (video, "clip-bin=\"identity ! fakefilter\"", "clip-bin could not be started");
  fault = NOTHING_IS_WRONG;
}

static void
test_cache (void)
{
  gchar *text = g_strdup_printf ("%s,x,val\n%s,y,train\n", video, video);
  gchar *csv = write_text ("one.csv", text), *cache = in_dir ("cache");
  gchar *properties = g_strdup_printf ("location=%s passes=val num-workers=0 clip-bin=\"fakefilter "
                                       "! clipcache location=%s\"",
      csv, cache);
  guint frames = 0;

  for (guint i = 0; i < 2; i++) {
    Run *run = run_new (properties);

    run_play (run);
    g_assert_true (run->eos);
    g_assert_cmpuint (run->frames->len, >, 0);
    g_assert_true (i == 0 || run->frames->len == frames);
    frames = run->frames->len;
    run_free (run);
  }
  g_free (properties);
  g_free (csv);
  g_free (cache);
  g_free (text);
}

int
main (int argc, char **argv)
{
  int ret;

  cliprun_init (&argc, &argv);
  register_fakes ();
  g_test_add_func ("/clipsrc-elements/files", test_files);
  g_test_add_func ("/clipsrc-elements/no-reader", test_no_reader);
  g_test_add_func ("/clipsrc-elements/clip-bin", test_clip_bin);
  g_test_add_func ("/clipsrc-elements/cache", test_cache);
  ret = g_test_run ();
  cliprun_deinit ();

  return ret;
}
