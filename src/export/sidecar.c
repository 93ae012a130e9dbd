/* sidecar.c: the files that GStreamer's own elements read beside an ONNX network. The format is
 * that of gst_analytics_modelinfo_load() in GStreamer 1.28.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/export/export.h"

#include "src/escape.h"

/* What classifiertensordecoder looks for; it takes the softmax of what has this
 * name. */
#define CLASSIFICATION "classification-generic-out"

static void
append_number (GString *text, gdouble value)
{
  gchar number[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append (text, g_ascii_formatd (number, sizeof number, "%.9g", value));
}

static void
append_input (GString *text, const gchar *name, const gint64 *dims, guint n_dims)
{
  g_string_append_printf (text, "\n[%s]\nid=%s\ntype=float32\ndims=-1", name, name);
  for (guint i = 0; i < n_dims; i++)
    g_string_append_printf (text, ",%" G_GINT64_FORMAT, dims[i]);
  g_string_append (text, "\ndir=input\n");
}

gchar *
cnn3d_export_modelinfo (const Cnn3dModelInfo *info, const gint64 *frames, guint n_frames,
    const gint64 *points, guint n_points)
{
  GString *text = g_string_new ("[modelinfo]\nversion=1.0\ngroup-id=" CLASSIFICATION "\n");

  if (cnn3d_network_sees_frames (&info->network)) {
    append_input (text, "input", frames, n_frames);
    /* what 0 and 255 become, a channel each */
    g_string_append (text, "ranges=");
    for (guint c = 0; c < info->network.channels; c++) {
      g_string_append (text, c ? ";" : "");
      append_number (text, (0.0 - info->mean[c]) / info->std[c]);
      g_string_append_c (text, ',');
      append_number (text, (1.0 - info->mean[c]) / info->std[c]);
    }
    g_string_append_c (text, '\n');
  }
  if (cnn3d_network_sees_points (&info->network))
    append_input (text, "keypoints", points, n_points);
  g_string_append_printf (text,
      "\n[logits]\nid=" CLASSIFICATION "\ntype=float32\ndims=-1,%u\ndir=output\n",
      info->network.num_classes);
  return g_string_free (text, FALSE);
}

gchar *
cnn3d_export_labels (const Cnn3dModelInfo *info)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < info->network.num_classes; i++) {
    g_autofree gchar *name = cnn3d_escape (info->classes[i], FALSE);

    /* its reader stops at an empty line */
    if (*name)
      g_string_append (text, name);
    else
      g_string_append_printf (text, "%u", i);
    g_string_append_c (text, '\n');
  }
  return g_string_free (text, FALSE);
}
