/* trainpreset.c: properties set both by a preset and by the user.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trainpreset.h"

#include "src/format.h"

typedef enum {
  UNSET,
  LINE, /* a launch line or a program */
  PRESET,
} Setter;

typedef struct {
  Setter setter;
  gchar *text;  /* the value set */
  gchar *other; /* the other setter's value, or NULL */
} Entry;

struct _TrainPreset {
  Entry *entries; /* one per property */
  gboolean loading;
  gchar *name; /* of the preset loaded last */
};

TrainPreset *
train_preset_new (void)
{
  TrainPreset *self = g_new0 (TrainPreset, 1);

  self->entries = g_new0 (Entry, train_settings.n);

  return self;
}

void
train_preset_free (TrainPreset *self)
{
  guint i;

  for (i = 0; i < train_settings.n; i++) {
    g_free (self->entries[i].text);
    g_free (self->entries[i].other);
  }
  g_free (self->entries);
  g_free (self->name);
  g_free (self);
}

void
train_preset_load (TrainPreset *self, const gchar *name)
{
  self->loading = name != NULL;
  if (name) {
    g_free (self->name);
    self->name = g_strdup (name);
  }
}

/* Formats a value as in a launch line; free with g_free(). */
static gchar *
value_text (const GValue *value)
{
  const GEnumValue *nick;
  GEnumClass *values;
  gchar *text;

  if (G_VALUE_HOLDS_DOUBLE (value))
    return cnn3d_strdup_printf ("%.15g", g_value_get_double (value));
  if (G_VALUE_HOLDS_STRING (value))
    return g_strdup (g_value_get_string (value) ? g_value_get_string (value) : "");
  if (!G_VALUE_HOLDS_ENUM (value))
    return gst_value_serialize (value);
  values = g_type_class_ref (G_VALUE_TYPE (value));
  nick = g_enum_get_value (values, g_value_get_enum (value));
  text = g_strdup (nick ? nick->value_nick : "");
  g_type_class_unref (values);

  return text;
}

void
train_preset_set (TrainPreset *self, TrainSettings *settings, guint index, const GValue *value)
{
  const Setter setter = self->loading ? PRESET : LINE;
  Entry *entry = &self->entries[index];
  gchar *text = value_text (value);

  settings_put (&train_settings, settings, index, value);
  if (entry->setter != UNSET && entry->setter != setter) {
    g_free (entry->other);
    entry->other = entry->text;
  } else {
    g_free (entry->text);
  }
  entry->text = text;
  entry->setter = setter;
}

gchar *
train_preset_describe (const TrainPreset *self)
{
  GString *text = g_string_new (NULL);
  guint i;

  for (i = 0; i < train_settings.n; i++) {
    const Entry *e = &self->entries[i];
    const gchar *name = train_settings.fields[i].name;

    if (!e->other || g_strcmp0 (e->other, e->text) == 0)
      continue;
    if (text->len > 0)
      g_string_append (text, "; ");
    if (e->setter == PRESET)
      g_string_append_printf (text, "%s=%s of the preset %s holds, not %s=%s", name, e->text,
          self->name, name, e->other);
    else
      g_string_append_printf (text, "%s=%s holds, not %s=%s of the preset %s", name, e->text, name,
          e->other, self->name);
  }
  if (text->len == 0) {
    g_string_free (text, TRUE);
    return NULL;
  }
  g_string_append_c (text, '.');

  return g_string_free (text, FALSE);
}
