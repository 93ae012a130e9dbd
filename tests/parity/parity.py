#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The trainer compared with PyTorch: logits, gradients, running statistics, steps, accumulation, weights in
both directions. Prints TAP.

usage: parity.py TRAINER-TOOL [NAME...]
       parity.py TRAINER-TOOL double
       parity.py TRAINER-TOOL --device cuda [--steps 100] [--small] [NAME...]

double: 100 steps compared with PyTorch in double precision, which takes minutes on a CPU; runs only if it is
named.

With --device the trainer runs there, and each model is tested in each precision; PyTorch runs on the same GPU
if it can, else on the CPU. --small: clips and widths that are fast on a CPU, in one precision (CNN3D_TEST_PRECISIONS=2:
and in 16-mixed)."""
import argparse
import copy
import os
import subprocess
import sys
import tempfile

# --help works without PyTorch
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("tool")
parser.add_argument("names", nargs="*")
parser.add_argument("--device")
parser.add_argument("--steps", type=int, default=100)
parser.add_argument("--small", action="store_true")
ARGS = parser.parse_intermixed_args()

import numpy
import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ddp
import posec3d
import resnet18
import tensors
import views
from slow_r50 import SlowR50

TOOL = ARGS.tool
WANTED = ARGS.names
with open("/proc/cpuinfo", encoding="ascii", errors="replace") as info:
    AVX512 = "avx512bw" in info.read()
# torchvision's own models, with the (frames, size) to test
MODELS = {"r3d_18": (16, 112), "mc3_18": (16, 112), "r2plus1d_18": (8, 112), "slow_r50": (8, 112)}
# networks with key points: model, --input-type, --fusion, and the size of their heat maps
JOINT = {"posec3d_slowonly": ("posec3d_slowonly", "kpt", "concat", 56), "r3d_18-concat": ("r3d_18", "rgb+kpt", "concat", 28),
         "mc3_18-mean": ("mc3_18", "rgb+kpt", "mean", 24), "mc3_18-late": ("mc3_18", "rgb+kpt", "late", 28),
         "r3d_18-stem": ("r3d_18", "rgb+kpt", "stem", None)}
MODELS.update(dict.fromkeys(JOINT, (8, 64)))
# of several views: the network of one, the number of views, --view-fusion
VIEWS = {f"r3d_18-views-{fusion}": ("r3d_18", 3, fusion) for fusion in ("logits", "probabilities", "features", "concat")}
VIEWS |= {"posec3d_slowonly-views-features": ("posec3d_slowonly", 2, "features"),
          "mc3_18-late-views-probabilities": ("mc3_18-late", 2, "probabilities"),
          "mc3_18-late-views-concat": ("mc3_18-late", 2, "concat")}
MODELS.update(dict.fromkeys(VIEWS, (4, 64)))
# Channels after the stem. A narrow network has the same layers and steps; published ones are compared once
FULL, NARROW = 64, 16
PERSONS, POINTS = 2, 17


def make_model(name, classes=400, seed=0, width=NARROW):
    """With weights as after some training: batch norm's are not 1 and 0."""
    torch.manual_seed(seed)
    if name in VIEWS:
        one, number, fusion = VIEWS[name]
        return views.Views(make_model(one, classes, seed, width), number, fusion)
    if name == "slow_r50":
        model = SlowR50(classes, width)
    elif name in JOINT:
        model = posec3d.make(name, JOINT[name][0], JOINT[name][2], classes, width)
    else:
        model = resnet18.make(name, classes, width)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.uniform_(-0.3, 0.3)
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.5, 1.5)
    if name in JOINT:
        # its 40 layers would flip a ReLU for differences in the last bits of an input
        for key, module in model.named_modules():
            if key.endswith("conv3.bn"):
                module.weight.data *= 0.3
    return model


def make_points(n, frames, seed=1):
    """Some outside, some missing"""
    generator = numpy.random.default_rng(seed)
    points = generator.uniform(-.1, 1.1, (n, frames, PERSONS, POINTS, 3)).astype("f4")
    points[..., 2] = generator.uniform(0, 1, points.shape[:-1])
    points[generator.random(points.shape[:-1]) < .1, 2] = 0
    return points


