/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/model/modelfile.h"

#include <math.h>
#include <string.h>

#include "src/hash.h"
#include "src/json.h"
#include "src/model/safetensors-private.h"
#include "src/settings/settings.h"
#include "src/temporary.h"

G_DEFINE_QUARK (cnn3d-model-file-error, cnn3d_model_file_error)

struct _Cnn3dModelFile {
  gchar *path;
  Cnn3dSafetensors *tensors;
  gchar *model;
  Cnn3dModelInfo info; /* strings are owned by the metadata, or static */
};

/* --- reading --- */

static gboolean
wrong (const Cnn3dModelFile *f, const gchar *key, const gchar *what, GError **error)
{
  const gchar *text = cnn3d_safetensors_metadata (f->tensors, key);
  g_autofree gchar *shown = text ? safetensors_show (text) : NULL;

  if (text)
    g_set_error (error, CNN3D_MODEL_FILE_ERROR, CNN3D_MODEL_FILE_ERROR_DESCRIPTION,
        "%s: its '%s' is '%s', which is not %s: use a file that cnn3dtrain wrote", f->path, key,
        shown, what);
  else
    g_set_error (error, CNN3D_MODEL_FILE_ERROR, CNN3D_MODEL_FILE_ERROR_DESCRIPTION,
        "%s does not describe its model (its metadata has no '%s'): use a file that cnn3dtrain "
        "wrote; other weights can be trained with pretrained=",
        f->path, key);
  return FALSE;
}

static gboolean
get_number (const Cnn3dModelFile *f, const gchar *key, guint64 min, guint64 max, guint64 *value,
    GError **error)
{
  const gchar *text = cnn3d_safetensors_metadata (f->tensors, key);
  g_autofree gchar *range = NULL;

  if (text && g_ascii_string_to_unsigned (text, 10, min, max, value, NULL))
    return TRUE;
  range = g_strdup_printf ("a number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT, min, max);
  return wrong (f, key, range, error);
}

/* The largest valid value of a setting. */
static guint
most (const gchar *element, const gchar *name)
{
  return (guint) cnn3d_setting (element, name)->maximum;
}

static gboolean
get_uint (
    const Cnn3dModelFile *f, const gchar *key, guint min, guint max, guint *value, GError **error)
{
  guint64 wide = 0;

  if (!get_number (f, key, min, max, &wide, error))
    return FALSE;
  *value = wide;
  return TRUE;
}

/* Parses a JSON array of at most `most` values; NULL: it is not one. */
static JsonArray *
get_array (const Cnn3dModelFile *f, const gchar *key, guint most, JsonParser *parser)
{
  const gchar *text = cnn3d_safetensors_metadata (f->tensors, key);
  JsonNode *root;

  if (!text || !cnn3d_json_load (parser, text, strlen (text), 1, most, NULL))
    return NULL;
  root = json_parser_get_root (parser);
  return root && JSON_NODE_HOLDS_ARRAY (root) ? json_node_get_array (root) : NULL;
}

static gboolean
get_floats (const Cnn3dModelFile *f, const gchar *key, guint n, gboolean positive, gfloat *values,
    GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonArray *array = get_array (f, key, n, parser);
  gboolean ok = array && json_array_get_length (array) == n;

  for (guint i = 0; ok && i < n; i++) {
    JsonNode *node = json_array_get_element (array, i);

    ok = JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) != G_TYPE_STRING;
    values[i] = ok ? json_node_get_double (node) : 0;
    ok = ok && isfinite (values[i]) && (!positive || values[i] > 0);
  }
  return ok
      || wrong (
          f, key, positive ? "one positive number per channel" : "one number per channel", error);
}

gboolean
cnn3d_class_names_repeat (const gchar *const *names, guint *first, guint *second)
{
  g_autoptr (GHashTable) numbers = g_hash_table_new (cnn3d_hash_text, g_str_equal);
  gpointer found;

  for (guint i = 0; names[i]; i++) {
    /* an output without clips */
    if (!*names[i])
      continue;
    if (g_hash_table_lookup_extended (numbers, names[i], NULL, &found)) {
      *first = GPOINTER_TO_UINT (found);
      *second = i;
      return TRUE;
    }
    g_hash_table_insert (numbers, (gpointer) names[i], GUINT_TO_POINTER (i));
  }
  return FALSE;
}

