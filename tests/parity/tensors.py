# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reading and writing safetensors files, implemented from the format's description alone, to check the
project's own reader and writer independently."""
import json
import struct

import numpy

TYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "I32": "<i4", "U8": "u1"}


def save(path, tensors, metadata=None):
    header, blobs, offset = {}, [], 0
    if metadata:
        header["__metadata__"] = metadata
    for name, value in tensors.items():
        value = numpy.ascontiguousarray(value)
        kind = next(k for k, v in TYPES.items() if numpy.dtype(v) == value.dtype)
        blobs.append(value.tobytes())
        header[name] = {"dtype": kind, "shape": list(value.shape),
                        "data_offsets": [offset, offset + len(blobs[-1])]}
        offset += len(blobs[-1])
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def load(path):
    with open(path, "rb") as file:
        data = file.read()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        tensors[name] = numpy.frombuffer(data[8 + size + first:8 + size + last],
                                         TYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors, metadata
