/* GPU profiles: found by name, parsed strictly, and turned into sizes by the CUDA back end without
 * a GPU.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "src/backend/backend.h"
#include "src/backend/cuda/profile.h"
#include "src/backend/gpus.h"
#include "src/random.h"
#include "src/train/fit.h"

static gchar *folder; /* empty, for a test's files */

static gchar *
find (const gchar *name)
{
  g_autoptr (GError) error = NULL;
  gchar *path = cnn3d_gpus_find (name, &error);

  g_assert_no_error (error);
  return path;
}

static gchar *
good_text (void)
{
  g_autofree gchar *path = find ("rtx3070");
  gchar *text;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  return text;
}

/* Rejected; the message has the file's name and `what`. */
static void
assert_refused (const gchar *text, gssize size, const gchar *what)
{
  g_autoptr (GError) error = NULL;
  CudaProfile *profile =
      cuda_profile_parse ("made.json", text, size < 0 ? strlen (text) : (gsize) size, &error);

  if (profile || !strstr (error->message, "made.json: ") || !strstr (error->message, what))
    g_error ("%.2000s: expected an error with '%s', got '%s'", text, what,
        profile ? "none" : error->message);
  g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED);
}

/* --- shipped profiles --- */

/* Peaks follow from multiprocessors and clock, so that a typing error shows. */
static void
test_shipped (void)
{
  g_auto (GStrv) names = cnn3d_gpus_names ();

  g_assert_cmpuint (g_strv_length (names), >=, 15);
  for (guint i = 0; names[i]; i++) {
    g_autoptr (GError) error = NULL;
    g_autofree gchar *path = find (names[i]), *text = NULL;
    CudaProfile *p = cuda_profile_read (path, &error);
    const gchar *clock;
    gdouble cores, peak;

    g_assert_no_error (error);
    g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
    clock = strstr (text, "\"smClockRateKHz\":");
    cores = p->capability == 750 || p->capability == 800 ? 64 : 128;
    peak = 2 * cores * p->multiprocessors * 1000
        * g_ascii_strtod (clock + strlen ("\"smClockRateKHz\":"), NULL);
    g_assert_cmpfloat_with_epsilon (p->fp32 / peak, 1, 0.02);
    g_assert_cmpuint (p->fp16, >=, 1.9 * p->fp32);
    g_assert_true (
        p->capability < 800 ? p->tf32 == 0 : p->tf32 >= p->fp32 && p->fp16 >= 1.9 * p->tf32);
    g_assert_cmpuint (p->memory, >, 7u << 30);
    g_assert_cmpuint (p->context, <, p->memory / 8);
    cuda_profile_free (&p);
    g_assert_null (p);
  }
}

static void
test_lookup (void)
{
  static const gchar *const same[] = { "RTX3080Ti", "rtx-3080-ti", "RTX 3080 Ti", "rtx_3080ti" };
  static const gchar *const unknown[] = { "rtx9999", "", " ", ".", "rtx3080 super", "\033[2J" };
  g_autofree gchar *path = find ("rtx3080ti"), *by_path = find (path), *own = NULL, *gpus = NULL,
                   *found = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) names = NULL;

  g_assert_true (g_str_has_suffix (path, "/rtx3080ti.json"));
  g_assert_cmpstr (path, ==, by_path);
  for (guint i = 0; i < G_N_ELEMENTS (same); i++) {
    g_autofree gchar *other = find (same[i]);

    g_assert_cmpstr (other, ==, path);
  }
  for (guint i = 0; i < G_N_ELEMENTS (unknown); i++) {
    g_assert_null (cnn3d_gpus_find (unknown[i], &error));
    g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
    g_assert_nonnull (strstr (error->message, "a100, a100-80gb, "));
    g_assert_null (strchr (error->message, '\033'));
    g_clear_error (&error);
  }
  g_assert_null (cnn3d_gpus_find ("no/such.json", &error));
  g_assert_cmpstr (error ? error->message : NULL, ==, "there is no file no/such.json");
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
  g_clear_error (&error);
  /* the user's own folder takes precedence */
  gpus = g_build_filename (folder, "gpus", NULL);
  own = g_build_filename (gpus, "rtx3080ti.json", NULL);
  g_assert_cmpint (g_mkdir (gpus, 0700), ==, 0);
  g_assert_true (g_file_set_contents (own, "{}", -1, NULL));
  g_setenv ("CNN3D_CONFIG_PATH", folder, TRUE);
  found = find ("rtx3080ti");
  names = cnn3d_gpus_names ();
  g_unsetenv ("CNN3D_CONFIG_PATH");
  g_assert_cmpstr (found, ==, own);
  g_assert_true (g_strv_contains ((const gchar *const *) names, "t4"));
  for (guint i = 1; names[i]; i++)
    g_assert_cmpstr (names[i - 1], <, names[i]);
  g_assert_cmpint (g_unlink (own), ==, 0);
  g_assert_cmpint (g_rmdir (gpus), ==, 0);
}

