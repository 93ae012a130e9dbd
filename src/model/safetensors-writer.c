/* safetensors-writer.c: writing a safetensors file as a stream.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/model/safetensors-private.h"

#include <gio/gio.h>
#include <string.h>
#include "src/hash.h"
#include "src/model/atomicfile.h"

struct _Cnn3dSafetensorsWriter {
  gchar *path;
  Cnn3dAtomicFile *file;
  GPtrArray *tensors; /* of Cnn3dSafetensor, names owned */
  GHashTable *names;  /* of the tensors; no values */
  GHashTable *keys;   /* of the metadata; no values */
  GString *metadata;  /* its members, as JSON */
  GString *header;    /* the tensors' members, as JSON */
  guint64 size;       /* bytes of all tensors */
  gboolean begun;     /* the header is written */
  guint current;      /* the tensor whose data is expected */
  gsize given;        /* of its bytes */
  GError *failure;    /* the first declaration that cannot be */
};

static void
free_tensor (gpointer tensor)
{
  g_free ((gchar *) ((Cnn3dSafetensor *) tensor)->name);
  g_free (tensor);
}

Cnn3dSafetensorsWriter *
cnn3d_safetensors_writer_new (const gchar *path, GError **error)
{
  Cnn3dAtomicFile *file = cnn3d_atomic_file_new (path, error);
  Cnn3dSafetensorsWriter *writer;

  if (file == NULL)
    return NULL;
  writer = g_new0 (Cnn3dSafetensorsWriter, 1);
  writer->path = g_strdup (path);
  writer->file = file;
  writer->tensors = g_ptr_array_new_with_free_func (free_tensor);
  writer->names = g_hash_table_new (cnn3d_hash_text, g_str_equal);
  writer->keys = g_hash_table_new_full (cnn3d_hash_text, g_str_equal, g_free, NULL);
  writer->metadata = g_string_new (NULL);
  writer->header = g_string_new (NULL);
  return writer;
}

void
cnn3d_safetensors_writer_free (Cnn3dSafetensorsWriter *writer)
{
  if (writer == NULL)
    return;
  cnn3d_atomic_file_free (writer->file);
  g_hash_table_unref (writer->names);
  g_hash_table_unref (writer->keys);
  g_ptr_array_unref (writer->tensors);
  g_string_free (writer->metadata, TRUE);
  g_string_free (writer->header, TRUE);
  g_clear_error (&writer->failure);
  g_free (writer->path);
  g_free (writer);
}

G_GNUC_PRINTF (3, 4)
static void
set_error (Cnn3dSafetensorsWriter *writer, GError **error, const gchar *format, ...)
{
  g_autofree gchar *message = NULL, *shown = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  shown = g_filename_display_name (writer->path);
  g_set_error (
      error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "cannot write “%s”: %s", shown, message);
}

/* Why `name` cannot be declared, or NULL. */
static const gchar *
declaration_problem (Cnn3dSafetensorsWriter *writer, GHashTable *taken, const gchar *name)
{
  if (writer->begun)
    return "declared after the first data";
  if (!g_utf8_validate (name, -1, NULL))
    return "not UTF-8";
  if (g_hash_table_contains (taken, name))
    return "declared twice";
  return NULL;
}

static void
append_json_string (GString *json, const gchar *text)
{
  g_string_append_c (json, '"');
  for (; *text; text++) {
    if (*text == '"' || *text == '\\')
      g_string_append_c (json, '\\');
    if ((guchar) *text < 0x20)
      g_string_append_printf (json, "\\u%04x", *text);
    else
      g_string_append_c (json, *text);
  }
  g_string_append_c (json, '"');
}

void
cnn3d_safetensors_writer_add (Cnn3dSafetensorsWriter *writer, const gchar *name,
    Cnn3dSafetensorDtype dtype, guint n_dims, const guint64 *shape)
{
  Cnn3dSafetensor *tensor;
  const gchar *problem;
  g_autofree gchar *dims = NULL, *shown = NULL;

  g_return_if_fail (name != NULL && n_dims <= CNN3D_SAFETENSOR_MAX_DIMS);
  g_return_if_fail (cnn3d_safetensor_dtype_name (dtype) != NULL);

  if (writer->failure != NULL)
    return;
  tensor = g_new0 (Cnn3dSafetensor, 1);
  tensor->name = g_strdup (name);
  tensor->dtype = dtype;
  tensor->n_dims = n_dims;
  if (n_dims > 0)
    memcpy (tensor->shape, shape, n_dims * sizeof (*shape));
  problem = declaration_problem (writer, writer->names, name);
  if (problem == NULL && g_str_equal (name, SAFETENSORS_METADATA))
    problem = "a name reserved by the format";
  if (problem == NULL
      && (!safetensors_set_size (tensor) || tensor->size > G_MAXINT64 - writer->size))
    problem = "too large";
  if (problem == NULL && writer->tensors->len == SAFETENSORS_MAX_TENSORS)
    problem = "one tensor too many";
  if (problem != NULL)
    goto refused;

  dims = safetensors_show_shape (tensor);
  if (writer->header->len > 0)
    g_string_append_c (writer->header, ',');
  append_json_string (writer->header, name);
  g_string_append_printf (writer->header,
      ":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%" G_GUINT64_FORMAT ",%" G_GUINT64_FORMAT
      "]}",
      cnn3d_safetensor_dtype_name (dtype), dims, writer->size, writer->size + tensor->size);
  writer->size += tensor->size;
  g_hash_table_add (writer->names, (gpointer) tensor->name);
  g_ptr_array_add (writer->tensors, tensor);
  return;

  /* ERRORS */
refused:
  shown = safetensors_show (name);

  set_error (writer, &writer->failure, "tensor “%s”: %s", shown, problem);
  free_tensor (tensor);
}

