/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pwritev() */
#endif
#include "clippackfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <xxhash.h>

#define FILE_MAGIC "CLIPPACK"
#define RECORD_MAGIC "CLIPDATA"
#define FORMAT_VERSION 1
#define ORDER 0x01020304                       /* differs in the other byte order */
#define WINDOW (G_GUINT64_CONSTANT (64) << 20) /* bytes mapped at once */
#define MAX_VECTORS 1024                       /* IOV_MAX of Linux */

/* Of the file (sizes and checksum are 0) and of each record. */
typedef struct {
  gchar magic[8];
  guint32 order, version;
  guint64 offset;              /* of this header in the file */
  guint64 key_size, data_size; /* bytes */
  guint64 checksum;            /* of key and data, XXH3 */
  guint64 id;                  /* of the file, so that copied parts are not valid records */
  guint64 own;                 /* checksum of all fields before */
} Header;

G_STATIC_ASSERT (sizeof (Header) == CLIP_PACK_ALIGN);

static guint64
align (guint64 size)
{
  return (size + CLIP_PACK_ALIGN - 1) & ~(guint64) (CLIP_PACK_ALIGN - 1);
}

guint64
clip_pack_entry_data (const ClipPackEntry *where)
{
  return where->offset + sizeof (Header) + align (where->key_size);
}

guint64
clip_pack_entry_size (const ClipPackEntry *where)
{
  return sizeof (Header) + align (where->key_size) + align (where->data_size);
}

static void
header_init (Header *header, const gchar *magic, guint64 id, const ClipPackEntry *where)
{
  memcpy (header->magic, magic, sizeof header->magic);
  header->order = ORDER;
  header->version = FORMAT_VERSION;
  header->offset = where->offset;
  header->key_size = where->key_size;
  header->data_size = where->data_size;
  header->checksum = where->checksum;
  header->id = id;
  header->own = XXH3_64bits (header, G_STRUCT_OFFSET (Header, own));
}

static gboolean
header_is_good (const Header *header, const gchar *magic, guint64 offset)
{
  return memcmp (header->magic, magic, sizeof header->magic) == 0 && header->order == ORDER
      && header->version == FORMAT_VERSION && header->offset == offset
      && header->key_size <= CLIP_PACK_MAX_KEY && header->data_size <= G_MAXINT64 / 2
      && header->own == XXH3_64bits (header, G_STRUCT_OFFSET (Header, own));
}

/* Returns the number of bytes read, which is less than size only at the file's end or on an
 * error. */
static gsize
read_at (gint fd, gpointer buffer, gsize size, guint64 offset)
{
  gsize done = 0;

  while (done < size) {
    gssize n = pread (fd, (guint8 *) buffer + done, size - done, offset + done);

    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      break;
    done += n;
  }

  return done;
}

static gboolean
write_at (gint fd, struct iovec *vectors, guint n_vectors, guint64 offset)
{
  while (n_vectors > 0) {
    gssize n;

    if (vectors->iov_len == 0) {
      vectors++;
      n_vectors--;
      continue;
    }
    n = pwritev (fd, vectors, MIN (n_vectors, MAX_VECTORS), offset);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return FALSE;
    if (n == 0) {
      errno = EIO;
      return FALSE;
    }
    offset += n;
    while (n > 0) {
      const gsize part = MIN ((gsize) n, vectors->iov_len);

      vectors->iov_base = (guint8 *) vectors->iov_base + part;
      vectors->iov_len -= part;
      n -= part;
      if (vectors->iov_len == 0) {
        vectors++;
        n_vectors--;
      }
    }
  }

  return TRUE;
}

static gboolean
write_header (gint fd, const Header *header, guint64 offset)
{
  struct iovec vector = { (gpointer) header, sizeof *header };

  return write_at (fd, &vector, 1, offset);
}

/* Truncates a file. Preserves errno. */
static gboolean
cut (gint fd, guint64 size)
{
  const gint code = errno;
  gint status;

  while ((status = ftruncate (fd, size)) < 0 && errno == EINTR)
    ;
  errno = code;

  return status == 0;
}

