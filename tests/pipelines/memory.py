#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The memory budget in a launch line: the prediction equals `cnn3d plan`, what cannot fit is refused with
settings that fit, and splitting to fit gives the same training."""
import json
import os
import re
import subprocess

import launch

MIB = 1 << 20
SIZES = {"frames": 16, "size": 112, "width": 16, "batch": 8}


def line(folder, more, manifest="train.csv", clips=8, **changes):
    s = dict(SIZES, **changes)
    return ('clipsrc location=%s limit-clips=%d shuffle=false clip-bin="clipsample num-frames=%d mode=center ! '
            'videoconvertscale add-borders=false ! video/x-raw,format=RGB,width=%d,height=%d" ! clipbatch batch-size=%d ! '
            'cnn3dtrain name=train model=r3d_18 base-width=%d lr=0.001 seed=3 %s' % (
                os.path.join(os.environ["CNN3D_DEMO"], manifest), clips, s["frames"], s["size"], s["size"], s["batch"],
                s["width"], more))


def plan_of(run):
    run.fine()
    plans = run.messages("cnn3dtrain-plan")
    run.need(len(plans) == 1, "not one plan: %s" % plans)
    return plans[0]


def tool_plan(*options):
    out = subprocess.run([os.path.join(os.environ["CNN3D_BUILD"], "tool", "cnn3d"), "plan", "--json", "--device", "cpu",
                          "--num-classes", "8", "--base-width", str(SIZES["width"]), "--batch-size", str(SIZES["batch"]),
                          *options], env=launch.environment(), check=True, stdout=subprocess.PIPE).stdout
    return json.loads(out)[0]


def weights(path):
    import numpy
    with open(path, "rb") as file:
        data = file.read()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    return {name: numpy.frombuffer(data[8 + size:][t["data_offsets"][0]:t["data_offsets"][1]], "<f4")
            for name, t in header.items() if t["dtype"] == "F32"}


def predicted(folder):
    """The plan's bytes equal `cnn3d plan` for each recomputation mode, with the same weights to the bit"""
    found, notes = [], []
    for way in "none", "bn", "block", "offload":
        run = launch.launch(line(folder, "recompute=%s checkpoint-dir=%s" % (way, way)), folder)
        plan = plan_of(run)
        planned = tool_plan("--recompute", way)["asked"]
        run.need(plan["recompute"] == way and int(plan["predicted-bytes"]) == planned["predicted-bytes"],
                 "%s: %s, but cnn3d plan says %s" % (way, plan, planned))
        with open(os.path.join(folder, way, "last.safetensors"), "rb") as file:
            data = file.read()
        found.append(data[8 + int.from_bytes(data[:8], "little"):])
        notes.append("%s: %.1f MiB" % (way, int(plan["predicted-bytes"]) / MIB))
    assert found[0] == found[1] == found[2], "recomputing changes the weights"
    return notes


def refused(folder):
    """What cannot fit is refused before the first batch, and each setting suggested by the error runs"""
    least = tool_plan("--recompute", "none")["asked"]["bytes"] * 5 // 8
    run = launch.launch(line(folder, "recompute=none max-memory=%d" % least), folder)
    run.refused("training needs", " of it for libraries\\), but max-memory allows ", "; what would fit:")
    run.need(not run.messages("cnn3dtrain-step"), "it trained")
    ways = re.findall(r"^  ([a-z-]+=.*) \(([\d.]+) (MiB|GiB)\)\.?$", run.err, re.M)
    run.need(1 <= len(ways) <= 3, "not one to three settings: %s" % ways)
    notes = []
    for setting, number, unit in ways:
        again = launch.launch(line(folder, "recompute=none max-memory=%d %s" % (least, setting)), folder)
        plan = plan_of(again)
        need = int(plan["predicted-bytes"]) + int(plan["context-bytes"])
        again.need(need <= least and abs(need / MIB - float(number) * (1024 if unit == "GiB" else 1)) < 11,
                   "%s: %d bytes, reported %s %s" % (setting, need, number, unit))
        notes.append("%s: %s %s" % (setting, number, unit))
    return notes


def fits(folder):
    """auto-fit with 60 % of the memory for recompute=none: the same steps and gradients, never above the budget"""
    import numpy
    budget = tool_plan("--recompute", "none")["asked"]["bytes"] * 6 // 10
    ways = {"start": "lr=0", "whole": "recompute=none", "fit": "auto-fit=true max-memory=%d" % budget,
            "split": "auto-fit=true recompute=none max-memory=%d" % budget}
    plans, found, notes = {}, {}, []
    for name, more in ways.items():
        run = launch.launch(line(folder, "freeze=batch-norm checkpoint-dir=%s %s" % (name, more), clips=8), folder)
        plans[name] = plan_of(run)
        found[name] = weights(os.path.join(folder, name, "last.safetensors"))
        steps = run.messages("cnn3dtrain-step")
        run.need([s["clips"] for s in steps] == ["8"], "not one step of 8 clips: %s" % steps)
        if "max-memory" in more:
            used = int(steps[0]["memory-bytes"])
            run.need(used <= budget == int(plans[name]["budget-bytes"]), "%d bytes of %d" % (used, budget))
            run.need(abs(float(steps[0]["memory-share"]) - used / budget) < 1e-6, "share: %s" % steps[0])
    assert plans["whole"]["micro-batch"] == "8" and int(plans["split"]["micro-batch"]) < 8, plans
    # the gradient of one step: the change of the weights
    for name in "fit", "split":
        moved = [numpy.concatenate([found[n][k].astype("f8") - v for k, v in found["start"].items()])
                 for n in ("whole", name)]
        worst = numpy.linalg.norm(moved[0] - moved[1]) / numpy.linalg.norm(moved[0])
        notes.append("micro-batch %s, recompute %s: gradients differ by %.1e" % (
            plans[name]["micro-batch"], plans[name]["recompute"], worst))
        # changes of 1e-3 in weights of size 1, stored with 24 bits
        assert worst < 1e-4, notes
    return notes


def chunks(folder):
    """Chunking is off by default, and splits batches when it is on; an invalid budget is rejected"""
    for more, micro in (("video-batch-size=2", "8"), ("use-chunking-in-train=true video-batch-size=2", "2"),
                        ("use-chunking-in-train=true video-batch-size=64", "8")):
        run = launch.launch(line(folder, more, clips=11, frames=8, size=32, width=4), folder)
        run.need(plan_of(run)["micro-batch"] == micro, "%s: %s" % (more, plan_of(run)))
        run.need([s["clips"] for s in run.messages("cnn3dtrain-step")] == ["8", "11"], "other steps")
    launch.launch(line(folder, "use-chunking-in-train=true"), folder).refused(
        "use-chunking-in-train needs to know how large a chunk is: set video-batch-size")
    launch.launch(line(folder, "max-memory=8XB"), folder).refused(
        "max-memory is '8XB', which is not a valid size: give bytes, or a number with a unit such as 8GiB")


def warned(folder):
    """Memory above 90 % of the budget gives one warning"""
    need = tool_plan("--recompute", "none")["asked"]
    run = launch.launch(line(folder, "max-memory=%d" % (need["bytes"] - need["context-bytes"] * 7 // 10),
                             clips=24), folder)
    count = run.err.count("Memory in use")
    steps = run.messages("cnn3dtrain-step")
    above = any(float(s["memory-share"]) > 0.9 for s in steps)
    run.need(count == (1 if above else 0), "%d warnings, shares %s" % (count, [s["memory-share"] for s in steps]))


launch.main(predicted, refused, fits, chunks, warned)
