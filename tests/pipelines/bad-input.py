#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""With any invalid input, a launch line ends by itself with an error that says what is wrong, and where."""
import os
import re
import signal
import subprocess

import launch

TRAIN = "cnn3dtrain base-width=4 threads=1 "
# the reason reported for each kind of bad clip, as a regular expression
REASONS = {
    "missing": "[Nn]o such file|not exist",
    "empty": "empty",
    "text": "type|plain text|not a video|no video|decoder",
    "directory": "directory|folder",
    "truncated": "\\w",
    "audio-only": "no video",
    "no-frames": "\\w",
    "beyond": "end",
}


def write(folder, name, *rows):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write("\n".join(rows) + "\n")
    return name


def data(folder):
    """Valid clips, one of them of a single frame, and the row of each invalid one."""
    launch.two_classes(os.path.join(folder, "clips"), 3)
    good = ["clips/%s/%02d.mp4,%s" % (c, i, c) for c in ("bars", "ball") for i in range(3)]
    good.append("clips/ball/00.mp4,ball,0.5,0.501")
    bad = {kind: "%s,ball" % path
           for kind, path in launch.bad_files(os.path.join(folder, "bad")).items()}
    bad["beyond"] = "clips/bars/00.mp4,bars,100,101"
    return good, bad


def pad(rows):
    """All rows padded to the same number of columns."""
    return ["path,label,start,end"] + [row + "," * (3 - row.count(",")) for row in rows]


def source(location, more=""):
    return "clipsrc name=source location=%s %s %s ! clipbatch batch-size=2 ! " % (
        location, more, launch.CLIP_BIN)


def skip(folder):
    """on-error=skip: each clip that cannot be read is reported with a reason, and the others are trained on"""
    good, bad = data(folder)
    kinds = sorted(bad)
    rows = []
    for i, row in enumerate(good):
        rows += [row] + [bad[kind] for kind in kinds[2 * i:2 * i + 2]]
    write(folder, "list.csv", *pad(rows))
    notes = []
    for workers in (0, 3):
        run = launch.launch(source("list.csv", "num-workers=%d epochs=2" % workers) + TRAIN + " max-skipped=1",
                            folder).fine()
        skipped = run.messages("clipsrc-skipped")
        run.need(len(skipped) == 2 * len(bad), "%d were skipped: %s" % (
            len(skipped), "\n".join("%(path)s: %(reason)s" % m for m in skipped)))
        for kind in kinds:
            path = bad[kind].split(",")[0]
            mine = [m for m in skipped if m["path"].endswith(path)]
            run.need(len(mine) == 2, "%s was skipped %d times" % (path, len(mine)))
            run.need(all(re.search(REASONS[kind], m["reason"]) for m in mine),
                     "%s: the reason is '%s'" % (kind, mine[0]["reason"]))
            if not workers:
                notes.append("%s: %s" % (kind, mine[0]["reason"]))
        run.need([m["clips"] for m in run.messages("cnn3dtrain-epoch")] ==
                 [str(len(good))] * 2, "good clips were lost")
    return notes


def stop(folder):
    """on-error=stop: the line fails, with the path and the reason on stderr"""
    good, bad = data(folder)
    for kind, row in sorted(bad.items()):
        for workers in (0, 2):
            write(folder, "list.csv", *pad(good[:1] + [row] + good[1:]))
            run = launch.launch(source("list.csv", "on-error=stop shuffle=false "
                                       "num-workers=%d" % workers) + TRAIN, folder)
            run.refused("ERROR.*" + re.escape(row.split(",")[0]) + ".*(%s)" % REASONS[kind])


def manifests(folder):
    """An invalid manifest row is an error with file, line, column and reason"""
    good = ["path,label,start,end", "a.mp4,x,,", "b.mp4,y,,"]
    for row, column, reason in (
            ("c.mp4,,,", 7, "label"),
            (",x,,", 1, "path"),
            ("c.mp4,x,one,2", 9, "number of seconds"),
            ("c.mp4,x,-1,2", 9, "negative"),
            ("c.mp4,x,3,2", 11, "not after"),
            ("c.mp4,x,1", 1, "columns"),
            ("c.mp4,x,1,2,3", 13, "columns"),
            ('"c.mp4,x,,', 1, "quote"),
            ('c.mp4,"x"y,,', 10, "quote")):
        write(folder, "wrong.csv", *(good + [row, "d.mp4,x,,"]))
        run = launch.launch("clipsrc location=wrong.csv ! fakesink", folder)
        run.refused(r"wrong\.csv:4:\d+: .*" + reason)
        found = int(re.search(r"wrong\.csv:4:(\d+)", run.err).group(1))
        run.need(found == column or "columns" in reason,
                 "column %d was reported for %d" % (found, column))
    write(folder, "timeline.json", '{"videos": [', '  {"path": "a.mp4",', '   "segments": }]}')
    launch.launch("clipsrc location=timeline.json ! fakesink", folder).refused(
        r"timeline\.json:3")