def make_clips(n, frames, size, classes=400, seed=1, name="r3d_18"):
    if name in VIEWS:
        one, number, _ = VIEWS[name]
        clips, _ = make_clips(n * number, frames, size, classes, seed, one)
        present = torch.ones(n, number, dtype=torch.bool)
        present[0, 1] = False
        return views.Samples(clips, present), torch.arange(n) * 7 % classes
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 3, frames, size, size, generator=generator)
    y = torch.randint(classes, (n,), generator=generator)
    if name in JOINT:
        points = make_points(n, frames, seed)
        pixels = JOINT[name][3] or size
        maps = torch.from_numpy(posec3d.heat_maps(points, pixels, pixels))
        x = posec3d.Clips(points, maps, None if JOINT[name][1] == "kpt" else x)
    return x, y


def numpy_state(model):
    return {k: v.detach().cpu().numpy().astype("<i8" if "num_batches" in k else "<f4")
            for k, v in model.state_dict().items()}


def run_tool(model, x, y, *options, name="r3d_18", classes=400, width=NARROW, threads=1, metadata=None, lines=None):
    """lines: receives the lines that the tool prints"""
    inputs = {"labels": y.numpy().astype("<i4")}
    if name in VIEWS:
        name, number, view_fusion = VIEWS[name]
        options += ("--views", number, "--view-fusion", view_fusion)
        inputs["present"] = x.present.numpy().astype("u1")
        x = x.clips
    frames = x
    if isinstance(x, posec3d.Clips):
        frames, inputs["points"] = x.frames, x.points
    if frames is not None:
        inputs["frames"] = frames.permute(0, 2, 3, 4, 1).contiguous().numpy()
    if name in JOINT:
        name, kind, fusion, size = JOINT[name]
        options += ("--input-type", kind, "--fusion", fusion, "--heatmap-size", size or 56)
    with tempfile.TemporaryDirectory() as folder:
        weights, clips, results = (os.path.join(folder, f) for f in ("w", "i", "o"))
        if model is not None:
            tensors.save(weights, numpy_state(model), metadata)
            options += ("--pretrained", weights)
        tensors.save(clips, inputs)
        done = subprocess.run([TOOL, "--model", name, "--input", clips, "--output", results, "--classes", str(classes),
                               "--base-width", str(width), "--threads", str(threads), *map(str, options)], check=True, stdout=subprocess.PIPE, text=True)
        if lines is not None:
            lines += done.stdout.splitlines()
        return tensors.load(results)[0]


def relative(a, b):
    a, b = numpy.asarray(a, "f8"), numpy.asarray(b, "f8")
    return float(numpy.linalg.norm(a - b) / max(numpy.linalg.norm(b), 1e-30))


count = failed = 0


def test(name, pairs):
    """pairs: (what, value, bound)"""
    global count, failed
    count += 1
    worst = max(pairs, key=lambda p: p[1] / p[2])
    ok = all(p[1] <= p[2] for p in pairs)
    failed |= not ok
    print(f"{'ok' if ok else 'not ok'} {count} - {name}: {worst[0]} {worst[1]:.2e} (bound {worst[2]:.0e})", flush=True)
    for what, figure, bound in pairs:
        if not figure <= bound:
            print(f"# {what}: {figure:.3e} > {bound:.0e}")


def skip(name, reason):
    global count
    count += 1
    print(f"ok {count} - {name} # SKIP {reason}", flush=True)


def wanted(name):
    return not WANTED or name in WANTED


def loss_of(model, x, y, **options):
    return torch.nn.functional.cross_entropy(model(x), y, **options)


def check_model(name, frames, size, width, threads):
    """Logits, all gradients and running statistics: same weights, same input."""
    model = make_model(name, width=width)
    x, y = make_clips(2, frames, size, name=name)
    got = run_tool(model, x, y, "--batch", 2, "--convolution", "direct", name=name, width=width, threads=threads)
    model.eval()
    with torch.no_grad():
        logits = model(x)
    test(f"{name} {frames}x{size} logits", [("logits", relative(got["logits"], logits), 1e-4)])
    model.train()
    loss = loss_of(model, x, y)
    loss.backward()
    test(f"{name} loss", [("loss", abs(got["losses"][0] - loss.item()) / loss.item(), 1e-5)])
    exact = {k: p.grad.numpy() for k, p in model.named_parameters()}
    off = {k: relative(got["grad." + k], exact[k]) for k in exact}
    bound = 1e-3
    if (name in JOINT or name in VIEWS) and max(off.values()) > bound:
        # a ReLU flipped nevertheless: how much does that change PyTorch's gradients?
        for seed in range(3):
            other = gradients(model, nudged(x, seed), y)[1]
            bound = max(bound, *(2 * relative(other[k], exact[k]) for k in exact))
    test(f"{name} gradients", [(k, off[k], bound) for k in off])
    test(f"{name} running statistics",
         [(k, relative(got["weight." + k], v), 1e-4) for k, v in model.state_dict().items() if "running" in k])


