/* secrets.c: which texts are left out of logs.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/secrets.h"

static void
test_texts (void)
{
  static const struct {
    const gchar *text, *kept;
  } cases[] = {
    { "", "" },
    { "location=rtsp://me:secret@cam.example:554/a?b=1",
        "location=rtsp://me:***@cam.example:554/a?b=1" },
    { "uri=http://me:a:b#c'@d@host/x", "uri=http://me:***@host/x" },
    { "rtsp://:secret@host", "rtsp://:***@host" },
    { "rtsp://me:@host rtsps://you:x@host", "rtsp://me:@host rtsps://you:***@host" },
    { "rtsp://me@host:554/a:b@c", "rtsp://me@host:554/a:b@c" },
    { "http://host:80/ me:x@host", "http://host:80/ me:x@host" },
    { "http://host:80?a:b@c", "http://host:80?a:b@c" },
    { "file:///a:b@c.mp4", "file:///a:b@c.mp4" },
    { "rtspsrc user-id=me user-pw=secret ! x", "rtspsrc user-id=me user-pw=*** ! x" },
    { "user-pw=\"a \\\" b\" ! x", "user-pw=*** ! x" },
    { "Password='a b' passphrase=c", "Password=*** passphrase=***" },
    { "user-pw=", "user-pw=" },
    { "user-pw=\"never closed", "user-pw=***" },
    { "pw=rtsp://a:b@c d://e:f@", "pw=*** d://e:***@" },
    { "num-tokens=3 tokens=4 keypw=5", "num-tokens=3 tokens=4 keypw=5" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree gchar *kept = cnn3d_without_passwords (cases[i].text);

    g_assert_cmpstr (kept, ==, cases[i].kept);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/secrets/texts", test_texts);
  return g_test_run ();
}
