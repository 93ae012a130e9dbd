#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""cnn3d dataset summarises a data set, and writes a manifest that reads as the same clips."""
import os
import re
import select
import stat
import subprocess
import threading

import launch


def dataset(folder, *options, status=0):
    done = subprocess.run([os.path.join(launch.BUILD, "tool", "cnn3d"), "dataset", *options], cwd=folder,
                          timeout=launch.limit(60), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=launch.environment(), check=False)
    out = launch.text(done.stdout) + launch.text(done.stderr)
    assert done.returncode == status, "%d: %s" % (done.returncode, out)
    return out


def write(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text)


def summary(folder):
    """The summary has classes, splits, groups, windows, imbalance, and unread and missing files"""
    write(folder, "a.csv", "path,label,start,end,group,split,note\n" + "".join(
        "%d.mp4,walk,0.1,2,g%d,train,\n" % (i, i % 2) for i in range(20))
          + "0.mp4,run,,,,val,\n1.mp4,Walk,1,,g0,test,\nempty.mp4,run,,,,val,\n")
    for i in range(19):
        write(folder, "%d.mp4" % i, "x")
    write(folder, "empty.mp4", "")
    out = dataset(folder, "a.csv", status=1)
    for text in ("a.csv: CSV\n", "23 clips of 21 files, 3 classes, 2 groups, 21 windows in seconds",
                 "    clips    train      val     test  class\n", "       20       20        0        0  walk\n",
                 "       23       20        2        1  (all)\n", '"walk" has 20 times as many clips as "Walk"',
                 "columns that are not read: note", "Warning: Classes differ by case or blanks only",
                 "Missing or empty: 2 of 21 files\n", "/19.mp4\n", "/empty.mp4\n"):
        assert text in out.replace("./", "/"), "no %r in %s" % (text, out)
    write(folder, "missing.txt", "".join("no/%d.mp4 0\n" % i for i in range(30)))
    assert out.count("\n") < 30 and "  ...\n" in dataset(folder, "missing.txt", status=1)


def views(folder):
    """Rows of several cameras are one clip; it tells which views clips have"""
    rows = "".join("%s%d.mp4,%s,g%d,%s,%s\n" % (view, i, "walk" if i % 2 else "run", i, view, "val" if i == 3 else "train")
                   for i in range(4) for view in ("left", "front", "top") if (i, view) != (2, "top"))
    write(folder, "views.csv", "path,label,group,camera,split\n" + rows)
    out = dataset(folder, "views.csv", status=1)
    assert "11 clips of 11 files, 2 classes, 4 groups\n\n" in out and "columns that are not read: camera" in out, out
    out = dataset(folder, "views.csv", "--views=front,left", "--output=two.csv", status=1)
    for text in ("4 clips of 8 files, 2 classes, 4 groups\nviews: 4 front, 4 left\n\n", "        4        3        1  (all)\n",
                 "Missing or empty: 8 of 8 files\n", "3 rows are left out, of views that are not wanted: top\n"):
        assert text in out, "no %r in %s" % (text, out)
    out = dataset(folder, "two.csv", status=1)
    assert "4 clips of 8 files, 2 classes, 4 groups\nviews: 4 front, 4 left\n" in out, out
    out = dataset(folder, "two.csv", "--views=front,back", status=1)
    assert 'two.csv: views has "back", which no row is of; others are left' in out, out


