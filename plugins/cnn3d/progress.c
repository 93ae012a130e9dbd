/* progress.c: a sink's progress on stdout.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "progress.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "src/escape.h"
#include "src/format.h"

#define REDRAW (G_USEC_PER_SEC / 5)
#define CLEAR "\r\033[K"

struct _Progress {
  gint fd;
  gboolean terminal;
  gboolean open; /* an unfinished line is on display */
  /* time of the last drawing, monotonic microseconds */
  gint64 drawn;
  gint64 validating;   /* start time; 0: not validating */
  gdouble val_seconds; /* of the last validation */
};

Progress *
progress_new (gint fd)
{
  Progress *self = g_new0 (Progress, 1);

  self->fd = fd;
  self->terminal = isatty (fd);

  return self;
}

void
progress_free (Progress **progress)
{
  Progress *self = *progress;

  *progress = NULL;
  if (!self)
    return;
  if (self->open && write (self->fd, "\n", 1) < 0) {
    /* a closed terminal has no line to end */
  }
  g_free (self);
}

/* Writes all of it: a line cut short by a signal would spoil the next one.
 * Write errors are ignored, because training does not depend on the display. */
static void
put (Progress *self, const gchar *text)
{
  gsize left = strlen (text);
  gssize n;

  while (left > 0) {
    n = write (self->fd, text, left);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      break;
    text += n;
    left -= n;
  }
}

