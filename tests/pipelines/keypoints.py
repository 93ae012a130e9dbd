#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Key points stay on their objects under all transformations of frames, and equal NumPy's values from the
files.

The child, which has NumPy: keypoints.py --make FOLDER
                            keypoints.py --formats FOLDER
                            keypoints.py --pickle FOLDER
                            keypoints.py --check RAW FRAMES WIDTH HEIGHT ASPECT
                            keypoints.py --expect RAW FRAMES WIDTH HEIGHT FOLDER EXPRESSION"""
import os
import re
import shutil
import struct
import subprocess
import sys

import launch

# A red dot to the left of a green one, in videos of this size
WIDTH, HEIGHT, FRAMES, RATE = 96, 64, 40, 20
VIDEOS = 4
# points of a person: the middle between the dots, and the dots; persons per frame
POINTS, PERSONS = 3, 2
# maximum distance of a dot's centre from its point, in pixels of the scaled frame
NEAR = 0.75

KPT = "clipkpt skeleton=custom:3 pairs=1-2"
SPREAD = "clipsample num-frames=8 mode=uniform"
SCALED = "videoconvertscale add-borders=false ! video/x-raw,format=RGB,width=%d,height=%d"


def child(python, *words):
    run = subprocess.run([python, os.path.abspath(__file__), *map(str, words)], check=False, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert run.returncode == 0, "%s\n%s%s" % (" ".join(map(str, words)), run.stdout, run.stderr)
    return run.stdout.strip()


def videos(folder):
    """Creates FOLDER/N.mp4 with FOLDER/poses/N.npy, and list.csv; returns a Python with NumPy"""
    python = launch.peer("numpy")
    child(python, "--make", folder)
    branches = ["filesrc location=%s ! rawvideoparse format=rgb width=%d height=%d framerate=%d/1 ! videoconvert "
                "! video/x-raw,format=Y444 ! x264enc quantizer=1 pass=quant key-int-max=10 threads=1 ! mp4mux ! "
                "filesink location=%s" % (launch.gst_quote(os.path.join(folder, "%d.rgb" % i)), WIDTH, HEIGHT, RATE,
                                          launch.gst_quote(os.path.join(folder, "%d.mp4" % i))) for i in range(VIDEOS)]
    launch.launch(" ".join(branches), options="-q").fine()
    with open(os.path.join(folder, "list.csv"), "w", encoding="utf-8") as file:
        file.write("path,label\n" + "".join("%d.mp4,%s\n" % (i, "ab"[i % 2]) for i in range(VIDEOS)))
    return python


def batches(folder, clip_bin, workers=0, epochs=1, source="keypoints-root=poses"):
    """A run that writes batches of one clip (frames, labels and key points) to batches.raw"""
    return launch.launch('clipsrc location=list.csv %s seed=7 epochs=%d num-workers=%d passes=train clip-bin="%s" ! '
                         'clipbatch batch-size=1 ! filesink location=batches.raw' % (source, epochs, workers, clip_bin), folder)


def near(python, folder, clip_bin, width, height, frames=8, aspect=WIDTH / HEIGHT, **more):
    """The largest distance of points from their dots, and how many were mirrored or cut off"""
    batches(folder, clip_bin, **more).fine()
    return child(python, "--check", os.path.join(folder, "batches.raw"), frames, width, height, aspect)


def test_places(folder):
    """Points lie on their dots: sampled at random, evenly and by time, scaled, with borders, cropped and mirrored"""
    python = videos(folder)
    small = SCALED % (60, 40)
    square = "videoconvertscale ! video/x-raw,format=RGB,width=56,height=56,pixel-aspect-ratio=1/1"
    lines = {
        "evenly": "%s ! %s ! %s" % (SPREAD, KPT, SCALED % (WIDTH, HEIGHT)),
        "scaled": "%s ! %s ! %s" % (SPREAD, KPT, small),
        "behind the scaler": "%s ! %s ! %s" % (SPREAD, small, KPT),
        "before the sampler": "%s ! %s ! %s" % (KPT, SPREAD, small),
        "at random": "clipsample num-frames=8 frame-interval=3 ! %s ! %s" % (KPT, small),
        "by time": "clipsample num-frames=8 frame-rate=7/1 frame-interval=1 ! %s ! %s" % (KPT, small),
        "longer than the clip": "clipsample num-frames=8 frame-interval=9 ! %s ! %s" % (KPT, small),
        "mirrored": "%s ! %s ! %s ! clipaugment scale-min=1 ratio-min=1 ratio-max=1 flip=1" % (SPREAD, KPT, small),
        "cropped": "%s ! %s ! %s ! clipaugment scale-min=0.3 flip=0.5" % (SPREAD, KPT, small),
        "cropped, then scaled": "%s ! %s ! %s ! clipaugment scale-min=0.5 ! %s" % (
            SPREAD, KPT, SCALED % (WIDTH, HEIGHT), small),
        "cached": "%s ! %s ! clipcache location=cache ! %s" % (SPREAD, small, KPT),
        "cached, then sampled": "%s ! clipcache location=cache ! clipsample num-frames=8 frame-interval=2 ! %s" % (small, KPT),
    }
    notes = []
    for name, line in lines.items():
        notes.append("%s: %s" % (name, near(python, folder, line, 60 if "60" in line else WIDTH, 40 if "60" in line else HEIGHT,
                                            epochs=2)))
    for name, line in (("with borders", "%s ! %s ! %s" % (SPREAD, KPT, square)),
                       ("behind borders", "%s ! %s ! %s" % (SPREAD, square, KPT))):
        notes.append("%s: %s" % (name, near(python, folder, line, 56, 56, aspect=1)))
    assert any("8 mirrored" in note or "64 mirrored" in note for note in notes), notes
    return notes


def test_numpy(folder):
    """Points equal the arrays' rows to the bit, with any number of workers; without clipkpt nothing changes"""
    python = videos(folder)
    small = SCALED % (30, 20)
    line = "%s ! %s ! %s" % (SPREAD, KPT, small)
    batches(folder, line, epochs=2).fine()
    whole = launch.read(os.path.join(folder, "batches.raw"))
    notes = [child(python, "--expect", os.path.join(folder, "batches.raw"), 8, 30, 20, folder,
                   "numpy.rint(numpy.linspace(0, 39, 8)).astype(int)")]
    for workers in (1, 4):
        batches(folder, line, workers=workers, epochs=2).fine()
        assert launch.read(os.path.join(folder, "batches.raw")) == whole, workers
    # the frames and the label of each batch, as without key points
    plain = "%s ! %s" % (SPREAD, small)
    without = []
    for source in ("keypoints-root=poses", ""):
        batches(folder, plain, source=source).fine()
        without.append(launch.read(os.path.join(folder, "batches.raw")))
    clip = 8 * 30 * 20 * 3 + 4
    points = 8 * PERSONS * POINTS * 3 * 4
    assert without[0] == without[1] and len(without[0]) == VIDEOS * clip
    for i in range(VIDEOS):
        assert whole[i * (clip + points):][:clip] == without[0][i * clip:][:clip], i
    return notes


