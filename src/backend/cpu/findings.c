/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr() */
#endif
#include "src/backend/cpu/findings.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <oneapi/dnnl/dnnl.h>
#include <string.h>
#include <unistd.h>

#define REVISION 1 /* of the check: findings of an older one are not used */

struct _CpuFindings {
  gchar *machine;
  gchar *path;
  gchar *text;        /* the file; its keys are keys of known */
  GStringChunk *own;  /* known's other keys */
  GHashTable *known;  /* key -> CpuFinding; NULL: the file is not read yet */
  GHashTable *passed; /* key -> ways */
};

static const gchar *const words[] = { "", "right", "wrong" };

static gchar *
cpu_name (void)
{
  g_autofree gchar *info = NULL;
  const gchar *name;

  if (!g_file_get_contents ("/proc/cpuinfo", &info, NULL, NULL)
      || !(name = strstr (info, "model name")) || !(name = strchr (name, ':')))
    return g_strdup ("unknown CPU");
  return g_strstrip (g_strndup (name + 1, strcspn (name + 1, "\t\n")));
}

/* The library's file: versions are built in more than one way. */
static gchar *
library_build (void)
{
  Dl_info info;
  GStatBuf status;

  if (!dladdr ((gpointer) dnnl_version, &info) || !info.dli_fname
      || g_stat (info.dli_fname, &status) < 0)
    return g_strdup ("of an unknown file");
  return g_strdup_printf ("of %" G_GINT64_FORMAT " bytes and %" G_GINT64_FORMAT,
      (gint64) status.st_size, (gint64) status.st_mtime);
}

/* One file for each machine that shares the folder, so that the others' findings cost nothing. */
CpuFindings *
cpu_findings_new (void)
{
  const dnnl_version_t *v = dnnl_version ();
  CpuFindings *f = g_new0 (CpuFindings, 1);
  g_autofree gchar *cpu = cpu_name (), *build = library_build (), *sum = NULL, *name = NULL;

  f->machine = g_strdup_printf (
      "check %d, oneDNN %d.%d.%d %s %s, instruction set %#x, %s, caches of %ld and %ld bytes",
      REVISION, v->major, v->minor, v->patch, v->hash, build, (guint) dnnl_get_effective_cpu_isa (),
      cpu, sysconf (_SC_LEVEL2_CACHE_SIZE), sysconf (_SC_LEVEL3_CACHE_SIZE));
  sum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, f->machine, -1);
  name = g_strdup_printf ("convolutions-cpu-%.16s.tsv", sum);
  f->own = g_string_chunk_new (4096);
  f->passed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  f->path = g_build_filename (g_get_user_cache_dir (), "cnn3d", name, NULL);
  return f;
}

void
cpu_findings_free (CpuFindings *f)
{
  if (!f)
    return;
  g_clear_pointer (&f->known, g_hash_table_destroy);
  g_hash_table_destroy (f->passed);
  g_string_chunk_free (f->own);
  g_free (f->text);
  g_free (f->machine);
  g_free (f->path);
  g_free (f);
}

/* finding, key, and a dot, which is missing if the writer was killed. */
static void
read_line (CpuFindings *f, gchar *line)
{
  gchar *key = strchr (line, '\t'), *dot = key ? strchr (key + 1, '\t') : NULL;

  if (!dot || strcmp (dot, "\t."))
    return;
  *key++ = *dot = 0;
  for (gint i = CPU_FINDING_RIGHT; i <= CPU_FINDING_WRONG; i++)
    if (!strcmp (line, words[i]))
      g_hash_table_insert (f->known, key, GINT_TO_POINTER (i));
}

static void
read_once (CpuFindings *f)
{
  gsize size;

  if (f->known)
    return;
  f->known = g_hash_table_new (g_str_hash, g_str_equal);
  if (!g_file_get_contents (f->path, &f->text, &size, NULL))
    return;
  /* a NUL, as a crash of the system leaves it, spoils one line */
  for (gchar *line = f->text, *end; (end = memchr (line, '\n', f->text + size - line));
      line = end + 1) {
    *end = 0;
    read_line (f, line);
  }
}

CpuFinding
cpu_findings_get (CpuFindings *f, const gchar *key)
{
  read_once (f);
  return GPOINTER_TO_INT (g_hash_table_lookup (f->known, key));
}

/* Appended at once, so that concurrent processes lose nothing. */
static gboolean
append (const gchar *path, gint flags, const gchar *line)
{
  gint fd = open (path, O_WRONLY | O_APPEND | O_CLOEXEC | flags, 0666);
  gboolean written;

  if (fd < 0)
    return FALSE;
  written = write (fd, line, strlen (line)) == (gssize) strlen (line);
  close (fd);
  return written;
}

void
cpu_findings_set (CpuFindings *f, const gchar *key, CpuFinding finding)
{
  g_autofree gchar *folder = g_path_get_dirname (f->path);
  g_autofree gchar *head = g_strdup_printf ("# %s\n", f->machine);
  g_autofree gchar *line = g_strdup_printf ("\n%s\t%s\t.\n", words[finding], key);

  read_once (f);
  g_hash_table_insert (f->known, g_string_chunk_insert (f->own, key), GINT_TO_POINTER (finding));
  if (g_mkdir_with_parents (folder, 0777) < 0)
    return;
  append (f->path, O_CREAT | O_EXCL, head); /* describes the file for readers */
  if (!append (f->path, 0, line))
    g_debug ("cannot write %s", f->path);
}

guint
cpu_findings_get_passed (CpuFindings *f, const gchar *key)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (f->passed, key));
}

void
cpu_findings_set_passed (CpuFindings *f, const gchar *key, guint ways)
{
  g_hash_table_insert (f->passed, g_strdup (key), GUINT_TO_POINTER (ways));
}
