/* ranges.c: every property with a range rejects values out of it, with an error or warning of the
 * element.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gst/gst.h>
#include <math.h>
#include <string.h>

static const gchar *const elements[] = { "clipsrc", "clipsample", "clipdiff", "clipaugment",
  "clipkpt", "clipbatch", "cnn3dtrain", "cnn3deval", "cnn3dinfer" };

/* Not nextafter(): plugins that are loaded may make denormals 0. */
static gdouble
a_bit_of (gdouble x)
{
  return fmax (1e-9, fabs (x) * 1e-9);
}

/* Values just out of the range, if the type has any; returns their number. */
static guint
bad_values (GParamSpec *spec, GValue values[3])
{
  guint n = 0;

  memset (values, 0, 3 * sizeof *values);
  if (G_IS_PARAM_SPEC_INT (spec)) {
    const GParamSpecInt *s = G_PARAM_SPEC_INT (spec);

    if (s->minimum > G_MININT)
      g_value_set_int (g_value_init (&values[n++], G_TYPE_INT), s->minimum - 1);
    if (s->maximum < G_MAXINT)
      g_value_set_int (g_value_init (&values[n++], G_TYPE_INT), s->maximum + 1);
  } else if (G_IS_PARAM_SPEC_UINT (spec)) {
    const GParamSpecUInt *s = G_PARAM_SPEC_UINT (spec);

    if (s->minimum > 0)
      g_value_set_uint (g_value_init (&values[n++], G_TYPE_UINT), s->minimum - 1);
    if (s->maximum < G_MAXUINT)
      g_value_set_uint (g_value_init (&values[n++], G_TYPE_UINT), s->maximum + 1);
  } else if (G_IS_PARAM_SPEC_DOUBLE (spec)) {
    const GParamSpecDouble *s = G_PARAM_SPEC_DOUBLE (spec);

    g_value_set_double (
        g_value_init (&values[n++], G_TYPE_DOUBLE), s->minimum - a_bit_of (s->minimum));
    g_value_set_double (
        g_value_init (&values[n++], G_TYPE_DOUBLE), s->maximum + a_bit_of (s->maximum));
    g_value_set_double (g_value_init (&values[n++], G_TYPE_DOUBLE), NAN);
  } else if (GST_IS_PARAM_SPEC_FRACTION (spec)) {
    const GstParamSpecFraction *s = GST_PARAM_SPEC_FRACTION (spec);

    gst_value_set_fraction (
        g_value_init (&values[n++], GST_TYPE_FRACTION), s->min_num * 100 - 1, s->min_den * 100);
    gst_value_set_fraction (
        g_value_init (&values[n++], GST_TYPE_FRACTION), s->max_num * 100 + 1, s->max_den * 100);
  }

  return n;
}

/* The element's next error or warning, as text; NULL: none. */
static gchar *
next_text (GstBus *bus, GstMessageType type)
{
  GstMessage *message = gst_bus_pop_filtered (bus, type);
  GError *error = NULL;
  gchar *text;

  if (!message)
    return NULL;
  if (type == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &error, NULL);
  else
    gst_message_parse_warning (message, &error, NULL);
  g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
  text = g_strdup (error->message);
  g_error_free (error);
  gst_message_unref (message);

  return text;
}

static void
assert_says (const gchar *text, const gchar *name)
{
  gchar *begin = g_strconcat (name, " is ", NULL);

  g_assert_nonnull (text);
  g_assert_true (g_str_has_prefix (text, begin));
  g_assert_nonnull (strstr (text, ", but must be from "));
  g_free (begin);
}

static gboolean
is_own (GstElement *element, GParamSpec *spec)
{
  return spec->owner_type == G_OBJECT_TYPE (element) && (spec->flags & G_PARAM_WRITABLE);
}

