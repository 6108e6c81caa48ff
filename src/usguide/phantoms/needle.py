"""The needle's echo, exact below a pixel: a line with the point-spread function's profile."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from usguide.phantoms.grid import C64, F32, Grid
from usguide.phantoms.pose import NeedlePose
from usguide.phantoms.scene import NeedleScene
from usguide.phantoms.speckle import PointSpread, noise_along

PROFILE_STEP_MM = 0.1
_PROFILE_COUNT = 1500


def shaft_profile(rng: np.random.Generator, gap_share: float, looks: int) -> list[NDArray[np.complex128]]:
    """Reflectivity along the shaft from the tip, for each look: it travels with the needle.

    Gaps are the needle's own; its fine roughness and phase are not the same from every direction.
    """
    at = np.arange(_PROFILE_COUNT, dtype=np.float32) * np.float32(PROFILE_STEP_MM)
    slow = np.exp(0.3 * noise_along(rng, at, 2.5))
    gaps = noise_along(rng, at, 1.2)
    weak = 1 / (1 + np.exp(np.clip((gaps - np.quantile(gaps, gap_share)) / 0.08, -40, 40)))
    weak *= at > 1.2  # the bevel reflects whatever the shaft does
    shared = slow * (1 - 0.85 * weak if gap_share > 0 else 1)
    profiles = []
    for _ in range(looks):
        rough = np.exp(0.35 * noise_along(rng, at, 0.3))
        phase = 1.4 * noise_along(rng, at, 0.5)
        profiles.append(np.asarray(shared * rough * np.exp(1j * phase), dtype=np.complex128))
    return profiles


def needle_echo(
    grid: Grid,
    psf: PointSpread,
    scene: NeedleScene,
    pose: NeedlePose,
    profiles: list[NDArray[np.complex128]],
    haze: list[C64],
) -> tuple[slice, list[C64], F32]:
    """Echo of the needle for each look, and the share of sound that passes it, on the rows it touches.

    Parameters
    ----------
    grid, psf, scene, pose
    profiles : list of ndarray
        From `shaft_profile`.
    haze : list of ndarray
        Speckle of unit power for each look: multiple echoes below the shaft lose their phase.

    Returns
    -------
    rows : slice
        The rows of the grid that the rest is for.
    echo : list of ndarray
    passes : ndarray
        0..1.
    """
    along, across = pose.axes(grid.x_mm, grid.z_mm)
    touched = np.nonzero(((np.abs(across + 2) < 6) & (along < pose.length_mm + 3)).any(axis=1))[0]
    # From the first row that it touches to the last of all, which its shadow reaches.
    rows = slice(int(touched[0]) if touched.size else grid.shape[0] - 1, grid.shape[0])
    along, across = along[rows], across[rows]
    incidence = np.radians(pose.angle_deg) + grid.tilt_rad  # between the shaft and the wave front
    c, s = np.cos(incidence), np.sin(incidence)
    lateral = psf.lateral_at(grid.depth_mm[rows])
    sigma_across = np.sqrt((0.13 * scene.diameter_mm) ** 2 + (psf.axial_mm * c) ** 2 + (lateral * s) ** 2)
    sigma_along = np.hypot(psf.axial_mm * s, lateral * c)
    # Sound that meets the shaft aslant is reflected away from the probe.
    law = 0.3 + 0.7 * np.exp(-((np.degrees(incidence) / 40.0) ** 2))
    inside = ndtr((pose.length_mm - along) / sigma_along)
    core = np.exp(-0.5 * (across / sigma_across) ** 2)
    side_lobes = 0.06 * np.exp(-0.5 * (across / (3.0 * sigma_across)) ** 2)
    line = law * inside * (core + side_lobes)
    for k in (1, 2, 3):  # reverberation within the tube
        shifted = (across - k * 1.05 * scene.diameter_mm) / (1.1 * sigma_across)
        line += 0.16 * 0.5**k * law * inside * np.exp(-0.5 * shifted**2)
    bevel = 0.7 * np.exp(-0.5 * (((along - pose.length_mm + 0.35) / 0.3) ** 2 + (across / (1.15 * sigma_across)) ** 2))
    below = ndtr(across / 0.25)
    trail = 0.06 * law * inside * below * np.exp(-np.maximum(across, 0) / 1.6)
    from_tip = np.clip((pose.length_mm - along) / PROFILE_STEP_MM, 0, _PROFILE_COUNT - 1)
    knots = np.arange(_PROFILE_COUNT)
    echo = []
    for profile, speckled in zip(profiles, haze, strict=True):
        reflect = np.interp(from_tip, knots, profile.real) + 1j * np.interp(from_tip, knots, profile.imag)
        whole = scene.brightness * (line * reflect + bevel * profile[3] / abs(profile[3]) + trail * speckled[rows])
        echo.append(whole.astype(np.complex64))
    # A shadow falls along the beams: it ends at the one that meets the tip.
    tip_x, tip_z = pose.point_mm(pose.length_mm)
    tip_beam = grid.to_index(np.full((1, 1), tip_x, np.float32), np.full((1, 1), tip_z, np.float32))[0][0, 0]
    before_tip = (tip_beam - np.arange(grid.shape[1])) * grid.pitch_mm[rows, None]
    passes = 1 - 0.3 * ndtr((across - 0.3) / 0.3) * ndtr(before_tip / lateral)
    return rows, echo, np.asarray(passes, dtype=np.float32)
