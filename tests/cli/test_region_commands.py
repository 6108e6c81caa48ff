"""`--roi auto`, what `info` shows of the region, its picture, two points, and what is remembered."""

import json

import cv2
import numpy as np
import pytest
from conftest import needle_picture

from usguide.cli.clicking import click_spacing
from usguide.cli.info import InfoOptions, run_info
from usguide.cli.memory import Remembered, config_folder, forget, memory_file, open_remembered, recall, remember
from usguide.cli.parsing import one_spacing, parse_region, parse_two_points
from usguide.cli.track import TrackOptions, run_track
from usguide.errors import InputError
from usguide.geometry import ImageGeometry
from usguide.types import Frame

BOX = (120, 80, 360, 320)


@pytest.fixture(autouse=True)
def own_config(monkeypatch, tmp_path):
    monkeypatch.setenv("USGUIDE_CONFIG_DIR", str(tmp_path / "config"))


@pytest.fixture
def screens(tmp_path):
    """A recording of a screen: a needle advances in the image, words stand beside it."""
    frames = []
    for k in range(6):
        out = np.zeros((480, 640), np.uint8)
        out[80:400, 120:480] = needle_picture(length_mm=8 + k, seed=k)[0]
        cv2.putText(out, "Depth 32 mm", (500, 120), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 230, 1, cv2.LINE_AA)
        cv2.putText(out, "GENERAL HOSPITAL", (120, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 230, 1, cv2.LINE_AA)
        frames.append(out)
    path = tmp_path / "screen.npz"
    np.savez(path, frames=np.stack(frames))
    return path


def info(path, capsys, **options):
    defaults = {"spacing_mm": None, "depth_mm": None, "region": None, "frame_rate_hz": None, "full_scale": None}
    run_info([str(path)], InfoOptions(**(defaults | {"as_json": True} | options)))
    return json.loads(capsys.readouterr().out)


def near(box):
    return np.abs(np.subtract(box, BOX)).max() <= 4


def test_info_shows_what_auto_would_take_and_uses_it_only_on_request(screens, capsys):
    facts = info(screens, capsys)
    assert facts["region_px (x, y, w, h)"] is None
    assert near(facts["region_looks_like_px (x, y, w, h)"])
    assert any(m.startswith("region: looks like 1") and m.endswith("use --roi auto") for m in facts["missing"])
    facts = info(screens, capsys, region="auto", depth_mm=32.0)
    assert near(facts["region_px (x, y, w, h)"])
    assert facts["region_source"] == "found"
    assert facts["spacing_mm_per_px (axial, lateral)"][0] == pytest.approx(0.1, rel=0.02)


def test_the_picture_shows_box_and_grid(screens, capsys, tmp_path):
    picture = tmp_path / "deep" / "info.png"
    info(screens, capsys, region="auto", spacing_mm=(0.1, 0.1), picture=picture)
    drawn = cv2.imread(str(picture))
    frame = np.load(screens)["frames"][0]
    assert drawn.shape == (480, 640, 3)
    changed = (drawn != frame[..., None]).any(axis=2)
    # The box's edges, 5 mm from its corner the first grid line, and nothing above the box but what was there.
    assert changed[240, 116:125].any()
    assert changed[120:360, 166:175].all(axis=0).any()
    assert not changed[:70].any()
    assert [p.name for p in picture.parent.iterdir()] == ["info.png"]
    with pytest.raises(InputError, match="--picture"):
        info(screens, capsys, picture=tmp_path / "info.txt")


def test_remembered_for_the_file_until_forgotten(screens, capsys):
    info(screens, capsys, region="auto", depth_mm=32.0, remember=True)
    facts = info(screens, capsys)
    assert facts["region_source"] == facts["spacing_source"] == "remembered"
    assert near(facts["region_px (x, y, w, h)"])
    assert facts["spacing_mm_per_px (axial, lateral)"][0] == pytest.approx(0.1, rel=0.02)
    # What is stated goes first.
    assert info(screens, capsys, region=(0, 0, 64, 64))["region_px (x, y, w, h)"] == [0, 0, 64, 64]
    assert info(screens, capsys, forget=True)["region_source"] == "whole frame"
    assert list((config_folder() / "recordings").iterdir()) == []
    with pytest.raises(InputError, match="--remember"):
        info(screens, capsys, remember=True)


def test_memory_is_for_the_file_as_it_was(screens):
    remember(screens, Remembered((1, 2, 30, 40), (0.1, 0.2)))
    assert recall(screens) == (Remembered((1, 2, 30, 40), (0.1, 0.2)), None)
    name = memory_file(screens).name
    assert screens.stem not in name
    screens.write_bytes(screens.read_bytes() + b"more")
    assert recall(screens) == (None, None)
    assert memory_file(screens).name != name
    assert not forget(screens)


@pytest.mark.parametrize(
    "text", ["region = [1, 2", "region = [1, 2, 3]", "region = 'all'", "spacing_mm = [0.1]", "spacing_mm = [0.1, -1.0]"]
)
def test_damaged_memory_is_ignored_with_a_note(screens, text):
    file = remember(screens, Remembered((1, 2, 30, 40)))
    file.write_text(text, encoding="utf-8")
    with open_remembered([str(screens)], require_spacing=False) as source:
        assert source.info.region is None
        assert any("damaged" in n and "--forget" in n for n in source.notes)


def track(path, out, **options):
    defaults = dict.fromkeys(TrackOptions.__dataclass_fields__) | {
        "inputs": (str(path),),
        "out": out,
        "stills": False,
        "threads": 1,
        "video": False,
        "quiet": True,
        "as_json": False,
        "spacing_mm": (0.1, 0.1),
    }
    assert run_track(TrackOptions(**(defaults | options))) == 0
    return json.loads((out / "summary.json").read_text(encoding="utf-8"))["input"]


def test_track_suggests_and_takes_the_region(screens, tmp_path):
    said = track(screens, tmp_path / "a")
    assert said["region_source"] == "whole frame"
    assert any(n.startswith("region: looks like 1") and n.endswith("use --roi auto") for n in said["notes"])
    said = track(screens, tmp_path / "b", region="auto")
    assert said["region_source"] == "found"
    remember(screens, Remembered(BOX))
    assert track(screens, tmp_path / "c")["region_source"] == "remembered"


def test_two_points_by_hand():
    # 300 and 400 px across and down are 500 px.
    assert parse_two_points("100,50:400,450=40") == pytest.approx((0.08, 0.08))
    assert parse_two_points(None) is None
    for text in ("1,2", "1,2:3,4", "1,2=3", "a,2:3,400=5", "1,2:3,400=x", "1,2,3:4,500=5=6"):
        with pytest.raises(InputError, match="--two-points"):
            parse_two_points(text)
    with pytest.raises(InputError, match="10 px"):
        parse_two_points("1,2:3,4=5")
    with pytest.raises(InputError, match="0 mm"):
        parse_two_points("0,0:0,100=0")
    with pytest.raises(InputError, match="several"):
        one_spacing((0.1, 0.1), None, 40.0)


def test_roi_words():
    assert parse_region(" Auto ") == "auto"
    assert parse_region("1,2,3,4") == (1, 2, 3, 4)
    with pytest.raises(InputError, match="auto"):
        parse_region("find")


def test_click_without_a_display_says_what_to_do(monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(InputError, match="--two-points"):
        click_spacing(Frame(np.zeros((100, 100), np.uint8), ImageGeometry(1.0, 1.0)), 10.0)
