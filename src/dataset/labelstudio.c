/* labelstudio.c: Label Studio's exports of labelled videos, JSON and JSON_MIN.
 *
 *     [{"data": {"video": "/data/upload/1/ab12cd34-w1.mp4"},
 *       "annotations": [{"completed_by": 1, "result": [
 *         {"value": {"ranges": [{"start": 3, "end": 12}], "timelinelabels": ["Walk"]}}]}]}]
 *
 *     [{"id": 1, "video": "...", "annotator": 1,
 *       "videoLabels": [{"ranges": [...], "timelinelabels": ["Walk"]}]}]
 *
 * Ranges are frames from 1, the last one included; "labels" have "start" and "end" in
 * seconds; "choices" are of the whole video. Files are found by their names below root.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/reader.h"

#include <math.h>
#include <string.h>

/* What an upload's name begins with: eight hexadecimal digits and a minus. */
#define UPLOAD 9

/* So many types of results are counted by name. */
#define MOST_TYPES 20

typedef struct {
  Cnn3dReading *reading;
  Cnn3dArena arena;
  Cnn3dNames tasks; /* ids, of rows that each are one annotation */
  guint without;    /* tasks that have no annotation to take */
  Cnn3dNames types; /* of results that are no label of a time */
  GArray *ignored;  /* guint: how many of each */
} Studio;

static gboolean
knows (const Cnn3dReading *reading)
{
  if (reading->content != CNN3D_CONTENT_JSON || reading->keys[0]->len > 0
      || cnn3d_reading_has_key (reading, 1, "path"))
    return FALSE;
  return (cnn3d_reading_has_key (reading, 1, "annotations")
             && cnn3d_reading_has_key (reading, 1, "data"))
      || cnn3d_reading_has_key (reading, 1, "annotation_id")
      || (cnn3d_reading_has_key (reading, 1, "annotator")
          && cnn3d_reading_has_key (reading, 1, "lead_time"));
}

/* --- the file --- */

/* The name of the file in an address: without folders, host, query. g_free(). */
static gchar *
name_of_file (const gchar *text, gsize size)
{
  g_autofree gchar *address = g_strndup (text, size);
  gchar *local = strstr (address, "?d="), *query, *name;

  if (local)
    memmove (address, local + 3, strlen (local + 3) + 1);
  else if ((query = strchr (address, '?')))
    *query = '\0';
  name = g_uri_unescape_string (address, NULL);
  if (!name || !g_utf8_validate (name, -1, NULL)) {
    g_free (name);
    name = g_strdup (address);
  }
  query = strrchr (name, '/');
  if (query)
    memmove (name, query + 1, strlen (query + 1) + 1);
  return name;
}

static gboolean
is_upload (const gchar *name)
{
  for (guint i = 0; i < UPLOAD - 1; i++)
    if (!g_ascii_isxdigit (name[i]))
      return FALSE;
  return name[UPLOAD - 1] == '-';
}

static gboolean
set_path (Cnn3dReading *reading, const gchar *value, Cnn3dClip *clip, GError **error)
{
  g_autofree gchar *name = NULL;
  const gchar *path = NULL, *text, *dot;
  gsize size;

  text = cnn3d_json_text (value, reading->buffer, &size);
  name = name_of_file (text, size);
  dot = strrchr (name, '.');
  size = dot ? (gsize) (dot - name) : strlen (name);
  if (!cnn3d_reading_find (reading, name, size, NULL, value, &path, error))
    return FALSE;
  if (!path && size > UPLOAD && is_upload (name)
      && !cnn3d_reading_find (reading, name + UPLOAD, size - UPLOAD, NULL, value, &path, error))
    return FALSE;
  if (!path)
    path = name;
  clip->path = cnn3d_reading_path (reading, path, strlen (path), value, error);
  return clip->path != CNN3D_ARENA_FULL;
}

/* The text that is the video's address: "video", or the first one that ends as a
 * video's name does. NULL: there is none. */
static const gchar *
find_video (Cnn3dReading *reading, const gchar *object)
{
  const gchar *found = NULL, *text;
  Cnn3dJsonWalk walk;
  gsize size;

  for (cnn3d_json_enter (&walk, object); cnn3d_json_next (&walk);) {
    if (*walk.value != '"')
      continue;
    if (cnn3d_json_is (&walk, "video"))
      return walk.value;
    text = cnn3d_json_text (walk.value, reading->buffer, &size);
    if (!found && cnn3d_video_name (text, size))
      found = walk.value;
  }
  return found;
}

/* --- labels --- */

