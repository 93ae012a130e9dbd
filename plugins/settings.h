/* settings.h: an element's properties, made of the table of settings
 * (src/settings): what they are called, their ranges and defaults, and the
 * struct that holds their values.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PLUGIN_SETTINGS_H
#define PLUGIN_SETTINGS_H

#include <gst/gst.h>

#include "src/settings/settings.h"

/* Where the struct has a property's value, as Cnn3dSettingKind says. */
typedef struct {
  const gchar *name;
  gsize offset;
} SettingsField;

typedef struct {
  const gchar *element;
  const SettingsField *fields;
  guint n;
} SettingsOf;

/* Installs the properties with the ids first to first + n - 1, in the fields'
 * order. mutable: GST_PARAM_MUTABLE_READY or another. From class initializers
 * only. Values out of range are not GObject's affair, whose message is critical
 * since GLib 2.84 and which goes on with another value: settings_set() refuses
 * them. */
void settings_install (const SettingsOf * of, GObjectClass * object_class,
    guint first, GParamFlags mutable);

/* Defaults into a struct whose fields hold nothing yet. */
void settings_init (const SettingsOf * of, gpointer settings);
/* Frees what the fields own; they hold nothing then. */
void settings_clear (const SettingsOf * of, gpointer settings);
/* Only the fields. to: a struct whose fields hold nothing. */
void settings_copy (const SettingsOf * of, gpointer to, gconstpointer from);

/* Whether the value is in the property's range. If not, it is refused: in NULL
 * and READY, settings_check() fails until the property is set again; later, a
 * warning is posted. Called without the object's lock. */
gboolean settings_accept (const SettingsOf * of, GstElement * element,
    guint index, const GValue * value);
/* An element's whole set_property(): settings_accept(), and the value put into
 * the struct under the object's lock. FALSE: it was refused. index: the
 * property's id less `first`. */
gboolean settings_set (const SettingsOf * of, GstElement * element,
    gpointer settings, guint index, const GValue * value);
/* The second half of it alone, with the lock. */
void settings_put (const SettingsOf * of, gpointer settings, guint index,
    const GValue * value);
/* With the object's lock. */
void settings_get (const SettingsOf * of, gconstpointer settings, guint index,
    GValue * value);

/* Called before the change to PAUSED. FALSE: a property was set out of range,
 * and an error was posted that gives name, value and range. */
gboolean settings_check (GstElement * element);

#endif
