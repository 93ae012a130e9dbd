/* gstclipsample.c: picks the frames of each clip.
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-clipsample
 * @title: clipsample
 *
 * Takes #GstClipSample:num-frames frames from each clip and drops the others.
 * A network for video is trained on clips of a fixed number of frames; this is
 * the element that makes them so.
 *
 * With a #GstClipSample:frame-interval of 0, or with mode=uniform, the frames
 * are spread evenly over the whole clip, its first and last frame included, as
 * numpy.linspace(0, N-1, num).round() would. With an interval, a window of
 * (num-frames - 1) * frame-interval + 1 frames is taken: in training passes
 * its start is drawn at random (mode=random), in validation passes it is the
 * middle of the clip. The draw depends on the seed, the epoch and the clip's
 * row in the data set, on nothing else. A clip shorter than the window repeats
 * frames by the rule of even spreading.
 *
 * Which clip a frame belongs to is told by the clip meta that clipsrc puts on
 * it. clipsample also answers the query with which clipsrc asks, before it
 * decodes a clip, which of its frames will be wanted. A clip that ends before
 * its container said repeats its last frame. Where the number of frames is not
 * known beforehand, frames are held until the clip ends: 4096 frames or
 * 512 MiB; beyond that every second one is let go.
 *
 * The sticky event `clip-preparation` tells downstream how clips become what a
 * network sees, scaling included where an element does that in the same line.
 *
 * A stream without clip meta, such as a camera's, is one endless clip: every
 * num-frames * frame-interval frames (an interval of 0 counts as 1) become
 * a clip, without label, numbered from 0.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 videotestsrc num-buffers=64 ! clipsample num-frames=8 frame-interval=2 ! videoconvertscale ! video/x-raw,format=RGB,width=112,height=112 ! clipbatch batch-size=2 ! fakesink
 * ]| Four clips of eight frames, in two batches of two.
 */
#include "gstclipsample.h"

#include "clipscaling.h"
#include "clipwindow.h"
#include "gstclipmeta.h"
#include "plugins/paramrange.h"

/* What is held of a clip whose length is not known. */
#define MAX_KEPT_FRAMES 4096
#define MAX_KEPT_BYTES (512 * 1024 * 1024)

#define DEFAULT_NUM_FRAMES 16
#define DEFAULT_FRAME_INTERVAL 0
#define DEFAULT_MODE CLIP_WINDOW_RANDOM
#define DEFAULT_CLIPS_PER_VIDEO 1
#define DEFAULT_SEED 0

GST_DEBUG_CATEGORY_STATIC (clip_sample_debug);
#define GST_CAT_DEFAULT clip_sample_debug

enum
{
  PROP_0,
  PROP_NUM_FRAMES,
  PROP_FRAME_INTERVAL,
  PROP_MODE,
  PROP_CLIPS_PER_VIDEO,
  PROP_SEED,
};

/* A frame of a clip whose length is not known. */
typedef struct
{
  guint64 frame;
  GstBuffer *buffer;
} Kept;

struct _GstClipSample
{
  GstElement parent;

  GstPad *sinkpad;
  GstPad *srcpad;

  ClipWindow settings;          /* the properties, under the object lock */

  /* The streaming thread's, under the sink pad's stream lock */
  gboolean in_clip;
  gboolean complete;            /* the clip at hand: nothing more to take */
  GstClipMeta clip;             /* it; frame: the last one seen */
  ClipWindow window;            /* the settings that it began with */
  guint views;
  guint64 *wanted;              /* frame numbers [views * num_frames] */
  GstBuffer **slots;            /* their frames, until pushed */
  guint *filled;                /* slots filled so far [views] */
  guint next;                   /* the slot to push next */
  GstBuffer *last;              /* the last frame seen */
  GArray *kept;                 /* of Kept */
  gsize kept_bytes;
  guint64 stride;               /* every how manieth frame is kept */

