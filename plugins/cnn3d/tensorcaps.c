/* tensorcaps.c: parses NNStreamer's caps of a batch.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tensorcaps.h"

#include <math.h>
#include <string.h>

#include "src/settings/settings.h"

#define MAX_RANK 16  /* NNStreamer's limit */
#define VIDEO_RANK 5 /* C:W:H:T:N; 3:K:M:T:N of key points; with views V comes before N */
#define MAX_TENSORS 4

#define EXAMPLE                                \
  "other/tensors,format=static,num_tensors=2," \
  "types=uint8.int32,dimensions=C:W:H:T:N.N"

typedef struct {
  guint rank;           /* without trailing ones */
  guint size[MAX_RANK]; /* innermost first; 1 from rank on */
} Dimensions;

static const struct {
  const gchar *name;
  Cnn3dType type;
  gsize size;
} video_types[] = {
  { "uint8", CNN3D_TYPE_UINT8, 1 },
  { "float16", CNN3D_TYPE_FLOAT16, 2 },
  { "float32", CNN3D_TYPE_FLOAT32, 4 },
};

static const struct {
  const gchar *name;
  TensorLabels labels;
  gsize size;
} label_types[] = {
  { "int32", TENSOR_LABELS_INT32, 4 },
  { "int64", TENSOR_LABELS_INT64, 8 },
  { "float32", TENSOR_LABELS_ONE_HOT, 4 },
};

static void
set_error (GError **error, const gchar *format, ...)
{
  va_list args;

  va_start (args, format);
  if (error)
    *error = g_error_new_valist (GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, format, args);
  va_end (args);
}

/* Splits a field of n tensors at its dots or, as in newer versions of
 * NNStreamer, commas. */
static gchar **
split_field (const GstStructure *s, const gchar *field, guint n, GError **error)
{
  const gchar *text = gst_structure_get_string (s, field);
  gchar **parts;
  guint i;

  if (!text) {
    set_error (error, "The caps have no %s: batches are " EXAMPLE ".", field);
    return NULL;
  }
  parts = g_strsplit_set (text, ".,", MAX_TENSORS + 1);
  if (g_strv_length (parts) != n) {
    set_error (error, "%s=%s is not for %u tensors: batches are " EXAMPLE ".", field, text, n);
    g_strfreev (parts);
    return NULL;
  }
  for (i = 0; i < n; i++)
    g_strstrip (parts[i]);

  return parts;
}

static gboolean
parse_dimensions (const gchar *text, Dimensions *d, GError **error)
{
  gchar **parts = g_strsplit (text, ":", MAX_RANK + 1);
  guint i, n = g_strv_length (parts);
  guint64 size;

  if (n > MAX_RANK)
    goto too_many;

  d->rank = 0;
  for (i = 0; i < MAX_RANK; i++)
    d->size[i] = 1;
  for (i = 0; i < n; i++) {
    if (!g_ascii_string_to_unsigned (g_strstrip (parts[i]), 10, 1, G_MAXINT, &size, NULL))
      goto no_size;
    d->size[i] = (guint) size;
    if (size > 1)
      d->rank = i + 1;
  }
  g_strfreev (parts);

  return n > 0;

  /* ERRORS */
too_many:
  set_error (error, "The dimensions %s are more than %d.", text, MAX_RANK);
  g_strfreev (parts);
  return FALSE;
no_size:
  set_error (error,
      "'%s' in the dimensions %s is not a valid size: sizes are whole numbers from 1.", parts[i],
      text);
  g_strfreev (parts);
  return FALSE;
}

/* Product of the sizes. FALSE: overflow. */
static gboolean
product (const Dimensions *d, gsize item, gsize *out)
{
  guint i;

  *out = item;
  for (i = 0; i < d->rank; i++)
    if (!g_size_checked_mul (out, *out, d->size[i]))
      return FALSE;

  return *out <= G_MAXSSIZE;
}

