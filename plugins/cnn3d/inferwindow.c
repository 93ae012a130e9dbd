/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inferwindow.h"

#include <string.h>

#include "src/framediff.h"

/* Only frames that belong to a window are converted. Their numbers are
 * multiples of `grid`, so a ring of one slot per frame of a window holds
 * them. */
typedef struct {
  guint8 *data; /* (H, W, C); NULL: not allocated yet */
  InferFramePoints points;
  InferFrameTime time;
} Slot;

struct _InferWindow {
  GstVideoInfo in, out;
  GstVideoConverter *converter;
  GstBuffer *scratch;  /* output of the converter */
  InferPoints *points; /* NULL: the model reads none */
  gsize n_points;      /* values of a frame */
  guint frames, interval, stride;
  gdouble diff_gain;
  gsize row, frame_size; /* bytes, without padding; 0: no frames are read */
  FrameRateStream stream;
  /* With a frame rate, a frame's number of repeats is known only when the next
   * one arrives: the two last frames, scaled if they may be needed */
  Slot before, now;
  guint64 n_before, n_now; /* output frames that they still stand for */
  guint64 next;            /* number of the next frame */
  guint grid, n_slots;
  Slot *slots;
};

/* videoconvertscale's methods, and the options that it sets on the converter
 * for each. */
static const struct {
  const gchar *name;
  GstVideoResamplerMethod method;
  gint taps; /* 0: as many as the method needs */
  gboolean cubic;
  gdouble b, c;
} methods[] = {
  { "bilinear", GST_VIDEO_RESAMPLER_METHOD_LINEAR, 2 },
  { "nearest-neighbour", GST_VIDEO_RESAMPLER_METHOD_NEAREST, 0 },
  { "4-tap", GST_VIDEO_RESAMPLER_METHOD_SINC, 4 },
  { "lanczos", GST_VIDEO_RESAMPLER_METHOD_LANCZOS, 0 },
  { "bilinear2", GST_VIDEO_RESAMPLER_METHOD_LINEAR, 0 },
  { "sinc", GST_VIDEO_RESAMPLER_METHOD_SINC, 0 },
  { "hermite", GST_VIDEO_RESAMPLER_METHOD_CUBIC, 0, TRUE, 0, 0 },
  { "spline", GST_VIDEO_RESAMPLER_METHOD_CUBIC, 0, TRUE, 1, 0 },
  { "catrom", GST_VIDEO_RESAMPLER_METHOD_CUBIC, 0, TRUE, 0, 0.5 },
  { "mitchell", GST_VIDEO_RESAMPLER_METHOD_CUBIC, 0, TRUE, 1.0 / 3, 1.0 / 3 },
};

gint
infer_window_find_scaling (const gchar *name)
{
  for (guint i = 0; name && i < G_N_ELEMENTS (methods); i++)
    if (!strcmp (methods[i].name, name))
      return i;

  return -1;
}

/* --- the converter --- */

/* The output format that videoconvertscale would choose: it keeps the
 * colorimetry where it can, and uses full range otherwise. */
static gboolean
make_out_info (InferWindow *self, const InferWindowParams *params)
{
  GstVideoInfo *out = &self->out;

  if (!gst_video_info_set_interlaced_format (out,
          params->channels == 1 ? GST_VIDEO_FORMAT_GRAY8 : GST_VIDEO_FORMAT_RGB,
          GST_VIDEO_INFO_INTERLACE_MODE (&self->in), params->width, params->height))
    return FALSE;
  GST_VIDEO_INFO_FPS_N (out) = GST_VIDEO_INFO_FPS_N (&self->in);
  GST_VIDEO_INFO_FPS_D (out) = GST_VIDEO_INFO_FPS_D (&self->in);
  if ((GST_VIDEO_INFO_IS_RGB (out) && GST_VIDEO_INFO_IS_RGB (&self->in))
      || (GST_VIDEO_INFO_IS_GRAY (out) && GST_VIDEO_INFO_IS_GRAY (&self->in))) {
    out->colorimetry = self->in.colorimetry;
  } else {
    out->colorimetry.primaries = self->in.colorimetry.primaries;
    out->colorimetry.transfer = self->in.colorimetry.transfer;
  }

  return TRUE;
}

/* The borders, in columns and rows, that keep the display aspect ratio with
 * square pixels. */