def before_training(folder):
    """Without usable training clips - all files bad, no files, one class, no location - there is an error
    before training"""
    good, bad = data(folder)
    # "text" first: errors that come at once would trigger gst-launch's race
    names = ["text", "truncated", "missing", "empty"]
    write(folder, "bad.csv", "path,label", *[bad[n] for n in names[:2]],
          *[bad[n].replace(",ball", ",bars") for n in names[2:]])
    write(folder, "none.csv", "path,label")
    write(folder, "blank.csv")
    write(folder, "one.csv", *[row for row in good if row.endswith("bars")])
    os.makedirs(os.path.join(folder, "hollow/a"))
    os.makedirs(os.path.join(folder, "hollow/b"))
    os.makedirs(os.path.join(folder, "void"))
    for location, reason in (
            ("location=bad.csv num-workers=0", "No clip.*missing|No clip"),
            ("location=bad.csv num-workers=4", "No clip"),
            ("location=none.csv", "none.csv.*no (clips|rows)|no clips"),
            ("location=blank.csv", "blank.csv"),
            ("location=one.csv", "one class"),
            ("location=hollow", "hollow"),
            ("location=void", "void"),
            ("location=gone.csv", "gone.csv"),
            ("", "location")):
        run = launch.launch("clipsrc %s %s ! clipbatch ! %s checkpoint-dir=run" % (
            location, launch.CLIP_BIN, TRAIN), folder)
        run.refused("ERROR.*(%s)" % reason)
        run.need(not run.messages("cnn3dtrain-step") + run.messages("cnn3dtrain-plan"),
                 "training began")
        run.need(not os.path.exists(os.path.join(folder, "run/last.safetensors")),
                 "something was saved")


def caps(folder):
    """Caps that do not fit are rejected with the reason"""
    launch.make_videos(folder, {"a/0.mp4": {}, "b/0.mp4": {"width": 64},
                                "b/1.mp4": {"width": 64}})
    two = 'clipsrc location=. clip-bin="clipsample num-frames=8 ! videoconvert ! ' \
          'video/x-raw,format=RGB" ! '
    launch.launch(two + "clipbatch batch-size=2 ! fakesink", folder).refused(
        "48x40 RGB.*64x40 RGB|64x40 RGB.*48x40 RGB", "videoconvertscale|scale")
    # one clip per batch: clipbatch accepts it, the network does not
    launch.launch(two + "clipbatch ! " + TRAIN, folder).refused("48x40|64x40")
    launch.launch("clipsrc location=. ! " + TRAIN, folder).refused(
        "downstream does not accept its frames, which are video/x-raw")
    launch.launch("clipsrc location=. ! video/x-raw,format=NV12 ! clipbatch ! fakesink",
                  folder).refused("could not link.*clipbatch0")
    launch.launch("videotestsrc num-buffers=9 ! " + TRAIN, folder).refused("could not link")
    launch.launch("videotestsrc num-buffers=9 ! video/x-raw,format=RGB ! identity "
                  "sleep-time=200000 ! clipbatch ! fakesink", folder).refused("to no clip: put a clipsample")
    base = "other/tensors,format=static,num_tensors=2,types=%s,dimensions=%s,framerate=0/1"
    good = "3:32:32:8:2.2"
    for text, reason in (
            (base % ("uint8.int32", "3:32:32:8:2.3"), "one label for each of 2 clips"),
            (base % ("int32.uint8", good), "type int32, but frames"),
            (base % ("uint8.uint8", good), "type uint8, but labels"),
            (base % ("float64.int32", good), "type float64"),
            (base % ("uint8.int32.int32", good), "not for 2 tensors"),
            (base % ("uint8.int32", "3:0:32:8:2.2"), "'0' in the dimensions .* is not a valid size"),
            (base % ("uint8.int32", "3:32:32:8:2:2.2"), "more than five"),
            (base % ("uint8.float32", good), "one-hot"),
            ("other/tensors,format=static,num_tensors=2,framerate=0/1", "no types"),
            ("other/tensors,format=static,num_tensors=3,types=uint8.int32,dimensions="
             + good, "num_tensors|could not link"),
            ("other/tensors,format=flexible", "format=flexible|could not link")):
        # gst-launch 1.22 sometimes hangs on an error before its main loop runs, so the
        # caps wait for the first buffer, which comes late
        launch.launch("fakesrc num-buffers=1 sizetype=fixed sizemax=49160 ! identity "
                      "sleep-time=200000 ! %s ! %s num-classes=2" % (text, TRAIN),
                      folder).refused(reason)


