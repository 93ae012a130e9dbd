/* featuremaps.c: feature maps of a layer as pictures.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/evaluate/featuremaps.h"

#include <errno.h>
#include <gio/gio.h>

#include "src/draw/colormap.h"
#include "src/escape.h"
#include "src/model/atomicfile.h"

/* Escapes an untrusted name for use in a file name: no folders, no hidden files. */
static gchar *
file_part (const gchar *name)
{
  gchar *part = cnn3d_escape (name, FALSE);

  return g_strdelimit (part, "/\\", '_');
}

/* (C, D, H, W) -> (D, H, W); g_free(). */
static gfloat *
mean_over_channels (const Cnn3dFeatureMap *map)
{
  const gsize n = (gsize) map->frames * map->height * map->width;
  gfloat *mean = g_new (gfloat, n);

  for (gsize i = 0; i < n; i++) {
    gdouble sum = 0;

    for (guint c = 0; c < map->channels; c++)
      sum += map->values[c * n + i];
    mean[i] = sum / map->channels;
  }

  return mean;
}

gboolean
cnn3d_feature_map_write (
    const gchar *dir, guint64 clip, guint view, const Cnn3dFeatureMap *map, GError **error)
{
  g_autofree gchar *layer = file_part (map->layer);
  g_autofree gchar *which = view ? g_strdup_printf ("-view%u", view) : g_strdup ("");
  g_autofree gchar *camera = map->view ? file_part (map->view) : NULL;
  g_autofree gchar *name = g_strdup_printf ("clip-%06" G_GUINT64_FORMAT "%s%s%s-%s.png", clip,
      which, camera ? "-" : "", camera ? camera : "", layer);
  g_autofree gchar *folder = g_build_filename (dir, "feature-maps", NULL);
  g_autofree gchar *path = g_build_filename (folder, name, NULL);
  g_autofree gfloat *mean = NULL;
  g_autoptr (GBytes) png = NULL;
  GError *reason = NULL;
  gconstpointer data;
  gsize size;

  if (g_mkdir_with_parents (folder, 0777) < 0) {
    const gint number = errno;

    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (number), "%s cannot be created: %s",
        folder, g_strerror (number));
    return FALSE;
  }
  mean = mean_over_channels (map);
  png = cnn3d_tiles_png (mean, map->frames, map->height, map->width, 0, &reason);
  if (!png) {
    g_set_error (
        error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s cannot be drawn: %s", path, reason->message);
    g_error_free (reason);
    return FALSE;
  }
  data = g_bytes_get_data (png, &size);

  return cnn3d_atomic_file_set_contents (path, data, size, error);
}
