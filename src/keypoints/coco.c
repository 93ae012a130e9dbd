/* coco.c: results in COCO's format, as AlphaPose, ViTPose and others write them, and MMPose's.
 *
 *     [{"image_id": 12, "category_id": 1, "keypoints": [x, y, score, ...], "score": 0.9}, ...]
 *     {"images": [{"id": 7, "file_name": "12.jpg"}, ...], "annotations": [...]}
 *     [{"frame_id": 12, "instances": [{"keypoints": [[x, y], ...], "keypoint_scores": [...]}]}, ...]
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/jsonwalk.h"
#include "src/escape.h"
#include "src/hash.h"
#include "src/keypoints/reader.h"

#include <math.h>
#include <string.h>

/* Numbers that a person's members may have */
#define MOST_NUMBERS (4 * CNN3D_SKELETON_MOST)

typedef struct {
  Cnn3dKeypointsBuilder *builder;
  GString *buffer;
  GHashTable *images; /* an image's id as text to its frame + 1; NULL: ids are frames */
  guint persons;      /* those of them that have a track */
  guint tracked;
} Reading;

/* One person of one frame, as its members tell. */
typedef struct {
  gdouble frame;
  gdouble *points; /* [n_points], x, y and perhaps scores */
  guint n_points;
  guint each;      /* numbers of a point: 2 or 3; 0: all in a row */
  gdouble *scores; /* [n_scores] */
  guint n_scores;
  gdouble track; /* NaN: none */
} Person;

static gboolean
knows (const Cnn3dKeypointsSource *source)
{
  const guint8 *p = source->data, *end = p ? p + source->size : NULL;

  if (source->folder)
    return FALSE;
  if (source->size >= 3 && memcmp (p, "\xef\xbb\xbf", 3) == 0)
    p += 3;
  while (p < end && g_ascii_isspace (*p))
    p++;
  return p < end && (*p == '[' || *p == '{');
}

/* FALSE: it is no number. */
static gboolean
read_number (const gchar *value, gdouble *number)
{
  gsize size;
  const gchar *text = cnn3d_json_numeral (value, &size);

  if (!text)
    return FALSE;
  *number = g_ascii_strtod (text, NULL);
  return TRUE;
}

/* Numbers of an array and of arrays in it. each: how many the inner ones have; 0: none are inner.
 * FALSE: something else is in it, or too many. */
static gboolean
read_numbers (const gchar *value, gdouble *to, guint *n, guint *each)
{
  Cnn3dJsonWalk walk;

  cnn3d_json_enter (&walk, value);
  while (cnn3d_json_next (&walk)) {
    const guint before = *n;
    guint inner = 0;

    if (*walk.value == '[') {
      if (!read_numbers (walk.value, to, n, &inner) || inner || (*each && *each != *n - before))
        return FALSE;
      *each = *n - before;
      continue;
    }
    if (*n == MOST_NUMBERS || *each)
      return FALSE;
    if (cnn3d_json_is_null (walk.value))
      to[(*n)++] = NAN;
    else if (read_number (walk.value, &to[*n]))
      (*n)++;
    else
      return FALSE;
  }
  return TRUE;
}

/* A frame's number: a number, or the last digits of a picture's name. */
static gboolean
read_frame (Reading *reading, const gchar *value, gdouble *frame)
{
  gsize size;
  const gchar *text = cnn3d_json_text (value, reading->buffer, &size), *end;
  gchar key[256];
  guint64 number = 0, unit = 1;

  if (!text || size == 0 || size >= sizeof key || *text == '-')
    return FALSE;
  memcpy (key, text, size);
  key[size] = '\0';
  if (reading->images && g_hash_table_contains (reading->images, key)) {
    *frame = GPOINTER_TO_SIZE (g_hash_table_lookup (reading->images, key)) - 1;
    return TRUE;
  }
  text = strrchr (key, '/') ? strrchr (key, '/') + 1 : key;
  end = strrchr (text, '.') ? strrchr (text, '.') : text + strlen (text);
  if (end > text && !g_ascii_isdigit (end[-1]))
    return FALSE;
  while (end > text && g_ascii_isdigit (end[-1]) && unit < G_GUINT64_CONSTANT (1000000000000)) {
    number += unit * (*--end - '0');
    unit *= 10;
  }
  if (unit == 1 || number > G_MAXUINT32)
    return FALSE;
  *frame = number;
  return TRUE;
}

