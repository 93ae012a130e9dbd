/* learning.c: how well a network learns, from its log.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/report/learning.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "src/format.h"
#include "src/hash.h"
#include "src/report/jsontext.h"

#define LEAST_STEPS 10 /* that tell whether the loss falls */

/* --- numbers --- */

static gint
by_number (gconstpointer a, gconstpointer b)
{
  const gdouble x = *(const gdouble *) a, y = *(const gdouble *) b;

  return (x > y) - (x < y);
}

/* Of n >= 1 and at most 64 numbers. */
static gdouble
median (const gdouble *numbers, guint n)
{
  gdouble sorted[64];

  memcpy (sorted, numbers, n * sizeof *sorted);
  qsort (sorted, n, sizeof *sorted, by_number);
  return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}

static gdouble
mean (const gdouble *numbers, guint n)
{
  gdouble sum = 0;

  for (guint i = 0; i < n; i++)
    sum += numbers[i];
  return sum / n;
}

static GArray *
new_numbers (void)
{
  return g_array_new (FALSE, FALSE, sizeof (gdouble));
}

#define NUMBERS(array) ((const gdouble *) (array)->data)

/* The loss of who gives each class the same probability; NAN: the classes are not known. */
static gdouble
guessing (const ReportLog *of)
{
  const guint n = of->classes ? g_strv_length (of->classes) : 0;

  return n > 1 ? log (n) : NAN;
}

/* --- the training loss --- */

static GArray *
step_losses (const ReportLog *log)
{
  GArray *losses = new_numbers ();

  for (guint i = 0; i < log->steps->len; i++) {
    const gdouble loss = g_array_index (log->steps, ReportStep, i).loss;

    if (isfinite (loss))
      g_array_append_val (losses, loss);
  }
  return losses;
}

void
report_check_falling (const ReportLog *log, ReportCheck *check)
{
  g_autoptr (GArray) losses = step_losses (log);
  const guint tenth = losses->len / 10;
  gdouble first, last;

  check->what = "loss falling";
  check->advice =
      "Nothing is being learned. Usually lr is too large or too small: try a tenth of it and ten "
      "times as much. Check also that labels match their clips, and that the run is long enough.";
  if (losses->len < LEAST_STEPS) {
    check->finding =
        g_strdup_printf ("it takes %d steps with a loss; there are %u", LEAST_STEPS, losses->len);
    return;
  }
  first = mean (NUMBERS (losses), tenth);
  last = mean (NUMBERS (losses) + losses->len - tenth, tenth);
  check->state = last < first ? CHECK_OK : CHECK_NOT_OK;
  check->finding = cnn3d_strdup_printf (
      "mean over the last tenth of the steps %.4g, over the first %.4g", last, first);
}

#define JUMP_BEFORE 20 /* points whose median it was */
#define JUMP_AFTER 10  /* points whose median it is then: a single batch that is hard is no jump */
#define JUMP_RATIO 2
#define MOST_POINTS 20000

/* The step before which the loss rises for good, to worse than guessing; NULL: none. Of many steps,
 * means over as many are looked at. */
static const ReportStep *
find_jump (const ReportLog *log, gdouble worse, gdouble *before, gdouble *after)
{
  g_autoptr (GArray) points = new_numbers (), firsts = g_array_new (FALSE, FALSE, sizeof (guint));
  const guint each = log->steps->len / MOST_POINTS + 1;
  gdouble sum = 0;
  guint n = 0, first = 0;

  for (guint i = 0; i < log->steps->len; i++) {
    const gdouble loss = g_array_index (log->steps, ReportStep, i).loss;

    if (!isfinite (loss))
      continue;
    first = n == 0 ? i : first;
    sum += loss;
    if (++n == each) {
      sum /= each;
      g_array_append_val (points, sum);
      g_array_append_val (firsts, first);
      sum = n = 0;
    }
  }
  for (guint i = JUMP_BEFORE; i + JUMP_AFTER <= points->len; i++) {
    *before = median (NUMBERS (points) + i - JUMP_BEFORE, JUMP_BEFORE);
    *after = median (NUMBERS (points) + i, JUMP_AFTER);
    if (*after > JUMP_RATIO * *before && *after > worse)
      return &g_array_index (log->steps, ReportStep, g_array_index (firsts, guint, i));
  }
  return NULL;
}

