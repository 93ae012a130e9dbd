/* reader.h: what a reader of a format is, and what all of them share.
 *
 * A format is a file with a Cnn3dReader in it, and a row of the table in readers.c.
 * The first reader of the table that knows the content reads it, whatever the file
 * is called.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_READER_H
#define CNN3D_READER_H

#include "src/dataset/columns.h"
#include "src/dataset/dataset-private.h"
#include "src/dataset/finder.h"
#include "src/dataset/jsonwalk.h"
#include "src/escape.h"

typedef enum {
  CNN3D_CONTENT_FOLDER,
  CNN3D_CONTENT_ROWS, /* lines of fields, or nothing at all */
  CNN3D_CONTENT_JSON, /* an object or array, checked */
  CNN3D_CONTENT_XML,
} Cnn3dContent;

/* Of the first levels of JSON, so many members are looked at to tell formats apart. */
#define CNN3D_SNIFFED_KEYS 64
#define CNN3D_SNIFFED_FIELDS 32

typedef struct {
  const gchar *text;
  gsize size;
  const gchar *at; /* where it begins in the file */
} Cnn3dField;

/* One source that is being read. */
typedef struct {
  Cnn3dDataset *dataset;
  const Cnn3dDatasetParams *params;
  const gchar *location;
  const gchar *root; /* of relative paths */
  guint8 source;
  Cnn3dContent content;
  const gchar *text, *end; /* valid UTF-8, without a mark; not of a folder */
  gboolean lone_cr;        /* lines end in CR */
  /* of a mapped file, the first byte whose page counts as ours; NULL: it is not mapped */
  const gchar *resident;

  /* To tell formats apart */
  GPtrArray *keys[2]; /* JSON: of the object itself; of its first member, or the array's first */
  const Cnn3dField *fields; /* rows: of the first one */
  guint n_fields;

  GString *buffer; /* scratch, for unescaped text */
  Cnn3dFinder *finder;
  GArray *spans;  /* of the video that is read, where background is set */
  guint left_out; /* videos without a clip */

  guint first_row; /* of the data set's, that is in this source */
  /* of const gchar *: where this source's rows are; NULL: none of them names its view */
  GArray *places;
  const gchar *too_many_views; /* where one view more is named than there can be */
} Cnn3dReading;

typedef struct {
  const gchar *name; /* as documents have it */
  gboolean (*knows) (const Cnn3dReading *reading);
  gboolean (*read) (Cnn3dReading *reading, GError **error);
  const gchar *clips;  /* what is a clip in it, where a document may have none; NULL: a row is */
  gboolean annotators; /* whether `annotator` means something */
  gboolean background; /* whether `background` does */
} Cnn3dReader;

/* Whether a JSON document has a member on the level: 0, the object itself; 1, its
 * first member, or an array's first element. */
gboolean cnn3d_reading_has_key (const Cnn3dReading *reading, guint level, const gchar *key);
/* Whether the first row has a field of this text, whatever its case. */
gboolean cnn3d_reading_has_field (const Cnn3dReading *reading, const gchar *text);

/* Whether the first row has a documented name of the path's column: it is a manifest
 * then, whatever other columns it has. */
gboolean cnn3d_reading_is_manifest (const Cnn3dReading *reading);

/* What is before `until` has been read: pages of a mapped file that were read would count as the
 * process's memory, the whole file in the end. They may be read again. */
void cnn3d_reading_release (Cnn3dReading *reading, const gchar *until);

/* The JSON document. */
const gchar *cnn3d_reading_json (const Cnn3dReading *reading);

/* What a column's name means here. Cameras of many names are views only where views are asked for. */
Cnn3dColumn cnn3d_reading_column (
    const Cnn3dReading *reading, const gchar *name, gsize size, guint *rank);

/* Of a place in the text, from 1. */
guint cnn3d_reading_line_number (const Cnn3dReading *reading, const gchar *at);

/* "location:line:column: reason", at a place in the text. */
void cnn3d_reading_error (const Cnn3dReading *reading, const gchar *at, GError **error,
    const gchar *format, ...) G_GNUC_PRINTF (4, 5);