/* A track's number, or the first of those that are listed; NaN: none. */
static gdouble
read_track (const gchar *value)
{
  Cnn3dJsonWalk walk;
  gdouble track;

  for (guint depth = 0; depth < 3 && *value == '['; depth++) {
    cnn3d_json_enter (&walk, value);
    if (!cnn3d_json_next (&walk))
      return NAN;
    value = walk.value;
  }
  return read_number (value, &track) && fabs (track) < 1e15 ? track : NAN;
}

/* Takes what a person's object has. FALSE with `error` set. */
static gboolean
take_member (Reading *reading, const Cnn3dJsonWalk *member, Person *person, GError **error)
{
  if (cnn3d_json_is (member, "keypoints")) {
    person->n_points = person->each = 0;
    if (!read_numbers (member->value, person->points, &person->n_points, &person->each))
      goto bad_points;
  } else if (cnn3d_json_is (member, "keypoint_scores")
      || cnn3d_json_is (member, "keypoints_scores")) {
    guint each = 0;

    person->n_scores = 0;
    if (!read_numbers (member->value, person->scores, &person->n_scores, &each) || each)
      goto bad_points;
  } else if (cnn3d_json_is (member, "image_id") || cnn3d_json_is (member, "frame_id")) {
    if (!read_frame (reading, member->value, &person->frame))
      goto bad_frame;
  } else if (cnn3d_json_is (member, "track_id") || cnn3d_json_is (member, "idx")
      || cnn3d_json_is (member, "person_id") || cnn3d_json_is (member, "instance_id")) {
    person->track = read_track (member->value);
  }
  return TRUE;

  /* ERRORS */
bad_points:
  cnn3d_keypoints_set_error (error,
      "the %.*s of its person %u are not a list of numbers, or more than %d",
      CNN3D_SHOWN (member->key, member->key_size), reading->builder->entries->len, MOST_NUMBERS);
  return FALSE;
bad_frame:
  cnn3d_keypoints_set_error (error,
      "the %.*s of its person %u is neither a frame's number nor a picture's name that ends in one",
      CNN3D_SHOWN (member->key, member->key_size), reading->builder->entries->len);
  return FALSE;
}

static gboolean
add_person (Reading *reading, const Person *person, GError **error)
{
  const guint each = person->each ? person->each : person->n_scores ? 2 : 3;
  const guint n = person->n_points / each;
  gfloat *to;

  if (isnan (person->frame))
    goto no_frame;
  if ((each != 2 && each != 3) || n == 0 || n * each != person->n_points
      || (person->n_scores && person->n_scores != n))
    goto other_number;
  to = cnn3d_keypoints_builder_add (reading->builder, person->frame,
      isnan (person->track) ? (gint64) reading->persons : (gint64) person->track, n, error);
  if (!to)
    return FALSE;
  reading->persons++;
  reading->tracked += !isnan (person->track);
  for (guint k = 0; k < n; k++, to += 3) {
    to[0] = person->points[k * each];
    to[1] = person->points[k * each + 1];
    to[2] = person->n_scores ? person->scores[k]
        : each == 3          ? person->points[k * each + 2]
                             : to[0] != 0 || to[1] != 0;
  }
  return TRUE;

  /* ERRORS */
no_frame:
  cnn3d_keypoints_set_error (
      error, "its person %u has no image_id, which identifies the frame", reading->persons);
  return FALSE;
other_number:
  cnn3d_keypoints_set_error (error,
      "its person %u has %u numbers of key points and %u scores; a point has x, y and a score",
      reading->persons, person->n_points, person->n_scores);
  return FALSE;
}

/* Of an array of frames' objects each may have persons in `instances`. */
static gboolean
read_list (Reading *reading, const gchar *list, Person *person, gdouble first, GError **error)
{
  Cnn3dJsonWalk walk, member;

  cnn3d_json_enter (&walk, list);
  while (cnn3d_json_next (&walk)) {
    const gdouble frame = person->frame;
    const gchar *instances = NULL;

    if (*walk.value != '{')
      goto no_object;
    person->n_points = person->n_scores = person->each = 0;
    person->track = NAN;
    cnn3d_json_enter (&member, walk.value);
    while (cnn3d_json_next (&member)) {
      if (cnn3d_json_is (&member, "instances") && *member.value == '[')
        instances = member.value;
      else if (!take_member (reading, &member, person, error))
        return FALSE;
    }
    if (instances) {
      person->frame -= first;
      if (!(person->frame >= 0))
        goto no_frame;
      if (!read_list (reading, instances, person, 0, error))
        return FALSE;
    } else if (person->n_points && !add_person (reading, person, error)) {
      return FALSE;
    }
    person->frame = frame;
  }
  return TRUE;

  /* ERRORS */
no_frame:
  cnn3d_keypoints_set_error (
      error, "its instances have no frame_id, or one before the first: %g", person->frame + first);
  return FALSE;
no_object:
  cnn3d_keypoints_set_error (error, "it is JSON, but not a list of objects with key points");
  return FALSE;
}

