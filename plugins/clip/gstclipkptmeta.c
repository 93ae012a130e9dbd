/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstclipkptmeta.h"

#include <string.h>

#define KEYPOINTS_NAME "clip-keypoints"

static gsize
values_size (const GstClipKptMeta *meta)
{
  return sizeof *meta->values * 3 * meta->points * meta->persons;
}

static gboolean
gst_clip_kpt_meta_init (GstMeta *meta, gpointer params, GstBuffer *buffer)
{
  GstClipKptMeta *kpt = (GstClipKptMeta *) meta;
  const GstClipKptMeta *from = params;

  kpt->persons = from->persons;
  kpt->points = from->points;
  kpt->values =
      from->values ? g_memdup2 (from->values, values_size (from)) : g_malloc0 (values_size (from));
  kpt->skeleton = g_ref_string_acquire (from->skeleton);
  kpt->pairs = g_ref_string_acquire (from->pairs);
  kpt->compact = from->compact;
  kpt->add_borders = from->add_borders;
  kpt->coordinates = from->coordinates;
  kpt->first_frame = from->first_frame;

  return TRUE;
}

static void
gst_clip_kpt_meta_free (GstMeta *meta, GstBuffer *buffer)
{
  GstClipKptMeta *kpt = (GstClipKptMeta *) meta;

  g_clear_pointer (&kpt->values, g_free);
  g_clear_pointer (&kpt->skeleton, g_ref_string_release);
  g_clear_pointer (&kpt->pairs, g_ref_string_release);
}

static gboolean gst_clip_kpt_meta_transform (
    GstBuffer *dest, GstMeta *meta, GstBuffer *src, GQuark type, gpointer data);

GType
gst_clip_kpt_meta_api_get_type (void)
{
  static GType type;
  static const gchar *tags[] = { GST_META_TAG_VIDEO_STR, GST_META_TAG_VIDEO_SIZE_STR,
    GST_META_TAG_VIDEO_ORIENTATION_STR, NULL };

  if (g_once_init_enter (&type)) {
    GType registered = gst_meta_api_type_register ("GstClipKptMetaAPI", tags);

    g_once_init_leave (&type, registered);
  }

  return type;
}

const GstMetaInfo *
gst_clip_kpt_meta_get_info (void)
{
  static const GstMetaInfo *info;

  if (g_once_init_enter ((GstMetaInfo **) &info)) {
    const GstMetaInfo *registered =
        gst_meta_register (GST_CLIP_KPT_META_API_TYPE, "GstClipKptMeta", sizeof (GstClipKptMeta),
            gst_clip_kpt_meta_init, gst_clip_kpt_meta_free, gst_clip_kpt_meta_transform);

    g_once_init_leave ((GstMetaInfo **) &info, (GstMetaInfo *) registered);
  }

  return info;
}

GstClipKptMeta *
gst_buffer_add_clip_kpt_meta (GstBuffer *buffer, const GstClipKptMeta *from)
{
  g_return_val_if_fail (GST_IS_BUFFER (buffer), NULL);
  g_return_val_if_fail (gst_buffer_is_writable (buffer), NULL);
  g_return_val_if_fail (from->persons > 0 && from->points > 0, NULL);

  return (GstClipKptMeta *) gst_buffer_add_meta (buffer, GST_CLIP_KPT_META_INFO, (gpointer) from);
}

GstClipKptMeta *
gst_buffer_get_clip_kpt_meta (GstBuffer *buffer)
{
  g_return_val_if_fail (GST_IS_BUFFER (buffer), NULL);

  return (GstClipKptMeta *) gst_buffer_get_meta (buffer, GST_CLIP_KPT_META_API_TYPE);
}

/* Geometry */

void
gst_clip_kpt_meta_crop (GstClipKptMeta *meta, gdouble x, gdouble y, gdouble width, gdouble height)
{
  gfloat *point = meta->values;

  for (guint i = 0; i < meta->persons * meta->points; i++, point += 3) {
    const gdouble to_x = (point[0] - x) / width, to_y = (point[1] - y) / height;

    if (!(point[2] > 0))
      continue;
    if (to_x >= 0 && to_x <= 1 && to_y >= 0 && to_y <= 1) {
      point[0] = to_x;
      point[1] = to_y;
    } else {
      point[0] = point[1] = point[2] = 0;
    }
  }
}

