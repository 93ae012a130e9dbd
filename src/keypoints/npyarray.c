/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/keypoints/npyarray.h"

#include <math.h>
#include <string.h>

/* NumPy itself reads no longer headers. */
#define MAX_HEADER 10000

static const gchar magic[] = "\x93NUMPY";
#define MAGIC (sizeof magic - 1)

gboolean
cnn3d_npy_is (const guint8 *data, gsize size)
{
  return size > MAGIC && memcmp (data, magic, MAGIC) == 0;
}

/* The header: a Python dictionary of three members */

typedef struct {
  const gchar *p, *end;
} Text;

static void
skip_blanks (Text *text)
{
  while (text->p < text->end && (*text->p == ' ' || *text->p == '\n' || *text->p == '\t'))
    text->p++;
}

/* Skips the word, if it comes next. */
static gboolean
take (Text *text, const gchar *word)
{
  const gsize size = strlen (word);

  skip_blanks (text);
  if ((gsize) (text->end - text->p) < size || memcmp (text->p, word, size) != 0)
    return FALSE;
  text->p += size;
  return TRUE;
}

/* A string in either kind of quotes, without escapes. */
static gboolean
take_string (Text *text, gchar *to, gsize room)
{
  const gchar *from;
  gchar quote;

  skip_blanks (text);
  if (text->p == text->end || (*text->p != '\'' && *text->p != '"'))
    return FALSE;
  quote = *text->p++;
  for (from = text->p; text->p < text->end && *text->p != quote; text->p++)
    if (*text->p == '\\')
      return FALSE;
  if (text->p == text->end || (gsize) (text->p - from) >= room)
    return FALSE;
  memcpy (to, from, text->p - from);
  to[text->p++ - from] = '\0';
  return TRUE;
}

static gboolean
take_number (Text *text, guint64 *number)
{
  const gchar *from;

  skip_blanks (text);
  *number = 0;
  for (from = text->p; text->p < text->end && g_ascii_isdigit (*text->p); text->p++)
    if (!g_uint64_checked_mul (number, *number, 10)
        || !g_uint64_checked_add (number, *number, *text->p - '0'))
      return FALSE;
  return text->p > from;
}

static gboolean
take_shape (Text *text, Cnn3dNpyArray *array)
{
  if (!take (text, "("))
    return FALSE;
  for (array->n_dimensions = 0; !take (text, ")"); array->n_dimensions++) {
    if (array->n_dimensions == CNN3D_NPY_DIMENSIONS
        || !take_number (text, &array->shape[array->n_dimensions]))
      return FALSE;
    if (!take (text, ",")) {
      array->n_dimensions++;
      return take (text, ")");
    }
  }
  return TRUE;
}

/* Such as "<f4". FALSE with `error` set: of another type than numbers. */
static gboolean
set_type (Cnn3dNpyArray *array, const gchar *type, GError **error)
{
  const gchar order = *type;
  const gchar *kind = type + (strchr ("<>|=", order) != NULL);

  if (*kind == 'O')
    goto objects;
  array->kind = *kind;
  array->bytes = *kind ? kind[1] - '0' : 0;
  array->swapped = order == (G_BYTE_ORDER == G_LITTLE_ENDIAN ? '>' : '<');
  if (!*kind || !kind[1] || kind[2])
    goto other;
  if ((*kind == 'f' && (array->bytes == 2 || array->bytes == 4 || array->bytes == 8))
      || ((*kind == 'i' || *kind == 'u')
          && (array->bytes == 1 || array->bytes == 2 || array->bytes == 4 || array->bytes == 8))
      || (*kind == 'b' && array->bytes == 1))
    return TRUE;

  /* ERRORS */
other:
  cnn3d_keypoints_set_error (error,
      "it is a NumPy array of type \"%s\", not of numbers; convert it with .astype('float32')",
      type);
  return FALSE;
objects:
  cnn3d_keypoints_set_error (error,
      "it is a NumPy array of Python objects (a pickle), which could run anything when it is read; "
      "convert it with numpy.stack() and numpy.save() to an array of (frames, persons, points, 3) "
      "floats");
  return FALSE;
}

