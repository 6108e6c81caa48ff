"""Grey frames as an uncompressed ultrasound DICOM: a derived picture, without a word about the patient."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from usguide.errors import FormatError, InputError, MissingExtraError
from usguide.io.options import Region
from usguide.io.staging import StagedFrames
from usguide.types import Frame

if TYPE_CHECKING:
    from pydicom import Dataset

_PICTURE, _LOOP = "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.3.1"
_IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
"""With explicit types a frame time vector would end at 64 KB."""
_PIXEL_DATA_TAG = b"\xe0\x7f\x10\x00"
_MAX_BYTES = 0xFFFFFFFE


def write_dicom(
    frames: Iterable[Frame], path: str | Path, *, derivation: str, spacing_known: bool = True, times_known: bool = True
) -> int:
    """Write 8-bit grey frames as a picture or a cine loop; the file appears when it is complete.

    It says that it is derived, has identifiers of its own, and holds nothing of the patient or the study that it comes
    from. The region and its spacing are those of the frames.

    Parameters
    ----------
    frames : iterable of Frame
        Grey, uint8, of one size and spacing.
    path : path
    derivation : str
        What was done to the pixels, at most 1024 characters.
    spacing_known : bool
        Without it no region is written, since a region states a spacing.
    times_known : bool
        Without it no times are written. DICOM counts them from the first frame.

    Returns
    -------
    int
        Number of frames.

    Raises
    ------
    InputError
        Colour, more than 8 bits, frames that differ, or above 4 GiB.
    FormatError
        Not one frame.
    MissingExtraError
        pydicom is not installed.
    """
    target, times = Path(path), list[float]()
    first: Frame | None = None
    with StagedFrames(target) as staged:
        for frame in frames:
            first = first or frame
            if frame.pixels.ndim != 2 or frame.pixels.dtype != np.uint8:
                raise InputError(f"{target.name}: expected grey pixels of 8 bits for DICOM, got {frame.pixels.dtype}")
            if (frame.geometry, frame.region) != (first.geometry, first.region):
                raise InputError(f"{target.name}: expected one spacing and region, got another at frame {frame.index}")
            staged.write(frame.pixels)
            times.append(frame.timestamp_s)
        if first is None:
            raise FormatError(f"{target.name}: expected at least one frame to write, got none")
        header = _header(first, times, derivation, spacing_known=spacing_known, times_known=times_known)
        size = staged.count * first.pixels.size
        if size > _MAX_BYTES:
            raise InputError(
                f"{target.name}: expected under 4 GiB of pixels for DICOM, got {size >> 20} MiB; write fewer"
            )
        even = size + size % 2
        staged.finish(lambda _: header + _PIXEL_DATA_TAG + even.to_bytes(4, "little"), tail=b"\0" * (even - size))
        return staged.count


def _header(first: Frame, times_s: list[float], derivation: str, *, spacing_known: bool, times_known: bool) -> bytes:
    """Return all that stands before the pixel data."""
    try:
        from pydicom import Dataset, dcmwrite  # noqa: PLC0415  (needs an extra)
        from pydicom.dataset import FileMetaDataset  # noqa: PLC0415
        from pydicom.uid import UID, generate_uid  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError(
            "DICOM: expected pydicom to write it, got none; run: pip install 'usguide[dicom]'"
        ) from None
    height, width = first.shape
    header = Dataset()
    header.SOPClassUID = _LOOP if len(times_s) > 1 else _PICTURE
    header.SOPInstanceUID, header.StudyInstanceUID, header.SeriesInstanceUID = (generate_uid() for _ in range(3))
    # What DICOM wants to be there, and nobody knows or may know, stays empty.
    for name in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"):
        setattr(header, name, "")
    for name in (
        "AccessionNumber",
        "ReferringPhysicianName",
        "Manufacturer",
        "SeriesNumber",
        "PatientOrientation",
        "Laterality",
    ):
        setattr(header, name, "")
    header.Modality, header.InstanceNumber = "US", "1"
    header.ImageType = ["DERIVED", "SECONDARY"]
    header.DerivationDescription = derivation[:1024]
    header.LossyImageCompression = "00"
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.Rows, header.Columns = height, width
    header.BitsAllocated = header.BitsStored = 8
    header.HighBit, header.PixelRepresentation = 7, 0
    if len(times_s) > 1:
        header.NumberOfFrames = str(len(times_s))
    if len(times_s) > 1 and times_known:
        header.FrameTimeVector = [f"{1e3 * step:.9g}" for step in (0.0, *np.diff(times_s))]
        header.FrameIncrementPointer = 0x00181065  # the frame time vector
    if spacing_known:
        header.SequenceOfUltrasoundRegions = [_region(first, first.region or (0, 0, width, height))]
    header.file_meta = FileMetaDataset()
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    header.file_meta.TransferSyntaxUID = UID(_IMPLICIT_LITTLE_ENDIAN)
    data = io.BytesIO()
    dcmwrite(data, header, enforce_file_format=True)
    return data.getvalue()


def _region(frame: Frame, box: Region) -> Dataset:
    from pydicom import Dataset  # noqa: PLC0415  (needs an extra)

    x, y, width, height = box
    item = Dataset()
    item.RegionSpatialFormat, item.RegionDataType, item.RegionFlags = 1, 1, 0  # 2D, tissue, opaque
    item.RegionLocationMinX0, item.RegionLocationMinY0 = x, y
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = x + width - 1, y + height - 1
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = 3  # cm
    item.PhysicalDeltaX = frame.geometry.lateral_mm_per_px / 10
    item.PhysicalDeltaY = frame.geometry.axial_mm_per_px / 10
    return item
