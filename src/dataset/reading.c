/* reading.c: what the readers share: places in a file, numbers, clips.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/reader.h"
#include "src/format.h"

#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Longer names of videos are not looked for. */
#define MAX_ID 200

/* Pages are released so many at a time, in bytes: their neighbours are mapped with them. */
#define PIECE (4 << 20)

/* What a clip covers of its video. */
typedef struct {
  gdouble start, end;
  gboolean in_frames;
} Span;

gboolean
cnn3d_reading_has_key (const Cnn3dReading *reading, guint level, const gchar *key)
{
  for (guint i = 0; i < reading->keys[level]->len; i++)
    if (strcmp (g_ptr_array_index (reading->keys[level], i), key) == 0)
      return TRUE;
  return FALSE;
}

gboolean
cnn3d_reading_has_field (const Cnn3dReading *reading, const gchar *text)
{
  for (guint i = 0; i < reading->n_fields; i++)
    if (strlen (text) == reading->fields[i].size
        && g_ascii_strncasecmp (text, reading->fields[i].text, reading->fields[i].size) == 0)
      return TRUE;
  return FALSE;
}

gboolean
cnn3d_reading_is_manifest (const Cnn3dReading *reading)
{
  guint rank;

  for (guint i = 0; i < reading->n_fields; i++)
    if (cnn3d_column_find (reading->fields[i].text, reading->fields[i].size, &rank)
            == CNN3D_COLUMN_PATH
        && rank == 0)
      return TRUE;
  return FALSE;
}

void
cnn3d_reading_release (Cnn3dReading *reading, const gchar *until)
{
  const guintptr page = sysconf (_SC_PAGESIZE);
  const guintptr from = (guintptr) reading->resident, to = (guintptr) until & ~(page - 1);

  if (!reading->resident || until > reading->end || to < from + PIECE)
    return;
  /* where it fails the pages just stay */
  madvise ((gpointer) reading->resident, to - from, MADV_DONTNEED);
  reading->resident = (const gchar *) to;
}

const gchar *
cnn3d_reading_json (const Cnn3dReading *reading)
{
  const gchar *p = reading->text;

  while (g_ascii_isspace (*p))
    p++;
  return p;
}

Cnn3dColumn
cnn3d_reading_column (const Cnn3dReading *reading, const gchar *name, gsize size, guint *rank)
{
  const Cnn3dColumn column = cnn3d_column_find (name, size, rank);

  if (column != CNN3D_COLUMN_VIEW || *rank == 0 || reading->dataset->views_wanted)
    return column;
  *rank = G_MAXUINT;
  return CNN3D_COLUMN_IGNORED;
}

/* *line: where the line of a place begins. Returns its number. */
static guint
find_line (const Cnn3dReading *reading, const gchar *at, const gchar **line)
{
  guint number = 1;

  *line = reading->text;
  for (const gchar *p = reading->text; p < at; p++) {
    if (*p == (reading->lone_cr ? '\r' : '\n')) {
      number++;
      *line = p + 1;
    }
  }
  return number;
}

guint
cnn3d_reading_line_number (const Cnn3dReading *reading, const gchar *at)
{
  const gchar *line;

  return find_line (reading, at, &line);
}

void
cnn3d_reading_error (
    const Cnn3dReading *reading, const gchar *at, GError **error, const gchar *format, ...)
{
  const gchar *line;
  const guint number = find_line (reading, at, &line);
  va_list args;
  gchar *reason;

  va_start (args, format);
  reason = cnn3d_strdup_vprintf (format, args);
  va_end (args);
  /* columns count characters, as editors do */
  g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_ROW, "%s:%u:%u: %s",
      reading->location, number, (guint) g_utf8_strlen (line, at - line) + 1, reason);
  g_free (reason);
}

guint32
cnn3d_reading_path (
    Cnn3dReading *reading, const gchar *path, gsize size, const gchar *at, GError **error)
{
  guint32 offset = CNN3D_ARENA_FULL;

  if (size == 0)
    cnn3d_reading_error (reading, at, error, "the path is empty");
  else if ((offset = cnn3d_arena_add (&reading->dataset->arena, path, size)) == CNN3D_ARENA_FULL)
    cnn3d_dataset_set_full (error, reading->location);
  return offset;
}

