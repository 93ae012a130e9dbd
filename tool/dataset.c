/* cnn3d dataset: what is in a data set.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "src/address.h"
#include "src/dataset/dataset.h"
#include "src/escape.h"
#include "src/hash.h"
#include "src/keypoints/keypoints.h"
#include "tool/datasetcheck.h"
#include "tool/tool.h"

#define MOST_NAMED 10 /* missing files that are listed */
#define IMBALANCED 10 /* times as many clips as the rarest class */

enum {
  TRAIN,
  VAL,
  TEST,
  NONE,
  SPLITS
};
static const gchar *const split_names[SPLITS] = { "train", "val", "test", "none" };

typedef struct {
  guint clips, by[SPLITS];
} Counts;

typedef struct {
  Counts all, *classes;
  guint seconds, frames; /* clips that are windows */
  guint *views;          /* [views]: clips that have this one */
  guint partial;         /* clips that have not all views */
  GHashTable *files;     /* path -> number in listed + 1 */
  GArray *listed;        /* DatasetFile: the same, as they first came */
  GHashTable *groups;
  GPtrArray *missing; /* of the files' */
  GHashTable *poses;  /* files of key points */
  GPtrArray *wrong;   /* of these: "path: reason" */
} Summary;

static guint
split_of (const gchar *name)
{
  guint split = 0;

  while (split < NONE && g_strcmp0 (name, split_names[split]) != 0)
    split++;
  return split;
}

static gboolean
is_missing (const gchar *path)
{
  struct stat st;

  /* an address, or a pattern of pictures' names */
  if (cnn3d_is_address (path) || strchr (path, '%'))
    return FALSE;
  return stat (path, &st) != 0 || (S_ISREG (st.st_mode) && st.st_size == 0);
}

/* Windows that a file has beyond these are rounding. */
#define SLACK_SECONDS 1
#define SLACK_FRAMES 2

/* Keeps the latest of the file's windows; of seconds and frames, the kind that came first. */
static void
add_window (DatasetFile *file, const Cnn3dDatasetRow *row)
{
  const gdouble slack = row->in_frames ? SLACK_FRAMES : SLACK_SECONDS;
  const gdouble last = isfinite (row->end) ? row->end - (row->in_frames ? 1 : 0) : row->start;
  const gdouble latest = MAX (row->start, last - slack);

  if (latest <= file->latest || (file->latest > 0 && file->in_frames != row->in_frames))
    return;
  file->latest = latest;
  file->last = last;
  file->in_frames = row->in_frames;
}

static void
count_views (Summary *summary, const Cnn3dDataset *dataset, guint row)
{
  guint n, listed = 0;
  g_autofree guint32 *rows = NULL;

  cnn3d_dataset_views (dataset, &n);
  if (n == 0)
    return;
  rows = g_new (guint32, n);
  cnn3d_dataset_view_rows (dataset, row, rows);
  for (guint view = 0; view < n; view++) {
    summary->views[view] += rows[view] != CNN3D_DATASET_NO_ROW;
    listed += rows[view] != CNN3D_DATASET_NO_ROW;
  }
  summary->partial += listed < n;
}

/* A clip is a row, or the rows of all of its views. */
static void
count_clip (Summary *summary, const Cnn3dDataset *dataset, guint number, const Cnn3dDatasetRow *row)
{
  const guint split = split_of (row->split);

  summary->all.clips++;
  summary->all.by[split]++;
  summary->classes[row->label].clips++;
  summary->classes[row->label].by[split]++;
  if (row->start > 0 || isfinite (row->end))
    row->in_frames ? summary->frames++ : summary->seconds++;
  if (row->group)
    g_hash_table_add (summary->groups, (gpointer) row->group);
  count_views (summary, dataset, number);
}

