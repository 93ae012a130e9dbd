/* elementreport.c: posts the core's errors, and messages, on an element's bus.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "elementreport.h"

#include <gio/gio.h>

#include "src/escape.h"
#include "src/format.h"
#include "src/model/modelfile.h"
#include "src/session/session.h"

/* Maps an error of the core to GStreamer's domain and code. */
static void
translate (const GError *error, GQuark *domain, gint *code)
{
  *domain = GST_RESOURCE_ERROR;
  *code = GST_RESOURCE_ERROR_FAILED;

  if (error->domain == GST_RESOURCE_ERROR || error->domain == GST_STREAM_ERROR
      || error->domain == GST_CORE_ERROR || error->domain == GST_LIBRARY_ERROR) {
    *domain = error->domain;
    *code = error->code;
  } else if (error->domain == CNN3D_SESSION_ERROR) {
    switch ((Cnn3dSessionError) error->code) {
      case CNN3D_SESSION_ERROR_SETTINGS:
        *code = GST_RESOURCE_ERROR_SETTINGS;
        break;
      case CNN3D_SESSION_ERROR_DATA:
        *domain = GST_STREAM_ERROR;
        *code = GST_STREAM_ERROR_FORMAT;
        break;
      case CNN3D_SESSION_ERROR_DIVERGED:
        *domain = GST_STREAM_ERROR;
        *code = GST_STREAM_ERROR_FAILED;
        break;
      case CNN3D_SESSION_ERROR_CHECKPOINT:
        *code = GST_RESOURCE_ERROR_READ;
        break;
      case CNN3D_SESSION_ERROR_MEMORY:
        *code = GST_RESOURCE_ERROR_NO_SPACE_LEFT;
        break;
      case CNN3D_SESSION_ERROR_RANKS:
      case CNN3D_SESSION_ERROR_LEFT:
        break;
    }
  } else if (error->domain == CNN3D_NETWORK_ERROR) {
    switch ((Cnn3dNetworkError) error->code) {
      case CNN3D_NETWORK_ERROR_UNKNOWN_MODEL:
        *code = GST_RESOURCE_ERROR_SETTINGS;
        break;
      case CNN3D_NETWORK_ERROR_SIZE:
        *domain = GST_STREAM_ERROR;
        *code = GST_STREAM_ERROR_FORMAT;
        break;
      case CNN3D_NETWORK_ERROR_PARAMETER:
        *code = GST_RESOURCE_ERROR_READ;
        break;
    }
  } else if (error->domain == CNN3D_BACKEND_ERROR) {
    switch ((Cnn3dBackendError) error->code) {
      case CNN3D_BACKEND_ERROR_MISSING:
        *code = GST_RESOURCE_ERROR_NOT_FOUND;
        break;
      case CNN3D_BACKEND_ERROR_UNSUPPORTED:
        *code = GST_RESOURCE_ERROR_SETTINGS;
        break;
      case CNN3D_BACKEND_ERROR_MEMORY:
        *code = GST_RESOURCE_ERROR_NO_SPACE_LEFT;
        break;
      case CNN3D_BACKEND_ERROR_FAILED:
        *domain = GST_LIBRARY_ERROR;
        *code = GST_LIBRARY_ERROR_FAILED;
        break;
    }
  } else if (error->domain == CNN3D_MODEL_FILE_ERROR) {
    *code = GST_RESOURCE_ERROR_READ;
  } else if (error->domain == G_IO_ERROR) {
    if (error->code == G_IO_ERROR_INVALID_ARGUMENT)
      *code = GST_RESOURCE_ERROR_SETTINGS;
    else if (error->code == G_IO_ERROR_NOT_FOUND)
      *code = GST_RESOURCE_ERROR_NOT_FOUND;
    else if (error->code == G_IO_ERROR_NO_SPACE)
      *code = GST_RESOURCE_ERROR_NO_SPACE_LEFT;
    else if (error->code == G_IO_ERROR_INVALID_DATA)
      *code = GST_RESOURCE_ERROR_READ;
  }
}

