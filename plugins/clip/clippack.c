/* clippack.c: packs clips into one memory, as tensors.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clippack.h"

#include <string.h>

gboolean
clip_pack_same_clip (const GstClipMeta *a, const GstClipMeta *b)
{
  return a->clip == b->clip && a->sample == b->sample && a->epoch == b->epoch
      && !a->training == !b->training;
}

gboolean
clip_pack_same_view (const GstClipMeta *a, const GstClipMeta *b)
{
  return clip_pack_same_clip (a, b) && a->view == b->view;
}

GstClipMeta
clip_pack_copy_meta (const GstClipMeta *from)
{
  GstClipMeta clip = *from;

  if (clip.path)
    g_ref_string_acquire (clip.path);
  if (clip.group)
    g_ref_string_acquire (clip.group);
  if (clip.file)
    g_ref_string_acquire (clip.file);
  if (clip.keypoints)
    g_ref_string_acquire (clip.keypoints);

  return clip;
}

void
clip_pack_clear_meta (gpointer clip)
{
  g_clear_pointer (&((GstClipMeta *) clip)->path, g_ref_string_release);
  g_clear_pointer (&((GstClipMeta *) clip)->group, g_ref_string_release);
  g_clear_pointer (&((GstClipMeta *) clip)->file, g_ref_string_release);
  g_clear_pointer (&((GstClipMeta *) clip)->keypoints, g_ref_string_release);
}

void
clip_pack_init (ClipPack *pack)
{
  memset (pack, 0, sizeof (*pack));
  gst_video_info_init (&pack->info);
  pack->clips = g_array_new (FALSE, FALSE, sizeof (GstClipMeta));
  g_array_set_clear_func (pack->clips, clip_pack_clear_meta);
  pack->current = g_array_new (FALSE, FALSE, sizeof (ClipPackView));
  g_array_set_clear_func (pack->current, clip_pack_clear_meta);
  pack->views = pack->parts = 1;
  pack->unsized = g_byte_array_new ();
  pack->unsized_points = g_byte_array_new ();
}

void
clip_pack_finish (ClipPack *pack)
{
  clip_pack_drop (pack);
  clip_cuda_free (&pack->cuda);
  clip_blocks_free (&pack->blocks);
  g_clear_pointer (&pack->clips, g_array_unref);
  g_clear_pointer (&pack->current, g_array_unref);
  g_clear_pointer (&pack->unsized, g_byte_array_unref);
  g_clear_pointer (&pack->unsized_points, g_byte_array_unref);
  clip_pack_set_points (pack, NULL);
}

gboolean
clip_pack_fits (const ClipPack *pack, const GstVideoInfo *info)
{
  return GST_VIDEO_INFO_FORMAT (info) == GST_VIDEO_INFO_FORMAT (&pack->info)
      && GST_VIDEO_INFO_WIDTH (info) == GST_VIDEO_INFO_WIDTH (&pack->info)
      && GST_VIDEO_INFO_HEIGHT (info) == GST_VIDEO_INFO_HEIGHT (&pack->info);
}

void
clip_pack_set_info (ClipPack *pack, const GstVideoInfo *info)
{
  if (clip_pack_fits (pack, info)) {
    pack->info = *info;
    return;
  }

  clip_pack_drop (pack);
  clip_blocks_free (&pack->blocks);
  pack->capacity = 0;
  pack->frames = 0;
  pack->info = *info;
  pack->row_size = (gsize) GST_VIDEO_INFO_WIDTH (info) * GST_VIDEO_INFO_N_COMPONENTS (info);
  pack->frame_size = pack->row_size * GST_VIDEO_INFO_HEIGHT (info);
}

void
clip_pack_set_frames (ClipPack *pack, guint frames)
{
  g_return_if_fail (pack->frames == 0 && frames > 0 && !pack->block);

  pack->frames = frames;
}

void
clip_pack_set_points (ClipPack *pack, const GstClipKptMeta *points)
{
  g_clear_pointer (&pack->points.skeleton, g_ref_string_release);
  g_clear_pointer (&pack->points.pairs, g_ref_string_release);
  memset (&pack->points, 0, sizeof pack->points);
  pack->points_size = 0;
  if (!points)
    return;
  pack->points.persons = points->persons;
  pack->points.points = points->points;
  pack->points.skeleton = g_ref_string_acquire (points->skeleton);
  pack->points.pairs = g_ref_string_acquire (points->pairs);
  pack->points.compact = points->compact;
  pack->points.coordinates = points->coordinates;
  pack->points.first_frame = points->first_frame;
  pack->points_size = sizeof (gfloat) * 3 * points->points * points->persons;
}

void
clip_pack_set_views (ClipPack *pack, guint views)
{
  g_return_if_fail (views > 0 && !pack->block);

  pack->views = views;
}

guint
clip_pack_count (const ClipPack *pack)
{
  return pack->clips->len / pack->views;
}

void
clip_pack_start_view (ClipPack *pack, guint view, guint part)
{
  g_return_if_fail (view < pack->views && pack->have == 0);

  pack->view = view;
  pack->part = part;
}

/* The meta of a view of a part of the current clip; NULL: it is not complete. */
static const GstClipMeta *
find_view (const ClipPack *pack, guint view, guint part)
{
  for (guint i = 0; i < pack->current->len; i++) {
    const ClipPackView *of = &g_array_index (pack->current, ClipPackView, i);

    if (of->part == part && (pack->views == 1 || of->clip.view == view))
      return &of->clip;
  }

  return NULL;
}

