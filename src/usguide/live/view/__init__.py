"""The view in the browser: one page, served by this machine, that shows each result and takes what the operator does."""

from usguide.live.view.server import DEFAULT_PORT, ViewServer

__all__ = ["DEFAULT_PORT", "ViewServer"]
