"""Small sound recordings of every kind with a hand-written reader, and the ways to damage them."""

import random

import numpy as np
from dicom_files import region, write_dicom_file
from sequence_files import frame_field_lines, matrix_text, write_mha, write_nrrd

PIXELS = np.stack([np.add.outer(np.arange(20), np.arange(24) * 3 + k).astype(np.uint8) for k in range(3)])
FIELDS = frame_field_lines(
    3, Timestamp=["0.0", "0.1", "0.2"], ImageStatus="OK", ProbeToTrackerTransform=matrix_text(np.eye(4))
)
REGIONS = [region((0, 0, 24, 20), (0.05, 0.05)), region((2, 2, 10, 10), (0.1, 0.1))]
FILES = {
    "raw.mha": lambda p: write_mha(p, PIXELS, fields=FIELDS | {"UltrasoundImageOrientation": "UN"}),
    "packed.mha": lambda p: write_mha(p, PIXELS, packed=True, fields=FIELDS),
    "raw.nrrd": lambda p: write_nrrd(p, PIXELS, fields=FIELDS),
    "packed.nrrd": lambda p: write_nrrd(p, PIXELS, packed=True, axis=0),
    "explicit.dcm": lambda p: write_dicom_file(p, PIXELS, regions=REGIONS, FrameTimeVector=["0", "40", "50"]),
    "implicit.dcm": lambda p: write_dicom_file(p, PIXELS, syntax="implicit", regions=REGIONS, FrameTime="40"),
    "big.dcm": lambda p: write_dicom_file(p, PIXELS.astype(np.uint16) * 16, syntax="big endian", bits=12),
    "rle.dcm": lambda p: write_dicom_file(p, PIXELS, syntax="RLE"),
    "jpeg.dcm": lambda p: write_dicom_file(p, PIXELS, syntax="JPEG"),
}
_WORDS = [
    b"-1",
    b"0",
    b"99999999999",
    b"1e308",
    b"nan",
    b"=",
    b":",
    b":=",
    b"\n",
    b"\n\n",
    b"\xff\xff\xff\xff",
    b"LOCAL",
]


def damage(data: bytes, dice: random.Random) -> bytes:
    """Flip, cut, drop, repeat, swap or overwrite some bytes, once or a few times."""
    out = bytearray(data)
    for _ in range(dice.choice([1, 1, 1, 2, 4, 8])):
        # Most of it in the header, where readers make their decisions.
        at = dice.randrange(min(len(out), dice.choice([600, 1400, len(out)])) or 1)
        length = dice.choice([1, 2, 4, 16, 64])
        kind = dice.randrange(7)
        if kind == 0 and out:
            out[at % len(out)] ^= 1 << dice.randrange(8)
        elif kind == 1:
            del out[at:]
        elif kind == 2:
            del out[at : at + length]
        elif kind == 3:
            out[at:at] = out[at : at + length] * dice.choice([1, 2, 50])
        elif kind == 4:
            out[at : at + length] = dice.randbytes(length)
        elif kind == 5:
            word = dice.choice(_WORDS)
            out[at : at + len(word)] = word
        else:
            other = dice.randrange(len(out) or 1)
            out[at : at + length], out[other : other + length] = out[other : other + length], out[at : at + length]
    return bytes(out)
