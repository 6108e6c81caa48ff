"""`usguide live`: a live source through the engine, a status line, and a recording."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from usguide._threads import set_opencv_threads
from usguide._warmup import warmup
from usguide.cli import INTERRUPTED
from usguide.cli.console import console, silence_opencv
from usguide.cli.interrupt import StopRequest
from usguide.cli.memory import RegionOption
from usguide.cli.needle import pipeline_and_guide
from usguide.cli.spreading import OutlineOption, outlines_of, target_arguments
from usguide.draw import RESEARCH_LINE
from usguide.draw.spread import warning_words
from usguide.live import EngineStatus, LiveEngine, LiveSink, Recorder, open_live_source
from usguide.live.counting import plain_status
from usguide.live.igtl import IgtlServer, IgtlSink
from usguide.live.igtl_sink import IgtlLiveSink
from usguide.live.view import ViewServer
from usguide.pipeline import GuidancePipeline
from usguide.types import EntrySide, GuidanceResult, InputState, TrackState

REFRESH_S = 0.1


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """What the command line asked for."""

    source: str
    record: Path | None
    spacing_mm: tuple[float, float] | None
    depth_mm: float | None
    region: RegionOption
    entry: EntrySide | None
    angle_deg: tuple[float, float] | None
    lock_angle_deg: float | None
    guide: tuple[float, ...] | None
    presets: tuple[str, ...]
    target_mm: OutlineOption | None
    igtl_port: int | None
    view_port: int | None
    view_host: str
    keep_out: Mapping[str, OutlineOption]
    injectate: bool
    full_scale: float | None
    max_frames: int | None
    duration_s: float | None
    stale_after_s: float
    late_after_s: float
    threads: int
    quiet: bool
    as_json: bool


def run_live(options: LiveOptions) -> int:
    """Run until the source ends, the time is over or someone interrupts; return the exit code.

    Raises
    ------
    UsguideError
        The source or an option is wrong, and nothing was written.
    """
    pipeline, guide = pipeline_and_guide(
        presets=options.presets,
        entry=options.entry,
        angle_deg=options.angle_deg,
        lock_angle_deg=options.lock_angle_deg,
        guide=options.guide,
        injectate=options.injectate,
    )
    set_opencv_threads(options.threads)
    silence_opencv()
    source = open_live_source(
        options.source,
        spacing_mm=options.spacing_mm,
        depth_mm=options.depth_mm,
        region=options.region,
        full_scale=options.full_scale,
    )
    try:
        if options.source.startswith("camera:"):
            source.open()  # a stream may begin later; a camera that is not there is a mistake, told at once
        warmup(injectate=options.injectate)
        with ExitStack() as undo:
            igtl, view = _igtl_out(options, undo), _view(options, undo)
            recorder = None if options.record is None else Recorder(options.record, pipeline, source.name, guide=guide)
            undo.pop_all()
    except BaseException:
        source.close()
        raise
    engine = LiveEngine(
        source,
        pipeline,
        recorder=recorder,
        stale_after_s=options.stale_after_s,
        late_after_s=options.late_after_s,
    )
    if igtl is not None:
        engine.add_sink(igtl, name="igtl")
    if view is not None:
        view.start(engine)
    return _run(engine, pipeline, recorder, options)


def _igtl_out(options: LiveOptions, undo: ExitStack) -> LiveSink | None:
    """Listen for programs that want results over OpenIGTLink; `undo` closes the port again."""
    if options.igtl_port is None:
        return None
    server = IgtlServer(options.igtl_port)
    undo.callback(server.close)
    _tell(options, f"OpenIGTLink at {server.host}:{server.port}")
    return IgtlLiveSink(IgtlSink(server))


def _view(options: LiveOptions, undo: ExitStack) -> ViewServer | None:
    """Listen for browsers; `undo` closes the port again."""
    if options.view_port is None:
        return None
    view = ViewServer(options.view_port, host=options.view_host, keep_out_mm=outlines_of(options.keep_out))
    undo.callback(view.close)
    _tell(options, f"view at {view.address}")
    return view


def _tell(options: LiveOptions, text: str) -> None:
    if not options.quiet:
        sys.stderr.write(f"usguide: {text}\n")


def _run(engine: LiveEngine, pipeline: GuidancePipeline, recorder: Recorder | None, options: LiveOptions) -> int:
    if options.target_mm is not None:
        engine.set_target(**target_arguments(options.target_mm))
    if options.keep_out:
        engine.set_keep_out(outlines_of(options.keep_out))
    with StopRequest() as stop:
        try:
            with engine, _status_line(engine, quiet=options.quiet) as show:
                ended = _watch(engine, options, stop, show)
        except KeyboardInterrupt:  # a second Ctrl-C
            ended = "interrupted"
        stop.ignore()
        engine.stop()
        summary = _summary(engine, pipeline, ended)
        try:
            where = _finish(recorder, summary)
        except OSError as error:
            left = "" if recorder is None else f"; what was written is in {recorder.work}"
            reason = error.strerror or error
            sys.stderr.write(f"usguide: error: the recording could not be finished: {reason}{left}\n")
            return 1
    if options.as_json:
        print(json.dumps(summary, indent=2))  # noqa: T201  (what --json is for)
    elif not options.quiet:
        _report(summary, where)
    if recorder is not None and recorder.stopped_because is not None:
        sys.stderr.write(
            f"usguide: error: recording ended early: {recorder.stopped_because}; what came before is kept\n"
        )
        return 1
    if engine.error is not None:
        raise engine.error
    return INTERRUPTED if ended == "interrupted" else 0


def _finish(recorder: Recorder | None, summary: dict[str, Any]) -> Path | None:
    """Put the recording into place; one without a frame leaves nothing."""
    if recorder is None:
        return None
    if not summary["processed"]:
        recorder.discard()
        return None
    where = recorder.finish(summary)
    summary["recording"] = recorder.status()
    return where


def _watch(engine: LiveEngine, options: LiveOptions, stop: StopRequest, show: Any) -> str:
    """Wait for one of the ends; return which."""
    start = time.monotonic()
    while not engine.wait(REFRESH_S):
        status = engine.status()
        show(status)
        if stop.asked:
            return "interrupted"
        if options.duration_s is not None and time.monotonic() - start >= options.duration_s:
            return "duration reached"
        if options.max_frames is not None and status.processed >= options.max_frames:
            return "frames reached"
    return "source at its end" if engine.error is None else f"error: {engine.error}"


def _summary(engine: LiveEngine, pipeline: GuidancePipeline, ended: str) -> dict[str, Any]:
    counts = engine.counts.snapshot()
    return {
        "schema_version": 1,
        "notice": RESEARCH_LINE,
        "ended": ended,
        **plain_status(engine.status()),
        "states": dict(counts.states),
        "input_states": dict(counts.input_states),
        "latency_ms": engine.counts.latency_ms(),
        "settings_digest": pipeline.settings.digest,
    }


# What is shown


@contextmanager
def _status_line(engine: LiveEngine, *, quiet: bool) -> Iterator[Any]:
    """Show on stderr what happens to source and sinks and, if somebody watches, a line that follows the engine."""
    screen = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
    with _log_lines(screen, quiet=quiet):
        if quiet or not sys.stderr.isatty():
            yield lambda _: None
            return
        with Live(console=screen, auto_refresh=False, transient=True) as line:
            yield lambda status: line.update(status_text(status, engine.counts.recent_ms("end_to_end")), refresh=True)


class _Lines(logging.Handler):
    """Each message of the log as one line."""

    def __init__(self, screen: Console) -> None:
        super().__init__(logging.WARNING)
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        """Print it."""
        self._screen.print(" ".join(f"usguide: {record.getMessage()}".split()))


@contextmanager
def _log_lines(screen: Console, *, quiet: bool) -> Iterator[None]:
    if quiet:
        yield
        return
    log, lines = logging.getLogger("usguide.live"), _Lines(screen)
    log.addHandler(lines)
    try:
        yield
    finally:
        log.removeHandler(lines)


def status_text(status: EngineStatus, latency_ms: tuple[float, float] | None) -> Text:
    """Return the status line: what is true now, and nothing of a needle that is not seen now.

    Parameters
    ----------
    status : EngineStatus
    latency_ms : (float, float), optional
        Median and p95, end to end.
    """
    last = status.last
    words = [_state_words(status)]
    present = last is not None and not (status.stale or status.lost_because or last.late)
    if present and last is not None and last.result.input_state is InputState.OK:
        words += _needle_words(last.result)
    words.append(f"{status.rate_out_hz:.0f} of {status.rate_in_hz:.0f} frames/s")
    words.append(f"{status.dropped + status.dropped_by_source} dropped")
    if latency_ms is not None:
        words.append("latency {:.0f} ms, p95 {:.0f} ms".format(*latency_ms))
    if status.late:
        words.append(f"{status.late} late")
    words += [f"sink {s.name} is dead" for s in status.sinks if not s.alive]
    return Text("  ".join(words))


def _state_words(status: EngineStatus) -> str:
    if status.lost_because is not None:
        return f"NO SOURCE ({status.lost_because})"
    if status.last is None:
        return "WAITING FOR THE FIRST FRAME"
    if status.stale:
        return f"INPUT STALE {status.seconds_since_frame or 0:.1f} s"
    result = status.last.result
    if result.input_state is not InputState.OK:
        return f"INPUT {result.input_state}"
    return f"LATE {result.state}" if status.last.late else str(result.state)


def _needle_words(result: GuidanceResult) -> list[str]:
    track, target = result.track, result.target
    words = []
    if track is not None and track.state in (TrackState.TRACKING, TrackState.COASTING):
        x, z = track.tip.position_mm
        words.append(f"tip {x:.1f}, {z:.1f} mm")
    if target is not None and target.distance_mm is not None:
        words.append(f"target {target.distance_mm:.1f} mm")
    fluid = result.injectate
    if fluid is not None and fluid.area_mm2 > 0:
        words.append(f"injectate {fluid.area_mm2:.1f} mm2")
    if fluid is not None:
        words += [warning_words(w) for w in fluid.warnings]
    return words


def _report(summary: dict[str, Any], where: Path | None) -> None:
    out = console()
    table = Table(show_header=False, box=None)
    table.add_column()
    table.add_column(justify="right")
    for key in ("received", "processed", "dropped", "dropped_by_source", "invalid", "late", "restarts"):
        if summary[key] or key in ("received", "processed", "dropped"):
            table.add_row(key.replace("_", " "), str(summary[key]))
    for state, count in summary["states"].items():
        table.add_row(state, str(count))
    for stage in ("total", "end_to_end", "transit"):
        if stage in summary["latency_ms"]:
            values = summary["latency_ms"][stage]
            name = "pipeline" if stage == "total" else stage.replace("_", " ")
            table.add_row(f"latency, {name}", f"median {values['p50']:.1f}, p95 {values['p95']:.1f} ms")
    table.add_row("ended", summary["ended"])
    out.print(table)
    if where is not None:
        out.print(f"  {where}", soft_wrap=True)
    out.print(summary["notice"] + ".")
