/* timeline.c: JSON timelines, the labelled segments of each video:
 *
 *     {"videos": [{"path": "a.mp4", "group": "anna", "split": "train",
 *                  "segments": [{"start": 1.5, "end": 4, "label": "wave"}]}]}
 *
 * or the array alone, as CreateML has it. A video with a label of its own and no
 * segments is one clip. "fps" is the rate of one that is a folder of pictures. Members
 * have the names of columns (columns.c), and what a segment says of itself wins over its
 * video; a time may be "segment": [1.5, 4], too.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/reader.h"

#include <math.h>
#include <string.h>

/* So many members without a meaning are named. */
#define MAX_NAMED 20

typedef enum {
  LEVEL_VIDEO,
  LEVEL_SEGMENT,
  N_LEVELS,
} Level;

typedef struct {
  Cnn3dReading *reading;
  GString *texts[N_LEVELS][CNN3D_N_COLUMNS]; /* of members that were escaped */
  GPtrArray *ignored;                        /* names of members */
  Cnn3dField path;                           /* of the video, as it is written */
  gboolean folded;                           /* a clip has a fold */
  const gchar *unfolded;                     /* the first clip that has none; NULL: all have one */
} Timeline;

/* An object's members by their meaning. */
typedef struct {
  Level level;
  const gchar *by[CNN3D_N_COLUMNS]; /* values; NULL: absent */
  guint ranks[CNN3D_N_COLUMNS];     /* of their names; 0: a documented one */
  const gchar *offset;              /* the value that is the end is called so */
  const gchar *segment, *segments, *annotations;
  Cnn3dJsonWalk unknown; /* one that looks like a time or a split */
  Cnn3dColumn resembles;
} Members;

static void
note_name (Timeline *timeline, const gchar *name, gsize size)
{
  for (guint i = 0; i < timeline->ignored->len; i++) {
    const gchar *other = g_ptr_array_index (timeline->ignored, i);

    if (strlen (other) == size && memcmp (other, name, size) == 0)
      return;
  }
  if (timeline->ignored->len <= MAX_NAMED)
    g_ptr_array_add (timeline->ignored, g_strndup (name, size));
}

/* Other tools' members of such a name: what a video of labelled segments is about, names of segments,
 * and points and lists that are no file and no fold. */
static gboolean
means_else (Level level, Cnn3dColumn column, guint rank, const Cnn3dJsonWalk *walk)
{
  const gboolean text = *walk->value == '"', list = *walk->value == '[' || *walk->value == '{';

  switch (column) {
    case CNN3D_COLUMN_PATH:
      return level == LEVEL_SEGMENT && rank > 0;
    case CNN3D_COLUMN_KEYPOINTS:
      /* a file has an ending */
      return !text || !memchr (walk->value, '.', strcspn (walk->value + 1, "\"") + 1);
    case CNN3D_COLUMN_FOLD:
      return list;
    default:
      return FALSE;
  }
}

static void
find_members (Timeline *timeline, const gchar *object, Level level, Members *members)
{
  Cnn3dJsonWalk walk;

  memset (members, 0, sizeof *members);
  members->level = level;
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
      if (means_else (level, column, rank, &walk)) {
        note_name (timeline, walk.key, walk.key_size);
        continue;
      }
      /* a documented name wins; of equals the last, as everywhere in JSON */
      if (!members->by[column] || rank <= members->ranks[column]) {
        members->by[column] = walk.value;
        members->ranks[column] = rank;
        if (column == CNN3D_COLUMN_END)
          members->offset = cnn3d_column_is_offset (walk.key, walk.key_size) ? walk.key : NULL;
      }
    } else {
      like = cnn3d_column_resembles (walk.key, walk.key_size);
      if (like == CNN3D_COLUMN_START || like == CNN3D_COLUMN_SPLIT) {
        members->unknown = walk;
        members->resembles = like;
      } else {
        note_name (timeline, walk.key, walk.key_size);
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
    GString *text = timeline->texts[members->level][column];

    g_string_truncate (text, 0);
    g_string_append_len (text, field->text, field->size);
    field->text = text->str;
  }
  return TRUE;
}

