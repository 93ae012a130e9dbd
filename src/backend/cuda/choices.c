/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/choices.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

typedef struct {
  gchar *group, *key;
  gchar *plan; /* as the file had it at first, or as settled */
  gboolean settled;
} Choice;

static GMutex lock;
static GPtrArray *choices; /* of this process */

/* A few hundred at most. */
static Choice *
find (const gchar *group, const gchar *key)
{
  for (guint i = 0; choices && i < choices->len; i++) {
    Choice *c = g_ptr_array_index (choices, i);

    if (!strcmp (c->key, key) && !strcmp (c->group, group))
      return c;
  }
  return NULL;
}

static Choice *
add (const gchar *group, const gchar *key, const gchar *plan)
{
  Choice *c = g_new0 (Choice, 1);

  c->group = g_strdup (group);
  c->key = g_strdup (key);
  c->plan = g_strdup (plan);
  if (!choices)
    choices = g_ptr_array_new ();
  g_ptr_array_add (choices, c);
  return c;
}

static void
set_plan (Choice *c, const gchar *plan)
{
  if (strcmp (c->plan, plan)) {
    g_free (c->plan);
    c->plan = g_strdup (plan);
  }
}

/* --- the file --- */

static gchar *
folder (void)
{
  return g_build_filename (g_get_user_cache_dir (), "cnn3d", NULL);
}

/* Empty where there is none. It is only ever replaced whole, so reading needs no lock. Values are
 * taken as they stand: plans' names have nothing to escape, and GLib warns of some damaged escapes. */
static GKeyFile *
read_file (void)
{
  g_autofree gchar *path =
      g_build_filename (g_get_user_cache_dir (), "cnn3d", "convolutions.ini", NULL);
  GKeyFile *file = g_key_file_new ();

  if (g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, NULL))
    return file;
  /* what precedes the damage may be damaged, too */
  g_key_file_unref (file);
  return g_key_file_new ();
}

static gboolean
write_file (GKeyFile *file)
{
  g_autofree gchar *path =
      g_build_filename (g_get_user_cache_dir (), "cnn3d", "convolutions.ini", NULL);

  return g_key_file_save_to_file (file, path, NULL);
}

/* Held between reading and writing, so that of two writers none loses the other's entries. Network
 * file systems without locks are used without one. -1: the folder is missing. */
static gint
lock_folder (void)
{
  g_autofree gchar *path = folder ();
  gint fd;

  if (g_mkdir_with_parents (path, 0777) < 0)
    return -1;
  fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  while (fd >= 0 && flock (fd, LOCK_EX) < 0 && errno == EINTR)
    ;
  return fd;
}

/* Stores a plan in the file, unless it has another process's that the caller offers: then *plan
 * becomes that one. An entry that this process settled on is stored again if it was removed. FALSE:
 * the file cannot be written. */
static gboolean
keep (const gchar *group, const gchar *key, const CudaProposal *p, gchar **plan)
{
  const gint fd = lock_folder ();
  g_autoptr (GKeyFile) file = NULL;
  g_autofree gchar *theirs = NULL;
  gboolean changed = FALSE, kept = FALSE;

  if (fd < 0)
    return FALSE;
  file = read_file ();
  theirs = g_key_file_get_value (file, group, key, NULL);
  if (theirs && (!strcmp (theirs, *plan) || (p->offers && p->offers (p->data, theirs)))) {
    g_free (*plan);
    *plan = g_steal_pointer (&theirs);
    kept = TRUE;
  } else {
    g_key_file_set_value (file, group, key, *plan);
    changed = TRUE;
  }
  if (p->like) {
    g_autofree gchar *before = g_key_file_get_value (file, group, p->like, NULL);

    if (g_strcmp0 (before, *plan)) {
      g_key_file_set_value (file, group, p->like, *plan);
      changed = TRUE;
    }
  }
  for (guint i = 0; choices && i < choices->len; i++) {
    const Choice *c = g_ptr_array_index (choices, i);

    if (c->settled && !g_key_file_has_key (file, c->group, c->key, NULL)) {
      g_key_file_set_value (file, c->group, c->key, c->plan);
      changed = TRUE;
    }
  }
  if (changed && write_file (file))
    kept = TRUE;
  close (fd);
  return kept;
}

/* --- recalling and settling --- */

gchar *
cuda_choices_recall (const gchar *group, const gchar *key, gboolean *settled)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);
  Choice *c = find (group, key);

  (void) locker;
  if (!c) {
    g_autoptr (GKeyFile) file = read_file ();
    g_autofree gchar *plan = g_key_file_get_value (file, group, key, NULL);

    /* kept from now on: other threads must not find another */
    if (plan)
      c = add (group, key, plan);
  }
  *settled = c && c->settled;
  return c ? g_strdup (c->plan) : NULL;
}

gchar *
cuda_choices_like (const gchar *group, const gchar *like)
{
  g_autoptr (GKeyFile) file = read_file ();

  return g_key_file_get_value (file, group, like, NULL);
}

gchar *
cuda_choices_settle (const gchar *group, const gchar *key, const CudaProposal *p)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);
  Choice *c = find (group, key);
  g_autofree gchar *plan = g_strdup (p->plan);

  (void) locker;
  if (!c || (!c->settled && strcmp (c->plan, plan))) {
    if (!keep (group, key, p, &plan) && p->unkept) {
      g_free (plan);
      plan = g_strdup (p->unkept);
    }
    if (!c)
      c = add (group, key, plan);
    set_plan (c, plan);
  }
  c->settled = TRUE;
  return g_strdup (c->plan);
}
