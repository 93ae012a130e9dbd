#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Annotations give the very frames that they name."""
import os

import launch

# of all videos; only their frames are compared
SIZE = (64, 48)
FRAME = SIZE[0] * SIZE[1]


def frames(place, location, options):
    """The run, and its frames one after the other."""
    raw = os.path.join(place, "frames.raw")
    if os.path.exists(raw):
        os.unlink(raw)
    run = launch.launch('clipsrc location=%s shuffle=false on-error=stop %s index-location=\'""\' clip-bin="'
                        'videoconvertscale ! video/x-raw,format=GRAY8,width=%d,height=%d" ! filesink location=%s' % (
                            launch.gst_quote(location), options, *SIZE, launch.gst_quote(raw)), place)
    data = launch.read(raw) if os.path.exists(raw) else b""
    return run, [data[at:at + FRAME] for at in range(0, len(data), FRAME)]


def frame_numbers(folder):
    """Frames are counted in the video itself; those behind its end are told"""
    launch.make_videos(folder, {"a.mp4": {"frames": 30}, "b.mp4": {"frames": 30}})
    table = os.path.join(folder, "frames.csv")
    for first, last, frames_of in ((5, 14, 10), (25, 99, 5), (40, 50, 0)):
        with open(table, "w", encoding="utf-8") as file:
            file.write("path,label,start_frame,end_frame\na.mp4,x,%d,%d\nb.mp4,y,0,0\n" % (first, last))
        run, got = frames(folder, table, "")
        if frames_of:
            run.need(run.rc == 0 and len(got) == frames_of + 1, "%d frames" % len(got))
        else:
            run.need(run.rc != 0 and "the clip starts with frame 40, but the video has 30" in run.out + run.err,
                     "no error")


if __name__ == "__main__":
    launch.main(frame_numbers)
