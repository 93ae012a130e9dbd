/* runpage.h: the page's sections about the run itself.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_RUNPAGE_H
#define CNN3D_RUNPAGE_H

#include "src/report/logreader.h"

/* Each adds its section, or nothing if the log has no data for it. other: may be NULL. */
void run_page_head (GString *page, const ReportLog *log);
void run_page_checks (GString *page, const ReportLog *log, const ReportLog *other);
void run_page_curves (GString *page, const ReportLog *log);
void run_page_speed (GString *page, const ReportLog *log, const ReportLog *other);
void run_page_skips (GString *page, const ReportLog *log);
void run_page_notices (GString *page, const ReportLog *log);

#endif