gboolean
cnn3d_reading_add (Cnn3dReading *reading, const Cnn3dClip *clip, GError **error)
{
  Cnn3dDataset *dataset = reading->dataset;
  Cnn3dRow row = { .path = clip->path,
    .group = CNN3D_NAME_NONE,
    .fold = clip->fold,
    .split = clip->split,
    .source = reading->source,
    .start = clip->start,
    .end = clip->end,
    .fps = clip->fps,
    .in_frames = clip->in_frames,
    .keypoints = CNN3D_ARENA_FULL };

  row.view = cnn3d_views_find (reading, clip->view, clip->view_size, clip->at);
  if (reading->places)
    g_array_append_val (reading->places, clip->at);

  cnn3d_reading_release (reading, clip->at);
  if (clip->label_size == 0)
    goto no_label;
  if (!(row.start < row.end))
    goto empty_window;
  row.label = cnn3d_names_intern (&dataset->labels, &dataset->arena, clip->label, clip->label_size);
  if (clip->group && clip->group_size > 0)
    row.group =
        cnn3d_names_intern (&dataset->groups, &dataset->arena, clip->group, clip->group_size);
  if (clip->keypoints_size > 0) {
    row.keypoints = cnn3d_arena_add (&dataset->arena, clip->keypoints, clip->keypoints_size);
    if (row.keypoints == CNN3D_ARENA_FULL)
      goto full;
  }
  if (row.label == CNN3D_NAME_NONE || dataset->arena.size >= CNN3D_ARENA_FULL - 1)
    goto full;
  if (reading->spans) {
    const Span span = { row.start, row.end, row.in_frames };

    g_array_append_val (reading->spans, span);
  }
  return cnn3d_dataset_add (dataset, &row, error);

  /* ERRORS */
no_label:
  cnn3d_reading_error (reading, clip->label_at ? clip->label_at : clip->at, error,
      "the label is missing; write the clip's class, or remove the row");
  return FALSE;
empty_window:
  if (row.in_frames)
    cnn3d_reading_error (reading, clip->end_at ? clip->end_at : clip->at, error,
        "the last frame (%g) is before the first (%g)", row.end - 1, row.start);
  else
    cnn3d_reading_error (reading, clip->end_at ? clip->end_at : clip->at, error,
        "the end (%g s) is not after the start (%g s)", row.end, row.start);
  return FALSE;
full:
  cnn3d_dataset_set_full (error, reading->location);
  return FALSE;
}

/* --- numbers --- */

gboolean
cnn3d_reading_seconds (const Cnn3dReading *reading, const Cnn3dField *field, const gchar *name,
    gboolean comma, gdouble *seconds, GError **error)
{
  if (field->size == 0)
    return TRUE;
  if (!cnn3d_seconds_parse (field->text, field->size, comma, seconds))
    cnn3d_reading_error (reading, field->at, error,
        "the %s \"%.*s\" is not a number of seconds; write it like 12.5 or 00:01:12.5", name,
        CNN3D_SHOWN (field->text, field->size));
  else if (*seconds < 0)
    cnn3d_reading_error (reading, field->at, error,
        "the %s (%.*s) is negative; seconds count from the video's first frame", name,
        CNN3D_SHOWN (field->text, field->size));
  else
    return TRUE;
  return FALSE;
}

gboolean
cnn3d_reading_frame (const Cnn3dReading *reading, const Cnn3dField *field, const gchar *name,
    gdouble *frame, GError **error)
{
  if (field->size == 0)
    return TRUE;
  /* spreadsheets and Python write 10.0 */
  if (cnn3d_number_parse (field->text, field->size, FALSE, frame) && *frame >= 0
      && *frame <= G_MAXUINT32 && *frame == floor (*frame))
    return TRUE;
  cnn3d_reading_error (reading, field->at, error,
      "the %s \"%.*s\" is not a frame's number; write a whole number, 0 or more", name,
      CNN3D_SHOWN (field->text, field->size));
  return FALSE;
}

gboolean
cnn3d_reading_split (
    const Cnn3dReading *reading, const Cnn3dField *field, Cnn3dSplit *split, GError **error)
{
  if (field->size == 0 || cnn3d_split_parse (field->text, field->size, split))
    return TRUE;
  cnn3d_reading_error (reading, field->at, error,
      "the split \"%.*s\" is unknown; it is train, val, validation or test",
      CNN3D_SHOWN (field->text, field->size));
  return FALSE;
}

