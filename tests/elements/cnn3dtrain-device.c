/* cnn3dtrain-device.c: the device that cnn3dtrain computes on. Where CNN3D_CUDNN names a test
 * double, the CUDA back end runs on doubles, too.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gmodule.h>

#include "tests/cuda/backend/cuda-double.h"
#include "trainrig.h"

static gchar *
get_devices (GstElement *element)
{
  gchar *devices;

  g_object_get (element, "devices", &devices, NULL);
  g_assert_nonnull (devices);

  return devices;
}

/* Starts batches of two clips without announced passes. */
static Rig
begin (const gchar *properties)
{
  gchar *line = g_strconcat ("num-classes=3 ", properties, NULL);
  Rig r = rig_new (line);

  caps_for (&r, 2);
  push_segment (&r, 0);
  g_free (line);

  return r;
}

static void
push (Rig *r, guint batch)
{
  g_assert_cmpint (
      gst_harness_push (r->h, make_batch (2 * batch, 2, UINT8_INT32)), ==, GST_FLOW_OK);
}

/* The number of step messages, whose steps must continue from *step. */
static guint
count_steps (Rig *r, guint64 *step)
{
  GstMessage *message;
  guint n = 0;

  while ((message = pop (r, GST_MESSAGE_ELEMENT, "cnn3dtrain-step"))) {
    g_assert_cmpuint (get_uint64 (message, "step"), ==, ++*step);
    g_assert_cmpfloat (get_double (message, "clips-per-second"), >, 0);
    gst_message_unref (message);
    n++;
  }

  return n;
}

/* --- with the devices of this machine --- */

static gboolean
is_mapped (const gchar *file)
{
  gchar *maps;
  gboolean ret;

  g_assert_true (g_file_get_contents ("/proc/self/maps", &maps, NULL, NULL));
  ret = strstr (maps, file) != NULL;
  g_free (maps);

  return ret;
}

/* Back ends are loaded on demand, not with the plugin; their answers are cached. */
static void
test_devices (void)
{
  GstElement *element;
  gchar *first, *second, **lines;
  guint i, cpus = 0, gpus = 0;

  if (!g_test_subprocess ()) {
    g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
    g_test_trap_assert_passed ();
    return;
  }
  element = gst_element_factory_make ("cnn3dtrain", NULL);
  gst_object_ref_sink (element);
  g_assert_false (is_mapped ("libcnn3d-cpu"));
  g_assert_false (is_mapped ("libcnn3d-cuda"));
  first = get_devices (element);
  second = get_devices (element);
  g_assert_true (is_mapped ("libcnn3d-cpu"));
  g_assert_cmpstr (first, ==, second);
  lines = g_strsplit (first, "\n", -1);
  for (i = 0; lines[i]; i++) {
    cpus += g_str_has_prefix (lines[i], "cpu: CPU, ");
    gpus += g_str_has_prefix (lines[i], "cuda:");
  }
  g_assert_cmpuint (cpus, ==, 1);
  g_assert_cmpuint (gpus, >, 0);
  g_assert_cmpuint (i, ==, cpus + gpus);
  /* in the order in which device=auto tries them */
  g_assert_true (g_str_has_prefix (lines[i - 1], "cpu: "));
  g_strfreev (lines);
  g_free (second);
  g_free (first);
  gst_object_unref (element);
}

/* GPU settings have no effect on a CPU. */
static void
test_cpu (void)
{
  static const gchar *const lines[] = { "device=cpu",
    "device=cpu deterministic=false allow-tf32=false benchmark=false" };
  gdouble loss[2], scale;
  guint64 skipped, step = 0;
  guint i, k;

  for (i = 0; i < 2; i++) {
    Rig r = begin (lines[i]);

    for (k = 0; k < 3; k++)
      push (&r, k);
    g_object_get (
        r.element, "loss", &loss[i], "loss-scale", &scale, "steps-skipped", &skipped, NULL);
    g_assert_cmpfloat (scale, ==, 1);
    g_assert_cmpuint (skipped, ==, 0);
    /* each is reported at once */
    step = 0;
    g_assert_cmpuint (count_steps (&r, &step), ==, 3);
    rig_free (&r);
  }
  g_assert_cmpfloat (loss[0], ==, loss[1]);
}

