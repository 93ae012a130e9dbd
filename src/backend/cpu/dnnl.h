/* dnnl.h: the parts of oneDNN that are used, for its versions 2 and 3, whose C interfaces differ.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CPU_DNNL_H
#define CNN3D_CPU_DNNL_H

#include <glib.h>
#include <oneapi/dnnl/dnnl.h>

/* A memory descriptor, always handled as a pointer. */
#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t CpuDesc;
#else
typedef dnnl_memory_desc_t *CpuDesc;
#endif

typedef struct {
  dnnl_engine_t engine;
  dnnl_stream_t stream;
  gboolean sizes_only; /* primitives are described but not created: no code is generated */
} CpuDnnl;

typedef enum {
  CPU_FORWARD,
  CPU_BACKWARD_DATA,
  CPU_BACKWARD_WEIGHTS,
} CpuPass;

/* A primitive with its memory objects, so that running it creates none. A convolution's arguments:
 * source, weights, destination (or their gradients); a pool's: source, destination, workspace; a
 * reorder's: from, to. */
typedef struct {
  dnnl_primitive_t primitive;
  dnnl_exec_arg_t args[4];
  gint n_args;   /* without scratch */
  gsize scratch; /* bytes */
} CpuPrimitive;

/* NULL: out of memory, or not supported. */
CpuDesc cpu_desc_new (
    gint n_dims, const gint64 *dims, dnnl_data_type_t type, dnnl_format_tag_t tag);
CpuDesc cpu_desc_copy (CpuDesc desc);
void cpu_desc_free (CpuDesc *desc);
gsize cpu_desc_size (CpuDesc desc);
gboolean cpu_desc_equal (CpuDesc a, CpuDesc b);
/* Describes the layout: the strides, and the blocks with their axes from the outside in. Free with
 * g_free(). */
gchar *cpu_desc_text (CpuDesc desc);

typedef struct {
  gint64 kernel[3], stride[3], pad[3];  /* D, H, W */
  CpuDesc source, weights, destination; /* formats may be `any` */
} CpuConvSpec;

/* Whether oneDNN's implementation of this name is acceptable. */
typedef gboolean (*CpuAccepts) (const gchar *implementation, gpointer user);

static inline gboolean
cpu_is_reference (const gchar *implementation)
{
  return g_str_has_prefix (implementation, "ref");
}

/* Creates the first accepted one of oneDNN's implementations, in its own order. The chosen formats
 * are returned in `weights` (new; may be NULL). */
gboolean cpu_conv_new (CpuDnnl *dnnl, CpuPass pass, const CpuConvSpec *spec, CpuAccepts accepts,
    gpointer user, CpuPrimitive *p, CpuDesc *weights, GError **error);
gboolean cpu_max_pool_new (CpuDnnl *dnnl, CpuPass pass, const CpuConvSpec *spec, CpuPrimitive *p,
    gsize *workspace, GError **error);
gboolean cpu_reorder_new (CpuDnnl *dnnl, CpuDesc from, CpuDesc to, CpuPrimitive *p, GError **error);
gboolean cpu_primitive_run (CpuDnnl *dnnl, CpuPrimitive *p, gpointer a, gpointer b, gpointer c,
    gpointer scratch, GError **error);
void cpu_primitive_clear (CpuPrimitive *p);
/* Empties oneDNN's own cache of primitives. */
void cpu_dnnl_forget (void);

#endif
