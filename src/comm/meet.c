/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/comm/meet.h"

#include <gio/gio.h>
#include <string.h>

#define MAGIC "cnn3d-id"
#define VERSION 1
#define PAUSE (G_USEC_PER_SEC / 10) /* between two tries to connect */
#define STRANGER 5                  /* seconds in which whoever connects must say who it is */

/* What a rank says first, and rank 0's answer, before the id; numbers are big-endian. */
typedef struct {
  gchar magic[8];
  guint32 version, rank, size, bytes;
} Greeting;

static Greeting
greeting_of (const Cnn3dPlace *place, gsize bytes)
{
  Greeting g = { .version = g_htonl (VERSION),
    .rank = g_htonl (place->rank),
    .size = g_htonl (place->size),
    .bytes = g_htonl (bytes) };

  memcpy (g.magic, MAGIC, sizeof g.magic);
  return g;
}

static gboolean
fail (Cnn3dCommError code, const gchar *text, GError **error)
{
  g_set_error_literal (error, CNN3D_COMM_ERROR, code, text);
  return FALSE;
}

/* Limits the socket's next call to what is left of the time. FALSE: nothing is. */
static gboolean
set_limit (GSocket *socket, gint64 end, guint most)
{
  const gint64 left = end - g_get_monotonic_time ();

  if (left <= 0)
    return FALSE;
  g_socket_set_timeout (socket, MIN ((left + G_USEC_PER_SEC - 1) / G_USEC_PER_SEC, most));
  return TRUE;
}

static gboolean
send_all (GSocket *socket, gconstpointer data, gsize bytes)
{
  for (gsize at = 0; at < bytes;) {
    const gssize n = g_socket_send (socket, (const gchar *) data + at, bytes - at, NULL, NULL);

    if (n <= 0)
      return FALSE;
    at += n;
  }
  return TRUE;
}

static gboolean
receive_all (GSocket *socket, gpointer data, gsize bytes)
{
  for (gsize at = 0; at < bytes;) {
    const gssize n = g_socket_receive (socket, (gchar *) data + at, bytes - at, NULL, NULL);

    if (n <= 0)
      return FALSE;
    at += n;
  }
  return TRUE;
}

/* Whether the other side starts the same: with error, if it is a rank that does not. */
static gboolean
check_greeting (const Greeting *g, const Cnn3dPlace *place, gsize bytes, GError **error)
{
  if (g_ntohl (g->version) != VERSION || g_ntohl (g->bytes) != bytes) {
    g_set_error (error, CNN3D_COMM_ERROR, CNN3D_COMM_ERROR_FAILED,
        "rank %u is of another version of cnn3d: install the same on all machines",
        g_ntohl (g->rank));
    return FALSE;
  }
  if (g_ntohl (g->size) != place->size) {
    g_set_error (error, CNN3D_COMM_ERROR, CNN3D_COMM_ERROR_FAILED,
        "rank %u is one of %u, rank %u one of %u: start all with the same WORLD_SIZE, and each run "
        "with a MASTER_PORT of its own",
        g_ntohl (g->rank), g_ntohl (g->size), place->rank, place->size);
    return FALSE;
  }
  return TRUE;
}

/* --- rank 0 --- */

static GSocket *
listen_on (guint16 port, GError **error)
{
  static const GSocketFamily families[] = { G_SOCKET_FAMILY_IPV6, G_SOCKET_FAMILY_IPV4 };
  g_autoptr (GError) reason = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (families); i++) {
    g_autoptr (GInetAddress) any = g_inet_address_new_any (families[i]);
    g_autoptr (GSocketAddress) at = g_inet_socket_address_new (any, port);
    g_autoptr (GSocket) socket = NULL;

    g_clear_error (&reason);
    socket = g_socket_new (families[i], G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, &reason);
    /* an IPv6 socket speaks IPv4, too, where the system lets it */
    if (socket && families[i] == G_SOCKET_FAMILY_IPV6 && !g_socket_speaks_ipv4 (socket))
      continue;
    if (socket && g_socket_bind (socket, at, TRUE, &reason) && g_socket_listen (socket, &reason))
      return g_steal_pointer (&socket);
    if (g_error_matches (reason, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE))
      break;
  }
  g_set_error (error, CNN3D_COMM_ERROR, CNN3D_COMM_ERROR_FAILED,
      "rank 0 cannot listen on port %u, beside MASTER_PORT: %s: set another MASTER_PORT", port,
      reason->message);
  return NULL;
}

