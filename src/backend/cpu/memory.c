/* memory.c: available memory of this process, and its allocation.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cpu/cpu.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* What the process grows by beside the arrays: oneDNN's code for each
 * convolution and its objects, threads' stacks, one parameter at a time in
 * PyTorch's layout. Measured for all four models, 1 to 32 clips a batch, oneDNN 2.6
 * to 3.12: 49 MiB at most. */
#define CONTEXT_BYTES (56 << 20)

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

/* The machine's memory, or what the limits and the control group that we are in
 * leave of it. */
void
cpu_memory (Cnn3dDevice *device, Cnn3dDeviceMemory *m)
{
  g_autofree gchar *info = NULL, *group = NULL;
  const gchar *path = NULL;

  if (!g_file_get_contents ("/proc/meminfo", &info, NULL, NULL))
    info = NULL;
  m->total = meminfo (info, "MemTotal:");
  m->available = MIN (meminfo (info, "MemAvailable:"), addresses_left ());
  m->context = CONTEXT_BYTES;
  m->context_source = "measured bound";
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
    guint64 now = read_number (used);
    gchar *slash = strrchr (name, '/');

    m->total = MIN (m->total, most);
    if (most != G_MAXUINT64 && now != G_MAXUINT64) {
      now -= MIN (now, cached ("/sys/fs/cgroup", name));
      m->available = MIN (m->available, most > now ? most - now : 0);
    }
    if (!*name)
      break;
    *(slash ? slash : name) = '\0';
  }
}

/* Large pages where the kernel gives them: an arena is swept from end to end
 * many times a step. All of it is taken at once (Linux 5.14 and later), whether
 * oneDNN will use all of its scratch or not: what was planned is what is taken, and
 * what is not there is missed now rather than in a step. */
gpointer
cpu_memory_alloc (Cnn3dDevice *device, gsize bytes, GError **error)
{
  gpointer memory =
      mmap (NULL, MAX (bytes, 1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  if (memory == MAP_FAILED) {
    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MEMORY,
        "%" G_GSIZE_FORMAT " bytes of memory could not be allocated", bytes);
    return NULL;
  }
  madvise (memory, bytes, MADV_HUGEPAGE);
#ifdef MADV_POPULATE_WRITE
  if (madvise (memory, bytes, MADV_POPULATE_WRITE) < 0 && errno == ENOMEM) {
    munmap (memory, MAX (bytes, 1));
    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MEMORY,
        "%" G_GSIZE_FORMAT " bytes of memory could not be allocated", bytes);
    return NULL;
  }
#endif
  return memory;
}

void
cpu_memory_free (Cnn3dDevice *device, gpointer memory, gsize bytes)
{
  if (memory)
    munmap (memory, MAX (bytes, 1));
}
