/* The rig on a device: Arrays and the stack have twins in device memory, to which they are copied
 * before each launch, and from which they are copied back behind it. Addresses are translated where
 * they stand: in a kernel's arguments, and in the copy of the stack, on which tests keep structures.
 * A twin's address shares the lowest bytes with the original's: so small numbers in front of padding,
 * in which the rest of an address happens to stand, stay what they are.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/cuda/rig-device.h"

#include <string.h>

#include "tests/cuda/rig.h"

#define STACK_BYTES ((gsize) 512 << 10) /* more than any test uses */
#define GONE 0x5a                       /* what the tests' own memory holds during a launch */

typedef struct {
  Array *array;
  gpointer memory;
  guint8 *device; /* in it */
} Twin;

typedef struct {
  const gchar *name;
  gint (*run) (int argc, char **argv);
} File;

#define RIG_FILE(name) gint rig_main_##name (int argc, char **argv);
RIG_FILES
#undef RIG_FILE
#define RIG_FILE(name) { #name, rig_main_##name },
static const File files[] = { RIG_FILES };

static GArray *twins; /* Twin */
static struct {
  guint8 *top, *low; /* of the part that is copied: up to the frame of main() */
  guint8 *memory, *device, *sent, *fetched;
} stack;

static void
check (cudaError_t status, const gchar *what)
{
  if (status != cudaSuccess)
    g_error ("%s: %s", what, cudaGetErrorString (status));
}

/* Where in memory with so much to spare the twin of `original` begins. */
static guint8 *
twin_in (gpointer memory, gconstpointer original)
{
  return (guint8 *) memory + (((gsize) original - (gsize) memory) & rig_device_shared);
}

gboolean
rig_on_gpu (void)
{
  return TRUE;
}

void
rig_order (gboolean shuffled)
{
}

const gchar *
rig_explain (gint error)
{
  return cudaGetErrorString (error);
}

void
rig_array_added (Array *a)
{
  Twin twin = { a, NULL };

  check (cudaMalloc (&twin.memory, a->reach + rig_device_shared), "cudaMalloc");
  twin.device = twin_in (twin.memory, a->whole);
  g_array_append_val (twins, twin);
}

void
rig_array_removed (Array *a)
{
  for (guint i = 0; i < twins->len; i++)
    if (g_array_index (twins, Twin, i).array == a) {
      check (cudaFree (g_array_index (twins, Twin, i).memory), "cudaFree");
      g_array_remove_index_fast (twins, i);
      return;
    }
  g_assert_not_reached ();
}

void
rig_device_translate (guint8 *arguments, gsize size)
{
  for (gsize at = 0; at + sizeof (gpointer) <= size; at += sizeof (gpointer)) {
    guint8 *p, *to = NULL;

    memcpy (&p, arguments + at, sizeof p);
    if (p >= stack.low && p < stack.top)
      to = stack.device + (p - stack.low);
    for (guint i = 0; i < twins->len && !to; i++) {
      const Twin *t = &g_array_index (twins, Twin, i);

      if (p >= t->array->whole && p < t->array->whole + t->array->reach)
        to = t->device + (p - t->array->whole);
    }
    if (to)
      memcpy (arguments + at, &to, sizeof to);
  }
}

/* Byte by byte: the address sanitizer forbids parts of the stack to other functions. */
__attribute__ ((noinline, no_sanitize_address)) static void
read_stack (guint8 *to)
{
  const volatile guint8 *from = stack.low;

  for (gsize i = 0; i < (gsize) (stack.top - stack.low); i++)
    to[i] = from[i];
}

/* Only what the kernel changed: addresses stay the tests' own. */
__attribute__ ((noinline, no_sanitize_address)) static void
write_stack (const guint8 *from, const guint8 *before)
{
  volatile guint8 *to = stack.low;

  for (gsize i = 0; i < (gsize) (stack.top - stack.low); i++)
    if (from[i] != before[i])
      to[i] = from[i];
}

__attribute__ ((noinline)) void
rig_device_send (void)
{
  stack.low = (guint8 *) ((gsize) __builtin_frame_address (0) & ~(gsize) 15);
  if (stack.low >= stack.top || (gsize) (stack.top - stack.low) > STACK_BYTES)
    g_error ("the stack is larger than the rig's copy of it");
  stack.device = twin_in (stack.memory, stack.low);
  read_stack (stack.sent);
  rig_device_translate (stack.sent, stack.top - stack.low);
  check (cudaMemcpy (stack.device, stack.sent, stack.top - stack.low, cudaMemcpyHostToDevice),
      "copying the stack to the device");
  for (guint i = 0; i < twins->len; i++) {
    const Twin *t = &g_array_index (twins, Twin, i);

    check (cudaMemcpy (t->device, t->array->whole, t->array->reach, cudaMemcpyHostToDevice),
        "copying to the device");
    memset (t->array->whole, GONE, t->array->reach);
  }
}

void
rig_device_fetch (void)
{
  check (cudaDeviceSynchronize (), "a kernel");
  for (guint i = 0; i < twins->len; i++) {
    const Twin *t = &g_array_index (twins, Twin, i);

    check (cudaMemcpy (t->array->whole, t->device, t->array->reach, cudaMemcpyDeviceToHost),
        "copying from the device");
  }
  check (cudaMemcpy (stack.fetched, stack.device, stack.top - stack.low, cudaMemcpyDeviceToHost),
      "copying the stack from the device");
  write_stack (stack.fetched, stack.sent);
}

/* Names are those of test files, with _ for -: without one they are listed. */
int
main (int argc, char **argv)
{
  gint devices = 0;
  cudaError_t status;

  if (argc < 2) {
    for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
      g_print ("%s\n", files[i].name);
    return 0;
  }
  status = cudaGetDeviceCount (&devices);
  if (status != cudaSuccess || devices == 0) {
    g_print ("1..0 # SKIP no GPU that CUDA can use: %s\n", cudaGetErrorString (status));
    return 0;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    if (!strcmp (argv[1], files[i].name)) {
      stack.top = (guint8 *) ((gsize) __builtin_frame_address (0) & ~(gsize) 15);
      stack.sent = g_malloc (STACK_BYTES);
      stack.fetched = g_malloc (STACK_BYTES);
      twins = g_array_new (FALSE, FALSE, sizeof (Twin));
      check (cudaMalloc ((void **) &stack.memory, STACK_BYTES + rig_device_shared), "cudaMalloc");
      rig_device_start ();
      return files[i].run (argc - 1, argv + 1);
    }
  g_printerr ("%s: no test file is called %s\n", argv[0], argv[1]);
  return 2;
}
