#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""cnn3d export: onnxruntime and PyTorch compute the same logits from its output, and models that cannot be
exported are rejected."""
import json
import os
import re
import shlex
import subprocess
import sys

import launch

try:
    PYTHON = launch.peer("torch", "torchvision", "onnxruntime", "safetensors")
    if sys.executable != PYTHON:
        os.execv(PYTHON, [PYTHON, *sys.argv])
except launch.Skip as reason:
    print("1..0 # SKIP %s" % reason)
    sys.exit(0)

import numpy
import onnxruntime
import safetensors.torch
import torch
import torchvision

sys.path.insert(0, os.path.join(launch.TOP, "tests", "parity"))
import posec3d
import resnet18
import slow_r50
import tensors
import views

FRAMES, HEIGHT, WIDTH, CLASSES = 8, 32, 40, 3
MEAN = (.43216, .394666, .37645)
DEVIATION = (.22803, .22145, .216989)
TOLERANCE = 1e-4


def tool(*options, folder=None):
    return subprocess.run([os.path.join(launch.BUILD, "tool", "cnn3d"), "export", *options],
                          cwd=folder, env=launch.environment(), timeout=launch.limit(60),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def export(*options, folder=None):
    done = tool(*options, folder=folder)
    assert done.returncode == 0, (options, launch.text(done.stderr))
    return launch.text(done.stdout)


def joint(name, fusion, width):
    """With key points; posec3d_slowonly has half the width of the others."""
    if name == "posec3d_slowonly":
        return posec3d.PoseC3D(CLASSES, width // 2)
    frames = resnet18.ResNet18(name, CLASSES, width)
    return posec3d.Stem(frames) if fusion == "stem" else posec3d.TwoStreams(frames, fusion, CLASSES, width // 2)


def network(name, width, fusion=None, several=None):
    """PyTorch's model, with running statistics as after training; several: the number of views, and how
    they are combined"""
    torch.manual_seed(7)
    if fusion:
        model = joint(name, fusion, width)
    elif name == "slow_r50":
        model = slow_r50.SlowR50(CLASSES, width)
    elif width == 64:
        model = getattr(torchvision.models.video, name)(num_classes=CLASSES)
    else:
        model = resnet18.ResNet18(name, CLASSES, width)
    if several:
        model = views.Views(model, *several)
    for key, value in model.state_dict().items():
        if key.endswith("running_mean"):
            value.normal_(0, .2)
        elif key.endswith("running_var"):
            value.uniform_(.5, 2)
        elif key.endswith("num_batches_tracked"):
            value.fill_(11)
    # large logits, so that their relative error is meaningful
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.weight, 0, 1)
    return model.eval()


def description(name, width, **more):
    return {"format": "pt", "model": name, "num-classes": str(CLASSES), "base-width": str(width),
            "channels": "3", "num-frames": str(FRAMES), "height": str(HEIGHT),
            "width": str(WIDTH), "mean": json.dumps(MEAN), "std": json.dumps(DEVIATION),
            "classes": json.dumps(["a", "b", "c"]), "step": "1", **more}


def save(model, path, metadata):
    tensors.save(path, {k: v.detach().numpy() for k, v in model.state_dict().items()}, metadata)


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def compare(name, width, folder, *ways):
    model = network(name, width)
    path = os.path.join(folder, "m.safetensors")
    save(model, path, description(name, width))
    notes = []
    for way in ways:
        output = export("--input=" + way, path)
        run = session(os.path.join(folder, "m.onnx"))
        (into,), (out,) = run.get_inputs(), run.get_outputs()
        shape = [3, FRAMES, HEIGHT, WIDTH] if way == "clip" else [3, FRAMES * HEIGHT, WIDTH]
        assert (into.name, into.type, into.shape) == ("input", "tensor(float)", ["batch"] + shape)
        assert (out.name, out.type, out.shape) == ("logits", "tensor(float)", ["batch", CLASSES])
        for clips in 1, 3:
            x = torch.randn(clips, 3, FRAMES, HEIGHT, WIDTH)
            with torch.no_grad():
                wanted = model(x).numpy()
            got = run.run(None, {"input": x.numpy().reshape([clips] + shape)})[0]
            error = numpy.abs(got - wanted).max()
            assert got.shape == (clips, CLASSES) and error <= TOLERANCE, (way, clips, error)
            assert numpy.abs(wanted).max() > .1, "nothing to compare: %s" % wanted
            notes.append("%s, %d clips: within %.1e of logits up to %.1f" % (
                way, clips, error, numpy.abs(wanted).max()))
    says = run.get_modelmeta().custom_metadata_map
    assert says["model"] == name and json.loads(says["classes"]) == ["a", "b", "c"], says
    assert numpy.allclose(json.loads(says["mean"]), MEAN, atol=1e-7), says
    assert name in output and "m.onnx.modelinfo" in output and "m.onnx.labels.txt" in output, output
    return notes


def r3d_18(folder):
    """onnxruntime's logits of r3d_18 equal PyTorch's, for one clip and for three"""
    return compare("r3d_18", 8, folder, "clip")


def mc3_18(folder):
    """The same for mc3_18 from torchvision"""
    return compare("mc3_18", 64, folder, "clip")


def r2plus1d_18(folder):
    """The same for r2plus1d_18"""
    return compare("r2plus1d_18", 8, folder, "clip")


def slow_r50_(folder):
    """The same for slow_r50, with clips and with pictures as input"""
    return compare("slow_r50", 8, folder, "clip", "picture")


def check_shapes(output, shapes):
    """What the tool prints of the inputs"""
    for name in "input", "keypoints":
        said = re.search(r"\b%s, (batch(?: x \d+)+)" % name, output)
        wanted = " x ".join(map(str, shapes[name])) if name in shapes else None
        assert (said and said.group(1)) == wanted, (output, shapes)


def key_points(folder):
    """The same with key points: posec3d_slowonly, two streams, and heat maps in the stem; with points outside,
    missing ones and NaN"""
    persons, points, size = 2, 17, 24
    notes = []
    for name, kind, fusion in (("posec3d_slowonly", "kpt", "concat"), ("r3d_18", "rgb+kpt", "concat"),
                               ("mc3_18", "rgb+kpt", "mean"), ("r2plus1d_18", "rgb+kpt", "late"),
                               ("r3d_18", "rgb+kpt", "stem")):
        model = network(name, 8, fusion)
        path = os.path.join(folder, "m.safetensors")
        save(model, path, description(name, 8, **{
            "input-type": kind, "fusion": fusion, "keypoints": str(points), "persons": str(persons),
            "heatmap-size": str(size), "heatmap-sigma": "0.6"}))
        for way in ("clip",) if kind == "kpt" else ("clip", "picture"):
            output = export("--input=" + way, path)
            run = session(os.path.join(folder, "m.onnx"))
            frames_shape = [3, FRAMES, HEIGHT, WIDTH] if way == "clip" else [3, FRAMES * HEIGHT, WIDTH]
            shapes = {"input": ["batch"] + frames_shape, "keypoints": ["batch", FRAMES, persons, points, 3]}
            if kind == "kpt":
                del shapes["input"]
            assert {i.name: i.shape for i in run.get_inputs()} == shapes, [i.shape for i in run.get_inputs()]
            check_shapes(output, shapes)
            for clips in 1, 3:
                rng = numpy.random.default_rng(clips)
                given = rng.uniform(-.1, 1.1, (clips, FRAMES, persons, points, 3)).astype("f4")
                given[..., 2] = rng.uniform(0, 1, given.shape[:-1])
                given[:, :, 0, 0, 2], given[:, :, 0, 1, 0], given[:, :, 0, 2, 1] = 0, numpy.nan, numpy.inf
                given[:, :, 0, 3, 2], given[:, :, 0, 4, :2], given[:, :, 0, 5, 2] = numpy.nan, 1e30, 9e-5
                # whole pixels, for which 3 sigma end between pixels
                given[0, ..., :2] = numpy.round(given[0, ..., :2] * size) / size
                high, wide = (HEIGHT, WIDTH) if fusion == "stem" else (size, size)
                frames = torch.randn(clips, 3, FRAMES, HEIGHT, WIDTH)
                maps = torch.from_numpy(posec3d.heat_maps(given, high, wide))
                with torch.no_grad():
                    wanted = model(posec3d.Clips(given, maps, frames)).numpy()
                into = {"input": frames.numpy().reshape([clips] + frames_shape), "keypoints": given}
                got = run.run(None, {key: into[key] for key in shapes})[0]
                error = numpy.abs(got - wanted).max()
                assert got.shape == (clips, CLASSES) and error <= TOLERANCE, (name, fusion, way, clips, error)
                assert numpy.abs(wanted).max() > .1, "nothing to compare: %s" % wanted
            notes.append("%s, %s, %s: within %.1e of logits up to %.1f" % (name, fusion, way, error, numpy.abs(wanted).max()))
        if kind == "kpt":
            done = tool("--input=picture", path)
            assert done.returncode == 2 and b"--input=picture: this network reads key points alone, and no frames" in done.stderr, done
        says = run.get_modelmeta().custom_metadata_map
        assert (says["input-type"], says["keypoints"], says["persons"]) == (kind, "17", "2"), says
        assert numpy.float32(says["heatmap-sigma"]) == numpy.float32(.6), says
    return notes


def several_views(folder):
    """The same with several views, however they come together, of frames, of key points and of both; with
    views missing, and without a mask"""
    persons, points, size = 2, 17, 24
    notes = []
    for name, kind, way, number, fusion in (
            ("r3d_18", "rgb", "clip", 3, "logits"), ("r3d_18", "rgb", "picture", 3, "probabilities"),
            ("r2plus1d_18", "rgb", "clip", 2, "features"), ("r3d_18", "rgb", "clip", 3, "concat"),
            ("posec3d_slowonly", "kpt", "clip", 2, "features"), ("mc3_18", "rgb+kpt", "clip", 2, "concat"),
            ("mc3_18", "rgb+kpt", "picture", 2, "probabilities")):
        model = network(name, 8, None if kind == "rgb" else "late", (number, fusion))
        path = os.path.join(folder, "m.safetensors")
        names = ["front", "left", "top"][:number]
        save(model, path, description(name, 8, **{
            "input-type": kind, "fusion": "late", "keypoints": str(points), "persons": str(persons),
            "heatmap-size": str(size), "heatmap-sigma": "0.6", "views": json.dumps(names), "view-fusion": fusion}))
        output = export("--input=" + way, path)
        run = session(os.path.join(folder, "m.onnx"))
        frames_shape = [number, 3] + ([FRAMES, HEIGHT, WIDTH] if way == "clip" else [FRAMES * HEIGHT, WIDTH])
        shapes = {"input": ["batch"] + frames_shape, "keypoints": ["batch", number, FRAMES, persons, points, 3]}
        shapes = {key: shapes[key] for key in shapes if kind != {"input": "kpt", "keypoints": "rgb"}[key]}
        assert {i.name: i.shape for i in run.get_inputs()} == shapes, [i.shape for i in run.get_inputs()]
        check_shapes(output, shapes)
        (mask,) = run.get_overridable_initializers()
        assert (mask.name, mask.shape[1]) == ("present", number), (mask.name, mask.shape)
        for samples in 1, 3:
            rng = numpy.random.default_rng(samples)
            given = rng.uniform(0, 1, (samples * number, FRAMES, persons, points, 3)).astype("f4")
            frames = torch.randn(samples * number, 3, FRAMES, HEIGHT, WIDTH)
            clips = frames if kind == "rgb" else posec3d.Clips(
                given, torch.from_numpy(posec3d.heat_maps(given, size, size)), frames)
            into = {"input": frames.numpy().reshape([samples] + frames_shape),
                    "keypoints": given.reshape(samples, number, FRAMES, persons, points, 3)}
            into = {key: into[key] for key in shapes}
            present = torch.ones(samples, number, dtype=torch.bool)
            for masked in False, True:
                if masked:
                    present[0, 1] = present[-1, 0] = False
                    if samples == 1:
                        present[0, 0] = True
                    into["present"] = present.numpy().astype("f4")
                with torch.no_grad():
                    wanted = model(views.Samples(clips, present)).numpy()
                got = run.run(None, into)[0]
                error = numpy.abs(got - wanted).max()
                assert got.shape == (samples, CLASSES) and error <= TOLERANCE, (name, kind, fusion, samples, masked, error)
                assert numpy.abs(wanted).max() > .1, "nothing to compare: %s" % wanted
        notes.append("%s, %s, %s: within %.1e of logits up to %.1f" % (name, kind, fusion, error, numpy.abs(wanted).max()))
        says = run.get_modelmeta().custom_metadata_map
        assert (json.loads(says["views"]), says["view-fusion"]) == (names, fusion), says
    return notes


def trained(folder):
    """onnxruntime's validation loss of an exported checkpoint equals the one that training reported"""
    launch.two_classes(os.path.join(folder, "clips"), 2)
    lines = ["clips/%s/%02d.mp4,%s\n" % (c, i, c) for c in ("ball", "bars") for i in range(2)]
    for name in "train.csv", "val.csv":
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.writelines(lines)
    run = launch.launch(
        "clipsrc location=train.csv val-location=val.csv %s ! clipbatch batch-size=2 ! %s ! "
        "cnn3dtrain base-width=8 threads=1 lr=0.01 checkpoint-dir=run" % (
            launch.CLIP_BIN, launch.QUEUE), folder).fine()
    reported = run.messages("cnn3dtrain-validation")[-1]
    launch.launch("clipsrc location=val.csv shuffle=false %s ! clipbatch batch-size=4 ! "
                  "filesink location=val.raw" % launch.CLIP_BIN, folder).fine()
    raw = launch.read(os.path.join(folder, "val.raw"))
    frames = numpy.frombuffer(raw[:-16], "u1").reshape(4, 8, 32, 32, 3)
    labels = torch.from_numpy(numpy.frombuffer(raw[-16:], "<i4").astype("i8"))
    notes = []
    for name in "last", "best":
        export("run/%s.safetensors" % name, folder=folder)
        network_ = session(os.path.join(folder, "run", name + ".onnx"))
        says = network_.get_modelmeta().custom_metadata_map
        x = (frames.astype("f4") / 255 - json.loads(says["mean"])) / json.loads(says["std"])
        x = numpy.ascontiguousarray(x.transpose(0, 4, 1, 2, 3).astype("f4"))
        logits = torch.from_numpy(network_.run(None, {"input": x})[0])
        loss = torch.nn.functional.cross_entropy(logits, labels).item()
        assert abs(loss - float(reported["loss"])) <= TOLERANCE, (name, loss, reported)
        assert json.loads(says["classes"]) == ["ball", "bars"], says
        assert launch.read(os.path.join(folder, "run", name + ".onnx.labels.txt")) == b"ball\nbars\n"
        notes.append("%s: %.7g, reported %s" % (name, loss, reported["loss"]))
    return notes