void
report_check_jumps (const ReportLog *log, ReportCheck *check)
{
  const gdouble worse = guessing (log);
  const ReportStep *step;
  gdouble before, after;

  check->what = "loss without jumps";
  check->advice =
      "The learning rate is too large: lower lr, add warmup-epochs, or set gradient-clip-val.";
  if (log->failed && strstr (log->failed, "NaN")) {
    check->state = CHECK_NOT_OK;
    check->finding = g_strdup (log->failed);
    return;
  }
  if (!isfinite (worse) || log->steps->len < JUMP_BEFORE + JUMP_AFTER) {
    check->finding = isfinite (worse) ? g_strdup_printf ("it takes %d steps; there are %u",
                                            JUMP_BEFORE + JUMP_AFTER, log->steps->len)
                                      : g_strdup ("the log has no classes");
    return;
  }
  step = find_jump (log, worse, &before, &after);
  check->state = step ? CHECK_NOT_OK : CHECK_OK;
  check->finding = step
      ? cnn3d_strdup_printf ("at about step %.0f it rose from %.4g to %.4g and stayed there, at a "
                             "learning rate of %.3g; guessing would give %.4g",
            step->step, before, after, step->lr, worse)
      : g_strdup ("none");
}

#define LEAST_EPOCHS 4  /* that tell whether a run was long enough */
#define STILL_FALLS 0.9 /* from quarter to quarter */

static gboolean
best_is_late (const ReportLog *log, gdouble from)
{
  gdouble best = INFINITY, epoch = INFINITY;

  for (guint i = 0; i < log->validations->len; i++) {
    const ReportValidation *v = &g_array_index (log->validations, ReportValidation, i);

    if (v->loss < best) {
      best = v->loss;
      epoch = v->epoch;
    }
  }
  return epoch >= from;
}

/* Still far from having learned, still getting better, and the rate is not yet lowered. */
void
report_check_length (const ReportLog *log, ReportCheck *check)
{
  g_autoptr (GArray) losses = new_numbers ();
  const gdouble guess = guessing (log);
  gdouble most = 0, rate = NAN, last, before, from = 0;
  guint quarter;

  check->what = "trained for long enough";
  check->advice = "The run was too short: raise epochs. With the same checkpoint-dir, training "
                  "resumes where it ended.";
  for (guint i = 0; i < log->epochs->len; i++) {
    const gdouble loss = g_array_index (log->epochs, ReportEpoch, i).loss;

    if (isfinite (loss))
      g_array_append_val (losses, loss);
  }
  for (guint i = 0; i < log->steps->len; i++) {
    rate = g_array_index (log->steps, ReportStep, i).lr;
    most = fmax (most, rate);
  }
  if (losses->len < LEAST_EPOCHS || !isfinite (guess)
      || g_strcmp0 (log->finished, "patience") == 0) {
    check->finding = losses->len < LEAST_EPOCHS
        ? g_strdup_printf ("it takes %d epochs; there are %u", LEAST_EPOCHS, losses->len)
        : g_strdup (isfinite (guess) ? "patience ended it" : "the log has no classes");
    check->state = losses->len >= LEAST_EPOCHS && isfinite (guess) ? CHECK_OK : CHECK_UNKNOWN;
    return;
  }
  if (!log->finished || report_log_stopped (log)) {
    check->finding = g_strdup (log->finished ? "it was stopped" : "it has not finished");
    return;
  }
  quarter = losses->len / 4;
  last = mean (NUMBERS (losses) + losses->len - quarter, quarter);
  before = mean (NUMBERS (losses) + losses->len - 2 * quarter, quarter);
  from = g_array_index (log->epochs, ReportEpoch, log->epochs->len - quarter).epoch;
  check->state = last > guess / 2 && last < STILL_FALLS * before && !(rate < most / 10)
          && (log->validations->len == 0 || best_is_late (log, from))
      ? CHECK_NOT_OK
      : CHECK_OK;
  check->finding =
      cnn3d_strdup_printf ("training loss %.4g over the last quarter of the epochs, %.4g "
                           "over the one before; guessing would give %.4g",
          last, before, guess);
}

/* --- training beside validation --- */

typedef struct {
  gdouble epoch, step, training, validation;
} Pair;

