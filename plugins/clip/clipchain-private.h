/* clipchain-private.h: a chain, for the files that it is made of: clipchain.c
 * builds it and takes it down, clipgate.c is what frames pass, clipdecode.c
 * runs it. SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_CHAIN_PRIVATE_H
#define CLIP_CHAIN_PRIVATE_H

#include "clipchain.h"

G_BEGIN_DECLS

/* A frame may lie so far from its place, in frames, and still be it:
 * containers round to milliseconds */
#define CLIP_JITTER 0.3
/* A row's start is text: a frame a little before it is meant too, in s */
#define CLIP_START_TOLERANCE 0.0005

#define CLIP_TYPE_CHAIN (clip_chain_get_type ())
G_DECLARE_FINAL_TYPE (ClipChain, clip_chain, CLIP, CHAIN, GstBin)

struct _ClipChain
{
  GstBin parent;

  GstElement *owner;            /* of ClipChainSettings, referenced here: a
                                 * chain that hangs outlives them */
  GstTaskPool *tasks;
  GstPad *src_pad;
  ClipJob *job;
  GstElement *clip_bin;
  GstPad *gate_sink, *gate_src, *out;

  /* Under the job's lock */
  gboolean stop;                /* whoever waits here: leave */
  gboolean plugged;             /* decodebin has what reads the file */
  gboolean has_video, has_other, no_more_pads;
  gboolean waiting;             /* the first frame waits in the gate */
  gboolean open;
  gboolean flushing, flushed;
  gboolean gate_eos, done;
  gboolean misseek;
  guint64 progress;
  gdouble first_time;           /* of the first frame, s; NAN: unknown */
  gchar *error;
  gboolean fatal;
  gchar *missing;               /* a plug-in that is not installed */

  /* Set before the gate opens, then the streaming thread's */
  gdouble fps;                  /* 0: unknown, or it varies */
  gdouble base;                 /* time of the file's first frame */
  guint64 target;               /* first frame wanted, from the file's start */
  guint64 first, last;          /* frames wanted, from the clip's start */
  guint64 length;               /* frames in the clip by its row; 0: unknown */
  guint64 told;                 /* frames in it that the frames tell of */
  gboolean sought;
  guint64 next;                 /* number of the next frame in the clip */
  gboolean entered;             /* the clip has begun */
  gboolean finished;            /* nothing more is wanted */
  gboolean forwarding;          /* events go on to clip-bin */
  GstSegment segment;
  GstCaps *caps;                /* at the end, not yet in the job */
  GstEvent *preparation;        /* the same; clip-preparation */
};

/* Never NULL, but perhaps with an error already. */
ClipChain *clip_chain_new (const ClipChainSettings * settings, ClipJob * job);

/* Brings the chain down and drops it. A decoder that never returns keeps its
 * thread and the chain, but nobody waits for it. */
void clip_chain_stop (ClipChain * self);

/* Notes the first thing that went wrong; takes reason. `fatal`: clip-bin is at
 * fault, not the file. */
void clip_chain_set_error (ClipChain * self, gchar * reason, gboolean fatal);
/* The same with the job's lock. */
void clip_chain_set_error_locked (ClipChain * self, gchar * reason,
    gboolean fatal);

/* Answers a decoder that asks which raw video it may give. FALSE: that is not
 * what is asked. */
gboolean clip_chain_answer (ClipChain * self, GstQuery * query);

/* Makes gate_sink, gate_src and out. */
void clip_chain_make_pads (ClipChain * self);

G_END_DECLS

#endif
