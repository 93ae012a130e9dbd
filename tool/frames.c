/* frames.c: frames of clips, decoded by gst-launch-1.0. One process decodes all
 * clips; those that it has not come to, or that it was ended by, get a process
 * each, so that a file that crashes or stops a decoder costs its own frames only.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE /* pipe2 */
#include "src/csv.h"
#include "src/escape.h"
#include "tool/frames.h"
#include "tool/launch.h"
#include "tool/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS 10         /* in all */
#define TOGETHER_SECONDS 6 /* of these, for all clips in one process */
#define MOST_CHILDREN 4
#define MOST_BYTES (32u << 20) /* of frames */
#define MOST_SAID (1u << 20)   /* bytes of messages */
#define GRACE 1000             /* ms, for what is interrupted to end */
#define ENDING 5000            /* us, between looks at a process that has closed its pipes */

typedef struct {
  Cnn3dReportClip *const *clips; /* NULL: none runs */
  guint n;
  pid_t pid;
  gint frames_fd, said_fd; /* -1: at its end */
  GByteArray *frames;
  GString *said;
} Child;

typedef struct {
  Child children[MOST_CHILDREN];
  guint running;
  gchar *problem; /* that every clip would have */
} Decoder;

static void
append_row (GString *text, const Cnn3dReportClip *clip)
{
  gchar number[G_ASCII_DTOSTR_BUF_SIZE];

  cnn3d_csv_quote (text, clip->path);
  g_string_append_printf (text, ",x,%s,", g_ascii_dtostr (number, sizeof number, clip->start));
  if (isfinite (clip->end))
    g_string_append (text, g_ascii_dtostr (number, sizeof number, clip->end));
  g_string_append_c (text, ',');
  if (clip->fps > 0)
    g_string_append (text, g_ascii_dtostr (number, sizeof number, clip->fps));
  g_string_append_c (text, ',');
  if (clip->draw)
    cnn3d_csv_quote (text, clip->keypoints);
  g_string_append_c (text, '\n');
}

/* A manifest in memory, as launch_memory(). */
static gint
manifest_of (Cnn3dReportClip *const *clips, guint n)
{
  g_autoptr (GString) text = g_string_new ("path,label,start,end,fps,keypoints\n");

  for (guint i = 0; i < n; i++)
    append_row (text, clips[i]);
  return launch_memory (text);
}

