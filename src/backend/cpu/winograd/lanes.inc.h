/* What Winograd does to weights, and its products: included for each number of
 * lanes, behind transforms.inc.h. Needs what that needs, ROWS and EACH_ROW(x), which
 * is x(1) to x(ROWS). SPDX-License-Identifier: LGPL-2.1-or-later */

/* Weights of one input (or, transposed, output): `tap` floats from one tap to the
 * next. */
INLINE const gfloat *
LINE (first_tap) (const CpuWinogradShape *s, const gfloat *w, gsize tap)
{
  gsize skipped = 0;

  for (gint k = 0; k < 3; k++)
    skipped = skipped * s->taps[k] + (s->axis[k] == CPU_WINOGRAD_POINT ? s->taps[k] / 2 : 0);
  return w + skipped * tap;
}

static void
LINE (transform_taps) (
    const CpuWinogradShape *s, const gfloat *w, gsize tap, gfloat *values, gsize stride)
{
  const gint height = cpu_winograd_points (s->axis[1]), width = cpu_winograd_points (s->axis[2]);
  const gint depth_taps = cpu_winograd_taps (s->axis[0]),
             height_taps = cpu_winograd_taps (s->axis[1]);
  const gsize taps_at[3] = { s->taps[1] * s->taps[2] * tap, s->taps[2] * tap, tap };
  const LINE (Places) at = LINE (places) (s, stride);
  gfloat b[CPU_WINOGRAD_MOST_POINTS * LANES] __attribute__ ((aligned (64)));

  LINE (weights_lines) (
      s->axis[2], depth_taps, height_taps, LINE (first_tap) (s, w, tap), taps_at, b, at.rows);
  LINE (weights_lines) (s->axis[1], depth_taps, width, b, at.columns, b, at.columns);
  LINE (weights_lines) (s->axis[0], height, width, b, at.depths, values, at.values);
}

/* b[j][i] = a[i][j] */
INLINE void
LINE (transpose) (const gfloat *a, gfloat *b)
{
  VEC r[LANES];

#pragma GCC unroll 16
  for (gint i = 0; i < LANES; i++)
    r[i] = LOADF (a + i * LANES);
#pragma GCC unroll 4
  for (gint s = LANES / 2; s > 0; s /= 2) {
    INT low, high;

#pragma GCC unroll 16
    for (gint i = 0; i < LANES; i++) {
      low[i] = i & s ? LANES + i - s : i;
      high[i] = i & s ? LANES + i : i + s;
    }
#pragma GCC unroll 16
    for (gint i = 0; i < LANES; i++)
      if (!(i & s)) {
        const VEC first = r[i], second = r[i + s];

        r[i] = __builtin_shuffle (first, second, low);
        r[i + s] = __builtin_shuffle (first, second, high);
      }
  }
#pragma GCC unroll 16
  for (gint i = 0; i < LANES; i++)
    STOREF (b + i * LANES, r[i]);
}

static void
LINE (weights) (const CpuWinogradShape *s, const gfloat *w, gboolean transposed, gfloat *values,
    gsize stride, gsize row)
{
  const gint taps = s->taps[0] * s->taps[1] * s->taps[2];
  gfloat b[27 * LANES * LANES] __attribute__ ((aligned (64)));

  if (transposed) {
    for (gint k = 0; k < taps; k++)
      LINE (transpose) (w + (gsize) (taps - 1 - k) * LANES * LANES, b + (gsize) k * LANES * LANES);
    w = b;
  }
  for (gint i = 0; i < LANES; i++)
    LINE (transform_taps) (s, w + i * LANES, LANES * LANES, values + i * row, stride);
}

static void
LINE (weights_gradient) (const CpuWinogradShape *s, const gfloat *values, gsize stride, gsize row,
    gfloat *dw, gboolean adds)
{
  const gint height = cpu_winograd_points (s->axis[1]), width = cpu_winograd_points (s->axis[2]);
  const gint taps = s->taps[0] * s->taps[1] * s->taps[2];
  const gint depth_taps = cpu_winograd_taps (s->axis[0]),
             height_taps = cpu_winograd_taps (s->axis[1]);
  const gint width_taps = cpu_winograd_taps (s->axis[2]);
  const gsize tap = LANES * LANES;
  const LINE (Places) at = LINE (places) (s, stride);
  gfloat b[CPU_WINOGRAD_MOST_POINTS * LANES] __attribute__ ((aligned (64)));

  if (!adds)
    memset (dw, 0, taps * tap * sizeof *dw);
  for (gint i = 0; i < LANES; i++) {
    const gfloat *from = values + i * row;
    gfloat *to = (gfloat *) LINE (first_tap) (s, dw, tap) + i * LANES;

    LINE (taps_lines) (s->axis[0], height, width, from, at.values, b, at.depths);
    LINE (taps_lines) (s->axis[1], depth_taps, width, b, at.columns, b, at.columns);
    LINE (taps_lines) (s->axis[2], depth_taps, height_taps, b, at.rows, b, at.rows);
    for (gint d = 0; d < depth_taps; d++)
      for (gint h = 0; h < height_taps; h++)
        for (gint w = 0; w < width_taps; w++) {
          gfloat *t = to + ((d * s->taps[1] + h) * s->taps[2] + w) * tap;

          STOREF (t, LOADF (t) + LOADF (b + d * at.plane + h * at.line + w * LANES));
        }
  }
}

