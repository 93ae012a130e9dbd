/* clipnal.h: a stream's bits, and the NAL units of H.264 and H.265.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_NAL_H
#define CLIP_NAL_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* Bits, most significant first. Past the end they are 0.
 * plain: the stream has no emulation prevention, which is taken out otherwise */
typedef struct {
  const guint8 *data;
  gsize size, at;
  gboolean plain;
  guint zeros; /* bytes of 0 before `at` */
  guint8 byte;
  guint left; /* bits of it */
} ClipBits;

guint clip_bits_1 (ClipBits *bits);
guint clip_bits (ClipBits *bits, guint n);
/* ITU-T H.264 9.1: ue(v). */
guint clip_bits_ue (ClipBits *bits);

/* The next unit of a packet; FALSE: no more. *at goes on.
 * length_size: bytes of a unit's length; 0: start codes */
gboolean clip_nal_next (guint length_size, const guint8 *data, gsize size, gsize *at,
    const guint8 **unit, gsize *unit_size);

G_END_DECLS

#endif
