/* settings.h: an element's properties, created from the table of settings
 * (src/settings): names, ranges, defaults, and the struct that holds their
 * values.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PLUGIN_SETTINGS_H
#define PLUGIN_SETTINGS_H

#include <gst/gst.h>

#include "src/settings/settings.h"

/* Offset of a property's value in the struct; its type is that of the
 * Cnn3dSettingKind. */
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
 * only. GObject does not check ranges, because its message is critical since
 * GLib 2.84 and it continues with another value: settings_set() refuses values
 * out of range. */
void settings_install (
    const SettingsOf *of, GObjectClass *object_class, guint first, GParamFlags mutable);

/* Sets the fields of an uninitialized struct to their defaults. */
void settings_init (const SettingsOf *of, gpointer settings);
/* Frees what the fields own. */
void settings_clear (const SettingsOf *of, gpointer settings);
/* Copies the fields to an uninitialized struct. */
void settings_copy (const SettingsOf *of, gpointer to, gconstpointer from);

/* Checks that the value is in the property's range. If not, it is refused: in
 * NULL and READY, settings_check() fails until the property is set again; in
 * other states a warning is posted. Called without the object lock. */
gboolean settings_accept (
    const SettingsOf *of, GstElement *element, guint index, const GValue *value);
/* A complete set_property(): settings_accept(), then stores the value under the
 * object lock. FALSE: it was refused. index: the property's id less `first`. */
gboolean settings_set (
    const SettingsOf *of, GstElement *element, gpointer settings, guint index, const GValue *value);
/* Only stores the value. Called with the object lock held. */
void settings_put (const SettingsOf *of, gpointer settings, guint index, const GValue *value);
/* Called with the object lock held. */
void settings_get (const SettingsOf *of, gconstpointer settings, guint index, GValue *value);

/* To be called before the change to PAUSED. FALSE if a property was set out of
 * range; the error that is posted gives name, value and range. */
gboolean settings_check (GstElement *element);

#endif
