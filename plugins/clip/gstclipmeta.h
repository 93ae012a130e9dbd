/* gstclipmeta.h: the meta, events and query that clip elements exchange.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_CLIP_META_H
#define GST_CLIP_META_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_CLIP_API __attribute__ ((visibility ("default")))

/* GstClipMeta: the clip that a frame belongs to.
 *
 * clipsrc adds one to every decoded frame; clipsample forwards it with `frame` and `num_frames`
 * of the sampled clip. A batch from clipbatch has one for each of its clips, in the batch's
 * order (frame 0), so that evaluation can name the file; with views, one for each view, clip by
 * clip. That of a missing view has no path and no file.
 *
 * clip:       position in the run's order, over all epochs, training and validation passes
 *             alike, skipped clips included; the position of a seek in GST_FORMAT_DEFAULT
 * sample:     the clip's row in the data set (its number in the manifest); with the epoch it is
 *             the key of random draws
 * view:       number of the view, from 0: which of several cameras, whose clips of one scene are
 *             one sample and have the same clip, sample and label
 * views:      views of a sample; 0 or 1: there are no views
 * epoch:      from 0
 * training:   a training pass; otherwise a validation or test pass
 * label:      class number, from 0; -1: unknown
 * frame:      frame number in the clip, from 0
 * num_frames: frames in the clip; 0: unknown. It equals the number in this clip's clip-window
 *             query, so that the frames that are requested and those that are used agree
 * path, group: GRefString owned by the meta; may be NULL
 * file:       the path to open, relative to the working directory or absolute; GRefString owned
 *             by the meta; NULL: unknown, as are the next three
 * start, end: seconds since the file's first frame; end is infinite if the clip extends to the
 *             file's end
 * fps:        frames per second, if the path is an image sequence
 * keypoints:  file of the clip's key points; GRefString owned by the meta; NULL: none
 * file_frames: frames in the file; 0: unknown, as are the following
 * file_frame: number of this frame in the file, from 0, even if it was sampled or repeated
 * first_frame, last_frame: numbers in the file of the clip's first and last frame, before
 *                          sampling
 * file_time:  time of this frame since the file's first one, in nanoseconds
 * width, height: of the file's pictures in display orientation, before scaling and cropping;
 *                pixels
 * par_n, par_d: their pixel aspect ratio */
typedef struct {
  GstMeta meta;
  guint64 clip;
  guint64 sample;
  guint view, views;
  guint epoch;
  gboolean training;
  gint label;
  guint64 frame;
  guint64 num_frames;
  GRefString *path;
  GRefString *group;
  GRefString *file;
  gdouble start, end;
  gdouble fps;
  GRefString *keypoints;
  guint64 file_frames, file_frame, first_frame, last_frame;
  GstClockTime file_time;
  guint width, height;
  gint par_n, par_d;
} GstClipMeta;

GST_CLIP_API GType gst_clip_meta_api_get_type (void);
#define GST_CLIP_META_API_TYPE (gst_clip_meta_api_get_type ())
GST_CLIP_API const GstMetaInfo *gst_clip_meta_get_info (void);
#define GST_CLIP_META_INFO (gst_clip_meta_get_info ())

/* Adds a meta to a writable buffer, which owns it. The fields are copied from `from`: its `meta`
 * member is ignored, and its strings are referenced. NULL: all fields are zero. */
GST_CLIP_API GstClipMeta *gst_buffer_add_clip_meta (GstBuffer *buffer, const GstClipMeta *from);

/* (transfer none) the first clip meta of a buffer; NULL: it has none. */
GST_CLIP_API GstClipMeta *gst_buffer_get_clip_meta (GstBuffer *buffer);

/* Sticky event `clip-classes`: the names of the classes, label 0 first.
 * fields: classes (GstValueArray of strings), training-clips (optional: GstValueArray with as
 * many uint64: the number of each class's clips in a training pass).
 * classes: NULL-terminated; copied. */
GST_CLIP_API GstEvent *gst_event_new_clip_classes (const gchar *const *classes);
/* clips: [number of classes] each class's clips in a training pass; copied. */
GST_CLIP_API GstEvent *gst_event_new_clip_classes_counted (
    const gchar *const *classes, const guint64 *clips);
/* *classes: (transfer full) free with g_strfreev(); classes may be NULL. FALSE: another event,
 * or an invalid one; *classes is unchanged. */
GST_CLIP_API gboolean gst_event_parse_clip_classes (GstEvent *event, gchar ***classes);
/* (transfer full) [number of classes] each class's clips in a training pass; free with g_free().
 * NULL: not in the event. */
