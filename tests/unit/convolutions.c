/* Convolutions that oneDNN computes wrongly are detected, replaced and remembered.
 *
 * This program's dnnl_primitive_execute() replaces the library's. It calls the real one, then
 * corrupts the output of chosen convolutions in ways in which oneDNN has been wrong.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RTLD_NEXT */
#endif
#include <dlfcn.h>
#include <oneapi/dnnl/dnnl.h>
#include <unistd.h>

#include "tests/unit/smallrun.h"

#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t Desc;
#else
typedef const dnnl_memory_desc_t *Desc;
#endif

typedef enum {
  OFF_BY_ONE, /* a value in the middle */
  LAST_IS_NAN,
  UNWRITTEN,    /* the last values keep their old contents */
  READS_BEHIND, /* the result depends on memory past the input */
  WRITES_BEHIND,
  N_FAULTS
} Fault;

static const gchar *const fault_names[] = { "off-by-one", "nan", "unwritten", "reads-behind",
  "writes-behind" };

/* Which convolutions are corrupted. */
static struct {
  gboolean on;
  Fault fault;
  dnnl_prop_kind_t pass;
  gboolean blocked_only; /* not those on channels-last copies */
  gboolean native_only;  /* not those on f32 copies of bf16 */
  gboolean bf16;
  guint corrupted, runs; /* so far: corrupted ones; all convolutions */
} faulty;

static const gchar *
query_text (const_dnnl_primitive_desc_t pd)
{
  const gchar *name = "";

  dnnl_primitive_desc_query (pd, dnnl_query_impl_info_str, 0, (void *) &name);
  return name;
}

static dnnl_prop_kind_t
query_pass (const_dnnl_primitive_desc_t pd)
{
#if DNNL_VERSION_MAJOR >= 3
  dnnl_prop_kind_t pass = dnnl_prop_kind_undef;

  dnnl_primitive_desc_query (pd, dnnl_query_prop_kind, 0, &pass);
  return pass;
#else
  const dnnl_convolution_desc_t *desc = NULL;

  dnnl_primitive_desc_query (pd, dnnl_query_convolution_d, 0, (void *) &desc);
  return desc->prop_kind;
#endif
}

static Desc
query_desc (const_dnnl_primitive_desc_t pd, dnnl_query_t source, dnnl_query_t gradient)
{
  Desc desc = dnnl_primitive_desc_query_md (pd, source, 0);

  return desc && dnnl_memory_desc_get_size (desc) ? desc
                                                  : dnnl_primitive_desc_query_md (pd, gradient, 0);
}

static dnnl_data_type_t
query_type (const_dnnl_primitive_desc_t pd)
{
#if DNNL_VERSION_MAJOR >= 3
  dnnl_data_type_t type = dnnl_data_type_undef;

  dnnl_memory_desc_query (
      query_desc (pd, dnnl_query_src_md, dnnl_query_diff_src_md), dnnl_query_data_type, &type);
  return type;
#else
  return query_desc (pd, dnnl_query_src_md, dnnl_query_diff_src_md)->data_type;
#endif
}

/* (N, C, D, H, W) in blocks of channels */
static gboolean
is_blocked (const_dnnl_primitive_desc_t pd)
{
#if DNNL_VERSION_MAJOR >= 3
  gint blocks = 0;

  dnnl_memory_desc_query (query_desc (pd, dnnl_query_dst_md, dnnl_query_diff_dst_md),
      dnnl_query_inner_nblks_s32, &blocks);
  return blocks > 0;
#else
  return query_desc (pd, dnnl_query_dst_md, dnnl_query_diff_dst_md)
             ->format_desc.blocking.inner_nblks
      > 0;
#endif
}

static gboolean
is_faulty (const_dnnl_primitive_desc_t pd)
{
  return faulty.on && !g_str_has_prefix (query_text (pd), "ref") && query_pass (pd) == faulty.pass
      && !(faulty.blocked_only && !is_blocked (pd))
      && !(faulty.native_only && faulty.bf16 && query_type (pd) == dnnl_f32);
}

static guint8 *
argument (gint n, const dnnl_exec_arg_t *args, gint wanted, gsize *bytes)
{
  void *data = NULL;

  for (gint i = 0; i < n; i++)
    if (args[i].arg == wanted) {
      Desc desc;

      dnnl_memory_get_data_handle (args[i].memory, &data);
      dnnl_memory_get_memory_desc (args[i].memory, &desc);
      *bytes = dnnl_memory_desc_get_size (desc);
    }
  return data;
}

