/* Packet indices: any file is an index or rejected, and an index of any packets answers within its
 * bounds and survives writing and reading. The input is the codec, a byte, and ClipPackets.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugins/clip/clipindexfile.h"
#include "plugins/clip/clipruns.h"

#include <string.h>

#include "tests/fuzz/target.h"

#define MOST_PACKETS 2000

/* Every third frame is wanted. */
static void
check_runs (const ClipIndex *index, guint first, guint n)
{
  gboolean *wanted = g_new (gboolean, n);
  guint decoded = 0;
  GArray *runs;

  for (guint i = 0; i < n; i++)
    wanted[i] = i % 3 == 0;
  runs = clip_index_runs (index, first, first + n - 1, wanted);
  for (guint i = 0; i < runs->len; i++) {
    const ClipRun *run = &g_array_index (runs, ClipRun, i);

    if (run->from > run->to || run->to >= index->n_packets || (i > 0 && run->from <= run[-1].to))
      fuzz_fail ("a run out of range", index->stream);
    for (guint k = 0; k < n; k += 3)
      decoded += index->frames[first + k] >= run->from && index->frames[first + k] <= run->to;
  }
  if (decoded != (n + 2) / 3)
    fuzz_fail ("a wanted frame in no run", index->stream);
  if (runs->len == 0)
    fuzz_fail ("no run", index->stream);
  g_array_unref (runs);
  g_free (wanted);
}

static void
check_frames (const ClipIndex *index)
{
  guint first, from, to, n;
  gdouble start, end;

  if (index->n_frames > index->n_packets)
    fuzz_fail ("more frames than packets", index->stream);
  for (guint i = 0; i < index->n_frames; i++) {
    if (index->frames[i] >= index->n_packets || (i && index->times[i] < index->times[i - 1]))
      fuzz_fail ("a frame out of range", index->stream);
    clip_index_duration (index, i);
  }
  for (guint i = 0; i < index->n_packets; i++) {
    if (index->ranks[i] != G_MAXUINT32 && index->ranks[i] >= index->n_frames)
      fuzz_fail ("a rank out of range", index->stream);
    clip_index_before (index, i);
    clip_index_seek_time (index, i);
    if (clip_index_find (index, index->packets[i].pts, index->packets[i].dts)
        >= (gint64) index->n_packets)
      fuzz_fail ("a packet out of range", index->stream);
  }
  n = clip_index_segment (index, 0.1, 2.5, &first);
  if (n > 0 && first + n > index->n_frames)
    fuzz_fail ("a segment out of range", index->stream);
  n = clip_index_frames (index, 1, 3, &first, &start, &end);
  if (n > 0 && first + n > index->n_frames)
    fuzz_fail ("frames out of range", index->stream);
  if (n > 0) {
    clip_index_range (index, first, first + n - 1, &from, &to);
    if (from > to || to >= index->n_packets || clip_index_run_up (index, from) > from)
      fuzz_fail ("packets out of range", index->stream);
  }
  if (index->n_frames > 0)
    check_runs (index, 0, index->n_frames);
}

static void
compare (const ClipIndex *a, const ClipIndex *b)
{
  if (a->codec != b->codec || a->n_packets != b->n_packets || a->n_frames != b->n_frames
      || strcmp (a->stream, b->stream) != 0
      || memcmp (a->packets, b->packets, a->n_packets * sizeof *a->packets) != 0
      || memcmp (a->times, b->times, a->n_frames * sizeof *a->times) != 0)
    fuzz_fail ("another index than was written", a->stream);
}

/* The only file in a folder of the process's folder, by its relative path; owned by the caller. */
static gchar *
find_file (void)
{
  gchar *name = NULL;
  GDir *dir = g_dir_open (fuzz_folder (), 0, NULL);
  const gchar *outer = dir ? g_dir_read_name (dir) : NULL;

  if (outer) {
    g_autofree gchar *path = g_build_filename (fuzz_folder (), outer, NULL);
    GDir *inner = g_dir_open (path, 0, NULL);

    name = g_build_filename (outer, inner ? g_dir_read_name (inner) : NULL, NULL);
    g_clear_pointer (&inner, g_dir_close);
  }
  g_clear_pointer (&dir, g_dir_close);
  if (!name)
    fuzz_fail ("no file was written", NULL);
  return name;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static gchar *file;
  const ClipVideo video = { "/videos/a.mp4", 1000, 1000000000, 0, -1, TRUE };
  const guint n = size ? MIN ((size - 1) / sizeof (ClipPacket), MOST_PACKETS) : 0;
  ClipPacket *packets = g_new0 (ClipPacket, n + 1);
  ClipIndex *index, *again;

  if (n)
    memcpy (packets, data + 1, n * sizeof *packets);
  index = clip_index_new ("stream", size ? data[0] % CLIP_N_CODECS : 0, packets, n);
  g_free (packets);
  check_frames (index);
  clip_index_file_write (fuzz_folder (), &video, index);
  again = clip_index_file_read (fuzz_folder (), &video);
  if (!again)
    fuzz_fail ("an index that cannot be read", NULL);
  compare (index, again);
  clip_index_unref (again);
  clip_index_unref (index);

  if (!file)
    file = find_file ();
  fuzz_put (file, data, size);
  again = clip_index_file_read (fuzz_folder (), &video);
  if (again)
    fuzz_fail ("an index without its digest", NULL);
  return 0;
}
