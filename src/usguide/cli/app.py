"""Commands and their options. Nothing heavy is imported here, so that ``--help`` is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from usguide import __version__
from usguide.cli.options import (
    GUIDE_FORM,
    NOTICE,
    Angle,
    AsJson,
    Depth,
    Entry,
    Guide,
    InjectionAt,
    Inputs,
    KeepOut,
    LockAngle,
    Masks,
    MaxFrames,
    NoVideo,
    Preset,
    Quiet,
    Rate,
    Roi,
    Scale,
    Spacing,
    TargetAt,
    Threads,
    TwoPoints,
)
from usguide.cli.parsing import (
    one_spacing,
    parse_numbers,
    parse_outlines,
    parse_range,
    parse_region,
    parse_seed,
    parse_spacing,
    parse_target,
    parse_two_points,
)
from usguide.cli.spread import spread

app = typer.Typer(
    name="usguide",
    help=f"Find the needle, follow its tip, measure the spread, in B-mode ultrasound.\n\n{NOTICE}",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

datasets_app = typer.Typer(
    name="datasets",
    help="Public recordings: which there are, under which licence, and how to get them.\n\n"
    "They are downloaded from where their authors published them, at a fixed version, and checked. USGUIDE_DATA_DIR names "
    "a folder of recordings that is used in place of a download.",
    epilog="Examples:\n\nusguide datasets list\n\nusguide datasets fetch biopsy-needle\n\n"
    "usguide datasets fetch all --to recordings && export USGUIDE_DATA_DIR=$PWD/recordings",
)
app.add_typer(datasets_app)

presets_app = typer.Typer(
    name="presets",
    help="Presets for probes and procedures: which there are, and a file to copy and edit.\n\n"
    "A preset holds what is known beforehand, the angles and the needle's diameter, and its comments say why.",
    epilog="Examples:\n\nusguide presets\n\nusguide presets show lumbar-facet > mine.toml\n\n"
    "usguide track scan.dcm --preset curvilinear --preset mine.toml --entry left --out out",
)
app.add_typer(presets_app)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"usguide {__version__}")
        raise typer.Exit


@app.callback()
def _usguide(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    pass


@app.command(
    epilog="Examples:\n\n"
    "usguide track phantom:inplane-fascia --entry left --angle 15:60 --out out\n\n"
    "usguide track scan.mp4 --depth-mm 40 --roi 368,111,647,590 --target 22,25 --out out\n\n"
    "usguide track scan.dcm --preset curvilinear --preset lumbar-facet --entry left --out out\n\n"
    "usguide track scan.dcm --entry right --guide 38,4,35 --out out\n\n"
    "usguide track scan.dcm --seed 0,6:20,18 --seed-at-s 2.5 --lock-angle 31 --out out\n\n"
    "usguide track a.png b.png --stills --spacing-mm 0.0593 --entry left --out out\n\n"
    f"{NOTICE}"
)
def track(
    inputs: Inputs,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="folder for the results")],
    spacing: Spacing = None,
    depth_mm: Depth = None,
    two_points: TwoPoints = None,
    roi: Roi = None,
    entry: Entry = None,
    angle: Angle = None,
    lock_angle: LockAngle = None,
    guide: Guide = None,
    preset: Preset = None,
    seed: Annotated[
        str | None,
        typer.Option(
            "--seed", metavar="EX,EZ:TX,TZ|click", help="start a track: entry and tip in mm, or clicked in the picture"
        ),
    ] = None,
    seed_at_s: Annotated[
        float | None,
        typer.Option("--seed-at-s", metavar="T", help="time of the seed in s; by default the first frame"),
    ] = None,
    stills: Annotated[bool, typer.Option("--stills", help="unrelated pictures, whose sizes may differ")] = False,
    target: TargetAt = None,
    keep_out: KeepOut = None,
    injectate: Annotated[
        bool | None,
        typer.Option(
            "--injectate/--no-injectate",
            help="measure the injectate as well; by default with --injection-at-s or --masks only",
        ),
    ] = None,
    injection_at_s: InjectionAt = None,
    masks: Masks = False,
    frame_rate: Rate = None,
    full_scale: Scale = None,
    max_frames: MaxFrames = None,
    threads: Threads = 1,
    no_video: NoVideo = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Track the needle: results.jsonl, results.csv, overlay.mp4, summary.json, with injectate spread.png go into DIR.

    Exit codes: 0 complete, 1 stopped by an error midway (what is valid is kept), 2 bad input, 130 interrupted (kept).
    """
    from usguide.cli.spreading import SpreadAsked  # noqa: PLC0415
    from usguide.cli.track import TrackOptions, run_track  # noqa: PLC0415

    options = TrackOptions(
        inputs=tuple(inputs),
        out=out,
        spacing_mm=one_spacing(parse_spacing(spacing), parse_two_points(two_points), depth_mm),
        depth_mm=depth_mm,
        region=parse_region(roi),
        entry=entry,
        angle_deg=parse_range(angle, "--angle"),
        lock_angle_deg=lock_angle,
        guide=parse_numbers(guide, 3, "--guide", GUIDE_FORM),
        presets=tuple(preset or ()),
        seed=parse_seed(seed),
        seed_at_s=seed_at_s,
        stills=stills,
        target_mm=parse_target(target),
        spread=SpreadAsked(
            on=injectate if injectate is not None else masks or injection_at_s is not None,
            keep_out=parse_outlines(keep_out, "--keep-out"),
            injection_at_s=injection_at_s,
            masks=masks,
        ),
        frame_rate_hz=frame_rate,
        full_scale=full_scale,
        max_frames=max_frames,
        threads=threads,
        video=not no_video,
        quiet=quiet,
        as_json=as_json,
    )
    code = run_track(options)
    if code:
        raise typer.Exit(code)