/* The one label of a list; a text alone is as good. */
static gboolean
set_label (Cnn3dReading *reading, const gchar *value, Cnn3dClip *clip, GError **error)
{
  Cnn3dField field = { .text = "" };
  const gchar *label = value;
  Cnn3dJsonWalk walk;

  if (*value == '[') {
    cnn3d_json_enter (&walk, value);
    label = cnn3d_json_next (&walk) ? walk.value : NULL;
    if (label && cnn3d_json_next (&walk)) {
      cnn3d_reading_error (reading, value, error,
          "several labels; a clip has one class here: keep one label for each range");
      return FALSE;
    }
  }
  if (label && !cnn3d_reading_value (reading, label, "label", &field, error))
    return FALSE;
  clip->label = field.text;
  clip->label_size = field.size;
  clip->label_at = value;
  return TRUE;
}

static gboolean
add_range (Cnn3dReading *reading, const gchar *range, Cnn3dClip clip, GError **error)
{
  gboolean has_start = FALSE, has_end = FALSE;
  Cnn3dJsonWalk walk;
  Cnn3dField field;

  clip.in_frames = TRUE;
  clip.at = range;
  for (cnn3d_json_enter (&walk, range); cnn3d_json_next (&walk);) {
    const gboolean start = cnn3d_json_is (&walk, "start");

    if (!start && !cnn3d_json_is (&walk, "end"))
      continue;
    if (!cnn3d_reading_value (reading, walk.value, start ? "start" : "end", &field, error)
        || !cnn3d_reading_frame (reading, &field, start ? "first frame" : "last frame",
            start ? &clip.start : &clip.end, error))
      return FALSE;
    has_start |= start;
    has_end |= !start;
  }
  if (!has_start || !has_end) {
    cnn3d_reading_error (reading, range, error, "the range has no %s", has_start ? "end" : "start");
    return FALSE;
  }
  clip.start = MAX (clip.start - 1, 0);
  return cnn3d_reading_add (reading, &clip, error);
}

/* Counts a result that is not read, by its type. */
static void
count_ignored (Studio *studio, const gchar *type)
{
  const gchar *text = "(no type)";
  const guint none = 0;
  gsize size = strlen (text);
  guint number;

  if (type && *type == '"')
    text = cnn3d_json_text (type, studio->reading->buffer, &size);
  size = cnn3d_shown_bytes (text, size);
  /* the last one is for all others */
  if (studio->types.n >= MOST_TYPES
      && cnn3d_names_find (&studio->types, &studio->arena, text, size) == CNN3D_NAME_NONE)
    number = MOST_TYPES - 1;
  else
    number = cnn3d_names_intern (&studio->types, &studio->arena, text, size);
  if (number == CNN3D_NAME_NONE)
    return;
  if (number == studio->ignored->len)
    g_array_append_val (studio->ignored, none);
  g_array_index (studio->ignored, guint, number)++;
}

static void
note_ignored (const Studio *studio)
{
  g_autoptr (GString) list = g_string_new (NULL);

  for (guint i = 0; i < studio->ignored->len; i++)
    g_string_append_printf (list, "%s%s %u", i ? ", " : "",
        studio->arena.data + studio->types.offsets[i], g_array_index (studio->ignored, guint, i));
  if (list->len)
    cnn3d_dataset_note (studio->reading->dataset, FALSE,
        "%s: results that do not label a time range, by type, which are left out: %s",
        studio->reading->location, list->str);
}

/* A region: {"ranges": [...], "timelinelabels": [...]}, {"start": s, "end": s, "labels": [...]}
 * or {"choices": [...]}; something else is no label of a time, adds nothing, and is not *used. */
