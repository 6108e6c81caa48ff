"""A network that is fitted further starts as what was stored."""

from dataclasses import asdict

import numpy as np
import pytest
from benchmark_scripts import loaded

from usguide.detection.strips import strip_net

pytest.importorskip("torch", reason="fitting needs PyTorch: pip install torch")


def test_a_stored_network_comes_back_as_it_was():
    fit_strips = loaded("needle/fit_strips.py")
    stored = strip_net()
    again = fit_strips.as_net(fit_strips.as_reader(stored))
    for name, weights in asdict(stored).items():
        np.testing.assert_array_equal(getattr(again, name), weights, err_msg=name)
