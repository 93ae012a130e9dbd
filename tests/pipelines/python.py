#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The programs of docs/python.md run unchanged, except for long runs, and receive the messages described there."""
import json
import os
import re
import subprocess

import docs
import launch

PAGE = os.path.join(launch.TOP, "docs", "python.md")


def python():
    """A Python with GStreamer's bindings: the system's."""
    for path in ("/usr/bin/python3", "python3"):
        try:
            done = subprocess.run([path, "-c", "import gi\ngi.require_version('Gst', '1.0')\n"
                                   "from gi.repository import Gst"], capture_output=True, check=False)
        except OSError:
            continue
        if done.returncode == 0:
            return path
    raise launch.Skip("Python has no bindings of GStreamer")


def blocks():
    """(heading, program) of each."""
    text = docs.words(PAGE)
    return [(re.findall(r"^## (.*)$", text[:match.start()], re.MULTILINE)[-1], match.group(1))
            for match in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]


def program(folder, name, text, seconds=120):
    """Its output; it must succeed."""
    for pattern, shorter in docs.SHORTER:
        text = re.sub(pattern, shorter, text)
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text)
    env = launch.environment()
    done = subprocess.run([python(), name], cwd=folder, env=env, timeout=launch.limit(seconds),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    out, err = launch.text(done.stdout), launch.text(done.stderr)
    assert done.returncode == 0 and not err, "%s: %s\n%s\n%s" % (name, done.returncode, out, err)
    return out


def page(_):
    """Each program of the page receives the messages described there"""
    python()
    folder = docs.world()
    found = blocks()
    titles = [title for title, _ in found]
    assert titles == ["Running a line and receiving messages", "Progress", "Stopping",
                      "Passing metrics to a tracker", "Serving"], titles
    texts = dict(found)
    program(folder, "runline.py", texts[titles[0]])
    with open(os.path.join(folder, "train.csv"), "a", encoding="utf-8") as file:
        file.write("lost.mp4,ball\n")

    output = program(folder, "progress.py", texts["Progress"])
    assert re.search(r"epoch 0, step 1: loss \d\.\d+, [\d.]+ clips/s", output), output
    assert re.search(r"epoch 0: accuracy [\d.]+ %, F1 \d\.\d+, the best so far", output), output
    assert re.search(r"of each class: \[[\d.]+, [\d.]+\]", output), output
    assert re.search(r"skipped .*lost\.mp4: ", output), output
    # three clips per epoch: it stops before the requested number of epochs
    output = program(folder, "stop.py", re.sub(r"\bepochs=\d+", "epochs= 30", texts["Stopping"]))
    assert "saved stopped/last.safetensors" in output, output
    assert os.path.exists(os.path.join(folder, "stopped", "last.safetensors"))
    output = program(folder, "tracker.py", texts[titles[3]])
    metrics = [json.loads(part) for part in output.splitlines() if part.startswith("{")]
    assert {f["metric"] for f in metrics} == {"train/loss", "train/accuracy", "train/lr", "val/loss", "val/accuracy",
                                              "val/f1"}, output
    # five clips, one of them lost, are two batches of the order
    assert all(f["step"] in (1, 2) and isinstance(f["value"], float) for f in metrics), output
    output = program(folder, "serve.py", texts["Serving"])
    match = re.search(r"^(ball|bars) \{'ball': ([\d.e-]+), 'bars': ([\d.e-]+)\}$", output, re.MULTILINE)
    assert match and abs(sum(map(float, match.groups()[1:])) - 1) < 1e-6, output


READ = """
import gi
gi.require_version("Gst", "1.0")
from gi.repository import Gst
Gst.init(None)
for name in ("clipsrc", "clipsample", "clipaugment", "clipcache", "clipdiff", "clipkpt", "clipbatch", "cnn3dtrain", "cnn3deval",
             "cnn3dinfer"):
    element = Gst.ElementFactory.make(name)
    for spec in element.list_properties():
        try:
            element.get_property(spec.name)
        except TypeError as error:
            print(name, spec.name)
"""


def properties(folder):
    """Each property is readable from Python, except arrays with an equivalent list, and a fraction"""
    output = program(folder, "read.py", READ)
    # some versions of GStreamer's overrides can read these, too
    assert set(output.splitlines()) <= {"clipsrc classes", "clipsample frame-rate", "cnn3dinfer labels"}, output


if __name__ == "__main__":
    launch.main(page, properties)
