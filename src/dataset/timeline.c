/* timeline.c: JSON timelines, the labelled segments of each video:
 *
 *     {"videos": [{"path": "a.mp4", "group": "anna", "split": "train",
 *                  "segments": [{"start": 1.5, "end": 4, "label": "wave"}]}]}
 *
 * or the array alone. A video with a label and without segments is one
 * clip. "fps" is the rate of one that is a folder of pictures.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/dataset-private.h"

#include <math.h>
#include <string.h>

#include "src/json.h"

#define MAX_SIZE (256u << 20)
#define MAX_DEPTH 32
#define MAX_VALUES (8u << 20)

typedef struct {
  Cnn3dDataset *dataset;
  const gchar *file;
  guint8 source;
} Timeline;

static void
set_entry_error (const Timeline *timeline, guint video, gint segment, GError **error,
    const gchar *reason)
{
  if (segment < 0)
    g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_ROW,
        "%s: videos[%u]: %s", timeline->file, video, reason);
  else
    g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_ROW,
        "%s: videos[%u].segments[%d]: %s", timeline->file, video, segment, reason);
}

/* A member's text; an integer counts as its digits. NULL: absent, or not
 * text. Free with g_free(). */
static gchar *
get_text (JsonObject *object, const gchar *name)
{
  JsonNode *node = json_object_get_member (object, name);

  if (!node || !JSON_NODE_HOLDS_VALUE (node))
    return NULL;
  if (json_node_get_value_type (node) == G_TYPE_STRING)
    return json_node_dup_string (node);
  if (json_node_get_value_type (node) == G_TYPE_INT64)
    return g_strdup_printf ("%" G_GINT64_FORMAT, json_node_get_int (node));
  return NULL;
}

