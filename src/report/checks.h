/* checks.h: a run's checklist.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CHECKS_H
#define CNN3D_CHECKS_H

#include "src/report/logreader.h"

typedef enum {
  CHECK_UNKNOWN,
  CHECK_OK,
  CHECK_NOT_OK
} ReportState;

typedef struct {
  ReportState state;
  const gchar *what;
  gchar *finding;      /* what was found, or what is missing */
  const gchar *advice; /* of one that is not ok: what it mostly means, and what to do; or NULL */
} ReportCheck;

/* Of ReportCheck, what is not ok first, what is not known last; g_array_unref(). `other` may be
 * NULL: no second run was given. */
GArray *report_checks (const ReportLog *log, const ReportLog *other);

#endif
