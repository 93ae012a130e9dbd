#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Codecs in containers whose GStreamer demuxers do not know them, or take them for others: they give FFmpeg's
frames, or are rejected with the reason.

The child, which has PyAV: formats.py --programs FOLDER"""
import json
import os
import random
import subprocess
import sys

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
    print(json.dumps(rows(timed) + rows(counted + several, [i / 25 for i in range(60)])))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--programs"]:
        make_programs(sys.argv[2])
    else:
        launch.main(program_streams)
