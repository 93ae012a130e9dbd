/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "src/model/atomicfile.h"
#include "src/model/safetensors.h"

static gchar *folder;

static gchar *
in_folder (const gchar *name)
{
  return g_build_filename (folder, name, NULL);
}

/* The folder contains only what the test made. */
static void
assert_files (guint expected)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  g_assert_cmpuint (n, ==, expected);
}

static void
remove_files (void)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const gchar *name;

  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree gchar *path = in_folder (name);

    g_assert_cmpint (g_remove (path), ==, 0);
  }
}

/* A file made by hand: the given header, then `size` data bytes 0, 1... */
static GByteArray *
by_hand (const gchar *header, gsize size)
{
  GByteArray *bytes = g_byte_array_new ();
  guint64 length = GUINT64_TO_LE ((guint64) strlen (header));

  g_byte_array_append (bytes, (guint8 *) &length, 8);
  g_byte_array_append (bytes, (const guint8 *) header, strlen (header));
  for (gsize i = 0; i < size; i++) {
    guint8 byte = i;

    g_byte_array_append (bytes, &byte, 1);
  }
  return bytes;
}

static Cnn3dSafetensors *
open_bytes (const void *bytes, gsize size, GError **error)
{
  g_autofree gchar *path = in_folder ("bytes.safetensors");
  FILE *file;

  /* Thousands of these: ext4 flushes a file that is truncated and closed to the disk at once */
  g_unlink (path);
  file = g_fopen (path, "wb");
  g_assert_nonnull (file);
  g_assert_cmpuint (fwrite (bytes, 1, size, file), ==, size);
  g_assert_cmpint (fclose (file), ==, 0);
  return cnn3d_safetensors_open (path, error);
}

#define TENSOR(name, dtype, shape, begin, end)                                                   \
  "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end \
  "]}"

static void
test_read (void)
{
  /* Order of keys, spaces, escapes and scalars as other writers may produce them */
  g_autoptr (GByteArray) bytes = by_hand (
      "{ \"b\" : {\"shape\":[2, 2],\n\"data_offsets\":[2,10],\"dtype\":\"I16\"} "
      ",\"__metadata__\":{\"format\":\"pt\",\"\\u00e9\\ud83d\\ude00\\n\":\"\\\"\\/\"}," TENSOR (
          "a.\xc3\xa9", "BF16", "[]", 0, 2) "," TENSOR ("empty", "F64", "[3,0]", 10, 10) "}   ",
      10);
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dSafetensors) file = open_bytes (bytes->data, bytes->len, &error);
  const Cnn3dSafetensor *t;
  gfloat value;

  g_assert_no_error (error);
  g_assert_cmpuint (cnn3d_safetensors_get_n_tensors (file), ==, 3);
  t = cnn3d_safetensors_nth (file, 1);
  g_assert_true (t == cnn3d_safetensors_lookup (file, "b"));
  g_assert_cmpstr (t->name, ==, "b");
  g_assert_cmpint (t->dtype, ==, CNN3D_SAFETENSOR_I16);
  g_assert_cmpuint (t->n_dims, ==, 2);
  g_assert_cmpuint (t->shape[0], ==, 2);
  g_assert_cmpuint (t->shape[1], ==, 2);
  g_assert_cmpmem (t->data, t->size, "\2\3\4\5\6\7\x8\x9", 8);
  g_assert_cmpuint (t->n_elements, ==, 4);
  g_assert_false (cnn3d_safetensor_to_float (t, &value, 1, NULL));
  t = cnn3d_safetensors_nth (file, 0);
  g_assert_true (t == cnn3d_safetensors_lookup (file, "a.\xc3\xa9"));
  g_assert_cmpuint (t->n_dims, ==, 0);
  g_assert_cmpuint (t->n_elements, ==, 1);
  t = cnn3d_safetensors_lookup (file, "empty");
  g_assert_cmpuint (t->size, ==, 0);
  g_assert_true (cnn3d_safetensor_to_float (t, NULL, 0, NULL));
  g_assert_null (cnn3d_safetensors_lookup (file, "none"));
  g_assert_cmpstr (cnn3d_safetensors_metadata (file, "format"), ==, "pt");
  g_assert_cmpstr (cnn3d_safetensors_metadata (file, "\xc3\xa9\xf0\x9f\x98\x80\n"), ==, "\"/");
  g_assert_null (cnn3d_safetensors_metadata (file, "none"));
}

