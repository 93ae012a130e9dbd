/* What waits in the store between the forward and the backward pass, and when it is copied.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/plan/pass.h"

#include <string.h>

/* A buffer that the backward pass reads long after the forward pass wrote it. Steps are numbered
 * as they are without copies. */
typedef struct {
  guint buffer;
  gint op;          /* that writes it */
  guint written;    /* the last step that writes it in the forward pass */
  guint read;       /* the last step that uses it in the forward pass */
  guint used;       /* the first step that uses it in the backward pass, or one just before that */
  guint free, load; /* before these steps its memory is free, and it begins to come back */
  /* With copies: */
  guint number[2];    /* of its copies: out, back */
  gsize place;        /* in the store */
  guint back;         /* the buffer that it comes back to */
  guint ends, begins; /* steps: the last of its first lifetime, and the first of its second */
} Parcel;

typedef struct {
  Pass *pass;
  const Cnn3dNetwork *net;
  const Cnn3dSizes *sizes;
  gint *segment;              /* [op] */
  GArray *forward, *backward; /* of guint: the first step of each block, in the pass's order */
  GArray *parcels;            /* of Parcel */
  const gboolean *stays;      /* [op] */
} Offload;

#define N_PLACES 11

static void
list_places (Cnn3dStep *s, gsize *places[N_PLACES])
{
  gsize *all[N_PLACES] = { &s->out, &s->saved, &s->statistics, &s->in, &s->residual, &s->scratch,
    &s->parameters, &s->dout[0], &s->dout[1], &s->din, &s->dresidual };

  memcpy (places, all, sizeof all);
}

static inline Cnn3dStep *
step_at (const Offload *o, guint i)
{
  return &g_array_index (o->pass->steps, Cnn3dStep, i);
}

static inline PassPlace *
place_at (const Offload *o, gsize i)
{
  return &g_array_index (o->pass->places, PassPlace, i);
}

static inline Cnn3dBuffer *
buffer_at (const Offload *o, gsize i)
{
  return &g_array_index (o->pass->buffers, Cnn3dBuffer, i);
}

/* --- blocks --- */

/* A step that recomputes belongs to the block of the next one that does not. */
static void
find_blocks (Offload *o)
{
  const guint n = o->pass->steps->len;
  g_autofree gint *block = g_new (gint, n + 1);

  block[n] = -1;
  for (guint i = n; i-- > 0;)
    block[i] = step_at (o, i)->phase == CNN3D_PHASE_RECOMPUTE ? block[i + 1]
                                                              : o->segment[step_at (o, i)->op];
  for (guint i = 0; i < n; i++)
    if (i == 0 || i == o->pass->n_forward || block[i] != block[i - 1])
      g_array_append_val (i < o->pass->n_forward ? o->forward : o->backward, i);
}

/* The last block that begins at a step or before it; G_MAXUINT: none. */
static guint
block_of (const GArray *begins, guint step)
{
  guint block = G_MAXUINT;

  for (guint i = 0; i < begins->len && g_array_index (begins, guint, i) <= step; i++)
    block = i;
  return block;
}

/* Nothing may come between a batch norm that defers and the convolution after it. */
static guint
before_deferred (const Offload *o, guint step)
{
  while (step > 0 && step_at (o, step - 1)->defers)
    step--;
  return step;
}

/* A step of the backward pass that computes much; copies begin before such. */
static gboolean
computes (const Offload *o, guint step)
{
  const Cnn3dStep *s = step_at (o, step);

  return s->phase == CNN3D_PHASE_BACKWARD
      || (s->phase == CNN3D_PHASE_BACKWARD_WEIGHTS && s->first == 0);
}

/* Sets when a parcel's memory is free: `slack` blocks later than when it is read for the last
 * time. */
static void
set_free (const Offload *o, Parcel *p, guint slack)
{
  guint next = block_of (o->forward, p->read) + 1;

  /* what the last step of a block writes is copied during the next one */
  if (next < o->forward->len && g_array_index (o->forward, guint, next) == p->written + 1)
    next++;
  next += slack;
  p->free = next < o->forward->len ? g_array_index (o->forward, guint, next) : o->pass->n_forward;
}

/* Sets when it comes back, as late as is good: under the gradients of the last convolution of the
 * block before, when most of that block's own memory is free. */
