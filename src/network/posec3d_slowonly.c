/* posec3d_slowonly: Duan et al., "Revisiting skeleton-based action recognition", CVPR 2022: a slow
 * path on heat maps of key points; sizes and names as in MMAction2's and PYSKL's published models.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/network/network.h"

gint
cnn3d_network_add_posec3d_slowonly (Cnn3dNetwork *n, gint x)
{
  static const Cnn3dBottleneckNames names = { "%s.conv%c.conv", "%s.conv%c.bn", '1',
    "%s.downsample.conv", "%s.downsample.bn" };
  static const gint depths[3] = { 4, 6, 3 };
  const gint kernel[3] = { 1, 7, 7 }, pad[3] = { 0, 3, 3 }, one[3] = { 1, 1, 1 };
  const gint pool_kernel[3] = { 1, 3, 3 }, pool_pad[3] = { 0, 1, 1 };
  const gint width = (n->params.base_width + 1) / 2;

  x = cnn3d_network_add_conv (n, "backbone.conv1.conv", x, width, kernel, one, pad);
  x = cnn3d_network_add_norm (n, "backbone.conv1.bn", x, -1, TRUE);
  x = cnn3d_network_add_max_pool (n, x, pool_kernel, one, pool_pad);
  for (gint stage = 0; stage < 3; stage++)
    for (gint block = 0; block < depths[stage]; block++) {
      g_autofree gchar *name = g_strdup_printf ("backbone.layer%d.%d", stage + 1, block);
      const gint stride[3] = { stage == 2 ? 2 : 1, 2, 2 };

      x = cnn3d_network_add_bottleneck (n, &names, name, x, width << stage, (4 * width) << stage,
          stage > 0 ? 3 : 1, block == 0 ? stride : one);
    }
  return x;
}
