/* Batches with views: their caps, their memories and the metas of their clips.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gst/gst.h>

#include "plugins/cnn3d/tensorbatch.h"

#define CAPS(n, types, dimensions)                                          \
  "other/tensors,format=static,num_tensors=(int)" n ",types=(string)" types \
  ",dimensions=(string)" dimensions

static gboolean
parse (TensorLayout *layout, const gchar *text, GError **error)
{
  GstCaps *caps = gst_caps_from_string (text);
  gboolean ok = tensor_layout_from_caps (layout, caps, error);

  gst_caps_unref (caps);
  return ok;
}

static void
test_caps (void)
{
  static const struct {
    const gchar *caps;
    guint views, clips, points;
    gsize clip_size, clip_points, mask;
  } table[] = {
    { CAPS ("2", "uint8.int32", "3:8:4:2:5.5"), 1, 5, 0, 192, 0, 0 },
    { CAPS ("3", "uint8.int32.float32", "3:8:4:2:5.5.3:17:2:2:5"), 1, 5, 17, 192, 204, 0 },
    { CAPS ("3", "uint8.int32.uint8", "3:8:4:2:3:5.5.3:5"), 3, 5, 0, 576, 0, 15 },
    { CAPS ("3", "float32.int64.uint8", "3:8:4:2:3:5.5.3:5"), 3, 5, 0, 4 * 576, 0, 15 },
    { CAPS ("3", "uint8.float32.uint8", "3:8:4:2:3:5.7:5.3:5"), 3, 5, 0, 576, 0, 15 },
    { CAPS ("4", "uint8.int32.float32.uint8", "3:8:4:2:3:5.5.3:17:2:2:3:5.3:5"), 3, 5, 17, 576, 612,
        15 },
    /* a batch of one: ones at the end mean nothing */
    { CAPS ("3", "uint8.int32.uint8", "3:8:4:2:3.1.3"), 3, 1, 0, 576, 0, 3 },
    { CAPS ("3", "uint8.int32.uint8", "3:8:4:2:3:1:1.1:1.3:1:1"), 3, 1, 0, 576, 0, 3 },
    { CAPS ("4", "uint8.int32.float32.uint8", "1:8:4:2:3.1.3:17:1:2:3.3"), 3, 1, 17, 192, 306, 3 },
    /* one frame, one pixel */
    { CAPS ("3", "uint8.int32.uint8", "1:1:1:1:2:5.5.2:5"), 2, 5, 0, 2, 0, 10 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++) {
    GError *error = NULL;
    TensorLayout layout;

    g_test_message ("%s", table[i].caps);
    parse (&layout, table[i].caps, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (layout.views, ==, table[i].views);
    g_assert_cmpuint (layout.clips, ==, table[i].clips);
    g_assert_cmpuint (layout.points, ==, table[i].points);
    g_assert_cmpuint (layout.clip_size, ==, table[i].clip_size);
    g_assert_cmpuint (layout.frames_size, ==, table[i].clip_size * table[i].clips);
    g_assert_cmpuint (tensor_layout_clip_points (&layout), ==, table[i].clip_points);
    g_assert_cmpuint (layout.present_size, ==, table[i].mask);
  }
}

