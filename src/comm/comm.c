/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/comm/comm.h"

#include <string.h>

#include "src/comm/meet.h"
#include "src/module.h"

/* Polls without a pause, while a GPU is nearly done; then a pause between two, in microseconds */
#define POLLS 2000
#define PAUSE 50
#define MOST_POSTED 256 /* exchanges that are not waited for */

G_DEFINE_QUARK (cnn3d-comm-error, cnn3d_comm_error)

struct _Cnn3dComm {
  const Cnn3dTransport *transport;
  Cnn3dLink *link;
  Cnn3dPlace place;
  guint seconds;
  guint64 sent;
  guint posted;        /* exchanges that may not be done */
  gpointer id;         /* to connect with */
  Cnn3dCommGpu gpu;    /* where the exchanges are posted */
  Cnn3dComm *launcher; /* ends the other ranks if this one fails; NULL: nothing does */
  gchar *passed_over;
  /* arguments of cnn3d_comm_share(), [size] */
  gconstpointer *from;
  gpointer *to;
  gsize *bytes;
};

/* Variables that launchers set in each process: its rank, the number of ranks, its rank on this
 * machine, and the address of a server that another launcher's processes do not have. torchrun's are
 * last: scripts set them, too, for the processes of other launchers. */
static const struct {
  const gchar *rank, *size, *local, *server;
  Cnn3dDistributed distributed;
} launchers[] = {
  /* Open MPI */
  { "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", NULL,
      CNN3D_DISTRIBUTED_MPI },
  /* MPICH, srun --mpi=pmi2 */
  { "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", NULL, CNN3D_DISTRIBUTED_MPI },
  /* srun, not sbatch */
  { "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", NULL, CNN3D_DISTRIBUTED_MPI },
  /* torchrun */
  { "RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", CNN3D_DISTRIBUTED_NCCL },
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

static gboolean
is_launcher (guint i, guint *rank, guint *size)
{
  return get_number (launchers[i].rank, rank) && get_number (launchers[i].size, size)
      && *rank < *size && (!launchers[i].server || g_getenv (launchers[i].server));
}

/* The launcher of this process; -1: none. */
static gint
find_launcher (guint *rank, guint *size)
{
  const guint n = G_N_ELEMENTS (launchers);

  /* srun or mpirun may have started torchrun itself: its processes inherit their variables */
  if (g_getenv ("TORCHELASTIC_RUN_ID") && is_launcher (n - 1, rank, size))
    return n - 1;
  for (guint i = 0; i < n; i++)
    if (is_launcher (i, rank, size))
      return i;
  return -1;
}

gboolean
cnn3d_comm_place (guint *rank, guint *size)
{
  return find_launcher (rank, size) >= 0;
}

guint
cnn3d_comm_local_rank (void)
{
  guint rank, size, local;
  const gint i = find_launcher (&rank, &size);

  if (i >= 0 && get_number (launchers[i].local, &local))
    return local;
  /* srun --mpi=pmi2 */
  return i >= 0 && get_number ("SLURM_LOCALID", &local) ? local : 0;
}

/* The tasks of srun's step on this machine, which is one of those in a list such as "2(x3),1". */
static gboolean
get_tasks (guint *tasks)
{
  const gchar *at = g_getenv ("SLURM_STEP_TASKS_PER_NODE");
  guint node;

  if (!at || !get_number ("SLURM_NODEID", &node))
    return FALSE;
  for (guint64 nodes = 0, n, times; g_ascii_isdigit (*at); nodes += times) {
    gchar *end;

    n = g_ascii_strtoull (at, &end, 10);
    times = g_str_has_prefix (end, "(x") ? g_ascii_strtoull (end + 2, &end, 10) : 1;
    end += *end == ')';
    if (node < nodes + times) {
      *tasks = MIN (n, G_MAXINT);
      return TRUE;
    }
    at = end + (*end == ',');
  }
  return FALSE;
}

guint
cnn3d_comm_neighbours (void)
{
  guint n;

  return (get_number ("OMPI_COMM_WORLD_LOCAL_SIZE", &n) || get_number ("MPI_LOCALNRANKS", &n)
             || get_tasks (&n))
          && n > 0
      ? n
      : 1;
}

/* A variable of NCCL's, or its default. */
static guint64
get_bytes (const gchar *name, guint64 otherwise)
{
  const gchar *text = g_getenv (name);
  guint64 value;

  return text && g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT32, &value, NULL) ? value
                                                                                     : otherwise;
}

