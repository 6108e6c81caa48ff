"""The benchmark: suites with truth, the frozen reference detector, and what a run reports (`usguide bench`)."""

from usguide.bench.compare import Comparison, Difference, compare, load_figures
from usguide.bench.reference import ReferenceDetector
from usguide.bench.report import report_html, save_report
from usguide.bench.run import BenchOptions, BenchRun, Watcher, run_bench, save_figures
from usguide.bench.sequences import Absent, Clip, Recorded, Rendered, Sequence, Suite
from usguide.bench.suites import suites

__all__ = [
    "Absent",
    "BenchOptions",
    "BenchRun",
    "Clip",
    "Comparison",
    "Difference",
    "Recorded",
    "ReferenceDetector",
    "Rendered",
    "Sequence",
    "Suite",
    "Watcher",
    "compare",
    "load_figures",
    "report_html",
    "run_bench",
    "save_figures",
    "save_report",
    "suites",
]