GstEvent *
clip_pack_points_event (const ClipPack *pack)
{
  const GstClipKeypoints keypoints = { .skeleton = pack->points.skeleton,
    .pairs = pack->points.pairs,
    .points = pack->points.points,
    .persons = pack->points.persons,
    .compact = pack->points.compact,
    .coordinates = pack->points.coordinates,
    .first_frame = pack->points.first_frame };

  return pack->points_size ? gst_event_new_clip_keypoints (&keypoints) : NULL;
}

gchar *
clip_pack_refuse_points (const ClipPack *pack, GstBuffer *buffer)
{
  const GstClipKptMeta *has = gst_buffer_get_clip_kpt_meta (buffer), *had = &pack->points;

  if (!has)
    return g_strdup ("no key points, but the frames before it have some: an element after clipkpt "
                     "loses them; put clipkpt after it");
  if (!had->persons)
    return g_strdup ("key points, but the frames before it have none: an element after clipkpt "
                     "lost them; put clipkpt after it");

  return g_strdup_printf (
      "%u persons of skeleton %s (%u points), but the frames before it %u of %s "
      "(%u points): set `skeleton` of clipkpt, and do not change its settings",
      has->persons, has->skeleton, has->points, had->persons, had->skeleton, had->points);
}

void
clip_pack_see (ClipPack *pack, GstBuffer *buffer)
{
  if (!pack->cuda && clip_cuda_holds (buffer))
    pack->cuda = clip_cuda_new (buffer);
}

GstClockTime
clip_pack_duration (const ClipPack *pack)
{
  if (GST_VIDEO_INFO_FPS_N (&pack->info) <= 0)
    return 0;

  return gst_util_uint64_scale ((guint64) pack->frames * pack->views * pack->capacity - 1,
      (guint64) GST_SECOND * GST_VIDEO_INFO_FPS_D (&pack->info),
      GST_VIDEO_INFO_FPS_N (&pack->info));
}

/* Clips that a block has room for: the parts of the last clip may not fit into the batch. */
static gsize
room (const ClipPack *pack)
{
  return (gsize) pack->capacity + pack->parts - 1;
}

/* Frames of a full block. */
static gsize
all_frames (const ClipPack *pack)
{
  return room (pack) * pack->frames * pack->views;
}

/* The number of the current view's first frame. */
static gsize
first_frame (const ClipPack *pack)
{
  return (pack->clips->len + (gsize) pack->part * pack->views + pack->view) * pack->frames;
}

/* Labels follow the frames of a full block. */
static gsize
labels_offset (const ClipPack *pack)
{
  return GST_ROUND_UP_N (pack->frame_size * all_frames (pack), CLIP_BLOCKS_ALIGN);
}

