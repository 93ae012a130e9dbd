/* slow_r50: the slow path of Feichtenhofer et al., "SlowFast networks for video
 * recognition", ICCV 2019; sizes and names as in pytorchvideo.models.resnet.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/network/network.h"

gint
cnn3d_network_add_slow_r50 (Cnn3dNetwork *n, gint x)
{
  static const Cnn3dBottleneckNames names = { "%s.branch2.conv_%c", "%s.branch2.norm_%c", 'a',
    "%s.branch1_conv", "%s.branch1_norm" };
  static const gint depths[4] = { 3, 4, 6, 3 };
  const gint kernel[3] = { 1, 7, 7 }, stride[3] = { 1, 2, 2 }, pad[3] = { 0, 3, 3 };
  const gint pool_kernel[3] = { 1, 3, 3 }, pool_pad[3] = { 0, 1, 1 };
  const gint one[3] = { 1, 1, 1 };
  const gint width = n->params.base_width;

  x = cnn3d_network_add_conv (n, "blocks.0.conv", x, width, kernel, stride, pad);
  x = cnn3d_network_add_norm (n, "blocks.0.norm", x, -1, TRUE);
  x = cnn3d_network_add_max_pool (n, x, pool_kernel, stride, pool_pad);
  for (gint stage = 0; stage < 4; stage++)
    for (gint block = 0; block < depths[stage]; block++) {
      g_autofree gchar *name = g_strdup_printf ("blocks.%d.res_blocks.%d", stage + 1, block);

      x = cnn3d_network_add_bottleneck (n, &names, name, x, width << stage, (4 * width) << stage,
          stage < 2 ? 1 : 3, stage > 0 && block == 0 ? stride : one);
    }
  return x;
}
