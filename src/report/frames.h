/* frames.h: the frames that a page shows of a clip. libcnn3d decodes nothing: who
 * asks for a page brings a function that does.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_REPORT_FRAMES_H
#define CNN3D_REPORT_FRAMES_H

#include <glib.h>

G_BEGIN_DECLS

/* Frames of a clip, and clips of a page that have some */
#define CNN3D_REPORT_FRAMES 6
#define CNN3D_REPORT_CLIPS 24

/* How key points are read to be shown, with clipkpt's properties: known values only. */
typedef struct {
  gchar *skeleton;
  guint persons;
  const gchar *coordinates; /* static */
  guint first_frame;
} Cnn3dReportKeypoints;

/* A clip, as clipsrc's manifests have it, and its frames.
 *
 * path:       an address, as file:///a.mp4
 * start, end: seconds; end is infinite where the clip goes to the file's end
 * fps:        pictures a second; 0: not said
 * frames:     for the function to set: JPEG files, spread evenly over the clip;
 *             all of them, or none
 * problem:    for the function to set where there are none: why; g_free()
 * keypoints:  address of the file of key points; NULL: not known
 * draw:       how its points are read, which the frames are to show; NULL: they show none
 * no_points:  for the function to set where frames do not show them: why; g_free() */
typedef struct {
  gchar *path;
  gdouble start, end;
  gdouble fps;
  GBytes *frames[CNN3D_REPORT_FRAMES];
  gchar *problem;
  gchar *keypoints;
  const Cnn3dReportKeypoints *draw;
  gchar *no_points;
} Cnn3dReportClip;

/* Decodes all clips, each by itself, in a few seconds. Returns why none can be, for
 * g_free(), or NULL. */
typedef gchar *(*Cnn3dReportDecode) (Cnn3dReportClip *const *clips, guint n);

G_END_DECLS

#endif
