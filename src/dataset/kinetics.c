/* kinetics.c: Kinetics' own CSV, which names videos by their ids:
 *
 *     label,youtube_id,time_start,time_end,split
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/table.h"

#include <math.h>

enum {
  LABEL,
  ID,
  START,
  END,
  SPLIT,
  N
};

static const gchar *const names[N] = { "label", "youtube_id", "time_start", "time_end", "split" };

static gboolean
knows (const Cnn3dReading *reading)
{
  return cnn3d_reading_has_field (reading, names[ID])
      && cnn3d_reading_has_field (reading, names[START]) && !cnn3d_reading_is_manifest (reading);
}

static gboolean
add_row (Cnn3dReading *reading, const Cnn3dField *fields, const guint *at, GError **error)
{
  Cnn3dClip clip = CNN3D_CLIP_WHOLE;

  clip.at = fields[0].at;
  clip.label = fields[at[LABEL]].text;
  clip.label_size = fields[at[LABEL]].size;
  clip.end_at = fields[at[END]].at;
  return cnn3d_reading_seconds (reading, &fields[at[START]], "start", FALSE, &clip.start, error)
      && cnn3d_reading_seconds (reading, &fields[at[END]], "end", FALSE, &clip.end, error)
      && cnn3d_reading_split (reading, &fields[at[SPLIT]], &clip.split, error)
      && cnn3d_reading_find_cut (reading, &fields[at[ID]], &clip, error)
      && cnn3d_reading_add (reading, &clip, error);
}

static gboolean
read_kinetics (Cnn3dReading *reading, GError **error)
{
  return cnn3d_table_rows (reading, names, N, add_row, error);
}

const Cnn3dReader cnn3d_kinetics_reader = { "Kinetics' CSV", knows, read_kinetics };