static gboolean
read_header (Cnn3dNpyArray *array, Text *text, GError **error)
{
  gchar key[32], type[64] = "";
  gboolean shape = FALSE, order = FALSE;

  if (!take (text, "{"))
    goto bad;
  while (!take (text, "}")) {
    if (!take_string (text, key, sizeof key) || !take (text, ":"))
      goto bad;
    if (strcmp (key, "descr") == 0) {
      if (take (text, "["))
        goto fields;
      if (!take_string (text, type, sizeof type))
        goto bad;
    } else if (strcmp (key, "fortran_order") == 0) {
      array->fortran = take (text, "True");
      order = array->fortran || take (text, "False");
      if (!order)
        goto bad;
    } else if (strcmp (key, "shape") == 0) {
      shape = take_shape (text, array);
      if (!shape)
        goto bad;
    } else {
      goto bad;
    }
    if (!take (text, ",") && !(take (text, "}") && (text->p--, TRUE)))
      goto bad;
  }
  if (!*type || !shape || !order)
    goto bad;
  return set_type (array, type, error);

  /* ERRORS */
bad:
  cnn3d_keypoints_set_error (error, "its header is not that of a NumPy array");
  return FALSE;
fields:
  cnn3d_keypoints_set_error (error,
      "it is a NumPy array of records; convert it to an array of (frames, persons, points, 3) "
      "floats");
  return FALSE;
}

gboolean
cnn3d_npy_open (Cnn3dNpyArray *array, const guint8 *data, gsize size, GError **error)
{
  gsize at = MAGIC + 2, header;
  guint64 bytes;
  Text text;

  memset (array, 0, sizeof *array);
  if (!cnn3d_npy_is (data, size) || size < at + 4)
    goto no_header;
  if (data[MAGIC] < 1 || data[MAGIC] > 3)
    goto other_version;
  header = data[at] | data[at + 1] << 8;
  if (data[MAGIC] > 1)
    header |= (gsize) data[at + 2] << 16 | (gsize) data[at + 3] << 24;
  at += data[MAGIC] > 1 ? 4 : 2;
  if (header > MAX_HEADER || header > size - at)
    goto no_header;
  text = (Text) { (const gchar *) data + at, (const gchar *) data + at + header };
  if (!read_header (array, &text, error))
    return FALSE;
  array->data = data + at + header;
  array->length = 1;
  for (guint i = 0; i < array->n_dimensions; i++)
    if (!g_uint64_checked_mul (&array->length, array->length, array->shape[i]))
      goto too_long;
  if (!g_uint64_checked_mul (&bytes, array->length, array->bytes))
    goto too_long;
  if (bytes != size - at - header)
    goto other_length;
  return TRUE;

  /* ERRORS */
no_header:
  cnn3d_keypoints_set_error (error, "its header is not that of a NumPy array");
  return FALSE;
other_version:
  cnn3d_keypoints_set_error (
      error, "it is of version %u of NumPy's format; 1 to 3 are supported", data[MAGIC]);
  return FALSE;
too_long:
  cnn3d_keypoints_set_error (error, "its header declares more elements than possible");
  return FALSE;
other_length:
  cnn3d_keypoints_set_error (error,
      "its header declares %" G_GUINT64_FORMAT " bytes of data, but there are %" G_GSIZE_FORMAT
      "; it is damaged or incomplete",
      bytes, size - at - header);
  return FALSE;
}

/* Elements */

static gdouble
half_value (guint16 bits)
{
  const gint exponent = bits >> 10 & 31;
  const gdouble fraction = bits & 1023, sign = bits & 0x8000 ? -1 : 1;

  if (exponent == 31)
    return fraction ? NAN : sign * INFINITY;
  return sign * (exponent ? ldexp (1024 + fraction, exponent - 25) : ldexp (fraction, -24));
}

/* Where the element with this number in C order is. */
static guint64
place_of (const Cnn3dNpyArray *array, guint64 number)
{
  guint64 place = 0, stride = array->length;

  if (!array->fortran)
    return number;
  for (guint i = array->n_dimensions; i-- > 0;) {
    stride /= array->shape[i];
    place += number % array->shape[i] * stride;
    number /= array->shape[i];
  }
  return place;
}

gdouble
cnn3d_npy_value (const Cnn3dNpyArray *array, guint64 number)
{
  union {
    guint8 bytes[8];
    guint16 u2;
    guint32 u4;
    guint64 u8;
    gint16 i2;
    gint32 i4;
    gint64 i8;
    gfloat f4;
    gdouble f8;
  } v;

  memcpy (v.bytes, array->data + place_of (array, number) * array->bytes, array->bytes);
  if (array->swapped && array->bytes == 2)
    v.u2 = GUINT16_SWAP_LE_BE (v.u2);
  else if (array->swapped && array->bytes == 4)
    v.u4 = GUINT32_SWAP_LE_BE (v.u4);
  else if (array->swapped && array->bytes == 8)
    v.u8 = GUINT64_SWAP_LE_BE (v.u8);
  switch (array->bytes) {
    case 1:
      return array->kind == 'i' ? (gdouble) (gint8) v.bytes[0] : (gdouble) v.bytes[0];
    case 2:
      return array->kind == 'f' ? half_value (v.u2) : array->kind == 'i' ? v.i2 : v.u2;
    case 4:
      return array->kind == 'f' ? v.f4 : array->kind == 'i' ? (gdouble) v.i4 : (gdouble) v.u4;
    default:
      return array->kind == 'f' ? v.f8 : array->kind == 'i' ? (gdouble) v.i8 : (gdouble) v.u8;
  }
}

