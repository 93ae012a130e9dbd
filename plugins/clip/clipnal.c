/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipnal.h"

guint
clip_bits_1 (ClipBits *b)
{
  if (b->left == 0) {
    if (!b->plain && b->at < b->size && b->zeros >= 2 && b->data[b->at] == 3) {
      b->at++;
      b->zeros = 0;
    }
    b->byte = b->at < b->size ? b->data[b->at] : 0;
    b->at++;
    b->zeros = b->byte ? 0 : b->zeros + 1;
    b->left = 8;
  }

  return b->byte >> --b->left & 1;
}

guint
clip_bits (ClipBits *b, guint n)
{
  guint value = 0;

  while (n-- > 0)
    value = value << 1 | clip_bits_1 (b);

  return value;
}

guint
clip_bits_ue (ClipBits *b)
{
  guint zeros = 0;

  while (zeros < 31 && b->at <= b->size && !clip_bits_1 (b))
    zeros++;

  return (1u << zeros) - 1 + clip_bits (b, zeros);
}

/* FNV-1a. */
guint64
clip_nal_hash (const guint8 *data, gsize size)
{
  guint64 hash = G_GUINT64_CONSTANT (0xcbf29ce484222325);

  while (size > 0 && data[size - 1] == 0)
    size--;
  for (gsize i = 0; i < size; i++)
    hash = (hash ^ data[i]) * G_GUINT64_CONSTANT (0x100000001b3);

  return MAX (hash, 1);
}

void
clip_nal_note_set (ClipNalSet *set, guint packet, const guint8 *unit, gsize size)
{
  const guint64 hash = clip_nal_hash (unit, size);

  if (packet == 0)
    set->own = hash;
  set->changed |= hash != set->own;
  set->packet = packet;
}

gboolean
clip_nal_lacks_set (const ClipNalSet *sets, guint n, guint packet)
{
  for (guint i = 0; i < n; i++)
    if (sets[i].changed && sets[i].packet != packet)
      return TRUE;

  return FALSE;
}

gboolean
clip_nal_next (guint length_size, const guint8 *data, gsize size, gsize *at, const guint8 **unit,
    gsize *unit_size)
{
  gsize length = 0, end;

  if (length_size) {
    if (size - *at < length_size)
      return FALSE;
    for (guint i = 0; i < length_size; i++)
      length = length << 8 | data[(*at)++];
    *unit = data + *at;
    *unit_size = MIN (length, size - *at);
    *at += *unit_size;
    return *unit_size > 0;
  }
  for (;; (*at)++) {
    if (size - *at < 4)
      return FALSE;
    if (data[*at] == 0 && data[*at + 1] == 0 && data[*at + 2] == 1)
      break;
  }
  *at += 3;
  for (end = *at; end + 3 <= size; end++)
    if (data[end] == 0 && data[end + 1] == 0 && data[end + 2] <= 1)
      break;
  if (end + 3 > size)
    end = size;
  *unit = data + *at;
  *unit_size = end - *at;
  *at = end;

  return TRUE;
}
