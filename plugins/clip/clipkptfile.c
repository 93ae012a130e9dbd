/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipkptfile.h"

#include <string.h>
#include <glib/gstdio.h>

struct _ClipKptFile {
  gchar *key; /* what was read last, and how; NULL: nothing */
  GStatBuf status;
  Cnn3dKeypoints *keypoints;
  Cnn3dSkeleton *skeleton;
};

ClipKptFile *
clip_kpt_file_new (void)
{
  return g_new0 (ClipKptFile, 1);
}

static void
clip_kpt_file_clear (ClipKptFile *self)
{
  g_clear_pointer (&self->key, g_free);
  g_clear_pointer (&self->keypoints, cnn3d_keypoints_free);
  g_clear_pointer (&self->skeleton, cnn3d_skeleton_free);
}

void
clip_kpt_file_free (ClipKptFile *self)
{
  clip_kpt_file_clear (self);
  g_free (self);
}

static gboolean
is_same (const GStatBuf *a, const GStatBuf *b)
{
  return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size
      && a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Named points are numbered by a skeleton, which must be known first. */
static gboolean
read_file (
    ClipKptFile *self, const gchar *path, const gchar *name, const gchar *pairs, GError **error)
{
  const gboolean automatic = !name || !*name || strcmp (name, "auto") == 0;
  Cnn3dSkeleton *skeleton = NULL;

  if (!automatic) {
    skeleton = cnn3d_skeleton_new (name, pairs, 0, error);
    if (!skeleton)
      return FALSE;
  }
  self->keypoints = cnn3d_keypoints_read (path, skeleton, error);
  cnn3d_skeleton_free (skeleton);
  if (self->keypoints)
    self->skeleton = cnn3d_skeleton_new (name, pairs, self->keypoints->points, error);

  return self->skeleton != NULL;
}

gboolean
clip_kpt_file_get (ClipKptFile *self, const gchar *path, const gchar *skeleton, const gchar *pairs,
    const Cnn3dKeypoints **keypoints, const Cnn3dSkeleton **found, gboolean *fresh, GError **error)
{
  gchar *key = g_strdup_printf ("%s\n%s\n%s", path, skeleton ? skeleton : "", pairs ? pairs : "");
  GStatBuf status;
  const gboolean there = g_stat (path, &status) == 0;
  gboolean ok = TRUE;

  *fresh =
      !there || !self->key || strcmp (self->key, key) != 0 || !is_same (&status, &self->status);
  if (*fresh) {
    clip_kpt_file_clear (self);
    ok = read_file (self, path, skeleton, pairs, error);
    if (ok && there) {
      self->key = g_steal_pointer (&key);
      self->status = status;
    }
  }
  *keypoints = self->keypoints;
  *found = self->skeleton;
  g_free (key);

  return ok;
}
