/* clipnal.h: reads the bits of a stream, and the NAL units of H.264 and H.265.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_NAL_H
#define CLIP_NAL_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* Bits, most significant first. Past the end they are 0.
 * plain: the stream has no emulation prevention bytes, which are removed otherwise */
typedef struct {
  const guint8 *data;
  gsize size, at;
  gboolean plain;
  guint zeros; /* zero bytes before `at` */
  guint8 byte;
  guint left; /* unread bits of it */
} ClipBits;

guint clip_bits_1 (ClipBits *bits);
guint clip_bits (ClipBits *bits, guint n);
/* ue(v), ITU-T H.264 9.1. */
guint clip_bits_ue (ClipBits *bits);

/* Whether a picture is presented before the one that precedes it, by the least significant bits of
 * their picture order counts: half of the range is forward. ITU-T H.264 8.2.1.1, H.265 8.3.1. */
static inline gboolean
clip_nal_is_backward (guint order, guint before, guint bits)
{
  return ((order - before) & ((1u << bits) - 1)) > 1u << (bits - 1);
}

/* A parameter set with its number. A decoder that starts within the stream knows those of the
 * configuration record, and those that the packet has where it starts.
 * own:     hash of the configuration's; 0: it has none
 * changed: there was another one since
 * packet:  the last one that had it, from 1; 0: none */
typedef struct {
  guint64 own;
  gboolean changed;
  guint packet;
} ClipNalSet;

/* Never 0. Zero bytes at the end mean nothing. */
guint64 clip_nal_hash (const guint8 *data, gsize size);

/* packet: 0: it is the configuration's */
void clip_nal_note_set (ClipNalSet *set, guint packet, const guint8 *unit, gsize size);

/* Whether a decoder that starts, or goes on, at the last packet lacks one of the sets. */
gboolean clip_nal_lacks_set (const ClipNalSet *sets, guint n, guint packet);

/* The next NAL unit of a packet; FALSE: there are no more. *at: position, which advances.
 * length_size: bytes of a unit's length field; 0: start codes */
gboolean clip_nal_next (guint length_size, const guint8 *data, gsize size, gsize *at,
    const guint8 **unit, gsize *unit_size);

G_END_DECLS

#endif
