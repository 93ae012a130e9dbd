/* checks.h: the questions that a run is asked first.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CHECKS_H
#define CNN3D_CHECKS_H

#include "src/report/logreader.h"

typedef enum { CHECK_UNKNOWN, CHECK_OK, CHECK_NOT_OK } ReportState;

typedef struct {
  ReportState state;
  const gchar *what;
  gchar *figure;                /* what was found, or what is missing; g_free() */
} ReportCheck;

#define REPORT_CHECKS 4

/* `other` may be NULL: no second run was given. */
void report_checks (const ReportLog *log, const ReportLog *other, ReportCheck checks[REPORT_CHECKS]);

#endif
