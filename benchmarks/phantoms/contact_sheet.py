"""Rendered frames beside real ones of the same kind, and needles rendered onto real anatomy, on one sheet to look at.

    python benchmarks/phantoms/contact_sheet.py --out sheet.png [--recordings DIR] [--seed N]

DIR (by default `USGUIDE_DATA_DIR`) holds the public recordings; without it only what is rendered is shown. Only stills
of the `tune` half are used. The sheet shows recordings and is not for the repository.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.phantoms import (
    Background,
    InjectateScene,
    NeedleScene,
    PhantomScene,
    anatomy_scene,
    picture_box,
    render_phantom,
)

U8 = NDArray[np.uint8]
Tile = tuple[str, U8]
TILE_PX = (440, 400)
CAPTION_PX = 22
COLUMNS = 4
STILL_MM = 0.075  # assumed: the stills state none
STILLS = ("0022", "0090", "0058")
HELD = ((0.0, 24.0), (9.0, 24.0))


def framed(tile: Tile) -> U8:
    """Fit a picture into a tile, under its caption."""
    caption, picture = tile
    width, height = TILE_PX
    scale = min(width / picture.shape[1], height / picture.shape[0])
    size = max(1, int(picture.shape[1] * scale)), max(1, int(picture.shape[0] * scale))
    sheet = np.full((height + CAPTION_PX, width), 40, np.uint8)
    sheet[CAPTION_PX : CAPTION_PX + size[1], : size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
    cv2.putText(sheet, caption, (4, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, 230, 1, cv2.LINE_AA)
    return sheet


def picture(path: Path, box: tuple[int, int, int, int] | None = None) -> U8:
    """Read a picture, or the part of it that is not border."""
    pixels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if pixels is None:
        sys.exit(f"--recordings: expected a folder that holds {path.parent.name}/{path.name}, found none")
    grey = np.asarray(pixels, np.uint8)
    x, y, w, h = box or picture_box(grey)
    return np.ascontiguousarray(grey[y : y + h, x : x + w])


def sequence(path: Path, box: tuple[int, int, int, int]) -> U8:
    """Read the frames of a sequence file (MetaImage, 8 bit, top row first after turning) and cut out a box."""
    data = path.read_bytes()
    start = data.index(b"ElementDataFile = LOCAL") + len(b"ElementDataFile = LOCAL")
    start = data.index(b"\n", start) + 1
    header = data[:start].decode("latin-1")
    size = re.search(r"^DimSize = +(\d+) +(\d+) +(\d+)", header, re.MULTILINE)
    if size is None:
        sys.exit(f"{path.name}: expected DimSize with three numbers in its header")
    raw = zlib.decompress(data[start:]) if re.search(r"^CompressedData = True", header, re.MULTILINE) else data[start:]
    width, height, count = (int(n) for n in size.groups())
    frames = np.frombuffer(raw, np.uint8, width * height * count).reshape(count, height, width)
    x, y, w, h = box
    return np.ascontiguousarray(frames[:, y : y + h, x : x + w])


def last_frame(caption: str, scene: PhantomScene, seed: int, background: Background | None = None) -> Tile:
    """Render a scene and show its last frame, with the needle's measured visibility."""
    phantom = render_phantom(scene, seed=seed, background=background)
    seen = phantom.truth.visibility_db[-1]
    return caption if np.isnan(seen) else f"{caption}, {seen:.1f} dB", phantom.frames[-1]


def rendered_tiles(seed: int) -> list[list[Tile]]:
    """Return rendered frames of three kinds: a bright needle, tissue alone, a curvilinear probe."""
    needle = NeedleScene(
        angle_deg=30,
        brightness=8.0,
        gap_share=0.1,
        advance=HELD,
        diameter_mm=1.2,
        haze=0.1,
        penumbra=0.12,
        unevenness=1.3,
    )
    needle = replace(needle, ring_down=0.2, comet_tail=0.3)
    still = PhantomScene(shape=(400, 440), spacing_mm=(0.09, 0.09), duration_s=0.1, needle=needle, injectate=None)
    fan = replace(
        still,
        shape=(400, 480),
        spacing_mm=(0.2, 0.2),
        probe="curvilinear",
        needle=replace(needle, entry_mm=(14.0, 8.0), angle_deg=35, advance=((0.0, 40.0), (9.0, 40.0))),
    )
    alone = replace(still, needle=None)
    return [
        [
            last_frame("rendered: reference", still, seed),
            last_frame("rendered: random", replace(still, layout="random"), seed + 5),
        ],
        [last_frame(f"rendered: tissue, seed {s}", replace(alone, layout="random"), s) for s in (seed, seed + 1)],
        [
            last_frame("rendered: curvilinear, needle", fan, seed),
            last_frame("rendered: curvilinear", replace(fan, needle=None, layout="random"), seed + 1),
        ],
    ]