  /* Of a stream without clip meta */
  guint64 live_clip;
  guint64 live_frame;

  gboolean have_segment;
  guint32 segment_seqnum;

  GstEvent *told;               /* the last clip-preparation sent */
  gboolean tell;                /* another one may be due */
};

G_DEFINE_TYPE (GstClipSample, gst_clip_sample, GST_TYPE_ELEMENT);
GST_ELEMENT_REGISTER_DEFINE (clipsample, "clipsample", GST_RANK_NONE,
    GST_TYPE_CLIP_SAMPLE);

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY)"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY)"));

#define GST_TYPE_CLIP_SAMPLE_MODE (gst_clip_sample_mode_get_type ())
static GType
gst_clip_sample_mode_get_type (void)
{
  static GType type;
  static const GEnumValue values[] = {
    {CLIP_WINDOW_RANDOM, "Training passes draw the window's start at random, "
          "validation passes take the middle", "random"},
    {CLIP_WINDOW_CENTER, "The middle of the clip", "center"},
    {CLIP_WINDOW_UNIFORM, "Spread evenly over the whole clip, whatever "
          "frame-interval is", "uniform"},
    {0, NULL, NULL}
  };

  if (g_once_init_enter (&type)) {
    GType registered = g_enum_register_static ("GstClipSampleMode", values);

    g_once_init_leave (&type, registered);
  }

  return type;
}

static void
clear_kept (gpointer kept)
{
  gst_clear_buffer (&((Kept *) kept)->buffer);
}

/* Lets go of the clip at hand; what was not pushed is lost. */
static void
gst_clip_sample_drop (GstClipSample * self)
{
  guint i, n = self->views * self->window.num_frames;

  for (i = self->next; self->slots && i < n; i++)
    gst_clear_buffer (&self->slots[i]);
  g_clear_pointer (&self->slots, g_free);
  g_clear_pointer (&self->wanted, g_free);
  g_clear_pointer (&self->filled, g_free);
  g_array_set_size (self->kept, 0);
  self->kept_bytes = 0;
  gst_clear_buffer (&self->last);
  self->complete = TRUE;
}

static void
gst_clip_sample_reset (GstClipSample * self)
{
  gst_clip_sample_drop (self);
  self->in_clip = FALSE;
  self->have_segment = FALSE;
  if (self->live_frame) {
    self->live_clip++;
    self->live_frame = 0;
  }
}

static void
gst_clip_sample_allocate (GstClipSample * self, guint views)
{
  const guint n = views * self->window.num_frames;

  self->views = views;
  self->next = 0;
  self->wanted = g_new (guint64, n);
  self->slots = g_new0 (GstBuffer *, n);
  self->filled = g_new0 (guint, views);
}

/* Settings hold from one clip's first frame to the next one's. */
static void
gst_clip_sample_take_settings (GstClipSample * self)
{
  const ClipWindow before = self->window;

  GST_OBJECT_LOCK (self);
  self->window = self->settings;
  GST_OBJECT_UNLOCK (self);
  self->tell |= !self->told || before.num_frames != self->window.num_frames
      || before.interval != self->window.interval
      || before.mode != self->window.mode;
}

static void
gst_clip_sample_begin (GstClipSample * self, const GstClipMeta * clip,
    gboolean live)
{
  gst_clip_sample_drop (self);
  self->in_clip = TRUE;
  self->complete = FALSE;
  self->clip = *clip;
  self->clip.path = self->clip.group = NULL;
  self->stride = 1;
  self->views = 0;

  if (live) {
    guint i;

    gst_clip_sample_allocate (self, 1);
    for (i = 0; i < self->window.num_frames; i++)
      self->wanted[i] = (guint64) i * MAX (self->window.interval, 1);
    return;
  }

  gst_clip_sample_take_settings (self);
  if (clip->num_frames) {
    gst_clip_sample_allocate (self, clip_window_views (&self->window,
            clip->training));
    clip_window_plan (&self->window, clip->num_frames, clip->training,
        clip->epoch, clip->sample, self->wanted);
  }
}

