/* gstclipkpt.c: attaches key points to the frames of clips.
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-clipkpt
 * @title: clipkpt
 *
 * Reads the key points of the persons in each clip, which a pose estimator has found before, and
 * attaches them to its frames as a GstClipKptMeta. clipbatch packs them into a third tensor.
 *
 * A clip's file is the one in the manifest's column `keypoints`, or is found with
 * #GstClipSrc:keypoints-root and #GstClipSrc:keypoints-pattern. It is a NumPy array, results in
 * COCO's format, OpenPose's folder of frames, or a table. A clip is skipped if this file is
 * missing, damaged or of another video, like a clip whose video cannot be read.
 *
 * clipkpt must be in clipsrc's clip-bin, after clipsample and before elements that crop or mirror
 * pictures, such as clipaugment. Frames from a clipcache have no key points: put clipkpt after it.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 clipsrc location=train.csv keypoints-root=poses clip-bin="clipsample num-frames=16 ! clipkpt ! videoconvertscale add-borders=false ! video/x-raw,format=RGB,width=112,height=112 ! clipaugment" ! clipbatch batch-size=4 ! fakesink
 * ]| Batches of clips with their key points, from files such as poses/NAME.npy.
 *
 * Since: 0.1.0
 */
#include "gstclipkpt.h"

#include "clipkptfile.h"
#include "cliplinks.h"
#include "clippack.h"
#include "clipscaling.h"
#include "gstclipkptmeta.h"
#include "plugins/settings.h"
#include "src/escape.h"
#include "src/keypoints/pose.h"
#include "src/keypoints/posedraw.h"

GST_DEBUG_CATEGORY_STATIC (clip_kpt_debug);
#define GST_CAT_DEFAULT clip_kpt_debug

typedef struct {
  gchar *skeleton, *pairs;
  guint persons;
  gint coordinates; /* Cnn3dCoordinates */
  gboolean compact;
  guint first_frame;
  gboolean draw;
} KptSettings;

struct _GstClipKpt {
  GstBaseTransform parent;

  KptSettings settings; /* the properties, under the object lock */

  /* Kept from the first PAUSED on: between clips the state goes down to NULL, where the last
   * clip's file would otherwise be released */
  ClipKptFile *file;

  /* Used by the streaming thread */
  GstVideoInfo info;    /* of incoming frames; without a format: unknown */
  gboolean add_borders; /* a scaler before this element preserves the aspect ratio */
  gboolean in_clip;
  GstClipMeta clip; /* the current clip, without its strings */
  Cnn3dPose *pose;
  const Cnn3dSkeleton *skeleton; /* to draw by; NULL: nothing is drawn */
  GstClipKptMeta like;           /* the meta that all its frames get; values: of the last frame */
};

#define FIELD(field) G_STRUCT_OFFSET (KptSettings, field)

static const SettingsField fields[] = {
  { "skeleton", FIELD (skeleton) },
  { "pairs", FIELD (pairs) },
  { "persons", FIELD (persons) },
  { "coordinates", FIELD (coordinates) },
  { "compact", FIELD (compact) },
  { "first-frame", FIELD (first_frame) },
  { "draw", FIELD (draw) },
};

static const SettingsOf settings = { "clipkpt", fields, G_N_ELEMENTS (fields) };

G_DEFINE_TYPE (GstClipKpt, gst_clip_kpt, GST_TYPE_BASE_TRANSFORM);
GST_ELEMENT_REGISTER_DEFINE (clipkpt, "clipkpt", GST_RANK_NONE, GST_TYPE_CLIP_KPT);

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY)"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY)"));

static void
gst_clip_kpt_forget (GstClipKpt *self)
{
  self->in_clip = FALSE;
  self->skeleton = NULL;
  g_clear_pointer (&self->pose, cnn3d_pose_free);
  g_clear_pointer (&self->like.values, g_free);
  g_clear_pointer (&self->like.skeleton, g_ref_string_release);
  g_clear_pointer (&self->like.pairs, g_ref_string_release);
}

/* Position in the pipeline */