static void
test_bad_headers (void)
{
  static const struct {
    const gchar *header;
    gsize size;
    const gchar *reason;
  } bad[] = {
    { "{", 0, "it is cut short, or not a safetensors file" },
    { "[]", 0, "it is not a safetensors file" },
    { " {}", 0, "it is not a safetensors file" },
    { "{}", 1, "bytes after the last tensor" },
    { "{}x", 0, "more after the end" },
    { "{} {}", 0, "more after the end" },
    { "{,}", 0, "expected" },
    { "{'a':1}", 0, "expected" },
    { "{/* \" */}", 0, "expected" },
    { "{\"a\":[[[[[[[[[[[[", 0, "expected" },
    { "{\"a\":{\"b\":{\"c\":{", 0, "unknown key “b” in a tensor" },
    { "{\"a\":{}}", 0, "a tensor without dtype, shape or data_offsets" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[0]}}", 0,
        "a tensor without dtype, shape or data_offsets" },
    { "{\"a\":{\"shape\":[0],\"data_offsets\":[0,0]}}", 0,
        "a tensor without dtype, shape or data_offsets" },
    { "{\"a", 0, "text without an end" },
    { "{\"a\\", 0, "text without an end" },
    { "{\"a\\u00", 0, "four hexadecimal digits expected" },
    { "{\"a\\x\":{}}", 0, "unknown escape" },
    { "{\"a\n\":{}}", 0, "control character in a text" },
    { "{\"\\u0000\":{}}", 0, "NUL in a text" },
    { "{\"\\ud800\":{}}", 0, "half a surrogate pair" },
    { "{\"\\ud800\\u0041\":{}}", 0, "half a surrogate pair" },
    { "{\"\\udc00\":{}}", 0, "half a surrogate pair" },
    { "{\"\xff\":{}}", 0, "text that is not UTF-8" },
    { "{" TENSOR ("a", "U8", "[1]", 0, 1) ",}", 1, "expected" },
    { "{" TENSOR ("a", "U8", "[1]", 0, 1) "," TENSOR ("a", "U8", "[1]", 1, 2) "}", 2,
        "appears twice" },
    { "{" TENSOR ("a", "U8", "[0]", 0, 0) "," TENSOR ("a", "U8", "[0]", 0, 0) "}", 0,
        "tensor “a” appears twice" },
    { "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\"}}", 0, "key “dtype” twice" },
    { "{\"__metadata__\":{},\"__metadata__\":{}}", 0, "“__metadata__” twice" },
    { "{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", 0, "metadata “a” twice" },
    { "{\"__metadata__\":{\"a\":1}}", 0, "expected" },
    { "{\"__metadata__\":{\"a\":{\"a\":\"\"}}}", 0, "expected" },
    { "{" TENSOR ("a", "F4", "[2]", 0, 1) "}", 1, "tensors of type “F4” are not supported" },
    { "{" TENSOR ("a", "U8", "[-1]", 0, 1) "}", 1, "whole number expected" },
    { "{" TENSOR ("a", "U8", "[1.5]", 0, 1) "}", 1, "expected" },
    { "{" TENSOR ("a", "U8", "[1e1]", 0, 10) "}", 10, "expected" },
    { "{" TENSOR ("a", "U8", "[01]", 0, 1) "}", 1, "whole number expected" },
    { "{" TENSOR ("a", "U8", "[18446744073709551616]", 0, 1) "}", 1, "number too large" },
    { "{" TENSOR ("a", "U8", "[4294967296,4294967296]", 0, 0) "}", 0,
        "a tensor larger than memory can be" },
    { "{" TENSOR ("a", "F64", "[2305843009213693952]", 0, 0) "}", 0,
        "a tensor larger than memory can be" },
    { "{" TENSOR ("a", "U8", "[1,1,1,1,1,1,1,1,1]", 0, 1) "}", 1, "more than 8 numbers" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,2]}}", 1,
        "more than 2 numbers" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0]}}", 1,
        "two data_offsets expected" },
    { "{" TENSOR ("a", "U8", "[1]", 0, 2) "}", 2,
        "tensor “a” lies from byte 0 to 2, but [1] of U8 takes 1 bytes" },
    { "{" TENSOR ("a", "U8", "[2]", 2, 0) "}", 2, "begins at byte 2 of the data, where" },
    { "{" TENSOR ("a", "U8", "[2]", 2, 2) "}", 2, "begins at byte 2 of the data, where" },
    { "{" TENSOR ("a", "U8", "[1]", 1, 2) "}", 2, "begins at byte 1 of the data, where" },
    { "{" TENSOR ("a", "U8", "[2]", 0, 2) "," TENSOR ("b", "U8", "[2]", 1, 3) "}", 3,
        "begins at byte 1 of the data, where" },
    { "{" TENSOR ("a", "U8", "[1]", 0, 1) "," TENSOR ("b", "U8", "[1]", 2, 3) "}", 3,
        "begins at byte 2 of the data, where" },
    { "{" TENSOR ("a", "U8", "[4]", 0, 4) "}", 3,
        "tensor “a” ends at byte 4 of 3: the file is cut short" },
    { "{" TENSOR ("a", "U8", "[3]", 0, 3) "}", 4, "bytes after the last tensor" },
  };

  gboolean syntax = FALSE;

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GByteArray) bytes = by_hand (bad[i].header, bad[i].size);
    g_autoptr (GError) error = NULL;

    g_assert_null (open_bytes (bytes->data, bytes->len, &error));
    g_test_message ("%s", error->message);
    g_assert_nonnull (strstr (error->message, bad[i].reason));
    g_assert_nonnull (strstr (error->message, "bytes.safetensors"));
    syntax |= g_regex_match_simple ("header, byte [0-9]+: .", error->message, 0, 0);
    g_assert_true (g_utf8_validate (error->message, -1, NULL));
  }
  g_assert_true (syntax);
}

