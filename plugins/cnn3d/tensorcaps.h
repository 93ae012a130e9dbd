/* tensorcaps.h: parses NNStreamer's caps of a batch.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TENSOR_CAPS_H
#define TENSOR_CAPS_H

#include <gst/gst.h>

#include "src/backend/backend.h"

typedef enum {
  TENSOR_LABELS_INT32,
  TENSOR_LABELS_INT64,
  TENSOR_LABELS_ONE_HOT, /* float32, num_classes a clip */
} TensorLabels;

/* A batch of frames, (N, V, T, H, W, C), its labels, (N), with key points
 * (N, V, T, M, K, 3), and with views a mask, (N, V). Sizes are in bytes and are
 * checked for overflow. */
typedef struct {
  Cnn3dType type;
  gsize item_size;                       /* of one element of the frames */
  guint clips;                           /* N; with views, samples of `views` clips each */
  guint views;                           /* V; 1: none, and no mask */
  guint frames, height, width, channels; /* of a clip */
  gsize clip_size;                       /* with views, of all views of a sample */
  gsize frames_size;                     /* of the whole tensor */
  TensorLabels labels;
  guint num_classes; /* of one-hot labels; 0: unknown */
  gsize labels_size;
  guint points, persons; /* K and M; 0: no key points */
  gsize points_size;     /* of the whole tensor */
  gsize present_size;    /* of the mask; 0: no views */
} TensorLayout;

/* Parses fixed caps. FALSE with a GST_STREAM_ERROR, readable by the user, if
 * they are not a batch of frames, labels and perhaps key points and a mask. */
gboolean tensor_layout_from_caps (TensorLayout *layout, const GstCaps *caps, GError **error);

/* Numbers of a clip's key points; with views, of all of a sample's. */
gsize tensor_layout_clip_points (const TensorLayout *layout);

/* Whether clips of both layouts have the same type and shape; N may differ. */
gboolean tensor_layout_same_clips (const TensorLayout *a, const TensorLayout *b);

/* Such as "uint8 clips of 16 frames of 112x112x3 in 3 views"; free with g_free(). */
gchar *tensor_layout_describe (const TensorLayout *layout);

/* Reads class numbers from a label tensor of layout->labels_size bytes, of any
 * alignment, to out[0..clips-1]. Valid labels are 0 to num_classes - 1. FALSE
 * with a GST_STREAM_ERROR; *clip is the index in the batch. */
gboolean tensor_layout_read_labels (const TensorLayout *layout, gconstpointer data,
    guint num_classes, gint32 *out, guint *clip, GError **error);

/* Accepts any tensors in ACCEPT_CAPS. Those that do not fit are refused in the
 * CAPS event, with an error that says why. */
void tensor_layout_answer_accept_caps (GstQuery *query);

#endif
