/* choices.h: the plan of each timed convolution, by name. A choice is settled once. This process
 * keeps it until it exits, whatever happens to the file; the file in the user's cache
 * ($XDG_CACHE_HOME/cnn3d/convolutions.ini) keeps it for later processes and shares it with
 * concurrent ones.
 *
 * group: the device and its cuDNN; key: the convolution and its limits. Any thread.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_CHOICES_H
#define CNN3D_CUDA_CHOICES_H

#include <glib.h>

/* The plan that was chosen before; free with g_free(). NULL: none. *settled: it was chosen in this
 * process, which must not run another. */
gchar *cuda_choices_recall (const gchar *group, const gchar *key, gboolean *settled);

/* The choice that was made last for the same convolution with another batch: a hint, from the file.
 * like: what they have in common. Free with g_free(). NULL: none. */
gchar *cuda_choices_like (const gchar *group, const gchar *like);

typedef struct {
  const gchar *plan;   /* the plan to settle on */
  const gchar *unkept; /* the plan to settle on if the file cannot be written; NULL: `plan` */
  const gchar *like;   /* stored for cuda_choices_like(); NULL: not */
  /* Whether the caller can run the plan that another thread or process settled on meanwhile. NULL:
   * it cannot. */
  gboolean (*offers) (gconstpointer data, const gchar *plan);
  gconstpointer data;
} CudaProposal;

/* Settles on the proposal, or on the earlier choice. Returns the plan to run; free with g_free().
 * It is one that the caller does not offer only if this process has settled on it. */
gchar *cuda_choices_settle (const gchar *group, const gchar *key, const CudaProposal *proposal);

#endif
