# SPDX-License-Identifier: LGPL-2.1-or-later
"""Shared by the pipeline tests: running gst-launch-1.0 and parsing its messages, small videos, and results in
TAP.

A test is a function; it fails with AssertionError and is left out with Skip."""
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("CNN3D_BUILD") or os.path.join(TOP, "build")

# Before a test looks for its requirements
if {"-h", "--help"} & set(sys.argv[1:]):
    print("%s\n\nusage: %s [TEST...]     functions in it; all" % (sys.modules["__main__"].__doc__,
                                                              os.path.basename(sys.argv[0])))
    sys.exit()

# Each worker's preparation of a clip, and the queue before training: 8 frames of
# 32x32 are enough for everything but accuracy.
CLIP_BIN = ('clip-bin="clipsample num-frames=8 ! videoconvertscale '
            'add-borders=false ! video/x-raw,format=RGB,width=32,height=32"')
QUEUE = "queue max-size-buffers=2 max-size-bytes=0 max-size-time=0"


def limit(seconds):
    """Time limit that only guards against hanging. tests/run.sh measures the factor (tests/time-factor.py)."""
    return seconds * max(1.0, float(os.environ.get("CNN3D_TEST_TIME_FACTOR") or 1))


class Skip(Exception):
    """The test cannot run here; its text gives the reason."""


def environment(**more):
    """The plugins of the build folder, with a registry for this test only."""
    env = dict(os.environ)
    for name in list(env):
        if name.startswith(("GST_PLUGIN_", "GST_DEBUG", "GST_TRACERS")):
            del env[name]
    env["GST_PLUGIN_PATH"] = os.path.join(BUILD, "plugins")
    env["GST_REGISTRY"] = os.path.join(BUILD, "tests", "registry-pipelines-%s.bin" %
                                       os.path.basename(sys.argv[0]))
    env["GST_PRESET_PATH"] = os.path.join(TOP, "presets")
    env["LC_ALL"] = "C.UTF-8"
    env.update(more)
    return env


class Run:
    """A finished gst-launch-1.0: rc (negative: killed by that signal), out, err."""

    def __init__(self, command, rc, out, err):
        self.command = command
        self.rc = rc
        self.out = out
        self.err = err

    def messages(self, name):
        """The element messages with that name, each as a dict of field to text."""
        # a progress line may come between gst-launch's prefix and these
        return [fields(match.group(1) or "") for match in re.finditer(
            r"(?:^|\(element\): )%s(?:, (.*))?;$" % re.escape(name), self.out,
            re.MULTILINE)]

    def need(self, condition, what):
        """Fails with `what`, the line and all of its output, unless the condition holds."""
        if not condition:
            raise AssertionError("%s\n%s\nexit status %s\n%s\n%s" % (
                what, " ".join(map(shlex.quote, self.command)), self.rc,
                tail(self.out), tail(self.err)))
        return self

    def fine(self):
        return self.need(self.rc == 0 and "ERROR" not in self.err, "it did not end well")

    def refused(self, *reasons):
        """Expects that it ended by itself with an error that contains all the reasons."""
        self.need(self.rc > 0, "it was not refused")
        self.need("Segmentation" not in self.err and "CRITICAL" not in self.err
                  and "Caught SIGSEGV" not in self.out + self.err, "it crashed")
        for reason in reasons:
            self.need(re.search(reason, self.err), "stderr does not have '%s'" % reason)
        return self


def tail(text):
    """The end of a program's output, without the messages of each pad."""
    lines = [line for line in text.splitlines()
             if not re.match(r"Got message .*\((state-changed|stream-status|tag|"
                             r"stream-start|latency|streams-selected|"
                             r"stream-collection|new-clock|element|async-done)\)", line)]
    return "\n".join(lines[-30:])


def fields(text):
    """name=(type)value, ... in GstStructure's format."""
    found = {}
    for match in re.finditer(r'([\w-]+)=\(([\w<> ]+)\)("(?:[^"\\]|\\.)*"|<[^>]*>|[^,]*)',
                             text):
        value = match.group(3)
        if value.startswith('"'):
            value = re.sub(rb"\\([0-7]{3})",
                           lambda m: bytes([int(m.group(1), 8)]),
                           value[1:-1].encode()).decode(errors="replace")
            value = re.sub(r"\\(.)", r"\1", value)
        found[match.group(1)] = value
    return found


