/* page.h: elements of an HTML page. Text is escaped; control characters are shown as \xNN.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_PAGE_H
#define CNN3D_PAGE_H

#include <glib.h>

#include "src/draw/canvas.h"

/* Text; cut after 4000 characters, with a note. */
void page_text (GString *page, const gchar *text);
/* <tag class="class">text</tag>; `class` may be NULL. */
void page_element (GString *page, const gchar *tag, const gchar *class, const gchar *text);
/* The same with printf()-style formatting. */
void page_printf (GString *page, const gchar *tag, const gchar *class, const gchar *format, ...)
    G_GNUC_PRINTF (4, 5);
/* A row of a two-column table; nothing if the value is NULL. */
void page_fact (GString *page, const gchar *name, const gchar *value);
/* A JPEG file, inline. */
void page_jpeg (GString *page, GBytes *jpeg, const gchar *alt);
/* The drawing, inline; takes it. */
void page_drawing (GString *page, Cnn3dCanvas *canvas);

/* Format a value; free with g_free(). "–" if it is not finite. */
gchar *page_bytes (gdouble bytes); /* 1.23 GiB */
gchar *page_share (gdouble share); /* 12.3 % */
gchar *page_number (gdouble number, guint decimals);
gchar *page_seconds (gdouble seconds);         /* 1 h 02 min */
gchar *page_time (gdouble seconds_since_1970); /* local time */

/* Write the page's start, with an escaped title, and its end. */
void page_begin (GString *page, const gchar *title);
void page_end (GString *page);

#endif
