/* classmetrics.c: per-class metrics of a validation pass.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/train/trainer-private.h"

#include <math.h>

void
cnn3d_class_metrics (Cnn3dPassResult *result, guint num_classes, gdouble *accuracy)
{
  const guint64 *confusion = result->confusion;
  gdouble recall = 0, f1 = 0;
  guint n = 0;

  for (guint c = 0; c < num_classes; c++) {
    const guint64 right = confusion[(gsize) c * num_classes + c];
    guint64 labelled = 0, predicted = 0;

    for (guint k = 0; k < num_classes; k++) {
      labelled += confusion[(gsize) c * num_classes + k];
      predicted += confusion[(gsize) k * num_classes + c];
    }
    accuracy[c] = labelled ? (gdouble) right / labelled : NAN;
    if (labelled + predicted == 0)
      continue;
    n++;
    recall += labelled ? accuracy[c] : 0;
    /* harmonic mean of precision and recall */
    f1 += 2.0 * right / (labelled + predicted);
  }
  result->class_accuracy = accuracy;
  result->recall = n ? recall / n : NAN;
  result->f1 = n ? f1 / n : NAN;
}
