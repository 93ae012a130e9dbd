/* elementreport.h: posts the core's errors, and messages, on an element's bus.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef ELEMENT_REPORT_H
#define ELEMENT_REPORT_H

#include <gst/gst.h>

#include "src/backend/backend.h"

/* Posts `error` as an error message of the element, with GStreamer's domain and
 * code. about: what failed, such as "The model could not be set up"; NULL if
 * the error says so itself. Text from files is escaped. */
void element_report_error (GstElement *element, const GError *error, const gchar *about);

/* Posts a warning message. Text from files is escaped. */
void element_report_warning (GstElement *element, GQuark domain, gint code, const gchar *text);

/* Posts an info message. gst-launch prints only its debug text, so the text is
 * in both. */
void element_report_info (GstElement *element, const gchar *format, ...) G_GNUC_PRINTF (2, 3);

/* An info message that evaluation runs `batch` clips at once on a device where it should be `slice`;
 * nothing if it is, or if slice is 0. */
void element_report_slice (GstElement *element, const gchar *device, guint batch, guint slice);

/* The text of a warning that passes are not recorded; free with g_free(). NULL: all are, or none was
 * tried. */
gchar *element_unrecorded_text (const gchar *device, const Cnn3dDevicePasses *passes);
/* Sets the fields passes-eager, passes-recorded and passes-replayed. */
void element_set_passes (GstStructure *structure, const Cnn3dDevicePasses *passes);

/* Set fields that bindings read as lists. They are GValueArrays, although GLib
 * deprecates these: Python cannot read a GstValueArray, and a GStrv is not
 * shown in a structure's text. */
void element_set_numbers (
    GstStructure *structure, const gchar *field, const gdouble *values, guint n);
/* values: NULL-terminated */
void element_set_strings (GstStructure *structure, const gchar *field, const gchar *const *values);

/* Posts an element message and takes ownership of the structure. */
void element_post (GstElement *element, GstStructure *structure);

#endif
