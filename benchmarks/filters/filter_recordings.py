"""gCNR and ENL of cysts on public recordings of phantoms, with boxes read by eye."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from filter_methods import F32, Options, describe, filtered
from filter_scores import Track, Tuned
from filter_tables import Report, spread

from usguide.image_quality import enl, gcnr
from usguide.intensity import log_decompress

MM_PER_PX = 0.1
"""Pictures are resampled to this first, so that a window of 7 px means the same in each."""
FOLDER = "pocus-phantom"
Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Picture:
    """A recording with boxes `x y width height` in px of the delivered picture.

    Parameters
    ----------
    file : str
        Inside the set `pocus-phantom`.
    mm_per_px : float
        From the header, the ruler, or the distance of the cysts.
    region : Box
        The image region.
    boxes : tuple of (name, cyst, background)
        Read by eye: inside the cyst, and in tissue of the same depth.
    """

    file: str
    mm_per_px: float
    region: Box
    boxes: tuple[tuple[str, Box, Box], ...]


READ_BY_EYE = (
    Picture(
        "butterfly_axial-lateral-resolution-2020.png",
        0.0476,  # ruler
        (596, 30, 728, 1043),
        (
            ("Butterfly middle", (895, 297, 78, 78), (1020, 290, 110, 90)),
            ("Butterfly right", (1185, 288, 84, 84), (1020, 290, 110, 90)),
        ),
    ),
    Picture(
        "clarius_axial-lateral-resolution-2020.png",
        0.0636,  # the same phantom as Butterfly's: from the distance of its cysts
        (344, 160, 592, 640),
        (
            ("Clarius faint", (382, 374, 48, 48), (470, 370, 80, 56)),
            ("Clarius middle", (588, 366, 68, 68), (690, 360, 76, 76)),
            ("Clarius right", (803, 358, 72, 72), (690, 360, 76, 76)),
        ),
    ),
    Picture(
        "sonoque_anechoic-3mm-3mm.dcm",
        0.0291,  # header
        (373, 60, 1330, 1355),
        (
            ("SonoQue left", (690, 1062, 130, 130), (900, 1060, 150, 130)),
            ("SonoQue faint", (1138, 1062, 130, 130), (900, 1060, 150, 130)),
        ),
    ),
)
"""Boxes read by eye, on magnified pictures; the 3 mm cysts of SonoQue are too small for 100 bins."""


def read_picture(path: Path) -> F32 | None:
    """Return a picture's grey levels, or None; of a DICOM file, the one baseline JPEG that it holds."""
    data = path.read_bytes()
    start = max(data.find(b"\xff\xd8\xff"), 0) if path.suffix == ".dcm" else 0
    grey = cv2.imdecode(np.frombuffer(data[start:], np.uint8), cv2.IMREAD_GRAYSCALE)
    return None if grey is None else np.asarray(grey, dtype=np.float32)


def resampled(grey: F32, picture: Picture) -> F32:
    """Return the image region at `MM_PER_PX`."""
    x, y, w, h = picture.region
    scale = picture.mm_per_px / MM_PER_PX
    size = (round(w * scale), round(h * scale))
    return np.asarray(cv2.resize(grey[y : y + h, x : x + w], size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def cut(image: F32, box: Box, picture: Picture) -> F32:
    """Return the pixels of a box of the delivered picture in the resampled one."""
    scale = picture.mm_per_px / MM_PER_PX
    x, y = (box[0] - picture.region[0]) * scale, (box[1] - picture.region[1]) * scale
    return image[round(y) : round(y + box[3] * scale), round(x) : round(x + box[2] * scale)]


def recordings_report(
    track: Track, methods: Sequence[str], tuned: Mapping[str, Tuned], data: Path | None
) -> Report | str:
    """Return the table, or why there is none."""
    found = []
    for picture in READ_BY_EYE:
        path = None if data is None else data / FOLDER / picture.file
        grey = read_picture(path) if path is not None and path.is_file() else None
        if grey is not None:
            found.append((picture, resampled(grey, picture)))
    if not found:
        where = "USGUIDE_DATA_DIR is not set and --data is not given" if data is None else f"no {FOLDER} in {data}"
        return f"Recordings skipped: {where}."
    names = [name for picture, _ in found for name, _, _ in picture.boxes]
    report = Report("Cysts on recordings of phantoms, boxes read by eye", ["filter", "options", *names, "ENL"])
    report.note = (
        f"gCNR of each cyst against tissue beside it. ENL: mean ± standard deviation over the {len(found)} pictures' "
        "tissue boxes, on the envelope if the display range were 60 dB and the grey scale logarithmic (known for "
        f"SonoQue's range alone), so compare it within the column only. Resampled to {MM_PER_PX:g} mm/px. Strong "
        "options: as tuned on rendered pictures."
    )
    for method in track(methods, "recordings"):
        choices: list[Options] = [{}]
        strong = tuned[method].strong
        if strong is not None:
            choices.append(strong)
        for options in choices:
            report.rows.append([method, describe(options), *_scores(found, method, options)])
    return report


def _scores(found: Sequence[tuple[Picture, F32]], method: str, options: Options) -> list[str]:
    values, looks = [], []
    for picture, image in found:
        result = np.clip(filtered(image, method, options), 0, 255)
        for _, cyst, background in picture.boxes:
            values.append(f"{gcnr(cut(result, cyst, picture), cut(result, background, picture)):.2f}")
        looks.append(enl(log_decompress(cut(result, picture.boxes[-1][2], picture))))
    return [*values, spread(looks, 1)]
