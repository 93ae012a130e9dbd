/* order.c: splits, folds, and the order of clips.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/digest.h"
#include "src/dataset/order.h"

#include <math.h>
#include <string.h>
#include <glib/gstdio.h>

static Cnn3dDataset *
load (const gchar *text, Cnn3dDatasetParams params)
{
  gchar *path;
  gint fd = g_file_open_tmp ("order-XXXXXX", &path, NULL);
  GError *error = NULL;
  Cnn3dDataset *dataset;

  g_assert_cmpint (fd, >=, 0);
  g_close (fd, NULL);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  params.location = path;
  dataset = cnn3d_dataset_new (&params, &error);
  g_assert_no_error (error);
  g_unlink (path);
  g_free (path);
  return dataset;
}

static Cnn3dDataset *
load_text (const gchar *text, guint num_folds, guint fold, guint64 seed)
{
  return load (text, (Cnn3dDatasetParams) { .num_folds = num_folds, .fold = fold, .seed = seed });
}

/* n rows; the last n_val are validation rows. */
static Cnn3dDataset *
make_rows (guint n, guint n_val)
{
  GString *text = g_string_new ("path,label,split\n");
  Cnn3dDataset *dataset;

  for (guint i = 0; i < n; i++)
    g_string_append_printf (
        text, "v%u,%s,%s\n", i, i % 2 ? "x" : "y", i < n - n_val ? "train" : "val");
  dataset = load_text (text->str, 0, 0, 0);
  g_string_free (text, TRUE);
  return dataset;
}

static Cnn3dOrder *
make_order (Cnn3dDataset *dataset, const Cnn3dOrderParams *params)
{
  GError *error = NULL;
  Cnn3dOrder *order = cnn3d_order_new (dataset, params, &error);

  g_assert_no_error (error);
  return order;
}

static guint
row_at (Cnn3dOrder *order, guint64 position)
{
  Cnn3dOrderClip clip;

  g_assert_true (cnn3d_order_locate (order, position, &clip));
  return clip.row;
}

static void
test_positions (void)
{
  Cnn3dDataset *dataset = make_rows (13, 3);
  Cnn3dOrderParams params = { .seed = 5, .shuffle = TRUE, .world_size = 1, .epochs = 4 };
  Cnn3dOrder *order = make_order (dataset, &params);
  Cnn3dOrderClip clip;
  gboolean same = TRUE;

  g_assert_cmpuint (cnn3d_order_pass_clips (order, TRUE), ==, 10);
  g_assert_cmpuint (cnn3d_order_pass_clips (order, FALSE), ==, 3);
  g_assert_cmpuint (cnn3d_order_total (order), ==, 52);
  for (guint epoch = 0; epoch < 4; epoch++) {
    guint seen = 0;

    for (guint i = 0; i < 13; i++) {
      g_assert_true (cnn3d_order_locate (order, epoch * 13 + i, &clip));
      g_assert_cmpuint (clip.epoch, ==, epoch);
      g_assert_cmpint (clip.training, ==, i < 10);
      g_assert_cmpuint (clip.index, ==, i < 10 ? i : i - 10);
      g_assert_cmpuint (
          cnn3d_order_position (order, epoch, clip.training, clip.index), ==, epoch * 13 + i);
      if (i >= 10)
        g_assert_cmpuint (clip.row, ==, i);
      seen |= 1u << clip.row;
    }
    g_assert_cmpuint (seen, ==, (1u << 13) - 1);
  }
  g_assert_false (cnn3d_order_locate (order, 52, &clip));
  for (guint i = 0; i < 10; i++)
    same = same && row_at (order, i) == row_at (order, 13 + i);
  g_assert_false (same);
  cnn3d_order_free (order);
  cnn3d_dataset_free (dataset);
}

