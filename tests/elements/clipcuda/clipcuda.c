/* clipcuda.c: frames in a GPU's memory, with a test double of GStreamer's CUDA library whose copies
 * execute only when they are waited for.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "clips.h"
#include "fakecuda.h"
#include "gstclipbatch.h"
#include "gstclipsample.h"

#include "clipcuda.h"

/* a value that no pixel has */
#define PADDING 0xee

static GstBus *bus;
static GstCudaContext *contexts[2];
static GstCudaStream *streams[2];

/* The memory layout of a test's frames. */
typedef struct {
  GstVideoInfo info;
  gsize offset, pitch;
  gboolean meta; /* given by GstVideoMeta instead of the memory */
} Layout;

static const Layout *layout;

static guint8
value (guint64 clip, guint frame, guint y, guint x)
{
  return (clip * 37 + frame * 11 + y * 5 + x * 3) % 230;
}

static Layout
layout_of (GstVideoFormat format, guint width, guint height, gsize pitch)
{
  Layout l = { .pitch = pitch };

  gst_video_info_set_format (&l.info, format, width, height);
  l.info.fps_n = 25;
  l.info.fps_d = 1;

  return l;
}

static guint
row_size (void)
{
  return layout->info.width * layout->info.finfo->n_components;
}

static GstBuffer *
frame_on (guint gpu, GstCudaStream *stream, const GstClipMeta *clip, guint frame)
{
  GstMemory *memory = fake_memory_new (
      contexts[gpu], stream, &layout->info, layout->offset, layout->pitch, PADDING);
  guint8 *data = fake_memory_data (memory) + layout->offset;
  GstBuffer *buffer = gst_buffer_new ();
  guint x, y;

  for (y = 0; y < (guint) layout->info.height; y++)
    for (x = 0; x < row_size (); x++)
      data[y * layout->pitch + x] = value (clip->clip, frame, y, x);
  gst_buffer_append_memory (buffer, memory);
  if (layout->meta) {
    gsize offset[4] = {
      layout->offset,
    };
    gint stride[4] = {
      layout->pitch,
    };

    /* the memory's own layout must then be ignored */
    GST_CUDA_MEMORY_CAST (memory)->info.stride[0] = 1;
    gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE, layout->info.finfo->format,
        layout->info.width, layout->info.height, 1, offset, stride);
  }
  GST_BUFFER_PTS (buffer) = frame * CLIPS_FRAME;
  gst_buffer_add_clip_meta (buffer, clip)->frame = frame;

  return buffer;
}

static GstFlowReturn
push (GstHarness *h, guint64 clip, guint frames, guint first, guint last)
{
  GstClipMeta m = {
    .clip = clip, .sample = clip, .training = TRUE, .label = clip, .num_frames = frames
  };
  GstFlowReturn ret = GST_FLOW_OK;
  guint i;

  for (i = first; i <= last && ret == GST_FLOW_OK; i++)
    ret = gst_harness_push (h, frame_on (0, streams[0], &m, i));

  return ret;
}

static GstHarness *
harness (GType type, const Layout *l, const gchar *property, guint value)
{
  GstElement *element = g_object_new (type, property, value, NULL);
  GstHarness *h;
  GstCaps *caps;
  guint i;

  fake_cuda_init ();
  for (i = 0; i < 2; i++) {
    contexts[i] = fake_context_new ();
    streams[i] = fake_stream_new ();
  }
  layout = l;
  gst_object_ref_sink (element);
  h = gst_harness_new_with_element (element, "sink", "src");
  gst_object_unref (element);
  bus = gst_bus_new ();
  gst_element_set_bus (h->element, bus);
  caps = gst_video_info_to_caps (&layout->info);
  gst_caps_set_features_simple (caps, gst_caps_features_new ("memory:CUDAMemory", NULL));
  gst_harness_set_src_caps (h, caps);

  return h;
}

static GstHarness *
batcher (const Layout *l, guint batch_size)
{
  return harness (GST_TYPE_CLIP_BATCH, l, "batch-size", batch_size);
}

static void
teardown (GstHarness *h)
{
  GstMessage *message;
  guint i;

  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR | GST_MESSAGE_ELEMENT);
  g_assert_null (message);
  gst_element_set_bus (h->element, NULL);
  gst_object_unref (bus);
  gst_harness_teardown (h);
  for (i = 0; i < 2; i++) {
    g_assert_cmpint (GST_OBJECT_REFCOUNT_VALUE (contexts[i]), ==, 1);
    gst_object_unref (contexts[i]);
    gst_clear_cuda_stream (&streams[i]);
  }
  g_assert_cmpint (fake_cuda.memories, ==, 0);
  g_assert_cmpint (fake_cuda.pinned, ==, 0);
  g_assert_cmpint (fake_cuda.pushed, ==, 0);
  g_assert_cmpuint (fake_cuda.under_way, ==, 0);
  g_assert_cmpuint (fake_cuda.mapped_by_cpu, ==, 0);
}