/* Swaps points a and b of each person. */
static void
swap_points (GstClipKptMeta *meta, guint64 a, guint64 b)
{
  for (guint m = 0; m < meta->persons; m++) {
    gfloat *person = meta->values + 3 * (gsize) meta->points * m, kept[3];

    memcpy (kept, person + 3 * a, sizeof kept);
    memcpy (person + 3 * a, person + 3 * b, sizeof kept);
    memcpy (person + 3 * b, kept, sizeof kept);
  }
}

static void
swap_pairs (GstClipKptMeta *meta)
{
  const gchar *p = meta->pairs;

  while (g_ascii_isdigit (*p)) {
    gchar *end;
    const guint64 a = g_ascii_strtoull (p, &end, 10);
    const guint64 b = *end == '-' ? g_ascii_strtoull (end + 1, &end, 10) : meta->points;

    if (a < meta->points && b < meta->points)
      swap_points (meta, a, b);
    for (p = end; *p == ',' || *p == ' '; p++)
      ;
  }
}

void
gst_clip_kpt_meta_flip (GstClipKptMeta *meta)
{
  gfloat *point = meta->values;

  for (guint i = 0; i < meta->persons * meta->points; i++, point += 3)
    if (point[2] > 0)
      point[0] = 1 - point[0];
  swap_pairs (meta);
}

void
gst_clip_kpt_meta_add_borders (
    GstClipKptMeta *meta, const GstVideoInfo *from, const GstVideoInfo *to)
{
  gint from_n, from_d, to_n, to_d, n, d;
  gint width = GST_VIDEO_INFO_WIDTH (to), height = GST_VIDEO_INFO_HEIGHT (to);
  gdouble left, top;

  if (meta->compact
      || !gst_util_fraction_multiply (GST_VIDEO_INFO_WIDTH (from), GST_VIDEO_INFO_HEIGHT (from),
          GST_VIDEO_INFO_PAR_N (from), GST_VIDEO_INFO_PAR_D (from), &from_n, &from_d)
      || !gst_util_fraction_multiply (
          width, height, GST_VIDEO_INFO_PAR_N (to), GST_VIDEO_INFO_PAR_D (to), &to_n, &to_d)
      || (from_n == to_n && from_d == to_d)
      || !gst_util_fraction_multiply (
          from_n, from_d, GST_VIDEO_INFO_PAR_D (to), GST_VIDEO_INFO_PAR_N (to), &n, &d))
    return;
  /* as GStreamer's scaler places the picture */
  if (gst_util_uint64_scale_int (width, d, n) <= (guint64) height)
    height = gst_util_uint64_scale_int (width, d, n);
  else
    width = gst_util_uint64_scale_int (height, n, d);
  left = (GST_VIDEO_INFO_WIDTH (to) - width) / 2;
  top = (GST_VIDEO_INFO_HEIGHT (to) - height) / 2;
  /* no point is outside: this is a crop to a larger picture */
  gst_clip_kpt_meta_crop (meta, -left / MAX (width, 1), -top / MAX (height, 1),
      GST_VIDEO_INFO_WIDTH (to) / (gdouble) MAX (width, 1),
      GST_VIDEO_INFO_HEIGHT (to) / (gdouble) MAX (height, 1));
}

#ifdef GST_VIDEO_META_TRANSFORM_IS_MATRIX
/* From GStreamer 1.28 on elements report exactly where each pixel is moved. */
static void
gst_clip_kpt_meta_move (GstClipKptMeta *meta, const GstVideoMetaTransformMatrix *to)
{
  const gfloat (*m)[3] = to->matrix;
  gfloat *point = meta->values;

  if (meta->compact)
    return;
  for (guint i = 0; i < meta->persons * meta->points; i++, point += 3) {
    const gdouble x = point[0] * GST_VIDEO_INFO_WIDTH (to->in_info) - to->in_rectangle.x;
    const gdouble y = point[1] * GST_VIDEO_INFO_HEIGHT (to->in_info) - to->in_rectangle.y;
    const gdouble w = m[2][0] * x + m[2][1] * y + m[2][2];
    const gdouble to_x = ((m[0][0] * x + m[0][1] * y + m[0][2]) / w + to->out_rectangle.x)
        / GST_VIDEO_INFO_WIDTH (to->out_info);
    const gdouble to_y = ((m[1][0] * x + m[1][1] * y + m[1][2]) / w + to->out_rectangle.y)
        / GST_VIDEO_INFO_HEIGHT (to->out_info);
    const gboolean inside = point[2] > 0 && to_x >= 0 && to_x <= 1 && to_y >= 0 && to_y <= 1;

    point[0] = inside ? to_x : 0;
    point[1] = inside ? to_y : 0;
    point[2] = inside ? point[2] : 0;
  }
  if (m[0][0] * m[1][1] < m[0][1] * m[1][0])
    swap_pairs (meta);
}
#endif