GST_CLIP_API guint64 *gst_event_parse_clip_class_counts (GstEvent *event);

/* Sticky event `clip-views`: the names of the views, view 0 first. Without views it is not sent.
 * fields: views (GstValueArray of strings).
 * views: NULL-terminated; copied. */
GST_CLIP_API GstEvent *gst_event_new_clip_views (const gchar *const *views);
/* *views: (transfer full) free with g_strfreev(); views may be NULL. FALSE: another event, or an
 * invalid one; *views is unchanged. */
GST_CLIP_API gboolean gst_event_parse_clip_views (GstEvent *event, gchar ***views);

/* Sticky event `clip-preparation`: how clips are prepared for a network. A model file records
 * it, so that test clips can be compared with it. clipsample sends it before its first frame,
 * and again when it changes.
 * fields: num-frames, frame-interval (uint), sampling (string), scaling (string; absent:
 * unknown), add-borders (boolean), diff-gain (double; absent: 0), frame-rate (fraction; absent:
 * 0/1), clips-per-video (uint; absent: 1).
 *
 * num_frames:     per clip
 * frame_interval: distance of successive frames in the video, in frames; 0 with "uniform"
 * sampling:       "center": a window in the middle of the clip, or "uniform": spread evenly over
 *                 it; as in validation
 * scaling:        nick of the scaling element's method; "none": no scaling element; NULL:
 *                 unknown
 * add_borders:    whether that element preserves the aspect ratio with borders
 * diff_gain:      gain of the clipdiff that the frames went through; 0: none
 * frame_rate_n/d: frames per second that the video is converted to before sampling; 0/d: not
 *                 converted
 * clips_per_video: taken of each video in validation and test passes
 * Parsed strings are owned by the event. */
typedef struct {
  guint num_frames;
  guint frame_interval;
  const gchar *sampling;
  const gchar *scaling;
  gboolean add_borders;
  gdouble diff_gain;
  gint frame_rate_n, frame_rate_d;
  guint clips_per_video;
} GstClipPreparation;
GST_CLIP_API GstEvent *gst_event_new_clip_preparation (const GstClipPreparation *preparation);
/* preparation may be NULL. FALSE: another event, or an invalid one; *preparation is unchanged. */
GST_CLIP_API gboolean gst_event_parse_clip_preparation (
    GstEvent *event, GstClipPreparation *preparation);

/* Sticky event `clip-data`: identifies the data set of the clips, so that a resumed run can
 * check that it has not changed.
 * fields: rows, training-clips, validation-clips (uint64), clips, labels, order (string),
 * validation (string; absent: NULL).
 *
 * rows:   rows of the data set that are used for training or validation; with views, clips
 * training_clips, validation_clips: clips listed per pass
 * clips:  digest of the rows' paths, segments and splits, in any order
 * labels: the same with their labels
 * validation: that of the rows to validate on alone
 * order:  that of all rows in their order, with everything that the order of a run depends on
 * Parsed strings are owned by the event. */
typedef struct {
  guint64 rows;
  guint64 training_clips, validation_clips;
  const gchar *clips, *labels, *order, *validation;
} GstClipData;
GST_CLIP_API GstEvent *gst_event_new_clip_data (const GstClipData *data);
/* data may be NULL. FALSE: another event, or an invalid one; *data is unchanged. */
GST_CLIP_API gboolean gst_event_parse_clip_data (GstEvent *event, GstClipData *data);

/* Event `clip-epoch`, serialized, before each pass.
 * fields: epoch (uint), training (boolean), clips (uint64), epochs (uint), first-clip (uint64),
 * position (uint64), seed (uint64), validates (boolean), other-clips (uint64; absent: 0).
 * `position` is the next clip: beyond first_clip if a seek went to the middle of the pass, or if
 * its first clips cannot be read. Parsing returns FALSE for other events. */
typedef struct {
  guint epoch; /* from 0 */
  gboolean training;
  guint64 clips;       /* clips listed for this pass, readable or not */
  guint epochs;        /* total */
  guint64 first_clip;  /* position of the pass's first clip */
  guint64 position;    /* position of the next clip */
  guint64 seed;        /* of the order */
  gboolean validates;  /* each epoch has a validation or test pass */
  guint64 other_clips; /* of `clips`, those that come to other ranks */
} GstClipEpoch;
GST_CLIP_API GstEvent *gst_event_new_clip_epoch (const GstClipEpoch *epoch);
GST_CLIP_API gboolean gst_event_parse_clip_epoch (GstEvent *event, GstClipEpoch *epoch);

