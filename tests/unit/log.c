/* Logs: records stay whole in every case, and lines are formatted as documented.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/log/eventfile.h"
#include "src/log/recordfile.h"
#include "src/log/runlog.h"
#include "src/random.h"

static gchar *folder;

/* Each test has a folder of its own. */
static gchar *
make_dir (void)
{
  g_autofree gchar *template = g_build_filename (folder, "log-XXXXXX", NULL);
  gchar *dir = g_strdup (g_mkdtemp (template));

  g_assert_nonnull (dir);
  return dir;
}

static gchar *
read_file (const gchar *dir, const gchar *name, gsize *size)
{
  g_autofree gchar *path = g_build_filename (dir, name, NULL);
  g_autoptr (GError) error = NULL;
  gchar *text = NULL;

  g_file_get_contents (path, &text, size, &error);
  g_assert_no_error (error);
  return text;
}

static void
write_file (const gchar *dir, const gchar *name, const gchar *text)
{
  g_autofree gchar *path = g_build_filename (dir, name, NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static gint
by_text (gconstpointer a, gconstpointer b)
{
  return strcmp (*(gchar *const *) a, *(gchar *const *) b);
}

/* The name of the n-th event file of a folder, in order; g_free(). */
static gchar *
event_file (const gchar *dir, guint n)
{
  g_autoptr (GDir) d = g_dir_open (dir, 0, NULL);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  const gchar *name;

  while ((name = g_dir_read_name (d)))
    if (g_str_has_prefix (name, CNN3D_EVENT_FILE_PREFIX))
      g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, by_text);
  return n < names->len ? g_strdup (names->pdata[n]) : NULL;
}

/* --- event files --- */

static void
test_crc32c (void)
{
  guint8 bytes[32];

  /* RFC 3720, B.4, and the check value of CRC catalogues */
  memset (bytes, 0, sizeof bytes);
  g_assert_cmphex (cnn3d_crc32c (bytes, 32), ==, 0x8a9136aa);
  memset (bytes, 0xff, sizeof bytes);
  g_assert_cmphex (cnn3d_crc32c (bytes, 32), ==, 0x62a8ab43);
  for (guint i = 0; i < 32; i++)
    bytes[i] = i;
  g_assert_cmphex (cnn3d_crc32c (bytes, 32), ==, 0x46dd794e);
  g_assert_cmphex (cnn3d_crc32c ("123456789", 9), ==, 0xe3069283);
  g_assert_cmphex (cnn3d_crc32c ("", 0), ==, 0);
}

static guint32
masked (gconstpointer data, gsize size)
{
  const guint32 crc = cnn3d_crc32c (data, size);

  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

/* The number of whole records of a file; nothing may follow them. */
static guint
count_records (const guint8 *data, gsize size)
{
  guint n = 0;

  for (gsize at = 0; at < size; n++) {
    guint64 length;
    guint32 crc;

    g_assert_cmpuint (size - at, >=, 16);
    memcpy (&length, data + at, 8);
    length = GUINT64_FROM_LE (length);
    memcpy (&crc, data + at + 8, 4);
    g_assert_cmphex (GUINT32_FROM_LE (crc), ==, masked (data + at, 8));
    g_assert_cmpuint (length, <=, size - at - 16);
    memcpy (&crc, data + at + 12 + length, 4);
    g_assert_cmphex (GUINT32_FROM_LE (crc), ==, masked (data + at + 12, length));
    at += 16 + length;
  }
  return n;
}

static void
test_framing (void)
{
  /* how TensorFlow's own files begin: a record of 24 bytes and its CRC */
  static const guint8 start[12] = { 0x18, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22 };
  static const Cnn3dScalar scalars[] = { { "train/loss", 0.5 }, { "lr", NAN } };
  g_autoptr (GError) error = NULL;
  g_autofree gchar *dir = make_dir (), *name = NULL, *data = NULL;
  g_autoptr (GBytes) no_png =
      g_bytes_new_static ("not a picture at all, and long enough to be one", 47);
  const gfloat values[] = { -1, 0, 1, NAN, INFINITY }, same[] = { 2, 2, 2 }, none[] = { NAN };
  Cnn3dEventFile *file = cnn3d_event_file_new (dir, &error);
  gsize size;

  g_assert_no_error (error);
  g_assert_true (cnn3d_event_file_restart (file, 7, NULL));
  g_assert_true (cnn3d_event_file_scalars (file, 8, scalars, 2, NULL));
  g_assert_true (cnn3d_event_file_histogram (file, 8, "h", values, 5, NULL));
  g_assert_true (cnn3d_event_file_histogram (file, 8, "h", same, 3, NULL));
  g_assert_true (cnn3d_event_file_histogram (file, 8, "h", none, 1, NULL));
  g_assert_false (cnn3d_event_file_image (file, 8, "picture", no_png, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
  g_assert_cmpstr (error->message, ==, "the picture for picture is not a PNG");
  cnn3d_event_file_free (&file);

  name = event_file (dir, 0);
  data = read_file (dir, name, &size);
  g_assert_cmpmem (data, 12, start, 12);
  g_assert_cmpmem (data + 23, 13, "brain.Event:2", 13);
  g_assert_cmpuint (count_records ((const guint8 *) data, size), ==, 5);
}

/* Two event files opened in the same second have different names that sort in order, whoever wrote
 * the first. */
static void
test_names (void)
{
  g_autofree gchar *dir = make_dir ();
  const gint64 begun = g_get_real_time () / G_USEC_PER_SEC;
  Cnn3dEventFile *a = cnn3d_event_file_new (dir, NULL), *b = cnn3d_event_file_new (dir, NULL);
  g_autofree gchar *first = event_file (dir, 0), *second = event_file (dir, 1);
  g_auto (GStrv) parts = g_strsplit (first, ".", -1);

  g_assert_nonnull (second);
  g_assert_cmpstr (first, !=, second);
  g_assert_cmpint (g_ascii_strtoll (parts[3], NULL, 10), >=, begun);
  g_assert_cmpint (g_ascii_strtoll (parts[3], NULL, 10), <=, g_get_real_time () / G_USEC_PER_SEC);
  cnn3d_event_file_free (&a);
  cnn3d_event_file_free (&b);
  for (guint i = 0; i < 2; i++) {
    const gint64 time = g_get_real_time () / G_USEC_PER_SEC + (i ? 100 : 5);
    g_autofree gchar *there =
        g_strdup_printf (CNN3D_EVENT_FILE_PREFIX "%" G_GINT64_FORMAT ".zzz.9.0", time);
    g_autofree gchar *third = NULL;

    write_file (dir, there, "");
    a = cnn3d_event_file_new (dir, NULL);
    cnn3d_event_file_free (&a);
    third = event_file (dir, 2 * i + 3);
    g_assert_cmpstr (third, >, there);
  }
}

/* --- record files --- */

static void
test_torn_tails (void)
{
  static const struct {
    const gchar *before, *after;
  } cases[] = {
    { "", "" },
    { "one\ntwo\n", "one\ntwo\n" },
    { "one\ntw", "one\n" },
    { "o", "" },
    { "\n", "\n" },
  };
  g_autofree gchar *dir = make_dir (), *path = g_build_filename (dir, "lines", NULL);
  g_autofree gchar *long_line = g_strnfill (20000, 'x'),
                   *long_text = g_strconcat ("one\n", long_line, NULL);
  g_autoptr (GError) error = NULL;
  Cnn3dRecordFile *file;

  for (guint i = 0; i <= G_N_ELEMENTS (cases); i++) {
    const gboolean last = i == G_N_ELEMENTS (cases);
    g_autofree gchar *text = NULL,
                     *expected = g_strconcat (last ? "one\n" : cases[i].after, "more\n", NULL);

    write_file (dir, "lines", last ? long_text : cases[i].before);
    file = cnn3d_record_file_open_lines (path, &error);
    g_assert_no_error (error);
    g_assert_true (cnn3d_record_file_append (file, "more\n", 5, &error));
    g_assert_cmpuint (cnn3d_record_file_size (file), ==, strlen (expected));
    cnn3d_record_file_free (&file);
    text = read_file (dir, "lines", NULL);
    g_assert_cmpstr (text, ==, expected);
  }

  /* something that is not a regular file is refused */
  g_unlink (path);
  g_assert_cmpint (mkfifo (path, 0600), ==, 0);
  g_assert_null (cnn3d_record_file_open_lines (path, &error));
  g_assert_nonnull (error);
}

/* A symbolic link in place of a log is refused: its target is neither read nor written. */
static void
test_links (void)
{
  static const gchar theirs[] = "{\"event\":\"step\"}\ntheir own";
  g_autofree gchar *dir = make_dir (), *json = g_build_filename (dir, "log.jsonl", NULL);
  g_autofree gchar *csv = g_build_filename (dir, "metrics.csv", NULL), *says = NULL, *text = NULL;
  const Cnn3dRunMark mark = { .step = 1 };
  g_autoptr (GError) error = NULL;
  Cnn3dRunLog *log;

  write_file (dir, "theirs", theirs);
  g_assert_cmpint (symlink ("theirs", json), ==, 0);
  g_assert_null (cnn3d_run_log_new (dir, &error));
  says = g_strdup_printf (
      "“%s” is a symbolic link, which is not followed; remove it, or log to another folder", json);
  g_assert_cmpstr (error->message, ==, says);
  g_clear_error (&error);
  g_unlink (json);

  g_assert_cmpint (symlink ("theirs", csv), ==, 0);
  log = cnn3d_run_log_new (dir, NULL);
  g_assert_false (cnn3d_run_log_begin (log, &mark, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_REGULAR_FILE);
  g_clear_error (&error);
  cnn3d_run_log_free (&log);
  /* a new run moves the link itself away */
  log = cnn3d_run_log_new (dir, NULL);
  g_assert_true (cnn3d_run_log_begin (log, NULL, &error));
  cnn3d_run_log_free (&log);
  text = read_file (dir, "theirs", NULL);
  g_assert_cmpstr (text, ==, theirs);
}

/* An unfinished line stays until a run resumes: another program may be about to complete it. */
static void
test_unfinished_line (void)
{
  static const gchar *const texts[] = { "{\"event\":\"st", "{\"event\":\"run\"}\n{\"event\":\"st" };
  const Cnn3dRunMark mark = { .step = 1 };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autofree gchar *dir = make_dir (), *left = NULL, *moved = NULL, *cut = NULL;
    g_autofree gchar *earlier = g_build_filename (dir, "earlier-1", NULL);
    g_autoptr (GError) error = NULL;
    Cnn3dRunLog *log;

    write_file (dir, "log.jsonl", texts[i]);
    log = cnn3d_run_log_new (dir, NULL);
    cnn3d_run_log_error (log, "out of memory");
    cnn3d_run_log_free (&log);
    left = read_file (dir, "log.jsonl", NULL);
    g_assert_cmpstr (left, ==, texts[i]);

    log = cnn3d_run_log_new (dir, NULL);
    g_assert_true (cnn3d_run_log_begin (log, NULL, &error));
    cnn3d_run_log_free (&log);
    moved = read_file (earlier, "log.jsonl", NULL);
    g_assert_cmpstr (moved, ==, texts[i]);

    write_file (dir, "log.jsonl", texts[i]);
    log = cnn3d_run_log_new (dir, NULL);
    g_assert_true (cnn3d_run_log_begin (log, &mark, &error));
    cnn3d_run_log_warning (log, "it resumes");
    cnn3d_run_log_free (&log);
    cut = read_file (dir, "log.jsonl", NULL);
    g_assert_null (strstr (cut, "\"st"));
    g_assert_nonnull (strstr (cut, "it resumes\"}\n"));
  }
}

/* Records that a file-size limit leaves room for stay whole; when there is room again, more records
 * follow. */
static void
test_full (void)
{
  const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };
  g_autofree gchar *dir = make_dir ();
  const pid_t child = fork ();
  int status;

  g_assert_cmpint (child, >=, 0);
  if (child == 0) {
    g_autofree gchar *path = g_build_filename (dir, "lines", NULL);
    g_autoptr (GError) error = NULL;
    Cnn3dRecordFile *file = cnn3d_record_file_open_lines (path, NULL);
    struct rlimit limit = { 1000, RLIM_INFINITY };
    guint written = 0;

    signal (SIGXFSZ, SIG_IGN);
    if (setrlimit (RLIMIT_FSIZE, &limit) < 0)
      _exit (10);
    while (cnn3d_record_file_append (file, "0123456789abcdef0123456789abcdef\n", 33, &error))
      written++;
    /* repeatedly, without leaving anything behind */
    for (guint i = 0; i < 5; i++)
      if (cnn3d_record_file_append (file, "0123456789abcdef0123456789abcdef\n", 33, NULL))
        _exit (11);
    if (written != 1000 / 33 || cnn3d_record_file_size (file) != written * 33
        || !strstr (error->message, "lines"))
      _exit (12);
    if (!cnn3d_record_file_append (file, "short\n", 6, NULL))
      _exit (13);
    limit = none;
    if (setrlimit (RLIMIT_FSIZE, &limit) < 0
        || !cnn3d_record_file_append (file, "there is room again\n", 20, NULL))
      _exit (14);
    _exit (0);
  }
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_cmpint (status, ==, 0);

  {
    g_autofree gchar *text = read_file (dir, "lines", NULL);

    g_assert_cmpuint (strlen (text), ==, 1000 / 33 * 33 + 26);
    g_assert_true (g_str_has_suffix (text, "cdef\nshort\nthere is room again\n"));
  }
}

/* --- a run's log --- */

static Cnn3dProgress
step_of (guint64 step)
{
  return (Cnn3dProgress) { .ready = TRUE,
    .stepped = TRUE,
    .epoch = (step - 1) / 4,
    .step = step,
    .clips = 2 * step,
    .loss = 1.0 / step,
    .accuracy = 0.5,
    .lr = 0.1,
    .loss_scale = 1 };
}

static Cnn3dPassResult
pass_of (guint epoch, gboolean training)
{
  return (Cnn3dPassResult) { .epoch = epoch,
    .training = training,
    .clips = 8,
    .loss = 0.25,
    .accuracy = 0.75,
    .epoch_complete = !training,
    .last = { .step = 4 * (epoch + 1) } };
}

/* Epochs of 4 steps; position: in an order of 8 + 4 clips each. */
static void
log_epoch (Cnn3dRunLog *log, guint epoch, guint steps, gboolean validates)
{
  Cnn3dPassResult result;

  for (guint i = 1; i <= steps; i++) {
    const Cnn3dProgress progress = step_of (epoch * 4 + i);

    cnn3d_run_log_step (log, &progress, 10, 1000, 4000);
  }
  if (steps < 4)
    return;
  result = pass_of (epoch, TRUE);
  cnn3d_run_log_pass (log, &result, 2, 0.1, 10, 1000);
  if (!validates)
    return;
  result = pass_of (epoch, FALSE);
  cnn3d_run_log_pass (log, &result, 1, 0, 0, 0);
}

static Cnn3dRunLog *
open_log (const gchar *dir, const Cnn3dRunMark *mark)
{
  g_autoptr (GError) error = NULL;
  Cnn3dRunLog *log = cnn3d_run_log_new (dir, &error);

  g_assert_no_error (error);
  g_assert_true (cnn3d_run_log_begin (log, mark, &error));
  g_assert_no_error (error);
  return log;
}

/* "step1 step2 epoch0 ...": the records of log.jsonl; each line must be valid JSON. */
static gchar *
logged (const gchar *dir)
{
  g_autofree gchar *text = read_file (dir, "log.jsonl", NULL);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  GString *all = g_string_new (NULL);

  for (guint i = 0; lines[i] && *lines[i]; i++) {
    g_autoptr (JsonParser) parser = json_parser_new ();
    g_autoptr (GError) error = NULL;
    const gchar *event, *field;
    JsonObject *object;

    json_parser_load_from_data (parser, lines[i], -1, &error);
    g_assert_no_error (error);
    object = json_node_get_object (json_parser_get_root (parser));
    event = json_object_get_string_member (object, "event");
    g_assert_cmpfloat (json_object_get_double_member (object, "time"), >, 1e9);
    field = !strcmp (event, "step") ? "step" : !strcmp (event, "skipped") ? "clip" : "epoch";
    g_string_append_printf (all, "%s%s", i ? " " : "", event);
    if (json_object_has_member (object, field))
      g_string_append_printf (all, "%d", (gint) json_object_get_int_member (object, field));
  }
  return g_string_free (all, FALSE);
}

static guint
count_lines (const gchar *dir, const gchar *name)
{
  g_autofree gchar *text = read_file (dir, name, NULL);
  guint n = 0;

  for (const gchar *p = text; *p; p++)
    n += *p == '\n';
  return n;
}

/* Only records later than the checkpoint are removed. */
static void
test_resume (void)
{
  static const struct {
    Cnn3dRunMark mark;
    const gchar *left;
    guint rows;
  } cases[] = {
    /* within the second epoch */
    { { 14, 5, 0, 1, TRUE },
        "skipped3 step1 step2 step3 step4 epoch0 validation0 checkpoint step5 warning", 6 },
    /* at its end, before the pass is closed */
    { { 20, 8, 0, 1, TRUE },
        "skipped3 step1 step2 step3 step4 epoch0 validation0 checkpoint step5 warning step6 step7 "
        "step8 checkpoint",
        9 },
    /* before its validation, and after */
    { { 20, 8, 0, 1, FALSE },
        "skipped3 step1 step2 step3 step4 epoch0 validation0 checkpoint step5 warning step6 step7 "
        "step8 checkpoint epoch1",
        9 },
    { { 24, 8, 0, 2, TRUE },
        "skipped3 step1 step2 step3 step4 epoch0 validation0 checkpoint step5 warning step6 step7 "
        "skipped22 step8 checkpoint epoch1 validation1 checkpoint finished",
        10 },
    /* nothing */
    { { 0, 0, 0, 0, TRUE }, "", 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree gchar *dir = make_dir (), *left = NULL, *header = NULL, *events = NULL;
    Cnn3dRunLog *log = open_log (dir, NULL);

    /* a skipped clip may be logged before the first batch */
    cnn3d_run_log_skipped (log, "a.mp4", "it is \"step\":9 broken", 3, 0);
    log_epoch (log, 0, 4, TRUE);
    cnn3d_run_log_checkpoint (log, "last", TRUE);
    log_epoch (log, 1, 1, FALSE);
    cnn3d_run_log_warning (log, "{\"event\":\"step\",\"step\":99}");
    for (guint step = 6; step <= 8; step++) {
      const Cnn3dProgress progress = step_of (step);

      if (step == 8)
        cnn3d_run_log_skipped (log, "b.mp4", "broken", 22, 1);
      cnn3d_run_log_step (log, &progress, 10, 1000, 4000);
    }
    cnn3d_run_log_checkpoint (log, "last", TRUE);
    {
      const Cnn3dPassResult epoch = pass_of (1, TRUE), validation = pass_of (1, FALSE);

      cnn3d_run_log_pass (log, &epoch, 2, 0.1, 10, 1000);
      cnn3d_run_log_pass (log, &validation, 1, 0, 0, 0);
    }
    cnn3d_run_log_checkpoint (log, "last", FALSE);
    cnn3d_run_log_finished (log, "eos");
    cnn3d_run_log_free (&log);
    g_assert_cmpuint (count_lines (dir, "metrics.csv"), ==, 11);

    log = open_log (dir, &cases[i].mark);
    cnn3d_run_log_free (&log);
    left = logged (dir);
    g_assert_cmpstr (left, ==, cases[i].left);
    g_assert_cmpuint (count_lines (dir, "metrics.csv"), ==, cases[i].rows + 1);
    header = read_file (dir, "metrics.csv", NULL);
    g_assert_true (g_str_has_prefix (header, "epoch,step,lr,train_loss,"));
    events = event_file (dir, 1);
    g_assert_nonnull (events);
  }
}

/* The end of a training pass that resuming completes is logged once. */
static void
test_ended_pass (void)
{
  const Cnn3dRunMark mark = { 8, 4, 0, 0, FALSE };
  const Cnn3dPassResult ended = pass_of (0, TRUE);

  for (guint there = 0; there < 2; there++) {
    g_autofree gchar *dir = make_dir (), *left = NULL;
    Cnn3dRunLog *log = open_log (dir, NULL);

    for (guint step = 1; step <= 4; step++) {
      const Cnn3dProgress progress = step_of (step);

      cnn3d_run_log_step (log, &progress, 10, 1000, 4000);
    }
    if (there)
      cnn3d_run_log_pass (log, &ended, 2, 0.1, 10, 1000);
    cnn3d_run_log_free (&log);
    log = open_log (dir, &mark);
    cnn3d_run_log_pass (log, &ended, NAN, 0.1, NAN, 0);
    cnn3d_run_log_free (&log);
    left = logged (dir);
    g_assert_cmpstr (left, ==, "step1 step2 step3 step4 epoch0");
  }
}

/* The error that ended an earlier start stays, wherever the checkpoint is: the report needs it. */
static void
test_error_stays (void)
{
  const Cnn3dRunMark mark = { 4, 2, 0, 0, TRUE };
  g_autofree gchar *dir = make_dir (), *left = NULL;
  Cnn3dRunLog *log = open_log (dir, NULL);

  log_epoch (log, 0, 3, FALSE);
  cnn3d_run_log_warning (log, "close to it");
  cnn3d_run_log_error (log, "out of memory");
  cnn3d_run_log_free (&log);
  log = open_log (dir, &mark);
  cnn3d_run_log_free (&log);
  left = logged (dir);
  g_assert_cmpstr (left, ==, "step1 step2 error");
}

/* Where the n-th record's data begins; its size is stored in `length`. */
static const gchar *
record_at (const gchar *data, guint n, guint64 *length)
{
  for (;; data += 16 + *length) {
    memcpy (length, data, 8);
    *length = GUINT64_FROM_LE (*length);
    if (n-- == 0)
      return data + 12;
  }
}

/* A logged validation that is later than the checkpoint is voided in the event file too, and its
 * step is logged again. */
static void
test_validated_again (void)
{
  const Cnn3dRunMark mark = { 8, 4, 0, 0, FALSE };

  for (guint there = 0; there < 2; there++) {
    g_autofree gchar *dir = make_dir (), *first = NULL, *second = NULL, *before = NULL,
                     *after = NULL;
    const gchar *restart, *step, *again;
    guint64 length, its;
    gsize size;
    Cnn3dRunLog *log = open_log (dir, NULL);

    log_epoch (log, 0, 4, there);
    cnn3d_run_log_free (&log);
    log = open_log (dir, &mark);
    cnn3d_run_log_free (&log);
    first = event_file (dir, 0);
    second = event_file (dir, 1);
    before = read_file (dir, first, &size);
    after = read_file (dir, second, &size);
    g_assert_cmpuint (count_records ((const guint8 *) after, size), ==, there ? 3 : 2);
    /* field 1, a double: the time; field 2: the step */
    restart = record_at (after, 1, &length);
    g_assert_cmpint (restart[9], ==, 2 << 3);
    g_assert_cmpint (restart[10], ==, there ? 4 : 5);
    if (there) {
      step = record_at (before, 4, &length);
      again = record_at (after, 2, &its);
      g_assert_cmpmem (step + 9, length - 9, again + 9, its - 9);
    }
  }
}

/* Steps skipped by the loss scale have the previous step's number. */
static void
test_skipped_steps (void)
{
  const Cnn3dRunMark mark = { 4, 2, 1, 0, TRUE };
  g_autofree gchar *dir = make_dir (), *left = NULL;
  Cnn3dRunLog *log = open_log (dir, NULL);

  for (guint i = 0; i < 4; i++) {
    Cnn3dProgress progress = step_of (2);

    progress.steps_skipped = i;
    progress.skipped = i > 0;
    cnn3d_run_log_step (log, &progress, 10, 1000, 4000);
  }
  cnn3d_run_log_free (&log);
  log = open_log (dir, &mark);
  cnn3d_run_log_free (&log);
  left = logged (dir);
  g_assert_cmpstr (left, ==, "step2 step2");
  g_assert_cmpuint (count_lines (dir, "metrics.csv"), ==, 3);
}

/* A new run moves earlier logs aside, repeatedly if needed. A run that fails to start leaves them
 * in place. */
static void
test_earlier (void)
{
  g_autofree gchar *dir = make_dir (), *first = NULL, *now = NULL, *second = NULL;
  g_autofree gchar *earlier = g_build_filename (dir, "earlier-1", NULL);
  g_autofree gchar *again = g_build_filename (dir, "earlier-2", NULL);
  g_autofree gchar *checkpoint = g_build_filename (dir, "last.safetensors", NULL);
  Cnn3dRunLog *log = open_log (dir, NULL);

  write_file (dir, "last.safetensors", "x");
  g_assert_false (g_file_test (earlier, G_FILE_TEST_EXISTS));
  log_epoch (log, 0, 2, FALSE);
  cnn3d_run_log_free (&log);
  log = open_log (dir, NULL);
  log_epoch (log, 0, 1, FALSE);
  cnn3d_run_log_free (&log);
  first = logged (earlier);
  now = logged (dir);
  g_assert_cmpstr (first, ==, "step1 step2");
  g_assert_cmpstr (now, ==, "step1");
  g_assert_cmpuint (count_lines (earlier, "metrics.csv"), ==, 3);
  g_assert_true (g_file_test (checkpoint, G_FILE_TEST_EXISTS));

  log = cnn3d_run_log_new (dir, NULL);
  cnn3d_run_log_warning (log, "this will be much");
  cnn3d_run_log_error (log, "out of memory");
  cnn3d_run_log_free (&log);
  second = logged (dir);
  g_assert_cmpstr (second, ==, "step1");
  g_assert_false (g_file_test (again, G_FILE_TEST_EXISTS));
}

/* mkdir() reports all folders earlier-N as existing. */
static gboolean no_more_folders;

__attribute__ ((visibility ("default"))) int
mkdir (const char *path, mode_t mode)
{
  static int (*real) (const char *path, mode_t mode);

  if (!real)
    real = dlsym (RTLD_NEXT, "mkdir");
  if (no_more_folders && strstr (path, "/earlier-")) {
    errno = EEXIST;
    return -1;
  }
  return real (path, mode);
}

static void
test_too_many_earlier (void)
{
  g_autofree gchar *dir = make_dir (), *now = NULL, *says = NULL;
  Cnn3dRunLog *log = open_log (dir, NULL);
  g_autoptr (GError) error = NULL;

  log_epoch (log, 0, 2, FALSE);
  cnn3d_run_log_free (&log);
  log = cnn3d_run_log_new (dir, NULL);
  no_more_folders = TRUE;
  g_assert_false (cnn3d_run_log_begin (log, NULL, &error));
  no_more_folders = FALSE;
  cnn3d_run_log_free (&log);
  says = g_strdup_printf ("cannot move the earlier records aside in “%s”: File exists", dir);
  g_assert_cmpstr (error ? error->message : NULL, ==, says);
  now = logged (dir);
  g_assert_cmpstr (now, ==, "step1 step2");
}

/* Any text and any number are written as valid JSON. */
static void
test_values (void)
{
  const gchar *reason =
      "<script>alert(1)</script>\x1b[31m \x1f\x7f\xc2\x9b \"quoted\\\" \xff\n\t\xe2\x82\xac";
  g_autofree gchar *dir = make_dir (), *text = NULL, *rows = NULL;
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) lines = NULL;
  Cnn3dRunLog *log = open_log (dir, NULL);
  Cnn3dProgress progress = step_of (1);
  JsonObject *object;

  cnn3d_run_log_skipped (log, "x.mp4", reason, 1, 0);
  progress.loss = NAN;
  progress.lr = 0.1;
  progress.accuracy = 1.0 / 3;
  progress.loss_scale = INFINITY;
  cnn3d_run_log_step (log, &progress, -INFINITY, G_MAXUINT64, 0);
  cnn3d_run_log_free (&log);

  text = read_file (dir, "log.jsonl", NULL);
  for (const gchar *p = text; *p; p++)
    g_assert_true (*p == '\n' || !g_ascii_iscntrl (*p));
  g_assert_null (strstr (text, "\xc2\x9b"));
  g_assert_true (g_utf8_validate (text, -1, NULL));
  lines = g_strsplit (text, "\n", -1);
  json_parser_load_from_data (parser, lines[0], -1, &error);
  g_assert_no_error (error);
  object = json_node_get_object (json_parser_get_root (parser));
  g_assert_cmpstr (json_object_get_string_member (object, "reason"), ==,
      "<script>alert(1)</script>\x1b[31m \x1f\x7f\xc2\x9b \"quoted\\\" "
      "\xef\xbf\xbd\n\t\xe2\x82\xac");
  g_assert_nonnull (strstr (lines[1], "\"loss\":null,"));
  g_assert_nonnull (strstr (lines[1], "\"lr\":0.1,"));
  g_assert_nonnull (strstr (lines[1], "\"loss-scale\":null,"));
  g_assert_nonnull (strstr (lines[1], "\"memory-bytes\":18446744073709551615,"));
  json_parser_load_from_data (parser, lines[1], -1, &error);
  g_assert_no_error (error);
  object = json_node_get_object (json_parser_get_root (parser));
  g_assert_cmpfloat (json_object_get_double_member (object, "accuracy"), ==, 1.0 / 3);
  rows = read_file (dir, "metrics.csv", NULL);
  g_assert_nonnull (strstr (rows, "\n0,1,0.1,nan,0.333333333,,,inf,0,-inf,18446744073709551615\n"));
}

/* A folder belongs to one run at a time. */
static void
test_two_at_once (void)
{
  g_autofree gchar *dir = make_dir (), *file = g_build_filename (dir, "log.jsonl", NULL);
  g_autoptr (GError) error = NULL;
  Cnn3dRunLog *log = open_log (dir, NULL);

  g_assert_null (cnn3d_run_log_new (dir, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
  g_assert_true (g_str_has_prefix (error->message, "another run logs to “"));
  g_clear_error (&error);
  cnn3d_run_log_free (&log);
  log = open_log (dir, NULL);
  cnn3d_run_log_free (&log);
  g_assert_null (cnn3d_run_log_new (file, &error));
  g_assert_true (g_str_has_prefix (error->message, "cannot create the folder “"));
  g_assert_nonnull (strstr (error->message, "log.jsonl"));
}

/* A full disk is reported once; existing records stay whole, and logging continues. */
static void
test_full_once (void)
{
  g_autofree gchar *dir = make_dir (), *left = NULL, *name = NULL, *data = NULL;
  const pid_t child = fork ();
  gsize size;
  int status;

  g_assert_cmpint (child, >=, 0);
  if (child == 0) {
    const struct rlimit small = { 1500, RLIM_INFINITY }, none = { RLIM_INFINITY, RLIM_INFINITY };
    Cnn3dRunLog *log = open_log (dir, NULL);
    guint times = 0;

    signal (SIGXFSZ, SIG_IGN);
    if (setrlimit (RLIMIT_FSIZE, &small) < 0)
      _exit (10);
    for (guint i = 1; i <= 40; i++) {
      const Cnn3dProgress progress = step_of (i);
      g_autoptr (GError) error = NULL;

      if (i == 40)
        setrlimit (RLIMIT_FSIZE, &none);
      cnn3d_run_log_step (log, &progress, 10, 1000, 4000);
      error = cnn3d_run_log_take_error (log);
      times += error != NULL;
    }
    cnn3d_run_log_free (&log);
    _exit (times == 1 ? 0 : 11);
  }
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_cmpint (status, ==, 0);
  left = logged (dir);
  g_assert_true (g_str_has_prefix (left, "step1 step2"));
  g_assert_true (g_str_has_suffix (left, " step40"));
  g_assert_null (strstr (left, "step39"));
  name = event_file (dir, 0);
  data = read_file (dir, name, &size);
  g_assert_cmpuint (count_records ((const guint8 *) data, size), >=, 3);
}

/* A process killed at any moment leaves whole records only. */
static void
test_killed (void)
{
  const Cnn3dRandomKey key = { 1, 0, CNN3D_RANDOM_DEMO, 0 };

  for (guint round = 0; round < 20; round++) {
    g_autofree gchar *dir = make_dir (), *left = NULL, *rows = NULL;
    g_auto (GStrv) words = NULL, lines = NULL;
    const pid_t child = fork ();
    Cnn3dRunMark mark = { 0, G_MAXUINT32, 0, G_MAXUINT32, TRUE };
    Cnn3dRunLog *log;

    g_assert_cmpint (child, >=, 0);
    if (child == 0) {
      log = open_log (dir, NULL);
      for (guint64 i = 1;; i++) {
        const Cnn3dProgress progress = step_of (i);

        cnn3d_run_log_step (log, &progress, 10, 1000, 4000);
      }
    }
    g_usleep (3000 + cnn3d_random_below (&key, round, 10000));
    kill (child, SIGKILL);
    g_assert_cmpint (waitpid (child, NULL, 0), ==, child);

    log = open_log (dir, &mark);
    cnn3d_run_log_free (&log);
    left = logged (dir);
    words = g_strsplit (left, " ", -1);
    for (guint i = 0; words[i] && *words[i]; i++) {
      g_autofree gchar *expected = g_strdup_printf ("step%u", i + 1);

      g_assert_cmpstr (words[i], ==, expected);
    }
    rows = read_file (dir, "metrics.csv", NULL);
    lines = g_strsplit (rows, "\n", -1);
    /* at most the record being written is in one file but not in the other */
    g_assert_cmpint (ABS ((gint) g_strv_length (lines) - 2 - (gint) g_strv_length (words)), <=, 1);
  }
}

static void
remove_tree (const gchar *path)
{
  g_autoptr (GDir) d = g_file_test (path, G_FILE_TEST_IS_DIR) ? g_dir_open (path, 0, NULL) : NULL;
  const gchar *name;

  while (d && (name = g_dir_read_name (d))) {
    g_autofree gchar *inside = g_build_filename (path, name, NULL);

    remove_tree (inside);
  }
  g_remove (path);
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("cnn3d-log-XXXXXX", NULL);
  g_test_add_func ("/log/crc32c", test_crc32c);
  g_test_add_func ("/log/framing", test_framing);
  g_test_add_func ("/log/names", test_names);
  g_test_add_func ("/log/torn-tails", test_torn_tails);
  g_test_add_func ("/log/links", test_links);
  g_test_add_func ("/log/unfinished-line", test_unfinished_line);
  g_test_add_func ("/log/full", test_full);
  g_test_add_func ("/log/resume", test_resume);
  g_test_add_func ("/log/ended-pass", test_ended_pass);
  g_test_add_func ("/log/error-stays", test_error_stays);
  g_test_add_func ("/log/validated-again", test_validated_again);
  g_test_add_func ("/log/skipped-steps", test_skipped_steps);
  g_test_add_func ("/log/earlier", test_earlier);
  g_test_add_func ("/log/too-many-earlier", test_too_many_earlier);
  g_test_add_func ("/log/values", test_values);
  g_test_add_func ("/log/two-at-once", test_two_at_once);
  g_test_add_func ("/log/full-once", test_full_once);
  g_test_add_func ("/log/killed", test_killed);
  status = g_test_run ();
  remove_tree (folder);
  g_free (folder);
  return status;
}
