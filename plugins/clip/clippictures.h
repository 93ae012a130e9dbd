/* clippictures.h: clips that are numbered pictures in a folder, such as frames extracted from
 * videos.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_PICTURES_H
#define CLIP_PICTURES_H

#include "clipindexfile.h"

G_BEGIN_DECLS

/* Reference-counted. folder: of the pictures; names: of gchar *, in order */
typedef struct {
  gchar *folder;
  GPtrArray *names;
} ClipPictures;

/* Whether a path is an image sequence: a folder, or a pattern such as img_%05d.jpg without a
 * file of that name. status: of the file; NULL: there is none. */
gboolean clip_pictures_named (const gchar *path, const GStatBuf *status);

/* The pictures that match a pattern, or those in a folder, whose names must be equal except for
 * a number. NULL with *reason set: there are none, or several series. */
ClipPictures *clip_pictures_new (const gchar *path, gchar **reason);
ClipPictures *clip_pictures_ref (ClipPictures *pictures);
void clip_pictures_unref (ClipPictures *pictures);

/* Like clip_video_init(), for all pictures together. */
void clip_pictures_video (const ClipPictures *pictures, const gchar *path, ClipVideo *video);

/* Each picture is a frame. rate: frames per second. */
ClipIndex *clip_pictures_index (const ClipPictures *pictures, gdouble rate);

/* (transfer full) the contents of picture i; NULL with *reason set. */
GstBuffer *clip_pictures_read (const ClipPictures *pictures, guint i, gchar **reason);

/* (transfer full) why picture i, for which there is no frame, cannot be decoded.
 * like: a picture whose format all must have. decoder_error: the decoder's message; NULL: none */
gchar *clip_pictures_explain (
    const ClipPictures *pictures, guint i, guint like, const gchar *decoder_error);

/* (transfer full) caps of such a picture; NULL: its format is unknown. */
GstCaps *clip_pictures_caps (
    const ClipPictures *pictures, guint i, GstBuffer *picture, gdouble rate);

G_END_DECLS

#endif
