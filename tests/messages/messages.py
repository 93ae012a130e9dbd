#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""messages.tsv lists all messages of the elements and of the tool, and each is provoked by the test that its
row names. Prints TAP.

A message is a text in the sources with at least two words and 9 characters, except the texts excluded below,
which are not errors, warnings or notes. A % stands for a value. Parts of a message chosen at run time have rows
of their own. A test provokes a message if one of the test's texts contains 16 consecutive characters that no
other message has, or the whole message. A few messages are provoked by no test: their rows give the reason,
after a "-".
"""
import fnmatch
import glob
import html
import os
import re
import sys

import sources

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
RUN = 16
# maximum number of rows without a test
REASONS_AT_MOST = 43

# Texts in these calls are always messages
MESSAGE_CALLS = """
    *set_error* set_*_error g_error_new* g_prefix_error g_propagate_prefixed_error GST_ELEMENT_* GST_WARNING*
    GST_ERROR* element_report_* tool_complain *_fail fail progress_note cuda_ok
""".split()
# Descriptions of properties and options, debug logs, files' contents, other languages
OTHER_CALLS = """
    *_param_spec_* param_range_* DOUBLE INT STRING BOOLEAN ENUM GST_DEBUG* GST_INFO* GST_LOG* g_debug
    gst_element_class_set_static_metadata GST_*_CAPS* GST_VIDEO_CAPS_MAKE* GST_PLUGIN_DEFINE g_option_context_*
    g_set_prgname asm _Pragma strstr strchr strcspn strspn strcmp strlen g_strsplit printf puts fputs page_* fact_of tile
    bytes_row cnn3d_canvas_* g_date_time_format json_* cnn3d_temporary_take g_type_register_static_simple describe_* memcmp
    launch_find_line
""".split()
# (files, call or - for none, or *): places whose texts are not messages
OTHER_PLACES = [
    ("plugins/*properties.c", "-"),
    ("plugins/clip/clipdecode.c", "*strdup_printf"),
    ("plugins/clip/gstclipbatch.c", "-"),
    ("plugins/cnn3d/gstcnn3d*.c", "-"),
    ("plugins/cnn3d/convolution.[ch]", "*"),
    ("plugins/cnn3d/modelprecision.c", "*"),
    ("src/backend/cpu/findings.c", "*"),
    ("src/backend/cpu/convpass.c", "g_str*"),
    ("src/backend/cpu/cpu.c", "g_strdup_printf"),
    ("src/backend/cpu/dnnl.c", "check"),
    ("src/backend/cpu/memory.c", "-"),
    ("src/backend/cuda/tune.c", "g_strdup_printf"),
    ("src/backend/cuda/conv.c", "*"),
    ("src/config/keys.c", "-"),
    ("src/config/line.c", "add_words"),
    ("src/config/line.c", "g_strdup"),
    ("src/export/sidecar.c", "*"),
    ("src/keypoints/longcsv.c", "-"),
    ("src/keypoints/npz.c", "-"),
    ("src/keypoints/skeleton.c", "-"),
    ("src/keypoints/skeleton.c", "HAND"),
    ("src/draw/*", "*"),
    ("tool/frames.c", "-"),
    ("tool/frames.c", "g_string_*"),
    # checked by tests/unit/settings.c
    ("src/settings/choices.c", "*"),
    ("src/settings/table.c", "*"),
    ("src/report/page.c", "*"),
    ("src/report/chart.c", "*"),
    ("src/report/memorypage.c", "*"),
    ("src/report/runpage.c", "*"),
    ("src/report/report.c", "*"),
    ("src/report/resultspage.c", "*"),
    ("src/report/checks.c", "*"),
    ("src/report/learning.c", "*"),
    ("tool/plan*.c", "-"),
    ("tool/plan*.c", "print_*"),
    ("tool/plan*.c", "g_strdup*"),
    ("tool/plan.c", "add_knob"),
    ("tool/dataset*.c", "-"),
    ("tool/export.c", "-"),
    ("tool/export.c", "g_strdup_printf"),
    ("tool/export.c", "g_string_append_printf"),
    ("tool/export.c", "list_written"),
    ("tool/report.c", "-"),
    ("tool/main.c", "-"),
]


def is_other(path, calls):
    if any(fnmatch.fnmatchcase(call, message) for call in calls for message in MESSAGE_CALLS):
        return False
    if any(fnmatch.fnmatchcase(call, other) for call in calls for other in OTHER_CALLS):
        return True
    last = calls[-1] if calls else "-"
    return any(fnmatch.fnmatch(path, files) and fnmatch.fnmatchcase(last, call) for files, call in OTHER_PLACES)


def words(text):
    return [word for word in text.split() if sources.WORD.search(word)]


def in_sources():
    """{(path, message)} of all sources."""
    found = set()
    for folder in ("plugins", "src", "tool"):
        for path in glob.glob(os.path.join(TOP, folder, "**", "*.[ch]"), recursive=True):
            name = os.path.relpath(path, TOP)
            with open(path, encoding="utf-8") as file:
                for calls, text in sources.literals(file.read()):
                    if len(words(text)) >= 2 and len(text) >= 9 and not is_other(name, calls):
                        found.add((name, text))
    return found


def in_list():
    """[(path, message, test, or - and a reason)]"""
    with open(os.path.join(HERE, "messages.tsv"), encoding="utf-8") as file:
        return [tuple(line.rstrip("\n").split("\t")) for line in file]


def runs(text):
    return [part for part in text.replace("%%", "\0").split("%") if len(part) >= RUN]


def windows(text):
    return {part[at:at + RUN] for part in runs(text) for at in range(len(part) - RUN + 1)}


def in_test(path):
    """All texts of a test, one per line."""
    with open(os.path.join(TOP, path), encoding="utf-8") as file:
        code = file.read()
    texts = "\n".join(sources.texts_in_python(code) if path.endswith(".py") else sources.texts_in_c(code))
    # pages escape quotes
    return texts + "\n" + html.unescape(texts)


def whole(text):
    """A regular expression that matches the whole text."""
    parts = re.split("(%+)", text)
    return "".join(".*" if part[:1] == "%" else re.escape(part) for part in parts)


def finder(messages):
    """Returns a function that decides whether a test's texts provoke a message."""
    of = {}
    for message in messages:
        for window in windows(message):
            of.setdefault(window, set()).add(message)

    def find(message, texts):
        own = [window for window in windows(message) if len(of[window]) == 1]
        return any(window in texts for window in own) or re.search(whole(message), texts)
    return find


