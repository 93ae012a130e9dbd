/* dnnl.h: the few things asked of oneDNN, the same for its versions 2 and 3,
 * whose C interfaces differ. SPDX-License-Identifier: LGPL-2.1-or-later */
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
  gboolean sizes_only;          /* primitives are described but not made: code need not be generated */
} CpuDnnl;

typedef enum {
  CPU_FORWARD,
  CPU_BACKWARD_DATA,
  CPU_BACKWARD_WEIGHTS,
} CpuPass;

/* A primitive with its memory objects made, so that running it makes none.
 * A convolution's arguments: source, weights, destination (or their gradients);
 * a pool's: source, destination, workspace; a reorder's: from, to. */
typedef struct {
  dnnl_primitive_t primitive;
  dnnl_exec_arg_t args[4];
  gint n_args;                  /* without scratch */
  gsize scratch;                /* bytes */
} CpuPrimitive;

/* NULL when out of memory or refused. */
CpuDesc cpu_desc_new (gint n_dims, const gint64 * dims, dnnl_data_type_t type, dnnl_format_tag_t tag);
CpuDesc cpu_desc_copy (CpuDesc desc);
void cpu_desc_free (CpuDesc * desc);
gsize cpu_desc_size (CpuDesc desc);
gboolean cpu_desc_equal (CpuDesc a, CpuDesc b);
/* Its layout: the strides, and from the outside in the blocks and their axes.
 * g_free(). */
gchar *cpu_desc_text (CpuDesc desc);

typedef struct {
  gint64 kernel[3], stride[3], pad[3];  /* D, H, W */
  CpuDesc source, weights, destination; /* formats may be `any` */
} CpuConvSpec;

/* Is oneDNN's implementation of this name wanted? */
typedef gboolean (*CpuAccepts) (const gchar * implementation, gpointer user);

static inline gboolean
cpu_is_reference (const gchar *implementation)
{
  return g_str_has_prefix (implementation, "ref");
}

/* The first accepted one of the implementations that oneDNN has, in its own
 * order. Chosen formats are returned in `weights` (new, NULL: not wanted). */
gboolean cpu_conv_new (CpuDnnl * dnnl, CpuPass pass, const CpuConvSpec * spec, CpuAccepts accepts, gpointer user,
    CpuPrimitive * p, CpuDesc * weights, GError ** error);
gboolean cpu_max_pool_new (CpuDnnl * dnnl, CpuPass pass, const CpuConvSpec * spec, CpuPrimitive * p,
    gsize * workspace, GError ** error);
gboolean cpu_reorder_new (CpuDnnl * dnnl, CpuDesc from, CpuDesc to, CpuPrimitive * p, GError ** error);
gboolean cpu_primitive_run (CpuDnnl * dnnl, CpuPrimitive * p, gpointer a, gpointer b, gpointer c, gpointer scratch,
    GError ** error);
void cpu_primitive_clear (CpuPrimitive * p);
/* Empties oneDNN's own cache of primitives. */
void cpu_dnnl_forget (void);

#endif
