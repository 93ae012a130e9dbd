/* cpu.h: shared by the files of the CPU back end.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CPU_H
#define CNN3D_CPU_H

#include "src/backend/backend.h"
#include "src/backend/cpu/dnnl.h"
#include "src/backend/cpu/kernels.h"
#include "src/backend/cpu/winograd/winograd.h"
#include "src/temporary.h"

/* Points of one channel block that a kernel processes at once. Sums are computed chunk by chunk and
 * then added in order, in double: the same bits for any number of threads. */
#define CPU_CHUNK 1024

typedef struct _CpuFindings CpuFindings;

struct _Cnn3dDevice {
  CpuDnnl dnnl;
  CpuFindings *findings;
  Cnn3dTemporary check_memory; /* shared by convcheck.h's checks while a program is created */
  guint threads;
  Cnn3dConvolution convolution;
  const CpuKernels *kernels;
  gchar *name;
};

/* Formats of one convolution's weights. */
typedef struct {
  CpuDesc plain;     /* (O, I, D, H, W) padded, f32 */
  CpuDesc master;    /* f32, in the layout of the computed gradient */
  CpuDesc copy;      /* in the layout of the forward pass; NULL: it reads the masters */
  gsize copy_offset; /* bytes; if it is kept */
  CpuPrimitive refresh;
} CpuConvWeights;

struct _Cnn3dModel {
  Cnn3dDevice *device;
  const Cnn3dNetwork *net;
  Cnn3dModelParams params;
  dnnl_data_type_t type; /* of activations */
  gsize element;         /* bytes of it */
  gint lanes;
  const CpuBlockKernels *blocks;
  Cnn3dWeightLayout layout;
  CpuConvWeights *conv; /* [op] */
};

/* One pass of one convolution, see convpass.h. */
typedef struct {
  CpuPass pass;
  guint clips;
  CpuWinograd *winograd; /* used instead of a primitive; NULL: a primitive */
  CpuPrimitive primitive;
  gboolean f32;           /* runs on f32 copies of bf16 tensors */
  gboolean channels_last; /* runs on copies in (N, D, H, W, C) */
  gint in_depth,
      out_depth; /* runs on tensors that are zero-padded at the end of D to these depths */
  /* Weights: from masters or copy to the format of the primitive or Winograd, or their gradient
   * back. */
  CpuPrimitive reorder;
  gboolean from_master;
  /* Bytes of scratch, in this order, 0 if not needed: weights in the primitive's format; a gradient
   * that is to be added; the gradient of the points of the input that a strided 1x1x1 convolution
   * reads; and the two ends in the primitive's format. */
  gsize weights, sums, dense, in, out;
  gsize scratch; /* total bytes, including those of oneDNN or Winograd */
  gsize gap;     /* additional bytes after each of these pieces, during a check */
} CpuConvPass;

/* One convolution's passes, for one slice of a batch. */
typedef struct {
  guint slice;           /* clips */
  CpuConvPass passes[3]; /* [CpuPass] */
} CpuConv;

typedef struct {
  CpuPrimitive forward, backward; /* for one clip */
  gsize workspace; /* bytes per clip; oneDNN stores the positions of the maxima there */
  gsize in, out; /* bytes of f32 copies of a clip's bf16 ends, if oneDNN cannot pool bf16; else 0 */
} CpuPool;

struct _Cnn3dProgram {
  Cnn3dModel *model;
  guint batch; /* samples */
  gboolean training, syncs;
  Cnn3dSizes sizes;
  CpuConv *conv;     /* [op] */
  CpuPool *pool;     /* [op] */
  gboolean replaced; /* an implementation failed its check */
  gdouble loss_sum;
  guint correct;
};

/* A step with its addresses. */
typedef struct {
  Cnn3dProgram *program;
  const Cnn3dStep *step;
  const Cnn3dBinding *binding;
  const Cnn3dOp *op;
  const Cnn3dTensor *in_tensor, *out_tensor;                           /* NULL: none */
  gpointer in, residual, out, saved, scratch, dout[2], din, dresidual; /* NULL: none */
} CpuStep;

/* The address of a parameter's gradient. */
static inline gfloat *
cpu_gradient (const CpuStep *s, gint param)
{
  const gsize *offset = s->program->model->layout.offset;

  if (s->step->parameters == CNN3D_NOWHERE || (s->step->gathers && !s->binding->accumulate))
    return s->binding->arrays.gradients + offset[param];
  return (gfloat *) (s->binding->arena + s->step->parameters)
      + (offset[param] - offset[s->op->weight]);
}

