#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Training is reproducible to the bit, with any num-workers and after any number of kills and restarts."""
import atexit
import functools
import os
import random
import shutil
import signal
import tempfile

import launch

EPOCHS = 8
CLIPS = 22              # readable ones: 16 to train on, 6 to validate with
# Random augmentation must not depend on workers or restarts
CLIP_BIN = launch.CLIP_BIN[:-1] + ' ! clipdiff gain=2 ! clipaugment brightness=0.3"'
PASSES = 29             # clip numbers per epoch, including unreadable files
KILLS = 20


@functools.cache
def made():
    """Clips, including a few unreadable files, and which is which: the folder, and how many are unreadable."""
    folder = tempfile.mkdtemp(prefix="cnn3d-")
    atexit.register(shutil.rmtree, folder)
    launch.two_classes(os.path.join(folder, "clips"), CLIPS // 2, frames=10)
    bad = launch.bad_files(os.path.join(folder, "bad"))
    rows = ["path,label,split"]
    for name in ("bars", "ball"):
        for i in range(CLIPS // 2):
            rows.append("clips/%s/%02d.mp4,%s,%s" % (name, i, name,
                                                     "train" if i < 8 else "val"))
    for i, path in enumerate(sorted(bad.values())):
        rows.insert(2 + 3 * i, "%s,%s,%s" % (os.path.relpath(path, folder), ("bars", "ball")[i % 2],
                                             "val" if i == 3 else "train"))
    with open(os.path.join(folder, "list.csv"), "w", encoding="utf-8") as file:
        file.write("\n".join(rows) + "\n")
    return folder, len(bad)


def data(folder):
    """Puts them into the folder; the number of unreadable ones."""
    place, bad = made()
    shutil.copytree(place, folder, dirs_exist_ok=True)
    return bad


def line(run, workers=1, seed=3, interval=1, epochs=EPOCHS, more=""):
    return ("clipsrc name=source location=list.csv epochs=%d num-workers=%d seed=%d %s ! "
            "clipbatch batch-size=3 ! %s ! cnn3dtrain base-width=4 threads=1 seed=%d "
            "optimizer=adamw lr=0.002 dropout=0.3 accumulate-grad-batches=2 "
            "checkpoint-interval=%d checkpoint-dir=%s save-top-k=2 %s" % (
                epochs, workers, seed, CLIP_BIN, launch.QUEUE, seed, interval,
                run, more))


def saved(folder, run):
    """All files of a run: name -> bytes."""
    path = os.path.join(folder, run)
    files = {name: launch.read(os.path.join(path, name)) for name in os.listdir(path)}
    assert "last.safetensors" in files and "best.safetensors" in files, sorted(files)
    assert any(name.endswith(".state") for name in files), sorted(files)
    return files


def same(one, other):
    assert sorted(one) == sorted(other), "%s, but %s" % (sorted(one), sorted(other))
    for name in one:
        assert one[name] == other[name], "%s differs" % name


def workers(folder):
    """The same seed gives the same bits for num-workers 0, 1 and 4, with unreadable files among the data;
    another seed gives others"""
    bad = data(folder)
    runs = {}
    for count in (0, 1, 4):
        run = launch.launch(line("w%d" % count, workers=count, epochs=3), folder).fine()
        skipped = run.messages("clipsrc-skipped")
        run.need(len(skipped) == 3 * bad, "%d clips were skipped" % len(skipped))
        epochs = [m["clips"] for m in run.messages("cnn3dtrain-epoch")]
        run.need(epochs == ["16"] * 3, "epochs of %s clips" % epochs)
        runs[count] = saved(folder, "w%d" % count)
    same(runs[0], runs[1])
    same(runs[0], runs[4])
    launch.launch(line("other", seed=4, epochs=3), folder).fine()
    assert saved(folder, "other")["last.safetensors"] != runs[0]["last.safetensors"]


def killed(folder):
    """A run killed at 20 random moments and restarted each time ends with the same bits as an uninterrupted one"""
    data(folder)
    epochs = 24
    whole = launch.launch(line("whole", interval=2, epochs=epochs), folder).fine()
    whole.need(len(whole.messages("cnn3dtrain-epoch")) == epochs, "epochs are missing")
    seed = random.randrange(1 << 32)
    draw = random.Random(seed)
    notes = ["moments drawn with seed %d" % seed]
    positions, kills, middle = [], 0, 0

    # at enough different positions, however slow the machine
    while middle < KILLS or len(positions) < KILLS or len(set(positions)) <= KILLS // 3:
        kills += 1
        assert kills < 200, "it makes no progress: %s" % positions
        wanted, count, delay = draw.choice((
            ("cnn3dtrain-step,", draw.randint(1, 2), draw.uniform(0, .05)),
            ("cnn3dtrain-epoch,", 1, draw.uniform(0, .03)),
            ("cnn3dtrain-checkpoint,", 1, draw.uniform(0, .02)),
            ("cnn3dtrain-plan,", 1, draw.uniform(0, .05)),
        ))
        run = launch.stop_when(line("cut", interval=2, epochs=epochs), wanted, count,
                               signal.SIGKILL, delay, folder)
        run.need(run.rc == -signal.SIGKILL,
                 "it ended otherwise, after %d kills in mid-run" % middle)
        # the position is reported by the run, or by the next one
        resumed = run.messages("cnn3dtrain-resumed")
        if resumed:
            positions.append(int(resumed[0]["position"]))
        if resumed or run.messages("cnn3dtrain-step"):
            middle += 1

    notes.append("%d kills, %d of them after training had begun; resumed at clips %s" % (
        kills, middle, positions))
    explain = "\n".join(notes)
    assert positions == sorted(positions), explain + "\nit went back"
    inside = [p for p in set(positions) if p % PASSES]
    assert len(inside) > KILLS // 5, explain + "\nhardly ever in mid-epoch"
    last = launch.launch(line("cut", interval=2, epochs=epochs), folder).fine()
    last.need(last.messages("cnn3dtrain-resumed"), "it started over")
    same(saved(folder, "cut"), saved(folder, "whole"))
    return notes


def signals(folder):
    """Ctrl-C, with and without -e, saves a checkpoint and resumes to the same bits"""
    data(folder)
    launch.launch(line("whole", interval=0), folder).fine()
    want = saved(folder, "whole")
    notes = []
    for name, options in (("e", "-m -e"), ("int", "-m")):
        for count, delay in ((1, 0), (2, .02), (5, .04)):
            path = "%s%d" % (name, count)
            run = launch.stop_when(line(path, interval=0, workers=2), "cnn3dtrain-step,",
                                   count, signal.SIGINT, delay, folder, options)
            run.need(run.rc >= 0 and "ERROR" not in run.err, "it did not end well")
            epochs = len(run.messages("cnn3dtrain-epoch"))
            run.need(epochs < EPOCHS, "the signal came too late")
            run.need(os.path.exists(os.path.join(folder, path, "last.safetensors")),
                     "%s: nothing was saved" % path)
            trained = run.messages("cnn3dtrain-step")[-1]
            again = launch.launch(line(path, interval=0), folder).fine()
            resumed = again.messages("cnn3dtrain-resumed")
            again.need(resumed, "it started over")
            position = int(resumed[0]["position"])
            # within an epoch, only the signal causes a save
            again.need(position >= int(trained["epoch"]) * PASSES + int(trained["clips"]),
                       "%s: epoch %s, clip %s was trained on, it resumed at %d" % (
                           path, trained["epoch"], trained["clips"], position))
            notes.append("%s: exit status %d, resumed at clip %d" % (
                path, run.rc, position))
            same(saved(folder, path), want)
    assert any(int(note.split()[-1]) % PASSES for note in notes), notes
    return notes


def terminated(folder):
    """SIGTERM, which gst-launch does not handle, loses at most the steps since the last checkpoint"""
    data(folder)
    launch.launch(line("whole"), folder).fine()
    run = launch.stop_when(line("cut"), "cnn3dtrain-step,", 7, signal.SIGTERM, 0, folder)
    trained = run.messages("cnn3dtrain-step")[-1]
    again = launch.launch(line("cut"), folder).fine()
    position = int(again.messages("cnn3dtrain-resumed")[0]["position"])
    again.need(position >= int(trained["epoch"]) * PASSES + int(trained["clips"]) - 6,
               "it resumed at clip %d" % position)
    same(saved(folder, "cut"), saved(folder, "whole"))


def complete(folder):
    """Restarting a complete run does nothing, and says so; with more epochs it continues"""
    data(folder)
    launch.launch(line("run", epochs=2), folder).fine()
    before = saved(folder, "run")
    shutil.copytree(os.path.join(folder, "run"), os.path.join(folder, "more"))
    again = launch.launch(line("run", epochs=2), folder).fine()
    again.need("complete already" in again.out, "it does not say so")
    again.need([m["reason"] for m in again.messages("cnn3dtrain-finished")] ==
               ["complete"], "no message")
    again.need(not again.messages("cnn3dtrain-step"), "it trained")
    same(saved(folder, "run"), before)
    # a constant learning rate does not depend on the number of epochs
    launch.launch(line("more", epochs=3), folder).fine()
    launch.launch(line("whole", epochs=3), folder).fine()
    same(saved(folder, "more"), saved(folder, "whole"))


if __name__ == "__main__":
    launch.main(workers, killed, signals, terminated, complete)