static gboolean
classes_differ (const Cnn3dModelFile *f, GError **error)
{
  g_autofree gchar *shown = NULL;
  guint first, second;

  if (!cnn3d_class_names_repeat ((const gchar *const *) f->info.classes, &first, &second))
    return TRUE;
  shown = safetensors_show (f->info.classes[first]);
  g_set_error (error, CNN3D_MODEL_FILE_ERROR, CNN3D_MODEL_FILE_ERROR_DESCRIPTION,
      "%s: '%s' is the name of class %u and of class %u: give each class a unique name", f->path,
      shown, first, second);
  return FALSE;
}

static gboolean
get_classes (Cnn3dModelFile *f, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  const guint n = f->info.network.num_classes;
  JsonArray *array = get_array (f, "classes", n, parser);
  const guint names = array ? json_array_get_length (array) : 0;
  gboolean ok = array && (names == 0 || names == n);

  f->info.classes = g_new0 (gchar *, n + 1);
  for (guint i = 0; ok && i < n; i++) {
    JsonNode *node = names ? json_array_get_element (array, i) : NULL;

    ok =
        !node || (JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING);
    if (ok)
      f->info.classes[i] = node ? json_node_dup_string (node) : g_strdup_printf ("%u", i);
  }
  return ok ? classes_differ (f, error)
            : wrong (f, "classes", "a list of num-classes names", error);
}

/* One of the names; NULL: another name, or missing. */
static const gchar *
get_choice (const Cnn3dModelFile *f, const gchar *key, const gchar *const *names, gint *index)
{
  const gchar *text = cnn3d_safetensors_metadata (f->tensors, key);

  for (guint i = 0; text && names[i]; i++)
    if (!strcmp (text, names[i])) {
      if (index)
        *index = i;
      return names[i];
    }
  return NULL;
}

/* FALSE: not a valid rate. If the file has none, *n is 0. */
static gboolean
get_rate (const Cnn3dModelFile *f, gint *n, gint *d)
{
  const gchar *text = cnn3d_safetensors_metadata (f->tensors, "frame-rate");
  gint64 numerator, denominator;
  gchar *end;

  *n = 0;
  *d = 1;
  if (!text)
    return TRUE;
  numerator = g_ascii_strtoll (text, &end, 10);
  if (end == text || *end != '/')
    return FALSE;
  text = end + 1;
  denominator = g_ascii_strtoll (text, &end, 10);
  if (end == text || *end || numerator < 1 || denominator < 1 || numerator > G_MAXINT
      || denominator > G_MAXINT
      || numerator > denominator * cnn3d_setting ("clipsample", "frame-rate")->maximum)
    return FALSE;
  *n = numerator;
  *d = denominator;
  return TRUE;
}

/* What older versions or other programs do not write is unknown, which is not an error. */
static void
get_preparation (Cnn3dModelFile *f)
{
  static const gchar *const samplings[] = { "center", "uniform", NULL },
                            *const booleans[] = { "0", "1", NULL };
  Cnn3dPreparation *p = &f->info.preparation;
  const gchar *gain = cnn3d_safetensors_metadata (f->tensors, "diff-gain");
  gint borders = 0, compact = 0;

  p->sampling = get_choice (f, "sampling", samplings, NULL);
  if (p->sampling
      && (!get_uint (f, "frame-interval", 0, most ("clipsample", "frame-interval"),
              &p->frame_interval, NULL)
          || !get_rate (f, &p->frame_rate_n, &p->frame_rate_d)))
    p->sampling = NULL;
  p->scaling = cnn3d_safetensors_metadata (f->tensors, "scaling");
  get_choice (f, "add-borders", booleans, &borders);
  p->add_borders = borders;
  p->diff_gain = gain ? g_ascii_strtod (gain, NULL) : 0;
  if (!(p->diff_gain >= 0 && p->diff_gain <= cnn3d_setting ("clipdiff", "gain")->maximum))
    p->diff_gain = 0;
  p->skeleton = cnn3d_safetensors_metadata (f->tensors, "skeleton");
  get_choice (f, "compact", booleans, &compact);
  p->compact = compact;
}

