/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gio/gio.h>
#include <math.h>
#include <string.h>
#include "src/train/lr.h"

static void
assert_lr (const Cnn3dLrParams *p, gdouble epoch, gdouble expected)
{
  gdouble lr = cnn3d_lr_at (p, epoch);

  g_assert_true (cnn3d_lr_params_check (p, NULL));
  if (!(fabs (lr - expected) <= 1e-12 * p->lr))
    g_error ("epoch %.17g: %.17g, expected %.17g", epoch, lr, expected);
}

static void
test_constant (void)
{
  Cnn3dLrParams p = { CNN3D_LR_CONSTANT, .lr = 0.4 };

  assert_lr (&p, 0, 0.4);
  assert_lr (&p, 1e6, 0.4);
  p.warmup_epochs = 4;
  assert_lr (&p, -1, 0.0004);
  assert_lr (&p, 0, 0.0004);
  assert_lr (&p, 1, 0.1003);
  assert_lr (&p, 2, 0.2002);
  assert_lr (&p, 3.5, 0.35005);
  assert_lr (&p, 4, 0.4);
  assert_lr (&p, 7, 0.4);
}

/* python3 -c "
 * import torch
 * p = torch.nn.Parameter(torch.zeros(1))
 * o = torch.optim.SGD([p], lr=0.1)
 * s = torch.optim.lr_scheduler.CosineAnnealingLR(o, 10)
 * for i in range(11):
 *     print('%.17g' % o.param_groups[0]['lr']); o.step(); s.step()" */
static void
test_cosine (void)
{
  static const gdouble torch[] = { 0.10000000000000001, 0.097552825814757688, 0.090450849718747381,
    0.079389262614623674, 0.065450849718747386, 0.05000000000000001, 0.03454915028125264,
    0.020610737385376353, 0.0095491502812526351, 0.002447174185242324, 0 };
  Cnn3dLrParams p = { CNN3D_LR_COSINE, .lr = 0.1, .epochs = 10 };

  for (guint i = 0; i < G_N_ELEMENTS (torch); i++)
    assert_lr (&p, i, torch[i]);
  /* Past the end it keeps the final value, never below 0 */
  for (gdouble epoch = 10; epoch < 40; epoch += 0.37) {
    g_assert_cmpfloat (cnn3d_lr_at (&p, epoch), >=, 0);
    assert_lr (&p, epoch, 0);
  }
  /* The same curve, compressed into the epochs after the warm-up */
  p.warmup_epochs = 5;
  p.epochs = 10;
  assert_lr (&p, 0, 0.0001);
  assert_lr (&p, 2.5, 0.05005);
  for (guint i = 0; i < G_N_ELEMENTS (torch); i++)
    assert_lr (&p, 5 + i / 2., torch[i]);
}

/* As above, with
 * s = torch.optim.lr_scheduler.StepLR(o, 3, 0.5) */
static void
test_step (void)
{
  static const gdouble torch[] = { 0.10000000000000001, 0.10000000000000001, 0.10000000000000001,
    0.050000000000000003, 0.050000000000000003, 0.050000000000000003, 0.025000000000000001,
    0.025000000000000001, 0.025000000000000001, 0.012500000000000001, 0.012500000000000001 };
  Cnn3dLrParams p = { CNN3D_LR_STEP, .lr = 0.1, .step_size = 3, .gamma = 0.5 };

  for (guint i = 0; i < G_N_ELEMENTS (torch); i++) {
    assert_lr (&p, i, torch[i]);
    assert_lr (&p, i + 0.99, torch[i]);
  }
  /* 0.3 / 0.1 is less than 3 in binary */
  p.step_size = 0.1;
  assert_lr (&p, 0.3, 0.0125);
  assert_lr (&p, 0.299, 0.025);
}

/* torchvision's recipe for video: 45 epochs, 10 of them warm-up, a tenth at
 * each of the milestones 20, 30 and 40. As above, with
 * L = torch.optim.lr_scheduler
 * s = L.SequentialLR(o, [
 *     L.LinearLR(o, start_factor=0.001, total_iters=10),
 *     L.MultiStepLR(o, milestones=[10, 20, 30], gamma=0.1)], milestones=[10])
 * for i in range(45): */
