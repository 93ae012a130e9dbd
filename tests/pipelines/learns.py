#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""quickstart.sh's line learns the demonstration set, in FP32 and bf16-mixed; a network that cannot see the
order of frames does not."""
import os

import demonstration
import launch


def quickstart_line(folder, **changes):
    """The line printed by quickstart.sh, with its data and some properties replaced."""
    line = demonstration.line("quickstart.sh", "line")
    line = line.replace("runs/quickstart", os.path.join(folder, "run"))
    line = line.replace("=demo/", "=%s/" % os.environ["CNN3D_DEMO"])
    line += "".join(" %s=%s" % (name.replace("_", "-"), value) for name, value in changes.items())
    return demonstration.cached(line, folder)


def learns(folder):
    """quickstart.sh's line learns the demonstration set, and keeps it in bf16-mixed"""
    notes = []
    # bf16 takes several times as long on a CPU without its instructions
    for precision in "32", "bf16-mixed":
        accuracies, _ = demonstration.train(quickstart_line(folder, precision=precision), folder, 0.95)
        notes.append("%s: validation accuracy %s" % (precision, " ".join("%.3f" % a for a in accuracies)))
        assert accuracies and accuracies[-1] >= 0.95, notes
    return notes


def read_clips(folder, manifest, frames=8, size=32):
    """Every clip of a manifest, sampled and scaled as in quickstart's line: (N, T, H, W, C) uint8 and N labels,
    from clipbatch's own buffers."""
    import numpy
    path = os.path.join(folder, "clips")
    launch.launch('clipsrc location=%s num-workers=2 shuffle=false clip-bin="clipsample num-frames=%d frame-interval=1 ! '
               'videoconvertscale add-borders=false ! video/x-raw,format=RGB,width=%d,height=%d" ! '
               'clipbatch batch-size=1 ! filesink location=%s' %
               (os.path.join(os.environ["CNN3D_DEMO"], manifest), frames, size, size, path), folder,
               seconds=300, options="-q").fine()
    record = numpy.dtype([("frames", "u1", (frames, size, size, 3)), ("label", "<i4")])
    data = numpy.fromfile(path, record)
    return data["frames"], data["label"].astype("i8")


def order_is_needed(folder):
    """A 2D network, which ignores the order of frames, stays near chance"""
    # It classifies each frame and averages over the frames. That it is not too weak
    # shows in a property that single frames do have.
    import numpy
    import torch
    from torch import nn

    torch.manual_seed(0)
    torch.set_num_threads(2)
    x, y = (torch.from_numpy(a.copy()) for a in read_clips(folder, "train.csv"))
    xv, yv = (torch.from_numpy(a.copy()) for a in read_clips(folder, "val.csv"))
    classes = 8
    assert len(x) >= 1000 and sorted(set(y.tolist())) == list(range(classes))

    def bright(clips):
        """Whether the rim is brighter than the middle: visible in any single frame."""
        rim = clips[:, 0, :4].float().mean((1, 2, 3))
        return (rim > clips[:, 0, 12:20, 12:20].float().mean((1, 2, 3))).long()

    def accuracy(train_labels, test_labels, epochs):
        def layer(i, o):
            return nn.Sequential(nn.Conv2d(i, o, 3, 2, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU())
        features = nn.Sequential(layer(3, 24), layer(24, 48), layer(48, 96), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        head = nn.Linear(96, classes)

        def network(clips):
            n, t = clips.shape[:2]
            z = clips.flatten(0, 1).permute(0, 3, 1, 2).float().div(255).sub(0.4).div(0.22)
            return head(features(z).view(n, t, -1).mean(1))
        parameters = [*features.parameters(), *head.parameters()]
        adam = torch.optim.AdamW(parameters, 2e-3)
        for _ in range(epochs):
            order = torch.randperm(len(x))
            features.train()
            for first in range(0, len(x), 32):
                some = order[first:first + 32]
                adam.zero_grad()
                nn.functional.cross_entropy(network(x[some]), train_labels[some]).backward()
                adam.step()
        features.eval()
        with torch.no_grad():
            return (network(xv).argmax(1) == test_labels).float().mean().item()

    motion = accuracy(y, yv, 4)
    ground = accuracy(bright(x), bright(xv), 2)
    notes = "the motion: %.3f (chance 0.125); what a frame shows: %.3f" % (motion, ground)
    assert ground >= 0.85, notes
    assert motion <= 0.2, notes
    return [notes]


launch.main(learns, order_is_needed)
