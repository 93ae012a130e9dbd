#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""cnn3d pipeline and cnn3d train: the launch line for a configuration, with any path in it, does everything by
itself."""
import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys

import launch

TOOL = os.path.join(launch.BUILD, "tool", "cnn3d")
CONFIGS = [os.path.join(launch.TOP, "configs", name)
           for name in ("config.yaml", "config_low_memory.yaml")]
# What makes a run on the demonstration set tiny
TINY = ["--data.img_size=[32, 40]", "--data.num_frames=4", "--data.batch_size=4",
        "--data.num_workers=2", "--model.base_width=8", "--model.backbone=mc3_18",
        "--train.max_epochs=1", "--train.accumulate_grad_batches=2",
        "--train.patience=0", "--trainer.limit_train_batches=4",
        "--trainer.precision=32", "--trainer.threads=1", "--trainer.device=cpu"]
# Path parts that could break out of quotes, lines and terminals
HOSTILE = ["$HOME", "$(touch pwned)", "`touch pwned`", "'", '"', "\\", "\\\\", "a\\",
           "\\\"", "'\"'", "\n", "\t", "\r", "\x1b[31m", " ", "  two  blanks  ", "-e", "--help",
           "!", "a ! fakesink", "a=b", "(x)", "[y]", "{z}", "#", ";", "&", "|", "<>",
           "*", "?", "~", "%s%n", "\u00e9\u00e0\u00a0", "\u3053\u3093", "\u202e", "\U0001f600",
           "NULL", "null", "true", "\\012", "\\\"x", "x\"y\"z", "bin.( fakesrc )", "a,b;c:d@e"]


def tool(*arguments, folder=None, before=None, **more):
    done = subprocess.run([TOOL, *arguments], cwd=folder, env=launch.environment(**more), preexec_fn=before,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=launch.limit(120))
    return launch.Run([TOOL, *arguments], done.returncode, launch.text(done.stdout),
                      launch.text(done.stderr))


def lines_of(*arguments, folder=None):
    run = tool("pipeline", *arguments, folder=folder)
    run.need(run.rc == 0 and not run.err, "no line came")
    run.need(re.fullmatch(r"(gst-launch-1\.0 [^\x00-\x1f\x7f]*\n)+", run.out), "not a clean line")
    return run.out.splitlines()


def line_of(*arguments, folder=None):
    line, = lines_of(*arguments, folder=folder)
    return line


def words_of(line):
    """The words that a shell parses from the line."""
    out = subprocess.run(["sh", "-c", "printf '%s\\0' " + line], stdout=subprocess.PIPE,
                         check=True).stdout
    return out.decode().split("\0")[:-1]


def quoted_yaml(text):
    """In YAML's double quotes."""
    return '"%s"' % "".join(c if c.isascii() and c.isalnum() or c in "/. _-" else
                            "\\U%08x" % ord(c) for c in text)


def demo(name):
    return os.path.join(os.environ["CNN3D_DEMO"], name)


def shipped(folder):
    """The shipped configurations become lines, and options override them"""
    full, low = map(line_of, ["--config=" + c for c in CONFIGS])
    for line in full, low:
        assert " location=train.csv val-location=val.csv " in line, line
        assert " epochs=50 " in line and " precision=16-mixed" in line, line
        assert "width=112,height=112'" in line, line
    assert "accumulate" not in full and "max-memory" not in full, full
    assert " batch-size=4 " in low and " accumulate-grad-batches=2 " in low, low
    assert " max-memory=7GiB " in low and " auto-fit=true " in low, low
    changed = line_of("--config", CONFIGS[0], "--trainer.precision=bf16-mixed",
                      "--data.img_size=224", "--model.backbone=resnet50",
                      "--train.accumulate_grad_batches=4", "--data.batch_size=2",
                      "--trainer.limit_train_batches=10", "--paths.val=null")
    for part in ("precision=bf16-mixed", "width=224,height=224'", "model=slow_r50",
                 "accumulate-grad-batches=4", "batch-size=2", "limit-clips=20"):
        assert part in changed, "%s is not in %s" % (part, changed)
    assert "val-location" not in changed, changed
    # options may come before or after the file
    assert line_of("--data.batch_size=2", "--config", CONFIGS[0]) == \
        line_of("--config", CONFIGS[0], "--data.batch_size=2")


