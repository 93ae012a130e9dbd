/* clipprogram.c: which codec the headers in a program stream are of, and what becomes of the demuxer's
 * caps.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugins/clip/clipprogram.h"

#include <string.h>
#include <unistd.h>
#include <glib/gstdio.h>

#define MPEG2 CLIP_PROGRAM_MPEG2
#define MPEG4 CLIP_PROGRAM_MPEG4
#define H264 CLIP_PROGRAM_H264
#define H265 CLIP_PROGRAM_H265
#define UNKNOWN CLIP_PROGRAM_UNKNOWN

/* A stream whose bytes follow, in packets of at most `bytes`; 0: an empty packet and one */
static ClipProgram
find (const gchar *payload, gsize size, gsize bytes)
{
  g_autoptr (GByteArray) file = g_byte_array_new ();
  g_autofree gchar *path = NULL;
  const gint number = g_file_open_tmp (NULL, &path, NULL);
  gsize at = 0;
  ClipProgram program;

  do {
    const gsize n = at == 0 && bytes == 0 ? 0 : MIN (bytes ? bytes : size, size - at);
    const guint8 head[] = { 0, 0, 1, 0xe0, (n + 3) >> 8, (n + 3) & 255, 0x80, 0, 0 };

    g_byte_array_append (file, head, sizeof head);
    if (n > 0)
      g_byte_array_append (file, (const guint8 *) payload + at, n);
    at += n;
    bytes = MAX (bytes, n == 0 ? size : 0);
  } while (at < size);
  g_assert_cmpint (write (number, file->data, file->len), ==, file->len);
  clip_program_find (&program, number);
  close (number);
  g_unlink (path);

  return program;
}

#define PAD "\x9a\x55\x9a\x55"
#define SLICE(code) "\0\0\1" code "\x82" PAD
#define PICTURE "\0\0\1\0\0\x10\xff\xf8"
#define CODING "\0\0\1\xb5\x8f\xff\xf7\x9d\x80"
#define SEQUENCE "\0\0\1\xb3\x2d\x02\x40\x33\xff\xff\xe0\x18"
#define GROUP "\0\0\1\xb8\0\x08\0\x40"
#define USER "\0\0\1\xb2user"
#define OBJECT "\0\0\1\0\0\0\1\x20"
#define TIME "\0\0\1\xb3\0\x10\x07"
#define VOP "\0\0\1\xb6\x10\x60" PAD
#define CASE(kind, payload) { kind, payload, sizeof payload - 1 }

