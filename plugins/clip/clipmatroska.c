/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipmatroska.h"
#include "clipbytes.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

/* RFC 8794 and RFC 9559 */
#define ID_EBML 0x1a45dfa3
#define ID_SEGMENT 0x18538067
#define ID_SEEK_HEAD 0x114d9b74
#define ID_SEEK 0x4dbb
#define ID_SEEK_ID 0x53ab
#define ID_SEEK_POSITION 0x53ac
#define ID_INFO 0x1549a966
#define ID_TIMESTAMP_SCALE 0x2ad7b1
#define ID_CLUSTER 0x1f43b675
#define ID_TIMESTAMP 0xe7
#define ID_BLOCK_GROUP 0xa0
#define ID_BLOCK 0xa1
#define ID_SIMPLE_BLOCK 0xa3
#define ID_TRACKS 0x1654ae6b
#define ID_TRACK_ENTRY 0xae
#define ID_TRACK_NUMBER 0xd7
#define ID_VIDEO 0xe0
#define ID_PROJECTION 0x7670
#define ID_PROJECTION_TYPE 0x7671
#define ID_POSE_YAW 0x7673
#define ID_POSE_PITCH 0x7674
#define ID_POSE_ROLL 0x7675

/* Limits for the Tracks element, and for an element's header */
#define MAX_BYTES (16 * 1024 * 1024)
#define HEAD_BYTES 12

/* Limit on the elements to visit; at most a hundred precede the first cluster */
#define MAX_ELEMENTS 1000

/* Blocks are not reordered by more than this many frames */
#define MAX_REORDERED 32
/* Limit on the elements to visit until that many blocks of a track are found */
#define MAX_BLOCK_ELEMENTS 4000
/* The same until all are found, and on these: 11 hours at 25 a second */
#define MAX_ALL_ELEMENTS 4000000
#define MAX_ALL_BLOCKS 1000000
/* Limit on a cluster's time, which would overflow */
#define MAX_CLUSTER (G_MAXINT64 / GST_SECOND / 2)
/* Bytes of a block's header and of a number, after those of the element's header */
#define VALUE_BYTES 12

/* Bytes to read at once where elements are small, and otherwise. Of frames of one size as many
 * bytes are compared before the rest. */
#define NEAR_BYTES 65536
#define FAR_BYTES 4096

#define UNKNOWN_SIZE G_MAXUINT64

typedef struct {
  guint32 id;
  guint64 size;
  const guint8 *data;
} Element;

/* Parses an element's ID and size. Returns the length of both; 0: they are invalid. */
static gsize
parse_head (const guint8 *data, gsize size, Element *element)
{
  guint id_bytes = 1, size_bytes = 1;

  if (size < 2 || data[0] < 0x10)
    return 0;
  while (!(data[0] & 0x80 >> (id_bytes - 1)))
    id_bytes++;
  if (size <= id_bytes || data[id_bytes] == 0)
    return 0;
  while (!(data[id_bytes] & 0x80 >> (size_bytes - 1)))
    size_bytes++;
  if (size < id_bytes + size_bytes)
    return 0;
  element->id = 0;
  for (guint i = 0; i < id_bytes; i++)
    element->id = element->id << 8 | data[i];
  element->size = data[id_bytes] & (0xff >> size_bytes);
  for (guint i = 1; i < size_bytes; i++)
    element->size = element->size << 8 | data[id_bytes + i];
  if (element->size == (G_GUINT64_CONSTANT (1) << 7 * size_bytes) - 1)
    element->size = UNKNOWN_SIZE;

  return id_bytes + size_bytes;
}

/* The next child of an element; FALSE: there are no more, or the rest is truncated. */
static gboolean
next_element (const Element *in, gsize *at, Element *element)
{
  const gsize head = parse_head (in->data + *at, in->size - *at, element);

  if (head == 0 || element->size > in->size - *at - head)
    return FALSE;
  element->data = in->data + *at + head;
  *at += head + element->size;

  return TRUE;
}

