/* inferresult.h: the result of a window, and the metas that carry it on frames.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef INFER_RESULT_H
#define INFER_RESULT_H

#include "inferworker.h"

/* Name of the GstCustomMeta */
#define INFER_RESULT_META "Cnn3dResult"

/* --- probabilities of several windows, averaged --- */

typedef struct {
  guint num_classes, most; /* most: windows averaged, at most */
  guint count, at;
  gdouble *windows; /* (most, num_classes), a ring buffer */
} InferAverage;

/* Empties the average. The memory is kept if neither number changes. */
void infer_average_reset (InferAverage *average, guint num_classes, guint most);
void infer_average_clear (InferAverage *average);
/* Adds a window's probabilities, (num_classes), and replaces them by the mean
 * of the newest windows. */
void infer_average_add (InferAverage *average, gdouble *probabilities);

/* --- a result --- */

typedef struct {
  GstStructure *structure; /* the message's */
  gint label;              /* -1: the score is below the threshold */
  const gchar *name;       /* of the class, or "" */
  gdouble score;           /* the largest probability */
  GstMemory *text;         /* "CLASS 97 %"; NULL: none */
  guint num_classes;       /* for the analytics meta; 0: no such meta */
  gfloat *levels;
  GQuark *quarks;
} InferResult;

/* dropped: windows dropped so far. took: computing time. */
InferResult *infer_result_new (const InferJob *job, const gdouble *probabilities, gdouble threshold,
    guint64 dropped, GstClockTime took);
/* From any thread. */
InferResult *infer_result_ref (InferResult *result);
void infer_result_unref (InferResult *result);

/* To be called once, before the first infer_result_attach(). */
void infer_result_register_meta (void);
/* Adds the metas to a writable buffer. element: name of the element that
 * reports the result. */
void infer_result_attach (const InferResult *result, GstBuffer *buffer, const gchar *element);

#endif
