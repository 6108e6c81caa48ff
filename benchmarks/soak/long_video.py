"""A long video through `usguide track`: memory over time, and that results do not depend on what comes later.

    python benchmarks/soak/long_video.py [--frames 10000] [--keep DIR]

Makes a 640 x 480 video (a rendered needle going in and out, over and over), tracks it in a process of its own, samples
that process's memory, then tracks the first tenth alone and compares the results byte for byte, latency aside.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from usguide.phantoms import NeedleScene, PhantomScene, render_phantom


def make_video(path: Path, count: int) -> None:
    """Write `count` frames: a phantom forwards and backwards, with fresh noise so that no two frames are equal."""
    advance = ((0.3, -0.5), (1.8, 22.0), (3.0, 22.0))
    scene = PhantomScene(shape=(480, 640), spacing_mm=(0.08, 0.08), duration_s=3.0, needle=NeedleScene(advance=advance))
    frames = render_phantom(scene, seed=11).frames
    loop = np.concatenate([frames, frames[::-1]])
    rng = np.random.default_rng(0)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), 20.0, (640, 480))
    for k in range(count):
        noisy = loop[k % len(loop)].astype(np.int16) + rng.integers(-3, 4, (480, 640), dtype=np.int16)
        writer.write(cv2.cvtColor(np.clip(noisy, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR))
    writer.release()


def track(video: Path, out: Path, *options: str) -> list[tuple[int, float]]:
    """Run the command; return (frames done, resident MB) over time."""
    command = [sys.executable, "-c", "from usguide.cli import main; main()", "track", str(video), "--out", str(out)]
    fixed = ["--spacing-mm", "0.08", "--entry", "left", "--angle", "15:60", "--quiet"]
    process = subprocess.Popen([*command, *fixed, *options])
    samples = []
    while process.poll() is None:
        time.sleep(2)
        partial = list(out.glob(".usguide-*/results.jsonl"))
        status = Path(f"/proc/{process.pid}/status")
        if partial and status.exists():
            with partial[0].open("rb") as file:
                done = sum(1 for _ in file)
            lines = [line for line in status.read_text().splitlines() if line.startswith("VmRSS")]
            if lines:
                samples.append((done, int(lines[0].split()[1]) / 1024))
    if process.returncode:
        raise SystemExit(f"usguide track ended with exit code {process.returncode}")
    return samples


def without_latency(path: Path) -> list[dict[str, object]]:
    """Return the records of a results.jsonl, latency left out."""
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [{k: v for k, v in r.items() if k != "latency_ms"} for r in records]


def main() -> None:
    """Run, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--keep", type=Path, help="folder for video and results (default: a temporary one)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        video = folder / "long.mp4"
        make_video(video, options.frames)
        samples = track(video, folder / "whole")
        for share in (0.1, 0.5, 1.0):
            done, mb = min(samples, key=lambda s: abs(s[0] - share * options.frames))
            print(f"{done:7d} frames: {mb:7.1f} MB resident")
        part = options.frames // 10
        track(video, folder / "part", "--max-frames", str(part))
        whole, first = (without_latency(folder / n / "results.jsonl") for n in ("whole", "part"))
        print(f"first {part} results alike with and without the rest: {whole[:part] == first}")
        summary = json.loads((folder / "whole" / "summary.json").read_text(encoding="utf-8"))
        print(f"states {summary['states']}, latency ms {summary['latency_ms']['total']}")


if __name__ == "__main__":
    main()
