/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_CLIP_CACHE_H
#define GST_CLIP_CACHE_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_CLIP_CACHE (gst_clip_cache_get_type ())
G_DECLARE_FINAL_TYPE (GstClipCache, gst_clip_cache, GST, CLIP_CACHE, GstElement);

GST_ELEMENT_REGISTER_DECLARE (clipcache);

G_END_DECLS

#endif
