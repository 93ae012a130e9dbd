/* One set of block kernels; included for each type and number of lanes. Needs TYPE and LANES, as
 * vectors.h has them, and RELU(v). SPDX-License-Identifier: LGPL-2.1-or-later */

static void
NAME (sums) (gconstpointer x_, gsize points, gdouble *sum)
{
  const ELEMENT *x = x_;
  DVEC s = LOADD (sum);

  for (gsize i = 0; i < points * LANES; i += LANES)
    s += __builtin_convertvector (LOAD (x + i), DVEC);
  STORED (sum, s);
}

static void
NAME (deviations) (gconstpointer x_, gsize points, const gfloat *mean_, gdouble *squares)
{
  const ELEMENT *x = x_;
  const VEC mean = LOADF (mean_);
  DVEC q = LOADD (squares);

  for (gsize i = 0; i < points * LANES; i += LANES) {
    const VEC d = LOAD (x + i) - mean;

    q += __builtin_convertvector (d * d, DVEC);
  }
  STORED (squares, q);
}

/* Up to 8 points with a residual and ReLU, and their byte of the mask. */
static inline __attribute__ ((always_inline)) void
NAME (normalize_masked) (
    const ELEMENT *x, const ELEMENT *r, ELEMENT *y, gint points, VEC scale, VEC bias, guint8 *mask)
{
  INT bits = { 0 };

  for (gint k = 0; k < points; k++) {
    const VEC v = RELU (LOAD (x + k * LANES) * scale + bias + LOAD (r + k * LANES));

    STORE (y + k * LANES, v);
    bits |= (INT) (v > 0) & (1 << k);
  }
  STOREBITS (mask, bits);
}

static void
NAME (normalize) (gconstpointer x_, gconstpointer residual_, gpointer y_, gsize points,
    const gfloat *scale_, const gfloat *bias_, gboolean relu, guint8 *mask)
{
  const ELEMENT *x = x_, *r = residual_;
  ELEMENT *y = y_;
  const VEC scale = LOADF (scale_), bias = LOADF (bias_);
  gsize p;

  if (mask) {
    for (p = 0; p + 8 <= points; p += 8, mask += LANES)
      NAME (normalize_masked) (x + p * LANES, r + p * LANES, y + p * LANES, 8, scale, bias, mask);
    if (p < points)
      NAME (normalize_masked) (
          x + p * LANES, r + p * LANES, y + p * LANES, points - p, scale, bias, mask);
  } else if (r && relu) {
    for (gsize i = 0; i < points * LANES; i += LANES)
      STORE (y + i, RELU (LOAD (x + i) * scale + bias + LOAD (r + i)));
  } else if (r) {
    for (gsize i = 0; i < points * LANES; i += LANES)
      STORE (y + i, LOAD (x + i) * scale + bias + LOAD (r + i));
  } else if (relu) {
    for (gsize i = 0; i < points * LANES; i += LANES)
      STORE (y + i, RELU (LOAD (x + i) * scale + bias));
  } else {
    for (gsize i = 0; i < points * LANES; i += LANES)
      STORE (y + i, LOAD (x + i) * scale + bias);
  }
}

/* Inlined with constants for what is NULL and for store: a loop for each case. */
static inline __attribute__ ((always_inline)) void
NAME (norm_sums_case) (ELEMENT *dy0, const ELEMENT *dy1, const guint8 *mask, const ELEMENT *x,
    gsize points, const gfloat *mean_, const gfloat *scale_, const gfloat *bias_, gboolean store,
    gfloat *sum, gfloat *product)
{
  const VEC mean = LOADF (mean_), zero = { 0 };
  const VEC scale = scale_ ? LOADF (scale_) : zero, bias = scale_ ? LOADF (bias_) : zero;
  VEC s = { 0 }, p = { 0 };
  INT bits = { 0 };

  for (gsize k = 0, i = 0; k < points; k++, i += LANES) {
    const VEC at = LOAD (x + i);
    VEC g = LOAD (dy0 + i);

    if (dy1)
      g += LOAD (dy1 + i);
    if (scale_)
      g = WHERE_POSITIVE (at * scale + bias, g);
    if (mask) {
      bits = k % 8 ? bits >> 1 : LOADBITS (mask + k / 8 * LANES);
      g = (VEC) ((INT) g & -(bits & 1));
    }
    if (store)
      STORE (dy0 + i, g);
    s += g;
    p += g * (at - mean);
  }
  STOREF (sum, LOADF (sum) + s);
  STOREF (product, LOADF (product) + p);
}

