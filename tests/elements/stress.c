/* stress.c: three threads flush, seek and query each element, set its properties, and change its
 * caps and pads while its state changes up and down. Finds crashes and hangs; the address and
 * thread sanitizers find more (tests/run.sh sanitizers threads).
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inferrig.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "../unit/npyfile.h"
#include "gstclipmeta.h"
#include "runline.h"

#if defined(__SANITIZE_THREAD__)
#define SECONDS 4
#elif defined(__SANITIZE_ADDRESS__)
#define SECONDS 3
#else
#define SECONDS 1.5
#endif
/* A state change, or a thread's end, that takes longer has hung. */
#define HANGS 120
/* Runs longer than its time until this much is done, however slow the machine. */
#define LEAST_CYCLES 3
#define LEAST_BUFFERS 1

typedef enum {
  VIDEO,
  TENSORS,
  NOTHING, /* a source */
} Media;

/* maximum us between disturbances: a source has to reopen a file each time */
static const guint pauses[] = { [VIDEO] = 1000, [TENSORS] = 8000, [NOTHING] = 300000 };

typedef struct {
  const gchar *name;
  Media media;
  const gchar *properties; /* may contain one %s: `folder` */
} Case;

static const Case cases[] = {
  { "clipsrc", NOTHING,
      "location=%s/clips num-workers=1 epochs=1000 clip-bin=\"clipsample num-frames=4 ! "
      "videoconvertscale ! video/x-raw,format=RGB,width=16,height=16\"" },
  { "clipsample", VIDEO, "num-frames=4" },
  { "clipdiff", VIDEO, "" },
  { "clipkpt", VIDEO, "" },
  { "clipaugment", VIDEO, "brightness=0.2" },
  { "clipbatch", VIDEO, "batch-size=2" },
  { "cnn3dtrain", TENSORS,
      "progress=false base-width=4 threads=1 device=cpu log-dir=%s/run num-classes=3" },
  { "cnn3deval", TENSORS, "progress=false threads=1 device=cpu model=%s/model.safetensors" },
  { "cnn3dinfer", VIDEO, "threads=1 device=cpu model=%s/model.safetensors" },
};

/* Not changed: threads would use all of the machine, GPU drivers are not tested here, and progress
 * is printed. */
static const gchar *const kept[] = { "device", "threads", "progress", NULL };

static const gchar *const video_caps[] = {
  "video/x-raw,format=RGB,width=16,height=16,framerate=25/1",
  "video/x-raw,format=GRAY8,width=16,height=8,framerate=25/1",
  "video/x-raw,format=RGB,width=32,height=24,framerate=0/1",
};

#define TENSOR_CAPS                            \
  "other/tensors,format=static,num_tensors=2," \
  "types=uint8.int32,dimensions=3:32:32:4:%u.%u"

typedef struct {
  const Case *is;
  GstElement *element;
  GstPad *from, *to; /* the test's; NULL: the element has none */
  GArray *values;    /* of GValue: initial property values */
  GParamSpec **specs;
  guint n_specs;
  gint stop, buffers; /* atomic */
} Stress;

/* --- random numbers, one sequence per thread --- */

static guint
draw (guint64 *state, guint n)
{
  *state = *state * G_GUINT64_CONSTANT (6364136223846793005) + 1442695040888963407;

  return (*state >> 33) % n;
}

static void
pause_for (guint64 *state, guint most_us)
{
  g_usleep (draw (state, most_us));
}

/* --- hanging --- */

static const gchar *running = "none";

static void
on_alarm (int number)
{
  static const gchar text[] = "not ok - hangs: ";

  if (write (STDOUT_FILENO, text, sizeof text - 1) < 0
      || write (STDOUT_FILENO, running, strlen (running)) < 0 || write (STDOUT_FILENO, "\n", 1) < 0)
    _exit (2);
  abort ();
}

/* Criticals and warnings abort the test, except one: a flush may remove the segment just before a
 * buffer arrives, and GStreamer warns of that. */
static void
on_log (const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer data)
{
  if (!g_strcmp0 (domain, "GStreamer") && level & G_LOG_LEVEL_WARNING)
    return;
  g_log_default_handler (domain, level, message, data);
  if (level & (G_LOG_LEVEL_WARNING | G_LOG_LEVEL_CRITICAL))
    abort ();
}

/* --- the stream --- */

static GstFlowReturn
drop_buffer (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  Stress *s = gst_pad_get_element_private (pad);

  if (s)
    g_atomic_int_inc (&s->buffers);
  gst_buffer_unref (buffer);

  return GST_FLOW_OK;
}

