"""Show every filter on one frame: despecklers, then ridge filters.

By default the frame is one of the rendered phantom that ships, cut to its needle, fascia and nerve. With `--recording` it
is a public recording (set `biopsy-needle`, frame 45): an in-plane biopsy needle, resampled to 0.1 mm/px; only the image
region is used, so nothing burnt in by the scanner is shown. All filters run at their default options, the ridge filters
on the picture as it is, without despeckling. Grey levels of despecklers are shown as they are; a ridge filter's response
is scaled to its own 99.5th percentile, for display only.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

import cv2  # noqa: E402  (thread counts are read at import)
import numpy as np  # noqa: E402
from filter_methods import F32, YARDSTICK, available, filtered, ridge_filters, timed  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import track  # noqa: E402

from usguide._threads import set_opencv_threads  # noqa: E402
from usguide.phantoms import shipped_path  # noqa: E402

PHANTOM, PHANTOM_FRAME = "inplane-fascia", 52
PHANTOM_REGION = (24, 52, 216, 188)
FILE = "biopsy-needle/45.png"
REGION = (368, 111, 647, 590)
MM_PER_PX, TARGET_MM_PER_PX = 0.0593, 0.1
COLUMNS = 5
CAPTION_PX, MARGIN_PX = 24, 6
JPEG_QUALITY = 92
REPEATS = 3


def phantom_frame() -> F32:
    """Return part of a frame of the rendered phantom that ships."""
    with np.load(shipped_path(PHANTOM)) as stored:
        frame = stored["frames"][PHANTOM_FRAME]
    x, y, w, h = PHANTOM_REGION
    return np.asarray(frame[y : y + h, x : x + w], dtype=np.float32)


def read_frame(data: Path) -> F32:
    """Return the frame's image region at 0.1 mm/px; end with a message where it is not there."""
    path = data / FILE
    pixels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) if path.is_file() else None
    if pixels is None:
        sys.exit(f"--data: expected a folder that holds {FILE} (a public recording), found none in {data}")
    x, y, w, h = REGION
    scale = MM_PER_PX / TARGET_MM_PER_PX
    cropped = pixels[y : y + h, x : x + w].astype(np.float32)
    return np.asarray(
        cv2.resize(cropped, (round(w * scale), round(h * scale)), interpolation=cv2.INTER_AREA), np.float32
    )


def shown_response(response: F32) -> F32:
    """Scale a ridge response for display."""
    top = float(np.percentile(response, 99.5))
    return np.asarray(255 * response / top if top > 0 else response, dtype=np.float32)


def tiles() -> Iterator[tuple[str, Callable[[F32], F32], bool]]:
    """Give the caption, the filter and whether it is a ridge filter."""
    yield "unfiltered", np.array, False
    for method in available():
        if method not in ("none", YARDSTICK):
            yield method, partial(filtered, method=method), False
    for title, ridge in ridge_filters().items():
        yield title, ridge, True


def tile(image: F32, caption: str, *, ridge: bool) -> NDArray[np.uint8]:
    """Return a picture with its caption under it."""
    h, w = image.shape
    canvas: NDArray[Any] = np.full((h + CAPTION_PX + MARGIN_PX, w + MARGIN_PX), 255, np.uint8)
    canvas[:h, :w] = np.clip(np.rint(shown_response(image) if ridge else image), 0, 255).astype(np.uint8)
    cv2.putText(canvas, caption, (4, h + 17), cv2.FONT_HERSHEY_SIMPLEX, 0.52, 0, 1, cv2.LINE_AA)
    return canvas


def arranged(pictures: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return the tiles in rows."""
    blank = np.full_like(pictures[0], 255)
    pictures = pictures + [blank] * (-len(pictures) % COLUMNS)
    rows = [np.hstack(pictures[k : k + COLUMNS]) for k in range(0, len(pictures), COLUMNS)]
    return np.asarray(np.vstack(rows), dtype=np.uint8)


def main() -> int:
    """Filter, time and write the picture."""
    folder = os.environ.get("USGUIDE_DATA_DIR")
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="examples:\n  python benchmarks/filters/gallery.py --out gallery.png\n"
        "  python benchmarks/filters/gallery.py --recording --data ~/recordings --times --out gallery.jpg\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help="the picture to write, .png or .jpg")
    parser.add_argument("--recording", action="store_true", help="the recorded frame rather than the rendered one")
    parser.add_argument("--times", action="store_true", help="say in the captions how long each filter takes")
    parser.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        default=Path(folder) if folder else None,
        help="folder of the public recordings, with biopsy-needle in it (default: USGUIDE_DATA_DIR)",
    )
    options = parser.parse_args()
    if options.recording and options.data is None:
        parser.error("--recording: give the folder of the public recordings with --data, or set USGUIDE_DATA_DIR")
    set_opencv_threads(1)
    image, console = read_frame(options.data) if options.recording else phantom_frame(), Console(stderr=True)
    pictures = []
    for title, call, ridge in track(list(tiles()), "filters", console=console, transient=True):
        call(image)  # compile
        result, ms = timed(call, image, repeats=REPEATS)
        caption = f"{title}  {ms:.1f} ms" if options.times and title != "unfiltered" else title
        pictures.append(tile(result, caption, ridge=ridge))
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if options.out.suffix.lower() in (".jpg", ".jpeg") else []
    if not cv2.imwrite(str(options.out), arranged(pictures), quality):
        sys.exit(f"--out: expected a path that can be written, got {options.out}")
    print(f"{options.out}: {len(pictures)} tiles of {image.shape[0]} x {image.shape[1]} px")
    return 0


if __name__ == "__main__":
    sys.exit(main())
