/* clipchain-private.h: a chain, as its own files see it. clipchain.c creates and stops it,
 * clipplug.c finds the elements that read and decode the file, cliptrack.c handles demultiplexed
 * packets, clipfeed.c feeds them to the decoder, clipgate.c filters decoded frames, and
 * clipdecode.c runs it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_CHAIN_PRIVATE_H
#define CLIP_CHAIN_PRIVATE_H

#include <gst/video/video.h>

#include "clipavi.h"
#include "clipchain.h"
#include "clipclock.h"
#include "clipflv.h"
#include "clipindex.h"
#include "clippictures.h"
#include "clipprogram.h"
#include "clipquicktime.h"
#include "clipraw.h"
#include "clipruns.h"

G_BEGIN_DECLS

#define CLIP_TYPE_CHAIN (clip_chain_get_type ())
G_DECLARE_FINAL_TYPE (ClipChain, clip_chain, CLIP, CHAIN, GstBin)

typedef struct _ClipTrack ClipTrack;

/* Containers that need special treatment */
typedef enum {
  CLIP_CONTAINER_OTHER,
  CLIP_CONTAINER_MATROSKA,
  CLIP_CONTAINER_QUICKTIME,
  CLIP_CONTAINER_FLV,
  CLIP_CONTAINER_PROGRAM,  /* an MPEG program stream */
  CLIP_CONTAINER_UNORDERED /* its timestamps are in decoding order */
} ClipContainer;

struct _ClipChain {
  GstBin parent;

  /* of ClipChainSettings, referenced: a chain that hangs outlives the settings */
  GstElement *owner;
  GstTaskPool *tasks;
  ClipFactories *factories;
  GstPad *src_pad;
  GAsyncQueue *bins; /* takes clip_bin back after the clip */
  ClipJob *job;
  GstElement *clip_bin;
  GstPad *feed; /* packets enter the decoder here */
  GstPad *gate_sink, *gate_src, *out;
  gpointer task; /* of `tasks`: pushes packets that do not come from a streaming thread */

  /* Held while elements are added. The job's lock may be taken inside it. */
  GRecMutex plugging;

  /* Under the job's lock */
  GPtrArray *tracks;  /* of ClipTrack */
  gboolean has_other; /* audio, or a stream of unknown type */
  gboolean stop;      /* all waiting threads must leave */
  gboolean read;      /* to its end, to make an index */
  gboolean waiting;   /* a packet waits for `open` */
  gboolean open;
  gboolean flushing, flushed;
  gboolean gate_eos, done;
  gboolean lost; /* the position after a seek is unknown */
  guint64 progress;
  guint past_end; /* reads past the end of the file */
  gsize kept;     /* bytes of stored packets */
  gboolean keeps; /* all packets so far are stored */
  gchar *error;
  gboolean fatal;

  /* Set before anything opens, constant after that */
  gint video_track;
  gint file;              /* while typefinding */
  ClipPictures *pictures; /* an image sequence; NULL: a file */
  guint64 size;           /* of the file, bytes */
  ClipContainer container;
  gboolean libav;     /* the demuxer is libavformat's */
  ClipClocks *clocks; /* owned by the demuxer's streaming thread */
  ClipQuicktime quicktime;
  ClipAvi avi;
  ClipProgram program;
  ClipFlv flv;
  ClipIndex *index;                  /* NULL: read the file to make one */
  ClipTrack *track;                  /* the track to decode */
  GstPad *track_pad;                 /* the pad of it that receives packets */
  guint first, frames;               /* of the segment: first frame, number of frames */
  guint64 window_first, window_last; /* frames wanted, relative to the segment */
  gboolean transposed;               /* displayed with width and height exchanged */
  GBytes *plan;                      /* the frames that the sampler will output; NULL: unknown */
  gboolean cached;                   /* a clipcache has the frames */
  /* [window_last - window_first + 1] which of these; NULL: all, or unknown */
  gboolean *wanted;
  guint from, to; /* packets to decode */
  GArray *runs;   /* of ClipRun: these, without gaps in which nothing is needed */

  /* Used by the thread that pushes packets */
  gint64 at;                /* the next packet; -1: after a seek */
  GstCaps *fed_caps;        /* of the last packet */
  GstVideoInfo raw;         /* of raw video packets; otherwise without a format */
  gboolean has_matrix;      /* declared by the stream or the container */
  GstVideoColorRange range; /* as declared by the stream or the container */
  gboolean fed;
  guint run; /* of `runs`: the current one */
  /* since the last keyframe, a picture that is presented before the one that precedes it */
  gboolean fed_backward;
  guint fed_frames; /* number of the last one, counted from 1 */

