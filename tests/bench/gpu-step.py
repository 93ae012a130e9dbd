#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A whole training step (forward, backward, SGD with momentum) on a GPU, compared
with PyTorch's: seconds and memory. PyTorch uses cudnn.benchmark and autocast, in FP16
and bf16, with contiguous and channels_last_3d tensors, eager and compiled, in the
latter case with and without CUDA graphs ("reduce-overhead"); the fastest counts. Rounds
alternate, so that all run under the same conditions; times are wall-clock times until
the GPU is done.

usage: gpu-step.py TRAINER-TOOL [--model r3d_18] [--batch 32] [--frames 16]
       [--size 112] [--rounds 5] [--steps 10] [--device cuda] [--precision 16-mixed]
       [--base-width 64] [--seconds S] [--no-compile]

PyTorch with a cuDNN before 9.15 is no peer: its 3-D convolutions in bf16 are wrong or
go without cuDNN. --seconds: after so many, no further way of PyTorch's is begun; the
likeliest come first.

With --device cpu it runs without a GPU, to test the script, and does not report
memory. The last line is JSON: seconds per step of each, clips/s, ratio, and bytes:
`grown` is the growth of the GPU's used memory during our run less `context`, the same
growth of a tiny run less what that one planned; `planned` is the plan's prediction
without the context, `planned-bn` that with recompute=bn, `torch` PyTorch's
max_memory_reserved."""
import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import time
import typing

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("tool")
parser.add_argument("--model", default="r3d_18")
parser.add_argument("--device", default="cuda")
parser.add_argument("--precision", default="16-mixed")
parser.add_argument("--recompute", default="none")
parser.add_argument("--no-compile", action="store_true")
parser.add_argument("--seconds", type=float, default=float("inf"))
for name, value in (("batch", 32), ("frames", 16), ("size", 112), ("rounds", 5), ("steps", 10), ("base-width", 64)):
    parser.add_argument("--" + name, type=int, default=value)
args = parser.parse_args()
cuda = args.device != "cpu"
begin = time.monotonic()
OLDEST_CUDNN = 91500


def first_gpu():
    """The UUID of the GPU that CUDA numbers 0: the driver's tools number them in another order, and
    CUDA_VISIBLE_DEVICES changes CUDA's. None: unknown."""
    try:
        cuda_driver = ctypes.CDLL("libcuda.so.1")
        device, uuid = ctypes.c_int(), (ctypes.c_ubyte * 16)()
        if (cuda_driver.cuInit(0) or cuda_driver.cuDeviceGet(ctypes.byref(device), 0)
                or cuda_driver.cuDeviceGetUuid(uuid, device)):
            return None
    except (OSError, AttributeError):
        return None
    digits = bytes(uuid).hex()
    return "GPU-" + "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def used_memory():
    """Bytes in use on the whole GPU, from the driver; None: unknown."""
    uuid = first_gpu()
    if uuid is None:
        return None
    try:
        import pynvml
        pynvml.nvmlInit()
        return pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByUUID(uuid)).used
    except Exception:  # the module, the library or the device may be missing
        pass
    try:
        out = subprocess.run(["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "-i", uuid],
                             check=True, stdout=subprocess.PIPE, universal_newlines=True).stdout
        return int(out.split()[0]) << 20
    except (OSError, subprocess.CalledProcessError, ValueError, IndexError):
        return None


class Ours:
    """The trainer in a separate process, which runs that many steps on request."""

    def __init__(self, recompute=args.recompute, sizes=(args.batch, args.frames, args.size), width=args.base_width):
        self.process = subprocess.Popen(
            [args.tool, "--serve", "--memory", "--device", args.device, "--model", args.model, "--precision",
             args.precision, "--recompute", recompute, "--batch", str(sizes[0]), "--frames", str(sizes[1]),
             "--size", str(sizes[2]), "--base-width", str(width), "--lr", "0.001", "--no-deterministic"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True)
        self.need("ready")

    def need(self, word):
        line = self.process.stdout.readline()
        if not line.startswith(word):
            sys.exit("gpu-step.py: %s ended: %s" % (args.tool, line.strip() or "see above"))
        return line

    def __call__(self, steps):
        print(steps, file=self.process.stdin, flush=True)
        line = self.process.stdout.readline().split()
        if not line:
            sys.exit("gpu-step.py: %s ended in a round" % args.tool)
        return float(line[0])

    def end(self):
        """Bytes by kind"""
        words = self.process.communicate()[0].split()
        return dict(zip(words[::2], words[1::2]))


class Way(typing.NamedTuple):
    """How PyTorch computes; kind: in what autocast does; mode: torch.compile's, None without it."""
    kind: str
    last: bool
    mode: typing.Optional[str]

    def __str__(self):
        return "PyTorch %s %s, %s" % ({"float16": "FP16", "bfloat16": "bf16"}[self.kind],
                                      "channels_last_3d" if self.last else "contiguous",
                                      {None: "eager", "default": "compiled"}.get(self.mode, "compiled, " + str(self.mode)))


class Theirs:
    def __init__(self, torch, way):
        sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "parity"))
        import resnet18
        from slow_r50 import SlowR50
        self.torch, self.kind, self.mode = torch, getattr(torch, way.kind), way.mode
        torch.manual_seed(0)
        model = SlowR50(width=args.base_width) if args.model == "slow_r50" else resnet18.make(args.model, width=args.base_width)
        places = torch.channels_last_3d if way.last else torch.contiguous_format
        model = model.to(args.device, memory_format=places).train()
        self.sgd = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
        if way.mode:
            torch.compiler.reset()
            model = torch.compile(model, mode=way.mode)
        self.model = model
        amp = torch.amp if hasattr(torch.amp, "GradScaler") else torch.cuda.amp # before 2.3
        self.scaler = amp.GradScaler(enabled=cuda and self.kind == torch.float16)
        shape = args.batch, 3, args.frames, args.size, args.size
        self.x = torch.randn(shape).to(args.device, memory_format=places)
        self.y = (torch.arange(args.batch) % 400).to(args.device)

    def __call__(self, steps):
        start = time.perf_counter()
        for _ in range(steps):
            if self.mode == "reduce-overhead":
                self.torch.compiler.cudagraph_mark_step_begin()
            self.sgd.zero_grad(set_to_none=True)
            with self.torch.autocast("cuda" if cuda else "cpu", self.kind):
                loss = self.torch.nn.functional.cross_entropy(self.model(self.x).float(), self.y)
            self.scaler.scale(loss).backward()
            self.scaler.step(self.sgd)
            self.scaler.update()
        if cuda:
            self.torch.cuda.synchronize()
        return time.perf_counter() - start