def rounds_as_winograd(module, inputs, out):
    """Winograd F(4, 3) for kernels of 3 has errors of 1.5e-6 to 3.9e-6 of the output, root mean square."""
    if module.stride == (1, 1, 1) and 3 in module.kernel_size:
        return out + 3e-6 * out.detach().pow(2).mean().sqrt() * torch.randn_like(out)
    return out


def gradients(model, x, y):
    model = copy.deepcopy(model).train()
    loss = loss_of(model, x, y)
    loss.backward()
    return loss.item(), {k: p.grad.numpy() for k, p in model.named_parameters()}


def check_winograd(name, frames, size, width):
    """The same with Winograd convolutions. Their rounding sometimes flips a ReLU where there are few values, as
    PyTorch's convolutions do with equally coarse rounding."""
    model = make_model(name, width=width)
    x, y = make_clips(2, frames, size, name=name)
    got = run_tool(model, x, y, "--batch", 2, "--convolution", "winograd", name=name, width=width)
    loss, exact = gradients(model, x, y)
    model.eval()
    with torch.no_grad():
        logits = model(x)
    test(f"{name} {frames}x{size} logits by Winograd", [("logits", relative(got["logits"], logits), 1e-4)])
    test(f"{name} loss by Winograd", [("loss", abs(got["losses"][0] - loss) / loss, 1e-5)])
    torch.manual_seed(3)
    for module in model.modules():
        if isinstance(module, torch.nn.Conv3d):
            module.register_forward_hook(rounds_as_winograd)
    theirs = dict.fromkeys(exact, 0)
    for _ in range(4):
        other = gradients(model, x, y)[1]
        theirs = {k: max(theirs[k], relative(other[k], exact[k])) for k in exact}
    test(f"{name} gradients by Winograd beside PyTorch's with such rounding (to {max(theirs.values()):.1e})",
         [(k, relative(got["grad." + k], exact[k]), max(1e-3, 2 * max(theirs.values()))) for k in exact])


def check_eval_gradients(name):
    """Batch norm in evaluation mode: its other backward pass."""
    model = make_model(name)
    x, y = make_clips(2, *(MODELS[name] if name in VIEWS else (8, 64)), name=name)
    got = run_tool(model, x, y, "--batch", 2, "--freeze", "batch-norm", "--convolution", "direct", name=name)
    model.eval()
    loss_of(model, x, y).backward()
    test(f"{name} gradients, batch norm in evaluation mode",
         [(k, relative(got["grad." + k], p.grad), 1e-3) for k, p in model.named_parameters()])


def nudged(x, seed=9):
    """Changed by about a rounding error, which small sizes amplify because a ReLU flips"""
    if isinstance(x, (posec3d.Clips, views.Samples)):
        return x.each(lambda part: nudged(part, seed))
    return x * (1 + 1e-6 * torch.randn(x.shape, generator=torch.Generator().manual_seed(seed)).to(x.device))


