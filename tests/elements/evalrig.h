/* evalrig.h: a harness around one cnn3deval, and model files for it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TESTS_EVALRIG_H
#define TESTS_EVALRIG_H

#include "trainrig.h"

#include "src/model/modelfile.h"

#define MANY 25

static const gchar *const names[] = { "red", "green", "blue", NULL };
static const gchar *const many[MANY + 1] = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k",
  "l", "m", "n", "o", "p", "q", "r", "s", "t", "u", "v", "w", "x", "y", NULL };

static gchar *folder; /* contains model.safetensors */
static gchar *model;  /* its path */

/* --- models --- */

typedef enum {
  WHOLE,
  NO_DESCRIPTION,
  NO_WEIGHT,      /* a tensor is missing */
  OTHER_WEIGHT,   /* a tensor has another shape */
  NO_NAMES,       /* of classes */
  KNOWN,          /* preparation of its clips */
  KNOWN_RATE,     /* the same, at 15 frames a second */
  KNOWN_UNSCALED, /* without a scaler */
  MANY_CLASSES,   /* MANY of them */
} Kind;

/* Writes a small r3d_18 with random weights; its path, g_free(). */
static inline gchar *
make_model (const gchar *name, Kind kind)
{
  gchar *path = g_build_filename (folder, name, NULL);
  Cnn3dModelInfo info = { .network = { "r3d_18", kind == MANY_CLASSES ? MANY : CLASSES, 4, C,
                              FRAMES, SIZE, SIZE, 0 },
    .mean = { .5, .5, .5 },
    .std = { .2, .2, .2 },
    .classes = kind == NO_NAMES ? NULL : (gchar **) names };
  GError *error = NULL;
  Cnn3dNetwork *net = cnn3d_network_new (&info.network, &error);
  Cnn3dSafetensorsWriter *writer;
  const guint last = net->n_weights - 1;
  guint i;

  g_assert_no_error (error);
  if (kind == KNOWN || kind == KNOWN_RATE || kind == KNOWN_UNSCALED)
    info.preparation = (Cnn3dPreparation) { "center", 2, "bilinear", FALSE };
  if (kind == MANY_CLASSES)
    info.classes = (gchar **) many;
  if (kind == KNOWN_UNSCALED)
    info.preparation.scaling = "none";
  if (kind == KNOWN_RATE) {
    info.preparation.frame_rate_n = 15;
    info.preparation.frame_rate_d = 1;
  }
  writer = cnn3d_safetensors_writer_new (path, &error);
  g_assert_no_error (error);
  for (i = 0; i < net->n_weights; i++) {
    const Cnn3dParam *p = &net->weights[i];
    guint64 shape[5];
    guint k;

    for (k = 0; k < p->n_dims; k++)
      shape[k] = p->shape[k] + (kind == OTHER_WEIGHT && i == last && k == 0);
    if (kind != NO_WEIGHT || i != last)
      cnn3d_safetensors_writer_add (writer, p->name, CNN3D_SAFETENSOR_F32, p->n_dims, shape);
  }
  if (kind != NO_DESCRIPTION)
    cnn3d_model_file_describe (writer, &info);
  for (i = 0; i < net->n_weights; i++) {
    gfloat *values = g_new0 (gfloat, net->weights[i].count + 1);
    const gsize more = kind == OTHER_WEIGHT && i == last;

    cnn3d_network_initial (net, i, 5, values);
    if (kind != NO_WEIGHT || i != last)
      g_assert_true (cnn3d_safetensors_writer_data (
          writer, values, (net->weights[i].count + more) * sizeof (gfloat), &error));
    g_free (values);
  }
  g_assert_true (cnn3d_safetensors_writer_finish (writer, &error));
  g_assert_no_error (error);
  cnn3d_safetensors_writer_free (writer);
  cnn3d_network_free (&net);

  return path;
}

static inline Rig
eval_of (const gchar *path, const gchar *properties)
{
  return rig_for (
      g_strdup_printf ("cnn3deval progress=false threads=1 model=%s %s", path, properties));
}

static inline Rig
eval_new (const gchar *properties)
{
  return eval_of (model, properties);
}

/* --- results --- */

