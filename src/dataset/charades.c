/* charades.c: Charades' CSV: a row a video, and in a field all of its actions:
 *
 *     id,subject,...,actions,length
 *     YSKX3,XYZ1,...,c077 12.10 18.00;c079 11.80 17.30,24.83
 *
 * The person (subject) is the group.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/table.h"

#include <math.h>
#include <string.h>

enum {
  ID,
  SUBJECT,
  ACTIONS,
  LENGTH,
  N
};

static const gchar *const names[N] = { "id", "subject", "actions", "length" };

static gboolean
knows (const Cnn3dReading *reading)
{
  for (guint i = 0; i < N; i++)
    if (!cnn3d_reading_has_field (reading, names[i]))
      return FALSE;
  return !cnn3d_reading_is_manifest (reading);
}

/* The next word of the text, up to one of the stops, both moved on. */
static Cnn3dField
take_word (Cnn3dField *text)
{
  Cnn3dField word = { .text = text->text, .at = text->at };

  while (word.size < text->size && text->text[word.size] != ' ')
    word.size++;
  text->text += MIN (word.size + 1, text->size);
  text->size -= MIN (word.size + 1, text->size);
  return word;
}

/* "c077 12.10 18.00" */
static gboolean
add_action (Cnn3dReading *reading, Cnn3dClip clip, Cnn3dField action, GError **error)
{
  const Cnn3dField label = take_word (&action), start = take_word (&action),
                   end = take_word (&action);

  if (end.size == 0 || action.size > 0) {
    cnn3d_reading_error (reading, action.at, error,
        "an action is not a class, its start and its end, such as c077 12.10 18.00");
    return FALSE;
  }
  clip.label = label.text;
  clip.label_size = label.size;
  return cnn3d_reading_seconds (reading, &start, "start", FALSE, &clip.start, error)
      && cnn3d_reading_seconds (reading, &end, "end", FALSE, &clip.end, error)
      && cnn3d_reading_add (reading, &clip, error);
}

static gboolean
add_video (Cnn3dReading *reading, const Cnn3dField *fields, const guint at[N], GError **error)
{
  Cnn3dField actions = fields[at[ACTIONS]];
  Cnn3dClip clip = CNN3D_CLIP_WHOLE;

  clip.at = actions.at;
  clip.group = fields[at[SUBJECT]].text;
  clip.group_size = fields[at[SUBJECT]].size;
  if (actions.size == 0 && !cnn3d_reading_has_background (reading)) {
    reading->left_out++;
    return TRUE;
  }
  if (!cnn3d_reading_find_cut (reading, &fields[at[ID]], &clip, error))
    return FALSE;
  cnn3d_reading_begin_video (reading);
  while (actions.size > 0) {
    Cnn3dField action = actions;
    const gchar *stop = memchr (actions.text, ';', actions.size);

    action.size = stop ? (gsize) (stop - actions.text) : actions.size;
    if (!add_action (reading, clip, action, error))
      return FALSE;
    actions.text += MIN (action.size + 1, actions.size);
    actions.size -= MIN (action.size + 1, actions.size);
  }
  return cnn3d_reading_seconds (reading, &fields[at[LENGTH]], "length", FALSE, &clip.end, error)
      && cnn3d_reading_end_video (reading, &clip, error);
}

static gboolean
read_charades (Cnn3dReading *reading, GError **error)
{
  if (!cnn3d_table_rows (reading, names, N, add_video, error))
    return FALSE;
  cnn3d_reading_note_left_out (reading, "videos without actions, which are left out");
  return TRUE;
}

const Cnn3dReader cnn3d_charades_reader = { "Charades' CSV", knows, read_charades,
  .background = TRUE };
