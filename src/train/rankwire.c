/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/train/rankwire.h"

#include <string.h>

/* Bytes to and from each rank that go through the device at once. */
#define PART ((gsize) 1 << 15)

void
cnn3d_wire_init (TrainerWire *w, Cnn3dComm *comm, const Cnn3dBackend *backend, Cnn3dDevice *device)
{
  const guint size = cnn3d_comm_size (comm);

  *w = (TrainerWire) { comm, backend, device, NULL, g_new0 (gconstpointer, size),
    g_new0 (gpointer, size), g_new0 (gsize, size), g_new0 (gsize, size) };
}

void
cnn3d_wire_clear (TrainerWire *w)
{
  g_free (w->from);
  g_free (w->to);
  g_free (w->sent);
  g_free (w->taken);
}

gsize
cnn3d_wire_staging (guint size)
{
  return 2 * size * PART;
}

static gboolean
is_busy (gpointer wire, gboolean *busy, GError **error)
{
  const TrainerWire *w = wire;

  return w->backend->busy (w->device, busy, error);
}

gboolean
cnn3d_wire_enter (const TrainerWire *w, GError **error)
{
  return !w->backend->stream || w->backend->stream (w->device, error);
}

gboolean
cnn3d_wire_connect (TrainerWire *w, GError **error)
{
  Cnn3dCommGpu gpu = { NULL, is_busy, w };

  if (!cnn3d_comm_on_gpu (w->comm))
    return TRUE;
  gpu.stream = w->backend->stream (w->device, error);
  return gpu.stream && cnn3d_comm_connect (w->comm, &gpu, error);
}

static gsize
part_of (gsize bytes, gsize at)
{
  return at < bytes ? MIN (PART, bytes - at) : 0;
}

/* Bytes [at, at + PART) of what goes to and comes from each rank. */
static gboolean
exchange_part (TrainerWire *w, const gconstpointer *from, const gsize *sent, const gpointer *to,
    const gsize *taken, gsize at, GError **error)
{
  const guint size = cnn3d_comm_size (w->comm), own = cnn3d_comm_rank (w->comm);

  for (guint r = 0; r < size; r++) {
    guint8 *out = w->staging + r * PART;

    w->from[r] = out;
    w->sent[r] = r == own ? 0 : part_of (sent[r], at);
    w->to[r] = w->staging + (size + r) * PART;
    w->taken[r] = r == own ? 0 : part_of (taken[r], at);
    if (w->sent[r]
        && !w->backend->upload (w->device, out, (const guint8 *) from[r] + at, w->sent[r], error))
      return FALSE;
  }
  if (!cnn3d_comm_exchange (w->comm, w->from, w->sent, w->to, w->taken, error)
      || !cnn3d_comm_settle (w->comm, error))
    return FALSE;
  for (guint r = 0; r < size; r++)
    if (w->taken[r]
        && !w->backend->fetch (w->device, (guint8 *) to[r] + at, w->to[r], w->taken[r], error))
      return FALSE;
  return w->backend->finish (w->device, error);
}

gboolean
cnn3d_wire_exchange (TrainerWire *w, const gconstpointer *from, const gsize *sent,
    const gpointer *to, const gsize *taken, GError **error)
{
  const guint own = cnn3d_comm_rank (w->comm);
  gsize most = 0;

  if (!w->staging)
    return cnn3d_comm_exchange (w->comm, from, sent, to, taken, error);
  for (guint r = 0; r < cnn3d_comm_size (w->comm); r++)
    most = MAX (most, MAX (sent[r], taken[r]));
  for (gsize at = 0; at < most; at += PART)
    if (!exchange_part (w, from, sent, to, taken, at, error))
      return FALSE;
  if (sent[own] && to[own] != from[own])
    memcpy (to[own], from[own], sent[own]);
  return TRUE;
}

gboolean
cnn3d_wire_share (TrainerWire *w, gconstpointer own, gsize bytes, gpointer all, GError **error)
{
  const guint size = cnn3d_comm_size (w->comm);
  g_autofree gconstpointer *from = NULL;
  g_autofree gpointer *to = NULL;
  g_autofree gsize *each = NULL;

  if (!w->staging)
    return cnn3d_comm_share (w->comm, own, bytes, all, error);
  from = g_new (gconstpointer, size);
  to = g_new (gpointer, size);
  each = g_new (gsize, size);
  for (guint r = 0; r < size; r++) {
    from[r] = own;
    to[r] = (guint8 *) all + r * bytes;
    each[r] = bytes;
  }
  return cnn3d_wire_exchange (w, from, each, to, each, error);
}
