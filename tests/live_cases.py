"""Stand-ins that the tests of the live engine share."""

import socket
import threading
from types import SimpleNamespace

import numpy as np

import usguide as ug
from usguide.live import EndOfStreamError, LiveFrame
from usguide.types import InputState, TrackState

GEOMETRY = ug.ImageGeometry(0.2, 0.2)


def picture(seed=0, shape=(60, 80)):
    return np.random.default_rng(seed).integers(20, 200, shape, dtype=np.uint8)


def live_frame(k, *, time_s="even", geometry=GEOMETRY, shape=(60, 80), **options):
    return LiveFrame(picture(k, shape), geometry, 5.0 + 0.05 * k if time_s == "even" else time_s, **options)


class QuickPipeline:
    """Does no image processing; notes what it is asked to do, and may wait or fail."""

    def __init__(self, before_step=lambda _frame: None):
        self.settings, self.prior = ug.PipelineSettings(), ug.InsertionPrior()
        self.before_step = before_step
        self.calls = []

    def step(self, frame):
        self.calls.append(("step", frame.index))
        self.before_step(frame)
        return ug.GuidanceResult(frame.index, frame.timestamp_s, TrackState.SEARCHING, InputState.OK, latency_ms={"total": 0.1})  # fmt: skip

    def __getattr__(self, name):
        if name not in {"set_target", "set_keep_out", "seed", "mark_injection", "reset"}:
            raise AttributeError(name)
        return lambda *_, **arguments: self.calls.append((name, *arguments.values()))

    @property
    def steps(self):
        return [c[1] for c in self.calls if c[0] == "step"]


class ListSink:
    def __init__(self):
        self.updates, self.closed = [], 0

    def write(self, update):
        self.updates.append(update)

    def close(self):
        self.closed += 1

    @property
    def indices(self):
        return [u.result.index for u in self.updates]


class ScriptedSource:
    """Gives the items of a script in order: frames, exceptions to raise, callables to call; then it is at its end."""

    name, dropped = "script", 0

    def __init__(self, items):
        self._items = iter(items)
        self.opened = self.closed = 0
        self.is_open = False

    def open(self):
        if not self.is_open:
            self.opened, self.is_open = self.opened + 1, True

    def read(self, timeout_s):
        del timeout_s
        item = next(self._items, None)
        if item is None:
            raise EndOfStreamError("the script is at its end")
        if isinstance(item, Exception):
            raise item
        return item() if callable(item) else item

    def close(self):
        self.closed, self.is_open = self.closed + 1, False


def gate():
    """Return an event, and a function for a script that waits for it and gives nothing."""
    event = threading.Event()

    def wait():
        assert event.wait(20)

    return SimpleNamespace(set=event.set, wait=wait)


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
