/* npyfile.h: NumPy arrays, written for tests. SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TESTS_NPYFILE_H
#define TESTS_NPYFILE_H

#include <glib.h>
#include <string.h>

/* A file of this version, with a header of this description and the data; g_byte_array_unref(). */
static inline GByteArray *
npy_bytes (guint version, const gchar *descr, const gchar *order, const gchar *shape,
    gconstpointer data, gsize size)
{
  gchar *header =
      g_strdup_printf ("{'descr': %s, 'fortran_order': %s, 'shape': %s, }", descr, order, shape);
  const gsize length = strlen (header) + 1;
  const guint8 lengths[] = { length, length >> 8, 0, 0 };
  const guint8 versions[] = { version, 0 };
  GByteArray *bytes = g_byte_array_new ();

  g_byte_array_append (bytes, (const guint8 *) "\x93NUMPY", 6);
  g_byte_array_append (bytes, versions, 2);
  g_byte_array_append (bytes, lengths, version == 1 ? 2 : 4);
  g_byte_array_append (bytes, (const guint8 *) header, length - 1);
  g_byte_array_append (bytes, (const guint8 *) "\n", 1);
  if (size)
    g_byte_array_append (bytes, data, size);
  g_free (header);
  return bytes;
}

static inline void
npy_write (const gchar *path, guint version, const gchar *descr, const gchar *order,
    const gchar *shape, gconstpointer data, gsize size)
{
  GByteArray *bytes = npy_bytes (version, descr, order, shape, data, size);

  g_assert_true (g_file_set_contents (path, (const gchar *) bytes->data, bytes->len, NULL));
  g_byte_array_unref (bytes);
}

#endif
