/* kernels.h: the CUDA back end's own kernels: everything but most convolutions, and their check.
 *
 * Each function launches its kernels on a stream and returns a cudaError_t (0: launched). Tensors
 * are (N, D, H, W, C), C padded to a multiple of CUDA_LANES, 16-byte aligned, of one CudaType; a
 * `point` is one (n, d, h, w). Vectors are f32 of C numbers. The order of summation does not depend
 * on which block runs first: the same bits every time.
 *
 * Plain C without CUDA's headers: in the tests the same sources run on a CPU.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_KERNELS_H
#define CNN3D_CUDA_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct CUstream_st *CudaStream; /* a cudaStream_t */

typedef enum {
  CUDA_TYPE_F32, /* convolutions multiply in TF32 where the GPU has it and it is allowed */
  CUDA_TYPE_F16,
  CUDA_TYPE_BF16,
} CudaType;

/* Channels in 16 bytes of FP16: what a thread moves at once, and what tensor
 * cores want a multiple of. */
#define CUDA_LANES 8

/* Parameters that change between passes, in device memory: a recorded pass reads them each time. */
typedef struct {
  const void *frames;    /* (N, V, T, H, W, channels) of frames_type */
  const int32_t *labels; /* (N); NULL: no loss */
  uint64_t seed,
      step;         /* dropout's key: the number of the first sample; the others are consecutive */
  float loss_scale; /* factor on the gradient of the summed loss */
  float label_smoothing;
  const float *class_weights; /* of the loss, (classes); NULL: all 1 */
  const float *points;        /* (N, V, T, M, K, 3): x, y, score; NULL: no key points */
  const uint8_t *present;     /* (N, V), 0: a missing view; NULL: all are present */
} CudaPass;

/* Results of a pass and an update, in device memory. */
typedef struct {
  double loss_sum;
  uint32_t correct;
  double squares; /* of the gradients times gradient_scale; not finite: nothing was updated */
} CudaResults;

/* --- the input --- */

typedef enum {
  CUDA_FRAMES_UINT8, /* normalised: value * scale + shift */
  CUDA_FRAMES_F16,   /* not normalised, like F32 */
  CUDA_FRAMES_F32,
} CudaFrames;

#define CUDA_FRAME_CHANNELS 4 /* at most */

typedef struct {
  CudaFrames frames;
  int channels; /* 1 to CUDA_FRAME_CHANNELS */
  float scale[CUDA_FRAME_CHANNELS], shift[CUDA_FRAME_CHANNELS];
} CudaInput;

/* out (points, CUDA_LANES): frames from point `first` on; missing channels are zero. */
int cuda_input (CudaStream stream, CudaType type, const CudaInput *input, const CudaPass *pass,
    size_t first, size_t points, void *out);

/* Frames' channels, then heat maps of key points. */
typedef struct {
  int points, persons;      /* K, M of pass->points, (N, D, M, K, 3) */
  int depth, height, width; /* of a clip's output */
  int channels;             /* of the output: padded */
  float sigma;              /* pixels */
} CudaHeatmaps;

/* out (N, D, H, W, channels): clips from `first` on; input->channels may be 0. */
int cuda_input_with_points (CudaStream stream, CudaType type, const CudaInput *input,
    const CudaHeatmaps *maps, const CudaPass *pass, size_t first, int clips, void *out);

/* --- a convolution --- */

/* Of 64 channels with 64 kernels of 3x3x3, stride 1, padded by 1, in FP16 or bf16 with sums in f32,
 * for sm_80 and later. Forward, or the gradient of its input, which is the same with other weights;
 * y does not overlap x. A clip's bits do not depend on other clips. */
#define CUDA_CONV3_CHANNELS 64
#define CUDA_CONV3_SHARED 101376               /* bytes of shared memory that a block needs */
#define CUDA_CONV3_ARRANGED (27 * 64 * 64 * 2) /* bytes of arranged weights */
#define CUDA_CONV3_PARTIALS (1024 * 2 * 64)    /* floats of partial sums, at most */

typedef struct {
  CudaType type;
  int clips, depth, height, width;
  /* Vectors; x * scale + shift, then ReLU where `relu`, is read in, each number rounded to `type`;
   * NULL: x itself. */
  const float *scale, *shift;
  int relu;
  int adds; /* to the numbers in y, rounded once */
} CudaConv3;

/* Arranges weights (64, 27, 64), output channel by input channel, for the kernel; backward: for the
 * gradient of the input. */
int cuda_conv3_arrange (CudaStream stream, const void *w, int backward, void *arranged);
/* Floats of partial sums of a convolution. */
size_t cuda_conv3_partials (const CudaConv3 *conv);
/* sum and squares: vectors, of y's numbers as rounded and of their squares; partials: memory to
 * work in; all NULL: none. */
