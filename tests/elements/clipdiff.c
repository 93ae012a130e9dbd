/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clips.h"

#define WIDTH 5
#define HEIGHT 3
#define BYTES 48 /* RGB: rows of 15 bytes are padded to 16 */
#define CAPS "video/x-raw,format=RGB,width=5,height=3,framerate=25/1"

static GstBuffer *
frame_new (const GstClipMeta *clip, guint64 frame, guint8 value)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, BYTES, NULL);

  gst_buffer_memset (buffer, 0, value, BYTES);
  if (clip)
    gst_buffer_add_clip_meta (buffer, clip)->frame = frame;

  return buffer;
}

/* Pushes a frame of one value; the output has one value, too. */
static guint
through (GstHarness *h, const GstClipMeta *clip, guint64 frame, guint8 value)
{
  GstBuffer *out = gst_harness_push_and_pull (h, frame_new (clip, frame, value));
  guint8 bytes[BYTES];
  guint x, y;

  g_assert_nonnull (out);
  g_assert_cmpuint (gst_buffer_extract (out, 0, bytes, BYTES), ==, BYTES);
  for (y = 0; y < HEIGHT; y++) {
    for (x = 0; x < WIDTH * 3; x++)
      g_assert_cmpuint (bytes[y * 16 + x], ==, bytes[0]);
  }
  if (clip)
    g_assert_cmpuint (gst_buffer_get_clip_meta (out)->frame, ==, frame);
  gst_buffer_unref (out);

  return bytes[0];
}

static GstHarness *
differ (const gchar *launch)
{
  GstHarness *h = gst_harness_new_parse (launch);

  gst_harness_set_src_caps_str (h, CAPS);

  return h;
}

static void
test_difference (void)
{
  GstHarness *h = differ ("clipdiff");
  GstClipMeta clip = { .clip = 1, .sample = 1, .num_frames = 5 };

  g_assert_cmpuint (through (h, &clip, 0, 100), ==, 0);
  g_assert_cmpuint (through (h, &clip, 1, 103), ==, 3);
  g_assert_cmpuint (through (h, &clip, 2, 90), ==, 13);
  g_assert_cmpuint (through (h, &clip, 3, 90), ==, 0);
  g_assert_cmpuint (through (h, &clip, 4, 255), ==, 165);
  g_object_set (clips_element (h, "clipdiff"), "gain", 2.5, NULL);
  g_assert_cmpuint (through (h, &clip, 5, 252), ==, 7);
  g_assert_cmpuint (through (h, &clip, 6, 0), ==, 255);
  gst_harness_teardown (h);
}

/* A clip ends with another number, row, epoch or kind of pass, or with a frame number that does not
 * grow, as for a second view. */
static void
test_first_frames (void)
{
  GstHarness *h = differ ("clipdiff");
  GstClipMeta clip = { .clip = 1, .sample = 1, .num_frames = 9 };

  g_assert_cmpuint (through (h, &clip, 0, 10), ==, 0);
  g_assert_cmpuint (through (h, &clip, 1, 30), ==, 20);
  clip.clip = 2;
  g_assert_cmpuint (through (h, &clip, 2, 50), ==, 0);
  clip.sample = 2;
  g_assert_cmpuint (through (h, &clip, 3, 70), ==, 0);
  clip.epoch = 1;
  g_assert_cmpuint (through (h, &clip, 4, 90), ==, 0);
  clip.training = TRUE;
  g_assert_cmpuint (through (h, &clip, 5, 110), ==, 0);
  g_assert_cmpuint (through (h, &clip, 6, 130), ==, 20);
  g_assert_cmpuint (through (h, &clip, 0, 150), ==, 0);
  g_assert_cmpuint (through (h, &clip, 1, 151), ==, 1);

  gst_harness_push_event (h, gst_event_new_flush_start ());
  gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
  gst_harness_push_event (h,
      gst_event_new_segment (&(GstSegment) { .rate = 1,
          .applied_rate = 1,
          .format = GST_FORMAT_TIME,
          .stop = GST_CLOCK_TIME_NONE,
          .duration = GST_CLOCK_TIME_NONE }));
  g_assert_cmpuint (through (h, &clip, 2, 160), ==, 0);
  gst_harness_teardown (h);
}

static void
test_without_clips (void)
{
  GstHarness *h = differ ("clipdiff");

  g_assert_cmpuint (through (h, NULL, 0, 10), ==, 0);
  g_assert_cmpuint (through (h, NULL, 0, 12), ==, 2);
  g_assert_cmpuint (through (h, NULL, 0, 7), ==, 5);
  gst_harness_teardown (h);
}

