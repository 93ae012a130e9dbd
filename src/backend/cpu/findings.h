/* findings.h: which of oneDNN's convolution implementations were found right and wrong. Kept in
 * $XDG_CACHE_HOME/cnn3d/convolutions-cpu-*.tsv, one file for each version and build of oneDNN,
 * instruction set and CPU, so that each is checked only once.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CPU_FINDINGS_H
#define CNN3D_CPU_FINDINGS_H

#include <glib.h>

typedef struct _CpuFindings CpuFindings;

typedef enum {
  CPU_FINDING_NONE,
  CPU_FINDING_RIGHT,
  CPU_FINDING_WRONG,
} CpuFinding;

CpuFindings *cpu_findings_new (void);
void cpu_findings_free (CpuFindings *findings);

/* key: one line of text. */
CpuFinding cpu_findings_get (CpuFindings *findings, const gchar *key);
/* If the file cannot be written, only this object keeps the finding. */
void cpu_findings_set (CpuFindings *findings, const gchar *key, CpuFinding finding);

/* How many implementations were rejected before one was found: none of them is tried later. Not
 * kept in the file. */
guint cpu_findings_get_passed (CpuFindings *findings, const gchar *key);
void cpu_findings_set_passed (CpuFindings *findings, const gchar *key, guint ways);

#endif