int cuda_conv3 (CudaStream stream, const CudaConv3 *conv, const void *x, const void *arranged,
    void *y, float *partials, float *sum, float *squares);

/* --- batch norm --- */

#define CUDA_NORM_PARTIALS 65536 /* the most pairs of partial sums */
#define CUDA_NORM_POINTS 32      /* the fewest points of a block */

/* Number of blocks along the points: partial sums per channel. */
static inline size_t
cuda_norm_rows (size_t points, size_t channels)
{
  const size_t by_points = (points + CUDA_NORM_POINTS - 1) / CUDA_NORM_POINTS;
  const size_t by_place = (CUDA_NORM_PARTIALS + channels - 1) / channels;

  return by_points < by_place ? by_points : by_place;
}

typedef struct {
  CudaType type;
  size_t points; /* N * D * H * W */
  int channels;  /* padded */
  int relu;
  float eps, momentum;   /* momentum: weight of the batch in the running statistics */
  float *mean, *inverse; /* inverse: 1 / sqrt (var + eps) */
  const float *weight, *bias;
  float *running_mean, *running_var;
} CudaNorm;

/* Sums of (x - x[0]) and of its square, x[0] being the channel's first point, so
 * that a large mean costs no digits: partials [row][2][C]. */
int cuda_norm_statistics (CudaStream stream, const CudaNorm *norm, const void *x, float *partials);
/* Adds up `rows` pairs in double, in order: mean, inverse, and the running statistics (as in
 * PyTorch: the variance unbiased). x: offset of the sums; NULL: they are sums of x itself and of
 * its square. */
int cuda_norm_finish (
    CudaStream stream, const CudaNorm *norm, const void *x, const float *partials, size_t rows);
/* mean and inverse from the running statistics. */
int cuda_norm_running (CudaStream stream, const CudaNorm *norm);
/* scale and shift with (x - mean) * inverse * weight + bias = x * scale + shift. */
int cuda_norm_vectors (CudaStream stream, const CudaNorm *norm, float *scale, float *shift);
/* y = (x - mean) * inverse * weight + bias, + residual (NULL: none), ReLU. mask
 * (NULL: none): one bit a number, 1 where ReLU let it through, a byte for each
 * CUDA_LANES channels of a point, the first the lowest. y may be x or residual. */
int cuda_norm_apply (CudaStream stream, const CudaNorm *norm, const void *x, const void *residual,
    void *y, uint8_t *mask);

/* The gradient behind ReLU, g = dout0 + dout1 (NULL: none), masked by `mask`
 * (NULL: none), or, where by_x, by the sign of the norm's own output. Sums of g
 * and of g (x - mean): partials [row][2][C]. writes: g goes over dout0. */
int cuda_norm_backward_sums (CudaStream stream, const CudaNorm *norm, const void *x, void *dout0,
    const void *dout1, const uint8_t *mask, int by_x, int writes, float *partials);
/* dbias = sum g, dweight = sum g (x - mean) inverse; adds: to the existing values. vectors: a,
 * slope and constant, C numbers each, for the input's gradient
 *   a g + slope (x - mean) + constant
 * batch_statistics: the norm used the batch's own statistics; else slope and constant are 0. Ioffe
 * and Szegedy, "Batch normalization", 2015. */
int cuda_norm_backward_finish (CudaStream stream, const CudaNorm *norm, const float *partials,
    size_t rows, int batch_statistics, float *dweight, float *dbias, int adds, float *vectors);
/* by_x: g is masked by the norm's own output again. din may be x or g. */
int cuda_norm_backward_apply (CudaStream stream, const CudaNorm *norm, const void *x, const void *g,
    int by_x, const float *vectors, void *din);

/* --- pooling --- */

typedef struct {
  CudaType type;
  int clips, channels;                             /* channels: padded */
  int in[3], out[3], kernel[3], stride[3], pad[3]; /* D, H, W */
} CudaPool;

/* index (N, out D, H, W, C), NULL: not kept: which point of its window each
 * output is, counted (d, h, w); a window has at most 255. NaN wins, as in
 * PyTorch; of equals the first. */
int cuda_max_pool (
    CudaStream stream, const CudaPool *pool, const void *in, void *out, uint8_t *index);
/* Each input point adds up, in order, the outputs that it is; dout1 may be NULL. */
int cuda_max_pool_backward (CudaStream stream, const CudaPool *pool, const void *dout0,
    const void *dout1, const uint8_t *index, void *din);

/* Mean over a clip's points: in (N, points, C) -> out (N, C) f32; and back. */
int cuda_global_pool (CudaStream stream, CudaType type, int clips, size_t points, int channels,
    const void *in, float *out);
