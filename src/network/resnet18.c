/* r3d_18, mc3_18 and r2plus1d_18: Tran et al., "A closer look at spatiotemporal
 * convolutions for action recognition", CVPR 2018; sizes and names as in
 * torchvision.models.video. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/network/network.h"

#include <string.h>

typedef enum {
  FULL,        /* 3x3x3 */
  NO_TEMPORAL, /* 1x3x3 */
  FACTORED,    /* 1x3x3, then 3x1x1 */
} ConvKind;

static const gint spatial_kernel[3] = { 1, 3, 3 }, spatial_pad[3] = { 0, 1, 1 };
static const gint temporal_kernel[3] = { 3, 1, 1 }, temporal_pad[3] = { 1, 0, 0 };

/* Block `name`'s convolution number `index`, without the batch norm after it. */
static gint
add_block_conv (Cnn3dNetwork *n, ConvKind kind, const gchar *name, gint index, gint in,
    gint out_channels, gint middle, gint stride)
{
  static const gint kernel[3] = { 3, 3, 3 }, pad[3] = { 1, 1, 1 };
  const gint all[3] = { stride, stride, stride };
  const gint spatial[3] = { 1, stride, stride }, temporal[3] = { stride, 1, 1 };
  g_autofree gchar *conv = g_strdup_printf ("%s.conv%d.0", name, index);

  if (kind == FULL)
    return cnn3d_network_add_conv (n, conv, in, out_channels, kernel, all, pad);
  if (kind == NO_TEMPORAL)
    return cnn3d_network_add_conv (n, conv, in, out_channels, spatial_kernel, spatial, spatial_pad);

  g_autofree gchar *first = g_strconcat (conv, ".0", NULL);
  g_autofree gchar *norm = g_strconcat (conv, ".1", NULL);
  g_autofree gchar *second = g_strconcat (conv, ".3", NULL);

  in = cnn3d_network_add_conv (n, first, in, middle, spatial_kernel, spatial, spatial_pad);
  in = cnn3d_network_add_norm (n, norm, in, -1, TRUE);
  return cnn3d_network_add_conv (
      n, second, in, out_channels, temporal_kernel, temporal, temporal_pad);
}

static gint
add_block (Cnn3dNetwork *n, ConvKind kind, const gchar *name, gint in, gint planes, gint stride)
{
  const gint in_planes = n->tensors[in].c;
  /* as many weights as 3x3x3 would have */
  const gint middle = in_planes * planes * 27 / (in_planes * 9 + 3 * planes);
  g_autofree gchar *norm1 = g_strconcat (name, ".conv1.1", NULL);
  g_autofree gchar *norm2 = g_strconcat (name, ".conv2.1", NULL);
  gint residual = in, x;

  if (stride != 1 || in_planes != planes) {
    static const gint one[3] = { 1, 1, 1 }, zero[3] = { 0, 0, 0 };
    const gint strides[3] = { kind == NO_TEMPORAL ? 1 : stride, stride, stride };
    g_autofree gchar *conv = g_strconcat (name, ".downsample.0", NULL);
    g_autofree gchar *norm = g_strconcat (name, ".downsample.1", NULL);

    residual = cnn3d_network_add_conv (n, conv, in, planes, one, strides, zero);
    residual = cnn3d_network_add_norm (n, norm, residual, -1, FALSE);
  }
  x = add_block_conv (n, kind, name, 1, in, planes, middle, stride);
  x = cnn3d_network_add_norm (n, norm1, x, -1, TRUE);
  x = add_block_conv (n, kind, name, 2, x, planes, middle, 1);
  return cnn3d_network_add_norm (n, norm2, x, residual, TRUE);
}

gint
cnn3d_network_add_resnet18 (Cnn3dNetwork *n, gint x)
{
  const gint width = n->params.base_width;
  const gboolean factored = !strcmp (n->model, "r2plus1d_18");
  const gint stride[3] = { 1, 2, 2 };

  if (factored) {
    const gint kernel[3] = { 1, 7, 7 }, pad[3] = { 0, 3, 3 }, one[3] = { 1, 1, 1 };

    x = cnn3d_network_add_conv (n, "stem.0", x, MAX (1, 45 * width / 64), kernel, stride, pad);
    x = cnn3d_network_add_norm (n, "stem.1", x, -1, TRUE);
    x = cnn3d_network_add_conv (n, "stem.3", x, width, temporal_kernel, one, temporal_pad);
    x = cnn3d_network_add_norm (n, "stem.4", x, -1, TRUE);
  } else {
    const gint kernel[3] = { 3, 7, 7 }, pad[3] = { 1, 3, 3 };

    x = cnn3d_network_add_conv (n, "stem.0", x, width, kernel, stride, pad);
    x = cnn3d_network_add_norm (n, "stem.1", x, -1, TRUE);
  }
  for (gint layer = 0; layer < 4; layer++) {
    const ConvKind kind = factored                  ? FACTORED
        : layer > 0 && !strcmp (n->model, "mc3_18") ? NO_TEMPORAL
                                                    : FULL;

    for (gint block = 0; block < 2; block++) {
      g_autofree gchar *name = g_strdup_printf ("layer%d.%d", layer + 1, block);

      x = add_block (n, kind, name, x, width << layer, layer > 0 && block == 0 ? 2 : 1);
    }
  }
  return x;
}