def test_skipped(folder):
    """A clip with missing or invalid key points is skipped, with the reason"""
    videos(folder)
    line = "%s ! %s ! %s" % (SPREAD, KPT, SCALED % (30, 20))
    os.unlink(os.path.join(folder, "poses", "1.npy"))
    with open(os.path.join(folder, "poses", "2.npy"), "r+b") as file:
        file.truncate(500)
    run = batches(folder, line).fine()
    reasons = sorted((os.path.basename(m["path"]), m["reason"]) for m in run.messages("clipsrc-skipped"))
    assert [path for path, _ in reasons] == ["1.mp4", "2.mp4"], reasons
    assert "clipkpt: key points poses/1.npy: No such file or directory" in reasons[0][1], reasons
    assert "its header declares 1440 bytes of data, but there are 372" in reasons[1][1], reasons
    # no key points are configured
    run = batches(folder, line, source="")
    run.refused("No clip of the training pass could be read, all 4 were skipped", "the clip has no key points")
    for wrong, reason in (("%s ! clipaugment ! %s", "put clipkpt before it"), ("%s ! videocrop ! %s", "put clipkpt before it")):
        batches(folder, wrong % (SCALED % (30, 20), KPT)).refused(reason)
    batches(folder, "%s ! clipcache location=cache" % line).refused("put clipkpt after it")
    batches(folder, line.replace("skeleton=custom:3 pairs=1-2", "")).refused("no known skeleton has 3 points")
    return ["%s: %s" % reason for reason in reasons]


