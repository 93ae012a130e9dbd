/* keypoints-formats.c: valid and invalid archives, JSON files, folders and tables of key points.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/keypoints/pose.h"
#include "src/keypoints/reader.h"

#include <gio/gio.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <glib/gstdio.h>

#include "npyfile.h"

static gchar *dir, *path;

static Cnn3dKeypoints *
read_with (const Cnn3dSkeleton *skeleton)
{
  GError *error = NULL;
  Cnn3dKeypoints *keypoints = cnn3d_keypoints_read (path, skeleton, &error);

  g_assert_no_error (error);
  g_assert_nonnull (keypoints);
  return keypoints;
}

static Cnn3dKeypoints *
read_text (const gchar *text)
{
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  return read_with (NULL);
}

static void
assert_refused (const gchar *reason)
{
  GError *error = NULL;
  Cnn3dKeypoints *keypoints = cnn3d_keypoints_read (path, NULL, &error);

  g_assert_null (keypoints);
  g_assert_nonnull (error);
  g_assert_true (error->domain == CNN3D_KEYPOINTS_ERROR);
  if (!strstr (error->message, reason))
    g_error ("\"%s\" instead of \"%s\"", error->message, reason);
  g_error_free (error);
}

static void
assert_text_refused (const gchar *text, const gchar *reason)
{
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  assert_refused (reason);
}

static void
assert_point (
    const Cnn3dKeypoints *keypoints, guint person, guint point, gdouble x, gdouble y, gdouble score)
{
  const gfloat *value = keypoints->values + 3 * (person * keypoints->points + point);

  g_assert_cmpfloat (value[0], ==, (gfloat) x);
  g_assert_cmpfloat (value[1], ==, (gfloat) y);
  g_assert_cmpfloat (value[2], ==, (gfloat) score);
}

/* The builder */

static void
test_builder (void)
{
  Cnn3dKeypointsBuilder builder;
  GError *error = NULL;

  cnn3d_keypoints_builder_init (&builder);
  g_assert_null (cnn3d_keypoints_builder_finish (&builder, &error));
  g_assert_cmpstr (error->message, ==, "it contains no persons with key points");
  g_clear_error (&error);
  g_assert_null (cnn3d_keypoints_builder_add (&builder, 0, 0, 0, &error));
  g_assert_cmpstr (error->message, ==, "a person has 0 points; 1 to 1024 are possible");
  g_clear_error (&error);
  g_assert_nonnull (cnn3d_keypoints_builder_add (&builder, 0, 0, 1024, &error));
  g_assert_null (cnn3d_keypoints_builder_add (&builder, 0, 0, 6, &error));
  g_assert_cmpstr (error->message, ==, "a person has 6 points, and one before 1024");
  g_clear_error (&error);
  /* pretends to hold that many, without their memory */
  builder.values->len = 3 * (CNN3D_KEYPOINTS_MOST - 1023);
  g_assert_null (cnn3d_keypoints_builder_add (&builder, 0, 0, 1024, &error));
  g_assert_true (g_str_has_prefix (error->message, "it has more than 33554432 points in all;"));
  g_clear_error (&error);
  cnn3d_keypoints_builder_clear (&builder);
}

/* Archives */

static void
append_16 (GByteArray *to, guint value)
{
  const guint8 bytes[] = { value, value >> 8 };

  g_byte_array_append (to, bytes, 2);
}

static void
append_32 (GByteArray *to, guint32 value)
{
  append_16 (to, value);
  append_16 (to, value >> 16);
}

static guint32
checksum (const guint8 *data, gsize size)
{
  guint32 crc = G_MAXUINT32;

  for (gsize i = 0; i < size; i++) {
    crc ^= data[i];
    for (guint bit = 0; bit < 8; bit++)
      crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
  }
  return ~crc;
}

