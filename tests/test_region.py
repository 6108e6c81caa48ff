"""The image region found in screens: rendered ones with exact truth, and public recordings read by eye."""

import csv
import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

import usguide as ug
from usguide.errors import InputError, InvalidFrameError
from usguide.geometry import ImageGeometry
from usguide.io.regions import find_in
from usguide.phantoms import PhantomScene, render_phantom
from usguide.region import FanShape, find_region

RNG = np.random.default_rng(8)


def overlap(a, b):
    """Intersection over union of two boxes x, y, w, h."""
    w = max(0, min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]))
    h = max(0, min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]))
    return w * h / (a[2] * a[3] + b[2] * b[3] - w * h)


@pytest.fixture(scope="module")
def linear():
    return render_phantom(replace(PhantomScene(), duration_s=0.2), seed=3).frames


@pytest.fixture(scope="module", params=[0.125, 0.2])
def curvilinear(request):
    scene = PhantomScene(probe="curvilinear", spacing_mm=(request.param, request.param), duration_s=0.2)
    return render_phantom(scene, seed=4)


def screen(picture, at=(210, 90), shape=(600, 800), ground=0):
    """Put a picture into a user interface: words, a ruler, a grey bar, buttons, a logo."""
    out = np.full(shape, ground, np.uint8)
    (x, y), (h, w) = at, picture.shape
    out[y : y + h, x : x + w] = picture
    ink = 20 if ground > 128 else 230
    for k, words in enumerate(("Gain 56", "Depth 36 mm", "MI 0.7 TIS 0.2", "12.0 MHz", "DR 60")):
        cv2.putText(out, words, (600, 110 + 24 * k), cv2.FONT_HERSHEY_SIMPLEX, 0.55, ink, 1, cv2.LINE_AA)
    cv2.putText(out, "General Hospital  16/06 13:37:22", (60, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.6, ink, 1, cv2.LINE_AA)
    for k in range(8):
        out[y + 40 * k, x + w + 12 : x + w + (24 if k % 5 == 0 else 18)] = ink
    out[150:350, 150:166] = np.linspace(255, 0, 200).astype(np.uint8)[:, None]
    for k in range(5):
        cv2.rectangle(out, (40 + 140 * k, 540), (160 + 140 * k, 575), 110, cv2.FILLED)
        cv2.putText(out, f"Button {k}", (50 + 140 * k, 563), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 240, 1, cv2.LINE_AA)
    cv2.circle(out, (60, 90), 28, ink, 3)
    return out


@pytest.mark.parametrize("ground", [0, 60, 128, 255])
def test_a_rectangle_among_words_ruler_and_bars(linear, ground):
    found = find_region([screen(f, ground=ground) for f in linear])
    assert overlap(found.box, (210, 90, 320, 288)) > 0.97
    assert found.fan is None
    assert found.trusted
    assert overlap(find_region(screen(linear[0], ground=ground)).box, (210, 90, 320, 288)) > 0.97


@pytest.mark.parametrize("factor", [0.7, 1.4, 2.5])
def test_the_box_follows_scale_and_mirror(linear, factor):
    picture = screen(linear[0])
    box = find_region(picture).box
    large = cv2.resize(
        picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    )
    assert overlap(find_region(large).box, [v * factor for v in box]) > 0.97
    mirrored = find_region(np.ascontiguousarray(picture[:, ::-1])).box
    assert overlap(mirrored, (800 - box[0] - box[2], *box[1:])) > 0.98


def test_any_kind_of_pixels_gives_the_same(linear):
    picture = screen(linear[0])
    box = find_region(picture).box
    assert find_region(np.repeat(picture[..., None], 3, axis=2)).box == box
    assert find_region(picture.astype(np.uint16) * 257).box == box
    assert find_region(picture / 255.0, full_scale=1.0).box == box
    with pytest.raises(InvalidFrameError, match="full_scale"):
        find_region(picture / 255.0)


def test_nothing_is_changed_and_twice_is_the_same(linear):
    pictures = [screen(f) for f in linear]
    before = [p.copy() for p in pictures]
    assert find_region(pictures) == find_region(pictures)
    assert all(np.array_equal(a, b) for a, b in zip(before, pictures, strict=True))


def test_a_picture_that_is_all_ultrasound_is_the_region(linear):
    found = find_region(list(linear))
    assert found.box == (0, 0, 320, 288)
    assert found.trusted
    assert found.mask((288, 320)).all()


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((300, 400), np.uint8),
        np.full((300, 400), 200, np.uint8),
        np.tile(np.linspace(0, 255, 400).astype(np.uint8), (300, 1)),
        RNG.integers(0, 256, (300, 400)).astype(np.uint8),
        screen(np.zeros((288, 320), np.uint8)),
        data.camera(),
        data.coins(),
        data.grass(),
        data.astronaut(),
        data.coffee(),
        data.checkerboard(),
    ],
    ids=["black", "grey", "ramp", "noise", "words", "camera", "coins", "grass", "astronaut", "coffee", "checkerboard"],
)
def test_without_ultrasound_it_is_no_more_than_a_guess(picture):
    found = find_region(picture)
    assert found is None or found.confidence < 0.5


