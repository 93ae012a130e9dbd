/* nccl.c: the transport over NCCL, from GPU to GPU.
 *
 * The communicator does not block: each call returns at once, and what it began is polled for, so that
 * a rank that hangs is an error after the time limit. libnccl is loaded when it is first needed.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "src/comm/comm.h"
#include "src/comm/nccl/nccl-api.h"
#include "src/module.h"

#define LIBRARY "libnccl.so.2"
#define PAUSE 100  /* between two polls, in microseconds */
#define FAREWELL 5 /* seconds in which the others should leave, too */

struct _Cnn3dLink {
  Cnn3dPlace place;
  NcclComm comm; /* NULL: aborted */
  guint seconds;
};

static NcclApi nccl;

G_MODULE_EXPORT const Cnn3dTransport *cnn3d_transport (void);

/* --- the library --- */

static gboolean
find_symbols (GModule *module, const gchar **missing)
{
  const Cnn3dModuleSymbol symbols[] = {
    { "ncclGetVersion", (gpointer *) &nccl.get_version },
    { "ncclGetErrorString", (gpointer *) &nccl.error_string },
    { "ncclGetLastError", (gpointer *) &nccl.last_error },
    { "ncclGetUniqueId", (gpointer *) &nccl.get_id },
    { "ncclCommInitRankConfig", (gpointer *) &nccl.init_rank },
    { "ncclCommGetAsyncError", (gpointer *) &nccl.async_error },
    { "ncclCommFinalize", (gpointer *) &nccl.finalize },
    { "ncclCommDestroy", (gpointer *) &nccl.destroy },
    { "ncclCommAbort", (gpointer *) &nccl.abort },
    { "ncclGroupStart", (gpointer *) &nccl.group_start },
    { "ncclGroupEnd", (gpointer *) &nccl.group_end },
    { "ncclSend", (gpointer *) &nccl.send },
    { "ncclRecv", (gpointer *) &nccl.receive },
  };

  return cnn3d_module_find (module, symbols, G_N_ELEMENTS (symbols), missing);
}

/* comm: NULL before there is one. */
static gboolean
check_result (NcclComm comm, gint result, const gchar *call, GError **error)
{
  const gchar *more;

  if (result == NCCL_SUCCESS || result == NCCL_IN_PROGRESS)
    return TRUE;
  more = nccl.last_error (comm);
  g_set_error (error, CNN3D_COMM_ERROR, CNN3D_COMM_ERROR_FAILED,
      "NCCL: %s failed: %s%s%s%s: NCCL_DEBUG=INFO prints more", call, nccl.error_string (result),
      more && *more ? " (" : "", more && *more ? more : "", more && *more ? ")" : "");
  return FALSE;
}

static gboolean
check_version (const gchar *name, GError **error)
{
  gint version = 0;

  if (!check_result (NULL, nccl.get_version (&version), "ncclGetVersion", error))
    return FALSE;
  if (version >= NCCL_OLDEST)
    return TRUE;
  g_set_error (error, CNN3D_COMM_ERROR, CNN3D_COMM_ERROR_MISSING,
      "%s is NCCL %d, which is too old: install 2.18 or later", name, version);
  return FALSE;
}

static gboolean
load_locked (GError **error)
{
  static gboolean loaded;
  const gchar *name = g_getenv ("CNN3D_NCCL"), *missing;
  GModule *module;

  if (loaded)
    return TRUE;
  module = g_module_open (name ? name : LIBRARY, G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL);
  if (!module) {
    g_set_error (error, CNN3D_COMM_ERROR, CNN3D_COMM_ERROR_MISSING, "NCCL 2 cannot be loaded: %s",
        g_module_error ());
    return FALSE;
  }
  if (!find_symbols (module, &missing)) {
    g_set_error (error, CNN3D_COMM_ERROR, CNN3D_COMM_ERROR_MISSING,
        "%s has no %s: install NCCL 2.18 or later", g_module_name (module), missing);
    g_module_close (module);
    return FALSE;
  }
  if (!check_version (g_module_name (module), error)) {
    g_module_close (module);
    return FALSE;
  }
  /* its threads outlive a closed module */
  g_module_make_resident (module);
  return loaded = TRUE;
}

static gboolean
load (GError **error)
{
  static GMutex lock;
  gboolean ok;

  g_mutex_lock (&lock);
  ok = load_locked (error);
  g_mutex_unlock (&lock);
  return ok;
}

