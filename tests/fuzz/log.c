/* A run's log always gives a page, and a resumed run keeps only whole lines of it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "src/log/csvlines.h"
#include "src/log/jsonlines.h"
#include "src/report/report.h"
#include "tests/fuzz/target.h"

static const Cnn3dRunMark mark = { .position = 12, .step = 2, .epoch = 1, .training = TRUE };

static void
filter (const gchar *data, gsize size)
{
  Cnn3dJsonFilter json = { .mark = mark };
  Cnn3dRunMark csv = mark;

  for (gsize at = 0; at < size;) {
    const gchar *end = memchr (data + at, '\n', size - at);
    const gsize length = end ? (gsize) (end - data) - at : size - at;

    cnn3d_json_keep (data + at, length, &json);
    cnn3d_csv_keep (data + at, length, &csv);
    at += length + 1;
  }
  g_free (json.step);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *page = NULL;

  fuzz_put ("log.jsonl", data, size);
  page = cnn3d_report_html (fuzz_folder (), fuzz_folder (), NULL, &error);
  if (!page)
    fuzz_fail ("no page", error ? error->message : NULL);
  if (!g_str_has_suffix (page, "</html>\n") || !g_utf8_validate (page, -1, NULL))
    fuzz_fail ("a page that is none", page);
  filter ((const gchar *) data, size);
  return 0;
}
