/* settings.c: elements' properties follow the table of settings.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gst/gst.h>
#include <string.h>

#include "src/settings/settings.h"

static const gchar *const elements[] = { "clipsrc", "clipsample", "clipaugment", "clipdiff",
  "clipcache", "clipkpt", "clipbatch", "cnn3dtrain", "cnn3deval", "cnn3dinfer" };

/* Every writable property is a row, with its range and its default. */
static void
test_all (void)
{
  for (guint e = 0; e < G_N_ELEMENTS (elements); e++) {
    GstElement *element = gst_element_factory_make (elements[e], NULL);
    GObjectClass *klass = G_OBJECT_GET_CLASS (element);
    guint n, rows = 0;
    GParamSpec **specs = g_object_class_list_properties (klass, &n);
    const Cnn3dSetting *settings;

    for (guint i = 0; i < n; i++) {
      const Cnn3dSetting *s = cnn3d_setting (elements[e], specs[i]->name);
      gchar *blurb;

      if (specs[i]->owner_type != G_OBJECT_TYPE (element) || !(specs[i]->flags & G_PARAM_WRITABLE))
        continue;
      g_test_message ("%s %s", elements[e], specs[i]->name);
      g_assert_nonnull (s);
      blurb = cnn3d_setting_blurb (s);
      g_assert_cmpstr (g_param_spec_get_blurb (specs[i]), ==, blurb);
      g_free (blurb);
      rows++;
    }
    g_free (specs);
    settings = cnn3d_settings (&n);
    for (guint i = 0; i < n; i++)
      if (cnn3d_setting_is_of (&settings[i], elements[e]))
        rows--;
    g_assert_cmpuint (rows, ==, 0);
    gst_object_unref (element);
  }
}

/* main() has changed the row before any class was initialized. */
static void
test_one_row (void)
{
  GstElement *element;
  GParamSpecInt *spec;
  GstMessage *message;
  GstBus *bus;
  GError *error;

  element = gst_element_factory_make ("cnn3dtrain", NULL);
  spec = G_PARAM_SPEC_INT (g_object_class_find_property (G_OBJECT_GET_CLASS (element), "threads"));
  g_assert_cmpint (spec->maximum, ==, 5);
  g_assert_nonnull (strstr (g_param_spec_get_blurb (G_PARAM_SPEC (spec)), "threads, 0 to 5"));
  bus = gst_bus_new ();
  gst_element_set_bus (element, bus);
  g_object_set (element, "threads", 6, NULL);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  gst_message_parse_error (message, &error, NULL);
  g_assert_cmpstr (error->message, ==, "threads is 6, but must be from 0 to 5 (threads).");
  g_error_free (error);
  gst_message_unref (message);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_element_set_bus (element, NULL);
  gst_object_unref (bus);
  gst_object_unref (element);
}

int
main (int argc, char **argv)
{
  Cnn3dSetting *row = (Cnn3dSetting *) cnn3d_setting ("cnn3dtrain", "threads");
  int status;

  row->maximum = 5;
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/settings/one-row", test_one_row);
  g_test_add_func ("/settings/all", test_all);
  status = g_test_run ();
  gst_deinit ();

  return status;
}