static void
set_load (const Offload *o, Parcel *p)
{
  const guint turn = block_of (o->backward, p->used);
  guint first, step;

  p->load = o->pass->n_forward;
  if (turn == G_MAXUINT || turn == 0)
    return;
  first = g_array_index (o->backward, guint, turn - 1);
  for (step = g_array_index (o->backward, guint, turn) - 1; step > first; step--)
    if (computes (o, step) && step_at (o, step)->phase == CNN3D_PHASE_BACKWARD_WEIGHTS)
      break;
  p->load = before_deferred (o, step);
}

/* Whether there is time for both copies. */
static gboolean
is_in_order (const Parcel *p)
{
  return p->written + 1 < p->free && p->free < p->load && p->load < p->used;
}

/* --- what may be stored --- */

/* Whether what an op computes may be stored: outputs of blocks, and of the stem, with which the
 * recomputation begins. */
static gboolean
ends_block (const Offload *o, gint op)
{
  const Cnn3dOpKind kind = o->net->ops[op].kind;

  return (guint) op + 1 < o->net->n_ops && o->segment[op + 1] != o->segment[op] && !o->stays[op]
      && (kind == CNN3D_OP_NORM || kind == CNN3D_OP_MAX_POOL);
}

/* Adds the buffer of a place that a forward step writes. */
static void
add_parcel (Offload *o, guint step, gsize place, gint *parcel)
{
  const Parcel p = { .op = step_at (o, step)->op, .written = step, .used = G_MAXUINT };

  if (place == CNN3D_NOWHERE)
    return;
  parcel[place_at (o, place)->buffer] = o->parcels->len;
  g_array_append_val (o->parcels, p);
  g_array_index (o->parcels, Parcel, o->parcels->len - 1).buffer = place_at (o, place)->buffer;
}

static void
find_parcels (Offload *o)
{
  g_autofree gint *parcel = g_new (gint, o->pass->buffers->len); /* [buffer]; -1: none */

  for (guint i = 0; i < o->pass->buffers->len; i++)
    parcel[i] = -1;
  for (guint i = 0; i < o->pass->n_forward; i++) {
    const Cnn3dStep *s = step_at (o, i);

    if (!ends_block (o, s->op))
      continue;
    add_parcel (o, i, s->out, parcel);
    /* masks and indices, which are small beside outputs, but add up; not a batch norm's vectors */
    if (o->sizes->saved[s->op] >= o->sizes->activation[o->net->ops[s->op].out] / 64)
      add_parcel (o, i, s->saved, parcel);
  }
  for (guint i = 0; o->parcels->len && i < o->pass->steps->len; i++) {
    const Cnn3dStep *s = step_at (o, i);
    const gsize places[N_PLACES] = { s->out, s->saved, s->statistics, s->in, s->residual,
      s->scratch, s->parameters, s->dout[0], s->dout[1], s->din, s->dresidual };

    for (guint k = 0; k < N_PLACES; k++) {
      const gint n = places[k] == CNN3D_NOWHERE ? -1 : parcel[place_at (o, places[k])->buffer];

      if (n >= 0 && i < o->pass->n_forward)
        g_array_index (o->parcels, Parcel, n).read = i;
      else if (n >= 0)
        g_array_index (o->parcels, Parcel, n).used =
            MIN (g_array_index (o->parcels, Parcel, n).used, i);
    }
  }
  for (guint i = o->parcels->len; i-- > 0;) {
    Parcel *p = &g_array_index (o->parcels, Parcel, i);

    if (p->used != G_MAXUINT) {
      p->used = before_deferred (o, p->used);
      set_free (o, p, 0);
      set_load (o, p);
    }
    if (p->used == G_MAXUINT || !is_in_order (p))
      g_array_remove_index (o->parcels, i);
  }
}

/* --- timing --- */

/* Bytes alive at each step; the copies' own steps need no memory. Free with g_free(). */
static gsize *
find_alive (const Offload *o)
{
  const guint n = o->pass->steps->len;
  gsize *alive = g_new0 (gsize, n + 1); /* modulo 2^64 until it is summed up */

  for (guint i = 0; i < o->pass->buffers->len; i++) {
    alive[buffer_at (o, i)->first] += buffer_at (o, i)->bytes;
    alive[buffer_at (o, i)->last + 1] -= buffer_at (o, i)->bytes;
  }
  for (guint i = 0; i < o->parcels->len; i++) {
    const Parcel *p = &g_array_index (o->parcels, Parcel, i);

    alive[p->free] -= buffer_at (o, p->buffer)->bytes;
    alive[p->load] += buffer_at (o, p->buffer)->bytes;
  }
  for (guint i = 1; i < n; i++)
    alive[i] += alive[i - 1];
  return alive;
}

