/* gstclipcache.c: caches frames on disk, so that they are decoded only once.
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-clipcache
 * @title: clipcache
 *
 * Caches the frames of each clip in #GstClipSrc:clip-bin, in memory-mapped
 * files. When the same frames are needed again, in the next epoch, the next run
 * or another process, they are read from the cache and not decoded.
 *
 * The key of a clip's frames consists of the elements before the cache with
 * their properties, the caps that are accepted behind it, the file with its
 * size and modification time, and the selected frames. So put it after the scaler and before anything that differs
 * between epochs: after a `clipsample` that spreads its frames evenly, before
 * one that draws its window at random (the whole clip is cached then), and
 * before `clipaugment`.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 clipsrc location=train.csv epochs=10 clip-bin="clipsample num-frames=16 frame-interval=0 ! videoconvertscale ! video/x-raw,format=RGB,width=112,height=112 ! clipcache max-size=20000000000" ! fakesink
 * ]| Decodes in the first epoch only.
 *
 * Since: 0.1.0
 */
#include "gstclipcache.h"

#include <gst/video/video.h>
#include <string.h>

#include "clipcached.h"
#include "clipchain.h"
#include "clipframes.h"
#include "cliplinks.h"
#include "clipscaling.h"
#include "clipstore.h"
#include "plugins/settings.h"

/* Frames of a clip are held until it is complete. A larger clip is not cached */
#define MAX_CLIP_BYTES (256 << 20)
#define FORMAT "clipcache 4, " VERSION
/* of the pixels in a record, and of records in memory */
#define ALIGNMENT 64

GST_DEBUG_CATEGORY_STATIC (clip_cache_debug);
#define GST_CAT_DEFAULT clip_cache_debug

struct _GstClipCache {
  GstElement parent;
  GstPad *sinkpad, *srcpad;

  /* Under the object lock */
  gchar *location;
  guint64 max_size;

  /* Kept from the first PAUSED on: between clips the state goes down to NULL, where the store
   * would otherwise be closed */
  ClipStore *store; /* NULL: outside of a clip-bin */
  gboolean failed;  /* it cannot be written */

  /* Of the current clip, used by the streaming thread. The query arrives before the frames, from
   * the thread that starts the clip */
  GBytes *key;        /* NULL: do not cache it */
  ClipRecord *record; /* the clip is cached */
  ClipFrames kept;    /* the content of the record */
  GstQuery *window;   /* the frames wanted downstream; NULL: unknown */
  GstCaps *caps;
  GstEvent *preparation;
  GArray *heads; /* of ClipFrameHead */
  GByteArray *texts;
  GPtrArray *frames; /* of GstBuffer */
  guint64 bytes;
  gboolean new_caps, new_preparation; /* not in texts yet */
};

static const SettingsField fields[] = {
  { "location", G_STRUCT_OFFSET (GstClipCache, location) },
  { "max-size", G_STRUCT_OFFSET (GstClipCache, max_size) },
};

static const SettingsOf settings = { "clipcache", fields, G_N_ELEMENTS (fields) };

G_DEFINE_TYPE (GstClipCache, gst_clip_cache, GST_TYPE_ELEMENT);
GST_ELEMENT_REGISTER_DEFINE (clipcache, "clipcache", GST_RANK_NONE, GST_TYPE_CLIP_CACHE);

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw"));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw"));

/* Discards the current clip, but not the window of its frames. */
static void
gst_clip_cache_drop (GstClipCache *self)
{
  g_clear_pointer (&self->key, g_bytes_unref);
  g_clear_pointer (&self->record, clip_record_unref);
  gst_clear_event (&self->preparation);
  g_array_set_size (self->heads, 0);
  g_byte_array_set_size (self->texts, 0);
  g_ptr_array_set_size (self->frames, 0);
  self->bytes = 0;
  self->new_caps = TRUE;
  self->new_preparation = FALSE;
}

/* Upstream elements */

