/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cliplinks.h"

#include <string.h>

/* Limit on the elements to visit: links can form a cycle */
#define MAX_STEPS 64

/* The pad at the other end of a link, across the boundaries of bins; NULL: none. */
static GstPad *
linked_pad (GstPad *pad)
{
  GstPad *peer = gst_pad_get_peer (pad);

  while (peer && GST_IS_PROXY_PAD (peer)) {
    GstPad *next = NULL;

    if (GST_IS_GHOST_PAD (peer)) {
      next = gst_ghost_pad_get_target (GST_GHOST_PAD (peer));
    } else {
      GstProxyPad *ghost = gst_proxy_pad_get_internal (GST_PROXY_PAD (peer));

      if (ghost) {
        next = gst_pad_get_peer (GST_PAD (ghost));
        gst_object_unref (ghost);
      }
    }
    gst_object_unref (peer);
    peer = next;
  }

  return peer;
}

/* The opposite pad of an element with one sink and one source pad; NULL: another kind of
 * element. */
static GstPad *
other_end (GstElement *element, GstPadDirection entered)
{
  GstPad *pad = NULL;

  GST_OBJECT_LOCK (element);
  if (element->numsinkpads == 1 && element->numsrcpads == 1)
    pad = gst_object_ref ((entered == GST_PAD_SINK ? element->srcpads : element->sinkpads)->data);
  GST_OBJECT_UNLOCK (element);

  return pad;
}

ClipLinksEnd
clip_links_walk (GstPad *pad, ClipLinksFunc func, gpointer data)
{
  ClipLinksEnd end = CLIP_LINKS_LOST;

  gst_object_ref (pad);
  for (guint i = 0; pad && i < MAX_STEPS && end == CLIP_LINKS_LOST; i++) {
    GstPad *entered = linked_pad (pad);
    GstElement *element = entered ? gst_pad_get_parent_element (entered) : NULL;

    gst_object_unref (pad);
    pad = NULL;
    if (!element)
      end = CLIP_LINKS_ENDED;
    else if (func (element, data))
      end = CLIP_LINKS_STOPPED;
    else
      pad = other_end (element, GST_PAD_DIRECTION (entered));
    gst_clear_object (&element);
    gst_clear_object (&entered);
  }
  gst_clear_object (&pad);

  return end;
}

const gchar *
clip_links_kind (GstElement *element)
{
  GstElementFactory *factory = gst_element_get_factory (element);

  return factory ? GST_OBJECT_NAME (factory) : "";
}

gboolean
clip_links_propose (GstPad *srcpad, GstQuery *query)
{
  if (!gst_pad_peer_query (srcpad, query))
    return FALSE;
  while (gst_query_get_n_allocation_pools (query) > 0)
    gst_query_remove_nth_allocation_pool (query, 0);

  return TRUE;
}

gboolean
clip_links_lead_to_sampler (GstElement *element, gpointer sampler)
{
  static const gchar *const passed[] = { "aspectratiocrop", "capsfilter", "clipcache", "clipkpt",
    "cudaconvert", "cudaconvertscale", "cudadownload", "cudascale", "cudaupload", "gamma", "queue",
    "videobalance", "videoconvert", "videoconvertscale", "videocrop", "videoflip", "videoscale",
    NULL };
  const gchar *name = clip_links_kind (element);

  if (g_str_equal (name, "clipsample"))
    *(gboolean *) sampler = TRUE;

  return !g_strv_contains (passed, name);
}

gboolean
clip_links_fork (GstElement *element, gpointer forks)
{
  if (g_str_equal (clip_links_kind (element), "clipsample"))
    return TRUE;
  GST_OBJECT_LOCK (element);
  *(gboolean *) forks = element->numsrcpads > 1;
  GST_OBJECT_UNLOCK (element);

  return *(gboolean *) forks;
}

static gboolean
is_deinterlacer (GstElement *element)
{
  const gchar *kind = gst_element_get_metadata (element, GST_ELEMENT_METADATA_KLASS);

  return kind && strstr (kind, "Deinterlace");
}

/* *steps: how many more elements to visit */
static gboolean
lead_to_deinterlacer (GstPad *pad, guint *steps)
{
  GstPad *entered = linked_pad (pad);
  GstElement *element = entered ? gst_pad_get_parent_element (entered) : NULL;
  gboolean found = element && is_deinterlacer (element);
  GList *pads = NULL;

  if (element && !found && *steps > 0) {
    --*steps;
    GST_OBJECT_LOCK (element);
    pads = g_list_copy (element->srcpads);
    for (GList *l = pads; l; l = l->next)
      gst_object_ref (l->data);
    GST_OBJECT_UNLOCK (element);
  }
  for (GList *l = pads; l && !found; l = l->next)
    found = lead_to_deinterlacer (l->data, steps);
  g_list_free_full (pads, gst_object_unref);
  gst_clear_object (&element);
  gst_clear_object (&entered);

  return found;
}

gboolean
clip_links_lead_to_deinterlacer (GstPad *pad)
{
  guint steps = MAX_STEPS;

  return lead_to_deinterlacer (pad, &steps);
}