/* --- untrusted files --- */

static void
test_not_profiles (void)
{
  static const struct {
    const gchar *text, *what;
  } bad[] = {
    { "", "" },
    { "{", "" },
    { "null", "a GPU's profile is a JSON object" },
    { "[]", "a GPU's profile is a JSON object" },
    { "12", "a GPU's profile is a JSON object" },
    { "{}", "cudaDeviceId is missing" },
    { "{\"cudaDeviceId\": 0, \"cudaDeviceId\": 0}", "cudaDeviceId appears twice" },
    { "\xff\xfe", "not UTF-8 text" },
    { "[[[[[]]]]]", "nested deeper than 4" },
    { "{'a': 1}", "1:2: the name of a member, in double quotes, is missing" },
  };
  g_autoptr (GError) error = NULL;
  g_autofree gchar *deep = g_strnfill (60000, '['), *large = g_strnfill (70000, ' '),
                   *good = good_text ();
  static const gchar *const own[] = { "", ", \"cnn3d\": 1" };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    assert_refused (bad[i].text, -1, bad[i].what);
  assert_refused (deep, -1, "nested deeper than 32 levels");
  assert_refused (large, -1, "larger than 64 KiB: not a GPU's profile");
  assert_refused ("{}\0{}", 5, "not UTF-8 text");
  for (guint i = 0; i < G_N_ELEMENTS (own); i++) {
    g_autoptr (GRegex) regex = g_regex_new (",\\s*\"cnn3d\": {[^}]*}", 0, 0, NULL);
    g_autofree gchar *text = g_regex_replace_literal (regex, good, -1, 0, own[i], 0, NULL);

    g_assert_cmpstr (text, !=, good);
    assert_refused (text, -1, "the section \"cnn3d\" is missing");
  }
  g_assert_null (cuda_profile_read ("/nowhere/gpu.json", &error));
  g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MISSING);
  g_assert_nonnull (strstr (error->message, "this GPU's profile cannot be read: "));
  g_clear_error (&error);
  g_assert_null (cuda_profile_read (folder, &error));
  g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MISSING);
}

/* The message for each invalid value. */
static void
test_values (void)
{
  static const struct {
    const gchar *key, *value, *says;
  } bad[] = {
    { "deviceName", "\"\"", "deviceName must be a text of 1 to " },
    { "deviceName", "\"\xc3\xa4\"", "deviceName may only have printable ASCII, without \" and \\" },
    { "warpSize", "1.5", "warpSize must be a whole number" },
    { "maxGridSize", "[1, 2]", "maxGridSize must be an array of 3 whole numbers" },
    { "maxGridSize", "[1, 2, 0.5]", "maxGridSize must be a whole number on each of three axes" },
  };
  g_autofree gchar *good = good_text ();

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autofree gchar *pattern = g_strdup_printf ("\"%s\": [^\n]*?(,?)\n", bad[i].key);
    g_autofree gchar *line = g_strdup_printf ("\"%s\": %s\\1\n", bad[i].key, bad[i].value);
    g_autoptr (GRegex) regex = g_regex_new (pattern, 0, 0, NULL);
    g_autofree gchar *text = g_regex_replace (regex, good, -1, 0, line, 0, NULL);

    g_assert_cmpstr (text, !=, good);
    assert_refused (text, -1, bad[i].says);
  }
}

/* The file has one key per line. Each in turn is missing, duplicated, unknown, or has another
 * value. */
