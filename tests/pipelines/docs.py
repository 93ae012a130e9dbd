#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The documentation is correct: each launch line runs, each link has a target, and all properties are
documented and exist."""
import atexit
import functools
import glob
import html
import os
import re
import shlex
import shutil
import struct
import subprocess
import tempfile
import time

import launch

ELEMENTS = ("clipsrc", "clipsample", "clipaugment", "clipcache", "clipdiff", "clipkpt", "clipbatch", "cnn3dtrain",
            "cnn3deval", "cnn3dinfer")
# Substitutions that only make lines faster
SHORTER = (
    (r"(?<!-)\bepochs=\d+", "epochs=1"),
    (r"\bwarmup-epochs=\d+", ""),
    (r"\b(width|height)=(112|224)\b", r"\1=32"),
    (r"\bcnn3dtrain (?!.*base-width)", "cnn3dtrain base-width=8 "),
    (r"\b(cnn3dtrain|cnn3deval|cnn3dinfer) ", r"\1 threads=1 "),
)
# Folders of the clips that train.csv, val.csv and test.csv name: clips on both sides are warned of
CLIPS = {"train": "clips", "val": "clips-val", "test": "clips-test"}
# Runs whose best weights are tested by lines, and their sampling
RUNS = {"run": "", "runs/a": "frame-interval=2"}
KEYPOINTS_RUN = "runs/kpt"
VIEWS_RUN = "runs/views"


def documents():
    return sorted(glob.glob(os.path.join(launch.TOP, "docs", "**", "*.md"),
                            recursive=True)
                  + glob.glob(os.path.join(launch.TOP, "*.md")))


def sources():
    return sorted(glob.glob(os.path.join(launch.TOP, "plugins", "*", "*.c")))


def words(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def lines_in(text):
    """Standalone launch lines, with continuation lines joined."""
    text = re.sub(r" *\\\n\s*", " ", text)
    return [line.strip() for line in text.splitlines()
            if re.match(r"\s*(\w+=\S+ )*(mpirun [-\w ]*-n \d+ )?gst-launch-1\.0 ", line)]


def launch_lines():
    """(where, line) of each."""
    found = []
    for path in documents():
        # indented or fenced, but not a sentence that begins with the name
        code = "\n".join(re.findall(r"^(?: {4}|\t).*$|^```[\s\S]*?^```$", words(path),
                                    re.MULTILINE))
        found += [(os.path.relpath(path, launch.TOP), line) for line in lines_in(code)]
    for path in sources():
        for block in re.findall(r"\|\[(.*?)\]\|", words(path), re.DOTALL):
            block = re.sub(r"^ \* ?", "", block, flags=re.MULTILINE)
            found += [(os.path.relpath(path, launch.TOP), html.unescape(line))
                      for line in lines_in(block)]
    return found


def annotations(folder):
    """Writes the files shown in the documents, and the videos that they name."""
    text = "".join(words(os.path.join(launch.TOP, "docs", name)) for name in ("datasets.md", "clipkpt.md"))
    for path, block in re.findall(r"^`(annotations/[^`]+)`:\n\n((?: {4}.*\n|\n(?= {4}(?!gst-launch)))+)", text, re.MULTILINE):
        path = os.path.join(folder, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(re.sub("^ {4}", "", block, flags=re.MULTILINE))
    os.mkdir(os.path.join(folder, "videos"))
    for c in ("ball", "bars"):
        for i in range(2):
            shutil.copy(os.path.join(folder, "clips", c, "%02d.mp4" % (i + 2 * (c == "bars"))), os.path.join(folder, "videos", "%s%d.mp4" % (c, i)))


def poses(folder):
    """Writes key points for each of the clips: one person with COCO's points, in NumPy's format."""
    values = [(t + k % 5, 10 + k, 1) for t in range(32) for k in range(17)]
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (32, 17, 3), }\n"
    os.mkdir(os.path.join(folder, "poses"))
    for i in range(4):
        with open(os.path.join(folder, "poses", "%02d.npy" % i), "wb") as file:
            file.write(b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header)
            file.write(b"".join(struct.pack("<3f", *value) for value in values))


@functools.cache
def world():
    """Creates small data with the names used in the lines; the folder."""
    folder = tempfile.mkdtemp(prefix="cnn3d-")
    atexit.register(shutil.rmtree, folder)
    launch.two_classes(os.path.join(folder, "clips"), 2, frames=32)
    # each video has a name of its own, as key points are found by it
    for i in range(2):
        os.rename(os.path.join(folder, "clips", "bars", "%02d.mp4" % i), os.path.join(folder, "clips", "bars", "%02d.mp4" % (i + 2)))
    poses(folder)
    for name, place in CLIPS.items():
        if place != "clips":
            shutil.copytree(os.path.join(folder, "clips"), os.path.join(folder, place))
        with open(os.path.join(folder, name + ".csv"), "w", encoding="utf-8") as file:
            file.writelines("%s/%s/%02d.mp4,%s\n" % (place, c, i, c) for c, i in (("ball", 0), ("ball", 1), ("bars", 2), ("bars", 3)))
    annotations(folder)
    demo = os.path.join(folder, "demo")
    os.mkdir(demo)
    for name in CLIPS.values():
        shutil.copytree(os.path.join(folder, name), os.path.join(demo, name))
    for name in ("train.csv", "val.csv", "test.csv"):
        shutil.copy(os.path.join(folder, name), demo)
    # the results of the training lines, with smaller sizes
    for run, sample in RUNS.items():
        launch.launch('clipsrc location=clips clip-bin="clipsample num-frames=16 %s ! videoconvertscale '
                      'add-borders=false ! video/x-raw,format=RGB,width=32,height=32" ! clipbatch batch-size=2 ! '
                      'cnn3dtrain base-width=4 monitor=train-loss checkpoint-dir=trained/%s' % (sample, run),
                      folder).fine()
    subprocess.run([os.path.join(launch.BUILD, "pipelines", "demo", "make-keypoint-videos"), "--train=4", "--test=2",
                    os.path.join(folder, "demo-keypoints")], check=True, stdout=subprocess.DEVNULL, env=launch.environment())
    launch.launch('clipsrc location=demo-keypoints/val.csv clip-bin="clipsample num-frames=16 frame-interval=1 ! clipkpt '
                  'compact=true ! videoconvertscale add-borders=false ! video/x-raw,format=RGB,width=16,height=16" ! '
                  'clipbatch batch-size=2 ! cnn3dtrain model=posec3d_slowonly input-type=kpt base-width=4 heatmap-size=16 '
                  'monitor=train-loss checkpoint-dir=trained/%s' % KEYPOINTS_RUN, folder).fine()
    subprocess.run([os.path.join(launch.BUILD, "pipelines", "demo", "make-view-videos"), "--train=6", "--test=3",
                    os.path.join(folder, "demo-views")], check=True, stdout=subprocess.DEVNULL, env=launch.environment())
    launch.launch('clipsrc location=demo-views/val.csv clip-bin="clipsample num-frames=8 ! videoconvertscale add-borders=false ! '
                  'video/x-raw,format=RGB,width=32,height=32" ! clipbatch batch-size=2 ! cnn3dtrain base-width=4 '
                  'monitor=train-loss checkpoint-dir=trained/%s' % VIEWS_RUN, folder).fine()
    return folder


def lines(folder):
    """Each launch line in the documents and in the elements' own comments runs to its end"""
    found = launch_lines()
    places = {where for where, _ in found}
    for element in ELEMENTS:
        assert "docs/%s.md" % element in places, "docs/%s.md has no line" % element
        assert any(p.endswith("gst%s.c" % element) for p in places), \
            "%s's comment has no line" % element
    folder = world()
    notes = []
    for i, (where, line) in enumerate(found):
        for pattern, shorter in SHORTER:
            line = re.sub(pattern, shorter, line)
        variables, _, rest = line.partition("gst-launch-1.0 ")
        variables, _, ranks = variables.partition("mpirun ")
        try:
            before = launch.mpirun(*ranks.split()) if ranks else ()
        except launch.Skip as reason:
            notes.append("%s: not run: %s" % (where, reason))
            continue
        more = dict(v.split("=", 1) for v in variables.split())
        more.pop("GST_PRESET_PATH", None)
        place = os.path.join(folder, "run%d" % i)
        os.mkdir(place)
        for name in (*CLIPS.values(), "demo", "demo-keypoints", "demo-views", "train.csv", "val.csv", "test.csv", "annotations", "videos", "poses"):
            os.symlink(os.path.join(folder, name), os.path.join(place, name))
        # not a whole run to resume: only its best weights
        for run in (*RUNS, KEYPOINTS_RUN, VIEWS_RUN):
            # a line that trains begins without another run's models
            if re.search(r"checkpoint-dir=%s(?!\S)" % re.escape(run), rest):
                continue
            os.makedirs(os.path.join(place, run))
            shutil.copy(os.path.join(folder, "trained", run, "best.safetensors"), os.path.join(place, run))
        began = time.monotonic()
        run = launch.launch(rest, place, options="", seconds=60, before=before, **more)
        notes.append("%s: %.1f s" % (where, time.monotonic() - began))
        run.need(run.rc == 0 and "ERROR" not in run.err and "WARNING" not in run.out + run.err,
                 "%s: it did not end well" % where)
        run.need("Got EOS" in run.out, "%s: it did not come to its end" % where)
    return notes


