/* Tiles of activations; included for each type of them and number of lanes,
 * behind transforms.inc.h. Needs what that needs, and TYPE.
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/* n vectors of a row from place `first` on, 0 where it has none. */
INLINE void
NAME (read_row) (const ELEMENT *row, gint first, const gint n, gint size, VEC *x)
{
  if (first >= 0 && first + n <= size) {
    for (gint k = 0; k < n; k++)
      x[k] = LOAD (row + (gssize) (first + k) * LANES);
  } else {
    for (gint k = 0; k < n; k++)
      x[k] = first + k >= 0 && first + k < size ? LOAD (row + (gssize) (first + k) * LANES)
                                                : (VEC) { 0 };
  }
}

#define READ(name, n, m)                               \
  do {                                                 \
    VEC in[6], out[6];                                 \
    NAME (read_row) (row, from[2], n, s->size[2], in); \
    LINE (name) (in, out);                             \
    for (gint k = 0; k < m; k++)                       \
      STOREF (to + k * LANES, out[k]);                 \
  } while (0)

/* A box of `n` inputs from `from` on to its values: of an input or, with
 * `gradient`, of an output's gradient. */
INLINE void
NAME (read_box) (const CpuWinogradShape *s, const ELEMENT *x, const gint from[3], const gint n[3],
    const gboolean gradient, gfloat *values, gsize stride)
{
  const gint height = cpu_winograd_points (s->axis[1]), width = cpu_winograd_points (s->axis[2]);
  const LINE (Places) at = LINE (places) (s, stride);
  gfloat b[CPU_WINOGRAD_MOST_POINTS * LANES] __attribute__ ((aligned (64)));

  for (gint d = 0; d < n[0]; d++)
    for (gint h = 0; h < n[1]; h++) {
      const gint z = from[0] + d, y = from[1] + h;
      const ELEMENT *row = x + ((gssize) z * s->size[1] + y) * s->size[2] * LANES;
      gfloat *to = b + d * at.plane + h * at.line;

      if (z < 0 || z >= s->size[0] || y < 0 || y >= s->size[1])
        memset (to, 0, at.line * sizeof *to);
      else if (s->axis[2] == CPU_WINOGRAD_POINT)
        READ (point, 1, 1);
      else if (s->axis[2] == CPU_WINOGRAD_PAIR && gradient)
        READ (gradient_pair, 2, 3);
      else if (s->axis[2] == CPU_WINOGRAD_PAIR)
        READ (input_pair, 2, 3);
      else if (gradient)
        READ (gradient_four, 4, 6);
      else
        READ (input_four, 6, 6);
    }
  if (gradient) {
    LINE (gradient_lines) (s->axis[1], n[0], width, b, at.columns, b, at.columns);
    LINE (gradient_lines) (s->axis[0], height, width, b, at.depths, values, at.values);
  } else {
    LINE (input_lines) (s->axis[1], n[0], width, b, at.columns, b, at.columns);
    LINE (input_lines) (s->axis[0], height, width, b, at.depths, values, at.values);
  }
}
#undef READ

static void
NAME (input) (
    const CpuWinogradShape *s, gconstpointer x, const gint tile[3], gfloat *values, gsize stride)
{
  gint from[3], n[3];

  for (gint k = 0; k < 3; k++) {
    const gboolean four = s->axis[k] == CPU_WINOGRAD_FOUR;

    from[k] = tile[k] * cpu_winograd_outputs (s->axis[k]) - four;
    n[k] = four ? 6 : cpu_winograd_outputs (s->axis[k]);
  }
  NAME (read_box) (s, x, from, n, FALSE, values, stride);
}

static void
NAME (gradient) (
    const CpuWinogradShape *s, gconstpointer dy, const gint tile[3], gfloat *values, gsize stride)
{
  gint from[3], n[3];

  for (gint k = 0; k < 3; k++) {
    n[k] = cpu_winograd_outputs (s->axis[k]);
    from[k] = tile[k] * n[k];
  }
  NAME (read_box) (s, dy, from, n, TRUE, values, stride);
}

#define WRITE(name, n, m)               \
  do {                                  \
    VEC in[6], out[6];                  \
    for (gint k = 0; k < n; k++)        \
      in[k] = LOADF (row + k * LANES);  \
    LINE (name) (in, out);              \
    for (gint k = 0; k < m; k++)        \
      if (k < last[2])                  \
        STORE (to + k * LANES, out[k]); \
  } while (0)

static void
NAME (output) (
    const CpuWinogradShape *s, const gfloat *values, gsize stride, const gint tile[3], gpointer y)
{
  const gint height = cpu_winograd_points (s->axis[1]), width = cpu_winograd_points (s->axis[2]);
  const LINE (Places) at = LINE (places) (s, stride);
  gfloat b[CPU_WINOGRAD_MOST_POINTS * LANES] __attribute__ ((aligned (64)));
  gint from[3], last[3];

  for (gint k = 0; k < 3; k++) {
    const gint m = cpu_winograd_outputs (s->axis[k]);

    from[k] = tile[k] * m;
    last[k] = MIN (m, s->size[k] - from[k]);
  }
  LINE (output_lines) (s->axis[0], height, width, values, at.values, b, at.depths);
  LINE (output_lines) (s->axis[1], last[0], width, b, at.columns, b, at.columns);
  for (gint d = 0; d < last[0]; d++)
    for (gint h = 0; h < last[1]; h++) {
      const gfloat *row = b + d * at.plane + h * at.line;
      ELEMENT *to = (ELEMENT *) y
          + (((gsize) (from[0] + d) * s->size[1] + from[1] + h) * s->size[2] + from[2]) * LANES;

      if (s->axis[2] == CPU_WINOGRAD_POINT)
        WRITE (point, 1, 1);
      else if (s->axis[2] == CPU_WINOGRAD_PAIR)
        WRITE (output_pair, 3, 2);
      else
        WRITE (output_four, 6, 4);
    }
}
#undef WRITE
