#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""cnn3d report, of a run by cnn3dtrain and of one made by hand with names that contain markup: one page, text
escaped, every misclassified clip, no external resources."""
import base64
import csv
import html.parser
import json
import os
import re
import shutil
import subprocess
import xml.dom.minidom

import launch

NASTY = "<script>alert(1)</script>"
CLASSES = ["ball", NASTY, "bars & \"co\"", "\x1b[31mred\u202e"]
SHOWN = ["ball", NASTY, "bars & \"co\"", "\\x1b[31mred\\x202e"]
# elements without an end tag
VOID = {"meta", "br", "link", "img", "input", "hr"}


def report(*options, status=0, **more):
    done = subprocess.run([os.path.join(launch.BUILD, "tool", "cnn3d"), "report", *options], timeout=launch.limit(60),
                          env=launch.environment(**more), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    err = launch.text(done.stderr)
    assert done.returncode == status, (options, done.returncode, err)
    return err if status else launch.text(done.stdout)


class Page(html.parser.HTMLParser):
    """Texts of cells and headings, and each row's pictures; fails on unclosed elements, and if the page is not
    self-contained."""

    def __init__(self, path):
        super().__init__()
        with open(path, encoding="utf-8") as file:
            self.source = file.read()
        self.open, self.texts, self.rows, self.pictures = [], [], [], []
        self.feed(self.source)
        self.close()
        assert not self.open, self.open
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", self.source), "control characters"
        for svg in re.findall(r"<svg.*?</svg>", self.source, re.DOTALL):
            xml.dom.minidom.parseString(svg.encode())

    def handle_starttag(self, tag, attributes):
        assert tag not in ("script", "link", "iframe", "object", "embed", "b\\", "a"), tag
        for name, value in attributes:
            if tag == "img" and name == "src":
                assert value.startswith("data:image/jpeg;base64,"), value[:50]
                self.pictures[-1].append(base64.b64decode(value.partition(",")[2], validate=True))
                continue
            assert name not in ("src", "href", "action", "xlink:href") and not name.startswith("on"), (tag, name)
            assert "http" not in (value or "") and "url(" not in (value or ""), (tag, name, value)
        if tag not in VOID:
            self.open.append(tag)
            self.texts.append("")
        if tag == "tr":
            self.rows.append([])
            self.pictures.append([])

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, (tag, self.open)
        text = self.texts.pop()
        if self.texts:
            self.texts[-1] += text + " "
        if tag in ("td", "th"):
            self.rows[-1].append(" ".join(text.split()))

    def handle_data(self, data):
        if self.texts and self.open[-1] != "style":
            self.texts[-1] += data
        elif self.open and self.open[-1] == "style":
            assert "url" not in data and "@import" not in data

    def check(self, what):
        """The state and the figures of a check"""
        return next((row[0], row[2]) for row in self.rows if len(row) == 3 and row[1].startswith(what))


def by_hand(folder, name="run", steps=200, speed=20, more=""):
    """A folder like those of cnn3dtrain and cnn3deval; returns the misclassified clips' paths as shown"""
    run = os.path.join(folder, name)
    os.makedirs(os.path.join(run, "test"))
    log = [{"event": "run", "version": 1, "command": "gst-launch-1.0 clipsrc location=" + NASTY, "model": "r3d_18",
            "classes": CLASSES, "num-frames": 8, "height": 32, "width": 32, "device": "cpu", "batch": 2,
            "weights-bytes": 1000, "gradients-bytes": 1000, "optimizer-bytes": 2000, "input-bytes": 500,
            "arena-bytes": 4000, "workspace-bytes": 500, "predicted-bytes": 8500, "context-bytes": 100,
            "budget-bytes": 20000, "epochs": 2}]
    for step in range(1, steps + 1):
        log.append({"event": "step", "epoch": 0, "step": step, "loss": 9 / step if step != 50 else None,
                    "accuracy": 0.5, "lr": 0.1 / step, "clips-per-second": speed, "memory-bytes": 8000 + step})
    log.append({"event": "epoch", "epoch": 0, "step": steps, "loss": 1, "accuracy": 0.5, "clips": 2 * steps, "seconds": 9})
    log.append({"event": "validation", "epoch": 0, "step": steps, "loss": 2, "accuracy": 0.5, "clips": 8, "best": True,
                "confusion": [[2, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 2, 1]]})
    log.append({"event": "skipped", "path": NASTY + ".mp4", "reason": "<b>torn</b>\x1b[2J", "clip": 1, "epoch": 0})
    with open(os.path.join(run, "log.jsonl"), "w", encoding="utf-8") as file:
        for i, record in enumerate(log):
            file.write(json.dumps(dict(record, time=1790000000 + i)) + "\n")
        file.write(more)
    wrong = []
    with open(os.path.join(run, "test", "predictions.csv"), "w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["path", "clip", "label", "prediction"] + CLASSES)
        for i in range(200):
            label, prediction = i % 4, i * i % 4 if i % 3 else i % 4
            path = "clips, \"%d\"/%s\n%03d.mp4" % (i, NASTY, i)
            p = [0.1] * 4
            p[prediction] = 0.4 + i / 1000
            rows.writerow([path, i, CLASSES[label], CLASSES[prediction]] + p)
            if label != prediction:
                wrong.append((p[prediction], [path.replace("\n", "\\x0a"), str(i), SHOWN[label], SHOWN[prediction]]))
    with open(os.path.join(run, "test", "metrics.json"), "w", encoding="utf-8") as file:
        json.dump({"accuracy": 0.75, "auroc-macro": None, "clips": 200, "videos": 200, "loss": 1.5,
                   "classes": [{"name": name, "support": 50, "precision": 0.5, "recall": 1, "f1": 2 / 3, "auroc": None}
                               for name in CLASSES]}, file)
    return run, [row for _, row in sorted(wrong, key=lambda w: -w[0])]


def hostile(folder):
    """Names with markup or control codes are shown as text; every misclassified clip is listed, the most
    confident first"""
    run, wrong = by_hand(folder, more='{"event":"finished","time":1790000500,"reason":"eos"}\n')
    printed = report(run)
    assert printed.strip() == os.path.join(run, "report.html"), printed
    page = Page(os.path.join(run, "report.html"))
    shown = [row[:4] for row in page.rows if row[0].startswith("clips, ")]
    assert len(wrong) > 50 and shown == wrong, (shown[:3], wrong[:3])
    for text in NASTY + ".mp4", "<b>torn</b>\\x1b[2J (1)", SHOWN[3], "clipsrc location=" + NASTY:
        assert text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in page.source, text
    assert [SHOWN[3], "50", "50.0 %", "100.0 %", "66.7 %", "–"] in page.rows
    assert page.check("memory below") == ("ok", "41.0 % at most: 8.01 KiB of 19.5 KiB"), page.check("memory below")
    assert page.check("loss falling")[0] == "ok" and page.check("no out")[0] == "ok"
    assert page.check("as fast")[0] == "not known"
    assert len(re.findall("<svg", page.source)) >= 8


def compared(folder):
    """Comparison with a faster and a slower run; a run that was killed while writing"""
    run, _ = by_hand(folder, more='garbage\n{"event":"step","time":179')
    for speed, state, ratio in (15, "ok", "1.33"), (40, "not ok", "0.50"):
        other, _ = by_hand(folder, "other%d" % speed, speed=speed)
        output = os.path.join(folder, "%d.html" % speed)
        report(run, "--compare", other, "--output", output)
        page = Page(output)
        found = page.check("as fast")
        assert found[0] == state and found[1].startswith(ratio + " times"), found
        assert page.check("no out")[0] == "not known"
        for text in "2 of the log&apos;s", "The log has no end", "last line has no end":
            assert text in page.source, text
    assert not os.path.exists(os.path.join(run, "report.html"))


def refused(folder):
    """An empty folder, no folder, an unwritable output, and usage errors"""
    empty = os.path.join(folder, "\x1b[31mempty")
    os.mkdir(empty)
    err = report(empty, status=1)
    assert "log.jsonl" in err and "predictions.csv" in err and "\\x1b[31mempty" in err and "\x1b" not in err, err
    assert "is not a folder: give" in report(os.path.join(folder, "none"), status=1)
    run, _ = by_hand(folder)
    assert "has no log.jsonl to compare with" in report(run, "--compare", empty, status=1)
    assert "/no/such" in report(run, "--output", "/no/such/page.html", status=1)
    assert "cannot write /dev/full: " in report(run, "--output", "/dev/full", status=1) and os.path.exists("/dev/full")
    assert "give one folder: cnn3d report RUN" in report(status=2) and "one folder" in report(run, run, status=2)
    with open("/dev/full", "w") as full:
        done = subprocess.run([os.path.join(launch.BUILD, "tool", "cnn3d"), "report", run, "--output=-"], stdout=full,
                              stderr=subprocess.PIPE, env=launch.environment(), timeout=launch.limit(60))
    assert done.returncode == 1 and done.stderr == b"cnn3d: cannot write stdout: No space left on device\n", done
    assert report(run, "--output", "-").endswith("</html>\n")


def real(folder):
    """A run of cnn3dtrain's, with validation and an unreadable file"""
    launch.two_classes(os.path.join(folder, "clips"), 2, frames=16)
    with open(os.path.join(folder, "clips", "ball", NASTY.replace("/", ":") + ".mp4"), "w") as file:
        file.write("no video")
    launch.launch("clipsrc location=clips val-location=clips epochs=2 %s ! clipbatch batch-size=2 ! cnn3dtrain "
                  "base-width=4 threads=1 log-dir=run" % launch.CLIP_BIN, folder).fine()
    run = os.path.join(folder, "run")
    report(run)
    page = Page(os.path.join(run, "report.html"))
    facts = {row[0]: row[1] for row in page.rows if len(row) == 2}
    assert facts["Model"] == "r3d_18" and facts["Classes"] == "2" and facts["Clips"] == "8 frames of 32 x 32", facts
    assert "gst-launch-1.0" in page.source and "Last validation" in page.source or "Best validation" in page.source
    assert page.source.count("&lt;script&gt;alert(1)&lt;:script&gt;.mp4</li>") \
        + page.source.count("&lt;script&gt;alert(1)&lt;:script&gt;.mp4 (") == 1
    assert page.check("memory below")[0] in ("ok", "not ok"), page.check("memory below")
    assert page.check("no out") == ("ok", "no error in the log")
    planned = next(row for row in page.rows if row[0].startswith("planned in all"))
    parts = [int(row[2]) for row in page.rows if len(row) == 3 and row[0] in (
        "weights", "gradients", "optimizer", "input", "activations", "libraries' workspace")]
    assert sum(parts) == int(planned[2]), (parts, planned)


def browser(folder):
    """In a browser the page runs no script and is not wider than the window"""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        raise launch.Skip("there is no Chromium")

    def dump(path):
        done = subprocess.run([chromium, "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir=" + folder,
                               "--window-size=800,600", "--dump-dom", "file://" + path], timeout=launch.limit(60),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return launch.text(done.stdout)

    run, wrong = by_hand(folder, more=json.dumps({"event": "skipped", "path": "x" * 500, "reason": "y" * 500}) + "\n")
    report(run)
    path = os.path.join(run, "report.html")
    dom = dump(path)
    assert "<script" not in dom and dom.count("&lt;script&gt;alert(1)&lt;/script&gt;") > len(wrong), dom[:2000]
    # a script of the test reports the width of a page with long names
    with open(path, encoding="utf-8") as file:
        source = re.sub("<meta http-equiv[^>]*>", "", file.read())
    with open(path, "w", encoding="utf-8") as file:
        file.write(source + "<script>document.title = 'as wide as '+document.documentElement.scrollWidth</script>")
    assert int(re.search("<title>as wide as ([0-9]+)", dump(path)).group(1)) <= 800, "a long name makes the page wide"


if __name__ == "__main__":
    launch.main(hostile, compared, refused, real, browser)
