/* recordfile.c: a file that grows by whole records.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/log/recordfile.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/model/atomicfile.h"

struct _Cnn3dRecordFile {
  gchar *path;
  int fd;
  guint64 end;    /* of the last whole record */
  gboolean torn;  /* there may be a partial record after it */
  gboolean found; /* it was there when the file was opened */
};

static void
set_error (GError **error, const gchar *what, const gchar *path, int code)
{
  g_autofree gchar *shown = g_filename_display_name (path);

  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code), "cannot %s “%s”: %s", what, shown,
      g_strerror (code));
}

static void
set_linked (GError **error, const gchar *path)
{
  g_autofree gchar *shown = g_filename_display_name (path);

  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_REGULAR_FILE,
      "“%s” is a symbolic link, which is not followed; remove it, or log to another folder", shown);
}

static Cnn3dRecordFile *
open_file (const gchar *path, int flags, GError **error)
{
  Cnn3dRecordFile *file;
  struct stat s;
  int fd;

  do
    /* O_NONBLOCK: a FIFO of that name must not block */
    fd = open (
        path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | flags, 0666);
  while (fd < 0 && errno == EINTR);
  if (fd < 0) {
    if (errno == ELOOP)
      set_linked (error, path);
    else
      set_error (error, "open", path, errno);
    return NULL;
  }
  if (fstat (fd, &s) < 0 || !S_ISREG (s.st_mode)) {
    close (fd);
    set_error (error, "log to", path, ENOTSUP);
    return NULL;
  }
  file = g_new0 (Cnn3dRecordFile, 1);
  file->path = g_strdup (path);
  file->fd = fd;
  file->end = s.st_size;
  return file;
}

static gboolean
cut_back (Cnn3dRecordFile *file)
{
  struct stat s;
  int result;

  do
    /* never extended: another process may have truncated it */
    result =
        fstat (file->fd, &s) < 0 ? -1 : ftruncate (file->fd, MIN (file->end, (guint64) s.st_size));
  while (result < 0 && errno == EINTR);
  file->torn = result < 0;
  file->found &= file->torn;
  return !file->torn;
}

/* Moves the end to after the last newline. */
static gboolean
find_last_line (Cnn3dRecordFile *file)
{
  gchar piece[4096];

  while (file->end > 0) {
    const guint64 from = file->end - MIN (file->end, sizeof piece);
    const gssize n = pread (file->fd, piece, file->end - from, from);
    gssize whole = n;

    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return FALSE;
    while (whole > 0 && piece[whole - 1] != '\n')
      whole--;
    file->end = from + whole;
    if (whole > 0)
      break;
  }
  return TRUE;
}

Cnn3dRecordFile *
cnn3d_record_file_open_lines (const gchar *path, GError **error)
{
  Cnn3dRecordFile *file = open_file (path, 0, error);
  guint64 size;

  if (!file)
    return NULL;
  size = file->end;
  if (!find_last_line (file)) {
    set_error (error, "continue", path, errno);
    cnn3d_record_file_free (&file);
    return NULL;
  }
  file->torn = file->found = file->end < size;
  return file;
}

Cnn3dRecordFile *
cnn3d_record_file_create (const gchar *path, GError **error)
{
  return open_file (path, O_EXCL, error);
}

void
cnn3d_record_file_free (Cnn3dRecordFile **file)
{
  Cnn3dRecordFile *f = *file;

  *file = NULL;
  if (!f)
    return;
  if (f->torn && !f->found)
    cut_back (f);
  close (f->fd);
  g_free (f->path);
  g_free (f);
}

guint64
cnn3d_record_file_size (const Cnn3dRecordFile *file)
{
  return file->end;
}

gboolean
cnn3d_record_file_is_empty (const Cnn3dRecordFile *file)
{
  return file->end == 0 && !file->torn;
}

gboolean
cnn3d_record_file_append (Cnn3dRecordFile *file, gconstpointer data, gsize size, GError **error)
{
  const gchar *from = data;
  gsize left = size;

  if (file->torn && !cut_back (file)) {
    set_error (error, "repair", file->path, errno);
    return FALSE;
  }
  while (left > 0) {
    const gssize n = write (file->fd, from, left);

    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0) {
      set_error (error, "write", file->path, n < 0 ? errno : EIO);
      cut_back (file);
      return FALSE;
    }
    from += n;
    left -= n;
  }
  file->end += size;
  return TRUE;
}

/* --- resuming --- */

static gboolean
write_lines (const gchar *path, const gchar *text, const GArray *kept, GError **error)
{
  g_autoptr (Cnn3dAtomicFile) file = cnn3d_atomic_file_new (path, error);

  if (!file)
    return FALSE;
  for (guint i = 0; i < kept->len; i += 2) {
    const gsize from = g_array_index (kept, gsize, i), to = g_array_index (kept, gsize, i + 1);

    if (!cnn3d_atomic_file_write (file, text + from, to - from, error))
      return FALSE;
  }
  return cnn3d_atomic_file_finish (file, error);
}

gboolean
cnn3d_record_file_filter_lines (
    const gchar *path, Cnn3dKeepLine keep, gpointer data, GError **error)
{
  g_autoptr (GMappedFile) mapped = NULL;
  g_autoptr (GArray) kept = g_array_new (FALSE, FALSE, sizeof (gsize)); /* from, to, from, to ... */
  const gchar *text;
  gsize size, at = 0, whole = 0;
  const gint fd = open (path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

  if (fd < 0 && errno == ENOENT)
    return TRUE;
  if (fd < 0) {
    if (errno == ELOOP)
      set_linked (error, path);
    else
      set_error (error, "open", path, errno);
    return FALSE;
  }
  mapped = g_mapped_file_new_from_fd (fd, FALSE, error);
  close (fd);
  if (!mapped)
    return FALSE;
  text = g_mapped_file_get_contents (mapped);
  size = g_mapped_file_get_length (mapped);
  while (at < size) {
    const gchar *newline = memchr (text + at, '\n', size - at);
    const gsize to = newline ? (gsize) (newline + 1 - text) : size;

    if (newline && keep (text + at, to - 1 - at, data)) {
      if (kept->len && g_array_index (kept, gsize, kept->len - 1) == at) {
        g_array_index (kept, gsize, kept->len - 1) = to;
      } else {
        g_array_append_val (kept, at);
        g_array_append_val (kept, to);
      }
      whole += to - at;
    }
    at = to;
  }
  return whole == size || write_lines (path, text, kept, error);
}
