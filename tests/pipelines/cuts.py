#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files with unusual clocks, beginnings and ends, of which GStreamer's elements lose frames: they give FFmpeg's
frames, or are rejected with the reason.

The child, which has PyAV: cuts.py --shown FOLDER
                           cuts.py --refused FOLDER"""
import fractions
import json
import os
import random
import re
import subprocess
import sys

import containers
import frames
import launch

# Open or closed groups of pictures, always with two B pictures in a row
OPEN, CLOSED = ({name: "keyint=12:min-keyint=12:bframes=2:b-adapt=0:b-pyramid=0:scenecut=0:ref=1:open-gop=%d" % is_open
                 for name in ("x264-params", "x265-params")} for is_open in (1, 0))
VP8 = {"g": "12", "b": "1000000", "deadline": "realtime", "cpu-used": "8"}
# Pause between two parts in seconds, by the muxer's clock
LATER = 97.06
# Pictures in decoding order that such a byte follows
PLACEHOLDERS = 0, 20, 21


def made(kind, folder):
    child = subprocess.run([launch.peer("av", "numpy"), os.path.abspath(__file__), kind, folder], check=True,
                           stdout=subprocess.PIPE, text=True, env=dict(os.environ, SVT_LOG="1"))
    return json.loads(child.stdout.splitlines()[-1])


def shown(folder):
    """The correct frames are delivered, also with a stored index"""
    def kept(one, differ):
        if not frames.is_kept(folder, one["file"]):
            differ.append("other frames come when its index was kept")

    return frames.check(launch.peer("av", "numpy"), folder, [
        {"file": path, "kind": os.path.basename(path), "rows": rows} for path, rows in made("--shown", folder)], kept)


def refused(folder):
    """Files that cannot be shown correctly are rejected with the reason"""
    for path, reason in made("--refused", folder):
        frames.table(folder, "one.csv", [path, "x", "val"], [path, "x", "train"])
        launch.launch("clipsrc location=one.csv passes=val on-error=stop ! fakesink", folder, seconds=15).refused(reason)


# --- the child ---

def options(codec, is_open=False):
    if codec in ("h264", "hevc"):
        name = {"h264": "x264-params", "hevc": "x265-params"}[codec]
        return {"preset": "veryfast", name: (OPEN if is_open else CLOSED)[name] + (
            ":log-level=none" if codec == "hevc" else "")}
    return frames.encoder_options(codec, 12, 2, None)


def show_later(seconds):
    def change(packet):
        packet.pts += round(seconds / packet.time_base)

    return change


def shown_when_decoded(packet):
    packet.dts += round(1 / packet.time_base)
    packet.pts = packet.dts


def earlier(packet):
    half = round(0.5 / packet.time_base)
    packet.pts, packet.dts = packet.pts - half, packet.dts - half


def in_pairs(packet):
    """Gives each two successive frames the same time."""
    step = round(0.08 / packet.time_base)
    packet.pts = packet.pts // step * step
    packet.dts = min(packet.dts, packet.pts)


def join_packets(source, path, count, change=lambda data: data):
    """A transport stream with this many pictures per PES packet."""
    import av

    with av.open(source) as file, av.open(path, "w", format="mpegts") as target:
        stream = file.streams.video[0]
        copy = target.add_stream_from_template(stream)
        packets = [packet for packet in file.demux(stream) if packet.size]
        for i in range(0, len(packets), count):
            packet = av.Packet(b"".join(change(bytes(one)) for one in packets[i:i + count]))
            packet.stream, packet.time_base = copy, fractions.Fraction(1, 90000)
            packet.pts, packet.dts = (round(time * packets[i].time_base * 90000) for time in (
                packets[i].pts, packets[i].dts))
            target.mux(packet)


def zero_later(data):
    """The first byte of each picture's start code behind the picture before, as a remuxed H.265 stream has it"""
    assert data[:4] == b"\0\0\0\1"
    return data[1:] + b"\0"