/* Counted, as NCCL 2.28 allocates them: for each other GPU of a machine, of which there are at most 8,
 * and each channel a buffer of each of its three protocols, rounded up to 2 MiB; for other machines a
 * pool for each channel, of 16 steps of 128 KiB each way. Other versions differ. */
guint64
cnn3d_comm_buffers (guint size)
{
  const guint64 mebi = 1 << 20, round = 2 * mebi,
                channels = MIN (get_bytes ("NCCL_MAX_CTAS", CNN3D_NCCL_CHANNELS), 64),
                buffers = get_bytes ("NCCL_BUFFSIZE", 4 * mebi)
      + get_bytes ("NCCL_LL_BUFFSIZE", mebi / 2) + get_bytes ("NCCL_LL128_BUFFSIZE", 4800 << 10);
  const guint64 each = (buffers + round - 1) / round * round;

  return channels * (MIN (size - 1, 7) * each + (size > 8 ? 2 * 16 * mebi / 8 : 0));
}

Cnn3dDistributed
cnn3d_comm_find (Cnn3dDistributed distributed)
{
  guint rank, size;
  gint i;

  if (distributed != CNN3D_DISTRIBUTED_AUTO)
    return distributed;
  i = find_launcher (&rank, &size);
  return i >= 0 && size > 1 ? launchers[i].distributed : CNN3D_DISTRIBUTED_NONE;
}

static Cnn3dComm *
comm_new (const Cnn3dTransport *transport, const Cnn3dPlace *place, guint seconds)
{
  Cnn3dComm *c = g_new0 (Cnn3dComm, 1);

  c->transport = transport;
  c->place = *place;
  c->seconds = seconds;
  c->from = g_new0 (gconstpointer, place->size);
  c->to = g_new0 (gpointer, place->size);
  c->bytes = g_new0 (gsize, place->size);
  return c;
}

Cnn3dComm *
cnn3d_comm_join_by (const Cnn3dTransport *transport, const Cnn3dPlace *place, gconstpointer id,
    guint seconds, GError **error)
{
  Cnn3dPlace found;
  Cnn3dLink *link;
  Cnn3dComm *c;

  if (transport->post) {
    /* it joins when its GPU is known */
    c = comm_new (transport, place, seconds);
    c->id = g_memdup2 (id, transport->id_bytes);
    return c;
  }
  link = transport->join (place, id, seconds, error);
  if (!link)
    return NULL;
  found = (Cnn3dPlace) { transport->rank (link), transport->size (link) };
  c = comm_new (transport, &found, seconds);
  c->link = link;
  return c;
}

static const Cnn3dTransport *
load (Cnn3dDistributed distributed, GError **error)
{
  const Cnn3dModuleKind kind = { "transport", "comm", "cnn3d_transport", CNN3D_TRANSPORT_ABI,
    CNN3D_COMM_ERROR, CNN3D_COMM_ERROR_MISSING };
  static GMutex lock; /* loading is not thread-safe */
  const Cnn3dTransport *transport;

  g_mutex_lock (&lock);
  transport =
      cnn3d_module_load (&kind, cnn3d_choice_name (&cnn3d_distributions, distributed), error);
  g_mutex_unlock (&lock);
  return transport;
}

static Cnn3dComm *
join_mpi (guint seconds, GError **error)
{
  const Cnn3dTransport *transport = load (CNN3D_DISTRIBUTED_MPI, error);
  Cnn3dComm *c = transport ? cnn3d_comm_join_by (transport, NULL, NULL, seconds, error) : NULL;
  guint rank, size;

  /* each would train a model of its own */
  if (c && cnn3d_comm_place (&rank, &size) && size != c->place.size) {
    g_set_error (error, CNN3D_COMM_ERROR, CNN3D_COMM_ERROR_FAILED,
        "the launcher started %u processes, but MPI (%s) knows of %u: start them with the mpirun "
        "of "
        "that MPI, or with srun --mpi=pmix (Open MPI) or --mpi=pmi2 (MPICH)",
        size, transport->library (), c->place.size);
    cnn3d_comm_leave (&c, TRUE);
  }
  return c;
}

/* The transport, if this rank can train on a GPU with it. NULL with error. */
static const Cnn3dTransport *
load_nccl (const Cnn3dCommParams *params, GError **error)
{
  if (params->gpu)
    return load (CNN3D_DISTRIBUTED_NCCL, error);
  g_set_error (
      error, CNN3D_COMM_ERROR, CNN3D_COMM_ERROR_MISSING, "NCCL takes GPUs, but %s", params->no_gpu);
  return NULL;
}

