/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipfactories.h"

struct _ClipFactories {
  gint refcount;
  GMutex lock;
  GList *all[CLIP_N_FACTORIES];
  /* media type -> GList of factories that accept some of it */
  GHashTable *named[CLIP_N_FACTORIES];
  GstCaps *decodable;
};

/* By rank, but libvpx's VP9 decoder last: from a superframe with two visible frames it outputs
 * only one. */
static gint
compare_factories (gconstpointer a, gconstpointer b)
{
  const gboolean last_a = g_str_equal (GST_OBJECT_NAME (a), "vp9dec");
  const gboolean last_b = g_str_equal (GST_OBJECT_NAME (b), "vp9dec");

  return last_a != last_b ? last_a - last_b : gst_plugin_feature_rank_compare_func (a, b);
}

static gboolean
is_input (const GstStaticPadTemplate *template)
{
  return template->direction == GST_PAD_SINK && template->presence == GST_PAD_ALWAYS;
}

static GstCaps *
list_decodable (GList *decoders)
{
  GstCaps *caps = gst_caps_new_empty_simple ("video/x-raw");

  for (GList *l = decoders; l; l = l->next) {
    const GList *t = gst_element_factory_get_static_pad_templates (l->data);

    for (; t; t = t->next)
      if (is_input (t->data))
        gst_caps_append (caps, gst_static_pad_template_get_caps (t->data));
  }

  return caps;
}

ClipFactories *
clip_factories_new (void)
{
  static const GstElementFactoryListType types[] = { GST_ELEMENT_FACTORY_TYPE_DEMUXER
        | GST_ELEMENT_FACTORY_TYPE_PARSER,
    GST_ELEMENT_FACTORY_TYPE_DECODER };
  ClipFactories *self = g_new0 (ClipFactories, 1);

  self->refcount = 1;
  g_mutex_init (&self->lock);
  for (guint i = 0; i < CLIP_N_FACTORIES; i++) {
    self->all[i] = g_list_sort (
        gst_element_factory_list_get_elements (types[i], GST_RANK_MARGINAL), compare_factories);
    self->named[i] = g_hash_table_new_full (
        g_str_hash, g_str_equal, g_free, (GDestroyNotify) gst_plugin_feature_list_free);
  }
  self->decodable = list_decodable (self->all[CLIP_FACTORIES_DECODERS]);

  return self;
}

ClipFactories *
clip_factories_ref (ClipFactories *self)
{
  g_atomic_int_inc (&self->refcount);

  return self;
}

void
clip_factories_unref (ClipFactories *self)
{
  if (!g_atomic_int_dec_and_test (&self->refcount))
    return;
  for (guint i = 0; i < CLIP_N_FACTORIES; i++) {
    g_hash_table_unref (self->named[i]);
    gst_plugin_feature_list_free (self->all[i]);
  }
  gst_caps_unref (self->decodable);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* Called with the lock. */
static GList *
find_named (ClipFactories *self, ClipFactoryKind kind, const gchar *name)
{
  GList *named = g_hash_table_lookup (self->named[kind], name);
  GstCaps *caps;

  if (named || g_hash_table_contains (self->named[kind], name))
    return named;
  caps = gst_caps_new_empty_simple (name);
  named = gst_element_factory_list_filter (self->all[kind], caps, GST_PAD_SINK, FALSE);
  gst_caps_unref (caps);
  g_hash_table_insert (self->named[kind], g_strdup (name), named);

  return named;
}

GList *
clip_factories_find (ClipFactories *self, ClipFactoryKind kind, GstCaps *caps)
{
  const gchar *name = gst_structure_get_name (gst_caps_get_structure (caps, 0));
  GList *fitting;

  g_mutex_lock (&self->lock);
  fitting = gst_element_factory_list_filter (
      find_named (self, kind, name), caps, GST_PAD_SINK, gst_caps_is_fixed (caps));
  g_mutex_unlock (&self->lock);

  return fitting;
}

/* Demuxers of libavformat set a depth that they do not know to 0. */
static gboolean
is_known (GQuark field, GValue *value, gpointer data)
{
  return !G_VALUE_HOLDS_INT (value) || g_value_get_int (value) != 0;
}

gboolean
clip_factories_need_more (ClipFactories *self, ClipFactoryKind kind, GstCaps *caps)
{
  GstCaps *known = gst_caps_copy (caps);
  GstStructure *s = gst_caps_get_structure (known, 0);
  GList *fitting;

  gst_structure_filter_and_map_in_place (s, is_known, NULL);
  g_mutex_lock (&self->lock);
  fitting = gst_element_factory_list_filter (
      find_named (self, kind, gst_structure_get_name (s)), known, GST_PAD_SINK, FALSE);
  g_mutex_unlock (&self->lock);
  gst_plugin_feature_list_free (fitting);
  gst_caps_unref (known);

  return fitting != NULL;
}

GstCaps *
clip_factories_decodable (const ClipFactories *self, GstCaps *filter)
{
  GstCaps *caps;

  if (!filter)
    return gst_caps_new_any ();
  caps = gst_caps_intersect_full (self->decodable, filter, GST_CAPS_INTERSECT_FIRST);
  if (gst_caps_is_empty (caps)) {
    gst_caps_unref (caps);
    caps = gst_caps_ref (filter);
  }

  return caps;
}
