#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The progress of training: a redrawn line on a terminal, a plain line per epoch elsewhere, and no control
codes from file names."""
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading

import launch

EPOCHS = 6
CLEAR = "\r\x1b[K"


def line(more="", epochs=EPOCHS, location="clips"):
    return ("clipsrc location=%s num-folds=2 seed=1 epochs=%d %s ! clipbatch batch-size=2 ! "
            "%s ! cnn3dtrain base-width=24 threads=1 %s" % (
                location, epochs, launch.CLIP_BIN, launch.QUEUE, more))


def on_terminal(arguments, width, folder, seconds=60):
    """gst-launch's output on a terminal of this width."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    process = launch.start(arguments, folder, options="", stdout=slave)
    os.close(slave)
    out = []

    def read():
        while True:
            try:
                data = os.read(master, 65536)
            except OSError:  # the other end is closed
                return
            if not data:
                return
            out.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        error = process.communicate(timeout=launch.limit(seconds))[1]
    except subprocess.TimeoutExpired:
        launch.kill(process)
        process.communicate()
        raise AssertionError("it did not end within %d seconds" % seconds)
    finally:
        reader.join()
        os.close(master)
    # a terminal turns a newline into two characters
    shown = launch.text(b"".join(out)).replace("\r\n", "\n")
    return launch.Run(process.command, process.returncode, shown, launch.text(error))


def drawn(run):
    """Each state of the progress line."""
    return [re.split(r"[\r\n]", part)[0] for part in run.out.split(CLEAR)[1:]]


def terminal(folder):
    """On a terminal, one line shows epoch, step, loss, accuracy, learning rate, clips/s, memory and time left,
    and each epoch leaves a line"""
    launch.two_classes(os.path.join(folder, "clips"), 8)
    run = on_terminal(line(), 200, folder).fine()
    states = drawn(run)
    full = [s for s in states if re.match(
        r"epoch \d+/%d  step \d+ +\d+ %%  loss [\d.e+-]+  accuracy [\d.]+ %%  lr [\d.e+-]+  "
        r"[\d.e+]+ clips/s  \d+ MB  left (\d+:)?\d+:\d\d$" % EPOCHS, s)]
    # at most five times a second: the number depends on the machine
    run.need(len(full) >= 2, "no line has everything:\n" + "\n".join(states))
    kept = re.findall(r"epoch (\d+)/%d  loss \S+  accuracy \S+ %%  val-loss \S+  "
                      r"val-accuracy \S+ %%  lr \S+  \S+ clips/s  \d+ MB  \S+ s(?:  left \d+:\d\d)?\n" % EPOCHS,
                      run.out)
    run.need(kept == [str(i + 1) for i in range(EPOCHS)], "lines stay for %s" % kept)
    run.need(not re.search(r"\d+:\d\d:\d\d\.\d+ / ", run.out),
             "gst-launch's own position stands beside it")
    return [full[-1]]


def narrow(folder):
    """The progress line fits the terminal's width"""
    launch.two_classes(os.path.join(folder, "clips"), 8)
    for width in (80, 33, 7):
        run = on_terminal(line(), width, folder).fine()
        # permanent lines may wrap: nothing is drawn over them
        states = [part for part in run.out.split(CLEAR)[1:] if "\n" not in part]
        run.need(states, "nothing was drawn")
        longest = max(states, key=len)
        run.need(len(longest) < width, "'%s' is as wide as the terminal" % longest)
        run.need(width < 80 or any(re.match(r"epoch \d+/%d  step \d+ +\d+ %%  .*left \d+:\d\d" % EPOCHS, s)
                                   for s in states), "the time left is cut")


def plain(folder):
    """Without a terminal, one plain line per epoch, without cursor movement"""
    launch.two_classes(os.path.join(folder, "clips"), 4)
    run = launch.launch(line(), folder, options="").fine()
    run.need(re.findall(r"epoch (\d+)/", run.out, re.M) ==
             [str(i + 1) for i in range(EPOCHS)], "not a line an epoch")
    run.need(not re.search(r"[\r\x1b\x08]", run.out), "there are control characters in it")
    run.need("step" not in run.out, "steps are shown")


def silent(folder):
    """progress=false disables both"""
    launch.two_classes(os.path.join(folder, "clips"), 4)
    for run in (launch.launch(line("progress=false"), folder, options=""),
                on_terminal(line("progress=false"), 80, folder)):
        run.fine().need(not re.search(r"epoch \d+/|loss \d|best:", run.out)
                        and "\x1b[K" not in run.out, "it speaks")


