"""The command line: `usguide track`, `usguide info`, `usguide despeckle`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; mistakes become one line on stderr and exit code 2."""
    from usguide.errors import UsguideError  # noqa: PLC0415

    try:
        from usguide.cli.app import app  # noqa: PLC0415

        app()
    except UsguideError as error:
        _fail(str(error))
    except BrokenPipeError:
        sys.exit(1)
    except ImportError as error:
        if "libGL" not in str(error) and "libgthread" not in str(error) and "libglib" not in str(error):
            raise
        _fail(f"OpenCV can't be loaded ({error}); install its system libraries: apt-get install libgl1 libglib2.0-0")
    except OSError as error:
        _fail(f"{error.filename or 'files'}: {error.strerror or error}")


def _fail(message: str) -> None:
    sys.stderr.write("usguide: error: " + " ".join(message.split()) + "\n")
    sys.exit(2)
