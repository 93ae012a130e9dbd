/* networks.h: the kinds of networks that tests cover: each model, each way to combine frames and
 * key points, and each way to combine views.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TESTS_NETWORKS_H
#define TESTS_NETWORKS_H

#include "src/network/network.h"

typedef struct {
  const gchar *name, *model;
  Cnn3dInputType input;
  Cnn3dFusion fusion;
  guint views; /* 0: none */
  Cnn3dViewFusion view_fusion;
} TestNetwork;

static const TestNetwork test_networks[] = {
  { "r3d_18", "r3d_18" },
  { "mc3_18", "mc3_18" },
  { "r2plus1d_18", "r2plus1d_18" },
  { "slow_r50", "slow_r50" },
  { "posec3d_slowonly", "posec3d_slowonly", CNN3D_INPUT_KPT },
  { "r3d_18-concat", "r3d_18", CNN3D_INPUT_RGB_KPT, CNN3D_FUSION_CONCAT },
  { "mc3_18-mean", "mc3_18", CNN3D_INPUT_RGB_KPT, CNN3D_FUSION_MEAN },
  { "mc3_18-late", "mc3_18", CNN3D_INPUT_RGB_KPT, CNN3D_FUSION_LATE },
  { "r3d_18-stem", "r3d_18", CNN3D_INPUT_RGB_KPT, CNN3D_FUSION_STEM },
  { "r3d_18-views-logits", "r3d_18", .views = 3, .view_fusion = CNN3D_VIEW_FUSION_LOGITS },
  { "mc3_18-views-probabilities", "mc3_18", .views = 2,
      .view_fusion = CNN3D_VIEW_FUSION_PROBABILITIES },
  { "r3d_18-views-features", "r3d_18", .views = 3, .view_fusion = CNN3D_VIEW_FUSION_FEATURES },
  { "slow_r50-views-concat", "slow_r50", .views = 2, .view_fusion = CNN3D_VIEW_FUSION_CONCAT },
  { "mc3_18-late-views-concat", "mc3_18", CNN3D_INPUT_RGB_KPT, CNN3D_FUSION_LATE, 2,
      CNN3D_VIEW_FUSION_CONCAT },
};

#define TEST_N_NETWORKS G_N_ELEMENTS (test_networks)

/* Adds the kind to parameters: 17 key points of 2 persons, as published. */
static inline Cnn3dNetworkParams
test_network_params (const TestNetwork *kind, Cnn3dNetworkParams params)
{
  params.model = kind->model;
  params.input = kind->input;
  params.fusion = kind->fusion;
  params.views = kind->views;
  params.view_fusion = kind->view_fusion;
  if (kind->input != CNN3D_INPUT_RGB) {
    params.points = 17;
    params.persons = 2;
    params.heatmap_size = 56;
    params.heatmap_sigma = 0.6f;
  }
  return params;
}

#endif
