"""The filters' definitions in plain float64, written with array shifts, SciPy and loops over offsets, not over rows.

Borders repeat the edge pixel.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage
from skimage.feature import hessian_matrix_eigvals


def windows_of(image, size):
    r = size // 2
    return sliding_window_view(np.pad(image.astype(np.float64), r, mode="edge"), (size, size))


def moments(image, size):
    w = windows_of(image, size)
    return w.mean(axis=(2, 3)), w.var(axis=(2, 3))


def variation2(mean, variance):
    return np.divide(variance, mean**2, out=np.zeros_like(mean), where=mean != 0)


def lee(image, window_px=7, cu=0.25, *, kuan=False):
    m, v = moments(image, window_px)
    ci2 = variation2(m, v)
    w = np.clip(1 - np.divide(cu**2, ci2, out=np.full_like(m, np.inf), where=ci2 > 0), 0, 1)
    return m + w / (1 + cu**2 if kuan else 1) * (image - m)


def kuan(image, window_px=7, cu=0.25):
    return lee(image, window_px, cu, kuan=True)


def enhanced_lee(image, window_px=7, cu=0.25, damping=1.0):
    m, v = moments(image, window_px)
    ci, cmax = np.sqrt(variation2(m, v)), np.sqrt(1 + 2 * cu**2)
    between = np.exp(-damping * (ci - cu) / np.where(ci < cmax, cmax - ci, np.inf))
    weight = np.select([ci <= cu, ci >= cmax], [1.0, 0.0], between)
    return m * weight + image * (1 - weight)


def frost(image, window_px=7, damping=2.0):
    r = window_px // 2
    d = np.hypot(*np.mgrid[-r : r + 1, -r : r + 1])
    ci2 = variation2(*moments(image, window_px))
    weights = np.exp(-damping * ci2[..., None, None] * d)
    return (weights * windows_of(image, window_px)).sum(axis=(2, 3)) / weights.sum(axis=(2, 3))


def guided(image, window_px=7, sigma_grey=40.0):
    m, v = moments(image, window_px)
    a = v / (v + sigma_grey**2)
    return moments(a, window_px)[0] * image + moments((1 - a) * m, window_px)[0]


def neighbours(x):
    p = np.pad(x, 1, mode="edge")
    return p[:-2, 1:-1], p[2:, 1:-1], p[1:-1, :-2], p[1:-1, 2:]


def diffuse(x, c, step):
    """``x + step div(c grad x)``: c of the pixel for north and west, of the neighbour for south and east."""
    n, s, w, e = (v - x for v in neighbours(x))
    _, south, _, east = neighbours(c)
    return x + step * (c * (n + w) + south * s + east * e)


def srad(image, iterations=30, time_step=0.2, q0=0.5, rho=0.0, floor=1.0):
    x = image.astype(np.float64) + floor
    for t in range(iterations):
        d = [v - x for v in neighbours(x)]
        g2, lap = sum(v**2 for v in d), sum(d)
        q2 = (g2 / 2 - lap**2 / 16) / (x + lap / 4) ** 2
        k2 = (q0 * np.exp(-rho * t)) ** 2
        x = diffuse(x, np.clip(1 / (1 + (q2 - k2) / (k2 * (1 + k2))), 0, 1), time_step / 4)
    return x - floor


def dpad_coefficient(x, window_px):
    ci2 = np.maximum(variation2(*moments(x, window_px)), 1e-20)
    cu2 = max(np.median(ci2), 1e-30)
    return np.clip((1 + 1 / ci2) / (1 + 1 / cu2), 0, 1)


def dpad(image, iterations=20, time_step=0.7, window_px=9, floor=1.0):
    x = image.astype(np.float64) + floor
    for _ in range(iterations):
        x = diffuse(x, dpad_coefficient(x, window_px), time_step / 4)
    return x - floor


def osrad(image, iterations=20, time_step=0.7, window_px=9, sigma_px=1.5, along=0.95, floor=1.0):
    """The tensor's eigenvectors from `numpy.linalg.eigh`, fluxes through the faces between pixels."""
    x = image.astype(np.float64) + floor
    for _ in range(iterations):
        up, down, west, east = neighbours(x)
        gy, gx = (down - up) / 2, (east - west) / 2
        smooth = [
            ndimage.gaussian_filter(v, sigma_px, mode="nearest", radius=round(4 * sigma_px))
            for v in (gx * gx, gx * gy, gy * gy)
        ]
        tensor = np.stack([np.stack(smooth[:2], -1), np.stack(smooth[1:], -1)], -1)
        _, vectors = np.linalg.eigh(tensor)  # the last one belongs to the larger eigenvalue: across the structure
        across = np.einsum("...i,...j->...ij", vectors[..., 1], vectors[..., 1])
        c = dpad_coefficient(x, window_px)[..., None, None]
        length, half_trace = np.hypot(smooth[0] - smooth[2], 2 * smooth[1]) / 2, (smooth[0] + smooth[2]) / 2
        directed = (length / (length + 1e-2 * half_trace + 1e-30))[..., None, None]  # 1 but where a point is
        d = (c + along) / 2 * np.eye(2) + directed * (c - along) / 2 * (2 * across - np.eye(2))
        xx, xy, yy = (np.pad(v, 1, mode="edge") for v in (d[..., 0, 0], d[..., 0, 1], d[..., 1, 1]))
        p = np.pad(x, 1, mode="edge")
        q = np.pad(x, 2, mode="edge")
        dy, dx = (q[2:, 1:-1] - q[:-2, 1:-1]) / 2, (q[1:-1, 2:] - q[1:-1, :-2]) / 2
        # Beyond the border the picture repeats, so that central differences there are those of repeated pixels.
        east_face = (xx[:, 1:] + xx[:, :-1]) / 2 * np.diff(p, axis=1) + (xy[:, 1:] + xy[:, :-1]) / 2 * (
            dy[:, 1:] + dy[:, :-1]
        ) / 2
        south_face = (yy[1:] + yy[:-1]) / 2 * np.diff(p, axis=0) + (xy[1:] + xy[:-1]) / 2 * (dx[1:] + dx[:-1]) / 2
        divergence = np.diff(east_face[1:-1], axis=1) + np.diff(south_face[:, 1:-1], axis=0)
        x = x + time_step / 4 * divergence
    return x - floor