static gboolean
drop_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  gst_event_unref (event);

  return TRUE;
}

static GstPad *
end_pad (const gchar *name, GstPadDirection direction, Stress *s)
{
  /* without a template GStreamer 1.22 answers caps queries with the current caps, without holding a
   * reference to them */
  GstPadTemplate *template = gst_pad_template_new (name, direction, GST_PAD_ALWAYS, GST_CAPS_ANY);
  GstPad *pad = gst_pad_new_from_template (template, name);

  gst_object_unref (template);
  gst_pad_set_element_private (pad, s);
  if (direction == GST_PAD_SINK)
    gst_pad_set_chain_function (pad, drop_buffer);
  gst_pad_set_event_function (pad, drop_event);
  gst_pad_set_active (pad, TRUE);

  return gst_object_ref_sink (pad);
}

/* Four frames with one person of COCO's points in each; a GRefString */
static gchar *points;

static void
write_points (const gchar *in)
{
  gchar *path = g_build_filename (in, "points.npy", NULL);
  gfloat values[4 * 17 * 3];

  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    values[i] = i % 8;
  npy_write (path, 1, "'<f4'", "False", "(4, 17, 3)", values, sizeof values);
  points = g_ref_string_new (path);
  g_free (path);
}

static GstBuffer *
make_video (guint64 *state, gsize size, guint64 n)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, size, NULL);
  GstClipMeta clip = { .clip = n / 4,
    .sample = n / 4,
    .epoch = n / 64,
    .training = n / 64 % 2,
    .frame = n % 4,
    .num_frames = n / 16 % 2 ? 4 : 0,
    .keypoints = points,
    .file_frames = 4,
    .file_frame = n % 4,
    .last_frame = 3,
    .end = 1e9,
    .width = 16,
    .height = 16 };

  gst_buffer_memset (buffer, 0, n, -1);
  GST_BUFFER_PTS (buffer) = n * FRAME;
  GST_BUFFER_DURATION (buffer) = FRAME;
  if (draw (state, 50))
    gst_buffer_add_clip_meta (buffer, &clip);

  return buffer;
}

static GstBuffer *
make_batch (guint n, guint64 first)
{
  GstBuffer *buffer = gst_buffer_new ();
  const gsize sizes[] = { n * 3 * 32 * 32 * 4, n * sizeof (gint32) };

  for (guint i = 0; i < 2; i++) {
    GstMemory *memory = gst_allocator_alloc (NULL, sizes[i], NULL);
    GstMapInfo map;

    gst_memory_map (memory, &map, GST_MAP_WRITE);
    memset (map.data, i ? 0 : first, sizes[i]);
    gst_memory_unmap (memory, &map);
    gst_buffer_append_memory (buffer, memory);
  }

  return buffer;
}

/* Pushes caps; returns the size of a frame, or the clips of a batch. */
static gsize
push_caps (Stress *s, guint64 *state)
{
  /* sinks fail on a batch that is larger than the first */
  guint which = s->is->media == TENSORS && draw (state, 8) ? 2 : draw (state, 3);
  gchar *text = s->is->media == VIDEO ? g_strdup (video_caps[which])
                                      : g_strdup_printf (TENSOR_CAPS, which + 1, which + 1);
  GstCaps *caps = gst_caps_from_string (text);
  gsize size = which + 1;
  GstVideoInfo info;

  if (s->is->media == VIDEO && gst_video_info_from_caps (&info, caps))
    size = info.size;
  gst_pad_push_event (s->from, gst_event_new_caps (caps));
  gst_caps_unref (caps);
  g_free (text);

  return size;
}

/* Pushes all events that precede buffers; returns the value of push_caps(). */
static gsize
push_start (Stress *s, guint64 *state)
{
  const gchar *names[] = { "red", "green", "blue", NULL };
  GstSegment segment;
  gsize size;

  if (draw (state, 4) == 0)
    gst_pad_push_event (s->from, gst_event_new_stream_start (draw (state, 2) ? "one" : "two"));
  size = push_caps (s, state);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (s->from, gst_event_new_segment (&segment));
  gst_pad_push_event (s->from, gst_event_new_clip_classes (names));

  return size;
}