def test_formats(folder):
    """All formats give the same bits as NumPy's arrays"""
    python = videos(folder)
    child(python, "--formats", folder)
    line = "%s ! clipkpt skeleton=custom:3 %%s ! %s" % (SPREAD, SCALED % (30, 20))
    batches(folder, line % "", source="keypoints-root=poses").fine()
    whole = launch.read(os.path.join(folder, "batches.raw"))
    formats = {
        "float64, big-endian, Fortran order": ("f8.npy", ""), "float16": ("f2.npy", ""), "without persons": ("one.npy", ""),
        "an archive": ("stored.npz", ""), "a compressed archive": ("packed.npz", ""), "an archive with times": ("times.npz", ""),
        "parts of the picture": ("parts.npy", ""), "parts, said so": ("parts.npy", "coordinates=normalized"),
        "another size": ("half.npz", ""),
        "COCO's results": ("coco.json", ""), "AlphaPose": ("alphapose.json", ""), "from 1": ("one.json", "first-frame=1"),
        "a data set of COCO's": ("dataset.json", ""), "MMPose": ("mmpose.json", ""), "OpenPose": ("openpose", ""),
        "a table": ("table.csv", ""), "a table by time": ("times.csv", ""),
    }
    for name, (ending, properties) in formats.items():
        run = batches(folder, line % properties,
                      source="keypoints-root=. keypoints-pattern={dir}/formats/{stem}.%s" % ending).fine()
        run.need(launch.read(os.path.join(folder, "batches.raw")) == whole, name)
    return ["%d formats" % len(formats)]


def test_inferred(folder):
    """cnn3dinfer scales frames and moves their key points as in training: its results on the frames of clips are
    cnn3deval's, to the last digit"""
    videos(folder)
    sampled = "clipsample num-frames=8 frame-interval=2 ! %s persons=1"
    caps = "video/x-raw,format=RGB,width=32,height=32,pixel-aspect-ratio=1/1"
    source = 'clipsrc location=list.csv keypoints-root=poses %s num-workers=1 clip-bin="%s"'
    compared = 0
    for kpt, scaler, network in ((KPT, "add-borders=true", "model=r3d_18 input-type=rgb+kpt fusion=late"),
                                 (KPT + " compact=true", "add-borders=false", "model=posec3d_slowonly input-type=kpt")):
        clip_bin = sampled % kpt
        batched = source % ("%s", "%s ! videoconvertscale %s ! %s" % (clip_bin, scaler, caps)) + " ! clipbatch batch-size=4 ! "
        launch.launch(batched % "seed=1" + "cnn3dtrain %s base-width=4 heatmap-size=16 threads=1 monitor=train-loss "
                      "checkpoint-dir=run" % network, folder).fine()
        model = "model=run/best.safetensors threads=1"
        launch.launch(batched % "passes=test" + "cnn3deval %s output-dir=test" % model, folder).fine()
        with open(os.path.join(folder, "test", "predictions.csv"), encoding="utf-8") as file:
            wanted = [[float(value) for value in row.split(",")[4:]] for row in file.read().splitlines()[1:]]
        run = launch.launch(source % ("passes=test", clip_bin) + " ! cnn3dinfer %s frame-interval=1 drop=false ! fakesink" % model,
                            folder).fine()
        got = [[float(value) for value in re.search("<(.*)>", m["probability-list"]).group(1).split(",")]
               for m in run.messages("cnn3dinfer-result")]
        run.need(got == wanted, "%s instead of %s" % (got, wanted))
        run.need("WARNING" not in run.out + run.err, "a warning")
        compared += len(got)
        shutil.rmtree(os.path.join(folder, "run"))
        shutil.rmtree(os.path.join(folder, "test"))
    return ["%d results" % compared]


