"""Frames from Clarius Cast: the function that its Python module calls with each picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usguide._validation import validate_positive
from usguide.errors import InputError
from usguide.geometry import ImageGeometry
from usguide.io.callback import CallbackSource

NewProcessedImage = Callable[[Any, int, int, int, float, int, float, Any], None]


def cast_callback(source: CallbackSource) -> NewProcessedImage:
    """Return a function for the first place of ``pyclariuscast.Caster(...)``, which pushes into `source`.

    The picture is copied once before the function returns, since Cast uses its buffer again. Its spacing is that of
    every picture, so that a change of depth on the scanner is followed; its time is the scanner's, and that of arrival
    where the scanner gives 0. A picture that can't be used is counted (`CallbackSource.bad_frames`): an exception would
    end Cast's own thread. Once the source is closed, nothing is done.

    Parameters
    ----------
    source : CallbackSource
        For live use with ``max_waiting=1``; its own geometry holds until the first picture.
    """

    def new_processed_image(
        image: Any,
        width: int,
        height: int,
        size: int,
        microns_per_pixel: float,
        timestamp: int,
        angle: float = 0.0,
        imu: Any = None,
    ) -> None:
        del angle, imu
        try:
            pixels = _pixels(image, width, height, size)
            spacing = validate_positive(microns_per_pixel, name="microns_per_pixel") / 1e3
            time_s = timestamp / 1e9 if timestamp > 0 else None
            source.push(pixels, time_s, geometry=ImageGeometry(spacing, spacing))
        except (InputError, TypeError, ValueError) as error:
            source.skip(f"picture left out: {error}")

    return new_processed_image


def _pixels(image: Any, width: int, height: int, size: int) -> NDArray[np.uint8]:
    """View Cast's buffer as a picture; nothing is copied here."""
    if width < 1 or height < 1 or size not in (width * height, 4 * width * height):
        raise InputError(
            f"newProcessedImage: expected 1 or 4 bytes a pixel, got {size} bytes for {width} x {height} px; set Cast's"
            " output to uncompressed 8 bit or ARGB"
        )
    flat = np.frombuffer(image, np.uint8, size)
    return flat.reshape(height, width) if size == width * height else flat.reshape(height, width, 4)[..., :3]
