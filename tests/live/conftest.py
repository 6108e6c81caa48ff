"""Lost sources are tried again at once."""

import pytest

from usguide.live import receiving


@pytest.fixture(autouse=True)
def quick_back_off(monkeypatch):
    monkeypatch.setattr(receiving, "BACK_OFF_S", (0.001, 0.01))