/* What the network sees; files of networks that see frames alone do not say. */
static gboolean
get_input (const Cnn3dModelFile *f, Cnn3dNetworkParams *n, GError **error)
{
  const gchar *input = cnn3d_safetensors_metadata (f->tensors, "input-type");
  const gchar *fusion = cnn3d_safetensors_metadata (f->tensors, "fusion");
  const gchar *sigma = cnn3d_safetensors_metadata (f->tensors, "heatmap-sigma");
  const GEnumValue *choice = cnn3d_choice (&cnn3d_input_types, input ? input : "rgb");
  gchar *end;

  if (!choice)
    return wrong (f, "input-type", "rgb, kpt or rgb+kpt", error);
  n->input = choice->value;
  if (!cnn3d_network_sees_points (n))
    return TRUE;
  choice = cnn3d_choice (&cnn3d_fusions, fusion ? fusion : "concat");
  if (!choice)
    return wrong (f, "fusion", "concat, mean, late or stem", error);
  n->fusion = choice->value;
  n->heatmap_sigma = sigma ? (gfloat) g_ascii_strtod (sigma, &end) : 0;
  if (!(n->heatmap_sigma > 0 && n->heatmap_sigma <= G_MAXFLOAT) || *end)
    return wrong (f, "heatmap-sigma", "a number above 0", error);
  return get_uint (f, "keypoints", 1, CNN3D_SKELETON_MOST, &n->points, error)
      && get_uint (f, "persons", 1, most ("clipkpt", "persons"), &n->persons, error)
      && get_uint (
          f, "heatmap-size", 1, most ("cnn3dtrain", "heatmap-size"), &n->heatmap_size, error);
}

G_STATIC_ASSERT (CNN3D_MOST_VIEWS == 32); /* which an error says */

/* The names of views, and how they come together; files of networks without views do not say. */
static gboolean
get_views (Cnn3dModelFile *f, GError **error)
{
  const gchar *text = cnn3d_safetensors_metadata (f->tensors, "views");
  const gchar *fusion = cnn3d_safetensors_metadata (f->tensors, "view-fusion");
  const GEnumValue *choice = cnn3d_choice (&cnn3d_view_fusions, fusion ? fusion : "logits");
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonArray *array = text ? get_array (f, "views", CNN3D_MOST_VIEWS, parser) : NULL;
  const guint n = array ? json_array_get_length (array) : 0;
  gboolean ok = n >= 2;
  guint first, second;

  if (!text)
    return TRUE;
  f->info.views = g_new0 (gchar *, n + 1);
  for (guint i = 0; ok && i < n; i++) {
    JsonNode *node = json_array_get_element (array, i);

    ok = JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING
        && *json_node_get_string (node);
    if (ok)
      f->info.views[i] = json_node_dup_string (node);
  }
  if (!ok || cnn3d_class_names_repeat ((const gchar *const *) f->info.views, &first, &second))
    return wrong (f, "views", "a list of 2 to 32 different names", error);
  if (!choice)
    return wrong (f, "view-fusion", "logits, probabilities, features or concat", error);
  f->info.network.views = n;
  f->info.network.view_fusion = choice->value;
  return TRUE;
}

