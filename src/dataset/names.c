/* names.c: strings kept once. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/dataset-private.h"
#include "src/hash.h"

#include <stdlib.h>
#include <string.h>

guint32
cnn3d_arena_add (Cnn3dArena *arena, const gchar *text, gsize size)
{
  const gsize offset = arena->size;
  /* text of the arena itself moves with it */
  const gboolean own = (guintptr) text - (guintptr) arena->data < arena->size;
  const gsize from = own ? text - arena->data : 0;

  if (size + 1 > (gsize) CNN3D_ARENA_FULL - offset)
    return CNN3D_ARENA_FULL;
  if (arena->capacity - offset < size + 1) {
    /* By half, not twice: the last growth is what a large manifest's peak is */
    arena->capacity = MAX (arena->capacity + arena->capacity / 2, offset + size + 1);
    arena->capacity = MAX (arena->capacity, 4096);
    arena->data = g_realloc (arena->data, arena->capacity);
  }
  memcpy (arena->data + offset, own ? arena->data + from : text, size);
  arena->data[offset + size] = '\0';
  arena->size = offset + size + 1;
  return (guint32) offset;
}

static void
grow_slots (Cnn3dNames *names, const Cnn3dArena *arena)
{
  guint n_slots = MAX (names->n_slots * 2, 64);
  guint32 *slots = g_new0 (guint32, n_slots);

  for (guint i = 0; i < names->n; i++) {
    const gchar *text = arena->data + names->offsets[i];
    guint at = cnn3d_hash_bytes (text, strlen (text)) & (n_slots - 1);

    while (slots[at])
      at = (at + 1) & (n_slots - 1);
    slots[at] = i + 1;
  }
  g_free (names->slots);
  names->slots = slots;
  names->n_slots = n_slots;
}

/* The slot that has the string, or where it would go. */
static guint
slot_of (const Cnn3dNames *names, const Cnn3dArena *arena, const gchar *text, gsize size)
{
  guint at = cnn3d_hash_bytes (text, size) & (names->n_slots - 1);

  while (names->slots[at]) {
    const gchar *other = arena->data + names->offsets[names->slots[at] - 1];

    if (strncmp (other, text, size) == 0 && other[size] == '\0')
      break;
    at = (at + 1) & (names->n_slots - 1);
  }
  return at;
}

guint32
cnn3d_names_find (const Cnn3dNames *names, const Cnn3dArena *arena, const gchar *text, gsize size)
{
  const guint slot = names->n_slots ? names->slots[slot_of (names, arena, text, size)] : 0;

  return slot ? slot - 1 : CNN3D_NAME_NONE;
}

guint32
cnn3d_names_intern (Cnn3dNames *names, Cnn3dArena *arena, const gchar *text, gsize size)
{
  guint32 offset;
  guint at;

  if (names->n_slots < (names->n + 1) * 3 / 2)
    grow_slots (names, arena);
  at = slot_of (names, arena, text, size);
  if (names->slots[at])
    return names->slots[at] - 1;
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

static gboolean
is_integer (const gchar *text)
{
  if (*text == '-' || *text == '+')
    text++;
  /* 18 digits fit 64 bits: more is a name, not a number */
  return *text && strlen (text) <= 18 && strspn (text, "0123456789") == strlen (text);
}

typedef struct {
  const gchar *name;
  gint64 value;
  guint number;
} Name;

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (((const Name *) a)->name, ((const Name *) b)->name);
}

static gint
compare_values (gconstpointer a, gconstpointer b)
{
  gint64 x = ((const Name *) a)->value;
  gint64 y = ((const Name *) b)->value;

  return x < y ? -1 : x > y ? 1 : compare_names (a, b);
}

guint32 *
cnn3d_names_order (const Cnn3dNames *names, const Cnn3dArena *arena)
{
  g_autofree Name *sorted = g_new (Name, names->n + 1);
  guint32 *order = g_new (guint32, names->n + 1);
  gboolean integers = TRUE;

  for (guint i = 0; i < names->n; i++) {
    const gchar *name = arena->data + names->offsets[i];

    sorted[i].name = name;
    sorted[i].number = i;
    integers = integers && is_integer (name);
    sorted[i].value = integers ? g_ascii_strtoll (name, NULL, 10) : 0;
  }
  qsort (sorted, names->n, sizeof (Name), integers ? compare_values : compare_names);
  for (guint i = 0; i < names->n; i++)
    order[i] = sorted[i].number;
  return order;
}