static guint
terminal_width (gint fd)
{
  struct winsize size;

  return ioctl (fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}

gdouble
progress_time_left (const ProgressStep *step, gdouble val_seconds)
{
  gdouble clips, passes;

  if (!step->training || step->epochs == 0 || step->clips == 0 || !(step->clips_per_second > 0)
      || step->epoch >= step->epochs)
    return -1;

  passes = step->epochs - step->epoch;
  clips = passes * step->clips - MIN (step->done, step->clips);

  return clips / step->clips_per_second + passes * val_seconds;
}

static void
append_epoch (GString *line, guint epoch, guint epochs)
{
  g_string_append_printf (line, "epoch %u", epoch + 1);
  if (epochs)
    g_string_append_printf (line, "/%u", epochs);
}

static void
append_metrics (GString *line, const gchar *prefix, gdouble loss, gdouble accuracy)
{
  if (isfinite (loss))
    cnn3d_string_append_printf (line, "  %sloss %.4g", prefix, loss);
  if (isfinite (accuracy))
    cnn3d_string_append_printf (line, "  %saccuracy %.1f %%", prefix, 100 * accuracy);
}

static void
append_speed (GString *line, gdouble clips_per_second, guint64 memory)
{
  if (clips_per_second > 0)
    cnn3d_string_append_printf (line, "  %.3g clips/s", clips_per_second);
  if (memory)
    g_string_append_printf (line, "  %.0f MB", memory / 1e6);
}

static void
append_scale (GString *line, gdouble loss_scale, guint64 steps_skipped)
{
  if (loss_scale > 0)
    cnn3d_string_append_printf (
        line, "  loss scale %.6g, %" G_GUINT64_FORMAT " skipped", loss_scale, steps_skipped);
}

static void
append_time (GString *line, gdouble seconds)
{
  guint64 s = (guint64) (seconds + 0.5);

  if (s >= 3600)
    g_string_append_printf (
        line, "%" G_GUINT64_FORMAT ":%02u:%02u", s / 3600, (guint) (s / 60 % 60), (guint) (s % 60));
  else
    g_string_append_printf (line, "%u:%02u", (guint) (s / 60), (guint) (s % 60));
}

static void
append_skipped (GString *line, const gchar *prefix, guint64 skipped, guint64 clips)
{
  g_string_append_printf (line, "  %sclips skipped %" G_GUINT64_FORMAT, prefix, skipped);
  if (clips)
    g_string_append_printf (line, " of %" G_GUINT64_FORMAT, clips);
}

/* Redraws the line, cut to the terminal's width, because a line that wraps
 * cannot be redrawn. It is ASCII only. */
static void
draw (Progress *self, GString *line)
{
  guint width = terminal_width (self->fd) - 1;

  if (line->len > width)
    g_string_truncate (line, width);
  g_string_prepend (line, CLEAR);
  put (self, line->str);
  self->open = TRUE;
}

/* Appends the time left at the end, or inserts it at `at` if the end would be
 * cut off. */
static void
insert_left (Progress *self, GString *line, gsize at, gdouble left)
{
  GString *text;

  if (left < 0)
    return;
  text = g_string_new ("  left ");
  append_time (text, left);
  if (line->len + text->len < terminal_width (self->fd))
    at = line->len;
  g_string_insert_len (line, at, text->str, text->len);
  g_string_free (text, TRUE);
}

void
progress_step (Progress *self, const ProgressStep *step)
{
  gint64 now = g_get_monotonic_time ();
  GString *line;
  gsize at;

  if (!step->training && !self->validating)
    self->validating = now;
  if (!self->terminal || (self->drawn && now - self->drawn < REDRAW))
    return;
  self->drawn = now;

  line = g_string_new (NULL);
  append_epoch (line, step->epoch, step->epochs);
  if (step->training)
    g_string_append_printf (line, "  step %" G_GUINT64_FORMAT, step->step);
  else
    g_string_append_printf (line, "  %s", step->doing ? step->doing : "validating");
  if (step->clips)
    g_string_append_printf (
        line, "  %3.0f %%", 100.0 * MIN (step->done, step->clips) / step->clips);
  at = line->len;
  if (step->clips_skipped)
    append_skipped (line, "", step->clips_skipped, step->clips);
  append_metrics (line, "", step->loss, step->accuracy);
  if (step->training)
    cnn3d_string_append_printf (line, "  lr %.3g", step->lr);
  append_speed (line, step->clips_per_second, step->memory);
  append_scale (line, step->loss_scale, step->steps_skipped);
  insert_left (self, line, at, progress_time_left (step, self->val_seconds));
  draw (self, line);
  g_string_free (line, TRUE);
}

/* Writes a separate line in place of an unfinished one. */
static void
put_line (Progress *self, GString *line)
{
  if (self->open)
    g_string_prepend (line, CLEAR);
  g_string_append_c (line, '\n');
  put (self, line->str);
  self->open = FALSE;
}

void
progress_epoch (Progress *self, const ProgressEpoch *epoch)
{
  GString *line = g_string_new (NULL);

  if (self->validating)
    self->val_seconds = (g_get_monotonic_time () - self->validating) / (gdouble) G_USEC_PER_SEC;
  self->validating = 0;

  append_epoch (line, epoch->epoch, epoch->epochs);
  append_metrics (line, "", epoch->loss, epoch->accuracy);
  append_metrics (line, "val-", epoch->val_loss, epoch->val_accuracy);
  cnn3d_string_append_printf (line, "  lr %.3g", epoch->lr);
  append_speed (line, epoch->clips_per_second, epoch->memory);
  append_scale (line, epoch->loss_scale, epoch->steps_skipped);
  cnn3d_string_append_printf (line, "  %.3g s", epoch->seconds);
  if (epoch->epoch + 1 < epoch->epochs) {
    g_string_append (line, "  left ");
    append_time (line, (epoch->epochs - epoch->epoch - 1) * MAX (epoch->seconds, 0));
  }
  if (epoch->clips_skipped)
    append_skipped (line, "", epoch->clips_skipped, epoch->clips);
  if (epoch->val_clips_skipped)
    append_skipped (line, "val-", epoch->val_clips_skipped, epoch->val_clips);
  put_line (self, line);
  g_string_free (line, TRUE);
}

void
progress_note (Progress *self, const gchar *format, ...)
{
  GString *line;
  gchar *text, *shown;
  va_list args;

  va_start (args, format);
  text = cnn3d_strdup_vprintf (format, args);
  va_end (args);
  shown = cnn3d_escape (text, FALSE);
  line = g_string_new (shown);
  put_line (self, line);
  g_string_free (line, TRUE);
  g_free (shown);
  g_free (text);
}