static GByteArray *
deflated (const GByteArray *from)
{
  GConverter *converter = G_CONVERTER (g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_RAW, 9));
  GByteArray *to = g_byte_array_sized_new (2 * from->len + 100);
  gsize took, gave;

  g_byte_array_set_size (to, 2 * from->len + 100);
  g_assert_cmpint (g_converter_convert (converter, from->data, from->len, to->data, to->len,
                       G_CONVERTER_INPUT_AT_END, &took, &gave, NULL),
      ==, G_CONVERTER_FINISHED);
  g_byte_array_set_size (to, gave);
  g_object_unref (converter);
  return to;
}

/* An archive under construction: members and their directory. */
typedef struct {
  GByteArray *data, *directory;
  guint n;
} Zip;

static Zip
zip_new (void)
{
  return (Zip) { g_byte_array_new (), g_byte_array_new (), 0 };
}

/* Takes the member. */
static void
zip_add (Zip *zip, const gchar *name, GByteArray *member, gboolean deflate, guint flags)
{
  const guint32 at = zip->data->len, crc = checksum (member->data, member->len);
  GByteArray *packed = deflate ? deflated (member) : g_byte_array_ref (member);

  for (guint entry = 0; entry < 2; entry++) {
    GByteArray *to = entry ? zip->directory : zip->data;

    g_byte_array_append (to, (const guint8 *) (entry ? "PK\1\2" : "PK\3\4"), 4);
    if (entry)
      append_16 (to, 20);
    append_16 (to, 20);
    append_16 (to, flags);
    append_16 (to, deflate ? 8 : 0);
    append_32 (to, 0);
    append_32 (to, crc);
    append_32 (to, packed->len);
    append_32 (to, member->len);
    append_16 (to, strlen (name));
    /* Python writes an extra field only in front of the data */
    append_16 (to, entry ? 0 : 20);
    if (entry) {
      append_16 (to, 0);
      append_32 (to, 0);
      append_32 (to, 0);
      append_32 (to, at);
    }
    g_byte_array_append (to, (const guint8 *) name, strlen (name));
    for (guint i = 0; !entry && i < 20; i++)
      g_byte_array_append (to, (const guint8 *) "", 1);
  }
  g_byte_array_append (zip->data, packed->data, packed->len);
  g_byte_array_unref (packed);
  g_byte_array_unref (member);
  zip->n++;
}

static void
zip_finish (Zip *zip)
{
  const guint32 at = zip->data->len;

  g_byte_array_append (zip->data, zip->directory->data, zip->directory->len);
  g_byte_array_append (zip->data, (const guint8 *) "PK\5\6\0\0\0\0", 8);
  append_16 (zip->data, zip->n);
  append_16 (zip->data, zip->n);
  append_32 (zip->data, zip->directory->len);
  append_32 (zip->data, at);
  append_16 (zip->data, 0);
  g_byte_array_unref (zip->directory);
}

static void
zip_write (Zip *zip)
{
  zip_finish (zip);
  g_assert_true (g_file_set_contents (path, (const gchar *) zip->data->data, zip->data->len, NULL));
  g_byte_array_unref (zip->data);
}

static const gfloat two_frames[2][1][2][3] = { { { { 1, 2, 0.5f }, { 3, 4, 0.25f } } },
  { { { 5, 6, 1 }, { 7, 8, 0.125f } } } };

static GByteArray *
frames_npy (void)
{
  return npy_bytes (1, "'<f4'", "False", "(2, 1, 2, 3)", two_frames, sizeof two_frames);
}

