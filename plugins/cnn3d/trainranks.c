/* trainranks.c: a run's place among the ranks that train one model. Rank 0 prints, saves and logs;
 * the others log to a folder each, so that their skipped clips are known.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trainrun-private.h"

#include "elementreport.h"
#include "src/comm/cores.h"

/* The number of the GPU that this rank has for itself among those of its machine: its own there; where
 * the launcher shows each rank its own GPU only, that one. -1 with error: there is none. */
static gint
choose_gpu (const Cnn3dBackend *backend, GError **error)
{
  const guint local = cnn3d_comm_local_rank ();
  gchar **gpus = backend->list (error);
  const guint n = g_strv_length (gpus);

  g_strfreev (gpus);
  if (n == 1 || local < n)
    return n == 1 ? 0 : local;
  if (!*error)
    g_set_error (error, CNN3D_COMM_ERROR, CNN3D_COMM_ERROR_MISSING,
        "this machine has %u GPUs for more ranks: start one for each", n);
  return -1;
}

/* This rank's GPU, such as "cuda:1", if it can be used, and *id, by which the other ranks know it; both
 * to be freed with g_free(). NULL: there is none, and *why says so, to be freed with g_free(). */
static gchar *
find_gpu (const gchar *device, gchar **id, gchar **why)
{
  const gboolean chosen = g_str_has_prefix (device, "cuda:");
  GError *error = NULL;
  const Cnn3dBackend *backend;
  gint index = -1;

  if (!strcmp (device, "cpu")) {
    *why = g_strdup ("device is cpu");
    return NULL;
  }
  backend = cnn3d_backend_load ("cuda", &error);
  if (backend)
    index = chosen ? (gint) g_ascii_strtoll (device + 5, NULL, 10) : choose_gpu (backend, &error);
  if (!error)
    *id = backend->identify (index, &error);
  if (*id)
    return chosen ? g_strdup (device) : g_strdup_printf ("cuda:%d", index);
  *why = g_strdup (error->message);
  g_clear_error (&error);
  return NULL;
}

/* Sets the device of one of several ranks that is not set to a certain one. gpu: may be NULL. */
static void
set_device (TrainRun *self, const gchar *gpu)
{
  const gchar *device = self->settings.device;
  const gboolean any = !device || !strcmp (device, "auto");

  if (!cnn3d_comm_on_gpu (self->comm))
    gpu = any ? "cpu" : NULL;
  if (!gpu)
    return;
  g_free (self->settings.device);
  self->settings.device = g_strdup (gpu);
}

/* Ranks of one machine that no launcher binds to cores would start as many threads as it has cores,
 * each. FALSE with error. */
static gboolean
share_cores (TrainRun *self, GError **error)
{
  guint threads = 0;

  if (cnn3d_comm_on_gpu (self->comm))
    return TRUE;
  if (!cnn3d_comm_threads (self->comm, &threads, error)) {
    cnn3d_comm_leave (&self->comm, TRUE);
    return FALSE;
  }
  if (!self->settings.threads)
    self->settings.threads = threads;
  return TRUE;
}

/* Joins, unless this process is alone. FALSE with error. */
static gboolean
join (TrainRun *self, Cnn3dDistributed distributed, GError **error)
{
  const gchar *device = self->settings.device ? self->settings.device : "auto";
  gchar *why = NULL, *id = NULL, *gpu = find_gpu (device, &id, &why), *text;
  const Cnn3dCommParams params = { distributed, self->settings.distributed_timeout, id, why };

  self->comm = cnn3d_comm_join (&params, error);
  if (self->comm && cnn3d_comm_size (self->comm) == 1)
    cnn3d_comm_leave (&self->comm, FALSE);
  else if (self->comm && share_cores (self, error))
    set_device (self, gpu);
  g_free (gpu);
  g_free (id);
  g_free (why);
  if (self->comm && cnn3d_comm_passed_over (self->comm) && !train_run_follows (self)) {
    text = g_strdup_printf ("the ranks train on CPUs, because not all can train on GPUs: %s; "
                            "device=cpu does so without this warning",
        cnn3d_comm_passed_over (self->comm));
    element_report_warning (self->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, text);
    g_free (text);
  }
  return !*error;
}

gboolean
train_run_join (TrainRun *self)
{
  const Cnn3dDistributed distributed = self->settings.distributed;
  GError *error = NULL;
  gchar *dir;

  if (cnn3d_comm_find (distributed) == CNN3D_DISTRIBUTED_NONE)
    return TRUE;
  if (!join (self, distributed, &error))
    goto failed;
  if (!train_run_follows (self) || !self->settings.log_dir)
    return TRUE;
  dir = g_strdup_printf (
      "%s" G_DIR_SEPARATOR_S "rank-%u", self->settings.log_dir, cnn3d_comm_rank (self->comm));
  g_free (self->settings.log_dir);
  self->settings.log_dir = dir;

  return TRUE;

  /* ERRORS */
failed:
  element_report_error (self->element, error,
      "The other processes cannot be joined (distributed=none trains without them)");
  g_error_free (error);
  return FALSE;
}

gboolean
train_run_follows (const TrainRun *self)
{
  return self->comm && cnn3d_comm_rank (self->comm) > 0;
}

void
train_run_place (const TrainRun *self, guint *rank, guint *ranks)
{
  *rank = self->comm ? cnn3d_comm_rank (self->comm) : 0;
  *ranks = self->comm ? cnn3d_comm_size (self->comm) : 1;
}

gboolean
train_run_share_skips (TrainRun *self)
{
  TrainSkipsCount *count = &self->skips.pass;
  GError *error = NULL;

  if (!self->comm)
    return TRUE;
  count->clips = self->pass.clips;
  if (cnn3d_trainer_add_up (self->trainer, &count->skipped, &error))
    return TRUE;

  /* ERRORS */
  train_run_fail (self, error, NULL);
  return FALSE;
}

void
train_run_leave (TrainRun *self)
{
  /* a batch that a GPU still computes ends its round first: leaving takes the place of the next one */
  if (self->comm && self->trainer && self->flow == GST_FLOW_OK)
    train_run_collect (self);
  /* all have ended, or know that they will */
  if (self->comm && self->trainer && self->flow == GST_FLOW_OK && !self->end.finished
      && !self->end.stopped && !self->end.left)
    self->end.left = cnn3d_trainer_leave (self->trainer, NULL);
}

void
train_run_part (TrainRun *self)
{
  /* the application's thread may end a run */
  if (self->trainer && self->comm)
    cnn3d_trainer_enter (self->trainer);
  cnn3d_comm_leave (&self->comm, !(self->end.finished || self->end.stopped || self->end.left));
}
