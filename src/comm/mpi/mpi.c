/* mpi.c: the transport over MPI.
 *
 * MPI is initialised once in a process, for as long as it lives, and finalised at its exit, unless a
 * run failed: then the launcher takes its end for an abort, and ends the other ranks.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#define OMPI_SKIP_MPICXX 1
#include <mpi.h>

#include <gmodule.h>
#include <stdlib.h>
#include <string.h>

#include "src/comm/comm.h"

#define TAG 1
/* Polls without a pause, while an answer is near; then a pause between two, in microseconds */
#define POLLS 2000
#define PAUSE 200

struct _Cnn3dLink {
  gint rank, size;
  MPI_Comm world;        /* a copy: an application may use MPI itself */
  MPI_Request *requests; /* 2 * size */
};

static gboolean failed;

G_MODULE_EXPORT const Cnn3dTransport *cnn3d_transport (void);

static void
finalise (void)
{
  gint done = 0;

  if (!failed && MPI_Finalized (&done) == MPI_SUCCESS && !done)
    MPI_Finalize ();
}

static gboolean
fail (const gchar *what, const gchar *why, GError **error)
{
  g_set_error (error, CNN3D_COMM_ERROR, CNN3D_COMM_ERROR_FAILED, "MPI: %s failed: %s", what, why);
  return FALSE;
}

static gboolean
check (gint code, const gchar *what, GError **error)
{
  gchar text[MPI_MAX_ERROR_STRING] = "";
  gint length = 0;

  if (code == MPI_SUCCESS)
    return TRUE;
  MPI_Error_string (code, text, &length);
  return fail (what, text, error);
}

static Cnn3dLink *
join (GError **error)
{
  gint ready = 0, level;
  Cnn3dLink *l;

  if (!check (MPI_Initialized (&ready), "MPI_Initialized", error))
    return NULL;
  if (!ready) {
    if (!check (
            MPI_Init_thread (NULL, NULL, MPI_THREAD_SERIALIZED, &level), "MPI_Init_thread", error))
      return NULL;
    atexit (finalise);
  }
  MPI_Query_thread (&level);
  if (level < MPI_THREAD_SERIALIZED) {
    fail ("MPI_Init_thread", "MPI_THREAD_SERIALIZED", error);
    return NULL;
  }
  l = g_new0 (Cnn3dLink, 1);
  if (!check (MPI_Comm_dup (MPI_COMM_WORLD, &l->world), "MPI_Comm_dup", error)) {
    g_free (l);
    return NULL;
  }
  MPI_Comm_set_errhandler (l->world, MPI_ERRORS_RETURN);
  MPI_Comm_rank (l->world, &l->rank);
  MPI_Comm_size (l->world, &l->size);
  l->requests = g_new (MPI_Request, 2 * l->size);
  return l;
}

static void
leave (Cnn3dLink **link, gboolean bad)
{
  Cnn3dLink *l = g_steal_pointer (link);

  failed |= bad;
  /* after an error, others may never come to this collective call */
  if (!failed)
    MPI_Comm_free (&l->world);
  g_free (l->requests);
  g_free (l);
}

static guint
rank (const Cnn3dLink *l)
{
  return l->rank;
}

static guint
size (const Cnn3dLink *l)
{
  return l->size;
}

/* The ranks with requests that are not done, such as "2, 5", which are given up: their memory will go.
 * Free with g_free(). */
static gchar *
give_up (Cnn3dLink *l, gint n, const gint *peers)
{
  GString *text = g_string_new (NULL);

  for (gint r = 0; r < l->size; r++) {
    gboolean waits = FALSE;

    for (gint i = 0; i < n; i++) {
      gint done = 0;

      if (peers[i] != r || l->requests[i] == MPI_REQUEST_NULL
          || MPI_Test (&l->requests[i], &done, MPI_STATUS_IGNORE) != MPI_SUCCESS || done)
        continue;
      waits = TRUE;
      MPI_Cancel (&l->requests[i]);
      MPI_Request_free (&l->requests[i]);
    }
    if (waits)
      g_string_append_printf (text, "%s%d", text->len ? ", " : "", r);
  }
  return g_string_free (text, FALSE);
}

/* Waits for the first n requests. peers: their ranks. */
static gboolean
wait_all (Cnn3dLink *l, gint n, const gint *peers, guint seconds, GError **error)
{
  const gint64 end = g_get_monotonic_time () + seconds * (gint64) G_USEC_PER_SEC;
  g_autofree gchar *ranks = NULL;
  gboolean ok;
  gint done = 0;

  for (guint polls = 0;; polls++) {
    ok = check (MPI_Testall (n, l->requests, &done, MPI_STATUSES_IGNORE), "MPI_Testall", error);
    if (!ok || done || g_get_monotonic_time () > end)
      break;
    if (polls > POLLS)
      g_usleep (PAUSE);
  }
  if (ok && done)
    return TRUE;
  ranks = give_up (l, n, peers);
  if (ok)
    g_set_error (error, CNN3D_COMM_ERROR, CNN3D_COMM_ERROR_TIMEOUT,
        "rank %s did not answer within %u s: it hangs, or cannot be reached", ranks, seconds);
  return FALSE;
}

static gboolean
exchange (Cnn3dLink *l, const gconstpointer *from, const gsize *sent, const gpointer *to,
    const gsize *received, guint seconds, GError **error)
{
  g_autofree gint *peers = g_new (gint, 2 * l->size);
  gint n = 0;

  for (gint step = 1; step < l->size; step++) {
    const gint r = (l->rank - step + l->size) % l->size;

    if (!received[r])
      continue;
    peers[n] = r;
    if (!check (MPI_Irecv (to[r], received[r], MPI_BYTE, r, TAG, l->world, &l->requests[n++]),
            "MPI_Irecv", error))
      return FALSE;
  }
  for (gint step = 1; step < l->size; step++) {
    const gint r = (l->rank + step) % l->size;

    if (!sent[r])
      continue;
    peers[n] = r;
    if (!check (MPI_Isend (from[r], sent[r], MPI_BYTE, r, TAG, l->world, &l->requests[n++]),
            "MPI_Isend", error))
      return FALSE;
  }
  if (sent[l->rank] && to[l->rank] != from[l->rank])
    memcpy (to[l->rank], from[l->rank], sent[l->rank]);
  return wait_all (l, n, peers, seconds, error);
}

static const Cnn3dTransport transport = { CNN3D_TRANSPORT_ABI, "mpi", join, leave, rank, size,
  exchange };

const Cnn3dTransport *
cnn3d_transport (void)
{
  return &transport;
}
