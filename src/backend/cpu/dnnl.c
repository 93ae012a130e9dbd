/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cpu/dnnl.h"

#include <string.h>

#include "src/backend/backend.h"

static gboolean
check (dnnl_status_t status, const gchar *what, GError **error)
{
  if (status == dnnl_success)
    return TRUE;
  g_set_error (error, CNN3D_BACKEND_ERROR,
      status == dnnl_out_of_memory ? CNN3D_BACKEND_ERROR_MEMORY : CNN3D_BACKEND_ERROR_FAILED,
      "oneDNN %s: %s", what,
      status == dnnl_out_of_memory       ? "out of memory"
          : status == dnnl_unimplemented ? "not implemented on this CPU"
                                         : "invalid arguments or a failure inside it");
  return FALSE;
}

CpuDesc
cpu_desc_new (gint n_dims, const gint64 *dims, dnnl_data_type_t type, dnnl_format_tag_t tag)
{
  dnnl_dims_t d;

  for (gint i = 0; i < n_dims; i++)
    d[i] = dims[i];
#if DNNL_VERSION_MAJOR >= 3
  CpuDesc desc = NULL;

  return dnnl_memory_desc_create_with_tag (&desc, n_dims, d, type, tag) == dnnl_success ? desc
                                                                                        : NULL;
#else
  CpuDesc desc = g_new0 (dnnl_memory_desc_t, 1);

  if (dnnl_memory_desc_init_by_tag (desc, n_dims, d, type, tag) != dnnl_success)
    g_clear_pointer (&desc, g_free);
  return desc;
#endif
}

#if DNNL_VERSION_MAJOR >= 3
static CpuDesc
desc_from (const_dnnl_memory_desc_t desc)
{
  CpuDesc copy = NULL;

  return dnnl_memory_desc_clone (&copy, desc) == dnnl_success ? copy : NULL;
}
#else
static CpuDesc
desc_from (const dnnl_memory_desc_t *desc)
{
  return g_memdup2 (desc, sizeof *desc);
}
#endif

CpuDesc
cpu_desc_copy (CpuDesc desc)
{
  return desc ? desc_from (desc) : NULL;
}

void
cpu_desc_free (CpuDesc *desc)
{
  if (!*desc)
    return;
#if DNNL_VERSION_MAJOR >= 3
  dnnl_memory_desc_destroy (*desc);
#else
  g_free (*desc);
#endif
  *desc = NULL;
}

gsize
cpu_desc_size (CpuDesc desc)
{
  return dnnl_memory_desc_get_size (desc);
}

gboolean
cpu_desc_equal (CpuDesc a, CpuDesc b)
{
  return dnnl_memory_desc_equal (a, b);
}

gchar *
cpu_desc_text (CpuDesc desc)
{
  GString *text = g_string_new (NULL);
  gint n_dims, n_blocks;
  const dnnl_dim_t *strides, *blocks, *axes;
#if DNNL_VERSION_MAJOR >= 3
  dnnl_dims_t *s = NULL, *b = NULL, *a = NULL;

  dnnl_memory_desc_query (desc, dnnl_query_ndims_s32, &n_dims);
  dnnl_memory_desc_query (desc, dnnl_query_inner_nblks_s32, &n_blocks);
  dnnl_memory_desc_query (desc, dnnl_query_strides, &s);
  dnnl_memory_desc_query (desc, dnnl_query_inner_blks, &b);
  dnnl_memory_desc_query (desc, dnnl_query_inner_idxs, &a);
  strides = *s;
  blocks = *b;
  axes = *a;
#else
  n_dims = desc->ndims;
  n_blocks = desc->format_desc.blocking.inner_nblks;
  strides = desc->format_desc.blocking.strides;
  blocks = desc->format_desc.blocking.inner_blks;
  axes = desc->format_desc.blocking.inner_idxs;
#endif
  for (gint i = 0; i < n_dims; i++)
    g_string_append_printf (text, "%s%" G_GINT64_FORMAT, i ? "." : "", (gint64) strides[i]);
  for (gint i = 0; i < n_blocks; i++)
    g_string_append_printf (text, "%s%" G_GINT64_FORMAT "%c", i ? "" : " ", (gint64) blocks[i],
        (gchar) ('a' + axes[i]));
  return g_string_free (text, FALSE);
}

/* --- creating primitives --- */

static gboolean
add_argument (CpuDnnl *dnnl, CpuPrimitive *p, gint slot, const_dnnl_primitive_desc_t pd,
    dnnl_query_t query, gint arg, GError **error)
{
  p->args[slot].arg = arg;
  return check (dnnl_memory_create (&p->args[slot].memory,
                    dnnl_primitive_desc_query_md (pd, query, 0), dnnl->engine, DNNL_MEMORY_NONE),
      "memory", error);
}

