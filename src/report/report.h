/* report.h: an HTML report of a run.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_REPORT_H
#define CNN3D_REPORT_H

#include <glib.h>

#include "src/api.h"
#include "src/report/frames.h"

G_BEGIN_DECLS

/* One HTML page about a run's folder, with nothing outside it and no script: of log.jsonl
 * (cnn3dtrain's log-dir) and of metrics.json, predictions.csv and wrong.csv (cnn3deval's
 * output-dir) in the folder and in the folders in it. What files hold is escaped; a file that is
 * damaged is read as far as it goes, and the page says so. `compare` (or NULL) is the folder of a
 * run whose speed is compared. `decode` (or NULL: no frames are shown) is called once where there
 * are wrong clips. g_free(); NULL with error (G_FILE_ERROR) where the folder has none of these
 * files, the other no log, or where one cannot be read. */
CNN3D_API gchar *cnn3d_report_html (
    const gchar *run, const gchar *compare, Cnn3dReportDecode decode, GError **error);

G_END_DECLS

#endif
