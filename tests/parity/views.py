# SPDX-License-Identifier: LGPL-2.1-or-later
"""Several views of each sample in PyTorch: the networks of the other files on all clips at once, and
their features or logits joined."""
import torch
from torch import nn

import posec3d


class Samples:
    """Clips (N * V, ...), a tensor or posec3d.Clips, and which of them are there, (N, V)"""

    def __init__(self, clips, present):
        self.clips, self.present = clips, present

    def __len__(self):
        return len(self.present)

    def __getitem__(self, part):
        views = self.present.shape[1]
        numbers = torch.arange(len(self.clips)).view(-1, views)[part].flatten()
        return Samples(self.clips[numbers], self.present[part])

    def each(self, change):
        """With the tensors changed"""
        clips = self.clips.each(change) if isinstance(self.clips, posec3d.Clips) else change(self.clips)
        return Samples(clips, self.present)

    def to(self, device):
        return Samples(self.clips.to(device), self.present.to(device))


class Views(nn.Module):
    """Its parameters keep the names that they have in `model`."""

    def __init__(self, model, views, fusion):
        super().__init__()
        for name, child in model.named_children():
            setattr(self, name, child)
        self.fusion = fusion
        if fusion == "concat":
            for parent, name in ((self, "fc"), (getattr(self, "cls_head", None), "fc_cls")):
                if hasattr(parent, name):
                    last = getattr(parent, name)
                    setattr(parent, name, nn.Linear(views * last.in_features, last.out_features))

    def features(self, clips):
        """Of each stream, (N * V, C)"""
        if hasattr(self, "stem"):
            x = clips.frames if isinstance(clips, posec3d.Clips) else clips
            yield self.layer4(self.layer3(self.layer2(self.layer1(self.stem(x))))).mean((2, 3, 4))
        if hasattr(self, "backbone"):
            yield self.backbone(clips.maps).mean((2, 3, 4))

    def join(self, x, present):
        x, present = x.view(*present.shape, -1), present[..., None].to(x.dtype)
        if self.fusion == "concat":
            return (x * present).flatten(1)
        if self.fusion == "probabilities":
            return ((x.softmax(2) * present).sum(1) / present.sum(1)).log()
        return (x * present).sum(1) / present.sum(1)

    def forward(self, samples):
        before = self.fusion in ("features", "concat")
        heads = [getattr(self, name) for name in ("fc", "cls_head") if hasattr(self, name)]
        parts = [self.join(x, samples.present) if before else x for x in self.features(samples.clips)]
        logits = sum(head(x) for head, x in zip(heads, parts, strict=True)) / len(heads)
        return logits if before else self.join(logits, samples.present)
