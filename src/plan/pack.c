/* Where buffers lie. SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* qsort_r() */
#endif
#include "src/plan/pass.h"

#include <stdlib.h>
#include <string.h>

/* The largest sum of sizes alive at one step, and that step. */
static gsize
most_alive (const Cnn3dBuffer *buffers, guint n, guint *when)
{
  g_autofree gssize *change = NULL;
  gssize most = 0, sum = 0;
  guint n_steps = 0;

  for (guint i = 0; i < n; i++)
    n_steps = MAX (n_steps, buffers[i].last + 1);
  change = g_new0 (gssize, n_steps + 1);
  for (guint i = 0; i < n; i++) {
    change[buffers[i].first] += buffers[i].bytes;
    change[buffers[i].last + 1] -= buffers[i].bytes;
  }
  *when = 0;
  for (guint s = 0; s < n_steps; s++) {
    sum += change[s];
    if (sum > most) {
      most = sum;
      *when = s;
    }
  }
  return most;
}

gsize
cnn3d_pass_live (const Pass *pass, gsize *scratch)
{
  const Cnn3dBuffer *buffers = (const Cnn3dBuffer *) pass->buffers->data;
  guint when;
  const gsize most = most_alive (buffers, pass->buffers->len, &when);

  if (scratch)
    *scratch = 0;
  for (guint i = 0; scratch && i < pass->buffers->len; i++)
    if (buffers[i].first <= when && buffers[i].last >= when && !strcmp (buffers[i].kind, "scratch"))
      *scratch += buffers[i].bytes;
  return most;
}

static inline gsize
aligned (gsize bytes)
{
  return (bytes + CNN3D_ARENA_ALIGNMENT - 1) & ~(gsize) (CNN3D_ARENA_ALIGNMENT - 1);
}

#define NONE G_MAXUINT
#define BRIEF 8 /* lifetime, in steps, up to which a buffer is found by its first step */

typedef struct {
  gsize offset, end;
} Region;

typedef struct {
  Region region;
  guint first, last;
} Lasting;

/* The order in which buffers are placed. None is best for every plan. */
typedef enum {
  LARGEST_FIRST,
  LONGEST_FIRST,
  CROWD_FIRST,   /* alive at the peak step, longest first; then the largest */
  NEAREST_FIRST, /* to the peak step */
  EARLIEST_FIRST,
  LATEST_FIRST,
  N_ORDERS
} Order;

typedef struct {
  const Cnn3dBuffer *buffers;
  guint n, n_steps;
  guint crowd; /* the peak step */
  Order by;
  guint *order;  /* buffers, in the order of placement */
  gsize *offset; /* [buffer] */
  /* Placed buffers, found by their lifetime. Few live long, however many slices a batch has: they
   * are kept sorted by offset. */
  Lasting *lasting;
  guint n_lasting;
  guint *brief;  /* [step]: the last placed buffer that begins there; NONE: none */
  guint *before; /* [buffer]: the previously placed one that begins at the same step */
  Region *taken; /* capacity n + 1 */
} Packing;

/* A placement that is known, and how another order differs from it: one buffer comes earlier. */
typedef struct {
  const gsize *offset; /* [buffer] */
  guint from, to;      /* of the buffer, in its order and in the new one */
  guint64 *moved;      /* a bit a step: buffers with another offset are alive */
} Known;

/* Distance in steps from the buffer's lifetime to the peak step. */
static inline guint
distance (const Packing *p, const Cnn3dBuffer *b)
{
  return b->first > p->crowd ? b->first - p->crowd : b->last < p->crowd ? p->crowd - b->last : 0;
}

static gint
compare (gconstpointer a, gconstpointer b, gpointer data)
{
  const Packing *p = data;
  const guint i = *(const guint *) a, j = *(const guint *) b;
  const Cnn3dBuffer *x = &p->buffers[i], *y = &p->buffers[j];
  const guint x_life = x->last - x->first, y_life = y->last - y->first;
  const guint x_far = distance (p, x), y_far = distance (p, y);

  if (p->by == EARLIEST_FIRST && x->first != y->first)
    return x->first < y->first ? -1 : 1;
  if (p->by == LATEST_FIRST && x->last != y->last)
    return x->last > y->last ? -1 : 1;
  if (p->by == NEAREST_FIRST && x_far != y_far)
    return x_far < y_far ? -1 : 1;
  if (p->by == CROWD_FIRST && !x_far != !y_far)
    return x_far ? 1 : -1;
  if ((p->by == LONGEST_FIRST || (p->by == CROWD_FIRST && !x_far)) && x_life != y_life)
    return x_life > y_life ? -1 : 1;
  if (x->bytes != y->bytes)
    return x->bytes > y->bytes ? -1 : 1;
  return i < j ? -1 : i > j;
}

