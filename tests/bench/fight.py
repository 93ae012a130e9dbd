#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Accuracy of a network trained from scratch on real clips: 240 of two seconds, fights or none, in four folds.
For each fold the printed lines train on three and test the last epoch's weights on the fourth, which
influenced no choice. Each run's report.html lists the misclassified clips.

--torch also trains torchvision's r3d_18 from scratch, with the same settings on the same batches in the same
order: PyTorch reads the batches of a cnn3dtrain.

usage: fight.py BUILD [--recipe plain|motion] [--without clipdiff|clipaugment] [--torch]
                [--folds 0,1,2,3] [--seeds 0] [--data FOLDER] [--out FOLDER] [--threads 2] [--workers 2]"""
import argparse
import csv
import json
import os
import shlex
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Settings of both sides of the comparison, described in docs/recipes.md.
RECIPES = {
    "plain": {
        "epochs": 15, "batch": 8, "frames": 8, "size": 64,
        "see": "", "augment": "",
        "train": "model=r3d_18 optimizer=adam lr=1e-4 weight-decay=0",
    },
    "motion": {
        "epochs": 12, "batch": 8, "frames": 16, "size": 48,
        "see": " ! clipdiff gain=4", "augment": " ! clipaugment scale-min=0.3 seed={seed}",
        "train": "model=r3d_18 base-width=16 optimizer=adamw lr=1e-3 weight-decay=0.05 label-smoothing=0.1 "
                 "lr-schedule=cosine precision=bf16-mixed",
    },
}
# torchvision's r3d_18 on batches from stdin. The last epoch's metrics are the test's.
PEER = """
import json, sys
import torch, torchvision
epochs, batch, frames, size, train, val, seed, threads = map(int, sys.argv[1:9])
torch.set_num_threads(threads)
torch.manual_seed(seed)
model = torchvision.models.video.r3d_18(num_classes=2)
rule = torch.optim.Adam(model.parameters(), lr=1e-4)
mean = torch.tensor([0.43216, 0.394666, 0.37645]).view(1, 3, 1, 1, 1)
std = torch.tensor([0.22803, 0.22145, 0.216989]).view(1, 3, 1, 1, 1)
def batches(clips):
    while clips:
        n = min(batch, clips)
        clips -= n
        video = sys.stdin.buffer.read(n * frames * size * size * 3)
        labels = sys.stdin.buffer.read(n * 4)
        assert len(labels) == n * 4
        video = torch.frombuffer(bytearray(video), dtype=torch.uint8).view(n, frames, size, size, 3)
        yield ((video.permute(0, 4, 1, 2, 3).float() / 255 - mean) / std,
               torch.frombuffer(bytearray(labels), dtype=torch.int32).long())
for epoch in range(epochs):
    model.train()
    loss_of_pass = 0
    for x, y in batches(train):
        loss = torch.nn.functional.cross_entropy(model(x), y)
        rule.zero_grad()
        loss.backward()
        rule.step()
        loss_of_pass += float(loss) * len(y) / train
    model.eval()
    with torch.no_grad():
        right = sum(int((model(x).argmax(1) == y).sum()) for x, y in batches(val))
    print("torch, epoch %d: loss %.4f, held out %.4f" % (epoch, loss_of_pass, right / val), file=sys.stderr, flush=True)
