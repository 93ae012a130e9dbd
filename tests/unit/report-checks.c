/* report-checks.c: the checklist, for a run that trains well and for one log of each problem.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "src/report/report.h"

#define CLASSES 4
#define STEPS 20 /* per epoch */

/* A run, by epochs; fields that are not set are those of a good run. */
typedef struct {
  guint epochs;
  gdouble (*training) (guint epoch);
  gdouble (*validation) (guint epoch); /* NULL: none */
  gdouble (*step) (guint step);        /* NULL: the epoch's loss, with noise */
  gdouble (*rate) (guint epoch, guint epochs);
  const gchar *settings; /* of the "run" record */
  const gchar *confusion;
  gdouble accuracy;  /* in validation; 0: 0.5 */
  const gchar *more; /* records before the end */
  const gchar *end;  /* "" for none */
} Run;

static gdouble
good_training (guint epoch)
{
  return 0.05 + 1.35 * pow (0.8, epoch);
}

/* With the noise of a validation */
static gdouble
good_validation (guint epoch)
{
  return 0.3 + 1.2 * pow (0.82, epoch) + (epoch % 3 == 1 ? 0.04 : 0);
}

static gdouble
constant_rate (guint epoch, guint epochs)
{
  return 0.01;
}

static gdouble
cosine_rate (guint epoch, guint epochs)
{
  return 0.005 * (1 + cos (G_PI * epoch / epochs));
}

#define GOOD_CONFUSION "[[24,1,0,0],[2,22,1,0],[0,0,25,0],[0,1,1,23]]"
#define END "{\"event\":\"finished\",\"time\":9000,\"reason\":\"eos\"}\n"

static gchar *
log_of (const Run *run)
{
  GString *log = g_string_new (NULL);
  g_autoptr (GRand) noise = g_rand_new_with_seed (1);
  guint step = 0;

  g_string_append_printf (log,
      "{\"event\":\"run\",\"time\":1000,\"classes\":[\"run\",\"jump\",\"sit\",\"fall\"],%s\"budget-"
      "bytes\":1000}\n",
      run->settings ? run->settings
                    : "\"batch\":16,\"micro-batch\":16,\"training-clips\":[100,80,90,60],");
  for (guint e = 0; e < run->epochs; e++) {
    const gdouble training = (run->training ? run->training : good_training) (e);
    const gdouble rate = (run->rate ? run->rate : constant_rate) (e, run->epochs);

    for (guint i = 0; i < STEPS; i++) {
      const gdouble loss =
          run->step ? run->step (step) : training * g_rand_double_range (noise, 0.5, 1.5);

      step++;
      g_string_append_printf (log,
          "{\"event\":\"step\",\"epoch\":%u,\"step\":%u,\"loss\":%g,\"lr\":%g,\"memory-bytes\":400,"
          "\"clips-per-second\":9}\n",
          e, step, loss, rate);
    }
    g_string_append_printf (log,
        "{\"event\":\"epoch\",\"epoch\":%u,\"step\":%u,\"loss\":%g,\"accuracy\":0.5,\"clips\":320}"
        "\n",
        e, step, training);
    if (run->validation)
      g_string_append_printf (log,
          "{\"event\":\"validation\",\"epoch\":%u,\"step\":%u,\"loss\":%g,\"accuracy\":%g,"
          "\"clips\":100,\"best\":true,\"confusion\":%s}\n",
          e, step, run->validation (e), run->accuracy > 0 ? run->accuracy : 0.5,
          run->confusion ? run->confusion : GOOD_CONFUSION);
  }
  g_string_append (log, run->more ? run->more : "");
  g_string_append (log, run->end ? run->end : END);
  return g_string_free (log, FALSE);
}

static gchar *
page_of (const Run *run)
{
  g_autofree gchar *folder = g_dir_make_tmp ("cnn3d-checks-XXXXXX", NULL), *text = log_of (run);
  g_autofree gchar *path = g_build_filename (folder, "log.jsonl", NULL);
  g_autoptr (GError) error = NULL;
  gchar *page;

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  page = cnn3d_report_html (folder, NULL, NULL, &error);
  g_assert_no_error (error);
  g_remove (path);
  g_rmdir (folder);
  return page;
}

