/* clippackfile.h: one file of a ClipStore: records that are appended by the one
 * process that holds the file's lock, and mapped by any number of others.
 *
 * A file is a header, then records. A record is a header, its key, padding,
 * its data, padding; header and data start at multiples of 64 bytes. The writer
 * extends the file by the record's size, writes key and data, and last the
 * header. Until then the header is 64 zeros, and no process reads the record.
 *
 * Nothing here takes a mutex. ClipStore's lock protects known and segments,
 * ClipPackFolder's the rest; id and end are the writer's while fd is not -1.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_PACK_FILE_H
#define CLIP_PACK_FILE_H

#include "clipstore.h"

G_BEGIN_DECLS

#define CLIP_PACK_ALIGN 64          /* bytes; the size of either header */
#define CLIP_PACK_MAX_KEY (1 << 20) /* bytes */

/* The position of a record, in bytes. offset: of its header in the file; checksum: XXH3 of key
 * and data. */
typedef struct {
  guint64 offset, key_size, data_size, checksum;
} ClipPackEntry;

/* A mapped part of a file. */
typedef struct {
  gint refs;
  guint8 *base;
  guint64 offset; /* of base in the file */
  gsize size;
} ClipSegment;

typedef struct {
  gchar *path;
  guint number;         /* in its name */
  guint64 id;           /* in its header and in its records' headers */
  guint64 end;          /* of the last good record; 0: no header yet */
  guint64 known;        /* of the last record in the store's index */
  gint fd;              /* of the writer, with the lock; -1: this process is not the writer */
  gboolean foreign;     /* not in this format */
  gboolean replaced;    /* by another file of the same name */
  gboolean damaged;     /* another process may have mapped data after `end` */
  GHashTable *segments; /* window number -> ClipSegment */
} ClipPackFile;

typedef void (*ClipPackFound) (
    ClipPackFile *self, const ClipPackEntry *where, GBytes *key, gpointer data);

/* A record's size in the file, in bytes. */
guint64 clip_pack_entry_size (const ClipPackEntry *where);
/* Offset of a record's data in the file, in bytes. */
guint64 clip_pack_entry_data (const ClipPackEntry *where);

/* FALSE: not the name of a ClipStore's file. */
gboolean clip_pack_file_parse_name (const gchar *name, guint *number);

/* Does not open the file, which need not exist. */
ClipPackFile *clip_pack_file_new (const gchar *location, guint number);
/* Releases the lock. Segments stay mapped while they are referenced. */
void clip_pack_file_free (ClipPackFile *self);

/* Reads the headers and keys after self->end, up to the first incomplete record, and calls
 * `found` for each. Does not read the data. */
void clip_pack_file_scan (ClipPackFile *self, ClipPackFound found, gpointer data);

/* Creates the file and takes its lock. FALSE: errno is set; EEXIST if the name is taken. */
gboolean clip_pack_file_create (ClipPackFile *self);

/* Takes the lock of a file without a writer, scans it, and truncates a record that was not
 * completed. FALSE: the file has a writer, or another process may have mapped the data after its
 * good records. */
gboolean clip_pack_file_adopt (ClipPackFile *self, ClipPackFound found, gpointer data);

/* Releases the lock. */
void clip_pack_file_release (ClipPackFile *self);

/* Bytes by which the writer's file grows with this record. */
guint64 clip_pack_file_growth (const ClipPackFile *self, const ClipPackEntry *where);

/* Extends the writer's file for a record, after writing the file's header if there is none yet.
 * FALSE: errno is set, and the file is unchanged. */
gboolean clip_pack_file_reserve (ClipPackFile *self, const ClipPackEntry *where);

/* Writes the record for which space was reserved, and sets its offset. FALSE: errno is set, and
 * the space is released. */
gboolean clip_pack_file_append (ClipPackFile *self, ClipPackEntry *where, GBytes *key,
    const ClipStoreChunk *chunks, guint n_chunks);

/* (transfer full) a segment that contains the whole record. NULL: errno is set; ESTALE if the
 * file is not the one that was scanned. */
ClipSegment *clip_pack_file_map (ClipPackFile *self, const ClipPackEntry *where);
void clip_segment_unref (ClipSegment *self);

G_END_DECLS

#endif