def split_headers(path, split, draw):
    """A transport stream of one video, in which the headers of PES packets end in the next packet of it or not."""
    data, video = launch.read(path), 0x100
    pictures, out, count = [], bytearray(), 0
    for at in range(0, len(data), 188):
        packet = data[at:at + 188]
        if (packet[1] & 31) << 8 | packet[2] != video:
            out += packet
            continue
        if packet[1] & 0x40:
            pictures.append(bytearray())
        pictures[-1] += packet[4 + (packet[3] & 0x20 and 1 + packet[4]):]
    for picture in pictures:
        at = 0
        while at < len(picture):
            begin = at == 0
            payload = picture[at:at + (draw.choice((5, 11, 16, 170)) if begin else 184)]
            at += len(payload)
            # an adaptation field of stuffing
            field = bytes([183 - len(payload)]) + bytes(min(1, 183 - len(payload))) + b"\xff" * (
                182 - len(payload)) if len(payload) < 184 else b""
            out += bytes([0x47, begin << 6 | video >> 8, video & 255, (0x30 if field else 0x10) | count % 16])
            out += field + payload
            count += 1
    with open(split, "wb") as file:
        file.write(out)


def add_placeholders(source, path):
    """An AVI file as Xvid's encoder for Windows writes it: a byte where it has no picture to output."""
    import av

    with av.open(source) as file, av.open(path, "w") as target:
        stream = file.streams.video[0]
        copy = target.add_stream_from_template(stream)
        n = 0
        for i, picture in enumerate(file.demux(stream)):
            # libavcodec expects the byte of the encoders that it knows
            data = re.sub(rb"Lavc[\d.]+", lambda name: b"XviD0050".ljust(len(name[0])), bytes(picture))
            for one in (data, b"\x7f") if i in PLACEHOLDERS else (data,):
                packet = av.Packet(one)
                packet.stream, packet.time_base = copy, fractions.Fraction(1, 25)
                packet.pts = packet.dts = n
                packet.is_keyframe = one is data and picture.is_keyframe
                n += 1
                if one:
                    target.mux(packet)


