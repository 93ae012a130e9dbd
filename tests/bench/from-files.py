#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Is decoding hidden behind training? Compares a step from real files with one from memory. The expected time
is the step from memory plus the decoders' own CPU time, shared over the cores; the ratio is the real time
over this. Rounds alternate.

usage: from-files.py BUILD MANIFEST [--batch 2] [--clips 40] [--workers 2]
                     [--rounds 2] [--precision 32]"""
import argparse
import os
import resource
import shlex
import statistics
import subprocess
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("build")
parser.add_argument("manifest")
parser.add_argument("--precision", default="32")
for name, value in (("batch", 2), ("clips", 40), ("workers", 2), ("rounds", 2)):
    parser.add_argument("--" + name, type=int, default=value)
args = parser.parse_args()
cores = len(os.sched_getaffinity(0))
env = dict(os.environ, GST_PLUGIN_PATH=os.path.join(args.build, "plugins"))


def source(clips):
    return ('clipsrc location=%s num-workers=%d limit-clips=%d clip-bin="clipsample num-frames=16 frame-interval=2 ! '
            'videoconvertscale add-borders=false ! video/x-raw,format=RGB,width=112,height=112" ! clipbatch batch-size=%d '
            % (args.manifest, args.workers, clips, args.batch))


def cpu_seconds(line):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["gst-launch-1.0", "-q", *shlex.split(line)], env=env, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def from_memory():
    out = subprocess.run([os.path.join(args.build, "tests/parity/trainer-tool"), "--time", "--steps", "10", "--batch",
                          str(args.batch), "--precision", args.precision, "--threads", str(cores)],
                         check=True, capture_output=True, text=True).stdout.split()
    return [float(t) for t in out[2:]]


def from_files():
    line = source(args.clips) + ("! queue max-size-buffers=2 max-size-bytes=0 max-size-time=0 ! "
                                 "cnn3dtrain model=r3d_18 progress=false precision=" + args.precision)
    process = subprocess.Popen(["gst-launch-1.0", "-m", *shlex.split(line)], env=env, stdout=subprocess.PIPE, text=True)
    steps = [time.perf_counter() for text in process.stdout if "cnn3dtrain-step," in text]
    assert process.wait() == 0
    # the first two warm up; the last ones find their clips already decoded
    return (steps[-1] - steps[1]) / (len(steps) - 2)


memory, files, decode = [], [], []
for _ in range(args.rounds):
    memory += from_memory()
    files.append(from_files())
    whole, start = (cpu_seconds(source(n) + "! fakesink") for n in (args.clips, 4))
    decode.append((whole - start) / (args.clips - 4))
step = statistics.median(memory)
share = statistics.median(decode) * args.batch / cores
bound = step + share
took = statistics.median(files)
print("r3d_18, %d clips of 16x112x112 a step, %s, %d cores, %d workers" % (args.batch, args.precision, cores, args.workers))
print("step from memory                     %.3f s" % step)
print("decoding, CPU a clip                 %.4f s; a step's share a core: %.4f s" % (statistics.median(decode), share))
print("step from files                      %.3f s" % took)
print("from files / (from memory + share)   %.3f" % (took / bound))
