/* MPEG program streams: recognising the codecs of their streams, and correcting what the demuxer
 * reads. The input is a file, and then the content of a stream.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugins/clip/clipprogram.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tests/fuzz/target.h"

/* Bytes of a packet with a header of 9 */
#define MOST 65532

static ClipProgram
find (const guint8 *data, gsize size)
{
  const gint file = open (fuzz_put ("case.mpg", data, size), O_RDONLY | O_CLOEXEC);
  ClipProgram program;

  clip_program_find (&program, file);
  close (file);
  for (guint i = 0; i < CLIP_PROGRAM_STREAMS; i++)
    if (program.kinds[i] > CLIP_PROGRAM_H265)
      fuzz_fail ("an unknown codec", NULL);
  return program;
}

/* The codec of a stream of these bytes, in packets of `first` bytes and then of at most `bytes`. */
static guint8
find_split (const guint8 *data, gsize size, gsize first, gsize bytes)
{
  g_autoptr (GByteArray) file = g_byte_array_new ();

  for (gsize at = 0, n = MIN (first, size); at < size || file->len == 0;
      at += n, n = MIN (bytes, size - at)) {
    const guint8 head[] = { 0, 0, 1, 0xe0, (n + 3) >> 8, (n + 3) & 255, 0x80, 0, 0 };

    g_byte_array_append (file, head, sizeof head);
    if (n > 0)
      g_byte_array_append (file, data + at, n);
  }

  return find (file->data, file->len).kinds[0];
}

static GstFlowReturn
read_range (GstPad *pad, GstObject *parent, guint64 offset, guint length, GstBuffer **buffer)
{
  const FuzzPart *file = gst_pad_get_element_private (pad);

  if (offset >= file->size)
    return GST_FLOW_EOS;
  *buffer = gst_buffer_new_memdup (file->data + offset, MIN (length, file->size - offset));
  return GST_FLOW_OK;
}

/* As the demuxer reads it: blocks, of which some may be read again */
static void
read_file (FuzzPart file)
{
  GstPad *pad = gst_object_ref_sink (gst_pad_new ("src", GST_PAD_SRC));
  ClipProgram program = { 0 };
  GstBuffer *buffer;

  gst_pad_set_element_private (pad, &file);
  gst_pad_set_getrange_function (pad, read_range);
  gst_pad_activate_mode (pad, GST_PAD_MODE_PULL, TRUE);
  clip_program_watch (&program, pad);
  for (guint64 at = 0; at < file.size; at += 37) {
    const gsize n = MIN (40, file.size - at);

    buffer = NULL;
    if (gst_pad_get_range (pad, at, 40, &buffer) != GST_FLOW_OK
        || gst_buffer_get_size (buffer) != n)
      fuzz_fail ("a block of another size", NULL);
    gst_buffer_unref (buffer);
  }
  gst_pad_activate_mode (pad, GST_PAD_MODE_PULL, FALSE);
  gst_object_unref (pad);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const gsize first = size > 0 ? data[0] % 8 : 0;
  guint8 kind;

  if (!gst_is_initialized ()) {
    /* plug-ins are not needed */
    g_setenv ("GST_REGISTRY_DISABLE", "yes", TRUE);
    gst_init (NULL, NULL);
  }
  find (data, size);
  read_file ((FuzzPart) { data, size });
  kind = find_split (data, size, MOST, MOST);
  if (find_split (data, size, first, 5) != kind || find_split (data, size, first, 60) != kind)
    fuzz_fail ("another codec in other packets", NULL);
  return 0;
}
