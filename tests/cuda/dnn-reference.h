/* dnn-reference.h: convolutions by definition, and the tensors that tests pass to cuDNN.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_DNN_REFERENCE_H
#define CNN3D_DNN_REFERENCE_H

#include "src/backend/cuda/cudnn.h"

/* Values of one type in 256-byte aligned memory. */
typedef struct {
  CudaType type;
  gsize n;
  gpointer data;
} Numbers;

Numbers numbers_new (CudaType type, gsize n);
void numbers_free (Numbers *numbers);
gdouble numbers_get (const Numbers *numbers, gsize i);
void numbers_set (Numbers *numbers, gsize i, gdouble value);
/* Uniform in [-1, 1). */
void numbers_random (Numbers *numbers, GRand *rand);
/* Rounded to the type. */
gdouble numbers_round (CudaType type, gdouble value);
/* At most half the distance from a value of this size to its neighbours. */
gdouble numbers_step (CudaType type, gdouble value);

/* One element of a direction's result: forward's y, backward-data's x, backward-weights' w.
 * magnitude: the sum of the terms' absolute values. */
gdouble reference_number (const CudaConvGraph *graph, const gdouble *x, const gdouble *y,
    const gdouble *w, gsize i, gdouble *magnitude);

gsize conv_in_numbers (const CudaConv *conv);
gsize conv_out_numbers (const CudaConv *conv);
gsize conv_weight_numbers (const CudaConv *conv);

#endif
