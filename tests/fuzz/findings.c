/* The CPU back end's findings: with any contents of the file, an added finding is found.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cpu/findings.h"

#include "tests/fuzz/target.h"

/* The file of this machine, in the cache folder; owned by the caller. */
static gchar *
make_file (void)
{
  g_autofree gchar *folder = g_build_filename (fuzz_folder (), "cnn3d", NULL);
  CpuFindings *findings;
  GDir *dir;
  gchar *name;

  g_setenv ("XDG_CACHE_HOME", fuzz_folder (), TRUE);
  findings = cpu_findings_new ();
  cpu_findings_set (findings, "key", CPU_FINDING_RIGHT);
  cpu_findings_free (findings);
  dir = g_dir_open (folder, 0, NULL);
  name = g_build_filename ("cnn3d", dir ? g_dir_read_name (dir) : NULL, NULL);
  g_clear_pointer (&dir, g_dir_close);
  return name;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static gchar *name;

  if (!name)
    name = make_file ();
  fuzz_put (name, data, size);
  for (guint i = 0; i < 2; i++) {
    CpuFindings *findings = cpu_findings_new ();

    if (cpu_findings_get (findings, "key") > CPU_FINDING_WRONG
        || (i && cpu_findings_get (findings, "key") != CPU_FINDING_WRONG))
      fuzz_fail ("a finding that is not kept", NULL);
    if (!i)
      cpu_findings_set (findings, "key", CPU_FINDING_WRONG);
    cpu_findings_free (findings);
  }
  return 0;
}
