"""The spread of a whole run: its plot, and the masks for labelling tools."""

from __future__ import annotations

import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.draw import polygon

from usguide.draw.plot import SpreadSeries, draw_spread_plot
from usguide.errors import FormatError
from usguide.geometry import ImageGeometry
from usguide.io.write_sequence import write_sequence
from usguide.types import Frame, GuidanceResult, Injectate

Labels = NDArray[np.uint8]

PLOT, MASKS_NPZ, MASKS_NRRD = "spread.png", "injectate.npz", "injectate.seq.nrrd"
MOST_LABELS = 255


class SpreadPlot:
    """``spread.png``: area, extent and the way around the target against time.

    Parameters
    ----------
    path : Path
        Written by `close`, if there was any result with injectate.
    title : str
    """

    def __init__(self, path: Path, title: str = "") -> None:
        self._path, self._title, self._series = path, title, SpreadSeries()

    def write(self, frame: Frame, result: GuidanceResult) -> None:
        """Take one frame."""
        del frame
        self._series.add(result)

    def close(self) -> None:
        """Draw and write the picture.

        Raises
        ------
        FormatError
            It can't be encoded.
        """
        if not self._series.rows:
            return
        ok, data = cv2.imencode(".png", draw_spread_plot(self._series, self._title))
        if not ok:
            raise FormatError(f"{self._path.name}: the plot can't be encoded as PNG")
        part = self._path.with_name(f".{self._path.name}.part")
        part.write_bytes(data.tobytes())
        part.replace(self._path)


class MaskFiles:
    """Masks in the frames' own pixels, as NumPy arrays and as an NRRD sequence; each pool has its number.

    Frames of another size or spacing than the first one with a result are left out: `index` says which are there.

    Parameters
    ----------
    folder : Path
        ``injectate.npz`` and ``injectate.seq.nrrd`` appear in it with `close`, if there was any result with injectate.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # A few kB a frame: a long run is kept on the disk, not in memory.
        self._packed = tempfile.TemporaryFile(prefix=".masks-", dir=folder)  # noqa: SIM115  (closed by `close`)
        self._sizes: list[int] = []
        self._indices: list[int] = []
        self._times: list[float] = []
        self._shape: tuple[int, int] | None = None
        self._geometry = ImageGeometry(1.0, 1.0)

    def write(self, frame: Frame, result: GuidanceResult) -> None:
        """Take one frame."""
        if result.injectate is None:
            return
        if self._shape is None:
            self._shape, self._geometry = frame.shape, frame.geometry
        if (frame.shape, frame.geometry) != (self._shape, self._geometry):
            return
        packed = zlib.compress(labels_on(frame, result.injectate).tobytes(), 1)
        self._packed.write(packed)
        self._sizes.append(len(packed))
        self._indices.append(result.index)
        self._times.append(result.timestamp_s)

    def close(self) -> None:
        """Write both files; each appears when it is complete."""
        try:
            if self._sizes:
                self._write_npz(self._folder / MASKS_NPZ)
                write_sequence(self._frames(), self._folder / MASKS_NRRD)
        finally:
            self._packed.close()

    def _masks(self) -> Iterator[Labels]:
        self._packed.seek(0)
        for size in self._sizes:
            stored = zlib.decompress(self._packed.read(size))
            yield np.frombuffer(stored, np.uint8).reshape(self._shape or (0, 0))

    def _frames(self) -> Iterator[Frame]:
        for index, time_s, mask in zip(self._indices, self._times, self._masks(), strict=True):
            yield Frame(mask, self._geometry, time_s, index)

    def _write_npz(self, path: Path) -> None:
        g = self._geometry
        known = {
            "index": np.array(self._indices, np.int64),
            "timestamps_s": np.array(self._times, np.float64),
            "spacing_mm": np.array([g.axial_mm_per_px, g.lateral_mm_per_px]),
            "origin_mm": np.array(g.origin_mm),
        }
        part = path.with_name(f".{path.name}.part")
        try:
            with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, array in known.items():
                    with archive.open(f"{name}.npy", "w") as stream:
                        np.lib.format.write_array(stream, array, allow_pickle=False)
                head = {"descr": "|u1", "fortran_order": False, "shape": (len(self._sizes), *(self._shape or ()))}
                with archive.open("labels.npy", "w", force_zip64=True) as stream:
                    np.lib.format.write_array_header_1_0(stream, head)
                    for mask in self._masks():
                        stream.write(mask.tobytes())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def labels_on(frame: Frame, fluid: Injectate) -> Labels:
    """Return the pools in the pixels of a frame, shape (H, W): the number of each, 0 where there is none.

    The outlines are filled, which are finer than the mask's own grid; where a pool has none, or a number beyond 255, all
    fluid is 1.
    """
    numbered = all(p.contours_mm and 0 < p.pool_id <= MOST_LABELS for p in fluid.pools)
    if not fluid.pools or not numbered:
        return fluid.mask_on(frame).astype(np.uint8)
    labels = np.zeros(frame.shape, np.uint8)
    for pool in fluid.pools:
        inside = np.zeros(frame.shape, bool)
        for outline in pool.contours_mm:
            x, y = frame.geometry.to_px(outline).T
            # Pixels whose centre is within; where an outline lies within another, it is a hole.
            where = polygon(y, x, frame.shape)  # type: ignore[no-untyped-call]
            inside[where] ^= True
        labels[inside] = pool.pool_id
    return labels