/* Epochs that have both losses. */
static GArray *
find_pairs (const ReportLog *log)
{
  GArray *pairs = g_array_new (FALSE, FALSE, sizeof (Pair));

  for (guint i = 0, k = 0; i < log->validations->len; i++) {
    const ReportValidation *v = &g_array_index (log->validations, ReportValidation, i);
    const ReportEpoch *e;

    while (k < log->epochs->len && g_array_index (log->epochs, ReportEpoch, k).epoch < v->epoch)
      k++;
    if (k == log->epochs->len)
      break;
    e = &g_array_index (log->epochs, ReportEpoch, k);
    if (e->epoch == v->epoch && isfinite (v->loss) && isfinite (e->loss)) {
      const Pair pair = { v->epoch, v->step, e->loss, v->loss };

      g_array_append_val (pairs, pair);
    }
  }
  return pairs;
}

#define LEAST_PAIRS 6
#define WINDOW 3  /* epochs whose mean counts */
#define RISE 1.15 /* of the validation loss */
#define LEAST_RISE 0.02
#define FALL 0.9 /* of the training loss meanwhile */

static Pair
window (const GArray *pairs, guint from)
{
  Pair sum = { 0, 0, 0, 0 };

  for (guint i = from; i < from + WINDOW; i++) {
    sum.training += g_array_index (pairs, Pair, i).training / WINDOW;
    sum.validation += g_array_index (pairs, Pair, i).validation / WINDOW;
  }
  return sum;
}

void
report_check_overfitting (const ReportLog *log, ReportCheck *check)
{
  g_autoptr (GArray) pairs = find_pairs (log);
  const Pair *lowest;
  guint best = 0, from;
  Pair then, now;

  check->what = "no overfitting";
  check->advice =
      "The network memorises the training clips. More clips help most, or more varied ones through "
      "clipaugment; then dropout, weight-decay, label-smoothing or pretrained weights. "
      "monitor=val-loss keeps the best weights, and patience stops in time.";
  if (pairs->len < LEAST_PAIRS) {
    check->finding =
        g_strdup_printf ("it takes %d epochs with a training and a validation loss; there are %u",
            LEAST_PAIRS, pairs->len);
    return;
  }
  from = pairs->len - WINDOW;
  for (guint i = 1; i <= from; i++)
    if (window (pairs, i).validation < window (pairs, best).validation)
      best = i;
  then = window (pairs, best);
  now = window (pairs, from);
  lowest = &g_array_index (pairs, Pair, best);
  for (guint i = best; i < best + WINDOW; i++)
    if (g_array_index (pairs, Pair, i).validation < lowest->validation)
      lowest = &g_array_index (pairs, Pair, i);
  check->state = from >= best + WINDOW && now.validation > RISE * then.validation
          && now.validation > then.validation + LEAST_RISE && now.training < FALL * then.training
      ? CHECK_NOT_OK
      : CHECK_OK;
  if (check->state == CHECK_NOT_OK)
    check->finding = cnn3d_strdup_printf (
        "since epoch %.0f validation loss has risen from %.4g to %.4g, while training loss fell "
        "from %.4g to %.4g (means over %d epochs)",
        lowest->epoch + 1, then.validation, now.validation, then.training, now.training, WINDOW);
  else
    check->finding = cnn3d_strdup_printf (
        "validation loss %.4g at its lowest, %.4g at the end (means over %d epochs)",
        then.validation, now.validation, WINDOW);
}

#define FAR_FROM_TRAINING 2
#define WORSE_THAN_GUESSING 1.2
#define SMALL_BATCH 8 /* clips */
#define EARLY_STEPS 300

/* Where training is better than guessing, and validation, which normalises by running figures, much
 * worse. */
void
report_check_norm (const ReportLog *log, ReportCheck *check)
{
  g_autoptr (GArray) pairs = find_pairs (log);
  const gdouble guess = guessing (log), micro = report_log_setting (log, "micro-batch");
  gdouble lowest = INFINITY;
  const Pair *last;
  gboolean far;

  check->what = "batch norm settled";
  check->advice = "Validation normalises with the running statistics of batch norm, which settle "
                  "only after some hundred steps, and poorly with small batches. Train longer, use "
                  "a larger batch-size without splitting it into micro-batches, or start from "
                  "pretrained weights with freeze=batch-norm.";
  if (pairs->len == 0 || !isfinite (guess)) {
    check->finding = g_strdup (isfinite (guess) ? "no epoch has a training and a validation loss"
                                                : "the log has no classes");
    return;
  }
  for (guint i = 0; i < pairs->len; i++)
    lowest = fmin (lowest, g_array_index (pairs, Pair, i).validation);
  last = &g_array_index (pairs, Pair, pairs->len - 1);
  far = last->validation > FAR_FROM_TRAINING * last->training
      && last->validation > WORSE_THAN_GUESSING * guess
      && last->training < WORSE_THAN_GUESSING * guess;
  /* what was once better than guessing had settled, and is another matter */
  check->state = far && lowest > guess && (last->step <= EARLY_STEPS || micro <= SMALL_BATCH)
      ? CHECK_NOT_OK
      : CHECK_OK;
  check->finding = cnn3d_strdup_printf (
      "loss %.4g in validation and %.4g in training in epoch %.0f, after %.0f steps",
      last->validation, last->training, last->epoch + 1, last->step);
  if (check->state == CHECK_NOT_OK && isfinite (micro)) {
    gchar *more = cnn3d_strdup_printf (
        "%s, with micro-batches of %.0f; guessing would give %.4g", check->finding, micro, guess);

    g_free (check->finding);
    check->finding = more;
  }
}

