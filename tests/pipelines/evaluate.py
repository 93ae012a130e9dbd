#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Evaluating a trained model gives the metrics reported in training and those of scikit-learn, with any
batches, chunks and workers."""
import csv
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import tempfile

import launch

BIN = ('clip-bin="clipsample num-frames=8 frame-interval=2 %s ! videoconvertscale %s ! '
       'video/x-raw,format=RGB,width=%d,height=%d"')
CLASSES = 8

# Metrics of a predictions.csv by scikit-learn, as JSON
PEER = """
import csv, json, sys
import numpy
from sklearn import metrics
rows = list(csv.reader(open(sys.argv[1], newline="", encoding="utf-8")))
names = rows[0][4:]
y = numpy.array([names.index(r[2]) for r in rows[1:]])
predicted = numpy.array([names.index(r[3]) for r in rows[1:]])
p = numpy.array([[float(v) for v in r[4:]] for r in rows[1:]])
all = list(range(len(names)))
one = lambda f, **more: f(y, predicted, labels=all, average=None, zero_division=0, **more).tolist()
mean = lambda f: float(f(y, predicted, average="macro", zero_division=0))
print(json.dumps({
    "accuracy": float(metrics.accuracy_score(y, predicted)),
    "top5-accuracy": float(metrics.top_k_accuracy_score(y, p, k=5, labels=all)),
    "loss": float(metrics.log_loss(y, p, labels=all)),
    "precision-macro": mean(metrics.precision_score), "recall-macro": mean(metrics.recall_score),
    "f1-macro": mean(metrics.f1_score),
    "auroc-macro": float(metrics.roc_auc_score(y, p, multi_class="ovr", average="macro", labels=all)),
    "precision": one(metrics.precision_score), "recall": one(metrics.recall_score), "f1": one(metrics.f1_score),
    "auroc": [float(metrics.roc_auc_score(y == c, p[:, c])) for c in all],
    "confusion": metrics.confusion_matrix(y, predicted, labels=all).tolist()}))
