/* Winograd's transforms along one axis, of vectors; included for each number of lanes. Needs LANES,
 * as vectors.h has them, and LINE(x). SPDX-License-Identifier: LGPL-2.1-or-later */

/* FOUR: F(4, 3) at the points 0, A, -A, B, -B and infinity. With f(p) the product
 * of p - q over the other finite points q, row p of B^T has the coefficients of
 * the product of x - q, G has (1, p, p^2) / f(p), A^T has (1, p, p^2, p^3). A of
 * 3/4 and B of 3/2 give half the error of 1 and 2.
 *
 * PAIR: y0 = w1 x0 + w2 x1, y1 = w0 x0 + w1 x1, as w1 (x0 + x1) + (w2 - w1) x1 and
 * w1 (x0 + x1) + (w0 - w1) x0. */
#define A 0.75f
#define B 1.5f
#define A2 (A * A)
#define B2 (B * B)
#define F0 (A2 * B2)
#define FA (2 * A2 * (A2 - B2))
#define FB (2 * B2 * (B2 - A2))

/* B^T */
INLINE void
LINE (input_four) (const VEC *x, VEC *v)
{
  const VEC even_a = x[4] - B2 * x[2], odd_a = x[3] - B2 * x[1];
  const VEC even_b = x[4] - A2 * x[2], odd_b = x[3] - A2 * x[1];

  v[0] = F0 * x[0] + (x[4] - (A2 + B2) * x[2]);
  v[1] = even_a + A * odd_a;
  v[2] = even_a - A * odd_a;
  v[3] = even_b + B * odd_b;
  v[4] = even_b - B * odd_b;
  v[5] = F0 * x[1] + (x[5] - (A2 + B2) * x[3]);
}

INLINE void
LINE (input_pair) (const VEC *x, VEC *v)
{
  v[0] = x[0] + x[1];
  v[1] = x[1];
  v[2] = x[0];
}

/* A^T */
INLINE void
LINE (output_four) (const VEC *v, VEC *y)
{
  const VEC sum_a = v[1] + v[2], difference_a = v[1] - v[2];
  const VEC sum_b = v[3] + v[4], difference_b = v[3] - v[4];

  y[0] = v[0] + sum_a + sum_b;
  y[1] = A * difference_a + B * difference_b;
  y[2] = A2 * sum_a + B2 * sum_b;
  y[3] = v[5] + A * A2 * difference_a + B * B2 * difference_b;
}

INLINE void
LINE (output_pair) (const VEC *v, VEC *y)
{
  y[0] = v[0] + v[1];
  y[1] = v[0] + v[2];
}

/* A */
INLINE void
LINE (gradient_four) (const VEC *y, VEC *v)
{
  const VEC even_a = y[0] + A2 * y[2], odd_a = y[1] + A2 * y[3];
  const VEC even_b = y[0] + B2 * y[2], odd_b = y[1] + B2 * y[3];

  v[0] = y[0];
  v[1] = even_a + A * odd_a;
  v[2] = even_a - A * odd_a;
  v[3] = even_b + B * odd_b;
  v[4] = even_b - B * odd_b;
  v[5] = y[3];
}

INLINE void
LINE (gradient_pair) (const VEC *y, VEC *v)
{
  v[0] = y[0] + y[1];
  v[1] = y[0];
  v[2] = y[1];
}

/* G */
INLINE void
LINE (weights_four) (const VEC *w, VEC *v)
{
  const VEC even_a = 1 / FA * w[0] + A2 / FA * w[2], even_b = 1 / FB * w[0] + B2 / FB * w[2];

  v[0] = 1 / F0 * w[0];
  v[1] = even_a + A / FA * w[1];
  v[2] = even_a - A / FA * w[1];
  v[3] = even_b + B / FB * w[1];
  v[4] = even_b - B / FB * w[1];
  v[5] = w[2];
}