def errors(folder):
    """Errors give file, line and column or the option, on an otherwise clean stderr"""
    path = os.path.join(folder, "bad\x1b[31m.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write("data:\n  batch_size: \"\\e[31m\"\n")
    run = tool("pipeline", "--config", path)
    run.need(run.rc == 1 and not run.out, "it was accepted")
    run.need(re.search(r"\\x1b\[31m\.yaml:2:15: data\.batch_size must be a whole number "
                       r"from 1 to 4096, not the text '\\x1b\[31m'\n$", run.err)
             and "\x1b" not in run.err, "not the error")
    for arguments, status, words in (
            (["pipeline"], 2, "give a file: cnn3d pipeline --config FILE"),
            (["pipeline", "--config"], 2, "--config FILE"),
            (["train"], 2, "cnn3d train --config FILE"),
            ([], 2, "usage: cnn3d COMMAND"),
            (["fly"], 2, "there is no command 'fly'; cnn3d --help lists them"),
            (["pipeline", "--config=a", "--config=b"], 2, "--config is given twice; only one file is read"),
            (["pipeline", "--config", folder + "/none.yaml"], 1, "none.yaml: No such file"),
            (["pipeline", "--config", CONFIGS[0], "batch_size=1"], 2, "--SECTION.KEY=VALUE"),
            (["pipeline", "--config", CONFIGS[0], "--train.precision=16"], 2,
             "--train.precision=16: there is no key 'train.precision'; the nearest is trainer.precision"),
            (["train", "--config", CONFIGS[0], "--loss.lr=abc"], 2, "--loss.lr=abc: loss.lr must be a number"),
            (["train", "--config", CONFIGS[0], "--data.load_rgb=false"], 1, "the network would see nothing"),
            (["pipeline", "--config", CONFIGS[0], "--paths.train=null"], 1, "paths.train is not set")):
        run = tool(*arguments)
        run.need(run.rc == status and words in run.err and not run.out, "not refused with '%s'" % words)


def helps(folder):
    """--help lists the commands and every key; --version prints the version"""
    assert re.fullmatch(r"cnn3d \d+\.\d+\.\d+\n", tool("--version").out)
    for command in "pipeline", "train":
        assert re.search(r"^  %s +\w" % command, tool("--help").out, re.M)
        run = tool(command, "--help")
        run.need(run.rc == 0 and "usage: cnn3d %s --config" % command in run.out, "no help")
        with open(CONFIGS[0], encoding="utf-8") as file:
            text = file.read()
        section = None
        for match in re.finditer(r"^(\w+):\s*$|^  (\w+): ", text, re.M):
            section = match.group(1) or section
            run.need(match.group(1) or "\n  %s.%s: " % (section, match.group(2)) in run.out,
                     "no word of %s" % match.group(0))


def defaults(folder):
    """The documented defaults of keys are the elements' own"""
    inspected = {}
    rows, missing = 0, []
    with open(os.path.join(launch.TOP, "docs", "config.md"), encoding="utf-8") as file:
        table = re.findall(r"^\| `([\w.]+)` \| .* \| (.*) \| ([\w, ]+) `([\w-]+)` \| ", file.read(), re.M)
    for key, default, elements, name in table:
        for element in elements.split(", "):
            if element not in inspected:
                out = subprocess.run(["gst-inspect-1.0", element], env=launch.environment(),
                                     stdout=subprocess.PIPE, check=True).stdout.decode()
                inspected[element] = out.split("Element Properties:")[1]
            # from `: ` after the name to the next property
            match = re.search(r"^  %s *: ((?:.*\n)(?:   .*\n)*)" % name, inspected[element], re.M)
            if not match:
                missing.append("%s %s" % (element, name))
                continue
            rows += 1
            found = re.findall(r"Default: *(.*?) *$", match.group(1), re.M)[-1]
            quoted = re.match(r'(?:\d+, )?"(.*)"$', found)
            found = quoted.group(1) if quoted else found
            if found == "null":
                found = ""
            same = found == default
            try:
                same = same or float(found) == float("%.7g" % float(default))   # as gst-inspect prints it
            except ValueError:
                pass
            assert same, "%s: %s %s is %s by itself, not %s" % (key, element, name, found, default)
    assert rows >= 40, rows
    return ["not there: " + ", ".join(missing)] if missing else []


