/* threadcomm.h: a transport between threads of one process, which are the ranks.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_THREADCOMM_H
#define CNN3D_THREADCOMM_H

#include <string.h>

#include "src/comm/comm.h"

#define MOST_RANKS 8

/* Two meetings make an exchange: when all have told where their data is, each copies what is its;
 * when all have, they may go on. */
static struct {
  GMutex lock;
  GCond changed;
  guint size, here;
  guint64 meetings;
  const gconstpointer *from[MOST_RANKS];
  const gsize *sent[MOST_RANKS];
} hub;

struct _Cnn3dLink {
  guint rank;
};

static _Thread_local guint own_rank;

static inline Cnn3dLink *
thread_join (const Cnn3dPlace *place, gconstpointer id, guint seconds, GError **error)
{
  Cnn3dLink *link = g_new (Cnn3dLink, 1);

  link->rank = own_rank;
  return link;
}

static inline void
thread_leave (Cnn3dLink **link, gboolean failed)
{
  g_clear_pointer (link, g_free);
}

static inline guint
thread_rank (const Cnn3dLink *link)
{
  return link->rank;
}

static inline guint
thread_size (const Cnn3dLink *link)
{
  return hub.size;
}

/* Waits until all are here; the lock is held. FALSE: not all came. */
static inline gboolean
meet (guint seconds)
{
  const gint64 end = g_get_monotonic_time () + seconds * (gint64) G_USEC_PER_SEC;
  const guint64 meeting = hub.meetings;

  if (++hub.here == hub.size) {
    hub.here = 0;
    hub.meetings++;
    g_cond_broadcast (&hub.changed);
    return TRUE;
  }
  while (hub.meetings == meeting)
    if (!g_cond_wait_until (&hub.changed, &hub.lock, end)) {
      if (hub.meetings != meeting)
        return TRUE;
      /* whoever comes later meets nobody */
      hub.here--;
      return FALSE;
    }
  return TRUE;
}

static inline gboolean
thread_exchange (Cnn3dLink *link, const gconstpointer *from, const gsize *sent, const gpointer *to,
    const gsize *received, guint seconds, GError **error)
{
  gboolean came;

  g_mutex_lock (&hub.lock);
  hub.from[link->rank] = from;
  hub.sent[link->rank] = sent;
  came = meet (seconds);
  g_mutex_unlock (&hub.lock);
  for (guint r = 0; came && r < hub.size; r++) {
    g_assert_cmpuint (received[r], ==, hub.sent[r][link->rank]);
    if (received[r] && to[r] != hub.from[r][link->rank])
      memcpy (to[r], hub.from[r][link->rank], received[r]);
  }
  g_mutex_lock (&hub.lock);
  came = came && meet (seconds);
  g_mutex_unlock (&hub.lock);
  if (!came)
    g_set_error (error, CNN3D_COMM_ERROR, CNN3D_COMM_ERROR_TIMEOUT, "a thread did not come");
  return came;
}

static const Cnn3dTransport thread_transport = { .abi = CNN3D_TRANSPORT_ABI,
  .name = "threads",
  .join = thread_join,
  .leave = thread_leave,
  .rank = thread_rank,
  .size = thread_size,
  .exchange = thread_exchange };

#endif
