"""Temporal despeckling: persistence that lets go where something moves."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike

from usguide._validation import validate_number
from usguide.filters._common import F32, ensure_picture, validate_amount, validate_odd
from usguide.filters._kernels.temporal import persist_rows


class Persistence:
    """Recursive average of a stream, gated by motion: still tissue settles, a moving needle leaves no ghost.

    Made for log-compressed grey levels.

    Parameters
    ----------
    time_constant_s : float
        Where nothing moves, a frame's share falls to 1/e in this time, whatever the frame rate.
    gate_grey : float
        Difference of local means, in grey levels, that is certainly motion: there the new frame is taken as it is.
        Half of it counts as speckle.
    window_px : int
        Side of the window of those means, odd.

    Notes
    -----
    ``y += a (x - y)`` with ``a = 1 - exp(-dt / time_constant)`` where the mean of ``x - y`` over the window is within
    half the gate, 1 from the gate on, and a smooth rise between. Speckle that changes by itself averages out in the
    window; a needle that came or went does not. A frame of another size, a time that does not increase or a gap of
    more than ten time constants starts anew.
    """

    def __init__(self, *, time_constant_s: float = 0.2, gate_grey: float = 24.0, window_px: int = 5) -> None:
        self._tau = validate_amount(time_constant_s, name="time_constant_s")
        self._gate = validate_amount(gate_grey, name="gate_grey")
        self._window = validate_odd(window_px, name="window_px")
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        self._mean: F32 | None = None
        self._time_s = 0.0

    def update(self, image: ArrayLike, timestamp_s: float) -> F32:
        """Take one frame and return the picture so far.

        Parameters
        ----------
        image : array_like, shape (H, W)
            uint8, uint16 or float.
        timestamp_s : float

        Returns
        -------
        ndarray of float32, shape (H, W)
            The caller's own; later frames do not change it.

        Raises
        ------
        InvalidFrameError, InputError
            Not an image, or not a time; the state stays as it was.
        """
        x = ensure_picture(image)
        time_s = validate_number(timestamp_s, name="timestamp_s", low=-1e12, high=1e12)
        passed, self._time_s = time_s - self._time_s, time_s
        if self._mean is None or self._mean.shape != x.shape or not 0 < passed <= 10 * self._tau:
            self._mean = x.copy()
            return x.copy()
        window = (self._window, self._window)
        change = np.asarray(cv2.blur(x - self._mean, window, borderType=cv2.BORDER_REPLICATE), dtype=np.float32)
        share = np.float32(1 - np.exp(-passed / self._tau))
        persist_rows(x, change, self._mean, share, np.float32(self._gate), 0, x.shape[0])
        return self._mean.copy()
