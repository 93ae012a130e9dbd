/* clippictures.h: clips that are numbered pictures in a folder, as frames extracted
 * from videos are.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_PICTURES_H
#define CLIP_PICTURES_H

#include "clipindexfile.h"

G_BEGIN_DECLS

/* Reference-counted. folder: where they are; names: of gchar *, in order */
typedef struct {
  gchar *folder;
  GPtrArray *names;
} ClipPictures;

/* Whether a path names pictures: a folder, or a pattern as img_%05d.jpg where there is
 * no file of that name. status: NULL: there is none. */
gboolean clip_pictures_named (const gchar *path, const GStatBuf *status);

/* The pictures of a folder, which all have the same name but for a number, or
 * of a pattern. NULL, with *reason, where there are none or more than one
 * series. */
ClipPictures *clip_pictures_new (const gchar *path, gchar **reason);
ClipPictures *clip_pictures_ref (ClipPictures *pictures);
void clip_pictures_unref (ClipPictures *pictures);

/* As clip_video_init(), of all pictures together. */
void clip_pictures_video (const ClipPictures *pictures, const gchar *path, ClipVideo *video);

/* rate: pictures a second. Each is a frame. */
ClipIndex *clip_pictures_index (const ClipPictures *pictures, gdouble rate);

/* The contents of picture i: (transfer full); NULL with *reason. */
GstBuffer *clip_pictures_read (const ClipPictures *pictures, guint i, gchar **reason);

/* Why picture i, of which no frame comes, cannot be decoded: (transfer full).
 * like: one that tells which kind all of them are. said: the decoder's word on it;
 * NULL: none */
gchar *clip_pictures_explain (const ClipPictures *pictures, guint i, guint like, const gchar *said);

/* Caps of such a picture: (transfer full); NULL: of no known kind. */
GstCaps *clip_pictures_caps (
    const ClipPictures *pictures, guint i, GstBuffer *picture, gdouble rate);

G_END_DECLS

#endif
