/* modelprecision.c: the property `precision` of elements that run a trained
 * model. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "modelprecision.h"

#include "src/backend/backend.h"

GType
model_precision_get_type (void)
{
  static const GEnumValue values[] = {
    {MODEL_PRECISION_AUTO, "As the model was trained", "auto"},
    {CNN3D_PRECISION_32, "Single precision throughout", "32"},
    {CNN3D_PRECISION_16_MIXED, "FP16, with FP32 sums (a CPU takes bf16-mixed)",
        "16-mixed"},
    {CNN3D_PRECISION_16_MIXED, "The same as 16-mixed", "16"},
    {CNN3D_PRECISION_BF16_MIXED, "bfloat16, with FP32 sums", "bf16-mixed"},
    {0, NULL, NULL}
  };
  static GType type;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstCnn3dModelPrecision",
            values));

  return type;
}
