/* dataset.h: which clips there are, what class each is of, and which of them
 * train, validate or test.
 *
 * A data set is read once and does not change afterwards: any number of
 * threads may read it. A row is one clip: a video file or a folder of numbered
 * pictures, or a window of one.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_DATASET_H
#define CNN3D_DATASET_H

#include "src/settings/choices.h"

G_BEGIN_DECLS

typedef struct _Cnn3dDataset Cnn3dDataset;

#define CNN3D_DATASET_ERROR (cnn3d_dataset_error_quark ())
CNN3D_API GQuark cnn3d_dataset_error_quark (void);

typedef enum {
  CNN3D_DATASET_ERROR_OPEN,    /* a file or folder cannot be read */
  CNN3D_DATASET_ERROR_ROW,     /* a row or entry of a manifest is wrong */
  CNN3D_DATASET_ERROR_EMPTY,   /* no clips for a pass */
  CNN3D_DATASET_ERROR_CLASSES, /* too few classes, or an unknown one */
  CNN3D_DATASET_ERROR_PARAMS,  /* parameters that contradict each other */
} Cnn3dDatasetError;

/* Which clips each of Cnn3dPasses has:
 *
 * CNN3D_PASSES_ALL:   training and validation; validation may have no clips
 * CNN3D_PASSES_TRAIN, CNN3D_PASSES_VAL: one of them, with the same clips
 * CNN3D_PASSES_TEST:  the rows that are in split test. Where no row is in any split,
 *                     and neither val_location nor num_folds says that some of them
 *                     train: all rows */

/* What to read. Strings are copied.
 *
 * location:     a file of annotations, in any of the formats that readers.c lists, or
 *               a folder of class folders
 * root:         what relative paths of a manifest are relative to; NULL or
 *               empty: the manifest's own folder
 * val_location: the same for validation; NULL or empty: none
 * num_folds:    cross-validation: 0, or 2 and more
 * fold:         the fold that validates, from 0
 * seed:         of the assignment of groups to folds
 * classes_location: names of classes that annotations number: a name a line, the
 *               first of which is 0's, or lines "NUMBER NAME"; NULL or empty: none
 * annotator:    whose annotations are taken, where several people's are listed; NULL
 *               or empty: there is one
 * views:        names of the views that samples have, separated by commas, in their order; NULL
 *               or empty: those that the rows name, sorted, or none
 * background:   class of what no label covers of a video; NULL or empty: it is left
 *               out
 * rows_only:    to look at the rows alone: no pass is asked for, so that none needs
 *               clips or classes
 * passes:       which rows the splits have. Classes are those of all rows,
 *               whichever are wanted */
typedef struct {
  const gchar *location;
  const gchar *root;
  const gchar *val_location;
  guint num_folds;
  guint fold;
  guint64 seed;
  Cnn3dPasses passes;
  const gchar *classes_location;
  const gchar *annotator;
  const gchar *views;
  const gchar *background;
  gboolean rows_only;
} Cnn3dDatasetParams;

/* A row. Strings belong to the data set.
 *
 * path:  as written in the manifest; cnn3d_dataset_path() for the file
 * group: NULL: none
 * view:  name; NULL: none
 * label: class number, from 0
 * start, end: seconds, or, where in_frames is set, numbers of frames from 0, of which
 *        end is the first one behind; end is infinite where the clip goes to the
 *        file's end
 * fps: pictures a second, where the path names pictures; 0: not said
 * split: "train", "val" or "test"; NULL: not said
 * fold:  as written, with rows_only; NULL or empty: none
 * keypoints: path of the clip's key points as written in the manifest; NULL: none;
 *        cnn3d_dataset_keypoints() for the file */
typedef struct {
  const gchar *path;
  const gchar *group;
  const gchar *view;
  gint label;
  gdouble start;
  gdouble end;
  gboolean in_frames;
  gdouble fps;
  const gchar *split;
  const gchar *fold;
  const gchar *keypoints;
} Cnn3dDatasetRow;

/* What is worth telling of a data set that was read. */
typedef struct {
  gboolean warning; /* something is probably a mistake */
  gchar *text;
} Cnn3dDatasetNote;

/* Reads everything that `params` names. Returns NULL and sets `error`
 * (CNN3D_DATASET_ERROR) where a row is wrong, where a pass that is asked for has
 * no clips, or, where there are training passes, where these have less than two
 * classes. Free with cnn3d_dataset_free(). */
CNN3D_API Cnn3dDataset *cnn3d_dataset_new (const Cnn3dDatasetParams *params, GError **error);
CNN3D_API void cnn3d_dataset_free (Cnn3dDataset *dataset);

