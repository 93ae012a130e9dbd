#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Profiles a training step on a CPU: seconds of each kind of work, the bytes of
activations that it reads and writes, and each convolution's passes with convolution=auto,
direct and winograd, so that auto's choices can be judged. Rounds alternate; medians.

usage: step-times.py BUILD [--model r3d_18] [--batch 2] [--frames 16] [--size 112]
       [--base-width 64] [--precision 32] [--recompute none] [--threads 2] [--rounds 3] [--steps 3]"""
import argparse
import collections
import os
import statistics
import subprocess

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("build")
for name, value in (("model", "r3d_18"), ("precision", "32"), ("recompute", "none")):
    parser.add_argument("--" + name, default=value)
for name, value in (("batch", 2), ("frames", 16), ("size", 112), ("base-width", 64), ("threads", 2), ("rounds", 3),
                    ("steps", 3)):
    parser.add_argument("--" + name, type=int, default=value)
args = parser.parse_args()
ELEMENT = 4 if args.precision == "32" else 2
WAYS = "auto", "direct", "winograd"

Step = collections.namedtuple("Step", "op kind phase clips input output kernel stride residual two")


def numbers(text):
    return [int(n) for n in text.split("x")]


def run(convolution):
    """Yields each step and its milliseconds, run by run; finally None and the update's."""
    options = [f"--{name}={value}" for name, value in vars(args).items() if name in ("model", "precision", "recompute", "batch",
               "frames", "size", "threads")] + [f"--base-width={args.base_width}"]
    out = subprocess.run([os.path.join(args.build, "tests", "parity", "trainer-tool"), "--time", "--convolution", convolution,
                          "--steps", str(args.steps + 1), *options], check=True, capture_output=True, text=True,
                         env={**os.environ, "CNN3D_BACKEND_PATH": os.path.join(args.build, "tests", "bench", "timing")}).stdout
    for line in out.splitlines():
        row = line.split("\t")
        if row[0] == "step":
            yield Step(*row[1:11]), [int(t) / 1000 for t in row[12:]]       # the first run warms up
        elif row[0] == "update":
            yield None, [int(row[1]) / 1000]


times = {way: collections.defaultdict(list) for way in WAYS}
for _ in range(args.rounds):
    for way in WAYS:
        counts = collections.Counter()
        for step, took in run(way):
            key = step and (step, counts[step])     # a layer may run in several slices
            counts[step] += step is not None
            times[way][key] += took
medians = {way: {key: statistics.median(took) for key, took in ways.items()} for way, ways in times.items()}


def tensor_bytes(shape, clips):
    c, d, h, w = numbers(shape)
    return c * d * h * w * clips * ELEMENT


def moved(step):
    """Bytes of activations and gradients, if each loop reads or writes them once"""
    if step.kind not in ("conv", "norm", "max-pool") or step.phase == "update":
        return 0
    i, o = tensor_bytes(step.input, int(step.clips)), tensor_bytes(step.output, int(step.clips))
    if step.kind != "norm":
        return i + o
    if step.phase == "forward":     # sum, deviations; x, residual, y
        return 3 * i + int(step.residual) * i + o
    if step.phase == "recompute":
        return i + int(step.residual) * i + o
    # sums of dy and x, written back if ReLU or a second gradient changed it; dy, x, dx
    return 2 * i + (int(step.residual) or int(step.two)) * i + int(step.two) * i + 3 * i


def group(step):
    if step.kind != "conv":
        return f"{step.kind} {step.phase}"
    if step.kernel == "1x1x1":
        return f"1x1x1 {step.phase}"
    return f"{'stem' if step.op == '1' else 'strided' if step.stride != '1x1x1' else 'stride 1'} {step.phase}"


print(f"{args.model}, {args.batch} clips of {args.frames}x{args.size}x{args.size}, {args.precision}, recompute={args.recompute}, "
      f"{args.threads} threads\n")
print("| work | GB | " + " | ".join(f"{way}, ms" for way in WAYS) + " |\n|---|---|---|---|---|")
rows = collections.defaultdict(lambda: [0, 0, 0])
traffic = collections.Counter()
for n, way in enumerate(WAYS):
    for key, took in medians[way].items():
        name = group(key[0]) if key else "update"
        rows[name][n] += took
        if way == "auto" and key:
            traffic[name] += moved(key[0])
for name, row in sorted(rows.items(), key=lambda item: -item[1][0]):
    print(f"| {name} | {traffic[name] / 1e9:.2f} | " + " | ".join(f"{took:.1f}" for took in row) + " |")
print(f"| all | {sum(traffic.values()) / 1e9:.2f} | " + " | ".join(f"{sum(row[n] for row in rows.values()):.1f}" for n in range(3))
      + " |\n")

print("| convolution | kernel | stride | pass | auto, ms | direct, ms | winograd, ms | lost by auto |\n|---|---|---|---|---|---|---|---|")
layers = collections.defaultdict(lambda: collections.Counter())
for way in WAYS:
    for key, took in medians[way].items():
        if key and key[0].kind == "conv":
            step = key[0]
            layers[step.input, step.output, step.kernel, step.stride, step.phase][way] += took
lost = 0
for (source, output, kernel, stride, phase), ways in layers.items():
    if kernel == "1x1x1" or stride != "1x1x1" or phase == "update":
        continue
    worse = ways["auto"] / min(ways["direct"], ways["winograd"]) - 1
    lost += max(0, ways["auto"] - min(ways["direct"], ways["winograd"]))
    print(f"| {source} to {output} | {kernel} | {stride} | {phase} | " + " | ".join(f"{ways[way]:.1f}" for way in WAYS)
          + f" | {100 * max(0, worse):.0f} % |")
print(f"\nlost by auto's choices: {lost:.1f} ms of {sum(medians['auto'].values()):.1f}")