static gboolean
add_region (
    Cnn3dReading *reading, const gchar *region, Cnn3dClip clip, gboolean *used, GError **error)
{
  const gchar *ranges = NULL, *labels = NULL, *start = NULL, *end = NULL, *choices = NULL;
  g_autofree gchar *label = NULL;
  Cnn3dJsonWalk walk;
  Cnn3dField field;

  clip.at = region;
  *used = TRUE;
  for (cnn3d_json_enter (&walk, region); cnn3d_json_next (&walk);) {
    if (cnn3d_json_is (&walk, "ranges"))
      ranges = walk.value;
    else if (cnn3d_json_is (&walk, "timelinelabels") || cnn3d_json_is (&walk, "labels"))
      labels = walk.value;
    else if (cnn3d_json_is (&walk, "choices"))
      choices = walk.value;
    else if (cnn3d_json_is (&walk, "start"))
      start = walk.value;
    else if (cnn3d_json_is (&walk, "end"))
      end = walk.value;
  }
  if (choices && !ranges && !start)
    return set_label (reading, choices, &clip, error) && cnn3d_reading_add (reading, &clip, error);
  *used = labels && (ranges || start);
  if (!*used)
    return TRUE;
  if (!set_label (reading, labels, &clip, error))
    return FALSE;
  clip.label = label = g_strndup (clip.label, clip.label_size);
  if (ranges) {
    for (cnn3d_json_enter (&walk, ranges); cnn3d_json_next (&walk);)
      if (!add_range (reading, walk.value, clip, error))
        return FALSE;
    return TRUE;
  }
  return cnn3d_reading_value (reading, start, "start", &field, error)
      && cnn3d_reading_seconds (reading, &field, "start", FALSE, &clip.start, error)
      && (!end
          || (cnn3d_reading_value (reading, end, "end", &field, error)
              && cnn3d_reading_seconds (reading, &field, "end", FALSE, &clip.end, error)))
      && cnn3d_reading_add (reading, &clip, error);
}

/* --- who annotated --- */

/* Whether the annotator is the one that is wanted: by number, address or name. */
static gboolean
is_wanted (const Studio *studio, const gchar *value)
{
  const gchar *wanted = studio->reading->params->annotator;
  Cnn3dJsonWalk walk;
  const gchar *text;
  gsize size;

  if (!wanted || !*wanted)
    return TRUE;
  if (!value)
    return FALSE;
  if (*value != '{') {
    text = cnn3d_json_text (value, studio->reading->buffer, &size);
    /* JSON_MIN may have "anna@example.org 1" */
    return text && strncmp (text, wanted, MIN (size, strlen (wanted))) == 0
        && (size == strlen (wanted) || (size > strlen (wanted) && text[strlen (wanted)] == ' '));
  }
  for (cnn3d_json_enter (&walk, value); cnn3d_json_next (&walk);)
    if ((cnn3d_json_is (&walk, "id") || cnn3d_json_is (&walk, "email")
            || cnn3d_json_is (&walk, "username"))
        && is_wanted (studio, walk.value))
      return TRUE;
  return FALSE;
}

static gboolean
is_true (const gchar *value)
{
  return *value == 't';
}

/* The annotation of a task that is taken, NULL: none. FALSE with `error` set: there are
 * several people's. */
static gboolean
choose_annotation (
    const Studio *studio, const gchar *annotations, const gchar **chosen, GError **error)
{
  Cnn3dJsonWalk list, walk;

  *chosen = NULL;
  for (cnn3d_json_enter (&list, annotations); cnn3d_json_next (&list);) {
    const gchar *who = NULL;
    gboolean cancelled = FALSE;

    for (cnn3d_json_enter (&walk, list.value); cnn3d_json_next (&walk);) {
      if (cnn3d_json_is (&walk, "completed_by"))
        who = walk.value;
      else if (cnn3d_json_is (&walk, "was_cancelled"))
        cancelled = is_true (walk.value);
    }
    if (cancelled || !is_wanted (studio, who))
      continue;
    if (*chosen) {
      cnn3d_reading_error (studio->reading, list.value, error,
          "a second annotation of this video; set annotator to the number or address "
          "(completed_by) of one annotator");
      return FALSE;
    }
    *chosen = list.value;
  }
  return TRUE;
}

/* --- tasks --- */

static gboolean
add_task (Studio *studio, const gchar *task, GError **error)
{
  Cnn3dReading *reading = studio->reading;
  const gchar *data = NULL, *annotations = NULL, *chosen, *video;
  Cnn3dClip clip = CNN3D_CLIP_WHOLE;
  Cnn3dJsonWalk walk, results;

  for (cnn3d_json_enter (&walk, task); cnn3d_json_next (&walk);) {
    if (cnn3d_json_is (&walk, "data"))
      data = walk.value;
    else if (cnn3d_json_is (&walk, "annotations"))
      annotations = walk.value;
  }
  video = data ? find_video (reading, data) : NULL;
  if (!video)
    goto no_video;
  if (!choose_annotation (studio, annotations ? annotations : "", &chosen, error))
    return FALSE;
  if (!chosen) {
    studio->without++;
    return TRUE;
  }
  if (!set_path (reading, video, &clip, error))
    return FALSE;
  clip.at = task;
  cnn3d_reading_begin_video (reading);
  for (cnn3d_json_enter (&walk, chosen); cnn3d_json_next (&walk);) {
    if (!cnn3d_json_is (&walk, "result"))
      continue;
    for (cnn3d_json_enter (&results, walk.value); cnn3d_json_next (&results);) {
      const gchar *value = NULL, *type = NULL;
      gboolean used = FALSE;
      Cnn3dJsonWalk region;

      for (cnn3d_json_enter (&region, results.value); cnn3d_json_next (&region);) {
        if (cnn3d_json_is (&region, "value"))
          value = region.value;
        else if (cnn3d_json_is (&region, "type"))
          type = region.value;
      }
      if (value && !add_region (reading, value, clip, &used, error))
        return FALSE;
      if (!used)
        count_ignored (studio, type);
    }
    break;
  }
  return cnn3d_reading_end_video (reading, &clip, error);

  /* ERRORS */
no_video:
  cnn3d_reading_error (reading, task, error, "the task has no video in its data");
  return FALSE;
}