/* A clip as its annotation has it. Strings are not kept. */
typedef struct {
  guint32 path;                      /* by cnn3d_reading_path() */
  const gchar *label, *group, *view; /* group and view may be NULL */
  gsize label_size, group_size, view_size;
  Cnn3dSplit split;
  gdouble start, end;
  gboolean in_frames; /* as of Cnn3dRow */
  gfloat fps;
  guint16 fold;
  const gchar *keypoints; /* may be NULL */
  gsize keypoints_size;
  const gchar *at;                /* where it is, for errors */
  const gchar *label_at, *end_at; /* the same, more precisely; may be NULL */
} Cnn3dClip;

#define CNN3D_CLIP_WHOLE { .end = INFINITY }

/* Keeps a path for the clips of a video. CNN3D_ARENA_FULL with `error` set: it is
 * empty, or there is no room. */
guint32 cnn3d_reading_path (
    Cnn3dReading *reading, const gchar *path, gsize size, const gchar *at, GError **error);
gboolean cnn3d_reading_add (Cnn3dReading *reading, const Cnn3dClip *clip, GError **error);

/* The number of a view; CNN3D_VIEW_NONE: it has no name, or there are too many. at: where */
guint8 cnn3d_views_find (Cnn3dReading *reading, const gchar *name, gsize size, const gchar *at);
/* Keeps the places of the source's rows from now on. */
void cnn3d_views_begin (Cnn3dReading *reading);
/* Finds the samples that the source's rows are views of. */
gboolean cnn3d_views_end (Cnn3dReading *reading, GError **error);

/* Numbers that an annotation has: FALSE with `error` set where it is none of these.
 * name: as the error calls it. A number may have a decimal comma where `comma` is set.
 * Times are seconds, MM:SS.s or HH:MM:SS.s; an empty field leaves *seconds. */
gboolean cnn3d_reading_seconds (const Cnn3dReading *reading, const Cnn3dField *field,
    const gchar *name, gboolean comma, gdouble *seconds, GError **error);
gboolean cnn3d_reading_frame (const Cnn3dReading *reading, const Cnn3dField *field,
    const gchar *name, gdouble *frame, GError **error);
gboolean cnn3d_reading_split (
    const Cnn3dReading *reading, const Cnn3dField *field, Cnn3dSplit *split, GError **error);
/* May be empty in split test, which is in no fold. */
gboolean cnn3d_reading_fold (const Cnn3dReading *reading, const Cnn3dField *field, Cnn3dSplit split,
    guint16 *fold, GError **error);
gboolean cnn3d_reading_fps (const Cnn3dReading *reading, const Cnn3dField *field, gboolean comma,
    gfloat *fps, GError **error);
/* A value of JSON as a field: a string's text or a number; FALSE with `error` set: it is
 * neither. null is an empty field. */
gboolean cnn3d_reading_value (const Cnn3dReading *reading, const gchar *value, const gchar *name,
    Cnn3dField *field, GError **error);
/* An array of two times; *in: what of it is wanted. */
gboolean cnn3d_reading_segment (
    const Cnn3dReading *reading, const gchar *value, gdouble *start, gdouble *end, GError **error);

/* The path, relative to root, of the file that has this name without its ending, or
 * NULL: there is none. With several, the one that the hints tell; else an error. */
gboolean cnn3d_reading_find (Cnn3dReading *reading, const gchar *name, gsize size,
    const Cnn3dFinderHints *hints, const gchar *at, const gchar **path, GError **error);

/* The file of a video that is known by its id: the clip's own, already cut out, as
 * ID_000010_000020.mp4, where there is such a one, which the clip is the whole of
 * then; else the whole video; ID.mp4 where there is neither. Sets path, start and end. */
gboolean cnn3d_reading_find_cut (
    Cnn3dReading *reading, const Cnn3dField *id, Cnn3dClip *clip, GError **error);

gboolean cnn3d_reading_has_background (const Cnn3dReading *reading);
/* what: "videos without ..., which are left out" */
void cnn3d_reading_note_left_out (const Cnn3dReading *reading, const gchar *what);

/* What no clip of a video covers is a clip, too, where `background` is set: around
 * the clips of a video that are added. like: the video's path and split, its end
 * infinite where it is not known. */
void cnn3d_reading_begin_video (Cnn3dReading *reading);
gboolean cnn3d_reading_end_video (Cnn3dReading *reading, const Cnn3dClip *like, GError **error);

/* One line of the text without its end, from *p on, which is then behind it. FALSE:
 * no more lines. */
gboolean cnn3d_reading_line (const Cnn3dReading *reading, const gchar **p, Cnn3dField *line);

#endif
