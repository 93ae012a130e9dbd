/* timeline.c: JSON timelines, the labelled segments of each video:
 *
 *     {"videos": [{"path": "a.mp4", "group": "anna", "split": "train",
 *                  "segments": [{"start": 1.5, "end": 4, "label": "wave"}]}]}
 *
 * or the array alone, as CreateML has it. A video with a label of its own and no
 * segments is one clip. "fps" is the rate of one that is a folder of pictures. Members
 * have the names of columns (columns.c); a time may be "segment": [1.5, 4], too.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/reader.h"

#include <math.h>
#include <string.h>

/* So many members without a meaning are named. */
#define MAX_NAMED 20

typedef struct {
  Cnn3dReading *reading;
  GString *texts[CNN3D_N_COLUMNS]; /* of members that were escaped */
  GPtrArray *ignored;              /* names of members */
} Timeline;

/* An object's members by their meaning. */
typedef struct {
  const gchar *by[CNN3D_N_COLUMNS]; /* values; NULL: absent */
  const gchar *segment, *segments, *annotations;
  Cnn3dJsonWalk unknown; /* one that looks like a time or a split */
  Cnn3dColumn resembles;
} Members;

static void
note_member (Timeline *timeline, const Cnn3dJsonWalk *walk)
{
  for (guint i = 0; i < timeline->ignored->len; i++)
    if (cnn3d_json_is (walk, g_ptr_array_index (timeline->ignored, i)))
      return;
  if (timeline->ignored->len <= MAX_NAMED)
    g_ptr_array_add (timeline->ignored, g_strndup (walk->key, walk->key_size));
}

static void
find_members (Timeline *timeline, const gchar *object, Members *members)
{
  guint ranks[CNN3D_N_COLUMNS];
  Cnn3dJsonWalk walk;

  memset (members, 0, sizeof *members);
  for (cnn3d_json_enter (&walk, object); cnn3d_json_next (&walk);) {
    guint rank;
    const Cnn3dColumn column =
        cnn3d_reading_column (timeline->reading, walk.key, walk.key_size, &rank);
    Cnn3dColumn like;

    if (cnn3d_json_is (&walk, "segments")) {
      members->segments = walk.value;
    } else if (cnn3d_json_is (&walk, "annotations")) {
      members->annotations = walk.value;
    } else if (cnn3d_json_is (&walk, "segment")) {
      members->segment = walk.value;
    } else if (column != CNN3D_COLUMN_IGNORED) {
      /* as if it were not there: programs write all columns of each row */
      if (cnn3d_json_is_null (walk.value))
        continue;
      /* a documented name wins; of equals the last, as everywhere in JSON */
      if (!members->by[column] || rank <= ranks[column]) {
        members->by[column] = walk.value;
        ranks[column] = rank;
      }
    } else {
      like = cnn3d_column_resembles (walk.key, walk.key_size);
      if (like == CNN3D_COLUMN_START || like == CNN3D_COLUMN_SPLIT) {
        members->unknown = walk;
        members->resembles = like;
      } else {
        note_member (timeline, &walk);
      }
    }
  }
}

/* A time or a split that is passed over in silence makes another data set of it. */
static gboolean
check_unknown (const Timeline *timeline, const Members *members, GError **error)
{
  const gboolean times = members->segment
      || (members->by[CNN3D_COLUMN_START] && members->by[CNN3D_COLUMN_END])
      || (members->by[CNN3D_COLUMN_START_FRAME] && members->by[CNN3D_COLUMN_END_FRAME]);

  if (members->resembles == CNN3D_COLUMN_IGNORED
      || (members->resembles == CNN3D_COLUMN_START ? times
                                                   : members->by[CNN3D_COLUMN_SPLIT] != NULL))
    return TRUE;
  cnn3d_reading_error (timeline->reading, members->unknown.key, error,
      "the member \"%.*s\" looks like a %s, but its name is not known; call it %s, or remove it",
      CNN3D_SHOWN (members->unknown.key, members->unknown.key_size),
      members->resembles == CNN3D_COLUMN_START ? "time" : "split",
      members->resembles == CNN3D_COLUMN_START ? "start, end, start_frame or end_frame" : "split");
  return FALSE;
}

