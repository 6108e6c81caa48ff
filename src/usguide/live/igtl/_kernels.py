"""The checksum's inner loop."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from usguide._jit import kernel


@kernel
def crc64_bytes(data: NDArray[np.uint8], tables: NDArray[np.uint64], start: np.uint64) -> np.uint64:
    """CRC-64 with the most significant bit first, sixteen bytes a step (slicing by sixteen)."""
    crc = start
    n = len(data)
    whole = n - n % 16
    low = np.uint64(255)
    for k in range(0, whole, 16):
        # The second eight bytes do not depend on the sum so far: they are looked up while it is awaited.
        ahead = tables[7, data[k + 8]] ^ tables[6, data[k + 9]] ^ tables[5, data[k + 10]] ^ tables[4, data[k + 11]]
        ahead ^= tables[3, data[k + 12]] ^ tables[2, data[k + 13]] ^ tables[1, data[k + 14]] ^ tables[0, data[k + 15]]
        head = (np.uint64(data[k]) << np.uint64(56)) | (np.uint64(data[k + 1]) << np.uint64(48))
        head |= (np.uint64(data[k + 2]) << np.uint64(40)) | (np.uint64(data[k + 3]) << np.uint64(32))
        head |= (np.uint64(data[k + 4]) << np.uint64(24)) | (np.uint64(data[k + 5]) << np.uint64(16))
        head |= (np.uint64(data[k + 6]) << np.uint64(8)) | np.uint64(data[k + 7])
        x = crc ^ head
        crc = (
            tables[15, x >> np.uint64(56)]
            ^ tables[14, (x >> np.uint64(48)) & low]
            ^ tables[13, (x >> np.uint64(40)) & low]
            ^ tables[12, (x >> np.uint64(32)) & low]
            ^ tables[11, (x >> np.uint64(24)) & low]
            ^ tables[10, (x >> np.uint64(16)) & low]
            ^ tables[9, (x >> np.uint64(8)) & low]
            ^ tables[8, x & low]
            ^ ahead
        )
    for k in range(whole, n):
        crc = tables[0, (crc >> np.uint64(56)) ^ np.uint64(data[k])] ^ (crc << np.uint64(8))
    return crc
