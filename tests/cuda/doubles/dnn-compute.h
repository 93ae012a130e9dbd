/* dnn-compute.h: the computations of the test double of cuDNN, as plain loops in double. Tensors
 * are dense f32, (N, D, H, W, C).
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_DNN_COMPUTE_H
#define CNN3D_DNN_COMPUTE_H

#include <glib.h>

typedef struct {
  gint64 n, in_channels, out_channels;
  gint64 in[3], out[3], kernel[3], stride[3], pad[3];
} DnnWindow;

/* Weights are (O, kD, kH, kW, I). Each function writes its whole result. */
void dnn_forward (const DnnWindow *window, const gfloat *x, const gfloat *w, gdouble *y);
void dnn_backward_data (const DnnWindow *window, const gfloat *dy, const gfloat *w, gdouble *dx);
void dnn_backward_weights (const DnnWindow *window, const gfloat *x, const gfloat *dy, gdouble *dw);

typedef enum {
  DNN_F32,
  DNN_F16,
  DNN_BF16,
} DnnType;

gfloat dnn_load (DnnType type, gconstpointer from, gint64 i);
/* Rounded to nearest, ties to even. */
void dnn_store (DnnType type, gpointer to, gint64 i, gfloat value);
gfloat dnn_to_tf32 (gfloat value);

#endif