def elements_of(words):
    """[(element, {property: value})] of a launch line, including clip-bin's elements, without default values"""
    own = {"cnn3dtrain": {"model": "r3d_18", "precision": 32.0, "lr": 0.01}}
    found, expects = [], True
    for word in words:
        name, equals, value = word.partition("=")
        if word == "!":
            expects = True
        elif expects:
            found.append((word, {}))
            expects = False
        elif equals:
            if name == "clip-bin":
                value = elements_of(value.split())
            elif re.fullmatch(r"[\d.e+-]+", value):
                value = float(value)
            found[-1][1][name] = value
    return [(element, {name: value for name, value in properties.items()
                       if own.get(element, {}).get(name) != value}) for element, properties in found]


def recipes(folder):
    """Each YAML block in these documents gives the launch line before it"""
    for name in ("recipes.md", "keypoints.md"):
        with open(os.path.join(launch.TOP, "docs", name), encoding="utf-8") as file:
            page = file.read()
        line, count = None, 0
        for launched, block in re.findall(r"^    (gst-launch-1\.0 (?:.*\\\n)*.*)$|^```yaml\n((?:(?!```).*\n)*)", page, re.M):
            if launched:
                line = shlex.split(re.sub(r" *\\\n\s*", " ", launched))[2:]
                continue
            count += 1
            path = os.path.join(folder, "%s-%d.yaml" % (name, count))
            with open(path, "w", encoding="utf-8") as file:
                file.write(block)
            made = words_of(line_of("--config", path))
            assert made[:2] == ["gst-launch-1.0", "-e"], made
            wanted, got = elements_of(line), elements_of(made[2:])
            assert wanted == got, "%s\nis not\n%s" % (got, wanted)
        assert count == {"recipes.md": 2, "keypoints.md": 1}[name], (name, count)


def quotes(folder):
    """Any path passes through shell and gst-launch-1.0 unchanged, by file and by option"""
    dice = random.Random(3)
    paths = HOSTILE + ["".join(dice.choice(HOSTILE + ["a", "/", " "]) for _ in range(dice.randint(2, 7)))
                     for _ in range(60)]
    config = os.path.join(folder, "c.yaml")
    runs = 0
    for path in paths:
        with open(config, "w", encoding="utf-8") as file:
            file.write("paths:\n  train: %s\n" % quoted_yaml(path))
        line = line_of("--config", config)
        if path not in ("~", "null", "NULL"):    # as an option value, these have a meaning
            assert line == line_of("--config", config, "--paths.train=" + path), line
        words = words_of(line)
        assert words[:3] == ["gst-launch-1.0", "-e", "clipsrc"], line
        # must equal the word for an element that reads the file
        name = os.path.join(folder, "d%d" % runs, path + ".x")
        os.makedirs(os.path.dirname(name))
        with open(name, "w", encoding="utf-8") as file:
            file.write(path)
        with open(config, "w", encoding="utf-8") as file:
            file.write("paths:\n  train: %s\n" % quoted_yaml(name))
        word = words_of(line_of("--config", config))[3]
        assert word.startswith("location="), word
        out = os.path.join(folder, "out%d" % runs)
        done = subprocess.run(["gst-launch-1.0", "-q", "filesrc", word, "!", "filesink", "location=" + out],
                              env=launch.environment(), cwd=folder, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=launch.limit(60))
        assert done.returncode == 0, "%r\n%s\n%s" % (name, word, launch.text(done.stdout))
        assert launch.read(out).decode() == path, repr(name)
        runs += 1
    assert not os.path.exists(os.path.join(folder, "pwned")) and not os.path.exists("pwned")
    return ["%d paths" % runs]


