#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long a manifest of a million rows takes until the first clip is asked
for, and the whole process's memory. The clips are not there, so it ends then.

usage: million-rows.py BUILD"""
import os
import resource
import subprocess
import sys
import tempfile
import time

if {"-h", "--help"} & set(sys.argv[1:]):
    print(__doc__)
    sys.exit()

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "million.csv")
    with open(path, "w") as file:
        file.write("path,label,group\n")
        for i in range(1000000):
            file.write("videos/class%03d/clip%07d.mp4,class%03d,person%05d\n" % (i % 400, i, i % 400, i % 20011))
    start = time.perf_counter()
    run = subprocess.run(["gst-launch-1.0", "clipsrc", "location=" + path, "on-error=stop", "!", "fakesink"],
                         env=dict(os.environ, GST_PLUGIN_PATH=os.path.join(sys.argv[1], "plugins")),
                         capture_output=True, text=True)
    seconds = time.perf_counter() - start
assert "No such file" in run.stderr, run.stderr
print("%.2f s, %.0f MB" % (seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024))
