/* slow_r50: the slow path of Feichtenhofer et al., "SlowFast networks for video
 * recognition", ICCV 2019; sizes and names as in pytorchvideo.models.resnet.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/network/network.h"

static const gint one[3] = { 1, 1, 1 }, zero[3] = { 0, 0, 0 };

static gint
add_bottleneck (Cnn3dNetwork *n, const gchar *name, gint in, gint inner, gint out_channels,
    gint temporal, gint stride)
{
  const gint kernel_a[3] = { temporal, 1, 1 }, pad_a[3] = { temporal / 2, 0, 0 };
  const gint kernel_b[3] = { 1, 3, 3 }, pad_b[3] = { 0, 1, 1 }, strides[3] = { 1, stride, stride };
  g_autofree gchar *conv_a = g_strconcat (name, ".branch2.conv_a", NULL);
  g_autofree gchar *conv_b = g_strconcat (name, ".branch2.conv_b", NULL);
  g_autofree gchar *conv_c = g_strconcat (name, ".branch2.conv_c", NULL);
  g_autofree gchar *norm_a = g_strconcat (name, ".branch2.norm_a", NULL);
  g_autofree gchar *norm_b = g_strconcat (name, ".branch2.norm_b", NULL);
  g_autofree gchar *norm_c = g_strconcat (name, ".branch2.norm_c", NULL);
  gint residual = in, x;

  if (stride != 1 || n->tensors[in].c != out_channels) {
    g_autofree gchar *conv = g_strconcat (name, ".branch1_conv", NULL);
    g_autofree gchar *norm = g_strconcat (name, ".branch1_norm", NULL);

    residual = cnn3d_network_add_conv (n, conv, in, out_channels, one, strides, zero);
    residual = cnn3d_network_add_norm (n, norm, residual, -1, FALSE);
  }
  x = cnn3d_network_add_conv (n, conv_a, in, inner, kernel_a, one, pad_a);
  x = cnn3d_network_add_norm (n, norm_a, x, -1, TRUE);
  x = cnn3d_network_add_conv (n, conv_b, x, inner, kernel_b, strides, pad_b);
  x = cnn3d_network_add_norm (n, norm_b, x, -1, TRUE);
  x = cnn3d_network_add_conv (n, conv_c, x, out_channels, one, one, zero);
  return cnn3d_network_add_norm (n, norm_c, x, residual, TRUE);
}

void
cnn3d_network_build_slow_r50 (Cnn3dNetwork *n)
{
  static const gint depths[4] = { 3, 4, 6, 3 };
  const gint kernel[3] = { 1, 7, 7 }, stride[3] = { 1, 2, 2 }, pad[3] = { 0, 3, 3 };
  const gint pool_kernel[3] = { 1, 3, 3 }, pool_pad[3] = { 0, 1, 1 };
  const gint width = n->params.base_width;
  gint x = cnn3d_network_add_input (n);

  x = cnn3d_network_add_conv (n, "blocks.0.conv", x, width, kernel, stride, pad);
  x = cnn3d_network_add_norm (n, "blocks.0.norm", x, -1, TRUE);
  x = cnn3d_network_add_max_pool (n, x, pool_kernel, stride, pool_pad);
  for (gint stage = 0; stage < 4; stage++)
    for (gint block = 0; block < depths[stage]; block++) {
      g_autofree gchar *name = g_strdup_printf ("blocks.%d.res_blocks.%d", stage + 1, block);

      x = add_bottleneck (n, name, x, width << stage, (4 * width) << stage, stage < 2 ? 1 : 3,
          stage > 0 && block == 0 ? 2 : 1);
    }
  cnn3d_network_add_head (n, "blocks.5.proj", x);
}