static void
test_bad_caps (void)
{
  static const struct {
    const gchar *caps, *reason;
  } table[] = {
    { CAPS ("3", "uint8.int32.uint8", "3:8:4:2:5.5.5"), "one label for each of 1 clips: take 1" },
    { CAPS ("3", "uint8.int32.uint8", "3:8:4:2:5.1.1"),
        "The last tensor, of dimensions 1, is not a mask, views:clips of 2 views at least." },
    { CAPS ("3", "uint8.int32.uint8", "3:8:4:2:3:5.5.3:5:2"), "3:5:2, is not a mask" },
    { CAPS ("3", "uint8.int32.uint8", "3:8:4:2:2:5.5.3:5"),
        "Frames of dimensions 3:8:4:2:2:5 are not channels:width:height:frames:views:clips of 3 "
        "views, as the mask says." },
    { CAPS ("3", "uint8.int32.uint8", "3:8:4:2:3:5:2.5.3:5"), "3:8:4:2:3:5:2 are not channels" },
    { CAPS ("3", "uint8.int32.uint8", "3:8:4:2:3:5.4.3:5"), "for each of 5 clips" },
    { CAPS ("3", "uint8.int32.uint8", "3:8:4:2:3:5.5.3:4"),
        "The mask of dimensions 3:4 is not one of 5 clips in 3 views: it is views:clips." },
    { CAPS ("4", "uint8.int32.float32.uint8", "3:8:4:2:3:5.5.3:17:2:2:5.3:5"),
        "Key points of dimensions 3:17:2:2:5 are not 3:points:persons:frames:views:clips of 3 "
        "views of 5 clips of 2 frames." },
    { CAPS ("4", "uint8.int32.float32.uint8", "3:8:4:2:3:5.5.3:17:2:2:3:4.3:5"),
        "3:17:2:2:3:4 are" },
    { CAPS ("4", "uint8.int32.uint8.float32", "3:8:4:2:3:5.5.3:5.3:17:2:2:3:5"),
        "The fourth tensor is of type float32, but it is the mask of views, which is uint8 and "
        "comes "
        "last." },
    { CAPS ("5", "uint8.int32.float32.uint8.uint8", "3:8:4:2:3:5.5.3:17:2:2:3:5.3:5.3:5"),
        "num_tensors=5, but a batch is two tensors, frames and labels, and at most two more, key "
        "points and a mask of views: " },
    { CAPS ("4", "uint8.int32.int8.uint8", "3:8:4:2:3:5.5.3:17:2:2:3:5.3:5"),
        "The third tensor is of type int8: key points are float32." },
    { CAPS ("3", "uint8.int32.uint8",
          "1:1:1:1:2147483647:2147483647.2147483647.2147483647:"
          "2147483647"),
        NULL },
    { CAPS ("3", "float32.int32.uint8", "2147483647:1:1:1:2147483647:2.2.2147483647:2"),
        "is larger than any memory" },
    { CAPS ("3", "uint8.int32.uint8", "3:8:4:2:3:5.5.0:5"), "'0' in the dimensions 0:5" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++) {
    GError *error = NULL;
    TensorLayout layout;

    g_test_message ("%s", table[i].caps);
    g_assert_true (parse (&layout, table[i].caps, &error) == !table[i].reason);
    if (!table[i].reason)
      continue;
    g_assert_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT);
    g_assert_nonnull (strstr (error->message, table[i].reason));
    g_clear_error (&error);
  }
}

static void
test_same_clips (void)
{
  TensorLayout one, other;
  gchar *text;

  g_assert_true (parse (&one, CAPS ("3", "uint8.int32.uint8", "3:8:4:2:3:5.5.3:5"), NULL));
  text = tensor_layout_describe (&one);
  g_assert_cmpstr (text, ==, "uint8 clips of 2 frames of 8x4x3 in 3 views");
  g_free (text);
  g_assert_true (parse (&other, CAPS ("3", "uint8.int32.uint8", "3:8:4:2:3:4.4.3:4"), NULL));
  g_assert_true (tensor_layout_same_clips (&one, &other));
  g_assert_true (parse (&other, CAPS ("3", "uint8.int32.uint8", "3:8:4:2:2:5.5.2:5"), NULL));
  g_assert_false (tensor_layout_same_clips (&one, &other));
  g_assert_true (parse (&other, CAPS ("2", "uint8.int32", "3:8:4:2:5.5"), NULL));
  g_assert_false (tensor_layout_same_clips (&one, &other));
}

static void
append (GstBuffer *buffer, gsize size)
{
  gst_buffer_append_memory (buffer, gst_allocator_alloc (NULL, size, NULL));
}

/* Two clips in three views, with key points: frames, labels, points and a mask. */
static GstBuffer *
batch (const guint8 mask[6])
{
  GstBuffer *buffer = gst_buffer_new ();

  append (buffer, 2 * 576);
  append (buffer, 8);
  append (buffer, sizeof (gfloat) * 2 * 612);
  append (buffer, 6);
  gst_buffer_fill (buffer, 2 * 576 + 8 + sizeof (gfloat) * 2 * 612, mask, 6);
  return buffer;
}