gboolean
cnn3d_reading_fps (const Cnn3dReading *reading, const Cnn3dField *field, gboolean comma,
    gfloat *fps, GError **error)
{
  gdouble number;

  if (field->size == 0)
    return TRUE;
  if (cnn3d_number_parse (field->text, field->size, comma, &number)
      && cnn3d_fps_is_valid (number)) {
    *fps = (gfloat) number;
    return TRUE;
  }
  cnn3d_reading_error (reading, field->at, error,
      "the fps \"%.*s\" is not a valid frame rate; write frames per second, such as 29.97",
      CNN3D_SHOWN (field->text, field->size));
  return FALSE;
}

gboolean
cnn3d_reading_fold (const Cnn3dReading *reading, const Cnn3dField *field, Cnn3dSplit split,
    guint16 *fold, GError **error)
{
  Cnn3dDataset *dataset = reading->dataset;
  guint32 number;

  if (field->size == 0 && split != CNN3D_SPLIT_TEST) {
    cnn3d_reading_error (reading, field->at, error, "the fold is empty");
    return FALSE;
  }
  number = cnn3d_names_intern (&dataset->folds, &dataset->arena, field->text, field->size);
  if (number > G_MAXUINT16) {
    cnn3d_reading_error (reading, field->at, error,
        "more than %u different folds; is this column the fold?", G_MAXUINT16);
    return FALSE;
  }
  *fold = number;
  return TRUE;
}

gboolean
cnn3d_reading_value (const Cnn3dReading *reading, const gchar *value, const gchar *name,
    Cnn3dField *field, GError **error)
{
  *field = (Cnn3dField) { .text = "", .at = value };
  if (cnn3d_json_is_null (value))
    return TRUE;
  field->text = *value == '"' ? cnn3d_json_text (value, reading->buffer, &field->size)
                              : cnn3d_json_numeral (value, &field->size);
  if (field->text)
    return TRUE;
  cnn3d_reading_error (reading, value, error, "\"%s\" is neither a text nor a number", name);
  return FALSE;
}

gboolean
cnn3d_reading_segment (
    const Cnn3dReading *reading, const gchar *value, gdouble *start, gdouble *end, GError **error)
{
  gdouble *const times[] = { start, end };
  Cnn3dJsonWalk walk;
  Cnn3dField field;
  guint n = 0;

  for (cnn3d_json_enter (&walk, value); cnn3d_json_next (&walk); n++) {
    if (n < 2
        && (!cnn3d_reading_value (reading, walk.value, "segment", &field, error)
            || !cnn3d_reading_seconds (
                reading, &field, n ? "end" : "start", FALSE, times[n], error)))
      return FALSE;
  }
  if (n == 2)
    return TRUE;
  cnn3d_reading_error (reading, value, error, "a segment is not a list of two times, [start, end]");
  return FALSE;
}

/* --- files --- */

gboolean
cnn3d_reading_find (Cnn3dReading *reading, const gchar *name, gsize size,
    const Cnn3dFinderHints *hints, const gchar *at, const gchar **path, GError **error)
{
  const gchar *other;

  if (!reading->finder)
    reading->finder = cnn3d_finder_new (reading->root);
  *path = cnn3d_finder_find (reading->finder, name, size, hints, &other);
  if (!other)
    return TRUE;
  cnn3d_reading_error (reading, at, error,
      "two files are called %.*s below root, %s and %s; set root to the folder that one of them is "
      "in",
      CNN3D_SHOWN (name, size), *path, other);
  return FALSE;
}

