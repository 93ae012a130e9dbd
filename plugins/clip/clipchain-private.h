/* clipchain-private.h: a chain, for the files that it is made of: clipchain.c
 * builds it and takes it down, clipplug.c finds what reads and decodes the file,
 * cliptrack.c is what packets pass, clipfeed.c what they go into the decoder as,
 * clipgate.c what frames pass, and clipdecode.c runs it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_CHAIN_PRIVATE_H
#define CLIP_CHAIN_PRIVATE_H

#include <gst/video/video.h>

#include "clipchain.h"
#include "clipclock.h"
#include "clipindex.h"
#include "clippictures.h"
#include "clipquicktime.h"
#include "clipraw.h"

G_BEGIN_DECLS

#define CLIP_TYPE_CHAIN (clip_chain_get_type ())
G_DECLARE_FINAL_TYPE (ClipChain, clip_chain, CLIP, CHAIN, GstBin)

/* A field of packets' caps: the container's word on colours */
#define CLIP_CHAIN_COLORIMETRY "container-colorimetry"

typedef struct _ClipTrack ClipTrack;

/* Containers whose word has limits */
typedef enum {
  CLIP_CONTAINER_OTHER,
  CLIP_CONTAINER_MATROSKA,
  CLIP_CONTAINER_QUICKTIME,
  CLIP_CONTAINER_TIMED,    /* as those two it has times of each packet */
  CLIP_CONTAINER_UNORDERED /* its times are in decoding order */
} ClipContainer;

struct _ClipChain {
  GstBin parent;

  /* of ClipChainSettings, referenced here: a chain that hangs outlives them */
  GstElement *owner;
  GstTaskPool *tasks;
  ClipFactories *factories;
  GstPad *src_pad;
  GAsyncQueue *bins; /* where clip_bin goes when the clip is done */
  ClipJob *job;
  GstElement *clip_bin;
  GstPad *feed; /* packets go into the decoder here */
  GstPad *gate_sink, *gate_src, *out;
  gpointer task; /* of `tasks`: pushes what is not streamed */

  /* Held while elements are added. The job's lock may be taken in it */
  GRecMutex plugging;

  /* Under the job's lock */
  GPtrArray *tracks;  /* of ClipTrack */
  gboolean has_other; /* sound, or what nobody knows */
  gboolean stop;      /* whoever waits here: leave */
  gboolean read;      /* to the end, to make an index of it */
  gboolean waiting;   /* a packet waits for `open` */
  gboolean open;
  gboolean flushing, flushed;
  gboolean gate_eos, done;
  gboolean lost; /* a seek landed nobody knows where */
  guint64 progress;
  guint past_end; /* reads after the file's end */
  gsize kept;     /* bytes of the packets that are kept */
  gboolean keeps; /* all packets so far are kept */
  gchar *error;
  gboolean fatal;

  /* Set before anything opens, constant after */
  gint video_track;
  gint file;              /* while its type is looked for */
  ClipPictures *pictures; /* these, not a file; NULL: a file */
  guint64 size;           /* of the file, bytes */
  ClipContainer container;
  ClipClocks *clocks; /* its demuxer's thread's */
  ClipQuicktime quicktime;
  ClipIndex *index;                  /* NULL: the file is read to make one */
  ClipTrack *track;                  /* the one that is decoded */
  GstPad *track_pad;                 /* its pad that takes packets */
  guint first, frames;               /* the segment's first frame, and how many */
  guint64 window_first, window_last; /* frames wanted, in the segment */
  gboolean transposed;               /* pictures are shown with their sides exchanged */
  GBytes *plan;                      /* what the sampler makes of them; NULL: unknown */
  gboolean cached;                   /* a clipcache has the frames */
  /* [window_last - window_first + 1] which of these; NULL: all, or who knows */
  gboolean *wanted;
  guint from, to;   /* packets to decode */
  gboolean runs_up; /* `from` lies before where it is exact */

  /* Whoever pushes packets */
  gint64 at;                /* the next packet; -1: after a seek */
  GstCaps *fed_caps;        /* of the last packet */
  GstVideoInfo raw;         /* of packets that are frames; or of no format */
  gboolean has_matrix;      /* they, or the container, tell of it */
  GstVideoColorRange range; /* as they, or the container, tell */
  gboolean fed;
  /* since a key frame, one that is shown before what lies before it */
  gboolean fed_backward;
  guint fed_frames; /* the last one's number, from 1 */