static inline Region
region_of (const Packing *p, guint i)
{
  return (Region) { p->offset[i], p->offset[i] + aligned (p->buffers[i].bytes) };
}

/* Adds a region to `n` that are sorted and further apart than `bytes`: what is between two that are
 * not is never a place. Returns their number. */
static inline guint
add_region (Region *taken, guint n, Region r, gsize bytes)
{
  guint i = n - 1, next;

  while (taken[i].offset > r.offset) /* the first one begins at 0 */
    i--;
  if (r.offset < taken[i].end + bytes) {
    taken[i].end = MAX (taken[i].end, r.end);
  } else {
    memmove (taken + i + 2, taken + i + 1, (n - i - 1) * sizeof *taken);
    taken[++i] = r;
    n++;
  }
  for (next = i + 1; next < n && taken[next].offset < taken[i].end + bytes; next++)
    taken[i].end = MAX (taken[i].end, taken[next].end);
  if (next > i + 1)
    memmove (taken + i + 1, taken + next, (n - next) * sizeof *taken);
  return n - (next - i - 1);
}

/* The tightest or the lowest gap between placed buffers that are alive while `b` is. */
static gsize
find_gap (Packing *p, const Cnn3dBuffer *b, gboolean lowest)
{
  const gsize bytes = aligned (b->bytes);
  const guint first = b->first, last = b->last;
  const Lasting *end = p->lasting + p->n_lasting;
  Region *taken = p->taken;
  gsize best = CNN3D_NOWHERE, best_gap = G_MAXSIZE;
  guint n = 1;

  taken[0] = (Region) { 0, 0 };
  for (const Lasting *l = p->lasting; l < end; l++)
    if (l->first <= last && l->last >= first) {
      if (l->region.offset >= taken[n - 1].end + bytes)
        taken[n++] = l->region;
      else
        taken[n - 1].end = MAX (taken[n - 1].end, l->region.end);
    }
  for (guint s = first - MIN (first, BRIEF); s <= last; s++)
    for (guint i = p->brief[s]; i != NONE; i = p->before[i])
      if (p->buffers[i].last >= first)
        n = add_region (taken, n, region_of (p, i), bytes);
  for (guint i = 1; i < n && !(lowest && best != CNN3D_NOWHERE); i++) {
    const gsize gap = taken[i].offset - taken[i - 1].end;

    if (gap < best_gap) {
      best = taken[i - 1].end;
      best_gap = gap;
    }
  }
  return best != CNN3D_NOWHERE ? best : taken[n - 1].end;
}

static void
note_placed (Packing *p, guint i)
{
  const Cnn3dBuffer *b = &p->buffers[i];
  guint k;

  if (b->last - b->first <= BRIEF) {
    p->before[i] = p->brief[b->first];
    p->brief[b->first] = i;
    return;
  }
  for (k = p->n_lasting++; k > 0 && p->lasting[k - 1].region.offset > p->offset[i]; k--)
    p->lasting[k] = p->lasting[k - 1];
  p->lasting[k] = (Lasting) { region_of (p, i), b->first, b->last };
}

/* Whether a buffer, number k of the order, may have another place than in the known placement:
 * another buffer that was placed before it is there. */
static gboolean
may_move (const Packing *p, const Known *known, guint k)
{
  const Cnn3dBuffer *b = &p->buffers[p->order[k]], *early = &p->buffers[p->order[known->to]];

  if (k <= known->from && early->first <= b->last && early->last >= b->first)
    return TRUE;
  for (guint word = b->first / 64; word <= b->last / 64; word++) {
    guint64 steps = G_MAXUINT64;

    if (word == b->first / 64)
      steps <<= b->first % 64;
    if (word == b->last / 64)
      steps &= G_MAXUINT64 >> (63 - b->last % 64);
    if (known->moved[word] & steps)
      return TRUE;
  }
  return FALSE;
}

static void
note_moved (const Known *known, const Cnn3dBuffer *b)
{
  for (guint s = b->first; s <= b->last; s++)
    known->moved[s / 64] |= G_GUINT64_CONSTANT (1) << s % 64;
}

/* Places the buffers in order, each in the tightest or the lowest gap. known: NULL, or a placement of
 * nearly the same order, and p->offset that of it. Returns the arena's size, or the size so far once
 * it is above `most`. */
static gsize
place (Packing *p, const Known *known, gboolean lowest, gsize most)
{
  gsize total = 0;

  p->n_lasting = 0;
  for (guint s = 0; s < p->n_steps; s++)
    p->brief[s] = NONE;
  if (known)
    memset (known->moved, 0, (p->n_steps / 64 + 1) * sizeof *known->moved);
  for (guint k = 0; k < p->n && total <= most; k++) {
    const guint i = p->order[k];

    if (!known || (k >= known->to && may_move (p, known, k))) {
      p->offset[i] = find_gap (p, &p->buffers[i], lowest);
      if (known && p->offset[i] != known->offset[i])
        note_moved (known, &p->buffers[i]);
    }
    total = MAX (total, region_of (p, i).end);
    note_placed (p, i);
  }
  return total;
}

