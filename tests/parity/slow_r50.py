# SPDX-License-Identifier: LGPL-2.1-or-later
"""slow_r50 in PyTorch, with PyTorchVideo's parameter names: the slow path of
Feichtenhofer et al., "SlowFast networks for video recognition", ICCV 2019."""
from torch import nn


def conv(i, o, kernel, stride=(1, 1, 1)):
    return nn.Conv3d(i, o, kernel, stride, tuple(k // 2 for k in kernel), bias=False)


class Branch2(nn.Module):
    def __init__(self, i, inner, o, temporal, stride):
        super().__init__()
        self.conv_a = conv(i, inner, (temporal, 1, 1))
        self.norm_a = nn.BatchNorm3d(inner)
        self.conv_b = conv(inner, inner, (1, 3, 3), (1, stride, stride))
        self.norm_b = nn.BatchNorm3d(inner)
        self.conv_c = conv(inner, o, (1, 1, 1))
        self.norm_c = nn.BatchNorm3d(o)

    def forward(self, x):
        x = self.norm_a(self.conv_a(x)).relu()
        x = self.norm_b(self.conv_b(x)).relu()
        return self.norm_c(self.conv_c(x))


class Block(nn.Module):
    def __init__(self, i, inner, o, temporal, stride):
        super().__init__()
        self.projects = i != o or stride != 1
        if self.projects:
            self.branch1_conv = conv(i, o, (1, 1, 1), (1, stride, stride))
            self.branch1_norm = nn.BatchNorm3d(o)
        self.branch2 = Branch2(i, inner, o, temporal, stride)

    def forward(self, x):
        shortcut = self.branch1_norm(self.branch1_conv(x)) if self.projects else x
        return (shortcut + self.branch2(x)).relu()


class Stage(nn.Module):
    def __init__(self, i, inner, depth, temporal, stride):
        super().__init__()
        self.res_blocks = nn.ModuleList(
            Block(i if k == 0 else 4 * inner, inner, 4 * inner, temporal, stride if k == 0 else 1)
            for k in range(depth))

    def forward(self, x):
        for block in self.res_blocks:
            x = block(x)
        return x


class Stem(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = conv(3, width, (1, 7, 7), (1, 2, 2))
        self.norm = nn.BatchNorm3d(width)
        self.pool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))

    def forward(self, x):
        return self.pool(self.norm(self.conv(x)).relu())


class Head(nn.Module):
    def __init__(self, i, classes):
        super().__init__()
        self.proj = nn.Linear(i, classes)

    def forward(self, x):
        return self.proj(x.mean((2, 3, 4)))


class SlowR50(nn.Module):
    def __init__(self, num_classes=400, width=64):
        super().__init__()
        stages = [Stem(width)]
        i = width
        for k, depth in enumerate((3, 4, 6, 3)):
            stages.append(Stage(i, width << k, depth, 1 if k < 2 else 3, 1 if k == 0 else 2))
            i = 4 * (width << k)
        stages.append(Head(i, num_classes))
        self.blocks = nn.ModuleList(stages)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x
