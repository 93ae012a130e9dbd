#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Memory and time of training, measured on this machine's CPU.

  memory.py torch TRAINER-TOOL    growth of the process compared with PyTorch's, and
                                  the step's time, for recompute none, bn, block
  memory.py ways TRAINER-TOOL     effect of each way to save memory: growth and
                                  clips/s, for r3d_18 and slow_r50
  memory.py gpus CNN3D            the same by plan, for each GPU in configs/gpus

Growth is the peak resident size (VmHWM) minus the resident size before the setup
of training, each in a process of its own. Tables are Markdown. Options: [--batch 8] [--rounds 2] [--steps 3] [--threads 2]
[--base-width 64]"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
MIB = 1 << 20

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("what", choices=["torch", "ways", "gpus", "torch-child"])
parser.add_argument("tool")
parser.add_argument("--precision", default="32")
for name, value in (("batch", 8), ("rounds", 2), ("steps", 3), ("threads", 2), ("base-width", 64)):
    parser.add_argument("--" + name, type=int, default=value)
args = parser.parse_args()


def status(line):
    with open("/proc/self/status") as f:
        return next(int(row.split()[1]) * 1024 for row in f if row.startswith(line))


def torch_child():
    """Prints the growth of PyTorch's process, and seconds of each step."""
    import torch
    sys.path.insert(0, os.path.join(os.path.dirname(HERE), "parity"))
    import resnet18
    torch.set_num_threads(args.threads)
    x = torch.randn(args.batch, 3, 16, 112, 112)
    y = torch.arange(args.batch) % 400
    before = status("VmRSS")
    model = resnet18.ResNet18("r3d_18", 400, args.base_width)
    sgd = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    for _ in range(args.steps + 1):
        start = time.perf_counter()
        sgd.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=args.precision != "32"):
            logits = model(x)
        torch.nn.functional.cross_entropy(logits.float(), y).backward()
        sgd.step()
        print(time.perf_counter() - start)
    print(status("VmHWM") - before)


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")


def torch_run(precision):
    out = run(sys.executable, os.path.abspath(__file__), "torch-child", args.tool, "--precision", precision, "--batch",
              str(args.batch), "--steps", str(args.steps), "--threads", str(args.threads), "--base-width",
              str(args.base_width))
    numbers = [float(line) for line in out if line]
    return numbers[-1], numbers[1:-1]           # the first step warms up


def our_run(precision, batch, accumulate=1, recompute="none", model="r3d_18", frames=16, size=112, width=64):
    """Growth, predicted bytes, seconds of each step."""
    out = run(args.tool, "--time", "--memory", "--model", model, "--precision", precision, "--batch", str(batch),
              "--accumulate", str(accumulate), "--recompute", recompute, "--frames", str(frames), "--size", str(size), "--base-width", str(width),
              "--steps", str(args.steps + 1), "--threads", str(args.threads), "--lr", "0.001")
    words = out[-2].split()
    values = dict(zip(words[::2], words[1::2]))
    return int(values["grown"]), int(values["total"]), [float(line) for line in out[1:-2]]


def beside_torch():
    print(f"r3d_18, {args.batch} clips of 16x112x112, SGD with momentum, {args.threads} threads; medians of "
          f"{args.rounds * args.steps} steps\n")
    print("| | growth, MiB | of PyTorch's | predicted, MiB | growth / predicted | seconds a step | of none's |")
    print("|---|---|---|---|---|---|---|")
    for precision in ("32", "bf16-mixed"):
        ways = {"PyTorch": ([], [], []), "none": ([], [], []), "bn": ([], [], []), "block": ([], [], [])}
        for _ in range(args.rounds):
            for way, (grown, total, seconds) in ways.items():
                if way == "PyTorch":
                    g, s = torch_run(precision)
                    t = 0
                else:
                    g, t, s = our_run(precision, args.batch, recompute=way, width=args.base_width)
                grown.append(g)
                total.append(t)
                seconds += s
        base = statistics.median(ways["PyTorch"][0])
        none = statistics.median(ways["none"][2])
        for way, (grown, total, seconds) in ways.items():
            g, t, s = (statistics.median(v) for v in (grown, total, seconds))
            print(f"| {precision}, {way} | {g / MIB:.0f} | {g / base:.1%} | {t / MIB:.0f} | "
                  f"{format(g / t, '.3f') if t else ''} | {s:.3f} | {s / none:.3f} |", flush=True)


