/* Mutated files of key points: each gives points or an error, in no time and bounded memory, and
 * nothing is read that is not its own.
 *
 *   fuzz-keypoints [SECONDS [SEED [CASE]]]
 *
 * mutates NumPy arrays and archives, COCO's results and tables for so many seconds (10); a case is
 * a function of the seed (1) and its number, and one that failed is run alone by its number.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gio/gio.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "src/keypoints/pose.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/npyfile.h"

#define MAX_SECONDS 10 /* that a case may take on a quick machine */
#define LEAST_CASES 1000

static GPtrArray *examples; /* of GByteArray */

static const gchar *const texts[] = {
  "[{\"image_id\":\"1.jpg\",\"keypoints\":[1,2,0.5,3,4,1],\"idx\":1,\"score\":2},"
  "{\"image_id\":2,\"keypoints\":[[1,2],[3,4]],\"keypoint_scores\":[1,0.5]}]",
  "{\"images\":[{\"id\":5,\"file_name\":\"a/0003.png\",\"width\":64,\"height\":48}],"
  "\"annotations\":[{\"image_id\":5,\"keypoints\":[1,2,2]}]}",
  "{\"instance_info\":[{\"frame_id\":1,\"instances\":[{\"keypoints\":[[1,2]],"
  "\"keypoint_scores\":[1]}]}]}",
  "frame,person,point,x,y,score\n0,0,0,1,2,1\n0,0,1,3,4,0.5\n1,1,0,5,6,1\n",
  "timestamp_ms;landmark;x;y;visibility\n0;nose;0,5;0,25;1\n40;left elbow;0,5;nan;1\n",
};

/* What is put in anywhere. */
static const gchar *const pieces[] = { "0", "-1", "9999999999", "1e308", "nan", "null", "[", "]",
  "{", "}", ",", ":", "\"", "\n", "\xff\xff\xff\xff", "\x93NUMPY", "PK\3\4", "PK\5\6", "(", ")",
  "(2,", "'<f8'", "'|O'", "True", "shape", "keypoints", "frame_id", "instances", "image_id",
  "nose" };

/* A member and an archive of it. */
static void
append_number (GByteArray *to, guint bytes, guint32 value)
{
  for (guint i = 0; i < bytes; i++) {
    const guint8 byte = value >> (8 * i);

    g_byte_array_append (to, &byte, 1);
  }
}

static guint32
checksum (const GByteArray *data)
{
  guint32 crc = G_MAXUINT32;

  for (guint i = 0; i < data->len; i++) {
    crc ^= data->data[i];
    for (guint bit = 0; bit < 8; bit++)
      crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
  }
  return ~crc;
}

static GByteArray *
archive_of (const GByteArray *member, gboolean deflate)
{
  GByteArray *zip = g_byte_array_new (), *packed = g_byte_array_new ();
  const guint32 crc = checksum (member);
  gsize took, gave = member->len;
  guint32 directory = 0;

  g_byte_array_set_size (packed, member->len * 2 + 100);
  memcpy (packed->data, member->data, member->len);
  if (deflate) {
    GConverter *converter = G_CONVERTER (g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_RAW, 9));

    g_converter_convert (converter, member->data, member->len, packed->data, packed->len,
        G_CONVERTER_INPUT_AT_END, &took, &gave, NULL);
    g_object_unref (converter);
  }
  for (guint entry = 0; entry < 2; entry++) {
    if (entry)
      directory = zip->len;
    g_byte_array_append (zip, (const guint8 *) (entry ? "PK\1\2\0\0" : "PK\3\4"), entry ? 6 : 4);
    append_number (zip, 4, 20);
    append_number (zip, 2, deflate ? 8 : 0);
    append_number (zip, 4, 0);
    append_number (zip, 4, crc);
    append_number (zip, 4, gave);
    append_number (zip, 4, member->len);
    append_number (zip, 4, 9);
    for (guint i = 0; entry && i < 14; i++)
      append_number (zip, 1, 0);
    g_byte_array_append (zip, (const guint8 *) "poses.npy", 9);
    if (!entry)
      g_byte_array_append (zip, packed->data, gave);
  }
  g_byte_array_append (zip, (const guint8 *) "PK\5\6\0\0\0\0\1\0\1\0", 12);
  append_number (zip, 4, zip->len - 12 - directory);
  append_number (zip, 4, directory);
  append_number (zip, 2, 0);
  g_byte_array_unref (packed);
  return zip;
}

static void
make_examples (void)
{
  static const gchar *const shapes[] = { "(2, 1, 3, 3)", "(2, 3, 3)", "(3, 3, 2)", "(1, 2, 3, 3)" };
  static const gfloat values[18] = { 1, 2, 0.5f, 3, 4, 1, 5, 6, 1, 7, 8, 1, 9, 10, 1, 11, 12, 1 };

  examples = g_ptr_array_new ();
  for (guint i = 0; i < G_N_ELEMENTS (shapes); i++) {
    GByteArray *npy =
        npy_bytes (1 + i % 3, "'<f4'", i % 2 ? "True" : "False", shapes[i], values, sizeof values);

    g_ptr_array_add (examples, npy);
    g_ptr_array_add (examples, archive_of (npy, i % 2));
  }
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    GByteArray *text = g_byte_array_new ();

    g_byte_array_append (text, (const guint8 *) texts[i], strlen (texts[i]));
    g_ptr_array_add (examples, text);
  }
}

