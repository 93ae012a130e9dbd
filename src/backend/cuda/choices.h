/* choices.h: which plan each timed convolution runs, by name. A choice is settled
 * once. This process keeps it for as long as it lives, whatever happens to the
 * file; the file in the user's cache ($XDG_CACHE_HOME/cnn3d/convolutions.ini) keeps
 * it for later processes and gives it to those that run at the same time.
 *
 * group: the device and its cuDNN; key: the convolution and its limits. Any
 * thread. SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_CHOICES_H
#define CNN3D_CUDA_CHOICES_H

#include <glib.h>

/* The plan that was chosen before; g_free(). NULL: none was. *settled: in this
 * process, which must not run another. */
gchar *cuda_choices_recall (const gchar * group, const gchar * key, gboolean * settled);

typedef struct {
  const gchar *plan;            /* the one to settle on */
  const gchar *unkept;          /* what to settle on where the file cannot be written; NULL: `plan` too */
  /* Whether the caller can run the plan that another thread or process settled on
   * meanwhile; NULL: it cannot. */
  gboolean (*offers) (gconstpointer data, const gchar * plan);
  gconstpointer data;
} CudaProposal;

/* Settles on the proposal, or on what was settled before. Returns the plan to run;
 * g_free(). It is one that the caller does not offer only where this process has
 * settled on that. */
gchar *cuda_choices_settle (const gchar * group, const gchar * key, const CudaProposal * proposal);

#endif