/* The text of a member, empty where it is absent. */
static gboolean
get_field (Timeline *timeline, const Members *members, Cnn3dColumn column, Cnn3dField *field,
    GError **error)
{
  const Cnn3dReading *reading = timeline->reading;

  *field = (Cnn3dField) { .text = "" };
  if (!members->by[column])
    return TRUE;
  if (!cnn3d_reading_value (reading, members->by[column], cnn3d_column_names[column], field, error))
    return FALSE;
  if (field->text == reading->buffer->str) {
    g_string_truncate (timeline->texts[column], 0);
    g_string_append_len (timeline->texts[column], field->text, field->size);
    field->text = timeline->texts[column]->str;
  }
  return TRUE;
}

static gboolean
get_window (Timeline *timeline, const Members *members, Cnn3dClip *clip, GError **error)
{
  const Cnn3dReading *reading = timeline->reading;
  Cnn3dField start, end;

  if (members->segment && !cnn3d_json_is_null (members->segment) && !members->by[CNN3D_COLUMN_START]
      && !members->by[CNN3D_COLUMN_END])
    return cnn3d_reading_segment (reading, members->segment, &clip->start, &clip->end, error);
  if (members->by[CNN3D_COLUMN_START] || members->by[CNN3D_COLUMN_END]) {
    /* a duration ends what begins, as in tables; without a start it is the video's */
    const gboolean lasts = members->by[CNN3D_COLUMN_START] && !members->by[CNN3D_COLUMN_END]
        && members->by[CNN3D_COLUMN_DURATION];
    const Cnn3dColumn column = lasts ? CNN3D_COLUMN_DURATION : CNN3D_COLUMN_END;

    clip->end_at = members->by[column];
    if (!get_field (timeline, members, CNN3D_COLUMN_START, &start, error)
        || !get_field (timeline, members, column, &end, error)
        || !cnn3d_reading_seconds (reading, &start, "start", FALSE, &clip->start, error)
        || !cnn3d_reading_seconds (
            reading, &end, cnn3d_column_names[column], FALSE, &clip->end, error))
      return FALSE;
    if (lasts)
      clip->end += clip->start;
    return TRUE;
  }
  if (!get_field (timeline, members, CNN3D_COLUMN_START_FRAME, &start, error)
      || !get_field (timeline, members, CNN3D_COLUMN_END_FRAME, &end, error)
      || !cnn3d_reading_frame (reading, &start, "first frame", &clip->start, error)
      || !cnn3d_reading_frame (reading, &end, "last frame", &clip->end, error))
    return FALSE;
  clip->in_frames = start.size || end.size;
  clip->end_at = members->by[CNN3D_COLUMN_END_FRAME];
  clip->end += 1;
  return TRUE;
}

static gboolean
add_clip (
    Timeline *timeline, const gchar *object, const Members *members, Cnn3dClip clip, GError **error)
{
  Cnn3dField label;

  clip.at = object;
  clip.label_at = members->by[CNN3D_COLUMN_LABEL];
  if (!get_field (timeline, members, CNN3D_COLUMN_LABEL, &label, error)
      || !get_window (timeline, members, &clip, error) || !check_unknown (timeline, members, error))
    return FALSE;
  clip.label = label.text;
  clip.label_size = label.size;
  return cnn3d_reading_add (timeline->reading, &clip, error);
}

static gboolean
add_segments (Timeline *timeline, const Members *members, const Cnn3dClip *video, GError **error)
{
  Cnn3dReading *reading = timeline->reading;
  Cnn3dField duration;
  Cnn3dJsonWalk walk;
  Cnn3dClip rest = *video;

  if (*members->segments != '[') {
    cnn3d_reading_error (reading, members->segments, error, "segments is not an array");
    return FALSE;
  }
  cnn3d_reading_begin_video (reading);
  for (cnn3d_json_enter (&walk, members->segments); cnn3d_json_next (&walk);) {
    Members own;

    if (*walk.value != '{') {
      cnn3d_reading_error (reading, walk.value, error, "not an object");
      return FALSE;
    }
    find_members (timeline, walk.value, &own);
    if (!add_clip (timeline, walk.value, &own, *video, error))
      return FALSE;
  }
  return get_field (timeline, members, CNN3D_COLUMN_DURATION, &duration, error)
      && cnn3d_reading_seconds (reading, &duration, "duration", FALSE, &rest.end, error)
      && cnn3d_reading_end_video (reading, &rest, error);
}

