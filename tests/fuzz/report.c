/* Mutated runs: each log, metrics.json, predictions.csv and wrong.csv gives a page or
 * an error, in no time, and nothing is read that is not theirs.
 *
 *   fuzz-report [SECONDS [SEED [CASE]]]
 *
 * mutates for so many seconds (10); a case is a function of the seed (1) and its
 * number, and one that failed is run alone by its number.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/report/report.h"
#include "tests/fuzz/fuzz.h"

#define MAX_SECONDS 10   /* that a case may take on a quick machine */
#define MOST_CLASSES 300 /* of a run or matrix that is put in: more than is drawn */
#define LEAST_CASES 100

/* A run's log as cnn3dtrain writes it, with a resume in it. */
static const gchar *const records[] = {
  "{\"event\":\"run\",\"time\":1790000000.000001,\"version\":1,\"command\":\"gst-launch-1.0 -e "
  "clipsrc\",\"model\":\"r3d_18\",\"base-width\":16,\"classes\":[\"ball\",\"box\",\"cross\"],\"num-"
  "frames\":16,\"height\":112,\"width\":112,\"device\":\"cpu\",\"precision\":\"32\",\"threads\":2,"
  "\"convolution\":\"auto\",\"batch\":4,\"micro-batch\":4,\"accumulate-grad-batches\":1,"
  "\"recompute\":\"none\",\"optimizer\":\"sgd\",\"predicted-bytes\":1000000,\"context-bytes\":0,"
  "\"budget-bytes\":8000000,\"weights-bytes\":100,\"gradients-bytes\":100,\"optimizer-bytes\":100,"
  "\"input-bytes\":0,\"arena-bytes\":5000,\"workspace-bytes\":10,\"epochs\":3}",
  "{\"event\":\"resumed\",\"time\":1790000001.5,\"position\":8,\"step\":2,\"epoch\":0}",
  "{\"event\":\"step\",\"time\":1790000002.5,\"epoch\":0,\"step\":1,\"clips\":4,\"loss\":1.0986,"
  "\"accuracy\":0.25,\"lr\":0.005,\"loss-scale\":1,\"skipped\":false,\"steps-skipped\":0,\"clips-"
  "per-second\":3.9,\"memory-bytes\":900000,\"memory-share\":0.1125}",
  "{\"event\":\"step\",\"time\":1790000003.5,\"epoch\":0,\"step\":2,\"clips\":8,\"loss\":null,"
  "\"accuracy\":0.5,\"lr\":0.005,\"loss-scale\":512,\"skipped\":true,\"steps-skipped\":1,\"clips-"
  "per-second\":4.1,\"memory-bytes\":900000,\"memory-share\":0.1125}",
  "{\"event\":\"epoch\",\"time\":1790000004.5,\"epoch\":0,\"step\":2,\"loss\":0.9,\"accuracy\":0.5,"
  "\"clips\":8,\"seconds\":2.25,\"lr\":0.005,\"clips-per-second\":3.6,\"memory-bytes\":900000}",
  "{\"event\":\"validation\",\"time\":1790000005.5,\"epoch\":0,\"step\":2,\"loss\":0.8,"
  "\"accuracy\":0.75,\"clips\":8,\"seconds\":0.5,\"best\":true,\"recall\":0.7,\"f1\":0.75,\"class-"
  "accuracy\":[1,0.6,null],\"confusion\":[[3,0,0],[1,2,0],[0,1,1]]}",
  "{\"event\":\"validation\",\"time\":1790000006.5,\"epoch\":1,\"step\":4,\"loss\":0.9,"
  "\"accuracy\":0.5,\"clips\":8,\"seconds\":0.5,\"best\":false,\"confusion\":[[2,1,0],[1,2,0],[0,2,"
  "0]]}",
  "{\"event\":\"skipped\",\"time\":1790000007.5,\"path\":\"a/b.mp4\",\"reason\":\"no "
  "video\",\"clip\":3,\"epoch\":0}",
  "{\"event\":\"warning\",\"time\":1790000008.5,\"message\":\"The log has gaps\"}",
  "{\"event\":\"error\",\"time\":1790000009.5,\"message\":\"does not fit: max-memory allows 8 "
  "MB\"}",
  "{\"event\":\"checkpoint\",\"time\":1790000010.5,\"path\":\"run/"
  "last.safetensors\",\"best\":false}",
  "{\"event\":\"finished\",\"time\":1790000011.5,\"reason\":\"eos\"}",
};