/* What a rank tells the others before they agree on a transport. */
typedef struct {
  guint32 able;
  gchar gpu[64];
  gchar reason[444]; /* why it is not */
} Ability;

/* Two ranks with one GPU between them, which NCCL refuses when they join. NULL: there are none; free
 * with g_free(). */
static gchar *
find_shared (const Ability *all, guint size)
{
  /* it does not, if this is set */
  if (get_bytes ("NCCL_MULTI_RANK_GPU_ENABLE", 0))
    return NULL;
  for (guint r = 1; r < size; r++)
    for (guint q = 0; q < r; q++)
      if (!strcmp (all[q].gpu, all[r].gpu))
        return g_strdup_printf ("ranks %u and %u have one GPU between them", q, r);
  return NULL;
}

/* NCCL between ranks that MPI connects, if all are able. NULL: not all are, and *reason says why, or,
 * with error, something failed. */
static Cnn3dComm *
join_nccl_by_mpi (Cnn3dComm *mpi, const Cnn3dCommParams *params, gchar **reason, GError **error)
{
  g_autofree Ability *all = g_new0 (Ability, mpi->place.size);
  g_autoptr (GError) missing = NULL;
  const Cnn3dTransport *transport = load_nccl (params, &missing);
  Ability own = { .able = transport != NULL };
  g_autofree guint8 *ids = NULL;
  Cnn3dComm *c;

  if (transport)
    ids = g_malloc0 (transport->id_bytes * (mpi->place.size + 1));
  if (transport && mpi->place.rank == 0 && !transport->make_id (ids, &missing))
    own.able = FALSE;
  if (transport)
    g_strlcpy (own.gpu, params->gpu, sizeof own.gpu);
  if (missing)
    g_strlcpy (own.reason, missing->message, sizeof own.reason);
  if (!cnn3d_comm_share (mpi, &own, sizeof own, all, error))
    return NULL;
  for (guint r = 0; r < mpi->place.size; r++)
    if (!all[r].able) {
      g_autofree gchar *valid = g_utf8_make_valid (all[r].reason, -1);

      *reason = g_strdup_printf ("rank %u: %s", r, valid);
      return NULL;
    }
  if ((*reason = find_shared (all, mpi->place.size)))
    return NULL;
  /* able: there is a transport */
  if (!cnn3d_comm_share (mpi, ids, transport->id_bytes, ids + transport->id_bytes, error))
    return NULL;
  c = cnn3d_comm_join_by (
      transport, &mpi->place, ids + transport->id_bytes, params->seconds, error);
  if (c)
    c->launcher = mpi;
  return c;
}

/* Between ranks that torchrun started. */
static Cnn3dComm *
join_nccl_by_meeting (const Cnn3dPlace *place, const Cnn3dCommParams *params, GError **error)
{
  const gchar *address = g_getenv ("MASTER_ADDR");
  const Cnn3dTransport *transport;
  g_autofree gpointer id = NULL;
  guint port;

  if (!params->gpu) {
    g_set_error (error, CNN3D_COMM_ERROR, CNN3D_COMM_ERROR_MISSING,
        "torchrun's processes train on GPUs only (start those on CPUs with mpirun or srun), but %s",
        params->no_gpu);
    return NULL;
  }
  transport = load_nccl (params, error);
  if (!transport)
    return NULL;
  if (!get_number ("MASTER_PORT", &port) || port < 1 || port > G_MAXUINT16) {
    g_set_error (error, CNN3D_COMM_ERROR, CNN3D_COMM_ERROR_FAILED,
        "MASTER_PORT is not a port: start the processes with torchrun, or set RANK, WORLD_SIZE, "
        "LOCAL_RANK, MASTER_ADDR and MASTER_PORT as it does");
    return NULL;
  }
  id = g_malloc0 (transport->id_bytes);
  if ((place->rank == 0 && !transport->make_id (id, error))
      || !cnn3d_meet (place, address, port < G_MAXUINT16 ? port + 1 : port - 1, id,
          transport->id_bytes, params->seconds, error))
    return NULL;
  return cnn3d_comm_join_by (transport, place, id, params->seconds, error);
}