gboolean
clip_pack_file_parse_name (const gchar *name, guint *number)
{
  const gchar *digits = name + 6;
  gsize n;

  if (!g_str_has_prefix (name, "clips-"))
    return FALSE;
  n = strspn (digits, "0123456789");
  if (n < 4 || n > 9 || (n > 4 && *digits == '0') || strcmp (digits + n, ".pack"))
    return FALSE;
  *number = g_ascii_strtoull (digits, NULL, 10);

  return TRUE;
}

ClipPackFile *
clip_pack_file_new (const gchar *location, guint number)
{
  ClipPackFile *self = g_new0 (ClipPackFile, 1);

  self->path = g_strdup_printf ("%s/clips-%04u.pack", location, number);
  self->number = number;
  self->fd = -1;
  self->segments = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) clip_segment_unref);

  return self;
}

void
clip_pack_file_free (ClipPackFile *self)
{
  clip_pack_file_release (self);
  g_hash_table_unref (self->segments);
  g_free (self->path);
  g_free (self);
}

void
clip_pack_file_release (ClipPackFile *self)
{
  if (self->fd >= 0)
    close (self->fd);
  self->fd = -1;
}

/* O_NONBLOCK: opening a FIFO must not block. -1: it cannot be opened, or is not a regular file. */
static gint
open_regular (const gchar *path, gint flags, guint64 *size)
{
  struct stat status;
  gint fd;

  fd = open (path, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0)
    return -1;
  if (fstat (fd, &status) < 0 || !S_ISREG (status.st_mode)) {
    close (fd);
    errno = ESTALE;
    return -1;
  }
  *size = status.st_size;

  return fd;
}

/* Checks the file's header, and remembers it the first time. FALSE: it is not (yet) a file of
 * this format, or another file than before. */
static gboolean
check_file (ClipPackFile *self, gint fd)
{
  Header header;

  if (read_at (fd, &header, sizeof header, 0) < sizeof header)
    return FALSE;
  if (!header_is_good (&header, FILE_MAGIC, 0)) {
    self->foreign |= self->end == 0;
    return FALSE;
  }
  if (self->end == 0) {
    self->id = header.id;
    self->end = sizeof header;
  }

  self->replaced = self->id != header.id;

  return !self->replaced;
}

static void
scan (ClipPackFile *self, gint fd, guint64 size, ClipPackFound found, gpointer data)
{
  /* most keys fit into the first read */
  union {
    Header header;
    guint8 bytes[4096];
  } head;

  if (self->foreign || !check_file (self, fd))
    return;
  while (self->end + sizeof (Header) <= size) {
    const gsize n = read_at (fd, &head, sizeof head, self->end);
    const Header *header = &head.header;
    ClipPackEntry where;
    GBytes *key;

    if (n < sizeof *header || !header_is_good (header, RECORD_MAGIC, self->end)
        || header->id != self->id)
      return;
    where.offset = header->offset;
    where.key_size = header->key_size;
    where.data_size = header->data_size;
    where.checksum = header->checksum;
    if (clip_pack_entry_size (&where) > size - self->end)
      return;
    if (sizeof *header + where.key_size <= n) {
      key = g_bytes_new (head.bytes + sizeof *header, where.key_size);
    } else {
      guint8 *bytes = g_malloc (where.key_size);

      if (read_at (fd, bytes, where.key_size, where.offset + sizeof *header) < where.key_size) {
        g_free (bytes);
        return;
      }
      key = g_bytes_new_take (bytes, where.key_size);
    }
    self->end += clip_pack_entry_size (&where);
    found (self, &where, key, data);
    g_bytes_unref (key);
  }
}

void
clip_pack_file_scan (ClipPackFile *self, ClipPackFound found, gpointer data)
{
  struct stat status;
  guint64 size;
  gint fd;

  /* the common case, without opening the file: nothing new */
  if (self->foreign || lstat (self->path, &status) < 0 || (guint64) status.st_size <= self->end)
    return;
  fd = open_regular (self->path, O_RDONLY, &size);
  if (fd < 0)
    return;
  /* the data between two headers is not read */
  posix_fadvise (fd, 0, 0, POSIX_FADV_RANDOM);
  scan (self, fd, size, found, data);
  close (fd);
}

