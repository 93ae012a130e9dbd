/* make-demo-videos.c: generates the demonstration data set.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "draw.h"
#include "set.h"
#include "shapes.h"

static void
init_scene (DemoScene *scene, guint64 seed, const DemoVideo *video)
{
  demo_scene_init (scene, seed, video->part, video->klass, video->number);
}

static gchar *
shape (guint64 seed, const DemoVideo *video, const gchar *name)
{
  DemoScene scene;

  (void) name;
  init_scene (&scene, seed, video);
  return g_strdup (demo_shape_name (video->part, scene.shape));
}

static void
make_movie (guint64 seed, const DemoVideo *video, gboolean clean, DemoMovie *movie)
{
  DemoScene scene;

  init_scene (&scene, seed, video);
  if (clean)
    scene.noise = 0;
  demo_draw_movie (&scene, movie);
}

static const DemoKind shapes = {
  .program = "make-demo-videos",
  .summary = "Makes the demonstration data set in DIR: short videos whose classes are motions.\n"
             "DIR/train.csv and DIR/val.csv list them. A set that is already there stays;\n"
             "one made with other options is replaced.",
  .stamp = "demonstration-set.txt",
  .title = "Demonstration set of make-demo-videos",
  .revision = 1,
  .classes = DEMO_CLASSES,
  .counts = { [DEMO_TRAIN] = 300, [DEMO_TEST] = 25 },
  .class_name = demo_class_name,
  .column = "group",
  .value = shape,
  .movie = make_movie,
};

int
main (int argc, char **argv)
{
  return demo_set_main (&shapes, argc, argv);
}
