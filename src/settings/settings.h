/* settings.h: one table of all settings. From a row come an element's property,
 * a configuration's key, an option of `cnn3d plan`, each check of its range, and its
 * line in the documentation.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_SETTINGS_H
#define CNN3D_SETTINGS_H

#include "src/settings/choices.h"

G_BEGIN_DECLS

typedef enum {
  CNN3D_SETTING_BOOLEAN,        /* gboolean */
  CNN3D_SETTING_INT,            /* gint */
  CNN3D_SETTING_UINT,           /* guint */
  CNN3D_SETTING_UINT64,         /* guint64; its range is all of them */
  CNN3D_SETTING_NUMBER,         /* gdouble */
  CNN3D_SETTING_TEXT,           /* gchar *, owned; NULL: not set, as is an empty text */
  CNN3D_SETTING_TEXT_OR_EMPTY,  /* the same, but an empty text is one, too */
  CNN3D_SETTING_BYTES,          /* the same as TEXT: "8GiB" */
  CNN3D_SETTING_MODEL,          /* the same as TEXT: a network's name */
  CNN3D_SETTING_CHOICE,         /* gint, one of `choices` */
  CNN3D_SETTING_RATE,           /* two gint, n and d: frames a second; the range is of whole numbers */
  CNN3D_SETTING_SIZE,           /* of a key alone: "HEIGHTxWIDTH", pixels */
  CNN3D_SETTING_BATCHES,        /* of a key alone: "100"; "1.0": all of them */
} Cnn3dSettingKind;

typedef struct {
  const gchar *elements;        /* that have the property; blanks between them */
  const gchar *name;            /* the property's; NULL: only configurations have it */
  const gchar *nick;
  const gchar *about;           /* one sentence, without a full stop; range and default are added */
  Cnn3dSettingKind kind;
  gdouble minimum, maximum;     /* both in the range, but for: */
  gboolean below;               /* the maximum is not */
  gdouble preset;               /* default of a number, a switch (0 or 1), a choice (its value) */
  const gchar *text;            /* default of a text; NULL: not set */
  const gchar *unit;            /* in the plural; NULL: none */
  const Cnn3dChoices *choices;

  const gchar *key;             /* SECTION.KEY in configurations; NULL: none */
  const gchar *without;         /* what holds without the key, where that is not the property's default */
  const gchar *becomes;         /* what the key sets, where that is more than the property */
  const gchar *refused;         /* a value that is not possible here; NULL: none */
  const gchar *reason;          /* why it is not */
  gboolean always;              /* in the launch line even where it is the default */
  gboolean tests;               /* in the line that tests, too */
} Cnn3dSetting;

/* All rows, a section's keys together and in the order of the documentation.
 * n may be NULL. */
CNN3D_API const Cnn3dSetting *cnn3d_settings (guint *n);

/* An element's property; element NULL: the key `name`. NULL: there is none. */
CNN3D_API const Cnn3dSetting *cnn3d_setting (const gchar *element, const gchar *name);

/* Whether the setting is that element's property. */
CNN3D_API gboolean cnn3d_setting_is_of (const Cnn3dSetting *setting, const gchar *element);

/* What is wrong with a number, such as "threads is 2000, but must be from 0 to 1024
 * (threads)"; NULL: it is in the range. NaN is in none. g_free(). */
CNN3D_API gchar *cnn3d_setting_refuse (const Cnn3dSetting *setting, gdouble value);
/* The same of a frame rate. */
CNN3D_API gchar *cnn3d_setting_refuse_rate (const Cnn3dSetting *setting, gint n, gint d);

/* What a value may be, in a few words: "0 to 1024", "auto, direct, winograd". Empty
 * where any text may be. g_free(). */
CNN3D_API gchar *cnn3d_setting_range (const Cnn3dSetting *setting);

/* The property's default as text; NULL: it is not set. g_free(). */
CNN3D_API gchar *cnn3d_setting_preset (const Cnn3dSetting *setting);

/* The sentence, then unit, range and default: for gst-inspect-1.0. g_free(). */
CNN3D_API gchar *cnn3d_setting_blurb (const Cnn3dSetting *setting);

/* A number's shortest text that is read as the same number. g_free(). */
CNN3D_API gchar *cnn3d_setting_number (gdouble number);

G_END_DECLS

#endif
