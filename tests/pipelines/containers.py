# SPDX-License-Identifier: LGPL-2.1-or-later
"""Container files that no available muxer writes."""
import struct
import zlib


def element(number, *contents):
    """A Matroska element with contents: bytes, numbers (unsigned or floating) and other elements."""
    data = b"".join(value if isinstance(value, bytes) else struct.pack(">d", value) if isinstance(value, float)
                    else value.to_bytes(4, "big") for value in contents)
    return number.to_bytes((number.bit_length() + 7) // 8, "big") + (1 << 56 | len(data)).to_bytes(8, "big") + data


def matroska(codec, pictures, width, height, yaw=0.0, roll=0.0, tracks_last=False):
    """A file of pictures at 25 a second, all key frames, with a projection that rotates them."""
    tracks = element(0x1654ae6b, element(
        0xae, element(0xd7, 1), element(0x73c5, 1), element(0x83, 1), element(0x86, codec), element(
            0xe0, element(0xb0, width), element(0xba, height), element(
                0x7670, element(0x7671, 0), element(0x7673, yaw), element(0x7675, roll)))))
    info = element(0x1549a966, element(0x2ad7b1, 1000000))
    cluster = element(0x1f43b675, element(0xe7, 0), *(
        element(0xa3, b"\x81" + struct.pack(">hB", 40 * i, 0x80) + picture) for i, picture in enumerate(pictures)))
    seek = lambda at: element(0x114d9b74, element(0x4dbb, element(0x53ab, 0x1654ae6b), element(0x53ac, at)))
    parts = [seek(len(seek(0) + info + cluster)), info, cluster, tracks] if tracks_last else [info, tracks, cluster]
    return element(0x1a45dfa3, element(0x4282, b"matroska"), element(0x4285, 2)) + element(0x18538067, *parts)


def add_cluster(data, *blocks):
    """A Matroska file's data with a cluster at its end."""
    at = data.index(b"\x18\x53\x80\x67") + 4
    data += element(0x1f43b675, element(0xe7, 1000), *(element(0xa3, block) for block in blocks))
    return data[:at] + (1 << 56 | len(data) - at - 8).to_bytes(8, "big") + data[at + 8:]


def riff(kind, *contents):
    """A chunk of AVI; lists begin with their type."""
    data = b"".join(contents)
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def avi(parts, width, height, n_super=0):
    """A file of JPEG pictures at 25 a second in parts, of which only the first is in the index at its end.
    n_super: parts in a super index, 0 or 1; it precedes that index then"""
    count = sum(map(len, parts))
    movies = [riff(b"LIST", b"movi", *(riff(b"00dc", picture) for picture in part)) for part in parts]
    rate = struct.pack("<IIIIIIII", 0, 1, 25, 0, count, 0, 0, 0)
    entry = b""
    header = lambda: riff(b"LIST", b"hdrl", riff(
        b"avih", struct.pack("<14I", 40000, 0, 0, 16, len(parts[0]), 0, 1, 0, width, height, 0, 0, 0, 0)), riff(
            b"LIST", b"strl", riff(b"strh", b"vidsMJPG", bytes(8), rate, bytes(16)), riff(
                b"strf", struct.pack("<IiiHH4sIIIII", 40, width, height, 1, 24, b"MJPG", 0, 0, 0, 0, 0)), *(
                    [riff(b"indx", struct.pack("<HBBI4s12x", 4, 0, 0, n_super, b"00dc"), entry)] if n_super else [])))
    # the entry does not change the header's size
    entry = bytes(16)
    begin = 12 + len(header())
    at, places, standard = 12, [], []
    for picture in parts[0]:
        places.append(struct.pack("<4sIII", b"00dc", 16, at - 8, len(picture)))
        standard.append(struct.pack("<II", at, len(picture)))
        at += 8 + len(picture) + len(picture) % 2
    index = riff(b"ix00", struct.pack("<HBBI4sQ4x", 2, 0, 1, len(parts[0]), b"00dc", begin), *(
        struct.pack("<II", int.from_bytes(one[:4], "little") + 8, int.from_bytes(one[4:], "little")) for one in standard))
    entry = struct.pack("<QII", begin + len(movies[0]), len(index), len(parts[0]))
    return riff(b"RIFF", b"AVI ", header(), movies[0], index if n_super else b"", riff(b"idx1", *places)) + b"".join(
        riff(b"RIFF", b"AVIX", movie) for movie in movies[1:])


def cut_index(data, count):
    """An AVI file's data with `count` entries of its index, at the end."""
    at = data.rindex(b"idx1")
    return data[:4] + struct.pack("<I", at + 16 * count) + data[8:at] + b"idx1" + struct.pack("<I", 16 * count) + data[
        at + 8:at + 8 + 16 * count]


def flv_tag(kind, body, time):
    """kind: 8 audio, 9 video; time: in milliseconds"""
    return bytes([kind]) + len(body).to_bytes(3, "big") + time.to_bytes(3, "big") + bytes(4) + body + (
        len(body) + 11).to_bytes(4, "big")


def flv(*tags):
    return b"FLV\1\1" + struct.pack(">II", 9, 0) + b"".join(flv_tag(*tag) for tag in tags)


def change_flv(path, changed, change):
    """Copies an FLV file; change: returns the tags, each (kind, body, time), for the body and time of a video tag."""
    with open(path, "rb") as file:
        data = file.read()
    tags, at = [], 13
    while at < len(data):
        size = int.from_bytes(data[at + 1:at + 4], "big")
        body, time = data[at + 11:at + 11 + size], int.from_bytes(data[at + 4:at + 7], "big")
        tags += change(body, time) if data[at] == 9 else [(data[at], body, time)]
        at += size + 15
    with open(changed, "wb") as file:
        file.write(flv(*tags))


def numbered_h265(tag):
    """A video tag of H.265 as before Enhanced RTMP: codec 12."""
    frame, kind = tag[0] & 0x70 | 12, tag[0] & 15
    later = tag[5:8] if kind == 1 else bytes(3)
    return bytes([frame, {0: 0, 1: 1, 3: 1}.get(kind, 2)]) + later + (
        b"" if kind not in (0, 1, 3) else tag[8:] if kind == 1 else tag[5:])


METADATA = b"\x94hvc1\x02\0\x09colorInfo\x08\0\0\0\0\0\0\x09"


def with_metadata(number):
    """For change_flv(): a metadata tag, as for HDR, precedes that video tag."""
    counted = []

    def change(body, time):
        counted.append(body)
        return [(9, METADATA, time)] * (len(counted) == number + 1) + [(9, body, time)]

    return change


def with_audio(*bodies):
    """For change_flv(): one of these audio tags, and then the last, follows each video tag."""
    rest = list(bodies)
    return lambda body, time: [(9, body, time), (8, rest.pop(0) if len(rest) > 1 else rest[0], time)]


def extended(tag):
    """An enhanced video tag with an extension: nanoseconds that are added to its time."""
    return bytes([tag[0] & 0xf0 | 7, 2, 0, 0, 9, tag[0] & 15]) + tag[1:]


def chunk(kind, *numbers):
    """A PNG chunk."""
    data = kind + struct.pack(">%dI" % len(numbers), *numbers)
    return struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))


def cut_gif(width, height):
    """A GIF that ends within its first picture."""
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + b"," + struct.pack(
        "<HHHHB", 0, 0, width, height, 0) + b"\x02\xff" + bytes(20)