/* Persons */

/* As "(120, 2, 17, 3)": g_free(). */
static gchar *
shape_text (const Cnn3dNpyArray *array)
{
  GString *text = g_string_new ("(");

  for (guint i = 0; i < array->n_dimensions; i++)
    g_string_append_printf (text, "%s%" G_GUINT64_FORMAT, i ? ", " : "", array->shape[i]);
  g_string_append_c (text, ')');
  return g_string_free (text, FALSE);
}

static gboolean
check_scores (const Cnn3dNpyArray *points, const Cnn3dNpyArray *scores, GError **error)
{
  const guint n = points->n_dimensions - 1;
  g_autofree gchar *shape = NULL, *wanted = NULL;
  gboolean same =
      scores->n_dimensions == n || (scores->n_dimensions == n + 1 && scores->shape[n] == 1);

  for (guint i = 0; i < n && same; i++)
    same = scores->shape[i] == points->shape[i];
  if (same)
    return TRUE;
  shape = shape_text (scores);
  wanted = shape_text (points);
  cnn3d_keypoints_set_error (error, "its scores have the shape %s, its points %s", shape, wanted);
  return FALSE;
}

static gboolean
check_times (const Cnn3dNpyArray *points, const Cnn3dNpyArray *times, GError **error)
{
  if (times->n_dimensions != 1 || times->length != points->shape[0]) {
    cnn3d_keypoints_set_error (error,
        "it has %" G_GUINT64_FORMAT " times for %" G_GUINT64_FORMAT " frames", times->length,
        points->shape[0]);
    return FALSE;
  }
  for (guint64 t = 0; t < times->length; t++)
    if (!isfinite (cnn3d_npy_value (times, t))
        || (t > 0 && !(cnn3d_npy_value (times, t) > cnn3d_npy_value (times, t - 1)))) {
      cnn3d_keypoints_set_error (error, "its times do not ascend at frame %" G_GUINT64_FORMAT, t);
      return FALSE;
    }
  return TRUE;
}

gboolean
cnn3d_npy_add_persons (Cnn3dKeypointsBuilder *builder, const Cnn3dNpyArray *points,
    const Cnn3dNpyArray *scores, const Cnn3dNpyArray *times, GError **error)
{
  const guint n = points->n_dimensions;
  const guint64 c = n > 0 ? points->shape[n - 1] : 0;
  guint64 persons, k, number = 0;
  g_autofree gchar *shape = shape_text (points);

  if ((n != 3 && n != 4) || (c != 2 && c != 3))
    goto other_shape;
  if (points->length == 0)
    goto empty;
  persons = n == 4 ? points->shape[1] : 1;
  k = points->shape[n - 2];
  if (points->length / c > CNN3D_KEYPOINTS_MOST || k > CNN3D_SKELETON_MOST)
    goto too_many;
  if ((scores && !check_scores (points, scores, error))
      || (times && !check_times (points, times, error)))
    return FALSE;
  for (guint64 t = 0; t < points->shape[0]; t++)
    for (guint64 m = 0; m < persons; m++) {
      gfloat *to = cnn3d_keypoints_builder_add (
          builder, times ? cnn3d_npy_value (times, t) : t, m, k, error);

      if (!to)
        return FALSE;
      for (guint64 i = 0; i < k; i++, number++, to += 3) {
        to[0] = cnn3d_npy_value (points, number * c);
        to[1] = cnn3d_npy_value (points, number * c + 1);
        if (scores)
          to[2] = cnn3d_npy_value (scores, number);
        else if (c == 3)
          to[2] = cnn3d_npy_value (points, number * c + 2);
        else
          /* without scores, what was not found is at 0, 0 */
          to[2] = to[0] != 0 || to[1] != 0;
      }
    }
  builder->by_time = times != NULL;
  builder->complete = !times;
  builder->complete_frames = points->shape[0];
  builder->tracked = TRUE;
  return TRUE;

  /* ERRORS */
other_shape:
  cnn3d_keypoints_set_error (error,
      "its shape is %s, but key points are (frames, persons, points, 3) or (frames, points, 3), or "
      "2 instead of 3 without scores",
      shape);
  return FALSE;
empty:
  cnn3d_keypoints_set_error (error, "it contains no persons: its shape is %s", shape);
  return FALSE;
too_many:
  cnn3d_keypoints_set_error (error,
      "its shape is %s; %u points a person and %u points in all are possible", shape,
      CNN3D_SKELETON_MOST, CNN3D_KEYPOINTS_MOST);
  return FALSE;
}
