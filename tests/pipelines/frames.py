#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every delivered frame is correct: for files with variable rates, open groups of pictures, wrong headers, edit
lists and the like, frames equal those that PyAV (FFmpeg) shows when decoding the file from its start.

CNN3D_TEST_FILES is the number of random files (12), CNN3D_TEST_SEED the first one's number (2010).

The child, which has PyAV: frames.py --compare <JSON: [[FILE, [RAW, EXPECTED]...]...]
                           frames.py --make FOLDER SEED...
                           frames.py --fields FOLDER
                           frames.py --copies FOLDER
                           frames.py --parts FOLDER"""
import csv
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys

import bitstreams
import containers
import launch

# Mean difference (of 255) caused by rounding in the conversion from YUV; different
# frames of these files are at least 6 apart
NEAR = 3


def dump(folder, name, rows, workers):
    """The frames of the rows' clips, sampled alike, RGB at their own sizes, concatenated, twice: in the second epoch
    the file's index exists. Each has a copy of the file, so that in the first epoch it does not."""
    table = os.path.join(folder, name + ".csv")
    own = [os.path.join(folder, "%s-%d-%s" % (name, i, os.path.basename(row["file"]))) for i, row in enumerate(rows)]
    for row, copy in zip(rows, own):
        shutil.copy2(row["file"], copy)
    with open(table, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "split", "start", "end"])
        writer.writerows([copy, "x", "val", row["start"], row["end"]] for row, copy in zip(rows, own))
    sample = "! clipsample mode=center num-frames=%s frame-interval=%s" % (
        rows[0]["num_frames"], rows[0]["frame_interval"]) if rows[0]["num_frames"] else ""
    raw = os.path.join(folder, name + ".raw")
    launch.launch('clipsrc location=%s passes=val epochs=2 num-workers=%d on-error=stop index-location=\'""\' clip-bin="'
                  'videoconvert ! video/x-raw,format=RGB %s" ! filesink location=%s' % (
                      launch.gst_quote(table), workers, sample, launch.gst_quote(raw)), folder).fine()
    for copy in own:
        os.unlink(copy)
    return raw


def case(name):
    path = os.path.join(launch.data_folder(), "cases", "frames", name)
    if not os.path.exists(path):
        raise launch.Skip("no cases of frames beside the real videos")
    return path


