/* ava.c: AVA's rows, which are refused with the reason: boxes of people in single
 * frames, several labels a box.
 *
 *     -5KQ66BBWC4,0902,0.077,0.151,0.283,0.811,80,1
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/reader.h"

#define FIRST_OF_BOX 2

static gboolean
knows (const Cnn3dReading *reading)
{
  gdouble number;

  if (cnn3d_reading_has_field (reading, "entity_box_x1"))
    return !cnn3d_reading_is_manifest (reading);
  if (reading->n_fields != 7 && reading->n_fields != 8)
    return FALSE;
  for (guint i = 1; i < FIRST_OF_BOX + 4; i++) {
    const Cnn3dField *field = &reading->fields[i];

    if (!cnn3d_number_parse (field->text, field->size, FALSE, &number)
        || (i >= FIRST_OF_BOX && (number < 0 || number > 1)))
      return FALSE;
  }
  return TRUE;
}

static gboolean
refuse (Cnn3dReading *reading, GError **error)
{
  cnn3d_reading_error (reading, reading->text, error,
      "AVA's rows, with one box each and several labels per box; the networks use whole frames "
      "and one class per clip: write a CSV with path, label, start and end");
  return FALSE;
}

const Cnn3dReader cnn3d_ava_reader = { "AVA's CSV", knows, refuse };