/* The order does not depend on earlier queries; other seeds give other orders. */
static void
test_pure (void)
{
  Cnn3dDataset *dataset = make_rows (100, 0);
  Cnn3dOrderParams params = { .seed = 1, .shuffle = TRUE, .world_size = 1, .epochs = 10 };
  Cnn3dOrder *a = make_order (dataset, &params), *b = make_order (dataset, &params), *c;
  guint same = 0;

  for (gint i = 999; i >= 0; i -= 7)
    g_assert_cmpuint (row_at (a, i), ==, row_at (b, i));
  for (guint i = 0; i < 1000; i++)
    g_assert_cmpuint (row_at (a, i), ==, row_at (b, i));
  params.seed = 2;
  c = make_order (dataset, &params);
  for (guint i = 0; i < 1000; i++)
    same += row_at (a, i) == row_at (c, i);
  g_assert_cmpuint (same, <, 50);
  cnn3d_order_free (c);
  params.shuffle = FALSE;
  c = make_order (dataset, &params);
  for (guint i = 0; i < 1000; i++)
    g_assert_cmpuint (row_at (c, i), ==, i % 100);
  cnn3d_order_free (a);
  cnn3d_order_free (b);
  cnn3d_order_free (c);
  cnn3d_dataset_free (dataset);
}

/* Each row is equally often at each position: a biased shuffle would train some clips less
 * often. */
static void
test_uniform (void)
{
  Cnn3dDataset *dataset = make_rows (6, 0);
  Cnn3dOrderParams params = { .seed = 3, .shuffle = TRUE, .world_size = 1, .epochs = 6000 };
  Cnn3dOrder *order = make_order (dataset, &params);
  guint counts[6][6] = {
    {
        0,
    },
  };

  for (guint i = 0; i < 36000; i++)
    counts[i % 6][row_at (order, i)]++;
  for (guint i = 0; i < 36; i++) {
    /* 1000 expected, standard deviation 29 */
    g_assert_cmpuint (counts[i / 6][i % 6], >, 850);
    g_assert_cmpuint (counts[i / 6][i % 6], <, 1150);
  }
  cnn3d_order_free (order);
  cnn3d_dataset_free (dataset);
}

/* Every clip of a run is one rank's, and all of a batch are the same rank's. */
static void
check_ranks (Cnn3dDataset *dataset, guint world, guint batch)
{
  Cnn3dOrderParams params = { .seed = 5, .shuffle = TRUE, .world_size = world, .epochs = 2 };
  guint64 owner[26], clips[2] = { 0, 0 };

  memset (owner, 0xff, sizeof owner);
  for (params.rank = 0; params.rank < world; params.rank++) {
    Cnn3dOrder *order = make_order (dataset, &params);
    guint64 own[2] = { 0, 0 };

    g_assert_cmpuint (cnn3d_order_total (order), ==, 26);
    for (guint64 at = 0; at < 26; at++) {
      const guint64 next = cnn3d_order_next (order, at, batch);
      Cnn3dOrderClip clip;

      g_assert_true (cnn3d_order_locate (order, at, &clip));
      g_assert_cmpuint (next, >=, at);
      g_assert_cmpuint (next, <=, at - clip.index + cnn3d_order_pass_clips (order, clip.training));
      if (next > at)
        continue;
      g_assert_cmpuint (owner[at], ==, G_MAXUINT64);
      owner[at] = params.rank;
      g_assert_cmpuint (clip.index / batch % world, ==, params.rank);
      own[clip.training]++;
    }
    for (guint training = 0; training < 2; training++) {
      g_assert_cmpuint (cnn3d_order_own_clips (order, training, batch), ==, own[training] / 2);
      clips[training] += own[training] / 2;
    }
    g_assert_cmpuint (cnn3d_order_next (order, 26, batch), ==, 26);
    cnn3d_order_free (order);
  }
  for (guint64 at = 0; at < 26; at++)
    g_assert_cmpuint (owner[at], <, world);
  g_assert_cmpuint (clips[TRUE], ==, 10);
  g_assert_cmpuint (clips[FALSE], ==, 3);
}

