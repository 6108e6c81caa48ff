"""MetaImage and NRRD files made for the tests, written by hand so that they do not lean on the writers of usguide."""

import gzip
import zlib

import numpy as np

METAIMAGE = {"u1": "MET_UCHAR", "u2": "MET_USHORT", "i2": "MET_SHORT", "f4": "MET_FLOAT", "f8": "MET_DOUBLE"}
NRRD = {"u1": "uint8", "u2": "uint16", "i2": "int16", "f4": "float", "f8": "double"}


def write_mha(path, frames, *, packed=False, order="<", spacing=(0.3, 0.2), fields=(), data=None, **changes):
    """Frames (N, H, W) or (N, H, W, 3); spacing is (lateral, axial). `changes` replace lines, None removes them."""
    colour = frames.ndim == 4
    raw = frames.astype(frames.dtype.newbyteorder(order)).tobytes()
    body = zlib.compress(raw) if packed else raw
    lines = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": str(order == ">"),
        "CompressedData": str(packed),
        "DimSize": f"{frames.shape[2]} {frames.shape[1]} {len(frames)}",
        "ElementSpacing": f"{spacing[0]} {spacing[1]} 1",
        "ElementNumberOfChannels": "3" if colour else "1",
        "ElementType": METAIMAGE[frames.dtype.str[1:]],
        **dict(fields),
        "ElementDataFile": "LOCAL",
        **changes,
    }
    text = "".join(f"{k} = {v}\n" for k, v in lines.items() if v is not None)
    path.write_bytes(text.encode() + (body if data is None else data))
    return path


def write_nrrd(path, frames, *, packed=False, order="<", spacing=(0.3, 0.2), axis=2, fields=(), **changes):
    """Frames (N, H, W) with the list axis first (0), in the middle (1) or last (2)."""
    stored = np.moveaxis(frames, 0, 2 - axis)
    raw = stored.astype(frames.dtype.newbyteorder(order)).tobytes()
    sizes, kinds = [frames.shape[2], frames.shape[1]], ["domain", "domain"]
    directions = [f"({spacing[0]},0,0)", f"(0,{spacing[1]},0)"]
    for row, value in ((sizes, len(frames)), (kinds, "list"), (directions, "none")):
        row.insert(axis, value)
    lines = {
        "type": NRRD[frames.dtype.str[1:]],
        "dimension": 3,
        "space dimension": 3,
        "sizes": " ".join(map(str, sizes)),
        "space directions": " ".join(directions),
        "kinds": " ".join(kinds),
        "endian": "big" if order == ">" else "little",
        "encoding": "gzip" if packed else "raw",
        **changes,
    }
    text = "NRRD0005\n" + "".join(f"{k}: {v}\n" for k, v in lines.items() if v is not None)
    text += "".join(f"{k}:={v}\n" for k, v in dict(fields).items()) + "\n"
    path.write_bytes(text.encode() + (gzip.compress(raw) if packed else raw))
    return path


def frame_field_lines(count, **values):
    """PLUS's fields of each frame; a value is a list, or one text for all of them."""
    return {
        f"Seq_Frame{k:04d}_{name}": value if isinstance(value, str) else value[k]
        for k in range(count)
        for name, value in values.items()
    }


def matrix_text(matrix):
    """A 4 x 4 matrix as PLUS writes it."""
    return " ".join(repr(float(v)) for v in np.ravel(matrix))