/* Whether the gradient is added to. */
static inline gboolean
cpu_adds (const CpuStep *s)
{
  return s->step->adds || (s->binding->accumulate && s->step->parameters == CNN3D_NOWHERE);
}

/* Rows of a tensor for a program's batch. */
static inline guint
cpu_rows (const Cnn3dProgram *p, gint tensor)
{
  return p->batch * p->model->net->tensors[tensor].views;
}

/* Bytes of one clip of a blocked tensor. */
#define cpu_clip_bytes(m, t) \
  ((gsize) cpu_round_up ((t)->c, (m)->lanes) * cpu_points (t) * (m)->element)

static inline gint
cpu_round_up (gint c, gint lanes)
{
  return (c + lanes - 1) / lanes * lanes;
}

static inline gsize
cpu_align (gsize bytes)
{
  return (bytes + 63) & ~(gsize) 63;
}

static inline gsize
cpu_points (const Cnn3dTensor *t)
{
  return (gsize) t->d * t->h * t->w;
}

static inline gpointer
cpu_at (gpointer base, gsize offset)
{
  return base ? (guint8 *) base + offset : NULL;
}

static inline gint
cpu_channel_blocks (const Cnn3dModel *m, const Cnn3dTensor *t)
{
  return cpu_round_up (t->c, m->lanes) / m->lanes;
}

/* Is the tensor blocked? An input of frames alone is plain (C, D, H, W); what
 * follows the global pool is (N, C) f32. */
gboolean cpu_is_blocked (const Cnn3dNetwork *net, gint tensor);
/* Numbers in a row of a pooled tensor: channels padded to 16. */
#define cpu_row(t) ((gsize) cpu_round_up ((t)->c, 16))

/* cpu.c: memcpy() by all threads */
void cpu_copy (const Cnn3dDevice *device, gpointer to, gconstpointer from, gsize bytes);

/* memory.c */
void cpu_memory (Cnn3dDevice *device, Cnn3dDeviceMemory *memory);
gpointer cpu_memory_alloc (Cnn3dDevice *device, gsize bytes, GError **error);
void cpu_memory_free (Cnn3dDevice *device, gpointer memory, gsize bytes);

/* model.c */
Cnn3dModel *cpu_model_new (Cnn3dDevice *device, const Cnn3dNetwork *network,
    const Cnn3dModelParams *params, GError **error);
void cpu_model_free (Cnn3dModel **model);
gboolean cpu_import_weight (
    Cnn3dModel *model, guint param, const gfloat *values, gfloat *array, GError **error);
gboolean cpu_export_weight (
    Cnn3dModel *model, guint param, const gfloat *array, gfloat *values, GError **error);
gboolean cpu_read_activation (
    Cnn3dProgram *program, gint tensor, gconstpointer place, gfloat *values, GError **error);
gboolean cpu_refresh (Cnn3dModel *model, const gfloat *weights, gpointer copy, GError **error);
/* A convolution's weights as oneDNN sees them, (O, I, kD, kH, kW): channels
 * padded like the activations. */
void cpu_padded_dims (const Cnn3dModel *model, const Cnn3dOp *op, gint64 dims[5]);

static inline dnnl_format_tag_t
cpu_blocked_tag (const Cnn3dModel *m)
{
  return m->lanes == 16 ? dnnl_aBcde16b : dnnl_aBcde8b;
}

/* conv.c */
guint cpu_conv_slice (const Cnn3dModel *model, const Cnn3dOp *op, guint batch, guint most);
gboolean cpu_conv_setup (
    Cnn3dProgram *program, gint op, gboolean accumulates, gboolean checks, GError **error);
gboolean cpu_conv_run (const CpuStep *s, GError **error);

/* norm.c */
void cpu_norm_setup (Cnn3dProgram *program, gint op);
gboolean cpu_norm_forward (const CpuStep *s, GError **error);
gboolean cpu_norm_backward (const CpuStep *s, GError **error);

/* input.c */
void cpu_input_forward (const CpuStep *s);

/* pool.c: max and global pooling */
gboolean cpu_max_pool_setup (Cnn3dProgram *program, gint op, GError **error);
gboolean cpu_max_pool_run (const CpuStep *s, GError **error);
void cpu_global_pool_run (const CpuStep *s);

/* head.c: dropout, joining streams, the last layer, the loss; small, in f32 */
void cpu_dropout_run (const CpuStep *s);
void cpu_concat_run (const CpuStep *s);
void cpu_mean_run (const CpuStep *s);
void cpu_linear_run (const CpuStep *s);
void cpu_loss_run (const CpuStep *s);

/* views.c */
void cpu_views_run (const CpuStep *s);

#endif