/* Tells how clips are made, where that is not what was told last. */
static void
gst_clip_sample_tell (GstClipSample * self)
{
  const gboolean uniform = self->window.mode == CLIP_WINDOW_UNIFORM
      || self->window.interval == 0;
  GstClipPreparation preparation = {.num_frames = self->window.num_frames,
    .frame_interval = uniform ? 0 : self->window.interval,
    .sampling = uniform ? "uniform" : "center",.scaling = "none"
  };
  ClipScaling scaling;
  GstEvent *event;

  self->tell = FALSE;
  if (clip_scaling_find (self->srcpad, &scaling)
      || clip_scaling_find (self->sinkpad, &scaling)) {
    preparation.scaling = scaling.method;
    preparation.add_borders = scaling.add_borders;
  }
  event = gst_event_new_clip_preparation (&preparation);
  if (self->told && gst_structure_is_equal (gst_event_get_structure (event),
          gst_event_get_structure (self->told))) {
    gst_event_unref (event);
    return;
  }
  gst_clear_event (&self->told);
  self->told = gst_event_ref (event);
  gst_pad_push_event (self->srcpad, event);
}

/* Pushes the frames at the head of the slots. */
static GstFlowReturn
gst_clip_sample_push (GstClipSample * self)
{
  const guint num = self->window.num_frames;
  GstFlowReturn ret = GST_FLOW_OK;

  while (ret == GST_FLOW_OK && self->next < self->views * num
      && self->slots[self->next]) {
    GstBuffer *buffer = self->slots[self->next];
    GstClipMeta *meta;

    if (self->tell)
      gst_clip_sample_tell (self);
    self->slots[self->next] = NULL;
    /* a frame that is wanted again, too, is copied: its header, not its data */
    buffer = gst_buffer_make_writable (buffer);
    meta = gst_buffer_get_clip_meta (buffer);
    if (!meta)
      meta = gst_buffer_add_clip_meta (buffer, &self->clip);
    meta->frame = self->next % num;
    meta->num_frames = num;
    self->next++;
    ret = gst_pad_push (self->srcpad, buffer);
  }
  if (self->next == self->views * num || ret != GST_FLOW_OK)
    gst_clip_sample_drop (self);

  return ret;
}

/* Holds a frame of a clip whose length is not known. */
static void
gst_clip_sample_keep (GstClipSample * self, guint64 frame, GstBuffer * buffer)
{
  Kept kept = { frame, buffer };
  guint i, n;

  if (frame % self->stride != 0)
    return;
  gst_buffer_ref (buffer);
  g_array_append_val (self->kept, kept);
  self->kept_bytes += gst_buffer_get_size (buffer);
  if (self->kept->len <= 2 * self->window.num_frames
      || (self->kept->len <= MAX_KEPT_FRAMES
          && self->kept_bytes <= MAX_KEPT_BYTES))
    return;

  GST_INFO_OBJECT (self, "clip %" G_GUINT64_FORMAT " is long: of %u frames "
      "every second one is let go", self->clip.clip, self->kept->len);
  self->stride *= 2;
  for (i = n = 0; i < self->kept->len; i++) {
    Kept *k = &g_array_index (self->kept, Kept, i);

    if (k->frame % self->stride == 0) {
      Kept *to = &g_array_index (self->kept, Kept, n++);

      if (to != k) {
        *to = *k;
        k->buffer = NULL;
      }
    } else {
      self->kept_bytes -= gst_buffer_get_size (k->buffer);
      gst_clear_buffer (&k->buffer);
    }
  }
  g_array_set_size (self->kept, n);
}

