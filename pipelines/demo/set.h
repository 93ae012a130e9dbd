/* set.h: the program that generates a demonstration set: options, and the set's folder, which is
 * complete or absent.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEMO_SET_H
#define DEMO_SET_H

#include "movie.h"

typedef struct {
  DemoPart part;
  guint klass;
  guint number; /* within its part and class */
} DemoVideo;

/* A kind of set. Each video is a pure function of (seed, video), so that a set is reproducible.
 * All functions are called from several threads at once. */
typedef struct {
  const gchar *program, *summary; /* for --help */
  /* The file that is written last: the options that the set was generated with. It marks the set as
   * complete. title: its first line. */
  const gchar *stamp, *title;
  guint revision; /* increment when the same options give other videos */
  guint classes;
  gint counts[2]; /* default number of videos per class, by part */

  const gchar *(*class_name) (guint klass);
  /* The manifests' columns after path and label, and a video's values (transfer full), both
   * separated by commas. name: the video's path in the set, without its extension. */
  const gchar *column;
  gchar *(*value) (guint64 seed, const DemoVideo *video, const gchar *name);
  /* Fills in all of `movie`; the caller calls movie->destroy with movie->data. clean: without
   * camera noise. */
  void (*movie) (guint64 seed, const DemoVideo *video, gboolean clean, DemoMovie *movie);
  /* The text of a file beside each video (transfer full), and that file's extension; NULL: there is
   * no such file. */
  gchar *(*sidecar) (guint64 seed, const DemoVideo *video);
  const gchar *sidecar_extension;
} DemoKind;

/* Runs the program; returns its exit status. */
int demo_set_main (const DemoKind *kind, int argc, char **argv);

#endif