/* Key points follow the labels. */
static gsize
points_offset (const ClipPack *pack)
{
  return labels_offset (pack) + GST_ROUND_UP_N (sizeof (gint32) * room (pack), CLIP_BLOCKS_ALIGN);
}

/* The mask comes last. */
static gsize
mask_offset (const ClipPack *pack)
{
  return points_offset (pack)
      + GST_ROUND_UP_N (pack->points_size * all_frames (pack), CLIP_BLOCKS_ALIGN);
}

static gsize
block_size (const ClipPack *pack)
{
  if (pack->views > 1)
    return mask_offset (pack) + room (pack) * pack->views;

  return pack->points_size ? points_offset (pack) + pack->points_size * all_frames (pack)
                           : labels_offset (pack) + sizeof (gint32) * room (pack);
}

ClipPackResult
clip_pack_begin (ClipPack *pack, guint capacity, guint parts)
{
  guint64 frames, size, points;

  g_return_val_if_fail (pack->frames > 0, CLIP_PACK_NO_MEMORY);

  if (pack->block)
    return CLIP_PACK_OK;
  if (pack->views == 1)
    parts = 1;
  if (!g_uint64_checked_mul (&frames, pack->frames * ((guint64) capacity + parts - 1), pack->views)
      || !g_uint64_checked_mul (&size, pack->frame_size, frames)
      || !g_uint64_checked_mul (&points, pack->points_size, frames) || size > G_MAXSSIZE / 2
      || points > G_MAXSSIZE / 4)
    return CLIP_PACK_NO_MEMORY;

  if (!pack->blocks || pack->capacity != capacity || pack->parts != parts) {
    clip_blocks_free (&pack->blocks);
    pack->capacity = capacity;
    pack->parts = parts;
    size = block_size (pack);
    pack->blocks = pack->cuda ? clip_cuda_blocks (pack->cuda, size) : clip_blocks_new (size, NULL);
  }
  pack->block = clip_blocks_take (pack->blocks);
  if (!pack->block)
    return CLIP_PACK_NO_MEMORY;
  if (pack->unsized->len > 0) {
    memcpy (clip_block_data (pack->block) + pack->frame_size * first_frame (pack),
        pack->unsized->data, pack->unsized->len);
    g_byte_array_set_size (pack->unsized, 0);
  }
  if (pack->unsized_points->len > 0) {
    memcpy (clip_block_data (pack->block) + points_offset (pack)
            + pack->points_size * first_frame (pack),
        pack->unsized_points->data, pack->unsized_points->len);
    g_byte_array_set_size (pack->unsized_points, 0);
  }

  return CLIP_PACK_OK;
}

static gboolean
map_rows (const ClipPack *pack, GstBuffer *buffer, guint8 *to)
{
  GstVideoFrame frame;
  const guint8 *from;
  gint stride, y;

  if (!gst_video_frame_map (&frame, &pack->info, buffer, GST_MAP_READ))
    return FALSE;
  from = GST_VIDEO_FRAME_PLANE_DATA (&frame, 0);
  stride = GST_VIDEO_FRAME_PLANE_STRIDE (&frame, 0);
  /* the size in the caps: a frame's video meta may have a larger one */
  for (y = 0; y < GST_VIDEO_INFO_HEIGHT (&pack->info); y++)
    memcpy (to + y * pack->row_size, from + (gssize) y * stride, pack->row_size);
  gst_video_frame_unmap (&frame);

  return TRUE;
}

static ClipPackResult
copy_rows (const ClipPack *pack, GstBuffer *buffer, guint8 *to)
{
  if (!pack->cuda || !clip_cuda_holds (buffer))
    return map_rows (pack, buffer, to) ? CLIP_PACK_OK : CLIP_PACK_BAD_FRAME;

  switch (clip_cuda_copy (pack->cuda, &pack->info, buffer, to, pack->row_size)) {
    case CLIP_CUDA_OK:
      break;
    case CLIP_CUDA_BAD_FRAME:
      return CLIP_PACK_BAD_FRAME;
    case CLIP_CUDA_FAILED:
      return CLIP_PACK_NO_COPY;
  }
  /* the array may be reallocated as it grows */
  if (!pack->frames && !clip_cuda_wait (pack->cuda))
    return CLIP_PACK_NO_COPY;

  return CLIP_PACK_OK;
}

