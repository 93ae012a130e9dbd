/* gstclipkptmeta.h: the meta and the event for key points of the persons in clips.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_CLIP_KPT_META_H
#define GST_CLIP_KPT_META_H

#include <gst/video/video.h>

#include "gstclipmeta.h"

G_BEGIN_DECLS

/* GstClipKptMeta: the key points of a frame. clipkpt adds it; clipaugment crops and
 * mirrors it with the picture, and scaling leaves it right.
 *
 * persons:  M, the same in all frames of a stream, at least 1
 * points:   K, of each person, the same in all frames, at least 1
 * values:   [persons][points][3], owned by the meta: x and y, 0 to 1 over the
 *           picture's width and height, and score, 0 to 1. 0, 0, 0: missing
 * skeleton: its name, such as "coco17" or "custom:5"; GRefString owned by the meta
 * pairs:    points that change places in a mirrored picture, by their numbers from 0,
 *           such as "1-2,3-4"; "": none; GRefString owned by the meta
 * compact:  x and y are relative to a square around all of the clip's points, not to
 *           the picture
 * add_borders: the next scaler keeps the picture's shape by borders */
typedef struct {
  GstMeta meta;
  guint persons, points;
  gfloat *values;
  GRefString *skeleton;
  GRefString *pairs;
  gboolean compact;
  gboolean add_borders;
} GstClipKptMeta;

GST_CLIP_API GType gst_clip_kpt_meta_api_get_type (void);
#define GST_CLIP_KPT_META_API_TYPE (gst_clip_kpt_meta_api_get_type ())
GST_CLIP_API const GstMetaInfo *gst_clip_kpt_meta_get_info (void);
#define GST_CLIP_KPT_META_INFO (gst_clip_kpt_meta_get_info ())

/* Adds a meta to a writable buffer, which owns it; the fields are copied from `from`
 * (its `meta` member is ignored, its strings are referenced, its values are copied; NULL:
 * all are missing). */
GST_CLIP_API GstClipKptMeta *gst_buffer_add_clip_kpt_meta (
    GstBuffer *buffer, const GstClipKptMeta *from);

/* The buffer's, which owns it, or NULL. */
GST_CLIP_API GstClipKptMeta *gst_buffer_get_clip_kpt_meta (GstBuffer *buffer);

/* The picture is cropped to a rectangle, given as parts of its width and height: points
 * outside of it become missing. */
GST_CLIP_API void gst_clip_kpt_meta_crop (
    GstClipKptMeta *meta, gdouble x, gdouble y, gdouble width, gdouble height);

/* The picture is mirrored left to right. */
GST_CLIP_API void gst_clip_kpt_meta_flip (GstClipKptMeta *meta);

/* The picture is scaled from one size to another by an element that keeps its shape by
 * borders; where the shapes are the same nothing changes. */
GST_CLIP_API void gst_clip_kpt_meta_add_borders (
    GstClipKptMeta *meta, const GstVideoInfo *from, const GstVideoInfo *to);

/* Sticky event `clip-keypoints`: what the third tensor of clipbatch's batches is. It is
 * sent before the first of them.
 * fields: skeleton, pairs (string), points, persons (uint), compact (boolean), as in
 * the meta. Parsed strings are owned by the event. */
typedef struct {
  const gchar *skeleton, *pairs;
  guint points, persons;
  gboolean compact;
} GstClipKeypoints;
GST_CLIP_API GstEvent *gst_event_new_clip_keypoints (const GstClipKeypoints *keypoints);
/* FALSE: another event. */
GST_CLIP_API gboolean gst_event_parse_clip_keypoints (GstEvent *event, GstClipKeypoints *keypoints);

G_END_DECLS

#endif
