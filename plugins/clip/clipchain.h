/* clipchain.h: the elements that decode one clip.
 *
 *     filesrc [! demuxer] [! parser] ! track
 *     feed ! decoder ! gate [! videoconvert ! videoflip] ! clip-bin ! job
 *
 * A track gets a file's packets. From all of them an index is made, which tells
 * what frames there are; those that are needed for the frames that are wanted are
 * fed to the decoder, and the gate lets only these frames through. A chain is
 * a bin without a parent, so that nothing that its elements say leaks out.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_CHAIN_H
#define CLIP_CHAIN_H

#include "clipfactories.h"
#include "clipindexes.h"
#include "clipjob.h"

G_BEGIN_DECLS

/* What all chains of an element share; constant while they run.
 *
 * owner:    who asks for contexts, for instance of a GPU (not referenced)
 * src_pad:  where frames will leave; asked what is wanted downstream
 * clip_bin: a bin description; NULL or empty: none
 * index_location: a folder for indices; NULL or empty: none
 * video_track: which of a file's tracks, from 0; -1: the file's own choice
 * tasks:    threads for the chain's elements
 * indexes:  of the files read so far
 * factories: of what reads and decodes
 * bins:     of GstElement: clip-bins that have nothing to do */
typedef struct {
  GstElement *owner;
  GstPad *src_pad;
  gchar *clip_bin;
  const gchar *index_location;
  gint video_track;
  GstTaskPool *tasks;
  ClipIndexes *indexes;
  ClipFactories *factories;
  GAsyncQueue *bins;
} ClipChainSettings;

/* Makes a clip-bin; NULL with `error` set where its description is wrong.
 * Returns a floating reference. */
GstElement *clip_chain_parse_bin (const gchar *description, GError **error);

/* Whether the element is in a clip-bin that decodes, not elsewhere. */
gboolean clip_chain_holds (GstElement *element);

/* Decodes the job's clip and finishes the job. Blocks; ends soon after
 * clip_job_abort(). */
void clip_chain_decode (const ClipChainSettings *settings, ClipJob *job);

G_END_DECLS

#endif