INLINE void
LINE (weights_pair) (const VEC *w, VEC *v)
{
  v[0] = w[1];
  v[1] = w[2] - w[1];
  v[2] = w[0] - w[1];
}

/* G^T */
INLINE void
LINE (taps_four) (const VEC *v, VEC *w)
{
  const VEC sum_a = v[1] + v[2], sum_b = v[3] + v[4];

  w[0] = 1 / F0 * v[0] + 1 / FA * sum_a + 1 / FB * sum_b;
  w[1] = A / FA * (v[1] - v[2]) + B / FB * (v[3] - v[4]);
  w[2] = A2 / FA * sum_a + B2 / FB * sum_b + v[5];
}

INLINE void
LINE (taps_pair) (const VEC *v, VEC *w)
{
  w[0] = v[2];
  w[1] = v[0] - v[1] - v[2];
  w[2] = v[1];
}

INLINE void
LINE (point) (const VEC *x, VEC *y)
{
  y[0] = x[0];
}

#undef A
#undef B
#undef A2
#undef B2
#undef F0
#undef FA
#undef FB

/* Where the lines along each axis lie in a tile's buffer, [D][H][W][lane], as wide
 * and high as its points, and along D among values, `stride` apart: in floats from
 * one outer, one inner line, and one of its vectors to the next. */
typedef struct {
  gsize line, plane; /* of the buffer */
  gsize rows[3], columns[3], depths[3], values[3];
} LINE (Places);

INLINE
LINE (Places) LINE (places) (const CpuWinogradShape *s, gsize stride)
{
  const gsize height = cpu_winograd_points (s->axis[1]), width = cpu_winograd_points (s->axis[2]);
  const gsize line = width * LANES, plane = height * line;

  return (LINE (Places)) { line, plane, { plane, line, LANES }, { plane, LANES, line },
    { line, LANES, plane }, { width * stride, stride, height * width * stride } };
}

/* Lines of vectors along one axis: where they lie, in floats. */
INLINE void
LINE (lines) (void (*transform) (const VEC *, VEC *), const gint n_in, const gint n_out, gint outer,
    gint inner, const gfloat *from, const gsize from_at[3], gfloat *to, const gsize to_at[3])
{
  for (gint o = 0; o < outer; o++)
    for (gint i = 0; i < inner; i++) {
      const gfloat *f = from + o * from_at[0] + i * from_at[1];
      gfloat *t = to + o * to_at[0] + i * to_at[1];
      VEC in[6], out[6];

      for (gint k = 0; k < n_in; k++)
        in[k] = LOADF (f + k * from_at[2]);
      transform (in, out);
      for (gint k = 0; k < n_out; k++)
        STOREF (t + k * to_at[2], out[k]);
    }
}

#define TRANSFORM(name, n_four, n_pair, m_four, m_pair)                                          \
  INLINE void LINE (name##_lines) (CpuWinogradAxis axis, gint outer, gint inner,                 \
      const gfloat *from, const gsize from_at[3], gfloat *to, const gsize to_at[3])              \
  {                                                                                              \
    if (axis == CPU_WINOGRAD_FOUR)                                                               \
      LINE (lines) (LINE (name##_four), n_four, m_four, outer, inner, from, from_at, to, to_at); \
    else if (axis == CPU_WINOGRAD_PAIR)                                                          \
      LINE (lines) (LINE (name##_pair), n_pair, m_pair, outer, inner, from, from_at, to, to_at); \
    else if (from != to)                                                                         \
      LINE (lines) (LINE (point), 1, 1, outer, inner, from, from_at, to, to_at);                 \
  }
TRANSFORM (input, 6, 2, 6, 3)
TRANSFORM (output, 6, 3, 4, 2)
TRANSFORM (gradient, 4, 2, 6, 3)
TRANSFORM (weights, 3, 3, 6, 3)
TRANSFORM (taps, 6, 3, 3, 3)
#undef TRANSFORM
