#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Launch lines on the CUDA back end with test doubles for GPU, driver and cuDNN: device=auto selects it, every
step is reported, results match the CPU's, and an interrupted run resumes."""
import os
import re
import shutil
import signal
import subprocess

import launch

BACKEND = os.path.join(launch.BUILD, "tests", "cuda", "backend")
DOUBLES = os.path.join(launch.BUILD, "tests", "cuda", "doubles")
TRAIN = 6               # clips
BATCH = 2
NAME = "Test double, 4.0 GiB, compute capability 9.0"


def on_double(folder, cudnn="cudnn-double.so"):
    """Enables the simulated GPU for later lines; its cache is in the folder."""
    if not os.path.exists(os.path.join(BACKEND, "libcnn3d-cuda.so")):
        raise launch.Skip("the CUDA back end's test doubles are not built")
    os.environ["CNN3D_BACKEND_PATH"] = BACKEND
    os.environ["CNN3D_CUDNN"] = os.path.join(DOUBLES, cudnn)
    os.environ["XDG_CACHE_HOME"] = os.path.join(folder, "cache")


def line(more, epochs=2):
    return ('clipsrc location=clips epochs=%d seed=5 clip-bin="clipsample num-frames=4 ! videoconvertscale '
            'add-borders=false ! video/x-raw,format=RGB,width=32,height=32" ! clipbatch batch-size=%d ! %s ! '
            'cnn3dtrain base-width=4 threads=1 seed=5 lr=0.005 %s' % (epochs, BATCH, launch.QUEUE, more))


