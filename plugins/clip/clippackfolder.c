/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clippackfolder.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/file.h>
#include <unistd.h>

#define LOOK_INTERVAL (200 * G_TIME_SPAN_MILLISECOND)

struct _ClipPackFolder {
  gchar *location;
  ClipPackFound found;
  gpointer data;

  GMutex scan_lock;
  GPtrArray *packs; /* of ClipPackFile, ordered by number */
  GPtrArray *gone;  /* of ClipPackFile: replaced, but the index refers to them */
  gint64 looked;    /* when the folder was last read */

  ClipPackFile *writer; /* in packs; changed under scan_lock */
  pid_t writer_pid;     /* a forked child must not share the file */
};

void
clip_store_set_error (GError **error, gint code, const gchar *format, ...)
{
  g_autofree gchar *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, G_FILE_ERROR, g_file_error_from_errno (code), text);
}

/* Called with scan_lock. */
static ClipPackFile *
get_pack (ClipPackFolder *self, guint number)
{
  guint at = self->packs->len;
  ClipPackFile *pack;

  while (at > 0) {
    pack = g_ptr_array_index (self->packs, at - 1);
    if (pack->number == number)
      return pack;
    if (pack->number < number)
      break;
    at--;
  }
  pack = clip_pack_file_new (self->location, number);
  g_ptr_array_insert (self->packs, at, pack);

  return pack;
}

/* Called with scan_lock. */
static void
look (ClipPackFolder *self)
{
  GDir *folder = g_dir_open (self->location, 0, NULL);
  const gchar *name;
  guint number;

  while (folder && (name = g_dir_read_name (folder)))
    if (clip_pack_file_parse_name (name, &number))
      get_pack (self, number);
  g_clear_pointer (&folder, g_dir_close);
  for (guint i = 0; i < self->packs->len; i++) {
    ClipPackFile *pack = g_ptr_array_index (self->packs, i);

    /* the index has our own records */
    if (pack->fd < 0)
      clip_pack_file_scan (pack, self->found, self->data);
    if (pack->replaced) {
      /* by a file of the same name; records of the old one are still in use */
      g_ptr_array_add (self->gone, pack);
      pack = clip_pack_file_new (self->location, pack->number);
      g_ptr_array_index (self->packs, i) = pack;
      clip_pack_file_scan (pack, self->found, self->data);
    }
  }
  self->looked = g_get_monotonic_time ();
}

gboolean
clip_pack_folder_look (ClipPackFolder *self)
{
  gboolean due;

  /* another thread is looking */
  if (!g_mutex_trylock (&self->scan_lock))
    return FALSE;
  due = g_get_monotonic_time () - self->looked >= LOOK_INTERVAL;
  if (due)
    look (self);
  g_mutex_unlock (&self->scan_lock);

  return due;
}

guint64
clip_pack_folder_get_bytes (ClipPackFolder *self)
{
  GDir *folder = g_dir_open (self->location, 0, NULL);
  const gchar *name;
  guint64 sum = 0;

  while (folder && (name = g_dir_read_name (folder))) {
    g_autofree gchar *path = NULL;
    GStatBuf status;

    if (!g_str_has_suffix (name, ".pack"))
      continue;
    path = g_build_filename (self->location, name, NULL);
    if (g_lstat (path, &status) == 0 && S_ISREG (status.st_mode))
      sum += status.st_size;
  }
  g_clear_pointer (&folder, g_dir_close);

  return sum;
}

/* Blocks the reservations of all processes. -1: errno is set. The file is opened by name each
 * time, as the folder may have been emptied. */