static void
test_npz (void)
{
  static const gfloat scores[] = { 0.5f, 0.25f, 1, 0.125f };
  static const gdouble times[] = { 0.25, 0.75 };
  static const gint64 shape[] = { 480, 640 };
  Cnn3dKeypoints *keypoints;
  gfloat flat[2][2][2];

  for (guint deflate = 0; deflate < 2; deflate++) {
    Zip zip = zip_new ();

    zip_add (&zip, "arr_0.npy", frames_npy (), deflate, 0);
    zip_write (&zip);
    keypoints = read_with (NULL);
    g_assert_cmpstr (keypoints->format, ==, "NumPy archive (.npz)");
    g_assert_true (keypoints->complete && keypoints->tracked);
    for (guint t = 0; t < 2; t++)
      for (guint k = 0; k < 2; k++)
        assert_point (keypoints, t, k, two_frames[t][0][k][0], two_frames[t][0][k][1],
            two_frames[t][0][k][2]);
    cnn3d_keypoints_free (keypoints);
    /* with scores, times and size, and an unrelated member */
    for (guint i = 0; i < 8; i++)
      flat[i / 4][i / 2 % 2][i % 2] = two_frames[i / 4][0][i / 2 % 2][i % 2];
    zip = zip_new ();
    zip_add (&zip, "boxes.npy", npy_bytes (1, "'|O'", "False", "(2,)", scores, 16), deflate, 0);
    zip_add (&zip, "Kpts.npy", npy_bytes (1, "'<f4'", "False", "(2, 2, 2)", flat, sizeof flat),
        deflate, 0);
    zip_add (&zip, "scores.npy",
        npy_bytes (1, "'<f4'", "False", "(2, 2, 1)", scores, sizeof scores), deflate, 0);
    zip_add (&zip, "timestamps.npy", npy_bytes (1, "'<f8'", "False", "(2,)", times, sizeof times),
        deflate, 0);
    zip_add (&zip, "img_shape.npy", npy_bytes (1, "'<i8'", "False", "(2,)", shape, sizeof shape),
        deflate, 0);
    zip_write (&zip);
    keypoints = read_with (NULL);
    g_assert_cmpfloat (keypoints->width, ==, 640);
    g_assert_cmpfloat (keypoints->height, ==, 480);
    g_assert_true (keypoints->times && !keypoints->numbers && !keypoints->complete);
    g_assert_cmpfloat (keypoints->times[1], ==, 0.75);
    for (guint k = 0; k < 4; k++)
      assert_point (keypoints, k / 2, k % 2, two_frames[k / 2][0][k % 2][0],
          two_frames[k / 2][0][k % 2][1], scores[k]);
    cnn3d_keypoints_free (keypoints);
  }
}

static void
test_bad_npz (void)
{
  static const gdouble times[] = { 1, 1, 2 };
  static const gfloat scores[8] = { 0 };
  static const struct {
    const gchar *name, *type, *shape;
    gconstpointer data;
    gsize size;
    guint flags;
    const gchar *reason;
  } cases[] = {
    { "times.npy", "'<f8'", "(2,)", times, 16, 0, "its times do not ascend at frame 1" },
    { "times.npy", "'<f8'", "(3,)", times, 24, 0, "it has 3 times for 2 frames" },
    { "scores.npy", "'<f4'", "(2, 1, 3)", scores, 24, 0,
        "its scores have the shape (2, 1, 3), its points (2, 1, 2, 3)" },
    { "scores.npy", "'|O'", "(2, 1, 2)", scores, 32, 0,
        "member scores.npy: it is a NumPy array of Python objects" },
    { "scores.npy", "'<f4'", "(2, 1, 2)", scores, 16, 1, "its member scores.npy is encrypted" },
    { "kpt.npy", "'<f4'", "(536870912, 2, 3)", scores, 32, 0,
        "member kpt.npy: its header declares" },
  };
  Zip zip;

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    zip = zip_new ();
    zip_add (&zip, "points.npy", frames_npy (), FALSE, 0);
    zip_add (&zip, cases[i].name,
        npy_bytes (1, cases[i].type, "False", cases[i].shape, cases[i].data, cases[i].size), TRUE,
        cases[i].flags);
    zip_write (&zip);
    assert_refused (cases[i].reason);
  }
  zip = zip_new ();
  zip_add (&zip, "a.npy", frames_npy (), FALSE, 0);
  zip_add (&zip, "b.npy", frames_npy (), FALSE, 0);
  zip_write (&zip);
  assert_refused ("it has no member keypoints (or keypoint, kpts");
  zip = zip_new ();
  for (guint i = 0; i < 257; i++)
    zip_add (&zip, "a.npy", frames_npy (), FALSE, 0);
  zip_write (&zip);
  assert_refused ("it is an archive of 257 files; at most 256 are possible");
}

