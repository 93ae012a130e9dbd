/* zip.h: members of a ZIP archive in memory, stored or deflated.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_KEYPOINTS_ZIP_H
#define CNN3D_KEYPOINTS_ZIP_H

#include <glib.h>

typedef struct {
  gchar name[64]; /* a longer one is cut */
  guint16 method, flags;
  guint32 crc;
  guint32 packed, size; /* bytes */
  const guint8 *data;   /* [packed] */
} Cnn3dZipMember;

gboolean cnn3d_zip_is (const guint8 *data, gsize size);

/* The archive's members, [*n], at most 256: g_free(). NULL with `error` (CNN3D_KEYPOINTS_ERROR)
 * set: its directory is damaged. */
Cnn3dZipMember *cnn3d_zip_list (const guint8 *data, gsize size, guint *n, GError **error);

/* A member's [size] bytes: g_free(). NULL with `error` set. */
guint8 *cnn3d_zip_read (const Cnn3dZipMember *member, GError **error);

#endif