static void
count_rows (Summary *summary, const Cnn3dDataset *dataset)
{
  for (guint i = 0; i < cnn3d_dataset_num_rows (dataset); i++) {
    g_autofree gchar *path = cnn3d_dataset_path (dataset, i);
    Cnn3dDatasetRow row;
    guint number;

    if (!cnn3d_dataset_wants (dataset, i))
      continue;
    cnn3d_dataset_row (dataset, i, &row);
    if (cnn3d_dataset_leads (dataset, i))
      count_clip (summary, dataset, i, &row);
    number = GPOINTER_TO_UINT (g_hash_table_lookup (summary->files, path));
    if (number == 0) {
      const DatasetFile file = { .path = path, .fps = row.fps };

      if (is_missing (path))
        g_ptr_array_add (summary->missing, g_strdup (path));
      g_array_append_val (summary->listed, file);
      number = summary->listed->len;
      g_hash_table_insert (summary->files, g_steal_pointer (&path), GUINT_TO_POINTER (number));
    }
    add_window (&g_array_index (summary->listed, DatasetFile, number - 1), &row);
  }
}

/* Each file once: whether it is there, or, with `check`, whether it can be read. */
static void
count_poses (Summary *summary, const Cnn3dDataset *dataset, const gchar *root, const gchar *pattern,
    gboolean check)
{
  for (guint i = 0; i < cnn3d_dataset_num_rows (dataset); i++) {
    g_autofree gchar *path = cnn3d_dataset_keypoints (dataset, i, root, pattern);
    g_autoptr (GError) error = NULL;
    struct stat st;

    if (!path || !cnn3d_dataset_wants (dataset, i) || g_hash_table_contains (summary->poses, path))
      continue;
    if (check)
      cnn3d_keypoints_free (cnn3d_keypoints_read (path, NULL, &error));
    else if (stat (path, &st) != 0)
      g_set_error_literal (
          &error, CNN3D_KEYPOINTS_ERROR, CNN3D_KEYPOINTS_ERROR_OPEN, g_strerror (errno));
    if (error)
      g_ptr_array_add (summary->wrong, g_strdup_printf ("%s: %s", path, error->message));
    g_hash_table_add (summary->poses, g_steal_pointer (&path));
  }
}

static void
print_poses (const Summary *summary)
{
  const guint n = summary->wrong->len;

  if (g_hash_table_size (summary->poses))
    printf ("\nKey points: %u files, of which %u cannot be read\n",
        g_hash_table_size (summary->poses), n);
  for (guint i = 0; i < MIN (n, MOST_NAMED); i++) {
    g_autofree gchar *shown = cnn3d_escape (g_ptr_array_index (summary->wrong, i), FALSE);

    printf ("  %s\n", shown);
  }
  if (n > MOST_NAMED)
    puts ("  ...");
}

static void
print_counts (const Counts *counts, const Counts *all, const gchar *name)
{
  g_autofree gchar *shown = cnn3d_escape_shown (name);

  printf ("%9u", counts->clips);
  for (guint split = 0; split < SPLITS; split++)
    if (all->by[split] && all->by[split] < all->clips)
      printf ("%9u", counts->by[split]);
  printf ("  %s\n", shown);
}

static void
print_views (const Summary *summary, const Cnn3dDataset *dataset)
{
  guint n;
  const gchar *const *views = cnn3d_dataset_views (dataset, &n);

  for (guint view = 0; view < n; view++) {
    g_autofree gchar *shown = cnn3d_escape_shown (views[view]);

    printf (view ? ", %u %s" : "\nviews: %u %s", summary->views[view], shown);
  }
  if (summary->partial)
    printf ("; %u clips have not all of them", summary->partial);
}

static void
print_summary (const Summary *summary, const Cnn3dDataset *dataset, const gchar *location)
{
  const gchar *const *classes = cnn3d_dataset_classes (dataset);
  const guint n = cnn3d_dataset_num_classes (dataset);
  g_autofree gchar *shown = cnn3d_escape (location, FALSE);
  guint most = 0, least = 0;

  printf ("%s: %s\n%u clips of %u files, %u classes", shown, cnn3d_dataset_format (dataset, FALSE),
      summary->all.clips, g_hash_table_size (summary->files), n);
  if (g_hash_table_size (summary->groups))
    printf (", %u groups", g_hash_table_size (summary->groups));
  if (summary->seconds)
    printf (", %u windows in seconds", summary->seconds);
  if (summary->frames)
    printf (", %u windows in frames", summary->frames);
  print_views (summary, dataset);
  printf ("\n\n    clips");
  for (guint split = 0; split < SPLITS; split++)
    if (summary->all.by[split] && summary->all.by[split] < summary->all.clips)
      printf ("%9s", split_names[split]);
  printf ("  class\n");
  for (guint i = 0; i < n; i++) {
    print_counts (&summary->classes[i], &summary->all, classes[i]);
    most = summary->classes[i].clips > summary->classes[most].clips ? i : most;
    least = summary->classes[i].clips < summary->classes[least].clips ? i : least;
  }
  print_counts (&summary->all, &summary->all, "(all)");
  if (summary->classes[most].clips >= IMBALANCED * summary->classes[least].clips) {
    g_autofree gchar *rare = cnn3d_escape_shown (classes[least]),
                     *frequent = cnn3d_escape_shown (classes[most]);

    printf ("\nImbalanced: \"%s\" has %.3g times as many clips as \"%s\"; sampling=balanced shows "
            "them equally often\n",
        frequent, (gdouble) summary->classes[most].clips / summary->classes[least].clips, rare);
  }
}

