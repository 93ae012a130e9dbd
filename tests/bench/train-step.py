#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A whole training step (forward, backward, SGD with momentum) here and in PyTorch, with the same model, batch
and threads. PyTorch is tried in all its modes: contiguous and channels_last_3d, eager and compiled. Rounds
alternate, so that all run under the same conditions; ratios are those of the medians, to PyTorch's best.

usage: train-step.py TRAINER-TOOL [--model r3d_18] [--batch 2] [--frames 16]
                     [--size 112] [--threads 2] [--rounds 5] [--steps 3]
                     [--precisions 32,bf16-mixed] [--convolutions auto,direct] [--eager] [--only TEXT]

Without AVX-512 PyTorch takes hours for bf16: --precisions 32. --eager: not compiled. --only: of PyTorch's modes
only those with this text in their names, such as the fastest of an earlier run."""
import argparse
import os
import statistics
import subprocess
import sys
import time

# --help works without PyTorch
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("tool")
parser.add_argument("--model", default="r3d_18")
for name, value in (("batch", 2), ("frames", 16), ("size", 112), ("threads", 2), ("rounds", 5), ("steps", 3)):
    parser.add_argument("--" + name, type=int, default=value)
parser.add_argument("--precisions", default="32,bf16-mixed")
parser.add_argument("--convolutions", default="auto,direct")
parser.add_argument("--eager", action="store_true")
parser.add_argument("--only", default="")
args = parser.parse_args()

import torch
import torchvision

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "parity"))
from slow_r50 import SlowR50

precisions = args.precisions.split(",")

torch.set_num_threads(args.threads)
x = torch.randn(args.batch, 3, args.frames, args.size, args.size)
y = torch.arange(args.batch) % 400


def torch_way(precision, layout, compiled):
    """A function that runs a step and returns its seconds."""
    torch.manual_seed(0)
    model = SlowR50() if args.model == "slow_r50" else getattr(torchvision.models.video, args.model)(num_classes=400)
    model = model.train().to(memory_format=layout)
    sgd = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    clips = x.contiguous(memory_format=layout)
    forward = torch.compile(model) if compiled else model

    def step():
        start = time.perf_counter()
        sgd.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision != "32"):
            logits = forward(clips)
        torch.nn.functional.cross_entropy(logits.float(), y).backward()
        sgd.step()
        return time.perf_counter() - start
    step()
    return step


def our_way(precision, convolution):
    """A function that runs steps and returns the seconds of each."""
    out = subprocess.run([args.tool, "--time", "--model", args.model, "--precision", precision, "--convolution",
                          convolution, "--steps", str(args.steps + 2), "--batch", str(args.batch), "--frames",
                          str(args.frames), "--size", str(args.size), "--threads", str(args.threads)],
                         check=True, capture_output=True, text=True).stdout.split()
    return [float(t) for t in out[2:]]          # the first two warm up


theirs, ours, times = {}, {}, {}
for precision in precisions:
    for layout in (torch.contiguous_format, torch.channels_last_3d):
        for compiled in (False,) if args.eager else (False, True):
            name = f"PyTorch {precision} {str(layout)[6:]}{' compiled' if compiled else ''}"
            if args.only in name:
                theirs[name] = torch_way(precision, layout, compiled)
    for convolution in args.convolutions.split(","):
        ours[f"ours {precision} {convolution}"] = (precision, convolution)
for _ in range(args.rounds):
    for name, step in theirs.items():
        times.setdefault(name, []).extend(step() for _ in range(args.steps))
    for name, way in ours.items():
        times.setdefault(name, []).extend(our_way(*way))

medians = {name: statistics.median(values) for name, values in times.items()}
best = min(medians[name] for name in theirs)
best_32 = min((medians[name] for name in theirs if name.startswith("PyTorch 32 ")), default=best)
print(f"{args.model}, {args.batch} clips of {args.frames}x{args.size}x{args.size}, {args.threads} threads, "
      f"PyTorch {torch.__version__}")
for name, median in medians.items():
    print(f"{name:44}  median {median:.3f} s  (from {min(times[name]):.3f} to {max(times[name]):.3f})  "
          f"{args.batch / median:.2f} clips/s  {best_32 / median:.2f} times PyTorch's best f32, "
          f"{best / median:.2f} times its best")