static guint
count (const gchar *page, const gchar *text)
{
  guint n = 0;

  while ((page = strstr (page, text))) {
    page += strlen (text);
    n++;
  }
  return n;
}

#define NOT_OK "bad\">not ok</span></td><td>"
#define OK "ok\">ok</span></td><td>"
#define UNKNOWN "open\">not known</span></td><td>"

/* The run has only this failed check, with these figures and advice; NULL: none failed. */
static void
assert_alone (const Run *run, const gchar *what, const gchar *figures, const gchar *advice)
{
  g_autofree gchar *page = page_of (run);
  g_autofree gchar *line = g_strconcat (NOT_OK, what, "</td><td>", NULL);
  const gchar *found = what ? strstr (page, line) : NULL;
  const gchar *all = strstr (page, "<h2>Checklist");

  if (count (page, NOT_OK) != (what ? 1 : 0) || (what && !found))
    g_error ("'%s' is not the line that is not ok: %.6000s", what ? what : "none", all);
  if (!what)
    return;
  found += strlen (line);
  if (!g_str_has_prefix (found, figures))
    g_error ("the figures are not '%s', but '%.300s'", figures, found);
  found = g_strstr_len (found, strstr (found, "</tr>") - found, "<p class=\"pale\">");
  g_assert_nonnull (found);
  if (!g_strstr_len (found, strstr (found, "</p>") - found, advice))
    g_error ("the advice has no '%s': %.400s", advice, found);
}

/* --- runs --- */

/* A good run passes all checks: of any length, with a constant or decaying rate, without
 * validation, with small batches, and while it is running. */
static void
test_good (void)
{
  for (guint epochs = 1; epochs <= 60; epochs = epochs * 3 / 2 + 1)
    for (guint k = 0; k < 16; k++) {
      const Run run = { .epochs = epochs,
        .validation = k & 1 ? good_validation : NULL,
        .rate = k & 2 ? cosine_rate : NULL,
        .end = k & 4 ? "" : NULL,
        .settings = k & 8 ? "\"batch\":2,\"micro-batch\":2," : NULL };

      /* a run of four to nine epochs ends while the loss still falls */
      if (epochs < 4 || epochs > 9 || k & 4)
        assert_alone (&run, NULL, NULL, NULL);
    }
}

static void
test_good_figures (void)
{
  const Run run = { .epochs = 24, .validation = good_validation },
            killed = { .epochs = 1, .end = "" };
  g_autofree gchar *page = page_of (&run), *other = page_of (&killed);

  g_assert_cmpuint (count (page, OK), ==, 12);
  g_assert_nonnull (strstr (
      page, OK "classes balanced, or weighted</td><td>100 training clips of run, 60 of fall</td>"));
  g_assert_nonnull (
      strstr (page, OK "each class predicted</td><td>all 4 classes with 5 clips or more</td>"));
  g_assert_nonnull (strstr (
      page, OK "more than one class predicted</td><td>4 of 4 classes in the last validation</td>"));
  g_assert_nonnull (strstr (page, OK "few clips skipped</td><td>none</td>"));
  g_assert_nonnull (strstr (page, OK "loss without jumps</td><td>none</td>"));
  g_assert_nonnull (strstr (page, OK "no overfitting</td><td>validation loss "));
  g_assert_nonnull (strstr (page, UNKNOWN "as fast as"));
  /* failed checks come first, unknown ones last */
  g_assert_true (strstr (other, OK "memory")
      < strstr (other, UNKNOWN "no overfitting</td><td>it takes 6 epochs with a"));
  g_assert_nonnull (
      strstr (other, UNKNOWN "trained for long enough</td><td>it takes 4 epochs; there are 1"));
  g_assert_nonnull (strstr (
      other, UNKNOWN "batch norm settled</td><td>no epoch has a training and a validation loss"));
  g_assert_nonnull (strstr (other,
      UNKNOWN "more than one class predicted</td><td>no validation with a confusion matrix"));
}

