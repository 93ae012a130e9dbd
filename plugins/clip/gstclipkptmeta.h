/* gstclipkptmeta.h: the meta and the event for key points of persons in clips.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_CLIP_KPT_META_H
#define GST_CLIP_KPT_META_H

#include <gst/video/video.h>

#include "gstclipmeta.h"

G_BEGIN_DECLS

/* GstClipKptMeta: the key points of a frame. clipkpt adds it, or an application, with the persons
 * in the order of their scores; cnn3dinfer reads it. clipaugment crops and mirrors it with the
 * picture, and it stays valid when the picture is scaled.
 *
 * persons:  M, at least 1, the same in all frames of a stream
 * points:   K, per person, at least 1, the same in all frames of a stream
 * values:   [persons][points][3], owned by the meta: x and y, from 0 to 1 across the picture's
 *           width and height, and the score, from 0 to 1. 0, 0, 0: missing
 * skeleton: its name, for example "coco17" or "custom:5"; GRefString owned by the meta
 * pairs:    points to swap when the picture is mirrored, by their numbers from 0, for example
 *           "1-2,3-4"; "": none. GRefString owned by the meta
 * compact:  x and y are relative to a square around all of the clip's points instead of the
 *           picture
 * add_borders: the next scaler preserves the aspect ratio with borders
 * coordinates: as in clipkpt's property, static; NULL: auto
 * first_frame: the same */
typedef struct {
  GstMeta meta;
  guint persons, points;
  gfloat *values;
  GRefString *skeleton;
  GRefString *pairs;
  gboolean compact;
  gboolean add_borders;
  const gchar *coordinates;
  guint first_frame;
} GstClipKptMeta;

GST_CLIP_API GType gst_clip_kpt_meta_api_get_type (void);
#define GST_CLIP_KPT_META_API_TYPE (gst_clip_kpt_meta_api_get_type ())
GST_CLIP_API const GstMetaInfo *gst_clip_kpt_meta_get_info (void);
#define GST_CLIP_KPT_META_INFO (gst_clip_kpt_meta_get_info ())

/* Adds a meta to a writable buffer, which owns it. The fields are copied from `from`: its `meta`
 * member is ignored, its strings are referenced, and its values are copied (NULL: all points are
 * missing). */
GST_CLIP_API GstClipKptMeta *gst_buffer_add_clip_kpt_meta (
    GstBuffer *buffer, const GstClipKptMeta *from);

/* (transfer none) the buffer's meta; NULL: it has none. */
GST_CLIP_API GstClipKptMeta *gst_buffer_get_clip_kpt_meta (GstBuffer *buffer);

/* Adjusts the points to a crop of the picture. The rectangle is given as fractions of the
 * picture's width and height; points outside of it become missing. */
GST_CLIP_API void gst_clip_kpt_meta_crop (
    GstClipKptMeta *meta, gdouble x, gdouble y, gdouble width, gdouble height);

/* Adjusts the points to a horizontal flip of the picture: mirrors them and swaps `pairs`. */
GST_CLIP_API void gst_clip_kpt_meta_flip (GstClipKptMeta *meta);

/* Adjusts the points to scaling by an element that adds borders to preserve the aspect ratio.
 * from, to: the picture before and after, of which size and pixel aspect ratio are used. Nothing
 * changes if the aspect ratios are equal or the points are compact. */
GST_CLIP_API void gst_clip_kpt_meta_add_borders (
    GstClipKptMeta *meta, const GstVideoInfo *from, const GstVideoInfo *to);

/* Sticky event `clip-keypoints`: describes the third tensor of clipbatch's batches. It is sent
 * before the first of them.
 * fields: skeleton, pairs (string), points, persons (uint), compact (boolean), as in the meta, and,
 * where they are not clipkpt's defaults, coordinates (string) and first-frame (uint).
 * Parsed strings are owned by the event. */
typedef struct {
  const gchar *skeleton, *pairs;
  guint points, persons;
  gboolean compact;
  const gchar *coordinates; /* "auto" if the event has none; to make one, NULL is "auto", too */
  guint first_frame;
} GstClipKeypoints;
GST_CLIP_API GstEvent *gst_event_new_clip_keypoints (const GstClipKeypoints *keypoints);
/* keypoints may be NULL. FALSE: another event, or an invalid one; *keypoints is unchanged. */
GST_CLIP_API gboolean gst_event_parse_clip_keypoints (GstEvent *event, GstClipKeypoints *keypoints);

G_END_DECLS

#endif