/* A row of JSON_MIN is one annotation. FALSE with `error` set: the task's second. */
static gboolean
check_second (Studio *studio, const gchar *row, const gchar *id, GError **error)
{
  const guint before = studio->tasks.n;
  const gchar *text;
  gsize size;

  text = id ? cnn3d_json_text (id, studio->reading->buffer, &size) : NULL;
  if (!text || cnn3d_names_intern (&studio->tasks, &studio->arena, text, size) == before)
    return TRUE;
  cnn3d_reading_error (studio->reading, row, error,
      "a second annotation of this video; set annotator to one of the values of the member "
      "annotator");
  return FALSE;
}

static gboolean
add_row (Studio *studio, const gchar *row, GError **error)
{
  Cnn3dReading *reading = studio->reading;
  const gchar *video = find_video (reading, row), *who = NULL, *id = NULL;
  Cnn3dClip clip = CNN3D_CLIP_WHOLE;
  Cnn3dJsonWalk walk, regions;
  gboolean used;

  clip.at = row;
  if (!video) {
    cnn3d_reading_error (reading, row, error, "the row has no video");
    return FALSE;
  }
  for (cnn3d_json_enter (&walk, row); cnn3d_json_next (&walk);) {
    if (cnn3d_json_is (&walk, "annotator"))
      who = walk.value;
    else if (cnn3d_json_is (&walk, "id"))
      id = walk.value;
  }
  if (!is_wanted (studio, who))
    return TRUE;
  if (!check_second (studio, row, id, error) || !set_path (reading, video, &clip, error))
    return FALSE;
  cnn3d_reading_begin_video (reading);
  for (cnn3d_json_enter (&walk, row); cnn3d_json_next (&walk);) {
    if (cnn3d_json_is (&walk, "choice")) {
      if (!set_label (reading, walk.value, &clip, error)
          || !cnn3d_reading_add (reading, &clip, error))
        return FALSE;
    } else if (*walk.value == '{') {
      if (!add_region (reading, walk.value, clip, &used, error))
        return FALSE;
    } else if (*walk.value == '[') {
      for (cnn3d_json_enter (&regions, walk.value); cnn3d_json_next (&regions);)
        if (!add_region (reading, regions.value, clip, &used, error))
          return FALSE;
    }
  }
  return cnn3d_reading_end_video (reading, &clip, error);
}

static gboolean
read_tasks (Cnn3dReading *reading, GError **error)
{
  Studio studio = { .reading = reading, .ignored = g_array_new (FALSE, FALSE, sizeof (guint)) };
  const gboolean minimal = !cnn3d_reading_has_key (reading, 1, "data");
  Cnn3dJsonWalk walk;
  gboolean ok = TRUE;

  for (cnn3d_json_enter (&walk, cnn3d_reading_json (reading)); ok && cnn3d_json_next (&walk);) {
    cnn3d_reading_release (reading, walk.value);
    ok = (minimal ? add_row : add_task) (&studio, walk.value, error);
  }
  if (ok && studio.without > 0)
    cnn3d_dataset_note (reading->dataset, FALSE,
        "%s: tasks without an annotation, which are left out: %u", reading->location,
        studio.without);
  if (ok)
    note_ignored (&studio);
  g_array_unref (studio.ignored);
  cnn3d_names_clear (&studio.types);
  cnn3d_names_clear (&studio.tasks);
  g_free (studio.arena.data);
  return ok;
}

const Cnn3dReader cnn3d_labelstudio_reader = { "Label Studio's JSON", knows, read_tasks,
  .clips = "timeline labels, labels with start and end, or choices of the annotations of tasks",
  .annotators = TRUE, .background = TRUE };
