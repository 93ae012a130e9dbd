#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""cnn3d plan --roofline: FLOPs, bytes, times and shares equal those computed here independently from the
models' shapes."""
import glob
import json
import os
import re
import subprocess

import launch

PHASES = ("forward", "recompute", "backward-data", "backward-weights", "update")


def tool(*options):
    done = subprocess.run([os.path.join(os.environ["CNN3D_BUILD"], "tool", "cnn3d"), "plan", "--roofline", *options],
                          timeout=launch.limit(100), env=launch.environment(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    assert done.returncode == 0, (options, launch.text(done.stderr))
    return launch.text(done.stdout)


class Model:
    """Layers in order: (name, in, out, kernel, stride, wanted) of convolutions, (name, tensor, residual) of
    batch norms; a tensor is channels, (depth, height, width). wanted: the input's gradient; "add": added to
    an existing one, as on a GPU where two layers read a tensor."""

    def __init__(self, frames, size):
        self.x = 3, (frames, size, size)
        self.convs, self.norms, self.weights = [], [], 0

    def conv(self, name, x, channels, kernel, stride=(1, 1, 1), wanted=True):
        size = tuple((n + 2 * (k // 2) - k) // s + 1 for n, k, s in zip(x[1], kernel, stride))
        self.convs.append((name, x, (channels, size), kernel, stride, wanted))
        return channels, size

    def norm(self, name, x, residual=False):
        self.norms.append((name, x, residual))
        return x


def r3d_18(frames, size):
    m = Model(frames, size)
    x = m.conv("stem.0", m.x, 64, (3, 7, 7), (1, 2, 2), False)
    x = m.norm("stem.1", x)
    for layer in range(4):
        for block in range(2):
            name, width, stride = "layer%d.%d." % (layer + 1, block), 64 << layer, 2 if layer and not block else 1
            if stride > 1:
                m.norm(name + "downsample.1", m.conv(name + "downsample.0", x, width, (1, 1, 1), (2, 2, 2), "add"))
            y = m.norm(name + "conv1.1", m.conv(name + "conv1.0", x, width, (3, 3, 3), (stride,) * 3,
                                                True if stride > 1 else "add"))
            x = m.norm(name + "conv2.1", m.conv(name + "conv2.0", y, width, (3, 3, 3)), True)
    return m


def slow_r50(frames, size):
    m = Model(frames, size)
    x = m.norm("blocks.0.norm", m.conv("blocks.0.conv", m.x, 64, (1, 7, 7), (1, 2, 2), False))
    x = x[0], (x[1][0],) + tuple((n - 1) // 2 + 1 for n in x[1][1:])
    for stage, depth in enumerate((3, 4, 6, 3)):
        for block in range(depth):
            name, inner = "blocks.%d.res_blocks.%d." % (stage + 1, block), 64 << stage
            stride = (1, 2, 2) if stage and not block else (1, 1, 1)
            if not block:
                m.norm(name + "branch1_norm", m.conv(name + "branch1_conv", x, 4 * inner, (1, 1, 1), stride, "add"))
            y = m.norm(name + "branch2.norm_a", m.conv(name + "branch2.conv_a", x, inner, (1 if stage < 2 else 3, 1, 1),
                                                      wanted="add" if block else True))
            y = m.norm(name + "branch2.norm_b", m.conv(name + "branch2.conv_b", y, inner, (1, 3, 3), stride))
            x = m.norm(name + "branch2.norm_c", m.conv(name + "branch2.conv_c", y, 4 * inner, (1, 1, 1)), True)
    return m


def numbers(tensor, clips):
    """As stored on a GPU: channels in multiples of eight"""
    channels, (d, h, w) = tensor
    return -(-channels // 8) * 8 * d * h * w * clips


def near(a, b, what):
    assert abs(a - b) <= 1e-9 * max(abs(a), abs(b)), (what, a, b)


def check_convs(answer, model, clips, element):
    for name, x, y, kernel, stride, wanted in model.convs:
        layer = answer.pop(name)
        taps = kernel[0] * kernel[1] * kernel[2]
        flops = 2 * x[0] * y[0] * taps * y[1][0] * y[1][1] * y[1][2] * clips
        weights = -(-x[0] // 8) * 8 * y[0] * taps
        reach = 1
        for k, s, n, o in zip(kernel, stride, x[1], y[1]):
            reach *= o * k / n if k < s else 1
        x_bytes, y_bytes = numbers(x, clips) * element, numbers(y, clips) * element
        moved = {"forward": reach * x_bytes + y_bytes + weights * element,
                 "backward-weights": reach * x_bytes + y_bytes + weights * 4,
                 "backward-data": (2 * reach if wanted == "add" else 1) * x_bytes + y_bytes + weights * element
                 if wanted else 0,
                 # gradient, momentum, master; the copy
                 "update": weights * (4 + 8 + 8 + (2 if element == 2 else 0))}
        for phase in PHASES:
            near(layer["flops"][phase], 0 if phase in ("recompute", "update") or phase == "backward-data" and not wanted
                 else flops, (name, phase))
            near(layer["bytes"][phase], moved.get(phase, 0), (name, phase))
        assert layer["bytes"] == layer["fused-bytes"], name


def check_norms(answer, model, clips, element):
    for name, x, residual in model.norms:
        layer = answer.pop(name)
        n = numbers(x, clips) * element
        saved = -(-2 * x[0] * 4 // 64) * 64 + (-(-(n // element // 8) // 64) * 64 if residual else 0)
        # statistics read; then read, with the residual, and written
        near(layer["bytes"]["forward"], (3 + residual) * n + saved, name)
        near(layer["fused-bytes"]["forward"], (2 + residual) * n + saved, name)
        # input and gradient read; the gradient after ReLU written, for the residual; both
        # read, the input's gradient written
        near(layer["bytes"]["backward-data"], (5 + residual) * n + saved, name)
        assert layer["moves"] == {"forward": 2, "backward": 2 + residual}, (name, layer)
        assert layer["fused-moves"] == {"forward": 1, "backward": 2 + residual}, (name, layer)


def check_floors(answer):
    """Checks that hold for every answer: the larger of the two, layer by layer, and their sum"""
    r = answer["roofline"]
    peak, bandwidth = r["flops-per-second"], r["bytes-per-second"]
    for kind, seconds in ("bytes", "seconds"), ("fused-bytes", "fused-seconds"):
        total = sum(layer["bytes"]["update"] for layer in r["layers"]) / bandwidth
        for layer in r["layers"]:
            floor = sum(max(layer["flops"][p] / peak, layer[kind][p] / bandwidth) for p in PHASES if p != "update")
            near(layer[seconds], floor, layer["layer"])
            total += floor
        near(r[seconds], total, seconds)
        for phase in PHASES:
            near(r[kind][phase], sum(layer[kind][phase] for layer in r["layers"]), (kind, phase))
    for layer in r["layers"]:
        near(layer["share"], layer["seconds"] / r["seconds"], layer["layer"])
        moving = sum(layer["bytes"][p] / bandwidth for p in PHASES
                     if p != "update" and layer["bytes"][p] / bandwidth > layer["flops"][p] / peak)
        assert layer["binds"] == ("bytes" if moving > layer["seconds"] / 2 else "flops"), layer
    near(r["clips-per-second"], r["clips"] / r["seconds"], "clips/s")
    near(r["fused-clips-per-second"], r["clips"] / r["fused-seconds"], "clips/s")
    assert r["fused-seconds"] <= r["seconds"], (r["fused-seconds"], r["seconds"])
    return r


def shapes(folder):
    """On an H100 every figure of r3d_18 and slow_r50 follows from the layers' shapes"""
    notes = []
    for name, model, frames, size, clips in ("r3d_18", r3d_18, 16, 112, 32), ("slow_r50", slow_r50, 8, 224, 16):
        for precision, element, peak in ("16-mixed", 2, 989.4e12), ("32", 4, 494.7e12):
            answer = json.loads(tool("--json", "--gpu", "h100", "--model", name, "--num-frames", str(frames), "--size",
                                   str(size), "--batch-size", str(clips), "--precision", precision,
                                   "--recompute", "none"))[0]
            r = check_floors(answer)
            near(r["flops-per-second"], peak, "peak")
            near(r["bytes-per-second"], 3350e9, "bandwidth")
            layers = {layer["layer"]: layer for layer in r["layers"]}
            check_convs(layers, model(frames, size), clips, element)
            check_norms(layers, model(frames, size), clips, element)
            assert set(layers) <= {"input", "max pool", "mean", "dropout", "fc", "blocks.5.proj", "loss"}, layers
            near(layers["input"]["bytes"]["forward"], clips * frames * size * size * (3 + 8 * element), "input")
            assert r["moves"] == {"forward": 2, "backward": 3} and r["fused-moves"] == {"forward": 1, "backward": 3}, r
            notes.append("%s %s: %.3f ms, %.0f clips/s; fused %.3f ms, %.0f clips/s" % (
                name, precision, r["seconds"] * 1e3, r["clips-per-second"], r["fused-seconds"] * 1e3,
                r["fused-clips-per-second"]))
    return notes


def everywhere(folder):
    """Each GPU and the CPU have an answer, with recomputation, freezing and accumulation"""
    small = "--model", "mc3_18", "--num-frames", "8", "--size", "64", "--batch-size", "4", "--base-width", "16"
    answers = tool(*small, "--gpu", "all").count("clips/s; fused")
    assert answers == len(glob.glob(os.path.join(launch.TOP, "configs", "gpus", "*.json"))), answers
    # enough clips for recomputation to pay off with any workspace
    for options in (["--device", "cpu"], ["--gpu", "rtx3070", "--recompute", "bn", "--batch-size", "32"],
                    ["--device", "cpu", "--recompute", "block"], ["--device", "cpu", "--freeze", "backbone"],
                    ["--gpu", "rtx3070", "--freeze", "batch-norm", "--optimizer", "adam"]):
        for answer in json.loads(tool("--json", *small, *options)):
            r = check_floors(answer) if "backbone" not in options else answer["roofline"]
            again = sum(layer["bytes"]["recompute"] for layer in r["layers"])
            assert (again > 0) == (answer["asked"]["recompute"] != "none"), (options, again)
    one, four = (json.loads(tool("--json", "--device", "cpu", *small, "--accumulate-grad-batches", str(k)))[0]["roofline"]
                 for k in (1, 4))
    near(four["flops"]["forward"], 4 * one["flops"]["forward"], "accumulated")
    near(four["bytes"]["update"], one["bytes"]["update"], "updates")
    assert four["clips"] == 16, four


def table(folder):
    """The text has a row for each layer, shares that add up to 100 %, and the moves"""
    text = tool("--gpu", "h100", "--batch-size", "32", "--precision", "16-mixed")
    rows = re.findall(r"^(\S.*?) +(?:[\d.]+ +)*?([\d.]+) +([\d.]+)  (?:bytes|FLOPs) +([\d.]+)$", text, re.MULTILINE)
    names = [name for name, *_ in rows]
    assert names[-1] == "in all" and names[-2].startswith("update") and len(names) == 46, (len(names), text)
    assert abs(sum(float(share) for *_, share in rows[:-1]) - 100) < 0.3, text
    assert abs(sum(float(floor) for _, floor, _, _ in rows[:-1]) - float(rows[-1][1])) < 0.003, text
    assert "at most 2 times forward and 3 times backward, fused 1 and 3" in text, text
    assert "NVIDIA H100" in text and "989.4 TFLOP/s" in text and "3350 GB/s" in text, text
    floor = re.search(r"Floor ([\d.]+) ms, ([\d.]+) clips/s", text)
    assert abs(32e3 / float(floor.group(1)) - float(floor.group(2))) < 1, text


def documented(folder):
    """The table in docs/benchmarks.md is the output of the command above it"""
    with open(os.path.join(launch.TOP, "docs", "benchmarks.md"), encoding="utf-8") as file:
        found = re.search(r"^    cnn3d plan (--gpu h100 --roofline .*)\n\n```\n([\s\S]*?)^```$", file.read(), re.MULTILINE)
    answer, shown = tool(*found.group(1).replace("--roofline", "").split()), found.group(2)
    # the second line has cuDNN's version
    assert [line for i, line in enumerate(answer.splitlines()) if i != 1] == [
        line for i, line in enumerate(shown.splitlines()) if i != 1], answer


launch.main(shapes, everywhere, table, documented)