def inference(folder):
    """GStreamer's own inference elements read the files beside the network and give the same probabilities;
    they reject clips in five dimensions"""
    for element in "onnxinference", "classifiertensordecoder":
        if subprocess.run(["gst-inspect-1.0", "--exists", element], env=launch.environment()).returncode:
            raise launch.Skip("no %s: GStreamer has it from 1.28 on" % element)
    model = network("slow_r50", 8)
    # probabilities between the extremes
    model.blocks[-1].proj.weight.data /= 8
    path = os.path.join(folder, "m.safetensors")
    save(model, path, description("slow_r50", 8, classes=json.dumps(["a", "b\nc", "d"])))
    export("--output=clip.onnx", path, folder=folder)
    export("--output=picture.onnx", "--input=picture", path, folder=folder)
    frames = numpy.random.default_rng(2).integers(0, 256, (4, FRAMES, HEIGHT, WIDTH, 3), "u1")
    frames //= numpy.arange(1, 5, dtype="u1")[:, None, None, None, None]
    frames.tofile(os.path.join(folder, "clips.raw"))
    line = ("filesrc location=clips.raw ! rawvideoparse use-sink-caps=false format=rgb width=%d height=%d ! "
            "onnxinference execution-provider=cpu model-file=%s.onnx ! classifiertensordecoder "
            "class-confidence-threshold=0 labels-file=%s.onnx.labels.txt ! fakesink")
    debug = {"GST_DEBUG": "classifiertensordecoder:6,onnxinference:1", "GST_DEBUG_NO_COLOR": "1"}
    run = launch.launch(line % (WIDTH, FRAMES * HEIGHT, "picture", "picture"), folder, **debug).fine()
    found = re.findall(r"Max class is (\d+):(\S+) with ([\d.]+)", run.err)
    x = (torch.from_numpy(frames) / 255 - torch.tensor(MEAN)) / torch.tensor(DEVIATION)
    with torch.no_grad():
        wanted = model(x.permute(0, 4, 1, 2, 3)).softmax(1).max(1)
    run.need(len(found) == 4, "%d results" % len(found))
    for (number, name, share), best, index in zip(found, wanted.values, wanted.indices):
        assert int(number) == index and name == ("a", "b\\x0ac", "d")[index], (found, wanted)
        assert abs(float(share) - best) <= TOLERANCE, (found, wanted)
    run = launch.launch(line % (WIDTH, HEIGHT, "clip", "clip"), folder, **debug)
    run.need(run.rc != 0 and "5 dimensions" in run.err, "five dimensions are taken: docs/export.md says no")
    return [str(found)]


