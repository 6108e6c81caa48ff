"""The engine's thread goes before others where the system lets it, and nothing happens where it does not."""

import os
import threading

import pytest

from usguide import _threads


def in_a_thread(work):
    found = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.skipif(not hasattr(os, "getpriority"), reason="no niceness on this system")
def test_only_the_thread_itself_is_preferred():
    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def work():
        agreed = _threads.prefer_this_thread()
        return agreed, os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    agreed, niceness = in_a_thread(work)
    assert niceness == (_threads.PREFERRED_NICENESS if agreed else before)
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before


def test_a_system_that_refuses_is_no_error(monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(_threads.os, "setpriority", refuse, raising=False)
    assert in_a_thread(_threads.prefer_this_thread) is False


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(_threads.sys, "platform", "darwin")
    assert in_a_thread(_threads.prefer_this_thread) is False
