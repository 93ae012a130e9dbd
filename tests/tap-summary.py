#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Counts the results of tests, shows failures, and ends with one line.

usage: tap-summary.py FILE...

FILE is PART.json, meson's own log of a part (one JSON object a line), or
PART.NAME.tap, what one test printed, with its exit status in PART.NAME.tap.rc.
In the part "sanitizers" each test of the suite "elements" counts as one test
more: that the leaks tracer found nothing alive at its end. The exit status is 1 if anything failed,
or if nothing passed at all."""
import json
import os
import re
import sys

RESULT = re.compile(r"(not )?ok\b(?:\s+(\d+))?(?:\s*-)?\s*(.*)")
PLAN = re.compile(r"1\.\.(\d+)")
SKIP = re.compile(r"#\s*skip", re.IGNORECASE)
ALIVE = re.compile(r"\bobject-alive, type-name=\(string\)[^%]")  # not the record's format
MESON_FINE = ("OK", "SKIP", "EXPECTEDFAIL")
OUTPUT_LINES = 60  # lines shown of a failed test


class Test:
    """A program's output: its results, and other errors."""

    def __init__(self, name, text, problem=None, errors=""):
        self.name = name
        self.passed = self.skipped = 0
        self.failures = []
        self.output = "\n".join(part for part in (text, errors) if part).splitlines()
        planned = None
        results = 0
        skip_all = False
        for line in text.splitlines():
            plan = PLAN.match(line)
            if plan:
                planned = int(plan.group(1))
                skip_all = planned == 0 and bool(SKIP.search(line))
            result = RESULT.match(line)
            if result:
                results += 1
                if result.group(1):
                    self.failures.append(result.group(3) or "number %d" % results)
                elif SKIP.search(line):
                    self.skipped += 1
                else:
                    self.passed += 1
            if line.startswith("Bail out!"):
                self.failures.append(line)
        if skip_all:
            self.skipped += 1
        # A failure reported by the test itself is not counted again.
        if self.failures:
            return
        if problem:
            self.failures.append(problem)
        elif planned is None:
            self.failures.append("it printed no plan (1..N)")
        elif planned != results:
            self.failures.append("%d tests were planned, %d ran" % (planned, results))

    def show(self):
        for failure in self.failures:
            print("not ok: %s: %s" % (self.name, failure))
        left_out = len(self.output) - OUTPUT_LINES
        if left_out > 0:
            print("    (%d lines before these)" % left_out)
        for line in self.output[-OUTPUT_LINES:]:
            print("    " + line)


def from_meson(path):
    part = os.path.basename(path)[: -len(".json")]
    with open(path, encoding="utf-8", errors="replace") as log:
        for line in log:
            entry = json.loads(line)
            name = "%s: %s" % (part, entry["name"])
            errors = entry.get("stderr", "")
            problem = None
            if entry["result"] not in MESON_FINE:
                problem = "%s, exit status %s" % (entry["result"].lower(), entry.get("returncode"))
            yield Test(name, entry.get("stdout", ""), problem, errors)
            if part == "sanitizers" and ":elements" in entry["name"]:
                alive = [text for text in errors.splitlines() if ALIVE.search(text)]
                ending = "ok"
                if "checking for leaks" not in errors:
                    ending = "not ok 1 - the tracer did not look: gst_deinit () ends a test"
                elif alive:
                    ending = "not ok 1 - %d objects left alive" % len(alive)
                yield Test(name + ": leaks", "1..1\n%s\n%s" % (ending, "\n".join(alive)))


def from_tap(path):
    name = os.path.basename(path)[: -len(".tap")].replace(".", ": ", 1)
    with open(path + ".rc", encoding="ascii") as file:
        status = int(file.read())
    problem = None
    if status == 124:
        problem = "it ran out of time"
    elif status:
        problem = "exit status %d" % status
    with open(path, encoding="utf-8", errors="replace") as file:
        yield Test(name, file.read(), problem)


def main():
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
        return 0
    passed = failed = skipped = 0
    for path in sys.argv[1:]:
        for test in from_meson(path) if path.endswith(".json") else from_tap(path):
            passed += test.passed
            failed += len(test.failures)
            skipped += test.skipped
            if test.failures:
                test.show()
    line = "%d passed, %d failed" % (passed, failed)
    if skipped:
        line += ", %d skipped" % skipped
    print(line)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