#define PACK_WORK 100000 /* buffers placed in all tries of one climb */
#define PACK_GOOD 1.003  /* of the live bytes: not worth another try */

/* Moves the highest buffer to an earlier, random place in the order, or, also at random, one that
 * was in its way. */
static void
hurry_one (Packing *p, Known *known, gsize total, gboolean other, GRand *random)
{
  const gsize *offset = known->offset;
  guint highest = 0, late, from, to;

  while (offset[p->order[highest]] + aligned (p->buffers[p->order[highest]].bytes) < total)
    highest++;
  from = highest;
  if (other && highest > 0) {
    const Cnn3dBuffer *b = &p->buffers[p->order[highest]], *o;

    /* the next one from there on that is alive with it; at the latest itself */
    from = g_rand_int_range (random, 0, highest);
    while (o = &p->buffers[p->order[from]], o->last < b->first || o->first > b->last)
      from++;
  }
  to = from ? g_rand_int_range (random, 0, from) : 0;
  late = p->order[from];
  memmove (p->order + to + 1, p->order + to, (from - to) * sizeof *p->order);
  p->order[to] = late;
  known->from = from;
  known->to = to;
}

static void
sort_by (Packing *p, Order by)
{
  p->by = by;
  for (guint i = 0; i < p->n; i++)
    p->order[i] = i;
  qsort_r (p->order, p->n, sizeof *p->order, compare, p);
}

static void
keep_better (const Packing *p, Cnn3dBuffer *buffers, gsize total, gsize *best)
{
  if (total >= *best)
    return;
  *best = total;
  for (guint i = 0; i < p->n; i++)
    buffers[i].offset = p->offset[i];
}

/* Hill climbing from an order, in at most `tries` tries. */
static void
climb (Packing *p, Cnn3dBuffer *buffers, guint tries, gsize good, GRand *random, gsize *best)
{
  g_autofree guint *order = g_memdup2 (p->order, p->n * sizeof *p->order);
  g_autofree gsize *offset = NULL;
  g_autofree guint64 *moved = g_new (guint64, p->n_steps / 64 + 1);
  gsize now = place (p, NULL, FALSE, G_MAXSIZE);
  Known known = { .moved = moved };

  known.offset = offset = g_memdup2 (p->offset, p->n * sizeof *p->offset);
  for (guint t = 0; t < tries && *best > good; t++) {
    gsize total;

    memcpy (p->order, order, p->n * sizeof *order);
    memcpy (p->offset, offset, p->n * sizeof *offset);
    hurry_one (p, &known, now, t % 2, random);
    total = place (p, &known, FALSE, now);
    /* an equal result is kept: another buffer is highest then */
    if (total > now)
      continue;
    now = total;
    memcpy (order, p->order, p->n * sizeof *order);
    memcpy (offset, p->offset, p->n * sizeof *offset);
    keep_better (p, buffers, total, best);
  }
}

gsize
cnn3d_plan_pack (Cnn3dBuffer *buffers, guint n)
{
  static const Order starts[] = { CROWD_FIRST, LARGEST_FIRST, LONGEST_FIRST };
  g_autofree guint *order = g_new (guint, n), *before = g_new (guint, n), *brief = NULL;
  g_autofree gsize *offset = g_new (gsize, n);
  g_autofree Lasting *lasting = g_new (Lasting, n);
  g_autofree Region *taken = g_new (Region, n + 1);
  Packing p = { .buffers = buffers,
    .n = n,
    .order = order,
    .offset = offset,
    .lasting = lasting,
    .before = before,
    .taken = taken };
  gsize good, best = G_MAXSIZE;
  GRand *random;

  if (n == 0)
    return 0;
  for (guint i = 0; i < n; i++)
    p.n_steps = MAX (p.n_steps, buffers[i].last + 1);
  p.brief = brief = g_new (guint, p.n_steps);
  good = most_alive (buffers, n, &p.crowd) * PACK_GOOD;
  for (guint t = 0; t < 2 * N_ORDERS && best > good; t++) {
    sort_by (&p, t / 2);
    keep_better (&p, buffers, place (&p, NULL, t % 2, best), &best);
  }
  random = g_rand_new_with_seed (n); /* fixed seed: the same numbers for the same buffers */
  for (guint s = 0; s < G_N_ELEMENTS (starts) && best > good; s++) {
    sort_by (&p, starts[s]);
    climb (&p, buffers, PACK_WORK / n, good, random, &best);
  }
  g_rand_free (random);
  return best;
}