def nlm(image, patch_px=5, search_px=11, h=26.0):
    reach, half = search_px // 2, patch_px // 2
    p = np.pad(image.astype(np.float64), reach + half, mode="edge")
    rows, columns = image.shape
    cut = lambda dy, dx, m: p[reach + half + dy - m :, reach + half + dx - m :][: rows + 2 * m, : columns + 2 * m]  # noqa: E731
    total, weights = np.zeros(image.shape), np.zeros(image.shape)
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            square = (cut(dy, dx, half) - cut(0, 0, half)) ** 2
            w = np.exp(-sliding_window_view(square, (patch_px, patch_px)).mean(axis=(2, 3)) / h**2)
            total, weights = total + w * cut(dy, dx, 0), weights + w
    return total / weights


def obnlm(
    image, patch_px=5, search_px=13, step_px=2, h=13.0, mean_ratio=0.6, variance_ratio=0.5, floor=1.0
):  # fmt: skip
    """Block by block, as the paper tells it."""
    r, reach = patch_px // 2, search_px // 2
    m = r + reach
    p = np.pad(image.astype(np.float64), m, mode="edge")
    blocks = sliding_window_view(p, (patch_px, patch_px))  # [y, x]: the block whose centre is (y + r, x + r) in p
    mean, variance = blocks.mean(axis=(2, 3)) + 1, blocks.var(axis=(2, 3)) + 1
    total, count = np.zeros(p.shape), np.zeros(p.shape)
    for y in range(0, image.shape[0], step_px):
        for x in range(0, image.shape[1], step_px):
            i, j = y + reach, x + reach
            near = np.s_[i - reach : i + reach + 1, j - reach : j + reach + 1]
            a, b = blocks[i, j], blocks[near]
            distance = ((a - b) ** 2 / (b + floor)).sum(axis=(2, 3))
            alike = (np.minimum(mean[i, j] / mean[near], mean[near] / mean[i, j]) >= mean_ratio) & (
                np.minimum(variance[i, j] / variance[near], variance[near] / variance[i, j]) >= variance_ratio
            )
            weights = np.exp(-distance / h**2) * alike
            here = np.s_[i : i + patch_px, j : j + patch_px]
            total[here] += (weights[..., None, None] * b).sum(axis=(0, 1)) / weights.sum()
            count[here] += 1
    inside = np.s_[m:-m, m:-m]
    return total[inside] / count[inside]


