/* clipplans.h: what was told about clips before their frames come. Then their
 * times are known, and later the settings may be others. Not thread-safe.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_PLANS_H
#define CLIP_PLANS_H

#include "clipwindow.h"
#include "gstclipmeta.h"

typedef struct {
  GstClipMeta clip; /* as it was asked about */
  ClipWindow window;
  guint n;
  guint64 *wanted; /* [n], view after view */
} ClipPlan;

/* Notes a plan in a queue of them, in place of what was told before.
 * wanted: [n] copied; NULL: nothing is told of the clip */
void clip_plans_put (GQueue *plans, const GstClipMeta *clip, const ClipWindow *window,
    const guint64 *wanted, guint n);

/* The plan of a clip that begins; NULL: there is none. Lets go of those of the
 * clips before it. */
const ClipPlan *clip_plans_find (GQueue *plans, const GstClipMeta *clip);

void clip_plans_clear (GQueue *plans);

#endif
