/* tsan-glib.c: what the thread sanitizer has to be told of GLib, which is built
 * without it: its mutexes and conditions are futexes, and its queues lock by
 * themselves. These stand before GLib's own functions and call them.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <gst/gst.h>

#ifndef __SANITIZE_THREAD__
#error this is for builds with -Db_sanitize=thread
#endif

/* Symbols of the executable come first in all libraries. */
#define EXPORTED __attribute__ ((visibility ("default"), no_sanitize ("thread")))
#define REAL(function) \
    static __typeof__ (function) *real; \
    if (!real) \
      real = (__typeof__ (function) *) dlsym (RTLD_NEXT, #function)

/* of the sanitizer's run time, without a header in GCC */
void __tsan_acquire (void *address);
void __tsan_release (void *address);

EXPORTED void
(g_mutex_lock) (GMutex * mutex)
{
  REAL (g_mutex_lock);
  real (mutex);
  __tsan_acquire (mutex);
}

EXPORTED gboolean
(g_mutex_trylock) (GMutex * mutex)
{
  gboolean locked;

  REAL (g_mutex_trylock);
  locked = real (mutex);
  if (locked)
    __tsan_acquire (mutex);
  return locked;
}

EXPORTED void
(g_mutex_unlock) (GMutex * mutex)
{
  REAL (g_mutex_unlock);
  __tsan_release (mutex);
  real (mutex);
}

EXPORTED void
(g_cond_wait) (GCond * cond, GMutex * mutex)
{
  REAL (g_cond_wait);
  __tsan_release (mutex);
  real (cond, mutex);
  __tsan_acquire (mutex);
}

EXPORTED gboolean
(g_cond_wait_until) (GCond * cond, GMutex * mutex, gint64 end)
{
  gboolean woken;

  REAL (g_cond_wait_until);
  __tsan_release (mutex);
  woken = real (cond, mutex, end);
  __tsan_acquire (mutex);
  return woken;
}

EXPORTED void
(g_async_queue_push) (GAsyncQueue * queue, gpointer data)
{
  REAL (g_async_queue_push);
  __tsan_release (queue);
  real (queue, data);
}

EXPORTED void
(g_async_queue_push_front) (GAsyncQueue * queue, gpointer data)
{
  REAL (g_async_queue_push_front);
  __tsan_release (queue);
  real (queue, data);
}

EXPORTED gpointer
(g_async_queue_pop) (GAsyncQueue * queue)
{
  gpointer data;

  REAL (g_async_queue_pop);
  data = real (queue);
  __tsan_acquire (queue);
  return data;
}

/* Whoever drops the last reference comes after all who dropped one before. */
EXPORTED void
(g_object_unref) (gpointer object)
{
  REAL (g_object_unref);
  __tsan_acquire (object);
  __tsan_release (object);
  real (object);
}

EXPORTED void
(gst_mini_object_unref) (GstMiniObject * object)
{
  REAL (gst_mini_object_unref);
  __tsan_acquire (object);
  __tsan_release (object);
  real (object);
}
