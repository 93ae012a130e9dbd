/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cpu/store.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "src/bytes.h"
#include "src/escape.h"

#define DEFAULT_FOLDER "/var/tmp" /* unlike /tmp, on a disk */
#define MOST_AT_ONCE ((gsize) 1 << 30)

/* of statfs(2): file systems in memory */
#define TMPFS 0x01021994
#define RAMFS 0x858458f6u

typedef struct {
  guint8 *memory;
  gsize bytes;
  gsize offset; /* in the file */
  gboolean out;
} Copy;

struct _Cnn3dStore {
  gint file;
  GThread *thread;
  GMutex lock;
  GCond changed;
  GQueue queue;            /* of Copy; the first is under way */
  guint begun, done, base; /* copies so far; begun before this pass */
  gint failure;            /* errno of the first copy that failed; 0: none */
  gboolean reading;        /* it was one back */
  gboolean ends;
};

static const gchar *
folder (void)
{
  const gchar *given = g_getenv ("TMPDIR");

  return given && *given ? given : DEFAULT_FOLDER;
}

static void G_GNUC_PRINTF (3, 4)
    set_error (GError **error, Cnn3dBackendError code, const gchar *format, ...)
{
  g_autofree gchar *shown = cnn3d_escape (folder (), FALSE), *what = NULL;
  va_list args;

  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, CNN3D_BACKEND_ERROR, code,
      "recompute=offload: %s: %s; set TMPDIR to a folder on another disk, or use recompute=block",
      shown, what);
}

gboolean
cpu_store_room (Cnn3dDevice *device, guint64 *bytes, const gchar **place, GError **error)
{
  struct statfs system;

  *place = "the temporary files' disk";
  if (statfs (folder (), &system) != 0) {
    set_error (
        error, CNN3D_BACKEND_ERROR_UNSUPPORTED, "there can be no file: %s", g_strerror (errno));
    return FALSE;
  }
  if ((guint32) system.f_type == TMPFS || (guint32) system.f_type == RAMFS) {
    set_error (error, CNN3D_BACKEND_ERROR_UNSUPPORTED,
        "this file system is in memory, so that a file there would save none");
    return FALSE;
  }
  *bytes = (guint64) system.f_bavail * system.f_bsize;
  return TRUE;
}

/* Returns errno; 0: done. */
static gint
copy_now (gint file, const Copy *c)
{
  for (gsize done = 0; done < c->bytes;) {
    const gsize bytes = MIN (c->bytes - done, MOST_AT_ONCE);
    const gssize n = c->out ? pwrite (file, c->memory + done, bytes, c->offset + done)
                            : pread (file, c->memory + done, bytes, c->offset + done);

    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return n < 0 ? errno : EIO;
    done += n;
  }
  return 0;
}

static gpointer
work (gpointer data)
{
  Cnn3dStore *s = data;

  g_mutex_lock (&s->lock);
  for (;;) {
    Copy *c = g_queue_peek_head (&s->queue);
    gint failure = 0;

    if (!c && s->ends)
      break;
    if (!c) {
      g_cond_wait (&s->changed, &s->lock);
      continue;
    }
    /* after a failure nothing is worth copying */
    if (!s->failure) {
      g_mutex_unlock (&s->lock);
      failure = copy_now (s->file, c);
      g_mutex_lock (&s->lock);
    }
    if (failure) {
      s->failure = failure;
      s->reading = !c->out;
    }
    g_free (g_queue_pop_head (&s->queue));
    s->done++;
    g_cond_broadcast (&s->changed);
  }
  g_mutex_unlock (&s->lock);
  return NULL;
}

Cnn3dStore *
cpu_store_new (Cnn3dDevice *device, gsize bytes, GError **error)
{
  g_autofree gchar *path = g_build_filename (folder (), "cnn3d-offload-XXXXXX", NULL);
  const gint file = g_mkstemp_full (path, O_RDWR | O_CLOEXEC, 0600);
  Cnn3dStore *s;
  gint failure = file < 0 ? errno : 0;

  if (file >= 0) {
    g_unlink (path);
    /* all of it now: a disk that fills up later does not end the run */
    failure = posix_fallocate (file, 0, bytes);
  }
  if (failure) {
    g_autofree gchar *size = cnn3d_format_bytes (bytes);

    if (file >= 0)
      close (file);
    set_error (error, CNN3D_BACKEND_ERROR_FAILED, "there can be no file of %s: %s", size,
        g_strerror (failure));
    return NULL;
  }
  s = g_new0 (Cnn3dStore, 1);
  s->file = file;
  g_mutex_init (&s->lock);
  g_cond_init (&s->changed);
  g_queue_init (&s->queue);
  s->thread = g_thread_new ("cnn3d-offload", work, s);
  return s;
}

void
cpu_store_free (Cnn3dStore **store)
{
  Cnn3dStore *s = *store;

  *store = NULL;
  if (!s)
    return;
  g_mutex_lock (&s->lock);
  s->ends = TRUE;
  g_cond_broadcast (&s->changed);
  g_mutex_unlock (&s->lock);
  g_thread_join (s->thread);
  g_mutex_clear (&s->lock);
  g_cond_clear (&s->changed);
  close (s->file);
  g_free (s);
}

static void
begin (Cnn3dStore *s, const Cnn3dStep *step, guint8 *arena)
{
  const gboolean out = step->phase == CNN3D_PHASE_STORE;
  const Copy copy = { arena + (out ? step->in : step->out), step->copy_bytes, step->stored, out };

  /* a pass after one that failed halfway waits for none of its copies */
  if (step->copy == 0)
    s->base = s->begun;
  s->begun++;
  g_queue_push_tail (&s->queue, g_memdup2 (&copy, sizeof copy));
  g_cond_broadcast (&s->changed);
}

gboolean
cpu_store_run (Cnn3dStore *s, const Cnn3dStep *step, guint8 *arena, GError **error)
{
  gint failure;
  gboolean reading;

  g_mutex_lock (&s->lock);
  if (step->phase != CNN3D_PHASE_WAIT)
    begin (s, step, arena);
  else
    while (s->done - s->base < step->copy + 1 && !s->failure)
      g_cond_wait (&s->changed, &s->lock);
  failure = s->failure;
  reading = s->reading;
  g_mutex_unlock (&s->lock);
  if (!failure)
    return TRUE;
  set_error (error, CNN3D_BACKEND_ERROR_FAILED, "the temporary file cannot be %s: %s",
      reading ? "read" : "written", g_strerror (failure));
  return FALSE;
}