def test_rotated(folder):
    """For a rotated video, key points refer to the displayed picture"""
    python = videos(folder)
    for i in range(VIDEOS):
        path = os.path.join(folder, "%d.mp4" % i)
        launch.launch("filesrc location=%s ! rawvideoparse format=rgb width=%d height=%d framerate=%d/1 ! videoflip "
                      "video-direction=90l ! videoconvert ! video/x-raw,format=Y444 ! x264enc quantizer=1 pass=quant ! "
                      "mp4mux ! filesink location=%s" % (launch.gst_quote(os.path.join(folder, "%d.rgb" % i)), WIDTH, HEIGHT,
                                                         RATE, launch.gst_quote(path)), options="-q").fine()
        data = bytearray(launch.read(path))
        # the track's matrix: rotated by 90 degrees to the right
        at = data.index(b"tkhd") + 44
        data[at:at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
        with open(path, "wb") as file:
            file.write(data)
    return [near(python, folder, "%s ! %s ! %s" % (SPREAD, KPT, SCALED % (60, 40)), 60, 40),
            near(python, folder, "%s ! %s ! %s" % (SPREAD, SCALED % (60, 40), KPT), 60, 40)]


def test_pickles(folder):
    """SAM 3D Body's pickles are rejected, and can be read after conversion"""
    python = videos(folder)
    child(python, "--pickle", folder)
    line = "%s ! clipkpt persons=3 ! %s" % (SPREAD, SCALED % (30, 20))
    for i in range(VIDEOS):
        os.rename(os.path.join(folder, "%d.npz" % i), os.path.join(folder, "poses", "%d.npy" % i))
    batches(folder, line).refused("it is a NumPy array of Python objects")
    for i in range(VIDEOS):
        path = os.path.join(folder, "poses", "%d.npy" % i)
        done = subprocess.run([python, os.path.join(launch.HERE, "sam3dbody.py"), path, path[:-1] + "z.npy"], check=False,
                              stderr=subprocess.PIPE, text=True)
        assert done.returncode == 0, done.stderr
        os.rename(path[:-1] + "z.npy", path)
    batches(folder, line).fine()
    size = 8 * 30 * 20 * 3 + 4 + 8 * 3 * 70 * 3 * 4
    assert len(launch.read(os.path.join(folder, "batches.raw"))) == VIDEOS * size


def formats(folder):
    import json
    import numpy
    os.makedirs(os.path.join(folder, "formats"))
    for i in range(VIDEOS):
        path = lambda ending: os.path.join(folder, "formats", "%d.%s" % (i, ending))
        points = numpy.load(os.path.join(folder, "poses", "%d.npy" % i))
        # scores that all formats can represent
        points[..., 2] = numpy.float16(points[..., 2])
        numpy.save(os.path.join(folder, "poses", "%d.npy" % i), points)
        numpy.save(path("f8.npy"), numpy.asfortranarray(points.astype(">f8")))
        numpy.save(path("f2.npy"), points.astype(numpy.float16))
        numpy.save(path("one.npy"), points[:, 0])
        numpy.savez(path("stored.npz"), keypoints=points)
        numpy.savez_compressed(path("packed.npz"), keypoint=points[..., :2], keypoint_score=points[..., 2], other="text")
        numpy.savez(path("times.npz"), kpts=points, times=numpy.arange(FRAMES) / RATE)
        parts = points.astype(numpy.float64) / [WIDTH, HEIGHT, 1]
        numpy.save(path("parts.npy"), parts)
        numpy.savez(path("half.npz"), keypoints=points * [0.5, 0.5, 1], width=WIDTH // 2, height=HEIGHT // 2)
        dump = lambda ending, document: json.dump(document, open(path(ending), "w", encoding="utf-8"))
        flat = [[float(v) for v in points[t, 0].flatten()] for t in range(FRAMES)]
        # not in frame order
        order = sorted(range(FRAMES), key=lambda t: t * 7 % FRAMES)
        dump("coco.json", [{"image_id": t, "category_id": 1, "keypoints": flat[t], "score": 0.5} for t in order])
        dump("alphapose.json", [{"image_id": "%d.jpg" % t, "category_id": 1, "keypoints": flat[t], "score": 2.5,
                                 "box": [1.0, 2.0, 3.0, 4.0], "idx": 1} for t in order])
        dump("one.json", [{"image_id": "%06d.png" % (t + 1), "keypoints": flat[t]} for t in order])
        dump("dataset.json", {"images": [{"id": 1000 + t, "file_name": "v/%05d.jpg" % t, "width": WIDTH, "height": HEIGHT}
                                         for t in order],
                              "annotations": [{"id": t, "image_id": 1000 + t, "keypoints": flat[t]} for t in order]})
        dump("mmpose.json", {"meta_info": {}, "instance_info": [
            {"frame_id": t + 1, "instances": [{"keypoints": points[t, 0, :, :2].tolist(),
                                               "keypoint_scores": points[t, 0, :, 2].tolist()}]} for t in range(FRAMES)]})
        os.makedirs(path("openpose"))
        for t in range(FRAMES):
            dump("openpose/%d_%012d_keypoints.json" % (i, t), {
                "version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": flat[t]}]})
        for ending, first, at in (("table.csv", "frame", lambda t: t), ("times.csv", "time", lambda t: t / RATE)):
            with open(path(ending), "w", encoding="utf-8") as file:
                file.write("%s,person,point,x,y,score\n" % first)
                file.writelines("%r,0,%d,%r,%r,%r\n" % (at(t), k, *map(float, points[t, 0, k]))
                                for t in order for k in range(POINTS))


