/* clipplug.c: finds the elements that read and decode a file: its type, a demuxer, parsers and a
 * decoder. GStreamer's parsebin could do the first three, but stopping it while it plugs leaks
 * or crashes.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipchain-private.h"
#include "clipbytes.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <glib/gstdio.h>
#include <gst/base/gsttypefindhelper.h>
#include <gst/pbutils/pbutils.h>

#include "clipimage.h"
#include "cliplinks.h"
#include "clipmatroska.h"
#include "clipname.h"
#include "clipparser.h"

GST_DEBUG_CATEGORY_EXTERN (clip_chain_debug);
#define GST_CAT_DEFAULT clip_chain_debug

static gboolean plug (ClipChain *self, GstPad *src, GstCaps *caps, GstPad *root);

/* Kinds of elements */

static gboolean
is_kind (GstElementFactory *factory, const gchar *kind)
{
  return strstr (gst_element_factory_get_metadata (factory, GST_ELEMENT_METADATA_KLASS), kind)
      != NULL;
}

/* Excludes playlists: they lead to the network, which a row of a data set must not do. */
static gboolean
is_reader (GstElementFactory *factory, const GstStructure *s)
{
  gboolean parsed = FALSE;

  if (is_kind (factory, "Adaptive"))
    return FALSE;
  if (is_kind (factory, "Demux"))
    return TRUE;

  return !(gst_structure_get_boolean (s, "parsed", &parsed) && parsed)
      && !(gst_structure_get_boolean (s, "framed", &parsed) && parsed);
}

static gboolean
is_video (const gchar *name)
{
  return g_str_has_prefix (name, "video/") || g_str_has_prefix (name, "image/");
}

/* Audio and subtitles are not decoded. */
static gboolean
is_other (const gchar *name)
{
  return g_str_has_prefix (name, "audio/") || g_str_has_prefix (name, "text/")
      || g_str_has_prefix (name, "subpicture/") || g_str_has_prefix (name, "closedcaption/");
}

/* Demuxers. `root` is the demuxer's pad that a stream comes from. */

/* Corrects the caps (taken) of a demuxer's pad. */
static GstCaps *
correct_caps (const ClipChain *self, GstPad *pad, GstCaps *caps)
{
  if (self->container == CLIP_CONTAINER_PROGRAM)
    return clip_program_name (&self->program, pad, caps);
  if (self->container == CLIP_CONTAINER_FLV)
    return clip_flv_name (&self->flv, caps);

  return clip_name_codec (caps);
}

/* Likewise, of those that are on their way to the next element. */
static GstPadProbeReturn
take_caps (GstPad *pad, GstPadProbeInfo *info, gpointer chain)
{
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
  GstCaps *caps;

  if (GST_EVENT_TYPE (event) != GST_EVENT_CAPS)
    return GST_PAD_PROBE_OK;
  gst_event_parse_caps (event, &caps);
  caps = correct_caps (chain, pad, gst_caps_ref (caps));
  info->data = gst_event_new_caps (caps);
  gst_caps_unref (caps);
  gst_event_unref (event);

  return GST_PAD_PROBE_OK;
}

/* For demuxers that add a pad before its caps are known. */
static GstPadProbeReturn
take_late_caps (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
  GstCaps *caps;

  if (GST_EVENT_TYPE (event) != GST_EVENT_CAPS)
    return GST_PAD_PROBE_OK;
  gst_event_parse_caps (event, &caps);
  plug (data, pad, caps, pad);

  return GST_PAD_PROBE_REMOVE;
}

/* The same as the next element will receive; NULL: not known yet. */
static GstCaps *
current_caps (const ClipChain *self, GstPad *pad)
{
  GstCaps *caps = gst_pad_get_current_caps (pad);

  return caps ? correct_caps (self, pad, caps) : NULL;
}

static void
take_demuxed (ClipChain *self, GstPad *pad)
{
  GstCaps *caps = current_caps (self, pad);

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, take_caps, self, NULL);
  if (caps) {
    plug (self, pad, caps, pad);
    gst_caps_unref (caps);
  } else {
    gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, take_late_caps, self, NULL);
  }
}