void
cnn3d_safetensors_writer_metadata (
    Cnn3dSafetensorsWriter *writer, const gchar *key, const gchar *value)
{
  const gchar *problem;

  g_return_if_fail (key != NULL && value != NULL);

  if (writer->failure != NULL)
    return;
  problem = declaration_problem (writer, writer->keys, key);
  if (problem == NULL && !g_utf8_validate (value, -1, NULL))
    problem = "its value is not UTF-8";
  if (problem != NULL) {
    g_autofree gchar *shown = safetensors_show (key);

    set_error (writer, &writer->failure, "metadata “%s”: %s", shown, problem);
    return;
  }
  if (writer->metadata->len > 0)
    g_string_append_c (writer->metadata, ',');
  append_json_string (writer->metadata, key);
  g_string_append_c (writer->metadata, ':');
  append_json_string (writer->metadata, value);
  g_hash_table_add (writer->keys, g_strdup (key));
}

/* Length and header; spaces after it keep the data aligned to 8 bytes. */
static gboolean
write_header (Cnn3dSafetensorsWriter *writer, GError **error)
{
  g_autoptr (GString) json = g_string_new ("{");
  guint64 length;

  if (writer->metadata->len > 0) {
    g_string_append (json, "\"" SAFETENSORS_METADATA "\":{");
    g_string_append_len (json, writer->metadata->str, writer->metadata->len);
    g_string_append (json, writer->header->len > 0 ? "}," : "}");
  }
  g_string_append_len (json, writer->header->str, writer->header->len);
  g_string_append_c (json, '}');
  while (json->len % 8 != 0)
    g_string_append_c (json, ' ');
  if (json->len > SAFETENSORS_MAX_HEADER) {
    set_error (writer, error,
        "its header would have %" G_GSIZE_FORMAT " bytes, more than readers accept", json->len);
    return FALSE;
  }
  length = GUINT64_TO_LE ((guint64) json->len);
  writer->begun = TRUE;
  return cnn3d_atomic_file_write (writer->file, &length, 8, error)
      && cnn3d_atomic_file_write (writer->file, json->str, json->len, error);
}

static gboolean
begin (Cnn3dSafetensorsWriter *writer, GError **error)
{
  if (writer->failure != NULL) {
    if (error != NULL)
      *error = g_error_copy (writer->failure);
    return FALSE;
  }
  return writer->begun || write_header (writer, error);
}

/* The tensor whose data comes next; NULL: all of it came. */
static const Cnn3dSafetensor *
next_tensor (Cnn3dSafetensorsWriter *writer)
{
  while (writer->current < writer->tensors->len) {
    const Cnn3dSafetensor *tensor = g_ptr_array_index (writer->tensors, writer->current);

    if (writer->given < tensor->size)
      return tensor;
    writer->current++;
    writer->given = 0;
  }
  return NULL;
}

gboolean
cnn3d_safetensors_writer_data (
    Cnn3dSafetensorsWriter *writer, const void *data, gsize size, GError **error)
{
  const Cnn3dSafetensor *tensor;

  if (!begin (writer, error))
    return FALSE;
  if (size == 0)
    return TRUE;
  tensor = next_tensor (writer);
  if (tensor == NULL || size > tensor->size - writer->given)
    goto too_much;
  writer->given += size;
  return cnn3d_atomic_file_write (writer->file, data, size, error);

  /* ERRORS */
too_much:
  if (tensor != NULL) {
    g_autofree gchar *shown = safetensors_show (tensor->name);

    set_error (writer, error,
        "%" G_GSIZE_FORMAT " bytes for tensor “%s”, which lacks %" G_GSIZE_FORMAT, size, shown,
        tensor->size - writer->given);
  } else {
    set_error (writer, error, "%" G_GSIZE_FORMAT " bytes after the last tensor", size);
  }
  return FALSE;
}

gboolean
cnn3d_safetensors_writer_finish (Cnn3dSafetensorsWriter *writer, GError **error)
{
  const Cnn3dSafetensor *tensor;

  if (!begin (writer, error))
    return FALSE;
  tensor = next_tensor (writer);
  if (tensor != NULL) {
    g_autofree gchar *shown = safetensors_show (tensor->name);

    set_error (writer, error, "tensor “%s” lacks %" G_GSIZE_FORMAT " bytes", shown,
        tensor->size - writer->given);
    return FALSE;
  }
  return cnn3d_atomic_file_finish (writer->file, error);
}
