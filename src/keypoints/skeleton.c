/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/keypoints/keypoints.h"

#include <string.h>

/* Names separated by blanks; those of a left and a right one differ in that word only. Bones as
 * pairs are written. */
typedef struct {
  const gchar *name;
  guint points;
  const gchar *names;
  const gchar *bones;
} Known;

#define HAND(side)                                                                      \
  side "_thumb4 " side "_thumb3 " side "_thumb2 " side "_thumb_third_joint " side       \
       "_forefinger4 " side "_forefinger3 " side "_forefinger2 " side                   \
       "_forefinger_third_joint " side "_middle_finger4 " side "_middle_finger3 " side  \
       "_middle_finger2 " side "_middle_finger_third_joint " side "_ring_finger4 " side \
       "_ring_finger3 " side "_ring_finger2 " side "_ring_finger_third_joint " side     \
       "_pinky_finger4 " side "_pinky_finger3 " side "_pinky_finger2 " side             \
       "_pinky_finger_third_joint " side "_wrist "

static const Known known[] = {
  { "coco17", 17,
      "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow "
      "right_elbow left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle "
      "right_ankle",
      "0-1,0-2,1-3,2-4,3-5,4-6,5-6,5-7,7-9,6-8,8-10,5-11,6-12,11-12,11-13,13-15,12-14,14-16" },
  { "body25", 25,
      "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist "
      "mid_hip right_hip right_knee right_ankle left_hip left_knee left_ankle right_eye left_eye "
      "right_ear left_ear left_big_toe left_small_toe left_heel right_big_toe right_small_toe "
      "right_heel",
      "0-1,1-2,2-3,3-4,1-5,5-6,6-7,1-8,8-9,9-10,10-11,8-12,12-13,13-14,0-15,0-16,15-17,16-18,"
      "14-19,19-20,14-21,11-22,22-23,11-24" },
  { "mediapipe33", 33,
      "nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer "
      "left_ear right_ear mouth_left mouth_right left_shoulder right_shoulder left_elbow "
      "right_elbow left_wrist right_wrist left_pinky right_pinky left_index right_index left_thumb "
      "right_thumb left_hip right_hip left_knee right_knee left_ankle right_ankle left_heel "
      "right_heel left_foot_index right_foot_index",
      "0-1,1-2,2-3,3-7,0-4,4-5,5-6,6-8,9-10,11-12,11-13,13-15,15-17,17-19,15-19,15-21,12-14,14-16,"
      "16-18,18-20,16-20,16-22,11-23,12-24,23-24,23-25,25-27,27-29,29-31,27-31,24-26,26-28,28-30,"
      "30-32,28-32" },
  { "mhr70", 70,
      "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow "
      "right_elbow left_hip right_hip left_knee right_knee left_ankle right_ankle left_big_toe "
      "left_small_toe left_heel right_big_toe right_small_toe right_heel " HAND ("right")
          HAND ("left") "left_olecranon right_olecranon left_cubital_fossa right_cubital_fossa "
                        "left_acromion right_acromion neck",
      "0-1,0-2,1-3,2-4,0-69,69-5,69-6,5-6,5-7,7-62,6-8,8-41,5-9,6-10,9-10,9-11,11-13,10-12,12-14,"
      "13-15,13-16,13-17,14-18,14-19,14-20,41-24,24-23,23-22,22-21,41-28,28-27,27-26,26-25,41-32,"
      "32-31,31-30,30-29,41-36,36-35,35-34,34-33,41-40,40-39,39-38,38-37,62-45,45-44,44-43,43-42,"
      "62-49,49-48,48-47,47-46,62-53,53-52,52-51,51-50,62-57,57-56,56-55,55-54,62-61,61-60,60-59,"
      "59-58" },
};

