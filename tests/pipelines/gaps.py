#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Groups of pictures in which no frame is wanted, and what follows the last wanted frame of a group, are not
decoded, and the other frames are the same to the bit.

The child, which has PyAV: gaps.py --make FOLDER
                           gaps.py --parts FOLDER"""
import os
import random
import re
import subprocess
import sys

import cuts
import frames
import launch

# so many that HEVC's picture order counts, of 8 bits in the stream, come round between two runs
COUNT, MANY, SIZE, SEED = 90, 600, 96 * 64 * 3 // 2, 4
RAW = "videoconvert ! video/x-raw,format=I420"
# Codec, group of pictures, suffix, and whether groups are left out
MADE = (
    ("h264", 12, "mp4", True), ("h264", 5, "ts", True), ("h264", 12, "flv", True),
    # groups are counted where there are no times, and of open ones decoders lose frames
    ("h264", 12, "avi", False), ("h264", "open", "mkv", False),
    ("hevc", 12, "mkv", True), ("hevc", "open", "mp4", True), ("hevc", "open", "ts", True), ("hevc", "open", "mkv", True),
    ("mpeg2", 12, "ts", True), ("mpeg2", 12, "mpg", True), ("mpeg2", 5, "mkv", True),
    ("mpeg4", 12, "avi", True), ("mpeg4", 5, "mp4", True),
    # parameter sets change between groups, and are sent once
    ("h264", "sets", "mkv", True), ("h264", "sets", "flv", True), ("hevc", "sets", "mp4", True),
    # each group tells the decoder to drop what it has not output
    ("hevc", "prior", "ts", True),
    ("vp8", 12, "webm", True), ("vp9", 12, "webm", True), ("vp9", 5, "mp4", True),
    # the container alone says where decoding may start; each picture is a group of its own
    ("wmv", 12, "wmv", False), ("mjpeg", 1, "avi", False),
)
# Groups that the part at 2.4 s begins in the middle of
RATE = 25
PARTS = {
    "h264": {"preset": "veryfast", "x264-params": "keyint=40:min-keyint=40:bframes=2:open-gop=1"},
    "hevc": {"preset": "veryfast", "x265-params": "keyint=40:min-keyint=40:bframes=2:open-gop=1:log-level=none"},
    "mpeg4": {"g": "40", "bf": "2", "b": "2000000"},
}


def length(codec, suffix):
    return MANY if (codec, suffix) == ("hevc", "mkv") else COUNT


def name(codec, gop, suffix):
    return "%s-%s.%s" % (codec, gop, suffix)


def play(folder, path, sample="", start="", end=""):
    """The frames, and the numbers of packets that the decoder got and of runs of packets"""
    frames.table(folder, "one.csv", ["path", "label", "split", "start", "end"], [path, "x", "val", start, end],
                 [path, "x", "train", "", ""])
    raw = os.path.join(folder, "one.raw")
    run = launch.launch('clipsrc location=one.csv passes=val on-error=stop clip-bin="%s%s" ! filesink location=%s' % (
        sample, RAW, launch.gst_quote(raw)), folder, GST_DEBUG="videodecoder:6,clipchain:5", GST_DEBUG_NO_COLOR="1").fine()
    data = launch.read(raw)
    return ([data[at:at + SIZE] for at in range(0, len(data), SIZE)], run.err.count("gst_video_decoder_decode_frame:"),
            int(re.findall(r"in (\d+) runs", run.err)[-1]))


def exact(folder):
    """Sampled frames are those of the whole file, from less than all packets"""
    subprocess.run([launch.peer("av", "numpy"), os.path.abspath(__file__), "--make", folder], check=True)
    newer = launch.gstreamer_is(1, 24)
    draw, fed, needed = random.Random(SEED), 0, 0
    for codec, gop, suffix, leaves in MADE:
        path = os.path.join(folder, name(codec, gop, suffix))
        whole, packets, runs = play(folder, path)
        count = length(codec, suffix)
        assert len(whole) == count and runs == 1, (path, len(whole), runs)
        for wanted in (3, 4, draw.randrange(5, 9)):
            sampled, few, runs = play(folder, path, "clipsample num-frames=%d frame-interval=0 ! " % wanted)
            numbers = [round(i * (count - 1) / (wanted - 1)) for i in range(wanted)]
            assert sampled == [whole[k] for k in numbers], "seed %d: %s, frames %s" % (SEED, path, numbers)
            # from 1.24 on, decoding begins 32 packets before a start that is not a reset
            if leaves and not (newer and runs == 1 and (codec in ("mpeg2", "mpeg4") or gop == "open")):
                assert runs > 1 and few < packets, (path, runs, few, packets)
                needed, fed = needed + few, fed + packets
            else:
                assert runs == 1 or (newer and leaves), (path, runs)
    return ["%d of %d packets decoded" % (needed, fed)]


def parts(folder):
    """Clips of a part of an edit list that begins in the middle of a group of pictures are those of the whole file"""
    subprocess.run([launch.peer("av", "numpy"), os.path.abspath(__file__), "--parts", folder], check=True)
    for codec in PARTS:
        path = os.path.join(folder, codec + ".mp4")
        frames.edit(path, ((1, 0), (3.6, 2.4)))
        whole = play(folder, path)[0]
        assert len(whole) == round(4.6 * RATE), (path, len(whole))
        for first in range(0, len(whole) - 10, 15):
            some = play(folder, path, "", first / RATE, (first + 10) / RATE)[0]
            assert some == whole[first:first + 10], (path, first, len(some))
        sampled = play(folder, path, "clipsample num-frames=3 frame-interval=0 ! ")[0]
        assert sampled == [whole[k] for k in (0, round((len(whole) - 1) / 2), len(whole) - 1)], path


def units(data):
    """NAL units, without start codes"""
    return [unit.rstrip(b"\0") for unit in data.split(b"\0\0\1")[1:]]


def kind(codec, unit):
    return unit[0] & 31 if codec == "h264" else unit[0] >> 1 & 63


def change_sets(path, codec):
    """Three parts, each with its parameter sets in its first packet; the container has the first ones."""
    import av

    sets = {"h264": (7, 8), "hevc": (32, 33, 34)}[codec]
    part, length = path + ".ts", COUNT // 3
    with av.open(path, "w") as target:
        copy = None
        for number in range(3):
            name, other = {"h264": ("x264-params", "cabac"), "hevc": ("x265-params", "log-level=none:sao")}[codec]
            frames.encode(part, codec, {"preset": "veryfast", name: "keyint=10:min-keyint=10:scenecut=0:bframes=0:%s=%d" % (
                other, number != 1)}, count=length, draw=lambda i: frames.draw_picture(i + number * length))
            with av.open(part) as source:
                stream = source.streams.video[0]
                copy = copy or target.add_stream_from_template(stream)
                packets = [packet for packet in source.demux(stream) if packet.size]
                zero = packets[0].pts
                for i, one in enumerate(packets):
                    packet = av.Packet(b"".join(b"\0\0\0\1" + unit for unit in units(bytes(one)) if not (
                        i and kind(codec, unit) in sets)))
                    packet.stream, packet.time_base, packet.is_keyframe = copy, stream.time_base, one.is_keyframe
                    packet.pts = packet.dts = one.pts - zero + round(number * length / 25 / stream.time_base)
                    target.mux(packet)


def drop_prior(data):
    """Sets no_output_of_prior_pics_flag of H.265"""
    return b"".join(b"\0\0\0\1" + (unit[:2] + bytes([unit[2] | 0x40]) + unit[3:] if 16 <= kind("hevc", unit) <= 23 else unit)
                    for unit in units(data))


def make(folder):
    for codec, gop, suffix, _ in MADE:
        path = os.path.join(folder, name(codec, gop, suffix))
        if gop == "sets":
            change_sets(path, codec)
            continue
        frames.encode(path, codec, frames.encoder_options(codec, 12 if gop == "prior" else gop, 0 if suffix == "flv" else 2,
                      random.Random(SEED)), "yuvj420p" if codec == "mjpeg" else "yuv420p", length(codec, suffix))
        if gop == "prior":
            os.rename(path, path + ".all.ts")
            cuts.join_packets(path + ".all.ts", path, 1, drop_prior)


def make_parts(folder):
    for codec, options in PARTS.items():
        frames.encode(os.path.join(folder, codec + ".mp4"), codec, options, count=160)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        make(sys.argv[2])
    elif sys.argv[1:2] == ["--parts"]:
        make_parts(sys.argv[2])
    else:
        launch.main(exact, parts)