# batch, accumulate, precision, claimed memory, claimed speed
CLAIMS = [("batch 4", 4, 1, "32", "100 %", "1.0x"), ("batch 4, 16-mixed", 4, 1, "16-mixed", "50 %", "1.3x"),
          ("batch 1, accumulated 8 times", 1, 8, "32", "25 %", "0.9x"),
          ("batch 1, accumulated 8 times, 16-mixed", 1, 8, "16-mixed", "12.5 %", "1.2x")]


def ways():
    for model, frames, size in (("r3d_18", 16, 112), ("slow_r50", 8, 224)):
        base = None
        print(f"\n{model}, {frames}x{size}x{size}, {args.threads} threads\n")
        print("| way | growth, MiB | of the first | claimed | clips/s | of the first | claimed |")
        print("|---|---|---|---|---|---|---|")
        rows = CLAIMS[:1] + [("batch 4, recompute=bn", 4, 1, "32 bn", "", ""),
                             ("batch 4, recompute=block", 4, 1, "32 block", "", "")] + CLAIMS[1:] + [
            ("batch 4, 16-mixed, recompute=block", 4, 1, "16-mixed block", "", ""),
            ("batch 4, half the frames", 4, 1, "32 frames", "", ""), ("batch 4, half the size", 4, 1, "32 size", "", ""),
            ("batch 4, half the width", 4, 1, "32 width", "", "")]
        for name, batch, accumulate, precision, memory, speed in rows:
            precision, _, other = precision.partition(" ")
            grown, _, seconds = our_run(
                precision.replace("16-mixed", "bf16-mixed"), batch, accumulate,
                other if other in ("bn", "block") else "none", model, frames // 2 if other == "frames" else frames, size // 2 if other == "size" else size,
                32 if other == "width" else 64)
            rate = batch * accumulate / statistics.median(seconds[1:])
            base = base or (grown, rate)
            print(f"| {name} | {grown / MIB:.0f} | {grown / base[0]:.0%} | {memory} | {rate:.2f} | {rate / base[1]:.2f}x "
                  f"| {speed} |", flush=True)


def plan(*options):
    return json.loads("\n".join(run(args.tool, "plan", "--json", *options)))


def gpus():
    for model, frames, size in (("r3d_18", 16, 112), ("slow_r50", 8, 224)):
        print(f"\n{model}, {frames}x{size}x{size}: MiB in all (of the first)\n")
        print("| GPU | " + " | ".join(name for name, *_ in CLAIMS) + " |")
        print("|---|" + "---|" * len(CLAIMS))
        columns = [plan("--gpu", "all", "--model", model, "--num-frames", str(frames), "--size", str(size),
                        "--batch-size", str(batch), "--accumulate-grad-batches", str(accumulate), "--precision",
                        precision, "--recompute", "none") for _, batch, accumulate, precision, *_ in CLAIMS]
        for rows in zip(*columns):
            first = rows[0]["asked"]["bytes"]
            print(f"| {rows[0]['gpu']} | " + " | ".join(
                f"{r['asked']['bytes'] / MIB:.0f} ({r['asked']['bytes'] / first:.0%})" for r in rows) + " |")
    print("\nThe largest batch in one piece in 16-mixed, with recompute none / bn / block\n")
    print("| GPU | memory, GiB | r3d_18 16x112x112 | slow_r50 8x224x224 | slow_r50 16x224x224 |")
    print("|---|---|---|---|---|")
    columns = [plan("--gpu", "all", "--model", model, "--num-frames", str(frames), "--size", str(size), "--precision",
                    "16-mixed", "--batch-size", "1")
               for model, frames, size in (("r3d_18", 16, 112), ("slow_r50", 8, 224), ("slow_r50", 16, 224))]
    for rows in zip(*columns):
        print(f"| {rows[0]['gpu']} | {rows[0]['budget-bytes'] / (1 << 30):.2f} | " + " | ".join(
            " / ".join(str(r["largest-batch"][k]) for k in ("none", "bn", "block")) for r in rows) + " |")


{"torch": beside_torch, "ways": ways, "gpus": gpus, "torch-child": torch_child}[args.what]()
