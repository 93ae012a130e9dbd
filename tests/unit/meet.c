/* Ranks get an id from rank 0 over TCP; strangers, other runs, and ranks that do not come.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gio/gio.h>
#include <string.h>

#include "src/comm/meet.h"

#define BYTES 128
#define MOST 4

typedef struct {
  Cnn3dPlace place;
  const gchar *address;
  guint16 port;
  guint seconds;
  guint8 id[BYTES];
  GError *error;
  gboolean ok;
} Rank;

static guint16 port;

static gpointer
run (gpointer data)
{
  Rank *r = data;

  r->ok = cnn3d_meet (&r->place, r->address, r->port, r->id, sizeof r->id, r->seconds, &r->error);
  g_assert_true (r->ok == !r->error);
  return NULL;
}

/* A port of this machine that nothing listens on, so far. */
static guint16
free_port (void)
{
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();

  port = g_socket_listener_add_any_inet_port (listener, NULL, NULL);
  g_assert_cmpuint (port, >, 0);
  g_socket_listener_close (listener);
  return port;
}

static void
ranks_init (Rank *ranks, guint n, const gchar *address, guint seconds)
{
  free_port ();
  for (guint r = 0; r < n; r++) {
    ranks[r] = (Rank) { { r, n }, address, port, seconds };
    memset (ranks[r].id, r == 0 ? 7 : 0, BYTES);
  }
}

static void
run_all (Rank *ranks, guint n)
{
  GThread *threads[MOST];

  /* rank 0 last: the others wait for it */
  for (guint r = n; r-- > 0;)
    threads[r] = g_thread_new ("rank", run, &ranks[r]);
  for (guint r = 0; r < n; r++)
    g_thread_join (threads[r]);
}

static void
assert_all_have_it (Rank *ranks, guint n)
{
  for (guint r = 0; r < n; r++) {
    g_assert_no_error (ranks[r].error);
    for (guint i = 0; i < BYTES; i++)
      g_assert_cmpuint (ranks[r].id[i], ==, 7);
  }
}

static void
assert_says (GError *error, Cnn3dCommError code, const gchar *text)
{
  g_assert_error (error, CNN3D_COMM_ERROR, (gint) code);
  if (!strstr (error->message, text))
    g_error ("'%s' does not say '%s'", error->message, text);
  g_error_free (error);
}

static gboolean
has_ipv6 (void)
{
  g_autoptr (GInetAddress) loop = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV6);
  g_autoptr (GSocketAddress) at = g_inet_socket_address_new (loop, 0);
  g_autoptr (GSocket) socket =
      g_socket_new (G_SOCKET_FAMILY_IPV6, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, NULL);

  return socket && g_socket_bind (socket, at, FALSE, NULL);
}

static void
test_all (void)
{
  static const gchar *const addresses[] = { "127.0.0.1", "localhost", "::1" };

  for (guint i = 0; i < (has_ipv6 () ? 3 : 2); i++) {
    Rank ranks[MOST];

    ranks_init (ranks, MOST, addresses[i], 20);
    run_all (ranks, MOST);
    assert_all_have_it (ranks, MOST);
  }
}

/* Connects to rank 0 and sends something; returns what it answers. */
static GSocketConnection *
connect_to (gconstpointer data, gsize bytes)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  GSocketConnection *c = NULL;

  for (guint i = 0; !c && i < 200; i++) {
    c = g_socket_client_connect_to_host (client, "127.0.0.1", port, NULL, NULL);
    if (!c)
      g_usleep (20000);
  }
  g_assert_nonnull (c);
  if (bytes)
    g_output_stream_write_all (
        g_io_stream_get_output_stream (G_IO_STREAM (c)), data, bytes, NULL, NULL, NULL);
  return c;
}

