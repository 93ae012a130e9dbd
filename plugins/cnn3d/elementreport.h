/* elementreport.h: the core's errors, and messages, on an element's bus.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef ELEMENT_REPORT_H
#define ELEMENT_REPORT_H

#include <gst/gst.h>

/* Posts `error` as an error of the element, in GStreamer's own terms. about:
 * what was being done, "The model could not be set up"; NULL: the error says it
 * itself. Text from files in it is escaped. */
void element_report_error (GstElement * element, const GError * error,
    const gchar * about);

/* Posts a warning; text from files in it is escaped. */
void element_report_warning (GstElement * element, GQuark domain, gint code,
    const gchar * text);

/* Posts an information. gst-launch shows its debug text only, so the text is in
 * both. */
void element_report_info (GstElement * element, const gchar * format, ...)
    G_GNUC_PRINTF (2, 3);

/* Fields that other languages read as lists. They are GValueArrays, which GLib would
 * rather not have any more: what GStreamer has in their place, GstValueArray, is
 * closed to Python, and a GStrv does not show in a structure's text. */
void element_set_numbers (GstStructure * structure, const gchar * field,
    const gdouble * values, guint n);
/* NULL-terminated */
void element_set_strings (GstStructure * structure, const gchar * field,
    const gchar * const *values);

/* Posts an element message; takes the structure. */
void element_post (GstElement * element, GstStructure * structure);

#endif
