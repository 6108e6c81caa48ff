"""Every error that usguide raises on purpose, under one root.

A message is one line and says what was expected, what came, and what to do.
"""

from __future__ import annotations


class UsguideError(Exception):
    """Root of all errors raised by usguide."""


class InputError(UsguideError, ValueError):
    """An argument is not what the function takes."""


class InvalidFrameError(InputError):
    """A frame can't be processed; the state of whoever refused it is unchanged."""


class FormatError(UsguideError, OSError):
    """A file or stream can't be read or written as what it claims to be."""


class MissingExtraError(UsguideError, ImportError):
    """An optional or system dependency is absent; the message names the command that installs it."""