static gsize
find_peak (const Offload *o, const gsize *alive)
{
  gsize peak = 0;

  for (guint i = 0; i < o->pass->steps->len; i++)
    peak = MAX (peak, alive[i]);
  return peak;
}

#define MOST_AHEAD 2 /* blocks */

/* Lets a parcel come back as early as does not raise the peak. */
static void
load_early (const Offload *o, Parcel *p, gsize *alive, gsize peak)
{
  const gsize bytes = buffer_at (o, p->buffer)->bytes;
  const guint turn = block_of (o->backward, p->used), latest = p->load;
  const guint first =
      MAX (p->free + 1, g_array_index (o->backward, guint, turn - MIN (turn, MOST_AHEAD)));
  guint floor = latest;

  while (floor > first && alive[floor - 1] + bytes <= peak)
    floor--;
  for (guint step = floor; step < latest; step++) {
    const guint load = before_deferred (o, step);

    if (load < floor || (step != floor && !computes (o, step)))
      continue;
    for (guint i = load; i < latest; i++)
      alive[i] += bytes;
    p->load = load;
    return;
  }
}

/* Lets a parcel be free a block later if that does not raise the peak. */
static void
free_late (const Offload *o, Parcel *p, gsize *alive, gsize peak)
{
  const gsize bytes = buffer_at (o, p->buffer)->bytes;
  const guint soonest = p->free;
  gboolean fits;

  set_free (o, p, 1);
  fits = is_in_order (p);
  for (guint i = soonest; fits && i < p->free; i++)
    fits = alive[i] + bytes <= peak;
  if (!fits)
    p->free = soonest;
  for (guint i = soonest; i < p->free; i++)
    alive[i] += bytes;
}

/* What is copied has as much time as does not raise the peak. */
static void
take_time (Offload *o)
{
  g_autofree gsize *alive = find_alive (o);
  const gsize peak = find_peak (o, alive);

  for (guint i = 0; i < o->parcels->len; i++) {
    Parcel *p = &g_array_index (o->parcels, Parcel, i);

    free_late (o, p, alive, peak);
    load_early (o, p, alive, peak);
  }
}

/* --- steps --- */

static gsize
new_place (Offload *o, gsize buffer)
{
  const PassPlace place = { buffer, 0 };

  g_array_append_val (o->pass->places, place);
  return o->pass->places->len - 1;
}

/* parcel: NULL for a wait. */
static void
add_copy (Offload *o, GArray *steps, Cnn3dPhase phase, gint op, guint number, const Parcel *parcel)
{
  Cnn3dStep s = { .op = op, .phase = phase, .copy = number };
  gsize *places[N_PLACES];

  list_places (&s, places);
  for (guint k = 0; k < N_PLACES; k++)
    *places[k] = CNN3D_NOWHERE;
  if (parcel) {
    s.copy_bytes = buffer_at (o, parcel->buffer)->bytes;
    s.stored = parcel->place;
  }
  if (phase == CNN3D_PHASE_STORE)
    s.in = new_place (o, parcel->buffer);
  else if (phase == CNN3D_PHASE_LOAD)
    s.out = new_place (o, parcel->back);
  g_array_append_val (steps, s);
}

/* Inserts the copies that come before step `i`; they may end a parcel's lifetime at its first place,
 * and begin that at the place where it comes back. */
static void
add_copies (Offload *o, GArray *steps, guint i, guint *copies, guint *awaited)
{
  guint last = *awaited;
  gint op = -1;

  for (guint k = 0; k < o->parcels->len; k++)
    for (gint way = 0; way < 2; way++) {
      const Parcel *p = &g_array_index (o->parcels, Parcel, k);

      /* copies end in order: the last one stands for all before */
      if ((way ? p->used : p->free) == i && p->number[way] >= last) {
        last = p->number[way] + 1;
        op = p->op;
      }
    }
  if (op >= 0)
    add_copy (o, steps, CNN3D_PHASE_WAIT, op, last - 1, NULL);
  *awaited = last;
  for (gint way = 0; way < 2; way++)
    for (guint k = 0; k < o->parcels->len; k++) {
      Parcel *p = &g_array_index (o->parcels, Parcel, k);

      if (!way && p->free == i)
        p->ends = steps->len - 1;
      if ((way ? p->load : p->written + 1) != i)
        continue;
      p->number[way] = (*copies)++;
      if (way)
        p->begins = steps->len;
      add_copy (o, steps, way ? CNN3D_PHASE_LOAD : CNN3D_PHASE_STORE, p->op, p->number[way], p);
    }
}