static void
describe_property (GString *text, GObject *object, GParamSpec *spec)
{
  GValue value = G_VALUE_INIT;
  gchar *shown;

  /* properties that cannot be set, or are objects, do not describe how frames are made */
  if ((spec->flags & G_PARAM_READWRITE) != G_PARAM_READWRITE || g_str_equal (spec->name, "name")
      || g_str_equal (spec->name, "parent"))
    return;
  g_value_init (&value, spec->value_type);
  g_object_get_property (object, spec->name, &value);
  /* serializing a structure that is NULL is a critical */
  shown = G_VALUE_HOLDS_BOXED (&value) && !g_value_get_boxed (&value)
      ? NULL
      : gst_value_serialize (&value);
  if (shown)
    g_string_append_printf (text, " %s=%s", spec->name, shown);
  g_free (shown);
  g_value_unset (&value);
}

static gboolean
describe_element (GstElement *element, gpointer data)
{
  GString *text = data;
  GParamSpec **specs;
  guint n;

  /* frames differ in each epoch */
  if (g_str_equal (clip_links_kind (element), "clipaugment"))
    return TRUE;
  g_string_append_printf (text, "\n%s", G_OBJECT_TYPE_NAME (element));
  specs = g_object_class_list_properties (G_OBJECT_GET_CLASS (element), &n);
  for (guint i = 0; i < n; i++)
    describe_property (text, G_OBJECT (element), specs[i]);
  g_free (specs);

  return FALSE;
}

/* What elements before this one make of a picture depends on the caps that follow it, as a scaler's
 * size does, wherever those are set. */
static void
gst_clip_cache_describe_caps (GstClipCache *self, GString *text)
{
  GstCaps *caps = gst_pad_peer_query_caps (self->srcpad, NULL);
  gchar *shown = gst_caps_to_string (caps);

  g_string_append_printf (text, "\nbehind %s", shown);
  g_free (shown);
  gst_caps_unref (caps);
}

/* NULL: upstream elements are not all known, or differ from epoch to epoch. */
static GBytes *
gst_clip_cache_make_key (GstClipCache *self, GBytes *source)
{
  GString *text = g_string_new (FORMAT);
  GByteArray *bytes;
  ClipScaling scaling;

  if (clip_links_walk (self->sinkpad, describe_element, text) != CLIP_LINKS_ENDED) {
    g_string_free (text, TRUE);
    return NULL;
  }
  gst_clip_cache_describe_caps (self, text);
  /* a sampler before this element reports downstream how frames are scaled */
  if (clip_scaling_find (self->srcpad, &scaling))
    g_string_append_printf (
        text, "\n%s %d", scaling.method ? scaling.method : "?", scaling.add_borders);
  bytes = g_byte_array_new ();
  g_byte_array_append (bytes, (guint8 *) text->str, text->len + 1);
  g_byte_array_append (bytes, g_bytes_get_data (source, NULL), g_bytes_get_size (source));
  g_string_free (text, TRUE);

  return g_byte_array_free_to_bytes (bytes);
}

/* Recording */

static guint32
append_text (GByteArray *texts, gchar *text)
{
  const guint32 bytes = strlen (text) + 1;

  g_byte_array_append (texts, (guint8 *) text, bytes);
  g_free (text);

  return bytes;
}

static void
gst_clip_cache_keep (GstClipCache *self, GstBuffer *buffer)
{
  GstClipMeta *meta = gst_buffer_get_clip_meta (buffer);
  GstVideoInfo info;
  ClipFrameHead head = { .pts = GST_BUFFER_PTS (buffer), .duration = GST_BUFFER_DURATION (buffer) };

  if (!meta || !self->caps || !gst_video_info_from_caps (&info, self->caps)
      || self->bytes + info.size > MAX_CLIP_BYTES) {
    GST_INFO_OBJECT (
        self, "not kept: %s", meta ? "it is too long" : "its frames have no clip meta");
    gst_clip_cache_drop (self);
    return;
  }
  head.frame = meta->frame;
  head.num_frames = meta->num_frames;
  head.file_frame = meta->file_frame;
  head.file_time = meta->file_time;
  head.width = meta->width;
  head.height = meta->height;
  head.par_n = meta->par_n;
  head.par_d = meta->par_d;
  head.offset = self->bytes;
  head.size = info.size;
  if (self->new_caps)
    head.caps_bytes = append_text (self->texts, gst_caps_to_string (self->caps));
  if (self->new_preparation)
    head.event_bytes = append_text (
        self->texts, gst_structure_to_string (gst_event_get_structure (self->preparation)));
  self->new_caps = self->new_preparation = FALSE;
  self->bytes += info.size;
  g_array_append_val (self->heads, head);
  g_ptr_array_add (self->frames, gst_buffer_ref (buffer));
}