/* Waits until what a call began is done; its kernels may still run then. */
static gboolean
wait_for (NcclComm comm, gint result, const gchar *call, guint seconds, GError **error)
{
  const gint64 end = g_get_monotonic_time () + seconds * (gint64) G_USEC_PER_SEC;

  while (result == NCCL_IN_PROGRESS) {
    const gint status = nccl.async_error (comm, &result);

    if (!check_result (comm, status, "ncclCommGetAsyncError", error))
      return FALSE;
    if (result != NCCL_IN_PROGRESS)
      break;
    if (g_get_monotonic_time () > end) {
      g_set_error (error, CNN3D_COMM_ERROR, CNN3D_COMM_ERROR_TIMEOUT,
          "NCCL: %s was not done within %u s: a rank hangs, has ended, or cannot be reached", call,
          seconds);
      return FALSE;
    }
    g_usleep (PAUSE);
  }
  return check_result (comm, result, call, error);
}

/* --- the transport --- */

static gboolean
make_id (gpointer id, GError **error)
{
  return load (error) && check_result (NULL, nccl.get_id (id), "ncclGetUniqueId", error);
}

static void
end (Cnn3dLink *l)
{
  if (l->comm)
    nccl.abort (l->comm);
  l->comm = NULL;
}

static Cnn3dLink *
join (const Cnn3dPlace *place, gconstpointer id, guint seconds, GError **error)
{
  NcclConfig config = NCCL_CONFIG (CNN3D_NCCL_CHANNELS);
  Cnn3dLink *l;
  NcclId copy;
  gint result;

  if (!load (error))
    return NULL;
  l = g_new0 (Cnn3dLink, 1);
  l->place = *place;
  l->seconds = seconds;
  memcpy (&copy, id, sizeof copy);
  result = nccl.init_rank (&l->comm, place->size, copy, place->rank, &config);
  if (wait_for (l->comm, result, "ncclCommInitRankConfig", seconds, error))
    return l;
  end (l);
  g_free (l);
  return NULL;
}

static void
leave (Cnn3dLink **link, gboolean failed)
{
  Cnn3dLink *l = g_steal_pointer (link);

  /* whoever still waits for this rank learns that it has left */
  if (l->comm && !failed
      && wait_for (l->comm, nccl.finalize (l->comm), "ncclCommFinalize", FAREWELL, NULL)) {
    nccl.destroy (l->comm);
    l->comm = NULL;
  }
  end (l);
  g_free (l);
}

static guint
rank (const Cnn3dLink *l)
{
  return l->place.rank;
}

static guint
size (const Cnn3dLink *l)
{
  return l->place.size;
}

/* Of one group. */
static gboolean
post_all (Cnn3dLink *l, const gconstpointer *from, const gsize *sent, const gpointer *to,
    const gsize *received, gpointer stream, GError **error)
{
  for (guint step = 0; step < l->place.size; step++) {
    const guint next = (l->place.rank + step) % l->place.size,
                before = (l->place.rank + l->place.size - step) % l->place.size;

    /* step 0: a copy, if it is one */
    if (step == 0 && from[next] == to[next])
      continue;
    if (sent[next]
        && !check_result (l->comm,
            nccl.send (from[next], sent[next], NCCL_UINT8, next, l->comm, stream), "ncclSend",
            error))
      return FALSE;
    if (received[before]
        && !check_result (l->comm,
            nccl.receive (to[before], received[before], NCCL_UINT8, before, l->comm, stream),
            "ncclRecv", error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
post (Cnn3dLink *l, const gconstpointer *from, const gsize *sent, const gpointer *to,
    const gsize *received, gpointer stream, GError **error)
{
  gboolean ok;
  gint result;

  if (!l->comm) {
    g_set_error (error, CNN3D_COMM_ERROR, CNN3D_COMM_ERROR_FAILED,
        "NCCL: nothing can be sent after a failure");
    return FALSE;
  }
  ok = check_result (l->comm, nccl.group_start (), "ncclGroupStart", error);
  if (ok) {
    ok = post_all (l, from, sent, to, received, stream, error);
    /* ends in any case */
    result = nccl.group_end ();
    ok = ok && wait_for (l->comm, result, "ncclGroupEnd", l->seconds, error);
  }
  if (!ok)
    end (l);
  return ok;
}

static gboolean
check (Cnn3dLink *l, GError **error)
{
  gint result = NCCL_SUCCESS;

  return check_result (l->comm, nccl.async_error (l->comm, &result), "ncclCommGetAsyncError", error)
      && check_result (l->comm, result, "ncclSend/ncclRecv", error);
}

static const Cnn3dTransport transport = { .abi = CNN3D_TRANSPORT_ABI,
  .name = "nccl",
  .id_bytes = sizeof (NcclId),
  .make_id = make_id,
  .join = join,
  .leave = leave,
  .rank = rank,
  .size = size,
  .post = post,
  .check = check,
  .abort = end };

const Cnn3dTransport *
cnn3d_transport (void)
{
  return &transport;
}
