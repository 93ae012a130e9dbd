/* The CPU back end with counted memory; it runs out of memory on request.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "counting.h"

#include "tests/realbackend.h"

static const Cnn3dBackend *real;
static Cnn3dBackend table;
static Counting counting;
static GMutex lock; /* threads may be ranks */

static gpointer
count_alloc (Cnn3dDevice *device, gsize bytes, GError **error)
{
  gpointer memory;

  g_mutex_lock (&lock);
  if (++counting.allocs == counting.fail_at) {
    counting.allocs--;
    counting.fail_at = 0;
    counting.available = counting.leaves;
    g_mutex_unlock (&lock);
    g_set_error (
        error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MEMORY, "somebody else has the memory");
    return NULL;
  }
  memory = real->alloc (device, bytes, error);
  counting.bytes += bytes;
  counting.most = MAX (counting.most, counting.bytes);
  g_mutex_unlock (&lock);
  return memory;
}

static void
count_free (Cnn3dDevice *device, gpointer memory, gsize bytes)
{
  g_mutex_lock (&lock);
  g_assert (memory != NULL && bytes <= counting.bytes);
  counting.frees++;
  counting.bytes -= bytes;
  g_mutex_unlock (&lock);
  real->free (device, memory, bytes);
}

static void
count (guint *existing, gint more)
{
  g_mutex_lock (&lock);
  *existing += more;
  g_mutex_unlock (&lock);
}

static void
count_memory (Cnn3dDevice *device, Cnn3dDeviceMemory *memory)
{
  real->memory (device, memory);
  if (counting.available)
    memory->available = counting.available;
}

static gboolean
count_store_room (Cnn3dDevice *device, guint64 *bytes, const gchar **place, GError **error)
{
  if (!real->store_room (device, bytes, place, error))
    return FALSE;
  if (counting.room)
    *bytes = counting.room;
  return TRUE;
}

static Cnn3dModel *
count_model_new (Cnn3dDevice *device, const Cnn3dNetwork *network, const Cnn3dModelParams *params,
    GError **error)
{
  Cnn3dModel *model = real->model_new (device, network, params, error);

  count (&counting.models, model != NULL);
  return model;
}

static void
count_model_free (Cnn3dModel **model)
{
  count (&counting.models, -(*model != NULL));
  real->model_free (model);
}

static Cnn3dProgram *
count_program_new (Cnn3dModel *model, const Cnn3dProgramParams *params, GError **error)
{
  Cnn3dProgram *program = real->program_new (model, params, error);

  count (&counting.programs, program != NULL);
  return program;
}

static void
count_program_free (Cnn3dProgram **program)
{
  count (&counting.programs, -(*program != NULL));
  real->program_free (program);
}

static const Cnn3dSizes *
count_program_sizes (Cnn3dProgram *program)
{
  const Cnn3dSizes *sizes = real->program_sizes (program);

  sizes->scratch[CNN3D_PHASE_FORWARD] += counting.more;
  return sizes;
}

static gboolean
count_run (Cnn3dProgram *program, const Cnn3dStep *steps, guint n_steps,
    const Cnn3dBinding *binding, Cnn3dResults *results, GError **error)
{
  return (!counting.before || counting.before (steps, binding, error))
      && real->run (program, steps, n_steps, binding, results, error);
}

G_MODULE_EXPORT const Cnn3dBackend *cnn3d_backend (void);
G_MODULE_EXPORT Counting *cnn3d_counting (void);

const Cnn3dBackend *
cnn3d_backend (void)
{
  real = real_backend ();
  table = *real;
  table.memory = count_memory;
  table.alloc = count_alloc;
  table.free = count_free;
  table.store_room = count_store_room;
  table.model_new = count_model_new;
  table.model_free = count_model_free;
  table.program_new = count_program_new;
  table.program_free = count_program_free;
  table.program_sizes = count_program_sizes;
  table.run = count_run;
  if (counting.abi)
    table.abi = counting.abi;
  return &table;
}

Counting *
cnn3d_counting (void)
{
  return &counting;
}
