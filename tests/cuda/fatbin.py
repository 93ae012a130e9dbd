# SPDX-License-Identifier: LGPL-2.1-or-later
"""What nvcc put into an object: machine code for each architecture, and PTX. (The toolkit's cuobjdump, which
lists the same, is often not installed.)"""
import collections
import re
import struct

PTX, MACHINE = 1, 2
MAGIC = struct.pack('<I', 0xba55ed50)
FRAME_SIZE, REGISTERS = 0x11, 0x2f  # attributes in .nv.info: a symbol and a number
NUMBERS = 4                         # their format

# registers and stack: of a thread, the stack in bytes; opcodes: a set
Kernel = collections.namedtuple('Kernel', 'name registers stack opcodes')


def parts(path):
    """(kind, architecture, its bytes) of each part."""
    data = open(path, 'rb').read()
    start = data.find(MAGIC)
    while start >= 0:
        header, size = struct.unpack_from('<HQ', data, start + 6)
        at, end = start + header, start + header + size
        while at < end:
            kind, _, header, size = struct.unpack_from('<HHIQ', data, at)
            yield kind, struct.unpack_from('<I', data, at + 28)[0], data[at + header:at + header + size]
            at += header + size
        start = data.find(MAGIC, end)


def text_at(data, at):
    return data[at:data.index(b'\0', at)].decode()


def name_of(symbol):
    """_Z5conv3I... -> conv3"""
    length, rest = re.match(r'_Z(\d+)(.*)', symbol).groups()
    return rest[:int(length)]


def kernels(data):
    """Kernel of each instance in one architecture's machine code, an ELF file."""
    table, = struct.unpack_from('<Q', data, 0x28)
    count, names = struct.unpack_from('<HH', data, 0x3c)
    headers = [struct.unpack_from('<IIQQQQII', data, table + 64 * i) for i in range(count)]
    sections = {text_at(data, headers[names][4] + header[0]): header for header in headers}
    _, _, _, _, symbols, _, strings, _ = sections['.symtab']
    _, _, _, _, at, size, _, _ = sections['.nv.info']
    numbers, end = {}, at + size
    while at < end:
        form, attribute, size = struct.unpack_from('<BBH', data, at)
        at += 4
        if form != NUMBERS:
            continue
        if attribute in (FRAME_SIZE, REGISTERS):
            symbol, number = struct.unpack_from('<II', data, at)
            name, = struct.unpack_from('<I', data, symbols + 24 * symbol)
            numbers[text_at(data, headers[strings][4] + name), attribute] = number
        at += size
    for section, (_, _, _, _, start, size, _, _) in sections.items():
        if section.startswith('.text.'):
            symbol = section[len('.text.'):]
            # an opcode is an instruction's lowest 12 bits
            yield Kernel(name_of(symbol), numbers[symbol, REGISTERS], numbers[symbol, FRAME_SIZE],
                         {struct.unpack_from('<H', data, i)[0] & 0xfff for i in range(start, start + size, 16)})