static gboolean
is_like (const GstClipKptMeta *a, const GstClipKptMeta *b)
{
  return a->persons == b->persons && a->points == b->points && !a->compact == !b->compact
      && g_str_equal (a->skeleton, b->skeleton) && g_str_equal (a->pairs, b->pairs);
}

/* Copies the key points of the next frame, whose pixels have been copied. */
static ClipPackResult
copy_points (ClipPack *pack, GstBuffer *buffer)
{
  const GstClipKptMeta *points = gst_buffer_get_clip_kpt_meta (buffer);

  if (!points != !pack->points_size || (points && !is_like (points, &pack->points)))
    return CLIP_PACK_BAD_POINTS;
  if (!points)
    return CLIP_PACK_OK;
  if (pack->frames)
    memcpy (clip_block_data (pack->block) + points_offset (pack)
            + pack->points_size * (first_frame (pack) + pack->have),
        points->values, pack->points_size);
  else if (pack->unsized_points->len + (guint64) pack->points_size > G_MAXUINT / 2)
    return CLIP_PACK_NO_MEMORY;
  else
    g_byte_array_append (pack->unsized_points, (const guint8 *) points->values, pack->points_size);

  return CLIP_PACK_OK;
}

ClipPackResult
clip_pack_add (ClipPack *pack, GstBuffer *buffer)
{
  ClipPackResult result;
  guint8 *to;

  if (pack->frames) {
    g_return_val_if_fail (pack->block && pack->have < pack->frames, CLIP_PACK_NO_MEMORY);
    to = clip_block_data (pack->block) + pack->frame_size * (first_frame (pack) + pack->have);
  } else {
    /* GByteArray has guint sizes and doubles its memory */
    if (pack->unsized->len + (guint64) pack->frame_size > G_MAXUINT / 2)
      return CLIP_PACK_NO_MEMORY;
    g_byte_array_set_size (pack->unsized, pack->unsized->len + pack->frame_size);
    to = pack->unsized->data + pack->unsized->len - pack->frame_size;
  }
  result = copy_rows (pack, buffer, to);
  if (result == CLIP_PACK_OK)
    result = copy_points (pack, buffer);
  if (result != CLIP_PACK_OK)
    return result;
  if (pack->have++ == 0)
    pack->clip_pts = GST_BUFFER_PTS (buffer);

  return CLIP_PACK_OK;
}

ClipPackResult
clip_pack_complete (ClipPack *pack, const GstClipMeta *from)
{
  ClipPackView view = { .part = pack->part };

  if (pack->cuda && !clip_cuda_wait (pack->cuda)) {
    clip_pack_drop_view (pack);
    return CLIP_PACK_NO_COPY;
  }
  view.clip = clip_pack_copy_meta (from);
  view.clip.frame = 0;
  view.clip.num_frames = pack->frames;
  if (pack->current->len == 0)
    pack->next_pts = pack->clip_pts;
  if (pack->clips->len == 0)
    pack->pts = pack->next_pts;
  g_array_append_val (pack->current, view);
  pack->have = 0;

  return CLIP_PACK_OK;
}

/* The meta of a view that is missing. like: of one that is there */
static GstClipMeta
missing_meta (const GstClipMeta *like, guint view)
{
  return (GstClipMeta) { .clip = like->clip,
    .sample = like->sample,
    .view = view,
    .views = like->views,
    .epoch = like->epoch,
    .training = like->training,
    .label = like->label,
    .num_frames = like->num_frames,
    .group = like->group ? g_ref_string_acquire (like->group) : NULL };
}