/* Each byte of an archive changed, and the archive truncated at each byte: correct points, or an
 * error. */
static void
test_damaged_npz (void)
{
  /* in memory: on a disk each change would be written */
  const gint file = memfd_create ("points", 0);
  gchar *shown = g_strdup_printf ("/proc/self/fd/%d", file);
  guint refused = 0;

  for (guint deflate = 0; deflate < 2; deflate++) {
    Zip zip = zip_new ();
    gchar *copy;

    zip_add (&zip, "keypoints.npy", frames_npy (), deflate, 0);
    zip_finish (&zip);
    copy = g_memdup2 (zip.data->data, zip.data->len);
    for (guint i = 0; i < zip.data->len; i++) {
      Cnn3dKeypoints *keypoints;
      GError *error = NULL;

      copy[i] ^= 0x41;
      g_assert_cmpint (pwrite (file, copy, zip.data->len, 0), ==, zip.data->len);
      copy[i] ^= 0x41;
      keypoints = cnn3d_keypoints_read (shown, NULL, &error);
      g_assert_true (!keypoints == (error != NULL));
      refused += !keypoints;
      if (keypoints)
        assert_point (keypoints, 1, 1, 7, 8, 0.125);
      cnn3d_keypoints_free (keypoints);
      g_clear_error (&error);
      if (i == 0)
        continue;
      g_assert_cmpint (pwrite (file, copy, zip.data->len, 0), ==, zip.data->len);
      g_assert_cmpint (ftruncate (file, i), ==, 0);
      g_assert_null (cnn3d_keypoints_read (shown, NULL, &error));
      g_clear_error (&error);
    }
    /* whichever part of it is inspected */
    g_assert_true (g_file_set_contents (path, copy, zip.data->len - 25, NULL));
    assert_refused ("whose directory is damaged or missing");
    copy[30 + 13 + 20 + 8] ^= 1;
    g_assert_true (g_file_set_contents (path, copy, zip.data->len, NULL));
    assert_refused ("its member keypoints.npy is damaged");
    copy[30 + 13 + 20 + 8] ^= 1;
    copy[zip.data->len - 22 - 46 - 13 + 10] = 14;
    g_assert_true (g_file_set_contents (path, copy, zip.data->len, NULL));
    assert_refused ("its member keypoints.npy is compressed by a method (14)");
    g_free (copy);
    g_byte_array_unref (zip.data);
  }
  g_assert_cmpuint (refused, >, 200);
  close (file);
  g_free (shown);
}

/* COCO results and similar formats */