int cuda_global_pool_backward (CudaStream stream, CudaType type, int clips, size_t points,
    int channels, const float *dout, void *din);

/* --- the head, f32; rows are padded to a multiple of CUDA_LANES --- */

/* out[n, v, c] = in[n, v, c] / (1 - probability), or 0 with `probability`, by the random numbers of
 * (pass->seed, pass->step + n, first + v * draws + c): cnn3d_random_uniform() of
 * CNN3D_RANDOM_DROPOUT. clips: rows, of N samples with `views` each; draws: channels without padding.
 * The backward pass is the same. out may be in. */
int cuda_dropout (CudaStream stream, const CudaPass *pass, int clips, int channels, int views,
    unsigned draws, unsigned first, float probability, const float *in, float *out);

/* Two streams' features: out (N, row) = a's `a_channels`, then
 * b's; and back, where either may be NULL. */
typedef struct {
  int clips, a_channels, b_channels, a_row, b_row, row;
} CudaConcat;
int cuda_concat (
    CudaStream stream, const CudaConcat *concat, const float *a, const float *b, float *out);
int cuda_concat_backward (
    CudaStream stream, const CudaConcat *concat, const float *dout, float *da, float *db);

/* out = (a + b) / 2, n numbers; and back, where either may be NULL. */
int cuda_mean (CudaStream stream, size_t n, const float *a, const float *b, float *out);
int cuda_mean_backward (CudaStream stream, size_t n, const float *dout, float *da, float *db);

typedef enum {
  CUDA_VIEWS_MEAN,
  CUDA_VIEWS_PROBABILITIES, /* the logarithm of the mean of the softmaxes */
  CUDA_VIEWS_CONCAT,
} CudaViewFusion;

/* A sample's views become one row: in (N, views, row) -> out (N, out_row). Views that
 * cnn3d_view_mask() leaves out do not count in a mean, and are zeros in a concatenation. */
typedef struct {
  CudaViewFusion fusion;
  int samples, views, channels; /* channels: of one view, without padding */
  int row, out_row;
  float dropout; /* of views */
} CudaViews;
int cuda_views (
    CudaStream stream, const CudaViews *views, const CudaPass *pass, const float *in, float *out);
/* in: for probabilities; else NULL. */
int cuda_views_backward (CudaStream stream, const CudaViews *views, const CudaPass *pass,
    const float *in, const float *dout, float *din);

/* out (N, out_row) = x (N, in_row) w (classes, in_row) + bias; columns from
 * `classes` on are 0. */
int cuda_linear (CudaStream stream, int clips, int in_row, int classes, int out_row, const float *x,
    const float *w, const float *bias, float *out);
int cuda_linear_weights (CudaStream stream, int clips, int in_row, int classes, int out_row,
    const float *x, const float *dout, float *dw, float *dbias, int adds);
int cuda_linear_data (CudaStream stream, int clips, int in_row, int classes, int out_row,
    const float *dout, const float *w, float *din);

/* Softmax cross-entropy, summed over the clips, and how many largest logits (of
 * equals the first) are the label's, into results; with smoothing e the target is
 * 1 - e at the label plus e / K everywhere (Szegedy et al. 2016; as
 * torch.nn.CrossEntropyLoss), and each class's part of it counts so often as its
 * weight says. dlogits (NULL: none): gradient of the sum times
 * pass->loss_scale, 0 behind the classes. per_clip: 2 * clips floats to work in. */
int cuda_loss (CudaStream stream, const CudaPass *pass, int clips, int classes, int row,
    const float *logits, float *dlogits, float *per_clip, CudaResults *results);

/* --- checking convolutions --- */

typedef enum {
  CUDA_CONV_FORWARD,
  CUDA_CONV_DATA,    /* gradient of its input */
  CUDA_CONV_WEIGHTS, /* gradient of its weights */
} CudaConvDirection;

/* On tensors (N, D, H, W, C) with weights (O, kD, kH, kW, I), all without gaps
 * and of one type; sums are f32. */
typedef struct {
  CudaType type;
  int batch, in_channels, out_channels;
  int in[3], kernel[3], stride[3], pad[3]; /* D, H, W; pad: before and after */
} CudaConv;

/* Points of one axis of the output. */
#ifdef __CUDACC__
__host__ __device__
#endif
    static inline int
    cuda_conv_out (const CudaConv *c, unsigned axis)
{
  return (c->in[axis] + 2 * c->pad[axis] - c->kernel[axis]) / c->stride[axis] + 1;
}

#define CUDA_CHECK_SAMPLES 256 /* numbers of a result that are compared */
#define CUDA_CHECK_CHANNELS 8  /* of which the sums are */

