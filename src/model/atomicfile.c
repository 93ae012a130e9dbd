/* atomicfile.c: written beside, synced, renamed.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/model/atomicfile.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_SIZE (256u << 10)
/* As the kernel follows */
#define MAX_LINKS 40
/* How often the temporary file may be renamed or removed under us */
#define MAX_TRIES 16

struct _Cnn3dAtomicFile {
  gchar *path;
  gchar *temporary; /* NULL once renamed */
  int fd;           /* -1 once closed */
  gboolean failed;
  gsize used;
  gchar buffer[BUFFER_SIZE];
};

static void
set_error (GError **error, const gchar *what, const gchar *path, int code)
{
  g_autofree gchar *shown = g_filename_display_name (path);

  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code), "cannot %s “%s”: %s", what, shown,
      g_strerror (code));
}

/* The temporary file's descriptor, locked and empty, or -1 and errno. */
static int
open_locked (const gchar *temporary)
{
  for (guint i = 0; i < MAX_TRIES; i++) {
    struct stat opened, named;
    int fd, code;

    /* O_NONBLOCK: a FIFO of that name must not hang us */
    fd = open (temporary, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0666);
    if (fd < 0 && errno == EINTR)
      continue;
    if (fd < 0 && (errno == ELOOP || errno == ENXIO)) {
      if (unlink (temporary) < 0 && errno != ENOENT)
        return -1;
      continue;
    }
    if (fd < 0)
      return -1;
    /* Network file systems without locks are used without one */
    if (flock (fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
      goto failed;
    if (fstat (fd, &opened) < 0)
      goto failed;
    if (lstat (temporary, &named) < 0 || named.st_ino != opened.st_ino
        || named.st_dev != opened.st_dev) {
      /* Its writer renamed it between our open and our lock */
      close (fd);
      continue;
    }
    if (!S_ISREG (opened.st_mode) || opened.st_nlink != 1) {
      /* Not a leftover of ours: leave what it points to alone */
      close (fd);
      if (unlink (temporary) < 0 && errno != ENOENT)
        return -1;
      continue;
    }
    if (ftruncate (fd, 0) < 0)
      goto failed;
    return fd;

  failed:
    code = errno;
    close (fd);
    errno = code;
    return -1;
  }
  errno = EBUSY;
  return -1;
}

gint
cnn3d_atomic_file_descriptor (const gchar *path)
{
  g_autofree gchar *own = realpath ("/proc/self/fd", NULL);
  gchar *at = g_strdup (path);

  for (guint i = 0; own && at && i < MAX_LINKS; i++) {
    g_autofree gchar *folder = g_path_get_dirname (at), *name = g_path_get_basename (at);
    g_autofree gchar *real = realpath (folder, NULL), *target = NULL;
    guint64 number;

    if (real && strcmp (real, own) == 0) {
      g_free (at);
      return g_ascii_string_to_unsigned (name, 10, 0, G_MAXINT, &number, NULL) ? (gint) number : -1;
    }
    target = g_file_read_link (at, NULL);
    g_free (at);
    at = target ? g_canonicalize_filename (target, real) : NULL;
  }
  g_free (at);
  return -1;
}

gboolean
cnn3d_atomic_file_can_replace (const gchar *path)
{
  g_autofree gchar *target = g_file_read_link (path, NULL);
  struct stat old;

  /* /dev/stdout stands for a descriptor, even if that is a regular file's */
  if ((target && g_str_has_prefix (target, "/proc/")) || cnn3d_atomic_file_descriptor (path) >= 0)
    return FALSE;
  return stat (path, &old) < 0 || S_ISREG (old.st_mode);
}

Cnn3dAtomicFile *
cnn3d_atomic_file_new (const gchar *path, GError **error)
{
  g_autofree gchar *temporary = NULL;
  Cnn3dAtomicFile *file;
  int fd;

  g_return_val_if_fail (path != NULL, NULL);

  if (!cnn3d_atomic_file_can_replace (path))
    goto no_file;
  temporary = g_strconcat (path, ".tmp", NULL);
  fd = open_locked (temporary);
  if (fd < 0)
    goto cannot_open;
  file = g_new (Cnn3dAtomicFile, 1);
  file->path = g_strdup (path);
  file->temporary = g_steal_pointer (&temporary);
  file->fd = fd;
  file->failed = FALSE;
  file->used = 0;
  return file;

  /* ERRORS */
no_file:
  if (g_file_test (path, G_FILE_TEST_IS_DIR)) {
    set_error (error, "write", path, EISDIR);
  } else {
    g_autofree gchar *shown = g_filename_display_name (path);

    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_REGULAR_FILE,
        "cannot write “%s”: it is a device, pipe or socket, which a file would replace; name "
        "another file",
        shown);
  }
  return NULL;
cannot_open:
  if (errno == EWOULDBLOCK) {
    g_autofree gchar *shown = g_filename_display_name (path);

    g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY,
        "cannot write “%s”: it is already being written", shown);
  } else {
    set_error (error, "create", temporary, errno);
  }
  return NULL;
}

