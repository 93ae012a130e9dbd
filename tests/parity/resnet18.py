# SPDX-License-Identifier: LGPL-2.1-or-later
"""r3d_18, mc3_18 and r2plus1d_18 in PyTorch, with torchvision's parameter names, for systems without
torchvision: Tran et al., "A closer look at spatiotemporal convolutions for action recognition", CVPR 2018."""
import torch
from torch import nn


def full(i, o, stride):
    return nn.Conv3d(i, o, 3, stride, 1, bias=False), (stride, stride, stride)


def flat(i, o, stride):
    return nn.Conv3d(i, o, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False), (1, stride, stride)


def factored(i, o, stride, middle):
    return nn.Sequential(
        nn.Conv3d(i, middle, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False), nn.BatchNorm3d(middle),
        nn.ReLU(inplace=True),
        nn.Conv3d(middle, o, (3, 1, 1), (stride, 1, 1), (1, 0, 0), bias=False)), (stride, stride, stride)


class Block(nn.Module):
    def __init__(self, i, o, stride, kind):
        super().__init__()
        # as many weights as a 3x3x3 kernel
        more = (27 * i * o // (9 * i + 3 * o),) if kind is factored else ()
        first, reach = kind(i, o, stride, *more)
        second, _ = kind(o, o, 1, *more)
        self.conv1 = nn.Sequential(first, nn.BatchNorm3d(o), nn.ReLU(inplace=True))
        self.conv2 = nn.Sequential(second, nn.BatchNorm3d(o))
        self.downsample = None
        if stride != 1 or i != o:
            self.downsample = nn.Sequential(nn.Conv3d(i, o, 1, reach, bias=False), nn.BatchNorm3d(o))

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        # in place, as torchvision's
        x = self.conv2(self.conv1(x))
        x += shortcut
        return x.relu_()


class ResNet18(nn.Module):
    def __init__(self, name, num_classes=400, width=64):
        super().__init__()
        kinds = {"r3d_18": [full] * 4, "mc3_18": [full, flat, flat, flat], "r2plus1d_18": [factored] * 4}[name]
        if name == "r2plus1d_18":
            middle = 45 * width // 64
            stem = [nn.Conv3d(3, middle, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False), nn.BatchNorm3d(middle),
                    nn.ReLU(inplace=True), nn.Conv3d(middle, width, (3, 1, 1), 1, (1, 0, 0), bias=False)]
        else:
            stem = [nn.Conv3d(3, width, (3, 7, 7), (1, 2, 2), (1, 3, 3), bias=False)]
        self.stem = nn.Sequential(*stem, nn.BatchNorm3d(width), nn.ReLU(inplace=True))
        i = width
        for k, kind in enumerate(kinds):
            o = width << k
            setattr(self, "layer%d" % (k + 1), nn.Sequential(Block(i, o, 2 if k else 1, kind), Block(o, o, 1, kind)))
            i = o
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.fc = nn.Linear(i, num_classes)

    def forward(self, x):
        x = self.layer4(self.layer3(self.layer2(self.layer1(self.stem(x)))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def make(name, num_classes=400, width=64):
    """torchvision's own if it is installed."""
    if width != 64:
        return ResNet18(name, num_classes, width)
    try:
        import torchvision
        return getattr(torchvision.models.video, name)(num_classes=num_classes)
    except ImportError:
        return ResNet18(name, num_classes)