/* Pairs such as "1-2,3-4" as numbers, (n) of them in all; NULL: it is no such list. */
static guint *
parse_pairs (const gchar *text, guint points, guint *n)
{
  /* its data are never NULL */
  GArray *numbers = g_array_sized_new (FALSE, FALSE, sizeof (guint), 2);
  const gchar *p = text;

  while (*p) {
    guint64 number;
    gchar *end;
    guint value;

    while (*p == ' ')
      p++;
    if (!g_ascii_isdigit (*p))
      goto bad;
    number = g_ascii_strtoull (p, &end, 10);
    if (number >= points)
      goto bad;
    value = number;
    g_array_append_val (numbers, value);
    for (p = end; *p == ' '; p++)
      ;
    if (numbers->len % 2 ? *p != '-' : *p && *p != ',')
      goto bad;
    /* nothing may be missing behind it */
    if (*p && !*++p)
      goto bad;
  }
  if (numbers->len % 2)
    goto bad;
  *n = numbers->len;
  return (guint *) g_array_free (numbers, FALSE);

bad:
  g_array_free (numbers, TRUE);
  return NULL;
}

/* The name with its side changed: g_free(); NULL: it has none. */
static gchar *
other_side (const gchar *name)
{
  static const gchar *const sides[] = { "left", "right" };

  for (guint i = 0; i < 2; i++) {
    const gchar *at = strstr (name, sides[i]);

    if (at)
      return g_strdup_printf (
          "%.*s%s%s", (gint) (at - name), name, sides[1 - i], at + strlen (sides[i]));
  }
  return NULL;
}

static void
set_mirror (Cnn3dSkeleton *skeleton)
{
  skeleton->mirror = g_new (guint, skeleton->points);
  for (guint i = 0; i < skeleton->points; i++)
    skeleton->mirror[i] = i;
}

static void
pair_names (Cnn3dSkeleton *skeleton)
{
  GString *pairs = g_string_new (NULL);

  for (guint i = 0; i < skeleton->points; i++) {
    g_autofree gchar *other = other_side (skeleton->names[i]);
    const gint k = other ? cnn3d_skeleton_find (skeleton, other, strlen (other)) : -1;

    if (k < 0)
      continue;
    skeleton->mirror[i] = k;
    if ((guint) k > i)
      g_string_append_printf (pairs, "%s%u-%d", pairs->len ? "," : "", i, k);
  }
  skeleton->pairs = g_string_free (pairs, FALSE);
}

static Cnn3dSkeleton *
new_known (const Known *of)
{
  Cnn3dSkeleton *skeleton = g_new0 (Cnn3dSkeleton, 1);

  skeleton->name = g_strdup (of->name);
  skeleton->points = of->points;
  skeleton->names = g_strsplit (of->names, " ", -1);
  set_mirror (skeleton);
  pair_names (skeleton);
  skeleton->bones = parse_pairs (of->bones, of->points, &skeleton->n_bones);
  skeleton->n_bones /= 2;
  return skeleton;
}

static void
set_unknown (GError **error, const gchar *name)
{
  g_set_error (error, CNN3D_KEYPOINTS_ERROR, CNN3D_KEYPOINTS_ERROR_PARAMS,
      "skeleton \"%s\" is unknown; use coco17, body25, mediapipe33, mhr70 or custom:K, of 1 to "
      "1024 "
      "points",
      name);
}

