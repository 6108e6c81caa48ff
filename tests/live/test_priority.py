"""The engine's thread goes before others where the system lets it, and nothing happens where it does not."""

import os
import threading

import pytest

from usguide import _threads

linux = pytest.mark.skipif(not hasattr(os, "sched_setscheduler"), reason="no scheduling classes on this system")


def in_a_thread(work):
    found = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


def scheduling():
    """Class (without what is inherited) and niceness of the thread that asks."""
    thread = threading.get_native_id()
    return os.sched_getscheduler(thread) & ~os.SCHED_RESET_ON_FORK, os.getpriority(os.PRIO_PROCESS, thread)


def refuse(*_):
    raise PermissionError(1, "Operation not permitted")


@linux
def test_only_the_thread_itself_is_preferred():
    before = scheduling()

    def work():
        agreed = _threads.prefer_this_thread(_threads.FIRST)
        return agreed, scheduling(), in_a_thread(scheduling)

    agreed, (kind, niceness), started_by_it = in_a_thread(work)
    if not agreed:
        assert (kind, niceness) == before
    elif kind == os.SCHED_RR:
        assert os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == before[0]
        assert started_by_it[0] == os.SCHED_OTHER
    else:
        assert niceness == _threads.FIRST * _threads.NICENESS_EACH
    assert scheduling() == before


@linux
def test_niceness_is_asked_for_where_real_time_is_refused(monkeypatch):
    asked = []
    monkeypatch.setattr(_threads.os, "sched_setscheduler", refuse)
    monkeypatch.setattr(_threads.os, "setpriority", lambda *given: asked.append(given))
    assert _threads.prefer_this_thread(_threads.FIRST) is True
    assert asked == [(os.PRIO_PROCESS, threading.get_native_id(), _threads.FIRST * _threads.NICENESS_EACH)]


@linux
def test_a_system_that_refuses_is_no_error(monkeypatch):
    monkeypatch.setattr(_threads.os, "sched_setscheduler", refuse)
    monkeypatch.setattr(_threads.os, "setpriority", refuse)
    before = scheduling()
    assert _threads.prefer_this_thread(_threads.FIRST) is False
    assert scheduling() == before


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(_threads.sys, "platform", "darwin")
    assert in_a_thread(lambda: _threads.prefer_this_thread(_threads.FIRST)) is False
