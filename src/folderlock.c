/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/folderlock.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "run.lock"
#define MAX_TRIES 100

struct _Cnn3dFolderLock {
  gchar *path;
  int fd;
};

static void
set_error (GError **error, const gchar *path, int code)
{
  g_autofree gchar *shown = g_filename_display_name (path);

  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code), "cannot open “%s”: %s", shown,
      g_strerror (code));
}

/* The owner, as written by it: "process N on HOST". */
static gchar *
read_owner (int fd)
{
  gchar text[300];
  const gssize n = pread (fd, text, sizeof text - 1, 0);
  guint64 process;
  gchar *end;

  if (n <= 0)
    return NULL;
  text[n] = '\0';
  text[strcspn (text, "\n")] = '\0';
  process = g_ascii_strtoull (text, &end, 10);
  if (process == 0 || *end != ' ' || !end[1])
    return NULL;
  return g_strdup_printf ("process %" G_GUINT64_FORMAT " on %s", process, end + 1);
}

static void
write_owner (int fd)
{
  g_autofree gchar *text = g_strdup_printf ("%ld %s\n", (long) getpid (), g_get_host_name ());

  /* informational: failure to write it does not matter */
  if (ftruncate (fd, 0) == 0 && pwrite (fd, text, strlen (text), 0) < 0)
    g_debug ("the owner of a lock is not written: %s", g_strerror (errno));
}

/* Whether the file still has its name: an owner that released the lock before us removed the
 * name. */
static gboolean
is_there (int fd, const gchar *path)
{
  struct stat ours, named;

  return fstat (fd, &ours) == 0 && lstat (path, &named) == 0 && ours.st_dev == named.st_dev
      && ours.st_ino == named.st_ino;
}

static int
take (const gchar *path, GError **error)
{
  for (guint i = 0; i < MAX_TRIES; i++) {
    /* O_NONBLOCK: a FIFO of that name must not hang us */
    const int fd = open (path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0666);

    if (fd < 0 && errno == EINTR)
      continue;
    if (fd < 0 && errno == ELOOP) {
      g_autofree gchar *shown = g_filename_display_name (path);

      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_REGULAR_FILE,
          "“%s” is a symbolic link, which is not followed; remove it", shown);
      return -1;
    }
    if (fd < 0) {
      set_error (error, path, errno);
      return -1;
    }
    if (flock (fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
      g_autofree gchar *owner = read_owner (fd);

      close (fd);
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_BUSY, owner ? owner : "another process");
      return -1;
    }
    if (is_there (fd, path))
      return fd;
    close (fd);
  }
  set_error (error, path, EBUSY);
  return -1;
}

Cnn3dFolderLock *
cnn3d_folder_lock_new (const gchar *dir, GError **error)
{
  g_autofree gchar *path = g_build_filename (dir, NAME, NULL);
  const int fd = take (path, error);
  Cnn3dFolderLock *lock;

  if (fd < 0)
    return NULL;
  write_owner (fd);
  lock = g_new0 (Cnn3dFolderLock, 1);
  lock->path = g_steal_pointer (&path);
  lock->fd = fd;
  return lock;
}

void
cnn3d_folder_lock_free (Cnn3dFolderLock **lock)
{
  Cnn3dFolderLock *l = *lock;

  *lock = NULL;
  if (!l)
    return;
  /* while we have the lock no other process can have it under this name */
  if (is_there (l->fd, l->path))
    g_unlink (l->path);
  close (l->fd);
  g_free (l->path);
  g_free (l);
}