/* The number of views is the mask's first dimension. */
static gboolean
take_mask (TensorLayout *layout, const gchar *dimensions, GError **error)
{
  Dimensions d;

  if (!parse_dimensions (dimensions, &d, error))
    return FALSE;
  if (d.rank > 2 || d.size[0] < 2)
    goto no_mask;
  layout->views = d.size[0];
  if (!product (&d, 1, &layout->present_size))
    goto no_mask;

  return TRUE;

  /* ERRORS */
no_mask:
  set_error (error,
      "The last tensor, of dimensions %s, is not a mask, views:clips of 2 views at least.",
      dimensions);
  return FALSE;
}

/* Clips of frames or of key points: the fifth dimension, behind that of the views. */
static guint
count_clips (const TensorLayout *layout, const Dimensions *d)
{
  return d->size[layout->views > 1 ? VIDEO_RANK : VIDEO_RANK - 1];
}

/* Whether a clip has as many views as the mask, and nothing follows the clips. */
static gboolean
has_views (const TensorLayout *layout, const Dimensions *d)
{
  if (layout->views > 1)
    return d->rank <= VIDEO_RANK + 1 && d->size[VIDEO_RANK - 1] == layout->views;

  return d->rank <= VIDEO_RANK;
}

static gboolean
take_video (TensorLayout *layout, const gchar *type, const gchar *dimensions, GError **error)
{
  Dimensions d;
  guint i;

  for (i = 0; i < G_N_ELEMENTS (video_types); i++)
    if (!g_ascii_strcasecmp (type, video_types[i].name))
      break;
  if (i == G_N_ELEMENTS (video_types))
    goto other_type;
  if (!parse_dimensions (dimensions, &d, error))
    return FALSE;
  if (!has_views (layout, &d))
    goto other_rank;

  layout->type = video_types[i].type;
  layout->item_size = video_types[i].size;
  layout->channels = d.size[0];
  layout->width = d.size[1];
  layout->height = d.size[2];
  layout->frames = d.size[3];
  layout->clips = count_clips (layout, &d);
  if (!product (&d, layout->item_size, &layout->frames_size))
    goto too_large;
  layout->clip_size = layout->frames_size / layout->clips;

  return TRUE;

  /* ERRORS */
other_type:
  set_error (error,
      "The first tensor is of type %s, but frames are uint8, float16 or float32: put frames first "
      "and labels second, or convert them (tensor_transform mode=typecast option=uint8).",
      type);
  return FALSE;
other_rank:
  if (layout->views > 1)
    set_error (error,
        "Frames of dimensions %s are not channels:width:height:frames:views:clips of %u views, as "
        "the mask says.",
        dimensions, layout->views);
  else
    set_error (error,
        "Frames of dimensions %s have more than five, which are "
        "channels:width:height:frames:clips.",
        dimensions);
  return FALSE;
too_large:
  set_error (error, "A batch of frames of dimensions %s is larger than any memory.", dimensions);
  return FALSE;
}

static gboolean
take_labels (TensorLayout *layout, const gchar *type, const gchar *dimensions, GError **error)
{
  Dimensions d;
  gsize n;
  guint i;

  for (i = 0; i < G_N_ELEMENTS (label_types); i++)
    if (!g_ascii_strcasecmp (type, label_types[i].name))
      break;
  if (i == G_N_ELEMENTS (label_types))
    goto other_type;
  if (!parse_dimensions (dimensions, &d, error))
    return FALSE;
  if (!product (&d, label_types[i].size, &layout->labels_size))
    goto other_count;

  layout->labels = label_types[i].labels;
  layout->num_classes = 0;
  n = layout->labels_size / label_types[i].size;
  if (layout->labels == TENSOR_LABELS_ONE_HOT) {
    layout->num_classes = d.size[0];
    if (layout->num_classes < 2)
      goto one_class;
    n /= layout->num_classes;
  }
  if (n != layout->clips)
    goto other_count;

  return TRUE;

  /* ERRORS */
other_type:
  set_error (error,
      "The second tensor is of type %s, but labels are int32 or int64 class numbers, or one-hot "
      "float32.",
      type);
  return FALSE;
one_class:
  set_error (error,
      "float32 labels of dimensions %s are not one-hot: their first dimension is the number of "
      "classes, 2 at least. Class numbers are int32 or int64.",
      dimensions);
  return FALSE;
other_count:
  set_error (error,
      "%s labels of dimensions %s are not one label for each of %u clips: take %u, or CLASSES:%u "
      "for one-hot float32.",
      type, dimensions, layout->clips, layout->clips, layout->clips);
  return FALSE;
}

