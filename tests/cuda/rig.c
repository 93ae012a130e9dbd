/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/cuda/rig.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FENCE 64
#define FENCE_BYTE 0xa5
#define ROUNDS 2 /* in order, and in another order (on a GPU: again) */

const gchar *const rig_type_names[3] = { "f32", "f16", "bf16" };

static gsize
size_of (gint type)
{
  switch (type) {
    case RIG_DOUBLE:
      return 8;
    case CUDA_TYPE_F32:
    case RIG_INT:
      return 4;
    case RIG_BYTE:
      return 1;
    default:
      return 2;
  }
}

Array *
array_new_at (gint type, gsize n, gsize offset)
{
  Array *a = g_new0 (Array, 1);

  a->type = type;
  a->n = n;
  a->bytes = n * size_of (type);
  /* no larger than needed: the address sanitizer detects reads beyond the fence */
  a->whole = aligned_alloc (FENCE, (a->bytes + offset + 2 * FENCE + FENCE - 1) / FENCE * FENCE);
  g_assert_nonnull (a->whole);
  a->reach = FENCE + offset + a->bytes + FENCE;
  memset (a->whole, FENCE_BYTE, a->reach);
  a->data = a->whole + FENCE + offset;
  array_poison (a);
  rig_array_added (a);
  return a;
}

Array *
array_new (gint type, gsize n)
{
  return array_new_at (type, n, 0);
}

void
array_free (Array *a)
{
  rig_array_removed (a);
  free (a->whole);
  g_free (a);
}

void
array_poison (Array *a)
{
  memset (a->data, 0xff, a->bytes);
}

static guint32
float_bits (gfloat f)
{
  guint32 u;

  memcpy (&u, &f, sizeof u);
  return u;
}

static gfloat
bits_float (guint32 u)
{
  gfloat f;

  memcpy (&f, &u, sizeof f);
  return f;
}

static guint16
to_bf16 (gfloat f)
{
  const guint32 low = float_bits (f) & 0xffff, down = float_bits (f) >> 16;

  if (isnan (f))
    return down | 0x40;
  return low > 0x8000 || (low == 0x8000 && down % 2) ? down + 1 : down;
}

/* Rounded to the nearest, halves to even. */
static guint16
to_half (gfloat f)
{
  const guint16 sign = float_bits (f) >> 16 & 0x8000;
  const gdouble size = fabs ((gdouble) f);
  gint exponent;

  if (isnan (f))
    return 0x7fff;
  if (size >= 65520)
    return sign | 0x7c00;
  frexp (size, &exponent); /* the unit in the last place is 2^(exponent - 11) */
  exponent = size < 0x1p-14 ? -13 : exponent;
  return sign | (((exponent + 13) << 10) + (guint) rint (ldexp (size, 11 - exponent)));
}

static gfloat
from_half (guint16 h)
{
  const gint exponent = h >> 10 & 31, rest = h & 0x3ff;
  const gdouble size = exponent == 31 ? (rest ? NAN : INFINITY)
      : exponent                      ? ldexp (0x400 + rest, exponent - 25)
                                      : ldexp (rest, -24);

  return h & 0x8000 ? -size : size;
}

gdouble
array_get (const Array *a, gsize i)
{
  g_assert_cmpuint (i, <, a->n);
  switch (a->type) {
    case CUDA_TYPE_F32:
      return ((gfloat *) a->data)[i];
    case CUDA_TYPE_F16:
      return from_half (((guint16 *) a->data)[i]);
    case CUDA_TYPE_BF16:
      return bits_float ((guint32) ((guint16 *) a->data)[i] << 16);
    case RIG_DOUBLE:
      return ((gdouble *) a->data)[i];
    case RIG_INT:
      return ((gint32 *) a->data)[i];
    default:
      return ((guint8 *) a->data)[i];
  }
}

void
array_set (Array *a, gsize i, gdouble value)
{
  g_assert_cmpuint (i, <, a->n);
  switch (a->type) {
    case CUDA_TYPE_F32:
      ((gfloat *) a->data)[i] = value;
      break;
    case CUDA_TYPE_F16:
      ((guint16 *) a->data)[i] = to_half (value);
      break;
    case CUDA_TYPE_BF16:
      ((guint16 *) a->data)[i] = to_bf16 (value);
      break;
    case RIG_DOUBLE:
      ((gdouble *) a->data)[i] = value;
      break;
    case RIG_INT:
      ((gint32 *) a->data)[i] = value;
      break;
    default:
      ((guint8 *) a->data)[i] = value;
  }
}

gdouble
rig_round (gint type, gdouble value)
{
  switch (type) {
    case CUDA_TYPE_F32:
      return (gfloat) value;
    case CUDA_TYPE_F16:
      return from_half (to_half (value));
    case CUDA_TYPE_BF16:
      return bits_float ((guint32) to_bf16 (value) << 16);
    default:
      return value;
  }
}

/* --- numbers --- */

static guint64 state;

