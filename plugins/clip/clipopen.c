/* clipopen.c: builds a chain and opens its file.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipchain-private.h"

#include <string.h>

/* clip-bin */

/* Whether a part of a description, between two `!`, is caps. */
static gboolean
is_caps (const gchar *part)
{
  part += strspn (part, " \t\n");

  return part[strcspn (part, " \t\n,;(!=\"")] != '='
      && strcspn (part, "/") < strcspn (part, " \t\n,;(!=\"");
}

/* GStreamer's grammar requires an element on both sides of caps, but users begin and end
 * clip-bin with caps. */
static gchar *
close_description (const gchar *description)
{
  const gchar *last = description;
  gboolean quoted = FALSE;

  for (const gchar *p = description; *p; p++) {
    if (*p == '\\' && p[1])
      p++;
    else if (*p == '"')
      quoted = !quoted;
    else if (*p == '!' && !quoted)
      last = p + 1;
  }

  return g_strconcat (is_caps (description) ? "capsfilter ! " : "", description,
      is_caps (last) ? " ! capsfilter" : "", NULL);
}

GstElement *
clip_chain_parse_bin (const gchar *description, GError **error)
{
  gchar *closed = close_description (description);
  GstElement *bin =
      gst_parse_bin_from_description_full (closed, TRUE, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
  GstPad *sink, *src;

  g_free (closed);
  if (!bin)
    return NULL;
  sink = gst_element_get_static_pad (bin, "sink");
  src = gst_element_get_static_pad (bin, "src");
  if (!sink || !src) {
    g_set_error (error, GST_PARSE_ERROR, GST_PARSE_ERROR_LINK,
        "it has no free %s pad; it needs one for input and one for output",
        sink ? "source" : "sink");
    gst_object_unref (gst_object_ref_sink (bin));
    bin = NULL;
  }
  gst_clear_object (&sink);
  gst_clear_object (&src);

  return bin;
}

/* Opening */

static void
link_rest (ClipChain *self)
{
  GstPad *sink = gst_element_get_static_pad (self->clip_bin, "sink");
  GstPad *src = gst_element_get_static_pad (self->clip_bin, "src");

  gst_pad_link_full (self->gate_src, sink, GST_PAD_LINK_CHECK_NOTHING);
  gst_pad_link_full (src, self->out, GST_PAD_LINK_CHECK_NOTHING);
  gst_object_unref (sink);
  gst_object_unref (src);
}

ClipChain *
clip_chain_new (
    const ClipChainSettings *settings, ClipJob *job, ClipIndex *index, ClipPictures *pictures)
{
  ClipChain *self = g_object_new (CLIP_TYPE_CHAIN, NULL);
  GError *error = NULL;

  gst_object_ref_sink (self);
  clip_chain_make_pads (self);
  self->job = clip_job_ref (job);
  self->owner = g_object_ref (settings->owner);
  self->tasks = g_object_ref (settings->tasks);
  self->src_pad = g_object_ref (settings->src_pad);
  self->video_track = settings->video_track;
  self->factories = clip_factories_ref (settings->factories);
  self->bins = g_async_queue_ref (settings->bins);
  self->pictures = pictures ? clip_pictures_ref (pictures) : NULL;
  self->index = index ? clip_index_ref (index) : NULL;
  gst_pad_set_active (self->out, TRUE);
  gst_pad_set_active (self->feed, TRUE);
  gst_pad_set_active (self->gate_src, TRUE);
  gst_pad_set_active (self->gate_sink, TRUE);
  if (settings->clip_bin && *settings->clip_bin) {
    self->clip_bin = g_async_queue_try_pop (settings->bins);
    if (!self->clip_bin) {
      self->clip_bin = clip_chain_parse_bin (settings->clip_bin, &error);
      if (!self->clip_bin)
        goto no_clip_bin;
      gst_object_ref_sink (self->clip_bin);
    }
    gst_bin_add (GST_BIN (self), self->clip_bin);
    link_rest (self);
  } else {
    gst_pad_link_full (self->gate_src, self->out, GST_PAD_LINK_CHECK_NOTHING);
  }
  if (gst_element_set_state (GST_ELEMENT (self), GST_STATE_PAUSED) == GST_STATE_CHANGE_FAILURE)
    clip_chain_set_error (self, g_strdup ("clip-bin could not be started"), TRUE);

  return self;

  /* ERRORS */
no_clip_bin:
  clip_chain_set_error (self, g_strdup_printf ("clip-bin: %s", error->message), TRUE);
  g_clear_error (&error);
  return self;
}

void
clip_chain_open (ClipChain *self, guint64 size)
{
  GstElement *source = gst_element_factory_make ("filesrc", NULL);
  GstPad *pad;

  if (!source) {
    clip_chain_set_error (self, g_strdup ("GStreamer's filesrc is missing"), TRUE);
    return;
  }
  g_object_set (source, "location", self->job->path, NULL);
  self->size = size;
  pad = gst_element_get_static_pad (source, "src");
  gst_pad_add_probe (
      pad, GST_PAD_PROBE_TYPE_PULL | GST_PAD_PROBE_TYPE_BLOCK, clip_chain_watch_end, self, NULL);
  gst_bin_add (GST_BIN (self), source);
  clip_chain_plug (self, pad);
  gst_object_unref (pad);
  if (!self->error && !gst_bin_sync_children_states (GST_BIN (self)))
    clip_chain_set_error (
        self, g_strdup ("the element that reads its format could not be started"), FALSE);
}