static gboolean
take_points (TensorLayout *layout, const gchar *type, const gchar *dimensions, GError **error)
{
  const guint persons = (guint) cnn3d_setting ("clipkpt", "persons")->maximum;
  Dimensions d;

  if (g_ascii_strcasecmp (type, "float32") != 0)
    goto other_type;
  if (!parse_dimensions (dimensions, &d, error))
    return FALSE;
  if (!has_views (layout, &d) || d.size[0] != 3 || d.size[3] != layout->frames
      || count_clips (layout, &d) != layout->clips)
    goto other_sizes;
  if (d.size[1] > CNN3D_SKELETON_MOST || d.size[2] > persons)
    goto too_many;
  if (!product (&d, sizeof (gfloat), &layout->points_size))
    goto too_large;
  layout->points = d.size[1];
  layout->persons = d.size[2];

  return TRUE;

  /* ERRORS */
other_type:
  set_error (error, "The third tensor is of type %s: key points are float32.", type);
  return FALSE;
other_sizes:
  if (layout->views > 1)
    set_error (error,
        "Key points of dimensions %s are not 3:points:persons:frames:views:clips of %u views of %u "
        "clips of %u frames.",
        dimensions, layout->views, layout->clips, layout->frames);
  else
    set_error (error,
        "Key points of dimensions %s are not 3:points:persons:frames:clips of %u clips of %u "
        "frames.",
        dimensions, layout->clips, layout->frames);
  return FALSE;
too_many:
  set_error (error, "Key points of dimensions %s are more than %d of %u persons.", dimensions,
      CNN3D_SKELETON_MOST, persons);
  return FALSE;
too_large:
  set_error (
      error, "A batch of key points of dimensions %s is larger than any memory.", dimensions);
  return FALSE;
}

/* The mask of the views comes last; only batches with views have one. */
static gboolean
take_tensors (
    TensorLayout *layout, guint n, gchar *const *types, gchar *const *dimensions, GError **error)
{
  const gboolean mask = n > 2 && g_ascii_strcasecmp (types[n - 1], "uint8") == 0;

  if (mask && !take_mask (layout, dimensions[n - 1], error))
    return FALSE;
  if (!take_video (layout, types[0], dimensions[0], error)
      || !take_labels (layout, types[1], dimensions[1], error)
      || (n - mask > 2 && !take_points (layout, types[2], dimensions[2], error)))
    return FALSE;
  if (mask && layout->present_size != (gsize) layout->views * layout->clips)
    goto other_mask;

  return TRUE;

  /* ERRORS */
other_mask:
  set_error (error,
      "The mask of dimensions %s is not one of %u clips in %u views: it is views:clips.",
      dimensions[n - 1], layout->clips, layout->views);
  return FALSE;
}

gboolean
tensor_layout_from_caps (TensorLayout *layout, const GstCaps *caps, GError **error)
{
  const GstStructure *s = gst_caps_get_structure (caps, 0);
  const gchar *format = gst_structure_get_string (s, "format");
  gchar **types = NULL, **dimensions = NULL;
  gboolean ret = FALSE;
  gint n = 2;

  layout->views = 1;
  layout->points = layout->persons = 0;
  layout->points_size = layout->present_size = 0;
  if (!gst_structure_has_name (s, "other/tensors"))
    goto no_tensors;
  if (format && strcmp (format, "static") != 0)
    goto no_static;
  gst_structure_get_int (s, "num_tensors", &n);
  if (n < 2 || n > MAX_TENSORS)
    goto other_number;

  types = split_field (s, "types", n, error);
  if (types)
    dimensions = split_field (s, "dimensions", n, error);
  /* only a mask is a fourth tensor */
  if (dimensions && n == MAX_TENSORS && g_ascii_strcasecmp (types[n - 1], "uint8") != 0)
    goto no_mask;
  ret = dimensions && take_tensors (layout, n, types, dimensions, error);
  g_strfreev (types);
  g_strfreev (dimensions);

  return ret;

  /* ERRORS */
no_tensors:
  set_error (
      error, "%s is not a batch of tensors: put clipbatch in front.", gst_structure_get_name (s));
  return FALSE;
no_static:
  set_error (error,
      "Tensors of format=%s declare their sizes with each buffer, but a network is set up for "
      "clips of one size: use format=static.",
      format);
  return FALSE;
other_number:
  set_error (error,
      "num_tensors=%d, but a batch is two tensors, frames and labels, and at most two more, key "
      "points and a mask of views: batches are " EXAMPLE ".",
      n);
  return FALSE;
no_mask:
  set_error (error,
      "The fourth tensor is of type %s, but it is the mask of views, which is uint8 and comes "
      "last.",
      types[n - 1]);
  g_strfreev (types);
  g_strfreev (dimensions);
  return FALSE;
}

