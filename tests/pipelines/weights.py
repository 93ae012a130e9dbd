#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Weights are portable: a checkpoint loads into torchvision's model by name with the same validation results,
and torchvision's weights load into a launch line."""
import os
import sys

import launch

try:
    import numpy
    import torch
    import torchvision
except ImportError as error:
    print("1..0 # SKIP %s" % error)
    sys.exit(0)

sys.path.insert(0, os.path.join(launch.TOP, "tests", "parity"))
import tensors

FRAMES, SIZE = 8, 32
MEAN = (.43216, .394666, .37645)
DEVIATION = (.22803, .22145, .216989)


def data(folder):
    launch.two_classes(os.path.join(folder, "clips"), 4)
    for name, clips in (("train.csv", range(2)), ("val.csv", range(2, 4))):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.writelines("clips/%s/%02d.mp4,%s\n" % (c, i, c)
                            for c in ("ball", "bars") for i in clips)


def line(more):
    return ("clipsrc location=train.csv val-location=val.csv seed=1 %s ! clipbatch "
            "batch-size=2 ! %s ! cnn3dtrain threads=1 save-top-k=0 %s" % (
                launch.CLIP_BIN, launch.QUEUE, more))


def validation_clips(folder):
    """The frames of the validation pass, written to a file by clipsrc and clipbatch."""
    launch.launch("clipsrc location=val.csv shuffle=false %s ! clipbatch batch-size=4 ! "
                  "filesink location=val.raw" % launch.CLIP_BIN, folder).fine()
    raw = launch.read(os.path.join(folder, "val.raw"))
    size = 4 * FRAMES * SIZE * SIZE * 3
    assert len(raw) == size + 4 * 4, len(raw)
    frames = numpy.frombuffer(raw[:size], "u1").reshape(4, FRAMES, SIZE, SIZE, 3)
    labels = numpy.frombuffer(raw[size:], "<i4")
    assert sorted(labels) == [0, 0, 1, 1], labels
    x = torch.from_numpy(frames.astype("f4") / 255)
    x = (x - torch.tensor(MEAN)) / torch.tensor(DEVIATION)
    return x.permute(0, 4, 1, 2, 3).contiguous(), torch.from_numpy(labels.astype("i8"))


def judge(model, folder):
    """Loss and accuracy on the validation clips, by PyTorch."""
    x, labels = validation_clips(folder)
    model.eval()
    with torch.no_grad():
        logits = model(x)
    loss = torch.nn.functional.cross_entropy(logits, labels).item()
    return loss, (logits.argmax(1) == labels).float().mean().item()


def alike(run, model, folder):
    reported = run.messages("cnn3dtrain-validation")[-1]
    loss, accuracy = judge(model, folder)
    run.need(abs(float(reported["loss"]) - loss) <= 1e-4 * max(1, abs(loss)),
             "the line says val-loss %s, PyTorch %.7g" % (reported["loss"], loss))
    run.need(float(reported["accuracy"]) == accuracy, "the line says val-accuracy %s, PyTorch %g"
             % (reported["accuracy"], accuracy))
    return "val-loss %.7g, PyTorch %.7g" % (float(reported["loss"]), loss)


def load(model, path):
    state, _ = tensors.load(path)
    model.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in state.items()},
                          strict=True)
    return model


def save(model, path):
    tensors.save(path, {k: v.detach().numpy().astype("<i8" if "num_batches" in k else "<f4")
                        for k, v in model.state_dict().items()})


def theirs(name, classes=2):
    torch.manual_seed(5)
    return getattr(torchvision.models.video, name)(num_classes=classes)


def exported(name, folder):
    data(folder)
    run = launch.launch(line("model=%s lr=0.002 checkpoint-dir=run" % name), folder).fine()
    model = load(theirs(name), os.path.join(folder, "run", "last.safetensors"))
    batches = [v for k, v in model.state_dict().items() if k.endswith("num_batches_tracked")]
    assert batches and all(int(v) == 2 for v in batches), "num_batches_tracked: %s" % batches
    return [alike(run, model, folder)]


def r3d_18(folder):
    """last.safetensors of r3d_18 loads strictly into torchvision's model, with the same validation results"""
    return exported("r3d_18", folder)


def mc3_18(folder):
    """The same with mc3_18"""
    return exported("mc3_18", folder)


def r2plus1d_18(folder):
    """The same with r2plus1d_18"""
    return exported("r2plus1d_18", folder)


def imported(folder):
    """torchvision's weights as pretrained=, without training: the line validates as PyTorch does"""
    data(folder)
    model = theirs("r3d_18")
    save(model, os.path.join(folder, "theirs.safetensors"))
    run = launch.launch(line("pretrained=theirs.safetensors lr=0 weight-decay=0 "
                             "freeze=batch-norm checkpoint-dir=run"), folder).fine()
    run.need(not run.messages("cnn3dtrain-left-out"), "something was left out")
    back, _ = tensors.load(os.path.join(folder, "run", "last.safetensors"))
    for name, value in model.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert numpy.array_equal(back[name], value.numpy()), "%s changed" % name
    return [alike(run, model, folder)]


def head(folder):
    """A head of another size is left out and reported; the rest is loaded"""
    data(folder)
    model = theirs("mc3_18", 400)
    save(model, os.path.join(folder, "theirs.safetensors"))
    run = launch.launch(line("model=mc3_18 pretrained=theirs.safetensors lr=0 "
                             "weight-decay=0 freeze=batch-norm checkpoint-dir=run"),
                        folder).fine()
    left = run.messages("cnn3dtrain-left-out")
    run.need(len(left) == 1 and "fc.weight" in left[0]["names"]
             and "fc.bias" in left[0]["names"], "not named: %s" % left)
    run.need("fc.weight" in run.err + run.out and "WARNING" in run.err + run.out,
             "no warning names it")
    mine = load(theirs("mc3_18"), os.path.join(folder, "run", "last.safetensors"))
    for name, value in model.state_dict().items():
        if not name.startswith("fc.") and not name.endswith("num_batches_tracked"):
            assert torch.equal(mine.state_dict()[name], value), "%s changed" % name


if __name__ == "__main__":
    torch.set_num_threads(1)
    launch.main(r3d_18, mc3_18, r2plus1d_18, imported, head)