void
rig_seed (guint64 seed)
{
  state = seed * 1000003;
}

gdouble
rig_uniform (gdouble low, gdouble high)
{
  guint64 z = state +=
      G_GUINT64_CONSTANT (0x9E3779B97F4A7C15); /* splitmix64: Steele et al., OOPSLA 2014 */

  z = (z ^ z >> 30) * G_GUINT64_CONSTANT (0xBF58476D1CE4E5B9);
  z = (z ^ z >> 27) * G_GUINT64_CONSTANT (0x94D049BB133111EB);
  return low + (high - low) * ((z ^ z >> 31) >> 11) * 0x1p-53;
}

gsize
rig_below (gsize n)
{
  return MIN ((gsize) rig_uniform (0, n), n - 1);
}

Array *
array_random (gint type, gsize n, gdouble low, gdouble high)
{
  Array *a = array_new (type, n);

  for (gsize i = 0; i < n; i++) {
    const gdouble value = rig_uniform (low, high);

    array_set (a, i, low < 0 && rig_below (16) == 0 ? 0 : value);
  }
  return a;
}

/* --- comparisons --- */

static gboolean
is_unwritten (const Array *a, gsize i)
{
  const gsize size = size_of (a->type);
  const guint8 *p = (const guint8 *) a->data + i * size;

  for (gsize k = 0; k < size; k++)
    if (p[k] != 0xff)
      return FALSE;
  return a->type != RIG_BYTE;
}

/* Half a unit in the last place of a 16-bit type. */
static gdouble
half_ulp (gint type, gdouble value)
{
  gint exponent;

  if (type != CUDA_TYPE_F16 && type != CUDA_TYPE_BF16)
    return 0;
  frexp (value, &exponent);
  if (type == CUDA_TYPE_F16)
    return ldexp (1, MAX (exponent, -13) - 12);
  return ldexp (1, MAX (exponent, -125) - 9);
}

void
array_check_ (const Array *a, const gdouble *expected, const gchar *name, const gchar *where)
{
  gdouble squares = 0, size;
  gsize finite = 0;

  for (gsize i = 0; i < a->n; i++)
    if (isfinite (expected[i])) {
      squares += expected[i] * expected[i];
      finite++;
    }
  size = sqrt (squares / MAX (finite, 1));
  for (gsize i = 0; i < a->n; i++) {
    const gdouble got = array_get (a, i), in_type = rig_round (a->type, expected[i]);
    const gdouble bound =
        1e-5 * (size + fabs (expected[i])) + 1.001 * half_ulp (a->type, expected[i]);

    if (is_unwritten (a, i))
      g_error ("%s: %s[%" G_GSIZE_FORMAT "] was not written", where, name, i);
    if (isnan (in_type)       ? !isnan (got)
            : isinf (in_type) ? got != in_type
                              : !(fabs (got - expected[i]) <= bound))
      g_error ("%s: %s[%" G_GSIZE_FORMAT "] is %.9g, expected %.9g (bound %g)", where, name, i, got,
          expected[i], bound);
  }
}

void
array_check_same (const Array *a, const Array *b)
{
  g_assert_cmpuint (a->bytes, ==, b->bytes);
  g_assert_cmpmem (a->data, a->bytes, b->data, b->bytes);
}

static void
check_fences (const Array *a, const gchar *call)
{
  const guint8 *end = (const guint8 *) a->data + a->bytes;

  for (const guint8 *p = a->whole; p < end + FENCE; p++)
    if ((p < (const guint8 *) a->data || p >= end) && *p != FENCE_BYTE)
      g_error ("%s wrote beside its output", call);
}

void
orders_begin (Orders *o, Array **outputs, gsize n)
{
  g_assert_cmpuint (n, <=, G_N_ELEMENTS (o->before));
  *o = (Orders) { outputs, n, 0 };
  for (gsize i = 0; i < n; i++)
    o->before[i] = outputs[i] ? g_memdup2 (outputs[i]->data, outputs[i]->bytes) : NULL;
}

gboolean
orders_next (Orders *o, const gchar *call)
{
  if (o->error)
    g_error ("%s: error %d: %s", call, o->error, rig_explain (o->error));
  for (gsize i = 0; i < o->n && o->round; i++) {
    Array *a = o->outputs[i];

    if (!a)
      continue;
    check_fences (a, call);
    if (o->round == 1)
      o->after[i] = g_memdup2 (a->data, a->bytes);
    else if (memcmp (a->data, o->after[i], a->bytes))
      g_error ("%s: the result depends on the order of blocks or threads", call);
    if (o->round < ROUNDS)
      memcpy (a->data, o->before[i], a->bytes);
  }
  if (o->round == ROUNDS) {
    for (gsize i = 0; i < o->n; i++) {
      g_free (o->before[i]);
      g_free (o->after[i]);
    }
    rig_order (FALSE);
    return FALSE;
  }
  rig_order (o->round > 0);
  o->round++;
  return TRUE;
}
