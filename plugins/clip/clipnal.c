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
