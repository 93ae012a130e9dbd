/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipprogram.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Limit on the bytes to read. Recorders repeat the headers before each keyframe, but a file may
 * begin anywhere between these. */
#define MAX_BYTES (4 * 1024 * 1024)
#define BLOCK_BYTES (256 * 1024)

/* ISO/IEC 13818-1 2.5.3.3 and table 2-22 */
#define END 0xb9
#define PACK 0xba
#define FIRST_VIDEO 0xe0
#define FIRST_STREAM 0xbc

/* The bytes after a start code that are needed to recognise a header, and that a code has with
 * its prefix */
#define HEAD_BYTES 4
#define CODE_BYTES 4

/* ITU-T H.262 6.2.1 and 6.3.3. MPEG-4 part 2 has other headers with the first two codes. */
#define MPEG2_PICTURE 0x00
#define MPEG2_SEQUENCE 0xb3
#define MPEG2_EXTENSION 0xb5
#define MPEG2_GROUP 0xb8
#define USER_DATA 0xb2
#define NO_CODE 0xff

/* ISO/IEC 14496-2 6.2.1 */
#define MPEG4_LAST_OBJECT 0x1f
#define MPEG4_LAYER 0x20
#define MPEG4_LAST_LAYER 0x2f
#define MPEG4_SEQUENCE 0xb0
#define MPEG4_OBJECT 0xb5
#define MPEG4_PICTURE 0xb6

/* ITU-T H.264 7.3.1 and table 7-1: of a parameter set nal_ref_idc is not 0 */
#define H264_SPS 7
#define H264_PPS 8
#define H264_EXTENSION 13
#define H264_SUBSET 15
#define H264_IS(code, type) ((code) < 0x80 && (code) >> 5 != 0 && ((code) & 31) == (type))
/* ITU-T H.265 7.3.1.2: nal_unit_type in six bits, nuh_layer_id 0, nuh_temporal_id_plus1 1 */
#define H265_VPS (32 << 1)
#define H265_SPS (33 << 1)

/* tail:   [n_tail] the last bytes of the packet before
 * before: the last start code, but for user data; NO_CODE: there was none
 * parameters: the H.264 parameter set that it was, if any
 * sequence: it was an MPEG-2 sequence header, by its content */
typedef struct {
  guint8 tail[CODE_BYTES + HEAD_BYTES];
  guint n_tail;
  guint8 before;
  guint8 parameters;
  gboolean sequence;
} Stream;

/* ITU-T H.264 A.2 and annexes G to J. */
static gboolean
is_h264_profile (guint8 profile)
{
  static const guint8 profiles[] = { 44, 66, 77, 83, 86, 88, 100, 110, 118, 122, 128, 134, 135, 138,
    139, 244 };

  return memchr (profiles, profile, sizeof profiles) != NULL;
}

/* H.262 6.2.2.1: size, aspect ratio and frame rate, none of which is 0. MPEG-4's header with this
 * code has three bytes, and a start code follows. */
static gboolean
is_sequence (const guint8 *next)
{
  return (next[0] || next[1] >> 4) && (next[1] & 15 || next[2]) && next[3] >> 4 && next[3] & 15;
}

/* Whether headers of MPEG-1 or MPEG-2 have this order. */
static gboolean
is_mpeg2 (const Stream *stream, guint8 code, const guint8 *next)
{
  /* 6.2.3: of a picture's header, its type is 1 to 4. 6.3.1: picture coding extension */
  const gboolean picture =
      code == MPEG2_PICTURE && (next[1] >> 3 & 7) >= 1 && (next[1] >> 3 & 7) <= 4;

  if (stream->sequence && (code == MPEG2_EXTENSION || code == MPEG2_GROUP || picture))
    return TRUE;
  if (stream->before == MPEG2_GROUP && picture)
    return TRUE;

  return stream->before == MPEG2_PICTURE && code == MPEG2_EXTENSION && next[0] >> 4 == 8;
}

/* Whether headers of MPEG-4 have this order. A video object's start code has no data: its layer's
 * follows directly. AVS may start a sequence like MPEG-4's. */
static gboolean
is_mpeg4 (const Stream *stream, guint8 code, const guint8 *next)
{
  if (code <= MPEG4_LAST_OBJECT && next[0] == 0 && next[1] == 0 && next[2] == 1
      && next[3] >= MPEG4_LAYER && next[3] <= MPEG4_LAST_LAYER)
    return TRUE;

  return code == MPEG4_PICTURE || (code == MPEG4_OBJECT && stream->before == MPEG4_SEQUENCE);
}

/* next: [HEAD_BYTES] the bytes that follow the code. Codes above 0x80 are none of H.264 and
 * H.265. MPEG's slices, which begin with lower ones, are in ascending order, and a row may have
 * several. */