def plain(folder):
    """Exported weights: the safetensors package reads them, and torchvision loads them strictly"""
    model = network("mc3_18", 64)
    path = os.path.join(folder, "m.safetensors")
    save(model, path, description("mc3_18", 64))
    export("--format=safetensors", path)
    path = os.path.join(folder, "m.plain.safetensors")
    there = torchvision.models.video.mc3_18(num_classes=CLASSES)
    there.load_state_dict(safetensors.torch.load_file(path), strict=True)
    for name, value in model.state_dict().items():
        assert torch.equal(there.state_dict()[name], value), name
    with safetensors.safe_open(path, "pt") as file:
        assert file.metadata() == {"format": "pt"}, file.metadata()


def pickled(folder):
    """The conversion that is offered for PyTorch's files works for the usual forms of a checkpoint"""
    state = network("slow_r50", 4).state_dict()
    path, output = os.path.join(folder, "it's.pth"), os.path.join(folder, "model.safetensors")
    for key in None, "state_dict", "model_state_dict", "model_state", "model":
        torch.save({key: state, "epoch": 3} if key else state, path)
        said = launch.text(tool(path).stderr)
        command = shlex.split(said[said.index("python3 -c"):])
        assert command[0] == "python3" and command[3:] == [path, "model.safetensors"], command
        before, sys.argv = sys.argv, ["-c", path, output]
        try:
            exec(command[2], {})
        finally:
            sys.argv = before
        found = safetensors.torch.load_file(output)
        assert sorted(found) == sorted(state) and all(torch.equal(found[name], state[name]) for name in state), key
        os.remove(output)