/* COCO's list of pictures: which frame each id is, by the picture's name. */
static void
read_images (Reading *reading, const gchar *images)
{
  GHashTable *found = g_hash_table_new_full (cnn3d_hash_text, g_str_equal, g_free, NULL);
  Cnn3dJsonWalk walk, member;

  cnn3d_json_enter (&walk, images);
  while (cnn3d_json_next (&walk)) {
    gdouble frame = NAN, size;
    gchar *id = NULL;

    cnn3d_json_enter (&member, walk.value);
    while (cnn3d_json_next (&member)) {
      gsize length;
      const gchar *text;

      if (cnn3d_json_is (&member, "id")
          && (text = cnn3d_json_text (member.value, reading->buffer, &length))) {
        g_free (id);
        id = g_strndup (text, length);
      } else if (cnn3d_json_is (&member, "file_name")) {
        read_frame (reading, member.value, &frame);
      } else if (cnn3d_json_is (&member, "width") && read_number (member.value, &size) && size >= 1
          && size <= G_MAXUINT16) {
        reading->builder->width = size;
      } else if (cnn3d_json_is (&member, "height") && read_number (member.value, &size) && size >= 1
          && size <= G_MAXUINT16) {
        reading->builder->height = size;
      }
    }
    if (id && !isnan (frame))
      g_hash_table_insert (found, g_steal_pointer (&id), GSIZE_TO_POINTER ((gsize) frame + 1));
    g_free (id);
  }
  reading->images = found;
}

/* The list of persons, or of frames. */
static gboolean
read_document (Reading *reading, const gchar *document, Person *person, GError **error)
{
  const gchar *list = NULL, *images = NULL;
  Cnn3dJsonWalk walk;
  gdouble first = 0;

  if (*document == '[')
    return read_list (reading, document, person, 0, error);
  cnn3d_json_enter (&walk, document);
  while (cnn3d_json_next (&walk)) {
    if (*walk.value != '[')
      continue;
    if (cnn3d_json_is (&walk, "annotations") || cnn3d_json_is (&walk, "predictions"))
      list = walk.value;
    else if (cnn3d_json_is (&walk, "images"))
      images = walk.value;
    else if (cnn3d_json_is (&walk, "instance_info")) {
      /* MMPose's demonstrations count frames from 1 there */
      list = walk.value;
      first = 1;
    }
  }
  if (!list)
    goto no_list;
  if (images)
    read_images (reading, images);
  return read_list (reading, list, person, first, error);

  /* ERRORS */
no_list:
  cnn3d_keypoints_set_error (
      error, "it is JSON, but has no list of annotations, predictions or instance_info");
  return FALSE;
}

/* Where in the text this is, as people count. */
static void
set_json_error (GError **error, const gchar *text, const gchar *at, const gchar *why)
{
  guint line, column;

  cnn3d_json_place (text, at, &line, &column);
  cnn3d_keypoints_set_error (error, "line %u, column %u: %s", line, column, why);
}

static gboolean
read_results (const Cnn3dKeypointsSource *source, Cnn3dKeypointsBuilder *builder, GError **error)
{
  const gchar *text = (const gchar *) source->data, *end = text + source->size, *at, *why;
  Reading reading = { .builder = builder };
  Person person = { .frame = NAN };
  gboolean ok;

  if (memcmp (text, "\xef\xbb\xbf", MIN (source->size, 3)) == 0)
    text += 3;
  if (!g_utf8_validate (text, end - text, &at)) {
    set_json_error (error, text, at, "the text is not UTF-8");
    return FALSE;
  }
  while (text < end && g_ascii_isspace (*text))
    text++;
  why = cnn3d_json_check (text, end, &at, NULL, NULL);
  if (why) {
    set_json_error (error, (const gchar *) source->data, at, why);
    return FALSE;
  }
  reading.buffer = g_string_new (NULL);
  person.points = g_new (gdouble, MOST_NUMBERS);
  person.scores = g_new (gdouble, MOST_NUMBERS);
  ok = read_document (&reading, text, &person, error);
  builder->tracked = reading.persons > 0 && reading.tracked == reading.persons;
  g_free (person.points);
  g_free (person.scores);
  g_clear_pointer (&reading.images, g_hash_table_unref);
  g_string_free (reading.buffer, TRUE);
  return ok;
}

const Cnn3dKeypointsReader cnn3d_keypoints_coco = { "COCO results", knows, read_results };