def same_line(folder):
    """cnn3d train passes gst-launch-1.0 the words that a shell parses from the printed line"""
    fake = os.path.join(folder, "bin")
    os.mkdir(fake)
    with open(os.path.join(fake, "gst-launch-1.0"), "w", encoding="utf-8") as file:
        file.write('#!/bin/sh\nprintf "%%s\\0" "$0" "$@" >%s\nexit 7\n'
                   % shlex.quote(os.path.join(folder, "words")))
    os.chmod(os.path.join(fake, "gst-launch-1.0"), 0o755)
    for config in CONFIGS:
        for options in ([], ["--paths.train=a 'b' \"c\" $d\n\\"], ["--paths.root=-x", "--paths.val= "]):
            run = tool("train", "--config", config, *options, PATH=fake + ":" + os.environ["PATH"])
            run.need(run.rc == 7, "not the exit status of gst-launch-1.0")
            assert run.out == line_of("--config", config, *options) + "\n", run.out
            given = launch.read(os.path.join(folder, "words")).decode().split("\0")[1:-1]
            assert given == words_of(run.out[:-1])[1:], given
    lost = tool("train", "--config", CONFIGS[0], "--paths.checkpoint_dir=null", PATH=folder)
    lost.need(re.search(r"paths\.checkpoint_dir is not set: the weights will be lost when training ends; "
                        r"--paths\.checkpoint_dir=FOLDER keeps them", lost.err), lost.err)
    run = tool("train", "--config", CONFIGS[0], PATH=folder)
    run.need("will be lost" not in run.err, run.err)
    run.need(run.rc == 1 and "gst-launch-1.0 is not on the PATH" in run.err, "it ran")
    os.chmod(os.path.join(fake, "gst-launch-1.0"), 0o644)
    run = tool("train", "--config", CONFIGS[0], PATH=fake)
    run.need(run.rc == 1 and "cannot run gst-launch-1.0: Permission denied" in run.err, "it ran")
    run = tool("pipeline", "--config", CONFIGS[0], os.fsdecode(b"--paths.train=\xff"))
    run.need(run.rc != 0 and "this option is not UTF-8" in run.err, "not refused")
    with open("/dev/full", "w") as full:
        done = subprocess.run([TOOL, "pipeline", "--config", CONFIGS[0]], env=launch.environment(), stdout=full,
                              stderr=subprocess.PIPE, timeout=launch.limit(120))
    assert done.returncode == 1 and b"cannot write to standard output: No space left on device" in done.stderr, done