/* Serves one connection; *here: the ranks that came. FALSE with error: a rank does not fit. */
static gboolean
serve (GSocket *socket, const Cnn3dPlace *place, gconstpointer id, gsize bytes, gboolean *here,
    guint *n, gint64 end, GError **error)
{
  const Greeting own = greeting_of (place, bytes);
  Greeting other;
  guint rank;

  if (!set_limit (socket, end, STRANGER) || !receive_all (socket, &other, sizeof other)
      || memcmp (other.magic, MAGIC, sizeof other.magic))
    return TRUE;
  rank = g_ntohl (other.rank);
  /* a rank that does not fit learns why from the answer */
  send_all (socket, &own, sizeof own);
  if (!check_greeting (&other, place, bytes, error))
    return FALSE;
  if (rank == 0 || rank >= place->size || here[rank]) {
    g_set_error (error, CNN3D_COMM_ERROR, CNN3D_COMM_ERROR_FAILED,
        "two processes are rank %u: give each run a MASTER_PORT of its own", rank);
    return FALSE;
  }
  if (!send_all (socket, id, bytes))
    return TRUE;
  here[rank] = TRUE;
  ++*n;
  return TRUE;
}

static gboolean
serve_all (const Cnn3dPlace *place, guint16 port, gconstpointer id, gsize bytes, guint seconds,
    GError **error)
{
  const gint64 end = g_get_monotonic_time () + seconds * (gint64) G_USEC_PER_SEC;
  g_autofree gboolean *here = g_new0 (gboolean, place->size);
  g_autoptr (GSocket) listener = listen_on (port, error);
  guint n = 1, missing = 1;

  if (!listener)
    return FALSE;
  while (n < place->size && set_limit (listener, end, G_MAXUINT)) {
    g_autoptr (GSocket) socket = g_socket_accept (listener, NULL, NULL);

    if (socket && !serve (socket, place, id, bytes, here, &n, end, error))
      return FALSE;
  }
  if (n == place->size)
    return TRUE;
  while (here[missing])
    missing++;
  g_set_error (error, CNN3D_COMM_ERROR, CNN3D_COMM_ERROR_TIMEOUT,
      "only %u of %u ranks came to port %u within %u s, not rank %u: start all of them, and let "
      "them "
      "reach that port of this machine",
      n, place->size, port, seconds, missing);
  return FALSE;
}

/* --- the others --- */

/* Tries all addresses of the name once. NULL with error: none is reached yet. */
static GSocket *
reach (const gchar *address, guint16 port, gint64 end, GError **error)
{
  g_autoptr (GSocketConnectable) name = g_network_address_new (address, port);
  g_autoptr (GSocketAddressEnumerator) all = g_socket_connectable_enumerate (name);
  g_autoptr (GError) reason = NULL;

  for (;;) {
    g_autoptr (GSocketAddress) at = g_socket_address_enumerator_next (all, NULL, error);
    g_autoptr (GSocket) socket = NULL;

    if (!at)
      break;
    g_clear_error (&reason);
    socket = g_socket_new (
        g_socket_address_get_family (at), G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, &reason);
    if (socket && set_limit (socket, end, G_MAXUINT)
        && g_socket_connect (socket, at, NULL, &reason))
      return g_steal_pointer (&socket);
  }
  if (error && !*error)
    *error = g_steal_pointer (&reason);
  return NULL;
}

static gboolean
ask (const Cnn3dPlace *place, const gchar *address, guint16 port, gpointer id, gsize bytes,
    guint seconds, GError **error)
{
  const gint64 end = g_get_monotonic_time () + seconds * (gint64) G_USEC_PER_SEC;
  const Greeting own = greeting_of (place, bytes);
  g_autoptr (GError) reason = NULL;
  gboolean other = FALSE; /* something else answers */

  while (g_get_monotonic_time () < end) {
    g_autoptr (GSocket) socket = NULL;
    Greeting answer;

    g_clear_error (&reason);
    socket = reach (address, port, end, &reason);
    if (socket && set_limit (socket, end, G_MAXUINT) && send_all (socket, &own, sizeof own)
        && receive_all (socket, &answer, sizeof answer)) {
      other = memcmp (answer.magic, MAGIC, sizeof answer.magic) != 0;
      /* while nothing listens, a socket of this machine may have connected to itself */
      if (!other && answer.rank != 0) {
        g_clear_object (&socket);
        g_usleep (PAUSE);
        continue;
      }
      if (!other && !check_greeting (&answer, place, bytes, error))
        return FALSE;
      if (!other && receive_all (socket, id, bytes))
        return TRUE;
    }
    g_usleep (PAUSE);
  }
  if (other)
    return fail (CNN3D_COMM_ERROR_FAILED,
        "another program answers on the port beside MASTER_PORT: set another MASTER_PORT", error);
  g_set_error (error, CNN3D_COMM_ERROR, CNN3D_COMM_ERROR_TIMEOUT,
      "rank 0 did not answer at %s, port %u, within %u s%s%s: start it, set MASTER_ADDR to its "
      "machine, and open the port beside MASTER_PORT",
      address, port, seconds, reason ? ": " : "", reason ? reason->message : "");
  return FALSE;
}

gboolean
cnn3d_meet (const Cnn3dPlace *place, const gchar *address, guint16 port, gpointer id, gsize bytes,
    guint seconds, GError **error)
{
  return place->rank == 0 ? serve_all (place, port, id, bytes, seconds, error)
                          : ask (place, address, port, id, bytes, seconds, error);
}