def real_tiles(folder: Path) -> list[list[Tile]]:
    """Return real frames of the same kinds."""
    biopsy = [
        (f"real: biopsy needle {k}", picture(folder / f"biopsy-needle/{k}.png", (368, 111, 647, 590))) for k in (45, 69)
    ]
    stills = [(f"real: nerve block {k}", picture(folder / f"nerve-block-anatomy/images/{k}.png")) for k in STILLS[:2]]
    fan = sequence(folder / "plus/UltrasonixCurvilinearScanConvertedData.igs.mha", (0, 0, 820, 565))
    curvilinear = [
        ("real: curvilinear (plus)", fan[0]),
        ("real: curvilinear (qa phantom)", picture(folder / "qa-phantom/runB/0060.png", (0, 43, 471, 319))),
    ]
    return [biopsy, stills, curvilinear]


def anatomy_tiles(folder: Path, seed: int) -> list[list[Tile]]:
    """Return needles and injectate rendered onto real anatomy, a row for each background."""
    backgrounds = [
        Background(
            picture(folder / f"nerve-block-anatomy/images/{k}.png")[None],
            (STILL_MM, STILL_MM),
            name=f"still {k}",
            split="tune",
        )
        for k in STILLS
    ]
    # The probe's cover and the corners outside the beams are left out.
    bone = sequence(folder / "plus/BoneUltrasound_L14.igs.mha", (186, 20, 447, 500))
    backgrounds.append(Background(bone, (0.0854, 0.0854), name="bone (plus)", frame_rate_hz=10.0))
    rows = []
    for background in backgrounds:
        needle = NeedleScene(
            entry_mm=(0.0, 5.0), angle_deg=28, brightness=11.0, advance=HELD, haze=0.1, penumbra=0.12, unevenness=1.3
        )
        scene = anatomy_scene(background, duration_s=1.5, frame_rate_hz=10.0, needle=needle, injectate=None)
        faint = replace(scene, needle=replace(needle, brightness=5.0), entry_side="right")
        fluid = replace(scene, injectate=InjectateScene(onset_s=0.3, area_rate_mm2_s=22.0))
        rows.append(
            [
                (f"real: {background.name}", background.frames[0]),
                last_frame(f"on {background.name}: needle", scene, seed, background),
                last_frame(f"on {background.name}: faint, right", faint, seed, background),
                last_frame(f"on {background.name}: injectate", fluid, seed, background),
            ]
        )
    return rows


def main() -> None:
    """Render, lay out, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recordings", type=Path, default=os.environ.get("USGUIDE_DATA_DIR"))
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args()
    rows = rendered_tiles(options.seed)
    if options.recordings is None:
        print("no recordings: real frames and real anatomy are left out")
    else:
        rows = [a + b for a, b in zip(real_tiles(options.recordings), rows, strict=True)]
        rows += anatomy_tiles(options.recordings, options.seed)
    blank = ("", np.full((8, 8), 40, np.uint8))
    sheet = np.vstack([np.hstack([framed(t) for t in (row + [blank] * COLUMNS)[:COLUMNS]]) for row in rows])
    temporary = options.out.with_name(f".{options.out.stem}.part{options.out.suffix}")
    if not cv2.imwrite(str(temporary), sheet):
        sys.exit(f"--out: expected a folder that exists and a .png or .jpg, got {options.out}")
    temporary.replace(options.out)
    print(f"{options.out}: {len(rows)} rows")


if __name__ == "__main__":
    main()