/* Pulls a batch of these clips and compares every byte of it. */
static void
assert_batch (GstHarness *h, guint n, const guint64 *clips, guint frames)
{
  GstBuffer *buffer = gst_harness_try_pull (h);
  const guint height = layout->info.height;
  GstMapInfo map;
  guint8 *at;
  guint clip, t, y, x;

  g_assert_nonnull (buffer);
  g_assert_cmpuint (gst_buffer_n_memory (buffer), ==, 2);
  g_assert_true (gst_memory_map (gst_buffer_peek_memory (buffer, 0), &map, GST_MAP_READ));
  g_assert_cmpuint (map.size, ==, n * frames * height * row_size ());
  at = map.data;
  for (clip = 0; clip < n; clip++)
    for (t = 0; t < frames; t++)
      for (y = 0; y < height; y++)
        for (x = 0; x < row_size (); x++)
          g_assert_cmpuint (*at++, ==, value (clips[clip], t, y, x));
  gst_memory_unmap (gst_buffer_peek_memory (buffer, 0), &map);
  gst_memory_map (gst_buffer_peek_memory (buffer, 1), &map, GST_MAP_READ);
  g_assert_cmpuint (map.size, ==, 4 * n);
  for (clip = 0; clip < n; clip++)
    g_assert_cmpint (((gint32 *) map.data)[clip], ==, clips[clip]);
  gst_memory_unmap (gst_buffer_peek_memory (buffer, 1), &map);
  gst_buffer_unref (buffer);
}

static void
test_templates (void)
{
  static const struct {
    const gchar *caps;
    gboolean batch;
  } cases[] = {
    { "video/x-raw,format=RGB", TRUE },
    { "video/x-raw(memory:CUDAMemory),format=RGB", TRUE },
    { "video/x-raw(memory:CUDAMemory),format=GRAY8", TRUE },
    { "video/x-raw(memory:CUDAMemory),format=NV12", FALSE },
    { "video/x-raw(memory:GLMemory),format=RGB", FALSE },
  };
  guint i, j;

  for (j = 0; j < 2; j++) {
    GstElement *element = g_object_new (j ? GST_TYPE_CLIP_BATCH : GST_TYPE_CLIP_SAMPLE, NULL);
    GstPad *pad;

    gst_object_ref_sink (element);
    pad = gst_element_get_static_pad (element, "sink");
    for (i = 0; i < G_N_ELEMENTS (cases); i++) {
      GstCaps *caps = gst_caps_from_string (cases[i].caps);
      GstCaps *answer = gst_pad_query_caps (pad, caps);

      g_assert_cmpint (!gst_caps_is_empty (answer), ==, !j || cases[i].batch);
      gst_caps_unref (answer);
      gst_caps_unref (caps);
    }
    gst_object_unref (pad);
    gst_object_unref (element);
  }
}

/* Every layout: odd widths, pitches and offsets, from the meta or the memory. */
static void
test_layouts (void)
{
  static const guint64 clips[] = { 3, 4 };
  static const guint widths[] = { 1, 3, 5, 16, 113 };
  guint i;

  for (i = 0; i < 2 * 2 * 3 * G_N_ELEMENTS (widths); i++) {
    const GstVideoFormat format = i & 1 ? GST_VIDEO_FORMAT_RGB : GST_VIDEO_FORMAT_GRAY8;
    const guint width = widths[i / 12];
    Layout l = layout_of (format, width, 1 + i % 3, width * (i & 1 ? 3 : 1));
    GstHarness *h;

    l.meta = i & 2;
    l.pitch = i / 4 % 3 == 0 ? l.pitch : i / 4 % 3 == 1 ? l.pitch + 1 : 512;
    l.offset = i / 4 % 3 * 7;
    h = batcher (&l, 2);
    g_assert_cmpint (push (h, 3, 3, 0, 2), ==, GST_FLOW_OK);
    g_assert_cmpint (push (h, 4, 3, 0, 2), ==, GST_FLOW_OK);
    /* one copy per frame and one wait per clip, which also releases the frames */
    g_assert_cmpuint (fake_cuda.copies, ==, 6);
    g_assert_cmpuint (fake_cuda.waits, ==, 2);
    g_assert_cmpint (fake_cuda.memories, ==, 0);
    g_assert_cmpint (fake_cuda.pinned, ==, 1);
    assert_batch (h, 2, clips, 3);
    teardown (h);
  }
}

