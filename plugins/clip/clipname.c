/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipname.h"

#include <string.h>

/* Names of caps that stand for all unknown codecs of AVI, ASF and Matroska, in fields; qtdemux
 * has the code in the name. */
static const gchar *const unknown[] = { "video/x-avi-unknown", "video/x-asf-unknown",
  "video/x-unknown", NULL };
#define QUICKTIME_PREFIX "video/x-gst-fourcc-"

gchar *
clip_name_code (const GstCaps *caps)
{
  const GstStructure *s = gst_caps_get_structure (caps, 0);
  const gchar *name = gst_structure_get_name (s);
  const GValue *fourcc = gst_structure_get_value (s, "fourcc");

  if (g_str_has_prefix (name, QUICKTIME_PREFIX))
    return g_strdup (name + strlen (QUICKTIME_PREFIX));
  if (!g_strv_contains (unknown, name))
    return NULL;
  if (fourcc && G_VALUE_HOLDS_INT (fourcc)) {
    const guint32 code = g_value_get_int (fourcc);

    return code == 0 ? g_strdup ("BI_RGB")
                     : g_strdup_printf ("%" GST_FOURCC_FORMAT, GST_FOURCC_ARGS (code));
  }
  if (fourcc && G_VALUE_HOLDS_STRING (fourcc))
    return g_value_dup_string (fourcc);
  if (gst_structure_has_field_typed (s, "codec-id", G_TYPE_STRING))
    return g_strdup (gst_structure_get_string (s, "codec-id"));

  return g_strdup ("unnamed");
}

GstCaps *
clip_name_codec (GstCaps *caps)
{
  static const struct {
    const gchar *code, *name;
  } names[] = {
    { "AVdh", "video/x-dnxhd" },
    { "mjp2", "image/x-j2c" },
    { "MJ2C", "image/x-j2c" },
    { "LJ2C", "image/x-j2c" },
    { "LJ2K", "image/x-j2c" },
    { "IPJ2", "image/x-j2c" },
    { "AVj2", "image/x-j2c" },
    { "AV01", "video/x-av1" },
    { "VP90", "video/x-vp9" },
  };
  gchar *code = clip_name_code (caps);
  GstStructure *s;

  for (guint i = 0; code && i < G_N_ELEMENTS (names); i++) {
    if (strcmp (code, names[i].code))
      continue;
    caps = gst_caps_make_writable (caps);
    s = gst_caps_get_structure (caps, 0);
    gst_structure_set_name (s, names[i].name);
    gst_structure_remove_fields (s, "fourcc", "codec-id", NULL);
    if (gst_structure_has_name (s, "video/x-av1"))
      gst_structure_set (
          s, "stream-format", G_TYPE_STRING, "obu-stream", "alignment", G_TYPE_STRING, "tu", NULL);
  }
  g_free (code);

  return caps;
}
