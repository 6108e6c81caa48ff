"""Where results go: JSONL, CSV, overlay video, summary; complete or not there."""

from usguide.io.sinks.folder import RunFolder
from usguide.io.sinks.overlay import OverlayPictures, OverlayVideo
from usguide.io.sinks.spread import MaskFiles, SpreadPlot
from usguide.io.sinks.summary import RunSummary
from usguide.io.sinks.tables import CsvSink, JsonlSink, Sink, result_record

__all__ = [
    "CsvSink",
    "JsonlSink",
    "MaskFiles",
    "OverlayPictures",
    "OverlayVideo",
    "RunFolder",
    "RunSummary",
    "Sink",
    "SpreadPlot",
    "result_record",
]
