/* something.c: Something-Something's JSON, whose classes are its templates:
 *
 *     [{"id": "78687", "label": "holding potato next to vicks vaporub bottle",
 *       "template": "Holding [something] next to [something]", "placeholders": [...]}]
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/reader.h"

#include <math.h>

static gboolean
knows (const Cnn3dReading *reading)
{
  return reading->content == CNN3D_CONTENT_JSON && reading->keys[0]->len == 0
      && cnn3d_reading_has_key (reading, 1, "id") && cnn3d_reading_has_key (reading, 1, "template")
      && !cnn3d_reading_has_key (reading, 1, "path");
}

static gboolean
add_clip (Cnn3dReading *reading, const gchar *value, GString *class, GError **error)
{
  Cnn3dField id = { .at = value }, template = { .text = "" };
  g_autofree gchar *kept = NULL;
  Cnn3dClip clip = CNN3D_CLIP_WHOLE;
  Cnn3dJsonWalk walk;

  clip.at = value;
  for (cnn3d_json_enter (&walk, value); cnn3d_json_next (&walk);) {
    if (cnn3d_json_is (&walk, "id")) {
      if (!cnn3d_reading_value (reading, walk.value, "id", &id, error))
        return FALSE;
      /* the template may be unescaped into the same buffer */
      if (id.text == reading->buffer->str)
        id.text = kept = g_strndup (id.text, id.size);
    } else if (cnn3d_json_is (&walk, "template")) {
      if (!cnn3d_reading_value (reading, walk.value, "template", &template, error))
        return FALSE;
      clip.label_at = walk.value;
      g_string_truncate (class, 0);
      for (gsize i = 0; i < template.size; i++)
        if (template.text[i] != '[' && template.text[i] != ']')
          g_string_append_c (class, template.text[i]);
    }
  }
  clip.label = class->str;
  clip.label_size = template.size ? class->len : 0;
  return cnn3d_reading_find_cut (reading, &id, &clip, error)
      && cnn3d_reading_add (reading, &clip, error);
}

static gboolean
read_clips (Cnn3dReading *reading, GError **error)
{
  g_autoptr (GString) class = g_string_new (NULL);
  Cnn3dJsonWalk walk;

  cnn3d_json_enter (&walk, cnn3d_reading_json (reading));
  while (cnn3d_json_next (&walk))
    if (!add_clip (reading, walk.value, class, error))
      return FALSE;
  return TRUE;
}

const Cnn3dReader cnn3d_something_reader = { "Something-Something's JSON", knows, read_clips };