typedef struct {
  const gchar *const *kinds; /* elements that must not be found */
  GstObject *within;         /* the search ends at this bin */
  const gchar *found;
} Misplaced;

static gboolean
is_misplaced (GstElement *element, gpointer data)
{
  Misplaced *misplaced = data;
  const gchar *kind = clip_links_kind (element);

  if (misplaced->within && !gst_object_has_as_ancestor (GST_OBJECT (element), misplaced->within))
    return TRUE;
  if (g_strv_contains (misplaced->kinds, kind))
    misplaced->found = g_intern_string (kind);

  return misplaced->found != NULL;
}

/* (transfer full) the outermost bin but one that contains the element: in clipsrc's chains,
 * clip-bin. */
static GstObject *
find_bin (GstElement *element)
{
  GstObject *bin = gst_object_ref (GST_OBJECT (element));
  GstObject *parent = gst_object_get_parent (bin), *above;

  while (parent && (above = gst_object_get_parent (parent))) {
    gst_object_unref (bin);
    bin = parent;
    parent = above;
  }
  gst_clear_object (&parent);

  return bin;
}

/* Scaling keeps key points valid. Elements before this one must not move the picture, and
 * elements after it must not move it without the points. */
static gboolean
gst_clip_kpt_check_place (GstClipKpt *self)
{
  static const gchar *const before[] = { "aspectratiocrop", "clipaugment", "rotate", "videobox",
    "videocrop", "videoflip", NULL };
  static const gchar *const behind[] = { "aspectratiocrop", "clipcache", "rotate", "videobox",
    "videocrop", "videoflip", NULL };
  GstObject *bin = find_bin (GST_ELEMENT (self));
  Misplaced misplaced = { before, bin == GST_OBJECT_CAST (self) ? NULL : bin, NULL };
  gboolean ok = FALSE;

  clip_links_walk (GST_BASE_TRANSFORM_SINK_PAD (self), is_misplaced, &misplaced);
  if (misplaced.found)
    goto behind_it;
  misplaced.kinds = behind;
  clip_links_walk (GST_BASE_TRANSFORM_SRC_PAD (self), is_misplaced, &misplaced);
  if (misplaced.found)
    goto before_it;
  ok = TRUE;
  goto done;

  /* ERRORS */
behind_it:
  GST_ELEMENT_ERROR (self, LIBRARY, SETTINGS,
      ("%s is before clipkpt and moves pictures, so that key points no longer match them: put "
       "clipkpt before it.",
          misplaced.found),
      (NULL));
  goto done;
before_it:
  if (g_str_equal (misplaced.found, "clipcache"))
    GST_ELEMENT_ERROR (self, LIBRARY, SETTINGS,
        ("clipcache is after clipkpt and stores pictures without their key points: put clipkpt "
         "after it."),
        (NULL));
  else
    GST_ELEMENT_ERROR (self, LIBRARY, SETTINGS,
        ("%s is after clipkpt and moves pictures without their key points: use clipaugment, or "
         "crop videos and key points beforehand.",
            misplaced.found),
        (NULL));
done:
  gst_object_unref (bin);
  return ok;
}

/* Clips */

static Cnn3dPoseParams
pose_params (const KptSettings *s, const GstClipMeta *clip)
{
  return (Cnn3dPoseParams) { .persons = s->persons,
    .unit = s->coordinates,
    .compact = s->compact,
    .width = clip->width,
    .height = clip->height,
    .frames = clip->file_frames,
    .first = clip->first_frame,
    .last = clip->last_frame,
    .start = clip->start,
    .end = clip->end,
    .offset = s->first_frame };
}