static void
print_notes (const Cnn3dDataset *dataset)
{
  guint n;
  const Cnn3dDatasetNote *notes = cnn3d_dataset_notes (dataset, &n);

  for (guint i = 0; i < n; i++) {
    g_autofree gchar *shown = cnn3d_escape (notes[i].text, FALSE);

    printf ("%s%s%s\n", i ? "" : "\n", notes[i].warning ? "Warning: " : "", shown);
  }
}

static void
print_missing (const Summary *summary)
{
  const guint n = summary->missing->len;

  if (n > 0)
    printf ("\nMissing or empty: %u of %u files\n", n, g_hash_table_size (summary->files));
  for (guint i = 0; i < MIN (n, MOST_NAMED); i++) {
    g_autofree gchar *shown = cnn3d_escape (g_ptr_array_index (summary->missing, i), FALSE);

    printf ("  %s\n", shown);
  }
  if (n > MOST_NAMED)
    puts ("  ...");
}

/* FALSE: some cannot be read or are too short, or none could be opened at all. */
static gboolean
check_files (const Summary *summary)
{
  g_autoptr (GPtrArray) late = g_ptr_array_new_with_free_func (g_free);
  gint bad;

  puts ("\nFiles that cannot be read:");
  bad = dataset_check ((const DatasetFile *) summary->listed->data, summary->listed->len, late);
  if (bad == 0)
    puts ("  none");
  if (late->len > 0)
    printf ("\nWindows that end after their video: in %u of %u files\n", late->len,
        summary->listed->len);
  for (guint i = 0; i < MIN (late->len, MOST_NAMED); i++)
    puts (g_ptr_array_index (late, i));
  if (late->len > MOST_NAMED)
    puts ("  ...");
  return bad == 0 && late->len == 0;
}

static gboolean
write_manifest (
    const Cnn3dDataset *dataset, const gchar *location, const gchar *output, GError **error)
{
  g_autofree gchar *folder = g_path_get_dirname (output),
                   *text = cnn3d_dataset_manifest (dataset, folder);
  GStatBuf from, to;

  /* columns that are not read would be lost */
  if (g_stat (location, &from) == 0 && g_stat (output, &to) == 0 && from.st_dev == to.st_dev
      && from.st_ino == to.st_ino) {
    g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_OPEN,
        "--output=%s is the data set itself; name another file", output);
    return FALSE;
  }
  return tool_write (output, text, error);
}