static gboolean
read_description (Cnn3dModelFile *f, GError **error)
{
  Cnn3dNetworkParams *n = &f->info.network;
  const gchar *model = cnn3d_safetensors_metadata (f->tensors, "model");
  const gchar *const *models = cnn3d_network_models ();
  const gchar *precision = cnn3d_safetensors_metadata (f->tensors, "precision");
  const GEnumValue *choice = precision ? cnn3d_choice (&cnn3d_precisions, precision) : NULL;
  const guint size = most (NULL, "data.img_size");
  guint64 number = 0;

  if (!model || !g_strv_contains (models, model)) {
    g_autofree gchar *list = g_strjoinv (", ", (gchar **) models),
                     *what = g_strconcat ("one of ", list, NULL);

    return wrong (f, "model", what, error);
  }
  n->model = model;
  if (!get_input (f, n, error) || !get_views (f, error))
    return FALSE;
  if (!get_uint (f, "num-classes", 2, most ("cnn3dtrain", "num-classes"), &n->num_classes, error)
      || !get_uint (f, "base-width", 1, most ("cnn3dtrain", "base-width"), &n->base_width, error)
      || !get_uint (f, "channels", 1, G_N_ELEMENTS (f->info.mean), &n->channels, error)
      || !get_uint (f, "num-frames", 1, most ("clipsample", "num-frames"), &n->frames, error)
      || !get_uint (f, "height", 1, size, &n->height, error)
      || !get_uint (f, "width", 1, size, &n->width, error)
      || !get_floats (f, "mean", n->channels, FALSE, f->info.mean, error)
      || !get_floats (f, "std", n->channels, TRUE, f->info.std, error) || !get_classes (f, error))
    return FALSE;
  f->info.precision = choice ? choice->value : CNN3D_PRECISION_32;
  if (get_number (f, "step", 0, G_MAXUINT64, &number, NULL))
    f->info.step = number;
  get_uint (f, "epoch", 0, G_MAXUINT, &f->info.epoch, NULL);
  get_preparation (f);
  return TRUE;
}

Cnn3dModelFile *
cnn3d_model_file_open (const gchar *path, GError **error)
{
  Cnn3dModelFile *f = g_new0 (Cnn3dModelFile, 1);

  f->path = g_strdup (path);
  f->tensors = cnn3d_safetensors_open (path, error);
  if (f->tensors && read_description (f, error))
    return f;
  cnn3d_model_file_free (f);
  return NULL;
}

void
cnn3d_model_file_free (Cnn3dModelFile *f)
{
  if (!f)
    return;
  g_strfreev (f->info.classes);
  g_strfreev (f->info.views);
  g_clear_pointer (&f->tensors, cnn3d_safetensors_free);
  g_free (f->path);
  g_free (f);
}

const Cnn3dModelInfo *
cnn3d_model_file_info (const Cnn3dModelFile *f)
{
  return &f->info;
}

const gchar *
cnn3d_model_file_path (const Cnn3dModelFile *f)
{
  return f->path;
}

Cnn3dSafetensors *
cnn3d_model_file_tensors (const Cnn3dModelFile *f)
{
  return f->tensors;
}

/* --- weights --- */

/* "(64, 3, 3, 7, 7)" */
static gchar *
shape_text (guint n_dims, const gint64 *shape)
{
  GString *text = g_string_new ("(");

  for (guint i = 0; i < n_dims; i++)
    g_string_append_printf (text, "%s%" G_GINT64_FORMAT, i ? ", " : "", shape[i]);
  return g_string_free (g_string_append_c (text, ')'), FALSE);
}

gboolean
cnn3d_model_file_same_shape (const Cnn3dSafetensor *tensor, const Cnn3dParam *param)
{
  if (tensor->n_dims != param->n_dims)
    return FALSE;
  for (guint i = 0; i < param->n_dims; i++)
    if (tensor->shape[i] != (guint64) param->shape[i])
      return FALSE;
  return TRUE;
}

static gboolean
is_head (const Cnn3dParam *p)
{
  return p->role == CNN3D_PARAM_LINEAR_WEIGHT || p->role == CNN3D_PARAM_LINEAR_BIAS;
}

gchar *
cnn3d_model_file_prefix (
    Cnn3dSafetensors *tensors, const gchar *path, const Cnn3dNetwork *net, GError **error)
{
  const gchar *first = net->weights[0].name;
  g_autofree gchar *end = g_strconcat (".", first, NULL), *prefix = NULL;

  if (cnn3d_safetensors_lookup (tensors, first))
    return g_strdup ("");
  for (guint i = 0; i < cnn3d_safetensors_get_n_tensors (tensors); i++) {
    const gchar *name = cnn3d_safetensors_nth (tensors, i)->name;

    if (!g_str_has_suffix (name, end))
      continue;
    if (prefix) {
      g_autofree gchar *other = g_strndup (name, strlen (name) - strlen (first)),
                       *a = safetensors_show (prefix);
      g_autofree gchar *b = safetensors_show (other);

      g_set_error (error, CNN3D_NETWORK_ERROR, CNN3D_NETWORK_ERROR_PARAMETER,
          "%s has the weights of a %s twice, under '%s' and '%s': write a file of those that are "
          "meant",
          path, net->model, a, b);
      return NULL;
    }
    prefix = g_strndup (name, strlen (name) - strlen (first));
  }
  return prefix ? g_steal_pointer (&prefix) : g_strdup ("");
}

