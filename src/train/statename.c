/* statename.c: names of state files.
 *
 * last-STEP-POSITION-DIGEST.state, the digest being of the tensors in it, or of its metadata if it
 * has none. So a run never writes over the state that another run's last.safetensors names, and
 * last.safetensors is not resumed with another run's state. Equal runs have equal names.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/train/trainer-private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

/* Of all bytes behind the header; of all bytes where none is behind it, as with plain SGD. */
static gboolean
digest_file (const gchar *path, guint64 *digest, GError **error)
{
  const guint64 odd = 0x9e3779b97f4a7c15;
  g_autoptr (GMappedFile) file = g_mapped_file_new (path, FALSE, error);
  const gchar *data;
  guint64 header = 0, hash = odd, word;
  gsize size, at;

  if (!file)
    return FALSE;
  data = g_mapped_file_get_contents (file);
  size = g_mapped_file_get_length (file);
  if (size >= sizeof header)
    memcpy (&header, data, sizeof header);
  header = GUINT64_FROM_LE (header);
  at = header < size ? MIN (sizeof header + header, size) : size;
  if (at == size)
    at = 0;
  for (; at < size; at += sizeof word) {
    word = 0;
    memcpy (&word, data + at, MIN (sizeof word, size - at));
    hash = (hash ^ GUINT64_FROM_LE (word)) * odd;
    hash ^= hash >> 29;
  }
  *digest = hash;
  return TRUE;
}

gchar *
cnn3d_state_rename (const gchar *path, const TrainerMark *mark, GError **error)
{
  g_autofree gchar *dir = g_path_get_dirname (path), *name = NULL, *renamed = NULL;
  guint64 digest;

  if (!digest_file (path, &digest, error))
    return NULL;
  name = g_strdup_printf ("last-%" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT "-%016" G_GINT64_MODIFIER
                          "x.state",
      mark->step, mark->position, digest);
  renamed = g_build_filename (dir, name, NULL);
  if (g_rename (path, renamed) == 0)
    return g_steal_pointer (&name);
  g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_CHECKPOINT,
      "%s cannot be renamed to %s: %s", path, name, g_strerror (errno));
  return NULL;
}

gboolean
cnn3d_state_check_name (const gchar *path, GError **error)
{
  g_autofree gchar *name = g_path_get_basename (path);
  const gchar *begin = strrchr (name, '-');
  guint64 named, digest;

  /* older versions wrote last-STEP-POSITION.state */
  if (!begin || strlen (begin) != strlen ("-0123456789abcdef.state"))
    return TRUE;
  named = g_ascii_strtoull (begin + 1, NULL, 16);
  if (!digest_file (path, &digest, error))
    return FALSE;
  if (named == digest)
    return TRUE;
  g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_CHECKPOINT,
      "%s is another state than that of the weights beside it, or damaged: restore the file, or "
      "use resume=never to start over",
      path);
  return FALSE;
}