static void
test_each_key (void)
{
  static const gchar *const values[] = { "null", "true", "1.5", "-1", "-9223372036854775808",
    "99999999999999999999999", "1e300", "\"\"", "{}", "[]", "[1, 2]", "[1, 2, 3, 4]",
    "[1, 2, \"3\"]", "[1, 2, -3]", "[[1], 2, 3]", "\"a\\u0001b\"", "\"a\\\"b\"", "\"\xc3\xa4\"" };
  g_autofree gchar *good = good_text ();
  g_auto (GStrv) lines = g_strsplit (good, "\n", -1);
  guint keys = 0;

  for (guint i = 0; lines[i]; i++) {
    const gchar *open = strchr (lines[i], '"'), *colon = strstr (lines[i], "\": ");
    const gchar *comma = g_str_has_suffix (lines[i], ",") ? "," : "";
    g_autofree gchar *key = NULL, *line = lines[i], *joined = NULL;

    if (!colon || g_str_has_suffix (lines[i], "{")) {
      line = NULL;
      continue;
    }
    keys++;
    key = g_strndup (open + 1, colon - open - 1);
    if (*comma) {
      g_autofree gchar *missing = g_strconcat (key, " is missing", NULL);
      g_autofree gchar *twice = g_strconcat (key, " appears twice", NULL);

      lines[i] = g_strdup ("");
      joined = g_strjoinv ("\n", lines);
      assert_refused (joined, -1, missing);
      g_free (joined);
      g_free (lines[i]);
      lines[i] = g_strconcat (line, line, NULL);
      joined = g_strjoinv ("\n", lines);
      assert_refused (joined, -1, twice);
      g_free (joined);
      g_free (lines[i]);
      lines[i] = g_strconcat (line, "\"a\\u0001new key\": 1,", NULL);
      joined = g_strjoinv ("\n", lines);
      assert_refused (joined, -1, "there is no key 'a\\x01new key'");
      g_free (joined);
      g_free (lines[i]);
    }
    for (guint v = 0; v < G_N_ELEMENTS (values); v++) {
      lines[i] = g_strdup_printf ("\"%s\": %s%s", key, values[v], comma);
      joined = g_strjoinv ("\n", lines);
      assert_refused (joined, -1, key);
      g_free (joined);
      g_free (lines[i]);
    }
    joined = NULL;
    lines[i] = g_steal_pointer (&line);
  }
  g_assert_cmpuint (keys, ==, 35);
}

/* Truncated and damaged files give an error or a profile, never a crash. */
static void
test_damage (void)
{
  const Cnn3dRandomKey key = { 5, 0, CNN3D_RANDOM_DEMO, 0 };
  g_autofree gchar *good = good_text ();
  const gsize size = strlen (good);
  guint64 drawn = 0;

  for (gsize n = 0; n + 2 < size; n++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (cuda_profile_parse ("made.json", good, n, &error));
    g_assert_nonnull (error);
  }
  for (guint round = 0; round < 20000; round++) {
    g_autofree gchar *bad = g_strdup (good);
    const guint hits = 1 + cnn3d_random_below (&key, drawn++, 4);
    g_autoptr (GError) error = NULL;
    CudaProfile *p;

    for (guint i = 0; i < hits; i++) {
      const gsize at = cnn3d_random_below (&key, drawn++, size);

      bad[at] = 1 + cnn3d_random_below (&key, drawn++, 255);
    }
    p = cuda_profile_parse ("made.json", bad, size, &error);
    g_assert_true ((p == NULL) == (error != NULL));
    cuda_profile_free (&p);
  }
}

/* --- the back end --- */

static const Cnn3dBackend *
load (void)
{
  g_autoptr (GError) error = NULL;
  const Cnn3dBackend *backend = cnn3d_backend_load ("cuda", &error);

  g_assert_no_error (error);
  return backend;
}

typedef struct {
  const Cnn3dBackend *backend;
  Cnn3dDevice *device;
  Cnn3dNetwork *net;
  Cnn3dModel *model;
  Cnn3dProgram *program;
  const Cnn3dSizes *sizes;
} Setup;

static void
set_up (Setup *s, const gchar *gpu, const gchar *model, guint frames, guint size,
    const Cnn3dModelParams *precision, const Cnn3dProgramParams *program)
{
  const Cnn3dNetworkParams params = { model, 10, 64, 3, frames, size, size, 0.5 };
  g_autofree gchar *path = find (gpu);
  const Cnn3dDeviceParams where = { .profile = path };
  g_autoptr (GError) error = NULL;

  s->backend = load ();
  s->device = s->backend->open (&where, &error);
  g_assert_no_error (error);
  s->net = cnn3d_network_new (&params, &error);
  g_assert_no_error (error);
  s->model = s->backend->model_new (s->device, s->net, precision, &error);
  g_assert_no_error (error);
  s->program = s->backend->program_new (s->model, program, &error);
  g_assert_no_error (error);
  s->sizes = s->backend->program_sizes (s->program);
}