/* Whether the file has any parameter of one of the network's streams. */
static gboolean
has_stream (Cnn3dSafetensors *tensors, const gchar *prefix, const Cnn3dNetwork *net, guint stream)
{
  for (guint i = 0; i < net->n_weights; i++) {
    g_autofree gchar *name = g_strconcat (prefix, net->weights[i].name, NULL);

    if (net->weights[i].stream == stream && !is_head (&net->weights[i])
        && cnn3d_safetensors_lookup (tensors, name))
      return TRUE;
  }
  return FALSE;
}

/* Whether the parameter is a convolution of frames and heat maps, and the tensor one of the frames
 * alone: the heat maps' weights then start at zero, so that the output is what it was. */
static gboolean
lacks_points (const Cnn3dSafetensor *tensor, const Cnn3dNetwork *net, guint param)
{
  const Cnn3dParam *p = &net->weights[param];
  const gint in = net->ops[p->op].in;
  const Cnn3dOp *input = in < 0 ? NULL : &net->ops[net->tensors[in].producer];
  Cnn3dParam narrow = *p;

  if (p->role != CNN3D_PARAM_CONV_WEIGHT || !input || input->kind != CNN3D_OP_INPUT
      || !input->channels || !input->points)
    return FALSE;
  narrow.shape[1] = input->channels;
  return cnn3d_model_file_same_shape (tensor, &narrow);
}

/* The tensor of a parameter. NULL with error; NULL without error if `left_out` is given and a head,
 * or all of one of two streams, is missing, or a head has another shape. */
static const Cnn3dSafetensor *
find_tensor (Cnn3dSafetensors *tensors, const gchar *path, const gchar *prefix,
    const Cnn3dNetwork *net, guint param, GPtrArray *left_out, GError **error)
{
  const Cnn3dParam *p = &net->weights[param];
  g_autofree gchar *name = g_strconcat (prefix, p->name, NULL);
  const Cnn3dSafetensor *tensor = cnn3d_safetensors_lookup (tensors, name);
  g_autofree gchar *wanted = NULL, *got = NULL;

  if (!tensor && left_out && is_head (p)) {
    g_ptr_array_add (left_out, g_strdup_printf ("%s (not in the file)", p->name));
    return NULL;
  }
  if (!tensor && left_out && net->n_streams > 1 && !has_stream (tensors, prefix, net, p->stream)
      && has_stream (tensors, prefix, net, !p->stream)) {
    /* once for all of them */
    if (!param || net->weights[param - 1].stream != p->stream)
      g_ptr_array_add (
          left_out, g_strdup_printf ("%s and all of its stream (not in the file)", p->name));
    return NULL;
  }
  if (!tensor) {
    g_autofree gchar *shown = safetensors_show (name);

    g_set_error (error, CNN3D_NETWORK_ERROR, CNN3D_NETWORK_ERROR_PARAMETER,
        "%s has no '%s', which %s needs: is it a file of another model?", path, shown, net->model);
    return NULL;
  }
  if (cnn3d_model_file_same_shape (tensor, p) || (left_out && lacks_points (tensor, net, param)))
    return tensor;
  wanted = shape_text (p->n_dims, p->shape);
  got = shape_text (tensor->n_dims, (const gint64 *) tensor->shape);
  if (left_out && is_head (p))
    g_ptr_array_add (
        left_out, g_strdup_printf ("%s (%s in the file, %s here)", p->name, got, wanted));
  else
    g_set_error (error, CNN3D_NETWORK_ERROR, CNN3D_NETWORK_ERROR_PARAMETER,
        "%s: '%s' is %s, but %s with base-width=%u has %s", path, p->name, got, net->model,
        net->params.base_width, wanted);
  return NULL;
}