static const gchar metrics[] =
    "{\"model\":\"m.safetensors\",\"network\":\"r3d_18\",\"complete\":true,\"clips\":6,\"videos\":"
    "6,\"accuracy\":0.5,\"top5-accuracy\":1,\"loss\":0.75,\"precision-macro\":0.5,\"recall-macro\":"
    "0.5,\"f1-macro\":0.5,\"auroc-macro\":null,\"skipped\":3,\"skipped-clips\":[{\"path\":\"e."
    "mp4\",\"reason\":\"no video\"},{\"path\":\"f.mp4\",\"reason\":\"it is "
    "empty\"}],\"classes\":[{\"name\":\"ball\",\"support\":3,\"precision\":1,\"recall\":0.5,\"f1\":"
    "0.6,\"auroc\":null},{\"name\":\"box\",\"support\":3,\"precision\":0.5,\"recall\":0.5,\"f1\":0."
    "5,\"auroc\":1}],\"confusion\":[[2,1],[2,1]]}";
static const gchar predictions[] =
    "path,clip,label,prediction,ball,box\na.mp4,0,ball,ball,0.9,0.1\n"
    "\"b,\"\"x\"\".mp4\",1,ball,box,0.25,0.75\nc.mp4,2,box,box,0.125,0.875\nd.mp4,3,,ball,1,0\n";
static const gchar wrong[] =
    "path,label,start,end,fps,clip,prediction\n"
    "\"file:///b,%20%22x%22.mp4\",ball,1.5,2,25,1,box\nfile:///b.mp4,box,,,,2,ball\n";

static const gchar *const numbers[] = { "0", "-1", "1", "2", "3", "0.5", "1e308", "-1e308",
  "1e-308", "4294967295", "4294967296", "9007199254740993", "18446744073709551615", "null", "true",
  "\"\"", "[]", "{}", "[[1]]" };

/* --- mutations of texts --- */

/* The value of a random one of the text's members, or the whole text. */
static void
find_value (const GString *text, gsize *at, gsize *length)
{
  const gsize from = draw (text->len + 1);
  const gchar *colon = strchr (text->str + from, ':');

  *at = colon ? (gsize) (colon - text->str) + 1 : 0;
  *length = strcspn (text->str + *at, ",}");
}

static void
mutate (GString *text)
{
  gsize at, length;

  switch (draw (5)) {
    case 0:
      if (text->len)
        text->str[draw (text->len)] = draw (256);
      break;
    case 1:
      g_string_truncate (text, draw (text->len + 1));
      break;
    case 2:
      at = draw (text->len + 1);
      g_string_erase (text, at, draw (MIN (text->len - at, 20) + 1));
      break;
    default:
      find_value (text, &at, &length);
      g_string_erase (text, at, length);
      g_string_insert (text, at, numbers[draw (G_N_ELEMENTS (numbers))]);
      break;
  }
}

/* --- records of other sizes --- */

static guint
draw_size (void)
{
  return draw (4) ? draw (12) : draw (MOST_CLASSES);
}

static void
append_run (GString *log)
{
  const guint n = draw_size ();

  g_string_append (log, "{\"event\":\"run\",\"time\":1790000020,\"classes\":[");
  for (guint i = 0; i < n; i++)
    g_string_append_printf (log, "%s\"class %u\"", i ? "," : "", i);
  g_string_append (log, "]}\n");
}

