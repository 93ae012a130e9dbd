/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/comm/comm.h"

#include "src/module.h"

G_DEFINE_QUARK (cnn3d-comm-error, cnn3d_comm_error)

struct _Cnn3dComm {
  const Cnn3dTransport *transport;
  Cnn3dLink *link;
  guint rank, size, seconds;
  guint64 sent;
  /* arguments of cnn3d_comm_share(), [size] */
  gconstpointer *from;
  gpointer *to;
  gsize *bytes;
};

/* Variables that launchers set in each process: its rank, and the number of ranks. */
static const struct {
  const gchar *rank, *size;
} launchers[] = {
  { "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE" }, /* Open MPI */
  { "PMI_RANK", "PMI_SIZE" },                         /* MPICH, srun --mpi=pmi2 */
  { "SLURM_PROCID", "SLURM_STEP_NUM_TASKS" },         /* srun, not sbatch */
};

static gboolean
get_number (const gchar *name, guint *value)
{
  const gchar *text = g_getenv (name);
  guint64 wide;

  if (!text || !g_ascii_string_to_unsigned (text, 10, 0, G_MAXINT, &wide, NULL))
    return FALSE;
  *value = wide;
  return TRUE;
}

gboolean
cnn3d_comm_place (guint *rank, guint *size)
{
  for (guint i = 0; i < G_N_ELEMENTS (launchers); i++)
    if (get_number (launchers[i].rank, rank) && get_number (launchers[i].size, size)
        && *rank < *size)
      return TRUE;
  return FALSE;
}

guint
cnn3d_comm_neighbours (void)
{
  guint n;

  return (get_number ("OMPI_COMM_WORLD_LOCAL_SIZE", &n) || get_number ("MPI_LOCALNRANKS", &n)
             || get_number ("SLURM_NTASKS_PER_NODE", &n))
          && n > 0
      ? n
      : 1;
}

Cnn3dDistributed
cnn3d_comm_find (Cnn3dDistributed distributed)
{
  guint rank, size;

  if (distributed != CNN3D_DISTRIBUTED_AUTO)
    return distributed;
  return cnn3d_comm_place (&rank, &size) && size > 1 ? CNN3D_DISTRIBUTED_MPI
                                                     : CNN3D_DISTRIBUTED_NONE;
}

Cnn3dComm *
cnn3d_comm_join_by (const Cnn3dTransport *transport, guint seconds, GError **error)
{
  Cnn3dLink *link = transport->join (error);
  Cnn3dComm *c;

  if (!link)
    return NULL;
  c = g_new0 (Cnn3dComm, 1);
  c->transport = transport;
  c->link = link;
  c->rank = transport->rank (link);
  c->size = transport->size (link);
  c->seconds = seconds;
  c->from = g_new0 (gconstpointer, c->size);
  c->to = g_new0 (gpointer, c->size);
  c->bytes = g_new0 (gsize, c->size);
  return c;
}

Cnn3dComm *
cnn3d_comm_join (Cnn3dDistributed distributed, guint seconds, GError **error)
{
  const Cnn3dModuleKind kind = { "transport", "comm", "cnn3d_transport", CNN3D_TRANSPORT_ABI,
    CNN3D_COMM_ERROR, CNN3D_COMM_ERROR_MISSING };
  static GMutex lock; /* loading is not thread-safe */
  const Cnn3dTransport *transport;
  guint rank, size;
  Cnn3dComm *c;

  g_mutex_lock (&lock);
  transport =
      cnn3d_module_load (&kind, cnn3d_choice_name (&cnn3d_distributions, distributed), error);
  g_mutex_unlock (&lock);
  c = transport ? cnn3d_comm_join_by (transport, seconds, error) : NULL;
  /* each would train a model of its own */
  if (c && cnn3d_comm_place (&rank, &size) && size != c->size) {
    g_set_error (error, CNN3D_COMM_ERROR, CNN3D_COMM_ERROR_FAILED,
        "the launcher started %u processes, but MPI knows of %u: start them with the mpirun of the "
        "same MPI, or with srun --mpi=pmix",
        size, c->size);
    cnn3d_comm_leave (&c, TRUE);
  }
  return c;
}

void
cnn3d_comm_leave (Cnn3dComm **comm, gboolean failed)
{
  Cnn3dComm *c = g_steal_pointer (comm);

  if (!c)
    return;
  c->transport->leave (&c->link, failed);
  g_free (c->from);
  g_free (c->to);
  g_free (c->bytes);
  g_free (c);
}

guint
cnn3d_comm_rank (const Cnn3dComm *c)
{
  return c->rank;
}

guint
cnn3d_comm_size (const Cnn3dComm *c)
{
  return c->size;
}

guint64
cnn3d_comm_sent (const Cnn3dComm *c)
{
  return c->sent;
}

gboolean
cnn3d_comm_exchange (Cnn3dComm *c, const gconstpointer *from, const gsize *sent, const gpointer *to,
    const gsize *received, GError **error)
{
  for (guint r = 0; r < c->size; r++)
    c->sent += r == c->rank ? 0 : sent[r];
  return c->transport->exchange (c->link, from, sent, to, received, c->seconds, error);
}

gboolean
cnn3d_comm_share (Cnn3dComm *c, gconstpointer own, gsize bytes, gpointer all, GError **error)
{
  for (guint r = 0; r < c->size; r++) {
    c->from[r] = own;
    c->to[r] = (guint8 *) all + r * bytes;
    c->bytes[r] = bytes;
  }
  return cnn3d_comm_exchange (c, c->from, c->bytes, c->to, c->bytes, error);
}
