# SPDX-License-Identifier: LGPL-2.1-or-later
"""posec3d_slowonly in PyTorch, with MMAction2's parameter names, and its heat maps in NumPy: Duan et
al., "Revisiting skeleton-based action recognition", CVPR 2022. Frames and key points in one network."""
import numpy
import torch
from torch import nn

import resnet18


class Clips:
    """The input of a network with key points: points (N, T, M, K, 3), their heat maps (N, K, T, H, W) and,
    optionally, frames (N, 3, T, H, W)"""

    def __init__(self, points, maps, frames=None):
        self.points, self.maps, self.frames = points, maps, frames

    def __len__(self):
        return len(self.points)

    def __getitem__(self, part):
        return Clips(self.points[part], self.maps[part], None if self.frames is None else self.frames[part])

    def each(self, change):
        """With each tensor changed"""
        return Clips(self.points, change(self.maps), None if self.frames is None else change(self.frames))

    def to(self, device):
        return self.each(lambda x: x.to(device))


class Conv(nn.Module):
    def __init__(self, i, o, kernel, stride=(1, 1, 1), relu=True):
        super().__init__()
        self.conv = nn.Conv3d(i, o, kernel, stride, tuple(k // 2 for k in kernel), bias=False)
        self.bn = nn.BatchNorm3d(o)
        self.relu = relu

    def forward(self, x):
        x = self.bn(self.conv(x))
        return x.relu() if self.relu else x


class Block(nn.Module):
    def __init__(self, i, inner, temporal, stride):
        super().__init__()
        self.conv1 = Conv(i, inner, (temporal, 1, 1))
        self.conv2 = Conv(inner, inner, (1, 3, 3), stride)
        self.conv3 = Conv(inner, 4 * inner, (1, 1, 1), relu=False)
        self.downsample = None
        if stride != (1, 1, 1) or i != 4 * inner:
            self.downsample = Conv(i, 4 * inner, (1, 1, 1), stride, relu=False)

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        return (self.conv3(self.conv2(self.conv1(x))) + shortcut).relu()


class Backbone(nn.Module):
    def __init__(self, points, width):
        super().__init__()
        self.conv1 = Conv(points, width, (1, 7, 7))
        self.pool = nn.MaxPool3d((1, 3, 3), 1, (0, 1, 1))
        i = width
        for k, (depth, temporal, stride) in enumerate(((4, 1, (1, 2, 2)), (6, 3, (1, 2, 2)), (3, 3, (2, 2, 2)))):
            blocks = []
            for block in range(depth):
                blocks.append(Block(i, width << k, temporal, (1, 1, 1) if block else stride))
                i = 4 * (width << k)
            setattr(self, "layer%d" % (k + 1), nn.Sequential(*blocks))
        self.features = i

    def forward(self, x):
        return self.layer3(self.layer2(self.layer1(self.pool(self.conv1(x)))))


class Head(nn.Module):
    def __init__(self, i, classes):
        super().__init__()
        self.fc_cls = nn.Linear(i, classes)

    def forward(self, x):
        return self.fc_cls(x)


class PoseC3D(nn.Module):
    def __init__(self, num_classes=60, width=32, points=17):
        super().__init__()
        self.backbone = Backbone(points, width)
        self.cls_head = Head(self.backbone.features, num_classes)

    def forward(self, clips):
        return self.cls_head(self.backbone(clips.maps).mean((2, 3, 4)))


class TwoStreams(nn.Module):
    """One of resnet18.py's networks for frames, and PoseC3D for heat maps. Their parameters keep their names."""

    def __init__(self, frames, fusion, num_classes, width=32, points=17):
        super().__init__()
        pose = PoseC3D(num_classes, width, points)
        self.fusion = fusion
        for name, child in frames.named_children():
            setattr(self, name, child)
        self.backbone = pose.backbone
        if fusion == "late":
            self.cls_head = pose.cls_head
        elif fusion == "concat":
            self.fc = nn.Linear(frames.fc.in_features + pose.backbone.features, num_classes)

    def forward(self, clips):
        a = self.layer4(self.layer3(self.layer2(self.layer1(self.stem(clips.frames))))).mean((2, 3, 4))
        b = self.backbone(clips.maps).mean((2, 3, 4))
        if self.fusion == "late":
            return (self.fc(a) + self.cls_head(b)) / 2
        return self.fc(torch.cat((a, b), 1) if self.fusion == "concat" else (a + b) / 2)


class Stem(nn.Module):
    """One of resnet18.py's networks whose first convolution also reads heat maps of the frames' size"""

    def __init__(self, frames, points=17):
        super().__init__()
        for name, child in frames.named_children():
            setattr(self, name, child)
        conv = self.stem[0]
        self.stem[0] = nn.Conv3d(conv.in_channels + points, conv.out_channels, conv.kernel_size, conv.stride,
                                 conv.padding, bias=False)

    def forward(self, clips):
        x = torch.cat((clips.frames, clips.maps), 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(self.stem(x)))))
        return self.fc(x.mean((2, 3, 4)))


def make(name, model, fusion, num_classes, width=64):
    """name: posec3d_slowonly, or a network of frames combined with it; it is half as wide as the frames' network"""
    if name == "posec3d_slowonly":
        return PoseC3D(num_classes, width // 2)
    frames = resnet18.make(model, num_classes, width)
    return Stem(frames) if fusion == "stem" else TwoStreams(frames, fusion, num_classes, width // 2)


def heat_maps(points, height, width, sigma=0.6):
    """Points (N, T, M, K, 3), from 0 to 1, to (N, K, T, H, W), as MMAction2's GeneratePoseTarget draws them"""
    n, frames, persons, k, _ = points.shape
    maps = numpy.zeros((n, k, frames, height, width), "f4")
    scale = numpy.array((width, height), "f4")

    def span(mu, size):
        # int() truncates towards zero
        return slice(max(int(mu - 3 * sigma), 0), max(min(int(mu + 3 * sigma) + 1, size), 0))

    for clip, frame, person, point in numpy.ndindex(n, frames, persons, k):
        (x, y), score = points[clip, frame, person, point, :2] * scale, points[clip, frame, person, point, 2]
        if not score >= 1e-4 or not numpy.isfinite((x, y)).all():
            continue
        rows, columns = span(y, height), span(x, width)
        squares = ((numpy.arange(height, dtype="f4")[rows, None] - y) ** 2
                   + (numpy.arange(width, dtype="f4")[columns] - x) ** 2)
        there = maps[clip, point, frame, rows, columns]
        numpy.maximum(there, numpy.exp(-squares / 2 / sigma ** 2) * score, out=there)
    return maps
