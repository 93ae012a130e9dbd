/* list.c: lists of videos with blanks between path and label, as SlowFast, Kinetics'
 * tools and MMAction2 have them, and of folders of pictures with their number in
 * between:
 *
 *     videos/drinking (31).mp4 1
 *     rawframes/jump/vid1 6 0
 *
 * The label is what follows the last blank.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/table.h"

#include <math.h>
#include <string.h>

static gboolean
knows (const Cnn3dReading *reading)
{
  return reading->content == CNN3D_CONTENT_ROWS
      && cnn3d_table_delimiter (reading->text, reading->end) == ' ';
}

/* Takes the last word off the line. FALSE: there is one word alone. */
static gboolean
take_word (Cnn3dField *line, Cnn3dField *word)
{
  gsize size = line->size;

  while (size > 0 && line->text[size - 1] != ' ' && line->text[size - 1] != '\t')
    size--;
  if (size == 0)
    return FALSE;
  *word = (Cnn3dField) {
    .text = line->text + size, .size = line->size - size, .at = line->text + size
  };
  while (size > 0 && (line->text[size - 1] == ' ' || line->text[size - 1] == '\t'))
    size--;
  line->size = size;
  return TRUE;
}

static gboolean
is_number (const Cnn3dField *field)
{
  for (gsize i = 0; i < field->size; i++)
    if (!g_ascii_isdigit (field->text[i]))
      return FALSE;
  return field->size > 0;
}

/* The video's name, where words are between it and the label, none of which is a part of a path.
 * FALSE: there is no such name. */
static gboolean
find_video (const Cnn3dField *path, Cnn3dField *video)
{
  Cnn3dField word;

  *video = *path;
  if (cnn3d_video_name (path->text, path->size))
    return FALSE;
  while (take_word (video, &word)) {
    if (memchr (word.text, '/', word.size))
      return FALSE;
    if (cnn3d_video_name (video->text, video->size))
      return TRUE;
  }
  return FALSE;
}

/* path NUMBER label: so many pictures of the folder. */
static gboolean
take_frames (const Cnn3dReading *reading, Cnn3dField *path, Cnn3dClip *clip, GError **error)
{
  Cnn3dField shorter = *path, number, more;

  if (!take_word (&shorter, &number) || !is_number (&number))
    return TRUE;
  if (cnn3d_video_name (shorter.text, shorter.size))
    goto several;
  if (take_word (&(Cnn3dField) { shorter.text, shorter.size, shorter.at }, &more)
      && is_number (&more))
    goto offset;
  *path = shorter;
  clip->in_frames = TRUE;
  clip->end_at = number.at;
  return cnn3d_reading_frame (reading, &number, "number of frames", &clip->end, error);

  /* ERRORS */
several:
  cnn3d_reading_error (reading, number.at, error,
      "several labels; a clip has one class here: keep one label in each line");
  return FALSE;
offset:
  cnn3d_reading_error (reading, more.at, error,
      "three numbers after the path; write a CSV with the columns path, start_frame, end_frame "
      "and label");
  return FALSE;
}

static gboolean
add_line (Cnn3dReading *reading, Cnn3dField line, GError **error)
{
  Cnn3dClip clip = CNN3D_CLIP_WHOLE;
  Cnn3dField label, video;

  clip.at = line.at;
  if (!take_word (&line, &label) || cnn3d_video_name (label.text, label.size)) {
    cnn3d_reading_error (reading, line.at, error,
        "the label is missing: a line is path and label, with a blank between");
    return FALSE;
  }
  clip.label = label.text;
  clip.label_size = label.size;
  if (!take_frames (reading, &line, &clip, error))
    return FALSE;
  if (find_video (&line, &video)) {
    cnn3d_reading_error (reading, video.text + video.size + 1, error,
        "several words after the video's name: a clip has one class here, and names of classes "
        "with blanks need a comma or a tab before them");
    return FALSE;
  }
  if (line.size >= 2 && *line.text == '"' && line.text[line.size - 1] == '"') {
    line.text++;
    line.size -= 2;
  }
  clip.path = cnn3d_reading_path (reading, line.text, line.size, line.at, error);
  return clip.path != CNN3D_ARENA_FULL && cnn3d_reading_add (reading, &clip, error);
}

/* The first line may name the two columns. FALSE with `error` set: more of them. */
static gboolean
is_header (const Cnn3dReading *reading, Cnn3dField line, gboolean *header, GError **error)
{
  guint rank, labels = 0, paths = 0, others = 0;
  Cnn3dField word;

  while (line.size > 0) {
    Cnn3dColumn column;

    if (!take_word (&line, &word)) {
      word = line;
      line.size = 0;
    }
    column = cnn3d_column_find (word.text, word.size, &rank);
    labels += column == CNN3D_COLUMN_LABEL;
    paths += column == CNN3D_COLUMN_PATH;
    others += column != CNN3D_COLUMN_LABEL && column != CNN3D_COLUMN_PATH;
  }
  *header = labels == 1 && paths == 1 && others == 0;
  if (!labels || !paths || *header)
    return TRUE;
  cnn3d_reading_error (reading, line.at, error,
      "columns separated by blanks can only be path and label; separate more columns by commas or "
      "tabs");
  return FALSE;
}

static gboolean
read_list (Cnn3dReading *reading, GError **error)
{
  const gchar *p = reading->text;
  gboolean first = TRUE, header;
  Cnn3dField line;

  while (cnn3d_reading_line (reading, &p, &line)) {
    if (line.size == 0 || cnn3d_table_comment (line.text, line.text + line.size))
      continue;
    header = FALSE;
    if (first && !is_header (reading, line, &header, error))
      return FALSE;
    first = FALSE;
    if (!header && !add_line (reading, line, error))
      return FALSE;
  }
  return TRUE;
}

const Cnn3dReader cnn3d_list_reader = { "list", knows, read_list };
