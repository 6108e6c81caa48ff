"""Real anatomy as a backdrop: a needle-free still or recording that is moved, with its echo given back as amplitudes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide._validation import validate_point, validate_positive
from usguide.errors import InputError
from usguide.geometry import Point
from usguide.intensity import DB_PER_NEPER, log_compress
from usguide.phantoms.grid import C64, F32, Grid
from usguide.phantoms.motion import origins
from usguide.phantoms.outlines import TARGET
from usguide.phantoms.scene import PhantomScene
from usguide.phantoms.speckle import LINEAR_SPREAD, blur, speckle

SPLITS = ("", "tune", "test")
CLUTTER_SHARE, NOISE_SHARE = 0.65, 0.15
"""Over the amplitude of what is darkest at a depth (its dimmest twentieth): what fluid and shadow can't go under."""
LOSS_SHARE = 0.6
"""How much of the large dark and bright areas (in dB) is taken for sound lost on the way, which dims the needle too."""
_LOSS_MM = 4.0
_LOOKS = 4
_CHANGING = 3
_EDGE = (24, 24)
_SPARE_MM = 0.3  # the needle drags tissue by less
_BLACK = 12


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """A needle-free still (one frame) or recording to render a needle and injectate onto.

    Parameters
    ----------
    frames : ndarray of uint8, shape (N, H, W)
        Grey levels of the picture alone: no border, no text, nothing outside the beams (`picture_box`). A rectangle from
        within a fan may be given; its beams are then taken for parallel.
    spacing_mm : (float, float)
        (axial, lateral) mm per px. Where it is assumed, figures in mm on the result are too.
    name : str
        Where it comes from.
    split : {"", "tune", "test"}
        Which share of the recordings it belongs to; written with the rendered phantom.
    frame_rate_hz : float
        Of the recording; it is shown to and fro where the scene lasts longer.
    dynamic_range_db : float
        What 0 to 255 is taken to stand for. It can't be read off a still whose speckle the scanner has smoothed.
    target_mm : (float, float), optional
        (lateral, axial) of the injection's target, from the centre of the first pixel.
    """

    frames: NDArray[np.uint8]
    spacing_mm: tuple[float, float]
    name: str = ""
    split: str = ""
    frame_rate_hz: float = 20.0
    dynamic_range_db: float = 60.0
    target_mm: Point | None = None

    def __post_init__(self) -> None:
        f = self.frames
        if f.ndim != 3 or f.dtype != np.uint8 or min(f.shape[1:], default=0) < 32 or len(f) == 0:
            raise InputError(f"frames: expected uint8 of shape (N, H, W), 32 x 32 px or more, got {f.dtype} {f.shape}")
        for value in (*self.spacing_mm, self.frame_rate_hz, self.dynamic_range_db):
            validate_positive(value, name="spacing_mm, frame_rate_hz and dynamic_range_db")
        if self.split not in SPLITS:
            raise InputError(f"split: expected tune, test or nothing, got {self.split!r}")
        if self.target_mm is not None:
            validate_point(self.target_mm, name="target_mm")
        if (f >= _BLACK).mean() < 0.05:
            raise InputError(f"frames: expected a picture, got one that is black ({self.name or 'unnamed'})")

    @property
    def size_mm(self) -> tuple[float, float]:
        """(axial, lateral) distance between the outermost pixel centres."""
        h, w = self.frames.shape[1:]
        return (h - 1) * self.spacing_mm[0], (w - 1) * self.spacing_mm[1]