static void
pad_added (GstElement *demuxer, GstPad *pad, ClipChain *self)
{
  GstCaps *caps;
  gint file;

  if (!GST_PAD_IS_SRC (pad))
    return;
  caps = current_caps (self, pad);
  if (self->container == CLIP_CONTAINER_FLV)
    clip_flv_correct (&self->flv, pad);
  clip_clocks_correct (self->clocks, demuxer, pad, caps);
  gst_clear_caps (&caps);
  if (self->container == CLIP_CONTAINER_MATROSKA && g_str_has_prefix (GST_PAD_NAME (pad), "video")
      && (file = g_open (self->job->path, O_RDONLY | O_CLOEXEC, 0)) >= 0) {
    clip_matroska_correct (file, pad);
    close (file);
  }
  take_demuxed (self, pad);
}

static void
pad_removed (GstElement *demuxer, GstPad *pad, ClipChain *self)
{
  clip_chain_end_track (self, pad);
}

static void
drop_element (ClipChain *self, GstElement *element)
{
  gst_element_set_state (element, GST_STATE_NULL);
  gst_bin_remove (GST_BIN (self), element);
}

static gboolean
link_element (GstPad *src, GstElement *element)
{
  GstPad *sink = gst_element_get_static_pad (element, "sink");
  gboolean ok =
      sink && gst_pad_link_full (src, sink, GST_PAD_LINK_CHECK_NOTHING) == GST_PAD_LINK_OK;

  gst_clear_object (&sink);

  return ok;
}

static gboolean
add_reader (ClipChain *self, GstElementFactory *factory, GstPad *src, GstPad *root)
{
  GstElement *element = gst_element_factory_create (factory, NULL);
  gboolean parses = !is_kind (factory, "Demux");
  GstPad *pad;

  if (!element)
    return FALSE;
  if (parses) {
    clip_parser_set_up (element);
  } else {
    self->libav |= g_str_has_prefix (GST_OBJECT_NAME (factory), "avdemux_");
    clip_clocks_watch (self->clocks, element, src);
    g_signal_connect (element, "pad-added", G_CALLBACK (pad_added), self);
    g_signal_connect (element, "pad-removed", G_CALLBACK (pad_removed), self);
  }
  gst_bin_add (GST_BIN (self), element);
  /* the first one is started together with the source */
  if (root && gst_element_set_state (element, GST_STATE_PAUSED) == GST_STATE_CHANGE_FAILURE)
    goto failed;
  if (!link_element (src, element))
    goto failed;
  pad = gst_element_get_static_pad (element, "src");
  if (pad && parses)
    clip_chain_add_track (self, pad, root ? root : pad);
  else if (pad)
    take_demuxed (self, pad);
  gst_clear_object (&pad);

  return TRUE;

  /* ERRORS */
failed:
  drop_element (self, element);
  return FALSE;
}

static void
note_other (ClipChain *self)
{
  g_mutex_lock (&self->job->lock);
  self->has_other = TRUE;
  g_mutex_unlock (&self->job->lock);
}

/* Adds a demuxer, a parser or a track after src. root: NULL: src is the file's pad. FALSE:
 * nothing can read it. */
static gboolean
plug_locked (ClipChain *self, GstPad *src, GstCaps *caps, GstPad *root)
{
  const GstStructure *s = gst_caps_get_structure (caps, 0);
  const gchar *original, *name = gst_structure_get_name (s);
  gboolean ok = FALSE;
  GList *fitting;

  GST_DEBUG_OBJECT (self, "%" GST_PTR_FORMAT ": %" GST_PTR_FORMAT, src, caps);
  if (is_other (name)) {
    note_other (self);
    return TRUE;
  }
  if (root && clip_image_is_jpeg_2000 (caps)) {
    clip_chain_add_track (self, src, root);
    return TRUE;
  }
  fitting = clip_factories_find (self->factories, CLIP_FACTORIES_READERS, caps);
  for (GList *l = fitting; l && !ok; l = l->next)
    ok = is_reader (l->data, s) && add_reader (self, l->data, src, root);
  gst_plugin_feature_list_free (fitting);
  /* a file itself is not a stream of packets */
  if (!ok && root && is_video (name)) {
    clip_chain_add_track (self, src, root);
    ok = TRUE;
  }
  if (!ok && root) {
    note_other (self);
    /* a demuxer's caps of an encrypted stream */
    if ((original = gst_structure_get_string (s, "original-media-type")) && is_video (original))
      g_atomic_int_set (&self->quicktime.encrypted, 1);
  }

  return ok;
}