def manifest(folder):
    """The manifest has the same clips in any folder"""
    write(folder, "a.json", '[{"path": "a, \\"b\\".mp4", "group": "g", "split": "val", "fps": 29.97, "segments": ['
          '{"start": 0.1, "end": 2, "label": " x"}, {"start_frame": 3, "end_frame": 9, "label": "y"}, '
          '{"start_frame": 0, "label": "y"}, {"end": 4, "label": "z"}]}, {"path": "http://h/c.mp4", "label": "x"}]')
    dataset(folder, "a.json", "--output=here.csv", status=1)
    with open(os.path.join(folder, "here.csv"), encoding="utf-8") as file:
        assert file.read() == """path,label,start,end,start_frame,end_frame,group,split,fps
"a, ""b"".mp4"," x",0.1,2,,,g,val,29.97
"a, ""b"".mp4",y,,,3,9,g,val,29.97
"a, ""b"".mp4",y,,,0,,g,val,29.97
"a, ""b"".mp4",z,,4,,,g,val,29.97
http://h/c.mp4,x,,,,,,,
"""
    dataset(folder, "here.csv", "--output=again.csv", status=1)
    assert launch.read(os.path.join(folder, "again.csv")) == launch.read(os.path.join(folder, "here.csv"))
    os.mkdir(os.path.join(folder, "far"))
    dataset(folder, "here.csv", "--output=far/a.csv", status=1)
    text = launch.read(os.path.join(folder, "far", "a.csv")).decode()
    assert '"%s/a, ""b"".mp4"' % os.path.realpath(folder) in text and "\nhttp://h/c.mp4,x," in text, text
    write(folder, "folds.csv", "path,label,fold\na,x,first\nb,y,second\n")
    dataset(folder, "folds.csv", "--output=folds2.csv", status=1)
    assert launch.read(os.path.join(folder, "folds2.csv")) == launch.read(os.path.join(folder, "folds.csv"))


def pipes(folder):
    """A manifest goes into a pipe, through /dev/stdout as well, and leaves both what they were"""
    write(folder, "a.csv", "path,label\na.mp4,x\n")
    write(folder, "a.mp4", "no matter")
    pipe = os.path.join(folder, "pipe")
    os.mkfifo(pipe)
    came = []
    reader = threading.Thread(target=lambda: came.append(launch.read(pipe)), daemon=True)
    reader.start()
    dataset(folder, "a.csv", "--output=pipe")
    assert stat.S_ISFIFO(os.lstat(pipe).st_mode), "the pipe was replaced"
    reader.join(launch.limit(10))
    assert came == [b"path,label\na.mp4,x\n"], came
    os.symlink("/proc/self/fd/1", os.path.join(folder, "stdout"))
    with open(os.path.join(folder, "printed"), "wb") as printed:
        subprocess.run([os.path.join(launch.BUILD, "tool", "cnn3d"), "dataset", "a.csv", "--output=stdout"], cwd=folder,
                       timeout=launch.limit(60), stdout=printed, env=launch.environment(), check=True)
    assert os.path.islink(os.path.join(folder, "stdout")), "the link was replaced"
    assert b"path,label\na.mp4,x\n" in launch.read(os.path.join(folder, "printed"))
    # a descriptor goes on where it is, and is not opened again
    for redirection, output in ("2>>kept", "/dev/stderr"), ("3>>kept", "/dev/fd/3"), ("4>>kept", "/proc/self/fd/4"):
        write(folder, "kept", "kept\n")
        subprocess.run(["bash", "-c", "exec %s; exec \"$@\"" % redirection, "bash", os.path.join(launch.BUILD, "tool", "cnn3d"),
                        "dataset", "a.csv", "--output=" + output], cwd=folder, timeout=launch.limit(60),
                       stdout=subprocess.DEVNULL, env=launch.environment(), check=True)
        text = launch.read(os.path.join(folder, "kept"))
        assert text.startswith(b"kept\npath,label\n/") and text.endswith(b"/a.mp4,x\n"), (output, text)
    assert "cannot write /dev/fd/77: Bad file descriptor" in dataset(folder, "a.csv", "--output=/dev/fd/77", status=1)


def poses(folder):
    """Key point files are found, and are read with --check"""
    write(folder, "a.mp4", "no matter")
    write(folder, "points.csv", "frame,point,x,y\n0,0,1,2\n")
    write(folder, "damaged.csv", "frame,point,x,y\n0,0,1\n")
    write(folder, "kpt.csv", "path,label,keypoints\na.mp4,x,points.csv\na.mp4,y,damaged.csv\na.mp4,y,gone.npy\na.mp4,x,\n")
    out = dataset(folder, "kpt.csv", status=1)
    assert out.endswith("Key points: 3 files, of which 1 cannot be read\n  ./gone.npy: No such file or directory\n"), out
    out = dataset(folder, "kpt.csv", "--check", status=1)
    assert "3 files, of which 2 cannot be read\n  ./damaged.csv: line:2:1: 3 columns, but the header has 4\n" in out, out
    write(folder, "plain.csv", "path,label\na.mp4,x\na.mp4,y\n")
    assert "Key points" not in dataset(folder, "plain.csv")
    out = dataset(folder, "plain.csv", "--keypoints-root=.", status=1)
    assert out.endswith("Key points: 1 files, of which 1 cannot be read\n  ./a.npy: No such file or directory\n"), out
    dataset(folder, "plain.csv", "--keypoints-root=.", "--keypoints-pattern=points.csv")
    dataset(folder, "plain.csv", "--keypoints-pattern={what}", status=2)


