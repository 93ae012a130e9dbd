#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every frame is the right one: of files with variable rates, open groups of
pictures, wrong headers, edit lists and the like, those frames come that PyAV (FFmpeg)
shows when it decodes the file from its start.

The child, which has PyAV: frames.py --compare FILE (RAW EXPECTED)..."""
import csv
import os
import subprocess
import sys

import launch

# A mean difference (of 255) that rounding in the conversion from YUV may make; other
# frames of these files are 6 at least away
NEAR = 3


def dump(folder, name, row, workers):
    """The frames of the row's clip, RGB at their own sizes, one after the other, twice: in
    the second epoch the file's packets are known."""
    table = os.path.join(folder, name + ".csv")
    with open(table, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "split", "start", "end"])
        writer.writerow([row["file"], "x", "val", row["start"], row["end"]])
    sample = "! clipsample mode=center num-frames=%s frame-interval=%s" % (
        row["num_frames"], row["frame_interval"]) if row["num_frames"] else ""
    raw = os.path.join(folder, name + ".raw")
    launch.launch('clipsrc location=%s passes=val epochs=2 num-workers=%d on-error=stop clip-bin="videoconvert ! '
                  'video/x-raw,format=RGB %s" ! filesink location=%s' % (
                      launch.gst_quote(table), workers, sample, launch.gst_quote(raw)), folder).fine()
    return raw


def listed(folder):
    """Each row of frames.csv gives the frames that it expects"""
    python = launch.peer("av", "numpy")
    top = os.path.join(launch.data_folder(), "cases", "frames")
    if not os.path.isdir(top):
        raise launch.Skip("no cases of frames beside the real videos")
    rows = {}
    with open(os.path.join(top, "frames.csv"), encoding="utf-8") as file:
        for row in csv.DictReader(file):
            row["file"] = os.path.join(top, row["file"])
            rows.setdefault(row["file"], []).append(row)
    notes, wrong = [], []
    for path, checks in rows.items():
        command = [python, os.path.abspath(__file__), "--compare", path]
        for i, row in enumerate(checks):
            command += [dump(folder, "%d" % i, row, i % 2), row["expected"] + " " + row["expected"]]
        child = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        *differ, worst = child.stdout.splitlines()
        wrong += differ
        notes.append("%s: %d checks, %s" % (os.path.basename(path), len(checks), worst))
    assert not wrong, "\n".join(wrong)
    return notes


# --- the child ---

def cells(picture):
    """(24, 24, 3): means of a picture (H, W, 3) over a grid."""
    import numpy

    height, width = picture.shape[:2]
    rows, columns = (numpy.linspace(0, n, 25).astype(int) for n in (height, width))
    sums = numpy.add.reduceat(numpy.add.reduceat(picture.astype(float), rows[:-1], 0), columns[:-1], 1)
    return sums / (numpy.diff(rows)[:, None, None] * numpy.diff(columns)[None, :, None])


def decode(path):
    """All frames, upright."""
    import av
    import numpy

    with av.open(path) as container:
        stream = container.streams.best("video")
        return [numpy.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
                for frame in container.decode(stream)]


def compare(path, raws, expected):
    import numpy

    truth = decode(path)
    worst = 0
    for raw, numbers in zip(raws, expected):
        data, at, name = numpy.fromfile(raw, numpy.uint8), 0, os.path.basename(path)
        for number in map(int, numbers.split()):
            height, width = truth[number].shape[:2]
            stride = (3 * width + 3) // 4 * 4
            end = at + stride * height
            if end > len(data):
                print("%s: of %s only %d bytes came" % (name, numbers, len(data)))
                break
            picture = data[at:end].reshape(height, stride)[:, :3 * width].reshape(height, width, 3)
            far = abs(cells(picture) - cells(truth[number])).mean()
            worst = max(worst, far)
            if far >= NEAR:
                print("%s: of %s frame %d is %.1f away" % (name, numbers, number, far))
            at = end
        else:
            if at < len(data):
                print("%s: %d bytes came after %s" % (name, len(data) - at, numbers))
    print("at most %.2f of 255 away" % worst)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--compare"]:
        compare(sys.argv[2], sys.argv[3::2], sys.argv[4::2])
    else:
        launch.main(listed)