def refused(folder):
    """Invalid models, and those that cannot be exported, are rejected with the reason, and nothing is written"""
    model = network("slow_r50", 4)
    place = lambda name: os.path.join(folder, name)
    good = description("slow_r50", 4)
    save(model, place("good"), good)
    whole = launch.read(place("good"))
    bad = {
        "text": b"This is no model.\n" * 100,
        "empty": b"",
        "truncated": whole[:-100],
        "head": whole[:1000],
        "pickle": b"PK\x03\x04" + bytes(100),
    }
    for name, data in bad.items():
        with open(place(name), "wb") as file:
            file.write(data)
    save(model, place("undescribed"), {"format": "pt"})
    save(model, place("wider"), {**good, "base-width": "8"})
    save(model, place("classes"), {**good, "num-classes": "4", "classes": "[]"})
    save(model, place("another"), {**good, "model": "r3d_18"})
    save(model, place("small"), {**good, "height": "0"})
    save(model, place("hostile"), {**good, "model": "\x1b[2Jx"})
    bad.update(dict.fromkeys(("missing", "undescribed", "wider", "classes", "another", "small", "hostile")))
    os.mkdir(place("out"))
    notes = []
    for name in bad:
        for kind in "onnx", "safetensors":
            done = tool("--format", kind, "--output", place("out/x"), place(name))
            said = launch.text(done.stderr)
            assert done.returncode == 1 and name in said and not done.stdout, (name, done)
            assert "\x1b" not in said and "Traceback" not in said, said
            assert not os.listdir(place("out")), os.listdir(place("out"))
        notes.append(said.strip())
    with open("/dev/full", "w") as full:
        done = subprocess.run([os.path.join(launch.BUILD, "tool", "cnn3d"), "export", place("good"), "--output",
                               place("printed")], env=launch.environment(), stdout=full,
                              stderr=subprocess.PIPE, timeout=launch.limit(120))
    assert done.returncode == 1 and b"cannot write to standard output: No space left on device" in done.stderr, done
    before = launch.read(place("good"))
    for options, reason in (((), "give one file: cnn3d export MODEL"), (("good", "good"), "give one file"),
                            (("--format=tflite", "good"), "there is no format 'tflite': use onnx or"),
                            (("--input=tiles", "good"), "there is no input 'tiles': use clip or picture"),
                            (("--format=safetensors", "--input=clip", "good"),
                             "--input needs --format onnx: weights have no input"),
                            (("--output=good", "good"), "is the model itself: give --output another name"),
                            (("--output=./../%s/good" % os.path.basename(folder), "good"), "the model itself"),
                            (("--what",), "what")):
        done = tool(*options, folder=folder)
        assert done.returncode == 2 and reason in launch.text(done.stderr), (options, done)
    assert launch.read(place("good")) == before
    # the unchanged file works: each rejection was due to its fault
    export("--output=out/x", "good", folder=folder)
    assert sorted(os.listdir(place("out"))) == ["x", "x.labels.txt", "x.modelinfo"]
    return notes


if __name__ == "__main__":
    torch.set_num_threads(1)
    launch.main(r3d_18, mc3_18, r2plus1d_18, slow_r50_, key_points, several_views, trained, inference, plain, pickled, refused)
