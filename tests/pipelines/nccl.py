#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Several processes train one model over NCCL, on test doubles for GPU, driver, cuDNN and NCCL: started as torchrun
does and by mpirun, with the bits of one that accumulates; and what goes wrong ends all of them, with a reason."""
import os
import re
import signal
import socket
import subprocess
import time

import launch

BACKEND = os.path.join(launch.BUILD, "tests", "cuda", "backend")
DOUBLES = os.path.join(launch.BUILD, "tests", "cuda", "doubles")


def on_doubles(folder):
    """Enables the simulated GPU and NCCL for later lines; the cache is in the folder."""
    for path in (os.path.join(BACKEND, "libcnn3d-cuda.so"), os.path.join(DOUBLES, "nccl-double.so"),
                 os.path.join(launch.BUILD, "src", "comm", "nccl", "libcnn3d-nccl.so")):
        if not os.path.exists(path):
            raise launch.Skip("%s is not built" % os.path.basename(path))
    os.environ.update({"CNN3D_BACKEND_PATH": BACKEND, "CNN3D_CUDNN": os.path.join(DOUBLES, "cudnn-double.so"),
                       "CNN3D_NCCL": os.path.join(DOUBLES, "nccl-double.so"),
                       "XDG_CACHE_HOME": os.path.join(folder, "cache")})
    launch.two_classes(os.path.join(folder, "clips"), 4, frames=8)


def line(accumulate, name, more="", epochs=2):
    return ('clipsrc location=clips epochs=%d seed=5 clip-bin="clipsample num-frames=2 ! videoconvertscale '
            'add-borders=false ! video/x-raw,format=RGB,width=16,height=16" ! clipbatch batch-size=2 ! %s ! '
            'cnn3dtrain base-width=4 threads=1 seed=5 lr=0.01 gradient-clip-val=1 accumulate-grad-batches=%d '
            'benchmark=false checkpoint-dir=%s %s' % (epochs, launch.QUEUE, accumulate, name, more))


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1] - 1 # what is used is the next one


def torchrun(folder, line, ranks=2):
    """The processes, with torchrun's variables"""
    port = str(free_port())
    return [launch.start(line, folder, RANK=str(r), WORLD_SIZE=str(ranks), LOCAL_RANK=str(r), MASTER_ADDR="localhost",
                         MASTER_PORT=port) for r in range(ranks)]


def trains(processes, folder, name):
    """Waits for the first checkpoint"""
    until = time.monotonic() + launch.limit(60)
    while not os.path.exists(os.path.join(folder, name, "last.safetensors")):
        assert all(p.poll() is None for p in processes) and time.monotonic() < until, "they do not train"
        time.sleep(0.02)


def same_files(folder, one, other):
    names = sorted(os.listdir(os.path.join(folder, one)))
    assert names == sorted(os.listdir(os.path.join(folder, other))) and len(names) >= 3, (names, other)
    for name in names:
        assert launch.read(os.path.join(folder, one, name)) == launch.read(os.path.join(folder, other, name)), name


def same_bits(folder):
    """Two processes with torchrun's variables, and two under mpirun, end with the files of one"""
    on_doubles(folder)
    launch.launch(line(2, "alone", "precision=16-mixed"), folder).fine()
    for process in torchrun(folder, line(1, "torchrun", "precision=16-mixed")):
        launch.finish(process).fine()
    same_files(folder, "alone", "torchrun")
    run = launch.finish(launch.start(line(1, "mpirun", "precision=16-mixed"), folder,
                                     before=launch.mpirun("-n", "2"), NCCL_MULTI_RANK_GPU_ENABLE="1")).fine()
    plan, = run.messages("cnn3dtrain-plan")[:1]
    run.need(plan["device"].startswith("Test double") and int(plan["exchange-bytes"]) > 0, "not on the double: %s" % plan)
    run.need("WARNING" not in run.out + run.err, "it warns")
    same_files(folder, "alone", "mpirun")