static void
test_ranks (void)
{
  Cnn3dDataset *dataset = make_rows (13, 3);
  Cnn3dOrderParams params = { .seed = 5, .shuffle = TRUE, .world_size = 1, .epochs = 2 };
  Cnn3dOrder *whole = make_order (dataset, &params), *third;

  for (guint world = 1; world <= 12; world++)
    for (guint batch = 1; batch <= 11; batch++)
      check_ranks (dataset, world, batch);

  /* the order is the same for all */
  params.world_size = 3;
  params.rank = 2;
  third = make_order (dataset, &params);
  for (guint64 at = 0; at < 26; at++)
    g_assert_cmpuint (row_at (third, at), ==, row_at (whole, at));
  /* two by two: batch 2 of the 5 that train, and none of the 2 that validate */
  g_assert_cmpuint (cnn3d_order_next (third, 0, 2), ==, 4);
  g_assert_cmpuint (cnn3d_order_next (third, 5, 2), ==, 5);
  g_assert_cmpuint (cnn3d_order_next (third, 6, 2), ==, 10);
  g_assert_cmpuint (cnn3d_order_next (third, 10, 2), ==, 13);
  g_assert_cmpuint (cnn3d_order_next (third, 13, 2), ==, 17);
  cnn3d_order_free (third);
  cnn3d_order_free (whole);
  cnn3d_dataset_free (dataset);
}

static void
test_bad_params (void)
{
  Cnn3dDataset *dataset = make_rows (4, 0);
  Cnn3dOrderParams params = { .rank = 2, .world_size = 2, .epochs = 1 };
  GError *error = NULL;

  g_assert_null (cnn3d_order_new (dataset, &params, &error));
  g_assert_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_PARAMS);
  g_assert_cmpstr (
      error->message, ==, "rank is 2, but world-size is 2; rank counts from 0 to world-size - 1");
  g_clear_error (&error);
  params.rank = 0;
  params.epochs = 0;
  g_assert_null (cnn3d_order_new (dataset, &params, &error));
  g_assert_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_PARAMS);
  g_assert_cmpstr (error->message, ==, "epochs is 0; it must be at least 1");
  g_clear_error (&error);
  cnn3d_dataset_free (dataset);
}

static void
test_limit (void)
{
  Cnn3dDataset *dataset = make_rows (100, 20);
  Cnn3dOrderParams params = {
    .seed = 5, .shuffle = TRUE, .world_size = 1, .epochs = 2, .limit_clips = 30
  };
  Cnn3dOrder *order = make_order (dataset, &params);
  gboolean seen[2][100] = {
    {
        FALSE,
    },
  };
  guint odd = 0;

  g_assert_cmpuint (cnn3d_order_pass_clips (order, TRUE), ==, 30);
  g_assert_cmpuint (cnn3d_order_pass_clips (order, FALSE), ==, 20);
  for (guint i = 0; i < 30; i++) {
    seen[0][row_at (order, i)] = TRUE;
    seen[1][row_at (order, 50 + i)] = TRUE;
    odd += row_at (order, i) % 2;
  }
  /* The same clips in each epoch, of both classes */
  g_assert_cmpmem (seen[0], sizeof seen[0], seen[1], sizeof seen[1]);
  g_assert_cmpuint (odd, >, 5);
  g_assert_cmpuint (odd, <, 25);
  cnn3d_order_free (order);
  cnn3d_dataset_free (dataset);
}

/* Groups of uneven sizes: none is on both sides, every clip validates in exactly one fold, and
 * folds are of similar size. */
static void
test_groups (void)
{
  GString *text = g_string_new ("path,label,group\n");
  guint validated[200] = { 0, }, moved = 0;
  const guint32 *rows;
  guint n;

  for (guint i = 0; i < 200; i++)
    g_string_append_printf (text, "v%u,%s,g%u\n", i, i % 2 ? "x" : "y", i * i / 700);
  for (guint fold = 0; fold < 5; fold++) {
    Cnn3dDataset *d = load_text (text->str, 5, fold, 7), *other;
    GHashTable *groups = g_hash_table_new (g_str_hash, g_str_equal);
    Cnn3dDatasetRow row;

    rows = cnn3d_dataset_split (d, FALSE, &n);
    g_assert_cmpuint (n, >=, 30);
    g_assert_cmpuint (n, <=, 50);
    for (guint i = 0; i < n; i++) {
      validated[rows[i]]++;
      cnn3d_dataset_row (d, rows[i], &row);
      g_hash_table_add (groups, (gpointer) row.group);
    }
    rows = cnn3d_dataset_split (d, TRUE, &n);
    for (guint i = 0; i < n; i++) {
      cnn3d_dataset_row (d, rows[i], &row);
      g_assert_false (g_hash_table_contains (groups, row.group));
    }
    other = load_text (text->str, 5, fold, 8);
    rows = cnn3d_dataset_split (other, FALSE, &n);
    for (guint i = 0; i < n; i++) {
      cnn3d_dataset_row (other, rows[i], &row);
      moved += !g_hash_table_contains (groups, row.group);
    }
    g_hash_table_unref (groups);
    cnn3d_dataset_free (d);
    cnn3d_dataset_free (other);
  }
  for (guint i = 0; i < 200; i++)
    g_assert_cmpuint (validated[i], ==, 1);
  g_assert_cmpuint (moved, >, 0);
  g_string_free (text, TRUE);
}