def tests(folder):
    """With paths.test a second line tests: cnn3d train runs it after the first unless that failed or was
    stopped; --test runs only that line"""
    fake = os.path.join(folder, "bin")
    calls = os.path.join(folder, "calls")
    os.mkdir(fake)
    with open(os.path.join(fake, "gst-launch-1.0"), "w", encoding="utf-8") as file:
        file.write('#!/bin/sh\nprintf "%%s\\0" "$0" "$@" >>%s; printf "\\n" >>%s\n'
                   'case "$*" in *cnn3dtrain*) eval "$TRAINING";; *) exit 5;; esac\n'
                   % (shlex.quote(calls), shlex.quote(calls)))
    os.chmod(os.path.join(fake, "gst-launch-1.0"), 0o755)
    more = {"PATH": fake + ":" + os.environ["PATH"]}
    arguments = ["--config", CONFIGS[0], "--paths.test=a 'b'.csv"]
    lines = lines_of(*arguments)
    assert len(lines) == 2 and lines[0] == line_of("--config", CONFIGS[0]), lines
    assert " passes=test " in lines[1] and " cnn3deval model=" in lines[1], lines[1]
    assert lines_of("--test", *arguments) == lines_of(*arguments, "--test") == lines[1:]
    for training, status, ran, said in (
            ("exit 0", 5, 2, ""), ("exit 3", 3, 1, "training failed, nothing is tested"),
            ("kill -KILL $$", 137, 1, "training failed"),
            ("kill -INT $PPID; while :; do sleep 0.1; done", 130, 1, "training was stopped, nothing is tested"),
            ("trap 'exit 0' INT; kill -TERM $PPID; while :; do sleep 0.1; done", 143, 1, "was stopped"),
            ("trap 'exit 0' INT; kill -HUP $PPID; while :; do sleep 0.1; done", 129, 1, "was stopped"),
            ("trap 'exit 1' INT; kill -TERM $PPID; while :; do sleep 0.1; done", 1, 1, "was stopped")):
        if os.path.exists(calls):
            os.remove(calls)
        run = tool("train", *arguments, **more, TRAINING=training)
        run.need(run.rc == status, "not %d" % status)
        run.need(said in run.err and (said or not run.err), "not said: %s" % said)
        given = [call.split("\0")[1:-1] for call in launch.read(calls).decode().splitlines()]
        run.need(given == [words_of(line)[1:] for line in lines[:ran]], "other lines: %s" % given)
        run.need(run.out.splitlines() == lines[:ran], "what ran is not what was printed")
    # of several ranks the first one tests
    for rank, status, ran in ("0", 5, 2), ("1", 0, 1):
        place = {"OMPI_COMM_WORLD_RANK": rank, "OMPI_COMM_WORLD_SIZE": "2"}
        run = tool("train", *arguments, **more, **place, TRAINING="exit 0")
        run.need(run.rc == status and run.out.splitlines() == lines[:ran], "not what rank %s runs" % rank)
    # as under nohup: ignored signals stay ignored
    run = tool("train", *arguments, **more, TRAINING="kill -HUP $PPID; sleep 0.2; exit 0",
               before=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    run.need(run.rc == 5 and not run.err, "a hang-up that is ignored stopped it")
    # and a Ctrl-C that a script's background job ignores does not end training alone
    script = os.path.join(folder, "interrupted.py")
    with open(script, "w", encoding="utf-8") as file:
        file.write("import os, signal, sys, time\nsignal.signal(signal.SIGINT, lambda *_: sys.exit(0))\n"
                   "os.killpg(os.getpgid(os.getppid()), signal.SIGINT)\ntime.sleep(0.5)\nopen(%r, 'w').close()\n"
                   % (script + ".done"))
    run = tool("train", *arguments, **more, TRAINING="exec %s %s" % (shlex.quote(sys.executable), shlex.quote(script)),
               before=lambda: (os.setpgid(0, 0), signal.signal(signal.SIGINT, signal.SIG_IGN)))
    run.need(run.rc == 5 and not run.err and os.path.exists(script + ".done"), "an ignored Ctrl-C stopped training")
    os.remove(calls)
    run = tool("train", "--test", *arguments, **more, TRAINING="exit 0")
    run.need(run.rc == 5 and run.out == lines[1] + "\n", "not the line that tests")
    run = tool("pipeline", "--test", "--config", CONFIGS[0])
    run.need(run.rc == 1 and "paths.test is not set" in run.err and not run.out, "nothing to test on")
    run = tool("train", *arguments, "--paths.checkpoint_dir=null", **more)
    run.need(run.rc == 1 and "paths.checkpoint_dir is not set" in run.err and not run.out, "no folder")
    assert len(launch.read(calls).decode().splitlines()) == 1


def presets(folder):
    """The user's own presets are found beside the installed ones, whatever their names"""
    names = ["quick (8 GB)", "plain 8", "a\"b c\\d", "it's $HOME", "  x ", "!", "\\a", "a=b", "x,y;z:@", "\u00e9t\u00e9", '"', "a! b"]
    with open(os.path.join(launch.TOP, "presets", "GstCnn3dTrain.prs"), encoding="utf-8") as file:
        version = re.search("^version=.*", file.read(), re.M).group()
    own = os.path.join(folder, "own")
    os.mkdir(own)
    with open(os.path.join(own, "GstCnn3dTrain.prs"), "w", encoding="utf-8") as file:
        file.write("[_presets_]\n%s\nelement-name=GstCnn3dTrain\n\n" % version)
        file.write("".join("[%s]\nlr=0.5\n\n" % name for name in names))
    fake = os.path.join(folder, "bin")
    os.mkdir(fake)
    with open(os.path.join(fake, "gst-launch-1.0"), "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\nexec gst-inspect-1.0 cnn3dtrain\n")
    os.chmod(os.path.join(fake, "gst-launch-1.0"), 0o755)
    run = tool("train", "--config", CONFIGS[0], PATH=fake + ":" + os.environ["PATH"], GST_PRESET_PATH=own)
    run.need(run.rc == 0 and '  "plain 8"\n' in run.out, "the user's presets are hidden")
    run = tool("train", "--config", CONFIGS[0], PATH=fake + ":" + os.environ["PATH"], GST_PRESET_PATH="")
    run.need(run.rc == 0 and '  "quick-cpu"' in run.out, "the installed presets are not found")
    for name in names:
        line = line_of("--config", CONFIGS[0], "--model.preset=" + name)
        word, = [word for word in words_of(line) if word.startswith("@preset=")]
        done = subprocess.run(["gst-launch-1.0", "-q", "fakesrc", "num-buffers=1", "!", "cnn3dtrain", word], cwd=folder,
                              env=launch.environment(GST_PRESET_PATH=own), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=launch.limit(60))
        assert b"not-negotiated" in done.stdout and b"set preset" not in done.stdout, "%r\n%s\n%s" % (name, word, launch.text(done.stdout))
    for name, shown in ("a\tb", "a\\x09b"), ("a\\", "a\\"):
        run = tool("pipeline", "--config", CONFIGS[0], "--model.preset=" + name)
        run.need(run.rc == 1 and "model.preset is '%s', but a launch line can have neither unprintable characters nor a "
                 "backslash at the end of a preset's name: rename it" % shown in run.err, "not refused")


def weights(path):
    with open(path, "rb") as file:
        data = file.read()
    size = int.from_bytes(data[:8], "little")
    return data[8 + size:]


def trains(folder):
    """The printed line trains on the demonstration set, and cnn3d train gives the same weights and then tests
    them, with hostile paths"""
    place = os.path.join(folder, "a 'b' \"c\" $d \\ !\n\u00e9")
    os.mkdir(place)
    os.symlink(os.environ["CNN3D_DEMO"], os.path.join(place, "demo"))
    found = []
    for config in CONFIGS:
        options = TINY + ["--paths.train=" + os.path.join(place, "demo", "train.csv"),
                          "--paths.val=" + os.path.join(place, "demo", "val.csv"), "--train.seed=5"]
        runs = []
        for way in "line", "train":
            runs.append(os.path.join(place, "run %s %d" % (way, len(found))))
            arguments = ["--config", config, *options, "--paths.checkpoint_dir=" + runs[-1]]
            if way == "line":
                line = line_of(*arguments, folder=folder)
                done = subprocess.run(["sh", "-c", line.replace("gst-launch-1.0", "gst-launch-1.0 -m", 1)],
                                      env=launch.environment(), cwd=folder, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=launch.limit(120))
                run = launch.Run([line], done.returncode, launch.text(done.stdout), launch.text(done.stderr))
                steps = run.messages("cnn3dtrain-step")
                # 4 batches of 4 clips, two to a step
                run.need([s["clips"] for s in steps] == ["8", "16"], "not two steps of 8 clips: %s" % steps)
                run.need(len(run.messages("cnn3dtrain-validation")) == 1, "no validation")
            else:
                run = tool("train", *arguments, "--paths.test=" + os.path.join(place, "demo", "val.csv"), folder=folder)
                run.need(run.out.startswith("gst-launch-1.0 "), "the line is not printed first")
                # tested on the validation clips, with the same limit: the metrics are equal
                figures = json.loads(launch.read(os.path.join(runs[-1], "test", "metrics.json")))
                validated = re.findall(r"val-accuracy ([\d.]+) %", run.out)
                run.need(figures["clips"] == 16 and validated
                         and abs(figures["accuracy"] * 100 - float(validated[-1])) < 0.06, "other test metrics: %s" % figures)
            run.fine()
            run.need("Got EOS" in run.out, "it did not come to its end")
        first, second = (weights(os.path.join(r, "last.safetensors")) for r in runs)
        assert first == second, "the weights differ"
        found.append(first)
    assert found[0] == found[1], "what differs between the two files is overridden"


launch.main(shipped, errors, helps, defaults, recipes, quotes, same_line, tests, presets, trains)
