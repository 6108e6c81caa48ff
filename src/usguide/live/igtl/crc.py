"""OpenIGTLink's checksum: CRC-64 of ECMA-182, most significant bit first, from zero, not inverted at the end."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from usguide.live.igtl._kernels import crc64_bytes

Bytes = bytes | bytearray | memoryview

POLYNOMIAL = 0x42F0E1EBA9EA3693
_MASK = (1 << 64) - 1


def crc64(data: Bytes, start: int = 0) -> int:
    """Checksum of `data`.

    Parameters
    ----------
    data : bytes-like
        Contiguous.
    start : int
        Checksum of what comes before it: ``crc64(b, crc64(a)) == crc64(a + b)``.

    Returns
    -------
    int
        0 to 2**64 - 1; 0 for no bytes.
    """
    # Always the same type of array, so that one kernel is compiled, and none while a stream runs.
    array = np.frombuffer(memoryview(data).toreadonly(), np.uint8)
    return int(crc64_bytes(array, _tables(), np.uint64(start)))


@cache
def _tables() -> NDArray[np.uint64]:
    """Return tables [k, byte], shape (16, 256): the effect of a byte with k more bytes behind it."""
    first = []
    for byte in range(256):
        crc = byte << 56
        for _ in range(8):
            crc = ((crc << 1) ^ (POLYNOMIAL if crc >> 63 else 0)) & _MASK
        first.append(crc)
    rows = [first]
    for _ in range(15):
        rows.append([((v << 8) & _MASK) ^ first[v >> 56] for v in rows[-1]])
    return np.array(rows, dtype=np.uint64)