gsize
tensor_layout_clip_points (const TensorLayout *layout)
{
  return layout->points_size / layout->clips / sizeof (gfloat);
}

gboolean
tensor_layout_same_clips (const TensorLayout *a, const TensorLayout *b)
{
  return a->type == b->type && a->views == b->views && a->frames == b->frames
      && a->height == b->height && a->width == b->width && a->channels == b->channels
      && a->num_classes == b->num_classes && a->points == b->points && a->persons == b->persons;
}

gchar *
tensor_layout_describe (const TensorLayout *layout)
{
  GString *text;
  guint i;

  for (i = 0; i + 1 < G_N_ELEMENTS (video_types); i++)
    if (video_types[i].type == layout->type)
      break;
  text = g_string_new (NULL);
  g_string_printf (text, "%s clips of %u frames of %ux%ux%u", video_types[i].name, layout->frames,
      layout->width, layout->height, layout->channels);
  if (layout->points)
    g_string_append_printf (
        text, " with %u key points of %u persons", layout->points, layout->persons);
  if (layout->views > 1)
    g_string_append_printf (text, " in %u views", layout->views);

  return g_string_free (text, FALSE);
}

/* Index of the largest of a clip's `n` values; -1: not unique. */
static gint64
read_one_hot (const guint8 *data, guint n)
{
  gint64 best = -1;
  gfloat value, largest = 0;
  guint i;

  for (i = 0; i < n; i++) {
    memcpy (&value, data + i * sizeof value, sizeof value);
    if (!isfinite (value) || (best >= 0 && value == largest && value > 0))
      return -1;
    if (value > largest) {
      largest = value;
      best = i;
    }
  }

  return best;
}

gboolean
tensor_layout_read_labels (const TensorLayout *layout, gconstpointer data, guint num_classes,
    gint32 *out, guint *clip, GError **error)
{
  const guint8 *from = data;
  gint64 label = -1;
  gint32 narrow;
  guint i;

  for (i = 0; i < layout->clips; i++) {
    *clip = i;
    switch (layout->labels) {
      case TENSOR_LABELS_INT32:
        memcpy (&narrow, from + i * sizeof narrow, sizeof narrow);
        label = narrow;
        break;
      case TENSOR_LABELS_INT64:
        memcpy (&label, from + i * sizeof label, sizeof label);
        break;
      case TENSOR_LABELS_ONE_HOT:
        label = read_one_hot (from + (gsize) i * layout->num_classes * 4, layout->num_classes);
        if (label < 0)
          goto not_one_hot;
        break;
    }
    if (label < 0 || label >= num_classes)
      goto out_of_range;
    out[i] = (gint32) label;
  }

  return TRUE;

  /* ERRORS */
not_one_hot:
  set_error (error, "its one-hot label has no single largest value above 0");
  return FALSE;
out_of_range:
  if (label == -1)
    set_error (error, "it has no label");
  else
    set_error (error, "its label is %" G_GINT64_FORMAT ", but there are %u classes, 0 to %u", label,
        num_classes, num_classes - 1);
  return FALSE;
}

void
tensor_layout_answer_accept_caps (GstQuery *query)
{
  GstCaps *caps;

  gst_query_parse_accept_caps (query, &caps);
  gst_query_set_accept_caps_result (query,
      gst_caps_is_fixed (caps)
          && gst_structure_has_name (gst_caps_get_structure (caps, 0), "other/tensors"));
}
