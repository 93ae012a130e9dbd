#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Codecs in containers whose GStreamer demuxers do not know them, or take them for others: they give FFmpeg's
frames, or are rejected with the reason.

The child, which has PyAV: formats.py --programs FOLDER
                           formats.py --flash FOLDER
                           formats.py --pictures FOLDER
                           formats.py --edited FOLDER
                           formats.py --refused FOLDER"""
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import zlib

import containers
import cuts
import frames
import launch
import programs


def made(kind, folder):
    child = subprocess.run([launch.peer("av", "numpy"), os.path.abspath(__file__), kind, folder], check=True,
                           stdout=subprocess.PIPE, text=True, env=dict(os.environ, SVT_LOG="1"))
    return json.loads(child.stdout.splitlines()[-1])


def check(kind, folder):
    """The correct frames are delivered, also with a stored index"""
    def kept(one, differ):
        if not frames.is_kept(folder, one["file"]):
            differ.append("other frames come when its index was kept")

    return frames.check(launch.peer("av", "numpy"), folder, [
        {"file": path, "kind": os.path.basename(path), "rows": rows} for path, rows in made(kind, folder)], kept)


def program_streams(folder):
    """Program streams of H.264, H.265 and MPEG-4, with and without a map, as recorders and FFmpeg write them"""
    return check("--programs", folder)


def flash(folder):
    """H.265, AV1 and VP9 in FLV, by their four characters and by the number that came before, also after metadata
    and beside such audio"""
    notes = check("--flash", folder)
    raw = "videoconvert ! video/x-raw,format=RGB"
    # FFmpeg does not decode the others
    for name, *others in (("hevc.flv", "metadata-first.flv", "metadata.flv"), ("mpeg4.avi", "mpeg4.flv")):
        shown = frames.play(folder, os.path.join(folder, name), raw)
        for other in others:
            assert frames.play(folder, os.path.join(folder, other), raw) == shown, other
    return notes


def pictures_alone(folder):
    """JPEG 2000, with and without a header, AV1, VP9 and ProRes in containers that do not name them or lose their
    times"""
    return check("--pictures", folder)


def edited(folder):
    """Parts of an edit list that share a group of pictures, edits without frames, videos that start late in the
    movie, and durations that are unknown"""
    whole, part, early, late, *same = made("--edited", folder)
    raw, size = "videoconvert ! video/x-raw,format=RGB", 96 * 64 * 3
    whole = frames.play(folder, whole, raw)
    assert len(whole) == 30 * size
    assert frames.play(folder, part, raw) == whole[:10 * size] + whole[15 * size:28 * size]
    # the edit begins before the first frame, and ends before the last ones
    assert frames.play(folder, early, raw) == whole[:28 * size]
    assert len(frames.play(folder, late, raw)) == 30 * size
    for path in same:
        assert frames.play(folder, path, raw) == whole, path


def refused(folder):
    """Files that GStreamer has no format or no decoder for are rejected with the reason"""
    for path, reason, changed in made("--refused", folder):
        frames.table(folder, "one.csv", [path, "x", "val"], [path, "x", "train"])
        launch.launch("clipsrc location=one.csv passes=val on-error=stop ! fakesink", folder, seconds=15,
                      **changed).refused(reason)


# --- the child ---

def rows(paths, times=None):
    """The frames of random parts; times: of the frames, None: as FFmpeg has them"""
    import av

    draw, found = random.Random(5), []
    for path in paths:
        with av.open(path) as container:
            shown = [frame.time for frame in container.decode(container.streams.best("video"))]
        shown = [time - shown[0] for time in shown] if times is None else times[:len(shown)]
        found.append((path, frames.clips(path, shown, draw, 2)))
    return found


def pictures(path, start=0):
    """See programs.write()"""
    import av

    with av.open(path) as container:
        packets = [packet for packet in container.demux(container.streams.video[0]) if packet.size]
    zero = packets[0].dts - 90000 - start
    return [(bytes(packet), packet.pts - zero, packet.dts - zero, packet.is_keyframe) for packet in packets]


def make_programs(folder):
    path = lambda name: os.path.join(folder, name)
    timed, counted, several = [], [], []
    streams = {}
    for codec in ("h264", "hevc"):
        frames.encode(path(codec + ".ts"), codec, cuts.options(codec), count=30)
        streams[codec] = pictures(path(codec + ".ts"))

    def write(name, codec, *options, **more):
        timed.append(path(name))
        programs.write(timed[-1], streams[codec], *options, **more)

    write("map-h264.mpg", "h264", programs.H264)
    write("map-hevc.mpg", "hevc", programs.HEVC, private=True)
    write("small.ps", "h264", size=100, stream=0xe2)
    write("recorder.mp4", "hevc", before=b"IMKH" + bytes(36))
    # from the middle of a group of pictures on
    streams["h264"] = streams["h264"][5:]
    write("middle.mpg", "h264")
    # two files in one block of what the demuxer reads
    several.append(path("joined.mpg"))
    with open(several[-1], "wb") as file:
        file.write(launch.read(path("small.ps")) * 2)
    # only some of the pictures have times
    for codec, name in (("h264", "h264.mpg"), ("hevc", "hevc.vob"), ("mpeg4", "mpeg4.mpg")):
        counted.append(path(name))
        frames.encode(counted[-1], codec, cuts.options(codec), count=30)
    # in a map that is right, advanced simple profile without the sequence's headers
    counted.append(path("part.mpg"))
    frames.encode(path("mpeg4.avi"), "mpeg4", {"flags": "+qpel", "bf": "0", "g": "12"}, count=30)
    layer = lambda data: b"\0\0\1\0" + data[data.index(b"\0\0\1\x20"):] if b"\0\0\1\x20" in data else data
    programs.write(counted[-1], [(layer(data), 90000 + 3600 * i, 90000 + 3600 * i, key) for i, (data, _, _, key) in
                                 enumerate(pictures(path("mpeg4.avi")))], programs.MPEG4)
    print(json.dumps(rows(timed) + rows(counted + several, [i / 25 for i in range(60)])))


def make_flash(folder):
    path = lambda name: os.path.join(folder, name)
    shown = []
    for codec in ("hevc", "av1", "vp9"):
        shown.append(path(codec + ".flv"))
        frames.encode(shown[-1], codec, cuts.options(codec) if codec == "hevc" else frames.encoder_options(
            codec, 12, 0, random.Random(6)), count=20)
    for name, change in (("numbered.flv", containers.numbered_h265), ("extended.flv", containers.extended)):
        shown.append(path(name))
        containers.change_flv(path("hevc.flv"), shown[-1], lambda body, time: [(9, change(body), time)])
    for name, change in (
            ("opus.flv", containers.with_audio(b"\x90OpusOpusHead\1\2\0\0\x80\xbb\0\0\0\0\0", b"\x91Opus" + bytes(20))),
            # AAC, then in several tracks
            ("tracks.flv", containers.with_audio(b"\xaf\0\x11\x90", b"\x95\0mp4a\1\x11\x90", b"\x95\1mp4a\1" + bytes(20)))):
        shown.append(path(name))
        containers.change_flv(path("hevc.flv"), shown[-1], change)
    containers.change_flv(path("hevc.flv"), path("metadata-first.flv"), containers.with_metadata(0))
    containers.change_flv(path("hevc.flv"), path("metadata.flv"), containers.with_metadata(1))
    # MPEG-4's number
    frames.encode(path("mpeg4.avi"), "mpeg4", {"bf": "0"}, count=10)
    with open(path("mpeg4.flv"), "wb") as file:
        file.write(containers.flv(*((9, bytes([0x19 if key else 0x29]) + data, 40 * i)
                                    for i, (data, _, _, key) in enumerate(pictures(path("mpeg4.avi"))))))
    print(json.dumps(rows(shown)))


def make_pictures(folder):
    path = lambda name: os.path.join(folder, name)
    shown, early = [], []
    for codec in ("av1", "vp9"):
        shown.append(path(codec + ".avi"))
        frames.encode(shown[-1], codec, frames.encoder_options(codec, 12, 0, random.Random(6)), count=10)
    for name, form, pix_fmt in (("box.avi", "jp2", "rgb24"), ("bare.avi", "j2k", "yuv420p"), ("box.mkv", "jp2", "yuv422p"),
                                ("bare.mkv", "j2k", "gray"), ("bare.mxf", "j2k", "yuv422p10le"),
                                ("rgb.mxf", "j2k", "rgb24"), ("bare.mov", "j2k", "rgb24")):
        shown.append(path(name))
        frames.encode(shown[-1], "jpeg2000", {"format": form}, pix_fmt, count=5)
    # as GStreamer writes it: in a box whose type is reversed
    shown.append(path("reversed.mov"))
    enclose(path("bare.mov"), shown[-1])
    # two pictures are equal, so that a seek to them is not exact
    shown.append(path("prores.mkv"))
    frames.encode(shown[-1], "prores_ks", {}, "yuv422p10le", count=12, place=lambda i: i * i,
                  draw=lambda i: frames.draw_picture(min(i, 10)))
    early.append(path("early-prores.mkv"))
    frames.copy_packets(path("prores.mkv"), early[-1], lambda i, packet: True, cuts.earlier)
    print(json.dumps(rows(shown) + rows(early, [i * i / 25 for i in range(12)])))


def enclose(path, enclosed):
    """Each picture of JPEG 2000 in a box."""
    import av

    with av.open(path) as source, av.open(enclosed, "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.size:
                boxed = av.Packet(struct.pack(">I4s", packet.size + 8, b"c2pj") + bytes(packet))
                boxed.stream, boxed.time_base, boxed.is_keyframe = copy, packet.time_base, True
                boxed.pts, boxed.dts = packet.pts, packet.dts
                target.mux(boxed)


def make_edited(folder):
    path = lambda name: os.path.join(folder, name)
    whole, part, early, late = (path(name) for name in ("whole.mov", "part.mov", "early.mov", "late.mp4"))
    encode_groups(whole)
    shutil.copy(whole, part)
    frames.edit(part, ((0.4, 0), (0.5, 0.6)))
    shutil.copy(whole, early)
    frames.edit(early, ((1.2, -0.08),))
    # with an empty edit of 20 s
    frames.encode(late, "h264", cuts.options("h264"), place=lambda i: i + 500, count=30)
    # with one of 1000 h, for a quarter of which the track's duration has too few bits; and durations that are unknown
    changes = {"later.mov": ((b"elst", 16, b"\xff" * 4), (b"mvhd", 20, struct.pack(">I", 3600001200))),
               "movie.mov": ((b"mvhd", 20, b"\xff" * 4),), "media.mov": ((b"mdhd", 20, bytes(4)),),
               "no-edits.mov": ((b"elst", 8, bytes(4)),)}
    for name, values in changes.items():
        shutil.copy(whole, path(name))
        if name == "later.mov":
            frames.edit(path(name), ((3600000, 0), (1.2, 0)))
        data = bytearray(launch.read(path(name)))
        for box, at, value in values:
            at += data.rindex(box)
            data[at:at + 4] = value
        with open(path(name), "wb") as file:
            file.write(data)
    # the header is compressed, and has no edit list
    data = bytearray(launch.read(whole))
    at, header = data.rindex(b"moov") - 4, data.rindex(b"edts")
    data[header:header + 4] = b"free"
    box = lambda name, content: struct.pack(">I", 8 + len(content)) + name + content
    packed = box(b"dcom", b"zlib") + box(b"cmvd", struct.pack(">I", len(data) - at) + zlib.compress(data[at:]))
    compressed = path("compressed.mov")
    with open(compressed, "wb") as file:
        file.write(data[:at] + box(b"moov", box(b"cmov", packed)))
    print(json.dumps([whole, part, early, late, *map(path, changes), compressed]))


def make_refused(folder):
    path = lambda name: os.path.join(folder, name)
    frames.encode(path("rgb24.mxf"), "jpeg2000", {"format": "j2k"}, "rgb24", count=2)
    # the profile of digital cinemas
    with open(path("cinema.mxf"), "wb") as file:
        file.write(launch.read(path("rgb24.mxf")).replace(b"\xff\x4f\xff\x51\0\x2f\0\0", b"\xff\x4f\xff\x51\0\x2f\0\3"))
    rows = [(path("cinema.mxf"), "its colours are XYZ")]
    # libavcodec's element would crash on the second picture
    tiff = path("tiff.mov")
    for codec, suffix, pix_fmt in (("ffv1", "mkv", "yuva444p"), ("hevc", "mkv", "gray12le"), ("tiff", "mov", "ya8")):
        rows.append((path("%s.%s" % (codec, suffix)), "GStreamer has no format for its pixels"))
        frames.encode(rows[-1][0], codec, {"x265-params": "log-level=none"} if codec == "hevc" else {}, pix_fmt, count=5)
    for name, codec, pix_fmt, reason in (
            ("deep.mov", "png", "rgb48be", "it is PNG with 16 bits a component and no alpha"),
            ("dpx.mov", "dpx", "gray", re.escape("GStreamer does not know its codec (dpx_)")),
            ("dpx.nut", "dpx", "gray", "it is truncated, or GStreamer does not know its codec"),
            ("jpegls.avi", "jpegls", "bgr24", re.escape("GStreamer does not know its codec (MJLS)")),
            ("screen.flv", "flashsv2", "bgr24", re.escape("GStreamer does not know its codec (number 6 of FLV)"))):
        rows.append((path(name), reason))
        frames.encode(rows[-1][0], codec, {}, pix_fmt, count=3)
    # only the second of a folder's pictures
    rows.append((path("deep"), "it is PNG with 16 bits a component and no alpha"))
    os.mkdir(rows[-1][0])
    for i, pix_fmt in enumerate(("rgb24", "rgb48be")):
        frames.encode(path("one.mov"), "png", {}, pix_fmt, count=1)
        data = launch.read(path("one.mov"))
        with open(os.path.join(rows[-1][0], "%d.png" % i), "wb") as file:
            file.write(data[data.index(b"\x89PNG"):data.index(b"IEND") + 8])
    for name, numbers, reason in (
            ("zero.flv", (0,), re.escape("GStreamer does not know its codec (number 0 of FLV)")),
            # a known codec, with a tag that is damaged
            ("damaged.flv", (9, 9, 1, 9), "Internal data stream error")):
        rows.append((path(name), reason))
        with open(rows[-1][0], "wb") as file:
            file.write(containers.flv(*((9, bytes([0x10 | number]) + bytes(50), 40 * i) for i, number in
                                        enumerate(numbers))))
    for name, codec, reason in (
            ("palette.avi", "rawvideo", "its raw pictures have a palette"),
            ("msrle.nut", "msrle", "its container does not tell what decoders must know of it")):
        rows.append((path(name), reason))
        encode_palette(rows[-1][0], codec)
    # the second part begins with a key frame that the first one ends with
    rows.append((path("shared.mov"), "its edit list has parts that follow one another within a group of pictures"))
    encode_groups(rows[-1][0])
    frames.edit(rows[-1][0], ((0.4, 0), (0.5, 0.5)))
    rows.append((path("headers.mkv"), "its decoder could not be opened, or its headers are damaged"))
    frames.encode(rows[-1][0], "ffv1", {"level": "3"}, count=3)
    invert_headers(rows[-1][0])
    # a block of two frames, and its times cannot be known
    rows.append((path("laced.mkv"), "GStreamer's demuxer loses its times"))
    frames.encode(path("prores.mkv"), "prores_ks", {}, "yuv422p10le", count=3)
    with open(rows[-1][0], "wb") as file:
        file.write(containers.add_cluster(launch.read(path("prores.mkv")), b"\x81\0\0\6\1" + bytes(20)))
    # other decoders of TIFF, and of other MPEG, may be installed
    rows = [(*row, {"GST_PLUGIN_FEATURE_RANK": "gdkpixbufdec:NONE"} if row[0] == tiff else {}) for row in rows] + [
        (path("mpeg4.avi"), re.escape("no decoder for it is installed (MPEG-4"),
         {"GST_PLUGIN_FEATURE_RANK": "avdec_mpeg4:NONE"})]
    frames.encode(rows[-1][0], "mpeg4", {}, count=3)
    print(json.dumps(rows))


def invert_headers(path):
    """Of a Matroska file of FFV1: decoders cannot read its configuration."""
    import av

    with av.open(path) as container:
        headers = container.streams.video[0].codec_context.extradata
    data = launch.read(path)
    with open(path, "wb") as file:
        file.write(data.replace(headers, bytes(0xff - byte for byte in headers)))


def encode_groups(path):
    """H.265 in open groups: frames 13 and 25 are key frames, and decoded before the two that precede them."""
    frames.encode(path, "hevc", {"preset": "veryfast", "x265-params": "keyint=12:bframes=2:log-level=none"}, count=30)


def encode_palette(path, codec):
    import av

    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "pal8"
        for i in range(3):
            frame = av.VideoFrame(96, 64, "pal8")
            for plane in frame.planes:
                plane.update(bytes((i * 50 + at) % 256 for at in range(plane.buffer_size)))
            frame.pts = i
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--programs"]:
        make_programs(sys.argv[2])
    elif sys.argv[1:2] == ["--flash"]:
        make_flash(sys.argv[2])
    elif sys.argv[1:2] == ["--pictures"]:
        make_pictures(sys.argv[2])
    elif sys.argv[1:2] == ["--edited"]:
        make_edited(sys.argv[2])
    elif sys.argv[1:2] == ["--refused"]:
        make_refused(sys.argv[2])
    else:
        launch.main(program_streams, flash, pictures_alone, edited, refused)
