/* convolution.h: the property `convolution` of elements that run a network.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CONVOLUTION_H
#define CONVOLUTION_H

#include <glib-object.h>

/* Of a Cnn3dConvolution's values; ends with zeros. */
extern const GEnumValue convolution_values[];

#define TYPE_CONVOLUTION (convolution_get_type ())
GType convolution_get_type (void);

/* What the property does; which values it has, for elements that write that. */
#define CONVOLUTION_ABOUT \
    "On a CPU, how convolutions are computed; results differ by rounding " \
    "only; a GPU ignores this"
#define CONVOLUTION_BLURB \
    CONVOLUTION_ABOUT " (auto, direct, winograd; default auto)"

#endif
