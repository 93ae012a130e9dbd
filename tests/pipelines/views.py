#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Training on several views repeats to the bit, whatever num-workers is and however often it was killed; what is missing is
counted, and a test reads what training wrote."""
import csv
import json
import os
import random
import re
import signal

import launch
import repeat

EPOCHS = 3
VIEWS = ("front", "side")
FLIGHTS = 7                     # of each of two classes: five to train on, two to validate with
TRAINED, VALIDATED = 9, 4       # clips that can be read: one of each class lacks a view, one more has none at all
VALIDATED_ROWS = sorted(("%s-%d" % (name, i), view) for name in ("ball", "bars") for i in (5, 6) for view in VIEWS)
CLIP_BIN = launch.CLIP_BIN[:-1] + ' ! clipaugment brightness=0.3"'
KILLS = 6


def data(folder):
    """Two cameras, which see each clip with other looks."""
    for view in VIEWS:
        launch.two_classes(os.path.join(folder, view), FLIGHTS, frames=10 if view == "front" else 12)
    with open(os.path.join(folder, "bad.mp4"), "w", encoding="utf-8") as file:
        file.write("This is no video.\n" * 100)
    rows = ["path,label,group,view,split"]
    for name in ("ball", "bars"):
        for i in range(FLIGHTS):
            for view in VIEWS:
                path = "%s/%s/%02d.mp4" % (view, name, i)
                if (i, view) == (1, "side"):
                    continue
                if (name, i, view) == ("ball", 2, "front") or (name, i) == ("bars", 3):
                    path = "bad.mp4"
                rows.append("%s,%s,%s-%d,%s,%s" % (path, name, name, i, view, "train" if i < 5 else "val"))
    with open(os.path.join(folder, "list.csv"), "w", encoding="utf-8") as file:
        file.write("\n".join(rows) + "\n")


def line(run, workers=1, seed=3, more=""):
    return ("clipsrc name=source location=list.csv epochs=%d num-workers=%d seed=%d %s ! clipbatch batch-size=3 ! %s ! "
            "cnn3dtrain base-width=4 threads=1 seed=%d optimizer=adamw lr=0.002 dropout=0.3 view-dropout=0.3 "
            "accumulate-grad-batches=2 checkpoint-interval=1 checkpoint-dir=%s save-top-k=2 %s" % (
                EPOCHS, workers, seed, CLIP_BIN, launch.QUEUE, seed, run, more))


def workers(folder):
    """The same seed gives the same bits for num-workers 0, 1 and 4, and clips are counted, not their views"""
    data(folder)
    runs = {}
    for count in (0, 1, 4):
        run = launch.launch(line("w%d" % count, workers=count, more="log-dir=log%d" % count), folder).fine()
        # the bad views of a clip that trains, and of one that is skipped
        skipped = run.messages("clipsrc-skipped")
        run.need(len(skipped) == 3 * EPOCHS and all(m["view"] in VIEWS for m in skipped), str(skipped))
        run.need([m["clips"] for m in run.messages("cnn3dtrain-epoch")] == [str(TRAINED)] * EPOCHS, "other clips trained")
        run.need([m["clips"] for m in run.messages("cnn3dtrain-validation")] == [str(VALIDATED)] * EPOCHS, "others validated")
        with open(os.path.join(folder, "log%d" % count, "log.jsonl")) as file:
            told = json.loads(file.readline())
        run.need((told["views"], told["view-dropout"]) == (list(VIEWS), 0.3), "another run in the log: %s" % told)
        runs[count] = repeat.saved(folder, "w%d" % count)
    repeat.same(runs[0], runs[1])
    repeat.same(runs[0], runs[4])


def killed(folder):
    """Killed at random moments and started again, a run ends with the same bits as one that was not"""
    data(folder)
    launch.launch(line("whole"), folder).fine()
    seed = random.randrange(1 << 32)
    draw = random.Random(seed)
    notes, middle = ["moments drawn with seed %d" % seed], 0
    for _ in range(KILLS):
        run = launch.stop_when(line("cut"), "cnn3dtrain-step,", 1, signal.SIGKILL, draw.uniform(0, .05), folder)
        if run.rc != -signal.SIGKILL:
            break
        middle += 1
    notes.append("%d kills" % middle)
    assert middle, notes
    launch.launch(line("cut"), folder).fine()
    repeat.same(repeat.saved(folder, "cut"), repeat.saved(folder, "whole"))
    return notes


def wrong_again(folder, name):
    """What a test of NAME.csv got wrong is read from its wrong.csv again as the same clips. Returns their groups and views"""
    test = ("clipsrc location=%s passes=%s %s ! clipbatch batch-size=3 ! cnn3deval model=logits/best.safetensors "
            "output-dir=%s")
    launch.launch(test % (name + ".csv", "val", launch.CLIP_BIN, name), folder).fine()
    with open(os.path.join(folder, name, "wrong.csv"), newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if rows:
        run = launch.launch(test % (name + "/wrong.csv", "test views=front,side", launch.CLIP_BIN, "again"), folder).fine()
        result, = run.messages("cnn3deval-result")
        run.need(result["clips"] == str(len({r["group"] for r in rows})) and float(result["accuracy"]) == 0, str(result))
        with open(os.path.join(folder, "again", "wrong.csv"), newline="", encoding="utf-8") as file:
            again = list(csv.DictReader(file))
        run.need([{**r, "clip": 0} for r in rows] == [{**r, "clip": 0} for r in again], "other clips: %s, %s" % (rows, again))
    return [(r["group"], r["view"]) for r in rows]


def evaluated(folder):
    """A test goes through the views that the model was trained on, and refuses others"""
    data(folder)
    for fusion in ("logits", "probabilities", "features", "concat"):
        launch.launch(line(fusion, more="view-fusion=%s" % fusion), folder).fine()
        run = launch.launch("clipsrc location=list.csv passes=val %s ! clipbatch batch-size=3 ! cnn3deval "
                            "model=%s/best.safetensors" % (launch.CLIP_BIN, fusion), folder).fine()
        run.need([m["clips"] for m in run.messages("cnn3deval-result")] == [str(VALIDATED)], "not a result a clip")
        run.need(re.search(r"accuracy [\d.]+ % \(front [\d.]+ %, side [\d.]+ %\)  precision", run.out), "its line lacks the views")
    listed = launch.read(os.path.join(folder, "list.csv")).decode()
    with open(os.path.join(folder, "swapped.csv"), "w", encoding="utf-8") as file:
        file.write(listed.replace(",ball,", ",x,").replace(",bars,", ",ball,").replace(",x,", ",bars,"))
    found = [wrong_again(folder, name) for name in ("list", "swapped")]
    assert sorted(sum(found, [])) == VALIDATED_ROWS, found
    run = launch.launch("clipsrc location=list.csv passes=val views=side %s ! clipbatch batch-size=3 ! cnn3deval "
                        "model=logits/best.safetensors" % launch.CLIP_BIN, folder)
    run.need(run.rc != 0 and "view" in run.err, "one view was tested on a model of two")


if __name__ == "__main__":
    launch.main(workers, killed, evaluated)