def check_steps(optimizer, name="r3d_18"):
    """20 steps; every step sees the next four clips."""
    classes = 10
    x, y = make_clips(8, 4 if name in JOINT else 8, 48, classes, name=name)
    lr = {"sgd": 0.001, "adam": 1e-5, "adamw": 1e-5}[optimizer]
    decay = {"sgd": 1e-4, "adam": 1e-4, "adamw": 0.05}[optimizer]

    def torch_losses(model, x):
        rule = {"sgd": lambda p: torch.optim.SGD(p, lr, momentum=0.9, weight_decay=decay),
                "adam": lambda p: torch.optim.Adam(p, lr, weight_decay=decay),
                "adamw": lambda p: torch.optim.AdamW(p, lr, weight_decay=decay)}[optimizer](model.parameters())
        losses = []
        model.train()
        for step in range(20):
            first = 4 * step % 8
            rule.zero_grad()
            loss = loss_of(model, x[first:first + 4], y[first:first + 4], label_smoothing=0.1)
            loss.backward()
            rule.step()
            losses.append(loss.item())
        return losses

    # of narrow networks SGD's steps amplify the last bits further than the bound
    width = FULL if optimizer == "sgd" and name == "r3d_18" else NARROW
    model = make_model(name, classes, width=width)
    start = copy.deepcopy(model)
    got = run_tool(model, x, y, "--batch", 4, "--steps", 20, "--optimizer", optimizer, "--lr", lr,
                   "--weight-decay", decay, "--label-smoothing", 0.1, "--convolution", "direct",
                   name=name, classes=classes, width=width, threads=2 if width == FULL else 1)["losses"]
    theirs = torch_losses(model, x)
    off = [abs(a - b) / b for a, b in zip(got, theirs)]
    bounds = [1e-3] * 20
    if max(off) > 1e-3:
        # Each step amplifies the last bits: how far does PyTorch deviate from itself?
        other = torch_losses(start, nudged(x))
        bounds = [max(1e-3, 2 * abs(a - b) / b) for a, b in zip(other, theirs)]
    test(f"20 steps of {optimizer}" + f" with {name}" * (name in JOINT), [(f"loss of step {i}", off[i], bounds[i]) for i in range(20)])


def check_against_double(steps=100, batch=4, classes=10):
    """The losses of 100 steps deviate from double precision at most twice as much as PyTorch's in single
    precision. Steps amplify the last bits, so PyTorch's deviation is measured in four runs, three of them
    with nudged inputs."""
    x, y = make_clips(2 * batch, 8, 32, classes)
    start = make_model("r3d_18", classes, width=FULL)

    def torch_losses(x):
        model = copy.deepcopy(start).to(x.dtype).train()
        rule = torch.optim.SGD(model.parameters(), 0.001, momentum=0.9)
        losses = []
        for step in range(steps):
            first = batch * step % len(x)
            rule.zero_grad()
            loss = loss_of(model, x[first:first + batch], y[first:first + batch])
            loss.backward()
            rule.step()
            losses.append(loss.item())
        return numpy.array(losses)

    exact = torch_losses(x.double())
    theirs = [abs(torch_losses(clips) - exact) / exact[0] for clips in (x, *(nudged(x, seed) for seed in range(3)))]
    print(f"# {steps} losses from {exact[0]:.3f} to {exact[-1]:.5f}; PyTorch's furthest from double precision: "
          + ", ".join(f"{off.max():.1e}" for off in theirs))
    for convolution in ("direct", "winograd"):
        got = run_tool(start, x, y, "--batch", batch, "--steps", steps, "--lr", 0.001, "--convolution", convolution,
                       classes=classes, width=FULL, threads=2)["losses"]
        test(f"{steps} steps by {convolution} beside double precision",
             [("furthest", float(abs(got - exact).max() / exact[0]), 2 * max(off.max() for off in theirs))])


def check_class_weights():
    """A weighted mean, with and without label smoothing, of one batch and of micro-batches with different total
    weights."""
    classes = 10
    x, y = make_clips(6, 8, 56, classes)
    weights = [0.25 + 0.5 * i for i in range(classes)]
    for smoothing in (0, 0.2):
        for batch in (6, 4):
            model = make_model("r3d_18", classes)
            got = run_tool(model, x, y, "--batch", batch, "--freeze", "batch-norm", "--label-smoothing", smoothing,
                           "--class-weights", ",".join(map(str, weights)), "--convolution", "direct", classes=classes)
            model.eval()
            loss = torch.nn.functional.cross_entropy(model(x), y, weight=torch.tensor(weights), reduction="mean",
                                                     label_smoothing=smoothing)
            loss.backward()
            title = f"class weights, label smoothing {smoothing}, batches of {batch}"
            test(title + ": gradients", [(k, relative(got["grad." + k], p.grad), 1e-3)
                                         for k, p in model.named_parameters()])
            # of several batches the tool prints the last one's
            if batch == 6:
                test(title + ": loss", [("loss", abs(got["losses"][0] - loss.item()) / loss.item(), 1e-5)])


