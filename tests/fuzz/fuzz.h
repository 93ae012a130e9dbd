/* fuzz.h: what the programs here share: cases that are a function of a seed and
 * their number, and what ends a case that failed. One includes it, and gives its
 * name and what else there is to say of a case.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_FUZZ_H
#define CNN3D_FUZZ_H

#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/limits.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

static const gchar *program;
static gchar *folder; /* that a case's files are in; NULL: it has none */
static guint64 seed = 1, number, state;

static void
show_case (void)
{
  fprintf (stderr, "# %s 0 %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " is this case%s%s\n", program,
      seed, number, folder ? "; its files are in " : "", folder ? folder : "");
}

static void G_GNUC_NORETURN
fail (const gchar *what, const gchar *text)
{
  show_case ();
  printf ("not ok 1 - case %" G_GUINT64_FORMAT ": %s: %s\n", number, what, text);
  fflush (NULL);
  _exit (1);
}

static void
on_log (const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer data)
{
  fail ("a word from GLib", message);
}

/* A case took too long, or an assertion of a library failed. */
static void
on_signal (int signum)
{
  fail ("ended by a signal", g_strsignal (signum));
}

/* argv: [SECONDS [SEED [CASE]]]; returns the seconds, `preset` where none are
 * given, and `number` is the case. */
static gdouble
fuzz_begin (const gchar *name, int argc, char **argv, gdouble preset)
{
  program = name;
  if (argc > 2)
    seed = g_ascii_strtoull (argv[2], NULL, 10);
  if (argc > 3)
    number = g_ascii_strtoull (argv[3], NULL, 10);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_set_death_callback (show_case);
#endif
  g_log_set_default_handler (on_log, NULL);
  signal (SIGALRM, on_signal);
  signal (SIGABRT, on_signal);
  puts ("1..1");
  fflush (stdout);
  return argc > 1 ? g_ascii_strtod (argv[1], NULL) : preset;
}

/* Case `number` begins; seconds: more than that, on a quick machine, hangs. */
static void
fuzz_case (guint seconds)
{
  alarm (test_limit (seconds) / G_USEC_PER_SEC);
  state = seed * G_GUINT64_CONSTANT (0xd1342543de82ef95) + number;
}

/* From 0 to n - 1 (splitmix64). */
static guint64
draw (guint64 n)
{
  guint64 z = (state += G_GUINT64_CONSTANT (0x9e3779b97f4a7c15));

  z = (z ^ (z >> 30)) * G_GUINT64_CONSTANT (0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * G_GUINT64_CONSTANT (0x94d049bb133111eb);
  return (z ^ (z >> 31)) % n;
}

#endif
