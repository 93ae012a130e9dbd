#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Annotation files in the wild, with the real videos: each gives exactly the expected frames, or an error or a
warning that names the problem."""
import json
import os

import launch

# size to which all videos are scaled for comparison
SIZE = (64, 48)
FRAME = SIZE[0] * SIZE[1]


def cases():
    folder = os.path.join(launch.data_folder(), "cases", "datasets")
    if not os.path.exists(os.path.join(folder, "expected.json")):
        raise launch.Skip("no annotations beside the real videos")
    with open(os.path.join(folder, "expected.json"), encoding="utf-8") as file:
        return folder, json.load(file)


def frames(place, location, options):
    """The run, and its frames concatenated."""
    raw = os.path.join(place, "frames.raw")
    if os.path.exists(raw):
        os.unlink(raw)
    run = launch.launch('clipsrc location=%s shuffle=false on-error=stop %s index-location=\'""\' clip-bin="'
                        'videoconvertscale ! video/x-raw,format=GRAY8,width=%d,height=%d" ! filesink location=%s' % (
                            launch.gst_quote(location), options, *SIZE, launch.gst_quote(raw)), place)
    data = launch.read(raw) if os.path.exists(raw) else b""
    return run, [data[at:at + FRAME] for at in range(0, len(data), FRAME)]


def numbers(got, clips, whole):
    """The expected and the delivered frames, each as "file:frame"."""
    wanted, names = [], {}
    for clip in clips:
        video = whole(clip["path"])
        for number in range(clip["first_frame"], clip["first_frame"] + clip["frames"]):
            name = "%s:%d" % (clip["path"], number)
            wanted.append(name)
            names.setdefault(video[number], []).append(name)
    # some videos are copies of each other
    came = [wanted[i] if i < len(wanted) and wanted[i] in names.get(frame, ()) else names.get(frame, ["another"])[0]
            for i, frame in enumerate(got)]
    return wanted, came


def annotations(folder):
    """Each file gives its clips, frame by frame, or a message that says what is wrong"""
    data, expected = cases()
    known = {}

    def whole(path):
        if path not in known:
            table = os.path.join(folder, "whole.csv")
            with open(table, "w", encoding="utf-8") as file:
                file.write("path,label,split\n%s,x,test\n" % os.path.join(data, path))
            run, known[path] = frames(folder, table, "passes=test")
            run.fine()
        return known[path]

    wrong, errors = [], 0
    for name, case in sorted(expected.items()):
        options = "root=" + launch.gst_quote(os.path.join(data, case["root"])) if case["root"] else ""
        location = os.path.join(data, name)
        runs = [("all", case["train"] + case["val"])] if case["passes"] == "all" else []
        runs += [("test", case["test"])] if case["test"] else []
        for passes, clips in runs:
            run, got = frames(folder, location, options + " passes=" + passes)
            output = run.out + run.err
            if run.rc:
                errors += 1
                rest = output.partition(location)[2]
                if "or_error" not in case or not all(word in rest for word in case["or_error"]):
                    wrong.append("%s: %s" % (name, output.strip()[-300:]))
                break
            wanted, came = numbers(got, clips, whole)
            if wanted != came:
                wrong.append("%s, %s: %s for %s" % (name, passes, " ".join(came), " ".join(wanted)))
            if "warning" in case and not ("WARNING" in output and all(word in output for word in case["warning"])):
                wrong.append("%s: no warning" % name)
    assert not wrong, "\n".join(wrong)
    return ["%d files, %d of them refused" % (len(expected), errors)]


def frame_numbers(folder):
    """Frame numbers refer to the video itself; frames past its end are reported"""
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
    launch.main(annotations, frame_numbers)
