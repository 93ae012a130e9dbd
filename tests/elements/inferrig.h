/* inferrig.h: model files made for the tests, and a harness around a cnn3dinfer.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TESTS_INFERRIG_H
#define TESTS_INFERRIG_H

#include <math.h>
#include <string.h>
#include <glib/gstdio.h>
#include <gst/check/gstharness.h>
#include <gst/video/video.h>

#include "src/evaluate/predictor.h"
#include "tests/limits.h"

#define WAIT (test_limit (60) * GST_USECOND)
#define FRAME (40 * GST_MSECOND)
#define WIDTH 48
#define HEIGHT 40
#define CAPS "video/x-raw,format=RGB,width=48,height=40,framerate=25/1"

static gchar *folder;

/* A model with its initial weights except for the last layer. */
typedef struct {
  const gchar *classes[8]; /* NULL-terminated */
  guint channels, frames, size;
  Cnn3dPreparation preparation;
  /* scale of the last layer's weights; 0: constant logits */
  gfloat gain;
  gfloat bias[8];
  Cnn3dInputType input; /* of key points: 17 of 2 persons; of them alone, posec3d_slowonly */
  Cnn3dFusion fusion;
} Spec;

#define PERSONS 2
#define POINTS 17
/* Values of a frame, (M, K, 3) */
#define FRAME_POINTS (PERSONS * POINTS * 3)

/* Three classes that windows are classified into. */
static const Spec plain = { { "red", "green", "blue" }, 3, 4, 32,
  { "center", 1, "bilinear", FALSE }, 100, { 0 } };

/* Always green: softmax (0, 3, 0) */
static const Spec green = { { "red", "green", "blue" }, 3, 4, 32,
  { "center", 1, "bilinear", FALSE }, 0, { 0, 3, 0 } };

static inline gchar *
path_of (const gchar *name)
{
  return g_build_filename (folder, name, NULL);
}

static inline gchar *
write_model (const gchar *name, const Spec *spec)
{
  gchar *path = path_of (name);
  Cnn3dModelInfo info = { { "r3d_18", g_strv_length ((gchar **) spec->classes), 4, spec->channels,
      spec->frames, spec->size, spec->size, 0 } };
  GError *error = NULL;
  Cnn3dSafetensorsWriter *writer;
  Cnn3dNetwork *network;

  if (spec->input != CNN3D_INPUT_RGB) {
    if (spec->input == CNN3D_INPUT_KPT)
      info.network.model = "posec3d_slowonly";
    info.network.input = spec->input;
    info.network.fusion = spec->fusion;
    info.network.points = POINTS;
    info.network.persons = PERSONS;
    info.network.heatmap_size = 16;
    info.network.heatmap_sigma = 0.6f;
  }
  network = cnn3d_network_new (&info.network, &error);
  g_assert_no_error (error);
  writer = cnn3d_safetensors_writer_new (path, &error);
  g_assert_no_error (error);
  memcpy (info.mean, network->mean, sizeof info.mean);
  memcpy (info.std, network->std, sizeof info.std);
  info.classes = (gchar **) spec->classes;
  info.preparation = spec->preparation;
  cnn3d_model_file_describe (writer, &info);
  for (guint data = 0; data < 2; data++) {
    for (guint i = 0; i < network->n_weights; i++) {
      const Cnn3dParam *p = &network->weights[i];
      guint64 shape[5];
      gfloat *values;

      for (guint d = 0; d < p->n_dims; d++)
        shape[d] = p->shape[d];
      if (!data) {
        cnn3d_safetensors_writer_add (writer, p->name, CNN3D_SAFETENSOR_F32, p->n_dims, shape);
        continue;
      }
      values = g_new (gfloat, p->count);
      cnn3d_network_initial (network, i, 5, values);
      for (gint64 k = 0; k < p->count; k++) {
        if (p->role == CNN3D_PARAM_LINEAR_WEIGHT)
          values[k] *= spec->gain;
        else if (p->role == CNN3D_PARAM_LINEAR_BIAS)
          values[k] = spec->bias[k];
      }
      cnn3d_safetensors_writer_data (writer, values, p->count * sizeof *values, &error);
      g_free (values);
    }
  }
  cnn3d_safetensors_writer_finish (writer, &error);
  g_assert_no_error (error);
  cnn3d_safetensors_writer_free (writer);
  cnn3d_network_free (&network);

  return path;
}