static gdouble
rising_validation (guint epoch)
{
  return epoch < 8 ? good_validation (epoch) : good_validation (8) + 0.05 * (epoch - 8);
}

static void
test_overfitting (void)
{
  const Run run = { .epochs = 20, .validation = rising_validation };

  assert_alone (&run, "no overfitting",
      "since epoch 9 validation loss has risen from 0.5932 to 1.045, while training loss fell from "
      "0.28",
      "clipaugment");
}

static gdouble
guessing (guint epoch)
{
  return 1.386;
}

static void
test_one_class (void)
{
  const Run run = { .epochs = 24,
    .validation = guessing,
    .confusion = "[[0,0,25,0],[0,0,25,0],[0,0,25,0],[0,0,25,0]]" };

  assert_alone (&run, "more than one class predicted",
      "in the last validation all 100 clips were predicted as sit<", "class-weights=balanced");
}

/* No better than always predicting the most frequent class, which has half of the clips. */
static void
test_guessing (void)
{
#define MOSTLY_ONE "[[30,5,5,10],[10,5,3,2],[8,2,3,2],[8,3,2,2]]"
  const Run run = { .epochs = 24,
    .validation = good_validation,
    .accuracy = 0.54,
    .confusion = MOSTLY_ONE },
            better = { .epochs = 24,
              .validation = good_validation,
              .accuracy = 0.56,
              .confusion = MOSTLY_ONE },
            early = {
              .epochs = 2, .validation = good_validation, .accuracy = 0.2, .confusion = MOSTLY_ONE
            };

  assert_alone (&run, "validation better than guessing",
      "accuracy in validation 54.0 % at best, over 24 of them; the most frequent class alone gives "
      "50.0 %<",
      "pretrained weights");
  assert_alone (&better, NULL, NULL, NULL);
  assert_alone (&early, NULL, NULL, NULL);
}

/* A stopped run is reported as such, even if its log predates the record for it. */
static void
test_stopped (void)
{
  static const gchar *const ends[][2] = {
    { "\"epochs\":30,", END },
    { "\"epochs\":24,", "{\"event\":\"finished\",\"time\":9000,\"reason\":\"stopped\"}\n" },
    { "\"epochs\":24,", END },
    { "\"epochs\":0,", END },
  };

  for (guint i = 0; i < G_N_ELEMENTS (ends); i++) {
    const Run run = {
      .epochs = 24, .validation = good_validation, .settings = ends[i][0], .end = ends[i][1]
    };
    g_autofree gchar *page = page_of (&run);

    g_assert_true (!strstr (page, "Training was stopped before all epochs were done") == (i >= 2));
    g_assert_true (!strstr (page, "<td>it was stopped before all epochs were done") == (i >= 2));
    g_assert_true (!strstr (page, "<td>it was stopped</td>") == (i >= 2));
    g_assert_true (!strstr (page, "the stream ended: all epochs are done") == (i < 2));
  }
}

static void
test_never_predicted (void)
{
  const Run run = { .epochs = 24,
    .validation = good_validation,
    .confusion = "[[24,1,0,0],[2,22,1,0],[0,25,0,0],[0,24,1,0]]" },
            small = { .epochs = 24,
              .validation = good_validation,
              .confusion = "[[24,1,0,0],[2,22,1,0],[0,1,24,0],[0,4,0,0]]" };
  const Run once = { .epochs = 24,
    .validation = good_validation,
    .more = "{\"event\":\"validation\",\"epoch\":24,\"step\":481,\"loss\":0.3,\"best\":true,"
            "\"confusion\":[[24,1,0,0],[2,22,1,0],[0,25,0,0],[0,24,1,0]]}\n" };

  assert_alone (&run, "each class predicted",
      "1 of 4 classes are never predicted in the last 3 validations: fall<", "labels");
  assert_alone (&small, NULL, NULL, NULL);
  assert_alone (&once, NULL, NULL, NULL);
}