void
element_report_error (GstElement *element, const GError *error, const gchar *about)
{
  gchar *escaped = cnn3d_escape (error->message, TRUE);
  gchar *text = about ? g_strconcat (about, ": ", escaped, NULL) : g_strdup (escaped);
  GQuark domain;
  gint code;

  translate (error, &domain, &code);
  g_free (escaped);
  /* takes ownership of both texts */
  gst_element_message_full (element, GST_MESSAGE_ERROR, domain, code, text,
      g_strdup_printf ("%s %d", g_quark_to_string (error->domain), error->code), __FILE__,
      GST_FUNCTION, __LINE__);
}

void
element_report_warning (GstElement *element, GQuark domain, gint code, const gchar *text)
{
  /* takes ownership of the text */
  gst_element_message_full (element, GST_MESSAGE_WARNING, domain, code, cnn3d_escape (text, FALSE),
      NULL, __FILE__, GST_FUNCTION, __LINE__);
}

void
element_report_info (GstElement *element, const gchar *format, ...)
{
  gchar *text;
  va_list args;

  va_start (args, format);
  text = cnn3d_strdup_vprintf (format, args);
  va_end (args);
  /* takes ownership of both texts */
  gst_element_message_full (element, GST_MESSAGE_INFO, GST_RESOURCE_ERROR,
      GST_RESOURCE_ERROR_SETTINGS, text, g_strdup (text), __FILE__, GST_FUNCTION, __LINE__);
}

void
element_report_slice (GstElement *element, const gchar *device, guint batch, guint slice)
{
  if (batch < slice)
    element_report_info (element,
        "Evaluation computes %u clips at a time on %s, because memory is too short for %u: the "
        "last "
        "digits of its results differ from those with enough memory.",
        batch, device, slice);
}

gchar *
element_unrecorded_text (const gchar *device, const Cnn3dDevicePasses *passes)
{
  return passes->failed
      ? g_strdup_printf ("%s: passes that could not be recorded (%" G_GUINT64_FORMAT
                         " so far) are started operation by operation, which is slower: %s",
            device, passes->failed, passes->reason)
      : NULL;
}

void
element_set_passes (GstStructure *structure, const Cnn3dDevicePasses *passes)
{
  gst_structure_set (structure, "passes-eager", G_TYPE_UINT64, passes->eager, "passes-recorded",
      G_TYPE_UINT64, passes->recorded, "passes-replayed", G_TYPE_UINT64, passes->replayed, NULL);
}

G_GNUC_BEGIN_IGNORE_DEPRECATIONS

void
element_set_numbers (GstStructure *structure, const gchar *field, const gdouble *values, guint n)
{
  GValueArray *array = g_value_array_new (n);
  GValue value = G_VALUE_INIT;
  guint i;

  g_value_init (&value, G_TYPE_DOUBLE);
  for (i = 0; i < n; i++) {
    g_value_set_double (&value, values[i]);
    g_value_array_append (array, &value);
  }
  gst_structure_set (structure, field, g_value_array_get_type (), array, NULL);
  g_value_array_free (array);
}

void
element_set_strings (GstStructure *structure, const gchar *field, const gchar *const *values)
{
  GValueArray *array = g_value_array_new (0);
  GValue value = G_VALUE_INIT;
  guint i;

  g_value_init (&value, G_TYPE_STRING);
  for (i = 0; values[i]; i++) {
    g_value_set_string (&value, values[i]);
    g_value_array_append (array, &value);
  }
  g_value_unset (&value);
  gst_structure_set (structure, field, g_value_array_get_type (), array, NULL);
  g_value_array_free (array);
}

G_GNUC_END_IGNORE_DEPRECATIONS

void
element_post (GstElement *element, GstStructure *structure)
{
  gst_element_post_message (element, gst_message_new_element (GST_OBJECT (element), structure));
}