def properties_of(element):
    """The element's own writable numeric properties: name -> (type, blurb, min, max)."""
    out = subprocess.run(["gst-inspect-1.0", element], env=launch.environment(),
                         stdout=subprocess.PIPE, check=True).stdout.decode()
    found = {}
    for part in re.split(r"\n  (?=[a-z][a-z-]+ *: )", out.split("Element Properties:")[1]):
        match = re.match(r"\s*([a-z-]+) *: (.*)\n.*flags: (.*)\n\s+(Unsigned Integer64|"
                         r"Unsigned Integer|Integer|Double)\. Range: +(\S+) - +(\S+)", part)
        if match and "writable" in match.group(3):
            found[match.group(1)] = (match.group(4), match.group(2), match.group(5),
                                     match.group(6))
    return found


def ranges(folder):
    """Each numeric property rejects values below and above its range, with the reason"""
    launch.two_classes(os.path.join(folder, "clips"), 2)
    base = {"accumulate-grad-batches", "momentum", "lr", "seed"}
    inherited = set(properties_of("fakesink")) | {"throttle-time"}
    tried = 0
    for element in ("clipsrc", "clipsample", "clipbatch"):
        line = {"clipsrc": "clipsrc location=clips %s ! fakesink",
                "clipsample": "videotestsrc num-buffers=1 ! clipsample %s ! fakesink",
                "clipbatch": "videotestsrc num-buffers=0 ! video/x-raw,format=RGB ! "
                             "clipsample ! clipbatch %s ! fakesink"}[element]
        for name, (kind, _, low, high) in sorted(properties_of(element).items()):
            number = float if kind == "Double" else int
            for value in (number(low) - 1, number(high) + 1):
                if value == -1 and number(high) >= (1 << 32) - 1:
                    continue  # gst-launch parses it as the largest number
                launch.launch(line % ("%s=%r" % (name, value)), folder).refused(
                    'could not set property "%s"|ERROR.*%s is .*, but must be from'
                    % (name, name))
                tried += 1
    own = {name: spec for name, spec in properties_of("cnn3dtrain").items()
           if name not in inherited}
    assert base <= set(own) and len(own) >= 17, sorted(own)
    for name, (kind, blurb, _, _) in sorted(own.items()):
        if name == "seed":
            continue  # has no limits
        match = re.search(r"\([\w ]+, (\S+) to (below )?(\S+), default", blurb)
        assert match, "%s: the blurb has no range: %s" % (name, blurb)
        whole = kind != "Double"
        low, high = float(match.group(1)), float(match.group(3))
        values = [low - 1 if whole else low - 1e-9,
                  high if match.group(2) else high + 1 if whole else high * 1.01]
        for value in values:
            if whole and value > 2147483647:
                continue  # gst-launch itself cannot parse a larger one
            text = "%d" % value if whole else repr(value)
            run = launch.launch("fakesrc num-buffers=0 ! cnn3dtrain checkpoint-dir=run "
                                "%s=%s" % (name, text), folder)
            run.refused("ERROR.*%s is .*, but must be from" % name)
            tried += 1
        if not whole:
            launch.launch("fakesrc num-buffers=0 ! cnn3dtrain %s=nan" % name,
                          folder).refused("ERROR.*%s is" % name)
    for line, reason in (
            ("clipsrc location=clips num-folds=1 ! fakesink", "num-folds"),
            ("clipsrc location=clips num-folds=2 fold=2 ! fakesink", "fold"),
            ("clipsrc location=clips rank=1 ! fakesink", "rank"),
            ("clipsrc location=clips num-folds=2 val-location=clips ! fakesink",
             "val-location"),
            ("clipsrc location=clips clip-bin=nonsense ! fakesink", "nonsense"),
            ("videotestsrc num-buffers=1 ! clipsample frame-rate=-1/100 ! fakesink",
             "frame-rate is -1/100, but must be from 0/1 to 1000/1"),
            ("videotestsrc num-buffers=1 ! clipsample frame-rate=1001 ! fakesink",
             "frame-rate is 1001/1, but must be from 0/1 to 1000/1"),
            ("videotestsrc num-buffers=1 ! clipsample frame-rate=15/0 ! fakesink",
             'property "frame-rate"'),
            ("clipsrc location=clips ! cnn3dtrain model=r4d", "r3d_18.*slow_r50"),
            ("clipsrc location=clips ! cnn3dtrain num-classes=1", "num-classes"),
            ("clipsrc location=clips ! cnn3dtrain resume=must", "checkpoint-dir"),
            ("clipsrc location=clips ! cnn3dtrain optimizer=lion", 'property "optimizer"'),
            ("clipsrc location=clips ! cnn3dtrain precision=64", 'property "precision"')):
        launch.launch(line, folder).refused(reason)
    return ["%d values were refused" % tried]