/* The length is known now: chooses among the frames held. */
static void
gst_clip_sample_choose (GstClipSample * self)
{
  guint slot, n, at = 0;

  gst_clip_sample_allocate (self, clip_window_views (&self->window,
          self->clip.training));
  clip_window_plan (&self->window, self->clip.frame + 1, self->clip.training,
      self->clip.epoch, self->clip.sample, self->wanted);

  n = self->views * self->window.num_frames;
  for (slot = 0; slot < n; slot++) {
    if (slot % self->window.num_frames == 0)
      at = 0;
    while (at < self->kept->len
        && g_array_index (self->kept, Kept, at).frame < self->wanted[slot])
      at++;
    if (at < self->kept->len)
      self->slots[slot] =
          gst_buffer_ref (g_array_index (self->kept, Kept, at).buffer);
  }
  g_array_set_size (self->kept, 0);
}

/* The clip is over: pushes what it still owes. */
static GstFlowReturn
gst_clip_sample_finish (GstClipSample * self)
{
  guint slot, n;

  if (!self->in_clip || self->complete)
    return GST_FLOW_OK;
  if (!self->wanted)
    gst_clip_sample_choose (self);
  if (!self->last) {
    GST_WARNING_OBJECT (self, "clip %" G_GUINT64_FORMAT " ended without a "
        "frame of its new size", self->clip.clip);
    gst_clip_sample_drop (self);
    return GST_FLOW_OK;
  }

  n = self->views * self->window.num_frames;
  for (slot = self->next; slot < n; slot++) {
    if (!self->slots[slot])
      self->slots[slot] = gst_buffer_ref (self->last);
  }
  gst_clear_buffer (&self->last);

  return gst_clip_sample_push (self);
}

/* Number of the next frame of a stream without clip meta. */
static void
gst_clip_sample_count (GstClipSample * self, GstClipMeta * clip)
{
  if (self->live_frame == 0 || !self->in_clip
      || self->live_frame == self->clip.num_frames) {
    if (self->live_frame)
      self->live_clip++;
    self->live_frame = 0;
    /* the clip before is complete or was dropped: nothing uses it */
    gst_clip_sample_drop (self);
    self->in_clip = FALSE;
    gst_clip_sample_take_settings (self);
    self->clip.num_frames =
        (guint64) self->window.num_frames * MAX (self->window.interval, 1);
  }
  *clip = (GstClipMeta) {
  .clip = self->live_clip,.sample = self->live_clip,.label = -1,.frame =
        self->live_frame++,.num_frames = self->clip.num_frames};
}

static GstFlowReturn
gst_clip_sample_chain (GstPad * pad, GstObject * parent, GstBuffer * buffer)
{
  GstClipSample *self = GST_CLIP_SAMPLE (parent);
  GstClipMeta *meta = gst_buffer_get_clip_meta (buffer);
  GstFlowReturn ret = GST_FLOW_OK;
  GstClipMeta clip;
  guint view;

  if (meta) {
    clip = *meta;
    if (self->in_clip && (clip.clip != self->clip.clip
            || clip.sample != self->clip.sample
            || clip.epoch != self->clip.epoch
            || !clip.training != !self->clip.training
            || clip.frame < self->clip.frame)) {
      ret = gst_clip_sample_finish (self);
      self->in_clip = FALSE;
      if (ret != GST_FLOW_OK)
        goto done;
    }
  } else {
    gst_clip_sample_count (self, &clip);
  }
  if (!self->in_clip)
    gst_clip_sample_begin (self, &clip, !meta);
  self->clip.frame = clip.frame;
  if (self->complete)
    goto done;

  gst_buffer_replace (&self->last, buffer);
  if (!self->wanted) {
    gst_clip_sample_keep (self, clip.frame, buffer);
    goto done;
  }
  for (view = 0; view < self->views; view++) {
    const guint num = self->window.num_frames;
    guint *filled = &self->filled[view];

    while (*filled < num && self->wanted[view * num + *filled] <= clip.frame)
      self->slots[view * num + (*filled)++] = gst_buffer_ref (buffer);
  }
  /* ours alone where it is pushed at once, so that nobody has to copy it */
  gst_buffer_unref (buffer);
  buffer = NULL;
  if (self->filled[self->views - 1] == self->window.num_frames)
    gst_clear_buffer (&self->last);
  ret = gst_clip_sample_push (self);

done:
  if (buffer)
    gst_buffer_unref (buffer);

  return ret;
}

