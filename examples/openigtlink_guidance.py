"""Guidance between a scanner and 3D Slicer: images come from an OpenIGTLink server, the needle goes out to all who connect.

python examples/openigtlink_guidance.py --source 127.0.0.1:18944 --out-port 18945 --entry left

Then in 3D Slicer: OpenIGTLinkIF, add a client for port 18945, activate it. No engine here: frames that come while one is
worked on are dropped by the source.
"""

from __future__ import annotations

import argparse
import sys

import usguide as ug
from usguide.live import igtl


def guide(
    source: igtl.IgtlSource, sink: igtl.IgtlSink, pipeline: ug.GuidancePipeline, frames: int | None = None
) -> None:
    """Work on `frames` images, or for ever."""
    while frames is None or frames > 0:
        received = source.read(timeout_s=1.0)
        if received is None:
            print("no image for a second", *source.builder.notes[-1:], sep="; ")
            continue
        try:
            result = pipeline.step(received.frame)
        except ug.InvalidFrameError as error:
            print(error)
            continue
        sink.write(received.frame, result, timestamp_s=received.source_time_s)
        frames = None if frames is None else frames - 1


def main() -> int:
    """Connect both ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default=f"127.0.0.1:{igtl.DEFAULT_PORT}", metavar="HOST:PORT")
    parser.add_argument("--device", default=None, help="whose images; by default the first that sends one")
    parser.add_argument("--out-port", type=int, default=igtl.DEFAULT_PORT + 1)
    parser.add_argument("--spacing-mm", type=float, default=None, help="mm per px, where the images do not say")
    parser.add_argument("--entry", default="any", choices=("left", "right", "top", "any"))
    options = parser.parse_args()
    host, _, port = options.source.rpartition(":")
    ug.warmup()
    try:
        sink = igtl.IgtlSink(igtl.IgtlServer(options.out_port), overlay=True)
        try:
            with igtl.IgtlSource(host, int(port), options.device, spacing_mm=options.spacing_mm) as source:
                guide(source, sink, ug.GuidancePipeline(ug.InsertionPrior(entry_side=options.entry)))
        finally:
            sink.close()
    except ug.UsguideError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