/* Only a few frames of a long clip are held. */
static void
test_long_clip (void)
{
  static const guint64 clips[] = { 9 };
  const Layout l = layout_of (GST_VIDEO_FORMAT_RGB, 5, 3, 32);
  GstHarness *h = batcher (&l, 1);

  g_assert_cmpint (push (h, 9, 40, 0, 39), ==, GST_FLOW_OK);
  g_assert_cmpuint (fake_cuda.most_under_way, ==, 16);
  g_assert_cmpuint (fake_cuda.waits, ==, 3);
  assert_batch (h, 1, clips, 40);
  teardown (h);
}

/* The first clip's length is not announced: its frames are counted. */
static void
test_uncounted (void)
{
  static const guint64 clips[] = { 1, 2 };
  const Layout l = layout_of (GST_VIDEO_FORMAT_RGB, 7, 2, 64);
  GstHarness *h = batcher (&l, 2);

  push (h, 1, 0, 0, 4);
  push (h, 2, 0, 0, 4);
  assert_batch (h, 2, clips, 5);
  teardown (h);
}

/* Batches are recycled, and one that is held outlives the element; without page-locked memory the
 * heap is used. */
static void
test_memory (gconstpointer none)
{
  static const guint64 clips[] = { 0, 1 };
  const Layout l = layout_of (GST_VIDEO_FORMAT_GRAY8, 9, 3, 16);
  GstHarness *h = batcher (&l, 1);
  gpointer first = NULL;
  GstBuffer *held;
  GstMapInfo map;
  guint i;

  fake_cuda.no_pinned = none != NULL;
  for (i = 0; i < 8; i++) {
    GstBuffer *buffer;

    push (h, 0, 2, 0, 1);
    buffer = gst_harness_pull (h);
    gst_memory_map (gst_buffer_peek_memory (buffer, 0), &map, GST_MAP_READ);
    g_assert_true (!first || map.data == first);
    first = map.data;
    gst_memory_unmap (gst_buffer_peek_memory (buffer, 0), &map);
    gst_buffer_unref (buffer);
  }
  g_assert_cmpint (fake_cuda.pinned, ==, none ? 0 : 1);
  push (h, 0, 2, 0, 1);
  held = gst_harness_pull (h);
  push (h, 1, 2, 0, 1);
  assert_batch (h, 1, clips + 1, 2);
  g_assert_cmpint (fake_cuda.pinned, ==, none ? 0 : 2);
  g_object_set (h->element, "batch-size", 2, NULL);
  push (h, 0, 2, 0, 1);
  push (h, 1, 2, 0, 1);
  assert_batch (h, 2, clips, 2);
  gst_element_set_state (h->element, GST_STATE_NULL);
  g_assert_cmpint (fake_cuda.pinned, ==, none ? 0 : 1);
  gst_memory_map (gst_buffer_peek_memory (held, 0), &map, GST_MAP_READ);
  for (i = 0; i < 9; i++)
    g_assert_cmpuint (map.data[i], ==, value (0, 0, 0, i));
  gst_memory_unmap (gst_buffer_peek_memory (held, 0), &map);
  gst_buffer_unref (held);
  teardown (h);
}

/* CuMemAllocHost() counts bytes in 32 bits. */
static void
test_huge (void)
{
  const Layout l = layout_of (GST_VIDEO_FORMAT_GRAY8, 9, 3, 16);
  GstHarness *h = batcher (&l, 1);
  GstClipMeta m = { 0 };
  GstBuffer *buffer = frame_on (0, NULL, &m, 0);
  ClipCuda *cuda = clip_cuda_new (buffer);
  ClipBlocks *blocks = clip_cuda_blocks (cuda, (gsize) G_MAXUINT + 9);
  ClipBlock *block = clip_blocks_take (blocks);

  g_assert_cmpint (fake_cuda.pinned, ==, 0);
  if (block)
    clip_block_unref (block);
  clip_blocks_free (&blocks);
  clip_cuda_free (&cuda);
  gst_buffer_unref (buffer);
  teardown (h);
}

/* A clip with pending copies is dropped: its memory is released only after them, and the next batch
 * contains nothing of it. */
