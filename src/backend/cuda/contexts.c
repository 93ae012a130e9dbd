/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/contexts.h"

#include <string.h>

#include "src/backend/gpus.h"

#define KEY "bytes"

static gchar *
file_path (void)
{
  return g_build_filename (g_get_user_cache_dir (), "cnn3d", "contexts.ini", NULL);
}

/* Empty if there is none, or if it is damaged. */
static GKeyFile *
read_file (void)
{
  g_autofree gchar *path = file_path ();
  GKeyFile *file = g_key_file_new ();

  if (g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, NULL))
    return file;
  g_key_file_unref (file);
  return g_key_file_new ();
}

/* Brackets and control characters cannot be in a group's name. */
static gchar *
group_start (const gchar *name)
{
  gchar *start = g_strconcat (name, ", driver ", NULL);

  for (gchar *p = start; *p; p++)
    if (*p == '[' || *p == ']' || g_ascii_iscntrl (*p))
      *p = '_';
  return start;
}

static gchar *
group_end (guint cudnn)
{
  return g_strdup_printf (", cuDNN %u", cudnn);
}

/* 0: none, or not a figure. */
static guint64
read_group (GKeyFile *file, const gchar *group)
{
  const guint64 bytes = g_key_file_get_uint64 (file, group, KEY, NULL);

  return bytes >= CUDA_CONTEXT_LEAST && bytes <= CUDA_CONTEXT_MOST ? bytes : 0;
}

/* The largest, and its driver: free *with with g_free(). 0: none. */
static guint64
recall (const gchar *name, const gchar *driver, guint cudnn, gchar **with)
{
  g_autoptr (GKeyFile) file = read_file ();
  g_auto (GStrv) groups = g_key_file_get_groups (file, NULL);
  g_autofree gchar *start = group_start (name), *end = group_end (cudnn);
  guint64 most = 0;

  for (guint i = 0; groups[i]; i++) {
    g_autofree gchar *its = NULL;
    guint64 bytes;

    if (!g_str_has_prefix (groups[i], start) || !g_str_has_suffix (groups[i], end)
        || strlen (groups[i]) < strlen (start) + strlen (end))
      continue;
    its =
        g_strndup (groups[i] + strlen (start), strlen (groups[i]) - strlen (start) - strlen (end));
    bytes = read_group (file, groups[i]);
    if (bytes > most && (!driver || !strcmp (its, driver))) {
      most = bytes;
      g_free (*with);
      *with = g_steal_pointer (&its);
    }
  }
  return most;
}

/* The description of the GPU that calls itself `name`; NULL: there is none. */
static CudaProfile *
find_profile (const gchar *name)
{
  g_auto (GStrv) names = cnn3d_gpus_names ();

  for (guint i = 0; names[i]; i++) {
    g_autofree gchar *path = cnn3d_gpus_find (names[i], NULL);
    CudaProfile *profile = path ? cuda_profile_read (path, NULL) : NULL;

    if (profile && !strcmp (profile->name, name))
      return profile;
    cuda_profile_free (&profile);
  }
  return NULL;
}

CudaContextFigure
cuda_contexts_figure (
    const gchar *name, const gchar *driver, guint cudnn, const CudaProfile *profile)
{
  g_autofree gchar *with = NULL;
  CudaContextFigure figure = { recall (name, driver, cudnn, &with), NULL };
  CudaProfile *found = NULL;

  if (figure.bytes) {
    figure.bytes += CUDA_CONTEXT_MARGIN;
    figure.source = g_strdup_printf ("measured on a GPU of this name with driver %s and cuDNN "
                                     "%u.%u.%u, and %u MiB for what is allocated in passing",
        with, cudnn / 10000, cudnn / 100 % 100, cudnn % 100, (guint) (CUDA_CONTEXT_MARGIN >> 20));
    return figure;
  }
  if (!profile)
    profile = found = find_profile (name);
  figure.bytes = profile ? profile->context : CUDA_CONTEXT_BOUND;
  figure.source = g_strdup (profile ? profile->context_source
                                    : "a bound, not measured: no description has this GPU's name");
  cuda_profile_free (&found);
  return figure;
}

void
cuda_contexts_keep (const gchar *name, const gchar *driver, guint cudnn, guint64 bytes)
{
  g_autoptr (GKeyFile) file = read_file ();
  g_autofree gchar *start = group_start (name), *end = group_end (cudnn), *path = file_path ();
  g_autofree gchar *group = g_strconcat (start, driver, end, NULL);
  g_autofree gchar *folder = g_path_get_dirname (path);

  if (bytes < CUDA_CONTEXT_LEAST || bytes > CUDA_CONTEXT_MOST || bytes <= read_group (file, group))
    return;
  g_key_file_set_uint64 (file, group, KEY, bytes);
  if (g_mkdir_with_parents (folder, 0777) == 0)
    g_key_file_save_to_file (file, path, NULL);
}