gboolean
cnn3d_model_file_check (
    Cnn3dSafetensors *tensors, const gchar *path, const Cnn3dNetwork *net, GError **error)
{
  for (guint i = 0; i < net->n_weights; i++)
    if (!find_tensor (tensors, path, "", net, i, NULL, error))
      return FALSE;
  return TRUE;
}

gboolean
cnn3d_model_file_read (Cnn3dSafetensors *tensors, const gchar *path, const Cnn3dNetwork *net,
    guint param, gfloat *values, GError **error)
{
  const Cnn3dSafetensor *tensor = find_tensor (tensors, path, "", net, param, NULL, error);

  if (tensor && cnn3d_safetensor_to_float (tensor, values, net->weights[param].count, error))
    return TRUE;
  if (tensor)
    g_prefix_error (error, "%s: ", path);
  return FALSE;
}

gboolean
cnn3d_model_file_import (const Cnn3dSafetensor *tensor, const Cnn3dBackend *backend,
    Cnn3dModel *model, const Cnn3dNetwork *net, guint param, gfloat *array, GError **error)
{
  const Cnn3dParam *p = &net->weights[param];
  g_auto (Cnn3dTemporary) values = { NULL };

  return cnn3d_temporary_take (&values, p->count * sizeof (gfloat), p->name, error)
      && cnn3d_safetensor_to_float (tensor, values.data, p->count, error)
      && backend->import_weight (model, param, values.data, array, error);
}

/* A tensor that lacks_points(): (O, I, k) into (O, I + K, k). */
static gboolean
import_wider (const Cnn3dSafetensor *tensor, const Cnn3dBackend *backend, Cnn3dModel *model,
    const Cnn3dNetwork *net, guint param, gfloat *array, GPtrArray *left_out, GError **error)
{
  const Cnn3dParam *p = &net->weights[param];
  const gsize kernel = p->count / (p->shape[0] * p->shape[1]), wide = p->shape[1] * kernel,
              narrow = tensor->shape[1] * kernel;
  g_autofree gfloat *values = g_new0 (gfloat, p->count),
                    *theirs = g_new (gfloat, p->shape[0] * narrow);

  if (!cnn3d_safetensor_to_float (tensor, theirs, p->shape[0] * narrow, error))
    return FALSE;
  for (gint64 o = 0; o < p->shape[0]; o++)
    memcpy (values + o * wide, theirs + o * narrow, narrow * sizeof *values);
  g_ptr_array_add (left_out,
      g_strdup_printf ("%s (its weights of %" G_GINT64_FORMAT " heat maps start at 0)", p->name,
          p->shape[1] - (gint64) tensor->shape[1]));
  return backend->import_weight (model, param, values, array, error);
}

gboolean
cnn3d_model_file_load (Cnn3dSafetensors *tensors, const gchar *path, const gchar *prefix,
    const Cnn3dBackend *backend, Cnn3dModel *model, const Cnn3dNetwork *net, gfloat *array,
    GPtrArray *left_out, GError **error)
{
  for (guint i = 0; i < net->n_weights; i++) {
    GError *reason = NULL;
    const Cnn3dSafetensor *tensor = find_tensor (tensors, path, prefix, net, i, left_out, &reason);

    if (tensor
        && !(cnn3d_model_file_same_shape (tensor, &net->weights[i])
                ? cnn3d_model_file_import (tensor, backend, model, net, i, array, &reason)
                : import_wider (tensor, backend, model, net, i, array, left_out, &reason)))
      g_prefix_error (&reason, "%s: ", path);
    if (reason) {
      g_propagate_error (error, reason);
      return FALSE;
    }
  }
  return TRUE;
}

/* --- writing --- */

void
cnn3d_safetensors_writer_number (Cnn3dSafetensorsWriter *w, const gchar *key, guint64 value)
{
  g_autofree gchar *text = g_strdup_printf ("%" G_GUINT64_FORMAT, value);

  cnn3d_safetensors_writer_metadata (w, key, text);
}