/* Takes ownership of `pd`. queries, args: of the primitive's n_args arguments. */
static gboolean
finish_primitive (CpuDnnl *dnnl, CpuPrimitive *p, dnnl_primitive_desc_t pd, gint n_args,
    const dnnl_query_t *queries, const gint *args, GError **error)
{
  gboolean ok = TRUE;

  p->n_args = n_args;
  for (gint i = 0; ok && i < n_args; i++)
    ok = add_argument (dnnl, p, i, pd, queries[i], args[i], error);
  p->scratch =
      dnnl_memory_desc_get_size (dnnl_primitive_desc_query_md (pd, dnnl_query_scratchpad_md, 0));
  if (ok && p->scratch)
    ok = add_argument (dnnl, p, n_args, pd, dnnl_query_scratchpad_md, DNNL_ARG_SCRATCHPAD, error);
  if (ok && !dnnl->sizes_only)
    ok = check (dnnl_primitive_create (&p->primitive, pd), "primitive", error);
  dnnl_primitive_desc_destroy (pd);
  if (!ok)
    cpu_primitive_clear (p);
  return ok;
}

/* Scratch is in the arena, not allocated by the library. */
static dnnl_primitive_attr_t
new_attributes (void)
{
  dnnl_primitive_attr_t attr = NULL;

  if (dnnl_primitive_attr_create (&attr) == dnnl_success)
    dnnl_primitive_attr_set_scratchpad_mode (attr, dnnl_scratchpad_mode_user);
  return attr;
}

/* oneDNN's implementations of one convolution, best first. */
typedef struct {
  dnnl_primitive_desc_t pd;
#if DNNL_VERSION_MAJOR < 3
  dnnl_convolution_desc_t desc; /* the iterator keeps only its address */
  dnnl_primitive_desc_iterator_t iterator;
#endif
} ConvList;

static dnnl_status_t
conv_list_begin (ConvList *list, CpuDnnl *dnnl, CpuPass pass, const CpuConvSpec *s,
    dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t attr)
{
  dnnl_dims_t stride, pad;
  const dnnl_alg_kind_t alg = dnnl_convolution_direct;

  memset (list, 0, sizeof *list);
  for (gint i = 0; i < 3; i++) {
    stride[i] = s->stride[i];
    pad[i] = s->pad[i];
  }
#if DNNL_VERSION_MAJOR >= 3
  switch (pass) {
    case CPU_FORWARD:
      return dnnl_convolution_forward_primitive_desc_create (&list->pd, dnnl->engine,
          dnnl_forward_training, alg, s->source, s->weights, NULL, s->destination, stride, NULL,
          pad, pad, attr);
    case CPU_BACKWARD_DATA:
      return dnnl_convolution_backward_data_primitive_desc_create (&list->pd, dnnl->engine, alg,
          s->source, s->weights, s->destination, stride, NULL, pad, pad, hint, attr);
    default:
      return dnnl_convolution_backward_weights_primitive_desc_create (&list->pd, dnnl->engine, alg,
          s->source, s->weights, NULL, s->destination, stride, NULL, pad, pad, hint, attr);
  }
#else
  dnnl_status_t status;

  switch (pass) {
    case CPU_FORWARD:
      status = dnnl_convolution_forward_desc_init (&list->desc, dnnl_forward_training, alg,
          s->source, s->weights, NULL, s->destination, stride, pad, pad);
      break;
    case CPU_BACKWARD_DATA:
      status = dnnl_convolution_backward_data_desc_init (
          &list->desc, alg, s->source, s->weights, s->destination, stride, pad, pad);
      break;
    default:
      status = dnnl_convolution_backward_weights_desc_init (
          &list->desc, alg, s->source, s->weights, NULL, s->destination, stride, pad, pad);
  }
  if (status == dnnl_success)
    status = dnnl_primitive_desc_iterator_create (
        &list->iterator, &list->desc, attr, dnnl->engine, hint);
  if (status == dnnl_success && !(list->pd = dnnl_primitive_desc_iterator_fetch (list->iterator)))
    status = dnnl_out_of_memory;
  return status;
#endif
}

/* FALSE: no more. */
static gboolean
conv_list_next (ConvList *list)
{
#if DNNL_VERSION_MAJOR >= 3
  return dnnl_primitive_desc_next_impl (list->pd) == dnnl_success;
#else
  g_clear_pointer (&list->pd, dnnl_primitive_desc_destroy);
  return dnnl_primitive_desc_iterator_next (list->iterator) == dnnl_success
      && (list->pd = dnnl_primitive_desc_iterator_fetch (list->iterator));
#endif
}

