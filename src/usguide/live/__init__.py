"""Plugged into a scanner: live sources, an engine that works on the newest frame, recordings that replay exactly."""

import logging

from usguide.live.addresses import Address, parse_address
from usguide.live.counting import EngineStatus
from usguide.live.engine import LiveEngine
from usguide.live.frames import EndOfStreamError, LiveFrame, LiveSink, LiveSource, LiveUpdate
from usguide.live.recorder import Recorder
from usguide.live.replaying import replay_recording
from usguide.live.sinks import FrameSink, SinkStatus
from usguide.live.sources import (
    CallableSource,
    PushedSource,
    ReplaySource,
    live_frame,
    open_live_source,
    register_scheme,
)

# Silent unless a program asks for it: Python would else write warnings to stderr.
logging.getLogger("usguide.live").addHandler(logging.NullHandler())

__all__ = [
    "Address",
    "CallableSource",
    "EndOfStreamError",
    "EngineStatus",
    "FrameSink",
    "LiveEngine",
    "LiveFrame",
    "LiveSink",
    "LiveSource",
    "LiveUpdate",
    "PushedSource",
    "Recorder",
    "ReplaySource",
    "SinkStatus",
    "live_frame",
    "open_live_source",
    "parse_address",
    "register_scheme",
    "replay_recording",
]
