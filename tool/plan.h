/* plan.h: results of `cnn3d plan`, for its reports.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_TOOL_PLAN_H
#define CNN3D_TOOL_PLAN_H

#include <json-glib/json-glib.h>

#include "src/train/fitexchange.h"
#include "src/train/fitroofline.h"

/* A single changed setting. */
typedef struct {
  gchar *setting, *changes; /* changes: its effect on the training */
  Cnn3dFit fit;             /* seconds: of a whole step's clips */
} ToolKnob;

typedef struct {
  const gchar *gpu; /* NULL: the device of this machine */
  const Cnn3dBackend *backend;
  Cnn3dDevice *device;
  Cnn3dTrainerParams params; /* as requested */
  guint batch;
  guint64 budget;
  const gchar *context_source;
  Cnn3dFit fit; /* of params; seconds: of a whole step */
  gboolean fits;
  GArray *knobs;                       /* of ToolKnob */
  guint largest[CNN3D_RECOMPUTE_AUTO]; /* clips that run at once, by recomputation */
  Cnn3dFit largest_fit[CNN3D_RECOMPUTE_AUTO];
  Cnn3dFit best;           /* recommended: its micro-batch is the batch */
  guint64 best_accumulate; /* 0: nothing fits */
  Cnn3dExchange *exchange; /* of `fit`; NULL: one process */
  Cnn3dRoofline *roofline; /* of `fit`; NULL: not requested */
  Cnn3dRates rates;        /* the device's, for the roofline */
} ToolPlan;

/* Whether the device has room for a fit in the budget, and for its store beside. */
gboolean tool_plan_fits (const ToolPlan *plan, const Cnn3dFit *fit);

/* The effects of a fit on the requested training, in addition to `changes` (may be NULL); NULL:
 * none. Free with g_free(). */
gchar *tool_plan_changes (const ToolPlan *plan, const Cnn3dFit *fit, const gchar *changes);

/* planreport.c: print as text on stdout; as a JSON object (network: for its roofline, if there is
 * one). */
void tool_plan_print (const ToolPlan *plan);
void tool_plan_json (const ToolPlan *plan, const Cnn3dNetwork *network, JsonBuilder *json);

/* planroofline.c: print the roofline; add it to that object. */
void tool_plan_print_roofline (const ToolPlan *plan, const Cnn3dNetwork *network);
void tool_plan_json_roofline (const ToolPlan *plan, const Cnn3dNetwork *network, JsonBuilder *json);

#endif
