/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/temporary.h"

#include <sys/mman.h>

gboolean
cnn3d_temporary_take (Cnn3dTemporary *t, gsize bytes, const gchar *what, GError **error)
{
  t->bytes = MAX (bytes, 1);
  t->data = mmap (NULL, t->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (t->data != MAP_FAILED) {
    /* large pages where the kernel gives them: touching it all is most of its cost */
    madvise (t->data, t->bytes, MADV_HUGEPAGE);
    return TRUE;
  }
  t->data = NULL;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOMEM,
      "no memory for %s: %" G_GSIZE_FORMAT " bytes", what, bytes);
  return FALSE;
}

void
cnn3d_temporary_give_back (Cnn3dTemporary *t)
{
  if (t->data)
    munmap (t->data, t->bytes);
  t->data = NULL;
}
