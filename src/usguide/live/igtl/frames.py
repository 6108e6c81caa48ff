"""Frames from IMAGE messages, with the poses and the status that came beside them.

Rows and columns: index i of the message runs along a row (lateral), j down the columns (axial), as PLUS sends its images
(orientation MF). The frame's geometry has the lengths of the matrix's first two columns as spacing, and its origin stays at
the centre of the first pixel: the matrix moves with a tracked probe, and the picture's millimetres must not. The matrix
itself is `Frame.transforms["ImageToRAS"]`: it takes ``(x, y, 0, 1)`` in px to RAS mm.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usguide.errors import InputError, InvalidFrameError
from usguide.geometry import ImageGeometry
from usguide.io._opencv import grey_if_colourless
from usguide.io.options import SourceOptions, geometry_of_spacing
from usguide.io.source import MAX_NOTES, check_size
from usguide.live.igtl._link import logger
from usguide.live.igtl.contents import STATUS_OK, Image, Message, Status, Transform
from usguide.types import Frame

IMAGE_POSE = "ImageToRAS"
"""Name of the IMAGE message's matrix among a frame's transforms."""

MAX_TRANSFORMS = 64
MAX_TRANSFORM_AGE_S = 0.5
_SAME_SPACING = 1e-4
"""Lengths of a turning matrix in float32 differ in the seventh digit: that is no change of spacing."""
_SQUARE = 1e-3


class FrameBuilder:
    """Takes messages in the order of their arrival and gives a frame for each usable IMAGE.

    Parameters
    ----------
    device : str, optional
        Whose images are used. By default those of the first device that sends one that can be used.
    spacing_mm, depth_mm, region, full_scale
        As for `usguide.open_source`; what is given goes before the message's spacing. A message whose spacing is exactly 1
        both ways does not know it.
    max_transform_age_s : float
        A TRANSFORM that came longer before the image is left out.

    Attributes
    ----------
    bad_frames : int
        IMAGE messages of this device that could not be used.
    notes : list of str
        What a user should know, one line each.
    other_devices : Counter
        Images of other devices, by name.
    """

    def __init__(
        self,
        *,
        device: str | None = None,
        spacing_mm: Any = None,
        depth_mm: float | None = None,
        region: tuple[int, int, int, int] | None = None,
        full_scale: float | None = None,
        max_transform_age_s: float = MAX_TRANSFORM_AGE_S,
    ) -> None:
        self._options = SourceOptions.checked(
            spacing_mm=spacing_mm, depth_mm=depth_mm, region=region, full_scale=full_scale
        )
        if self._options.find_region:
            raise InputError("region: expected x, y, width, height, got 'auto'; find it with usguide.region first")
        self.device = device or None
        self.bad_frames = 0
        self.notes: list[str] = []
        self.other_devices: Counter[str] = Counter()
        self._max_age_s = max_transform_age_s
        self._transforms: dict[str, tuple[NDArray[np.float64], float]] = {}
        self._geometry: ImageGeometry | None = None
        self._index = 0
        self._device_ok = True

    def take(self, message: Message, arrival_s: float) -> Frame | None:
        """Take a message; return the frame where it is an image that can be used.

        Parameters
        ----------
        message : Message
        arrival_s : float
            When it came. It stands in for the frame's time where the message has none (a time stamp of 0), so it is best
            by a clock that counts as the sender's does, such as ``time.time()``.
        """
        match message.content:
            case Transform(matrix):
                self._keep(message, matrix, arrival_s)
            case Status(code):
                self._hear(message.device, code)
            case Image():
                return self._frame(message, message.content, arrival_s)
        return None

    def _keep(self, message: Message, matrix: NDArray[np.float64], arrival_s: float) -> None:
        """Keep a pose, unless the tracker could not measure it: PLUS says so in metadata (header version 2)."""
        name = message.device
        if message.metadata.get("TransformStatus", "OK").upper() != "OK":
            self._transforms.pop(name, None)
            return
        if name not in self._transforms and len(self._transforms) >= MAX_TRANSFORMS:
            self._transforms = {n: t for n, t in self._transforms.items() if arrival_s - t[1] <= self._max_age_s}
        if name in self._transforms or len(self._transforms) < MAX_TRANSFORMS:
            self._transforms[name] = matrix, arrival_s

    def _hear(self, device: str, code: int) -> None:
        """Take a device's word: without it, its images are invalid and its poses are gone."""
        if code != STATUS_OK:
            self._transforms.pop(device, None)
        if device == self.device:
            self._device_ok = code == STATUS_OK

    def _frame(self, message: Message, image: Image, arrival_s: float) -> Frame | None:
        name = message.device
        if self.device not in (None, name):
            if name in self.other_devices or len(self.other_devices) < MAX_TRANSFORMS:
                self.other_devices[name] += 1
            self._note(f"images of device {name!r} come too and are not used: those of {self.device!r} are")
            return None
        index, self._index = self._index, self._index + 1
        try:
            frame = self._made(message, image, index, arrival_s)
        except InputError as error:
            self.bad_frames += 1
            self._note(f"image of {name!r} left out: {error}")
            return None
        self.device = name
        return frame

    def _made(self, message: Message, image: Image, index: int, arrival_s: float) -> Frame:
        pixels = _pixels(image)
        stamp_s = message.header.timestamp_s
        fresh = {n: m for n, (m, at) in self._transforms.items() if arrival_s - at <= self._max_age_s}
        said = message.metadata.get("ImageStatus", "OK").upper()
        return Frame(
            pixels,
            self._geometry_of(image, (int(pixels.shape[0]), int(pixels.shape[1]))),
            arrival_s if stamp_s is None else stamp_s,
            index,
            region=self._options.region,
            full_scale=self._options.full_scale,
            transforms=fresh | {IMAGE_POSE: image.px_to_ras},
            status="OK" if said == "OK" and self._device_ok else "INVALID",
        )

    def _geometry_of(self, image: Image, shape: tuple[int, int]) -> ImageGeometry:
        geometry, source = self._options.geometry_for(shape, self._options.region, _geometry_of_matrix(image))
        if geometry is None:
            raise InvalidFrameError(f"spacing is missing ({source}); state it: spacing_mm= (mm per px) or depth_mm=")
        before = self._geometry
        if before is not None and np.allclose(before.spacing_mm, geometry.spacing_mm, rtol=_SAME_SPACING, atol=0):
            return before
        self._geometry = geometry
        return geometry

    def _note(self, text: str) -> None:
        if text not in self.notes and len(self.notes) < MAX_NOTES:
            self.notes.append(text)
            logger.warning("%s", text)