/* Reads the key points of a clip that starts. */
static gboolean
gst_clip_kpt_read (GstClipKpt *self, const KptSettings *s, const GstClipMeta *clip, GError **error)
{
  const Cnn3dPoseParams params = pose_params (s, clip);
  const Cnn3dSkeleton *skeleton;
  const Cnn3dKeypoints *keypoints;
  ClipScaling scaling;
  gboolean fresh;

  if (!clip_kpt_file_get (
          self->file, clip->keypoints, s->skeleton, s->pairs, &keypoints, &skeleton, &fresh, error))
    return FALSE;
  if (fresh)
    GST_DEBUG_OBJECT (self, "%s: %s, %u frames, %u points", clip->keypoints, keypoints->format,
        keypoints->frames, keypoints->points);
  self->pose = cnn3d_pose_new (keypoints, &params, error);
  if (!self->pose)
    return FALSE;
  self->skeleton = s->draw ? skeleton : NULL;
  self->like.persons = s->persons;
  self->like.points = skeleton->points;
  self->like.values = g_new (gfloat, 3 * (gsize) s->persons * skeleton->points);
  self->like.skeleton = g_ref_string_new (skeleton->name);
  self->like.pairs = g_ref_string_new (skeleton->pairs);
  self->like.compact = s->compact;
  self->like.coordinates = cnn3d_choice_name (&cnn3d_coordinates, s->coordinates);
  self->like.first_frame = s->first_frame;
  self->like.add_borders =
      clip_scaling_find (GST_BASE_TRANSFORM_SRC_PAD (self), &scaling) && scaling.add_borders;
  self->add_borders =
      clip_scaling_find (GST_BASE_TRANSFORM_SINK_PAD (self), &scaling) && scaling.add_borders;

  return TRUE;
}

/* FALSE: points cannot be drawn; an error was posted. */
static gboolean
gst_clip_kpt_check_draw (GstClipKpt *self, const KptSettings *s)
{
  if (s->compact)
    goto compact;
  if (GST_VIDEO_INFO_FORMAT (&self->info) != GST_VIDEO_FORMAT_RGB)
    goto other_format;

  return TRUE;

  /* ERRORS */
compact:
  GST_ELEMENT_ERROR (self, LIBRARY, SETTINGS,
      ("draw shows points where they are in the picture, and compact=true moves them out of it: "
       "leave out one of them."),
      (NULL));
  return FALSE;
other_format:
  GST_ELEMENT_ERROR (self, STREAM, FORMAT,
      ("draw needs RGB frames: put \"videoconvertscale ! video/x-raw,format=RGB\" before clipkpt."),
      (NULL));
  return FALSE;
}

/* FALSE: an error was posted. DECODE errors concern only this clip. */
static gboolean
gst_clip_kpt_begin (GstClipKpt *self, const GstClipMeta *clip)
{
  GError *error = NULL;
  gchar *path = NULL;
  KptSettings s;
  gboolean ok, drawn;

  gst_clip_kpt_forget (self);
  if (!clip->keypoints)
    goto no_keypoints;
  if (!clip->file_frames)
    goto no_frames;
  GST_OBJECT_LOCK (self);
  settings_copy (&settings, &s, &self->settings);
  GST_OBJECT_UNLOCK (self);
  drawn = !s.draw || gst_clip_kpt_check_draw (self, &s);
  ok = drawn && gst_clip_kpt_read (self, &s, clip, &error);
  settings_clear (&settings, &s);
  if (!drawn)
    return FALSE;
  if (!ok)
    goto bad_file;
  self->clip = *clip;
  self->clip.path = self->clip.group = self->clip.file = self->clip.keypoints = NULL;
  self->in_clip = TRUE;

  return TRUE;

  /* ERRORS */
no_keypoints:
  GST_ELEMENT_ERROR (self, STREAM, DECODE,
      ("the clip has no key points: name their file in the manifest's column keypoints, or set "
       "keypoints-root of clipsrc"),
      (NULL));
  return FALSE;
no_frames:
  GST_ELEMENT_ERROR (self, STREAM, FORMAT,
      ("The frames' numbers in their file are lost: put clipkpt into clipsrc's clip-bin."), (NULL));
  return FALSE;
bad_file:
  path = cnn3d_escape (clip->keypoints, FALSE);
  if (error->code == CNN3D_KEYPOINTS_ERROR_PARAMS)
    GST_ELEMENT_ERROR (
        self, LIBRARY, SETTINGS, ("key points %s: %s", path, error->message), (NULL));
  else
    GST_ELEMENT_ERROR (self, STREAM, DECODE, ("key points %s: %s", path, error->message), (NULL));
  g_free (path);
  g_error_free (error);
  gst_clip_kpt_forget (self);
  return FALSE;
}

