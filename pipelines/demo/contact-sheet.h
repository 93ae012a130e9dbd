/* contact-sheet.h: one picture of what the classes look like.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEMO_CONTACT_SHEET_H
#define DEMO_CONTACT_SHEET_H

#include "set.h"

/* Writes a PNG with a row for each class: its name, and every second frame of
 * one of its videos to train on, another one in each row, as they were drawn. */
gboolean demo_contact_sheet (const DemoKind *kind, guint64 seed, const gchar *path, GError **error);

#endif
