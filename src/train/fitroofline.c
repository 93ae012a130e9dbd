/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/train/fitroofline.h"

#include "src/train/trainer-private.h"

/* Bytes of a number in the half-precision copy of the weights */
#define HALF 2

Cnn3dRoofline *
cnn3d_fit_roofline (const Cnn3dBackend *backend, Cnn3dDevice *device,
    const Cnn3dTrainerParams *params, guint batch, const Cnn3dFit *fit, Cnn3dRates *rates,
    GError **error)
{
  const gboolean half = fit->precision != CNN3D_PRECISION_32;
  Cnn3dTrainerParams resolved = *params;
  Cnn3dNetwork *net = cnn3d_network_new (&params->network, error);
  g_autofree gboolean *trained = NULL;
  gboolean norm_frozen;
  Cnn3dModel *model = NULL;
  Cnn3dProgram *program = NULL;
  Cnn3dRoofline *roofline = NULL;
  Cnn3dDeviceSpeed speed;

  resolved.precision = fit->precision;
  if (!net || !(trained = cnn3d_freeze (net, params->freeze, &norm_frozen, error)))
    goto done;

  const Cnn3dModelParams model_params = { fit->precision,
    CNN3D_RECOMPUTE_KEEPS_COPY (fit->recompute) };
  const Cnn3dProgramParams program_params = { fit->micro_batch, TRUE,
    cnn3d_trainer_accumulates (params, batch, fit->micro_batch), TRUE,
    .syncs = cnn3d_trainer_syncs (params) };
  const Cnn3dPlanParams plan_params = { TRUE, trained, fit->recompute,
    cnn3d_trainer_updates_early (&resolved, batch, fit->micro_batch) };
  const Cnn3dRooflineParams counted = {
    .frame_bytes = 1,
    .weight_bytes = half && model_params.keeps_copy ? HALF : sizeof (gfloat),
    .copy_bytes = half && model_params.keeps_copy ? HALF : 0,
    .states = params->optimizer == CNN3D_UPDATE_SGD ? params->momentum > 0 : 2,
    .batch_statistics = !norm_frozen,
    .passes = (gdouble) batch / fit->micro_batch * params->accumulate,
    .trained = trained,
  };

  model = backend->model_new (device, net, &model_params, error);
  if (!model || !(program = backend->program_new (model, &program_params, error)))
    goto done;

  const Cnn3dSizes *sizes = backend->program_sizes (program);
  Cnn3dPlan *plan = cnn3d_plan_new (net, sizes, &plan_params);

  roofline = cnn3d_roofline_new (net, sizes, plan, &counted);
  cnn3d_plan_free (&plan);
  backend->speed (device, fit->precision, &speed);
  rates->flops_per_second = 2 * speed.macs_per_second;
  rates->bytes_per_second = speed.bytes_per_second;

done:
  if (program)
    backend->program_free (&program);
  if (model)
    backend->model_free (&model);
  cnn3d_network_free (&net);
  return roofline;
}