def missing(found, rows):
    listed = {row[:2] for row in rows}
    return ["add %s: %s" % message for message in sorted(found - listed)]


def gone(found, rows):
    return ["remove %s: %s" % row[:2] for row in rows if row[:2] not in found]


def unsorted(found, rows):
    problems = ["no row: " + "\t".join(row) for row in rows if len(row) != 3]
    problems += ["not in its place: %s: %s" % row[:2] for before, row in zip(rows, rows[1:]) if before >= row]
    return problems


def unprovoked(found, rows):
    find = finder([row[1] for row in rows])
    tests = {}
    problems = []
    for path, message, test in rows:
        if test.startswith("- "):
            continue
        if not os.path.exists(os.path.join(TOP, test)):
            problems.append("%s is not there" % test)
            continue
        if test not in tests:
            tests[test] = in_test(test)
        if not find(message, tests[test]):
            problems.append("%s does not have the text of %s: %s" % (test, path, message))
    return problems


def too_many(found, rows):
    """Rows with a reason instead of a test"""
    reasons = [row for row in rows if row[2].startswith("- ")]
    if len(reasons) == REASONS_AT_MOST:
        return []
    return ["%d rows have a reason instead of a test, and %d are allowed" % (len(reasons), REASONS_AT_MOST)]


def main():
    checks = [
        (missing, "each message of the sources has a row"),
        (gone, "each row is of a message in the sources"),
        (unsorted, "rows are sorted"),
        (unprovoked, "each message is provoked by the test of its row"),
        (too_many, "few messages are provoked by no test"),
    ]
    found, rows = in_sources(), in_list()
    failed = 0
    print("1..%d" % len(checks))
    for number, (check, name) in enumerate(checks, 1):
        problems = check(found, rows)
        for problem in problems:
            print("#", problem)
        failed += bool(problems)
        print("not ok" if problems else "ok", number, "-", name, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__.strip())
        sys.exit()
    sys.exit(main())