/* Class names, class 0 first, NULL-terminated; owned by the data set. */
CNN3D_API const gchar *const *cnn3d_dataset_classes (const Cnn3dDataset *dataset);
CNN3D_API guint cnn3d_dataset_num_classes (const Cnn3dDataset *dataset);

/* Rows in all, those that neither train nor validate included. */
CNN3D_API guint cnn3d_dataset_num_rows (const Cnn3dDataset *dataset);
CNN3D_API void cnn3d_dataset_row (const Cnn3dDataset *dataset, guint row, Cnn3dDatasetRow *out);

/* Owned by the data set. */
CNN3D_API const Cnn3dDatasetNote *cnn3d_dataset_notes (const Cnn3dDataset *dataset, guint *n);

/* The name of the format that location, or val_location, was read as; NULL: there is no
 * such source. */
CNN3D_API const gchar *cnn3d_dataset_format (const Cnn3dDataset *dataset, gboolean val);

/* All rows as a manifest, a CSV that is read as the same rows in a file in `folder`.
 * g_free(). */
CNN3D_API gchar *cnn3d_dataset_manifest (const Cnn3dDataset *dataset, const gchar *folder);
/* A path as a manifest in any folder has it: absolute, and as a file:// address where it is
 * not UTF-8. An address stays. g_free(). */
CNN3D_API gchar *cnn3d_manifest_file (const gchar *path);
/* Appends a label of a manifest's row as a field. One that would be taken for a path beside its own
 * gets an apostrophe in front, which cnn3d_manifest_label_text() takes off. */
CNN3D_API void cnn3d_manifest_label (GString *text, const gchar *label, const gchar *path);
/* The label of cnn3d_csv_unguarded()'s text, within it; NULL: it is taken for a path. */
CNN3D_API const gchar *cnn3d_manifest_label_text (
    const gchar *label, gsize size, const gchar *path, gsize path_size);

/* The row's file: its path, also where the manifest has a file:// address;
 * another address as it is written. Free with g_free(). */
CNN3D_API gchar *cnn3d_dataset_path (const Cnn3dDataset *dataset, guint row);

/* The file of the row's key points; NULL: it has none. Free with g_free().
 * root:    what a relative path is relative to; NULL or empty: the same as for videos
 * pattern: the path where the row has none, with {stem}, {name}, {dir}, {label},
 *          {group} and {view}; NULL or empty: "{stem}.npy" where there is a root, else none */
CNN3D_API gchar *cnn3d_dataset_keypoints (
    const Cnn3dDataset *dataset, guint row, const gchar *root, const gchar *pattern);

/* Notes as a warning that a pattern gives different videos one file. */
CNN3D_API void cnn3d_dataset_note_keypoints (
    Cnn3dDataset *dataset, const gchar *root, const gchar *pattern);

/* What is wrong with a pattern: g_free(); NULL: nothing. */
CNN3D_API gchar *cnn3d_keypoints_pattern_refuse (const gchar *pattern);

#define CNN3D_DATASET_NO_ROW G_MAXUINT32

/* The names of the views, in their order, NULL-terminated; owned by the data set. *n: how many
 * there are. NULL, and 0: there are none, and each row is a sample of its own. */
CNN3D_API const gchar *const *cnn3d_dataset_views (const Cnn3dDataset *dataset, guint *n);
/* Whether the row is used: FALSE if its view is not wanted. */
CNN3D_API gboolean cnn3d_dataset_wants (const Cnn3dDataset *dataset, guint row);
/* Whether the row stands for its sample: it is the first listed one of its views. Of rows whose
 * view is not wanted, none does. */
CNN3D_API gboolean cnn3d_dataset_leads (const Cnn3dDataset *dataset, guint row);
/* The rows of all views of the sample that a leading row stands for. Only where there are views.
 * rows: [views], filled; CNN3D_DATASET_NO_ROW: this view is not listed */
CNN3D_API void cnn3d_dataset_view_rows (const Cnn3dDataset *dataset, guint row, guint32 *rows);

/* The rows that train (or those that validate or test), in listed order; *n is
 * their number, 0 where no such passes were asked for. Where there are views, those that lead.
 * Owned by the data set. */
CNN3D_API const guint32 *cnn3d_dataset_split (
    const Cnn3dDataset *dataset, gboolean training, guint *n);

/* Bytes that the data set holds, for tests and statistics. */
CNN3D_API gsize cnn3d_dataset_memory (const Cnn3dDataset *dataset);

G_END_DECLS

#endif