/* Probabilities of n clips by the predictor directly, (n, num_classes). points: (n, T, M, K, 3), or
 * NULL. g_free() */
static inline gdouble *
predict_points (const gchar *model, const guint8 *clips, const gfloat *points, guint n)
{
  Cnn3dPredictorParams params;
  Cnn3dPredictor *predictor;
  GError *error = NULL;
  gdouble *probabilities;
  gfloat *logits;
  gsize clip, clip_points;
  guint k;

  cnn3d_predictor_params_init (&params);
  params.model = model;
  params.device = "cpu";
  params.threads = 1;
  predictor = cnn3d_predictor_new (&params, &error);
  g_assert_no_error (error);
  {
    const Cnn3dNetworkParams *net = &cnn3d_predictor_info (predictor)->network;

    clip = (gsize) net->frames * net->height * net->width * net->channels;
    clip_points = (gsize) net->frames * FRAME_POINTS;
    k = net->num_classes;
  }
  logits = g_new (gfloat, k);
  probabilities = g_new (gdouble, (gsize) n * k);
  for (guint i = 0; i < n; i++) {
    g_assert_true (cnn3d_predictor_run (predictor, clips + i * clip, CNN3D_TYPE_UINT8,
        points ? points + i * clip_points : NULL, 1, logits, &error));
    cnn3d_softmax (logits, k, probabilities + i * k);
  }
  g_free (logits);
  cnn3d_predictor_free (&predictor);

  return probabilities;
}

static inline gdouble *
predict (const gchar *model, const guint8 *clips, guint n)
{
  return predict_points (model, clips, NULL, n);
}

/* --- messages --- */

/* The next message of this type (and structure name, unless NULL) within that time, or NULL; drops
 * the ones before it. */
static inline GstMessage *
pop (GstBus *bus, GstMessageType type, const gchar *name, GstClockTime wait)
{
  GstMessage *message;

  while ((message = gst_bus_timed_pop_filtered (bus, wait, type))) {
    if (!name || gst_message_has_name (message, name))
      return message;
    gst_message_unref (message);
  }

  return NULL;
}

static inline void
assert_says (GstMessage *message, const gchar *part)
{
  GError *error = NULL;
  gchar *debug = NULL;

  g_assert_nonnull (message);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &error, &debug);
  else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING)
    gst_message_parse_warning (message, &error, &debug);
  else
    gst_message_parse_info (message, &error, &debug);
  if (!strstr (error->message, part))
    g_error ("no \"%s\" in \"%s\"", part, error->message);
  g_error_free (error);
  g_free (debug);
  gst_message_unref (message);
}

static inline guint64
number (const GstStructure *s, const gchar *field)
{
  guint64 value;

  g_assert_true (gst_structure_get_uint64 (s, field, &value));

  return value;
}

/* The probabilities of a result; g_free() */
static inline gdouble *
probabilities_of (const GstStructure *s, guint *n)
{
  const GValue *array = gst_structure_get_value (s, "probabilities");
  gdouble *p;

  g_assert_true (array && GST_VALUE_HOLDS_ARRAY (array));
  *n = gst_value_array_get_size (array);
  p = g_new (gdouble, *n);
  for (guint i = 0; i < *n; i++)
    p[i] = g_value_get_double (gst_value_array_get_value (array, i));

  return p;
}

/* wanted: of three classes */
static inline void
assert_probabilities (const GstStructure *s, const gdouble *wanted)
{
  guint n;
  gdouble *got = probabilities_of (s, &n);

  g_assert_cmpmem (got, n * sizeof *got, wanted, 3 * sizeof *wanted);
  g_free (got);
}

/* --- a harness around one element --- */

typedef struct {
  GstElement *element;
  GstHarness *h;
  GstBus *bus;
  guint in, out; /* frames */
} Rig;

static inline Rig
rig_new (const gchar *model, const gchar *properties)
{
  gchar *line = g_strdup_printf ("cnn3dinfer device=cpu threads=1 model=%s %s", model, properties);
  GError *error = NULL;
  Rig r = { gst_parse_launch (line, &error), NULL, gst_bus_new (), 0, 0 };

  g_assert_no_error (error);
  gst_object_ref_sink (r.element);
  gst_element_set_bus (r.element, r.bus);
  r.h = gst_harness_new_with_element (r.element, "sink", "src");
  gst_harness_set_src_caps_str (r.h, CAPS);
  g_free (line);

  return r;
}