@pytest.mark.parametrize("ground", [0, 128])
def test_the_fan_of_a_rendered_probe(curvilinear, ground):
    geometry, truth = curvilinear.geometry, curvilinear.geometry.sector
    # Around the fan the screen is black, as scanners leave it.
    for frames, at in (
        (list(curvilinear.frames), (0, 0)),
        ([screen(f, ground=ground) for f in curvilinear.frames], (210, 90)),
    ):
        found = find_region(frames)
        placed = ImageGeometry(
            geometry.axial_mm_per_px,
            geometry.lateral_mm_per_px,
            tuple(-a * s for a, s in zip(at, geometry.spacing_mm, strict=True)),
        )
        sector = found.sector(placed)
        assert found.trusted
        assert np.hypot(*np.subtract(sector.apex_mm, truth.apex_mm)) < 1
        assert np.abs(np.subtract(sector.radius_mm, truth.radius_mm)).max() < 1
        assert np.abs(np.subtract(sector.angle_deg, truth.angle_deg)).max() < 1
        h, w = frames[0].shape
        inside = truth.contains(placed.to_mm(np.stack(np.meshgrid(np.arange(w), np.arange(h)), axis=-1)))
        mask = found.mask((h, w))
        assert np.count_nonzero(mask & inside) > 0.96 * np.count_nonzero(mask | inside)


def test_a_fan_in_mm_by_hand():
    fan = FanShape((100.0, -50.0), (60.0, 200.0), (-45.0, 45.0))
    sector = fan.sector(ImageGeometry(0.1, 0.1, (1.0, 2.0)))
    assert (*sector.apex_mm, *sector.radius_mm, *sector.angle_deg) == pytest.approx((11, -3, 6, 20, -45, 45))
    # Pixels twice as wide open it to atan(2).
    assert fan.sector(ImageGeometry(0.1, 0.2)).angle_deg == pytest.approx((-63.4349, 63.4349), abs=1e-3)
    # Corners at 45 degrees: 100 +- 200 / sqrt(2), and the deepest point at -50 + 200.
    assert fan.box((1000, 1000)) == (0, 0, 242, 151)
    assert fan.scaled(2).apex_px == (200.5, -99.5)


def test_what_is_no_picture_is_refused(linear):
    with pytest.raises(InvalidFrameError, match="at least one"):
        find_region([])
    with pytest.raises(InvalidFrameError, match="one size"):
        find_region([linear[0], linear[0][:100]])
    with pytest.raises(InvalidFrameError):
        find_region(np.zeros((4, 4, 4, 4), np.uint8))


# Sources


def test_auto_takes_what_is_found_and_loses_no_frame(linear):
    stack = np.stack([screen(f) for f in linear])
    with ug.open_source(stack, region="auto", depth_mm=36.0) as source:
        assert source.info.region_source == "found"
        assert overlap(source.info.region, (210, 90, 320, 288)) > 0.97
        assert source.info.geometry.axial_mm_per_px == pytest.approx(36 / source.info.region[3])
        frames = list(source)
    assert [f.index for f in frames] == list(range(len(stack)))
    assert all(np.array_equal(f.pixels, p) for f, p in zip(frames, stack, strict=True))
    with ug.open_source(stack, spacing_mm=0.1) as source:
        assert source.info.region is None  # never guessed unless asked


