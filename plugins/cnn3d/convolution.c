/* convolution.c: the property `convolution` of elements that run a network.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "convolution.h"

#include "src/backend/backend.h"

const GEnumValue convolution_values[] = {
  {CNN3D_CONVOLUTION_AUTO, "By Winograd's minimal filtering, F(4, 3), where a "
        "count of the work says that it is faster", "auto"},
  {CNN3D_CONVOLUTION_DIRECT, "By direct multiplication, always", "direct"},
  {CNN3D_CONVOLUTION_WINOGRAD, "By Winograd's minimal filtering wherever "
        "kernels of 3 and strides of 1 allow it", "winograd"},
  {0, NULL, NULL}
};

GType
convolution_get_type (void)
{
  static GType type;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstCnn3dConvolution",
            convolution_values));

  return type;
}
