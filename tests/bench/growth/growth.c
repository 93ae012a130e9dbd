/* growth.c: how a step grows with the number of ranks, in virtual time: a table.
 *
 * usage: growth [sync] [SECONDS]... : of a batch's forward and backward pass (default: 0.4 0.01); sync: with
 * sync-batch-norm. The messages are those that the trainer sends for r3d_18, see ranksim.h, and gradients are
 * complete when a batch of 8 clips of 16x112x112 has them by count; the links are links.h's, to a switch that
 * never blocks.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>

#include "src/comm/links.h"
#include "tests/unit/ranksim.h"

/* Of a message, in cnn3d_links' order: MPI over TCP, over RDMA, and inside a machine. */
static const struct {
  gdouble latency, gap;
} costs[] = { { 30e-6, 3e-6 }, { 30e-6, 3e-6 }, { 5e-6, 1e-6 }, { 5e-6, 1e-6 }, { 5e-6, 1e-6 } };

static const guint sizes[] = { 8, 64, 1024 };

/* When the gradients are complete that a rank sends while it computes; NULL: it does not. */
static Cnn3dExchange *
find_exchange (const Cnn3dTrainerParams *params, guint ranks)
{
  const Cnn3dDeviceParams device_params = { 0, 1 };
  const Cnn3dBackend *backend = cnn3d_backend_load ("cpu", NULL);
  Cnn3dDevice *device = backend->open (&device_params, NULL);
  Cnn3dTrainerParams p = *params;
  g_autoptr (GError) error = NULL;
  Cnn3dExchange *x;
  Cnn3dFit fit;

  p.network.frames = 16;
  p.network.height = p.network.width = 112;
  p.ranks = ranks;
  cnn3d_fit_measure (backend, device, &p, 8, 8, CNN3D_RECOMPUTE_NONE, &fit, &error);
  g_assert_no_error (error);
  x = cnn3d_fit_exchange (backend, device, &p, 8, &fit, &error);
  g_assert_no_error (error);
  backend->close (&device);
  if (x->buckets->len == 0)
    cnn3d_exchange_free (&x);
  return x;
}

static void
print_growth (SimSchedule *const *schedules, Cnn3dExchange *const *exchanges, gdouble computes)
{
  printf ("\n%g s of computation a batch:\n\n| link |", computes);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    printf (" %u ranks, s a step |", sizes[i]);
  printf ("\n|---|");
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    printf ("---|");
  for (guint l = 0; cnn3d_links[l].name; l++) {
    const SimLink link = { cnn3d_links[l].bytes_per_second, costs[l].latency, costs[l].gap };

    printf ("\n| %s |", cnn3d_links[l].name);
    for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
      const SimSchedule *s = schedules[i];
      const gdouble step =
          sim_step (s, s->ranks[0]->start, s->ranks[0]->calls->len, &link, computes, exchanges[i]);

      printf (" %.4g (%.0f %%) |", step, 100 * computes / step);
    }
  }
  puts ("");
}

int
main (int argc, char **argv)
{
  SimSchedule *schedules[G_N_ELEMENTS (sizes)];
  Cnn3dExchange *exchanges[G_N_ELEMENTS (sizes)];
  Cnn3dTrainerParams params;
  const gboolean syncs = argc > 1 && !strcmp (argv[1], "sync");

  argc -= syncs;
  argv += syncs;
  cnn3d_trainer_params_init (&params);
  params.network = (Cnn3dNetworkParams) { "r3d_18", 400, 64, 3, 4, 16, 16, 0 };
  params.device = "cpu";
  params.sync_batch_norm = syncs;
  puts ("| ranks | messages of a rank a step | it sends, MiB | at the start, s at 10 Gbit/s |\n"
        "|---|---|---|---|");
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    const SimLink slowest = { cnn3d_links[0].bytes_per_second, costs[0].latency, costs[0].gap };
    SimSchedule *s = schedules[i] = sim_schedule (&params, sizes[i], FALSE);
    exchanges[i] = find_exchange (&params, sizes[i]);

    const guint calls = s->ranks[0]->calls->len - s->ranks[0]->start;

    printf ("| %u | %u x %u | %.1f | %.3g |\n", sizes[i], calls, sizes[i] - 1,
        sim_sent (s, 0) / 1048576.0, sim_seconds (s, 0, s->ranks[0]->start, &slowest));
  }
  print_growth (schedules, exchanges, argc > 1 ? g_ascii_strtod (argv[1], NULL) : 0.4);
  for (gint i = 2; i < argc; i++)
    print_growth (schedules, exchanges, g_ascii_strtod (argv[i], NULL));
  if (argc < 2)
    print_growth (schedules, exchanges, 0.01);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    sim_schedule_free (schedules[i]);
    cnn3d_exchange_free (&exchanges[i]);
  }
  return 0;
}
