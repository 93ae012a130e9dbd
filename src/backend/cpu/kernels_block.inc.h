/* One set of block kernels; included for each type and number of lanes.
 * Needs: NAME(x), ELEMENT, LANES, and of this LANES the types and functions of
 * kernels_variant.c. SPDX-License-Identifier: LGPL-2.1-or-later */

static void
NAME (stats) (gconstpointer x_, gsize points, gdouble *sum, gdouble *squares)
{
  const ELEMENT *x = x_;
  DVEC s = LOADD (sum), q = LOADD (squares);

  for (gsize i = 0; i < points * LANES; i += LANES) {
    const DVEC a = __builtin_convertvector (LOAD (x + i), DVEC);

    s += a;
    q += a * a;
  }
  STORED (sum, s);
  STORED (squares, q);
}

static void
NAME (normalize) (gconstpointer x_, gconstpointer residual_, gpointer y_, gsize points,
    const gfloat *scale_, const gfloat *bias_, gboolean relu)
{
  const ELEMENT *x = x_, *r = residual_;
  ELEMENT *y = y_;
  const VEC scale = LOADF (scale_), bias = LOADF (bias_);

  if (r && relu)
    for (gsize i = 0; i < points * LANES; i += LANES)
      STORE (y + i, RELU (LOAD (x + i) * scale + bias + LOAD (r + i)));
  else if (r)
    for (gsize i = 0; i < points * LANES; i += LANES)
      STORE (y + i, LOAD (x + i) * scale + bias + LOAD (r + i));
  else if (relu)
    for (gsize i = 0; i < points * LANES; i += LANES)
      STORE (y + i, RELU (LOAD (x + i) * scale + bias));
  else
    for (gsize i = 0; i < points * LANES; i += LANES)
      STORE (y + i, LOAD (x + i) * scale + bias);
}

/* Inlined with constants for dy1, y and store: a loop for each case. */
static inline __attribute__((always_inline)) void
NAME (norm_sums_case) (ELEMENT *dy0, const ELEMENT *dy1, const ELEMENT *y, const ELEMENT *x, gsize points,
    const gfloat *mean_, gboolean store, gfloat *sum, gfloat *product)
{
  const VEC mean = LOADF (mean_);
  VEC s = { 0 }, p = { 0 };

  for (gsize i = 0; i < points * LANES; i += LANES) {
    VEC g = LOAD (dy0 + i);

    if (dy1)
      g += LOAD (dy1 + i);
    if (y)
      g = WHERE_POSITIVE (LOAD (y + i), g);
    if (store)
      STORE (dy0 + i, g);
    s += g;
    p += g * (LOAD (x + i) - mean);
  }
  STOREF (sum, LOADF (sum) + s);
  STOREF (product, LOADF (product) + p);
}

static void
NAME (norm_sums) (gpointer dy0, gconstpointer dy1, gconstpointer y, gconstpointer x, gsize points,
    const gfloat *mean, gboolean store, gfloat *sum, gfloat *product)
{
  if (dy1 && y)
    NAME (norm_sums_case) (dy0, dy1, y, x, points, mean, store, sum, product);
  else if (dy1)
    NAME (norm_sums_case) (dy0, dy1, NULL, x, points, mean, store, sum, product);
  else if (y)
    NAME (norm_sums_case) (dy0, NULL, y, x, points, mean, store, sum, product);
  else
    NAME (norm_sums_case) (dy0, NULL, NULL, x, points, mean, FALSE, sum, product);
}

static void
NAME (norm_input) (gconstpointer g_, gconstpointer x_, gpointer dx_, gsize points, const gfloat *mean_,
    const gfloat *a_, const gfloat *b_, const gfloat *c_)
{
  const ELEMENT *g = g_, *x = x_;
  ELEMENT *dx = dx_;
  const VEC mean = LOADF (mean_), a = LOADF (a_), b = LOADF (b_), c = LOADF (c_);

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
NAME (gather) (gpointer y_, gconstpointer x_, gsize points, gsize stride)
{
  ELEMENT *y = y_;
  const ELEMENT *x = x_;

  for (gsize i = 0; i < points; i++)
    memcpy (y + i * LANES, x + i * stride * LANES, LANES * sizeof *y);
}

static void
NAME (scatter_add) (gpointer x_, gconstpointer y_, gsize points, gsize stride)
{
  ELEMENT *x = x_;
  const ELEMENT *y = y_;

  for (gsize i = 0; i < points; i++)
    STORE (x + i * stride * LANES, LOAD (x + i * stride * LANES) + LOAD (y + i * LANES));
}
