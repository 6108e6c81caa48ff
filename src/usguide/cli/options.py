"""Options that several commands share, each declared once."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

NOTICE = "Research use only: not a medical device."

Spacing = Annotated[
    str | None, typer.Option("--spacing-mm", metavar="S|AX,LAT", help="mm per px; or axial and lateral, as 0.05,0.08")
]
Depth = Annotated[
    float | None, typer.Option("--depth-mm", metavar="D", help="height of the region in mm, in place of the spacing")
]
Roi = Annotated[
    str | None,
    typer.Option("--roi", metavar="X,Y,W,H|auto", help="the ultrasound image within each frame, in px; or find it"),
]
TwoPoints = Annotated[
    str | None,
    typer.Option(
        "--two-points",
        metavar="X1,Y1:X2,Y2=MM",
        help="spacing from two points in px, as ticks of a ruler, and their distance; pixels are taken for square",
    ),
]
Rate = Annotated[float | None, typer.Option("--frame-rate", metavar="HZ", help="replaces the recording's own times")]
Scale = Annotated[float | None, typer.Option("--full-scale", metavar="V", help="white, for floating-point pixels")]
LockAngle = Annotated[
    float | None,
    typer.Option("--lock-angle", metavar="DEG", help="insertion angle that is known, give or take 2 degrees"),
]
Guide = Annotated[
    str | None,
    typer.Option(
        "--guide",
        metavar="X,Z,DEG",
        help="needle guide's line: where it comes into the picture, in mm, and its angle; with --entry left or right."
        " Only what lies within 3 mm and 3 degrees of it is a needle",
    ),
]
GUIDE_FORM = "X,Z,DEG, in mm and degrees, as 0,6,30"
Preset = Annotated[
    list[str] | None,
    typer.Option(
        "--preset",
        metavar="NAME|FILE",
        help="preset, see 'usguide presets', or a TOML file; repeatable: a later one replaces what an earlier one says,"
        " and the other options replace both",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="print nothing but errors")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON on stdout and nothing else")]
Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...",
        help="video, DICOM, .mha/.nrrd sequence, folder, glob or list of pictures, .npy/.npz, camera:N, phantom:NAME",
        show_default=False,
    ),
]
Entry = Annotated[
    Literal["left", "right", "top", "any"] | None, typer.Option("--entry", help="edge where the shaft comes in")
]
Angle = Annotated[
    str | None,
    typer.Option("--angle", metavar="LO:HI", help="insertion angles in degrees; negative where the shaft rises"),
]
TargetAt = Annotated[
    str | None,
    typer.Option(
        "--target",
        metavar="X,Z[,R]|FILE.json",
        help="point to guide to, lateral and axial mm; with a radius, or an outline, the way around it is measured",
    ),
]
KeepOut = Annotated[
    list[str] | None,
    typer.Option(
        "--keep-out",
        metavar="[NAME=]X,Z,R|FILE.json",
        help="circle in mm, or outline, to be avoided: it is marked, and injectate within is warned of; repeatable",
    ),
]
InjectionAt = Annotated[
    float | None,
    typer.Option("--injection-at-s", metavar="T", help="time at which the plunger moved, in s: spread has to follow"),
]
Masks = Annotated[
    bool, typer.Option("--masks", help="write the injectate's masks: injectate.npz and injectate.seq.nrrd")
]
MaxFrames = Annotated[int | None, typer.Option("--max-frames", metavar="N", min=1, help="stop after N frames")]
Threads = Annotated[int, typer.Option("--threads", metavar="N", min=1, help="threads for OpenCV")]
NoVideo = Annotated[bool, typer.Option("--no-video", help="write no overlay")]
