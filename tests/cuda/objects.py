#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each object holds machine code for each architecture, and PTX for the last one; all of them link into a
module without undefined symbols. Prints TAP.

usage: objects.py NVCC "ARCHITECTURES" OBJECT..."""
import os
import struct
import subprocess
import sys
import tempfile

if {"-h", "--help"} & set(sys.argv[1:]):
    print(__doc__)
    sys.exit()

MAGIC = struct.pack('<I', 0xba55ed50)
PTX, MACHINE = 1, 2


def code(path):
    """What nvcc put into an object's .nv_fatbin: {(kind, architecture)}. (The toolkit's cuobjdump, which lists
    the same, is often not installed.)"""
    data = open(path, 'rb').read()
    found = set()
    start = data.find(MAGIC)
    while start >= 0:
        header, size = struct.unpack_from('<HQ', data, start + 6)
        at, end = start + header, start + header + size
        while at < end:
            kind, _, header, size = struct.unpack_from('<HHIQ', data, at)
            found.add((kind, struct.unpack_from('<I', data, at + 28)[0]))
            at += header + size
        start = data.find(MAGIC, end)
    return found


def report(number, name, problem):
    for line in problem.splitlines():
        print('#', line)
    print('not ok' if problem else 'ok', number, '-', name, flush=True)


nvcc, architectures, objects = sys.argv[1], sys.argv[2].split(), sys.argv[3:]
wanted = {(MACHINE, int(a)) for a in architectures} | {(PTX, int(architectures[-1]))}
print(f'1..{len(objects) + 1}')
for i, path in enumerate(objects):
    missing = sorted(wanted - code(path))
    report(i + 1, os.path.basename(path) + ' has every architecture',
           ''.join(f'no {"PTX" if kind == PTX else "machine code"} for {a}\n' for kind, a in missing))
with tempfile.TemporaryDirectory() as folder:
    done = subprocess.run([nvcc, '-shared', '-cudart', 'static', '-Xcompiler', '-fPIC', '-Xlinker', '--no-undefined',
                           '-o', os.path.join(folder, 'kernels.so'), *objects],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    report(len(objects) + 1, 'links with nothing undefined',
           done.stdout + f'exit status {done.returncode}' if done.returncode else '')