/* GObject's own messages would abort the test. */
static void
test_start (gconstpointer name)
{
  GstElement *element = gst_element_factory_make (name, NULL);
  GstBus *bus = gst_bus_new ();
  const gboolean keeps = strcmp (name, "cnn3dtrain") != 0;
  GParamSpec **specs;
  GValue bad[3];
  guint i, k, n, n_bad, tried = 0;
  gchar *text;

  gst_object_ref_sink (element);
  gst_element_set_bus (element, bus);
  specs = g_object_class_list_properties (G_OBJECT_GET_CLASS (element), &n);
  for (i = 0; i < n; i++) {
    GObject *object = G_OBJECT (element);
    GValue before = G_VALUE_INIT, after = G_VALUE_INIT;

    if (!is_own (element, specs[i]))
      continue;
    g_value_init (&before, specs[i]->value_type);
    g_object_get_property (object, specs[i]->name, &before);
    n_bad = bad_values (specs[i], bad);
    for (k = 0; k < n_bad; k++) {
      g_object_set_property (object, specs[i]->name, &bad[k]);
      g_value_init (&after, specs[i]->value_type);
      g_object_get_property (object, specs[i]->name, &after);
      if (keeps)
        g_assert_cmpint (g_param_values_cmp (specs[i], &before, &after), ==, 0);
      g_value_unset (&after);
      g_value_unset (&bad[k]);
      g_assert_cmpint (
          gst_element_set_state (element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
      text = next_text (bus, GST_MESSAGE_ERROR);
      assert_says (text, specs[i]->name);
      g_free (text);
      g_assert_cmpint (
          gst_element_set_state (element, GST_STATE_NULL), ==, GST_STATE_CHANGE_SUCCESS);
      tried++;
    }
    g_object_set_property (object, specs[i]->name, &before);
    g_value_unset (&before);
  }
  g_free (specs);
  g_assert_cmpuint (tried, >, 0);

  /* a valid value clears the error: if the element still fails, then for another reason */
  gst_bus_set_flushing (bus, TRUE);
  gst_bus_set_flushing (bus, FALSE);
  gst_element_set_state (element, GST_STATE_PAUSED);
  text = next_text (bus, GST_MESSAGE_ERROR);
  g_assert_true (!text || !strstr (text, "but must be from"));
  g_free (text);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_element_set_bus (element, NULL);
  gst_object_unref (element);
  gst_object_unref (bus);
}

static void
test_running (gconstpointer name)
{
  GstElement *element = gst_element_factory_make (name, NULL);
  GstBus *bus = gst_bus_new ();
  GParamSpec **specs;
  GValue bad[3];
  guint i, k, n, n_bad, tried = 0;
  gchar *text;

  gst_object_ref_sink (element);
  gst_element_set_bus (element, bus);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_SUCCESS);
  specs = g_object_class_list_properties (G_OBJECT_GET_CLASS (element), &n);
  for (i = 0; i < n; i++) {
    GObject *object = G_OBJECT (element);
    GValue before = G_VALUE_INIT, after = G_VALUE_INIT;

    if (!is_own (element, specs[i]))
      continue;
    g_value_init (&before, specs[i]->value_type);
    g_value_init (&after, specs[i]->value_type);
    g_object_get_property (object, specs[i]->name, &before);
    n_bad = bad_values (specs[i], bad);
    for (k = 0; k < n_bad; k++) {
      g_object_set_property (object, specs[i]->name, &bad[k]);
      g_value_unset (&bad[k]);
      g_object_get_property (object, specs[i]->name, &after);
      g_assert_cmpint (g_param_values_cmp (specs[i], &before, &after), ==, 0);
      text = next_text (bus, GST_MESSAGE_WARNING);
      assert_says (text, specs[i]->name);
      g_assert_nonnull (strstr (text, "keeps its value"));
      g_free (text);
      tried++;
    }
    g_value_unset (&before);
    g_value_unset (&after);
  }
  g_free (specs);
  g_assert_cmpuint (tried, >, 0);

  /* the next start succeeds */
  gst_element_set_state (element, GST_STATE_READY);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_SUCCESS);
  g_assert_null (next_text (bus, GST_MESSAGE_ERROR));
  gst_element_set_state (element, GST_STATE_NULL);
  gst_element_set_bus (element, NULL);
  gst_object_unref (element);
  gst_object_unref (bus);
}

int
main (int argc, char **argv)
{
  guint i;
  gchar *path;
  gint status;

  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);

  for (i = 0; i < G_N_ELEMENTS (elements); i++) {
    path = g_strconcat ("/ranges/start/", elements[i], NULL);
    g_test_add_data_func (path, elements[i], test_start);
    g_free (path);
    /* the others need a data set or a model to reach PAUSED */
    if (strcmp (elements[i], "clipsrc") && g_str_has_prefix (elements[i], "clip")) {
      path = g_strconcat ("/ranges/running/", elements[i], NULL);
      g_test_add_data_func (path, elements[i], test_running);
      g_free (path);
    }
  }

  status = g_test_run ();
  gst_deinit ();

  return status;
}
