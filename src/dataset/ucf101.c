/* ucf101.c: UCF101's lists, with classInd.txt beside them:
 *
 *     trainlist01.txt     Jump/v_Jump_g02_c01.avi 1
 *     testlist01.txt      Jump/v_Jump_g01_c01.avi
 *     classInd.txt        1 Jump
 *
 * The folder is the class; a number must be that class's. A group, g02, is of one
 * person's videos.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/table.h"

#include <math.h>
#include <string.h>

static gchar *
index_of (const Cnn3dReading *reading)
{
  g_autofree gchar *folder = g_path_get_dirname (reading->location);

  return g_build_filename (folder, "classInd.txt", NULL);
}

static gboolean
knows (const Cnn3dReading *reading)
{
  g_autofree gchar *index = NULL;
  const gchar *p = reading->text, *slash;
  Cnn3dField line;

  if (reading->content != CNN3D_CONTENT_ROWS
      || !strchr (" ,", cnn3d_table_delimiter (reading->text, reading->end)))
    return FALSE;
  do {
    if (!cnn3d_reading_line (reading, &p, &line))
      return FALSE;
  } while (line.size == 0 || cnn3d_table_comment (line.text, line.text + line.size));
  if (memchr (line.text, ',', line.size))
    return FALSE;
  slash = memchr (line.text, '/', line.size);
  index = index_of (reading);
  return slash && slash > line.text && g_file_test (index, G_FILE_TEST_IS_REGULAR);
}

/* The numbers of the classes: names interned in the order of their numbers, from 1. */
static gboolean
read_index (const gchar *file, Cnn3dNames *names, Cnn3dArena *arena, GError **error)
{
  g_autofree gchar *text = NULL;
  gchar **lines;
  GError *reason = NULL;
  gboolean ok = TRUE;

  if (!g_file_get_contents (file, &text, NULL, &reason)) {
    g_set_error (
        error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_OPEN, "%s: %s", file, reason->message);
    g_clear_error (&reason);
    return FALSE;
  }
  lines = g_strsplit (text, "\n", 100000);
  for (guint i = 0; ok && lines[i]; i++) {
    const gchar *line = g_strstrip (lines[i]);
    const guint32 next = names->n;
    gchar *name;

    if (!*line)
      continue;
    ok = g_ascii_strtoull (line, &name, 10) == (guint64) next + 1 && *name == ' '
        && g_utf8_validate (name, -1, NULL);
    if (ok) {
      name++;
      ok = cnn3d_names_intern (names, arena, name, strlen (name)) == next;
    }
    if (!ok)
      g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_ROW,
          "%s:%u: not the number %u, a blank and the name of a class", file, i + 1, next + 1);
  }
  g_strfreev (lines);
  return ok;
}

/* The text between _g and the next _ : v_Jump_g02_c01.avi is of group 02, of its class. */
static void
set_group (Cnn3dClip *clip, const gchar *path, gsize size)
{
  const gchar *group = g_strrstr_len (path, size, "_g");
  const gchar *stop = group ? memchr (group + 2, '_', path + size - group - 2) : NULL;

  if (!stop || !g_ascii_isdigit (group[2]))
    return;
  clip->group = path;
  clip->group_size = stop - path;
}

/* The blank before the number, which training lists have behind the video; NULL: there is none.
 * Names may have blanks, and digits at their end. */
static const gchar *
find_number (const Cnn3dField *line)
{
  const gchar *p = line->text + line->size;

  if (cnn3d_video_name (line->text, line->size))
    return NULL;
  while (p > line->text && p[-1] != ' ')
    p--;
  return p > line->text ? p - 1 : NULL;
}

static gboolean
read_lists (Cnn3dReading *reading, GError **error)
{
  g_autofree gchar *index = index_of (reading);
  const gchar *p = reading->text;
  Cnn3dNames names = {
    NULL,
  };
  Cnn3dArena arena = {
    NULL,
  };
  Cnn3dField line, number;
  gdouble value;
  gboolean ok = read_index (index, &names, &arena, error);

  while (ok && cnn3d_reading_line (reading, &p, &line)) {
    Cnn3dClip clip = CNN3D_CLIP_WHOLE;
    const gchar *blank, *slash;
    guint32 class;

    if (line.size == 0 || cnn3d_table_comment (line.text, line.text + line.size))
      continue;
    clip.at = line.at;
    blank = find_number (&line);
    number = (Cnn3dField) { .text = blank ? blank + 1 : NULL,
      .size = blank ? line.text + line.size - blank - 1 : 0 };
    line.size -= blank ? number.size + 1 : 0;
    slash = memchr (line.text, '/', line.size);
    clip.label = line.text;
    clip.label_size = slash ? slash - line.text : 0;
    class = cnn3d_names_find (&names, &arena, clip.label, clip.label_size);
    if (class == CNN3D_NAME_NONE) {
      cnn3d_reading_error (reading, line.at, error,
          "the folder is not a class of classInd.txt, which is beside it; a line is "
          "Class/video.avi");
      ok = FALSE;
    } else if (blank
        && (!cnn3d_number_parse (number.text, number.size, FALSE, &value) || value != class + 1)) {
      cnn3d_reading_error (reading, number.text, error,
          "not %u, which is the number of the folder's class in classInd.txt", class + 1);
      ok = FALSE;
    } else {
      set_group (&clip, line.text, line.size);
      clip.path = cnn3d_reading_path (reading, line.text, line.size, line.at, error);
      ok = clip.path != CNN3D_ARENA_FULL && cnn3d_reading_add (reading, &clip, error);
    }
  }
  cnn3d_names_clear (&names);
  g_free (arena.data);
  return ok;
}

const Cnn3dReader cnn3d_ucf101_reader = { "UCF101", knows, read_lists };