/* A result to be compared with the definition. */
typedef struct {
  CudaConv conv;
  CudaConvDirection direction;
  size_t numbers; /* of the result */
  double terms;   /* of one of its numbers */
  float rounding; /* relative, of factors and result */
  float least;    /* error of the smallest numbers */
  float most;     /* from which on a number may overflow: not compared */
} CudaCheck;

typedef struct {
  double value[CUDA_CHECK_SAMPLES];
  float tolerance[CUDA_CHECK_SAMPLES];                     /* NaN: not compared */
  float off[CUDA_CHECK_SAMPLES + 2 * CUDA_CHECK_CHANNELS]; /* differences, in tolerances */
} CudaCheckResults;

/* value and tolerance: of a plain sum in double, and what rounding may do to one in f32 in any
 * order. The result itself (y, x or w) is not read. */
int cuda_check_expect (CudaStream stream, const CudaCheck *check, const void *x, const void *y,
    const void *w, CudaCheckResults *results);
/* off: of a result that was added `times` times to zero. */
int cuda_check_compare (CudaStream stream, const CudaCheck *check, const void *result, int times,
    CudaCheckResults *results);
/* The last of off: a convolution's sums of y and of its square. */
int cuda_check_sums (CudaStream stream, const CudaCheck *check, const void *y, const float *sum,
    const float *squares, CudaCheckResults *results);

/* --- weights --- */

/* f32 -> type; n: a multiple of CUDA_LANES. */
int cuda_convert (CudaStream stream, CudaType type, size_t n, const float *from, void *to);
/* A gradient of `type` -> f32; adds: to what is there. */
int cuda_add_gradient (
    CudaStream stream, CudaType type, size_t n, const void *from, float *to, int adds);

/* A stretch of the weights' layout; all are multiples of 16 floats, in order,
 * without gaps. */
typedef struct {
  size_t first, length; /* floats */
  size_t copy;          /* where its copy of `type` lies, bytes; CUDA_NO_COPY */
  int trained;
} CudaSegment;
#define CUDA_NO_COPY SIZE_MAX

typedef enum {
  CUDA_RULE_SGD,
  CUDA_RULE_ADAM,
  CUDA_RULE_ADAMW,
} CudaRule;

/* Parameters of an optimizer step, in device memory. */
typedef struct {
  CudaRule rule;
  float lr, momentum, beta1, beta2, eps, weight_decay;
  float gradient_scale; /* factor on the gradient, applied first */
  float rate, root;     /* Adam: lr / (1 - beta1^t), 1 / sqrt (1 - beta2^t) */
  float clip;           /* the largest global norm; 0: any */
  int checks; /* nothing is updated unless results->squares is finite; clip needs it too */
} CudaUpdate;

/* One table of segments and what belongs to it; arrays begin where the layout
 * does, but for gradients and state, which end with the trained part. */
typedef struct {
  CudaType type;               /* of the copy */
  const CudaSegment *segments; /* device */
  int n_segments;
  float *weights;
  void *copy;            /* NULL: none is kept */
  float *first, *second; /* momentum; Adam's moments. NULL where the rule has none */
} CudaWeights;

/* A range of floats that trains as a whole; all are multiples of CUDA_LANES. Its squares are added up
 * in pieces of CUDA_PIECE floats, counted over all stretches in order: the order of the sum does not
 * depend on how many processes share the pieces. */
typedef struct {
  size_t first, n;
  size_t piece; /* the first one */
} CudaStretch;
#define CUDA_PIECE 16384

/* pieces: sums of the squares of gradients, in double, of n_pieces pieces from first_piece on. gradients
 * begin at float `from` of the layout. */
int cuda_square_pieces (CudaStream stream, const CudaStretch *stretches, int n_stretches,
    size_t first_piece, size_t n_pieces, const float *gradients, size_t from, double *pieces);
/* results->squares: of all gradients times update->gradient_scale: pieces in order, then stretches.
 * pieces: one double each to work in. */
int cuda_squares (CudaStream stream, const CudaStretch *stretches, int n_stretches, size_t n_pieces,
    const CudaUpdate *update, const float *gradients, double *pieces, CudaResults *results);
/* torch.optim's SGD (dampening 0, no Nesterov), Adam and AdamW (no amsgrad) on
 * the trained numbers of [first, first + n) (multiples of 16), in one launch;
 * `gradients` begins at `first`. Their copies are written too. */
int cuda_update (CudaStream stream, const CudaWeights *weights, const CudaUpdate *update,
    size_t first, size_t n, const float *gradients, const CudaResults *results);

#ifdef __cplusplus
}
#endif
#endif