/* Frames that are held and can not follow other caps. */
static gboolean
gst_clip_sample_holds (GstClipSample * self)
{
  guint i, n = self->views * self->window.num_frames;

  for (i = self->next; self->slots && i < n; i++) {
    if (self->slots[i])
      return TRUE;
  }

  return self->kept->len > 0;
}

static void
gst_clip_sample_new_caps (GstClipSample * self, GstEvent * event)
{
  GstCaps *caps, *before = gst_pad_get_current_caps (self->srcpad);

  gst_event_parse_caps (event, &caps);
  if (before && !gst_caps_is_equal (before, caps)) {
    /* in mid-clip: the frames that follow go on with the clip, where none is
     * held; otherwise they come too late */
    if (gst_clip_sample_holds (self))
      gst_clip_sample_finish (self);
    else
      gst_clear_buffer (&self->last);
  }
  gst_clear_caps (&before);
}

static gboolean
gst_clip_sample_sink_event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  GstClipSample *self = GST_CLIP_SAMPLE (parent);
  guint32 seqnum;

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_CAPS:
      gst_clip_sample_new_caps (self, event);
      /* perhaps other elements are linked now */
      self->tell = TRUE;
      break;
    case GST_EVENT_SEGMENT:
      /* one of the same origin comes in mid-clip, from edit lists */
      seqnum = gst_event_get_seqnum (event);
      if (self->have_segment && seqnum != self->segment_seqnum) {
        gst_clip_sample_finish (self);
        gst_clip_sample_reset (self);
      }
      self->have_segment = TRUE;
      self->segment_seqnum = seqnum;
      break;
    case GST_EVENT_STREAM_START:
    case GST_EVENT_EOS:
      gst_clip_sample_finish (self);
      gst_clip_sample_reset (self);
      break;
    case GST_EVENT_CUSTOM_DOWNSTREAM_STICKY:
      /* what another sampler did holds no longer */
      if (gst_event_parse_clip_preparation (event, NULL)) {
        gst_event_unref (event);
        return TRUE;
      }
      break;
    case GST_EVENT_CUSTOM_DOWNSTREAM:
      if (gst_event_parse_clip_epoch (event, NULL)
          || gst_event_parse_clip_epoch_done (event, NULL)) {
        gst_clip_sample_finish (self);
        gst_clip_sample_reset (self);
      }
      break;
    case GST_EVENT_FLUSH_STOP:
      gst_clip_sample_reset (self);
      break;
    default:
      break;
  }

  return gst_pad_event_default (pad, parent, event);
}

static int
compare_frames (const void *a, const void *b)
{
  const guint64 x = *(const guint64 *) a, y = *(const guint64 *) b;

  return x < y ? -1 : x > y;
}

static gboolean
gst_clip_sample_answer (GstClipSample * self, GstQuery * query)
{
  ClipWindow window;
  GstClipMeta clip;
  guint64 *wanted;
  guint n, distinct = 0;

  gst_query_parse_clip_window (query, &clip, NULL, NULL);
  if (clip.num_frames == 0)
    return FALSE;

  GST_OBJECT_LOCK (self);
  window = self->settings;
  GST_OBJECT_UNLOCK (self);
  n = clip_window_views (&window, clip.training) * window.num_frames;
  wanted = g_new (guint64, n);
  clip_window_plan (&window, clip.num_frames, clip.training, clip.epoch,
      clip.sample, wanted);
  /* views follow each other, and may overlap */
  qsort (wanted, n, sizeof *wanted, compare_frames);
  for (guint i = 0; i < n; i++)
    if (i == 0 || wanted[i] != wanted[i - 1])
      wanted[distinct++] = wanted[i];
  gst_query_set_clip_window_frames (query, wanted, distinct);
  g_free (wanted);

  return TRUE;
}

