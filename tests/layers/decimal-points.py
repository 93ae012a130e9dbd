#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Numbers are formatted independently of the application's locale: in src and plugins only src/format.h and
g_ascii_formatd() print decimal points. (The tool sets no locale.)"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/messages"))
import sources  # noqa: E402

# %.0f has no point
POINT = re.compile(r"(?<!%)(?:%%)*%[-+ #0]*(?:\*|\d+)?(?:\.(?!0f)(?:\*|\d+)|(?=[a-zA-Z]))l?[aefgAEFG]")
# these end in cnn3d_strdup_vprintf()
ALIKE = {"g_ascii_formatd", "cnn3d_strdup_printf", "cnn3d_string_append_printf", "cnn3d_set_error", "page_printf",
         "cnn3d_reading_error", "cnn3d_dataset_note",
         "cnn3d_keypoints_set_error", "progress_note", "element_report_info"}


def calls_with_points(code):
    """(line, function) of each literal with such a directive; the innermost function"""
    calls, line = [], 1
    read = [(m.lastgroup, m.group()) for m in sources.TOKEN.finditer(code)]
    last = ("", "")
    for kind, text in read:
        line += text.count("\n")
        if kind in ("space", "line"):
            continue
        if text == "(":
            calls.append(last[1] if last[0] == "name" and last[1] not in ("if", "return") else None)
        elif text == ")" and calls:
            calls.pop()
        elif kind == "text" and POINT.search(text):
            yield line, next((name for name in reversed(calls) if name), "nothing")
        last = (kind, text)


def main():
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
        return 0
    bad, seen = [], 0
    for top in ("src", "plugins"):
        for path in sorted((ROOT / top).rglob("*.[ch]")):
            for line, name in calls_with_points(path.read_text()):
                seen += 1
                if name not in ALIKE:
                    bad.append(f"{path.relative_to(ROOT)}:{line}: {name}")
    known = list(calls_with_points('f (a); g ("%.0f %% %d%%e", x); h ((a ? "%.0f" : "x %-5.1f"), p ("%g"));'))
    for place in bad:
        print(f"# {place} prints a number as the application's locale has it")
    print("1..2")
    print("ok 1 every number" if not bad and seen > 40 else "not ok 1 every number")
    print("ok 2 finds them" if known == [(1, "h"), (1, "p")] else f"not ok 2 finds them: {known}")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