static ClipProgramKind
judge (Stream *stream, guint8 code, const guint8 *next)
{
  const guint8 before = stream->before, parameters = stream->parameters;

  if (code == USER_DATA)
    return CLIP_PROGRAM_UNKNOWN;
  if (is_mpeg2 (stream, code, next))
    return CLIP_PROGRAM_MPEG2;
  if (is_mpeg4 (stream, code, next))
    return CLIP_PROGRAM_MPEG4;
  if (code == H265_SPS && before == H265_VPS && next[0] == 1)
    return CLIP_PROGRAM_H265;
  if (H264_IS (code, H264_PPS) && parameters)
    return CLIP_PROGRAM_H264;
  stream->before = code;
  stream->sequence = code == MPEG2_SEQUENCE && is_sequence (next);
  /* between both parameter sets there may be an extension, a subset or another of the first one */
  if (before != code && !H264_IS (code, H264_EXTENSION) && !H264_IS (code, H264_SUBSET))
    stream->parameters = 0;
  if (H264_IS (code, H264_SPS) && before != code && before + 1 != code && is_h264_profile (next[0]))
    stream->parameters = code;

  return CLIP_PROGRAM_UNKNOWN;
}

/* The start codes in the next bytes of a stream. */
static ClipProgramKind
scan (Stream *stream, const guint8 *data, gsize size)
{
  const gsize n = stream->n_tail + size;
  guint8 *bytes = g_malloc (n);
  ClipProgramKind kind = CLIP_PROGRAM_UNKNOWN;
  gsize at = 0;

  memcpy (bytes, stream->tail, stream->n_tail);
  memcpy (bytes + stream->n_tail, data, size);
  for (; at + CODE_BYTES + HEAD_BYTES <= n && kind == CLIP_PROGRAM_UNKNOWN; at++)
    if (bytes[at] == 0 && bytes[at + 1] == 0 && bytes[at + 2] == 1)
      kind = judge (stream, bytes[at + 3], bytes + at + CODE_BYTES);
  stream->n_tail = MIN (n - at, sizeof stream->tail);
  memcpy (stream->tail, bytes + n - stream->n_tail, stream->n_tail);
  g_free (bytes);

  return kind;
}

/* 2.4.3.6: the payload of a PES packet, whose header of six bytes precedes `data`. ISO/IEC 11172-1
 * 2.4.3.3 has stuffing, a buffer size and timestamps instead. Returns its offset. */
static gsize
find_payload (const guint8 *data, gsize size)
{
  gsize at = 0;

  if (size >= 3 && data[0] >> 6 == 2)
    return MIN ((gsize) 3 + data[2], size);
  while (at < size && data[at] == 0xff)
    at++;
  if (at < size && data[at] >> 6 == 1)
    at += 2;
  if (at < size && data[at] >> 4 == 2)
    at += 5;
  else if (at < size && data[at] >> 4 == 3)
    at += 10;
  else
    at++;

  return MIN (at, size);
}

/* One of the system's packets at `data`. Returns its bytes; 1: there is none; 0: it is not
 * complete. */
static gsize
take_packet (ClipProgram *self, Stream *streams, const guint8 *data, gsize size)
{
  const guint8 code = data[3];
  const gsize length = CODE_BYTES + 2 + (data[4] << 8 | data[5]);
  gsize at;

  if (data[0] || data[1] || data[2] != 1 || code == PACK || code < PACK)
    return 1;
  if (length > size)
    return 0;
  if (code >= FIRST_VIDEO && code < FIRST_VIDEO + CLIP_PROGRAM_STREAMS) {
    const guint number = code - FIRST_VIDEO;

    at = CODE_BYTES + 2;
    at += find_payload (data + at, length - at);
    if (self->kinds[number] == CLIP_PROGRAM_UNKNOWN && at < length)
      self->kinds[number] = scan (&streams[number], data + at, length - at);
  }

  return length;
}

/* Whether all streams that were seen are known, and some were. */
static gboolean
is_found (const ClipProgram *self, const Stream *streams)
{
  gboolean any = FALSE;

  for (guint i = 0; i < CLIP_PROGRAM_STREAMS; i++) {
    if (self->kinds[i] == CLIP_PROGRAM_UNKNOWN && streams[i].n_tail > 0)
      return FALSE;
    any |= self->kinds[i] != CLIP_PROGRAM_UNKNOWN;
  }

  return any;
}

void
clip_program_find (ClipProgram *self, gint file)
{
  Stream streams[CLIP_PROGRAM_STREAMS];
  guint8 *bytes = g_malloc (BLOCK_BYTES);
  gsize offset = 0, at, step = 1;
  gssize n = 1;

  memset (self, 0, sizeof *self);
  memset (streams, 0, sizeof streams);
  for (guint i = 0; i < CLIP_PROGRAM_STREAMS; i++)
    streams[i].before = NO_CODE;
  while (offset < MAX_BYTES && n > 0 && !is_found (self, streams)) {
    while ((n = pread (file, bytes, BLOCK_BYTES, offset)) < 0 && errno == EINTR)
      ;
    for (at = 0; (gssize) (at + CODE_BYTES + 2) <= n && !is_found (self, streams); at += step)
      if ((step = take_packet (self, streams, bytes + at, n - at)) == 0)
        break;
    /* the last packet begins the next block; at the file's end it remains incomplete */
    if (n < BLOCK_BYTES || at == 0)
      break;
    offset += at;
  }
  g_free (bytes);
}

/* What the demuxer reads */