/* --- classes --- */

#define LEAST_CLIPS 8    /* of a validation */
#define LEAST_OF_CLASS 5 /* clips of a class that should be predicted at times */
#define MOST_NAMED 5

/* The clips of a label, or, of a prediction, those taken for it. */
static guint64
clips_of (const ReportMatrix *m, guint class, gboolean prediction)
{
  guint64 clips = 0;

  for (guint k = 0; k < m->n; k++)
    clips += prediction ? m->counts[(gsize) k * m->n + class] : m->counts[(gsize) class * m->n + k];
  return clips;
}

/* How many classes are predicted; the last one's number. */
static guint
count_predicted (const ReportMatrix *m, guint *last)
{
  guint n = 0;

  for (guint i = 0; i < m->n; i++)
    if (clips_of (m, i, TRUE)) {
      n++;
      *last = i;
    }
  return n;
}

void
report_check_one_class (const ReportLog *log, ReportCheck *check)
{
  const ReportMatrix *m = log->validations->len
      ? g_array_index (log->validations, ReportValidation, log->validations->len - 1).confusion
      : NULL;
  guint labelled = 0, predicted, last = 0;
  guint64 clips = 0;

  check->what = "more than one class predicted";
  check->advice = "The network does not tell the classes apart yet, or always answers with the "
                  "most frequent one. Train longer or lower lr; if the classes differ in size, set "
                  "class-weights=balanced or sampling=balanced.";
  for (guint i = 0; m && i < m->n; i++) {
    clips += clips_of (m, i, FALSE);
    labelled += clips_of (m, i, FALSE) > 0;
  }
  if (!m || labelled < 2 || clips < LEAST_CLIPS) {
    check->finding = m ? g_strdup_printf ("it takes a validation with %d clips of two classes; the "
                                          "last one has %" G_GUINT64_FORMAT " of %u",
                             LEAST_CLIPS, clips, labelled)
                       : g_strdup ("no validation with a confusion matrix");
    return;
  }
  predicted = count_predicted (m, &last);
  check->state = predicted > 1 ? CHECK_OK : CHECK_NOT_OK;
  check->finding = predicted > 1
      ? g_strdup_printf ("%u of %u classes in the last validation", predicted, m->n)
      : g_strdup_printf ("in the last validation all %" G_GUINT64_FORMAT
                         " clips were predicted as %s",
            clips, m->classes[last]);
}

#define LEAST_VALIDATIONS 3 /* that tell whether any is better than guessing */

/* Whether any validation is better than who always answers with the most frequent class, by more
 * than chance: one standard error of that many clips. */
void
report_check_guessing (const ReportLog *log, ReportCheck *check)
{
  const ReportValidation *shown = report_log_validation (log);
  const ReportMatrix *m = shown ? shown->confusion : NULL;
  guint64 clips = 0, most = 0;
  gdouble best = 0, guess, error;

  check->what = "validation better than guessing";
  check->advice =
      "Nothing that was learned helps with clips that were not seen. Check that the labels of both "
      "sets are right and their videos alike, that num-frames and frame-interval show what "
      "distinguishes the classes, and that the training loss falls; pretrained weights help most.";
  for (guint i = 0; i < log->validations->len; i++)
    best = fmax (best, g_array_index (log->validations, ReportValidation, i).accuracy);
  for (guint i = 0; m && i < m->n; i++) {
    const guint64 labelled = clips_of (m, i, FALSE);

    clips += labelled;
    most = MAX (most, labelled);
  }
  if (!m || log->validations->len < LEAST_VALIDATIONS || clips < LEAST_CLIPS || most == clips) {
    check->finding = m ? g_strdup_printf ("it takes %d validations with %d clips of two classes",
                             LEAST_VALIDATIONS, LEAST_CLIPS)
                       : g_strdup ("no validation with a confusion matrix");
    return;
  }
  guess = (gdouble) most / clips;
  error = sqrt (guess * (1 - guess) / clips);
  check->state = best > guess + error ? CHECK_OK : CHECK_NOT_OK;
  check->finding = cnn3d_strdup_printf ("accuracy in validation %.1f %% at best, over %u of them; "
                                        "the most frequent class alone gives %.1f %%",
      100 * best, log->validations->len, 100 * guess);
}

