/* classweights.h: how much the clips of each class count in the training loss.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLASS_WEIGHTS_H
#define CLASS_WEIGHTS_H

#include <gst/gst.h>

/* Whether a property's text is none, balanced or positive numbers with commas
 * between them. Errors are GST_RESOURCE_ERROR_SETTINGS. */
gboolean class_weights_check (const gchar * text, GError ** error);

/* The weights that such a text means, n; g_free(). NULL without error: all are 1.
 * clips: of each class in a training pass, for balanced; NULL: not known. n_clips:
 * how many classes that tells of; the others have none. balanced: all clips of
 * one class weigh as much as all of another, and a clip 1 in the mean. */
gfloat *class_weights_new (const gchar * text, guint n, const guint64 * clips,
    guint n_clips, GError ** error);

#endif