static gboolean
find_element (const Element *in, guint32 id, Element *element)
{
  for (gsize at = 0; next_element (in, &at, element);)
    if (element->id == id)
      return TRUE;

  return FALSE;
}

static guint64
number_of (const Element *element)
{
  guint64 number = 0;

  for (guint i = 0; element->size <= 8 && i < element->size; i++)
    number = number << 8 | element->data[i];

  return number;
}

static guint64
read_number (const Element *in, guint32 id)
{
  Element element;

  return find_element (in, id, &element) ? number_of (&element) : 0;
}

static gdouble
read_float (const Element *in, guint32 id)
{
  Element element;

  if (!find_element (in, id, &element))
    return 0;

  return element.size == 4 ? clip_read_float_be (element.data)
      : element.size == 8  ? clip_read_double_be (element.data)
                           : 0;
}

/* Poses are counter-clockwise rotations; the roll follows the yaw. A flat picture seen from
 * behind, with a yaw of 180 degrees, is mirrored. */
static gboolean
read_projection (const Element *projection, GstVideoOrientationMethod *method)
{
  static const GstVideoOrientationMethod methods[2][4] = {
    { GST_VIDEO_ORIENTATION_IDENTITY, GST_VIDEO_ORIENTATION_90L, GST_VIDEO_ORIENTATION_180,
        GST_VIDEO_ORIENTATION_90R },
    { GST_VIDEO_ORIENTATION_HORIZ, GST_VIDEO_ORIENTATION_UL_LR, GST_VIDEO_ORIENTATION_VERT,
        GST_VIDEO_ORIENTATION_UR_LL }
  };
  const gdouble yaw = fabs (read_float (projection, ID_POSE_YAW));
  const gdouble roll = read_float (projection, ID_POSE_ROLL);

  if (read_number (projection, ID_PROJECTION_TYPE) != 0
      || read_float (projection, ID_POSE_PITCH) != 0 || (yaw != 0 && yaw != 180)
      || !(fabs (roll) <= 360) || fmod (roll, 90) != 0)
    return FALSE;
  *method = methods[yaw != 0][(gint) (roll / 90 + 4) % 4];

  return TRUE;
}

static gboolean
read_tracks (const Element *tracks, guint64 track, GstVideoOrientationMethod *method)
{
  Element entry, video, projection;

  for (gsize at = 0; next_element (tracks, &at, &entry);)
    if (entry.id == ID_TRACK_ENTRY && read_number (&entry, ID_TRACK_NUMBER) == track)
      return find_element (&entry, ID_VIDEO, &video)
          && find_element (&video, ID_PROJECTION, &projection)
          && read_projection (&projection, method);

  return FALSE;
}

/* The offset of the Tracks element from the start of the segment; 0: unknown. */
static guint64
find_tracks (const Element *head)
{
  Element seek;

  for (gsize at = 0; next_element (head, &at, &seek);)
    if (seek.id == ID_SEEK && read_number (&seek, ID_SEEK_ID) == ID_TRACKS)
      return read_number (&seek, ID_SEEK_POSITION);

  return 0;
}

static gsize
read_at (gint file, guint64 offset, guint8 *data, gsize size)
{
  gssize n;

  while ((n = pread (file, data, size, offset)) < 0 && errno == EINTR)
    ;

  return MAX (n, 0);
}

/* The data of the element at an offset. Free with g_free(). */
static guint8 *
read_element (gint file, guint64 offset, const Element *element)
{
  guint8 *data;

  if (element->size > MAX_BYTES)
    return NULL;
  data = g_malloc (MAX (element->size, 1));
  if (read_at (file, offset, data, element->size) == element->size)
    return data;
  g_free (data);

  return NULL;
}

