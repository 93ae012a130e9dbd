/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity() */
#endif
#include "src/comm/cores.h"

#include <sched.h>
#include <string.h>

void
cnn3d_cores_get (Cnn3dCores *own)
{
  g_autofree gchar *boot = NULL;
  cpu_set_t set;

  memset (own, 0, sizeof *own);
  /* containers of one machine have names of their own, but this in common */
  if (!g_file_get_contents ("/proc/sys/kernel/random/boot_id", &boot, NULL, NULL))
    boot = g_strdup (g_get_host_name ());
  g_strlcpy (own->machine, boot, sizeof own->machine);
  if (sched_getaffinity (0, sizeof set, &set) != 0)
    return;
  for (guint i = 0; i < 8 * sizeof own->cores; i++)
    if (i < CPU_SETSIZE && CPU_ISSET (i, &set))
      own->cores[i / 8] |= 1 << i % 8;
}

guint
cnn3d_cores_divide (const Cnn3dCores *all, guint size, guint rank)
{
  const Cnn3dCores *own = &all[rank];
  guint cores = 0, ranks = 0;

  for (guint r = 0; r < size; r++) {
    gboolean shared = FALSE;

    for (guint i = 0; i < sizeof own->cores; i++)
      shared |= (all[r].cores[i] & own->cores[i]) != 0;
    ranks += shared && !memcmp (all[r].machine, own->machine, sizeof own->machine);
  }
  for (guint i = 0; i < sizeof own->cores; i++)
    cores += __builtin_popcount (own->cores[i]);
  return cores ? MAX (1, cores / ranks) : 0;
}

gboolean
cnn3d_comm_threads (Cnn3dComm *comm, guint *threads, GError **error)
{
  const guint size = cnn3d_comm_size (comm);
  g_autofree Cnn3dCores *all = g_new0 (Cnn3dCores, size);
  Cnn3dCores own;

  cnn3d_cores_get (&own);
  if (!cnn3d_comm_share (comm, &own, sizeof own, all, error))
    return FALSE;
  *threads = cnn3d_cores_divide (all, size, cnn3d_comm_rank (comm));
  return TRUE;
}