static Cnn3dSkeleton *
new_custom (const gchar *name, const gchar *pairs, GError **error)
{
  const gchar *digits = name + strlen ("custom:");
  Cnn3dSkeleton *skeleton = NULL;
  guint64 points = 0;
  guint *numbers, n;
  gchar *end = NULL;

  if (g_ascii_isdigit (*digits))
    points = g_ascii_strtoull (digits, &end, 10);
  if (points == 0 || points > CNN3D_SKELETON_MOST || *end)
    goto unknown;
  skeleton = g_new0 (Cnn3dSkeleton, 1);
  skeleton->name = g_strdup (name);
  skeleton->points = points;
  skeleton->pairs = g_strdup (pairs ? pairs : "");
  set_mirror (skeleton);
  numbers = parse_pairs (skeleton->pairs, skeleton->points, &n);
  if (!numbers)
    goto bad_pairs;
  for (guint i = 0; i < n; i += 2) {
    const guint a = numbers[i], b = numbers[i + 1];

    if (a == b || skeleton->mirror[a] != a || skeleton->mirror[b] != b) {
      g_free (numbers);
      goto bad_pairs;
    }
    skeleton->mirror[a] = b;
    skeleton->mirror[b] = a;
  }
  g_free (numbers);
  return skeleton;

  /* ERRORS */
unknown:
  set_unknown (error, name);
  return NULL;
bad_pairs:
  g_set_error (error, CNN3D_KEYPOINTS_ERROR, CNN3D_KEYPOINTS_ERROR_PARAMS,
      "pairs \"%s\" is not a list of pairs of points; write it like 1-2,3-4, with the points' "
      "numbers from 0 to %u, each once at most",
      pairs, skeleton->points - 1);
  cnn3d_skeleton_free (skeleton);
  return NULL;
}

Cnn3dSkeleton *
cnn3d_skeleton_new (const gchar *name, const gchar *pairs, guint points, GError **error)
{
  const gboolean automatic = !name || !*name || strcmp (name, "auto") == 0;
  Cnn3dSkeleton *skeleton = NULL;

  if (!automatic && g_str_has_prefix (name, "custom:")) {
    skeleton = new_custom (name, pairs, error);
    if (!skeleton)
      return NULL;
  } else if (pairs && *pairs) {
    goto no_pairs;
  }
  for (guint i = 0; i < G_N_ELEMENTS (known) && !skeleton; i++)
    if (automatic ? known[i].points == points : strcmp (known[i].name, name) == 0)
      skeleton = new_known (&known[i]);
  if (!skeleton)
    goto unknown;
  if (points > 0 && skeleton->points != points)
    goto other_points;
  return skeleton;

  /* ERRORS */
no_pairs:
  g_set_error (error, CNN3D_KEYPOINTS_ERROR, CNN3D_KEYPOINTS_ERROR_PARAMS,
      "pairs are given, but skeleton is %s, which has its own; leave them out, or set "
      "skeleton=custom:K",
      automatic ? "auto" : name);
  return NULL;
unknown:
  if (automatic)
    g_set_error (error, CNN3D_KEYPOINTS_ERROR, CNN3D_KEYPOINTS_ERROR_PARAMS,
        "no known skeleton has %u points; set skeleton=custom:%u, and pairs to the points "
        "that change places in a mirror, such as 1-2,3-4",
        points, points);
  else
    set_unknown (error, name);
  return NULL;
other_points:
  g_set_error (error, CNN3D_KEYPOINTS_ERROR, CNN3D_KEYPOINTS_ERROR_FORMAT,
      "it has %u points a person, but skeleton %s has %u", points, skeleton->name,
      skeleton->points);
  cnn3d_skeleton_free (skeleton);
  return NULL;
}

void
cnn3d_skeleton_free (Cnn3dSkeleton *skeleton)
{
  if (!skeleton)
    return;
  g_free (skeleton->name);
  g_strfreev (skeleton->names);
  g_free (skeleton->pairs);
  g_free (skeleton->mirror);
  g_free (skeleton->bones);
  g_free (skeleton);
}

/* Whether a text is the name, with anything but letters and digits where the name has a _. */
static gboolean
is_named (const gchar *name, const gchar *text, gsize size)
{
  gsize i = 0;

  for (; *name; name++) {
    if (*name == '_') {
      while (i < size && !g_ascii_isalnum (text[i]))
        i++;
    } else if (i == size || g_ascii_tolower (text[i++]) != *name) {
      return FALSE;
    }
  }
  return i == size;
}

gint
cnn3d_skeleton_find (const Cnn3dSkeleton *skeleton, const gchar *name, gsize size)
{
  for (guint i = 0; skeleton->names && i < skeleton->points; i++)
    if (is_named (skeleton->names[i], name, size))
      return i;
  return -1;
}