static void
tear_down (Setup *s)
{
  s->backend->program_free (&s->program);
  s->backend->model_free (&s->model);
  cnn3d_network_free (&s->net);
  s->backend->close (&s->device);
  g_assert_null (s->device);
}

static gsize
scratch (const Setup *s, guint op, Cnn3dPhase phase)
{
  return s->sizes->scratch[op * CNN3D_N_PHASES + phase];
}

static void
test_device (void)
{
  const Cnn3dBackend *backend = load ();
  g_autofree gchar *turing = find ("t4"), *ada = find ("rtx4090");
  Cnn3dDeviceParams params = { 0 };
  Cnn3dPrecision precision = CNN3D_PRECISION_BF16_MIXED;
  g_autoptr (GError) error = NULL;
  Cnn3dDeviceMemory memory;
  Cnn3dDeviceSpeed slow, fast;
  Cnn3dDevice *device;

  g_assert_null (backend->open (&params, &error));
  g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MISSING);
  g_clear_error (&error);
  params.profile = "/nowhere/gpu.json";
  g_assert_null (backend->open (&params, &error));
  g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MISSING);
  g_clear_error (&error);

  params.profile = turing;
  device = backend->open (&params, &error);
  g_assert_no_error (error);
  g_assert_nonnull (
      strstr (backend->describe (device), "Tesla T4 (not installed), workspaces by "));
  g_assert_false (backend->resolve_precision (device, &precision, &error));
  g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED);
  g_clear_error (&error);
  precision = CNN3D_PRECISION_16_MIXED;
  g_assert_true (backend->resolve_precision (device, &precision, &error));
  g_assert_cmpint (precision, ==, CNN3D_PRECISION_16_MIXED);
  backend->memory (device, &memory);
  g_assert_cmpuint (memory.total, ==, G_GUINT64_CONSTANT (15843721216));
  g_assert_cmpuint (memory.available, ==, memory.total);
  g_assert_cmpuint (memory.context, >, 100 << 20);
  g_assert_nonnull (strstr (memory.context_source, "not measured"));
  backend->speed (device, CNN3D_PRECISION_32, &slow);
  backend->speed (device, CNN3D_PRECISION_16_MIXED, &fast);
  g_assert_cmpfloat (slow.macs_per_second, ==, 8.1e12 / 2);
  g_assert_cmpfloat (fast.macs_per_second, ==, 65e12 / 2);
  g_assert_cmpfloat (fast.bytes_per_second, ==, 320e9);
  g_assert_cmpfloat (fast.step_seconds, >, 1e-6);
  g_assert_cmpfloat (fast.step_seconds, <, 1e-4);
  g_assert_null (backend->alloc (device, 64, &error));
  g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED);
  g_assert_nonnull (
      strstr (error->message, " cannot run: it is a plan for a GPU that is not installed"));
  backend->close (&device);

  params.profile = ada;
  device = backend->open (&params, NULL);
  precision = CNN3D_PRECISION_BF16_MIXED;
  g_assert_true (backend->resolve_precision (device, &precision, NULL));
  backend->close (&device);
  backend->close (&device);
}

