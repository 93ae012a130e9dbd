/* inferresult.h: what was told about a window, and how it goes onto frames.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef INFER_RESULT_H
#define INFER_RESULT_H

#include "inferworker.h"

/* Name of the GstCustomMeta. */
#define INFER_RESULT_META "Cnn3dResult"

/* --- probabilities of several windows, averaged --- */

typedef struct {
  guint num_classes, most;      /* windows that count, at most */
  guint count, at;
  gdouble *windows;             /* (most, num_classes), a ring */
} InferAverage;

/* Begins anew; where neither number is another one, in the same memory. */
void infer_average_reset (InferAverage * average, guint num_classes,
    guint most);
void infer_average_clear (InferAverage * average);
/* Adds a window's probabilities and replaces them by the mean of the newest. */
void infer_average_add (InferAverage * average, gdouble * probabilities);

/* --- a result --- */

typedef struct {
  GstStructure *structure;      /* as the message has it */
  gint label;                   /* -1: the score is below the threshold */
  const gchar *name;            /* of the class, or "" */
  gdouble score;                /* the largest probability */
  GstMemory *text;              /* "CLASS 97 %"; NULL: none */
  guint num_classes;            /* of what analytics take; 0: there are none */
  gfloat *levels;
  GQuark *quarks;
} InferResult;

/* dropped: windows that were dropped so far; took: to compute it. */
InferResult *infer_result_new (const InferJob * job,
    const gdouble * probabilities, gdouble threshold, guint64 dropped,
    GstClockTime took);
/* From any thread. */
InferResult *infer_result_ref (InferResult * result);
void infer_result_unref (InferResult * result);

/* Once, before the first infer_result_attach(). */
void infer_result_register_meta (void);
/* Adds the metas to a writable buffer. element: name of who tells it. */
void infer_result_attach (const InferResult * result, GstBuffer * buffer,
    const gchar * element);

#endif