def escaped(folder):
    """Control characters in names of classes, files and folders are escaped wherever they are shown"""
    evil = "\x1b[31mred\x07"
    launch.make_videos(folder, {"a/0.mp4": {"pattern": "ball"}, "b/0.mp4": {}})
    whole = launch.read(os.path.join(folder, "a/0.mp4"))
    for name in ("a", "b" + evil):
        os.makedirs(os.path.join(folder, "clips", name))
        for i in range(2):
            with open(os.path.join(folder, "clips", name, "%d%s.mp4" % (i, evil)), "wb") as file:
                file.write(whole)
    bad = os.path.join(folder, "clips", "a", "bad%s.mp4" % evil)
    latin = os.path.join(os.fsencode(folder), b"clips", b"a", b"caf\xe9.mp4")
    for path in (bad, latin):
        with open(path, "wb") as file:
            file.write(b"\x1b[31mnothing" * 99)

    def clean(run):
        both = run.out.replace(CLEAR, "") + run.err
        found = re.search(r"[\x00-\x08\x0b-\x1f\x7f]", both)
        run.need(not found, "a control character is shown: %r" % (
            both[max(0, found.start() - 60):found.end() + 20] if found else ""))
        run.need("CRITICAL" not in run.err and "WARNING **" not in run.err,
                 "a library complains")
        return run

    for options in ("", "-m"):
        clean(launch.launch("clipsrc location=clips %s ! clipbatch ! cnn3dtrain base-width=4 "
                            "threads=1" % launch.CLIP_BIN, folder, options=options)).fine()
    stopped = clean(launch.launch(
        "clipsrc location=clips on-error=stop shuffle=false %s ! clipbatch ! cnn3dtrain "
        "base-width=4 threads=1" % launch.CLIP_BIN, folder, options="")).refused("bad")
    stopped.need("red" in stopped.err, "the name is not shown")
    clean(on_terminal("clipsrc location=clips %s ! clipbatch ! cnn3dtrain base-width=4 "
                      "threads=1" % launch.CLIP_BIN, 80, folder)).fine()
    name = "list%s.csv" % evil
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write("path,label,split\nx%s.mp4,y,tr%sain\n" % (evil, evil))
    clean(launch.launch("clipsrc location=%s ! fakesink" % launch.gst_quote(name), folder,
                        options="")).refused("split")
    with open(os.path.join(folder, "one.csv"), "w", encoding="utf-8") as file:
        file.write("gone%s.mp4,x%s\nlost%s.mp4,y\n" % (evil, evil, evil))
    clean(launch.launch("clipsrc location=one.csv %s ! identity sleep-time=1000 ! fakesink"
                        % launch.CLIP_BIN, folder, options="")).refused("No clip")
    with open(os.path.join(folder, "file" + evil), "wb"):
        pass
    clean(launch.launch("clipsrc location=clips %s ! clipbatch ! cnn3dtrain base-width=4 "
                        "checkpoint-dir=%s" % (launch.CLIP_BIN,
                                               launch.gst_quote("file%s/run" % evil)),
                        folder, options="")).refused("Checkpoints cannot")
    clean(launch.launch("clipsrc location=clips %s ! clipbatch ! cnn3dtrain base-width=4 "
                        "model=%s" % (launch.CLIP_BIN, launch.gst_quote(evil)), folder,
                        options="")).refused("no model")
    clean(launch.launch("clipsrc location=clips %s ! clipbatch ! cnn3dtrain base-width=4 "
                        "pretrained=%s" % (launch.CLIP_BIN, launch.gst_quote("p" + evil)),
                        folder, options="")).refused("p.*red")


def comma(folder):
    """In a locale with a decimal comma all numbers still have a point"""
    locales = os.path.join(folder, "locales")
    os.mkdir(locales)
    # it warns about characters without a mapping
    subprocess.run(["localedef", "-c", "-i", "de_DE", "-f", "UTF-8", os.path.join(locales, "de_DE.UTF-8")],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    launch.two_classes(os.path.join(folder, "clips"), 4)
    german = {"LC_ALL": "de_DE.UTF-8", "LOCPATH": locales}
    env = launch.environment(**german)
    if subprocess.run(["/usr/bin/printf", "%.1f", "0,5"], env=env, stdout=subprocess.PIPE,
                      stderr=subprocess.DEVNULL, check=False).stdout != b"0,5":
        raise launch.Skip("localedef makes no locale with a decimal comma: install locales")
    run = launch.launch(line("lr=0.001 checkpoint-dir=run log-dir=run", 2), folder, options="", **german).fine()
    run.need(re.search(r"loss \d+\.\d+", run.out) and not re.search(r"\d,\d", run.out), run.out)
    test = launch.launch("clipsrc location=clips passes=test %s ! clipbatch ! cnn3deval threads=1 "
                         "model=run/best.safetensors output-dir=test" % launch.CLIP_BIN, folder, options="",
                         **german).fine()
    test.need(re.search(r"loss \d+\.?\d*", test.out) and not re.search(r"\d,\d", test.out), test.out)
    for name in ("run/log.jsonl", "test/metrics.json", "test/confusion.svg"):
        assert not re.search(rb"\d,\d+ ?%|[a-z]\":\d+,\d", launch.read(os.path.join(folder, name))), name
    shown = subprocess.run(["gst-inspect-1.0", "cnn3dtrain"], env=env, stdout=subprocess.PIPE, check=True).stdout
    # gst-inspect prints the ranges itself
    blurbs = [row for row in shown.decode().splitlines() if re.match(r"  [a-z-]+ +: ", row)]
    assert len(blurbs) > 20 and not any(re.search(r"\d,\d", row) for row in blurbs), blurbs


if __name__ == "__main__":
    launch.main(terminal, narrow, plain, silent, escaped, comma)
