#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""C and CUDA sources are formatted as in .clang-format.

    format.py --fix    formats them

The exact version is needed: others break lines differently."""
import os
import subprocess
import sys

import launch

VERSION = "19.1.7"
FOLDERS = ("src", "plugins", "tool", "tests", "pipelines")
ENDINGS = (".c", ".h", ".cu", ".cuh")


def formatter():
    """clang-format of VERSION: next to the tests' Python, or on PATH"""
    python = os.environ.get("CNN3D_PYTHON", sys.executable)
    for path in (os.path.join(os.path.dirname(python), "clang-format"), "clang-format"):
        try:
            said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            continue
        if said.split()[-1] == VERSION or " %s " % VERSION in said:
            return path
    return None


def sources():
    for top in FOLDERS:
        for folder, folders, names in os.walk(os.path.join(launch.TOP, top)):
            folders.sort()
            yield from (os.path.join(folder, name) for name in sorted(names) if name.endswith(ENDINGS))


def formatted(_):
    """Each source is formatted"""
    path = formatter()
    if not path:
        raise launch.Skip("clang-format %s is not installed" % VERSION)
    files = list(sources())
    assert len(files) > 300, files
    done = subprocess.run([path, "--dry-run", "-Werror", *files], cwd=launch.TOP, capture_output=True, text=True,
                          timeout=launch.limit(300), check=False)
    wrong = sorted({os.path.relpath(line.split(":")[0], launch.TOP) for line in done.stderr.splitlines()
                    if "error: code should be clang-formatted" in line})
    assert done.returncode == 0, "not formatted: %s: run tests/pipelines/format.py --fix" % " ".join(wrong)


if __name__ == "__main__":
    if sys.argv[1:] == ["--fix"]:
        found = formatter()
        if not found:
            sys.exit("format.py: clang-format %s is not installed: pip install clang-format==%s" % (VERSION, VERSION))
        sys.exit(subprocess.run([found, "-i", *sources()], check=False).returncode)
    launch.main(formatted)