/* --- with the doubles --- */

/* device=auto selects the GPU and reports it; memory is the GPU's. */
static void
test_auto (void)
{
  Rig r = begin ("precision=16-mixed");
  gchar *devices = get_devices (r.element);
  GstMessage *message;
  const gchar *device;
  guint64 needs, budget, peak;

  g_assert_true (g_str_has_prefix (devices, "cuda:0: Test double, "));
  push (&r, 0);
  push (&r, 1);
  message = pop (&r, GST_MESSAGE_ELEMENT, "cnn3dtrain-plan");
  g_assert_nonnull (message);
  device = gst_structure_get_string (gst_message_get_structure (message), "device");
  g_assert_true (g_str_has_prefix (device, "Test double, "));
  g_assert_cmpstr (
      gst_structure_get_string (gst_message_get_structure (message), "precision"), ==, "16-mixed");
  g_assert_cmpuint (get_uint64 (message, "input-bytes"), >, 2 * 2 * CLIP);
  needs = get_predicted (message) + get_uint64 (message, "context-bytes");
  budget = get_uint64 (message, "budget-bytes");
  gst_message_unref (message);

  message = pop (&r, GST_MESSAGE_ELEMENT, "cnn3dtrain-step");
  g_assert_nonnull (message);
  g_assert_cmpuint (get_uint64 (message, "memory-bytes"), ==, needs);
  g_assert_cmpfloat (get_double (message, "memory-share"), ==, (gdouble) needs / budget);
  g_assert_cmpfloat (get_double (message, "loss-scale"), ==, 65536);
  gst_message_unref (message);
  g_object_get (r.element, "peak-memory", &peak, NULL);
  g_assert_cmpuint (peak, ==, needs);
  g_free (devices);
  rig_free (&r);
}

/* Reported results arrive one batch late; none is lost at the end, in whichever way it ends. */
static void
test_late (gconstpointer how)
{
  Rig r = begin ("");
  guint64 step = 0, last;
  guint k;

  push (&r, 0);
  g_assert_cmpuint (count_steps (&r, &step), ==, 0);
  for (k = 1; k < 4; k++) {
    push (&r, k);
    g_assert_cmpuint (count_steps (&r, &step), ==, 1);
  }
  if (g_str_equal (how, "eos")) {
    gst_harness_push_event (r.h, gst_event_new_eos ());
  } else if (g_str_equal (how, "flush")) {
    gst_harness_push_event (r.h, gst_event_new_flush_start ());
    gst_harness_push_event (r.h, gst_event_new_flush_stop (TRUE));
  } else if (g_str_equal (how, "pass")) {
    push_epoch (&r, 0, TRUE, 8, 8);
  } else {
    /* NULL would flush the bus */
    gst_element_set_state (r.element, GST_STATE_READY);
  }
  g_assert_cmpuint (count_steps (&r, &step), ==, 1);
  g_object_get (r.element, "step", &last, NULL);
  g_assert_cmpuint (last, ==, 4);
  rig_free (&r);
}

/* Announced passes, a short last batch, groups of two batches. */
static void
test_passes (void)
{
  Rig r = rig_new ("accumulate-grad-batches=2");
  GstMessage *message;
  guint i, steps;

  begin_stream (&r, 4);
  feed (&r, 0, TOTAL + 1);
  for (i = 0; i < EPOCHS; i++) {
    for (steps = 0; steps < 2; steps++) {
      message = pop (&r, GST_MESSAGE_ELEMENT, "cnn3dtrain-step");
      g_assert_nonnull (message);
      g_assert_cmpuint (get_uint64 (message, "step"), ==, 2 * i + steps + 1);
      g_assert_cmpuint (get_uint64 (message, "clips"), ==, steps ? TRAIN : 8);
      gst_message_unref (message);
    }
    message = pop (&r, GST_MESSAGE_ELEMENT, "cnn3dtrain-validation");
    g_assert_nonnull (message);
    g_assert_cmpuint (get_uint64 (message, "clips"), ==, VAL);
    gst_message_unref (message);
  }
  rig_free (&r);
}