/* Whether the data after `end` is a record that was never completed: there is no header, and no
 * complete record after it. A damaged header may have been valid when another process read it,
 * so that its record is mapped there. */
static gboolean
tail_is_unwritten (const ClipPackFile *self, gint fd, guint64 size)
{
  static const Header none;
  const gsize room = 1 << 20;
  guint8 *block = g_malloc (room);
  gboolean unwritten = TRUE;

  for (guint64 at = self->end; unwritten && at < size; at += room) {
    const gsize n = read_at (fd, block, MIN (room, size - at), at);

    if (n < MIN (room, size - at)
        || (at == self->end && memcmp (block, &none, MIN (n, sizeof none))))
      unwritten = FALSE;
    for (gsize i = 0; unwritten && i + sizeof (Header) <= n; i += sizeof (Header))
      unwritten = !header_is_good ((const Header *) (block + i), RECORD_MAGIC, at + i);
  }
  g_free (block);

  return unwritten;
}

/* Takes the writer's lock, unless another process holds it. */
static gboolean
lock (gint fd)
{
  gint status;

  while ((status = flock (fd, LOCK_EX | LOCK_NB)) < 0 && errno == EINTR)
    ;

  return status == 0;
}

gboolean
clip_pack_file_create (ClipPackFile *self)
{
  gint fd = open (self->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  gint code;

  if (fd < 0)
    return FALSE;
  if (!lock (fd)) {
    /* adopted between the two calls: the name is taken */
    code = errno == EWOULDBLOCK ? EEXIST : errno;
    close (fd);
    errno = code;
    return FALSE;
  }
  self->fd = fd;

  return TRUE;
}

gboolean
clip_pack_file_adopt (ClipPackFile *self, ClipPackFound found, gpointer data)
{
  struct stat status;
  guint64 size;
  gint fd;

  if (self->foreign || self->damaged)
    return FALSE;
  fd = open_regular (self->path, O_RDWR, &size);
  if (fd < 0)
    return FALSE;
  /* get the size again: the last writer may have written until it released the lock */
  if (!lock (fd) || fstat (fd, &status) < 0 || status.st_nlink == 0)
    goto failed;
  size = status.st_size;
  scan (self, fd, size, found, data);
  /* an empty file has no header yet: its writer was killed early */
  if (self->end == 0 ? size > 0 : !check_file (self, fd) || size < self->end)
    goto failed;
  if (size > self->end && !tail_is_unwritten (self, fd, size)) {
    g_debug ("%s is damaged at byte %" G_GUINT64_FORMAT ": left as it is", self->path, self->end);
    self->damaged = TRUE;
    goto failed;
  }
  if (size > self->end && !cut (fd, self->end))
    goto failed;
  self->fd = fd;

  return TRUE;

failed:
  close (fd);
  return FALSE;
}

guint64
clip_pack_file_growth (const ClipPackFile *self, const ClipPackEntry *where)
{
  return clip_pack_entry_size (where) + (self->end == 0 ? sizeof (Header) : 0);
}

/* An id that no other file has. */
static guint64
make_id (const ClipPackFile *self)
{
  /* includes the process ID: random numbers are the same after fork() */
  const gint64 parts[] = { g_get_real_time (), g_get_monotonic_time (), getpid (), self->number,
    g_random_int () };

  return XXH3_64bits (parts, sizeof parts);
}

gboolean
clip_pack_file_reserve (ClipPackFile *self, const ClipPackEntry *where)
{
  const guint64 before = self->end;
  const guint64 growth = clip_pack_file_growth (self, where);
  const ClipPackEntry none = { 0 };
  Header header;
  gint status;

  if (before == 0) {
    header_init (&header, FILE_MAGIC, make_id (self), &none);
    if (!write_header (self->fd, &header, 0))
      goto failed;
  }
  while ((status = ftruncate (self->fd, before + growth)) < 0 && errno == EINTR)
    ;
  if (status < 0)
    goto failed;
  if (before == 0) {
    self->id = header.id;
    self->end = sizeof header;
  }

  return TRUE;

failed:
  cut (self->fd, before);
  return FALSE;
}

gboolean
clip_pack_file_append (ClipPackFile *self, ClipPackEntry *where, GBytes *key,
    const ClipStoreChunk *chunks, guint n_chunks)
{
  static const guint8 zeros[CLIP_PACK_ALIGN];
  struct iovec *vectors = g_new (struct iovec, n_chunks + 3);
  const guint64 key_size = where->key_size, data_size = where->data_size;
  gboolean written;
  Header header;

  where->offset = self->end;
  header_init (&header, RECORD_MAGIC, self->id, where);
  vectors[0].iov_base = (gpointer) g_bytes_get_data (key, NULL);
  vectors[0].iov_len = key_size;
  vectors[1].iov_base = (gpointer) zeros;
  vectors[1].iov_len = align (key_size) - key_size;
  for (guint i = 0; i < n_chunks; i++) {
    vectors[i + 2].iov_base = (gpointer) chunks[i].data;
    vectors[i + 2].iov_len = chunks[i].size;
  }
  vectors[n_chunks + 2].iov_base = (gpointer) zeros;
  vectors[n_chunks + 2].iov_len = align (data_size) - data_size;

  /* the header last: it makes the record valid */
  written = write_at (self->fd, vectors, n_chunks + 3, self->end + sizeof header)
      && write_header (self->fd, &header, self->end);
  g_free (vectors);
  if (written)
    self->end += clip_pack_entry_size (where);
  else if (!cut (self->fd, self->end))
    self->damaged = TRUE;

  return written;
}

static gboolean
segment_holds (const ClipSegment *segment, const ClipPackEntry *where)
{
  return segment->offset <= where->offset
      && where->offset + clip_pack_entry_size (where) <= segment->offset + segment->size;
}

static ClipSegment *
segment_ref (ClipSegment *self)
{
  g_atomic_int_inc (&self->refs);

  return self;
}

void
clip_segment_unref (ClipSegment *self)
{
  if (!g_atomic_int_dec_and_test (&self->refs))
    return;
  munmap (self->base, self->size);
  g_free (self);
}

/* A record belongs to the window that it starts in. A window's segment extends to the last good
 * record, and is replaced if it is too short. */
ClipSegment *
clip_pack_file_map (ClipPackFile *self, const ClipPackEntry *where)
{
  const guint64 window = where->offset / WINDOW;
  const guint64 record_end = where->offset + clip_pack_entry_size (where);
  ClipSegment *segment;
  Header header;
  guint64 size, end;
  gpointer base = MAP_FAILED;
  gint fd, code;

  segment = g_hash_table_lookup (self->segments, GSIZE_TO_POINTER (window));
  if (segment && segment_holds (segment, where))
    return segment_ref (segment);

  fd = open_regular (self->path, O_RDONLY, &size);
  if (fd < 0)
    return NULL;
  /* not beyond the last good record: what follows may be truncated */
  end = MAX (record_end, MIN (self->known, (window + 1) * WINDOW));
  errno = ESTALE;
  if (size >= record_end && read_at (fd, &header, sizeof header, 0) == sizeof header
      && header_is_good (&header, FILE_MAGIC, 0) && header.id == self->id)
    base =
        mmap (NULL, MIN (end, size) - window * WINDOW, PROT_READ, MAP_SHARED, fd, window * WINDOW);
  code = errno;
  close (fd);
  errno = code;
  if (base == MAP_FAILED)
    return NULL;

  segment = g_new (ClipSegment, 1);
  segment->refs = 1;
  segment->base = base;
  segment->offset = window * WINDOW;
  segment->size = MIN (end, size) - segment->offset;
  g_hash_table_replace (self->segments, GSIZE_TO_POINTER (window), segment);

  return segment_ref (segment);
}
