/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/cuda/shim/shim.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#if !defined __x86_64__
#include <ucontext.h>
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#define WARP 32
#define MOST_THREADS 1024
#define MOST_SHARED 48          /* KB of a block's arrays */
#define MOST_DYNAMIC 227        /* KB together with what a launch asks for: sm_90 */
#define MOST_TAGS 8
#define STACK_BYTES (128 * 1024)

/* of cudaError_t */
#define INVALID_CONFIGURATION 9
#define LAUNCH_FAILURE 719

uint3 gridDim, blockDim, blockIdx, threadIdx;
uint64_t cuda_shim_order;
const char *cuda_shim_launcher;
int (*cuda_shim_fails) (void);
int (*cuda_shim_takes) (const CudaShimLaunch *launch);
const char *cuda_shim_error;

/* --- fibers --- */

/* The scheduler, or a fiber: it runs threads one after another until one must wait, which keeps the
 * fiber, and the next fiber continues. A kernel whose threads never wait needs only one. */
struct Fiber {
  void *stack;
#ifdef __x86_64__
  void *top;                    /* where its registers were saved */
#else
  ucontext_t context;
#endif
#ifdef __SANITIZE_ADDRESS__
  void *fake;
#endif
};

static Fiber scheduler, fibers[MOST_THREADS];
static int idle[MOST_THREADS], n_idle = -1;

#ifdef __x86_64__
extern "C" void cuda_shim_switch (void **from, void *to);

/* Pushes the callee-saved registers to the old stack and pops them from the new one. */
asm (".text\n"
    ".globl cuda_shim_switch\n"
    ".hidden cuda_shim_switch\n"
    ".type cuda_shim_switch, @function\n"
    "cuda_shim_switch:\n"
    "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
    "  movq %rsp, (%rdi)\n"
    "  movq %rsi, %rsp\n"
    "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n"
    "  ret\n"
    ".size cuda_shim_switch, . - cuda_shim_switch\n");
#endif

#ifdef __SANITIZE_ADDRESS__
static const void *scheduler_bottom;
static size_t scheduler_size;
static bool from_scheduler;

/* On a fiber's stack. */
static void
arrive_on_fiber (void *fake)
{
  __sanitizer_finish_switch_fiber (
      fake, from_scheduler ? &scheduler_bottom : nullptr, from_scheduler ? &scheduler_size : nullptr);
}
#endif

static void
switch_to (Fiber *from, Fiber *to)
{
#ifdef __SANITIZE_ADDRESS__
  from_scheduler = from == &scheduler;
  if (to == &scheduler)
    __sanitizer_start_switch_fiber (&from->fake, scheduler_bottom, scheduler_size);
  else
    __sanitizer_start_switch_fiber (&from->fake, to->stack, STACK_BYTES);
#endif
#ifdef __x86_64__
  cuda_shim_switch (&from->top, to->top);
#else
  swapcontext (&from->context, &to->context);
#endif
#ifdef __SANITIZE_ADDRESS__
  if (from == &scheduler)
    __sanitizer_finish_switch_fiber (from->fake, nullptr, nullptr);
  else
    arrive_on_fiber (from->fake);
#endif
}

static void fiber_main (void);