/* The last validations' matrices of the same classes, the last first; FALSE: there are not as
 * many. */
static gboolean
last_matrices (const ReportLog *log, const ReportMatrix *matrices[REPORT_LAST_MATRICES])
{
  for (guint i = 0; i < REPORT_LAST_MATRICES; i++) {
    matrices[i] = log->validations->len > i
        ? g_array_index (log->validations, ReportValidation, log->validations->len - 1 - i)
              .confusion
        : NULL;
    if (!matrices[i]
        || !g_strv_equal ((const gchar *const *) matrices[i]->classes,
            (const gchar *const *) matrices[0]->classes))
      return FALSE;
  }
  return TRUE;
}

/* In all of the last validations: while a network learns, a class may be missing in one. */
void
report_check_predicted (const ReportLog *log, ReportCheck *check)
{
  const ReportMatrix *m[REPORT_LAST_MATRICES];
  g_autoptr (GString) names = g_string_new (NULL);
  guint never = 0, last, of = 0;

  check->what = "each class predicted";
  check->advice = "The network does not recognise these classes. Check what they are confused "
                  "with, and whether their labels are right. More clips of them help; so do "
                  "class-weights=balanced or sampling=balanced.";
  if (!last_matrices (log, m)) {
    check->finding =
        g_strdup_printf ("it takes %d validations with a confusion matrix", REPORT_LAST_MATRICES);
    return;
  }
  for (guint i = 0; i < m[0]->n; i++) {
    gboolean predicted = FALSE;

    if (clips_of (m[0], i, FALSE) < LEAST_OF_CLASS)
      continue;
    of++;
    for (guint k = 0; k < REPORT_LAST_MATRICES; k++)
      predicted |= clips_of (m[k], i, TRUE) > 0;
    if (!predicted && never++ < MOST_NAMED)
      g_string_append_printf (names, "%s%s", names->len ? ", " : "", m[0]->classes[i]);
  }
  if (of == 0 || count_predicted (m[0], &last) < 2) {
    check->finding = of == 0
        ? g_strdup_printf ("no class has %d clips in validation", LEAST_OF_CLASS)
        : g_strdup ("only one class is predicted");
    return;
  }
  if (never > MOST_NAMED)
    g_string_append_printf (names, " and %u more", never - MOST_NAMED);
  check->state = never ? CHECK_NOT_OK : CHECK_OK;
  check->finding = never
      ? g_strdup_printf ("%u of %u classes are never predicted in the last %d validations: %s",
            never, of, REPORT_LAST_MATRICES, names->str)
      : g_strdup_printf ("all %u classes with %d clips or more", of, LEAST_OF_CLASS);
}

#define UNEVEN 5       /* times as many clips */
#define VERY_UNEVEN 10 /* where no validation shows the effect */
#define WORSE_RECALL 0.2

/* The mean of a group's recalls: of classes with so many clips in training; NAN where it has
 * none. */
static gdouble
mean_recall (const ReportMatrix *m, const gdouble *clips, gdouble least, gdouble most)
{
  gdouble sum = 0;
  guint n = 0;

  for (guint i = 0; i < m->n; i++) {
    const guint64 labels = clips_of (m, i, FALSE);

    if (labels == 0 || clips[i] < least || clips[i] > most)
      continue;
    sum += (gdouble) m->counts[(gsize) i * m->n + i] / labels;
    n++;
  }
  return n ? sum / n : NAN;
}

/* Each class's clips in training; NULL where the log does not tell. */
static gdouble *
training_clips (const ReportLog *log, guint n)
{
  JsonObject *run = log->run ? json_node_get_object (log->run) : NULL;
  JsonArray *array = run ? report_json_array (run, "training-clips") : NULL;
  gdouble *clips;

  if (n < 2 || !array || json_array_get_length (array) != n)
    return NULL;
  clips = g_new (gdouble, n);
  for (guint i = 0; i < n; i++)
    clips[i] = report_json_count (json_array_get_element (array, i));
  return clips;
}

