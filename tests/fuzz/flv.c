/* FLV: changing what the demuxer reads of tags, and the packets and caps that it outputs. The input
 * is a file.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugins/clip/clipflv.h"

#include <string.h>

#include "tests/fuzz/target.h"

/* Bytes of the file's header, of a tag's type and size, of the rest of its header, of its size
 * after it, and of a picture's header */
#define FILE_HEAD 13
#define TAG_KIND 4
#define TAG_REST 7
#define TAG_TAIL 4
#define PICTURE_HEAD 5

/* Memory has exactly the size that is read, so that reads past its end are detected. */
static GstFlowReturn
read_range (GstPad *pad, GstObject *parent, guint64 offset, guint length, GstBuffer **buffer)
{
  const FuzzPart *file = gst_pad_get_element_private (pad);

  if (offset >= file->size)
    return GST_FLOW_EOS;
  *buffer = gst_buffer_new_memdup (file->data + offset, MIN (length, file->size - offset));
  return GST_FLOW_OK;
}

/* The bytes at an offset; NULL: the file ends before. */
static GstBuffer *
read_at (GstPad *pad, guint64 offset, guint length)
{
  const FuzzPart *file = gst_pad_get_element_private (pad);
  GstBuffer *buffer = NULL;

  if (gst_pad_get_range (pad, offset, length, &buffer) != GST_FLOW_OK)
    return NULL;
  if (gst_buffer_get_size (buffer) != MIN (length, file->size - offset))
    fuzz_fail ("a tag of another size", NULL);
  return buffer;
}

/* The picture of a tag goes to the pad that nothing is linked to. */
static void
push (GstPad *video, const ClipFlv *flv, GstBuffer *tag)
{
  const gsize head = TAG_REST + PICTURE_HEAD, size = gst_buffer_get_size (tag);
  GstCaps *caps = clip_flv_name (flv, gst_caps_new_empty_simple ("video/x-h264"));

  if (size > head + TAG_TAIL)
    gst_pad_push (
        video, gst_buffer_copy_region (tag, GST_BUFFER_COPY_MEMORY, head, size - head - TAG_TAIL));
  if (gst_caps_get_size (caps) != 1)
    fuzz_fail ("several caps", NULL);
  gst_caps_unref (caps);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  FuzzPart file = { data, size };
  GstPad *pad, *video;
  ClipFlv flv = { 0 };
  GstBuffer *kind;
  guint8 head[TAG_KIND];

  if (!gst_is_initialized ()) {
    /* plug-ins are not needed */
    g_setenv ("GST_REGISTRY_DISABLE", "yes", TRUE);
    gst_init (NULL, NULL);
  }
  pad = gst_object_ref_sink (gst_pad_new ("src", GST_PAD_SRC));
  video = gst_object_ref_sink (gst_pad_new ("video", GST_PAD_SRC));
  gst_pad_set_element_private (pad, &file);
  gst_pad_set_getrange_function (pad, read_range);
  gst_pad_activate_mode (pad, GST_PAD_MODE_PULL, TRUE);
  gst_pad_set_active (video, TRUE);
  clip_flv_watch (&flv, pad);
  clip_flv_correct (&flv, video);
  for (guint64 at = FILE_HEAD; (kind = read_at (pad, at, TAG_KIND));) {
    const gsize n = gst_buffer_extract (kind, 0, head, sizeof head);
    const gsize rest = n == TAG_KIND ? TAG_REST + GST_READ_UINT24_BE (head + 1) + TAG_TAIL : 0;
    GstBuffer *tag = n == TAG_KIND ? read_at (pad, at + TAG_KIND, rest) : NULL;

    gst_buffer_unref (kind);
    if (!tag)
      break;
    if (gst_buffer_get_size (tag) == rest && head[0] == 9)
      push (video, &flv, tag);
    gst_buffer_unref (tag);
    /* when it looks for a time */
    kind = read_at (pad, at, TAG_KIND + TAG_REST + 1);
    gst_buffer_unref (kind);
    at += TAG_KIND + rest;
  }
  gst_pad_set_active (video, FALSE);
  gst_pad_activate_mode (pad, GST_PAD_MODE_PULL, FALSE);
  gst_object_unref (video);
  gst_object_unref (pad);
  return 0;
}