static gpointer
feed (gpointer data)
{
  Stress *s = data;
  guint64 state = 1, n = 0;

  while (!g_atomic_int_get (&s->stop)) {
    GstFlowReturn flow = GST_FLOW_OK;
    GstClipEpoch epoch = { n % 7, draw (&state, 2), 5, 7, n, n, 0, TRUE };
    gsize size;

    size = push_start (s, &state);
    /* sinks fail on a batch after a flush within a pass */
    if (draw (&state, 16) < (s->is->media == VIDEO ? 8 : 1))
      gst_pad_push_event (s->from, gst_event_new_clip_epoch (&epoch));
    for (guint i = draw (&state, 30); i > 0 && flow == GST_FLOW_OK; i--) {
      flow = gst_pad_push (
          s->from, s->is->media == VIDEO ? make_video (&state, size, n++) : make_batch (size, n++));
      if (flow == GST_FLOW_OK && !s->to)
        g_atomic_int_inc (&s->buffers);
    }
    if (draw (&state, 8) == 0)
      gst_pad_push_event (s->from, gst_event_new_eos ());
    pause_for (&state, 500);
  }

  return NULL;
}

/* --- queries and events from others --- */

static void
query_all (Stress *s, GstPad *pad, guint64 *state)
{
  GstCaps *caps = gst_caps_from_string (video_caps[draw (state, 3)]);
  GstClipMeta clip = { .num_frames = 9 };
  GstQuery *queries[] = {
    gst_query_new_latency (),
    gst_query_new_caps (NULL),
    gst_query_new_position (draw (state, 2) ? GST_FORMAT_DEFAULT : GST_FORMAT_TIME),
    gst_query_new_duration (GST_FORMAT_DEFAULT),
    gst_query_new_seeking (GST_FORMAT_DEFAULT),
    gst_query_new_accept_caps (caps),
    gst_query_new_clip_window (&clip, 25, 1),
  };

  for (guint i = 0; i < G_N_ELEMENTS (queries); i++) {
    if (pad)
      gst_pad_query (pad, queries[i]);
    else
      gst_element_query (s->element, queries[i]);
    gst_query_unref (queries[i]);
  }
  gst_caps_unref (caps);
}

static void
seek (Stress *s, GstPad *pad, guint64 *state)
{
  GstEvent *event = gst_event_new_seek (1, GST_FORMAT_DEFAULT,
      draw (state, 3) ? GST_SEEK_FLAG_FLUSH : GST_SEEK_FLAG_NONE, GST_SEEK_TYPE_SET,
      draw (state, 40), GST_SEEK_TYPE_NONE, -1);

  if (pad && draw (state, 2))
    gst_pad_send_event (pad, event);
  else
    gst_element_send_event (s->element, event);
}

static gpointer
disturb (gpointer data)
{
  Stress *s = data;
  GstPad *sink = gst_element_get_static_pad (s->element, "sink");
  GstPad *src = gst_element_get_static_pad (s->element, "src");
  guint64 state = 2;

  while (!g_atomic_int_get (&s->stop)) {
    switch (draw (&state, 6)) {
      case 0:
      case 1:
        if (!s->from)
          break;
        gst_pad_push_event (s->from, gst_event_new_flush_start ());
        pause_for (&state, 300);
        gst_pad_push_event (s->from, gst_event_new_flush_stop (TRUE));
        break;
      case 2:
        /* a late or duplicate one */
        if (sink)
          gst_pad_send_event (sink, gst_event_new_flush_stop (TRUE));
        break;
      case 3:
        seek (s, src, &state);
        break;
      case 4:
        query_all (s, draw (&state, 2) ? src : sink, &state);
        break;
      case 5:
        if (!sink && draw (&state, 8) == 0)
          gst_element_send_event (s->element, gst_event_new_eos ());
        query_all (s, NULL, &state);
        break;
    }
    pause_for (&state, pauses[s->is->media]);
  }
  gst_clear_object (&sink);
  gst_clear_object (&src);

  return NULL;
}

/* --- properties and pads --- */

/* Sets the initial value, or one near the minimum. */
static void
set_one (Stress *s, guint i, gboolean as_it_was, guint64 *state)
{
  GParamSpec *spec = s->specs[i];
  GValue value = G_VALUE_INIT;
  const guint more = draw (state, 4);

  if (!(spec->flags & G_PARAM_WRITABLE) || spec->owner_type != G_OBJECT_TYPE (s->element)
      || g_strv_contains (kept, spec->name))
    return;
  g_value_init (&value, spec->value_type);
  g_value_copy (&g_array_index (s->values, GValue, i), &value);
  if (!as_it_was) {
    if (G_IS_PARAM_SPEC_UINT (spec))
      g_value_set_uint (&value, G_PARAM_SPEC_UINT (spec)->minimum + more);
    else if (G_IS_PARAM_SPEC_UINT64 (spec))
      g_value_set_uint64 (&value, G_PARAM_SPEC_UINT64 (spec)->minimum + more);
    else if (G_IS_PARAM_SPEC_DOUBLE (spec))
      g_value_set_double (&value, G_PARAM_SPEC_DOUBLE (spec)->minimum + more / 4.);
    else if (G_IS_PARAM_SPEC_BOOLEAN (spec))
      g_value_set_boolean (&value, more & 1);
    else if (G_IS_PARAM_SPEC_ENUM (spec))
      g_value_set_enum (&value,
          G_PARAM_SPEC_ENUM (spec)
              ->enum_class->values[more % G_PARAM_SPEC_ENUM (spec)->enum_class->n_values]
              .value);
    else if (G_IS_PARAM_SPEC_STRING (spec))
      g_value_take_string (&value, more ? path_of ("none") : NULL);
    g_param_value_validate (spec, &value);
  }
  g_object_set_property (G_OBJECT (s->element), spec->name, &value);
  g_value_unset (&value);
}

