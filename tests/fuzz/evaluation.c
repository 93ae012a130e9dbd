/* An evaluation's metrics.json, predictions.csv and wrong.csv always give a page.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "src/report/report.h"
#include "tests/fuzz/target.h"

/* Frames of all clips except those of one address. */
static gchar *
decode (Cnn3dReportClip *const *clips, guint n)
{
  for (guint i = 0; i < n; i++)
    for (guint k = 0; k < CNN3D_REPORT_FRAMES && strcmp (clips[i]->path, "file:///b.mp4"); k++)
      clips[i]->frames[k] = g_bytes_new_static ("frame", 5);
  return n == 1 ? g_strdup ("no decoder") : NULL;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const gchar *const names[] = { "metrics.json", "predictions.csv", "wrong.csv" };
  FuzzPart rest = { data, size };
  g_autoptr (GError) error = NULL;
  g_autofree gchar *page = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    const FuzzPart part = fuzz_next_part (&rest);

    fuzz_put (names[i], part.data, part.size);
  }
  page = cnn3d_report_html (fuzz_folder (), NULL, decode, &error);
  if (!page)
    fuzz_fail ("no page", error ? error->message : NULL);
  if (!g_str_has_suffix (page, "</html>\n") || !g_utf8_validate (page, -1, NULL))
    fuzz_fail ("a page that is none", page);
  return 0;
}