/* g_free() */
static gchar *
clip_bin (const Cnn3dReportKeypoints *draw)
{
  g_autoptr (GString) text = g_string_new ("clip-bin=clipsample num-frames=" G_STRINGIFY (
      CNN3D_REPORT_FRAMES) " ! videoconvertscale method=lanczos ! video/x-raw,");

  if (draw)
    g_string_append (text, "format=RGB,");
  g_string_append (text, "width=[16,240],height=96,pixel-aspect-ratio=1/1");
  if (draw)
    g_string_append_printf (text,
        " ! clipkpt draw=true skeleton=%s persons=%u coordinates=%s first-frame=%u", draw->skeleton,
        draw->persons, draw->coordinates, draw->first_frame);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* In the new process. */
static void
become_line (gint manifest, gint frames, gint said, gboolean together,
    const Cnn3dReportKeypoints *draw, pid_t parent)
{
  const gint null = open ("/dev/null", O_RDWR);
  g_autofree gchar *location = g_strdup_printf ("location=/proc/self/fd/%d", manifest);
  g_autofree gchar *fd = g_strdup_printf ("fd=%d", frames);
  g_autofree gchar *workers = g_strdup_printf (
      "num-workers=%u", together ? MIN (g_get_num_processors (), MOST_CHILDREN) : 0);
  g_autofree gchar *bin = clip_bin (draw);
  gchar *words[] = { "gst-launch-1.0", together ? "-m" : "-q", "clipsrc", location, "passes=test",
    workers, together ? "on-error=skip" : "on-error=stop", bin, "!", "jpegenc", "quality=80", "!",
    "fdsink", fd, "sync=false", NULL };

  /* Not the terminal's Ctrl-C, but that which follows from the end of this program:
   * a second one would end it before it has tidied up. */
  setpgid (0, 0);
  prctl (PR_SET_PDEATHSIG, SIGINT);
  if (getppid () != parent)
    _exit (TOOL_FAILED);
  signal (SIGINT, SIG_DFL);
  dup2 (null, STDIN_FILENO);
  dup2 (said, STDOUT_FILENO);
  dup2 (said, STDERR_FILENO);
  fcntl (manifest, F_SETFD, 0);
  fcntl (frames, F_SETFD, 0);
  g_setenv ("LC_ALL", "C.UTF-8", TRUE);
  g_unsetenv ("GST_DEBUG");
  _exit (launch_become (words));
}

/* All clips are drawn alike. */
static void
start (Decoder *self, Cnn3dReportClip *const *clips, guint n)
{
  const pid_t parent = getpid ();
  gint manifest = manifest_of (clips, n), frames[2] = { -1, -1 };
  gint said[2] = { -1, -1 };
  Child *child = self->children;

  while (child->clips)
    child++;
  if (manifest < 0 || pipe2 (frames, O_CLOEXEC) < 0 || pipe2 (said, O_CLOEXEC) < 0)
    goto no_process;
  child->pid = fork ();
  if (child->pid == 0)
    become_line (manifest, frames[1], said[1], n > 1, clips[0]->draw, parent);
  if (child->pid < 0)
    goto no_process;
  close (manifest);
  close (frames[1]);
  close (said[1]);
  child->clips = clips;
  child->n = n;
  child->frames_fd = frames[0];
  child->said_fd = said[0];
  child->frames = g_byte_array_new ();
  child->said = g_string_new (NULL);
  self->running++;
  return;

  /* ERRORS */
no_process:
  self->problem = g_strdup_printf ("no process for gst-launch-1.0: %s", g_strerror (errno));
  for (guint i = 0; i < 2; i++) {
    if (frames[i] >= 0)
      close (frames[i]);
    if (said[i] >= 0)
      close (said[i]);
  }
  if (manifest >= 0)
    close (manifest);
}

/* The size of the JPEG file that the bytes begin with; 0: there is none. */
static gsize
jpeg_size (const guint8 *data, gsize size)
{
  gsize i = 2;

  if (size < 4 || data[0] != 0xff || data[1] != 0xd8)
    return 0;
  while (i + 4 <= size && data[i] == 0xff && data[i + 1] != 0xd9) {
    const gboolean scan = data[i + 1] == 0xda;

    i += 2 + (data[i + 2] << 8 | data[i + 3]);
    /* in a scan, 0xff is followed by 0 or by the number of a restart */
    while (scan && i + 2 <= size
        && (data[i] != 0xff || data[i + 1] == 0 || (data[i + 1] & 0xf8) == 0xd0))
      i++;
  }
  return i + 2 <= size && data[i] == 0xff && data[i + 1] == 0xd9 ? i + 2 : 0;
}

/* Which clips were skipped, by their messages. */
static void
find_skipped (const Child *child, gboolean *skipped)
{
  static const gchar name[] = "(element): clipsrc-skipped, ", number[] = " clip=(guint64)";
  const gchar *text = child->said->str;

  while ((text = strstr (text, name))) {
    const gsize length = strcspn (text, "\n");
    const gchar *last = g_strrstr_len (text, length, number);
    const guint64 clip = last ? g_ascii_strtoull (last + strlen (number), NULL, 10) : child->n;

    if (clip < child->n)
      skipped[clip] = TRUE;
    text += length;
  }
}

/* Frames come in the order of the clips, all of a clip or none. If the total differs from what that
 * gives, they cannot be assigned to clips. */
static void
take_frames (Child *child)
{
  g_autofree gboolean *skipped = g_new0 (gboolean, child->n);
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  const guint8 *data = child->frames->data;
  gsize left = child->frames->len, size;
  guint wanted = 0;

  find_skipped (child, skipped);
  for (; (size = jpeg_size (data, left)); data += size, left -= size)
    g_ptr_array_add (all, g_bytes_new (data, size));
  for (guint i = 0; i < child->n; i++)
    wanted += skipped[i] ? 0 : CNN3D_REPORT_FRAMES;
  if (left > 0 || all->len != wanted)
    return;
  for (guint i = 0, k = 0; i < child->n; i++)
    for (guint f = 0; !skipped[i] && f < CNN3D_REPORT_FRAMES; f++)
      child->clips[i]->frames[f] = g_bytes_ref (all->pdata[k++]);
}

/* What gst-launch-1.0 said of the clip, without what it says of every one. */
static gchar *
reason_of (const Child *child, gint status)
{
  static const gchar from[] = "ERROR: from element ",
                     why[] = ", cannot be read: ", advice[] = ". Repair or remove it";
  const gchar *line = strstr (child->said->str, from);
  const gchar *text = line ? strstr (line, ": ") : NULL, *begin, *end;

  text = text ? strstr (text + 2, ": ") : NULL;
  if (!text)
    return WIFSIGNALED (status)
        ? g_strdup_printf ("its decoding was ended by signal %d", WTERMSIG (status))
        : g_strdup ("its decoding gave too few frames");
  text += 2;
  end = strstr (text, "\nAdditional debug info:");
  if (!end)
    end = text + strlen (text);
  begin = g_strstr_len (text, end - text, why);
  if (begin) {
    const gchar *rest = g_strrstr_len (begin, end - begin, advice);

    text = begin + strlen (why);
    end = rest ? rest : end;
  }
  return g_strndup (text, end - text);
}

/* A problem of the program or the plug-ins, not of the clip; NULL: there is none. */
static gchar *
problem_of (const Child *child, gint status)
{
  return WIFEXITED (status) && WEXITSTATUS (status) != 0 ? launch_find_problem (child->said->str)
                                                         : NULL;
}

static void
clear (Decoder *self, Child *child)
{
  if (child->frames_fd >= 0)
    close (child->frames_fd);
  if (child->said_fd >= 0)
    close (child->said_fd);
  g_byte_array_unref (child->frames);
  g_string_free (child->said, TRUE);
  *child = (Child) { NULL };
  self->running--;
}

/* A clip that was not decoded with its key points may be without them. */
static void
fail (Cnn3dReportClip *clip, gchar *reason)
{
  if (clip->draw)
    clip->no_points = reason;
  else
    clip->problem = reason;
  clip->draw = NULL;
}

/* Takes what a process left, if it has ended. One that has closed its pipes may go on. */
static void
end (Decoder *self, Child *child)
{
  gint status = 0;
  const pid_t pid = waitpid (child->pid, &status, WNOHANG);

  if (pid == 0 || (pid < 0 && errno == EINTR))
    return;
  if (status == 0)
    take_frames (child);
  else if (!self->problem)
    self->problem = problem_of (child, status);
  if (child->n == 1 && !child->clips[0]->frames[0])
    fail (child->clips[0], reason_of (child, status));
  clear (self, child);
}

/* What is there to be read; what has come to its end is closed. */
static void
read_from (Child *child, gint *fd)
{
  guint8 block[65536];
  const gssize n = read (*fd, block, sizeof block);

  if (n > 0 && fd == &child->said_fd) {
    if (child->said->len < MOST_SAID)
      g_string_append_len (child->said, (gchar *) block, n);
  } else if (n > 0 && child->frames->len < MOST_BYTES) {
    g_byte_array_append (child->frames, block, n);
  } else if (n >= 0 || errno != EINTR) {
    close (*fd);
    *fd = -1;
  }
}

static void
wait_and_read (Decoder *self, gint64 deadline)
{
  struct pollfd fds[2 * MOST_CHILDREN];
  gint64 left = deadline - g_get_monotonic_time ();

  for (guint i = 0; i < MOST_CHILDREN; i++) {
    const Child *child = &self->children[i];

    if (child->clips && child->frames_fd < 0 && child->said_fd < 0)
      left = MIN (left, ENDING);
    fds[2 * i] = (struct pollfd) { child->clips ? child->frames_fd : -1, POLLIN, 0 };
    fds[2 * i + 1] = (struct pollfd) { child->clips ? child->said_fd : -1, POLLIN, 0 };
  }
  if (poll (fds, G_N_ELEMENTS (fds), (gint) (MAX (left, 0) / 1000) + 1) < 0)
    return;
  for (guint i = 0; i < MOST_CHILDREN; i++) {
    Child *child = &self->children[i];

    if (fds[2 * i].revents)
      read_from (child, &child->frames_fd);
    if (fds[2 * i + 1].revents)
      read_from (child, &child->said_fd);
    if (child->clips && child->frames_fd < 0 && child->said_fd < 0)
      end (self, child);
  }
}

/* To the process and those that it has started. */
static void
signal_child (const Child *child, gint number)
{
  if (kill (-child->pid, number) < 0)
    kill (child->pid, number);
}

/* Interrupts what still runs, and kills what does not end by that. */
static void
stop (Decoder *self)
{
  for (guint i = 0; i < MOST_CHILDREN; i++)
    if (self->children[i].clips)
      signal_child (&self->children[i], SIGINT);
  for (gint ms = 0; self->running > 0; ms += 10) {
    for (guint i = 0; i < MOST_CHILDREN; i++) {
      Child *child = &self->children[i];

      if (!child->clips)
        continue;
      if (ms >= GRACE)
        signal_child (child, SIGKILL);
      if (waitpid (child->pid, NULL, ms >= GRACE ? 0 : WNOHANG) == child->pid)
        clear (self, child);
    }
    g_usleep (10000);
  }
}

/* How many of the clips, from the first on, one process decodes: those that are drawn alike. */
static guint
alike (Cnn3dReportClip *const *clips, guint n)
{
  guint i = 1;

  while (i < n && clips[i]->draw == clips[0]->draw)
    i++;
  return i;
}

/* Decodes in processes of up to so many clips, until the deadline. */
static void
decode (Decoder *self, Cnn3dReportClip *const *clips, guint n, guint each, gint64 deadline)
{
  const guint most = MIN (g_get_num_processors (), MOST_CHILDREN);
  guint next = 0, taken;

  while (!self->problem && (next < n || self->running > 0) && g_get_monotonic_time () < deadline) {
    for (; next < n && !self->problem && self->running < most; next += taken) {
      taken = alike (clips + next, MIN (each, n - next));
      start (self, clips + next, taken);
    }
    wait_and_read (self, deadline);
  }
  stop (self);
}

static gint
by_drawing (gconstpointer a, gconstpointer b)
{
  const Cnn3dReportClip *x = *(Cnn3dReportClip *const *) a, *y = *(Cnn3dReportClip *const *) b;

  return (x->draw > y->draw) - (x->draw < y->draw);
}

/* Those that have neither frames nor a reason; those that are drawn alike together. */
static GPtrArray *
remaining (Cnn3dReportClip *const *clips, guint n)
{
  GPtrArray *list = g_ptr_array_new ();

  for (guint i = 0; i < n; i++)
    if (!clips[i]->frames[0] && !clips[i]->problem)
      g_ptr_array_add (list, clips[i]);
  g_ptr_array_sort (list, by_drawing);
  return list;
}

/* A missing file is found without starting a process. */
static void
find_missing (Cnn3dReportClip *clip)
{
  g_autofree gchar *file = g_filename_from_uri (clip->path, NULL, NULL);

  /* one that is a pattern names no file */
  if (file && !strchr (file, '%') && access (file, F_OK) < 0)
    clip->problem = g_strdup (g_strerror (errno));
}

/* The same for its key points. */
static void
find_missing_points (Cnn3dReportClip *clip)
{
  g_autofree gchar *file =
      clip->keypoints ? g_filename_from_uri (clip->keypoints, NULL, NULL) : NULL;

  if (!clip->draw)
    return;
  if (!clip->keypoints)
    fail (clip, g_strdup ("wrong.csv does not name their file"));
  else if (file && access (file, F_OK) < 0) {
    const gint number = errno;
    g_autofree gchar *shown = cnn3d_escape (file, FALSE);

    fail (clip, g_strdup_printf ("%s: %s", shown, g_strerror (number)));
  }
}

gchar *
frames_decode (Cnn3dReportClip *const *clips, guint n)
{
  const gint64 now = g_get_monotonic_time ();
  g_autoptr (GPtrArray) all = NULL, rest = NULL, bare = NULL, late = NULL;
  Decoder self = { 0 };

  for (guint i = 0; i < n; i++) {
    find_missing (clips[i]);
    find_missing_points (clips[i]);
  }
  all = remaining (clips, n);
  decode (&self, (Cnn3dReportClip *const *) all->pdata, all->len, MAX (all->len, 1),
      now + TOGETHER_SECONDS * G_USEC_PER_SEC);
  rest = remaining (clips, n);
  decode (
      &self, (Cnn3dReportClip *const *) rest->pdata, rest->len, 1, now + SECONDS * G_USEC_PER_SEC);
  /* those whose key points cannot be read */
  bare = remaining (clips, n);
  decode (
      &self, (Cnn3dReportClip *const *) bare->pdata, bare->len, 1, now + SECONDS * G_USEC_PER_SEC);
  late = remaining (clips, n);
  for (guint i = 0; i < late->len; i++)
    ((Cnn3dReportClip *) late->pdata[i])->problem =
        g_strdup_printf ("the %d seconds allowed for the frames of a page are over", SECONDS);
  return self.problem;
}