static void
test_coco (void)
{
  Cnn3dKeypoints *k = read_text (
      " [{\"image_id\": 7, \"category_id\": 1, \"keypoints\": [1,2,0.5, 3,4,2], \"score\": 0.9},\n"
      "{\"keypoints\": [5,6,1, 7,8,0], \"image_id\": 3, \"box\": [1,2,3,4]},"
      "{\"image_id\": 7, \"keypoints\": [9,10,0.25, 11,12,null]}]");

  g_assert_cmpstr (k->format, ==, "COCO results");
  g_assert_cmpuint (k->frames, ==, 2);
  g_assert_cmpuint (k->points, ==, 2);
  g_assert_cmpuint (k->numbers[0], ==, 3);
  g_assert_cmpuint (k->numbers[1], ==, 7);
  g_assert_false (k->complete || k->tracked || k->times);
  assert_point (k, 0, 0, 5, 6, 1);
  assert_point (k, 0, 1, 0, 0, 0);
  assert_point (k, 1, 0, 1, 2, 0.5);
  assert_point (k, 1, 1, 3, 4, 1);
  assert_point (k, 2, 0, 9, 10, 0.25);
  assert_point (k, 2, 1, 0, 0, 0);
  cnn3d_keypoints_free (k);
  /* AlphaPose: names of pictures, and tracks */
  k = read_text ("[{\"image_id\":\"12.jpg\",\"keypoints\":[1,2,1],\"idx\":2},"
                 "{\"image_id\":\"a/b_012.jpg\",\"keypoints\":[3,4,1],\"idx\":[[1.0]]}]");
  g_assert_cmpuint (k->frames, ==, 1);
  g_assert_cmpuint (k->numbers[0], ==, 12);
  g_assert_true (k->tracked);
  g_assert_cmpint (k->persons[0], ==, 1);
  assert_point (k, 0, 0, 3, 4, 1);
  cnn3d_keypoints_free (k);
  /* a whole data set */
  k = read_text (
      "\xef\xbb\xbf{\"info\":{},\"annotations\":[{\"image_id\":901,\"keypoints\":[1,2,2]}],"
      "\"images\":[{\"id\":901,\"file_name\":\"v/0005.png\",\"width\":640,\"height\":360}]}");
  g_assert_cmpuint (k->numbers[0], ==, 5);
  g_assert_cmpfloat (k->width, ==, 640);
  g_assert_cmpfloat (k->height, ==, 360);
  cnn3d_keypoints_free (k);
  /* MMPose: frames with instances, counted from 1 in its demos */
  k = read_text (
      "{\"meta_info\":{},\"instance_info\":[{\"frame_id\":1,\"instances\":[{\"keypoints\":"
      "[[1,2],[3,4]],\"keypoint_scores\":[0.5,0.75],\"bbox\":[[1,2,3,4]],\"track_id\":4}]},"
      "{\"frame_id\":2,\"instances\":[]}]}");
  g_assert_cmpuint (k->numbers[0], ==, 0);
  g_assert_cmpuint (k->frames, ==, 1);
  assert_point (k, 0, 1, 3, 4, 0.75);
  cnn3d_keypoints_free (k);
  k = read_text ("[{\"frame_id\":4,\"instances\":[{\"keypoints\":[[1,2,0.5]]}]}]");
  g_assert_cmpuint (k->numbers[0], ==, 4);
  assert_point (k, 0, 0, 1, 2, 0.5);
  cnn3d_keypoints_free (k);
}