static gboolean
plug (ClipChain *self, GstPad *src, GstCaps *caps, GstPad *root)
{
  gboolean ok = TRUE;

  g_rec_mutex_lock (&self->plugging);
  if (!clip_chain_is_stopping (self))
    ok = plug_locked (self, src, caps, root);
  g_rec_mutex_unlock (&self->plugging);

  return ok;
}

/* The file */

static GstFlowReturn
read_range (GstObject *object, GstObject *parent, guint64 offset, guint length, GstBuffer **buffer)
{
  ClipChain *self = CLIP_CHAIN (object);
  guint8 *data = g_malloc (length);
  gssize n;

  while ((n = pread (self->file, data, length, offset)) < 0 && errno == EINTR)
    ;
  if (n <= 0) {
    g_free (data);
    return n < 0 ? GST_FLOW_ERROR : GST_FLOW_EOS;
  }
  *buffer = gst_buffer_new_wrapped (data, n);

  return GST_FLOW_OK;
}

/* Whether another AVI file follows: avidemux reads only the first one. AVI files of more than 1
 * GiB consist of several parts, whose type differs from that of the first one. */
static gboolean
is_joined_avi (ClipChain *self)
{
  guint8 head[12];
  guint64 at = 0;

  while (at < self->size && pread (self->file, head, sizeof head, at) == sizeof head
      && !memcmp (head, "RIFF", 4)) {
    if (at > 0 && !memcmp (head + 8, "AVI ", 4))
      return TRUE;
    at += 8 + (guint64) clip_read_32_le (head + 4);
    at += at & 1;
  }

  return FALSE;
}

/* Whether a file that was recognised by the pictures in it is another container of such: one
 * that is only pictures begins with a start code. */
static gboolean
is_unknown_container (ClipChain *self, const GstCaps *caps)
{
  const GstStructure *s = gst_caps_get_structure (caps, 0);
  gboolean system = TRUE;
  guint8 head[64];
  gssize n, at = 0;

  gst_structure_get_boolean (s, "systemstream", &system);
  if (!gst_structure_has_name (s, "video/x-h264") && !gst_structure_has_name (s, "video/x-h265")
      && (!gst_structure_has_name (s, "video/mpeg") || system))
    return FALSE;
  n = pread (self->file, head, sizeof head, 0);
  while (at < n && head[at] == 0)
    at++;

  return n > 0 && at < n && (at < 2 || head[at] != 1);
}

/* head: [n] the file's first bytes */
static gboolean
is_nut (const guint8 *head, gsize n)
{
  /* with its zero */
  return n >= 25 && !memcmp (head, "nut/multimedia container", 25);
}

/* The caps that an installed demuxer takes. NULL: it is not installed. */
static GstCaps *
demuxer_caps (const gchar *name)
{
  GstElementFactory *factory = gst_element_factory_find (name);
  GstCaps *caps = NULL;

  if (!factory)
    return NULL;
  for (const GList *l = gst_element_factory_get_static_pad_templates (factory); l; l = l->next) {
    GstStaticPadTemplate *template = l->data;

    if (template->direction == GST_PAD_SINK && !caps)
      caps = gst_static_caps_get (&template->static_caps);
  }
  gst_object_unref (factory);

  return caps;
}

/* Containers that only gst-libav reads. It names them differently from version to version, and
 * with FFmpeg 7 it does not find their types. */
static GstCaps *
find_libav_type (ClipChain *self)
{
  static const guint8 gxf[] = { 0, 0, 0, 0, 1, 0xbc }, gxf_end[] = { 0xe1, 0xe2 };
  guint8 head[32];

  if (pread (self->file, head, sizeof head, 0) != sizeof head)
    return NULL;
  if (is_nut (head, sizeof head))
    return demuxer_caps ("avdemux_nut");
  if (!memcmp (head, gxf, sizeof gxf) && !memcmp (head + 14, gxf_end, sizeof gxf_end))
    return demuxer_caps ("avdemux_gxf");

  return NULL;
}

