/* clipfactories.h: kinds of elements that read and decode files, looked up once a
 * run. Threads share it.
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

/* The factories that take such caps, the best first; ended with
 * gst_plugin_feature_list_free(). */
GList *clip_factories_find (ClipFactories *self, ClipFactoryKind kind, GstCaps *caps);

/* (transfer full): what of filter, which may be NULL, can be decoded, the best
 * decoder's first; all of it, if nothing can. */
GstCaps *clip_factories_decodable (const ClipFactories *self, GstCaps *filter);

G_END_DECLS

#endif
