"""All tuning in one frozen tree: TOML in and out, and a digest that names a set of settings in results."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import tomllib
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from usguide.detection import DetectionSettings
from usguide.errors import FormatError, InputError
from usguide.injectate import InjectateSettings
from usguide.motion import BackgroundSettings
from usguide.presets import preset_names, preset_text
from usguide.tracking import TrackerSettings
from usguide.types import InsertionPrior


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What counts as a bad stream."""

    frozen_after_s: float = 0.5
    """Identical pictures for this long mean that the image is frozen."""


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """Settings of `usguide.GuidancePipeline`.

    Parameters
    ----------
    prior : InsertionPrior
        Used when none is given to the pipeline.
    detection : DetectionSettings
        Working grid, despeckling, ridge filter, shaft detector.
    background : BackgroundSettings
    tracker : TrackerSettings
    stream : StreamSettings
    injectate : InjectateSettings
        Off unless its `on` says so.
    """

    prior: InsertionPrior = field(default_factory=InsertionPrior)
    detection: DetectionSettings = field(default_factory=DetectionSettings)
    background: BackgroundSettings = field(default_factory=BackgroundSettings)
    tracker: TrackerSettings = field(default_factory=TrackerSettings)
    stream: StreamSettings = field(default_factory=StreamSettings)
    injectate: InjectateSettings = field(default_factory=InjectateSettings)

    def to_dict(self) -> dict[str, Any]:
        """Return nested plain values; what is None is left out, as TOML has no null."""
        plain: dict[str, Any] = _plain(dataclasses.asdict(self))
        return plain

    def to_toml(self) -> str:
        """Return the settings as TOML, to copy and edit."""
        return tomli_w.dumps(self.to_dict())

    @classmethod
    def from_toml(cls, text: str, base: PipelineSettings | None = None) -> PipelineSettings:
        """Read TOML; what it does not name stays as it is in `base`, or keeps its default.

        Raises
        ------
        InputError
            Not TOML, an unknown name, or a value of the wrong type.
        """
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"settings: expected TOML, got {error}") from None
        settings: PipelineSettings = _build(base or cls(), data, "settings")
        return settings

    @classmethod
    def load(cls, *names_or_paths: str | Path) -> PipelineSettings:
        """Put presets, by name, and TOML files together: a later one replaces what an earlier one says.

        Raises
        ------
        FormatError
            Neither a preset nor a file that can be read; the message names the presets.
        InputError
            As `from_toml`.
        """
        settings = cls()
        for one in names_or_paths:
            text = preset_text(str(one)) if str(one) in preset_names() else _read(Path(one))
            try:
                settings = cls.from_toml(text, settings)
            except InputError as error:
                raise InputError(f"{one}: {error}") from None
        return settings

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that change whenever a setting does."""
        return hashlib.sha256(self.to_toml().encode()).hexdigest()[:12]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path}: expected a TOML file in UTF-8, got other bytes") from None
    except OSError as error:
        names = preset_names()
        near = difflib.get_close_matches(str(path), names, 1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise FormatError(
            f"{path}: expected a preset ({', '.join(names)}) or a TOML file, got: {error.strerror or error}{meant}"
        ) from None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


def _build(base: Any, data: Any, where: str) -> Any:
    """Change dataclass `base` by nested plain values, refusing what it does not know."""
    if not isinstance(data, dict):
        raise InputError(f"{where}: expected a table, got {data!r}")
    hints = typing.get_type_hints(type(base))
    names = [f.name for f in dataclasses.fields(base)]
    for name in data:
        if name not in names:
            raise InputError(f"{where}: expected one of {', '.join(names)}, got {name!r}")
    changes = {n: _value(hints[n], value, getattr(base, n), f"{where}.{n}") for n, value in data.items()}
    return dataclasses.replace(base, **changes)


def _value(hint: Any, value: Any, base: Any, where: str) -> Any:
    if isinstance(hint, types.UnionType):
        hint = next(h for h in typing.get_args(hint) if h is not type(None))
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _build(hint() if base is None else base, value, where)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        expected, fits = f"one of {', '.join(arguments)}", value in arguments
    elif origin is tuple:
        numbers = isinstance(value, list) and all(_is_number(v) for v in value)
        expected = "a list of numbers" if arguments[-1] is Ellipsis else f"a list of {len(arguments)} numbers"
        fits = numbers and (arguments[-1] is Ellipsis or len(value) == len(arguments))
    elif hint in (float, int):
        expected = "a number" if hint is float else "a whole number"
        fits = _is_number(value) and (hint is float or int(value) == value)
    else:
        expected, fits = getattr(hint, "__name__", str(hint)), isinstance(value, origin or hint)
    if not fits:
        raise InputError(f"{where}: expected {expected}, got {value!r}")
    if origin is tuple:
        return tuple(float(v) for v in value)
    return hint(value) if hint in (float, int) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
