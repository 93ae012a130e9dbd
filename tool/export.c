/* export.c: `cnn3d export`: exports a model file to ONNX or plain weights.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool/tool.h"
#include "src/escape.h"
#include "src/export/export.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
  gchar *format, *input, *output;
  gchar **models;
} Options;

/* Such as runs/a/best.onnx for runs/a/best.safetensors. */
static gchar *
beside (const gchar *path, const gchar *suffix)
{
  gsize length = strlen (path);

  if (g_str_has_suffix (path, ".safetensors"))
    length -= strlen (".safetensors");
  return g_strdup_printf ("%.*s%s", (int) length, path, suffix);
}

static gboolean
is_same_file (const gchar *a, const gchar *b)
{
  struct stat of_a, of_b;

  return stat (a, &of_a) == 0 && stat (b, &of_b) == 0 && of_a.st_dev == of_b.st_dev
      && of_a.st_ino == of_b.st_ino;
}

static void
list_written (const gchar *path, const gchar *what)
{
  g_autofree gchar *shown = cnn3d_escape (path, FALSE);

  printf ("%s: %s\n", shown, what);
}

/* What the network takes, with each input's shape. */
static gchar *
describe_inputs (const Cnn3dNetworkParams *p, gboolean picture)
{
  GString *text = g_string_new (NULL);
  g_autofree gchar *views = cnn3d_network_views (p) > 1
      ? g_strdup_printf (" x %u", cnn3d_network_views (p))
      : g_strdup ("");

  if (cnn3d_network_sees_frames (p) && picture)
    g_string_append_printf (text,
        "input, batch%s x %u x %u x %u (a clip's %u frames one below the other)", views,
        p->channels, p->frames * p->height, p->width, p->frames);
  else if (cnn3d_network_sees_frames (p))
    g_string_append_printf (text, "input, batch%s x %u x %u x %u x %u", views, p->channels,
        p->frames, p->height, p->width);
  if (cnn3d_network_sees_points (p))
    g_string_append_printf (text, "%skeypoints, batch%s x %u x %u x %u x 3",
        text->len ? " and " : "", views, p->frames, p->persons, p->points);
  return g_string_free (text, FALSE);
}

static gboolean
export_onnx (const Options *o, const Cnn3dModelFile *file, GError **error)
{
  const Cnn3dNetworkParams *p = &cnn3d_model_file_info (file)->network;
  const gboolean picture = !g_strcmp0 (o->input, "picture");
  g_autofree gchar *inputs = NULL, *what = NULL, *modelinfo = NULL, *labels = NULL;

  if (picture && !cnn3d_network_sees_frames (p))
    goto no_frames;
  if (!cnn3d_export_onnx (
          file, picture ? CNN3D_EXPORT_PICTURE : CNN3D_EXPORT_CLIP, o->output, error))
    return FALSE;
  inputs = describe_inputs (p, picture);
  what = g_strdup_printf ("%s, of %s to %u classes", p->model, inputs, p->num_classes);
  modelinfo = g_strconcat (o->output, ".modelinfo", NULL);
  labels = g_strconcat (o->output, ".labels.txt", NULL);
  list_written (o->output, what);
  list_written (modelinfo, "description for GStreamer's inference elements");
  list_written (labels, "class names");
  return TRUE;

  /* ERRORS */
no_frames:
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
      "--input=picture: this network reads key points alone, and no frames; leave --input out");
  return FALSE;
}

static gboolean
export_weights (const Options *o, const Cnn3dModelFile *file, GError **error)
{
  const gchar *model = cnn3d_model_file_info (file)->network.model;
  g_autofree gchar *what = g_strdup_printf ("%s's weights", model);

  if (!cnn3d_export_weights (file, o->output, error))
    return FALSE;
  list_written (o->output, what);
  return TRUE;
}

static gboolean
run (Options *o, const gchar *model, GError **error)
{
  const gboolean onnx = !o->format || !strcmp (o->format, "onnx");
  g_autoptr (Cnn3dModelFile) file = NULL;

  if (!onnx && strcmp (o->format, "safetensors"))
    goto no_format;
  if (o->input && strcmp (o->input, "clip") && strcmp (o->input, "picture"))
    goto no_input;
  if (o->input && !onnx)
    goto input_of_weights;
  if (!o->output)
    o->output = beside (model, onnx ? ".onnx" : ".plain.safetensors");
  file = cnn3d_model_file_open (model, error);
  if (!file)
    return FALSE;
  if (is_same_file (model, o->output))
    goto same_file;
  return onnx ? export_onnx (o, file, error) : export_weights (o, file, error);

  /* ERRORS */
no_format:
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
      "there is no format '%s': use onnx or safetensors", o->format);
  return FALSE;
no_input:
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
      "there is no input '%s': use clip or picture", o->input);
  return FALSE;
input_of_weights:
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
      "--input needs --format onnx: weights have no input");
  return FALSE;
same_file:
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
      "%s is the model itself: give --output another name", o->output);
  return FALSE;
}

int
tool_export (int argc, char **argv)
{
  Options o = { NULL };
  const GOptionEntry entries[] = { { "format", 0, 0, G_OPTION_ARG_STRING, &o.format,
                                       "onnx, safetensors (default onnx)", "FORMAT" },
    { "input", 0, 0, G_OPTION_ARG_STRING, &o.input,
        "How ONNX takes a clip: clip (C, T, H, W), picture (C, T * H, W: frames one below the "
        "other) (default clip)",
        "INPUT" },
    { "output", 0, 0, G_OPTION_ARG_FILENAME, &o.output,
        "The file to write (default MODEL.onnx, MODEL.plain.safetensors)", "FILE" },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &o.models, NULL, NULL }, { NULL } };
  g_autoptr (GOptionContext) context =
      g_option_context_new ("MODEL - write a model file as others take it");
  g_autoptr (GError) error = NULL;
  gint status = TOOL_FINE;

  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_set_summary (context,
      "MODEL is a file that cnn3dtrain wrote. ONNX comes with FILE.modelinfo,\n"
      "for GStreamer's inference elements, and FILE.labels.txt.");
  g_set_prgname ("cnn3d export");
  if (!g_option_context_parse (context, &argc, &argv, &error))
    status = TOOL_USAGE;
  else if (!o.models || o.models[1])
    g_set_error (
        &error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "give one file: cnn3d export MODEL");
  else
    run (&o, o.models[0], &error);
  if (error) {
    tool_complain ("%s", error->message);
    status = error->domain == G_OPTION_ERROR ? TOOL_USAGE : TOOL_FAILED;
  }
  g_free (o.format);
  g_free (o.input);
  g_free (o.output);
  g_strfreev (o.models);
  return status;
}
