/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/hostmemory.h"

#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* A file that holds one number, or "max". */
static guint64
read_number (const gchar *path)
{
  g_autofree gchar *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL) || !g_ascii_isdigit (*text))
    return G_MAXUINT64;
  return g_ascii_strtoull (text, NULL, 10);
}

/* A line of /proc/meminfo. */
static guint64
meminfo (const gchar *text, const gchar *name)
{
  const gchar *line = text ? strstr (text, name) : NULL;

  return line ? g_ascii_strtoull (line + strlen (name), NULL, 10) * 1024 : G_MAXUINT64;
}

/* Of what a control group has in use, the pages of files that the kernel gives
 * reclaims on demand: videos that were read fill it to its limit. */
static guint64
cached (const gchar *folder, const gchar *name)
{
  static const gchar *const kinds[] = { "\ninactive_file ", "\nactive_file " };
  g_autofree gchar *path = g_build_filename (folder, name, "memory.stat", NULL), *text = NULL;
  guint64 sum = 0;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return 0;
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++) {
    const gchar *line = strstr (text, kinds[i]);

    if (line)
      sum += g_ascii_strtoull (line + strlen (kinds[i]), NULL, 10);
  }
  return sum;
}

/* What `ulimit -v` leaves of addresses, each byte of memory needing one. */
static guint64
addresses_left (void)
{
  g_autofree gchar *text = NULL;
  struct rlimit limit;
  guint64 used;

  if (getrlimit (RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY
      || !g_file_get_contents ("/proc/self/statm", &text, NULL, NULL))
    return G_MAXUINT64;
  used = g_ascii_strtoull (text, NULL, 10) * sysconf (_SC_PAGESIZE);
  return limit.rlim_cur > used ? limit.rlim_cur - used : 0;
}

void
cnn3d_host_memory (guint64 *total, guint64 *available)
{
  g_autofree gchar *info = NULL, *group = NULL;
  const gchar *path = NULL;
  guint64 addresses;

  if (!g_file_get_contents ("/proc/meminfo", &info, NULL, NULL))
    info = NULL;
  *total = meminfo (info, "MemTotal:");
  *available = meminfo (info, "MemAvailable:");
  addresses = addresses_left ();
  *available = MIN (*available, addresses);
  if (g_file_get_contents ("/proc/self/cgroup", &group, NULL, NULL))
    path = strstr (group, "0::/");
  if (!path)
    return;

  g_autofree gchar *name = g_strndup (path + 4, strcspn (path + 4, "\n"));

  /* the limits of every group above count too */
  for (;;) {
    g_autofree gchar *limit = g_build_filename ("/sys/fs/cgroup", name, "memory.max", NULL);
    g_autofree gchar *used = g_build_filename ("/sys/fs/cgroup", name, "memory.current", NULL);
    const guint64 most = read_number (limit);
    guint64 now = read_number (used), pages;
    gchar *slash = strrchr (name, '/');

    *total = MIN (*total, most);
    if (most != G_MAXUINT64 && now != G_MAXUINT64) {
      /* read once: MIN() evaluates its arguments twice, and the number changes */
      pages = cached ("/sys/fs/cgroup", name);
      now -= MIN (now, pages);
      *available = MIN (*available, most > now ? most - now : 0);
    }
    if (!*name)
      break;
    *(slash ? slash : name) = '\0';
  }
}