app.command(
    epilog="Examples:\n\n"
    "usguide spread phantom:inplane-fascia --entry left --angle 15:60 --from 2.4 --target 25,22.3,3 --out out\n\n"
    "usguide spread scan.mp4 --depth-mm 40 --from 12.5 --seed 22,25 --out out\n\n"
    f"{NOTICE}"
)(spread)


@app.command(
    epilog="Examples:\n\n"
    "usguide live igtl://127.0.0.1:18944/Image_Reference --entry left --igtl-out 18945\n\n"
    "usguide live camera:0 --depth-mm 40 --roi 368,111,647,590 --entry left --record run1\n\n"
    "usguide live udp://0.0.0.0:5000 --spacing-mm 0.08 --entry left --angle 15:60\n\n"
    "usguide live replay:scan.dcm --entry right --view\n\n"
    "usguide replay run1\n\n"
    f"{NOTICE}"
)
def live(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="igtl://host:port/Device, camera:0, udp://0.0.0.0:5000, rtsp://host/stream, http://host/stream;"
            " replay:FILE, a recording at its own pace",
            show_default=False,
        ),
    ],
    record: Annotated[
        Path | None,
        typer.Option("--record", metavar="DIR", help="new folder for frames, results and what the operator did"),
    ] = None,
    spacing: Spacing = None,
    depth_mm: Depth = None,
    two_points: TwoPoints = None,
    roi: Roi = None,
    entry: Entry = None,
    angle: Angle = None,
    lock_angle: LockAngle = None,
    guide: Guide = None,
    preset: Preset = None,
    target: TargetAt = None,
    keep_out: KeepOut = None,
    injectate: Annotated[
        bool, typer.Option("--injectate/--no-injectate", help="measure the injectate as well, or save its time")
    ] = True,
    igtl_out: Annotated[
        int | None,
        typer.Option(
            "--igtl-out",
            metavar="PORT",
            min=0,
            max=65535,
            help="send needle and measures over OpenIGTLink to whoever connects to PORT of this machine; 0: any free one",
        ),
    ] = None,
    view: Annotated[bool, typer.Option("--view", help="show everything on a page for the browser")] = False,
    view_port: Annotated[
        int, typer.Option("--view-port", metavar="N", min=0, max=65535, help="port of the page; 0: any free one")
    ] = 8780,
    view_host: Annotated[
        str,
        typer.Option(
            "--view-host",
            metavar="H",
            help="address to serve the page at; with 0.0.0.0 other machines reach it, by an address with a token",
        ),
    ] = "127.0.0.1",
    full_scale: Scale = None,
    max_frames: Annotated[
        int | None, typer.Option("--max-frames", metavar="N", min=1, help="stop once N frames were processed")
    ] = None,
    duration: Annotated[float | None, typer.Option("--duration", metavar="S", min=0.0, help="stop after S s")] = None,
    stale_after: Annotated[
        float, typer.Option("--stale-after", metavar="S", min=0.05, help="the input is STALE without a frame for S s")
    ] = 0.5,
    late_after: Annotated[
        float, typer.Option("--late-after", metavar="S", min=0.001, help="a result whose frame is older is LATE")
    ] = 0.25,
    threads: Threads = 1,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Guide live: work on the newest frame of a scanner, a camera, a stream or a replay, and show state, tip and latency.

    A source that is lost is tried again, ever more rarely, until it is back. Ctrl-C ends the run and keeps the recording.

    Exit codes: 0 the source, the time or the number of frames is at its end, 1 an error midway (the recording up to there
    is kept), 2 bad input, 130 interrupted (kept).
    """
    from usguide.cli.live import LiveOptions, run_live  # noqa: PLC0415

    options = LiveOptions(
        source=source,
        record=record,
        spacing_mm=one_spacing(parse_spacing(spacing), parse_two_points(two_points), depth_mm),
        depth_mm=depth_mm,
        region=parse_region(roi),
        entry=entry,
        angle_deg=parse_range(angle, "--angle"),
        lock_angle_deg=lock_angle,
        guide=parse_numbers(guide, 3, "--guide", GUIDE_FORM),
        presets=tuple(preset or ()),
        target_mm=parse_target(target),
        igtl_port=igtl_out,
        view_port=view_port if view else None,
        view_host=view_host,
        keep_out=parse_outlines(keep_out, "--keep-out"),
        injectate=injectate,
        full_scale=full_scale,
        max_frames=max_frames,
        duration_s=duration,
        stale_after_s=stale_after,
        late_after_s=late_after,
        threads=threads,
        quiet=quiet,
        as_json=as_json,
    )
    code = run_live(options)
    if code:
        raise typer.Exit(code)


@app.command(epilog="Examples:\n\nusguide replay run1\n\nusguide replay run1 --out again.jsonl")
def replay(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="recording of 'usguide live --record'", show_default=False)
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE.jsonl", help="write the results of the replay")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Process a live recording again, as it was processed, and compare the results with those it holds.

    Exit codes: 0 the same, byte for byte, latency aside; 1 not the same; 2 bad input.
    """
    from usguide.cli.replay import run_replay  # noqa: PLC0415

    code = run_replay(folder, out, quiet=quiet)
    if code:
        raise typer.Exit(code)