/* Copies the frames in their default layout, one after the other. Free with g_free(). NULL: a
 * frame cannot be mapped, or out of memory. */
static guint8 *
gst_clip_cache_collect (GstClipCache *self)
{
  guint8 *pixels = g_try_malloc (self->bytes);
  const guint8 *text = self->texts->data;
  GstVideoInfo info;
  gboolean ok = pixels != NULL;

  for (guint i = 0; i < self->frames->len && ok; i++) {
    const ClipFrameHead *head = &g_array_index (self->heads, ClipFrameHead, i);
    GstBuffer *target = gst_buffer_new_wrapped_full (
        0, pixels + head->offset, head->size, 0, head->size, NULL, NULL);
    GstVideoFrame from, to;

    if (head->caps_bytes) {
      GstCaps *caps = gst_caps_from_string ((const gchar *) text);

      gst_video_info_from_caps (&info, caps);
      gst_caps_unref (caps);
    }
    text += head->caps_bytes + head->event_bytes;
    /* row padding is not written by the copy */
    memset (pixels + head->offset, 0, head->size);
    ok = gst_video_frame_map (&from, &info, g_ptr_array_index (self->frames, i), GST_MAP_READ);
    if (ok) {
      ok = gst_video_frame_map (&to, &info, target, GST_MAP_WRITE);
      if (ok) {
        ok = gst_video_frame_copy (&to, &from);
        gst_video_frame_unmap (&to);
      }
      gst_video_frame_unmap (&from);
    }
    gst_buffer_unref (target);
  }
  if (!ok)
    g_clear_pointer (&pixels, g_free);

  return pixels;
}

/* Nothing changes but the speed, which should not pass unnoticed: one warning a run. */
static void
gst_clip_cache_refused (GstClipCache *self, ClipStoreResult result, const GError *error)
{
  GstElement *owner = clip_chain_take_warner (GST_ELEMENT (self));

  GST_INFO_OBJECT (self, "not kept: %s", error->message);
  /* the other elements find out by themselves */
  self->failed |= result == CLIP_STORE_FAILED;
  if (!owner)
    return;
  GST_ELEMENT_WARNING (owner, RESOURCE, WRITE,
      ("clipcache keeps no more clips (see max-size and location), and decodes the others in each "
       "epoch: %s",
          error->message),
      (NULL));
  gst_object_unref (owner);
}

/* In the layout that clipframes.h describes. */
static void
gst_clip_cache_store (GstClipCache *self)
{
  static const guint8 zeros[ALIGNMENT];
  guint32 counts[4] = {
    self->heads->len,
  };
  ClipStoreResult result;
  GError *error = NULL;
  guint8 *pixels;
  gsize before;

  if (!self->key || !self->store || self->frames->len == 0)
    return;
  before = sizeof counts + self->heads->len * sizeof (ClipFrameHead) + self->texts->len;
  g_byte_array_append (self->texts, zeros, -before % ALIGNMENT);
  counts[1] = self->texts->len;
  pixels = gst_clip_cache_collect (self);
  if (pixels) {
    const ClipStoreChunk chunks[] = { { counts, sizeof counts },
      { self->heads->data, self->heads->len * sizeof (ClipFrameHead) },
      { self->texts->data, self->texts->len }, { pixels, self->bytes } };

    result = clip_store_add (self->store, self->key, chunks, G_N_ELEMENTS (chunks), &error);
    if (result != CLIP_STORE_ADDED)
      gst_clip_cache_refused (self, result, error);
    g_clear_error (&error);
  }
  g_free (pixels);
}