static void
find_borders (const InferWindow *self, guint *columns, guint *rows)
{
  const GstVideoInfo *in = &self->in;
  const gint width = self->out.width, height = self->out.height;
  gint n, d, w, h;

  *columns = *rows = 0;
  if (!gst_util_fraction_multiply (in->width, in->height, in->par_n, in->par_d, &n, &d))
    return;
  h = gst_util_uint64_scale_int (width, d, n);
  w = gst_util_uint64_scale_int (height, n, d);
  /* at least one line remains */
  if (h <= height)
    *rows = height - MAX (h, 1);
  else
    *columns = width - CLAMP (w, 1, width);
}

static GstVideoConverter *
make_converter (InferWindow *self, const InferWindowParams *params)
{
  const gint method = MAX (params->scaling, 0);
  GstStructure *options = gst_structure_new ("cnn3dinfer", GST_VIDEO_CONVERTER_OPT_RESAMPLER_METHOD,
      GST_TYPE_VIDEO_RESAMPLER_METHOD, methods[method].method,
      GST_VIDEO_CONVERTER_OPT_DITHER_METHOD, GST_TYPE_VIDEO_DITHER_METHOD, GST_VIDEO_DITHER_BAYER,
      GST_VIDEO_CONVERTER_OPT_DITHER_QUANTIZATION, G_TYPE_UINT, 1,
      GST_VIDEO_CONVERTER_OPT_CHROMA_RESAMPLER_METHOD, GST_TYPE_VIDEO_RESAMPLER_METHOD,
      GST_VIDEO_RESAMPLER_METHOD_LINEAR, GST_VIDEO_RESAMPLER_OPT_ENVELOPE, G_TYPE_DOUBLE, 2.0,
      GST_VIDEO_RESAMPLER_OPT_SHARPNESS, G_TYPE_DOUBLE, 1.0, GST_VIDEO_RESAMPLER_OPT_SHARPEN,
      G_TYPE_DOUBLE, 0.0, GST_VIDEO_CONVERTER_OPT_THREADS, G_TYPE_UINT, 1, NULL);
  guint columns = 0, rows = 0;

  if (methods[method].taps)
    gst_structure_set (
        options, GST_VIDEO_RESAMPLER_OPT_MAX_TAPS, G_TYPE_INT, methods[method].taps, NULL);
  if (methods[method].cubic)
    gst_structure_set (options, GST_VIDEO_RESAMPLER_OPT_CUBIC_B, G_TYPE_DOUBLE, methods[method].b,
        GST_VIDEO_RESAMPLER_OPT_CUBIC_C, G_TYPE_DOUBLE, methods[method].c, NULL);
  if (params->add_borders)
    find_borders (self, &columns, &rows);
  gst_structure_set (options, GST_VIDEO_CONVERTER_OPT_DEST_X, G_TYPE_INT, (gint) columns / 2,
      GST_VIDEO_CONVERTER_OPT_DEST_Y, G_TYPE_INT, (gint) rows / 2,
      GST_VIDEO_CONVERTER_OPT_DEST_WIDTH, G_TYPE_INT, self->out.width - (gint) columns,
      GST_VIDEO_CONVERTER_OPT_DEST_HEIGHT, G_TYPE_INT, self->out.height - (gint) rows, NULL);

  return gst_video_converter_new (&self->in, &self->out, options);
}

static gboolean
convert (InferWindow *self, GstBuffer *buffer, guint8 *data)
{
  GstVideoFrame in, out;
  const guint8 *from;
  gint stride;

  if (!gst_video_frame_map (&in, &self->in, buffer, GST_MAP_READ | GST_VIDEO_FRAME_MAP_FLAG_NO_REF))
    return FALSE;
  /* the caps' size: a frame's video meta may have a larger one */
  in.info.width = self->in.width;
  in.info.height = self->in.height;
  /* in a mixed stream the frame's flags say whether it is interlaced */
  gst_buffer_copy_into (self->scratch, buffer, GST_BUFFER_COPY_FLAGS, 0, -1);
  if (!gst_video_frame_map (
          &out, &self->out, self->scratch, GST_MAP_READWRITE | GST_VIDEO_FRAME_MAP_FLAG_NO_REF)) {
    gst_video_frame_unmap (&in);
    return FALSE;
  }
  gst_video_converter_frame (self->converter, &in, &out);
  from = GST_VIDEO_FRAME_PLANE_DATA (&out, 0);
  stride = GST_VIDEO_FRAME_PLANE_STRIDE (&out, 0);
  for (gint y = 0; y < self->out.height; y++)
    memcpy (data + y * self->row, from + (gsize) y * stride, self->row);
  gst_video_frame_unmap (&out);
  gst_video_frame_unmap (&in);

  return TRUE;
}