  /* Whoever pushes frames */
  guint counted;         /* frames that came out */
  gint64 last_frame;     /* the number of the last one */
  GstVideoInfo decoded;  /* of frames as they come out */
  gboolean finished;     /* nothing more is wanted */
  gboolean forwarding;   /* events go on to clip-bin */
  GstCaps *caps;         /* at the end, not yet in the job */
  GstEvent *preparation; /* the same; clip-preparation */
};

/* Runs func on the chain in a thread that clip_chain_stop() waits for. */
void clip_chain_start_task (ClipChain *self, GstTaskPoolFunction func);

/* Brings the chain down and drops it. A decoder that never returns keeps its
 * thread and the chain, but nobody waits for it. */
void clip_chain_stop (ClipChain *self);

/* Notes the first thing that went wrong; takes reason. `fatal`: clip-bin is at
 * fault, not the file. */
void clip_chain_set_error (ClipChain *self, gchar *reason, gboolean fatal);
/* The same with the job's lock. */
void clip_chain_set_error_locked (ClipChain *self, gchar *reason, gboolean fatal);

/* Whether nobody wants anything of it any more. */
gboolean clip_chain_is_stopping (ClipChain *self);

/* Whether a frame of the file is wanted. */
gboolean clip_chain_wants (const ClipChain *self, guint frame);
/* The first frame that is wanted and has not come. */
guint64 clip_chain_next_wanted (const ClipChain *self);

/* What the frames of the segment have in common, of their file. */
void clip_chain_describe_segment (const ClipChain *self, GstClipMeta *meta);

/* Why the first picture that is wanted and did not come cannot be decoded; as
 * clip_pictures_explain(). */
gchar *clip_chain_explain_picture (const ClipChain *self, const gchar *said);

/* Answers who asks which caps may come: any. FALSE: another question. */
gboolean clip_chain_take_any_caps (GstQuery *query);

/* What a field of caps tells of colours, part by part: all unknown where there is
 * none. */
GstVideoColorimetry clip_chain_read_colorimetry (const GstStructure *s, const gchar *field);

/* Plugging */

/* Adds what reads the file that comes out of src, now and as its streams are
 * found; or sets the error. */
void clip_chain_plug (ClipChain *self, GstPad *src);

/* Puts a decoder of such packets between feed and gate_sink. FALSE: there is none;
 * the error is set. */
gboolean clip_chain_add_decoder (ClipChain *self, GstCaps *caps);

/* Gate */

/* Makes gate_sink, gate_src and out. */
void clip_chain_make_pads (ClipChain *self);

/* Tracks */

/* A probe on the file's pad. */
GstPadProbeReturn clip_chain_watch_end (GstPad *pad, GstPadProbeInfo *info, gpointer data);

/* A stream of packets. root: the demuxer's pad that it comes from. */
void clip_chain_add_track (ClipChain *self, GstPad *pad, GstPad *root);
/* The demuxer took its pad away. */
void clip_chain_end_track (ClipChain *self, GstPad *root);
void clip_track_free (ClipTrack *track);

/* With the job's lock: all tracks are at their ends. */
gboolean clip_chain_is_read (const ClipChain *self);

/* With the job's lock: makes the index of the track that is to be decoded, and
 * chooses it. FALSE: there is no video. */
gboolean clip_chain_make_index (ClipChain *self);

/* (transfer full), NULL where there is none yet. */
GstCaps *clip_track_get_caps (const ClipTrack *track);

/* Feeding */

/* Decodes a packet, if anything that is wanted needs it. GST_FLOW_EOS: no more are
 * wanted. */
GstFlowReturn clip_chain_feed (ClipChain *self, guint number, GstBuffer *buffer, GstCaps *caps);

/* Feeds the packets that were kept, or the pictures; tasks. */
void clip_chain_feed_kept (gpointer chain);
void clip_chain_feed_pictures (gpointer chain);

/* Opening */

/* What comes behind the decoder: nothing reads the file yet. index: NULL: all of
 * the file is read first, and its packets are kept. Never NULL, but perhaps with
 * an error already. */
ClipChain *clip_chain_new (
    const ClipChainSettings *settings, ClipJob *job, ClipIndex *index, ClipPictures *pictures);

/* Begins to read the file, of so many bytes; or sets the error. */
void clip_chain_open (ClipChain *self, guint64 size);

G_END_DECLS

#endif