def start(line, folder=None, options="-m", stdout=subprocess.PIPE,
          stderr=subprocess.PIPE, before=(), **more):
    """Starts gst-launch-1.0 with that line, quoted as in a shell, in its own session, or the command `before`
    with it. The caller waits for it."""
    command = [*before, "gst-launch-1.0"] + shlex.split(options) + shlex.split(line)
    process = subprocess.Popen(command, cwd=folder, env=environment(**more),
                               stdin=subprocess.DEVNULL, stdout=stdout,
                               stderr=stderr, start_new_session=True)
    process.command = command
    return process


def kill(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def computed(process):
    """CPU seconds so far, including children that have ended."""
    try:
        with open("/proc/%d/stat" % process.pid, "rb") as file:
            ticks = file.read().rpartition(b")")[2].split()[11:15]
    except OSError:
        return 0.0
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def hangs(process, before, seconds):
    """Whether it has used almost no CPU time in the last seconds. One that keeps computing is just slow: the
    limit of the whole test ends it."""
    return computed(process) - before < seconds / 100


def hung_by_itself(output):
    """gst-launch-1.0 sometimes hangs after an immediate error, with any elements: it has printed it, but not
    begun to stop the pipeline."""
    return "ERROR: pipeline doesn't want to preroll." in output and "Setting pipeline to NULL" not in output


def finish(process, seconds=60):
    """Waits for it; one that hangs is killed, which is a failure."""
    seconds = limit(seconds)
    while True:
        before = computed(process)
        try:
            out, err = process.communicate(timeout=seconds)
            break
        except subprocess.TimeoutExpired:
            if not hangs(process, before, seconds):
                continue
            kill(process)
            out, err = process.communicate()
            if hung_by_itself(text(out) + text(err)):
                return Run(process.command, 1, text(out), text(err))
            Run(process.command, process.returncode, text(out), text(err)).need(
                False, "it did nothing for %d seconds" % seconds)
    return Run(process.command, process.returncode, text(out), text(err))


def text(data):
    return (data or b"").decode(errors="replace")


def mpirun(*options):
    """The command that starts several processes, also as root and on fewer cores."""
    if shutil.which("mpirun") is None or not os.path.exists(
            os.path.join(BUILD, "src", "comm", "mpi", "libcnn3d-mpi.so")):
        raise Skip("built without MPI")
    for name in "OMPI", "PRTE":
        os.environ.update({name + "_ALLOW_RUN_AS_ROOT": "1", name + "_ALLOW_RUN_AS_ROOT_CONFIRM": "1"})
    # Open MPI 5 takes an option once only
    return ["mpirun", "--oversubscribe", *(() if "--bind-to" in options else ("--bind-to", "none")), *options]


def launch(line, folder=None, options="-m", seconds=60, **more):
    return finish(start(line, folder, options, **more), seconds)


def stop_when(line, wanted, count, signum, delay=0.0, folder=None, options="-m",
              seconds=60):
    """Runs the line until its output has `count` lines that match `wanted`, waits for `delay` seconds, then
    sends the signal. Waits for a process that the signal does not end."""
    process = start(line, folder, options)
    seconds = limit(seconds)
    out, err = [], []

    def read_errors():
        err.append(process.stderr.read())

    reader = threading.Thread(target=read_errors)
    over = threading.Event()

    def guard():
        before = computed(process)
        while not over.wait(seconds):
            if hangs(process, before, seconds):
                kill(process)
                return
            before = computed(process)

    guarding = threading.Thread(target=guard)
    reader.start()
    guarding.start()
    sent = False
    for raw in process.stdout:
        out.append(raw)
        if re.search(wanted, text(raw)):
            count -= 1
        if count <= 0 and not sent:
            time.sleep(delay)
            sent = True
            if process.poll() is None:
                os.kill(process.pid, signum)
    process.wait()
    reader.join()
    over.set()
    guarding.join()
    run = Run(process.command, process.returncode, text(b"".join(out)), text(b"".join(err)))
    run.need(process.returncode != -signal.SIGKILL or signum == signal.SIGKILL,
             "it did nothing for %d seconds" % seconds)
    return run


def make_videos(folder, videos):
    """H.264 in MP4, all in one process. videos: path -> dict with any of pattern, speed (which makes videos
    differ), frames, width, height, rate."""
    branches = []
    for path, kind in videos.items():
        path = os.path.join(folder, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        branches.append(
            "videotestsrc pattern=%s horizontal-speed=%d num-buffers=%d ! "
            "video/x-raw,format=I420,width=%d,height=%d,framerate=%d/1 ! x264enc "
            "speed-preset=ultrafast key-int-max=8 threads=1 ! mp4mux ! "
            "filesink location=%s" % (
                kind.get("pattern", "smpte"), kind.get("speed", 1),
                kind.get("frames", 16), kind.get("width", 48), kind.get("height", 40),
                kind.get("rate", 12), gst_quote(path)))
    for first in range(0, len(branches), 16):
        launch(" ".join(map(str, branches[first:first + 16])), options="-q").fine()


def gst_quote(path):
    """Quotes a value in a launch line that a shell also parses."""
    return shlex.quote('"%s"' % path.replace("\\", "\\\\").replace('"', '\\"'))


def two_classes(folder, each, **kind):
    """folder/bars and folder/ball with that many videos each."""
    videos = {}
    for i in range(each):
        videos["bars/%02d.mp4" % i] = dict(kind, pattern="smpte", speed=i + 1)
        videos["ball/%02d.mp4" % i] = dict(kind, pattern="ball", speed=i + 1)
    make_videos(folder, videos)


def bad_files(folder):
    """One file of each unreadable kind: name -> path."""
    os.makedirs(folder, exist_ok=True)
    path = lambda name: os.path.join(folder, name)
    open(path("empty.mp4"), "wb").close()
    with open(path("text.mp4"), "w", encoding="utf-8") as file:
        file.write("This is no video.\n" * 200)
    os.makedirs(path("directory.mp4"), exist_ok=True)
    make_videos(folder, {"whole.mp4": {"frames": 48}})
    with open(path("whole.mp4"), "rb") as file:
        data = file.read()
    os.unlink(path("whole.mp4"))
    # mp4mux writes the index last, so a truncated file has none
    with open(path("truncated.mp4"), "wb") as file:
        file.write(data[:len(data) // 2])
    launch("audiotestsrc num-buffers=20 ! avenc_aac ! mp4mux ! filesink location="
           + gst_quote(path("audio-only.mp4")), options="-q").fine()
    # a container with a video track without frames
    launch("videotestsrc num-buffers=0 ! video/x-raw,format=I420,width=48,height=40,framerate=12/1 "
           "! x264enc ! mp4mux ! filesink location=" + gst_quote(path("no-frames.mp4")),
           options="-q")
    names = ("missing", "empty", "text", "directory", "truncated", "audio-only",
             "no-frames")
    return {name: path(name + ".mp4") for name in names}


def gstreamer_is(*version):
    """Whether GStreamer is at least of this version."""
    out = subprocess.run(["gst-launch-1.0", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return tuple(map(int, re.search(r" (\d+)\.(\d+)", out).groups())) >= version


def data_folder():
    """The real videos, next to the checkout or in CNN3D_TEST_DATA."""
    folder = os.environ.get("CNN3D_TEST_DATA") or os.path.join(
        os.path.dirname(TOP), "shared", "data")
    if not os.path.isdir(folder):
        raise Skip("no real videos: set CNN3D_TEST_DATA")
    return folder


def peer(*modules):
    """A Python with these modules: of tests/python-packages.sh, or the system's."""
    python = os.environ.get("CNN3D_PYTHON") or os.path.join(BUILD, "python", "bin", "python")
    if not os.path.exists(python):
        python = "/usr/bin/python3"
    for module in modules:
        if subprocess.run([python, "-c", "import importlib.util, sys\n"
                           "sys.exit(importlib.util.find_spec(%r) is None)" % module],
                          check=False).returncode:
            raise Skip("Python has no %s" % module)
    return python


def read(path):
    with open(path, "rb") as file:
        return file.read()


def main(*tests):
    """Runs the tests, each with a temporary folder, and prints TAP."""
    if shutil.which("gst-launch-1.0") is None:
        print("1..0 # SKIP there is no gst-launch-1.0")
        sys.exit(0)
    only = sys.argv[1:]
    tests = [test for test in tests if not only or test.__name__ in only]
    print("1..%d" % len(tests), flush=True)
    failed = 0
    for number, test in enumerate(tests, 1):
        title = " ".join((test.__doc__ or test.__name__).split()).rstrip(".")
        began = time.monotonic()
        result, notes = "ok %d - %s" % (number, title), []
        with tempfile.TemporaryDirectory(prefix="cnn3d-") as folder:
            try:
                notes = test(folder) or []
            except Skip as reason:
                result += " # SKIP %s" % reason
            except Exception as error:  # an error in the test is a failure
                failed += 1
                result = "not " + result
                notes = (str(error) if isinstance(error, AssertionError) and str(error)
                         else traceback.format_exc()).splitlines()
        print(result)
        for note in notes:
            print("# " + note)
        print("# %.1f s" % (time.monotonic() - began), flush=True)
    sys.exit(1 if failed else 0)