assert not sys.stdin.buffer.read(1)
print(json.dumps(right / val))
"""
QUEUE = "queue max-size-buffers=2 max-size-bytes=0 max-size-time=0"


def source(args, recipe, fold, seed, training):
    clip_bin = "clipsample num-frames=%d ! videoconvertscale add-borders=false ! video/x-raw,format=RGB,width=%d,height=%d%s%s" % (
        recipe["frames"], recipe["size"], recipe["size"], recipe["see"],
        recipe["augment"].format(seed=seed) if training else "")
    return 'clipsrc location=%s num-folds=4 fold=%d %s num-workers=%d clip-bin="%s" ! clipbatch batch-size=%d' % (
        shlex.quote(os.path.join(args.data, "fight", "fight.csv")), fold,
        "epochs=%d seed=%d" % (recipe["epochs"], seed) if training else "passes=val", args.workers, clip_bin,
        recipe["batch"])


def launch(args, line, **more):
    print("gst-launch-1.0 -q " + line, flush=True)
    env = dict(os.environ, GST_PLUGIN_PATH=os.path.join(args.build, "plugins"))
    return subprocess.Popen(["gst-launch-1.0", "-q", *shlex.split(line)], env=env, **more)


def ours(args, recipe, fold, seed):
    run = os.path.join(args.out, "%s-seed%d-fold%d" % (args.recipe, seed, fold))
    for line in (
            "%s ! %s ! cnn3dtrain %s seed=%d threads=%d save-top-k=0 resume=never checkpoint-dir=%s log-dir=%s" % (
                source(args, recipe, fold, seed, True), QUEUE, recipe["train"], seed, args.threads, shlex.quote(run),
                shlex.quote(run)),
            "%s ! %s ! cnn3deval model=%s threads=%d output-dir=%s" % (
                source(args, recipe, fold, seed, False), QUEUE, shlex.quote(run + "/last.safetensors"), args.threads,
                shlex.quote(run + "/test"))):
        if launch(args, line).wait():
            sys.exit("this line failed")
    subprocess.run([os.path.join(args.build, "tool", "cnn3d"), "report", run], check=True)
    with open(run + "/test/metrics.json", encoding="utf-8") as file:
        return json.load(file)["accuracy"]


def torch(args, recipe, fold, seed):
    with open(os.path.join(args.data, "fight", "fight.csv"), encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    held_out = sum(int(row["fold"]) == fold for row in rows)
    feed = launch(args, "%s ! fdsink sync=false" % source(args, recipe, fold, seed, True), stdout=subprocess.PIPE)
    numbers = (recipe["epochs"], recipe["batch"], recipe["frames"], recipe["size"], len(rows) - held_out, held_out,
               seed, args.threads)
    peer = subprocess.run([args.python, "-c", PEER, *map(str, numbers)], stdin=feed.stdout, stdout=subprocess.PIPE,
                          check=True)
    feed.stdout.close()
    feed.wait()
    return json.loads(peer.stdout)


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("build")
parser.add_argument("--recipe", choices=sorted(RECIPES), default="motion")
parser.add_argument("--without", action="append", choices=("clipdiff", "clipaugment"), default=[],
                    help="leave this part of the recipe out")
parser.add_argument("--torch", action="store_true", help="with --recipe plain: PyTorch beside it")
parser.add_argument("--python", default="/usr/bin/python3", help="one that has torch and torchvision")
parser.add_argument("--data", default=os.environ.get("CNN3D_TEST_DATA") or os.path.join(
    os.path.dirname(TOP), "shared", "data"))
parser.add_argument("--out", default="runs")
parser.add_argument("--folds", default="0,1,2,3")
parser.add_argument("--seeds", default="0")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--workers", type=int, default=2)
args = parser.parse_args()
if args.torch and args.recipe != "plain":
    parser.error("--torch is for --recipe plain")
os.makedirs(args.out, exist_ok=True)

recipe, table = dict(RECIPES[args.recipe]), []
for part, element in (("see", "clipdiff"), ("augment", "clipaugment")):
    if element in args.without:
        recipe[part] = ""
for seed in map(int, args.seeds.split(",")):
    for fold in map(int, args.folds.split(",")):
        row = [seed, fold]
        for side in (ours, torch)[:1 + args.torch]:
            began = time.monotonic()
            row += [side(args, recipe, fold, seed), time.monotonic() - began]
        table.append(row)
        print("| %d | %d |" % (seed, fold) + "".join(
            " %.1f %% | %.0f s |" % (100 * row[i], row[i + 1]) for i in range(2, len(row), 2)), flush=True)
print("\n| seed | fold | cnn3d | |" + " torchvision | |" * args.torch)
print("|---|---|---|---|" + "---|---|" * args.torch)
for row in table:
    print("| %d | %d |" % tuple(row[:2]) + "".join(
        " %.1f %% | %.0f s |" % (100 * row[i], row[i + 1]) for i in range(2, len(row), 2)))
print("| mean | |" + "".join(" %.1f %% | |" % (100 * sum(row[i] for row in table) / len(table))
                            for i in range(2, len(table[0]), 2)))
