/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "src/network/network.h"

static const gint one[3] = { 1, 1, 1 }, zero[3] = { 0, 0, 0 };

/* A name's %s and %c replaced. */
static gchar *
fill (const gchar *format, const gchar *block, gchar letter)
{
  const gchar letters[2] = { letter, 0 };
  GString *name = g_string_new (format);

  g_string_replace (name, "%s", block, 1);
  g_string_replace (name, "%c", letters, 1);
  return g_string_free (name, FALSE);
}

static gint
add_conv (Cnn3dNetwork *n, const Cnn3dBottleneckNames *names, const gchar *block, gint which,
    gint in, gint channels, const gint kernel[3], const gint stride[3], gint residual)
{
  const gint pad[3] = { kernel[0] / 2, kernel[1] / 2, kernel[2] / 2 };
  g_autofree gchar *conv = fill (names->conv, block, names->first + which);
  g_autofree gchar *norm = fill (names->norm, block, names->first + which);
  const gint x = cnn3d_network_add_conv (n, conv, in, channels, kernel, stride, pad);

  return cnn3d_network_add_norm (n, norm, x, residual, TRUE);
}

gint
cnn3d_network_add_bottleneck (Cnn3dNetwork *n, const Cnn3dBottleneckNames *names,
    const gchar *block, gint in, gint inner, gint out_channels, gint temporal, const gint stride[3])
{
  const gint kernel_a[3] = { temporal, 1, 1 }, kernel_b[3] = { 1, 3, 3 };
  gint residual = in, x;

  if (memcmp (stride, one, sizeof one) || n->tensors[in].c != out_channels) {
    g_autofree gchar *conv = fill (names->downsample_conv, block, 0);
    g_autofree gchar *norm = fill (names->downsample_norm, block, 0);

    residual = cnn3d_network_add_conv (n, conv, in, out_channels, one, stride, zero);
    residual = cnn3d_network_add_norm (n, norm, residual, -1, FALSE);
  }
  x = add_conv (n, names, block, 0, in, inner, kernel_a, one, -1);
  x = add_conv (n, names, block, 1, x, inner, kernel_b, stride, -1);
  return add_conv (n, names, block, 2, x, out_channels, one, one, residual);
}