def table(folder, name, *rows):
    with open(os.path.join(folder, name), "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def play(folder, path, clip_bin, properties=""):
    """The frames of a clip that is the whole file, concatenated."""
    table(folder, "one.csv", [path, "x", "val"], [path, "x", "train"])
    raw = os.path.join(folder, "one.raw")
    launch.launch('clipsrc location=one.csv passes=val on-error=stop %s clip-bin="%s" ! filesink location=%s' % (
        properties, clip_bin, launch.gst_quote(raw)), folder).fine()
    return launch.read(raw)


def dumped(folder, path, rows):
    """The file, and for each kind of sampling what its rows' clips gave and the frames expected"""
    alike = {}
    for row in rows:
        alike.setdefault((row["num_frames"], row["frame_interval"] if row["num_frames"] else ""), []).append(row)
    return [path] + [(dump(folder, "%s-%d" % (os.path.basename(path), i), some, i % 2),
                      " ".join([row["expected"] for row in some] * 2)) for i, some in enumerate(alike.values())]


def checked(python, found):
    """Of each of dumped(): a line for each wrong frame, and the largest difference. Removes the frames."""
    child = subprocess.run([python, os.path.abspath(__file__), "--compare"], check=True, input=json.dumps(found),
                           stdout=subprocess.PIPE, text=True)
    for _, *raws in found:
        for raw, _ in raws:
            os.unlink(raw)
    return json.loads(child.stdout)


def check(python, folder, made, after=lambda one, differ: None):
    """Checks each file in `made`, {file, kind, rows}; after: checks more. The notes."""
    found, failed = [], {}
    for one in made:
        try:
            found.append(dumped(folder, one["file"], one["rows"]))
        except AssertionError as error:
            failed[one["file"]] = [str(error)], "not read"
    results = dict(zip([path for path, *_ in found], checked(python, found)), **failed)
    notes, wrong = [], []
    for one in made:
        differ, worst = results[one["file"]]
        if one["file"] not in failed:
            try:
                after(one, differ)
            except AssertionError as error:
                differ.append(str(error))
        notes.append("%s: %s" % (one["kind"], worst))
        wrong += ["%s: %s" % (notes[-1], line) for line in differ]
    assert not wrong, "\n".join(wrong)
    return notes


def listed(folder):
    """Each row of frames.csv gives its expected frames"""
    python = launch.peer("av", "numpy")
    top = os.path.join(launch.data_folder(), "cases", "frames")
    if not os.path.isdir(top):
        raise launch.Skip("no cases of frames beside the real videos")
    made = {}
    with open(os.path.join(top, "frames.csv"), encoding="utf-8") as file:
        for row in csv.DictReader(file):
            row["file"] = os.path.join(top, row["file"])
            made.setdefault(row["file"], {"file": row["file"], "rows": []})["rows"].append(row)
    for one in made.values():
        one["kind"] = "%s: %d checks" % (os.path.basename(one["file"]), len(one["rows"]))
    return check(python, folder, made.values())


def generated(folder):
    """Files of random containers, codecs, rates and groups of pictures give the correct frames of random
    segments"""
    python = launch.peer("av", "numpy")
    first = int(os.environ.get("CNN3D_TEST_SEED") or 2010)
    seeds = range(first, first + int(os.environ.get("CNN3D_TEST_FILES") or 12))
    child = subprocess.run([python, os.path.abspath(__file__), "--make", folder, *map(str, seeds)], check=True,
                           stdout=subprocess.PIPE, text=True, env=dict(os.environ, SVT_LOG="1"))
    return check(python, folder, json.loads(child.stdout.splitlines()[-1]))


def fields(folder):
    """Two fields make one frame, and a file cut within an open group of pictures gives the frames that can be
    decoded"""
    python = launch.peer("av", "numpy")
    child = subprocess.run([python, os.path.abspath(__file__), "--fields", folder], check=True, stdout=subprocess.PIPE,
                           text=True)
    made = json.loads(child.stdout.splitlines()[-1])
    for one in made:
        one["kind"] = "%s: %s" % (os.path.basename(one["file"]), one["kind"])

    def kept(one, differ):
        if "cut" in one["kind"] and not is_kept(folder, one["file"]):
            differ.append("other frames come when its index was kept")

    return check(python, folder, made, kept)


def copies(folder):
    """Files cut or copied without re-encoding, and full-range video without a container flag, give FFmpeg's
    frames"""
    python = launch.peer("av", "numpy")
    child = subprocess.run([python, os.path.abspath(__file__), "--copies", folder], check=True, stdout=subprocess.PIPE,
                           text=True)
    newer = launch.gstreamer_is(1, 24)
    made = json.loads(child.stdout.splitlines()[-1])
    for one in made:
        one["kind"] = os.path.basename(one["file"])
        # from 1.24 on GStreamer loses the pictures shown before the first one
        if newer and one["kind"] in ("open.mkv", "open.mp4"):
            one["rows"] = []

    def kept(one, differ):
        if not is_kept(folder, one["file"]):
            differ.append("other frames come when its index was kept")

    return check(python, folder, made, kept)


def parts(folder):
    """Each part of an edit list gives its own frames, also when it returns to an open group of pictures"""
    python = launch.peer("av", "numpy")
    subprocess.run([python, os.path.abspath(__file__), "--parts", folder], check=True)
    raw, size = "videoconvert ! video/x-raw,format=RGB", 96 * 64 * 3
    for codec in ("h264", "hevc"):
        whole = play(folder, os.path.join(folder, codec + ".mp4"), raw)
        assert len(whole) == 60 * size, codec
        for number, order in enumerate(PARTS):
            frames = play(folder, os.path.join(folder, "%s-%d.mp4" % (codec, number)), raw)
            assert frames == b"".join(whole[round(start * 25) * size:round((start + length) * 25) * size]
                                      for length, start in order), "%s, %s" % (codec, order)


def bare(folder):
    """Bare concatenated pictures are read or rejected, depending on GStreamer's version"""
    launch.launch("videotestsrc num-buffers=5 ! video/x-raw,width=64,height=48 ! jpegenc ! filesink location=bare.mjpeg",
                  folder).fine()
    table(folder, "one.csv", ["bare.mjpeg", "x", "val"], ["bare.mjpeg", "x", "train"])
    run = launch.launch("clipsrc location=one.csv passes=val on-error=stop ! fakesink", folder)
    run.need(run.rc == 0 or "no GStreamer element that reads its format is installed" in run.err, "it says something else")
    run.need("CRITICAL" not in run.out + run.err, "it crashed")


def refused(folder):
    """Files that GStreamer would decode partially, or not at all, are rejected at once, with the reason"""
    launch.launch("videotestsrc num-buffers=1 ! video/x-raw,width=64,height=48 ! pngenc ! filesink location=still.png",
                  folder).fine()
    launch.launch("videotestsrc num-buffers=5 ! video/x-raw,width=64,height=48 ! jpegenc ! avimux ! "
                  "filesink location=a.avi", folder).fine()
    still, part = (launch.read(os.path.join(folder, name)) for name in ("still.png", "a.avi"))
    for name, contents, reason in (
            ("animated.png", still[:33] + containers.chunk(b"acTL", 5, 0) + still[33:], "it is an animated picture"),
            ("joined.avi", part * 2, "it is several AVI files in one"),
            ("cut.gif", containers.cut_gif(64, 48), "it is truncated|no GStreamer element that reads its format is installed"),
            ("440.webm", containers.matroska(b"V_VP9", [bitstreams.vp9_key_frame(64, 48)] * 3, 64, 48),
             "its chroma is 4:4:0")):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(contents)
        table(folder, "one.csv", [name, "x", "val"], [name, "x", "train"])
        run = launch.launch("clipsrc location=one.csv passes=val on-error=stop ! fakesink", folder, seconds=15)
        # newer versions of GStreamer show the existing part
        if name != "cut.gif" or run.rc:
            run.refused(reason)


def interlaced(folder):
    """Interlaced frames are converted as whole frames, unless a deinterlacer follows"""
    path = os.path.join(folder, "interlaced.mp4")
    launch.launch("videotestsrc num-buffers=10 ! video/x-raw,format=I420,width=64,height=64,interlace-mode=interleaved,"
                  "field-order=top-field-first ! x264enc interlaced=true ! mp4mux ! filesink location=%s" %
                  launch.gst_quote(path), folder).fine()
    size, raw = 64 * 64 * 3, "videoconvert ! video/x-raw,format=RGB"
    progressive, fields = "interlace-mode=progressive", "interlace-mode={interleaved,mixed}"
    for caps, after in ((progressive, ""), (fields, "deinterlace ! "), (fields, "")):
        frames = play(folder, path, "video/x-raw,%s ! %s%s" % (caps, after, raw))
        assert frames and len(frames) % size == 0, after
    for caps, branch in ((progressive, "videoconvert"), (fields, "deinterlace")):
        launch.launch("clipsrc location=one.csv passes=val on-error=stop ! tee name=t ! queue ! video/x-raw,%s ! "
                      "fakesink t. ! queue ! %s ! fakesink" % (caps, branch), folder).fine()


def is_kept(folder, path):
    """Whether the frames are the same with an index stored by an earlier run."""
    place = os.path.join(folder, "kept", os.path.basename(path))
    # recently changed files are not indexed
    os.utime(path, (0, 10**9))
    first, again = (play(folder, path, "videoconvert ! video/x-raw,format=RGB",
                         "index-location=" + launch.gst_quote(place)) for _ in range(2))
    assert os.listdir(place), "no index was kept"
    return first == again


def turned(folder):
    """Matroska's pictures are rotated according to their projection, and MP4's according to the matrices of their track
    and the movie, of any scale"""
    launch.launch("videotestsrc num-buffers=5 ! video/x-raw,width=64,height=48,framerate=25/1 ! jpegenc ! tee name=t "
                  "t. ! queue ! multifilesink location=%d.jpg t. ! queue ! qtmux ! filesink location=straight.mov",
                  folder).fine()
    images = [launch.read(os.path.join(folder, "%d.jpg" % i)) for i in range(5)]
    raw = "videoconvert ! videoflip video-direction=%s ! videoconvert ! video/x-raw,format=RGB"
    matroska = os.path.join(folder, "turned.mkv")

    def show(direction, *form):
        with open(matroska, "wb") as file:
            file.write(containers.matroska(b"V_MJPEG", images, 64, 48, *form))
        return play(folder, matroska, raw % direction)

    for yaw, roll, direction in ((0, 90, "90l"), (0, -90, "90r"), (0, 270, "90r"), (0, 180, "180"), (180, 0, "horiz"),
                                 (180, 180, "vert"), (180, 90, "ul-lr"), (180, 270, "ur-ll"), (0, 0.5, "identity"),
                                 (90, 0, "identity")):
        expected = show(direction)
        assert len(expected) == 5 * 64 * 48 * 3
        for last in (False, True):
            assert show("identity", float(yaw), float(roll), last) == expected, (yaw, roll, last)
    straight, path = os.path.join(folder, "straight.mov"), os.path.join(folder, "turned.mov")
    # clockwise in the track, and by other values in the movie
    for movie, track, direction in (
            ((1, 0, 0, 1), (0, 1, -1, 0), "90r"), ((1, 0, 0, 1), (0, -1, 1, 0), "90l"), ((0, 1, -1, 0), (0, 1, -1, 0), "180"),
            ((1, 0, 0, 1), (-1, 0, 0, 1), "horiz"), ((1, 0, 0, 1), (1, 0, 0, -1), "vert"),
            ((1, 0, 0, 1), (0, 1, 1, 0), "ul-lr"), ((1, 0, 0, 1), (0, -1, -1, 0), "ur-ll"),
            ((1, 0, 0, 1), (2, 0, 0, 2), "identity"), ((1.5, 0, 0, 1), (1, 0, 0, 1), "identity"),
            ((1, 0, 0, 1), (0, 1.25, -2, 0.001), "90r"), ((-1, 0, 0, 1), (0, 1, -1, 0), "ul-lr"),
            ((0, 0, 0, 0), (-0.5, 0, 0, -1), "180"), ((1, 0, 0, 1), (0.7, 0.7, -0.7, 0.7), "identity")):
        data = bytearray(launch.read(straight))
        for at, matrix in ((data.index(b"mvhd") + 40, movie), (data.index(b"tkhd") + 44, track)):
            a, b, c, d = (round(value * 65536) for value in matrix)
            data[at:at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
        expected = play(folder, straight, raw % direction)
        with open(path, "wb") as file:
            file.write(data)
        assert play(folder, path, raw % "identity") == expected, (movie, track)


def left_out(folder):
    """Unneeded pictures are skipped before decoding, unless an element depends on them"""
    path = case("opengop_h264.mp4")
    small = "videoconvertscale add-borders=false ! video/x-raw,format=RGB,width=32,height=32"
    size = 32 * 32 * 3
    for before in ("", " ! clipdiff", " ! videorate ! video/x-raw,framerate=25/1"):
        frames = play(folder, path, small + before)
        count = len(frames) // size
        sampled = play(folder, path, "%s%s ! clipsample num-frames=9 frame-interval=0" % (small, before))
        wanted = [round(i * (count - 1) / 8) for i in range(9)]
        assert sampled == b"".join(frames[k * size:(k + 1) * size] for k in wanted), "behind%s" % (before or " a scaler")
    line = "clipsrc location=%s passes=val clip-bin=\"%s clipsample num-frames=4 frame-interval=0\" ! fakesink"
    given = []
    for before in ("", "identity ! "):
        run = launch.launch(line % (launch.gst_quote(os.path.join(folder, "one.csv")), before), folder,
                            GST_DEBUG="videodecoder:6", GST_DEBUG_NO_COLOR="1")
        given.append(run.fine().err.count("gst_video_decoder_decode_frame:"))
    assert given[0] < given[1], given
    return ["%d packets decoded for 4 frames, %d behind an unknown element" % tuple(given)]


def kept_indices(folder):
    """An index persists between runs, and a damaged one is rebuilt"""
    place = os.path.join(folder, "index")
    property = "index-location=%s" % launch.gst_quote(place)
    raw = "videoconvert ! video/x-raw,format=RGB"
    path = case("vfr.mp4")
    files = lambda: [os.path.join(top, name) for top, _, names in os.walk(place) for name in names]
    first = play(folder, path, raw, property)
    kept, = files()
    good = launch.read(kept)
    for damaged in (None, good[:-1], good[:100] + bytes([good[100] ^ 1]) + good[101:], b"", b"not an index" * 100):
        if damaged is not None:
            with open(kept, "wb") as file:
                file.write(damaged)
        assert play(folder, path, raw, property) == first
        assert files() == [kept] and launch.read(kept) == good
    os.unlink(kept)
    play(folder, path, raw, "index-location=" + launch.gst_quote(""))
    assert not files()


def tracks(folder):
    """video-track selects a track; the default is the file's default track"""
    for name in ("second_default.mkv", "second_default.mp4"):
        frames = [play(folder, case(name), "videoconvert ! video/x-raw,format=RGB", "video-track=%d" % i)
                  for i in (-1, 0, 1)]
        assert frames[0] == frames[2] != frames[1], name
    run = launch.launch("clipsrc location=one.csv passes=val on-error=stop video-track=2 ! fakesink", folder)
    run.refused("video-track=2, but its video tracks are 0 to 1")
    # the index of one track is not used for another
    assert play(folder, case("second_default.mkv"), "videoconvert ! video/x-raw,format=RGB", "video-track=0") != \
        play(folder, case("second_default.mkv"), "videoconvert ! video/x-raw,format=RGB", "video-track=1")


def pictures(folder):
    """A folder of numbered pictures, or a pattern, is a clip: in numeric order, at its rate"""
    count, size = 24, 64 * 48 * 3
    os.makedirs(os.path.join(folder, "raw frames"))
    caps = "video/x-raw,width=64,height=48,framerate=12/1"
    # jpegdec subsamples any other format
    for encoder, name in (("capsfilter caps=video/x-raw,format=I420 ! jpegenc", "img_%05d.jpg"), ("pngenc", "%d.PNG")):
        launch.launch("videotestsrc pattern=smpte horizontal-speed=5 num-buffers=%d ! %s ! %s ! "
                      "multifilesink location=%s" % (
                          count, caps, encoder, launch.gst_quote(os.path.join(folder, "raw frames", name))), folder).fine()
    raw = "videoconvert ! video/x-raw,format=RGB"
    place = os.path.join(folder, "raw frames")
    # reference: each picture decoded alone
    one = [launch.launch("filesrc location=%s ! jpegdec ! %s ! filesink location=one.raw" % (
        launch.gst_quote(os.path.join(place, "img_%05d.jpg" % i)), raw), folder).fine() and
        launch.read(os.path.join(folder, "one.raw")) for i in range(count)]
    assert len(set(one)) == count and len(one[0]) == size
    assert play(folder, os.path.join(place, "img_%05d.jpg"), raw) == b"".join(one)
    # 9.PNG comes before 10.PNG
    png = play(folder, os.path.join(place, "%d.PNG"), raw)
    exact = [launch.launch("filesrc location=%s ! pngdec ! %s ! filesink location=one.raw" % (
        launch.gst_quote(os.path.join(place, "%d.PNG" % i)), raw), folder).fine() and
        launch.read(os.path.join(folder, "one.raw")) for i in range(count)]
    assert png == b"".join(exact)
    # two series in one folder are ambiguous
    table(folder, "two.csv", [place, "x", "val"], [place, "x", "train"])
    launch.launch("clipsrc location=two.csv passes=val on-error=stop ! fakesink", folder).refused(
        "more than one series", "img_%05d.jpg")
    pngs = [launch.read(os.path.join(place, "%d.PNG" % i)) for i in range(count)]
    for i in range(count):
        os.unlink(os.path.join(place, "%d.PNG" % i))
    assert play(folder, place, raw) == b"".join(one)
    sampled = play(folder, place, raw + " ! clipsample num-frames=4 frame-interval=0")
    assert sampled == b"".join(one[k] for k in (0, 8, 15, 23))
    # seconds, at the row's rate and at the property's
    table(folder, "rate.csv", ["path", "label", "split", "start", "end", "fps"], [place, "x", "val", 0.5, 1, 12],
          [place, "x", "val", 0.5, 1, ""], [place, "x", "train", "", "", ""])
    launch.launch('clipsrc location=rate.csv passes=val fps=10 on-error=stop clip-bin="%s" ! filesink location=rate.raw'
                  % raw, folder).fine()
    assert launch.read(os.path.join(folder, "rate.raw")) == b"".join(one[6:12] + one[5:10])
    # picture folders next to videos in class folders, at the property's rate
    for split, label in (("train", "x"), ("train", "y"), ("val", "y")):
        os.makedirs(os.path.join(folder, "classes", split, label))
    for path in (("train", "x", "a"), ("train", "y", "b"), ("val", "y", "c")):
        shutil.copytree(place, os.path.join(folder, "classes", *path))
    launch.launch("videotestsrc num-buffers=12 ! %s ! jpegenc ! avimux ! filesink location=classes/val/y/d.avi" % caps,
                  folder).fine()
    for sampler, frames in (("", one), (" ! clipsample frame-rate=3/1 num-frames=12 frame-interval=0", one[::2])):
        launch.launch('clipsrc location=classes passes=val fps=6 on-error=stop clip-bin="%s" ! '
                      "filesink location=classes.raw" % (raw + sampler), folder).fine()
        both = launch.read(os.path.join(folder, "classes.raw"))
        assert both[:len(frames) * size] == b"".join(frames) and len(both) == (len(frames) + 12) * size, sampler
    jpegs = [launch.read(os.path.join(place, "img_%05d.jpg" % i)) for i in range(count)]
    # an invalid picture is named, whether its decoder reports it, drops it, or reads on in the next one
    broken(folder, "jpg", jpegs, 7, b"", "7.jpg is empty")
    for at in (0, 7, count - 1):
        broken(folder, "jpg", jpegs, at, jpegs[at][:300], "%d.jpg cannot be decoded: it is damaged or truncated" % at)
        broken(folder, "png", pngs, at, pngs[at][:150], "%d.png cannot be decoded: it is damaged or truncated" % at)
    for at in (7, count - 1):
        broken(folder, "jpg", jpegs, at, pngs[at],
               "%d.jpg cannot be decoded: it is image/png, and 0.jpg is image/jpeg" % at)
        broken(folder, "jpg", jpegs, at, b"no picture", "%d.jpg cannot be decoded: it is of no known picture format" % at)
        broken(folder, "png", pngs, at, jpegs[at],
               "%d.png cannot be decoded: it is image/jpeg, and 0.png is image/png" % at)
    # a picture that is not needed is not read
    broken(folder, "jpg", jpegs, 7, b"no picture", None, "clipsample num-frames=4 frame-interval=0")


def broken(folder, ending, pictures, at, contents, reason, clip_bin="identity"):
    """A clip of pictures, one of which is replaced by other contents, is rejected for the reason; None: it
    plays."""
    place = os.path.join(folder, "broken")
    os.makedirs(place)
    for i, picture in enumerate(pictures):
        with open(os.path.join(place, "%d.%s" % (i, ending)), "wb") as file:
            file.write(contents if i == at else picture)
    table(folder, "one.csv", [place, "x", "val"], [place, "x", "train"])
    run = launch.launch('clipsrc location=one.csv passes=val on-error=stop clip-bin="%s" ! fakesink' % clip_bin, folder)
    if reason:
        run.refused(re.escape(reason))
    else:
        run.fine()
    shutil.rmtree(place)


# --- the child ---

def cells(picture):
    """(24, 24, 3): means of a picture (H, W, 3) over a grid."""
    import numpy

    height, width = picture.shape[:2]
    rows, columns = (numpy.linspace(0, n, 25).astype(int) for n in (height, width))
    sums = numpy.add.reduceat(numpy.add.reduceat(picture.astype(float), rows[:-1], 0), columns[:-1], 1)
    return sums / (numpy.diff(rows)[:, None, None] * numpy.diff(columns)[None, :, None])


def decode(path):
    """All frames, upright."""
    import av
    import numpy

    with av.open(path) as container:
        stream = container.streams.best("video")
        return [numpy.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
                for frame in container.decode(stream)]


def compare(path, *raws):
    """Lines about wrong frames, and the largest difference"""
    import numpy

    truth = decode(path)
    worst, wrong = 0, []
    for raw, numbers in raws:
        data, at, name = numpy.fromfile(raw, numpy.uint8), 0, os.path.basename(path)
        for number in map(int, numbers.split()):
            height, width = truth[number].shape[:2]
            stride = (3 * width + 3) // 4 * 4
            end = at + stride * height
            if end > len(data):
                wrong.append("%s: of %s only %d bytes came" % (name, numbers, len(data)))
                break
            picture = data[at:end].reshape(height, stride)[:, :3 * width].reshape(height, width, 3)
            far = abs(cells(picture) - cells(truth[number])).mean()
            worst = max(worst, far)
            if far >= NEAR:
                wrong.append("%s: of %s frame %d is %.1f away" % (name, numbers, number, far))
            at = end
        else:
            if at < len(data):
                wrong.append("%s: %d bytes came after %s" % (name, len(data) - at, numbers))
    return wrong, "at most %.2f of 255 away" % worst


# container: suffix, muxer, its options, codecs, whether it keeps times
CONTAINERS = (
    ("mp4", "mp4", {}, ("h264", "hevc", "mpeg4", "mpeg2", "vp9", "av1"), True),
    ("mov", "mov", {}, ("h264", "hevc", "mpeg4", "mjpeg"), True),
    ("frag.mp4", "mp4", {"movflags": "frag_keyframe+empty_moov+default_base_moof"}, ("h264", "hevc", "vp9"), True),
    ("mkv", "matroska", {}, ("h264", "hevc", "mpeg4", "mpeg2", "vp8", "vp9", "av1", "mjpeg"), True),
    ("webm", "webm", {}, ("vp8", "vp9", "av1"), True),
    ("avi", "avi", {}, ("h264", "mpeg4", "mjpeg"), False),
    ("wmv", "asf", {}, ("h264", "mpeg4", "wmv"), False),
    ("ts", "mpegts", {}, ("h264", "hevc", "mpeg2"), True),
    ("mpg", "vob", {}, ("mpeg2",), True),
    ("flv", "flv", {}, ("h264",), True),
)
ENCODERS = {"h264": "libx264", "hevc": "libx265", "mpeg4": "mpeg4", "mpeg2": "mpeg2video", "vp8": "libvpx",
            "vp9": "libvpx-vp9", "av1": "libsvtav1", "mjpeg": "mjpeg", "wmv": "wmv2"}


def encoder_options(codec, gop, b_frames, draw):
    """gop: frames, "open" or "refresh" """
    frames = 12 if isinstance(gop, str) else gop
    if codec in ("h264", "hevc"):
        more = {"open": ":open-gop=1", "refresh": ":intra-refresh=1"}.get(gop, ":open-gop=0")
        more = "keyint=%d:bframes=%d%s" % (frames, 0 if gop == "refresh" else b_frames, more)
        name = {"h264": "x264-params", "hevc": "x265-params"}[codec]
        return {"preset": "veryfast", name: more + (":log-level=none" if codec == "hevc" else "")}
    if codec == "wmv":
        return {"g": str(frames), "b": "2000000"}
    if codec in ("mpeg2", "mpeg4"):
        return {"g": str(frames), "bf": str(b_frames), "b": "2000000"}
    if codec in ("vp8", "vp9"):
        return {"g": str(frames), "b": "1000000", "deadline": "realtime", "cpu-used": "8",
                "auto-alt-ref": draw.choice("01"), "lag-in-frames": "8"}
    if codec == "av1":
        return {"g": str(frames), "preset": "10", "crf": "30"}
    return {"qscale": "3"}


def cut(path, seconds):
    """Like `ffmpeg -ss ... -c copy`: all packets stay, an edit list starts later."""
    import av

    shorter = path + ".cut"
    with av.open(path) as source, av.open(shorter, "w", format="mp4", options={
            "avoid_negative_ts": "disabled", "use_editlist": "1"}) as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        shift = int(seconds / stream.time_base)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, copy
                target.mux(packet)
    os.replace(shorter, path)


def draw_picture(i):
    """(64, 96, 3): all frames of a file differ: the steps have no common period."""
    import numpy

    y, x = numpy.mgrid[0:64, 0:96]
    picture = numpy.stack([127 + 90 * numpy.sin(numpy.radians(step * i) + (x if step == 101 else y) / 40)
                           for step in (47, 101, 163)], 2)
    picture[4:20, 4:20] = [i % 2 * 255, i // 2 % 2 * 255, i // 4 % 2 * 255]
    return picture.astype(numpy.uint8)


def clips(path, times, draw, count, other_times=None):
    """Rows of the whole file and of random parts, with the expected frames; parts that depend on uncertain
    times are left out."""
    import numpy

    def between(times, start, end):
        return [i for i, time in enumerate(times) if start - 0.0005 <= time < end - 0.0005]

    rows = [{"file": path, "start": "", "end": "", "num_frames": "", "frame_interval": 0,
             "expected": " ".join(map(str, range(len(times))))}]
    for _ in range(count):
        start = round(draw.uniform(0, times[-1]), 3)
        end = round(start + draw.uniform(0.01, 1.2 * times[-1] + 0.1), 3)
        inside = between(times, start, end)
        # rounding would decide
        if not inside or min(abs(time - edge + 0.0005) for time in times for edge in (start, end)) < 1e-4 or (
                inside != between(other_times or times, start, end)):
            continue
        number, interval = draw.choice(((0, 0), (8, 0), (8, 1), (4, 3)))
        window = (number - 1) * interval + 1
        if number and interval and window <= len(inside):
            inside = inside[(len(inside) - window) // 2:][:window:interval]
        elif number:
            inside = [inside[int(k)] for k in numpy.linspace(0, len(inside) - 1, number).round()]
        rows.append({"file": path, "start": start, "end": end, "num_frames": number or "", "frame_interval": interval,
                     "expected": " ".join(map(str, inside))})
    return rows


def make(folder, seed):
    """A file, and rows of clips of it with the expected frames."""
    import fractions

    import av

    draw = random.Random(seed)
    suffix, muxer, options, codecs, timed = draw.choice(CONTAINERS)
    codec = draw.choice(codecs)
    gop = draw.choice((1, 12, 250) + (("open", "refresh") if codec in ("h264", "hevc") else ()))
    b_frames = draw.randrange(4) if codec in ("h264", "hevc", "mpeg4", "mpeg2") else 0
    rates = ["25", "30000/1001"] + (["variable"] if timed and codec not in ("mpeg2", "mpeg4") else []) + (
        ["1000"] if codec in ("h264", "vp8", "vp9", "mjpeg") and suffix in ("mp4", "mkv", "webm", "mov") else [])
    rate = draw.choice(rates)
    count = draw.randrange(1, 100)
    path = os.path.join(folder, "made%d.%s" % (seed, suffix))
    with av.open(path, "w", format=muxer, options=options) as container:
        base = fractions.Fraction("25" if rate == "variable" else rate)
        stream = container.add_stream(ENCODERS[codec], rate=base, options=encoder_options(codec, gop, b_frames, draw))
        stream.width, stream.height = 96, 64
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        tick = fractions.Fraction(1, 1000) if rate == "variable" else 1 / base
        stream.codec_context.time_base = tick
        pts = 0
        for i in range(count):
            frame = av.VideoFrame.from_ndarray(draw_picture(i), format="rgb24").reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = pts, tick
            pts += draw.choice((20, 33, 40, 100, 250)) if rate == "variable" else 1
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    is_cut = suffix == "mp4" and codec in ("h264", "hevc") and count > 20 and draw.random() < 0.5
    if is_cut:
        cut(path, float(draw.randrange(1, count // 2) / base))
    with av.open(path) as container:
        times = [frame.time for frame in container.decode(container.streams.best("video"))]
    if not timed:
        times = [i / float(base) for i in range(len(times))]
    times = [time - times[0] for time in times]
    # a program stream has only a few times
    rows = clips(path, times, draw, 3, [i / float(base) for i in range(len(times))] if suffix == "mpg" else None)
    return {"file": path, "rows": rows, "kind": "seed %d: %s in %s, %s a second, GOP %s, %d B-frames, %d frames%s" % (
        seed, codec, suffix, rate, gop, b_frames, count, ", cut" if is_cut else "")}


def make_fields(folder):
    """Files of field pictures, and of groups of pictures that refer to a removed one."""
    import av

    draw, made = random.Random(1), []
    whole, cut = bitstreams.groups(2, 4), bitstreams.groups(2, 4, cut=True)
    for codec, suffix, muxer, kinds, paired, kind, options in (
            ("h264", "ts", "mpegts", whole, False, "fields", {}),
            ("h264", "mkv", "matroska", whole, False, "fields", {}),
            ("h264", "mp4", "mp4", whole, True, "fields, two a packet", {}),
            ("mpeg2", "ts", "mpegts", whole, True, "fields, two a packet", {}),
            ("mpeg2", "mp4", "mp4", whole, False, "fields", {}),
            ("mpeg2", "mp4", "mp4", whole, True, "fields, two a packet", {}),
            ("h264", "ts", "mpegts", cut, False, "fields, cut", {"idr": False}),
            ("mpeg2", "ts", "mpegts", cut, True, "fields, cut", {}),
            ("h264", "ts", "mpegts", cut, False, "cut", {"idr": False, "fields": False}),
            ("h264", "mkv", "matroska", cut, False, "cut", {"idr": False, "fields": False}),
            ("h264", "ts", "mpegts", cut, False, "cut, no recovery points", {
                "idr": False, "fields": False, "marked": False}),
            ("h264", "mkv", "matroska", cut[:3] + [("P", place) for place in range(3, 12)], False,
             "cut, no recovery points, no B pictures", {"idr": False, "fields": False, "marked": False}),
            ("h264", "mkv", "matroska", cut[:3] + [("P", place) for place in range(3, 12)], False,
             "cut, right after 3 frames", {"idr": False, "fields": False, "after": 3}),
            ("mpeg2", "ts", "mpegts", cut, False, "cut", {"fields": False}),
            ("mpeg2", "mpg", "vob", cut, False, "cut", {"fields": False}),
            ("mpeg2", "mpg", "vob", cut, False, "cut, closed", {"fields": False, "closed": True})):
        path = os.path.join(folder, "%d.%s" % (len(made), suffix))
        pictures = (bitstreams.h264 if codec == "h264" else bitstreams.mpeg2)(kinds, **options)
        bitstreams.write(path, muxer, {"mpeg2": "mpegvideo"}.get(codec, codec), pictures, together=paired)
        made.append((path, "%s, %s" % (codec, kind)))
    path = os.path.join(folder, "hevc.mkv")
    with av.open(path, "w", format="matroska") as container:
        stream = container.add_stream("libx265", rate=25, options={
            "preset": "veryfast", "x265-params": "keyint=8:bframes=2:interlace=tff:log-level=none"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for i in range(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(draw_picture(i), format="rgb24")))
        container.mux(stream.encode(None))
    made.append((path, "hevc, each field by itself"))
    rows = []
    for path, kind in made:
        with av.open(path) as container:
            times = [frame.time for frame in container.decode(container.streams.best("video"))]
        # a program stream has only a few times
        times = [i / 25 if path.endswith(".mpg") else time - times[0] for i, time in enumerate(times)]
        rows.append({"file": path, "kind": kind, "rows": clips(path, times, draw, 2)})
    print(json.dumps(rows))


def can_encode(codec):
    import av
    try:
        av.Codec(codec, "w")
    except av.codec.codec.UnknownCodecError:
        return False
    return True


def encode(path, codec, options, pix_fmt="yuv420p", count=60, place=lambda i: i, size=(96, 64), draw=None, muxer=None,
           matrix=None):
    """muxer: its options; matrix: number of the colour matrix that is declared"""
    import fractions

    import av

    with av.open(path, "w", options=muxer or {}) as container:
        stream = container.add_stream(ENCODERS.get(codec, codec), rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        if matrix is not None:
            stream.codec_context.colorspace = matrix
        # slices of several threads would increase the size of still scenes
        stream.codec_context.thread_count = 1
        for i in range(count):
            frame = av.VideoFrame.from_ndarray((draw or draw_picture)(i), format="rgb24").reformat(*size, pix_fmt)
            frame.pts, frame.time_base = place(i), fractions.Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def copy_packets(path, copied, first, keep=lambda packet: None):
    """Copies packets from the first one that satisfies `first`; its time becomes zero."""
    import av

    with av.open(path) as source, av.open(copied, "w", options={"avoid_negative_ts": "disabled"}) as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        packets = [packet for packet in source.demux(stream) if packet.dts is not None]
        begin = next(i for i, packet in enumerate(packets) if first(i, packet))
        zero = packets[begin].pts if packets[begin].pts is not None else packets[begin].dts
        for packet in packets[begin:]:
            keep(packet)
            packet.pts, packet.dts, packet.stream = packet.pts - zero, packet.dts - zero, copy
            target.mux(packet)


def drop_out(count, seconds):
    """Returns a function that delays all packets after the first `count`."""
    seen = []

    def keep(packet):
        seen.append(packet)
        if len(seen) > count:
            packet.pts, packet.dts = (time + round(seconds / packet.time_base) for time in (packet.pts, packet.dts))

    return keep


# Duration and start in seconds: the second part after the first one, and before it
PARTS = (((0.8, 0), (1, 1.2)), ((0.6, 1.6), (0.8, 0.2)), ((0.6, 1.6), (0.8, 0.6)))


def edit(path, parts):
    """Replaces an MP4 file's edit list by parts: (duration, start) in seconds."""
    data = bytearray(launch.read(path))
    moov = data.rindex(b"moov")
    at = lambda name: data.index(name, moov)
    number = lambda place: int.from_bytes(data[place:place + 4], "big")
    movie, media, elst = number(at(b"mvhd") + 16), number(at(b"mdhd") + 16), at(b"elst")
    assert number(elst + 8) == 1
    entries = b"".join(struct.pack(">IiI", round(length * movie), round(start * media) + number(elst + 16), 1 << 16)
                       for length, start in parts)
    for box in (moov, at(b"trak"), at(b"edts"), elst):
        data[box - 4:box] = struct.pack(">I", number(box - 4) + len(entries) - 12)
    data[elst + 8:elst + 24] = struct.pack(">I", len(parts)) + entries
    with open(path, "wb") as file:
        file.write(data)


def make_copies(folder):
    """Cut, copied and full-range files, with the expected frames."""
    import av

    draw, made = random.Random(3), []
    path = lambda name: os.path.join(folder, name)

    def show_when_decoded(packet):
        packet.pts = packet.dts

    for codec in ("h264", "hevc"):
        for seconds in (0.4, 1, 1.5):
            made.append(path("%s-%g.mp4" % (codec, seconds)))
            encode(made[-1], codec, encoder_options(codec, 12, 2, draw))
            cut(made[-1], seconds)
    for codec, name in (("h264", "range.mp4"), ("h264", "range.mkv"), ("h264", "range.ts")):
        made.append(path(name))
        encode(made[-1], codec, {"preset": "veryfast"}, "yuvj420p", 20)
    # rows without padding, gray pictures, and chroma without vertical subsampling
    for codec, name, pix_fmt in (("rawvideo", "raw.mkv", "yuv420p"), ("ffv1", "gray.mkv", "gray"),
                                 ("mjpeg", "444.avi", "yuvj444p"), ("mjpeg", "444.mov", "yuvj444p"),
                                 ("mjpeg", "422.mkv", "yuvj422p")):
        made.append(path(name))
        encode(made[-1], codec, {"qmin": "2", "qmax": "2"} if codec == "mjpeg" else {}, pix_fmt, 20, size=(92, 62))
    for codec in ("h264", "hevc", "mpeg4"):
        encode(path(codec + ".mkv"), codec, encoder_options(codec, 12 if codec == "mpeg4" else "open", 3, draw))
    later_key = lambda i, packet: i > 0 and packet.is_keyframe
    for source, name, first in (("h264.mkv", "open.mkv", later_key), ("hevc.mkv", "open-hevc.mkv", later_key),
                                ("hevc.mkv", "mid.mkv", lambda i, packet: i == 5),
                                ("hevc.mkv", "mid.ts", lambda i, packet: i == 6),
                                ("mpeg4.mkv", "open-mpeg4.mkv", later_key), ("mpeg4.mkv", "open-mpeg4.mp4", later_key)):
        made.append(path(name))
        copy_packets(path(source), made[-1], first)
    made.append(path("open.mp4"))
    copy_packets(path("h264.mkv"), made[-1], later_key)
    cut(made[-1], 0.2)
    encode(path("mpeg4.avi"), "mpeg4", encoder_options("mpeg4", 12, 2, draw))
    made.append(path("from-avi.mp4"))
    copy_packets(path("mpeg4.avi"), made[-1], lambda i, packet: True, show_when_decoded)
    made.append(path("interlaced.avi"))
    encode(made[-1], "mpeg4", dict(encoder_options("mpeg4", 12, 2, draw), flags="+ilme+ildct"))
    encode(path("part.mpg"), "mpeg2", encoder_options("mpeg2", 12, 2, draw))
    made.append(path("joined.mpg"))
    with open(made[-1], "wb") as file:
        file.write(launch.read(path("part.mpg")) * 2)
    # a camera with a dropout; the last encoder has presentation times only
    for name, gap in (("gap.ts", 20), ("short-gap.ts", 0.7), ("long-gap.ts", 4000), ("gap-mpeg2.ts", 20)):
        codec, b_frames = ("mpeg2", 0) if "mpeg2" in name else ("h264", 2)
        encode(path(codec + "-12.mkv"), codec, encoder_options(codec, 12, b_frames, draw))
        made.append(path(name))
        copy_packets(path(codec + "-12.mkv"), made[-1], lambda i, packet: True, drop_out(24, gap))
    made.append(path("gap.flv"))
    encode(made[-1], "h264", encoder_options("h264", 12, 2, draw), place=lambda i: i + (500 if i > 30 else 0))
    encode(path("part.ts"), "h264", encoder_options("h264", 12, 2, draw))
    made.append(path("joined.ts"))
    with open(made[-1], "wb") as file:
        file.write(launch.read(path("part.ts")) * 2)
    for name in ("still.avi", "still.mkv", "still.mp4"):
        made.append(path(name))
        encode(made[-1], "mpeg4", encoder_options("mpeg4", 24, 2, draw), draw=lambda i: draw_picture(
            i if i < 12 else max(12, i - 18)))
    for codec in ("h264", "hevc", "mpeg4"):
        for number, order in enumerate(PARTS[:2]):
            made.append(path("parts-%s-%d.mp4" % (codec, number)))
            encode(made[-1], codec, encoder_options(codec, 24, 2, draw))
            edit(made[-1], order)
    rows = []
    for name in made:
        with av.open(name) as container:
            times = [frame.time for frame in container.decode(container.streams.best("video"))]
        # FFmpeg has wrong times
        times = [i / 25 if re.search("from-avi|joined|parts", name) else time - times[0] for i, time in enumerate(times)]
        rows.append({"file": name, "rows": clips(name, times, draw, 3)})
    print(json.dumps(rows))


def make_parts(folder):
    """Files of open groups of pictures, and the same with edit lists."""
    for codec in ("h264", "hevc"):
        whole = os.path.join(folder, codec + ".mp4")
        encode(whole, codec, encoder_options(codec, "open", 2, None))
        for number, order in enumerate(PARTS):
            path = os.path.join(folder, "%s-%d.mp4" % (codec, number))
            shutil.copy(whole, path)
            edit(path, order)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--compare"]:
        print(json.dumps([compare(*one) for one in json.load(sys.stdin)]))
    elif sys.argv[1:2] == ["--make"]:
        print(json.dumps([make(sys.argv[2], int(seed)) for seed in sys.argv[3:]]))
    elif sys.argv[1:2] == ["--fields"]:
        make_fields(sys.argv[2])
    elif sys.argv[1:2] == ["--copies"]:
        make_copies(sys.argv[2])
    elif sys.argv[1:2] == ["--parts"]:
        make_parts(sys.argv[2])
    else:
        launch.main(listed, generated, fields, copies, parts, bare, refused, interlaced, turned, left_out, kept_indices,
                    tracks, pictures)
