"""Quality of the despecklers, and what they cost.

Four suites, each with its own table:

  rendered     pictures with known speckle-free truth: PSNR, SSIM, ENL, gCNR, edges, the thin line, milliseconds;
               at default options, and at three sets that are tuned on other seeds: 'careful' keeps a thin line,
               'even' smooths every filter alike, 'strong' has the highest SSIM
  gain         the same pictures with darker tissue: which options depend on the brightness
  recordings   cysts on public recordings of phantoms: gCNR and ENL, in boxes read by eye
  needle       the whole pipeline on rendered phantoms: tip error and recall with each despeckler

How to read it: PSNR, SSIM and ENL rise with smoothing alone, so a filter is better than another only where it keeps
more of the line and the edges at the same ENL ('even'). A filter that leaves all about a bright line as it is keeps the
line too: see 'ENL by the line'. 'gaussian blur' is no filter of the library but the yardstick for that.
Contrast-to-noise ratios are not given: compressing the grey scale raises them. gCNR does not have that flaw.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

from filter_methods import available  # noqa: E402  (thread counts are read at import)
from filter_needle import needle_report  # noqa: E402
from filter_recordings import recordings_report  # noqa: E402
from filter_scores import gain_report, rendered_reports, tune_all  # noqa: E402
from filter_tables import Report  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import track  # noqa: E402

import usguide as ug  # noqa: E402
from usguide._threads import set_opencv_threads  # noqa: E402

SUITES = ("rendered", "gain", "recordings", "needle")
EXAMPLES = """examples:
  python benchmarks/filters/quality.py                            every suite (recordings where they are found)
  python benchmarks/filters/quality.py --suite rendered --methods none,median,srad
  python benchmarks/filters/quality.py --data ~/recordings --markdown quality.md
"""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options, or end with what is wrong with them."""
    folder = os.environ.get("USGUIDE_DATA_DIR")
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--suite", choices=SUITES, action="append", help="run this one; may be repeated (default: all)")
    parser.add_argument("--methods", metavar="A,B", help=f"just these, out of: {', '.join(available())}")
    parser.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        default=Path(folder) if folder else None,
        help="folder of the public recordings, with pocus-phantom in it (default: USGUIDE_DATA_DIR)",
    )
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="also write the tables as Markdown")
    options = parser.parse_args(arguments)
    options.suite = options.suite or list(SUITES)
    wanted = options.methods.split(",") if options.methods else available()
    if unknown := sorted(set(wanted) - set(available())):
        parser.error(f"--methods: expected some of {', '.join(available())}, got {', '.join(unknown)}")
    options.methods = [m for m in available() if m in wanted]
    return options


def main() -> int:
    """Run the suites, print their tables, write them where asked."""
    options = parse()
    set_opencv_threads(1)
    ug.warmup()
    console = Console(width=None if sys.stdout.isatty() else 200)
    errors = Console(stderr=True)

    def progress(items: Sequence[str], text: str) -> Iterable[str]:
        return track(items, text, console=errors, transient=True)

    console.print(f"{platform.machine()}, {os.cpu_count()} cores, one thread; usguide {ug.__version__}")
    tuned = tune_all(progress, options.methods)
    reports: list[Report] = []

    def add(*made: Report) -> None:
        for report in made:
            report.show(console)
        reports.extend(made)

    if "rendered" in options.suite:
        add(*rendered_reports(progress, options.methods, tuned))
    if "gain" in options.suite:
        add(gain_report(progress, options.methods, tuned))
    if "recordings" in options.suite:
        answer = recordings_report(progress, options.methods, tuned, options.data)
        if isinstance(answer, str):
            console.print(answer)
        else:
            add(answer)
    if "needle" in options.suite:
        add(needle_report(progress, options.methods, tuned))
    if options.markdown is not None:
        options.markdown.write_text("\n".join(r.to_markdown() for r in reports), encoding="utf-8")
        console.print(f"Written: {options.markdown}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