/* NUT Open Container Format: a number of 7 bits a byte, most significant first. */
static guint64
read_nut (const guint8 *data, gsize size, gsize *at)
{
  guint64 number = 0;

  while (*at < size) {
    const guint8 byte = data[(*at)++];

    number = number << 7 | (byte & 127);
    if (!(byte & 128))
      break;
  }

  return number;
}

/* Whether a NUT file has raw video, on which GStreamer's demuxer crashes. Stream headers are
 * among the first packets. libavformat's codes for raw video that GStreamer has no format for
 * begin with its components or are not text. */
static gboolean
is_raw_nut (ClipChain *self)
{
  static const guint8 start[] = { 'N', 'S', 0x11, 0x40, 0x5b, 0xf2, 0xf9, 0xdb };
  static const gchar *const others[] = { "RGB", "BGR", "ARGB", "ABGR", "Y1", "41", "42", "44",
    "B0W1", "B1W0", "PAL", "YV", "YUV" };
  guint8 head[16384];
  const gssize n = pread (self->file, head, sizeof head, 0);
  gsize end = MAX (n, 0);

  if (!is_nut (head, end))
    return FALSE;
  for (gsize i = 0; i + sizeof start + 16 <= end; i++) {
    gsize at = i + sizeof start;
    const guint8 *code;

    if (memcmp (head + i, start, sizeof start))
      continue;
    /* its size, and a checksum if that is large; the stream's number; its class, 0 for video */
    if (read_nut (head, end, &at) > 4096)
      at += 4;
    read_nut (head, end, &at);
    if (read_nut (head, end, &at) != 0 || read_nut (head, end, &at) != 4 || at + 4 > end)
      continue;
    code = head + at;
    if (gst_video_format_from_fourcc (GST_READ_UINT32_LE (code)) != GST_VIDEO_FORMAT_UNKNOWN)
      return TRUE;
    for (guint k = 0; k < G_N_ELEMENTS (others); k++)
      if (!memcmp (code, others[k], strlen (others[k])))
        return TRUE;
    for (guint k = 0; k < 4; k++)
      if (!g_ascii_isprint (code[k]))
        return TRUE;
  }

  return FALSE;
}

static gboolean
is_program (const GstCaps *caps)
{
  const GstStructure *s = gst_caps_get_structure (caps, 0);
  gboolean system = FALSE;

  return gst_structure_has_name (s, "video/mpeg")
      && gst_structure_get_boolean (s, "systemstream", &system) && system;
}

static gboolean
is_avi (const GstCaps *caps)
{
  return gst_structure_has_name (gst_caps_get_structure (caps, 0), "video/x-msvideo");
}

static GstCaps *
find_type (ClipChain *self)
{
  const gchar *dot = strrchr (self->job->path, '.');
  GstTypeFindProbability probability;
  GstCaps *caps;

  self->file = g_open (self->job->path, O_RDONLY | O_CLOEXEC, 0);
  if (self->file < 0) {
    clip_chain_set_error (self, g_strdup (g_strerror (errno)), FALSE);
    return NULL;
  }
  caps = find_libav_type (self);
  if (!caps)
    caps = gst_type_find_helper_get_range (GST_OBJECT (self), NULL, read_range, self->size,
        dot && !strchr (dot, '/') ? dot + 1 : NULL, &probability);
  if (caps && is_avi (caps) && is_joined_avi (self)) {
    clip_chain_set_error (self,
        g_strdup ("it is several AVI files in one, of which GStreamer reads the first one only"),
        FALSE);
    gst_clear_caps (&caps);
  }
  if (caps && is_raw_nut (self)) {
    clip_chain_set_error (self,
        g_strdup (
            "it is raw video in NUT, which GStreamer's demuxer cannot read; convert it: ffmpeg -i "
            "FILE -c:v ffv1 FILE.mkv"),
        FALSE);
    gst_clear_caps (&caps);
  }
  if (caps && is_unknown_container (self, caps))
    gst_clear_caps (&caps);
  if (caps && is_program (caps))
    clip_program_find (&self->program, self->file);
  if (caps && is_avi (caps))
    clip_avi_find (&self->avi, self->file, self->size);
  close (self->file);
  if (!caps)
    clip_chain_set_error (self, g_strdup ("its file type is not recognised"), FALSE);

  return caps;
}