/* Whoever is no rank is turned away, and the ranks still meet. */
static void
test_strangers (void)
{
  static const gchar text[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
  Rank ranks[2];
  GThread *first;

  ranks_init (ranks, 2, "127.0.0.1", 20);
  first = g_thread_new ("rank", run, &ranks[0]);
  g_object_unref (connect_to (text, sizeof text));
  g_object_unref (connect_to (text, 3));
  g_object_unref (connect_to (NULL, 0));
  run (&ranks[1]);
  g_thread_join (first);
  assert_all_have_it (ranks, 2);
}

/* Says to rank 0 what another rank could. */
static void
say (const gchar *magic, guint32 version, guint32 rank, guint32 size, const gchar *says)
{
  const guint32 numbers[4] = { g_htonl (version), g_htonl (rank), g_htonl (size), g_htonl (BYTES) };
  guint8 greeting[8 + sizeof numbers];
  GSocketConnection *c;
  Rank ranks[2];
  GThread *first;

  memcpy (greeting, magic, 8);
  memcpy (greeting + 8, numbers, sizeof numbers);
  ranks_init (ranks, 2, "127.0.0.1", 20);
  first = g_thread_new ("rank", run, &ranks[0]);
  c = connect_to (greeting, sizeof greeting);
  g_thread_join (first);
  g_object_unref (c);
  assert_says (ranks[0].error, CNN3D_COMM_ERROR_FAILED, says);
}

static void
test_others (void)
{
  say ("cnn3d-id", 2, 1, 2, "rank 1 is of another version of cnn3d: install the same");
  say ("cnn3d-id", 1, 1, 3, "rank 1 is one of 3, rank 0 one of 2: start all with the same");
  say ("cnn3d-id", 1, 0, 2, "two processes are rank 0: give each run a MASTER_PORT of its own");
  say ("cnn3d-id", 1, 2, 2, "two processes are rank 2: ");
}

/* Both sides learn that they do not fit. */
static void
test_sizes (void)
{
  Rank ranks[2];

  ranks_init (ranks, 2, "127.0.0.1", 20);
  ranks[1].place.size = 3;
  run_all (ranks, 2);
  assert_says (ranks[0].error, CNN3D_COMM_ERROR_FAILED, "rank 1 is one of 3, rank 0 one of 2");
  assert_says (ranks[1].error, CNN3D_COMM_ERROR_FAILED, "rank 0 is one of 2, rank 1 one of 3");
}

static void
test_missing (void)
{
  Rank ranks[3];

  ranks_init (ranks, 3, "127.0.0.1", 1);
  run_all (ranks, 2);
  assert_says (ranks[0].error, CNN3D_COMM_ERROR_TIMEOUT, "only 2 of 3 ranks came to port ");
  g_assert_no_error (ranks[1].error);
  ranks_init (ranks, 3, "127.0.0.1", 1);
  run (&ranks[2]);
  assert_says (
      ranks[2].error, CNN3D_COMM_ERROR_TIMEOUT, "rank 0 did not answer at 127.0.0.1, port ");
}

typedef struct {
  GSocketListener *listener;
  GCancellable *stop;
} Answerer;

static gpointer
answer (gpointer data)
{
  const Answerer *a = data;

  for (;;) {
    g_autoptr (GSocketConnection) c = g_socket_listener_accept (a->listener, NULL, a->stop, NULL);

    if (!c)
      return NULL;
    g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (c)),
        "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n", 40, NULL, NULL, NULL);
    /* closing at once would reset the connection before that is read */
    g_usleep (100000);
  }
}

/* The port is another program's. */
static void
test_taken (void)
{
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();
  g_autoptr (GCancellable) stop = g_cancellable_new ();
  Answerer a = { listener, stop };
  GThread *thread;
  Rank ranks[2];

  ranks_init (ranks, 2, "127.0.0.1", 1);
  g_assert_true (g_socket_listener_add_inet_port (listener, port, NULL, NULL));
  run (&ranks[0]);
  assert_says (ranks[0].error, CNN3D_COMM_ERROR_FAILED, "rank 0 cannot listen on port ");
  thread = g_thread_new ("answer", answer, &a);
  run (&ranks[1]);
  assert_says (ranks[1].error, CNN3D_COMM_ERROR_FAILED,
      "another program answers on the port beside MASTER_PORT");
  g_cancellable_cancel (stop);
  g_thread_join (thread);
  g_socket_listener_close (listener);
}

static gpointer
echo (gpointer data)
{
  const Answerer *a = data;
  g_autoptr (GSocketConnection) c = g_socket_listener_accept (a->listener, NULL, a->stop, NULL);
  guint8 greeting[24];

  if (!c)
    return NULL;
  g_input_stream_read_all (
      g_io_stream_get_input_stream (G_IO_STREAM (c)), greeting, sizeof greeting, NULL, NULL, NULL);
  g_output_stream_write_all (
      g_io_stream_get_output_stream (G_IO_STREAM (c)), greeting, sizeof greeting, NULL, NULL, NULL);
  /* the other side closes it */
  g_input_stream_read_all (
      g_io_stream_get_input_stream (G_IO_STREAM (c)), greeting, 1, NULL, NULL, NULL);
  return NULL;
}

/* A rank that hears itself asks again, and finds rank 0. */
static void
test_itself (void)
{
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();
  g_autoptr (GCancellable) stop = g_cancellable_new ();
  Answerer a = { listener, stop };
  GThread *thread, *asks;
  Rank ranks[2];

  ranks_init (ranks, 2, "127.0.0.1", 5);
  g_assert_true (g_socket_listener_add_inet_port (listener, port, NULL, NULL));
  thread = g_thread_new ("echo", echo, &a);
  asks = g_thread_new ("rank", run, &ranks[1]);
  g_thread_join (thread);
  g_socket_listener_close (listener);
  run (&ranks[0]);
  g_thread_join (asks);
  assert_all_have_it (ranks, 2);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/meet/all", test_all);
  g_test_add_func ("/meet/strangers", test_strangers);
  g_test_add_func ("/meet/others", test_others);
  g_test_add_func ("/meet/sizes", test_sizes);
  g_test_add_func ("/meet/missing", test_missing);
  g_test_add_func ("/meet/taken", test_taken);
  g_test_add_func ("/meet/itself", test_itself);
  return g_test_run ();
}