@app.command(
    epilog="Examples:\n\nusguide info scan.mp4 --picture info.png\n\n"
    "usguide info scan.mp4 --roi auto --two-points 780,60:780,560=40 --remember\n\n"
    f"{NOTICE}"
)
def info(
    source: Annotated[list[str], typer.Argument(metavar="INPUT...", show_default=False)],
    spacing: Spacing = None,
    depth_mm: Depth = None,
    two_points: TwoPoints = None,
    click: Annotated[
        float | None, typer.Option("--click", metavar="MM", help="spacing from two clicks on the picture, MM apart")
    ] = None,
    roi: Roi = None,
    picture: Annotated[
        Path | None,
        typer.Option("--picture", metavar="FILE.png", help="draw the first frame with region, fan and grid"),
    ] = None,
    remember: Annotated[
        bool, typer.Option("--remember", help="use this region and spacing for this file from now on")
    ] = False,
    forget: Annotated[bool, typer.Option("--forget", help="remember nothing of this file any more")] = False,
    frame_rate: Rate = None,
    full_scale: Scale = None,
    as_json: AsJson = False,
) -> None:
    """Tell what is in a recording and what is missing: frames, size, spacing and its origin, region, times.

    It also looks for the ultrasound image within the frames, and shows what --roi auto would take.
    """
    from usguide.cli.info import InfoOptions, run_info  # noqa: PLC0415

    options = InfoOptions(
        spacing_mm=one_spacing(parse_spacing(spacing), parse_two_points(two_points), depth_mm, click),
        depth_mm=depth_mm,
        region=parse_region(roi),
        frame_rate_hz=frame_rate,
        full_scale=full_scale,
        as_json=as_json,
        picture=picture,
        click_mm=click,
        remember=remember,
        forget=forget,
    )
    run_info(source, options)


