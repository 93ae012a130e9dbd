#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Dependencies point one way: plugins and tool -> src -> libraries, without cycles.

    layers.py BUILD

They are includes, read from the sources, and calls, read from BUILD's objects: a file calls another if it needs
a symbol that only the other defines. There are no cycles between files of different folders, nor between
folders (a folder belongs to its parent), nor, within plugins, between files."""
import collections
import json
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOPS = ("src", "plugins", "tool")
SOURCES = (".c", ".h", ".cu", ".cuh", ".inc.h")
# where quoted includes are searched, after the file's own folder
SEARCHED = (ROOT, ROOT / "plugins", ROOT / "plugins/clip")


def includes():
    """file -> the project's files that it includes"""
    graph = {}
    for top in TOPS:
        for path in sorted((ROOT / top).rglob("*")):
            if not path.name.endswith(SOURCES):
                continue
            found = set()
            for name in re.findall(r'^#\s*include "([^"]+)"', path.read_text(), re.MULTILINE):
                for folder in (path.parent, *SEARCHED):
                    if (folder / name).is_file():
                        found.add(str((folder / name).resolve().relative_to(ROOT)))
                        break
            graph[str(path.relative_to(ROOT))] = found
    return graph


def calls(build):
    """file -> the files whose symbols its object needs"""
    defines, needs = collections.defaultdict(set), collections.defaultdict(set)
    for command in json.loads((build / "compile_commands.json").read_text()):
        folder = pathlib.Path(command["directory"])
        source, output = (folder / command["file"]).resolve(), folder / command["output"]
        if not source.is_relative_to(ROOT) or source.is_relative_to(build) or not output.exists():
            continue
        name = str(source.relative_to(ROOT))
        # the tests' own builds of a source are not part of the product
        if not name.startswith(TOPS) or "tests" in pathlib.Path(command["output"]).parts:
            continue
        listing = subprocess.run(["nm", output], capture_output=True, text=True, check=True).stdout
        for line in listing.splitlines():
            *_, kind, symbol = line.split()
            if kind == "U":
                needs[name].add(symbol)
            elif kind in "TDBRC":
                defines[symbol].add(name)
    # a symbol defined several times, such as a stub's, belongs to no file
    return {name: {next(iter(defines[s])) for s in symbols if len(defines[s]) == 1} - {name}
            for name, symbols in needs.items()}


def circles(graph):
    """Strongly connected components (Tarjan's algorithm), sorted"""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return sorted(found)


def folder_of(name):
    return str(pathlib.PurePath(name).parent)


def between_folders(graph):
    folders = collections.defaultdict(set)
    for name, others in graph.items():
        for other in others:
            a, b = folder_of(name), folder_of(other)
            if a != b and not a.startswith(b + "/") and not b.startswith(a + "/"):
                folders[a].add(b)
    return circles(folders)


def main():
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__.strip())
        return 0
    sys.setrecursionlimit(10000)
    if not shutil.which("nm"):
        print("1..0 # SKIP nm is not installed: install binutils")
        return 0
    build = pathlib.Path(sys.argv[1]).resolve()
    failed = 0
    graphs = {"includes": includes(), "calls": calls(build)}
    print(f"1..{2 * len(graphs) + 3}")

    def check(number, name, wrong):
        nonlocal failed
        for line in wrong:
            print("# " + (line if isinstance(line, str) else " <-> ".join(line)))
        print(f"{'not ' if wrong else ''}ok {number} - {name}")
        failed += bool(wrong)

    number = 1
    for kind, graph in graphs.items():
        check(number, f"{kind}: no circle between files of different folders",
              [c for c in circles(graph) if len({folder_of(name) for name in c}) > 1])
        check(number + 1, f"{kind}: no circle between folders", between_folders(graph))
        number += 2
    check(number, "calls: no circle within plugins",
          [c for c in circles(graphs["calls"]) if c[0].startswith("plugins/")])
    check(number + 1, "src needs nothing of plugins and tool",
          [f"{name} -> {other}" for graph in graphs.values() for name, others in graph.items()
           for other in sorted(others) if name.startswith("src/") and not other.startswith("src/")])
    # a graph without edges has no cycles
    edges = {kind: sum(map(len, graph.values())) for kind, graph in graphs.items()}
    check(number + 2, "the graphs have edges", [f"{kind}: {n}" for kind, n in edges.items() if n < 300])
    return failed > 0


sys.exit(main())
