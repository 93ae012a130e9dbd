#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""tests/gpu.sh without a GPU skips everything with the reason; its commands work on the CPU, from the build
folder and from a bundle."""
import glob
import os
import re
import shutil
import subprocess

import launch

SCRIPT = os.path.join(launch.TOP, "tests", "gpu.sh")
PARTS = ("parity", "sanitizer", "bench", "demo")


def script(*options, status=0, seconds=600, program=SCRIPT, **more):
    env = launch.environment(**more)
    for name, value in more.items():
        if value is None:
            env.pop(name, None)
    done = subprocess.run([program, *options], env=env, timeout=launch.limit(seconds), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    out = launch.text(done.stdout)
    assert done.returncode == status, (options, done.returncode, out[-4000:])
    return out


def table(out):
    """what -> (figure, bound, result) of each line of the table"""
    lines = out.split("what  ")[-1].splitlines()[1:]
    rows = [re.split(r" {2,}", line.strip()) for line in lines[:lines.index("")]]
    assert rows and all(len(row) == 4 for row in rows), out[-4000:]
    return {row[0]: tuple(row[1:]) for row in rows}


def has_gpu():
    return os.path.exists("/dev/nvidia0") or shutil.which("nvidia-smi")


def skips(folder):
    """Without a GPU each part is skipped with its reason, and nothing is built for it"""
    if has_gpu():
        raise launch.Skip("there is a GPU")
    rows = table(script(CNN3D_BUILD=None, RESULTS=folder))
    assert not os.listdir(folder), os.listdir(folder)
    assert set(rows) == set(PARTS) and all("no NVIDIA GPU" in row[2] for row in rows.values()), rows
    rows = table(script("--only", "bench,demo", CNN3D_BUILD=None))
    assert set(rows) == {"bench", "demo"}, rows


def wrong(folder):
    """An invalid option is reported, and so is a build folder with nothing to pack"""
    assert "--bundle" in script("--nonsense", status=2)
    assert "--bundle" in script("--bundle", os.path.join(folder, "missing"), status=2)
    assert "sanitizer" in script("--only", "all", status=2)
    out = script("--pack", os.path.join(folder, "b.tar.xz"), status=1, BUILD=folder)
    assert "build first" in out and not glob.glob(os.path.join(folder, "b.tar.xz")), out


def tried(folder):
    """Its commands run on the CPU: parity and both benchmarks"""
    rows = table(script("--try", "--only", "parity,sanitizer,bench", RESULTS=os.path.join(folder, "results"), CNN3D_BUILD=launch.BUILD,
                        CNN3D_DEMO=os.path.join(folder, "none")))
    names = "\n".join(rows)
    for word in ("r3d_18.*logits", "r3d_18.*gradients", "losses", "compute-sanitizer memcheck", "r3d_18 b32", "slow_r50 b16",
                 "beside|times PyTorch", "memory"):
        assert re.search(word, names), (word, rows)
    assert re.match(r"[\d.]+ clips/s", rows["r3d_18 b32 16x112x112 bf16-mixed"][0]), rows
    return ["%s: %s" % (name, ", ".join(row)) for name, row in rows.items()]


def packed(folder):
    """A bundle is complete: it trains without anything from the build folder"""
    out = os.path.join(folder, "bundle.tar.xz")
    script("--pack", out, BUILD=launch.BUILD, XZ_LEVEL="-0", GST_BUNDLE="")
    there = os.path.join(folder, "there")
    os.mkdir(there)
    subprocess.run(["tar", "-C", there, "-xf", out], check=True)
    rows = table(script("--bundle", there, "--try", "--only", "demo", program=os.path.join(there, "cnn3d", "tests", "gpu.sh"),
                        RESULTS=os.path.join(folder, "results"), CNN3D_BUILD=os.path.join(folder, "none"),
                        CNN3D_DEMO=os.path.join(folder, "none")))
    assert re.match(r"[\d.]+ %", rows["demonstration set: validation accuracy"][0]), rows
    # the bundle's libraries take precedence over the system's
    env = launch.environment(LD_LIBRARY_PATH=os.path.join(there, "lib"))
    for program in "trainer-tool", "cnn3d", "gst-launch-1.0":
        found = launch.text(subprocess.run(["ldd", os.path.join(there, "bin", program)], env=env, check=True,
                                           stdout=subprocess.PIPE).stdout)
        assert "not found" not in found and os.path.join(there, "lib", "libglib-2.0") in found, found
    return ["%.1f MB" % (os.path.getsize(out) / 1e6)]


def fails(folder):
    """An unusable GPU is a failure, not a skip"""
    if has_gpu():
        raise launch.Skip("there is a GPU")
    with open(os.path.join(folder, "nvidia-smi"), "w") as file:
        file.write("#!/bin/sh\necho 'GPU 0: none'\n")
    os.chmod(file.name, 0o755)
    rows = table(script(status=1, CNN3D_BUILD=launch.BUILD, RESULTS=os.path.join(folder, "results"),
                        PATH=folder + os.pathsep + os.environ["PATH"]))
    assert rows["a step on cuda"][2].startswith("fail"), rows


def checked(folder):
    """shellcheck reports nothing"""
    if shutil.which("shellcheck") is None:
        raise launch.Skip("there is no shellcheck")
    done = subprocess.run(["shellcheck", SCRIPT], stdout=subprocess.PIPE)
    assert done.returncode == 0, launch.text(done.stdout)


launch.main(skips, wrong, tried, packed, fails, checked)
