#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What do several processes cost? Compares one with as many threads, which accumulates their batches, with ranks of
one thread each, in clips a second. Rounds alternate, and both train on the same clips.

usage: ranks.py BUILD MANIFEST [--ranks 2] [--batch 2] [--clips 32] [--rounds 3]"""
import argparse
import json
import os
import shlex
import statistics
import subprocess
import tempfile

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("build")
parser.add_argument("manifest")
for name, value in (("ranks", 2), ("batch", 2), ("clips", 32), ("rounds", 3)):
    parser.add_argument("--" + name, type=int, default=value)
args = parser.parse_args()
env = dict(os.environ, GST_PLUGIN_PATH=os.path.join(args.build, "plugins"), OMPI_ALLOW_RUN_AS_ROOT="1",
           OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")


def records(before, accumulate, threads):
    """The log of a run."""
    with tempfile.TemporaryDirectory() as folder:
        line = ('gst-launch-1.0 -q clipsrc location=%s limit-clips=%d num-workers=1 clip-bin="clipsample num-frames=16 ! '
                'videoconvertscale add-borders=false ! video/x-raw,format=RGB,width=112,height=112" ! clipbatch batch-size=%d '
                "! queue max-size-buffers=2 max-size-bytes=0 max-size-time=0 ! cnn3dtrain model=r3d_18 monitor=train-loss "
                "device=cpu progress=false accumulate-grad-batches=%d threads=%d log-dir=%s" % (
                    shlex.quote(args.manifest), args.clips, args.batch, accumulate, threads, folder))
        subprocess.run([*before, *shlex.split(line)], env=env, check=True, stdout=subprocess.DEVNULL)
        with open(os.path.join(folder, "log.jsonl"), encoding="utf-8") as file:
            return [json.loads(row) for row in file]


def rate(log):
    epoch, = (r for r in log if r["event"] == "epoch")
    return epoch["clips"] / epoch["seconds"]


alone, shared, sent = [], [], 0
for _ in range(args.rounds):
    alone.append(rate(records([], args.ranks, args.ranks)))
    log = records(["mpirun", "--bind-to", "none", "-n", str(args.ranks)], 1, 1)
    shared.append(rate(log))
    sent = log[0]["sent-bytes"]
print("r3d_18, %d clips of 16x112x112 a batch, %d rounds" % (args.batch, args.rounds))
print("1 process of %d threads      %.3f clips/s" % (args.ranks, statistics.median(alone)))
print("%d ranks of 1 thread         %.3f clips/s, each sends %.1f MiB a step" % (
    args.ranks, statistics.median(shared), sent / 2**20))
print("ratio, median of rounds     %.3f" % statistics.median(b / a for a, b in zip(alone, shared)))
