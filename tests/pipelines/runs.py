#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Errors and warnings of unsuccessful training: two runs in one folder, no step, missing clips, changed data, a
stop, or nothing learnt."""
import json
import os
import re
import signal
import struct
import subprocess
import time

import launch

TOOL = os.path.join(launch.BUILD, "tool", "cnn3d")
CLIP_BIN = launch.CLIP_BIN.replace("num-frames=8", "num-frames=4")
ROWS = [("bars/%02d.mp4" % i, "bars") for i in range(3)] + [("ball/%02d.mp4" % i, "ball") for i in range(3)]


def line(location="train.csv", epochs=2, batch=2, source="", batching="", more="", folder="run"):
    return ("clipsrc location=%s epochs=%d %s %s ! clipbatch batch-size=%d %s ! %s ! cnn3dtrain base-width=4 "
            "threads=1 device=cpu checkpoint-dir=%s %s" % (
                location, epochs, source, CLIP_BIN, batch, batching, launch.QUEUE, folder, more))


def videos(folder):
    launch.two_classes(folder, 3, frames=8)
    table(folder, "train.csv", ROWS)
    table(folder, "val.csv", ROWS[2:4])


def table(folder, name, rows):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write("path,label\n" + "".join("%s,%s\n" % row for row in rows))


def files(folder, name="run"):
    return sorted(os.listdir(os.path.join(folder, name)))


def bytes_of(folder, run, name="last.safetensors"):
    return launch.read(os.path.join(folder, run, name))


def locked(folder):
    """A second run in a folder is refused before its first clip, with the first one's process id; a killed run
    leaves no lock"""
    videos(folder)
    long = line(epochs=100000)
    first = launch.start(long, folder, options="")
    try:
        until = time.monotonic() + launch.limit(60)
        while not os.path.exists(os.path.join(folder, "run", "last.safetensors")):
            assert first.poll() is None and time.monotonic() < until, "the first run does not train"
            time.sleep(0.05)
        assert "run.lock" in files(folder)
        second = launch.launch(line(epochs=1), folder, options="").refused(
            "Another run, process %d on .*, has its checkpoints in run" % first.pid, "checkpoint-dir")
        second.need("epoch" not in second.out and "resuming" not in second.out, "it ran")
        other = launch.launch(line(epochs=1, folder="other"), folder, options="").fine()
        other.need("run.lock" not in files(folder, "other"), "the lock's file stays")
    finally:
        launch.kill(first)
        first.communicate()
    assert "run.lock" in files(folder), "nothing was left by the kill"
    launch.launch(line(epochs=1), folder, options="").fine().need("run.lock" not in files(folder), "it stays locked")


def without_steps(folder):
    """A training or validation pass that cannot fill a batch is refused at its start, or at its end if clips
    were skipped"""
    videos(folder)
    table(folder, "three.csv", ROWS[1:4])
    table(folder, "gone.csv", ROWS[2:4] + [("gone/0.mp4", "ball")])
    table(folder, "trains-gone.csv", ROWS[1:3] + [("gone/0.mp4", "ball")])
    few = "The %d clips of a %s pass do not fill a batch of %d", "batch-size to %d or less, or drop-last=false"
    for location, batch, said in (("three.csv", 8, (3, "training", 8)), ("three.csv", 3, (2, "validation or test", 3))):
        run = launch.launch(line(location, batch=batch, source="val-location=val.csv", batching="drop-last=true"), folder)
        run.refused(few[0] % said, few[1] % said[0])
        run.need(not run.messages("cnn3dtrain-step") and not files(folder), "it trained")
    # views of a video count as clips
    views = line("three.csv", epochs=1, batch=3, source="val-location=val.csv", batching="drop-last=true", folder="views")
    run = launch.launch(views.replace("num-frames=4", "num-frames=4 frame-interval=1 clips-per-video=2"), folder).fine()
    run.need([m["clips"] for m in run.messages("cnn3dtrain-validation")] == ["3"], "not one batch of views")
    run.need(re.search("WARNING.*: 1 of 4 validation clips are in no batch", run.err + run.out), "not that one is missing")
    run = launch.launch(line("trains-gone.csv", batch=3, batching="drop-last=true", folder="none"), folder)
    run.refused("No training step in epoch 1: of 3 training clips 2 arrived, but no batch of 3 was full",
                "batch-size to 2 or less, or drop-last=false")
    run.need(not files(folder, "none"), "it left %s" % files(folder, "none"))
    run = launch.launch(line("three.csv", epochs=1, batch=3, source="val-location=gone.csv", batching="drop-last=true"),
                        folder)
    run.refused("No validation in epoch 1: of 3 validation clips 2 arrived, but no batch of 3", "batch-size to 2 or less")
    # trained weights are kept, complete with their validation
    launch.launch(line("three.csv", epochs=1, batch=3, source="val-location=gone.csv"), folder).fine()
    launch.launch(line("three.csv", epochs=1, batch=3, source="val-location=gone.csv", folder="whole"), folder).fine()
    assert bytes_of(folder, "run") == bytes_of(folder, "whole"), "it is not the same as without the error"


def empty(folder):
    """A stream without clips, or without training clips, is an error; serving nothing gives a warning"""
    videos(folder)
    launch.launch(line(epochs=1), folder).fine()
    model = "model=run/last.safetensors"
    for sink, said in (("cnn3dtrain", "nothing was trained"), ("cnn3deval " + model, "Nothing was evaluated")):
        launch.launch("fakesrc num-buffers=0 ! " + sink, folder, options="-e").refused(
            said, "Check that upstream sends clips")
    run = launch.launch("videotestsrc num-buffers=0 ! cnn3dinfer %s ! fakesink" % model, folder).fine()
    run.need(re.search("WARNING.*before its first frame: there is no result", run.err + run.out), "no warning")
    run = launch.launch(line(source="passes=val val-location=val.csv", folder="none"), folder)
    run.refused("No training step: no training clips arrived", "passes=all")
    run.need(not files(folder, "none") and not run.messages("cnn3dtrain-validation"), "it validated or saved noise")
    launch.launch("clipsrc location=val.csv passes=test %s ! clipbatch batch-size=8 drop-last=true ! cnn3deval %s" % (
        CLIP_BIN, model), folder).refused("The 2 clips of a validation or test pass do not fill a batch of 8")


def monitors(folder):
    """A monitor of validation metrics is rejected without validation; the default reports what it uses"""
    videos(folder)
    for name in "val-accuracy", "val-loss", "val-f1":
        run = launch.launch(line(more="monitor=" + name), folder)
        run.refused("monitor=%s needs a validation pass in each epoch" % name, "monitor=train-loss")
        run.need(not run.messages("cnn3dtrain-step") and not files(folder), "it trained")
    reported = "no validation clips: the best epoch is chosen by training accuracy"
    run = launch.launch(line(epochs=1), folder, options="").fine()
    run.need((run.out + run.err).count(reported) >= 1, "not reported")
    for more, source in (("save-top-k=0", ""), ("monitor=train-loss", ""), ("", "val-location=val.csv")):
        run = launch.launch(line(epochs=1, more=more + " resume=never", source=source), folder, options="").fine()
        run.need(reported not in run.out + run.err, "reported without need")
    config = ["train", "--config", os.path.join(launch.TOP, "configs", "config.yaml"), "--data.img_size=[32, 32]",
              "--data.num_frames=4", "--data.batch_size=2", "--data.num_workers=0", "--model.base_width=4",
              "--model.backbone=r3d_18", "--trainer.threads=1", "--trainer.device=cpu", "--paths.train=train.csv",
              "--paths.val=null", "--paths.checkpoint_dir=config", "--train.max_epochs=1", "--trainer.precision=32"]
    for more, status in (["--train.monitor=val-accuracy"], 1), ([], 0):
        process = subprocess.run([TOOL, *config, *more], cwd=folder, env=launch.environment(), stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        assert process.returncode == status, launch.text(process.stdout + process.stderr)


def skipped(folder):
    """Skipped clips are reported on the console with their number and reason; more than max-skipped end the run"""
    videos(folder)
    table(folder, "some.csv", ROWS + [("gone/%d.mp4" % i, "ball") for i in range(4)])
    table(folder, "most.csv", ROWS + [("gone/%d.mp4" % i, "ball") for i in range(14)])
    run = launch.launch(line("some.csv", more="log-dir=log"), folder, options="").fine()
    reported = re.findall(r"epoch \d/2 .*  clips skipped 4 of 10$", run.out, re.MULTILINE)
    run.need(len(reported) == 2, "not in each epoch's line")
    run.need(re.search(r"^4 of 10 training clips of epoch 1 were skipped; the first: .*gone/\d.mp4: .+$", run.out,
                       re.MULTILINE), "not why")
    run.need(re.search(r"^skipped: 4 of 10 training clips(; .*gone/\d.mp4: [^;]+){3}; all of them are in "
                       r"log/log.jsonl$", run.out, re.MULTILINE), "no sum")
    run.need(not launch.launch(line("train.csv", folder="all"), folder, options="").fine().out.count("skipped"),
             "skipped clips where there are none")
    run = launch.launch(line("some.csv", more="progress=false", folder="silent"), folder, options="").fine()
    run.need(re.search("WARNING.*skipped: 4 of 10 training clips", run.err + run.out), "no warning without progress")
    run = launch.launch(line("most.csv", folder="most"), folder, options="").refused(
        "14 of 20 training clips of epoch 1 were skipped, more than max-skipped=0.5", "mostly: .*(exist|No such)",
        "max-skipped=1 trains on what is left", "The first: .*gone")
    run.need(not files(folder, "most"), "it left %s" % files(folder, "most"))
    run = launch.launch(line("most.csv", more="max-skipped=1", folder="most"), folder, options="").fine()
    run.need("clips skipped 14 of 20" in run.out, "not reported")
    launch.launch(line("some.csv", more="max-skipped=0.3", folder="few"), folder, options="").refused("4 of 10 training")
    # a validation with most of its clips skipped
    table(folder, "val.csv", [ROWS[0]] + [("gone/%d.mp4" % i, "ball") for i in range(3)])
    launch.launch(line(source="val-location=val.csv", folder="val"), folder, options="").refused(
        "3 of 4 validation clips of epoch 1 were skipped")


def skipped_before(folder):
    """An epoch that skipped too much before a resume starts over: the same line is refused while the files are
    missing, and succeeds when they are back"""
    videos(folder)
    table(folder, "void.csv", [("gone/%d.mp4" % i, "ball") for i in range(60)] + 8 * ROWS)
    cut = line("void.csv", epochs=1, batch=1, source="shuffle=false", more="checkpoint-interval=1 max-skipped=%s")
    starts_over = "60 of 108 clips of epoch 1 were skipped before the checkpoint, more than max-skipped=0.5.*starts over"
    launch.stop_when(cut % 1, "cnn3dtrain-step", 3, signal.SIGKILL, folder=folder)
    # the second time, its checkpoint is at the epoch's end
    for _ in range(2):
        run = launch.launch(cut % 0.5, folder).refused("60 of 108 training clips of epoch 1 were skipped",
                                                       "The first: .*gone/0.mp4")
        run.need(re.search("WARNING.*" + starts_over, run.err + run.out) and "resuming with epoch 1\n" in run.out, "not started over")
    os.rename(os.path.join(folder, "ball"), os.path.join(folder, "gone"))
    launch.shutil.copytree(os.path.join(folder, "gone"), os.path.join(folder, "ball"))
    for i in range(60):
        launch.shutil.copy(os.path.join(folder, "gone", "00.mp4"), os.path.join(folder, "gone", "%d.mp4" % i))
    run = launch.launch(cut % 0.5, folder).fine()
    run.need(re.search("WARNING.*" + starts_over, run.err + run.out), "not reported")
    run.need([m["clips"] for m in run.messages("cnn3dtrain-epoch")] == ["108"], "not the whole epoch")
    run = launch.launch(cut % 0.5, folder).fine()
    run.need("training is complete" in run.out and "skipped" not in run.out + run.err, "it is not over")


def complete(folder):
    """If all requested epochs are done, that is reported, and nothing is trained"""
    videos(folder)
    launch.launch(line(epochs=2), folder, options="").fine()
    before = bytes_of(folder, "run")
    for asked, said in ((1, "2 epochs are done, 1 was asked for"), (2, "2 epochs are done, 2 were asked for")):
        run = launch.launch(line(epochs=asked), folder).fine()
        run.need("training is complete: " + said in run.out, "not said: " + said)
        run.need("upstream cannot seek past them" not in run.out and "WARNING" not in run.err + run.out,
                 "something else is said")
        run.need([m["reason"] for m in run.messages("cnn3dtrain-finished")] == ["complete"]
                 and not run.messages("cnn3dtrain-step"), "it trained")
        assert bytes_of(folder, "run") == before
    run = launch.launch(line(epochs=3), folder).fine()
    run.need("epoch 3/3  loss" in run.out and "epoch 2/3" not in run.out, "more epochs do not continue training")
    # an early stop is an end, too
    early = line(epochs=9, folder="early", source="shuffle=false", more="lr=0 monitor=train-loss patience=%d")
    run = launch.launch(early % 1, folder).fine()
    run.need("stopped: no improvement for 1 epochs" in run.out and "epoch 3/9" not in run.out, "patience is not over")
    run = launch.launch(early % 1, folder).fine()
    run.need("training is complete: no improvement for 1 epochs, patience=1" in run.out
             and "Raise patience to continue" in run.out + run.err and not run.messages("cnn3dtrain-step"), "it trained on")
    run = launch.launch(early % 3, folder).fine()
    run.need("epoch 4/9  loss" in run.out and "epoch 5/9" not in run.out, "more patience does not continue training")


def starts_over(folder):
    """A run that starts over in the folder of another names what it finds there"""
    videos(folder)
    said = "run has models of another run: "
    run = launch.launch(line(epochs=2, more="save-top-k=2"), folder, options="").fine()
    run.need(said not in run.out + run.err, "there is no other run")
    there = [name for name in files(folder) if name.endswith(".safetensors")]
    run = launch.launch(line(epochs=1, more="resume=never log-dir=log"), folder, options="").fine()
    run.need(re.search("WARNING.*" + said + re.escape(", ".join(there)) + ". This run starts over", run.out + run.err)
             and said in launch.text(launch.read(os.path.join(folder, "log", "log.jsonl"))), "not all of them")
    for i in range(10):
        launch.shutil.copy(os.path.join(folder, "run", "best.safetensors"), os.path.join(folder, "run", "epoch-1%03d.safetensors" % i))
    os.unlink(os.path.join(folder, "run", "last.safetensors"))
    run = launch.launch(line(epochs=1), folder, options="").fine()
    run.need(re.search(said + "best.safetensors.* and %d more" % (len(files(folder)) - 2 - 8), run.out + run.err), "not without last.safetensors")


def stopped(folder):
    """cnn3d train saves on Ctrl-C and SIGTERM, reports where it resumes, and exits with 130 or 143; each run
    ends with its best epoch"""
    videos(folder)
    arguments = ["train", "--config", os.path.join(launch.TOP, "configs", "config.yaml"), "--data.img_size=[32, 32]",
                 "--data.num_frames=4", "--data.batch_size=2", "--data.num_workers=0", "--model.base_width=4",
                 "--model.backbone=r3d_18", "--train.patience=0", "--trainer.precision=32", "--trainer.threads=1",
                 "--trainer.device=cpu", "--paths.train=train.csv", "--paths.val=val.csv",
                 "--paths.checkpoint_dir=run", "--loss.warmup_epochs=0", "--loss.lr_schedule=constant"]
    position = "start"
    for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
        process = subprocess.Popen([TOOL, *arguments, "--train.max_epochs=100000"], cwd=folder,
                                   env=launch.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        process.command = process.args
        out = []
        for raw in process.stdout:
            out.append(launch.text(raw))
            if out[-1].startswith("epoch "):
                break
        os.kill(process.pid, number)
        run = launch.finish(process)
        run.out = "".join(out) + run.out
        run.need(run.rc == status, "not %d" % status)
        run.need(re.search(r"at the end of epoch \d+|at epoch \d+, (clip \d|before its validation)", run.out),
                 "it does not say where it stopped")
        saved = re.findall(r"saved at (?:the end of )?epoch (\d+)(?:, clip \d of 6|, before its validation)?: "
                           r"the same line resumes$", run.out, re.MULTILINE)
        run.need(len(saved) == 1, "it does not say where it resumes")
        run.need(re.search(r"best: epoch \d+  val-loss \S+  val-accuracy [\d.]+ %  run/best.safetensors$", run.out,
                           re.MULTILINE), "the best epoch is not named")
        run.need(position == "start" or "resuming " in run.out, "it did not resume")
        run.need(re.search(r"epoch \d+/100000 .*  left \d+:\d\d", run.out, re.MULTILINE), "no time left")
        position = saved[0]
    run = launch.launch(line(epochs=1, folder="other"), folder, options="").fine()
    run.need(re.search(r"best: epoch 1  loss \S+  accuracy [\d.]+ %  other/best.safetensors$", run.out,
                       re.MULTILINE), "the best epoch is not named")
    run.need("saved at" not in run.out, "a complete run says where it resumes")
    # by gst-launch-1.0, without a checkpoint folder
    run = launch.stop_when(line(epochs=100000).replace("checkpoint-dir=run", ""), "epoch 1/", 1, signal.SIGINT,
                           folder=folder, options="-e")
    run.need(re.search(r"^stopped at .*: nothing is saved, as checkpoint-dir is not set$", run.out, re.MULTILINE),
             "it does not say that nothing is saved")


def shared(folder):
    """Two trainers of one source resume with the bits that each has alone, also where their checkpoints differ, or one is complete"""
    videos(folder)
    clips = "clipsrc location=train.csv shuffle=false epochs=%%d %s ! clipbatch batch-size=2 ! " % CLIP_BIN
    trainer = "%s ! cnn3dtrain base-width=4 threads=1 device=cpu checkpoint-dir=%%s " % launch.QUEUE
    for name, epochs in ("a", 1), ("b", 1), ("c", 2):
        launch.launch(clips % epochs + trainer % name, folder).fine()
    launch.launch(clips % 3 + trainer % "a", folder).fine()
    for others in ("b", "b"), ("b", "c"), ("a", "b"):
        for number, name in enumerate(others):
            launch.shutil.copytree(os.path.join(folder, name), os.path.join(folder, "other%d" % number))
        run = launch.launch(clips % 3 + "tee name=t  t. ! %s t. ! %s" % (trainer % "other0", trainer % "other1"), folder).fine()
        for number in range(2):
            name = "other%d" % number
            run.need(bytes_of(folder, name) == bytes_of(folder, "a"), "%s of %s has other bits" % (name, others))
            launch.shutil.rmtree(os.path.join(folder, name))


def strip(folder, name):
    """Removes fields that older versions did not write."""
    path = os.path.join(folder, name, [f for f in files(folder, name) if f.endswith(".state")][0])
    data = launch.read(path)
    size, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + size])
    metadata = header["__metadata__"]
    assert any(key.startswith("data-") for key in metadata), metadata
    header["__metadata__"] = {key: value for key, value in metadata.items()
                              if not key.startswith(("data-", "best-"))}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data[8 + size:])


def other_data(folder):
    """A resumed run compares its data with the checkpoint's: differences are reported and refused, or a warning
    with resume-data=any"""
    videos(folder)
    table(folder, "renamed.csv", [(p, {"bars": "adding", "ball": "bowling"}[c]) for p, c in ROWS])
    table(folder, "swapped.csv", [(p, {"bars": "ball", "ball": "bars"}[c]) for p, c in ROWS])
    table(folder, "reordered.csv", ROWS[::-1])
    table(folder, "more.csv", ROWS + [("ball/01.mp4", "ball")])
    table(folder, "others.csv", ROWS[:5] + [("ball/01.mp4", "ball")])
    launch.launch(line(), folder).fine()
    os.rename(os.path.join(folder, "run"), os.path.join(folder, "two"))

    def resumed(location, more="", **kind):
        launch.shutil.rmtree(os.path.join(folder, "run"), ignore_errors=True)
        launch.shutil.copytree(os.path.join(folder, "two"), os.path.join(folder, "run"))
        return launch.launch(line(location, epochs=3, more=more, **kind), folder)

    for more in "", "resume-data=any", "resume=must":
        resumed("renamed.csv", more).refused("the classes of run/last.safetensors are ball, bars, in this order, but "
                                             "the data's are adding, bowling: name them as before, set another "
                                             "checkpoint-dir, or start over with resume=never "
                                             r"\(pretrained= takes these weights\)")
    for location, said in (("swapped.csv", "clips have other labels"), ("more.csv", "the data set had 6 rows and has 7"),
                           ("others.csv", "other clips, or other segments or splits")):
        resumed(location).refused(
            "run/last.safetensors was trained on other data: .*" + said,
            "Use the same data as before, or set resume-data=any to continue with this")
        run = resumed(location, "resume-data=any").fine()
        run.need(re.search("WARNING.*the checkpoint was trained on other data: .*" + said, run.err + run.out),
                 "not reported")
        run.need("epoch 3/3  loss" in run.out and "epoch 2/3" not in run.out, "not the third epoch")
        run.need("chosen on that data: the comparison of epochs starts over" in run.out + run.err
                 and "best: epoch 3 " in run.out, "epochs on other data are compared")
        # from there on it is the run's data
        run = launch.launch(line(location, epochs=4), folder).fine()
        run.need("epoch 4/4  loss" in run.out and "other data" not in run.out + run.err, "it still counts as other data")
    kind = {"source": "val-location=val.csv", "folder": "val"}
    launch.launch(line(**kind), folder).fine()
    run = launch.launch(line("more.csv", epochs=3, more="resume-data=any", **kind), folder).fine()
    run.need("trained on other data" in run.out + run.err and "comparison of epochs" not in run.out + run.err,
             "epochs with the same validation are not compared")
    resumed("train.csv", source="val-location=val.csv").refused("had 6 rows and has 8")
    run = resumed("train.csv", "resume-data=any", source="val-location=val.csv").fine()
    run.need("epoch 3/3  loss" in run.out and "best: epoch 3  val-loss" in run.out, "not with the validation")
    run = launch.launch(line(epochs=3, more="resume=auto").replace("width=32", "width=40"), folder)
    run.refused("width was 32 and is 40")
    run = launch.launch(line(epochs=4, source="val-location=val.csv").replace(
        "num-frames=4", "num-frames=4 frame-interval=2"), folder)
    run.refused("frame-interval was 0 and is 2|sampling was uniform and is center")
    run = resumed("reordered.csv").fine()
    run.need("epoch 3/3  loss" in run.out and "WARNING" not in run.out + run.err, "rows in another order")
    strip(folder, "two")
    run = resumed("swapped.csv").fine()
    run.need("does not record which data" in run.out + run.err and "epoch 3/3  loss" in run.out, "an older checkpoint")
    resumed("renamed.csv").refused("adding, bowling")


def within(folder):
    """Within an epoch the order of the clips is part of the data; with resume-data=any the epoch starts over"""
    videos(folder)
    table(folder, "reordered.csv", ROWS[::-1])
    more = "checkpoint-interval=1"
    run = launch.stop_when(line(epochs=50, more=more), "cnn3dtrain-step", 5, signal.SIGKILL, folder=folder)
    os.rename(os.path.join(folder, "run"), os.path.join(folder, "cut"))

    def resumed(location, options="", **kind):
        launch.shutil.rmtree(os.path.join(folder, "run"), ignore_errors=True)
        launch.shutil.copytree(os.path.join(folder, "cut"), os.path.join(folder, "run"))
        return launch.launch(line(location, epochs=10, more=more + options, **kind), folder)

    run = resumed("train.csv").fine()
    # gst-launch-1.0 prints messages in pieces, which may be interleaved with this one
    place = re.search(r"resuming in epoch (\d+) at clip (\d) of 6\n", run.out)
    if not place:
        raise launch.Skip("the kill came between two epochs")
    resumed("reordered.csv").refused("another order than within epoch " + place.group(1))
    resumed("train.csv", source="seed=7").refused("another order than within epoch")
    resumed("train.csv", source="sampling=balanced").refused("another order than within epoch")
    run = resumed("reordered.csv", " resume-data=any").fine()
    run.need("resuming with epoch %s\n" % place.group(1) in run.out, "not from its beginning")
    clips = [m["clips"] for m in run.messages("cnn3dtrain-epoch")]
    run.need(set(clips) == {"6"}, "epochs of %s clips" % clips)


def learns_nothing(folder):
    """A loss that does not fall, and predictions of one class, give one warning each"""
    videos(folder)
    run = launch.launch(line(epochs=5, source="val-location=val.csv", more="lr=1e-12 momentum=0 weight-decay=0"),
                        folder, options="").fine()
    reported = re.findall("The training loss does not fall: it was .* in the first of 3 epochs", run.out + run.err)
    run.need(len(reported) == 1, "the loss was reported %d times" % len(reported))
    table(folder, "uneven.csv", ROWS[:3] * 5 + ROWS[3:4])
    run = launch.launch(line("uneven.csv", epochs=4, source="val-location=val.csv", folder="uneven",
                             more="lr=0.001"), folder, options="").fine()
    reported = re.findall("All 2 validation clips of epoch . were predicted to be of class bars", run.out + run.err)
    run.need(len(reported) == 1, "one class was reported %d times" % len(reported))
    run = launch.launch(line(epochs=12, batch=6, folder="good", more="lr=0.02"), folder, options="").fine()
    run.need("does not fall" not in run.out + run.err, "warned of a loss that falls")


if __name__ == "__main__":
    launch.main(locked, without_steps, empty, monitors, skipped, skipped_before, complete, starts_over, stopped, shared, other_data, within, learns_nothing)
