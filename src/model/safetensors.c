/* safetensors.c: reads a safetensors file. The header is checked against the file's size before any
 * of it is used.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/model/safetensors-private.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/hash.h"

struct _Cnn3dSafetensors {
  GMappedFile *map;
  GArray *entries;      /* of SafetensorsEntry, in the data's order */
  GHashTable *by_name;  /* name -> Cnn3dSafetensor, none owned */
  GHashTable *metadata; /* key -> value */
};

static const struct {
  const gchar *name;
  gsize size;
} dtypes[] = {
  [CNN3D_SAFETENSOR_F64] = { "F64", 8 },
  [CNN3D_SAFETENSOR_F32] = { "F32", 4 },
  [CNN3D_SAFETENSOR_F16] = { "F16", 2 },
  [CNN3D_SAFETENSOR_BF16] = { "BF16", 2 },
  [CNN3D_SAFETENSOR_I64] = { "I64", 8 },
  [CNN3D_SAFETENSOR_U64] = { "U64", 8 },
  [CNN3D_SAFETENSOR_I32] = { "I32", 4 },
  [CNN3D_SAFETENSOR_U32] = { "U32", 4 },
  [CNN3D_SAFETENSOR_I16] = { "I16", 2 },
  [CNN3D_SAFETENSOR_U16] = { "U16", 2 },
  [CNN3D_SAFETENSOR_I8] = { "I8", 1 },
  [CNN3D_SAFETENSOR_U8] = { "U8", 1 },
  [CNN3D_SAFETENSOR_BOOL] = { "BOOL", 1 },
  [CNN3D_SAFETENSOR_F8_E4M3] = { "F8_E4M3", 1 },
  [CNN3D_SAFETENSOR_F8_E5M2] = { "F8_E5M2", 1 },
};

const gchar *
cnn3d_safetensor_dtype_name (Cnn3dSafetensorDtype dtype)
{
  g_return_val_if_fail ((guint) dtype < G_N_ELEMENTS (dtypes), NULL);
  return dtypes[dtype].name;
}

gsize
cnn3d_safetensor_dtype_size (Cnn3dSafetensorDtype dtype)
{
  g_return_val_if_fail ((guint) dtype < G_N_ELEMENTS (dtypes), 0);
  return dtypes[dtype].size;
}

gboolean
safetensors_set_size (Cnn3dSafetensor *tensor)
{
  gsize n = 1, size;

  for (guint i = 0; i < tensor->n_dims; i++)
    if (tensor->shape[i] > G_MAXSIZE || !g_size_checked_mul (&n, n, tensor->shape[i]))
      return FALSE;
  if (!g_size_checked_mul (&size, n, dtypes[tensor->dtype].size))
    return FALSE;
  tensor->n_elements = n;
  tensor->size = size;
  return TRUE;
}

gchar *
safetensors_show (const gchar *name)
{
  g_autofree gchar *start = g_strndup (name, 200);
  g_autofree gchar *escaped = g_strescape (start, NULL);

  return g_strconcat (escaped, strlen (name) > 200 ? "..." : "", NULL);
}

gchar *
safetensors_show_shape (const Cnn3dSafetensor *tensor)
{
  GString *text = g_string_new ("[");

  for (guint i = 0; i < tensor->n_dims; i++)
    g_string_append_printf (text, "%s%" G_GUINT64_FORMAT, i ? ", " : "", tensor->shape[i]);
  g_string_append_c (text, ']');
  return g_string_free (text, FALSE);
}

static GMappedFile *
map_file (const gchar *path, GError **error)
{
  struct stat info;
  GMappedFile *map;
  int fd;

  /* O_NONBLOCK: a FIFO must not hang us */
  fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 || fstat (fd, &info) < 0) {
    int code = errno;

    g_set_error_literal (error, G_IO_ERROR, g_io_error_from_errno (code), g_strerror (code));
    if (fd >= 0)
      close (fd);
    return NULL;
  }
  if (!S_ISREG (info.st_mode)) {
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_REGULAR_FILE, "it is not a file");
    close (fd);
    return NULL;
  }
  map = g_mapped_file_new_from_fd (fd, FALSE, error);
  close (fd);
  return map;
}

static gboolean
looks_like_pytorch (const guint8 *bytes, gsize size)
{
  return (size >= 4 && memcmp (bytes, "PK\3\4", 4) == 0)
      || (size >= 2 && bytes[0] == 0x80 && bytes[1] == 0x02);
}