def without(folder):
    """Without NCCL ranks under mpirun train on CPUs with a warning, and what asks for it is refused"""
    on_doubles(folder)
    for process in torchrun(folder, line(1, "cpu", "device=cpu distributed-timeout=2")):
        launch.finish(process).refused("torchrun's processes train on GPUs only .*, but device is cpu")
    launch.launch(line(1, "none", "distributed=nccl"), folder).refused("none did: start them with mpirun, srun or torchrun")
    mpirun = launch.mpirun("-n", "2")
    launch.finish(launch.start(line(1, "host", "distributed=mpi device=cuda"), folder, before=mpirun)).refused(
        "ranks train on CPUs over MPI and on GPUs over NCCL, but this one is on Test double.* over mpi")
    run = launch.finish(launch.start(line(1, "shared"), folder, before=mpirun)).fine()
    run.need("ranks train on CPUs, because not all can train on GPUs: ranks 0 and 1 have one GPU between them" in
             run.out + run.err, "it does not warn")
    launch.finish(launch.start(line(1, "both", "distributed=nccl"), folder, before=mpirun)).refused(
        "distributed=nccl is not possible: ranks 0 and 1 have one GPU between them")
    run = launch.finish(launch.start(line(1, "unusable"), folder, before=mpirun, CNN3D_CUDNN="nothing.so")).fine()
    plan, = run.messages("cnn3dtrain-plan")[:1]
    run.need(plan["device"].startswith("CPU"), "not on the CPU: %s" % plan)
    launch.finish(launch.start(line(1, "asked", "distributed=nccl"), folder, before=mpirun,
                               CNN3D_CUDNN="nothing.so")).refused(
        "distributed=nccl is not possible: rank 0: NCCL takes GPUs, but .*cuDNN")
    os.environ["CNN3D_NCCL"] = os.path.join(folder, "nothing.so")
    run = launch.finish(launch.start(line(1, "fallback"), folder, before=mpirun)).fine()
    run.need("the ranks train on CPUs, because not all can train on GPUs: rank 0: NCCL 2 cannot be loaded" in
             run.out + run.err, "it does not warn")
    plan, = run.messages("cnn3dtrain-plan")[:1]
    run.need(plan["device"].startswith("CPU"), "not on the CPU: %s" % plan)
    launch.finish(launch.start(line(1, "forced", "distributed=nccl"), folder, before=mpirun)).refused(
        "distributed=nccl is not possible: rank 0: NCCL 2 cannot be loaded")
    os.environ["CNN3D_NCCL"] = os.path.join(DOUBLES, "cudnn-double.so")
    launch.finish(launch.start(line(1, "other", "distributed=nccl"), folder, before=mpirun)).refused(
        "has no ncclGetVersion: install NCCL 2.18 or later")


def killed(folder):
    """A process that is killed ends the other after the time limit"""
    on_doubles(folder)
    one, other = torchrun(folder, line(1, "killed", "distributed-timeout=3 checkpoint-interval=1", epochs=1000))
    trains((one, other), folder, "killed")
    os.kill(other.pid, signal.SIGKILL)
    began = time.monotonic()
    run = launch.finish(one)
    seconds = time.monotonic() - began
    launch.finish(other)
    run.need(run.rc != 0 and "the GPUs exchanged nothing within 3 s" in run.out + run.err, "it does not say why")
    run.need(seconds < launch.limit(20), "it ran for another %.1f s" % seconds)
    return ["ended after %.1f s" % seconds]


def stopped(folder):
    """A process that is stopped in mid-pass stops the other, both save, and the same lines go on to the same bits"""
    on_doubles(folder)
    with open(os.path.join(folder, "long.csv"), "w", encoding="utf-8") as file:
        rows = ["clips/%s/%02d.mp4,%s" % (kind, i % 4, kind) for i in range(32) for kind in ("bars", "ball")]
        file.write("path,label\n" + "".join(row + "\n" for row in rows))

    def long(*args):
        return line(*args, epochs=1).replace("location=clips", "location=long.csv")

    launch.launch(long(2, "alone"), folder).fine()
    for victim in (0, 1):
        name = "stopped%d" % victim
        both = torchrun(folder, long(1, name, "checkpoint-interval=1 distributed-timeout=20"))
        trains(both, folder, name)
        os.kill(both[victim].pid, signal.SIGINT)
        runs = [launch.finish(process).fine() for process in both]
        out = runs[1 - victim].out + runs[1 - victim].err
        runs[0].need("rank %d was stopped, which ends training for all" % victim in out, "it does not say why")
        for process in torchrun(folder, long(1, name, "checkpoint-interval=1")):
            launch.finish(process).fine()
        same_files(folder, "alone", name)


def script(folder):
    """The part of tests/gpu.sh passes on the doubles, and says why it is skipped without NCCL"""
    on_doubles(folder)
    for name, result in (("nccl-double.so", "pass"), ("nothing.so", r"skipped \(there is no libnccl.so.2\)")):
        done = subprocess.run([os.path.join(launch.TOP, "tests", "gpu.sh"), "--try", "--only", "ranks"],
                              env=launch.environment(TRY_DEVICE="cuda", RESULTS=os.path.join(folder, name + "-results"),
                                                     CNN3D_BUILD=launch.BUILD, CNN3D_NCCL=os.path.join(DOUBLES, name)),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=launch.limit(120), check=False)
        out = launch.text(done.stdout)
        assert done.returncode == 0 and re.search("^2 ranks over NCCL.*  " + result, out, re.MULTILINE), out


launch.main(same_bits, without, killed, stopped, script)