def links(folder):
    """Each relative link and picture in the documents exists"""
    count = 0
    assert documents()
    for path in documents():
        text = re.sub(r"^(?: {4}|\t).*$|^```[\s\S]*?^```$|`[^`]*`", "", words(path),
                      flags=re.MULTILINE)
        for target in re.findall(r"\]\(([^)\s]+)[^)]*\)|(?:src|href)=\"([^\"]+)\"", text):
            target = target[0] or target[1]
            if re.match(r"\w+:|#", target):
                continue
            place = os.path.join(os.path.dirname(path), target.partition("#")[0])
            assert os.path.exists(place), "%s: %s does not exist" % (
                os.path.relpath(path, launch.TOP), target)
            count += 1
    return ["%d links" % count]


def tools(folder):
    """Each cnn3d command in the documents works in the top folder; training commands only print their line, and
    commands that take a run find one"""
    folder = world()
    launch.launch("clipsrc location=clips %s ! clipbatch batch-size=2 ! cnn3dtrain base-width=8 "
                  "threads=1 checkpoint-dir=run log-dir=run" % launch.CLIP_BIN, folder).fine()
    count = 0
    for path in documents():
        for line in re.findall(r"^ {4}(cnn3d .*)$", re.sub(r" *\\\n\s*", " ", words(path)), re.MULTILINE):
            command = shlex.split(re.sub(r"^cnn3d train ", "cnn3d pipeline ", line))
            command[0] = os.path.join(os.environ["CNN3D_BUILD"], "tool", "cnn3d")
            place = folder if any(re.match("(run|annotations)(/|$)", word) for word in command) else launch.TOP
            done = subprocess.run(command, cwd=place, env=launch.environment(), timeout=launch.limit(100),
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            assert done.returncode == 0 and done.stdout, "%s: %s: %s" % (path, line, launch.text(done.stderr))
            count += 1
    assert count
    return ["%d commands" % count]


def properties_of(element):
    out = subprocess.run(["gst-inspect-1.0", element], env=launch.environment(),
                         stdout=subprocess.PIPE, check=True).stdout.decode()
    part = out.split("Element Properties:")[1]
    return set(re.findall(r"^  ([a-z][a-z0-9-]*) *: ", part, re.MULTILINE))


def properties(folder):
    """All properties are documented on the element's page, and all documented ones exist"""
    inherited = {"name", "parent", "async-handling", "message-forward"}
    inherited |= {"async", "blocksize", "enable-last-sample", "last-sample", "max-bitrate",
                  "max-lateness", "processing-deadline", "qos", "render-delay", "stats",
                  "sync", "throttle-time", "ts-offset"}
    for element in ELEMENTS:
        text = words(os.path.join(launch.TOP, "docs", element + ".md"))
        has = properties_of(element) - inherited
        assert has, element
        documented = set(re.findall(r"`([a-z][a-z0-9-]*)(?:=[^`]*)?`", text))
        assert has <= documented, "docs/%s.md does not document %s" % (element, sorted(has - documented))
        listed = set()
        for table in re.findall(r"^\| property \|.*\n\|[-| ]+\|\n((?:\|.*\n)+)", text,
                                re.MULTILINE):
            for row in table.splitlines():
                listed |= set(re.findall(r"`([^`]+)`", row.split("|")[1]))
        theme = re.search(r"^## Properties by theme\n(.*?)^#", text, re.M | re.S)
        for bullet in re.findall(r"^- \*\*[^*]+\*\*: ((?:`[a-z0-9-]+`[,. \n]*)+)",
                                 theme.group(1) if theme else "", re.M):
            listed |= set(re.findall(r"`([^`]+)`", bullet))
        assert listed, "docs/%s.md lists no properties" % element
        assert listed <= has, "docs/%s.md lists %s, which do not exist" % (
            element, sorted(listed - has))


def blurbs(folder):
    """In gst-inspect the blurb of each writable property of this project states its default"""
    for element in ELEMENTS:
        out = subprocess.run(["gst-inspect-1.0", element], env=launch.environment(),
                             stdout=subprocess.PIPE, check=True).stdout.decode()
        parts = re.split(r"\n  (?=[a-z][a-z0-9-]* *: )",
                         out.split("Element Properties:")[1])
        inherited = properties_of("fakesink") | {"throttle-time"}
        for part in parts:
            match = re.match(r"\s*([a-z][a-z0-9-]*) *: (.*)\n.*flags: (.*)\n", part)
            if not match or match.group(1) in inherited or "writable" not in match.group(3):
                continue
            assert re.search(r"[Dd]efault", match.group(2)), "%s %s: %s" % (
                element, match.group(1), match.group(2))


if __name__ == "__main__":
    launch.main(lines, tools, links, properties, blurbs)