/* Adds 1 to an element of `element` bytes; for bf16, to the upper half of a float. */
static void
add_one (guint8 *at, gsize element)
{
  guint32 bits = 0;
  gfloat value;

  memcpy ((guint8 *) &bits + 4 - element, at, element);
  memcpy (&value, &bits, sizeof value);
  value += 1;
  memcpy (&bits, &value, sizeof bits);
  memcpy (at, (guint8 *) &bits + 4 - element, element);
}

static void
corrupt (const_dnnl_primitive_desc_t pd, gint n, const dnnl_exec_arg_t *args, const guint8 *before)
{
  const dnnl_prop_kind_t pass = query_pass (pd);
  const gint out = pass == dnnl_backward_data ? DNNL_ARG_DIFF_SRC
      : pass == dnnl_backward_weights         ? DNNL_ARG_DIFF_WEIGHTS
                                              : DNNL_ARG_DST;
  const gint in = pass == dnnl_backward_data ? DNNL_ARG_DIFF_DST : DNNL_ARG_SRC;
  const gsize element = pass == dnnl_backward_weights || query_type (pd) == dnnl_f32 ? 4 : 2;
  gsize bytes = 0, in_bytes = 0;
  guint8 *data = argument (n, args, out, &bytes), *input = argument (n, args, in, &in_bytes);

  faulty.corrupted++;
  switch (faulty.fault) {
    case OFF_BY_ONE:
      add_one (data + bytes / 2 / element * element, element);
      break;
    case LAST_IS_NAN:
      memset (data + bytes - element, 0xff, element);
      break;
    case UNWRITTEN:
      memcpy (data + bytes - 64, before + bytes - 64, 64);
      break;
    case READS_BEHIND:
      memcpy (data, input + in_bytes, element);
      break;
    default:
      memset (data + bytes, 0, element);
  }
}

/* What the next call of each returns. */
static dnnl_status_t next_execute = dnnl_success, next_wait = dnnl_success;

static dnnl_status_t
answer (dnnl_status_t *next)
{
  const dnnl_status_t status = *next;

  *next = dnnl_success;
  return status;
}

dnnl_status_t dnnl_stream_wait (dnnl_stream_t stream);

__attribute__ ((visibility ("default"))) dnnl_status_t
dnnl_stream_wait (dnnl_stream_t stream)
{
  static dnnl_status_t (*real) (dnnl_stream_t);

  if (!real)
    real = dlsym (RTLD_NEXT, "dnnl_stream_wait");
  return next_wait == dnnl_success ? real (stream) : answer (&next_wait);
}

dnnl_status_t dnnl_primitive_execute (
    const_dnnl_primitive_t primitive, dnnl_stream_t stream, int n, const dnnl_exec_arg_t *args);

__attribute__ ((visibility ("default"))) dnnl_status_t
dnnl_primitive_execute (
    const_dnnl_primitive_t primitive, dnnl_stream_t stream, int n, const dnnl_exec_arg_t *args)
{
  static dnnl_status_t (*real) (
      const_dnnl_primitive_t, dnnl_stream_t, int, const dnnl_exec_arg_t *);
  const_dnnl_primitive_desc_t pd = NULL;
  dnnl_primitive_kind_t kind = dnnl_undefined_primitive;
  g_autofree guint8 *before = NULL;
  dnnl_status_t status;

  if (!real)
    real = dlsym (RTLD_NEXT, "dnnl_primitive_execute");
  if (next_execute != dnnl_success)
    return answer (&next_execute);
  dnnl_primitive_get_primitive_desc (primitive, &pd);
  dnnl_primitive_desc_query (pd, dnnl_query_primitive_kind, 0, &kind);
  if (kind == dnnl_convolution)
    faulty.runs++;
  if (kind == dnnl_convolution && is_faulty (pd)) {
    gsize bytes = 0;
    const dnnl_prop_kind_t pass = query_pass (pd);
    guint8 *data = argument (n, args,
        pass == dnnl_backward_data          ? DNNL_ARG_DIFF_SRC
            : pass == dnnl_backward_weights ? DNNL_ARG_DIFF_WEIGHTS
                                            : DNNL_ARG_DST,
        &bytes);

    before = g_memdup2 (data, bytes);
  }
  status = real (primitive, stream, n, args);
  if (before && status == dnnl_success)
    corrupt (pd, n, args, before);
  return status;
}

/* --- */

static gchar *cache; /* the folder of the findings */