static void
test_dropped (void)
{
  static const guint64 clips[] = { 5, 6 };
  const Layout l = layout_of (GST_VIDEO_FORMAT_RGB, 5, 3, 32);
  GstHarness *h = batcher (&l, 2);
  GstMessage *message;
  GstSegment segment;

  push (h, 1, 4, 0, 3);
  push (h, 2, 4, 0, 2);
  g_assert_cmpuint (fake_cuda.under_way, ==, 3);
  gst_harness_push_event (h, gst_event_new_flush_start ());
  gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
  g_assert_cmpuint (fake_cuda.under_way, ==, 0);
  g_assert_cmpint (fake_cuda.memories, ==, 0);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (h, gst_event_new_segment (&segment));

  push (h, 5, 4, 0, 3);
  push (h, 2, 4, 0, 1); /* ends too early: dropped, and reported */
  push (h, 6, 4, 0, 3);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT);
  g_assert_nonnull (message);
  g_assert_true (gst_message_has_name (message, "clipbatch-dropped"));
  gst_message_unref (message);
  assert_batch (h, 2, clips, 4);

  /* the element stops with pending copies */
  push (h, 7, 4, 0, 1);
  g_assert_cmpuint (fake_cuda.under_way, ==, 2);
  teardown (h);
}

/* Frames of other streams, of another GPU and of the CPU in one clip. */
static void
test_mixed (void)
{
  static const guint64 clips[] = { 8 };
  const Layout l = layout_of (GST_VIDEO_FORMAT_RGB, 5, 3, 32);
  GstHarness *h = batcher (&l, 1);
  GstClipMeta m = { .clip = 8, .sample = 8, .training = TRUE, .label = 8, .num_frames = 6 };
  GstBuffer *buffer;
  guint8 *data;
  guint x, y;

  gst_harness_push (h, frame_on (0, streams[0], &m, 0));
  gst_harness_push (h, frame_on (0, streams[1], &m, 1));
  gst_harness_push (h, frame_on (0, NULL, &m, 2));
  gst_harness_push (h, frame_on (1, NULL, &m, 3));
  /* the CPU's rows are 16 bytes apart */
  buffer = gst_buffer_new_allocate (NULL, 48, NULL);
  data = g_malloc0 (48);
  for (y = 0; y < 3; y++)
    for (x = 0; x < 15; x++)
      data[y * 16 + x] = value (8, 4, y, x);
  gst_buffer_fill (buffer, 0, data, 48);
  g_free (data);
  m.frame = 4;
  gst_buffer_add_clip_meta (buffer, &m);
  gst_harness_push (h, buffer);
  gst_harness_push (h, frame_on (0, streams[1], &m, 5));
  assert_batch (h, 1, clips, 6);
  teardown (h);
}

static void
test_bad_frames (void)
{
  Layout l = layout_of (GST_VIDEO_FORMAT_RGB, 5, 3, 32);
  GstClipMeta m = { .clip = 1, .training = TRUE, .num_frames = 2 };
  guint i;

  for (i = 0; i < 8; i++) {
    GstHarness *h;
    GstBuffer *buffer;
    GstMemory *memory;
    GstVideoMeta *meta;

    l.meta = i < 6;
    h = batcher (&l, 1);
    /* a good frame first: its pending copy is released with the error */
    g_assert_cmpint (push (h, 1, 2, 0, 0), ==, GST_FLOW_OK);
    buffer = frame_on (0, streams[0], &m, 1);
    memory = gst_buffer_peek_memory (buffer, 0);
    meta = gst_buffer_get_video_meta (buffer);
    if (i == 0)
      meta->width = 4;
    else if (i == 1)
      meta->height = 4;
    else if (i == 2)
      meta->format = GST_VIDEO_FORMAT_BGR;
    else if (i == 3)
      meta->stride[0] = -32;
    else if (i == 4)
      meta->stride[0] = 14;
    else if (i == 5)
      meta->offset[0] = 32 * 3 - (2 * 32 + 15) + 1;
    else if (i == 6)
      GST_CUDA_MEMORY_CAST (memory)->info.offset[0] = G_MAXSIZE - 3;
    else
      gst_buffer_append_memory (buffer, gst_allocator_alloc (NULL, 8, NULL));
    g_assert_cmpint (gst_harness_push (h, buffer), ==, GST_FLOW_ERROR);
    clips_assert_error (bus, "is not a picture of 5x3");
    teardown (h);
  }
}