/* Paints the points, as the meta has them, over a writable frame. */
static gboolean
gst_clip_kpt_draw (GstClipKpt *self, GstBuffer *buffer, const GstClipKptMeta *meta)
{
  GstVideoFrame frame;

  if (!gst_video_frame_map (&frame, &self->info, buffer, GST_MAP_READWRITE))
    goto no_map;
  /* the size in the caps: a frame's video meta may have a larger one */
  cnn3d_pose_draw (self->skeleton, meta->values, meta->persons,
      GST_VIDEO_FRAME_PLANE_DATA (&frame, 0), GST_VIDEO_FRAME_PLANE_STRIDE (&frame, 0),
      GST_VIDEO_INFO_WIDTH (&self->info), GST_VIDEO_INFO_HEIGHT (&self->info));
  gst_video_frame_unmap (&frame);

  return TRUE;

  /* ERRORS */
no_map:
  GST_ELEMENT_ERROR (self, RESOURCE, WRITE,
      ("Key points cannot be drawn: the frame's memory could not be mapped."), (NULL));
  return FALSE;
}

/* The size and pixel aspect ratio of the file's picture. */
static void
file_info (const GstClipMeta *clip, GstVideoInfo *info)
{
  gst_video_info_init (info);
  info->width = clip->width;
  info->height = clip->height;
  info->par_n = MAX (clip->par_n, 1);
  info->par_d = MAX (clip->par_d, 1);
}

static GstFlowReturn
gst_clip_kpt_transform_ip (GstBaseTransform *trans, GstBuffer *buffer)
{
  GstClipKpt *self = GST_CLIP_KPT (trans);
  GstClipMeta *clip = gst_buffer_get_clip_meta (buffer);
  GstClipKptMeta *meta;
  GstVideoInfo from;

  if (!clip)
    goto no_clip;
  if ((!self->in_clip || !clip_pack_same_view (clip, &self->clip))
      && !gst_clip_kpt_begin (self, clip))
    return GST_FLOW_ERROR;
  cnn3d_pose_frame (
      self->pose, clip->file_frame, clip->file_time / (gdouble) GST_SECOND, self->like.values);
  meta = gst_buffer_add_clip_kpt_meta (buffer, &self->like);
  if (self->add_borders && clip->width > 0
      && GST_VIDEO_INFO_FORMAT (&self->info) != GST_VIDEO_FORMAT_UNKNOWN) {
    file_info (clip, &from);
    gst_clip_kpt_meta_add_borders (meta, &from, &self->info);
  }

  return !self->skeleton || gst_clip_kpt_draw (self, buffer, meta) ? GST_FLOW_OK : GST_FLOW_ERROR;

  /* ERRORS */
no_clip:
  GST_ELEMENT_ERROR (self, STREAM, FORMAT,
      ("The frames belong to no clip: put clipkpt into clipsrc's clip-bin."), (NULL));
  return GST_FLOW_ERROR;
}

/* Only a meta is added, so pixels need not be copied; drawing copies those that are shared. */
static GstFlowReturn
gst_clip_kpt_prepare_output_buffer (GstBaseTransform *trans, GstBuffer *in, GstBuffer **out)
{
  *out = gst_buffer_is_writable (in) ? in : gst_buffer_copy (in);

  return GST_FLOW_OK;
}

static gboolean
gst_clip_kpt_propose_allocation (GstBaseTransform *trans, GstQuery *decide_query, GstQuery *query)
{
  return gst_pad_peer_query (GST_BASE_TRANSFORM_SRC_PAD (trans), query);
}

static gboolean
gst_clip_kpt_set_caps (GstBaseTransform *trans, GstCaps *in, GstCaps *out)
{
  GstClipKpt *self = GST_CLIP_KPT (trans);

  if (!gst_video_info_from_caps (&self->info, in))
    gst_video_info_init (&self->info);
  /* in mid-clip: whether points can be drawn is found out again */
  gst_clip_kpt_forget (self);

  return gst_clip_kpt_check_place (self);
}