/* The findings file, or NULL; all of its entries are of this machine. */
static gchar *
findings_file (void)
{
  GDir *dir = g_dir_open (cache, 0, NULL);
  gchar *path = NULL;

  if (!dir)
    return NULL;
  for (const gchar *name; (name = g_dir_read_name (dir));) {
    g_assert_true (g_str_has_prefix (name, "convolutions-cpu-") && g_str_has_suffix (name, ".tsv"));
    g_assert_null (path);
    path = g_build_filename (cache, name, NULL);
  }
  g_dir_close (dir);
  return path;
}

static void
forget (void)
{
  g_autofree gchar *file = findings_file ();

  if (file)
    g_unlink (file);
}

/* Losses of a short run. */
static void
train (Cnn3dPrecision precision, gdouble *losses, guint n)
{
  Cnn3dTrainerParams p;
  Cnn3dTrainer *t;
  guint64 position = 0;

  params_init (&p, NULL);
  p.precision = precision;
  p.convolution = CNN3D_CONVOLUTION_DIRECT; /* oneDNN's */
  t = start (&p);
  begin (t, 0);
  for (guint i = 0; i < n; i++) {
    Cnn3dProgress progress;

    position = feed (t, position, &progress);
    losses[i] = progress.loss;
  }
  cnn3d_trainer_free (&t);
}

#define STEPS 3

static guint
count_lines (const gchar *word)
{
  g_autofree gchar *file = findings_file (), *text = NULL;
  g_auto (GStrv) lines = NULL;
  guint n = 0;

  if (!file || !g_file_get_contents (file, &text, NULL, NULL))
    return 0;
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i]; i++)
    n += g_str_has_prefix (lines[i], word);
  return n;
}

/* The replacement sums in another order, which batch norm over three values amplifies. In bf16 it
 * also rounds differently: the losses are within 2 % of f32's, as with a correct library. */
static void
assert_close (const gdouble *got, const gdouble *right, const gdouble *f32, guint n)
{
  for (guint i = 0; i < n; i++)
    if (f32)
      g_assert_cmpfloat_with_epsilon (got[i], f32[i], ABS (right[i] - f32[i]) + 2e-2 * f32[i]);
    else
      g_assert_cmpfloat_with_epsilon (got[i], right[i], (i ? 1e-3 : 1e-5) * right[i]);
}

/* Whatever is wrong, the run gives the results of a correct library: each fault in each pass, and
 * one of them wherever oneDNN may be wrong. */
static void
test_faults (gconstpointer data)
{
  static const dnnl_prop_kind_t passes[] = { dnnl_forward_training, dnnl_backward_data,
    dnnl_backward_weights };
  const gboolean bf16 = GPOINTER_TO_INT (data);
  const Cnn3dPrecision precision = bf16 ? CNN3D_PRECISION_BF16_MIXED : CNN3D_PRECISION_32;
  gdouble right[STEPS], got[STEPS], f32[STEPS];

  memset (&faulty, 0, sizeof faulty);
  forget ();
  train (precision, right, STEPS);
  train (CNN3D_PRECISION_32, f32, STEPS);
  for (guint pass = 0; pass < G_N_ELEMENTS (passes); pass++)
    for (guint fault = 0; fault < N_FAULTS; fault++)
      for (guint scope = !bf16; scope < 3; scope++) {
        guint found;

        if (fault != OFF_BY_ONE && scope != 1 + (pass + fault) % 2)
          continue;
        faulty.on = TRUE;
        faulty.fault = fault;
        faulty.pass = passes[pass];
        faulty.native_only = scope == 0;
        faulty.blocked_only = scope <= 1;
        faulty.bf16 = bf16;
        faulty.corrupted = faulty.runs = 0;
        forget ();
        train (precision, got, STEPS);
        found = count_lines ("wrong");
        g_test_message ("%s %s, scope %u: %u corrupted, %u found",
            pass ? pass == 1 ? "backward-data" : "backward-weights" : "forward", fault_names[fault],
            scope, faulty.corrupted, found);
        if (faulty.native_only && bf16 && !faulty.corrupted)
          continue; /* this CPU has no bf16 convolution */
        g_assert_cmpuint (found, >, 0);
        assert_close (got, right, bf16 ? f32 : NULL, STEPS);

        /* the second start uses the stored finding */
        train (precision, got, 1);
        g_assert_cmpuint (count_lines ("wrong"), ==, found);
        assert_close (got, right, bf16 ? f32 : NULL, 1);
      }
  memset (&faulty, 0, sizeof faulty);
}