/* Playing */

/* There is one segment for the whole clip: another one would end it. */
static void
push_texts (GstClipCache *self, const ClipFrame *frame, gboolean first)
{
  GstSegment segment;

  if (frame->caps) {
    GstCaps *caps = gst_caps_from_string (frame->caps);

    gst_pad_push_event (self->srcpad, gst_event_new_caps (caps));
    gst_caps_unref (caps);
  }
  if (first) {
    gst_segment_init (&segment, GST_FORMAT_TIME);
    gst_pad_push_event (self->srcpad, gst_event_new_segment (&segment));
  }
  if (frame->event)
    gst_pad_push_event (self->srcpad,
        gst_event_new_custom (
            GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, gst_structure_from_string (frame->event, NULL)));
}

static GstFlowReturn
gst_clip_cache_play (GstClipCache *self, GstBuffer *like)
{
  GstClipMeta meta = *gst_buffer_get_clip_meta (like);
  GstFlowReturn ret = GST_FLOW_OK;
  guint64 first = 0, last = G_MAXUINT64;
  ClipFrames frames = self->kept;
  ClipFrame frame;

  if (self->window)
    gst_query_get_clip_window (self->window, &first, &last);
  while (ret == GST_FLOW_OK && clip_frames_next (&frames, &frame)) {
    GstBuffer *buffer;

    push_texts (self, &frame, frames.next == 1);
    if (frame.head.frame < first || frame.head.frame > last)
      continue;
    buffer = gst_buffer_new_wrapped_full (GST_MEMORY_FLAG_READONLY, (gpointer) frame.pixels,
        frame.head.size, 0, frame.head.size, clip_record_ref (self->record),
        (GDestroyNotify) clip_record_unref);
    GST_BUFFER_PTS (buffer) = frame.head.pts;
    GST_BUFFER_DURATION (buffer) = frame.head.duration;
    meta.frame = frame.head.frame;
    meta.num_frames = frame.head.num_frames;
    meta.file_frame = frame.head.file_frame;
    meta.file_time = frame.head.file_time;
    meta.width = frame.head.width;
    meta.height = frame.head.height;
    meta.par_n = frame.head.par_n;
    meta.par_d = frame.head.par_d;
    gst_buffer_add_clip_meta (buffer, &meta);
    ret = gst_pad_push (self->srcpad, buffer);
  }

  return ret;
}

/* Pads */

static GstFlowReturn
gst_clip_cache_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstClipCache *self = GST_CLIP_CACHE (parent);
  GstClipMeta *meta = gst_buffer_get_clip_meta (buffer);
  GstFlowReturn ret;
  guint64 first, last;

  if (self->key)
    gst_clip_cache_keep (self, buffer);
  /* the others are only for the record */
  if (self->window && meta && gst_query_get_clip_window (self->window, &first, &last)
      && (meta->frame < first || meta->frame > last)) {
    gst_buffer_unref (buffer);
    return GST_FLOW_OK;
  }
  ret = gst_pad_push (self->srcpad, buffer);
  /* an EOS after this is not the clip's end */
  if (ret != GST_FLOW_OK)
    gst_clip_cache_drop (self);

  return ret;
}

