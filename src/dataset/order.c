/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/order.h"
#include "src/random.h"

#include <stdlib.h>
#include <string.h>

/* Streams of CNN3D_RANDOM_SHUFFLE: the selection of a limited pass is independent of the order of
 * an epoch. */
enum {
  STREAM_ORDER,
  STREAM_LIMIT_TRAIN,
  STREAM_LIMIT_VAL,
  STREAM_CLASS
};

struct _Cnn3dOrder {
  Cnn3dOrderParams params;
  const Cnn3dDataset *dataset;
  GArray **classes; /* balanced: rows of guint32 of each class that trains, as listed */
  guint n_classes;
  const guint32 *rows[2]; /* [training], as listed */
  guint32 *limited[2];    /* storage of limited rows */
  guint n[2];             /* rows of a pass */
  /* Decoding ahead requests this epoch and the next in turn */
  struct {
    guint32 *rows;
    gint64 epoch; /* -1: none */
  } shuffled[2];
};

/* Fisher-Yates. */
static void
shuffle (guint32 *rows, guint n, const Cnn3dRandomKey *key)
{
  for (guint i = n; i > 1; i--) {
    guint j = (guint) cnn3d_random_below (key, i, i);
    guint32 row = rows[i - 1];

    rows[i - 1] = rows[j];
    rows[j] = row;
  }
}

static gint
compare_rows (gconstpointer a, gconstpointer b)
{
  guint32 x = *(const guint32 *) a, y = *(const guint32 *) b;

  return x < y ? -1 : x > y;
}

static void
limit_pass (Cnn3dOrder *order, gboolean training)
{
  Cnn3dRandomKey key = { .seed = order->params.seed,
    .purpose = CNN3D_RANDOM_SHUFFLE,
    .clip = training ? STREAM_LIMIT_TRAIN : STREAM_LIMIT_VAL };
  guint32 *rows;

  if (order->params.limit_clips == 0 || order->n[training] <= order->params.limit_clips)
    return;
  rows = g_memdup2 (order->rows[training], order->n[training] * sizeof *rows);
  shuffle (rows, order->n[training], &key);
  order->n[training] = (guint) order->params.limit_clips;
  rows = g_renew (guint32, rows, order->n[training]);
  qsort (rows, order->n[training], sizeof *rows, compare_rows);
  order->rows[training] = order->limited[training] = rows;
}

static gint
label_of (const Cnn3dOrder *order, guint32 row)
{
  Cnn3dDatasetRow r;

  cnn3d_dataset_row (order->dataset, row, &r);
  return r.label;
}

static void
group_by_class (Cnn3dOrder *order)
{
  const guint n = cnn3d_dataset_num_classes (order->dataset);
  GArray **all = g_new0 (GArray *, n);

  order->classes = g_new0 (GArray *, n);
  for (guint i = 0; i < order->n[TRUE]; i++) {
    const gint label = label_of (order, order->rows[TRUE][i]);

    if (!all[label])
      all[label] = g_array_new (FALSE, FALSE, sizeof (guint32));
    g_array_append_val (all[label], order->rows[TRUE][i]);
  }
  /* a class without clips has no share */
  for (guint c = 0; c < n; c++)
    if (all[c])
      order->classes[order->n_classes++] = all[c];
  g_free (all);
}

/* Clips of a class used by earlier epochs. */
static guint64
clips_before (const Cnn3dOrder *order, guint class, guint64 epoch)
{
  return (epoch * order->n[TRUE] + order->n_classes - 1 - class) / order->n_classes;
}

/* The epoch's clips of a class. */
static guint
take_class (const Cnn3dOrder *order, guint class, guint epoch, guint32 *rows)
{
  const GArray *listed = order->classes[class];
  const guint64 first = clips_before (order, class, epoch),
                end = clips_before (order, class, epoch + 1ull);
  guint32 *lap_rows = g_new (guint32, listed->len);
  guint64 lap = G_MAXUINT64;

  for (guint64 i = first; i < end; i++) {
    if (i / listed->len != lap) {
      const Cnn3dRandomKey key = { .seed = order->params.seed,
        .epoch = (guint32) (lap = i / listed->len),
        .purpose = CNN3D_RANDOM_SHUFFLE,
        .clip = STREAM_CLASS + class };

      memcpy (lap_rows, listed->data, listed->len * sizeof *lap_rows);
      if (order->params.shuffle)
        shuffle (lap_rows, listed->len, &key);
    }
    rows[i - first] = lap_rows[i % listed->len];
  }
  g_free (lap_rows);
  return (guint) (end - first);
}

/* The epoch's clips, unordered, or, without shuffling, as listed. */
static void
balance (const Cnn3dOrder *order, guint epoch, guint32 *rows)
{
  guint n = 0;

  for (guint c = 0; c < order->n_classes; c++)
    n += take_class (order, c, epoch, rows + n);
  if (!order->params.shuffle)
    qsort (rows, n, sizeof *rows, compare_rows);
}

void
cnn3d_order_class_clips (const Cnn3dOrder *order, guint64 *clips)
{
  memset (clips, 0, cnn3d_dataset_num_classes (order->dataset) * sizeof *clips);
  if (order->classes)
    for (guint c = 0; c < order->n_classes; c++)
      clips[label_of (order, g_array_index (order->classes[c], guint32, 0))] =
          clips_before (order, c, 1);
  else
    for (guint i = 0; i < order->n[TRUE]; i++)
      clips[label_of (order, order->rows[TRUE][i])]++;
}