static void
get_one (Stress *s, guint i)
{
  GValue value = G_VALUE_INIT;

  if (!(s->specs[i]->flags & G_PARAM_READABLE))
    return;
  g_value_init (&value, s->specs[i]->value_type);
  g_object_get_property (G_OBJECT (s->element), s->specs[i]->name, &value);
  g_value_unset (&value);
}

/* Requests a pad, links it, and releases it. */
static void
request (Stress *s, guint64 *state)
{
  GList *walk = gst_element_class_get_pad_template_list (GST_ELEMENT_GET_CLASS (s->element));

  for (; walk; walk = walk->next) {
    GstPadTemplate *template = walk->data;
    GstPad *pad, *end;

    if (template->presence != GST_PAD_REQUEST)
      continue;
    pad = gst_element_request_pad (s->element, template, NULL, NULL);
    if (!pad)
      continue;
    end = end_pad ("end", GST_PAD_SINK, NULL);
    gst_pad_link (pad, end);
    pause_for (state, 2000);
    if (draw (state, 2))
      gst_pad_unlink (pad, end);
    gst_element_release_request_pad (s->element, pad);
    gst_object_unref (pad);
    gst_pad_set_active (end, FALSE);
    gst_object_unref (end);
  }
}

static gpointer
adjust (gpointer data)
{
  Stress *s = data;
  guint64 state = 3;

  while (!g_atomic_int_get (&s->stop)) {
    const guint i = draw (&state, s->n_specs);

    set_one (s, i, FALSE, &state);
    /* most are reset, or the element would seldom start */
    if (draw (&state, 16))
      set_one (s, i, TRUE, &state);
    else
      set_one (s, draw (&state, s->n_specs), TRUE, &state);
    for (guint k = 0; k < s->n_specs; k++)
      get_one (s, k);
    if (draw (&state, 4) == 0)
      request (s, &state);
    pause_for (&state, 500);
  }

  return NULL;
}

/* --- states --- */

static GstBusSyncReply
drop_message (GstBus *bus, GstMessage *message, gpointer data)
{
  gst_message_unref (message);

  return GST_BUS_DROP;
}

static void
set_state (Stress *s, GstState state)
{
  alarm (HANGS);
  gst_element_set_state (s->element, state);
  alarm (0);
}

/* Up to one of the two upper states, and back to one of the two others. */
static guint
cycle (Stress *s)
{
  const gint64 end = g_get_monotonic_time () + SECONDS * G_USEC_PER_SEC;
  const gint64 last = end + 60 * G_USEC_PER_SEC;
  guint64 state = 4;
  guint cycles = 0;

  for (;;) {
    const gint64 now = g_get_monotonic_time ();

    if ((now > end && cycles >= LEAST_CYCLES && g_atomic_int_get (&s->buffers) >= LEAST_BUFFERS)
        || now > last)
      break;
    if (draw (&state, 2) || now > end)
      for (guint i = 0; i < s->n_specs; i++)
        set_one (s, i, TRUE, &state);
    set_state (s, draw (&state, 3) ? GST_STATE_PLAYING : GST_STATE_PAUSED);
    /* a slow machine needs time until the first buffer */
    pause_for (&state, now > end ? 4000000 : draw (&state, 3) ? 5000 : 200000);
    set_state (s, draw (&state, 3) ? GST_STATE_READY : GST_STATE_NULL);
    pause_for (&state, 500);
    cycles++;
  }
  set_state (s, GST_STATE_NULL);

  return cycles;
}

static void
join (GThread *thread)
{
  alarm (HANGS);
  g_thread_join (thread);
  alarm (0);
}

static void
clear_value (gpointer value)
{
  g_value_unset (value);
}