/* Coordinates are relative to the picture, so that scaling does not change them. Other
 * operations may move the points: the meta is then dropped, as it could be wrong. */
static gboolean
gst_clip_kpt_meta_transform (
    GstBuffer *dest, GstMeta *meta, GstBuffer *src, GQuark type, gpointer data)
{
  const GstVideoMetaTransform *scaling = data;
  GstClipKptMeta *kpt;

#ifdef GST_VIDEO_META_TRANSFORM_IS_MATRIX
  if (GST_VIDEO_META_TRANSFORM_IS_MATRIX (type)) {
    kpt = gst_buffer_add_clip_kpt_meta (dest, (GstClipKptMeta *) meta);
    if (kpt) {
      gst_clip_kpt_meta_move (kpt, data);
      kpt->add_borders = FALSE;
    }
    return kpt != NULL;
  }
#endif
  if (!GST_META_TRANSFORM_IS_COPY (type) && !GST_VIDEO_META_TRANSFORM_IS_SCALE (type))
    return FALSE;
  kpt = gst_buffer_add_clip_kpt_meta (dest, (GstClipKptMeta *) meta);
  if (kpt && GST_VIDEO_META_TRANSFORM_IS_SCALE (type) && kpt->add_borders) {
    gst_clip_kpt_meta_add_borders (kpt, scaling->in_info, scaling->out_info);
    kpt->add_borders = FALSE;
  }

  return kpt != NULL;
}

/* The event */

GstEvent *
gst_event_new_clip_keypoints (const GstClipKeypoints *keypoints)
{
  GstStructure *s =
      gst_structure_new (KEYPOINTS_NAME, "skeleton", G_TYPE_STRING, keypoints->skeleton, "pairs",
          G_TYPE_STRING, keypoints->pairs, "points", G_TYPE_UINT, keypoints->points, "persons",
          G_TYPE_UINT, keypoints->persons, "compact", G_TYPE_BOOLEAN, keypoints->compact, NULL);

  if (keypoints->coordinates && strcmp (keypoints->coordinates, "auto") != 0)
    gst_structure_set (s, "coordinates", G_TYPE_STRING, keypoints->coordinates, NULL);
  if (keypoints->first_frame)
    gst_structure_set (s, "first-frame", G_TYPE_UINT, keypoints->first_frame, NULL);

  return gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, s);
}

gboolean
gst_event_parse_clip_keypoints (GstEvent *event, GstClipKeypoints *keypoints)
{
  GstClipKeypoints k = { NULL };
  const GstStructure *s;

  g_return_val_if_fail (GST_IS_EVENT (event), FALSE);

  if (GST_EVENT_TYPE (event) != GST_EVENT_CUSTOM_DOWNSTREAM_STICKY
      || !gst_event_has_name (event, KEYPOINTS_NAME))
    return FALSE;
  s = gst_event_get_structure (event);
  if (!gst_structure_get (s, "points", G_TYPE_UINT, &k.points, "persons", G_TYPE_UINT, &k.persons,
          "compact", G_TYPE_BOOLEAN, &k.compact, NULL))
    return FALSE;
  k.skeleton = gst_structure_get_string (s, "skeleton");
  k.pairs = gst_structure_get_string (s, "pairs");
  k.coordinates = gst_structure_get_string (s, "coordinates");
  if (!k.coordinates)
    k.coordinates = "auto";
  gst_structure_get_uint (s, "first-frame", &k.first_frame);
  if (!k.skeleton || !k.pairs || !k.points || !k.persons)
    return FALSE;
  if (keypoints)
    *keypoints = k;

  return TRUE;
}