def test_auto_gives_the_sector_where_mm_are_known(curvilinear):
    spacing = curvilinear.geometry.axial_mm_per_px
    with ug.open_source(np.stack(list(curvilinear.frames)), region="auto", spacing_mm=spacing) as source:
        sector = source.info.geometry.sector
    assert np.hypot(*np.subtract(sector.apex_mm, curvilinear.geometry.sector.apex_mm)) < 1


def test_auto_without_an_image_uses_the_whole_frame_and_says_so():
    with ug.open_source(np.zeros((3, 100, 100), np.uint8), region="auto", spacing_mm=0.1) as source:
        assert source.info.region is None
        assert any("whole frame" in n for n in source.notes)


def test_auto_on_stills_looks_at_each(linear, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), screen(linear[0]))
    cv2.imwrite(str(tmp_path / "b.png"), screen(linear[1], at=(240, 120)))
    with ug.open_source(tmp_path, region="auto", spacing_mm=0.1, stills=True) as source:
        boxes = [f.region for f in source]
    assert overlap(boxes[0], (210, 90, 320, 288)) > 0.97
    assert overlap(boxes[1], (240, 120, 320, 288)) > 0.97


def test_auto_is_refused_for_a_camera():
    with pytest.raises(InputError, match="camera"):
        ug.open_source("camera:0", region="auto", spacing_mm=0.1)


# Recordings

FOLDER = Path(os.environ.get("USGUIDE_DATA_DIR", "") or "/nonexistent")
needs_recordings = pytest.mark.skipif(
    not (FOLDER / "files.csv").is_file(), reason="no recordings: set USGUIDE_DATA_DIR to their folder"
)
# Thresholds were set on these, the others only reported.
TUNED_ON = (
    "biopsy-needle/",
    "plus/Bone",
    "plus/USTC",
    "pocus-phantom/butterfly-ocular",
    "pocus-phantom/sonoque",
    "qa-phantom/",
)
HALVES = {"tuned": True, "held out": False}


def frames_of(path):
    """Up to 8 frames spread over the recording, and whether they were turned upside down."""
    with ug.open_source(path, spacing_mm=0.1) as source:
        frames = [f.pixels for f in source]
        turned = any("MN" in note for note in source.notes)
    return [frames[k] for k in np.unique(np.linspace(0, len(frames) - 1, 8).astype(int))], turned


def score(path, box):
    """Overlap with the box by eye, which is in the rows as they are stored."""
    frames, turned = frames_of(path)
    x, y, w, h = box
    found = find_region(frames)
    return overlap(found.box, (x, frames[0].shape[0] - y - h if turned else y, w, h)) if found is not None else 0.0


def boxes(tuned):
    with (FOLDER / "files.csv").open(newline="", encoding="utf-8") as stream:
        rows = [r for r in csv.DictReader(stream) if r["region"]]
    return [(r["path"], tuple(map(int, r["region"].split()))) for r in rows if r["path"].startswith(TUNED_ON) is tuned]


@needs_recordings
def test_the_first_seconds_that_a_source_looks_at_are_enough():
    moving = [
        (path, box) for half in (True, False) for path, box in boxes(half) if Path(path).suffix in (".mha", ".mp4")
    ]
    assert len(moving) == 5
    for path, (x, y, w, h) in moving:
        with ug.open_source(FOLDER / path, spacing_mm=0.1) as source:
            height, turned = source.info.shape[0], any("MN" in note for note in source.notes)
            found = find_in(source)
        assert overlap(found.box, (x, height - y - h if turned else y, w, h)) >= 0.85, path


@needs_recordings
@pytest.mark.parametrize("half", HALVES)
def test_every_box_that_was_read_by_eye(half):
    scores = {path: score(FOLDER / path, box) for path, box in boxes(HALVES[half])}
    assert len(scores) >= {"tuned": 130, "held out": 80}[half]
    assert {path: round(v, 3) for path, v in scores.items() if v < 0.85} == {}


@needs_recordings
@pytest.mark.parametrize(
    ("name", "angles"),
    [
        ("plus/UltrasonixCurvilinearScanConvertedData.igs.mha", (-75, 75)),
        ("qa-phantom/runB/0000.png", (-36.5, 36.5)),
        ("catheter-insertion/000150.png", (-39, 39)),
    ],
)
def test_fans_of_recordings_open_as_read_by_eye(name, angles):
    found = find_region(frames_of(FOLDER / name)[0])
    assert np.abs(np.subtract(found.fan.angle_deg, angles)).max() < 1
