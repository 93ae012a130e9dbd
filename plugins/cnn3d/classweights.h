/* classweights.h: weights of the classes in the training loss.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLASS_WEIGHTS_H
#define CLASS_WEIGHTS_H

#include <gst/gst.h>

/* Checks that a property's text is none, balanced or positive numbers separated
 * by commas. text may be NULL, which means none. Errors are
 * GST_RESOURCE_ERROR_SETTINGS. */
gboolean class_weights_check (const gchar *text, GError **error);

/* The n weights that such a text stands for; free with g_free(). NULL without
 * error: every weight is 1. clips, (n_clips): clips of each class in a training
 * pass, for balanced; NULL: unknown. Classes from n_clips on have no clips.
 * balanced: every class has the same total weight, and the mean weight of a
 * clip is 1. */
gfloat *class_weights_new (
    const gchar *text, guint n, const guint64 *clips, guint n_clips, GError **error);

#endif