def pickles(folder):
    import numpy
    for i in range(VIDEOS):
        frames = numpy.empty(FRAMES, object)
        for t in range(FRAMES):
            frames[t] = [{"pred_keypoints_2d": numpy.random.default_rng(t).uniform(0, HEIGHT, (70, 2)), "bbox": [0, 0, 1, 1]}
                         for _ in range(t % 3)]
        numpy.savez(os.path.join(folder, "%d.npz" % i), frames=frames)


def make(folder):
    import numpy
    os.makedirs(os.path.join(folder, "poses"))
    for video in range(VIDEOS):
        pictures = numpy.zeros((FRAMES, HEIGHT, WIDTH, 3), numpy.uint8) + 60
        points = numpy.zeros((FRAMES, 1, POINTS, 3), numpy.float32)
        for t in range(FRAMES):
            x, y = 10 + (t * (3 + video)) % 50, 8 + (t * (2 + video)) % 44
            points[t, 0] = (x + 10, y, 0.5), (x, y, 0.9), (x + 20, y, 0.8)
            for k in (1, 2):
                left = int(points[t, 0, k, 0])
                pictures[t, y - 4:y + 4, left - 4:left + 4] = 255 * (k == 1), 255 * (k == 2), 0
        with open(os.path.join(folder, "%d.rgb" % video), "wb") as file:
            file.write(pictures.tobytes())
        numpy.save(os.path.join(folder, "poses", "%d.npy" % video), points)


