/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/columns.h"

#include <math.h>
#include <string.h>

#define MAX_NAME 48

const gchar *const cnn3d_column_names[CNN3D_N_COLUMNS] = { "", "path", "label", "start", "end",
  "start_frame", "end_frame", "duration", "group", "split", "fold", "fps", "keypoints", "view" };

/* Documented names first; then what others use, the likelier meaning first. */
static const struct {
  const gchar *name;
  Cnn3dColumn column;
  gboolean documented;
} names[] = {
  { "path", CNN3D_COLUMN_PATH, TRUE },
  { "file", CNN3D_COLUMN_PATH, TRUE },
  { "filename", CNN3D_COLUMN_PATH, TRUE },
  { "video", CNN3D_COLUMN_PATH, TRUE },
  { "label", CNN3D_COLUMN_LABEL, TRUE },
  { "class", CNN3D_COLUMN_LABEL, TRUE },
  { "start", CNN3D_COLUMN_START, TRUE },
  { "end", CNN3D_COLUMN_END, TRUE },
  { "group", CNN3D_COLUMN_GROUP, TRUE },
  { "split", CNN3D_COLUMN_SPLIT, TRUE },
  { "fold", CNN3D_COLUMN_FOLD, TRUE },
  { "fps", CNN3D_COLUMN_FPS, TRUE },
  { "keypoints", CNN3D_COLUMN_KEYPOINTS, TRUE },
  { "view", CNN3D_COLUMN_VIEW, TRUE },

  { "video_path", CNN3D_COLUMN_PATH },
  { "file_path", CNN3D_COLUMN_PATH },
  { "filepath", CNN3D_COLUMN_PATH },
  { "file_name", CNN3D_COLUMN_PATH },
  { "video_file", CNN3D_COLUMN_PATH },
  { "video_filename", CNN3D_COLUMN_PATH },
  { "video_name", CNN3D_COLUMN_PATH },
  { "clip_path", CNN3D_COLUMN_PATH },
  { "clip", CNN3D_COLUMN_PATH },
  { "clip_name", CNN3D_COLUMN_PATH },
  { "name", CNN3D_COLUMN_PATH },
  { "label_name", CNN3D_COLUMN_LABEL },
  { "class_name", CNN3D_COLUMN_LABEL },
  { "action", CNN3D_COLUMN_LABEL },
  { "activity", CNN3D_COLUMN_LABEL },
  { "category", CNN3D_COLUMN_LABEL },
  { "verb", CNN3D_COLUMN_LABEL },
  { "time_start", CNN3D_COLUMN_START },
  { "start_time", CNN3D_COLUMN_START },
  { "begin", CNN3D_COLUMN_START },
  { "begin_time", CNN3D_COLUMN_START },
  { "t_start", CNN3D_COLUMN_START },
  { "start_s", CNN3D_COLUMN_START },
  { "start_sec", CNN3D_COLUMN_START },
  { "start_second", CNN3D_COLUMN_START },
  { "start_seconds", CNN3D_COLUMN_START },
  { "start_timestamp", CNN3D_COLUMN_START },
  { "time_begin", CNN3D_COLUMN_START },
  { "t0", CNN3D_COLUMN_START },
  { "from", CNN3D_COLUMN_START },
  { "onset", CNN3D_COLUMN_START },
  { "in_point", CNN3D_COLUMN_START },
  { "time_end", CNN3D_COLUMN_END },
  { "end_time", CNN3D_COLUMN_END },
  { "stop", CNN3D_COLUMN_END },
  { "stop_time", CNN3D_COLUMN_END },
  { "t_end", CNN3D_COLUMN_END },
  { "end_s", CNN3D_COLUMN_END },
  { "end_sec", CNN3D_COLUMN_END },
  { "end_second", CNN3D_COLUMN_END },
  { "end_seconds", CNN3D_COLUMN_END },
  { "end_timestamp", CNN3D_COLUMN_END },
  { "stop_timestamp", CNN3D_COLUMN_END },
  { "time_stop", CNN3D_COLUMN_END },
  { "t1", CNN3D_COLUMN_END },
  { "finish", CNN3D_COLUMN_END },
  { "to", CNN3D_COLUMN_END },
  { "offset", CNN3D_COLUMN_END },
  { "out_point", CNN3D_COLUMN_END },
  { "start_frame", CNN3D_COLUMN_START_FRAME },
  { "frame_start", CNN3D_COLUMN_START_FRAME },
  { "first_frame", CNN3D_COLUMN_START_FRAME },
  { "begin_frame", CNN3D_COLUMN_START_FRAME },
  { "end_frame", CNN3D_COLUMN_END_FRAME },
  { "frame_end", CNN3D_COLUMN_END_FRAME },
  { "last_frame", CNN3D_COLUMN_END_FRAME },
  { "stop_frame", CNN3D_COLUMN_END_FRAME },
  { "duration", CNN3D_COLUMN_DURATION },
  { "duration_s", CNN3D_COLUMN_DURATION },
  { "subset", CNN3D_COLUMN_SPLIT },
  { "set", CNN3D_COLUMN_SPLIT },
  { "partition", CNN3D_COLUMN_SPLIT },
  { "kpt", CNN3D_COLUMN_KEYPOINTS },
  { "kpts", CNN3D_COLUMN_KEYPOINTS },
  { "keypoints_path", CNN3D_COLUMN_KEYPOINTS },
  { "keypoints_file", CNN3D_COLUMN_KEYPOINTS },
  { "kpt_path", CNN3D_COLUMN_KEYPOINTS },
  { "pose_path", CNN3D_COLUMN_KEYPOINTS },
  { "pose_file", CNN3D_COLUMN_KEYPOINTS },
  { "skeleton_path", CNN3D_COLUMN_KEYPOINTS },
  { "pose", CNN3D_COLUMN_KEYPOINTS },
  { "skeleton", CNN3D_COLUMN_KEYPOINTS },
  { "view_name", CNN3D_COLUMN_VIEW },
  { "view_id", CNN3D_COLUMN_VIEW },
  { "viewpoint", CNN3D_COLUMN_VIEW },
  { "camera", CNN3D_COLUMN_VIEW },
  { "camera_name", CNN3D_COLUMN_VIEW },
  { "camera_id", CNN3D_COLUMN_VIEW },
  { "cam", CNN3D_COLUMN_VIEW },
  { "cam_id", CNN3D_COLUMN_VIEW },
  { "angle", CNN3D_COLUMN_VIEW },
};