/* With this learning rate weights grow until gradients overflow FP16. */
static void
test_skipped (void)
{
  Rig r = begin ("precision=16-mixed optimizer=sgd lr=1");
  GstMessage *message;
  guint64 steps_skipped = 0, skipped;
  gdouble scale;
  gboolean skips;
  guint k, n = 0;

  for (k = 0; k < 16; k++)
    push (&r, k % 2);
  gst_harness_push_event (r.h, gst_event_new_eos ());
  while ((message = pop (&r, GST_MESSAGE_ELEMENT, "cnn3dtrain-step"))) {
    g_assert_true (
        gst_structure_get_boolean (gst_message_get_structure (message), "skipped", &skips));
    steps_skipped += skips;
    g_assert_cmpuint (get_uint64 (message, "steps-skipped"), ==, steps_skipped);
    g_assert_cmpuint (get_uint64 (message, "step"), ==, ++n - steps_skipped);
    g_assert_cmpfloat (get_double (message, "loss-scale"), ==, 65536.0 / (1 << steps_skipped));
    gst_message_unref (message);
  }
  g_assert_cmpuint (n, ==, 16);
  g_assert_cmpuint (steps_skipped, >, 0);
  g_object_get (r.element, "steps-skipped", &skipped, "loss-scale", &scale, NULL);
  g_assert_cmpuint (skipped, ==, steps_skipped);
  g_assert_cmpfloat (scale, ==, 65536.0 / (1 << steps_skipped));
  rig_free (&r);
}

/* The warning's text; g_free() */
static gchar *
pop_warning (Rig *r)
{
  GstMessage *message = pop (r, GST_MESSAGE_WARNING, NULL);
  GError *error = NULL;
  gchar *text;

  if (!message)
    return NULL;
  gst_message_parse_warning (message, &error, NULL);
  text = g_strdup (error->message);
  g_error_free (error);
  gst_message_unref (message);

  return text;
}

/* With weights so large that no gradient is finite in FP16, nothing is trained. */
static void
test_all_skipped (void)
{
  gchar *dir = make_dir ();
  gchar *line = g_strdup_printf ("optimizer=sgd lr=3 checkpoint-dir=%s", dir);
  Rig r = begin (line);

  push (&r, 0);
  rig_free (&r);
  g_free (line);
  line = g_strdup_printf ("precision=16-mixed pretrained=%s/last.safetensors", dir);
  r = begin (line);
  push (&r, 0);
  push (&r, 1);
  gst_harness_push_event (r.h, gst_event_new_eos ());
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
      "No training step: the gradients of every step (2 in all) overflowed, with a loss scale of "
      "16384 at last. Train for longer, lower lr, or set precision=bf16-mixed or 32.");
  rig_free (&r);
  remove_dir (dir);
  g_free (line);
}

