"""What every filter shares: the options that all of them take, and how they are carried out."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any, Literal, TypedDict

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from usguide._threads import validate_threads
from usguide._validation import ensure_float32, validate_number, validate_positive, validate_region
from usguide.errors import InputError, InvalidFrameError
from usguide.intensity import log_compress, log_decompress

F32 = NDArray[np.float32]
Values = Literal["envelope", "log_compressed"]
WHITE = 255.0
LARGEST = 1e12
"""No grey level or echo is larger; products of a few of them stay within float32."""
NARROW, WIDE = np.empty(0, np.float32), np.empty(0)
"""Types of running sums, as kernels take them."""


class Common(TypedDict, total=False):
    """Options that every filter takes, by keyword.

    Parameters
    ----------
    values : {"envelope", "log_compressed"}, optional
        What the image holds. By default the numbers are filtered as they are. Where this names the kind that the filter
        was not made for, the image, within 0 to 255, is converted, filtered and converted back; 255 is white in both,
        and what lies below the dynamic range becomes black.
    dynamic_range_db : float
        Range of the log compression for that conversion; 60 by default.
    region : (x, y, width, height) of int, optional
        Filter this box only, in px, as if it were the whole picture.
    mask : array_like of bool, shape (H, W), optional
        Filter these pixels only. Each pixel outside counts as its nearest one inside, as borders do.
    threads : int
        Row slabs worked on at the same time; the result is the same to the bit. 1 by default. What OpenCV does (the
        median, OSRAD's blur) has OpenCV's threads.
    out : ndarray of float32, shape (H, W), C-contiguous, optional
        Where to write the result (of maps: the response). May be the image itself.

    Notes
    -----
    Defaults are for grey levels of 0 to 255: scale 16-bit pictures, or floats of 0 to 1, first.

    Outside `region` or `mask` a despeckled picture is the image, and a ridge filter's response is 0.
    """

    values: Values | None
    dynamic_range_db: float
    region: Sequence[int] | None
    mask: ArrayLike | None
    threads: int
    out: F32 | None


Box = tuple[int, int, int, int]
Core = Callable[[F32, F32, F32, int], None]


def despeckled(
    image: ArrayLike, core: Callable[[F32, F32, int], None], common: Mapping[str, Any], *, made_for: Values
) -> F32:
    """Check the image and the common options, and let ``core(x, out, threads)`` fill `out`.

    `made_for` says which values the filter expects; others are converted, and the result is converted back.
    """

    def without_details(x: F32, out: F32, _: F32, threads: int) -> None:
        core(x, out, threads)

    return _run(image, without_details, common, made_for, gives_picture=True, count=0)[0]


def ridge_planes(image: ArrayLike, core: Core, common: Mapping[str, Any], *, count: int) -> tuple[F32, F32]:
    """Check as `despeckled` does, and let ``core(x, response, details, threads)`` fill `response` and `details`.

    `details` has `count` planes of zeros. Ridge filters are made for log-compressed values.
    """
    return _run(image, core, common, "log_compressed", gives_picture=False, count=count)


def _run(
    image: ArrayLike, core: Core, common: Mapping[str, Any], made_for: Values, *, gives_picture: bool, count: int
) -> tuple[F32, F32]:
    unknown = set(common) - set(Common.__annotations__)
    if unknown:
        raise TypeError(f"unexpected keyword argument {min(unknown)!r}")
    threads = validate_threads(common.get("threads", 1))
    x = ensure_picture(image)
    target = _validate_out(common.get("out"), x.shape)
    box, mask = _box_and_mask(common, x.shape)
    core = _converting(core, common, made_for, back=gives_picture)
    if box is None:
        result = np.empty_like(x) if target is None or np.may_share_memory(target, x) else target
        details = np.zeros((count, *x.shape), np.float32)
        core(x, result, details, threads)
    else:
        part = _cut(x, box, mask)
        inside, details_inside = np.empty_like(part), np.zeros((count, *part.shape), np.float32)
        core(part, inside, details_inside, threads)
        result = _pasted(inside, box, mask, x if gives_picture else np.zeros_like(x))
        details = np.zeros((count, *x.shape), np.float32)
        for plane, plane_inside in zip(details, details_inside, strict=True):
            plane[...] = _pasted(plane_inside, box, mask, plane)
    if target is not None:
        if result is not target:
            np.copyto(target, result)
        return target, details
    return result, details


def ensure_picture(image: ArrayLike) -> F32:
    """Return the image as contiguous float32 that kernels can take, else raise `InvalidFrameError`."""
    if isinstance(image, np.ma.MaskedArray):
        raise InputError("image: expected a plain array, got a masked one; pass its data, and mask=")
    if isinstance(image, np.ndarray) and image.dtype == np.float32 and image.ndim == 2 and image.flags.c_contiguous:
        # The sum of squares tells at once that no value is large, infinite or NaN, and that there are any.
        flat = image.reshape(-1)
        with np.errstate(over="ignore", invalid="ignore"):
            fine = 0 <= float(np.dot(flat, flat)) < LARGEST**2 and image.size > 0
        x = image if fine else ensure_float32(image)
    else:
        x, fine = ensure_float32(image), getattr(image, "dtype", None) in (np.uint8, np.uint16)
    if not fine and max(float(x.max()), -float(x.min())) > LARGEST:
        raise InvalidFrameError(
            f"image: expected values of at most {LARGEST:g}, got {np.abs(x).max():g}; scale it first"
        )
    # Kernels are compiled for arrays that can be written: another kind would be compiled anew, on the first frame.
    return x if x.flags.writeable and x.flags.aligned else x.copy()


def _validate_out(out: Any, shape: tuple[int, ...]) -> F32 | None:
    if out is None:
        return None
    good = isinstance(out, np.ndarray) and out.dtype == np.float32 and out.shape == shape and out.flags.c_contiguous
    if not good:
        got = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise InputError(f"out: expected a C-contiguous float32 array of shape {shape}, got {got}")
    if not out.flags.writeable:
        raise InputError("out: expected an array that can be written, got a read-only one")
    result: F32 = out
    return result


def _converting(core: Core, common: Mapping[str, Any], made_for: Values, *, back: bool) -> Core:
    """Return `core`, with log compression before and after it where the image holds the other kind of values."""
    values = common.get("values")
    dynamic_range = validate_positive(common.get("dynamic_range_db", 60.0), name="dynamic_range_db")
    if values is not None and (not isinstance(values, str) or values not in ("envelope", "log_compressed")):
        raise InputError(f"values: expected 'envelope' or 'log_compressed', got {values!r}")
    if values is None or values == made_for:
        return core
    before, after = (log_decompress, log_compress) if values == "log_compressed" else (log_compress, log_decompress)

    def convert_and_run(x: F32, out: F32, details: F32, threads: int) -> None:
        low, high = float(x.min()), float(x.max())
        if low < 0 or high > WHITE:
            raise InputError(
                f"image: expected values of 0 to 255 to convert, got {low:g} to {high:g}; scale it so that 255 is white"
            )
        core(before(x, dynamic_range_db=dynamic_range, reference=WHITE), out, details, threads)
        if back:
            out[...] = after(out, dynamic_range_db=dynamic_range, reference=WHITE)

    return convert_and_run


def _box_and_mask(common: Mapping[str, Any], shape: tuple[int, ...]) -> tuple[Box | None, NDArray[np.bool_] | None]:
    region, given = common.get("region"), common.get("mask")
    box = None
    if region is not None:
        try:
            whole = [operator.index(v) for v in region]
        except TypeError:
            raise InputError(f"region: expected x, y, width, height in whole px, got {region!r}") from None
        box = validate_region(whole, shape)
    if given is None:
        return box, None
    try:
        mask = np.asarray(given)
    except ValueError:
        raise InputError(f"mask: expected bool of shape {shape}, got rows of different lengths") from None
    if mask.shape != shape or mask.dtype not in (np.bool_, np.uint8):
        raise InputError(f"mask: expected bool of shape {shape}, got {mask.dtype} {mask.shape}")
    mask = mask.astype(bool)
    if box is not None:
        x, y, w, h = box
        mask[:y], mask[y + h :], mask[:, :x], mask[:, x + w :] = False, False, False, False
    x, y, w, h = cv2.boundingRect(mask.astype(np.uint8))
    if w == 0:
        raise InputError(
            "mask: expected at least one pixel inside" + ("" if box is None else " the region") + ", got none"
        )
    return (x, y, w, h), mask[y : y + h, x : x + w]


def _cut(pixels: F32, box: Box, mask: NDArray[np.bool_] | None) -> F32:
    x, y, w, h = box
    part = np.array(pixels[y : y + h, x : x + w], order="C")
    if mask is None or mask.all():
        return part
    # Labels number the pixels inside in reading order, from 1; each pixel outside gets its nearest one's.
    outside = np.where(mask, 0, 255).astype(np.uint8)
    _, labels = cv2.distanceTransformWithLabels(outside, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    inside = np.zeros(int(labels.max()) + 1, np.float32)
    inside[labels[mask]] = part[mask]
    return np.asarray(inside[labels])


def _pasted(plane: F32, box: Box, mask: NDArray[np.bool_] | None, background: F32) -> F32:
    x, y, w, h = box
    whole = np.array(background)
    np.copyto(whole[y : y + h, x : x + w], plane, where=True if mask is None else mask)
    return whole


def repeat_border(x: F32, margin: int) -> F32:
    """Return `x` with `margin` edge pixels repeated on each side."""
    return np.asarray(cv2.copyMakeBorder(x, margin, margin, margin, margin, cv2.BORDER_REPLICATE), dtype=np.float32)


def require_no_negative(x: F32) -> None:
    """Raise `InputError` if a filter that divides by the intensity was given negative values."""
    if x.min() < 0:
        raise InputError("image: expected values of 0 or more, got negative ones; shift or scale it first")


def sums_for(x: F32) -> NDArray[Any]:
    """Return the type that running sums of this picture need, as an empty array: wider above 12-bit values."""
    return NARROW if cv2.norm(x, cv2.NORM_INF) < 4096 else WIDE


def median_in_place(values: F32) -> float:
    """Return the median; the order of `values`, contiguous, is lost. Five times as fast as NumPy's."""
    flat = values.reshape(-1)
    middle = flat.size // 2
    flat.partition(middle)
    high = float(flat[middle])
    return high if flat.size % 2 else (high + float(flat[:middle].max())) / 2


def validate_odd(value: Any, *, name: str, low: int = 3, high: int = 255) -> int:
    """Return an odd number of px within ``low..high``, else raise `InputError`."""
    if not isinstance(value, Integral) or not low <= int(value) <= high or value % 2 == 0:
        raise InputError(f"{name}: expected an odd number of px, {low} to {high}, got {value!r}")
    return int(value)


def validate_count(value: Any, *, name: str, low: int = 0, high: int = 10_000) -> int:
    """Return a whole number within ``low..high``, else raise `InputError`."""
    if not isinstance(value, Integral) or not low <= int(value) <= high:
        raise InputError(f"{name}: expected a whole number in {low} to {high}, got {value!r}")
    return int(value)


def validate_amount(value: Any, *, name: str) -> float:
    """Return a number that no filter overflows or divides by zero with, 1e-6 to 1e6, else raise `InputError`."""
    return validate_number(value, name=name, low=1e-6, high=1e6)