static void
test_bad_coco (void)
{
  static const gchar *const cases[][2] = {
    { "[]", "it contains no persons" },
    { "{}", "it is JSON, but has no list of annotations, predictions or instance_info" },
    { "[1]", "it is JSON, but not a list of objects with key points" },
    { "[{\"image_id\":1}]", "it contains no persons" },
    { "[{\"keypoints\":[1,2,3]}]", "its person 0 has no image_id, which identifies the frame" },
    { "[{\"image_id\":\"cat.jpg\",\"keypoints\":[1,2,3]}]",
        "the image_id of its person 0 is neither a frame's number nor a picture's name" },
    { "[{\"image_id\":-1,\"keypoints\":[1,2,3]}]", "is neither a frame's number" },
    { "[{\"image_id\":99999999999,\"keypoints\":[1,2,3]}]", "is neither a frame's number" },
    { "[{\"image_id\":1,\"keypoints\":[1,2]}]",
        "its person 0 has 2 numbers of key points and 0 scores; a point has x, y and a score" },
    { "[{\"image_id\":1,\"keypoints\":[[1,2],[3,4,5]]}]",
        "the keypoints of its person 0 are not a list of numbers, or more than 4096" },
    { "[{\"image_id\":1,\"keypoints\":[\"a\"]}]", "are not a list of numbers" },
    { "[{\"image_id\":1,\"keypoints\":[1,2,3]},{\"image_id\":1,\"keypoints\":[1,2,3,4,5,6]}]",
        "a person has 2 points, and one before 1" },
    { "[{\"image_id\":1,\"keypoints\":[[1,2]],\"keypoint_scores\":[1,2]}]",
        "2 numbers of key points and 2 scores" },
    { "[{\"instances\":[]}]", "its instances have no frame_id, or one before the first: nan" },
    { "{\"instance_info\":[{\"frame_id\":0,\"instances\":[]}]}", "its instances have no frame_id" },
    { "[{\"image_id\":1,\n\"keypoints\":[1,2,}]", "line 2, column 18: " },
    { "[\xff]", "line 1, column 2: the text is not UTF-8" },
    { "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]", "line 1, column 33" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    assert_text_refused (cases[i][0], cases[i][1]);
}

/* OpenPose */

static void
write_frame (const gchar *name, const gchar *text)
{
  gchar *file = g_build_filename (path, name, NULL);

  g_assert_true (g_file_set_contents (file, text, -1, NULL));
  g_free (file);
}

static void
remove_folder (void)
{
  GDir *folder = g_dir_open (path, 0, NULL);
  const gchar *name;

  while ((name = g_dir_read_name (folder))) {
    gchar *file = g_build_filename (path, name, NULL);

    g_remove (file);
    g_free (file);
  }
  g_dir_close (folder);
  g_rmdir (path);
}

static void
test_openpose (void)
{
  static const gchar *const bad[][2] = {
    { "{\"people\":[{\"pose_keypoints_2d\":[1,2]}]}",
        "v_000000000003_keypoints.json: pose_keypoints_2d has 2 numbers; a point has x, y and a" },
    { "{}", "v_000000000003_keypoints.json: it has no list of people" },
    { "[", "v_000000000003_keypoints.json: " },
    { "{\"people\":[{\"pose_keypoints_2d\":[1,2,3,4,5,6]}]}", "has 2 points, and one before 1" },
    { "\xff", "v_000000000003_keypoints.json: it is not UTF-8" },
  };
  Cnn3dKeypoints *k;
  gchar *frame;

  g_unlink (path);
  g_assert_cmpint (g_mkdir (path, 0755), ==, 0);
  write_frame ("v_000000000012_keypoints.json",
      "{\"version\":1.3,\"people\":[{\"person_id\":[-1],\"pose_keypoints_2d\":[1,2,0.5],"
      "\"hand_left_keypoints_2d\":[]},{\"pose_keypoints_2d\":[3,4,1]},{\"pose_keypoints_2d\":[]}]"
      "}");
  write_frame ("v_000000000002_keypoints.json", "{\"people\":[{\"pose_keypoints_2d\":[5,6,1]}]}");
  write_frame ("v_000000000000_keypoints.json", "{\"people\":[]}");
  write_frame ("readme.txt", "no frame");
  write_frame ("keypoints.json", "nor this");
  k = read_with (NULL);
  g_assert_cmpstr (k->format, ==, "OpenPose's folder");
  g_assert_cmpuint (k->frames, ==, 2);
  g_assert_cmpuint (k->numbers[0], ==, 2);
  g_assert_cmpuint (k->numbers[1], ==, 12);
  g_assert_false (k->complete || k->tracked);
  assert_point (k, 0, 0, 5, 6, 1);
  assert_point (k, 1, 0, 1, 2, 0.5);
  assert_point (k, 2, 0, 3, 4, 1);
  cnn3d_keypoints_free (k);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    write_frame ("v_000000000003_keypoints.json", bad[i][0]);
    assert_refused (bad[i][1]);
  }
  frame = g_build_filename (path, "v_000000000003_keypoints.json", NULL);
  g_unlink (frame);
  g_assert_cmpint (g_mkdir (frame, 0755), ==, 0);
  assert_refused ("it is not a readable file of at most 16 MiB");
  g_rmdir (frame);
  g_free (frame);
  remove_folder ();
}

/* Tables */

static void
test_table (void)
{
  Cnn3dSkeleton *skeleton = cnn3d_skeleton_new ("mediapipe33", NULL, 0, NULL);
  Cnn3dKeypoints *k = read_text ("frame,person,point,x,y,z,score\n"
                                 "4,1,1,3,4,0,0.5\n4,1,0,1,2,0,1\n2,0,1,5,6,0,\n4,0,1,7,8,0,nan\n");

  g_assert_cmpstr (k->format, ==, "table of points");
  g_assert_cmpuint (k->frames, ==, 2);
  g_assert_cmpuint (k->points, ==, 2);
  g_assert_cmpuint (k->numbers[1], ==, 4);
  g_assert_true (k->tracked && !k->times && !k->complete);
  /* person 0 has a point without a score in each frame: it is missing */
  for (guint i = 0; i < 4; i++)
    assert_point (k, i / 2, i % 2, 0, 0, 0);
  assert_point (k, 2, 0, 1, 2, 1);
  assert_point (k, 2, 1, 3, 4, 0.5);
  cnn3d_keypoints_free (k);
  /* other column names, times, and a decimal comma */
  k = read_text ("Timestamp (ms);Landmark;X [px];Y [px]\r\n"
                 "40;NOSE;0,5;1\r\n80;Left Wrist;0;0\r\n80;nose;2;3\r\n");
  g_assert_cmpuint (k->points, ==, 17);
  g_assert_true (k->times && !k->numbers && !k->tracked);
  g_assert_cmpfloat (k->times[1], ==, 0.08);
  assert_point (k, 0, 0, 0.5, 1, 1);
  assert_point (k, 1, 0, 2, 3, 1);
  assert_point (k, 1, 9, 0, 0, 0);
  cnn3d_keypoints_free (k);
  /* the first skeleton that has all names */
  k = read_text (
      "frame\tlandmark\tx\ty\tvisibility\n0\tnose\t1\t2\t1\n0\tleft_foot_index\t3\t4\t1\n");
  g_assert_cmpuint (k->points, ==, 33);
  assert_point (k, 0, 31, 3, 4, 1);
  cnn3d_keypoints_free (k);
  /* or the one that is set, of which some points may be absent */
  g_assert_true (g_file_set_contents (path, "frame,point,x,y\n0,left_elbow,1,2\n", -1, NULL));
  k = read_with (skeleton);
  g_assert_cmpuint (k->points, ==, 33);
  assert_point (k, 0, 13, 1, 2, 1);
  cnn3d_keypoints_free (k);
  g_assert_true (g_file_set_contents (path, "frame,point,x,y\n0,3,1,2\n", -1, NULL));
  k = read_with (skeleton);
  g_assert_cmpuint (k->points, ==, 33);
  cnn3d_keypoints_free (k);
  cnn3d_skeleton_free (skeleton);
}

static void
test_bad_table (void)
{
  static const gchar *const cases[][2] = {
    { "frame,point,x\n0,0,1\n", "format is not recognised" },
    { "frame,point,x,y\n", "it contains no persons" },
    { "frame,point,x,y\n0,0,1\n", "line:2:1: 3 columns, but the header has 4" },
    { "frame,point,x,y\n0.5,0,1,2\n", "line:2:1: the frame \"0.5\" is not a number, 0 or more" },
    { "frame,point,x,y\n-1,0,1,2\n", "the frame \"-1\" is not a number" },
    { "time,point,x,y\nsoon,0,1,2\n", "the time \"soon\" is not a number" },
    { "frame,point,x,y\n0,0,1,two\n", "line:2:7: \"two\" is not a number" },
    { "frame,point,x,y\n0,0,1,2\n0,nose,1,2\n",
        "line:3:3: the point \"nose\" is not a number from 0" },
    { "frame,point,x,y\n0,1024,1,2\n", "the point \"1024\" is not a number from 0 to 1023" },
    { "frame,point,x,y\n0,nose,1,2\n0,tail,1,2\n",
        "no known skeleton has all of its points, such as \"tail\"; number them" },
    { "frame,point,x,y\n0,\"0,1,2\n", "line:2:3: this quote is never closed" },
  };
  Cnn3dSkeleton *skeleton = cnn3d_skeleton_new ("coco17", NULL, 0, NULL);
  GError *error = NULL;
  GString *many = g_string_new ("frame,point,x,y\n");

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    assert_text_refused (cases[i][0], cases[i][1]);
  g_assert_true (g_file_set_contents (path, "frame,point,x,y\n0,tail,1,2\n", -1, NULL));
  g_assert_null (cnn3d_keypoints_read (path, skeleton, &error));
  g_assert_cmpstr (error->message, ==, "skeleton coco17 has no point \"tail\"");
  g_clear_error (&error);
  g_assert_true (g_file_set_contents (path, "frame,point,x,y\n0,17,1,2\n", -1, NULL));
  g_assert_null (cnn3d_keypoints_read (path, skeleton, &error));
  g_assert_cmpstr (error->message, ==, "it has 18 points a person, but skeleton coco17 has 17");
  g_clear_error (&error);
  cnn3d_skeleton_free (skeleton);
  for (guint i = 0; i <= CNN3D_SKELETON_MOST; i++)
    g_string_append_printf (many, "0,p%u,1,2\n", i);
  assert_text_refused (many->str, "more than 1024 different points");
  g_string_free (many, TRUE);
}

/* Frames missing from a file, frame numbers from 1, and times. */
static void
test_alignment (void)
{
  Cnn3dPoseParams params = {
    .persons = 1, .width = 100, .height = 100, .frames = 4, .last = 3, .end = INFINITY
  };
  Cnn3dKeypoints *k = read_text ("[{\"image_id\":1,\"keypoints\":[10,0,1]},"
                                 "{\"image_id\":4,\"keypoints\":[40,0,1]}]");
  GError *error = NULL;
  Cnn3dPose *pose = cnn3d_pose_new (k, &params, &error);
  gfloat out[3];

  g_assert_null (pose);
  g_assert_cmpstr (error->message, ==,
      "it has frame 4, but the video's frames are 0 to 3; first-frame is the number that the first "
      "one has in it");
  g_clear_error (&error);
  params.offset = 1;
  pose = cnn3d_pose_new (k, &params, &error);
  g_assert_no_error (error);
  for (guint t = 0; t < 4; t++) {
    cnn3d_pose_frame (pose, t, 0, out);
    g_assert_cmpfloat (out[0], ==, t == 0 ? 0.1f : t == 3 ? 0.4f : 0);
    g_assert_cmpfloat (out[2], ==, t % 3 == 0);
  }
  cnn3d_pose_free (pose);
  params.offset = 2;
  g_assert_null (cnn3d_pose_new (k, &params, &error));
  g_assert_true (g_str_has_prefix (error->message, "it has frame 1, but the video's"));
  g_clear_error (&error);
  cnn3d_keypoints_free (k);
  /* by time: the nearest, at most half of the usual interval away */
  k = read_text ("time,point,x,y\n0,0,10,0\n0.1,0,20,0\n0.2,0,30,0\n0.5,0,40,0\n");
  params = (Cnn3dPoseParams) { .persons = 1, .width = 100, .height = 100, .end = INFINITY };
  pose = cnn3d_pose_new (k, &params, &error);
  g_assert_no_error (error);
  for (guint i = 0; i <= 12; i++) {
    static const gint found[] = { 10, 10, 20, 20, 30, 30, 0, 0, 0, 0, 40, 40, 0 };

    cnn3d_pose_frame (pose, 77, 0.05 * i - 0.005, out);
    g_assert_cmpint (lrint (100 * out[0]), ==, found[i]);
  }
  cnn3d_pose_free (pose);
  cnn3d_keypoints_free (k);
}

int
main (int argc, char **argv)
{
  int result;

  g_test_init (&argc, &argv, NULL);
  dir = g_dir_make_tmp ("cnn3d-keypoints-XXXXXX", NULL);
  path = g_build_filename (dir, "points", NULL);
  g_test_add_func ("/keypoints/builder", test_builder);
  g_test_add_func ("/keypoints/npz", test_npz);
  g_test_add_func ("/keypoints/bad-npz", test_bad_npz);
  g_test_add_func ("/keypoints/damaged-npz", test_damaged_npz);
  g_test_add_func ("/keypoints/coco", test_coco);
  g_test_add_func ("/keypoints/bad-coco", test_bad_coco);
  g_test_add_func ("/keypoints/openpose", test_openpose);
  g_test_add_func ("/keypoints/table", test_table);
  g_test_add_func ("/keypoints/bad-table", test_bad_table);
  g_test_add_func ("/keypoints/alignment", test_alignment);
  result = g_test_run ();
  g_unlink (path);
  g_rmdir (dir);
  g_free (path);
  g_free (dir);
  return result;
}
