# SPDX-License-Identifier: LGPL-2.1-or-later
"""MPEG program streams as recorders write them (ISO/IEC 13818-1 2.5.3)."""
import struct

# Types of streams
MPEG4, H264, HEVC = 0x10, 0x1b, 0x24


def stamp(prefix, time):
    return bytes([prefix << 4 | (time >> 29 & 14) | 1]) + struct.pack(
        ">HH", (time >> 14 & 0xfffe) | 1, (time << 1 & 0xfffe) | 1)


def pack(clock):
    bits = 1 << 46 | (clock >> 30 & 7) << 43 | 1 << 42 | (clock >> 15 & 0x7fff) << 27 | 1 << 26 | \
        (clock & 0x7fff) << 11 | 1 << 10 | 1
    return b"\0\0\1\xba" + bits.to_bytes(6, "big") + (20000 << 2 | 3).to_bytes(3, "big") + b"\xf8"


def stream_map(kind, stream):
    """A program stream map; readers ignore its checksum."""
    streams = struct.pack(">BBH", kind, stream, 0)
    return b"\0\0\1\xbc" + struct.pack(">HHHH", len(streams) + 10, 0xe0ff, 0, len(streams)) + streams + bytes(4)


def packet(stream, data, pts=None, dts=None):
    stamps = b"" if pts is None else stamp(2, pts) if dts is None else stamp(3, pts) + stamp(1, dts)
    flags = (pts is not None) << 7 | (dts is not None) << 6
    return b"\0\0\1" + bytes([stream]) + struct.pack(">HBBB", 3 + len(stamps) + len(data), 0x80, flags,
                                                    len(stamps)) + stamps + data


def write(path, pictures, kind=None, stream=0xe0, size=5120, before=b"", private=False):
    """pictures: (bytes, PTS, DTS, whether it is a key frame), at 90 kHz; kind: type of the stream, None: without
    a map; size: bytes of a packet; private: with packets of private streams"""
    with open(path, "wb") as file:
        file.write(before)
        for data, pts, dts, key in pictures:
            file.write(pack(dts - 9000))
            if kind and key:
                file.write(stream_map(kind, stream))
            if private:
                file.write(b"\0\0\1\xbf\0\4HKMI" + packet(0xbd, b"\x40\1private", pts))
            for at in range(0, len(data), size):
                file.write(packet(stream, data[at:at + size], *(() if at else (pts,) if pts == dts else (pts, dts))))
        file.write(b"\0\0\1\xb9")