static gdouble
unsettled (guint epoch)
{
  return epoch < 3 ? 18 - 5 * epoch : good_validation (epoch);
}

static gdouble
never_settled (guint epoch)
{
  return 6 - epoch % 2;
}

static void
test_norm (void)
{
  const Run early = { .epochs = 2, .validation = unsettled },
            late = { .epochs = 24, .validation = unsettled };
  const Run never = {
    .epochs = 24, .validation = never_settled, .settings = "\"batch\":8,\"micro-batch\":2,"
  };

  assert_alone (&early, "batch norm settled",
      "loss 13 in validation and 1.13 in training in epoch 2, after 40 steps, with micro-batches "
      "of 16; guessing would give 1.386<",
      "freeze=batch-norm");
  assert_alone (&late, NULL, NULL, NULL);
  assert_alone (&never, "batch norm settled", "loss 5 in validation", "batch-size");
}

static gdouble
jumping (guint step)
{
  return step == 150 ? 9 : step < 300 ? 1.4 * exp (-0.008 * step) : 1.9 - 0.002 * (step - 300);
}

/* One hard batch, or even three, is not a jump. */
static gdouble
spiking (guint step)
{
  return step % 50 > 46 ? 6 : 0.05 + 1.35 * exp (-0.012 * step);
}

static void
test_jumps (void)
{
  const Run jumps = { .epochs = 24, .step = jumping, .validation = good_validation };
  const Run spikes = { .epochs = 24, .step = spiking, .validation = good_validation };
  const Run ended = { .epochs = 24,
    .validation = good_validation,
    .end = "{\"event\":\"error\",\"message\":\"the loss became NaN or infinite, in epoch 3 after "
           "step 70: lower lr\"}\n" };
  g_autofree gchar *page = page_of (&jumps);

  g_assert_nonnull (strstr (page, NOT_OK "loss without jumps</td><td>at about step 29"));
  g_assert_nonnull (strstr (page,
      " and stayed there, at a learning rate of 0.01; guessing would give 1.386<p "
      "class=\"pale\">The learning rate is too large: lower lr, add warmup-epochs"));
  assert_alone (&spikes, NULL, NULL, NULL);
  assert_alone (
      &ended, "loss without jumps", "the loss became NaN or infinite, in epoch 3", "warmup-epochs");
}

/* A hundred thousand steps take little time. */
static void
test_many_steps (void)
{
  const Run run = { .epochs = 5000, .step = spiking };
  g_autofree gchar *page = NULL;

  g_test_timer_start ();
  page = page_of (&run);
  g_assert_cmpfloat (g_test_timer_elapsed (), <, 60);
  g_assert_nonnull (strstr (page, OK "loss without jumps"));
}

static gdouble
slow (guint epoch)
{
  return 1.38 * pow (0.94, epoch);
}

static void
test_length (void)
{
  const Run brief = { .epochs = 8, .training = slow, .validation = slow },
            falling = { .epochs = 8, .training = slow, .rate = cosine_rate };
  const Run patient = {
    .epochs = 8, .training = slow, .end = "{\"event\":\"finished\",\"reason\":\"patience\"}\n"
  };
  const Run running = { .epochs = 8, .training = slow, .end = "" };

  assert_alone (&brief, "trained for long enough",
      "training loss 0.9235 over the last quarter of the epochs, 1.045 over the one before; "
      "guessing would give 1.386<",
      "epochs");
  assert_alone (&falling, NULL, NULL, NULL);
  assert_alone (&patient, NULL, NULL, NULL);
  assert_alone (&running, NULL, NULL, NULL);
}

static gdouble
rising (guint step)
{
  return 1.386 + 0.0001 * step;
}

static void
test_not_falling (void)
{
  const Run run = { .epochs = 24, .training = guessing, .step = rising, .validation = guessing };

  assert_alone (&run, "loss falling",
      "mean over the last tenth of the steps 1.432, over the first 1.388<",
      "lr is too large or too small");
}