def _geometry_of_matrix(image: Image) -> ImageGeometry | None:
    """Return the spacing of a message's matrix; None where it does not know it."""
    along_i, along_j = image.px_to_ras[:3, 0], image.px_to_ras[:3, 1]
    lateral, axial = (float(f"{np.linalg.norm(v):.6g}") for v in (along_i, along_j))
    if (lateral, axial) == (1.0, 1.0):
        return None
    if abs(float(along_i @ along_j)) > _SQUARE * lateral * axial:
        raise InvalidFrameError("IMAGE: expected rows and columns at right angles, got a matrix that skews them")
    return geometry_of_spacing((axial, lateral))


def _pixels(image: Image) -> NDArray[Any]:
    """Return a picture of a type that frames have: unsigned, colours as BGR, grey as one channel."""
    if not image.is_picture:
        raise InvalidFrameError(
            f"IMAGE: expected one whole picture, got pixels {image.pixels.shape} of {image.size}; send whole slices"
        )
    pixels = image.pixels
    check_size(pixels)
    if pixels.dtype.kind in "iu" and pixels.dtype not in (np.uint8, np.uint16):
        low, high = int(pixels.min()), int(pixels.max())
        if low < 0 or high > 0xFFFF:
            raise InvalidFrameError(f"IMAGE: expected grey levels of 0 to 65535, got {low} to {high} as {pixels.dtype}")
        pixels = pixels.astype(np.uint8 if pixels.dtype == np.int8 else np.uint16)
    if pixels.ndim == 3 and pixels.shape[2] in (3, 4):
        return grey_if_colourless(pixels[..., 2::-1])
    return pixels
