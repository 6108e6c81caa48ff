"""The command line: `usguide track`, `info`, `despeckle`, `presets` and the rest."""

from __future__ import annotations

import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command line; mistakes become one line on stderr and exit code 2."""
    from usguide.errors import UsguideError  # noqa: PLC0415

    try:
        sys.exit(_run(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except UsguideError as error:
        _fail(str(error))
    except BrokenPipeError:
        sys.exit(1)
    except ImportError as error:
        if "libGL" not in str(error) and "libgthread" not in str(error) and "libglib" not in str(error):
            raise
        _fail(f"OpenCV can't be loaded ({error}); install its system libraries: apt-get install libgl1 libglib2.0-0")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}")


def _run(arguments: list[str]) -> int:
    from typer import BadParameter  # noqa: PLC0415

    from usguide.cli.app import app  # noqa: PLC0415

    # The root of usage errors, wherever this version of Typer keeps it (in click, or in a copy of it).
    usage_error: type[Exception] = next(c for c in BadParameter.__mro__ if c.__name__ == "ClickException")
    try:
        # Not standalone: Typer would draw a box of five lines around a mistake.
        code = app(arguments or ["--help"], standalone_mode=False, prog_name="usguide")
    except usage_error as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "usguide"
        _fail(f"{error.format_message()} (see {path} --help)")  # type: ignore[attr-defined]
    return 2 if not arguments else code if isinstance(code, int) else 0


def _fail(message: str) -> None:
    sys.stderr.write("usguide: error: " + " ".join(message.split()) + "\n")
    sys.exit(2)