/* Where there is none, *number stays. FALSE: there, but not a finite number. */
static gboolean
get_number (JsonObject *object, const gchar *name, gdouble *number)
{
  JsonNode *node = json_object_get_member (object, name);

  if (!node || JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  if (!JSON_NODE_HOLDS_VALUE (node) || (json_node_get_value_type (node) != G_TYPE_INT64 &&
          json_node_get_value_type (node) != G_TYPE_DOUBLE))
    return FALSE;
  *number = json_node_get_double (node);
  return isfinite (*number);
}

static gboolean
get_seconds (JsonObject *object, const gchar *name, gdouble *seconds)
{
  return get_number (object, name, seconds) && *seconds >= 0;
}

static gboolean
add_clip (const Timeline *timeline, JsonObject *object, Cnn3dRow row, guint video,
    gint segment, GError **error)
{
  Cnn3dDataset *dataset = timeline->dataset;
  gchar *label = get_text (object, "label");
  const gchar *reason = NULL;

  row.end = INFINITY;
  if (!label || !*label)
    reason = "the label is missing; write \"label\": \"its class\"";
  else if (!get_seconds (object, "start", &row.start))
    reason = "the start is not a number of seconds from 0 on";
  else if (!get_seconds (object, "end", &row.end))
    reason = "the end is not a number of seconds from 0 on";
  else if (row.start >= row.end)
    reason = "the end is not after the start";
  else
    row.label = cnn3d_names_intern (&dataset->labels, &dataset->arena, label, strlen (label));
  g_free (label);
  if (reason) {
    set_entry_error (timeline, video, segment, error, reason);
    return FALSE;
  }
  if (row.label == CNN3D_NAME_NONE) {
    cnn3d_dataset_set_full (error, timeline->file);
    return FALSE;
  }
  return cnn3d_dataset_add (dataset, &row, error);
}

static gboolean
add_video (const Timeline *timeline, JsonNode *node, guint video, GError **error)
{
  Cnn3dDataset *dataset = timeline->dataset;
  Cnn3dRow row = {.group = CNN3D_NAME_NONE,.source = timeline->source };
  Cnn3dSplit split_value = CNN3D_SPLIT_NONE;
  gchar *path = NULL, *group = NULL, *split = NULL;
  const gchar *reason = NULL;
  gdouble fps = 0;
  JsonObject *object;
  JsonNode *segments;
  gboolean ok = TRUE, has_fps;

  if (!JSON_NODE_HOLDS_OBJECT (node)) {
    set_entry_error (timeline, video, -1, error, "not an object");
    return FALSE;
  }
  object = json_node_get_object (node);
  segments = json_object_get_member (object, "segments");
  path = get_text (object, "path");
  group = get_text (object, "group");
  split = get_text (object, "split");
  has_fps = json_object_has_member (object, "fps") && !json_object_get_null_member (object, "fps");
  if (!path || !*path)
    reason = "the path is missing";
  else if (split && *split && !cnn3d_split_parse (split, strlen (split), &split_value))
    reason = "the split is unknown; it is train, val, validation or test";
  else if (has_fps && !(get_number (object, "fps", &fps) && cnn3d_fps_is_valid (fps)))
    reason = "the fps is not a valid frame rate; write frames per second, such as 29.97";
  else if (segments && !JSON_NODE_HOLDS_ARRAY (segments))
    reason = "segments is not an array";
  if (reason) {
    set_entry_error (timeline, video, -1, error, reason);
    ok = FALSE;
    goto done;
  }
  row.split = split_value;
  row.fps = (gfloat) fps;
  row.path = cnn3d_arena_add (&dataset->arena, path, strlen (path));
  if (group && *group)
    row.group = cnn3d_names_intern (&dataset->groups, &dataset->arena, group, strlen (group));
  if (row.path == CNN3D_ARENA_FULL) {
    cnn3d_dataset_set_full (error, timeline->file);
    ok = FALSE;
  } else if (!segments) {
    ok = add_clip (timeline, object, row, video, -1, error);
  } else {
    JsonArray *array = json_node_get_array (segments);

    for (guint i = 0; ok && i < json_array_get_length (array); i++) {
      JsonNode *segment = json_array_get_element (array, i);

      if (JSON_NODE_HOLDS_OBJECT (segment)) {
        ok = add_clip (timeline, json_node_get_object (segment), row, video, (gint) i, error);
      } else {
        set_entry_error (timeline, video, (gint) i, error, "not an object");
        ok = FALSE;
      }
    }
  }

done:
  g_free (path);
  g_free (group);
  g_free (split);
  return ok;
}

gboolean
cnn3d_timeline_read (Cnn3dDataset *dataset, const gchar *file, guint8 source, GError **error)
{
  Timeline timeline = { dataset, file, source };
  JsonParser *parser = NULL;
  GError *reason = NULL;
  GMappedFile *map = g_mapped_file_new (file, FALSE, &reason);
  const gchar *text;
  JsonNode *root, *videos;
  JsonArray *array;
  gboolean ok = FALSE;
  gsize size;

  if (!map)
    goto unreadable;
  size = g_mapped_file_get_length (map);
  text = size > 0 ? g_mapped_file_get_contents (map) : "";
  if (size > MAX_SIZE)
    goto too_large;
  parser = json_parser_new_immutable ();
  if (!cnn3d_json_load (parser, text, size, MAX_DEPTH, MAX_VALUES, &reason))
    goto no_json;
  videos = root = json_parser_get_root (parser);
  if (root && JSON_NODE_HOLDS_OBJECT (root))
    videos = json_object_get_member (json_node_get_object (root), "videos");
  if (!videos || !JSON_NODE_HOLDS_ARRAY (videos))
    goto no_videos;
  array = json_node_get_array (videos);
  ok = TRUE;
  for (guint i = 0; ok && i < json_array_get_length (array); i++)
    ok = add_video (&timeline, json_array_get_element (array, i), i, error);
  goto done;

  /* ERRORS */
unreadable:
  g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_OPEN, "%s: %s",
      file, reason->message);
  g_clear_error (&reason);
  goto done;
no_json:
  g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_ROW, "%s:%s%s",
      file, g_ascii_isdigit (*reason->message) ? "" : " ", reason->message);
  g_clear_error (&reason);
  goto done;
too_large:
  g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_OPEN,
      "%s: larger than %u MiB; use a CSV manifest", file, MAX_SIZE >> 20);
  goto done;
no_videos:
  g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_ROW,
      "%s: no list of videos; write {\"videos\": [{\"path\": ..., "
      "\"segments\": [...]}]}", file);
done:
  g_clear_object (&parser);
  g_clear_pointer (&map, g_mapped_file_unref);
  return ok;
}
