/* classnames.c: names for classes that annotations number, and names that look like
 * one.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/dataset-private.h"
#include "src/settings/settings.h"

#include <string.h>

#include "src/escape.h"

#define SEPARATORS " \t,;:|"

/* The field of the line up to its first separator is a key: a number, or a
 * letter and a number as Charades' c092. */
static gsize
key_size (const gchar *line)
{
  const gsize letter = g_ascii_islower (*line) ? 1 : 0;
  const gsize digits = strspn (line + letter, "0123456789");

  return digits && line[letter + digits] && strchr (SEPARATORS, line[letter + digits])
      ? letter + digits
      : 0;
}

/* "NAME,NUMBER" becomes "NUMBER,NAME". Behind a blank a number is the name's own. */
static void
turn_line (gchar *line)
{
  gchar *number = line + strlen (line);
  g_autofree gchar *turned = NULL;

  while (number > line && g_ascii_isdigit (number[-1]))
    number--;
  if (!*number || number < line + 2 || !strchr ("\t,;:|", number[-1]))
    return;
  turned = g_strdup_printf ("%s,%.*s", number, (int) (number - 1 - line), line);
  strcpy (line, turned);
}

/* Whether a first line without a number is the header of lines that have one. */
static gboolean
is_header (const gchar *line, const gchar *next)
{
  g_autofree gchar *second = next ? g_strndup (next, strcspn (next, "\n")) : NULL;

  if (!second || !strpbrk (line, "\t,;|"))
    return FALSE;
  turn_line (g_strstrip (second));
  return key_size (second) > 0;
}

typedef struct {
  Cnn3dArena arena;
  Cnn3dNames keys;
  GArray *names; /* guint32, by the keys' numbers: offset in the arena */
  guint most;    /* of them */
} Table;

/* One line: "NUMBER NAME", or "NAME", whose number is that of its line from 0. */
static gboolean
add_line (
    Table *table, const gchar *file, guint number, gchar *line, gboolean keyed, GError **error)
{
  gchar own[16];
  gsize size = keyed ? key_size (line) : 0;
  const gchar *key = line, *name = line + size;
  guint32 offset;

  if (table->names->len >= table->most)
    goto too_many;
  if (keyed && size == 0)
    goto no_key;
  if (!keyed) {
    g_snprintf (own, sizeof own, "%u", table->keys.n);
    key = own;
    size = strlen (own);
  }
  name += size ? strspn (name, SEPARATORS) : 0;
  if (!*name)
    goto no_name;
  if (cnn3d_names_intern (&table->keys, &table->arena, key, size) != table->names->len)
    goto twice;
  offset = cnn3d_arena_add (&table->arena, name, strlen (name));
  g_array_append_val (table->names, offset);
  return TRUE;

  /* ERRORS */
too_many:
  g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_CLASSES,
      "%s:%u: more than %u classes; a list of classes has a line for each of them", file, number,
      table->most);
  return FALSE;
no_key:
  g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_CLASSES,
      "%s:%u: the line has no number, but the first one has; write one name per line, or a number "
      "and a name",
      file, number);
  return FALSE;
no_name:
  g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_CLASSES,
      "%s:%u: the class has no name", file, number);
  return FALSE;
twice:
  g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_CLASSES,
      "%s:%u: a second name of the class %.*s", file, number, (int) size, key);
  return FALSE;
}

static gboolean
read_table (Table *table, const gchar *file, GError **error)
{
  g_autofree gchar *text = NULL;
  gchar *begin; /* behind the byte-order mark */
  GError *reason = NULL;
  gboolean keyed = FALSE, ok;
  guint number = 0;
  gsize size;

  if (!g_file_get_contents (file, &text, &size, &reason)) {
    g_set_error (
        error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_OPEN, "%s: %s", file, reason->message);
    g_clear_error (&reason);
    return FALSE;
  }
  if (!g_utf8_validate (text, size, NULL)) {
    g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_CLASSES,
        "%s: not UTF-8 text; save the file as UTF-8", file);
    return FALSE;
  }
  ok = TRUE;
  begin = g_str_has_prefix (text, "\xEF\xBB\xBF") ? text + 3 : text;
  for (gchar *line = begin, *next; ok && line; line = next) {
    next = strchr (line, '\n');
    if (next)
      *next++ = '\0';
    number++;
    line = g_strstrip (line);
    if (!*line)
      continue;
    if (number == 1 && (*line == '{' || *line == '['))
      goto json;
    turn_line (line);
    if (table->keys.n == 0) {
      keyed = key_size (line) > 0;
      if (!keyed && is_header (line, next))
        continue;
    }
    ok = add_line (table, file, number, line, keyed, error);
  }
  return ok;

  /* ERRORS */
json:
  g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_CLASSES,
      "%s: JSON; write one name per line, or a number and a name", file);
  return FALSE;
}

/* The names of the classes, by their numbers: offsets in the table's arena. FALSE with
 * `error` set: one has none, or two have the same. */
