/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipruns.h"

void
clip_index_range (const ClipIndex *self, guint first, guint last, guint *from, guint *to)
{
  const guint16 wanted = CLIP_PACKET_START | (self->counted ? CLIP_PACKET_RESET : 0);
  guint32 start = self->frames[first], end = 0;

  /* With `counted`, all that is known of a frame is that it does not precede the last RESET
   * whose number is not greater than its own */
  for (guint i = first; i <= last; i++) {
    start = MIN (start, self->frames[i]);
    end = MAX (end, self->frames[i]);
  }
  while (
      start > 0 && ((self->packets[start].flags & wanted) != wanted || self->ranks[start] > first))
    start--;
  if (self->counted) {
    while (end + 1 < self->n_packets && (self->packets[end + 1].flags & wanted) != wanted)
      end++;
  }
  while (end + 1 < self->n_packets && self->packets[end + 1].flags & CLIP_PACKET_SECOND)
    end++;
  *from = start;
  *to = end;
}

guint
clip_index_run_up (const ClipIndex *self, guint from)
{
  /* as many frames, of two fields each, as a decoder may hold */
  const guint least = 32;
  guint start = from;

  while (start > 0 && !(self->packets[start].flags & CLIP_PACKET_RESET)
      && (start + least > from || !(self->packets[start].flags & CLIP_PACKET_START)))
    start--;

  return start;
}

/* Whether a decoder may leave out packets and go on with this one. The key frames of other codecs
 * are what the container says, and threads are chosen for the first START of H.264. */
static gboolean
may_jump (const ClipIndex *self, guint start)
{
  const guint16 flags = self->packets[start].flags;

  switch (self->codec) {
    case CLIP_CODEC_OTHER:
    case CLIP_CODEC_REORDERED:
      return FALSE;
    case CLIP_CODEC_H264:
      return (flags & CLIP_PACKET_RESET) != 0;
    default:
      return (flags & CLIP_PACKET_START) != 0;
  }
}

/* Whether leaving out packets is worth it: others refer to some of them. Parts of an edit list are
 * not taken apart. */
static gboolean
saves (const ClipIndex *self, guint from, guint behind)
{
  gboolean references = FALSE;

  for (guint i = from; i <= behind; i++) {
    if (self->packets[i].flags & CLIP_PACKET_PART)
      return FALSE;
    references |= i < behind && !(self->packets[i].flags & CLIP_PACKET_UNUSED);
  }

  return references;
}

/* Where decoding may start for a frame after the packet `after`; `after`: nowhere. */
static guint
find_start (const ClipIndex *self, guint frame, guint after)
{
  guint start = self->frames[frame];

  while (start > after
      && (!(self->packets[start].flags & CLIP_PACKET_START) || self->ranks[start] > frame))
    start--;
  if (start > after && clip_index_loses_frames ())
    start = clip_index_run_up (self, start);

  return MAX (start, after);
}

GArray *
clip_index_runs (const ClipIndex *self, guint first, guint last, const gboolean *wanted)
{
  GArray *runs = g_array_new (FALSE, FALSE, sizeof (ClipRun));
  ClipRun whole, run;
  gboolean begun = FALSE;

  clip_index_range (self, first, last, &whole.from, &whole.to);
  if (clip_index_loses_frames ())
    whole.from = clip_index_run_up (self, whole.from);
  run = whole;
  for (guint i = first; wanted && !self->counted && i <= last; i++) {
    guint to = self->frames[i], start;

    if (!wanted[i - first])
      continue;
    while (to + 1 < self->n_packets && self->packets[to + 1].flags & CLIP_PACKET_SECOND)
      to++;
    start = begun && to > run.to ? find_start (self, i, run.to) : 0;
    if (start > run.to && may_jump (self, start) && saves (self, run.to + 1, start)) {
      g_array_append_val (runs, run);
      run = (ClipRun) { start, to };
    }
    /* presented after what was left out, but decoded before it */
    if (self->frames[i] < run.from) {
      g_array_set_size (runs, 0);
      run = whole;
      break;
    }
    run.to = begun ? MAX (run.to, to) : to;
    begun = TRUE;
  }
  g_array_append_val (runs, run);

  return runs;
}