def check_clipping():
    classes = 10
    model = make_model("r3d_18", classes)
    x, y = make_clips(2, 8, 56, classes)
    got = run_tool(model, x, y, "--batch", 2, "--steps", 1, "--lr", 100, "--momentum", 0, "--clip", 0.5,
                   "--convolution", "direct", classes=classes)
    model.train()
    loss_of(model, x, y).backward()
    before = {k: p.detach().clone() for k, p in model.named_parameters()}
    torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
    test("gradient clipping", [(k, relative(got["weight." + k] - before[k].numpy(), -100 * p.grad), 1e-4)
                               for k, p in model.named_parameters()])


def check_accumulation():
    """Batch norm in evaluation mode: micro-batches against one batch."""
    model = make_model("r3d_18", 10)
    x, y = make_clips(8, 8, 56, 10)
    options = ("--freeze", "batch-norm")
    whole = run_tool(model, x, y, "--batch", 8, *options, classes=10)
    single = run_tool(model, x, y, "--batch", 1, *options, classes=10)
    test("8 micro-batches of 1 against one of 8",
         [(k, relative(single[k], whole[k]), 1e-5) for k in whole if k.startswith("grad.")])
    seven = run_tool(model, x[:7], y[:7], "--batch", 7, *options, classes=10)
    short = run_tool(model, x[:7], y[:7], "--batch", 2, *options, classes=10)
    test("a short last micro-batch counts by its clips",
         [(k, relative(short[k], seven[k]), 1e-5) for k in seven if k.startswith("grad.")])


def check_data_parallel(steps=20, batch=2, classes=10):
    """What ranks do, to the bit (tests/unit/ranks.c), is what one process does that accumulates their batches."""
    if not torch.distributed.is_available():
        skip("DistributedDataParallel", "this PyTorch is built without it")
        return
    x, y = make_clips(4 * batch, 4, 48, classes)
    model = make_model("r3d_18", classes)
    # slowly, as steps amplify the last bits
    got = run_tool(model, x, y, "--batch", batch, "--accumulate", ddp.PROCESSES, "--steps", steps, "--lr", 0.0001,
                   "--convolution", "direct", classes=classes)["losses"]
    theirs = ddp.losses(model, x, y, batch, steps, 0.0001)
    assert abs(theirs[-1] - theirs[0]) > 0.01 * theirs[0], theirs
    off = [abs(a - b) / b for a, b in zip(got, theirs)]
    bounds = [1e-3] * steps
    if max(off) > 1e-3:
        # as in check_steps()
        other = ddp.losses(model, nudged(x), y, batch, steps, 0.0001)
        bounds = [max(1e-3, 2 * abs(a - b) / b) for a, b in zip(other, theirs)]
    test(f"{steps} steps beside DistributedDataParallel in {ddp.PROCESSES} processes",
         [(f"loss of step {i}", off[i], bounds[i]) for i in range(steps)])


def check_sync_batch_norm(steps=5, ranks=2, batch=2, classes=10):
    """Batch norm over all ranks is, by SyncBatchNorm's definition, batch norm over the batches of all in one process."""
    x, y = make_clips(2 * ranks * batch, 4, 32, classes)
    start = make_model("r3d_18", classes)

    def torch_losses(x):
        model = copy.deepcopy(start).train()
        rule = torch.optim.SGD(model.parameters(), 0.0001, momentum=0.9)
        losses = []
        for step in range(steps):
            first = step * ranks * batch % len(x)
            rule.zero_grad()
            loss = loss_of(model, x[first:first + ranks * batch], y[first:first + ranks * batch])
            loss.backward()
            rule.step()
            losses.append(loss.item())
        return losses

    options = "--batch", batch, "--steps", steps, "--lr", 0.0001, "--convolution", "direct", "--threads", 1
    got = run_tool(start, x, y, "--ranks", ranks, *options, classes=classes)["losses"]
    apart = run_tool(start, x, y, "--accumulate", ranks, *options, classes=classes)["losses"]
    theirs = torch_losses(x)
    off = [abs(a - b) / b for a, b in zip(got, theirs)]
    bounds = [1e-3] * steps
    if max(off) > 1e-3:
        # as in check_steps()
        bounds = [max(1e-3, 2 * abs(a - b) / b) for a, b in zip(torch_losses(nudged(x)), theirs)]
    # each rank's own statistics give something else
    assert min(abs(a - b) / b for a, b in zip(apart, theirs)) > 10 * bounds[0], (apart, theirs)
    test(f"{steps} steps of {ranks} ranks with sync-batch-norm",
         [(f"loss of step {i}", off[i], bounds[i]) for i in range(steps)])


