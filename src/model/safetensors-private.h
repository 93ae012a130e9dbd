/* safetensors-private.h: what safetensors' reader, header parser and writer
 * share. SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_SAFETENSORS_PRIVATE_H
#define CNN3D_SAFETENSORS_PRIVATE_H

#include "src/model/safetensors.h"

G_BEGIN_DECLS

/* What the format's reference implementation refuses too, and a bound on what
 * a header of that length can make us allocate. */
#define SAFETENSORS_MAX_HEADER (100u << 20)
#define SAFETENSORS_MAX_TENSORS (1u << 20)
#define SAFETENSORS_METADATA "__metadata__"

typedef struct {
  Cnn3dSafetensor tensor; /* the name is owned; data not yet set */
  guint64 begin, end;     /* from the data's start */
} SafetensorsEntry;

/* Appends the header's tensors to entries (of SafetensorsEntry) in its own
 * order, sizes set from the shape and nothing else checked about the offsets,
 * and puts the metadata into a table that owns its strings. The error says
 * where and why, without the path; what was read before it stays in both. */
G_GNUC_INTERNAL gboolean safetensors_parse_header (
    const gchar *text, gsize size, GArray *entries, GHashTable *metadata, GError **error);

/* Sets a tensor's n_elements and size from its shape; FALSE: too large. */
G_GNUC_INTERNAL gboolean safetensors_set_size (Cnn3dSafetensor *tensor);

/* A name from a file as it can be shown: escaped, and not endless. */
G_GNUC_INTERNAL gchar *safetensors_show (const gchar *name);

/* A tensor's shape as [a, b]. */
G_GNUC_INTERNAL gchar *safetensors_show_shape (const Cnn3dSafetensor *tensor);

G_END_DECLS

#endif
