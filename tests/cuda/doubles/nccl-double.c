/* A test double of NCCL 2: the functions that the transport loads, between processes that share a
 * file. A communicator never blocks, and what a call began goes on only while it is asked for its
 * state. See nccl-double.h.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nccl-double.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "src/comm/nccl/nccl-api.h"

#define PUBLIC __attribute__ ((visibility ("default")))
#define MOST_RANKS 8
#define SLOT 65536 /* bytes on their way from one rank to another */
#define MOST_CALLS (2 * MOST_RANKS)

enum {
  SYSTEM_ERROR = 2,
  INVALID_ARGUMENT = 4,
  INVALID_USAGE = 5,
  REMOTE_ERROR = 6
};

typedef struct {
  gint full; /* atomic */
  guint32 bytes;
  guint8 data[SLOT];
} Slot;

typedef struct {
  gint here;                          /* atomic: ranks that have joined, */
  gint aborted;                       /* and whether one has aborted */
  Slot slots[MOST_RANKS][MOST_RANKS]; /* [from][to] */
} Shared;

typedef struct {
  gboolean sends;
  gint peer;
  guint8 *data;
  gsize bytes, done;
} Call;

typedef struct {
  struct ncclComm *comm;
  gpointer stream;
  guint n;
  Call calls[MOST_CALLS];
} Group;

typedef enum {
  STATE_READY,
  STATE_JOINS,
  STATE_POSTS, /* a group is not on its stream yet */
  STATE_LEAVES
} State;

struct ncclComm {
  Shared *shared;
  gint rank, size;
  State state;
  guint asked;             /* in this state */
  gatomicrefcount holders; /* the caller, and groups on streams */
  gint aborted;
  gint result;
  Group *group; /* to be posted */
};

static NcclDouble control;
static NcclDoubleLaunch launcher;
static Group *open_group;
static const gchar *reason = "";

PUBLIC NcclDouble *nccl_double (void);
PUBLIC void nccl_double_launch_with (NcclDoubleLaunch launch);
PUBLIC int ncclGetVersion (int *version);
PUBLIC const char *ncclGetErrorString (int result);
PUBLIC const char *ncclGetLastError (NcclComm comm);
PUBLIC int ncclGetUniqueId (NcclId *id);
PUBLIC int ncclCommInitRankConfig (
    NcclComm *comm, int ranks, NcclId id, int rank, NcclConfig *config);
PUBLIC int ncclCommGetAsyncError (NcclComm comm, int *result);
PUBLIC int ncclCommFinalize (NcclComm comm);
PUBLIC int ncclCommDestroy (NcclComm comm);
PUBLIC int ncclCommAbort (NcclComm comm);
PUBLIC int ncclGroupStart (void);
PUBLIC int ncclGroupEnd (void);
PUBLIC int ncclSend (const void *from, size_t n, int type, int peer, NcclComm comm, void *stream);
PUBLIC int ncclRecv (void *to, size_t n, int type, int peer, NcclComm comm, void *stream);

NcclDouble *
nccl_double (void)
{
  return &control;
}

void
nccl_double_launch_with (NcclDoubleLaunch launch)
{
  launcher = launch;
}

/* Counts a call of `name`; whether it must fail. */
static gboolean
fails (const gchar *name)
{
  const gboolean counts = strcmp (name, "ncclCommGetAsyncError") != 0;

  reason = "";
  control.calls += counts;
  if ((counts && control.calls == control.fail_at)
      || (control.fail_in && !strcmp (name, control.fail_in) && control.fail_after-- == 0)) {
    reason = "as a test asked for";
    return TRUE;
  }
  return FALSE;
}

int
ncclGetVersion (int *version)
{
  *version = control.version ? control.version : 22809;
  return fails (__func__) ? SYSTEM_ERROR : NCCL_SUCCESS;
}

const char *
ncclGetErrorString (int result)
{
  return result == REMOTE_ERROR ? "remote process exited or there was a network error"
      : result == SYSTEM_ERROR  ? "unhandled system error"
                                : "invalid usage";
}

const char *
ncclGetLastError (NcclComm comm)
{
  return reason;
}

/* The name of a file, that has room for all ranks. */
int
ncclGetUniqueId (NcclId *id)
{
  g_autofree gchar *path = NULL;
  gint file;

  if (fails (__func__))
    return SYSTEM_ERROR;
  file = g_file_open_tmp ("nccl-double-XXXXXX", &path, NULL);
  if (file < 0 || ftruncate (file, sizeof (Shared)))
    return SYSTEM_ERROR;
  close (file);
  memset (id, 0, sizeof *id);
  g_strlcpy (id->internal, path, sizeof id->internal);
  return NCCL_SUCCESS;
}

static void
comm_unref (struct ncclComm *c)
{
  if (!g_atomic_ref_count_dec (&c->holders))
    return;
  munmap (c->shared, sizeof *c->shared);
  g_free (c);
}