static gint
lock_folder (ClipPackFolder *self)
{
  g_autofree gchar *path = g_build_filename (self->location, "lock", NULL);
  gint code, fd;

  fd = open (path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
  if (fd < 0)
    return -1;
  while (flock (fd, LOCK_EX) < 0)
    if (errno != EINTR) {
      code = errno;
      close (fd);
      errno = code;
      return -1;
    }

  return fd;
}

void
clip_pack_folder_free (ClipPackFolder *self)
{
  g_ptr_array_unref (self->packs);
  g_ptr_array_unref (self->gone);
  g_mutex_clear (&self->scan_lock);
  g_free (self->location);
  g_free (self);
}

ClipPackFolder *
clip_pack_folder_new (const gchar *location, ClipPackFound found, gpointer data, GError **error)
{
  ClipPackFolder *self = g_new0 (ClipPackFolder, 1);
  gint code, fd;

  /* the application may change its working directory */
  self->location = g_canonicalize_filename (location, NULL);
  self->found = found;
  self->data = data;
  self->packs = g_ptr_array_new_with_free_func ((GDestroyNotify) clip_pack_file_free);
  self->gone = g_ptr_array_new_with_free_func ((GDestroyNotify) clip_pack_file_free);
  g_mutex_init (&self->scan_lock);

  fd = lock_folder (self);
  if (fd < 0)
    goto failed;
  close (fd);
  look (self);

  return self;

  /* ERRORS */
failed:
  code = errno;
  clip_store_set_error (error, code,
      "Cannot write and lock %s/lock: %s. Make the folder writable, or choose another, on a file "
      "system with locks.",
      self->location, g_strerror (code));
  clip_pack_folder_free (self);
  return NULL;
}

static void
release_writer (ClipPackFolder *self)
{
  g_mutex_lock (&self->scan_lock);
  if (self->writer)
    clip_pack_file_release (self->writer);
  self->writer = NULL;
  g_mutex_unlock (&self->scan_lock);
}

static gboolean
has_room (const ClipPackFile *pack, guint64 growth, guint64 pack_bytes)
{
  /* a record that is larger than the limit of a file gets one of its own */
  return pack->end <= CLIP_PACK_ALIGN || (growth <= pack_bytes && pack->end <= pack_bytes - growth);
}

/* Releases the writer's file if it cannot take the record, and adopts another one without a
 * writer. */
void
clip_pack_folder_prepare (ClipPackFolder *self, const ClipPackEntry *where, guint64 pack_bytes)
{
  GStatBuf status;

  if (self->writer
      && (self->writer_pid != getpid () || self->writer->damaged
          || !has_room (self->writer, clip_pack_file_growth (self->writer, where), pack_bytes)
          || fstat (self->writer->fd, &status) < 0 || status.st_nlink == 0))
    release_writer (self);
  if (self->writer)
    return;

  g_mutex_lock (&self->scan_lock);
  look (self);
  for (guint i = 0; i < self->packs->len && !self->writer; i++) {
    ClipPackFile *pack = g_ptr_array_index (self->packs, i);

    if (!has_room (pack, clip_pack_file_growth (pack, where), pack_bytes)
        || !clip_pack_file_adopt (pack, self->found, self->data))
      continue;
    /* its last writer may have filled it in the meantime */
    if (has_room (pack, clip_pack_file_growth (pack, where), pack_bytes))
      self->writer = pack;
    else
      clip_pack_file_release (pack);
  }
  self->writer_pid = getpid ();
  g_mutex_unlock (&self->scan_lock);
}

/* FALSE: errno is set. */
static gboolean
create_writer (ClipPackFolder *self)
{
  gboolean created = FALSE;
  gint code = EEXIST;

  g_mutex_lock (&self->scan_lock);
  /* names of removed files are not reused: the index may refer to them */
  for (guint number = self->packs->len; !created && code == EEXIST; number++) {
    const guint n_packs = self->packs->len;
    ClipPackFile *pack = get_pack (self, number);

    if (n_packs == self->packs->len)
      continue;
    created = clip_pack_file_create (pack);
    code = errno;
    if (created)
      self->writer = pack;
    else if (code != EEXIST)
      g_ptr_array_remove (self->packs, pack);
  }
  g_mutex_unlock (&self->scan_lock);
  errno = code;

  return created;
}

static gboolean
is_full_error (gint code)
{
  return code == ENOSPC || code == EDQUOT || code == EFBIG;
}

/* Reserves space in the store's files, which other processes may also do. */
static ClipStoreResult
reserve (ClipPackFolder *self, const ClipPackEntry *where, guint64 max_bytes, GError **error)
{
  const guint64 growth = self->writer ? clip_pack_file_growth (self->writer, where)
                                      : clip_pack_entry_size (where) + CLIP_PACK_ALIGN;
  const gint fd = lock_folder (self);
  gboolean reserved;
  guint64 sum;
  gint code;

  if (fd < 0) {
    code = errno;
    goto failed;
  }
  sum = clip_pack_folder_get_bytes (self);
  if (growth > max_bytes || sum > max_bytes - growth) {
    close (fd);
    goto full;
  }
  reserved = (self->writer || create_writer (self)) && clip_pack_file_reserve (self->writer, where);
  code = errno;
  close (fd);
  if (!reserved)
    goto failed;

  return CLIP_STORE_ADDED;

  /* ERRORS */
full:
  clip_store_set_error (error, ENOSPC,
      "The store in %s is full: its *.pack files have %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
      " bytes, and the record takes %" G_GUINT64_FORMAT
      ". Raise its limit, or remove the files while no process writes them.",
      self->location, sum, max_bytes, growth);
  return CLIP_STORE_FULL;
failed:
  clip_store_set_error (error, code,
      "Cannot extend the store in %s: %s. Free some room there, or make the folder writable.",
      self->location, g_strerror (code));
  return is_full_error (code) ? CLIP_STORE_FULL : CLIP_STORE_FAILED;
}

ClipStoreResult
clip_pack_folder_add (ClipPackFolder *self, ClipPackEntry *where, guint64 max_bytes, GBytes *key,
    const ClipStoreChunk *chunks, guint n_chunks, GError **error)
{
  ClipStoreResult result = reserve (self, where, max_bytes, error);
  gint code;

  if (result != CLIP_STORE_ADDED)
    return result;
  if (!clip_pack_file_append (self->writer, where, key, chunks, n_chunks))
    goto failed;
  self->found (self->writer, where, key, self->data);

  return CLIP_STORE_ADDED;

  /* ERRORS */
failed:
  code = errno;
  clip_store_set_error (error, code,
      "Cannot write %s: %s. Free some room there, or choose another location.", self->writer->path,
      g_strerror (code));
  return is_full_error (code) ? CLIP_STORE_FULL : CLIP_STORE_FAILED;
}
