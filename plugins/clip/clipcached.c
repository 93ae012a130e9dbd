/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipcached.h"

#define NAME "clip-cached"

/* (transfer none) NULL: the query has no such field. */
static gpointer
boxed_field (GstQuery *query, const gchar *field)
{
  const GValue *value = gst_structure_get_value (gst_query_get_structure (query), field);

  return value ? g_value_get_boxed (value) : NULL;
}

void
clip_cached_set_plan (GstQuery *window, const guint64 *plan, guint n)
{
  GstStructure *s = gst_query_writable_structure (window);
  GBytes *bytes;

  gst_structure_remove_field (s, "plan");
  if (!plan)
    return;
  bytes = g_bytes_new (plan, n * sizeof *plan);
  gst_structure_set (s, "plan", G_TYPE_BYTES, bytes, NULL);
  g_bytes_unref (bytes);
}

GBytes *
clip_cached_get_plan (GstQuery *window)
{
  return boxed_field (window, "plan");
}

void
clip_cached_set_outside (GstQuery *window)
{
  gst_structure_set (gst_query_writable_structure (window), "outside", G_TYPE_BOOLEAN, TRUE, NULL);
}

gboolean
clip_cached_is_outside (GstQuery *window)
{
  return gst_structure_has_field (gst_query_get_structure (window), "outside");
}

GstQuery *
clip_cached_query_new (GBytes *source)
{
  return gst_query_new_custom (
      GST_QUERY_CUSTOM, gst_structure_new (NAME, "source", G_TYPE_BYTES, source, NULL));
}

GBytes *
clip_cached_query_parse (GstQuery *query)
{
  const GstStructure *s =
      GST_QUERY_TYPE (query) == GST_QUERY_CUSTOM ? gst_query_get_structure (query) : NULL;

  return s && gst_structure_has_name (s, NAME)
      ? g_value_get_boxed (gst_structure_get_value (s, "source"))
      : NULL;
}

void
clip_cached_query_answer (GstQuery *query)
{
  gst_structure_set (gst_query_writable_structure (query), "cached", G_TYPE_BOOLEAN, TRUE, NULL);
}

gboolean
clip_cached_query_answered (GstQuery *query)
{
  return gst_structure_has_field (gst_query_get_structure (query), "cached");
}

void
clip_cached_query_narrow (GstQuery *query, GstQuery *window)
{
  gst_structure_set (gst_query_writable_structure (query), "window", GST_TYPE_QUERY, window, NULL);
}

GstQuery *
clip_cached_query_narrowed (GstQuery *query)
{
  return boxed_field (query, "window");
}

GstEvent *
clip_cached_event_new (const GstClipMeta *clip)
{
  GstBuffer *buffer = gst_buffer_new ();
  GstEvent *event;

  gst_buffer_add_clip_meta (buffer, clip);
  event = gst_event_new_custom (
      GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new (NAME, "clip", GST_TYPE_BUFFER, buffer, NULL));
  gst_buffer_unref (buffer);

  return event;
}

GstBuffer *
clip_cached_event_parse (GstEvent *event)
{
  const GstStructure *s = GST_EVENT_TYPE (event) == GST_EVENT_CUSTOM_DOWNSTREAM
      ? gst_event_get_structure (event)
      : NULL;

  return s && gst_structure_has_name (s, NAME)
      ? gst_value_get_buffer (gst_structure_get_value (s, "clip"))
      : NULL;
}