/* Without groups, windows of one file stay together. */
static void
test_paths (void)
{
  GString *text = g_string_new (NULL);
  const guint32 *rows;
  Cnn3dDataset *d;
  guint n;

  for (guint i = 0; i < 40; i++)
    g_string_append_printf (text, "v%u,%s,%u,%u\n", i % 10, i % 2 ? "x" : "y", i, i + 1);
  d = load_text (text->str, 2, 1, 0);
  rows = cnn3d_dataset_split (d, FALSE, &n);
  g_assert_cmpuint (n, ==, 20);
  for (guint i = 0; i < n; i++) {
    guint files = 0;

    for (guint j = 0; j < n; j++)
      files += rows[j] % 10 == rows[i] % 10;
    g_assert_cmpuint (files, ==, 4);
  }
  cnn3d_dataset_free (d);
  g_string_free (text, TRUE);
}

static void
test_fold_column (void)
{
  const gchar *text = "path,label,group,fold\na,x,1,10\nb,y,1,10\nc,x,2,2\nd,y,2,2\n";
  Cnn3dDataset *d = load_text (text, 2, 0, 0);
  const guint32 *rows;
  guint n;

  rows = cnn3d_dataset_split (d, FALSE, &n);
  g_assert_cmpuint (n, ==, 2);
  g_assert_cmpuint (rows[0], ==, 2);
  cnn3d_dataset_free (d);
  d = load_text (text, 0, 0, 0);
  cnn3d_dataset_split (d, TRUE, &n);
  g_assert_cmpuint (n, ==, 4);
  cnn3d_dataset_free (d);
}

/* Passes of one kind: positions count only those clips. */
static void
test_passes (void)
{
  static const gchar text[] = "path,label,split\na,x,train\nb,y,train\nc,x,train\n"
                              "d,x,val\ne,y,val\nf,x,test\ng,x,test\n";
  static const struct {
    Cnn3dPasses passes;
    guint clips, first;
  } cases[] = {
    { CNN3D_PASSES_TRAIN, 3, 0 },
    { CNN3D_PASSES_VAL, 2, 3 },
    { CNN3D_PASSES_TEST, 2, 5 },
  };
  Cnn3dOrderParams params = { .seed = 1, .shuffle = TRUE, .world_size = 1, .epochs = 3 };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const gboolean training = cases[i].passes == CNN3D_PASSES_TRAIN;
    const guint n = cases[i].clips;
    Cnn3dDataset *dataset = load (text, (Cnn3dDatasetParams) { .passes = cases[i].passes });
    Cnn3dOrder *order = make_order (dataset, &params);
    Cnn3dOrderClip clip;

    g_assert_cmpuint (cnn3d_order_total (order), ==, 3 * n);
    g_assert_cmpuint (cnn3d_order_pass_clips (order, training), ==, n);
    g_assert_cmpuint (cnn3d_order_pass_clips (order, !training), ==, 0);
    for (guint position = 0; position < 3 * n; position++) {
      g_assert_true (cnn3d_order_locate (order, position, &clip));
      g_assert_cmpuint (clip.epoch, ==, position / n);
      g_assert_cmpuint (clip.index, ==, position % n);
      g_assert_cmpint (clip.training, ==, training);
      if (training)
        g_assert_cmpuint (clip.row, <, 3);
      else
        g_assert_cmpuint (clip.row, ==, cases[i].first + position % n);
      g_assert_cmpuint (
          cnn3d_order_position (order, clip.epoch, training, clip.index), ==, position);
    }
    g_assert_false (cnn3d_order_locate (order, 3 * n, &clip));
    cnn3d_order_free (order);
    cnn3d_dataset_free (dataset);
  }
  /* The same validation clips as in training, also with a limit */
  {
    Cnn3dDataset *all = load (text, (Cnn3dDatasetParams) { .seed = 0 });
    Cnn3dDataset *val = load (text, (Cnn3dDatasetParams) { .passes = CNN3D_PASSES_VAL });
    Cnn3dOrder *a, *b;

    params.limit_clips = 1;
    for (params.seed = 0; params.seed < 10; params.seed++) {
      a = make_order (all, &params);
      b = make_order (val, &params);
      g_assert_cmpuint (row_at (a, 1), ==, row_at (b, 0));
      cnn3d_order_free (a);
      cnn3d_order_free (b);
    }
    cnn3d_dataset_free (all);
    cnn3d_dataset_free (val);
  }
}

