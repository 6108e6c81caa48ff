"""Where frames come from, and where results go (`usguide.io.sinks`)."""

from usguide.io.callback import CallbackSource
from usguide.io.clarius import cast_callback
from usguide.io.opening import open_source
from usguide.io.source import Source, SourceInfo
from usguide.io.write_dicom import write_dicom
from usguide.io.write_sequence import write_sequence

__all__ = ["CallbackSource", "Source", "SourceInfo", "cast_callback", "open_source", "write_dicom", "write_sequence"]
