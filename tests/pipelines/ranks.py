#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Several processes under mpirun train one model: the bits of one that accumulates, after a kill and a stop too;
and what goes wrong ends all of them, with a reason."""
import json
import os
import re
import shutil
import signal
import subprocess
import time

import launch

CLIP_BIN = launch.CLIP_BIN.replace("num-frames=8", "num-frames=4")


def line(accumulate=1, epochs=3, source="", more="", folder="run"):
    return ("clipsrc location=train.csv val-location=val.csv seed=5 epochs=%d %s %s ! clipbatch batch-size=2 ! %s ! "
            "cnn3dtrain base-width=4 threads=1 device=cpu lr=0.02 dropout=0.2 progress=false "
            "accumulate-grad-batches=%d checkpoint-dir=%s log-dir=%s-log %s" % (
                epochs, source, CLIP_BIN, launch.QUEUE, accumulate, folder, folder, more))


def start(ranks, folder, line, others=""):
    """others: properties that all ranks but the first have in addition."""
    shell = ["sh", "-c", 'test "$OMPI_COMM_WORLD_RANK" = 0 || set -- "$@" %s; exec "$@"' % others, "sh"]
    return launch.start(line, folder, before=launch.mpirun("-n", str(ranks)) + (shell if others else []))


def run_ranks(ranks, folder, line, others=""):
    return launch.finish(start(ranks, folder, line, others))


def pids(folder):
    """Of the ranks that train in the folder, in their order."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            # the path of the folder may differ within a network namespace
            if (os.path.samefile("/proc/%s/cwd" % pid, folder)
                    and os.path.basename(os.readlink("/proc/%s/exe" % pid)).startswith("gst-launch")):
                rank = re.search(rb"OMPI_COMM_WORLD_RANK=(\d+)", launch.read("/proc/%s/environ" % pid))
                found[int(rank.group(1))] = int(pid)
        except OSError:
            continue
    return [found[rank] for rank in sorted(found)]


def trains(process, folder, name="run"):
    """Waits for the first checkpoint."""
    until = time.monotonic() + launch.limit(120)
    while not os.path.exists(os.path.join(folder, name, "last.safetensors")):
        assert process.poll() is None and time.monotonic() < until, "it does not train"
        time.sleep(0.02)


def videos(folder, missing=False):
    """23 training clips, of which one may be missing, and 5 to validate on."""
    launch.two_classes(folder, 4, frames=8)
    rows = ["%s/%02d.mp4,%s" % (kind, i % 4, kind) for i in range(12) for kind in ("bars", "ball")][:23]
    if missing:
        rows[7] = "gone/07.mp4,ball"
    for name, some in (("train.csv", rows), ("val.csv", rows[:5])):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write("path,label\n" + "".join(row + "\n" for row in some))


def same_files(folder, one, other):
    names = sorted(os.listdir(os.path.join(folder, one)))
    assert names == sorted(os.listdir(os.path.join(folder, other))) and len(names) >= 3, (names, other)
    for name in names:
        assert launch.read(os.path.join(folder, one, name)) == launch.read(os.path.join(folder, other, name)), name


def records(folder, *path):
    return [json.loads(row) for row in launch.read(os.path.join(folder, *path)).decode().splitlines()]


