/* set.c: the program that generates a demonstration set.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "set.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <gst/gst.h>
#include <locale.h>
#include <signal.h>
#include <string.h>

#include "contact-sheet.h"
#include "encode.h"

#define VIDEO_EXTENSION ".mp4"
#define MAX_VIDEOS 99999 /* per class: names have five digits */

static const struct {
  const gchar *folder, *manifest;
} parts[] = {
  [DEMO_TRAIN] = { "train", "train.csv" },
  [DEMO_TEST] = { "test", "val.csv" },
};

typedef struct {
  const DemoKind *kind;
  gint64 seed;
  gint counts[2]; /* videos per class, by part */
  gint jobs;
} Options;

typedef struct {
  const Options *options;
  const gchar *folder;
  GMutex lock;
  GError *error; /* the first one; under the lock */
  guint done;    /* videos; under the lock */
} Work;

/* the signal's number, or 0 */
static volatile sig_atomic_t interrupted;

static void
on_signal (int number)
{
  interrupted = number;
}

/* A video's path in the set, without its extension. */
static gchar *
video_name (const DemoKind *kind, const DemoVideo *video)
{
  return g_strdup_printf (
      "%s/%s/%05u", parts[video->part].folder, kind->class_name (video->klass), video->number);
}

static gboolean
make_files (const Options *options, const DemoVideo *video, const gchar *stem, GError **error)
{
  const DemoKind *kind = options->kind;
  gchar *path = g_strconcat (stem, VIDEO_EXTENSION, NULL);
  DemoMovie movie;
  gboolean made;

  kind->movie (options->seed, video, FALSE, &movie);
  made = demo_encode (&movie, path, error);
  movie.destroy (movie.data);
  g_free (path);
  if (made && kind->sidecar != NULL) {
    gchar *text = kind->sidecar (options->seed, video);

    path = g_strconcat (stem, kind->sidecar_extension, NULL);
    made = g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_NONE, 0644, error);
    g_free (path);
    g_free (text);
  }
  return made;
}

static void
make_video (gpointer data, gpointer user_data)
{
  DemoVideo *video = data;
  Work *work = user_data;
  gchar *name, *stem;
  GError *error = NULL;
  gboolean stopped;

  g_mutex_lock (&work->lock);
  stopped = work->error != NULL || interrupted;
  g_mutex_unlock (&work->lock);
  if (stopped) {
    g_free (video);
    return;
  }

  name = video_name (work->options->kind, video);
  stem = g_build_filename (work->folder, name, NULL);
  make_files (work->options, video, stem, &error);

  g_mutex_lock (&work->lock);
  if (error == NULL) {
    work->done++;
  } else if (work->error == NULL) {
    g_prefix_error (&error, "cannot make %s" VIDEO_EXTENSION ": ", name);
    work->error = g_steal_pointer (&error);
  }
  g_mutex_unlock (&work->lock);
  g_clear_error (&error);
  g_free (stem);
  g_free (name);
  g_free (video);
}

static gboolean
make_videos (const Options *options, const gchar *folder, GError **error)
{
  Work work = { options, folder };
  GThreadPool *pool;
  DemoVideo video;

  g_mutex_init (&work.lock);
  pool = g_thread_pool_new (make_video, &work, options->jobs, TRUE, error);
  if (pool == NULL)
    return FALSE;
  for (video.part = DEMO_TRAIN; video.part <= DEMO_TEST; video.part++)
    for (video.number = 0; video.number < (guint) options->counts[video.part]; video.number++)
      for (video.klass = 0; video.klass < options->kind->classes; video.klass++)
        g_thread_pool_push (pool, g_memdup2 (&video, sizeof video), NULL);
  g_thread_pool_free (pool, FALSE, TRUE);
  g_mutex_clear (&work.lock);

  if (work.error == NULL && interrupted)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED,
        "interrupted after %u videos; nothing is kept", work.done);
  else if (work.error != NULL)
    g_propagate_error (error, work.error);
  return work.error == NULL && !interrupted;
}