static gboolean
write_all (Cnn3dAtomicFile *file, const gchar *data, gsize size, GError **error)
{
  while (size > 0) {
    /* Linux writes at most 2 GiB at once; smaller pieces let signals in */
    gssize n = write (file->fd, data, MIN (size, 64u << 20));

    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0) {
      set_error (error, "write", file->temporary, n < 0 ? errno : EIO);
      file->failed = TRUE;
      return FALSE;
    }
    data += n;
    size -= n;
  }
  return TRUE;
}

static gboolean
check_usable (Cnn3dAtomicFile *file, GError **error)
{
  g_autofree gchar *shown = NULL;

  if (file->fd >= 0 && !file->failed)
    return TRUE;
  shown = g_filename_display_name (file->path);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED, "cannot write “%s”: %s", shown,
      file->failed ? "an earlier write failed" : "it is finished");
  return FALSE;
}

gboolean
cnn3d_atomic_file_write (Cnn3dAtomicFile *file, const void *data, gsize size, GError **error)
{
  if (!check_usable (file, error))
    return FALSE;
  if (size > BUFFER_SIZE - file->used) {
    if (!write_all (file, file->buffer, file->used, error))
      return FALSE;
    file->used = 0;
    if (size >= BUFFER_SIZE)
      return write_all (file, data, size, error);
  }
  if (size > 0)
    memcpy (file->buffer + file->used, data, size);
  file->used += size;
  return TRUE;
}

static int
sync_fd (int fd)
{
  int result;

  do
    result = fsync (fd);
  while (result < 0 && errno == EINTR);
  return result;
}

/* The rename itself must reach the disk. */
static gboolean
sync_folder (const gchar *path, GError **error)
{
  g_autofree gchar *folder = g_path_get_dirname (path);
  int fd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int code;

  if (fd < 0) {
    /* A folder that may be written but not read cannot be synced */
    if (errno == EACCES)
      return TRUE;
    set_error (error, "sync", folder, errno);
    return FALSE;
  }
  code = sync_fd (fd) < 0 ? errno : 0;
  close (fd);
  /* Some file systems cannot sync a folder, and say so thus */
  if (code == 0 || code == EINVAL || code == ENOTSUP)
    return TRUE;
  set_error (error, "sync", folder, code);
  return FALSE;
}

gboolean
cnn3d_atomic_file_finish (Cnn3dAtomicFile *file, GError **error)
{
  if (!check_usable (file, error))
    return FALSE;
  if (!write_all (file, file->buffer, file->used, error))
    return FALSE;
  file->used = 0;
  if (sync_fd (file->fd) < 0)
    goto cannot_sync;
  /* Renamed while the lock is held, so that no other writer takes it for a leftover */
  if (g_rename (file->temporary, file->path) < 0)
    goto cannot_rename;
  g_clear_pointer (&file->temporary, g_free);
  close (file->fd);
  file->fd = -1;
  return sync_folder (file->path, error);

  /* ERRORS */
cannot_sync:
  set_error (error, "sync", file->temporary, errno);
  file->failed = TRUE;
  return FALSE;
cannot_rename:
  set_error (error, "replace", file->path, errno);
  file->failed = TRUE;
  return FALSE;
}

void
cnn3d_atomic_file_free (Cnn3dAtomicFile *file)
{
  if (file == NULL)
    return;
  if (file->temporary != NULL)
    unlink (file->temporary);
  if (file->fd >= 0)
    close (file->fd);
  g_free (file->temporary);
  g_free (file->path);
  g_free (file);
}

gboolean
cnn3d_atomic_file_set_contents (
    const gchar *path, const gchar *contents, gssize length, GError **error)
{
  g_autoptr (Cnn3dAtomicFile) file = cnn3d_atomic_file_new (path, error);

  return file != NULL
      && cnn3d_atomic_file_write (
          file, contents, length < 0 ? strlen (contents) : (gsize) length, error)
      && cnn3d_atomic_file_finish (file, error);
}
