/* metrics.h: metrics of a whole pass.
 *
 * They agree with scikit-learn's functions of the same names, called on all labels and predictions
 * at once (zero_division=0).
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_METRICS_H
#define CNN3D_METRICS_H

#include <glib.h>
#include "src/api.h"

/* The most classes of a confusion matrix, whose size is their square. */
#define CNN3D_MOST_CONFUSION 1000

/* Metrics of one class; NaN: undefined. */
typedef struct {
  guint64 support;               /* videos with this label */
  guint64 predicted;             /* videos predicted as this class */
  gdouble precision, recall, f1; /* 0 if the denominator is 0 */
  gdouble auroc;                 /* this class against the rest; NaN: one of the two has no video */
} Cnn3dClassMetrics;

/* Of one view of the samples by itself; NaN: no sample has it. */
typedef struct {
  gchar *name;
  guint64 videos; /* that have the view */
  gdouble accuracy, f1_macro, loss;
} Cnn3dViewMetrics;

/* How clipkpt read the clips' key points, with its properties' names and values. */
typedef struct {
  const gchar *skeleton;
  guint persons;
  const gchar *coordinates;
  guint first_frame;
} Cnn3dClipKeypoints;

typedef struct {
  guint num_classes;
  guint64 videos;        /* predictions; clips of one video are averaged */
  guint64 clips;         /* that they were computed from */
  gdouble accuracy;      /* top 1: the first of the largest probabilities is the label's */
  gdouble top5_accuracy; /* of min (5, num_classes) */
  gdouble clip_accuracy; /* of single clips, as in a validation pass of training */
  gdouble loss;          /* mean of -log probability of the label, over single clips */
  /* Means over the classes that are labelled or predicted at all; auroc: over those where it is
   * defined. NaN: undefined. */
  gdouble precision_macro, recall_macro, f1_macro, auroc_macro;
  Cnn3dClassMetrics *classes; /* [num_classes] */
  /* [label * num_classes + prediction]; NULL: more than CNN3D_MOST_CONFUSION classes */
  guint64 *confusion;
  guint n_views; /* added by cnn3d_metrics_add_view(); 0: a sample is one clip */
  Cnn3dViewMetrics *views;
  const Cnn3dClipKeypoints *keypoints; /* set by the caller, not owned; NULL: none, or not known */
} Cnn3dMetrics;

CNN3D_API void cnn3d_metrics_clear (Cnn3dMetrics *metrics);

/* What clipsrc read a video's clips from, or a view's of them.
 *
 * path:       the file, or pictures
 * start, end: seconds; end may be infinite
 * fps:        of pictures
 * keypoints:  file of the key points; NULL: none
 * group:      as the manifest has it; NULL: none
 * view:       number of the view */
typedef struct {
  gchar *path;
  gdouble start, end;
  gdouble fps;
  gchar *keypoints;
  gchar *group;
  guint view;
} Cnn3dClipFile;

/* Prediction of one video. */
typedef struct {
  gchar *path;  /* NULL: unknown */
  guint64 clip; /* its number in the data set or stream */
  gint label;
  guint prediction;
  guint clips;
  gdouble *probabilities; /* [num_classes], mean of its clips' */
  guint n_files;          /* of views, those that are there; 0: not known */
  Cnn3dClipFile *files;   /* [n_files] */
} Cnn3dPrediction;

/* Collects the predictions of a pass. */
typedef struct _Cnn3dPredictions Cnn3dPredictions;

CNN3D_API Cnn3dPredictions *cnn3d_predictions_new (guint num_classes);
CNN3D_API void cnn3d_predictions_free (Cnn3dPredictions *predictions);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cnn3dPredictions, cnn3d_predictions_free)

/* Adds a clip's logits, [num_classes]. continues: it is a further one of the previous clip's
 * video. path: copied; may be NULL. */
CNN3D_API void cnn3d_predictions_add (Cnn3dPredictions *predictions, const gchar *path,
    guint64 clip, gint label, const gfloat *logits, gboolean continues);

/* Adds a file of the video that was added last; it is copied. */
CNN3D_API void cnn3d_predictions_locate (Cnn3dPredictions *predictions, const Cnn3dClipFile *file);

CNN3D_API guint64 cnn3d_predictions_count (const Cnn3dPredictions *predictions);
/* In the order of addition; owned by the collection, valid until the next addition. */
CNN3D_API const Cnn3dPrediction *cnn3d_predictions_nth (
    const Cnn3dPredictions *predictions, guint64 n);

/* Fills `metrics`, an uninitialized struct; free with cnn3d_metrics_clear(). */
CNN3D_API void cnn3d_predictions_measure (
    const Cnn3dPredictions *predictions, Cnn3dMetrics *metrics);
/* Adds what was predicted from one view alone. name: copied. */
CNN3D_API void cnn3d_metrics_add_view (
    Cnn3dMetrics *metrics, const gchar *name, const Cnn3dPredictions *predictions);

#endif
