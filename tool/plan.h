/* plan.h: what `cnn3d plan` found out, for whoever shows it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_TOOL_PLAN_H
#define CNN3D_TOOL_PLAN_H

#include <json-glib/json-glib.h>

#include "src/train/fitroofline.h"

/* One setting changed. */
typedef struct {
  gchar *setting, *changes;     /* changes: what it does to the training */
  Cnn3dFit fit;                 /* seconds: of a whole step's clips */
} ToolKnob;

typedef struct {
  const gchar *gpu;             /* NULL: the device that is here */
  const Cnn3dBackend *backend;
  Cnn3dDevice *device;
  Cnn3dTrainerParams params;    /* as asked for */
  guint batch;
  guint64 budget;
  const gchar *context_source;
  Cnn3dFit fit;                 /* as asked for; its seconds are a whole step's */
  gboolean fits;
  GArray *knobs;                /* ToolKnob */
  guint largest[CNN3D_RECOMPUTE_AUTO];  /* clips in one piece, by recomputation */
  Cnn3dFit largest_fit[CNN3D_RECOMPUTE_AUTO];
  Cnn3dFit best;                /* recommended: its micro-batch is the batch */
  guint64 best_accumulate;      /* 0: nothing fits */
  Cnn3dRoofline *roofline;      /* of `fit`; NULL: not asked for */
  Cnn3dRates rates;             /* the device's, for it */
} ToolPlan;

/* What a fit does to the training that was asked for, beside `changes` (NULL:
 * nothing); NULL: nothing. g_free(). */
gchar *tool_plan_changes (const ToolPlan * plan, const Cnn3dFit * fit, const gchar * changes);

/* planreport.c: as text on stdout; as one object (network: for its roofline,
 * where there is one). */
void tool_plan_print (const ToolPlan * plan);
void tool_plan_json (const ToolPlan * plan, const Cnn3dNetwork * network, JsonBuilder * json);

/* planroofline.c: the floors; as a member of that object. */
void tool_plan_print_roofline (const ToolPlan * plan, const Cnn3dNetwork * network);
void tool_plan_json_roofline (const ToolPlan * plan, const Cnn3dNetwork * network, JsonBuilder * json);

#endif