def same_bits(folder):
    """1, 2 and 4 ranks that accumulate 4, 2 and 1 batches end with the same files, though a clip is missing"""
    videos(folder, missing=True)
    launch.launch(line(4, folder="alone"), folder).fine()
    for ranks in (2, 4):
        name = "ranks%d" % ranks
        run_ranks(ranks, folder, line(4 // ranks, folder=name)).fine()
        same_files(folder, "alone", name)
    alone = [r for r in records(folder, "alone-log", "log.jsonl") if r.get("event") in ("epoch", "validation")]
    first = [r for r in records(folder, "ranks4-log", "log.jsonl") if r.get("event") in ("epoch", "validation")]
    began = [r for r in records(folder, "ranks4-log", "rank-3", "log.jsonl") if r.get("event") == "run"]
    assert (began[0]["rank"], began[0]["world-size"]) == (3, 4) and began[0]["sent-bytes"] > 0, began
    for a, b in zip(alone, first):
        for key in ("loss", "accuracy", "clips"):
            assert a.get(key) == b.get(key), (a, b)
    skipped = [sum(r.get("event") == "skipped" for r in records(folder, *where)) for where in (
        ("ranks4-log", "log.jsonl"), *(("ranks4-log", "rank-%d" % r, "log.jsonl") for r in (1, 2, 3)))]
    assert sum(skipped) == 3, skipped
    return ["clips skipped by each rank: %s" % skipped]


def cores(folder):
    """Ranks that are bound to no cores share those of the machine"""
    videos(folder)
    run_ranks(2, folder, line(epochs=1).replace("threads=1 ", "")).fine()
    each = max(1, len(os.sched_getaffinity(0)) // 2)
    for where in (), ("rank-1",):
        run, = [r for r in records(folder, "run-log", *where, "log.jsonl") if r.get("event") == "run"]
        assert run["threads"] == each and run["device"].startswith("CPU, %d thread" % each), run


def buckets(folder):
    """A network whose gradients are sent in several buckets ends with the same files, too"""
    videos(folder)
    wide = "base-width=24 gradient-clip-val=1 optimizer=adamw lr=0.001"
    launch.launch(line(3, epochs=1, more=wide, folder="alone"), folder).fine()
    run_ranks(3, folder, line(epochs=1, more=wide, folder="run")).fine()
    same_files(folder, "alone", "run")


def killed(folder):
    """A rank that is killed ends the others, and the same line goes on to the same files"""
    videos(folder)
    launch.launch(line(4, epochs=4, folder="alone"), folder).fine()
    notes = []
    for victim in (0, 1):
        name = "run%d" % victim
        process = start(2, folder, line(2, epochs=4, more="checkpoint-interval=1", folder=name))
        trains(process, folder, name)
        os.kill(pids(folder)[victim], signal.SIGKILL)
        began = time.monotonic()
        killed_run = launch.finish(process)
        seconds = time.monotonic() - began
        killed_run.need(killed_run.rc != 0 and seconds < launch.limit(20), "it ran for another %.1f s" % seconds)
        notes.append("rank %d killed: all ended after %.1f s" % (victim, seconds))
        run_ranks(2, folder, line(2, epochs=4, more="checkpoint-interval=1", folder=name)).fine()
        same_files(folder, "alone", name)
    return notes


def stopped(folder):
    """A rank that is stopped stops the others where they are, and other numbers of ranks go on from there"""
    videos(folder)
    launch.launch(line(4, epochs=4, folder="alone"), folder).fine()
    process = start(2, folder, line(2, epochs=4))
    trains(process, folder)
    os.kill(pids(folder)[1], signal.SIGINT)
    run = launch.finish(process).fine()
    run.need("rank 1 was stopped, which ends training for all" in run.out + run.err, "it does not say why")
    for where in (), ("rank-1",):
        last = records(folder, "run-log", *where, "log.jsonl")[-1]
        run.need((last["event"], last.get("reason")) == ("finished", "stopped"), "the log ends with %s" % last)
    run_ranks(4, folder, line(1, epochs=4)).fine()
    same_files(folder, "alone", "run")


def synced(folder):
    """With batch norm over all ranks, of which some have no batch at the end, a run that is stopped goes on to the same files"""
    videos(folder, missing=True)
    more = "sync-batch-norm=true checkpoint-interval=1"
    run_ranks(3, folder, line(epochs=2, more=more, folder="whole")).fine()
    process = start(3, folder, line(epochs=2, more=more))
    trains(process, folder)
    os.kill(pids(folder)[2], signal.SIGINT)
    launch.finish(process).fine()
    run_ranks(3, folder, line(epochs=2, more=more)).fine()
    same_files(folder, "whole", "run")


def hangs(folder):
    """A rank that hangs ends all after the time limit, and is named"""
    videos(folder)
    process = start(2, folder, line(epochs=1000, more="distributed-timeout=3"))
    trains(process, folder)
    victim = pids(folder)[1]
    os.kill(victim, signal.SIGSTOP)
    began = time.monotonic()
    try:
        while process.poll() is None and time.monotonic() - began < launch.limit(40):
            time.sleep(0.1)
    finally:
        try:
            os.kill(victim, signal.SIGCONT)
        except ProcessLookupError:
            pass
    run = launch.finish(process)
    run.need(run.rc != 0 and "rank 1 did not answer within 3 s" in run.out + run.err, "it does not say why")
    return ["ended after %.1f s" % (time.monotonic() - began)]


def refused(folder):
    """Ranks that differ, clips of another rank, clips that do not come from clipsrc, and a missing transport"""
    videos(folder)
    run_ranks(2, folder, line(), "momentum=0.5").refused(
        "rank [01] has other settings or clips than rank [01]: start all ranks with the same line")
    run_ranks(2, folder, line(folder="other", source="world-size=1")).refused(
        "batch 1 of the pass came to rank 0, but is rank 1's|batch 0 of the pass came to rank 1, but is rank 0's")
    run_ranks(2, folder, "videotestsrc num-buffers=64 ! video/x-raw,format=RGB,width=32,height=32 ! clipsample "
              "num-frames=4 ! clipbatch batch-size=2 ! cnn3dtrain base-width=4 num-classes=2 threads=1 device=cpu").refused(
                  "several ranks train together only on clips from clipsrc")
    run_ranks(2, folder, line(folder="windows").replace("clipsample ", "clipsample clips-per-video=2 frame-interval=1 ")).refused(
        "clips-per-video is 2, but several processes validate on one clip of each video")
    launch.launch(line(folder="single"), folder, OMPI_COMM_WORLD_RANK="0", OMPI_COMM_WORLD_SIZE="2").refused(
        "the launcher started 2 processes, but MPI \\(.*[0-9].*\\) knows of 1: ")
    shutil.copy(os.path.join(launch.BUILD, "src", "libcnn3d.so"), folder)
    shutil.copy(os.path.join(launch.BUILD, "src", "backend", "cpu", "libcnn3d-cpu.so"), folder)
    launch.launch(line(more="distributed=mpi"), folder, LD_LIBRARY_PATH=folder, CNN3D_BACKEND_PATH=folder).refused(
        "The other processes cannot be joined .*mpi transport is not installed or cannot be loaded")


def too_many_skipped(folder):
    """Skipped clips are counted over all ranks, which fail together"""
    videos(folder, missing=True)
    share = "max-skipped=%s checkpoint-dir=%s" # 1 of 23 is skipped, of the other rank's 11 or 12 more
    run_ranks(2, folder, line(epochs=1, more=share % ("0.06", "fine"))).fine()
    run = run_ranks(2, folder, line(epochs=1, more=share % ("0.02", "short")))
    run.refused("1 of 23 training clips")
    assert not os.path.exists(os.path.join(folder, "short", "last.safetensors"))


def failing(folder):
    """A rank whose training fails ends the others with its reason"""
    videos(folder)
    run = run_ranks(2, folder, line(epochs=50, more="lr=1000"))
    run.need(run.rc != 0 and re.search("became NaN or infinite", run.out + run.err), "it does not say why")


NETWORK = "10.9.0.0/24"


class TwoHosts:
    """Two network namespaces with a cable between them, each with a host name of its own."""

    def __init__(self, folder):
        self.names = ["cnn3d-%d-%s" % (os.getpid(), side) for side in "ab"]
        self.agent = os.path.join(folder, "agent.sh")
        with open(self.agent, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\nshift\nexec ip netns exec %s unshare -u sh -c \"hostname two; $*\"\n" % self.names[1])
        os.chmod(self.agent, 0o755)

    def ip(self, *words):
        return subprocess.run(["ip", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0

    def __enter__(self):
        if shutil.which("ip") is None or shutil.which("unshare") is None:
            raise launch.Skip("no ip or unshare")
        a, b = self.names
        ok = all(self.ip("netns", "add", name) for name in self.names) and self.ip(
            "link", "add", "one", "netns", a, "type", "veth", "peer", "name", "two", "netns", b)
        for name, cable, address in ((a, "one", "10.9.0.1/24"), (b, "two", "10.9.0.2/24")):
            ok = ok and self.ip("-n", name, "addr", "add", address, "dev", cable) and self.ip(
                "-n", name, "link", "set", cable, "up") and self.ip("-n", name, "link", "set", "lo", "up")
        if not ok:
            self.__exit__()
            raise launch.Skip("no network namespaces here: they take root's rights")
        return self

    def __exit__(self, *_):
        for name in self.names:
            self.ip("netns", "del", name)

    def plug(self, state):
        assert self.ip("-n", self.names[1], "link", "set", "two", state)

    def start(self, folder, line):
        # Open MPI 4's names, and 5's
        more = {"OMPI_MCA_plm_rsh_agent": self.agent, "PRTE_MCA_plm_ssh_agent": self.agent,
                "OMPI_MCA_oob_tcp_if_include": NETWORK, "PRTE_MCA_prte_if_include": NETWORK,
                "OMPI_MCA_btl": "tcp,self", "OMPI_MCA_btl_tcp_if_include": NETWORK}
        mpirun = launch.mpirun("-n", "2", "-H", "10.9.0.1,10.9.0.2", "-x", "GST_PLUGIN_PATH", "-x", "GST_REGISTRY")
        inside = ["ip", "netns", "exec", self.names[0], "unshare", "-u", "sh", "-c", 'hostname one; exec "$@"', "sh"]
        return launch.start(line, folder, before=inside + mpirun, **more)


def two_hosts(folder):
    """Over a network; a cable that is pulled out in mid-run ends both sides, and resuming ends with the right bits"""
    videos(folder)
    launch.launch(line(2, epochs=4, folder="alone"), folder).fine()
    more = "checkpoint-interval=1 distributed-timeout=3"
    with TwoHosts(folder) as hosts:
        process = hosts.start(folder, line(1, epochs=4, more=more))
        trains(process, folder)
        hosts.plug("down")
        began = time.monotonic()
        while pids(folder) and time.monotonic() - began < launch.limit(30):
            time.sleep(0.1)
        seconds, left = time.monotonic() - began, pids(folder)
        hosts.plug("up")
        launch.kill(process)
        out, err = process.communicate()
        assert not left, "ranks %s do not end" % left
        assert "did not answer within 3 s" in launch.text(out) + launch.text(err), launch.text(err)
        launch.finish(hosts.start(folder, line(1, epochs=4, more=more))).fine()
    same_files(folder, "alone", "run")
    return ["ended %.1f s after the cable was out" % seconds]


launch.main(same_bits, cores, buckets, killed, stopped, synced, hangs, refused, too_many_skipped, failing, two_hosts)