/* Copies what a view of the next clip has to another one: `size` bytes of each, from `at` on. */
static void
copy_view (const ClipPack *pack, gsize at, gsize size, guint from, guint to)
{
  guint8 *data = clip_block_data (pack->block) + at + size * pack->clips->len;

  memcpy (data + size * to, data + size * from, size);
}

/* Completes a part of the current clip. FALSE: no view of it is there. */
static gboolean
close_part (ClipPack *pack, guint part)
{
  const guint number = clip_pack_count (pack);
  guint8 *data = clip_block_data (pack->block);
  gint32 *labels = (gint32 *) (data + labels_offset (pack));
  const gsize begin = pack->clips->len;
  guint first = 0, view;

  while (first < pack->views && !find_view (pack, first, part))
    first++;
  if (first == pack->views)
    return FALSE;
  labels[number] = find_view (pack, first, part)->label;
  for (view = 0; view < pack->views; view++) {
    const gboolean there = find_view (pack, view, part) != NULL;

    if (pack->views > 1)
      data[mask_offset (pack) + begin + view] = there;
    if (there)
      continue;
    copy_view (pack, 0, pack->frame_size * pack->frames, first, view);
    copy_view (pack, points_offset (pack), pack->points_size * pack->frames, first, view);
  }
  for (view = 0; view < pack->views; view++) {
    const GstClipMeta *meta = find_view (pack, view, part);
    const GstClipMeta clip =
        meta ? clip_pack_copy_meta (meta) : missing_meta (find_view (pack, first, part), view);

    g_array_append_val (pack->clips, clip);
  }

  return TRUE;
}

gboolean
clip_pack_close (ClipPack *pack)
{
  guint part = 0;

  if (pack->block)
    while (part < pack->parts && close_part (pack, part))
      part++;
  g_array_set_size (pack->current, 0);

  return part > 0;
}

GstEvent *
clip_pack_report_dropped (const ClipPack *pack, GstElement *element, const GstClipMeta *clip)
{
  gchar *reason = g_strdup_printf ("ended after %u of %u frames", pack->have, pack->frames);
  /* a structure's strings must be UTF-8 */
  gchar *path = clip->path ? g_utf8_make_valid (clip->path, -1) : NULL;
  GstStructure *s = gst_structure_new ("clipbatch-dropped", "clip", G_TYPE_UINT64, clip->clip,
      "path", G_TYPE_STRING, path, "reason", G_TYPE_STRING, reason, NULL);
  const GstClipSkipped skipped = { .path = clip->path ? clip->path : "(no file)",
    .reason = reason,
    .clip = clip->clip,
    .epoch = clip->epoch };
  GstEvent *event = gst_event_new_clip_skipped (&skipped);

  if (pack->views > 1)
    gst_structure_set (s, "view", G_TYPE_UINT, clip->view, NULL);
  gst_element_post_message (element, gst_message_new_element (GST_OBJECT (element), s));
  g_free (path);
  g_free (reason);

  return event;
}

void
clip_pack_drop_view (ClipPack *pack)
{
  /* no copy may still write to memory that is released */
  if (pack->cuda)
    clip_cuda_wait (pack->cuda);
  pack->have = 0;
  g_byte_array_set_size (pack->unsized, 0);
  g_byte_array_set_size (pack->unsized_points, 0);
}

void
clip_pack_retract_view (ClipPack *pack)
{
  clip_pack_drop_view (pack);
  for (guint i = pack->current->len; i-- > 0;)
    if (g_array_index (pack->current, ClipPackView, i).clip.view == pack->view)
      g_array_remove_index (pack->current, i);
}

void
clip_pack_drop (ClipPack *pack)
{
  clip_pack_drop_view (pack);
  g_array_set_size (pack->current, 0);
  g_array_set_size (pack->clips, 0);
  g_clear_pointer (&pack->block, clip_block_unref);
}

/* Copies a tensor of all clips behind the first n to the beginning of another block.
 * at: its offset; size: of a clip, in bytes */
static void
carry (const ClipPack *pack, ClipBlock *to, guint n, gsize at, gsize size)
{
  memcpy (clip_block_data (to) + at, clip_block_data (pack->block) + at + size * n,
      size * (clip_pack_count (pack) - n));
}