static gboolean
write_manifest (const Options *options, const gchar *folder, DemoPart part, GError **error)
{
  const DemoKind *kind = options->kind;
  GString *rows = g_string_new (NULL);
  gchar *path = g_build_filename (folder, parts[part].manifest, NULL);
  DemoVideo video = { part };
  gboolean written;

  g_string_append_printf (rows, "path,label,%s\n", kind->column);
  for (video.klass = 0; video.klass < kind->classes; video.klass++) {
    for (video.number = 0; video.number < (guint) options->counts[part]; video.number++) {
      gchar *name = video_name (kind, &video);
      gchar *value = kind->value (options->seed, &video, name);

      g_string_append_printf (
          rows, "%s" VIDEO_EXTENSION ",%s,%s\n", name, kind->class_name (video.klass), value);
      g_free (value);
      g_free (name);
    }
  }
  written = g_file_set_contents (path, rows->str, rows->len, error);
  g_free (path);
  g_string_free (rows, TRUE);
  return written;
}

static gboolean
make_folder (const gchar *parent, const gchar *name, GError **error)
{
  gchar *path = g_build_filename (parent, name, NULL);
  gint failed = g_mkdir_with_parents (path, 0755) != 0 ? errno : 0;

  if (failed)
    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (failed), "cannot make the folder %s: %s",
        path, g_strerror (failed));
  g_free (path);
  return !failed;
}

static gchar *
describe (const Options *options)
{
  return g_strdup_printf ("%s\nrevision %u\nseed %" G_GINT64_FORMAT "\ntrain %d\ntest %d\n",
      options->kind->title, options->kind->revision, options->seed, options->counts[DEMO_TRAIN],
      options->counts[DEMO_TEST]);
}

/* Generates the whole set in an existing folder. */
static gboolean
make_set (const Options *options, const gchar *folder, GError **error)
{
  gchar *stamp = g_build_filename (folder, options->kind->stamp, NULL);
  gchar *text = describe (options);
  gboolean made = TRUE;
  gint part;
  guint klass;

  for (part = DEMO_TRAIN; part <= DEMO_TEST && made; part++) {
    for (klass = 0; klass < options->kind->classes && made; klass++) {
      gchar *name = g_build_filename (parts[part].folder, options->kind->class_name (klass), NULL);

      made = make_folder (folder, name, error);
      g_free (name);
    }
    made = made && write_manifest (options, folder, part, error);
  }
  made =
      made && make_videos (options, folder, error) && g_file_set_contents (stamp, text, -1, error);
  g_free (text);
  g_free (stamp);
  return made;
}

/* Removes the files of a set, and the folder if it is empty after that. Users' own files stay. */
static void
remove_set (const DemoKind *kind, const gchar *folder)
{
  gint part;
  guint klass;
  const gchar *name;
  gchar *path;

  for (part = DEMO_TRAIN; part <= DEMO_TEST; part++) {
    for (klass = 0; klass < kind->classes; klass++) {
      GDir *dir;

      path = g_build_filename (folder, parts[part].folder, kind->class_name (klass), NULL);
      dir = g_dir_open (path, 0, NULL);
      while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
        if (g_str_has_suffix (name, VIDEO_EXTENSION)
            || (kind->sidecar != NULL && g_str_has_suffix (name, kind->sidecar_extension))) {
          gchar *file = g_build_filename (path, name, NULL);

          g_unlink (file);
          g_free (file);
        }
      }
      g_clear_pointer (&dir, g_dir_close);
      g_rmdir (path);
      g_free (path);
    }
    path = g_build_filename (folder, parts[part].folder, NULL);
    g_rmdir (path);
    g_free (path);
    path = g_build_filename (folder, parts[part].manifest, NULL);
    g_unlink (path);
    g_free (path);
  }
  path = g_build_filename (folder, kind->stamp, NULL);
  g_unlink (path);
  g_free (path);
  g_rmdir (folder);
}

typedef enum {
  STATE_FREE,  /* it does not exist, or is empty */
  STATE_WHOLE, /* the requested set */
  STATE_OTHER_SET,
  STATE_FOREIGN, /* not a set */
} State;

