/* clipindex.c: parsing packets' first bytes, and what follows from packets' times: the order of
 * frames, segments, and where decoding starts and ends.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "plugins/clip/clipindexfile.h"
#include "plugins/clip/clipruns.h"
#include "tests/limits.h"

#define NONE GST_CLOCK_TIME_NONE
#define START CLIP_PACKET_START
#define RESET CLIP_PACKET_RESET
#define HIDDEN CLIP_PACKET_HIDDEN
#define UNUSED CLIP_PACKET_UNUSED
#define BACKWARD CLIP_PACKET_BACKWARD
#define LEADING CLIP_PACKET_LEADING
#define RECOVERED CLIP_PACKET_RECOVERED
#define FIELD CLIP_PACKET_FIELD
#define SECOND CLIP_PACKET_SECOND

/* Packets' bytes */

static void
test_packets (void)
{
  static const struct {
    const gchar *caps;
    const gchar *bytes;
    gsize size;
    guint flags;
  } cases[] = {
    /* NAL unit types 5 (IDR) and 1; slice types 7 (I), 5 (P) and 6 (B) */
    { "video/x-h264,stream-format=byte-stream", "\0\0\1\x65\x88\x80\0\0", 8,
        START | RESET | RECOVERED },
    { "video/x-h264,stream-format=byte-stream", "\0\0\0\1\x41\x9a\0\0\0", 9, 0 },
    { "video/x-h264,stream-format=byte-stream", "\0\0\1\x01\x9e\0\0\0", 8, UNUSED },
    { "video/x-h264,stream-format=avc", "\0\0\0\4\x65\x88\x80\0", 8, START | RESET | RECOVERED },
    { "video/x-h264,stream-format=avc", "\0\0\0\4\x01\x9e\0\0", 8, UNUSED },
    /* an I slice is a start only after a recovery point (SEI 6) with count 0, not with count 1 */
    { "video/x-h264,stream-format=avc", "\0\0\0\4\x41\x88\x80\0", 8, 0 },
    { "video/x-h264,stream-format=avc", "\0\0\0\5\x06\x06\x01\xc4\x80\0\0\0\4\x41\x88\x80\0", 17,
        START | RECOVERED },
    { "video/x-h264,stream-format=avc", "\0\0\0\5\x06\x06\x01\x44\x80\0\0\0\4\x41\x88\x80\0", 17,
        0 },
    { "video/x-h264,stream-format=avc", "\0\0\0\5\x06\x06\x01\x50\x80\0\0\0\4\x41\x88\x80\0", 17,
        0 },
    /* a scaling list's delta as large as an int */
    { "video/x-h264,stream-format=avc",
        "\0\0\0\16\x67\x64\0\x28\xad\x80\0\0\0\xff\xff\xff\xfc\x80"
        "\0\0\0\4\x41\x88\x80\0",
        26, 0 },
    /* a length beyond the packet */
    { "video/x-h264,stream-format=avc", "\xff\xff\xff\xff\x65\x88", 6, START | RESET | RECOVERED },
    /* types 19 (IDR_W_RADL), 21 (CRA), 1 (TRAIL_R), 0 (TRAIL_N), 8 (RASL_N) */
    { "video/x-h265,stream-format=byte-stream", "\0\0\1\x26\x01\xaf", 6, START | RESET },
    { "video/x-h265,stream-format=byte-stream", "\0\0\1\x2a\x01\xaf", 6, START },
    { "video/x-h265,stream-format=byte-stream", "\0\0\1\x02\x01\xaf", 6, 0 },
    { "video/x-h265,stream-format=byte-stream", "\0\0\1\0\x01\xaf", 6, UNUSED },
    { "video/x-h265,stream-format=byte-stream", "\0\0\1\x10\x01\xaf", 6,
        UNUSED | CLIP_PACKET_LEADING },
    /* coding types 1 (I), 2 (P), 3 (B) */
    { "video/mpeg,mpegversion=2", "\0\0\1\0\0\x0f\xff\xf8", 8, START },
    { "video/mpeg,mpegversion=2", "\0\0\1\0\0\x17\xff\xf8", 8, HIDDEN },
    { "video/mpeg,mpegversion=1", "\0\0\1\0\0\x1f\xff\xf8", 8,
        HIDDEN | LEADING | UNUSED | BACKWARD },
    /* 0 (I), 1 (P), 2 (B) */
    { "video/mpeg,mpegversion=4", "\0\0\1\xb6\x10\x60\x91\x82\x73", 9, START },
    { "video/mpeg,mpegversion=4", "\0\0\1\xb6\x50\x60\x91\x82\x73", 9, 0 },
    /* an I or P picture of a few bytes is not coded */
    { "video/mpeg,mpegversion=4", "\0\0\1\xb6\x50\x60", 6, HIDDEN },
    { "video/mpeg,mpegversion=4", "\0\0\1\xb6\x10\x60", 6, HIDDEN },
    { "video/mpeg,mpegversion=4", "\0\0\1\xb6\x90\x60", 6, HIDDEN | LEADING | UNUSED | BACKWARD },
    { "video/x-divx,divxversion=5", "\0\0\1\xb6\x90\x60\x91\x82\x73", 9,
        HIDDEN | LEADING | UNUSED | BACKWARD },
    { "video/x-xvid", "\0\0\1\xb6\x90\x60\x91\x82\x73", 9, HIDDEN | LEADING | UNUSED | BACKWARD },
    /* key and shown; neither; nothing */
    { "video/x-vp8", "\x10\x02\0\x9d\x01\x2a", 6, START | RESET },
    { "video/x-vp8", "\x31\x02\0\x9d", 4, 0 },
    { "video/x-vp8", "\x01\x02\0\x9d", 4, HIDDEN },
    { "video/x-vp8", "", 0, HIDDEN },
    /* frame marker 2, profile 0: key; inter; inter and not shown; the same in a superframe that
     * shows another; an existing frame */
    { "video/x-vp9", "\x82\x49\x83", 3, START | RESET },
    { "video/x-vp9", "\x86\0\x40", 3, 0 },
    { "video/x-vp9", "\x84\0\x40", 3, HIDDEN },
    { "video/x-vp9", "\x84\0\xc0", 3, 0 },
    { "video/x-vp9", "\x88", 1, 0 },
    { "image/jpeg", "\xff\xd8", 2, START | RESET | UNUSED },
    { "video/x-raw", "", 0, START | RESET | UNUSED },
    /* key frames as flagged by the container */
    { "video/x-dirac", "x", 1, START },
    /* a header, a key frame, another one, the last one repeated */
    { "video/x-theora", "\x80theora", 7, HIDDEN },
    { "video/x-theora", "\x20x", 2, START | RESET },
    { "video/x-theora", "\x60x", 2, 0 },
    { "video/x-theora", "", 0, 0 },
    { "video/x-ffv", "\x7f\x80", 2, START | RESET },
    { "video/x-ffv", "\x7f\x7f", 2, 0 },
    { "video/x-ffv", "\xff", 1, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstCaps *caps = gst_caps_from_string (cases[i].caps);
    ClipPacketFormat format = { 0 };
    guint layer;

    clip_packet_format_init (&format, caps);
    g_test_message ("%u: %s", i, cases[i].caps);
    g_assert_cmphex (
        clip_packet_parse (&format, (const guint8 *) cases[i].bytes, cases[i].size, TRUE, &layer),
        ==, cases[i].flags);
    /* no prefix of it is read past its end */
    for (gsize n = 0; n < cases[i].size; n++) {
      guint8 *part = g_memdup2 (cases[i].bytes, n);

      clip_packet_parse (&format, part, n, FALSE, &layer);
      g_free (part);
    }
    gst_caps_unref (caps);
  }
}

/* DivX's packed bitstream: I, P and B in one packet, B, and a packet with almost nothing in it. The
 * decoder outputs I, the second packet's picture, ... */
static void
test_packed (void)
{
  static const struct {
    const gchar *bytes;
    gsize size;
    guint flags;
  } packets[] = {
    { "\0\0\1\xb6\x10\x60\x11\x22\x33", 9, START },
    { "\0\0\1\xb6\x50\x60\x11\x22\x33\0\0\1\xb6\x90\x60\x11", 16, 0 },
    { "\0\0\1\xb6\x90\x60\x11\x22\x33", 9, BACKWARD },
    { "\0\0\1\xb6\x50\x60\x7f", 7, BACKWARD },
    { "\0\0\1\xb6\x50\x60\x7f", 7, HIDDEN },
    { "\0\0\1\xb6\x50\x60\x11\x22\x33", 9, 0 },
  };
  GstCaps *caps = gst_caps_new_empty_simple ("video/x-xvid");
  ClipPacket list[G_N_ELEMENTS (packets)] = { { 0 } };
  ClipPacketFormat format = { 0 };
  ClipIndex *index;
  guint layer;

  clip_packet_format_init (&format, caps);
  for (guint i = 0; i < G_N_ELEMENTS (packets); i++) {
    list[i].flags = clip_packet_parse (
        &format, (const guint8 *) packets[i].bytes, packets[i].size, TRUE, &layer);
    g_assert_cmphex (list[i].flags, ==, packets[i].flags);
    list[i].pts = NONE;
    list[i].dts = i * GST_SECOND;
  }
  index = clip_index_new ("", format.codec, list, G_N_ELEMENTS (list));
  g_assert_cmpuint (index->n_frames, ==, 5);
  for (guint i = 0; i < 5; i++)
    g_assert_cmpuint (index->frames[i], ==, ((guint[]) { 0, 2, 3, 1, 5 })[i]);
  clip_index_unref (index);
  gst_caps_unref (caps);
}

typedef struct {
  const gchar *bytes;
  gsize size;
  guint flags;
} Packet;

static void
assert_packets (const gchar *text, const Packet *packets, guint n)
{
  GstCaps *caps = gst_caps_from_string (text);
  ClipPacketFormat format = { 0 };
  guint layer;

  clip_packet_format_init (&format, caps);
  for (guint i = 0; i < n; i++) {
    g_test_message ("packet %u", i);
    g_assert_cmphex (clip_packet_parse (&format, (const guint8 *) packets[i].bytes, packets[i].size,
                         FALSE, &layer),
        ==, packets[i].flags);
    /* repeated caps keep the state */
    clip_packet_format_init (&format, caps);
  }
  gst_caps_unref (caps);
}

#define P(bytes, flags) { bytes, sizeof bytes - 1, flags }

/* A video object layer with 25 ticks a second. */
#define LAYER "\0\0\1\x20\0\xc4\x88\x80\x0c\xc0"

/* B pictures are not shown before both of their reference pictures exist. */
static void
test_mpeg4 (void)
{
  static const Packet open[] = {
    P ("\0\0\1\xb6\x10\x60\x91\x82\x73", START),
    P ("\0\0\1\xb6\x90\x60\x91\x82\x73", HIDDEN | LEADING | UNUSED | BACKWARD),
    P ("\0\0\1\xb6\x50\x60\x91\x82\x73", 0),
    P ("\0\0\1\xb6\x90\x60\x91\x82\x73", UNUSED | BACKWARD),
    P ("\0\0\1\xb6\x10\x60\x91\x82\x73", START),
    P ("\0\0\1\xb6\x90\x60\x91\x82\x73", UNUSED | BACKWARD),
  };

  /* I and P; B pictures of a still scene, headers only; P and I pictures that are not coded; P of a
   * few blocks */
  static const Packet still[] = {
    P (LAYER "\0\0\1\xb6\x10\x62\x85\x0a\x14", START),
    P ("\0\0\1\xb6\x51\xe8\x88\x88\x80", 0),
    P ("\0\0\1\xb6\x90\xe8\x88\x88", UNUSED | BACKWARD),
    P ("\0\0\1\xb6\x91\x68\x88\x88", UNUSED | BACKWARD),
    P ("\0\0\1\xb6\x52\x5f\xe0\xff\xff\xff", HIDDEN),
    P ("\0\0\1\xb6\x12\xdf\x80", HIDDEN),
    P ("\0\0\1\xb6\x53\x68\x88\x88", 0),
  };
  static const Packet few[] = {
    P ("\0\0\1\xb6\x53\x68\x88\x88", 0),
  };
  /* all optional fields of a layer, 1000 ticks a second; times of several seconds */
  static const Packet layer[] = {
    P ("\0\0\1\x20\0\xbc\x0c\x12\xa0\0\x60\0\x60\0\x64\0\xc0\0\xc8\x1f\x44"
       "\0\0\1\xb6\x50\xa3\x44\x40",
        0),
    P ("\0\0\1\xb6\x68\xa1\x7f\xff\xe0", HIDDEN),
    P ("\0\0\1\xb6\xa8\xa1\xaa\xaa", UNUSED | BACKWARD),
  };

  assert_packets ("video/mpeg,mpegversion=4", open, G_N_ELEMENTS (open));
  assert_packets ("video/mpeg,mpegversion=4", still, G_N_ELEMENTS (still));
  assert_packets ("video/mpeg,mpegversion=4", layer, G_N_ELEMENTS (layer));
  /* the layer is in the container's codec_data */
  assert_packets (
      "video/mpeg,mpegversion=4,codec_data=(buffer)0000012000c488800cc0", few, G_N_ELEMENTS (few));
}

/* The sets: Main, 4 bits of frame_num, 4 references, interlaced; 1 reference a list. Then slices:
 * first_mb 0, slice type, set 0, frame_num, field, bottom. */
#define SPS "\0\0\1\x67\x4d\0\x28\xec\xa2\x22\x40"
#define PPS "\0\0\1\x68\xce\x38\x80"
#define SEI "\0\0\1\x06\x06\x01\xc4\x80"
#define SLICE(header, bits) "\0\0\1" header bits "\x80\0"

static void
test_h264_fields (void)
{
  static const Packet packets[] = {
    /* an open group: I top, P bottom; B, B; only the I picture decodes correctly */
    P (SPS PPS SEI SLICE ("\x61", "\x88\x84"), START | RECOVERED | FIELD),
    P (SLICE ("\x61", "\x9a\x18"), HIDDEN | SECOND),
    P (SLICE ("\x01", "\x9e\x30"), UNUSED | BACKWARD | FIELD),
    P (SLICE ("\x01", "\x9e\x38"), UNUSED | HIDDEN | SECOND),
    /* both fields in one packet */
    P (SLICE ("\x61", "\x9a\x30") SLICE ("\x61", "\x9a\x38"), 0),
    /* not pairs: the same parity; another frame_num */
    P (SLICE ("\x61", "\x9a\x50"), FIELD),
    P (SLICE ("\x61", "\x9a\x50"), FIELD),
    P (SLICE ("\x61", "\x9a\x78"), FIELD),
    /* a frame */
    P (SLICE ("\x61", "\x9a\x80"), BACKWARD),
    P (SPS PPS SLICE ("\x65", "\x88\x80"), START | RESET | RECOVERED),
  };

  assert_packets ("video/x-h264,stream-format=byte-stream", packets, G_N_ELEMENTS (packets));
}

/* Decoding cannot start where a parameter set or header is missing that packets before sent. */
static void
test_headers (void)
{
  static const Packet h264[] = {
    P (SPS PPS SLICE ("\x65", "\x88\x80"), START | RESET | RECOVERED),
    P (SLICE ("\x65", "\x88\x80"), RECOVERED),
    P (SPS SLICE ("\x65", "\x88\x80"), RECOVERED),
    P (SPS PPS SLICE ("\x65", "\x88\x80"), START | RESET | RECOVERED),
  };
  /* the configuration's sets; another SPS, which is repeated or not; the first one again, which the
   * decoder has not kept */
  static const Packet avc[] = {
    P ("\0\0\0\4\x65\x88\x80\0", START | RESET | RECOVERED),
    P ("\0\0\0\10\x67\x4d\0\x28\xec\xa2\x22\x40\0\0\0\4\x65\x88\x80\0", START | RESET | RECOVERED),
    P ("\0\0\0\10\x67\x4d\0\x29\xec\xa2\x22\x40\0\0\0\4\x65\x88\x80\0", START | RESET | RECOVERED),
    P ("\0\0\0\4\x65\x88\x80\0", RECOVERED),
    P ("\0\0\0\10\x67\x4d\0\x28\xec\xa2\x22\x40\0\0\0\4\x65\x88\x80\0", START | RESET | RECOVERED),
    P ("\0\0\0\4\x65\x88\x80\0", RECOVERED),
  };
  /* a VPS; CRA, RASL; after the end of the sequence the latter is not shown, also if a VPS lacks */
  static const Packet h265[] = {
    P ("\0\0\1\x40\1\x0c\0\0\1\x2a\1\xaf", START),
    P ("\0\0\1\x12\1\xaf", LEADING),
    P ("\0\0\1\x2a\1\xaf", RECOVERED),
    P ("\0\0\1\x10\1\xaf", LEADING | UNUSED),
    P ("\0\0\1\x02\1\xaf\0\0\1\x48\1", 0),
    P ("\0\0\1\x2a\1\xaf", RECOVERED),
    P ("\0\0\1\x10\1\xaf", HIDDEN | LEADING | UNUSED),
    P ("\0\0\1\x02\1\xaf\0\0\1\x48\1", 0),
    P ("\0\0\1\x40\1\x0c\0\0\1\x2a\1\xaf", START | RESET),
  };
  static const Packet mpeg4[] = {
    P ("\0\0\1\xb6\x10\x62\x85\x0a\x14", START),
    P (LAYER "\0\0\1\xb6\x10\x62\x85\x0a\x14", START),
    P ("\0\0\1\x20\0\xc4\x88\x80\x0c\xc1\0\0\1\xb6\x10\x62\x85\x0a\x14", START),
    P ("\0\0\1\xb6\x10\x62\x85\x0a\x14", 0),
    P (LAYER "\0\0\1\xb6\x10\x62\x85\x0a\x14", START),
  };
  guint8 flagged[] = "\0\0\1\x2a\1\xef\0\0\1\x02\1\xef";

  assert_packets ("video/x-h264,stream-format=byte-stream", h264, G_N_ELEMENTS (h264));
  assert_packets ("video/x-h264,stream-format=avc,codec_data=(buffer)"
                  "014d0028ffe10008674d0028eca2224001000468ce3880",
      avc, G_N_ELEMENTS (avc));
  assert_packets ("video/x-h265,stream-format=byte-stream", h265, G_N_ELEMENTS (h265));
  assert_packets ("video/mpeg,mpegversion=4,codec_data=(buffer)0000012000c488800cc0", mpeg4,
      G_N_ELEMENTS (mpeg4));
  clip_h265_keep_prior (0, flagged, sizeof flagged - 1);
  g_assert_cmphex (flagged[5], ==, 0xaf);
  g_assert_cmphex (flagged[11], ==, 0xef);
}

/* Coding type; then picture_structure 1 (top), 2 (bottom), 3 (frame). */
#define PICTURE(type, structure)          \
  "\0\0\1\0\0" type "\xff\xf8"            \
  "\0\0\1\xb5\x8f\xff" structure "\x80\0" \
  "\0\0\1\1\x22"
#define OPEN "\0\0\1\xb8\0\x08\0\0"
#define CLOSED "\0\0\1\xb8\0\x08\0\x40"
#define TOP "\xf1"
#define BOTTOM "\xf2"
#define WHOLE "\xf3"

static void
test_mpeg2_fields (void)
{
  /* B pictures refer to a missing picture until there are two reference pictures */
  static const Packet open[] = {
    P (OPEN PICTURE ("\x0f", WHOLE), START),
    P (PICTURE ("\x1f", WHOLE), HIDDEN | LEADING | UNUSED | BACKWARD),
    P (PICTURE ("\x17", WHOLE), 0),
    P (PICTURE ("\x1f", WHOLE), UNUSED | BACKWARD),
  };
  static const Packet closed[] = {
    P (CLOSED PICTURE ("\x0f", WHOLE), START),
    P (PICTURE ("\x1f", WHOLE), UNUSED | BACKWARD),
  };
  static const Packet fields[] = {
    P (OPEN PICTURE ("\x0f", TOP), START | FIELD),
    P (PICTURE ("\x0f", BOTTOM), HIDDEN | SECOND),
    P (PICTURE ("\x1f", TOP), HIDDEN | LEADING | UNUSED | BACKWARD | FIELD),
    P (PICTURE ("\x1f", BOTTOM), UNUSED | HIDDEN | SECOND),
    P (PICTURE ("\x17", TOP), FIELD),
    P (PICTURE ("\x17", BOTTOM), HIDDEN | SECOND),
    P (PICTURE ("\x1f", TOP) PICTURE ("\x1f", BOTTOM), UNUSED | BACKWARD),
    /* a group begins with a first field */
    P (PICTURE ("\x17", TOP), FIELD),
    P (OPEN PICTURE ("\x0f", TOP), START | FIELD),
  };
  /* a P field gets a substitute reference, which B pictures use too */
  static const Packet stands_in[] = {
    P (OPEN PICTURE ("\x0f", TOP) PICTURE ("\x17", BOTTOM), START),
    P (PICTURE ("\x1f", WHOLE), UNUSED | BACKWARD),
  };
  guint8 group[] = CLOSED PICTURE ("\x0f", WHOLE);

  assert_packets ("video/mpeg,mpegversion=2", open, G_N_ELEMENTS (open));
  assert_packets ("video/mpeg,mpegversion=2", closed, G_N_ELEMENTS (closed));
  assert_packets ("video/mpeg,mpegversion=2", fields, G_N_ELEMENTS (fields));
  assert_packets ("video/mpeg,mpegversion=2", stands_in, G_N_ELEMENTS (stands_in));
  group[7] = 0;
  clip_packet_close_group (group, sizeof group - 1);
  g_assert_cmphex (group[7], ==, 0x40);
  group[3] = 0xb3;
  group[7] = 0;
  clip_packet_close_group (group, sizeof group - 1);
  g_assert_cmphex (group[7], ==, 0);
}

/* Order */

#define S(n) ((n) * GST_SECOND)

static void
assert_order (const ClipIndex *index, const gchar *frames)
{
  GString *got = g_string_new (NULL);

  for (guint i = 0; i < index->n_frames; i++) {
    g_string_append_printf (
        got, "%s%u@%.2f", i ? " " : "", index->frames[i], (gdouble) index->times[i] / GST_SECOND);
    g_assert_cmpuint (index->ranks[index->frames[i]], ==, i);
  }
  g_assert_cmpstr (got->str, ==, frames);
  g_string_free (got, TRUE);
}

static void
test_order (void)
{
  static const ClipPacket by_time[] = {
    { S (11), S (9), 1, START | RESET, 0 },
    { S (15), S (10), 1, 0, 0 },
    { S (13), S (11), 1, 0, 0 },
    { S (12), S (12), 1, UNUSED, 0 },
    { S (14), S (13), 1, UNUSED, 0 },
    { S (16), S (14), 1, HIDDEN, 0 },
  };
  static const ClipPacket chunks[] = {
    { NONE, S (0), 1, START, 0 },
    { NONE, S (1), 1, 0, 0 },
    { NONE, S (4), 1, UNUSED | BACKWARD, 0 },
    { NONE, S (5), 1, 0, 0 },
    { NONE, S (6), 1, UNUSED | BACKWARD, 0 },
    { NONE, S (7), 1, UNUSED | BACKWARD, 0 },
  };
  static const ClipPacket packed[] = {
    { NONE, S (0), 1, START, 0 },
    { NONE, S (1), 1, 0, 0 },
    { NONE, S (2), 1, UNUSED | BACKWARD, 0 },
    { NONE, S (3), 1, HIDDEN, 0 },
    { NONE, S (4), 1, 0, 0 },
    { NONE, S (5), 1, UNUSED | BACKWARD, 0 },
  };
  static const ClipPacket open[] = {
    { NONE, S (0), 1, START, 0 },
    { NONE, S (1), 1, HIDDEN | LEADING | UNUSED | BACKWARD, 0 },
    { NONE, S (2), 1, 0, 0 },
    { NONE, S (3), 1, UNUSED | BACKWARD, 0 },
  };
  static const ClipPacket some[] = {
    { NONE, NONE, 1, START, 0 },
    { S (4), NONE, 1, 0, 0 },
    { NONE, NONE, 1, UNUSED | BACKWARD, 0 },
    { NONE, NONE, 1, 0, 0 },
    { S (8), NONE, 1, 0, 0 },
  };
  static const ClipPacket leading[] = {
    { S (3), NONE, 1, START, 0 },
    { S (1), NONE, 1, UNUSED | CLIP_PACKET_LEADING, 0 },
    { S (4), NONE, 1, 0, 0 },
    { S (7), NONE, 1, START, 0 },
    { S (6), NONE, 1, UNUSED | CLIP_PACKET_LEADING, 0 },
  };
  /* I, two B pictures before it, P, and one between whose second field is missing */
  static const ClipPacket fields[] = {
    { S (3), NONE, 1, START | RECOVERED | FIELD, 0 },
    { NONE, NONE, 1, HIDDEN | SECOND, 0 },
    { S (1), NONE, 1, UNUSED | FIELD, 0 },
    { NONE, NONE, 1, HIDDEN | SECOND, 0 },
    { S (2), NONE, 1, UNUSED, 0 },
    { S (5), NONE, 1, FIELD, 0 },
    { NONE, NONE, 1, HIDDEN | SECOND, 0 },
    { S (4), NONE, 1, UNUSED | FIELD, 0 },
  };
  /* an unmarked I picture, B pictures before it, P, and one between */
  static const ClipPacket unmarked[] = {
    { S (3), NONE, 1, CLIP_PACKET_INTRA, 0 },
    { S (1), NONE, 1, UNUSED, 0 },
    { S (2), NONE, 1, UNUSED, 0 },
    { S (5), NONE, 1, 0, 0 },
    { S (4), NONE, 1, UNUSED, 0 },
    { S (7), NONE, 1, 0, 0 },
    { S (6), NONE, 1, UNUSED, 0 },
  };
  static const ClipPacket late[] = {
    { NONE, NONE, 1, START, 0 },
    { NONE, NONE, 1, UNUSED | BACKWARD, 0 },
    { S (3), NONE, 1, 0, 0 },
    { S (2), NONE, 1, UNUSED | BACKWARD, 0 },
  };
  /* an I picture, then B and P pictures, with decoding times as presentation times */
  static const ClipPacket decoding[] = {
    { S (0), S (0), 1, START, 0 },
    { S (1), S (1), 1, 0, 0 },
    { S (2), S (2), 1, UNUSED | BACKWARD, 0 },
    { S (3), S (3), 1, 0, 0 },
    { S (4), S (4), 1, UNUSED | BACKWARD, 0 },
  };
  static const ClipPacket cut[] = {
    { S (1), NONE, 1, 0, 0 },
    { S (0), NONE, 1, UNUSED, 0 },
    { S (3), NONE, 1, START, 0 },
    { S (2), NONE, 1, UNUSED | CLIP_PACKET_LEADING, 0 },
    { S (4), NONE, 1, 0, 0 },
  };
  static const ClipPacket edited[] = {
    { S (1), NONE, 1, START | RECOVERED | CLIP_PACKET_OUTSIDE, 0 },
    { S (2), NONE, 1, 0, 0 },
    { S (4), NONE, 1, 0, 0 },
    { S (3), NONE, 1, UNUSED, 0 },
    { S (5), NONE, 1, START | RECOVERED, 0 },
  };
  static const ClipPacket joined[] = {
    { S (3), NONE, 1, START, 0 },
    { S (5), NONE, 1, 0, 0 },
    { S (4), NONE, 1, UNUSED | BACKWARD, 0 },
    { S (0), NONE, 1, START, 0 },
    { S (2), NONE, 1, 0, 0 },
    { S (1), NONE, 1, UNUSED | BACKWARD, 0 },
  };
  static const ClipPacket joined_some[] = {
    { S (3), NONE, 1, START, 0 },
    { NONE, NONE, 1, 0, 0 },
    { S (5), NONE, 1, 0, 0 },
    { S (0), NONE, 1, START, 0 },
    { S (1), NONE, 1, 0, 0 },
  };
  /* I, P, B; another part that begins with an unneeded I and B picture, and a picture after its
   * end */
  static const ClipPacket parts[] = {
    { S (0), NONE, 1, START | RESET, 0 },
    { S (2), NONE, 1, 0, 0 },
    { S (1), NONE, 1, UNUSED | BACKWARD, 0 },
    { S (1), NONE, 1, START | CLIP_PACKET_PART | CLIP_PACKET_OUTSIDE, 0 },
    { S (0), NONE, 1, UNUSED | BACKWARD | CLIP_PACKET_OUTSIDE, 0 },
    { S (4), NONE, 1, 0, 0 },
    { S (3), NONE, 1, UNUSED | BACKWARD, 0 },
    { S (5), NONE, 1, CLIP_PACKET_OUTSIDE, 0 },
    { S (5), NONE, 1, START | CLIP_PACKET_PART, 0 },
  };
  /* I, P and an unmarked B picture between them */
  static const ClipPacket unmarked_b[] = {
    { S (0), S (0), 1, START, 0 },
    { S (2), S (1), 1, 0, 0 },
    { S (1), S (2), 1, 0, 0 },
    { S (3), S (3), 1, START, 0 },
  };
  /* a part that begins with a key frame and has a picture that depends on an earlier one */
  static const ClipPacket open_parts[] = {
    { S (0), NONE, 1, START, 0 },
    { S (1), NONE, 1, START, 0 },
    { S (3), NONE, 1, START | CLIP_PACKET_PART, 0 },
    { S (2), NONE, 1, UNUSED | LEADING, 0 },
    { S (4), NONE, 1, 0, 0 },
  };
  ClipIndex *index, *again;
  guint from, to;

  index = clip_index_new ("", CLIP_CODEC_H264, fields, G_N_ELEMENTS (fields));
  assert_order (index, "0@0.00 5@2.00");
  clip_index_range (index, 0, 0, &from, &to);
  g_assert_cmpuint (from, ==, 0);
  g_assert_cmpuint (to, ==, 1);
  clip_index_range (index, 1, 1, &from, &to);
  g_assert_cmpuint (to, ==, 6);
  clip_index_unref (index);

  /* P was decoded before I was shown */
  index = clip_index_new ("", CLIP_CODEC_H264, unmarked, G_N_ELEMENTS (unmarked));
  assert_order (index, "0@0.00 4@1.00 6@3.00 5@4.00");
  g_assert_cmpuint (clip_index_before (index, 1), ==, 0);
  g_assert_cmpuint (clip_index_before (index, 3), ==, 2);
  clip_index_unref (index);

  /* frames before the first known time keep their distance */
  index = clip_index_new ("", CLIP_CODEC_MPEG2, late, G_N_ELEMENTS (late));
  assert_order (index, "1@0.00 0@1.00 3@2.00 2@3.00");
  clip_index_unref (index);

  index = clip_index_new ("", CLIP_CODEC_H264, by_time, 6);
  g_assert_false (index->counted);
  assert_order (index, "0@0.00 3@1.00 2@2.00 4@3.00 1@4.00");
  g_assert_cmpuint (index->ranks[5], ==, G_MAXUINT32);
  clip_index_unref (index);

  /* no picture has a time of its own, but B pictures determine the order */
  index = clip_index_new ("", CLIP_CODEC_MPEG4, chunks, 6);
  g_assert_false (index->counted);
  assert_order (index, "0@0.00 2@1.00 1@4.00 4@5.00 5@6.00 3@7.00");
  clip_index_unref (index);

  /* I, a B picture that lacks a reference, P, and a B picture between them */
  index = clip_index_new ("", CLIP_CODEC_MPEG4, open, G_N_ELEMENTS (open));
  assert_order (index, "0@0.00 3@1.00 2@2.00");
  clip_index_unref (index);

  /* the last one is in the previous packet */
  index = clip_index_new ("", CLIP_CODEC_MPEG4, packed, G_N_ELEMENTS (packed));
  assert_order (index, "0@0.00 2@1.00 1@2.00 4@3.00");
  clip_index_unref (index);
  index = clip_index_new ("", CLIP_CODEC_MPEG4, chunks, 3);
  g_assert_cmpuint (index->n_frames, ==, 3);
  clip_index_unref (index);

  /* nothing determines the order */
  index = clip_index_new ("", CLIP_CODEC_H264, chunks, 6);
  g_assert_true (index->counted);
  clip_index_unref (index);

  index = clip_index_new ("", CLIP_CODEC_MPEG2, some, 5);
  g_assert_false (index->counted);
  g_assert_cmpuint (index->frames[1], ==, 2);
  g_assert_cmpuint (index->frames[2], ==, 1);
  g_assert_cmpuint (index->times[4] - index->times[2], ==, S (4));
  g_assert_cmpuint (index->times[3] - index->times[2], ==, S (2));
  clip_index_unref (index);

  /* frames that depend on one before the first key frame are not shown */
  index = clip_index_new ("", CLIP_CODEC_H265, leading, 5);
  assert_order (index, "0@0.00 2@1.00 4@3.00 3@4.00");
  clip_index_unref (index);
  index = clip_index_new ("", CLIP_CODEC_H265, cut, G_N_ELEMENTS (cut));
  assert_order (index, "2@0.00 4@1.00");
  clip_index_unref (index);

  /* frames cut off by an edit list are decoded, so that later ones are correct */
  index = clip_index_new ("", CLIP_CODEC_H264, edited, G_N_ELEMENTS (edited));
  assert_order (index, "1@0.00 3@1.00 2@2.00 4@3.00");
  again = clip_index_new ("", CLIP_CODEC_H264, index->packets, index->n_packets);
  assert_order (again, "1@0.00 3@1.00 2@2.00 4@3.00");
  clip_index_unref (again);
  clip_index_unref (index);
  index = clip_index_new ("", CLIP_CODEC_VP8, cut, G_N_ELEMENTS (cut));
  assert_order (index, "2@0.00 4@1.00");
  clip_index_unref (index);

  /* the clock restarts */
  index = clip_index_new ("", CLIP_CODEC_MPEG2, joined, G_N_ELEMENTS (joined));
  assert_order (index, "0@0.00 2@1.00 1@2.00 3@3.00 5@4.00 4@5.00");
  clip_index_unref (index);
  index = clip_index_new ("", CLIP_CODEC_MPEG2, joined_some, G_N_ELEMENTS (joined_some));
  assert_order (index, "0@0.00 1@1.00 2@2.00 3@3.00 4@4.00");
  clip_index_unref (index);

  /* frames that an edit list cuts off before a part do not belong to the previous part */
  for (guint i = 0; i < 3; i++) {
    index = clip_index_new ("",
        ((ClipCodec[]) { CLIP_CODEC_H264, CLIP_CODEC_H265, CLIP_CODEC_MPEG4 })[i], parts,
        G_N_ELEMENTS (parts));
    assert_order (index, "0@0.00 2@1.00 1@2.00 6@3.00 5@4.00 8@5.00");
    g_assert_cmpuint (clip_index_before (index, 3), ==, 3);
    g_assert_cmpuint (clip_index_before (index, 4), ==, 3);
    g_assert_cmpuint (clip_index_before (index, 7), ==, 5);
    clip_index_unref (index);
  }

  index = clip_index_new ("", CLIP_CODEC_H265, open_parts, G_N_ELEMENTS (open_parts));
  assert_order (index, "0@0.00 1@1.00 2@3.00 4@4.00");
  clip_index_unref (index);

  /* decreasing times come from B pictures, not from another clock */
  index = clip_index_new ("", CLIP_CODEC_OTHER, unmarked_b, G_N_ELEMENTS (unmarked_b));
  assert_order (index, "0@0.00 2@1.00 1@2.00 3@3.00");
  clip_index_unref (index);

  index = clip_index_new ("", CLIP_CODEC_MPEG4, decoding, G_N_ELEMENTS (decoding));
  assert_order (index, "0@0.00 2@1.00 1@2.00 4@3.00 3@4.00");
  clip_index_unref (index);

  /* only the decoder knows which picture is presented first */
  index = clip_index_new ("", CLIP_CODEC_H265, decoding, G_N_ELEMENTS (decoding));
  g_assert_true (index->counted);
  clip_index_unref (index);
}

/* Random groups of pictures: open ones, B pictures, hidden frames, times with jitter. */
static ClipIndex *
random_index (GRand *rand)
{
  const guint n = g_rand_int_range (rand, 1, 120);
  ClipPacket *packets = g_new0 (ClipPacket, n);
  GstClockTime time = S (g_rand_int_range (rand, 0, 5));
  ClipIndex *index;

  for (guint i = 0; i < n; i++) {
    ClipPacket *p = packets + i;

    time += g_rand_int_range (rand, 1, 80) * GST_MSECOND;
    p->pts = time;
    p->dts = S (i);
    p->size = 1;
    if (i == 0 || g_rand_int_range (rand, 0, 10) == 0)
      p->flags = START | (i == 0 || g_rand_boolean (rand) ? RESET : 0);
    else if (g_rand_int_range (rand, 0, 8) == 0)
      p->flags = HIDDEN;
    /* shown before its predecessor */
    else if (!(packets[i - 1].flags & (RESET | HIDDEN)) && g_rand_boolean (rand)) {
      p->flags = UNUSED;
      p->pts = packets[i - 1].pts;
      packets[i - 1].pts = time;
    }
  }
  index = clip_index_new ("", CLIP_CODEC_H264, packets, n);
  g_free (packets);

  return index;
}

/* Any packets: an index written and read again gives the same result. */
static void
test_again (void)
{
  static const ClipCodec codecs[] = { CLIP_CODEC_H264, CLIP_CODEC_H265, CLIP_CODEC_MPEG2,
    CLIP_CODEC_MPEG4 };
  static const guint16 kinds[] = { START, RESET, HIDDEN, UNUSED, BACKWARD, LEADING,
    CLIP_PACKET_OUTSIDE, RECOVERED, FIELD, SECOND, CLIP_PACKET_INTRA, CLIP_PACKET_PART };
  GRand *rand = g_rand_new_with_seed (g_test_rand_int ());
  guint some = 0;

  for (guint run = 0; run < 8000; run++) {
    const ClipCodec codec = codecs[run / 2 % G_N_ELEMENTS (codecs)];
    const guint n = g_rand_int_range (rand, 1, 24), rare = g_rand_int_range (rand, 3, 12);
    ClipPacket packets[24] = { { 0 } };
    ClipIndex *first, *again;

    for (guint i = 0; i < n; i++) {
      packets[i].pts = run % 2 && g_rand_int_range (rand, 0, 4) == 0
          ? NONE
          : S (i + g_rand_int_range (rand, 0, 4));
      packets[i].dts = S (i);
      packets[i].layer = g_rand_int_range (rand, 0, 2);
      for (guint k = 0; k < G_N_ELEMENTS (kinds); k++)
        packets[i].flags |= g_rand_int_range (rand, 0, rare) ? 0 : kinds[k];
    }
    first = clip_index_new ("", codec, packets, n);
    again = clip_index_new ("", codec, first->packets, n);
    g_assert_cmpmem (again->packets, n * sizeof *packets, first->packets, n * sizeof *packets);
    g_assert_cmpint (again->counted, ==, first->counted);
    g_assert_cmpmem (again->frames, again->n_frames * sizeof *again->frames, first->frames,
        first->n_frames * sizeof *first->frames);
    g_assert_cmpmem (again->times, again->n_frames * sizeof *again->times, first->times,
        first->n_frames * sizeof *first->times);
    g_assert_cmpmem (
        again->ranks, n * sizeof *again->ranks, first->ranks, n * sizeof *first->ranks);
    some += first->n_frames > 0 && first->n_frames < n;
    clip_index_unref (first);
    clip_index_unref (again);
  }
  g_assert_cmpuint (some, >, 1000);
  g_rand_free (rand);
}

/* A window of frames by number, and the same window in seconds. */
static void
assert_frames (const ClipIndex *index, GRand *rand)
{
  const guint a = g_rand_int_range (rand, 0, index->n_frames + 2);
  const guint b = g_rand_int_range (rand, 0, index->n_frames + 2);
  gdouble from, to;
  guint first, again;
  const guint n = clip_index_frames (index, a, b, &first, &from, &to);

  if (a >= b || a >= index->n_frames) {
    g_assert_cmpuint (n, ==, 0);
    return;
  }
  g_assert_cmpuint (first, ==, a);
  g_assert_cmpuint (n, ==, MIN (b, index->n_frames) - a);
  /* times cannot separate frames that are shown at the same time */
  if ((a > 0 && index->times[a] < index->times[a - 1] + GST_MSECOND)
      || (b < index->n_frames && index->times[b] < index->times[b - 1] + GST_MSECOND))
    return;
  g_assert_cmpuint (clip_index_segment (index, from, to, &again), ==, n);
  g_assert_cmpuint (again, ==, first);
}

static void
test_segments (void)
{
  GRand *rand = g_rand_new_with_seed (g_test_rand_int ());

  for (guint run = 0; run < 500; run++) {
    ClipIndex *index = random_index (rand);
    gdouble a = g_rand_double_range (rand, -1, 6);
    gdouble b = a + g_rand_double_range (rand, 0, 4);
    guint first, n, found = 0;

    n = clip_index_segment (index, a, b, &first);
    for (guint i = 0; i < index->n_frames; i++) {
      const gdouble t = (gdouble) index->times[i] / GST_SECOND;
      const gboolean in = (t >= a - 0.0005 || a < 0) && t < b - 0.0005;

      g_assert_cmpint (in, ==, i >= first && i < first + n);
      found += in;
    }
    g_assert_cmpuint (n, ==, found);
    n = clip_index_segment (index, 0, G_MAXDOUBLE, &first);
    g_assert_cmpuint (first, ==, 0);
    g_assert_cmpuint (n, ==, index->n_frames);
    assert_frames (index, rand);
    clip_index_unref (index);
  }
  g_rand_free (rand);
}

/* The last RESET, or else the last START at least 32 packets before. */
static void
assert_runs_up (const ClipIndex *index, guint from)
{
  const guint start = clip_index_run_up (index, from);

  for (guint i = from + 1; i-- > 0;) {
    const guint16 flags = index->packets[i].flags;

    if (i == 0 || flags & CLIP_PACKET_RESET || (flags & START && from - i >= 32)) {
      g_assert_cmpuint (start, ==, i);
      break;
    }
  }
}

/* Each wanted frame's own range is in one run, and runs begin where a decoder may. */
static void
assert_runs (const ClipIndex *index, guint first, guint last, GRand *rand)
{
  g_autofree gboolean *wanted = g_new (gboolean, last - first + 1);
  g_autoptr (GArray) runs = NULL, whole = clip_index_runs (index, first, last, NULL);
  const gint odds = g_rand_int_range (rand, 1, 8);
  const ClipRun *run;
  guint from, to, k;

  for (guint i = first; i <= last; i++)
    wanted[i - first] = i == first || i == last || g_rand_int_range (rand, 0, odds) == 0;
  runs = clip_index_runs (index, first, last, wanted);
  run = (const ClipRun *) runs->data;
  g_assert_cmpuint (whole->len, ==, 1);
  g_assert_cmpuint (run[0].from, ==, g_array_index (whole, ClipRun, 0).from);
  g_assert_cmpuint (run[runs->len - 1].to, <=, g_array_index (whole, ClipRun, 0).to);
  for (guint i = 0; i < runs->len; i++) {
    g_assert_cmpuint (run[i].from, <=, run[i].to);
    g_assert_cmpuint (run[i].to, <, index->n_packets);
    if (i > 0) {
      g_assert_cmpuint (run[i].from, >, run[i - 1].to + 1);
      g_assert_true (index->packets[run[i].from].flags & START);
      g_assert_false (index->counted);
    }
  }
  for (guint i = first; i <= last; i++) {
    if (!wanted[i - first])
      continue;
    clip_index_range (index, i, i, &from, &to);
    for (k = 0; k < runs->len && run[k].to < to; k++)
      ;
    g_assert_cmpuint (k, <, runs->len);
    g_assert_cmpuint (run[k].from, <=, from);
  }
}

static void
assert_runs_are (
    ClipCodec codec, const ClipPacket *packets, guint n, const gboolean *wanted, const gchar *text)
{
  ClipIndex *index = clip_index_new ("", codec, packets, n);
  g_autoptr (GString) found = g_string_new (NULL);
  g_autoptr (GArray) runs = clip_index_runs (index, 0, index->n_frames - 1, wanted);

  for (guint i = 0; i < runs->len; i++)
    g_string_append_printf (found, "%s%u-%u", i ? " " : "", g_array_index (runs, ClipRun, i).from,
        g_array_index (runs, ClipRun, i).to);
  g_assert_cmpstr (found->str, ==, text);
  clip_index_unref (index);
}

/* Groups of 10, of which each other picture is not referred to. */
static void
test_runs (void)
{
  /* from 1.24 on, decoding begins early enough before a START that is no RESET */
  const gchar *started = clip_index_loses_frames () ? "0-39" : "0-5 20-27 30-39";
  const struct {
    ClipCodec codec;
    guint16 start;
    const gchar *runs;
  } cases[] = {
    { CLIP_CODEC_H264, START | RESET, "0-5 20-27 30-39" },
    { CLIP_CODEC_VP9, START | RESET, "0-5 20-27 30-39" },
    { CLIP_CODEC_MPEG2, START, started },
    { CLIP_CODEC_H264, START, "0-39" },
    { CLIP_CODEC_OTHER, START, "0-39" },
  };
  /* frame 5 comes before the RESET that frame 3 is decoded from */
  static const guint places[] = { 0, 1, 9, 3, 4, 5 };
  ClipPacket packets[40] = { { 0 } };
  gboolean wanted[40] = { FALSE };

  wanted[0] = wanted[5] = wanted[27] = wanted[39] = TRUE;
  for (guint c = 0; c < G_N_ELEMENTS (cases); c++) {
    for (guint i = 0; i < 40; i++)
      packets[i] = (ClipPacket) { S (i), S (i), 1,
        i % 10 == 0      ? cases[c].start | (i == 0 ? RESET : 0)
            : i % 2 == 0 ? UNUSED
                         : 0,
        0 };
    assert_runs_are (cases[c].codec, packets, 40, wanted, cases[c].runs);
  }
  /* a part of an edit list begins between two wanted frames */
  packets[12].flags |= CLIP_PACKET_PART;
  for (guint i = 0; i < 40; i += 10)
    packets[i].flags |= RESET;
  assert_runs_are (CLIP_CODEC_VP9, packets, 40, wanted, "0-27 30-39");

  /* two fields a frame */
  for (guint i = 0; i < 40; i++)
    packets[i] = (ClipPacket) { S (i / 2), S (i), 1,
      (i % 10 == 0 ? START | RESET : 0) | (i % 2 ? SECOND | HIDDEN : FIELD), 0 };
  memset (wanted, 0, sizeof wanted);
  wanted[0] = wanted[2] = wanted[12] = wanted[19] = TRUE;
  assert_runs_are (CLIP_CODEC_H264, packets, 40, wanted, "0-5 20-25 30-39");

  for (guint i = 0; i < 6; i++)
    packets[i] = (ClipPacket) { S (places[i]), S (i), 1, i % 3 == 0 ? START | RESET : 0, 0 };
  memset (wanted, 0, sizeof wanted);
  wanted[0] = wanted[2] = wanted[5] = TRUE;
  assert_runs_are (CLIP_CODEC_VP9, packets, 6, wanted, "0-5");

  /* a damaged file: what looks like second fields of such a frame reaches the RESET */
  packets[1].pts = S (9);
  packets[2] = (ClipPacket) { S (9), S (2), 1, SECOND | HIDDEN, 0 };
  packets[3].flags |= SECOND;
  memset (wanted, 0, sizeof wanted);
  wanted[0] = wanted[1] = wanted[3] = TRUE;
  assert_runs_are (CLIP_CODEC_H264, packets, 5, wanted, "0-4");
}

static void
test_ranges (void)
{
  GRand *rand = g_rand_new_with_seed (g_test_rand_int ());

  for (guint run = 0; run < 500; run++) {
    ClipIndex *index = random_index (rand);
    guint first, last, from, to;

    if (index->n_frames == 0) {
      clip_index_unref (index);
      continue;
    }
    first = g_rand_int_range (rand, 0, index->n_frames);
    last = g_rand_int_range (rand, first, index->n_frames);
    clip_index_range (index, first, last, &from, &to);
    /* the range contains all wanted frames, and ends with the last one */
    for (guint i = first; i <= last; i++) {
      g_assert_cmpuint (index->frames[i], >=, from);
      g_assert_cmpuint (index->frames[i], <=, to);
    }
    g_assert_cmpuint (index->ranks[to], <=, last);
    g_assert_cmpuint (index->ranks[to], >=, first);
    /* no later start is possible */
    g_assert_true (
        from == 0 || (index->packets[from].flags & START && index->ranks[from] <= first));
    for (guint i = from + 1; i <= to; i++) {
      gboolean all = TRUE;

      for (guint k = first; k <= last; k++)
        all &= index->frames[k] >= i;
      g_assert_false (all && index->packets[i].flags & START && index->ranks[i] <= first);
    }
    assert_runs_up (index, from);
    assert_runs (index, first, last, rand);
    g_assert_cmpint (
        clip_index_find (index, index->packets[to].pts, index->packets[to].dts), ==, to);
    g_assert_cmpint (clip_index_find (index, S (999), S (999)), ==, -1);
    g_assert_cmpint (clip_index_find (index, NONE, NONE), ==, -1);
    clip_index_unref (index);
  }
  g_rand_free (rand);
}

/* On disk */

static gchar *
only_file (const gchar *folder)
{
  GDir *dir = g_dir_open (folder, 0, NULL);
  gchar *path = g_build_filename (folder, g_dir_read_name (dir), NULL);

  g_assert_null (g_dir_read_name (dir));
  g_dir_close (dir);

  return path;
}

static void
assert_read (const gchar *folder, const ClipVideo *video, gboolean there)
{
  ClipIndex *index = clip_index_file_read (folder, video);

  g_assert_cmpint (index != NULL, ==, there);
  g_clear_pointer (&index, clip_index_unref);
}

static void
test_file (void)
{
  const ClipPacket packets[] = { { 0, NONE, 100, START | RESET, 0 }, { 80, 0, 20, 0, 0 },
    { 40, 40, 10, UNUSED, 1 } };
  const ClipVideo video = { (gchar *) "/a/b.mp4", 1000, 12, 34, -1, TRUE };
  const ClipVideo others[] = { { (gchar *) "/a/c.mp4", 1000, 12, 34, -1, TRUE },
    { video.path, 1001, 12, 34, -1, TRUE }, { video.path, 1000, 13, 34, -1, TRUE },
    { video.path, 1000, 12, 35, -1, TRUE }, { video.path, 1000, 12, 34, 0, TRUE } };
  gchar *folder = g_dir_make_tmp ("clipindex-XXXXXX", NULL), *sub, *name, *data;
  ClipIndex *index = clip_index_new ("001", CLIP_CODEC_H264, packets, G_N_ELEMENTS (packets)),
            *read;
  ClipVideo fresh = video;
  gsize size;

  /* another change could still get the same time */
  g_assert_true (clip_video_is_settled (video.seconds));
  fresh.seconds = g_get_real_time () / G_USEC_PER_SEC;
  fresh.settled = clip_video_is_settled (fresh.seconds);
  clip_index_file_write (folder, &fresh, index);
  assert_read (folder, &fresh, FALSE);

  clip_index_file_write (folder, &video, index);
  read = clip_index_file_read (folder, &video);
  g_assert_nonnull (read);
  g_assert_cmpstr (read->stream, ==, "001");
  g_assert_cmpint (read->codec, ==, CLIP_CODEC_H264);
  g_assert_cmpmem (read->packets, sizeof packets, index->packets, sizeof packets);
  g_assert_cmpmem (read->frames, read->n_frames * sizeof *read->frames, index->frames,
      index->n_frames * sizeof *index->frames);
  clip_index_unref (read);
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    assert_read (folder, others + i, FALSE);

  /* damaged, truncated or extended anywhere: rebuilt, not trusted */
  sub = only_file (folder);
  name = only_file (sub);
  g_assert_true (g_file_get_contents (name, &data, &size, NULL));
  for (gsize i = 0; i < size; i++) {
    data[i] ^= 0x10;
    g_assert_true (g_file_set_contents (name, data, size, NULL));
    assert_read (folder, &video, FALSE);
    data[i] ^= 0x10;
    g_assert_true (g_file_set_contents (name, data, i, NULL));
    assert_read (folder, &video, FALSE);
  }
  data = g_realloc (data, size + 1);
  data[size] = 0;
  g_assert_true (g_file_set_contents (name, data, size + 1, NULL));
  assert_read (folder, &video, FALSE);
  clip_index_file_write (folder, &video, index);
  assert_read (folder, &video, TRUE);

  /* a folder that cannot be created is ignored */
  clip_index_file_write (name, &video, index);
  assert_read (name, &video, FALSE);

  g_assert_cmpint (g_remove (name), ==, 0);
  g_assert_cmpint (g_remove (sub), ==, 0);
  g_assert_cmpint (g_remove (folder), ==, 0);
  clip_index_unref (index);
  g_free (data);
  g_free (name);
  g_free (sub);
  g_free (folder);
}

/* Long-lived indices do not fragment memory between short-lived buffers, and stay intact. */
static void
test_memory (void)
{
  enum {
    N = 2000,
    PACKETS = 40
  };
  ClipPacket packets[PACKETS];
  g_autofree ClipIndex **kept = g_new (ClipIndex *, N);
#if defined __GLIBC__ && __GLIBC_PREREQ(2, 33)
  gsize before = 0, after;
#endif

  for (guint i = 0; i < PACKETS; i++)
    packets[i] = (ClipPacket) {
      .pts = i, .dts = i, .size = 1, .flags = i ? 0 : CLIP_PACKET_START | CLIP_PACKET_RESET
    };
  for (guint i = 0; i < N; i++) {
    gchar stream[16];
    gpointer buffer = g_malloc (300000 + i % 7 * 1000);

    g_snprintf (stream, sizeof stream, "%u", i);
    packets[0].size = i;
    kept[i] = clip_index_new (stream, CLIP_CODEC_H264, packets, PACKETS);
    g_free (buffer);
#if defined __GLIBC__ && __GLIBC_PREREQ(2, 33)
    if (i == N / 2)
      before = mallinfo2 ().arena;
#endif
  }
#if defined __GLIBC__ && __GLIBC_PREREQ(2, 33)
  after = mallinfo2 ().arena;
  g_assert_cmpuint (after, <=, before + 100000);
#endif
  for (guint i = 0; i < N; i++) {
    g_assert_cmpuint (kept[i]->packets[0].size, ==, i);
    g_assert_cmpuint (kept[i]->n_frames, ==, PACKETS);
    g_assert_cmpuint (g_ascii_strtoull (kept[i]->stream, NULL, 10), ==, i);
    clip_index_unref (kept[i]);
  }
}

/* Seconds for packets that all have the time of their predecessor. */
static gdouble
index_untimed (guint n)
{
  ClipPacket *packets = g_new0 (ClipPacket, n);
  gdouble begin, seconds;
  ClipIndex *index;

  for (guint i = 0; i < n; i++)
    packets[i] = (ClipPacket) { i ? NONE : 0, NONE, 100, i ? CLIP_PACKET_SAME : START | RESET };
  begin = test_cpu_seconds ();
  index = clip_index_new ("", CLIP_CODEC_MPEG4, packets, n);
  seconds = test_cpu_seconds () - begin;
  g_assert_cmpuint (index->n_frames, ==, n);
  clip_index_unref (index);
  g_free (packets);

  return seconds;
}

/* Ten times as many take about ten times as long, not a hundred times. */
static void
test_untimed (void)
{
  g_assert_cmpfloat (index_untimed (300000), <, 40 * index_untimed (30000) + 0.1);
}

int
main (int argc, char **argv)
{
  gint status;

  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);

  g_test_add_func ("/clipindex/packets", test_packets);
  g_test_add_func ("/clipindex/packed", test_packed);
  g_test_add_func ("/clipindex/mpeg4", test_mpeg4);
  g_test_add_func ("/clipindex/h264-fields", test_h264_fields);
  g_test_add_func ("/clipindex/headers", test_headers);
  g_test_add_func ("/clipindex/mpeg2-fields", test_mpeg2_fields);
  g_test_add_func ("/clipindex/order", test_order);
  g_test_add_func ("/clipindex/again", test_again);
  g_test_add_func ("/clipindex/segments", test_segments);
  g_test_add_func ("/clipindex/ranges", test_ranges);
  g_test_add_func ("/clipindex/runs", test_runs);
  g_test_add_func ("/clipindex/file", test_file);
  g_test_add_func ("/clipindex/memory", test_memory);
  g_test_add_func ("/clipindex/untimed", test_untimed);

  status = g_test_run ();
  gst_deinit ();

  return status;
}