/* A block with the clips behind the first n. NULL: no memory. */
static ClipBlock *
carry_rest (const ClipPack *pack, guint n)
{
  const gsize frames = (gsize) pack->frames * pack->views;
  ClipBlock *block = clip_blocks_take (pack->blocks);

  if (!block)
    return NULL;
  carry (pack, block, n, 0, pack->frame_size * frames);
  carry (pack, block, n, labels_offset (pack), sizeof (gint32));
  carry (pack, block, n, points_offset (pack), pack->points_size * frames);
  if (pack->views > 1)
    carry (pack, block, n, mask_offset (pack), pack->views);

  return block;
}

GstBuffer *
clip_pack_take (ClipPack *pack, guint n)
{
  const guint all = n * pack->views;
  const gsize frames = (gsize) pack->frames * all;
  const GstClipMeta *clips = (const GstClipMeta *) pack->clips->data;
  ClipBlock *rest = NULL;
  GstBuffer *buffer;
  guint i;

  if (n < clip_pack_count (pack)) {
    rest = carry_rest (pack, n);
    if (!rest)
      return NULL;
  }
  buffer = gst_buffer_new ();
  gst_buffer_append_memory (buffer, clip_block_wrap (pack->block, 0, pack->frame_size * frames));
  gst_buffer_append_memory (
      buffer, clip_block_wrap (pack->block, labels_offset (pack), sizeof (gint32) * n));
  if (pack->points_size)
    gst_buffer_append_memory (
        buffer, clip_block_wrap (pack->block, points_offset (pack), pack->points_size * frames));
  if (pack->views > 1)
    gst_buffer_append_memory (buffer, clip_block_wrap (pack->block, mask_offset (pack), all));
  GST_BUFFER_PTS (buffer) = pack->pts;
  GST_BUFFER_OFFSET (buffer) = clips[0].clip;
  GST_BUFFER_OFFSET_END (buffer) = clips[all - 1].clip + 1;
  for (i = 0; i < all; i++)
    gst_buffer_add_clip_meta (buffer, &clips[i]);
  if (!rest) {
    clip_pack_drop (pack);
    return buffer;
  }
  g_array_remove_range (pack->clips, 0, all);
  clip_block_unref (pack->block);
  pack->block = rest;
  /* only parts of the last clip are too many */
  pack->pts = pack->next_pts;

  return buffer;
}

/* V of caps, with the colon before it; empty without views. Free with g_free(). */
static gchar *
views_dimension (const ClipPack *pack)
{
  return pack->views > 1 ? g_strdup_printf (":%u", pack->views) : g_strdup ("");
}

GstCaps *
clip_pack_caps (const ClipPack *pack, guint n)
{
  const gboolean points = pack->points_size > 0, views = pack->views > 1;
  gchar *v = views_dimension (pack);
  gchar *types = g_strconcat ("uint8.int32", points ? ".float32" : "", views ? ".uint8" : "", NULL);
  GString *dimensions = g_string_new (NULL);
  GstCaps *caps;

  g_string_printf (dimensions, "%d:%d:%d:%u%s:%u.%u", GST_VIDEO_INFO_N_COMPONENTS (&pack->info),
      GST_VIDEO_INFO_WIDTH (&pack->info), GST_VIDEO_INFO_HEIGHT (&pack->info), pack->frames, v, n,
      n);
  if (points)
    g_string_append_printf (dimensions, ".3:%u:%u:%u%s:%u", pack->points.points,
        pack->points.persons, pack->frames, v, n);
  if (views)
    g_string_append_printf (dimensions, ".%u:%u", pack->views, n);
  caps = gst_caps_new_simple ("other/tensors", "format", G_TYPE_STRING, "static", "num_tensors",
      G_TYPE_INT, 2 + points + views, "types", G_TYPE_STRING, types, "dimensions", G_TYPE_STRING,
      dimensions->str, "framerate", GST_TYPE_FRACTION, 0, 1, NULL);
  g_string_free (dimensions, TRUE);
  g_free (types);
  g_free (v);

  return caps;
}