/* Each call fails in turn. */
static void
test_failures (void)
{
  const Layout l = layout_of (GST_VIDEO_FORMAT_RGB, 5, 3, 32);
  gint *countdowns[] = { &fake_cuda.fail_copies, &fake_cuda.fail_waits, &fake_cuda.fail_maps,
    &fake_cuda.fail_pushes };
  static const gchar *const reasons[] = { "illegal memory access", "illegal memory access",
    "mapping of buffer", "invalid device context" };
  guint i, failed = 0;
  gint n;

  for (i = 0; i < G_N_ELEMENTS (countdowns); i++) {
    for (n = 0; n < 8; n++) {
      GstHarness *h = batcher (&l, 2);
      GstFlowReturn ret;

      *countdowns[i] = n;
      ret = push (h, 1, 3, 0, 2);
      if (ret == GST_FLOW_OK)
        ret = push (h, 2, 3, 0, 2);
      /* the first push of a context is for page-locked memory */
      if (ret != GST_FLOW_OK) {
        g_assert_cmpint (ret, ==, GST_FLOW_ERROR);
        clips_assert_error (bus, reasons[i]);
        g_assert_null (gst_harness_try_pull (h));
        failed++;
      }
      *countdowns[i] = -1;
      teardown (h);
    }
  }
  /* 6 copies, 2 waits, 6 maps, and 8 of 9 pushes, without the first */
  g_assert_cmpuint (failed, ==, 6 + 2 + 6 + 7);
}

/* The driver has no text for its error. */
static void
test_no_text (void)
{
  const Layout l = layout_of (GST_VIDEO_FORMAT_RGB, 5, 3, 32);
  GstHarness *h = batcher (&l, 1);

  fake_cuda.fail_copies = 0;
  fake_cuda.no_texts = TRUE;
  g_assert_cmpint (push (h, 1, 1, 0, 0), ==, GST_FLOW_ERROR);
  clips_assert_error (bus, "unknown error");
  teardown (h);
}

/* clipsample passes frames on, repeated ones too, without mapping them. */
static void
test_sample (void)
{
  const Layout l = layout_of (GST_VIDEO_FORMAT_RGB, 5, 3, 32);
  GstHarness *h = harness (GST_TYPE_CLIP_SAMPLE, &l, "num-frames", 8);
  GstMemory *before = NULL;
  GstCaps *caps;
  guint i, different = 0;

  g_assert_cmpint (push (h, 1, 3, 0, 2), ==, GST_FLOW_OK);
  caps = gst_pad_get_current_caps (h->sinkpad);
  g_assert_true (gst_caps_features_contains (gst_caps_get_features (caps, 0), "memory:CUDAMemory"));
  gst_caps_unref (caps);
  g_assert_cmpuint (gst_harness_buffers_in_queue (h), ==, 8);
  g_assert_cmpint (fake_cuda.memories, ==, 3);
  for (i = 0; i < 8; i++) {
    GstBuffer *buffer = gst_harness_pull (h);

    g_assert_true (gst_is_cuda_memory (gst_buffer_peek_memory (buffer, 0)));
    different += gst_buffer_peek_memory (buffer, 0) != before;
    before = gst_buffer_peek_memory (buffer, 0);
    gst_buffer_unref (buffer);
  }
  g_assert_cmpuint (different, ==, 3);
  g_assert_cmpuint (fake_cuda.copies, ==, 0);
  teardown (h);
}

int
main (int argc, char **argv)
{
  gint result;

  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  fake_cuda_init ();
  g_test_add_func ("/clipcuda/templates", test_templates);
  g_test_add_func ("/clipcuda/layouts", test_layouts);
  g_test_add_func ("/clipcuda/long-clip", test_long_clip);
  g_test_add_func ("/clipcuda/uncounted", test_uncounted);
  g_test_add_data_func ("/clipcuda/memory", NULL, test_memory);
  g_test_add_data_func ("/clipcuda/memory-not-page-locked", "", test_memory);
  g_test_add_func ("/clipcuda/huge", test_huge);
  g_test_add_func ("/clipcuda/dropped", test_dropped);
  g_test_add_func ("/clipcuda/mixed", test_mixed);
  g_test_add_func ("/clipcuda/bad-frames", test_bad_frames);
  g_test_add_func ("/clipcuda/failures", test_failures);
  g_test_add_func ("/clipcuda/no-text", test_no_text);
  g_test_add_func ("/clipcuda/sample", test_sample);

  result = g_test_run ();
  /* the leaks tracer checks in gst_deinit() */
  gst_deinit ();
  return result;
}
