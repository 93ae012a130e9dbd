/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipaborted.h"

#define NAME "clip-aborted"

GstEvent *
clip_aborted_event_new (const GstClipMeta *clip)
{
  return gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM,
      gst_structure_new (
          NAME, "clip", G_TYPE_UINT64, clip->clip, "view", G_TYPE_UINT, clip->view, NULL));
}

gboolean
clip_aborted_event_is_for (GstEvent *event, const GstClipMeta *clip)
{
  const GstStructure *s = GST_EVENT_TYPE (event) == GST_EVENT_CUSTOM_DOWNSTREAM
      ? gst_event_get_structure (event)
      : NULL;
  guint64 number;
  guint view;

  return s && gst_structure_has_name (s, NAME)
      && gst_structure_get (s, "clip", G_TYPE_UINT64, &number, "view", G_TYPE_UINT, &view, NULL)
      && number == clip->clip && view == clip->view;
}