static inline void
rig_free (Rig *r)
{
  gst_element_set_state (r->element, GST_STATE_NULL);
  gst_element_set_bus (r->element, NULL);
  gst_harness_teardown (r->h);
  gst_object_unref (r->element);
  gst_object_unref (r->bus);
}

static inline void
draw_frame (guint n, guint8 *data, gsize size)
{
  for (gsize i = 0; i < size; i++) {
    guint32 hash = n * 2654435761u + (guint32) (i / 96) * 40503u;

    hash ^= hash >> 15;
    data[i] = hash * 2246822519u >> 24;
  }
}

/* Frame n of CAPS; its time is n frames. */
static inline GstBuffer *
make_frame (guint n)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, WIDTH * HEIGHT * 3, NULL);
  GstMapInfo map;

  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  draw_frame (n, map.data, map.size);
  gst_buffer_unmap (buffer, &map);
  GST_BUFFER_PTS (buffer) = n * FRAME;
  GST_BUFFER_DURATION (buffer) = FRAME;

  return buffer;
}

/* Pushes the next n frames, all of which must come out unchanged. Returns the last one's result, or
 * NULL. */
static inline GstStructure *
push (Rig *r, guint n)
{
  GstStructure *result = NULL;

  for (guint i = 0; i < n; i++) {
    GstBuffer *frame = make_frame (r->in), *out;
    GstMapInfo map;
    GstCustomMeta *meta;

    gst_buffer_map (frame, &map, GST_MAP_READ);
    g_assert_cmpint (gst_harness_push (r->h, gst_buffer_ref (frame)), ==, GST_FLOW_OK);
    out = gst_harness_try_pull (r->h);
    g_assert_nonnull (out);
    g_assert_cmpuint (GST_BUFFER_PTS (out), ==, r->in * FRAME);
    g_assert_cmpuint (GST_BUFFER_DURATION (out), ==, FRAME);
    g_assert_cmpuint (gst_buffer_get_size (out), ==, map.size);
    g_assert_cmpint (gst_buffer_memcmp (out, 0, map.data, map.size), ==, 0);
    /* the pixels were not even copied */
    g_assert_true (gst_buffer_peek_memory (out, 0) == gst_buffer_peek_memory (frame, 0));
    meta = gst_buffer_get_custom_meta (out, "Cnn3dResult");
    g_clear_pointer (&result, gst_structure_free);
    if (meta)
      result = gst_structure_copy (gst_custom_meta_get_structure (meta));
    gst_buffer_unmap (frame, &map);
    gst_buffer_unref (frame);
    gst_buffer_unref (out);
    r->in++;
    r->out++;
  }

  return result;
}

static inline void
push_on (Rig *r, guint n)
{
  GstStructure *result = push (r, n);

  g_clear_pointer (&result, gst_structure_free);
}

/* The next result's message, which must exist. */
static inline GstStructure *
next_result (Rig *r)
{
  GstMessage *message = pop (r->bus, GST_MESSAGE_ELEMENT, "cnn3dinfer-result", 0);
  GstStructure *s;

  g_assert_nonnull (message);
  s = gst_structure_copy (gst_message_get_structure (message));
  gst_message_unref (message);

  return s;
}

static inline void
no_result (Rig *r)
{
  g_assert_null (pop (r->bus, GST_MESSAGE_ELEMENT, "cnn3dinfer-result", 0));
}

/* --- a test --- */

static inline void
remove_folder (void)
{
  GDir *dir = g_dir_open (folder, 0, NULL);
  const gchar *name;

  while ((name = g_dir_read_name (dir))) {
    gchar *path = path_of (name);

    g_unlink (path);
    g_free (path);
  }
  g_dir_close (dir);
  g_rmdir (folder);
  g_free (folder);
}

/* To be used as main(): a folder for models while the tests run. */
static inline int
run_in_folder (void)
{
  int ret;

  folder = g_dir_make_tmp ("cnn3dinfer-XXXXXX", NULL);
  g_assert_nonnull (folder);
  ret = g_test_run ();
  remove_folder ();
  gst_deinit ();

  return ret;
}

#endif
