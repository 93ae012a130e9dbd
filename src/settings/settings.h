/* settings.h: the table of all settings. Each row defines an element's property, a configuration's
 * key, an option of `cnn3d plan`, the checks of its range, and its row in the documentation.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_SETTINGS_H
#define CNN3D_SETTINGS_H

#include "src/settings/choices.h"

G_BEGIN_DECLS

typedef enum {
  CNN3D_SETTING_BOOLEAN,       /* gboolean */
  CNN3D_SETTING_INT,           /* gint */
  CNN3D_SETTING_UINT,          /* guint */
  CNN3D_SETTING_UINT64,        /* guint64; always the full range */
  CNN3D_SETTING_NUMBER,        /* gdouble */
  CNN3D_SETTING_TEXT,          /* gchar *, owned; NULL or empty: not set */
  CNN3D_SETTING_TEXT_OR_EMPTY, /* as TEXT, but an empty text is a value */
  CNN3D_SETTING_BYTES,         /* as TEXT: "8GiB" */
  CNN3D_SETTING_MODEL,         /* as TEXT: a network's name */
  CNN3D_SETTING_CHOICE,        /* gint, one of `choices` */
  CNN3D_SETTING_RATE,    /* two gint, n and d: frames per second; the range is in whole numbers */
  CNN3D_SETTING_SIZE,    /* keys only: "HEIGHTxWIDTH", in pixels */
  CNN3D_SETTING_BATCHES, /* keys only: "100"; "1.0": all of them */
} Cnn3dSettingKind;

typedef struct {
  const gchar *elements; /* elements that have the property, separated by blanks */
  const gchar *name;     /* the property's; NULL: only configurations have it */
  const gchar *nick;
  const gchar *about; /* one sentence, without a full stop; range and default are appended */
  Cnn3dSettingKind kind;
  gdouble minimum, maximum; /* inclusive, but for: */
  gboolean below;           /* the maximum is exclusive */
  gdouble preset;           /* default of a number, a switch (0 or 1), a choice (its value) */
  const gchar *text;        /* default of a text; NULL: not set */
  const gchar *unit;        /* in the plural; NULL: none */
  const Cnn3dChoices *choices;

  const gchar *key;     /* SECTION.KEY in configurations; NULL: none */
  const gchar *without; /* the value without the key, if it is not the property's default */
  const gchar *becomes; /* what the key sets, if it is more than the property */
  gboolean always;      /* in the launch line even if it is the default */
  gboolean tests;       /* also in the launch line that tests */
} Cnn3dSetting;

/* All rows, the keys of a section together and in the order of the documentation. n may be NULL.
 * The rows are static. */
CNN3D_API const Cnn3dSetting *cnn3d_settings (guint *n);

/* An element's property, or the key `name` if element is NULL. NULL: unknown. */
CNN3D_API const Cnn3dSetting *cnn3d_setting (const gchar *element, const gchar *name);

/* Whether the setting is a property of that element. */
CNN3D_API gboolean cnn3d_setting_is_of (const Cnn3dSetting *setting, const gchar *element);

/* Checks a number. Returns the error text, such as "threads is 2000, but must be from 0 to 1024
 * (threads)", free with g_free(); NULL: in range. NaN is out of range. */
CNN3D_API gchar *cnn3d_setting_refuse (const Cnn3dSetting *setting, gdouble value);
/* The same for a frame rate. */
CNN3D_API gchar *cnn3d_setting_refuse_rate (const Cnn3dSetting *setting, gint n, gint d);

/* The valid values, in a few words: "0 to 1024", "auto, direct, winograd". Empty if any text is
 * valid. Free with g_free(). */
CNN3D_API gchar *cnn3d_setting_range (const Cnn3dSetting *setting);

/* The property's default as text; NULL: not set. Free with g_free(). */
CNN3D_API gchar *cnn3d_setting_preset (const Cnn3dSetting *setting);

/* The sentence, then unit, range and default, for gst-inspect-1.0. Free with g_free(). */
CNN3D_API gchar *cnn3d_setting_blurb (const Cnn3dSetting *setting);

/* The shortest text that is read back as the same number. Free with g_free(). */
CNN3D_API gchar *cnn3d_setting_number (gdouble number);

G_END_DECLS

#endif