/* Passes that cannot be recorded are reported by one warning, and counted. */
static void
test_unrecorded (void)
{
  gchar *path =
      g_build_filename (g_getenv ("CNN3D_BACKEND_PATH"), "libcnn3d-cuda." G_MODULE_SUFFIX, NULL);
  GModule *module = g_module_open (path, G_MODULE_BIND_LOCAL);
  CudaDoubleEntry entry;
  CudaDouble *cuda;
  GstMessage *message;
  gchar *warning;
  Rig r;

  g_assert_nonnull (module);
  g_assert_true (g_module_symbol (module, CUDA_DOUBLE, (gpointer *) &entry));
  cuda = entry ();
  for (guint fails = 0; fails < 2; fails++) {
    cuda->fail_in = fails ? "cudaGraphInstantiate" : NULL;
    r = begin ("");
    for (guint k = 0; k < 4; k++)
      push (&r, k);
    cuda->fail_in = NULL;
    warning = pop_warning (&r);
    g_assert_cmpint (warning != NULL, ==, fails);
    if (fails) {
      g_assert_nonnull (
          strstr (warning, ": passes that could not be recorded (1 so far) are started operation"));
      g_assert_nonnull (
          strstr (warning, ", which is slower: CUDA: a recording cannot be instantiated: "));
      g_assert_null (pop_warning (&r));
    }
    g_free (warning);
    rig_free (&r);

    r = begin ("");
    cuda->fail_in = fails ? "cudaGraphInstantiate" : NULL;
    for (guint k = 0; k < 4; k++)
      push (&r, k);
    cuda->fail_in = NULL;
    for (guint k = 0; k < 3; k++) {
      message = pop (&r, GST_MESSAGE_ELEMENT, "cnn3dtrain-step");
      g_assert_nonnull (message);
      g_assert_cmpuint (get_uint64 (message, "passes-eager"), ==, fails ? k + 1 : 1);
      g_assert_cmpuint (get_uint64 (message, "passes-recorded"), ==, !fails && k > 0);
      g_assert_cmpuint (get_uint64 (message, "passes-replayed"), ==, fails ? 0 : k);
      gst_message_unref (message);
    }
    rig_free (&r);
  }
  g_module_close (module);
  g_free (path);
}

/* Where memory is too short to validate 8 clips at once it is fewer, which is reported. */
static void
test_short_memory (void)
{
  gchar *line = g_strdup ("recompute=block");
  guint64 needs;
  guint clips[2];
  GstMessage *message;
  GError *error = NULL;

  for (guint i = 0; i < 2; i++) {
    Rig r = begin (line);

    push (&r, 0);
    message = pop (&r, GST_MESSAGE_ELEMENT, "cnn3dtrain-plan");
    needs = get_predicted (message) + get_uint64 (message, "context-bytes");
    g_assert_true (gst_structure_get_uint (
        gst_message_get_structure (message), "validation-batch", &clips[i]));
    gst_message_unref (message);
    message = pop (&r, GST_MESSAGE_INFO, NULL);
    g_assert_cmpint (message != NULL, ==, i);
    if (message) {
      gst_message_parse_info (message, &error, NULL);
      g_assert_nonnull (strstr (error->message, "Evaluation computes 4 clips at a time on Test"));
      g_assert_nonnull (strstr (error->message, ", because memory is too short for 8: "));
      g_clear_error (&error);
      gst_message_unref (message);
    }
    rig_free (&r);
    g_free (line);
    line = g_strdup_printf ("recompute=block max-memory=%" G_GUINT64_FORMAT, needs - 1);
  }
  g_assert_cmpuint (clips[0], ==, 8);
  g_assert_cmpuint (clips[1], ==, 4);
  g_free (line);
}

/* Use of more than 90 % of the budget is reported by one warning. */
static void
test_near_budget (void)
{
  Rig r = begin ("max-memory=4GiB");
  GstMessage *message;
  guint64 needs, budget;
  gchar *line, *warning;

  push (&r, 0);
  push (&r, 1);
  message = pop (&r, GST_MESSAGE_ELEMENT, "cnn3dtrain-plan");
  needs = get_uint64 (message, "predicted-bytes") + get_uint64 (message, "context-bytes");
  gst_message_unref (message);
  g_assert_null (pop_warning (&r));
  rig_free (&r);

  budget = needs + needs / 20;
  line = g_strdup_printf ("max-memory=%" G_GUINT64_FORMAT, budget);
  r = begin (line);
  for (guint k = 0; k < 3; k++)
    push (&r, k);
  warning = pop_warning (&r);
  g_assert_nonnull (warning);
  g_assert_true (g_str_has_prefix (warning, "Memory in use, "));
  g_assert_nonnull (strstr (warning, ", is 95 % of the "));
  g_assert_nonnull (
      strstr (warning, ": a smaller max-memory with recompute=auto or auto-fit=true takes less."));
  g_assert_null (pop_warning (&r));
  g_free (warning);
  rig_free (&r);
  g_free (line);
}

