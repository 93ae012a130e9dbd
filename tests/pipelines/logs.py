#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The files of a line with log-dir: log.jsonl, metrics.csv and event files, read by standard readers; complete
after a kill and after a full disk."""
import csv
import json
import os
import random
import resource
import signal
import subprocess

import launch

HOSTILE = "<script>alert(1)\x1b[31m"
READ_EVENTS = """
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
a = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "images": 0, "histograms": 0})
a.Reload()
tags = a.Tags()
json.dump({
    "scalars": {t: [(e.step, e.value) for e in a.Scalars(t)] for t in tags["scalars"]},
    "images": {t: [(e.step, e.width, e.height, e.encoded_image_string[:8].hex())
                   for e in a.Images(t)] for t in tags["images"]},
    "histograms": {t: [(e.step, e.histogram_value.num, sum(e.histogram_value.bucket))
                       for e in a.Histograms(t)] for t in tags["histograms"]}}, sys.stdout)
"""
RECORDS = {
    "run": "version command model base-width classes num-frames height width device precision "
           "threads convolution batch micro-batch validation-batch accumulate-grad-batches recompute optimizer "
           "predicted-bytes context-bytes context-source budget-bytes max-memory-bytes weights-bytes gradients-bytes "
           "optimizer-bytes input-bytes arena-bytes workspace-bytes epochs training-clips",
    "resumed": "position step epoch",
    "step": "epoch step clips loss accuracy lr loss-scale skipped steps-skipped "
            "clips-per-second memory-bytes memory-share",
    "epoch": "epoch step loss accuracy clips seconds lr clips-per-second memory-bytes",
    "validation": "epoch step loss accuracy clips seconds best recall f1 class-accuracy confusion",
    "checkpoint": "path best",
    "skipped": "path reason clip epoch",
    "warning": "message", "error": "message", "finished": "reason"}


def line(more="", epochs=3):
    return ("clipsrc location=clips num-folds=3 seed=1 epochs=%d %s ! clipbatch batch-size=2 ! "
            "%s ! cnn3dtrain base-width=4 threads=1 lr=0.001 log-dir=log %s" % (
                epochs, launch.CLIP_BIN, launch.QUEUE, more))


def clips(folder, each=6):
    """Two classes, one of them with a hostile name, and a clip that cannot be read."""
    launch.two_classes(os.path.join(folder, "clips"), each)
    os.rename(os.path.join(folder, "clips", "ball"), os.path.join(folder, "clips", HOSTILE))
    with open(os.path.join(folder, "clips", "bars", "bad.mp4"), "w", encoding="utf-8") as file:
        file.write("no video")


def strict(line_):
    """Like json.loads(), but NaN and infinity are rejected."""
    def no_number(word):
        raise AssertionError("%s is not JSON" % word)
    return json.loads(line_, parse_constant=no_number)


def records(folder, name="log"):
    data = launch.read(os.path.join(folder, name, "log.jsonl"))
    assert data.endswith(b"\n"), "the last record is not whole"
    assert not any(byte < 32 and byte != 10 for byte in data), "control characters"
    found = [strict(part) for part in data.decode().splitlines()]
    for record in found:
        assert list(record) == ["event", "time"] + RECORDS[record["event"]].split(), record
    return found


def rows(folder, name="log"):
    with open(os.path.join(folder, name, "metrics.csv"), encoding="utf-8") as file:
        return list(csv.DictReader(file))


def events(folder, name="log"):
    out = subprocess.run([launch.peer("tensorboard"), "-c", READ_EVENTS,
                          os.path.join(folder, name)], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, check=False)
    assert out.returncode == 0, launch.text(out.stderr)
    return json.loads(out.stdout)


def of(found, event):
    return [record for record in found if record["event"] == event]


def messages_logged(folder):
    """log.jsonl and metrics.csv have the values of the bus messages"""
    clips(folder)
    run = launch.launch(line("checkpoint-dir=run") + " identity name=rtsp://me:mysecret@camera", folder).fine()
    found = records(folder)
    kinds = [record["event"] for record in found]
    run.need(kinds[0] == "run" and kinds[-1] == "finished", "they are %s" % kinds)
    first = found[0]
    run.need(first["classes"] == [HOSTILE, "bars"] and first["model"] == "r3d_18"
             and first["num-frames"] == 8 and first["height"] == 32 and first["epochs"] == 3
             and first["optimizer"] == "sgd", "the run is %s" % first)
    run.need("'clip-bin=clipsample num-frames=8 !" in first["command"]
             and first["command"].startswith("gst-launch-1.0 -m clipsrc"), first["command"])
    run.need("rtsp://me:***@camera" in first["command"], first["command"])
    for top, _, names in os.walk(folder):
        run.need(not any(b"mysecret" in launch.read(os.path.join(top, name)) for name in names), "a password is kept")
    for event in ("step", "epoch", "validation"):
        posted = run.messages("cnn3dtrain-" + event)
        logged = of(found, event)
        run.need(len(posted) == len(logged) > 0, "%d of %d of %s" % (
            len(logged), len(posted), event))
        for message, record in zip(posted, logged):
            for name in ("epoch", "loss", "accuracy", "clips"):
                run.need(abs(float(message[name]) - record[name]) < 1e-6,
                         "%s of %s: %s, %s" % (name, event, message, record))
    for record in of(found, "validation"):
        matrix = record["confusion"]
        assert record["class-accuracy"] == [row[i] / sum(row) if sum(row) else None
                                            for i, row in enumerate(matrix)], record
        right = sum(matrix[i][i] for i in range(2))
        run.need(sum(map(sum, matrix)) == record["clips"]
                 and right == round(record["accuracy"] * record["clips"]), str(record))
    run.need(any(r["path"].endswith("bad.mp4") and r["reason"] for r in of(found, "skipped")),
             "the skipped clip is not logged")
    table = rows(folder)
    steps = of(found, "step")
    trained = [row for row in table if row["train_loss"]]
    run.need(len(trained) == len(steps) and all(
        int(row["step"]) == record["step"] and not row["val_loss"]
        and abs(float(row["train_loss"]) - record["loss"]) < 1e-6
        for row, record in zip(trained, steps)), "metrics.csv has %s" % trained)
    run.need([float(row["val_accuracy"]) for row in table if row["val_loss"]]
             == [r["accuracy"] for r in of(found, "validation")], "validations differ")
    # another run keeps the earlier log
    launch.launch(line("log-every-n-steps=3", 1), folder).fine()
    run.need(records(folder, "log/earlier-1") == found, "the log before is not kept")
    run.need([r["step"] for r in of(records(folder), "step")] == [3],
             "log-every-n-steps=3 logs %s" % of(records(folder), "step"))


def tensorboard(folder):
    """The tensorboard package reads scalars, histograms and confusion matrices"""
    launch.peer("tensorboard")
    clips(folder)
    launch.launch(line("log-histograms=2"), folder).fine()
    found, read = records(folder), events(folder)
    assert sorted(read["scalars"]) == ["clips_per_second", "loss_scale", "lr", "memory_bytes",
                                       "train/accuracy", "train/loss", "val/accuracy",
                                       "val/f1", "val/loss"], sorted(read["scalars"])
    for tag, event in (("train", "step"), ("val", "validation")):
        for name in ("loss", "accuracy"):
            values = [(r["step"], r[name]) for r in of(found, event)]
            scalars = read["scalars"]["%s/%s" % (tag, name)]
            assert len(values) == len(scalars) and all(
                a == b and abs(x - y) < 1e-6 for (a, x), (b, y) in zip(values, scalars)), tag
    images = read["images"]["confusion_matrix"]
    assert [i[0] for i in images] == [r["step"] for r in of(found, "validation")], images
    assert all(i[1] > 100 and i[2] > 100 and i[3] == "89504e470d0a1a0a" for i in images), images
    second = of(found, "validation")[1]["step"]
    assert all(h == [[second, h[0][1], h[0][1]]] for h in read["histograms"].values()), "counts"
    assert read["histograms"]["weights/fc.weight"][0][1] == 2 * 4 * 8


def same(record):
    """Without values that depend on time and machine."""
    return {name: value for name, value in record.items() if name not in (
        "time", "seconds", "clips-per-second", "memory-bytes", "memory-share")}


def killed(folder):
    """After kills at any moment and resumes, the log has each step once, and equals that of an uninterrupted
    run"""
    clips(folder)
    more = "checkpoint-interval=3 checkpoint-dir=%s"
    launch.launch(line(more % "a", 6), folder).fine()
    os.rename(os.path.join(folder, "log"), os.path.join(folder, "whole"))
    chance = random.Random(1)
    kills = 0
    for steps in (7, 12, 2):
        run = launch.stop_when(line(more % "b", 6), "cnn3dtrain-step", steps, signal.SIGKILL,
                               chance.uniform(0, .03), folder)
        kills += run.rc == -signal.SIGKILL
    assert kills >= 2, "it was too quick to be killed"
    launch.launch(line(more % "b", 6), folder).fine()
    whole, found = records(folder, "whole"), records(folder)
    assert of(found, "resumed"), "it was not resumed"
    for event in ("step", "epoch", "validation", "skipped"):
        a, b = ([same(r) for r in of(log, event)] for log in (whole, found))
        assert a == b, "%s:\n%s\n%s" % (event, a, b)
    a, b = ([[row[name] for name in ("epoch", "step", "lr", "train_loss", "val_loss")]
             for row in rows(folder, log)] for log in ("whole", "log"))
    assert a == b, "metrics.csv:\n%s\n%s" % (a, b)
    assert [r["reason"] for r in of(found, "finished")] == ["eos"]
    a, b = (events(folder, log)["scalars"] for log in ("whole", "log"))
    for tag in ("train/loss", "val/loss"):
        assert a[tag] == b[tag], "%s:\n%s\n%s" % (tag, a[tag], b[tag])
    return ["%d kills" % kills]


def stopped(folder):
    """A stopped run, with or without EOS, is not logged as finished"""
    clips(folder)
    for name, options in (("eos", "-m -e"), ("null", "-m")):
        run = launch.stop_when(line("checkpoint-dir=%s" % name, 500).replace("log-dir=log", "log-dir=" + name),
                               "cnn3dtrain-step", 3, signal.SIGINT, folder=folder, options=options)
        found = records(folder, name)
        run.need([r["reason"] for r in of(found, "finished")] == ["stopped"] and found[-1]["event"] in (
            "finished", "checkpoint"), found[-3:])
    launch.launch(line("checkpoint-dir=eos").replace("log-dir=log", "log-dir=eos"), folder).fine()
    assert [r["reason"] for r in of(records(folder, "eos"), "finished")] == ["stopped", "eos"]


def full(folder):
    """A full disk does not stop training, and is reported once"""
    clips(folder)
    launch.launch("fakesrc num-buffers=1 ! fakesink", folder)  # writes the registry before

    def no_room():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))

    command = ["gst-launch-1.0", "-m"] + launch.shlex.split(line(epochs=4))
    process = subprocess.Popen(command, cwd=folder, env=launch.environment(),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, preexec_fn=no_room)
    process.command = command
    run = launch.finish(process).fine()
    run.need(run.out.count("The log in log has gaps") == 1, "no warning, or more than one")
    run.need(run.out.count("the log has gaps") == 1, "the progress does not report it once")
    run.need(len(run.messages("cnn3dtrain-epoch")) == 4, "it was not trained to the end")
    found = records(folder)
    run.need(found[0]["event"] == "run" and 1 < len(of(found, "step")) < len(
        run.messages("cnn3dtrain-step")), "the log has %d steps" % len(of(found, "step")))
    run.need(len(rows(folder)) == len(run.messages("cnn3dtrain-step")) + 4,
             "metrics.csv has had room")
    try:
        run.need(events(folder)["scalars"]["train/loss"][0][0] == 1, "the event file is damaged")
    except launch.Skip:
        pass


def failed(folder):
    """Errors that end training are logged, and an invalid log folder is rejected"""
    clips(folder, 2)
    launch.launch(line("max-memory=1MiB"), folder).refused("max-memory|memory")
    found = records(folder)
    assert [r["event"] for r in found] == ["error"] and "MiB" in found[0]["message"], found
    launch.launch(line("lr=1000 momentum=0.99", 30), folder).refused("the loss became NaN or infinite")
    found = records(folder)
    assert found[-1]["event"] == "error" and "became NaN or infinite" in found[-1]["message"], found[-1]
    with open(os.path.join(folder, "file"), "w", encoding="utf-8"):
        pass
    launch.launch(line().replace("log-dir=log", "log-dir=file/log"), folder).refused(
        "The log cannot be written", "file/log")


if __name__ == "__main__":
    launch.main(messages_logged, tensorboard, killed, stopped, full, failed)
