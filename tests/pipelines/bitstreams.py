# SPDX-License-Identifier: LGPL-2.1-or-later
"""Video streams that no available encoder writes: pictures of single fields, in H.264 and MPEG-2. Each
macroblock has one colour, and no picture refers to another.

A picture of a stream is (letter, place, second, data): I, P or B, its frame's place in display order, whether
it is its frame's second field, its bytes."""


class Bits:
    def __init__(self):
        self.text = []

    def put(self, value, count):
        self.text.append(format(value, "0%db" % count))

    def code(self, text):
        self.text.append(text)

    def ue(self, value):
        digits = format(value + 1, "b")
        self.text.append("0" * (len(digits) - 1) + digits)

    def align(self, bit="0"):
        text = "".join(self.text)
        self.text = [text, bit * (-len(text) % 8)]

    def data(self):
        self.align()
        text = "".join(self.text)
        return int("1" + text, 2).to_bytes(len(text) // 8 + 1, "big")[1:] if text else b""


def shade(place, row, column):
    """Luma of a macroblock; adjacent frames differ clearly."""
    return 40 + (place * 67 + row * 29 + column * 43) % 160


# --- H.264 (ITU-T H.264 7.3), I_PCM only ---

def unit(header, bits):
    """A NAL unit with its start code."""
    bits.code("1")
    payload, zeros = bytearray(), 0
    for byte in bits.data():
        if zeros >= 2 and byte <= 3:
            payload.append(3)
            zeros = 0
        payload.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return b"\0\0\0\1" + bytes([header]) + bytes(payload)


def h264_parameters(width, height):
    sps = Bits()
    sps.put(77, 8)      # Main
    sps.put(0, 8)
    sps.put(40, 8)
    for value in (0, 0, 0, 2):  # id, 4 bits of frame_num, order type 0 of 6 bits
        sps.ue(value)
    sps.ue(4)           # reference frames
    sps.put(0, 1)
    sps.ue(width // 16 - 1)
    sps.ue(height // 32 - 1)
    sps.put(0b0010, 4)  # interlaced, no MBAFF; direct_8x8; no cropping
    sps.code("1")       # VUI, with the reordering only
    sps.put(0, 8)
    sps.code("1")
    sps.put(1, 1)
    for value in (0, 0, 16, 16, 1, 4):
        sps.ue(value)
    pps = Bits()
    for value in (0, 0):
        pps.ue(value)
    pps.put(0, 2)
    for value in (0, 0, 0):
        pps.ue(value)
    pps.put(0, 3)
    for value in (0, 0, 0):
        pps.ue(value)
    pps.put(0, 3)
    return unit(0x67, sps), unit(0x68, pps)


def h264_recovery(after):
    message = Bits()
    message.ue(after)
    message.put(0b1000, 4)      # exact
    if len("".join(message.text)) % 8:
        message.code("1")
    payload = message.data()
    sei = Bits()
    sei.put(6, 8)
    sei.put(len(payload), 8)
    for byte in payload:
        sei.put(byte, 8)
    return unit(6, sei)


def h264_slice(letter, idr, place, frame_num, order, field, width, height):
    """field: None: a frame; 0: top; 1: bottom"""
    reference = letter != "B"
    s = Bits()
    s.ue(0)
    s.ue({"P": 5, "B": 6, "I": 7}[letter])
    s.ue(0)
    s.put(frame_num % 16, 4)
    s.put(field is not None, 1)
    if field is not None:
        s.put(field, 1)
    if idr:
        s.ue(0)
    s.put(order % 64, 6)
    if letter == "B":
        s.put(1, 1)     # spatial direct
    if letter in "PB":
        s.put(0, 1)     # as many references as the parameter set has
        s.put(0, 1)     # in default order
    if letter == "B":
        s.put(0, 1)
    if reference:
        s.put(0, 2 if idr else 1)
    s.code("1")         # slice_qp_delta 0
    rows = height // 16 if field is None else height // 32
    for row in range(rows):
        for column in range(width // 16):
            if letter != "I":
                s.ue(0)
            s.ue(25 + {"I": 0, "P": 5, "B": 23}[letter])
            s.align()
            s.code(format(shade(place, row if field is None else 2 * row, column), "08b") * 256)
            s.code("10000000" * 128)
    return unit((3 if reference else 0) << 5 | (5 if idr else 1), s)


def h264(kinds, width=64, height=64, fields=True, idr=True, marked=True, after=0):
    """kinds: in decoding order, a letter each and the frame's place: [("I", 0), ("P", 3), ...]
    idr: the first picture is IDR; marked: other I pictures are recovery points; after: frames until they are
    correct"""
    pictures, frame_num = [], 0
    sps, pps = h264_parameters(width, height)
    for at, (letter, place) in enumerate(kinds):
        is_idr = idr and at == 0
        for field in (0, 1) if fields else (None,):
            head = b""
            kind = "P" if letter == "I" and field == 1 else letter
            if letter == "I" and not field:
                head = sps + pps + (h264_recovery(after) if marked and not is_idr else b"")
            pictures.append((letter, place, field == 1, b"\0\0\0\1\x09\xf0" + head + h264_slice(
                kind, is_idr and field != 1, place, frame_num, 2 * place + (field or 0), field, width, height)))
        if letter != "B":
            frame_num += 1
    return pictures


# --- MPEG-2 (ISO 13818-2 6.2), intra macroblocks with DC coefficients only ---

# table B.12 and B.13: bits of a DC difference
DC_LUMA = ("100", "00", "01", "101", "110", "1110", "11110", "111110", "1111110")
DC_CHROMA = ("00", "01", "10", "110", "1110", "11110", "111110", "1111110", "11111110")


def difference(s, table, value):
    size = abs(value).bit_length()
    s.code(table[size])
    if size:
        s.put(value if value > 0 else value + (1 << size) - 1, size)
    s.code("10")        # end of block


def mpeg2_sequence(width, height, fields):
    s = Bits()
    s.put(0x1b3, 32)
    s.put(width, 12)
    s.put(height, 12)
    s.put(1, 4)         # square
    s.put(3, 4)         # 25 a second
    s.put(5000, 18)
    s.put(1, 1)
    s.put(112, 10)
    s.put(0, 3)
    s.put(0x1b5, 32)
    s.put(1, 4)
    s.put(0x44, 8)      # main profile, high level
    s.put(not fields, 1)
    s.put(1, 2)         # 4:2:0
    s.put(0, 4 + 12)
    s.put(1, 1)
    s.put(0, 8 + 1 + 2 + 5)
    return s.data()


def mpeg2_group(closed):
    s = Bits()
    s.put(0x1b8, 32)
    s.put(1 << 12, 25)  # time code, which is ignored
    s.put(closed, 1)
    s.put(0, 1)
    return s.data()


def mpeg2_picture(kind, temporal, place, field, width, height, fields):
    s = Bits()
    s.put(0x100, 32)
    s.put(temporal, 10)
    s.put(" IPB".index(kind), 3)
    s.put(0xffff, 16)
    if kind in "PB":
        s.put(7, 4)
    if kind == "B":
        s.put(7, 4)
    s.put(0, 1)
    s.align()
    s.put(0x1b5, 32)
    s.put(8, 4)
    s.put({"I": 0xffff, "P": 0x11ff, "B": 0x1111}[kind], 16)
    s.put(0, 2)         # 8 bits of a DC value
    s.put(3 if field is None else 1 + field, 2)
    s.put(field != 1, 1)
    s.put(field is None, 1)
    s.put(0, 5)
    s.put(0, 1)
    s.put(not fields, 1)
    s.put(0, 1)
    s.align()
    rows = height // 16 if field is None else height // 32
    for row in range(rows):
        s.put(0x101 + row, 32)
        s.put(4, 5)
        s.put(0, 1)
        before = 128
        for column in range(width // 16):
            s.code("1")         # the next macroblock
            s.code({"I": "1", "P": "00011", "B": "00011"}[kind])
            if field is None and fields:
                s.put(0, 1)     # frame DCT
            luma = shade(place, row if field is None else 2 * row, column)
            for _ in range(4):
                difference(s, DC_LUMA, luma - before)
                before = luma
            difference(s, DC_CHROMA, 0)
            difference(s, DC_CHROMA, 0)
        s.align()
    return s.data()


def mpeg2(kinds, width=64, height=64, fields=True, closed=False):
    """kinds: as in h264()"""
    pictures, start = [], 0
    for at, (letter, place) in enumerate(kinds):
        if letter == "I":
            start = min(other for _, other in kinds[at:])
        for field in (0, 1) if fields else (None,):
            head = mpeg2_sequence(width, height, fields) + mpeg2_group(closed) if letter == "I" and not field else b""
            kind = "P" if letter == "I" and field == 1 else letter
            pictures.append((letter, place, field == 1, head + mpeg2_picture(
                kind, place - start, place, field, width, height, fields)))
    return pictures


# --- files ---

def vp9_key_frame(width, height):
    """The header of a key frame with 4:4:0 chroma (halved vertically only), without picture data."""
    b = Bits()
    # profile 1, shown; 8 bits, BT.601, studio range
    for value, count in ((2, 2), (1, 1), (0, 1), (0, 1), (0, 1), (1, 1), (0, 1), (0x498342, 24), (1, 3), (0, 1),
                         (0, 1), (1, 1), (0, 1), (width - 1, 16), (height - 1, 16), (0, 1),
                         # contexts, no filter, one quantizer, no segments, one tile, a byte of probabilities
                         (1, 1), (0, 1), (0, 2), (0, 10), (60, 8), (0, 3), (0, 1), (0, 1), (1, 16)):
        b.put(value, count)
    return b.data() + bytes(64)


def groups(count, length, cut=False):
    """Open groups of pictures in decoding order: I, the B pictures before it, P, B, B, ... cut: the first group
    has such B pictures, too."""
    kinds, place = [], 0
    for group in range(count):
        for k in range(length):
            lead = 2 if group or k or cut else 0
            kinds.append(("I" if k == 0 else "P", place + lead))
            kinds += [("B", place + i) for i in range(lead)]
            place += lead + 1
    return kinds


def write(path, muxer, codec, pictures, options=None, together=False):
    """25 frames a second. together: the fields of a frame are in one packet."""
    import fractions
    import os

    import av

    raw = path + ".raw"
    with open(raw, "wb") as file:
        file.write(b"".join(data for _, _, _, data in pictures))
    with av.open(raw, format=codec) as source, av.open(path, "w", format=muxer, options=options or {}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        stream.time_base = fractions.Fraction(1, 90000)
        tick, packets = 1800, []
        for letter, place, second, data in pictures:
            if second and together:
                packets[-1][3] += data
            else:
                packets.append([letter, place, second, data])
        number = -1
        for letter, place, second, data in packets:
            number += not second
            packet = av.Packet(data)
            packet.stream, packet.time_base = stream, fractions.Fraction(1, 90000)
            packet.pts = 90000 + (place + 2) * 2 * tick + second * tick
            packet.dts = 90000 + number * 2 * tick + second * tick
            packet.is_keyframe = letter == "I" and not second
            packet.duration = 2 * tick
            target.mux(packet)
    os.unlink(raw)