/* --- windows --- */

static guint
common_divisor (guint a, guint b)
{
  while (b) {
    guint rest = a % b;

    a = b;
    b = rest;
  }

  return a;
}

InferWindow *
infer_window_new (const GstVideoInfo *info, const InferWindowParams *params)
{
  InferWindow *self = g_new0 (InferWindow, 1);
  guint64 spans;

  self->in = *info;
  self->frames = params->frames;
  self->interval = MAX (params->interval, 1);
  self->diff_gain = params->diff_gain;
  frame_rate_begin (&self->stream, params->rate);
  spans = (guint64) self->frames * self->interval;
  self->stride = params->stride ? params->stride : MIN (spans, G_MAXUINT);
  self->grid = common_divisor (self->stride, self->interval);
  self->n_slots = (spans - self->interval) / self->grid + 1;
  self->row = params->sees_frames ? (gsize) params->width * params->channels : 0;
  self->frame_size = self->row * params->height;
  if (!make_out_info (self, params)
      || (params->sees_frames && !(self->converter = make_converter (self, params)))) {
    infer_window_free (&self);
    return NULL;
  }
  if (params->points) {
    const InferPointsParams points = { params->persons, params->points, params->compact,
      params->add_borders };

    self->points = infer_points_new (&points, &self->in, &self->out);
    self->n_points = (gsize) params->persons * params->points * 3;
  }
  self->scratch = gst_buffer_new_allocate (NULL, self->out.size, NULL);
  self->slots = g_new0 (Slot, self->n_slots);

  return self;
}

static void
slot_clear (Slot *s)
{
  g_free (s->data);
  g_free (s->points.values);
}

void
infer_window_free (InferWindow **window)
{
  InferWindow *self = *window;

  if (!self)
    return;
  for (guint i = 0; self->slots && i < self->n_slots; i++)
    slot_clear (&self->slots[i]);
  g_free (self->slots);
  slot_clear (&self->before);
  slot_clear (&self->now);
  infer_points_free (&self->points);
  gst_clear_buffer (&self->scratch);
  g_clear_pointer (&self->converter, gst_video_converter_free);
  g_free (self);
  *window = NULL;
}

void
infer_window_restart (InferWindow *self)
{
  self->next = self->n_before = self->n_now = 0;
  if (self->points)
    infer_points_restart (self->points);
  frame_rate_begin (&self->stream, self->stream.rate);
}

static Slot *
slot (const InferWindow *self, guint64 frame)
{
  return &self->slots[frame / self->grid % self->n_slots];
}

/* Whether frame i belongs to the window that begins with frame k * stride. */
static gboolean
is_wanted (const InferWindow *self, guint64 frame)
{
  if (frame % self->grid)
    return FALSE;
  for (guint i = 0; i < self->frames; i++) {
    const guint64 before = (guint64) i * self->interval;

    if (before > frame)
      break;
    if ((frame - before) % self->stride == 0)
      return TRUE;
  }

  return FALSE;
}

/* Number of the first frame of the window that ends with frame next - 1. */
static guint64
first_frame (const InferWindow *self)
{
  return self->next - 1 - (guint64) (self->frames - 1) * self->interval;
}

/* Whether a window needs any of the n frames from `first` on. */
static gboolean
wants (const InferWindow *self, guint64 first, guint64 n)
{
  for (guint64 i = 0; i < n; i++)
    if (is_wanted (self, first + i))
      return TRUE;

  return FALSE;
}

static gboolean
fill (InferWindow *self, Slot *s, GstBuffer *buffer, GstClockTime running_time)
{
  if (!s->data)
    s->data = g_malloc (self->frame_size);
  if (self->converter && !convert (self, buffer, s->data)) {
    infer_window_restart (self);
    return FALSE;
  }
  if (self->points)
    infer_points_get (self->points, &s->points);
  s->time.pts = GST_BUFFER_PTS (buffer);
  s->time.duration = GST_BUFFER_DURATION (buffer);
  s->time.running_time = running_time;

  return TRUE;
}

