#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clips per second, compared with torchcodec, decoded and scaled to 112x112, with equally many workers and
processes. Rounds alternate, the best of three counts, and only the file system's cache is warm.

    uniform   16 frames, spread evenly over the clip
    window    16 frames at interval 2, at a random position, which both have in common
    cached    as uniform, from the second epoch on, with a clipcache

usage: decode.py BUILD PEER-PYTHON MANIFEST [--workers 2] [--rounds 3]
       decode.py make FOLDER VIDEO...

make writes, for each of H.264 (GOP of 250, two B-frames), HEVC and VP9, 60 clips of 10 s at 854x480 and a
manifest: FOLDER/h264.csv and so on."""
import argparse
import csv
import os
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

SIDE = 112
FRAMES = 16
INTERVAL = 2
LENGTH = (FRAMES - 1) * INTERVAL + 1
ENCODERS = {
    "h264": "x264enc key-int-max=250 bframes=2 ! h264parse ! mp4mux",
    "hevc": "x265enc key-int-max=250 ! h265parse ! mp4mux",
    "vp9": "vp9enc keyframe-max-dist=250 deadline=1 cpu-used=5 threads=2 ! webmmux",
}


def make(folder, videos):
    os.makedirs(folder, exist_ok=True)
    for name, encoder in ENCODERS.items():
        suffix = "webm" if name == "vp9" else "mp4"
        rows = []
        for i, video in enumerate(videos):
            first = os.path.join(folder, "%s_%d_0.%s" % (name, i, suffix))
            subprocess.run(["gst-launch-1.0", "-q", *shlex.split(
                "filesrc location=%s ! decodebin ! videoconvertscale add-borders=false ! videorate ! "
                "video/x-raw,format=I420,width=854,height=480,pixel-aspect-ratio=1/1,framerate=30/1 ! "
                "identity eos-after=301 ! %s ! filesink location=%s" % (shlex.quote(video), encoder, shlex.quote(first)))],
                check=True)
            for copy in range(60 // len(videos)):
                path = first.replace("_0." + suffix, "_%d.%s" % (copy, suffix))
                if copy:
                    shutil.copyfile(first, path)
                rows.append((os.path.basename(path), "ab"[i % 2]))
        with open(os.path.join(folder, name + ".csv"), "w", newline="") as file:
            csv.writer(file).writerows([("path", "label"), *rows])


def read_paths(manifest):
    with open(manifest, newline="") as file:
        rows = list(csv.reader(file))
    column = rows[0].index("path") if "path" in rows[0] else 0
    folder = os.path.dirname(os.path.abspath(manifest))
    return [os.path.join(folder, row[column]) for row in rows["path" in rows[0]:]]


def peer_worker(paths):
    """paths: of each the first frame of a window follows; "": frames over the whole file. Imports and start of its
    process are not counted."""
    import torch
    from torchcodec.decoders import VideoDecoder
    from torchcodec.transforms import Resize
    torch.set_num_threads(1)
    VideoDecoder(paths[0])
    print("ready", flush=True)
    sys.stdin.readline()
    for path, start in zip(paths[::2], paths[1::2]):
        decoder = VideoDecoder(path, transforms=[Resize((SIDE, SIDE))])
        n = decoder.metadata.num_frames
        if start:
            wanted = list(range(int(start), int(start) + LENGTH, INTERVAL))
        else:
            wanted = [round(i * (n - 1) / (FRAMES - 1)) for i in range(FRAMES)]
        frames = decoder.get_frames_at(wanted).data
        assert frames.shape == (FRAMES, 3, SIDE, SIDE)


def peer_windows(paths):
    """Prints a row of a manifest for each path: a window, or the whole of a shorter one."""
    from torchcodec.decoders import VideoDecoder
    rng = random.Random(1)
    for i, path in enumerate(paths):
        n = VideoDecoder(path).metadata.num_frames
        start = rng.randrange(n - LENGTH + 1) if n >= LENGTH else ""
        csv.writer(sys.stdout).writerow([path, "ab"[i % 2], start, start + LENGTH - 1 if n >= LENGTH else ""])


def time_peer(args, placed):
    """placed: path and first frame of each"""
    command = [args.peer, os.path.abspath(__file__), "peer-worker"]
    workers = [subprocess.Popen(command + sum(placed[i::args.workers], []), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                text=True) for i in range(args.workers)]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    start = time.perf_counter()
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        assert worker.wait() == 0
    return len(placed) / (time.perf_counter() - start)


def time_ours(args, manifest, interval, paths, epochs=1, cache=""):
    """Counted from the start of the process to the last frame."""
    line = ('clipsrc location=%s num-workers=%d epochs=%d on-error=stop index-location=\'""\' clip-bin="clipsample num-frames=%d frame-interval=%d ! '
            'videoconvertscale add-borders=false ! video/x-raw,format=RGB,width=%d,height=%d%s" ! clipbatch batch-size=4 ! '
            'fakesink' % (shlex.quote(manifest), args.workers, epochs, FRAMES, interval, SIDE, SIDE, cache))
    env = dict(os.environ, GST_PLUGIN_PATH=os.path.join(args.build, "plugins"))
    start = time.perf_counter()
    subprocess.run(["gst-launch-1.0", "-q", *shlex.split(line)], env=env, check=True)
    return epochs * len(paths) / (time.perf_counter() - start)


def time_cached(args, paths, epochs=20):
    """As a process that finds the cache filled: no epoch decodes."""
    with tempfile.TemporaryDirectory() as folder:
        cache = " ! clipcache location=" + shlex.quote(folder)
        time_ours(args, args.manifest, 0, paths, 1, cache)
        return time_ours(args, args.manifest, 0, paths, epochs, cache)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("peer")
    parser.add_argument("manifest")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    paths = read_paths(args.manifest)
    windows = subprocess.run([args.peer, os.path.abspath(__file__), "peer-windows", *paths], stdout=subprocess.PIPE,
                             text=True, check=True).stdout
    placed = [[row[0], row[2]] for row in csv.reader(windows.splitlines())]
    for sampling in ("uniform", "window", "cached"):
        ours, peers = [], []
        for _ in range(args.rounds):
            if sampling == "cached":
                ours.append(time_cached(args, paths))
            elif sampling == "window":
                with tempfile.NamedTemporaryFile("w", suffix=".csv") as manifest:
                    manifest.write("path,label,start_frame,end_frame\n" + windows)
                    manifest.flush()
                    ours.append(time_ours(args, manifest.name, INTERVAL, paths))
            else:
                ours.append(time_ours(args, args.manifest, 0, paths))
            peers.append(time_peer(args, placed if sampling == "window" else [[path, ""] for path in paths]))
        print("%s, %d clips, %s: %.1f clips/s, torchcodec %.1f, ratio %.2f" % (
            os.path.basename(args.manifest), len(paths), sampling, max(ours), max(peers), max(ours) / max(peers)),
            flush=True)


if sys.argv[1:2] == ["make"]:
    make(sys.argv[2], sys.argv[3:])
elif sys.argv[1:2] == ["peer-worker"]:
    peer_worker(sys.argv[2:])
elif sys.argv[1:2] == ["peer-windows"]:
    peer_windows(sys.argv[2:])
else:
    main()
