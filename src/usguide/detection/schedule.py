"""When new lines are sought in a stream, and in which evidence: what was found is looked at in every frame."""

from __future__ import annotations

from dataclasses import replace

from usguide.detection.evidence import Evidence


class SearchSchedule:
    """Remembers when lines were last sought.

    Parameters
    ----------
    look_every_s : float
        Appearance is searched about as often: at the frame nearest to when it is due.
    """

    def __init__(self, look_every_s: float) -> None:
        self._look_every_s = look_every_s
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        self._looked_s: float | None = None
        self._before_s: float | None = None
        self._looked_before = False

    def plan(self, evidence: Evidence, time_s: float, *, tracked: bool) -> Evidence:
        """Say what is searched in the evidence of the next new picture.

        Parameters
        ----------
        evidence : Evidence
        time_s : float
        tracked : bool
            Whether a needle is.
        """
        look = evidence.new is None or self._is_due(time_s)
        # While a needle is tracked one search a frame is enough, but where both are due in every frame (below 15 Hz).
        new = not (tracked and look and not self._looked_before)
        if look:
            self._looked_s = time_s
        self._looked_before, self._before_s = look, time_s
        return replace(evidence, search_look=look, search_new=new, search_widely=not tracked)

    def _is_due(self, time_s: float) -> bool:
        if self._looked_s is None or self._before_s is None:
            return True
        passed, half_step = time_s - self._looked_s, 0.5 * max(0.0, time_s - self._before_s)
        return not 0 <= passed < self._look_every_s - half_step - 1e-6
