#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each kernel, as it was built, needs at most the registers and the stack that registers.tsv lists, on each
architecture; those with tensor cores in the table have their instructions. What is spilled lies on the stack.
Prints TAP.

usage: ptxas.py [--write] NVCC OBJECT...

--write makes the table from the objects, but for its last column."""
import collections
import os
import re
import subprocess
import sys

import fatbin

ARCHITECTURES = 80, 86, 89, 90
TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'registers.tsv')
HMMA = 0x23c

Figures = collections.namedtuple('Figures', 'registers stack')


def report(number, name, problem):
    for line in problem.splitlines():
        print('#', line)
    print('not ok' if problem else 'ok', number, '-', name, flush=True)


if {'-h', '--help'} & set(sys.argv[1:]):
    print(__doc__)
    sys.exit()
writes = sys.argv[1] == '--write'
nvcc, objects = sys.argv[1 + writes], sys.argv[2 + writes:]
version = re.search(r'release ([\d.]+)', subprocess.check_output([nvcc, '--version'], text=True))[1]
rows = [line.rstrip('\n').split('\t') for line in open(TABLE)]
bars = {(row[0], row[1]): row for row in rows[1:]}
if not writes:
    print(f'1..{len(objects)}')
lines = []
for number, path in enumerate(objects, 1):
    source = os.path.basename(path).removesuffix('.o')
    built = [(a, kernel) for kind, a, data in fatbin.parts(path) if kind == fatbin.MACHINE and a in ARCHITECTURES
             for kernel in fatbin.kernels(data)]
    if not built and not writes:
        print('ok', number, '-', source, '# SKIP built for none of', *ARCHITECTURES)
        continue
    problem = ''
    most = {}
    for architecture, now in built:
        old = most.get(now.name, Figures(0, 0))
        most[now.name] = Figures(max(now.registers, old.registers), max(now.stack, old.stack))
        where = f'{now.name} on sm_{architecture}'
        row = bars.get((source, now.name))
        if not row:
            problem += f'{where} is not in {os.path.basename(TABLE)}: ptxas.py --write\n'
            continue
        if row[4] == 'yes' and HMMA not in now.opcodes:
            problem += f'{where} has no instructions of tensor cores\n'
        if version != rows[0][0]:
            continue
        if now.registers > int(row[2]):
            problem += f'{where} needs {now.registers} registers, more than {row[2]}\n'
        if now.stack > int(row[3]):
            problem += f'{where} needs {now.stack} bytes of stack, more than {row[3]}\n'
    problem += ''.join(f'{name} does not exist\n' for file, name in bars if file == source and name not in most)
    lines += [(source, name, str(now.registers), str(now.stack), bars.get((source, name), [''] * 4 + ['no'])[4])
              for name, now in sorted(most.items())]
    if not writes:
        report(number, source + ('' if version == rows[0][0] else f': registers are those of nvcc {rows[0][0]}'),
               problem)
if writes:
    with open(TABLE, 'w') as table:
        table.write('\t'.join([version, *rows[0][1:]]) + '\n')
        table.writelines('\t'.join(line) + '\n' for line in sorted(lines))
