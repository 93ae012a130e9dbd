#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""tests/gpu.sh without a GPU skips everything with the reason; its commands work on the CPU, from the build
folder and from a bundle; the lines of docs/gpu-first-run.md work on the doubles of tests/cuda, in a bare system
too."""
import atexit
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

import launch

SCRIPT = os.path.join(launch.TOP, "tests", "gpu.sh")
PARTS = ("parity", "sanitizer", "bench", "demo", "ranks")
GUIDE = os.path.join(launch.TOP, "docs", "gpu-first-run.md")
DOUBLES = os.path.join(launch.BUILD, "tests", "cuda", "backend", "libcnn3d-cuda.so")


def script(*options, status=0, seconds=600, program=SCRIPT, cwd=None, **more):
    env = launch.environment(**more)
    for name, value in more.items():
        if value is None:
            env.pop(name, None)
    done = subprocess.run([program, *options], env=env, timeout=launch.limit(seconds), cwd=cwd, stdin=subprocess.DEVNULL,
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


def bundle():
    """Made as the guide says, once"""
    if not bundle.path:
        line = re.search("^    tests/gpu.sh (--pack .*)$", guide(), re.MULTILINE).group(1).split()
        folder = tempfile.mkdtemp()
        atexit.register(shutil.rmtree, folder)
        script(*line, cwd=folder, BUILD=launch.BUILD, XZ_LEVEL="-0", GST_BUNDLE="")
        bundle.path = os.path.join(folder, line[1])
    return bundle.path


bundle.path = None


def guide():
    with open(GUIDE, encoding="utf-8") as file:
        return file.read()


def packed(folder):
    """A bundle is complete: it trains without anything from the build folder"""
    out = bundle()
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


def rehearse(folder, *options):
    """The guide's lines on the doubles; the steps' rows"""
    if not os.path.exists(DOUBLES):
        raise launch.Skip("there are no doubles of CUDA: it was built without CUDA's headers or a C++ compiler")
    results = os.path.join(folder, "results")
    # a step is computed hundreds of times slower than on a GPU
    out = script(bundle(), *options, program=os.path.join(launch.TOP, "tests", "gpu-rehearsal.sh"), seconds=900,
                 CNN3D_BUILD=launch.BUILD, RESULTS=results, LEASE="%d" % launch.limit(800),
                 CNN3D_TEST_TIME_FACTOR="%g" % launch.limit(3))
    rows = table(out)
    assert rows["load: a step on cuda"][2] == "pass" and rows["kernels_weights"][2] == "pass", out[-4000:]
    assert re.match(r"\d", rows["tiny training: its losses differ by"][0]), rows
    assert rows["profile: kernels of a step"][0] == "1", rows
    assert rows["compute-sanitizer memcheck, one training step"][0] == "0 errors", rows
    assert sorted(os.listdir(results)) == ["logs.tar.gz", "table.txt"], os.listdir(results)
    with tarfile.open(os.path.join(results, "logs.tar.gz")) as logs:
        names = logs.getnames()
    for name in "cache/cnn3d/convolutions.ini", "profile.csv", "tiny-always.log", "kernels-kernels_weights.log":
        assert "lease/" + name in names, names
    return [line for line in out.splitlines() if "; xz: " in line] + ["%s: %s" % (name, row[0]) for name, row in rows.items()]


def leased(folder):
    """The guide's lines work with a bundle and without a GPU"""
    return rehearse(folder, "load,kernels,tiny,profile,memcheck")


def bare(folder):
    """They do in a system with nothing but Python"""
    system = os.path.join(os.environ.get("DISTRO_FOLDER") or os.path.join(os.environ.get("TMPDIR") or "/var/tmp", "cnn3d-distro"),
                          "trixie.tar")
    if os.getuid() != 0 or shutil.which("unshare") is None:
        raise launch.Skip("entering a bare system takes root and unshare")
    if not os.path.exists(system):
        raise launch.Skip("there is no bare system: `tests/distro.sh trixie` leaves one in %s" % system)
    return rehearse(folder, "--system", system)


def stub(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)


def lease(folder, step, tool=None, text="", status=0, **more):
    """The rows of one step, with a stub of a tool of NVIDIA's"""
    if tool:
        stub(os.path.join(folder, "bin", tool), text)
    more.setdefault("CNN3D_BUILD", launch.BUILD)
    return table(script("--try", "--lease", "--only", step, status=status, TRY_DEVICE="cuda", RESULTS=os.path.join(folder, "results"),
                        PATH=os.path.join(folder, "bin") + os.pathsep + os.environ["PATH"], **more))


