#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The demonstration set with several views: views.sh's own line learns it from all views. What one view alone reaches at
most is in view-set.py, and views.sh's line for one is trained until it is there."""
import os
import re
import subprocess
import threading

import launch

ALL, ONE = "all", "front"
REACHED, ALONE = 0.95, 0.5


def data(folder):
    """The set, made as views.sh makes it."""
    subprocess.run([os.path.join(os.environ["CNN3D_BUILD"], "pipelines", "demo", "make-view-videos"),
                    os.path.join(folder, "demo-views")], check=True, stdout=subprocess.DEVNULL,
                   env=launch.environment(), timeout=launch.limit(300))


def line(name):
    """The line that views.sh prints."""
    with open(os.path.join(launch.TOP, "pipelines", "views.sh"), encoding="utf-8") as file:
        return re.search(r"^%s='gst-launch-1.0 (.*)'$" % name, file.read(), re.M).group(1)


def train(folder, name, enough):
    """The validations' accuracies, until one is enough, and the seconds that it computed."""
    process = launch.start(line(name), folder, stderr=subprocess.STDOUT)
    timer = threading.Timer(launch.limit(900), launch.kill, [process])
    timer.start()
    accuracies, told, seconds = [], [], 0.0
    for text in process.stdout:
        told = (told + [launch.text(text)])[-20:]
        match = re.search(rb"cnn3dtrain-validation,.* accuracy=\(double\)([0-9.e-]+)", text)
        if match:
            accuracies.append(float(match.group(1)))
            seconds = launch.computed(process)
            if accuracies[-1] >= enough:
                break
    timer.cancel()
    launch.kill(process)
    process.wait()
    assert accuracies, "".join(told)
    return accuracies, seconds


def learns(folder):
    """All views reach 95 %; one alone reaches half, and never more"""
    data(folder)
    notes = []
    for name, enough in ((ALL, REACHED), (ONE, ALONE)):
        accuracies, seconds = train(folder, name, enough)
        notes.append("%s, %.0f s: %s" % (name, seconds, " ".join("%.3f" % a for a in accuracies)))
        assert accuracies[-1] >= enough and (name == ALL or max(accuracies) <= ALONE), notes
    return notes


launch.main(learns)