def load(raw, frames, width, height):
    """(clips, frames, height, width, 3) bytes, (clips, frames, persons, points, 3) floats"""
    import numpy
    data = numpy.fromfile(raw, numpy.uint8)
    size = frames * width * height * 3
    points = frames * PERSONS * POINTS * 3 * 4
    data = data.reshape(-1, size + 4 + points)
    return (data[:, :size].reshape(-1, frames, height, width, 3),
            numpy.ascontiguousarray(data[:, size + 4:]).view(numpy.float32).reshape(-1, frames, PERSONS, POINTS, 3))


def check(raw, frames, width, height, aspect):
    import numpy
    pictures, points = load(raw, frames, width, height)
    assert len(pictures) >= VIDEOS and not points[:, :, 1].any(), points.shape
    assert abs(aspect - width / height) < 0.2
    worst, mirrored, lost = 0.0, 0, 0
    for picture, point in zip(pictures.reshape(-1, height, width, 3).astype(float), points[:, :, 0].reshape(-1, POINTS, 3)):
        middles = []
        for channel, other in ((0, 1), (1, 0)):
            weight = numpy.clip(picture[..., channel] - picture[..., other] - 100, 0, None)
            ys, xs = numpy.nonzero(weight)
            # a dot cut off by the frame's edge has no centre
            whole = len(xs) and xs.min() > 1 and ys.min() > 1 and xs.max() < width - 2 and ys.max() < height - 2
            middles.append(((weight.sum(0) * (numpy.arange(width) + 0.5)).sum() / weight.sum(),
                            (weight.sum(1) * (numpy.arange(height) + 0.5)).sum() / weight.sum()) if whole else None)
        flipped = bool(middles[0] and middles[1] and middles[0][0] > middles[1][0])
        mirrored += flipped
        lost += int((point[1:, 2] == 0).sum())
        if not (middles[0] and middles[1]):
            continue
        assert (point[:, 2] > 0).all(), point
        for k in (1, 2):
            at = middles[(k - 1) ^ flipped]
            worst = max(worst, abs(point[k, 0] * width - at[0]), abs(point[k, 1] * height - at[1]))
            # scores are swapped, too
            assert abs(point[k, 2] - (0.9 if (k == 1) ^ flipped else 0.8)) < 1e-6, point
        assert abs(point[0, 0] - (point[1, 0] + point[2, 0]) / 2) < 1e-5
    assert worst < NEAR, worst
    print("%.2f px, %d mirrored, %d cut off, of %d frames" % (worst, mirrored, lost, len(points) * frames))


def expect(raw, frames, width, height, folder, rows):
    import numpy
    _, points = load(raw, frames, width, height)
    rows = eval(rows)
    files = [numpy.load(os.path.join(folder, "poses", "%d.npy" % i))[rows, 0] / numpy.array(
        [WIDTH, HEIGHT, 1], numpy.float64) for i in range(VIDEOS)]
    found = set()
    for clip in points:
        same = [i for i, file in enumerate(files) if numpy.array_equal(clip[:, 0], file.astype(numpy.float32))]
        assert len(same) == 1, (same, clip[:, 0, 1], files[0][:, 1])
        found.add(same[0])
    assert len(found) == VIDEOS
    print("%d clips of %d frames, bit by bit" % (len(points), frames))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        make(sys.argv[2])
    elif sys.argv[1:2] == ["--formats"]:
        formats(sys.argv[2])
    elif sys.argv[1:2] == ["--pickle"]:
        pickles(sys.argv[2])
    elif sys.argv[1:2] == ["--check"]:
        check(sys.argv[2], *map(int, sys.argv[3:6]), float(sys.argv[6]))
    elif sys.argv[1:2] == ["--expect"]:
        expect(sys.argv[2], *map(int, sys.argv[3:6]), *sys.argv[6:])
    else:
        launch.main(test_places, test_inferred, test_rotated, test_numpy, test_formats, test_pickles, test_skipped)