static gboolean
gst_clip_sample_sink_query (GstPad * pad, GstObject * parent, GstQuery * query)
{
  GstClipSample *self = GST_CLIP_SAMPLE (parent);

  if (gst_query_parse_clip_window (query, NULL, NULL, NULL))
    return gst_clip_sample_answer (self, query);

  if (GST_QUERY_TYPE (query) == GST_QUERY_ALLOCATION) {
    if (!gst_pad_peer_query (self->srcpad, query))
      return FALSE;
    /* a pool's size does not reckon with the frames that are held here */
    while (gst_query_get_n_allocation_pools (query) > 0)
      gst_query_remove_nth_allocation_pool (query, 0);
    return TRUE;
  }

  return gst_pad_query_default (pad, parent, query);
}

static GstStateChangeReturn
gst_clip_sample_change_state (GstElement * element, GstStateChange transition)
{
  GstClipSample *self = GST_CLIP_SAMPLE (element);
  GstStateChangeReturn ret;

  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED
      && !param_range_check (element))
    return GST_STATE_CHANGE_FAILURE;

  ret = GST_ELEMENT_CLASS (gst_clip_sample_parent_class)->change_state (element,
      transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    /* the streaming thread is gone by now, but another one may flush */
    GST_PAD_STREAM_LOCK (self->sinkpad);
    gst_clip_sample_reset (self);
    self->live_clip = 0;
    gst_clear_event (&self->told);
    GST_PAD_STREAM_UNLOCK (self->sinkpad);
  }

  return ret;
}

