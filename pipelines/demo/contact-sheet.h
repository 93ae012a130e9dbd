/* contact-sheet.h: a picture with examples of each class.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEMO_CONTACT_SHEET_H
#define DEMO_CONTACT_SHEET_H

#include "set.h"

/* Writes a PNG with a row for each class: its name, and every second frame of one of its training
 * videos, as drawn. The first row shows video 0 of its class, each further row the next number. */
gboolean demo_contact_sheet (const DemoKind *kind, guint64 seed, const gchar *path, GError **error);

#endif
