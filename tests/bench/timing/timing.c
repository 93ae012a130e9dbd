/* The CPU back end with the time of each step: prints one line per step when the program is freed,
 * with the microseconds of every run, the latest last.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/realbackend.h"

typedef struct {
  const Cnn3dNetwork *net;
  gboolean training;
  Cnn3dStep *steps; /* of the latest run */
  guint n_steps;
  GArray *took; /* microseconds, gint64 [run][step] */
} Timing;

static const Cnn3dBackend *real;
static Cnn3dBackend table;
static GHashTable *networks; /* Cnn3dModel -> Cnn3dNetwork */
static GHashTable *timings;  /* Cnn3dProgram -> Timing */

static gint64
microseconds_since (gint64 start)
{
  return g_get_monotonic_time () - start;
}

static Cnn3dModel *
time_model_new (Cnn3dDevice *device, const Cnn3dNetwork *network, const Cnn3dModelParams *params,
    GError **error)
{
  Cnn3dModel *model = real->model_new (device, network, params, error);

  if (model)
    g_hash_table_insert (networks, model, (gpointer) network);
  return model;
}

static Cnn3dProgram *
time_program_new (Cnn3dModel *model, const Cnn3dProgramParams *params, GError **error)
{
  Cnn3dProgram *program = real->program_new (model, params, error);

  if (program) {
    Timing *t = g_new0 (Timing, 1);

    t->net = g_hash_table_lookup (networks, model);
    t->training = params->training;
    t->took = g_array_new (FALSE, FALSE, sizeof (gint64));
    g_hash_table_insert (timings, program, t);
  }
  return program;
}

static gboolean
time_run (Cnn3dProgram *program, const Cnn3dStep *steps, guint n_steps, const Cnn3dBinding *binding,
    Cnn3dResults *results, GError **error)
{
  Timing *t = g_hash_table_lookup (timings, program);

  for (guint i = 0; i < n_steps; i++) {
    const gint64 start = g_get_monotonic_time ();
    gint64 took;

    if (!real->run (program, steps + i, 1, binding, i + 1 == n_steps ? results : NULL, error))
      return FALSE;
    took = microseconds_since (start);
    g_array_append_val (t->took, took);
  }
  g_free (t->steps);
  t->steps = g_memdup2 (steps, n_steps * sizeof *steps);
  t->n_steps = n_steps;
  return TRUE;
}

static void
print_shape (const Cnn3dNetwork *net, gint tensor)
{
  const Cnn3dTensor *t = tensor < 0 ? NULL : &net->tensors[tensor];

  if (t)
    g_print ("\t%dx%dx%dx%d", t->c, t->d, t->h, t->w);
  else
    g_print ("\t-");
}

static void
print_timing (const Timing *t)
{
  static const gchar *const kinds[] = { "input", "conv", "norm", "max-pool", "global-pool",
    "dropout", "linear", "concat", "mean", "views", "loss" };
  static const gchar *const phases[] = { "forward", "recompute", "backward-weights", "backward",
    "update" };

  G_STATIC_ASSERT (
      G_N_ELEMENTS (phases) == CNN3D_N_PHASES && G_N_ELEMENTS (kinds) == CNN3D_OP_LOSS + 1);
  for (guint i = 0; i < t->n_steps; i++) {
    const Cnn3dStep *s = &t->steps[i];
    const Cnn3dOp *op = &t->net->ops[s->op];

    if (s->phase >= CNN3D_N_PHASES)
      continue;
    g_print ("step\t%u\t%s\t%s\t%u", s->op, kinds[op->kind], phases[s->phase], s->clips);
    print_shape (t->net, op->in);
    print_shape (t->net, op->out);
    g_print ("\t%dx%dx%d\t%dx%dx%d\t%d\t%d", op->kernel[0], op->kernel[1], op->kernel[2],
        op->stride[0], op->stride[1], op->stride[2], op->residual >= 0,
        s->dout[1] != CNN3D_NOWHERE);
    for (guint at = i; at < t->took->len; at += t->n_steps)
      g_print ("\t%" G_GINT64_FORMAT, g_array_index (t->took, gint64, at));
    g_print ("\n");
  }
}

static void
time_program_free (Cnn3dProgram **program)
{
  Timing *t = *program ? g_hash_table_lookup (timings, *program) : NULL;

  if (t) {
    if (t->training && t->n_steps)
      print_timing (t);
    g_hash_table_remove (timings, *program);
  }
  real->program_free (program);
}

static gboolean
time_update (Cnn3dModel *model, const Cnn3dArrays *arrays, const Cnn3dUpdate *update,
    gdouble *squares, GError **error)
{
  const gint64 start = g_get_monotonic_time ();
  const gboolean ok = real->update (model, arrays, update, squares, error);

  g_print ("update\t%" G_GINT64_FORMAT "\n", microseconds_since (start));
  return ok;
}

static void
timing_free (gpointer timing)
{
  Timing *t = timing;

  g_array_free (t->took, TRUE);
  g_free (t->steps);
  g_free (t);
}

G_MODULE_EXPORT const Cnn3dBackend *cnn3d_backend (void);

const Cnn3dBackend *
cnn3d_backend (void)
{
  real = real_backend ();
  networks = g_hash_table_new (NULL, NULL);
  timings = g_hash_table_new_full (NULL, NULL, NULL, timing_free);
  table = *real;
  table.model_new = time_model_new;
  table.program_new = time_program_new;
  table.program_free = time_program_free;
  table.run = time_run;
  table.update = time_update;
  return &table;
}