static gboolean
gst_clip_cache_sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstClipCache *self = GST_CLIP_CACHE (parent);
  GstFlowReturn ret;
  GstBuffer *like;
  GstCaps *caps;

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_CAPS:
      gst_event_parse_caps (event, &caps);
      gst_caps_replace (&self->caps, caps);
      self->new_caps = TRUE;
      break;
    case GST_EVENT_EOS:
      gst_clip_cache_store (self);
      gst_clip_cache_drop (self);
      break;
    case GST_EVENT_FLUSH_STOP:
      gst_clip_cache_drop (self);
      break;
    default:
      if (gst_event_parse_clip_preparation (event, NULL)) {
        gst_event_replace (&self->preparation, event);
        self->new_preparation = TRUE;
      }
      like = clip_cached_event_parse (event);
      /* otherwise it is for another clipcache, downstream */
      if (like && self->record) {
        ret = gst_clip_cache_play (self, like);
        if (ret < GST_FLOW_EOS)
          GST_ELEMENT_FLOW_ERROR (self, ret);
        gst_event_unref (event);
        return TRUE;
      }
      break;
  }

  return gst_pad_event_default (pad, parent, event);
}

/* A sampler downstream wants only some frames. All are cached, since it will want others the
 * next time. */
static gboolean
gst_clip_cache_take_window (GstClipCache *self, GstQuery *query)
{
  gboolean answered = gst_pad_peer_query (self->srcpad, query);
  GstClipMeta clip;

  g_clear_pointer (&self->window, gst_query_unref);
  gst_query_parse_clip_window (query, &clip, NULL, NULL);
  if (!answered || !self->store || clip.num_frames == 0)
    return answered;
  self->window = gst_query_copy (query);
  gst_query_set_clip_window (query, 0, clip.num_frames - 1);
  clip_cached_set_plan (query, NULL, 0);

  return TRUE;
}

/* Whether the record is valid and downstream accepts its frames. It may be from an earlier run. */
static gboolean
gst_clip_cache_is_taken (GstClipCache *self)
{
  ClipFrames frames;
  ClipFrame frame;
  GstCaps *caps;
  gboolean taken;

  if (!clip_frames_init (&self->kept, self->record->data, self->record->size))
    return FALSE;
  frames = self->kept;
  clip_frames_next (&frames, &frame);
  caps = gst_caps_from_string (frame.caps);
  taken = gst_pad_peer_query_accept_caps (self->srcpad, caps);
  gst_caps_unref (caps);

  return taken;
}

static gboolean
gst_clip_cache_answer (GstClipCache *self, GstQuery *query, GBytes *source)
{
  gst_clip_cache_drop (self);
  if (self->store)
    self->key = gst_clip_cache_make_key (self, source);
  if (self->key)
    self->record = clip_store_find (self->store, self->key);
  if (self->record && gst_clip_cache_is_taken (self)) {
    clip_cached_query_answer (query);
    return TRUE;
  }
  g_clear_pointer (&self->record, clip_record_unref);
  if (self->key && (self->failed || clip_store_is_full (self->store)))
    g_clear_pointer (&self->key, g_bytes_unref);
  if (self->window && !self->key)
    clip_cached_query_narrow (query, self->window);
  /* with a window of its own, the query does not describe the frames that come out of this
   * element */
  if (!self->window)
    gst_pad_peer_query (self->srcpad, query);

  return TRUE;
}

static gboolean
gst_clip_cache_sink_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  GstClipCache *self = GST_CLIP_CACHE (parent);
  GBytes *source = clip_cached_query_parse (query);
  guint crop;

  if (source)
    return gst_clip_cache_answer (self, query, source);
  if (gst_query_parse_clip_window (query, NULL, NULL, NULL) && !clip_cached_is_outside (query))
    return gst_clip_cache_take_window (self, query);
  if (GST_QUERY_TYPE (query) == GST_QUERY_ALLOCATION) {
    if (!clip_links_propose (self->srcpad, query))
      return FALSE;
    /* frames are cached without crop meta */
    if (gst_query_find_allocation_meta (query, GST_VIDEO_CROP_META_API_TYPE, &crop))
      gst_query_remove_nth_allocation_meta (query, crop);
    return TRUE;
  }

  return gst_pad_query_default (pad, parent, query);
}

/* The element */