void
clip_chain_plug (ClipChain *self, GstPad *src)
{
  GstCaps *caps = find_type (self);
  const gchar *name;

  if (!caps)
    return;
  name = gst_structure_get_name (gst_caps_get_structure (caps, 0));
  if (g_str_equal (name, "video/quicktime") || g_str_equal (name, "application/x-3gp")) {
    self->container = CLIP_CONTAINER_QUICKTIME;
    gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_PULL | GST_PAD_PROBE_TYPE_BUFFER,
        clip_quicktime_watch, &self->quicktime, NULL);
  } else if (g_str_has_prefix (name, "video/x-matroska") || g_str_equal (name, "video/webm"))
    self->container = CLIP_CONTAINER_MATROSKA;
  else if (is_program (caps)) {
    self->container = CLIP_CONTAINER_PROGRAM;
    clip_program_watch (&self->program, src);
  } else if (g_str_equal (name, "video/x-flv")) {
    self->container = CLIP_CONTAINER_FLV;
    clip_flv_watch (&self->flv, src);
  } else if (g_str_equal (name, "video/x-msvideo") || g_str_equal (name, "video/x-ms-asf")
      || g_str_equal (name, "application/mxf"))
    self->container = CLIP_CONTAINER_UNORDERED;
  if (is_avi (caps))
    clip_avi_watch (&self->avi, src);
  if (is_other (name)) {
    clip_chain_set_error (self, g_strdup_printf ("there is no video in it: it is %s", name), FALSE);
  } else if (!plug (self, src, caps, NULL)) {
    gchar *description = gst_pb_utils_get_decoder_description (caps);

    clip_chain_set_error (self,
        g_strdup_printf ("no GStreamer element that reads its format is installed (%s)",
            description ? description : name),
        FALSE);
    g_free (description);
  }
  gst_caps_unref (caps);
}

/* Decoders */

/* Chains run in parallel, and a decoder's own threads would decode more than is wanted. But with
 * one thread libavcodec's H.264 decoder overwrites frames whose reference lists contain frames
 * from before the start, used or not. */
static void
set_threads (ClipChain *self, GstElement *decoder)
{
  const ClipCodec codec = self->index->codec;
  /* where decoders lose frames, decoding begins early enough before */
  const gboolean clean = self->index->packets[self->from].flags & CLIP_PACKET_RESET
      || clip_index_loses_frames () || codec == CLIP_CODEC_MPEG4
      || (self->from == 0 && codec != CLIP_CODEC_H264);
  static const gchar *const names[] = { "max-threads", "threads", "n-threads" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    GParamSpec *spec = g_object_class_find_property (G_OBJECT_GET_CLASS (decoder), names[i]);

    if (spec && (spec->value_type == G_TYPE_INT || spec->value_type == G_TYPE_UINT))
      g_object_set (decoder, names[i], clean ? 1 : 2, NULL);
  }
}

/* libavcodec's pictures may have a pixel format that GStreamer lacks. Its elements crash on these
 * when they are to decode into GStreamer's buffers. They are of a few codecs, and of more bits than
 * usual. */
static void
set_rendering (GstElement *decoder, const GstCaps *caps)
{
  static const gchar *const codecs[] = { "video/x-ffv", "image/x-j2c", "image/x-jpc", "image/jp2",
    "image/tiff", NULL };
  const GstStructure *s = gst_caps_get_structure (caps, 0);
  guint depth = 8;

  gst_structure_get_uint (s, "bit-depth-luma", &depth);
  if (g_object_class_find_property (G_OBJECT_GET_CLASS (decoder), "direct-rendering")
      && (g_strv_contains (codecs, gst_structure_get_name (s)) || depth > 12
          || (depth > 8 && !g_strcmp0 (clip_image_chroma (caps), "4:0:0"))))
    g_object_set (decoder, "direct-rendering", FALSE, NULL);
}

