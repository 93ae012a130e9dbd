#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Time until the first clip of a million is requested, and the process's memory without the annotation file's
pages. The clips do not exist, so it then ends.

usage: million-rows.py BUILD [FORMAT...]"""
import os
import subprocess
import sys
import tempfile
import time

ROWS = 1000000


def video(i):
    return "videos/class%03d/clip%07d.mp4" % (i % 400, i)


# name: (prefix, a row by its number, separator, suffix)
FORMATS = {
    "csv": ("path,label,start,end,group\n", lambda i: "%s,class%03d,%d.5,%d,person%05d\n" % (
        video(i), i % 400, i % 50, i % 50 + 5, i % 20011), "", ""),
    "frames": ("path;label;start_frame;end_frame\n", lambda i: "%s;class%03d;%d;%d\n" % (
        video(i), i % 400, i % 50, i % 50 + 5), "", ""),
    "list": ("", lambda i: "%s %d\n" % (video(i), i % 400), "", ""),
    "kinetics": ("label,youtube_id,time_start,time_end,split\n", lambda i: "class %03d,id%09d,%d,%d,train\n" % (
        i % 400, i, i % 50, i % 50 + 10), "", ""),
    "charades": ("id,subject,scene,script,actions,length\n", lambda i: "%07d,S%03d,Hall,A person walks.,c%03d %d.1 %d.5,30\n" % (
        i, i % 200, i % 157, i % 9, i % 9 + 5), "", ""),
    "epic": ("narration_id,participant_id,video_id,start_timestamp,stop_timestamp,verb\n",
             lambda i: "P%02d_%d,P%02d,P%02d_01,00:%02d:06.98,00:%02d:09.49,v%d\n" % (
                 i % 30, i, i % 30, i % 30, i % 60, i % 60, i % 97), "", ""),
    "via": ("# ATTRIBUTE = {\"1\":{\"aname\":\"action\",\"options\":{\"0\":\"walk\",\"1\":\"jump\"}}}\n"
            "# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata\n",
            lambda i: "\"1_%d\",\"[\"\"clip%07d.mp4\"\"]\",0,\"[%d.5,%d]\",\"[]\",\"{\"\"1\"\":\"\"%d\"\"}\"\n" % (
                i, i, i % 9, i % 9 + 5, i % 2), "", ""),
    "timelines": ("{\"videos\":[", lambda i: "{\"path\":\"%s\",\"segments\":[{\"start\":%d,\"end\":%d.5,\"label\":\"c%d\"}]}" % (
        video(i), i % 9, i % 9 + 4, i % 400), ",\n", "]}"),
    "createml": ("[", lambda i: "{\"video\":\"%s\",\"label\":\"class%d\",\"start\":%d,\"end\":\"00:%02d.5\"}" % (
        video(i), i % 400, i % 9, i % 9 + 4), ",\n", "]"),
    "something": ("[", lambda i: "{\"id\":\"%d\",\"label\":\"holding a potato\",\"template\":\"Holding [something] %d\"}" % (
        i, i % 174), ",\n", "]"),
    "activitynet": ("{\"database\":{", lambda i: "\"v%08d\":{\"duration\":82.73,\"subset\":\"training\",\"annotations\":"
                    "[{\"segment\":[%d.1,%d.5],\"label\":\"class %d\"}]}" % (i, i % 9, i % 9 + 4, i % 200), ",\n", "}}"),
    "kinetics-json": ("{", lambda i: "\"id%09d\":{\"annotations\":{\"label\":\"class %d\",\"segment\":[%d.0,%d.0]},"
                      "\"duration\":10.0,\"subset\":\"train\"}" % (i, i % 400, i % 9, i % 9 + 10), ",\n", "}"),
    "labelstudio": ("[", lambda i: "{\"id\":%d,\"data\":{\"video\":\"/data/upload/1/clip%07d.mp4\"},\"annotations\":[{\"id\":%d,"
                    "\"completed_by\":1,\"result\":[{\"type\":\"timelinelabels\",\"value\":{\"ranges\":[{\"start\":%d,\"end\":%d}],"
                    "\"timelinelabels\":[\"class%d\"]}}]}]}" % (i, i, i, i % 9 + 1, i % 9 + 40, i % 50), ",\n", "]"),
    "cvat": ("<annotations><meta><task><source>a.mp4</source></task></meta>\n",
             lambda i: "<track id=\"%d\" label=\"class%d\"><box frame=\"%d\" outside=\"0\" xtl=\"1\" ytl=\"2\" xbr=\"3\" ybr=\"4\"/>"
             "<box frame=\"%d\" outside=\"1\" xtl=\"1\" ytl=\"2\" xbr=\"3\" ybr=\"4\"/></track>\n" % (
                 i, i % 50, i % 999, i % 999 + 20), "", "</annotations>"),
}


def measure(build, folder, name):
    head, row, between, tail = FORMATS[name]
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(head)
        for i in range(ROWS):
            file.write((between if i else "") + row(i))
        file.write(tail)
    start = time.perf_counter()
    with open(os.path.join(folder, "stderr"), "w+", encoding="utf-8") as stderr:
        run = subprocess.Popen(["gst-launch-1.0", "clipsrc", "location=" + path, "on-error=stop", "!", "fakesink"],
                               env=dict(os.environ, GST_PLUGIN_PATH=os.path.join(build, "plugins")),
                               stdout=subprocess.DEVNULL, stderr=stderr)
        # of this child only
        usage = os.wait4(run.pid, 0)[2]
        seconds = time.perf_counter() - start
        stderr.seek(0)
        messages = stderr.read()
    assert "No such file" in messages, messages
    peak, size = usage.ru_maxrss / 1024, os.path.getsize(path) / (1 << 20)
    os.unlink(path)
    print("%-14s %5.2f s, of which %5.2f s computed; %4.0f MB, of which %3.0f MB are the file" % (
        name, seconds, usage.ru_utime + usage.ru_stime, peak, size), flush=True)


if {"-h", "--help"} & set(sys.argv[1:]) or len(sys.argv) < 2:
    print(__doc__)
    sys.exit()
with tempfile.TemporaryDirectory() as folder:
    for name in sys.argv[2:] or FORMATS:
        measure(sys.argv[1], folder, name)
