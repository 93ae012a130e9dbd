# SPDX-License-Identifier: LGPL-2.1-or-later
"""The messages in C sources, and the texts in tests, as written there."""
import ast
import re

WORD = re.compile(r"[A-Za-z]{2,}")
ESCAPES = {"n": " ", "t": " ", "r": " "}
DIRECTIVE = re.compile(r"%[-+ #0]*(?:\*|\d+)?(?:\.(?:\*|\d+))?(?:hh|h|ll|l|z|j|t|L)?[A-Za-z]")
TOKEN = re.compile(r"""
    (?P<space>\s+ | //[^\n]* | /\*.*?\*/)
  | (?P<text>"(?:\\.|[^"\\])*")
  | (?P<letter>'(?:\\.|[^'\\])*')
  | (?P<name>[A-Za-z_]\w*)
  | (?P<line>\#[ \t]*include[^\n]*)
  | (?P<other>.)
""", re.VERBOSE | re.DOTALL)


def tokens(code):
    return [(match.lastgroup, match.group()) for match in TOKEN.finditer(code)
            if match.lastgroup not in ("space", "line")]


def plain(text):
    """A literal's characters; any white space becomes one space."""
    text = re.sub(r"\\(.)", lambda match: ESCAPES.get(match.group(1), match.group(1)), text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", text)


def template(parts):
    """Adjacent literals and macros, with a % for each directive or macro."""
    joined = ""
    for kind, text in parts:
        if kind == "text":
            joined += plain(text[1:-1])
        else:
            # a macro such as G_GUINT64_FORMAT ends a directive
            joined += "s" if re.search(r"%[-+ #0\d.]*$", joined) else "%s"
    joined = DIRECTIVE.sub("%", joined.replace("%%", "\0"))
    return joined.replace("\0", "%%").strip()


def literals(code):
    """(enclosing calls, template) of each literal: the names of the functions and macros whose arguments
    contain it, the innermost last."""
    found, calls, at = [], [], 0
    read = tokens(code)
    while at < len(read):
        kind, text = read[at]
        if text == "(":
            calls.append(read[at - 1][1] if at and read[at - 1][0] == "name" else "")
        elif text == ")" and calls:
            calls.pop()
        elif kind == "text" or (kind == "name" and text.isupper() and at + 1 < len(read) and read[at + 1][0] == "text"):
            end = at
            while end < len(read) and (read[end][0] == "text" or (read[end][0] == "name" and read[end][1].isupper())):
                end += 1
            found.append(([name for name in calls if name], template(read[at:end])))
            at = end - 1
        at += 1
    return found


def texts_in_c(code):
    return [text for _, text in literals(code)]


def texts_in_python(code):
    tree = ast.parse(code)
    documents = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            documents.add(node.value)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)) and node not in documents:
            value = node.value if isinstance(node.value, str) else node.value.decode("utf-8", "replace")
            text = re.sub(r"\s+", " ", value)
            # regular expressions escape points and brackets
            found += [text, re.sub(r"\\(.)", r"\1", text)]
    return found