/* A step in which oneDNN fails reports how; the next step may succeed. */
static void
test_failures (void)
{
  static const struct {
    dnnl_status_t execute, wait;
    gint code;
    const gchar *says;
  } table[] = {
    { dnnl_out_of_memory, dnnl_success, CNN3D_BACKEND_ERROR_MEMORY,
        "oneDNN execution: out of memory" },
    { dnnl_unimplemented, dnnl_success, CNN3D_BACKEND_ERROR_FAILED,
        "oneDNN execution: not implemented on this CPU" },
    { dnnl_runtime_error, dnnl_success, CNN3D_BACKEND_ERROR_FAILED,
        "oneDNN execution: invalid arguments or a failure inside it" },
    { dnnl_success, dnnl_runtime_error, CNN3D_BACKEND_ERROR_FAILED,
        "oneDNN failed to finish a step" },
  };

  memset (&faulty, 0, sizeof faulty);
  for (guint i = 0; i < G_N_ELEMENTS (table); i++) {
    guint8 frames[BATCH * CLIP_BYTES] = { 0 };
    const gint32 labels[BATCH] = { 0 };
    const Cnn3dBatch batch = { frames, CNN3D_TYPE_UINT8, labels, BATCH, BATCH };
    g_autoptr (GError) error = NULL;
    Cnn3dTrainerParams p;
    Cnn3dProgress progress;
    Cnn3dTrainer *t;

    params_init (&p, NULL);
    p.convolution = CNN3D_CONVOLUTION_DIRECT;
    t = start (&p);
    begin (t, 0);
    next_execute = table[i].execute;
    next_wait = table[i].wait;
    g_assert_false (cnn3d_trainer_run (t, &batch, &progress, &error));
    g_assert_error (error, CNN3D_BACKEND_ERROR, table[i].code);
    g_assert_cmpstr (error->message, ==, table[i].says);
    g_clear_error (&error);
    g_assert_true (cnn3d_trainer_run (t, &batch, &progress, &error));
    cnn3d_trainer_free (&t);
  }
}

/* A run whose findings are all known executes only the convolutions it trains with. */
static void
test_once (void)
{
  gdouble loss;
  guint first, second, third;

  memset (&faulty, 0, sizeof faulty);
  forget ();
  train (CNN3D_PRECISION_32, &loss, 1);
  first = faulty.runs;
  faulty.runs = 0;
  train (CNN3D_PRECISION_32, &loss, 1);
  second = faulty.runs;
  g_assert_cmpuint (first, >, second);
  g_assert_cmpuint (first - second, ==, count_lines ("right"));
  /* truncated and malformed lines are ignored */
  {
    g_autofree gchar *file = findings_file (), *text = NULL;
    gsize length;

    g_assert_true (g_file_get_contents (file, &text, &length, NULL));
    for (gchar *dot = text; (dot = strstr (dot, "\t.")); dot++)
      dot[1] = ' ';
    g_assert_true (g_file_set_contents (file, text, length, NULL));
  }
  faulty.runs = 0;
  train (CNN3D_PRECISION_32, &loss, 1);
  third = faulty.runs;
  g_assert_cmpuint (third, ==, first);
}

/* Without a writable place for the file each start checks again, and trains. */
static void
test_unwritable (void)
{
  gdouble loss, again;
  guint first;

  memset (&faulty, 0, sizeof faulty);
  forget ();
  train (CNN3D_PRECISION_32, &loss, 1);
  first = faulty.runs;
  forget ();
  g_rmdir (cache);
  g_assert_true (g_file_set_contents (cache, "a file", -1, NULL));
  faulty.runs = 0;
  train (CNN3D_PRECISION_32, &again, 1);
  g_assert_cmpuint (faulty.runs, ==, first);
  g_assert_cmpfloat (again, ==, loss);
  g_unlink (cache);
}

int
main (int argc, char **argv)
{
  gint status;

  /* waiting threads do not spin: other tests need the cores */
  g_setenv ("OMP_WAIT_POLICY", "passive", FALSE);
  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("cnn3d-convolutions-XXXXXX", NULL);
  g_assert_nonnull (folder);
  g_setenv ("XDG_CACHE_HOME", folder, TRUE);
  cache = g_build_filename (folder, "cnn3d", NULL);
  g_test_add_data_func ("/convolutions/faults/f32", GINT_TO_POINTER (FALSE), test_faults);
  g_test_add_data_func ("/convolutions/faults/bf16", GINT_TO_POINTER (TRUE), test_faults);
  g_test_add_func ("/convolutions/failures", test_failures);
  g_test_add_func ("/convolutions/once", test_once);
  g_test_add_func ("/convolutions/unwritable", test_unwritable);
  status = g_test_run ();
  forget ();
  remove_dir (g_steal_pointer (&cache));
  remove_dir (g_steal_pointer (&folder));
  return status;
}