/* Makes the last frame the previous one. */
static void
step (InferWindow *self)
{
  const Slot before = self->before;

  self->before = self->now;
  self->now = before;
}

static gboolean
push_at_rate (InferWindow *self, GstBuffer *buffer, GstClockTime running_time)
{
  if (!frame_rate_push (&self->stream, GST_BUFFER_PTS (buffer), &self->n_before, &self->n_now))
    return TRUE;
  step (self);

  return !wants (self, self->next + self->n_before, self->n_now + frame_rate_ahead (&self->stream))
      || fill (self, &self->now, buffer, running_time);
}

gboolean
infer_window_push (InferWindow *self, GstBuffer *buffer, GstClockTime running_time)
{
  if (self->points)
    infer_points_push (self->points, gst_buffer_get_clip_kpt_meta (buffer));
  if (self->stream.rate.n)
    return push_at_rate (self, buffer, running_time);
  if (is_wanted (self, self->next) && !fill (self, slot (self, self->next), buffer, running_time))
    return FALSE;
  self->n_now = 1;

  return TRUE;
}

void
infer_window_end (InferWindow *self)
{
  if (!self->stream.rate.n)
    return;
  step (self);
  self->n_before = frame_rate_end (&self->stream);
}

/* Takes the next frame at the frame rate. */
static void
take (InferWindow *self, const Slot *from)
{
  Slot *s = slot (self, self->next);

  if (!is_wanted (self, self->next))
    return;
  if (!s->data)
    s->data = g_malloc (self->frame_size);
  if (self->frame_size)
    memcpy (s->data, from->data, self->frame_size);
  if (self->points)
    infer_points_copy (self->points, &from->points, &s->points);
  s->time = from->time;
}

gboolean
infer_window_next (InferWindow *self)
{
  const guint64 last = (guint64) (self->frames - 1) * self->interval;

  while (self->n_before || self->n_now) {
    guint64 *n = self->n_before ? &self->n_before : &self->n_now;

    if (self->stream.rate.n)
      take (self, self->n_before ? &self->before : &self->now);
    --*n;
    self->next++;
    if (self->next > last && (self->next - 1 - last) % self->stride == 0) {
      if (self->points)
        infer_points_forget (self->points, slot (self, first_frame (self))->points.frame);
      return TRUE;
    }
  }

  return FALSE;
}

gsize
infer_window_size (const InferWindow *self)
{
  return self->frames * self->frame_size;
}

void
infer_window_copy (const InferWindow *self, guint8 *clip)
{
  const guint64 first = first_frame (self);
  const guint8 *before = NULL;

  if (!self->frame_size)
    return;
  for (guint i = 0; i < self->frames; i++) {
    const guint8 *frame = slot (self, first + (guint64) i * self->interval)->data;
    guint8 *to = clip + i * self->frame_size;

    if (!(self->diff_gain > 0))
      memcpy (to, frame, self->frame_size);
    else if (before)
      cnn3d_frame_diff (to, frame, before, self->frame_size, self->diff_gain);
    else
      memset (to, 0, self->frame_size);
    before = frame;
  }
}

void
infer_window_times (const InferWindow *self, InferFrameTime *first, InferFrameTime *last)
{
  *first = slot (self, first_frame (self))->time;
  *last = slot (self, self->next - 1)->time;
}

gsize
infer_window_n_points (const InferWindow *self)
{
  return self->frames * self->n_points;
}

void
infer_window_copy_points (const InferWindow *self, gfloat *points)
{
  const guint64 first = first_frame (self);
  Cnn3dSquare square;
  gboolean compact;

  if (!self->points)
    return;
  compact = infer_points_square (self->points, slot (self, first)->points.frame,
      slot (self, self->next - 1)->points.frame, &square);
  for (guint i = 0; i < self->frames; i++, points += self->n_points) {
    const InferFramePoints *from = &slot (self, first + (guint64) i * self->interval)->points;

    memcpy (points, from->values, self->n_points * sizeof *points);
    if (compact && !from->compact)
      cnn3d_square_apply (&square, points, self->n_points / 3);
  }
}

gboolean
infer_window_has_points (const InferWindow *self)
{
  const guint64 first = first_frame (self);

  for (guint i = 0; i < self->frames; i++)
    if (slot (self, first + (guint64) i * self->interval)->points.has_meta)
      return TRUE;

  return FALSE;
}