static void
test_not_safetensors (void)
{
  static const struct {
    const gchar *bytes;
    gsize size;
    gint code;
    const gchar *reason;
  } bad[] = {
    { "", 0, G_IO_ERROR_INVALID_DATA, "it is empty" },
    { "{}", 2, G_IO_ERROR_INVALID_DATA, "it is not a safetensors file" },
    { "\2\0\0\0\0\0\0\0", 8, G_IO_ERROR_INVALID_DATA, "it is not a safetensors file" },
    { "\3\0\0\0\0\0\0\0{}", 10, G_IO_ERROR_INVALID_DATA,
        "it is cut short, or not a safetensors file" },
    { "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, G_IO_ERROR_INVALID_DATA,
        "it is cut short, or not a safetensors file" },
    { "\0\0\0\0\0\0\0\0{}", 10, G_IO_ERROR_INVALID_DATA,
        "it is cut short, or not a safetensors file" },
    { "PK\3\4\0\0\x8\x8\0\0archive/data.pkl", 26, G_IO_ERROR_NOT_SUPPORTED, "weights_only=True" },
    { "\x80\2\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.", 16, G_IO_ERROR_NOT_SUPPORTED, "save_file" },
    { "\x80\2", 2, G_IO_ERROR_NOT_SUPPORTED, "bytes.safetensors" },
  };
  g_autofree gchar *missing = in_folder ("missing");
  g_autofree gchar *fifo = in_folder ("fifo");
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) why = NULL;

    g_assert_null (open_bytes (bad[i].bytes, bad[i].size, &why));
    g_assert_error (why, G_IO_ERROR, bad[i].code);
    g_assert_nonnull (strstr (why->message, bad[i].reason));
  }
  g_assert_null (cnn3d_safetensors_open (missing, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_assert_true (g_regex_match_simple ("^cannot read “[^”]*”: .", error->message, 0, 0));
  g_assert_nonnull (strstr (error->message, missing));
  g_clear_error (&error);
  g_assert_null (cnn3d_safetensors_open (folder, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_REGULAR_FILE);
  g_assert_true (g_str_has_suffix (error->message, ": it is not a file"));
  g_clear_error (&error);
  g_assert_cmpint (mkfifo (fifo, 0600), ==, 0);
  g_assert_null (cnn3d_safetensors_open (fifo, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_REGULAR_FILE);
  /* 64 KiB of nesting must not be followed */
  {
    g_autofree gchar *nested = g_strnfill (65536, '[');
    g_autoptr (GByteArray) bytes = NULL;

    memcpy (nested, "{\"a\":", 5);
    bytes = by_hand (nested, 0);
    g_assert_null (open_bytes (bytes->data, bytes->len, NULL));
  }
}

/* Reads everything that an opened file declares. */
static void
walk (Cnn3dSafetensors *file)
{
  volatile gsize sum = 0; /* every byte is really read */

  for (guint i = 0; i < cnn3d_safetensors_get_n_tensors (file); i++) {
    const Cnn3dSafetensor *t = cnn3d_safetensors_nth (file, i);
    g_autofree gfloat *values = NULL;

    g_assert_true (cnn3d_safetensors_lookup (file, t->name) == t);
    g_assert_cmpuint (t->size, ==, t->n_elements * cnn3d_safetensor_dtype_size (t->dtype));
    for (gsize k = 0; k < t->size; k++)
      sum += t->data[k];
    g_assert_cmpuint (t->n_elements, <, 1000);
    values = g_new (gfloat, t->n_elements + 1);
    cnn3d_safetensor_to_float (t, values, t->n_elements, NULL);
  }
}

/* Truncated at every length, and every byte changed to every value: an error, or a file whose
 * header is consistent. */
static void
test_damaged (void)
{
  g_autoptr (GByteArray) bytes = by_hand (
      "{\"__metadata__\":{\"k\":\"\\u00e9\"}," TENSOR ("a", "F16", "[2,3]", 0, 12) "," TENSOR (
          "b", "F32", "[1]", 12, 16) "," TENSOR ("c", "F64", "[]", 16, 24) "}",
      24);
  guint good = 0;

  for (guint size = 0; size < bytes->len; size++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (open_bytes (bytes->data, size, &error));
    g_assert_nonnull (error);
  }
  for (guint i = 0; i < bytes->len; i++) {
    guint8 before = bytes->data[i];

    for (guint change = 1; change < 256; change++) {
      g_autoptr (Cnn3dSafetensors) file = NULL;
      g_autoptr (GError) error = NULL;

      bytes->data[i] = before ^ change;
      file = open_bytes (bytes->data, bytes->len, &error);
      g_assert_true ((file != NULL) == (error == NULL));
      if (file != NULL) {
        good++;
        walk (file);
      } else {
        g_assert_true (g_utf8_validate (error->message, -1, NULL));
      }
    }
    bytes->data[i] = before;
  }
  /* At least every change of a data byte leaves a valid file */
  g_assert_cmpuint (good, >=, 24 * 255);
}

static void
test_to_float (void)
{
  static const struct {
    guint16 bits;
    gdouble value;
  } halves[] = { { 0x0000, 0 }, { 0x8000, -0. }, { 0x3c00, 1 }, { 0xc000, -2 }, { 0x7bff, 65504 },
    { 0x0400, 0x1p-14 }, { 0x0001, 0x1p-24 }, { 0x83ff, -0x3ffp-24 }, { 0x3555, 0x1.554p-2 },
    { 0x7c00, INFINITY }, { 0xfc00, -INFINITY } };
  guint8 data[2 * 65536 + 8];
  g_autofree gfloat *out = g_new (gfloat, 65536);
  Cnn3dSafetensor t = { "t", CNN3D_SAFETENSOR_F16, .data = data + 1 };
  g_autoptr (GError) error = NULL;

  /* Every half-precision value, from an odd address */
  for (guint i = 0; i < 65536; i++) {
    data[1 + 2 * i] = i;
    data[2 + 2 * i] = i >> 8;
  }
  t.n_elements = 65536;
  g_assert_true (cnn3d_safetensor_to_float (&t, out, 65536, NULL));
  for (guint i = 0; i < 65536; i++) {
    guint exponent = i >> 10 & 31, fraction = i & 1023;

    if (exponent == 31)
      g_assert_true (fraction ? isnan (out[i]) : isinf (out[i]));
    else
      g_assert_cmpfloat (fabsf (out[i]), ==,
          exponent == 0 ? ldexp (fraction, -24) : ldexp (1024 + fraction, exponent - 25));
    g_assert_cmpint (!!signbit (out[i]), ==, i >> 15);
  }
  for (guint i = 0; i < G_N_ELEMENTS (halves); i++)
    g_assert_cmpfloat (out[halves[i].bits], ==, halves[i].value);

  t.dtype = CNN3D_SAFETENSOR_BF16;
  g_assert_true (cnn3d_safetensor_to_float (&t, out, 65536, NULL));
  g_assert_cmpfloat (out[0x3f80], ==, 1);
  g_assert_cmpfloat (out[0xc049], ==, -3.140625f);
  g_assert_cmpfloat (out[0x0001], ==, 0x1p-133f);
  g_assert_true (isinf (out[0x7f80]) && isnan (out[0x7fc0]));

  t.n_elements = 2;
  t.dtype = CNN3D_SAFETENSOR_F32;
  memcpy (data + 1, (gfloat[]) { -0.1f, 3e-45f }, 8);
  g_assert_true (cnn3d_safetensor_to_float (&t, out, 2, NULL));
  g_assert_cmpfloat (out[0], ==, -0.1f);
  g_assert_cmpfloat (out[1], ==, 3e-45f);
  t.dtype = CNN3D_SAFETENSOR_F64;
  memcpy (data + 1, (gdouble[]) { -0.1, 1e300 }, 16);
  g_assert_true (cnn3d_safetensor_to_float (&t, out, 2, NULL));
  g_assert_cmpfloat (out[0], ==, -0.1f);
  g_assert_true (isinf (out[1]));

  g_assert_false (cnn3d_safetensor_to_float (&t, out, 3, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
  g_assert_nonnull (strstr (error->message, " has 2 elements, where 3 were expected"));
  g_clear_error (&error);
  t.dtype = CNN3D_SAFETENSOR_I64;
  g_assert_false (cnn3d_safetensor_to_float (&t, out, 2, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED);
  g_assert_nonnull (
      strstr (error->message, " holds I64, where F64, F32, F16 or BF16 was expected"));
}

static void
write_some (const gchar *path)
{
  static const guint64 shape[] = { 2, 3 }, none[] = { 0, 7 };
  static const gfloat values[] = { 1, 2, 3, 4, 5, 6 };
  const gint64 number = GINT64_TO_LE (-5);
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dSafetensorsWriter) writer = cnn3d_safetensors_writer_new (path, &error);

  g_assert_no_error (error);
  cnn3d_safetensors_writer_add (writer, "w", CNN3D_SAFETENSOR_F32, 2, shape);
  cnn3d_safetensors_writer_add (writer, "none", CNN3D_SAFETENSOR_U8, 2, none);
  cnn3d_safetensors_writer_metadata (writer, "format", "pt");
  cnn3d_safetensors_writer_metadata (writer, "a\"\\\n", "\xc3\xa9");
  cnn3d_safetensors_writer_add (writer, "n", CNN3D_SAFETENSOR_I64, 0, NULL);
  g_assert_true (cnn3d_safetensors_writer_data (writer, values, 10, NULL));
  g_assert_true (cnn3d_safetensors_writer_data (writer, (const gchar *) values + 10, 14, NULL));
  g_assert_true (cnn3d_safetensors_writer_data (writer, &number, 8, NULL));
  g_assert_true (cnn3d_safetensors_writer_finish (writer, &error));
  g_assert_no_error (error);
}

static void
test_write (void)
{
  static const gchar expected[] =
      "{\"__metadata__\":{\"format\":\"pt\",\"a\\\"\\\\\\u000a\":\"\xc3\xa9\"}," TENSOR ("w", "F32",
          "[2, 3]", 0,
          24) "," TENSOR ("none", "U8", "[0, 7]", 24, 24) "," TENSOR ("n", "I64", "[]", 24, 32) "}";
  g_autofree gchar *path = in_folder ("written.safetensors");
  g_autofree gchar *first = NULL, *second = NULL;
  gsize size, size2, padded = (strlen (expected) + 7) / 8 * 8;
  g_autoptr (Cnn3dSafetensors) file = NULL;
  g_autoptr (GError) error = NULL;
  const Cnn3dSafetensor *t;
  gfloat values[6];

  write_some (path);
  g_assert_true (g_file_get_contents (path, &first, &size, NULL));
  g_assert_cmpuint (size, ==, 8 + padded + 32);
  g_assert_cmpuint ((guint8) first[0] | (guint8) first[1] << 8, ==, padded);
  g_assert_cmpmem (first + 8, strlen (expected), expected, strlen (expected));
  for (gsize i = strlen (expected); i < padded; i++)
    g_assert_cmpint (first[8 + i], ==, ' ');

  file = cnn3d_safetensors_open (path, &error);
  g_assert_no_error (error);
  t = cnn3d_safetensors_lookup (file, "w");
  g_assert_true (cnn3d_safetensor_to_float (t, values, 6, &error));
  for (guint i = 0; i < 6; i++)
    g_assert_cmpfloat (values[i], ==, i + 1);
  t = cnn3d_safetensors_lookup (file, "n");
  g_assert_cmpmem (t->data, t->size, "\xfb\xff\xff\xff\xff\xff\xff\xff", 8);
  g_assert_cmpstr (cnn3d_safetensors_metadata (file, "a\"\\\n"), ==, "\xc3\xa9");

  /* Overwriting itself: the same bytes, and the mapping of the old file stays valid */
  write_some (path);
  g_assert_true (g_file_get_contents (path, &second, &size2, NULL));
  g_assert_cmpmem (first, size, second, size2);
  g_assert_cmpmem (t->data, t->size, "\xfb\xff\xff\xff\xff\xff\xff\xff", 8);
  assert_files (1);
}

/* Larger than any buffer, in uneven pieces. */
static void
test_large (void)
{
  const gsize size = 5000001;
  g_autofree guint8 *data = g_malloc (size);
  g_autofree gchar *path = in_folder ("large.safetensors");
  g_autoptr (Cnn3dSafetensorsWriter) writer = cnn3d_safetensors_writer_new (path, NULL);
  g_autoptr (Cnn3dSafetensors) file = NULL;
  g_autoptr (GError) error = NULL;
  const Cnn3dSafetensor *t;

  for (gsize i = 0; i < size; i++)
    data[i] = i * 2654435761u >> 13;
  cnn3d_safetensors_writer_add (writer, "x", CNN3D_SAFETENSOR_U8, 1, (guint64[]) { size });
  for (gsize at = 0, piece = 1; at < size; at += piece, piece = piece * 3 + 1) {
    piece = MIN (MIN (piece, 700001), size - at);
    g_assert_true (cnn3d_safetensors_writer_data (writer, data + at, piece, NULL));
  }
  g_assert_true (cnn3d_safetensors_writer_finish (writer, NULL));
  file = cnn3d_safetensors_open (path, &error);
  g_assert_no_error (error);
  t = cnn3d_safetensors_lookup (file, "x");
  g_assert_cmpmem (t->data, t->size, data, size);
}

static void
test_empty (void)
{
  g_autofree gchar *path = in_folder ("empty.safetensors");
  g_autoptr (Cnn3dSafetensorsWriter) writer = cnn3d_safetensors_writer_new (path, NULL);
  g_autoptr (Cnn3dSafetensors) file = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (cnn3d_safetensors_writer_finish (writer, NULL));
  g_assert_false (cnn3d_safetensors_writer_finish (writer, NULL));
  file = cnn3d_safetensors_open (path, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (cnn3d_safetensors_get_n_tensors (file), ==, 0);
}

typedef enum {
  TWICE,
  RESERVED,
  NOT_UTF8,
  TOO_LARGE,
  LATE,
  KEY_TWICE,
  VALUE_NOT_UTF8,
  TOO_MUCH,
  ACROSS,
  LACKING,
  N_MISUSES
} Misuse;

static void
test_misuse (void)
{
  static const gchar *const reasons[] = { "tensor “a”: declared twice",
    "a name reserved by the format", ": not UTF-8", "tensor “c”: too large",
    "declared after the first data", "metadata “k”: declared twice", "its value is not UTF-8",
    "1 bytes after the last tensor", "6 bytes for tensor “a”, which lacks 4",
    "tensor “b” lacks 2 bytes" };
  g_autofree gchar *path = in_folder ("misuse.safetensors");
  const guint64 four = 4, huge = G_MAXUINT64 / 2;

  g_assert_true (g_file_set_contents (path, "old", 3, NULL));
  for (guint i = 0; i < N_MISUSES; i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (Cnn3dSafetensorsWriter) writer = cnn3d_safetensors_writer_new (path, &error);
    g_autofree gchar *contents = NULL;

#define ADD(name, n) cnn3d_safetensors_writer_add (writer, name, CNN3D_SAFETENSOR_U8, 1, n)
#define DATA(n) g_assert_true (cnn3d_safetensors_writer_data (writer, "12345678", n, &error))
    g_assert_no_error (error);
    ADD ("a", &four);
    ADD ("b", &four);
    cnn3d_safetensors_writer_metadata (writer, "k", "v");
    if (i == TWICE)
      ADD ("a", &four);
    else if (i == RESERVED)
      ADD ("__metadata__", &four);
    else if (i == NOT_UTF8)
      ADD ("\xff", &four);
    else if (i == TOO_LARGE)
      ADD ("c", &huge);
    else if (i == KEY_TWICE)
      cnn3d_safetensors_writer_metadata (writer, "k", "w");
    else if (i == VALUE_NOT_UTF8)
      cnn3d_safetensors_writer_metadata (writer, "l", "\xc3");
    else if (i == LATE) {
      DATA (1);
      ADD ("c", &four);
    } else if (i == TOO_MUCH) {
      DATA (4);
      DATA (4);
      g_assert_false (cnn3d_safetensors_writer_data (writer, "1", 1, &error));
    } else if (i == ACROSS) {
      g_assert_false (cnn3d_safetensors_writer_data (writer, "123456", 6, &error));
    } else {
      DATA (4);
      DATA (2);
    }
    if (error == NULL)
      g_assert_false (cnn3d_safetensors_writer_finish (writer, &error));
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
    g_assert_true (g_regex_match_simple ("^cannot write “[^”]*”: .", error->message, 0, 0));
    g_assert_nonnull (strstr (error->message, reasons[i]));
    g_assert_nonnull (strstr (error->message, path));
    g_clear_pointer (&writer, cnn3d_safetensors_writer_free);
    assert_files (1);
    g_assert_true (g_file_get_contents (path, &contents, NULL, NULL));
    g_assert_cmpstr (contents, ==, "old");
  }
}

static void
test_atomic (void)
{
  g_autofree gchar *path = in_folder ("text");
  g_autofree gchar *temporary = in_folder ("text.tmp");
  g_autofree gchar *other = in_folder ("other");
  g_autofree gchar *nowhere = in_folder ("no/where");
  g_autofree gchar *contents = NULL, *kept = NULL;
  g_autoptr (Cnn3dAtomicFile) file = NULL;
  g_autoptr (GError) error = NULL;
  struct stat kind;

  g_assert_true (cnn3d_atomic_file_set_contents (path, "one", -1, NULL));
  file = cnn3d_atomic_file_new (path, &error);
  g_assert_no_error (error);
  g_assert_true (cnn3d_atomic_file_write (file, "two", 3, NULL));
  /* The old file stays until the end, and there is one writer at a time */
  g_assert_true (g_file_get_contents (path, &contents, NULL, NULL));
  g_assert_cmpstr (contents, ==, "one");
  g_clear_pointer (&contents, g_free);
  g_assert_false (cnn3d_atomic_file_set_contents (path, "three", -1, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
  g_assert_true (g_str_has_suffix (error->message, ": it is already being written"));
  g_clear_error (&error);
  g_assert_true (cnn3d_atomic_file_finish (file, NULL));
  g_assert_false (cnn3d_atomic_file_write (file, "x", 1, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  g_assert_true (g_regex_match_simple ("^cannot write “[^”]*”: .", error->message, 0, 0));
  g_assert_true (g_str_has_suffix (error->message, ": it is finished"));
  g_clear_error (&error);
  g_assert_true (g_file_get_contents (path, &contents, NULL, NULL));
  g_assert_cmpstr (contents, ==, "two");
  g_clear_pointer (&contents, g_free);
  assert_files (1);

  /* A killed writer's leftover, longer than the new contents */
  g_assert_true (g_file_set_contents (temporary, "left over", -1, NULL));
  g_assert_true (cnn3d_atomic_file_set_contents (path, "a\0b", 3, NULL));
  g_assert_true (g_file_get_contents (path, &contents, NULL, NULL));
  g_assert_cmpmem (contents, 4, "a\0b", 4);
  assert_files (1);

  /* The target of a link or pipe with that name is not touched */
  g_assert_true (g_file_set_contents (other, "keep", -1, NULL));
  g_assert_cmpint (symlink (other, temporary), ==, 0);
  g_assert_true (cnn3d_atomic_file_set_contents (path, "x", -1, NULL));
  g_assert_cmpint (link (other, temporary), ==, 0);
  g_assert_true (cnn3d_atomic_file_set_contents (path, "x", -1, NULL));
  g_assert_cmpint (mkfifo (temporary, 0600), ==, 0);
  g_assert_true (cnn3d_atomic_file_set_contents (path, "x", -1, NULL));
  g_assert_true (g_file_get_contents (other, &kept, NULL, NULL));
  g_assert_cmpstr (kept, ==, "keep");
  assert_files (2);

  g_assert_false (cnn3d_atomic_file_set_contents (nowhere, "x", -1, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_assert_nonnull (strstr (error->message, nowhere));
  g_clear_error (&error);
  g_assert_false (cnn3d_atomic_file_set_contents (folder, "x", -1, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_IS_DIRECTORY);
  g_assert_true (g_regex_match_simple ("^cannot write “[^”]*”: .", error->message, 0, 0));
  g_assert_nonnull (strstr (error->message, folder));
  g_clear_error (&error);

  /* A pipe or device stays what it is, also behind a link */
  g_assert_cmpint (mkfifo (temporary, 0600), ==, 0);
  g_assert_false (cnn3d_atomic_file_set_contents (temporary, "x", -1, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_REGULAR_FILE);
  g_assert_nonnull (strstr (error->message, temporary));
  g_assert_true (g_str_has_suffix (error->message,
      ": it is a device, pipe or socket, which a file would "
      "replace; name another file"));
  g_clear_error (&error);
  g_assert_cmpint (stat (temporary, &kind), ==, 0);
  g_assert_true (S_ISFIFO (kind.st_mode));
  g_assert_cmpint (unlink (temporary), ==, 0);
  g_assert_cmpint (symlink ("/dev/null", temporary), ==, 0);
  g_assert_false (cnn3d_atomic_file_set_contents (temporary, "x", -1, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_REGULAR_FILE);
  g_assert_cmpint (unlink (temporary), ==, 0);
  assert_files (2);
}

/* A header that no reader accepts is not written. */
static void
test_large_header (void)
{
  g_autofree gchar *path = in_folder ("header.safetensors"), *value = g_strnfill (101 << 20, 'x');
  g_autoptr (Cnn3dSafetensorsWriter) writer = cnn3d_safetensors_writer_new (path, NULL);
  g_autoptr (GError) error = NULL;

  cnn3d_safetensors_writer_metadata (writer, "k", value);
  g_assert_false (cnn3d_safetensors_writer_finish (writer, &error));
  g_assert_true (g_regex_match_simple (
      "its header would have [0-9]+ bytes, more than readers accept", error->message, 0, 0));
}

/* A writer killed at any moment leaves a complete file, and at most one other. */
static void
test_killed (void)
{
  const gsize size = 1 << 20;
  g_autofree gchar *path = in_folder ("killed");
  g_autofree gchar *block = g_malloc (size);

  memset (block, 'a', size);
  g_assert_true (cnn3d_atomic_file_set_contents (path, block, size, NULL));
  for (guint round = 0; round < 20; round++) {
    g_autofree gchar *contents = NULL;
    gsize length;
    int status;
    pid_t child = fork ();

    g_assert_cmpint (child, >=, 0);
    if (child == 0) {
      for (guint i = 0;; i++) {
        memset (block, 'a' + i % 26, size);
        if (!cnn3d_atomic_file_set_contents (path, block, size, NULL))
          _exit (1);
      }
    }
    g_usleep (997 * (round + 1));
    g_assert_cmpint (kill (child, SIGKILL), ==, 0);
    g_assert_cmpint (waitpid (child, &status, 0), ==, child);
    g_assert_true (WIFSIGNALED (status));
    g_assert_true (g_file_get_contents (path, &contents, &length, NULL));
    g_assert_cmpuint (length, ==, size);
    memset (block, contents[0], size);
    g_assert_cmpmem (contents, length, block, size);
  }
  g_assert_true (cnn3d_atomic_file_set_contents (path, "end", -1, NULL));
  assert_files (1);
}

/* A full disk, simulated by a limit on file sizes. */
static void
test_full (void)
{
  g_autofree gchar *path = in_folder ("full");
  g_autofree gchar *contents = NULL;
  g_autofree gchar *block = g_malloc0 (1 << 20);
  struct rlimit limit, low;
  void (*handler) (int);

  g_assert_true (g_file_set_contents (path, "old", 3, NULL));
  handler = signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  low = limit;
  /* Not a multiple of the buffer size, so that a write is short */
  low.rlim_cur = 300000;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &low), ==, 0);
  for (guint at_finish = 0; at_finish < 2; at_finish++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (Cnn3dAtomicFile) file = cnn3d_atomic_file_new (path, &error);

    g_assert_no_error (error);
    if (at_finish) {
      g_assert_true (cnn3d_atomic_file_write (file, block, 200000, NULL));
      g_assert_true (cnn3d_atomic_file_write (file, block, 200000, NULL));
    } else {
      g_assert_false (cnn3d_atomic_file_write (file, block, 1 << 20, &error));
      g_assert_nonnull (strstr (error->message, path));
      g_clear_error (&error);
    }
    g_assert_false (cnn3d_atomic_file_finish (file, &error));
    g_assert_nonnull (error);
    g_assert_nonnull (strstr (error->message, path));
    g_assert_true (g_str_has_suffix (error->message, ": an earlier write failed") == !at_finish);
  }
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  signal (SIGXFSZ, handler);
  g_assert_true (g_file_get_contents (path, &contents, NULL, NULL));
  g_assert_cmpstr (contents, ==, "old");
  assert_files (1);
}

typedef struct {
  const gchar *name;
  void (*run) (void);
} Test;

/* Each test starts with an empty folder. */
static void
run_test (gconstpointer test)
{
  ((const Test *) test)->run ();
  remove_files ();
}

int
main (int argc, char **argv)
{
  static const Test tests[] = {
    { "/safetensors/read", test_read },
    { "/safetensors/bad-headers", test_bad_headers },
    { "/safetensors/not-safetensors", test_not_safetensors },
    { "/safetensors/damaged", test_damaged },
    { "/safetensors/to-float", test_to_float },
    { "/safetensors/write", test_write },
    { "/safetensors/large", test_large },
    { "/safetensors/empty", test_empty },
    { "/safetensors/misuse", test_misuse },
    { "/safetensors/large-header", test_large_header },
    { "/atomic-file/replace", test_atomic },
    { "/atomic-file/killed", test_killed },
    { "/atomic-file/full", test_full },
  };
  int result;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("safetensors-XXXXXX", NULL);
  g_assert_nonnull (folder);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add_data_func (tests[i].name, &tests[i], run_test);
  result = g_test_run ();
  g_rmdir (folder);
  g_free (folder);
  return result;
}