def check(folder):
    """--check lists the files that cannot be read, with the reason"""
    launch.make_videos(folder, {"good.mp4": {"frames": 12}, "b \"c\", d.mp4": {"frames": 12}})
    write(folder, "bad.mp4", "This is no video.\n" * 100)
    write(folder, "a.csv", 'path,label\ngood.mp4,x\n"b ""c"", d.mp4",y\ngood.mp4,x\n')
    assert dataset(folder, "a.csv", "--check").endswith("Files that cannot be read:\n  none\n")
    terminal, other = os.openpty()
    subprocess.run([os.path.join(launch.BUILD, "tool", "cnn3d"), "dataset", "a.csv", "--check"], cwd=folder, stderr=other,
                   env=launch.environment(), stdout=subprocess.DEVNULL, timeout=launch.limit(60), check=True)
    printed = b""
    # a terminal passes on what was written in parts, and later
    while b"\r2 of 2 files opened\r\n" not in printed:
        assert select.select([terminal], [], [], launch.limit(10))[0], printed
        printed += os.read(terminal, 1000)
    os.close(terminal)
    os.close(other)
    write(folder, "a.csv", "path,label\ngood.mp4,x\nbad.mp4,y\nnone.mp4,y\n")
    out = dataset(folder, "a.csv", "--check", status=1)
    assert re.search(r"/bad\.mp4: \w", out) and "/none.mp4: No such file or directory\n" in out and "good" not in out, out
    out = subprocess.run([os.path.join(launch.BUILD, "tool", "cnn3d"), "dataset", "a.csv", "--check"], cwd=folder,
                         env=dict(launch.environment(), PATH="/nowhere"), capture_output=True, text=True, check=False)
    assert out.returncode == 1 and ("the files could not be opened: gst-launch-1.0 ended after 0 of 3: gst-launch-1.0 is not "
                                     "on the PATH; " in out.stderr), out
    path = os.path.join(folder, "bin", "gst-launch-1.0")
    os.mkdir(os.path.dirname(path))
    for script, reason in (
            ("echo 'a warning' >&2; echo 'ERROR: from element /GstPipeline:p/GstClipSrc:c: Too many views.' >&2\n"
             "echo 'Additional debug info:' >&2; echo \"ERROR: pipeline doesn't want to preroll.\" >&2; exit 1",
             "/GstPipeline:p/GstClipSrc:c: Too many views.\n"),
            ("echo 'WARNING: erroneous pipeline: no element \"clipsrc\"' >&2; echo last >&2; exit 1", 'no element "clipsrc"\n'),
            ("echo first >&2; echo last >&2; exit 1", "last\n"), ("exit 1", "unknown\n"),
            ("echo last >&2; kill -SEGV $$", "signal 11 (Segmentation fault)\n")):
        write(folder, "bin/gst-launch-1.0", "#!/bin/sh\n%s\n" % script)
        os.chmod(path, 0o755)
        out = subprocess.run([os.path.join(launch.BUILD, "tool", "cnn3d"), "dataset", "a.csv", "--check"], cwd=folder,
                             env=dict(launch.environment(), PATH="%s:/usr/bin:/bin" % os.path.dirname(path)),
                             capture_output=True, text=True, check=False)
        assert out.returncode == 1 and out.stderr.endswith("ended after 0 of 3: " + reason), out