static gint
soonest_first (gconstpointer a, gconstpointer b)
{
  const Parcel *x = a, *y = b;

  return x->used != y->used ? (x->used < y->used ? -1 : 1) : x->buffer < y->buffer ? -1 : 1;
}

/* Gives each parcel a place in the store, and a buffer to come back to, which the backward pass
 * uses. Returns the store's bytes. */
static gsize
part (Offload *o)
{
  gsize bytes = 0, *places[N_PLACES];

  for (guint k = 0; k < o->parcels->len; k++) {
    Parcel *p = &g_array_index (o->parcels, Parcel, k);
    const Cnn3dBuffer whole = *buffer_at (o, p->buffer);

    p->place = bytes;
    bytes += (whole.bytes + CNN3D_ARENA_ALIGNMENT - 1) & ~(gsize) (CNN3D_ARENA_ALIGNMENT - 1);
    g_array_append_val (o->pass->buffers, whole);
    p->back = o->pass->buffers->len - 1;
    for (guint i = o->pass->n_forward; i < o->pass->steps->len; i++) {
      list_places (step_at (o, i), places);
      for (guint j = 0; j < N_PLACES; j++)
        if (*places[j] != CNN3D_NOWHERE && place_at (o, *places[j])->buffer == p->buffer)
          place_at (o, *places[j])->buffer = p->back;
    }
  }
  return bytes;
}

/* Inserts the steps of the copies. Returns the store's bytes. */
static gsize
insert (Offload *o)
{
  const guint n = o->pass->steps->len;
  GArray *steps = g_array_new (FALSE, FALSE, sizeof (Cnn3dStep));
  g_autofree guint *number = g_new (guint, n); /* [step]: with the copies */
  guint copies = 0, awaited = 0;
  gsize bytes;

  /* of two that begin to come back at once, first the one that is needed first */
  g_array_sort (o->parcels, soonest_first);
  bytes = part (o);
  for (guint i = 0; i < n; i++) {
    add_copies (o, steps, i, &copies, &awaited);
    number[i] = steps->len;
    g_array_append_val (steps, *step_at (o, i));
  }
  for (guint i = 0; i < o->pass->buffers->len; i++) {
    buffer_at (o, i)->first = number[buffer_at (o, i)->first];
    buffer_at (o, i)->last = number[buffer_at (o, i)->last];
  }
  for (guint k = 0; k < o->parcels->len; k++) {
    const Parcel *p = &g_array_index (o->parcels, Parcel, k);

    buffer_at (o, p->buffer)->last = p->ends;
    buffer_at (o, p->back)->first = p->begins;
  }
  o->pass->n_forward = number[o->pass->n_forward - 1] + 1;
  g_array_unref (o->pass->steps);
  o->pass->steps = steps;
  return bytes;
}

/* --- both --- */

static void
offload_init (
    Offload *o, Pass *pass, const Cnn3dNetwork *net, const Cnn3dSizes *sizes, const gboolean *stays)
{
  *o = (Offload) {
    .pass = pass, .net = net, .sizes = sizes, .segment = cnn3d_pass_segments (net), .stays = stays
  };
  o->forward = g_array_new (FALSE, FALSE, sizeof (guint));
  o->backward = g_array_new (FALSE, FALSE, sizeof (guint));
  o->parcels = g_array_new (FALSE, FALSE, sizeof (Parcel));
  find_blocks (o);
  find_parcels (o);
}

static void
offload_clear (Offload *o)
{
  g_free (o->segment);
  g_array_unref (o->forward);
  g_array_unref (o->backward);
  g_array_unref (o->parcels);
}

gsize
cnn3d_pass_offload_live (
    Pass *pass, const Cnn3dNetwork *net, const Cnn3dSizes *sizes, const gboolean *stays)
{
  g_autofree gsize *alive = NULL;
  Offload o;
  gsize bytes;

  offload_init (&o, pass, net, sizes, stays);
  alive = find_alive (&o);
  bytes = find_peak (&o, alive);
  offload_clear (&o);
  return bytes;
}

gsize
cnn3d_pass_offload (Pass *pass, const Cnn3dNetwork *net, const Cnn3dSizes *sizes,
    const gboolean *stays, gboolean in_time)
{
  Offload o;
  gsize bytes;

  offload_init (&o, pass, net, sizes, stays);
  if (in_time)
    take_time (&o);
  bytes = insert (&o);
  offload_clear (&o);
  return bytes;
}