static void
fiber_prepare (Fiber *f)
{
  if (!f->stack)
    f->stack = mmap (nullptr, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (f->stack == MAP_FAILED)
    abort ();                   /* out of memory */
#ifdef __SANITIZE_ADDRESS__
  __asan_unpoison_memory_region (f->stack, STACK_BYTES);
  f->fake = nullptr;
#endif
#ifdef __x86_64__
  /* not all at the same offset in a page, which would cause cache conflicts */
  const size_t end = STACK_BYTES - (f - fibers) % 128 * 256;
  void **top = reinterpret_cast<void **> (static_cast<char *> (f->stack) + end) - 1;

  *top = nullptr;               /* fiber_main never returns */
  *--top = reinterpret_cast<void *> (fiber_main);
  for (int i = 0; i < 6; i++)
    *--top = nullptr;
  f->top = top;
#else
  getcontext (&f->context);
  f->context.uc_stack.ss_sp = f->stack;
  f->context.uc_stack.ss_size = STACK_BYTES;
  f->context.uc_link = nullptr;
  makecontext (&f->context, fiber_main, 0);
#endif
}

/* --- a block --- */

enum State { WAITING, AT_BARRIER, AT_WARP, ENDED };      /* WAITING: to start */

/* A copy on its way, and the group that it belongs to. */
struct Copy {
  void *to;
  const void *from;             /* NULL: zeros */
  unsigned group;
};

#define MOST_COPIES 128         /* of a thread, on their way */
#define MOST_TOUCHES 256        /* of a thread, between two waits */
#define N_KINDS 3               /* of counted accesses: those of single threads */

/* What a warp's threads lay open to one another: matrices as they are multiplied, rows to be loaded. */
struct Warp {
  double a[16][16];
  alignas (16) double b[16][8];
  const void *rows[WARP];
};

static struct {
  const CudaShimLaunch *launch;
  int n, started, ended;        /* threads */
  int order[MOST_THREADS];      /* in which they start and continue */
  int by_warp[MOST_THREADS];    /* the same, warp after warp */
  State state[MOST_THREADS];
  int fiber[MOST_THREADS];
  int thread;                   /* the running one, and its fiber */
  int current;
  uint64_t exchange[2][MOST_THREADS];
  uint8_t turn[MOST_THREADS];
  struct {
    int tag;
    size_t bytes;
    void *memory;
  } shared[MOST_TAGS];
  int n_shared;
  void *dynamic;
  Warp warps[2][MOST_THREADS / WARP];
  Copy copies[MOST_THREADS][MOST_COPIES];
  int n_copies[MOST_THREADS];
  unsigned group[MOST_THREADS]; /* that the next copy belongs to */
  bool leaves_copies;
  const void *touches[N_KINDS][MOST_THREADS][MOST_TOUCHES];
  int n_touches[N_KINDS][MOST_THREADS];
  bool touches_any;
} block;

static uint3 places[MOST_THREADS];      /* of a launch's threads: divisions for each turn take long */

static void
set_thread (int t)
{
  block.thread = t;
  threadIdx = places[t];
}

static const int *next_turn, *last_turn; /* waiting threads, to be resumed one after another */

/* To the next thread's fiber, or the scheduler. */
static void
give_way (Fiber *from)
{
  Fiber *to = &scheduler;

  if (next_turn < last_turn) {
    set_thread (*next_turn++);
    block.current = block.fiber[block.thread];
    to = &fibers[block.current];
  }
  switch_to (from, to);
}

static void
fiber_main (void)
{
#ifdef __SANITIZE_ADDRESS__
  arrive_on_fiber (nullptr);
#endif
  for (;;) {
    const int me = block.current;

    while (block.started < block.n) {
      set_thread (block.order[block.started++]);
      block.launch->run (block.launch->arguments);
      block.leaves_copies |= block.n_copies[block.thread] > 0;
      block.state[block.thread] = ENDED;
      block.ended++;
      if (block.current != me)
        abort ();               /* a bug in the scheduler */
      if (block.fiber[block.thread] >= 0)
        break;                  /* it has waited: others continue first */
    }
    if (block.fiber[block.thread] >= 0)
      block.fiber[block.thread] = -1;
    idle[n_idle++] = me;
    give_way (&fibers[me]);
  }
}

/* A thread waits and keeps its fiber. */
static void
wait_for (State state)
{
  const int t = block.thread, me = block.current;

  block.state[t] = state;
  block.fiber[t] = me;
  give_way (&fibers[me]);
}

static void
run_fiber (int i)
{
  block.current = i;
  switch_to (&scheduler, &fibers[i]);
}

void
__syncthreads (void)
{
  wait_for (AT_BARRIER);
}

uint64_t
cuda_shim_exchange (uint64_t value, int lane_mask)
{
  const int t = block.thread, turn = block.turn[t] ^= 1;

  /* two buffers: no thread can be two exchanges ahead */
  block.exchange[turn][t] = value;
  wait_for (AT_WARP);
  return block.exchange[turn][t ^ lane_mask];
}

void *
cuda_shim_shared (int tag, size_t bytes)
{
  for (int i = 0; i < block.n_shared; i++)
    if (block.shared[i].tag == tag)
      return block.shared[i].memory;
  if (block.n_shared == MOST_TAGS)
    abort ();                   /* more arrays than any kernel has */

  void *memory = aligned_alloc (16, (bytes + 15) / 16 * 16);

  if (!memory)
    abort ();
  memset (memory, 0xff, bytes);
  block.shared[block.n_shared++] = { tag, bytes, memory };
  return memory;
}

void *
cuda_shim_dynamic (void)
{
  const size_t bytes = block.launch->shared;

  if (!block.dynamic) {
    block.dynamic = aligned_alloc (128, (bytes + 127) / 128 * 128);
    if (!block.dynamic)
      abort ();
    memset (block.dynamic, 0xff, bytes);
  }
  return block.dynamic;
}

/* --- banks --- */

CudaShimCounts cuda_shim_counts;

/* Accesses of up to 8 threads to 16 bytes each, which go together unless two want different data from the same
 * banks. */
static void
count_phases (CudaShimBanks *banks, const void *const *addresses, int n)
{
  const void *seen[8][8];
  int n_seen[8] = { 0 }, most = 0;

  for (int i = 0; i < n; i++) {
    const int quad = reinterpret_cast<uintptr_t> (addresses[i]) / 16 % 8;
    int k = 0;

    while (k < n_seen[quad] && seen[quad][k] != addresses[i])
      k++;
    if (k < n_seen[quad])
      continue;
    seen[quad][n_seen[quad]++] = addresses[i];
    most = n_seen[quad] > most ? n_seen[quad] : most;
  }
  banks->phases += most;
  banks->conflicts += most - 1;
}

/* The k-th access of each thread since the last wait is taken for the same instruction. */
static void
count_touches (int first, int n)
{
  if (!block.touches_any)
    return;
  for (int kind = 0; kind < N_KINDS; kind++)
    for (int lane = first; lane < first + n; lane += 8) {
      int most = 0;

      for (int t = lane; t < lane + 8 && t < first + n; t++)
        most = block.n_touches[kind][t] > most ? block.n_touches[kind][t] : most;
      for (int k = 0; k < most; k++) {
        const void *addresses[8];
        int together = 0;

        for (int t = lane; t < lane + 8 && t < first + n; t++)
          if (k < block.n_touches[kind][t])
            addresses[together++] = block.touches[kind][t][k];
        count_phases (&cuda_shim_counts.banks[kind], addresses, together);
      }
      for (int t = lane; t < lane + 8 && t < first + n; t++)
        block.n_touches[kind][t] = 0;
    }
}

void
cuda_shim_touch (CudaShimAccess kind, const void *address)
{
  const int t = block.thread;

  if (block.n_touches[kind][t] == MOST_TOUCHES || reinterpret_cast<uintptr_t> (address) % 16)
    abort ();                   /* more than any kernel does, or an address that no GPU takes */
  block.touches_any = true;
  block.touches[kind][t][block.n_touches[kind][t]++] = address;
}

/* --- asynchronous copies --- */

void
cuda_shim_copy (void *to, const void *from)
{
  const int t = block.thread;

  if (block.n_copies[t] == MOST_COPIES || reinterpret_cast<uintptr_t> (from) % 16)
    abort ();
  cuda_shim_touch (CUDA_SHIM_COPIES, to);
  cuda_shim_counts.bytes_copied += from ? 16 : 0;
  memset (to, 0xff, 16);
  block.copies[t][block.n_copies[t]++] = { to, from, block.group[t] };
}

void
cuda_shim_commit (void)
{
  block.group[block.thread]++;
}

void
cuda_shim_wait (unsigned groups)
{
  const int t = block.thread;
  int left = 0;

  for (int i = 0; i < block.n_copies[t]; i++) {
    const Copy copy = block.copies[t][i];

    if (copy.group + groups >= block.group[t])
      block.copies[t][left++] = copy;
    else if (copy.from)
      memcpy (copy.to, copy.from, 16);
    else
      memset (copy.to, 0, 16);
  }
  block.n_copies[t] = left;
}

/* --- what a warp does together --- */

/* Exponents shifted by a product, which makes subnormals right, too. */
static inline float
from_half (unsigned h)
{
  const float f = __uint_as_float ((h & 0x7fff) << 13 | (h & 0x8000) << 16);

  if ((h & 0x7c00) == 0x7c00)
    return h & 0x3ff ? NAN : h & 0x8000 ? -INFINITY : INFINITY;
  return f * 0x1p112f;
}

/* The lower half of a word. */
static inline double
number_of (CudaType type, uint32_t word)
{
  return type == CUDA_TYPE_BF16 ? __uint_as_float (word << 16) : from_half (word & 0xffff);
}

static Warp *
next_warp (void)
{
  const int t = block.thread;

  return &block.warps[block.turn[t] ^= 1][t / WARP];
}

/* The layout of the fragments is that of the PTX manual's "Matrix fragments for mma.m16n8k16". */
void
cuda_shim_multiply (CudaType type, float *d, const uint32_t *a, const uint32_t *b)
{
  Warp *const warp = next_warp ();
  const int lane = block.thread % WARP, row = lane / 4, pair = lane % 4 * 2;

  for (int i = 0; i < 4; i++)
    for (int half = 0; half < 2; half++)
      warp->a[row + i % 2 * 8][pair + i / 2 * 8 + half] = number_of (type, a[i] >> 16 * half);
  for (int i = 0; i < 2; i++)
    for (int half = 0; half < 2; half++)
      warp->b[pair + i * 8 + half][row] = number_of (type, b[i] >> 16 * half);
  wait_for (AT_WARP);
  cuda_shim_counts.multiplications += lane == 0;

  /* of two columns; even and odd k apart, to be added up beside one another */
  typedef double Two __attribute__ ((vector_size (16)));
  const double *const upper = warp->a[row], *const lower = warp->a[row + 8];
  Two up = { d[0], d[1] }, low = { d[2], d[3] }, up_odd = { 0, 0 }, low_odd = { 0, 0 };

  for (int k = 0; k < 16; k += 2) {
    const Two even = *reinterpret_cast<const Two *> (&warp->b[k][pair]);
    const Two odd = *reinterpret_cast<const Two *> (&warp->b[k + 1][pair]);

    up += upper[k] * even;
    low += lower[k] * even;
    up_odd += upper[k + 1] * odd;
    low_odd += lower[k + 1] * odd;
  }
  up += up_odd;
  low += low_odd;
  for (int i = 0; i < 2; i++) {
    d[i] = static_cast<float> (up[i]);
    d[2 + i] = static_cast<float> (low[i]);
  }
}

void
cuda_shim_load_matrices (int n, bool transposed, uint32_t *words, const void *row)
{
  Warp *const warp = next_warp ();
  const int lane = block.thread % WARP;

  if (reinterpret_cast<uintptr_t> (row) % 16)
    abort ();
  warp->rows[lane] = row;
  wait_for (AT_WARP);
  for (int i = 0; i < n; i++) {
    const void *const *const rows = warp->rows + 8 * i;

    if (lane == 0)
      count_phases (&cuda_shim_counts.banks[CUDA_SHIM_MATRICES], rows, 8);
    if (!transposed)
      words[i] = static_cast<const uint32_t *> (rows[lane / 4])[lane % 4];
    else
      words[i] = static_cast<const uint16_t *> (rows[lane % 4 * 2])[lane / 4]
          | static_cast<uint32_t> (static_cast<const uint16_t *> (rows[lane % 4 * 2 + 1])[lane / 4]) << 16;
  }
}

/* --- scheduling --- */

static bool
all_at (int first, int n, State state)
{
  for (int t = first; t < first + n; t++)
    if (block.state[t] != state)
      return false;
  return true;
}

/* Runs threads that wait, in the given order, each until its next wait or end. */
static void
resume (const int *threads, int n)
{
  next_turn = threads;
  last_turn = threads + n;
  give_way (&scheduler);
}

/* One warp after another runs until it waits for the others: as far apart as barriers allow, so that
 * one that is missing shows. past_barrier: all wait there. */
static void
run_warps (bool past_barrier)
{
  for (int i = 0, n; i < block.n; i += n) {
    const int first = block.by_warp[i] / WARP * WARP;

    n = first + WARP < block.n ? WARP : block.n - first;

    for (bool resumes = past_barrier; resumes || (n == WARP && all_at (first, n, AT_WARP)); resumes = false) {
      count_touches (first, n);
      resume (block.by_warp + i, n);
    }
  }
}

static const char *
run_block (void)
{
  const char *error = nullptr;

  block.started = block.ended = 0;
  block.leaves_copies = block.touches_any = false;
  for (int t = 0; t < block.n; t++) {
    block.state[t] = WAITING;
    block.fiber[t] = -1;
    block.turn[t] = 0;
    block.n_copies[t] = 0;
    block.group[t] = 0;
    for (int kind = 0; kind < N_KINDS; kind++)
      block.n_touches[kind][t] = 0;
  }
  while (block.started < block.n)
    run_fiber (idle[--n_idle]);
  while (block.ended < block.n) {
    run_warps (all_at (0, block.n, AT_BARRIER));
    if (block.ended < block.n && !all_at (0, block.n, AT_BARRIER)) {
      error = block.ended ? "some threads wait at a barrier that others have ended before"
          : "threads wait at different barriers";
      break;
    }
  }
  if (error)                    /* threads that will never continue */
    for (int t = 0; t < block.n; t++)
      if (block.fiber[t] >= 0) {
        fiber_prepare (&fibers[block.fiber[t]]);
        idle[n_idle++] = block.fiber[t];
      }
  count_touches (0, block.n);
  if (!error && block.leaves_copies)
    error = "a thread ended before its asynchronous copies";

  size_t bytes = 0;

  for (int i = 0; i < block.n_shared; i++) {
    bytes += block.shared[i].bytes;
    free (block.shared[i].memory);
  }
  block.n_shared = 0;
  free (block.dynamic);
  block.dynamic = nullptr;
  if (bytes > MOST_SHARED * 1024 || bytes + block.launch->shared > MOST_DYNAMIC * 1024)
    error = "more shared memory than a block may have";
  return error;
}

/* --- launches --- */

static uint64_t
next_random (uint64_t *state)
{
  uint64_t z = *state += 0x9E3779B97F4A7C15u;   /* splitmix64: Steele et al., OOPSLA 2014 */

  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

template <typename Number> static void
shuffle (Number *numbers, size_t n)
{
  for (size_t i = n; i > 1; i--) {
    const size_t other = next_random (&cuda_shim_order) % i;
    const Number kept = numbers[i - 1];

    numbers[i - 1] = numbers[other];
    numbers[other] = kept;
  }
}

/* Warps in the order of their first threads. */
static void
order_warps (void)
{
  bool done[MOST_THREADS / WARP] = { false };
  int n = 0;

  for (int i = 0; i < block.n; i++) {
    const int warp = block.order[i] / WARP;

    if (done[warp])
      continue;
    done[warp] = true;
    for (int k = i; k < block.n; k++)
      if (block.order[k] / WARP == warp)
        block.by_warp[n++] = block.order[k];
  }
}

static int
run_blocks (const CudaShimLaunch *launch)
{
  const size_t n = static_cast<size_t> (launch->blocks[0]) * launch->blocks[1] * launch->blocks[2];
  size_t *order = nullptr;
  const char *error = nullptr;

  block.launch = launch;
  block.n = launch->threads[0] * launch->threads[1] * launch->threads[2];
  gridDim = { launch->blocks[0], launch->blocks[1], launch->blocks[2] };
  blockDim = { launch->threads[0], launch->threads[1], launch->threads[2] };
  for (unsigned t = 0; t < static_cast<unsigned> (block.n); t++) {
    block.order[t] = t;
    places[t] = { t % blockDim.x, t / blockDim.x % blockDim.y, t / (blockDim.x * blockDim.y) };
  }
  if (cuda_shim_order) {
    order = static_cast<size_t *> (malloc (n * sizeof *order));
    for (size_t i = 0; i < n; i++)
      order[i] = i;
    shuffle (order, n);
  }
  order_warps ();
  for (size_t i = 0; i < n && !error; i++) {
    const size_t b = order ? order[i] : i;

    blockIdx = { static_cast<unsigned> (b % gridDim.x), static_cast<unsigned> (b / gridDim.x % gridDim.y),
      static_cast<unsigned> (b / gridDim.x / gridDim.y) };
    if (order) {
      shuffle (block.order, block.n);
      order_warps ();
    }
    error = run_block ();
  }
  free (order);
  if (!error)
    return 0;
  cuda_shim_error = error;
  return LAUNCH_FAILURE;
}

int
cuda_shim_run (const CudaShimLaunch *launch)
{
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  const uint64_t threads = static_cast<uint64_t> (launch->threads[0]) * launch->threads[1] * launch->threads[2];
  int error;

  if (!launch->blocks[0] || !launch->blocks[1] || !launch->blocks[2] || launch->blocks[0] > INT32_MAX
      || launch->blocks[1] > 65535 || launch->blocks[2] > 65535 || !threads || threads > MOST_THREADS) {
    cuda_shim_error = "numbers of blocks or threads that no GPU takes";
    return INVALID_CONFIGURATION;
  }
  pthread_mutex_lock (&lock);
  if (n_idle < 0)
    for (n_idle = 0; n_idle < MOST_THREADS; n_idle++) {
      fiber_prepare (&fibers[n_idle]);
      idle[n_idle] = n_idle;
    }
  error = run_blocks (launch);
  pthread_mutex_unlock (&lock);
  return error;
}

int
cuda_shim_launch_plain (const CudaShimLaunch *launch)
{
  const int error = cuda_shim_fails ? cuda_shim_fails () : 0;

  if (error)
    return error;
  if (cuda_shim_takes && cuda_shim_takes (launch))
    return 0;
  return cuda_shim_run (launch);
}

/* --- numbers --- */

/* The value in units of the last kept place, rounded in double by rint(), which rounds halves to
 * even. */
uint16_t
cuda_shim_to_half (float f)
{
  const uint16_t sign = __float_as_uint (f) >> 16 & 0x8000;
  const double size = fabs (static_cast<double> (f));
  int exponent;

  if (f != f)
    return 0x7fff;
  if (size >= 65520)
    return sign | 0x7c00;
  if (size < 0x1p-14)           /* subnormals, and values that round up from them */
    return sign | static_cast<uint16_t> (rint (size * 0x1p24));
  frexp (size, &exponent);      /* size = [0.5, 1) * 2^exponent */
  /* 1024 to 2048 units; 2048 of them carry into the exponent */
  return sign | static_cast<uint16_t> (((exponent + 13) << 10) + static_cast<int> (rint (ldexp (size, 11 - exponent))));
}

float
cuda_shim_from_half (uint16_t h)
{
  return from_half (h);
}
