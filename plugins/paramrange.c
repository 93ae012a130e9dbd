/* paramrange.c: properties whose ranges their elements check themselves.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "paramrange.h"

/* Of an element: a table of GParamSpec to text, what was refused and why; under
 * the object's lock */
static GQuark
refused_quark (void)
{
  return g_quark_from_static_string ("cnn3d-param-range-refused");
}

/* "Changed nothing" is GObject's "valid". */
static gboolean
accept_any (GParamSpec * spec, GValue * value)
{
  return FALSE;
}

static void
class_init (gpointer klass, gpointer data)
{
  G_PARAM_SPEC_CLASS (klass)->value_validate = accept_any;
}

/* Both plugins have this file, and one type: class initializers run one at a
 * time, so the first that asks registers it. */
static GType
range_type (GType parent)
{
  gchar *name = g_strconcat ("Cnn3dRange", g_type_name (parent), NULL);
  GType type = g_type_from_name (name);
  GTypeQuery query;

  if (!type) {
    GTypeInfo info = {.class_init = class_init };

    g_type_query (parent, &query);
    info.class_size = query.class_size;
    info.instance_size = query.instance_size;
    type = g_type_register_static (parent, name, &info, 0);
  }
  g_free (name);

  return type;
}

GParamSpec *
param_range_int (const gchar * name, const gchar * nick, const gchar * blurb,
    gint min, gint max, gint preset, GParamFlags flags)
{
  GParamSpecInt *spec = g_param_spec_internal (range_type (G_TYPE_PARAM_INT),
      name, nick, blurb, flags);

  spec->minimum = min;
  spec->maximum = max;
  spec->default_value = preset;

  return G_PARAM_SPEC (spec);
}

GParamSpec *
param_range_uint (const gchar * name, const gchar * nick, const gchar * blurb,
    guint min, guint max, guint preset, GParamFlags flags)
{
  GParamSpecUInt *spec = g_param_spec_internal (range_type (G_TYPE_PARAM_UINT),
      name, nick, blurb, flags);

  spec->minimum = min;
  spec->maximum = max;
  spec->default_value = preset;

  return G_PARAM_SPEC (spec);
}

GParamSpec *
param_range_double (const gchar * name, const gchar * nick, const gchar * blurb,
    gdouble min, gdouble max, gdouble preset, GParamFlags flags)
{
  GParamSpecDouble *spec = g_param_spec_internal (range_type
      (G_TYPE_PARAM_DOUBLE), name, nick, blurb, flags);

  spec->minimum = min;
  spec->maximum = max;
  spec->default_value = preset;

  return G_PARAM_SPEC (spec);
}

GParamSpec *
param_range_fraction (const gchar * name, const gchar * nick,
    const gchar * blurb, gint min_n, gint min_d, gint max_n, gint max_d,
    gint preset_n, gint preset_d, GParamFlags flags)
{
  GstParamSpecFraction *spec = g_param_spec_internal (range_type
      (GST_TYPE_PARAM_FRACTION), name, nick, blurb, flags);

  spec->min_num = min_n;
  spec->min_den = min_d;
  spec->max_num = max_n;
  spec->max_den = max_d;
  spec->def_num = preset_n;
  spec->def_den = preset_d;

  return G_PARAM_SPEC (spec);
}

/* Of a fraction; NULL: it is within the range. */
static gchar *
refusal_of_fraction (const GValue * value, GParamSpec * spec)
{
  const GstParamSpecFraction *range = GST_PARAM_SPEC_FRACTION (spec);
  const gint n = gst_value_get_fraction_numerator (value);
  const gint d = gst_value_get_fraction_denominator (value);

  if (gst_util_fraction_compare (n, d, range->min_num, range->min_den) >= 0
      && gst_util_fraction_compare (n, d, range->max_num, range->max_den) <= 0)
    return NULL;

  return g_strdup_printf ("%s is %d/%d, but must be from %d/%d to %d/%d",
      spec->name, n, d, range->min_num, range->min_den, range->max_num,
      range->max_den);
}

/* What is wrong with the value; NULL: nothing. */
static gchar *
refusal (const GValue * value, GParamSpec * spec)
{
  gdouble x, min, max;

  if (G_IS_PARAM_SPEC_INT (spec)) {
    x = g_value_get_int (value);
    min = G_PARAM_SPEC_INT (spec)->minimum;
    max = G_PARAM_SPEC_INT (spec)->maximum;
  } else if (G_IS_PARAM_SPEC_UINT (spec)) {
    x = g_value_get_uint (value);
    min = G_PARAM_SPEC_UINT (spec)->minimum;
    max = G_PARAM_SPEC_UINT (spec)->maximum;
  } else if (G_IS_PARAM_SPEC_DOUBLE (spec)) {
    x = g_value_get_double (value);
    min = G_PARAM_SPEC_DOUBLE (spec)->minimum;
    max = G_PARAM_SPEC_DOUBLE (spec)->maximum;
  } else if (GST_IS_PARAM_SPEC_FRACTION (spec)) {
    return refusal_of_fraction (value, spec);
  } else {
    return NULL;
  }
  /* not-a-number is in no range */
  if (x >= min && x <= max)
    return NULL;

  return g_strdup_printf ("%s is %.10g, but must be from %.10g to %.10g",
      spec->name, x, min, max);
}

gboolean
param_range_accept (GstElement * element, const GValue * value,
    GParamSpec * spec)
{
  gchar *reason = refusal (value, spec);
  gboolean accepted = reason == NULL;
  gboolean running;
  GHashTable *refused;

  GST_OBJECT_LOCK (element);
  running = GST_STATE (element) > GST_STATE_READY;
  refused = g_object_get_qdata (G_OBJECT (element), refused_quark ());
  if (accepted) {
    if (refused)
      g_hash_table_remove (refused, spec);
  } else if (!running) {
    if (!refused) {
      refused = g_hash_table_new_full (NULL, NULL, NULL, g_free);
      g_object_set_qdata_full (G_OBJECT (element), refused_quark (), refused,
          (GDestroyNotify) g_hash_table_unref);
    }
    g_hash_table_insert (refused, spec, g_steal_pointer (&reason));
  }
  GST_OBJECT_UNLOCK (element);

  if (reason)
    GST_ELEMENT_WARNING (element, RESOURCE, SETTINGS,
        ("%s: it keeps its value.", reason), (NULL));
  g_free (reason);

  return accepted;
}

gboolean
param_range_check (GstElement * element)
{
  GHashTable *refused;
  GHashTableIter iter;
  gpointer reason = NULL;

  GST_OBJECT_LOCK (element);
  refused = g_object_get_qdata (G_OBJECT (element), refused_quark ());
  if (refused) {
    g_hash_table_iter_init (&iter, refused);
    if (g_hash_table_iter_next (&iter, NULL, &reason))
      reason = g_strdup (reason);
  }
  GST_OBJECT_UNLOCK (element);
  if (!reason)
    return TRUE;

  /* ERRORS */
  GST_ELEMENT_ERROR (element, RESOURCE, SETTINGS, ("%s.", (gchar *) reason),
      (NULL));
  g_free (reason);

  return FALSE;
}
