/* clipchain.h: the elements that decode one clip.
 *
 *     filesrc ! decodebin ! gate [! videoconvert ! videoflip] ! clip-bin ! job
 *
 * The gate holds the first frame back until it is known which frames are
 * wanted; it numbers frames and lets only those through. A chain is a bin
 * without a parent, so that nothing that its elements say leaks out.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_CHAIN_H
#define CLIP_CHAIN_H

#include "clipjob.h"

G_BEGIN_DECLS

/* What all chains of an element share; constant while they run.
 *
 * owner:    who asks for contexts, for instance of a GPU (not referenced)
 * src_pad:  where frames will leave; asked what is wanted downstream
 * clip_bin: a bin description; NULL or empty: none
 * tasks:    threads for the chain's elements */
typedef struct
{
  GstElement *owner;
  GstPad *src_pad;
  gchar *clip_bin;
  GstTaskPool *tasks;
} ClipChainSettings;

/* Makes a clip-bin; NULL with `error` set where its description is wrong.
 * Returns a floating reference. */
GstElement *clip_chain_parse_bin (const gchar * description, GError ** error);

/* Decodes the job's clip and finishes the job. Blocks; ends soon after
 * clip_job_abort(). */
void clip_chain_decode (const ClipChainSettings * settings, ClipJob * job);

G_END_DECLS

#endif