/* Tensors and saved arrays worked out by hand, for r3d_18's first operations. */
static void
test_sizes (void)
{
  const gsize clip = 16 * 56 * 56; /* points */
  Setup s;

  for (guint half = 0; half < 2; half++) {
    const Cnn3dModelParams precision = { half ? CNN3D_PRECISION_16_MIXED : CNN3D_PRECISION_32,
      TRUE };
    const Cnn3dProgramParams program = { 3, TRUE, FALSE, TRUE };
    const gsize e = half ? 2 : 4, weights = 64 * 3 * 7 * 7 * 8;
    const Cnn3dWeightLayout *layout;

    set_up (&s, "rtx3090", "r3d_18", 16, 112, &precision, &program);
    g_assert_cmpuint (s.sizes->batch, ==, 3);
    g_assert_cmpuint (s.sizes->activation[0], ==, 3 * 16 * 112 * 112 * 8 * e);
    g_assert_cmpuint (s.sizes->activation[1], ==, 3 * clip * 64 * e);
    g_assert_cmpuint (s.sizes->gradient[1], ==, s.sizes->activation[1]);
    g_assert_cmpuint (s.sizes->activation[s.net->logits], ==, 3 * 16 * 4);
    for (guint i = 0; i < s.net->n_ops; i++) {
      const Cnn3dOp *op = &s.net->ops[i];
      const Cnn3dTensor *t = op->in >= 0 ? &s.net->tensors[op->in] : NULL;
      const gboolean conv = op->kind == CNN3D_OP_CONV;

      g_assert_cmpuint (scratch (&s, i, CNN3D_PHASE_RECOMPUTE), ==,
          conv ? scratch (&s, i, CNN3D_PHASE_FORWARD) : 0);
      if (op->kind == CNN3D_OP_NORM)
        g_assert_cmpuint (s.sizes->saved[i], ==,
            2 * 4 * t->c
                + (op->residual >= 0 ? (3 * t->c * t->d * t->h * t->w / 8 + 63) / 64 * 64 : 0));
      else
        g_assert_cmpuint (s.sizes->saved[i], ==, 0);
      /* FP16: the gradient as cuDNN writes it */
      if (conv && half)
        g_assert_cmpuint (
            scratch (&s, i, CNN3D_PHASE_BACKWARD_WEIGHTS), >=, s.sizes->parameters[i] / 2);
    }
    layout = s.backend->model_layout (s.model);
    g_assert_cmpuint (layout->offset[0], ==, 0);
    g_assert_cmpuint (layout->length[0], ==, weights);
    g_assert_cmpuint (s.sizes->parameters[1], ==, weights * 4);
    g_assert_cmpuint (layout->trained, >=, s.net->trained_count);
    g_assert_cmpuint (layout->trained, <, s.net->trained_count * 1.01);
    if (half) {
      g_assert_cmpuint (layout->copy_bytes, >, 1.99 * s.net->trained_count);
      g_assert_cmpuint (layout->copy_bytes, <, 2.02 * s.net->trained_count);
    } else {
      g_assert_cmpuint (layout->copy_bytes, ==, 0);
    }
    for (guint i = 0; i < s.net->n_weights; i++) {
      g_assert_cmpuint (layout->offset[i] % 16, ==, 0);
      g_assert_cmpuint (layout->length[i], >=, s.net->weights[i].count);
      g_assert_cmpuint (layout->offset[i] + layout->length[i], <=,
          CNN3D_PARAM_TRAINED (s.net->weights[i].role) ? layout->trained : layout->total);
    }
    tear_down (&s);
  }
}