void
report_check_balance (const ReportLog *log, ReportCheck *check)
{
  const guint n = log->classes ? g_strv_length (log->classes) : 0;
  g_autofree gdouble *clips = training_clips (log, n);
  const ReportValidation *v = report_log_validation (log);
  const ReportMatrix *m = v && v->confusion && v->confusion->n == n ? v->confusion : NULL;
  guint small = 0, large = 0;
  gdouble rare = NAN, frequent = NAN;

  check->what = "classes balanced, or weighted";
  check->advice = "Rare classes are learned late, and frequent ones are preferred. Set "
                  "class-weights=balanced in cnn3dtrain, or sampling=balanced in clipsrc.";
  if (!clips) {
    check->finding = g_strdup ("the log has no counts of training clips");
    return;
  }
  for (guint i = 1; i < n; i++) {
    small = clips[i] > 0 && (clips[i] < clips[small] || clips[small] == 0) ? i : small;
    large = clips[i] > clips[large] ? i : large;
  }
  if (clips[small] == 0) {
    check->finding = g_strdup ("no class has training clips");
    return;
  }
  check->state = CHECK_OK;
  if (clips[large] == clips[small]) {
    check->finding = g_strdup_printf ("%.0f training clips of each class", clips[large]);
    return;
  }
  if (json_object_has_member (json_node_get_object (log->run), "class-weights")) {
    check->finding = g_strdup ("class-weights is set");
    return;
  }
  if (clips[large] >= UNEVEN * clips[small]) {
    if (m) {
      rare = mean_recall (m, clips, 1, clips[large] / UNEVEN);
      frequent = mean_recall (m, clips, clips[large] / UNEVEN + 1, INFINITY);
    }
    if (isfinite (rare) && isfinite (frequent) ? rare < frequent - WORSE_RECALL
                                               : clips[large] >= VERY_UNEVEN * clips[small])
      check->state = CHECK_NOT_OK;
  }
  check->finding = isfinite (rare) && isfinite (frequent)
      ? cnn3d_strdup_printf (
            "%.0f training clips of %s, %.0f of %s; recall in validation %.1f %% over "
            "rare classes, %.1f %% over the others",
            clips[large], log->classes[large], clips[small], log->classes[small], 100 * rare,
            100 * frequent)
      : g_strdup_printf ("%.0f training clips of %s, %.0f of %s", clips[large], log->classes[large],
            clips[small], log->classes[small]);
}

/* --- clips --- */

#define MOST_SKIPPED 0.05 /* of the clips */
#define LEAST_SKIPPED 3

void
report_check_skipped (const ReportLog *log, ReportCheck *check)
{
  /* a file may be skipped for several reasons */
  g_autoptr (GHashTable) files = g_hash_table_new (cnn3d_hash_text, g_str_equal);
  guint64 times = 0;
  gdouble clips = 0;

  check->what = "few clips skipped";
  check->advice =
      "Nothing is learned from these clips. The reasons are below, under Skipped clips: repair or "
      "remove the files, or install the missing decoders. on-error=stop ends a run at the first.";
  for (guint i = 0; i < log->skips->len; i++) {
    const ReportSkip *skip = &g_array_index (log->skips, ReportSkip, i);

    times += skip->times;
    g_hash_table_add (files, skip->path);
  }
  for (guint i = 0; i < log->epochs->len; i++)
    clips += fmax (g_array_index (log->epochs, ReportEpoch, i).clips, 0);
  for (guint i = 0; i < log->validations->len; i++)
    clips += fmax (g_array_index (log->validations, ReportValidation, i).clips, 0);
  if (!(clips > 0)) {
    check->finding = g_strdup ("no epoch has ended");
    return;
  }
  /* their files may be among those that are listed, for other reasons */
  times += log->more_skips;
  check->state =
      times >= LEAST_SKIPPED && times > MOST_SKIPPED * (times + clips) ? CHECK_NOT_OK : CHECK_OK;
  check->finding = times
      ? cnn3d_strdup_printf ("%s%u %s, %.1f %% of the clips of all epochs",
            log->more_skips ? "at least " : "", g_hash_table_size (files),
            g_hash_table_size (files) == 1 ? "file" : "files", 100 * times / (times + clips))
      : g_strdup ("none");
}
