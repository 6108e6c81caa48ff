"""`usguide despeckle`: a recording in, the same recording with less speckle out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide import filters
from usguide.cli.console import console, frame_progress, silence_opencv
from usguide.cli.memory import RegionOption, open_remembered
from usguide.errors import FormatError, InputError
from usguide.intensity import to_grey
from usguide.io import Source
from usguide.io.pictures import PICTURE_SUFFIXES
from usguide.io.sequence import METAIMAGE_SUFFIXES
from usguide.io.sinks import OverlayVideo
from usguide.io.sinks.folder import folder_for
from usguide.io.source import ASSUMED_RATE_HZ
from usguide.io.write_dicom import write_dicom
from usguide.io.write_sequence import write_sequence
from usguide.types import Frame

Grey = NDArray[np.uint8]


def list_methods() -> None:
    """Print every method with a line on what it does, and its options."""
    chosen = " ".join(f"{key}={value}" for key, value in filters.RECOMMENDED_OPTIONS.items())
    console().print(f"by default   {filters.RECOMMENDED_METHOD} with --set {chosen}", soft_wrap=True)
    for name, method in filters.DESPECKLE_METHODS.items():
        options = " ".join(f"{key}={value}" for key, value in method.options.items())
        console().print(f"{name:13s}{method.what}; expects {method.made_for.replace('_', '-')} values", soft_wrap=True)
        if options:
            console().print(f"{'':13s}--set {options}", soft_wrap=True)


def run_despeckle(
    inputs: list[str],
    out: Path | None,
    method: str | None,
    options: list[str],
    region: RegionOption,
    full_scale: float | None,
    *,
    quiet: bool,
) -> None:
    """Despeckle every frame and write pictures, a video, an array, a sequence or a DICOM file, as the input is."""
    if not inputs or out is None:
        raise InputError("despeckle: expected INPUT and --out PATH; --list shows the methods")
    chosen = _parse_options(options)
    silence_opencv()
    filters.despeckle(np.zeros((16, 16), np.uint8), method=method, **chosen)  # a mistake in the options shows here
    with open_remembered(inputs, region=region, full_scale=full_scale, require_spacing=False) as source:
        known = source.info.geometry is not None
        if source.info.kind == "camera":
            raise InputError(f"{source.info.name}: expected a recording, got a camera; record it first")
    # Filters work in px: where the spacing is unknown a stand-in lets frames be made, and none is written.
    with (
        open_remembered(
            inputs, region=region, full_scale=full_scale, spacing_mm=None if known else (1.0, 1.0)
        ) as source,
        frame_progress(source.info.frame_count, quiet=quiet) as progress,
    ):
        chosen_method = " ".join([method or filters.RECOMMENDED_METHOD, *options])

        def frames() -> Iterator[tuple[Frame, Grey]]:
            for frame in source:
                yield frame, _despeckled(frame, method, chosen)
                progress.advance()

        writers: dict[str, Callable[..., Path]] = {
            "video": _write_video,
            "array": _write_array,
            "sequence": partial(_write_sequence, spacing_known=known),
            "dicom": partial(_write_dicom, spacing_known=known, derivation=f"usguide despeckle: {chosen_method}"),
        }
        written = writers.get(source.info.kind, _write_pictures)(source, frames(), [Path(p) for p in inputs], out)
        bad = source.bad_frames
    if not quiet:
        console().print(f"{written}" + (f"  ({bad} bad frames left out)" if bad else ""), soft_wrap=True)


def _parse_options(options: list[str]) -> dict[str, float | str]:
    parsed: dict[str, float | str] = {}
    for text in options:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise InputError(f"--set: expected NAME=VALUE, got {text!r}")
        try:
            number = float(value)
        except ValueError:
            parsed[name] = value  # a word: the filter says if it does not know it
        else:
            parsed[name] = int(number) if number.is_integer() else number
    return parsed


def _despeckled(frame: Frame, method: str | None, options: dict[str, float | str]) -> Grey:
    h, w = frame.shape
    x, y, w, h = frame.region or (0, 0, w, h)
    grey, _ = to_grey(frame.pixels[y : y + h, x : x + w], frame.full_scale)
    return np.asarray(np.clip(np.rint(filters.despeckle(grey, method=method, **options)), 0, 255), dtype=np.uint8)


def _file_in(out: Path, name: str, suffix: str) -> Path:
    """Return `out` itself if it names a file of that kind, else a file in the folder `out`."""
    if out.suffix.lower() == suffix:
        return out
    if out.suffix and not out.is_dir():
        raise InputError(f"--out: expected a folder or a {suffix} file, got {out.name}")
    return out / (Path(name).stem.replace(":", "_") + suffix)


def _picture_targets(paths: list[Path], out: Path) -> list[Path]:
    if len(paths) == 1 and out.suffix.lower() in PICTURE_SUFFIXES:
        return [out]
    if out.suffix and not out.is_dir():
        raise InputError(f"--out: expected a folder for several pictures, got {out.name}")
    stems = [p.stem for p in paths]
    twice = len(set(stems)) < len(stems)  # pictures of several folders: their place in the list tells them apart
    return [out / (f"{k:04d}_{stem}.png" if twice else f"{stem}.png") for k, stem in enumerate(stems)]


def _check_inputs_survive(inputs: list[Path], targets: list[Path]) -> None:
    both = {p.resolve() for p in inputs} & {p.resolve() for p in targets}
    if both:
        raise InputError(f"--out: {min(both).name} would overwrite the input; choose another place")


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.stem}.part{path.suffix}")


def _write_pictures(source: Source, frames: Iterator[tuple[Frame, Grey]], inputs: list[Path], out: Path) -> Path:
    paths = [Path(p) for p in getattr(source, "paths", ())]
    targets = _picture_targets(paths, out)
    _check_inputs_survive(paths + inputs, targets)
    written = 0
    with folder_for(targets[0].parent):
        for frame, grey in frames:
            target = targets[frame.index]
            ok, data = cv2.imencode(target.suffix, grey)
            if not ok:
                raise FormatError(f"{target.name}: the picture can't be encoded")
            part = _temporary(target)
            try:
                part.write_bytes(data.tobytes())
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)
            written += 1
        _check_some(source, written)
    return out


def _check_some(source: Source, written: int) -> None:
    if not written:
        raise FormatError(f"{source.info.name}: no frame could be used" + "".join(f": {n}" for n in source.notes[:1]))


def _write_video(source: Source, frames: Iterator[tuple[Frame, Grey]], inputs: list[Path], out: Path) -> Path:
    target = _file_in(out, source.info.name, ".mp4")
    _check_inputs_survive(inputs, [target])
    part = _temporary(target)
    with folder_for(target.parent):
        video = OverlayVideo(part, source.info.frame_rate_hz or ASSUMED_RATE_HZ)
        written = 0
        try:
            for _, grey in frames:
                # Codecs want even sides: the last row or column is repeated.
                h, w = grey.shape
                even = cv2.copyMakeBorder(grey, 0, h % 2, 0, w % 2, cv2.BORDER_REPLICATE)
                video.write_picture(np.asarray(cv2.cvtColor(even, cv2.COLOR_GRAY2BGR), dtype=np.uint8))
                written += 1
            _check_some(source, written)
            video.close()
            part.replace(target)
        finally:
            video.release()
            part.unlink(missing_ok=True)
    return target


def _in_place(frames: Iterator[tuple[Frame, Grey]]) -> Iterator[Frame]:
    """Put the pictures where they were, and black around them: what is burnt in there is left out, and nothing moves."""
    for frame, grey in frames:
        height, width = frame.shape
        x, y, w, h = frame.region or (0, 0, width, height)
        pixels = np.zeros((height, width), np.uint8)
        pixels[y : y + h, x : x + w] = grey
        yield replace(frame, pixels=pixels, full_scale=None)


def _write_sequence(
    source: Source, frames: Iterator[tuple[Frame, Grey]], inputs: list[Path], out: Path, *, spacing_known: bool
) -> Path:
    suffix = ".mha" if Path(source.info.name).suffix.lower() in METAIMAGE_SUFFIXES else ".nrrd"
    target = _file_in(out, source.info.name, suffix)
    _check_inputs_survive(inputs, [target])
    times_known = not source.info.times_source.startswith("assumed")
    with folder_for(target.parent):
        write_sequence(_in_place(frames), target, spacing_known=spacing_known, times_known=times_known)
    return target


def _write_dicom(
    source: Source,
    frames: Iterator[tuple[Frame, Grey]],
    inputs: list[Path],
    out: Path,
    *,
    spacing_known: bool,
    derivation: str,
) -> Path:
    target = _file_in(out, source.info.name, ".dcm")
    _check_inputs_survive(inputs, [target])
    times_known = not source.info.times_source.startswith("assumed")
    with folder_for(target.parent):
        write_dicom(
            _in_place(frames), target, derivation=derivation, spacing_known=spacing_known, times_known=times_known
        )
    return target


def _write_array(source: Source, frames: Iterator[tuple[Frame, Grey]], inputs: list[Path], out: Path) -> Path:
    target = _file_in(out, source.info.name, ".npz")
    _check_inputs_survive(inputs, [target])
    part, raw = _temporary(target), target.with_name(f".{target.stem}.frames.npy")
    times: list[float] = []
    stack: Any = None
    with folder_for(target.parent):
        try:
            for frame, grey in frames:
                if stack is None:
                    # On disk, since a recording may be larger than memory.
                    shape = (source.info.frame_count or 1, *grey.shape)
                    stack = np.lib.format.open_memmap(raw, mode="w+", dtype=np.uint8, shape=shape)
                stack[len(times)] = grey
                times.append(frame.timestamp_s)
            _check_some(source, len(times))
            arrays: dict[str, Any] = {"frames": stack[: len(times)], "timestamps_s": np.array(times)}
            if (geometry := source.info.geometry) is not None and source.info.spacing_source != "given":
                x, y = source.info.region[:2] if source.info.region else (0, 0)
                arrays["spacing_mm"] = np.array([geometry.axial_mm_per_px, geometry.lateral_mm_per_px])
                arrays["origin_mm"] = np.array(geometry.cropped(x, y).origin_mm)
            np.savez_compressed(part, **arrays)
            part.replace(target)
        finally:
            del stack
            part.unlink(missing_ok=True)
            raw.unlink(missing_ok=True)
    return target
