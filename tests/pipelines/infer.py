#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""cnn3dinfer in common launch lines: on files and on live video, with the class shown on the picture."""
import os
import subprocess

import launch

SIZE = 64 * 48 * 3


trained = []


def model(folder):
    """A model that distinguishes a ball from bars and was trained on little else; trained once. Its videos are
    in the first test's folder."""
    if trained:
        path = os.path.join(folder, "best.safetensors")
        with open(path, "wb") as file:
            file.write(trained[0])
        return path
    path = os.path.join(folder, "run", "best.safetensors")
    launch.two_classes(os.path.join(folder, "clips"), 3, frames=24)
    launch.launch("clipsrc location=clips val-location=clips epochs=24 %s ! clipbatch batch-size=3 ! %s ! "
                  "cnn3dtrain model=r3d_18 base-width=4 optimizer=adam lr=0.01 threads=1 progress=false "
                  "monitor=val-loss checkpoint-dir=run"
                  % (launch.CLIP_BIN.replace("num-frames=8", "num-frames=8 frame-interval=1"), launch.QUEUE),
                  folder).fine()
    trained.append(launch.read(path))
    return path


def has(element):
    return not subprocess.run(["gst-inspect-1.0", "--exists", element], env=launch.environment(),
                              check=False).returncode


def classifies(folder):
    """A model trained here classifies each window of a file; live video loses no frame; an invalid model file
    is rejected"""
    path = model(folder)
    for name in ("ball", "bars"):
        run = launch.launch("filesrc location=clips/%s/00.mp4 ! decodebin ! cnn3dinfer model=%s drop=false "
                            "threads=1 ! fakesink" % (name, path), folder).fine()
        results = run.messages("cnn3dinfer-result")
        run.need(len(results) == 3, "24 frames are 3 windows")
        run.need([r["class"] for r in results] == [name] * 3, "it is not classified as %s" % name)
        run.need([r["window"] for r in results] == ["0", "1", "2"], "windows are missing")
        run.need(len(run.messages("cnn3dinfer-model")) == 1, "the model was not reported")
        run.need("INFO" not in run.err + run.out.split("cnn3dinfer-model")[1],
                 "the model's file does not say how its clips were made")
    out = os.path.join(folder, "frames")
    run = launch.launch("videotestsrc is-live=true num-buffers=45 ! video/x-raw,format=RGB,width=64,height=48,"
                        "framerate=30/1 ! cnn3dinfer model=%s stride=1 threads=1 ! filesink location=%s"
                        % (path, out), folder).fine()
    run.need(os.path.getsize(out) == 45 * SIZE, "frames are missing")
    last = run.messages("cnn3dinfer-result")[-1]
    run.need(int(last["window"]) + 1 >= len(run.messages("cnn3dinfer-result")) + int(last["windows-dropped"]),
             "windows are counted twice")
    launch.launch("videotestsrc ! cnn3dinfer model=clips/ball/00.mp4 ! fakesink", folder).refused("00.mp4")
    launch.launch("videotestsrc ! cnn3dinfer ! fakesink", folder).refused("model is not set")


def shows(folder):
    """The class is on the picture, in any order of the line, with and without queues"""
    if not has("textoverlay"):
        raise launch.Skip("there is no textoverlay")
    path = model(folder)
    source = ("videotestsrc num-buffers=16 pattern=black ! video/x-raw,format=RGB,width=64,height=48,"
              "framerate=30/1 ! cnn3dinfer name=i model=%s drop=false threads=1" % path)
    overlay = "textoverlay name=o %s ! video/x-raw,format=RGB ! filesink location=%s"
    lines = (source + " ! queue ! " + overlay + " i.text ! queue ! o.text_sink",
             source + " ! " + overlay + " i.text ! o.text_sink",
             overlay + " " + source + " i.text ! o.text_sink i.src ! o.video_sink")
    for number, line in enumerate(lines):
        for wait in ("", "wait-text=false"):
            out = os.path.join(folder, "frames%d" % number)
            run = launch.launch(line % (wait, out), folder, seconds=20).fine()
            frames = launch.read(out)
            run.need(len(frames) == 16 * SIZE, "frames are missing")
            shown = [any(frames[i * SIZE:(i + 1) * SIZE]) for i in range(16)]
            # without wait-text, a text may be late behind a queue
            if number == 0 and wait:
                continue
            run.need(shown == [False] * 7 + [True] * 9, "the text is not where it should be: %s" % shown)


if __name__ == "__main__":
    launch.main(classifies, shows)
