#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Frames of misclassified clips in a report are the correct ones, for any path and kind of file; failures to
decode are reported; no files or processes remain."""
import concurrent.futures
import csv
import json
import os
import resource
import shutil
import signal
import subprocess
import time
import urllib.parse

import launch
from report import Page, report

FRAMES, CLIPS = 6, 24
# The left half's gray level encodes a frame's number, the right half's its clip
SIZE, STEP, LENGTH = 96, 6, 40


def pictures(folder, clip, name="%05d.pgm"):
    os.makedirs(folder, exist_ok=True)
    for i in range(LENGTH):
        with open(os.path.join(folder, name % i), "wb") as file:
            row = bytes((10 + STEP * i,)) * (SIZE // 2) + bytes((clip,)) * (SIZE // 2)
            file.write(b"P5 %d %d 255\n" % (SIZE, SIZE) + row * SIZE)


def video(folder, path, clip):
    """LENGTH frames, 10 a second"""
    scratch = os.path.join(folder, "scratch")
    pictures(scratch, clip)
    launch.launch("multifilesrc location=%s caps=image/x-portable-graymap,framerate=10/1 ! pnmdec ! videoconvert ! "
                  "video/x-raw,format=I420 ! x264enc key-int-max=8 qp-max=10 threads=1 ! mp4mux ! filesink location=%s"
                  % (os.path.join(scratch, "%05d.pgm"), launch.gst_quote(os.path.join(folder, "made.mp4"))),
                  options="-q").fine()
    shutil.rmtree(scratch)
    os.rename(os.path.join(folder, "made.mp4"), path)


def frames_in(jpegs):
    """(frame, clip) of each"""
    line = ["gst-launch-1.0", "-q", "fdsrc", "!", "image/jpeg", "!", "jpegparse", "!", "jpegdec", "!", "videoconvert",
            "!", "video/x-raw,format=GRAY8", "!", "fdsink"]
    done = subprocess.run(line, input=b"".join(jpegs), stdout=subprocess.PIPE, env=launch.environment(),
                          timeout=launch.limit(60), check=True).stdout
    assert len(done) == SIZE * SIZE * len(jpegs), (len(done), len(jpegs))
    rows = [done[(2 * i + 1) * SIZE * SIZE // 2:][:SIZE] for i in range(len(jpegs))]
    return [(round((row[SIZE // 4] - 10) / STEP), row[3 * SIZE // 4]) for row in rows]


def spread(first, last):
    return [round(first + (last - first) * i / (FRAMES - 1)) for i in range(FRAMES)]


def by_hand(folder, clips, name="run"):
    """A run with these misclassified clips, (path, start, end)"""
    test = os.path.join(folder, name, "test")
    os.makedirs(test)
    with open(os.path.join(test, "predictions.csv"), "w", encoding="utf-8") as file:
        file.write("path,clip,label,prediction,x,y\n")
        file.writelines("%d.mp4,%d,x,y,%g,%g\n" % (i, i, i / 1000, 1 - i / 1000) for i in range(len(clips)))
    with open(os.path.join(test, "wrong.csv"), "w", encoding="utf-8") as file:
        file.write("path,label,start,end,fps,clip,prediction\n")
        file.writelines("file://%s,x,%s,%s,,%d,y\n" % (urllib.parse.quote(clip[0]), clip[1], clip[2], i)
                        for i, clip in enumerate(clips))
    return os.path.join(folder, name)


def strips(run):
    """clip: (its frames, or the text in their place); texts of the page"""
    page = Page(os.path.join(run, "report.html"))
    found = {}
    for (row, below), (_, jpegs) in zip(zip(page.rows, page.rows[1:]), zip(page.pictures, page.pictures[1:])):
        if len(row) == 6 and len(below) == 1:
            found[int(row[1])] = (jpegs, below[0])
    return found, page.source


def in_time(run, **more):
    """A report and its strips(); up to three attempts on a busy machine"""
    for _ in range(3):
        began = time.monotonic()
        report(run, **more)
        took = time.monotonic() - began
        found, source = strips(run)
        if "of a page are over" not in source:
            break
    return found, source, took


def evaluated(folder):
    """Frames of an evaluation: segments, views, pictures, unusual names, missing and damaged files"""
    odd = os.path.join(folder, "a, \"b\"\n'100%' c\\d.mp4")
    plain, gone, broken = (os.path.join(folder, name) for name in ("plain.mp4", "gone.mp4", "broken.mp4"))
    video(folder, odd, 40)
    video(folder, plain, 80)
    bare = os.path.join(os.fsencode(folder), b"\xff\xfe.mp4")
    shutil.copy(plain, gone)
    shutil.copy(plain, broken)
    shutil.copy(odd, bare)
    pictures(os.path.join(folder, "pictures"), 120)
    pictures(os.path.join(folder, "series"), 160, "img_%05d.pgm")
    address = lambda path: "file://" + urllib.parse.quote(path)
    clips = [  # path, start, end, fps, the frames, the clip's gray level or the text instead
        (address(odd), "", "", "", spread(0, 39), 40), (address(odd), 1, 2, "", spread(10, 19), 40),
        ("plain.mp4", "", "", "", spread(0, 39), 80), ("plain.mp4", 3, "", "", spread(30, 39), 80),
        ("plain.mp4", "", 0.35, "", spread(0, 3), 80), (address(bare), 2, 3, "", spread(20, 29), 40),
        ("pictures", 2, 4, 5, spread(10, 19), 120), ("series/img_%05d.pgm", "", "", "", spread(0, 39), 160),
        ("gone.mp4", "", "", "", None, "No such file or directory"),
        ("broken.mp4", "", "", "", None, "it is empty (0 bytes)")]
    # each once per class: one of the two is misclassified
    with open(os.path.join(folder, "test.csv"), "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "start", "end", "fps", "label"])
        rows.writerows(clip[:4] + (label,) for clip in clips for label in ("x", "y"))
    sample = 'clip-bin="clipsample num-frames=8 frame-interval=1 %s ! videoconvertscale add-borders=false ! ' \
        'video/x-raw,format=RGB,width=32,height=32" ! clipbatch batch-size=2'
    launch.launch("clipsrc location=test.csv limit-clips=4 %s ! cnn3dtrain base-width=4 threads=1 "
                  "checkpoint-dir=run" % sample % "", folder).fine()
    launch.launch("clipsrc location=test.csv passes=test %s ! cnn3deval threads=1 model=run/last.safetensors "
                  "output-dir=run/test" % sample % "clips-per-video=2", folder).fine()
    os.unlink(gone)
    os.truncate(broken, 0)

    home, run = os.path.join(folder, "home"), os.path.join(folder, "run")
    os.makedirs(home)
    before = set(os.listdir(run))
    found, source, took = in_time(run, TMPDIR=home)
    assert sorted(clip // 2 for clip in found) == list(range(len(clips))), sorted(found)
    assert "Under each: %d frames" % FRAMES in source
    for clip, (jpegs, said) in found.items():
        *_, frames, which = clips[clip // 2]
        if frames is None:
            assert not jpegs and said == "No frames: " + which, (clip, said)
            continue
        assert len(jpegs) == FRAMES, (clip, said)
        shown = frames_in(jpegs)
        assert [frame for frame, _ in shown] == frames and all(abs(number - which) < 10 for _, number in shown), (
            clips[clip // 2], shown)
    assert os.listdir(home) == [] and set(os.listdir(run)) == before | {"report.html"}

    report(run, "--no-frames")
    found, source = strips(run)
    assert not found and "<img" not in source and "frames are shown" not in source
    return ["%d clips, %.1f s" % (len(clips), took)]


def colours(jpegs):
    """Rows of (red, green, blue) of each"""
    line = ["gst-launch-1.0", "-q", "fdsrc", "!", "image/jpeg", "!", "jpegparse", "!", "jpegdec", "!", "videoconvert",
            "!", "video/x-raw,format=RGB", "!", "fdsink"]
    done = subprocess.run(line, input=b"".join(jpegs), stdout=subprocess.PIPE, env=launch.environment(),
                          timeout=launch.limit(60), check=True).stdout
    assert len(done) == 3 * SIZE * SIZE * len(jpegs), (len(done), len(jpegs))
    rows = [[tuple(done[3 * (y * SIZE + x):][:3]) for x in range(SIZE)] for y in range(SIZE * len(jpegs))]
    return [rows[i * SIZE:][:SIZE] for i in range(len(jpegs))]


def keypoints(folder):
    """Key points are shown at their places, up to the persons that the model saw; a clip whose points cannot be read
    has its frames, and the reason; other settings of the test are not used"""
    path, broken = os.path.join(folder, "a.mp4"), os.path.join(folder, "broken.mp4")
    video(folder, path, 40)
    with open(broken, "wb"):
        pass
    # three persons of two points, who walk down at x = 20, 48 and 76, with falling scores; the first frame is 1
    persons = [{"image_id": "%06d.png" % (t + 1), "category_id": 1, "score": 1,
                "keypoints": [20 + 28 * m, 10 + 2 * t, 0.9 - m / 10, 20 + 28 * m, 0, 0]}
               for t in range(LENGTH) for m in range(3)]
    for name, text in (("good, 'x'.json", json.dumps(persons)), ("bad.json", "[{"), ("other.json", json.dumps(
            [{**person, "keypoints": person["keypoints"] + [1, 1, 1]} for person in persons]))):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    good = "good, 'x'.json"
    cases = [(path, "", "", good), (path, 1, 2, good), (path, "", "", "missing.json"), (path, "", "", "bad.json"),
             (path, "", "", "other.json"), (path, "", "", ""), (broken, "", "", good)]
    run = by_hand(folder, cases)
    table = os.path.join(run, "test", "wrong.csv")
    head, *rows = launch.read(table).decode().splitlines()
    with open(table, "w", encoding="utf-8") as file:
        file.write(head + ",other,keypoints\n" + "".join("%s,?,%s\n" % (
            row, "file://" + urllib.parse.quote(os.path.join(folder, case[3])) if case[3] else "")
            for row, case in zip(rows, cases)))
    metrics = os.path.join(run, "test", "metrics.json")
    settings = {"skeleton": "custom:2", "persons": 2, "coordinates": "pixels", "first-frame": 1}

    def page(**changes):
        with open(metrics, "w", encoding="utf-8") as file:
            json.dump({"keypoints": {**settings, **changes}}, file)
        return in_time(run)

    found, source, took = page()
    assert "as its file has them now, with its key points." in source
    wanted = {2: "missing.json: No such file or directory", 3: "bad.json: ", 4: "but skeleton custom:2 has 2",
              5: "No key points: wrong.csv does not name their file"}
    for clip, (jpegs, said) in sorted(found.items()):
        if clip == 6:
            assert not jpegs and said == "No frames: it is empty (0 bytes)", said
            continue
        assert len(jpegs) == FRAMES and (wanted[clip] in said and said.startswith("No key points: ") if clip in wanted
                                         else not said), (clip, said)
        for frame, picture in zip(spread(10, 19) if clip == 1 else spread(0, 39), colours(jpegs)):
            for x, colour in ((20, (255, 225, 25)), (48, (0, 210, 255)), (76, None)):
                pixel = picture[10 + 2 * frame][x]
                if clip in wanted or not colour:
                    assert max(pixel) - min(pixel) < 25, (clip, frame, x, pixel)
                else:
                    assert all(abs(a - b) < 90 for a, b in zip(pixel, colour)), (clip, frame, x, pixel)
                    far = picture[1 + 2 * frame][x]
                    assert max(far) - min(far) < 60, (clip, frame, x, far)
    for changes in ({"skeleton": "coco17 ! fakesink"}, {"skeleton": "custom:0"}, {"coordinates": "x"}, {"persons": 0},
                    {"persons": 65}, {"persons": "2"}, {"first-frame": 1 << 31}):
        found, source, _ = page(**changes)
        assert "key points" not in source and len(found[0][0]) == FRAMES and not found[0][1], changes
    return ["%.1f s" % took]


def many(folder):
    """Of many misclassified clips the most confident get frames, in little time; several evaluations share a
    page's limit"""
    path = os.path.join(folder, "a.mp4")
    video(folder, path, 40)
    run = by_hand(folder, [(path, "", "")] * 200)
    found, source, took = in_time(run)
    assert sorted(found) == list(range(CLIPS)) and all(len(jpegs) == FRAMES for jpegs, _ in found.values()), (
        sorted(found))
    assert "Under %d of them: %d frames" % (CLIPS, FRAMES) in source
    assert os.path.getsize(os.path.join(run, "report.html")) < 2 << 20
    shutil.copytree(os.path.join(run, "test"), os.path.join(run, "other"))
    os.unlink(os.path.join(run, "test", "wrong.csv"))
    shutil.copytree(os.path.join(run, "other"), os.path.join(run, "more"))
    report(run)
    source = strips(run)[1]
    assert source.count("Under %d of them: " % (CLIPS // 2)) == 2
    assert source.count("there is no wrong.csv, which says where the clips are") == 1
    return ["%d clips of 200, %.1f s" % (CLIPS, took)]


def tool_folder(folder, script):
    """A folder with this script as gst-launch-1.0"""
    os.makedirs(folder)
    path = os.path.join(folder, "gst-launch-1.0")
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\n" + script)
    os.chmod(path, 0o755)
    return "%s:%s" % (folder, os.environ["PATH"])


def crashed(folder):
    """A file that crashes or stops its decoder's process affects only its own frames"""
    path, bad = os.path.join(folder, "a.mp4"), os.path.join(folder, "bad.mp4")
    video(folder, path, 40)
    shutil.copy(path, bad)
    run = by_hand(folder, [(path, 0, 1), (bad, "", ""), (path, 1, 2)])
    program = shutil.which("gst-launch-1.0")
    for how, said in (("kill -SEGV $$", "its decoding was ended by signal 11"),
                      ("exit 3", "its decoding gave too few frames")):
        way = tool_folder(os.path.join(folder, how.split()[0]), "for word; do case $word in\nlocation=*) grep -q bad.mp4 "
                          "\"${word#location=}\" && %s;; esac; done\nexec %s \"$@\"\n" % (how, program))
        found, _, _ = in_time(run, PATH=way)
        assert [frame for frame, _ in frames_in(found[0][0])] == spread(0, 9), (found[0][1], frames_in(found[0][0]))
        assert [frame for frame, _ in frames_in(found[2][0])] == spread(10, 19), found[2][1]
        assert found[1] == ([], "No frames: " + said), found[1]


def processes(of):
    """Processes with this name in their command line"""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if of.encode() in launch.read("/proc/%s/cmdline" % pid):
                found.append(pid)
        except OSError:
            pass
    return found


def stuck(folder):
    """Hanging decoders are ended in time, or at once by Ctrl-C, and leave neither processes nor files"""
    mark, home = "61.%d" % os.getpid(), os.path.join(folder, "home")
    os.makedirs(home)
    path = os.path.join(folder, "a.mp4")
    shutil.copy("/dev/null", path)
    run = by_hand(folder, [(path, "", "")] * 3)
    way = tool_folder(os.path.join(folder, "bin"), "exec sleep %s\n" % mark)
    tool = subprocess.Popen([os.path.join(launch.BUILD, "tool", "cnn3d"), "report", run],
                            env=launch.environment(PATH=way, TMPDIR=home), start_new_session=True)
    while not processes(mark):
        time.sleep(0.05)
    os.killpg(tool.pid, signal.SIGINT)
    assert tool.wait(launch.limit(60)) == -signal.SIGINT
    limit = time.monotonic() + launch.limit(60)
    while processes(mark) and time.monotonic() < limit:
        time.sleep(0.05)
    assert not processes(mark) and os.listdir(run) == ["test"] and not os.listdir(home)

    # one that has closed its pipes, and does not end either, at the same time
    closed = tool_folder(os.path.join(folder, "closed"),
                         "exec python3 -c 'import os, time; os.closerange(0, 256); time.sleep(%s)'\n" % mark)
    runs = [run, by_hand(folder, [(path, "", "")] * 3, "other")]
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(lambda run, way: report(run, PATH=way), runs, (way, closed)))
    took = time.monotonic() - began
    for run in runs:
        found, _ = strips(run)
        assert all(said == "No frames: the 10 seconds allowed for the frames of a page are over"
                   for _, said in found.values()) and len(found) == 3, found
    assert took < launch.limit(15) and not processes(mark), took


def without(folder):
    """Without gst-launch-1.0, a plug-in or free file descriptors, the page says so and is otherwise complete"""
    path = os.path.join(folder, "a.mp4")
    shutil.copy("/dev/null", path)
    run = by_hand(folder, [(path, "", ""), (path, "", "")])
    os.mkdir(os.path.join(folder, "bin"))
    for more, said in (({"PATH": os.path.join(folder, "bin")}, "gst-launch-1.0 is not on the PATH; Debian"),
                       ({}, "no process for gst-launch-1.0: Too many open files"),
                       ({"GST_PLUGIN_SYSTEM_PATH_1_0": folder, "GST_PLUGIN_PATH_1_0": folder,
                         "GST_REGISTRY": os.path.join(folder, "registry")}, "no element &quot;")):
        if more:
            report(run, **more)
        else:
            # enough for the page, but not for two pipes
            subprocess.run([os.path.join(launch.BUILD, "tool", "cnn3d"), "report", run], env=launch.environment(),
                           preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (7, 7)),
                           stdout=subprocess.DEVNULL, check=True)
        found, source = strips(run)
        assert not found and source.count("No frames are shown: " + said) == 1, (said, source[-3000:])
        assert "2 of 2 predictions are wrong." in source


if __name__ == "__main__":
    launch.main(evaluated, keypoints, many, crashed, stuck, without)