gboolean
cnn3d_reading_find_cut (
    Cnn3dReading *reading, const Cnn3dField *id, Cnn3dClip *clip, GError **error)
{
  /* how downloaders name what they have cut out, then the whole video */
  enum {
    ZEROS,
    SHORT,
    WHOLE,
    PREFIX,
    FORMS
  };
  const gboolean times = isfinite (clip->end) && clip->start <= 1e6 && clip->end <= 1e6;
  const gint size = (gint) MIN (id->size, MAX_ID);
  const Cnn3dFinderHints hints = { clip->label, clip->label_size, clip->split };
  const gchar *path = NULL;
  g_autofree gchar *missing = NULL;
  gchar name[MAX_ID + 32];

  for (guint form = times ? ZEROS : WHOLE; form < FORMS && !path; form++) {
    if (form < WHOLE)
      g_snprintf (name, sizeof name, form == ZEROS ? "%.*s_%06d_%06d" : "%.*s_%d_%d", size,
          id->text, (gint) clip->start, (gint) clip->end);
    else
      g_snprintf (name, sizeof name, form == WHOLE ? "%.*s" : "v_%.*s", size, id->text);
    if (!cnn3d_reading_find (reading, name, strlen (name), &hints, id->at, &path, error))
      return FALSE;
    if (path && form < WHOLE) {
      clip->start = 0;
      clip->end = INFINITY;
    }
  }
  if (!path)
    path = missing = g_strdup_printf ("%.*s.mp4", (int) id->size, id->text);
  clip->path = cnn3d_reading_path (reading, path, id->size ? strlen (path) : 0, id->at, error);
  return clip->path != CNN3D_ARENA_FULL;
}

gboolean
cnn3d_reading_line (const Cnn3dReading *reading, const gchar **p, Cnn3dField *line)
{
  const gchar *stop;

  if (*p == reading->end)
    return FALSE;
  stop = memchr (*p, reading->lone_cr ? '\r' : '\n', reading->end - *p);
  line->text = line->at = *p;
  *p = stop ? stop + 1 : reading->end;
  if (!stop)
    stop = reading->end;
  if (stop > line->text && stop[-1] == '\r')
    stop--;
  while (line->text < stop && (*line->text == ' ' || *line->text == '\t'))
    line->text++;
  while (stop > line->text && (stop[-1] == ' ' || stop[-1] == '\t'))
    stop--;
  line->at = line->text;
  line->size = stop - line->text;
  return TRUE;
}

/* --- what no clip covers --- */

/* Gaps below this are where one label ends and the next begins. */
#define LEAST_GAP 0.1 /* seconds */

static gint
compare_spans (gconstpointer a, gconstpointer b)
{
  const gdouble x = ((const Span *) a)->start, y = ((const Span *) b)->start;

  return x < y ? -1 : x > y;
}

gboolean
cnn3d_reading_has_background (const Cnn3dReading *reading)
{
  return reading->params->background && *reading->params->background;
}

void
cnn3d_reading_note_left_out (const Cnn3dReading *reading, const gchar *what)
{
  if (reading->left_out > 0)
    cnn3d_dataset_note (
        reading->dataset, FALSE, "%s: %s: %u", reading->location, what, reading->left_out);
}

void
cnn3d_reading_begin_video (Cnn3dReading *reading)
{
  if (!cnn3d_reading_has_background (reading))
    return;
  if (!reading->spans)
    reading->spans = g_array_new (FALSE, FALSE, sizeof (Span));
  g_array_set_size (reading->spans, 0);
}

gboolean
cnn3d_reading_end_video (Cnn3dReading *reading, const Cnn3dClip *like, GError **error)
{
  GArray *spans = g_steal_pointer (&reading->spans);
  Cnn3dClip clip = *like;
  gdouble covered = like->start;
  gboolean ok = TRUE;

  if (!spans)
    return TRUE;
  clip.label = reading->params->background;
  clip.label_size = strlen (clip.label);
  clip.in_frames = spans->len > 0 ? ((const Span *) spans->data)->in_frames : like->in_frames;
  g_array_sort (spans, compare_spans);
  for (guint i = 0; ok && i <= spans->len; i++) {
    const Span *span = i < spans->len ? (const Span *) spans->data + i : NULL;

    /* frames and seconds cannot be compared */
    if (span && span->in_frames != clip.in_frames)
      break;
    clip.start = covered;
    clip.end = span ? span->start : clip.in_frames == like->in_frames ? like->end : INFINITY;
    /* without the video's end it is unknown whether anything is left */
    if ((isfinite (clip.end) || spans->len == 0)
        && clip.end - clip.start >= (clip.in_frames ? 1 : LEAST_GAP))
      ok = cnn3d_reading_add (reading, &clip, error);
    if (span)
      covered = MAX (covered, span->end);
  }
  g_array_unref (spans);
  return ok;
}