static void
describe_views (Cnn3dSafetensorsWriter *w, const Cnn3dModelInfo *info)
{
  const guint n = cnn3d_network_views (&info->network);
  gchar *numbers[CNN3D_MOST_VIEWS];
  g_autofree gchar *list = NULL;

  if (n == 1)
    return;
  for (guint i = 0; i < n; i++)
    numbers[i] = g_strdup_printf ("%u", i);
  list = cnn3d_json_string_array (info->views ? info->views : numbers, n);
  for (guint i = 0; i < n; i++)
    g_free (numbers[i]);
  cnn3d_safetensors_writer_metadata (w, "views", list);
  cnn3d_safetensors_writer_metadata (
      w, "view-fusion", cnn3d_choice_name (&cnn3d_view_fusions, info->network.view_fusion));
}

void
cnn3d_model_file_describe (Cnn3dSafetensorsWriter *w, const Cnn3dModelInfo *info)
{
  const Cnn3dNetworkParams *n = &info->network;
  const Cnn3dPreparation *p = &info->preparation;
  g_autofree gchar *classes = cnn3d_json_string_array (info->classes, n->num_classes);
  g_autofree gchar *mean = cnn3d_json_float_array (info->mean, n->channels);
  g_autofree gchar *std = cnn3d_json_float_array (info->std, n->channels);
  gchar number[G_ASCII_DTOSTR_BUF_SIZE];

  cnn3d_safetensors_writer_metadata (w, "format", "pt");
  cnn3d_safetensors_writer_metadata (w, "model", n->model);
  cnn3d_safetensors_writer_metadata (w, "classes", classes);
  cnn3d_safetensors_writer_metadata (w, "mean", mean);
  cnn3d_safetensors_writer_metadata (w, "std", std);
  cnn3d_safetensors_writer_number (w, "num-classes", n->num_classes);
  cnn3d_safetensors_writer_number (w, "base-width", n->base_width);
  cnn3d_safetensors_writer_number (w, "channels", n->channels);
  cnn3d_safetensors_writer_number (w, "num-frames", n->frames);
  cnn3d_safetensors_writer_number (w, "height", n->height);
  cnn3d_safetensors_writer_number (w, "width", n->width);
  if (cnn3d_network_sees_points (n)) {
    cnn3d_safetensors_writer_metadata (
        w, "input-type", cnn3d_choice_name (&cnn3d_input_types, n->input));
    if (n->input == CNN3D_INPUT_RGB_KPT)
      cnn3d_safetensors_writer_metadata (
          w, "fusion", cnn3d_choice_name (&cnn3d_fusions, n->fusion));
    cnn3d_safetensors_writer_number (w, "keypoints", n->points);
    cnn3d_safetensors_writer_number (w, "persons", n->persons);
    cnn3d_safetensors_writer_number (w, "heatmap-size", n->heatmap_size);
    cnn3d_safetensors_writer_metadata (
        w, "heatmap-sigma", g_ascii_dtostr (number, sizeof number, n->heatmap_sigma));
    if (p->skeleton) {
      cnn3d_safetensors_writer_metadata (w, "skeleton", p->skeleton);
      cnn3d_safetensors_writer_number (w, "compact", p->compact);
    }
  }
  describe_views (w, info);
  cnn3d_safetensors_writer_metadata (
      w, "precision", cnn3d_choice_name (&cnn3d_precisions, info->precision));
  cnn3d_safetensors_writer_number (w, "step", info->step);
  cnn3d_safetensors_writer_number (w, "epoch", info->epoch);
  if (p->sampling) {
    cnn3d_safetensors_writer_metadata (w, "sampling", p->sampling);
    cnn3d_safetensors_writer_number (w, "frame-interval", p->frame_interval);
  }
  if (p->sampling && p->frame_rate_n > 0) {
    g_autofree gchar *rate = g_strdup_printf ("%d/%d", p->frame_rate_n, p->frame_rate_d);

    cnn3d_safetensors_writer_metadata (w, "frame-rate", rate);
  }
  if (p->scaling) {
    cnn3d_safetensors_writer_metadata (w, "scaling", p->scaling);
    cnn3d_safetensors_writer_number (w, "add-borders", p->add_borders);
  }
  if (p->diff_gain > 0)
    cnn3d_safetensors_writer_metadata (
        w, "diff-gain", g_ascii_dtostr (number, sizeof number, p->diff_gain));
}