/* What each option adds: weights converted in each pass, accumulation, slices. */
static void
test_knobs (void)
{
  const Cnn3dModelParams kept = { CNN3D_PRECISION_16_MIXED, TRUE },
                         again = { CNN3D_PRECISION_16_MIXED, FALSE };
  const Cnn3dModelParams full = { CNN3D_PRECISION_32, FALSE };
  const Cnn3dProgramParams plain = { 2, TRUE, FALSE, TRUE }, accumulates = { 2, TRUE, TRUE, TRUE };
  const Cnn3dProgramParams large = { 16, TRUE, FALSE, TRUE }, forward = { 2, FALSE, FALSE, TRUE };
  const Cnn3dProgramParams runs = { 2, TRUE, FALSE, FALSE };
  g_autoptr (GError) error = NULL;
  Setup a, b;

  set_up (&a, "rtx3070", "slow_r50", 8, 112, &kept, &plain);
  set_up (&b, "rtx3070", "slow_r50", 8, 112, &again, &plain);
  g_assert_cmpuint (b.backend->model_layout (b.model)->copy_bytes, ==, 0);
  for (guint i = 0; i < a.net->n_ops; i++) {
    const gboolean conv = a.net->ops[i].kind == CNN3D_OP_CONV;
    const gsize copy = conv ? (a.sizes->parameters[i] / 2 + 63) / 64 * 64 : 0;

    g_assert_cmpuint (
        scratch (&b, i, CNN3D_PHASE_FORWARD), ==, scratch (&a, i, CNN3D_PHASE_FORWARD) + copy);
    g_assert_cmpuint (scratch (&b, i, CNN3D_PHASE_BACKWARD), ==,
        scratch (&a, i, CNN3D_PHASE_BACKWARD) + (i > 1 ? copy : 0));
  }
  tear_down (&b);
  tear_down (&a);

  set_up (&a, "rtx3070", "slow_r50", 8, 112, &full, &plain);
  set_up (&b, "rtx3070", "slow_r50", 8, 112, &full, &accumulates);
  for (guint i = 0; i < a.net->n_ops; i++)
    g_assert_cmpuint (scratch (&b, i, CNN3D_PHASE_BACKWARD_WEIGHTS), ==,
        scratch (&a, i, CNN3D_PHASE_BACKWARD_WEIGHTS)
            + (a.net->ops[i].kind == CNN3D_OP_CONV ? a.sizes->parameters[i] : 0));
  g_assert_null (a.backend->program_new (a.model, &runs, &error));
  g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED);
  tear_down (&b);
  tear_down (&a);

  set_up (&a, "rtx3070", "slow_r50", 16, 224, &kept, &large);
  for (guint i = 0; i < a.net->n_ops; i++) {
    const Cnn3dOp *op = &a.net->ops[i];
    const gsize most = op->kind != CNN3D_OP_CONV
        ? 0
        : MAX (a.sizes->activation[op->in], a.sizes->activation[op->out]);

    g_assert_cmpuint (16 % a.sizes->slice[i], ==, 0);
    g_assert_cmpuint (most / 16 * a.sizes->slice[i], <=, 256 << 20);
    if (most <= 256 << 20)
      g_assert_cmpuint (a.sizes->slice[i], ==, 16);
  }
  g_assert_cmpuint (a.sizes->slice[1], ==, 8); /* 24.5 MiB a clip */
  tear_down (&a);

  /* an evaluation saves nothing and runs only forward */
  set_up (&a, "rtx3070", "slow_r50", 8, 112, &kept, &forward);
  for (guint i = 0; i < a.net->n_ops; i++) {
    g_assert_cmpuint (a.sizes->saved[i], ==, 0);
    for (gint phase = CNN3D_PHASE_RECOMPUTE; phase < CNN3D_N_PHASES; phase++)
      g_assert_cmpuint (scratch (&a, i, phase), ==, 0);
  }
  tear_down (&a);
}

/* In a process without cuDNN: the description says so, and sizes are no smaller. */
static void
test_bound (void)
{
  const Cnn3dModelParams precision = { CNN3D_PRECISION_16_MIXED, TRUE };
  const Cnn3dProgramParams program = { 4, TRUE, TRUE, TRUE };
  g_autofree gchar *sum = NULL;
  gsize mine = 0;
  Setup s;

  set_up (&s, "rtx3080", "r2plus1d_18", 16, 112, &precision, &program);
  for (guint i = 0; i < s.net->n_ops * CNN3D_N_PHASES; i++)
    mine += s.sizes->scratch[i];
  if (g_test_subprocess ()) {
    g_print ("%s\nscratch %" G_GSIZE_FORMAT "\n", s.backend->describe (s.device), mine);
    g_assert_cmpuint (mine, >=, g_ascii_strtoull (g_getenv ("TEST_AT_LEAST"), NULL, 10));
    tear_down (&s);
    return;
  }
  tear_down (&s);
  sum = g_strdup_printf ("%" G_GSIZE_FORMAT, mine);
  g_setenv ("TEST_AT_LEAST", sum, TRUE);
  g_setenv ("CNN3D_CUDNN", "/nowhere/libcudnn.so.9", TRUE);
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_unsetenv ("CNN3D_CUDNN");
  g_test_trap_assert_passed ();
  g_test_trap_assert_stdout ("*RTX 3080 (not installed), workspaces by bound: *");
}

/* slow_r50 on 16x224x224 trains on an 8 GB card, four clips and more unsplit, with Adam and
 * accumulation. */