/* Rows `first` to first + rows of a product, in registers. */
INLINE void
LINE (product_rows) (const gint rows, const gint columns, const gsize a_row, const gsize a_step,
    const CpuWinogradProduct *p, gint first)
{
  const gfloat *b = p->b;
  gfloat *c = p->c + first * p->c_row;
  VEC sums[ROWS][2];

#pragma GCC unroll 16
  for (gint r = 0; r < rows; r++)
#pragma GCC unroll 2
    for (gint k = 0; k < columns; k++)
      sums[r][k] = p->adds ? LOADF (c + r * p->c_row + k * p->c_column) : (VEC) { 0 };
  for (gint block = 0; block < p->blocks; block++) {
    const gfloat *a = p->a + first * a_row + block * p->a_block;

    for (gint i = 0; i < p->steps; i++, a += a_step, b += columns * LANES) {
      const VEC b0 = LOADF (b), b1 = columns == 2 ? LOADF (b + LANES) : b0;

#pragma GCC unroll 16
      for (gint r = 0; r < rows; r++) {
        const gfloat factor = a[r * a_row];

        sums[r][0] += factor * b0;
        if (columns == 2)
          sums[r][1] += factor * b1;
      }
    }
  }
#pragma GCC unroll 16
  for (gint r = 0; r < rows; r++)
#pragma GCC unroll 2
    for (gint k = 0; k < columns; k++)
      STOREF (c + r * p->c_row + k * p->c_column, sums[r][k]);
}

#define DEFINE(n)                                                               \
  static void LINE (tiles_##n##_1) (const CpuWinogradProduct *p, gint first)    \
  {                                                                             \
    LINE (product_rows) (n, 1, LANES, 1, p, first);                             \
  }                                                                             \
  static void LINE (tiles_##n##_2) (const CpuWinogradProduct *p, gint first)    \
  {                                                                             \
    LINE (product_rows) (n, 2, LANES, 1, p, first);                             \
  }                                                                             \
  static void LINE (channels_##n##_1) (const CpuWinogradProduct *p, gint first) \
  {                                                                             \
    LINE (product_rows) (n, 1, 1, LANES, p, first);                             \
  }                                                                             \
  static void LINE (channels_##n##_2) (const CpuWinogradProduct *p, gint first) \
  {                                                                             \
    LINE (product_rows) (n, 2, 1, LANES, p, first);                             \
  }
EACH_ROW (DEFINE)
#undef DEFINE

#define TILES_1(n) LINE (tiles_##n##_1),
#define TILES_2(n) LINE (tiles_##n##_2),
#define CHANNELS_1(n) LINE (channels_##n##_1),
#define CHANNELS_2(n) LINE (channels_##n##_2),
static void (*const LINE (tiles)[2][ROWS]) (
    const CpuWinogradProduct *, gint) = { { EACH_ROW (TILES_1) }, { EACH_ROW (TILES_2) } };
static void (*const LINE (channels)[2][ROWS]) (
    const CpuWinogradProduct *, gint) = { { EACH_ROW (CHANNELS_1) }, { EACH_ROW (CHANNELS_2) } };
#undef TILES_1
#undef TILES_2
#undef CHANNELS_1
#undef CHANNELS_2

/* In as few goes as do, of about as many rows each. */
INLINE void
LINE (product_in_goes) (
    const CpuWinogradProduct *p, void (*const *rows) (const CpuWinogradProduct *, gint))
{
  const gint goes = (p->rows + ROWS - 1) / ROWS;

  for (gint go = 0, first = 0; go < goes; go++) {
    const gint n = (p->rows - first + goes - go - 1) / (goes - go);

    rows[n - 1](p, first);
    first += n;
  }
}

static void
LINE (product) (const CpuWinogradProduct *p)
{
  LINE (product_in_goes) (p, LINE (tiles)[p->columns - 1]);
}

static void
LINE (product_transposed) (const CpuWinogradProduct *p)
{
  LINE (product_in_goes) (p, LINE (channels)[p->columns - 1]);
}