@app.command(
    epilog="Examples:\n\nusguide despeckle --list\n\n"
    "usguide despeckle scan.mp4 --out smooth.mp4\n\n"
    "usguide despeckle scan.mp4 --out smooth.mp4 --method nlm -s h=20\n\n"
    "usguide despeckle scan.mp4 --out smooth.mp4 --method srad -s q0=0.35 -s values=log_compressed\n\n"
    f"{NOTICE}"
)
def despeckle(
    source: Annotated[
        list[str] | None, typer.Argument(metavar="INPUT...", help="as for track", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="PATH",
            help="folder, or a file of the input's kind: .png, .mp4, .npz, .mha, .nrrd or .dcm",
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option("--method", "-m", help="see --list; by default Lee on the envelope", show_default=False),
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option("--set", "-s", metavar="NAME=VALUE", help="an option of the method; repeatable")
    ] = None,
    roi: Roi = None,
    full_scale: Scale = None,
    show_list: Annotated[bool, typer.Option("--list", help="list the methods and stop")] = False,
    quiet: Quiet = False,
) -> None:
    """Despeckle pictures to PNG, a video to MP4, an array to NPZ, a sequence to MHA or NRRD, DICOM to DICOM.

    With a region only the region is written; sequences and DICOM keep it where it was, with black around it.
    """
    from usguide.cli.despeckle import list_methods, run_despeckle  # noqa: PLC0415

    if show_list:
        list_methods()
        return
    run_despeckle(source or [], out, method, option or [], parse_region(roi), full_scale, quiet=quiet)


@app.command(
    epilog="Examples:\n\nusguide export out --format coco\n\nusguide export out --format mot --format markups --out labels"
)
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="results of 'usguide track'", show_default=False)],
    formats: Annotated[
        list[str],
        typer.Option("--format", "-f", metavar="coco|mot|markups", help="labels or 3D Slicer markups; repeatable"),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="folder; by default that of the results")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Write results for labelling tools (CVAT, Label Studio) and 3D Slicer: coco.json, mot.txt, needle.mrk.json."""
    from usguide.cli.export import run_export  # noqa: PLC0415

    run_export(folder, formats, out, quiet=quiet)


@app.command(
    epilog="Examples:\n\nusguide bench --quick --out quick\n\n"
    "usguide bench --suite phantom --jobs 2 --out before\n\n"
    "usguide bench --only faint --only 'angle=55*' --split tune --out steep\n\n"
    "usguide bench --compare before after\n\n"
    f"{NOTICE}"
)
def bench(
    suite: Annotated[
        Literal["all", "phantom", "anatomy", "stills", "recordings", "injectate", "speed"],
        typer.Option("--suite", help="what to run"),
    ] = "all",
    quick: Annotated[bool, typer.Option("--quick", help="a few short sequences of each: does it work?")] = False,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="folder for the report")] = Path("bench-out"),
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option("--compare", metavar="A B", help="compare two runs (folders or bench.json) and stop"),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="PATTERN", help="sequences with this name or tag, see --list; repeatable"),
    ] = None,
    split: Annotated[
        Literal["test", "tune"], typer.Option("--split", help="tune: to choose settings; test: to report")
    ] = "test",
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", metavar="N", min=1, help="processes; by default one a core")
    ] = None,
    no_prior: Annotated[bool, typer.Option("--no-prior", help="score ours without a prior too")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="render anew and keep nothing")] = False,
    show_list: Annotated[bool, typer.Option("--list", help="list the sequences and stop")] = False,
    quiet: Quiet = False,
) -> None:
    """Score the pipeline beside a frozen reference: bench.json, report.html, worst.png go into DIR.

    Suites: phantom (rendered, exact truth), anatomy (needles rendered onto real stills), stills (single frames of these),
    recordings (real ones, mostly false alarms) and speed. Recordings are found through USGUIDE_DATA_DIR or 'usguide
    datasets fetch'; what is absent is named. Rendered sequences are kept in USGUIDE_CACHE_DIR, or the user's cache, until
    scene or renderer change.

    Exit codes: 0 complete, 2 bad input, 130 interrupted (what was done is kept and reported).
    """
    from usguide.bench import BenchOptions  # noqa: PLC0415
    from usguide.cli.bench import list_sequences, run, show_comparison  # noqa: PLC0415

    patterns = tuple(only or ())
    if compare is not None:
        show_comparison(*compare)
    elif show_list:
        list_sequences(suite, split, patterns, quick=quick)
    else:
        code = run(BenchOptions(suite, split, quick, patterns, jobs, not no_cache, no_prior), out, quiet=quiet)
        if code:
            raise typer.Exit(code)


@datasets_app.callback(invoke_without_command=True)
def _datasets(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


@datasets_app.command(
    "list",
    epilog="Examples:\n\nusguide datasets list\n\nusguide datasets list qa-phantom\n\nusguide datasets list --json",
)
def list_command(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="tell all about this set alone", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the sets: what they show, their licence, their size, and whether they are on this computer."""
    from usguide.cli.datasets import run_list  # noqa: PLC0415

    run_list(name, as_json=as_json)