gboolean
clip_matroska_orientation (gint file, guint64 track, GstVideoOrientationMethod *method)
{
  guint64 offset = 0, segment = 0, tracks = 0;
  gboolean found = FALSE, looks = TRUE, jumped = FALSE;

  for (guint n_elements = 0; looks && n_elements < MAX_ELEMENTS; n_elements++) {
    guint8 bytes[HEAD_BYTES], *data = NULL;
    Element element;
    const gsize n = read_at (file, offset, bytes, sizeof bytes);
    const gsize head = parse_head (bytes, n, &element);

    if (head == 0)
      return FALSE;
    offset += head;
    if (element.id == ID_SEGMENT && segment == 0) {
      segment = offset;
      continue;
    }
    if (element.id == ID_TRACKS || element.id == ID_SEEK_HEAD)
      data = read_element (file, offset, &element);
    element.data = data;
    if (data && element.id == ID_TRACKS)
      found = read_tracks (&element, track, method);
    else if (data && tracks == 0)
      tracks = find_tracks (&element);
    g_free (data);
    looks = element.id != ID_TRACKS && element.size != UNKNOWN_SIZE;
    offset += element.size;
    /* skip the clusters, which may be the rest of the file; only once, as the tracks may precede
     * them */
    if (element.id == ID_CLUSTER) {
      looks = tracks > 0 && !jumped;
      offset = segment + tracks;
      jumped = TRUE;
    }
    looks &= offset <= G_MAXINT64;
  }

  return found;
}

/* Blocks */

/* time: in ns; offset, size: of its frame in the file, without laces */
typedef struct {
  gint64 time;
  guint64 offset, size;
} Block;

/* blocks: of the track: the first ones, up to the last one before zero; or all
 * by:     how much all timestamps are increased, so that none is negative
 * at:     number of the next block; G_MAXUINT: after a seek
 * file:   if the demuxer loses all timestamps; otherwise -1 */
typedef struct {
  GArray *blocks;
  GstClockTime by;
  guint at;
  gint file;
} Early;

/* RFC 9559 10.1 and 10.2: track, signed timestamp relative to the cluster's. FALSE: it is of
 * another track, or invalid. *laced: it has several frames; *head: bytes of its header */
static gboolean
parse_block (
    const guint8 *data, gsize size, guint64 track, gint *relative, gboolean *laced, gsize *head)
{
  guint64 number;
  guint bytes = 1;

  if (size == 0 || data[0] == 0)
    return FALSE;
  while (!(data[0] & 0x80 >> (bytes - 1)))
    bytes++;
  if (size < bytes + 3)
    return FALSE;
  number = data[0] & (0xff >> bytes);
  for (guint i = 1; i < bytes; i++)
    number = number << 8 | data[i];
  *relative = (gint16) (data[bytes] << 8 | data[bytes + 1]);
  *laced = (data[bytes + 2] & 6) != 0;
  *head = bytes + 3;

  return number == track;
}

/* Bytes of a file: data: [size] from an offset on */
typedef struct {
  gint file;
  guint64 offset;
  gsize size;
  guint8 data[NEAR_BYTES];
} Window;

/* The bytes at an offset: *n of them, at most HEAD_BYTES + VALUE_BYTES. */
static const guint8 *
look (Window *window, guint64 offset, gsize *n)
{
  const guint64 end = window->offset + window->size;

  *n = HEAD_BYTES + VALUE_BYTES;
  if (offset < window->offset || offset + *n > end) {
    const gboolean near = offset >= window->offset && offset <= end + FAR_BYTES;

    window->offset = offset;
    window->size = read_at (window->file, offset, window->data, near ? NEAR_BYTES : FAR_BYTES);
    *n = MIN (*n, window->size);
  }

  return window->data + (offset - window->offset);
}

/* The track's first blocks, until MAX_REORDERED in succession are not before zero; or all. FALSE:
 * these are not all, as there are too many, several frames in one, or invalid elements. */
