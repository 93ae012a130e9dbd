/* memorypage.h: a page's section about memory.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_MEMORYPAGE_H
#define CNN3D_MEMORYPAGE_H

#include "src/report/logreader.h"

/* The plan's parts beside what was used; nothing where the log has neither. */
void memory_page (GString *page, const ReportLog *log);

/* The budget where a picture of so many bytes has room for it: that which max-memory sets, and not
 * many times as large; otherwise NAN. */
gdouble memory_page_budget (const ReportLog *log, gdouble bytes);

#endif
