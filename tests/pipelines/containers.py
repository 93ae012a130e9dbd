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


def avi(parts, width, height, n_super=0, n_audio=0, n_empty=0):
    """A file of JPEG pictures at 25 a second in parts, of which only the first is in the index idx1.
    n_super: parts in the super index of video
    n_audio: if any, the first stream is audio, at the end of that many parts, all in its super index
    n_empty: more streams, with empty super indices"""
    video, audio = (b"01", b"00") if n_audio else (b"00", b"01")
    movies = [riff(b"LIST", b"movi", *(riff(video + b"dc", picture) for picture in part), *(
        [riff(audio + b"wb", bytes(800))] if i < n_audio else [])) for i, part in enumerate(parts)]
    supers = {video: [], audio: []}

    def stream(name, kind, codec, rate, form, suffix):
        places = supers.get(name, [])
        return riff(b"LIST", b"strl", riff(b"strh", kind + codec, bytes(8), struct.pack("<8I", *rate), bytes(16)), riff(
            b"strf", form), *([riff(b"indx", struct.pack("<HBBI4s12x", 4, 0, 0, len(places), name + suffix), *places, bytes(
                16 * (len(parts) - len(places))))] if n_super or n_audio or n_empty else []))

    def header():
        pcm = lambda name: stream(name, b"auds", bytes(4), (0, 1, 8000, 0, 800 * n_audio, 0, 0, 1), struct.pack(
            "<HHIIHH", 1, 1, 8000, 8000, 1, 8), b"wb")
        pictures = stream(video, b"vids", b"MJPG", (0, 1, 25, 0, sum(map(len, parts)), 0, 0, 0), struct.pack(
            "<IiiHH4sIIIII", 40, width, height, 1, 24, b"MJPG", 0, 0, 0, 0, 0), b"dc")
        return riff(b"LIST", b"hdrl", riff(b"avih", struct.pack(
            "<14I", 40000, 0, 0, 16, len(parts[0]), 0, 1 + (n_audio > 0) + n_empty, 0, width, height, 0, 0, 0, 0)), *(
                [pcm(audio)] if n_audio else []), pictures, *(pcm(b"%02d" % (i + 1)) for i in range(n_empty)))

    # entries do not change the header's size
    bodies, end = [], 0
    for i, movie in enumerate(movies):
        begin = end + 12 + (0 if i else len(header()))
        at, chunks = 12, []
        while at < len(movie):
            size = int.from_bytes(movie[at + 4:at + 8], "little")
            chunks.append((movie[at:at + 4], at, size))
            at += 8 + size + size % 2
        body = movie + (b"" if i else riff(
            b"idx1", *(struct.pack("<4sIII", kind, 16, at - 8, size) for kind, at, size in chunks)))
        for name, suffix, count in ((video, b"dc", n_super), (audio, b"wb", n_audio)):
            if i < count:
                places = [struct.pack("<II", at + 8, size) for kind, at, size in chunks if kind[:2] == name]
                index = riff(b"ix" + name, struct.pack("<HBBI4sQ4x", 2, 0, 1, len(places), name + suffix, begin), *places)
                supers[name].append(struct.pack("<QII", begin + len(body), len(index), len(places)))
                body += index
        bodies.append(body)
        end = begin + len(body)
    return riff(b"RIFF", b"AVI ", header(), bodies[0]) + b"".join(riff(b"RIFF", b"AVIX", body) for body in bodies[1:])


def cut_index(data, entries, base=0):
    """An AVI file's data with these entries, by number, of its index, which is at the end; base: added to offsets."""
    at = data.rindex(b"idx1")
    kept = [struct.unpack_from("<4sIII", data, at + 8 + 16 * i) for i in entries]
    index = riff(b"idx1", *(struct.pack("<4sIII", kind, flags, base + place, size) for kind, flags, place, size in kept))
    return data[:4] + struct.pack("<I", at + len(index) - 8) + data[8:at] + index


def interrupt(data, n):
    """An AVI file's data without its last n bytes, and with no sizes in its last part."""
    part = data.rindex(b"AVIX")
    movie = data.index(b"movi", part)
    return data[:part - 4] + bytes(4) + data[part:movie - 4] + bytes(4) + data[movie:-n]


def fill(data, n):
    """An AVI file's data with chunks before the movi list of its last part, and n at that list's start."""
    part = data.rindex(b"AVIX") + 4
    movie = data.index(b"movi", part) + 4
    return data[:part - 12] + riff(b"RIFF", b"AVIX", riff(b"JUNK", b"abcd"), riff(
        b"LIST", b"movi", riff(b"JUNK", b"abcd") * n, data[movie:]))


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