/* Saves the initial values, to be set again. */
static void
keep_values (Stress *s)
{
  s->specs = g_object_class_list_properties (G_OBJECT_GET_CLASS (s->element), &s->n_specs);
  s->values = g_array_new (FALSE, TRUE, sizeof (GValue));
  g_array_set_clear_func (s->values, clear_value);
  for (guint i = 0; i < s->n_specs; i++) {
    GValue value = G_VALUE_INIT;

    g_value_init (&value, s->specs[i]->value_type);
    if (s->specs[i]->flags & G_PARAM_READABLE)
      g_object_get_property (G_OBJECT (s->element), s->specs[i]->name, &value);
    g_array_append_val (s->values, value);
  }
}

static GstPad *
link_end (Stress *s, const gchar *name)
{
  GstPad *pad = gst_element_get_static_pad (s->element, name), *end;
  const gboolean sink = !strcmp (name, "sink");

  if (!pad)
    return NULL;
  end = end_pad ("end", sink ? GST_PAD_SRC : GST_PAD_SINK, s);
  g_assert_cmpint (sink ? gst_pad_link (end, pad) : gst_pad_link (pad, end), ==, GST_PAD_LINK_OK);
  gst_object_unref (pad);

  return end;
}

static void
test_element (gconstpointer data)
{
  Stress s = { .is = data };
  gchar *properties = g_strdup_printf (s.is->properties, folder);
  gchar *line = g_strconcat (s.is->name, " ", properties, NULL);
  GstBus *bus = gst_bus_new ();
  GThread *threads[3] = { NULL };
  GError *error = NULL;
  guint cycles;

  running = s.is->name;
  s.element = gst_parse_launch (line, &error);
  g_assert_no_error (error);
  gst_object_ref_sink (s.element);
  gst_bus_set_sync_handler (bus, drop_message, NULL, NULL);
  gst_element_set_bus (s.element, bus);
  s.from = link_end (&s, "sink");
  s.to = link_end (&s, "src");
  keep_values (&s);

  if (s.from) {
    gst_pad_push_event (s.from, gst_event_new_stream_start ("zero"));
    threads[0] = g_thread_new ("feed", feed, &s);
  }
  threads[1] = g_thread_new ("disturb", disturb, &s);
  threads[2] = g_thread_new ("adjust", adjust, &s);
  cycles = cycle (&s);
  g_atomic_int_set (&s.stop, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    if (threads[i])
      join (threads[i]);
  g_test_message ("%s: %u cycles, %d buffers", s.is->name, cycles, s.buffers);
  g_assert_cmpuint (cycles, >=, LEAST_CYCLES);
  g_assert_cmpint (s.buffers, >=, LEAST_BUFFERS);

  gst_element_set_bus (s.element, NULL);
  gst_object_unref (s.element);
  g_clear_object (&s.from);
  g_clear_object (&s.to);
  gst_object_unref (bus);
  g_array_unref (s.values);
  g_free (s.specs);
  g_free (properties);
  g_free (line);
}

/* --- inputs --- */

static void
make_videos (void)
{
  for (guint i = 0; i < 4; i++) {
    gchar *class = g_strdup_printf ("%s/clips/%u", folder, i % 2);
    gchar *line =
        g_strdup_printf ("videotestsrc pattern=%u num-buffers=8 ! "
                         "video/x-raw,format=I420,width=32,height=32,framerate=8/1 ! x264enc "
                         "speed-preset=ultrafast threads=1 ! mp4mux ! filesink location=%s/%u.mp4",
            i, class, i);

    g_assert_cmpint (g_mkdir_with_parents (class, 0700), ==, 0);
    run_line (line);
    g_free (line);
    g_free (class);
  }
}

int
main (int argc, char **argv)
{
  gchar *line;
  int ret;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  /* a fatal message would abort the test before the handler sees it */
  g_log_set_always_fatal (G_LOG_FATAL_MASK);
  g_log_set_default_handler (on_log, NULL);
  signal (SIGALRM, on_alarm);
  folder = g_dir_make_tmp ("stress-XXXXXX", NULL);
  g_assert_nonnull (folder);
  write_points (folder);
  make_videos ();
  g_free (write_model ("model.safetensors", &plain));
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    gchar *path = g_strconcat ("/stress/", cases[i].name, NULL);

    g_test_add_data_func (path, &cases[i], test_element);
    g_free (path);
  }
  ret = g_test_run ();
  g_ref_string_release (points);
  line = g_strdup_printf ("rm -r '%s'", folder);
  g_assert_cmpint (system (line), ==, 0);
  g_free (line);
  g_free (folder);
  gst_deinit ();

  return ret;
}
