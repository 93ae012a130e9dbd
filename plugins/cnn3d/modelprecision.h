/* modelprecision.h: the property `precision` of elements that run a trained
 * model. SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MODEL_PRECISION_H
#define MODEL_PRECISION_H

#include <glib-object.h>

/* Of an enumeration whose values are a Cnn3dPrecision's, and this one. */
#define MODEL_PRECISION_AUTO -1

#define TYPE_MODEL_PRECISION (model_precision_get_type ())
GType model_precision_get_type (void);

#endif
