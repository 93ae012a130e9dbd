/* dnn-double.h: what the test double of cuDNN lets a test do. The double is a
 * module, cudnn-double.so, that a test names in $CNN3D_CUDNN; these are found in
 * it with g_module_symbol().
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_DNN_DOUBLE_H
#define CNN3D_DNN_DOUBLE_H

#include <glib.h>

/* The n-th call from now on fails, 1 being the next; 0: none. Destroying is no
 * call. */
typedef void (*DnnDoubleFailAt) (guint64 n);
#define DNN_DOUBLE_FAIL_AT "dnn_double_fail_at"
/* Calls until now. */
typedef guint64 (*DnnDoubleCalls) (void);
#define DNN_DOUBLE_CALLS "dnn_double_calls"
/* Descriptors and handles that were created and not destroyed. */
typedef gint (*DnnDoubleDescriptors) (void);
#define DNN_DOUBLE_DESCRIPTORS "dnn_double_descriptors"
/* Convolutions come out wrong. */
typedef void (*DnnDoubleWrong) (gboolean wrong);
#define DNN_DOUBLE_WRONG "dnn_double_wrong"
/* Executes through `launch` from now on (NULL: at once), which calls run (data)
 * as often as it likes, and then done (data): so that a double of CUDA's run time
 * can put it on a stream or record it. */
typedef void (*DnnDoubleLaunch) (
    gpointer stream, void (*run) (gpointer data), gpointer data, GDestroyNotify done);
typedef void (*DnnDoubleLaunchWith) (DnnDoubleLaunch launch);
#define DNN_DOUBLE_LAUNCH_WITH "dnn_double_launch_with"

#endif
