/* resultspage.h: the page's sections about validation and evaluations.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_RESULTSPAGE_H
#define CNN3D_RESULTSPAGE_H

#include "src/report/evaluation.h"
#include "src/report/logreader.h"

/* The confusion matrix of the best validation, or else the last; nothing if the log has no
 * validation. */
void results_page_validation (GString *page, const ReportLog *log);
/* Figures, matrix, classes, and every wrong clip; `frames`: with frames, or why there are none. */
void results_page_evaluation (GString *page, const ReportEvaluation *evaluation, gboolean frames);

#endif
