/* set.h: the program that makes a demonstration set: its options, and the set's
 * folder, which is there whole or not at all.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEMO_SET_H
#define DEMO_SET_H

#include "movie.h"

typedef struct {
  DemoPart part;
  guint klass;
  guint number; /* within its part and class */
} DemoVideo;

/* What tells one set from another. All of a video is a pure function of (seed,
 * video), so that a set is reproducible. Functions may be called from several
 * threads at once. */
typedef struct {
  const gchar *program, *summary; /* for --help */
  /* The file that is written last: says what the set was made from, and that
   * it is whole. title is its first line. */
  const gchar *stamp, *title;
  guint revision; /* goes up when the same options would give other videos */
  guint classes;
  gint counts[2]; /* videos of a class, by part, without options */

  const gchar *(*class_name) (guint klass);
  /* The name of the manifest's third column, and its value for a video, to be
   * freed; name is the video's path without its ending. */
  const gchar *column;
  gchar *(*value) (guint64 seed, const DemoVideo *video, const gchar *name);
  /* Fills in all of `movie`; the caller calls its destroy. clean: without the
   * camera's noise. */
  void (*movie) (guint64 seed, const DemoVideo *video, gboolean clean, DemoMovie *movie);
  /* The text of a file beside each video, to be freed, and its ending; NULL:
   * there is none. */
  gchar *(*beside) (guint64 seed, const DemoVideo *video);
  const gchar *beside_ending;
} DemoKind;

/* The program: its exit status. */
int demo_set_main (const DemoKind *kind, int argc, char **argv);

#endif