def bilateral(image, window_px=11, sigma_grey=50.0, sigma_px=3.0):
    r = window_px // 2
    y, x = np.mgrid[-r : r + 1, -r : r + 1]
    w = windows_of(image, window_px)
    difference = w - image.astype(np.float64)[..., None, None]
    weights = np.exp(-(difference**2) / (2 * sigma_grey**2) - (y**2 + x**2) / (2 * sigma_px**2))
    weights = weights * (y**2 + x**2 <= r * r)
    return (weights * w).sum(axis=(2, 3)) / weights.sum(axis=(2, 3))


def wavelet(image, levels=3, threshold=1.0, sigma_grey=None):
    fine, total = image.astype(np.float64), 0.0
    for level in range(levels):
        taps = np.zeros(4 * 2**level + 1)
        taps[:: 2**level] = np.array([1, 4, 6, 4, 1]) / 16
        coarse = ndimage.convolve1d(
            ndimage.convolve1d(fine, taps, axis=0, mode="nearest"), taps, axis=1, mode="nearest"
        )
        d = fine - coarse
        least = threshold * (np.median(np.abs(d)) / 0.6745 if sigma_grey is None else sigma_grey)
        total, fine = total + np.sign(d) * np.maximum(np.abs(d) - least, 0), coarse
    return total + fine


def hessian(image, sigma_y, sigma_x, truncate=4.0):
    """Scale-normalised yy, xy, xx; ``sigma * truncate`` rounded up is where the Gaussian ends."""
    x = image.astype(np.float64)
    for axis, sigma in enumerate((sigma_y, sigma_x)):
        x = ndimage.gaussian_filter1d(x, sigma, axis=axis, mode="nearest", radius=int(np.ceil(truncate * sigma)))
    p = np.pad(x, 1, mode="edge")
    c = p[1:-1, 1:-1]
    yy, xx = p[2:, 1:-1] + p[:-2, 1:-1] - 2 * c, p[1:-1, 2:] + p[1:-1, :-2] - 2 * c
    xy = (p[2:, 2:] + p[:-2, :-2] - p[2:, :-2] - p[:-2, 2:]) / 4
    return yy * sigma_y**2, xy * sigma_y * sigma_x, xx * sigma_x**2


def eigenvalues(image, sigma, truncate=4.0):
    """Those of larger and of smaller magnitude."""
    pair = hessian_matrix_eigvals(list(hessian(image, sigma, sigma, truncate)))
    order = np.argsort(np.abs(pair), axis=0)
    large, small = np.take_along_axis(pair, order[::-1], axis=0)
    return large, small


SIGNS = {"bright": (1,), "dark": (-1,), "both": (1, -1)}


def frangi(image, sigmas_px=(1.5, 2.5, 4.0), beta=0.5, c=15.0, polarity="bright", truncate=4.0):
    best = np.zeros(image.shape)
    for s in sigmas_px:
        large, small = eigenvalues(image, s, truncate)
        ratio = np.divide(small, large, out=np.zeros_like(small), where=large != 0)
        k = np.sqrt(large**2 + small**2).max() / 2 if c == "frame" else c
        v = np.exp(-(ratio**2) / (2 * beta**2)) * (1 - np.exp(-(large**2 + small**2) / (2 * max(k, 1e-3) ** 2)))
        for sign in SIGNS[polarity]:
            best = np.maximum(best, np.where(sign * large < 0, v, 0))
    return best


def sato(image, sigmas_px=(1.5, 2.5, 4.0), polarity="bright"):
    best = np.zeros(image.shape)
    for s in sigmas_px:
        pair = np.stack(eigenvalues(image, s))
        for sign in SIGNS[polarity]:
            best = np.maximum(best, (-sign * pair).max(axis=0))
    return best