Cnn3dComm *
cnn3d_comm_join (const Cnn3dCommParams *params, GError **error)
{
  const gboolean nccl = params->distributed == CNN3D_DISTRIBUTED_NCCL;
  g_autofree gchar *reason = NULL;
  Cnn3dPlace place;
  Cnn3dComm *mpi, *c;
  GError *failure = NULL;
  const gint i = find_launcher (&place.rank, &place.size);

  if (nccl && i < 0) {
    g_set_error (error, CNN3D_COMM_ERROR, CNN3D_COMM_ERROR_MISSING,
        "distributed=nccl connects the processes that a launcher started, but none did: start them "
        "with mpirun, srun or torchrun");
    return NULL;
  }
  if (params->distributed != CNN3D_DISTRIBUTED_MPI && i >= 0
      && launchers[i].distributed == CNN3D_DISTRIBUTED_NCCL)
    return join_nccl_by_meeting (&place, params, error);
  mpi = join_mpi (params->seconds, error);
  if (!mpi || params->distributed == CNN3D_DISTRIBUTED_MPI || mpi->place.size == 1)
    return mpi;
  c = join_nccl_by_mpi (mpi, params, &reason, &failure);
  if (c)
    return c;
  if (!failure && nccl)
    g_set_error (&failure, CNN3D_COMM_ERROR, CNN3D_COMM_ERROR_MISSING,
        "distributed=nccl is not possible: %s", reason);
  if (failure) {
    g_propagate_error (error, failure);
    cnn3d_comm_leave (&mpi, TRUE);
    return NULL;
  }
  if (params->gpu)
    mpi->passed_over = g_steal_pointer (&reason);
  return mpi;
}

void
cnn3d_comm_leave (Cnn3dComm **comm, gboolean failed)
{
  Cnn3dComm *c = g_steal_pointer (comm);

  if (!c)
    return;
  if (c->link)
    c->transport->leave (&c->link, failed);
  cnn3d_comm_leave (&c->launcher, failed);
  g_free (c->id);
  g_free (c->passed_over);
  g_free (c->from);
  g_free (c->to);
  g_free (c->bytes);
  g_free (c);
}

const gchar *
cnn3d_comm_passed_over (const Cnn3dComm *c)
{
  return c->passed_over;
}

gboolean
cnn3d_comm_on_gpu (const Cnn3dComm *c)
{
  return c->transport->post != NULL;
}

gboolean
cnn3d_comm_connect (Cnn3dComm *c, const Cnn3dCommGpu *gpu, GError **error)
{
  g_return_val_if_fail (c->transport->post && !c->link, FALSE);
  c->gpu = *gpu;
  c->link = c->transport->join (&c->place, c->id, c->seconds, error);
  return c->link != NULL;
}

const gchar *
cnn3d_comm_name (const Cnn3dComm *c)
{
  return c->transport->name;
}

guint
cnn3d_comm_rank (const Cnn3dComm *c)
{
  return c->place.rank;
}

guint
cnn3d_comm_size (const Cnn3dComm *c)
{
  return c->place.size;
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
  for (guint r = 0; r < c->place.size; r++)
    c->sent += r == c->place.rank ? 0 : sent[r];
  /* what is posted takes room in the queues of GPU and driver */
  if (c->transport->post)
    return (c->posted < MOST_POSTED || cnn3d_comm_settle (c, error)) && ++c->posted
        && c->transport->post (c->link, from, sent, to, received, c->gpu.stream, error);
  return c->transport->exchange (c->link, from, sent, to, received, c->seconds, error);
}

gboolean
cnn3d_comm_settle (Cnn3dComm *c, GError **error)
{
  const gint64 end = g_get_monotonic_time () + c->seconds * (gint64) G_USEC_PER_SEC;
  gboolean busy = TRUE;

  if (!c->transport->post)
    return TRUE;
  for (guint polls = 0; busy; polls++) {
    if (!c->transport->check (c->link, error) || !c->gpu.busy (c->gpu.device, &busy, error))
      goto failed;
    if (busy && g_get_monotonic_time () > end) {
      g_set_error (error, CNN3D_COMM_ERROR, CNN3D_COMM_ERROR_TIMEOUT,
          "the GPUs exchanged nothing within %u s: the process of another rank hangs or has ended",
          c->seconds);
      goto failed;
    }
    if (busy && polls > POLLS)
      g_usleep (PAUSE);
  }
  c->posted = 0;
  return TRUE;

  /* ERRORS */
failed:
  /* the GPU waits for the other ranks, and whoever closes it for the GPU */
  c->transport->abort (c->link);
  return FALSE;
}

gboolean
cnn3d_comm_share (Cnn3dComm *c, gconstpointer own, gsize bytes, gpointer all, GError **error)
{
  for (guint r = 0; r < c->place.size; r++) {
    c->from[r] = own;
    c->to[r] = (guint8 *) all + r * bytes;
    c->bytes[r] = bytes;
  }
  return cnn3d_comm_exchange (c, c->from, c->bytes, c->to, c->bytes, error);
}
