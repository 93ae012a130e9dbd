/* dnn-double.h: controls of the test double of cuDNN. The double is a module, cudnn-double.so, that
 * tests name in $CNN3D_CUDNN; these are looked up in it with g_module_symbol().
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_DNN_DOUBLE_H
#define CNN3D_DNN_DOUBLE_H

#include <glib.h>

/* The n-th call from now on fails, 1 being the next; 0: none. Destroying is not counted. */
typedef void (*DnnDoubleFailAt) (guint64 n);
#define DNN_DOUBLE_FAIL_AT "dnn_double_fail_at"
/* Calls until now. */
typedef guint64 (*DnnDoubleCalls) (void);
#define DNN_DOUBLE_CALLS "dnn_double_calls"
/* Plans built until now. */
#define DNN_DOUBLE_PLANS "dnn_double_plans"
/* Descriptors and handles created and not destroyed. */
typedef gint (*DnnDoubleDescriptors) (void);
#define DNN_DOUBLE_DESCRIPTORS "dnn_double_descriptors"
/* Makes convolutions wrong: those of the engine with this index. */
typedef void (*DnnDoubleWrong) (gint64 engine);
#define DNN_DOUBLE_ALL_WRONG (-1)
#define DNN_DOUBLE_NONE_WRONG (-2)
#define DNN_DOUBLE_WRONG "dnn_double_wrong"
/* From now on executes through `launch` (NULL: immediately), which calls run (data) any number of
 * times, then done (data): so that a double of the CUDA run time can enqueue or record it. */
typedef void (*DnnDoubleLaunch) (
    gpointer stream, void (*run) (gpointer data), gpointer data, GDestroyNotify done);
typedef void (*DnnDoubleLaunchWith) (DnnDoubleLaunch launch);
#define DNN_DOUBLE_LAUNCH_WITH "dnn_double_launch_with"

#endif