static void
test_skipped (void)
{
  GString *few = g_string_new (NULL), *many = g_string_new (NULL);

  for (guint i = 0; i < 200; i++)
    g_string_append_printf (i < 40 ? few : many,
        "{\"event\":\"skipped\",\"path\":\"%u.mp4\",\"reason\":\"it is %s\"}\n", i % 10,
        i % 20 < 10 ? "empty" : "torn");
  {
    const Run some = { .epochs = 12, .more = few->str }, most = { .epochs = 1, .more = many->str };

    assert_alone (&some, NULL, NULL, NULL);
    assert_alone (
        &most, "few clips skipped", "10 files, 33.3 % of the clips of all epochs", "on-error=stop");
  }
  /* only 100000 are listed */
  g_string_truncate (many, 0);
  for (guint i = 0; i < 120000; i++)
    g_string_append_printf (
        many, "{\"event\":\"skipped\",\"path\":\"%u.mp4\",\"reason\":\"it is empty\"}\n", i);
  {
    const Run most = { .epochs = 12, .more = many->str };

    assert_alone (&most, "few clips skipped",
        "at least 100000 files, 96.9 % of the clips of all epochs", "on-error=stop");
  }
  g_string_free (few, TRUE);
  g_string_free (many, TRUE);
}

static void
test_balance (void)
{
#define UNEVEN "\"training-clips\":[500,400,90,12],"
  static const gchar bad[] = "[[24,1,0,0],[2,22,1,0],[10,5,9,1],[12,12,0,1]]";
  const Run uneven = {
    .epochs = 24, .validation = good_validation, .settings = UNEVEN, .confusion = bad
  };
  const Run learned = { .epochs = 24, .validation = good_validation, .settings = UNEVEN };
  const Run weighted = { .epochs = 24,
    .validation = good_validation,
    .confusion = bad,
    .settings = UNEVEN "\"class-weights\":[1,1,5,40]," };
  const Run blind = { .epochs = 24, .settings = UNEVEN },
            mild = { .epochs = 24, .settings = "\"training-clips\":[60,8,60,60]," };
  const Run strange = { .epochs = 24, .settings = "\"training-clips\":[0,0,0,0]," },
            other = { .epochs = 24, .settings = "\"training-clips\":[5,\"x\",null]," };

  assert_alone (&uneven, "classes balanced, or weighted",
      "500 training clips of run, 12 of fall; recall in validation 20.0 % over rare classes, 92.0 "
      "% over the others<",
      "sampling=balanced");
  assert_alone (&learned, NULL, NULL, NULL);
  assert_alone (&weighted, NULL, NULL, NULL);
  assert_alone (&blind, "classes balanced, or weighted", "500 training clips of run, 12 of fall<",
      "class-weights=balanced");
  assert_alone (&mild, NULL, NULL, NULL);
  assert_alone (&strange, NULL, NULL, NULL);
  assert_alone (&other, NULL, NULL, NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/report-checks/good", test_good);
  g_test_add_func ("/report-checks/good-figures", test_good_figures);
  g_test_add_func ("/report-checks/overfitting", test_overfitting);
  g_test_add_func ("/report-checks/one-class", test_one_class);
  g_test_add_func ("/report-checks/guessing", test_guessing);
  g_test_add_func ("/report-checks/stopped", test_stopped);
  g_test_add_func ("/report-checks/never-predicted", test_never_predicted);
  g_test_add_func ("/report-checks/norm", test_norm);
  g_test_add_func ("/report-checks/jumps", test_jumps);
  g_test_add_func ("/report-checks/many-steps", test_many_steps);
  g_test_add_func ("/report-checks/length", test_length);
  g_test_add_func ("/report-checks/not-falling", test_not_falling);
  g_test_add_func ("/report-checks/skipped", test_skipped);
  g_test_add_func ("/report-checks/balance", test_balance);
  return g_test_run ();
}