/* 2.5.3.3 and ISO/IEC 11172-1 2.4.3.2: 33 bits, with marker bits between them. */
static guint64
read_clock (const guint8 *pack)
{
  const guint8 *p = pack + CODE_BYTES;

  if ((p[0] & 0xc0) != 0x40)
    return (guint64) (p[0] >> 1 & 7) << 30 | p[1] << 22 | (p[2] >> 1) << 15 | p[3] << 7 | p[4] >> 1;

  return (guint64) (p[0] >> 3 & 7) << 30 | (p[0] & 3) << 28 | p[1] << 20 | (p[2] >> 3) << 15
      | (p[2] & 3) << 13 | p[3] << 5 | p[4] >> 3;
}

static void
clear_clock (guint8 *pack)
{
  static const guint8 first[] = { 0x21, 0, 1, 0, 1 };
  static const guint8 second[] = { 0x44, 0, 4, 0, 4, 1 };

  if ((pack[CODE_BYTES] & 0xc0) != 0x40)
    memcpy (pack + CODE_BYTES, first, sizeof first);
  else
    memcpy (pack + CODE_BYTES, second, sizeof second);
}

/* If the SCR goes back within the first packs, as where it starts just before a wraparound,
 * mpegpsdemux drops what precedes that. */
static void
correct_start (guint8 *data, gsize size)
{
  guint8 *first = NULL;
  gboolean again = FALSE;

  for (gsize i = 0; i + 12 <= size; i++) {
    guint8 *pack = data + i;

    if (pack[0] || pack[1] || pack[2] != 1 || pack[3] != PACK)
      continue;
    if (!first)
      first = pack;
    again |= read_clock (pack) < read_clock (first);
  }
  if (again)
    clear_clock (first);
}

/* After an end code mpegpsdemux leaves the rest of what it read until it reads on, which never
 * happens at the file's end. Joined files have an end code in the middle. Their codes become ones
 * that it passes over; they do not occur in video. */
static void
remove_ends (ClipProgram *self, guint64 offset, guint8 *data, gsize size)
{
  static const guint8 prefix[CLIP_PROGRAM_TAIL] = { 0, 0, 1 };
  const gboolean follows = self->next == offset;

  for (guint8 *p = data; (p = memchr (p, END, data + size - p)); p++) {
    const gsize here = MIN (p - data, CLIP_PROGRAM_TAIL), before = CLIP_PROGRAM_TAIL - here;

    if (!memcmp (p - here, prefix + before, here)
        && (before == 0 || (follows && !memcmp (self->tail + here, prefix, before))))
      *p = 0;
  }
  self->next = 0;
  if (size < CLIP_PROGRAM_TAIL)
    return;
  memcpy (self->tail, data + size - CLIP_PROGRAM_TAIL, CLIP_PROGRAM_TAIL);
  self->next = offset + size;
}

static GstPadProbeReturn
take_read (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstBuffer *buffer = gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));
  GstMapInfo map;

  info->data = buffer;
  if (!gst_buffer_map (buffer, &map, GST_MAP_READWRITE))
    return GST_PAD_PROBE_OK;
  if (info->offset == 0)
    correct_start (map.data, map.size);
  remove_ends (data, info->offset, map.data, map.size);
  gst_buffer_unmap (buffer, &map);

  return GST_PAD_PROBE_OK;
}

void
clip_program_watch (ClipProgram *self, GstPad *src)
{
  gst_pad_add_probe (
      src, GST_PAD_PROBE_TYPE_PULL | GST_PAD_PROBE_TYPE_BUFFER, take_read, self, NULL);
}

GstCaps *
clip_program_name (const ClipProgram *self, GstPad *pad, GstCaps *caps)
{
  const gchar *number = strrchr (GST_OBJECT_NAME (pad), '_');
  const guint64 id = number ? g_ascii_strtoull (number + 1, NULL, 16) : 0;
  const GstStructure *s = gst_caps_get_structure (caps, 0);
  const ClipProgramKind kind = id >= FIRST_VIDEO && id < FIRST_VIDEO + CLIP_PROGRAM_STREAMS
      ? self->kinds[id - FIRST_VIDEO]
      : CLIP_PROGRAM_UNKNOWN;
  gint version = 0;

  gst_structure_get_int (s, "mpegversion", &version);
  if (kind == CLIP_PROGRAM_UNKNOWN
      || (kind == CLIP_PROGRAM_MPEG2 && (version == 1 || version == 2)))
    return caps;
  gst_caps_unref (caps);
  if (kind == CLIP_PROGRAM_H264 || kind == CLIP_PROGRAM_H265)
    return gst_caps_new_simple (kind == CLIP_PROGRAM_H264 ? "video/x-h264" : "video/x-h265",
        "stream-format", G_TYPE_STRING, "byte-stream", NULL);

  return gst_caps_new_simple ("video/mpeg", "mpegversion", G_TYPE_INT,
      kind == CLIP_PROGRAM_MPEG4 ? 4 : 2, "systemstream", G_TYPE_BOOLEAN, FALSE, "parsed",
      G_TYPE_BOOLEAN, FALSE, NULL);
}