def check_heat_maps():
    """Through a first convolution that copies its input: the device's heat maps equal MMAction2's."""
    device = ARGS.device or "cpu"
    for size, sigma in ((56, .6), (40, 1.5)):
        model = make_model("posec3d_slowonly", 2, width=FULL)
        conv, norm = model.backbone.conv1.conv, model.backbone.conv1.bn
        conv.weight.data.zero_()
        for k in range(POINTS):
            conv.weight.data[k, k, 0, 3, 3] = 1
        norm.weight.data.fill_(1)
        norm.bias.data.zero_()
        norm.running_mean.zero_()
        norm.running_var.fill_(1 - norm.eps)
        points = make_points(3, 5)
        points[0, :, :, 0, 0] = numpy.nan
        points[0, :, :, 1, 1] = numpy.inf
        points[0, :, :, 2, :2] = 1e30
        points[0, :, 0, 3, 2] = numpy.nan
        # whole pixels, so that 3 sigma end on them or between them
        points[1, ..., :2] = numpy.round(points[1, ..., :2] * size) / size
        description = {"model": "posec3d_slowonly", "input-type": "kpt", "num-classes": "2", "base-width": "64",
                       "channels": "3", "num-frames": "5", "height": "8", "width": "8", "mean": "[0,0,0]", "std": "[1,1,1]",
                       "classes": '["a", "b"]', "keypoints": str(POINTS), "persons": str(PERSONS),
                       "heatmap-size": str(size), "heatmap-sigma": str(sigma)}
        wanted_maps = posec3d.heat_maps(points, size, size, sigma)
        got = run_tool(model, posec3d.Clips(points, None), torch.zeros(3), "--batch", 3, "--layer", "backbone.conv1",
                       "--device", device, name="posec3d_slowonly", metadata=description, classes=2, width=FULL)["layer"]
        test(f"heat maps of {size}x{size}, sigma {sigma}",
             [("furthest", float(numpy.abs(got[:, :POINTS] - wanted_maps).max()), 1e-5),
              ("missing", float(wanted_maps.max() < .5), .5)])


def check_pretrained():
    """Published weights of one stream are loaded into a network with two, and a head of another size is left
    out; heat maps in the stem change nothing before training."""
    rgb, pose = make_model("r3d_18", 10), make_model("posec3d_slowonly", 60)
    frames, y = make_clips(2, 4, 32, 10)
    options = ("--batch", 2, "--convolution", "direct", "--left-out")
    lines = []
    clips, _ = make_clips(2, 4, 32, 10, name="r3d_18-stem")
    with_points = run_tool(rgb, clips, y, *options, name="r3d_18-stem", classes=10, lines=lines)
    without = run_tool(rgb, frames, y, *options, classes=10)
    as_expected = lines == ["stem.0.weight (its weights of 17 heat maps start at 0)"]
    test("weights of the frames, heat maps in the stem",
         [("logits", relative(with_points["logits"], without["logits"]), 1e-6), ("left out", float(not as_expected), .5)])

    # tensors changed by a forward pass are not compared
    def plain(names):
        return {k for k in names if "running" not in k and "num_batches" not in k}

    whole = " and all of its stream ("

    # a missing stream is reported with its first weight
    def named(line, names):
        first = line.split(whole)[0]
        if first == line:
            return plain([line.split(" (")[0]])
        return {k for k in plain(names) if k.startswith("backbone.") == first.startswith("backbone.")
                and not k.startswith(("fc.", "cls_head."))}

    for name, of, file in (("posec3d_slowonly", "60 classes", pose), ("r3d_18-concat", "the frames", rgb),
                           ("r3d_18-concat", "the key points", pose), ("mc3_18-late", "the key points", pose)):
        clips, _ = make_clips(2, 4, 32, 10, name=name)
        lines = []
        got = run_tool(file, clips, y, *options, name=name, classes=10, lines=lines)
        fresh = run_tool(None, clips, y, *options, name=name, classes=10)
        ours = {k[7:]: v for k, v in got.items() if k.startswith("weight.")}
        theirs = numpy_state(file)
        fits = {k for k in plain(ours) if k in theirs and theirs[k].shape == ours[k].shape}
        left = (plain(ours) | plain(theirs)) - fits
        test(f"{name} from weights of {of}, {len(fits)} filled, {len(left)} left out",
             [("filled", float(sum((ours[k] != theirs[k]).any() for k in fits) + (len(fits) < 60)), .5),
              ("as without", float(sum((ours[k] != fresh["weight." + k]).any() for k in left & set(ours))), .5),
              ("left out", float(set().union(*(named(line, ours) for line in lines)) != left), .5)])