/* Finds the header's text and the data after it. FALSE with error: not such a file. */
static gboolean
split_file (const gchar *path, const guint8 *bytes, gsize size, gsize *header_size, GError **error)
{
  guint64 length = 0;

  if (size > 8) {
    memcpy (&length, bytes, 8);
    length = GUINT64_FROM_LE (length);
  }
  if (length >= 2 && length <= SAFETENSORS_MAX_HEADER && length <= size - 8 && bytes[8] == '{') {
    *header_size = length;
    return TRUE;
  }

  if (looks_like_pytorch (bytes, size)) {
    g_autofree gchar *name = g_filename_display_name (path);
    g_autofree gchar *quoted = g_shell_quote (name);

    /* A clone of each: tensors that share memory cannot be saved */
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
        "it is a PyTorch file, which can run code when it is read; convert it where PyTorch and "
        "the safetensors package are installed: python3 -c \"import sys, torch, safetensors.torch "
        "as f; s = torch.load(sys.argv[1], map_location='cpu', weights_only=True); s = "
        "next((s[k] for k in ('state_dict', 'model_state_dict', 'model_state', 'model') if "
        "isinstance(s.get(k), dict)), s); f.save_file({k: v.clone().contiguous() for k, v in "
        "s.items()}, sys.argv[2])\" %s model.safetensors",
        quoted);
  } else if (size == 0) {
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "it is empty");
  } else if (size > 8 && bytes[8] == '{') {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
        "its header should have %" G_GUINT64_FORMAT " bytes, but the file has %" G_GSIZE_FORMAT
        " and a header at most %u: it is cut short, or not a safetensors file",
        length, size, SAFETENSORS_MAX_HEADER);
  } else {
    g_set_error_literal (
        error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "it is not a safetensors file");
  }
  return FALSE;
}

static gint
compare_entries (gconstpointer a, gconstpointer b)
{
  const SafetensorsEntry *x = a, *y = b;

  if (x->begin != y->begin)
    return x->begin < y->begin ? -1 : 1;
  if (x->end != y->end)
    return x->end < y->end ? -1 : 1;
  return strcmp (x->tensor.name, y->tensor.name);
}

/* Puts every tensor on its data; they must cover all of it, once. */
static gboolean
place_tensors (Cnn3dSafetensors *file, const guint8 *data, gsize size, GError **error)
{
  guint64 at = 0;

  g_array_sort (file->entries, compare_entries);
  for (guint i = 0; i < file->entries->len; i++) {
    SafetensorsEntry *e = &g_array_index (file->entries, SafetensorsEntry, i);
    g_autofree gchar *shown = NULL, *shape = NULL;

    if (e->begin == at && e->end >= at && e->end <= size && e->end - at == e->tensor.size
        && g_hash_table_insert (file->by_name, (gpointer) e->tensor.name, &e->tensor)) {
      e->tensor.data = data + at;
      at = e->end;
      continue;
    }

    shown = safetensors_show (e->tensor.name);
    shape = safetensors_show_shape (&e->tensor);
    if (e->begin != at)
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
          "tensor “%s” begins at byte %" G_GUINT64_FORMAT " of the data, where %" G_GUINT64_FORMAT
          " was expected",
          shown, e->begin, at);
    else if (e->end < at || e->end - at != e->tensor.size)
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
          "tensor “%s” lies from byte %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
          ", but %s of %s takes %" G_GSIZE_FORMAT " bytes",
          shown, e->begin, e->end, shape, dtypes[e->tensor.dtype].name, e->tensor.size);
    else if (e->end > size)
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
          "tensor “%s” ends at byte %" G_GUINT64_FORMAT " of %" G_GSIZE_FORMAT
          ": the file is cut short",
          shown, e->end, size);
    else
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "tensor “%s” appears twice", shown);
    return FALSE;
  }
  if (at != size) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
        "%" G_GUINT64_FORMAT " bytes after the last tensor", size - at);
    return FALSE;
  }
  return TRUE;
}

static void
clear_entry (gpointer entry)
{
  g_free ((gchar *) ((SafetensorsEntry *) entry)->tensor.name);
}

