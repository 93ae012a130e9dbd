/* dataset-private.h: the representation of a data set, for its readers.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_DATASET_PRIVATE_H
#define CNN3D_DATASET_PRIVATE_H

#include "src/dataset/dataset.h"

/* Strings end to end, each with its NUL; a string is its 32-bit offset, so
 * that a row costs 40 bytes and no separate allocation. */
typedef struct {
  gchar *data;
  gsize size;
  gsize capacity;
} Cnn3dArena;

#define CNN3D_ARENA_FULL G_MAXUINT32

/* Returns the string's offset, or CNN3D_ARENA_FULL at 4 GiB. */
guint32 cnn3d_arena_add (Cnn3dArena *arena, const gchar *text, gsize size);

/* Distinct strings, numbered as they first came. */
typedef struct {
  guint32 *offsets; /* number -> offset in the arena */
  guint n;
  guint capacity;
  guint32 *slots; /* open addressing: number + 1, or 0 */
  guint n_slots;  /* a power of two */
} Cnn3dNames;

#define CNN3D_NAME_NONE G_MAXUINT32

/* The string's number, added where it is new; CNN3D_NAME_NONE where the arena
 * is full. */
guint32 cnn3d_names_intern (Cnn3dNames *names, Cnn3dArena *arena, const gchar *text, gsize size);
/* The numbers of the names in alphabetical order, or in the numeric one where all are integers:
 * [n]; g_free(). */
guint32 *cnn3d_names_order (const Cnn3dNames *names, const Cnn3dArena *arena);
/* The string's number, or CNN3D_NAME_NONE. */
guint32 cnn3d_names_find (
    const Cnn3dNames *names, const Cnn3dArena *arena, const gchar *text, gsize size);
void cnn3d_names_drop_slots (Cnn3dNames *names);
void cnn3d_names_clear (Cnn3dNames *names);

typedef enum {
  CNN3D_SPLIT_NONE, /* not said */
  CNN3D_SPLIT_TRAIN,
  CNN3D_SPLIT_VAL,
  CNN3D_SPLIT_TEST, /* never trains nor validates */
} Cnn3dSplit;

/* The split that a text which must name one means. FALSE: it names none. */
gboolean cnn3d_split_parse (const gchar *text, gsize size, Cnn3dSplit *split);
/* The same of a text that may as well be something else, a group or a class: without
 * the words that only some data sets use. */
gboolean cnn3d_split_guess (const gchar *text, gsize size, Cnn3dSplit *split);

typedef struct {
  guint32 path;         /* offset in the arena */
  guint32 label;        /* number in labels; a class number at the end */
  guint32 group;        /* number in groups, or CNN3D_NAME_NONE */
  guint16 fold;         /* number in folds, where there is a column */
  guint8 view;          /* number in views, or CNN3D_VIEW_NONE */
  guint8 split : 2;     /* Cnn3dSplit */
  guint8 source : 1;    /* 0: from location, 1: from val-location */
  guint8 in_frames : 1; /* start and end are frames, from 0; end is the first behind */
  gdouble start, end;   /* seconds, or frames */
  gfloat fps;           /* of pictures; 0: not said */
  guint32 keypoints;    /* offset in the arena, or CNN3D_ARENA_FULL: none */
} Cnn3dRow;

#define CNN3D_VIEW_NONE G_MAXUINT8
#define CNN3D_DATASET_MOST_VIEWS 64                /* of samples */
#define CNN3D_DATASET_MOST_CAMERAS CNN3D_VIEW_NONE /* of rows, with those that are not wanted */

/* What clipsrc's property `fps` takes */
static inline gboolean
cnn3d_fps_is_valid (gdouble fps)
{
  return fps >= 0.001 && fps <= 1000000;
}

struct _Cnn3dDataset {
  Cnn3dArena arena;
  GArray *rows; /* Cnn3dRow */
  Cnn3dNames labels;
  Cnn3dNames groups;
  Cnn3dNames folds;
  Cnn3dNames views;         /* those that are wanted first, in that order */
  guint n_views;            /* that are wanted, or, at the end, that there are */
  gboolean views_wanted;    /* by their names */
  gboolean has_views[2];    /* by source: its rows are views of samples */
  const gchar **view_names; /* into the arena, NULL-terminated; NULL: no views */
  guint32 *mates;     /* of each row, the next one of its sample, in a circle; NULL: no views */
  gboolean has_folds; /* the manifest assigns folds */
  gchar *roots[2];    /* by source */
  const gchar *formats[2]; /* the readers' names */
  const gchar **classes;   /* into the arena, NULL-terminated */
  guint32 *split[2];       /* [training]: rows; those that test: [FALSE] */
  guint n_split[2];
  GArray *notes; /* Cnn3dDatasetNote */
};

/* A path as it is written, as the file system has it: g_free(). */
gchar *cnn3d_dataset_file (const gchar *root, const gchar *path);

/* Appends a row; strings are given by offset or number already. FALSE where
 * there are more than 2^31 rows. */
gboolean cnn3d_dataset_add (Cnn3dDataset *dataset, const Cnn3dRow *row, GError **error);
void cnn3d_dataset_set_full (GError **error, const gchar *file);
void cnn3d_dataset_note (Cnn3dDataset *dataset, gboolean warning, const gchar *format, ...)
    G_GNUC_PRINTF (3, 4);

/* Appends the rows of one source, 0 (location) or 1 (val_location). */
gboolean cnn3d_readers_read (Cnn3dDataset *dataset, const Cnn3dDatasetParams *params,
    const gchar *location, guint8 source, GError **error);

/* Gives numbered classes their names, of the file that params say. */
gboolean cnn3d_class_names_apply (Cnn3dDataset *dataset, const gchar *file, GError **error);
/* FALSE with `error` set: a class is several others, "walk,run" beside walk and run. Notes one that
 * may be. */
gboolean cnn3d_class_names_check_several (Cnn3dDataset *dataset, const gchar *file, GError **error);
/* Notes classes whose names differ in case and blanks only. */
void cnn3d_class_names_compare (Cnn3dDataset *dataset);

/* Takes the names of wanted views, separated by commas; NULL or empty: those that rows name. */
gboolean cnn3d_views_want (Cnn3dDataset *dataset, const gchar *names, GError **error);
/* Where rows are views of samples: numbers the views and checks that the sources agree. */
gboolean cnn3d_views_finish (
    Cnn3dDataset *dataset, const Cnn3dDatasetParams *params, GError **error);

/* Whether a file of its own says what validates. */
static inline gboolean
cnn3d_has_val_location (const Cnn3dDatasetParams *params)
{
  return params->val_location && *params->val_location;
}

/* Fills split[] and n_split[] from the rows. */
gboolean cnn3d_split_rows (Cnn3dDataset *dataset, const Cnn3dDatasetParams *params, GError **error);
/* The passes that a row belongs to, by its split, source and fold; CNN3D_PASSES_ALL: none. */
Cnn3dPasses cnn3d_split_passes (const Cnn3dDatasetParams *params, const Cnn3dRow *row);
/* Notes clips and groups that are on both sides of the split, and rows that are listed twice. */
void cnn3d_leakage_note (Cnn3dDataset *dataset, const Cnn3dDatasetParams *params);

#endif
