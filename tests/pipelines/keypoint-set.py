#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The demonstration set with key points is reproducible, points lie on its figures, and only motion shows the
class while appearance misleads.

The child, which has NumPy: keypoint-set.py --check FOLDER"""
import csv
import filecmp
import glob
import os
import subprocess
import sys

import launch

TRAIN, TEST = 40, 8     # videos per class, enough for statistics
FEW, FEWER = 6, 2       # and to compare bytes
FRAMES, WIDTH, HEIGHT = 16, 64, 48
POINTS = 17
ARMS, LEGS = (9, 10), (15, 16)      # COCO's wrists and ankles
BODY = [5, 6, 11, 12, 13, 14]       # shoulders, hips and knees: ends of lines thick enough to see at this size
CLASSES = {"sway": (), "wave": ARMS, "march": LEGS, "jump": ARMS + LEGS}


def program(name):
    return os.path.join(launch.BUILD, "pipelines", "demo", name)


def make(folder, *words, name="make-keypoint-videos", train=FEW, test=FEWER):
    return subprocess.run([program(name), folder, "--train=%d" % train, "--test=%d" % test, *words], check=False,
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=launch.environment(),
                          timeout=launch.limit(300))


def made(folder, *words, **counts):
    run = make(folder, *words, **counts)
    assert run.returncode == 0, run.stderr
    return folder


def files(folder):
    return sorted(os.path.relpath(path, folder) for path in glob.glob(os.path.join(folder, "**"), recursive=True)
                  if os.path.isfile(path))


def repeats(folder):
    """The same seed gives the same bytes, another seed other ones; a foreign set is not replaced"""
    a, b, c = (os.path.join(folder, name) for name in "abc")
    made(a)
    made(b, "--jobs=1")
    made(c, "--seed=2")
    assert len(files(a)) == 2 * 4 * (FEW + FEWER) + 3 and files(a) == files(b) == files(c)
    assert filecmp.cmpfiles(a, b, files(a), shallow=False)[0] == files(a)
    other = [name for name in files(a) if not name.endswith((".csv", ".txt"))]
    assert not filecmp.cmpfiles(a, c, other, shallow=False)[0]
    for manifest, count in (("train.csv", FEW), ("val.csv", FEWER)):
        with open(os.path.join(a, manifest), encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 4 * count
        assert all(os.path.isfile(os.path.join(a, row[key])) for row in rows for key in ("path", "keypoints"))
    os.unlink(os.path.join(a, "train/wave/00003.json"))
    made(a)
    assert files(a) == files(b)
    run = make(a, name="make-demo-videos")
    assert run.returncode == 1 and "not a demonstration set of make-demo-videos" in run.stderr, run.stderr


def whole(folder):
    """Points lie on figures; the class shows in motion, not in a frame, and in the background only in training"""
    python = launch.peer("numpy")
    made(os.path.join(folder, "set"), train=TRAIN, test=TEST)
    for name in ("train", "val"):
        launch.launch('clipsrc location=set/%s.csv shuffle=false passes=train on-error=stop clip-bin="clipsample num-frames=%d '
                      'frame-interval=1 mode=center ! clipkpt ! videoconvertscale add-borders=false ! '
                      'video/x-raw,format=RGB,width=%d,height=%d" ! clipbatch batch-size=1 ! filesink location=%s.raw' %
                      (name, FRAMES, WIDTH, HEIGHT, name), folder, seconds=300, options="-q").fine()
    run = subprocess.run([python, os.path.abspath(__file__), "--check", folder], check=False, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout.splitlines()


def check(folder):
    import numpy
    record = numpy.dtype([("frames", "u1", (FRAMES, HEIGHT, WIDTH, 3)), ("label", "<i4"),
                          ("points", "<f4", (FRAMES, 2, POINTS, 3))])
    with open(os.path.join(folder, "set", "train.csv"), encoding="utf-8") as file:
        names = sorted({row["label"] for row in csv.DictReader(file)})
    sets = {name: numpy.fromfile(os.path.join(folder, name + ".raw"), record) for name in ("train", "val")}
    assert [len(data) for data in sets.values()] == [4 * TRAIN, 4 * TEST]

    data = numpy.concatenate(list(sets.values()))
    luma = data["frames"] @ numpy.array([0.299, 0.587, 0.114])
    ground = numpy.median(luma, (1, 2, 3))
    points = data["points"]
    found = points[..., 2] > 0
    missing = 1 - found[:, :, 0].mean()
    on = []
    for clip, t, k in numpy.argwhere(found[:, :, 0, BODY]):
        x, y, _ = points[clip, t, 0, BODY[k]]
        on.append(abs(luma[clip, t, int(y * HEIGHT), int(x * WIDTH)] - ground[clip]) > 25)
    on = numpy.mean(on)
    print("points on their figure: %.3f, missing: %.3f" % (on, missing))
    assert on > 0.9 and 0.02 < missing < 0.07

    # the person with the higher scores acts
    actor = points[:, :, 0]
    assert (points[:, :, 0, :, 2].mean((1, 2)) > points[:, :, 1, :, 2].mean((1, 2))).all()
    seen = (found[:, 1:, 0] & found[:, :-1, 0])[..., None]
    speed = numpy.abs(numpy.diff(actor[..., :2], axis=1) * seen).sum((1, 3)) / seen.sum((1, 3))
    labels = numpy.array([names[label] for label in data["label"]])
    for name, quick in CLASSES.items():
        for limb in (ARMS, LEGS):
            mean = speed[labels == name][:, limb].mean(1)
            still = speed[labels == "sway"][:, limb].mean(1)
            print("%s, points %s: %.4f" % (name, limb, mean.mean()))
            assert (mean.mean() > 2 * still.mean()) == (limb[0] in quick), name

    # the class with the nearest mean
    hips = actor[:, FRAMES // 2, 11:13].mean(1)[:, None, :2]
    pose = (actor[:, FRAMES // 2, :, :2] - hips).reshape(len(data), -1) * numpy.repeat(found[:, FRAMES // 2, 0], 2, axis=1)
    look = data["frames"].mean((1, 2, 3))
    right = {}
    for what, value in (("pose of a frame", pose), ("mean colour", look)):
        train, val = value[:4 * TRAIN], value[4 * TRAIN:]
        means = numpy.stack([train[labels[:4 * TRAIN] == name].mean(0) for name in names])
        for part, rows, truth in (("train", train, labels[:4 * TRAIN]), ("val", val, labels[4 * TRAIN:])):
            nearest = ((rows[:, None] - means) ** 2).sum(2).argmin(1)
            right[what, part] = numpy.mean(numpy.array(names)[nearest] == truth)
            print("class by the %s, %s: %.3f" % (what, part, right[what, part]))
    assert right["pose of a frame", "val"] < 0.45
    assert right["mean colour", "train"] > 0.8 > 0.5 > right["mean colour", "val"]


if sys.argv[1:2] == ["--check"]:
    check(sys.argv[2])
else:
    launch.main(repeats, whole)
