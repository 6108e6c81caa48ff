"""Tools in fluid-filled tubes below a curved probe, to be enlarged: thicker than needles in tissue, and deeper."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from usguide.bench import phantom_suite
from usguide.bench.sequences import Rendered
from usguide.bench.sequences import Sequence as Recording
from usguide.phantoms import NeedleScene, PhantomScene, ScannerScene
from usguide.phantoms.grid import picture_geometry
from usguide.phantoms.layout import Layout, Sheet
from usguide.phantoms.layouts import random_layout

SEED, COUNT, FREE_EVERY = 701, 72, 6
"""First seed; how many there are; every so many are without a tool."""
COURSES = ("advance", "pause", "present", "jiggle", "advance", "withdraw")
HANDS = ("still", "still", "slide", "sweep")
TRIES = 2000
TUBE = "a tube"


def tubes() -> Iterator[Recording]:
    """Give tuning sequences of tools in tubes, and of tubes alone."""
    for k in range(COUNT):
        made = _tube(k)
        if made is not None:
            yield made


def _tube(k: int) -> Recording | None:
    seed = SEED + k
    rng = np.random.default_rng([seed, 77])
    side, hand, course = ("left", "right")[k % 2], HANDS[k // 2 % len(HANDS)], COURSES[k % len(COURSES)]
    deep = float(rng.uniform(40, 58))
    scene = PhantomScene(
        shape=(round(deep / 0.13), round(1.5 * deep / 0.13)),
        spacing_mm=(0.13, 0.13),
        frame_rate_hz=phantom_suite.RATE_HZ,
        duration_s=5.0,
        probe="curvilinear",
        probe_radius_mm=float(rng.uniform(15, 35)),
        fan_deg=float(rng.uniform(40, 58)),
        needle=None,
        injectate=None,
        entry_side=side,
        structures=(("fascia", "shading"), ("fascia", "striation", "skin", "shading"))[int(rng.integers(2))],
        decorrelation=float(rng.uniform(0.05, 0.5)),
        layout="random",
        scanner=ScannerScene(gain=((0.0, float(rng.uniform(-20, 0))),)),
    )
    scene = replace(scene, hand=phantom_suite.hand_scene(hand, scene.duration_s, rng))
    scene = replace(scene, layout=_layout(scene, seed, rng))
    free = k % FREE_EVERY == FREE_EVERY - 1
    tags = {"needle": "no" if free else "yes", "probe": scene.probe, "probe motion": hand, "event": TUBE}
    if not free:
        needle = _tool(scene, course, rng)
        if needle is None:
            return None
        scene = replace(scene, needle=needle)
        tags |= {"course": course, "visibility aimed at": "tube"}
    return Recording(f"tube-{k:02d}", "phantom", "tune", phantom_suite.prior_of(side), Rendered(scene, seed), tags)


def _layout(scene: PhantomScene, seed: int, rng: np.random.Generator) -> Layout:
    """Lay a near and a far wall, with fluid between and water or tissue above."""
    height, width = scene.size_mm
    radius, middle, slope = rng.uniform(0.06, 0.16) * height, rng.uniform(0.45, 0.75) * height, rng.uniform(-9, 9)
    ends = -0.2 * width, 1.2 * width
    walls = [
        Sheet(middle + way * radius, slope + rng.normal(0, 2), rng.uniform(0.8, 2.0), *ends, rng.normal(0, 0.002))
        for way in (-1, 1, 1.25)
    ]
    drawn = random_layout(replace(scene, layout="random"), seed)
    above = [s for s in drawn.sheets if s.depth_mm < middle - 1.4 * radius][:2] if rng.uniform() < 0.5 else []
    fluid = float(rng.uniform(0.02, 0.12))
    over = fluid if not above else float(rng.uniform(0.2, 0.6))
    crossing = sum(s.start_mm < 0 and s.stop_mm > width for s in above)
    layers = (*([over] * (1 + crossing)), fluid, *rng.uniform(0.3, 0.8, 6))
    return replace(
        drawn,
        sheets=(*walls, *above),
        layers=layers,
        plane_strength=0.0,
        broken=float(rng.uniform(0, 0.6)),
        streaks=float(rng.uniform(0, 0.2)),
        patches=float(rng.uniform(0.1, 0.5)),
    )


def _tool(scene: PhantomScene, course: str, rng: np.random.Generator) -> NeedleScene | None:
    """Place a tool that comes in through the fan's left side and ends between the walls."""
    height, width = scene.size_mm
    sector, layout = picture_geometry(scene).sector, scene.layout
    if sector is None or not isinstance(layout, Layout):
        raise AssertionError("tubes: expected a fan and a layout")
    near, far = layout.sheets[:2]
    for _ in range(TRIES):
        x, share, angle = rng.uniform(0.2, 0.75) * width, rng.uniform(0.15, 0.9), float(rng.uniform(6, 40))
        top, bottom = (float(s.line_mm(np.array([x]), 0.5 * width)[0]) for s in (near, far))
        tip = (x, top + share * (bottom - top))
        bend = float(rng.choice([0.0, 0.0, -0.003, 0.003]))
        pose = phantom_suite._pose_to(tip, angle, bend, 80.0)  # noqa: SLF001  (as the suite's needles are placed)
        points = pose.points_mm(np.arange(0.0, 80.05, 0.1))
        inside = ((points >= 0) & (points <= (width, height))).all(axis=1) & sector.contains(points)
        if not inside[-1]:
            continue
        first = len(inside) - int(np.argmin(inside[::-1]))
        visible_mm = (len(inside) - 1 - first) * 0.1
        from_side = sector.to_polar(points[first])[1] < sector.angle_deg[0] + 1.5
        if not from_side or not 12 <= visible_mm <= 40:
            continue
        row = phantom_suite.Row("tool", angle, "easy", "left", "curvilinear", "still", bend, "none", course, "plain")
        needle = phantom_suite._needle_of(row, scene.duration_s, pose, visible_mm, float(rng.uniform(0.6, 1.4)))  # noqa: SLF001
        return replace(
            needle,
            brightness=float(math.exp(rng.uniform(math.log(2.0), math.log(20.0)))),
            shadow=float(rng.uniform(0, 0.3)),
            unevenness=float(rng.uniform(0.4, 1.3)),
            gap_share=float(rng.uniform(0, 0.25)),
        )
    return None
