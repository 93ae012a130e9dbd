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
#define MOST_SHARED 48          /* KB of a block */
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
#endif

static void
switch_to (Fiber *from, Fiber *to)
{
#ifdef __SANITIZE_ADDRESS__
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
    __sanitizer_finish_switch_fiber (from->fake, &scheduler_bottom, &scheduler_size);
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

enum State { WAITING, AT_BARRIER, AT_WARP, READY, ENDED };      /* WAITING: to start */

static struct {
  const CudaShimLaunch *launch;
  int n, started, ended;        /* threads */
  int order[MOST_THREADS];      /* in which they start and continue */
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
} block;

static void
set_thread (int t)
{
  block.thread = t;
  threadIdx.x = t % blockDim.x;
  threadIdx.y = t / blockDim.x % blockDim.y;
  threadIdx.z = t / (blockDim.x * blockDim.y);
}

static void
fiber_main (void)
{
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber (nullptr, &scheduler_bottom, &scheduler_size);
#endif
  for (;;) {
    const int me = block.current;

    while (block.started < block.n) {
      set_thread (block.order[block.started++]);
      block.launch->run (block.launch->arguments);
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
    switch_to (&fibers[me], &scheduler);
  }
}

/* A thread waits and keeps its fiber. */
static void
wait_for (State state)
{
  const int t = block.thread, me = block.current;

  block.state[t] = state;
  block.fiber[t] = me;
  switch_to (&fibers[me], &scheduler);
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

static bool
all_at (int first, int n, State state)
{
  for (int t = first; t < first + n; t++)
    if (block.state[t] != state)
      return false;
  return true;
}

/* Makes threads ready whose wait is over; returns whether there are any. */
static bool
release (void)
{
  bool any = false;

  if (all_at (0, block.n, AT_BARRIER)) {
    for (int t = 0; t < block.n; t++)
      block.state[t] = READY;
    return true;
  }
  for (int first = 0; first + WARP <= block.n; first += WARP)
    if (all_at (first, WARP, AT_WARP)) {
      any = true;
      for (int t = first; t < first + WARP; t++)
        block.state[t] = READY;
    }
  return any;
}

static const char *
run_block (void)
{
  const char *error = nullptr;

  block.started = block.ended = 0;
  memset (block.turn, 0, sizeof block.turn);
  for (int t = 0; t < block.n; t++) {
    block.state[t] = WAITING;
    block.fiber[t] = -1;
  }
  while (block.started < block.n)
    run_fiber (idle[--n_idle]);
  while (block.ended < block.n) {
    if (!release ()) {
      error = block.ended ? "some threads wait at a barrier that others have ended before"
          : "threads wait at different barriers";
      break;
    }
    for (int i = 0; i < block.n; i++)
      if (block.state[block.order[i]] == READY) {
        set_thread (block.order[i]);
        run_fiber (block.fiber[block.order[i]]);
      }
  }
  if (error)                    /* threads that will never continue */
    for (int t = 0; t < block.n; t++)
      if (block.fiber[t] >= 0) {
        fiber_prepare (&fibers[block.fiber[t]]);
        idle[n_idle++] = block.fiber[t];
      }
  size_t bytes = 0;

  for (int i = 0; i < block.n_shared; i++) {
    bytes += block.shared[i].bytes;
    free (block.shared[i].memory);
  }
  block.n_shared = 0;
  if (bytes > MOST_SHARED * 1024)
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
  for (int t = 0; t < block.n; t++)
    block.order[t] = t;
  if (cuda_shim_order) {
    order = static_cast<size_t *> (malloc (n * sizeof *order));
    for (size_t i = 0; i < n; i++)
      order[i] = i;
    shuffle (order, n);
    shuffle (block.order, block.n);
  }
  for (size_t i = 0; i < n && !error; i++) {
    const size_t b = order ? order[i] : i;

    blockIdx = { static_cast<unsigned> (b % gridDim.x), static_cast<unsigned> (b / gridDim.x % gridDim.y),
      static_cast<unsigned> (b / gridDim.x / gridDim.y) };
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
  const int exponent = h >> 10 & 31, mantissa = h & 0x3ff;
  float f;

  if (exponent == 31)
    f = mantissa ? NAN : INFINITY;
  else if (exponent)
    f = ldexpf (static_cast<float> (1024 + mantissa), exponent - 25);
  else
    f = mantissa * 0x1p-24f;
  return h & 0x8000 ? -f : f;
}