/* What an object says of its clips beside path, label and times. */
static gboolean
take_members (
    Timeline *timeline, const Members *members, Cnn3dClip *clip, gboolean *folded, GError **error)
{
  const Cnn3dReading *reading = timeline->reading;
  Cnn3dField group, view, split, fold, rate, keypoints;

  if (!get_field (timeline, members, CNN3D_COLUMN_GROUP, &group, error)
      || !get_field (timeline, members, CNN3D_COLUMN_VIEW, &view, error)
      || !get_field (timeline, members, CNN3D_COLUMN_SPLIT, &split, error)
      || !get_field (timeline, members, CNN3D_COLUMN_FOLD, &fold, error)
      || !get_field (timeline, members, CNN3D_COLUMN_FPS, &rate, error)
      || !get_field (timeline, members, CNN3D_COLUMN_KEYPOINTS, &keypoints, error))
    return FALSE;
  if (group.size > 0) {
    clip->group = group.text;
    clip->group_size = group.size;
  }
  if (view.size > 0) {
    clip->view = view.text;
    clip->view_size = view.size;
  }
  if (keypoints.size > 0) {
    clip->keypoints = keypoints.text;
    clip->keypoints_size = keypoints.size;
  }
  if (split.size > 0 && !cnn3d_reading_split (reading, &split, &clip->split, error))
    return FALSE;
  if (members->by[CNN3D_COLUMN_FOLD]) {
    *folded = TRUE;
    if (!cnn3d_reading_fold (reading, &fold, clip->split, &clip->fold, error))
      return FALSE;
  }
  return cnn3d_reading_fps (reading, &rate, FALSE, &clip->fps, error);
}

/* A segment is of its video's file, and what lies between segments is a clip of the video, too, which
 * would be elsewhere than they are. */
