#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The demonstration set with several views: it repeats, all views tell the class, and one alone half of it at most."""
import collections
import csv
import filecmp
import glob
import hashlib
import itertools
import os
import subprocess

import launch

TRAIN, TEST = 6, 3      # videos of a class: flights in three views
VIEWS = ("front", "side", "top")
HALF = 0.5


def made(folder, *words):
    program = os.path.join(launch.BUILD, "pipelines", "demo", "make-view-videos")
    subprocess.run([program, folder, "--train=%d" % TRAIN, "--test=%d" % TEST, *words], check=True,
                   stdout=subprocess.DEVNULL, env=launch.environment(), timeout=launch.limit(300))
    return folder


def files(folder):
    return sorted(os.path.relpath(path, folder) for path in glob.glob(os.path.join(folder, "**"), recursive=True)
                  if os.path.isfile(path))


def rows_of(folder, manifest):
    with open(os.path.join(folder, manifest), encoding="utf-8") as file:
        return list(csv.DictReader(file))


def content(folder, row):
    return hashlib.sha256(launch.read(os.path.join(folder, row["path"]))).hexdigest()


def repeats(folder):
    """The same seed gives the same bytes, another one others; each flight has all of its views"""
    a, b, c = (os.path.join(folder, name) for name in "abc")
    made(a)
    made(b, "--jobs=1")
    made(c, "--seed=2")
    assert len(files(a)) == 8 * (TRAIN + TEST) + 3 and files(a) == files(b) == files(c)
    assert filecmp.cmpfiles(a, b, files(a), shallow=False)[0] == files(a)
    assert not filecmp.cmpfiles(a, c, [name for name in files(a) if name.endswith(".mp4")], shallow=False)[0]
    for manifest, count in (("train.csv", TRAIN), ("val.csv", TEST)):
        rows = rows_of(a, manifest)
        assert len(rows) == 8 * count
        flights = collections.Counter(row["group"] for row in rows)
        assert set(flights.values()) == {3} and len({(row["group"], row["view"]) for row in rows}) == len(rows)
        assert {row["view"] for row in rows} == set(VIEWS)


def most_right(known):
    """The best accuracy of one who knows the first of each pair, and is to tell the second."""
    by = collections.defaultdict(collections.Counter)
    for what, label in known:
        by[what][label] += 1
    return sum(max(labels.values()) for labels in by.values()) / len(known)


def ambiguous(folder):
    """One view has the same bytes for two classes: whoever sees it alone is right half the time. Two views tell all"""
    made(folder)
    notes = []
    for manifest in ("train.csv", "val.csv"):
        flights = collections.defaultdict(dict)
        for row in rows_of(folder, manifest):
            flights[row["group"], row["label"]][row["view"]] = content(folder, row)
        for n, most in ((1, HALF), (2, 1), (3, 1)):
            for views in itertools.combinations(VIEWS, n):
                best = most_right([(tuple(seen[view] for view in views), label) for (_, label), seen in flights.items()])
                assert best == most, (manifest, views, best)
                notes.append("%s, %s: %.0f %% at most" % (manifest, "+".join(views), 100 * best))
    return notes


if __name__ == "__main__":
    launch.main(repeats, ambiguous)
