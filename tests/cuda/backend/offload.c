/* Copies of block outputs to host memory and back, on doubles of the CUDA run time and of cuDNN:
 * they change no bit, each of their waits is needed, and their failures are reported.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rig.h"

/* Of the streams, see cuda-double.h. */
#define OFFLOADS 2

static guint left_out, left_out_of; /* waits seen; the one of them to leave out, 0: all */

static gboolean
leave_out (gboolean is_one)
{
  return is_one && (++left_out == left_out_of || !left_out_of);
}

static gboolean
forks (guint stream, guint other)
{
  return leave_out (stream >= OFFLOADS && other < OFFLOADS);
}

static gboolean
joins (guint stream, guint other)
{
  return leave_out (stream < OFFLOADS && other >= OFFLOADS);
}

static gboolean
is_same (const Run *a, const Run *b)
{
  for (guint i = 0; i < a->n_losses; i++)
    if (a->loss[i] != b->loss[i])
      return FALSE;
  for (guint i = 0; i < a->n_params; i++)
    if (memcmp (a->weights[i], b->weights[i], a->counts[i] * sizeof (gfloat)))
      return FALSE;
  return TRUE;
}

/* Of which blocks' outputs are most of the memory. */
static void
offload_params (Cnn3dTrainerParams *p, const gchar *network)
{
  rig_params (p, network);
  p->precision = CNN3D_PRECISION_16_MIXED;
  p->network.base_width = 8;
  p->network.frames = 2;
  p->network.height = p->network.width = 20;
}

/* Copies that run as early and as late as they may change no bit, in steps that run one by one,
 * recorded and replayed. */
static void
test_offload (gconstpointer network)
{
  Cnn3dTrainerParams p;
  Run right, r;

  offload_params (&p, network);
  /* what is fused is timed, and rounds otherwise */
  g_setenv ("CNN3D_CUDA_FUSION", "never", TRUE);
  p.recompute = CNN3D_RECOMPUTE_BLOCK;
  rig_must (&p, "cuda", 1, 3, 0, &right);
  p.recompute = CNN3D_RECOMPUTE_OFFLOAD;
  for (gint eager = 0; eager < 2; eager++) {
    const guint replayed = cuda->replayed;

    cuda->eager = eager;
    rig_must (&p, "cuda", 1, 3, 0, &r);
    g_test_message ("%" G_GSIZE_FORMAT " bytes of arena and %" G_GSIZE_FORMAT
                    " of store where block has %" G_GSIZE_FORMAT,
        r.memory.arena, r.memory.store, right.memory.arena);
    assert_same_bits (&r, &right, eager ? "early copies" : "late copies");
    g_assert_cmpuint (r.memory.store, >, 0);
    /* an evaluation of eight clips may take more than either */
    g_assert_cmpuint (r.memory.arena, <=, right.memory.arena);
    g_assert_cmpuint (cuda->replayed - replayed, ==, 2);
    run_clear (&r);
  }
  g_unsetenv ("CNN3D_CUDA_FUSION");
  cuda->eager = FALSE;
  run_clear (&right);
}

/* Without any of their waits, copies do change bits: forks are what holds early ones back, and joins
 * what hastens late ones. */
static void
test_offload_waits (void)
{
  static gboolean (*const ways[]) (guint, guint) = { forks, joins };
  Cnn3dTrainerParams p;
  Run right, r;

  offload_params (&p, "r3d_18");
  p.recompute = CNN3D_RECOMPUTE_OFFLOAD;
  g_setenv ("CNN3D_CUDA_FUSION", "never", TRUE);
  rig_must (&p, "cuda", 1, 1, 0, &right);
  for (guint k = 0; k < G_N_ELEMENTS (ways); k++) {
    guint seen, noticed = 0, tried = 0;

    cuda->eager = ways[k] == forks;
    cuda->ignores = ways[k];
    left_out = left_out_of = 0;
    rig_must (&p, "cuda", 1, 1, 0, &r);
    g_assert_false (is_same (&r, &right));
    run_clear (&r);
    seen = left_out;
    /* some of them: each takes a second */
    for (left_out_of = 1; left_out_of <= seen; left_out_of += 4) {
      tried++;
      left_out = 0;
      rig_must (&p, "cuda", 1, 1, 0, &r);
      noticed += !is_same (&r, &right);
      run_clear (&r);
    }
    g_test_message ("%u of %u %s were missed, of %u", noticed, tried, k ? "joins" : "forks", seen);
    /* the others guard memory that has no other use meanwhile in this plan */
    g_assert_cmpuint (4 * noticed, >=, tried);
  }
  g_unsetenv ("CNN3D_CUDA_FUSION");
  cuda->ignores = NULL;
  cuda->eager = FALSE;
  run_clear (&right);
}

static void
test_offload_failures (void)
{
  static const struct {
    const gchar *call, *says, *more;
  } table[] = {
    { "cudaHostAlloc", "CUDA: recompute=offload cannot pin ",
        " of host memory, free some of it or use recompute=block: out of memory (error 2)" },
    { "cudaStreamCreateWithFlags", "CUDA: cannot create the stream of offloaded copies: ", "" },
    { "cudaMemcpyAsync", "CUDA: an offloaded copy failed: ", "" },
    { "cudaStreamWaitEvent", "CUDA: an offloaded copy failed: ", "" },
    { "cudaEventRecord", "CUDA: an offloaded copy failed: ", "" },
  };
  Cnn3dTrainerParams p;

  offload_params (&p, "r3d_18");
  p.device = "cuda";
  p.recompute = CNN3D_RECOMPUTE_OFFLOAD;
  for (guint i = 0; i < G_N_ELEMENTS (table); i++) {
    gboolean said = FALSE;

    /* there are other such calls before */
    for (guint after = 0; !said; after++) {
      const gint alive = cuda->alive;
      g_autoptr (GError) error = NULL;
      Run r;

      cuda->fail_in = table[i].call;
      cuda->fail_after = after;
      if (rig_run (&p, 1, 1, 0, &r, &error))
        g_error ("no call of %s that fails is said to be '%s'", table[i].call, table[i].says);
      cuda->fail_in = NULL;
      said = strstr (error->message, table[i].says) && strstr (error->message, table[i].more);
      g_assert_cmpuint (cuda->taken, ==, 0);
      g_assert_cmpint (cuda->alive, ==, alive);
    }
  }
}

int
main (int argc, char **argv)
{
  static const gchar *const networks[] = { "r3d_18", "slow_r50-views-concat" };

  g_test_init (&argc, &argv, NULL);
  rig_init ();
  for (guint i = 0; i < (FEWER ? 1 : G_N_ELEMENTS (networks)); i++) {
    g_autofree gchar *path = g_strdup_printf ("/offload/bits/%s", networks[i]);

    g_test_add_data_func (path, networks[i], test_offload);
  }
  g_test_add_func ("/offload/waits", test_offload_waits);
  g_test_add_func ("/offload/failures", test_offload_failures);
  return g_test_run ();
}
