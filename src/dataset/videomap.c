/* videomap.c: JSON that is an object of videos by their ids: ActivityNet's, which has it
 * in "database", Kinetics' and MMAction2's.
 *
 *     {"database": {"ID": {"subset": "training", "duration": 82.7,
 *                          "annotations": [{"segment": [0.1, 4.5], "label": "Walk"}]}}}
 *
 * Kinetics has one annotation a video, without the list.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/reader.h"

#include <math.h>
#include <string.h>

static gboolean
knows (const Cnn3dReading *reading)
{
  return reading->content == CNN3D_CONTENT_JSON && reading->keys[0]->len > 0
      && !cnn3d_reading_has_key (reading, 0, "videos")
      && (cnn3d_reading_has_key (reading, 0, "database")
          || cnn3d_reading_has_key (reading, 1, "annotations"));
}

static gboolean
add_annotation (Cnn3dReading *reading, const gchar *value, const Cnn3dField *id,
    const Cnn3dClip *video, GError **error)
{
  const gchar *label = NULL, *segment = NULL;
  Cnn3dField text = { .text = "" };
  Cnn3dClip clip = *video;
  Cnn3dJsonWalk walk;

  clip.at = clip.label_at = clip.end_at = value;
  clip.end = INFINITY;
  for (cnn3d_json_enter (&walk, value); cnn3d_json_next (&walk);) {
    if (cnn3d_json_is (&walk, "label"))
      label = walk.value;
    else if (cnn3d_json_is (&walk, "segment"))
      segment = walk.value;
  }
  if (segment && !cnn3d_reading_segment (reading, segment, &clip.start, &clip.end, error))
    return FALSE;
  if (label && !cnn3d_reading_value (reading, label, "label", &text, error))
    return FALSE;
  clip.label = text.text;
  clip.label_size = text.size;
  return cnn3d_reading_find_cut (reading, id, &clip, error)
      && cnn3d_reading_add (reading, &clip, error);
}

static gboolean
add_video (Cnn3dReading *reading, const Cnn3dJsonWalk *member, GString *key, GError **error)
{
  Cnn3dField id = { .at = member->value }, subset = { .text = "" }, duration = { .text = "" };
  const gchar *annotations = NULL;
  Cnn3dClip video = { .end = INFINITY, .at = member->value };
  Cnn3dJsonWalk walk;
  guint n = 0;

  id.text = cnn3d_json_key (member, key, &id.size);
  for (cnn3d_json_enter (&walk, member->value); cnn3d_json_next (&walk);) {
    if (cnn3d_json_is (&walk, "annotations"))
      annotations = walk.value;
    else if (cnn3d_json_is (&walk, "subset")) {
      if (!cnn3d_reading_value (reading, walk.value, "subset", &subset, error)
          || !cnn3d_reading_split (reading, &subset, &video.split, error))
        return FALSE;
    } else if (cnn3d_json_is (&walk, "duration") || cnn3d_json_is (&walk, "duration_second")) {
      if (!cnn3d_reading_value (reading, walk.value, "duration", &duration, error)
          || !cnn3d_reading_seconds (reading, &duration, "duration", FALSE, &video.end, error))
        return FALSE;
    }
  }
  if (!annotations) {
    cnn3d_reading_error (reading, member->value, error, "the video has no \"annotations\"");
    return FALSE;
  }
  if (*annotations == '{')
    return add_annotation (reading, annotations, &id, &video, error);
  cnn3d_reading_begin_video (reading);
  for (cnn3d_json_enter (&walk, annotations); cnn3d_json_next (&walk); n++)
    if (!add_annotation (reading, walk.value, &id, &video, error))
      return FALSE;
  /* those of test videos may be withheld, as ActivityNet's are */
  if (n == 0 && (!reading->spans || video.split == CNN3D_SPLIT_TEST)) {
    g_clear_pointer (&reading->spans, g_array_unref);
    reading->left_out++;
  }
  if (reading->spans) {
    Cnn3dClip like = video;

    like.end = INFINITY;
    if (!cnn3d_reading_find_cut (reading, &id, &like, error))
      return FALSE;
    video.path = like.path;
  }
  return cnn3d_reading_end_video (reading, &video, error);
}

static gboolean
read_videos (Cnn3dReading *reading, GError **error)
{
  const gchar *videos = cnn3d_reading_json (reading);
  g_autoptr (GString) key = g_string_new (NULL);
  Cnn3dJsonWalk walk;

  for (cnn3d_json_enter (&walk, videos); cnn3d_json_next (&walk);) {
    if (cnn3d_json_is (&walk, "database")) {
      videos = walk.value;
      break;
    }
  }
  for (cnn3d_json_enter (&walk, videos); cnn3d_json_next (&walk);)
    if (!add_video (reading, &walk, key, error))
      return FALSE;
  cnn3d_reading_note_left_out (reading, "videos without annotations, which are left out");
  return TRUE;
}

const Cnn3dReader cnn3d_videomap_reader = { "ActivityNet's JSON", knows, read_videos,
  .clips = "the annotations of videos, with label and segment", .background = TRUE };