int
ncclCommInitRankConfig (NcclComm *comm, int ranks, NcclId id, int rank, NcclConfig *config)
{
  struct ncclComm *c;
  gint file;

  if (fails (__func__))
    return SYSTEM_ERROR;
  if (config->magic != 0xcafebeef || config->blocking || ranks > MOST_RANKS || rank >= ranks)
    return INVALID_ARGUMENT;
  file = open (id.internal, O_RDWR | O_CLOEXEC);
  if (file < 0)
    return SYSTEM_ERROR;
  c = g_new0 (struct ncclComm, 1);
  c->shared = mmap (NULL, sizeof *c->shared, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close (file);
  g_assert (c->shared != MAP_FAILED);
  g_atomic_ref_count_init (&c->holders);
  c->rank = rank;
  c->size = ranks;
  c->state = STATE_JOINS;
  if (g_atomic_int_add (&c->shared->here, 1) + 1 == ranks)
    unlink (id.internal);
  control.alive++;
  *comm = c;
  return NCCL_IN_PROGRESS;
}

/* --- exchanges --- */

static void
advance (struct ncclComm *c, Call *call)
{
  Slot *slot =
      call->sends ? &c->shared->slots[c->rank][call->peer] : &c->shared->slots[call->peer][c->rank];
  const gsize n = MIN (SLOT, call->bytes - call->done);

  if (!!g_atomic_int_get (&slot->full) == call->sends || (call->sends && control.stalls))
    return;
  if (call->sends) {
    slot->bytes = n;
    memcpy (slot->data, call->data + call->done, n);
  } else {
    /* what the ranks say of one exchange agrees */
    g_assert_cmpuint (slot->bytes, ==, n);
    memcpy (call->data + call->done, slot->data, n);
  }
  g_atomic_int_set (&slot->full, call->sends);
  call->done += n;
}

static gboolean
group_ready (gpointer data)
{
  Group *g = data;
  gboolean done = TRUE;

  if (g_atomic_int_get (&g->comm->aborted))
    return TRUE;
  for (guint i = 0; i < g->n; i++) {
    if (g->calls[i].done < g->calls[i].bytes)
      advance (g->comm, &g->calls[i]);
    done &= g->calls[i].done == g->calls[i].bytes;
  }
  return done;
}

static void
group_free (gpointer data)
{
  comm_unref (((Group *) data)->comm);
  g_free (data);
}

static int
add_call (gboolean sends, gpointer data, size_t n, int type, int peer, NcclComm comm, void *stream)
{
  if (!open_group || type != NCCL_UINT8 || peer < 0 || peer >= comm->size
      || open_group->n == MOST_CALLS || (open_group->comm && open_group->comm != comm))
    return INVALID_USAGE;
  if (!open_group->comm) {
    open_group->comm = comm;
    g_atomic_ref_count_inc (&comm->holders);
  }
  open_group->stream = stream;
  open_group->calls[open_group->n++] = (Call) { sends, peer, data, n, 0 };
  return NCCL_SUCCESS;
}

int
ncclSend (const void *from, size_t n, int type, int peer, NcclComm comm, void *stream)
{
  return fails (__func__) ? SYSTEM_ERROR
                          : add_call (TRUE, (gpointer) from, n, type, peer, comm, stream);
}

int
ncclRecv (void *to, size_t n, int type, int peer, NcclComm comm, void *stream)
{
  return fails (__func__) ? SYSTEM_ERROR : add_call (FALSE, to, n, type, peer, comm, stream);
}

int
ncclGroupStart (void)
{
  if (fails (__func__))
    return SYSTEM_ERROR;
  if (open_group)
    return INVALID_USAGE;
  open_group = g_new0 (Group, 1);
  return NCCL_SUCCESS;
}

int
ncclGroupEnd (void)
{
  Group *g = g_steal_pointer (&open_group);

  if (fails (__func__) || !g->comm) {
    const gboolean empty = !g->comm && !*reason;

    if (g->comm)
      group_free (g);
    else
      g_free (g);
    return empty ? NCCL_SUCCESS : SYSTEM_ERROR;
  }
  if (g->comm->state != STATE_READY) {
    group_free (g);
    return INVALID_USAGE;
  }
  g->comm->group = g;
  g->comm->state = STATE_POSTS;
  g->comm->asked = 0;
  return NCCL_IN_PROGRESS;
}

/* --- states --- */

static void
proceed (struct ncclComm *c)
{
  /* the first answer is always that it is under way */
  if (c->state == STATE_READY || c->asked++ == 0)
    return;
  if (c->state == STATE_JOINS && g_atomic_int_get (&c->shared->here) < c->size)
    return;
  if (c->state == STATE_POSTS)
    launcher (c->group->stream, group_ready, c->group, group_free);
  c->group = NULL;
  c->state = STATE_READY;
}

int
ncclCommGetAsyncError (NcclComm c, int *result)
{
  if (fails (__func__))
    return SYSTEM_ERROR;
  if (control.fails_later || g_atomic_int_get (&c->shared->aborted)) {
    *result = REMOTE_ERROR;
    return NCCL_SUCCESS;
  }
  proceed (c);
  *result = c->state == STATE_READY ? NCCL_SUCCESS : NCCL_IN_PROGRESS;
  return NCCL_SUCCESS;
}

int
ncclCommFinalize (NcclComm c)
{
  if (fails (__func__))
    return SYSTEM_ERROR;
  c->state = STATE_LEAVES;
  c->asked = 0;
  return NCCL_IN_PROGRESS;
}

int
ncclCommDestroy (NcclComm c)
{
  control.alive--;
  comm_unref (c);
  return NCCL_SUCCESS;
}

int
ncclCommAbort (NcclComm c)
{
  g_atomic_int_set (&c->aborted, TRUE);
  if (control.tells)
    g_atomic_int_set (&c->shared->aborted, TRUE);
  g_clear_pointer (&c->group, group_free);
  control.alive--;
  comm_unref (c);
  return NCCL_SUCCESS;
}