static void
mutate (GByteArray *bytes)
{
  const guint at = draw (bytes->len + 1);
  const gchar *piece = pieces[draw (G_N_ELEMENTS (pieces))];
  GByteArray *copy;

  switch (draw (6)) {
    case 0:
      if (at < bytes->len)
        bytes->data[at] = draw (256);
      break;
    case 1:
      if (at < bytes->len)
        bytes->data[at] ^= 1 << draw (8);
      break;
    case 2:
      g_byte_array_set_size (bytes, at);
      break;
    case 3:
      if (at < bytes->len)
        g_byte_array_remove_range (bytes, at, 1 + draw (MIN (bytes->len - at, 16)));
      break;
    case 4:
      if (at + strlen (piece) <= bytes->len) {
        memcpy (bytes->data + at, piece, strlen (piece));
        break;
      }
      /* fall through */
    default:
      copy = g_byte_array_new ();
      g_byte_array_append (copy, bytes->data, at);
      g_byte_array_append (copy, (const guint8 *) piece, strlen (piece));
      g_byte_array_append (copy, bytes->data + at, bytes->len - at);
      g_byte_array_set_size (bytes, 0);
      g_byte_array_append (bytes, copy->data, copy->len);
      g_byte_array_unref (copy);
      break;
  }
}

/* What was read is whole, and a pose of it is within the picture. */
static void
use (const Cnn3dKeypoints *keypoints)
{
  Cnn3dPoseParams params = { .persons = 1 + draw (3),
    .width = 64,
    .height = 48,
    .frames = draw (2) ? keypoints->frames : 0,
    .last = draw (8),
    .end = draw (2) ? INFINITY : 1,
    .compact = draw (2) };
  GError *error = NULL;
  Cnn3dPose *pose;
  gsize n;
  gfloat *values;

  if (!keypoints->points || !keypoints->frames || keypoints->starts[0] != 0
      || !keypoints->numbers == !keypoints->times)
    fail ("not whole", "frames or points are missing");
  n = 3 * (gsize) keypoints->points * keypoints->starts[keypoints->frames];
  for (gsize i = 0; i < n; i++)
    if (!isfinite (keypoints->values[i]) || (i % 3 == 2 && !(keypoints->values[i] >= 0))
        || (i % 3 == 2 && keypoints->values[i] > 1))
      fail ("not clean", "a value is not finite, or a score out of range");
  for (guint t = 1; t < keypoints->frames; t++)
    if (keypoints->starts[t] < keypoints->starts[t - 1]
        || (keypoints->numbers && keypoints->numbers[t] <= keypoints->numbers[t - 1])
        || (keypoints->times && !(keypoints->times[t] > keypoints->times[t - 1])))
      fail ("not sorted", "frames do not ascend");
  pose = cnn3d_pose_new (keypoints, &params, &error);
  if (!pose != (error != NULL))
    fail ("pose", "neither a pose nor an error");
  if (pose) {
    n = 3 * (gsize) keypoints->points * params.persons;
    values = g_new (gfloat, n);
    for (guint t = 0; t < 9; t++) {
      cnn3d_pose_frame (pose, t, t * 0.1, values);
      for (gsize i = 0; i < n; i++)
        if (!(values[i] >= 0 && values[i] <= 1))
          fail ("pose", "a value out of range");
    }
    g_free (values);
    cnn3d_pose_free (pose);
  }
  g_clear_error (&error);
}

static guint read_well;

static void
run_case (const gchar *path, gint file)
{
  const GByteArray *example;
  GByteArray *bytes = g_byte_array_new ();
  Cnn3dKeypoints *keypoints;
  GError *error = NULL;

  fuzz_case (MAX_SECONDS);
  example = g_ptr_array_index (examples, draw (examples->len));
  g_byte_array_append (bytes, example->data, example->len);
  for (guint64 i = draw (5); i > 0; i--)
    mutate (bytes);
  if (ftruncate (file, 0) != 0 || pwrite (file, bytes->data, bytes->len, 0) != (gssize) bytes->len)
    fail ("cannot write", path);
  keypoints = cnn3d_keypoints_read (path, NULL, &error);
  if (!keypoints != (error != NULL))
    fail ("read", "neither points nor an error");
  if (error && !g_utf8_validate (error->message, -1, NULL))
    fail ("read", "an error that is not UTF-8");
  if (keypoints)
    use (keypoints);
  read_well += keypoints != NULL;
  cnn3d_keypoints_free (keypoints);
  g_clear_error (&error);
  g_byte_array_unref (bytes);
}

int
main (int argc, char **argv)
{
  const gdouble seconds = fuzz_begin ("fuzz-keypoints", argc, argv, 10);
  const gint64 end = g_get_monotonic_time () + seconds * G_USEC_PER_SEC;
  const guint64 first = number;
  g_autofree gchar *path = NULL;
  gint file;

  /* in memory: a disk would have to write each */
  file = memfd_create ("points", 0);
  path = g_strdup_printf ("/proc/self/fd/%d", file);
  make_examples ();
  do {
    run_case (path, file);
    number++;
  } while (argc <= 3
      && (g_get_monotonic_time () < end || (seconds > 0 && number - first < LEAST_CASES)));
  alarm (0);
  if (argc <= 3 && !read_well)
    fail ("of all files", "none could be read");
  close (file);
  printf ("ok 1 - %" G_GUINT64_FORMAT " files of key points, of which %u are read\n",
      number - first, read_well);
  return 0;
}