static gboolean
has_file (const gchar *folder, const gchar *name, const gchar *extension)
{
  gchar *file = g_strconcat (name, extension, NULL);
  gchar *path = g_build_filename (folder, file, NULL);
  gboolean has = g_file_test (path, G_FILE_TEST_IS_REGULAR);

  g_free (path);
  g_free (file);
  return has;
}

static gboolean
has_all_videos (const Options *options, const gchar *folder)
{
  const DemoKind *kind = options->kind;
  DemoVideo video;
  gboolean all = TRUE;

  for (video.part = DEMO_TRAIN; video.part <= DEMO_TEST; video.part++)
    for (video.klass = 0; video.klass < kind->classes; video.klass++)
      for (video.number = 0; all && video.number < (guint) options->counts[video.part];
          video.number++) {
        gchar *name = video_name (kind, &video);

        all = has_file (folder, name, VIDEO_EXTENSION)
            && (kind->sidecar == NULL || has_file (folder, name, kind->sidecar_extension));
        g_free (name);
      }
  return all;
}

static State
state_of (const Options *options, const gchar *folder)
{
  gchar *path = g_build_filename (folder, options->kind->stamp, NULL);
  gchar *found = NULL, *wanted = describe (options);
  State state = STATE_FREE;
  GDir *dir;

  if (g_file_get_contents (path, &found, NULL, NULL)) {
    state = STATE_OTHER_SET;
    if (strcmp (found, wanted) == 0 && has_all_videos (options, folder))
      state = STATE_WHOLE;
  } else if (g_file_test (folder, G_FILE_TEST_EXISTS)) {
    state = STATE_FOREIGN;
    dir = g_dir_open (folder, 0, NULL);
    if (dir != NULL && g_dir_read_name (dir) == NULL)
      state = STATE_FREE;
    g_clear_pointer (&dir, g_dir_close);
  }
  g_free (wanted);
  g_free (found);
  g_free (path);
  return state;
}

/* Moves the set `beside` to `folder`. If users' own files keep the old folder in place, the
 * set's parts are moved into it, the stamp last. */
static gboolean
put_in_place (const DemoKind *kind, const gchar *beside, const gchar *folder, GError **error)
{
  const gchar *const entries[] = { "train", "test", "train.csv", "val.csv", kind->stamp };
  gboolean moved = g_rename (beside, folder) == 0;
  gint failed = errno;
  guint i;

  if (!moved && (failed == ENOTEMPTY || failed == EEXIST)) {
    moved = TRUE;
    for (i = 0; i < G_N_ELEMENTS (entries) && moved; i++) {
      gchar *from = g_build_filename (beside, entries[i], NULL);
      gchar *to = g_build_filename (folder, entries[i], NULL);

      moved = g_rename (from, to) == 0;
      failed = errno;
      g_free (to);
      g_free (from);
    }
    if (moved)
      g_rmdir (beside);
  }
  if (!moved)
    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (failed),
        "cannot put the set into %s: %s; move what else is there away", folder,
        g_strerror (failed));
  return moved;
}

/* The set is generated beside its final folder and then renamed, so that a folder of that name
 * is always a complete set. */
static gboolean
make_beside (const Options *options, const gchar *folder, GError **error)
{
  gchar *parent = g_path_get_dirname (folder);
  gchar *beside = g_strconcat (folder, ".partial-XXXXXX", NULL);
  gboolean made;

  made = make_folder (parent, "", error);
  if (made && g_mkdtemp_full (beside, 0755) == NULL) {
    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno),
        "cannot make a folder beside %s: %s", folder, g_strerror (errno));
    made = FALSE;
  }
  if (made && !make_set (options, beside, error)) {
    remove_set (options->kind, beside);
    made = FALSE;
  }
  if (made) {
    remove_set (options->kind, folder);
    made = put_in_place (options->kind, beside, folder, error);
    if (!made)
      remove_set (options->kind, beside);
  }
  g_free (beside);
  g_free (parent);
  return made;
}