/* Event `clip-epoch-done`, serialized, after the last clip of each pass: the pass is complete.
 * An EOS without it means that the stream was cut short (gst-launch -e and Ctrl-C), and
 * incomplete batches must not be used.
 * fields: epoch (uint), training (boolean), position (uint64: the next pass's first clip),
 * delivered (uint64: clips), skipped (uint64: clips). Parsing returns FALSE for other events. */
typedef struct {
  guint epoch;
  gboolean training;
  guint64 position;
  guint64 delivered;
  guint64 skipped;
} GstClipEpochDone;
GST_CLIP_API GstEvent *gst_event_new_clip_epoch_done (const GstClipEpochDone *done);
GST_CLIP_API gboolean gst_event_parse_clip_epoch_done (GstEvent *event, GstClipEpochDone *done);

/* Event `clip-skipped`, serialized, after its pass's `clip-epoch`: a clip of the pass cannot be
 * read and is skipped.
 * fields: path, reason (string, invalid UTF-8 is replaced), clip (uint64), epoch (uint). Parsed
 * strings are owned by the event. Parsing returns FALSE for other events. */
typedef struct {
  const gchar *path;
  const gchar *reason;
  guint64 clip;
  guint epoch;
} GstClipSkipped;
GST_CLIP_API GstEvent *gst_event_new_clip_skipped (const GstClipSkipped *skipped);
GST_CLIP_API gboolean gst_event_parse_clip_skipped (GstEvent *event, GstClipSkipped *skipped);

/* Query `clip-window`: sent by clipsrc before it decodes a clip. Downstream answers with the
 * frames that it needs, so that nothing after them, and as little as possible before them, is
 * decoded. Unanswered: all frames.
 * in: clip, sample (uint64), epoch (uint), training (boolean), num-frames (uint64: frames in the
 *     clip; 0: unknown), framerate (fraction: the file's mean; 0/1: unknown), times (optional:
 *     timestamps of the frames), view, views (uint; only with views)
 * out: first, last (uint64: inclusive, counted from the clip's first frame), frames (optional:
 *      which of these, if not all) */
GST_CLIP_API GstQuery *gst_query_new_clip_window (const GstClipMeta *clip, gint fps_n, gint fps_d);
/* Fills clip, sample, view, views, epoch, training and num_frames of *clip (strings are NULL). All outputs
 * may be NULL. FALSE: another query. */
GST_CLIP_API gboolean gst_query_parse_clip_window (
    GstQuery *query, GstClipMeta *clip, gint *fps_n, gint *fps_d);
/* Adds the frames' timestamps to a query before it is sent: [n] in nanoseconds from any origin,
 * not decreasing; n must be num-frames. They are copied, relative to the first. */
GST_CLIP_API void gst_query_set_clip_window_times (
    GstQuery *query, const guint64 *times, guint64 n);
/* (transfer none) [num-frames] in nanoseconds since the first frame, owned by the query. NULL:
 * unknown. */
GST_CLIP_API const guint64 *gst_query_get_clip_window_times (GstQuery *query);
/* Answers with the frames from `first` to `last`, inclusive; first <= last. */
GST_CLIP_API void gst_query_set_clip_window (GstQuery *query, guint64 first, guint64 last);
/* Answers with single frames: [n] ascending, copied; n: at least 1. An element that also needs
 * the frames between them, such as one that computes differences, forwards the query and then
 * calls gst_query_set_clip_window(), which replaces them by the whole range. */
GST_CLIP_API void gst_query_set_clip_window_frames (
    GstQuery *query, const guint64 *frames, guint n);
/* (transfer none) [*n], owned by the query. NULL: all frames from first to last. */
GST_CLIP_API const guint64 *gst_query_get_clip_window_frames (GstQuery *query, guint *n);
/* FALSE: the query was not answered. */
GST_CLIP_API gboolean gst_query_get_clip_window (GstQuery *query, guint64 *first, guint64 *last);

/* Query `clip-share`: sent by clipsrc, to learn which clips it is to decode: of each `ranks`
 * batches of `size` clips, number `rank`. clipbatch answers with the size, and passes it on to a sink
 * that is one of several ranks.
 * out: size (uint: clips; absent: 1), rank, ranks (uint; absent: 0 of 1) */
GST_CLIP_API GstQuery *gst_query_new_clip_share (void);
GST_CLIP_API gboolean gst_query_is_clip_share (GstQuery *query);
GST_CLIP_API void gst_query_set_clip_share_size (GstQuery *query, guint size);
GST_CLIP_API void gst_query_set_clip_share_rank (GstQuery *query, guint rank, guint ranks);
GST_CLIP_API void gst_query_get_clip_share (
    GstQuery *query, guint *size, guint *rank, guint *ranks);

G_END_DECLS

#endif
