"""A scanner's program that calls a function with each picture, guided live: here a rendered phantom plays the scanner.

    python examples/live_callback.py

With a Clarius scanner the function goes to ``pyclariuscast.Caster(function)``, and the rest stays as it is.
"""

from __future__ import annotations

import time

import usguide as ug
from usguide.io import CallbackSource, cast_callback, open_source
from usguide.io.clarius import NewProcessedImage
from usguide.live import LiveEngine, LiveUpdate, PushedSource


class TipPrinter:
    """A sink: prints the tip of every tenth result, and never an old one as if it were new."""

    def write(self, update: LiveUpdate) -> None:
        """Take one result."""
        result, track = update.result, update.result.track
        if result.index % 10 == 0 and not update.late:
            tip = "no needle" if track is None else "tip at {:.1f}, {:.1f} mm".format(*track.tip.position_mm)
            print(f"{result.timestamp_s:5.2f} s  {result.state:9}  {tip}  ({update.age_ms():.0f} ms old)")

    def close(self) -> None:
        """Nothing is open."""


def play_scanner(new_processed_image: NewProcessedImage) -> None:
    """Call the function as Clarius Cast does: one byte a pixel, micrometres a pixel, nanoseconds."""
    with open_source("phantom:inplane-fascia") as phantom:
        for frame in phantom:
            height, width = frame.shape
            microns, now_ns = 1e3 * frame.geometry.axial_mm_per_px, time.time_ns()
            new_processed_image(frame.pixels.tobytes(), width, height, height * width, microns, now_ns, 0.0, [])
            time.sleep(0.05)


def main() -> None:
    """Guide until the scanner stops."""
    ug.warmup()
    callback = CallbackSource(ug.ImageGeometry(0.1, 0.1), max_waiting=1)
    engine = LiveEngine(PushedSource(callback), ug.GuidancePipeline(ug.InsertionPrior("left", (15, 60))))
    engine.add_sink(TipPrinter())
    engine.set_target((22.0, 24.0))
    with engine:
        play_scanner(cast_callback(callback))
        callback.close()
        engine.wait()
    status = engine.status()
    print(f"{status.received} pictures, {status.processed} processed, {status.dropped} dropped")


if __name__ == "__main__":
    main()
