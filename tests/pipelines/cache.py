#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Frames with clipcache are the same bits as without it, whatever state the cache is in."""
import os
import random
import re
import signal
import time

import launch

SCALED = "videoconvertscale add-borders=false ! video/x-raw,format=RGB,width=%d,height=32"
SPREAD = "clipsample num-frames=4 frame-interval=0"
DRAWN = "clipsample num-frames=4 frame-interval=2"
CLIPS = 10
KILLS = 20


def videos(folder):
    launch.two_classes(os.path.join(folder, "clips"), CLIPS // 2, frames=12)
    age(os.path.join(folder, "clips"))


def age(top):
    """Sets old modification times: recently changed files are not cached, because another change could have the
    same time."""
    for place, _, names in os.walk(top):
        for name in names:
            os.utime(os.path.join(place, name), (1e9, 1e9 + len(name)))


def line(clip_bin, epochs=3, workers=2, source="clips"):
    return 'clipsrc location=%s num-workers=%d epochs=%d seed=5 clip-bin="%s" ! filesink location=frames.raw' % (
        source, workers, epochs, clip_bin)


def play(folder, clip_bin, **more):
    """The frames, and the number of pictures decoded for them."""
    run = launch.launch(line(clip_bin, **more), folder, GST_DEBUG="videodecoder:6", GST_DEBUG_NO_COLOR="1").fine()
    return (launch.read(os.path.join(folder, "frames.raw")),
            run.err.count("gst_video_decoder_decode_frame:"))


def cached(clip_bin, more="", after=""):
    return "%s ! clipcache location=cache %s%s" % (clip_bin, more, after and " ! " + after)


def packs(folder):
    top = os.path.join(folder, "cache")
    return [os.path.join(top, name) for name in sorted(os.listdir(top)) if name.endswith(".pack")]


def test_bits(folder):
    """Frames are decoded once, and are the same with num-workers 0, 1 and 4"""
    videos(folder)
    small = SPREAD + " ! " + SCALED % 32
    plain, decoded = play(folder, small)
    once = decoded // 3
    for workers in (0, 1, 4):
        frames, decoded = play(folder, cached(small), workers=workers)
        assert frames == plain
        assert decoded == (once if workers == 0 else 0), decoded
    return ["%d pictures decoded in the first epoch of the first run, 0 after it" % once]


def test_random(folder):
    """Random elements behind the cache still differ from epoch to epoch"""
    videos(folder)
    small = SCALED % 32
    after = DRAWN + " ! clipaugment brightness=0.3"
    plain, _ = play(folder, small + " ! " + after)
    assert len(set(plain[i * len(plain) // 3:(i + 1) * len(plain) // 3] for i in range(3))) == 3
    frames, first = play(folder, cached(small, after=after))
    assert frames == plain
    frames, decoded = play(folder, cached(small, after=after))
    assert frames == plain and decoded == 0
    # in front of it, clipaugment would repeat its first draw, so nothing is cached
    before = small + " ! " + DRAWN + " ! clipaugment brightness=0.3"
    frames, decoded = play(folder, cached(before))
    assert frames == plain and decoded > first


def test_keys(folder):
    """Other elements, other properties or another file give other frames"""
    videos(folder)
    for width in (32, 48):
        for sample in (SPREAD, "clipsample num-frames=3 frame-interval=0"):
            small = sample + " ! " + SCALED % width
            plain, _ = play(folder, small, epochs=1)
            for _ in range(2):
                frames, _ = play(folder, cached(small), epochs=1)
                assert frames == plain, small
    one, other = (os.path.join(folder, "clips", "bars", "0%d.mp4" % i) for i in (0, 1))
    changed = launch.read(other)
    with open(one, "wb") as file:
        file.write(changed)
    os.utime(one, (1e9 + 50, 1e9 + 50))
    small = SPREAD + " ! " + SCALED % 32
    plain, once = play(folder, small, epochs=1)
    frames, decoded = play(folder, cached(small), epochs=1)
    assert frames == plain and 0 < decoded < once


def test_sequences(folder):
    """Other orders, repetitions and views of the same frames are cached separately"""
    videos(folder)
    with open(os.path.join(folder, "both.csv"), "w", encoding="utf-8") as file:
        file.writelines("clips/%s/%02d.mp4,%s,%s\n" % (name, i, name, split) for name in ("bars", "ball")
                        for i in range(2) for split in ("train", "val"))
    for sample in ("clipsample num-frames=6 frame-interval=2 frame-rate=24/1",
                   "clipsample num-frames=12 mode=center frame-interval=1 clips-per-video=3"):
        small = sample + " ! " + SCALED % 32
        together = [play(folder, bin, epochs=4, source="both.csv")[0] for bin in (small, cached(small))]
        assert together[0] == together[1], sample
    # elements behind it may need earlier frames, and get the same ones as without it
    small = SCALED % 32
    for after in ("clipdiff ! " + DRAWN, "identity ! " + DRAWN):
        assert play(folder, small + " ! " + after)[0] == play(folder, cached(small, after=after))[0] \
            == play(folder, cached(small, after=after))[0], after
    # caps behind it affect the scaler in front of it
    for ratio in (",pixel-aspect-ratio=1/1", ""):
        line = "videoconvertscale add-borders=true%%s ! video/x-raw,format=RGB,width=32,height=32%s" % ratio
        assert play(folder, line % "", epochs=1)[0] == play(folder, line % " ! clipcache location=cache", epochs=1)[0]


def test_sizes(folder):
    """A clip whose frames change size stays one clip"""
    for first, count, width in ((0, 4, 64), (4, 4, 32)):
        launch.launch("videotestsrc num-buffers=%d ! video/x-raw,format=RGB,width=%d,height=48 ! pngenc ! multifilesink "
                      "index=%d location=pictures/%%d.png" % (count, width, first),
                      os.makedirs(os.path.join(folder, "pictures"), exist_ok=True) or folder).fine()
    age(folder)
    with open(os.path.join(folder, "both.csv"), "w", encoding="utf-8") as file:
        file.write("pictures,x,train\npictures,y,train\npictures,x,val\n")
    for small in ("%s" + SCALED % 32 + " ! clipsample num-frames=6 frame-interval=1",
                  "%sclipsample num-frames=6 frame-interval=1 mode=center ! " + SCALED % 32):
        plain, _ = play(folder, small % "", source="both.csv")
        assert len(plain) == 3 * 3 * 6 * 32 * 32 * 3, len(plain)
        assert play(folder, small % "clipcache location=cache ! ", source="both.csv")[0] == plain, small


def test_outside(folder):
    """Outside of a clip-bin frames only pass through, nothing is written, and one warning is posted"""
    videos(folder)
    line = ("clipsrc location=clips num-workers=4 epochs=3 seed=5 clip-bin=\"" + SCALED % 32 + "\" ! %s" + DRAWN +
            " ! filesink location=frames.raw")
    frames = []
    for between, warnings in (("", 0), ("clipcache location=cache ! ", 1), ("clipcache location=/dev/null/x ! ", 1)):
        run = launch.launch(line % between, folder).fine()
        said = re.findall("WARNING: from element .*stores nothing outside of clipsrc's clip-bin", run.out + run.err)
        run.need(len(said) == warnings, "%d warnings" % len(said))
        frames.append(launch.read(os.path.join(folder, "frames.raw")))
    assert frames[0] == frames[1] == frames[2] and not os.path.exists(os.path.join(folder, "cache"))


def test_kills(folder):
    """Frames stay correct after the cache's writer was killed at 20 moments"""
    videos(folder)
    small = SCALED % 32
    plain, _ = play(folder, small, epochs=1)
    rng = random.Random(4)
    for _ in range(KILLS):
        process = launch.start(line(cached(small), epochs=1), folder)
        time.sleep(rng.uniform(0.05, 0.35))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    for _ in range(2):
        frames, decoded = play(folder, cached(small), epochs=1)
        assert frames == plain
    assert decoded == 0


def test_damaged(folder):
    """A damaged, a truncated and a foreign file are detected and replaced"""
    videos(folder)
    small = SPREAD + " ! " + SCALED % 32
    plain, _ = play(folder, cached(small), epochs=1)
    rng = random.Random(5)
    for kind in ("byte", "cut", "foreign"):
        # files damaged earlier may still exist beside their replacement
        for pack in packs(folder):
            data = bytearray(launch.read(pack))
            if kind == "byte":
                for _ in range(20):
                    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            data = data[:len(data) // 2] if kind == "cut" else b"not a cache" * 5000 if kind == "foreign" else data
            with open(pack, "wb") as file:
                file.write(data)
        frames, first = play(folder, cached(small), epochs=1)
        assert frames == plain and first > 0, kind
        frames, decoded = play(folder, cached(small), epochs=1)
        assert frames == plain and decoded == 0, "%s: %d decoded" % (kind, decoded)


def test_full(folder):
    """A full cache keeps its contents, and frames do not change"""
    videos(folder)
    small = SCALED % 32
    after = DRAWN
    plain, without = play(folder, small + " ! " + after)
    limit = 200000
    for _ in range(2):
        frames, decoded = play(folder, cached(small, "max-size=%d" % limit, after))
        assert frames == plain
        assert sum(os.path.getsize(pack) for pack in packs(folder)) <= limit
    assert 0 < decoded < without, (decoded, without)
    # an unusable location is an error
    with open(os.path.join(folder, "file"), "w", encoding="utf-8"):
        pass
    launch.launch(line("%s ! clipcache location=file" % small, epochs=1), folder).refused("file")


if __name__ == "__main__":
    launch.main(test_bits, test_random, test_keys, test_sequences, test_sizes, test_outside, test_kills, test_damaged, test_full)
