/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/session/session.h"

#include <string.h>

G_DEFINE_QUARK (cnn3d-session-error, cnn3d_session_error)

typedef struct {
  gpointer memory;
  gsize bytes;
} Taken;

guint64
cnn3d_memory_needs (const Cnn3dMemory *m)
{
  return (guint64) m->total + m->context + m->exchange;
}

void
cnn3d_session_init (Cnn3dSession *s)
{
  memset (s, 0, sizeof *s);
  s->programs = g_array_new (FALSE, FALSE, sizeof (Cnn3dSessionProgram));
  s->taken = g_array_new (FALSE, FALSE, sizeof (Taken));
}

static void
clear_program (Cnn3dSession *s, Cnn3dSessionProgram *p)
{
  cnn3d_plan_free (&p->plan);
  s->backend->program_free (&p->program);
}

void
cnn3d_session_clear (Cnn3dSession *s)
{
  if (!s->programs)
    return;
  /* memory is not freed while the device still uses it, also for part of a failed batch */
  if (s->device)
    s->backend->finish (s->device, NULL);
  for (guint i = 0; i < s->programs->len; i++)
    clear_program (s, &g_array_index (s->programs, Cnn3dSessionProgram, i));
  cnn3d_session_give_back (s);
  if (s->model)
    s->backend->model_free (&s->model);
  if (s->device)
    s->backend->close (&s->device);
  cnn3d_network_free (&s->net);
  g_array_free (s->programs, TRUE);
  g_array_free (s->taken, TRUE);
  g_free (s->passed_over);
  memset (s, 0, sizeof *s);
}

gboolean
cnn3d_session_open (Cnn3dSession *s, const gchar *name, const Cnn3dDeviceParams *params,
    Cnn3dPrecision precision, GError **error)
{
  s->precision = precision;
  s->device = cnn3d_backend_open_device (name, params, &s->backend, &s->passed_over, error);
  return s->device && s->backend->resolve_precision (s->device, &s->precision, error);
}

gboolean
cnn3d_session_set_model (Cnn3dSession *s, gboolean keeps_copy, GError **error)
{
  const Cnn3dModelParams params = { s->precision, keeps_copy };

  s->model = s->backend->model_new (s->device, s->net, &params, error);
  if (!s->model)
    return FALSE;
  s->layout = s->backend->model_layout (s->model);
  return TRUE;
}

/* --- memory --- */

gpointer
cnn3d_session_alloc (Cnn3dSession *s, gsize bytes, GError **error)
{
  const Taken taken = { s->backend->alloc (s->device, bytes, error), bytes };

  if (taken.memory)
    g_array_append_val (s->taken, taken);
  return taken.memory;
}

gboolean
cnn3d_session_take_memory (Cnn3dSession *s, const Cnn3dMemory *m, GError **error)
{
  s->memory = *m;
  return (s->weights = cnn3d_session_alloc (s, m->weights, error))
      && (!m->copy || (s->copy = cnn3d_session_alloc (s, m->copy, error)))
      && (s->arena = cnn3d_session_alloc (s, m->arena, error))
      && (!m->store || (s->store = s->backend->store_new (s->device, m->store, error)));
}

gsize
cnn3d_session_part (gsize bytes)
{
  return (bytes + 63) & ~(gsize) 63;
}

gpointer
cnn3d_session_stage (
    Cnn3dSession *s, guint8 **slot, gconstpointer from, gsize bytes, GError **error)
{
  gpointer to = *slot;

  *slot += cnn3d_session_part (bytes);
  return s->backend->stage (s->device, to, from, bytes, error) ? to : NULL;
}

void
cnn3d_session_give_back (Cnn3dSession *s)
{
  if (s->store)
    s->backend->store_free (&s->store);
  for (guint i = 0; i < s->taken->len; i++) {
    const Taken *taken = &g_array_index (s->taken, Taken, i);

    s->backend->free (s->device, taken->memory, taken->bytes);
  }
  g_array_set_size (s->taken, 0);
  s->weights = NULL;
  s->copy = s->arena = NULL;
}

const gchar *
cnn3d_session_context_source (const Cnn3dSession *s)
{
  Cnn3dDeviceMemory memory;

  s->backend->memory (s->device, &memory);
  return memory.context_source;
}

gboolean
cnn3d_session_passes (const Cnn3dSession *s, Cnn3dDevicePasses *passes)
{
  *passes = (Cnn3dDevicePasses) { 0 };
  if (s->backend->passes)
    s->backend->passes (s->device, passes);
  return s->backend->passes != NULL;
}

gboolean
cnn3d_session_refresh (Cnn3dSession *s, GError **error)
{
  return !s->copy || s->backend->refresh (s->model, s->weights, s->copy, error);
}

/* --- programs --- */

const Cnn3dSessionProgram *
cnn3d_session_program (Cnn3dSession *s, guint clips, gboolean training, GError **error)
{
  Cnn3dProgramParams params = s->program[training];
  Cnn3dPlanParams plan_params = s->plan[training];
  Cnn3dSessionProgram p = { clips, training, NULL, NULL };

  for (guint i = 0; i < s->programs->len; i++) {
    const Cnn3dSessionProgram *have = &g_array_index (s->programs, Cnn3dSessionProgram, i);

    if (have->clips == clips && have->training == training)
      return have;
    if (have->clips == s->most_clips && have->training == training)
      plan_params.whole = have->plan;
  }
  params.batch = clips;
  p.program = s->backend->program_new (s->model, &params, error);
  if (!p.program)
    return NULL;
  p.plan = cnn3d_plan_new (s->net, s->backend->program_sizes (p.program), &plan_params);
  if (p.plan->arena_bytes > s->memory.arena || p.plan->store_bytes > s->memory.store) {
    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_MEMORY,
        "%u clips need an arena of %" G_GSIZE_FORMAT " bytes and a store of %" G_GSIZE_FORMAT
        ", more than the %" G_GSIZE_FORMAT " and %" G_GSIZE_FORMAT " that %u clips need",
        clips, p.plan->arena_bytes, p.plan->store_bytes, s->memory.arena, s->memory.store,
        s->most_clips);
    clear_program (s, &p);
    return NULL;
  }
  g_array_append_val (s->programs, p);
  return &g_array_index (s->programs, Cnn3dSessionProgram, s->programs->len - 1);
}

Cnn3dPlan *
cnn3d_session_plan (const Cnn3dBackend *backend, Cnn3dModel *model, const Cnn3dNetwork *net,
    const Cnn3dProgramParams *program, const Cnn3dPlanParams *params, GError **error)
{
  Cnn3dProgramParams sizes = *program;
  Cnn3dProgram *p;
  Cnn3dPlan *plan;

  sizes.sizes_only = TRUE;
  p = backend->program_new (model, &sizes, error);
  if (!p)
    return NULL;
  plan = cnn3d_plan_new (net, backend->program_sizes (p), params);
  backend->program_free (&p);
  return plan;
}

gboolean
cnn3d_session_check (const Cnn3dBackend *backend, Cnn3dModel *model,
    const Cnn3dProgramParams *programs, guint n, gboolean *replaced, GError **error)
{
  *replaced = FALSE;
  for (guint i = 0; backend->program_replaced && i < n; i++) {
    Cnn3dProgramParams params = programs[i];
    Cnn3dProgram *p;

    params.sizes_only = params.checks = TRUE;
    p = backend->program_new (model, &params, error);
    if (!p)
      return FALSE;
    *replaced |= backend->program_replaced (p);
    backend->program_free (&p);
  }
  return TRUE;
}
