/* epic.c: EPIC-KITCHENS' CSV. The verb is the class, and the person the group:
 *
 *     narration_id,participant_id,video_id,...,start_timestamp,stop_timestamp,...,verb,...
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/table.h"

#include <math.h>

enum {
  PERSON,
  VIDEO,
  START,
  STOP,
  VERB,
  N
};

static const gchar *const names[N] = { "participant_id", "video_id", "start_timestamp",
  "stop_timestamp", "verb" };

static gboolean
knows (const Cnn3dReading *reading)
{
  return cnn3d_reading_has_field (reading, names[PERSON])
      && cnn3d_reading_has_field (reading, names[VIDEO])
      && cnn3d_reading_has_field (reading, names[START]) && !cnn3d_reading_is_manifest (reading);
}

static gboolean
add_row (Cnn3dReading *reading, const Cnn3dField *fields, const guint *at, GError **error)
{
  Cnn3dClip clip = CNN3D_CLIP_WHOLE;

  clip.at = fields[0].at;
  clip.label = fields[at[VERB]].text;
  clip.label_size = fields[at[VERB]].size;
  clip.group = fields[at[PERSON]].text;
  clip.group_size = fields[at[PERSON]].size;
  clip.end_at = fields[at[STOP]].at;
  return cnn3d_reading_find_cut (reading, &fields[at[VIDEO]], &clip, error)
      && cnn3d_reading_seconds (reading, &fields[at[START]], "start", FALSE, &clip.start, error)
      && cnn3d_reading_seconds (reading, &fields[at[STOP]], "end", FALSE, &clip.end, error)
      && cnn3d_reading_add (reading, &clip, error);
}

static gboolean
read_epic (Cnn3dReading *reading, GError **error)
{
  if (!cnn3d_table_rows (reading, names, N, add_row, error))
    return FALSE;
  cnn3d_dataset_note (reading->dataset, FALSE,
      "%s: EPIC-KITCHENS: the verb is the class; nouns are not read", reading->location);
  return TRUE;
}

const Cnn3dReader cnn3d_epic_reader = { "EPIC-KITCHENS' CSV", knows, read_epic };
