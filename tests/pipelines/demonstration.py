# SPDX-License-Identifier: LGPL-2.1-or-later
"""Shared by the tests that train on a demonstration set: the set, and the lines of pipelines/*.sh."""
import os
import re
import subprocess
import threading

import launch


def make(program, folder, name):
    """Creates a set in folder/name as its script does."""
    subprocess.run([os.path.join(os.environ["CNN3D_BUILD"], "pipelines", "demo", program), os.path.join(folder, name)],
                   check=True, stdout=subprocess.DEVNULL, env=launch.environment(), timeout=launch.limit(300))


def line(script, name):
    """The line that a script of pipelines/ prints, by its variable's name."""
    with open(os.path.join(launch.TOP, "pipelines", script), encoding="utf-8") as file:
        return re.search(r"^%s='gst-launch-1.0 (.*)'$" % name, file.read(), re.M).group(1)


def cached(launch_line, folder):
    """The line with a cache of its pictures in folder: every epoch gets the same ones (cache.py), but only the first
    one decodes."""
    def reordered(match):
        parts = match.group(1).split(" ! ")
        later = [part for part in parts if part.startswith(("clipsample", "clipkpt"))]
        first = [part for part in parts if part not in later]
        return 'clip-bin="%s"' % " ! ".join([*first, "clipcache location=" + os.path.join(folder, "pictures"), *later])

    return re.sub('clip-bin="([^"]*)"', reordered, launch_line)


def train(launch_line, folder, enough=None, seconds_enough=None):
    """The validations' accuracies, and the CPU seconds taken. Ends early at a sufficient accuracy or after the
    given time."""
    process = launch.start(launch_line, folder, stderr=subprocess.STDOUT)
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