"""


def source(passes="val", sample="", scale="add-borders=false", size=32, more=""):
    demo = os.environ["CNN3D_DEMO"]
    return "clipsrc location=%s val-location=%s passes=%s limit-clips=40 seed=1 %s %s" % (
        os.path.join(demo, "train.csv"), os.path.join(demo, "val.csv"), passes, more,
        BIN % (sample, scale, size, size))


def line(clips, properties, batch=4):
    return "%s ! clipbatch batch-size=%d ! %s ! cnn3deval threads=1 %s" % (clips, batch, launch.QUEUE, properties)


MODEL = []


def trained():
    """A small model of the demonstration set and its run; trained once."""
    if not MODEL:
        folder = tempfile.mkdtemp(prefix="cnn3d-")
        run = launch.launch("%s ! clipbatch batch-size=4 ! %s ! cnn3dtrain base-width=8 threads=1 "
                            "optimizer=adam lr=0.003 monitor=train-loss checkpoint-dir=run" % (
                                source("all", more="epochs=16 num-workers=2"),
                                launch.QUEUE), folder).fine()
        MODEL.extend([os.path.join(folder, "run", "best.safetensors"), run])
    return MODEL


def evaluate(folder, properties="", batch=4, output="results", **more):
    """A successful run, its metrics.json and the rows of its predictions.csv."""
    model, _ = trained()
    run = launch.launch(line(source(**more), "model=%s output-dir=%s %s" % (model, output, properties), batch),
                        folder).fine()
    run.need("WARNING" not in run.out + run.err, "it warns")
    return (run,) + read(os.path.join(folder, output))


def read(folder):
    with open(os.path.join(folder, "metrics.json"), encoding="utf-8") as file:
        metrics = json.load(file)
    with open(os.path.join(folder, "predictions.csv"), newline="", encoding="utf-8") as file:
        return metrics, list(csv.reader(file))


def as_trained(folder):
    """The best checkpoint has exactly the accuracy that training reported; files and message agree"""
    passes = trained()[1].messages("cnn3dtrain-validation")
    reported = [m for m in passes if m["best"] == "true"][-1]
    run, metrics, rows = evaluate(folder)
    result, = run.messages("cnn3deval-result")
    run.need(result["accuracy"] == reported["accuracy"], "training reported %s" % reported)
    run.need(result["clips"] == reported["clips"] == "40" and result["complete"] == "true", "not all clips")
    run.need(abs(float(result["loss"]) - float(reported["loss"])) < 1e-12 * float(reported["loss"]), "training reported %s" % reported)
    run.need(all(abs(float(result[name]) - float(reported[name])) < 1e-12 for name in ("f1", "recall")),
             "training reported %s" % reported)
    for name, other in (("accuracy", "accuracy"), ("loss", "loss"), ("f1", "f1-macro"), ("auroc", "auroc-macro"),
                        ("precision", "precision-macro"), ("recall", "recall-macro"),
                        ("top5-accuracy", "top5-accuracy"), ("view-accuracy", "accuracy")):
        run.need(float(result[name]) == metrics[other],
                 "%s is %s, in the file %r" % (name, result[name], metrics[other]))
    run.need(metrics["network"] == "r3d_18" and metrics["complete"] and metrics["videos"] == 40, str(metrics))
    run.need("evaluated 40 clips  accuracy %.1f %%" % (100 * metrics["accuracy"]) in run.out, "no line has the result")
    names = [c["name"] for c in metrics["classes"]]
    run.need(rows[0] == ["path", "clip", "label", "prediction"] + names and len(rows) == 41, "rows %s" % rows[0])
    counted = [[sum(r[2] == a and r[3] == b for r in rows[1:]) for b in names] for a in names]
    run.need(counted == metrics["confusion"], "the matrix is not of the predictions")
    run.need(len({r[1] for r in rows[1:]}) == 40, "clips have the same numbers")
    run.need(all(r[2] in r[0] for r in rows[1:]), "paths and labels do not go together")
    with open(os.path.join(folder, "results", "wrong.csv"), newline="", encoding="utf-8") as file:
        wrong = list(csv.DictReader(file))
    run.need([(r["clip"], r["label"], r["prediction"]) for r in wrong] == [tuple(r[1:4]) for r in rows[1:] if r[2] != r[3]]
             and all(os.path.isfile(r["path"].partition("file://")[2]) for r in wrong), "wrong.csv has other clips")
    run.need(len({m["accuracy"] for m in passes}) > 1 and len({r[3] for r in rows[1:]}) > 2, "the model is too simple for this test")
    return ["accuracy %s, loss %s" % (result["accuracy"], result["loss"])]


def same_bits(folder):
    """Batches, chunks and workers change no bit of predictions.csv"""
    wanted = None
    ways = (4, 0, 0), (4, 1, 4), (4, 2, 0), (4, 3, 4), (40, 3, 0), (1, 0, 4)
    for number, (batch, chunk, workers) in enumerate(ways):
        output = "results%d" % number
        run, metrics, _ = evaluate(folder, "video-batch-size=%d" % chunk, batch, output,
                                   more="num-workers=%d" % workers)
        files = [launch.read(os.path.join(folder, output, name))
                 for name in ("predictions.csv", "wrong.csv", "metrics.json", "confusion.png", "confusion.svg")]
        run.need(wanted is None or files == wanted, "batches of %d, chunks of %d and %d workers change the results"
                 % (batch, chunk, workers))
        wanted = files


def scikit_learn(folder):
    """scikit-learn computes the same metrics from predictions.csv"""
    python = launch.peer("sklearn")
    _, metrics, _ = evaluate(folder)
    done = subprocess.run([python, "-c", PEER, os.path.join(folder, "results", "predictions.csv")],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, launch.text(done.stderr)
    peer = json.loads(done.stdout)
    assert peer.pop("confusion") == metrics["confusion"]
    worst = 0
    for name, wanted in peer.items():
        here = metrics[name] if name in metrics else [c[name] for c in metrics["classes"]]
        pairs = list(zip(here, wanted)) if isinstance(wanted, list) else [(here, wanted)]
        assert len(pairs) in (1, CLASSES), name
        for a, b in pairs:
            worst = max(worst, abs(a - b))
            assert abs(a - b) <= 1e-6, "%s: %r here, %r there" % (name, a, b)
    return ["%d figures, %.2g apart at most" % (len(peer), worst)]


def views(folder):
    """Three views of each video are averaged, by clip numbers or by count"""
    views_of = dict(sample="clips-per-video=3")
    run, metrics, rows = evaluate(folder, **views_of)
    run.need(metrics["videos"] == 40 and metrics["clips"] == 120, str(metrics))
    _, counted, same = evaluate(folder, "clips-per-video=3", 7, "counted", **views_of)
    run.need(same == rows and counted == metrics, "counted, it is not the same")
    _, single, all_views = evaluate(folder, "clips-per-video=1", 5, "single", **views_of)
    run.need(single["videos"] == 120 and single["accuracy"] == metrics["view-accuracy"], str(single))
    run.need(abs(single["loss"] - metrics["loss"]) < 1e-15, "another loss")
    for i, row in enumerate(rows[1:]):
        three = all_views[1 + 3 * i:4 + 3 * i]
        run.need(all(r[:3] == row[:3] for r in three), "%s: %s" % (row, three))
        for c in range(CLASSES):
            mean = sum(float(r[4 + c]) for r in three) / 3
            run.need(abs(mean - float(row[4 + c])) < 1e-15, "%s is no mean of %s" % (row, three))
    run.need(any(a[4:] != b[4:] for a, b in zip(all_views[1::3], all_views[2::3])), "all views are the same")
    return ["accuracy %.4f, of single views %.4f" % (metrics["accuracy"], metrics["view-accuracy"])]


def other_preparation(folder):
    """Differently prepared clips give one warning that says what to set; those of another size are rejected"""
    model = "model=%s" % trained()[0]
    run = launch.launch(line(source(sample="mode=uniform", scale="method=lanczos add-borders=true "
                                  "! video/x-raw,pixel-aspect-ratio=1/1 ! identity"), model), folder)
    run.need(run.rc == 0 and run.out.count("Clips are prepared differently") == 1, "no warning")
    for part in ("set clipsample frame-interval=2", "method=lanczos add-borders=true instead of",
                 r"set videoconvertscale method=\w+ add-borders=false"):
        run.need(re.search(part, run.out), "it does not say '%s'" % part)
    run = launch.launch(line(source("train"), model), folder)
    run.need(run.rc == 0 and "set clipsrc passes=val or passes=test" in run.out, "no warning of training clips")
    launch.launch(line(source(size=48), model), folder).refused(
        "clips of 8 frames of 32x32x3", "48x48x3 arrived",
        "set clipsample num-frames=8 and video/x-raw,format=RGB,width=32")


def at_a_rate(folder):
    """A model trained at a frame rate is evaluated and serves windows at that rate, for videos of any rate; a
    line without it gives a warning"""
    for name, rate in (("clips", 30), ("slow", 10)):
        launch.two_classes(os.path.join(folder, name), 2, frames=2 * rate, rate=rate)
    clips = "clipsrc location=%s %s num-workers=2 " + BIN % ("%s", "add-borders=false", 32, 32)
    launch.launch("%s ! clipbatch batch-size=2 ! cnn3dtrain base-width=4 threads=1 monitor=train-loss "
                  "checkpoint-dir=run" % (clips % ("clips", "epochs=2", "frame-rate=10/1")), folder).fine()
    model = "model=run/best.safetensors"
    losses = []
    for place in ("clips", "slow"):
        run = launch.launch(line(clips % (place, "passes=test", "frame-rate=10/1"), model, 2), folder).fine()
        run.need("WARNING" not in run.out + run.err, "it warns")
        losses.append(run.messages("cnn3deval-result")[0]["loss"])
    run = launch.launch(line(clips % ("slow", "passes=test", ""), model, 2), folder)
    run.need(run.rc == 0 and "frame-interval=2 instead of a window in the middle of each clip with frame-interval=2 at "
             "frame-rate=10/1 (set clipsample frame-interval=2 frame-rate=10/1)" in run.out, "no warning")
    for place in ("clips", "slow"):
        run = launch.launch("filesrc location=%s/ball/00.mp4 ! decodebin ! cnn3dinfer %s drop=false threads=1 stride=1 "
                            "! fakesink" % (place, model), folder).fine()
        results = run.messages("cnn3dinfer-result")
        run.need("frame-rate=(fraction)10/1" in run.out, "its rate is not reported")
        # 20 frames at the rate; a window has 15
        run.need(len(results) == 6, "%d windows" % len(results))
        for i, result in enumerate(results):
            first, last = (float(result[key]) / 1e9 for key in ("first-pts", "last-pts"))
            begin = float(results[0]["first-pts"]) / 1e9 + 0.1 * i
            run.need(abs(first - begin) < 1e-3 and abs(last - first - 1.4) < 1e-3, str(result))
    return ["losses %s at 30 and %s at 10 frames a second" % tuple(losses)]


def names(folder):
    """Class names that are markup or control codes are shown as text; a test set may have fewer classes, in
    another order, but no others"""
    strange = "<script>alert(1)</script>"
    launch.two_classes(os.path.join(folder, "clips"), 2)
    label = {"ball": strange, "bars": "b\033[31m, \"red\""}
    for name, pairs in (("train.csv", [(c, i) for c in ("ball", "bars") for i in range(2)]),
                        ("test.csv", [("bars", 0)])):
        with open(os.path.join(folder, name), "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(("clips/%s/%02d.mp4" % (c, i), label[c]) for c, i in pairs)
    with open(os.path.join(folder, "other.csv"), "w", encoding="utf-8") as file:
        file.write("clips/bars/00.mp4,b\033[32mlue\n")
    launch.launch("clipsrc location=train.csv %s ! clipbatch batch-size=2 ! cnn3dtrain base-width=4 threads=1 "
                  "monitor=train-loss checkpoint-dir=run" % launch.CLIP_BIN, folder).fine()
    clips = "clipsrc location=%s passes=test " + launch.CLIP_BIN
    model = "model=run/best.safetensors output-dir=results feature-maps=1"
    run = launch.launch(line(clips % "train.csv", model), folder).fine()
    metrics, rows = read(os.path.join(folder, "results"))
    run.need([c["name"] for c in metrics["classes"]] == sorted(label.values()), "names %s" % metrics["classes"])
    run.need(rows[0][4:] == [name.replace("\033", "\\x1b") for name in sorted(label.values())], "names %s" % rows[0])
    run.need("\033" not in run.out + run.err, "a terminal would read a name")
    svg = launch.text(launch.read(os.path.join(folder, "results", "confusion.svg")))
    run.need("&lt;script&gt;" in svg and "<script" not in svg and "\033" not in svg, "an SVG with a script")

    run = launch.launch(line(clips % "test.csv", model), folder).fine()
    metrics, rows = read(os.path.join(folder, "results"))
    run.need([c["support"] for c in metrics["classes"]] == [0, 1] and rows[1][2] == label["bars"].replace("\033", "\\x1b"), str(rows))
    run = launch.launch(line(clips % "other.csv", model), folder).refused(
        r"class 'b\\x1b\[32mlue' is not one of the classes that run/best.safetensors was trained on", "<script>alert")
    run.need("\033" not in run.out + run.err, "a terminal would read a name")


def bad_files(folder):
    """Invalid and incomplete model files are rejected with the reason"""
    whole = launch.read(trained()[0])
    size, = struct.unpack("<Q", whole[:8])
    header = json.loads(whole[8:8 + size])
    some = next(name for name in header if name != "__metadata__")

    def build(change):
        changed = json.loads(json.dumps(header))
        change(changed)
        text = json.dumps(changed).encode()
        return struct.pack("<Q", len(text)) + text + whole[8 + size:]

    def shape(changed):
        changed[some]["shape"] = changed[some]["shape"][::-1]

    for name, data, reason in (
            ("empty", b"", "empty.safetensors"), ("half", whole[:len(whole) // 2], "half.safetensors"),
            ("short", whole[:100], "short.safetensors"), ("text", b"no model " * 100, "text.safetensors"),
            ("zeros", bytes(len(whole)), "zeros.safetensors"),
            ("foreign", build(lambda h: h.pop("__metadata__")), "does not describe its model"),
            ("network", build(lambda h: h["__metadata__"].update(model="resnet")), "'resnet'"),
            ("classes", build(lambda h: h["__metadata__"].update(classes='["a"]')), "'classes'"),
            ("twice", build(lambda h: h["__metadata__"].update(classes=json.dumps(["a"] * CLASSES))),
             "twice.safetensors: 'a' is the name of class 0 and of class 1"),
            ("width", build(lambda h: h["__metadata__"].update({"base-width": "16"})), "base-width=16"),
            ("shape", build(shape), re.escape(some))):
        with open(os.path.join(folder, name + ".safetensors"), "wb") as file:
            file.write(data)
        # before any clip is read
        launch.launch("videotestsrc ! clipsample ! clipbatch ! cnn3deval model=%s.safetensors" % name,
                      folder).refused(reason)


def skipped(folder):
    """Unreadable clips are reported wherever they are, even the first; a failing run leaves no results"""
    model, _ = trained()
    launch.make_videos(folder, {"good.mp4": {}})
    place = os.path.join(folder, "results")
    rows = ["good.mp4,%s" % name for name in classes_of(model)[:2]]
    lost = ["lost.mp4,%s" % classes_of(model)[0]]
    for i, lines in enumerate((lost + rows, rows + lost)):
        with open(os.path.join(folder, "%d.csv" % i), "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        run = launch.launch(line("clipsrc location=%d.csv passes=test %s" % (i, BIN % ("", "add-borders=false", 32, 32)),
                                 "model=%s output-dir=results" % model, 1), folder).fine()
        metrics, _ = read(place)
        run.need(metrics["complete"] is True and metrics["clips"] == 2 and metrics["skipped"] == 1, str(metrics))
        run.need([clip["path"] for clip in metrics["skipped-clips"]] == ["./lost.mp4"], str(metrics["skipped-clips"]))
        run.need(metrics["skipped-clips"][0]["reason"], "no reason")
        run.need(re.search(r"evaluated 2 clips, skipped 1 ", run.out), "its line does not have the skipped clips")
        run.need(run.messages("cnn3deval-result")[0]["complete"] == "true", "it is marked as incomplete")
    # results are of this run, not the complete ones of the last run
    run = launch.launch(line("clipsrc location=1.csv passes=test on-error=stop %s" % BIN % ("", "add-borders=false", 32, 32),
                             "model=%s output-dir=results" % model, 1), folder).refused("lost.mp4")
    if os.path.exists(os.path.join(place, "metrics.json")):
        metrics, _ = read(place)
        run.need(metrics["complete"] is False and metrics["skipped"] == 0, str(metrics))


def classes_of(model):
    """Class names of a model file"""
    data = launch.read(model)
    size, = struct.unpack("<Q", data[:8])
    return json.loads(json.loads(data[8:8 + size])["__metadata__"]["classes"])


def dropped(folder):
    """Clips that clipbatch drops are reported, and the metrics are marked as incomplete"""
    model, _ = trained()
    for sample, batch, said in ("", 16, "8 of 40"), ("clips-per-video=3", 7, "1 of 120"), ("", 4, None):
        clips = line(source(sample=sample), "model=%s output-dir=results" % model, batch)
        run = launch.launch(clips.replace("clipbatch", "clipbatch drop-last=true"), folder).fine()
        metrics, _ = read(os.path.join(folder, "results"))
        run.need(metrics["complete"] is (said is None), str(metrics))
        run.need(("WARNING" in run.out + run.err) is (said is not None), "a warning too many or too few")
        run.need(not said or "%s clips are not evaluated" % said in run.out + run.err, "not reported")


def feature_maps(folder):
    """Feature maps of the first batches: a picture for each clip and layer, with one tile per frame"""
    run, metrics, rows = evaluate(folder, "feature-maps=2 feature-layers=stem,layer2,layer4.1.conv2", 3)
    place = os.path.join(folder, "results", "feature-maps")
    wanted = {"clip-%06d-%s.png" % (int(row[1]), layer) for row in rows[1:7]
              for layer in ("stem", "layer2", "layer4.1.conv2")}
    found = set(os.listdir(place))
    run.need(found == wanted, "%s, not %s" % (sorted(found), sorted(wanted)))
    for name in found:
        data = launch.read(os.path.join(place, name))
        width, height = struct.unpack(">II", data[16:24])
        tiles = {"stem": 8, "layer2": 4, "layer4.1.conv2": 1}[re.match(r"clip-\d+-(.*)\.png", name).group(1)]
        run.need(data[:8] == b"\x89PNG\r\n\x1a\n" and height * tiles <= width < height * tiles * 1.2,
                 "%s is of %dx%d" % (name, width, height))
    wrong = "model=%s feature-maps=1 output-dir=results feature-layers=layer1,layer9" % trained()[0]
    launch.launch(line(source(), wrong), folder).refused("layer9")


def cut_short(folder):
    """Ctrl-C with -e within a pass: metrics of the clips so far, marked as incomplete"""
    model, _ = trained()
    clips = source(more="epochs=1").replace("limit-clips=40", "limit-clips=0")
    run = launch.stop_when(line(clips, "model=%s output-dir=results" % model, 1), "cnn3deval-plan", 1, signal.SIGINT,
                           0.1, folder, "-m -e")
    result, = run.messages("cnn3deval-result")
    run.need(result["complete"] == "false" and "The stream ended before its pass did" in run.out, "it is marked as complete")
    metrics, rows = read(os.path.join(folder, "results"))
    run.need(metrics["complete"] is False and metrics["clips"] == len(rows) - 1 < 200, str(metrics))
    return ["%d clips" % metrics["clips"]]


if __name__ == "__main__":
    try:
        launch.main(as_trained, same_bits, scikit_learn, views, other_preparation, at_a_rate, names, bad_files, skipped, dropped, feature_maps,
                    cut_short)
    finally:
        if MODEL:
            shutil.rmtree(os.path.dirname(os.path.dirname(MODEL[0])))
