/* trainpreset.h: properties set both by a preset and by the user.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TRAIN_PRESET_H
#define TRAIN_PRESET_H

#include "trainsettings.h"

/* Records who set each property last, and the value that it replaced. The owner
 * locks it. */
typedef struct _TrainPreset TrainPreset;

TrainPreset *train_preset_new (void);
void train_preset_free (TrainPreset *preset);

/* Properties set from now on are set by the preset of that name; NULL: by the
 * user. */
void train_preset_load (TrainPreset *preset, const gchar *name);

/* Sets a property as settings_put() does, and records the setter. */
void train_preset_set (
    TrainPreset *preset, TrainSettings *settings, guint index, const GValue *value);

/* Describes the conflicts, such as "lr=0.01 of the preset r3d_18-torchvision
 * holds, not lr=0.1", of all properties that both set to different values.
 * NULL: none. Free with g_free(). */
gchar *train_preset_describe (const TrainPreset *preset);

#endif
