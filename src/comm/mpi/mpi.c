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
  MPI_Comm world; /* a copy: an application may use MPI itself */
  /* [2 * size]: of an exchange, receives first */
  MPI_Request *requests;
  MPI_Status *statuses;
  gint *peers;
};

/* Calls of MPI come from several threads, one at a time. */
static GMutex lock;
static gint links; /* that were not left */
static gboolean failed;

G_MODULE_EXPORT const Cnn3dTransport *cnn3d_transport (void);

static void
finalise (void)
{
  gint done = 0;

  if (!failed && links == 0 && MPI_Finalized (&done) == MPI_SUCCESS && !done)
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
join_locked (GError **error)
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
  l->statuses = g_new (MPI_Status, 2 * l->size);
  l->peers = g_new (gint, 2 * l->size);
  links++;
  return l;
}

static Cnn3dLink *
join (const Cnn3dPlace *place, gconstpointer id, guint seconds, GError **error)
{
  Cnn3dLink *l;

  g_mutex_lock (&lock);
  l = join_locked (error);
  g_mutex_unlock (&lock);
  return l;
}

static void
leave (Cnn3dLink **link, gboolean bad)
{
  Cnn3dLink *l = g_steal_pointer (link);

  g_mutex_lock (&lock);
  links--;
  failed |= bad;
  /* after an error, others may never come to this collective call */
  if (!failed)
    MPI_Comm_free (&l->world);
  g_mutex_unlock (&lock);
  g_free (l->requests);
  g_free (l->statuses);
  g_free (l->peers);
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

/* The first part of what MPI says of itself: the rest is how it was built. */
static const gchar *
library (void)
{
  static gchar text[MPI_MAX_LIBRARY_VERSION_STRING];
  gint length = 0;

  g_mutex_lock (&lock);
  if (!*text && MPI_Get_library_version (text, &length) == MPI_SUCCESS) {
    text[strcspn (text, ",\n")] = '\0';
    g_strdelimit (text, "\t", ' ');
  }
  g_mutex_unlock (&lock);
  return text;
}

/* The ranks with requests that are not done, such as "2, 5", which are given up: their memory will go.
 * Free with g_free(). */
static gchar *
give_up (Cnn3dLink *l, gint n)
{
  GString *text = g_string_new (NULL);

  for (gint r = 0; r < l->size; r++) {
    gboolean waits = FALSE;

    for (gint i = 0; i < n; i++) {
      gint done = 0;

      if (l->peers[i] != r || l->requests[i] == MPI_REQUEST_NULL
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

/* Begins to receive and to send. *receives, *n: how many requests that made. */
static gboolean
post (Cnn3dLink *l, const gconstpointer *from, const gsize *sent, const gpointer *to,
    const gsize *received, gint *receives, gint *n, GError **error)
{
  *n = 0;
  for (gint step = 1; step < l->size; step++) {
    const gint r = (l->rank - step + l->size) % l->size;

    if (!received[r])
      continue;
    l->peers[*n] = r;
    if (!check (MPI_Irecv (to[r], received[r], MPI_BYTE, r, TAG, l->world, &l->requests[*n]),
            "MPI_Irecv", error))
      return FALSE;
    ++*n;
  }
  *receives = *n;
  for (gint step = 1; step < l->size; step++) {
    const gint r = (l->rank + step) % l->size;

    if (!sent[r])
      continue;
    l->peers[*n] = r;
    if (!check (MPI_Isend (from[r], sent[r], MPI_BYTE, r, TAG, l->world, &l->requests[*n]),
            "MPI_Isend", error))
      return FALSE;
    ++*n;
  }
  return TRUE;
}

/* A rank that is elsewhere sends something else: what is too long is an error of MPI's, and what is
 * too short must not pass for data. */
static gboolean
check_sizes (const Cnn3dLink *l, gint receives, const gsize *received, GError **error)
{
  for (gint i = 0; i < receives; i++) {
    gint count = 0;

    if (MPI_Get_count (&l->statuses[i], MPI_BYTE, &count) != MPI_SUCCESS
        || (gsize) count != received[l->peers[i]])
      return fail ("MPI_Get_count", "MPI_ERR_COUNT", error);
  }
  return TRUE;
}

static gboolean
exchange (Cnn3dLink *l, const gconstpointer *from, const gsize *sent, const gpointer *to,
    const gsize *received, guint seconds, GError **error)
{
  const gint64 end = g_get_monotonic_time () + seconds * (gint64) G_USEC_PER_SEC;
  g_autofree gchar *ranks = NULL;
  gint receives = 0, n, done = 0;
  gboolean ok;

  g_mutex_lock (&lock);
  ok = post (l, from, sent, to, received, &receives, &n, error);
  g_mutex_unlock (&lock);
  if (ok && sent[l->rank] && to[l->rank] != from[l->rank])
    memcpy (to[l->rank], from[l->rank], sent[l->rank]);
  for (guint polls = 0; ok && !done && g_get_monotonic_time () < end; polls++) {
    if (polls > POLLS)
      g_usleep (PAUSE);
    g_mutex_lock (&lock);
    ok = check (MPI_Testall (n, l->requests, &done, l->statuses), "MPI_Testall", error);
    g_mutex_unlock (&lock);
  }
  if (ok && done)
    return check_sizes (l, receives, received, error);
  g_mutex_lock (&lock);
  ranks = give_up (l, n);
  g_mutex_unlock (&lock);
  if (ok)
    g_set_error (error, CNN3D_COMM_ERROR, CNN3D_COMM_ERROR_TIMEOUT,
        "rank %s did not answer within %u s: it hangs, or cannot be reached", ranks, seconds);
  return FALSE;
}

static const Cnn3dTransport transport = { .abi = CNN3D_TRANSPORT_ABI,
  .name = "mpi",
  .join = join,
  .leave = leave,
  .rank = rank,
  .size = size,
  .library = library,
  .exchange = exchange };

const Cnn3dTransport *
cnn3d_transport (void)
{
  return &transport;
}