/* Lower case, and one _ for whatever is no letter or digit: "Start (s)" is start_s. */
static gsize
plain_name (const gchar *name, gsize size, gchar plain[MAX_NAME])
{
  gsize n = 0;

  for (gsize i = 0; i < size && n < MAX_NAME - 1; i++) {
    if (g_ascii_isalnum (name[i]) || (name[i] & 0x80))
      plain[n++] = g_ascii_tolower (name[i]);
    else if (n > 0 && plain[n - 1] != '_')
      plain[n++] = '_';
  }
  while (n > 0 && plain[n - 1] == '_')
    n--;
  plain[n] = '\0';
  return n;
}

Cnn3dColumn
cnn3d_column_find (const gchar *name, gsize size, guint *rank)
{
  gchar plain[MAX_NAME];

  plain_name (name, size, plain);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    /* a documented one as it is written: a file from before others were known is read as then */
    const gboolean is = names[i].documented
        ? strlen (names[i].name) == size && g_ascii_strncasecmp (names[i].name, name, size) == 0
        : strcmp (names[i].name, plain) == 0;

    if (is) {
      *rank = names[i].documented ? 0 : i;
      return names[i].column;
    }
  }
  *rank = G_MAXUINT;
  return CNN3D_COLUMN_IGNORED;
}

gboolean
cnn3d_column_is_offset (const gchar *name, gsize size)
{
  gchar plain[MAX_NAME];

  plain_name (name, size, plain);
  return strcmp (plain, "offset") == 0;
}

Cnn3dColumn
cnn3d_column_resembles (const gchar *name, gsize size)
{
  static const struct {
    const gchar *word;
    Cnn3dColumn column;
  } words[] = {
    { "start", CNN3D_COLUMN_START },
    { "begin", CNN3D_COLUMN_START },
    { "end", CNN3D_COLUMN_START },
    { "stop", CNN3D_COLUMN_START },
    { "time", CNN3D_COLUMN_START },
    { "timestamp", CNN3D_COLUMN_START },
    { "from", CNN3D_COLUMN_START },
    { "onset", CNN3D_COLUMN_START },
    { "offset", CNN3D_COLUMN_START },
    { "times", CNN3D_COLUMN_START },
    { "segment", CNN3D_COLUMN_START },
    { "segments", CNN3D_COLUMN_START },
    { "split", CNN3D_COLUMN_SPLIT },
    { "subset", CNN3D_COLUMN_SPLIT },
    { "partition", CNN3D_COLUMN_SPLIT },
    { "phase", CNN3D_COLUMN_SPLIT },
    { "label", CNN3D_COLUMN_LABEL },
    { "labels", CNN3D_COLUMN_LABEL },
    { "class", CNN3D_COLUMN_LABEL },
    { "classes", CNN3D_COLUMN_LABEL },
    { "action", CNN3D_COLUMN_LABEL },
    { "category", CNN3D_COLUMN_LABEL },
  };
  gchar plain[MAX_NAME];
  const gchar *p = plain;

  plain_name (name, size, plain);
  while (*p) {
    const gsize length = strcspn (p, "_");

    for (guint i = 0; i < G_N_ELEMENTS (words); i++)
      if (strlen (words[i].word) == length && strncmp (p, words[i].word, length) == 0)
        return words[i].column;
    p += length + (p[length] == '_');
  }
  return CNN3D_COLUMN_IGNORED;
}

gboolean
cnn3d_number_parse (const gchar *text, gsize size, gboolean comma, gdouble *number)
{
  gchar buf[64], *end;

  if (size == 0 || size >= sizeof buf)
    return FALSE;
  memcpy (buf, text, size);
  buf[size] = '\0';
  if (comma)
    g_strdelimit (buf, ",", '.');
  /* strtod() also takes nan, inf and hexadecimal */
  if (strspn (buf, "0123456789.eE+-") != size)
    return FALSE;
  *number = g_ascii_strtod (buf, &end);
  return !*end && end != buf && isfinite (*number);
}

gboolean
cnn3d_seconds_parse (const gchar *text, gsize size, gboolean comma, gdouble *seconds)
{
  gdouble sum = 0, number;
  const gchar *colon;

  for (guint parts = 1; (colon = memchr (text, ':', size)); parts++) {
    const gsize length = colon - text;

    if (parts == 3 || strspn (text, "0123456789") != length
        || !cnn3d_number_parse (text, length, FALSE, &number))
      return FALSE;
    sum = (sum + number) * 60;
    text += length + 1;
    size -= length + 1;
    if (size == 0 || !g_ascii_isdigit (*text))
      return FALSE;
  }
  if (!cnn3d_number_parse (text, size, comma, &number) || (sum > 0 && number >= 60))
    return FALSE;
  *seconds = sum + number;
  return TRUE;
}