static void
conv_list_end (ConvList *list)
{
  g_clear_pointer (&list->pd, dnnl_primitive_desc_destroy);
#if DNNL_VERSION_MAJOR < 3
  g_clear_pointer (&list->iterator, dnnl_primitive_desc_iterator_destroy);
#endif
}

static const gchar *
implementation_name (const_dnnl_primitive_desc_t pd)
{
  const gchar *name = "";

  dnnl_primitive_desc_query (pd, dnnl_query_impl_info_str, 0, (void *) &name);
  return name;
}

/* The forward pass that a backward pass requires: with the weights' preferred format, in the
 * activations' type. */
static dnnl_status_t
make_hint (CpuDnnl *dnnl, const CpuConvSpec *spec, const_dnnl_primitive_attr_t attr,
    dnnl_primitive_desc_t *hint)
{
  CpuConvSpec forward = *spec;
  ConvList list;
  gint64 dims[5];
  dnnl_data_type_t type;
  dnnl_status_t status;
#if DNNL_VERSION_MAJOR >= 3
  dnnl_dims_t *md_dims = NULL;

  dnnl_memory_desc_query (spec->weights, dnnl_query_dims, &md_dims);
  memcpy (dims, *md_dims, sizeof dims);
  dnnl_memory_desc_query (spec->source, dnnl_query_data_type, &type);
#else
  memcpy (dims, spec->weights->dims, sizeof dims);
  type = spec->source->data_type;
#endif
  forward.weights = cpu_desc_new (5, dims, type, dnnl_format_tag_any);
  status = conv_list_begin (&list, dnnl, CPU_FORWARD, &forward, NULL, attr);
  *hint = list.pd;
  list.pd = NULL;
  conv_list_end (&list);
  cpu_desc_free (&forward.weights);
  return status;
}

gboolean
cpu_conv_new (CpuDnnl *dnnl, CpuPass pass, const CpuConvSpec *spec, CpuAccepts accepts,
    gpointer user, CpuPrimitive *p, CpuDesc *weights, GError **error)
{
  static const dnnl_query_t queries[3][3] = {
    { dnnl_query_src_md, dnnl_query_weights_md, dnnl_query_dst_md },
    { dnnl_query_diff_src_md, dnnl_query_weights_md, dnnl_query_diff_dst_md },
    { dnnl_query_src_md, dnnl_query_diff_weights_md, dnnl_query_diff_dst_md },
  };
  static const gint args[3][3] = {
    { DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST },
    { DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST },
    { DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST },
  };
  dnnl_primitive_attr_t attr = new_attributes ();
  dnnl_primitive_desc_t hint = NULL;
  dnnl_status_t status = dnnl_success;
  ConvList list = { NULL };
  gboolean ok = FALSE;

  memset (p, 0, sizeof *p);
  if (pass != CPU_FORWARD)
    status = make_hint (dnnl, spec, attr, &hint);
  if (status == dnnl_success)
    status = conv_list_begin (&list, dnnl, pass, spec, hint, attr);
  while (status == dnnl_success && !accepts (implementation_name (list.pd), user))
    if (!conv_list_next (&list))
      status = dnnl_unimplemented;
  if (check (status, "convolution", error)) {
    if (weights)
      *weights = desc_from (dnnl_primitive_desc_query_md (list.pd, queries[pass][1], 0));
    ok = finish_primitive (dnnl, p, list.pd, 3, queries[pass], args[pass], error);
    list.pd = NULL;
    if (!ok && weights)
      cpu_desc_free (weights);
  }
  conv_list_end (&list);
  if (hint)
    dnnl_primitive_desc_destroy (hint);
  dnnl_primitive_attr_destroy (attr);
  return ok;
}