def windows(folder):
    """--check lists the videos that end before their windows"""
    launch.make_videos(folder, {"a.mp4": {"frames": 60}, "b.mp4": {"frames": 60}, "c.mp4": {"frames": 60}})
    write(folder, "fits.csv", "path,label,start,end\na.mp4,x,0,1\nb.mp4,y,0.5,\nb.mp4,y,0,2.5\nc.mp4,x,,\n")
    assert dataset(folder, "fits.csv", "--check").endswith("Files that cannot be read:\n  none\n")
    write(folder, "late.csv", "path,label,start,end\na.mp4,x,0,1\nb.mp4,y,0,50\nb.mp4,y,1,20\nc.mp4,x,70.5,\na.mp4,y,0,\n")
    out = dataset(folder, "late.csv", "--check", status=1)
    assert "Files that cannot be read:\n  none\n\nWindows that end after their video: in 2 of 3 files\n" in out, out
    assert "/b.mp4: a window has second 50, but the video ends before second 49\n" in out, out
    assert "/c.mp4: a window has second 70.5, but the video ends before second 70.5\n" in out, out
    write(folder, "frames.csv", "path,label,start_frame,end_frame\na.mp4,x,0,60\nb.mp4,y,0,70\nno.mp4,y,0,70\n")
    out = dataset(folder, "frames.csv", "--check", status=1)
    assert "/no.mp4: No such file or directory\n\nWindows that end after their video: in 1 of 3 files\n" in out, out
    assert "/b.mp4: a window has frame 70, but the video ends before frame 68\n" in out, out


def bytes_in_names(folder):
    """Paths that are not UTF-8, and reasons that are not ASCII"""
    launch.make_videos(folder, {"good.mp4": {"frames": 12}})
    top = os.fsencode(folder)
    for path in (b"tree/x/\xff.mp4", b"tree/y/b.mp4"):
        os.makedirs(os.path.dirname(os.path.join(top, path)), exist_ok=True)
        os.link(os.path.join(top, b"good.mp4"), os.path.join(top, path))
    dataset(folder, "tree", "--output=tree/a.csv")
    assert launch.read(os.path.join(folder, "tree", "a.csv")).splitlines()[1].endswith(b"/tree/x/%FF.mp4,x")
    for location in ("tree/a.csv", "tree"):
        assert dataset(folder, location, "--check").endswith("Files that cannot be read:\n  none\n")
    os.makedirs(os.path.join(folder, "pictures", "x", "ö"))
    write(folder, "pictures/x/ö/ä1.png", "no picture")
    out = dataset(folder, "pictures", "--check", status=1)
    assert "/ö: " in out and "ä1.png" in out, out


def letters(folder):
    """Options have any letters, whatever the locale, and help has them"""
    write(folder, "a.csv", "path,label,group,view\na.mp4,x,g,Küche\n")
    for locale in "C", "C.UTF-8":
        more = {"cwd": folder, "env": launch.environment(LC_ALL=locale), "capture_output": True, "check": False}
        done = subprocess.run([os.path.join(launch.BUILD, "tool", "cnn3d"), "dataset", "a.csv", "--views=Küche"], **more)
        assert "\nviews: 1 Küche\n".encode() in done.stdout, done
        done = subprocess.run([os.path.join(launch.BUILD, "tool", "cnn3d"), "dataset", "--help"], **more)
        assert "[OPTION…]".encode() in done.stdout, done


def full(folder):
    """A summary that cannot be printed is an error"""
    write(folder, "a.csv", "path,label\na.mp4,x\n")
    write(folder, "a.mp4", "no matter")
    with open("/dev/full", "w") as file:
        done = subprocess.run([os.path.join(launch.BUILD, "tool", "cnn3d"), "dataset", "a.csv"], cwd=folder, stdout=file,
                              stderr=subprocess.PIPE, env=launch.environment(), timeout=launch.limit(60), check=False)
    assert done.returncode == 1 and b"cannot write to standard output: No space left on device" in done.stderr, done


def wrong(folder):
    """Usage errors and invalid files are reported"""
    assert "give one data set: cnn3d dataset PATH" in dataset(folder, status=2)
    assert "Unknown option" in dataset(folder, "--no", status=2)
    assert "none.csv: No such file" in dataset(folder, "none.csv", status=1)
    write(folder, "a.csv", "a.mp4,x\n")
    assert "/no/such" in dataset(folder, "a.csv", "--output=/no/such/b.csv", status=1)
    assert "./a.csv is the data set itself" in dataset(folder, "a.csv", "--output=./a.csv", status=1)


if __name__ == "__main__":
    launch.main(summary, views, manifest, pipes, poses, check, windows, bytes_in_names, letters, full, wrong)
