#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real videos, including unusual and damaged ones: each line ends by itself, and every valid clip is trained on
once."""
import csv
import os
import random

import launch

TRAIN = "cnn3dtrain base-width=4 threads=1 "


def source(location, more=""):
    return "clipsrc location=%s %s %s ! clipbatch batch-size=4 ! " % (
        launch.gst_quote(location), more, launch.CLIP_BIN)


def rows_of(path):
    with open(path, encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(folder, name, rows):
    with open(os.path.join(folder, name), "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label"])
        writer.writerows(rows)
    return os.path.join(folder, name)


def odd(folder):
    """With all unusual files in several orders among valid clips, the line ends by itself, and each clip is
    trained on or reported, once, with any num-workers"""
    top = launch.data_folder()
    names = sorted(os.listdir(os.path.join(top, "odd")))
    strange = [(os.path.join(top, "odd", name), ("fight", "noFight")[i % 2])
               for i, name in enumerate(names)]
    good = [(os.path.join(top, "fight", row["path"]), row["label"])
            for row in rows_of(os.path.join(top, "fight", "fight.csv"))[::12]]
    assert len(strange) >= 20 and len(good) >= 20
    notes, outcomes, reasons = [], {}, {}
    for order, workers in ((1, 0), (2, 4), (3, 4)):
        rows = good + strange
        random.Random(order).shuffle(rows)
        path = write(folder, "odd%d.csv" % order, rows)
        run = launch.launch(source(path, "shuffle=false num-workers=%d" % workers) + TRAIN,
                            folder, seconds=120).fine()
        skipped = {m["path"]: m["reason"] for m in run.messages("clipsrc-skipped")}
        run.need(len(skipped) == len(run.messages("clipsrc-skipped")), "one was skipped twice")
        run.need(all(skipped.values()), "a reason is missing: %s" % skipped)
        lost = [p for p, _ in good if p in skipped]
        run.need(not lost, "good clips were skipped: %s" % lost)
        clips = int(run.messages("cnn3dtrain-epoch")[0]["clips"])
        run.need(clips == len(rows) - len(skipped), "%d clips of %d, %d of them skipped" % (
            clips, len(rows), len(skipped)))
        # the same as in another order
        run.need(outcomes.setdefault("skipped", sorted(skipped)) == sorted(skipped),
                 "skipped were %s, now %s" % (outcomes["skipped"], sorted(skipped)))
        reasons.update(skipped)
    notes.append("%d odd files, %d of them skipped:" % (len(names), len(reasons)))
    notes += ["%s: %s" % (os.path.basename(p), r) for p, r in sorted(reasons.items())]
    return notes


def delivered(folder):
    """Each valid clip is delivered once and completely: the sink counts the frames of every clip"""
    top = launch.data_folder()
    names = sorted(os.listdir(os.path.join(top, "odd")))
    good = [(os.path.join(top, "fight", row["path"]), row["label"])
            for row in rows_of(os.path.join(top, "fight", "fight.csv"))[5::40]]
    rows = [(os.path.join(top, "odd", name), "fight") for name in names]
    for i, row in enumerate(good):
        rows.insert(4 * i, row)
    path = write(folder, "list.csv", rows)
    counts = {}
    for workers in (0, 4):
        # one batch per clip, each written to a file
        run = launch.launch(
            "clipsrc location=%s shuffle=false num-workers=%d %s ! clipbatch ! multifilesink "
            "location=w%d-%%05d" % (launch.gst_quote(path), workers, launch.CLIP_BIN,
                                      workers), folder, seconds=120).fine()
        skipped = {m["path"] for m in run.messages("clipsrc-skipped")}
        files = sorted(n for n in os.listdir(folder) if n.startswith("w%d-" % workers))
        run.need(len(files) == len(rows) - len(skipped), "%d clips came of %d less %d" % (
            len(files), len(rows), len(skipped)))
        contents = [launch.read(os.path.join(folder, name)) for name in files]
        run.need(all(len(c) == 8 * 32 * 32 * 3 + 4 for c in contents), "sizes differ")
        labels = [int.from_bytes(c[-4:], "little") for c in contents]
        run.need(labels == [int(label == "noFight") for p, label in rows
                            if p not in skipped], "labels, or their order, differ")
        counts[workers] = contents
    came = [os.path.basename(p) for p, _ in rows if p not in skipped]
    differ = [name for name, one, other in zip(came, counts[0], counts[4]) if one != other]
    assert not differ, "frames depend on num-workers: %s" % differ
    assert len(set(counts[0])) >= len(good), "the same clip came twice"


def folds(folder):
    """fight.csv in folds: every group is on one side, and each fold's clips train and validate"""
    top = launch.data_folder()
    path = os.path.join(top, "fight", "fight.csv")
    rows = rows_of(path)
    sides = {}
    for fold in range(4):
        mine = {r["group"] for r in rows if int(r["fold"]) == fold}
        assert not mine & {r["group"] for r in rows if int(r["fold"]) != fold}
        run = launch.launch(source(path, "num-folds=4 fold=%d num-workers=2 limit-clips=24 "
                                   "on-error=stop" % fold) + TRAIN,
                            folder, seconds=120).fine()
        run.need(run.messages("cnn3dtrain-epoch")[0]["clips"] == "24" and
                 run.messages("cnn3dtrain-validation")[0]["clips"] == "24", "other clips")
        sides[fold] = run.messages("cnn3dtrain-validation")[0]["loss"]
    assert len(set(sides.values())) == 4, "folds are alike: %s" % sides
    # clipsrc's own folds, by group: invalid paths show which rows train
    groups = [(r["path"] + ".gone", r["label"], r["group"]) for r in rows]
    with open(os.path.join(folder, "groups.csv"), "w", encoding="utf-8") as file:
        file.write("path,label,group\n" + "".join("%s,%s,%s\n" % g for g in groups))
        file.write("".join("%s,%s,good-%s\n" % (os.path.join(top, "fight", p), label, p)
                           for p, label, _ in [(r["path"], r["label"], 0)
                                               for r in rows[::10]]))
    group_of = {p: g for p, _, g in groups}
    seen = {}
    for fold in range(4):
        run = launch.launch("clipsrc location=groups.csv num-folds=4 fold=%d %s ! clipbatch "
                            "batch-size=4 ! %s max-skipped=1" % (fold, launch.CLIP_BIN, TRAIN), folder,
                            seconds=120).fine()
        # the training pass is first and complete
        mark = run.out.index("cnn3dtrain-epoch,")
        passes = []
        for part in (run.out[:mark], run.out[mark:]):
            half = launch.Run(run.command, 0, part, "")
            passes.append({group_of[os.path.relpath(m["path"], ".").replace("./", "")]
                           for m in half.messages("clipsrc-skipped")})
        run.need(passes[0] and passes[1], "a side has no clips")
        seen[fold] = passes
    for fold, (train, val) in seen.items():
        both = train & val
        # workers run ahead: skipped clips may be reported shortly before the pass ends
        assert not both, "fold %d: on both sides: %s" % (fold, sorted(both))
    assert set().union(*(val for _, val in seen.values())) == set(group_of.values())


def action(folder):
    """action.csv with AVI and MP4 of UCF101, HMDB51 and Kinetics trains to its end"""
    top = launch.data_folder()
    path = os.path.join(top, "action", "action.csv")
    for workers in (0, 3):
        run = launch.launch(source(path, "epochs=2 on-error=stop num-workers=%d" % workers)
                            + TRAIN, folder).fine()
        clips = [m["clips"] for m in run.messages("cnn3dtrain-epoch")]
        run.need(clips == [str(len(rows_of(path)))] * 2, "epochs of %s clips" % clips)


if __name__ == "__main__":
    launch.main(odd, delivered, folds, action)