def understate(path):
    """An MP4 file tells nine tenths of its durations."""
    data = bytearray(launch.read(path))
    for name in (b"mvhd", b"mdhd"):
        at = data.index(name) + 20
        data[at:at + 4] = (int.from_bytes(data[at:at + 4], "big") * 9 // 10).to_bytes(4, "big")
    with open(path, "wb") as file:
        file.write(data)


def full_range_av1(path):
    """Only the stream's own header has the full-range flag."""
    import av

    with av.open(path, "w") as container:
        stream = container.add_stream("libsvtav1", rate=25, options={"preset": "10", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.color_range = 2
        for i in range(20):
            full = av.VideoFrame.from_ndarray(frames.draw_picture(i), format="rgb24").reformat(
                format="yuvj420p", dst_color_range=2)
            frame = av.VideoFrame(96, 64, "yuv420p")
            for plane, other in zip(frame.planes, full.planes):
                plane.update(bytes(other))
            frame.color_range, frame.pts, frame.time_base = 2, i, fractions.Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    # removes the container's flag
    data = launch.read(path)
    assert data.count(b"\x55\xb9\x81\x02") == 1
    with open(path, "wb") as file:
        file.write(data.replace(b"\x55\xb9\x81\x02", b"\x55\xb9\x81\x00"))


def make_shown(folder):
    """Files, with the frames of random parts."""
    import av

    draw, files = random.Random(4), []
    path = lambda name: os.path.join(folder, name)
    everything = lambda i, packet: True
    later_key = lambda i, packet: i > 0 and packet.is_keyframe

    def add(name, codec, **more):
        files.append(path(name))
        frames.encode(files[-1], codec, options(codec), **more)

    def copy(source, name, change):
        files.append(path(name))
        frames.copy_packets(path(source), files[-1], everything, change)

    for codec in ("h264", "hevc", "mpeg4"):
        frames.encode(path(codec + ".mp4"), codec, options(codec), place=lambda i: i + 50)
    frames.encode(path("h264.ts"), "h264", options("h264"))
    for codec in ("h264", "hevc"):
        copy(codec + ".mp4", "far-%s.ts" % codec, show_later(6))
    # the 33-bit clock wraps around in the middle
    add("wrap.mpg", "mpeg2", place=lambda i: i + 95442 * 25)
    add("pause.mpg", "mpeg2")
    # 60 frames, and another 60 from 100 s on
    frames.encode(path("later.mpg"), "mpeg2", options("mpeg2"), place=lambda i: i + 100 * 25)
    with open(files[-1], "ab") as file:
        file.write(launch.read(path("later.mpg")))
    # from a key frame shown at zero: the clock begins earlier
    frames.encode(path("mpeg2.mkv"), "mpeg2", options("mpeg2"))
    files.append(path("early.mpg"))
    frames.copy_packets(path("mpeg2.mkv"), files[-1], later_key)
    files.append(path("range.mkv"))
    full_range_av1(files[-1])
    copy("h264.ts", "h264.mxf", lambda packet: None)
    for codec in ("h264", "mpeg4"):
        copy(codec + ".mp4", "pairs-%s.mkv" % codec, in_pairs)
    # has an end time, but no edit list that moves it
    frames.encode(path("27.mp4"), "mpeg4", options("mpeg4"), place=lambda i: i + 50, count=27)
    files.append(path("phone.3gp"))
    frames.copy_packets(path("27.mp4"), files[-1], later_key)
    files.append(path("two.ts"))
    join_packets(path("h264.ts"), files[-1], 2)
    frames.encode(path("hevc.ts"), "hevc", options("hevc"))
    for codec in ("h264", "hevc"):
        files.append(path("zeros-%s.ts" % codec))
        join_packets(path(codec + ".ts"), files[-1], 1, zero_later)
        # the parameter sets are in the header alone, with start codes
        add(codec + ".nut", codec)
    # shorter than what libavformat reads to find out what it is
    files.append(path("short.nut"))
    frames.encode(files[-1], "mjpeg", {"qscale": "3"}, "yuvj420p", count=3)
    # one frame in the movie's box, the others in fragments, and no edit list
    files.append(path("one-and-fragments.mp4"))
    frames.encode(files[-1], "h264", {"preset": "veryfast", "x264-params": "keyint=1:bframes=0"},
                  muxer={"movflags": "frag_keyframe"})
    add("understated.mp4", "h264", muxer={"use_editlist": "0"})
    understate(files[-1])
    # Ogg's clock ticks faster than the frames
    frames.encode(path("vp8.mkv"), "vp8", VP8, place=lambda i: i + i * i // 7)
    copy("vp8.mkv", "vp8.ogg", lambda packet: None)
    # each fragment has another rate, and ends with a picture that is only shown
    files.append(path("fragments-av1.mp4"))
    frames.encode(files[-1], "av1", {"g": "5", "preset": "10", "crf": "25"}, place=lambda i: i + (i > 0),
                  muxer={"movflags": "frag_keyframe+empty_moov+default_base_moof"})
    # as recorders have them that know one time of each picture
    copy("h264.mp4", "decoded.mkv", shown_when_decoded)
    # only the decoder finds the matrix; and it finds no range
    files.append(path("matrix.ts"))
    frames.encode(files[-1], "mpeg2", options("mpeg2"), matrix=1)
    files.append(path("matrix.mxf"))
    frames.encode(files[-1], "dnxhd", {"profile": "dnxhr_sq"}, "yuv422p", count=20, size=(256, 128), matrix=1)
    # the timestamps of a PES packet are in two packets of the stream, and too far apart for the demuxer
    frames.encode(path("growing.mkv"), "h264", options("h264"), place=lambda i: i + i * i // 9)
    frames.copy_packets(path("growing.mkv"), path("growing.ts"), everything, show_later(6))
    files.append(path("split.ts"))
    split_headers(path("growing.ts"), files[-1], draw)
    # the first decoding time is before the first clock reference
    files.append(path("constant-rate.ts"))
    frames.encode(files[-1], "h264", options("h264"), muxer={"muxrate": "3000000"})
    # blocks before zero
    copy("hevc.mp4", "early.mkv", earlier)
    copy("vp8.mkv", "early.webm", earlier)
    copy("hevc.mp4", "decoded-hevc.mkv", shown_when_decoded)
    # begins within a group of pictures: the parser passes on the times of dropped ones
    files.append(path("middle.mpg"))
    frames.copy_packets(path("mpeg2.mkv"), files[-1], lambda i, packet: i == 5)
    # rows of 64 pixels
    files.append(path("r210.mov"))
    frames.encode(files[-1], "r210", {}, "gbrp10le", count=5)
    for pix_fmt in ("rgb24", "yuv422p"):
        files.append(path(pix_fmt + (".mxf" if pix_fmt == "rgb24" else ".mov")))
        frames.encode(files[-1], "jpeg2000", {}, pix_fmt, count=12, size=(256, 128))
    # indices that do not reach the end: of a repaired file, and of ones with several parts
    def surgery(name, data):
        files.append(path(name))
        with open(files[-1], "wb") as file:
            file.write(data)

    add("index.avi", "mpeg4")
    surgery("index.avi", containers.cut_index(launch.read(files.pop()), range(20)))
    frames.encode(path("mjpeg.avi"), "mjpeg", {"qscale": "3"}, "yuvj420p", count=12)
    with av.open(path("mjpeg.avi")) as container:
        pictures = [bytes(packet) for packet in container.demux(container.streams.video[0]) if packet.size]
    parts = pictures[:5], pictures[5:9], pictures[9:]
    for n_super in (0, 1):
        surgery("parts-%d.avi" % n_super, containers.avi(parts, 96, 64, n_super))
    # a scan does not find key frames
    for codec, pix_fmt in (("msmpeg4", "yuv420p"), ("zmbv", "bgr0"), ("ffv1", "yuv420p")):
        frames.encode(path(codec + ".avi"), codec, {"g": "12"}, pix_fmt, count=30)
        data = launch.read(path(codec + ".avi"))
        surgery("index-%s.avi" % codec, containers.cut_index(data, range(20)))
        surgery("no-index-%s.avi" % codec, data[:data.rindex(b"idx1")])
        # the header does not declare its index
        at = data.index(b"avih") + 20
        surgery("undeclared-%s.avi" % codec, data[:at] + bytes(4) + data[at + 4:])
    # the index declares all pictures as key frames
    data = launch.read(path("ffv1.avi"))
    surgery("keys.avi", data[:data.rindex(b"idx1")] + data[data.rindex(b"idx1"):].replace(
        b"00dc\0\0\0\0", b"00dc\x10\0\0\0"))
    # audio in fewer parts than video; avidemux needs the first stream's super index; or audio in more parts
    surgery("audio.avi", containers.avi(parts, 96, 64, 3, 2))
    data = bytearray(containers.avi(parts, 96, 64, 3, 2))
    at = data.index(b"indx")
    data[at:at + 4] = b"JUNK"
    surgery("first.avi", bytes(data))
    surgery("short-audio.avi", containers.avi(parts, 96, 64, 2, 3))
    surgery("streams.avi", containers.avi(parts, 96, 64, 0, 0, 16))
    # the last entry is audio's at the end, and the farthest of video precedes two others
    surgery("order.avi", containers.cut_index(containers.avi((pictures,), 96, 64, 0, 1), [0, 1, 4, 2, 3, 12]))
    data = containers.avi((pictures,), 96, 64)
    surgery("absolute.avi", containers.cut_index(data, range(5), data.index(b"movi")))
    # a recording that was interrupted, in the last pictures or before their index
    for n_super in (0, 1, 2):
        surgery("interrupted-%d.avi" % n_super, containers.interrupt(containers.avi(parts[:2], 96, 64, n_super), 50))
    for b_frames in (0, 2):
        frames.encode(path("xvid.avi"), "mpeg4", frames.encoder_options("mpeg4", 12, b_frames, None), count=30)
        files.append(path("placeholders-%d.avi" % b_frames))
        add_placeholders(path("xvid.avi"), files[-1])
    surgery("fill.avi", containers.fill(containers.avi(parts[:2], 96, 64), 200))
    rows = []
    for name in files:
        with av.open(name) as container:
            times = [frame.time for frame in container.decode(container.streams.best("video"))]
        # FFmpeg has wrong times, or only some
        if os.path.basename(name) in ("h264.mxf", "two.ts", "pause.mpg", "early.mpg", "middle.mpg", "decoded.mkv",
                                      "early.mkv", "decoded-hevc.mkv", "rgb24.mxf") or name.endswith(".avi"):
            times = [i / 25 + (LATER if "pause" in name and i >= 60 else 0) for i in range(len(times))]
            if "placeholders" in name:
                times = [time + sum(place < i for place in PLACEHOLDERS) / 25 for i, time in enumerate(times)]
        elif name.endswith(".webm"):
            times = [(i + i * i // 7) / 25 for i in range(len(times))]
        times = [time - times[0] for time in times]
        rows.append((name, frames.clips(name, times, draw, 3)))
    print(json.dumps(rows))


def make_refused(folder):
    """Files, with the reason."""
    path = lambda name: os.path.join(folder, name)
    cut_away = "it begins with pictures that refer to missing ones; cut it at a key frame"
    frames.encode(path("mpeg4.mkv"), "mpeg4", options("mpeg4"))
    # starts with the first of three pictures P, B, B
    frames.copy_packets(path("mpeg4.mkv"), path("no-key.mkv"), lambda i, packet: i == 4)
    frames.encode(path("refresh.mkv"), "h264", {"preset": "veryfast", "x264-params": "keyint=30:scenecut=0:bframes=0:intra-refresh=1"})
    frames.copy_packets(path("refresh.mkv"), path("in-refresh.mkv"), lambda i, packet: i == 35)
    rows = [(path(name), cut_away) for name in ("no-key.mkv", "in-refresh.mkv")]
    lost = "GStreamer's demuxer loses its times; copy it to another container"
    rows.append((path("mpeg4.nut"), lost))
    # libavformat does not know when it starts
    frames.encode(path("mpeg4.nut"), "mpeg4", options("mpeg4"))
    rows.append((path("early.ogg"), "its first pictures have times before zero, which GStreamer's oggdemux leaves out"))
    frames.encode(path("vp8.mkv"), "vp8", VP8)
    frames.copy_packets(path("vp8.mkv"), rows[-1][0], lambda i, packet: True, earlier)
    # pictures in a container that nobody knows
    frames.encode(path("h264.ts"), "h264", options("h264"), count=5)
    rows.append((path("unknown.bin"), "its file type is not recognised"))
    with open(rows[-1][0], "wb") as file:
        frames.copy_packets(path("h264.ts"), path("bare.h264"), lambda i, packet: True)
        file.write(b"Unknown container" + launch.read(path("bare.h264")))
    for pix_fmt in ("rgb24", "yuv420p", "yuv444p", "gray16le"):
        rows.append((path(pix_fmt + ".nut"), "it is raw video in NUT, which GStreamer's demuxer cannot read"))
        frames.encode(rows[-1][0], "rawvideo", {}, pix_fmt, count=3)
    # FFmpeg 8 has no encoder for v308
    for codec, pix_fmt in (("rawvideo", "rgb555be"), *((("v308", "yuv444p"),) if frames.can_encode("v308") else ())):
        rows.append((path(codec + ".mov"), "takes its raw video for another format"))
        frames.encode(rows[-1][0], codec, {}, pix_fmt, count=3)
    for codec in ("h264", "hevc"):
        rows.append((path("edit-%s.mp4" % codec), "its edit list begins with pictures that depend on earlier ones"))
        frames.encode(rows[-1][0], codec, options(codec, True))
        frames.edit(rows[-1][0], ((0.8, 23 / 25),))
    print(json.dumps(rows))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--shown"]:
        make_shown(sys.argv[2])
    elif sys.argv[1:2] == ["--refused"]:
        make_refused(sys.argv[2])
    else:
        launch.main(shown, refused)