static void
test_kinds (void)
{
  static const struct {
    ClipProgramKind kind;
    const gchar *payload;
    gsize size;
  } cases[] = {
    /* MPEG-2 and MPEG-1 from their start, and from within a group on */
    CASE (MPEG2, SEQUENCE "\0\0\1\xb5\x14\x8a\0\1\0\0" GROUP PICTURE CODING SLICE ("\1")),
    CASE (MPEG2, SEQUENCE USER GROUP PICTURE SLICE ("\1") PAD),
    CASE (MPEG2, SEQUENCE PICTURE SLICE ("\1") PAD),
    CASE (MPEG2, GROUP PICTURE SLICE ("\1") PAD),
    CASE (MPEG2, PICTURE CODING SLICE ("\1")),
    CASE (UNKNOWN, PICTURE SLICE ("\1") SLICE ("\2") PAD),
    /* several slices a row, of which the first bytes are as H.264's profiles */
    CASE (UNKNOWN, SLICE ("\x26") SLICE ("\x26") SLICE ("\x27") SLICE ("\x27") SLICE ("\x28") PAD),
    CASE (UNKNOWN, "\0\0\1\x26" PAD "\0\0\1\x27\x80" PAD "\0\0\1\x27\x80" PAD SLICE ("\x28") PAD),
    CASE (UNKNOWN, SLICE ("\x1f") SLICE ("\x20") SLICE ("\x21") PAD),
    /* MPEG-4 with its first headers, without these, and from a group of pictures on */
    CASE (MPEG4, "\0\0\1\xb0\xf5\0\0\1\xb5\x89\x13" OBJECT "\0\xc4\x8d" PAD),
    CASE (MPEG4, OBJECT "\0\xc4\x8d" PAD TIME VOP PAD),
    CASE (MPEG4, OBJECT "\x08\xc8\x8d" PAD TIME VOP PAD),
    CASE (MPEG4, "\0\0\1\1\0\0\1\x25\x08\xc8\x8d" PAD TIME VOP PAD),
    CASE (MPEG4, TIME VOP PAD),
    CASE (MPEG4, TIME USER VOP PAD),
    /* H.264 with all reference numbers, another set and an extension; from within a group on */
    CASE (H264, "\0\0\1\x09\x10\0\0\1\x67\x64" PAD "\0\0\1\x68\xee" PAD),
    CASE (H264, "\0\0\1\x09\x10\0\0\1\x27\x42" PAD "\0\0\1\x28\xce" PAD),
    CASE (H264, "\0\0\1\x27\x42" PAD "\0\0\1\x27\x42" PAD "\0\0\1\x28\xce" PAD),
    CASE (H264, "\0\0\1\x67\x64" PAD "\0\0\1\x6f\x76" PAD "\0\0\1\x68\xee" PAD),
    CASE (UNKNOWN, "\0\0\1\x09\x10\0\0\1\x21\x9a" PAD "\0\0\1\x09\x10\0\0\1\x25\x88" PAD PAD),
    /* H.265; trailing pictures and a CRA picture */
    CASE (H265, "\0\0\1\x40\1\x0c\1" PAD "\0\0\1\x42\1\1" PAD),
    CASE (UNKNOWN, "\0\0\1\x02\1\xd0" PAD "\0\0\1\x2a\1\xaf" PAD),
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    for (gsize bytes = 0; bytes <= cases[i].size; bytes++) {
      const ClipProgram program = find (cases[i].payload, cases[i].size, bytes);

      g_test_message ("case %u in packets of %" G_GSIZE_FORMAT, i, bytes);
      g_assert_cmpint (program.kinds[0], ==, cases[i].kind);
    }
  }
}

static void
test_names (void)
{
  static const struct {
    ClipProgramKind kind;
    const gchar *declared, *named;
  } cases[] = {
    { UNKNOWN, "video/x-h264", "video/x-h264" },
    { MPEG2, "video/mpeg,mpegversion=1", "video/mpeg,mpegversion=1" },
    { MPEG2, "video/mpeg,mpegversion=4",
        "video/mpeg,mpegversion=2,systemstream=false,parsed=false" },
    { MPEG4, "video/mpeg,mpegversion=2",
        "video/mpeg,mpegversion=4,systemstream=false,parsed=false" },
    { H264, "video/mpeg,mpegversion=2", "video/x-h264,stream-format=byte-stream" },
    { H265, "video/x-h264", "video/x-h265,stream-format=byte-stream" },
  };
  GstPad *pad = gst_object_ref_sink (gst_pad_new ("video_e3", GST_PAD_SRC));

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    ClipProgram program = { .kinds = { [3] = cases[i].kind } };
    g_autoptr (GstCaps) expected = gst_caps_from_string (cases[i].named);
    g_autoptr (GstCaps) caps =
        clip_program_name (&program, pad, gst_caps_from_string (cases[i].declared));

    g_test_message ("%s", cases[i].declared);
    g_assert_true (gst_caps_is_equal (caps, expected));
  }
  gst_object_unref (pad);
}

int
main (int argc, char **argv)
{
  gint status;

  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);

  g_test_add_func ("/clipprogram/kinds", test_kinds);
  g_test_add_func ("/clipprogram/names", test_names);

  status = g_test_run ();
  gst_deinit ();

  return status;
}
