/* learning.h: how well a network learns, from its log.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_LEARNING_H
#define CNN3D_LEARNING_H

#include "src/report/checks.h"

/* Each fills a check of zeros. Thresholds are such that a run that learns as it should has none
 * that is not ok. */
void report_check_falling (const ReportLog *log, ReportCheck *check);
void report_check_jumps (const ReportLog *log, ReportCheck *check);
void report_check_length (const ReportLog *log, ReportCheck *check);
void report_check_overfitting (const ReportLog *log, ReportCheck *check);
void report_check_norm (const ReportLog *log, ReportCheck *check);
void report_check_guessing (const ReportLog *log, ReportCheck *check);
void report_check_one_class (const ReportLog *log, ReportCheck *check);
void report_check_predicted (const ReportLog *log, ReportCheck *check);
void report_check_balance (const ReportLog *log, ReportCheck *check);
void report_check_skipped (const ReportLog *log, ReportCheck *check);

#endif