def check_bf16(name, frames, size):
    model = make_model(name, width=FULL)
    x, y = make_clips(2, frames, size, name=name)
    got = run_tool(model, x, y, "--batch", 2, "--precision", "bf16-mixed", name=name, width=FULL)
    model.eval()
    with torch.no_grad():
        logits = model(x)
    test(f"{name} bf16-mixed logits", [("logits", relative(got["logits"], logits), 3e-2)])
    if not AVX512:
        skip(f"{name} bf16-mixed gradients beside autocast's", "without AVX-512 PyTorch takes hours for them")
        return
    # gradients: no further from f32's than PyTorch's own autocast
    model.train()
    autocast = copy.deepcopy(model)
    loss_of(model, x, y).backward()
    with torch.autocast("cpu", torch.bfloat16):
        out = autocast(x)
    torch.nn.functional.cross_entropy(out.float(), y).backward()

    def total(pairs):
        return relative(numpy.concatenate([numpy.ravel(a) for a, _ in pairs]),
                        numpy.concatenate([numpy.ravel(b) for _, b in pairs]))
    ours = total([(got["grad." + k], p.grad.numpy()) for k, p in model.named_parameters()])
    theirs = total([(q.grad.numpy(), p.grad.numpy())
                    for (k, p), q in zip(model.named_parameters(), autocast.parameters())])
    test(f"{name} bf16-mixed gradients beside autocast's ({theirs:.2e})", [("all", ours, 1.25 * theirs)])


# --- on a device ---

ORACLE = "cuda" if ARGS.device not in (None, "cpu") and torch.cuda.is_available() else "cpu"


def autocast_type(precision):
    """The type of PyTorch's autocast; None: not used. CPUs, ours too, have no FP16."""
    if precision == "32":
        return None
    return torch.float16 if precision == "16-mixed" and ORACLE == "cuda" else torch.bfloat16


def oracle_forward(model, x, kind):
    with torch.autocast(ORACLE, kind or torch.bfloat16, enabled=kind is not None):
        return model(x).float()


def oracle_gradients(model, x, y, kind):
    """All of them in one vector, in double precision, unscaled"""
    model = copy.deepcopy(model).train()
    scale = 1024 if kind == torch.float16 else 1
    (scale * torch.nn.functional.cross_entropy(oracle_forward(model, x, kind), y)).backward()
    return numpy.concatenate([p.grad.double().cpu().numpy().ravel() / scale for p in model.parameters()])


def oracle_losses(model, x, y, kind, batch):
    model = copy.deepcopy(model).train()
    rule = torch.optim.SGD(model.parameters(), 0.001, momentum=0.9)
    amp = torch.amp if hasattr(torch.amp, "GradScaler") else torch.cuda.amp # before 2.3
    scaler = amp.GradScaler(enabled=kind == torch.float16)
    losses = []
    for step in range(ARGS.steps):
        first = batch * step % len(x)
        rule.zero_grad()
        loss = torch.nn.functional.cross_entropy(oracle_forward(model, x[first:first + batch], kind),
                                                 y[first:first + batch])
        scaler.scale(loss).backward()
        scaler.step(rule)
        scaler.update()
        losses.append(loss.item())
    return numpy.array(losses)


