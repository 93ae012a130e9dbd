#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each kernel needs at most the registers, and spills at most the bytes, that registers.tsv lists, on each
architecture; those with tensor cores in the table have their instructions. Prints TAP.

usage: ptxas.py [--write] "NVCC AND ITS ARGUMENTS" SOURCE...

--write makes the table from what this nvcc says, but for its last column."""
import collections
import concurrent.futures
import os
import re
import struct
import subprocess
import sys
import tempfile

ARCHITECTURES = 80, 86, 89, 90
TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'registers.tsv')
HMMA = 0x23c  # the opcode, an instruction's lowest 12 bits

Figures = collections.namedtuple('Figures', 'registers spills')


def name_of(symbol):
    """_Z5conv3I... -> conv3"""
    length, rest = re.match(r'_Z(\d+)(.*)', symbol).groups()
    return rest[:int(length)]


def opcodes(path):
    """{kernel: [{opcode}]}, of each instance"""
    data = open(path, 'rb').read()
    table, = struct.unpack_from('<Q', data, 0x28)
    count, names = struct.unpack_from('<HH', data, 0x3c)
    sections = [struct.unpack_from('<IIQQQQ', data, table + 64 * i) for i in range(count)]
    found = collections.defaultdict(list)
    for name, _, _, _, start, size in sections:
        name += sections[names][4]
        name = data[name:data.index(b'\0', name)].decode()
        if name.startswith('.text.'):
            found[name_of(name[len('.text.'):])].append({struct.unpack_from('<H', data, i)[0] & 0xfff
                                                         for i in range(start, start + size, 16)})
    return found


def compiled(nvcc, source, architecture):
    """{kernel: Figures}, the most of any instance, and their opcodes()"""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'kernels.cubin')
        done = subprocess.run([*nvcc, '-Xptxas', '-v', '-cubin', f'-arch=sm_{architecture}', '-o', path, source],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise RuntimeError(done.stdout)
        figures = {}
        for part in done.stdout.split("Compiling entry function '")[1:]:
            name = name_of(part)
            spills = sum(int(n) for n in re.search(r'(\d+) bytes spill stores, (\d+) bytes spill loads', part).groups())
            registers = int(re.search(r'Used (\d+) registers', part)[1])
            before = figures.get(name, Figures(0, 0))
            figures[name] = Figures(max(registers, before.registers), max(spills, before.spills))
        return figures, opcodes(path)


def report(number, name, problem):
    for line in problem.splitlines():
        print('#', line)
    print('not ok' if problem else 'ok', number, '-', name, flush=True)


if {'-h', '--help'} & set(sys.argv[1:]):
    print(__doc__)
    sys.exit()
writes = sys.argv[1] == '--write'
nvcc, sources = sys.argv[1 + writes].split(), sys.argv[2 + writes:]
version = re.search(r'release ([\d.]+)', subprocess.check_output([nvcc[0], '--version'], text=True))[1]
rows = [line.rstrip('\n').split('\t') for line in open(TABLE)]
bars = {(row[0], row[1]): row for row in rows[1:]}
if not writes:
    print(f'1..{len(sources)}')
with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    jobs = [[(a, pool.submit(compiled, nvcc, source, a)) for a in ARCHITECTURES] for source in sources]
    lines = []
    for number, (source, of_source) in enumerate(zip(sources, jobs), 1):
        source = os.path.basename(source)
        problem = ''
        most = {}
        for architecture, job in of_source:
            figures, codes = job.result()
            for name, now in figures.items():
                old = most.get(name, Figures(0, 0))
                most[name] = Figures(max(now.registers, old.registers), max(now.spills, old.spills))
                where = f'{name} on sm_{architecture}'
                row = bars.get((source, name))
                if not row:
                    problem += f'{where} is not in {os.path.basename(TABLE)}: ptxas.py --write\n'
                    continue
                if row[4] == 'yes' and not all(HMMA in instance for instance in codes[name]):
                    problem += f'{where} has no instructions of tensor cores\n'
                if version != rows[0][0]:
                    continue
                if now.registers > int(row[2]):
                    problem += f'{where} needs {now.registers} registers, more than {row[2]}\n'
                if now.spills > int(row[3]):
                    problem += f'{where} spills {now.spills} bytes, more than {row[3]}\n'
        problem += ''.join(f'{name} does not exist\n' for file, name in bars if file == source and name not in most)
        lines += [(source, name, str(now.registers), str(now.spills), bars.get((source, name), [''] * 4 + ['no'])[4])
                  for name, now in sorted(most.items())]
        if not writes:
            report(number, source + ('' if version == rows[0][0] else f': registers are those of nvcc {rows[0][0]}'),
                   problem)
if writes:
    with open(TABLE, 'w') as table:
        table.write('\t'.join([version, *rows[0][1:]]) + '\n')
        table.writelines('\t'.join(line) + '\n' for line in sorted(lines))