Cnn3dOrder *
cnn3d_order_new (const Cnn3dDataset *dataset, const Cnn3dOrderParams *params, GError **error)
{
  Cnn3dOrder *order;

  if (params->world_size == 0 || params->rank >= params->world_size) {
    g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_PARAMS,
        "rank is %u, but world-size is %u; rank counts from 0 to world-size - 1", params->rank,
        params->world_size);
    return NULL;
  }
  if (params->epochs == 0) {
    g_set_error_literal (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_PARAMS,
        "epochs is 0; it must be at least 1");
    return NULL;
  }
  order = g_new0 (Cnn3dOrder, 1);
  order->params = *params;
  order->dataset = dataset;
  for (guint t = 0; t < 2; t++) {
    order->rows[t] = cnn3d_dataset_split (dataset, t, &order->n[t]);
    limit_pass (order, t);
    order->shuffled[t].epoch = -1;
  }
  if (params->sampling == CNN3D_SAMPLING_BALANCED)
    group_by_class (order);
  return order;
}

void
cnn3d_order_free (Cnn3dOrder *order)
{
  if (!order)
    return;
  for (guint t = 0; t < 2; t++) {
    g_free (order->limited[t]);
    g_free (order->shuffled[t].rows);
  }
  for (guint c = 0; c < order->n_classes; c++)
    g_array_unref (order->classes[c]);
  g_free (order->classes);
  g_free (order);
}

static guint64
epoch_clips (const Cnn3dOrder *order)
{
  return (guint64) order->n[0] + order->n[1];
}

guint64
cnn3d_order_pass_clips (const Cnn3dOrder *order, gboolean training)
{
  return order->n[training != FALSE];
}

guint64
cnn3d_order_own_clips (const Cnn3dOrder *order, gboolean training, guint batch)
{
  const guint64 n = order->n[training != FALSE], rank = order->params.rank;
  const guint64 world = order->params.world_size, batches = (n + batch - 1) / batch;
  const guint64 own = (batches + world - 1 - rank) / world;
  const gboolean has_last = own > 0 && (batches - 1) % world == rank;

  return own * batch - (has_last ? batches * batch - n : 0);
}

guint64
cnn3d_order_total (const Cnn3dOrder *order)
{
  return epoch_clips (order) * order->params.epochs;
}

static const guint32 *
training_rows (Cnn3dOrder *order, guint epoch)
{
  guint slot = epoch & 1;
  Cnn3dRandomKey key = { .seed = order->params.seed,
    .epoch = epoch,
    .purpose = CNN3D_RANDOM_SHUFFLE,
    .clip = STREAM_ORDER };

  if (!order->params.shuffle && !order->classes)
    return order->rows[TRUE];
  if (order->shuffled[slot].epoch != (gint64) epoch) {
    gsize size = order->n[TRUE] * sizeof (guint32);

    if (!order->shuffled[slot].rows)
      order->shuffled[slot].rows = g_malloc (size);
    if (order->classes)
      balance (order, epoch, order->shuffled[slot].rows);
    else
      memcpy (order->shuffled[slot].rows, order->rows[TRUE], size);
    if (order->params.shuffle)
      shuffle (order->shuffled[slot].rows, order->n[TRUE], &key);
    order->shuffled[slot].epoch = epoch;
  }
  return order->shuffled[slot].rows;
}

gboolean
cnn3d_order_locate (Cnn3dOrder *order, guint64 position, Cnn3dOrderClip *clip)
{
  const guint32 *rows;

  if (position >= cnn3d_order_total (order))
    return FALSE;
  clip->epoch = (guint) (position / epoch_clips (order));
  clip->index = position % epoch_clips (order);
  clip->training = clip->index < order->n[TRUE];
  if (!clip->training)
    clip->index -= order->n[TRUE];
  rows = clip->training ? training_rows (order, clip->epoch) : order->rows[FALSE];
  clip->row = rows[clip->index];
  return TRUE;
}

void
cnn3d_order_set_rank (Cnn3dOrder *order, guint rank, guint world_size)
{
  g_return_if_fail (rank < world_size);
  order->params.rank = rank;
  order->params.world_size = world_size;
}

guint64
cnn3d_order_next (Cnn3dOrder *order, guint64 position, guint batch)
{
  const guint64 world = order->params.world_size;
  guint64 index, end, ahead;

  if (position >= cnn3d_order_total (order))
    return position;
  index = position % epoch_clips (order);
  end = position - index + order->n[TRUE];
  if (index >= order->n[TRUE]) {
    index -= order->n[TRUE];
    end += order->n[FALSE];
  }
  /* batches until this rank's next one */
  ahead = (order->params.rank + world - index / batch % world) % world;
  return ahead ? MIN (position - index % batch + ahead * batch, end) : position;
}

guint64
cnn3d_order_position (const Cnn3dOrder *order, guint epoch, gboolean training, guint64 index)
{
  return epoch * epoch_clips (order) + (training ? 0 : order->n[TRUE]) + index;
}