static void
gst_clip_sample_set_property (GObject * object, guint id, const GValue * value,
    GParamSpec * pspec)
{
  GstClipSample *self = GST_CLIP_SAMPLE (object);

  if (!param_range_accept (GST_ELEMENT (object), value, pspec))
    return;
  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_NUM_FRAMES:
      self->settings.num_frames = g_value_get_uint (value);
      break;
    case PROP_FRAME_INTERVAL:
      self->settings.interval = g_value_get_uint (value);
      break;
    case PROP_MODE:
      self->settings.mode = g_value_get_enum (value);
      break;
    case PROP_CLIPS_PER_VIDEO:
      self->settings.views = g_value_get_uint (value);
      break;
    case PROP_SEED:
      self->settings.seed = g_value_get_uint64 (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_clip_sample_get_property (GObject * object, guint id, GValue * value,
    GParamSpec * pspec)
{
  GstClipSample *self = GST_CLIP_SAMPLE (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_NUM_FRAMES:
      g_value_set_uint (value, self->settings.num_frames);
      break;
    case PROP_FRAME_INTERVAL:
      g_value_set_uint (value, self->settings.interval);
      break;
    case PROP_MODE:
      g_value_set_enum (value, self->settings.mode);
      break;
    case PROP_CLIPS_PER_VIDEO:
      g_value_set_uint (value, self->settings.views);
      break;
    case PROP_SEED:
      g_value_set_uint64 (value, self->settings.seed);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_clip_sample_finalize (GObject * object)
{
  GstClipSample *self = GST_CLIP_SAMPLE (object);

  gst_clip_sample_drop (self);
  gst_clear_event (&self->told);
  g_array_unref (self->kept);

  G_OBJECT_CLASS (gst_clip_sample_parent_class)->finalize (object);
}

static void
gst_clip_sample_class_init (GstClipSampleClass * klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS
      | GST_PARAM_MUTABLE_PLAYING;

  GST_DEBUG_CATEGORY_INIT (clip_sample_debug, "clipsample", 0,
      "picks the frames of each clip");

  object_class->set_property = gst_clip_sample_set_property;
  object_class->get_property = gst_clip_sample_get_property;
  object_class->finalize = gst_clip_sample_finalize;
  element_class->change_state =
      GST_DEBUG_FUNCPTR (gst_clip_sample_change_state);

  /**
   * GstClipSample:num-frames:
   *
   * Changes of this and the other properties hold from the next clip on.
   */
  g_object_class_install_property (object_class, PROP_NUM_FRAMES,
      param_range_uint ("num-frames", "Number of frames",
          "Frames taken from each clip (1 to 1024, default 16)",
          1, 1024, DEFAULT_NUM_FRAMES, flags));
  g_object_class_install_property (object_class, PROP_FRAME_INTERVAL,
      param_range_uint ("frame-interval", "Frame interval",
          "Frames of the video from one frame taken to the next (0 to 1024, "
          "default 0: num-frames are spread evenly over the whole clip)",
          0, 1024, DEFAULT_FRAME_INTERVAL, flags));
  g_object_class_install_property (object_class, PROP_MODE,
      g_param_spec_enum ("mode", "Mode",
          "Where the window of frames lies in its clip, if frame-interval is "
          "not 0 (default random)",
          GST_TYPE_CLIP_SAMPLE_MODE, DEFAULT_MODE, flags));
  g_object_class_install_property (object_class, PROP_CLIPS_PER_VIDEO,
      param_range_uint ("clips-per-video", "Clips per video",
          "Views: windows placed evenly over a clip, each sent as a clip of "
          "its own under the same clip number. Only in validation passes and "
          "if frame-interval is not 0; otherwise 1 (1 to 64, default 1)",
          1, 64, DEFAULT_CLIPS_PER_VIDEO, flags));
  g_object_class_install_property (object_class, PROP_SEED,
      g_param_spec_uint64 ("seed", "Seed",
          "Number that the random windows follow from, with the epoch and the "
          "clip's row in the data set (0 to 2^64-1, default 0)",
          0, G_MAXUINT64, DEFAULT_SEED, flags));

  gst_element_class_set_static_metadata (element_class, "Clip sampler",
      "Filter/Video", "Takes a fixed number of frames from each clip, for "
      "networks that look at videos", "The cnn3d authors");
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_type_mark_as_plugin_api (GST_TYPE_CLIP_SAMPLE_MODE, 0);
}

static void
gst_clip_sample_init (GstClipSample * self)
{
  self->settings.num_frames = DEFAULT_NUM_FRAMES;
  self->settings.interval = DEFAULT_FRAME_INTERVAL;
  self->settings.mode = DEFAULT_MODE;
  self->settings.views = DEFAULT_CLIPS_PER_VIDEO;
  self->settings.seed = DEFAULT_SEED;
  self->kept = g_array_new (FALSE, FALSE, sizeof (Kept));
  g_array_set_clear_func (self->kept, clear_kept);

  self->sinkpad = gst_pad_new_from_static_template (&sink_template, "sink");
  gst_pad_set_chain_function (self->sinkpad,
      GST_DEBUG_FUNCPTR (gst_clip_sample_chain));
  gst_pad_set_event_function (self->sinkpad,
      GST_DEBUG_FUNCPTR (gst_clip_sample_sink_event));
  gst_pad_set_query_function (self->sinkpad,
      GST_DEBUG_FUNCPTR (gst_clip_sample_sink_query));
  GST_PAD_SET_PROXY_CAPS (self->sinkpad);
  gst_element_add_pad (GST_ELEMENT (self), self->sinkpad);

  self->srcpad = gst_pad_new_from_static_template (&src_template, "src");
  GST_PAD_SET_PROXY_CAPS (self->srcpad);
  gst_element_add_pad (GST_ELEMENT (self), self->srcpad);
}
