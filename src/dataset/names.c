/* names.c: strings kept once. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/dataset-private.h"

#include <string.h>

guint32
cnn3d_arena_add (Cnn3dArena *arena, const gchar *text, gsize size)
{
  gsize offset = arena->size;

  if (size + 1 > (gsize) CNN3D_ARENA_FULL - offset)
    return CNN3D_ARENA_FULL;
  if (arena->capacity - offset < size + 1) {
    /* By half, not twice: the last growth is what a large manifest's peak is */
    arena->capacity = MAX (arena->capacity + arena->capacity / 2, offset + size + 1);
    arena->capacity = MAX (arena->capacity, 4096);
    arena->data = g_realloc (arena->data, arena->capacity);
  }
  memcpy (arena->data + offset, text, size);
  arena->data[offset + size] = '\0';
  arena->size = offset + size + 1;
  return (guint32) offset;
}

static guint32
hash_text (const gchar *text, gsize size)
{
  guint64 h = 0xCBF29CE484222325u;

  for (gsize i = 0; i < size; i++)
    h = (h ^ (guint8) text[i]) * 0x100000001B3u;
  return (guint32) (h ^ h >> 32);
}

static void
grow_slots (Cnn3dNames *names, const Cnn3dArena *arena)
{
  guint n_slots = MAX (names->n_slots * 2, 64);
  guint32 *slots = g_new0 (guint32, n_slots);

  for (guint i = 0; i < names->n; i++) {
    const gchar *text = arena->data + names->offsets[i];
    guint at = hash_text (text, strlen (text)) & (n_slots - 1);

    while (slots[at])
      at = (at + 1) & (n_slots - 1);
    slots[at] = i + 1;
  }
  g_free (names->slots);
  names->slots = slots;
  names->n_slots = n_slots;
}

guint32
cnn3d_names_intern (Cnn3dNames *names, Cnn3dArena *arena, const gchar *text, gsize size)
{
  guint32 offset;
  guint at;

  if (names->n_slots < (names->n + 1) * 3 / 2)
    grow_slots (names, arena);
  at = hash_text (text, size) & (names->n_slots - 1);
  while (names->slots[at]) {
    const gchar *other = arena->data + names->offsets[names->slots[at] - 1];

    if (strncmp (other, text, size) == 0 && other[size] == '\0')
      return names->slots[at] - 1;
    at = (at + 1) & (names->n_slots - 1);
  }
  offset = cnn3d_arena_add (arena, text, size);
  if (offset == CNN3D_ARENA_FULL)
    return CNN3D_NAME_NONE;
  if (names->n == names->capacity) {
    names->capacity = MAX (names->capacity + names->capacity / 2, 16);
    names->offsets = g_renew (guint32, names->offsets, names->capacity);
  }
  names->offsets[names->n] = offset;
  names->slots[at] = names->n + 1;
  return names->n++;
}

void
cnn3d_names_drop_slots (Cnn3dNames *names)
{
  g_clear_pointer (&names->slots, g_free);
  names->n_slots = 0;
}

void
cnn3d_names_clear (Cnn3dNames *names)
{
  cnn3d_names_drop_slots (names);
  g_clear_pointer (&names->offsets, g_free);
  names->n = names->capacity = 0;
}