def picture_box(pixels: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Return (x, y, w, h) of what is not a black border: rows and columns of which a tenth is not black.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (H, W)

    Returns
    -------
    tuple of int
        The whole picture where all of it is black.
    """
    lit = pixels >= _BLACK
    rows, columns = (np.nonzero(lit.mean(axis=a) > 0.1)[0] for a in (1, 0))
    if rows.size == 0 or columns.size == 0:
        return 0, 0, pixels.shape[1], pixels.shape[0]
    x, y = int(columns[0]), int(rows[0])
    return x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1


def margins_mm(scene: PhantomScene, background: Background) -> tuple[float, float, float, float]:
    """Return (left, right, top, bottom): what motion may bring into view, for a needle from the left."""
    rows, columns = _EDGE
    (height, width), (dz, dx) = background.size_mm, scene.spacing_mm
    whole = replace(scene, shape=(math.floor(height / dz) + 1, math.floor(width / dx) + 1))
    grid = Grid(_EDGE, (height / (rows - 1), width / (columns - 1)))
    out = np.full(4, _SPARE_MM)
    for k in range(scene.frame_count):
        column, row = origins(whole, grid, k / scene.frame_rate_hz, None, None)
        sideways = column[:, 0].min(), column[:, -1].max() - (columns - 1)
        down = row[0].min(), row[-1].max() - (rows - 1)
        beyond = np.array([-sideways[0], sideways[1], -down[0], down[1]])
        out = np.maximum(out, _SPARE_MM + beyond * np.repeat(grid.spacing_mm[::-1], 2))
    left, right, top, bottom = (float(v) for v in out)
    return left, right, top, bottom


def anatomy_scene(background: Background, *, spacing_mm: float = 0.1, **changes: Any) -> PhantomScene:
    """Return a scene that shows as much of a background as motion leaves.

    Parameters
    ----------
    background : Background
    spacing_mm : float
        Of the rendered picture, both ways.
    **changes
        Other fields of `PhantomScene`; `shape`, `spacing_mm`, `structures` and `probe` follow from the background.

    Returns
    -------
    PhantomScene

    Raises
    ------
    InputError
        The background is too small for the motion asked for.
    """
    step = validate_positive(spacing_mm, name="spacing_mm")
    fixed: dict[str, Any] = {"structures": (), "probe": "linear", "spacing_mm": (step, step)}
    # A still is compounded already: several looks keep a needle from interfering with it as if it were not.
    changes = {"looks": _LOOKS, "attenuation_db_per_mm": 0.0, **changes, **fixed}
    scene = PhantomScene(**{**changes, "shape": (32, 32)})
    left, right, top, bottom = margins_mm(scene, background)
    height, width = background.size_mm[0] - top - bottom, background.size_mm[1] - left - right
    shape = math.floor(height / step + 1e-6) + 1, math.floor(width / step + 1e-6) + 1
    if min(shape) < 32:
        raise InputError(
            f"background: expected 32 x 32 px of {step} mm or more beside what motion takes, got {shape[0]} x {shape[1]}"
        )
    return replace(scene, shape=shape)


class Anatomy:
    """A background, seen through a scene's view: `Backdrop`, and the grey levels that belong to it.

    The grey levels are carried by the motion and turned into amplitudes (1 is the tissue's median) with a random phase
    as fine as the point-spread function, so that needle, fluid and noise add to them as echoes do. At rest, and without
    any of these, the picture is the background's own. Its speckle is baked in; a small texture changes with time.

    Parameters
    ----------
    background : Background
    scene : PhantomScene
        From `anatomy_scene`.
    seed : int

    Raises
    ------
    InputError
        The scene does not fit the background.
    """

    haze: list[C64]
    outlines_mm: dict[str, NDArray[np.float64]]

    def __init__(self, background: Background, scene: PhantomScene, seed: int) -> None:
        if scene.probe != "linear" or scene.structures:
            raise InputError("scene: expected a linear probe and no structures on real anatomy, use anatomy_scene")
        if scene.hand is not None and (scene.hand.sweep or scene.hand.lift_off):
            raise InputError(
                "hand: expected neither sweep nor lift-off on real anatomy, got one; only a slide is known"
            )
        self._background, self._scene = background, scene
        self._mirror = scene.entry_side == "right"
        self._rng = np.random.default_rng([seed, 4])
        self.dynamic_range_db = background.dynamic_range_db
        self.grid = Grid(scene.shape, scene.spacing_mm)
        left, _, top, _ = margins_mm(scene, background)
        steps = scene.spacing_mm
        # Whole pixels, so that at rest nothing is interpolated.
        self._first = round(top / steps[0]), round(left / steps[1])
        self._shape = tuple(int(s / d + 1e-6) + 1 for s, d in zip(background.size_mm, steps, strict=True))
        if any(a + n > whole for a, n, whole in zip(self._first, scene.shape, self._shape, strict=True)):
            raise InputError(f"scene: expected at most what {background.name or 'the background'} shows, got more")
        self.outlines_mm = self._target_outline()
        self._shown = 0
        self._grey = self._resampled(0)
        whole = Grid((self._shape[0], self._shape[1]), steps)
        ones = np.ones(whole.shape, np.float32)
        some = np.linspace(0, len(background.frames) - 1, min(8, len(background.frames))).round().astype(int)
        frames = np.stack([self._resampled(int(k)) for k in some])
        mean = np.asarray(frames.mean(axis=0), np.float32)
        tissue = float(np.median(mean[mean >= _BLACK]))
        self._neper = np.float32(self.dynamic_range_db / DB_PER_NEPER / 255)
        self._tissue = np.float32(tissue)
        large = blur(mean, *(_LOSS_MM / d for d in steps)) - self._tissue
        loss = np.exp(np.float32(LOSS_SHARE) * self._neper * large).clip(0.1, 1.5)
        self._gain = self._in_view(loss)
        even = blur(self._in_view(frames.min(axis=0)), *(0.3 / d for d in steps))
        darkest = blur(np.percentile(even, 5, axis=1).astype(np.float32)[:, None], _LOSS_MM / 2 / steps[0], 0.0)
        # The picture's own noise and clutter are taken off its echo and added anew, where fluid and shadow do not reach.
        self._darkest = np.exp(self._neper * (darkest - self._tissue))
        cloudy = 1 + np.float32(0.3) * self._in_view(speckle(self._rng, whole, ones, LINEAR_SPREAD).real)
        self._clutter = np.float32(CLUTTER_SHARE) * self._darkest * cloudy
        self._floor_power = (CLUTTER_SHARE**2 + NOISE_SHARE**2) * self._darkest**2
        fields = (speckle(self._rng, whole, ones, LINEAR_SPREAD) for _ in range(scene.looks))
        self._phases = [f / np.maximum(np.abs(f), np.float32(1e-12)) for f in fields]
        self._moved = [self._in_view(p) for p in self._phases]
        self.haze = [self._in_view(speckle(self._rng, whole, ones, LINEAR_SPREAD)) for _ in range(scene.looks)]
        changing = [speckle(self._rng, whole, ones, LINEAR_SPREAD).real for _ in range(_CHANGING)]
        contrast = math.sqrt(2 * scene.decorrelation) * _speckle_contrast(mean, steps)
        self._changing = [np.float32(contrast) * c for c in changing]
        self._weights = self._rng.standard_normal(_CHANGING)
        self._time_s: float | None = None

    def _resampled(self, index: int) -> F32:
        """One frame of the background at the scene's spacing, a needle from the left."""
        frame = self._background.frames[index].astype(np.float32)
        if self._mirror:
            frame = frame[:, ::-1]
        ratio = [new / old for new, old in zip(self._scene.spacing_mm, self._background.spacing_mm, strict=True)]
        # Coarser pixels: what they can't show is smoothed away first.
        frame = blur(frame, *(0.4 * math.sqrt(max(r * r - 1, 0.0)) for r in ratio))
        rows, columns = (np.arange(n, dtype=np.float32) * r for n, r in zip(self._shape, ratio, strict=True))
        at = np.meshgrid(columns.astype(np.float32), rows.astype(np.float32))
        return np.asarray(cv2.remap(frame, at[0], at[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE))

    def _in_view(self, whole: Any) -> Any:
        (row, column), (h, w) = self._first, self._scene.shape
        return np.ascontiguousarray(whole[row : row + h, column : column + w])

    def _target_outline(self) -> dict[str, NDArray[np.float64]]:
        """Return the target at rest, if the background has one, in the picture's mm, for a needle from the left."""
        if self._background.target_mm is None:
            return {}
        x, z = self._background.target_mm
        if self._mirror:
            x = self._background.size_mm[1] - x
        corner = self._first[1] * self._scene.spacing_mm[1], self._first[0] * self._scene.spacing_mm[0]
        return {TARGET: np.array([[x - corner[0], z - corner[1]]])}

    def gain(self) -> F32:
        """Return what is taken for sound lost on the way: slow in space, still with the probe."""
        gain: F32 = self._gain
        return gain

    def step(self, time_s: float) -> None:
        """Show the recording's frame of this moment, and let the texture's weights wander."""
        if self._time_s is not None:
            keep = math.exp(-(time_s - self._time_s))
            new = self._rng.standard_normal(_CHANGING)
            self._weights = keep * self._weights + math.sqrt(1 - keep**2) * new
        self._time_s = time_s
        last = len(self._background.frames) - 1
        index = int(time_s * self._background.frame_rate_hz + 1e-6) % max(2 * last, 1)
        index = min(index, 2 * last - index)
        if index != self._shown:
            self._shown, self._grey = index, self._resampled(index)

    def echoes(self, origins: tuple[F32, F32]) -> Iterator[C64]:
        """Give each look's echo, before gain: the same amplitude, phases of their own."""
        texture = sum(np.float32(w) * c for w, c in zip(self._unit_weights(), self._changing, strict=True))
        grey = self._grey + texture * np.minimum(self._grey, 24) / 24
        columns, rows = origins[0] + np.float32(self._first[1]), origins[1] + np.float32(self._first[0])
        # Grey levels and not amplitudes are interpolated: beside a bright line those would overshoot below nothing.
        carried = cv2.remap(grey, columns, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        power = np.exp(2 * self._neper * (carried - self._tissue))
        amplitude = np.sqrt(np.maximum(power - self._floor_power, np.float32(0.01) * power)) / self._gain
        for look, phase in enumerate(self._phases):
            both = phase.view(np.float32).reshape(*phase.shape, 2)
            # The nearest phase: between two of them the amplitude would dip.
            moved = cv2.remap(both, columns, rows, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
            self._moved[look] = np.ascontiguousarray(moved).view(np.complex64)[..., 0]
            yield self._moved[look] * amplitude

    def _unit_weights(self) -> NDArray[np.float64]:
        return np.asarray(self._weights / np.sqrt((self._weights**2).sum()))

    def noise(self, look: int) -> C64:
        """Noise, a field of speckle, each time taken from another place; and clutter.

        Clutter is a quarter turn from the echo of the moment, so that it adds its power and no texture of its own:
        the texture of both is in the background already.
        """
        shift = self._rng.integers(0, self.haze[look].shape)
        rolled = np.roll(self.haze[look], (int(shift[0]), int(shift[1])), axis=(0, 1))
        noise = np.float32(NOISE_SHARE) * self._darkest * rolled
        return np.asarray(noise + np.complex64(1j) * self._clutter * self._moved[look])

    def picture(self, envelope: F32, gain_db: float = 0.0) -> NDArray[np.uint8]:
        """Return an envelope in the grey levels of the background."""
        white = math.exp(float(self._neper) * (255 - float(self._tissue)) - gain_db / DB_PER_NEPER)
        grey = log_compress(envelope, dynamic_range_db=self.dynamic_range_db, reference=white)
        return np.asarray(np.rint(grey), dtype=np.uint8)


def _speckle_contrast(grey: F32, spacing_mm: tuple[float, float]) -> float:
    """Measure fine grey-level texture where tissue is even: standard deviation, lower quartile over the picture."""
    sigmas = [0.6 / d for d in spacing_mm]
    fine = grey - blur(grey, *sigmas)
    local = np.sqrt(blur(fine * fine, *sigmas))
    return float(np.percentile(local[grey >= _BLACK], 25))
