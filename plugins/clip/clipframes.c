/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipframes.h"

#include <gst/video/video.h>
#include <string.h>

#define COUNTS_BYTES (4 * sizeof (guint32))

/* Takes `bytes` of text. FALSE: there are fewer left, or they do not end with a 0. */
static gboolean
take_text (const gchar **text, gsize *left, guint32 bytes, const gchar **taken)
{
  *taken = NULL;
  if (bytes == 0)
    return TRUE;
  if (bytes > *left || (*text)[bytes - 1])
    return FALSE;
  *taken = *text;
  *text += bytes;
  *left -= bytes;

  return TRUE;
}

static gboolean
check_texts (const gchar *caps_text, const gchar *event_text, GstVideoInfo *info)
{
  GstCaps *caps = caps_text ? gst_caps_from_string (caps_text) : NULL;
  GstStructure *event = event_text ? gst_structure_from_string (event_text, NULL) : NULL;
  const gboolean ok =
      (!caps_text || (caps && gst_caps_is_fixed (caps) && gst_video_info_from_caps (info, caps)))
      && (!event_text || event);

  gst_clear_caps (&caps);
  gst_clear_structure (&event);

  return ok;
}

static gboolean
check_frames (const ClipFrames *self, gsize texts_bytes, gsize pixels_bytes)
{
  const gchar *text = self->texts, *caps, *event;
  GstVideoInfo info;

  for (guint i = 0; i < self->n; i++) {
    ClipFrameHead head;

    memcpy (&head, self->heads + i * sizeof head, sizeof head);
    if (!take_text (&text, &texts_bytes, head.caps_bytes, &caps)
        || !take_text (&text, &texts_bytes, head.event_bytes, &event) || (i == 0 && !caps)
        || !check_texts (caps, event, &info) || head.size != info.size || head.offset > pixels_bytes
        || head.size > pixels_bytes - head.offset)
      return FALSE;
  }

  return TRUE;
}

gboolean
clip_frames_init (ClipFrames *self, const guint8 *data, gsize size)
{
  guint32 counts[COUNTS_BYTES / sizeof (guint32)];
  guint64 before;

  if (size < COUNTS_BYTES)
    return FALSE;
  memcpy (counts, data, COUNTS_BYTES);
  before = COUNTS_BYTES + counts[0] * (guint64) sizeof (ClipFrameHead) + counts[1];
  if (counts[0] == 0 || before > size)
    return FALSE;
  *self = (ClipFrames) { .n = counts[0], .heads = data + COUNTS_BYTES, .pixels = data + before };
  self->texts = self->text = (const gchar *) self->pixels - counts[1];

  return check_frames (self, counts[1], size - before);
}

gboolean
clip_frames_next (ClipFrames *self, ClipFrame *frame)
{
  if (self->next == self->n)
    return FALSE;
  memcpy (&frame->head, self->heads + self->next++ * sizeof frame->head, sizeof frame->head);
  frame->caps = frame->head.caps_bytes ? self->text : NULL;
  self->text += frame->head.caps_bytes;
  frame->event = frame->head.event_bytes ? self->text : NULL;
  self->text += frame->head.event_bytes;
  frame->pixels = self->pixels + frame->head.offset;

  return TRUE;
}