static void
NAME (norm_sums) (gpointer dy0, gconstpointer dy1, const guint8 *mask, gconstpointer x,
    gsize points, const gfloat *mean, const gfloat *scale, const gfloat *bias, gboolean store,
    gfloat *sum, gfloat *product)
{
#define CASE(dy1, mask, scale, store) \
  NAME (norm_sums_case) (dy0, dy1, mask, x, points, mean, scale, bias, store, sum, product)
  if (scale && dy1)
    store ? CASE (dy1, NULL, scale, TRUE) : CASE (dy1, NULL, scale, FALSE);
  else if (scale)
    store ? CASE (NULL, NULL, scale, TRUE) : CASE (NULL, NULL, scale, FALSE);
  else if (mask && dy1)
    store ? CASE (dy1, mask, NULL, TRUE) : CASE (dy1, mask, NULL, FALSE);
  else if (mask)
    store ? CASE (NULL, mask, NULL, TRUE) : CASE (NULL, mask, NULL, FALSE);
  else if (dy1)
    store ? CASE (dy1, NULL, NULL, TRUE) : CASE (dy1, NULL, NULL, FALSE);
  else
    CASE (NULL, NULL, NULL, FALSE); /* g is dy0 */
#undef CASE
}

static void
NAME (norm_input) (gconstpointer g_, gconstpointer x_, gpointer dx_, gsize points,
    const gfloat *mean_, const gfloat *scale_, const gfloat *bias_, const gfloat *a_,
    const gfloat *b_, const gfloat *c_)
{
  const ELEMENT *g = g_, *x = x_;
  ELEMENT *dx = dx_;
  const VEC mean = LOADF (mean_), a = LOADF (a_), b = LOADF (b_), c = LOADF (c_);

  if (scale_) {
    const VEC scale = LOADF (scale_), bias = LOADF (bias_);

    for (gsize i = 0; i < points * LANES; i += LANES) {
      const VEC at = LOAD (x + i);

      STORE (dx + i, a * WHERE_POSITIVE (at * scale + bias, LOAD (g + i)) + (b * (at - mean) + c));
    }
    return;
  }
  for (gsize i = 0; i < points * LANES; i += LANES)
    STORE (dx + i, a * LOAD (g + i) + (b * (LOAD (x + i) - mean) + c));
}

static void
NAME (sum) (gconstpointer x_, gsize points, gfloat *sum)
{
  const ELEMENT *x = x_;
  VEC s = { 0 };

  for (gsize i = 0; i < points * LANES; i += LANES)
    s += LOAD (x + i);
  STOREF (sum, LOADF (sum) + s);
}

static void
NAME (fill) (gpointer y_, gsize points, const gfloat *value)
{
  ELEMENT *y = y_;
  const VEC v = LOADF (value);

  for (gsize i = 0; i < points * LANES; i += LANES)
    STORE (y + i, v);
}

static void
NAME (add) (gpointer y_, gconstpointer x_, gsize points)
{
  ELEMENT *y = y_;
  const ELEMENT *x = x_;

  for (gsize i = 0; i < points * LANES; i += LANES)
    STORE (y + i, LOAD (y + i) + LOAD (x + i));
}

static void
NAME (scatter_add) (gpointer x_, gconstpointer y_, gsize points, gsize stride)
{
  ELEMENT *x = x_;
  const ELEMENT *y = y_;

  for (gsize i = 0; i < points; i++)
    STORE (x + i * stride * LANES, LOAD (x + i * stride * LANES) + LOAD (y + i * LANES));
}