def labels(folder):
    """More classes than num-classes, and batches that are not two tensors, are rejected"""
    launch.two_classes(os.path.join(folder, "clips"), 2)
    launch.make_videos(folder, {"clips/third/0.mp4": {"pattern": "snow"}})
    launch.launch(source("clips") + TRAIN + "num-classes=2", folder).refused(
        "num-classes is 2, but upstream has 3")
    launch.launch("fakesrc num-buffers=1 sizetype=fixed sizemax=784 ! identity "
                  "sleep-time=200000 ! other/tensors,format=static,num_tensors=2,"
                  "types=uint8.int32,dimensions=3:8:8:4:1.1,framerate=0/1 ! "
                  "%s num-classes=2" % TRAIN, folder).refused(
                      "has 1 memories.*its own GstMemory")


def pretrained(folder):
    """pretrained= rejects a file that is missing, truncated, not safetensors or of another model"""
    launch.two_classes(os.path.join(folder, "clips"), 2)
    line = source("clips") + TRAIN
    launch.launch(line + "checkpoint-dir=run", folder).fine()
    whole = launch.read(os.path.join(folder, "run/last.safetensors"))
    for name, content in (("cut", whole[:len(whole) // 2]), ("header", whole[:100]),
                          ("empty", b""), ("text", b"weights, I swear\n" * 100),
                          ("huge", b"\xff" * 8 + whole[8:])):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(content)
        launch.launch(line + "pretrained=" + name, folder).refused("ERROR.*" + name)
    launch.launch(line + "pretrained=gone", folder).refused("ERROR.*gone.*[Nn]o such")
    launch.launch(line + "pretrained=clips", folder).refused("ERROR.*clips")
    launch.launch(line + "pretrained=run/last.safetensors model=mc3_18", folder).refused(
        "ERROR.*last.safetensors")
    launch.launch(line + "pretrained=run/last.safetensors base-width=8", folder).refused(
        "ERROR.*last.safetensors")
    launch.launch(line + "pretrained=run/last.safetensors", folder).fine()


def checkpoints(folder):
    """An unwritable checkpoint-dir, and a checkpoint that is damaged or of other settings, are rejected before
    training"""
    launch.two_classes(os.path.join(folder, "clips"), 4)
    line = source("clips", "epochs=1") + TRAIN
    write(folder, "file", "in the way")
    run = launch.launch(line + "checkpoint-dir=file/run", folder)
    run.refused("ERROR.*file/run", "[Nn]ot a directory")
    run.need(not run.messages("cnn3dtrain-step"), "it trained")
    launch.launch(line + "checkpoint-dir=file", folder).refused("ERROR.*file")
    launch.launch(line + "checkpoint-dir=run", folder).fine()
    launch.launch(line + "checkpoint-dir=none resume=must", folder).refused("no checkpoint")
    for change in ("optimizer=adam", "base-width=8", "model=mc3_18"):
        run = launch.launch(line + "checkpoint-dir=run " + change, folder)
        run.refused("ERROR.*run/")
        run.need(not run.messages("cnn3dtrain-step"), "%s: it trained" % change)
    # half an epoch was trained on other clips
    launch.stop_when(line.replace("epochs=1", "epochs=9") + "checkpoint-dir=half",
                     "cnn3dtrain-step,", 1, signal.SIGINT, 0, folder)
    write(folder, "fewer.csv", *["clips/%s/%02d.mp4,%s" % (c, i, c)
                                 for c in ("bars", "ball") for i in range(3)])
    run = launch.launch(line.replace("location=clips", "location=fewer.csv") +
                        "checkpoint-dir=half", folder).refused("ERROR.*half|ERROR.*clip")
    run.need(not run.messages("cnn3dtrain-step"), "it trained")
    state = [n for n in os.listdir(os.path.join(folder, "run")) if n.endswith(".state")][0]
    path = os.path.join(folder, "run", state)
    whole = launch.read(path)
    with open(path, "wb") as file:
        file.write(whole[:len(whole) // 3])
    launch.launch(line + "checkpoint-dir=run", folder).refused("ERROR.*run")
    launch.launch(line + "checkpoint-dir=run resume=never", folder).fine()


def cuda(folder):
    """device=cuda without its back end, and unknown devices, give an error that says what is missing"""
    launch.two_classes(os.path.join(folder, "clips"), 2)
    module = os.path.join(launch.BUILD, "src", "backend", "cuda", "libcnn3d-cuda.so")
    if not os.path.exists(module):
        launch.launch(source("clips") + TRAIN + "device=cuda", folder).refused(
            "ERROR.*device=cuda.*", "libcnn3d-cuda.so")
    launch.launch(source("clips") + TRAIN + "device=tpu", folder).refused(
        "ERROR.*tpu")


if __name__ == "__main__":
    launch.main(skip, stop, manifests, before_training, caps, ranges, labels, pretrained,
                checkpoints, cuda)