@datasets_app.command(
    epilog="Examples:\n\nusguide datasets fetch biopsy-needle qa-phantom\n\nusguide datasets fetch all --to recordings"
)
def fetch(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="see list; or all", show_default=False)],
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="DIR", help="put them into DIR/NAME in place of the cache", show_default=False),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Show licence and citation, then download what is not there yet; print each set's folder.

    Every file is compared with its checksum, also one that is there, and takes its place only when it is right: an
    interrupted fetch is just run again. With USGUIDE_DATA_DIR, and without --to, that folder's files are checked instead.
    """
    from usguide.cli.datasets import run_fetch  # noqa: PLC0415

    run_fetch(names, to, quiet=quiet)


@datasets_app.command(
    epilog="Examples:\n\nusguide datasets path biopsy-needle --verify\n\n"
    'usguide track "$(usguide datasets path biopsy-needle)/45.png" --stills --spacing-mm 0.0593 --out out'
)
def path(
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)],
    verify: Annotated[bool, typer.Option("--verify", help="compare every file with its checksum")] = False,
) -> None:
    """Print the folder of a set that is on this computer: in USGUIDE_DATA_DIR, or else in the cache."""
    from usguide.cli.datasets import run_path  # noqa: PLC0415

    run_path(name, verify=verify)


@presets_app.callback(invoke_without_command=True)
def _presets(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        from usguide.cli.presets import run_list  # noqa: PLC0415

        run_list()


@presets_app.command(epilog="Examples:\n\nusguide presets show biopsy > mine.toml\n\nusguide presets show default")
def show(name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)]) -> None:
    """Print a preset's file, to copy and edit; 'default' prints every setting there is."""
    from usguide.cli.presets import run_show  # noqa: PLC0415

    run_show(name)