static void
test_new_size (void)
{
  GstHarness *h = differ ("clipdiff");
  GstClipMeta clip = { .num_frames = 3 };

  g_assert_cmpuint (through (h, &clip, 0, 1), ==, 0);
  gst_harness_set_src_caps_str (h, "video/x-raw,format=GRAY8,width=16,height=3,framerate=25/1");
  g_assert_cmpuint (through (h, &clip, 1, 9), ==, 0);
  g_assert_cmpuint (through (h, &clip, 2, 12), ==, 3);
  gst_harness_teardown (h);
}

/* Memory that its owner reclaims: it can be mapped until then. */

typedef struct {
  GstMemory parent;
  guint8 data[BYTES];
} LentMemory;
typedef GstAllocator LentAllocator;
typedef GstAllocatorClass LentAllocatorClass;

static gboolean taken_back;

GType lent_allocator_get_type (void);
G_DEFINE_TYPE (LentAllocator, lent_allocator, GST_TYPE_ALLOCATOR);

static gpointer
lent_map (GstMemory *memory, gsize size, GstMapFlags flags)
{
  return taken_back ? NULL : ((LentMemory *) memory)->data;
}

static void
lent_unmap (GstMemory *memory)
{
}

static void
lent_free (GstAllocator *allocator, GstMemory *memory)
{
  g_free (memory);
}

static void
lent_allocator_class_init (LentAllocatorClass *klass)
{
  klass->free = lent_free;
}

static void
lent_allocator_init (LentAllocator *self)
{
  self->mem_type = "lent";
  self->mem_map = lent_map;
  self->mem_unmap = lent_unmap;
}

static void
test_unreadable (void)
{
  GstAllocator *allocator = gst_object_ref_sink (g_object_new (lent_allocator_get_type (), NULL));
  GstHarness *h = differ ("clipdiff");
  GstClipMeta clip = { .num_frames = 3 };
  LentMemory *memory = g_new0 (LentMemory, 1);
  GstBuffer *lent = gst_buffer_new ();
  GstBus *bus = gst_bus_new ();

  gst_memory_init (GST_MEMORY_CAST (memory), 0, allocator, NULL, BYTES, 0, 0, BYTES);
  gst_buffer_append_memory (lent, GST_MEMORY_CAST (memory));
  gst_buffer_add_clip_meta (lent, &clip);
  gst_element_set_bus (h->element, bus);
  g_assert_cmpint (gst_harness_push (h, lent), ==, GST_FLOW_OK);
  taken_back = TRUE;
  g_assert_cmpint (gst_harness_push (h, frame_new (&clip, 1, 2)), ==, GST_FLOW_ERROR);
  clips_assert_error (
      bus, "The clip's previous frame can no longer be read: its memory could not be mapped.");
  gst_element_set_bus (h->element, NULL);
  gst_object_unref (bus);
  gst_harness_teardown (h);
  gst_object_unref (allocator);
}

/* The gain in the last event sent downstream; -1: none. */
static gdouble
announced_gain (GstHarness *h)
{
  GstClipPreparation p;
  gdouble gain = -1;
  GstEvent *event;

  while ((event = gst_harness_try_pull_event (h))) {
    if (gst_event_parse_clip_preparation (event, &p)) {
      g_assert_cmpuint (p.num_frames, ==, 5);
      g_assert_cmpuint (p.frame_interval, ==, 2);
      g_assert_cmpstr (p.sampling, ==, "center");
      g_assert_cmpstr (p.scaling, ==, "sinc");
      gain = p.diff_gain;
    }
    gst_event_unref (event);
  }

  return gain;
}

/* The preparation is announced before the first frame of clips, and when it changes. */
static void
test_preparation (void)
{
  GstHarness *h = differ ("clipdiff gain=2");
  GstClipMeta clip = { .num_frames = 5 };
  GstClipPreparation preparation = { 5, 2, "center", "sinc", FALSE };

  through (h, &clip, 0, 1);
  g_assert_cmpfloat (announced_gain (h), ==, -1);
  gst_harness_push_event (h, gst_event_new_clip_preparation (&preparation));
  g_assert_cmpfloat (announced_gain (h), ==, 2);
  through (h, &clip, 1, 1);
  g_assert_cmpfloat (announced_gain (h), ==, -1);
  g_object_set (clips_element (h, "clipdiff"), "gain", 2.5, NULL);
  through (h, &clip, 2, 1);
  g_assert_cmpfloat (announced_gain (h), ==, 2.5);
  through (h, &clip, 3, 1);
  g_assert_cmpfloat (announced_gain (h), ==, -1);
  gst_harness_teardown (h);
}

int
main (int argc, char **argv)
{
  gint ret;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/clipdiff/difference", test_difference);
  g_test_add_func ("/clipdiff/first-frames", test_first_frames);
  g_test_add_func ("/clipdiff/without-clips", test_without_clips);
  g_test_add_func ("/clipdiff/new-size", test_new_size);
  g_test_add_func ("/clipdiff/unreadable", test_unreadable);
  g_test_add_func ("/clipdiff/preparation", test_preparation);

  ret = g_test_run ();
  gst_deinit ();

  return ret;
}
