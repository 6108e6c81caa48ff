"""Speckle whose statistics are known, with a disc of fluid that grows: what a segmenter is tried on."""

import math

import cv2
import numpy as np

import usguide as ug

SPACING_MM = 0.15
SHAPE = (180, 220)
RATE_HZ = 16.0
TIP_MM = (16.0, 13.0)


def speckle(seed, shape=SHAPE, sigma=(1.0, 2.0)):
    """Envelope of fully developed speckle of unit mean power: the modulus of smoothed complex Gaussian noise."""
    rng = np.random.default_rng(seed)
    field = rng.normal(size=(2, *shape))
    real, imaginary = (cv2.GaussianBlur(f, (0, 0), sigma[1], sigmaY=sigma[0]) for f in field)
    power = real**2 + imaginary**2
    return np.sqrt(power / power.mean())


def grey_of(envelope, gain_db=0.0):
    """60 dB over 255 grey levels, tissue in the middle."""
    return np.clip(130 + 4.25 * (20 * np.log10(np.maximum(envelope, 1e-6)) + gain_db), 0, 255).astype(np.uint8)


def grid_mm(shape=SHAPE, spacing=SPACING_MM):
    z, x = np.mgrid[: shape[0], : shape[1]] * spacing
    return x, z


def disc(centre, radius, shape=SHAPE, spacing=SPACING_MM):
    x, z = grid_mm(shape, spacing)
    return np.hypot(x - centre[0], z - centre[1]) < radius


def radius_mm(time_s, onset_s, rate_mm2_s=15.0):
    return math.sqrt(max(0.0, time_s - onset_s) * rate_mm2_s / math.pi)


def injection(
    seconds=3.0, *, onset_s=1.5, echo=0.1, centre=TIP_MM, seed=1, shift_mm=lambda _t: (0.0, 0.0), gain_db=lambda _t: 0.0
):
    """Frames and true masks of fluid that grows at 15 mm2/s around `centre`; tissue moves by `shift_mm`."""
    tissue, fluid = speckle(seed), speckle(seed + 1000)
    frames, masks = [], []
    for k in range(int(seconds * RATE_HZ)):
        t = k / RATE_HZ
        dx, dz = shift_mm(t)
        move = np.float64([[1, 0, dx / SPACING_MM], [0, 1, dz / SPACING_MM]])
        here = cv2.warpAffine(tissue, move, SHAPE[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        mask = disc((centre[0] + dx, centre[1] + dz), radius_mm(t, onset_s))
        # Half the amplitude is left at the edge, as the point spread leaves it.
        share = cv2.GaussianBlur(mask.astype(np.float64), (0, 0), 1.3)
        envelope = (1 - share) * np.maximum(here, 1e-6) + share * echo * fluid
        frames.append(frame(grey_of(envelope, gain_db(t)), k))
        masks.append(mask)
    return frames, np.array(masks)


def frame(pixels, k, spacing=SPACING_MM):
    return ug.Frame(pixels, ug.ImageGeometry(spacing, spacing), timestamp_s=k / RATE_HZ, index=k)


def track(tip=TIP_MM, entry=(0.0, 4.0), state=ug.TrackState.TRACKING):
    end = ug.Tip(tip, ((0.05, 0.0), (0.0, 0.05)), 0.9)
    return ug.NeedleTrack(1, state, ug.Shaft(entry, tip, 5.0), end, 0.0, 0.9, 1.0, 1.0, 0.0)


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / max(1, np.count_nonzero(a) + np.count_nonzero(b))
