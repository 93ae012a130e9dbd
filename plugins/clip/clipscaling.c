/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipscaling.h"
#include "cliplinks.h"

#include <string.h>

static const gchar *
method_of (GstElement *element)
{
  static const gchar *const names[] = { "method", "scale-method" };
  const gchar *nick = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (names) && !nick; i++) {
    GParamSpec *spec = g_object_class_find_property (G_OBJECT_GET_CLASS (element), names[i]);
    GEnumValue *value;
    gint number;

    if (!spec || !G_IS_PARAM_SPEC_ENUM (spec) || !(spec->flags & G_PARAM_READABLE))
      continue;
    g_object_get (element, names[i], &number, NULL);
    value = g_enum_get_value (G_PARAM_SPEC_ENUM (spec)->enum_class, number);
    if (value)
      nick = g_intern_string (value->value_nick);
  }

  return nick;
}

/* A scaler adds borders only if the caps after it determine the pixel aspect ratio. Otherwise it
 * changes the latter, and the picture is stretched. */
static gboolean
pixels_are_given (GstElement *element)
{
  GstPad *pad = gst_element_get_static_pad (element, "src");
  GstCaps *caps = pad ? gst_pad_peer_query_caps (pad, NULL) : NULL;
  gboolean given = caps && gst_caps_get_size (caps) > 0 && !gst_caps_is_any (caps);

  for (guint i = 0; given && i < gst_caps_get_size (caps); i++) {
    const GValue *ratio =
        gst_structure_get_value (gst_caps_get_structure (caps, i), "pixel-aspect-ratio");

    given = ratio && gst_value_is_fixed (ratio);
  }
  gst_clear_caps (&caps);
  gst_clear_object (&pad);

  return given;
}

static gboolean
scales (GstElement *element, gpointer data)
{
  ClipScaling *scaling = data;
  GObjectClass *klass = G_OBJECT_GET_CLASS (element);
  GParamSpec *borders = g_object_class_find_property (klass, "add-borders");
  GParamSpec *clip_bin = g_object_class_find_property (klass, "clip-bin");
  const gchar *kind =
      gst_element_class_get_metadata (GST_ELEMENT_CLASS (klass), GST_ELEMENT_METADATA_KLASS);
  gchar *description = NULL;
  gboolean inside;

  *scaling = (ClipScaling) { NULL, FALSE };
  if (clip_bin && G_IS_PARAM_SPEC_STRING (clip_bin)) {
    g_object_get (element, "clip-bin", &description, NULL);
    inside = description && *description;
    g_free (description);
    return inside;
  }
  if (borders && G_IS_PARAM_SPEC_BOOLEAN (borders))
    g_object_get (element, "add-borders", &scaling->add_borders, NULL);
  else if (!kind || !strstr (kind, "Scaler"))
    return FALSE;
  scaling->method = method_of (element);
  scaling->add_borders = scaling->add_borders && pixels_are_given (element);

  return TRUE;
}

gboolean
clip_scaling_find (GstPad *pad, ClipScaling *scaling)
{
  return clip_links_walk (pad, scales, scaling) == CLIP_LINKS_STOPPED;
}