/* 1 clip of class a, 3 of b, 12 of c, and one for validation. */
static Cnn3dDataset *
make_uneven (void)
{
  GString *text = g_string_new ("path,label,split\n");
  Cnn3dDataset *dataset;

  for (guint i = 0; i < 16; i++)
    g_string_append_printf (text, "v%u,%s,train\n", i,
        i == 5                     ? "a"
            : i % 5 == 1 && i < 15 ? "b"
                                   : "c");
  g_string_append (text, "w,c,val\n");
  dataset = load_text (text->str, 0, 0, 0);
  g_string_free (text, TRUE);
  return dataset;
}

/* Each class appears equally often, and so does each clip within its class; independent of the
 * order of queries. */
static void
test_balanced (void)
{
  Cnn3dDataset *dataset = make_uneven ();
  Cnn3dOrderParams params = {
    .seed = 3, .shuffle = TRUE, .sampling = CNN3D_SAMPLING_BALANCED, .world_size = 1, .epochs = 9
  };
  Cnn3dOrder *order = make_order (dataset, &params), *again = make_order (dataset, &params);
  guint times[17] = { 0 }, before = 0, same = 0;
  guint64 clips[3];

  cnn3d_order_class_clips (order, clips);
  g_assert_cmpuint (clips[0] + clips[1] + clips[2], ==, 16);
  g_assert_cmpuint (cnn3d_order_pass_clips (order, TRUE), ==, 16);
  for (guint epoch = 0; epoch < 9; epoch++) {
    guint of_class[3] = { 0 };

    for (guint i = 0; i < 16; i++) {
      const guint row = row_at (order, epoch * 17 + i);
      Cnn3dDatasetRow r;

      cnn3d_dataset_row (dataset, row, &r);
      of_class[r.label]++;
      times[row]++;
      same += i > 0 && row == before;
      before = row;
    }
    for (guint c = 0; c < 3; c++) {
      g_assert_cmpuint (of_class[c], >=, 5);
      g_assert_cmpuint (of_class[c], <=, 6);
      if (epoch == 0)
        g_assert_cmpuint (of_class[c], ==, clips[c]);
    }
    g_assert_cmpuint (row_at (order, epoch * 17 + 16), ==, 16);
  }
  g_assert_cmpuint (times[5], ==, 48);
  for (guint row = 0; row < 16; row++)
    if (row != 5)
      g_assert_true (row % 5 == 1 && row < 15 ? times[row] == 16 : times[row] == 4);
  /* the classes are mixed */
  g_assert_cmpuint (same, <, 40);
  /* from the middle, from the end */
  for (guint i = 9 * 17; i-- > 0;)
    g_assert_cmpuint (row_at (again, i), ==, row_at (order, i));
  cnn3d_order_free (again);

  /* without shuffling, as listed; only the limited clips */
  params.shuffle = FALSE;
  params.limit_clips = 8;
  again = make_order (dataset, &params);
  for (guint i = 1; i < 8; i++)
    g_assert_cmpuint (row_at (again, i), >=, row_at (again, i - 1));
  cnn3d_order_class_clips (again, clips);
  g_assert_cmpuint (clips[0] + clips[1] + clips[2], ==, 8);
  cnn3d_order_free (again);
  cnn3d_order_free (order);

  params = (Cnn3dOrderParams) { .world_size = 1, .epochs = 1 };
  order = make_order (dataset, &params);
  cnn3d_order_class_clips (order, clips);
  g_assert_true (clips[0] == 1 && clips[1] == 3 && clips[2] == 12);
  cnn3d_order_free (order);
  cnn3d_dataset_free (dataset);
}

