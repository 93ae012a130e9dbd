/* make-keypoint-videos.c: generates the demonstration data set with key points.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "figures.h"
#include "set.h"

#define RESULTS_EXTENSION ".json"

static void
init_scene (FiguresScene *scene, guint64 seed, const DemoVideo *video)
{
  figures_scene_init (scene, seed, video->part, video->klass, video->number);
}

static gchar *
results_path (guint64 seed, const DemoVideo *video, const gchar *name)
{
  (void) seed;
  (void) video;
  return g_strconcat (name, RESULTS_EXTENSION, NULL);
}

static void
make_movie (guint64 seed, const DemoVideo *video, gboolean clean, DemoMovie *movie)
{
  FiguresScene scene;

  init_scene (&scene, seed, video);
  if (clean)
    scene.noise = 0;
  figures_movie (&scene, movie);
}

static gchar *
make_results (guint64 seed, const DemoVideo *video)
{
  FiguresScene scene;

  init_scene (&scene, seed, video);
  return figures_results (&scene);
}

static const DemoKind figures = {
  .program = "make-keypoint-videos",
  .summary = "Makes the demonstration data set with key points in DIR: short videos of stick "
             "figures,\nwhose classes are motions, and a file of key points beside each of them.\n"
             "DIR/train.csv and DIR/val.csv list them. A set that is already there stays;\n"
             "one made with other options is replaced.",
  .stamp = "keypoint-set.txt",
  .title = "Demonstration set of make-keypoint-videos",
  .revision = 1,
  .classes = FIGURES_CLASSES,
  .counts = { [DEMO_TRAIN] = 120, [DEMO_TEST] = 25 },
  .class_name = figures_class_name,
  .column = "keypoints",
  .value = results_path,
  .movie = make_movie,
  .sidecar = make_results,
  .sidecar_extension = RESULTS_EXTENSION,
};

int
main (int argc, char **argv)
{
  return demo_set_main (&figures, argc, argv);
}