/* Square for the most part. */
static void
append_validation (GString *log)
{
  const guint rows = draw_size (), columns = draw (8) ? rows : draw_size ();

  g_string_append_printf (log,
      "{\"event\":\"validation\",\"epoch\":%u,\"step\":%u,\"best\":%s,\"confusion\":[",
      (guint) draw (4), (guint) draw (4), draw (2) ? "true" : "false");
  for (guint i = 0; i < rows; i++) {
    g_string_append (log, i ? ",[" : "[");
    for (guint k = 0; k < columns; k++)
      g_string_append_printf (log, "%s%u", k ? "," : "", (guint) draw (5));
    g_string_append_c (log, ']');
  }
  g_string_append (log, "]}\n");
}

static GString *
make_log (void)
{
  GString *log = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (records); i++)
    switch (draw (12)) {
      case 0:
        break;
      case 1:
        append_run (log);
        break;
      case 2:
        append_validation (log);
        break;
      default:
      {
        /* any record may come at any place */
        GString *record = g_string_new (records[draw (3) ? i : draw (G_N_ELEMENTS (records))]);

        if (draw (4) == 0)
          mutate (record);
        g_string_append_len (log, record->str, record->len);
        g_string_append_c (log, '\n');
        g_string_free (record, TRUE);
      }
    }
  return log;
}

static GString *
make_text (const gchar *from)
{
  GString *text = g_string_new (from);

  for (guint64 n = draw (4); n > 0; n--)
    mutate (text);
  return text;
}

/* --- cases --- */

static void
put (const gchar *name, GString *text)
{
  g_autofree gchar *path = g_build_filename (folder, name, NULL);
  FILE *file = g_fopen (path, "wb");

  if (!file || fwrite (text->str, 1, text->len, file) != text->len || fclose (file) != 0)
    fail ("a case cannot be written", path);
  g_string_free (text, TRUE);
}

/* Frames of all clips but those of one address. */
static gchar *
decode (Cnn3dReportClip *const *clips, guint n)
{
  for (guint i = 0; i < n; i++)
    for (guint k = 0; k < CNN3D_REPORT_FRAMES && strcmp (clips[i]->path, "file:///b.mp4"); k++)
      clips[i]->frames[k] = g_bytes_new_static ("frame", 5);
  return n == 1 ? g_strdup ("no decoder") : NULL;
}

static void
run_case (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *page = NULL;

  fuzz_case (MAX_SECONDS);
  put ("log.jsonl", make_log ());
  put ("metrics.json", make_text (metrics));
  put ("predictions.csv", make_text (draw (2) ? predictions : ""));
  put ("wrong.csv", make_text (wrong));
  page = cnn3d_report_html (folder, draw (2) ? folder : NULL, decode, &error);
  if (!page)
    fail ("no page", error ? error->message : "and no error");
  if (!g_str_has_suffix (page, "</html>\n") || !g_utf8_validate (page, -1, NULL))
    fail ("a page that is none", page);
}

int
main (int argc, char **argv)
{
  static const gchar *const names[] = { "log.jsonl", "metrics.json", "predictions.csv",
    "wrong.csv" };
  const gdouble seconds = fuzz_begin ("fuzz-report", argc, argv, 10);
  const gint64 begin = g_get_monotonic_time ();

  folder = g_dir_make_tmp ("fuzz-report-XXXXXX", NULL);
  if (argc > 3) {
    run_case ();
    number = 1;
  }
  while (argc <= 3
      && (g_get_monotonic_time () - begin < seconds * G_USEC_PER_SEC || number < LEAST_CASES)) {
    run_case ();
    number++;
  }
  alarm (0);
  printf ("ok 1 - %" G_GUINT64_FORMAT " mutated runs are pages\n", number);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree gchar *path = g_build_filename (folder, names[i], NULL);

    g_remove (path);
  }
  g_rmdir (folder);
  g_free (folder);
  return 0;
}