static gboolean
read_blocks (gint file, guint64 track, gboolean all, GArray *blocks)
{
  const guint limit = all ? MAX_ALL_ELEMENTS : MAX_BLOCK_ELEMENTS;
  guint64 offset = 0, end = G_MAXUINT64, cluster = 0, scale = GST_MSECOND;
  Window *window = g_new0 (Window, 1);
  gboolean ended = FALSE;
  guint early = 0;

  window->file = file;
  for (guint n_elements = 0; n_elements < limit && blocks->len < MAX_ALL_BLOCKS; n_elements++) {
    gsize n;
    const guint8 *bytes = look (window, offset, &n);
    Element element;
    const gsize head = parse_head (bytes, n, &element);
    gint relative;
    gboolean laced;
    gsize block_head;

    /* anything may follow a segment */
    ended = n < HEAD_BYTES + VALUE_BYTES || offset >= end;
    if (head == 0)
      break;
    ended = FALSE;
    element.data = bytes + head;
    offset += head;
    if (element.id == ID_SEGMENT && element.size <= G_MAXINT64 - offset)
      end = offset + element.size;
    if (element.id == ID_SEGMENT || element.id == ID_INFO || element.id == ID_CLUSTER
        || element.id == ID_BLOCK_GROUP)
      continue;
    if (element.size > G_MAXINT64 - offset)
      break;
    offset += element.size;
    if (element.id == ID_TIMESTAMP_SCALE && head + element.size <= n)
      scale = number_of (&element);
    if (element.id == ID_TIMESTAMP && head + element.size <= n)
      cluster = number_of (&element);
    /* no block is before its cluster by more */
    if (scale > GST_SECOND || cluster > (all ? MAX_CLUSTER : G_MAXINT16 + 1))
      break;
    if ((element.id == ID_BLOCK || element.id == ID_SIMPLE_BLOCK)
        && parse_block (
            element.data, MIN (n - head, element.size), track, &relative, &laced, &block_head)) {
      const Block block = { ((gint64) cluster + relative) * (gint64) scale,
        offset - element.size + block_head, element.size - block_head };

      if (laced)
        break;
      g_array_append_val (blocks, block);
      if (block.time < 0)
        early = blocks->len;
      else if (blocks->len - early >= MAX_REORDERED && !all)
        break;
    }
  }
  if (!all)
    g_array_set_size (blocks, early);
  g_free (window);

  return ended;
}

static void
early_free (gpointer data)
{
  Early *self = data;

  g_array_unref (self->blocks);
  if (self->file >= 0)
    close (self->file);
  g_free (self);
}

static GstEvent *
shift_seek (const Early *self, GstEvent *event)
{
  GstSeekFlags flags;
  GstSeekType start_type, stop_type;
  GstFormat format;
  gint64 start, stop;
  gdouble rate;
  GstEvent *shifted;

  gst_event_parse_seek (event, &rate, &format, &flags, &start_type, &start, &stop_type, &stop);
  shifted = gst_event_new_seek (
      rate, format, flags, start_type, MAX (start - (gint64) self->by, 0), stop_type, stop);
  gst_event_set_seqnum (shifted, gst_event_get_seqnum (event));
  gst_event_unref (event);

  return shifted;
}

static GstPadProbeReturn
shift_event (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Early *self = data;
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
  GstSegment segment;

  if (GST_EVENT_TYPE (event) == GST_EVENT_FLUSH_STOP) {
    self->at = G_MAXUINT;
  } else if (GST_EVENT_TYPE (event) == GST_EVENT_SEEK) {
    info->data = shift_seek (self, event);
  } else if (GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT) {
    gst_event_copy_segment (event, &segment);
    /* shifted timestamps may be after it */
    segment.stop = GST_CLOCK_TIME_NONE;
    gst_event_unref (event);
    info->data = gst_event_new_segment (&segment);
  }

  return GST_PAD_PROBE_OK;
}

/* matroskademux puts a header before each frame of ProRes. */
#define PRORES_HEAD 8

/* Whether the block has these bytes from..to of its frame. bytes: [to - from] for reading */
static gboolean
is_equal (gint file, const Block *block, const guint8 *frame, gsize from, gsize to, guint8 *bytes)
{
  return read_at (file, block->offset + from, bytes, to - from) == to - from
      && !memcmp (bytes, frame + from, to - from);
}

