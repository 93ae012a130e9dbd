/* order.c: makes synchronisation visible that the thread sanitizer cannot see in libraries built
 * without it: GLib's mutexes and conditions are futexes, its queues lock by themselves, and so do
 * OpenMP's teams. These functions replace the libraries' own and call them; they are linked into
 * every test of a build with -Db_sanitize=thread.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <gst/gst.h>

#ifndef __SANITIZE_THREAD__
#error this is for builds with -Db_sanitize=thread
#endif

/* Symbols of the executable take precedence over all libraries'. */
#define EXPORTED __attribute__ ((visibility ("default"), no_sanitize ("thread")))
#define FIND(variable, function)          \
  static __typeof__ (function) *variable; \
  if (!variable)                          \
  variable = (__typeof__ (function) *) dlsym (RTLD_NEXT, #function)
#define REAL(function) FIND (real, function)

/* from the sanitizer's run time, without a header in GCC */
void __tsan_acquire (void *address);
void __tsan_release (void *address);

EXPORTED void (g_mutex_lock) (GMutex *mutex)
{
  REAL (g_mutex_lock);
  real (mutex);
  __tsan_acquire (mutex);
}

EXPORTED
gboolean (g_mutex_trylock) (GMutex *mutex)
{
  gboolean locked;

  REAL (g_mutex_trylock);
  locked = real (mutex);
  if (locked)
    __tsan_acquire (mutex);
  return locked;
}

EXPORTED void (g_mutex_unlock) (GMutex *mutex)
{
  REAL (g_mutex_unlock);
  __tsan_release (mutex);
  real (mutex);
}

EXPORTED void (g_cond_wait) (GCond *cond, GMutex *mutex)
{
  REAL (g_cond_wait);
  __tsan_release (mutex);
  real (cond, mutex);
  __tsan_acquire (mutex);
}

EXPORTED
gboolean (g_cond_wait_until) (GCond *cond, GMutex *mutex, gint64 end)
{
  gboolean woken;

  REAL (g_cond_wait_until);
  __tsan_release (mutex);
  woken = real (cond, mutex, end);
  __tsan_acquire (mutex);
  return woken;
}

EXPORTED void (g_async_queue_push) (GAsyncQueue *queue, gpointer data)
{
  REAL (g_async_queue_push);
  __tsan_release (queue);
  real (queue, data);
}

EXPORTED void (g_async_queue_push_front) (GAsyncQueue *queue, gpointer data)
{
  REAL (g_async_queue_push_front);
  __tsan_release (queue);
  real (queue, data);
}

EXPORTED
gpointer (g_async_queue_pop) (GAsyncQueue *queue)
{
  gpointer data;

  REAL (g_async_queue_pop);
  data = real (queue);
  __tsan_acquire (queue);
  return data;
}

/* Dropping the last reference happens after all earlier drops. */
EXPORTED void (g_object_unref) (gpointer object)
{
  REAL (g_object_unref);
  __tsan_acquire (object);
  __tsan_release (object);
  real (object);
}

EXPORTED void (gst_mini_object_unref) (GstMiniObject *object)
{
  REAL (gst_mini_object_unref);
  __tsan_acquire (object);
  __tsan_release (object);
  real (object);
}

/* GStreamer's own of these two drop references without the function above. */
EXPORTED
GstMiniObject *(gst_mini_object_make_writable) (GstMiniObject *object)
{
  GstMiniObject *new_object;
  FIND (is_writable, gst_mini_object_is_writable);
  FIND (copy, gst_mini_object_copy);

  if (is_writable (object)) {
    __tsan_acquire (object);
    return object;
  }
  new_object = copy (object);
  gst_mini_object_unref (object);
  return new_object;
}

EXPORTED
gboolean (gst_mini_object_replace) (GstMiniObject **place, GstMiniObject *object)
{
  GstMiniObject *old;
  gboolean replaced;
  REAL (gst_mini_object_replace);
  FIND (ref, gst_mini_object_ref);

  old = *place ? ref (*place) : NULL;
  replaced = real (place, object);
  if (old)
    gst_mini_object_unref (old);
  return replaced;
}

/* --- initialization, once --- */

EXPORTED void (g_once_init_leave) (volatile void *location, gsize result)
{
  REAL (g_once_init_leave);
  __tsan_release ((void *) location);
  real (location, result);
}

/* --- locks in GStreamer's streams --- */

EXPORTED void (g_rec_mutex_lock) (GRecMutex *mutex)
{
  REAL (g_rec_mutex_lock);
  real (mutex);
  __tsan_acquire (mutex);
}

EXPORTED
gboolean (g_rec_mutex_trylock) (GRecMutex *mutex)
{
  gboolean locked;

  REAL (g_rec_mutex_trylock);
  locked = real (mutex);
  if (locked)
    __tsan_acquire (mutex);
  return locked;
}

EXPORTED void (g_rec_mutex_unlock) (GRecMutex *mutex)
{
  REAL (g_rec_mutex_unlock);
  __tsan_release (mutex);
  real (mutex);
}

/* --- OpenMP, as GCC calls it --- */

/* libgomp is loaded by a module, with symbols of its own. */
#define REAL_GOMP(function)           \
  static __typeof__ (function) *real; \
  if (!real)                          \
  real = (__typeof__ (function) *) dlsym (dlopen ("libgomp.so.1", RTLD_LAZY), #function)

typedef struct {
  void (*function) (void *data);
  void *data;
} Team;

__attribute__ ((no_sanitize ("thread"))) static void
run_member (void *data)
{
  Team *team = data;

  __tsan_acquire (team);
  team->function (team->data);
  __tsan_release (team);
}

void GOMP_parallel (void (*function) (void *), void *data, unsigned threads, unsigned flags);
EXPORTED void
GOMP_parallel (void (*function) (void *), void *data, unsigned threads, unsigned flags)
{
  Team team = { function, data };

  REAL_GOMP (GOMP_parallel);
  __tsan_release (&team);
  real (run_member, &team, threads, flags);
  __tsan_acquire (&team);
}

static char barrier;

void GOMP_barrier (void);
EXPORTED void
GOMP_barrier (void)
{
  REAL_GOMP (GOMP_barrier);
  __tsan_release (&barrier);
  real ();
  __tsan_acquire (&barrier);
}

void GOMP_loop_end (void);
EXPORTED void
GOMP_loop_end (void)
{
  REAL_GOMP (GOMP_loop_end);
  __tsan_release (&barrier);
  real ();
  __tsan_acquire (&barrier);
}

void GOMP_critical_name_start (void **name);
EXPORTED void
GOMP_critical_name_start (void **name)
{
  REAL_GOMP (GOMP_critical_name_start);
  real (name);
  __tsan_acquire (name);
}

void GOMP_critical_name_end (void **name);
EXPORTED void
GOMP_critical_name_end (void **name)
{
  REAL_GOMP (GOMP_critical_name_end);
  __tsan_release (name);
  real (name);
}
