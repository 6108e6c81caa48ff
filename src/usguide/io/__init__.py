"""Where frames come from, and where results go (`usguide.io.sinks`)."""

from usguide.io.callback import CallbackSource
from usguide.io.opening import open_source
from usguide.io.source import Source, SourceInfo

__all__ = ["CallbackSource", "Source", "SourceInfo", "open_source"]
