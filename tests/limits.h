/* limits.h: time limits of tests. They only guard against hanging: no test passes or fails because
 * of the machine's speed.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_TEST_LIMITS_H
#define CNN3D_TEST_LIMITS_H

#include <glib.h>
#include <time.h>

/* Microseconds: the seconds that are enough on a fast machine, times $CNN3D_TEST_TIME_FACTOR, which
 * tests/run.sh measures (tests/time-factor.py); 1 if it is not set. */
static inline gint64
test_limit (gdouble seconds)
{
  const gchar *text = g_getenv ("CNN3D_TEST_TIME_FACTOR");
  const gdouble factor = text ? g_ascii_strtod (text, NULL) : 1;

  return seconds * MAX (factor, 1) * G_USEC_PER_SEC;
}

/* CPU seconds of this process. Comparing two measurements shows relative cost, on any machine and
 * under any load. */
static inline gdouble
test_cpu_seconds (void)
{
  return (gdouble) clock () / CLOCKS_PER_SEC;
}

#endif