static gboolean
check_segment (Timeline *timeline, const Members *members, const Cnn3dClip *video,
    const Cnn3dClip *clip, GError **error)
{
  const Cnn3dReading *reading = timeline->reading;
  const Cnn3dField *own = &timeline->path;
  Cnn3dColumn column = CNN3D_COLUMN_IGNORED;
  Cnn3dField path;

  if (!get_field (timeline, members, CNN3D_COLUMN_PATH, &path, error))
    return FALSE;
  if (path.size > 0 && (path.size != own->size || memcmp (own->text, path.text, path.size))) {
    cnn3d_reading_error (reading, members->by[CNN3D_COLUMN_PATH], error,
        "a segment is of its video's file; give another file a video of its own");
    return FALSE;
  }
  if (!reading->spans)
    return TRUE;
  if (clip->split != video->split)
    column = CNN3D_COLUMN_SPLIT;
  else if (members->by[CNN3D_COLUMN_FOLD] && clip->fold != video->fold)
    column = CNN3D_COLUMN_FOLD;
  else if (clip->group_size != video->group_size
      || (clip->group_size > 0 && memcmp (clip->group, video->group, clip->group_size)))
    column = CNN3D_COLUMN_GROUP;
  if (column == CNN3D_COLUMN_IGNORED)
    return TRUE;
  cnn3d_reading_error (reading, members->by[column], error,
      "with background, what lies between segments is a clip, too: give the %s to the video",
      cnn3d_column_names[column]);
  return FALSE;
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
    if (members->offset && !members->by[CNN3D_COLUMN_START]) {
      cnn3d_reading_error (reading, members->offset, error, "%s", CNN3D_OFFSET_REASON);
      return FALSE;
    }
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

/* Of a test clip it does not count. at: the clip, or its video */
static gboolean
take_no_fold (Timeline *timeline, const gchar *at, Cnn3dClip *clip, GError **error)
{
  const Cnn3dField none = { .text = "" };

  if (clip->split == CNN3D_SPLIT_TEST)
    return cnn3d_reading_fold (timeline->reading, &none, clip->split, &clip->fold, error);
  if (!timeline->unfolded)
    timeline->unfolded = at;
  return TRUE;
}

static gboolean
add_clip (Timeline *timeline, const gchar *object, const Members *members, Cnn3dClip clip,
    gboolean folded, GError **error)
{
  Cnn3dField label;

  timeline->folded |= folded;
  if (!folded && !take_no_fold (timeline, object, &clip, error))
    return FALSE;
  clip.at = object;
  if (!get_window (timeline, members, &clip, error) || !check_unknown (timeline, members, error))
    return FALSE;
  if (members->by[CNN3D_COLUMN_LABEL]) {
    if (!get_field (timeline, members, CNN3D_COLUMN_LABEL, &label, error))
      return FALSE;
    clip.label_at = members->by[CNN3D_COLUMN_LABEL];
    clip.label = label.text;
    clip.label_size = label.size;
  }
  return cnn3d_reading_add (timeline->reading, &clip, error);
}

static gboolean
add_segments (Timeline *timeline, const Members *members, const Cnn3dClip *video, gboolean folded,
    GError **error)
{
  /* another name of it, as category, is what the video is about */
  const gboolean named = members->by[CNN3D_COLUMN_LABEL] && members->ranks[CNN3D_COLUMN_LABEL] == 0;
  Cnn3dReading *reading = timeline->reading;
  Cnn3dField duration, label;
  Cnn3dJsonWalk walk;
  Cnn3dClip rest = *video;
  guint n = 0;

  if (*members->segments != '[') {
    cnn3d_reading_error (reading, members->segments, error, "segments is not an array");
    return FALSE;
  }
  cnn3d_reading_begin_video (reading);
  for (cnn3d_json_enter (&walk, members->segments); cnn3d_json_next (&walk); n++) {
    Cnn3dClip clip = *video;
    gboolean own_folded = folded;
    Members own;

    if (*walk.value != '{') {
      cnn3d_reading_error (reading, walk.value, error, "not an object");
      return FALSE;
    }
    find_members (timeline, walk.value, LEVEL_SEGMENT, &own);
    if (!own.by[CNN3D_COLUMN_LABEL] && named) {
      if (!get_field (timeline, members, CNN3D_COLUMN_LABEL, &label, error))
        return FALSE;
      clip.label = label.text;
      clip.label_size = label.size;
    }
    if (!take_members (timeline, &own, &clip, &own_folded, error)
        || !check_segment (timeline, &own, video, &clip, error)
        || !add_clip (timeline, walk.value, &own, clip, own_folded, error))
      return FALSE;
  }
  if (n == 0 && !reading->spans)
    reading->left_out++;
  if (reading->spans && !folded && !take_no_fold (timeline, video->at, &rest, error))
    return FALSE;
  return get_field (timeline, members, CNN3D_COLUMN_DURATION, &duration, error)
      && cnn3d_reading_seconds (reading, &duration, "duration", FALSE, &rest.end, error)
      && cnn3d_reading_end_video (reading, &rest, error);
}

static gboolean
is_empty (const gchar *array)
{
  Cnn3dJsonWalk walk;

  if (!array || *array != '[')
    return FALSE;
  cnn3d_json_enter (&walk, array);
  return !cnn3d_json_next (&walk);
}

static gboolean
add_video (Timeline *timeline, const gchar *value, gfloat fps, GError **error)
{
  Cnn3dReading *reading = timeline->reading;
  const Cnn3dField *path = &timeline->path;
  gboolean folded = FALSE;
  Cnn3dClip video = { .end = INFINITY, .fps = fps, .at = value };
  Members members;

  if (*value != '{') {
    cnn3d_reading_error (reading, value, error, "not an object");
    return FALSE;
  }
  find_members (timeline, value, LEVEL_VIDEO, &members);
  if (!members.by[CNN3D_COLUMN_PATH]) {
    cnn3d_reading_error (reading, value, error, "the path is missing");
    return FALSE;
  }
  if (!get_field (timeline, &members, CNN3D_COLUMN_PATH, &timeline->path, error)
      || !take_members (timeline, &members, &video, &folded, error))
    return FALSE;
  video.path =
      cnn3d_reading_path (reading, path->text, path->size, members.by[CNN3D_COLUMN_PATH], error);
  if (video.path == CNN3D_ARENA_FULL)
    return FALSE;
  /* programs write empty lists for what has none */
  if (is_empty (members.segments) && members.by[CNN3D_COLUMN_LABEL]
      && members.ranks[CNN3D_COLUMN_LABEL] == 0)
    members.segments = NULL;
  if (!members.segments && !members.by[CNN3D_COLUMN_LABEL])
    members.segments = members.annotations;
  else if (members.annotations && !is_empty (members.annotations))
    note_name (timeline, "annotations", strlen ("annotations"));
  if (!members.segments)
    return add_clip (timeline, value, &members, video, folded, error);
  return add_segments (timeline, &members, &video, folded, error);
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

  for (guint i = 0; i < N_LEVELS * CNN3D_N_COLUMNS; i++)
    timeline.texts[i / CNN3D_N_COLUMNS][i % CNN3D_N_COLUMNS] = g_string_new (NULL);
  ok = find_videos (reading, &videos, &fps, error);
  if (ok)
    cnn3d_json_enter (&walk, videos);
  while (ok && cnn3d_json_next (&walk))
    ok = add_video (&timeline, walk.value, fps, error);
  if (ok && timeline.folded && timeline.unfolded) {
    cnn3d_reading_error (
        reading, timeline.unfolded, error, "the fold is missing, but other clips have one");
    ok = FALSE;
  }
  reading->dataset->has_folds |= timeline.folded;
  if (ok) {
    note_ignored (&timeline);
    cnn3d_reading_note_left_out (reading, "videos without segments, which are left out");
  }
  for (guint i = 0; i < N_LEVELS * CNN3D_N_COLUMNS; i++)
    g_string_free (timeline.texts[i / CNN3D_N_COLUMNS][i % CNN3D_N_COLUMNS], TRUE);
  g_ptr_array_unref (timeline.ignored);
  return ok;
}

const Cnn3dReader cnn3d_timeline_reader = { "JSON timelines", knows, read_timeline,
  .clips = "videos with a label, or with segments that have one", .background = TRUE };
