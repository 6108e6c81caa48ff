"""DICOM files made for the tests: small, of every kind that the reader claims to read."""

import io

import numpy as np
from PIL import Image
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
    generate_uid,
)

SYNTAXES = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "big endian": ExplicitVRBigEndian,
    "RLE": RLELossless,
    "JPEG": JPEGBaseline8Bit,
}
PATIENT = "Mustermann^Erika", "PID-4711"


def region(box, delta_cm=(0.01, 0.02), *, spatial=1, data=1, units=3):
    """Item of the region sequence: box x, y, w, h in px; (axial, lateral) cm."""
    x, y, w, h = box
    item = Dataset()
    item.RegionSpatialFormat, item.RegionDataType, item.RegionFlags = spatial, data, 0
    item.RegionLocationMinX0, item.RegionLocationMinY0 = x, y
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = x + w - 1, y + h - 1
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = units
    item.PhysicalDeltaY, item.PhysicalDeltaX = delta_cm
    return item


def header_of(frames, *, photometric="MONOCHROME2", bits=None, regions=(), **elements):
    """Dataset without pixels for frames (N, H, W) or (N, H, W, 3)."""
    header = Dataset()
    header.SOPClassUID, header.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.3.1", generate_uid()
    header.StudyInstanceUID, header.SeriesInstanceUID = generate_uid(), generate_uid()
    header.PatientName, header.PatientID = PATIENT
    header.Modality = "US"
    header.Rows, header.Columns = frames.shape[1:3]
    header.NumberOfFrames = str(len(frames))
    header.SamplesPerPixel = 1 if frames.ndim == 3 else 3
    if frames.ndim == 4:
        header.PlanarConfiguration = 0
    header.PhotometricInterpretation = photometric
    header.BitsAllocated = 8 * frames.dtype.itemsize
    header.BitsStored = bits or header.BitsAllocated
    header.HighBit, header.PixelRepresentation = header.BitsStored - 1, 0
    if regions:
        header.SequenceOfUltrasoundRegions = list(regions)
    for name, value in elements.items():
        setattr(header, name, value)
    return header


def write_dicom_file(path, frames, *, syntax="explicit", fragments=None, drop=(), **options):
    """Write frames, or given compressed fragments, and return the path; `drop` removes elements."""
    header = header_of(frames, **options)
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = SYNTAXES.get(syntax, syntax)
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    if fragments is None and syntax == "JPEG":
        fragments = [jpeg(f) for f in frames]
    if fragments is not None:
        header.PixelData = encapsulate(fragments)
        header["PixelData"].VR = "OB"
    elif syntax == "RLE":
        header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        header.PixelData = frames.tobytes()
        header.compress(RLELossless, generate_instance_uid=False)
    else:
        order = ">" if syntax == "big endian" else "<"
        data = frames.astype(frames.dtype.newbyteorder(order)).tobytes()
        header.PixelData = data + b"\0" * (len(data) % 2)
        header["PixelData"].VR = "OB" if frames.dtype.itemsize == 1 else "OW"
    for name in drop:
        delattr(header, name)
    little = syntax != "big endian"
    dcmwrite(path, header, enforce_file_format=True, implicit_vr=syntax == "implicit", little_endian=little)
    return path


def jpeg(pixels, quality=95):
    """One picture, as Pillow compresses it."""
    data = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(data, "JPEG", quality=quality)
    return data.getvalue()
