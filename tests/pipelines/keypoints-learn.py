#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""keypoints.sh's own lines learn the demonstration set from key points, and much less of it from frames in the
same time."""
import os
import re
import subprocess
import threading

import launch

KEYPOINTS, FRAMES = "kpt", "rgb"
REACHED, APART = 0.95, 0.10


def data(folder):
    """Creates the set as keypoints.sh does."""
    subprocess.run([os.path.join(os.environ["CNN3D_BUILD"], "pipelines", "demo", "make-keypoint-videos"),
                    os.path.join(folder, "demo-keypoints")], check=True, stdout=subprocess.DEVNULL,
                   env=launch.environment(), timeout=launch.limit(300))


def line(name):
    """The line printed by keypoints.sh."""
    with open(os.path.join(launch.TOP, "pipelines", "keypoints.sh"), encoding="utf-8") as file:
        return re.search(r"^%s='gst-launch-1.0 (.*)'$" % name, file.read(), re.M).group(1)


def train(folder, name, enough=None, seconds_enough=None):
    """The validations' accuracies, and the CPU seconds taken. Ends early at a sufficient accuracy or after the
    given time."""
    process = launch.start(line(name), folder, stderr=subprocess.STDOUT)
    timer = threading.Timer(launch.limit(1700), launch.kill, [process])
    timer.start()
    accuracies, output, seconds = [], [], 0.0
    for text in process.stdout:
        output = (output + [launch.text(text)])[-20:]
        match = re.search(rb"cnn3dtrain-validation,.* accuracy=\(double\)([0-9.e-]+)", text)
        if match:
            accuracies.append(float(match.group(1)))
            seconds = launch.computed(process)
            if enough is not None and accuracies[-1] >= enough:
                break
            if seconds_enough is not None and seconds >= seconds_enough:
                break
    timer.cancel()
    launch.kill(process)
    process.wait()
    assert accuracies, "".join(output)
    return accuracies, seconds


def learns(folder):
    """Key points reach 95 %; frames alone, with the same computing time, stay 10 points below"""
    data(folder)
    points, cost = train(folder, KEYPOINTS, REACHED)
    notes = ["key points, %.0f s: %s" % (cost, " ".join("%.3f" % a for a in points))]
    assert points[-1] >= REACHED, notes
    frames, spent = train(folder, FRAMES, seconds_enough=cost)
    notes.append("frames, %.0f s: %s" % (spent, " ".join("%.3f" % a for a in frames)))
    assert spent >= cost and max(frames) <= points[-1] - APART, notes
    return notes


launch.main(learns)
