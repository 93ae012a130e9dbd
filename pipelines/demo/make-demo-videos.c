/* make-demo-videos.c: makes the demonstration data set.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <gst/gst.h>
#include <locale.h>
#include <signal.h>
#include <string.h>

#include "contact-sheet.h"
#include "encode.h"
#include "shapes.h"

/* Written last into a set: says what it was made from, and that it is whole. */
#define STAMP "demonstration-set.txt"
/* Goes up when the same options would give other videos. */
#define REVISION 1

#define MAX_VIDEOS 99999 /* a class: five digits in a name */

static const struct {
  const gchar *folder, *manifest;
} parts[] = {
  [DEMO_TRAIN] = { "train", "train.csv" },
  [DEMO_TEST] = { "test", "val.csv" },
};

typedef struct {
  gint64 seed;
  gint counts[2]; /* videos a class, by part */
  gint jobs;
} Options;

typedef struct {
  const Options *options;
  const gchar *folder;
  GMutex lock;
  GError *error; /* the first one; locked */
  guint done;    /* videos; locked */
} Work;

typedef struct {
  DemoPart part;
  DemoClass klass;
  guint number;
} Job;

/* the signal's number */
static volatile sig_atomic_t interrupted;

static void
on_signal (int number)
{
  interrupted = number;
}

static gchar *
video_name (const Job *job)
{
  return g_strdup_printf (
      "%s/%s/%05u.mp4", parts[job->part].folder, demo_class_name (job->klass), job->number);
}

static void
make_video (gpointer data, gpointer user_data)
{
  Job *job = data;
  Work *work = user_data;
  gchar *name, *path;
  DemoScene scene;
  GError *error = NULL;
  gboolean stopped;

  g_mutex_lock (&work->lock);
  stopped = work->error != NULL || interrupted;
  g_mutex_unlock (&work->lock);
  if (stopped) {
    g_free (job);
    return;
  }

  name = video_name (job);
  path = g_build_filename (work->folder, name, NULL);
  demo_scene_init (&scene, work->options->seed, job->part, job->klass, job->number);
  demo_encode (&scene, path, &error);

  g_mutex_lock (&work->lock);
  if (error == NULL) {
    work->done++;
  } else if (work->error == NULL) {
    g_prefix_error (&error, "cannot make %s: ", name);
    work->error = g_steal_pointer (&error);
  }
  g_mutex_unlock (&work->lock);
  g_clear_error (&error);
  g_free (path);
  g_free (name);
  g_free (job);
}