static gboolean
run (const Options *options, const gchar *folder, GError **error)
{
  State state = state_of (options, folder);
  gint videos = options->kind->classes * (options->counts[DEMO_TRAIN] + options->counts[DEMO_TEST]);
  gint64 start = g_get_monotonic_time ();

  if (state == STATE_WHOLE) {
    g_print ("%s: already there\n", folder);
    return TRUE;
  }
  if (state == STATE_FOREIGN) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS,
        "%s exists and is not a demonstration set of %s: give another folder", folder,
        options->kind->program);
    return FALSE;
  }
  if (!demo_encode_check (error) || !make_beside (options, folder, error))
    return FALSE;
  g_print ("%s: %d videos of %u classes in %.1f s\n", folder, videos, options->kind->classes,
      (g_get_monotonic_time () - start) / 1e6);
  return TRUE;
}

static gboolean
check_options (const Options *options, GError **error)
{
  if (options->counts[DEMO_TRAIN] < 1 || options->counts[DEMO_TEST] < 1
      || options->counts[DEMO_TRAIN] > MAX_VIDEOS || options->counts[DEMO_TEST] > MAX_VIDEOS)
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "--train and --test take 1 to %d videos a class", MAX_VIDEOS);
  else if (options->seed < 0)
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--seed takes 0 or more");
  else if (options->jobs < 1 || options->jobs > 256)
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--jobs takes 1 to 256");
  else
    return TRUE;
  return FALSE;
}

int
demo_set_main (const DemoKind *kind, int argc, char **argv)
{
  Options options = { kind, 1, { kind->counts[DEMO_TRAIN], kind->counts[DEMO_TEST] },
    MIN (g_get_num_processors (), 256) };
  gchar **folders = NULL, *sheet = NULL;
  gchar *train = g_strdup_printf (
      "Videos to train on, for each class (default: %d)", kind->counts[DEMO_TRAIN]);
  gchar *test = g_strdup_printf (
      "Videos to test with, for each class (default: %d)", kind->counts[DEMO_TEST]);
  const GOptionEntry entries[] = { { "seed", 's', 0, G_OPTION_ARG_INT64, &options.seed,
                                       "Another seed, other videos (0 or more, default: 1)", "N" },
    { "train", 0, 0, G_OPTION_ARG_INT, &options.counts[DEMO_TRAIN], train, "N" },
    { "test", 0, 0, G_OPTION_ARG_INT, &options.counts[DEMO_TEST], test, "N" },
    { "jobs", 'j', 0, G_OPTION_ARG_INT, &options.jobs,
        "Videos to encode at once (default: one a processor)", "N" },
    { "contact-sheet", 0, 0, G_OPTION_ARG_FILENAME, &sheet,
        "Write a picture of some frames of each class", "FILE.png" },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &folders, NULL, "DIR" }, { NULL } };
  GOptionContext *context = g_option_context_new (NULL);
  GError *error = NULL;
  struct sigaction action = { .sa_handler = on_signal };
  gchar *folder = NULL;

  setlocale (LC_ALL, "");
  g_option_context_set_summary (context, kind->summary);
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());

  if (!g_option_context_parse (context, &argc, &argv, &error) || !check_options (&options, &error))
    goto failed;
  if (folders != NULL && folders[1] != NULL) {
    g_set_error (&error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "more than one folder is given: %s", folders[1]);
    goto failed;
  }
  if (folders == NULL && sheet == NULL) {
    g_set_error (&error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "the folder to make is missing; see --help");
    goto failed;
  }

  sigaction (SIGINT, &action, NULL);
  sigaction (SIGTERM, &action, NULL);
  if (folders != NULL) {
    /* absolute, and without a trailing slash, as names are appended to it */
    folder = g_canonicalize_filename (folders[0], NULL);
    if (!run (&options, folder, &error))
      goto failed;
  }
  if (sheet != NULL && !demo_contact_sheet (kind, options.seed, sheet, &error))
    goto failed;

failed:
  if (error != NULL)
    g_printerr ("%s: %s\n", kind->program, error->message);
  g_option_context_free (context);
  g_strfreev (folders);
  g_free (folder);
  g_free (sheet);
  g_free (test);
  g_free (train);
  if (error == NULL)
    return 0;
  g_error_free (error);
  return interrupted ? 128 + interrupted : 1;
}