  /* Used by the thread that pushes frames */
  guint counted;         /* frames received from the decoder */
  gint64 last_frame;     /* number of the last one */
  GstVideoInfo decoded;  /* of decoded frames */
  gboolean finished;     /* no more frames are needed */
  gboolean forwarding;   /* events are forwarded to clip-bin */
  GstCaps *caps;         /* at the output, not yet added to the job */
  GstEvent *preparation; /* likewise; a clip-preparation event */
};

/* Runs func on the chain in a thread that clip_chain_stop() joins. */
void clip_chain_start_task (ClipChain *self, GstTaskPoolFunction func);

/* Stops the chain and drops the reference. A decoder that never returns keeps its thread and the
 * chain, but this function does not wait for it. */
void clip_chain_stop (ClipChain *self);

/* Records the first error. Takes `reason`. `fatal`: clip-bin is at fault, not the file. */
void clip_chain_set_error (ClipChain *self, gchar *reason, gboolean fatal);
/* The same, with the job's lock held. */
void clip_chain_set_error_locked (ClipChain *self, gchar *reason, gboolean fatal);

/* Whether the chain is being stopped or its job was aborted. */
gboolean clip_chain_is_stopping (ClipChain *self);

/* Whether this frame of the file is wanted. */
gboolean clip_chain_wants (const ClipChain *self, guint frame);
/* The first wanted frame that has not arrived. */
guint64 clip_chain_next_wanted (const ClipChain *self);

/* Sets the fields that all frames of the segment share. */
void clip_chain_describe_segment (const ClipChain *self, GstClipMeta *meta);

/* Explains why the first wanted picture that did not arrive cannot be decoded. See
 * clip_pictures_explain(). */
gchar *clip_chain_explain_picture (const ClipChain *self, const gchar *decoder_error);

/* Answers caps and accept-caps queries: any caps. FALSE: another kind of query. */
gboolean clip_chain_take_any_caps (GstQuery *query);

/* The colorimetry in a field of caps. Its members are unknown if the field is missing. */
GstVideoColorimetry clip_chain_read_colorimetry (const GstStructure *s, const gchar *field);

/* Plugging */

/* Adds the elements that read the file from src, now and as streams are found. On failure it
 * sets the error. */
void clip_chain_plug (ClipChain *self, GstPad *src);

/* Adds a decoder for these packets between feed and gate_sink. FALSE: none was found, and the
 * error is set. */
gboolean clip_chain_add_decoder (ClipChain *self, GstCaps *caps);

/* Gate */

/* Creates gate_sink, gate_src and out. */
void clip_chain_make_pads (ClipChain *self);

/* Whether a deinterlacer follows, so that interlaced frames keep their caps. */
gboolean clip_chain_deinterlaces (const ClipChain *self);

/* Tracks */

/* A probe on the pad that the file is read from. */
GstPadProbeReturn clip_chain_watch_end (GstPad *pad, GstPadProbeInfo *info, gpointer data);

/* Adds a track for a stream of packets. root: the demuxer's pad that it comes from. */
void clip_chain_add_track (ClipChain *self, GstPad *pad, GstPad *root);
/* The demuxer removed its pad. */
void clip_chain_end_track (ClipChain *self, GstPad *root);
void clip_track_free (ClipTrack *track);

/* Called with the job's lock: whether all tracks have ended. */
gboolean clip_chain_is_read (const ClipChain *self);

/* Called with the job's lock: chooses the track to decode and makes its index. FALSE: there is
 * no video. */
gboolean clip_chain_make_index (ClipChain *self);

/* (transfer full) NULL: not known yet. */
GstCaps *clip_track_get_caps (const ClipTrack *track);

/* Feeding */

/* Decodes a packet if a wanted frame depends on it. GST_FLOW_EOS: no more packets are needed. */
GstFlowReturn clip_chain_feed (ClipChain *self, guint number, GstBuffer *buffer, GstCaps *caps);

/* Tasks that feed the stored packets, or the pictures. */
void clip_chain_feed_kept (gpointer chain);
void clip_chain_feed_pictures (gpointer chain);

/* Opening */

/* A chain from the decoder's output on; nothing reads the file yet. index: NULL: the whole file
 * is read first, and its packets are stored. Never returns NULL, but the chain may already have
 * an error. */
ClipChain *clip_chain_new (
    const ClipChainSettings *settings, ClipJob *job, ClipIndex *index, ClipPictures *pictures);

/* Starts to read the file of `size` bytes. On failure it sets the error. */
void clip_chain_open (ClipChain *self, guint64 size);

G_END_DECLS

#endif
