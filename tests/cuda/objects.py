#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each object holds machine code for each architecture, and PTX for the last one; all of them link into a
module without undefined symbols. Prints TAP.

usage: objects.py NVCC "ARCHITECTURES" OBJECT..."""
import os
import subprocess
import sys
import tempfile

from fatbin import MACHINE, PTX, parts

if {"-h", "--help"} & set(sys.argv[1:]):
    print(__doc__)
    sys.exit()

def report(number, name, problem):
    for line in problem.splitlines():
        print('#', line)
    print('not ok' if problem else 'ok', number, '-', name, flush=True)


nvcc, architectures, objects = sys.argv[1], sys.argv[2].split(), sys.argv[3:]
wanted = {(MACHINE, int(a)) for a in architectures} | {(PTX, int(architectures[-1]))}
print(f'1..{len(objects) + 1}')
for i, path in enumerate(objects):
    missing = sorted(wanted - {(kind, a) for kind, a, _ in parts(path)})
    report(i + 1, os.path.basename(path) + ' has every architecture',
           ''.join(f'no {"PTX" if kind == PTX else "machine code"} for {a}\n' for kind, a in missing))
with tempfile.TemporaryDirectory() as folder:
    done = subprocess.run([nvcc, '-shared', '-cudart', 'static', '-Xcompiler', '-fPIC', '-Xlinker', '--no-undefined',
                           '-o', os.path.join(folder, 'kernels.so'), *objects],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    report(len(objects) + 1, 'links with nothing undefined',
           done.stdout + f'exit status {done.returncode}' if done.returncode else '')
