/* trainshare.c: whether other elements use the stream of a run, too.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trainrun-private.h"

/* The pad of an element, or of a ghost pad, that `pad` gets its data from. NULL: none. */
static GstPad *
find_source (GstPad *pad)
{
  GstPad *source = gst_pad_get_peer (pad);

  while (source && GST_IS_GHOST_PAD (source)) {
    GstPad *target = gst_ghost_pad_get_target (GST_GHOST_PAD (source));

    gst_object_unref (source);
    source = target;
  }

  return source;
}

/* Whether other source pads of the element are linked. sink: its first sink pad, or NULL. */
static gboolean
has_branches (GstElement *element, GstPad **sink)
{
  guint linked = 0;
  GList *l;

  GST_OBJECT_LOCK (element);
  for (l = element->srcpads; l; l = l->next)
    linked += GST_PAD_IS_LINKED (l->data);
  *sink = element->sinkpads ? gst_object_ref (element->sinkpads->data) : NULL;
  GST_OBJECT_UNLOCK (element);

  return linked > 1;
}

gboolean
train_run_shares_stream (TrainRun *self)
{
  GstPad *pad = gst_object_ref (GST_BASE_SINK_PAD (self->element));
  gboolean shared = FALSE;

  while (pad && !shared) {
    GstPad *source = find_source (pad), *next = NULL;
    GstElement *element;

    if (source && GST_IS_PROXY_PAD (source)) {
      /* inside a bin: on from its sink pad */
      next = GST_PAD (gst_proxy_pad_get_internal (GST_PROXY_PAD (source)));
    } else if (source && (element = gst_pad_get_parent_element (source))) {
      shared = has_branches (element, &next);
      gst_object_unref (element);
    }
    gst_clear_object (&source);
    gst_object_unref (pad);
    pad = next;
  }
  gst_clear_object (&pad);

  return shared;
}