Cnn3dSafetensors *
cnn3d_safetensors_open (const gchar *path, GError **error)
{
  g_autoptr (Cnn3dSafetensors) file = NULL;
  g_autofree gchar *shown = NULL;
  const guint8 *bytes;
  gsize size, header;

  g_return_val_if_fail (path != NULL, NULL);

  file = g_new0 (Cnn3dSafetensors, 1);
  file->entries = g_array_new (FALSE, FALSE, sizeof (SafetensorsEntry));
  g_array_set_clear_func (file->entries, clear_entry);
  file->by_name = g_hash_table_new (cnn3d_hash_text, g_str_equal);
  file->metadata = g_hash_table_new_full (cnn3d_hash_text, g_str_equal, g_free, g_free);
  file->map = map_file (path, error);
  if (file->map == NULL)
    goto failed;
  bytes = (const guint8 *) g_mapped_file_get_contents (file->map);
  size = g_mapped_file_get_length (file->map);
  if (!split_file (path, bytes, size, &header, error))
    goto failed;
  if (!safetensors_parse_header (
          (const gchar *) bytes + 8, header, file->entries, file->metadata, error))
    goto failed;
  if (!place_tensors (file, bytes + 8 + header, size - 8 - header, error))
    goto failed;
  return g_steal_pointer (&file);

  /* ERRORS */
failed:
  shown = g_filename_display_name (path);
  g_prefix_error (error, "cannot read “%s”: ", shown);
  return NULL;
}

void
cnn3d_safetensors_free (Cnn3dSafetensors *file)
{
  if (file == NULL)
    return;
  g_hash_table_unref (file->by_name);
  g_hash_table_unref (file->metadata);
  g_array_unref (file->entries);
  g_clear_pointer (&file->map, g_mapped_file_unref);
  g_free (file);
}

const Cnn3dSafetensor *
cnn3d_safetensors_lookup (Cnn3dSafetensors *file, const gchar *name)
{
  return g_hash_table_lookup (file->by_name, name);
}

guint
cnn3d_safetensors_get_n_tensors (Cnn3dSafetensors *file)
{
  return file->entries->len;
}

const Cnn3dSafetensor *
cnn3d_safetensors_nth (Cnn3dSafetensors *file, guint n)
{
  g_return_val_if_fail (n < file->entries->len, NULL);
  return &g_array_index (file->entries, SafetensorsEntry, n).tensor;
}

const gchar *
cnn3d_safetensors_metadata (Cnn3dSafetensors *file, const gchar *key)
{
  return g_hash_table_lookup (file->metadata, key);
}

static gfloat
float_from_bits (guint32 bits)
{
  gfloat value;

  memcpy (&value, &bits, sizeof (value));
  return value;
}

static gfloat
float_from_half (guint16 half)
{
  guint32 sign = (guint32) (half & 0x8000) << 16;
  guint32 exponent = half >> 10 & 0x1f, fraction = half & 0x3ff;

  if (exponent == 0x1f)
    return float_from_bits (sign | 0x7f800000 | fraction << 13);
  if (exponent != 0)
    return float_from_bits (sign | (exponent + 112) << 23 | fraction << 13);
  /* Subnormal: fraction times 2^-24, exact in a float */
  return sign ? -(fraction * 0x1p-24f) : fraction * 0x1p-24f;
}

gboolean
cnn3d_safetensor_to_float (const Cnn3dSafetensor *tensor, gfloat *out, gsize n, GError **error)
{
  const guint8 *in = tensor->data;
  g_autofree gchar *shown = NULL;

  if (n != tensor->n_elements)
    goto wrong_count;
  switch (tensor->dtype) {
    case CNN3D_SAFETENSOR_F64:
      for (gsize i = 0; i < n; i++) {
        guint64 bits;
        gdouble value;

        memcpy (&bits, in + 8 * i, 8);
        bits = GUINT64_FROM_LE (bits);
        memcpy (&value, &bits, 8);
        out[i] = value;
      }
      return TRUE;
    case CNN3D_SAFETENSOR_F32:
      for (gsize i = 0; i < n; i++) {
        guint32 bits;

        memcpy (&bits, in + 4 * i, 4);
        out[i] = float_from_bits (GUINT32_FROM_LE (bits));
      }
      return TRUE;
    case CNN3D_SAFETENSOR_F16:
      for (gsize i = 0; i < n; i++)
        out[i] = float_from_half (in[2 * i] | in[2 * i + 1] << 8);
      return TRUE;
    case CNN3D_SAFETENSOR_BF16:
      for (gsize i = 0; i < n; i++)
        out[i] = float_from_bits ((guint32) in[2 * i] << 16 | (guint32) in[2 * i + 1] << 24);
      return TRUE;
    default:
      break;
  }

  /* ERRORS */
  shown = safetensors_show (tensor->name);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
      "tensor “%s” holds %s, where F64, F32, F16 or BF16 was expected", shown,
      cnn3d_safetensor_dtype_name (tensor->dtype));
  return FALSE;
wrong_count:
  shown = safetensors_show (tensor->name);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
      "tensor “%s” has %" G_GSIZE_FORMAT " elements, where %" G_GSIZE_FORMAT " were expected",
      shown, tensor->n_elements, n);
  return FALSE;
}
