/* fakecuda.c: a simulated GPU: its memory is on the heap, and copies from it execute when their
 * stream is waited for, with the contents of that moment.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fakecuda.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
  GstAllocator parent;
} FakeAllocator;
typedef GstAllocatorClass FakeAllocatorClass;

typedef struct {
  GstCudaMemory base;
  GstCudaStream *stream;
  guint8 *data;
} FakeMemory;

struct _GstCudaStream {
  GstMiniObject parent;
  gint refs;
};

typedef struct {
  CUDA_MEMCPY2D copy;
  GstCudaContext *context; /* each has its own default stream */
  CUstream stream;
} Copy;

typedef GstObject FakeContext;
typedef GstObjectClass FakeContextClass;

FakeCuda fake_cuda;

static GstAllocator *allocator;
static GArray *copies;          /* pending */
static GstCudaContext *current; /* the current one */

GType fake_allocator_get_type (void);
GType fake_context_get_type (void);
G_DEFINE_TYPE (FakeAllocator, fake_allocator, GST_TYPE_ALLOCATOR);
G_DEFINE_TYPE (FakeContext, fake_context, GST_TYPE_OBJECT);

/* TRUE once, when the countdown reaches 0. */
static gboolean
due (gint *countdown)
{
  return *countdown >= 0 && (*countdown)-- == 0;
}

static void
fake_allocator_free (GstAllocator *self, GstMemory *memory)
{
  FakeMemory *fake = (FakeMemory *) memory;
  guint i;

  /* no pending copy may read from it */
  for (i = 0; i < copies->len; i++) {
    const guint8 *from = (guint8 *) (guintptr) g_array_index (copies, Copy, i).copy.srcDevice;

    g_assert_false (from >= fake->data && from < fake->data + memory->size);
  }
  gst_clear_cuda_stream (&fake->stream);
  gst_object_unref (fake->base.context);
  g_free (fake->data);
  g_free (fake);
  fake_cuda.memories--;
}

static gpointer
fake_allocator_map (GstMemory *memory, gsize max_size, GstMapFlags flags)
{
  if (!(flags & GST_MAP_CUDA))
    fake_cuda.mapped_by_cpu++;
  if (due (&fake_cuda.fail_maps))
    return NULL;

  return ((FakeMemory *) memory)->data;
}

static void
fake_allocator_unmap (GstMemory *memory)
{
}

static void
fake_allocator_class_init (FakeAllocatorClass *klass)
{
  klass->free = fake_allocator_free;
}

static void
fake_allocator_init (FakeAllocator *self)
{
  GST_ALLOCATOR_CAST (self)->mem_type = "fake.cuda";
  GST_ALLOCATOR_CAST (self)->mem_map = fake_allocator_map;
  GST_ALLOCATOR_CAST (self)->mem_unmap = fake_allocator_unmap;
}

static void
fake_context_class_init (FakeContextClass *klass)
{
}

static void
fake_context_init (FakeContext *self)
{
}

void
fake_cuda_init (void)
{
  if (!allocator) {
    allocator = g_object_new (fake_allocator_get_type (), NULL);
    gst_object_ref_sink (allocator);
    GST_OBJECT_FLAG_SET (allocator, GST_OBJECT_FLAG_MAY_BE_LEAKED);
    copies = g_array_new (FALSE, FALSE, sizeof (Copy));
  }
  g_assert_cmpuint (copies->len, ==, 0);
  fake_cuda =
      (FakeCuda) { .fail_copies = -1, .fail_waits = -1, .fail_maps = -1, .fail_pushes = -1 };
}

GstCudaContext *
fake_context_new (void)
{
  return gst_object_ref_sink (g_object_new (fake_context_get_type (), NULL));
}

GstCudaStream *
fake_stream_new (void)
{
  GstCudaStream *stream = g_new0 (GstCudaStream, 1);

  stream->refs = 1;

  return stream;
}

GstMemory *
fake_memory_new (GstCudaContext *context, GstCudaStream *stream, const GstVideoInfo *info,
    gsize offset, gsize pitch, guint8 fill)
{
  FakeMemory *memory = g_new0 (FakeMemory, 1);
  const gsize size = offset + pitch * GST_VIDEO_INFO_HEIGHT (info);

  memory->base.context = gst_object_ref (context);
  memory->base.info = *info;
  memory->base.info.offset[0] = offset;
  memory->base.info.stride[0] = pitch;
  memory->base.info.size = size;
  memory->stream = stream ? gst_cuda_stream_ref (stream) : NULL;
  memory->data = g_malloc (size);
  memset (memory->data, fill, size);
  gst_memory_init (GST_MEMORY_CAST (memory), 0, allocator, NULL, size, 0, 0, size);
  fake_cuda.memories++;

  return GST_MEMORY_CAST (memory);
}