def peer():
    """PyTorch, if it runs here and is one to compare with."""
    try:
        import torch
    except ImportError:
        return None
    if not cuda:
        return torch
    if not torch.cuda.is_available():
        return None
    version = torch.backends.cudnn.version() or 0
    name = "PyTorch %s, cuDNN %d.%d.%d" % (torch.__version__, version // 10000, version // 100 % 100, version % 100)
    if version < OLDEST_CUDNN:
        print("%s: not compared with: it takes cuDNN 9.15" % name, flush=True)
        return None
    print(name, flush=True)
    torch.backends.cudnn.benchmark = True
    return torch


def their_ways(torch, times):
    """Each way in turn; times: seconds of those before, which say what to compile first."""
    kinds = ["float16"] * cuda + ["bfloat16"]
    for last in (True, False):
        for kind in kinds:
            yield Way(kind, last, None)
    if args.no_compile or not hasattr(torch, "compiler"):
        return
    for better in (True, False):
        for mode in ["default"] + ["reduce-overhead"] * cuda:
            for kind in kinds:
                eager = {last: times.get(Way(kind, last, None), float("inf")) for last in (True, False)}
                yield Way(kind, (eager[True] <= eager[False]) == better, mode)


def clear(torch):
    import gc
    gc.collect()
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def measure_context():
    """Bytes that driver and libraries take: a tiny run's growth less what it planned. None: unknown."""
    before = used_memory()
    if before is None:
        return None
    ours = Ours(sizes=(2, 4, 32), width=8)
    ours(3)
    grown = used_memory() - before
    return grown - int(ours.end()["total"])


def time_theirs(torch, reserved):
    """Seconds a step of each way that works; reserved: PyTorch's memory then"""
    times = {}
    for way in their_ways(torch, times):
        if time.monotonic() - begin > args.seconds:
            print("%s: left out: %.0f s have passed" % (way, args.seconds), flush=True)
            continue
        clear(torch)
        try:
            theirs = Theirs(torch, way)
            theirs(3)
            times[way] = theirs(args.steps) / args.steps
        except Exception as error:  # torch.compile fails in many ways
            print("%s: left out: %s" % (way, str(error).split("\n")[0][:200]), flush=True)
            continue
        print("%-48s %.5f s a step at first" % (way, times[way]), flush=True)
        if cuda:
            reserved[way] = torch.cuda.max_memory_reserved()
        del theirs
    return times


def main():
    result = {"model": args.model, "batch": args.batch, "precision": args.precision, "recompute": args.recompute}
    torch = peer()
    # memory first, one after the other: the previous one has freed everything
    context = measure_context() if cuda else None
    result["planned-bn"] = int(Ours(recompute="bn").end()["total"])
    before = used_memory() if cuda else None
    ours = Ours()
    ours(3)
    if context is not None:
        result["context"] = context
        result["grown"] = used_memory() - before - context
    print("%-48s %.5f s a step at first" % ("ours", ours(args.steps) / args.steps), flush=True)
    reserved = {}
    times = time_theirs(torch, reserved) if torch else {}
    best = min(times, key=times.get, default=None)
    seconds = {"ours": []}
    theirs = None
    if best:
        clear(torch)
        theirs = Theirs(torch, best)
        theirs(3)
        seconds[str(best)] = []
    for _ in range(args.rounds):
        seconds["ours"].append(ours(args.steps) / args.steps)
        if theirs:
            seconds[str(best)].append(theirs(args.steps) / args.steps)
    memory = ours.end()
    print("%s, %d clips of %dx%dx%d, %s, %s%s" % (args.model, args.batch, args.frames, args.size, args.size,
                                                 args.precision, args.device, ", PyTorch " + torch.__version__ if torch else ""))
    for name, values in seconds.items():
        median = statistics.median(values)
        result.setdefault("seconds", {})[name] = median
        print("%-48s median %.5f s (from %.5f to %.5f), %.1f clips/s" % (
            name, median, min(values), max(values), args.batch / median))
    result["clips-per-second"] = args.batch / result["seconds"]["ours"]
    result["planned"] = int(memory["total"])
    if best:
        result["best"] = str(best)
        result["ratio"] = result["seconds"][str(best)] / result["seconds"]["ours"]
        if best in reserved:
            result["torch"] = reserved[best]
    print(json.dumps(result))


main()