static gboolean
add_video (Timeline *timeline, const gchar *value, gfloat fps, GError **error)
{
  Cnn3dReading *reading = timeline->reading;
  Cnn3dField path, group, view, split, rate;
  Cnn3dClip video = { .end = INFINITY, .fps = fps, .at = value };
  Members members;

  if (*value != '{') {
    cnn3d_reading_error (reading, value, error, "not an object");
    return FALSE;
  }
  find_members (timeline, value, &members);
  if (!members.by[CNN3D_COLUMN_PATH]) {
    cnn3d_reading_error (reading, value, error, "the path is missing");
    return FALSE;
  }
  if (!get_field (timeline, &members, CNN3D_COLUMN_PATH, &path, error)
      || !get_field (timeline, &members, CNN3D_COLUMN_GROUP, &group, error)
      || !get_field (timeline, &members, CNN3D_COLUMN_VIEW, &view, error)
      || !get_field (timeline, &members, CNN3D_COLUMN_SPLIT, &split, error)
      || !get_field (timeline, &members, CNN3D_COLUMN_FPS, &rate, error)
      || !cnn3d_reading_split (reading, &split, &video.split, error)
      || !cnn3d_reading_fps (reading, &rate, FALSE, &video.fps, error))
    return FALSE;
  video.group = group.text;
  video.group_size = group.size;
  video.view = view.text;
  video.view_size = view.size;
  video.path =
      cnn3d_reading_path (reading, path.text, path.size, members.by[CNN3D_COLUMN_PATH], error);
  if (video.path == CNN3D_ARENA_FULL)
    return FALSE;
  if (!members.segments && !members.by[CNN3D_COLUMN_LABEL])
    members.segments = members.annotations;
  if (members.segments)
    return add_segments (timeline, &members, &video, error);
  return add_clip (timeline, value, &members, video, error);
}

/* The list of videos, and what the document says of all of them. */
static gboolean
find_videos (const Cnn3dReading *reading, const gchar **videos, gfloat *fps, GError **error)
{
  const gchar *root = cnn3d_reading_json (reading);
  Cnn3dJsonWalk walk;
  Cnn3dField rate;

  *videos = *root == '[' ? root : NULL;
  if (*root == '[')
    return TRUE;
  for (cnn3d_json_enter (&walk, root); cnn3d_json_next (&walk);) {
    if (cnn3d_json_is (&walk, "videos") && *walk.value == '[')
      *videos = walk.value;
    else if (cnn3d_json_is (&walk, "fps")
        && (!cnn3d_reading_value (reading, walk.value, "fps", &rate, error)
            || !cnn3d_reading_fps (reading, &rate, FALSE, fps, error)))
      return FALSE;
  }
  if (*videos)
    return TRUE;
  g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_ROW,
      "%s: no list of videos; write {\"videos\": [{\"path\": ..., \"segments\": [...]}]}",
      reading->location);
  return FALSE;
}

static void
note_ignored (const Timeline *timeline)
{
  const guint n = timeline->ignored->len;
  g_autoptr (GString) names = g_string_new (NULL);

  for (guint i = 0; i < MIN (n, MAX_NAMED); i++) {
    const gchar *name = g_ptr_array_index (timeline->ignored, i);

    g_string_append_printf (names, "%s%.*s", i ? ", " : "", CNN3D_SHOWN (name, strlen (name)));
  }
  if (n > 0)
    cnn3d_dataset_note (timeline->reading->dataset, FALSE, "%s: members that are not read: %s%s",
        timeline->reading->location, names->str, n > MAX_NAMED ? ", ..." : "");
}

static gboolean
knows (const Cnn3dReading *reading)
{
  return reading->content == CNN3D_CONTENT_JSON;
}

static gboolean
read_timeline (Cnn3dReading *reading, GError **error)
{
  Timeline timeline = { .reading = reading, .ignored = g_ptr_array_new_with_free_func (g_free) };
  const gchar *videos;
  Cnn3dJsonWalk walk;
  gfloat fps = 0;
  gboolean ok;

  for (guint i = 0; i < CNN3D_N_COLUMNS; i++)
    timeline.texts[i] = g_string_new (NULL);
  ok = find_videos (reading, &videos, &fps, error);
  if (ok)
    cnn3d_json_enter (&walk, videos);
  while (ok && cnn3d_json_next (&walk))
    ok = add_video (&timeline, walk.value, fps, error);
  if (ok)
    note_ignored (&timeline);
  for (guint i = 0; i < CNN3D_N_COLUMNS; i++)
    g_string_free (timeline.texts[i], TRUE);
  g_ptr_array_unref (timeline.ignored);
  return ok;
}

const Cnn3dReader cnn3d_timeline_reader = { "JSON timelines", knows, read_timeline,
  .clips = "videos with a label, or with segments that have one", .background = TRUE };