guint8 *
fake_memory_data (GstMemory *memory)
{
  return ((FakeMemory *) memory)->data;
}

gboolean
gst_is_cuda_memory (GstMemory *memory)
{
  return memory && memory->allocator == allocator;
}

GstCudaStream *
gst_cuda_memory_get_stream (GstCudaMemory *memory)
{
  return ((FakeMemory *) memory)->stream;
}

gboolean
gst_cuda_context_push (GstCudaContext *context)
{
  g_assert_true (GST_IS_OBJECT (context));
  if (due (&fake_cuda.fail_pushes)) {
    /* a lost context has no pending work */
    g_array_set_size (copies, 0);
    fake_cuda.under_way = 0;
    return FALSE;
  }
  g_assert_cmpint (fake_cuda.pushed++, ==, 0);
  current = context;

  return TRUE;
}

gboolean
gst_cuda_context_pop (gpointer context)
{
  g_assert_null (context);
  g_assert_cmpint (fake_cuda.pushed--, >, 0);

  return TRUE;
}

CUstream
gst_cuda_stream_get_handle (GstCudaStream *stream)
{
  return (CUstream) stream;
}

GstCudaStream *
gst_cuda_stream_ref (GstCudaStream *stream)
{
  stream->refs++;

  return stream;
}

void
gst_clear_cuda_stream (GstCudaStream **stream)
{
  GstCudaStream *self = *stream;

  *stream = NULL;
  if (self && --self->refs == 0)
    g_free (self);
}

CUresult
CuGetErrorString (CUresult error, const char **text)
{
  if (fake_cuda.no_texts)
    return CUDA_ERROR_INVALID_CONTEXT;
  *text = error == CUDA_ERROR_ILLEGAL_ADDRESS ? "an illegal memory access"
      : error == CUDA_ERROR_INVALID_CONTEXT   ? "invalid device context"
                                              : "mapping of buffer object failed";

  return CUDA_SUCCESS;
}

CUresult
CuMemAllocHost (void **data, guint size)
{
  g_assert_cmpint (fake_cuda.pushed, >, 0);
  if (fake_cuda.no_pinned || posix_memalign (data, 4096, size) != 0)
    return CUDA_ERROR_OUT_OF_MEMORY;
  fake_cuda.pinned++;

  return CUDA_SUCCESS;
}

CUresult
CuMemFreeHost (void *data)
{
  g_assert_cmpint (fake_cuda.pushed, >, 0);
  /* no pending copy may write to it */
  g_assert_cmpuint (copies->len, ==, 0);
  free (data);
  fake_cuda.pinned--;

  return CUDA_SUCCESS;
}

CUresult
CuMemcpy2DAsync (const CUDA_MEMCPY2D *copy, CUstream stream)
{
  Copy c = { *copy, current, stream };

  g_assert_cmpint (fake_cuda.pushed, >, 0);
  g_assert_cmpint (copy->srcMemoryType, ==, CU_MEMORYTYPE_DEVICE);
  g_assert_cmpint (copy->dstMemoryType, ==, CU_MEMORYTYPE_HOST);
  g_assert_cmpuint (copy->WidthInBytes, <=, copy->srcPitch);
  g_assert_cmpuint (copy->WidthInBytes, <=, copy->dstPitch);
  fake_cuda.copies++;
  if (due (&fake_cuda.fail_copies))
    return CUDA_ERROR_ILLEGAL_ADDRESS;
  g_array_append_val (copies, c);
  fake_cuda.under_way = copies->len;
  fake_cuda.most_under_way = MAX (fake_cuda.most_under_way, copies->len);

  return CUDA_SUCCESS;
}

CUresult
CuStreamSynchronize (CUstream stream)
{
  gboolean fails = due (&fake_cuda.fail_waits);
  guint i = 0;
  gsize y;

  g_assert_cmpint (fake_cuda.pushed, >, 0);
  fake_cuda.waits++;
  while (i < copies->len) {
    const Copy *c = &g_array_index (copies, Copy, i);
    const CUDA_MEMCPY2D *copy = &c->copy;
    const guint8 *from = (guint8 *) (guintptr) copy->srcDevice;

    if (c->stream != stream || c->context != current) {
      i++;
      continue;
    }
    for (y = 0; !fails && y < copy->Height; y++)
      memcpy ((guint8 *) copy->dstHost + y * copy->dstPitch, from + y * copy->srcPitch,
          copy->WidthInBytes);
    g_array_remove_index (copies, i);
  }
  fake_cuda.under_way = copies->len;

  return fails ? CUDA_ERROR_ILLEGAL_ADDRESS : CUDA_SUCCESS;
}