def stopped(folder):
    """Steps have the guide's times, and are left out when too little is left of it"""
    rows = table(script("--try", "--lease", LEASE="14", CNN3D_BUILD=launch.BUILD, RESULTS=os.path.join(folder, "results")))
    for step, least, most in re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \|", guide(), re.MULTILINE):
        assert re.match(r"skipped \(\d+ s are left, and it takes %s\)" % least, rows[step][2]), rows
    with open(os.path.join(launch.TOP, "tests", "gpu-lease.sh"), encoding="utf-8") as file:
        steps = re.findall(r"^(\w+) (\d+) (\d+)\"?$", file.read(), re.MULTILINE)
    assert steps == re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \|", guide(), re.MULTILINE), steps


def died(folder):
    """A trainer that ends early under compute-sanitizer is a failure, whatever is counted"""
    what, good, counted = "compute-sanitizer memcheck, one training step", "echo '0.1 loss 5.5 skipped 0'\n", \
        "echo '========= ERROR SUMMARY: 0 errors'\n"
    for text, status in ((counted, 0), (good + counted, 1)):
        rows = lease(folder, "memcheck", "compute-sanitizer", text + "exit %d" % status, status=1)
        assert rows[what][2].startswith("fail"), rows
    rows = lease(folder, "memcheck", "compute-sanitizer", "case $* in *'--report-api-errors no'*) %s ;; esac" % (good + counted))
    assert rows[what][0] == "0 errors", rows


def wrong_kernels(folder):
    """A kernel's test that fails is named, and the others are run"""
    stub(os.path.join(folder, "build", "tests", "cuda", "gpu-kernels"), """
case $* in
  '') echo kernels_weights ;;
  *-l) printf '/a\\n/b\\n/c\\n' ;;
  *'-p /a'*) printf 'ok 1 /a\\nBail out! FATAL-ERROR: /b is wrong\\n'; kill -TRAP $$ ;;
  *'-p /c') echo 'ok 1 /c' ;;
esac
""")
    rows = lease(folder, "kernels", status=1, CNN3D_BUILD=os.path.join(folder, "build"))
    assert rows["kernels_weights"][0] == "2 tests" and rows["kernels_weights"][2].startswith("fail"), rows
    assert rows["/b"][2] == "fail" and "/a" not in rows and "/c" not in rows, rows


def pieces(folder):
    """Large logs come in files of at most 16 MiB"""
    lease(folder, "profile", "ncu", """
while [ "$1" != --log-file ]; do shift; done
(echo '"0","apply"'; head -c 17000000 /dev/urandom) >"$2"
""")
    sizes = {name: os.path.getsize(os.path.join(folder, "results", name)) for name in os.listdir(os.path.join(folder, "results"))}
    assert set(sizes) == {"table.txt", "logs.tar.gz.0", "logs.tar.gz.1"} and max(sizes.values()) <= 16 << 20, sizes


def old_cudnn(folder):
    """PyTorch with an old cuDNN is not compared with"""
    tool = os.path.join(folder, "tool")
    stub(tool, "echo ready\nwhile read -r n; do echo '0.5 loss 1 skipped 0'; done\necho total 100 context 10\n")
    stub(os.path.join(folder, "torch.py"), "")
    with open(os.path.join(folder, "torch.py"), "w", encoding="utf-8") as file:
        file.write("class cuda:\n    is_available = staticmethod(lambda: True)\n"
                   "class backends:\n    class cudnn:\n        version = staticmethod(lambda: 91400)\n__version__ = '2.9'\n")
    env = launch.environment(PYTHONPATH=folder, PATH=folder + os.pathsep + os.environ["PATH"])
    out = launch.text(subprocess.run([sys.executable, os.path.join(launch.TOP, "tests", "bench", "gpu-step.py"), tool], env=env,
                                     check=True, stdout=subprocess.PIPE).stdout)
    assert "PyTorch 2.9, cuDNN 9.14.0: not compared with" in out, out
    result = json.loads(out.splitlines()[-1])
    assert "ratio" not in result and result["clips-per-second"] == 640, result


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
    done = subprocess.run(["shellcheck", "-x", SCRIPT, *glob.glob(SCRIPT.replace("gpu.sh", "gpu-*.sh"))], cwd=launch.TOP, stdout=subprocess.PIPE)
    assert done.returncode == 0, launch.text(done.stdout)


launch.main(skips, wrong, tried, packed, leased, bare, stopped, died, wrong_kernels, pieces, old_cudnn, fails, checked)
