"""All suites by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from usguide.bench.anatomy_suite import anatomy_suite
from usguide.bench.injectate_suite import injectate_suite
from usguide.bench.phantom_suite import phantom_suite
from usguide.bench.recordings_suite import recordings_suite
from usguide.bench.sequences import Split, Suite, matches
from usguide.bench.stills_suite import stills_suite
from usguide.errors import InputError

SUITES: dict[str, Callable[..., Suite]] = {
    "phantom": phantom_suite,
    "anatomy": anatomy_suite,
    "stills": stills_suite,
    "recordings": recordings_suite,
    "injectate": injectate_suite,
}
NAMES = (*SUITES, "speed", "all")


def suites(
    name: str = "all", *, split: Split = "test", quick: bool = False, only: tuple[str, ...] = ()
) -> tuple[Suite, ...]:
    """Return suites of sequences; speed has none.

    Parameters
    ----------
    name : {"phantom", "anatomy", "stills", "recordings", "injectate", "speed", "all"}
    split : {"test", "tune"}
        Use ``"tune"`` while you choose settings, and report ``"test"``.
    quick : bool
        A few sequences, shorter and smaller.
    only : tuple of str
        Shell patterns of names or tags; see `matches`.

    Raises
    ------
    InputError
        No suite of that name; `only` matches nothing.
    """
    if name not in NAMES:
        raise InputError(f"suite: expected one of {', '.join(NAMES)}, got {name!r}")
    if split not in ("test", "tune"):
        raise InputError(f"split: expected test or tune, got {split!r}")
    chosen = [make(split, quick=quick) for key, make in SUITES.items() if name in (key, "all")]
    found = tuple(replace(s, sequences=tuple(q for q in s.sequences if matches(q, only))) for s in chosen)
    if only and not any(s.sequences for s in found):
        raise InputError(f"only: expected names or tags that --list shows, got {', '.join(only)}")
    return found