static void
test_torchvision (void)
{
  static const struct {
    gdouble epoch, lr;
  } torch[] = { { 0, 0.0001 }, { 1, 0.01009 }, { 5, 0.050050000000000011 },
    { 9, 0.090010000000000007 }, { 10, 0.10000000000000001 }, { 19, 0.10000000000000001 },
    { 20, 0.010000000000000002 }, { 29, 0.010000000000000002 }, { 30, 0.0010000000000000002 },
    { 39, 0.0010000000000000002 }, { 40, 0.00010000000000000003 }, { 44, 0.00010000000000000003 } };
  Cnn3dLrParams p = { CNN3D_LR_STEP, .lr = 0.1, .warmup_epochs = 10, .epochs = 45, .step_size = 10,
    .gamma = 0.1 };

  for (guint i = 0; i < G_N_ELEMENTS (torch); i++)
    assert_lr (&p, torch[i].epoch, torch[i].lr);
}

/* The rate changes at exactly the right step, for every number of steps per epoch. */
static void
test_fractions (void)
{
  Cnn3dLrParams p = { CNN3D_LR_STEP, .lr = 1, .step_size = 1, .gamma = 0.5 };

  for (guint steps = 1; steps < 200; steps++)
    for (guint i = 0; i < 8 * steps; i++)
      assert_lr (&p, (gdouble) i / steps, ldexp (1, -(gint) (i / steps)));
}

static void
test_check (void)
{
  static const Cnn3dLrParams good[] = {
    { CNN3D_LR_CONSTANT },
    { CNN3D_LR_CONSTANT, 0.1, 5, 5 },
    { CNN3D_LR_COSINE, 0.1, 0, 1 },
    { CNN3D_LR_COSINE, 0.1, 1, 1.5 },
    { CNN3D_LR_STEP, 0.1, 0, 0, 0.5, 1 },
  };
  const struct {
    Cnn3dLrParams p;
    const gchar *word;
  } bad[] = {
    { { CNN3D_LR_CONSTANT, -0.1 }, "the learning rate must be 0 or more, not " },
    { { CNN3D_LR_CONSTANT, NAN }, "the learning rate must be 0 or more, not " },
    { { CNN3D_LR_CONSTANT, INFINITY }, "the learning rate must be 0 or more, not " },
    { { CNN3D_LR_CONSTANT, 0.1, -1 }, "the warm-up must last 0 or more epochs, not " },
    { { CNN3D_LR_CONSTANT, 0.1, NAN }, "the warm-up must last 0 or more epochs, not " },
    { { CNN3D_LR_CONSTANT, 0.1, 0, -1 }, "the number of epochs must be 0 or more, not -1" },
    { { CNN3D_LR_CONSTANT, 0.1, 6, 5 }, "a warm-up of 6 epochs is longer than all 5: shorten it" },
    { { CNN3D_LR_COSINE, 0.1 }, "the cosine schedule needs to know the number of epochs: set it" },
    { { CNN3D_LR_COSINE, 0.1, 5, 5 },
        "the cosine schedule has no epoch left after a warm-up of 5 of 5: shorten it" },
    { { CNN3D_LR_STEP, 0.1, 0, 9, 0, 0.1 },
        "the step schedule's step size must be more than 0 epochs, not 0" },
    { { CNN3D_LR_STEP, 0.1, 0, 9, 1, 0 },
        "the step schedule's gamma must be above 0 and at most 1, not " },
    { { CNN3D_LR_STEP, 0.1, 0, 9, 1, 1.5 },
        "the step schedule's gamma must be above 0 and at most 1, not " },
    { { CNN3D_LR_STEP, 0.1, 0, 9, 1, NAN },
        "the step schedule's gamma must be above 0 and at most 1, not " },
  };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_true (cnn3d_lr_params_check (&good[i], &error));
    g_assert_no_error (error);
  }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_false (cnn3d_lr_params_check (&bad[i].p, &error));
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
    g_assert_nonnull (strstr (error->message, bad[i].word));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/lr/constant", test_constant);
  g_test_add_func ("/lr/cosine", test_cosine);
  g_test_add_func ("/lr/step", test_step);
  g_test_add_func ("/lr/torchvision", test_torchvision);
  g_test_add_func ("/lr/fractions", test_fractions);
  g_test_add_func ("/lr/check", test_check);
  return g_test_run ();
}