def clips(folder):
    launch.two_classes(os.path.join(folder, "clips"), TRAIN // 2, frames=8)


def steps_of(run, first=1, last=None):
    """The step messages; expects one per step from `first` on."""
    steps = run.messages("cnn3dtrain-step")
    reported = [int(s["step"]) for s in steps]
    run.need(reported and reported == list(range(first, first + len(reported))) and (last is None or reported[-1] == last),
             "steps %s are reported" % reported)
    return steps


def mixed(folder):
    """device=auto selects the GPU and reports it; in 16-mixed each step is reported, with the GPU's memory"""
    on_double(folder)
    clips(folder)
    run = launch.launch(line("precision=16-mixed", epochs=2), folder).fine()
    run.need("WARNING" not in run.out + run.err, "it warns")
    plan, = run.messages("cnn3dtrain-plan")
    run.need(plan["device"].startswith(NAME) and plan["precision"] == "16-mixed", "not on the double: %s" % plan)
    run.need(re.search(r"^r3d_18, precision 16-mixed, on %s" % re.escape(NAME), run.out, re.M), "no line names the device")
    needs = int(plan["predicted-bytes"]) + int(plan["context-bytes"])
    steps = steps_of(run, last=2 * TRAIN // BATCH)
    for step in steps:
        run.need(0 < float(step["loss"]) < 10 and float(step["loss-scale"]) == 65536 and step["skipped"] == "false"
                 and int(step["memory-bytes"]) == needs, "not such a step: %s" % step)
    ends = run.messages("cnn3dtrain-epoch")
    run.need(len(ends) == 2 and all(int(e["clips"]) == TRAIN for e in ends), "not two whole epochs: %s" % ends)
    run.need(len(re.findall(r"epoch \d/2  loss .*  loss scale 65536, 0 skipped  ", run.out, re.M)) == 2,
             "the epochs' lines do not have the loss scale")
    cache = os.path.join(folder, "cache", "cnn3d", "convolutions.ini")
    run.need(NAME in launch.text(launch.read(cache)), "the choices are not kept")
    return [run.out[run.out.index("epoch 2/2"):].splitlines()[0]]


def same(folder):
    """In precision=32 allow-tf32=false results match the CPU's; benchmark=false stores no choices"""
    on_double(folder)
    clips(folder)
    found = {}
    for device in "cpu", "cuda":
        run = launch.launch(line("device=%s precision=32 allow-tf32=false benchmark=false" % device), folder).fine()
        found[device] = [float(m["loss"]) for m in steps_of(run, last=2 * TRAIN // BATCH)
                         + run.messages("cnn3dtrain-epoch")]
        run.need(len(found[device]) == 2 * TRAIN // BATCH + 2, "not two epochs")
    worst = max(abs(a - b) / a for a, b in zip(*found.values()))
    assert worst < 1e-3, "the losses are apart by %g: %s" % (worst, found)
    assert not os.path.exists(os.path.join(folder, "cache", "cnn3d", "convolutions.ini")), "choices were kept"
    return ["losses apart by %.1g" % worst]


def resumes(folder):
    """After SIGINT the pending batch is reported and saved; the next run resumes to the same bits"""
    on_double(folder)
    clips(folder)
    epochs, each = 4, TRAIN // BATCH
    launch.launch(line("precision=16-mixed checkpoint-dir=whole", epochs), folder).fine()
    cut = line("precision=16-mixed checkpoint-dir=cut", epochs)
    run = launch.stop_when(cut, "cnn3dtrain-step,", each + 1, signal.SIGINT, folder=folder, options="-m -e")
    run.need(run.rc in (0, -signal.SIGINT), "it did not end by itself")
    reported = len(steps_of(run))
    run.need(each < reported < epochs * each, "it was not stopped in the middle, but after %d steps" % reported)
    saved = run.messages("cnn3dtrain-checkpoint")
    run.need(saved and saved[-1]["path"].endswith("cut/last.safetensors"), "nothing was saved: %s" % saved)
    again = launch.launch(cut, folder).fine()
    position, = again.messages("cnn3dtrain-resumed")
    again.need(int(position["position"]) == reported * BATCH, "%d steps were reported, but it resumes at clip %s" % (
        reported, position["position"]))
    steps_of(again, reported + 1, epochs * each)
    assert launch.read(os.path.join(folder, "cut", "last.safetensors")) == \
        launch.read(os.path.join(folder, "whole", "last.safetensors")), "the weights differ"
    return ["stopped after %d of %d steps" % (reported, epochs * each)]


def unusable(folder):
    """An unusable GPU is skipped by device=auto with a warning that gives the reason, and is an error if it was
    requested"""
    on_double(folder, "cudnn-old.so")
    clips(folder)
    run = launch.launch(line("", epochs=1), folder).fine()
    plan, = run.messages("cnn3dtrain-plan")
    run.need(plan["device"].startswith("CPU"), "not on the CPU: %s" % plan)
    run.need(re.search("WARNING.*device=auto uses CPU.*because the GPU of this machine cannot be used: .*91400",
                       run.out + run.err), "it does not say why")
    launch.launch(line("device=cuda", epochs=1), folder).refused("device=cuda: .*91400")


def inspected(**more):
    out = subprocess.run(["gst-inspect-1.0", "cnn3dtrain"], env=launch.environment(**more), check=True,
                         stdout=subprocess.PIPE).stdout.decode()
    return re.search(r'^  devices .*\n.*\n +String\. Default: "((?:[^"]|\n)*)"', out, re.M).group(1).splitlines()


def listed(folder):
    """gst-inspect-1.0 shows the devices, and why there are none without back ends"""
    on_double(folder)
    devices = inspected()
    assert devices[0] == "cuda:0: " + NAME and re.match("cpu: CPU, ", devices[1]) and len(devices) == 2, devices
    # only the library, without back ends
    source = os.path.join(launch.BUILD, "src")
    for name in os.listdir(source):
        if re.fullmatch(r"libcnn3d\.so[.\d]*", name):
            shutil.copy(os.path.join(source, name), folder)
    bare = inspected(LD_LIBRARY_PATH=folder, CNN3D_BACKEND_PATH=folder)
    if bare[-1].startswith("cpu: CPU"):
        raise launch.Skip("the back ends are installed on this machine: %s" % bare)
    for name, reported in zip(("cuda", "cpu"), bare):
        assert reported.startswith("%s: none: the %s back end is not installed" % (name, name)), bare
    assert len(bare) == 2, bare
    return devices


if __name__ == "__main__":
    launch.main(mixed, same, resumes, unusable, listed)
