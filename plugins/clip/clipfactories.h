/* clipfactories.h: element factories for reading and decoding files, looked up once per run.
 * Thread-safe.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_FACTORIES_H
#define CLIP_FACTORIES_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct _ClipFactories ClipFactories;

typedef enum {
  CLIP_FACTORIES_READERS, /* demuxers and parsers */
  CLIP_FACTORIES_DECODERS,
  CLIP_N_FACTORIES
} ClipFactoryKind;

ClipFactories *clip_factories_new (void);
ClipFactories *clip_factories_ref (ClipFactories *self);
void clip_factories_unref (ClipFactories *self);

/* (transfer full) the factories that accept the caps, the best first. Free with
 * gst_plugin_feature_list_free(). */
GList *clip_factories_find (ClipFactories *self, ClipFactoryKind kind, GstCaps *caps);

/* Whether one of them accepts the caps with the fields that they have: with further ones, if
 * clip_factories_find() finds none. */
gboolean clip_factories_need_more (ClipFactories *self, ClipFactoryKind kind, GstCaps *caps);

/* (transfer full) the subset of `filter` that can be decoded, in the order of the decoders'
 * ranks; all of `filter` if nothing can. filter: NULL: any caps. */
GstCaps *clip_factories_decodable (const ClipFactories *self, GstCaps *filter);

G_END_DECLS

#endif