/* After a seek, the number of the block whose frame a buffer has; G_MAXUINT: unknown, or several
 * have the same. */
static guint
find_block (const Early *self, GstBuffer *buffer)
{
  guint found = G_MAXUINT;
  guint8 *bytes;
  GstMapInfo map;

  if (!gst_buffer_map (buffer, &map, GST_MAP_READ))
    return G_MAXUINT;
  bytes = g_malloc (map.size);
  for (guint i = 0; i < self->blocks->len; i++) {
    const Block *block = &g_array_index (self->blocks, Block, i);

    if (block->size + PRORES_HEAD != map.size
        || !is_equal (
            self->file, block, map.data + PRORES_HEAD, 0, MIN (block->size, FAR_BYTES), bytes)
        || !is_equal (self->file, block, map.data + PRORES_HEAD, MIN (block->size, FAR_BYTES),
            block->size, bytes))
      continue;
    if (found != G_MAXUINT) {
      found = G_MAXUINT;
      break;
    }
    found = i;
  }
  g_free (bytes);
  gst_buffer_unmap (buffer, &map);

  return found;
}

static GstPadProbeReturn
shift_block (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Early *self = data;
  GstBuffer *buffer = gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));
  GstClockTime *pts = &GST_BUFFER_PTS (buffer), *dts = &GST_BUFFER_DTS (buffer);

  info->data = buffer;
  /* a header of the stream */
  if (!GST_CLOCK_TIME_IS_VALID (*pts) && !GST_CLOCK_TIME_IS_VALID (*dts) && self->file < 0)
    return GST_PAD_PROBE_OK;
  if (self->file >= 0 && self->at == G_MAXUINT)
    self->at = find_block (self, buffer);
  if (self->at < self->blocks->len) {
    /* tracks from AVI files only have decoding times */
    *(GST_CLOCK_TIME_IS_VALID (*dts) && !GST_CLOCK_TIME_IS_VALID (*pts) ? dts : pts) =
        self->by + g_array_index (self->blocks, Block, self->at).time;
  } else {
    if (GST_CLOCK_TIME_IS_VALID (*pts))
      *pts += self->by;
    if (GST_CLOCK_TIME_IS_VALID (*dts))
      *dts += self->by;
  }
  if (self->at != G_MAXUINT)
    self->at++;

  return GST_PAD_PROBE_OK;
}

void
clip_matroska_correct (gint file, GstPad *pad)
{
  GstEvent *start = gst_pad_get_sticky_event (pad, GST_EVENT_STREAM_START, 0);
  GstCaps *caps = gst_pad_get_current_caps (pad);
  const gboolean loses =
      caps && gst_structure_has_name (gst_caps_get_structure (caps, 0), "video/x-prores");
  const gchar *id, *slash;
  Early *self;
  gint64 first = 0;

  gst_clear_caps (&caps);
  if (!start)
    return;
  gst_event_parse_stream_start (start, &id);
  slash = strchr (id, '/');
  self = g_new0 (Early, 1);
  self->blocks = g_array_new (FALSE, FALSE, sizeof (Block));
  self->file = loses ? fcntl (file, F_DUPFD_CLOEXEC, 0) : -1;
  /* without them all, packets have no times, and the file is refused */
  if (!read_blocks (file, slash ? g_ascii_strtoull (slash + 1, NULL, 10) : 0, loses, self->blocks)
      && loses)
    g_array_set_size (self->blocks, 0);
  if (loses && self->file < 0)
    g_array_set_size (self->blocks, 0);
  gst_event_unref (start);
  for (guint i = 0; i < self->blocks->len; i++)
    first = MIN (first, g_array_index (self->blocks, Block, i).time);
  self->by = -first;
  if (self->blocks->len > 0) {
    gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, shift_block, self, early_free);
    gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_EVENT_BOTH | GST_PAD_PROBE_TYPE_EVENT_FLUSH,
        shift_event, self, NULL);
  } else {
    early_free (self);
  }
}
