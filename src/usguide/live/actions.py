"""What an operator does: checked when it is asked for, applied between two frames, written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from numpy.typing import ArrayLike

from usguide._validation import validate_number, validate_outline, validate_point
from usguide.errors import InputError
from usguide.pipeline import GuidancePipeline
from usguide.types import Target

ActionName = Literal["set_target", "set_keep_out", "seed", "reset", "mark_injection"]


@dataclass(frozen=True, slots=True)
class Action:
    """One call of the pipeline, with plain arguments that JSON can hold.

    Parameters
    ----------
    name : {"set_target", "set_keep_out", "seed", "reset", "mark_injection"}
    arguments : mapping
        Those of `GuidancePipeline`'s method of that name.
    """

    name: ActionName
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def at(self, time_s: float) -> Action:
        """Return the action with the time of the frame that it takes effect at, where it needs one."""
        if self.name == "mark_injection" and self.arguments.get("time_s") is None:
            return Action(self.name, {"time_s": time_s})
        return self

    def apply(self, pipeline: GuidancePipeline) -> None:
        """Do it.

        Raises
        ------
        InputError
            The pipeline refuses it.
        """
        getattr(pipeline, self.name)(**self.arguments)


def set_target(
    target_mm: ArrayLike | None = None, *, radius_mm: float | None = None, outline_mm: ArrayLike | None = None
) -> Action:
    """Check and keep a target, as `GuidancePipeline.set_target` takes it; nothing removes it."""
    target = Target.of(target_mm, radius_mm=radius_mm, outline_mm=outline_mm)
    known: dict[str, Any] = {"target_mm": None if target is None else target.position_mm}
    if radius_mm is not None:
        known["radius_mm"] = float(radius_mm)
    elif target is not None and target.outline_mm is not None:
        known["outline_mm"] = target.outline_mm
    return Action("set_target", known)


def set_keep_out(keep_out_mm: Mapping[str, ArrayLike]) -> Action:
    """Check and keep the outlines, by name, that injectate must not reach."""
    checked = {str(name): validate_outline(o, name=f"keep-out {name}") for name, o in keep_out_mm.items()}
    return Action("set_keep_out", {"keep_out_mm": checked})


def seed(*, entry_mm: ArrayLike, tip_mm: ArrayLike) -> Action:
    """Check and keep a shaft that someone pointed out."""
    entry, tip = validate_point(entry_mm, name="entry_mm"), validate_point(tip_mm, name="tip_mm")
    if entry == tip:
        raise InputError("seed: expected two different points, got the same one twice")
    return Action("seed", {"entry_mm": entry, "tip_mm": tip})


def reset() -> Action:
    """Forget needle, fluid and stream."""
    return Action("reset")


def mark_injection(time_s: float | None = None) -> Action:
    """Note when the plunger moved; without a time, at the next frame."""
    return Action("mark_injection", {"time_s": None if time_s is None else validate_number(time_s, name="time_s")})
