/* clipplans.c: plans for clips that were announced before their frames arrive.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipplans.h"

static void
free_plan (gpointer data)
{
  ClipPlan *plan = data;

  g_free (plan->wanted);
  g_free (plan);
}

void
clip_plans_put (GQueue *plans, const GstClipMeta *clip, const ClipWindow *window,
    const guint64 *wanted, guint n)
{
  ClipPlan *plan;
  GList *at;

  for (at = plans->head; at; at = at->next) {
    plan = at->data;
    if (plan->clip.clip == clip->clip && plan->clip.view == clip->view) {
      free_plan (plan);
      g_queue_delete_link (plans, at);
      break;
    }
  }
  plan = g_new (ClipPlan, 1);
  plan->clip = *clip;
  plan->window = *window;
  plan->n = n;
  plan->wanted = g_memdup2 (wanted, n * sizeof *wanted);
  g_queue_push_tail (plans, plan);
}

static gboolean
is_same (const GstClipMeta *a, const GstClipMeta *b)
{
  return a->clip == b->clip && a->sample == b->sample && a->view == b->view && a->epoch == b->epoch
      && !a->training == !b->training && a->num_frames == b->num_frames;
}

const ClipPlan *
clip_plans_find (GQueue *plans, const GstClipMeta *clip)
{
  const ClipPlan *found = NULL;
  GList *at, *next;

  for (at = plans->head; at; at = next) {
    ClipPlan *plan = at->data;

    next = at->next;
    if (is_same (&plan->clip, clip)) {
      found = plan;
    } else if (plan->clip.clip < clip->clip) {
      free_plan (plan);
      g_queue_delete_link (plans, at);
    }
  }

  return found;
}

void
clip_plans_clear (GQueue *plans)
{
  g_queue_clear_full (plans, free_plan);
}
