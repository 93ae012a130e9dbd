#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""keypoints.sh's lines learn the demonstration set from key points, and much less of it from frames in the
same time."""
import demonstration
import launch

REACHED, APART = 0.95, 0.10


def train(folder, name, **enough):
    return demonstration.train(demonstration.cached(demonstration.line("keypoints.sh", name), folder), folder, **enough)


def learns(folder):
    """Key points reach 95 %; frames alone, with the same computing time, stay 10 points below"""
    demonstration.make("make-keypoint-videos", folder, "demo-keypoints")
    points, cost = train(folder, "kpt", enough=REACHED)
    notes = ["key points, %.0f s: %s" % (cost, " ".join("%.3f" % a for a in points))]
    assert points[-1] >= REACHED, notes
    frames, spent = train(folder, "rgb", seconds_enough=cost)
    notes.append("frames, %.0f s: %s" % (spent, " ".join("%.3f" % a for a in frames)))
    assert spent >= cost and max(frames) <= points[-1] - APART, notes
    return notes


launch.main(learns)
