/* clipchain.h: the elements that decode one clip.
 *
 *     filesrc [! demuxer] [! parser] ! track
 *     feed ! decoder ! gate [! videoconvert ! videoflip] ! clip-bin ! job
 *
 * A track receives a file's packets, and an index of its frames is made from all of them. Only
 * packets that the wanted frames depend on are fed to the decoder, and the gate passes only
 * wanted frames. A chain is a bin without a parent, so that its elements' messages do not reach
 * the application.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_CHAIN_H
#define CLIP_CHAIN_H

#include "clipfactories.h"
#include "clipindexes.h"
#include "clipjob.h"

G_BEGIN_DECLS

/* Shared by all chains of an element; constant while they run.
 *
 * owner:    asks for contexts, for instance of a GPU (not referenced)
 * src_pad:  outputs the frames; downstream is queried for the wanted ones through it
 * clip_bin: a bin description; NULL or empty: none
 * index_location: a folder for indices; NULL or empty: none
 * video_track: which of a file's tracks, from 0; -1: the file's default
 * tasks:    threads for the chain's elements
 * indexes:  of the files read so far
 * factories: of demuxers, parsers and decoders
 * bins:     of GstElement: idle clip-bins */
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

/* Creates a clip-bin. Returns a floating reference, or NULL with `error` set if the description
 * is invalid. */
GstElement *clip_chain_parse_bin (const gchar *description, GError **error);

/* Whether the element is in the clip-bin of a chain. */
gboolean clip_chain_holds (GstElement *element);

/* (transfer full) the owner of the chain that the element is in, to post a warning in its name.
 * NULL: there is none, or it was returned to an element of this factory since the run began. */
GstElement *clip_chain_take_warner (GstElement *element);
/* The owner begins a run. factory: the elements may warn once more */
void clip_chain_renew_warner (GstElement *owner, const gchar *factory);

/* Decodes the job's clip and finishes the job. Blocks; returns soon after clip_job_abort(). */
void clip_chain_decode (const ClipChainSettings *settings, ClipJob *job);

G_END_DECLS

#endif