def check_on_device(name, precision, frames, size):
    """FP32 is as close to PyTorch's FP32 as that is to itself with nudged input, other types no further from it
    than PyTorch's own autocast; or within rounding."""
    kind = autocast_type(precision)
    options = ["--device", ARGS.device, "--precision", precision, "--convolution", "direct"]
    options += ["--no-tf32"] * (precision == "32")
    rounding = {"32": 1e-4, "16-mixed": 4e-3, "bf16-mixed": 3e-2}[precision if ORACLE == "cuda" or kind is None
                                                                  else "bf16-mixed"]
    width = NARROW if ARGS.small or name in VIEWS else FULL
    model = make_model(name, width=width)
    there = copy.deepcopy(model).to(ORACLE)
    x, y = make_clips(2, frames, size, name=name)
    xt, yt = x.to(ORACLE), y.to(ORACLE)
    got = run_tool(model, x, y, "--batch", 2, *options, name=name, width=width, threads=2)
    with torch.no_grad():
        logits = copy.deepcopy(there).eval()(xt).cpu()
    what = f"{name} {frames}x{size} {precision} on {ARGS.device}"
    test(f"{what} logits", [("logits", relative(got["logits"], logits), rounding)])
    exact = oracle_gradients(there, xt, yt, None)
    ours = numpy.concatenate([numpy.ravel(got["grad." + k]) for k, _ in model.named_parameters()])
    if kind is None:
        theirs = relative(oracle_gradients(there, nudged(xt), yt, None), exact)
        test(f"{what} gradients beside nudged ({theirs:.2e})", [("all", relative(ours, exact), max(1e-3, 3 * theirs))])
    else:
        theirs = relative(oracle_gradients(there, xt, yt, kind), exact)
        test(f"{what} gradients beside autocast's ({theirs:.2e})",
             [("all", relative(ours, exact), max(1.25 * theirs, rounding))])
    # losses: relative to the first one, because the last ones are small
    batch = 4
    x, y = make_clips(2 * batch, min(frames, 8), min(size, 64), name=name)
    got = run_tool(model, x, y, "--batch", batch, "--steps", ARGS.steps, "--lr", 0.001, *options, name=name, width=width, threads=2)
    xt, yt = x.to(ORACLE), y.to(ORACLE)
    exact = oracle_losses(there, xt, yt, None, batch)
    other = oracle_losses(there, nudged(xt) if kind is None else xt, yt, kind, batch)
    theirs = float(abs(other - exact).max() / exact[0])
    test(f"{what} losses of {ARGS.steps} steps beside {'nudged' if kind is None else 'autocast'} ({theirs:.2e})",
         [("furthest", float(abs(got["losses"] - exact).max() / exact[0]), max(1e-2, 2 * theirs))])


def main_on_device():
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    print(f"# PyTorch {torch.__version__} on {torch.cuda.get_device_name() if ORACLE == 'cuda' else 'the CPU'}")
    for name, (frames, size) in MODELS.items():
        if wanted(name):
            for precision in ("32", "16-mixed", "bf16-mixed")[:int(os.environ.get("CNN3D_TEST_PRECISIONS", 1)) if ARGS.small
                                                               else 3]:
                check_on_device(name, precision, *((4, 64) if ARGS.small else (frames, size)))
    if wanted("heat-maps"):
        check_heat_maps()
    print(f"1..{count}")
    sys.exit(failed)


def main():
    # with one thread PyTorch would use slower convolutions, without oneDNN
    torch.set_num_threads(2)
    for name, (frames, size) in MODELS.items():
        if wanted(name):
            width = FULL if name in ("r3d_18", "slow_r50", "posec3d_slowonly") else NARROW
            # waiting threads spin in oneDNN, and other tests need the cores
            check_model(name, frames, size, width, 2 if name == "r3d_18" else 1)
            # networks of two streams have both streams' convolutions
            if name not in VIEWS and (name not in JOINT or name == "posec3d_slowonly"):
                check_winograd(name, frames, size // 2, width)
    if wanted("heat-maps"):
        check_heat_maps()
    if wanted("pretrained"):
        check_pretrained()
    for name in ("r3d_18", "r2plus1d_18", "slow_r50", *JOINT, *VIEWS):
        if wanted("eval"):
            check_eval_gradients(name)
    for optimizer in ("sgd", "adam", "adamw"):
        if wanted(optimizer):
            check_steps(optimizer)
    if wanted("joint-steps"):
        check_steps("sgd", "posec3d_slowonly")
    if "double" in WANTED:
        check_against_double()
    if wanted("class-weights"):
        check_class_weights()
    if wanted("clipping"):
        check_clipping()
    if wanted("accumulation"):
        check_accumulation()
    if wanted("ddp"):
        check_data_parallel()
    if wanted("sync"):
        check_sync_batch_norm()
    for name in ("r3d_18", "slow_r50"):
        if wanted("bf16"):
            check_bf16(name, 8, 112)
    print(f"1..{count}")


main_on_device() if ARGS.device else main()
