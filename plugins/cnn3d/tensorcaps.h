/* tensorcaps.h: what a batch in NNStreamer's caps looks like.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TENSOR_CAPS_H
#define TENSOR_CAPS_H

#include <gst/gst.h>

#include "src/backend/backend.h"

typedef enum {
  TENSOR_LABELS_INT32,
  TENSOR_LABELS_INT64,
  TENSOR_LABELS_ONE_HOT,        /* float32, num_classes a clip */
} TensorLabels;

/* A batch of frames, (N, T, H, W, C), and its labels. Sizes are in bytes and
 * known not to overflow. */
typedef struct {
  Cnn3dType type;
  gsize item_size;              /* of one of its numbers */
  guint clips;                  /* N */
  guint frames, height, width, channels;        /* of a clip */
  gsize clip_size;
  gsize frames_size;            /* of the whole tensor */
  TensorLabels labels;
  guint num_classes;            /* of one-hot labels; otherwise 0: not told */
  gsize labels_size;
} TensorLayout;

/* Reads fixed caps. FALSE with an error of GST_STREAM_ERROR, a sentence for a
 * person, where they are not a batch of frames and labels. */
gboolean tensor_layout_from_caps (TensorLayout * layout, const GstCaps * caps,
    GError ** error);

/* Whether clips of both have the same numbers in them; N may differ. */
gboolean tensor_layout_same_clips (const TensorLayout * a,
    const TensorLayout * b);

/* "uint8 clips of 16 frames of 112x112x3"; g_free(). */
gchar *tensor_layout_describe (const TensorLayout * layout);

/* Class numbers out of a label tensor of layout->labels_size bytes, of any
 * alignment, to out[0..clips-1]. num_classes: what they must stay below. FALSE
 * with an error of GST_STREAM_ERROR; *clip says where in the batch. */
gboolean tensor_layout_read_labels (const TensorLayout * layout,
    gconstpointer data, guint num_classes, gint32 * out, guint * clip,
    GError ** error);

/* Answers ACCEPT_CAPS with yes for any tensors: those that do not fit are refused
 * when they come, with the reason. */
void tensor_layout_answer_accept_caps (GstQuery * query);

#endif
