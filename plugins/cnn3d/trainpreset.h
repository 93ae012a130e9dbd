/* trainpreset.h: properties that both a preset and somebody else sets.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TRAIN_PRESET_H
#define TRAIN_PRESET_H

#include "trainsettings.h"

/* Who set each property last, and what that took the place of. Its owner
 * locks it. */
typedef struct _TrainPreset TrainPreset;

TrainPreset *train_preset_new (void);
void train_preset_free (TrainPreset * preset);

/* What is set from here on is set by the preset of that name; NULL: by others
 * again. */
void train_preset_load (TrainPreset * preset, const gchar * name);

/* Sets a property as settings_put() does. */
void train_preset_set (TrainPreset * preset, TrainSettings * settings,
    guint index, const GValue * value);

/* "lr=0.01 of the preset r3d_18-torchvision holds, not lr=0.1", each where both
 * had set it to different values, and a sentence's end; NULL: there is none.
 * g_free(). */
gchar *train_preset_tell (const TrainPreset * preset);

#endif
