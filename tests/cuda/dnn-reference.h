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

/* Small convolutions of the kinds that networks have: batch, channels in and out, input, kernel,
 * stride, padding. Elements of an array of CudaConv. */
#define CONVS_OF_EACH_KIND                                                 \
  { 0, 2, 8, 16, { 3, 5, 6 }, { 3, 3, 3 }, { 1, 1, 1 }, { 1, 1, 1 } },     \
      { 0, 1, 16, 8, { 4, 6, 5 }, { 3, 3, 3 }, { 2, 2, 2 }, { 1, 1, 1 } }, \
      { 0, 3, 8, 8, { 2, 7, 7 }, { 1, 3, 3 }, { 1, 2, 2 }, { 0, 1, 1 } },  \
      { 0, 2, 8, 24, { 5, 3, 2 }, { 3, 1, 1 }, { 1, 1, 1 }, { 1, 0, 0 } }, \
  {                                                                        \
    0, 2, 16, 8, { 2, 5, 4 }, { 1, 1, 1 }, { 1, 2, 2 }, { 0, 0, 0 }        \
  }

gsize conv_in_numbers (const CudaConv *conv);
gsize conv_out_numbers (const CudaConv *conv);
gsize conv_weight_numbers (const CudaConv *conv);

#endif
