"""What an operator does: checked when it is asked for, applied between two frames, written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from numpy.typing import ArrayLike

from usguide._validation import validate_number, validate_point
from usguide.errors import InputError
from usguide.pipeline import GuidancePipeline

ActionName = Literal["set_target", "seed", "reset", "mark_injection"]


@dataclass(frozen=True, slots=True)
class Action:
    """One call of the pipeline, with plain arguments that JSON can hold.

    Parameters
    ----------
    name : {"set_target", "seed", "reset", "mark_injection"}
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


def set_target(target_mm: ArrayLike | None) -> Action:
    """Check and keep a target (lateral, axial) in mm; None removes it."""
    return Action(
        "set_target", {"target_mm": None if target_mm is None else validate_point(target_mm, name="target_mm")}
    )


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
