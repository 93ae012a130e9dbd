#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every script prints its help on --help, and does nothing else."""
import os
import subprocess
import tempfile

import launch

FOLDERS = ("pipelines", "tests", "tool")
# Commands that scripts call
TRAPPED = ("apt-get", "sudo", "meson", "ninja", "gst-launch-1.0", "debootstrap", "git", "tar", "dpkg-buildpackage",
           "mkdir", "cp")


def scripts():
    for top in FOLDERS:
        for folder, folders, names in os.walk(os.path.join(launch.TOP, top)):
            folders[:] = [name for name in folders if name != "__pycache__"]
            for name in sorted(names):
                path = os.path.join(folder, name)
                if name.endswith((".sh", ".py")) and os.access(path, os.X_OK):
                    yield path


def helps(folder):
    """--help of each script, for shell scripts also after an argument: text, status 0, no file written and no
    program called"""
    called = os.path.join(folder, "called")
    traps = os.path.join(folder, "bin")
    os.mkdir(traps)
    for name in TRAPPED:
        path = os.path.join(traps, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write('#!/bin/sh\necho "$0 $*" >>%s\nexit 1\n' % called)
        os.chmod(path, 0o755)
    count = 0
    for script in scripts():
        for options in (["--help"], ["x", "--help"] if script.endswith(".sh") else ["-h"]):
            with tempfile.TemporaryDirectory(dir=folder) as place:
                env = {"PATH": traps + ":/usr/bin:/bin", "HOME": place, "TMPDIR": place, "LC_ALL": "C.UTF-8",
                       "PYTHONDONTWRITEBYTECODE": "1", "CNN3D_BUILD": os.path.join(place, "nowhere")}
                done = subprocess.run([script, *options], cwd=place, env=env, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=launch.limit(60),
                                      check=False)
                what = "%s %s: exit status %d\n%s%s" % (os.path.relpath(script, launch.TOP), " ".join(options),
                                                      done.returncode, launch.text(done.stdout),
                                                      launch.text(done.stderr))
                assert done.returncode == 0 and not done.stderr, what
                out = launch.text(done.stdout)
                assert len(out.split()) > 5 and "\n1.." not in "\n" + out and "SPDX" not in out, what
                assert not os.listdir(place), "it wrote %s\n%s" % (os.listdir(place), what)
                assert not os.path.exists(called), "it called %s\n%s" % (launch.text(launch.read(called)), what)
        count += 1
    assert count > 30, count
    return ["%d scripts" % count]


if __name__ == "__main__":
    launch.main(helps)