/* Adds a decoder between the packets and the gate. FALSE: this one does not work. */
static gboolean
try_decoder (ClipChain *self, GstElementFactory *factory, const GstCaps *caps)
{
  GstElement *decoder = gst_element_factory_create (factory, NULL);
  gboolean ok = FALSE;
  GstPad *src;

  if (!decoder)
    return FALSE;
  set_threads (self, decoder);
  set_rendering (decoder, caps);
  gst_bin_add (GST_BIN (self), decoder);
  src = gst_element_get_static_pad (decoder, "src");
  if (src) {
    ok = link_element (self->feed, decoder)
        && gst_pad_link_full (src, self->gate_sink, GST_PAD_LINK_CHECK_NOTHING) == GST_PAD_LINK_OK
        && gst_element_set_state (decoder, GST_STATE_PAUSED) != GST_STATE_CHANGE_FAILURE;
    gst_object_unref (src);
  }
  if (!ok)
    drop_element (self, decoder);

  return ok;
}

/* Why no decoder takes the caps. fits: one does, but does not start; lacks: one would if they had
 * more fields */
static gchar *
explain_decoder (const GstCaps *caps, gboolean fits, gboolean lacks)
{
  const gchar *name = gst_structure_get_name (gst_caps_get_structure (caps, 0));
  gchar *code = clip_name_code (caps), *description, *reason;

  if (code) {
    reason = g_strdup_printf ("GStreamer does not know its codec (%s); convert it: ffmpeg -i FILE "
                              "-c:v ffv1 FILE.mkv",
        code);
    g_free (code);
    return reason;
  }
  description = gst_pb_utils_get_codec_description (caps);
  if (lacks && !fits)
    reason = g_strdup_printf ("its container does not tell what decoders must know of it (%s); "
                              "encode it in another container",
        description ? description : name);
  else
    reason = g_strdup_printf ("no decoder for it %s (%s)",
        fits ? "could be started" : "is installed", description ? description : name);
  g_free (description);

  return reason;
}

gboolean
clip_chain_add_decoder (ClipChain *self, GstCaps *caps)
{
  const GstStructure *s = gst_caps_get_structure (caps, 0);
  const gchar *name = gst_structure_get_name (s);
  const gchar *chroma = clip_image_chroma (caps), *format;
  gchar *fault = clip_image_fault (caps);
  GList *fitting;
  gboolean ok = FALSE;

  if (fault) {
    clip_chain_set_error (self, fault, FALSE);
    return FALSE;
  }
  /* decoders do not reject it, and some crash */
  if (gst_structure_has_field (s, "chroma-format") && !g_strcmp0 (chroma, "4:4:0")) {
    clip_chain_set_error (
        self, g_strdup ("its chroma is 4:4:0, for which GStreamer has no format"), FALSE);
    return FALSE;
  }
  /* QuickTime has 5 bits a component, most significant byte first, and Cr before Y and Cb */
  format = gst_structure_get_string (s, "format");
  if (self->container == CLIP_CONTAINER_QUICKTIME && g_str_equal (name, "video/x-raw")
      && (!g_strcmp0 (format, "RGB16") || !g_strcmp0 (format, "v308"))) {
    clip_chain_set_error (self,
        g_strdup_printf (
            "GStreamer's qtdemux takes its raw video for another format (%s); encode it", format),
        FALSE);
    return FALSE;
  }
  if (g_str_equal (name, "video/x-raw") && !g_strcmp0 (format, "RGB8P")) {
    clip_chain_set_error (self,
        g_strdup (
            "its raw pictures have a palette, which GStreamer's demuxer leaves out; convert it: "
            "ffmpeg -i FILE -c:v ffv1 -pix_fmt bgr0 FILE.mkv"),
        FALSE);
    return FALSE;
  }
  if (g_str_equal (name, "video/x-raw"))
    return gst_pad_link_full (self->feed, self->gate_sink, GST_PAD_LINK_CHECK_NOTHING)
        == GST_PAD_LINK_OK;
  fitting = clip_factories_find (self->factories, CLIP_FACTORIES_DECODERS, caps);
  /* decoders that reduce chroma, as jpegdec does, are tried last */
  for (guint keeps = 2; keeps-- > 0;)
    for (GList *l = fitting; l && !ok; l = l->next)
      if (clip_image_keeps_chroma (l->data, chroma) == (keeps > 0))
        ok = try_decoder (self, l->data, caps);
  if (!ok)
    clip_chain_set_error (self,
        explain_decoder (caps, fitting != NULL,
            clip_factories_need_more (self->factories, CLIP_FACTORIES_DECODERS, caps)),
        FALSE);
  gst_plugin_feature_list_free (fitting);

  return ok;
}