gboolean
cpu_max_pool_new (CpuDnnl *dnnl, CpuPass pass, const CpuConvSpec *s, CpuPrimitive *p,
    gsize *workspace, GError **error)
{
  static const dnnl_query_t queries[2][3] = {
    { dnnl_query_src_md, dnnl_query_dst_md, dnnl_query_workspace_md },
    { dnnl_query_diff_src_md, dnnl_query_diff_dst_md, dnnl_query_workspace_md },
  };
  static const gint args[2][3] = {
    { DNNL_ARG_SRC, DNNL_ARG_DST, DNNL_ARG_WORKSPACE },
    { DNNL_ARG_DIFF_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_WORKSPACE },
  };
  dnnl_primitive_attr_t attr = new_attributes ();
  dnnl_primitive_desc_t forward = NULL, backward = NULL;
  dnnl_dims_t kernel, stride, pad;
  dnnl_status_t status;

  memset (p, 0, sizeof *p);
  for (gint i = 0; i < 3; i++) {
    kernel[i] = s->kernel[i];
    stride[i] = s->stride[i];
    pad[i] = s->pad[i];
  }
#if DNNL_VERSION_MAJOR >= 3
  const dnnl_dims_t dilation = { 0, 0, 0 };

  status =
      dnnl_pooling_forward_primitive_desc_create (&forward, dnnl->engine, dnnl_forward_training,
          dnnl_pooling_max, s->source, s->destination, stride, kernel, dilation, pad, pad, attr);
  if (status == dnnl_success && pass != CPU_FORWARD)
    status = dnnl_pooling_backward_primitive_desc_create (&backward, dnnl->engine, dnnl_pooling_max,
        s->source, s->destination, stride, kernel, dilation, pad, pad, forward, attr);
#else
  dnnl_pooling_desc_t desc;

  status = dnnl_pooling_forward_desc_init (&desc, dnnl_forward_training, dnnl_pooling_max,
      s->source, s->destination, stride, kernel, pad, pad);
  if (status == dnnl_success)
    status = dnnl_primitive_desc_create (&forward, &desc, attr, dnnl->engine, NULL);
  if (status == dnnl_success && pass != CPU_FORWARD)
    status = dnnl_pooling_backward_desc_init (
        &desc, dnnl_pooling_max, s->source, s->destination, stride, kernel, pad, pad);
  if (status == dnnl_success && pass != CPU_FORWARD)
    status = dnnl_primitive_desc_create (&backward, &desc, attr, dnnl->engine, forward);
#endif
  dnnl_primitive_attr_destroy (attr);
  if (status == dnnl_success)
    *workspace = dnnl_memory_desc_get_size (
        dnnl_primitive_desc_query_md (forward, dnnl_query_workspace_md, 0));
  if (forward && pass != CPU_FORWARD)
    dnnl_primitive_desc_destroy (forward);
  if (!check (status, "max pooling", error))
    return FALSE;
  return finish_primitive (dnnl, p, pass == CPU_FORWARD ? forward : backward, 3,
      queries[pass != CPU_FORWARD], args[pass != CPU_FORWARD], error);
}

gboolean
cpu_reorder_new (CpuDnnl *dnnl, CpuDesc from, CpuDesc to, CpuPrimitive *p, GError **error)
{
  static const dnnl_query_t queries[2] = { dnnl_query_src_md, dnnl_query_dst_md };
  static const gint args[2] = { DNNL_ARG_FROM, DNNL_ARG_TO };
  dnnl_primitive_attr_t attr = new_attributes ();
  dnnl_primitive_desc_t pd = NULL;
  const dnnl_status_t status =
      dnnl_reorder_primitive_desc_create (&pd, from, dnnl->engine, to, dnnl->engine, attr);

  memset (p, 0, sizeof *p);
  dnnl_primitive_attr_destroy (attr);
  return check (status, "reorder", error)
      && finish_primitive (dnnl, p, pd, 2, queries, args, error);
}

gboolean
cpu_primitive_run (CpuDnnl *dnnl, CpuPrimitive *p, gpointer a, gpointer b, gpointer c,
    gpointer scratch, GError **error)
{
  const gpointer handles[3] = { a, b, c };

  for (gint i = 0; i < p->n_args; i++)
    dnnl_memory_set_data_handle (p->args[i].memory, handles[i]);
  if (p->scratch)
    dnnl_memory_set_data_handle (p->args[p->n_args].memory, scratch);
  return check (
      dnnl_primitive_execute (p->primitive, dnnl->stream, p->n_args + (p->scratch > 0), p->args),
      "execution", error);
}

void
cpu_primitive_clear (CpuPrimitive *p)
{
  for (guint i = 0; i < G_N_ELEMENTS (p->args); i++)
    if (p->args[i].memory)
      dnnl_memory_destroy (p->args[i].memory);
  if (p->primitive)
    dnnl_primitive_destroy (p->primitive);
  memset (p, 0, sizeof *p);
}

void
cpu_dnnl_forget (void)
{
  int capacity = 0;

  if (dnnl_get_primitive_cache_capacity (&capacity) == dnnl_success
      && dnnl_set_primitive_cache_capacity (0) == dnnl_success)
    dnnl_set_primitive_cache_capacity (capacity);
}