/* Text of an existing file in `dir`; g_free(). */
static inline gchar *
contents (const gchar *dir, const gchar *name)
{
  gchar *path = g_build_filename (dir, name, NULL);
  GError *error = NULL;
  gchar *text = NULL;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  g_free (path);

  return text;
}

static inline gboolean
exists (const gchar *dir, const gchar *name)
{
  gchar *path = g_build_filename (dir, name, NULL);
  gboolean ret = g_file_test (path, G_FILE_TEST_EXISTS);

  g_free (path);

  return ret;
}

/* The first message of this type (and structure name, unless NULL), or NULL; other messages
 * stay. */
static inline GstMessage *
find (Rig *r, GstMessageType type, const gchar *name)
{
  GstMessage *message, *found = NULL;
  GQueue others = G_QUEUE_INIT;

  while ((message = gst_bus_pop (r->bus)))
    if (!found && GST_MESSAGE_TYPE (message) == type
        && (!name || gst_message_has_name (message, name)))
      found = message;
    else
      g_queue_push_tail (&others, message);
  while ((message = g_queue_pop_head (&others)))
    gst_bus_post (r->bus, message);

  return found;
}

/* The next result; TRUE if it is of a complete pass. */
static inline gboolean
result (Rig *r, gdouble *accuracy, guint64 *clips, guint64 *videos)
{
  GstMessage *message = find (r, GST_MESSAGE_ELEMENT, "cnn3deval-result");
  const GstStructure *s;
  gboolean complete = FALSE;

  g_assert_nonnull (message);
  s = gst_message_get_structure (message);
  g_assert_true (
      gst_structure_get (s, "complete", G_TYPE_BOOLEAN, &complete, "accuracy", G_TYPE_DOUBLE,
          accuracy, "clips", G_TYPE_UINT64, clips, "videos", G_TYPE_UINT64, videos, NULL));
  gst_message_unref (message);

  return complete;
}

static inline gchar *
warning (Rig *r)
{
  GstMessage *message = find (r, GST_MESSAGE_WARNING, NULL);
  GError *error = NULL;
  gchar *text;

  if (!message)
    return NULL;
  gst_message_parse_warning (message, &error, NULL);
  text = g_strdup (error->message);
  g_error_free (error);
  gst_message_unref (message);

  return text;
}

static inline void
assert_warning (Rig *r, const gchar *part)
{
  gchar *text = warning (r);

  g_assert_nonnull (text);
  if (!strstr (text, part))
    g_error ("no \"%s\" in \"%s\"", part, text);
  g_free (text);
}

static inline void
finish (Rig *r)
{
  GstMessage *message;

  gst_harness_push_event (r->h, gst_event_new_eos ());
  message = find (r, GST_MESSAGE_ERROR, NULL);
  g_assert_null (message);
}

/* --- streams --- */

static inline void
push_names (Rig *r, const gchar *const *classes)
{
  gst_harness_push_event (r->h, gst_event_new_clip_classes (classes));
}

/* A batch with a meta for each clip: all are views of `clip`, or separate clips. */
static inline GstBuffer *
with_metas (GstBuffer *buffer, guint n, guint64 clip, gboolean views)
{
  guint i;

  for (i = 0; i < n; i++) {
    GstClipMeta meta = {
      .clip = views ? clip : clip + i, .sample = 100 + clip + (views ? 0 : i), .num_frames = FRAMES
    };

    meta.path = g_ref_string_new (i == 1 ? "second.mp4" : "a \"b\", c.mp4");
    gst_buffer_add_clip_meta (buffer, &meta);
    g_ref_string_release (meta.path);
  }

  return buffer;
}

static inline void
set_label (GstBuffer *buffer, guint n, gint32 label)
{
  GstMapInfo map;

  g_assert_true (gst_memory_map (gst_buffer_peek_memory (buffer, 1), &map, GST_MAP_WRITE));
  ((gint32 *) map.data)[n] = label;
  gst_memory_unmap (gst_buffer_peek_memory (buffer, 1), &map);
}

/* To be called by main(): runs the tests with a folder and a model. */
static inline int
run_with_model (void)
{
  int ret;

  folder = make_dir ();
  model = make_model ("model.safetensors", WHOLE);
  ret = g_test_run ();
  gst_deinit ();
  g_free (model);
  remove_dir (folder);

  return ret;
}

#endif