def jerman(image, sigmas_px=(1.5, 2.5, 4.0), tau=0.5, lmax=60.0, polarity="bright"):
    best = np.zeros(image.shape)
    for s in sigmas_px:
        large, _ = eigenvalues(image, s)
        signs = SIGNS[polarity]
        top = max((-sign * large).max() for sign in signs) if lmax == "frame" else lmax
        top = max(top, 1e-3)
        for sign in signs:
            ridge = -sign * large
            p = np.maximum(ridge, tau * top)
            v = ridge**2 * (p - ridge) * 27 / np.where(ridge > 0, ridge + p, 1) ** 3
            best = np.maximum(best, np.select([ridge <= 0, ridge >= p / 2], [0, 1], v))
    return best


def nearest(v):
    """The nearest whole number; of two, the one further from 0."""
    return int(np.trunc(round(v, 6) + np.copysign(0.5, v)))


def oriented_line(image, sigmas_px=(2.0,), length=21.0, orientations=12, polarity="bright"):
    rows, columns = np.indices(image.shape)
    best = np.zeros(image.shape)
    for s in sigmas_px:
        yy, xy, xx = hessian(image, s, s, 3.0)
        places = 1.5 * s * np.arange(-100, 101)
        places = places[np.abs(places) <= length / 2]
        weights = np.exp(-(places**2) / (2 * (length / 4) ** 2))
        for angle in np.arange(orientations) * np.pi / orientations:
            c, n = np.cos(angle), np.sin(angle)
            profile = -(n * n * xx - 2 * n * c * xy + c * c * yy)
            total = np.zeros(image.shape)
            for place, weight in zip(places, weights, strict=True):
                y = np.clip(rows + nearest(place * n), 0, image.shape[0] - 1)
                x = np.clip(columns + nearest(place * c), 0, image.shape[1] - 1)
                total += weight / weights.sum() * profile[y, x]
            for sign in SIGNS[polarity]:
                best = np.maximum(best, sign * total)
    return best


def crossing(image, size, axis):
    """Extend to `size`: from the last line to the first one along 3 t^2 - 2 t^3."""
    first, last = (np.take(image, [k], axis) for k in (0, -1))
    n = size - image.shape[axis]
    t = (np.arange(n) + 1) / (n + 1)
    t = np.expand_dims(3 * t**2 - 2 * t**3, 1 - axis)
    return np.concatenate([image, last + t * (first - last)], axis)


def phase_symmetry(
    image, wavelength_px=8.0, scales=4, ratio=1.8, bandwidth=0.55, noise=2.0, polarity="bright", sizes=None
):  # fmt: skip
    """`sizes`: the padded shape, two of the longest wavelengths more or what makes the transform fast."""
    h, w = sizes
    assert min(h - image.shape[0], w - image.shape[1]) >= min(2 * wavelength_px * ratio ** (scales - 1), 64)
    spectrum = np.fft.fft2(crossing(crossing(image.astype(np.float64), w, 1), h, 0))
    fy, fx = np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w)[None, :]
    f = np.hypot(fy, fx)
    f[0, 0] = 1
    # The Nyquist frequency is its own opposite, so it has no odd part.
    ny, nx = (np.where(np.abs(v) == 0.5, 0, v) for v in (fy, fx))
    total, amplitude = 0.0, 0.0
    for k in range(scales):
        gabor = np.exp(-(np.log(f * wavelength_px * ratio**k) ** 2) / (2 * np.log(bandwidth) ** 2))
        gabor[0, 0] = 0
        parts = [np.fft.ifft2(spectrum * gabor * r).real for r in (1, -1j * nx / f, -1j * ny / f)]
        even, ox, oy = (v[: image.shape[0], : image.shape[1]] for v in parts)
        odd = np.hypot(ox, oy)
        if noise == "frame":
            tau = np.median(np.hypot(even, odd)) / np.sqrt(np.log(4))
            noise = tau * (np.sqrt(np.pi / 2) + 2 * np.sqrt((4 - np.pi) / 2))
        signed = {"bright": even, "dark": -even, "both": np.abs(even)}[polarity]
        total = total + np.maximum(signed - odd - noise, 0)
        amplitude = amplitude + np.hypot(even, odd)
    return total / (amplitude + 0.01)