static void
test_batch (void)
{
  static const struct {
    guint8 mask[6];
    const gchar *reason;
  } table[] = {
    { { 1, 1, 1, 1, 1, 1 }, NULL },
    { { 0, 0, 1, 1, 0, 1 }, NULL },
    { { 1, 1, 1, 0, 0, 0 }, "The mask of a batch's clip 1 is wrong: it is 1 for each view" },
    { { 1, 2, 0, 1, 0, 0 }, "The mask of a batch's clip 0 is wrong" },
  };
  TensorLayout layout;
  TensorBatch mapped;
  GstBuffer *buffer;

  g_assert_true (parse (
      &layout, CAPS ("4", "uint8.int32.float32.uint8", "3:8:4:2:3:2.2.3:17:2:2:3:2.3:2"), NULL));
  for (guint i = 0; i < G_N_ELEMENTS (table); i++) {
    GError *error = NULL;

    buffer = batch (table[i].mask);
    if (tensor_batch_map (&mapped, buffer, &layout, &error)) {
      g_assert_null (table[i].reason);
      g_assert_cmpmem (mapped.present, 6, table[i].mask, 6);
      g_assert_nonnull (mapped.points);
      tensor_batch_unmap (&mapped);
    } else {
      g_assert_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT);
      g_assert_nonnull (strstr (error->message, table[i].reason));
      g_clear_error (&error);
    }
    gst_buffer_unref (buffer);
  }
}

/* Batches that are not as their caps say */
static void
test_bad_batch (void)
{
  static const struct {
    const gchar *caps;
    gsize mask;
    const gchar *reason;
  } table[] = {
    { CAPS ("4", "uint8.int32.float32.uint8", "3:8:4:2:3:2.2.3:17:2:2:3:2.3:2"), 0,
        "A batch has 3 memories, but must have four: frames, labels, key points and a mask of "
        "views." },
    { CAPS ("3", "uint8.int32.uint8", "3:8:4:2:3:2.2.3:2"), 6,
        "A batch has 4 memories, but must have three: frames, labels and a mask of views." },
    { CAPS ("4", "uint8.int32.float32.uint8", "3:8:4:2:3:2.2.3:17:2:2:3:2.3:2"), 5,
        "A batch has 5 bytes of the mask, but its caps say 6" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++) {
    GstBuffer *buffer = gst_buffer_new ();
    GError *error = NULL;
    TensorLayout layout;
    TensorBatch mapped;

    append (buffer, 2 * 576);
    append (buffer, 8);
    append (buffer, sizeof (gfloat) * 2 * 612);
    if (table[i].mask)
      append (buffer, table[i].mask);
    g_assert_true (parse (&layout, table[i].caps, NULL));
    g_assert_false (tensor_batch_map (&mapped, buffer, &layout, &error));
    g_assert_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT);
    g_assert_nonnull (strstr (error->message, table[i].reason));
    g_clear_error (&error);
    gst_buffer_unref (buffer);
  }
}

/* A clip is called by the first of its views that has a file. */
static void
test_names (void)
{
  static const gchar *const paths[] = { "a-front.mp4", "a-left.mp4", NULL, "b-left.mp4" };
  GstBuffer *buffer = gst_buffer_new ();
  const GstClipMeta *metas[3];
  gchar *name;

  for (guint i = 0; i < G_N_ELEMENTS (paths); i++) {
    GstClipMeta meta = { .clip = 7 + i / 2, .view = i % 2, .views = 2, .label = 1 };

    meta.path = paths[i] ? g_ref_string_new (paths[i]) : NULL;
    gst_buffer_add_clip_meta (buffer, &meta);
    if (meta.path)
      g_ref_string_release (meta.path);
  }
  tensor_batch_metas (buffer, metas, G_N_ELEMENTS (metas));
  g_assert_cmpstr (metas[0]->path, ==, "a-front.mp4");
  g_assert_cmpuint (metas[0]->view, ==, 0);
  g_assert_cmpstr (metas[1]->path, ==, "b-left.mp4");
  g_assert_cmpuint (metas[1]->view, ==, 1);
  g_assert_cmpuint (metas[1]->clip, ==, 8);
  g_assert_null (metas[2]);
  name = tensor_batch_clip_name (buffer, 1, 20);
  g_assert_cmpstr (name, ==, "Clip 21 (b-left.mp4)");
  g_free (name);
  gst_buffer_unref (buffer);
}

int
main (int argc, char **argv)
{
  int ret;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tensors/caps", test_caps);
  g_test_add_func ("/tensors/bad-caps", test_bad_caps);
  g_test_add_func ("/tensors/same-clips", test_same_clips);
  g_test_add_func ("/tensors/batch", test_batch);
  g_test_add_func ("/tensors/bad-batch", test_bad_batch);
  g_test_add_func ("/tensors/names", test_names);

  ret = g_test_run ();
  gst_deinit ();

  return ret;
}