static gboolean
make_videos (const Options *options, const gchar *folder, GError **error)
{
  Work work = { options, folder };
  GThreadPool *pool;
  Job job;

  g_mutex_init (&work.lock);
  pool = g_thread_pool_new (make_video, &work, options->jobs, TRUE, error);
  if (pool == NULL)
    return FALSE;
  for (job.part = DEMO_TRAIN; job.part <= DEMO_TEST; job.part++)
    for (job.number = 0; job.number < (guint) options->counts[job.part]; job.number++)
      for (job.klass = 0; job.klass < DEMO_CLASSES; job.klass++)
        g_thread_pool_push (pool, g_memdup2 (&job, sizeof job), NULL);
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
  GString *rows = g_string_new ("path,label,group\n");
  gchar *path = g_build_filename (folder, parts[part].manifest, NULL);
  Job job = { part };
  gboolean written;

  for (job.klass = 0; job.klass < DEMO_CLASSES; job.klass++) {
    for (job.number = 0; job.number < (guint) options->counts[part]; job.number++) {
      gchar *name = video_name (&job);
      DemoScene scene;

      demo_scene_init (&scene, options->seed, part, job.klass, job.number);
      g_string_append_printf (rows, "%s,%s,%s\n", name, demo_class_name (job.klass),
          demo_shape_name (part, scene.shape));
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
  return g_strdup_printf ("Demonstration set of make-demo-videos\n"
                          "revision %d\nseed %" G_GINT64_FORMAT "\ntrain %d\ntest %d\n",
      REVISION, options->seed, options->counts[DEMO_TRAIN], options->counts[DEMO_TEST]);
}

/* Makes the whole set in an existing folder. */
static gboolean
make_set (const Options *options, const gchar *folder, GError **error)
{
  gchar *stamp = g_build_filename (folder, STAMP, NULL);
  gchar *text = describe (options);
  gboolean made = TRUE;
  gint part, klass;

  for (part = DEMO_TRAIN; part <= DEMO_TEST && made; part++) {
    for (klass = 0; klass < DEMO_CLASSES && made; klass++) {
      gchar *name = g_build_filename (parts[part].folder, demo_class_name (klass), NULL);

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

/* Removes what a set consists of, and then the folder where nothing else is
 * in it: what a person put there stays. */
static void
remove_set (const gchar *folder)
{
  gint part, klass;
  const gchar *name;
  gchar *path;

  for (part = DEMO_TRAIN; part <= DEMO_TEST; part++) {
    for (klass = 0; klass < DEMO_CLASSES; klass++) {
      GDir *dir;

      path = g_build_filename (folder, parts[part].folder, demo_class_name (klass), NULL);
      dir = g_dir_open (path, 0, NULL);
      while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
        if (g_str_has_suffix (name, ".mp4")) {
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
  path = g_build_filename (folder, STAMP, NULL);
  g_unlink (path);
  g_free (path);
  g_rmdir (folder);
}

typedef enum {
  STATE_FREE,  /* nothing there, or an empty folder */
  STATE_WHOLE, /* the set that was asked for */
  STATE_OTHER_SET,
  STATE_FOREIGN, /* somebody else's */
} State;

static gboolean
has_all_videos (const Options *options, const gchar *folder)
{
  Job job;
  gboolean all = TRUE;

  for (job.part = DEMO_TRAIN; job.part <= DEMO_TEST; job.part++)
    for (job.klass = 0; job.klass < DEMO_CLASSES; job.klass++)
      for (job.number = 0; all && job.number < (guint) options->counts[job.part]; job.number++) {
        gchar *name = video_name (&job);
        gchar *path = g_build_filename (folder, name, NULL);

        all = g_file_test (path, G_FILE_TEST_IS_REGULAR);
        g_free (path);
        g_free (name);
      }
  return all;
}

static State
state_of (const Options *options, const gchar *folder)
{
  gchar *path = g_build_filename (folder, STAMP, NULL);
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

/* Puts the set `beside` in the place of `folder`. Where a person's own files
 * keep the old folder in being, the set's parts move into it, its stamp last. */
static gboolean
put_in_place (const gchar *beside, const gchar *folder, GError **error)
{
  static const gchar *const entries[] = { "train", "test", "train.csv", "val.csv", STAMP };
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

/* The set is made beside its place and renamed into it, so that a folder of
 * that name is always a whole set. */
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
    remove_set (beside);
    made = FALSE;
  }
  if (made) {
    remove_set (folder);
    made = put_in_place (beside, folder, error);
    if (!made)
      remove_set (beside);
  }
  g_free (beside);
  g_free (parent);
  return made;
}

static gboolean
run (const Options *options, const gchar *folder, GError **error)
{
  State state = state_of (options, folder);
  gint videos = DEMO_CLASSES * (options->counts[DEMO_TRAIN] + options->counts[DEMO_TEST]);
  gint64 start = g_get_monotonic_time ();

  if (state == STATE_WHOLE) {
    g_print ("%s: already there\n", folder);
    return TRUE;
  }
  if (state == STATE_FOREIGN) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS,
        "%s exists and is not a demonstration set: give another folder", folder);
    return FALSE;
  }
  if (!demo_encode_check (error) || !make_beside (options, folder, error))
    return FALSE;
  g_print ("%s: %d videos of %d classes in %.1f s\n", folder, videos, DEMO_CLASSES,
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
main (int argc, char **argv)
{
  Options options = { 1, { 300, 25 }, MIN (g_get_num_processors (), 256) };
  gchar **folders = NULL, *sheet = NULL;
  const GOptionEntry entries[] = { { "seed", 's', 0, G_OPTION_ARG_INT64, &options.seed,
                                       "Another seed, other videos (0 or more, default: 1)", "N" },
    { "train", 0, 0, G_OPTION_ARG_INT, &options.counts[DEMO_TRAIN],
        "Videos to train on, for each class (default: 300)", "N" },
    { "test", 0, 0, G_OPTION_ARG_INT, &options.counts[DEMO_TEST],
        "Videos to test with, for each class (default: 25)", "N" },
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
  g_option_context_set_summary (context,
      "Makes the demonstration data set in DIR: short videos whose classes are "
      "motions.\nDIR/train.csv and DIR/val.csv list them. A set that is already there stays;\none "
      "made with other options is replaced.");
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
    /* absolute, and without a slash at its end: names are added to it */
    folder = g_canonicalize_filename (folders[0], NULL);
    if (!run (&options, folder, &error))
      goto failed;
  }
  if (sheet != NULL && !demo_contact_sheet (options.seed, DEMO_TRAIN, 0, sheet, &error))
    goto failed;

failed:
  if (error != NULL)
    g_printerr ("make-demo-videos: %s\n", error->message);
  g_option_context_free (context);
  g_strfreev (folders);
  g_free (folder);
  g_free (sheet);
  if (error == NULL)
    return 0;
  g_error_free (error);
  return interrupted ? 128 + interrupted : 1;
}
