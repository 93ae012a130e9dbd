/* make-view-videos.c: generates the demonstration data set with several views.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "room.h"
#include "set.h"

/* The videos of a flight follow one another. */
static void
init_scene (RoomScene *scene, guint64 seed, const DemoVideo *video)
{
  room_scene_init (scene, seed, video->part, video->klass, video->number / ROOM_VIEWS,
      video->number % ROOM_VIEWS);
}

static gchar *
group_and_view (guint64 seed, const DemoVideo *video, const gchar *name)
{
  (void) seed;
  (void) name;
  return g_strdup_printf ("%s-%05u,%s", room_class_name (video->klass), video->number / ROOM_VIEWS,
      room_view_name (video->number % ROOM_VIEWS));
}

static void
make_movie (guint64 seed, const DemoVideo *video, gboolean clean, DemoMovie *movie)
{
  RoomScene scene;

  init_scene (&scene, seed, video);
  if (clean)
    scene.noise = 0;
  room_movie (&scene, movie);
}

static const DemoKind room = {
  .program = "make-view-videos",
  .summary = "Makes the demonstration data set with several views in DIR: short videos of a ball "
             "that\nflies through a room, each flight seen by three cameras, of which each alone "
             "sees two\nof its three directions. A flight is three videos. DIR/train.csv and "
             "DIR/val.csv list\nthem. A set that is already there stays; one made with other "
             "options is replaced.",
  .stamp = "view-set.txt",
  .title = "Demonstration set of make-view-videos",
  .revision = 1,
  .classes = ROOM_CLASSES,
  .counts = { [DEMO_TRAIN] = 90, [DEMO_TEST] = 36 },
  .class_name = room_class_name,
  .column = "group,view",
  .value = group_and_view,
  .movie = make_movie,
};

int
main (int argc, char **argv)
{
  return demo_set_main (&room, argc, argv);
}
