# SPDX-License-Identifier: LGPL-2.1-or-later
"""Converts the results of SAM 3D Body's estimator, one per frame, saved by numpy.savez() as an array of Python
objects (a pickle), into key points that clipkpt reads: sam3dbody.py FROM.npz TO.npy

Reading such a file can run any code: convert only your own files."""
import sys

import numpy


def convert(source, target):
    """source: its first array has an entry per frame: a list of persons, each a dict with pred_keypoints_2d
    (70, 2) in pixels"""
    with numpy.load(source, allow_pickle=True) as archive:
        frames = [list(frame) for frame in archive[archive.files[0]]]
    persons = max(map(len, frames), default=0)
    points = numpy.full((len(frames), persons, 70, 3), numpy.nan, numpy.float32)
    for t, frame in enumerate(frames):
        for m, person in enumerate(frame):
            points[t, m, :, :2] = person["pred_keypoints_2d"][:, :2]
            points[t, m, :, 2] = 1
    numpy.save(target, points)


if __name__ == "__main__":
    convert(*sys.argv[1:])