static Cnn3dDigest
digest_of (const gchar *text, guint64 seed, guint64 limit, Cnn3dSampling sampling)
{
  const Cnn3dOrderParams params = { .seed = seed,
    .shuffle = TRUE,
    .limit_clips = limit,
    .sampling = sampling,
    .world_size = 1,
    .epochs = 3 };
  Cnn3dDataset *dataset = load_text (text, 0, 0, 0);
  Cnn3dDigest digest;

  cnn3d_digest (dataset, &params, &digest);
  cnn3d_dataset_free (dataset);
  return digest;
}

/* The digest values that change with the rows: clips, labels, order. */
static void
test_digest (void)
{
  static const gchar rows[] =
      "path,label,start,end,split\na,x,0,1,train\nb,y,0,1,train\nc,x,0,1,val\n";
  static const struct {
    const gchar *text;
    guint64 seed;
    gboolean clips, labels, order, validation;
  } table[] = {
    { rows, 0, FALSE, FALSE, FALSE },
    { rows, 1, FALSE, FALSE, TRUE },
    /* with a row of neither split */
    { "path,label,start,end,split\nd,x,0,1,test\na,x,0,1,train\nb,y,0,1,train\nc,x,0,1,val\n", 0,
        FALSE, FALSE, TRUE },
    { "path,label,start,end,split\nb,y,0,1,train\na,x,0,1,train\nc,x,0,1,val\n", 0, FALSE, FALSE,
        TRUE },
    { "path,label,start,end,split\na,y,0,1,train\nb,x,0,1,train\nc,x,0,1,val\n", 0, FALSE, TRUE,
        TRUE },
    { "path,label,start,end,split\na,x,0,1.5,train\nb,y,0,1,train\nc,x,0,1,val\n", 0, TRUE, TRUE,
        TRUE },
    { "path,label,start,end,split\na,x,0,1,val\nb,y,0,1,train\nc,x,0,1,train\n", 0, TRUE, TRUE,
        TRUE, TRUE },
    { "path,label,start,end,split\na,x,0,1,train\nb,y,0,1,train\nc,y,0,1,val\n", 0, FALSE, TRUE,
        TRUE, TRUE },
    { "path,label,start,end,split\na,x,0,1,train\nbb,y,0,1,train\nc,x,0,1,val\n", 0, TRUE, TRUE,
        TRUE },
    { "path,label,start,end,split\na,x,0,1,train\nb,y,0,1,train\nb,y,0,1,train\nc,x,0,1,val\n", 0,
        TRUE, TRUE, TRUE },
    /* a column of key points counts only if it has values */
    { "path,label,start,end,split,keypoints\na,x,0,1,train,\nb,y,0,1,train,\nc,x,0,1,val,\n", 0,
        FALSE, FALSE, FALSE },
    { "path,label,start,end,split,keypoints\na,x,0,1,train,\nb,y,0,1,train,b.npy\nc,x,0,1,val,\n",
        0, TRUE, TRUE, TRUE },
  };
  Cnn3dDigest whole = digest_of (rows, 0, 0, CNN3D_SAMPLING_NONE);

  g_assert_cmpuint (whole.rows, ==, 3);
  for (guint i = 0; i < G_N_ELEMENTS (table); i++) {
    Cnn3dDigest other = digest_of (table[i].text, table[i].seed, 0, CNN3D_SAMPLING_NONE);

    g_test_message ("%s", table[i].text);
    g_assert_cmpint (strcmp (whole.clips, other.clips) != 0, ==, table[i].clips);
    g_assert_cmpint (strcmp (whole.labels, other.labels) != 0, ==, table[i].labels);
    g_assert_cmpint (strcmp (whole.order, other.order) != 0, ==, table[i].order);
    g_assert_cmpint (strcmp (whole.validation, other.validation) != 0, ==, table[i].validation);
    cnn3d_digest_clear (&other);
  }
  {
    Cnn3dDigest balanced = digest_of (rows, 0, 0, CNN3D_SAMPLING_BALANCED),
                first = digest_of (rows, 0, 1, CNN3D_SAMPLING_NONE),
                second = digest_of (rows, 1, 1, CNN3D_SAMPLING_NONE);

    g_assert_cmpstr (balanced.labels, ==, whole.labels);
    g_assert_cmpstr (balanced.order, !=, whole.order);
    /* another seed selects other clips */
    g_assert_cmpstr (first.clips, !=, second.clips);
    g_assert_cmpstr (first.labels, !=, second.labels);
    g_assert_cmpstr (first.validation, !=, second.validation);
    cnn3d_digest_clear (&balanced);
    cnn3d_digest_clear (&first);
    cnn3d_digest_clear (&second);
  }
  cnn3d_digest_clear (&whole);
}

