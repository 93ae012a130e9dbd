/* clipplans.h: plans for clips that were announced before their frames arrive. Timestamps are
 * known only at the announcement, and settings may change after it, when other frames were
 * decoded. Not thread-safe.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_PLANS_H
#define CLIP_PLANS_H

#include "clipwindow.h"
#include "gstclipmeta.h"

typedef struct {
  GstClipMeta clip; /* as announced */
  ClipWindow window;
  guint n;
  guint64 *wanted; /* [n], clip after clip */
} ClipPlan;

/* Adds a plan to a queue of them. It replaces the clip's last one.
 * wanted: [n], copied */
void clip_plans_put (GQueue *plans, const GstClipMeta *clip, const ClipWindow *window,
    const guint64 *wanted, guint n);

/* The plan of a clip that starts; NULL: there is none. Removes those of the clips before it. */
const ClipPlan *clip_plans_find (GQueue *plans, const GstClipMeta *clip);

void clip_plans_clear (GQueue *plans);

#endif
