/* paramrange.h: properties whose ranges their elements check themselves.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PARAM_RANGE_H
#define PARAM_RANGE_H

#include <gst/gst.h>

/* As g_param_spec_int() and so on, range included, which gst-inspect-1.0
 * shows; but GObject passes any value on to set_property(). With GObject's own
 * a value out of range is a warning, a critical one since GLib 2.84, and the
 * element runs with another value than it was told. Called from class
 * initializers only. */
GParamSpec *param_range_int (const gchar * name, const gchar * nick,
    const gchar * blurb, gint min, gint max, gint preset, GParamFlags flags);
GParamSpec *param_range_uint (const gchar * name, const gchar * nick,
    const gchar * blurb, guint min, guint max, guint preset,
    GParamFlags flags);
GParamSpec *param_range_double (const gchar * name, const gchar * nick,
    const gchar * blurb, gdouble min, gdouble max, gdouble preset,
    GParamFlags flags);
GParamSpec *param_range_fraction (const gchar * name, const gchar * nick,
    const gchar * blurb, gint min_n, gint min_d, gint max_n, gint max_d,
    gint preset_n, gint preset_d, GParamFlags flags);

/* Called first in set_property(), without the object's lock. FALSE: the value
 * is out of range, and the property keeps the one it has. In NULL and READY,
 * param_range_check() then fails until the property is set again; later, a
 * warning is posted. Any other property's value is accepted. */
gboolean param_range_accept (GstElement * element, const GValue * value,
    GParamSpec * spec);

/* Called before the change to PAUSED. FALSE: a property was set out of range,
 * and an error was posted that gives name, value and range. */
gboolean param_range_check (GstElement * element);

#endif