static gboolean
match_names (
    const Cnn3dDataset *dataset, Table *table, const gchar *file, guint32 *offsets, GError **error)
{
  Cnn3dNames seen = {
    NULL,
  };
  gboolean ok = TRUE;

  for (guint i = 0; ok && i < dataset->labels.n; i++) {
    const gchar *label = dataset->classes[i];
    const guint32 key = cnn3d_names_find (&table->keys, &table->arena, label, strlen (label));

    ok = key != CNN3D_NAME_NONE;
    if (!ok) {
      const gchar *first = table->keys.n ? table->arena.data + table->keys.offsets[0] : "";

      g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_CLASSES,
          "%s: no name for the class \"%.*s\"; it names %u classes, the first of which is "
          "\"%.*s\"",
          file, CNN3D_SHOWN (label, strlen (label)), table->keys.n,
          CNN3D_SHOWN (first, strlen (first)));
      break;
    }
    offsets[i] = g_array_index (table->names, guint32, key);
    ok = cnn3d_names_intern (&seen, &table->arena, table->arena.data + offsets[i],
             strlen (table->arena.data + offsets[i]))
        == i;
    if (!ok)
      g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_CLASSES,
          "%s: two classes are called \"%.*s\"; give each its own name", file,
          CNN3D_SHOWN (table->arena.data + offsets[i], strlen (table->arena.data + offsets[i])));
  }
  cnn3d_names_clear (&seen);
  return ok;
}

gboolean
cnn3d_class_names_apply (Cnn3dDataset *dataset, const gchar *file, GError **error)
{
  Table table = { .names = g_array_new (FALSE, FALSE, sizeof (guint32)),
    .most = (guint) cnn3d_setting ("cnn3dtrain", "num-classes")->maximum };
  g_autofree guint32 *offsets = g_new (guint32, dataset->labels.n + 1);
  gboolean ok =
      read_table (&table, file, error) && match_names (dataset, &table, file, offsets, error);

  for (guint i = 0; ok && i < dataset->labels.n; i++) {
    const gchar *name = table.arena.data + offsets[i];

    offsets[i] = cnn3d_arena_add (&dataset->arena, name, strlen (name));
    ok = offsets[i] != CNN3D_ARENA_FULL;
    if (!ok)
      cnn3d_dataset_set_full (error, file);
  }
  /* only now: the arena has moved */
  for (guint i = 0; ok && i < dataset->labels.n; i++)
    dataset->classes[i] = dataset->arena.data + offsets[i];
  cnn3d_names_clear (&table.keys);
  g_array_unref (table.names);
  g_free (table.arena.data);
  return ok;
}

gboolean
cnn3d_class_names_check_several (Cnn3dDataset *dataset, const gchar *file, GError **error)
{
  guint n = 0;

  for (guint i = 0; dataset->classes[i]; i++) {
    const gchar *name = dataset->classes[i], *p = name;
    guint parts = 0, known = 0;

    if (!strpbrk (name, ",;|"))
      continue;
    while (p) {
      const gsize size = strcspn (p, ",;|");
      const gchar *from = p, *to = p + size;

      while (from < to && *from == ' ')
        from++;
      while (to > from && to[-1] == ' ')
        to--;
      known +=
          cnn3d_names_find (&dataset->labels, &dataset->arena, from, to - from) != CNN3D_NAME_NONE;
      parts++;
      p = p[size] ? p + size + 1 : NULL;
    }
    if (parts < 2 || known == 0)
      continue;
    if (known < parts) {
      if (n++ == 0)
        cnn3d_dataset_note (dataset, TRUE,
            "The class \"%.*s\" may be several labels of one clip, one of which is a class, too; "
            "a clip has one class here",
            CNN3D_SHOWN (name, strlen (name)));
      continue;
    }
    g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_CLASSES,
        "%s: the label \"%.*s\" is several other classes at once; a clip has one class here: keep "
        "one label for each clip",
        file, CNN3D_SHOWN (name, strlen (name)));
    return FALSE;
  }
  return TRUE;
}

/* The name without what people do not see, or do not mean, as a difference. g_free(). */
static gchar *
folded_name (const gchar *name)
{
  g_autofree gchar *lower = g_utf8_casefold (name, -1);
  gchar *to = lower;

  for (const gchar *p = lower; *p; p++)
    if (!g_ascii_isspace (*p))
      *to++ = *p;
  *to = '\0';
  return g_steal_pointer (&lower);
}

static void
add_pair (GString *pairs, const gchar *a, const gchar *b)
{
  g_string_append_printf (pairs, "%s\"%.*s\" and \"%.*s\"", pairs->len ? ", " : "",
      CNN3D_SHOWN (a, strlen (a)), CNN3D_SHOWN (b, strlen (b)));
}

void
cnn3d_class_names_compare (Cnn3dDataset *dataset)
{
  Cnn3dArena arena = {
    NULL,
  };
  Cnn3dNames names = {
    NULL,
  };
  GArray *first = g_array_new (FALSE, FALSE, sizeof (guint));
  g_autoptr (GString) pairs = g_string_new (NULL);
  guint n = 0;

  for (guint i = 0; dataset->classes[i]; i++) {
    g_autofree gchar *folded = folded_name (dataset->classes[i]);
    const guint32 number = cnn3d_names_intern (&names, &arena, folded, strlen (folded));

    if (number == CNN3D_NAME_NONE)
      break;
    if (number == first->len)
      g_array_append_val (first, i);
    else if (n++ < 3)
      add_pair (pairs, dataset->classes[g_array_index (first, guint, number)], dataset->classes[i]);
  }
  if (n > 0)
    cnn3d_dataset_note (dataset, TRUE,
        "Classes differ by case or blanks only: %s%s; write them alike if they are one class",
        pairs->str, n > 3 ? ", and more" : "");
  g_array_unref (first);
  cnn3d_names_clear (&names);
  g_free (arena.data);
}