static void
test_fits (void)
{
  const Cnn3dModelParams precision = { CNN3D_PRECISION_16_MIXED, TRUE };
  const Cnn3dProgramParams program = { 8, TRUE, TRUE, TRUE };
  gsize before = G_MAXSIZE;

  for (Cnn3dRecompute recompute = CNN3D_RECOMPUTE_NONE; recompute < CNN3D_RECOMPUTE_AUTO;
      recompute++) {
    const Cnn3dPlanParams params = { TRUE, NULL, recompute, FALSE };
    const Cnn3dWeightLayout *layout;
    Cnn3dDeviceMemory memory;
    Cnn3dPlan *plan;
    Setup s;

    set_up (&s, "rtx3070", "slow_r50", 16, 224, &precision, &program);
    plan = cnn3d_plan_new (s.net, s.sizes, &params);
    layout = s.backend->model_layout (s.model);
    s.backend->memory (s.device, &memory);
    /* weights, gradients and two moments; frames of two batches */
    g_assert_cmpuint (plan->arena_bytes + 4 * layout->total * sizeof (gfloat) + layout->copy_bytes
            + 2 * 8 * 16 * 224 * 224 * 3 + memory.context,
        <, memory.total);
    g_assert_cmpuint (plan->arena_bytes, <, 1.06 * plan->live_bytes);
    g_assert_cmpuint (plan->arena_bytes, <, before);
    before = plan->arena_bytes;
    cnn3d_plan_free (&plan);
    tear_down (&s);
  }
}

/* An evaluation beside training runs 8 clips at once where that fits, and else a power of two that
 * does; the plan's bytes are those of the larger of the two. */
static void
test_evaluation (void)
{
  const Cnn3dBackend *backend = load ();
  g_autofree gchar *profile = find ("rtx3070");
  const Cnn3dDeviceParams device_params = { .profile = profile };
  Cnn3dDevice *device = backend->open (&device_params, NULL);
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;
  gsize arena = G_MAXSIZE;
  Cnn3dFit fit, whole;
  guint slice = 8;

  cnn3d_trainer_params_init (&p);
  p.network = (Cnn3dNetworkParams) { "r3d_18", 7, 64, 3, 8, 56, 56, 0 };
  p.precision = CNN3D_PRECISION_16_MIXED;
  p.recompute = CNN3D_RECOMPUTE_BLOCK;
  while (cnn3d_fit_choose (backend, device, &p, 1, &fit, &error)) {
    g_test_message (
        "%u clips: %" G_GSIZE_FORMAT " bytes of arena", fit.evaluation_batch, fit.memory.arena);
    g_assert_cmpuint (fit.micro_batch, ==, 1);
    g_assert_cmpuint (fit.evaluation_batch, ==, slice);
    g_assert_cmpuint (fit.memory.arena, <, arena);
    g_assert_true (!p.max_memory || cnn3d_memory_needs (&fit.memory) <= p.max_memory);
    arena = fit.memory.arena;
    p.max_memory = cnn3d_memory_needs (&fit.memory) - 1;
    slice /= 2;
  }
  /* until training needs more */
  g_assert_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_MEMORY);
  g_assert_cmpuint (slice, <, 4);
  /* a large batch has room for it */
  p.max_memory = 0;
  g_assert_true (cnn3d_fit_measure (backend, device, &p, 32, 32, p.recompute, &whole, NULL));
  g_assert_cmpuint (whole.evaluation_batch, ==, 8);
  backend->close (&device);

  backend = cnn3d_backend_load ("cpu", NULL);
  device = backend ? backend->open (&(Cnn3dDeviceParams) { 0 }, NULL) : NULL;
  if (!device)
    return;
  p.precision = CNN3D_PRECISION_32;
  g_assert_true (cnn3d_fit_measure (backend, device, &p, 3, 3, p.recompute, &fit, NULL));
  g_assert_cmpuint (fit.evaluation_batch, ==, 3);
  backend->close (&device);
}

int
main (int argc, char **argv)
{
  int result;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("gpu-profile-XXXXXX", NULL);
  /* without what this machine has measured */
  g_setenv ("XDG_CACHE_HOME", folder, TRUE);
  g_test_add_func ("/gpus/shipped", test_shipped);
  g_test_add_func ("/gpus/lookup", test_lookup);
  g_test_add_func ("/profile/not-profiles", test_not_profiles);
  g_test_add_func ("/profile/values", test_values);
  g_test_add_func ("/profile/each-key", test_each_key);
  g_test_add_func ("/profile/damage", test_damage);
  g_test_add_func ("/cuda/device", test_device);
  g_test_add_func ("/cuda/sizes", test_sizes);
  g_test_add_func ("/cuda/knobs", test_knobs);
  g_test_add_func ("/cuda/bound", test_bound);
  g_test_add_func ("/cuda/fits", test_fits);
  g_test_add_func ("/cuda/evaluation", test_evaluation);
  result = g_test_run ();

  g_rmdir (folder);
  g_free (folder);
  return result;
}
