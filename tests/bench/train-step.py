#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A whole training step (forward, backward, SGD with momentum) here and in
PyTorch, side by side in one run: same model, batch, threads. Rounds alternate,
so that both see the same machine; the ratio is that of the medians.

usage: train-step.py TRAINER-TOOL [--model r3d_18] [--batch 2] [--frames 16]
       [--size 112] [--threads 2] [--rounds 5] [--steps 3]"""
import argparse
import os
import statistics
import subprocess
import sys
import time

import torch
import torchvision

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "parity"))
from slow_r50 import SlowR50

parser = argparse.ArgumentParser()
parser.add_argument("tool")
parser.add_argument("--model", default="r3d_18")
for name, value in (("batch", 2), ("frames", 16), ("size", 112), ("threads", 2), ("rounds", 5), ("steps", 3)):
    parser.add_argument("--" + name, type=int, default=value)
args = parser.parse_args()

torch.set_num_threads(args.threads)
torch.manual_seed(0)
model = SlowR50() if args.model == "slow_r50" else getattr(torchvision.models.video, args.model)(num_classes=400)
model.train()
sgd = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
x = torch.randn(args.batch, 3, args.frames, args.size, args.size)
y = torch.arange(args.batch) % 400


def torch_step(autocast):
    start = time.perf_counter()
    sgd.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        logits = model(x)
    torch.nn.functional.cross_entropy(logits.float(), y).backward()
    sgd.step()
    return time.perf_counter() - start


def our_steps(precision):
    out = subprocess.run([args.tool, "--time", "--model", args.model, "--precision", precision, "--steps",
                          str(args.steps + 2), "--batch", str(args.batch), "--frames", str(args.frames), "--size",
                          str(args.size), "--threads", str(args.threads)],
                         check=True, capture_output=True, text=True).stdout.split()
    return [float(t) for t in out[2:]]          # the first two warm up


times = {"PyTorch f32": [], "PyTorch bf16": [], "ours f32": [], "ours bf16": []}
torch_step(False), torch_step(True)
for _ in range(args.rounds):
    times["PyTorch f32"] += [torch_step(False) for _ in range(args.steps)]
    times["ours f32"] += our_steps("32")
    times["ours bf16"] += our_steps("bf16-mixed")
    times["PyTorch bf16"] += [torch_step(True) for _ in range(args.steps)]

base = statistics.median(times["PyTorch f32"])
print(f"{args.model}, {args.batch} clips of {args.frames}x{args.size}x{args.size}, {args.threads} threads, "
      f"PyTorch {torch.__version__}")
for name, values in times.items():
    median = statistics.median(values)
    print(f"{name:14}  median {median:.3f} s  (from {min(values):.3f} to {max(values):.3f})  "
          f"{args.batch / median:.2f} clips/s  {base / median:.2f} times PyTorch f32")
