#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints by what factor this machine, under its present load, is slower than the reference machine of the
tests' time limits; 1.0 at least.

Times a fixed amount of work typical of tests: starting processes, computing with numbers and bytes, copying
memory, writing and syncing small files. It runs on all processors at the same time, and the slowest of three
rounds counts.

usage: time-factor.py [FOLDER]          where to write; the temporary folder"""
import hashlib
import os
import subprocess
import sys
import tempfile
import time
import zlib

if {"-h", "--help"} & set(sys.argv[1:]):
    print(__doc__)
    sys.exit()

REFERENCE = 0.60        # seconds of a round on an idle machine, on two cores of an AMD Zen 3
ROUNDS = 3


def work(folder):
    """The work of one processor."""
    data = bytes(range(256)) * 8192
    for _ in range(4):
        subprocess.run([sys.executable, "-I", "-S", "-c", ""], check=True)
    total = 0.0
    for i in range(1, 2000000):
        total += 1.0 / i
    for _ in range(32):
        data = hashlib.sha256(data).digest() + data[32:]
    zlib.compress(data, 6)
    for _ in range(60):
        bytearray(data)[::2]
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(8):
            file.write(data[:65536])
            file.flush()
            os.fsync(file.fileno())
    return total


def round_of(copies, folder):
    """Seconds until each copy has finished."""
    command = [sys.executable, "-I", os.path.abspath(__file__), "--work", folder]
    began = time.monotonic()
    running = [subprocess.Popen(command) for _ in range(copies)]
    failed = [process.wait() for process in running]
    if any(failed):
        sys.exit("time-factor.py: its own work failed in %s" % folder)
    return time.monotonic() - began


def main(arguments):
    if arguments[:1] == ["--work"]:
        work(arguments[1])
        return
    folder = arguments[0] if arguments else tempfile.gettempdir()
    copies = max(2, len(os.sched_getaffinity(0)))
    slowest = max(round_of(copies, folder) for _ in range(ROUNDS))
    print("%.1f" % max(1.0, slowest / REFERENCE))


if __name__ == "__main__":
    main(sys.argv[1:])