static gboolean
gst_clip_cache_open (GstClipCache *self)
{
  GError *error = NULL;
  ClipStore *store;
  gchar *location;
  guint64 max_size;

  if (!clip_chain_holds (GST_ELEMENT (self))) {
    g_clear_pointer (&self->store, clip_store_unref);
    GST_ELEMENT_WARNING (self, STREAM, FAILED,
        ("clipcache stores nothing outside of clipsrc's clip-bin; put it there"), (NULL));
    return TRUE;
  }
  GST_OBJECT_LOCK (self);
  location = self->location ? g_strdup (self->location)
                            : g_build_filename (g_get_user_cache_dir (), "cnn3d", "clips", NULL);
  max_size = self->max_size;
  GST_OBJECT_UNLOCK (self);
  store = clip_store_open (location, max_size, &error);
  g_clear_pointer (&self->store, clip_store_unref);
  self->store = store;
  if (!store)
    GST_ELEMENT_ERROR (self, RESOURCE, OPEN_READ_WRITE, ("%s", error->message), (NULL));
  g_clear_error (&error);
  g_free (location);

  return store != NULL;
}

static GstStateChangeReturn
gst_clip_cache_change_state (GstElement *element, GstStateChange transition)
{
  GstClipCache *self = GST_CLIP_CACHE (element);
  GstStateChangeReturn ret;

  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && !gst_clip_cache_open (self))
    return GST_STATE_CHANGE_FAILURE;
  ret = GST_ELEMENT_CLASS (gst_clip_cache_parent_class)->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    gst_clip_cache_drop (self);
    g_clear_pointer (&self->window, gst_query_unref);
    gst_clear_caps (&self->caps);
  }

  return ret;
}

static void
gst_clip_cache_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  settings_set (&settings, GST_ELEMENT (object), object, id - 1, value);
}

static void
gst_clip_cache_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GST_OBJECT_LOCK (object);
  settings_get (&settings, object, id - 1, value);
  GST_OBJECT_UNLOCK (object);
}

static void
gst_clip_cache_finalize (GObject *object)
{
  GstClipCache *self = GST_CLIP_CACHE (object);

  gst_clip_cache_drop (self);
  g_clear_pointer (&self->window, gst_query_unref);
  g_clear_pointer (&self->store, clip_store_unref);
  g_array_unref (self->heads);
  g_byte_array_unref (self->texts);
  g_ptr_array_unref (self->frames);
  settings_clear (&settings, self);
  G_OBJECT_CLASS (gst_clip_cache_parent_class)->finalize (object);
}

static void
gst_clip_cache_class_init (GstClipCacheClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  object_class->set_property = gst_clip_cache_set_property;
  object_class->get_property = gst_clip_cache_get_property;
  object_class->finalize = gst_clip_cache_finalize;
  element_class->change_state = gst_clip_cache_change_state;
  settings_install (&settings, object_class, 1, GST_PARAM_MUTABLE_READY);
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class, "Clip cache", "Filter/Video",
      "Caches the decoded frames of clips on disk", "The cnn3d authors");
  GST_DEBUG_CATEGORY_INIT (clip_cache_debug, "clipcache", 0, "cache of frames on disk");
}

static void
gst_clip_cache_init (GstClipCache *self)
{
  settings_init (&settings, self);
  self->heads = g_array_new (FALSE, FALSE, sizeof (ClipFrameHead));
  self->texts = g_byte_array_new ();
  self->frames = g_ptr_array_new_with_free_func ((GDestroyNotify) gst_buffer_unref);
  self->sinkpad = gst_pad_new_from_static_template (&sink_template, "sink");
  gst_pad_set_chain_function (self->sinkpad, gst_clip_cache_chain);
  gst_pad_set_event_function (self->sinkpad, gst_clip_cache_sink_event);
  gst_pad_set_query_function (self->sinkpad, gst_clip_cache_sink_query);
  GST_PAD_SET_PROXY_CAPS (self->sinkpad);
  gst_element_add_pad (GST_ELEMENT (self), self->sinkpad);
  self->srcpad = gst_pad_new_from_static_template (&src_template, "src");
  GST_PAD_SET_PROXY_CAPS (self->srcpad);
  gst_element_add_pad (GST_ELEMENT (self), self->srcpad);
}