static gboolean
gst_clip_kpt_start (GstBaseTransform *trans)
{
  GstClipKpt *self = GST_CLIP_KPT (trans);
  Cnn3dSkeleton *skeleton;
  GError *error = NULL;
  KptSettings s;
  gboolean known = TRUE;

  if (!settings_check (GST_ELEMENT (self)))
    return FALSE;
  GST_OBJECT_LOCK (self);
  settings_copy (&settings, &s, &self->settings);
  GST_OBJECT_UNLOCK (self);
  if ((s.skeleton && *s.skeleton && !g_str_equal (s.skeleton, "auto")) || (s.pairs && *s.pairs)) {
    skeleton = cnn3d_skeleton_new (s.skeleton, s.pairs, 0, &error);
    known = skeleton != NULL;
    cnn3d_skeleton_free (skeleton);
  }
  settings_clear (&settings, &s);
  if (!known)
    goto unknown;

  return TRUE;

  /* ERRORS */
unknown:
  GST_ELEMENT_ERROR (self, LIBRARY, SETTINGS, ("%s", error->message), (NULL));
  g_error_free (error);
  return FALSE;
}

static gboolean
gst_clip_kpt_stop (GstBaseTransform *trans)
{
  gst_clip_kpt_forget (GST_CLIP_KPT (trans));

  return TRUE;
}

static void
gst_clip_kpt_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  settings_set (&settings, GST_ELEMENT (object), &GST_CLIP_KPT (object)->settings, id - 1, value);
}

static void
gst_clip_kpt_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GST_OBJECT_LOCK (object);
  settings_get (&settings, &GST_CLIP_KPT (object)->settings, id - 1, value);
  GST_OBJECT_UNLOCK (object);
}

static void
gst_clip_kpt_finalize (GObject *object)
{
  GstClipKpt *self = GST_CLIP_KPT (object);

  gst_clip_kpt_forget (self);
  clip_kpt_file_free (self->file);
  settings_clear (&settings, &self->settings);

  G_OBJECT_CLASS (gst_clip_kpt_parent_class)->finalize (object);
}

static void
gst_clip_kpt_class_init (GstClipKptClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *trans_class = GST_BASE_TRANSFORM_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (clip_kpt_debug, "clipkpt", 0, "key points of clips");

  object_class->set_property = gst_clip_kpt_set_property;
  object_class->get_property = gst_clip_kpt_get_property;
  object_class->finalize = gst_clip_kpt_finalize;
  trans_class->start = GST_DEBUG_FUNCPTR (gst_clip_kpt_start);
  trans_class->stop = GST_DEBUG_FUNCPTR (gst_clip_kpt_stop);
  trans_class->set_caps = GST_DEBUG_FUNCPTR (gst_clip_kpt_set_caps);
  trans_class->prepare_output_buffer = GST_DEBUG_FUNCPTR (gst_clip_kpt_prepare_output_buffer);
  trans_class->transform_ip = GST_DEBUG_FUNCPTR (gst_clip_kpt_transform_ip);
  trans_class->propose_allocation = GST_DEBUG_FUNCPTR (gst_clip_kpt_propose_allocation);

  /* changes apply from the next clip on */
  settings_install (&settings, object_class, 1, GST_PARAM_MUTABLE_PLAYING);

  gst_element_class_set_static_metadata (element_class, "Key points of clips",
      "Filter/Analyzer/Video", "Attaches the key points of persons to the frames of clips",
      "The cnn3d authors");
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
}

static void
gst_clip_kpt_init (GstClipKpt *self)
{
  settings_init (&settings, &self->settings);
  gst_video_info_init (&self->info);
  self->file = clip_kpt_file_new ();
  gst_base_transform_set_in_place (GST_BASE_TRANSFORM (self), TRUE);
  /* late frames must not be dropped from their clip */
  gst_base_transform_set_qos_enabled (GST_BASE_TRANSFORM (self), FALSE);
}