static void
test_progress (void)
{
  Rig r;

  if (g_test_subprocess ()) {
    r = rig_new ("progress=true precision=16-mixed");
    begin_stream (&r, 4);
    feed (&r, 0, TOTAL + 1);
    rig_free (&r);
    return;
  }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stdout ("*r3d_18, precision 16-mixed, on Test double, *\n"
                             "epoch 1/2  loss *  val-accuracy * %  lr 0.01  * clips/s  * MB  loss "
                             "scale 65536, 0 skipped  * s  left *\nepoch 2/2  loss *");
}

static void
test_no_such_gpu (void)
{
  Rig r = begin ("device=cuda:7");

  g_assert_cmpint (gst_harness_push (r.h, make_batch (0, 2, UINT8_INT32)), ==, GST_FLOW_ERROR);
  assert_error (
      &r, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, "there is no GPU number 7 here");
  rig_free (&r);
}

/* Each rank of a machine has a GPU of its own, or none trains on one. */
static void
test_too_few_gpus (void)
{
  static const gchar *const names[] = { "RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR",
    "MASTER_PORT" },
                            *const values[] = { "5", "8", "2", "localhost", "29500" };
  gchar *path =
      g_build_filename (g_getenv ("CNN3D_BACKEND_PATH"), "libcnn3d-cuda." G_MODULE_SUFFIX, NULL);
  GModule *module = g_module_open (path, G_MODULE_BIND_LOCAL);
  GstElement *element = gst_element_factory_make ("cnn3dtrain", NULL);
  Rig r = { gst_object_ref_sink (element), NULL, gst_bus_new (), 0 };
  CudaDoubleEntry entry;

  g_assert_true (module && g_module_symbol (module, CUDA_DOUBLE, (gpointer *) &entry));
  entry ()->devices = 2;
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    g_setenv (names[i], values[i], TRUE);
  gst_element_set_bus (element, r.bus);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
  assert_error (&r, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED,
      "The other processes cannot be joined (distributed=none trains without them): torchrun's "
      "processes train on GPUs only (start those on CPUs with mpirun or srun), but this machine "
      "has 2 GPUs for more ranks: start one for each");
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    g_unsetenv (names[i]);
  entry ()->devices = 1;
  gst_element_set_state (element, GST_STATE_NULL);
  gst_element_set_bus (element, NULL);
  gst_object_unref (element);
  gst_object_unref (r.bus);
  g_module_close (module);
  g_free (path);
}

int
main (int argc, char **argv)
{
  int ret;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/cnn3dtrain-device/devices", test_devices);
  g_test_add_func ("/cnn3dtrain-device/cpu", test_cpu);
  if (g_getenv ("CNN3D_CUDNN")) {
    g_test_add_func ("/cnn3dtrain-device/auto", test_auto);
    g_test_add_data_func ("/cnn3dtrain-device/late/eos", "eos", test_late);
    g_test_add_data_func ("/cnn3dtrain-device/late/flush", "flush", test_late);
    g_test_add_data_func ("/cnn3dtrain-device/late/pass", "pass", test_late);
    g_test_add_data_func ("/cnn3dtrain-device/late/stop", "stop", test_late);
    g_test_add_func ("/cnn3dtrain-device/passes", test_passes);
    g_test_add_func ("/cnn3dtrain-device/skipped", test_skipped);
    g_test_add_func ("/cnn3dtrain-device/all-skipped", test_all_skipped);
    g_test_add_func ("/cnn3dtrain-device/near-budget", test_near_budget);
    g_test_add_func ("/cnn3dtrain-device/short-memory", test_short_memory);
    g_test_add_func ("/cnn3dtrain-device/unrecorded", test_unrecorded);
    g_test_add_func ("/cnn3dtrain-device/progress", test_progress);
    g_test_add_func ("/cnn3dtrain-device/no-such-gpu", test_no_such_gpu);
    g_test_add_func ("/cnn3dtrain-device/too-few-gpus", test_too_few_gpus);
  }

  ret = g_test_run ();
  /* the leaks tracer checks here */
  gst_deinit ();

  return ret;
}