/* A digest is the same in all versions: the sum of the rows' checksums, with times as GLib writes them. */
static void
test_digest_of_times (void)
{
  static const gdouble times[] = { 0, 0.1, 0.125, 0.2, 0.25, 0.5, 0.625, 0.9, 1, 1.0000001, 7.875,
    9.999, 10, 12.3, 100.5, 59999.375, 4294967294.5, 4294967295, 4294967296, 1e15, 1e18, INFINITY };
  guint64 sum[4] = { 0 };
  Cnn3dDigest digest;
  g_autofree gchar *expected = NULL;
  g_autoptr (GString) rows = g_string_new ("path,label,start,end,split\n");

  for (guint i = 0; i + 1 < G_N_ELEMENTS (times); i++) {
    gchar start[G_ASCII_DTOSTR_BUF_SIZE], end[G_ASCII_DTOSTR_BUF_SIZE];
    GChecksum *checksum = g_checksum_new (G_CHECKSUM_SHA256);
    const gchar *const fields[] = { "train", "a.mp4", start, end };
    guint64 words[4];
    gsize size = sizeof words;

    g_ascii_dtostr (start, sizeof start, times[i]);
    g_ascii_dtostr (end, sizeof end, times[i + 1]);
    g_string_append_printf (rows, "a.mp4,%s,%s,%s,train\n", i % 2 ? "x" : "y", start,
        isfinite (times[i + 1]) ? end : "");
    for (guint f = 0; f < G_N_ELEMENTS (fields); f++)
      g_checksum_update (checksum, (const guchar *) fields[f], strlen (fields[f]) + 1);
    g_checksum_get_digest (checksum, (guint8 *) words, &size);
    for (guint w = 0; w < 4; w++)
      sum[w] += GUINT64_FROM_LE (words[w]);
    g_checksum_free (checksum);
  }
  expected = g_strdup_printf ("%016" G_GINT64_MODIFIER "x%016" G_GINT64_MODIFIER
                              "x%016" G_GINT64_MODIFIER "x%016" G_GINT64_MODIFIER "x",
      sum[0], sum[1], sum[2], sum[3]);
  digest = digest_of (rows->str, 0, 0, CNN3D_SAMPLING_NONE);
  g_assert_cmpstr (digest.clips, ==, expected);
  cnn3d_digest_clear (&digest);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/order/positions", test_positions);
  g_test_add_func ("/order/passes", test_passes);
  g_test_add_func ("/order/pure", test_pure);
  g_test_add_func ("/order/uniform", test_uniform);
  g_test_add_func ("/order/ranks", test_ranks);
  g_test_add_func ("/order/bad-params", test_bad_params);
  g_test_add_func ("/order/limit", test_limit);
  g_test_add_func ("/order/digest", test_digest);
  g_test_add_func ("/order/digest/times", test_digest_of_times);
  g_test_add_func ("/folds/groups", test_groups);
  g_test_add_func ("/folds/paths", test_paths);
  g_test_add_func ("/folds/column", test_fold_column);
  g_test_add_func ("/order/balanced", test_balanced);
  return g_test_run ();
}
