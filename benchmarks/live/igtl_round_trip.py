"""From an image sent over OpenIGTLink to the needle received over OpenIGTLink, less what the pipeline itself takes.

    python benchmarks/live/igtl_round_trip.py [--frames 300] [--rate 20]

A process of its own plays the scanner and the viewer: it sends the shipped phantom with its clock as time stamp, and
takes the results. This one is usguide as `usguide live igtl://... --igtl-out PORT` runs it: `LiveEngine` between an
`IgtlSource` and an `IgtlSink`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

import numpy as np

import usguide as ug
from usguide._threads import set_opencv_threads
from usguide.live import LiveEngine, igtl, open_live_source
from usguide.live.igtl_sink import IgtlLiveSink


def scanner_and_viewer(in_port: int, out_port: int, frames: int, rate_hz: float) -> None:
    """Send images, take results, and print the delays in ms, of the whole way and of the pipeline."""
    with ug.open_source("phantom:inplane-fascia") as source:
        shown = list(source)
    whole_ms: list[float] = []
    pipeline_ms: list[float] = []

    def take(message: igtl.Message) -> None:
        # The measures come after tip, points and lines: all of the result is here by then.
        if isinstance(message.content, igtl.Text) and message.header.timestamp_s is not None:
            whole_ms.append(1e3 * (time.monotonic() - message.header.timestamp_s))
            pipeline_ms.append(json.loads(message.content.text)["latency_ms"]["total"])

    with igtl.IgtlServer(in_port) as server, igtl.IgtlClient("127.0.0.1", out_port, on_message=take) as viewer:
        while not (server.clients and viewer.connected):
            time.sleep(0.001)
        start = time.monotonic()
        for k in range(frames):
            time.sleep(max(0.0, start + k / rate_hz - time.monotonic()))
            # Forwards and backwards, so that the needle does not leap.
            frame = shown[k % len(shown)] if k // len(shown) % 2 == 0 else shown[-1 - k % len(shown)]
            server.send(igtl.image_message(frame, timestamp_s=time.monotonic()))
        time.sleep(1.0)
    print(json.dumps({"whole_ms": whole_ms, "pipeline_ms": pipeline_ms}))


def main() -> int:
    """Measure, and print p50 and p95."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--ports", type=int, nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.ports:
        scanner_and_viewer(chosen.ports[0], chosen.ports[1], chosen.frames, chosen.rate)
        return 0
    set_opencv_threads(1)
    ug.warmup()
    pipeline = ug.GuidancePipeline(ug.InsertionPrior(entry_side="left", angle_deg=(15, 60)))
    with igtl.IgtlServer(0) as probe:
        in_port = probe.port
    server = igtl.IgtlServer(0)
    sink = igtl.IgtlSink(server)
    command = [
        sys.executable,
        __file__,
        "--ports",
        in_port,
        server.port,
        "--frames",
        chosen.frames,
        "--rate",
        chosen.rate,
    ]
    process = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True)
    engine = LiveEngine(open_live_source(f"igtl://127.0.0.1:{in_port}"), pipeline)
    engine.add_sink(IgtlLiveSink(sink))
    with engine:
        printed, _ = process.communicate(timeout=60 + chosen.frames / chosen.rate)
        status = engine.status()
    said = json.loads(printed)
    whole, own = np.array(said["whole_ms"]), np.array(said["pipeline_ms"])
    dropped = status.dropped + status.dropped_by_source
    print(
        f"{chosen.frames} images sent, {dropped} dropped, {status.processed} worked on, {len(whole)} results received"
    )
    for name, values in (
        ("image in to needle out", whole),
        ("pipeline itself", own),
        ("links and waiting", whole - own),
    ):
        p50, p95, top = np.quantile(values, (0.5, 0.95, 1.0))
        print(f"{name:24s}p50{p50:8.2f}   p95{p95:8.2f}   max{top:8.2f} ms")
    return 0 if len(whole) == status.processed else 1


if __name__ == "__main__":
    sys.exit(main())