int
tool_dataset (int argc, char **argv)
{
  g_autofree gchar *root = NULL, *classes = NULL, *annotator = NULL, *background = NULL,
                   *views = NULL, *output = NULL, *points_root = NULL, *pattern = NULL,
                   *wrong = NULL;
  g_auto (GStrv) paths = NULL;
  gboolean check = FALSE;
  const GOptionEntry entries[] = { { "root", 0, 0, G_OPTION_ARG_FILENAME, &root,
                                       "The folder that relative paths are in (default PATH's own)",
                                       "FOLDER" },
    { "classes-location", 0, 0, G_OPTION_ARG_FILENAME, &classes,
        "Names of classes that are numbers (default none)", "FILE" },
    { "annotator", 0, 0, G_OPTION_ARG_STRING, &annotator,
        "Whose annotations are taken (default: there is one)", "WHO" },
    { "views", 0, 0, G_OPTION_ARG_STRING, &views,
        "Views of each clip, in their order (default: those of the column view)", "NAMES" },
    { "background", 0, 0, G_OPTION_ARG_STRING, &background,
        "Class of what no label covers (default: it is left out)", "NAME" },
    { "keypoints-root", 0, 0, G_OPTION_ARG_FILENAME, &points_root,
        "The folder that files of key points are in (default --root)", "FOLDER" },
    { "keypoints-pattern", 0, 0, G_OPTION_ARG_STRING, &pattern,
        "Their names, such as {stem}.npy (default: those of the column keypoints)", "PATTERN" },
    { "check", 0, 0, G_OPTION_ARG_NONE, &check,
        "Decode a frame of each file (default: look whether they are there)", NULL },
    { "output", 0, 0, G_OPTION_ARG_FILENAME, &output,
        "A manifest to write of all clips (default none)", "FILE" },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &paths, NULL, NULL }, { NULL } };
  g_autoptr (GOptionContext) context = g_option_context_new ("PATH - what is in a data set");
  g_autoptr (GError) error = NULL;
  Cnn3dDatasetParams params = { .rows_only = TRUE };
  Summary summary = { { 0 } };
  Cnn3dDataset *dataset;
  gboolean ok = TRUE;
  guint n_views;

  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_set_summary (context,
      "PATH is what clipsrc takes as location: a file of annotations, or a folder of\n"
      "class folders. Exits with 1 where files are missing.");
  g_set_prgname ("cnn3d dataset");
  if (!g_option_context_parse (context, &argc, &argv, &error)) {
    tool_complain ("%s", error->message);
    return TOOL_USAGE;
  }
  if (!paths || paths[1]) {
    tool_complain ("give one data set: cnn3d dataset PATH");
    return TOOL_USAGE;
  }
  wrong = cnn3d_keypoints_pattern_refuse (pattern);
  if (wrong) {
    tool_complain ("--keypoints-pattern: %s", wrong);
    return TOOL_USAGE;
  }
  params.location = paths[0];
  params.root = root;
  params.classes_location = classes;
  params.annotator = annotator;
  params.views = views;
  params.background = background;
  dataset = cnn3d_dataset_new (&params, &error);
  if (!dataset) {
    tool_complain ("%s", error->message);
    return TOOL_FAILED;
  }
  summary.classes = g_new0 (Counts, cnn3d_dataset_num_classes (dataset));
  cnn3d_dataset_views (dataset, &n_views);
  summary.views = g_new0 (guint, MAX (n_views, 1));
  summary.files = g_hash_table_new_full (cnn3d_hash_text, g_str_equal, g_free, NULL);
  summary.groups = g_hash_table_new (cnn3d_hash_text, g_str_equal);
  summary.listed = g_array_new (FALSE, FALSE, sizeof (DatasetFile));
  summary.missing = g_ptr_array_new_with_free_func (g_free);
  summary.poses = g_hash_table_new_full (cnn3d_hash_text, g_str_equal, g_free, NULL);
  summary.wrong = g_ptr_array_new_with_free_func (g_free);
  count_rows (&summary, dataset);
  cnn3d_dataset_note_keypoints (dataset, points_root, pattern);
  count_poses (&summary, dataset, points_root, pattern, check);
  print_summary (&summary, dataset, paths[0]);
  print_notes (dataset);
  print_missing (&summary);
  print_poses (&summary);
  if (check)
    ok = check_files (&summary);
  if (output) {
    if (!write_manifest (dataset, paths[0], output, &error)) {
      tool_complain ("%s", error->message);
      ok = FALSE;
    }
  }
  ok = ok && summary.missing->len == 0 && summary.wrong->len == 0;
  g_free (summary.classes);
  g_free (summary.views);
  g_hash_table_unref (summary.files);
  g_hash_table_unref (summary.groups);
  g_array_unref (summary.listed);
  g_ptr_array_unref (summary.missing);
  g_hash_table_unref (summary.poses);
  g_ptr_array_unref (summary.wrong);
  cnn3d_dataset_free (dataset);
  return ok ? TOOL_FINE : TOOL_FAILED;
}
